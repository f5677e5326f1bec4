//! Rounds of bids: whom to ask, when a round is over, who gets the task.

use fog_protocol::{Address, Hash32, Nano, TaskId, gateway::PassReason};

use super::{Market, workers::Answers};
use crate::{
    Action, Assign, Assignment,
    explain::{outbid, unmatched},
    matching::{Candidate, choose},
    rules::way,
    task::{Phase, Round, Standing, Task},
    worker::Presence,
};

/// Rounds get longer when nobody bids, up to two to this power times.
const MOST_DOUBLINGS: u32 = 5;
/// Standing orders looked at for each one that is wanted.
const LOOKS_PER_OFFER: usize = 4;
/// Code of a bid that is lost because the node's bond has not as much free.
const BOND_IN_USE: &str = "bond_in_use";

/// What a bid's reserve is taken from.
#[derive(Debug, Clone, Copy)]
enum Backing {
    /// The worker's free stake; the node's bond stands for the price.
    Stake,
    /// On the account rail: what it has reserved in bulk, for a task that is over by then.
    Pledge {
        /// Chain time.
        until: u64,
    },
}

/// Does this answer hold for as long as the task is open?
const fn for_good(reason: PassReason) -> bool {
    match reason {
        PassReason::PriceTooLow | PassReason::TooBig | PassReason::Unsupported => true,
        // How soon it could be done depends on what the worker has in hand.
        PassReason::DeadlineTooShort
        | PassReason::Busy
        | PassReason::StakeTooSmall
        | PassReason::Draining => false,
    }
}

impl Market {
    /// Starts the task's next round and asks the workers with the lowest standing asks.
    pub(super) fn begin_round(&mut self, id: TaskId, now: u64, actions: &mut Vec<Action>) {
        let seconds = u64::from(self.rules.bid_round_seconds.max(1));
        let most = self.rules.max_bids_per_task as usize;
        let Ok(task) = self.task_mut(&id) else {
            return;
        };
        let Some(round) = task.round_mut() else {
            return;
        };
        round.until = now.saturating_add(seconds << round.number.min(MOST_DOUBLINGS));
        round.number = round.number.saturating_add(1);
        round.passes.retain(|_, (reason, _)| for_good(*reason));
        let Some(task) = self.tasks.get(&id) else {
            return;
        };
        let Some(round) = task.round() else {
            return;
        };
        let known = round.passes.len() + task.barred.len();
        let wanted = most.saturating_sub(round.waiting.len() + round.bids.len());
        let to: Vec<_> = self
            .asks
            .iter()
            .take(wanted.saturating_mul(LOOKS_PER_OFFER).saturating_add(known))
            .map(|(_, address)| address)
            .filter(|address| !round.knows(address) && !self.bars(task, address))
            .filter(|address| self.workers.get(address).is_some_and(|w| w.is_available()))
            .take(wanted)
            .collect();
        self.offer(id, to, actions);
    }

    /// Asks the next worker in place of one that passed, as long as the round runs.
    pub(super) fn ask_next(&mut self, id: TaskId, now: u64, actions: &mut Vec<Action>) {
        let most = self.rules.max_bids_per_task as usize;
        let Some(task) = self.tasks.get(&id) else {
            return;
        };
        let Some(round) = task.round() else {
            return;
        };
        if round.until <= now || round.waiting.len() + round.bids.len() >= most {
            return;
        }
        let known = round.passes.len() + round.waiting.len() + round.bids.len();
        let looks = LOOKS_PER_OFFER.saturating_add(known).saturating_add(task.barred.len());
        let next = self.asks.iter().take(looks).map(|(_, address)| address).find(|address| {
            !round.knows(address)
                && !self.bars(task, address)
                && self.workers.get(address).is_some_and(|worker| worker.is_available())
        });
        self.offer(id, next.into_iter().collect(), actions);
    }

    /// Offers open listings, best paid first, to a worker that came or has a slot free.
    pub(super) fn offer_open_tasks(
        &mut self,
        address: &Address,
        answers: Answers,
        now: u64,
        actions: &mut Vec<Action>,
    ) {
        if !self.workers.get(address).is_some_and(|worker| worker.is_available()) {
            return;
        }
        let wanted = self.rules.max_offers_per_worker as usize;
        let most = self.rules.max_bids_per_task as usize;
        let asked = |round: &Round| match (round.passes.contains_key(address), answers) {
            (true, Answers::Forgotten) => false,
            (true, Answers::Kept) | (false, _) => round.knows(address),
        };
        let open: Vec<_> = self
            .calls
            .iter()
            .take(wanted.saturating_mul(LOOKS_PER_OFFER))
            .map(|(_, id)| id)
            .filter(|id| {
                self.tasks.get(id).is_some_and(|task| {
                    !self.bars(task, address)
                        && task.round().is_some_and(|round| {
                            round.until > now
                                && round.waiting.len() + round.bids.len() < most
                                && !asked(round)
                        })
                })
            })
            .take(wanted)
            .collect();
        for id in open {
            self.offer(id, vec![*address], actions);
        }
    }

    fn offer(&mut self, id: TaskId, to: Vec<Address>, actions: &mut Vec<Action>) {
        if to.is_empty() {
            return;
        }
        let Some(task) = self.tasks.get(&id) else {
            return;
        };
        let cap = task.listing.price_cap;
        // A listing without a possible reserve was refused when it was posted.
        let reserve_at_cap = self.rules.reserve_for(&task.listing, cap).unwrap_or(Nano::MAX);
        for address in &to {
            if let Ok(worker) = self.worker_mut(address) {
                worker.rounds.insert(id);
            }
        }
        let Ok(task) = self.task_mut(&id) else {
            return;
        };
        let Some(round) = task.round_mut() else {
            return;
        };
        for address in &to {
            round.passes.remove(address);
            round.waiting.insert(*address);
            round.note("ask", address, 0);
        }
        actions.push(Action::Offer { task: id, to, bids_until: round.until, reserve_at_cap });
    }

    /// Closes every round that is complete or over, in order of posting. One that is complete
    /// waits for those posted before it that are still in their first round (a few seconds at
    /// most): so who gets what does not depend on whose answer came in first.
    pub(super) fn close_rounds(&mut self, now: u64, actions: &mut Vec<Action>) {
        let over = self.rounds.range(..=(now, TaskId(Hash32([u8::MAX; 32]))));
        let mut closing: Vec<_> = over
            .filter_map(|(_, id)| self.tasks.get(id).map(|task| (task.seq, *id)))
            .chain(self.complete.iter().copied())
            .collect();
        closing.sort_unstable();
        closing.dedup();
        let running = |id: &TaskId| {
            self.tasks.get(id).and_then(Task::round).is_some_and(|round| round.until > now)
        };
        let barrier =
            self.young.iter().find(|(_, id)| running(id)).map_or(u64::MAX, |(seq, _)| *seq);
        closing.retain(|(seq, _)| *seq < barrier);
        for (_, id) in closing {
            self.close_round(id, now, actions);
        }
    }

    fn close_round(&mut self, id: TaskId, now: u64, actions: &mut Vec<Action>) {
        let Ok(task) = self.task_mut(&id) else {
            return;
        };
        let cap = task.listing.price_cap;
        let backing = if task.listing.rail.has_contract() {
            Backing::Stake
        } else {
            Backing::Pledge { until: now.saturating_add(way(&task.listing)) }
        };
        let Some(round) = task.round_mut() else {
            return;
        };
        let waiting = std::mem::take(&mut round.waiting);
        let bids: Vec<_> = std::mem::take(&mut round.bids).into_iter().collect();
        for address in waiting.iter().chain(bids.iter().map(|(address, _)| address)) {
            if let Ok(worker) = self.worker_mut(address) {
                worker.rounds.remove(&id);
            }
        }
        let mut bond_missing = None;
        let mut candidates = Vec::with_capacity(bids.len());
        let mut standing = Vec::with_capacity(bids.len());
        for (address, bid) in bids {
            match self.candidate(&id, address, &bid, backing, now) {
                Ok(candidate) => {
                    candidates.push(candidate);
                    standing.push(bid);
                }
                Err((code, reason)) => {
                    if code == BOND_IN_USE {
                        bond_missing = Some(reason.clone());
                    }
                    actions.push(Action::NotifyLost { task: id, worker: address, code, reason });
                }
            }
        }
        let Some((winner, scores)) = choose(&self.rules.tie_seed, &id, &candidates) else {
            match bond_missing {
                Some(reason) => self.say_unmatched(id, reason, actions),
                None => self.explain_unmatched(id, cap, waiting.len(), actions),
            }
            self.begin_round(id, now, actions);
            return;
        };
        for (index, candidate) in candidates.iter().enumerate().filter(|(at, _)| *at != winner) {
            let worker = candidate.worker;
            let won = (&candidates[winner], scores[winner]);
            let reason = outbid((candidate, scores[index]), won);
            actions.push(Action::NotifyLost { task: id, worker, code: "outbid", reason });
        }
        let winner = (candidates[winner].worker, &standing[winner]);
        self.assign(id, winner, backing, now, actions);
    }

    /// Can this bid still win? Earlier matches of the batch may have used its slot or stake.
    fn candidate(
        &self,
        id: &TaskId,
        address: Address,
        bid: &Standing,
        backing: Backing,
        now: u64,
    ) -> Result<Candidate, (&'static str, String)> {
        let Some(worker) = self.workers.get(&address) else {
            return Err(("offline", "the worker is not known".to_owned()));
        };
        if worker.presence == Presence::Offline {
            return Err(("offline", "you disconnected before the round closed".to_owned()));
        }
        // No word of why: who has one copy must not learn which task is another.
        if self.tasks.get(id).is_some_and(|task| self.bars(task, &address)) {
            return Err(("outbid", "the task went to another worker".to_owned()));
        }
        let (in_hand, slots) = (worker.in_hand.len() as u32, bid.slots);
        if in_hand >= u32::from(slots) {
            let reason = format!("all {slots} slots went to tasks matched before this one");
            return Err(("no_slot", reason));
        }
        let reserve = bid.reserve;
        let (free, bond, code) = match backing {
            Backing::Stake => (worker.free_stake(), self.free_bond(), "stake_in_use"),
            Backing::Pledge { until } => {
                (worker.pledge_room(now, until), Nano::MAX, "pledge_in_use")
            }
        };
        if reserve > free {
            let reason = format!(
                "the bid reserves {reserve}; {free} is free after tasks matched before this one"
            );
            return Err((code, reason));
        }
        // Half of what was asked for at bidding is needed still.
        let needed = now.saturating_add(u64::from(self.rules.min_consent_seconds / 2));
        if bid.valid_until < needed {
            let reason = format!(
                "the consent holds until {}, it had to hold until {needed}",
                bid.valid_until
            );
            return Err(("consent_expired", reason));
        }
        if bid.price > bond {
            let reason = format!(
                "the bid is {}; {bond} of the node's bond is free for it: the node takes on more \
                 when tasks end, or its bond grows",
                bid.price
            );
            return Err((BOND_IN_USE, reason));
        }
        Ok(Candidate {
            worker: address,
            price: bid.price,
            standing: worker.standing(),
            reserve,
            reputation_ppm: worker.reputation_ppm(),
            in_hand,
            slots,
            free_stake: free,
        })
    }

    fn explain_unmatched(
        &mut self,
        id: TaskId,
        cap: Nano,
        silent: usize,
        actions: &mut Vec<Action>,
    ) {
        let Ok(task) = self.task_mut(&id) else {
            return;
        };
        let Some(round) = task.round_mut() else {
            return;
        };
        let reason = unmatched(cap, round.passes.values(), silent);
        self.say_unmatched(id, reason, actions);
    }

    fn say_unmatched(&mut self, id: TaskId, reason: String, actions: &mut Vec<Action>) {
        let Ok(task) = self.task_mut(&id) else {
            return;
        };
        let Some(round) = task.round_mut() else {
            return;
        };
        // Said once, until there is something else to say.
        if round.unmatched.as_ref() != Some(&reason) {
            round.unmatched = Some(reason.clone());
            actions.push(Action::Unmatched { task: id, reason });
        }
    }

    fn assign(
        &mut self,
        id: TaskId,
        (address, bid): (Address, &Standing),
        backing: Backing,
        now: u64,
        actions: &mut Vec<Action>,
    ) {
        let Ok(worker) = self.worker_mut(&address) else {
            return;
        };
        match backing {
            Backing::Stake => worker.pending = worker.pending.saturating_add(bid.reserve),
            // Where nothing is asked for, a pledge that is there answers for the result all the same.
            Backing::Pledge { until } => worker.back(id, bid.reserve, now, until),
        }
        worker.in_hand.insert(id);
        let (stake, index) = (worker.stake, worker.assigned);
        let Ok(task) = self.task_mut(&id) else {
            return;
        };
        let Phase::Open { deadline, .. } = task.phase else {
            return;
        };
        let assignment = Assignment {
            task: id,
            escrow: task.escrow,
            worker: address,
            stake,
            price: bid.price,
            reserve: bid.reserve,
            index,
        };
        let assign = Assign {
            task: id,
            escrow: task.escrow,
            worker: address,
            stake,
            price: bid.price,
            reserve: bid.reserve,
            consent: bid.consent,
            valid_until: bid.valid_until,
        };
        let valid_until = bid.valid_until;
        task.enter(Phase::Assigning { deadline, assignment, valid_until });
        actions.push(Action::Assign(Box::new(assign)));
        // At once: the next match of the batch has that much less of the bond.
        self.reindex_task(&id);
    }

    /// Ends the task's round without a match: the task has been given away, or is over.
    pub(super) fn clear_round(&mut self, id: TaskId, actions: &mut Vec<Action>) {
        let Ok(task) = self.task_mut(&id) else {
            return;
        };
        let Some(round) = task.round_mut() else {
            return;
        };
        let waiting = std::mem::take(&mut round.waiting);
        let bids = std::mem::take(&mut round.bids);
        for worker in bids.keys() {
            let reason = "the task was given away or ended while its round was open".to_owned();
            let worker = *worker;
            actions.push(Action::NotifyLost { task: id, worker, code: "task_closed", reason });
        }
        for address in waiting.iter().chain(bids.keys()) {
            if let Ok(worker) = self.worker_mut(address) {
                worker.rounds.remove(&id);
            }
        }
    }
}
