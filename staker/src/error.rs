//! What goes wrong.

use fog_chain::{ChainError, DeliveryError};
use fog_contracts::ContractError;
use fog_protocol::Address;
use fog_wallet::WalletError;

/// Why something was not done or not read.
#[derive(Debug, thiserror::Error)]
pub enum StakerError {
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The wallet.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// Cells.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// The wallet's message did not arrive.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// Nothing is to be done in this market.
    #[error("{0}")]
    Market(String),
    /// The worker has no stake.
    #[error("the worker has not staked anything itself: there is no contract at {0}")]
    NoStake(Address),
    /// The wallet took the message and sent nothing.
    #[error("the wallet dropped its message: is there enough money in it?")]
    Dropped,
    /// A contract threw; the money came back.
    #[error("refused, and the money came back: {0}")]
    Refused(String),
}
