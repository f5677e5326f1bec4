//! A worker, as the market knows it.

use std::collections::{BTreeMap, BTreeSet};

use borsh::BorshSerialize;
use fog_protocol::{Address, Hash32, Nano, PublicKey, SealPublicKey, TaskId, tagged_hash};

use crate::{book::Handle, matching::Standing, pledge::Pledge, reputation::Record};

/// Is a worker connected?
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize)]
pub enum Presence {
    /// Yes.
    Online,
    /// No.
    Offline,
}

/// A worker. Amounts are nanogram, counts since the log began.
#[derive(Debug, BorshSerialize)]
pub struct Worker {
    pub(crate) address: Address,
    pub(crate) stake: Address,
    pub(crate) session: PublicKey,
    pub(crate) seal_key: SealPublicKey,
    pub(crate) presence: Presence,
    /// Chain time since which it is so.
    pub(crate) since: u64,
    /// As last read, less what is known to be reserved since.
    pub(crate) free_stake: Nano,
    /// Matched, not yet reserved on chain.
    pub(crate) pending: Nano,
    pub(crate) slots: u16,
    pub(crate) assigned: u64,
    /// Accepted audits that are missing until the draw is trusted again; 0: not flagged.
    pub(crate) flagged: u32,
    pub(crate) record: Record,
    /// Its last ask, per 2^20 fuel.
    pub(crate) ask: Option<Nano>,
    /// Tasks matched or running: each takes a slot.
    pub(crate) in_hand: BTreeSet<TaskId>,
    /// Results being audited.
    pub(crate) audits: BTreeSet<TaskId>,
    /// Results that were not drawn and have no verdict yet.
    pub(crate) undrawn: BTreeSet<TaskId>,
    /// Stake it has reserved in bulk for the account rail. Hashed apart: see [`Worker::digest`].
    #[borsh(skip)]
    pub(crate) pledges: BTreeMap<TaskId, Pledge>,
    /// Results that were accepted without a look and are not paid yet. Hashed apart, too.
    #[borsh(skip)]
    pub(crate) unchecked: BTreeSet<TaskId>,
    /// Trusted session keys it had before the one it has. Hashed apart, too.
    #[borsh(skip)]
    pub(crate) known_by: BTreeSet<PublicKey>,
    /// Open tasks it was asked about or bids for.
    #[borsh(skip)]
    pub(crate) rounds: BTreeSet<TaskId>,
    #[borsh(skip)]
    pub(crate) indexed: WorkerIndex,
}

#[derive(Debug, Default)]
pub(crate) struct WorkerIndex {
    pub(crate) ask: Option<(Nano, Handle)>,
    pub(crate) digest: Hash32,
}

impl Worker {
    /// Owner wallet.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Its stake contract.
    #[must_use]
    pub const fn stake(&self) -> Address {
        self.stake
    }

    /// The session key that signs its bids and commitments.
    #[must_use]
    pub const fn session(&self) -> PublicKey {
        self.session
    }

    /// What payloads are sealed to.
    #[must_use]
    pub const fn seal_key(&self) -> SealPublicKey {
        self.seal_key
    }

    /// Connected?
    #[must_use]
    pub const fn presence(&self) -> Presence {
        self.presence
    }

    /// Stake a new bid may reserve: as last read, less everything the market has reserved since.
    #[must_use]
    pub const fn free_stake(&self) -> Nano {
        self.free_stake.saturating_sub(self.pending)
    }

    /// Assignments so far.
    #[must_use]
    pub const fn assigned(&self) -> u64 {
        self.assigned
    }

    /// Is everything it returns checked because it was caught?
    #[must_use]
    pub const fn is_flagged(&self) -> bool {
        self.flagged > 0
    }

    pub(crate) const fn standing(&self) -> Standing {
        if self.is_flagged() { Standing::Caught } else { Standing::Clear }
    }

    /// Where it stands among those that are asked for bids, by price: a worker whose price is
    /// unknown is asked first, so newcomers are found out about; one that was caught last.
    pub(crate) fn asking_rank(&self) -> Nano {
        match self.standing() {
            Standing::Clear => self.ask.unwrap_or(Nano::ZERO),
            Standing::Caught => Nano::MAX,
        }
    }

    /// Assignments that are still always audited, of `probation` in all.
    #[must_use]
    pub fn probation_left(&self, probation: u32) -> u32 {
        u32::try_from(u64::from(probation).saturating_sub(self.assigned)).unwrap_or(u32::MAX)
    }

    /// The sum of its settled facts.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// Its reputation, 0 to 1,000,000.
    #[must_use]
    pub fn reputation_ppm(&self) -> u32 {
        self.record.score()
    }

    /// Tasks matched with it or running.
    #[must_use]
    pub fn in_hand(&self) -> impl ExactSizeIterator<Item = TaskId> + '_ {
        self.in_hand.iter().copied()
    }

    /// Its pledges, by the tasks that hold their stake.
    pub fn pledges(&self) -> impl ExactSizeIterator<Item = (&TaskId, &Pledge)> {
        self.pledges.iter()
    }

    /// The most that one pledge could stand for, for a task that is over by `until`.
    #[must_use]
    pub fn pledge_room(&self, now: u64, until: u64) -> Nano {
        let rooms = self.pledges.values().map(|pledge| pledge.room(now, until));
        rooms.max().unwrap_or(Nano::ZERO)
    }

    /// Has the pledge that ends first, of those that can, stand for a task.
    pub(crate) fn back(&mut self, task: TaskId, needs: Nano, now: u64, until: u64) {
        let able = self.pledges.values_mut().filter(|pledge| pledge.takes(needs, now, until));
        if let Some(pledge) = able.min_by_key(|pledge| pledge.judge_by()) {
            pledge.back(task, needs, now, until);
        }
    }

    /// No pledge stands for the task any more.
    pub(crate) fn unback(&mut self, task: &TaskId) {
        self.pledges.values_mut().for_each(|pledge| pledge.release(task));
    }

    /// The pledge that stands for a task.
    #[must_use]
    pub fn pledge_of(&self, task: &TaskId) -> Option<TaskId> {
        let mut pledges = self.pledges.iter();
        pledges.find(|(_, pledge)| pledge.backs(task)).map(|(id, _)| *id)
    }

    pub(crate) fn has_slot(&self) -> bool {
        self.in_hand.len() < usize::from(self.slots.max(1))
    }

    /// May it be offered a task now?
    pub(crate) fn is_available(&self) -> bool {
        self.presence == Presence::Online && self.has_slot()
    }

    pub(crate) fn digest(&self) -> Hash32 {
        let mut bytes = Vec::with_capacity(512);
        // Without pledges as it was before there were any: the state of an older log has that hash.
        let pledges = (!self.pledges.is_empty()).then_some(&self.pledges);
        // Writing to a vector cannot fail.
        let written = self.serialize(&mut bytes);
        let unchecked = (!self.unchecked.is_empty()).then_some((u8::MAX, &self.unchecked));
        let known_by = (!self.known_by.is_empty()).then_some((u8::MAX - 1, &self.known_by));
        let written = written
            .and_then(|()| pledges.map_or(Ok(()), |all| all.serialize(&mut bytes)))
            .and_then(|()| unchecked.map_or(Ok(()), |all| all.serialize(&mut bytes)))
            .and_then(|()| known_by.map_or(Ok(()), |all| all.serialize(&mut bytes)));
        if written.is_err() {
            bytes.clear();
        }
        tagged_hash("fog/market-worker/v1", &[&bytes])
    }
}
