//! Accounts and earnings in a jetton: opening, paying in, vouchers, settling, claiming, leaving.
//!
//! The jetton is named by its master. Which wallet is whose is asked of the master's get-method, and
//! must be what the contract was told itself.

use fog_chain::{ChainClient, ChainError, StackEntry, StackError};
use fog_contracts::{
    ContractError, JETTON_CREDIT_VALUE, JETTON_FORWARD, JETTON_PAY_VALUE, JETTON_RENT,
    JETTON_TRANSFER_VALUE, MAX_DECIMALS, Units,
    channel::{self, ChannelStatus, DELAYS, Purpose, Voucher, VoucherError, VoucherSignatures, op},
    jetton::{self, JettonChannel, JettonData, Transfer},
};
use fog_protocol::{Address, EntryTree, Hash32, PublicKey, SecretKey, Signature};
use fog_wallet::{OutMessage, UnlockedWallet};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tycho_types::{
    cell::{Cell, CellSlice, HashBytes},
    dict::Dict,
    error::Error,
};

use crate::{PayError, call, pay::ANSWER};

/// Longest symbol that is shown.
const MAX_SYMBOL: usize = 16;

/// Whose a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parties {
    /// The task's contract.
    pub address: Address,
    /// Whose it is.
    pub requestor: Address,
    /// The node's wallet.
    pub node: Address,
    /// The worker, or that there is none.
    pub worker: String,
}

impl std::fmt::Display for Parties {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { address, requestor, node, worker } = self;
        write!(
            f,
            "{address} is not this wallet's: its requestor is {requestor}, its node {node}, its worker \
             {worker}"
        )
    }
}

/// Why something with a channel in a jetton did not work.
#[derive(Debug, thiserror::Error)]
pub enum JettonError {
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A get-method gave something else.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The wallet, or the contract that it called.
    #[error(transparent)]
    Pay(#[from] PayError),
    /// Cells.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A voucher that is worth nothing.
    #[error(transparent)]
    Voucher(#[from] VoucherError<Units>),
    /// Neither contract is there.
    #[error("{0} is no account and no earnings in a jetton of this program's code")]
    NotAChannel(Address),
    /// Something else is where the task's contract should be.
    #[error("{address} is no task of this program's code, it is {found}")]
    NotATask {
        /// Where it should be.
        address: Address,
        /// What is there.
        found: String,
    },
    /// Somebody else's task.
    #[error("{0}")]
    NotYours(Box<Parties>),
    /// Nothing is due before the end.
    #[error("the task has not ended: it is {0}, and shares are due at the end")]
    NotEnded(&'static str),
    /// Too late to take it back.
    #[error("the task is {0}: only one that nobody has been assigned to can be taken back")]
    NotOpen(&'static str),
    /// What was sent last may still come back.
    #[error(
        "its rent comes back a day after the last share was sent: again in {0} s of chain time"
    )]
    TooEarly(u64),
    /// No contract is there.
    #[error("no contract is at {0}")]
    Nothing(Address),
    /// No master of a jetton.
    #[error("{0} is no jetton's master")]
    NotAJetton(Address),
    /// The master says one thing to us and said another to the contract.
    #[error("the jetton's master names another wallet than the contract was told: leave it")]
    OtherWallet,
    /// The contract has not been told its wallet.
    #[error(
        "the contract does not know its jetton wallet yet, for its jetton's master has not answered: \
             `fog account open` asks again, a task is taken back with `fog task cancel`"
    )]
    NoWallet,
    /// Not enough of the jetton.
    #[error("the wallet has {has} of this jetton, and {wanted} are wanted")]
    TooFew {
        /// What is there.
        has: Units,
        /// What it would take.
        wanted: Units,
    },
    /// The jettons went in, and were not counted.
    #[error("the jettons are there but were not counted ({0}): they come back in the end by sweep")]
    NotCounted(String),
    /// The channel's own jetton wallet refused to send.
    #[error("the contract's jetton wallet threw it back: the amount is owed still, claim it later")]
    ThrownBack,
    /// The terms would be refused.
    #[error("{0}")]
    Terms(&'static str),
    /// A voucher says something else than one's own entries.
    #[error("the voucher is for {theirs} and other entries: one's own come to {ours}")]
    OtherEntries {
        /// What the voucher says.
        theirs: Units,
        /// Sum of one's own.
        ours: Units,
    },
    /// A key that signs for neither side.
    #[error("this key signs for neither the payer nor the payee there")]
    ForeignKey,
    /// One signature is not enough.
    #[error("the voucher still wants the {0}'s signature: `fog account sign`")]
    Unsigned(&'static str),
    /// Another network, contract or jetton.
    #[error("the voucher is for another {0}")]
    Elsewhere(&'static str),
}

/// A jetton, as its master tells of it on chain (TEP-64).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JettonInfo {
    /// The master.
    pub master: Address,
    /// Digits after the point; `None` where that is not told on chain.
    pub decimals: Option<u8>,
    /// Its short name, if that is told on chain.
    pub symbol: Option<String>,
}

/// Asks a master about its jetton.
///
/// # Errors
/// [`JettonError::NotAJetton`].
pub async fn read_jetton(chain: &ChainClient, master: &Address) -> Result<JettonInfo, JettonError> {
    let told = chain.run_get_method(master, "get_jetton_data", &[]).await?;
    if !told.is_ok() {
        return Err(JettonError::NotAJetton(*master));
    }
    let content = told.cell(3).map_err(|_| JettonError::NotAJetton(*master))?;
    let field = |name| content_field(content, name).ok().flatten();
    let decimals = field("decimals").and_then(|text| text.parse().ok());
    let symbol = field("symbol").filter(|text| {
        let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '$');
        text.len() <= MAX_SYMBOL && plain && !is_like_the_coin(text)
    });
    let decimals = decimals.filter(|decimals| *decimals <= MAX_DECIMALS);
    Ok(JettonInfo { master: *master, decimals, symbol })
}

/// Could it be read as GRAM's own name? A jetton's maker names it as it likes.
fn is_like_the_coin(symbol: &str) -> bool {
    let read = |c: char| match c.to_ascii_uppercase() {
        '0' => 'O',
        '4' => 'A',
        '6' => 'G',
        '7' => 'T',
        other => other,
    };
    let name: String = symbol.chars().filter(|c| *c != '$').map(read).collect();
    name.contains("GRAM") || name.starts_with("TON")
}

/// A field of on-chain content: a dictionary by the hash of the field's name.
fn content_field(content: &Cell, name: &str) -> Result<Option<String>, Error> {
    let mut slice = content.as_slice()?;
    if slice.load_u8()? != 0 {
        return Ok(None);
    }
    let root = if slice.load_bit()? { Some(slice.load_reference_cloned()?) } else { None };
    let fields = Dict::<HashBytes, CellSlice<'_>>::from_raw(root);
    let Some(mut value) = fields.get(HashBytes(Sha256::digest(name).into()))? else {
        return Ok(None);
    };
    if value.is_data_empty() && !value.is_refs_empty() {
        value = value.load_reference_as_slice()?;
    }
    // One cell of "snake" text: nothing that is asked for here is longer.
    if value.load_u8()? != 0 || !value.size_bits().is_multiple_of(8) {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::from(value.size_bits() / 8)];
    let bits = value.size_bits();
    value.load_raw(&mut bytes, bits)?;
    Ok(String::from_utf8(bytes).ok())
}

/// Whose wallet of this jetton is where, as the master says.
///
/// # Errors
/// [`JettonError::NotAJetton`].
pub async fn jetton_wallet(
    chain: &ChainClient,
    master: &Address,
    owner: &Address,
) -> Result<Address, JettonError> {
    let owner = StackEntry::try_from(*owner).map_err(|_| JettonError::NotAJetton(*master))?;
    let told = chain.run_get_method(master, "get_wallet_address", &[owner]).await?;
    if !told.is_ok() {
        return Err(JettonError::NotAJetton(*master));
    }
    told.address(0)?.ok_or(JettonError::NotAJetton(*master))
}

/// What is in a jetton wallet; nothing where none is deployed.
///
/// # Errors
/// [`JettonError::Chain`].
pub async fn jetton_balance(chain: &ChainClient, wallet: &Address) -> Result<Units, JettonError> {
    if !chain.account(wallet).await?.is_active() {
        return Ok(Units::ZERO);
    }
    let balance: u128 = chain.get(wallet, "get_wallet_data", &[]).await?.int(0)?;
    Units::new(balance).ok_or(JettonError::OtherWallet)
}

/// Is the contract at `address` a channel in a jetton?
///
/// # Errors
/// [`JettonError::Chain`].
pub async fn is_in_jetton(chain: &ChainClient, address: &Address) -> Result<bool, JettonError> {
    let hash = chain.account(address).await?.code_hash();
    Ok(Purpose::ALL.into_iter().any(|purpose| Some(purpose.jetton_code().hash) == hash))
}

/// What the channel in a jetton at `address` holds, whichever of the two it is.
///
/// # Errors
/// [`JettonError::NotAChannel`], [`JettonError::OtherWallet`].
pub async fn read_jetton_channel(
    chain: &ChainClient,
    address: &Address,
) -> Result<JettonData, JettonError> {
    let account = chain.account(address).await?;
    let hash = account.code_hash();
    let purpose = Purpose::ALL.into_iter().find(|p| Some(p.jetton_code().hash) == hash);
    let (Some(purpose), Some(data)) = (purpose, account.data) else {
        return Err(JettonError::NotAChannel(*address));
    };
    let data = JettonData::parse(purpose, &data)?;
    // The address is the hash of the terms: what is not at its own address is a fake.
    if data.channel().address()? != *address {
        return Err(JettonError::NotAChannel(*address));
    }
    if let Some(told) = data.wallet
        && jetton_wallet(chain, &data.master, address).await? != told
    {
        return Err(JettonError::OtherWallet);
    }
    Ok(data)
}

/// Opens `channel` and pays `amount` into it; one that is open is only paid into.
///
/// # Errors
/// [`JettonError`]; nothing is sent if the wallet has too little of the jetton.
pub async fn open_in_jetton(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    channel: &JettonChannel,
    amount: Units,
) -> Result<Address, JettonError> {
    check_terms(channel)?;
    read_jetton(chain, &channel.master).await?;
    own_wallet(chain, wallet, &channel.master, amount).await?;
    let address = channel.address()?;
    let account = chain.account(&address).await?;
    let known = account.is_active() && read_jetton_channel(chain, &address).await?.wallet.is_some();
    if !known {
        let message = OutMessage::new(address, JETTON_RENT)
            .with_state_init(channel.state_init()?)
            .with_body(jetton::ask(0)?);
        call(chain, wallet, &address, message).await?;
        let from = Some(channel.master);
        let answer = chain
            .wait_transaction(&address, account.last, ANSWER, |tx| {
                tx.in_msg.as_ref().is_some_and(|message| message.source == from)
            })
            .await?;
        if !answer.is_success() {
            return Err(JettonError::NotAJetton(channel.master));
        }
    }
    top_up_jetton(chain, wallet, &address, amount).await?;
    Ok(address)
}

/// The user's own wallet of a jetton, which has at least `amount`.
pub(crate) async fn own_wallet(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    master: &Address,
    amount: Units,
) -> Result<Address, JettonError> {
    let own = jetton_wallet(chain, master, &wallet.wallet.address()).await?;
    let has = jetton_balance(chain, &own).await?;
    if has < amount {
        return Err(JettonError::TooFew { has, wanted: amount });
    }
    Ok(own)
}

/// Sends `amount` from the user's own jetton wallet, and waits until the channel has counted it.
///
/// # Errors
/// [`JettonError`].
pub async fn top_up_jetton(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    address: &Address,
    amount: Units,
) -> Result<(), JettonError> {
    let since = chain.account(address).await?.last;
    let at = read_jetton_channel(chain, address).await?;
    let told = at.wallet.ok_or(JettonError::NoWallet)?;
    if at.core.status == ChannelStatus::Closed {
        return Err(JettonError::Terms("it is closed: open another"));
    }
    if amount == Units::ZERO {
        return Err(JettonError::Terms("nothing is nothing to pay in"));
    }
    let own = own_wallet(chain, wallet, &at.master, amount).await?;
    let response = wallet.wallet.address();
    let transfer = Transfer { amount, to: *address, response, forward: JETTON_FORWARD };
    let message = OutMessage::new(own, JETTON_TRANSFER_VALUE).with_body(transfer.body(0)?);
    call(chain, wallet, &own, message).await?;
    let counted = chain
        .wait_transaction(address, since, ANSWER, |tx| {
            tx.in_msg.as_ref().is_some_and(|message| {
                message.source == Some(told) && message.op() == Some(jetton::op::NOTIFICATION)
            })
        })
        .await?;
    if counted.is_success() {
        return Ok(());
    }
    let cause = fog_contracts::explain_exit(counted.exit_code.unwrap_or_default());
    Err(JettonError::NotCounted(cause))
}

/// What the contract would refuse when it is opened, said before anything is sent.
fn check_terms(channel: &JettonChannel) -> Result<(), JettonError> {
    let (none, terms) = (PublicKey(Hash32::default()), &channel.terms);
    if !DELAYS.contains(&terms.delay) {
        return Err(JettonError::Terms("the delay must be between 10 minutes and 30 days"));
    }
    if terms.cap == Units::ZERO {
        return Err(JettonError::Terms("the exposure cap must be above zero"));
    }
    if terms.payer_key == none || terms.payee_key == none {
        return Err(JettonError::Terms("a key of zeros is nobody's"));
    }
    Ok(())
}

/// Calls the channel. Where that makes it send jettons, waits until its wallet has done it.
async fn say(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    address: &Address,
    body: Cell,
    sends: Option<Address>,
) -> Result<(), JettonError> {
    if let Some(jettons) = sends {
        return have_sent(chain, wallet, address, &jettons, body).await;
    }
    let message = OutMessage::new(*address, JETTON_CREDIT_VALUE).with_body(body);
    call(chain, wallet, address, message).await?;
    Ok(())
}

/// Tells a contract to send jettons, and waits until its wallet, `jettons`, has.
pub(crate) async fn have_sent(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    contract: &Address,
    jettons: &Address,
    body: Cell,
) -> Result<(), JettonError> {
    let since = chain.account(jettons).await?.last;
    let message = OutMessage::new(*contract, JETTON_PAY_VALUE).with_body(body);
    call(chain, wallet, contract, message).await?;
    let done = chain
        .wait_transaction(jettons, since, ANSWER, |tx| {
            tx.in_msg.as_ref().is_some_and(|message| message.source == Some(*contract))
        })
        .await?;
    if done.is_success() { Ok(()) } else { Err(JettonError::ThrownBack) }
}

/// Redeems a voucher that both have signed; returns what it paid. The payee is sent it, and what was
/// owed besides; by anybody else's word it is owed.
///
/// # Errors
/// [`JettonError`]: nothing is sent if the contract would refuse it.
pub async fn settle_in_jetton(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    file: &JettonVoucherFile,
) -> Result<Units, JettonError> {
    if file.network != chain.config().network_id {
        return Err(JettonError::Elsewhere("network"));
    }
    let at = read_jetton_channel(chain, &file.channel).await?;
    if file.jetton != at.master {
        return Err(JettonError::Elsewhere("jetton"));
    }
    let signed = file.signatures()?;
    let voucher = file.voucher();
    let amount = at.check(file.network, &voucher, &signed, chain.chain_time().await?)?;
    let payee = wallet.wallet.address() == at.core.channel.payee;
    let body = channel::redeem(0, &voucher, &signed)?;
    say(chain, wallet, &file.channel, body, at.wallet.filter(|_| payee)).await?;
    Ok(amount)
}

/// Sends [`op::CLOSE`], [`op::LEAVE`] or [`op::FINISH`].
///
/// # Errors
/// [`JettonError`].
pub async fn end_in_jetton(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    address: &Address,
    word: u32,
) -> Result<(), JettonError> {
    let at = read_jetton_channel(chain, address).await?;
    let payer = wallet.wallet.address() == at.core.channel.payer;
    let left = at.core.balance > Units::ZERO;
    let pays = left && payer && matches!(word, op::FINISH | op::LEAVE);
    say(chain, wallet, address, channel::plain(word, 0)?, at.wallet.filter(|_| pays)).await
}

/// Has the channel send what it owes to this wallet, to `to`; returns how much that is.
///
/// # Errors
/// [`JettonError::Terms`] if it owes nothing.
pub async fn claim_jettons(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    address: &Address,
    to: &Address,
) -> Result<Units, JettonError> {
    let at = read_jetton_channel(chain, address).await?;
    let own = wallet.wallet.address();
    let terms = &at.core.channel;
    let due = match (own == terms.payee, own == terms.payer) {
        (true, _) if at.due_payee > Units::ZERO => at.due_payee,
        (_, true) => at.due_payer,
        (true, false) => Units::ZERO,
        (false, false) => return Err(JettonError::Terms("this wallet is neither of its two")),
    };
    if due == Units::ZERO {
        return Err(JettonError::Terms("nothing is owed to this wallet there"));
    }
    say(chain, wallet, address, jetton::claim(0, to)?, at.wallet).await?;
    Ok(due)
}

/// Has a closed channel send its payer what came there and was never counted; returns how much.
///
/// # Errors
/// [`JettonError::Terms`] if there is nothing.
pub async fn sweep_jettons(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    address: &Address,
) -> Result<Units, JettonError> {
    let at = read_jetton_channel(chain, address).await?;
    let told = at.wallet.ok_or(JettonError::NoWallet)?;
    let left = jetton_balance(chain, &told).await?;
    if left == Units::ZERO {
        return Err(JettonError::Terms("there is nothing left"));
    }
    say(chain, wallet, address, jetton::sweep(0, left)?, at.wallet).await?;
    Ok(left)
}

/// Makes `key` sign for the payee from now on; `wallet` is the payee's.
///
/// # Errors
/// [`JettonError`].
pub async fn set_jetton_key(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    address: &Address,
    key: &PublicKey,
) -> Result<(), JettonError> {
    say(chain, wallet, address, channel::set_key(0, key)?, None).await
}

/// A voucher in a jetton as it travels between the two sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JettonVoucherFile {
    /// TON global id.
    pub network: i32,
    /// The contract.
    pub channel: Address,
    /// The jetton's master.
    pub jetton: Address,
    /// Everything owed since it began, in the jetton's smallest units.
    pub total_units: Units,
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

impl JettonVoucherFile {
    /// An unsigned voucher for these entries, whose amounts count the jetton's smallest units.
    ///
    /// # Errors
    /// [`JettonError::Contract`].
    pub fn of(
        network: i32,
        at: &JettonData,
        entries: &EntryTree,
        valid_until: u32,
    ) -> Result<Self, JettonError> {
        Ok(Self {
            network,
            channel: at.channel().address()?,
            jetton: at.master,
            total_units: Units::of_entries(entries.total()),
            count: entries.len(),
            root: entries.root(),
            valid_until,
            payer: None,
            payee: None,
        })
    }

    /// What is signed.
    #[must_use]
    pub const fn voucher(&self) -> Voucher<Units> {
        let Self { total_units: total, count, root, valid_until, .. } = *self;
        Voucher { total, count, root, valid_until }
    }

    /// Does it say what one's own entries say?
    ///
    /// # Errors
    /// [`JettonError::OtherEntries`].
    pub fn matches(&self, entries: &EntryTree) -> Result<(), JettonError> {
        let ours = Units::of_entries(entries.total());
        let same = self.root == entries.root() && self.count == entries.len();
        if same && self.total_units == ours {
            return Ok(());
        }
        Err(JettonError::OtherEntries { theirs: self.total_units, ours })
    }

    /// Signs for the side that `key` is of, if what it says would be redeemed at `now`.
    ///
    /// # Errors
    /// [`JettonError`].
    pub fn sign(
        &mut self,
        network: i32,
        at: &JettonData,
        key: &SecretKey,
        now: u32,
    ) -> Result<(), JettonError> {
        if self.network != network {
            return Err(JettonError::Elsewhere("network"));
        }
        if self.channel != at.channel().address()? {
            return Err(JettonError::Elsewhere("contract"));
        }
        if self.jetton != at.master {
            return Err(JettonError::Elsewhere("jetton"));
        }
        let voucher = self.voucher();
        at.core.check_terms(&voucher, now)?;
        let signature = voucher.sign_in(self.network, &at.channel(), key)?;
        let (payer, payee) =
            (key.public() == at.core.channel.payer_key, key.public() == at.core.payee_key);
        if !payer && !payee {
            return Err(JettonError::ForeignKey);
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
    /// [`JettonError::Unsigned`].
    pub fn signatures(&self) -> Result<VoucherSignatures, JettonError> {
        Ok(VoucherSignatures {
            payer: self.payer.ok_or(JettonError::Unsigned("payer"))?,
            payee: self.payee.ok_or(JettonError::Unsigned("payee"))?,
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use fog_contracts::channel::Channel;
    use fog_protocol::{Entry, EntryVerdict, Nano, TaskId};
    use proptest::prelude::*;
    use tycho_types::cell::CellBuilder;

    use super::*;

    const NETWORK: i32 = -3;
    const NOW: u32 = 1_800_000_000;

    fn keys() -> [SecretKey; 2] {
        [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]))
    }

    fn channel() -> JettonData {
        let [payer, payee] = keys();
        let terms = Channel {
            purpose: Purpose::Account,
            payer: Address::basechain([1; 32]),
            payee: Address::basechain([2; 32]),
            payer_key: payer.public(),
            payee_key: payee.public(),
            cap: Units::new(5_000_000).unwrap(),
            delay: 600,
            series: 0,
        };
        let channel = JettonChannel { terms, master: Address::basechain([3; 32]) };
        let mut data = JettonData::fresh(&channel);
        data.core.balance = Units::new(8_000_000).unwrap();
        data
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

    fn file(amount: u64) -> JettonVoucherFile {
        JettonVoucherFile::of(NETWORK, &channel(), &entries(amount), NOW + 3600).unwrap()
    }

    #[test]
    fn no_jetton_is_shown_as_the_coin() {
        for name in ["GRAM", "gram", "$GRAM", "6r4m", "GRAMs", "nanogram", "TON", "Toncoin", "7on"]
        {
            assert!(is_like_the_coin(name), "{name}");
        }
        for name in ["USDT", "STON", "tsTON", "NOT", "TST"] {
            assert!(!is_like_the_coin(name), "{name}");
        }
    }

    #[test]
    fn both_sign_what_both_know_and_the_contract_would_take_it() {
        let (at, [payer, payee]) = (channel(), keys());
        let mut voucher = file(1000);
        voucher.sign(NETWORK, &at, &payer, NOW).unwrap();
        assert!(matches!(voucher.signatures(), Err(JettonError::Unsigned("payee"))));
        let text = serde_json::to_string(&voucher).unwrap();
        assert!(text.contains(r#""total_units":"1000""#), "{text}");
        let mut read: JettonVoucherFile = serde_json::from_str(&text).unwrap();
        read.matches(&entries(1000)).unwrap();
        assert!(matches!(read.matches(&entries(999)), Err(JettonError::OtherEntries { .. })));
        read.sign(NETWORK, &at, &payee, NOW).unwrap();
        let signed = read.signatures().unwrap();
        assert_eq!(at.check(NETWORK, &read.voucher(), &signed, NOW).unwrap().get(), 1000);
    }

    #[test]
    fn nothing_is_signed_that_would_be_worth_nothing() {
        let (at, [payer, _]) = (channel(), keys());
        let stranger = SecretKey::from_seed(&[9; 32]);
        let refused = |mut voucher: JettonVoucherFile, network, key: &SecretKey, now| {
            let before = voucher.clone();
            assert!(voucher.sign(network, &at, key, now).is_err());
            assert_eq!(voucher, before);
        };
        refused(file(1000), -239, &payer, NOW);
        refused(file(1000), NETWORK, &stranger, NOW);
        refused(file(1000), NETWORK, &payer, NOW + 3601);
        refused(file(0), NETWORK, &payer, NOW);
        refused(file(5_000_001), NETWORK, &payer, NOW);
        refused(file(8_000_001), NETWORK, &payer, NOW);
        let other = Address::basechain([8; 32]);
        refused(JettonVoucherFile { channel: other, ..file(1000) }, NETWORK, &payer, NOW);
        refused(JettonVoucherFile { jetton: other, ..file(1000) }, NETWORK, &payer, NOW);
    }

    /// On-chain content with one field.
    fn content(name: &str, text: &[u8]) -> Cell {
        let mut value = CellBuilder::new();
        value.store_u8(0).unwrap();
        value.store_raw(text, (text.len() * 8) as u16).unwrap();
        let mut dict = Dict::<HashBytes, Cell>::new();
        dict.set(HashBytes(Sha256::digest(name).into()), value.build().unwrap()).unwrap();
        let mut content = CellBuilder::new();
        content.store_u8(0).unwrap();
        content.store_bit_one().unwrap();
        content.store_reference(dict.into_root().unwrap()).unwrap();
        content.build().unwrap()
    }

    #[test]
    fn decimals_are_read_from_on_chain_content() {
        let cell = content("decimals", b"6");
        assert_eq!(content_field(&cell, "decimals"), Ok(Some("6".to_owned())));
        assert_eq!(content_field(&cell, "symbol"), Ok(None));
        let mut elsewhere = CellBuilder::new();
        elsewhere.store_u8(1).unwrap();
        assert_eq!(content_field(&elsewhere.build().unwrap(), "decimals"), Ok(None));
        assert!(content_field(&Cell::default(), "decimals").is_err());
    }

    proptest! {
        #[test]
        fn any_voucher_text_is_read_or_refused(text in "\\PC{0,200}", cut in 0usize..600) {
            let _ = serde_json::from_str::<JettonVoucherFile>(&text);
            let whole = serde_json::to_string(&file(1000)).unwrap();
            let cut = cut % whole.len();
            prop_assert!(serde_json::from_str::<JettonVoucherFile>(&whole[..cut]).is_err());
        }

        #[test]
        fn any_content_is_read_or_refused(
            text in prop::collection::vec(any::<u8>(), 0..100),
            bits in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let read = content_field(&content("symbol", &text), "symbol").unwrap();
            prop_assert_eq!(read, String::from_utf8(text).ok());
            let mut any = CellBuilder::new();
            any.store_raw(&bits, (bits.len() * 8) as u16).unwrap();
            any.store_reference(content("symbol", b"x")).unwrap();
            let _ = content_field(&any.build().unwrap(), "symbol");
        }
    }
}
