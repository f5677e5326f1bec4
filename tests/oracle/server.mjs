// An independent gateway of the toncenter v2 dialect: the reference TVM behind a thin server. It
// is honest until told otherwise over /control. LOCAL ONLY: anybody may ask it for money.
//
//   node server.mjs [--network ID] [--block-ms N] [--key KEY] [--now UNIX]
//
// prints one line, {"url": "http://127.0.0.1:PORT"}, and ends with its standard input.

import http from 'node:http';
import { parseArgs } from 'node:util';
import { ApiError, Dialect } from './dialect.mjs';
import { Faults } from './faults.mjs';
import { OracleChain, Refused } from './chain.mjs';
import { Cell } from '@ton/core';

const MAX_BODY = 1 << 20;

const { values: options } = parseArgs({
    options: {
        network: { type: 'string', default: '-3' },
        'block-ms': { type: 'string', default: '100' },
        key: { type: 'string' },
        now: { type: 'string' },
    },
});

const chain = await OracleChain.start({
    networkId: Number(options.network),
    now: Number(options.now ?? Math.floor(Date.now() / 1000)),
});
const faults = new Faults();
const dialect = new Dialect(chain, faults);
// Under /honest the same chain as it is, whatever the faults: a second gateway.
const honest = new Dialect(chain, new Faults());

/** Everything that touches the chain, one after the other. */
let last = Promise.resolve();
function inTurn(work) {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
}

/** What the test may do. */
const CONTROL = {
    faults: async ({ list }) => faults.set(list),
    give: async ({ to, nano }) => {
        chain.give(to, BigInt(nano));
        await chain.mine();
    },
    mine: async ({ blocks = 1 }) => {
        for (let at = 0; at < blocks; at++) await chain.mine();
    },
    warp: async ({ seconds }) => {
        chain.offset += seconds;
        await chain.mine();
    },
    fork: async ({ depth, keep = true }) => ({ undone: chain.fork(depth, keep) }),
    /** Blocks by themselves every so often; 0: on command alone. */
    auto: async ({ ms }) => auto(ms),
    /** In which block a transaction is; null: in none. */
    where: async ({ address, lt }) => ({
        block: chain.transactionsOf(address).find((tx) => String(tx.lt) === String(lt))?.block ?? null,
    }),
    invent: async ({ to, from, nano, body }) => invent(to, from, BigInt(nano), body),
    state: async () => ({
        seqno: chain.tip.seqno,
        time: chain.tip.time,
        transactions: chain.transactions,
        hits: faults.hits,
        looks,
    }),
};

/** How often each account was asked for. */
const looks = {};

let timer = null;
function auto(ms) {
    clearInterval(timer);
    if (ms === 0) return;
    timer = setInterval(() => inTurn(() => chain.mine()).catch((error) => {
        console.error(error);
        process.exit(1);
    }), ms);
}

/** A transaction of `to` that no block has: the reference TVM itself makes it. */
async function invent(to, from, nano, body) {
    const message = chain.message(from, to, nano, Cell.fromBase64(body));
    const version = chain.version(to);
    const result = await chain.run(message, version.state, chain.nextLt(), chain.now());
    if (!result.success) throw new Error(result.error);
    faults.phantoms.set(to, [chain.read(Cell.fromBase64(result.transaction), chain.tip.seqno)]);
}

async function body(request) {
    const parts = [];
    let length = 0;
    for await (const part of request) {
        length += part.length;
        if (length > MAX_BODY) throw new ApiError(413, 'too large');
        parts.push(part);
    }
    return Buffer.concat(parts).toString();
}

function answer(response, status, value, headers = {}) {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(value, (_key, item) => (typeof item === 'bigint' ? String(item) : item)));
}

/** Faults below the dialect; true if the request is done for. */
async function struck(method, request, response) {
    const slow = faults.take('slow', method);
    if (slow) await new Promise((resolve) => setTimeout(resolve, slow.ms));
    if (faults.take('close', method)) {
        request.socket.destroy();
        return true;
    }
    const limit = faults.take('limit', method);
    if (limit) {
        const wait = limit.retryAfter === undefined ? {} : { 'retry-after': String(limit.retryAfter) };
        answer(response, 429, { ok: false, error: 'Ratelimit exceed', code: 429 }, wait);
        return true;
    }
    const page = faults.take('page', method);
    if (page) {
        response.writeHead(page.code ?? 200, { 'content-type': 'text/html' });
        response.end('<html><head><title>Bad gateway</title></head><body>cloud</body></html>');
        return true;
    }
    return false;
}

async function rpc(served, request, response) {
    const ask = JSON.parse(await body(request));
    const method = String(ask.method);
    if (served === dialect && (await struck(method, request, response))) return;
    if (options.key !== undefined && request.headers['x-api-key'] !== options.key) {
        answer(response, 401, { ok: false, error: 'API key does not exist', code: 401 });
        return;
    }
    if (method === 'getAddressInformation' && served === dialect) {
        const { address } = ask.params;
        looks[address] = (looks[address] ?? 0) + 1;
    }
    try {
        const result = await inTurn(() => served.call(method, ask.params));
        // It has happened, but nobody hears of it.
        if (served === dialect && faults.take('swallow', method)) {
            request.socket.destroy();
            return;
        }
        answer(response, 200, { ok: true, result, jsonrpc: '2.0', id: ask.id });
    } catch (error) {
        const code = error instanceof ApiError ? error.code : 500;
        if (!(error instanceof ApiError || error instanceof Refused)) console.error(error);
        answer(response, code, { ok: false, error: String(error.message), code });
    }
}

async function control(name, request, response) {
    try {
        const text = await body(request);
        const done = await inTurn(() => CONTROL[name](text === '' ? {} : JSON.parse(text)));
        answer(response, 200, { ok: true, ...done });
    } catch (error) {
        answer(response, 400, { ok: false, error: String(error.stack) });
    }
}

const GATEWAYS = { '/api/v2/jsonRPC': dialect, '/honest/api/v2/jsonRPC': honest };

const server = http.createServer((request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    const name = path.startsWith('/control/') ? path.slice('/control/'.length) : null;
    const work = name && CONTROL[name]
        ? control(name, request, response)
        : GATEWAYS[path]
            ? rpc(GATEWAYS[path], request, response)
            : Promise.resolve(answer(response, 404, { ok: false, error: 'not found', code: 404 }));
    work.catch((error) => {
        console.error(error);
        request.socket.destroy();
    });
});

auto(Number(options['block-ms']));
server.listen(0, '127.0.0.1', () => {
    console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` }));
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
