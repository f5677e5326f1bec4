//! Reading the dialect's JSON: numbers that may be strings, hashes in three encodings.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use fog_protocol::Hash32;
use serde_json::Value;
use tycho_types::boc::Boc;
use tycho_types::cell::Cell;

use crate::ChainError;

/// One answer being read; every failure names the method and the field.
#[derive(Clone, Copy)]
pub(crate) struct Answer<'a> {
    pub(crate) method: &'static str,
    pub(crate) value: &'a Value,
}

impl<'a> Answer<'a> {
    pub(crate) const fn new(method: &'static str, value: &'a Value) -> Self {
        Self { method, value }
    }

    pub(crate) fn malformed(&self, what: impl Into<String>) -> ChainError {
        ChainError::Malformed { method: self.method, what: what.into() }
    }

    /// A field that must be there.
    pub(crate) fn field(&self, name: &'static str) -> Result<Self, ChainError> {
        self.optional(name).ok_or_else(|| self.malformed(format!("`{name}` is missing")))
    }

    /// A field that may be absent or null.
    pub(crate) fn optional(&self, name: &'static str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Self { method: self.method, value })
    }

    pub(crate) fn text(&self) -> Result<&'a str, ChainError> {
        self.value.as_str().ok_or_else(|| self.malformed("expected a text"))
    }

    /// A whole number, as a number or as decimal text.
    pub(crate) fn integer<T: TryFrom<i128>>(&self) -> Result<T, ChainError> {
        let number = match self.value {
            Value::Number(number) => {
                number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
            }
            Value::String(text) if text.len() <= 40 => text.parse().ok(),
            Value::String(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        };
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| self.malformed("expected a whole number"))
    }

    /// A hash in hex, base64 or base64url.
    pub(crate) fn hash(&self) -> Result<Hash32, ChainError> {
        let text = self.text()?;
        parse_hash(text).ok_or_else(|| self.malformed("expected a 32-byte hash"))
    }

    /// A bag of cells in base64; `None` for the empty text.
    pub(crate) fn cell(&self) -> Result<Option<Cell>, ChainError> {
        let text = self.text()?;
        if text.is_empty() {
            return Ok(None);
        }
        let bytes = STANDARD
            .decode(text)
            .or_else(|_| URL_SAFE.decode(text))
            .map_err(|_| self.malformed("expected base64"))?;
        Boc::decode(&bytes)
            .map(Some)
            .map_err(|error| self.malformed(format!("expected a bag of cells: {error}")))
    }

    pub(crate) fn array(&self) -> Result<&'a [Value], ChainError> {
        self.value.as_array().map(Vec::as_slice).ok_or_else(|| self.malformed("expected a list"))
    }
}

pub(crate) fn parse_hash(text: &str) -> Option<Hash32> {
    if text.len() == 64 {
        return text.parse().ok();
    }
    if text.len() > 44 {
        return None;
    }
    let bytes = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()?;
    bytes.try_into().ok().map(Hash32)
}
