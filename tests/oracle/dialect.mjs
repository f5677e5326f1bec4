// The toncenter v2 dialect over an OracleChain: the methods a market needs, and no other.

import { Address, Cell, parseTuple } from '@ton/core';

const MASTERCHAIN_SHARD = '-9223372036854775808';
const MAX_PAGE = 100;

export class ApiError extends Error {
    constructor(code, words) {
        super(words);
        this.code = code;
    }
}

const base64 = (bytes) => bytes.toString('base64');

function addressOf(params) {
    try {
        return Address.parse(String(params.address)).toRawString();
    } catch {
        throw new ApiError(416, 'Incorrect address');
    }
}

function blockId(block) {
    return {
        '@type': 'ton.blockIdExt',
        workchain: -1,
        shard: MASTERCHAIN_SHARD,
        seqno: block.seqno,
        root_hash: base64(block.rootHash),
        file_hash: base64(block.fileHash),
    };
}

function transactionId(lt, hash) {
    return { '@type': 'internal.transactionId', lt: String(lt), hash: base64(hash) };
}

/** What is served: the chain up to a block, with everything the faults put over it. */
export class Dialect {
    constructor(chain, faults) {
        this.chain = chain;
        this.faults = faults;
    }

    async call(method, params) {
        const handler = METHODS[method];
        if (handler === undefined) throw new ApiError(422, `Method ${method} is not known here`);
        const lag = this.faults.take('lag', method)?.blocks ?? 0;
        const seqno = Math.max(0, this.chain.tip.seqno - lag);
        return handler(this.chain, params ?? {}, seqno, this.faults);
    }
}

const METHODS = {
    getMasterchainInfo(chain, _params, seqno) {
        const block = chain.blocks[seqno];
        return {
            '@type': 'blocks.masterchainInfo',
            last: blockId(block),
            state_root_hash: base64(block.fileHash),
            init: blockId(chain.blocks[0]),
        };
    },

    getBlockHeader(chain, params, seqno, faults) {
        const block = chain.blocks[Number(params.seqno)];
        if (block === undefined || block.seqno > seqno) {
            throw new ApiError(500, 'LITE_SERVER_NOTREADY: block is not applied');
        }
        const ahead = faults.take('time', 'getBlockHeader')?.seconds ?? 0;
        return {
            '@type': 'blocks.header',
            id: blockId(block),
            global_id: chain.networkId,
            version: 0,
            start_lt: String(block.startLt),
            end_lt: String(block.endLt),
            gen_utime: block.time + ahead,
            prev_blocks: block.seqno > 0 ? [blockId(chain.blocks[block.seqno - 1])] : [],
        };
    },

    getAddressInformation(chain, params, seqno, faults) {
        const address = addressOf(params);
        const { account, lastTransactionLt, lastTransactionHash } = chain.account(address, seqno);
        const state = account?.storage.state;
        const active = state?.type === 'active' ? state.state : null;
        const phantom = faults.phantom(address);
        const last = phantom?.at(-1);
        const hash = Buffer.from(lastTransactionHash.toString(16).padStart(64, '0'), 'hex');
        const block = chain.blocks[seqno];
        const honest = {
            '@type': 'raw.fullAccountState',
            balance: String(account?.storage.balance.coins ?? 0n),
            extra_currencies: [],
            code: active?.code ? active.code.toBoc().toString('base64') : '',
            data: active?.data ? active.data.toBoc().toString('base64') : '',
            last_transaction_id: last
                ? transactionId(last.lt, last.hash)
                : transactionId(lastTransactionLt, hash),
            block_id: blockId(block),
            frozen_hash: '',
            sync_utime: block.time,
            state: state?.type === 'active' ? 'active' : state?.type === 'frozen' ? 'frozen' : 'uninitialized',
        };
        return faults.spoilAccount(address, honest);
    },

    getTransactions(chain, params, seqno, faults) {
        const address = addressOf(params);
        const phantom = faults.phantom(address) ?? [];
        const known = [...chain.transactionsOf(address, seqno), ...phantom];
        const limit = Math.min(MAX_PAGE, Number(params.limit ?? 10));
        const toLt = BigInt(params.to_lt ?? 0);
        let from = known.length - 1;
        if (params.lt !== undefined && params.lt !== null) {
            const hash = String(params.hash ?? '');
            from = known.findIndex((tx) => String(tx.lt) === String(params.lt));
            if (from < 0 || (hash !== '' && !known[from].hash.equals(hashOf(hash)))) {
                const words = 'cannot locate transaction in block with specified logical time';
                throw new ApiError(500, `LITE_SERVER_UNKNOWN: ${words}`);
            }
        }
        const rows = [];
        for (let at = from; at >= 0 && rows.length < limit; at--) {
            if (known[at].lt <= toLt) break;
            rows.push(transactionRow(address, known[at]));
        }
        return faults.spoilHistory(address, rows);
    },

    async runGetMethod(chain, params, seqno) {
        const address = addressOf(params);
        const { account } = chain.account(address, seqno);
        const state = account?.storage.state;
        if (state?.type !== 'active') {
            return { '@type': 'smc.runResult', gas_used: 0, stack: [], exit_code: -13 };
        }
        const { output } = await chain.executor.runGetMethod({
            code: state.state.code,
            data: state.state.data,
            methodId: methodId(String(params.method)),
            stack: (params.stack ?? []).map(argument),
            config: chain.config,
            verbosity: 'short',
            address: Address.parse(address),
            unixTime: chain.blocks[seqno].time,
            balance: account.storage.balance.coins,
            randomSeed: Buffer.alloc(32),
            gasLimit: 1_000_000n,
            debugEnabled: false,
        });
        if (!output.success) throw new ApiError(500, output.error);
        const stack = parseTuple(Cell.fromBase64(output.stack)).map(entry);
        const block = blockId(chain.blocks[seqno]);
        return {
            '@type': 'smc.runResult',
            gas_used: Number(output.gas_used),
            stack,
            exit_code: output.vm_exit_code,
            block_id: block,
        };
    },

    async sendBoc(chain, params, _seqno, faults) {
        if (faults.take('forget', 'sendBoc')) {
            await chain.check(String(params.boc ?? ''));
            return { '@type': 'ok' };
        }
        await chain.submit(String(params.boc ?? ''));
        return { '@type': 'ok' };
    },
};

function hashOf(text) {
    return text.length === 64 ? Buffer.from(text, 'hex') : Buffer.from(text, 'base64');
}

function transactionRow(address, tx) {
    const { parsed } = tx;
    return {
        '@type': 'raw.transaction',
        address: { '@type': 'accountAddress', account_address: Address.parse(address).toString() },
        utime: parsed.now,
        data: tx.boc,
        transaction_id: transactionId(tx.lt, tx.hash),
        fee: String(parsed.totalFees.coins),
        storage_fee: '0',
        other_fee: '0',
        out_msgs: [],
    };
}

/** CRC-16 of the name, as compilers number get-methods. */
function methodId(name) {
    let crc = 0;
    for (const byte of Buffer.from(name)) {
        crc ^= byte << 8;
        for (let bit = 0; bit < 8; bit++) {
            crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
        }
    }
    return crc | 0x10000;
}

function argument([kind, value]) {
    if (kind === 'num') return { type: 'int', value: BigInt(value) };
    const cell = Cell.fromBase64(value);
    return { type: kind === 'tvm.Slice' ? 'slice' : 'cell', cell };
}

function entry(item) {
    switch (item.type) {
        case 'int':
            return ['num', `${item.value < 0n ? '-' : ''}0x${(item.value < 0n ? -item.value : item.value).toString(16)}`];
        case 'cell':
        case 'slice':
            return [item.type, { bytes: item.cell.toBoc().toString('base64') }];
        case 'null':
            return ['list', { '@type': 'tvm.list', elements: [] }];
        default:
            throw new ApiError(500, `a ${item.type} cannot be shown here`);
    }
}

