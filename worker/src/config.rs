//! What a worker is told before it starts.

use std::{collections::BTreeMap, path::PathBuf};

use fog_protocol::{Address, Hash32, JettonRates, Nano, SecretKey, ZkVm};

use crate::adversary::Behaviour;

/// Everything [`crate::Worker::start`] needs.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The node's base URL, such as `http://127.0.0.1:8080`.
    pub node_url: String,
    /// The node's id, if it is known beforehand. Otherwise the first node met is pinned in the
    /// journal; another one is refused from then on.
    pub node_id: Option<Hash32>,
    /// The worker's own view of the chain.
    pub chain: ChainConfig,
    /// The `Market` whose rules hold; a node of another market is refused.
    pub market: Address,
    /// The wallet that owns the stake.
    pub owner: Address,
    /// Its `Stake` contract; recomputed before it is used.
    pub stake: Address,
    /// The key registered as the stake's session key: signs bids and commitments. The key payloads
    /// are sealed to is derived from it.
    pub session: SecretKey,
    /// Folder of the journal and of results on their way.
    pub data_dir: PathBuf,
    /// The program started for every execution (the `fog` binary), which turns itself into a
    /// sandbox. `None`: the running program.
    pub runner: Option<PathBuf>,
    /// Folder of the circuits it can prove (`NAME.vk`, `NAME.pk`). `None`: it proves none.
    pub circuits: Option<PathBuf>,
    /// Provers of zkVMs: commands of its own (`fog_verifier::Provers` says how they are called).
    pub provers: BTreeMap<ZkVm, PathBuf>,
    /// What it takes on.
    pub limits: WorkerLimits,
    /// What it asks.
    pub pricing: Pricing,
    /// How fast it is. `None`: measured on starting.
    pub speed: Option<Speed>,
    /// Honest, unless the harness says otherwise.
    pub behaviour: Behaviour,
}

/// Where the worker reads the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainConfig {
    /// Base URL of a toncenter v2 API (`.../api/v2`).
    pub endpoint: String,
    /// Its API key, where it wants one.
    pub api_key: Option<String>,
    /// TON global id: -239 or -3.
    pub network: i32,
}

/// What a worker takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerLimits {
    /// Tasks held at once, bids that may still win included.
    pub slots: u16,
    /// Executions at the same time.
    pub parallel: u16,
    /// Most fuel of one task.
    pub max_fuel: u64,
    /// Most memory of one task in bytes.
    pub max_memory_bytes: u64,
    /// Most bytes of program and input of one task.
    pub max_payload_bytes: u64,
    /// Most output bytes of one task.
    pub max_output_bytes: u64,
    /// Most stake at risk over all tasks at once.
    pub max_exposure: Nano,
    /// Most stake that one pledge may reserve for the account rail; for a while two or three go side by
    /// side. Zero: none.
    pub max_pledge: Nano,
    /// Seconds between the end of the work and the commitment being final on chain: the way to
    /// the node, its relay and the blocks. Work that leaves less is refused.
    pub margin_seconds: u32,
    /// How long the consent of a bid may be used after its round, in seconds.
    pub consent_seconds: u32,
    /// Seconds after which a zkVM's prover is ended. Work that leaves less is refused.
    pub prover_seconds: u32,
    /// Own failures in a row after which it stops bidding for a while.
    pub max_failures: u32,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let parallel = u16::try_from(cores.div_ceil(2)).unwrap_or(u16::MAX);
        Self {
            slots: parallel.saturating_mul(8),
            parallel,
            max_fuel: 100_000_000_000,
            max_memory_bytes: 1 << 30,
            max_payload_bytes: 128 << 20,
            max_output_bytes: 64 << 20,
            max_exposure: Nano::MAX,
            max_pledge: Nano::grams(20),
            margin_seconds: 15,
            consent_seconds: 180,
            prover_seconds: 3600,
            max_failures: 3,
        }
    }
}

/// What a worker asks. The price of a task is a function of its listing alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pricing {
    /// Least price of any task.
    pub base: Nano,
    /// Price of 10^9 fuel of the listing's limit, rounded up.
    pub per_gigafuel: Nano,
    /// Price of a proof; `None`: it makes none.
    pub proof: Option<Nano>,
    /// Jettons it takes instead, and how many units for one GRAM of these prices: none by default.
    pub jettons: JettonRates,
}

impl Default for Pricing {
    fn default() -> Self {
        Self {
            base: Nano::new(10_000_000),
            per_gigafuel: Nano::new(20_000_000),
            proof: Some(Nano::new(100_000_000)),
            jettons: JettonRates::default(),
        }
    }
}

/// How fast a worker is, as its governor counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speed {
    /// Fuel a second of one execution, while `parallel` of them run.
    pub fuel_per_second: u64,
    /// Longest time a proof takes, in seconds.
    pub proof_seconds: u32,
}

impl Speed {
    /// What is assumed where measuring is not possible: slow enough to be safe.
    pub const CAUTIOUS: Self = Self { fuel_per_second: 50_000_000, proof_seconds: 60 };
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("worker setting `{setting}` {problem}")]
pub struct ConfigError {
    /// Its name.
    pub setting: &'static str,
    /// What is wrong and what would do.
    pub problem: String,
}

impl WorkerConfig {
    /// Checks what can be checked without looking anything up.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn check(&self) -> Result<(), ConfigError> {
        let bad = |setting, problem: &str| Err(ConfigError { setting, problem: problem.into() });
        let limits = &self.limits;
        if !self.node_url.starts_with("http://") && !self.node_url.starts_with("https://") {
            return bad("node_url", "must start with http:// or https://");
        }
        if limits.parallel == 0 || limits.parallel > 256 {
            return bad("limits.parallel", "must be between 1 and 256");
        }
        if limits.slots < limits.parallel || limits.slots > 512 {
            return bad("limits.slots", "must be between limits.parallel and 512");
        }
        if limits.max_failures == 0 {
            return bad("limits.max_failures", "must be at least 1");
        }
        if limits.consent_seconds == 0 || limits.consent_seconds > 24 * 3600 {
            return bad("limits.consent_seconds", "must be between 1 and 86400");
        }
        if self.speed.is_some_and(|speed| speed.fuel_per_second == 0) {
            return bad("speed.fuel_per_second", "must be at least 1");
        }
        Ok(())
    }
}
