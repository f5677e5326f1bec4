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
mod checkpoint;
mod clock;
mod config;
mod digest;
mod executor;
mod faucet;
mod history;
mod production;
mod store;
mod treasury;

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::Path;

use tycho_types::models::StdAddr;
use tycho_types::prelude::*;

pub use account::{AccountStatus, AccountView, ReadError};
pub use block::{Block, TxRecord, TxRef};
pub use checkpoint::{BadName, Checkpoint, CheckpointError, CheckpointName, MAX_CHECKPOINTS};
pub use clock::Clock;
pub use config::{NetworkConfig, TESTNET_GLOBAL_ID};
pub use fog_tvm::{ExecuteError, Executed, Inbound, execute, missing_account};
pub use fog_tvm::{GetMethodError, GetMethodOutput, MethodId, StackItem};
pub use production::{Receipt, SignatureCheck};
pub use store::{Order, Totals};
pub use treasury::{Bounce, Transfer, Treasury};

use clock::RunningClock;
pub(crate) use digest::local_digest;
pub(crate) use fog_tvm::executor_params;
use store::{Batch, Head, Loaded, QueueKey, Store};

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
    /// After so many transactions one send returns too, whatever is still in flight.
    pub max_drain_transactions: usize,
    /// Most external messages waiting for a block (interval mode).
    pub max_pending_externals: usize,
    /// Seconds the clock moves with each [`Chain::mine`] if it stands still otherwise.
    pub block_seconds: u32,
    /// How many transactions, and how many blocks, are kept to be read; older ones are dropped,
    /// whole blocks at a time. `None`: all of them on disk, 100,000 in memory.
    pub history: Option<NonZeroU64>,
    /// What a chain on disk survives.
    pub durability: Durability,
    /// How large the chain's file may grow, bytes; beyond it writes fail as on a full disk.
    pub max_bytes: Option<u64>,
}

/// What a chain on disk survives without losing an acknowledged message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Loss of power: every write waits for the disk.
    #[default]
    Power,
    /// The end of the process, even by SIGKILL; a machine that stops may damage the file. For
    /// chains that nobody wants back, such as those in temporary folders.
    Process,
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
            max_drain_transactions: 100_000,
            max_pending_externals: 10_000,
            block_seconds: 0,
            history: None,
            durability: Durability::Power,
            max_bytes: None,
        }
    }
}

/// Why the chain could not do something.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The network configuration does not parse.
    #[error("network configuration: {0}")]
    Config(String),
    /// The store failed. What was acknowledged before is kept, the call that failed is undone.
    #[error("store: {0}")]
    Store(String),
    /// The disk (or the quota) is full. What was acknowledged before is kept, the call that
    /// failed is undone; the next call tries again.
    #[error("no space for the chain's file ({0}): make room, nothing acknowledged is lost")]
    Full(String),
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
    clock: RunningClock,
    network: NetworkConfig,
    store: Store,
    head: Head,
    queue: BTreeMap<QueueKey, Cell>,
    externals: BTreeMap<u64, Cell>,
    /// What blocks since the last write changed.
    pending: Batch,
    faucet: Treasury,
    injected_in_block: u64,
    restores: u64,
    /// Set while memory is ahead of the store: if it is found set, a call failed or panicked in
    /// between, and what was saved last is loaded again.
    unsettled: bool,
}

impl Chain {
    /// A chain that lives and dies with this value. Its history is bounded, see
    /// [`ChainConfig::history`].
    ///
    /// # Errors
    /// [`ChainError::Config`] if the built-in configuration does not parse.
    pub fn new_in_memory(settings: ChainConfig) -> Result<Self, ChainError> {
        let store = Store::in_memory(&settings);
        Self::start(settings, store)
    }

    /// A chain kept in the folder `dir` (made if missing); goes on where it was left.
    ///
    /// # Errors
    /// [`ChainError::Store`] if the folder cannot be opened, holds something else or is damaged, or
    /// if another process holds it.
    pub fn open(settings: ChainConfig, dir: &Path) -> Result<Self, ChainError> {
        let store = Store::open(&settings, dir)?;
        Self::start(settings, store)
    }

    fn start(settings: ChainConfig, mut store: Store) -> Result<Self, ChainError> {
        let saved = store.load()?;
        let last = saved.as_ref().map(|saved| (saved.head.last.gen_utime, saved.head.clock_offset));
        let clock = RunningClock::start(settings.clock, last);
        let now = clock.now(last.map_or(0, |(_, offset)| offset));
        let network = NetworkConfig::with_global_id(settings.global_id, now)?;
        let mut chain = Self {
            settings,
            clock,
            network,
            store,
            head: Head {
                clock_offset: 0,
                next_external: 0,
                totals: Totals::default(),
                last: Block::before_genesis(now),
            },
            queue: BTreeMap::new(),
            externals: BTreeMap::new(),
            pending: Batch::default(),
            faucet: Treasury::new(0)?,
            injected_in_block: 0,
            restores: 0,
            unsettled: false,
        };
        match saved {
            Some(saved) => chain.take(saved),
            None => chain.make_genesis()?,
        }
        Ok(chain)
    }

    fn take(&mut self, saved: Loaded) {
        let Loaded { head, queue, externals } = saved;
        if self.settings.clock == Clock::Frozen {
            let last = (head.last.gen_utime, head.clock_offset);
            self.clock = RunningClock::start(Clock::Frozen, Some(last));
        }
        self.head = head;
        self.queue = queue;
        self.externals = externals;
        self.pending = Batch::default();
        self.injected_in_block = 0;
    }

    /// Makes sure memory and store agree: after a failed write, or a panic in the middle of a
    /// call, what was saved last counts.
    fn ready(&mut self) -> Result<(), ChainError> {
        if self.unsettled {
            let saved = self.store.load()?.ok_or_else(|| bad_store("nothing is saved"))?;
            self.take(saved);
            self.unsettled = false;
        }
        Ok(())
    }

    /// Runs `work`, which changes memory and store together; if it fails in between, neither has
    /// changed afterwards.
    fn change<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        self.ready()?;
        self.unsettled = true;
        let result = work(self);
        self.unsettled = matches!(&result, Err(SendError::Chain(_)));
        if self.unsettled
            && let Err(error) = self.ready()
        {
            tracing::warn!(%error, "the store cannot be read again yet");
        }
        result
    }

    /// Chain time, unix seconds: the clock, but never before the last block.
    pub fn now(&self) -> u32 {
        self.clock.now(self.head.clock_offset).max(self.head.last.gen_utime)
    }

    /// Moves the clock forward and makes a block at the new time.
    ///
    /// # Errors
    /// [`ChainError::Store`] if the block cannot be written.
    pub fn warp(&mut self, seconds: u32) -> Result<Block, ChainError> {
        self.mine_after(1, u64::from(seconds))
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
        &self.head.last
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
