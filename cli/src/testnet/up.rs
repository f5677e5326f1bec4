//! `fog testnet up`: the chain alone.

use std::{
    net::SocketAddr,
    num::NonZeroU64,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use fog_harness::{ChainSetup, LocalAccount, Testnet, TestnetMarket, TestnetOptions};
use fog_protocol::{AddressForm, Nano};
use fog_testnet::{
    chain::{Clock, Durability},
    toncenter::ControlAccess,
};
use serde::Serialize;

use crate::{output::Output, signal::Ending};

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Where the API listens.
    #[arg(long, default_value = "127.0.0.1:7701", value_name = "ADDR")]
    listen: SocketAddr,
    /// Keep the chain here, so that it survives a restart [default: in memory].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    pace: PaceArgs,
    /// Wallets that are made and funded. LOCAL ONLY: everybody can compute their keys.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=100))]
    accounts: u32,
    /// What each wallet starts with.
    #[arg(long, default_value = "1000", value_name = "AMOUNT")]
    purse: Nano,
    /// Seed of the LOCAL ONLY accounts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Deploy a market too.
    #[arg(long)]
    market: bool,
}

/// How time goes on a local chain, and how much of it is kept.
#[derive(Debug, Clone, Args)]
struct PaceArgs {
    /// A block every so often, empty or not, as on TON (2s) [default: at once for every message].
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    block_time: Option<Duration>,
    /// Where chain time comes from.
    #[arg(long, value_enum, default_value_t = ClockName::System)]
    clock: ClockName,
    /// Transactions, and blocks, that can be looked up; older ones are dropped [default: all on
    /// disk, 100000 in memory].
    #[arg(long, value_name = "N")]
    history: Option<NonZeroU64>,
    /// Most megabytes the chain's file may have; then it takes nothing more.
    #[arg(long, value_name = "MB")]
    max_disk: Option<NonZeroU64>,
    /// Let other machines fund, mine, warp and restore as well.
    #[arg(long)]
    open_control: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ClockName {
    /// The machine's clock, plus warps.
    System,
    /// It stands still, and moves by `warp` alone; with --block-time, blocks come by `mine` alone
    /// and each moves it by that time.
    Frozen,
}

impl PaceArgs {
    fn setup(&self, durability: Durability) -> anyhow::Result<ChainSetup> {
        let period = self.block_time.filter(|period| !period.is_zero());
        let mut setup = ChainSetup { durability, history: self.history, ..ChainSetup::default() };
        setup.max_bytes = self.max_disk.map(|mega| mega.get().saturating_mul(1 << 20));
        setup.block_time = period;
        if self.clock == ClockName::Frozen {
            if period.is_some_and(|period| period.subsec_nanos() != 0) {
                bail!("a frozen clock moves by whole seconds: --block-time 1s, 2s, ...");
            }
            setup.clock = Clock::Frozen;
        }
        if self.open_control {
            setup.control = ControlAccess::Everybody;
        }
        Ok(setup)
    }
}

#[derive(Serialize)]
struct Banner {
    local_only: bool,
    url: String,
    endpoint: String,
    data: Option<PathBuf>,
    faucet: String,
    market: Option<String>,
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

pub(crate) async fn up(args: UpArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let data = args.data.as_deref().map(folder).transpose()?;
    let net = Testnet::start(&TestnetOptions {
        listen: args.listen,
        data: data.clone(),
        setup: args.pace.setup(Durability::Power)?,
        accounts: args.accounts,
        purse: args.purse,
        seed: args.seed,
        market: if args.market { TestnetMarket::Deployed } else { TestnetMarket::None },
    })
    .await?;
    let banner = Banner {
        local_only: true,
        url: net.chain.url(),
        endpoint: net.chain.json_rpc_url(),
        data,
        faucet: net.faucet.friendly(AddressForm::TestNonBounceable),
        market: net.market.map(|market| market.to_string()),
        accounts: net.accounts.iter().map(account).collect(),
    };
    let ending = Ending::listen()?;
    output.document(&banner, || text(&banner))?;
    ending.come().await;
    output.note("stopping");
    net.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

/// Makes the folder; the chain says what else is wrong with it.
fn folder(data: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(data)
        .and_then(|()| data.canonicalize())
        .with_context(|| format!("cannot create {}", data.display()))
}

fn text(banner: &Banner) -> String {
    let mut text = format!(
        "An embedded TON chain.  LOCAL ONLY: everybody can know these keys.\n\n\
         chain      {}\ntoncenter  {}\nfaucet     {}\n",
        banner.url, banner.endpoint, banner.faucet
    );
    if let Some(data) = &banner.data {
        text += &format!("data       {}\n", data.display());
    }
    if let Some(market) = &banner.market {
        text += &format!("market     {market}\n");
    }
    if !banner.accounts.is_empty() {
        text += "\nFunded wallets (v5r1, LOCAL ONLY):\n";
    }
    for account in &banner.accounts {
        text += &format!("\n  {} {}\n    {}\n", account.role, account.address, account.mnemonic);
    }
    text + &format!(
        "\nIn another terminal:\n\n  \
         fog testnet fund ADDRESS 10 --url {url}\n  \
         fog testnet warp 1day --url {url}\n  \
         fog testnet checkpoint NAME --url {url}\n\n\
         Ctrl-C stops it.",
        url = banner.url
    )
}
