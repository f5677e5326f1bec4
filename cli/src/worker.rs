//! `fog worker`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use fog_contracts::stake::StakeData;
use fog_protocol::{Address, Nano, PublicKey, SecretKey};
use fog_requestor::{NodeClient, read_channel, settle};
use fog_wallet::UnlockedWallet;
use fog_worker::{
    Behaviour, Pledge, Pricing, Shutdown, Worker, WorkerConfig, WorkerLimits, staking,
};
use serde::Serialize;

use crate::{
    args::{WorkerArgs, WorkerCommand, WorkerUpArgs},
    chain, keys, market,
    output::Output,
    secrets::refuse_local,
    settings::{Asked, Settings},
};

/// A worker's keys, and the market it works in.
struct Identity {
    wallet: UnlockedWallet,
    session: SecretKey,
    market: Address,
    stake: Address,
}

pub(crate) async fn worker(
    args: WorkerArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    match args.command {
        WorkerCommand::Stake { amount } => {
            let identity = identity(settings).await?;
            let chain = chain::connect(settings)?;
            let session = identity.session.public();
            staking::stake(&chain, &identity.wallet, identity.market, amount, &session).await?;
            show(&identity.stake, settings, output).await
        }
        WorkerCommand::Unstake { amount } => {
            let identity = identity(settings).await?;
            unstake(&identity, amount, settings, output).await
        }
        WorkerCommand::Withdraw => {
            let identity = identity(settings).await?;
            let chain = chain::connect(settings)?;
            staking::withdraw_earnings(&chain, &identity.wallet, &identity.stake).await?;
            show(&identity.stake, settings, output).await
        }
        WorkerCommand::Redeem { data } => redeem(data, settings, output).await,
        WorkerCommand::Pledges { data } => pledges(data, settings, output).await,
        WorkerCommand::Commission { percent } => {
            let identity = identity(settings).await?;
            let chain = chain::connect(settings)?;
            staking::set_commission(&chain, &identity.wallet, &identity.stake, percent).await?;
            show(&identity.stake, settings, output).await
        }
        WorkerCommand::Show => {
            let owner = crate::wallet::selected(settings)?;
            let market = market(settings).await?;
            let stake = stake_of(settings, market, owner).await?;
            show(&stake, settings, output).await
        }
        WorkerCommand::Up(args) => up(args, settings, output).await,
    }
}

/// The market the node works in; that it really is one of this code is checked on chain.
async fn market(settings: &Settings) -> anyhow::Result<Address> {
    Ok(NodeClient::connect(&settings.node).await?.info().market)
}

async fn stake_of(settings: &Settings, market: Address, owner: Address) -> anyhow::Result<Address> {
    let config = market::config(&chain::connect(settings)?, market).await?;
    if !config.is_of_this_code() {
        bail!("the market {market} uses other contracts than this program: stake nothing there");
    }
    Ok(config.stake_of(market, owner).address()?)
}

async fn identity(settings: &Settings) -> anyhow::Result<Identity> {
    let market = market(settings).await?;
    let keystore = keys::open(settings)?;
    let name = keys::wallet_name(settings, &keystore)?;
    let chain = chain::connect(settings)?;
    refuse_local(&[keystore.info(&name)?], &chain).await?;
    let password = keys::password(settings, Asked::Known)?;
    let wallet = keystore.unlock(&name, &password)?;
    let session = keys::session_key(&keystore, &name, &password)?;
    refuse_local(&[keystore.info(&keys::session_name(&name))?], &chain).await?;
    let stake = stake_of(settings, market, wallet.wallet.address()).await?;
    Ok(Identity { wallet, session, market, stake })
}

#[derive(Serialize)]
struct Shown {
    stake: Address,
    /// The key that signs its bids and commitments.
    session: PublicKey,
    own_nano: Nano,
    free_nano: Nano,
    reserved_nano: Nano,
    unbonding_nano: Nano,
    unbonded_at: u32,
    earnings_nano: Nano,
    reservations: usize,
    delegated_nano: Nano,
    delegated_leaving_nano: Nano,
    delegated_vesting_nano: Nano,
    commission_bps: u16,
    next_commission_bps: u16,
    next_commission_at: u32,
    /// Of what is reserved: in bulk, for the account rail.
    pledged_nano: Nano,
    pledges: Vec<Pledge>,
}

async fn show(stake: &Address, settings: &Settings, output: &Output) -> anyhow::Result<ExitCode> {
    let data = chain::connect(settings)?.account(stake).await?.data;
    let data = data.context("nothing is staked yet: `fog worker stake AMOUNT`")?;
    let data = StakeData::parse(&data)?;
    let pledges: Vec<_> = fog_worker::pledges(&settings.worker_data)?
        .into_iter()
        .filter(|pledge| data.reservations.iter().any(|(task, _)| *task == pledge.escrow.hash))
        .collect();
    let shown = Shown {
        stake: *stake,
        session: data.session,
        own_nano: data.stake,
        free_nano: data.free(),
        reserved_nano: data.reserved,
        unbonding_nano: data.unbonding,
        unbonded_at: data.unbond_at,
        earnings_nano: data.earnings,
        reservations: data.reservations.len(),
        delegated_nano: data.pool.coins,
        delegated_leaving_nano: data.pool.leaving,
        delegated_vesting_nano: data.pool.vesting,
        commission_bps: data.pool.commission,
        next_commission_bps: data.pool.next_commission,
        next_commission_at: data.pool.commission_at,
        pledged_nano: pledges.iter().map(|pledge| pledge.reserve).sum(),
        pledges,
    };
    output.document(&shown, || {
        let pledged: String = shown
            .pledges
            .iter()
            .map(|pledge| {
                let Pledge { reserve, node, escrow, .. } = pledge;
                format!("\npledged    {reserve} to the node {node}, by {escrow}")
            })
            .collect();
        format!(
            "stake      {}\nsession    {}\nown        {} ({} unbonding)\ndelegated  {} ({} leaving)\n\
             free       {} ({} reserved for {} tasks)\nearnings   {}{pledged}",
            shown.stake,
            shown.session,
            shown.own_nano,
            shown.unbonding_nano,
            shown.delegated_nano,
            shown.delegated_leaving_nano,
            shown.free_nano,
            shown.reserved_nano,
            shown.reservations,
            shown.earnings_nano,
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Redeemed {
    channel: Address,
    total_nano: Nano,
    paid_nano: Nano,
}

/// Redeems what the node has not redeemed for this worker yet: nobody else is needed for it.
async fn redeem(
    data: Option<PathBuf>,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let data = data.unwrap_or_else(|| settings.worker_data.clone());
    let vouchers = fog_worker::vouchers(&data)?;
    let chain = chain::connect(settings)?;
    let wallet = keys::unlock(settings, &chain).await?;
    let mut redeemed = Vec::new();
    for file in vouchers {
        let at = read_channel(&chain, &file.channel).await?;
        let paid_nano = if file.total_nano > at.paid {
            settle(&chain, &wallet, &file).await?
        } else {
            Nano::ZERO
        };
        let (channel, total_nano) = (file.channel, file.total_nano);
        redeemed.push(Redeemed { channel, total_nano, paid_nano });
    }
    output.document(&redeemed, || {
        if redeemed.is_empty() {
            return "no vouchers yet: they come with the first paid task of the account rail"
                .into();
        }
        let line = |done: &Redeemed| {
            let Redeemed { channel, total_nano, paid_nano } = done;
            format!("{channel}: {paid_nano} redeemed, {total_nano} in all")
        };
        redeemed.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Pushed {
    pledge: Pledge,
    sent: Option<&'static str>,
}

/// Does what the node should do with pledges, where it does not: nobody else is needed for it.
async fn pledges(
    data: Option<PathBuf>,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let data = data.unwrap_or_else(|| settings.worker_data.clone());
    let known = fog_worker::pledges(&data)?;
    let chain = chain::connect(settings)?;
    let wallet = keys::unlock(settings, &chain).await?;
    let mut pushed = Vec::new();
    for pledge in known.into_iter().filter(|pledge| pledge.stage.is_living()) {
        let sent = staking::push_pledge(&chain, &wallet, &pledge).await?;
        pushed.push(Pushed { pledge, sent });
    }
    output.document(&pushed, || {
        if pushed.is_empty() {
            return "nothing is pledged".into();
        }
        let line = |done: &Pushed| {
            let Pledge { reserve, escrow, .. } = &done.pledge;
            format!("{escrow}: {reserve}, {}", done.sent.unwrap_or("nothing to do now"))
        };
        pushed.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Pays out what is unbonded; otherwise starts unbonding.
async fn unstake(
    identity: &Identity,
    amount: Option<Nano>,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let chain = chain::connect(settings)?;
    let data = chain.account(&identity.stake).await?.data;
    let data =
        StakeData::parse(&data.context("nothing is staked: there is nothing to take back")?)?;
    let now = chain.chain_time().await?;
    if data.unbonding > Nano::ZERO && amount.is_none() {
        if now < data.unbond_at {
            bail!(
                "{} is unbonding for another {}: run this again then",
                data.unbonding,
                humantime::format_duration(std::time::Duration::from_secs(u64::from(
                    data.unbond_at - now
                )))
            );
        }
        staking::withdraw(&chain, &identity.wallet, &identity.stake).await?;
        output.note(&format!("{} paid out", data.unbonding));
        return show(&identity.stake, settings, output).await;
    }
    let most = data.unbondable();
    let amount = amount.unwrap_or(most);
    if amount == Nano::ZERO || amount > most {
        bail!("only {most} is free: the rest is reserved for running tasks");
    }
    staking::unbond(&chain, &identity.wallet, &identity.stake, amount).await?;
    output.note(&format!("{amount} is unbonding; run `fog worker unstake` again to be paid"));
    show(&identity.stake, settings, output).await
}

/// Resolves when standard input closes; never, unless `tied`.
pub(crate) async fn parent_gone(tied: bool) {
    let (gone, told) = tokio::sync::oneshot::channel();
    if !tied {
        return std::future::pending().await;
    }
    // A thread of its own: a read that never returns must not hold up the runtime's end.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = gone.send(());
    });
    let _ = told.await;
}

async fn up(args: WorkerUpArgs, settings: &Settings, output: &Output) -> anyhow::Result<ExitCode> {
    let identity = identity(settings).await?;
    let config = WorkerConfig {
        node_url: settings.node.clone(),
        node_id: None,
        chain: fog_worker::ChainConfig {
            endpoint: chain::endpoint(settings),
            api_key: settings.chain_api_key.clone(),
            network: fog_wallet::TESTNET,
        },
        market: identity.market,
        owner: identity.wallet.wallet.address(),
        stake: identity.stake,
        session: identity.session,
        data_dir: args.data.unwrap_or_else(|| settings.worker_data.clone()),
        runner: None,
        // A cheat would only be late: what it proves is not what it hands in.
        circuits: (args.adversary == Behaviour::Honest)
            .then(|| args.circuits.unwrap_or_else(|| settings.circuits.clone())),
        provers: args.prover.into_iter().collect(),
        limits: WorkerLimits {
            prover_seconds: args.prover_seconds,
            slots: args.slots.max(args.parallel),
            parallel: args.parallel,
            max_pledge: args.max_pledge,
            ..WorkerLimits::default()
        },
        pricing: Pricing {
            base: args.min_price,
            per_gigafuel: args.price_per_gigafuel,
            jettons: fog_protocol::JettonRates::new(&args.jettons)?,
            ..Pricing::default()
        },
        speed: None,
        behaviour: args.adversary,
    };
    let mut handle = Worker::start(config).await?;
    output.note("the worker is up; Ctrl-C finishes what it has and stops, a second one stops now");
    let mut stopping = false;
    let orphaned = parent_gone(args.tied);
    tokio::pin!(orphaned);
    let mut parent_lives = true;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    loop {
        tokio::select! {
            event = handle.next_event() => match event {
                Some(event) => report(&event, output)?,
                None => break,
            },
            _ = tokio::signal::ctrl_c() => {
                handle.shutdown(if stopping { Shutdown::Fast } else { Shutdown::Drain });
                stopping = true;
            }
            _ = terminate.recv() => handle.shutdown(Shutdown::Fast),
            () = &mut orphaned, if parent_lives => {
                parent_lives = false;
                handle.shutdown(Shutdown::Fast);
            }
        }
    }
    handle.join().await?;
    Ok(ExitCode::SUCCESS)
}

fn report(event: &fog_worker::WorkerEvent, output: &Output) -> anyhow::Result<()> {
    if output.is_json() {
        output.raw(
            format!(
                "{}\n",
                serde_json::to_string(
                    &serde_json::json!({ "event": event.to_string(), "task": event.task() })
                )?
            )
            .as_bytes(),
        )
    } else {
        output.note(&event.to_string());
        Ok(())
    }
}
