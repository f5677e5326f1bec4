//! What the worker asks of the chain, by itself: it takes the node's word for nothing it can look
//! up or recompute. Implemented over the chain's client and the contracts' bindings by
//! [`crate::chain_view`]; the tests script it.

use fog_contracts::channel::ChannelData;
use fog_protocol::{Address, Hash32, Listing, Nano, PublicKey};
use futures_util::future::BoxFuture;

/// Why the chain could not be asked, or contradicts what it was asked about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PortError {
    /// No answer; it may come later.
    #[error("the chain's API does not answer: {0}")]
    Unreachable(String),
    /// An answer that leaves no hope for this configuration.
    #[error("{0}")]
    Wrong(String),
}

/// The stake as the chain has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StakeStatus {
    /// Neither reserved nor unbonding.
    pub(crate) free: Nano,
    /// Reserved for tasks.
    pub(crate) reserved: Nano,
    /// Earned and not withdrawn.
    pub(crate) earnings: Nano,
    /// Is anybody else's stake in it, bonded, leaving or vesting?
    pub(crate) delegated: bool,
    /// The registered session key.
    pub(crate) session: PublicKey,
}

/// A look at the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChainStatus {
    /// Time of the last block, Unix seconds.
    pub(crate) time: u64,
    /// Our stake.
    pub(crate) stake: StakeStatus,
}

/// Whose a task is, by its escrow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TaskOnChain {
    /// Nobody's yet; the chain's API may lag behind the node.
    Unassigned,
    /// Assigned, not committed to.
    Assigned {
        /// The worker.
        worker: Address,
        /// The agreed price.
        price: Nano,
    },
    /// Committed to.
    Committed {
        /// The worker.
        worker: Address,
    },
    /// Past that.
    Later {
        /// The contract's state.
        state: String,
    },
}

/// The worker's own view of the chain.
pub(crate) trait ChainPort: Send + Sync {
    /// Time and stake now; also reads the market's configuration where that is not known yet.
    fn status(&self) -> BoxFuture<'_, Result<ChainStatus, PortError>>;

    /// Whose the task of `escrow` is.
    fn task(&self, escrow: Address) -> BoxFuture<'_, Result<TaskOnChain, PortError>>;

    /// The escrow's address, computed from the listing and the market's configuration; on the account
    /// rail the task's place.
    fn escrow(&self, listing: &Listing) -> Result<Address, PortError>;

    /// The fee of the market in basis points; none before it was read.
    fn fee_bps(&self) -> Option<u16>;

    /// The longest step of a task in the market, in seconds; none before it was read.
    fn longest_step(&self) -> Option<u32>;

    /// What an account or earnings hold; none if there are none, or the chain does not answer.
    fn channel(&self, address: Address) -> BoxFuture<'_, Option<ChannelData>>;

    /// What the session key signs to let `escrow` reserve stake.
    fn consent(
        &self,
        escrow: Address,
        reserve: Nano,
        price: Nano,
        valid_until: u64,
    ) -> Result<Hash32, PortError>;

    /// What the session key signs to commit on chain.
    fn commit(&self, escrow: Address, commitment: &Hash32) -> Result<Hash32, PortError>;
}
