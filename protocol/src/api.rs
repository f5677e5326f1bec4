//! Bodies of the node's HTTP API under `/v1`. All JSON unless said otherwise; amounts are integer
//! nanogram, hashes and keys hexadecimal, addresses raw, times Unix seconds of the chain.
//!
//! | route | auth | body → answer |
//! | --- | --- | --- |
//! | `GET /v1/info` | | → [`NodeInfo`] |
//! | `PUT /v1/blobs/{sha256}` | any key | bytes → 204 |
//! | `POST /v1/tasks` | the envelope | `Signed<Listing>` → [`Posted`] |
//! | `POST /v1/groups` | its secret | [`crate::Group`] → 204 |
//! | `GET /v1/tasks?limit=&after=&status=&epoch=` | | → [`TaskPage`] |
//! | `GET /v1/tasks/{id}` | | → [`TaskView`] |
//! | `GET /v1/tasks/{id}/events` | | server-sent events, each a [`TaskView`] |
//! | `POST /v1/tasks/{id}/nonce` | requestor | [`OpenNonce`] → 204 |
//! | `GET /v1/tasks/{id}/opening` | | → [`Signed`]`<`[`NonceOpening`]`>` |
//! | `GET /v1/tasks/{id}/result` | requestor | → bytes (only once accepted) |
//! | `GET /v1/tasks/{id}/payload` | assigned worker | → sealed [`Payload`] bytes |
//! | `PUT /v1/tasks/{id}/submission` | assigned worker | sealed `Reveal` bytes → 204 |
//! | `GET /v1/accounts/{address}` | | → [`crate::AccountView`] |
//! | `GET /v1/accounts/{address}/entries?after=` | | → [`crate::EntryPage`] |
//! | `POST /v1/accounts/{address}/voucher` | the payer's signature | [`crate::VoucherFile`] → the same, signed by the node, too |
//! | `GET /v1/epochs/current`, `GET /v1/epochs/{number}` | | → [`EpochView`] |
//! | `GET /v1/workers` | | → list of [`WorkerView`] |
//! | `GET /v1/gateway` | in band | WebSocket, see [`crate::gateway`] |

use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{
    Address, Durations, Epoch, GivenUp, GuestExit, Hash32, JettonAmount, JettonRate, Listing, Nano,
    NonceOpening, PublicKey, SealPublicKey, Signed, TaskId, TaskStatus,
};

/// How long a node or a verifier keeps a connection on which nothing is asked.
pub const SERVER_IDLE: Duration = Duration::from_secs(15);
/// How long a client keeps one for its next request: less, or it would write into closed ones.
pub const CLIENT_IDLE: Duration = Duration::from_secs(10);

/// HPKE context of the payload sealed to a worker.
pub const PAYLOAD_CONTEXT: &[u8] = b"fog/payload/v1";
/// HPKE context of the reveal sealed to the node.
pub const REVEAL_CONTEXT: &[u8] = b"fog/reveal/v1";

/// The HPKE context of `purpose` for `task`.
#[must_use]
pub fn seal_context(purpose: &[u8], task: &TaskId) -> Vec<u8> {
    [purpose, &task.0.0].concat()
}

/// What the node is and where its money rules are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// [`crate::PROTOCOL_VERSION`].
    pub protocol: u16,
    /// Software version.
    pub version: String,
    /// The node's id: what signed requests name.
    pub node: Hash32,
    /// TON global id.
    pub network: i32,
    /// The `Market` contract.
    pub market: Address,
    /// The node's wallet.
    pub operator: Address,
    /// The key that signs vouchers for it: the payee's key of accounts here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_key: Option<PublicKey>,
    /// What reveals are sealed to.
    pub seal_key: SealPublicKey,
    /// Public keys of the verifiers and how many must sign.
    pub verifiers: Vec<PublicKey>,
    /// Verdict threshold.
    pub threshold: u8,
    /// Hash of the current epoch's audit seed.
    pub epoch_seed_hash: Hash32,
    /// The current epoch: listings whose results may be drawn name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Signed<Epoch>>,
    /// Fee in basis points of the price.
    pub fee_bps: u16,
    /// Nanogram to attach beyond the price when funding a task (gas; the rest comes back).
    pub task_gas: Nano,
    /// Largest blob in bytes.
    pub max_blob_bytes: u64,
    /// Shortest and longest accepted durations.
    pub min_durations: Durations,
    /// Longest accepted durations.
    pub max_durations: Durations,
    /// First assignments of a worker that are always audited.
    pub probation: u32,
    /// Lowest audit rate a listing may ask for, in parts per million.
    pub min_rate_ppm: u32,
    /// Jettons that tasks may be paid in, and the least of each for one GRAM of guarantee.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jettons: Vec<JettonRate>,
    /// Workers' keys that are checked less than their short history would have it; never less than
    /// listings ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted: Vec<TrustedKey>,
}

/// A worker's key that a node trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedKey {
    /// Its session key.
    pub key: PublicKey,
    /// What is left of what the node checks beyond the listing's rate, in parts per million.
    pub factor_ppm: u32,
}

impl Posted {
    /// The answer on the account rail: nothing is to be paid, nothing is deployed.
    #[must_use]
    pub fn on_account(task: TaskId, place: Address) -> Self {
        let (state_init, body, link) = (String::new(), String::new(), String::new());
        let (amount, epoch) = (Nano::ZERO, None);
        Self { task, escrow: place, amount, state_init, body, link, epoch }
    }
}

/// The answer to a posted listing: how to fund it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// The task's id.
    pub task: TaskId,
    /// Its escrow's address: recompute it before paying. On the account rail its place, where nothing
    /// is ever deployed; the fields after it are empty then.
    pub escrow: Address,
    /// What to send.
    pub amount: Nano,
    /// The escrow's StateInit, base64 BoC.
    pub state_init: String,
    /// The message body, base64 BoC.
    pub body: String,
    /// `ton://transfer/...` with all of it.
    pub link: String,
    /// The epoch that the listing names: its seed decides the draw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Signed<Epoch>>,
}

/// A transaction that belongs to a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxRef {
    /// What it did: `fund`, `open`, `assign`, `commit`, `verdict`, `finalize`, `close`, ...
    pub kind: String,
    /// Account it ran on.
    pub account: Address,
    /// Logical time.
    pub lt: u64,
    /// Hash.
    pub hash: Hash32,
}

/// Why a worker did not get the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The worker.
    pub worker: Address,
    /// Stable code, such as `price_above_cap`.
    pub code: String,
    /// The reason, and what would have matched.
    pub reason: String,
}

/// One step of a task's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The status reached.
    pub status: TaskStatus,
    /// When (chain time).
    pub at: u64,
    /// Why.
    pub note: String,
}

/// What verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictView {
    /// `accepted` or `rejected`.
    pub verdict: String,
    /// Was the result checked (drawn, flagged or proven), rather than accepted undrawn?
    pub audited: bool,
    /// Why it was or wasn't checked.
    pub reason: String,
    /// Hash of the evidence bundle.
    pub evidence: Hash32,
    /// The rate the draw was made at, in parts per million: the listing's, or what the node adds for a
    /// short history. None in verdicts that are older than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_ppm: Option<u32>,
    /// The node trusts the worker: what it leaves of the rate that a short history asks for, in parts per
    /// million. The listing's rate is never reduced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_ppm: Option<u32>,
}

/// What became of a result that was accepted without a look, and whose worker was caught then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecheckView {
    /// The task whose result was found wrong.
    pub caught: TaskId,
    /// `due`, `right`, `wrong`, or `too_late`: it was paid, or about to be.
    pub found: String,
    /// Hash of the evidence, if it was wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Hash32>,
}

/// Why a worker gave a task up, by what it says itself: nobody checked it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUpView {
    /// Who says it.
    pub worker: Address,
    /// When it came (chain time).
    pub at: u64,
    /// What it says.
    #[serde(flatten)]
    pub said: GivenUp,
}

impl std::fmt::Display for GivenUpView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "worker {} says: {}", self.worker, self.said)
    }
}

/// A task as anybody may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskView {
    /// Its id.
    pub id: TaskId,
    /// Where it stands: the same word on every surface.
    pub status: TaskStatus,
    /// The listing (hashes, not contents).
    pub listing: Listing,
    /// Its escrow.
    pub escrow: Address,
    /// The assigned worker.
    pub worker: Option<Address>,
    /// The agreed price; where the task is paid in a jetton, what guarantees it in stake and bond.
    pub price: Option<Nano>,
    /// The agreed price, where the task is paid in a jetton; none in GRAM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_in_jetton: Option<JettonAmount>,
    /// Stake reserved for it.
    pub reserve: Option<Nano>,
    /// The worker's commitment.
    pub commitment: Option<Hash32>,
    /// Length of the result in bytes, once accepted.
    pub result_bytes: Option<u64>,
    /// SHA-256 of the result, once accepted.
    pub result_hash: Option<Hash32>,
    /// How the program ended, once accepted: of a limit it hit, which and how far it got.
    pub exit: Option<GuestExit>,
    /// The verdict.
    pub verdict: Option<VerdictView>,
    /// Was its worker caught after it had been accepted without a look? Of a single task only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recheck: Option<RecheckView>,
    /// Its worker gave it up, and said why: of a single task only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<GivenUpView>,
    /// Chain time at which the present state times out.
    pub deadline: Option<u64>,
    /// Amount slashed from the worker's stake.
    pub slashed: Option<Nano>,
    /// Every refused bid, and why.
    pub refusals: Vec<Refusal>,
    /// What happened so far, oldest first.
    pub history: Vec<Step>,
    /// Its transactions, oldest first.
    pub transactions: Vec<TxRef>,
}

/// A page of tasks, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskPage {
    /// The tasks.
    pub tasks: Vec<TaskView>,
    /// Give this as `after` for the next page.
    pub next: Option<u64>,
}

/// A worker as anybody may see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerView {
    /// Owner wallet.
    pub worker: Address,
    /// `Stake` contract.
    pub stake: Address,
    /// Connected now?
    pub online: bool,
    /// Stake that is neither reserved nor unbonding, as last read from the chain.
    pub free_stake: Nano,
    /// Reputation, 0 to 1,000,000.
    pub reputation_ppm: u32,
    /// Assignments so far.
    pub assigned: u64,
    /// Results accepted.
    pub accepted: u64,
    /// Results rejected.
    pub rejected: u64,
    /// Assignments that timed out.
    pub late: u64,
    /// Flagged after a rejected result: everything it returns is checked.
    pub flagged: bool,
}

/// A verifier that a node asks, as anybody may see it. Counts are since the node's start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifierView {
    /// Its key in the market.
    pub key: PublicKey,
    /// Its place among the market's verifiers.
    pub index: u8,
    /// `this node`, or `a process of its own`.
    pub place: String,
    /// Is it asked, and does its signature count?
    pub counted: bool,
    /// Why not.
    pub excluded_because: Option<String>,
    /// Questions put to it, ringers included.
    pub asked: u64,
    /// Answers with a signature.
    pub signed: u64,
    /// Questions without one: dead, slow, undecided or not believed.
    pub failed: u64,
    /// Answers that contradict what enough others signed.
    pub contrary: u64,
    /// Planted results put to it.
    pub ringers: u64,
    /// Planted results it signed wrongly.
    pub ringers_missed: u64,
    /// Why its last question had no signature.
    pub last_error: Option<String>,
}

/// The verifiers of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifierList {
    /// How many must sign a verdict.
    pub threshold: u8,
    /// How many must sign a ruling on a challenged one.
    pub appeal: u8,
    /// How many the market has.
    pub of: u8,
    /// Those this node asks.
    pub verifiers: Vec<VerifierView>,
}

/// An epoch as anybody may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochView {
    /// Its number.
    pub epoch: u64,
    /// What was published when it began.
    pub seed_hash: Hash32,
    /// Chain time at which it began.
    pub started_at: u64,
    /// The epoch as the node signed it; none for those before nodes signed them.
    pub signed: Option<Signed<Epoch>>,
    /// Its seed, once it is over and all that names it has ended: then anyone recomputes which
    /// results had to be audited.
    pub seed: Option<Hash32>,
}

/// Opens the requestor's draw nonce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenNonce {
    /// The nonce, and the commitment it is opened for.
    pub opening: Signed<NonceOpening>,
}

/// What the assigned worker downloads, sealed to it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Payload {
    /// The blobs of [`crate::Listing::work_blobs`], in their order.
    pub files: Vec<Vec<u8>>,
    /// The input.
    pub input: Vec<u8>,
}

/// An error as the API answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// Stable code.
    pub code: String,
    /// Cause and cure.
    pub message: String,
}
