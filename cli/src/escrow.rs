//! What is done with a task's contract: `fog task claim`, `close` and `cancel`. The contract says what this
//! wallet may do; a node is asked only where a task is named by its id, for its address.

use std::process::ExitCode;

use anyhow::bail;
use fog_chain::ChainClient;
use fog_contracts::{Units, rail::place_of};
use fog_protocol::{Address, TaskId, TaskStatus};
use fog_requestor::{Requestor, bury_task, cancel_task, claim_shares};
use fog_wallet::UnlockedWallet;
use serde::Serialize;

use crate::{
    args::TaskOnChain,
    chain,
    jetton::{Money, Prices},
    keys,
    output::{Output, failed, usage},
    settings::Settings,
    task,
};

/// A task's contract, and who wants something of it.
struct At {
    address: Address,
    chain: ChainClient,
    wallet: UnlockedWallet,
}

impl At {
    async fn of(named: TaskOnChain, settings: &Settings) -> anyhow::Result<Self> {
        if let Some(address) = named.escrow {
            let chain = chain::connect(settings)?;
            let wallet = keys::unlock(settings, &chain).await?;
            return Ok(Self { address, chain, wallet });
        }
        let id = named.id.ok_or_else(|| usage("which task? Give its id, or --escrow ADDRESS"))?;
        let Requestor { node, chain, wallet, .. } = task::requestor(settings).await?;
        let view = task::find(&node, &id).await?;
        if view.listing.rail.jetton().is_none() {
            bail!(
                "task {id} is paid in GRAM: a worker's pay comes to its stake by itself, and the \
                 contract gives everything else back when it ends"
            )
        }
        Ok(Self { address: place_of(&view.listing)?, chain, wallet })
    }
}

#[derive(Serialize)]
struct Claimed {
    task: TaskId,
    escrow: Address,
    jetton: String,
    to: String,
    shares: Vec<ClaimedShare>,
}

#[derive(Serialize)]
struct ClaimedShare {
    share: &'static str,
    units: Units,
}

pub(crate) async fn claim(
    named: TaskOnChain,
    to: Option<Address>,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let At { address, chain, wallet } = At::of(named, settings).await?;
    let to = to.unwrap_or_else(|| wallet.wallet.address());
    let claimed = claim_shares(&chain, &wallet, &address, &to).await?;
    let money = Money::of(&chain, &claimed.master, None).await?;
    let told = Claimed {
        task: claimed.task,
        escrow: address,
        jetton: claimed.master.to_string(),
        to: to.to_string(),
        shares: claimed
            .shares
            .iter()
            .map(|(share, units)| ClaimedShare { share: share.name(), units: *units })
            .collect(),
    };
    let shown = |share: &ClaimedShare| format!("{}: {}", share.share, money.shown(share.units));
    let lines: Vec<_> = told.shares.iter().map(shown).collect();
    output.document(&told, || format!("{}\nto {}", lines.join("\n"), told.to))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn close(
    named: TaskOnChain,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let At { address, chain, wallet } = At::of(named, settings).await?;
    let swept = bury_task(&chain, &wallet, &address).await?;
    let told = serde_json::json!({ "task": named.id, "escrow": address, "swept_units": swept });
    output.document(&told, || format!("{address}: its rent came back"))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn cancel(
    named: TaskOnChain,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let Some(id) = named.id else {
        let At { address, chain, wallet } = At::of(named, settings).await?;
        let id = cancel_task(&chain, &wallet, &address).await?;
        return cancelled(id, address, output);
    };
    let requestor = task::requestor(settings).await?;
    let view = task::find(&requestor.node, &id).await?;
    if !view.listing.rail.has_contract() {
        bail!("on the account rail a task has no contract to take it back from: it ends by itself");
    }
    requestor.cancel(&view).await?;
    // A node that waits for its money, or has dropped it, tells of no end.
    if matches!(view.status, TaskStatus::AwaitingFunds | TaskStatus::Dropped) {
        return cancelled(id, place_of(&view.listing)?, output);
    }
    let view = task::follow(&requestor, &id, output).await?;
    let prices = Prices::of(std::iter::once(&view.listing), settings).await;
    output.document(&view, || task::describe(&view, &prices))?;
    Ok(if view.status == TaskStatus::Refunded { ExitCode::SUCCESS } else { failed() })
}

fn cancelled(id: TaskId, escrow: Address, output: &Output) -> anyhow::Result<ExitCode> {
    let status = TaskStatus::Refunded;
    let told = serde_json::json!({ "task": id, "escrow": escrow, "status": status });
    output.document(&told, || {
        format!(
            "{id}: taken back; if jettons came there, `fog task claim --escrow {escrow}` sends them"
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
