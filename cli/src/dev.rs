//! `fog dev`: a local network, kept running.

use std::{net::SocketAddr, process::ExitCode};

use anyhow::Context;
use fog_harness::{ChainSetup, LocalAccount, LocalNetwork, NetworkOptions, Timing};
use fog_protocol::AddressForm;
use fog_testnet::chain::Durability;
use serde::Serialize;

use crate::{args::DevArgs, output::Output};

/// Wallets of workers that are funded.
const WORKERS: u32 = 3;
const PROBATION: u32 = 3;

#[derive(Serialize)]
struct Banner {
    local_only: bool,
    node: String,
    chain: String,
    market: String,
    accounts: Vec<Account>,
}

#[derive(Serialize)]
struct Account {
    role: String,
    address: String,
    mnemonic: String,
}

fn account(account: &LocalAccount) -> Account {
    Account {
        role: account.role.clone(),
        address: account.address().friendly(AddressForm::TestNonBounceable),
        mnemonic: account.mnemonic.phrase().to_owned(),
    }
}

pub(crate) async fn dev(args: DevArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let temporary = tempfile::Builder::new().prefix("fog-dev-").tempdir()?;
    let data = match &args.data {
        Some(data) => {
            std::fs::create_dir_all(data)
                .with_context(|| format!("cannot create {}", data.display()))?;
            data.canonicalize()?
        }
        None => temporary.path().to_owned(),
    };
    let next = args.listen.port().checked_add(1).context("the port must be below 65535")?;
    let chain = SocketAddr::new(args.listen.ip(), if args.listen.port() == 0 { 0 } else { next });
    // Nobody wants a temporary folder back after a power cut.
    let durability = if args.data.is_some() { Durability::Power } else { Durability::Process };
    let block_time = args.block_time.filter(|period| !period.is_zero());
    let setup = ChainSetup { block_time, durability, ..ChainSetup::default() };
    let options = NetworkOptions {
        data,
        seed: args.seed,
        workers: WORKERS,
        node: args.listen,
        chain,
        timing: Timing::DEV,
        program: std::env::current_exe().context("cannot find this program's own file")?,
        probation: PROBATION,
        verifiers: fog_harness::Verifiers::InNode,
        pledge: args.pledge,
        jettons: args.jettons.clone(),
        claim_from: args.claim_from.unwrap_or(fog_node::CLAIM_FROM),
    };
    let network = LocalNetwork::start_with(&options, &setup).await?;
    let banner = Banner {
        local_only: true,
        node: network.api.url().to_owned(),
        chain: network.local.chain.url(),
        market: network.local.market.to_string(),
        accounts: [&network.local.accounts.requestor]
            .into_iter()
            .chain(&network.local.accounts.workers)
            .chain([&network.local.accounts.owner])
            .map(account)
            .collect(),
    };
    let ending = crate::signal::Ending::listen()?;
    output.document(&banner, || text(&banner))?;
    ending.come().await;
    output.note("stopping");
    network.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

fn text(banner: &Banner) -> String {
    let accounts: String = banner
        .accounts
        .iter()
        .map(|account| {
            format!("\n  {} {}\n    {}\n", account.role, account.address, account.mnemonic)
        })
        .collect();
    format!(
        "Fog Market, a network of your own.  LOCAL ONLY: everybody can know these keys.\n\n\
         node    {node}\nchain   {chain}  (toncenter v2 at /api/v2)\nmarket  {market}\n\n\
         Funded wallets (LOCAL ONLY):\n{accounts}\n\
         A worker, in another terminal:\n\n  \
         export FOG_NODE={node} FOG_CHAIN={chain} FOG_PASSWORD=local-only\n  \
         echo '{worker}' | fog wallet import worker\n  \
         fog worker stake 20 --wallet worker && fog worker up --wallet worker\n\n\
         A first task, in a third:\n\n  \
         export FOG_NODE={node} FOG_CHAIN={chain} FOG_PASSWORD=local-only\n  \
         echo '{requestor}' | fog wallet import requestor\n  \
         fog task post --wallet requestor --module cli/guests/wordcount.wasm --input README.md \
         --price 0.5 --window 5s --wait --out words.txt\n\n\
         Ctrl-C stops it.",
        node = banner.node,
        chain = banner.chain,
        market = banner.market,
        worker = banner.accounts.get(1).map_or("", |account| &account.mnemonic),
        requestor = banner.accounts.first().map_or("", |account| &account.mnemonic),
    )
}
