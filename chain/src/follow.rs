//! Following one account's transactions without missing any.
//!
//! ```text
//! cursor (known) <- t1 <- t2 <- ... <- tn = the account's last transaction
//!                   each tx names its predecessor by (lt, hash), and hashes to its own id
//! ```

use std::collections::VecDeque;

use fog_protocol::{Address, Hash32};
use serde::{Deserialize, Serialize};

use crate::json::Answer;
use crate::{AccountInfo, ChainClient, ChainError, Tx};

/// Transactions asked for at once; toncenter gives at most 100.
const PAGE: usize = 100;
/// Pages walked back at most in one call: a quarter of a million transactions.
const MAX_PAGES: usize = 2500;
/// Transactions returned at most by one call; call again for the rest.
pub(crate) const MAX_RETURNED: usize = 1000;

/// One transaction of an account: where a follower stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor {
    /// Logical time.
    pub lt: u64,
    /// Hash.
    pub hash: Hash32,
}

impl Cursor {
    /// Reads a `transaction_id`; `None` for lt 0, which stands for no transaction.
    pub(crate) fn parse(id: Answer<'_>) -> Result<Option<Self>, ChainError> {
        let lt: u64 = id.field("lt")?.integer()?;
        if lt == 0 {
            return Ok(None);
        }
        Ok(Some(Self { lt, hash: id.field("hash")?.hash()? }))
    }
}

impl ChainClient {
    /// All transactions of `address` after `cursor` (`None`: from its very first), oldest first,
    /// each linked to the one before by lt and hash. At most 1,000 of the oldest are returned;
    /// a full answer means: store them, then call again with the last one's cursor.
    ///
    /// # Errors
    /// [`ChainError::Gap`] if the links do not lead to the cursor, [`ChainError::Stale`] if the
    /// gateway does not know the cursor's transaction yet, [`ChainError::Lied`] on false data;
    /// nothing is ever skipped. Move the cursor only together with what came out of it.
    pub async fn new_transactions_since(
        &self,
        address: &Address,
        cursor: Option<Cursor>,
    ) -> Result<Vec<Tx>, ChainError> {
        let account = self.account(address).await?;
        self.transactions_up_to(&account, cursor).await
    }

    /// The same up to the last transaction that an answer about the account named.
    pub(crate) async fn transactions_up_to(
        &self,
        account: &AccountInfo,
        cursor: Option<Cursor>,
    ) -> Result<Vec<Tx>, ChainError> {
        let address = &account.address;
        let Some(last) = head(account, cursor)? else { return Ok(Vec::new()) };
        // Walk from the newest to the cursor, keeping only the oldest ones.
        let mut oldest = VecDeque::with_capacity(PAGE);
        let mut next = last;
        for _ in 0..MAX_PAGES {
            let to_lt = cursor.map(|cursor| cursor.lt);
            let page = self.transactions(address, Some(next), PAGE, to_lt).await?;
            for tx in page {
                let (at, prev) = (tx.cursor(), tx.prev);
                oldest.push_front(tx);
                if oldest.len() > MAX_RETURNED {
                    oldest.pop_back();
                }
                match reached(address, at, prev, cursor)? {
                    None => return Ok(oldest.into()),
                    Some(prev) => next = prev,
                }
            }
        }
        let walked = MAX_PAGES * PAGE;
        let what = format!("more than {walked} transactions since; start from a later cursor");
        Err(ChainError::Gap { address: *address, what })
    }
}

/// The account's last transaction, if it is newer than the cursor.
fn head(account: &AccountInfo, cursor: Option<Cursor>) -> Result<Option<Cursor>, ChainError> {
    let (address, last) = (&account.address, account.last);
    let (Some(known), lt) = (cursor, last.map_or(0, |last| last.lt)) else { return Ok(last) };
    if lt < known.lt {
        let what = format!("{address} is at lt {lt} there, {} was seen before", known.lt);
        return Err(ChainError::Stale { what });
    }
    if lt > known.lt {
        return Ok(last);
    }
    match last {
        Some(last) if last != known => Err(ChainError::Gap {
            address: *address,
            what: format!("lt {lt} is {} there, {} was seen before", last.hash, known.hash),
        }),
        Some(_) | None => Ok(None),
    }
}

/// One step back from the transaction `at` to its predecessor: `None` when the cursor (or, without
/// one, the beginning) is reached, else where to go on.
fn reached(
    address: &Address,
    at: Cursor,
    prev: Option<Cursor>,
    cursor: Option<Cursor>,
) -> Result<Option<Cursor>, ChainError> {
    let gap = |what: String| Err(ChainError::Gap { address: *address, what });
    match (prev, cursor) {
        (None, None) => Ok(None),
        (None, Some(known)) => gap(format!(
            "the account begins at lt {} there, lt {} was seen before",
            at.lt, known.lt
        )),
        (Some(prev), _) if prev.lt >= at.lt => gap(format!("lt {} follows lt {}", at.lt, prev.lt)),
        (Some(prev), None) => Ok(Some(prev)),
        (Some(prev), Some(known)) if prev == known => Ok(None),
        (Some(prev), Some(known)) if prev.lt <= known.lt => gap(format!(
            "lt {} follows {} at lt {}, not {} at lt {}",
            at.lt, prev.hash, prev.lt, known.hash, known.lt
        )),
        (Some(prev), Some(_)) => Ok(Some(prev)),
    }
}
