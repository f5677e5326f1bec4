//! Verifiers over HTTP, and the node's side that asks them.
#![expect(clippy::unwrap_used, reason = "tests")]

mod asking;
mod epochs;
mod linger;
mod openings;
mod panel;
mod pledge;
mod ringers;
mod world;
