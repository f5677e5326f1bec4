//! The store of tests: plain maps.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use tycho_types::models::{ShardAccount, StdAddr};

use super::{Batch, Head, Order};
use crate::chain::block::{Block, TxRecord};

#[derive(Debug, Default)]
pub(crate) struct MemoryStore {
    accounts: BTreeMap<StdAddr, ShardAccount>,
    transactions: HashMap<StdAddr, BTreeMap<u64, TxRecord>>,
    blocks: Vec<Block>,
    head: Option<Head>,
}

impl MemoryStore {
    pub(crate) fn apply(&mut self, batch: Batch) {
        for (address, state) in batch.accounts {
            match state {
                Some(state) => {
                    self.accounts.insert(address, state);
                }
                None => {
                    self.accounts.remove(&address);
                }
            }
        }
        for record in batch.transactions {
            let history = self.transactions.entry(record.address.clone()).or_default();
            history.insert(record.lt, record);
        }
        self.blocks.extend(batch.blocks);
        self.head = Some(batch.head);
    }

    pub(crate) fn head(&self) -> Option<Head> {
        self.head
    }

    pub(crate) fn account(&self, address: &StdAddr) -> Option<ShardAccount> {
        self.accounts.get(address).cloned()
    }

    pub(crate) fn accounts(
        &self,
        after: Option<&StdAddr>,
        limit: usize,
    ) -> Vec<(StdAddr, ShardAccount)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.accounts
            .range::<StdAddr, _>((start, Bound::Unbounded))
            .take(limit)
            .map(|(address, state)| (address.clone(), state.clone()))
            .collect()
    }

    pub(crate) fn block(&self, seqno: u32) -> Option<Block> {
        self.blocks.get(usize::try_from(seqno).ok()?).cloned()
    }

    pub(crate) fn transactions(
        &self,
        address: &StdAddr,
        from_lt: u64,
        to_lt: u64,
        order: Order,
        limit: usize,
    ) -> Vec<TxRecord> {
        let Some(history) = self.transactions.get(address) else { return Vec::new() };
        let range = history.range(from_lt..=to_lt).map(|(_, record)| record);
        match order {
            Order::NewestFirst => range.rev().take(limit).cloned().collect(),
            Order::OldestFirst => range.take(limit).cloned().collect(),
        }
    }
}
