// Makes recordings of what the reference machine does with mutated messages and accounts, for
// `fog testnet replay`. Usage: node generate.mjs CONFIG COUNT SEED > recordings.jsonl
// CONFIG is a BoC in base64. Same seed, same recordings.

import { readFileSync, writeSync } from 'node:fs';
import { Cell } from '@ton/core';
import { Executor } from '@ton/sandbox';

import { accounts, actionLists, messages } from './cases.mjs';
import { Random } from './random.mjs';

const [, , configFile, countText, seedText] = process.argv;
const config = readFileSync(configFile, 'utf8').trim();
const count = Number(countText);
const random = new Random(seedText ?? '1');
const executor = await Executor.create();

function emit(line) {
    writeSync(1, JSON.stringify(line) + '\n');
}

async function call(label, now, lt, seed, shardAccount, message, libs) {
    let result;
    try {
        ({ result } = await executor.runTransaction({
            config,
            libs,
            verbosity: 'short',
            shardAccount: shardAccount.toBoc().toString('base64'),
            message,
            now,
            lt: BigInt(lt),
            randomSeed: seed,
            ignoreChksig: false,
            debugEnabled: false,
        }));
    } catch {
        // The reference itself gives up on this input: nothing to compare.
        return undefined;
    }
    emit({
        label,
        now,
        lt: lt.toString(),
        randomSeed: seed.toString('hex'),
        libs: libs ? libs.toBoc().toString('base64') : null,
        message: message.toBoc().toString('base64'),
        shardAccount: shardAccount.toBoc().toString('base64'),
        ok: result.success,
        transaction: result.success ? result.transaction : null,
        newShardAccount: result.success ? result.shardAccount : null,
    });
    return result.success ? Cell.fromBase64(result.shardAccount) : shardAccount;
}

let made = 0;
let round = 0;
while (made < count) {
    round += 1;
    const now = 1_750_000_000 + random.below(10_000_000);
    const lt = 50_000_000n + BigInt(random.below(1_000_000)) * 100n;
    const contract = accounts(random, now, lt);
    let state = contract.shard;
    let time = now;
    let at = lt + 1000n;
    const steps = 1 + random.below(3);
    for (let step = 0; step < steps && made < count; step += 1) {
        const actions = actionLists(random, contract);
        const { label, cell } = messages(random, contract, actions, at);
        const seed = random.bytes(32);
        const after = await call(`${contract.label} ${label}`, time, at, seed, state, cell);
        if (after === undefined) break;
        made += 1;
        state = after;
        time += random.pick([0, 1, 3600, 86400 * 30, 86400 * 365 * 3]);
        at += 1_000_000n;
    }
}
