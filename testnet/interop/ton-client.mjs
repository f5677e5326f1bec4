// v5r1 and v4r2 wallets through @ton/ton's TonClient. See README.md.
import assert from 'node:assert/strict';
import { Address, internal, toNano, WalletContractV4, WalletContractV5R1 } from '@ton/ton';
import { mnemonicNew, mnemonicToPrivateKey } from '@ton/crypto';

import { client, fund } from './harness.mjs';

const contracts = [
  (publicKey) => WalletContractV5R1.create({ publicKey, walletId: { networkGlobalId: -3 } }),
  (publicKey) => WalletContractV4.create({ workchain: 0, publicKey }),
];
for (const contract of contracts) {
  const key = await mnemonicToPrivateKey(await mnemonicNew());
  const wallet = client.open(contract(key.publicKey));
  await fund(wallet.address, toNano('3'));
  assert.equal(await wallet.getBalance(), toNano('3'));
  assert.equal((await client.getContractState(wallet.address)).state, 'uninitialized');

  const to = Address.parse(`0:${'42'.repeat(32)}`);
  const transfer = await wallet.createTransfer({
    seqno: await wallet.getSeqno(),
    secretKey: key.secretKey,
    sendMode: 3,
    messages: [internal({ to, value: '0.5', bounce: false, body: 'hello' })],
  });
  const fees = await client.estimateExternalMessageFee(wallet.address, {
    body: transfer,
    initCode: wallet.init?.code ?? null,
    initData: wallet.init?.data ?? null,
    ignoreSignature: true,
  });
  assert.ok(fees.source_fees.gas_fee > 0);
  await wallet.send(transfer);
  assert.equal(await wallet.getSeqno(), 1);
  assert.ok(await client.isContractDeployed(wallet.address));

  const [sent, funded] = await client.getTransactions(wallet.address, { limit: 5, archival: true });
  assert.equal(sent.prevTransactionLt, funded.lt);
  const hash = sent.hash().toString('base64');
  assert.equal((await client.getTransaction(wallet.address, sent.lt.toString(), hash)).lt, sent.lt);
  const { src, dest, createdLt } = sent.outMessages.get(0).info;
  const result = await client.tryLocateResultTx(src, dest, createdLt.toString());
  assert.ok(result.lt > sent.lt);
  assert.equal((await client.tryLocateSourceTx(src, dest, createdLt.toString())).lt, sent.lt);

  const { latestSeqno } = await client.getMasterchainInfo();
  const [shard] = await client.getWorkchainShards(latestSeqno);
  assert.equal(shard.workchain, 0);
  await client.getShardTransactions(0, latestSeqno, shard.shard);
  await assert.rejects(wallet.send(transfer), 'a message counts once');
}
console.log('ok');
