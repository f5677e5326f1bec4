//! `fog testnet replay`: does the embedded chain do what the reference did?

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use fog_tvm::replay::{Replay, ReplayError, Report, read_config};

use crate::output::failed;

/// Exit code where there is nothing to compare: a file that cannot be read, a line that is no
/// recording.
const MALFORMED: u8 = 2;

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The network configuration the recordings were made with: a BoC, raw or in base64.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Recordings, one JSON object a line: executor calls and get-methods.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Replays all files and prints one JSON document.
pub(crate) fn replay(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let report = match run(args) {
        Ok(report) => report,
        Err(error) => {
            writeln!(std::io::stderr().lock(), "error: {error}")?;
            return Ok(ExitCode::from(MALFORMED));
        }
    };
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &report)?;
    writeln!(out)?;
    Ok(if report.matched == report.total { ExitCode::SUCCESS } else { failed() })
}

fn run(args: &ReplayArgs) -> Result<Report, ReplayError> {
    let mut replay = Replay::new(read_config(&args.config)?)?;
    for file in &args.files {
        replay.file(file)?;
    }
    Ok(replay.into_report())
}
