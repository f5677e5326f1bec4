//! Epochs of audit seeds: begun, shut, and asked of every listing that may be drawn. All of it is
//! decided here, where tasks begin, so that no task begins in an epoch that is shut, and nothing of
//! a shut one comes back: when all its tasks have ended its seed is told.

use fog_protocol::{Listing, Policy, TaskId, TaskStatus};

use super::{Actor, perform::Release, verify::Asked};
use crate::{
    NodeError,
    denied::{Denied, Why},
    epoch::Turning,
    store::{Shut, Step},
};

impl Actor {
    /// The chain's time as far as it is known. What the market goes by is older after a pause, until the
    /// chain was followed up to now: an epoch that ended in it takes nothing meanwhile.
    fn epoch_time(&self) -> u64 {
        self.now().max(self.shared.chain.started_at())
    }

    /// Begins the next epoch when this one is over: it is stored before anybody is told of it.
    pub(super) fn turn_epoch(&mut self) -> Result<(), NodeError> {
        let now = self.epoch_time();
        let Some(current) = self.unshut.last_key_value().map(|(_, epoch)| epoch.clone()) else {
            return Ok(());
        };
        if now < current.ends_at() {
            return Ok(());
        }
        let (node, seconds) = (self.shared.node, self.shared.config.epoch_seconds);
        let (secret, key) = (&self.shared.epochs, &self.signer.key);
        let epoch = Turning { node, secret, key, seconds }.begin(Some(&current), now, now);
        self.unshut.insert(epoch.number, epoch.clone());
        self.batch.steps.push(Step::Epoch(epoch.clone()));
        self.releases.push(Release::Epoch(Box::new(epoch)));
        self.redeem_what_expires()
    }

    /// Shuts what is over for long enough, and has it told on chain.
    pub(super) fn shut_epochs(&mut self, now: u64) {
        while self.unshut.len() > 1
            && let Some(first) = self.unshut.first_entry()
            && first.get().shut_at() < now
        {
            let epoch = first.remove();
            self.batch.steps.push(Step::Shut(Shut { epoch, at: now }));
            self.releases.push(Release::Settle);
        }
    }

    /// The epoch whose seed decides about a task: the one its listing names. Tasks whose listing
    /// names none go by the one in which their commitment came.
    pub(super) fn epoch_of(&self, task: TaskId) -> u64 {
        let listing = self.market.task(&task).map(fog_market::Task::listing);
        let named = listing.and_then(Listing::named_epoch);
        let noted = || self.epochs.get(&task).copied();
        let number = named.map(|epoch| epoch.number).or_else(noted);
        number.unwrap_or_else(|| self.shared.epoch().number)
    }

    /// Names what older versions left unfinished, and verifiers sign as little as they are: what can
    /// be done, or that nothing can.
    pub(super) async fn name_old(&mut self) -> Result<(), NodeError> {
        self.unsigned = self.shared.store.unsigned_openings().await?.into_iter().collect();
        let note = "its nonce was opened by an older fog, unsigned: verifiers refuse its draw; its \
                    requestor opens it again with `fog task watch ID` of this version";
        let mut old: Vec<_> = self.unsigned.iter().map(|task| (*task, note)).collect();
        let note = "its listing is of an older fog and names no epoch: verifiers refuse its draw; \
                    unless it is audited for another reason it is left to its deadline";
        let is_old = |task: &&fog_market::Task| {
            let policy = &task.listing().policy;
            let drawn = !policy.is_proof() && !matches!(policy, Policy::Redundant { .. });
            drawn && !task.status().is_terminal() && task.listing().named_epoch().is_none()
        };
        old.extend(self.market.tasks().filter(is_old).map(|task| (task.id(), note)));
        for (task, note) in old {
            tracing::warn!(%task, note, "UNFINISHED since an older version");
            self.note_verifying(task, note.to_owned());
        }
        Ok(())
    }

    /// What an older version opened is signed now: its verification, which could not come to
    /// anything, begins anew.
    pub(super) fn signed_at_last(&mut self, task: TaskId) {
        if !self.unsigned.remove(&task) {
            return;
        }
        let known = self.market.task(&task);
        let asked = known.and_then(|task| {
            let (basis, rate_ppm) = (task.basis()?.clone(), task.listing().policy.rate_ppm());
            Some(Asked::Result { basis, rate_ppm })
        });
        if let Some(asked) = asked {
            self.verify(task, asked);
        }
    }

    /// Was this task dropped, and its epoch shut since? Its seed may have been told: money that
    /// comes now makes no task any more. Nor does it if it waits for that since before the chain of
    /// epochs began anew: who has a later copy of the database may have told that seed.
    pub(super) fn is_over(&self, task: &TaskId) -> bool {
        let Some(task) = self.market.task(task) else { return false };
        let Some(epoch) = task.listing().named_epoch() else { return false };
        match task.status() {
            TaskStatus::Dropped => !self.unshut.contains_key(&epoch.number),
            TaskStatus::AwaitingFunds => epoch.number < self.chain_from,
            _ => false,
        }
    }

    /// A listing that may be drawn names the epoch that runs, or the one that just ended: the seed of
    /// its draw is fixed, and nobody else knows it, before anybody can commit to a result.
    pub(super) fn check_epoch(&self, listing: &Listing) -> Result<(), Denied> {
        let now = self.epoch_time();
        let current = self.unshut.last_key_value().map_or(0, |(number, _)| *number);
        let invalid = |code: &str, what: String| {
            let cure = "name the current epoch, as GET /v1/epochs/current shows it";
            Err(Denied::new(Why::Invalid, code, format!("{what}: {cure}")))
        };
        if self.market.task(&listing.id()).is_some() {
            // Posted again.
            return Ok(());
        }
        let Some(named) = listing.named_epoch() else {
            if listing.policy.is_proof() {
                return Ok(());
            }
            let what = "the listing names no epoch, so that no draw could be shown to be fair";
            return invalid("no_epoch", what.to_owned());
        };
        if named.number > current || self.shared.epochs.seed_hash(named.number) != named.seed_hash {
            let what = format!("epoch {} is not one of this node", named.number);
            return invalid("unknown_epoch", what);
        }
        let known = self.unshut.get(&named.number);
        match known.filter(|epoch| now <= epoch.taken_until()) {
            Some(_) => Ok(()),
            None => invalid("epoch_over", format!("epoch {} is over", named.number)),
        }
    }
}
