//! What a node is told: addresses, limits, times. Keys come apart, see [`NodeKeys`].

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use fog_protocol::{
    Address, Durations, Hash32, JettonRate, MAX_EPOCH_SECONDS, MAX_FUNDING_SECONDS, Nano,
    PublicKey, SecretKey,
};
use serde::{Deserialize, Serialize};

use crate::{NodeError, epoch::Epochs};

/// Where the chain is reached.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChainConfig {
    /// Base address of a toncenter v2 API, such as `http://127.0.0.1:8081/api/v2`.
    pub endpoint: String,
    /// Its API key. Never logged.
    #[serde(skip_serializing)]
    pub api_key: Option<String>,
    /// Masterchain blocks that must lie on top of a transaction before it counts as final; `None`:
    /// none for a chain on this machine, two elsewhere.
    pub confirmations: Option<u32>,
    /// Base address of a second, independent API: nothing is believed to be final before it knows
    /// it too.
    pub witness: Option<String>,
    /// The second API's key. Never logged.
    #[serde(skip_serializing)]
    pub witness_api_key: Option<String>,
    /// Milliseconds between two looks at the chain.
    pub poll_millis: u64,
    /// Seconds between two comparisons of open tasks with their contracts.
    pub reconcile_seconds: u64,
}

impl Default for ChainConfig {
    fn default() -> Self {
        Self {
            endpoint: "http://127.0.0.1:8081/api/v2".to_owned(),
            api_key: None,
            confirmations: None,
            witness: None,
            witness_api_key: None,
            poll_millis: 500,
            reconcile_seconds: 30,
        }
    }
}

impl fmt::Debug for ChainConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainConfig")
            .field("endpoint", &self.endpoint)
            .field("api_key", &self.api_key.as_ref().map(|_| ".."))
            .field("confirmations", &self.confirmations)
            .field("witness", &self.witness)
            .field("witness_api_key", &self.witness_api_key.as_ref().map(|_| ".."))
            .field("poll_millis", &self.poll_millis)
            .field("reconcile_seconds", &self.reconcile_seconds)
            .finish()
    }
}

/// What the node's share of a task in a jetton has to be worth to be claimed, where nobody says otherwise.
pub const CLAIM_FROM: Nano = Nano::new(200_000_000);

/// The program that runs guests in a process of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunnerConfig {
    /// The program; `None` is the program that is running now.
    pub program: Option<PathBuf>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Verifications at once.
    pub parallel: usize,
    /// Of older versions, and without a meaning: a verification is tried until its verdict would come too
    /// late.
    #[serde(skip_serializing)]
    pub attempts: Option<u32>,
}

impl Default for RunnerConfig {
    fn default() -> Self {
        Self { program: None, args: vec!["__sandbox".to_owned()], parallel: 2, attempts: None }
    }
}

/// A verifier in a process of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifierConfig {
    /// Where it listens, such as `http://127.0.0.1:7710`.
    pub url: String,
    /// Its key, which must be one of the market's verifiers.
    pub key: PublicKey,
}

/// Bounds on what others may make the node hold or do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest blob in bytes.
    pub blob_bytes: u64,
    /// Bytes of blobs one key may have stored.
    pub blob_bytes_per_key: u64,
    /// Bytes of all blobs together.
    pub blob_bytes_total: u64,
    /// Seconds (of the node's clock) after which an unused blob is removed.
    pub blob_seconds: u64,
    /// Largest JSON body in bytes.
    pub json_bytes: usize,
    /// Bytes of request bodies held in memory at once.
    pub body_bytes_in_flight: u32,
    /// Tasks of one key that have not ended.
    pub tasks_per_key: u32,
    /// Tasks that have not ended, of all keys.
    pub tasks_total: u32,
    /// Requests handled at once; more are answered 429.
    pub requests_at_once: usize,
    /// Streams of task events at once.
    pub streams_at_once: usize,
    /// Seconds a request may take, upload included.
    pub request_seconds: u64,
    /// Connections from one address (both HTTP and gateway).
    pub connections_per_address: usize,
    /// Connections in all.
    pub connections_total: usize,
    /// Authenticated workers at once.
    pub workers_total: usize,
    /// Frames a worker may send a second, on average.
    pub frames_per_second: u32,
    /// Frames a worker may send at once after a pause.
    pub frame_burst: u32,
    /// Frames waiting for a worker before it counts as too slow and is dropped.
    pub frames_queued: usize,
    /// Commands waiting for the coordinator.
    pub commands_queued: usize,
    /// Commands decided in one database transaction.
    pub commands_per_commit: usize,
    /// Intents put into one message of the wallet.
    pub intents_per_message: usize,
    /// Challenges of wrong results that wait for their end at once: each holds a bond of the node's.
    pub challenges_at_once: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            blob_bytes: 32 << 20,
            blob_bytes_per_key: 1 << 30,
            blob_bytes_total: 16 << 30,
            blob_seconds: 24 * 3600,
            json_bytes: 64 << 10,
            body_bytes_in_flight: 256 << 20,
            tasks_per_key: 1000,
            tasks_total: 100_000,
            requests_at_once: 512,
            streams_at_once: 256,
            request_seconds: 60,
            connections_per_address: 256,
            connections_total: 4096,
            workers_total: 2048,
            frames_per_second: 50,
            frame_burst: 200,
            frames_queued: 256,
            commands_queued: 1024,
            commands_per_commit: 256,
            intents_per_message: 100,
            challenges_at_once: 64,
        }
    }
}

/// What the node pays in for workers on the account rail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RailConfig {
    /// Nanogram paid into a worker's earnings at once: when they are opened, and when less than half
    /// of it is left. What workers do not earn comes back when the node closes them.
    pub earnings_deposit: Nano,
    /// Exposure cap of earnings in nanogram: the most a worker may be owed and not have redeemed.
    pub earnings_cap: Nano,
    /// Seconds from the node's notice to its exit.
    pub earnings_delay: u32,
    /// Workers that earnings are opened for at most.
    pub earnings_most: usize,
    /// Nanogram of stake that a worker is asked to reserve in bulk, so that not every result of this rail
    /// has to be checked; zero: none, and all are checked. Needs as many verifiers as the market's
    /// threshold whose keys the node has itself.
    pub pledge: Nano,
    /// Seconds that it is reserved for at a time, at most what the market allows. Tasks may take a
    /// quarter of it; for half of it the next is reserved, too.
    pub pledge_seconds: u32,
}

impl Default for RailConfig {
    fn default() -> Self {
        Self {
            earnings_deposit: Nano::grams(2),
            earnings_cap: Nano::grams(2),
            earnings_delay: 86_400,
            earnings_most: 256,
            pledge: Nano::ZERO,
            pledge_seconds: 86_400,
        }
    }
}

/// A worker that the node trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedConfig {
    /// The session key that its stake contract names: `fog worker show`.
    pub key: PublicKey,
    /// What is left of the rate that the node checks it at for its short history, in parts per million:
    /// at least a tenth. The listing's own rate is never reduced.
    #[serde(default = "quarter")]
    pub factor_ppm: u32,
    /// A key that was caught is not trusted any more, until this is raised.
    #[serde(default)]
    pub grant: u32,
}

impl TrustedConfig {
    /// Trust in a key as far as nothing else is said.
    #[must_use]
    pub const fn new(key: PublicKey) -> Self {
        Self { key, factor_ppm: quarter(), grant: 0 }
    }
}

const fn quarter() -> u32 {
    250_000
}

/// Everything about a node that is no secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Where the API and the gateway listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the database and the blobs are.
    pub data_dir: PathBuf,
    /// The chain.
    pub chain: ChainConfig,
    /// TON global id: -3 test networks and the embedded chain, -239 main network.
    pub network: i32,
    /// The `Market` contract.
    pub market: Address,
    /// The sandbox.
    pub runner: RunnerConfig,
    /// Verifiers in processes of their own; keys in the node's keystore count besides.
    pub verifiers: Vec<VerifierConfig>,
    /// Seconds a verifier may take for an answer.
    pub verifier_seconds: u64,
    /// After how many checked results a planted one follows, that finds verifiers which sign without
    /// looking: in parts per million.
    pub ringer_ppm: u32,
    /// Bounds.
    pub limits: Limits,
    /// The account rail.
    pub rail: RailConfig,
    /// Jettons that tasks may be paid in, and how many units stand for one GRAM of guarantee: none.
    pub jettons: Vec<JettonRate>,
    /// The node's share of a task that was paid in a jetton is sent to its wallet if it is worth as much, at
    /// these rates: a claim takes 0.1 GRAM along, of which the jetton's wallets use what they need.
    pub claim_from: Nano,
    /// Seconds of chain time a round of bids stays open at most.
    pub bid_round_seconds: u64,
    /// Workers asked for a bid in one round of a task, cheapest first; also its bids, at most.
    pub bids_per_task: u32,
    /// First assignments of a worker that are always audited; of the n-th later on at least
    /// `probation / n`, until the listing's rate is more.
    pub probation: u32,
    /// Results of a worker that are audited after one that was rejected, at least one.
    pub flag_audits: u32,
    /// Workers that are checked less than their history would have it, and never less than listings ask
    /// for: none.
    pub trusted: Vec<TrustedConfig>,
    /// Lowest audit rate a listing may ask for, in parts per million.
    pub min_rate_ppm: u32,
    /// Seconds of chain time a requestor has to open its nonce.
    pub nonce_grace_seconds: u64,
    /// Seconds of chain time an epoch of one audit seed lasts: at most
    /// [`fog_protocol::MAX_EPOCH_SECONDS`], 31 days.
    pub epoch_seconds: u64,
    /// Seconds of chain time a result is kept after its task ended.
    pub result_seconds: u64,
    /// How it goes on with its epochs.
    #[serde(skip)]
    pub epochs: Epochs,
    /// Seconds of chain time a posted task may stay unfunded: at most
    /// [`fog_protocol::MAX_FUNDING_SECONDS`], a day.
    pub funding_seconds: u64,
    /// Shortest accepted durations.
    pub min_durations: Durations,
    /// Longest accepted durations.
    pub max_durations: Durations,
    /// Seconds of chain time a signed message of the wallet stays valid.
    pub message_seconds: u32,
    /// Nanogram that stay in the wallet for verdicts and rulings, whatever there is to be challenged:
    /// challenges that would take of it wait for bonds to come back.
    pub wallet_floor: Nano,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            data_dir: PathBuf::from("fog-node"),
            chain: ChainConfig::default(),
            network: -3,
            market: Address::basechain([0; 32]),
            runner: RunnerConfig::default(),
            verifiers: Vec::new(),
            verifier_seconds: 180,
            ringer_ppm: 20_000,
            limits: Limits::default(),
            rail: RailConfig::default(),
            jettons: Vec::new(),
            claim_from: CLAIM_FROM,
            bid_round_seconds: 3,
            bids_per_task: 256,
            probation: 3,
            flag_audits: 50,
            trusted: Vec::new(),
            min_rate_ppm: 10_000,
            nonce_grace_seconds: 10,
            epoch_seconds: 3600,
            epochs: Epochs::Continue,
            result_seconds: 7 * 86_400,
            funding_seconds: 3600,
            min_durations: Durations { bid: 10, commit: 10, verdict: 10, window: 0 },
            max_durations: Durations {
                bid: 7 * 86_400,
                commit: 7 * 86_400,
                verdict: 7 * 86_400,
                window: 7 * 86_400,
            },
            message_seconds: 60,
            wallet_floor: Nano::grams(5),
        }
    }
}

impl NodeConfig {
    /// Epochs end, and what names one has ended not long after: verifiers want both.
    pub(crate) fn check_epochs(&self) -> Result<(), NodeError> {
        let wrong = |message: String| Err(NodeError::Config(message));
        if !(1..=MAX_EPOCH_SECONDS).contains(&self.epoch_seconds) {
            let given = self.epoch_seconds;
            return wrong(format!(
                "epoch_seconds is {given}: between 1 and {MAX_EPOCH_SECONDS} (31 days)"
            ));
        }
        if self.funding_seconds > MAX_FUNDING_SECONDS {
            let given = self.funding_seconds;
            return wrong(format!(
                "funding_seconds is {given}: at most {MAX_FUNDING_SECONDS} (a day)"
            ));
        }
        Ok(())
    }
}

/// A node's secrets. Never serialised, never printed.
#[derive(Clone)]
pub struct NodeKeys {
    /// Of the operator's v5r1 wallet: sends, and pays gas.
    pub operator: SecretKey,
    /// Of the verifiers that are no processes of their own; may be none.
    pub verifiers: Vec<SecretKey>,
    /// What audit seeds are derived from; `None` derives it from the operator's key.
    pub epoch_seed: Option<Hash32>,
}

impl fmt::Debug for NodeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKeys(operator, {} verifiers)", self.verifiers.len())
    }
}
