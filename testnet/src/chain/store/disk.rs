//! The store of a long-lived testnet: one redb file, one redb transaction a batch.

use std::collections::BTreeMap;
use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tycho_types::boc::BocRepr;
use tycho_types::cell::Lazy;
use tycho_types::models::{ShardAccount, StdAddr};
use tycho_types::prelude::*;

use super::{Batch, Head, Order, QueueKey, Totals};
use crate::chain::ChainError;
use crate::chain::block::{Block, TxRecord, TxRef};

/// Sortable account key: workchain (sign bit flipped), then address.
type AccountKey = (u8, [u8; 32]);
type Hash = [u8; 32];
type TxKey = (u8, Hash, u64);
type TxRow<'a> = (u32, Hash, &'a [u8]);
type BlockRow<'a> = (u32, u64, u64, Hash, Hash, &'a [u8]);

const ACCOUNTS: TableDefinition<'_, AccountKey, &[u8]> = TableDefinition::new("accounts");
/// (account, logical time) to (block, transaction hash, BoC).
const TRANSACTIONS: TableDefinition<'_, TxKey, TxRow<'_>> = TableDefinition::new("transactions");
/// Number to (time, first lt, last lt, root hash, file hash, transactions as fixed-size entries).
const BLOCKS: TableDefinition<'_, u32, BlockRow<'_>> = TableDefinition::new("blocks");
const QUEUE: TableDefinition<'_, (u64, Hash), &[u8]> = TableDefinition::new("queue");
const HEAD: TableDefinition<'_, &str, u128> = TableDefinition::new("head");

/// Pages kept in memory. redb's own default is a gigabyte, which looks like a leak.
const CACHE_BYTES: usize = 16 << 20;
/// Bytes of one transaction reference in a block: workchain, address, lt, hash.
const TX_REF_LEN: usize = 1 + 32 + 8 + 32;

#[derive(Debug)]
pub(crate) struct DiskStore {
    db: Database,
}

impl DiskStore {
    pub(crate) fn open(dir: &Path) -> Result<Self, ChainError> {
        std::fs::create_dir_all(dir).map_err(store_error)?;
        let db = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(dir.join("chain.redb"))
            .map_err(store_error)?;
        let tx = db.begin_write().map_err(store_error)?;
        // Opening creates the tables, so reads never meet a missing one.
        tx.open_table(ACCOUNTS).map_err(store_error)?;
        tx.open_table(TRANSACTIONS).map_err(store_error)?;
        tx.open_table(BLOCKS).map_err(store_error)?;
        tx.open_table(QUEUE).map_err(store_error)?;
        tx.open_table(HEAD).map_err(store_error)?;
        tx.commit().map_err(store_error)?;
        Ok(Self { db })
    }

    pub(crate) fn apply(&self, batch: Batch) -> Result<(), ChainError> {
        let tx = self.db.begin_write().map_err(store_error)?;
        {
            let mut accounts = tx.open_table(ACCOUNTS).map_err(store_error)?;
            for (address, state) in &batch.accounts {
                let key = account_key(address);
                match state {
                    Some(state) => {
                        let boc = BocRepr::encode(state)?;
                        accounts.insert(key, boc.as_slice()).map_err(store_error)?;
                    }
                    None => {
                        accounts.remove(key).map_err(store_error)?;
                    }
                }
            }
            let mut transactions = tx.open_table(TRANSACTIONS).map_err(store_error)?;
            for record in &batch.transactions {
                let (workchain, address) = account_key(&record.address);
                let boc = Boc::encode(record.transaction.inner());
                transactions
                    .insert(
                        (workchain, address, record.lt),
                        (record.block, record.hash.0, boc.as_slice()),
                    )
                    .map_err(store_error)?;
            }
            let mut blocks = tx.open_table(BLOCKS).map_err(store_error)?;
            for block in &batch.blocks {
                let refs = encode_refs(&block.transactions);
                let row = (
                    block.gen_utime,
                    block.start_lt,
                    block.end_lt,
                    block.root_hash.0,
                    block.file_hash.0,
                    refs.as_slice(),
                );
                blocks.insert(block.seqno, row).map_err(store_error)?;
            }
            let mut queue = tx.open_table(QUEUE).map_err(store_error)?;
            for ((lt, hash), message) in &batch.queue {
                match message {
                    Some(message) => {
                        let boc = Boc::encode(message);
                        queue.insert((*lt, hash.0), boc.as_slice()).map_err(store_error)?;
                    }
                    None => {
                        queue.remove((*lt, hash.0)).map_err(store_error)?;
                    }
                }
            }
            let mut head = tx.open_table(HEAD).map_err(store_error)?;
            for (name, value) in head_fields(&batch.head) {
                head.insert(name, value).map_err(store_error)?;
            }
        }
        tx.commit().map_err(store_error)
    }

    pub(crate) fn head(&self) -> Result<Option<Head>, ChainError> {
        let tx = self.db.begin_read().map_err(store_error)?;
        let table = tx.open_table(HEAD).map_err(store_error)?;
        let field = |name: &'static str| -> Result<Option<u128>, ChainError> {
            Ok(table.get(name).map_err(store_error)?.map(|value| value.value()))
        };
        let narrow = |value: u128| u64::try_from(value).map_err(store_error);
        let Some(supply) = field("supply")? else { return Ok(None) };
        let required = |name: &'static str| {
            field(name)?.ok_or_else(|| ChainError::Store(format!("head lacks {name}")))
        };
        Ok(Some(Head {
            clock_offset: narrow(required("clock_offset")?)?,
            totals: Totals {
                supply,
                network_fees_collected: required("fees")?,
                burned: required("burned")?,
                in_flight: required("in_flight")?,
                blocks: narrow(required("blocks")?)?,
                transactions: narrow(required("transactions")?)?,
            },
        }))
    }

    pub(crate) fn queue(&self) -> Result<BTreeMap<QueueKey, Cell>, ChainError> {
        let tx = self.db.begin_read().map_err(store_error)?;
        let table = tx.open_table(QUEUE).map_err(store_error)?;
        let mut queue = BTreeMap::new();
        for row in table.iter().map_err(store_error)? {
            let (key, value) = row.map_err(store_error)?;
            let (lt, hash) = key.value();
            let message = Boc::decode(value.value()).map_err(store_error)?;
            queue.insert((lt, HashBytes(hash)), message);
        }
        Ok(queue)
    }

    pub(crate) fn account(&self, address: &StdAddr) -> Result<Option<ShardAccount>, ChainError> {
        let tx = self.db.begin_read().map_err(store_error)?;
        let table = tx.open_table(ACCOUNTS).map_err(store_error)?;
        match table.get(account_key(address)).map_err(store_error)? {
            Some(boc) => Ok(Some(decode_account(boc.value())?)),
            None => Ok(None),
        }
    }

    pub(crate) fn accounts(
        &self,
        after: Option<&StdAddr>,
        limit: usize,
    ) -> Result<Vec<(StdAddr, ShardAccount)>, ChainError> {
        let tx = self.db.begin_read().map_err(store_error)?;
        let table = tx.open_table(ACCOUNTS).map_err(store_error)?;
        let start = after.map(account_key);
        let rows = match start {
            Some(key) => table.range(key..),
            None => table.iter(),
        }
        .map_err(store_error)?;
        let mut accounts = Vec::new();
        for row in rows {
            if accounts.len() >= limit {
                break;
            }
            let (key, value) = row.map_err(store_error)?;
            if start == Some(key.value()) {
                continue;
            }
            accounts.push((address_of(key.value()), decode_account(value.value())?));
        }
        Ok(accounts)
    }

    pub(crate) fn block(&self, seqno: u32) -> Result<Option<Block>, ChainError> {
        let tx = self.db.begin_read().map_err(store_error)?;
        let table = tx.open_table(BLOCKS).map_err(store_error)?;
        let Some(row) = table.get(seqno).map_err(store_error)? else { return Ok(None) };
        let (gen_utime, start_lt, end_lt, root_hash, file_hash, refs) = row.value();
        Ok(Some(Block {
            seqno,
            gen_utime,
            start_lt,
            end_lt,
            root_hash: HashBytes(root_hash),
            file_hash: HashBytes(file_hash),
            transactions: decode_refs(refs)?,
        }))
    }

    pub(crate) fn transactions(
        &self,
        address: &StdAddr,
        from_lt: u64,
        to_lt: u64,
        order: Order,
        limit: usize,
    ) -> Result<Vec<TxRecord>, ChainError> {
        let tx = self.db.begin_read().map_err(store_error)?;
        let table = tx.open_table(TRANSACTIONS).map_err(store_error)?;
        let (workchain, hash) = account_key(address);
        let mut range = table
            .range((workchain, hash, from_lt)..=(workchain, hash, to_lt))
            .map_err(store_error)?;
        let mut records = Vec::new();
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
                lt: key.value().2,
                hash: HashBytes(hash),
                block,
                transaction: Lazy::from_raw(Boc::decode(boc).map_err(store_error)?)?,
            });
        }
        Ok(records)
    }
}

fn head_fields(head: &Head) -> [(&'static str, u128); 7] {
    let totals = &head.totals;
    [
        ("clock_offset", u128::from(head.clock_offset)),
        ("supply", totals.supply),
        ("fees", totals.network_fees_collected),
        ("burned", totals.burned),
        ("in_flight", totals.in_flight),
        ("blocks", u128::from(totals.blocks)),
        ("transactions", u128::from(totals.transactions)),
    ]
}

fn account_key(address: &StdAddr) -> AccountKey {
    (address.workchain.cast_unsigned() ^ 0x80, address.address.0)
}

fn address_of((workchain, address): AccountKey) -> StdAddr {
    StdAddr::new((workchain ^ 0x80).cast_signed(), HashBytes(address))
}

fn decode_account(boc: &[u8]) -> Result<ShardAccount, ChainError> {
    BocRepr::decode(boc).map_err(store_error)
}

fn encode_refs(refs: &[TxRef]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(refs.len() * TX_REF_LEN);
    for entry in refs {
        let (workchain, address) = account_key(&entry.address);
        bytes.push(workchain);
        bytes.extend_from_slice(&address);
        bytes.extend_from_slice(&entry.lt.to_be_bytes());
        bytes.extend_from_slice(entry.hash.as_slice());
    }
    bytes
}

fn decode_refs(bytes: &[u8]) -> Result<Vec<TxRef>, ChainError> {
    let damaged = || ChainError::Store("damaged list of transactions".to_owned());
    let (entries, []) = bytes.as_chunks::<TX_REF_LEN>() else { return Err(damaged()) };
    let mut refs = Vec::with_capacity(entries.len());
    for entry in entries {
        let [workchain, rest @ ..] = entry;
        let (address, rest) = rest.split_first_chunk::<32>().ok_or_else(damaged)?;
        let (lt, hash) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        let hash = <[u8; 32]>::try_from(hash).map_err(|_| damaged())?;
        refs.push(TxRef {
            address: address_of((*workchain, *address)),
            lt: u64::from_be_bytes(*lt),
            hash: HashBytes(hash),
        });
    }
    Ok(refs)
}

fn store_error(error: impl std::fmt::Display) -> ChainError {
    ChainError::Store(error.to_string())
}
