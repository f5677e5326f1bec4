//! Copies of a task: never two to one worker, compared once all are there.

use fog_protocol::{Address, Group, Hash32, Policy, TaskId, TaskStatus};
use fog_verifier::{
    AuditBasis,
    strategy::redundant::{Opening, Siblings, Twin},
};

use super::Market;
use crate::{
    Action, Refused,
    task::{Copies, Delivery, Phase, Rechecked, Task},
};

impl Market {
    /// Notes which listings are copies; they are offered from then on.
    pub(super) fn grouped(
        &mut self,
        group: &Group,
        now: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        if group.tasks.is_empty() {
            return Err(Refused::NotCopies);
        }
        let mut key = None;
        for (id, index) in group.tasks.iter().zip(0u8..=u8::MAX) {
            let task = self.known(id)?;
            let Some((copies, sibling)) = task.listing.policy.copies() else {
                return Err(Refused::NotCopies);
            };
            let one = *key.get_or_insert(task.listing.requestor_key) == task.listing.requestor_key;
            let all = group.tasks.len() == usize::from(copies);
            if !one || !all || sibling != Group::sibling(&group.secret, index) {
                return Err(Refused::NotCopies);
            }
        }
        for id in &group.tasks {
            let task = self.task_mut(id)?;
            if task.copies.is_none() {
                task.copies = Some(Copies { group: group.clone(), opening: None });
                self.begin_round(*id, now, actions);
            }
        }
        Ok(())
    }

    /// May `worker` not have the task? Its stake refused it before, or it has another copy. Of a copy
    /// whose siblings are not known yet nobody can say, so nobody may.
    pub(super) fn bars(&self, task: &Task, worker: &Address) -> bool {
        if task.barred.contains(worker) {
            return true;
        }
        match (task.listing.policy.copies(), &task.copies) {
            (Some(_), None) => true,
            (Some(_), Some(_)) => self.others(task).any(|other| {
                other.assignment().is_some_and(|assignment| assignment.worker == *worker)
            }),
            (None, _) => false,
        }
    }

    /// A copy's result is here; it may have been the last one that the others waited for.
    pub(super) fn delivered(
        &mut self,
        id: TaskId,
        seed: Hash32,
        opening: &Opening,
        now: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let others = {
            let task = self.task_mut(&id)?;
            let Some(copies) = &mut task.copies else { return Err(Refused::NotCopies) };
            copies.opening.get_or_insert(*opening);
            copies.group.tasks.clone()
        };
        self.submitted(id, seed, now, actions)?;
        for other in others {
            self.verify_when_ready(other, now, actions);
        }
        Ok(())
    }

    /// A copy beside the others. Nothing as long as one of them may still come.
    pub(super) fn compared(&self, task: &Task, over: bool) -> Option<Compared> {
        let siblings = self.siblings(task, over)?;
        if let Policy::Redundant { .. } = task.listing.policy {
            return Some(Compared::Decided(AuditBasis::Siblings(siblings)));
        }
        Some(if self.others(task).any(is_wrong) {
            // What is like a wrong result is not accepted for that.
            Compared::Decided(AuditBasis::Siblings(Siblings::default()))
        } else if agree(task, &siblings) {
            Compared::Agreed(siblings)
        } else {
            Compared::Decided(AuditBasis::Siblings(siblings))
        })
    }

    /// A copy was found wrong: those that were taken for right because they are like it are looked at.
    pub(super) fn suspect_copies(&mut self, caught: TaskId, now: u64, actions: &mut Vec<Action>) {
        let Some(task) = self.tasks.get(&caught) else { return };
        let Policy::Copies { .. } = task.listing.policy else { return };
        let others: Vec<_> = self
            .others(task)
            .filter_map(|other| Some((other.id, other.assignment()?.worker)))
            .collect();
        let (mut undrawn, mut accepted) = (Vec::new(), Vec::new());
        for (id, address) in others {
            let may_fall = self.may_recheck(id);
            let Ok(worker) = self.worker_mut(&address) else { continue };
            if worker.undrawn.remove(&id) {
                worker.audits.insert(id);
                undrawn.push(id);
            }
            if may_fall && worker.unchecked.remove(&id) {
                accepted.push(id);
            }
        }
        self.check_undrawn(undrawn, actions);
        self.look_again_at(accepted, caught, now, actions);
    }

    fn others<'a>(&'a self, task: &'a Task) -> impl Iterator<Item = &'a Task> {
        let group = task.copies.as_ref().map(|copies| copies.group.tasks.as_slice());
        let ids = group.unwrap_or_default().iter().filter(|id| **id != task.id);
        ids.filter_map(|id| self.tasks.get(id))
    }

    /// The other copies, all of them: or none, if one does not come (any more, or not in time).
    /// Nothing as long as one may still come.
    pub(super) fn siblings(&self, task: &Task, over: bool) -> Option<Siblings> {
        let copies = task.copies.as_ref()?;
        let mut siblings = Siblings { secret: copies.group.secret, twins: Vec::new() };
        for id in copies.group.tasks.iter().filter(|id| **id != task.id) {
            match self.twin(id) {
                Ok(twin) => siblings.twins.push(twin),
                Err(Missing::ForGood) => return Some(Siblings::default()),
                Err(Missing::Yet) if over => return Some(Siblings::default()),
                Err(Missing::Yet) => return None,
            }
        }
        Some(siblings)
    }

    fn twin(&self, id: &TaskId) -> Result<Twin, Missing> {
        let task = self.tasks.get(id).ok_or(Missing::ForGood)?;
        let opening = task.copies.as_ref().and_then(|copies| copies.opening);
        match (opening, task.assignment(), task.commitment()) {
            (Some(opening), Some(assignment), Some(commitment)) => Ok(Twin {
                listing: (*task.listing).clone(),
                worker: assignment.worker,
                commitment,
                opening,
            }),
            _ => match &task.phase {
                Phase::Ended(_) => Err(Missing::ForGood),
                Phase::Committed { work, .. } if work.delivery == Delivery::Missed => {
                    Err(Missing::ForGood)
                }
                _ => Err(Missing::Yet),
            },
        }
    }
}

/// Are they all the other copies of the task, each with the result that this one has?
fn agree(task: &Task, siblings: &Siblings) -> bool {
    let opening = task.copies.as_ref().and_then(|copies| copies.opening);
    let (Some(opening), Some(assignment)) = (opening, task.assignment()) else { return false };
    siblings.agree(&task.listing, &assignment.worker, opening.ran)
}

/// Was its result found wrong?
fn is_wrong(task: &Task) -> bool {
    let found =
        task.recheck.is_some_and(|recheck| matches!(recheck.found, Rechecked::Wrong { .. }));
    found || matches!(task.status(), TaskStatus::Rejected | TaskStatus::Slashed)
}

/// What comes of comparing a copy with the others.
pub(super) enum Compared {
    /// On this basis it is judged.
    Decided(AuditBasis),
    /// All have the same result: the draw decides whether it is run again.
    Agreed(Siblings),
}

/// Why a copy is not here.
enum Missing {
    /// It may still come.
    Yet,
    /// It will not.
    ForGood,
}
