// Checks the tests: breaks the contracts in one place at a time and sees whether a test fails.
//
//   cargo test -p fog-contracts --test contracts --no-run     (prints the test program's path)
//   node mutants.mjs <test program> [only mutants whose name contains this, or|this [tests to try first
//   [what an earlier run printed: what it has tried is not tried again]]]
//
// Every `assert` of every contract is dropped once, every part of a compound one once, every message
// is left unsent once, every mode changed, every constant shifted, and the changes listed below are
// made. The mutant's code is put into a copy of the test program in place
// of the compiled code it contains, so that nothing in the tree changes and nothing is recompiled.
import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runTolkCompiler } from '@ton/tolk-js'
import { CONTRACTS, entryOf, fileOf, read } from './sources.mjs'

const ROOMS = [...CONTRACTS, 'channel', 'jetton']   // these two are the code of accounts and earnings
const here = new URL('.', import.meta.url)
const [program, only = '', first = '', printed = ''] = process.argv.slice(2)
if (!program) throw new Error('usage: node mutants.mjs <test program> [part of a name [tests]]')

// Dropping these changes nothing but gas, so no test can tell.
const EQUIVALENT = [
  '(shares > 0)',   // needs a pool of a billion GRAM
  // With B outside its group, or at infinity, the equation does not hold either (the pairing is
  // linear in G2 only): these two are a second lock on the same door, with the same exit code.
  'ERR_NOT_PROVEN isInG2(b)',
  '-> "isInfinite(a as slice) | isInfinite(c as slice)"',
  // Behind these, a shift by too much gives zero, and one by less than nothing throws.
  '-> "age < 0"',
  '-> "age >= 64"',
  '(left >= 0)',   // ends a loop early; the count is compared again after it
]

// [file, what stands there, what is put there]
const CHANGES = [
  ['task/bounces.tolk', '(storage.status == TaskStatus.Registering) & ', ''],
  ['task/bounces.tolk', ' & (in.senderAddress == init.market)', ''],
  ['task/bounces.tolk', 'if (storage.status == TaskStatus.Reserving) {', 'if (true) {'],
  ['task/bounces.tolk', '(in.senderAddress == work.stake) & ', ''],
  ['task/bounces.tolk', ' & (msg.queryId == work.queryId)', ''],
  ['task/bounces.tolk', '(storage.status == TaskStatus.Settling) & ', ''],
  ['task/bounces.tolk', ' & isStake(storage, in.senderAddress)', ''],
  ['task/bounces.tolk', 'storage.escrowed += inGram(pay(storage, storage.work!.load()));', ''],
  ['task/bounces.tolk', 'if (isStake(storage, in.senderAddress)) {', 'if (true) {'],
  ['task/bounces.tolk', '(storage.status == TaskStatus.Releasing) & ', ''],
  ['task/purse.tolk', 'contract.setCodePostponed(tombCode());', ''],
  ['task/ending.tolk', 'min(amount / 2 - reported, work.price + terms.damages)', '(amount / 2 - reported)'],
  ['task/ending.tolk', 'share: reported + min(', 'share: 0 + min('],
  ['task/ending.tolk', 'const REPORTER_BPS = 2000', 'const REPORTER_BPS = 2001'],
  ['task/ending.tolk', 'dispute!.load().won ? ', 'dispute!.load().bond == 0 ? '],
  ['task/ending.tolk', 'facts.outcome = Outcome.Undelivered;', ''],
  ['task/ending.tolk', 'val wrong = facts.outcome == Outcome.Rejected;', 'val wrong = true;'],
  ['task/ending.tolk', 'storage.decide(facts.outcome, facts.evidence, false);', 'storage.decide(facts.outcome, facts.evidence, true);'],
  ['task/ending.tolk', 'if (storage.status == TaskStatus.Releasing) {\n        owed', 'if (false) {\n        owed'],
  ['task/ending.tolk', 'if (storage.status == TaskStatus.Releasing) {\n        owed', 'if (storage.status != TaskStatus.Reserving) {\n        owed'],
  ['task/ending.tolk', 'owed = work.price;', 'owed = pay(storage, work);'],
  ['task/ending.tolk', 'if (storage.work != null) {\n        freeBond', 'if (false) {\n        freeBond'],
  ['task/ending.tolk', 'cut * settings.operatorBps / BPS', 'cut'],
  ['task/ending.tolk', 'value: cut - earned,', 'value: cut,'],
  ['task/ending.tolk', 'value: earned + freedFee(),', 'value: freedFee(),'],
  ['task/ending.tolk', 'owner: init.nodeWallet,\n        params', 'owner: init.requestor,\n        params'],
  ['task/bounces.tolk', 'freeBond(storage, init, msg.queryId, 0);', ''],
  ['task/dispute.tolk', '    // After a ruling, too: its deadline is its own time.\n    assert (now < storage.deadline)', '    assert (now <= storage.deadline)'],
  ['task/dispute.tolk', 'rulesFrom: storage.deadline,', 'rulesFrom: now,'],
  ['task/dispute.tolk', 'storage.deadline += settings.appealTime;', 'storage.deadline = now + settings.appealTime;'],
  ['task/dispute.tolk', 'storage.deadline += settings.appealTime;', ''],
  ['task/dispute.tolk', '+ settings.challengeBond + message(),', '+ settings.challengeBond,'],
  ['task/dispute.tolk', '+ settings.challengeBond + message(),', '+ message(),'],
  ['task/dispute.tolk', 'settings.verifiers, settings.appeal);', 'settings.verifiers, settings.threshold);'],
  ['task/dispute.tolk', 'commitment: work.facts.load().commitment,', 'commitment: 0,'],
  ['task/dispute.tolk', 'if (upheld & bySomebody) {', 'if (upheld) {'],
  ['task/dispute.tolk', 'if (upheld & bySomebody) {', 'if (false) {'],
  ['task/dispute.tolk', 'outcome == Outcome.Accepted ? facts.owner : init.requestor', 'facts.owner'],
  ['task/dispute.tolk', 'outcome == Outcome.Accepted ? facts.owner : init.requestor', 'init.requestor'],
  ['task/dispute.tolk', 'dispute.bond = 0;', ''],
  ['task/dispute.tolk', 'dispute.won = !upheld & (outcome != Outcome.Accepted);', 'dispute.won = !upheld;'],
  ['task/dispute.tolk', 'dispute.won = !upheld & (outcome != Outcome.Accepted);', 'dispute.won = (outcome != Outcome.Accepted);'],
  ['task/dispute.tolk', 'facts.outcome = outcome;', ''],
  ['task/dispute.tolk', 'facts.evidence = evidence;', ''],
  ['task/dispute.tolk', 'self.deadline = blockchain.now();', ''],
  ['task/dispute.tolk', 'value: dispute.bond,', 'value: dispute.bond + 1,'],
  ['task/verdict.tolk', 'facts.outcome = msg.outcome;', ''],
  ['task/proof.tolk', '(terms.proof == ProofRole.Decides) | ', ''],
  ['task/proof.tolk', '(terms.proof == ProofRole.Decides) | (result == committed)', 'true'],
  ['task/proof.tolk', 'if (storage.status == TaskStatus.Disputed) {', 'if (false) {'],
  ['task/proof.tolk', 'facts.outcome = Outcome.Accepted;', ''],
  ['task/proof.tolk', '& (blockchain.now() < self.deadline)', ''],
  ['task/proof.tolk', '| (self.status == TaskStatus.Disputed)', ''],
  ['operator/operator.tolk', 'storage.reserved -= assign.price;', ''],
  ['operator/operator.tolk', 'storage.reserved += assign.price;', ''],
  ['operator/operator.tolk', 'storage.reserved -= msg.price;', ''],
  ['operator/operator.tolk', 'storage.bond += msg.earned - msg.owed;', 'storage.bond += msg.earned;'],
  ['operator/operator.tolk', 'storage.bond += msg.earned - msg.owed;', 'storage.bond -= msg.owed;'],
  ['operator/operator.tolk', 'storage.earned += msg.earned;', ''],
  ['operator/operator.tolk', 'storage.bond += msg.amount;', ''],
  ['operator/operator.tolk', 'storage.bond -= msg.amount;', ''],
  ['operator/operator.tolk', 'max(storage.bond + operatorRent(), had - value + msg.amount)', 'storage.bond + operatorRent()'],
  ['operator/operator.tolk', 'max(storage.bond + operatorRent(), had - value + msg.amount)', '(had - value + msg.amount)'],
  ['operator/operator.tolk', 'min(msg.owed, there)', 'msg.owed'],
  ['operator/operator.tolk', '2 * operatorRent() / 5', 'operatorRent() / 5'],
  ['operator/operator.tolk', 'min(left, storage.bond + operatorRent())', 'left'],
  ['operator/operator.tolk', 'min(left, storage.bond + operatorRent())', 'min(left, storage.bond)'],
  ['operator/operator.tolk', 'assign.consent = assign.consent.load().toCell();', ''],
  ['operator/operator.tolk', 'dest: msg.creditor,', 'dest: init.owner,'],
  ['operator/operator.tolk', 'exitCode: rich.exitCode & 0xffffffff,', 'exitCode: 0,'],
  ['operator/storage.tolk', 'return self.bond - self.reserved;', 'return self.bond;'],
  ['task/ending.tolk', 'max(value - msg.share - gas(GAS_CLOSE), NOTIFY_VALUE)', 'value'],
  ['task/ending.tolk', 'TaskStatus.Accepted => LAST_EXIT', 'TaskStatus.Accepted => 0'],
  ['task/ending.tolk', 'TaskStatus.Reserving => PATIENCE', 'TaskStatus.Reserving => 0'],
  ['task/ending.tolk', 'value: inGram(pay(storage, work))', 'value: work.price'],
  ['task/ending.tolk', 'const LATE_PENALTY_BPS = 100', 'const LATE_PENALTY_BPS = 101'],
  ['task/ending.tolk', 'self.escrowed -= amount;', ''],
  ['task/verdict.tolk', 'commitment: facts.commitment,', 'commitment: 0,'],
  ['task/verdict.tolk', 'storage.deadline = now + init.terms.load().window;', 'storage.deadline = now;'],
  ...['key.alpha', 'ic.constant', 'ic.binding', 'beta', 'gamma', 'delta'].map((point) =>
    ['task/groth16.tolk', `isInfinite(${point} as slice)`, 'false']),
  ...['g.bitsEqual(d)', 'b.bitsEqual(g)', 'b.bitsEqual(d)'].map((pair) =>
    ['task/groth16.tolk', pair, 'false']),
  ['task/groth16.tolk', 'bits.skipBits(3);', ''],
  ['task/groth16.tolk', 'isInfinite(a as slice) | isInfinite(b as slice) | isInfinite(c as slice)', 'isInfinite(b as slice) | isInfinite(c as slice)'],
  ['task/groth16.tolk', 'isInfinite(a as slice) | isInfinite(b as slice) | isInfinite(c as slice)', 'isInfinite(a as slice) | isInfinite(c as slice)'],
  ['task/groth16.tolk', 'isInfinite(a as slice) | isInfinite(b as slice) | isInfinite(c as slice)', 'isInfinite(a as slice) | isInfinite(b as slice)'],
  ['task/groth16.tolk', '.storeUint(input, 256)', '.storeUint(0, 256)'],
  ['task/groth16.tolk', '.storeUint(result, 256)', '.storeUint(0, 256)'],
  ['task/groth16.tolk', '.storeUint(context.toCell().hash(), 256)', '.storeUint(0, 256)'],
  ['task/groth16.tolk', 'networkId: networkId(),', 'networkId: 0,'],
  ['task/groth16.tolk', 'task: contract.getAddress(),', 'task: stake,'],
  ['task/groth16.tolk', '        stake,\n', '        stake: contract.getAddress(),\n'],
  ['task/groth16.tolk', 'sha256(bytes) >> 2', 'sha256(bytes) >> 1'],
  ['task/groth16.tolk', 'negated(a)', 'a'],
  ['task/proof.tolk', 'facts.commitment = result;', ''],
  ['task/proof.tolk', 'facts.evidence = binding;', ''],
  ['stake/stake.tolk', 'self.reservations.deleteAndGetDeleted(key)', 'self.reservations.get(key)'],
  ['stake/stake.tolk', 'self.count -= 1;', ''],
  ['stake/stake.tolk', 'self.reserved -= amount;', ''],
  ['stake/stake.tolk', 'storage.reserved += msg.amount;', ''],
  ['stake/stake.tolk', 'storage.count += 1;', ''],
  ['stake/stake.tolk', 'if (found.loadValue().queryId == msg.queryId) {', 'if (true) {'],
  ['stake/stake.tolk', 'contract.getOriginalBalance() - value + msg.amount', 'contract.getOriginalBalance() - value'],
  ['stake/stake.tolk', 'storage.earnings = 0;', ''],
  ['stake/stake.tolk', 'storage.unbonding = 0;', ''],
  ['stake/stake.tolk', 'storage.stake -= amount;', ''],
  ['stake/stake.tolk', 'val burnt = msg.amount - share;', 'val burnt = 0;'],
  ['stake/stake.tolk', 'min(msg.share, own / 2)', 'msg.share'],
  ['stake/stake.tolk', 'min(msg.share, own / 2)', 'min(msg.share, own)'],
  ['stake/stake.tolk', 'delegated: msg.amount - own,', 'delegated: 0,'],
  ['task/ending.tolk', 'min(reward(facts, amount), msg.share)', 'reward(facts, amount)'],
  ['task/ending.tolk', ' | (late >= LAST_EXIT + EXIT_TIME)', ''],
  ['task/ending.tolk', 'late < LAST_EXIT - PATIENCE', 'late < LAST_EXIT'],
  ['task/ending.tolk', 'max(self.deadline, blockchain.now() + PATIENCE - LAST_EXIT)', 'self.deadline'],
  ['task/ending.tolk', 'max(self.deadline, blockchain.now() + PATIENCE - LAST_EXIT)', 'blockchain.now()'],
  ['task/ending.tolk', '} else {\n        self.deadline = blockchain.now();', '} else {'],
  ['task/proof.tolk', 'storage.deadline = blockchain.now();', ''],
  ['stake/stake.tolk', 'const STALE = 180', 'const STALE = 0'],
  ['market/market.tolk', 'storage.heir = null;\n    // What', '// What'],
  ['market/market.tolk', 'under the new one\'s name.\n    storage.proposal = null;', 'under the new one\'s name.'],
  ['market/market.tolk', 'val acceptAt = blockchain.now() + storage.config!.load().timelock;', 'val acceptAt = blockchain.now();'],
  ['channel/channel.tolk', 'storage.balance += msg.amount;', ''],
  ['channel/channel.tolk', 'storage.balance += msg.amount;', 'storage.balance += msg.amount + 1;'],
  ['channel/terms.tolk', 'self.balance -= amount;', ''],
  ['channel/terms.tolk', 'self.paid = voucher.total;', ''],
  ['channel/terms.tolk', 'self.paid = voucher.total;', 'self.paid += voucher.total;'],
  ['channel/terms.tolk', 'self.count = voucher.count;', ''],
  ['channel/terms.tolk', 'self.root = voucher.root;', ''],
  ['channel/terms.tolk', 'voucher.total - self.paid', 'voucher.total'],
  ['channel/terms.tolk', '(now < self.closeAt)', '(now <= self.closeAt)'],
  ['channel/channel.tolk', 'blockchain.now() >= storage.closeAt', 'blockchain.now() > storage.closeAt'],
  ['channel/terms.tolk', '(voucher.count > self.count)', '(voucher.count >= self.count)'],
  ['channel/terms.tolk', '(voucher.total > self.paid)', '(voucher.total >= self.paid)'],
  ['channel/terms.tolk', 'amount <= self.balance', 'amount < self.balance'],
  ['channel/terms.tolk', 'amount <= terms.cap', 'amount < terms.cap'],
  ['channel/terms.tolk', 'self.payeeKey == 0 ? terms.payeeKey : self.payeeKey', 'terms.payeeKey'],
  ['channel/terms.tolk', 'networkId: networkId(),', 'networkId: -239,'],
  ['channel/terms.tolk', 'channel: contract.getAddress(),', 'channel: init.payee,'],
  ['channel/terms.tolk', '        purpose,\n        networkId', '        purpose: 0,\n        networkId'],
  ['channel/channel.tolk', 'dest: init.payee,\n        body: Redeemed', 'dest: init.payer,\n        body: Redeemed'],
  ['channel/channel.tolk', 'dest: init.payer,\n        body: Returned', 'dest: init.payee,\n        body: Returned'],
  ['channel/channel.tolk', 'storage.status = ChannelStatus.Closed;', ''],
  ['channel/channel.tolk', 'storage.balance = 0;', ''],
  ['channel/channel.tolk', 'storage.status = ChannelStatus.Closing;', ''],
  ['channel/channel.tolk', 'blockchain.now() + init.terms.load().delay', 'blockchain.now()'],
  ['channel/terms.tolk', 'const MAX_VALIDITY = 365', 'const MAX_VALIDITY = 366'],
  ['channel/terms.tolk', 'const MIN_DELAY = 600', 'const MIN_DELAY = 599'],
  ['channel/terms.tolk', 'const MAX_DELAY = 30', 'const MAX_DELAY = 31'],
  ['channel/channel.tolk', 'max(storage.balance + channelRent(), had - value + msg.amount)', 'storage.balance + channelRent()'],
  ['channel/channel.tolk', 'max(storage.balance + channelRent(), had - value + msg.amount)', 'had - value + msg.amount'],
  ['channel/channel.tolk', 'max(0, had - value - amount)', '0'],
  ['channel/channel.tolk', 'value: NOTIFY_VALUE,', 'value: 0,'],
  ['jetton/storage.tolk', 'self.setDue(side, 0);', ''],
  ['jetton/storage.tolk', 'self.attempts += 1;', ''],
  ['jetton/storage.tolk', '((self.open << 1) | 1)', '(self.open | 1)'],
  ['jetton/storage.tolk', '(self.open << 1) | 1', 'self.open << 1'],
  ['jetton/storage.tolk', 'self.sentAt = blockchain.now();', ''],
  ['jetton/storage.tolk', ' | (side as int)', ''],
  ['jetton/storage.tolk', '(age < 0) | (age >= 64)', 'age < 0'],
  ['jetton/storage.tolk', '(age < 0) | (age >= 64)', 'age >= 64'],
  ['jetton/storage.tolk', '((self.open >> age) & 1) == 0', 'false'],
  ['jetton/storage.tolk', 'self.open = self.open - (1 << age);', ''],
  ['jetton/storage.tolk', 'self.due(side) + amount', 'amount'],
  ['jetton/storage.tolk', 'wallet == null ? false : sender == wallet', 'wallet != null'],
  ['jetton/jetton.tolk', 'if (jetton.isFrom(sender)) {', 'if (true) {'],
  ['jetton/jetton.tolk', 'if (sender == jetton.master) {', 'if (true) {'],
  ['jetton/jetton.tolk', 'passOn(msg.responseDestination, msg.queryId);', ''],
  ['jetton/jetton.tolk', 'dest: jetton.master,', 'dest: init.payer,'],
  ['jetton/jetton.tolk', 'owner: contract.getAddress(),', 'owner: init.payer,'],
  ['jetton/jetton.tolk', 'max(jettonRent(), had - value)', 'had - value'],
  ['jetton/jetton.tolk', 'max(jettonRent(), had - value)', 'jettonRent()'],
  ['jetton/jetton.tolk', 'jetton.wallet = wallet;', ''],
  ['jetton/jetton.tolk', 'storage.core.balance += amount;', ''],
  ['jetton/jetton.tolk', 'storage.core.balance += amount;', 'storage.core.balance += amount + 1;'],
  ['jetton/jetton.tolk', 'jetton.duePayee += amount;', ''],
  ['jetton/jetton.tolk', 'if (sender == init.payee) {', 'if (true) {'],
  ['jetton/jetton.tolk', 'storage.core.status = ChannelStatus.Closing;', ''],
  ['jetton/jetton.tolk', 'blockchain.now() + init.terms.load().delay', 'blockchain.now()'],
  ['jetton/jetton.tolk', 'blockchain.now() >= storage.core.closeAt', 'blockchain.now() > storage.core.closeAt'],
  ['jetton/jetton.tolk', '((jetton.duePayee > 0) | (sender != init.payer))', '(jetton.duePayee > 0)'],
  ['jetton/jetton.tolk', '((jetton.duePayee > 0) | (sender != init.payer))', 'true'],
  ['jetton/jetton.tolk', 'const SETTLING_TIME = 24 * 3600', 'const SETTLING_TIME = 0'],
  ['jetton/jetton.tolk', 'storage.core.status = ChannelStatus.Closed;', ''],
  ['jetton/jetton.tolk', 'storage.core.balance = 0;', ''],
  ['jetton/jetton.tolk', 'jetton.duePayer += amount;', ''],
  ['jetton/jetton.tolk', 'if ((sender == storage.core.init.load().payer) & (amount > 0)) {', 'if (amount > 0) {'],
  ['jetton/sending.tolk', 'destination: to,', 'destination: sender,'],
  ['jetton/sending.tolk', 'responseDestination: sender,', 'responseDestination: to,'],
  ['jetton/sending.tolk', 'forwardTonAmount: 0,', 'forwardTonAmount: 1,'],
  ['jetton/sending.tolk', 'max(0, contract.getOriginalBalance() - value)', '0'],
  ['jetton/jetton.tolk', 'value: NOTIFY_VALUE,', 'value: 0,'],
  ['jetton/fees.tolk', 'const TRANSFER_VALUE = ton("0.05")', 'const TRANSFER_VALUE = ton("0.01")'],
  ['jetton/fees.tolk', 'const ASK_VALUE = ton("0.02")', 'const ASK_VALUE = ton("0.001")'],
  ['stake/stake.tolk', 'if (pool.coins + pool.leaving > 0) {', 'if (false) {'],
  ['stake/stake.tolk', ' & (pool.shares > 0)', ''],
  ['stake/stake.tolk', 'storage.owed(pool) + stakeRent()', 'storage.stake + storage.earnings + stakeRent()'],
  ['stake/stake.tolk', 'pool.commission = pool.presentCommission();', ''],
  ['stake/stake.tolk', 'storage.reward(task, msg.amount);', 'storage.earnings += msg.amount;'],
  ['stake/delegated.tolk', ' + pool.coins - self.reserved', ' + pool.coins'],
  ['stake/delegated.tolk', 'self.stake - self.unbonding + pool.coins - self.reserved', 'self.stake + pool.coins - self.reserved'],
  ['stake/delegated.tolk', ' + pool.coins - self.reserved', ' + pool.coins + pool.leaving - self.reserved'],
  ['stake/delegated.tolk', '.made <= at', '.made < at'],
  ['stake/delegated.tolk', 'const VIRTUAL = 1000000000', 'const VIRTUAL = 1'],
  ['stake/delegated.tolk', 'self.coins += vested;', ''],
  ['stake/delegated.tolk', 'self.vesting -= vested;', ''],
  ['stake/delegated.tolk', 'self.vestedAt = now;', ''],
  ['stake/delegated.tolk', 'now >= self.vestUntil', 'true'],
  ['stake/delegated.tolk', 'self.earnings += pool.vesting;', ''],
  ['stake/delegated.tolk', 'self.nextCommission : self.commission', 'self.commission : self.commission'],
  ['stake/delegated.tolk', 'pool.coins += msg.amount;', ''],
  ['stake/delegated.tolk', 'pool.shares += shares;', ''],
  ['stake/delegated.tolk', 'contract.getOriginalBalance() - value + msg.amount,', 'contract.getOriginalBalance() - value,'],
  ['stake/delegated.tolk', 'pool.coins -= amount;', ''],
  ['stake/delegated.tolk', 'pool.shares -= msg.shares;', ''],
  ['stake/delegated.tolk', 'pool.leaving += amount;', ''],
  ['stake/delegated.tolk', 'pool.leavingShares += shares;', ''],
  ['stake/delegated.tolk', 'pool.leaving -= amount;', ''],
  ['stake/delegated.tolk', 'pool.leavingShares -= msg.shares;', ''],
  ['stake/delegated.tolk', 'contract.getOriginalBalance() - value - amount', 'contract.getOriginalBalance() - value'],
  ['stake/delegated.tolk', 'mulDivCeil(amount, self.stake', 'mulDivFloor(amount, self.stake'],
  ['stake/delegated.tolk', 'self.stake -= own;', ''],
  ['stake/delegated.tolk', 'pool.leaving -= left;', ''],
  ['stake/delegated.tolk', 'pool.coins -= rest - left;', ''],
  ['stake/delegated.tolk', 'self.stake -= own;\n    self.unbonding = min(self.unbonding, self.stake);', 'self.stake -= own;'],
  ['stake/delegated.tolk', 'BPS - pool.presentCommission()', 'BPS'],
  ['stake/delegated.tolk', 'pool.vesting += delegated;', ''],
  ['stake/delegated.tolk', 'pool.vestedAt = blockchain.now();', ''],
  ['stake/delegated.tolk', 'self.stake - self.unbonding + pool.coins;\n', 'self.stake + pool.coins;\n'],
  ['delegation/delegation.tolk', 'in.senderAddress != storage.stake', 'false'],
  ['delegation/delegation.tolk', 'storage.shares += msg.shares;', ''],
  ['delegation/delegation.tolk', 'storage.enqueue(msg.entry, Leaving { shares: msg.shares, at: msg.at });', ''],
  ['delegation/delegation.tolk', 'self.count < MAX_QUEUE', 'true'],
  ['delegation/delegation.tolk', 'storage.shares -= msg.shares;', ''],
  ['delegation/delegation.tolk', 'storage.queue.delete(entry);', ''],
  ['delegation/delegation.tolk', 'storage.count -= 1;', ''],
  ['delegation/delegation.tolk', 'storage.next += 1;', ''],
  ['delegation/delegation.tolk', 'max(young.at, leaving.at)', 'young.at'],
  ['delegation/delegation.tolk', 'delegationRent(), RESERVE_MODE_AT_MOST', '0, RESERVE_MODE_AT_MOST'],
  ['market/market.tolk', 'storage.proposal = null;\n    storage.save();\n    giveBack(sender', 'storage.save();\n    giveBack(sender'],
  ['shared/tasks.tolk', 'hash == taskHash(other.hash, other.depth, init, data)', 'true'],
  ['shared/tasks.tolk', 'val here = (workchain == BASECHAIN) & (hash', 'val here = (hash'],
  ['jetton_task/purse.tolk', 'self.isBegun() & !self.isEnded()', 'self.isBegun()'],
  ['jetton_task/purse.tolk', 'fun TaskStorage.mayFund(self): bool {\n    return false;', 'fun TaskStorage.mayFund(self): bool {\n    return true;'],
  ['jetton_task/purse.tolk', 'fun inGram(_: coins): coins {\n    return 0;', 'fun inGram(_: coins): coins {\n    return 1;'],
  ['jetton_task/purse.tolk', 'if (money.isFrom(sender)) {', 'if (true) {'],
  ['jetton_task/purse.tolk', '(self.status == TaskStatus.Settling) | (self', '(self'],
  ['jetton_task/purse.tolk', ' | (self.status == TaskStatus.Accepted)) {', ') {'],
  ['jetton_task/purse.tolk', 'mulDivFloor(money.units, work.price, terms.price)', 'mulDivCeil(money.units, work.price, terms.price)'],
  ['jetton_task/purse.tolk', 'dues.worker = price - cut;', 'dues.worker = price;'],
  ['jetton_task/purse.tolk', 'dues.treasury = cut - earned;', 'dues.treasury = cut;'],
  ['jetton_task/purse.tolk', 'money.held -= price;', ''],
  ['jetton_task/purse.tolk', 'money.held = 0;', ''],
  ['jetton_task/purse.tolk', 'dues.sentAt = blockchain.now();', ''],
  ['jetton_task/purse.tolk', 'deadline: blockchain.now() + UNCLAIMED,', 'deadline: 0,'],
  ['jetton_task/purse.tolk', 'settings: self.settings,', 'settings: null,'],
  ['jetton_task/money.tolk', 'self.set(share, 0);', ''],
  ['jetton_task/money.tolk', 'self.sentAt = blockchain.now();', ''],
  ['jetton_task/money.tolk', 'self.open = self.open - (1 << age);', ''],
  ['jetton_task/money.tolk', 'self.set(share, sumUnits(self.of(share), amount));', 'self.set(share, amount);'],
  ['jetton_task/money.tolk', 'self.worker + self.treasury + self.node == 0', 'self.worker + self.treasury == 0'],
  ['jetton_task/money.tolk', 'self.worker + self.treasury + self.node == 0', 'self.treasury + self.node == 0'],
  ['jetton_task/money.tolk', 'min(one + other, MOST_UNITS)', '(one + other)'],
  ['jetton_task/money.tolk', '(number == 0) | (number != self.sent(share))', 'number == 0'],
  ['jetton_task/money.tolk', 'self.setSent(share, 0);', ''],
  ['jetton_task/purse.tolk', 'self.status == TaskStatus.Settling ? TaskStatus.Paid : TaskStatus.Refunded', 'TaskStatus.Refunded'],
  ['jetton_task/purse.tolk', 'dest: msg.responseDestination,', 'dest: sender,'],
  ['stake/stake.tolk', '(kind == TaskKind.InGram) | (pool', '(pool'],
  ['jetton_task/steps.tolk', 'storage.deadline = blockchain.now() + FUNDING_TIME;', ''],
  ['jetton_task/steps.tolk', 'money.held = sumUnits(money.held, amount);', 'money.held = amount;'],
  ['jetton_task/steps.tolk', 'dues.requestor = sumUnits(dues.requestor, amount);', ''],
  ['jetton_task/steps.tolk', '(money.held < money.units) | ', ''],
  ['jetton_task/steps.tolk', ' | (blockchain.now() > self.deadline)) {', ') {'],
  ['jetton_task/steps.tolk', 'dues.requestor = sumUnits(dues.requestor, money.held - money.units);', ''],
  ['jetton_task/steps.tolk', 'money.held = money.units;', ''],
  ['jetton_task/steps.tolk', 'storage.isEnded() & (blockchain.now() > storage.deadline)', 'storage.isEnded()'],
  ['jetton_task/steps.tolk', 'storage.isEnded() & (blockchain.now() > storage.deadline)', 'blockchain.now() > storage.deadline'],
  ['jetton_task/steps.tolk', 'contract.setCodePostponed(tombCode());', ''],
  ['jetton_task/steps.tolk', 'Share.Node => self.init.load().nodeWallet', 'Share.Node => self.init.load().requestor'],
]

/** The parts of a condition that are joined by `&` outside all parentheses. */
function parts(condition) {
  const found = []
  let depth = 0
  let part = ''
  for (const char of condition) {
    if (char === '(') depth += 1
    if (char === ')') depth -= 1
    if (char === '&' && depth === 0) {
      found.push(part.trim())
      part = ''
    } else part += char
  }
  return [...found, part.trim()]
}

function* asserts(file, text) {
  for (const match of text.matchAll(/assert \(([\s\S]*?)\)\s+throw (\w+);/g)) {
    const line = text.slice(0, match.index).split('\n').length
    const name = `${file}:${line} ${match[2]}`
    const put = (by) => text.slice(0, match.index) + by + text.slice(match.index + match[0].length)
    const all = parts(match[1])
    if (all.length === 1) {
      // A function that gets smaller may be inlined, and the code be larger for it: then the
      // condition becomes one that always holds.
      const always = put(`assert (blockchain.now() > 0) throw ${match[2]};`)
      yield { name: `${name} (${all[0]})`, file, text: put(''), instead: always }
    } else {
      for (const dropped of all) {
        const rest = all.filter((part) => part !== dropped).join(' & ')
        yield { name: `${name} ${dropped}`, file, text: put(`assert (${rest}) throw ${match[2]};`) }
      }
    }
  }
}

/** Where the parenthesis that opens at `from` is closed. */
function closing(text, from) {
  let depth = 0
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1
    if (text[at] === ')') depth -= 1
    if (depth === 0) return at
  }
  throw new Error('a parenthesis is never closed')
}

const lineOf = (text, index) => text.slice(0, index).split('\n').length

/** Every message and every log left unsent once. */
function* sends(file, text) {
  for (const match of text.matchAll(/\b(?:createMessage|createExternalLogMessage|noticeMessage)\(/g)) {
    const before = text.slice(0, match.index)
    if (/(?:fun|return|=)\s*$/.test(before)) continue
    const made = closing(text, match.index + match[0].length - 1) + 1
    const send = text.slice(made).match(/^\s*\.send\(/)
    if (!send) throw new Error(`${file}:${lineOf(text, match.index)} makes a message that it does not send`)
    const end = closing(text, made + send[0].length - 1) + 2   // with the semicolon
    const body = text.slice(match.index, end).match(/body: (\w+)/)?.[1] ?? match[0].slice(0, -1)
    yield {
      name: `send ${file}:${lineOf(text, match.index)} ${body}`,
      file,
      text: before + text.slice(end),
    }
  }
}

const MODES = [
  ['SEND_MODE_PAY_FEES_SEPARATELY', 'SEND_MODE_REGULAR'],
  ['SEND_MODE_CARRY_ALL_REMAINING_MESSAGE_VALUE', 'SEND_MODE_REGULAR'],
  ['SEND_MODE_CARRY_ALL_BALANCE', 'SEND_MODE_CARRY_ALL_REMAINING_MESSAGE_VALUE'],
  [' | SEND_MODE_IGNORE_ERRORS', ''],
  [' | SEND_MODE_BOUNCE_ON_ACTION_FAIL', ''],
  [' | RESERVE_MODE_BOUNCE_ON_ACTION_FAIL', ''],
  ['RESERVE_MODE_EXACT_AMOUNT', 'RESERVE_MODE_AT_MOST'],
  ['RESERVE_MODE_AT_MOST', 'RESERVE_MODE_EXACT_AMOUNT'],
  ['BounceMode.NoBounce', 'BounceMode.RichBounce'],
  ['BounceMode.RichBounce', 'BounceMode.NoBounce'],
]

/** Every mode of every message and every reservation of the balance changed once. */
function* modes(file, text) {
  for (const [from, to] of MODES) {
    for (let at = text.indexOf(from); at >= 0; at = text.indexOf(from, at + from.length)) {
      const name = `mode ${file}:${lineOf(text, at)} ${from} -> ${to}`
      yield { name, file, text: text.slice(0, at) + to + text.slice(at + from.length) }
    }
  }
}

/** Every constant shifted once: by one, or, where it is an upper bound with a margin, to its half. */
function* constants(file, text) {
  for (const match of text.matchAll(/^const (\w+) = ([^\n/]+?)(?: *\/\/.*)?$/gm)) {
    const [whole, name, value] = match
    const margin = /^GAS_|_BITS$|_CELLS$|_VALUE$/.test(name)
    const put = `const ${name} = ${margin ? `(${value}) / 2` : `(${value}) + 1`}`
    const changed = text.slice(0, match.index) + put + text.slice(match.index + whole.length)
    yield { name: `constant ${file} ${name}`, file, text: changed }
  }
}

function* mutants() {
  const files = [...ROOMS, 'shared'].flatMap((room) =>
    readdirSync(new URL(`tolk/${room}/`, here)).map((entry) => `${room}/${entry}`))
  for (const file of files) yield* asserts(file, read(file))
  for (const [file, from, to] of CHANGES) {
    const text = read(file)
    if (!text.includes(from)) throw new Error(`${file} has no "${from}" any more`)
    yield { name: `${file} "${from}" -> "${to}"`, file, text: text.replace(from, to) }
  }
  for (const kind of [sends, modes, constants]) {
    for (const file of files) yield* kind(file, read(file))
  }
}

// The files each contract was last compiled from.
const sources = {}

async function compile(contract, mutant) {
  const seen = new Set()
  const result = await runTolkCompiler({
    entrypointFileName: entryOf(contract),
    fsReadCallback: (path) => {
      const file = fileOf(contract, path)
      seen.add(file)
      return file === mutant.file ? mutant.text : read(file)
    },
  })
  sources[contract] = seen
  if (result.status === 'error') return null
  return { hash: result.codeHashHex.toLowerCase(), code: result.codeBoc64 }
}

/** The test program with the mutant's code in it, or why there is none. */
async function planted(mutant) {
  const binary = Buffer.from(original)
  let changed = false
  for (const contract of CONTRACTS) {
    if (sources[contract] && !sources[contract].has(mutant.file)) continue
    const compiled = await compile(contract, mutant)
    if (compiled === null) return 'does not compile'
    const text = readFileSync(new URL(`compiled/${contract}.json`, here))
    if (JSON.parse(text).hash === compiled.hash) continue
    const at = original.indexOf(text)
    if (at < 0) throw new Error('the test program holds other code than compiled/: build it again')
    const mutated = Buffer.from(JSON.stringify({ compiler: '', ...compiled }))
    if (mutated.length > text.length) return 'is larger'
    binary.fill(' ', at, at + text.length)
    mutated.copy(binary, at)
    changed = true
  }
  return changed ? binary : 'changes nothing'
}

// Tests in rounds, quick ones first: they catch nearly everything. Orders and races take a minute and more.
const ORDERS = ['--skip', 'orders']
const QUICK = [
  'bonds::', 'bounces::', 'collusion::a_worker', 'delegated::', 'delegations::', 'edges::', 'ends::', 'flow::',
  'gates::', 'markets::', 'operators::', 'proofs::', 'readers::', 'stakes::', 'told::', '--skip', 'jetton', ...ORDERS,
]
const OF_CHANNELS = [
  ['channels::', 'told::', ...ORDERS], ['jettons::', 'told::', ...ORDERS], ['returned::', 'fees::', 'known::'],
]
const OF_JETTONS = [OF_CHANNELS[1], OF_CHANNELS[0], OF_CHANNELS[2]]
const OF_TASKS = [
  QUICK, ['deadlines::', 'disputes::', 'fees::', 'known::', 'cells::', 'returned::', 'versions::', ...ORDERS],
  ['jetton_tasks::', ...ORDERS], ['matrix::', 'jettons::whole', 'channels::epochs', '--skip', 'jettons::matrix'],
]
const ROUNDS = {
  channel: OF_CHANNELS, account: OF_CHANNELS, earnings: OF_CHANNELS, jetton: OF_JETTONS,
  jetton_account: OF_JETTONS, jetton_earnings: OF_JETTONS,
  jetton_task: [OF_TASKS[2], OF_TASKS[0], OF_TASKS[1], OF_TASKS[3]],
  shared: [...OF_TASKS, ...OF_CHANNELS],
}

// Tests that caught mutants of a file so far: the next one's first.
const catchers = new Map()

/** A test that fails with this program, if there is one. */
async function failing(binary, path, file) {
  rmSync(path, { force: true })
  writeFileSync(path, binary)
  chmodSync(path, 0o755)
  // (The parsers do not depend on the contracts, and the reference runs the same mutant.)
  const known = catchers.get(file) ?? []
  const rounds = [
    [...known.slice(0, 12), '--exact'],
    ...(first === '' ? (ROUNDS[file.split('/')[0]] ?? OF_TASKS) : [first.split(' ')]),
    ['property', '--skip', 'differential'], ['orders::', 'races::'],
  ]
  for (const chosen of known.length > 0 ? rounds : rounds.slice(1)) {
    const name = await firstFailure(path, chosen)
    if (name === null) continue
    catchers.set(file, [name, ...known.filter((other) => other !== name)])
    return name
  }
  return null
}

/** The first test that fails among those chosen; nothing is waited for after it. */
function firstFailure(path, chosen) {
  const env = {
    ...process.env, FOG_SEQUENCES: '24', FOG_GAS_MAY_DIFFER: '1', RUST_BACKTRACE: '0', PROPTEST_MAX_SHRINK_ITERS: '0',
  }
  const child = spawn(path, chosen, { env, cwd: here, stdio: ['ignore', 'pipe', 'ignore'] })
  return new Promise((resolve) => {
    let told = ''
    let name = null
    const late = setTimeout(() => { name = 'none in time'; child.kill('SIGKILL') }, 1_800_000)
    child.stdout.setEncoding('utf8')
    child.stdout.on('data', (text) => {
      told += text
      name ??= told.match(/^test (\S+) \.\.\. FAILED/m)?.[1] ?? null
      if (name !== null) child.kill('SIGKILL')
    })
    child.on('close', (status) => {
      clearTimeout(late)
      resolve(name ?? (status === 0 ? null : 'none by name'))
    })
  })
}

const original = readFileSync(program)
const tried = printed === '' ? '' : readFileSync(printed, 'utf8')
const spelt = (mutant) => mutant.name.replaceAll(/\s+/g, ' ')
const dir = mkdtempSync(join(tmpdir(), 'mutants-'))
const counts = { killed: 0, survived: 0, skipped: 0 }
for (const mutant of mutants()) {
  if (!only.split('|').some((part) => mutant.name.includes(part)) || EQUIVALENT.some((part) => mutant.name.endsWith(part))) continue
  if (tried.includes(` ${spelt(mutant)}  (`)) continue
  let binary = await planted(mutant)
  if (binary === 'is larger' && mutant.instead) {
    binary = await planted({ ...mutant, text: mutant.instead })
  }
  let verdict = 'skipped'
  let why = binary
  if (typeof binary !== 'string') {
    const name = await failing(binary, join(dir, 'mutant'), mutant.file)
    verdict = name === null ? 'survived' : 'killed'
    why = name ?? 'by no test'
  }
  counts[verdict] += 1
  console.log(`${verdict.padEnd(9)} ${spelt(mutant)}  (${why})`)
}
rmSync(dir, { recursive: true })
const share = (100 * counts.killed) / Math.max(1, counts.killed + counts.survived)
console.log(`${counts.killed} killed (${share.toFixed(1)} %), ${counts.survived} survived, ${counts.skipped} skipped`)
process.exit(counts.survived === 0 ? 0 : 1)
