// Every public method of @ton/ton's TonClient, and the stack in all its types. See README.md.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Address, beginCell, comment, external, TonClient, TupleReader } from '@ton/ton';
import { base, client, deploy, newWallet, refused, rpc, send } from './harness.mjs';

const { latestSeqno: began } = await client.getMasterchainInfo();
const sender = await newWallet();
const covered = new Set(['constructor', 'parameters']);
const uses = (...names) => names.forEach((name) => covered.add(name));

// --- get-methods ---------------------------------------------------------------------------
// SETCP0, drop the method's number: every get-method returns its arguments.
const echo = await deploy(sender, 'ff0030');
// The same and then: 1, null, the tuple (2, 3), the list (4, 5), an empty builder.
const makes = await deploy(sender, 'ff0030' + '71' + '6d' + '72736f02' + '74756d6f026f02' + 'c8');
// THROW 77
const throws = await deploy(sender, 'ff0030' + 'f2c04d');

const cell = beginCell().storeUint(0xfeed, 16).storeRef(comment('below')).endCell();
const numbers = [0n, 1n, -1n, 2n ** 64n, 2n ** 256n - 1n, -(2n ** 256n)];
const given = [
  ...numbers.map((value) => ({ type: 'int', value })),
  { type: 'cell', cell },
  { type: 'slice', cell },
  { type: 'builder', cell },
];
const { stack, gas_used: gas } = await client.runMethod(echo, 'anything', given);
assert.ok(gas > 0);
for (const value of numbers) assert.equal(stack.readBigNumber(), value);
assert.ok(stack.readCell().equals(cell));
assert.ok(stack.readCell().equals(cell));
const builder = stack.pop();
assert.equal(builder.type, 'builder');
assert.ok(builder.cell.equals(cell));
uses('runMethod');

const made = (await client.callGetMethod(makes, 'make')).stack;
assert.equal(made.readNumber(), 1);
assert.equal(made.readCellOpt(), null);
assert.deepEqual(made.pop(), { type: 'tuple', items: [2n, 3n] });
assert.deepEqual(made.pop(), { type: 'tuple', items: [4n, 5n] });
assert.equal(made.pop().type, 'builder');
uses('callGetMethod');

const failed = await client.runMethodWithError(throws, 'any');
assert.equal(failed.exit_code, 77);
assert.ok(failed.stack instanceof TupleReader);
assert.equal((await client.callGetMethodWithError(throws, 'any')).exit_code, 77);
await assert.rejects(client.runMethod(throws, 'any'), /exit_code: 77/);
const nobody = new Address(0, randomBytes(32));
await assert.rejects(client.runMethod(nobody, 'seqno'), /exit_code: -256|exit_code: -13/);
uses('runMethodWithError', 'callGetMethodWithError');

// Tuples and lists as arguments: TonClient cannot send them, the dialect can, both ways.
const number = (n) => ({
  '@type': 'tvm.stackEntryNumber',
  number: { '@type': 'tvm.numberDecimal', number: String(n) },
});
const pair = { '@type': 'tvm.tuple', elements: [number(8), number(9)] };
const list = { '@type': 'tvm.list', elements: [number(6), number(7)] };
const bytes = cell.toBoc().toString('base64');
const legacy = [
  ['num', 5],
  ['num', '-0x5'],
  ['tuple', pair],
  ['list', list],
  ['cell', { bytes }],
  ['slice', { bytes }],
  ['tvm.Cell', bytes],
  ['tvm.Slice', bytes],
  ['null', null],
];
for (const path of ['/api/v2/jsonRPC', '/']) {
  const call = { address: echo.toString(), method: 'any', stack: legacy };
  const answer = await rpc('runGetMethod', call, path);
  assert.equal(answer['@type'], 'smc.runResult');
  assert.deepEqual(answer.stack.slice(0, 4), [
    ['num', '0x5'],
    ['num', '-0x5'],
    ['tuple', pair],
    ['list', list],
  ]);
  assert.deepEqual(
    answer.stack.slice(4).map(([kind]) => kind),
    ['cell', 'slice', 'cell', 'slice', 'list'],
  );
}
const typed = [
  number(-12),
  { '@type': 'tvm.stackEntryTuple', tuple: pair },
  { '@type': 'tvm.stackEntryList', list },
  { '@type': 'tvm.stackEntryCell', cell: { '@type': 'tvm.cell', bytes } },
  { '@type': 'tvm.stackEntrySlice', slice: { '@type': 'tvm.slice', bytes } },
];
const std = await rpc('runGetMethodStd', { address: echo.toString(), method: 12345, stack: typed });
const again = await rpc('runGetMethodStd', { address: echo.toString(), method: 1, stack: std.stack });
assert.deepEqual(std.stack.slice(0, 3), typed.slice(0, 3));
assert.deepEqual(again.stack, std.stack, 'what comes out goes in again');

// --- accounts ------------------------------------------------------------------------------
const before = await client.getBalance(echo);
assert.ok(before > 0n);
const state = await client.getContractState(echo);
assert.equal(state.state, 'active');
assert.deepEqual(state.extra_currencies, []);
assert.ok(state.code.length > 0 && state.data.length > 0);
assert.equal(state.blockId.workchain, -1);
assert.ok(Math.abs(state.timestampt - Date.now() / 1000) < 60);
const empty = await client.getContractState(nobody);
assert.deepEqual([empty.state, empty.balance, empty.code], ['uninitialized', 0n, null]);
assert.equal(empty.lastTransaction, null);
assert.equal(await client.isContractDeployed(nobody), false);
const provided = await client.provider(echo).getState();
assert.equal(provided.state.type, 'active');
uses('getBalance', 'getContractState', 'isContractDeployed', 'provider', 'open');

// --- messages ------------------------------------------------------------------------------
const { wallet, key } = sender;
const transfer = async (text, seqno) =>
  wallet.createTransfer({ seqno, secretKey: key.secretKey, sendMode: 3, messages: [
    { info: { type: 'internal', ihrDisabled: true, bounce: false, bounced: false, dest: nobody,
      value: { coins: 1000n }, ihrFee: 0n, forwardFee: 0n, createdLt: 0n, createdAt: 0 },
      body: comment(text) },
  ] });
let seqno = await wallet.getSeqno();
const args = { initCode: null, initData: null, ignoreSignature: true };
const body = await transfer('first', seqno);
const fees = await client.estimateExternalMessageFee(wallet.address, { ...args, body });
for (const part of ['in_fwd_fee', 'gas_fee', 'fwd_fee']) assert.ok(fees.source_fees[part] > 0, part);
assert.ok(fees.source_fees.storage_fee >= 0);
await client.sendMessage(external({ to: wallet.address, body }));
await client.sendExternalMessage(wallet, await transfer('second', ++seqno));
const file = await transfer('third', ++seqno);
const boc = beginCell().storeWritable((b) => b.storeUint(0b1000, 4).storeAddress(wallet.address)
  .storeCoins(0).storeBit(false).storeBit(true).storeRef(file)).endCell().toBoc();
await client.sendFile(boc);
assert.equal(await wallet.getSeqno(), seqno + 1);
uses('estimateExternalMessageFee', 'sendMessage', 'sendExternalMessage', 'sendFile');

// Sent twice, it is refused with the contract's exit code; the state is as it was.
const replayed = await refused('sendBoc', { boc: boc.toString('base64') });
assert.match(replayed.error, /cannot apply external message to current state.*exitcode=133/s);
assert.equal(await wallet.getSeqno(), seqno + 1);

// --- transactions --------------------------------------------------------------------------
const all = await client.getTransactions(wallet.address, { limit: 100, archival: true });
assert.ok(all.length >= 7);
const paged = [];
let cursor = {};
while (true) {
  const page = await client.getTransactions(wallet.address, { limit: 2, ...cursor });
  if (page.length === 0) break;
  assert.ok(page.length <= 2);
  paged.push(...page);
  const last = page.at(-1);
  cursor = { lt: last.lt.toString(), hash: last.hash().toString('base64') };
}
assert.deepEqual(paged.map((tx) => tx.lt), all.map((tx) => tx.lt));
const third = all[2];
const inclusive = await client.getTransactions(wallet.address, {
  limit: 2, lt: third.lt.toString(), hash: third.hash().toString('base64'), inclusive: true,
});
assert.deepEqual(inclusive.map((tx) => tx.lt), [third.lt, all[3].lt]);
const recent = await client.getTransactions(wallet.address, { limit: 50, to_lt: third.lt.toString() });
assert.deepEqual(recent.map((tx) => tx.lt), [all[0].lt, all[1].lt]);
for (const [index, tx] of all.entries()) {
  if (index + 1 < all.length) assert.equal(tx.prevTransactionLt, all[index + 1].lt);
}
const hash = third.hash().toString('base64');
assert.equal((await client.getTransaction(wallet.address, third.lt.toString(), hash)).lt, third.lt);
uses('getTransactions', 'getTransaction');

const { src, dest, createdLt } = third.outMessages.get(0).info;
const received = await client.tryLocateResultTx(src, dest, createdLt.toString());
assert.equal(received.inMessage.info.createdLt, createdLt);
assert.equal((await client.tryLocateSourceTx(src, dest, createdLt.toString())).lt, third.lt);
await assert.rejects(client.tryLocateResultTx(src, dest, '1'), /404/);
await assert.rejects(client.tryLocateSourceTx(src, dest, '1'), /404/);
uses('tryLocateResultTx', 'tryLocateSourceTx');

// --- blocks --------------------------------------------------------------------------------
const { latestSeqno, initSeqno, shard, workchain } = await client.getMasterchainInfo();
assert.ok(latestSeqno > initSeqno && workchain === -1 && shard === '-9223372036854775808');
uses('getMasterchainInfo', 'getWorkchainShards', 'getShardTransactions');
// Every block since this script began: each transaction of the wallet is met once.
const met = [];
for (let at = began; at <= latestSeqno; at++) {
  for (const part of await client.getWorkchainShards(at)) {
    assert.equal(part.workchain, 0);
    for (const tx of await client.getShardTransactions(part.workchain, part.seqno, part.shard)) {
      if (tx.account.equals(wallet.address)) met.push(tx);
    }
    const id = { workchain: part.workchain, shard: part.shard, seqno: part.seqno };
    const header = await rpc('getBlockHeader', id);
    assert.equal(header.id.seqno, part.seqno);
    if (part.seqno > 0) assert.equal(header.prev_blocks[0].seqno, part.seqno - 1);
  }
}
assert.deepEqual(met.map((tx) => BigInt(tx.lt)).reverse(), all.map((tx) => tx.lt));

// A block of many transactions, page by page, short and full.
const many = Array.from({ length: 60 }, (_, index) => ({
  to: Address.parse(`0:${(index + 1).toString(16).padStart(64, '0')}`), value: 1000n, bounce: false,
}));
await send(sender, ...many);
const last = (await client.getMasterchainInfo()).latestSeqno;
let crowded;
for (let at = latestSeqno + 1; at <= last; at++) {
  const id = { workchain: 0, shard, seqno: at };
  const block = await rpc('getBlockTransactions', { ...id, count: 1000 });
  if (block.transactions.length >= 60) crowded = id;
}
assert.ok(crowded, 'one block has all sixty');
await assert.rejects(client.getShardTransactions(0, crowded.seqno, shard), /Unsupported/,
  'TonClient itself gives up on more than 40');
for (const method of ['getBlockTransactions', 'getBlockTransactionsExt']) {
  const seen = [];
  let after = {};
  while (true) {
    const page = await rpc(method, { ...crowded, count: 7, ...after });
    assert.equal(page.id.seqno, crowded.seqno);
    // Two accounts may have a transaction of the same time: the cursor is both.
    seen.push(...page.transactions.map((tx) => `${tx.account}:${tx.lt ?? tx.transaction_id.lt}`));
    if (!page.incomplete) break;
    const [, after_hash, after_lt] = seen.at(-1).split(':');
    after = { after_lt, after_hash };
  }
  assert.equal(seen.length, 60);
  assert.equal(new Set(seen).size, 60);
}

// --- what is not served, and the dialect's errors ------------------------------------------
for (const method of ['getMasterchainBlockSignatures', 'getShardBlockProof', 'dnsResolve']) {
  assert.equal((await refused(method, { seqno: 1 })).status, 404, method);
}
assert.equal((await refused('getAddressInformation', { address: 'EQ' })).status, 416);
assert.equal((await refused('getAddressInformation', {})).status, 422);
assert.equal((await refused('noSuchMethod', {})).status, 422);
assert.equal((await refused('getTokenData', { address: echo.toString() })).status, 409);

// Nothing of TonClient's public face was left out.
const face = Object.getOwnPropertyNames(TonClient.prototype);
assert.deepEqual(face.filter((name) => !covered.has(name)), []);
assert.ok(base);
console.log('ok');
