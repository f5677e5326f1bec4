//! The one port to the chain: a client of the toncenter v2 HTTP dialect.
//!
//! The only crate that knows how a TON gateway is spoken to. The same client runs against the
//! public test network and against the embedded chain, which serves the same dialect.
//!
//! What it checks, so that a lagging, truncating or lying gateway is noticed:
//! - a transaction is read from its bag of cells, whose hash must be the id it was announced by,
//!   and whose account must be the one asked for;
//! - transactions are followed backwards by `(lt, hash)` links until the caller's [`Cursor`]; a
//!   missing link is [`ChainError::Gap`], never skipped;
//! - answers older than what was already seen are [`ChainError::Stale`].
//!
//! What it cannot check: a gateway that invents a consistent chain of its own (that takes block
//! proofs, or a second gateway: make two clients and compare).

mod account;
mod client;
mod config;
mod deliver;
mod error;
mod follow;
mod http;
mod json;
mod stack;
mod tx;

pub use account::{AccountInfo, AccountState};
pub use client::{ChainClient, MasterchainInfo, SendOutcome};
pub use config::{ApiKey, ChainConfig};
pub use deliver::{Delivery, DeliveryError, WalletMoment};
pub use error::ChainError;
pub use follow::Cursor;
pub use stack::{GetMethodResult, StackEntry, StackError};
pub use tx::{Msg, MsgKind, Tx};
