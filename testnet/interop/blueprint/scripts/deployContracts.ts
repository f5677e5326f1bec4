// Deploys the project's compiled contracts through Blueprint's own network provider, then asks them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NetworkProvider } from '@ton/blueprint';
import { beginCell, Cell, Contract, contractAddress, ContractProvider, Sender, toNano } from '@ton/core';

function compiled(name: string): Cell {
  const path = join(__dirname, '../../../../contracts/compiled', `${name}.json`);
  const { code, hash } = JSON.parse(readFileSync(path, 'utf8'));
  const cell = Cell.fromBase64(code);
  assert.equal(cell.hash().toString('hex'), hash);
  return cell;
}

class Deployable implements Contract {
  readonly address;

  constructor(readonly init: { code: Cell; data: Cell }) {
    this.address = contractAddress(0, init);
  }

  async sendDeploy(provider: ContractProvider, via: Sender) {
    await provider.internal(via, { value: toNano('0.5') });
  }

  async getValues(provider: ContractProvider, method: string, ...ints: bigint[]) {
    const { stack } = await provider.get(method, ints.map((value) => ({ type: 'int', value })));
    return stack;
  }
}

export async function run(provider: NetworkProvider) {
  const sender = provider.sender();
  const owner = sender.address;
  assert.ok(owner);

  // owner, salt, not paused, no configuration, no proposal, no heir
  const marketData = beginCell().storeAddress(owner).storeUint(7, 64).storeUint(0, 4).endCell();
  const market = provider.open(new Deployable({ code: compiled('market'), data: marketData }));
  const session = BigInt(`0x${owner.hash.toString('hex')}`);
  // coins, shares; leaving, its shares; vesting, from, until; commission, next, from when
  const pool = beginCell().storeCoins(0).storeUint(0, 128).storeCoins(0).storeUint(0, 256)
    .storeCoins(0).storeUint(0, 64).storeUint(1000, 16).storeUint(1000, 16).storeUint(0, 32).endCell();
  // init, session; stake, reserved, unbonding, earnings; unbondAt, count; no reservations; pool
  const stakeData = beginCell().storeRef(Cell.EMPTY).storeUint(session, 256).storeUint(0, 4 * 4)
    .storeUint(0, 32).storeUint(0, 8).storeBit(false).storeRef(pool).endCell();
  const stake = provider.open(new Deployable({ code: compiled('stake'), data: stakeData }));
  const task = provider.open(new Deployable({ code: compiled('task'), data: marketData }));

  // init (here only what keeps two owners' apart); bond, reserved, earned
  const bond = beginCell().storeRef(marketData).storeUint(0, 3 * 4).endCell();
  const operator = provider.open(new Deployable({ code: compiled('operator'), data: bond }));

  for (const contract of [market, stake, task, operator]) {
    assert.equal(await provider.isContractDeployed(contract.address), false);
    await contract.sendDeploy(sender);
    await provider.waitForDeploy(contract.address);
    const { state } = await provider.getContractState(contract.address);
    assert.ok(state.type === 'active' && state.code);
    assert.ok(Cell.fromBoc(state.code)[0].equals(contract.init.code));
  }

  const about = await market.getValues('market_state');
  assert.ok(about.readAddress().equals(owner));
  assert.deepEqual([about.readBoolean(), about.readBoolean()], [false, false]);
  const values = await market.getValues('attached_values', 2n);
  for (let index = 0; index < 10; index++) assert.ok(values.readBigNumber() > 0n);
  const held = await stake.getValues('stake_state');
  for (let index = 0; index < 5; index++) assert.equal(held.readBigNumber(), 0n);
  assert.equal(held.readBigNumber(), session);
  const bonded = await operator.getValues('operator_state');
  for (let index = 0; index < 3; index++) assert.equal(bonded.readBigNumber(), 0n);
  provider.ui().write('the contracts answer');
}
