//! Exact decimal numbers, as programs print them and listings name them: nothing that is decided by
//! them depends on a machine's floating point.

use std::{fmt, io, str::FromStr};

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Digits after the point.
const FRACTION: usize = 12;
/// Digits before it.
const INTEGER: usize = 15;
const UNIT: i128 = 1_000_000_000_000;

/// Why a text is no number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a decimal number: write -12.5, with at most 15 digits before the point and 12 \
     after it"
)]
pub struct NotANumber(String);

/// A decimal number below 10^15, exact to 10^-12.
///
/// ```text
/// number = ["-"] ( "0" | digit19 *14digit ) [ "." 1*12digit ]
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(i128);

impl Decimal {
    /// Longest text of a number, in bytes.
    pub const MAX_BYTES: usize = 1 + INTEGER + 1 + FRACTION;

    /// The number in units of 10^-12: below 10^27 either way.
    #[must_use]
    pub const fn units(self) -> i128 {
        self.0
    }

    /// A number of `units` of 10^-12; `None` from 10^15 on.
    #[must_use]
    pub fn from_units(units: i128) -> Option<Self> {
        let bound = UNIT * 10i128.pow(INTEGER as u32);
        (-bound < units && units < bound).then_some(Self(units))
    }

    /// Reads the bytes of exactly one number.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > Self::MAX_BYTES {
            return None;
        }
        let (negative, digits) = match text.split_first() {
            Some((b'-', rest)) => (true, rest),
            Some(_) | None => (false, text),
        };
        let point = digits.iter().position(|byte| *byte == b'.');
        let (whole, fraction) = match point {
            None => (digits, &[][..]),
            Some(at) => (&digits[..at], &digits[at + 1..]),
        };
        let leading = whole.len() > 1 && whole.first() == Some(&b'0');
        let lengths = (1..=INTEGER).contains(&whole.len())
            && fraction.len() <= FRACTION
            && (point.is_none() || !fraction.is_empty());
        if leading || !lengths || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
            return None;
        }
        let padding = std::iter::repeat_n(&b'0', FRACTION - fraction.len());
        let units = whole
            .iter()
            .chain(fraction)
            .chain(padding)
            .fold(0i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
        Some(Self(if negative { -units } else { units }))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, fraction) = (self.0.abs() / UNIT, self.0.abs() % UNIT);
        let fraction = format!("{fraction:012}");
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        f.pad(&format!("{sign}{whole}{point}{fraction}"))
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Decimal {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text.as_bytes()).ok_or_else(|| NotANumber(text.chars().take(80).collect()))
    }
}

impl Serialize for Decimal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl BorshSerialize for Decimal {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        BorshSerialize::serialize(&self.0, writer)
    }
}

impl BorshDeserialize for Decimal {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let units = i128::deserialize_reader(reader)?;
        Self::from_units(units).ok_or_else(|| io::Error::other("a number from 10^15 on"))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_grammar_is_read() {
        let read = |text: &str| Decimal::parse(text.as_bytes()).map(|number| number.to_string());
        for (text, shown) in [
            ("0", "0"),
            ("-0.0", "0"),
            ("3.140", "3.14"),
            ("-12.5", "-12.5"),
            ("1.000000000001", "1.000000000001"),
        ] {
            assert_eq!(read(text).as_deref(), Some(shown), "{text}");
        }
        let refused = [
            "",
            "-",
            ".5",
            "5.",
            "01",
            "+1",
            " 1",
            "1 ",
            "1e5",
            "NaN",
            "inf",
            "1_000",
            "--1",
            "1.2.3",
            "1000000000000000",
            "0.0000000000001",
            "1\n",
            "٣",
        ];
        for text in refused {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_number_is_read_back(units in -999_999_999_999_999_999_999_999_999i128..=999_999_999_999_999_999_999_999_999) {
            let number = Decimal::from_units(units).unwrap();
            prop_assert_eq!(number.to_string().parse::<Decimal>().unwrap(), number);
            let bytes = borsh::to_vec(&number).unwrap();
            prop_assert_eq!(borsh::from_slice::<Decimal>(&bytes).unwrap(), number);
            let json = serde_json::to_string(&number).unwrap();
            prop_assert_eq!(serde_json::from_str::<Decimal>(&json).unwrap(), number);
        }

        #[test]
        fn whatever_is_read_has_the_order_of_numbers(bytes in prop::collection::vec(any::<u8>(), 0..40), text in "-?[0-9.e]{0,32}") {
            let _ = Decimal::parse(&bytes);
            if let Some(number) = Decimal::parse(text.as_bytes()) {
                let float: f64 = text.parse().unwrap();
                prop_assert!((number.units() as f64 / 1e12 - float).abs() <= float.abs() * 1e-12);
            }
            let _ = borsh::from_slice::<Decimal>(&bytes);
        }
    }
}
