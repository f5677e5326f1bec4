//! `fog verifier`: a verifier's own process, and the verifiers a node asks.

use std::{
    net::SocketAddr, os::unix::fs::DirBuilderExt as _, path::PathBuf, process::ExitCode, sync::Arc,
};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use fog_jury::{Asker, Conduct, Examiner, Scope, Service, ServiceConfig, verifier_id};
use fog_protocol::{Address, Hash32, PublicKey, SecretKey, api::VerifierList};
use fog_requestor::NodeClient;
use fog_verifier::{Executor, Independent, sandbox::process::RunnerConfig};
use fog_wallet::{KeyOrigin, SecretKind, Wallet, WalletVersion};
use serde::Serialize;

use crate::{
    chain, keys,
    output::{Output, table, usage},
    secrets::refuse_local,
    settings::{Asked, Settings},
};

#[derive(Debug, Args)]
pub(crate) struct VerifierArgs {
    #[command(subcommand)]
    command: VerifierCommand,
}

#[derive(Debug, Subcommand)]
enum VerifierCommand {
    /// Run a verifier: recompute what nodes ask about, sign what is found.
    Up(Box<UpArgs>),
    /// Print a verifier's public key, making the key if there is none: what the market's owner puts
    /// into its list, and the node's operator into `[[verifiers]]`.
    Key {
        /// Name of the key among the keys.
        #[arg(long, default_value = "verifier", value_name = "NAME")]
        key: String,
    },
    /// The verifiers the node asks, and how they have answered.
    Ls,
    /// As the node's operator: count a verifier again that signed a planted result wrongly.
    Readmit {
        /// Its public key.
        key: PublicKey,
    },
}

#[derive(Debug, Args)]
struct UpArgs {
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:7710", value_name = "ADDR")]
    listen: SocketAddr,
    /// Folder of its journal, blobs and compiled programs [default: ~/.local/share/fog/verifier].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Name of its key among the keys.
    #[arg(long, default_value = "verifier", value_name = "NAME")]
    key: String,
    /// Public key of a node's wallet that may ask about its own tasks (`operator_key` in its /v1/info); repeat
    /// for more.
    #[arg(long, required = true, value_name = "KEY")]
    node_key: Vec<PublicKey>,
    /// The `Market` contract it signs for, alone.
    #[arg(long, value_name = "ADDRESS")]
    market: Option<Address>,
    /// TON global id: -3 or -239.
    #[arg(long, default_value_t = fog_wallet::TESTNET, value_name = "ID", allow_hyphen_values = true)]
    network: i32,
    /// Programs run at once.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    parallel: u16,
    /// Harness only: stop at once when standard input closes, as it does when the parent dies.
    #[arg(long, hide = true)]
    tied: bool,
    /// Harness only, on test networks: sign without looking, or the opposite of what is so.
    #[arg(long, hide = true, value_enum, default_value_t = Manner::Honest)]
    conduct: Manner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Manner {
    Honest,
    Lazy,
    Lying,
}

#[derive(Serialize)]
struct Up {
    url: String,
    verifier: Hash32,
    key: PublicKey,
    market: Address,
    network: i32,
}

pub(crate) async fn verifier(
    args: VerifierArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    match args.command {
        VerifierCommand::Up(args) => up(*args, settings, output).await,
        VerifierCommand::Key { key } => {
            let public = secret(settings, &key)?.public();
            output.document(&serde_json::json!({ "key": public }), || public.to_string())?;
            Ok(ExitCode::SUCCESS)
        }
        VerifierCommand::Ls => {
            let list = NodeClient::connect(&settings.node).await?.verifiers().await?;
            output.document(&list, || described(&list))?;
            Ok(ExitCode::SUCCESS)
        }
        VerifierCommand::Readmit { key } => {
            let node = NodeClient::connect(&settings.node).await?;
            let wallet = keys::unlock(settings, &chain::connect(settings)?).await?;
            node.readmit(&wallet.key, &key).await?;
            let list = node.verifiers().await?;
            output.document(&list, || described(&list))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A verifier's key; made and stored, encrypted, when first needed.
fn secret(settings: &Settings, name: &str) -> anyhow::Result<SecretKey> {
    let keystore = keys::open(settings)?;
    let password = keys::password(settings, Asked::Known)?;
    keys::secret_key(&keystore, name, SecretKind::VerifierKey, &password)
}

async fn up(args: UpArgs, settings: &Settings, output: &Output) -> anyhow::Result<ExitCode> {
    let market = args.market.or(settings.market);
    let market = market.ok_or_else(|| usage("say which market it signs for: --market ADDRESS"))?;
    let scope = Scope { network: args.network, market };
    let key = secret(settings, &args.key)?;
    let entry = keys::open(settings)?.info(&args.key)?;
    if entry.origin == KeyOrigin::LocalOnly {
        refuse_local(&[entry], &chain::connect(settings)?).await?;
    }
    let conduct = match args.conduct {
        Manner::Honest => Conduct::Honest,
        Manner::Lazy => Conduct::Lazy,
        Manner::Lying => Conduct::Lying,
    };
    if conduct != Conduct::Honest && args.network != fog_wallet::TESTNET {
        return Err(usage("another conduct than an honest one is for test networks"));
    }
    let data = args.data.unwrap_or_else(|| settings.verifier_data.clone());
    let (journal, compiled) = (data.join("journal"), data.join("compiled"));
    let parallel = usize::from(args.parallel);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&data)
        .with_context(|| format!("cannot make {}", data.display()))?;
    let opened = tokio::task::spawn_blocking(move || -> anyhow::Result<Examiner> {
        let mut runner = RunnerConfig::current_exe().context("cannot find this program's file")?;
        runner.children = parallel;
        runner.cache = Some(compiled);
        let again = Arc::new(Independent::new(&runner));
        let execute = Arc::new(Executor::start(runner)?);
        Ok(Examiner::open(key, scope, &journal, execute, again)?.with_conduct(conduct))
    });
    let examiner = Arc::new(opened.await.context("the sandbox did not start")??);
    let public = examiner.public();
    let asker = |key: PublicKey| -> anyhow::Result<Asker> {
        let wallet = Wallet::new(WalletVersion::V5R1, key, args.network)?.address();
        Ok(Asker { key, wallet })
    };
    let nodes = args.node_key.iter().copied().map(asker).collect::<anyhow::Result<_>>()?;
    let mut config = ServiceConfig::new(args.listen, data, nodes);
    config.parallel = parallel;
    let handle = Service::start(examiner, config).await?;
    let up = Up {
        url: handle.url(),
        verifier: verifier_id(&scope, &public),
        key: public,
        market,
        network: args.network,
    };
    output.document(&up, || {
        format!("verifier {} listens on {}\nsigns for {}", up.key, up.url, up.market)
    })?;
    let stop = handle.stop_token();
    tokio::spawn(async move {
        tokio::select! {
            ended = crate::signal::ended() => drop(ended),
            () = crate::worker::parent_gone(args.tied) => {}
        }
        stop.cancel();
    });
    handle.join().await;
    Ok(ExitCode::SUCCESS)
}

fn described(list: &VerifierList) -> String {
    let mut rows = table(["#", "key", "at", "counts", "asked", "signed", "contrary", "ringers"]);
    for view in &list.verifiers {
        let ringers = format!("{} of {} missed", view.ringers_missed, view.ringers);
        let counts = match &view.excluded_because {
            None => "yes".to_owned(),
            Some(why) => format!("NO: {why}"),
        };
        rows.add_row([
            view.index.to_string(),
            view.key.to_string(),
            view.place.clone(),
            counts,
            view.asked.to_string(),
            view.signed.to_string(),
            view.contrary.to_string(),
            ringers,
        ]);
    }
    let mut text = format!(
        "{} of {} must sign a verdict, {} a ruling\n{rows}",
        list.threshold, list.of, list.appeal
    );
    for view in &list.verifiers {
        if let Some(error) = &view.last_error {
            text.push_str(&format!("\n{}: {error}", view.index));
        }
    }
    text
}
