// `blueprint run` with a custom network and a mnemonic, nobody at the keyboard. See README.md.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mnemonicNew, mnemonicToPrivateKey } from '@ton/crypto';
import { toNano, WalletContractV4, WalletContractV5R1 } from '@ton/ton';
import { base, fund } from './harness.mjs';

const wallets = {
  v4: (publicKey) => WalletContractV4.create({ workchain: 0, publicKey }),
  v5r1: (publicKey) => WalletContractV5R1.create({ publicKey, walletId: { networkGlobalId: -3 } }),
};
const cwd = new URL('blueprint/', import.meta.url);
for (const [version, create] of Object.entries(wallets)) {
  const words = await mnemonicNew();
  const { publicKey } = await mnemonicToPrivateKey(words);
  await fund(create(publicKey).address, toNano('5'));
  const args = ['--no-install', 'blueprint', 'run', 'deployContracts', '--mnemonic',
    '--custom', `${base}/api/v2/jsonRPC`, '--custom-version', 'v2', '--custom-key', 'any'];
  const env = { ...process.env, WALLET_MNEMONIC: words.join(' '), WALLET_VERSION: version,
    WALLET_NETWORK_ID: '-3', TS_NODE_TRANSPILE_ONLY: 'true' };
  const run = spawnSync('npx', args, { cwd, env, input: '', encoding: 'utf8', timeout: 100_000 });
  assert.equal(run.status, 0, `${version}: ${run.stdout}\n${run.stderr}`);
  assert.match(run.stdout, /the contracts answer/);
}
console.log('ok');
