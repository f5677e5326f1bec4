// The other side of `chain-transfers` and `chain-groth16`: @ton/sandbox's executor on recorded
// messages. Usage: node peer.mjs CONFIG RECORDINGS LABEL; each line on stdin runs all messages whose
// label contains LABEL once and answers with a JSON line: CPU nanoseconds of the process for one
// message, and how many gave the recorded transaction.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Cell } from '@ton/core';
import { Executor } from '@ton/sandbox';

const [, , configFile, recordings, label] = process.argv;
const config = readFileSync(configFile).toString('base64');
const calls = readFileSync(recordings, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .filter((call) => call.ok && call.label.includes(label))
    .map((call) => ({
        transaction: Cell.fromBase64(call.transaction).hash(),
        args: {
            config,
            libs: null,
            verbosity: 'short',
            shardAccount: call.shardAccount,
            message: Cell.fromBase64(call.message),
            now: call.now,
            lt: BigInt(call.lt),
            randomSeed: call.randomSeed === null ? null : Buffer.from(call.randomSeed, 'hex'),
            ignoreChksig: false,
            debugEnabled: false,
        },
    }));
const executor = await Executor.create();

for await (const _ of createInterface({ input: process.stdin })) {
    const results = [];
    const before = process.cpuUsage();
    for (const call of calls) {
        results.push((await executor.runTransaction(call.args)).result);
    }
    const { user, system } = process.cpuUsage(before);
    const equal = results.filter(
        (result, at) =>
            result.success && Cell.fromBase64(result.transaction).hash().equals(calls[at].transaction),
    ).length;
    console.log(JSON.stringify({ ns: ((user + system) * 1000) / calls.length, equal }));
}
