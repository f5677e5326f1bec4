//! The compute agent: bids, sandbox, journal.
//!
//! A [`Worker`] trusts nobody: it reads the chain by itself, recomputes every escrow's address
//! before it lets stake be reserved for it, and checks every byte of its work against the listing.
//! It writes down what commits it before it says it ([`journal`]), and refuses what it could not
//! finish ([`governor`]).

pub mod adversary;
mod agent;
mod backoff;
mod benchmark;
mod chain_view;
mod config;
mod earnings;
mod event;
mod gateway;
pub mod governor;
mod identity;
pub mod journal;
mod node_client;
mod pledges;
mod port;
mod prover;
pub mod staking;
mod start;
mod store;
mod work;

#[cfg(test)]
mod tests;

pub use adversary::Behaviour;
pub use agent::Shutdown;
pub use config::{ChainConfig, ConfigError, Pricing, Speed, WorkerConfig, WorkerLimits};
pub use earnings::vouchers;
pub use event::WorkerEvent;
pub use pledges::{Pledge, PledgeStage, pledges};
pub use start::{Worker, WorkerError, WorkerHandle};

/// Milliseconds as seconds, for people.
fn seconds(millis: u64) -> String {
    format!("{}.{} s", millis / 1000, millis % 1000 / 100)
}
