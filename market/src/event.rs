//! What happens to the market. Events are what the log stores: replaying them, each with the
//! chain time it was applied at, gives the same state and the same actions.

use borsh::{BorshDeserialize, BorshSerialize};
use fog_protocol::{
    Address, Bid, Commit, Group, Hash32, Listing, Nano, PublicKey, SealPublicKey, Signed, TaskId,
    gateway::PassReason,
};
use fog_verifier::{Evidence, strategy::redundant::Opening};

use crate::{Refused, Rules, Trust};

/// Which verdict the chain holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Verdict {
    /// The result is paid after the challenge window.
    Accepted,
    /// The stake is cut after the challenge window.
    Rejected,
}

/// Why a requestor got its money back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum RefundCause {
    /// Nobody was assigned in time, or the requestor cancelled, or the terms were refused.
    Unassigned,
    /// The worker did not commit in time, or did not hand over what it committed to; `penalty` was
    /// cut from its reserve.
    WorkerLate {
        /// What it lost.
        penalty: Nano,
    },
    /// No verdict came in time; the worker's reserve was released whole, and the node's bond paid
    /// it.
    NoVerdict,
}

/// How a task ended on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Outcome {
    /// The worker was paid.
    Paid {
        /// What reached its stake contract as earnings.
        worker_amount: Nano,
        /// What reached the treasury.
        fee: Nano,
    },
    /// The worker's stake was cut for a wrong result.
    Slashed {
        /// Cut from the reserve.
        amount: Nano,
    },
    /// The requestor was refunded.
    Refunded {
        /// Why.
        cause: RefundCause,
    },
}

/// Everything that can happen. Facts of the chain (marked so) may come late, twice or out of
/// order; they are never refused for that.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Event {
    /// A requestor posted a listing. Posting it again is answered like the first time.
    Posted {
        /// The listing, signed by its `requestor_key`.
        listing: Box<Signed<Listing>>,
        /// The address of its escrow, as computed by the node.
        escrow: Address,
    },
    /// A worker authenticated. Joining again replaces session, keys and stake.
    WorkerJoined {
        /// Owner wallet.
        worker: Address,
        /// Its stake contract.
        stake: Address,
        /// The session key registered there.
        session: PublicKey,
        /// What payloads are sealed to.
        seal_key: SealPublicKey,
        /// Stake neither reserved nor unbonding, as read from the chain.
        free_stake: Nano,
    },
    /// A worker's connection ended.
    WorkerLeft {
        /// Who.
        worker: Address,
    },
    /// A worker's stake was read from the chain.
    StakeRead {
        /// Who.
        worker: Address,
        /// Stake neither reserved nor unbonding.
        free_stake: Nano,
    },
    /// The node's bond was read from the chain: what it stands for may not cost more together.
    BondRead {
        /// All of it, what is reserved included.
        bond: Nano,
    },
    /// Chain: the escrow is funded and registered.
    Opened {
        /// The task.
        task: TaskId,
        /// Chain time from which anyone may have it refunded if nobody is assigned.
        deadline: u64,
    },
    /// A worker bids.
    Bid {
        /// Signed by its session key.
        bid: Box<Signed<Bid>>,
    },
    /// A worker does not bid.
    Passed {
        /// The task.
        task: TaskId,
        /// Who.
        worker: Address,
        /// Why.
        reason: PassReason,
        /// What it would have taken, where the price was the reason.
        ask: Option<Nano>,
    },
    /// Match every round that is complete: all workers asked have answered, or its time is over.
    CloseRounds,
    /// Chain: the worker's stake is reserved.
    Reserved {
        /// The task.
        task: TaskId,
        /// For whom.
        worker: Address,
        /// At which price.
        price: Nano,
        /// How much.
        reserve: Nano,
        /// Chain time by which the commitment must be on chain.
        commit_by: u64,
    },
    /// Chain: the stake contract refused the reservation; the task is open again.
    ReserveFailed {
        /// The task.
        task: TaskId,
        /// For whom.
        worker: Address,
        /// The contract's exit code, 0 if the message ran out of time.
        code: u32,
    },
    /// The worker commits.
    Committed {
        /// Signed by its session key.
        commit: Box<Signed<Commit>>,
    },
    /// Chain: the commitment is there.
    CommittedOnChain {
        /// The task.
        task: TaskId,
        /// What was committed to.
        commitment: Hash32,
        /// Chain time by which the verdict must be on chain.
        verdict_by: u64,
    },
    /// The requestor opened its draw nonce.
    NonceOpened {
        /// The task.
        task: TaskId,
        /// The nonce.
        nonce: Hash32,
    },
    /// The result arrived, opens its commitment and is stored.
    Submitted {
        /// The task.
        task: TaskId,
        /// The audit seed of the epoch in which the commitment was acknowledged.
        seed: Hash32,
    },
    /// The verifier came to a verdict. The log stores this; live, [`crate::Market::accept`] and
    /// [`crate::Market::reject`] take the witness itself. Applying it re-checks the evidence.
    Judged {
        /// What the verdict rests on.
        evidence: Box<Evidence>,
    },
    /// Chain: the verdict is there and its challenge window runs.
    VerdictOnChain {
        /// The task.
        task: TaskId,
        /// Which.
        verdict: Verdict,
        /// Chain time from which anyone may finalize.
        window_until: u64,
    },
    /// Chain: somebody challenged the verdict.
    Disputed {
        /// The task.
        task: TaskId,
        /// Chain time by which a ruling must be there; without one the verdict stands.
        until: u64,
    },
    /// The verifier looked again at a result whose verdict is disputed. As with `Judged`, live
    /// [`crate::Market::rule`] takes the witness itself.
    Ruled {
        /// What the ruling rests on.
        evidence: Box<Evidence>,
    },
    /// Chain: the task ended.
    Closed {
        /// The task.
        task: TaskId,
        /// How.
        outcome: Outcome,
    },
    /// Time passed: everything whose deadline is over is acted on.
    Tick,
    /// The requestor said which listings are copies of one task.
    Grouped {
        /// The copies.
        group: Group,
    },
    /// As `Submitted`, for one of several copies: with what opens its commitment.
    Delivered {
        /// The task.
        task: TaskId,
        /// The audit seed of the epoch in which the commitment was acknowledged.
        seed: Hash32,
        /// What opens the commitment.
        opening: Opening,
    },
    /// Chain: a worker's stake is reserved in bulk for the account rail, and it has promised to answer
    /// with it.
    Pledged {
        /// Who.
        worker: Address,
        /// The task that holds the stake.
        pledge: TaskId,
        /// How much.
        reserve: Nano,
        /// Seconds from the promise to the verdict.
        lasts: u32,
        /// Chain time by which its verdict must be there.
        judge_by: u64,
    },
    /// A pledge takes nothing new: the earnings that it is about are not used any more.
    PledgeEnding {
        /// Who.
        worker: Address,
        /// Which.
        pledge: TaskId,
    },
    /// Chain: a pledge is over.
    PledgeClosed {
        /// Who.
        worker: Address,
        /// Which.
        pledge: TaskId,
        /// What was cut from the worker's stake.
        slashed: Nano,
    },
    /// By which rules the node decides from here on: at its first start, and at the first start with
    /// other settings. What was decided before is replayed by the rules of its time.
    RulesSet {
        /// All of them.
        rules: Box<Rules>,
    },
    /// Whom the node trusts from here on: at its first start, and at the first start with others.
    TrustSet {
        /// All of them.
        trust: Box<Trust>,
    },
}

impl Event {
    /// Short stable name, for logs and tables.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Posted { .. } => "posted",
            Self::WorkerJoined { .. } => "worker_joined",
            Self::WorkerLeft { .. } => "worker_left",
            Self::StakeRead { .. } => "stake_read",
            Self::BondRead { .. } => "bond_read",
            Self::Opened { .. } => "opened",
            Self::Bid { .. } => "bid",
            Self::Passed { .. } => "passed",
            Self::CloseRounds => "close_rounds",
            Self::Reserved { .. } => "reserved",
            Self::ReserveFailed { .. } => "reserve_failed",
            Self::Committed { .. } => "committed",
            Self::CommittedOnChain { .. } => "committed_on_chain",
            Self::NonceOpened { .. } => "nonce_opened",
            Self::Submitted { .. } => "submitted",
            Self::Judged { .. } => "judged",
            Self::VerdictOnChain { .. } => "verdict_on_chain",
            Self::Disputed { .. } => "disputed",
            Self::Ruled { .. } => "ruled",
            Self::Closed { .. } => "closed",
            Self::Tick => "tick",
            Self::Grouped { .. } => "grouped",
            Self::Delivered { .. } => "delivered",
            Self::Pledged { .. } => "pledged",
            Self::PledgeEnding { .. } => "pledge_ending",
            Self::PledgeClosed { .. } => "pledge_closed",
            Self::RulesSet { .. } => "rules_set",
            Self::TrustSet { .. } => "trust_set",
        }
    }

    /// Checks the signature of what is signed in it (41 us each; nothing else is looked at).
    /// Connections check theirs in parallel, then use [`crate::Market::apply_authentic`].
    ///
    /// # Errors
    /// [`Refused::Signature`].
    pub fn authenticate(self) -> Result<Authentic, Refused> {
        self.check_signature()?;
        Ok(Authentic(self))
    }

    pub(crate) fn check_signature(&self) -> Result<(), Refused> {
        match self {
            Self::Posted { listing, .. } => {
                let value = listing.verify()?;
                by("listing", listing.signer, value.requestor_key)
            }
            Self::Bid { bid } => Ok(bid.verify().map(drop)?),
            Self::Committed { commit } => Ok(commit.verify().map(drop)?),
            Self::WorkerJoined { .. }
            | Self::WorkerLeft { .. }
            | Self::StakeRead { .. }
            | Self::BondRead { .. }
            | Self::Opened { .. }
            | Self::Passed { .. }
            | Self::CloseRounds
            | Self::Reserved { .. }
            | Self::ReserveFailed { .. }
            | Self::CommittedOnChain { .. }
            | Self::NonceOpened { .. }
            | Self::Submitted { .. }
            | Self::Judged { .. }
            | Self::VerdictOnChain { .. }
            | Self::Disputed { .. }
            | Self::Ruled { .. }
            | Self::Closed { .. }
            | Self::Tick
            | Self::Grouped { .. }
            | Self::Delivered { .. }
            | Self::Pledged { .. }
            | Self::PledgeEnding { .. }
            | Self::PledgeClosed { .. }
            | Self::RulesSet { .. }
            | Self::TrustSet { .. } => Ok(()),
        }
    }
}

/// Refuses a signature by another key than the one that has to sign.
pub(crate) fn by(what: &'static str, signer: PublicKey, key: PublicKey) -> Result<(), Refused> {
    if signer == key { Ok(()) } else { Err(Refused::WrongSigner { what, signer, key }) }
}

/// An event whose signature was checked. Only [`Event::authenticate`] makes it.
#[derive(Debug)]
pub struct Authentic(Event);

impl Authentic {
    /// The event.
    #[must_use]
    pub const fn event(&self) -> &Event {
        &self.0
    }
}
