//! circom's `input.json`: signal names and numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use ark_ff::PrimeField;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use zeroize::Zeroize;

use super::ProveError;
use crate::groth16::{malformed::shortened, number};

/// Input signals by name, each flattened into a list as circom's calculator takes it. Sorted by
/// name, so that fuel does not depend on the order in the file.
pub(super) struct Signals<F: PrimeField>(BTreeMap<String, Vec<F>>);

impl<F: PrimeField> Signals<F> {
    /// Reads a JSON object whose values are decimal numbers, in quotes or (up to 64 bits) without,
    /// or nested lists of them. A leading minus negates, as in snarkjs.
    pub(super) fn from_json(json: &str) -> Result<Self, ProveError> {
        serde_json::from_str(json).map_err(|error| ProveError::Input(shortened(&error.to_string())))
    }

    /// Sets a scalar signal, replacing what was there.
    pub(super) fn set(&mut self, name: &str, value: F) {
        self.0.insert(name.to_owned(), vec![value]);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[F])> {
        self.0.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }
}

/// Private inputs are the requestor's secrets.
impl<F: PrimeField> Drop for Signals<F> {
    fn drop(&mut self) {
        self.0.values_mut().for_each(Zeroize::zeroize);
    }
}

impl<'de, F: PrimeField> Deserialize<'de> for Signals<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names<F>(PhantomData<F>);

        impl<'de, F: PrimeField> Visitor<'de> for Names<F> {
            type Value = Signals<F>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of signals")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Signals<F>, A::Error> {
                let mut signals = BTreeMap::new();
                while let Some((name, Values(values))) = map.next_entry::<String, Values<F>>()? {
                    if signals.insert(name, values).is_some() {
                        return Err(de::Error::custom("a signal is given twice"));
                    }
                }
                Ok(Signals(signals))
            }
        }

        deserializer.deserialize_map(Names(PhantomData))
    }
}

/// One signal's values, flattened.
struct Values<F>(Vec<F>);

impl<'de, F: PrimeField> Deserialize<'de> for Values<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Flat<F>(PhantomData<F>);

        impl<'de, F: PrimeField> Visitor<'de> for Flat<F> {
            type Value = Values<F>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal number in quotes, or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Values<F>, E> {
                let (digits, negative) = match text.strip_prefix('-') {
                    Some(digits) => (digits, true),
                    None => (text, false),
                };
                let value: F = number::parse(digits).map_err(E::custom)?;
                Ok(Values(vec![if negative { -value } else { value }]))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Values<F>, E> {
                Ok(Values(vec![F::from(number)]))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Values<F>, E> {
                Ok(Values(vec![F::from(number)]))
            }

            // serde_json ends recursion at 128 levels.
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Values<F>, A::Error> {
                let mut flat = Vec::new();
                while let Some(Values(inner)) = list.next_element::<Values<F>>()? {
                    flat.extend(inner);
                }
                Ok(Values(flat))
            }
        }

        deserializer.deserialize_any(Flat(PhantomData))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use ark_bn254::Fr;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_are_flattened_in_order() {
        let signals =
            Signals::<Fr>::from_json(r#"{"b": [["1", 2], ["-3"]], "a": "4", "c": []}"#).unwrap();
        let got: Vec<_> = signals.iter().collect();
        let fr = |n: i64| Fr::from(n);
        assert_eq!(got[0], ("a", &[fr(4)][..]));
        assert_eq!(got[1], ("b", &[fr(1), fr(2), fr(-3)][..]));
        assert_eq!(got[2], ("c", &[][..]));
    }

    #[test]
    fn other_shapes_are_refused() {
        for json in [
            "",
            "[]",
            "1",
            "{}x",
            r#"{"a": {"b": "1"}}"#,
            r#"{"a": 1.5}"#,
            r#"{"a": null}"#,
            r#"{"a": true}"#,
            r#"{"a": "0x1"}"#,
            r#"{"a": "1", "a": "1"}"#,
            r#"{"a": "--1"}"#,
            r#"{"a": 99999999999999999999}"#,
        ] {
            assert!(Signals::<Fr>::from_json(json).is_err(), "{json}");
        }
        let deep = format!("{{\"a\": {}", "[".repeat(100_000));
        assert!(Signals::<Fr>::from_json(&deep).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(json in r#"[\[\]{}",:a-c0-9 .-]{0,60}"#) {
            let _ = Signals::<Fr>::from_json(&json);
        }
    }
}
