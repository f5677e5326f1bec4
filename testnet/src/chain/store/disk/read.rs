//! Reading the file.

use std::collections::BTreeMap;

use redb::{ReadTransaction, ReadableDatabase};
use tycho_types::cell::Lazy;
use tycho_types::models::{ShardAccount, StdAddr};
use tycho_types::prelude::*;

use super::rows::{
    ACCOUNTS, BLOCKS, EXTERNALS, HEAD, LAST, LIVE, META, QUEUE, ROOT, STRETCHES, TRANSACTIONS,
    address_key, address_of, block_of, count, damaged, decode_account, decode_cell,
};
use super::{DiskStore, Line, caught, store_error};
use crate::chain::ChainError;
use crate::chain::block::{Block, TxRecord};
use crate::chain::store::{Head, Loaded, Order, Totals};

impl DiskStore {
    fn read(&self) -> Result<ReadTransaction, ChainError> {
        self.db()?.begin_read().map_err(store_error)
    }

    /// The stretches of the live state, and how far back they are kept.
    pub(super) fn read_line(&self) -> Result<Line, ChainError> {
        caught(|| {
            let tx = self.read()?;
            let meta = tx.open_table(META).map_err(store_error)?;
            let tip =
                meta.get("tip").map_err(store_error)?.ok_or_else(|| damaged("no tip"))?.value();
            let table = tx.open_table(STRETCHES).map_err(store_error)?;
            let mut next = u32::try_from(tip).map_err(damaged)?;
            let mut stretches = Vec::new();
            while next != ROOT {
                let row = table.get(next).map_err(store_error)?;
                let (parent, first) = row.ok_or_else(|| damaged("a stretch is missing"))?.value();
                stretches.push((next, first));
                // Children are made after their parents: no circle even in a damaged file.
                if parent != ROOT && parent >= next {
                    return Err(damaged("stretches"));
                }
                next = parent;
            }
            stretches.reverse();

            let mut line = Line { stretches, first: 1, kept: 0 };
            let last = tx.open_table(LAST).map_err(store_error)?;
            let Some(last) = last.get(LIVE).map_err(store_error)? else { return Ok(line) };
            let (seqno, last) = last.value();
            line.first = seqno.saturating_add(1);
            let blocks = tx.open_table(BLOCKS).map_err(store_error)?;
            for (stretch, _) in &line.stretches {
                let mut range =
                    blocks.range((*stretch, 1)..=(*stretch, u32::MAX)).map_err(store_error)?;
                if let Some(row) = range.next() {
                    let (key, row) = row.map_err(store_error)?;
                    let (_, _, _, _, _, total, refs) = row.value();
                    line.first = key.value().1;
                    line.kept = (last.5 + count(refs)).saturating_sub(total);
                    break;
                }
            }
            Ok(line)
        })
    }

    pub(super) fn read_saved(&self) -> Result<Option<Loaded>, ChainError> {
        caught(|| {
            let tx = self.read()?;
            let last = tx.open_table(LAST).map_err(store_error)?;
            let Some(last) = last.get(LIVE).map_err(store_error)? else { return Ok(None) };
            let (seqno, row) = last.value();
            let last = block_of(seqno, row)?;
            let fields = tx.open_table(HEAD).map_err(store_error)?;
            let field = |name: &str| -> Result<u128, ChainError> {
                let value = fields.get((LIVE, name)).map_err(store_error)?;
                Ok(value.ok_or_else(|| damaged(format!("no {name}")))?.value())
            };
            let narrow = |name: &str| u64::try_from(field(name)?).map_err(damaged);
            let head = Head {
                clock_offset: narrow("clock_offset")?,
                next_external: narrow("next_external")?,
                totals: Totals {
                    supply: field("supply")?,
                    network_fees_collected: field("fees")?,
                    burned: field("burned")?,
                    in_flight: field("in_flight")?,
                    blocks: narrow("blocks")?,
                    transactions: narrow("transactions")?,
                },
                last,
            };

            let mut queue = BTreeMap::new();
            let table = tx.open_table(QUEUE).map_err(store_error)?;
            let range = (LIVE, 0, [0; 32])..(LIVE + 1, 0, [0; 32]);
            for row in table.range(range).map_err(store_error)? {
                let (key, value) = row.map_err(store_error)?;
                let (_, lt, hash) = key.value();
                queue.insert((lt, HashBytes(hash)), decode_cell(value.value())?);
            }
            let mut externals = BTreeMap::new();
            let table = tx.open_table(EXTERNALS).map_err(store_error)?;
            for row in table.range((LIVE, 0)..(LIVE + 1, 0)).map_err(store_error)? {
                let (key, value) = row.map_err(store_error)?;
                externals.insert(key.value().1, decode_cell(value.value())?);
            }
            Ok(Some(Loaded { head, queue, externals }))
        })
    }

    pub(crate) fn account(&self, address: &StdAddr) -> Result<Option<ShardAccount>, ChainError> {
        caught(|| {
            let table = self.read()?.open_table(ACCOUNTS).map_err(store_error)?;
            let (workchain, hash) = address_key(address);
            match table.get((LIVE, workchain, hash)).map_err(store_error)? {
                Some(boc) => Ok(Some(decode_account(boc.value())?)),
                None => Ok(None),
            }
        })
    }

    pub(crate) fn accounts(
        &self,
        after: Option<&StdAddr>,
        limit: usize,
    ) -> Result<Vec<(StdAddr, ShardAccount)>, ChainError> {
        caught(|| {
            let table = self.read()?.open_table(ACCOUNTS).map_err(store_error)?;
            let after = after.map(address_key);
            let (workchain, hash) = after.unwrap_or((0, [0; 32]));
            let rows = table
                .range((LIVE, workchain, hash)..=(LIVE, u8::MAX, [0xff; 32]))
                .map_err(store_error)?;
            let mut accounts = Vec::new();
            for row in rows {
                if accounts.len() >= limit {
                    break;
                }
                let (key, value) = row.map_err(store_error)?;
                let (_, workchain, hash) = key.value();
                if after == Some((workchain, hash)) {
                    continue;
                }
                accounts.push((address_of(workchain, hash), decode_account(value.value())?));
            }
            Ok(accounts)
        })
    }

    pub(crate) fn first_block(&self) -> u32 {
        self.line.first
    }

    pub(crate) fn block(&self, seqno: u32) -> Result<Option<Block>, ChainError> {
        caught(|| {
            let table = self.read()?.open_table(BLOCKS).map_err(store_error)?;
            let key = (self.line.stretch_of(seqno), seqno);
            match table.get(key).map_err(store_error)? {
                Some(row) => Ok(Some(block_of(seqno, row.value())?)),
                None => Ok(None),
            }
        })
    }

    pub(crate) fn transactions(
        &self,
        address: &StdAddr,
        from_lt: u64,
        to_lt: u64,
        order: Order,
        limit: usize,
    ) -> Result<Vec<TxRecord>, ChainError> {
        caught(|| {
            let table = self.read()?.open_table(TRANSACTIONS).map_err(store_error)?;
            let (workchain, hash) = address_key(address);
            let mut records = Vec::new();
            let mut stretches = self.line.stretches.iter();
            while records.len() < limit {
                // Logical times grow from stretch to stretch.
                let stretch = match order {
                    Order::NewestFirst => stretches.next_back(),
                    Order::OldestFirst => stretches.next(),
                };
                let Some((stretch, _)) = stretch else { break };
                let mut range = table
                    .range(
                        (*stretch, workchain, hash, from_lt)..=(*stretch, workchain, hash, to_lt),
                    )
                    .map_err(store_error)?;
                while records.len() < limit {
                    let row = match order {
                        Order::NewestFirst => range.next_back(),
                        Order::OldestFirst => range.next(),
                    };
                    let Some(row) = row else { break };
                    let (key, value) = row.map_err(store_error)?;
                    let (block, hash, boc) = value.value();
                    records.push(TxRecord {
                        address: address.clone(),
                        lt: key.value().3,
                        hash: HashBytes(hash),
                        block,
                        transaction: Lazy::from_raw(decode_cell(boc)?)?,
                    });
                }
            }
            Ok(records)
        })
    }
}
