//! Actions of the market: what goes into the batch, and what is released after it is stored.

use fog_jury::PledgeCase;
use fog_market::{Action, Assign, Settlement, Verdict};
use fog_protocol::{
    Address, Hash32, TaskId, TaskStatus, api::Refusal, gateway::ServerFrame, tagged_hash,
};
use fog_verifier::AuditBasis;

use super::{
    Actor,
    verify::{Asked, Lane, VerifyJob},
};
use crate::{
    NodeError,
    epoch::Begun,
    follow::Reading,
    store::{
        Ballot, End, HistoryRow, Intent, IntentEnd, IntentKind, Judged, NewIntent, Ruling, Step,
        encode,
    },
};

/// Notes of rounds without a match that are kept of one task.
const MAX_UNMATCHED_CHARS: usize = 400;

/// Done only after the batch is stored.
pub(super) enum Release {
    /// Answers a command.
    Reply(Box<dyn FnOnce() + Send>),
    /// A frame to a worker.
    Frame(Address, ServerFrame),
    /// A verification.
    Verify(Box<VerifyJob>),
    /// Verification of this task is not wanted any more.
    StopVerifying(TaskId),
    /// A pledge's verdict is to be signed.
    SignPledge(Box<PledgeCase>),
    /// Reads something on chain.
    Read(Reading),
    /// There are new intents.
    Settle,
    /// An epoch has begun.
    Epoch(Box<Begun>),
}

impl Actor {
    /// Releases one thing.
    pub(super) fn release(&mut self, release: Release) {
        match release {
            Release::Reply(reply) => reply(),
            Release::Frame(worker, frame) => {
                // A worker that is gone asks again with `resume`.
                self.shared.registry.send(&worker, frame);
            }
            Release::Verify(job) => self.verifications.begin(*job),
            Release::StopVerifying(task) => self.verifications.end(&task),
            Release::SignPledge(case) => self.sign_pledge(*case),
            Release::Read(reading) => self.reconciler.ask(reading),
            Release::Settle => self.shared.settle.notify_one(),
            Release::Epoch(epoch) => self.shared.set_epoch(*epoch),
        }
    }

    /// Takes an action of the market.
    pub(super) fn perform(&mut self, action: Action) -> Result<(), NodeError> {
        let Some(action) = self.divert(action)? else { return Ok(()) };
        match action {
            Action::Offer { task, to, bids_until, reserve_at_cap } => {
                let Some(known) = self.market.task(&task) else { return Ok(()) };
                let frame = ServerFrame::Offer {
                    listing: Box::new(known.listing().clone()),
                    escrow: known.escrow(),
                    reserve_at_cap,
                    bids_until,
                    earnings: None,
                    pledge: None,
                };
                let frames = to.into_iter().map(|worker| Release::Frame(worker, frame.clone()));
                self.releases.extend(frames);
            }
            Action::Assign(assign) => self.intend_assign(&assign)?,
            Action::NotifyAssigned { task, worker, commit_by } => {
                let Some(known) = self.market.task(&task) else { return Ok(()) };
                let frame = ServerFrame::Assigned {
                    task,
                    listing: Box::new(known.listing().clone()),
                    escrow: known.escrow(),
                    commit_by,
                };
                self.releases.push(Release::Frame(worker, frame));
            }
            Action::NotifyLost { task, worker, code, reason } => {
                let code = code.to_owned();
                let refusal = Refusal { worker, code: code.clone(), reason: reason.clone() };
                self.batch.steps.push(Step::Refusal(task, refusal));
                let frame = ServerFrame::Lost { task, code, reason };
                self.releases.push(Release::Frame(worker, frame));
                self.changed.insert(task);
            }
            Action::Unmatched { task, reason } => self.note_unmatched(task, reason),
            Action::RelayCommit { commit } => self.intend_commit(*commit)?,
            Action::AckCommit { task, worker, verdict_by } => {
                let frame = ServerFrame::Committed { task, verdict_by };
                self.releases.push(Release::Frame(worker, frame));
            }
            // The requestor sees the commitment in the task's view.
            Action::AskNonce { task, .. } => {
                self.changed.insert(task);
            }
            Action::Verify { task, basis, rate_ppm } => {
                self.verify(task, Asked::Result { basis, rate_ppm });
            }
            Action::Settle(settlement) => self.intend_verdict(&settlement)?,
            Action::Rule(settlement) => self.intend_ruling(&settlement)?,
            Action::Challenge { task, evidence } => {
                if let Some(known) = self.market.task(&task) {
                    let escrow = known.escrow();
                    self.intend(task, &Intent::Challenge { escrow, evidence }, None)?;
                }
            }
            Action::Undelivered { task } => self.verify(task, Asked::Undelivered),
            Action::Finalize { task } => self.intend_finalize(task)?,
            Action::Expire { task } => {
                if let Some(known) = self.market.task(&task) {
                    let escrow = known.escrow();
                    self.intend(task, &Intent::Expire { escrow }, None)?;
                }
            }
            Action::Reconcile { task } => self.read_task(task, None),
            Action::ReadStake { worker } => self.read_stake(worker),
            Action::NotifyClosed { task, worker, status, amount, reason } => {
                if let Some(worker) = worker {
                    let frame = ServerFrame::Closed { task, status, amount, reason };
                    self.releases.push(Release::Frame(worker, frame));
                    self.read_stake(worker);
                }
                self.releases.push(Release::StopVerifying(task));
                self.batch.steps.push(Step::VoidIntents(task));
                self.note_share(task, status);
            }
            // Only tasks of the account rail are backed by pledges.
            Action::Drop { .. } | Action::Breach { .. } => {}
        }
        Ok(())
    }

    fn read_stake(&mut self, worker: Address) {
        if let Some(known) = self.market.worker(&worker) {
            let stake = known.stake();
            self.releases.push(Release::Read(Reading::Stake { worker, stake }));
        }
    }

    /// Notes how an intent ended.
    pub(super) fn end_intent(&mut self, task: TaskId, kind: IntentKind, end: End) {
        self.batch.steps.push(Step::IntentEnd(IntentEnd { task, kind, end }));
    }

    pub(super) fn intend(
        &mut self,
        task: TaskId,
        intent: &Intent,
        evidence: Option<Hash32>,
    ) -> Result<(), NodeError> {
        self.intend_from(task, intent, evidence, 0)
    }

    /// An intent that is not sent before `not_before`.
    fn intend_from(
        &mut self,
        task: TaskId,
        intent: &Intent,
        evidence: Option<Hash32>,
        not_before: u64,
    ) -> Result<(), NodeError> {
        let kind = intent.kind();
        let intent = encode(intent)?;
        let now = self.now();
        let row = NewIntent { task, kind, intent, evidence, now, not_before };
        self.batch.steps.push(Step::Intent(row));
        self.releases.push(Release::Settle);
        Ok(())
    }

    fn intend_assign(&mut self, assign: &Assign) -> Result<(), NodeError> {
        let intent = Intent::Assign {
            escrow: assign.escrow,
            worker: assign.worker,
            price: assign.price,
            reserve: assign.reserve,
            consent: assign.consent,
            valid_until: assign.valid_until,
        };
        // An assignment that was given up must not stand in the way of this one.
        self.end_intent(assign.task, IntentKind::Assign, End::Void);
        self.intend(assign.task, &intent, None)
    }

    fn intend_commit(
        &mut self,
        commit: fog_protocol::Signed<fog_protocol::Commit>,
    ) -> Result<(), NodeError> {
        let task = commit.value.task;
        let Some(escrow) = self.market.task(&task).map(fog_market::Task::escrow) else {
            return Ok(());
        };
        self.intend(task, &Intent::Commit { escrow, commit }, None)
    }

    fn intend_verdict(&mut self, settlement: &Settlement) -> Result<(), NodeError> {
        let Some(judged) = self.judged_by(settlement) else { return Ok(()) };
        let intent = Intent::Verdict(judged);
        self.intend(settlement.task(), &intent, Some(settlement.evidence_hash()))
    }

    /// That the worker did not hand over what it committed to. There is no evidence of what is not
    /// there: the hash names task and commitment.
    pub(super) fn intend_undelivered(
        &mut self,
        id: TaskId,
        ballot: Ballot,
    ) -> Result<(), NodeError> {
        let Some(task) = self.market.task(&id).filter(|task| task.is_undelivered()) else {
            return Ok(());
        };
        let (Some(assignment), Some(commitment)) = (task.assignment(), task.commitment()) else {
            return Ok(());
        };
        let intent = Intent::Undelivered(Judged {
            escrow: assignment.escrow,
            stake: assignment.stake,
            price: assignment.price,
            commitment,
            evidence: tagged_hash("fog/undelivered/v1", &[&id.0.0, &commitment.0]),
            ruling: Ruling::Undelivered,
            ballot,
        });
        self.intend(id, &intent, None)
    }

    fn intend_ruling(&mut self, settlement: &Settlement) -> Result<(), NodeError> {
        let task = settlement.task();
        // The contract takes no ruling before the verdict's own window is over. How long it takes them
        // then is its own, too: governance may have changed the market's since.
        let heard = self.market.task(&task).and_then(fog_market::Task::rules_from);
        let read = || self.rules_from.get(&task).copied();
        // Where neither is known yet it is sent at once: what comes too early comes back, and goes out
        // again.
        let from = heard.or_else(read).unwrap_or_default();
        let Some(judged) = self.judged_by(settlement) else { return Ok(()) };
        self.intend_from(task, &Intent::Ruling(judged), None, from)
    }

    fn intend_finalize(&mut self, task: TaskId) -> Result<(), NodeError> {
        let Some(known) = self.market.task(&task) else { return Ok(()) };
        let (escrow, evidence) = (known.escrow(), known.evidence_hash());
        if known.is_undelivered() {
            return self.intend(task, &Intent::Penalise { escrow }, None);
        }
        // A verdict that this node did not make is finalized by who made it.
        if evidence.is_none() {
            tracing::warn!(%task, "a verdict on chain is not this node's: left to its maker");
            return Ok(());
        }
        self.intend(task, &Intent::Finalize { escrow }, evidence)
    }

    /// Has a task verified, if it is in a state for it; what was under way for it is given up.
    pub(super) fn verify(&mut self, task: TaskId, asked: Asked) {
        if let Some(job) = self.verify_job(task, asked) {
            self.releases.push(Release::Verify(Box::new(job)));
        }
    }

    /// A verification's job, if the task is in a state for it.
    fn verify_job(&self, id: TaskId, asked: Asked) -> Option<VerifyJob> {
        let task = self.market.task(&id)?;
        let assignment = task.assignment()?;
        let listing = task.listing().clone();
        // A contract takes it until then; what no contract holds counts longer.
        let until = if listing.rail.has_contract() {
            task.deadline()?
        } else {
            self.now().saturating_add(fog_contracts::rail::VERDICT_SECONDS)
        };
        let lane = match &asked {
            Asked::Result { basis: AuditBasis::Disputed, .. } if !task.is_disputed() => {
                Lane::Recheck
            }
            _ => Lane::Due,
        };
        let mut decide_by = task.deadline().unwrap_or(until);
        if lane == Lane::Recheck && task.window_until().is_none() {
            // Its verdict is not on chain yet: its window follows.
            decide_by = decide_by.saturating_add(u64::from(listing.durations.window));
        }
        Some(VerifyJob {
            task: id,
            lane,
            decide_by,
            worker: assignment.worker,
            stake: assignment.stake,
            price: assignment.price,
            commitment: task.commitment()?,
            valid_until: u32::try_from(until).ok()?,
            listing,
            asked,
        })
    }

    /// The settlement with the signatures of the judgement at hand.
    pub(super) fn ballot_of(&mut self, task: TaskId) -> Option<Ballot> {
        let ballot = self.ballot.take();
        if ballot.is_none() {
            tracing::error!(%task, "a judgement without signatures: left to its deadline");
        }
        ballot
    }

    fn judged_by(&mut self, settlement: &Settlement) -> Option<Judged> {
        let ballot = self.ballot_of(settlement.task())?;
        Some(judged(settlement, ballot))
    }

    fn note_unmatched(&mut self, task: TaskId, reason: String) {
        if self.unmatched.get(&task) == Some(&reason) {
            return;
        }
        let note: String = reason.chars().take(MAX_UNMATCHED_CHARS).collect();
        // Kept by the latest note, so that a task that waits long does not grow without end.
        let first = self.unmatched.insert(task, reason).is_none();
        let (status, at) = (TaskStatus::Open, self.now());
        let row = HistoryRow { task, status, at, note };
        self.batch.steps.push(if first { Step::History(row) } else { Step::Unmatched(row) });
        self.changed.insert(task);
    }
}

fn judged(settlement: &Settlement, ballot: Ballot) -> Judged {
    let assignment = settlement.assignment();
    Judged {
        escrow: assignment.escrow,
        stake: assignment.stake,
        price: assignment.price,
        commitment: settlement.commitment(),
        evidence: settlement.evidence_hash(),
        ruling: match settlement.verdict() {
            Verdict::Accepted => Ruling::Accepted,
            Verdict::Rejected => Ruling::Rejected,
        },
        ballot,
    }
}
