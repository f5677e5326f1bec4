//! Checkpoints in the file: the state's rows are copied, the history's are shared.

use std::collections::BTreeSet;

use redb::{ReadableDatabase, ReadableTable, WriteTransaction};
use tycho_types::prelude::*;

use super::rows::{
    ACCOUNTS, BLOCKS, CHECKPOINTS, CheckpointRow, EXTERNALS, HEAD, LAST, LIVE, META, QUEUE, ROOT,
    STRETCHES, Slot, Stretch, TRANSACTIONS, damaged,
};
use super::{DiskStore, caught, store_error};
use crate::chain::store::Found;
use crate::chain::{ChainError, Checkpoint, CheckpointName};

/// Most stretches of one line: as many checkpoints may be made without a restore in between.
const MAX_STRETCHES: usize = 10_000;
/// Rows copied between two looks at the table.
const CHUNK: usize = 10_000;
const LAST_HASH: [u8; 32] = [0xff; 32];

impl DiskStore {
    pub(crate) fn checkpoints(&self) -> Result<Vec<Checkpoint>, ChainError> {
        caught(|| {
            let tx = self.db()?.begin_read().map_err(store_error)?;
            let table = tx.open_table(CHECKPOINTS).map_err(store_error)?;
            let mut checkpoints = Vec::new();
            for row in table.iter().map_err(store_error)? {
                let (name, row) = row.map_err(store_error)?;
                let (_, _, seqno, gen_utime, state_hash) = row.value();
                checkpoints.push(Checkpoint {
                    name: name.value().parse().map_err(damaged)?,
                    seqno,
                    gen_utime,
                    state_hash: HashBytes(state_hash),
                });
            }
            Ok(checkpoints)
        })
    }

    pub(crate) fn keep(&mut self, checkpoint: &Checkpoint) -> Result<(), ChainError> {
        let Some(&(tip, first)) = self.line.stretches.last() else { return Err(damaged("line")) };
        let parent = self.line.stretches.iter().rev().nth(1).map(|(id, _)| *id);
        let full = self.line.stretches.len() >= MAX_STRETCHES;
        self.write(|tx| {
            let slot = {
                let table = tx.open_table(CHECKPOINTS).map_err(store_error)?;
                free_slot(&table)?
            };
            copy_state(tx, LIVE, slot)?;
            let stretch = match parent {
                // Nothing was added since the stretch began: it needs no successor.
                Some(parent) if first > checkpoint.seqno => parent,
                _ if full => return Err(ChainError::Store("too many checkpoints".to_owned())),
                _ => {
                    grow(tx, tip, checkpoint.seqno)?;
                    tip
                }
            };
            let old = {
                let mut table = tx.open_table(CHECKPOINTS).map_err(store_error)?;
                let Checkpoint { name, seqno, gen_utime, state_hash } = checkpoint;
                let row = (slot, stretch, *seqno, *gen_utime, state_hash.0);
                let old = table.insert(name.as_str(), row).map_err(store_error)?;
                old.map(|old| old.value().0)
            };
            if let Some(old) = old {
                clear_state(tx, old)?;
                sweep(tx)?;
            }
            Ok(())
        })?;
        self.line = self.read_line()?;
        Ok(())
    }

    pub(crate) fn restore(&mut self, name: &CheckpointName) -> Result<Found, ChainError> {
        let found = self.write(|tx| {
            let Some((slot, stretch, seqno, ..)) = row_of(tx, name)? else { return Ok(Found::No) };
            clear_state(tx, LIVE)?;
            copy_state(tx, slot, LIVE)?;
            grow(tx, stretch, seqno)?;
            sweep(tx)?;
            Ok(Found::Yes)
        })?;
        self.line = self.read_line()?;
        Ok(found)
    }

    pub(crate) fn forget(&mut self, name: &CheckpointName) -> Result<Found, ChainError> {
        self.write(|tx| {
            let Some((slot, ..)) = row_of(tx, name)? else { return Ok(Found::No) };
            let mut table = tx.open_table(CHECKPOINTS).map_err(store_error)?;
            table.remove(name.as_str()).map_err(store_error)?;
            drop(table);
            clear_state(tx, slot)?;
            sweep(tx)?;
            Ok(Found::Yes)
        })
    }
}

fn row_of(
    tx: &WriteTransaction,
    name: &CheckpointName,
) -> Result<Option<CheckpointRow>, ChainError> {
    let table = tx.open_table(CHECKPOINTS).map_err(store_error)?;
    let row = table.get(name.as_str()).map_err(store_error)?;
    Ok(row.map(|row| row.value()))
}

/// The smallest slot no checkpoint uses.
fn free_slot(table: &impl ReadableTable<&'static str, CheckpointRow>) -> Result<Slot, ChainError> {
    let mut used = BTreeSet::from([LIVE]);
    for row in table.iter().map_err(store_error)? {
        used.insert(row.map_err(store_error)?.1.value().0);
    }
    (1..).find(|slot| !used.contains(slot)).ok_or_else(|| damaged("no free slot"))
}

/// Begins a stretch after the block `seqno` of `parent` and makes it the tip.
fn grow(tx: &WriteTransaction, parent: Stretch, seqno: u32) -> Result<(), ChainError> {
    let mut stretches = tx.open_table(STRETCHES).map_err(store_error)?;
    let newest = stretches.last().map_err(store_error)?.map_or(0, |(id, _)| id.value());
    let id = newest.checked_add(1).filter(|id| *id != ROOT).ok_or_else(|| damaged("stretches"))?;
    stretches.insert(id, (parent, seqno.saturating_add(1))).map_err(store_error)?;
    let mut meta = tx.open_table(META).map_err(store_error)?;
    meta.insert("tip", u64::from(id)).map_err(store_error)?;
    Ok(())
}

/// Copies the state's rows from one slot to another, which is empty.
fn copy_state(tx: &WriteTransaction, from: Slot, to: Slot) -> Result<(), ChainError> {
    let mut accounts = tx.open_table(ACCOUNTS).map_err(store_error)?;
    let mut next = Some((from, 0u8, [0u8; 32]));
    while let Some(start) = next.take() {
        let mut chunk = Vec::new();
        for row in accounts.range(start..=(from, u8::MAX, LAST_HASH)).map_err(store_error)? {
            let (key, value) = row.map_err(store_error)?;
            if chunk.len() == CHUNK {
                next = Some(key.value());
                break;
            }
            chunk.push((key.value(), value.value().to_vec()));
        }
        for ((_, workchain, hash), boc) in chunk {
            accounts.insert((to, workchain, hash), boc.as_slice()).map_err(store_error)?;
        }
    }
    // Messages on their way are bounded by the chain's own limits.
    let mut queue = tx.open_table(QUEUE).map_err(store_error)?;
    let mut rows = Vec::new();
    for row in queue.range((from, 0, [0; 32])..=(from, u64::MAX, LAST_HASH)).map_err(store_error)? {
        let (key, value) = row.map_err(store_error)?;
        rows.push((key.value(), value.value().to_vec()));
    }
    for ((_, lt, hash), boc) in rows {
        queue.insert((to, lt, hash), boc.as_slice()).map_err(store_error)?;
    }
    let mut externals = tx.open_table(EXTERNALS).map_err(store_error)?;
    let mut rows = Vec::new();
    for row in externals.range((from, 0)..=(from, u64::MAX)).map_err(store_error)? {
        let (key, value) = row.map_err(store_error)?;
        rows.push((key.value().1, value.value().to_vec()));
    }
    for (place, boc) in rows {
        externals.insert((to, place), boc.as_slice()).map_err(store_error)?;
    }
    let mut head = tx.open_table(HEAD).map_err(store_error)?;
    let mut fields = Vec::new();
    for row in head.range((from, "")..(from + 1, "")).map_err(store_error)? {
        let (key, value) = row.map_err(store_error)?;
        fields.push((key.value().1.to_owned(), value.value()));
    }
    for (name, value) in fields {
        head.insert((to, name.as_str()), value).map_err(store_error)?;
    }
    copy_last(tx, from, to)
}

fn copy_last(tx: &WriteTransaction, from: Slot, to: Slot) -> Result<(), ChainError> {
    let mut last = tx.open_table(LAST).map_err(store_error)?;
    let Some((seqno, row, refs)) = last.get(from).map_err(store_error)?.map(|found| {
        let (seqno, row) = found.value();
        (seqno, (row.0, row.1, row.2, row.3, row.4, row.5), row.6.to_vec())
    }) else {
        return Err(damaged("no last block"));
    };
    let row = (row.0, row.1, row.2, row.3, row.4, row.5, refs.as_slice());
    last.insert(to, (seqno, row)).map_err(store_error)?;
    Ok(())
}

/// Removes a slot's rows.
fn clear_state(tx: &WriteTransaction, slot: Slot) -> Result<(), ChainError> {
    let mut accounts = tx.open_table(ACCOUNTS).map_err(store_error)?;
    let all = (slot, 0, [0; 32])..=(slot, u8::MAX, LAST_HASH);
    accounts.retain_in(all, |_, _| false).map_err(store_error)?;
    let mut queue = tx.open_table(QUEUE).map_err(store_error)?;
    let all = (slot, 0, [0; 32])..=(slot, u64::MAX, LAST_HASH);
    queue.retain_in(all, |_, _| false).map_err(store_error)?;
    let mut externals = tx.open_table(EXTERNALS).map_err(store_error)?;
    externals.retain_in((slot, 0)..=(slot, u64::MAX), |_, _| false).map_err(store_error)?;
    let mut head = tx.open_table(HEAD).map_err(store_error)?;
    head.retain_in((slot, "")..(slot + 1, ""), |_, _| false).map_err(store_error)?;
    let mut last = tx.open_table(LAST).map_err(store_error)?;
    last.remove(slot).map_err(store_error)?;
    Ok(())
}

/// Removes the history that neither the live state nor a checkpoint grew from.
fn sweep(tx: &WriteTransaction) -> Result<(), ChainError> {
    let mut ends = BTreeSet::new();
    let meta = tx.open_table(META).map_err(store_error)?;
    let tip = meta.get("tip").map_err(store_error)?.ok_or_else(|| damaged("no tip"))?.value();
    ends.insert(u32::try_from(tip).map_err(damaged)?);
    let checkpoints = tx.open_table(CHECKPOINTS).map_err(store_error)?;
    for row in checkpoints.iter().map_err(store_error)? {
        ends.insert(row.map_err(store_error)?.1.value().1);
    }
    let mut stretches = tx.open_table(STRETCHES).map_err(store_error)?;
    let mut needed = BTreeSet::new();
    for end in ends {
        let mut next = end;
        while next != ROOT && needed.insert(next) {
            let row = stretches.get(next).map_err(store_error)?;
            next = row.ok_or_else(|| damaged("a stretch is missing"))?.value().0;
        }
    }
    let mut dead = Vec::new();
    for row in stretches.iter().map_err(store_error)? {
        let id = row.map_err(store_error)?.0.value();
        if !needed.contains(&id) {
            dead.push(id);
        }
    }
    let mut blocks = tx.open_table(BLOCKS).map_err(store_error)?;
    let mut transactions = tx.open_table(TRANSACTIONS).map_err(store_error)?;
    for id in dead {
        blocks.retain_in((id, 0)..=(id, u32::MAX), |_, _| false).map_err(store_error)?;
        let all = (id, 0, [0; 32], 0)..=(id, u8::MAX, LAST_HASH, u64::MAX);
        transactions.retain_in(all, |_, _| false).map_err(store_error)?;
        stretches.remove(id).map_err(store_error)?;
    }
    Ok(())
}
