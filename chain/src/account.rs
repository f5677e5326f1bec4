//! What the chain says about one account.

use fog_protocol::{Address, Hash32, Nano};
use tycho_types::cell::Cell;

use crate::json::Answer;
use crate::{ChainError, Cursor};

/// Whether an account has code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountState {
    /// No such account, or one with a balance but no code.
    Uninit,
    /// Deployed.
    Active,
    /// Its rent debt froze it.
    Frozen,
}

/// One account at one moment.
#[derive(Debug, Clone)]
pub struct AccountInfo {
    /// Which.
    pub address: Address,
    /// Balance in nanogram.
    pub balance: Nano,
    /// Whether it is deployed.
    pub state: AccountState,
    /// Its code, if deployed.
    pub code: Option<Cell>,
    /// Its data, if deployed.
    pub data: Option<Cell>,
    /// Its last transaction; `None` if it never had one.
    pub last: Option<Cursor>,
    /// Masterchain block the answer is of, if the gateway tells.
    pub block_seqno: Option<u32>,
    /// Chain time of that block (unix seconds), if the gateway tells.
    pub sync_time: Option<u32>,
}

impl AccountInfo {
    /// Hash of its code.
    #[must_use]
    pub fn code_hash(&self) -> Option<Hash32> {
        self.code.as_ref().map(|code| Hash32(code.repr_hash().0))
    }

    /// Whether it is deployed.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        matches!(self.state, AccountState::Active)
    }

    pub(crate) fn parse(address: Address, answer: Answer<'_>) -> Result<Self, ChainError> {
        let state = match answer.field("state")?.text()? {
            "active" => AccountState::Active,
            "uninitialized" | "uninit" | "nonexist" => AccountState::Uninit,
            "frozen" => AccountState::Frozen,
            other => {
                let shown: String = other.chars().take(20).collect();
                return Err(answer.malformed(format!("unknown account state `{shown}`")));
            }
        };
        // Gateways give -1 for accounts that do not exist.
        let balance: i64 = answer.field("balance")?.integer()?;
        let cell = |name| answer.optional(name).map_or(Ok(None), |answer| answer.cell());
        let last = match answer.optional("last_transaction_id") {
            None => None,
            Some(id) => Cursor::parse(id)?,
        };
        let block_seqno = answer.optional("block_id").and_then(|block| block.optional("seqno"));
        Ok(Self {
            address,
            balance: Nano::new(u64::try_from(balance).unwrap_or(0)),
            state,
            code: cell("code")?,
            data: cell("data")?,
            last,
            block_seqno: block_seqno.map(|seqno| seqno.integer()).transpose()?,
            sync_time: answer.optional("sync_utime").map(|time| time.integer()).transpose()?,
        })
    }
}
