//! A worker's own operations on its stake: each one wallet message, waited for until it is final.

use std::time::Duration;

use fog_chain::{ChainClient, ChainError, Delivery, DeliveryError, Tx};
use fog_contracts::{
    CLAIM_VALUE, ContractError, ExitCode, OWNER_VALUE, STAKE_RENT, TaskState,
    market::MarketData,
    stake::{self, StakeData},
    task::{self, TaskData},
};
use fog_protocol::{Address, Nano, PublicKey};
use fog_wallet::{OutMessage, UnlockedWallet, WalletError};
use tycho_types::cell::Cell;

/// Seconds a signed message stays valid.
const VALID_SECONDS: u32 = 120;
/// How long the stake contract's answer is waited for.
const ANSWER: Duration = Duration::from_secs(60);

/// Why the stake is not as wished.
#[derive(Debug, thiserror::Error)]
pub enum StakingError {
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The wallet.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// Cells.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// The market cannot be staked in.
    #[error("{0}")]
    Market(String),
    /// The wallet's message did not arrive.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// The wallet took the message and sent nothing.
    #[error("the wallet dropped its message: is there enough money in it?")]
    Dropped,
    /// The stake contract threw.
    #[error("the stake contract refused it: {0}")]
    Refused(String),
}

/// Puts `amount` at stake in `market` and registers `session`; deploys the contract when needed.
///
/// # Errors
/// [`StakingError`].
pub async fn stake(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    market: Address,
    amount: Nano,
    session: &PublicKey,
) -> Result<Address, StakingError> {
    let data = chain.account(&market).await?.data;
    let data = data.ok_or_else(|| StakingError::Market(format!("no market at {market}")))?;
    let config = MarketData::parse(&data)?
        .config
        .ok_or_else(|| StakingError::Market("the market is not set up yet".to_owned()))?;
    if !config.is_of_this_code() {
        let reason = "the market uses other contracts than this program: stake nothing there";
        return Err(StakingError::Market(reason.to_owned()));
    }
    let init = config.stake_of(market, wallet.wallet.address());
    let address = init.address()?;
    let value = amount.saturating_add(STAKE_RENT);
    let message = OutMessage::new(address, value)
        .with_state_init(init.state_init()?)
        .with_body(stake::deposit(0, amount, session)?);
    perform(chain, wallet, &address, message).await?;
    Ok(address)
}

/// Starts unbonding `amount`.
///
/// # Errors
/// [`StakingError`].
pub async fn unbond(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    stake: &Address,
    amount: Nano,
) -> Result<(), StakingError> {
    owner(chain, wallet, stake, stake::unbond(0, amount)?).await
}

/// Pays out what is unbonded.
///
/// # Errors
/// [`StakingError`].
pub async fn withdraw(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    stake: &Address,
) -> Result<(), StakingError> {
    // Where stake is delegated the contract looks through its reservations first.
    let message = OutMessage::new(*stake, CLAIM_VALUE).with_body(stake::withdraw(0)?);
    perform(chain, wallet, stake, message).await
}

/// Pays out earnings.
///
/// # Errors
/// [`StakingError`].
pub async fn withdraw_earnings(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    stake: &Address,
) -> Result<(), StakingError> {
    owner(chain, wallet, stake, stake::withdraw_earnings(0)?).await
}

/// Pushes a pledge on where its node does not: the promise onto the chain, a task whose time is over
/// to its end. Says what was sent, if anything was to be.
///
/// # Errors
/// [`StakingError`].
pub async fn push_pledge(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    pledge: &crate::Pledge,
) -> Result<Option<&'static str>, StakingError> {
    let Some(data) = chain.account(&pledge.escrow).await?.data else { return Ok(None) };
    let at = TaskData::parse(&data)?;
    let over = chain.chain_time().await? > at.deadline;
    let (value, body, sent) = match at.state {
        TaskState::Assigned if !over => {
            let promise = fog_contracts::epoch::promise_of(&pledge.escrow);
            let body = task::commit(0, &promise, &pledge.promise)?;
            (fog_contracts::COMMIT_VALUE, body, "promise sent")
        }
        TaskState::Open | TaskState::Committed if over => {
            (fog_contracts::END_VALUE, task::expire(0)?, "its time is over: set free")
        }
        TaskState::Accepted | TaskState::Rejected => {
            (fog_contracts::END_VALUE, task::finalize(0)?, "its verdict is carried out")
        }
        _ => return Ok(None),
    };
    let message = OutMessage::new(pledge.escrow, value).with_body(body);
    perform(chain, wallet, &pledge.escrow, message).await?;
    Ok(Some(sent))
}

/// Sets the commission, in basis points.
///
/// # Errors
/// [`StakingError`].
pub async fn set_commission(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    stake: &Address,
    basis_points: u16,
) -> Result<(), StakingError> {
    owner(chain, wallet, stake, stake::set_commission(0, basis_points)?).await
}

/// What a stake contract holds; `None` if it is not deployed.
///
/// # Errors
/// [`StakingError`].
pub async fn read(chain: &ChainClient, stake: &Address) -> Result<Option<StakeData>, StakingError> {
    let data = chain.account(stake).await?.data;
    Ok(data.as_ref().map(StakeData::parse).transpose()?)
}

async fn owner(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    stake: &Address,
    body: Cell,
) -> Result<(), StakingError> {
    let message = OutMessage::new(*stake, OWNER_VALUE).with_body(body);
    perform(chain, wallet, stake, message).await
}

/// Sends one message and waits for the contract's own transaction.
async fn perform(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    to: &Address,
    message: OutMessage,
) -> Result<(), StakingError> {
    let since = chain.account(to).await?.last;
    let sent = send(chain, wallet, message).await?;
    let Some(out) = sent.out_msgs.first().map(|message| message.hash) else {
        return Err(StakingError::Dropped);
    };
    let ours = |tx: &Tx| tx.in_msg.as_ref().is_some_and(|message| message.hash == out);
    let tx = chain.wait_transaction(to, since, ANSWER, ours).await?;
    if tx.is_success() {
        return Ok(());
    }
    let code = tx.exit_code.unwrap_or_default();
    let known = u32::try_from(code).ok().and_then(ExitCode::from_number);
    let text = known.map_or_else(|| fog_contracts::explain_exit(code), |exit| exit.text().into());
    Err(StakingError::Refused(text))
}

/// Signs one message and waits until its transaction is final.
async fn send(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    message: OutMessage,
) -> Result<Tx, StakingError> {
    let address = wallet.wallet.address();
    let moment = chain.wallet_moment(&address).await?;
    let valid_until = moment.now + VALID_SECONDS;
    let signed = wallet.wallet.transfer(&wallet.key, moment.seqno, valid_until, &[message])?;
    let (boc, body_hash, since) = (&signed.boc, signed.body_hash, moment.since);
    let delivery = Delivery { wallet: address, boc, body_hash, valid_until, since };
    Ok(chain.deliver(&delivery).await?)
}
