// What the scripts share: where the server is, its faucet, a wallet, a contract that echoes.
import assert from 'node:assert/strict';
import { beginCell, Cell, contractAddress, internal, toNano, TonClient, WalletContractV5R1 } from '@ton/ton';
import { mnemonicNew, mnemonicToPrivateKey } from '@ton/crypto';

export const base = process.env.FOG_TESTNET ?? 'http://127.0.0.1:8081';
export const client = new TonClient({ endpoint: `${base}/api/v2/jsonRPC`, apiKey: 'any' });

async function post(path, body) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(base + path, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
}

export async function fund(address, nano) {
  const to = address.toString({ testOnly: true });
  const { status } = await post('/control/fund', { address: to, amount: nano.toString() });
  assert.equal(status, 200);
}

/** A call through JSON-RPC, as the dialect's own words. */
export async function rpc(method, params, path = '/api/v2/jsonRPC') {
  const { status, body } = await post(path, { id: '7', jsonrpc: '2.0', method, params });
  assert.equal(status, 200, `${method}: ${JSON.stringify(body)}`);
  assert.equal(body.id, '7');
  return body.result;
}

/** What a call that must fail answers with. */
export async function refused(method, params) {
  const { status, body } = await post(`/api/v2/${method}`, params);
  assert.equal(body.ok, false);
  assert.equal(body.code, status);
  return { status, error: body.error };
}

export async function newWallet(nano = toNano('5')) {
  const key = await mnemonicToPrivateKey(await mnemonicNew());
  const contract = WalletContractV5R1.create({
    publicKey: key.publicKey,
    walletId: { networkGlobalId: -3 },
  });
  await fund(contract.address, nano);
  return { wallet: client.open(contract), key };
}

export async function send({ wallet, key }, ...messages) {
  await wallet.sendTransfer({
    seqno: await wallet.getSeqno(),
    secretKey: key.secretKey,
    sendMode: 3,
    messages: messages.map((message) => internal(message)),
  });
}

/** TVM code from hexadecimal digits. */
export function code(hex) {
  const bytes = Buffer.from(hex, 'hex');
  return beginCell().storeBuffer(bytes).endCell();
}

/** Deploys code with empty data; gives back its address. */
export async function deploy(sender, hex) {
  const init = { code: code(hex), data: new Cell() };
  const to = contractAddress(0, init);
  await send(sender, { to, value: '0.1', bounce: false, init });
  assert.ok(await client.isContractDeployed(to));
  return to;
}
