//! Workers that say why they gave a task up. Their word is kept and shown; nothing else follows.

use fog_protocol::{Address, GivenUp, TaskId, api::GivenUpView};

use super::Actor;
use crate::{
    denied::{Denied, Why},
    store::{HistoryRow, Step},
};

impl Actor {
    /// Keeps what the `worker` of a task says, the first time it does.
    pub(super) fn given_up(
        &mut self,
        task: TaskId,
        worker: Address,
        said: GivenUp,
    ) -> Result<(), Denied> {
        said.check().map_err(|bad| Denied::new(Why::Invalid, "bad_give_up", bad.to_string()))?;
        let known = self.market.task(&task).ok_or_else(Denied::no_task)?;
        if known.assignment().is_none_or(|assignment| assignment.worker != worker) {
            let message = "only the worker of a task can give it up";
            return Err(Denied::new(Why::Forbidden, "not_assigned", message));
        }
        let status = known.status();
        if !self.given_up.insert(task) {
            return Ok(());
        }
        let at = self.now();
        let row = GivenUpView { worker, at, said };
        let note = row.to_string();
        tracing::info!(%task, %note, "a task is given up");
        self.batch.steps.push(Step::GivenUp(task, row));
        // How a task ended stays the last that is told of it.
        if !status.is_terminal() {
            self.batch.steps.push(Step::History(HistoryRow { task, status, at, note }));
        }
        self.changed.insert(task);
        Ok(())
    }
}
