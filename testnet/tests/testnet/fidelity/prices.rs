//! The configuration's prices, read bit by bit, and TON's formulas over them.

use std::collections::HashSet;

use fog_testnet::chain::Chain;
use tycho_types::cell::{Cell, CellSlice, HashBytes};

/// What a tree of cells comes to, equal cells counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Size {
    pub(super) cells: u128,
    pub(super) bits: u128,
}

impl Size {
    /// Everything below and including `roots`.
    pub(super) fn of(roots: &[&Cell]) -> Self {
        fn walk(cell: &Cell, seen: &mut HashSet<HashBytes>, size: &mut Size) {
            if seen.insert(*cell.repr_hash()) {
                size.cells += 1;
                size.bits += u128::from(cell.bit_len());
                cell.references().cloned().for_each(|child| walk(&child, seen, size));
            }
        }
        let (mut seen, mut size) = (HashSet::new(), Self::default());
        roots.iter().for_each(|root| walk(root, &mut seen, &mut size));
        size
    }

    /// Everything below a message's first cell, which the lump price covers.
    pub(super) fn of_message(message: &Cell) -> Self {
        let children: Vec<Cell> = message.references().cloned().collect();
        Self::of(&children.iter().collect::<Vec<_>>())
    }
}

/// Storage prices of the basechain (parameter 18) and when they begin.
pub(super) struct Storage(Vec<(u32, u128, u128)>);

/// Prices of gas in the basechain and the limits of debt (parameter 21).
pub(super) struct Gas {
    flat_limit: u128,
    flat_price: u128,
    price: u128,
    pub(super) freeze_due: u128,
    pub(super) delete_due: u128,
}

/// Prices of forwarding in the basechain (parameter 25).
pub(super) struct Forward {
    pub(super) lump: u128,
    bit: u128,
    cell: u128,
    pub(super) first_fraction: u128,
}

fn parameter(chain: &Chain, id: u32) -> Cell {
    chain.network().current().raw.params.get_raw_cell(id).unwrap().unwrap()
}

fn wide(slice: &mut CellSlice<'_>) -> u128 {
    u128::from(slice.load_u64().unwrap())
}

impl Storage {
    pub(super) fn read(chain: &Chain) -> Self {
        let root = parameter(chain, 18);
        let mut entries = Vec::new();
        // Hashmap 32 StoragePrices; the recording has one entry: label and value in one cell.
        let mut slice = root.as_slice().unwrap();
        // hml_long$10 n:(#<= 32) or hml_same$11: a whole key of 32 bits.
        match slice.load_small_uint(2).unwrap() {
            0b10 => {
                assert_eq!(slice.load_small_uint(6).unwrap(), 32);
                slice.load_u32().unwrap();
            }
            0b11 => {
                slice.load_bit().unwrap();
                assert_eq!(slice.load_small_uint(6).unwrap(), 32);
            }
            other => panic!("label {other}"),
        }
        assert_eq!(slice.load_u8().unwrap(), 0xcc);
        let since = slice.load_u32().unwrap();
        entries.push((since, wide(&mut slice), wide(&mut slice)));
        Self(entries)
    }

    /// What storing `size` costs from one time to another.
    pub(super) fn rent(&self, size: Size, from: u32, to: u32) -> u128 {
        let mut sum = 0;
        for (index, (since, bit, cell)) in self.0.iter().enumerate() {
            let until = self.0.get(index + 1).map_or(to, |(next, ..)| (*next).min(to));
            let seconds = u128::from(until.saturating_sub(from.max(*since)));
            sum += (size.bits * bit + size.cells * cell) * seconds;
        }
        sum.div_ceil(1 << 16)
    }
}

impl Gas {
    pub(super) fn read(chain: &Chain) -> Self {
        let root = parameter(chain, 21);
        let mut slice = root.as_slice().unwrap();
        assert_eq!(slice.load_u8().unwrap(), 0xd1);
        let (flat_limit, flat_price) = (wide(&mut slice), wide(&mut slice));
        assert_eq!(slice.load_u8().unwrap(), 0xde);
        let price = wide(&mut slice);
        let (_limit, _special, _credit, _block) =
            (wide(&mut slice), wide(&mut slice), wide(&mut slice), wide(&mut slice));
        let (freeze_due, delete_due) = (wide(&mut slice), wide(&mut slice));
        Self { flat_limit, flat_price, price, freeze_due, delete_due }
    }

    pub(super) fn fee(&self, used: u64) -> u128 {
        let used = u128::from(used);
        let beyond = used.saturating_sub(self.flat_limit) * self.price;
        self.flat_price + beyond.div_ceil(1 << 16)
    }
}

impl Forward {
    pub(super) fn read(chain: &Chain) -> Self {
        let root = parameter(chain, 25);
        let mut slice = root.as_slice().unwrap();
        assert_eq!(slice.load_u8().unwrap(), 0xea);
        let (lump, bit, cell) = (wide(&mut slice), wide(&mut slice), wide(&mut slice));
        let _ihr_factor = slice.load_u32().unwrap();
        let first_fraction = u128::from(slice.load_u16().unwrap());
        Self { lump, bit, cell, first_fraction }
    }

    pub(super) fn fee(&self, size: Size) -> u128 {
        self.lump + (size.bits * self.bit + size.cells * self.cell).div_ceil(1 << 16)
    }

    /// The part of a fee that the sender's transaction collects; the message carries the rest.
    pub(super) fn collected(&self, fee: u128) -> u128 {
        (fee * self.first_fraction) >> 16
    }
}
