//! The market from outside: flows, the state machine's cells, random sequences, economics, and
//! what must not compile.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bidding;
mod flow;
mod kit;
mod trust;
