//! Amounts of a jetton, and what somebody takes a jetton for.

use std::{fmt, io};

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{Address, NANO_PER_GRAM, Nano};

/// An amount of a jetton in its smallest units (a millionth of a USDT): at most 2^120 - 1, all that a
/// jetton can have. JSON shows a string of digits, for it may be more than a number there can be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
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

    /// `self * price / whole`, rounded down: what a price comes to where `whole` stands for all of these.
    /// At most all of them, and none where `whole` is zero.
    #[must_use]
    pub fn part(self, price: Nano, whole: Nano) -> Self {
        self.scaled(price.get().min(whole.get()), whole.get())
    }

    /// `self * numerator / denominator`, rounded down, for a numerator that is not above the
    /// denominator; none where that is zero.
    #[must_use]
    pub fn scaled(self, numerator: u64, denominator: u64) -> Self {
        let (numerator, denominator) = (u128::from(numerator), u128::from(denominator));
        if denominator == 0 {
            return Self::ZERO;
        }
        // The whole product has up to 184 bits; of these two one is at most the units, and the other
        // below 2^128.
        let (times, rest) = (self.0 / denominator, self.0 % denominator);
        Self::new(times * numerator + rest * numerator / denominator).unwrap_or(Self::MAX)
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
        let text = <String as Deserialize>::deserialize(deserializer)?;
        let number = text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        number.and_then(Self::new).ok_or_else(|| D::Error::custom("not a number of units"))
    }
}

impl BorshDeserialize for Units {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let units = u128::deserialize_reader(reader)?;
        let too_many =
            || io::Error::new(io::ErrorKind::InvalidData, "more units than a jetton has");
        Self::new(units).ok_or_else(too_many)
    }
}

/// So much of which jetton: an amount that cannot be taken for GRAM.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct JettonAmount {
    /// The jetton's master.
    pub master: Address,
    /// In its smallest units.
    pub units: Units,
}

impl fmt::Display for JettonAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of jetton {}", self.units, self.master)
    }
}

/// What somebody takes a jetton for: off chain, for itself alone. No contract converts anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JettonRate {
    /// The jetton's master.
    pub master: Address,
    /// So many of its units for one GRAM.
    pub units_per_gram: Units,
}

/// The jettons somebody takes: none by default, at most [`JettonRates::MOST`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JettonRates([Option<JettonRate>; Self::MOST]);

/// More jettons than anybody needs, one of them twice, or one for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at most {most} jettons, each once, on the basechain and for more than nothing", most = JettonRates::MOST)]
pub struct RatesError;

impl JettonRates {
    /// How many there may be.
    pub const MOST: usize = 8;

    /// These.
    ///
    /// # Errors
    /// [`RatesError`].
    pub fn new(rates: &[JettonRate]) -> Result<Self, RatesError> {
        let mut all = Self::default();
        for rate in rates {
            let none = rate.units_per_gram == Units::ZERO || rate.master.workchain != 0;
            if none || all.of(&rate.master).is_some() {
                return Err(RatesError);
            }
            *all.0.iter_mut().find(|free| free.is_none()).ok_or(RatesError)? = Some(*rate);
        }
        Ok(all)
    }

    fn of(&self, master: &Address) -> Option<Units> {
        self.0.iter().flatten().find(|rate| rate.master == *master).map(|rate| rate.units_per_gram)
    }

    /// What `amount` comes to in the jetton with this master, rounded up; `None` if it is not taken.
    #[must_use]
    pub fn worth(&self, master: &Address, amount: Nano) -> Option<Units> {
        let rate = self.of(master)?.get();
        let (gram, nano) = (u128::from(NANO_PER_GRAM), u128::from(amount.get()));
        // Below 2^64 * 2^30, and 2^120 * 2^34, either of which may not fit: then it is out of reach.
        let whole = rate.checked_mul(nano / gram)?;
        let rest = (rate / gram).checked_mul(nano % gram)?;
        let last = (rate % gram * (nano % gram)).div_ceil(gram);
        Units::new(whole.checked_add(rest)?.checked_add(last)?)
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

    #[test]
    fn what_an_amount_comes_to_is_rounded_up() {
        let master = Address::basechain([1; 32]);
        let rate = |units| JettonRate { master, units_per_gram: Units::new(units).unwrap() };
        let worth = |units, nano| {
            let rates = JettonRates::new(&[rate(units)]).unwrap();
            rates.worth(&master, Nano::new(nano)).map(Units::get)
        };
        assert_eq!(worth(3_000_000, 1_000_000_000), Some(3_000_000));
        assert_eq!(worth(3_000_000, 1), Some(1));
        assert_eq!(worth(3_000_000, 333_333_334), Some(1_000_001));
        assert_eq!(worth(1_000_000_000_000_000_000, 5), Some(5_000_000_000));
        assert_eq!(worth(Units::MAX.get(), 2_000_000_000), None);
        let other = Address::basechain([2; 32]);
        assert_eq!(JettonRates::default().worth(&other, Nano::new(1)), None);
        assert_eq!(JettonRates::new(&[rate(1), rate(2)]), Err(RatesError));
        assert_eq!(JettonRates::new(&[rate(0)]), Err(RatesError));
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
