//! From an assignment to its end.

use std::{sync::Arc, time::Duration};

use fog_contracts::jetton_task::JettonTask;
use fog_protocol::{
    Address, Commit, GiveUpCause, GivenUp, JettonAmount, Listing, Nano, Policy, TaskId, TaskStatus,
    gateway::WorkerFrame,
};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::{ACK_PATIENCE, Agent, LATE_PATIENCE};
use crate::{
    event::WorkerEvent,
    journal::{Contradiction, Ending, Entry, JournalError, Outcome, Phase, Record},
    work::{Assignment, Failure, Reason, Remedy, Report},
};

/// How often a task is tried after a failure of this machine.
const ATTEMPTS: u32 = 3;
/// Pause before another attempt.
const ATTEMPT_PAUSE: Duration = Duration::from_secs(2);
/// Seconds past its deadline until a task that was never closed is let go.
const LET_GO_SECONDS: u64 = 24 * 3600;
const LONGEST_REASON: usize = 300;
/// Tasks that were given up and not closed yet, of which the node is told again.
const GIVEN_UP_MOST: usize = 64;
/// How long the work of a lost result is tried to be had again.
const REDO_PATIENCE: Duration = Duration::from_secs(600);

/// Who decides a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judge {
    Verifiers,
    /// Its contract, by the proof.
    Contract,
}

impl Judge {
    const fn of(policy: &Policy) -> Self {
        if policy.circuit().is_some() { Self::Contract } else { Self::Verifiers }
    }
}

impl Agent {
    pub(super) async fn on_assigned(
        &mut self,
        task: TaskId,
        listing: Listing,
        escrow: Address,
        commit_by: u64,
    ) {
        if let Err(reason) = self.check_assigned(task, &listing, escrow) {
            return self.tell(WorkerEvent::Refused { task: Some(task), reason });
        }
        let known = self.store().read(|state| {
            state.get(&task).is_some_and(|entry| !matches!(entry.phase, Phase::Bid { .. }))
        });
        if known {
            // The node has not seen the commitment, or has lost it.
            self.state.commit_sent.remove(&task);
            return self.send_commitments().await;
        }
        let record = Record::Assigned { listing: Box::new(listing), escrow, commit_by };
        if let Err(error) = self.store().append(record).await {
            // Without the record the work is not begun; the node asks again on reconnecting.
            self.tell(WorkerEvent::Retrying { task, reason: error.to_string() });
            return self.on_disk_trouble(&error);
        }
        self.state.assigned_at.insert(task, Instant::now());
        self.state.queue.push_back(task);
        self.tell(WorkerEvent::Assigned { task, commit_by });
    }

    fn check_assigned(
        &self,
        task: TaskId,
        listing: &Listing,
        escrow: Address,
    ) -> Result<(), String> {
        if listing.id() != task {
            return Err("the assignment's listing is another task's".into());
        }
        self.check_listing(listing)?;
        // Before the market's configuration is read there is nothing to compare with; the escrow
        // is then looked up before the work begins.
        if let Ok(computed) = self.context.chain.escrow(listing)
            && computed != escrow
        {
            return Err(format!(
                "the escrow of this listing is {computed}, the node says {escrow}"
            ));
        }
        self.store().read(|state| match state.get(&task) {
            Some(entry) if entry.escrow != escrow => {
                Err("the assignment names another escrow than the bid".to_owned())
            }
            Some(_) | None => Ok(()),
        })
    }

    /// Starts what is queued, in order, as slots allow.
    pub(super) fn start_work(&mut self) {
        if !self.context.conduct.commits() {
            return;
        }
        let parallel = usize::from(self.governor.limits.parallel);
        let mut waiting = self.state.queue.len();
        while self.state.running.len() < parallel && waiting > 0 {
            waiting -= 1;
            let Some(task) = self.state.queue.pop_front() else { break };
            if self.state.not_before.get(&task).is_some_and(|at| *at > Instant::now()) {
                self.state.queue.push_back(task);
                continue;
            }
            let Some(assignment) = self.assignment(&task) else { continue };
            let work = Arc::clone(&self.context).perform(assignment);
            let handle = AbortOnDropHandle::new(tokio::spawn(work));
            self.state.running.insert(task, handle);
        }
        let count = u16::try_from(self.state.running.len()).unwrap_or(u16::MAX);
        self.running_count.send_if_modified(|known| std::mem::replace(known, count) != count);
    }

    fn assignment(&self, task: &TaskId) -> Option<Assignment> {
        let now = self.chain_time();
        self.store().read(|state| {
            let entry = state.get(task)?;
            let escrow = entry.escrow;
            match &entry.phase {
                Phase::Assigned { listing, commit_by } => {
                    let left = now.map_or(u64::from(listing.durations.commit), |now| {
                        commit_by.saturating_sub(now)
                    });
                    let due = Instant::now() + Duration::from_secs(left.min(90 * 24 * 3600));
                    let reason = Reason::Assigned;
                    Some(Assignment { listing: listing.clone(), escrow, due, reason })
                }
                Phase::Executed { listing, .. } | Phase::Committed { listing, .. } => {
                    let due = Instant::now() + REDO_PATIENCE;
                    let reason = Reason::ResultLost;
                    Some(Assignment { listing: listing.clone(), escrow, due, reason })
                }
                Phase::Bid { .. } | Phase::Submitted { .. } => None,
            }
        })
    }

    pub(super) async fn on_report(&mut self, report: Report) {
        if report.task().is_some_and(|task| self.store().read(|state| state.get(&task).is_none())) {
            // It was closed while the report was on its way.
            return;
        }
        match report {
            Report::Done { task, outcome, took } => {
                self.state.running.remove(&task);
                self.state.breaker.succeeded();
                self.tell(WorkerEvent::Executed {
                    task,
                    exit: outcome.exit,
                    fuel_used: outcome.fuel_used,
                    output_bytes: outcome.output_bytes,
                    millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                });
                self.state.unsaved.insert(task, outcome);
                self.save_results().await;
                self.send_commitments().await;
            }
            Report::Failed { task, failure } => {
                self.state.running.remove(&task);
                self.on_failure(task, failure).await;
            }
            Report::Submitted { task } => {
                self.state.uploading.remove(&task);
                match self.store().append(Record::Submitted { task }).await {
                    Ok(()) => self.tell(WorkerEvent::Submitted { task }),
                    // The node takes the same result again after a restart.
                    Err(error) => self.on_disk_trouble(&error),
                }
            }
            Report::ResultLost { task } => {
                self.state.uploading.remove(&task);
                let reason = "the result is gone from the disk: doing the work again".into();
                self.tell(WorkerEvent::Retrying { task, reason });
                self.state.queue.push_back(task);
            }
            Report::Event(event) => self.tell(event),
            Report::RailOffer { offer, at } => self.on_rail_offer(*offer, at).await,
            Report::Pledges { seen } => self.on_pledges(&seen),
            Report::Vouchers { shown } => self.on_vouchers(shown),
        }
    }

    /// Journals results whose output is on disk. Only what the journal holds is committed to.
    pub(super) async fn save_results(&mut self) {
        let unsaved: Vec<_> = self.state.unsaved.iter().map(|(id, o)| (*id, *o)).collect();
        for (task, outcome) in unsaved {
            match self.store().append(Record::Executed { task, outcome }).await {
                Ok(()) => {
                    self.state.unsaved.remove(&task);
                    self.upload_committed();
                }
                Err(JournalError::Contradiction(error)) => {
                    self.state.unsaved.remove(&task);
                    let (cause, reason) = match error {
                        Contradiction::SecondCommitment { .. } => {
                            let reason = format!(
                                "{error}: the program gave another result this time; its result \
                                 is withheld, please report it"
                            );
                            (GiveUpCause::OtherResult, reason)
                        }
                        Contradiction::Order { .. }
                        | Contradiction::OtherPins
                        | Contradiction::Full => (GiveUpCause::Host, error.to_string()),
                    };
                    let told = GivenUp::new(cause, "");
                    self.abandon(task, told, reason).await;
                }
                Err(error) => {
                    // It stays here and is tried again: better late than uncommitted.
                    self.tell(WorkerEvent::Retrying { task, reason: error.to_string() });
                    return self.on_disk_trouble(&error);
                }
            }
        }
    }

    /// Sends every commitment the node has not acknowledged, the same bytes each time.
    pub(super) async fn send_commitments(&mut self) {
        if self.state.connected.is_none() {
            return;
        }
        let due = self.store().read(|state| {
            let commitment = |(task, entry): (&TaskId, &Entry)| match &entry.phase {
                Phase::Executed { outcome, commit_by, listing } => {
                    let judge = Judge::of(&listing.policy);
                    Some((*task, entry.escrow, *outcome, *commit_by, judge))
                }
                Phase::Bid { .. }
                | Phase::Assigned { .. }
                | Phase::Committed { .. }
                | Phase::Submitted { .. } => None,
            };
            state.open().filter_map(commitment).collect::<Vec<_>>()
        });
        let now = self.chain_time();
        for (task, escrow, outcome, commit_by, judge) in due {
            let sent = self.state.commit_sent.get(&task);
            let late = now.is_some_and(|now| now > commit_by);
            let patience = if late { LATE_PATIENCE } else { ACK_PATIENCE };
            if sent.is_some_and(|at| at.elapsed() < patience) {
                continue;
            }
            let frame = match judge {
                Judge::Verifiers => self.commit(task, escrow, &outcome),
                // The proof is the commitment and the result in one.
                Judge::Contract => match self.context.proof_frame(task, outcome).await {
                    Some(frame) => Ok(frame),
                    None => continue,
                },
            };
            match frame {
                Ok(frame) => {
                    self.send(frame);
                    self.state.commit_sent.insert(task, Instant::now());
                }
                Err(reason) => tracing::warn!(?task, "cannot commit yet: {reason}"),
            }
        }
    }

    fn commit(
        &self,
        task: TaskId,
        escrow: Address,
        outcome: &Outcome,
    ) -> Result<WorkerFrame, String> {
        let identity = &self.context.identity;
        let commitment = outcome.commitment;
        let message =
            self.context.chain.commit(escrow, &commitment).map_err(|error| error.to_string())?;
        let chain_signature = identity.sign_hash(&message);
        let commit = Commit { task, worker: identity.worker, commitment, chain_signature };
        Ok(WorkerFrame::Commit { commit: identity.sign(commit) })
    }

    pub(super) async fn on_committed(&mut self, task: TaskId, verdict_by: u64) {
        self.state.commit_sent.remove(&task);
        match self.store().append(Record::Committed { task, verdict_by }).await {
            Ok(()) => {
                let phase = self.store().read(|state| state.get(&task).map(|e| e.phase.clone()));
                if let Some(Phase::Committed { outcome, .. }) = phase
                    && !self.state.uploading.contains_key(&task)
                {
                    let commitment = outcome.commitment;
                    self.tell(WorkerEvent::Committed { task, commitment });
                }
                self.upload_committed();
            }
            Err(JournalError::Contradiction(error)) => {
                let reason = format!("the node acknowledges what was not committed: {error}");
                self.tell(WorkerEvent::Refused { task: Some(task), reason });
            }
            Err(error) => self.on_disk_trouble(&error),
        }
    }

    /// Starts handing in what is committed to.
    pub(super) fn upload_committed(&mut self) {
        if !self.context.conduct.reveals() {
            return;
        }
        let committed = self.store().read(|state| {
            let committed = |(task, entry): (&TaskId, &Entry)| match &entry.phase {
                Phase::Committed { outcome, .. } => Some((*task, *outcome)),
                Phase::Bid { .. }
                | Phase::Assigned { .. }
                | Phase::Executed { .. }
                | Phase::Submitted { .. } => None,
            };
            state.open().filter_map(committed).collect::<Vec<_>>()
        });
        for (task, outcome) in committed {
            let busy = self.state.uploading.contains_key(&task)
                || self.state.running.contains_key(&task)
                || self.state.queue.contains(&task);
            if busy {
                continue;
            }
            let work = Arc::clone(&self.context).submit(task, outcome);
            let handle = AbortOnDropHandle::new(tokio::spawn(work));
            self.state.uploading.insert(task, handle);
        }
    }

    pub(super) async fn on_closed(
        &mut self,
        task: TaskId,
        status: TaskStatus,
        amount: Nano,
        reason: String,
    ) {
        self.state.given_up.remove(&task);
        let bid = self
            .store()
            .read(|state| state.get(&task).map(|e| matches!(e.phase, Phase::Bid { .. })));
        match (bid, status) {
            // Unknown, or a bid that may still win.
            (None, _) | (Some(true), TaskStatus::AwaitingFunds | TaskStatus::Open) => return,
            (Some(true), _) => return self.on_lost(task, reason).await,
            (Some(false), status) if !status.is_terminal() => {
                // The chain decides whose it is, not this node's memory; deadlines end it.
                let reason = format!("the node says the task is {status} and {reason}");
                return self.tell(WorkerEvent::Refused { task: Some(task), reason });
            }
            (Some(false), _) => {}
        }
        let in_jetton = self.pay_in_jetton(&task).filter(|_| status == TaskStatus::Paid);
        self.drop_work(&task);
        if status == TaskStatus::Paid {
            self.expect_voucher(&task);
        } else {
            self.drop_claim(&task);
        }
        let (ending, amount) = match in_jetton {
            Some(paid) => (Ending::InJetton(paid), Nano::ZERO),
            None => (Ending::Final { status, amount }, amount),
        };
        if let Err(error) = self.store().close(task, ending).await {
            return self.on_disk_trouble(&error);
        }
        self.tell(WorkerEvent::Closed { task, status, amount, in_jetton, reason });
    }

    /// What this worker is due for `task` where that is paid in a jetton: its contract's own sum.
    fn pay_in_jetton(&self, task: &TaskId) -> Option<JettonAmount> {
        let (listing, price) = self.store().read(|state| {
            let entry = state.get(task)?;
            Some((Arc::clone(entry.phase.listing()?), entry.price))
        })?;
        let terms = JettonTask::of(&listing).ok()??;
        let fee_bps = self.context.chain.fee_bps().unwrap_or(0);
        let units = terms.shares(price, fee_bps, 0).worker;
        Some(JettonAmount { master: terms.jetton.master, units })
    }

    fn drop_work(&mut self, task: &TaskId) {
        // Dropping the handles stops the work.
        self.state.running.remove(task);
        self.state.uploading.remove(task);
        self.state.unsaved.remove(task);
        self.state.attempts.remove(task);
        self.state.not_before.remove(task);
        self.state.commit_sent.remove(task);
        self.state.assigned_at.remove(task);
        self.state.queue.retain(|queued| queued != task);
    }

    async fn on_failure(&mut self, task: TaskId, failure: Failure) {
        let reason = failure.reason();
        let again = match failure.remedy() {
            Remedy::Again => {
                self.own_failure();
                let attempts = self.state.attempts.entry(task).or_default();
                *attempts += 1;
                *attempts < ATTEMPTS
            }
            Remedy::OtherHost => {
                self.own_failure();
                false
            }
            Remedy::None => false,
        };
        if let Failure::NotOurs(reason) = &failure {
            self.tell(WorkerEvent::Refused { task: Some(task), reason: reason.clone() });
        }
        if again {
            self.state.not_before.insert(task, Instant::now() + ATTEMPT_PAUSE);
            self.state.queue.push_back(task);
            self.tell(WorkerEvent::Retrying { task, reason });
        } else {
            self.abandon(task, failure.given_up(), reason).await;
        }
    }

    fn own_failure(&mut self) {
        let now = self.state.started.elapsed().as_secs();
        let limit = self.governor.limits.max_failures;
        if let Some(stop) = self.state.breaker.failed(now, limit) {
            tracing::error!("{limit} executions in a row failed here: no bids for {stop} s");
        }
    }

    /// Gives `task` up: the journal keeps the `reason`, the node is told what the requestor may know.
    async fn abandon(&mut self, task: TaskId, told: GivenUp, reason: String) {
        self.drop_work(&task);
        self.say_given_up(task, told);
        self.drop_claim(&task);
        let kept: String = reason.chars().take(LONGEST_REASON).collect();
        if let Err(error) = self.store().close(task, Ending::Abandoned { reason: kept }).await {
            self.on_disk_trouble(&error);
        }
        self.tell(WorkerEvent::Abandoned { task, reason });
    }

    fn say_given_up(&mut self, task: TaskId, given_up: GivenUp) {
        self.send(WorkerFrame::GiveUp { task, given_up: given_up.clone() });
        self.state.given_up.insert(task, given_up);
        while self.state.given_up.len() > GIVEN_UP_MOST {
            self.state.given_up.pop_first();
        }
    }

    /// Says again what the node may not have heard.
    pub(super) fn send_given_up(&self) {
        for (task, given_up) in &self.state.given_up {
            self.send(WorkerFrame::GiveUp { task: *task, given_up: given_up.clone() });
        }
    }

    /// Work whose commitment can no longer be on chain in time, and tasks nobody closed.
    pub(super) async fn give_up_late(&mut self) {
        let Some(now) = self.chain_time() else { return };
        let late = self.store().read(|state| {
            let late = |entry: &Entry| match &entry.phase {
                Phase::Bid { .. } | Phase::Submitted { .. } => None,
                Phase::Assigned { commit_by, .. } if *commit_by < now => {
                    Some("the deadline of its commitment is over")
                }
                Phase::Executed { commit_by, .. }
                    if commit_by.saturating_add(LET_GO_SECONDS) < now =>
                {
                    Some("its commitment was never acknowledged")
                }
                Phase::Committed { verdict_by, .. }
                    if verdict_by.saturating_add(LET_GO_SECONDS) < now =>
                {
                    Some("its result was never taken")
                }
                Phase::Assigned { .. } | Phase::Executed { .. } | Phase::Committed { .. } => None,
            };
            let late = state.open().filter_map(|(task, entry)| Some((*task, late(entry)?)));
            late.collect::<Vec<_>>()
        });
        for (task, reason) in late {
            let told = GivenUp::new(GiveUpCause::Late, reason);
            self.abandon(task, told, reason.to_owned()).await;
        }
    }
}
