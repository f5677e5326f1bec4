//! Paying from a wallet, once: the signed bytes are sent until they are final or expired.

use std::time::Duration;

use fog_chain::{ChainClient, ChainError, Cursor, Delivery, DeliveryError, Tx};
use fog_contracts::explain_exit;
use fog_protocol::Address;
use fog_wallet::{OutMessage, SignedTransfer, UnlockedWallet, WalletError};

/// Seconds a signed message stays valid.
const VALID_SECONDS: u32 = 120;
/// How long a contract's own transaction is waited for.
pub(crate) const ANSWER: Duration = Duration::from_secs(60);

/// Why a payment is not final.
#[derive(Debug, thiserror::Error)]
pub enum PayError {
    /// The wallet cannot be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The wallet cannot sign this.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The signed message did not arrive.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// The wallet took the message and sent nothing.
    #[error("the wallet dropped its message: is there enough money in it?")]
    Dropped,
    /// The contract threw.
    #[error("the contract refused it: {0}")]
    Refused(String),
}

/// Signs one wallet message and waits until its transaction is final.
///
/// # Errors
/// [`PayError`]. On [`DeliveryError::Chain`] it is unknown whether the message was taken: read the
/// wallet's transactions before paying again.
pub async fn send(
    chain: &ChainClient,
    from: &UnlockedWallet,
    messages: &[OutMessage],
) -> Result<Tx, PayError> {
    let moment = chain.wallet_moment(&from.wallet.address()).await?;
    let valid_until = moment.now + VALID_SECONDS;
    let signed = from.wallet.transfer(&from.key, moment.seqno, valid_until, messages)?;
    confirm(chain, &signed, moment.since).await
}

/// Sends one message and waits for the contract's own transaction; gives the wallet's.
///
/// # Errors
/// [`PayError`]; [`PayError::Refused`] if the contract threw.
pub async fn call(
    chain: &ChainClient,
    from: &UnlockedWallet,
    to: &Address,
    message: OutMessage,
) -> Result<Tx, PayError> {
    let since = chain.account(to).await?.last;
    let sent = send(chain, from, &[message]).await?;
    let out = sent.out_msgs.first().map(|message| message.hash).ok_or(PayError::Dropped)?;
    let ours = |tx: &Tx| tx.in_msg.as_ref().is_some_and(|message| message.hash == out);
    let answer = chain.wait_transaction(to, since, ANSWER, ours).await?;
    if answer.is_success() {
        return Ok(sent);
    }
    Err(PayError::Refused(explain_exit(answer.exit_code.unwrap_or_default())))
}

/// Sends signed bytes again and again until their transaction is there, or they have expired.
///
/// # Errors
/// [`PayError::Delivery`].
pub async fn confirm(
    chain: &ChainClient,
    signed: &SignedTransfer,
    since: Option<Cursor>,
) -> Result<Tx, PayError> {
    let SignedTransfer { wallet, boc, body_hash, valid_until, .. } = signed;
    let (wallet, body_hash, valid_until) = (*wallet, *body_hash, *valid_until);
    Ok(chain.deliver(&Delivery { wallet, boc, body_hash, valid_until, since }).await?)
}
