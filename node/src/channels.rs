//! Accounts and earnings on chain: what they hold, and the messages the node sends them.

use std::{sync::PoisonError, time::Duration};

use fog_chain::{AccountInfo, ChainError, Cursor};
use fog_contracts::{
    CHANNEL_RENT, REDEEM_VALUE,
    channel::{self, Channel, ChannelData, Purpose},
    jetton_account_code,
    rail::{signatures_of, voucher_of},
};
use fog_protocol::{Address, Listing, Signed, VoucherFile};
use fog_wallet::OutMessage;

use crate::{
    chain_port::PortError,
    denied::{Denied, Why},
    shared::Shared,
    store::TopUp,
};

/// Accounts whose last final transaction is remembered; beyond that all are looked at again.
const REMEMBERED: usize = 10_000;
/// Pause between two looks at an account that moved a moment ago.
const LOOK: Duration = Duration::from_millis(500);

/// What an account's data say, if it is one of these contracts at its own address.
pub(crate) fn data_of(account: &AccountInfo) -> Option<ChannelData> {
    let hash = account.code_hash();
    let purpose = Purpose::ALL.into_iter().find(|purpose| Some(purpose.code().hash) == hash)?;
    let data = ChannelData::parse(purpose, account.data.as_ref()?).ok()?;
    // The address is the hash of the terms: what is not at its own address is a fake.
    (data.channel.address().ok()? == account.address).then_some(data)
}

/// The account that pays for `listing`, final and fit for it.
pub(crate) async fn account_of(
    shared: &Shared,
    signed: &Signed<Listing>,
    address: Address,
) -> Result<ChannelData, Denied> {
    let listing = &signed.value;
    let invalid = |code: &str, message: String| Denied::new(Why::Invalid, code, message);
    let account = final_account(shared, &address).await.map_err(|error| {
        tracing::warn!(%address, %error, "an account could not be read");
        Denied::new(Why::Unavailable, "chain_unreachable", "the account cannot be read now")
    })?;
    let (operator, key) = (shared.operator, shared.operator_key);
    if account.code_hash() == Some(jetton_account_code().hash) {
        let message = format!("{address} holds a jetton: tasks are paid in GRAM");
        return Err(invalid("jetton_account", message));
    }
    let at = data_of(&account).filter(|at| at.channel.purpose == Purpose::Account);
    let at = at.ok_or_else(|| {
        let message = format!(
            "there is no account at {address}: `fog account open AMOUNT --cap CAP` opens one at \
             this node"
        );
        Denied::new(Why::Payment, "no_account", message)
    })?;
    if at.channel.payee != operator {
        let payee = at.channel.payee;
        let message = format!("{address} pays {payee}, not this node, which is {operator}");
        return Err(invalid("foreign_account", message));
    }
    if (at.channel.payer, at.channel.payer_key) != (listing.requestor, listing.requestor_key) {
        let message = format!(
            "{address} is {}'s: only its own key may spend from it, as the listing's requestor",
            at.channel.payer
        );
        return Err(Denied::new(Why::Forbidden, "not_payer", message));
    }
    if at.payee_key != key {
        let message = format!(
            "{address} wants vouchers signed by {}, this node signs with {key}: open one with it",
            at.payee_key
        );
        return Err(invalid("foreign_key", message));
    }
    Ok(at)
}

/// The account once its last transaction lies as deep as it has to.
async fn final_account(shared: &Shared, address: &Address) -> Result<AccountInfo, ChainError> {
    let client = shared.chain.client();
    let confirmations = client.config().confirmations;
    let mut since: Option<(Option<Cursor>, u32)> = None;
    let patience = Duration::from_secs(shared.config.limits.request_seconds / 2);
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        let account = shared.chain.agreed_account(address).await?;
        let known = || {
            let known = shared.final_accounts.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(address).copied()
        };
        if confirmations == 0 || account.last.is_some() && account.last == known() {
            return Ok(account);
        }
        let tip = client.masterchain_info().await?.seqno;
        let first = match since {
            Some((last, first)) if last == account.last => first,
            Some(_) | None => tip,
        };
        since = Some((account.last, first));
        if first.saturating_add(confirmations) <= tip {
            let mut known = shared.final_accounts.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= REMEMBERED {
                known.clear();
            }
            if let Some(last) = account.last {
                known.insert(*address, last);
            }
            return Ok(account);
        }
        if tokio::time::Instant::now() >= deadline {
            let what = format!("{address} moved a moment ago and is not final yet");
            return Err(ChainError::Stale { what });
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The message that redeems a voucher.
pub(crate) fn redemption(voucher: &VoucherFile, query: u64) -> Result<OutMessage, PortError> {
    let body = channel::redeem(query, &voucher_of(voucher), &signatures_of(voucher)?)?;
    Ok(OutMessage::new(voucher.channel, REDEEM_VALUE).with_body(body))
}

/// The earnings that a payment is for.
pub(crate) const fn earnings(top_up: &TopUp) -> Channel {
    Channel {
        purpose: Purpose::Earnings,
        payer: top_up.node,
        payee: top_up.worker,
        payer_key: top_up.node_key,
        payee_key: top_up.worker_key,
        cap: top_up.cap,
        delay: top_up.delay,
        series: top_up.series,
    }
}

/// The message that pays into earnings, deploying them if they are not there.
pub(crate) fn payment(top_up: &TopUp, query: u64) -> Result<OutMessage, PortError> {
    let terms = earnings(top_up);
    let body = channel::top_up(query, top_up.amount)?;
    Ok(OutMessage::new(terms.address()?, top_up.amount.saturating_add(CHANNEL_RENT))
        .with_state_init(terms.state_init()?)
        .with_body(body))
}
