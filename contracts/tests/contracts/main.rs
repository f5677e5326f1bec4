//! The contracts on the embedded chain: a real TVM with real gas.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

mod alone;
mod fees;
mod flow;
mod matrix;
mod solo;
mod world;
// Being written side by side (05:58): property, markets, bindings.
mod bindings;
mod markets;
mod property;
