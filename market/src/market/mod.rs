//! The market's whole state and the one way it changes.

mod bidding;
mod chain;
mod copies;
mod ending;
mod pledges;
mod posting;
mod recheck;
mod rounds;
mod verdicts;
mod work;
mod workers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fog_protocol::{Address, Hash32, Nano, PublicKey, TaskId, TaskStatus, tagged_hash};
use fog_verifier::{Judgement, rehydrate};

use crate::{
    Action, Authentic, Event, Refused, Rules, Trust,
    book::{AskBook, BidBook},
    pledge::Pledge,
    task::Task,
    worker::Worker,
};

/// Everything that is decided, in memory. Nothing is looked up in proportion to the number of
/// tasks or workers: deadlines, rounds and standing orders are indexed.
#[derive(Debug)]
pub struct Market {
    rules: Rules,
    tasks: BTreeMap<TaskId, Task>,
    workers: BTreeMap<Address, Worker>,
    /// Latest chain time an event was applied at; it never goes back.
    clock: u64,
    /// Listings posted so far.
    posted: u64,
    /// Tasks that have not ended, in all and by requestor key.
    live: u32,
    live_of: BTreeMap<PublicKey, u32>,
    /// Ended tasks, oldest first.
    ended: VecDeque<TaskId>,
    /// When a task is looked at next.
    alarms: BTreeSet<(u64, TaskId)>,
    /// When a round ends.
    rounds: BTreeSet<(u64, TaskId)>,
    /// Rounds in which everybody has answered, in order of posting.
    complete: BTreeSet<(u64, TaskId)>,
    /// Tasks, by posting, whose first round waits for answers: see `close_rounds`.
    young: BTreeSet<(u64, TaskId)>,
    /// Workers with a slot free, lowest last ask first.
    asks: AskBook<Address>,
    /// Open listings, best paid first.
    calls: BidBook<TaskId>,
    /// Tasks that the last event changed.
    changed: Vec<TaskId>,
    /// What the event at hand changed.
    touched: Vec<TaskId>,
    touched_workers: Vec<Address>,
    digest: Hash32,
    /// The node's bond, as last read; none where nobody read it, as in a simulation.
    bond: Option<Nano>,
    /// Prices of the assignments that are not over: each is reserved from the bond.
    backed: Nano,
    /// Whom the node trusts; none in a log that is older than trust.
    trust: Option<Trust>,
    /// Keys among them that were caught since, and with which grant.
    lost: BTreeMap<PublicKey, u32>,
}

impl Market {
    /// An empty market.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            tasks: BTreeMap::new(),
            workers: BTreeMap::new(),
            clock: 0,
            posted: 0,
            live: 0,
            live_of: BTreeMap::new(),
            ended: VecDeque::new(),
            alarms: BTreeSet::new(),
            rounds: BTreeSet::new(),
            complete: BTreeSet::new(),
            young: BTreeSet::new(),
            asks: AskBook::new(),
            calls: BidBook::new(),
            changed: Vec::new(),
            touched: Vec::new(),
            touched_workers: Vec::new(),
            digest: Hash32::default(),
            bond: None,
            backed: Nano::ZERO,
            trust: None,
            lost: BTreeMap::new(),
        }
    }

    /// Applies an event at chain time `now` (Unix seconds) and returns what is to be done. Checks
    /// signatures itself; see [`Market::apply_authentic`] for checking them in parallel.
    ///
    /// # Errors
    /// [`Refused`]: nothing has changed.
    pub fn apply(&mut self, event: &Event, now: u64) -> Result<Vec<Action>, Refused> {
        event.check_signature()?;
        self.decide(now, |market, now, actions| market.dispatch(event, now, actions))
    }

    /// Like [`Market::apply`], for an event whose signature was checked already.
    ///
    /// # Errors
    /// [`Refused`]: nothing has changed.
    pub fn apply_authentic(&mut self, event: &Authentic, now: u64) -> Result<Vec<Action>, Refused> {
        self.decide(now, |market, now, actions| market.dispatch(event.event(), now, actions))
    }

    fn dispatch(
        &mut self,
        event: &Event,
        now: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        match event {
            Event::Posted { listing, escrow } => self.post(listing, *escrow, now),
            Event::WorkerJoined { worker, stake, session, seal_key, free_stake } => {
                let joined = workers::Joined {
                    worker: *worker,
                    stake: *stake,
                    session: *session,
                    seal_key: *seal_key,
                    free_stake: *free_stake,
                };
                self.join(&joined, now, actions)
            }
            Event::WorkerLeft { worker } => self.leave(worker, now),
            Event::StakeRead { worker, free_stake } => self.stake_read(worker, *free_stake),
            Event::BondRead { bond } => {
                self.bond = Some(*bond);
                Ok(())
            }
            Event::RulesSet { rules } => {
                self.rules = (**rules).clone();
                Ok(())
            }
            Event::TrustSet { trust } => {
                // What a key has lost stays lost while it is not named: only a higher grant gives anew.
                self.trust = Some((**trust).clone());
                Ok(())
            }
            Event::Opened { task, deadline } => self.open(*task, *deadline, now, actions),
            Event::Bid { bid } => self.bid(bid, now),
            Event::Passed { task, worker, reason, ask } => {
                self.pass(*task, *worker, (*reason, *ask), now, actions)
            }
            Event::CloseRounds => {
                self.close_rounds(now, actions);
                Ok(())
            }
            Event::Reserved { task, worker, price, reserve, commit_by } => {
                let fact = chain::Reservation {
                    worker: *worker,
                    price: *price,
                    reserve: *reserve,
                    commit_by: *commit_by,
                };
                self.reserved(*task, &fact, now, actions)
            }
            Event::ReserveFailed { task, worker, code } => {
                self.reserve_failed(*task, *worker, *code, now, actions)
            }
            Event::Committed { commit } => self.committed(commit, now, actions),
            Event::CommittedOnChain { task, commitment, verdict_by } => {
                self.committed_on_chain(*task, *commitment, *verdict_by, now, actions)
            }
            Event::NonceOpened { task, nonce } => self.nonce_opened(*task, *nonce, now, actions),
            Event::Submitted { task, seed } => self.submitted(*task, *seed, now, actions),
            Event::Delivered { task, seed, opening } => {
                self.delivered(*task, *seed, opening, now, actions)
            }
            Event::Grouped { group } => self.grouped(group, now, actions),
            Event::Judged { evidence } => {
                let task = self.known(&evidence.task)?;
                match rehydrate((**evidence).clone(), task.listing())? {
                    Judgement::Accepted(verified) => self.accepted(verified, actions),
                    Judgement::Rejected(rejected) => self.rejected(rejected, now, actions),
                }
            }
            Event::Disputed { task, until } => self.disputed(*task, *until, actions),
            Event::Ruled { evidence } => {
                let task = self.known(&evidence.task)?;
                match rehydrate((**evidence).clone(), task.listing())? {
                    Judgement::Accepted(verified) => self.upheld_right(verified, actions),
                    Judgement::Rejected(rejected) => self.found_wrong(rejected, now, actions),
                }
            }
            Event::VerdictOnChain { task, verdict, window_until } => {
                self.verdict_on_chain(*task, *verdict, *window_until, now, actions)
            }
            Event::Closed { task, outcome } => self.closed(*task, *outcome, now, actions),
            Event::Tick => {
                self.tick(now, actions);
                Ok(())
            }
            Event::Pledged { worker, pledge, reserve, lasts, judge_by } => {
                let made = Pledge::new(*reserve, *lasts, *judge_by);
                self.pledged(worker, *pledge, made, now, actions)
            }
            Event::PledgeEnding { worker, pledge } => self.pledge_ending(worker, pledge),
            Event::PledgeClosed { worker, pledge, slashed } => {
                self.pledge_closed(worker, pledge, *slashed, actions)
            }
        }
    }

    /// Runs one decision: time never goes back, and the indices follow.
    fn decide(
        &mut self,
        now: u64,
        decision: impl FnOnce(&mut Self, u64, &mut Vec<Action>) -> Result<(), Refused>,
    ) -> Result<Vec<Action>, Refused> {
        let now = now.max(self.clock);
        let mut actions = Vec::new();
        let result = decision(self, now, &mut actions);
        self.reindex();
        result.map(|()| {
            self.clock = now;
            actions
        })
    }

    /// The rules.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// A task; ended ones are remembered up to a bound.
    #[must_use]
    pub fn task(&self, id: &TaskId) -> Option<&Task> {
        self.tasks.get(id)
    }

    /// Every task that is remembered, by id.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    /// Tasks that the last event may have changed, and those it made the market forget; each once.
    #[must_use]
    pub fn changed(&self) -> &[TaskId] {
        &self.changed
    }

    /// The node's bond, as last read.
    #[must_use]
    pub const fn bond(&self) -> Option<Nano> {
        self.bond
    }

    /// Prices of all assignments that are not over.
    #[must_use]
    pub const fn backed(&self) -> Nano {
        self.backed
    }

    /// What a new assignment may cost.
    fn free_bond(&self) -> Nano {
        self.bond.map_or(Nano::MAX, |bond| bond.saturating_sub(self.backed))
    }

    /// Tasks that have not ended.
    #[must_use]
    pub const fn live_tasks(&self) -> u32 {
        self.live
    }

    /// A worker.
    #[must_use]
    pub fn worker(&self, address: &Address) -> Option<&Worker> {
        self.workers.get(address)
    }

    /// Every worker, by address.
    pub fn workers(&self) -> impl Iterator<Item = &Worker> {
        self.workers.values()
    }

    /// Chain time at which [`Event::Tick`] has something to do.
    #[must_use]
    pub fn next_alarm(&self) -> Option<u64> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// Chain time at which [`Event::CloseRounds`] has something to do; 0 if it has now.
    #[must_use]
    pub fn next_round(&self) -> Option<u64> {
        // The oldest first round holds back everything posted after it, until it is over itself.
        let young = self.young.first().and_then(|(_, id)| self.tasks.get(id));
        let young = young.and_then(|task| Some((task.seq, task.round()?.until)));
        let (barrier, over) = young.map_or((u64::MAX, u64::MAX), |(seq, until)| (seq, until));
        if self.complete.first().is_some_and(|(seq, _)| *seq < barrier) {
            return Some(0);
        }
        let held_back = |id: &TaskId| self.tasks.get(id).is_some_and(|task| task.seq >= barrier);
        let before = self.rounds.iter().take_while(|(at, _)| *at < over);
        let first = before.filter(|(_, id)| !held_back(id)).map(|(at, _)| *at).next();
        first.or(young.map(|(_, until)| until))
    }

    /// The earlier of [`Market::next_alarm`] and [`Market::next_round`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.next_alarm().into_iter().chain(self.next_round()).min()
    }

    /// Latest chain time an event was applied at.
    #[must_use]
    pub const fn clock(&self) -> u64 {
        self.clock
    }

    /// A hash of the state, kept up to date with every event: replaying the log gives the same.
    #[must_use]
    pub fn state_hash(&self) -> Hash32 {
        let state = tagged_hash(
            "fog/market-state/v2",
            &[
                &self.digest.0,
                &self.clock.to_le_bytes(),
                &self.posted.to_le_bytes(),
                &self.live.to_le_bytes(),
                &self.bond.map_or(u64::MAX, Nano::get).to_le_bytes(),
                &self.backed.get().to_le_bytes(),
            ],
        );
        // The state of a log that is older than trust has the hash it had.
        let Some(trust) = &self.trust else { return state };
        // Writing to a vector cannot fail.
        let trust = borsh::to_vec(&(trust, &self.lost)).unwrap_or_default();
        tagged_hash("fog/market-state/v3", &[&state.0, &trust])
    }

    fn known(&self, id: &TaskId) -> Result<&Task, Refused> {
        self.tasks.get(id).ok_or(Refused::UnknownTask(*id))
    }

    /// The task, about to be changed.
    fn task_mut(&mut self, id: &TaskId) -> Result<&mut Task, Refused> {
        let task = self.tasks.get_mut(id).ok_or(Refused::UnknownTask(*id))?;
        self.touched.push(*id);
        Ok(task)
    }

    /// The worker, about to be changed.
    fn worker_mut(&mut self, address: &Address) -> Result<&mut Worker, Refused> {
        let worker = self.workers.get_mut(address).ok_or(Refused::UnknownWorker(*address))?;
        self.touched_workers.push(*address);
        Ok(worker)
    }

    fn wrong_state(status: TaskStatus, what: &'static str, wanted: &'static str) -> Refused {
        Refused::WrongState { status, what, wanted }
    }

    fn reindex(&mut self) {
        self.touched.sort_unstable();
        self.touched.dedup();
        std::mem::swap(&mut self.changed, &mut self.touched);
        self.touched.clear();
        for at in 0..self.changed.len() {
            let id = self.changed[at];
            self.reindex_task(&id);
        }
        while let Some(address) = self.touched_workers.pop() {
            self.reindex_worker(&address);
        }
    }

    fn reindex_task(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        let round = task.round().map(|round| round.until);
        let complete = task.round().is_some_and(crate::task::Round::all_answered);
        // On the account rail nothing is assigned on chain.
        let live = !task.status().is_terminal() && task.listing.rail.has_contract();
        let backed = task.assignment().filter(|_| live).map_or(Nano::ZERO, |made| made.price);
        let before = std::mem::replace(&mut task.indexed.backed, backed);
        self.backed = self.backed.saturating_sub(before).saturating_add(backed);
        follow(&mut self.alarms, *id, &mut task.indexed.alarm, task.alarm);
        follow(&mut self.rounds, *id, &mut task.indexed.round, round);
        let asked = |round: &crate::task::Round| round.number <= 1 && !round.waiting.is_empty();
        if task.round().is_some_and(asked) {
            self.young.insert((task.seq, *id));
        } else {
            self.young.remove(&(task.seq, *id));
        }
        if complete != task.indexed.complete {
            task.indexed.complete = complete;
            if complete {
                self.complete.insert((task.seq, *id));
            } else {
                self.complete.remove(&(task.seq, *id));
            }
        }
        match (round, task.indexed.call) {
            (Some(_), None) => {
                let price = task.unit_price(task.listing.price_cap);
                task.indexed.call = Some(self.calls.insert(price, *id));
            }
            (None, Some(handle)) => {
                self.calls.remove(handle);
                task.indexed.call = None;
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        let digest = task.digest();
        mix(&mut self.digest, &task.indexed.digest);
        mix(&mut self.digest, &digest);
        task.indexed.digest = digest;
    }

    fn reindex_worker(&mut self, address: &Address) {
        let Some(worker) = self.workers.get_mut(address) else {
            return;
        };
        let price = worker.is_available().then(|| worker.asking_rank());
        if worker.indexed.ask.map(|(price, _)| price) != price {
            if let Some((_, handle)) = worker.indexed.ask {
                self.asks.remove(handle);
            }
            worker.indexed.ask = price.map(|price| (price, self.asks.insert(price, *address)));
        }
        let digest = worker.digest();
        mix(&mut self.digest, &worker.indexed.digest);
        mix(&mut self.digest, &digest);
        worker.indexed.digest = digest;
    }
}

/// Keeps an entry of an ordered index equal to what it is made from.
fn follow(
    index: &mut BTreeSet<(u64, TaskId)>,
    id: TaskId,
    indexed: &mut Option<u64>,
    wanted: Option<u64>,
) {
    if *indexed == wanted {
        return;
    }
    if let Some(at) = *indexed {
        index.remove(&(at, id));
    }
    if let Some(at) = wanted {
        index.insert((at, id));
    }
    *indexed = wanted;
}

/// Adds a hash to, or takes it out of, the exclusive-or of all hashes.
fn mix(sum: &mut Hash32, hash: &Hash32) {
    sum.0.iter_mut().zip(hash.0).for_each(|(sum, byte)| *sum ^= byte);
}
