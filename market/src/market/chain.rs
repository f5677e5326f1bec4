//! Facts of the chain, up to the verdict. They may come late, twice, or after a gap.

use fog_protocol::{Address, Hash32, Nano, TaskId};

use super::Market;
use crate::{
    Action, Assignment, Refused, Verdict,
    task::{Dispute, Phase, Round},
    transition::{Step, Trigger, step},
};

/// A reservation the chain shows.
pub(super) struct Reservation {
    pub(super) worker: Address,
    pub(super) price: Nano,
    pub(super) reserve: Nano,
    pub(super) commit_by: u64,
}

impl Market {
    pub(super) fn reserved(
        &mut self,
        id: TaskId,
        fact: &Reservation,
        now: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let task = self.known(&id)?;
        match step(task.status(), Trigger::Reserved) {
            Step::Go(_) => {}
            Step::Stay | Step::Stale => return Ok(()),
            Step::Gap => {
                actions.push(Action::Reconcile { task: id });
                return Ok(());
            }
            Step::Refuse => {
                return Err(Self::wrong_state(task.status(), "reserving", "assigning"));
            }
        }
        if !self.workers.contains_key(&fact.worker) {
            // An assignment of another node with the same wallet, or a database that was put back.
            actions.push(Action::Reconcile { task: id });
            return Ok(());
        }
        let escrow = task.listing.rail.has_contract();
        let matched = task.assignment().is_some_and(|made| made.worker == fact.worker);
        // What the chain shows holds, even if another match was made here meanwhile. On the account rail
        // the match is all there is, and the pledge that stands for it stays.
        if escrow || !matched {
            self.release_match(id);
        }
        self.clear_round(id, actions);
        self.revive(id);
        let worker = self.worker_mut(&fact.worker)?;
        let (stake, index) = (worker.stake, worker.assigned);
        worker.assigned = worker.assigned.saturating_add(1);
        if escrow {
            worker.free_stake = worker.free_stake.saturating_sub(fact.reserve);
        }
        worker.in_hand.insert(id);
        let task = self.task_mut(&id)?;
        let assignment = Assignment {
            task: id,
            escrow: task.escrow,
            worker: fact.worker,
            stake,
            price: fact.price,
            reserve: fact.reserve,
            index,
        };
        let commit_by = fact.commit_by.max(now);
        task.enter(Phase::Running { assignment, commit_by });
        actions.push(Action::NotifyAssigned { task: id, worker: fact.worker, commit_by });
        Ok(())
    }

    /// Gives back what a match took from its worker, if the task is being assigned.
    pub(super) fn release_match(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(&id) else { return };
        let Phase::Assigning { assignment, .. } = &task.phase else { return };
        let (address, reserve) = (assignment.worker, assignment.reserve);
        let escrow = task.listing.rail.has_contract();
        if let Ok(worker) = self.worker_mut(&address) {
            if escrow {
                worker.pending = worker.pending.saturating_sub(reserve);
            }
            worker.unback(&id);
            worker.in_hand.remove(&id);
        }
    }

    pub(super) fn reserve_failed(
        &mut self,
        id: TaskId,
        worker: Address,
        code: u32,
        now: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let task = self.known(&id)?;
        let (Phase::Assigning { assignment, .. }, Step::Go(_)) =
            (&task.phase, step(task.status(), Trigger::ReserveFailed))
        else {
            return Ok(());
        };
        if assignment.worker != worker {
            return Ok(());
        }
        self.task_mut(&id)?.barred.insert(worker);
        let reason = if code == 0 {
            "the reservation did not reach the chain in time".to_owned()
        } else {
            format!("your stake contract refused the reservation with code {code}")
        };
        actions.push(Action::NotifyLost { task: id, worker, code: "reserve_refused", reason });
        actions.push(Action::ReadStake { worker });
        self.reopen(id, now, actions)
    }

    /// Back to taking bids.
    pub(super) fn reopen(
        &mut self,
        id: TaskId,
        now: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        self.release_match(id);
        let task = self.task_mut(&id)?;
        if let Phase::Assigning { deadline, .. } = task.phase {
            task.enter(Phase::Open { deadline, round: Round::default() });
        }
        self.begin_round(id, now, actions);
        Ok(())
    }

    pub(super) fn committed_on_chain(
        &mut self,
        id: TaskId,
        commitment: Hash32,
        verdict_by: u64,
        now: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let task = self.known(&id)?;
        match step(task.status(), Trigger::CommittedOnChain) {
            Step::Go(_) => {
                // Put on chain by the worker itself.
                self.enter_committed(id, commitment, now);
                if let Some(worker) = self.known(&id)?.assignment().map(|a| a.worker) {
                    actions.push(Action::AckCommit { task: id, worker, verdict_by });
                    self.offer_open_tasks(&worker, super::workers::Answers::Kept, now, actions);
                }
            }
            Step::Stay => {}
            Step::Stale => return Ok(()),
            Step::Gap => {
                actions.push(Action::Reconcile { task: id });
                return Ok(());
            }
            Step::Refuse => {
                return Err(Self::wrong_state(task.status(), "committing", "running"));
            }
        }
        let nonce_until = match self.known(&id)?.listing.policy.copies() {
            // Until then it waits for the other copies; half of the time is left for a referee.
            Some(_) => {
                let half = self.known(&id)?.listing.durations.verdict / 2;
                verdict_by.saturating_sub(u64::from(half))
            }
            None => now.saturating_add(u64::from(self.rules.nonce_grace)).min(verdict_by),
        };
        let needs_nonce = self.basis_without_draw(self.known(&id)?).is_none();
        let task = self.task_mut(&id)?;
        if let Phase::Committed { work, .. } = &mut task.phase {
            if work.commitment != commitment {
                // The chain has another one: what was received for the first is void.
                work.commitment = commitment;
                work.seed = None;
            }
            let first = work.verdict_by.is_none();
            work.verdict_by = Some(verdict_by);
            if first && needs_nonce {
                work.nonce_until = Some(nonce_until);
                if work.nonce.is_none() {
                    actions.push(Action::AskNonce { task: id, until: nonce_until });
                }
            }
        }
        task.rearm();
        self.verify_when_ready(id, now, actions);
        Ok(())
    }

    /// A challenge: the result is looked at again, in full.
    pub(super) fn disputed(
        &mut self,
        id: TaskId,
        until: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        // Of an older log nothing is kept that was not kept then.
        let keeps = self.trust.is_some();
        let task = self.task_mut(&id)?;
        match step(task.status(), Trigger::VerdictOnChain) {
            Step::Stay | Step::Go(_) => {}
            Step::Stale => return Ok(()),
            Step::Gap | Step::Refuse => {
                actions.push(Action::Reconcile { task: id });
                return Ok(());
            }
        }
        if task.is_ruled() && !task.is_disputed() {
            // Decided since: a contract that is read late.
            return Ok(());
        }
        // Who hears of the dispute before its verdict learns that time with the verdict.
        if keeps && task.rules_from.is_none() && !task.is_disputed() {
            task.rules_from = task.window_until();
        }
        task.await_end(until, Dispute::Open);
        task.challenged_until = None;
        task.rearm();
        self.look_again(id, actions);
        Ok(())
    }

    pub(super) fn verdict_on_chain(
        &mut self,
        id: TaskId,
        verdict: Verdict,
        window_until: u64,
        now: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let task = self.task_mut(&id)?;
        match step(task.status(), Trigger::VerdictOnChain) {
            Step::Stay | Step::Go(_) => {}
            Step::Stale => return Ok(()),
            Step::Gap => {
                actions.push(Action::Reconcile { task: id });
                return Ok(());
            }
            Step::Refuse => {
                return Err(Self::wrong_state(task.status(), "a verdict", "verifying"));
            }
        }
        if task.is_before_dispute(verdict, window_until, now) {
            return Ok(());
        }
        task.await_end(window_until, Dispute::None);
        let same = match &task.phase {
            Phase::Committed { .. } => verdict == Verdict::Rejected && task.is_undelivered(),
            Phase::Accepted { .. } => verdict == Verdict::Accepted,
            Phase::Rejected { .. } => verdict == Verdict::Rejected,
            Phase::AwaitingFunds { .. }
            | Phase::Open { .. }
            | Phase::Assigning { .. }
            | Phase::Running { .. }
            | Phase::Verifying { .. }
            | Phase::Ended(_) => false,
        };
        task.rearm();
        if !same {
            // A verdict nobody here came to: somebody should look.
            actions.push(Action::Reconcile { task: id });
        }
        if verdict == Verdict::Accepted {
            self.challenge(id, now, actions);
        }
        Ok(())
    }
}
