//! Reading accounts and running their get-methods.

use tycho_types::models::{Account, AccountState, ShardAccount, StdAddr};
use tycho_types::prelude::*;

use super::{Chain, ChainError};
use super::{GetMethodError, GetMethodOutput, MethodId, StackItem};

/// What state an account is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountStatus {
    /// It does not exist.
    Missing,
    /// It has money but no code.
    Uninit,
    /// It has code.
    Active,
    /// It could not pay for its storage.
    Frozen,
}

/// An account as it stands.
#[derive(Debug, Clone)]
pub struct AccountView {
    /// Its address.
    pub address: StdAddr,
    /// Its state.
    pub status: AccountStatus,
    /// Balance, nano.
    pub balance: u128,
    /// Code, if active.
    pub code: Option<Cell>,
    /// Data, if active.
    pub data: Option<Cell>,
    /// Hash of the state it froze with, if frozen.
    pub frozen_hash: Option<HashBytes>,
    /// Logical time of its last transaction; 0 where there is none.
    pub last_lt: u64,
    /// Hash of its last transaction; zero where there is none.
    pub last_hash: HashBytes,
    /// The account itself; `None` where it does not exist.
    pub account: Option<Account>,
}

impl AccountView {
    fn new(address: &StdAddr, state: Option<ShardAccount>) -> Result<Self, ChainError> {
        let mut view = Self {
            address: address.clone(),
            status: AccountStatus::Missing,
            balance: 0,
            code: None,
            data: None,
            frozen_hash: None,
            last_lt: 0,
            last_hash: HashBytes::ZERO,
            account: None,
        };
        let Some(state) = state else { return Ok(view) };
        view.last_lt = state.last_trans_lt;
        view.last_hash = state.last_trans_hash;
        let Some(account) = state.load_account()? else { return Ok(view) };
        view.balance = account.balance.tokens.into_inner();
        match &account.state {
            AccountState::Uninit => view.status = AccountStatus::Uninit,
            AccountState::Frozen(hash) => {
                view.status = AccountStatus::Frozen;
                view.frozen_hash = Some(*hash);
            }
            AccountState::Active(state) => {
                view.status = AccountStatus::Active;
                view.code = state.code.clone();
                view.data = state.data.clone();
            }
        }
        view.account = Some(account);
        Ok(view)
    }
}

impl Chain {
    /// The account at `address`; a view with [`AccountStatus::Missing`] where there is none.
    ///
    /// # Errors
    /// [`ChainError::Store`] or [`ChainError::Cell`] if the store is damaged.
    pub fn account(&self, address: &StdAddr) -> Result<AccountView, ChainError> {
        AccountView::new(address, self.account_state(address)?)
    }

    /// The account's state cell as the executor takes it; `None` where there is none.
    ///
    /// # Errors
    /// [`ChainError::Store`] if the store fails.
    pub fn account_state(&self, address: &StdAddr) -> Result<Option<ShardAccount>, ChainError> {
        match self.pending.accounts.get(address) {
            Some(state) => Ok(state.clone()),
            None => self.store.account(address),
        }
    }

    /// Up to `limit` accounts in address order, from the one after `after`.
    ///
    /// # Errors
    /// [`ChainError::Store`] or [`ChainError::Cell`] if the store is damaged.
    pub fn accounts(
        &self,
        after: Option<&StdAddr>,
        limit: usize,
    ) -> Result<Vec<AccountView>, ChainError> {
        let rows = self.store.accounts(after, limit)?;
        rows.into_iter().map(|(address, state)| AccountView::new(&address, Some(state))).collect()
    }

    /// The sum of all balances, nano. Walks all accounts.
    ///
    /// # Errors
    /// [`ChainError::Store`] or [`ChainError::Cell`] if the store is damaged.
    pub fn total_balances(&self) -> Result<u128, ChainError> {
        const PAGE: usize = 1_000;
        let mut sum = 0u128;
        let mut after = None;
        loop {
            let page = self.accounts(after.as_ref(), PAGE)?;
            for view in &page {
                sum = sum.saturating_add(view.balance);
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.address.clone()),
                _ => return Ok(sum),
            }
        }
    }

    /// Runs a get-method at chain time. `stack` is pushed in order, the last value on top.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails or the arguments are out of bounds. A failing method is
    /// not an error: see [`GetMethodOutput::exit_code`].
    pub fn run_get_method(
        &self,
        address: &StdAddr,
        method: impl Into<MethodId>,
        stack: &[StackItem],
    ) -> Result<GetMethodOutput, ReadError> {
        let view = self.account(address)?;
        let now = self.now();
        Ok(fog_tvm::get_method(
            self.network.current(),
            view.account.as_ref(),
            fog_tvm::GetMethodContext::at(now),
            method.into(),
            stack,
        )?)
    }
}

/// Why a get-method could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The arguments are out of bounds.
    #[error(transparent)]
    Arguments(#[from] GetMethodError),
}
