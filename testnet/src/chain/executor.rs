//! One message against one account: tycho's executor with TON's parameters.

use tycho_executor::{Executor, ExecutorInspector, ExecutorParams, ParsedConfig, TxError};
use tycho_types::cell::Lazy;
use tycho_types::models::{
    MsgInfo, OptionalAccount, OwnedMessage, ShardAccount, StdAddr, Transaction,
};
use tycho_types::prelude::*;

use super::block::carried_value;

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
    let mut inspector = ExecutorInspector::default();
    let result = Executor::new(params, config).with_min_lt(min_lt).begin_ordinary_ext(
        address,
        kind == Inbound::External,
        message,
        state,
        Some(&mut inspector),
    );
    let uncommitted = match result {
        Ok(uncommitted) => uncommitted,
        Err(TxError::Skipped) => {
            return Err(ExecuteError::NotAccepted {
                exit_code: inspector.exit_code,
                gas_used: inspector.total_gas_used,
            });
        }
        Err(TxError::Fatal(error)) => return Err(ExecuteError::Fatal(format!("{error:#}"))),
    };
    let output = uncommitted.commit().map_err(|error| ExecuteError::Fatal(format!("{error:#}")))?;
    Ok(Executed {
        exists: output.new_state_meta.exists,
        balance: output.new_state_meta.balance.tokens.into_inner(),
        state: output.new_state,
        transaction: output.transaction,
        total_fees: output.transaction_meta.total_fees.into_inner(),
        burned: output.burned.into_inner(),
        end_lt: output.transaction_meta.next_lt,
        out_msgs: output.transaction_meta.out_msgs,
    })
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

/// Where a message goes and what it carries.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// The receiving account.
    pub(crate) destination: StdAddr,
    /// When it was created; 0 for external messages.
    pub(crate) created_lt: u64,
    /// Value plus remaining forwarding fee, nano.
    pub(crate) carried: u128,
    /// The kind of message.
    pub(crate) kind: Inbound,
}

impl Route {
    /// Reads the route of an inbound message; `None` if it is outbound or its address is not a
    /// plain standard one.
    pub(crate) fn of(message: &Cell) -> Option<Self> {
        let info = message.parse::<MsgInfo>().ok()?;
        Self::of_info(&info)
    }

    fn of_info(info: &MsgInfo) -> Option<Self> {
        let (destination, created_lt, kind) = match info {
            MsgInfo::Int(int) => (&int.dst, int.created_lt, Inbound::Internal),
            MsgInfo::ExtIn(ext) => (&ext.dst, 0, Inbound::External),
            MsgInfo::ExtOut(_) => return None,
        };
        let destination = destination.as_std().filter(|addr| addr.anycast.is_none())?.clone();
        Some(Self { destination, created_lt, carried: carried_value(info), kind })
    }
}
