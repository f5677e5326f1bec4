//! The tables, and how values become rows.

use redb::TableDefinition;
use tycho_types::boc::BocRepr;
use tycho_types::models::{ShardAccount, StdAddr};
use tycho_types::prelude::*;

use crate::chain::ChainError;
use crate::chain::block::{Block, TxRef};

/// Which copy of the state a row belongs to: [`LIVE`], or a checkpoint's.
pub(super) type Slot = u32;
/// Which stretch of history a row belongs to. A checkpoint ends a stretch; what grows from it is a
/// stretch of its own, so that stretches are shared and never change once something grew from them.
pub(super) type Stretch = u32;
pub(super) type Hash = [u8; 32];
/// Slot, then a sortable address: workchain (sign bit flipped), hash.
pub(super) type AccountKey = (Slot, u8, Hash);
pub(super) type TxKey = (Stretch, u8, Hash, u64);
pub(super) type TxRow<'a> = (u32, Hash, &'a [u8]);
/// Time, first lt, last lt, root hash, file hash, transactions of the chain up to its end, its own
/// transactions as entries of fixed size.
pub(super) type BlockRow<'a> = (u32, u64, u64, Hash, Hash, u64, &'a [u8]);
/// Slot, stretch, number and time of the last block, state hash.
pub(super) type CheckpointRow = (Slot, Stretch, u32, u32, Hash);

/// The state that goes on.
pub(super) const LIVE: Slot = 0;
/// Stands for "no parent".
pub(super) const ROOT: Stretch = Stretch::MAX;

pub(super) type Table<K, V> = TableDefinition<'static, K, V>;

pub(super) const META: Table<&str, u64> = Table::new("meta");
pub(super) const HEAD: Table<(Slot, &str), u128> = Table::new("head");
/// The last block of each slot: it must be there even if history does not reach back to it.
pub(super) const LAST: Table<Slot, (u32, BlockRow<'_>)> = Table::new("last");
pub(super) const ACCOUNTS: Table<AccountKey, &[u8]> = Table::new("accounts");
pub(super) const QUEUE: Table<(Slot, u64, Hash), &[u8]> = Table::new("queue");
pub(super) const EXTERNALS: Table<(Slot, u64), &[u8]> = Table::new("externals");
/// Stretch to its parent and the number of its first block.
pub(super) const STRETCHES: Table<Stretch, (Stretch, u32)> = Table::new("stretches");
pub(super) const BLOCKS: Table<(Stretch, u32), BlockRow<'_>> = Table::new("blocks");
pub(super) const TRANSACTIONS: Table<TxKey, TxRow<'_>> = Table::new("transactions");
pub(super) const CHECKPOINTS: Table<&str, CheckpointRow> = Table::new("checkpoints");

/// Bytes of one transaction reference in a block: workchain, address, lt, hash.
const TX_REF_LEN: usize = 1 + 32 + 8 + 32;

pub(super) fn address_key(address: &StdAddr) -> (u8, Hash) {
    (address.workchain.cast_unsigned() ^ 0x80, address.address.0)
}

pub(super) fn address_of(workchain: u8, address: Hash) -> StdAddr {
    StdAddr::new((workchain ^ 0x80).cast_signed(), HashBytes(address))
}

pub(super) fn decode_account(boc: &[u8]) -> Result<ShardAccount, ChainError> {
    BocRepr::decode(boc).map_err(damaged)
}

pub(super) fn decode_cell(boc: &[u8]) -> Result<Cell, ChainError> {
    Boc::decode(boc).map_err(damaged)
}

/// A block's row; `refs` is [`encode_refs`] of it.
pub(super) fn block_row<'a>(block: &Block, total: u64, refs: &'a [u8]) -> BlockRow<'a> {
    let Block { gen_utime, start_lt, end_lt, root_hash, file_hash, .. } = block;
    (*gen_utime, *start_lt, *end_lt, root_hash.0, file_hash.0, total, refs)
}

pub(super) fn block_of(seqno: u32, row: BlockRow<'_>) -> Result<Block, ChainError> {
    let (gen_utime, start_lt, end_lt, root_hash, file_hash, _, refs) = row;
    Ok(Block {
        seqno,
        gen_utime,
        start_lt,
        end_lt,
        root_hash: HashBytes(root_hash),
        file_hash: HashBytes(file_hash),
        transactions: decode_refs(refs)?,
    })
}

pub(super) fn encode_refs(refs: &[TxRef]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(refs.len() * TX_REF_LEN);
    for entry in refs {
        let (workchain, address) = address_key(&entry.address);
        bytes.push(workchain);
        bytes.extend_from_slice(&address);
        bytes.extend_from_slice(&entry.lt.to_be_bytes());
        bytes.extend_from_slice(entry.hash.as_slice());
    }
    bytes
}

pub(super) fn decode_refs(bytes: &[u8]) -> Result<Vec<TxRef>, ChainError> {
    let wrong = || damaged("list of transactions");
    let (entries, []) = bytes.as_chunks::<TX_REF_LEN>() else { return Err(wrong()) };
    let mut refs = Vec::with_capacity(entries.len());
    for entry in entries {
        let [workchain, rest @ ..] = entry;
        let (address, rest) = rest.split_first_chunk::<32>().ok_or_else(wrong)?;
        let (lt, hash) = rest.split_first_chunk::<8>().ok_or_else(wrong)?;
        let hash = <[u8; 32]>::try_from(hash).map_err(|_| wrong())?;
        refs.push(TxRef {
            address: address_of(*workchain, *address),
            lt: u64::from_be_bytes(*lt),
            hash: HashBytes(hash),
        });
    }
    Ok(refs)
}

/// How many transactions a row's list holds.
pub(super) fn count(refs: &[u8]) -> u64 {
    (refs.len() / TX_REF_LEN) as u64
}

/// A row that does not read.
pub(super) fn damaged(what: impl std::fmt::Display) -> ChainError {
    ChainError::Store(format!("the chain's file is damaged: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_read_as_rows_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(refs) = decode_refs(&bytes) {
                prop_assert_eq!(encode_refs(&refs), bytes.clone());
                prop_assert_eq!(count(&bytes), refs.len() as u64);
            }
            let _ = decode_account(&bytes);
            let _ = decode_cell(&bytes);
        }
    }
}
