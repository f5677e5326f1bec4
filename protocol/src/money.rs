//! Money: nanogram in a range-checked newtype.

use std::{fmt, iter::Sum, str::FromStr};

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Nanogram in one GRAM (the coin of TON, formerly Toncoin).
pub const NANO_PER_GRAM: u64 = 1_000_000_000;

/// Most nanogram an amount may be given as: more than the coin's whole supply (5.1 billion GRAM),
/// and still inside the signed 64-bit integers of a database.
const MAX_NANO: u64 = 9_000_000_000 * NANO_PER_GRAM;

/// Why a text or number is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not a number in one of the accepted forms.
    #[error("`{0}` is not an amount: write 1.5, 1.5GRAM or 1500000000n")]
    NotAnAmount(String),
    /// More than nine digits after the point.
    #[error("`{0}` has more than nine decimals: the smallest unit is 0.000000001 GRAM")]
    TooPrecise(String),
    /// Beyond the coin's supply.
    #[error("`{0}` is more than all the coins there are")]
    TooLarge(String),
}

/// An amount of nanogram (10^-9 GRAM). Arithmetic is checked; JSON shows the integer.
#[derive(
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(transparent)]
pub struct Nano(u64);

impl Nano {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self(MAX_NANO);

    /// An amount of `nano` nanogram.
    #[must_use]
    pub const fn new(nano: u64) -> Self {
        Self(nano)
    }

    /// An amount of whole GRAM, saturating at [`Nano::MAX`].
    #[must_use]
    pub const fn grams(grams: u64) -> Self {
        let nano = grams.saturating_mul(NANO_PER_GRAM);
        if nano > MAX_NANO { Self::MAX } else { Self(nano) }
    }

    /// The number of nanogram.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Sum, or `None` beyond `u64`.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// Difference, or `None` below zero.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// Sum, capped at `u64::MAX` nanogram.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Difference, not below zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// `self * numerator / denominator`, rounded down, multiplied before dividing in 128 bits.
    /// `None` for a zero denominator or a result beyond `u64`.
    #[must_use]
    pub fn mul_div(self, numerator: u64, denominator: u64) -> Option<Self> {
        let product = u128::from(self.0) * u128::from(numerator);
        u64::try_from(product.checked_div(u128::from(denominator))?).ok().map(Self)
    }

    /// Like [`Nano::mul_div`], rounded up.
    #[must_use]
    pub fn mul_div_up(self, numerator: u64, denominator: u64) -> Option<Self> {
        let product = u128::from(self.0) * u128::from(numerator);
        if denominator == 0 {
            return None;
        }
        u64::try_from(product.div_ceil(u128::from(denominator))).ok().map(Self)
    }
}

impl Sum for Nano {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

impl fmt::Display for Nano {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / NANO_PER_GRAM, self.0 % NANO_PER_GRAM);
        let text = if rest == 0 {
            whole.to_string()
        } else {
            format!("{whole}.{}", format!("{rest:09}").trim_end_matches('0'))
        };
        f.pad(&format!("{text} GRAM"))
    }
}

impl fmt::Debug for Nano {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}n", self.0)
    }
}

impl FromStr for Nano {
    type Err = AmountError;

    /// Accepts `1.5`, `1.5GRAM`, `1.5 ton` (any case) and `1500000000n`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown = || text.chars().take(40).collect::<String>();
        let trimmed = text.trim();
        if trimmed.len() > 60 || !trimmed.is_ascii() {
            return Err(AmountError::NotAnAmount(shown()));
        }
        let lower = trimmed.to_ascii_lowercase();
        let nano = if let Some(digits) = lower.strip_suffix('n').filter(|d| !d.ends_with('o')) {
            parse_digits(digits).ok_or_else(|| AmountError::NotAnAmount(shown()))?
        } else {
            let number = lower.strip_suffix("gram").or(lower.strip_suffix("ton")).unwrap_or(&lower);
            let number = number.trim_end();
            let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
            if fraction.len() > 9 && fraction.bytes().all(|b| b.is_ascii_digit()) {
                return Err(AmountError::TooPrecise(shown()));
            }
            let scale = 10u128.pow(9u32.saturating_sub(fraction.len() as u32));
            match (parse_digits(whole), parse_digits(fraction)) {
                (Some(whole), Some(fraction)) => {
                    whole.saturating_mul(u128::from(NANO_PER_GRAM)).saturating_add(fraction * scale)
                }
                (None, _) | (_, None) => return Err(AmountError::NotAnAmount(shown())),
            }
        };
        u64::try_from(nano)
            .ok()
            .filter(|nano| *nano <= MAX_NANO)
            .map(Self)
            .ok_or_else(|| AmountError::TooLarge(shown()))
    }
}

fn parse_digits(text: &str) -> Option<u128> {
    (!text.is_empty() && text.len() <= 30 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_forms() {
        for text in ["1.5", "1.5GRAM", "1.5 ton", " 1.50 gram ", "1500000000n"] {
            assert_eq!(text.parse(), Ok(Nano::new(1_500_000_000)), "{text}");
        }
        assert_eq!("0.000000001".parse(), Ok(Nano::new(1)));
        assert_eq!(Nano::new(1_500_000_000).to_string(), "1.5 GRAM");
    }

    #[test]
    fn refused_forms() {
        for text in ["", "-1", "1e9", "n", ".", "1.", ".5", "1,5", "0x10", "NaN", "1.5.5", "１"] {
            assert!(matches!(text.parse::<Nano>(), Err(AmountError::NotAnAmount(_))), "{text}");
        }
        assert!(matches!("1.0000000001".parse::<Nano>(), Err(AmountError::TooPrecise(_))));
        assert!(matches!("99999999999999".parse::<Nano>(), Err(AmountError::TooLarge(_))));
    }

    proptest::proptest! {
        #[test]
        fn any_text_parses_or_is_refused(text in ".{0,64}") {
            let _ = text.parse::<Nano>();
        }

        #[test]
        fn display_round_trip(nano in 0..=MAX_NANO) {
            proptest::prop_assert_eq!(Nano::new(nano).to_string().parse(), Ok(Nano::new(nano)));
        }
    }
}
