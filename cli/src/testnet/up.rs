//! `fog testnet up`: the chain alone.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use fog_testnet::toncenter::{Production, ServerConfig, spawn};
use serde::Serialize;

use crate::output::Output;

/// Longest time between two blocks where none is asked for.
const IDLE: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Where the API listens.
    #[arg(long, default_value = "127.0.0.1:7701", value_name = "ADDR")]
    listen: SocketAddr,
    /// Keep the chain here, so that it survives a restart [default: in memory].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A block every so often, as on TON (2s) [default: at once for every message].
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    block_time: Option<Duration>,
}

#[derive(Serialize)]
struct Banner {
    local_only: bool,
    url: String,
    endpoint: String,
}

pub(crate) async fn up(args: UpArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let production = match args.block_time {
        None | Some(Duration::ZERO) => Production::Instant { idle: IDLE },
        Some(period) => Production::Interval(period),
    };
    let config = ServerConfig {
        listen: args.listen,
        data: args.data,
        production,
        ..ServerConfig::default()
    };
    let (api, handle) = spawn(config).await?;
    let banner = Banner { local_only: true, url: api.url(), endpoint: api.json_rpc_url() };
    output.document(&banner, || {
        format!(
            "An embedded TON chain.  LOCAL ONLY.\n\nTonClient endpoint  {}\n\nCtrl-C stops it.",
            banner.endpoint
        )
    })?;
    crate::signal::ended().await?;
    output.note("stopping");
    handle.shutdown().await;
    Ok(ExitCode::SUCCESS)
}
