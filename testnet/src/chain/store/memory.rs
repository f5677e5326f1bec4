//! The store of tests and of chains that need no tomorrow: plain maps, a bounded history.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;

use tycho_types::models::{ShardAccount, StdAddr};
use tycho_types::prelude::*;

use super::{Batch, Found, Head, Loaded, Order, QueueKey};
use crate::chain::block::{Block, TxRecord};
use crate::chain::{ChainConfig, Checkpoint, CheckpointName};

/// Transactions (and blocks) kept where nothing else is asked for: some hundred megabytes.
const HISTORY: u64 = 100_000;

#[derive(Debug)]
pub(crate) struct MemoryStore {
    history: u64,
    live: State,
    checkpoints: BTreeMap<CheckpointName, (Checkpoint, State)>,
}

/// A clone shares every cell with the original: it costs the maps alone.
#[derive(Debug, Clone, Default)]
struct State {
    accounts: BTreeMap<StdAddr, ShardAccount>,
    transactions: HashMap<StdAddr, BTreeMap<u64, TxRecord>>,
    genesis: Option<Block>,
    /// The last blocks, without genesis and without gaps.
    blocks: VecDeque<Block>,
    /// How many transactions those blocks hold.
    kept: u64,
    head: Option<Head>,
    queue: BTreeMap<QueueKey, Cell>,
    externals: BTreeMap<u64, Cell>,
}

impl MemoryStore {
    pub(crate) fn new(settings: &ChainConfig) -> Self {
        let history = settings.history.map_or(HISTORY, std::num::NonZeroU64::get);
        Self { history, live: State::default(), checkpoints: BTreeMap::new() }
    }

    pub(crate) fn apply(&mut self, batch: Batch, head: &Head) {
        let live = &mut self.live;
        change(&mut live.accounts, batch.accounts);
        change(&mut live.queue, batch.queue);
        change(&mut live.externals, batch.externals);
        for record in batch.transactions {
            let history = live.transactions.entry(record.address.clone()).or_default();
            history.insert(record.lt, record);
        }
        for block in batch.blocks {
            if block.seqno == 0 {
                live.genesis = Some(block);
            } else {
                live.kept += block.transactions.len() as u64;
                live.blocks.push_back(block);
            }
        }
        live.head = Some(head.clone());
        live.prune(self.history);
    }

    pub(crate) fn load(&self) -> Option<Loaded> {
        let State { head, queue, externals, .. } = &self.live;
        let head = head.clone()?;
        Some(Loaded { head, queue: queue.clone(), externals: externals.clone() })
    }

    pub(crate) fn account(&self, address: &StdAddr) -> Option<ShardAccount> {
        self.live.accounts.get(address).cloned()
    }

    pub(crate) fn accounts(
        &self,
        after: Option<&StdAddr>,
        limit: usize,
    ) -> Vec<(StdAddr, ShardAccount)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.live
            .accounts
            .range::<StdAddr, _>((start, Bound::Unbounded))
            .take(limit)
            .map(|(address, state)| (address.clone(), state.clone()))
            .collect()
    }

    pub(crate) fn first_block(&self) -> u32 {
        let last = self.live.head.as_ref().map_or(0, |head| head.last.seqno);
        self.live.blocks.front().map_or(last.saturating_add(1), |block| block.seqno)
    }

    pub(crate) fn block(&self, seqno: u32) -> Option<Block> {
        if seqno == 0 {
            return self.live.genesis.clone();
        }
        let first = self.live.blocks.front()?.seqno;
        self.live.blocks.get(usize::try_from(seqno.checked_sub(first)?).ok()?).cloned()
    }

    pub(crate) fn transactions(
        &self,
        address: &StdAddr,
        from_lt: u64,
        to_lt: u64,
        order: Order,
        limit: usize,
    ) -> Vec<TxRecord> {
        let Some(history) = self.live.transactions.get(address) else { return Vec::new() };
        let range = history.range(from_lt..=to_lt).map(|(_, record)| record);
        match order {
            Order::NewestFirst => range.rev().take(limit).cloned().collect(),
            Order::OldestFirst => range.take(limit).cloned().collect(),
        }
    }

    pub(crate) fn checkpoints(&self) -> Vec<Checkpoint> {
        self.checkpoints.values().map(|(checkpoint, _)| checkpoint.clone()).collect()
    }

    pub(crate) fn keep(&mut self, checkpoint: &Checkpoint) {
        let kept = (checkpoint.clone(), self.live.clone());
        self.checkpoints.insert(checkpoint.name.clone(), kept);
    }

    pub(crate) fn restore(&mut self, name: &CheckpointName) -> Found {
        let Some((_, state)) = self.checkpoints.get(name) else { return Found::No };
        self.live = state.clone();
        Found::Yes
    }

    pub(crate) fn forget(&mut self, name: &CheckpointName) -> Found {
        if self.checkpoints.remove(name).is_some() { Found::Yes } else { Found::No }
    }
}

impl State {
    /// Drops whole blocks, oldest first, until no more than `history` transactions and blocks
    /// are kept. The last block stays.
    fn prune(&mut self, history: u64) {
        while (self.kept > history || self.blocks.len() as u64 > history) && self.blocks.len() > 1 {
            let Some(block) = self.blocks.pop_front() else { return };
            self.kept = self.kept.saturating_sub(block.transactions.len() as u64);
            for tx in block.transactions {
                let Some(of_account) = self.transactions.get_mut(&tx.address) else { continue };
                of_account.remove(&tx.lt);
                if of_account.is_empty() {
                    self.transactions.remove(&tx.address);
                }
            }
        }
    }
}

fn change<K: Ord, V>(map: &mut BTreeMap<K, V>, changes: BTreeMap<K, Option<V>>) {
    for (key, value) in changes {
        match value {
            Some(value) => {
                map.insert(key, value);
            }
            None => {
                map.remove(&key);
            }
        }
    }
}
