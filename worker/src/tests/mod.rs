//! Workers against a scripted node: a real WebSocket and HTTP server that does what the test says,
//! honest or not. Chain and sandbox are scripted through the same ports the real ones use.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod attacks;
mod lives;
mod node;
mod pledges;
mod world;
