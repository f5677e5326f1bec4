//! A task's contract by its address alone: what it is, whose, and how it stands. No node is asked; that
//! the contract is this program's follows from its code and from where it lies.

use fog_chain::ChainClient;
use fog_contracts::{
    END_VALUE, Kind, TaskState,
    jetton_task::{JettonMoney, JettonTaskData, Share},
    task,
};
use fog_protocol::{Address, TaskId};
use fog_wallet::{OutMessage, UnlockedWallet};

use crate::{JettonError, Parties, call, jetton_wallet};

/// A task's contract, as the chain has it.
#[derive(Debug, Clone)]
pub(crate) struct Escrow {
    address: Address,
    kind: Kind,
    /// What it holds; money only if it is paid in a jetton.
    pub(crate) data: JettonTaskData,
}

/// Reads the task's contract at `address`, in whatever it is paid, ended or not.
///
/// # Errors
/// [`JettonError::NotATask`], [`JettonError::Nothing`], [`JettonError::OtherWallet`].
pub(crate) async fn read_escrow(
    chain: &ChainClient,
    address: &Address,
) -> Result<Escrow, JettonError> {
    let address = *address;
    let account = chain.account(&address).await?;
    let (Some(hash), Some(data)) = (account.code_hash(), &account.data) else {
        return Err(JettonError::Nothing(address));
    };
    let other = |found: String| JettonError::NotATask { address, found };
    let kind = Kind::of(&hash).ok_or_else(|| other(format!("code {hash}")))?;
    if !matches!(kind, Kind::Task | Kind::JettonTask | Kind::Tombstone) {
        return Err(other(format!("this program's `{}`", kind.name())));
    }
    let data = JettonTaskData::parse(data)?;
    // The address is the hash of code and terms: what is not at its own address is a fake. A tombstone
    // has another code than it had when it was deployed.
    let (in_gram, in_jetton) = (data.task.init.address()?, data.address()?);
    let home = match kind {
        Kind::Task => in_gram == address,
        Kind::JettonTask => in_jetton == address,
        _ => in_gram == address || in_jetton == address,
    };
    if !home {
        return Err(other("something that only looks like one".to_owned()));
    }
    if let Some(money) = data.money
        && let Some(told) = money.wallet
        && jetton_wallet(chain, &money.master, &address).await? != told
    {
        return Err(JettonError::OtherWallet);
    }
    Ok(Escrow { address, kind, data })
}

impl Escrow {
    /// The jettons of a task that is paid in one; `None` before it began, and in its tombstone.
    pub(crate) const fn in_jetton(&self) -> Result<Option<JettonMoney>, JettonError> {
        match self.kind {
            Kind::Task => Err(JettonError::Terms(
                "this task is paid in GRAM: a worker's pay comes to its stake by itself, and the \
                 contract gives everything else back when it ends",
            )),
            _ => Ok(self.data.money),
        }
    }

    /// Whose shares it holds, as far as that is known.
    pub(crate) fn owners(&self) -> Vec<(Share, Address)> {
        let task = &self.data.task;
        [
            (Share::Requestor, Some(task.init.requestor)),
            (Share::Worker, task.work.map(|work| work.owner)),
            (Share::Node, Some(task.init.operator)),
            (Share::Treasury, task.settings.as_ref().map(|settings| settings.treasury)),
        ]
        .into_iter()
        .filter_map(|(share, owner)| Some((share, owner?)))
        .collect()
    }

    /// Somebody else wants something of it.
    pub(crate) fn not_yours(&self) -> JettonError {
        let (address, task) = (self.address, &self.data.task);
        let worker = task.work.map_or_else(|| "none".to_owned(), |work| work.owner.to_string());
        let (requestor, node) = (task.init.requestor, task.init.operator);
        JettonError::NotYours(Box::new(Parties { address, requestor, node, worker }))
    }
}

/// A state's name, for people.
pub(crate) const fn state_name(state: TaskState) -> &'static str {
    match state {
        TaskState::Created => "not paid in whole",
        TaskState::Registering => "registering",
        TaskState::Open => "open",
        TaskState::Reserving => "being assigned",
        TaskState::Assigned => "assigned",
        TaskState::Committed => "committed",
        TaskState::Accepted => "accepted",
        TaskState::Rejected => "rejected",
        TaskState::Settling => "being paid",
        TaskState::Slashing => "being slashed",
        TaskState::Releasing => "being refunded",
        TaskState::Penalising => "being refunded for lateness",
        TaskState::Paid => "paid",
        TaskState::Slashed => "slashed",
        TaskState::Refunded => "refunded",
        TaskState::Late => "refunded for lateness",
        TaskState::Disputed => "disputed",
    }
}

/// Takes back the task at `address`, to which nobody has been assigned; one in a jetton also before its
/// jettons have come. Gives its id.
///
/// # Errors
/// [`JettonError::NotYours`], [`JettonError::NotOpen`]; [`JettonError::NotATask`] and
/// [`JettonError::Nothing`] if there is none.
pub async fn cancel_task(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    address: &Address,
) -> Result<TaskId, JettonError> {
    let escrow = read_escrow(chain, address).await?;
    let task = &escrow.data.task;
    if task.init.requestor != wallet.wallet.address() {
        return Err(escrow.not_yours());
    }
    let begun = task.state == TaskState::Created && escrow.data.money.is_some();
    if task.state != TaskState::Open && !begun {
        return Err(JettonError::NotOpen(state_name(task.state)));
    }
    let message = OutMessage::new(*address, END_VALUE).with_body(task::cancel(0)?);
    call(chain, wallet, address, message).await?;
    Ok(TaskId(task.init.terms.id))
}
