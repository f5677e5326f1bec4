//! Parameters of the v3 dialect: all texts, some of them more than once.

use std::str::FromStr;

use tycho_types::models::StdAddr;
use tycho_types::prelude::*;

use crate::chain::Order;
use crate::toncenter::address::{self, hash_from_text};
use crate::toncenter::dialect::ApiError;
use crate::toncenter::shape::SHARD;

/// Most rows in one answer, as at toncenter.
const MAX_LIMIT: usize = 1_000;
/// Furthest a query may skip. Toncenter allows more and times out.
const MAX_OFFSET: usize = 100_000;
/// Most values of one parameter.
const MAX_VALUES: usize = 1_024;

/// The pairs of a query.
#[derive(Debug)]
pub(crate) struct Params(Vec<(String, String)>);

/// Which part of the rows is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    pub(crate) limit: usize,
    pub(crate) offset: usize,
    pub(crate) order: Order,
}

impl Page {
    /// How many rows must be found to fill the page.
    pub(crate) fn needed(&self) -> usize {
        self.limit.saturating_add(self.offset)
    }

    /// Cuts the page out of rows that are in order.
    pub(crate) fn cut<T>(&self, rows: impl IntoIterator<Item = T>) -> Vec<T> {
        rows.into_iter().skip(self.offset).take(self.limit).collect()
    }

    /// Whether the newest rows come first.
    pub(crate) fn newest_first(&self) -> bool {
        self.order == Order::NewestFirst
    }
}

/// Bounds in unix time and logical time, inclusive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    utime: (Option<u64>, Option<u64>),
    lt: (Option<u64>, Option<u64>),
}

impl Span {
    pub(crate) fn holds(&self, utime: u32, lt: u64) -> bool {
        let within = |value: u64, (from, to): (Option<u64>, Option<u64>)| {
            from.is_none_or(|from| value >= from) && to.is_none_or(|to| value <= to)
        };
        within(u64::from(utime), self.utime) && within(lt, self.lt)
    }

    pub(crate) fn lt_range(&self) -> (u64, u64) {
        (self.lt.0.unwrap_or(0), self.lt.1.unwrap_or(u64::MAX))
    }
}

impl Params {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The value of a parameter; empty is absent, the last of several counts.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().rev().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// All values of a parameter.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<&str>, ApiError> {
        let values: Vec<&str> = self
            .0
            .iter()
            .filter(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
            .collect();
        if values.len() > MAX_VALUES {
            return Err(ApiError::parameter(format!("{name}: maximum {MAX_VALUES} allowed")));
        }
        Ok(values)
    }

    /// A number of the type asked for; 422 if it is none.
    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        let wrong = |_| ApiError::parameter(format!("{name}: not a number in range"));
        self.text(name).map(|text| text.parse().map_err(wrong)).transpose()
    }

    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name) {
            None => Ok(None),
            Some("true" | "True" | "1" | "t" | "T" | "TRUE") => Ok(Some(true)),
            Some("false" | "False" | "0" | "f" | "F" | "FALSE") => Ok(Some(false)),
            Some(_) => Err(ApiError::parameter(format!("{name}: not a truth value"))),
        }
    }

    pub(crate) fn address(&self, name: &str) -> Result<Option<StdAddr>, ApiError> {
        self.text(name).map(|text| parse_address(name, text)).transpose()
    }

    pub(crate) fn addresses(&self, name: &str) -> Result<Vec<StdAddr>, ApiError> {
        self.texts(name)?.into_iter().map(|text| parse_address(name, text)).collect()
    }

    /// As [`Self::addresses`]; 422 if there is none.
    pub(crate) fn some_addresses(&self, name: &str) -> Result<Vec<StdAddr>, ApiError> {
        let addresses = self.addresses(name)?;
        if addresses.is_empty() {
            return Err(ApiError::parameter("at least 1 address required"));
        }
        Ok(addresses)
    }

    pub(crate) fn hash(&self, name: &str) -> Result<Option<HashBytes>, ApiError> {
        self.text(name).map(|text| parse_hash(name, text)).transpose()
    }

    pub(crate) fn hashes(&self, name: &str) -> Result<Vec<HashBytes>, ApiError> {
        self.texts(name)?.into_iter().map(|text| parse_hash(name, text)).collect()
    }

    /// An opcode: hexadecimal, or decimal where that is no hexadecimal number.
    pub(crate) fn opcode(&self, name: &str) -> Result<Option<u32>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        parse_opcode(text)
            .map(Some)
            .ok_or_else(|| ApiError::parameter(format!("{name}: not an opcode")))
    }

    pub(crate) fn page(&self) -> Result<Page, ApiError> {
        let limit = self.number::<i32>("limit")?.unwrap_or(10).max(1);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if limit > MAX_LIMIT {
            let text = format!("limit is not allowed: {limit} > {MAX_LIMIT}");
            return Err(ApiError::parameter(text));
        }
        let offset = self.number::<i32>("offset")?.unwrap_or(0).max(0);
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        if offset > MAX_OFFSET {
            let text = format!("offset is not allowed: {offset} > {MAX_OFFSET}");
            return Err(ApiError::parameter(text));
        }
        let order = match self.text("sort") {
            None | Some("desc") => Order::NewestFirst,
            Some("asc") => Order::OldestFirst,
            Some(_) => return Err(ApiError::parameter("sort should be one of: desc, asc")),
        };
        Ok(Page { limit, offset, order })
    }

    pub(crate) fn span(&self) -> Result<Span, ApiError> {
        Ok(Span {
            utime: (self.number("start_utime")?, self.number("end_utime")?),
            lt: (self.number("start_lt")?, self.number("end_lt")?),
        })
    }

    /// `workchain`, 0 or -1, and a check of `shard`: there is one a workchain.
    pub(crate) fn workchain(&self) -> Result<Option<i32>, ApiError> {
        let workchain = self.number::<i32>("workchain")?;
        if let Some(shard) = self.text("shard") {
            if workchain.is_none() {
                return Err(ApiError::parameter("shard must be sent with workchain"));
            }
            let hex = shard.trim_start_matches("0x");
            let known = hex.eq_ignore_ascii_case("8000000000000000") || shard == SHARD;
            if !known {
                let number = u64::from_str_radix(hex, 16).is_ok() || shard.parse::<i64>().is_ok();
                return Err(if number {
                    ApiError::not_found("shard")
                } else {
                    ApiError::parameter("shard: not a shard id")
                });
            }
        }
        Ok(workchain)
    }

    /// `direction`, in or out.
    pub(crate) fn direction(&self) -> Result<Option<Direction>, ApiError> {
        match self.text("direction") {
            None => Ok(None),
            Some("in") => Ok(Some(Direction::In)),
            Some("out") => Ok(Some(Direction::Out)),
            Some(_) => Err(ApiError::parameter("direction should be one of: in, out")),
        }
    }
}

/// Which side of a message or a transaction is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    In,
    Out,
}

fn parse_address(name: &str, text: &str) -> Result<StdAddr, ApiError> {
    let given = address::parse(text);
    let given = given.ok_or_else(|| ApiError::parameter(format!("{name}: invalid address")))?;
    Ok(given.address)
}

fn parse_hash(name: &str, text: &str) -> Result<HashBytes, ApiError> {
    let bare = text.strip_prefix("0x").filter(|bare| bare.len() == 64).unwrap_or(text);
    hash_from_text(bare).ok_or_else(|| ApiError::parameter(format!("{name}: invalid hash")))
}

pub(crate) fn parse_opcode(text: &str) -> Option<u32> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u32::from_str_radix(hex, 16).ok();
    }
    let decimal = || text.parse::<i32>().ok().map(i32::cast_unsigned);
    u32::from_str_radix(text, 16).ok().or_else(decimal)
}
