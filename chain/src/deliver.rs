//! A signed message, delivered once: the same bytes are sent until they are final or expired.

use std::time::Duration;

use fog_protocol::{Address, Hash32};
use tokio::time::Instant;

use crate::{ChainClient, ChainError, Cursor, Follower, SendOutcome, Tx};

/// Looks at the wallet before the same bytes are sent again.
const RESEND_AFTER: u32 = 5;
/// Looks after a refusal, which may be the echo of our own success, or when nobody may have heard.
const LOOK_AGAIN: u32 = 2;
/// How long a gateway may fail without a break before the caller is told.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where a wallet stands before it signs.
#[derive(Debug, Clone, Copy)]
pub struct WalletMoment {
    /// Its last transaction: what it does next comes after.
    pub since: Option<Cursor>,
    /// The sequence number its next message must carry.
    pub seqno: u32,
    /// Chain time, Unix seconds.
    pub now: u32,
}

/// An external message of a wallet, signed.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// The wallet.
    pub wallet: Address,
    /// The message as a bag of cells.
    pub boc: &'a [u8],
    /// Hash of its body: gateways may rebuild the rest.
    pub body_hash: Hash32,
    /// Chain time from which the wallet refuses it, Unix seconds.
    pub valid_until: u32,
    /// The wallet's last transaction before.
    pub since: Option<Cursor>,
}

/// Why a message is not final.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DeliveryError {
    /// The chain. It is unknown whether the message was taken: read the wallet's transactions
    /// before signing another.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The chain refused the message.
    #[error("the chain refused the wallet's message: {0}; is there enough money in it?")]
    Refused(String),
    /// The message ran out of time; nothing was sent.
    #[error("the message expired before it was taken: nothing was paid, try again")]
    Expired,
    /// The wallet took the message and could not send all of it.
    #[error("the wallet took the message but failed (exit {exit:?}, action {action:?})")]
    Failed {
        /// Exit code of the wallet.
        exit: Option<i32>,
        /// Result of its actions.
        action: Option<i32>,
    },
}

impl ChainClient {
    /// What a wallet needs to know to sign its next message.
    ///
    /// # Errors
    /// [`ChainError`].
    pub async fn wallet_moment(&self, wallet: &Address) -> Result<WalletMoment, ChainError> {
        let since = self.account(wallet).await?.last;
        let seqno = self.wallet_seqno(wallet).await?;
        Ok(WalletMoment { since, seqno, now: self.chain_time().await? })
    }

    /// Sends a signed message again and again until its transaction is final, or it has expired:
    /// the wallet's gapless history, read past its validity, shows that it never ran.
    ///
    /// # Errors
    /// [`DeliveryError`]. [`DeliveryError::Chain`] if the gateway's failure cannot pass, or did not
    /// for two minutes.
    pub async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Tx, DeliveryError> {
        let mut watch = Watch {
            follower: Follower::new(self.clone(), delivery.wallet),
            cursor: delivery.since,
            heard: Instant::now(),
        };
        let mut refused_only = true;
        loop {
            let (refusal, looks) = match self.send_boc(delivery.boc).await {
                SendOutcome::Accepted => {
                    refused_only = false;
                    (None, RESEND_AFTER)
                }
                SendOutcome::Unknown { .. } => {
                    refused_only = false;
                    (None, LOOK_AGAIN)
                }
                SendOutcome::Refused { reason, .. } => (Some(reason), LOOK_AGAIN),
            };
            let patience = self.config().poll_interval.saturating_mul(looks);
            match self.look_for(delivery, &mut watch, patience).await? {
                Looked::Found(tx) if tx.is_success() => return Ok(*tx),
                Looked::Found(tx) => {
                    let (exit, action) = (tx.exit_code, tx.action_result);
                    return Err(DeliveryError::Failed { exit, action });
                }
                Looked::Expired => return Err(DeliveryError::Expired),
                Looked::NotYet => {}
            }
            // Once somebody took it, a refusal proves nothing: it may be in a block already.
            if let (Some(reason), true) = (refusal, refused_only) {
                return Err(DeliveryError::Refused(reason));
            }
        }
    }

    async fn look_for(
        &self,
        delivery: &Delivery<'_>,
        watch: &mut Watch,
        patience: Duration,
    ) -> Result<Looked, ChainError> {
        let begun = Instant::now();
        loop {
            match watch.follower.next(watch.cursor).await {
                Ok(update) => {
                    watch.heard = Instant::now();
                    for tx in update.transactions {
                        watch.cursor = Some(tx.cursor());
                        let sent = tx.in_msg.as_ref().map(crate::Msg::body_hash);
                        if sent == Some(delivery.body_hash) {
                            return Ok(Looked::Found(Box::new(tx)));
                        }
                    }
                    if update.covered > delivery.valid_until {
                        return Ok(Looked::Expired);
                    }
                }
                Err(error)
                    if error.may_be_answered_better() && watch.heard.elapsed() < PATIENCE =>
                {
                    tracing::debug!(code = error.code(), "looking for a message of the wallet");
                }
                // The last transaction before ours was undone: read from the wallet's beginning.
                Err(ChainError::Gap { .. }) if watch.cursor.is_some() => watch.cursor = None,
                Err(error) => return Err(error),
            }
            if begun.elapsed() >= patience {
                return Ok(Looked::NotYet);
            }
            tokio::time::sleep(self.config().poll_interval).await;
        }
    }
}

/// Where somebody who waits for a wallet's message stands.
struct Watch {
    follower: Follower,
    cursor: Option<Cursor>,
    /// When the gateway last answered.
    heard: Instant,
}

enum Looked {
    Found(Box<Tx>),
    Expired,
    NotYet,
}
