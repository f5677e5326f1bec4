//! The embedded chain and its toncenter server.
//!
//! A whole TON network of one process for development and tests: it executes real contracts on
//! tycho's VM with TON's configuration, keeps money to the nanogram, and unmodified TON clients
//! work against it. It is no validator: there is no consensus, and block hashes are its own.

pub mod accounts;
pub mod chain;
pub mod toncenter;
