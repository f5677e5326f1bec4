//! `fog doctor`.

use std::{path::PathBuf, process::ExitCode, time::SystemTime};

use fog_chain::{ApiKey, ChainConfig};
use fog_doctor::{Report, StakeCheck, Status, Subject, examine};
use fog_wallet::{Password, TESTNET};

use crate::{
    args::DoctorArgs,
    chain,
    output::{Output, failed},
    settings::Settings,
};

pub(crate) async fn doctor(
    args: DoctorArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let report = examine(&subject(args, settings)?).await;
    output.document(&report, || text(&report))?;
    Ok(if report.ok { ExitCode::SUCCESS } else { failed() })
}

fn subject(args: DoctorArgs, settings: &Settings) -> anyhow::Result<Subject> {
    let network = args.network.unwrap_or(TESTNET);
    let gateway = |endpoint: String, key: Option<&String>| {
        let config = ChainConfig::new(endpoint, network).with_confirmations(settings.confirmations);
        match key {
            Some(key) => config.with_api_key(ApiKey::new(key.clone())),
            None => config,
        }
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let mut files: Vec<PathBuf> = Settings::files();
    files.extend(args.config);
    Ok(Subject {
        chain: gateway(chain::endpoint(settings), settings.chain_api_key.as_ref()),
        witness: chain::witness(settings)
            .map(|endpoint| gateway(endpoint, settings.witness_api_key.as_ref())),
        keys: settings.keys.clone(),
        wallet: settings.wallet.clone(),
        // Never asked for: what needs it is told to be unchecked.
        password: settings.known_password()?.map(|text| Password::new(text.to_string())),
        market: args.market.or(settings.market),
        node: (!args.no_node).then(|| settings.node.clone()),
        settings: files,
        verifier: args.operator.then_some(args.verifier),
        stake: if args.worker { StakeCheck::Required } else { StakeCheck::Optional },
        tasks: args.tasks,
        price: args.price,
        now,
    })
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for check in &report.checks {
        let mark = match check.status {
            Status::Pass => "ok  ",
            Status::Warn => "WARN",
            Status::Fail => "FAIL",
            Status::Skip => "-   ",
        };
        text.push_str(&format!("{mark}  {:14} {}\n", check.name, check.found));
        if let Some(cure) = &check.cure {
            text.push_str(&format!("      {:14} cure: {cure}\n", ""));
        }
    }
    text.push_str(if report.ok { "\nnothing stands in the way" } else { "\nnot ready" });
    text
}
