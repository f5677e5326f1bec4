//! What a worker signs: bids, commitments and the opening of a commitment.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{Address, GuestExit, Hash32, Nano, Signature, TaskId, envelope::Tagged, tagged_hash};

/// A worker's offer to do a task. Signed by the session key of the worker's `Stake` contract.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bid {
    /// The task.
    pub task: TaskId,
    /// The `Task` contract the consent below names.
    pub escrow: Address,
    /// The worker: owner of the stake.
    pub worker: Address,
    /// Its `Stake` contract.
    pub stake: Address,
    /// Asked price, at most the listing's cap.
    pub price: Nano,
    /// How much stake may be reserved for this task.
    pub reserve: Nano,
    /// Last chain second (Unix) at which the stake may be reserved.
    pub valid_until: u64,
    /// How many tasks the worker takes at once, this one included.
    pub slots: u16,
    /// The session key's signature over the contract's consent cell (`fog_contracts`): without it
    /// the `Stake` contract reserves nothing.
    pub consent: Signature,
}

impl Tagged for Bid {
    const TAG: &'static str = "fog/bid/v1";
}

/// A worker's commitment to a result it has not shown yet. Signed by the session key.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// The task.
    pub task: TaskId,
    /// The worker.
    pub worker: Address,
    /// [`commitment_hash`] of what will be revealed.
    pub commitment: Hash32,
    /// The session key's signature over the contract's commit cell: anyone may relay it.
    pub chain_signature: Signature,
}

impl Tagged for Commit {
    const TAG: &'static str = "fog/commit/v1";
}

/// The opening of a commitment, sealed to the node after the commitment was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Reveal {
    /// The task.
    pub task: TaskId,
    /// How the program ended.
    pub exit: GuestExit,
    /// The result itself: standard output, or `{"proof":..,"public":..}` of a proof. Empty
    /// unless the exit is a success.
    pub output: Vec<u8>,
    /// Fuel the worker measured.
    pub fuel_used: u64,
    /// The salt of the commitment.
    pub salt: Hash32,
}

/// The commitment to a result: `H(tag, task, worker, result root, fuel, salt)`.
#[must_use]
pub fn commitment_hash(
    task: &TaskId,
    worker: &Address,
    result_root: &Hash32,
    fuel_used: u64,
    salt: &Hash32,
) -> Hash32 {
    tagged_hash(
        "fog/commitment/v1",
        &[
            &task.0.0,
            &worker.workchain.to_be_bytes(),
            &worker.hash.0,
            &result_root.0,
            &fuel_used.to_le_bytes(),
            &salt.0,
        ],
    )
}
