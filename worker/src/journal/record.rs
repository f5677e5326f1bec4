//! What the journal holds: one record a fact, and the encoding that tells a torn record from a
//! whole one.
//!
//! ```text
//! record = length u32 LE | check [8] | borsh(Record)
//! check  = first 8 bytes of H("fog/journal/v1", check of the record before, borsh(Record))
//! ```
//!
//! Each check covers the one before, so what is read back is always a prefix of what was written:
//! a changed byte anywhere ends the journal there.

use borsh::{BorshDeserialize, BorshSerialize};
use fog_protocol::{
    Address, GuestExit, Hash32, JettonAmount, Listing, Nano, Policy, TaskId, TaskStatus,
    commitment_hash, tagged_hash,
};

use crate::governor::Load;

/// Longest encoded record in bytes. A listing arrives in a frame of at most 64 KiB of JSON, which
/// is longer than its borsh form.
pub(crate) const MAX_RECORD_BYTES: usize = 128 << 10;

/// Bytes before a record's body.
pub(crate) const HEADER_BYTES: usize = 12;

/// The check a record is chained to.
pub(crate) type Check = [u8; 8];

/// Who and where: a journal belongs to one worker on one market, reached through one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Pins {
    /// The node's id.
    pub node: Hash32,
    /// The `Market` contract.
    pub market: Address,
    /// TON global id.
    pub network: i32,
    /// The worker: owner of the stake.
    pub worker: Address,
}

/// A result and what commits to it. Once journalled it never changes for its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Outcome {
    /// How the program ended.
    pub exit: GuestExit,
    /// Fuel it used.
    pub fuel_used: u64,
    /// Length of the output file in bytes.
    pub output_bytes: u64,
    /// SHA-256 of the output file.
    pub output_hash: Hash32,
    /// Merkle root over exit and output.
    pub result_root: Hash32,
    /// Salt of the commitment.
    pub salt: Hash32,
    /// The commitment.
    pub commitment: Hash32,
}

impl Outcome {
    /// The outcome of an execution by `worker`, committed to as `policy` wants it, under `salt`.
    #[must_use]
    pub fn new(
        task: &TaskId,
        worker: &Address,
        policy: &Policy,
        salt: Hash32,
        execution: &fog_verifier::Execution,
    ) -> Self {
        let fog_verifier::Execution { exit, output, fuel_used } = execution;
        let result_root = fog_verifier::result_root(policy, *exit, output, *fuel_used);
        Self {
            exit: *exit,
            fuel_used: *fuel_used,
            output_bytes: output.len() as u64,
            output_hash: Hash32::of(output),
            result_root,
            salt,
            commitment: commitment_hash(task, worker, &result_root, *fuel_used, &salt),
        }
    }
}

/// A fact about one task, in the order they happen.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// The journal's first record.
    Pinned(Pins),
    /// About to bid: the consent may be used on chain until `valid_until`.
    Bid {
        /// The task.
        task: TaskId,
        /// Its escrow.
        escrow: Address,
        /// Asked price.
        price: Nano,
        /// Stake the consent covers.
        reserve: Nano,
        /// Last chain second the consent counts.
        valid_until: u64,
        /// How long the work takes at most, and by when it must be done once assigned.
        load: Load,
    },
    /// The node says the bid won.
    Assigned {
        /// The listing; its hash is the task.
        listing: Box<Listing>,
        /// Its escrow, as recomputed.
        escrow: Address,
        /// Chain time by which the commitment must be on chain.
        commit_by: u64,
    },
    /// The result is on disk and this is the only commitment that will ever be made to it.
    Executed {
        /// The task.
        task: TaskId,
        /// The result.
        outcome: Outcome,
    },
    /// The node stored the commitment.
    Committed {
        /// The task.
        task: TaskId,
        /// Chain time by which the result must be verified.
        verdict_by: u64,
    },
    /// The node took the result.
    Submitted {
        /// The task.
        task: TaskId,
    },
    /// Nothing is left to do.
    Closed {
        /// The task.
        task: TaskId,
        /// How it ended.
        ending: Ending,
    },
    /// Written when the journal is compacted: sums over all that was left out, too.
    Carried(Totals),
}

/// Sums over everything this journal has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Totals {
    /// Tasks paid.
    pub paid: u64,
    /// What they paid in GRAM; what others paid in jettons lies in their contracts.
    pub earned: Nano,
    /// Tasks slashed.
    pub slashed: u64,
    /// What that cost.
    pub lost: Nano,
    /// Tasks refunded to their requestor, or given up.
    pub unpaid: u64,
}

/// How a task ended for this worker.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Ending {
    /// The bid did not win, or its consent ran out.
    NotWon,
    /// The task reached a terminal status.
    Final {
        /// The status.
        status: TaskStatus,
        /// What was earned (or lost, where slashed).
        amount: Nano,
    },
    /// This worker gave it up.
    Abandoned {
        /// Why, at most 500 bytes.
        reason: String,
    },
    /// It was paid in a jetton: so much lies in its contract.
    InJetton(JettonAmount),
}

impl Record {
    /// The task it is about; none for [`Record::Pinned`] and [`Record::Carried`].
    #[must_use]
    pub fn task(&self) -> Option<TaskId> {
        match self {
            Self::Pinned(_) | Self::Carried(_) => None,
            Self::Assigned { listing, .. } => Some(listing.id()),
            Self::Bid { task, .. }
            | Self::Executed { task, .. }
            | Self::Committed { task, .. }
            | Self::Submitted { task }
            | Self::Closed { task, .. } => Some(*task),
        }
    }
}

fn check_of(before: &Check, body: &[u8]) -> Check {
    let hash = tagged_hash("fog/journal/v1", &[before, body]);
    let mut check = Check::default();
    check.copy_from_slice(&hash.0[..8]);
    check
}

/// Encodes `record` behind the record whose check is `before`; returns its bytes and check.
/// `None` if it is longer than [`MAX_RECORD_BYTES`].
pub(crate) fn encode(before: &Check, record: &Record) -> Option<(Vec<u8>, Check)> {
    let body = borsh::to_vec(record).ok().filter(|body| body.len() <= MAX_RECORD_BYTES)?;
    let check = check_of(before, &body);
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    bytes.extend_from_slice(&u32::try_from(body.len()).ok()?.to_le_bytes());
    bytes.extend_from_slice(&check);
    bytes.extend_from_slice(&body);
    Some((bytes, check))
}

/// Reads the record at the start of `bytes`: record, its check, its length in bytes. `None` where
/// the journal ends: nothing more, a torn record or a changed one.
pub(crate) fn decode(before: &Check, bytes: &[u8]) -> Option<(Record, Check, usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (check, rest) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if length > MAX_RECORD_BYTES {
        return None;
    }
    let body = rest.get(..length)?;
    if check_of(before, body) != *check {
        return None;
    }
    Some((borsh::from_slice(body).ok()?, *check, HEADER_BYTES + length))
}
