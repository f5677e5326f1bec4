// Reproducible randomness: SHA-256 in counter mode.
import { createHash } from 'node:crypto';

export class Random {
    #seed;
    #counter = 0;
    #pool = Buffer.alloc(0);

    constructor(seed) {
        this.#seed = seed;
    }

    bytes(length) {
        while (this.#pool.length < length) {
            const block = createHash('sha256').update(`${this.#seed}:${this.#counter++}`).digest();
            this.#pool = Buffer.concat([this.#pool, block]);
        }
        const out = this.#pool.subarray(0, length);
        this.#pool = this.#pool.subarray(length);
        return Buffer.from(out);
    }

    below(bound) {
        return this.bytes(6).readUIntBE(0, 6) % bound;
    }

    pick(list) {
        return list[this.below(list.length)];
    }

    chance(oneIn) {
        return this.below(oneIn) === 0;
    }
}
