//! The contracts on the embedded chain: a real TVM with real gas.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

mod fees;
mod flow;
mod world;
