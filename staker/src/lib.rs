//! The staker's side: delegates stake to workers, takes it back, and watches every slash.
//!
//! Everything is read from the chain, in histories whose links are checked; a node is never asked.

mod delegating;
mod error;
mod positions;
mod slashes;

pub use delegating::{Place, Staker};
pub use error::StakerError;
pub use positions::{Leaving, Position, positions};
pub use slashes::{Reason, SlashEvent, Watcher};
