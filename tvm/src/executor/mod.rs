//! Ordinary transactions as TON's validators make them.
//!
//! The phases that tycho gets right are tycho's; what TON does differently is ours: when an account
//! is frozen or deleted, the compute phase, what is stored about an account's size, and how the
//! transaction is put together.

mod action;
mod address;
mod bounce;
mod compute;
mod finish;
mod layout;
mod ordinary;
mod receive;
mod send;
mod storage_dict;

pub(crate) use layout::{account_address, destination};

use tycho_executor::{Executor as Stock, ExecutorParams, ParsedConfig};
use tycho_types::cell::Lazy;
use tycho_types::models::{OptionalAccount, OwnedMessage, ShardAccount, StdAddr, Transaction};
use tycho_types::prelude::*;

/// Which kind of message is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inbound {
    /// From outside; it may be refused.
    External,
    /// From another account; it always makes a transaction.
    Internal,
}

/// What executing a message did.
#[derive(Debug)]
pub struct Executed {
    /// The account afterwards.
    pub state: ShardAccount,
    /// Whether the account still exists afterwards.
    pub exists: bool,
    /// The account's balance afterwards, nano.
    pub balance: u128,
    /// The transaction.
    pub transaction: Lazy<Transaction>,
    /// Fees the transaction collected, nano.
    pub total_fees: u128,
    /// What went to the burn address, nano.
    pub burned: u128,
    /// The first logical time after the transaction and its messages.
    pub end_lt: u64,
    /// Messages for other accounts, in order.
    pub out_msgs: Vec<Lazy<OwnedMessage>>,
}

/// Why a message made no transaction.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The contract did not accept an external message.
    #[error("external message was not accepted (exit code {exit_code:?})")]
    NotAccepted {
        /// The VM's exit code; `None` if the VM did not run (no account, no balance, no code).
        exit_code: Option<i32>,
        /// Gas used before it was refused.
        gas_used: u64,
    },
    /// The message or the account cannot be executed at all.
    #[error("cannot be executed: {0}")]
    Fatal(String),
}

impl ExecuteError {
    fn fatal(error: impl std::fmt::Display) -> Self {
        Self::Fatal(format!("{error:#}"))
    }
}

/// The executor parameters that match TON's validators (tycho's own network differs).
pub fn executor_params(now: u32, block_lt: u64, rand_seed: HashBytes) -> ExecutorParams {
    ExecutorParams {
        block_unixtime: now,
        block_lt,
        rand_seed,
        full_body_in_bounced: false,
        strict_extra_currency: true,
        authority_marks_enabled: false,
        charge_action_fees_on_fail: true,
        disable_delete_frozen_accounts: false,
        ..Default::default()
    }
}

/// Runs `message` against `state`.
///
/// `min_lt` is the smallest logical time the transaction may have; it also comes after the
/// message's creation and the account's last transaction.
///
/// # Errors
/// [`ExecuteError::NotAccepted`] only for external messages; [`ExecuteError::Fatal`] if the
/// message is malformed.
pub fn execute(
    params: &ExecutorParams,
    config: &ParsedConfig,
    min_lt: u64,
    address: &StdAddr,
    kind: Inbound,
    message: Cell,
    state: &ShardAccount,
) -> Result<Executed, ExecuteError> {
    let account = layout::load_account(state.account.inner()).map_err(ExecuteError::fatal)?;
    let exec = Stock::new(params, config)
        .with_min_lt(min_lt)
        .begin(address, account)
        .map_err(ExecuteError::fatal)?;
    let (exec, info) = ordinary::run(exec, kind, message.clone())?;
    finish::commit(exec, info, message, state).map_err(ExecuteError::fatal)
}

/// The state of an account that does not exist.
///
/// # Errors
/// Only if a cell cannot be built, which does not depend on input.
pub fn missing_account() -> Result<ShardAccount, tycho_types::error::Error> {
    Ok(ShardAccount {
        account: Lazy::new(&OptionalAccount::EMPTY)?,
        last_trans_hash: HashBytes::ZERO,
        last_trans_lt: 0,
    })
}
