//! Between Rust values and database columns.

use fog_protocol::{Address, Hash32, Nano, TaskId};
use sqlx::{Row as _, sqlite::SqliteRow};

/// A stored value that cannot be what was stored.
fn corrupt(column: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("the column {column} holds a value that was never written").into())
}

/// A 32-byte column.
pub(crate) fn to_hash(bytes: &[u8]) -> Result<Hash32, sqlx::Error> {
    bytes.try_into().map(Hash32).map_err(|_| corrupt("hash"))
}

/// The bytes of a hash, for binding.
pub(crate) fn from_hash(hash: &Hash32) -> &[u8] {
    &hash.0[..]
}

/// An address column.
pub(crate) fn to_address(text: &str) -> Result<Address, sqlx::Error> {
    text.parse().map_err(|_| corrupt("address"))
}

/// The columns `id` and `escrow`.
pub(crate) fn task_and_escrow(row: &SqliteRow) -> Result<(TaskId, Address), sqlx::Error> {
    Ok((TaskId(to_hash(row.try_get("id")?)?), to_address(row.try_get("escrow")?)?))
}

/// An unsigned column.
pub(crate) fn to_u64(value: i64) -> Result<u64, sqlx::Error> {
    u64::try_from(value).map_err(|_| corrupt("integer"))
}

/// An amount column.
pub(crate) fn to_nano(value: i64) -> Result<Nano, sqlx::Error> {
    to_u64(value).map(Nano::new)
}

/// An unsigned value for binding.
pub(crate) fn to_i64(value: u64) -> Result<i64, sqlx::Error> {
    i64::try_from(value).map_err(|_| corrupt("integer"))
}

/// A borsh column.
pub(crate) fn to_value<T: borsh::BorshDeserialize>(bytes: &[u8]) -> Result<T, sqlx::Error> {
    borsh::from_slice(bytes).map_err(|_| corrupt("value"))
}

/// A value in borsh.
pub(crate) fn from_value<T: borsh::BorshSerialize>(value: &T) -> Result<Vec<u8>, sqlx::Error> {
    borsh::to_vec(value).map_err(|error| sqlx::Error::Encode(error.into()))
}
