//! `fog`: the one binary. Parses, dispatches, prints; decides nothing.

mod account;
mod args;
mod audit;
mod bond;
mod chain;
mod challenge;
mod circuit;
mod complete;
mod contract;
mod cover;
mod demo;
mod dev;
mod doctor;
mod escrow;
mod evidence;
mod files;
mod jetton;
mod keys;
mod market;
mod node;
mod output;
mod progress;
mod proof;
mod receipt;
mod run;
mod secrets;
mod settings;
mod signal;
mod signed;
mod slashes;
mod stake;
mod strategy;
mod task;
mod testnet;
mod verifier;
mod wallet;
mod worker;

use std::{io::IsTerminal as _, process::ExitCode};

use args::{Cli, Command};
use clap::Parser;
use output::Output;

/// First argument of the process that runs guests. It is not a subcommand of the parser: nothing
/// of the shell (configuration, keys, logging) exists in that process.
const SANDBOX: &str = "__sandbox";

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == SANDBOX) {
        return fog_verifier::sandbox::process::child_main();
    }
    let cli = Cli::parse();
    start_logging(cli.verbose);
    let output = Output::new(cli.json);
    match dispatch(cli, &output) {
        Ok(code) => code,
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.downcast_ref::<output::ExitWith>().map_or(1, |exit| exit.code))
        }
    }
}

fn dispatch(cli: Cli, output: &Output) -> anyhow::Result<ExitCode> {
    let settings = settings::Settings::load(&cli.global)?;
    match cli.command {
        Command::Run(args) => run::run(&args, output),
        Command::Verify(args) => block_on(evidence::verify(args, &settings, output)),
        Command::Audit(args) => block_on(audit::audit(args, &settings, output)),
        Command::Proof(args) => proof::proof(&args, output),
        Command::Circuit(args) => circuit::circuit(args, &settings, output),
        Command::Completion(args) => complete::print(&args),
        Command::Node(args) => block_on(node::node(args, &settings, output)),
        Command::Bond(args) => block_on(bond::bond(args, &settings, output)),
        Command::Account(args) => block_on(account::account(args, &settings, output)),
        Command::Wallet(args) => block_on(wallet::wallet(args, &settings, output)),
        Command::Market(args) => block_on(market::market(args, &settings, output)),
        Command::Contract(args) => block_on(contract::contract(args, &settings, output)),
        Command::Doctor(args) => block_on(doctor::doctor(args, &settings, output)),
        Command::Task(args) => block_on(task::task(args, &settings, output)),
        Command::Worker(args) => block_on(worker::worker(args, &settings, output)),
        Command::Verifier(args) => block_on(verifier::verifier(args, &settings, output)),
        Command::Stake(args) => block_on(stake::stake(args, &settings, output)),
        Command::Slashes(args) => block_on(slashes::slashes(args, &settings, output)),
        Command::Demo(args) => block_on(demo::demo(args, output)),
        Command::Dev(args) => block_on(dev::dev(args, output)),
        Command::Testnet(args) => block_on(testnet::testnet(args, &settings, output)),
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    result
}

fn start_logging(verbose: u8) {
    use tracing_subscriber::EnvFilter;
    let level = match verbose {
        0 => "error",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("FOG_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    // Colours are for people who look, not for files (https://no-color.org).
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(std::io::stderr)
        .init();
}
