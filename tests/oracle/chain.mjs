// A chain of its own around the reference C++ TVM of @ton/sandbox: accounts, blocks, logical time
// and hashes are kept here and share nothing with the project's own chain.
//
// Every account keeps all its versions, so that old states can be served and blocks undone.

import { createRequire } from 'node:module';
import { createHash } from 'node:crypto';
import { Address, Cell, Dictionary, beginCell, loadShardAccount, loadTransaction } from '@ton/core';

const require = createRequire(import.meta.url);
const { Executor } = require('@ton/sandbox/dist/executor/Executor.js');
const { defaultConfig } = require('@ton/sandbox/dist/config/defaultConfig.js');

const LT_STEP = 1_000_000n;
const GLOBAL_ID = 19;

// Kinds of messages that wait: from outside, from an account, from the test's purse.
const EXTERNAL = 'external';
const INTERNAL = 'internal';
const GIVEN = 'given';

/** The recorded configuration with another network id, in base64. */
export function configOf(networkId) {
    const config = Dictionary.loadDirect(
        Dictionary.Keys.Int(32),
        Dictionary.Values.Cell(),
        Cell.fromBase64(defaultConfig),
    );
    config.set(GLOBAL_ID, beginCell().storeInt(networkId, 32).endCell());
    return beginCell().storeDictDirect(config).endCell().toBoc().toString('base64');
}

/** An account that was never heard of. */
export function missing() {
    const none = beginCell().storeBit(0).endCell();
    return beginCell().storeRef(none).storeUint(0, 256).storeUint(0, 64).endCell();
}

const NOBODY = missing().toBoc().toString('base64');

function sha256(text) {
    return createHash('sha256').update(text).digest();
}

export class Refused extends Error {
    constructor(exitCode, words) {
        super(words);
        this.exitCode = exitCode;
    }
}

export class OracleChain {
    constructor(executor, networkId, now) {
        this.executor = executor;
        this.networkId = networkId;
        this.config = configOf(networkId);
        /** Seconds by which chain time differs from this machine's. */
        this.offset = now - Math.floor(Date.now() / 1000);
        /** raw address -> [{ block, state, txs }], oldest first; txs counts those it has by then. */
        this.accounts = new Map();
        /** raw address -> [{ lt, hash, boc, prev, block }], oldest first. */
        this.history = new Map();
        /** Messages for the next block: [{ cell, to, kind, lt }]. */
        this.pool = [];
        /** Changes the hashes of blocks after a fork. */
        this.salt = 0;
        this.transactions = 0;
        this.blocks = [];
        this.seal({ seqno: 0, time: now, startLt: 0n, endLt: LT_STEP, included: [], sent: [] });
    }

    static async start({ networkId, now }) {
        return new OracleChain(await Executor.create(), networkId, now);
    }

    get tip() {
        return this.blocks.at(-1);
    }

    now() {
        return Math.max(this.tip.time, Math.floor(Date.now() / 1000) + this.offset);
    }

    seal(block) {
        const parent = this.blocks.at(-1)?.rootHash.toString('hex') ?? '';
        const content = block.included.map((tx) => tx.hash.toString('hex')).join();
        const name = `${parent}/${block.seqno}/${block.time}/${this.salt}/${content}`;
        block.rootHash = sha256(`root ${name}`);
        block.fileHash = sha256(`file ${name}`);
        this.blocks.push(block);
    }

    /** The account as it was after block `seqno`. */
    version(address, seqno = this.tip.seqno) {
        const versions = this.accounts.get(address) ?? [];
        for (let at = versions.length - 1; at >= 0; at--) {
            if (versions[at].block <= seqno) return versions[at];
        }
        return { block: 0, state: NOBODY, txs: 0 };
    }

    /** Its transactions up to block `seqno`, oldest first. */
    transactionsOf(address, seqno = this.tip.seqno) {
        return (this.history.get(address) ?? []).slice(0, this.version(address, seqno).txs);
    }

    async run(message, state, lt, now) {
        const { result } = await this.executor.runTransaction({
            config: this.config,
            libs: null,
            verbosity: 'short',
            shardAccount: state,
            message,
            now,
            lt,
            randomSeed: sha256(`seed ${lt}`),
            ignoreChksig: false,
            debugEnabled: false,
        });
        return result;
    }

    /** Tries an external message on the newest state, as a liteserver does, and queues it. */
    async submit(boc) {
        const { cell, to } = await this.check(boc);
        this.pool.push({ cell, to, kind: EXTERNAL, lt: 0n });
    }

    async check(boc) {
        let cell, to;
        try {
            cell = Cell.fromBoc(Buffer.from(boc, 'base64'))[0];
            to = externalDestination(cell);
        } catch {
            throw new Refused(null, 'cannot apply external message: Failed to deserialize BoC');
        }
        const result = await this.run(cell, this.version(to).state, this.nextLt(), this.now());
        if (!result.success) throw refusal(result);
        return { cell, to };
    }

    /** Money out of nothing: a message from nobody's account. */
    give(to, nano) {
        const address = Address.parse(to);
        const cell = this.message(new Address(0, Buffer.alloc(32, 0xfa)).toRawString(), to, nano);
        const lt = this.tip.endLt;
        this.pool.push({ cell, to: address.toRawString(), kind: GIVEN, lt });
    }

    /** An internal message that does not bounce. */
    message(from, to, nano, body = null) {
        // int_msg_info$0 ihr_disabled:1 bounce:0 bounced:0
        const message = beginCell().storeUint(0b0100, 4);
        message.storeAddress(Address.parse(from)).storeAddress(Address.parse(to));
        message.storeCoins(nano).storeBit(0).storeCoins(0).storeCoins(0);
        message.storeUint(this.tip.endLt, 64).storeUint(this.now(), 32);
        message.storeBit(0).storeMaybeRef(body);
        return message.endCell();
    }

    nextLt() {
        return (this.tip.endLt / LT_STEP + 1n) * LT_STEP;
    }

    /** One block: everything queued, and what it sends goes into the queue of the next. */
    async mine() {
        const taken = this.pool;
        this.pool = [];
        taken.sort((a, b) => (a.lt < b.lt ? -1 : a.lt > b.lt ? 1 : 0));
        const startLt = this.nextLt();
        const time = this.now();
        const seqno = this.tip.seqno + 1;
        const block = { seqno, time, startLt, endLt: startLt + 1n, included: [], sent: [], taken };
        for (const entry of taken) await this.deliver(block, entry);
        this.seal(block);
        this.pool.push(...block.sent);
        return block;
    }

    async deliver(block, { cell, to }) {
        // Within a block the newest version is the one this block has made so far.
        const before = this.version(to, block.seqno);
        const result = await this.run(cell, before.state, block.startLt, block.time);
        // An external message that has become stale is dropped, as validators do.
        if (!result.success) return;
        const tx = this.read(Cell.fromBase64(result.transaction), block.seqno);
        // A shard forgets accounts that do not exist, the emulator alone would not.
        const gone = tx.parsed.endStatus === 'non-existing';
        const state = gone ? NOBODY : result.shardAccount;
        this.append(to, tx, state, block.seqno, before.txs + 1);
        block.included.push({ address: to, lt: tx.lt, hash: tx.hash });
        block.endLt = tx.endLt > block.endLt ? tx.endLt : block.endLt;
        for (const message of tx.sent) block.sent.push(message);
        this.transactions += 1;
    }

    append(address, tx, state, block, txs) {
        if (!this.history.has(address)) this.history.set(address, []);
        if (!this.accounts.has(address)) this.accounts.set(address, []);
        this.history.get(address).push(tx);
        this.accounts.get(address).push({ block, state, txs });
    }

    read(cell, block) {
        const parsed = loadTransaction(cell.beginParse());
        const sent = [];
        const messages = messageCells(cell);
        for (const [index, message] of parsed.outMessages) {
            if (message.info.type !== 'internal') continue;
            const cell = messages.get(index);
            const to = message.info.dest.toRawString();
            sent.push({ cell, to, kind: INTERNAL, lt: message.info.createdLt });
        }
        return {
            cell,
            parsed,
            lt: parsed.lt,
            endLt: parsed.lt + 1n + BigInt(parsed.outMessagesCount),
            hash: cell.hash(),
            boc: cell.toBoc().toString('base64'),
            sent,
            block,
        };
    }

    /**
     * Undoes the last `depth` blocks and what was on its way out of them. With `keep`, external
     * messages of the undone blocks wait for inclusion again; without, nobody remembers them.
     */
    fork(depth, keep) {
        const cut = Math.max(0, this.tip.seqno - depth);
        const undone = this.blocks.splice(cut + 1);
        for (const [address, versions] of this.accounts) {
            const left = versions.filter((version) => version.block <= cut);
            this.accounts.set(address, left);
            const txs = left.at(-1)?.txs ?? 0;
            this.history.set(address, (this.history.get(address) ?? []).slice(0, txs));
        }
        const outside = (entry) => entry.kind === GIVEN || (keep && entry.kind === EXTERNAL);
        const again = [...undone.flatMap((block) => block.taken), ...this.pool].filter(outside);
        // What the last block that stays had sent is on its way again.
        this.pool = [...this.tip.sent, ...again];
        this.salt += 1;
        return undone.length;
    }

    account(address, seqno) {
        const { state } = this.version(address, seqno);
        return loadShardAccount(Cell.fromBase64(state).beginParse());
    }
}

/** The cells a transaction sent: parsed messages do not always serialise to the same again. */
function messageCells(transaction) {
    const messages = transaction.refs[0].beginParse();
    if (messages.loadBit()) messages.loadRef();
    return messages.loadDict(Dictionary.Keys.Uint(15), Dictionary.Values.Cell());
}

function externalDestination(cell) {
    const slice = cell.beginParse();
    if (slice.loadUint(2) !== 0b10) throw new Error('not from outside');
    slice.loadMaybeExternalAddress();
    return slice.loadAddress().toRawString();
}

function refusal(result) {
    const code = result.vmResults?.vmExitCode ?? null;
    const why = code === null ? result.error : `exitcode=${code}, steps=1, gas_used=0`;
    const words = `cannot apply external message to current state : External message was not accepted\n`;
    return new Refused(code, `${words}Cannot run message on account: ${why}`);
}
