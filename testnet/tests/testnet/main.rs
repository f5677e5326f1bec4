//! Tests of the embedded chain and its HTTP dialect, one binary.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod conservation;
mod hostile;
mod http;
mod persistence;
