//! The embedded chain alone: for people who bring their own clients and contracts.

use std::{net::SocketAddr, num::NonZeroU64, path::PathBuf, time::Duration};

use fog_chain::{ChainClient, ChainConfig};
use fog_protocol::{Address, Hash32, Nano};
use fog_testnet::{
    chain::{self, Clock, Durability},
    toncenter::{self, ControlAccess, Production, ServerConfig},
};
use fog_wallet::TESTNET;

use crate::{
    LocalAccount, NetworkError, Timing, Verifiers,
    ledger::std,
    network::{deploy_market, market_config},
};

/// Longest time between two blocks where none is asked for.
const IDLE: Duration = Duration::from_millis(250);

/// The least the market's owner needs to deploy it.
const MARKET_PURSE: Nano = Nano::grams(10);

/// How time goes on a local chain, and how much of it is kept.
#[derive(Debug, Clone)]
pub struct ChainSetup {
    /// Where chain time comes from.
    pub clock: Clock,
    /// A block every so often; `None`: at once for every message. With a clock that stands still,
    /// blocks come on demand and each moves it by this, in whole seconds.
    pub block_time: Option<Duration>,
    /// See [`chain::ChainConfig::history`].
    pub history: Option<NonZeroU64>,
    /// See [`chain::ChainConfig::max_bytes`].
    pub max_bytes: Option<u64>,
    /// What a chain on disk survives.
    pub durability: Durability,
    /// Who may use the control routes.
    pub control: ControlAccess,
}

impl Default for ChainSetup {
    fn default() -> Self {
        Self {
            clock: Clock::System,
            block_time: None,
            history: None,
            max_bytes: None,
            durability: Durability::Power,
            control: ControlAccess::Loopback,
        }
    }
}

impl ChainSetup {
    /// The server's configuration.
    pub(crate) fn server(&self, listen: SocketAddr, data: Option<PathBuf>) -> ServerConfig {
        let standing = self.clock != Clock::System;
        let seconds = self.block_time.map_or(0, |period| period.as_secs());
        ServerConfig {
            listen,
            data,
            chain: chain::ChainConfig {
                clock: self.clock,
                block_seconds: if standing {
                    u32::try_from(seconds).unwrap_or(u32::MAX)
                } else {
                    0
                },
                history: self.history,
                durability: self.durability,
                max_bytes: self.max_bytes,
                ..chain::ChainConfig::default()
            },
            production: match self.block_time {
                None => Production::Instant { idle: IDLE },
                Some(_) if standing => Production::OnDemand,
                Some(period) => Production::Interval(period),
            },
            control: self.control,
        }
    }
}

/// Whether a market is deployed too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestnetMarket {
    /// No.
    None,
    /// Yes, owned by the account `owner`.
    Deployed,
}

/// How a chain alone is set up.
#[derive(Debug, Clone)]
pub struct TestnetOptions {
    /// Where its API listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Its folder; `None` keeps it in memory.
    pub data: Option<PathBuf>,
    /// Time and retention.
    pub setup: ChainSetup,
    /// Wallets to fund.
    pub accounts: u32,
    /// With so much.
    pub purse: Nano,
    /// Seed of the LOCAL ONLY accounts.
    pub seed: u64,
    /// Whether a market is deployed too.
    pub market: TestnetMarket,
}

/// A chain that runs.
#[derive(Debug)]
pub struct Testnet {
    /// The chain.
    pub chain: toncenter::Api,
    /// Its faucet.
    pub faucet: Address,
    /// The funded wallets: the market's owner first, if there is a market.
    pub accounts: Vec<LocalAccount>,
    /// The market, if there is one.
    pub market: Option<Address>,
    server: toncenter::Handle,
}

impl Testnet {
    /// Starts the chain and funds what is not funded yet.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub async fn start(options: &TestnetOptions) -> Result<Self, NetworkError> {
        let config = options.setup.server(options.listen, options.data.clone());
        let (chain, server) = toncenter::spawn(config).await?;
        let mut accounts = (1..=options.accounts)
            .map(|number| LocalAccount::new(options.seed, &format!("account-{number}")))
            .collect::<Result<Vec<_>, _>>()?;
        let mut market = None;
        if options.market == TestnetMarket::Deployed {
            let owner = LocalAccount::new(options.seed, "owner")?;
            fund_once(&chain, &owner, options.purse.max(MARKET_PURSE)).await?;
            market = Some(deploy(&chain, options.seed, &owner).await?);
            accounts.insert(0, owner);
        }
        for account in &accounts {
            fund_once(&chain, account, options.purse).await?;
        }
        let faucet = chain.with(|chain| chain.faucet().clone()).await?;
        let faucet = Address { workchain: faucet.workchain, hash: Hash32(faucet.address.0) };
        Ok(Self { chain, faucet, accounts, market, server })
    }

    /// Stops the chain; what is stored stays.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

/// Deploys the market; on a chain that waits for its blocks, they are made for it.
async fn deploy(
    chain: &toncenter::Api,
    seed: u64,
    owner: &LocalAccount,
) -> Result<Address, NetworkError> {
    let client = ChainClient::new(ChainConfig::new(format!("{}/api/v2", chain.url()), TESTNET))?;
    let treasury = LocalAccount::new(seed, "treasury")?.address();
    let config = market_config(seed, Timing::DEV, treasury, Verifiers::InNode);
    let deployed = deploy_market(&client, seed, &config, owner);
    tokio::pin!(deployed);
    let mut blocks = tokio::time::interval(Duration::from_millis(100));
    loop {
        tokio::select! {
            market = &mut deployed => return market,
            _ = blocks.tick() => chain.mine().await.map(|_| ())?,
        }
    }
}

/// Funds a wallet that has nothing.
pub(crate) async fn fund_once(
    chain: &toncenter::Api,
    account: &LocalAccount,
    purse: Nano,
) -> Result<(), NetworkError> {
    let address = std(&account.address());
    if purse > Nano::ZERO && chain.account(address.clone()).await?.balance == 0 {
        chain.fund(address, u128::from(purse.get())).await?;
    }
    Ok(())
}
