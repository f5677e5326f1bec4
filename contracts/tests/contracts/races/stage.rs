//! Where the races begin, and what everybody can say there.

use fog_contracts::{
    CLAIM_VALUE, DELEGATE_VALUE, UNDELEGATE_VALUE,
    delegation::{self, DelegationData, DelegationInit},
    op, operator, stake,
    task::{self, Outcome},
};
use fog_protocol::{Address, Hash32, Nano};
use fog_testnet::chain::{Block, ChainConfig, CheckpointName, Clock, Receipt, Treasury, TxRecord};
use tycho_types::{
    cell::{Cell, CellSlice, HashBytes},
    models::{MsgInfo, OwnedMessage},
};

use super::{Kept, Race};
use crate::{
    ledger::Ledger,
    world::{FUNDS, START, UNBONDING, World, ours, std},
};

/// The window of the task: longer than what leaves still takes.
pub(super) const HOLD: u32 = 300;
/// What leaves is out so long after the start.
const LEAVING: u32 = 100;
const COMMITMENT: Hash32 = Hash32([0x11; 32]);
/// A third of what is delegated.
const SHARES: u128 = 10_000_000_000 * 1_000_000_000;

/// What has become of the task before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Open,
    Assigned,
    Committed,
    Accepted,
    Rejected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    Cancelling,
    Assign,
    Commit,
    Accept,
    Reject,
    Finalize,
    /// Whoever it is: the task is late.
    Push,
    Dispute,
    RuleAccepted,
    RuleRejected,
    Unbond,
    /// Of the worker's stake.
    Withdrawal,
    /// All that is free.
    WithdrawBond,
    Undelegate,
    Claim,
}

/// Everybody on one chain.
pub(super) struct Arena {
    pub(super) world: World,
    ledger: Ledger,
    staker: Treasury,
    pub(super) task: Address,
    pub(super) stake: Address,
    bond: Address,
    delegation: Address,
    /// What has taken effect so far.
    pub(super) effects: Vec<Race>,
    pub(super) transactions: u64,
}

impl Arena {
    /// Half of the worker's stake and a third of the delegated one are leaving since long; the task was
    /// reserved for after that.
    pub(super) fn set(stage: Stage) -> Self {
        let mut arena = Self::begin();
        let mut init = arena.world.task_init(1);
        init.terms.window = HOLD;
        arena.task = init.address().unwrap();
        arena.ledger.tasks.insert(arena.task, init);
        arena.drain();
        arena.invest();
        arena.warp(UNBONDING - LEAVING);
        let told = arena.world.fund(&init);
        arena.settle(told);
        let verdict = if stage == Stage::Rejected { Word::Reject } else { Word::Accept };
        let before = [
            (Stage::Assigned, Word::Assign),
            (Stage::Committed, Word::Commit),
            (Stage::Accepted, verdict),
        ];
        for (_, word) in before.iter().filter(|(from, _)| *from <= stage) {
            arena.say(*word);
            arena.drain();
        }
        assert!(arena.effects.is_empty());
        arena
    }

    fn begin() -> Self {
        let settings = ChainConfig {
            clock: Clock::Manual(START),
            max_block_transactions: 1,
            max_drain_blocks: 0,
            // Snapshots copy the history.
            history: std::num::NonZeroU64::new(4),
            ..ChainConfig::default()
        };
        let mut world = World::on(settings, 2, 3);
        let staker = world.chain.open_treasury(6, FUNDS.into()).unwrap();
        let stake = world.stake.address().unwrap();
        let init = DelegationInit { stake, owner: ours(&staker.address) };
        let delegation = init.address().unwrap();
        let operator = ours(&world.operator.address);
        let mut ledger = Ledger::new(world.market, world.treasury, world.burn, operator);
        ledger.stakes.insert(stake, ours(&world.worker.address));
        ledger.delegations.insert(delegation, init);
        ledger.bonds.watch(&world.bond);
        let poor = [&world.stranger, &world.owner];
        ledger.poor = poor.map(|party| (ours(&party.address), FUNDS)).into();
        ledger.operator_had = FUNDS;
        let (task, bond) = (Address::basechain([0; 32]), world.bond.address().unwrap());
        let (effects, transactions) = (Vec::new(), 0);
        Self { world, ledger, staker, task, stake, bond, delegation, effects, transactions }
    }

    fn invest(&mut self) {
        let told = self.world.deposit(Nano::grams(100));
        self.settle(told);
        let told = self.world.owner_op(stake::unbond(2, Nano::grams(50)).unwrap());
        self.settle(told);
        let amount = Nano::grams(30);
        let init = self.ledger.delegations[&self.delegation].state_init().unwrap();
        let body = delegation::delegate(3, amount, 5000).unwrap();
        let value = amount.saturating_add(DELEGATE_VALUE);
        let told = self.world.deploy(&self.staker.clone(), self.delegation, value, init, body);
        self.settle(told);
        self.say(Word::Undelegate);
        self.drain();
    }

    /// It sends this; nothing of it has arrived.
    pub(super) fn say(&mut self, word: Word) {
        // The same word is the same message, whatever was said before.
        self.world.query = 100 * (1 + word as u64);
        let told = self.tell(word);
        self.take(&told);
    }

    fn tell(&mut self, word: Word) -> Receipt {
        let (query, task, stake) = (self.world.query, self.task, self.stake);
        let world = &mut self.world;
        let (node, stranger) = (world.operator.clone(), world.stranger.clone());
        let (requestor, worker) = (world.requestor.clone(), world.worker.clone());
        let everybody = [0, 1, 2];
        match word {
            Word::Cancelling => world.push(&requestor, task, task::cancel(query).unwrap()),
            Word::Assign => world.assign(task),
            Word::Commit => world.commit(task, COMMITMENT),
            Word::Accept => world.verdict(task, COMMITMENT, Outcome::Accepted, &[0, 1]),
            Word::Reject => world.verdict(task, COMMITMENT, Outcome::Rejected, &[1, 2]),
            Word::Finalize => world.push(&stranger, task, task::finalize(query).unwrap()),
            Word::Push => world.push(&stranger, task, task::expire(query).unwrap()),
            Word::Dispute => world.challenge(&stranger, task),
            Word::RuleAccepted => {
                world.rule(&node, task, COMMITMENT, Outcome::Accepted, &everybody)
            }
            Word::RuleRejected => {
                world.rule(&node, task, COMMITMENT, Outcome::Rejected, &everybody)
            }
            Word::Unbond => world.owner_op(stake::unbond(query, Nano::grams(10)).unwrap()),
            Word::Withdrawal => {
                world.call(&worker, stake, CLAIM_VALUE, stake::withdraw(query).unwrap())
            }
            Word::WithdrawBond => {
                let free = world.bond().free();
                world.bond_op(&node, operator::withdraw(query, free).unwrap())
            }
            Word::Undelegate => self.undelegate(SHARES),
            Word::Claim => self.claim(),
        }
    }

    pub(super) fn undelegate(&mut self, shares: u128) -> Receipt {
        let body = delegation::undelegate(self.world.query, shares).unwrap();
        self.world.call(&self.staker.clone(), self.delegation, UNDELEGATE_VALUE, body)
    }

    pub(super) fn claim(&mut self) -> Receipt {
        let body = delegation::claim(self.world.query).unwrap();
        self.world.call(&self.staker.clone(), self.delegation, CLAIM_VALUE, body)
    }

    // ---- the chain -----------------------------------------------------------------------------

    pub(super) fn settle(&mut self, told: Receipt) {
        self.take(&told);
        self.drain();
    }

    fn take(&mut self, told: &Receipt) {
        told.transactions.iter().for_each(|record| self.check(record));
    }

    pub(super) fn drain(&mut self) {
        while self.world.chain.backlog() > 0 {
            let block = self.world.chain.mine().unwrap();
            self.check_block(&block);
        }
        self.ledger.check_quiet(&self.world.chain);
    }

    /// Later; the block of that time delivers a message, too.
    pub(super) fn warp(&mut self, seconds: u32) {
        let block = self.world.chain.warp(seconds).unwrap();
        self.check_block(&block);
    }

    fn check_block(&mut self, block: &Block) {
        for done in &block.transactions {
            let record = self.world.chain.transaction(&done.address, done.lt).unwrap().unwrap();
            self.check(&record);
        }
    }

    fn check(&mut self, record: &TxRecord) {
        self.transactions += 1;
        self.ledger.check(&self.world.chain, record);
        self.note(record);
    }

    fn note(&mut self, record: &TxRecord) {
        let at = ours(&record.address);
        if ![self.task, self.stake, self.bond].contains(&at) || record.aborted().unwrap() {
            return;
        }
        let Some(said) = record.in_msg().unwrap().as_ref().and_then(op_of) else { return };
        let race = match said {
            task::op::CANCEL => Race::Cancel,
            task::op::EXPIRE => Race::Timeout,
            task::op::CHALLENGE => Race::Challenge,
            stake::op::SETTLE => Race::Settle,
            stake::op::SLASH => Race::Slash,
            stake::op::WITHDRAW | operator::op::WITHDRAW => Race::Withdraw,
            stake::op::REDEEM => Race::Exit,
            _ => return,
        };
        self.effects.push(race);
        let sent = record.out_msgs().unwrap();
        if race == Race::Timeout && sent.iter().filter_map(op_of).any(|sent| sent == op::PAYOUT) {
            self.effects.push(Race::Settle);
        }
    }

    fn watched(&self) -> [Address; 4] {
        [self.task, self.stake, self.bond, self.delegation]
    }

    pub(super) fn data(&self) -> [HashBytes; 4] {
        let hash = |cell: Cell| *cell.repr_hash();
        self.watched().map(|at| self.data_of(&at).map_or(HashBytes::ZERO, hash))
    }

    fn data_of(&self, at: &Address) -> Option<Cell> {
        self.world.chain.account(&std(at)).unwrap().data
    }

    pub(super) fn balances(&self) -> [u64; 4] {
        self.watched().map(|at| self.world.balance(&at))
    }

    pub(super) fn delegated(&self) -> DelegationData {
        DelegationData::parse(&self.data_of(&self.delegation).unwrap()).unwrap()
    }

    /// The present state, to come back to; it takes the place of another of this depth.
    pub(super) fn keep(&mut self, depth: usize) -> Kept {
        let name: CheckpointName = format!("at-{depth}").parse().unwrap();
        self.world.chain.checkpoint(name.clone()).unwrap();
        Kept { name, ledger: self.ledger.clone(), effects: self.effects.clone() }
    }

    pub(super) fn restore(&mut self, kept: &Kept) {
        self.world.chain.restore(&kept.name).unwrap();
        self.ledger = kept.ledger.clone();
        self.effects = kept.effects.clone();
    }
}

/// What a message says; nothing if it comes back.
fn op_of(message: &OwnedMessage) -> Option<u32> {
    let MsgInfo::Int(info) = &message.info else { return None };
    let mut body = CellSlice::apply(&message.body).ok()?;
    if info.bounced { None } else { body.load_u32().ok() }
}
