//! Workers come, go, and have stake.

use std::collections::{BTreeMap, BTreeSet};

use fog_protocol::{Address, Nano, PublicKey, SealPublicKey};

use super::Market;
use crate::{
    Action, Refused,
    reputation::{Fact, Record, SessionEnd},
    worker::{Presence, Worker, WorkerIndex},
};

/// A worker that authenticated.
pub(super) struct Joined {
    pub(super) worker: Address,
    pub(super) stake: Address,
    pub(super) session: PublicKey,
    pub(super) seal_key: SealPublicKey,
    pub(super) free_stake: Nano,
}

impl Market {
    pub(super) fn join(
        &mut self,
        joined: &Joined,
        now: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let known = self.workers.len() as u32;
        if !self.workers.contains_key(&joined.worker) && known >= self.rules.max_workers {
            return Err(Refused::TooManyWorkers { known });
        }
        self.touched_workers.push(joined.worker);
        let earlier = self.workers.get(&joined.worker).map(|worker| worker.session);
        let earlier = earlier.filter(|key| *key != joined.session && self.was_trusted(key));
        let worker = self.workers.entry(joined.worker).or_insert_with(|| Worker {
            address: joined.worker,
            stake: joined.stake,
            session: joined.session,
            seal_key: joined.seal_key,
            presence: Presence::Offline,
            since: now,
            free_stake: Nano::ZERO,
            pending: Nano::ZERO,
            slots: 1,
            assigned: 0,
            flagged: 0,
            record: Record::default(),
            ask: None,
            in_hand: BTreeSet::new(),
            audits: BTreeSet::new(),
            undrawn: BTreeSet::new(),
            pledges: BTreeMap::new(),
            unchecked: BTreeSet::new(),
            known_by: BTreeSet::new(),
            rounds: BTreeSet::new(),
            indexed: WorkerIndex::default(),
        });
        worker.known_by.extend(earlier);
        worker.stake = joined.stake;
        worker.session = joined.session;
        worker.seal_key = joined.seal_key;
        worker.free_stake = joined.free_stake;
        worker.presence = Presence::Online;
        worker.since = now;
        worker.record.add(&Fact::Staked { amount: joined.free_stake });
        // It may have come back with another price: its old passes do not hold.
        self.offer_open_tasks(&joined.worker, Answers::Forgotten, now, actions);
        Ok(())
    }

    pub(super) fn leave(&mut self, address: &Address, now: u64) -> Result<(), Refused> {
        let worker = self.worker_mut(address)?;
        if worker.presence == Presence::Offline {
            return Ok(());
        }
        worker.presence = Presence::Offline;
        worker.since = now;
        let end = if worker.in_hand.is_empty() { SessionEnd::Clean } else { SessionEnd::BrokenOff };
        worker.record.add(&Fact::Session { end });
        for id in std::mem::take(&mut worker.rounds) {
            if let Ok(task) = self.task_mut(&id)
                && let Some(round) = task.round_mut()
            {
                round.waiting.remove(address);
                round.bids.remove(address);
                round.note("left", address, 0);
            }
        }
        Ok(())
    }

    pub(super) fn stake_read(
        &mut self,
        address: &Address,
        free_stake: Nano,
    ) -> Result<(), Refused> {
        let worker = self.worker_mut(address)?;
        worker.free_stake = free_stake;
        worker.record.add(&Fact::Staked { amount: free_stake });
        Ok(())
    }
}

/// Do a worker's answers in earlier rounds of a task still hold?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    /// Yes: what it passed on for good is not offered again.
    Kept,
    /// No: it is a new session.
    Forgotten,
}
