//! The node: HTTP API, worker gateway, coordinator, verification, settlement and store, around the
//! decisions of `fog-market`.
//!
//! ```text
//!  requestors --HTTP--> api ----\                      /--> gateway --WebSocket--> workers
//!  workers ---HTTP-----> api ----> coordinator (market) --> verification (child processes)
//!  workers ---WS---> gateway ---/    |      ^          \--> reconciler --get--> chain
//!                                    v      |
//!                                  store    follower <--- operator wallet's history --- chain
//!                                    |
//!                                    v
//!                                 outbox --> settlement --signed messages--> chain
//! ```
//! Invariants: nothing is told or sent before it is stored; nothing is paid without a stored
//! verdict; what the chain said is stored together with how far it was read; chain time alone
//! decides deadlines.

mod api;
mod chain_port;
mod channels;
mod config;
mod coordinator;
mod denied;
mod epoch;
mod error;
mod follow;
mod gateway;
mod node;
mod put_back;
mod settle;
mod shared;
mod store;

pub use config::{
    CLAIM_FROM, ChainConfig, Limits, NodeConfig, NodeKeys, RailConfig, RunnerConfig, TrustedConfig,
    VerifierConfig,
};
pub use epoch::Epochs;
pub use error::NodeError;
pub use node::{Node, NodeHandle};
