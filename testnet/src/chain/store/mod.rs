//! Where the chain's state lives: in memory, or in one redb file.
//!
//! Both take the same [`Batch`]: everything whole blocks changed, applied at once. Both keep
//! checkpoints: copies of the state under a name, which share the history they have in common.

mod disk;
mod memory;

use std::collections::BTreeMap;
use std::path::Path;

use tycho_types::models::{ShardAccount, StdAddr};
use tycho_types::prelude::*;

use super::block::{Block, TxRecord};
use super::{ChainConfig, ChainError, Checkpoint, CheckpointName};
use disk::DiskStore;
use memory::MemoryStore;

/// Place of a message in the queue: creation time first, then hash, as on TON.
pub(crate) type QueueKey = (u64, HashBytes);

/// The chain's sums. All amounts are nano.
///
/// Always: `supply == balances of all accounts + in_flight + network_fees_collected + burned`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// What genesis and [`super::Chain::inject`] created.
    pub supply: u128,
    /// All transactions' total fees and the forwarding fees of delivered messages.
    pub network_fees_collected: u128,
    /// What went to the burn address or vanished with a deleted account.
    pub burned: u128,
    /// Value and forwarding fees of messages not delivered yet.
    pub in_flight: u128,
    /// How many blocks there are, genesis included.
    pub blocks: u64,
    /// How many transactions there are.
    pub transactions: u64,
}

/// What the chain needs to know to go on after a restart, besides accounts and messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// Seconds the clock was warped by.
    pub(crate) clock_offset: u64,
    /// Place of the next external message in the pool.
    pub(crate) next_external: u64,
    /// The sums.
    pub(crate) totals: Totals,
    /// The last block.
    pub(crate) last: Block,
}

/// Everything but accounts and history, as it is kept in memory while the chain runs.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) head: Head,
    /// Messages not delivered yet.
    pub(crate) queue: BTreeMap<QueueKey, Cell>,
    /// External messages waiting for a block, in the order they came.
    pub(crate) externals: BTreeMap<u64, Cell>,
}

/// What one or more whole blocks changed.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// New account states; `None` where the account was deleted.
    pub(crate) accounts: BTreeMap<StdAddr, Option<ShardAccount>>,
    /// New transactions.
    pub(crate) transactions: Vec<TxRecord>,
    /// New blocks, in order.
    pub(crate) blocks: Vec<Block>,
    /// Messages created (`Some`) and delivered (`None`).
    pub(crate) queue: BTreeMap<QueueKey, Option<Cell>>,
    /// External messages taken in (`Some`) and executed or dropped (`None`).
    pub(crate) externals: BTreeMap<u64, Option<Cell>>,
}

/// The store.
#[derive(Debug)]
pub(crate) enum Store {
    Memory(Box<MemoryStore>),
    Disk(DiskStore),
}

impl Store {
    pub(crate) fn in_memory(settings: &ChainConfig) -> Self {
        Self::Memory(Box::new(MemoryStore::new(settings)))
    }

    pub(crate) fn open(settings: &ChainConfig, dir: &Path) -> Result<Self, ChainError> {
        Ok(Self::Disk(DiskStore::open(settings, dir)?))
    }

    /// Writes a batch and the head after it, at once or not at all.
    pub(crate) fn apply(&mut self, batch: Batch, head: &Head) -> Result<(), ChainError> {
        match self {
            Self::Memory(store) => {
                store.apply(batch, head);
                Ok(())
            }
            Self::Disk(store) => store.apply(&batch, head),
        }
    }

    /// What was saved last; `None` if the store is new. Opens the file again if a write failed.
    pub(crate) fn load(&mut self) -> Result<Option<Loaded>, ChainError> {
        match self {
            Self::Memory(store) => Ok(store.load()),
            Self::Disk(store) => store.load(),
        }
    }

    pub(crate) fn account(&self, address: &StdAddr) -> Result<Option<ShardAccount>, ChainError> {
        match self {
            Self::Memory(store) => Ok(store.account(address)),
            Self::Disk(store) => store.account(address),
        }
    }

    /// Up to `limit` accounts after `after`, in address order.
    pub(crate) fn accounts(
        &self,
        after: Option<&StdAddr>,
        limit: usize,
    ) -> Result<Vec<(StdAddr, ShardAccount)>, ChainError> {
        match self {
            Self::Memory(store) => Ok(store.accounts(after, limit)),
            Self::Disk(store) => store.accounts(after, limit),
        }
    }

    /// Number of the oldest block kept besides genesis; one after the last where there is none.
    pub(crate) fn first_block(&self) -> u32 {
        match self {
            Self::Memory(store) => store.first_block(),
            Self::Disk(store) => store.first_block(),
        }
    }

    pub(crate) fn block(&self, seqno: u32) -> Result<Option<Block>, ChainError> {
        match self {
            Self::Memory(store) => Ok(store.block(seqno)),
            Self::Disk(store) => store.block(seqno),
        }
    }

    pub(crate) fn transaction(
        &self,
        address: &StdAddr,
        lt: u64,
    ) -> Result<Option<TxRecord>, ChainError> {
        Ok(self.transactions(address, lt, lt, Order::NewestFirst, 1)?.pop())
    }

    /// Up to `limit` transactions of an account with `from_lt <= lt <= to_lt`.
    pub(crate) fn transactions(
        &self,
        address: &StdAddr,
        from_lt: u64,
        to_lt: u64,
        order: Order,
        limit: usize,
    ) -> Result<Vec<TxRecord>, ChainError> {
        if from_lt > to_lt {
            return Ok(Vec::new());
        }
        match self {
            Self::Memory(store) => Ok(store.transactions(address, from_lt, to_lt, order, limit)),
            Self::Disk(store) => store.transactions(address, from_lt, to_lt, order, limit),
        }
    }

    /// All checkpoints, by name.
    pub(crate) fn checkpoints(&self) -> Result<Vec<Checkpoint>, ChainError> {
        match self {
            Self::Memory(store) => Ok(store.checkpoints()),
            Self::Disk(store) => store.checkpoints(),
        }
    }

    /// Keeps the saved state under a name, in place of an older one of that name.
    pub(crate) fn keep(&mut self, checkpoint: &Checkpoint) -> Result<(), ChainError> {
        match self {
            Self::Memory(store) => {
                store.keep(checkpoint);
                Ok(())
            }
            Self::Disk(store) => store.keep(checkpoint),
        }
    }

    /// Makes the state kept under `name` the saved one; false if there is none.
    pub(crate) fn restore(&mut self, name: &CheckpointName) -> Result<Found, ChainError> {
        match self {
            Self::Memory(store) => Ok(store.restore(name)),
            Self::Disk(store) => store.restore(name),
        }
    }

    /// Drops a checkpoint; false if there is none.
    pub(crate) fn forget(&mut self, name: &CheckpointName) -> Result<Found, ChainError> {
        match self {
            Self::Memory(store) => Ok(store.forget(name)),
            Self::Disk(store) => store.forget(name),
        }
    }
}

/// Whether a checkpoint was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// It was.
    Yes,
    /// There is none of that name.
    No,
}

/// In which order transactions of an account are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Largest logical time first.
    NewestFirst,
    /// Smallest logical time first.
    OldestFirst,
}
