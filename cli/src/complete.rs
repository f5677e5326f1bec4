//! `fog completion`.

use std::process::ExitCode;

use clap::CommandFactory;

use crate::args::{Cli, CompletionArgs};

pub(crate) fn print(args: &CompletionArgs) -> anyhow::Result<ExitCode> {
    clap_complete::generate(args.shell, &mut Cli::command(), "fog", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}
