// The same messages once more, in the reference C++ TVM. Reads lines from standard input:
//
//   {"begin": N}                                       a new sequence: all accounts are missing
//   {"a": ADDRESS, "m": MESSAGE, "t": NOW, "l": LT, "h": HASH}   one message and the hash of the
//                                                      transaction that the other side made of it
//   {"end": {ADDRESS: HASH, ...}}                      hashes of the accounts at the end
//
// The accounts are kept here, each following from the one before: an error does not hide. A
// transaction's hash covers the account's hash before and after it. Prints one JSON document.

import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { Cell } from '@ton/core';
import { configOf, missing } from './chain.mjs';

const { Executor } = createRequire(import.meta.url)('@ton/sandbox/dist/executor/Executor.js');
const SHOWN = 20;
const NONEXIST = 3;

const executor = await Executor.create();
const config = configOf(Number(process.argv[2] ?? -3));
const emulator = executor.invoke('_create_emulator', [config, 0]);
const nobody = missing().toBoc().toString('base64');
const report = { sequences: 0, transactions: 0, accounts: 0, differences: 0, shown: [] };
let accounts = new Map();
let sequence = null;

/** `end_status` of a transaction: after tag, account, lt, previous hash and lt, time, count, status. */
function endStatus(transaction) {
    return transaction.beginParse().skip(4 + 256 + 64 + 256 + 64 + 32 + 15 + 2).loadUint(2);
}

function differs(what) {
    report.differences += 1;
    if (report.shown.length < SHOWN) report.shown.push({ sequence, ...what });
}

function run({ a: address, m: message, t: now, l: lt, h: expected }) {
    report.transactions += 1;
    const parameters = {
        utime: now,
        lt,
        rand_seed: '0'.repeat(64),
        ignore_chksig: false,
        debug_enabled: false,
    };
    const before = accounts.get(address) ?? nobody;
    const asked = [emulator, 0, before, message, JSON.stringify(parameters)];
    const answer = executor.extractString(executor.invoke('_emulate_with_emulator', asked));
    const { output, message: failure } = JSON.parse(answer);
    if (!output) throw new Error(`the emulator failed: ${failure}`);
    if (!output.success) return differs({ address, lt, ours: expected, error: output.error });
    const transaction = Cell.fromBase64(output.transaction);
    // A shard forgets accounts that do not exist; the emulator alone would keep their last
    // transaction.
    if (endStatus(transaction) === NONEXIST) accounts.delete(address);
    else accounts.set(address, output.shard_account);
    const hash = transaction.hash().toString('hex');
    if (hash !== expected) {
        differs({ address, lt, ours: expected, reference: hash, transaction: output.transaction });
    }
}

function end(expected) {
    for (const [address, hash] of Object.entries(expected)) {
        report.accounts += 1;
        const account = Cell.fromBase64(accounts.get(address) ?? nobody).refs[0];
        const found = account.hash().toString('hex');
        if (found !== hash) differs({ address, ours: hash, reference: found });
    }
}

for await (const line of createInterface({ input: process.stdin })) {
    const entry = JSON.parse(line);
    if (entry.begin !== undefined) {
        sequence = entry.begin;
        accounts = new Map();
        report.sequences += 1;
    } else if (entry.end !== undefined) {
        end(entry.end);
    } else {
        run(entry);
    }
}
console.log(JSON.stringify(report));
