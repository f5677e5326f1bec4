// Makes recordings of get-methods around the BLS12-381 opcodes: points good, infinite, outside the
// group and junk, too few or wrong values, and children (RUNVM) around them.
// Usage: node bls.mjs CONFIG COUNT SEED
import { readFileSync, writeSync } from 'node:fs';
import { Address, beginCell, Cell, parseTuple } from '@ton/core';
import { Executor } from '@ton/sandbox';
import { Random } from './random.mjs';

const [, , configFile, countText, seedText] = process.argv;
const config = readFileSync(configFile, 'utf8').trim();
const random = new Random(seedText ?? '1');
const ADDRESS = new Address(0, Buffer.alloc(32, 7));
const executor = await Executor.create();

const G1 = Buffer.from('97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb', 'hex');
const G2 = Buffer.from('93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8', 'hex');
const zero = (length) => Buffer.concat([Buffer.from([0xc0]), Buffer.alloc(length - 1)]);
const outside = (length, x) => Buffer.concat([Buffer.from([0x80]), Buffer.alloc(length - 2), Buffer.from([x])]);

function point(length) {
    const base = length === 48 ? G1 : G2;
    switch (random.below(12)) {
        case 0: return zero(length);
        case 1: return outside(length, 1 + random.below(8));
        case 2: return random.bytes(length);
        case 3: return base.subarray(0, random.below(length));
        case 4: return Buffer.concat([base, random.bytes(5)]);
        case 5: { const copy = Buffer.from(base); copy[0] ^= 0x20; return copy; }
        case 6: { const copy = Buffer.from(base); copy[random.below(length)] ^= 1 << random.below(8); return copy; }
        default: return base;
    }
}

const ref = (bytes) => ({ hex: '89', ref: beginCell().storeBuffer(bytes).endCell() });
const small = (n) => ({ hex: '80' + (n & 255).toString(16).padStart(2, '0') });
const scalar = () => random.pick([{ hex: '70' }, { hex: '71' }, { hex: '7F' }, { hex: '72' }, { hex: '83FF' }, { hex: '82' + '7' + '0' }, { hex: '85FF' }, { hex: '84FF' }, { hex: '83E0' }, { hex: '6D' }].filter((x) => x.hex !== '8270'));
const junk = () => random.pick([{ hex: '70' }, { hex: '6D' }, { hex: 'C8' }, { hex: '6F00' }, { hex: '83FF' }]);

function operation() {
    const two = random.chance(2);
    const length = two ? 96 : 48;
    const group = two ? 'F9302' : 'F9301';
    const p = () => ref(point(length));
    let items;
    switch (random.below(14)) {
        case 0: items = [p(), p(), { hex: group + '0' }]; break;
        case 1: items = [p(), p(), { hex: group + '1' }]; break;
        case 2: items = [p(), { hex: group + '2' }]; break;
        case 3: items = [p(), scalar(), { hex: group + '3' }]; break;
        case 4: {
            const n = random.below(6);
            items = [];
            for (let i = 0; i < n; i += 1) items.push(p(), scalar());
            items.push(random.chance(8) ? junk() : small(n + (random.chance(8) ? random.below(5) - 2 : 0)), { hex: group + '4' });
            break;
        }
        case 5: items = [{ hex: group + '5' }]; break;
        case 6: items = [ref(random.bytes(length)), { hex: group + '6' }]; break;
        case 7: items = [p(), { hex: group + '7' }]; break;
        case 8: items = [p(), { hex: group + '8' }]; break;
        case 9: {
            const n = random.below(4);
            items = [];
            for (let i = 0; i < n; i += 1) items.push(ref(point(48)), ref(point(96)));
            items.push(random.chance(8) ? junk() : small(n + (random.chance(8) ? 1 : 0)), { hex: 'F93030' });
            break;
        }
        case 10: items = [ref(point(48)), ref(random.bytes(random.below(40))), ref(point(96)), { hex: 'F93000' }]; break;
        case 11: {
            const n = random.below(5);
            items = [];
            for (let i = 0; i < n; i += 1) items.push(ref(point(96)));
            items.push(random.chance(8) ? junk() : small(n), { hex: 'F93001' });
            break;
        }
        case 12: {
            const n = random.below(4);
            items = [];
            for (let i = 0; i < n; i += 1) items.push(ref(point(48)));
            items.push(random.chance(8) ? junk() : small(n), ref(random.bytes(4)), ref(point(96)), { hex: 'F93002' });
            break;
        }
        default: {
            const n = random.below(3);
            items = [];
            for (let i = 0; i < n; i += 1) items.push(ref(point(48)), ref(random.bytes(3)));
            items.push(random.chance(8) ? junk() : small(n), ref(point(96)), { hex: 'F93003' });
        }
    }
    if (random.chance(12)) items.splice(random.below(items.length), 1);
    if (random.chance(12)) items.splice(random.below(items.length + 1), 0, junk());
    if (random.chance(20)) items[items.length - 1] = { hex: random.pick(['F93031', 'F93032', 'F930FF', 'F93004', 'F9302A', 'F930']) };
    return items;
}

/// Code that does the items in order, a cell each.
function sequence(items) {
    let next = Cell.EMPTY;
    for (const item of [...items].reverse()) {
        const builder = beginCell().storeBuffer(Buffer.from(item.hex, 'hex'));
        if (item.ref) builder.storeRef(item.ref);
        if (next !== Cell.EMPTY) builder.storeRef(next);
        next = builder.endCell();
    }
    return next;
}

function program() {
    const items = operation();
    if (random.chance(3)) items.push(...operation());
    if (!random.chance(3)) return sequence(items);
    const flags = random.pick([0, 1, 3, 8, 16, 32, 128, 136, 256, 264, 24, 9, 64, 4]);
    const outer = [small(random.below(3)), { hex: '70' }, { hex: '8AF800'.slice(0, 0) || '70' }, small(random.chance(6) ? 9 : 1), { hex: '89', ref: sequence(items) }];
    if (flags & 256) outer.push(small(random.below(3)));
    if (flags & 4) outer.push({ hex: '88', ref: beginCell().storeUint(7, 8).endCell() });
    if (flags & 16) outer.push({ hex: '6F00' });
    if (flags & 8) outer.push({ hex: random.pick(['811388', '817530', '8107D0']) });
    if (flags & 64) outer.push({ hex: '817FFF' });
    outer.push({ hex: 'DB4' + flags.toString(16).padStart(3, '0') });
    return sequence(outer);
}

function show(item) {
    switch (item.type) {
        case 'int': return item.value.toString();
        case 'cell': return 'c:' + item.cell.hash().toString('hex');
        case 'slice': return 's:' + item.cell.hash().toString('hex');
        case 'builder': return 'b:' + item.cell.hash().toString('hex');
        case 'tuple': return '[' + item.items.map(show).join(' ') + ']';
        default: return item.type;
    }
}

for (let made = 0; made < Number(countText); made += 1) {
    const code = program();
    const { output } = await executor.runGetMethod({
        code, data: Cell.EMPTY, methodId: 77777, stack: [], config, verbosity: 'short', libs: undefined,
        address: ADDRESS, unixTime: 1760000000, balance: 1_000_000_000n, randomSeed: Buffer.alloc(32),
        gasLimit: 10_000_000n, debugEnabled: false,
    });
    const stack = parseTuple(Cell.fromBase64(output.stack)).map(show);
    writeSync(1, JSON.stringify({ code: code.toBoc().toString('base64'), method: 77777, exit: output.vm_exit_code, gas: output.gas_used, stack }) + '\n');
}
