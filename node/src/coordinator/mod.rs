//! The coordinator: the one writer of decisions.
//!
//! ```text
//! commands --(up to N)--> market.apply -> actions
//!                            |
//!                            v
//!        log + projections + intents in ONE transaction
//!                            |
//!                            v
//!        replies, frames, verifications, readings: released only now
//! ```
//! If the transaction fails the node stops: memory is ahead of the database, and only a replay of
//! the log sets that right.

mod actor;
mod cases;
mod command;
mod epochs;
mod facts;
mod given_up;
mod perform;
mod project;
mod rail;
mod replay;
mod shares;
mod verify;

pub(crate) use actor::{Actor, Tools};
pub(crate) use cases::OpenCases;
pub(crate) use command::{Command, Coordinator, Joined, Received, Work};
pub(crate) use rail::ordered_once;
