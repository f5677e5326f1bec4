//! The contracts on the embedded chain: a real TVM with real gas.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

mod alone;
mod bindings;
mod bonds;
mod bounces;
mod cells;
mod channels;
mod collusion;
mod deadlines;
mod delegated;
mod delegations;
mod disputes;
mod edges;
mod ends;
mod fees;
mod flow;
mod gates;
mod jetton_tasks;
mod jettons;
mod known;
mod ledger;
mod markets;
mod matrix;
mod operators;
mod pages;
mod proofs;
mod property;
mod proving;
mod readers;
mod shares;
mod solo;
mod stakes;
mod told;
mod world;
