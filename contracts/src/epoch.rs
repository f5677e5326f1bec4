//! Stake for the account rail, reserved in bulk.
//!
//! On the account rail no task has a contract of its own that could reserve stake. Instead one
//! [`TaskInit`] a worker and epoch does, with the messages there are: the node pays for it and
//! assigns it, the worker's session key consents to the bulk reserve, the commitment is the Merkle
//! root over the epoch's entries, and the verdict on the epoch releases the stake or slashes it, with
//! the hash of the evidence about the false entry.

use fog_protocol::{Address, Nano, tagged_hash};

use crate::task::{ProofRole, TaskInit, Terms};

const EPOCH: &str = "fog/epoch/v1";

/// One worker's epoch at one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// The market whose verifiers judge it.
    pub market: Address,
    /// The node's wallet: it pays for the epoch and is refunded.
    pub node: Address,
    /// The worker's wallet.
    pub worker: Address,
    /// Which epoch of the two.
    pub number: u32,
    /// What the worker gets for an epoch without a false entry: at least a nanogram.
    pub price: Nano,
    /// Seconds from funding until the stake must be reserved.
    pub bid: u32,
    /// Seconds that the epoch lasts: until the worker's root must be there.
    pub lasts: u32,
    /// Seconds from the root to the verdict.
    pub verdict: u32,
    /// Challenge window in seconds.
    pub window: u32,
}

impl Epoch {
    /// The task that holds its stake.
    #[must_use]
    pub fn task(&self) -> TaskInit {
        let id = tagged_hash(
            EPOCH,
            &[
                &self.market.hash.0,
                &self.node.hash.0,
                &self.worker.hash.0,
                &self.number.to_le_bytes(),
            ],
        );
        TaskInit {
            market: self.market,
            requestor: self.node,
            operator: self.node,
            terms: Terms {
                id,
                price: self.price,
                damages: Nano::ZERO,
                bid: self.bid,
                commit: self.lasts,
                verdict: self.verdict,
                window: self.window,
                proof: ProofRole::None,
            },
        }
    }
}
