//! `fog testnet`: the embedded chain alone, and what its owner may do to it.

mod cheaters;
mod control;
mod replay;
mod scenario;
mod soak;
mod up;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::{output::Output, settings::Settings};

#[derive(Debug, Args)]
pub(crate) struct TestnetArgs {
    #[command(subcommand)]
    command: TestnetCommand,
}

/// One variant a command; each command's arguments and doing lie in a file of its own.
#[derive(Debug, Subcommand)]
enum TestnetCommand {
    /// Run the embedded chain alone, with its toncenter API and funded wallets. LOCAL ONLY.
    Up(up::UpArgs),
    /// Send money from the running chain's faucet.
    Fund(control::FundArgs),
    /// Make blocks now.
    Mine(control::MineArgs),
    /// Move the chain's clock forward.
    Warp(control::WarpArgs),
    /// Keep the whole state of the running chain under a name.
    Checkpoint(control::NamedArgs),
    /// Go back to a checkpoint. What came after it is gone; other checkpoints stay.
    Restore(control::NamedArgs),
    /// List the checkpoints.
    Checkpoints(control::PlainArgs),
    /// Drop a checkpoint.
    Forget(control::NamedArgs),
    /// Show where the running chain stands.
    Status(control::PlainArgs),
    /// Replay recordings of the reference machine: equal transactions, accounts, get-methods?
    Replay(replay::ReplayArgs),
    /// Run scenarios: who joins, what fails when, and what must hold at the end.
    Scenario(scenario::ScenarioArgs),
    /// Sustained load on a whole network, with faults; then, do database and chain agree?
    Soak(soak::SoakArgs),
    /// What each kind of cheating brings: drawn as often as the rate says, slashed, at a loss?
    Cheaters(cheaters::CheatersArgs),
    /// Kill a node with many open tasks and measure how long it takes to be ready again.
    Recovery(soak::RecoveryArgs),
}

pub(crate) async fn testnet(
    args: TestnetArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    match args.command {
        TestnetCommand::Up(args) => up::up(args, output).await,
        TestnetCommand::Replay(args) => replay::replay(&args),
        TestnetCommand::Soak(args) => soak::soak(args, output).await,
        TestnetCommand::Cheaters(args) => cheaters::cheaters(args, output).await,
        TestnetCommand::Recovery(args) => soak::recovery(args, output).await,
        TestnetCommand::Fund(args) => control::fund(args, settings, output).await,
        TestnetCommand::Mine(args) => control::mine(args, settings, output).await,
        TestnetCommand::Warp(args) => control::warp(args, settings, output).await,
        TestnetCommand::Checkpoint(args) => control::checkpoint(args, settings, output).await,
        TestnetCommand::Restore(args) => control::restore(args, settings, output).await,
        TestnetCommand::Checkpoints(args) => control::checkpoints(args, settings, output).await,
        TestnetCommand::Forget(args) => control::forget(args, settings, output).await,
        TestnetCommand::Status(args) => control::status(args, settings, output).await,
        TestnetCommand::Scenario(args) => scenario::scenario(args, output).await,
    }
}
