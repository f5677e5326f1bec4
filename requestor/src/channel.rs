//! Accounts and earnings: opening, paying in, vouchers, settling, leaving. What both sides need; each
//! checks the other's word against the entries it knows itself and against the chain.

use std::time::Duration;

use fog_chain::{ChainClient, ChainError, Tx};
use fog_contracts::{
    CHANNEL_END_VALUE, CHANNEL_RENT, ContractError, REDEEM_VALUE,
    channel::{self, Channel, ChannelData, Purpose, Voucher, VoucherError, VoucherSignatures},
    explain_exit,
};
use fog_protocol::{Address, EntryTree, Hash32, Nano, PublicKey, SecretKey, Signature};
use fog_wallet::{OutMessage, UnlockedWallet};
use serde::{Deserialize, Serialize};

use crate::{PayError, send};

/// How long the contract's own transaction is waited for.
const ANSWER: Duration = Duration::from_secs(60);

/// Why something with an account or earnings did not work.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The wallet.
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
    /// The contract threw.
    #[error("the contract refused it: {0}")]
    Refused(String),
    /// The wallet took the message and sent nothing.
    #[error("the wallet dropped its message: is there enough money in it?")]
    Dropped,
    /// A voucher says something else than one's own entries.
    #[error("the voucher is for {theirs} and other entries: one's own come to {ours}")]
    OtherEntries {
        /// What the voucher says.
        theirs: Nano,
        /// Sum of one's own.
        ours: Nano,
    },
    /// A key that signs for neither side.
    #[error("this key signs for neither the payer nor the payee there")]
    ForeignKey,
    /// One signature is not enough.
    #[error("the voucher still wants the {0}'s signature: `fog account sign`")]
    Unsigned(&'static str),
    /// Another network or contract.
    #[error("the voucher is for another {0}")]
    Elsewhere(&'static str),
}

/// A voucher as it travels between the two sides: what it says, and who has signed it so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoucherFile {
    /// TON global id.
    pub network: i32,
    /// The contract.
    pub channel: Address,
    /// Everything owed since it began, in nanogram.
    pub total_nano: Nano,
    /// Number of entries behind it.
    pub count: u64,
    /// Their Merkle root.
    pub root: Hash32,
    /// Last second (Unix) at which it can be redeemed.
    pub valid_until: u32,
    /// The payer's signature.
    pub payer: Option<Signature>,
    /// The payee's signature.
    pub payee: Option<Signature>,
}

impl VoucherFile {
    /// An unsigned voucher for these entries.
    #[must_use]
    pub fn of(network: i32, channel: Address, entries: &EntryTree, valid_until: u32) -> Self {
        Self {
            network,
            channel,
            total_nano: entries.total(),
            count: entries.len(),
            root: entries.root(),
            valid_until,
            payer: None,
            payee: None,
        }
    }

    /// What is signed.
    #[must_use]
    pub const fn voucher(&self) -> Voucher {
        Voucher {
            total: self.total_nano,
            count: self.count,
            root: self.root,
            valid_until: self.valid_until,
        }
    }

    /// Does it say what one's own entries say?
    ///
    /// # Errors
    /// [`ChannelError::OtherEntries`].
    pub fn matches(&self, entries: &EntryTree) -> Result<(), ChannelError> {
        let same = self.root == entries.root() && self.count == entries.len();
        if same && self.total_nano == entries.total() {
            return Ok(());
        }
        Err(ChannelError::OtherEntries { theirs: self.total_nano, ours: entries.total() })
    }

    /// Signs for the side that `key` is of, if what it says would be redeemed at `now`.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn sign(
        &mut self,
        network: i32,
        at: &ChannelData,
        key: &SecretKey,
        now: u32,
    ) -> Result<(), ChannelError> {
        if self.network != network {
            return Err(ChannelError::Elsewhere("network"));
        }
        if self.channel != at.channel.address()? {
            return Err(ChannelError::Elsewhere("contract"));
        }
        let voucher = self.voucher();
        at.check_terms(&voucher, now)?;
        let signature = voucher.sign(self.network, &at.channel, key)?;
        let (payer, payee) = (key.public() == at.channel.payer_key, key.public() == at.payee_key);
        if !payer && !payee {
            return Err(ChannelError::ForeignKey);
        }
        if payer {
            self.payer = Some(signature);
        }
        if payee {
            self.payee = Some(signature);
        }
        Ok(())
    }

    /// Both signatures.
    ///
    /// # Errors
    /// [`ChannelError::Unsigned`].
    pub fn signatures(&self) -> Result<VoucherSignatures, ChannelError> {
        Ok(VoucherSignatures {
            payer: self.payer.ok_or(ChannelError::Unsigned("payer"))?,
            payee: self.payee.ok_or(ChannelError::Unsigned("payee"))?,
        })
    }
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
    perform(chain, wallet, &address, message).await?;
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
    if file.network != chain.config().network_id {
        return Err(ChannelError::Elsewhere("network"));
    }
    let at = read_channel(chain, &file.channel).await?;
    let signed = file.signatures()?;
    let voucher = file.voucher();
    let amount = at.check(file.network, &voucher, &signed, chain.chain_time().await?)?;
    let message = OutMessage::new(file.channel, REDEEM_VALUE)
        .with_body(channel::redeem(0, &voucher, &signed)?);
    perform(chain, wallet, &file.channel, message).await?;
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
    perform(chain, wallet, address, message).await?;
    read_channel(chain, address).await
}

/// Sends one message and waits for the contract's own transaction.
async fn perform(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    to: &Address,
    message: OutMessage,
) -> Result<(), ChannelError> {
    let since = chain.account(to).await?.last;
    let sent = send(chain, wallet, &[message]).await?;
    let Some(out) = sent.out_msgs.first().map(|message| message.hash) else {
        return Err(ChannelError::Dropped);
    };
    let ours = |tx: &Tx| tx.in_msg.as_ref().is_some_and(|message| message.hash == out);
    let tx = chain.wait_transaction(to, since, ANSWER, ours).await?;
    if tx.is_success() {
        return Ok(());
    }
    Err(ChannelError::Refused(explain_exit(tx.exit_code.unwrap_or_default())))
}
