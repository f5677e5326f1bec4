//! Where the chain's state lives: in memory, or in one redb file.
//!
//! Both take the same [`Batch`]: everything whole blocks changed, applied at once.

mod disk;
mod memory;

use std::collections::BTreeMap;
use std::path::Path;

use tycho_types::models::{ShardAccount, StdAddr};
use tycho_types::prelude::*;

use super::ChainError;
use super::block::{Block, TxRecord};
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

/// What the chain needs to know to go on after a restart, besides accounts and queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// Seconds the clock was warped by.
    pub(crate) clock_offset: u64,
    /// The sums.
    pub(crate) totals: Totals,
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
    /// The head afterwards.
    pub(crate) head: Head,
}

/// The store.
#[derive(Debug)]
pub(crate) enum Store {
    Memory(MemoryStore),
    Disk(DiskStore),
}

impl Store {
    pub(crate) fn in_memory() -> Self {
        Self::Memory(MemoryStore::default())
    }

    pub(crate) fn open(dir: &Path) -> Result<Self, ChainError> {
        Ok(Self::Disk(DiskStore::open(dir)?))
    }

    pub(crate) fn apply(&mut self, batch: Batch) -> Result<(), ChainError> {
        match self {
            Self::Memory(store) => {
                store.apply(batch);
                Ok(())
            }
            Self::Disk(store) => store.apply(batch),
        }
    }

    /// The saved head; `None` if the store is new.
    pub(crate) fn head(&self) -> Result<Option<Head>, ChainError> {
        match self {
            Self::Memory(store) => Ok(store.head()),
            Self::Disk(store) => store.head(),
        }
    }

    /// All messages not delivered yet.
    pub(crate) fn queue(&self) -> Result<BTreeMap<QueueKey, Cell>, ChainError> {
        match self {
            // A memory store is always new when it is asked.
            Self::Memory(_) => Ok(BTreeMap::new()),
            Self::Disk(store) => store.queue(),
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
}

/// In which order transactions of an account are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Largest logical time first.
    NewestFirst,
    /// Smallest logical time first.
    OldestFirst,
}
