//! A task that is paid in a jetton: beginning it, paying its jettons in, claiming what one is due, and
//! leaving nothing behind.

use fog_chain::ChainClient;
use fog_contracts::{
    COMMIT_VALUE, JETTON_FORWARD, JETTON_TASK_VALUE, JETTON_TRANSFER_VALUE, Units,
    jetton::{self, Transfer},
    jetton_task::{self, JettonTask, JettonTaskData, Share, Shares},
    jetton_task_code,
};
use fog_protocol::{Address, Listing};
use fog_wallet::{OutMessage, UnlockedWallet};

use crate::{
    JettonError, call,
    jetton::{have_sent, jetton_balance, own_wallet, read_jetton},
    jetton_wallet,
    pay::ANSWER,
};

/// What a task in a jetton holds; `None` if nothing was sent to it yet.
///
/// # Errors
/// [`JettonError::NotATask`] if something else is at its address, [`JettonError::OtherWallet`].
pub async fn read_jetton_task(
    chain: &ChainClient,
    listing: &Listing,
) -> Result<Option<JettonTaskData>, JettonError> {
    let task = of(listing)?;
    let address = task.address()?;
    let account = chain.account(&address).await?;
    let Some(data) = &account.data else { return Ok(None) };
    let data = JettonTaskData::parse(data)?;
    // An ended task's tombstone has another code.
    let ours = account.code_hash() == Some(jetton_task_code().hash) || data.money.is_none();
    if !ours || data.task.init != task.task {
        return Err(JettonError::NotATask(address));
    }
    if let Some(told) = data.money.and_then(|money| money.wallet)
        && jetton_wallet(chain, &task.jetton.master, &address).await? != told
    {
        return Err(JettonError::OtherWallet);
    }
    Ok(Some(data))
}

fn of(listing: &Listing) -> Result<JettonTask, JettonError> {
    JettonTask::of(listing)?.ok_or(JettonError::Terms("this task is not paid in a jetton"))
}

/// Begins the task of a posted listing, and pays its whole price in from the user's own jetton wallet.
/// What was done before is not done again.
///
/// # Errors
/// [`JettonError`]; nothing is sent if the wallet has too little of the jetton.
pub async fn fund_in_jetton(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    listing: &Listing,
) -> Result<(), JettonError> {
    let task = of(listing)?;
    let (address, master) = (task.address()?, task.jetton.master);
    read_jetton(chain, &master).await?;
    let own = own_wallet(chain, wallet, &master, task.jetton.units).await?;
    let before = read_jetton_task(chain, listing).await?;
    if !before.is_some_and(|data| data.takes_jettons()) {
        let since = chain.account(&address).await?.last;
        let message = OutMessage::new(address, JETTON_TASK_VALUE)
            .with_state_init(task.state_init()?)
            .with_body(jetton_task::begin(0, &task.jetton)?);
        call(chain, wallet, &address, message).await?;
        let answer = chain
            .wait_transaction(&address, since, ANSWER, |tx| {
                tx.in_msg.as_ref().is_some_and(|message| message.source == Some(master))
            })
            .await?;
        if !answer.is_success() {
            return Err(JettonError::NotAJetton(master));
        }
    }
    let data = read_jetton_task(chain, listing).await?;
    let told = data.and_then(|data| data.money).and_then(|money| money.wallet);
    let told = told.ok_or(JettonError::NoWallet)?;
    let since = chain.account(&address).await?.last;
    let transfer = Transfer {
        amount: task.jetton.units,
        to: address,
        response: wallet.wallet.address(),
        forward: JETTON_FORWARD,
    };
    let message = OutMessage::new(own, JETTON_TRANSFER_VALUE).with_body(transfer.body(0)?);
    call(chain, wallet, &own, message).await?;
    let counted = chain
        .wait_transaction(&address, since, ANSWER, |tx| {
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

/// Has the task send each share that is this wallet's, to `to`; a requestor's word also sends the
/// treasury its own, which holds up the rent. Returns what that was.
///
/// # Errors
/// [`JettonError::Terms`] if nothing is due to it.
pub async fn claim_shares(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    listing: &Listing,
    to: &Address,
) -> Result<Vec<(Share, Units)>, JettonError> {
    let task = of(listing)?;
    let (address, own) = (task.address()?, wallet.wallet.address());
    let nothing = JettonError::Terms("nothing is due to this wallet there");
    let Some(data) = read_jetton_task(chain, listing).await? else { return Err(nothing) };
    let Some(money) = data.money else { return Err(nothing) };
    let told = money.wallet.ok_or(JettonError::NoWallet)?;
    let requestor = task.task.requestor;
    let mut sent = Vec::new();
    for (share, owner) in [
        (Share::Requestor, Some(requestor)),
        (Share::Worker, data.task.work.map(|work| work.owner)),
        (Share::Node, Some(task.task.operator)),
        (Share::Treasury, data.task.settings.as_ref().map(|settings| settings.treasury)),
    ] {
        let (due, Some(owner)) = (money.dues.of(share), owner) else { continue };
        let may = owner == own || (share == Share::Treasury && requestor == own);
        if due == Units::ZERO || !may {
            continue;
        }
        let to = if owner == own { to } else { &owner };
        let body = jetton_task::claim_share(0, share, to)?;
        have_sent(chain, wallet, &address, &told, body).await?;
        sent.push((share, due));
    }
    if sent.is_empty() { Err(nothing) } else { Ok(sent) }
}

/// Leaves the tombstone of a task that is over for everybody: its rent comes back to the requestor, and
/// before that what lies there and was never counted, which is returned.
///
/// # Errors
/// [`JettonError`]: who has to claim first, or that it is too early.
pub async fn bury_task(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    listing: &Listing,
) -> Result<Units, JettonError> {
    let task = of(listing)?;
    let address = task.address()?;
    let wrong = |reason| Err(JettonError::Terms(reason));
    if task.task.requestor != wallet.wallet.address() {
        return wrong("a task's rent is its requestor's: only that wallet can close it");
    }
    let data = read_jetton_task(chain, listing).await?;
    let Some(money) = data.and_then(|data| data.money) else {
        return wrong("no rent lies there");
    };
    let Shares { requestor, worker, treasury, node } = money.dues;
    if requestor > Units::ZERO || treasury > Units::ZERO {
        return wrong("this wallet or the treasury is due something there: `fog task claim` first");
    }
    if worker > Units::ZERO || node > Units::ZERO {
        return wrong(
            "its worker or node has not claimed its share there: a year after the end anybody can \
             send it to them",
        );
    }
    let mut swept = Units::ZERO;
    if let Some(told) = money.wallet {
        swept = jetton_balance(chain, &told).await?;
        if swept > Units::ZERO {
            have_sent(chain, wallet, &address, &told, jetton_task::sweep(0, swept)?).await?;
        }
    }
    let message = OutMessage::new(address, COMMIT_VALUE).with_body(jetton_task::bury(0)?);
    call(chain, wallet, &address, message).await?;
    Ok(swept)
}
