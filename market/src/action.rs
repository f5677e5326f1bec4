//! What the market wants done. The shell performs actions in order; each may be performed again
//! after a restart, so performing one twice must do no harm.

use fog_protocol::{Address, Commit, Hash32, Nano, Signature, Signed, TaskId, TaskStatus};
use fog_verifier::AuditBasis;

use crate::Settlement;

/// A match, complete for the chain: the escrow's `assign` message is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assign {
    /// The task.
    pub task: TaskId,
    /// Its escrow.
    pub escrow: Address,
    /// The worker.
    pub worker: Address,
    /// Its stake contract.
    pub stake: Address,
    /// The agreed price.
    pub price: Nano,
    /// The stake to reserve.
    pub reserve: Nano,
    /// The session key's signature over the contract's consent cell.
    pub consent: Signature,
    /// Last chain second at which the consent holds.
    pub valid_until: u64,
}

/// What the market wants done.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask workers for bids, best known ask first.
    Offer {
        /// The task.
        task: TaskId,
        /// Whom, best first; never empty.
        to: Vec<Address>,
        /// Chain time until which bids of this round count.
        bids_until: u64,
        /// The smallest reserve at the listing's cap; it scales linearly with the price.
        reserve_at_cap: Nano,
    },
    /// Put the match on chain.
    Assign(Box<Assign>),
    /// The stake is reserved: the worker may have the work.
    NotifyAssigned {
        /// The task.
        task: TaskId,
        /// Who.
        worker: Address,
        /// Chain time by which its commitment must be on chain.
        commit_by: u64,
    },
    /// A bid did not win.
    NotifyLost {
        /// The task.
        task: TaskId,
        /// Who.
        worker: Address,
        /// Stable code: `outbid`, `no_slot`, `stake_in_use`, `offline`, `consent_expired`,
        /// `pledge_in_use`, `bond_in_use`, `reserve_refused`, `task_closed`.
        code: &'static str,
        /// Why, and what would have matched.
        reason: String,
    },
    /// A round ended without a match: why, and what would have matched. The task stays open and
    /// another round has begun.
    Unmatched {
        /// The task.
        task: TaskId,
        /// For people.
        reason: String,
    },
    /// Put the commitment on chain.
    RelayCommit {
        /// The worker's signed commitment.
        commit: Box<Signed<Commit>>,
    },
    /// Tell the worker its commitment is stored: it may send the result.
    AckCommit {
        /// The task.
        task: TaskId,
        /// Who.
        worker: Address,
        /// Chain time by which a verdict must be there (a lower bound until the commitment is on
        /// chain).
        verdict_by: u64,
    },
    /// The commitment is on chain: the requestor may open its nonce, until `until`.
    AskNonce {
        /// The task.
        task: TaskId,
        /// Chain time after which the result is audited without it.
        until: u64,
    },
    /// Turn the submission into a verdict on this basis. A later one replaces an earlier one.
    Verify {
        /// The task.
        task: TaskId,
        /// Why it is checked, or not.
        basis: AuditBasis,
        /// The rate of the draw, in parts per million.
        rate_ppm: u32,
    },
    /// Sign the verdict and put it on chain.
    Settle(Settlement),
    /// Sign the ruling on a disputed verdict and put it on chain.
    Rule(Settlement),
    /// A result that a pledge stands for is false: sign that the pledge is lost, and put it on chain.
    Breach {
        /// The task whose result it is.
        task: TaskId,
        /// Whose pledge.
        worker: Address,
        /// Which.
        pledge: TaskId,
        /// Hash of the evidence about that result.
        evidence: Hash32,
    },
    /// A result that was accepted without a look is wrong, and its window still runs: challenge its
    /// verdict on chain, with this evidence.
    Challenge {
        /// The task.
        task: TaskId,
        /// Hash of the evidence.
        evidence: Hash32,
    },
    /// Sign that the worker did not hand over what it committed to, and put it on chain.
    Undelivered {
        /// The task.
        task: TaskId,
    },
    /// The challenge window is over: finalize on chain.
    Finalize {
        /// The task.
        task: TaskId,
    },
    /// The state's deadline has passed: push the escrow out of it.
    Expire {
        /// The task.
        task: TaskId,
    },
    /// Read the escrow's state: what was heard of it does not fit together, or nothing was heard.
    Reconcile {
        /// The task.
        task: TaskId,
    },
    /// Read the worker's stake: it changed on chain.
    ReadStake {
        /// Who.
        worker: Address,
    },
    /// The task ended.
    NotifyClosed {
        /// The task.
        task: TaskId,
        /// The worker it was assigned to, if any.
        worker: Option<Address>,
        /// The final status.
        status: TaskStatus,
        /// What the worker earned or lost.
        amount: Nano,
        /// For people.
        reason: String,
    },
    /// The task was never funded: forget it.
    Drop {
        /// The task.
        task: TaskId,
    },
}

impl Action {
    /// The task it is about; none for [`Action::ReadStake`].
    #[must_use]
    pub fn task(&self) -> Option<TaskId> {
        match self {
            Self::Offer { task, .. }
            | Self::NotifyAssigned { task, .. }
            | Self::NotifyLost { task, .. }
            | Self::Unmatched { task, .. }
            | Self::AckCommit { task, .. }
            | Self::AskNonce { task, .. }
            | Self::Verify { task, .. }
            | Self::Breach { task, .. }
            | Self::Challenge { task, .. }
            | Self::Undelivered { task }
            | Self::Finalize { task }
            | Self::Expire { task }
            | Self::Reconcile { task }
            | Self::NotifyClosed { task, .. }
            | Self::Drop { task } => Some(*task),
            Self::Assign(assign) => Some(assign.task),
            Self::RelayCommit { commit } => Some(commit.value.task),
            Self::Settle(settlement) | Self::Rule(settlement) => Some(settlement.task()),
            Self::ReadStake { .. } => None,
        }
    }
}
