//! `fog node`: a node of its own, against any chain that speaks toncenter v2.

use std::{path::Path, process::ExitCode};

use anyhow::Context;
use figment::{
    Figment,
    providers::{Format, Serialized, Toml},
};
use fog_node::{Epochs, Node, NodeConfig, NodeKeys, TrustedConfig};
use fog_protocol::{HashParseError, RATE_ONE, SecretKey};
use fog_wallet::{Keystore, Password, SecretKind};
use serde::Serialize;

use crate::{
    args::NodeArgs,
    chain, keys,
    output::Output,
    secrets::{self, refuse_local},
    settings::{Asked, Settings},
};

#[derive(Serialize)]
struct Up {
    url: String,
    node: fog_protocol::Hash32,
    operator: fog_protocol::Address,
}

pub(crate) async fn node(
    args: NodeArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let config = config(&args, settings)?;
    let keystore = keys::open(settings)?;
    let name = keys::wallet_name(settings, &keystore)?;
    let chain = chain::connect(settings)?;
    refuse_local(&[keystore.info(&name)?], &chain).await?;
    let password = keys::password(settings, Asked::Known)?;
    let operator = keystore.unlock(&name, &password)?.key;
    let mut verifiers = Vec::new();
    let has_key = keystore.list()?.iter().any(|entry| entry.name == args.verifier);
    if has_key || config.verifiers.is_empty() {
        let verifier = verifier_key(&keystore, &args.verifier, &password)?;
        refuse_local(&[keystore.info(&args.verifier)?], &chain).await?;
        output.note(&format!("verifier key {} ({})", args.verifier, verifier.public()));
        verifiers.push(verifier);
    }
    let keys = NodeKeys { operator, verifiers, epoch_seed: None };
    let handle = Node::start(config, keys).await?;
    let up = Up { url: handle.url(), node: handle.id(), operator: handle.operator() };
    output.document(&up, || {
        format!("node {} listens on {}\noperator wallet {}", up.node, up.url, up.operator)
    })?;
    let stop = handle.stop_token();
    tokio::spawn(async move {
        if crate::signal::ended().await.is_ok() {
            stop.cancel();
        }
    });
    handle.join().await?;
    Ok(ExitCode::SUCCESS)
}

/// Flags over the file over the defaults.
fn config(args: &NodeArgs, settings: &Settings) -> anyhow::Result<NodeConfig> {
    let mut figment = Figment::from(Serialized::defaults(NodeConfig::default()));
    if let Some(file) = &args.config {
        anyhow::ensure!(Path::new(file).exists(), "{} does not exist", file.display());
        secrets::refuse_inline(&file.display().to_string(), &Toml::file(file))?;
        figment = figment.merge(Toml::file(file));
    }
    let mut config: NodeConfig = figment.extract().context("the node's configuration is wrong")?;
    config.chain.endpoint = chain::endpoint(settings);
    config.chain.api_key = settings.chain_api_key.clone().or(config.chain.api_key);
    config.chain.confirmations = settings.confirmations.or(config.chain.confirmations);
    config.chain.witness = chain::witness(settings).or(config.chain.witness);
    config.chain.witness_api_key =
        settings.witness_api_key.clone().or(config.chain.witness_api_key);
    config.runner.args = vec!["__sandbox".to_owned()];
    if let Some(listen) = args.listen {
        config.listen = listen;
    }
    if let Some(data) = &args.data {
        config.data_dir.clone_from(data);
    }
    if let Some(pledge) = args.pledge {
        config.rail.pledge = pledge;
    }
    if let Some(market) = args.market.or(settings.market) {
        config.market = market;
    }
    if args.new_epochs {
        config.epochs = Epochs::Anew;
    }
    config.jettons.extend(&args.jettons);
    if let Some(least) = args.claim_from {
        config.claim_from = least;
    }
    config.trusted.extend_from_slice(&args.trusted);
    Ok(config)
}

/// Reads `KEY=SHARE`, or `KEY` alone.
pub(crate) fn trusted(text: &str) -> Result<TrustedConfig, String> {
    let (key, share) = text.split_once('=').map_or((text, None), |(key, share)| (key, Some(share)));
    let key = key.parse().map_err(|error: HashParseError| error.to_string())?;
    let mut trusted = TrustedConfig::new(key);
    if let Some(share) = share {
        let share: f64 = share.parse().map_err(|_| "SHARE is a number from 0.1 to 1")?;
        if !(0.1..=1.0).contains(&share) {
            return Err("SHARE is a number from 0.1 to 1: some checks stay".to_owned());
        }
        trusted.factor_ppm = (share * f64::from(RATE_ONE)).round() as u32;
    }
    Ok(trusted)
}

/// A verifier's key from the keystore; made and stored, encrypted, when first needed.
fn verifier_key(keystore: &Keystore, name: &str, password: &Password) -> anyhow::Result<SecretKey> {
    keys::secret_key(keystore, name, SecretKind::VerifierKey, password)
}
