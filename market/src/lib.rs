//! Decides: listings, bids, matching, the task state machine, stake rule, reputation.
//!
//! Pure: no I/O, no clock, no randomness. [`Event`]s go into [`Market::apply`] with the chain
//! time, [`Action`]s come out; the same events give the same state and the same actions.
//!
//! Where to look: [`transition`] has the state machine's table, `market/` one file for each part
//! of a task's life, [`matching`] the formula of who wins, [`stake_rule`] why cheating does not
//! pay, [`settlement`](Settlement) what makes money move.

mod action;
pub mod book;
mod event;
mod explain;
mod market;
pub mod matching;
pub mod pledge;
pub mod rail;
mod refusal;
pub mod reputation;
mod rules;
mod settlement;
pub mod stake_rule;
mod task;
pub mod transition;
pub mod trust;
mod worker;

pub use action::{Action, Assign};
pub use event::{Authentic, Event, Outcome, RefundCause, Verdict};
pub use market::Market;
pub use refusal::Refused;
pub use rules::Rules;
pub use settlement::{Assignment, Payable, Settlement, Slashable};
pub use task::{Recheck, Rechecked, Task};
pub use trust::{Rechecks, Trust, Trusted};
pub use worker::{Presence, Worker};
