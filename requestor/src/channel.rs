//! Accounts and earnings: opening, paying in, vouchers, settling, leaving. What both sides need; each
//! checks the other's word against the entries it knows itself and against the chain.

use fog_chain::{ChainClient, ChainError};
use fog_contracts::{
    CHANNEL_END_VALUE, CHANNEL_RENT, ContractError, REDEEM_VALUE,
    channel::{self, Channel, ChannelData, Purpose, Voucher, VoucherError, VoucherSignatures},
};
use fog_protocol::{Address, EntryTree, Hash32, Nano, PublicKey, SecretKey, Signature};
use fog_wallet::{OutMessage, UnlockedWallet};
use serde::{Deserialize, Serialize};

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
    if file.network != chain.config().network_id {
        return Err(ChannelError::Elsewhere("network"));
    }
    let at = read_channel(chain, &file.channel).await?;
    let signed = file.signatures()?;
    let voucher = file.voucher();
    let amount = at.check(file.network, &voucher, &signed, chain.chain_time().await?)?;
    let message = OutMessage::new(file.channel, REDEEM_VALUE)
        .with_body(channel::redeem(0, &voucher, &signed)?);
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use fog_protocol::{Entry, EntryVerdict, TaskId};
    use proptest::prelude::*;

    use super::*;

    const NETWORK: i32 = -3;
    const NOW: u32 = 1_800_000_000;

    fn keys() -> [SecretKey; 2] {
        [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]))
    }

    fn channel() -> ChannelData {
        let [payer, payee] = keys();
        let terms = Channel {
            purpose: Purpose::Account,
            payer: Address::basechain([1; 32]),
            payee: Address::basechain([2; 32]),
            payer_key: payer.public(),
            payee_key: payee.public(),
            cap: Nano::grams(5),
            delay: 600,
            series: 0,
        };
        ChannelData { balance: Nano::grams(8), ..ChannelData::fresh(&terms) }
    }

    fn entries(amount: u64) -> EntryTree {
        let entry = Entry {
            task: TaskId(Hash32([1; 32])),
            worker: Address::basechain([3; 32]),
            amount: Nano::new(amount),
            verdict: EntryVerdict::Accepted,
            evidence: Hash32([4; 32]),
        };
        EntryTree::of([entry]).unwrap()
    }

    fn file(amount: u64) -> VoucherFile {
        let at = channel().channel.address().unwrap();
        VoucherFile::of(NETWORK, at, &entries(amount), NOW + 3600)
    }

    #[test]
    fn both_sign_what_both_know_and_the_contract_would_take_it() {
        let (at, [payer, payee]) = (channel(), keys());
        let mut voucher = file(1000);
        voucher.sign(NETWORK, &at, &payer, NOW).unwrap();
        assert!(matches!(voucher.signatures(), Err(ChannelError::Unsigned("payee"))));
        let text = serde_json::to_string(&voucher).unwrap();
        let mut read: VoucherFile = serde_json::from_str(&text).unwrap();
        read.matches(&entries(1000)).unwrap();
        assert!(matches!(read.matches(&entries(999)), Err(ChannelError::OtherEntries { .. })));
        read.sign(NETWORK, &at, &payee, NOW).unwrap();
        let signed = read.signatures().unwrap();
        assert_eq!(at.check(NETWORK, &read.voucher(), &signed, NOW), Ok(Nano::new(1000)));
    }

    #[test]
    fn nothing_is_signed_that_would_be_worth_nothing() {
        let (at, [payer, _]) = (channel(), keys());
        let stranger = SecretKey::from_seed(&[9; 32]);
        let refused = |mut voucher: VoucherFile, network, key: &SecretKey, now| {
            let before = voucher.clone();
            assert!(voucher.sign(network, &at, key, now).is_err());
            assert_eq!(voucher, before);
        };
        refused(file(1000), -239, &payer, NOW);
        refused(file(1000), NETWORK, &stranger, NOW);
        refused(file(1000), NETWORK, &payer, NOW + 3601);
        refused(file(0), NETWORK, &payer, NOW);
        refused(file(5_000_000_001), NETWORK, &payer, NOW);
        refused(file(8_000_000_001), NETWORK, &payer, NOW);
        let elsewhere = VoucherFile { channel: Address::basechain([8; 32]), ..file(1000) };
        refused(elsewhere, NETWORK, &payer, NOW);
    }

    proptest! {
        #[test]
        fn any_voucher_text_is_read_or_refused(text in "\\PC{0,200}", cut in 0usize..600) {
            let _ = serde_json::from_str::<VoucherFile>(&text);
            let whole = serde_json::to_string(&file(1000)).unwrap();
            let cut = cut % whole.len();
            prop_assert!(serde_json::from_str::<VoucherFile>(&whole[..cut]).is_err());
        }
    }
}
