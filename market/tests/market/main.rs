//! The market from outside: flows, the state machine's cells, random sequences, economics.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bidding;
mod copies;
mod economics;
mod flow;
mod kit;
mod pledges;
mod rail;
mod recheck;
mod schedules;
mod sequences;
mod table;
mod trust;
