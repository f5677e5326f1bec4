//! How much an account stores, and the hash of the dictionary that proves it for large accounts.

use tycho_types::dict::Dict;
use tycho_types::error::Error;
use tycho_types::models::{StorageExtra, StorageUsed};
use tycho_types::num::VarUint56;
use tycho_types::prelude::*;

use crate::cells::{CellCounter, Counted};

/// From so many cells (the account's root counted) the dictionary's hash is stored.
const CELLS_FOR_DICT: u64 = 26;

/// The storage part of an account: its slice without extra currencies, and what is known about it.
pub(super) struct Before<'a> {
    pub(super) used: StorageUsed,
    pub(super) extra: StorageExtra,
    pub(super) storage: CellSlice<'a>,
}

/// Computes what to store about the size of `storage`.
pub(super) fn measure(
    before: Option<Before<'_>>,
    storage: CellSlice<'_>,
    masterchain: bool,
) -> Result<(StorageUsed, StorageExtra), Error> {
    if let Some(before) = before
        && same_references(&before.storage, &storage)
        && (masterchain
            || before.extra != StorageExtra::None
            || before.used.cells.into_inner() < CELLS_FOR_DICT)
    {
        // Nothing below the root changed: only the root's bits are counted anew, whatever they
        // were before.
        let bits = before
            .used
            .bits
            .into_inner()
            .wrapping_sub(u64::from(before.storage.size_bits()))
            .wrapping_add(u64::from(storage.size_bits()));
        if bits > VarUint56::MAX.into_inner() {
            return Err(Error::IntOverflow);
        }
        let used = StorageUsed { cells: before.used.cells, bits: VarUint56::new(bits) };
        let extra = if masterchain { StorageExtra::None } else { before.extra };
        return Ok((used, extra));
    }
    let mut counter = CellCounter::default();
    for root in storage.references() {
        counter.add(root);
    }
    let stats = counter.stats();
    let cells = stats.cell_count + 1;
    let used = StorageUsed {
        cells: VarUint56::new(cells),
        bits: VarUint56::new(stats.bit_count + u64::from(storage.size_bits())),
    };
    let extra = if !masterchain && cells >= CELLS_FOR_DICT {
        StorageExtra::DictHash(dict_hash(counter)?)
    } else {
        StorageExtra::None
    };
    Ok((used, extra))
}

fn same_references(left: &CellSlice<'_>, right: &CellSlice<'_>) -> bool {
    left.size_refs() == right.size_refs()
        && left.references().zip(right.references()).all(|(left, right)| left == right)
}

/// An entry of the dictionary: 32 bits of references and 2 of Merkle depth.
struct Entry(Counted);

impl Store for Entry {
    fn store_into(&self, builder: &mut CellBuilder, _: &dyn CellContext) -> Result<(), Error> {
        builder.store_u32(self.0.references)?;
        builder.store_small_uint(self.0.merkle_depth, 2)
    }
}

fn dict_hash(counter: CellCounter<'_>) -> Result<HashBytes, Error> {
    let entries = counter
        .into_sorted()
        .into_iter()
        .map(|(hash, counted)| (hash, Entry(counted)))
        .collect::<Vec<_>>();
    let dict = Dict::<HashBytes, Entry>::try_from_sorted_slice(&entries)?;
    let root = dict.root().as_ref().ok_or(Error::InvalidData)?;
    Ok(*root.repr_hash())
}
