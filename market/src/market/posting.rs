//! Listings, and their funding.

use std::collections::BTreeSet;

use fog_protocol::{Address, Listing, Signed, TaskId};

use super::Market;
use crate::{
    Action, Refused,
    task::{Indexed, Phase, Round, Task},
    transition::{Step, Trigger, step},
};

impl Market {
    pub(super) fn post(
        &mut self,
        listing: &Signed<Listing>,
        escrow: Address,
        now: u64,
    ) -> Result<(), Refused> {
        let listing = &listing.value;
        let id = listing.id();
        if let Some(task) = self.tasks.get(&id) {
            // Posted again, perhaps because the first answer was lost.
            let known = task.escrow;
            return if known == escrow {
                Ok(())
            } else {
                Err(Refused::OtherEscrow { known, given: escrow })
            };
        }
        self.rules.check_bounds(listing)?;
        if self.live >= self.rules.max_open_tasks {
            return Err(Refused::MarketFull { open: self.live });
        }
        let open = self.live_of.get(&listing.requestor_key).copied().unwrap_or(0);
        if open >= self.rules.max_open_per_requestor {
            return Err(Refused::RequestorFull { open });
        }
        let until = now.saturating_add(u64::from(self.rules.funding_seconds));
        let phase = Phase::AwaitingFunds { until };
        let task = Task {
            id,
            listing: Box::new(listing.clone()),
            escrow,
            seq: self.posted,
            phase,
            alarm: Some(until),
            barred: BTreeSet::new(),
            copies: None,
            rate_ppm: None,
            recheck: None,
            challenged_until: None,
            rules_from: None,
            ruled: None,
            indexed: Indexed::default(),
        };
        self.posted += 1;
        self.live += 1;
        *self.live_of.entry(listing.requestor_key).or_default() += 1;
        self.tasks.insert(id, task);
        self.touched.push(id);
        Ok(())
    }

    pub(super) fn open(
        &mut self,
        id: TaskId,
        deadline: u64,
        now: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let task = self.task_mut(&id)?;
        match step(task.status(), Trigger::Opened) {
            Step::Go(_) => {
                self.revive(id);
                let phase = Phase::Open { deadline, round: Round::default() };
                self.task_mut(&id)?.enter(phase);
                self.begin_round(id, now, actions);
                Ok(())
            }
            Step::Stay => {
                if let Phase::Open { deadline: known, .. } = &mut task.phase {
                    *known = deadline;
                    task.alarm = Some(deadline);
                }
                Ok(())
            }
            Step::Stale => Ok(()),
            Step::Gap => {
                actions.push(Action::Reconcile { task: id });
                Ok(())
            }
            Step::Refuse => Err(Self::wrong_state(task.status(), "opening", "awaiting funds")),
        }
    }

    /// Counts a dropped task as living again: its money came after all.
    pub(super) fn revive(&mut self, id: TaskId) {
        if let Some(task) = self.tasks.get(&id)
            && task.status().is_terminal()
        {
            let key = task.listing.requestor_key;
            self.live += 1;
            *self.live_of.entry(key).or_default() += 1;
            self.ended.retain(|ended| *ended != id);
        }
    }
}
