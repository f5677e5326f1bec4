//! The embedded chain with its API, a deployed market and a node.

use std::{net::SocketAddr, path::PathBuf};

use fog_chain::{ChainClient, ChainConfig};
use fog_contracts::{
    MARKET_VALUE, OPERATOR_RENT,
    market::{self, Choice, Config, MarketInit},
    operator,
};
use fog_node::{Node, NodeConfig, NodeHandle, NodeKeys};
use fog_protocol::{Address, Durations, Hash32, JettonRate, Nano};
use fog_requestor::NodeClient;
use fog_testnet::toncenter;
use fog_wallet::{OutMessage, TESTNET};

use crate::{
    ChainSetup,
    accounts::{LocalAccount, LocalAccounts, local_key, local_secret},
    testnet::fund_once,
    verifiers::VerifierProcess,
};

/// Where slashed stake goes: an address without a key.
pub(crate) const BURN: Address = Address::basechain([0; 32]);
pub(crate) const FEE_BPS: u16 = 200;
/// The node's half of the fee.
const OPERATOR_BPS: u16 = 5_000;
const CHALLENGE_BOND: Nano = Nano::grams(1);
/// The node's bond: all that its workers do at a time may cost as much.
const BOND: Nano = Nano::grams(500);
/// What a wallet of each kind starts with, in GRAM.
pub(crate) const PURSE: u64 = 1_000;

/// Why a local network does not run.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The chain does not start.
    #[error("the embedded chain does not start")]
    Chain(#[from] toncenter::ServerError),
    /// Talking to it failed.
    #[error(transparent)]
    Client(#[from] fog_chain::ChainError),
    /// The market could not be deployed.
    #[error("the market could not be deployed")]
    Deploy(#[from] fog_requestor::PayError),
    /// Cells.
    #[error(transparent)]
    Contract(#[from] fog_contracts::ContractError),
    /// The node does not start.
    #[error("the node does not start")]
    Node(#[from] fog_node::NodeError),
    /// The node does not answer.
    #[error(transparent)]
    Api(#[from] fog_requestor::NodeError),
    /// Something else of the set-up.
    #[error("the local network cannot be set up: {0}")]
    Setup(String),
}

/// How long things take on a local network.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Durations for tasks of the harness.
    pub task: Durations,
    /// Seconds that unbonding takes; more than three times the longest duration.
    pub unbonding: u32,
    /// Seconds from a challenge to its decision.
    pub appeal: u32,
    /// Longest duration a task may have, in seconds.
    pub longest: u32,
}

impl Timing {
    /// For a demo: windows of two seconds.
    pub const DEMO: Self = Self {
        task: Durations { bid: 300, commit: 300, verdict: 300, window: 2 },
        unbonding: 2_101,
        appeal: 300,
        longest: 600,
    };
    /// For a network under load: paid as soon as there is a verdict.
    pub const SOAK: Self = Self {
        task: Durations { bid: 300, commit: 300, verdict: 300, window: 0 },
        unbonding: 2_101,
        appeal: 300,
        longest: 600,
    };
    /// For a network that people use: an hour at most, unbonding takes a little over three.
    pub const DEV: Self = Self {
        task: Durations { bid: 600, commit: 600, verdict: 600, window: 5 },
        unbonding: 11_401,
        appeal: 600,
        longest: 3_600,
    };
}

/// How a local network is set up.
#[derive(Debug, Clone)]
pub struct NetworkOptions {
    /// Its files.
    pub data: PathBuf,
    /// Seed of the LOCAL ONLY accounts, of matching and of draws.
    pub seed: u64,
    /// Worker wallets to fund.
    pub workers: u32,
    /// Where the node listens; port 0 takes a free one.
    pub node: SocketAddr,
    /// Where the chain's API listens; port 0 takes a free one.
    pub chain: SocketAddr,
    /// How long things take.
    pub timing: Timing,
    /// The `fog` program: sandbox processes are started from it.
    pub program: PathBuf,
    /// First assignments of a worker that are always checked.
    pub probation: u32,
    /// Who signs verdicts.
    pub verifiers: Verifiers,
    /// Stake that workers are asked to reserve in bulk for the account rail; zero: none.
    pub pledge: Nano,
    /// Jettons the node takes tasks in.
    pub jettons: Vec<JettonRate>,
    /// What the node's share of a task in a jetton has to be worth to be claimed.
    pub claim_from: Nano,
}

/// Who signs verdicts on a local network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verifiers {
    /// One key, in the node.
    InNode,
    /// Processes of their own, of which more than half must agree; the node has no key.
    Apart(u8),
}

impl Verifiers {
    /// Their public keys, in the market's order.
    #[must_use]
    pub fn keys(self, seed: u64) -> Vec<fog_protocol::PublicKey> {
        match self {
            Self::InNode => vec![verifier_key(seed).public()],
            Self::Apart(count) => (0..count).map(|index| apart_key(seed, index).public()).collect(),
        }
    }

    /// How many must agree on a ruling: all, for the contract takes more than for a verdict.
    #[must_use]
    pub const fn appeal(self) -> u8 {
        match self {
            Self::InNode => 1,
            Self::Apart(count) => count,
        }
    }

    /// How many must agree.
    #[must_use]
    pub const fn threshold(self) -> u8 {
        match self {
            Self::InNode => 1,
            Self::Apart(count) => count / 2 + 1,
        }
    }
}

/// The chain with funded wallets and a deployed market; no node yet.
#[derive(Debug)]
pub struct LocalChain {
    /// The chain.
    pub chain: toncenter::Api,
    /// A client of it, as strangers use.
    pub client: ChainClient,
    /// The market.
    pub market: Address,
    /// Its configuration.
    pub config: Config,
    /// Everybody.
    pub accounts: LocalAccounts,
    server: toncenter::Handle,
}

impl LocalChain {
    /// Starts the chain, deploying and funding what is not there yet.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub async fn start(options: &NetworkOptions) -> Result<Self, NetworkError> {
        Self::start_with(options, &ChainSetup::default()).await
    }

    /// As [`Self::start`], on a chain set up otherwise. Its clock must go by itself: deploying
    /// waits for blocks.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub async fn start_with(
        options: &NetworkOptions,
        setup: &ChainSetup,
    ) -> Result<Self, NetworkError> {
        Self::open(options, setup, None).await
    }

    /// The same, with the market's fees for `treasury` instead of the network's own.
    pub(crate) async fn open(
        options: &NetworkOptions,
        setup: &ChainSetup,
        treasury: Option<Address>,
    ) -> Result<Self, NetworkError> {
        let config = setup.server(options.chain, Some(options.data.join("chain")));
        let (chain, server) = toncenter::spawn(config).await?;
        let client = ChainClient::new(ChainConfig::new(endpoint(&chain), TESTNET))?;
        let accounts = LocalAccounts::new(options.seed, options.workers)?;
        let treasury = treasury.unwrap_or_else(|| accounts.treasury.address());
        let config = market_config(options.seed, options.timing, treasury, options.verifiers);
        for account in accounts.all() {
            fund_once(&chain, account, Nano::grams(PURSE)).await?;
        }
        let (market, ()) = tokio::try_join!(
            deploy_market(&client, options.seed, &config, &accounts.owner),
            put_down_bond(&client, options.seed, &config, &accounts),
        )?;
        Ok(Self { chain, client, market, config, accounts, server })
    }

    /// The chain's toncenter v2 endpoint.
    #[must_use]
    pub fn endpoint(&self) -> String {
        endpoint(&self.chain)
    }

    /// The `Stake` of a worker.
    ///
    /// # Errors
    /// [`NetworkError::Contract`].
    pub fn stake_of(&self, owner: Address) -> Result<Address, NetworkError> {
        Ok(self.config.stake_of(self.market, owner).address()?)
    }

    /// The node's bond.
    ///
    /// # Errors
    /// [`NetworkError::Contract`].
    pub fn bond(&self) -> Result<Address, NetworkError> {
        let operator = self.accounts.operator.address();
        Ok(self.config.operator_of(self.market, operator).address()?)
    }

    /// Stops the chain; everything that is stored stays.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

/// A network that runs: the chain, and a node in this process.
#[derive(Debug)]
pub struct LocalNetwork {
    /// The chain and the market.
    pub local: LocalChain,
    /// A client of the node.
    pub api: NodeClient,
    /// The verifiers' processes, if they have any.
    pub verifiers: Vec<VerifierProcess>,
    node: NodeHandle,
}

impl LocalNetwork {
    /// Starts everything.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub async fn start(options: &NetworkOptions) -> Result<Self, NetworkError> {
        Self::start_with(options, &ChainSetup::default()).await
    }

    /// As [`Self::start`], on a chain set up otherwise; see [`LocalChain::start_with`].
    ///
    /// # Errors
    /// [`NetworkError`].
    pub async fn start_with(
        options: &NetworkOptions,
        setup: &ChainSetup,
    ) -> Result<Self, NetworkError> {
        let local = LocalChain::start_with(options, setup).await?;
        let apart = VerifierProcess::start_all(options, &local).await?;
        let keys = NodeKeys {
            operator: local.accounts.operator.wallet.key.clone(),
            verifiers: match options.verifiers {
                Verifiers::InNode => vec![verifier_key(options.seed)],
                Verifiers::Apart(_) => Vec::new(),
            },
            epoch_seed: Some(local_secret(options.seed, "epoch")),
        };
        let mut config = node_config(options, local.market, &local.endpoint());
        config.verifiers = apart.iter().map(VerifierProcess::config).collect();
        let node = Node::start(config, keys).await?;
        let api = NodeClient::connect(&node.url()).await?;
        Ok(Self { local, api, verifiers: apart, node })
    }

    /// Stops the node, then the chain; everything that is stored stays.
    pub async fn shutdown(self) {
        self.node.shutdown();
        if let Err(error) = self.node.join().await {
            tracing::warn!(%error, "the node did not stop cleanly");
        }
        self.local.shutdown().await;
    }
}

/// The key of the network's verifier number `index` that has a process of its own.
#[must_use]
pub fn apart_key(seed: u64, index: u8) -> fog_protocol::SecretKey {
    local_key(seed, &format!("verifier/{index}"))
}

/// The key of the network's one verifier in the node.
#[must_use]
pub fn verifier_key(seed: u64) -> fog_protocol::SecretKey {
    local_key(seed, "verifier")
}

fn endpoint(chain: &toncenter::Api) -> String {
    format!("{}/api/v2", chain.url())
}

/// Deploys the market of `owner` unless it is there.
pub(crate) async fn deploy_market(
    client: &ChainClient,
    seed: u64,
    config: &Config,
    owner: &LocalAccount,
) -> Result<Address, NetworkError> {
    let init = MarketInit { owner: owner.address(), salt: seed };
    let market = init.address()?;
    if !client.account(&market).await?.is_active() {
        let deploy = OutMessage::new(market, MARKET_VALUE.saturating_add(Nano::grams(1)))
            .with_state_init(init.state_init()?)
            .with_body(market::setup(0, config)?);
        fog_requestor::send(client, &owner.wallet, &[deploy]).await?;
    }
    Ok(market)
}

/// Puts the node's bond down unless it is there.
async fn put_down_bond(
    client: &ChainClient,
    seed: u64,
    config: &Config,
    accounts: &LocalAccounts,
) -> Result<(), NetworkError> {
    let market = MarketInit { owner: accounts.owner.address(), salt: seed }.address()?;
    let init = config.operator_of(market, accounts.operator.address());
    let address = init.address()?;
    if !client.account(&address).await?.is_active() {
        let put = OutMessage::new(address, BOND.saturating_add(OPERATOR_RENT))
            .with_state_init(init.state_init()?)
            .with_body(operator::bond(0, BOND)?);
        fog_requestor::send(client, &accounts.operator.wallet, &[put]).await?;
    }
    Ok(())
}

/// The configuration of a local network's market.
pub(crate) fn market_config(
    seed: u64,
    timing: Timing,
    treasury: Address,
    verifiers: Verifiers,
) -> Config {
    Config::of(Choice {
        min_step: 1,
        max_step: timing.longest,
        timelock: 3_600,
        threshold: verifiers.threshold(),
        fee_bps: FEE_BPS,
        treasury,
        verifiers: verifiers.keys(seed),
        unbonding: timing.unbonding,
        burn: BURN,
        operator_bps: OPERATOR_BPS,
        appeal: verifiers.appeal(),
        appeal_time: timing.appeal,
        challenge_bond: CHALLENGE_BOND,
    })
}

/// The configuration of a node in such a network, reaching the chain at `endpoint`.
#[must_use]
pub fn node_config(options: &NetworkOptions, market: Address, endpoint: &str) -> NodeConfig {
    let longest = options.timing.longest;
    NodeConfig {
        listen: options.node,
        data_dir: options.data.join("node"),
        chain: fog_node::ChainConfig {
            endpoint: endpoint.to_owned(),
            poll_millis: 50,
            ..fog_node::ChainConfig::default()
        },
        network: TESTNET,
        market,
        runner: fog_node::RunnerConfig {
            program: Some(options.program.clone()),
            args: vec!["__sandbox".to_owned()],
            ..fog_node::RunnerConfig::default()
        },
        probation: options.probation,
        rail: fog_node::RailConfig { pledge: options.pledge, ..fog_node::RailConfig::default() },
        jettons: options.jettons.clone(),
        claim_from: options.claim_from,
        // Listings name their epoch: equal seeds give equal tasks, whenever that is.
        epochs: fog_node::Epochs::From(1),
        min_rate_ppm: 1_000,
        min_durations: Durations { bid: 1, commit: 1, verdict: 1, window: 0 },
        max_durations: Durations {
            bid: longest,
            commit: longest,
            verdict: longest,
            window: longest,
        },
        ..NodeConfig::default()
    }
}

/// The requestor's salts, so that equal seeds give equal listings.
pub(crate) fn salt(seed: u64, name: &str) -> Hash32 {
    local_secret(seed, &format!("salt/{name}"))
}
