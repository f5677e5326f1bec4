//! Sizes of cell trees as TON counts them.

use std::collections::HashMap;

use tycho_types::cell::CellTreeStats;
use tycho_types::prelude::*;

/// Merkle cells may be nested this deep in an account or a message.
pub(crate) const MAX_MERKLE_DEPTH: u8 = 2;
/// Deeper nesting is not told apart.
const MERKLE_DEPTH_LIMIT: u8 = 3;

/// One distinct cell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    /// How many references there are to it: from roots and from distinct cells.
    pub(crate) references: u32,
    /// How deep Merkle cells are nested in it.
    pub(crate) merkle_depth: u8,
}

/// The distinct cells of some trees.
#[derive(Debug, Default)]
pub(crate) struct CellCounter<'a> {
    cells: HashMap<&'a HashBytes, Counted>,
    bits: u64,
}

impl<'a> CellCounter<'a> {
    /// Counts a tree; gives back how deep Merkle cells are nested in it.
    pub(crate) fn add(&mut self, cell: &'a DynCell) -> u8 {
        if let Some(counted) = self.cells.get_mut(cell.repr_hash()) {
            counted.references = counted.references.saturating_add(1);
            return counted.merkle_depth;
        }
        self.bits += u64::from(cell.bit_len());
        // Trees are at most 1024 deep, and a cell is not below itself.
        let mut merkle_depth = 0;
        for child in cell.references() {
            merkle_depth = merkle_depth.max(self.add(child));
        }
        if cell.cell_type().is_merkle() {
            merkle_depth = (merkle_depth + 1).min(MERKLE_DEPTH_LIMIT);
        }
        self.cells.insert(cell.repr_hash(), Counted { references: 1, merkle_depth });
        merkle_depth
    }

    /// How many distinct cells there are.
    pub(crate) fn cell_count(&self) -> u64 {
        self.cells.len() as u64
    }

    /// Cells and bits.
    pub(crate) fn stats(&self) -> CellTreeStats {
        CellTreeStats { bit_count: self.bits, cell_count: self.cell_count() }
    }

    /// All cells, ordered by hash.
    pub(crate) fn into_sorted(self) -> Vec<(HashBytes, Counted)> {
        let mut cells =
            self.cells.into_iter().map(|(hash, counted)| (*hash, counted)).collect::<Vec<_>>();
        cells.sort_unstable_by_key(|(hash, _)| *hash);
        cells
    }
}
