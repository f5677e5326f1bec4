//! Stake for the account rail, reserved in bulk.
//!
//! On the account rail no task has a contract of its own that could reserve stake. Instead one
//! [`TaskInit`] a worker and epoch does, with the messages there are: the node pays for it and
//! assigns it, the worker's session key consents to the bulk reserve, and the verdict on the epoch
//! releases the stake or slashes it.
//!
//! What the worker commits to is known before any work: the *rule* that the result of the epoch is
//! what the market's verifiers sign for it ([`Epoch::promise`]). It is signed together with the
//! consent and is on chain before the first task. A commitment that had to be signed at the end, such
//! as the root over the entries, would be kept back by a worker that was caught, which would be late
//! and no worse off.
//!
//! The verdict's evidence is the Merkle root over the earnings' entries at the end of the epoch, or the
//! hash of the evidence about a false result.

use fog_protocol::{Address, Hash32, Nano, tagged_hash};

use crate::{
    ContractError,
    task::{ProofRole, TaskInit, Terms},
};

const EPOCH: &str = "fog/epoch/v2";
const RULE: &str = "fog/epoch/rule/v1";

/// One worker's epoch at one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// The market whose verifiers judge it.
    pub market: Address,
    /// The node's wallet: it pays for the epoch and is refunded.
    pub node: Address,
    /// The worker's wallet.
    pub worker: Address,
    /// The earnings whose tasks it is about.
    pub earnings: Address,
    /// Which epoch of the two.
    pub number: u32,
    /// What the worker gets for an epoch without a false result: at least a nanogram. As much may a
    /// slash bring the node, so the least is best.
    pub price: Nano,
    /// Seconds from funding until the stake must be reserved.
    pub bid: u32,
    /// Seconds from then until the worker's promise must be there.
    pub commit: u32,
    /// Seconds that the epoch lasts, from then: until its verdict must be there.
    pub lasts: u32,
}

impl Epoch {
    /// The id of the task that holds its stake: it binds the parties, the earnings and the number; all
    /// else is in the task's own terms.
    #[must_use]
    pub fn id(&self) -> Hash32 {
        let earnings = self.earnings;
        tagged_hash(
            EPOCH,
            &[
                &self.market.hash.0,
                &self.node.hash.0,
                &self.worker.hash.0,
                &earnings.workchain.to_le_bytes(),
                &earnings.hash.0,
                &self.number.to_le_bytes(),
            ],
        )
    }

    /// The task that holds its stake.
    #[must_use]
    pub fn task(&self) -> TaskInit {
        TaskInit {
            market: self.market,
            requestor: self.node,
            operator: self.node,
            terms: Terms {
                id: self.id(),
                price: self.price,
                damages: Nano::ZERO,
                bid: self.bid,
                commit: self.commit,
                verdict: self.lasts,
                // Whoever holds the verifiers' keys could accept, challenge itself and be right: a fifth
                // of the stake is the winner's. So nobody challenges.
                window: 0,
                proof: ProofRole::None,
            },
        }
    }

    /// What the worker commits to before any work: "the result of the epoch that this task stands for
    /// is what the market's verifiers sign for it". The task's address binds parties, earnings, terms
    /// and code.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn promise(&self) -> Result<Hash32, ContractError> {
        Ok(promise_of(&self.task().address()?))
    }
}

/// The promise of the epoch that the task at this address stands for.
#[must_use]
pub fn promise_of(task: &Address) -> Hash32 {
    tagged_hash(RULE, &[&task.workchain.to_le_bytes(), &task.hash.0])
}
