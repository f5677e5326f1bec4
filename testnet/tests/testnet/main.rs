//! Tests of the embedded chain and its HTTP dialect, one binary.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![expect(clippy::print_stdout, reason = "the recordings' table is for people to read")]

mod conservation;
mod hostile;
mod http;
mod persistence;
mod recordings;
