//! Ends: of tasks, and of time.

use fog_protocol::{Nano, TaskId, TaskStatus};

use super::{Market, workers::Answers};
use crate::{
    Action, Outcome, RefundCause, Refused,
    reputation::{Fact, Speed},
    task::{Delivery, Ended, Phase, Rechecked, Task},
    transition::{Step, Trigger, step},
};

/// Alarms looked at in one tick; the rest waits for the next, which is due at once.
const MOST_ALARMS: usize = 1024;

impl Market {
    pub(super) fn closed(
        &mut self,
        id: TaskId,
        outcome: Outcome,
        now: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let task = self.known(&id)?;
        let status = task.status();
        let outcome = match (outcome, task.commitment()) {
            // Who reads only the chain's last notice cannot tell the two apart.
            (Outcome::Refunded { cause: RefundCause::Unassigned }, Some(_)) => {
                Outcome::Refunded { cause: RefundCause::NoVerdict }
            }
            (Outcome::Paid { .. } | Outcome::Slashed { .. } | Outcome::Refunded { .. }, _) => {
                outcome
            }
        };
        let (trigger, said) = match outcome {
            Outcome::Paid { .. } => (Trigger::ClosedPaid, TaskStatus::Paid),
            Outcome::Slashed { .. } => (Trigger::ClosedSlashed, TaskStatus::Slashed),
            Outcome::Refunded { .. } => (Trigger::ClosedRefunded, TaskStatus::Refunded),
        };
        match step(status, trigger) {
            Step::Go(_) => {}
            Step::Stay | Step::Stale | Step::Gap => return Ok(()),
            Step::Refuse => return Err(Refused::Contradiction { status, said }),
        }
        let speed = speed(task, now);
        let worker = self.detach(id, (outcome, speed), now, actions);
        let (amount, reason) = describe(outcome);
        self.end(id, Some(outcome));
        actions.push(Action::NotifyClosed { task: id, worker, status: said, amount, reason });
        if let Some(worker) = worker {
            actions.push(Action::ReadStake { worker });
            self.release_held(worker, actions);
            self.offer_open_tasks(&worker, Answers::Kept, now, actions);
        }
        Ok(())
    }

    /// Takes the task out of everything it is part of; the worker whose stake was reserved.
    fn detach(
        &mut self,
        id: TaskId,
        (outcome, speed): (Outcome, Speed),
        now: u64,
        actions: &mut Vec<Action>,
    ) -> Option<fog_protocol::Address> {
        self.clear_round(id, actions);
        self.release_match(id);
        let task = self.tasks.get(&id)?;
        let assignment = task.assignment()?.clone();
        let on_chain = task.status() != TaskStatus::Assigning && task.listing.rail.has_contract();
        let worker = self.worker_mut(&assignment.worker).ok()?;
        worker.in_hand.remove(&id);
        worker.audits.remove(&id);
        worker.undrawn.remove(&id);
        worker.unchecked.remove(&id);
        worker.unback(&id);
        let (facts, lost) = facts(outcome, assignment.price, speed);
        facts.iter().flatten().for_each(|fact| worker.record.add(fact));
        if on_chain {
            let back = assignment.reserve.saturating_sub(lost);
            worker.free_stake = worker.free_stake.saturating_add(back);
        }
        if let Outcome::Slashed { .. } = outcome
            && worker.flagged == 0
        {
            // Slashed by a verdict this node did not come to.
            self.flag(assignment.worker, id, now, actions);
        }
        Some(assignment.worker)
    }

    fn end(&mut self, id: TaskId, outcome: Option<Outcome>) {
        let Ok(task) = self.task_mut(&id) else {
            return;
        };
        let again = task.status().is_terminal();
        let assignment = match &task.phase {
            // Matched here, but nothing was reserved when it ended.
            Phase::Assigning { .. } => None,
            Phase::AwaitingFunds { .. }
            | Phase::Open { .. }
            | Phase::Running { .. }
            | Phase::Committed { .. }
            | Phase::Verifying { .. }
            | Phase::Accepted { .. }
            | Phase::Rejected { .. }
            | Phase::Ended(_) => task.assignment().cloned(),
        };
        let commitment = task.commitment();
        // Nothing can be taken back any more: whoever was still looking at it comes too late.
        task.rechecked(Rechecked::TooLate);
        task.enter(Phase::Ended(Ended { assignment, commitment, outcome }));
        if again {
            return;
        }
        let key = task.listing.requestor_key;
        self.live = self.live.saturating_sub(1);
        if let Some(open) = self.live_of.get_mut(&key) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                self.live_of.remove(&key);
            }
        }
        self.ended.push_back(id);
        while self.ended.len() > self.rules.max_closed_tasks as usize {
            let Some(oldest) = self.ended.pop_front() else {
                break;
            };
            self.touched.push(oldest);
            // Its hash leaves the state's with it.
            self.reindex_task(&oldest);
            if let Some(task) = self.tasks.remove(&oldest) {
                super::mix(&mut self.digest, &task.indexed.digest);
            }
        }
    }

    /// Acts on every alarm that is due.
    pub(super) fn tick(&mut self, now: u64, actions: &mut Vec<Action>) {
        let due: Vec<_> = self
            .alarms
            .iter()
            .take_while(|(at, _)| *at <= now)
            .take(MOST_ALARMS)
            .map(|(_, id)| *id)
            .collect();
        for id in due {
            self.alarm(id, now, actions);
        }
    }

    fn alarm(&mut self, id: TaskId, now: u64, actions: &mut Vec<Action>) {
        self.verify_when_ready(id, now, actions);
        if self.miss(id, now, actions) {
            return;
        }
        let again = now.saturating_add(u64::from(self.rules.retry_seconds.max(1)));
        let Ok(task) = self.task_mut(&id) else {
            return;
        };
        if task.deadline().is_none_or(|deadline| now < deadline) {
            task.rearm();
            return;
        }
        task.alarm = Some(again);
        if let Some(until) = task.challenged_until.filter(|until| now < *until) {
            // The challenge is on its way, or there and not heard of yet.
            task.alarm = Some(again.min(until));
            actions.push(Action::Reconcile { task: id });
            return;
        }
        match &task.phase {
            Phase::AwaitingFunds { .. } => {
                self.end(id, None);
                actions.push(Action::Drop { task: id });
            }
            Phase::Assigning { .. } => {
                actions.push(Action::Reconcile { task: id });
                // The consent has run out: whatever did not happen until now will not. If it
                // happened, the chain says so, and that holds.
                if self.reopen(id, now, actions).is_ok()
                    && let Ok(task) = self.task_mut(&id)
                    && task.deadline().is_some_and(|deadline| now >= deadline)
                {
                    task.alarm = Some(again);
                    actions.push(Action::Expire { task: id });
                }
            }
            Phase::Open { .. } | Phase::Running { .. } => {
                actions.push(Action::Expire { task: id });
            }
            Phase::Committed { .. }
            | Phase::Verifying { .. }
            | Phase::Accepted { .. }
            | Phase::Rejected { .. } => {
                let decided = task.window_until().is_some() && !task.is_disputed();
                actions.push(if decided {
                    Action::Finalize { task: id }
                } else {
                    Action::Expire { task: id }
                });
            }
            Phase::Ended(_) => task.alarm = None,
        }
    }

    /// A result that was committed to and does not come. A worker that came or went a moment ago has
    /// a little longer: after a restart of the node all of them have.
    fn miss(&mut self, id: TaskId, now: u64, actions: &mut Vec<Action>) -> bool {
        let grace = u64::from(self.rules.delivery_grace);
        let Some(task) = self.tasks.get(&id) else { return false };
        let (Some(by), Some(assignment)) = (task.deliver_by(), task.assignment()) else {
            return false;
        };
        let since = self.workers.get(&assignment.worker).map_or(0, |worker| worker.since);
        let patience = by.max(since.saturating_add(grace));
        let deadline = task.deadline();
        if now < by || deadline.is_none_or(|deadline| now >= deadline) {
            return false;
        }
        let Ok(task) = self.task_mut(&id) else { return false };
        if now < patience {
            task.alarm = deadline.map(|deadline| deadline.min(patience));
            return true;
        }
        if let Phase::Committed { work, .. } = &mut task.phase {
            work.delivery = Delivery::Missed;
        }
        task.rearm();
        actions.push(Action::Undelivered { task: id });
        true
    }
}

/// How soon the worker had committed, or its proof was paid; a task of which neither was seen counts
/// as slow.
fn speed(task: &Task, now: u64) -> Speed {
    match &task.phase {
        Phase::Committed { work, .. } | Phase::Verifying { work, .. } => work.speed,
        Phase::Accepted { decided, .. } | Phase::Rejected { decided, .. } => decided.speed,
        Phase::Running { commit_by, .. } if task.listing.policy.circuit().is_some() => {
            let allowed = u64::from(task.listing.durations.commit);
            Speed::of(now.saturating_sub(commit_by.saturating_sub(allowed)), allowed)
        }
        Phase::AwaitingFunds { .. }
        | Phase::Open { .. }
        | Phase::Assigning { .. }
        | Phase::Running { .. }
        | Phase::Ended(_) => Speed::Barely,
    }
}

/// The settled facts of an outcome, and what the worker lost.
const fn facts(outcome: Outcome, price: Nano, speed: Speed) -> ([Option<Fact>; 2], Nano) {
    match outcome {
        Outcome::Paid { .. } => ([Some(Fact::Accepted { price, speed }), None], Nano::ZERO),
        Outcome::Slashed { amount } => {
            ([Some(Fact::Rejected { price }), Some(Fact::Cut { amount })], amount)
        }
        Outcome::Refunded { cause: RefundCause::WorkerLate { penalty } } => {
            ([Some(Fact::Late), Some(Fact::Cut { amount: penalty })], penalty)
        }
        Outcome::Refunded { cause: RefundCause::Unassigned | RefundCause::NoVerdict } => {
            ([None, None], Nano::ZERO)
        }
    }
}

fn describe(outcome: Outcome) -> (Nano, String) {
    match outcome {
        Outcome::Paid { worker_amount, fee } => {
            (worker_amount, format!("paid {worker_amount} to the worker, {fee} fee"))
        }
        Outcome::Slashed { amount } => {
            (amount, format!("the result was wrong: {amount} of the worker's stake was cut"))
        }
        Outcome::Refunded { cause: RefundCause::Unassigned } => {
            (Nano::ZERO, "refunded: nobody was assigned".to_owned())
        }
        Outcome::Refunded { cause: RefundCause::WorkerLate { penalty } } => (
            penalty,
            format!("refunded: no commitment in time; the worker lost {penalty} of its reserve"),
        ),
        Outcome::Refunded { cause: RefundCause::NoVerdict } => (
            Nano::ZERO,
            "refunded: no verdict in time; the worker's reserve is released".to_owned(),
        ),
    }
}
