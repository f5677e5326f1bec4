//! What the database shows of the market: written with every event.

use std::collections::BTreeSet;

use fog_market::{Action, Event, Outcome, Presence, Recheck, Rechecked, RefundCause, Task};
use fog_protocol::{Address, Hash32, Nano, TaskId, TaskStatus};
use fog_verifier::Evidence;

use super::Actor;
use crate::{
    NodeError,
    store::{Committed, HistoryRow, NewTask, Projection, Step, Verdict, WorkerRow, encode},
};

/// What the database shows of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) status: TaskStatus,
    pub(super) worker: Option<Address>,
    pub(super) price: Option<Nano>,
    pub(super) reserve: Option<Nano>,
    pub(super) commitment: Option<Hash32>,
    pub(super) deadline: Option<u64>,
    pub(super) slashed: Option<Nano>,
    recheck: Option<Recheck>,
    escrow: Address,
}

impl Shown {
    pub(super) fn of(task: &Task) -> Self {
        let assignment = task.assignment();
        Self {
            status: task.status(),
            worker: assignment.map(|assignment| assignment.worker),
            price: assignment.map(|assignment| assignment.price),
            reserve: assignment.map(|assignment| assignment.reserve),
            commitment: task.commitment(),
            deadline: task.deadline(),
            slashed: task.slashed(),
            recheck: task.recheck(),
            escrow: task.escrow(),
        }
    }
}

impl Actor {
    /// Writes what an event changed: of its own task, of the tasks its actions name, and of all
    /// that the market says it touched.
    pub(super) fn project(&mut self, event: &Event, actions: &[Action]) -> Result<(), NodeError> {
        match event {
            Event::Judged { evidence } => {
                let trusted = self.market.trust_of(&evidence.worker);
                let trust_ppm = trusted.map(|trusted| trusted.factor_ppm);
                self.batch.steps.push(Step::Verdict(Verdict { trust_ppm, ..verdict(evidence)? }));
            }
            Event::Ruled { evidence } => {
                self.batch.steps.push(Step::Ruling(verdict(evidence)?));
            }
            _ => {}
        }
        let mut tasks: BTreeSet<TaskId> = actions.iter().filter_map(Action::task).collect();
        match event {
            Event::Posted { listing, .. } => drop(tasks.insert(listing.value.id())),
            Event::Opened { task, .. }
            | Event::Passed { task, .. }
            | Event::Reserved { task, .. }
            | Event::ReserveFailed { task, .. }
            | Event::NonceOpened { task, .. }
            | Event::Submitted { task, .. }
            | Event::Delivered { task, .. }
            | Event::Closed { task, .. } => drop(tasks.insert(*task)),
            Event::CommittedOnChain { task, .. } => {
                self.heard_commits.insert(*task);
                tasks.insert(*task);
            }
            Event::VerdictOnChain { task, .. } | Event::Disputed { task, .. } => {
                tasks.insert(*task);
            }
            Event::Bid { bid } => drop(tasks.insert(bid.value.task)),
            Event::Committed { commit } => drop(tasks.insert(commit.value.task)),
            Event::WorkerJoined { .. }
            | Event::WorkerLeft { .. }
            | Event::StakeRead { .. }
            | Event::BondRead { .. }
            | Event::CloseRounds
            | Event::Grouped { .. }
            | Event::Tick
            | Event::Pledged { .. }
            | Event::PledgeEnding { .. }
            | Event::PledgeClosed { .. }
            | Event::RulesSet { .. }
            | Event::TrustSet { .. } => {}
            Event::Judged { evidence } | Event::Ruled { evidence } => {
                tasks.insert(evidence.task);
            }
        }
        tasks.extend(self.market.changed());
        for task in tasks {
            self.project_task(task, event)?;
        }
        Ok(())
    }

    fn project_task(&mut self, id: TaskId, event: &Event) -> Result<(), NodeError> {
        let Some(task) = self.market.task(&id) else {
            self.forget(&id);
            return Ok(());
        };
        let now = Shown::of(task);
        let before = self.shown.get(&id);
        if before == Some(&now) {
            return Ok(());
        }
        let at = self.market.clock();
        let new = match (before, event) {
            (None, Event::Posted { .. }) => Some(new_task(task)?),
            _ => None,
        };
        let from = before.map_or(now.status, |before| before.status);
        let reached = before.is_none_or(|before| before.status != now.status);
        let committed = now.commitment.filter(|_| before.is_none_or(|b| b.commitment.is_none()));
        if new.is_some() {
            self.escrows.insert(task.escrow(), id);
        }
        let row = projection(id, new, from, &now, at);
        let note = note(task, event);
        let looked = now.recheck.filter(|recheck| before.and_then(|b| b.recheck) != Some(*recheck));
        self.batch.steps.push(Step::Project(row));
        if let (Some(recheck), Some(worker)) = (looked, now.worker) {
            self.batch.steps.push(Step::Recheck(id, recheck));
            let note = note_recheck(&recheck, &worker);
            tracing::warn!(task = %id, %note, "a caught worker's earlier result");
            let row = HistoryRow { task: id, status: now.status, at, note };
            self.batch.steps.push(Step::History(row));
        }
        if let (Some(commitment), Some(worker)) = (committed, now.worker) {
            let signed = match event {
                Event::Committed { commit } => encode(commit.as_ref())?,
                _ => Vec::new(),
            };
            let epoch = self.epoch_of(id);
            self.epochs.entry(id).or_insert(epoch);
            let row = Committed { task: id, worker, commitment, signed, epoch };
            self.batch.steps.push(Step::Commitment(row));
        }
        if reached {
            let row = HistoryRow { task: id, status: now.status, at, note };
            self.batch.steps.push(Step::History(row));
            self.unmatched.remove(&id);
        }
        self.changed.insert(id);
        self.shown.insert(id, now);
        Ok(())
    }

    /// The market remembers a bounded number of ended tasks; what it forgot is forgotten here too.
    fn forget(&mut self, id: &TaskId) {
        if let Some(shown) = self.shown.remove(id) {
            self.escrows.remove(&shown.escrow);
        }
        self.received.remove(id);
        self.given_up.remove(id);
        self.rules_from.remove(id);
        self.epochs.remove(id);
        self.heard_commits.remove(id);
        self.unmatched.remove(id);
        self.noted.remove(id);
    }

    /// Writes the workers that changed since the last batch.
    pub(super) fn project_workers(&mut self) {
        for worker in self.market.workers() {
            let record = worker.record();
            let row = WorkerRow {
                worker: worker.address(),
                stake: worker.stake(),
                online: worker.presence() == Presence::Online,
                free_stake: worker.free_stake(),
                reputation_ppm: worker.reputation_ppm(),
                counts: [worker.assigned(), record.accepted(), record.rejected(), record.late()],
                flagged: worker.is_flagged(),
            };
            if self.shown_workers.get(&row.worker) != Some(&row) {
                self.shown_workers.insert(row.worker, row.clone());
                self.batch.workers.push(row);
            }
        }
    }
}

fn projection(
    task: TaskId,
    new: Option<NewTask>,
    from: TaskStatus,
    now: &Shown,
    at: u64,
) -> Projection {
    Projection {
        task,
        new,
        from,
        to: now.status,
        worker: now.worker,
        price: now.price,
        reserve: now.reserve,
        commitment: now.commitment,
        deadline: now.deadline,
        slashed: now.slashed,
        at,
    }
}

fn new_task(task: &Task) -> Result<NewTask, NodeError> {
    let listing = task.listing();
    let mut blobs: Vec<Hash32> = listing.program.blobs().iter().map(|blob| blob.hash).collect();
    blobs.push(listing.input.hash);
    blobs.extend(listing.policy.file().map(|file| file.hash));
    Ok(NewTask {
        listing: encode(listing)?,
        requestor_key: listing.requestor_key,
        escrow: task.escrow(),
        blobs,
        epoch: listing.named_epoch().map(|epoch| epoch.number),
    })
}

fn verdict(evidence: &Evidence) -> Result<Verdict, NodeError> {
    use fog_protocol::Tagged as _;
    Ok(Verdict {
        task: evidence.task,
        verdict: if evidence.accepts() { "accepted" } else { "rejected" },
        evidence_hash: evidence.digest(),
        evidence: encode(evidence)?,
        audited: evidence.basis.is_audit(),
        reason: evidence.reason(),
        result_hash: evidence.output_hash,
        result_bytes: evidence.output_bytes,
        exit: encode(&evidence.exit)?,
        rate_ppm: evidence.rate_ppm,
        trust_ppm: None,
    })
}

/// A line for people: what its worker's being caught meant for a task.
fn note_recheck(recheck: &Recheck, worker: &Address) -> String {
    let caught = recheck.caught;
    match recheck.found {
        Rechecked::Due => {
            format!("worker {worker} was caught with task {caught}: this result is run again")
        }
        Rechecked::Right => {
            format!("re-verified after worker {worker} was caught: the result is right")
        }
        Rechecked::Wrong { .. } => format!(
            "re-verified after worker {worker} was caught: the result is wrong, its acceptance is \
             challenged on chain if its window still runs"
        ),
        Rechecked::TooLate => format!(
            "worker {worker} was caught with task {caught}, but this one had ended, or its window was \
             over, before it was looked at: nothing was reversed by that"
        ),
    }
}

/// A line for people: how the task came to its status.
fn note(task: &Task, event: &Event) -> String {
    if let Some(note) = super::rail::note(task) {
        return note;
    }
    match (task.status(), event) {
        (TaskStatus::AwaitingFunds, _) => "posted; waiting for its escrow to be funded".to_owned(),
        (TaskStatus::Open, Event::ReserveFailed { code, .. }) => format!(
            "the stake was not reserved: {}",
            fog_contracts::explain_exit(code.cast_signed())
        ),
        (TaskStatus::Open, Event::Tick) => "the assignment ran out of time".to_owned(),
        (TaskStatus::Open, _) => "funded on chain; bids are taken".to_owned(),
        (TaskStatus::Assigning, _) => task.assignment().map_or_else(
            || "matched".to_owned(),
            |found| {
                format!("matched with {} at {}; reserving its stake", found.worker, found.price)
            },
        ),
        (TaskStatus::Running, _) => "the stake is reserved; the worker has the work".to_owned(),
        (TaskStatus::Committed, _) => "the worker committed to a result".to_owned(),
        (TaskStatus::Verifying, _) => task.basis().map_or_else(
            || "being verified".to_owned(),
            |basis| format!("the result is here; {}", basis.reason()),
        ),
        (TaskStatus::Accepted, Event::Judged { evidence }) => evidence.reason(),
        (TaskStatus::Rejected, Event::Judged { evidence }) => evidence.reason(),
        (TaskStatus::Accepted, _) => "verified".to_owned(),
        (TaskStatus::Rejected, _) => "found wrong".to_owned(),
        (TaskStatus::Dropped, _) => "it was not funded in time".to_owned(),
        (TaskStatus::Paid, _) => match task.outcome() {
            Some(Outcome::Paid { worker_amount, fee }) => {
                format!("paid on chain: {worker_amount} to the worker, {fee} fee")
            }
            _ => "paid on chain".to_owned(),
        },
        (TaskStatus::Slashed, _) => task.slashed().map_or_else(
            || "slashed on chain".to_owned(),
            |amount| format!("{amount} of the worker's stake slashed on chain"),
        ),
        (TaskStatus::Refunded, _) => match task.outcome() {
            Some(Outcome::Refunded { cause: RefundCause::WorkerLate { penalty } }) => {
                format!("refunded: the worker was late and lost {penalty}")
            }
            Some(Outcome::Refunded { cause: RefundCause::NoVerdict }) => {
                "refunded: no verdict in time; the worker's stake is released, and the node's bond \
                 paid it"
                    .to_owned()
            }
            _ => "refunded: nobody was assigned".to_owned(),
        },
    }
}
