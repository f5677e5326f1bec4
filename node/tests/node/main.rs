//! The node as its users meet it: a real chain behind its HTTP dialect, real contracts, real
//! sockets; only the processes are one.
#![expect(clippy::unwrap_used, reason = "tests")]

mod api;
mod deadlines;
mod epochs;
mod faults;
mod flow;
mod gateway;
mod jury;
mod pledge;
mod proofs;
#[path = "../../../contracts/tests/contracts/proving.rs"]
#[expect(dead_code, reason = "attackers of the contract use more of it")]
mod proving;
mod proxy;
mod rail;
mod receipts;
mod recheck;
mod store;
mod strategies;
mod worker;
mod world;
