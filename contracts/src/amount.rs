//! What a channel's amounts are of: nanogram, or a jetton's smallest units. Two types, so that one
//! is never taken for the other.

use std::fmt;

use fog_protocol::{Nano, Units};
use tycho_types::{
    cell::{Cell, CellBuilder, CellFamily as _, CellSlice, Load as _, Store as _},
    error::Error,
    num::Tokens,
};

use crate::cells::{Fields as _, take_coins};

mod sealed {
    pub trait Sealed {}
    impl Sealed for fog_protocol::Nano {}
    impl Sealed for fog_protocol::Units {}
}

/// An amount in a channel: [`Nano`] or [`Units`].
pub trait Amount: sealed::Sealed + Copy + Ord + fmt::Display + fmt::Debug {
    /// Nothing.
    const ZERO: Self;

    /// Difference, not below zero.
    #[must_use]
    fn less(self, other: Self) -> Self;

    /// Writes it as `coins`.
    ///
    /// # Errors
    /// The cell is full.
    fn put(self, cell: &mut CellBuilder) -> Result<(), Error>;

    /// Reads `coins`.
    ///
    /// # Errors
    /// The cell is at its end, or the number is too large for the type.
    fn take(slice: &mut CellSlice<'_>) -> Result<Self, Error>;
}

impl Amount for Nano {
    const ZERO: Self = Self::ZERO;

    fn less(self, other: Self) -> Self {
        self.saturating_sub(other)
    }

    fn put(self, cell: &mut CellBuilder) -> Result<(), Error> {
        cell.put_coins(self)
    }

    fn take(slice: &mut CellSlice<'_>) -> Result<Self, Error> {
        take_coins(slice)
    }
}

impl Amount for Units {
    const ZERO: Self = Self::ZERO;

    fn less(self, other: Self) -> Self {
        self.saturating_sub(other)
    }

    fn put(self, cell: &mut CellBuilder) -> Result<(), Error> {
        Tokens::new(self.get()).store_into(cell, Cell::empty_context())
    }

    fn take(slice: &mut CellSlice<'_>) -> Result<Self, Error> {
        let units = Tokens::load_from(slice)?.into_inner();
        Self::new(units).ok_or(Error::IntOverflow)
    }
}
