//! The node's part of the fee of tasks that were paid in jettons: it lies in each task's contract until
//! the node asks for it.
//!
//! ```text
//! paid --> due, in the database --contract read, worth it--> intent --sent, read again--> over
//! ```
//! One claim of a task is under way at a time, over restarts: the outbox has it. The contract forgets
//! the share as it sends it, so that no other would get it twice.

use fog_protocol::{Address, TaskId, TaskStatus};

use super::{Actor, perform::Release};
use crate::{
    NodeError,
    follow::{Reading, Share},
    store::{End, Intent, IntentKind, Step},
};

impl Actor {
    /// A task ended: if it was paid in a jetton, the node has a share there.
    pub(super) fn note_share(&mut self, task: TaskId, status: TaskStatus) {
        let Some(known) = self.market.task(&task) else { return };
        if status != TaskStatus::Paid || known.listing().rail.jetton().is_none() {
            return;
        }
        let escrow = known.escrow();
        self.batch.steps.push(Step::ShareDue(task));
        self.releases.push(Release::Read(Reading::Share { task, escrow }));
    }

    /// What the contract of a task that was paid in a jetton says of the node's share.
    pub(super) fn share_read(
        &mut self,
        task: TaskId,
        escrow: Address,
        share: Share,
    ) -> Result<(), NodeError> {
        match share {
            Share::Due(units) => {
                tracing::debug!(%task, %units, "a share in a jetton is due");
                let to = self.shared.operator;
                self.intend(task, &Intent::ClaimShare { escrow, to }, None)?;
            }
            Share::Small => {}
            Share::Sent { .. } => self.end_intent(task, IntentKind::ClaimShare, End::Done),
            Share::Over => {
                self.end_intent(task, IntentKind::ClaimShare, End::Done);
                self.batch.steps.push(Step::ShareOver(task));
            }
        }
        Ok(())
    }
}
