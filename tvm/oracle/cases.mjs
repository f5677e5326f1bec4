// What is mutated: accounts, messages and action lists, around a contract that does what its
// message says.
import { beginCell, Cell, Dictionary, Builder } from '@ton/core';

/// Takes a byte (0, or what to throw), the action list and the new data from the body.
const OBEY = '30F800D307D401ED55D401ED543020F2F2';
/// The same, but commits before it throws.
const OBEY_COMMIT = '30F800D307D401ED55D401ED5430F80F20F2F2';
/// Does not accept: externals are refused.
const MUTE = '30D307D401ED55D401ED543020F2F2';
/// Accepts and loops until gas runs out.
const LOOP = 'F8007F925F0EE77FDB31';

const hexCell = (hex) => beginCell().storeBuffer(Buffer.from(hex, 'hex')).endCell();
const NANO = 1_000_000_000n;

export function tree(random, cells, bits = 40) {
    let root = beginCell().storeBuffer(random.bytes(Math.ceil(bits / 8))).endCell();
    for (let left = cells - 1; left > 0; left -= 1) {
        const builder = beginCell().storeRef(root);
        if (left > 2 && random.chance(3)) {
            builder.storeRef(beginCell().storeBuffer(random.bytes(3)).endCell());
            left -= 1;
        }
        if (random.chance(4)) builder.storeRef(root);
        root = builder.storeBuffer(random.bytes(random.below(20))).endCell();
    }
    return root;
}

/// A chain wide enough to stay below the depth limits: `cells` distinct leaves under a fan.
export function fan(random, cells) {
    let layer = [];
    for (let i = 0; i < cells; i += 1) layer.push(beginCell().storeBuffer(random.bytes(8)).endCell());
    while (layer.length > 1) {
        const next = [];
        for (let i = 0; i < layer.length; i += 4) {
            const builder = beginCell();
            for (const cell of layer.slice(i, i + 4)) builder.storeRef(cell);
            next.push(builder.endCell());
        }
        layer = next;
    }
    return layer[0];
}

const size = (random) => random.pick([1, 1, 2, 3, 5, 10, 20, 24, 25, 26, 27, 40, 100]);
const amount = (random) =>
    random.pick([
        0n,
        1n,
        BigInt(random.below(1_000_000)),
        BigInt(random.below(10_000_000)),
        BigInt(random.below(100_000_000)),
        BigInt(random.below(1_000_000_000)),
        NANO,
        3n * NANO,
        1000n * NANO,
        1n << 80n,
    ]);
const funds = (random) => (random.chance(3) ? amount(random) : BigInt(random.below(3_000_000_000)) + 50_000_000n);

export function address(builder, workchain, hash) {
    return builder.storeUint(4, 3).storeInt(workchain, 8).storeBuffer(hash);
}

function libraries(random) {
    const dict = Dictionary.empty(Dictionary.Keys.BigUint(256), {
        serialize: (src, builder) => builder.storeBit(src.open).storeRef(src.root),
        parse: () => undefined,
    });
    const count = random.below(3) + 1;
    for (let i = 0; i < count; i += 1) {
        const root = beginCell().storeUint(random.below(5), 32).endCell();
        dict.set(BigInt('0x' + root.hash().toString('hex')), { open: random.chance(2), root });
    }
    return beginCell().storeDictDirect(dict).endCell();
}

/// A state: code, data, libraries and the rarer fields.
export function makeState(random) {
    const code = hexCell(random.pick([OBEY, OBEY, OBEY, OBEY, OBEY_COMMIT, OBEY_COMMIT, MUTE, LOOP]));
    return {
        code: random.chance(30) ? undefined : code,
        data: random.chance(20) ? undefined : random.chance(8) ? code : tree(random, size(random)),
        library: random.chance(10) ? libraries(random) : undefined,
        depth: random.chance(25) ? random.below(32) : undefined,
        special: random.chance(40) ? random.below(4) : undefined,
    };
}

export function storeState(builder, state) {
    state.depth === undefined ? builder.storeUint(0, 1) : builder.storeUint(32 + state.depth, 6);
    state.special === undefined ? builder.storeUint(0, 1) : builder.storeUint(4 + state.special, 3);
    return builder.storeMaybeRef(state.code).storeMaybeRef(state.data).storeMaybeRef(state.library);
}

function countCells(roots) {
    const seen = new Map();
    const visit = (cell) => {
        const key = cell.hash().toString('hex');
        if (seen.has(key)) return;
        seen.set(key, cell.bits.length);
        cell.refs.forEach(visit);
    };
    roots.forEach(visit);
    let bits = 0;
    for (const value of seen.values()) bits += value;
    return { cells: seen.size, bits };
}

function varUint(builder, value, lengthBits) {
    let bytes = 0;
    while (BigInt(value) >> BigInt(bytes * 8) > 0n) bytes += 1;
    return builder.storeUint(bytes, lengthBits).storeUint(value, bytes * 8);
}

function shardAccount(account, lastLt, random) {
    return beginCell()
        .storeRef(account)
        .storeBuffer(lastLt === 0n ? Buffer.alloc(32) : random.bytes(32))
        .storeUint(lastLt, 64)
        .endCell();
}

/// An account in one of its states, and what is known about it.
export function accounts(random, now, lt) {
    const state = makeState(random);
    const stateCell = storeState(beginCell(), state).endCell();
    const workchain = random.chance(25) ? -1 : 0;
    const initial = random.chance(2);
    const hash = initial ? stateCell.hash() : random.bytes(32);
    if (initial && state.depth !== undefined && random.chance(2)) hash[0] ^= random.below(256);
    const known = { state, stateCell, workchain, hash };
    const kind = random.pick(['missing', 'uninit', 'active', 'active', 'active', 'active', 'frozen', 'frozen']);
    if (kind === 'missing') {
        return { ...known, label: kind, shard: shardAccount(beginCell().storeUint(0, 1).endCell(), 0n, random) };
    }
    const storage = beginCell().storeUint(lt - 50n, 64);
    storage.storeCoins(funds(random)).storeUint(0, 1);
    if (kind === 'uninit') storage.storeUint(0, 2);
    if (kind === 'frozen') {
        storage.storeUint(1, 2).storeBuffer(random.chance(4) ? random.bytes(32) : stateCell.hash());
    }
    if (kind === 'active') storeState(storage.storeUint(1, 1), state);
    const cell = storage.endCell();
    const used = countCells(cell.refs);
    const stub = random.chance(25);
    const account = address(beginCell().storeUint(1, 1), workchain, hash);
    varUint(account, stub ? 0 : used.cells + 1, 3);
    varUint(account, stub ? 0 : used.bits + cell.bits.length, 3);
    account.storeUint(0, 3);
    const age = random.pick([0, 0, 1, 1000, 86_400, 31_536_000, 315_360_000]);
    account.storeUint(now - age, 32);
    if (random.chance(4)) {
        account.storeUint(1, 1).storeCoins(random.pick([1n, 50_000_000n, 99_999_999n, 100_000_001n, NANO, 2n * NANO]));
    } else {
        account.storeUint(0, 1);
    }
    account.storeSlice(cell.beginParse());
    return { ...known, label: kind, shard: shardAccount(account.endCell(), lt - 100n, random) };
}

const MODES = [0, 1, 2, 3, 16, 17, 18, 19, 32, 33, 64, 65, 66, 67, 80, 81, 96, 128, 129, 130, 131, 144, 146, 160, 161, 162, 176, 192, 4, 8, 34, 50, 178];

function destination(random, builder, contract) {
    switch (random.below(14)) {
        case 0:
            return address(builder, -1, random.bytes(32));
        case 1:
            return address(builder, random.pick([1, 7, -2, 127]), random.bytes(32));
        case 2:
            return builder.storeUint(0b110, 3).storeUint(256, 9).storeInt(random.pick([0, -1, 5]), 32).storeBuffer(random.bytes(32));
        case 3:
            return builder.storeUint(0b110, 3).storeUint(64, 9).storeInt(0, 32).storeBuffer(random.bytes(8));
        case 4:
            return builder.storeUint(0b101, 3).storeUint(5, 5).storeUint(3, 5).storeInt(0, 8).storeBuffer(random.bytes(32));
        case 5:
            return address(builder, contract.workchain, contract.hash);
        default:
            return address(builder, 0, random.bytes(32));
    }
}

function source(random, builder, contract) {
    if (random.chance(12)) return address(builder, 0, random.bytes(32));
    if (random.chance(4)) return address(builder, contract.workchain, contract.hash);
    return builder.storeUint(0, 2);
}

function body(random, builder) {
    const room = builder.availableBits;
    switch (random.below(8)) {
        case 0:
            return builder.storeUint(0, 1);
        case 1:
            return builder.storeUint(1, 1).storeRef(fan(random, random.pick([1, 30, 200])));
        case 2:
            return builder.storeUint(1, 1).storeRef(tree(random, size(random)));
        case 3: {
            // As full as it gets: the message may have to be laid out anew.
            const bits = Math.max(0, room - 1 - random.below(40));
            builder.storeUint(0, 1);
            for (let i = 0; i < bits; i += 1) builder.storeBit(random.chance(2));
            return builder;
        }
        case 4: {
            builder.storeUint(0, 1);
            const refs = Math.min(builder.availableRefs, random.below(4));
            for (let i = 0; i < refs; i += 1) builder.storeRef(tree(random, 1 + random.below(4)));
            return builder;
        }
        default:
            return builder.storeUint(0, 1).storeBuffer(random.bytes(Math.min(random.below(30), room >> 4)));
    }
}

function init(random, builder, contract) {
    switch (random.below(10)) {
        case 0:
            return builder.storeUint(0b11, 2).storeRef(contract.stateCell);
        case 1: {
            const small = { code: hexCell('F800'), data: random.chance(2) ? hexCell('01') : undefined };
            return storeState(builder.storeUint(0b10, 2), small);
        }
        case 2:
            return builder.storeUint(0b11, 2).storeRef(storeState(beginCell(), makeState(random)).endCell());
        case 3:
            return random.chance(4) ? builder.storeUint(0b11, 2).storeRef(hexCell('ABCD')) : builder.storeUint(0, 1);
        default:
            return builder.storeUint(0, 1);
    }
}

function outMessage(random, contract) {
    const builder = beginCell();
    if (random.chance(8)) {
        builder.storeUint(3, 2);
        source(random, builder, contract);
        random.chance(2) ? builder.storeUint(0, 2) : builder.storeUint(1, 2).storeUint(16, 9).storeUint(7, 16);
        builder.storeUint(0, 96);
    } else {
        builder.storeUint(0, 1).storeBit(random.chance(2)).storeBit(random.chance(2)).storeBit(random.chance(6));
        source(random, builder, contract);
        destination(random, builder, contract);
        builder.storeCoins(random.chance(3) ? amount(random) : BigInt(random.below(50_000_000)));
        builder.storeUint(0, 1);
        builder.storeCoins(random.pick([0n, 0n, 0n, 1n, 2n, 3n, 4n, 255n]));
        builder.storeCoins(random.pick([0n, 0n, 5n]));
        builder.storeUint(random.below(1000), 64).storeUint(random.below(1000), 32);
    }
    init(random, builder, contract);
    body(random, builder);
    return builder.endCell();
}

function action(random, contract, previous) {
    const builder = beginCell().storeRef(previous);
    switch (random.below(24)) {
        case 0:
        case 1:
            return builder.storeUint(0xad4de08e, 32).storeRef(random.chance(3) ? tree(random, size(random)) : hexCell(OBEY)).endCell();
        case 2:
        case 3:
        case 4:
        case 5: {
            builder.storeUint(0x36e6b809, 32).storeUint(random.chance(6) ? random.below(256) : random.below(32), 8);
            builder.storeCoins(random.chance(3) ? amount(random) : BigInt(random.below(100_000_000)));
            return builder.storeUint(0, 1).endCell();
        }
        case 6:
        case 7: {
            const root = beginCell().storeUint(random.below(5), 32).endCell();
            builder.storeUint(0x26fa1dd4, 32).storeUint(random.pick([0, 1, 2, 3, 16, 17, 18, 40]), 7);
            if (random.chance(2)) return builder.storeUint(1, 1).storeRef(random.chance(20) ? fan(random, 1500) : root).endCell();
            return builder.storeUint(0, 1).storeBuffer(random.chance(4) ? random.bytes(32) : root.hash()).endCell();
        }
        case 8:
            if (random.chance(3)) return builder.storeBuffer(random.bytes(random.below(12))).endCell();
            if (random.chance(2)) {
                return builder.storeUint(0x0ec3c86d, 32).storeUint(random.pick(MODES), 8).storeRef(hexCell('C0FFEE')).endCell();
            }
            return builder.storeUint(0x0ec3c86d, 32).storeUint(random.pick(MODES), 8).endCell();
        default: {
            const mode = random.chance(10) ? random.below(256) : random.pick(MODES);
            builder.storeUint(0x0ec3c86d, 32).storeUint(mode, 8);
            return builder.storeRef(outMessage(random, contract)).endCell();
        }
    }
}

/// An action list, newest first.
export function actionLists(random, contract) {
    const count = random.chance(60) ? random.pick([254, 255, 256, 257]) : random.pick([0, 0, 1, 1, 1, 2, 2, 3, 4, 6, 10]);
    let list = Cell.EMPTY;
    if (random.chance(50)) list = hexCell('FF');
    if (count > 100) {
        const message = outMessage(random, contract);
        const mode = random.pick([0, 1, 2, 3]);
        for (let i = 0; i < count; i += 1) {
            list = beginCell().storeRef(list).storeUint(0x0ec3c86d, 32).storeUint(mode, 8).storeRef(message).endCell();
        }
        return list;
    }
    for (let i = 0; i < count; i += 1) list = action(random, contract, list);
    return list;
}

function request(random, actions) {
    const data = random.chance(30) ? fan(random, 300) : tree(random, size(random));
    const flag = random.chance(6) ? 1 + random.below(255) : 0;
    const builder = beginCell().storeUint(flag, 8).storeRef(actions).storeRef(data);
    if (random.chance(5)) builder.storeBuffer(random.bytes(random.below(40)));
    if (random.chance(5)) builder.storeRef(tree(random, size(random)));
    return builder;
}

function inboundInit(random, builder, contract) {
    const kind = random.below(contract.label === 'active' ? 14 : 5);
    if (kind <= 1) return builder.storeUint(0b11, 2).storeRef(contract.stateCell);
    if (kind === 2 && builder.availableRefs >= 3) return storeState(builder.storeUint(0b10, 2), contract.state);
    if (kind === 3) return builder.storeUint(0b11, 2).storeRef(storeState(beginCell(), makeState(random)).endCell());
    return builder.storeUint(0, 1);
}

function flipped(random, cell) {
    const bits = cell.bits.length;
    if (bits === 0) return cell;
    const at = random.below(bits);
    const builder = beginCell();
    const slice = cell.beginParse(true);
    for (let i = 0; i < bits; i += 1) {
        const bit = slice.loadBit();
        builder.storeBit(i === at ? !bit : bit);
    }
    for (const ref of cell.refs) builder.storeRef(ref);
    return builder.endCell({ exotic: cell.isExotic });
}

/// An inbound message that carries `actions`.
export function messages(random, contract, actions, lt) {
    const external = random.chance(5);
    const builder = beginCell();
    if (external) {
        builder.storeUint(2, 2);
        random.chance(4) ? builder.storeUint(1, 2).storeUint(8, 9).storeUint(9, 8) : builder.storeUint(0, 2);
        address(builder, contract.workchain, contract.hash).storeCoins(random.chance(6) ? 7n : 0n);
    } else {
        builder.storeUint(0, 1).storeBit(random.chance(2)).storeBit(!random.chance(3)).storeBit(random.chance(8));
        address(builder, random.chance(12) ? -1 : 0, random.bytes(32));
        address(builder, contract.workchain, contract.hash);
        builder.storeCoins(funds(random)).storeUint(0, 1);
        builder.storeCoins(random.pick([0n, 0n, 1n, 1n, 2n, 3n, 3n, 4n, 7n, 1_000_000n]));
        builder.storeCoins(random.pick([0n, 266_669n, 1n << 60n]));
        builder.storeUint(lt + BigInt(random.pick([-500, -1, 0, 1, 777])), 64).storeUint(random.below(2_000_000_000), 32);
    }
    inboundInit(random, builder, contract);
    const content = random.chance(12) ? beginCell().storeBuffer(random.bytes(random.below(40))) : request(random, actions);
    if (builder.availableRefs >= content.refs && builder.availableBits > content.bits && random.chance(2)) {
        builder.storeUint(0, 1).storeBuilder(content);
    } else {
        builder.storeUint(1, 1).storeRef(content.endCell());
    }
    let cell = builder.endCell();
    let label = external ? 'external' : 'internal';
    if (random.chance(15)) {
        cell = flipped(random, cell);
        label += ' flipped';
    }
    return { label, cell };
}
