// Makes recordings of get-methods of random code. Usage: node methods.mjs CONFIG COUNT SEED
import { readFileSync, writeSync } from 'node:fs';
import { Address, beginCell, Cell, parseTuple } from '@ton/core';
import { Executor } from '@ton/sandbox';
import { Random } from './random.mjs';

const [, , configFile, countText, seedText] = process.argv;
const config = readFileSync(configFile, 'utf8').trim();
const random = new Random(seedText ?? '1');
const ADDRESS = new Address(0, Buffer.alloc(32, 7));
let executor = await Executor.create();

const push = () => random.pick(['70', '71', '72', '7F', '73', '75', '7A', '8010', '80FF', '81012C', '83FF', '8307', '84FF', '85FF', '6D', '6F00', 'C8', 'C8C9', 'C8C9D0', '8B48', '8AF800', '7172' + '6F02', '83FF' + 'B4'.slice(0, 0)]);

/// Opcodes that do something more often than bytes at random.
function operation() {
    switch (random.below(12)) {
        case 0: return random.bytes(1).toString('hex');
        case 1: return random.bytes(2).toString('hex');
        case 2: return 'A' + random.below(16).toString(16) + (random.chance(2) ? random.bytes(1).toString('hex') : '');
        case 3: return 'A9' + random.bytes(1).toString('hex');
        case 4: return 'B' + random.below(16).toString(16) + (random.chance(3) ? random.bytes(1).toString('hex') : '');
        case 5: return random.pick(['C', 'D']) + random.below(16).toString(16) + random.bytes(1).toString('hex');
        case 6: return '6F' + random.bytes(1).toString('hex');
        case 7: return random.pick(['ED', 'EE', 'EF', 'E9', 'DA', 'DB']) + random.bytes(1).toString('hex');
        case 8: return 'F4' + random.bytes(1).toString('hex');
        case 9: return random.pick(['F8', 'F9', 'FA', 'F2', 'B7']) + random.bytes(1).toString('hex');
        case 10: return random.below(7).toString(16) + random.bytes(1).toString('hex').slice(1);
        default: return push();
    }
}

function codeHex() {
    let hex = '';
    const pushes = random.below(8) + 1;
    for (let i = 0; i < pushes; i += 1) hex += push();
    const operations = random.below(8) + 1;
    for (let i = 0; i < operations; i += 1) hex += operation();
    return hex.slice(0, 240);
}

function show(item) {
    switch (item.type) {
        case 'int': return item.value.toString();
        case 'null': return 'null';
        case 'nan': return 'nan';
        case 'cell': return 'c:' + item.cell.hash().toString('hex');
        case 'slice': return 's:' + item.cell.hash().toString('hex');
        case 'builder': return 'b:' + item.cell.hash().toString('hex');
        case 'tuple': return '[' + item.items.map(show).join(' ') + ']';
        default: return 'opaque';
    }
}

let made = 0;
while (made < Number(countText)) {
    const hex = codeHex();
    const child = beginCell().storeBuffer(random.bytes(random.below(6))).endCell();
    const code = beginCell().storeBuffer(Buffer.from(hex.length % 2 ? hex.slice(1) : hex, 'hex')).storeRef(child).endCell();
    let output;
    try {
        ({ output } = await executor.runGetMethod({
            code, data: Cell.EMPTY, methodId: 77777, stack: [], config, verbosity: 'short', libs: undefined,
            address: ADDRESS, unixTime: 1760000000, balance: 1_000_000_000n, randomSeed: Buffer.alloc(32),
            gasLimit: 10_000_000n, debugEnabled: false,
        }));
    } catch {
        executor = await Executor.create();
        continue;
    }
    let stack;
    try {
        stack = parseTuple(Cell.fromBase64(output.stack)).map(show);
    } catch {
        continue;
    }
    if (stack.includes('opaque')) continue;
    made += 1;
    writeSync(1, JSON.stringify({ name: hex, code: code.toBoc().toString('base64'), method: 77777, exit: output.vm_exit_code, gas: output.gas_used, stack }) + '\n');
}
