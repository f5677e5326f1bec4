//! The chain itself: accounts, one message queue in logical-time order, blocks, a virtual clock.
//! Pure and synchronous; the server in [`crate::toncenter`] puts HTTP around it.
//!
//! ```
//! use fog_testnet::chain::{Chain, ChainConfig, Clock, Transfer};
//! use tycho_types::models::StdAddr;
//! use tycho_types::prelude::HashBytes;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In memory, with a clock that only `warp` moves: made for tests of contracts.
//! let config = ChainConfig { clock: Clock::Manual(1_760_000_000), ..ChainConfig::default() };
//! let mut chain = Chain::new_in_memory(config)?;
//!
//! // Money comes from a faucet by real messages. `fund` never bounces.
//! let alice = StdAddr::new(0, HashBytes([1; 32]));
//! let receipt = chain.fund(&alice, 5_000_000_000)?;
//! assert_eq!(receipt.transactions.len(), 2); // the faucet's and Alice's
//! assert_eq!(chain.account(&alice)?.balance, 5_000_000_000);
//!
//! // A treasury is an account without a key that sends what you tell it: play any party with it.
//! // `Transfer::deploy(to, value, init, body)` deploys, `Transfer::call(to, value, body)` calls.
//! let party = chain.open_treasury(7, 100_000_000_000)?;
//! let trace = chain.send_from(&party, &Transfer::plain(alice.clone(), 1_000_000_000))?;
//! // All messages were delivered when a send returns; the receipt has every transaction.
//! assert!(trace.transactions.iter().all(|tx| tx.exit_code().ok() != Some(Some(33))));
//!
//! // External messages (wallets): `chain.send_boc(&bytes)` or `chain.send(cell)`.
//! // Any source at all, money out of nothing: `chain.inject(&from, &transfer)`.
//! // Get-methods: `chain.run_get_method(&addr, "seqno", &[])`.
//! chain.warp(86_400)?;
//! assert_eq!(chain.now(), 1_760_086_400);
//!
//! // Money is conserved to the nanogram.
//! let totals = chain.totals();
//! let held = chain.total_balances()?;
//! assert_eq!(
//!     totals.supply,
//!     held + totals.in_flight + totals.network_fees_collected + totals.burned,
//! );
//! # Ok(())
//! # }
//! ```

mod account;
mod block;
mod clock;
mod config;
mod digest;
mod executor;
mod faucet;
mod getmethod;
mod history;
mod production;
mod store;
mod treasury;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use tycho_types::models::StdAddr;
use tycho_types::prelude::*;

pub use account::{AccountStatus, AccountView, ReadError};
pub use block::{Block, TxRecord, TxRef};
pub use clock::Clock;
pub use config::{NetworkConfig, TESTNET_GLOBAL_ID};
pub use executor::{ExecuteError, Executed, Inbound, execute, missing_account};
pub use getmethod::{GetMethodError, GetMethodOutput, MethodId, StackItem};
pub use production::{Receipt, SignatureCheck};
pub use store::{Order, Totals};
pub use treasury::{Bounce, Transfer, Treasury};

pub(crate) use config::executor_params;
pub(crate) use digest::local_digest;
use store::{Batch, Head, QueueKey, Store};

/// How a chain is set up.
#[derive(Debug, Clone)]
pub struct ChainConfig {
    /// Where time comes from.
    pub clock: Clock,
    /// The network id contracts see.
    pub global_id: i32,
    /// What genesis gives the faucet, nano.
    pub supply: u128,
    /// Most transactions in a block; the rest of the queue waits for the next one.
    pub max_block_transactions: usize,
    /// Most blocks one send makes while it drains the queue; an endless message loop goes on in
    /// later blocks instead of blocking the caller.
    pub max_drain_blocks: usize,
    /// Most external messages waiting for a block (interval mode).
    pub max_pending_externals: usize,
}

impl Default for ChainConfig {
    fn default() -> Self {
        Self {
            clock: Clock::System,
            global_id: TESTNET_GLOBAL_ID,
            // Five billion GRAM, about TON's own supply.
            supply: 5_000_000_000 * 1_000_000_000,
            max_block_transactions: 10_000,
            max_drain_blocks: 256,
            max_pending_externals: 10_000,
        }
    }
}

/// Why the chain could not do something.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The network configuration does not parse.
    #[error("network configuration: {0}")]
    Config(String),
    /// The store failed; the chain stops taking messages.
    #[error("store: {0}")]
    Store(String),
    /// A cell could not be built or read.
    #[error("cell: {0}")]
    Cell(#[from] tycho_types::error::Error),
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Not a bag of cells, or not an external message to a standard address.
    #[error("malformed external message: {0}")]
    Malformed(String),
    /// The contract refused it.
    #[error(transparent)]
    Refused(#[from] ExecuteError),
    /// Too many messages wait already.
    #[error("the pool of external messages is full")]
    PoolFull,
    /// The faucet has less than was asked for.
    #[error("the faucet has no more than {0} nanogram")]
    FaucetEmpty(u128),
    /// The chain itself failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl From<tycho_types::error::Error> for SendError {
    fn from(error: tycho_types::error::Error) -> Self {
        Self::Chain(ChainError::Cell(error))
    }
}

/// The embedded chain. See the module's documentation for an example.
#[derive(Debug)]
pub struct Chain {
    settings: ChainConfig,
    network: NetworkConfig,
    store: Store,
    head: Head,
    last: Block,
    queue: BTreeMap<QueueKey, Cell>,
    externals: VecDeque<Cell>,
    /// What blocks since the last write changed.
    pending: Batch,
    faucet: Treasury,
    injected_in_block: u64,
    /// Set when a write failed: memory is then ahead of the store and must not go on.
    broken: bool,
}

impl Chain {
    /// A chain that lives and dies with this value.
    ///
    /// # Errors
    /// [`ChainError::Config`] if the built-in configuration does not parse.
    pub fn new_in_memory(settings: ChainConfig) -> Result<Self, ChainError> {
        Self::start(settings, Store::in_memory())
    }

    /// A chain kept in the folder `dir` (made if missing); goes on where it was left.
    ///
    /// # Errors
    /// [`ChainError::Store`] if the folder cannot be opened or another process holds it.
    pub fn open(settings: ChainConfig, dir: &Path) -> Result<Self, ChainError> {
        Self::start(settings, Store::open(dir)?)
    }

    fn start(settings: ChainConfig, store: Store) -> Result<Self, ChainError> {
        let saved = store.head()?;
        let head = saved.unwrap_or_default();
        let now = settings.clock.now(head.clock_offset);
        let network = NetworkConfig::with_global_id(settings.global_id, now)?;
        let last = match head.totals.blocks.checked_sub(1) {
            None => None,
            Some(seqno) => {
                let seqno = u32::try_from(seqno).map_err(|_| bad_store("block number"))?;
                Some(store.block(seqno)?.ok_or_else(|| bad_store("the last block is missing"))?)
            }
        };
        let queue = store.queue()?;
        let mut chain = Self {
            settings,
            network,
            store,
            head,
            last: last.clone().unwrap_or_else(|| Block {
                seqno: 0,
                gen_utime: now,
                start_lt: 0,
                end_lt: 1,
                root_hash: HashBytes::ZERO,
                file_hash: HashBytes::ZERO,
                transactions: Vec::new(),
            }),
            queue,
            externals: VecDeque::new(),
            pending: Batch::default(),
            faucet: Treasury::new(0)?,
            injected_in_block: 0,
            broken: false,
        };
        if last.is_none() {
            chain.make_genesis()?;
        }
        Ok(chain)
    }

    /// Chain time, unix seconds: the clock, but never before the last block.
    pub fn now(&self) -> u32 {
        self.settings.clock.now(self.head.clock_offset).max(self.last.gen_utime)
    }

    /// Moves the clock forward and makes a block at the new time.
    ///
    /// # Errors
    /// [`ChainError::Store`] if the block cannot be written.
    pub fn warp(&mut self, seconds: u32) -> Result<Block, ChainError> {
        self.head.clock_offset = self.head.clock_offset.saturating_add(u64::from(seconds));
        self.mine()
    }

    /// The chain's sums.
    pub fn totals(&self) -> Totals {
        self.head.totals
    }

    /// How many messages wait for delivery (internal) or a block (external).
    pub fn backlog(&self) -> usize {
        self.queue.len() + self.externals.len()
    }

    /// The last block.
    pub fn last_block(&self) -> &Block {
        &self.last
    }

    /// The faucet's account.
    pub fn faucet(&self) -> &StdAddr {
        &self.faucet.address
    }

    /// The network's configuration.
    pub fn network(&self) -> &NetworkConfig {
        &self.network
    }
}

fn bad_store(what: &str) -> ChainError {
    ChainError::Store(what.to_owned())
}
