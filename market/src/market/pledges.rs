//! Stake reserved in bulk: it comes, it is lost, it goes.

use fog_protocol::{Address, Hash32, Nano, TaskId};

use super::{Market, workers::Answers};
use crate::{Action, Refused, pledge::Pledge, reputation::Fact};

impl Market {
    pub(super) fn pledged(
        &mut self,
        address: &Address,
        id: TaskId,
        pledge: Pledge,
        now: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        // Told twice: what it stands for by now stays.
        self.worker_mut(address)?.pledges.entry(id).or_insert(pledge);
        // What it could not take without may be for it now.
        self.offer_open_tasks(address, Answers::Forgotten, now, actions);
        Ok(())
    }

    pub(super) fn pledge_ending(&mut self, address: &Address, id: &TaskId) -> Result<(), Refused> {
        if let Some(pledge) = self.worker_mut(address)?.pledges.get_mut(id) {
            pledge.end();
        }
        Ok(())
    }

    pub(super) fn pledge_closed(
        &mut self,
        address: &Address,
        id: &TaskId,
        slashed: Nano,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let worker = self.worker_mut(address)?;
        if worker.pledges.remove(id).is_none() {
            return Ok(());
        }
        if slashed > Nano::ZERO {
            worker.record.add(&Fact::Cut { amount: slashed });
        }
        actions.push(Action::ReadStake { worker: *address });
        Ok(())
    }

    /// The result of a task was false: the pledge that stands for it is lost, whatever else it stands
    /// for.
    pub(super) fn breach(
        &mut self,
        task: TaskId,
        address: Address,
        evidence: Hash32,
        actions: &mut Vec<Action>,
    ) {
        let Ok(worker) = self.worker_mut(&address) else { return };
        let Some(id) = worker.pledge_of(&task) else { return };
        let Some(pledge) = worker.pledges.get_mut(&id) else { return };
        if pledge.breach() {
            actions.push(Action::Breach { task, worker: address, pledge: id, evidence });
        }
    }
}
