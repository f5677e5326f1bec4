//! From the worker's commitment to the order to verify.

use fog_protocol::{Commit, Hash32, Policy, RATE_ONE, Signed, TaskId};
use fog_verifier::{AuditBasis, draw};

use super::{Market, copies::Compared, workers::Answers};
use crate::{
    Action, Assignment, Refused,
    event::by,
    reputation::Speed,
    task::{Delivery, Dispute, Hold, Phase, Task, Work},
    transition::{Step, Trigger, step},
};

impl Market {
    pub(super) fn committed(
        &mut self,
        signed: &Signed<Commit>,
        now: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let commit = &signed.value;
        let id = commit.task;
        let task = self.known(&id)?;
        let refused = || Self::wrong_state(task.status(), "committing", "running");
        let assignment = task.assignment().ok_or_else(refused)?;
        if assignment.worker != commit.worker {
            return Err(Refused::NotYours { worker: assignment.worker });
        }
        let worker =
            self.workers.get(&commit.worker).ok_or(Refused::UnknownWorker(commit.worker))?;
        by("commitment", signed.signer, worker.session)?;
        let by_listing = now.saturating_add(u64::from(task.listing.durations.verdict));
        let ack = Action::AckCommit {
            task: id,
            worker: commit.worker,
            verdict_by: match &task.phase {
                Phase::Committed { work, .. } => work.verdict_by.unwrap_or(by_listing),
                Phase::AwaitingFunds { .. }
                | Phase::Open { .. }
                | Phase::Assigning { .. }
                | Phase::Running { .. }
                | Phase::Verifying { .. }
                | Phase::Accepted { .. }
                | Phase::Rejected { .. }
                | Phase::Ended(_) => task.deadline().unwrap_or(now).max(by_listing),
            },
        };
        match step(task.status(), Trigger::Committed) {
            Step::Go(_) => {
                self.enter_committed(id, commit.commitment, now);
                actions.push(ack);
                actions.push(Action::RelayCommit { commit: Box::new(signed.clone()) });
                self.offer_open_tasks(&commit.worker, Answers::Kept, now, actions);
                Ok(())
            }
            Step::Stay | Step::Stale if task.commitment() == Some(commit.commitment) => {
                actions.push(ack);
                Ok(())
            }
            Step::Stay | Step::Stale => Err(Refused::CommittedAlready),
            Step::Gap | Step::Refuse => Err(refused()),
        }
    }

    /// The worker has done its part: its slot is free.
    pub(super) fn enter_committed(&mut self, id: TaskId, commitment: Hash32, now: u64) {
        let Ok(task) = self.task_mut(&id) else {
            return;
        };
        let Phase::Running { assignment, commit_by } = &task.phase else {
            return;
        };
        let (assignment, commit_by) = (assignment.clone(), *commit_by);
        let allowed = u64::from(task.listing.durations.commit);
        let elapsed = now.saturating_sub(commit_by.saturating_sub(allowed));
        let work = Work {
            commitment,
            speed: Speed::of(elapsed, allowed),
            verdict_by: None,
            nonce_until: None,
            nonce: None,
            seed: None,
            window_until: None,
            delivery: Delivery::Awaited,
            dispute: Dispute::None,
        };
        let worker = assignment.worker;
        task.enter(Phase::Committed { assignment, commit_by, work });
        if let Ok(worker) = self.worker_mut(&worker) {
            worker.in_hand.remove(&id);
        }
    }

    pub(super) fn nonce_opened(
        &mut self,
        id: TaskId,
        nonce: Hash32,
        now: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let task = self.known(&id)?;
        match step(task.status(), Trigger::NonceOpened) {
            Step::Stay => {}
            Step::Stale => return Ok(()),
            Step::Go(_) | Step::Gap | Step::Refuse => {
                let what = "opening the nonce";
                return Err(Self::wrong_state(task.status(), what, "committed"));
            }
        }
        if draw::nonce_hash(&nonce) != task.listing.nonce_hash {
            return Err(Refused::WrongNonce);
        }
        let task = self.task_mut(&id)?;
        // Copies of older listings are compared, not drawn.
        let drawn = !matches!(task.listing.policy, Policy::Redundant { .. });
        if let Phase::Committed { work, .. } = &mut task.phase
            && drawn
            && work.nonce_until.is_none_or(|until| now < until)
        {
            work.nonce = Some(nonce);
            task.rearm();
        }
        self.verify_when_ready(id, now, actions);
        Ok(())
    }

    pub(super) fn submitted(
        &mut self,
        id: TaskId,
        seed: Hash32,
        now: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let task = self.task_mut(&id)?;
        if task.is_undelivered() && !task.is_disputed() {
            let wanted = "in time: its verdict says that nothing was handed over";
            return Err(Self::wrong_state(task.status(), "sending a result", wanted));
        }
        match step(task.status(), Trigger::Submitted) {
            Step::Stay => {}
            Step::Stale => return Ok(()),
            Step::Go(_) | Step::Gap | Step::Refuse => {
                return Err(Self::wrong_state(task.status(), "sending a result", "committed"));
            }
        }
        if let Phase::Committed { work, .. } = &mut task.phase {
            // The first seed counts: nobody may choose between draws.
            work.seed.get_or_insert(seed);
            task.rearm();
        }
        if task.is_disputed() {
            // Late, and the ruling depends on it.
            self.look_again(id, actions);
            return Ok(());
        }
        self.verify_when_ready(id, now, actions);
        Ok(())
    }

    /// The basis where no draw is needed.
    pub(super) fn basis_without_draw(&self, task: &Task) -> Option<AuditBasis> {
        let assignment = task.assignment()?;
        if task.listing.policy.is_proof() {
            return Some(AuditBasis::Proof);
        }
        let worker = self.workers.get(&assignment.worker);
        if worker.is_some_and(|worker| worker.is_flagged()) {
            Some(AuditBasis::Flagged)
        } else if self.usual_rate(assignment) >= RATE_ONE {
            Some(AuditBasis::Probation)
        } else {
            None
        }
    }

    /// The rate at which the node checks this worker whatever the listing asks for less.
    fn usual_rate(&self, assignment: &Assignment) -> u32 {
        let usual = self.rules.rate_of_history(assignment.index);
        let worker = self.workers.get(&assignment.worker);
        let trusted = worker.and_then(|worker| self.trusted(&worker.session));
        trusted.map_or(usual, |trusted| trusted.rate(usual))
    }

    /// Why the result is checked or not, and at which rate that was drawn.
    fn basis(&self, task: &Task, work: &Work, now: u64) -> Option<(AuditBasis, u32)> {
        let listed = task.listing.policy.rate_ppm();
        let basis = self.basis_of(task, work, now)?;
        // In a log that is older than trust the evidence names the listing's.
        let named = match &basis {
            AuditBasis::NotDrawn { .. } | AuditBasis::Agreed { .. } if self.trust.is_some() => {
                listed.max(self.usual_rate(task.assignment()?))
            }
            _ => listed,
        };
        Some((basis, named))
    }

    fn basis_of(&self, task: &Task, work: &Work, now: u64) -> Option<AuditBasis> {
        let seed = work.seed?;
        if let Some(basis) = self.basis_without_draw(task) {
            return Some(basis);
        }
        let over = work.nonce_until.is_none_or(|until| now >= until);
        let agreed = match task.listing.policy.copies() {
            Some(_) => match self.compared(task, over)? {
                Compared::Decided(basis) => return Some(basis),
                Compared::Agreed(siblings) => Some(siblings),
            },
            None => None,
        };
        let Some(nonce) = work.nonce else {
            return over.then_some(AuditBasis::NonceWithheld);
        };
        let is_drawn = |rate| draw::is_drawn(&seed, &nonce, &task.id, &work.commitment, rate);
        Some(if is_drawn(task.listing.policy.rate_ppm()) {
            AuditBasis::Drawn { seed, nonce }
        } else if is_drawn(self.usual_rate(task.assignment()?)) {
            AuditBasis::Probation
        } else if let Some(siblings) = agreed {
            AuditBasis::Agreed { siblings, seed, nonce }
        } else {
            AuditBasis::NotDrawn { seed, nonce }
        })
    }

    /// Orders verification once the commitment is on chain, the result here and the basis known.
    pub(super) fn verify_when_ready(&mut self, id: TaskId, now: u64, actions: &mut Vec<Action>) {
        let Some(task) = self.tasks.get(&id) else {
            return;
        };
        let Phase::Committed { assignment, work, .. } = &task.phase else {
            return;
        };
        // What was handed over too late is looked at for a ruling only.
        if work.verdict_by.is_none() || work.delivery == Delivery::Missed {
            return;
        }
        let Some((basis, rate_ppm)) = self.basis(task, work, now) else {
            return;
        };
        let (assignment, work) = (assignment.clone(), work.clone());
        let listed = task.listing.policy.rate_ppm();
        let Ok(worker) = self.worker_mut(&assignment.worker) else {
            return;
        };
        let hold = if basis.is_audit() {
            worker.audits.insert(id);
            Hold::Released
        } else {
            worker.undrawn.insert(id);
            // Pay for what was not drawn waits until the audits that are running are clean.
            if worker.audits.is_empty() { Hold::Released } else { Hold::Held }
        };
        if hold == Hold::Released {
            actions.push(Action::Verify { task: id, basis: basis.clone(), rate_ppm });
        }
        if let Ok(task) = self.task_mut(&id) {
            task.rate_ppm = Some(rate_ppm).filter(|rate| *rate != listed);
            task.enter(Phase::Verifying { assignment, work, basis, hold });
        }
    }
}
