//! The strategies that look at more than equality: each finds something, can say from that and the
//! listing alone whether it fits, and explains itself in a line.

pub mod chunked;
pub mod improves;
pub mod redundant;
pub mod statistical;

use borsh::{BorshDeserialize, BorshSerialize};
use fog_protocol::{GuestExit, Hash32};
use serde::{Deserialize, Serialize};

/// What a run gave: exactly what a worker commits to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Ran {
    /// How the program ended.
    pub exit: GuestExit,
    /// Merkle root of what it put out.
    pub result_root: Hash32,
    /// Fuel it used.
    pub fuel_used: u64,
}
