// Beside `groth16-bn254-single`: snarkjs checking the same proof. Usage: node peer.mjs KEY PROOF
// PUBLICS; each line on stdin checks it ten times and answers with a JSON line: CPU nanoseconds of
// the process for one check, and how many of them found it valid.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { groth16 } from 'snarkjs';

const [key, proof, publics] = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file)));
const rounds = 10;

for await (const _ of createInterface({ input: process.stdin })) {
    let equal = 0;
    const before = process.cpuUsage();
    for (let at = 0; at < rounds; at++) {
        equal += (await groth16.verify(key, publics, proof)) ? 1 : 0;
    }
    const { user, system } = process.cpuUsage(before);
    console.log(JSON.stringify({ ns: ((user + system) * 1000) / rounds, equal }));
}
process.exit(0);
