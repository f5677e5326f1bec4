//! `fog market`: the rules, and their changes by the owner.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use fog_chain::ChainClient;
use fog_contracts::{
    Kind, MARKET_VALUE,
    market::{self, Config, MarketData, op},
};
use fog_protocol::{Address, Nano, PublicKey};
use fog_requestor::NodeClient;
use fog_wallet::OutMessage;
use serde::Deserialize;
use serde_json::json;
use tycho_types::cell::Cell;

use crate::{
    chain, contract, files, keys,
    output::{Output, exit_with, usage},
    settings::Settings,
};

#[derive(Debug, Args)]
pub(crate) struct MarketArgs {
    /// The market [default: the settings' `market`, else the one the node works in].
    #[arg(long, global = true, value_name = "ADDRESS")]
    market: Option<Address>,
    #[command(subcommand)]
    command: MarketCommand,
}

#[derive(Debug, Subcommand)]
enum MarketCommand {
    /// Its parameters and code hashes, compared with this program's own. Exit 1 where they differ.
    Show,
    /// Propose a change (owner): it applies no sooner than the timelock, to new tasks only.
    Propose {
        /// TOML with what is to change: verifiers, threshold, fee_bps, operator_bps, treasury,
        /// timelock, min_step, max_step, appeal, appeal_time, challenge_bond (nanogram), code =
        /// "this" for this program's contracts.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Apply the proposal once its timelock is over (anyone).
    Apply,
    /// Withdraw the proposal (owner).
    Withdraw,
    /// Stop new tasks at once (owner). Running ones go on, and everybody can leave.
    Pause,
    /// Allow new tasks again (owner).
    Resume,
    /// Name who may take over as the owner (owner).
    OfferOwner {
        /// The heir's wallet.
        heir: Address,
    },
    /// Take over, once the timelock is over (heir).
    AcceptOwner,
    /// Take the offer back (owner).
    KeepOwner,
}

/// What a proposal changes; the rest stays.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    verifiers: Option<Vec<PublicKey>>,
    threshold: Option<u8>,
    fee_bps: Option<u16>,
    treasury: Option<Address>,
    timelock: Option<u32>,
    min_step: Option<u32>,
    max_step: Option<u32>,
    operator_bps: Option<u16>,
    appeal: Option<u8>,
    appeal_time: Option<u32>,
    challenge_bond: Option<Nano>,
    code: Option<CodeVersion>,
}

/// Whose contracts new tasks and stakes use.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CodeVersion {
    /// This program's.
    This,
}

impl Change {
    fn apply(self, now: Config) -> Config {
        let mut next = now;
        fn set<T>(at: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *at = value;
            }
        }
        set(&mut next.verifiers, self.verifiers);
        set(&mut next.threshold, self.threshold);
        set(&mut next.fee_bps, self.fee_bps);
        set(&mut next.treasury, self.treasury);
        set(&mut next.timelock, self.timelock);
        set(&mut next.min_step, self.min_step);
        set(&mut next.max_step, self.max_step);
        set(&mut next.operator_bps, self.operator_bps);
        set(&mut next.appeal, self.appeal);
        set(&mut next.appeal_time, self.appeal_time);
        set(&mut next.challenge_bond, self.challenge_bond);
        match self.code {
            Some(CodeVersion::This) => next.with_this_code(),
            None => next,
        }
    }
}

/// The market meant: named, or in the settings, or the node's. Only which one it is is taken from the
/// node; what it is, from the chain.
pub(crate) async fn address(
    named: Option<Address>,
    settings: &Settings,
) -> anyhow::Result<Address> {
    Ok(match named.or(settings.market) {
        Some(address) => address,
        None => NodeClient::connect(&settings.node).await?.info().market,
    })
}

pub(crate) async fn market(
    args: MarketArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let address = address(args.market, settings).await?;
    let body = match args.command {
        MarketCommand::Show => return show(address, settings, output).await,
        MarketCommand::Propose { file } => {
            let text = String::from_utf8(files::read(&file, MAX_FILE)?)
                .map_err(|_| usage(format!("{} is not text", file.display())))?;
            let change: Change = toml::from_str(&text)
                .map_err(|error| usage(format!("{}: {error}", file.display())))?;
            let now = read(address, settings).await?.config;
            let now = now.context("the market is not set up yet: its owner sends `Setup`")?;
            let next = change.apply(now.clone());
            if next == now {
                return Err(usage(format!("{} changes nothing", file.display())));
            }
            market::propose(0, &next)?
        }
        MarketCommand::Apply => market::plain(op::APPLY, 0)?,
        MarketCommand::Withdraw => market::plain(op::WITHDRAWN, 0)?,
        MarketCommand::Pause => market::set_pause(0, true)?,
        MarketCommand::Resume => market::set_pause(0, false)?,
        MarketCommand::OfferOwner { heir } => market::offer_owner(0, &heir)?,
        MarketCommand::AcceptOwner => market::plain(op::ACCEPT_OWNER, 0)?,
        MarketCommand::KeepOwner => market::plain(op::KEEP_OWNER, 0)?,
    };
    send(address, body, settings, output).await
}

/// Most bytes of a proposal's file.
const MAX_FILE: u64 = 64 << 10;

async fn read(address: Address, settings: &Settings) -> anyhow::Result<MarketData> {
    let account = chain::connect(settings)?.account(&address).await?;
    let code = account.code_hash().with_context(|| format!("there is no contract at {address}"))?;
    if Kind::of(&code) != Some(Kind::Market) {
        let ours = Kind::Market.code_hash();
        let why = format!("{address} has code {code}, this program's market has {ours}");
        return Err(exit_with(1, why));
    }
    let data = account.data.with_context(|| format!("{address} holds no data"))?;
    Ok(MarketData::parse(&data)?)
}

/// The rules of a market, as it says them itself.
pub(crate) async fn config(chain: &ChainClient, address: Address) -> anyhow::Result<Config> {
    let data = chain.account(&address).await?.data;
    let data = data.with_context(|| format!("there is no market at {address}"))?;
    let config = MarketData::parse(&data)?.config;
    config.with_context(|| format!("the market {address} was never set up"))
}

async fn show(address: Address, settings: &Settings, output: &Output) -> anyhow::Result<ExitCode> {
    let data = read(address, settings).await?;
    let same = data.config.as_ref().is_some_and(Config::is_of_this_code);
    let codes = Kind::ALL.map(|kind| (kind.name(), json!(kind.code_hash())));
    let shown = json!({
        "market": address,
        "ok": same,
        "state": Kind::describe_market(&data),
        "this_program": serde_json::Map::from_iter(codes.map(|(name, hash)| (name.into(), hash))),
    });
    output.document(&shown, || {
        let verdict = match (&data.config, same) {
            (None, _) => "It was never set up: its owner has to send `Setup`.",
            (Some(_), true) => "Market, tasks and stakes are of this program's own code.",
            (Some(_), false) => {
                "DIFFERS: it registers tasks or stakes of other code than this program's. Stake \
                 and pay nothing there before you know why."
            }
        };
        format!("Market {address}\n{}\n{verdict}", contract::fields(&shown["state"], 1))
    })?;
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn send(
    address: Address,
    body: Cell,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    // Nothing is sent to what is not a market.
    read(address, settings).await?;
    let client = chain::connect(settings)?;
    let unlocked = keys::unlock(settings, &client).await?;
    let message = OutMessage::new(address, MARKET_VALUE).with_body(body);
    let sent = fog_requestor::call(&client, &unlocked, &address, message).await?;
    let sent = chain::Sent::of(&unlocked, &sent);
    let state = Kind::describe_market(&read(address, settings).await?);
    output.note(&format!("done: transaction {} (lt {})", sent.hash, sent.lt));
    output.document(&json!({ "sent": sent, "state": state }), || contract::fields(&state, 0))?;
    Ok(ExitCode::SUCCESS)
}
