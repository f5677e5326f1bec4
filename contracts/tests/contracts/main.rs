//! The contracts on the embedded chain: a real TVM with real gas.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod flow;
mod world;
