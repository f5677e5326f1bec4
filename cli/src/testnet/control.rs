//! What the owner of a running embedded chain tells it: over HTTP, from other terminals.

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use fog_protocol::{Address, Nano};
use serde_json::{Value, json};

use crate::{
    output::{Output, exit_with},
    settings::Settings,
};

/// A long warp or many blocks take their time; a chain that hangs is told apart.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Which chain is meant.
#[derive(Debug, Args)]
struct Target {
    /// The chain's URL [default: the chain of the settings, http://127.0.0.1:7701].
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct FundArgs {
    #[command(flatten)]
    target: Target,
    /// To whom, in any form.
    address: Address,
    /// How much: 10, 10GRAM, 1500000000n.
    amount: Nano,
}

#[derive(Debug, Args)]
pub(crate) struct MineArgs {
    #[command(flatten)]
    target: Target,
    /// How many blocks.
    #[arg(default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    blocks: u32,
}

#[derive(Debug, Args)]
pub(crate) struct WarpArgs {
    #[command(flatten)]
    target: Target,
    /// How far: 90s, 36h, 10years.
    #[arg(value_parser = humantime::parse_duration)]
    duration: Duration,
}

pub(crate) async fn fund(
    args: FundArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let parameters =
        json!({ "address": args.address.to_string(), "amount": args.amount.get().to_string() });
    let answer = args.target.call(settings, "fund", parameters).await?;
    let text = || format!("{} has {} more", args.address, args.amount);
    output.document(&answer, text)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn mine(
    args: MineArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let answer = args.target.call(settings, "mine", json!({ "blocks": args.blocks })).await?;
    output.document(&answer, || tip(&answer))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn warp(
    args: WarpArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let seconds = args.duration.as_secs();
    let answer = args.target.call(settings, "warp", json!({ "seconds": seconds })).await?;
    output.document(&answer, || tip(&answer))?;
    Ok(ExitCode::SUCCESS)
}

/// Where the chain stands, for people.
fn tip(status: &Value) -> String {
    format!("block {} at {}", status["seqno"], status["gen_utime"])
}

impl Target {
    /// Posts to a control route and returns its result.
    async fn call(
        &self,
        settings: &Settings,
        action: &str,
        parameters: Value,
    ) -> anyhow::Result<Value> {
        let base = self.url.as_deref().unwrap_or(&settings.chain).trim_end_matches('/');
        let base = base.trim_end_matches("/jsonRPC").trim_end_matches("/api/v2");
        // The chain is on this machine: a proxy of the environment has no business here.
        let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        let url = format!("{base}/control/{action}");
        let response = client.post(&url).json(&parameters).send().await.map_err(|error| {
            if error.is_connect() {
                exit_with(
                    1,
                    format!(
                        "no chain listens at {base}: start one with `fog testnet up` or \
                         `fog dev`, or name another with --url"
                    ),
                )
            } else {
                anyhow::Error::new(error).context(format!("{url} does not answer"))
            }
        })?;
        let status = response.status();
        let body: Value = response.json().await.with_context(|| {
            format!("{base} answers {status} in a way no embedded chain does: only those can be told what to do")
        })?;
        match (body.get("ok"), body.get("result"), body.get("error")) {
            (Some(Value::Bool(true)), Some(result), _) => Ok(result.clone()),
            (_, _, Some(Value::String(message))) => {
                Err(exit_with(if status.is_client_error() { 2 } else { 1 }, message.clone()))
            }
            _ => Err(exit_with(1, format!("{base} is no embedded chain: it answers {status}"))),
        }
    }
}
