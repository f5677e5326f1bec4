//! What the owner of a running embedded chain tells it: over HTTP, from other terminals.

use std::{
    process::ExitCode,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::Context;
use clap::Args;
use fog_protocol::{Address, Nano};
use fog_testnet::chain::CheckpointName;
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

/// A command without arguments.
#[derive(Debug, Args)]
pub(crate) struct PlainArgs {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct NamedArgs {
    #[command(flatten)]
    target: Target,
    /// The checkpoint: letters, digits, '-', '_' and '.'.
    name: CheckpointName,
}

#[derive(Debug, Args)]
pub(crate) struct WarpArgs {
    #[command(flatten)]
    target: Target,
    /// How far: 90s, 36h, 10years; whole seconds.
    #[arg(value_parser = whole_seconds)]
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
    output.document(&answer, || format!("{} has {} more", args.address, args.amount))?;
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

pub(crate) async fn status(
    args: PlainArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let answer = args.target.call(settings, "status", json!({})).await?;
    output.document(&answer, || {
        format!(
            "{}\n{} transactions, {} messages wait\nfaucet {}",
            tip(&answer),
            answer["transactions"],
            answer["backlog"],
            text(&answer["faucet"])
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn checkpoint(
    args: NamedArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let parameters = json!({ "name": args.name.as_str() });
    let answer = args.target.call(settings, "checkpoint", parameters).await?;
    output.document(&answer, || format!("kept {}", line(&answer)))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn checkpoints(
    args: PlainArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let answer = args.target.call(settings, "checkpoints", json!({})).await?;
    output.document(&answer, || match answer.as_array() {
        Some(all) if !all.is_empty() => all.iter().map(|one| line(one) + "\n").collect(),
        _ => "no checkpoints".to_owned(),
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn restore(
    args: NamedArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let parameters = json!({ "name": args.name.as_str() });
    let answer = args.target.call(settings, "restore", parameters).await?;
    output.document(&answer, || {
        format!(
            "{} is restored: {}\nA node or worker that saw what came after it must start over \
             with the data it had then.",
            args.name,
            tip(&answer)
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn forget(
    args: NamedArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let parameters = json!({ "name": args.name.as_str() });
    let answer = args.target.call(settings, "forget", parameters).await?;
    output.document(&answer, || format!("{} is forgotten", args.name))?;
    Ok(ExitCode::SUCCESS)
}

/// Where the chain stands, for people.
fn tip(status: &Value) -> String {
    format!("block {} at {}", status["seqno"], moment(&status["gen_utime"]))
}

/// A checkpoint, for people.
fn line(checkpoint: &Value) -> String {
    format!(
        "{}: block {} at {}, state {}",
        text(&checkpoint["name"]),
        checkpoint["seqno"],
        moment(&checkpoint["gen_utime"]),
        text(&checkpoint["state_hash"])
    )
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

/// Chain time, for people.
fn moment(seconds: &Value) -> String {
    let since = Duration::from_secs(seconds.as_u64().unwrap_or_default());
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

/// A time the chain can move by: it counts whole seconds.
fn whole_seconds(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.subsec_nanos() == 0 && !duration.is_zero() {
        Ok(duration)
    } else {
        Err("the chain counts whole seconds, from 1s on".to_owned())
    }
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
            format!("{base} is no embedded chain (it answers {status}): no other takes orders")
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
