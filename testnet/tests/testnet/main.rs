//! Tests of the embedded chain and its HTTP dialect, one binary.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod attacks;
mod checkpoints;
mod conservation;
mod failing_store;
mod fidelity;
mod hostile;
mod http;
mod pace;
mod persistence;
mod streaming;
