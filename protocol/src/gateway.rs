//! Frames of the worker gateway: JSON text frames on the WebSocket `/v1/gateway`.
//!
//! The server speaks first ([`ServerFrame::Challenge`]); the worker answers with
//! [`WorkerFrame::Hello`] within [`AUTH_SECONDS`] or is dropped. The gateway sees metadata only:
//! work and results travel sealed, over HTTP.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{
    Address, Bid, Commit, GivenUp, Hash32, Listing, Nano, SealPublicKey, Signed, TaskId,
    TaskStatus, envelope::Tagged,
};

/// Largest frame in bytes, either way.
pub const MAX_FRAME_BYTES: usize = 64 << 10;
/// Seconds a connection has to authenticate.
pub const AUTH_SECONDS: u64 = 5;
/// Seconds between a worker's heartbeats.
pub const HEARTBEAT_SECONDS: u64 = 10;
/// Seconds of silence after which a connection is dropped.
pub const SILENCE_SECONDS: u64 = 30;

/// What a worker proves on connecting: it holds the session key of its `Stake` contract.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// [`crate::PROTOCOL_VERSION`].
    pub protocol: u16,
    /// The node's id from the challenge.
    pub node: Hash32,
    /// The challenge's nonce.
    pub nonce: Hash32,
    /// Owner wallet.
    pub worker: Address,
    /// Its `Stake` contract.
    pub stake: Address,
    /// What payloads are sealed to.
    pub seal_key: SealPublicKey,
    /// Software name and version, at most 64 bytes.
    pub agent: String,
}

impl Tagged for Hello {
    const TAG: &'static str = "fog/hello/v1";
}

/// Why a worker does not bid.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum PassReason {
    /// The cap is below the worker's price.
    PriceTooLow,
    /// It could not finish in time.
    DeadlineTooShort,
    /// It has no slot free.
    Busy,
    /// Limits exceed what it offers.
    TooBig,
    /// It has not enough free stake.
    StakeTooSmall,
    /// It does not run this kind of program.
    Unsupported,
    /// It is shutting down.
    Draining,
}

/// From worker to node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum WorkerFrame {
    /// First frame.
    Hello {
        /// Signed by the session key.
        hello: Signed<Hello>,
    },
    /// An offer.
    Bid {
        /// Signed by the session key.
        bid: Signed<Bid>,
    },
    /// No offer, and why; `ask` is what it would have taken.
    Pass {
        /// The task.
        task: TaskId,
        /// Why.
        reason: PassReason,
        /// The price it would have asked, where the price was the reason.
        ask: Option<Nano>,
    },
    /// A commitment; the node answers [`ServerFrame::Committed`].
    Commit {
        /// Signed by the session key.
        commit: Signed<Commit>,
    },
    /// Consent to a pledge that an offer asked for, and the promise that goes with it. Both name the
    /// task that is to hold the stake.
    Pledge {
        /// Signed by the session key; its consent lets that task reserve the stake.
        bid: Box<Signed<Bid>>,
        /// Signed by the session key: the commitment is the epoch's promise.
        commit: Box<Signed<Commit>>,
    },
    /// A proof of a task whose contract checks it: the node puts it on chain. Sent again until the
    /// task is closed; anyone else may put it there as well.
    Prove {
        /// The task.
        task: TaskId,
        /// The contract's `Prove` message, base64 of its cells.
        message: String,
    },
    /// The worker gives up a task that is assigned to it, and says why. Shown as its claim, the first
    /// of a task; nothing follows from it, its deadline least of all. Not answered; said again on
    /// each connection until the task is closed.
    GiveUp {
        /// The task.
        task: TaskId,
        /// Why: [`GivenUp::check`] holds.
        given_up: GivenUp,
    },
    /// After a restart: tasks in the worker's journal; the node answers each with
    /// [`ServerFrame::Assigned`], [`ServerFrame::Committed`] or [`ServerFrame::Closed`].
    Resume {
        /// At most 256.
        tasks: Vec<TaskId>,
    },
    /// Heartbeat.
    Ping {
        /// Tasks running now.
        running: u16,
    },
}

/// Stake that a node asks a worker to reserve in bulk: all of an epoch's terms that both do not know
/// already (`fog_contracts::epoch`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PledgeAsk {
    /// Which epoch of the two.
    pub number: u32,
    /// How much stake.
    pub reserve: Nano,
    /// What the worker gets for an epoch without a false result.
    pub price: Nano,
    /// Seconds from funding until the stake must be reserved.
    pub bid: u32,
    /// Seconds from then until the promise must be on chain.
    pub commit: u32,
    /// Seconds from then until the verdict must be there.
    pub lasts: u32,
    /// Last chain second at which the stake may be reserved.
    pub valid_until: u64,
}

/// From node to worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame {
    /// First frame: sign this.
    Challenge {
        /// The node's version of the protocol.
        protocol: u16,
        /// The node's id.
        node: Hash32,
        /// Fresh, single use.
        nonce: Hash32,
    },
    /// Authenticated.
    Welcome {
        /// The audit rate this worker's next results are drawn at is at least this.
        probation_left: u32,
    },
    /// A task to bid on.
    Offer {
        /// The listing.
        listing: Box<Listing>,
        /// Its escrow: recompute it.
        escrow: Address,
        /// Smallest reserve at the cap price; scale it with the price.
        reserve_at_cap: Nano,
        /// Chain time until which bids count.
        bids_until: u64,
        /// On the account rail: the worker's earnings at this node. Read them on chain.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        earnings: Option<Address>,
        /// On the account rail: the stake that the node would like the worker to reserve for its next
        /// epoch, if any. Recompute all of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pledge: Option<PledgeAsk>,
    },
    /// The bid won and the stake is reserved on chain: fetch the payload.
    Assigned {
        /// The task.
        task: TaskId,
        /// The listing, so that a restarted worker needs no memory of it.
        listing: Box<Listing>,
        /// Its escrow.
        escrow: Address,
        /// Chain time by which the commitment must be on chain.
        commit_by: u64,
    },
    /// The bid did not win.
    Lost {
        /// The task.
        task: TaskId,
        /// Stable code.
        code: String,
        /// Why.
        reason: String,
    },
    /// The commitment is stored: send the result.
    Committed {
        /// The task.
        task: TaskId,
        /// Chain time by which the result must have been verified.
        verdict_by: u64,
    },
    /// The task reached a status that ends the worker's part.
    Closed {
        /// The task.
        task: TaskId,
        /// The status.
        status: TaskStatus,
        /// What was earned or lost.
        amount: Nano,
        /// Why.
        reason: String,
    },
    /// Heartbeat's answer.
    Pong {
        /// Chain time.
        chain_time: u64,
    },
    /// A frame was refused.
    Error {
        /// Stable code.
        code: String,
        /// Cause and cure.
        message: String,
        /// The task it was about.
        task: Option<TaskId>,
    },
}
