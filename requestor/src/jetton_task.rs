//! A task that is paid in a jetton: beginning it, paying its jettons in, claiming what one is due, and
//! leaving nothing behind.

use fog_chain::ChainClient;
use fog_contracts::{
    COMMIT_VALUE, JETTON_FORWARD, JETTON_TASK_VALUE, JETTON_TRANSFER_VALUE, Units,
    jetton::{self, Transfer},
    jetton_task::{self, JettonTask, JettonTaskData, SETTLING_TIME, Share, Shares},
};
use fog_protocol::{Address, Listing, TaskId};
use fog_wallet::{OutMessage, UnlockedWallet};

use crate::{
    JettonError, call,
    escrow::{read_escrow, state_name},
    jetton::{have_sent, jetton_balance, own_wallet, read_jetton},
    pay::ANSWER,
};

/// What the task of a listing in a jetton holds; `None` if nothing was sent to it yet.
///
/// # Errors
/// [`JettonError::NotATask`] if something else is at its address, [`JettonError::OtherWallet`].
pub async fn read_jetton_task(
    chain: &ChainClient,
    listing: &Listing,
) -> Result<Option<JettonTaskData>, JettonError> {
    let address = of(listing)?.address()?;
    match read_escrow(chain, &address).await {
        Ok(escrow) => Ok(Some(escrow.data)),
        Err(JettonError::Nothing(_)) => Ok(None),
        Err(error) => Err(error),
    }
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

/// What was sent where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The task.
    pub task: TaskId,
    /// The jetton's master.
    pub master: Address,
    /// Each share, and how much it was.
    pub shares: Vec<(Share, Units)>,
}

/// Has the task in a jetton at `address` send each share that is this wallet's, to `to`. A requestor's
/// word also sends the treasury its own, which holds up the rent, and a year after the end everybody's,
/// each to its owner.
///
/// # Errors
/// [`JettonError::NotYours`], [`JettonError::NotEnded`]; [`JettonError::Terms`] if nothing is due to it.
pub async fn claim_shares(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    address: &Address,
    to: &Address,
) -> Result<Claimed, JettonError> {
    let escrow = read_escrow(chain, address).await?;
    let Some(money) = escrow.in_jetton()? else {
        return Err(JettonError::Terms(
            "nothing is due to anybody there: it was closed, or never begun",
        ));
    };
    let (task, own, owners) = (&escrow.data.task, wallet.wallet.address(), escrow.owners());
    if !owners.iter().any(|(_, owner)| *owner == own) {
        return Err(escrow.not_yours());
    }
    let is_requestor = task.init.requestor == own;
    let late = task.state.is_end() && chain.chain_time().await? > task.deadline;
    let mut shares = Vec::new();
    for (share, owner) in owners {
        let due = money.dues.of(share);
        let may = owner == own || (is_requestor && (share == Share::Treasury || late));
        if due == Units::ZERO || !may {
            continue;
        }
        let told = money.wallet.ok_or(JettonError::NoWallet)?;
        let to = if owner == own { to } else { &owner };
        let body = jetton_task::claim_share(0, share, to)?;
        have_sent(chain, wallet, address, &told, body).await?;
        shares.push((share, due));
    }
    if !shares.is_empty() {
        return Ok(Claimed { task: TaskId(task.init.terms.id), master: money.master, shares });
    }
    Err(match task.state {
        state if state.is_end() => JettonError::Terms("nothing is due to this wallet there"),
        state => JettonError::NotEnded(state_name(state)),
    })
}

/// Leaves the tombstone of the task in a jetton at `address`, which is over for everybody: its rent comes
/// back to the requestor, and before that what lies there and was never counted, which is returned.
///
/// # Errors
/// [`JettonError`]: who has to claim first, or that it is too early.
pub async fn bury_task(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    address: &Address,
) -> Result<Units, JettonError> {
    let escrow = read_escrow(chain, address).await?;
    let wrong = |reason| Err(JettonError::Terms(reason));
    let task = &escrow.data.task;
    if task.init.requestor != wallet.wallet.address() {
        return wrong("a task's rent is its requestor's: only that wallet can close it");
    }
    let Some(money) = escrow.in_jetton()? else { return wrong("no rent lies there") };
    if !task.state.is_end() {
        return Err(JettonError::NotEnded(state_name(task.state)));
    }
    let Shares { requestor, worker, treasury, node } = money.dues;
    if requestor > Units::ZERO || treasury > Units::ZERO {
        return wrong("this wallet or the treasury is due something there: `fog task claim` first");
    }
    if worker > Units::ZERO || node > Units::ZERO {
        return wrong(
            "its worker or node has not claimed its share there: a year after the end `fog task claim` \
             sends it to them",
        );
    }
    let now = u64::from(chain.chain_time().await?);
    let settled = u64::from(money.sent_at) + u64::from(SETTLING_TIME);
    if now < settled {
        return Err(JettonError::TooEarly(settled - now));
    }
    let mut swept = Units::ZERO;
    if let Some(told) = money.wallet {
        swept = jetton_balance(chain, &told).await?;
        if swept > Units::ZERO {
            have_sent(chain, wallet, address, &told, jetton_task::sweep(0, swept)?).await?;
        }
    }
    let message = OutMessage::new(*address, COMMIT_VALUE).with_body(jetton_task::bury(0)?);
    call(chain, wallet, address, message).await?;
    Ok(swept)
}
