//! When a worker is caught: what was accepted of it without a look is looked at, as far as it can
//! still be taken back, and whoever was trusted is not any more.
//!
//! ```text
//! accepted, not drawn --worker caught--> due --right--> paid at the end of its window
//!                                         |
//!                                         '--wrong--> challenged on chain, with the node's own bond:
//!                                                     ruling, refund and slash before anybody is paid
//! ```
//! The look is a verifier's as at any disputed verdict: in full, what is wrong twice and the second
//! time independently. What is wrong too late is only said.

use fog_protocol::{Address, PublicKey, TaskId};
use fog_verifier::AuditBasis;

use super::Market;
use crate::{
    Action, Recheck, Rechecked, Rechecks, Trusted,
    task::{Phase, Task},
};

impl Market {
    /// How far a session key is trusted now.
    pub(super) fn trusted(&self, key: &PublicKey) -> Option<Trusted> {
        let trusted = self.trust.as_ref()?.keys.get(key)?;
        let lost = self.lost.get(key).is_some_and(|grant| *grant >= trusted.grant);
        (!lost).then_some(*trusted)
    }

    /// How far the worker's key is trusted now.
    #[must_use]
    pub fn trust_of(&self, worker: &Address) -> Option<Trusted> {
        self.trusted(&self.workers.get(worker)?.session)
    }

    /// The worker was caught: none of the keys it was known by is trusted until that is decided again.
    /// The one it has now need not be the one it had when it did the task it is caught with.
    pub(super) fn distrust(&mut self, address: Address) {
        let Some(worker) = self.workers.get(&address) else { return };
        let keys: Vec<_> = worker.known_by.iter().copied().chain([worker.session]).collect();
        for key in keys {
            if let Some(trusted) = self.trusted(&key) {
                self.lost.insert(key, trusted.grant);
            }
        }
    }

    /// Is this a key that somebody trusted?
    pub(super) fn was_trusted(&self, key: &PublicKey) -> bool {
        self.trust.as_ref().is_some_and(|trust| trust.keys.contains_key(key))
    }

    /// Could the acceptance of this result still be taken back on chain?
    pub(super) fn may_recheck(&self, id: TaskId) -> bool {
        let has_contract = self.tasks.get(&id).is_some_and(|task| task.listing.rail.has_contract());
        self.rechecks() && has_contract
    }

    /// Is what was accepted without a look looked at when its worker is caught?
    fn rechecks(&self) -> bool {
        self.trust.as_ref().is_some_and(|trust| trust.rechecks == Rechecks::Made)
    }

    /// Has what was accepted of a worker without a look checked, what ends first at first.
    pub(super) fn look_back(
        &mut self,
        address: Address,
        caught: TaskId,
        now: u64,
        actions: &mut Vec<Action>,
    ) {
        if !self.rechecks() {
            return;
        }
        let Ok(worker) = self.worker_mut(&address) else { return };
        let unchecked = std::mem::take(&mut worker.unchecked);
        self.look_again_at(unchecked, caught, now, actions);
    }

    /// Has these accepted results checked, what ends first at first.
    pub(super) fn look_again_at(
        &mut self,
        unchecked: impl IntoIterator<Item = TaskId>,
        caught: TaskId,
        now: u64,
        actions: &mut Vec<Action>,
    ) {
        let end = |id: &TaskId| self.tasks.get(id).and_then(Task::window_until).unwrap_or(u64::MAX);
        let mut unchecked: Vec<_> = unchecked.into_iter().map(|id| (end(&id), id)).collect();
        unchecked.sort_unstable();
        for (until, id) in unchecked {
            let Ok(task) = self.task_mut(&id) else { continue };
            let Phase::Accepted { .. } = &task.phase else { continue };
            let can_fall = now < until && task.listing.durations.window > 0;
            let found = if can_fall { Rechecked::Due } else { Rechecked::TooLate };
            task.recheck = Some(Recheck { caught, found });
            // Of what is disputed already a look was asked for.
            if can_fall && !task.is_disputed() {
                let rate_ppm = task.listing.policy.rate_ppm();
                let basis = AuditBasis::Disputed;
                actions.push(Action::Verify { task: id, basis, rate_ppm });
            }
        }
    }

    /// Has the verdict on a result challenged that was found wrong after it, once it is on chain and as
    /// long as its window runs.
    pub(super) fn challenge(&mut self, id: TaskId, now: u64, actions: &mut Vec<Action>) {
        let grace = u64::from(self.rules.retry_seconds.max(1));
        let Ok(task) = self.task_mut(&id) else { return };
        let Some(Recheck { found: Rechecked::Wrong { evidence }, .. }) = task.recheck else {
            return;
        };
        if let Some(until) = task.window_until().filter(|until| now < *until)
            && !task.is_disputed()
        {
            // It may be there a while before it is heard of.
            task.challenged_until = Some(until.saturating_add(grace));
            actions.push(Action::Challenge { task: id, evidence });
        }
    }
}
