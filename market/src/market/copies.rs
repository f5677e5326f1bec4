//! Copies of a task: never two to one worker, compared once all are there.

use fog_protocol::{Address, Group, Hash32, Policy, TaskId};
use fog_verifier::strategy::redundant::{Opening, Siblings, Twin};

use super::Market;
use crate::{
    Action, Refused,
    task::{Copies, Delivery, Phase, Task},
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
            let Policy::Redundant { copies, sibling } = task.listing.policy else {
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
        match (&task.listing.policy, &task.copies) {
            (Policy::Redundant { .. }, None) => true,
            (Policy::Redundant { .. }, Some(copies)) => {
                let others = copies.group.tasks.iter().filter(|id| **id != task.id);
                others.filter_map(|id| self.tasks.get(id)).any(|other| {
                    other.assignment().is_some_and(|assignment| assignment.worker == *worker)
                })
            }
            (_, _) => false,
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

/// Why a copy is not here.
enum Missing {
    /// It may still come.
    Yet,
    /// It will not.
    ForGood,
}
