//! Ends: what was accepted is owed, everything else is free again.

use fog_market::{Event, Outcome, RefundCause, Task};
use fog_protocol::{Address, Entry, EntryVerdict, Hash32, Nano, TaskId, TaskStatus};

use super::Actor;
use crate::{
    NodeError,
    store::{RailStep, Step},
};

/// What an accepted task's entries are made of.
struct Done {
    worker: Address,
    price: Nano,
    evidence: Hash32,
}

impl Done {
    fn of(task: &Task) -> Option<Self> {
        let assignment = task.assignment()?;
        let (worker, price) = (assignment.worker, assignment.price);
        Some(Self { worker, price, evidence: task.evidence_hash()? })
    }
}

impl Actor {
    /// The window is over: an accepted task is entered in both lists, and it has ended.
    pub(super) fn finalize_on_account(
        &mut self,
        id: TaskId,
        account: &Address,
    ) -> Result<(), NodeError> {
        let Some(task) = self.market.task(&id) else { return Ok(()) };
        let outcome = match (task.status(), Done::of(task)) {
            (TaskStatus::Accepted, Some(done)) => {
                let Some((earnings, worker_amount)) = self.rail.shares.get(&id).copied() else {
                    let reason = format!("task {id} is accepted, its worker was promised nothing");
                    return Err(NodeError::Log { seq: self.seq, reason });
                };
                self.enter(id, account, &done, done.price)?;
                self.enter(id, &earnings, &done, worker_amount)?;
                self.vouch_for_earnings(&earnings)?;
                let fee = done.price.saturating_sub(worker_amount);
                Outcome::Paid { worker_amount, fee }
            }
            // No stake was reserved: what there is to lose is the price.
            (TaskStatus::Rejected, _) => Outcome::Slashed { amount: Nano::ZERO },
            _ => return Ok(()),
        };
        self.rail.queue.push_back(Event::Closed { task: id, outcome });
        Ok(())
    }

    fn enter(
        &mut self,
        task: TaskId,
        channel: &Address,
        done: &Done,
        amount: Nano,
    ) -> Result<(), NodeError> {
        let Some(known) = self.rail.channels.get_mut(channel) else { return Ok(()) };
        let number = known.ledger.entries().len();
        let entry = Entry {
            task,
            worker: done.worker,
            amount,
            verdict: EntryVerdict::Accepted,
            evidence: done.evidence,
        };
        if let Err(refused) = known.ledger.enter(entry) {
            // Memory is not what the market believes: only a replay sets that right.
            let reason = format!("task {task} cannot be entered at {channel}: {refused}");
            return Err(NodeError::Log { seq: self.seq, reason });
        }
        self.batch.steps.push(Step::Rail(RailStep::Entry(*channel, number, entry)));
        self.rail.changed.insert(*channel);
        Ok(())
    }

    /// A deadline passed: the task ends, and nobody is paid.
    pub(super) fn expire_on_account(&mut self, id: TaskId) {
        let Some(task) = self.market.task(&id) else { return };
        let cause = match task.status() {
            TaskStatus::AwaitingFunds | TaskStatus::Open | TaskStatus::Assigning => {
                RefundCause::Unassigned
            }
            TaskStatus::Running => RefundCause::WorkerLate { penalty: Nano::ZERO },
            TaskStatus::Committed
            | TaskStatus::Verifying
            | TaskStatus::Accepted
            | TaskStatus::Rejected => RefundCause::NoVerdict,
            TaskStatus::Paid | TaskStatus::Slashed | TaskStatus::Refunded | TaskStatus::Dropped => {
                return;
            }
        };
        let outcome = Outcome::Refunded { cause };
        self.rail.queue.push_back(Event::Closed { task: id, outcome });
    }

    /// The task has ended. If it was not paid, another order of its salt may be.
    pub(super) fn end_order(&mut self, id: TaskId, account: Address) {
        let Some(task) = self.market.task(&id) else { return };
        let order = (account, task.listing().salt);
        if task.status() == TaskStatus::Paid {
            let now = self.now();
            self.rail.orders.paid(order, now);
            return;
        }
        self.rail.orders.free(&order);
        self.batch.steps.push(Step::Rail(RailStep::Unpaid(id)));
    }

    /// The task has ended: what is still promised for it is not needed any more.
    pub(super) fn release_promises(&mut self, id: TaskId, account: &Address) {
        let earnings = self.rail.shares.remove(&id).map(|(earnings, _)| earnings);
        for channel in [Some(*account), earnings].into_iter().flatten() {
            if let Some(known) = self.rail.channels.get_mut(&channel) {
                known.ledger.release(&id);
                self.rail.changed.insert(channel);
            }
        }
    }
}
