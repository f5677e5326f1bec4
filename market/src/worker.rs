//! A worker, as the market knows it.

use std::collections::BTreeSet;

use borsh::BorshSerialize;
use fog_protocol::{Address, Hash32, Nano, PublicKey, SealPublicKey, TaskId, tagged_hash};

use crate::{book::Handle, matching::Standing, reputation::Record};

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

    pub(crate) fn has_slot(&self) -> bool {
        self.in_hand.len() < usize::from(self.slots.max(1))
    }

    /// May it be offered a task now?
    pub(crate) fn is_available(&self) -> bool {
        self.presence == Presence::Online && self.has_slot()
    }

    pub(crate) fn digest(&self) -> Hash32 {
        let mut bytes = Vec::with_capacity(512);
        // Writing to a vector cannot fail.
        if self.serialize(&mut bytes).is_err() {
            bytes.clear();
        }
        tagged_hash("fog/market-worker/v1", &[&bytes])
    }
}
