//! Decides: listings, bids, matching, the task state machine, stake rule, reputation.
//!
//! Pure: no I/O, no clock, no randomness. [`Event`]s go in with the chain time, [`Action`]s come
//! out; the same events give the same state and the same actions.

mod action;
mod event;
mod refusal;
mod rules;
mod settlement;
pub mod stake_rule;

pub use action::{Action, Assign};
pub use event::{Authentic, Event, Outcome, RefundCause, Verdict};
pub use refusal::Refused;
pub use rules::Rules;
pub use settlement::{Assignment, Payable, Settlement, Slashable};
