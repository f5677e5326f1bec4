//! Putting the transaction and the account's new state together.

use tycho_executor::ExecutorState;
use tycho_types::cell::Lazy;
use tycho_types::dict::Dict;
use tycho_types::error::Error;
use tycho_types::models::{
    AccountState, AccountStatus, CurrencyCollection, HashUpdate, IntAddr, OrdinaryTxInfo,
    ShardAccount, StorageInfo, Transaction, TxInfo,
};
use tycho_types::num::Uint15;
use tycho_types::prelude::*;

use super::Executed;
use super::storage_dict::{self, Before};

/// Builds the transaction and the account after it.
pub(super) fn commit(
    mut exec: ExecutorState<'_>,
    info: OrdinaryTxInfo,
    message: Cell,
    original: &ShardAccount,
) -> Result<Executed, Error> {
    let (status, state) = end_state(&exec)?;
    let exists = state.is_some();
    let account = match state {
        None => CellBuilder::build_from(false)?,
        Some(state) => account_cell(&mut exec, &state, original)?,
    };
    let out_msgs = exec
        .out_msgs
        .iter()
        .enumerate()
        .map(|(index, message)| (Uint15::new(index as u16), message.inner().clone()))
        .collect::<Vec<_>>();
    let transaction = Lazy::new(&Transaction {
        account: exec.address.address,
        lt: exec.start_lt,
        prev_trans_hash: original.last_trans_hash,
        prev_trans_lt: original.last_trans_lt,
        now: exec.params.block_unixtime,
        out_msg_count: Uint15::new(exec.out_msgs.len() as u16),
        orig_status: exec.orig_status,
        end_status: status,
        in_msg: Some(message),
        out_msgs: Dict::try_from_sorted_slice(&out_msgs)?,
        total_fees: exec.total_fees.into(),
        state_update: Lazy::new(&HashUpdate {
            old: *original.account.repr_hash(),
            new: *account.repr_hash(),
        })?,
        info: Lazy::new(&TxInfo::Ordinary(info))?,
    })?;
    Ok(Executed {
        state: ShardAccount {
            account: Lazy::from_raw(account)?,
            last_trans_hash: *transaction.repr_hash(),
            last_trans_lt: exec.start_lt,
        },
        exists,
        balance: if exists { exec.balance.tokens.into_inner() } else { 0 },
        transaction,
        total_fees: exec.total_fees.into_inner(),
        burned: exec.burned.into_inner(),
        end_lt: exec.end_lt,
        out_msgs: exec.out_msgs,
    })
}

/// The status the transaction names and the state the account gets; the two are not always alike.
fn end_state(exec: &ExecutorState<'_>) -> Result<(AccountStatus, Option<AccountState>), Error> {
    Ok(match exec.end_status {
        AccountStatus::Uninit | AccountStatus::NotExists if exec.balance.is_zero() => {
            (AccountStatus::NotExists, None)
        }
        AccountStatus::Uninit | AccountStatus::NotExists => {
            (AccountStatus::Uninit, Some(AccountState::Uninit))
        }
        AccountStatus::Active => (AccountStatus::Active, Some(exec.state.clone())),
        AccountStatus::Frozen => {
            let hash = match &exec.state {
                AccountState::Uninit => exec.address.address,
                AccountState::Frozen(hash) => *hash,
                AccountState::Active(init) => *CellBuilder::build_from(init)?.repr_hash(),
            };
            // Frozen with its initial state, an account is stored as one that never had any.
            let state = if hash == exec.address.address {
                AccountState::Uninit
            } else {
                AccountState::Frozen(hash)
            };
            (AccountStatus::Frozen, Some(state))
        }
    })
}

fn account_cell(
    exec: &mut ExecutorState<'_>,
    state: &AccountState,
    original: &ShardAccount,
) -> Result<Cell, Error> {
    let context = Cell::empty_context();
    let mut storage = CellBuilder::new();
    storage.store_u64(exec.end_lt)?;
    exec.balance.store_into(&mut storage, context)?;
    state.store_into(&mut storage, context)?;
    let mut measured = storage.as_full_slice();
    skip_extra_currencies(&mut measured)?;
    let (used, extra) =
        storage_dict::measure(before(original)?, measured, exec.address.is_masterchain())?;
    exec.storage_stat.used = used;
    exec.storage_stat.storage_extra = extra;
    exec.storage_stat.due_payment = exec.storage_stat.due_payment.filter(|due| !due.is_zero());
    CellBuilder::build_from((true, &exec.address, &exec.storage_stat, storage.as_full_slice()))
}

fn before(original: &ShardAccount) -> Result<Option<Before<'_>>, Error> {
    let mut slice = original.account.as_slice_allow_exotic();
    if !slice.load_bit()? {
        return Ok(None);
    }
    IntAddr::load_from(&mut slice)?;
    let info = StorageInfo::load_from(&mut slice)?;
    skip_extra_currencies(&mut slice)?;
    Ok(Some(Before { used: info.used, extra: info.storage_extra, storage: slice }))
}

/// Extra currencies do not count as storage.
fn skip_extra_currencies(storage: &mut CellSlice<'_>) -> Result<(), Error> {
    let mut slice = *storage;
    slice.skip_first(64, 0)?;
    if !CurrencyCollection::load_from(&mut slice)?.other.is_empty() {
        storage.skip_first(0, 1)?;
    }
    Ok(())
}
