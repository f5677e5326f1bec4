//! `fog bond`: what a node stands for.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use fog_chain::ChainClient;
use fog_contracts::{
    Kind, OPERATOR_RENT, OWNER_VALUE,
    operator::{self, OperatorInit},
};
use fog_protocol::{Address, Nano};
use fog_wallet::OutMessage;
use serde_json::json;
use tycho_types::cell::Cell;

use crate::{chain, contract, keys, market, output::Output, settings::Settings, wallet};

#[derive(Debug, Args)]
pub(crate) struct BondArgs {
    /// The market [default: the settings' `market`, else the one the node works in].
    #[arg(long, global = true, value_name = "ADDRESS")]
    market: Option<Address>,
    #[command(subcommand)]
    command: BondCommand,
}

#[derive(Debug, Subcommand)]
enum BondCommand {
    /// Add to your node's bond. All that its workers do at a time may cost as much; a verdict that
    /// does not come in time is paid out of it.
    Add {
        /// How much: 1.5, 1.5GRAM or 1500000000n.
        amount: Nano,
    },
    /// Take out what is not reserved, fees included.
    Withdraw {
        /// How much [default: all that is free].
        amount: Option<Nano>,
    },
    /// How much there is, what of it is reserved, what was earned.
    Show {
        /// Whose: a node's wallet [default: yours].
        #[arg(value_name = "NODE")]
        whose: Option<Address>,
    },
}

pub(crate) async fn bond(
    args: BondArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let chain = chain::connect(settings)?;
    let market = market::address(args.market, settings).await?;
    match args.command {
        BondCommand::Show { whose } => {
            let node = match whose {
                Some(node) => node,
                None => wallet::selected(settings)?,
            };
            show(&chain, &place(&chain, market, node).await?, output).await
        }
        BondCommand::Add { amount } => {
            let wallet = keys::unlock(settings, &chain).await?;
            let init = place(&chain, market, wallet.wallet.address()).await?;
            let address = init.address()?;
            let body = operator::bond(0, amount)?;
            let message = if chain.account(&address).await?.is_active() {
                OutMessage::new(address, amount.saturating_add(OWNER_VALUE))
            } else {
                OutMessage::new(address, amount.saturating_add(OPERATOR_RENT))
                    .with_state_init(init.state_init()?)
            };
            fog_requestor::call(&chain, &wallet, &address, message.with_body(body)).await?;
            output.note(&format!("{amount} added"));
            show(&chain, &init, output).await
        }
        BondCommand::Withdraw { amount } => {
            let wallet = keys::unlock(settings, &chain).await?;
            let init = place(&chain, market, wallet.wallet.address()).await?;
            let address = init.address()?;
            let free = read(&chain, &address).await?.1.free();
            let amount = amount.unwrap_or(free);
            if amount > free {
                bail!("{free} of this bond are free: the rest is reserved for tasks at work");
            }
            let message =
                OutMessage::new(address, OWNER_VALUE).with_body(operator::withdraw(0, amount)?);
            fog_requestor::call(&chain, &wallet, &address, message).await?;
            output.note(&format!("{amount} taken out"));
            show(&chain, &init, output).await
        }
    }
}

/// The bond of `node` in the market, by the market's own parameters.
async fn place(
    chain: &ChainClient,
    market: Address,
    node: Address,
) -> anyhow::Result<OperatorInit> {
    let config = market::config(chain, market).await?;
    Ok(config.operator_of(market, node))
}

/// The bond's data, as it lies in the contract and as it is understood.
async fn read(
    chain: &ChainClient,
    address: &Address,
) -> anyhow::Result<(Cell, operator::OperatorData)> {
    let data = chain.account(address).await?.data;
    let data = data.with_context(|| {
        format!("there is no bond at {address} yet: put one down with `fog bond add AMOUNT`")
    })?;
    let parsed = operator::OperatorData::parse(&data)?;
    Ok((data, parsed))
}

async fn show(
    chain: &ChainClient,
    init: &OperatorInit,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let address = init.address()?;
    let (data, _) = read(chain, &address).await?;
    let shown = json!({ "bond": address, "state": Kind::Operator.state(&data)? });
    output
        .document(&shown, || format!("Bond {address}\n{}", contract::fields(&shown["state"], 1)))?;
    Ok(ExitCode::SUCCESS)
}
