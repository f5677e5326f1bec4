//! Verdicts of the verifier: what is paid, what is slashed, what is checked because of it.

use fog_protocol::{Address, Hash32, Tagged as _, TaskId};
use fog_verifier::{AuditBasis, Conclusion, Evidence, Judgement, Rejected, Verified};

use super::Market;
use crate::{
    Action, Assignment, Refused, Settlement,
    task::{Decided, Hold, Phase, Rechecked, Work},
    transition::{Step, Trigger, step},
};

impl Market {
    /// Consumes a verified result: its price may be paid. Log [`crate::Event::Judged`] with its
    /// evidence; a replay then comes to the same.
    ///
    /// # Errors
    /// [`Refused`]: nothing has changed; [`Refused::StaleBasis`] if another basis was asked for.
    pub fn accept(
        &mut self,
        verified: Verified<Conclusion>,
        now: u64,
    ) -> Result<Vec<Action>, Refused> {
        self.decide(now, |market, _, actions| market.accepted(verified, actions))
    }

    /// Consumes the rejection of a result: its worker's reserve may be cut, the worker is flagged,
    /// and its other results that have no verdict yet are all checked.
    ///
    /// # Errors
    /// [`Refused`]: nothing has changed; [`Refused::StaleBasis`] if another basis was asked for.
    pub fn reject(&mut self, rejected: Rejected, now: u64) -> Result<Vec<Action>, Refused> {
        self.decide(now, |market, now, actions| market.rejected(rejected, now, actions))
    }

    pub(super) fn accepted(
        &mut self,
        verified: Verified<Conclusion>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let id = verified.value().task;
        let (assignment, work) = self.judged(id, verified.evidence(), Trigger::Accepted)?;
        let payable = assignment.accept(verified, work.commitment)?;
        let audited = self.worker_judged(id, assignment.worker)?;
        let may_fall = !audited && self.may_recheck(id);
        let worker = self.worker_mut(&assignment.worker)?;
        if audited {
            worker.flagged = worker.flagged.saturating_sub(1);
        } else if may_fall {
            worker.unchecked.insert(id);
        }
        let decided = decided(&work, payable.evidence_hash());
        let address = assignment.worker;
        self.task_mut(&id)?.enter(Phase::Accepted { assignment, decided });
        actions.push(Action::Settle(Settlement::Pay(payable)));
        self.release_held(address, actions);
        Ok(())
    }

    pub(super) fn rejected(
        &mut self,
        rejected: Rejected,
        now: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let id = rejected.task();
        let (assignment, work) = self.judged(id, rejected.evidence(), Trigger::Rejected)?;
        let slashable = assignment.reject(rejected, work.commitment)?;
        self.worker_judged(id, assignment.worker)?;
        let decided = decided(&work, slashable.evidence_hash());
        let address = assignment.worker;
        self.task_mut(&id)?.enter(Phase::Rejected { assignment, decided });
        let evidence = slashable.evidence_hash();
        actions.push(Action::Settle(Settlement::Slash(slashable)));
        self.breach(id, address, evidence, actions);
        self.flag(address, id, now, actions);
        self.suspect_copies(id, now, actions);
        Ok(())
    }

    /// Has a result checked whose verdict is disputed, whatever the draw said.
    pub(super) fn look_again(&self, id: TaskId, actions: &mut Vec<Action>) {
        if let Some(task) = self.tasks.get(&id) {
            let rate_ppm = task.listing.policy.rate_ppm();
            actions.push(Action::Verify { task: id, basis: AuditBasis::Disputed, rate_ppm });
        }
    }

    /// Consumes what a second look found: at a disputed result, or at one whose worker was caught
    /// after it had been accepted. Log [`crate::Event::Ruled`] with its evidence.
    ///
    /// # Errors
    /// [`Refused`]: nothing has changed; it is not disputed, or another result; or
    /// [`Refused::ContraryRuling`].
    pub fn rule(
        &mut self,
        judgement: Judgement<Conclusion>,
        now: u64,
    ) -> Result<Vec<Action>, Refused> {
        self.decide(now, |market, now, actions| match judgement {
            Judgement::Accepted(verified) => market.upheld_right(verified, actions),
            Judgement::Rejected(rejected) => market.found_wrong(rejected, now, actions),
        })
    }

    pub(super) fn upheld_right(
        &mut self,
        verified: Verified<Conclusion>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let id = verified.value().task;
        let (assignment, commitment) = self.in_dispute(id, verified.evidence())?;
        let payable = assignment.accept(verified, commitment)?;
        self.keep_ruling(id, payable.evidence_hash());
        let task = self.task_mut(&id)?;
        task.rechecked(Rechecked::Right);
        if task.is_disputed() {
            actions.push(Action::Rule(Settlement::Pay(payable)));
        }
        Ok(())
    }

    pub(super) fn found_wrong(
        &mut self,
        rejected: Rejected,
        now: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let id = rejected.task();
        let (assignment, commitment) = self.in_dispute(id, rejected.evidence())?;
        let worker = assignment.worker;
        let slashable = assignment.reject(rejected, commitment)?;
        self.keep_ruling(id, slashable.evidence_hash());
        let task = self.task_mut(&id)?;
        task.rechecked(Rechecked::Wrong { evidence: slashable.evidence_hash() });
        if task.is_disputed() {
            actions.push(Action::Rule(Settlement::Slash(slashable)));
        } else {
            self.challenge(id, now, actions);
        }
        self.flag(worker, id, now, actions);
        self.suspect_copies(id, now, actions);
        Ok(())
    }

    fn in_dispute(&self, id: TaskId, evidence: &Evidence) -> Result<(Assignment, Hash32), Refused> {
        let task = self.known(&id)?;
        let looked_at = task.is_disputed() || task.is_rechecked();
        let (true, Some(assignment), Some(commitment)) =
            (looked_at, task.assignment(), task.commitment())
        else {
            return Err(Self::wrong_state(task.status(), "a ruling", "disputed"));
        };
        if evidence.basis != AuditBasis::Disputed {
            return Err(Refused::StaleBasis);
        }
        if evidence.worker != assignment.worker || evidence.commitment != commitment {
            return Err(Refused::OtherResult { task: id });
        }
        if task.ruled.is_some_and(|ruled| ruled != evidence.digest()) {
            return Err(Refused::ContraryRuling { task: id });
        }
        Ok((assignment.clone(), commitment))
    }

    /// The first look that comes to something is the one that counts.
    fn keep_ruling(&mut self, id: TaskId, evidence: Hash32) {
        let keeps = self.trust.is_some();
        if let Ok(task) = self.task_mut(&id)
            && keeps
        {
            task.ruled.get_or_insert(evidence);
        }
    }

    /// Is this the verdict that was asked for?
    fn judged(
        &self,
        id: TaskId,
        evidence: &Evidence,
        trigger: Trigger,
    ) -> Result<(Assignment, Work), Refused> {
        let task = self.known(&id)?;
        let (Phase::Verifying { assignment, work, basis, hold }, Step::Go(_)) =
            (&task.phase, step(task.status(), trigger))
        else {
            return Err(Self::wrong_state(task.status(), "a verdict", "verifying"));
        };
        let rate = task.rate_ppm();
        if *basis != evidence.basis || *hold == Hold::Held || evidence.rate_ppm != rate {
            return Err(Refused::StaleBasis);
        }
        if evidence.worker != assignment.worker || evidence.commitment != work.commitment {
            return Err(Refused::OtherResult { task: id });
        }
        Ok((assignment.clone(), work.clone()))
    }

    /// Takes the task from its worker's results without a verdict; was it being audited?
    fn worker_judged(&mut self, id: TaskId, address: Address) -> Result<bool, Refused> {
        let worker = self.worker_mut(&address)?;
        worker.undrawn.remove(&id);
        Ok(worker.audits.remove(&id))
    }

    /// Everything the worker has returned and will return is checked.
    pub(super) fn flag(
        &mut self,
        address: Address,
        caught: TaskId,
        now: u64,
        actions: &mut Vec<Action>,
    ) {
        let audits = self.rules.flag_audits.max(1);
        let Ok(worker) = self.worker_mut(&address) else {
            return;
        };
        worker.flagged = audits;
        let undrawn = std::mem::take(&mut worker.undrawn);
        worker.audits.extend(undrawn.iter().copied());
        self.check_undrawn(undrawn, actions);
        self.distrust(address);
        self.look_back(address, caught, now, actions);
    }

    /// Results that the draw left out are checked all the same.
    pub(super) fn check_undrawn(
        &mut self,
        undrawn: impl IntoIterator<Item = TaskId>,
        actions: &mut Vec<Action>,
    ) {
        for id in undrawn {
            let Ok(task) = self.task_mut(&id) else {
                continue;
            };
            task.rate_ppm = None;
            let rate_ppm = task.rate_ppm();
            if let Phase::Verifying { basis, hold, .. } = &mut task.phase {
                *basis = AuditBasis::Flagged;
                *hold = Hold::Released;
                actions.push(Action::Verify { task: id, basis: AuditBasis::Flagged, rate_ppm });
            }
        }
    }

    /// Lets go of the worker's results that were not drawn, if none of its audits is running.
    pub(super) fn release_held(&mut self, address: Address, actions: &mut Vec<Action>) {
        let Some(worker) = self.workers.get(&address) else {
            return;
        };
        if !worker.audits.is_empty() {
            return;
        }
        for id in worker.undrawn.clone() {
            let Ok(task) = self.task_mut(&id) else {
                continue;
            };
            let rate_ppm = task.rate_ppm();
            if let Phase::Verifying { basis, hold, .. } = &mut task.phase
                && *hold == Hold::Held
            {
                *hold = Hold::Released;
                actions.push(Action::Verify { task: id, basis: basis.clone(), rate_ppm });
            }
        }
    }
}

fn decided(work: &Work, evidence: Hash32) -> Decided {
    Decided {
        commitment: work.commitment,
        speed: work.speed,
        evidence,
        // Verification begins only once the commitment, and with it this time, is on chain.
        verdict_by: work.verdict_by.unwrap_or_default(),
        window_until: work.window_until,
        dispute: work.dispute,
    }
}
