//! A signed message, delivered once: the same bytes are sent until they are final or expired.

use std::time::Duration;

use fog_protocol::{Address, Hash32};

use crate::{ChainClient, ChainError, Cursor, SendOutcome, Tx};

/// How long one wait lasts before the same bytes are sent again.
const RESEND: Duration = Duration::from_secs(10);
/// A refusal may be the echo of our own success (sequence number used): looked for this long.
const ECHO: Duration = Duration::from_secs(1);

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

    /// Sends a signed message again and again until its transaction is there, or it has expired.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Tx, DeliveryError> {
        let ours = |tx: &Tx| {
            tx.in_msg.as_ref().is_some_and(|message| message.body_hash() == delivery.body_hash)
        };
        loop {
            // Read before looking: whatever got in before the expiry is seen by the look after it.
            let expired = match self.chain_time().await {
                Ok(now) => now > delivery.valid_until,
                Err(error) if error.is_transient() => false,
                Err(error) => return Err(error.into()),
            };
            let refusal = match self.send_boc(delivery.boc).await {
                SendOutcome::Accepted | SendOutcome::Unknown { .. } => None,
                SendOutcome::Refused { reason, .. } => Some(reason),
            };
            let wait = if refusal.is_some() || expired { ECHO } else { RESEND };
            match self.wait_transaction(&delivery.wallet, delivery.since, wait, ours).await {
                Ok(tx) if tx.is_success() => return Ok(tx),
                Ok(tx) => {
                    let (exit, action) = (tx.exit_code, tx.action_result);
                    return Err(DeliveryError::Failed { exit, action });
                }
                Err(error) if error.is_transient() => {}
                Err(error) => return Err(error.into()),
            }
            if expired {
                return Err(DeliveryError::Expired);
            }
            if let Some(reason) = refusal {
                return Err(DeliveryError::Refused(reason));
            }
        }
    }
}
