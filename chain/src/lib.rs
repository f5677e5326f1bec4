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
//! - answers older than what was already seen are [`ChainError::Stale`];
//! - a [`Follower`] gives out final transactions only: so many blocks on top, none of them
//!   replaced meanwhile, and known to a second gateway if there is one.
//!
//! What one gateway alone can make us believe: a consistent chain of its own invention, for as long
//! as it keeps it up. That takes block proofs, or the second gateway.

mod account;
mod client;
mod config;
mod deliver;
mod error;
mod finality;
mod follow;
mod follower;
mod http;
mod json;
mod network;
mod stack;
mod tx;

pub use account::{AccountInfo, AccountState};
pub use client::{ChainClient, MasterchainInfo, SendOutcome};
pub use config::{ApiKey, ChainConfig};
pub use deliver::{Delivery, DeliveryError, WalletMoment};
pub use error::ChainError;
pub use follow::Cursor;
pub use follower::{Follower, Update};
pub use network::NetworkKind;
pub use stack::{GetMethodResult, StackEntry, StackError};
pub use tx::{Msg, MsgKind, Tx};
