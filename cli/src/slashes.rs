//! `fog slashes`: what stakers watch.

use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Subcommand};
use fog_chain::ChainClient;
use fog_protocol::Address;
use fog_staker::{Reason, SlashEvent, StakerError, Watcher};

use crate::{
    chain, market,
    output::{Output, exit_with},
    settings::Settings,
    signal::Ending,
};

/// Longest pause between two tries while the chain does not answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(crate) struct SlashesArgs {
    /// The market [default: the settings' `market`, else the one the node works in].
    #[arg(long, global = true, value_name = "ADDRESS")]
    market: Option<Address>,
    #[command(subcommand)]
    command: SlashesCommand,
}

#[derive(Debug, Subcommand)]
enum SlashesCommand {
    /// Each slash as it becomes final, oldest first; one JSON object a line when piped.
    Watch {
        /// Only what came after this logical time: the `lt` of the last one you have.
        #[arg(long, value_name = "LT", default_value_t = 0)]
        from: u64,
        /// End when everything up to now is told.
        #[arg(long)]
        once: bool,
    },
    /// One slash.
    Show {
        /// Its transaction's hash, or the task's id, or the task's contract.
        id: String,
    },
}

pub(crate) async fn slashes(
    args: SlashesArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let market = market::address(args.market, settings).await?;
    let chain = chain::connect(settings)?;
    let second = chain::connect_witness(settings)?;
    match args.command {
        SlashesCommand::Watch { from, once } => {
            let watcher = Watcher::new(chain.clone(), second, market, from);
            let until = if once { Until::CaughtUp } else { Until::Stopped };
            watch(watcher, &chain, until, output).await
        }
        SlashesCommand::Show { id } => {
            show(Watcher::new(chain, second, market, 0), &id, output).await
        }
    }
}

/// When watching ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    CaughtUp,
    Stopped,
}

async fn watch(
    mut watcher: Watcher,
    chain: &ChainClient,
    until: Until,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let lines = output.is_json() || !std::io::stdout().is_terminal();
    let ending = Ending::listen()?;
    let poll = chain.config().poll_interval;
    let mut pause = poll;
    let work = async {
        loop {
            match watcher.round().await {
                Ok(events) => {
                    if pause > poll {
                        output.note("the chain answers again");
                    }
                    pause = poll;
                    if tell(&events, lines)? == Reader::Gone {
                        return Ok(());
                    }
                    if until == Until::CaughtUp && watcher.is_caught_up() {
                        warn_of_foreign(&watcher, output);
                        return Ok(());
                    }
                }
                Err(StakerError::Chain(error)) if error.may_be_answered_better() => {
                    if pause == poll {
                        output.note(&format!("the chain does not answer, trying on: {error}"));
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(error) => return Err(anyhow::Error::from(error)),
            }
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        done = work => done?,
        () = ending.come() => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn warn_of_foreign(watcher: &Watcher, output: &Output) {
    if watcher.foreign_configs() > 0 {
        output.note(
            "this market was also set up with contracts of another version: slashes of stakes \
             under those are not among these",
        );
    }
}

/// Whether anybody still reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    There,
    Gone,
}

/// Prints them, those of one logical time in one write: who goes on from there misses none.
fn tell(events: &[SlashEvent], lines: bool) -> anyhow::Result<Reader> {
    for together in events.chunk_by(|one, next| one.lt == next.lt) {
        let mut text = String::new();
        for event in together {
            text.push_str(&if lines { serde_json::to_string(event)? } else { line(event) });
            text.push('\n');
        }
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                return Ok(Reader::Gone);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Reader::There)
}

fn line(event: &SlashEvent) -> String {
    let at = std::time::UNIX_EPOCH + Duration::from_secs(event.time.into());
    let why = match event.reason {
        Reason::Verdict => "wrong result",
        Reason::Late => "late",
    };
    format!(
        "{}  {}  {} ({} delegated)  {why}  {}",
        humantime::format_rfc3339_seconds(at),
        event.worker,
        event.amount_nano,
        event.delegated_nano,
        event.id,
    )
}

async fn show(mut watcher: Watcher, id: &str, output: &Output) -> anyhow::Result<ExitCode> {
    let mut found = None;
    while found.is_none() && !watcher.is_caught_up() {
        let events = watcher.round().await?;
        found = events.into_iter().find(|event| is_meant(event, id));
    }
    let Some(event) = found else {
        return Err(exit_with(1, format!("no slash {id}: `fog slashes watch --once` lists all")));
    };
    output.document(&event, || described(&event))?;
    Ok(ExitCode::SUCCESS)
}

fn is_meant(event: &SlashEvent, id: &str) -> bool {
    let id = id.trim().to_ascii_lowercase();
    let contract = event.task_contract;
    event.id.to_string() == id
        || event.task.is_some_and(|task| task.to_string() == id)
        || contract.hash.to_string() == id
        || id.parse::<Address>().is_ok_and(|address| address == contract)
}

fn described(event: &SlashEvent) -> String {
    let task = event.task.map_or_else(|| "-".to_owned(), |task| task.to_string());
    let (reason, evidence) = match event.reason {
        Reason::Verdict => (
            "the result was wrong",
            format!("{0} (fog task evidence --hash {0} --out FILE)", event.evidence),
        ),
        Reason::Late => ("no commitment came in time", "-".to_owned()),
    };
    format!(
        "slash      {}\nlt         {}\ntime       {}\nworker     {}\nstake      {}\ntask       {task}\n\
         contract   {}\nwhy        {reason}\nevidence   {evidence}\namount     {}\n  own        {}\n  \
         delegated  {}\nto requestor {}\nburned     {}",
        event.id,
        event.lt,
        event.time,
        event.worker,
        event.stake,
        event.task_contract,
        event.amount_nano,
        event.own_nano,
        event.delegated_nano,
        event.requestor_nano,
        event.burned_nano,
    )
}
