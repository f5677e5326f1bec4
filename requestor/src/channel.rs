//! Accounts and earnings: opening, paying in, vouchers, settling, leaving. What both sides need; each
//! checks the other's word against the entries it knows itself and against the chain.

use fog_chain::{ChainClient, ChainError};
use fog_contracts::{
    CHANNEL_END_VALUE, CHANNEL_RENT, ContractError, REDEEM_VALUE,
    channel::{self, Channel, ChannelData, Purpose, VoucherError},
    rail::{signatures_of, voucher_of},
};
use fog_protocol::{Address, Hash32, Nano, PublicKey, VoucherFile};
use fog_wallet::{OutMessage, UnlockedWallet};

use crate::{PayError, call};

/// Why something with an account or earnings did not work.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The wallet, or the contract that it called.
    #[error(transparent)]
    Pay(#[from] PayError),
    /// Cells.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A voucher that is worth nothing.
    #[error(transparent)]
    Voucher(#[from] VoucherError),
    /// Neither contract is there.
    #[error("{0} is no account and no earnings of this program's code")]
    NotAChannel(Address),
    /// The terms would be refused.
    #[error("{0}")]
    Terms(&'static str),
    /// A voucher says something else than one's own entries.
    #[error(transparent)]
    OtherEntries(#[from] fog_protocol::OtherEntries),
}

/// What the account or earnings at `address` holds, whichever of the two it is.
///
/// # Errors
/// [`ChannelError::NotAChannel`].
pub async fn read_channel(
    chain: &ChainClient,
    address: &Address,
) -> Result<ChannelData, ChannelError> {
    let account = chain.account(address).await?;
    let hash = account.code_hash();
    let purpose = Purpose::ALL.into_iter().find(|purpose| Some(purpose.code().hash) == hash);
    match (purpose, account.data) {
        (Some(purpose), Some(data)) => {
            let data = ChannelData::parse(purpose, &data)?;
            // The address is the hash of the terms: what is not at its own address is a fake.
            if data.channel.address()? == *address {
                return Ok(data);
            }
            Err(ChannelError::NotAChannel(*address))
        }
        _ => Err(ChannelError::NotAChannel(*address)),
    }
}

/// Opens `channel`, or pays into it again, with `amount` for its payee.
///
/// # Errors
/// [`ChannelError`].
pub async fn top_up(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    channel: &Channel,
    amount: Nano,
) -> Result<Address, ChannelError> {
    check_terms(channel)?;
    let address = channel.address()?;
    let message = OutMessage::new(address, amount.saturating_add(CHANNEL_RENT))
        .with_state_init(channel.state_init()?)
        .with_body(channel::top_up(0, amount)?);
    call(chain, wallet, &address, message).await?;
    Ok(address)
}

/// What the contract would refuse on the first payment, said before anything is sent.
fn check_terms(channel: &Channel) -> Result<(), ChannelError> {
    let none = PublicKey(Hash32::default());
    if !channel::DELAYS.contains(&channel.delay) {
        return Err(ChannelError::Terms("the delay must be between 10 minutes and 30 days"));
    }
    if channel.cap == Nano::ZERO {
        return Err(ChannelError::Terms("the exposure cap must be above zero"));
    }
    if channel.payer_key == none || channel.payee_key == none {
        return Err(ChannelError::Terms("a key of zeros is nobody's"));
    }
    Ok(())
}

/// Redeems a voucher that both have signed; returns what it paid.
///
/// # Errors
/// [`ChannelError`]: nothing is sent if the contract would refuse it.
pub async fn settle(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    file: &VoucherFile,
) -> Result<Nano, ChannelError> {
    let at = read_channel(chain, &file.channel).await?;
    let amount = at.check_file(file, chain.config().network_id, chain.chain_time().await?)?;
    let message = OutMessage::new(file.channel, REDEEM_VALUE).with_body(channel::redeem(
        0,
        &voucher_of(file),
        &signatures_of(file)?,
    )?);
    call(chain, wallet, &file.channel, message).await?;
    Ok(amount)
}

/// Sends [`channel::op::CLOSE`], [`channel::op::LEAVE`] or [`channel::op::FINISH`].
///
/// # Errors
/// [`ChannelError`].
pub async fn end_channel(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    address: &Address,
    op: u32,
) -> Result<ChannelData, ChannelError> {
    let message = OutMessage::new(*address, CHANNEL_END_VALUE).with_body(channel::plain(op, 0)?);
    call(chain, wallet, address, message).await?;
    read_channel(chain, address).await
}

/// Makes `key` sign for the payee from now on; `wallet` is the payee's.
///
/// # Errors
/// [`ChannelError`].
pub async fn set_channel_key(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    address: &Address,
    key: &PublicKey,
) -> Result<(), ChannelError> {
    let message = OutMessage::new(*address, CHANNEL_END_VALUE).with_body(channel::set_key(0, key)?);
    call(chain, wallet, address, message).await?;
    Ok(())
}
