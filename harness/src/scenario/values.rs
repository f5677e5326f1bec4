//! Amounts, times and rates as people write them in a scenario.

use std::{borrow::Cow, fmt, str::FromStr as _};

use fog_protocol::Nano;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// An amount of money: `"0.05"`, `"20 GRAM"`, `"1500n"`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub Nano);

/// A time span of the chain's clock: `"90s"`, `"10m"`, `"2h 30m"`, `"10years"`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub u32);

/// A share between 0 and 1, kept in parts per million.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u32);

const MILLION: f64 = 1_000_000.0;

impl Share {
    /// All.
    pub const ALL: Self = Self(1_000_000);
    /// Nothing.
    pub const NONE: Self = Self(0);
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = std::time::Duration::from_secs(u64::from(self.0));
        humantime::format_duration(seconds).fmt(f)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (f64::from(self.0) / MILLION).fmt(f)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Nano::from_str(&text).map(Self).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let span = humantime::parse_duration(&text).map_err(|error| {
            D::Error::custom(format!("`{text}` is no time span ({error}): write 90s, 10m, 2h"))
        })?;
        u32::try_from(span.as_secs())
            .map(Self)
            .map_err(|_| D::Error::custom(format!("`{text}` is longer than the chain can count")))
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let share = f64::deserialize(deserializer)?;
        if !(0.0..=1.0).contains(&share) {
            return Err(D::Error::custom(format!("{share} is no share: write 0.0 to 1.0")));
        }
        // Between 0 and a million by the check above.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        let ppm = (share * MILLION).round() as u32;
        Ok(Self(ppm))
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / MILLION)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "An amount of money: 0.05, 20 GRAM, 1500n (nanogram).",
            "pattern": "^\\s*([0-9]+(\\.[0-9]{1,9})?\\s*([Gg][Rr][Aa][Mm]|[Tt][Oo][Nn])?|[0-9]+[nN])\\s*$",
        })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A time span of the chain's clock: 90s, 10m, 2h 30m, 10years.",
            "pattern": "^\\s*([0-9]+\\s*[A-Za-z]+\\s*)+$",
        })
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "number",
            "description": "A share, 0 to 1.",
            "minimum": 0,
            "maximum": 1,
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_again(nano in 0u64..1 << 60, span: u32, ppm in 0u32..=1_000_000) {
            let amount = Amount(Nano::new(nano));
            let json = serde_json::to_string(&amount).unwrap();
            proptest::prop_assert_eq!(serde_json::from_str::<Amount>(&json).unwrap(), amount);
            let json = serde_json::to_string(&Span(span)).unwrap();
            proptest::prop_assert_eq!(serde_json::from_str::<Span>(&json).unwrap(), Span(span));
            let json = serde_json::to_string(&Share(ppm)).unwrap();
            proptest::prop_assert_eq!(serde_json::from_str::<Share>(&json).unwrap(), Share(ppm));
        }

        #[test]
        fn anything_else_is_refused_without_panic(text: String) {
            let json = serde_json::to_string(&text).unwrap();
            let _ = serde_json::from_str::<Amount>(&json);
            let _ = serde_json::from_str::<Span>(&json);
            let _ = serde_json::from_str::<Share>(&json);
        }
    }
}
