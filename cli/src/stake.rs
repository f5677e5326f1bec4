//! `fog stake`: the staker's own delegations.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use fog_chain::ChainClient;
use fog_contracts::stake::MAX_COMMISSION_BPS;
use fog_protocol::{Address, Nano};
use fog_staker::{Place, Position, Staker, positions};

use crate::{
    chain, keys, market,
    output::{Output, table},
    settings::Settings,
    wallet,
};

#[derive(Debug, Args)]
pub(crate) struct StakeArgs {
    /// The market [default: the settings' `market`, else the one the node works in].
    #[arg(long, global = true, value_name = "ADDRESS")]
    market: Option<Address>,
    #[command(subcommand)]
    command: StakeCommand,
}

#[derive(Debug, Subcommand)]
enum StakeCommand {
    /// Lend stake to a worker. It earns and is slashed in proportion with the worker's own.
    Delegate {
        /// The worker's wallet.
        worker: Address,
        /// How much: 1.5, 1.5GRAM or 1500000000n; at least 1.
        amount: Nano,
        /// The largest commission you accept, in per cent [default: the worker's present one].
        #[arg(long, value_name = "PERCENT", value_parser = percent)]
        max_commission: Option<u16>,
    },
    /// Take stake back: it leaves first, and is slashed until it is out; run it again to be paid.
    Withdraw {
        /// The worker's wallet [default: the only worker you have delegated to].
        worker: Option<Address>,
        /// How much is to leave [default: what has left is paid out; if nothing is leaving, all].
        #[arg(long)]
        amount: Option<Nano>,
    },
    /// What you have delegated, to whom, and what it is worth now.
    Ls,
}

/// Basis points from per cent.
pub(crate) fn percent(text: &str) -> Result<u16, String> {
    let (whole, part) = text.trim_end_matches('%').split_once('.').unwrap_or((text, ""));
    let whole = whole.trim_end_matches('%');
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let wrong = || format!("`{text}` is no per cent with at most two decimals");
    if whole.is_empty() || part.len() > 2 || !digits(whole) || !digits(part) {
        return Err(wrong());
    }
    let hundredths: u16 = format!("{part:0<2}").parse().map_err(|_| wrong())?;
    let bps = whole.parse::<u16>().ok().and_then(|whole| whole.checked_mul(100));
    let bps = bps.and_then(|bps| bps.checked_add(hundredths)).ok_or_else(wrong)?;
    if bps > MAX_COMMISSION_BPS {
        return Err(format!("a commission is at most {} %", MAX_COMMISSION_BPS / 100));
    }
    Ok(bps)
}

pub(crate) async fn stake(
    args: StakeArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let chain = chain::connect(settings)?;
    match args.command {
        StakeCommand::Ls => {
            let owner = wallet::selected(settings)?;
            ls(&chain, &owner, output).await
        }
        StakeCommand::Delegate { worker, amount, max_commission } => {
            let market = market::address(args.market, settings).await?;
            let stake = Place::read(&chain, market).await?.stake_of(worker)?;
            let wallet = keys::unlock(settings, &chain).await?;
            let staker = Staker { chain: &chain, wallet: &wallet };
            let joined = staker.delegate(stake, amount, max_commission).await?;
            output.note(&format!("{joined} delegated to {worker}"));
            ls(&chain, &wallet.wallet.address(), output).await
        }
        StakeCommand::Withdraw { worker, amount } => {
            let wallet = keys::unlock(settings, &chain).await?;
            let staker = Staker { chain: &chain, wallet: &wallet };
            let owner = wallet.wallet.address();
            let now = chain.chain_time().await?;
            let all = positions(&chain, &owner, now).await?;
            let position = meant(&all, worker)?;
            withdraw(&staker, position, amount, now, output).await?;
            ls(&chain, &owner, output).await
        }
    }
}

fn meant(all: &[Position], worker: Option<Address>) -> anyhow::Result<&Position> {
    let Some(worker) = worker else {
        return match all {
            [one] => Ok(one),
            [] => bail!("nothing is delegated: `fog stake delegate WORKER AMOUNT`"),
            _ => bail!("you have delegated to several workers: say which (`fog stake ls`)"),
        };
    };
    let found = all.iter().find(|position| position.worker == worker);
    found.with_context(|| format!("nothing is delegated to {worker}"))
}

/// Pays out what has left; otherwise lets it leave.
async fn withdraw(
    staker: &Staker<'_>,
    position: &Position,
    amount: Option<Nano>,
    now: u32,
    output: &Output,
) -> anyhow::Result<()> {
    let out = position.leaving.iter().filter(|leaving| leaving.out_at <= now).count();
    if amount.is_none() && out > 0 {
        for _ in 0..out {
            let paid = staker.claim(position.stake).await?;
            output.note(&format!("{paid} paid out"));
        }
        return Ok(());
    }
    if let (None, Some(first)) = (amount, position.leaving.first()) {
        let left = Duration::from_secs(u64::from(first.out_at.saturating_sub(now)));
        let left = humantime::format_duration(left);
        bail!("{} is out in {left}: run this again then, or say --amount", first.worth_nano);
    }
    let wanted = amount.unwrap_or(position.worth_nano);
    if wanted == Nano::ZERO || wanted > position.worth_nano {
        bail!("only {} is delegated there", position.worth_nano);
    }
    let shares = position.data.pool.shares_for(wanted, position.shares, now);
    let leaves = staker.undelegate(position.stake, shares).await?;
    output.note(&format!("{leaves} is leaving; run `fog stake withdraw` again to be paid"));
    Ok(())
}

async fn ls(chain: &ChainClient, owner: &Address, output: &Output) -> anyhow::Result<ExitCode> {
    let now = chain.chain_time().await?;
    let all = positions(chain, owner, now).await?;
    output.document(&all, || shown(&all, now))?;
    Ok(ExitCode::SUCCESS)
}

fn shown(all: &[Position], now: u32) -> String {
    if all.is_empty() {
        return "nothing is delegated: `fog stake delegate WORKER AMOUNT`".to_owned();
    }
    let mut table = table(["WORKER", "WORTH", "COMMISSION", "LEAVING", "OUT"]);
    for position in all {
        let commission = position.commission_bps;
        let leaving = position.leaving.iter().map(|leaving| leaving.worth_nano);
        let first = position.leaving.first().map(|leaving| match leaving.out_at.checked_sub(now) {
            None | Some(0) => "now".to_owned(),
            Some(left) => {
                format!("in {}", humantime::format_duration(Duration::from_secs(left.into())))
            }
        });
        table.add_row([
            position.worker.to_string(),
            position.worth_nano.to_string(),
            format!("{}.{:02} %", commission / 100, commission % 100),
            leaving.fold(Nano::ZERO, Nano::saturating_add).to_string(),
            first.unwrap_or_default(),
        ]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn per_cent() {
        for (text, bps) in [("0", 0), ("7", 700), ("12.5", 1250), ("0.05%", 5), ("50%", 5000)] {
            assert_eq!(percent(text), Ok(bps), "{text}");
        }
        for text in ["", ".5", "50.01", "51", "1.234", "-1", "a", "1.a", "700000", "1.5.5"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }
}
