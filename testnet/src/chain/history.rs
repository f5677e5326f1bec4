//! Reading blocks and transactions.

use tycho_types::models::{MsgInfo, StdAddr};

use super::block::{Block, TxRecord};
use super::store::Order;
use super::{Chain, ChainError};

/// How many transactions after a message's creation are searched for its delivery. Delivery comes
/// within a block or two, so only a flood of external messages to one account could get between.
const LOCATE_LIMIT: usize = 1_000;

impl Chain {
    /// Number of the oldest block kept besides genesis; one after the last where there is none.
    pub fn first_block(&self) -> u32 {
        self.store.first_block()
    }

    /// The block with this number.
    ///
    /// # Errors
    /// [`ChainError::Store`] if the store fails.
    pub fn block(&self, seqno: u32) -> Result<Option<Block>, ChainError> {
        if seqno == self.head.last.seqno {
            return Ok(Some(self.head.last.clone()));
        }
        self.store.block(seqno)
    }

    /// The first block for which `reached` holds: it must be false for all blocks before some number
    /// and true from there on. `None` too if that block may be one that is no longer kept.
    fn first_block_where(
        &self,
        reached: impl Fn(&Block) -> bool,
    ) -> Result<Option<Block>, ChainError> {
        let last = &self.head.last;
        if !reached(last) {
            return Ok(None);
        }
        if let Some(genesis) = self.block(0)?
            && reached(&genesis)
        {
            return Ok(Some(genesis));
        }
        let first = self.store.first_block().min(last.seqno);
        let (mut low, mut high) = (first, last.seqno);
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(block) = self.block(middle)? else { return Ok(None) };
            if reached(&block) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        if low == first && first > 1 { Ok(None) } else { self.block(low) }
    }

    /// The block that holds the logical time `lt`.
    ///
    /// # Errors
    /// [`ChainError::Store`] if the store fails.
    pub fn block_by_lt(&self, lt: u64) -> Result<Option<Block>, ChainError> {
        self.first_block_where(|block| block.end_lt >= lt)
    }

    /// The first block made at `utime` or later.
    ///
    /// # Errors
    /// [`ChainError::Store`] if the store fails.
    pub fn block_by_utime(&self, utime: u32) -> Result<Option<Block>, ChainError> {
        self.first_block_where(|block| block.gen_utime >= utime)
    }

    /// Up to `limit` transactions of an account with `from_lt <= lt <= to_lt`.
    ///
    /// # Errors
    /// [`ChainError::Store`] if the store fails.
    pub fn transactions(
        &self,
        address: &StdAddr,
        from_lt: u64,
        to_lt: u64,
        order: Order,
        limit: usize,
    ) -> Result<Vec<TxRecord>, ChainError> {
        self.store.transactions(address, from_lt, to_lt, order, limit)
    }

    /// The transaction of an account at exactly this logical time.
    ///
    /// # Errors
    /// [`ChainError::Store`] if the store fails.
    pub fn transaction(&self, address: &StdAddr, lt: u64) -> Result<Option<TxRecord>, ChainError> {
        self.store.transaction(address, lt)
    }

    /// The transaction that received the internal message `source` created at `created_lt`.
    ///
    /// # Errors
    /// [`ChainError::Store`] or [`ChainError::Cell`] if the store is damaged.
    pub fn locate_result(
        &self,
        source: &StdAddr,
        destination: &StdAddr,
        created_lt: u64,
    ) -> Result<Option<TxRecord>, ChainError> {
        let after = created_lt.saturating_add(1);
        let candidates =
            self.transactions(destination, after, u64::MAX, Order::OldestFirst, LOCATE_LIMIT)?;
        for record in candidates {
            let Some(message) = record.in_msg()? else { continue };
            let MsgInfo::Int(info) = &message.info else { continue };
            if info.created_lt == created_lt && info.src.as_std() == Some(source) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// The transaction that sent the internal message from `source` created at `created_lt`.
    ///
    /// # Errors
    /// [`ChainError::Store`] or [`ChainError::Cell`] if the store is damaged.
    pub fn locate_source(
        &self,
        source: &StdAddr,
        destination: &StdAddr,
        created_lt: u64,
    ) -> Result<Option<TxRecord>, ChainError> {
        // A message's time follows its transaction's, before the account's next one.
        let Some(record) = self.transactions(source, 0, created_lt, Order::NewestFirst, 1)?.pop()
        else {
            return Ok(None);
        };
        for message in record.out_msgs()? {
            if let MsgInfo::Int(info) = &message.info
                && info.created_lt == created_lt
                && info.dst.as_std() == Some(destination)
            {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}
