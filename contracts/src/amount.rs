//! What a channel's amounts are of: nanogram, or a jetton's smallest units. Two types, so that one
//! is never taken for the other.

use std::fmt;

use fog_protocol::Nano;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use tycho_types::{
    cell::{Cell, CellBuilder, CellFamily as _, CellSlice, Load as _, Store as _},
    error::Error,
    num::Tokens,
};

use crate::cells::{Fields as _, take_coins};

mod sealed {
    pub trait Sealed {}
    impl Sealed for fog_protocol::Nano {}
    impl Sealed for super::Units {}
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

/// An amount of a jetton in its smallest units (a millionth of a USDT): at most 2^120 - 1, all that a
/// jetton can have. JSON shows a string of digits, for it may be more than a number there can be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Units(u128);

/// Most decimals that an amount is shown with.
pub const MAX_DECIMALS: u8 = 36;

/// Why a text is no amount of a jetton.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitsError {
    /// Not digits with at most one point among them.
    #[error("`{0}` is not an amount of a jetton: write 1 or 1.5")]
    NotAnAmount(String),
    /// More digits after the point than the jetton has.
    #[error("`{text}` is more precise than the jetton, which has {decimals} decimals")]
    TooPrecise {
        /// What was written.
        text: String,
        /// The jetton's decimals.
        decimals: u8,
    },
    /// More than 2^120 - 1 units.
    #[error("`{0}` is more than any jetton has")]
    TooLarge(String),
}

impl Units {
    /// None.
    pub const ZERO: Self = Self(0);
    /// The most there can be.
    pub const MAX: Self = Self((1 << 120) - 1);

    /// So many units; `None` above [`Units::MAX`].
    #[must_use]
    pub const fn new(units: u128) -> Option<Self> {
        if units <= Self::MAX.0 { Some(Self(units)) } else { None }
    }

    /// The sum of entries, or one entry's amount: in a channel whose currency is a jetton they count
    /// its units.
    #[must_use]
    pub fn of_entries(amount: Nano) -> Self {
        Self(amount.get().into())
    }

    /// The number of units.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }

    /// Sum, at most [`Units::MAX`].
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self((self.0 + other.0).min(Self::MAX.0))
    }

    /// Difference, not below zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// For people: `1.5` of a jetton with this many decimals.
    #[must_use]
    pub fn shown(self, decimals: u8) -> String {
        let decimals = usize::from(decimals.min(MAX_DECIMALS));
        let digits = format!("{:0>width$}", self.0, width = decimals + 1);
        let (whole, rest) = digits.split_at(digits.len() - decimals);
        let rest = rest.trim_end_matches('0');
        if rest.is_empty() { whole.to_owned() } else { format!("{whole}.{rest}") }
    }

    /// Reads what a person wrote.
    ///
    /// # Errors
    /// [`UnitsError`].
    pub fn parse(text: &str, decimals: u8) -> Result<Self, UnitsError> {
        let shown = || text.chars().take(50).collect::<String>();
        let trimmed = text.trim();
        let (whole, rest) = trimmed.split_once('.').unwrap_or((trimmed, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(rest) {
            return Err(UnitsError::NotAnAmount(shown()));
        }
        let rest = rest.trim_end_matches('0');
        let width = usize::from(decimals.min(MAX_DECIMALS));
        if rest.len() > width {
            return Err(UnitsError::TooPrecise { text: shown(), decimals });
        }
        let whole = whole.trim_start_matches('0');
        let number = format!("0{whole}{rest:0<width$}").parse().ok();
        number.and_then(Self::new).ok_or_else(|| UnitsError::TooLarge(shown()))
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} units", self.0)
    }
}

impl Serialize for Units {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Units {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        number.and_then(Self::new).ok_or_else(|| D::Error::custom("not a number of units"))
    }
}

impl Amount for Units {
    const ZERO: Self = Self::ZERO;

    fn less(self, other: Self) -> Self {
        self.saturating_sub(other)
    }

    fn put(self, cell: &mut CellBuilder) -> Result<(), Error> {
        Tokens::new(self.0).store_into(cell, Cell::empty_context())
    }

    fn take(slice: &mut CellSlice<'_>) -> Result<Self, Error> {
        Tokens::load_from(slice).map(|tokens| Self(tokens.into_inner()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn people_write_and_read_a_jettons_own_units() {
        let usdt = |text| Units::parse(text, 6).map(Units::get);
        assert_eq!(usdt("1"), Ok(1_000_000));
        assert_eq!(usdt("0.000001"), Ok(1));
        assert_eq!(usdt("00012.50"), Ok(12_500_000));
        for text in ["", ".", "1.", ".5", "-1", "1e6", "1,5", "1 GRAM", "1n", "1.5.5", "１"] {
            assert!(matches!(usdt(text), Err(UnitsError::NotAnAmount(_))), "{text}");
        }
        assert!(matches!(usdt("0.0000001"), Err(UnitsError::TooPrecise { decimals: 6, .. })));
        assert!(matches!(usdt(&"9".repeat(40)), Err(UnitsError::TooLarge(_))));
        assert_eq!(Units::parse("7", 0).unwrap().shown(0), "7");
        assert_eq!(Units::new(1_500_000).unwrap().shown(6), "1.5");
        assert_eq!(Units::new(1 << 120), None);
    }

    proptest! {
        #[test]
        fn shown_and_parsed_again(units in 0..=Units::MAX.0, decimals in 0..=MAX_DECIMALS) {
            let units = Units::new(units).unwrap();
            prop_assert_eq!(Units::parse(&units.shown(decimals), decimals), Ok(units));
            let json = serde_json::to_string(&units).unwrap();
            prop_assert_eq!(serde_json::from_str::<Units>(&json).unwrap(), units);
        }

        #[test]
        fn any_text_is_an_amount_or_refused(text in "\\PC{0,60}", decimals in any::<u8>()) {
            let _ = Units::parse(&text, decimals);
            let _ = serde_json::from_str::<Units>(&text);
        }
    }
}
