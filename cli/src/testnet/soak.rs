//! `fog testnet soak`: sustained load with faults.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use clap::Args;
use fog_harness::{
    Behaviour,
    soak::{self, Fault, Latency, Say, SoakError, SoakOptions, SoakReport, Usage, Watched},
};
use fog_protocol::{Nano, RATE_ONE};

use crate::{
    output::{Output, failed, table, usage},
    progress::Progress,
};

pub(super) const GUEST: &[u8] = include_bytes!("../../guests/wordcount.wasm");
/// Different inputs of the tasks.
const INPUTS: usize = 64;
/// Among the faults: some workers cheat.
const CHEATERS: &str = "cheaters";
/// Tasks a second one worker is counted on for: its stake holds 64 at once.
const RATE_PER_WORKER: f64 = 12.0;
const LEAST_WORKERS: u32 = 4;
const MOST_WORKERS: u32 = 64;

#[derive(Debug, Args)]
pub(crate) struct SoakArgs {
    /// Tasks posted a second, whatever comes back.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    tasks_per_second: f64,
    /// For how long: 60s, 10m.
    #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Worker processes, cheaters included [default: one for 12 tasks a second, at least 4].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_WORKERS)))]
    workers: Option<u32>,
    /// Same seed, same tasks, and the same order of faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What goes wrong: `none`, `all`, or a list of node, worker, chain-drop, chain-delay,
    /// chain-limit, verifier (three in processes of their own), disk (node and a worker can write
    /// nothing), frames (connections of workers break), cheaters.
    #[arg(long, default_value = "all", value_name = "LIST")]
    faults: String,
    /// Share of results that is checked, 0.001 to 1; new workers are checked more.
    #[arg(long, default_value_t = 0.05, value_parser = crate::args::rate)]
    audit_rate: f64,
    /// Keep the network's files here instead of a temporary folder.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if (0.1..=10_000.0).contains(&rate) {
        Ok(rate)
    } else {
        Err("must be between 0.1 and 10000 tasks a second".to_owned())
    }
}

/// What `--faults` lists: what goes wrong, and whether some workers cheat.
pub(super) fn faults(list: &str) -> anyhow::Result<(Vec<Fault>, bool)> {
    match list {
        "none" => Ok((Vec::new(), false)),
        "all" => Ok((Fault::ALL.to_vec(), true)),
        list => {
            let names = || list.split(',').map(str::trim);
            let faults = names().filter(|name| *name != CHEATERS);
            let faults = faults.map(|name| name.parse().map_err(|error| usage(format!("{error}"))));
            Ok((faults.collect::<Result<_, _>>()?, names().any(|name| name == CHEATERS)))
        }
    }
}

/// Shows what a run says of itself, until it ends or is interrupted.
pub(super) async fn watched<T>(
    output: &Output,
    run: impl AsyncFnOnce(Say) -> Result<T, SoakError>,
) -> anyhow::Result<T> {
    let progress = Arc::new(Progress::new(output, 0));
    let say = {
        let progress = Arc::clone(&progress);
        Arc::new(move |line: String| progress.line(&line))
    };
    let report = tokio::select! {
        report = run(say) => report?,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
    };
    progress.finish();
    Ok(report)
}

pub(crate) async fn soak(args: SoakArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let wanted = (args.tasks_per_second / RATE_PER_WORKER).ceil() as u32;
    let temporary = tempfile::Builder::new().prefix("fog-soak-").tempdir()?;
    let data = match &args.data {
        Some(data) => crate::files::empty_folder(data)?,
        None => temporary.path().to_owned(),
    };
    let workers = args.workers.unwrap_or(wanted.clamp(LEAST_WORKERS, MOST_WORKERS));
    let (faults, cheat) = faults(&args.faults)?;
    let cheaters = if cheat { workers.div_ceil(8) } else { 0 };
    let options = SoakOptions {
        rate: args.tasks_per_second,
        seconds: args.duration,
        workers,
        rate_ppm: (args.audit_rate * f64::from(RATE_ONE)).round() as u32,
        seed: args.seed,
        cheaters: vec![Behaviour::WrongResults; cheaters as usize],
        faults,
        watched: Watched::SOAK,
        inputs: INPUTS,
        guest: GUEST.to_vec(),
        data,
        program: std::env::current_exe().context("cannot find this program's own file")?,
    };
    let report = watched(output, |say| soak::run(options, say)).await?;
    output.document(&report, || text_report(&report))?;
    Ok(if report.ok { ExitCode::SUCCESS } else { failed() })
}

#[derive(Debug, Args)]
pub(crate) struct RecoveryArgs {
    /// Open tasks.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    tasks: u32,
    /// Seed of keys and tasks.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Tasks a second they are posted at.
const OPENING_RATE: f64 = 500.0;

pub(crate) async fn recovery(args: RecoveryArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let temporary = tempfile::Builder::new().prefix("fog-recovery-").tempdir()?;
    let options = SoakOptions {
        rate: OPENING_RATE,
        seconds: Duration::from_secs_f64(f64::from(args.tasks) / OPENING_RATE),
        workers: 0,
        rate_ppm: RATE_ONE / 20,
        seed: args.seed,
        faults: Vec::new(),
        cheaters: Vec::new(),
        watched: Watched::SOAK,
        inputs: INPUTS,
        guest: GUEST.to_vec(),
        data: temporary.path().to_owned(),
        program: std::env::current_exe().context("cannot find this program's own file")?,
    };
    let report = watched(output, |say| soak::recovery(options, say)).await?;
    output.document(&report, || {
        format!(
            "{} open tasks, database {}: answers after {} ms, ready after {} ms (promised: {} ms); \
             {} open tasks after the restart",
            report.tasks,
            mebibytes(report.database_bytes),
            report.answers_ms,
            report.ready_ms,
            report.promise_ms,
            report.tasks_after,
        )
    })?;
    Ok(if report.ok { ExitCode::SUCCESS } else { failed() })
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn latency(latency: &Latency) -> String {
    format!(
        "p50 {} ms, p95 {} ms, p99 {} ms, worst {} ms",
        latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.max_ms
    )
}

fn text_report(report: &SoakReport) -> String {
    let mut used =
        table(["", "START", "END", "PEAK", "A MINUTE", "DRIFT", "DESCRIPTORS", "CPU A TASK"]);
    for (name, usage) in [
        ("node", &report.node),
        ("workers", &report.workers),
        ("chain and load", &report.chain_and_load),
    ] {
        used.add_row(usage_row(name, usage, report.posted));
    }
    let faults: Vec<_> = report
        .faults
        .iter()
        .map(|fault| format!("{} at {:.0} s", fault.fault.name(), fault.at_seconds))
        .collect();
    let (ends, agreement, disk) = (&report.ends, &report.agreement, &report.disk);
    let verdict = if report.ok {
        format!(
            "OK: database and chain agree on all {} tasks, every nanogram is accounted for, and \
             memory and descriptors are bounded.",
            agreement.tasks
        )
    } else {
        let differences = agreement.differences.iter().chain(&report.failures);
        let lines: Vec<_> = differences.map(String::as_str).collect();
        format!("FAILED:\n  {}", lines.join("\n  "))
    };
    format!(
        "\nrate      {} tasks a second asked for, {} posted, {} ended; {} tasks in {} s\n\
         assigned  {}\npaid      {}\n\
         ends      {} paid, {} slashed, {} refunded, {} late; {} posts sent again, {} warps\n\
         faults    {}\n\
         disk      database {}, node {}, chain {}, workers {}\n\
         chain     {} blocks, {} transactions; seed {}\n\
         money     in {}, paid {}, back {}, burned {}, fees {}, held {}\n\n{used}\n\n\
         shared    {}\n\n{verdict}",
        report.asked_rate,
        report.posted_rate,
        report.ended_rate,
        report.posted,
        report.seconds,
        latency(&report.post_to_assigned),
        latency(&report.post_to_paid),
        ends.paid,
        ends.slashed,
        ends.refunded,
        ends.late,
        report.post_retries,
        report.warps,
        if faults.is_empty() { "none".to_owned() } else { faults.join(", ") },
        mebibytes(disk.database_bytes),
        mebibytes(disk.node_bytes),
        mebibytes(disk.chain_bytes),
        mebibytes(disk.workers_bytes),
        report.network.blocks,
        report.network.transactions,
        report.seed,
        Nano::new(agreement.money.in_nano),
        Nano::new(agreement.money.paid_nano),
        Nano::new(agreement.money.refunded_nano),
        Nano::new(agreement.money.burned_nano),
        Nano::new(agreement.money.fees_nano),
        Nano::new(agreement.money.held_nano),
        report.shared.join("\n          "),
    )
}

fn usage_row(name: &str, usage: &Usage, tasks: u64) -> [String; 8] {
    let (before, after) = (usage.start_descriptors, usage.end_descriptors);
    [
        name.to_owned(),
        mebibytes(usage.start_bytes),
        mebibytes(usage.end_bytes),
        mebibytes(usage.peak_bytes),
        format!("{:+.1} MiB", usage.slope_bytes_per_minute as f64 / f64::from(1 << 20)),
        format!("{:+.1} %", usage.drift_percent),
        format!("{before} to {after}, peak {}", usage.peak_descriptors),
        format!("{:.1} ms", usage.cpu_seconds * 1000.0 / tasks.max(1) as f64),
    ]
}
