//! Paying from a wallet, once: the signed bytes are sent until they are final or expired.

use std::time::Duration;

use fog_chain::{ChainClient, ChainError, Cursor, SendOutcome, Tx};
use fog_wallet::{OutMessage, SignedTransfer, UnlockedWallet, WalletError};

/// Seconds a signed message stays valid.
const VALID_SECONDS: u32 = 120;
/// How long one wait lasts before the same bytes are sent again.
const RESEND: Duration = Duration::from_secs(10);

/// Why a payment is not final.
#[derive(Debug, thiserror::Error)]
pub enum PayError {
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The wallet cannot sign this.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The chain refused the message.
    #[error("the chain refused the wallet's message: {0}; is there enough money in it?")]
    Refused(String),
    /// The message ran out of time; nothing was paid.
    #[error("the payment expired before it was taken: nothing was paid, try again")]
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

/// Signs one wallet message and waits until its transaction is final.
///
/// # Errors
/// [`PayError`]. On [`PayError::Chain`] it is unknown whether the message was taken: read the
/// wallet's transactions before paying again.
pub async fn send(
    chain: &ChainClient,
    from: &UnlockedWallet,
    messages: &[OutMessage],
) -> Result<Tx, PayError> {
    let address = from.wallet.address();
    let since = chain.account(&address).await?.last;
    let seqno = chain.wallet_seqno(&address).await?;
    let valid_until = chain.chain_time().await? + VALID_SECONDS;
    let signed = from.wallet.transfer(&from.key, seqno, valid_until, messages)?;
    confirm(chain, &signed, since).await
}

/// Sends signed bytes again and again until their transaction is there, or they have expired.
///
/// # Errors
/// [`PayError`].
pub async fn confirm(
    chain: &ChainClient,
    signed: &SignedTransfer,
    since: Option<Cursor>,
) -> Result<Tx, PayError> {
    loop {
        let refusal = match chain.send_boc(&signed.boc).await {
            SendOutcome::Accepted | SendOutcome::Unknown { .. } => None,
            SendOutcome::Refused { reason, .. } => Some(reason),
        };
        let wait = if refusal.is_some() { Duration::from_secs(1) } else { RESEND };
        let ours = |tx: &Tx| {
            tx.in_msg.as_ref().is_some_and(|message| message.body_hash() == signed.body_hash)
        };
        match chain.wait_transaction(&signed.wallet, since, wait, ours).await {
            Ok(tx) if tx.is_success() => return Ok(tx),
            Ok(tx) => {
                return Err(PayError::Failed { exit: tx.exit_code, action: tx.action_result });
            }
            Err(ChainError::NotSeen { .. }) => {}
            Err(error) if error.is_transient() => {}
            Err(error) => return Err(error.into()),
        }
        // A refusal may be the echo of our own success (sequence number used): looked for above.
        if let Some(reason) = refusal {
            return Err(PayError::Refused(reason));
        }
        if chain.chain_time().await? > signed.valid_until {
            return Err(PayError::Expired);
        }
    }
}
