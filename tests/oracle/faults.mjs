// What goes wrong, on command. A fault has a `kind`, and may have `methods` (only these),
// `address` (only this account), `every` (only each n-th request it would hit), `chance` (of each
// of those, from a generator with a fixed seed) and `left` (how often it still strikes).

import { Cell, beginCell } from '@ton/core';

/** mulberry32: the same numbers every time. */
function dice(seed) {
    let state = seed;
    return () => {
        state = (state + 0x6d2b79f5) | 0;
        let t = Math.imul(state ^ (state >>> 15), 1 | state);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
}

export class Faults {
    constructor() {
        this.list = [];
        this.hits = {};
        this.phantoms = new Map();
    }

    set(list) {
        const usual = { every: 1, chance: 1, left: Infinity, seen: 0 };
        this.list = list.map((fault) => ({ ...usual, ...fault }));
        this.random = dice(1);
        this.hits = {};
        this.phantoms.clear();
    }

    /** The fault of that kind that strikes this request, if one does. */
    take(kind, method, address = null) {
        for (const fault of this.list) {
            if (fault.kind !== kind || fault.left <= 0) continue;
            if (fault.methods && !fault.methods.includes(method)) continue;
            if (fault.address && fault.address !== address) continue;
            fault.seen += 1;
            if (fault.seen % fault.every !== 0) continue;
            if (fault.chance < 1 && this.random() >= fault.chance) continue;
            fault.left -= 1;
            this.hits[kind] = (this.hits[kind] ?? 0) + 1;
            return fault;
        }
        return null;
    }

    /** Transactions that never happened, shown on top of the account's own. */
    phantom(address) {
        const txs = this.phantoms.get(address);
        if (txs !== undefined) this.hits.invent = (this.hits.invent ?? 0) + 1;
        return txs;
    }

    /** A foreign balance; another state with the right last transaction. */
    spoilAccount(address, honest) {
        const method = 'getAddressInformation';
        const balance = this.take('balance', method, address);
        if (balance) honest.balance = String(balance.nano);
        const state = this.take('state', method, address);
        if (state && honest.data !== '') honest.data = retold(honest.data, state.first);
        return honest;
    }

    /** Lists of transactions with a broken chain of hashes. */
    spoilHistory(address, rows) {
        const fault = this.take('history', 'getTransactions', address);
        if (!fault || rows.length === 0) return rows;
        switch (fault.how) {
            case 'newest-omitted':
                return rows.slice(1);
            case 'older-omitted':
                return rows.length > 2 ? [rows[0], ...rows.slice(2)] : rows.slice(0, 1);
            case 'swapped':
                return rows.length > 1 ? [rows[1], rows[0], ...rows.slice(2)] : rows;
            case 'altered':
                return [{ ...rows[0], data: forged(rows[0].data) }, ...rows.slice(1)];
            case 'rehashed': {
                // The forged cells under their own right hash: only the links give them away.
                const data = forged(rows[0].data);
                const hash = Cell.fromBase64(data).hash().toString('base64');
                const id = { ...rows[0].transaction_id, hash };
                return [{ ...rows[0], data, transaction_id: id }, ...rows.slice(1)];
            }
            case 'empty':
                return [];
            default:
                throw new Error(`unknown way to lie: ${fault.how}`);
        }
    }
}

/** The same data but for their first byte, which says how a task stands. */
function retold(boc, first) {
    const slice = Cell.fromBase64(boc).beginParse().skip(8);
    const told = beginCell().storeUint(first, 8).storeSlice(slice).endCell();
    return told.toBoc().toString('base64');
}

/** The transaction with another time in it: one second later. */
function forged(boc) {
    const cell = Cell.fromBase64(boc);
    const slice = cell.beginParse();
    const builder = beginCell();
    // transaction$0111 account_addr:bits256 lt:uint64 prev_trans_hash:bits256 prev_trans_lt:uint64
    builder.storeBits(slice.loadBits(4 + 256 + 64 + 256 + 64));
    builder.storeUint(slice.loadUint(32) + 1, 32).storeSlice(slice);
    return builder.endCell().toBoc().toString('base64');
}
