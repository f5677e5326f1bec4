//! `fog demo`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use fog_harness::{
    Report, SettledBy,
    demo::{self, CircuitWork, DemoOptions, Progress as Step, ProofWork},
};
use fog_protocol::{Nano, PublicInput, RATE_ONE};

use crate::{
    args::DemoArgs,
    files,
    output::{Output, failed, table, usage},
    progress::Progress,
};

/// The Jargon File 4.4.7, public domain (see `data/README.md`).
const TEXT: &[u8] = include_bytes!("../data/jargon-4.4.7.txt");
const GUEST: &[u8] = include_bytes!("../guests/wordcount.wasm");
const ZKEY: &[u8] = include_bytes!("../circuits/preimage.zkey");
const WITNESS: &[u8] = include_bytes!("../circuits/preimage.wasm");
const KEY: &[u8] = include_bytes!("../circuits/verification_key.json");
const INPUT: &[u8] = include_bytes!("../circuits/input.json");

/// Largest text, and largest chunk of it: what a worker counts within its fuel.
const MAX_TEXT: u64 = 256 << 20;
const MAX_CHUNK: usize = 1_500_000;

pub(crate) async fn demo(args: DemoArgs, output: &Output) -> anyhow::Result<ExitCode> {
    if args.cheaters > args.workers {
        let (cheaters, workers) = (args.cheaters, args.workers);
        return Err(usage(format!("{cheaters} cheaters are more than {workers} workers")));
    }
    let text = match &args.input {
        Some(path) => files::read(path, MAX_TEXT)?,
        None => TEXT.to_vec(),
    };
    if text.is_empty() {
        return Err(usage("the input is empty: there is nothing to count"));
    }
    let chunk = text.len() / args.tasks as usize;
    if chunk > MAX_CHUNK {
        let tasks = text.len().div_ceil(MAX_CHUNK);
        let message = format!("chunks of {chunk} bytes are too large: use --tasks {tasks}");
        return Err(usage(message));
    }
    // Dropped, and with it deleted, at the end.
    let temporary = tempfile::Builder::new().prefix("fog-demo-").tempdir()?;
    let data = data_folder(&args, temporary.path())?;
    let options = DemoOptions {
        tasks: args.tasks,
        workers: args.workers,
        cheaters: args.cheaters,
        rate_ppm: (args.audit_rate * f64::from(RATE_ONE)).round() as u32,
        seed: args.seed,
        text,
        guest: GUEST.to_vec(),
        proof: proof_work()?,
        circuit: CircuitWork::score()?,
        data,
        program: std::env::current_exe().context("cannot find this program's own file")?,
    };
    let progress = Progress::new(output, u64::from(args.tasks));
    let watch = |step: Step| match step {
        Step::Line(line) => progress.line(&line),
        Step::Tasks(done, total) => progress.at(done, total, "tasks ended"),
    };
    let report = tokio::select! {
        report = demo::run(&options, &watch) => report?,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
    };
    progress.finish();
    output.document(&report, || text_report(&report))?;
    Ok(if report.ok { ExitCode::SUCCESS } else { failed() })
}

fn data_folder(args: &DemoArgs, temporary: &std::path::Path) -> anyhow::Result<PathBuf> {
    let Some(data) = &args.data else { return Ok(temporary.to_owned()) };
    std::fs::create_dir_all(data).with_context(|| format!("cannot create {}", data.display()))?;
    let empty = std::fs::read_dir(data)?.next().is_none();
    if !empty {
        let shown = data.display();
        let message =
            format!("{shown} is not empty: a demo starts from nothing, name a new folder");
        return Err(usage(message));
    }
    // Worker processes run elsewhere: give them a path that holds anywhere.
    Ok(data.canonicalize()?)
}

/// The circuit proves knowledge of a preimage; its public inputs are the binding and the digest.
fn proof_work() -> anyhow::Result<ProofWork> {
    let input: serde_json::Value = serde_json::from_slice(INPUT)?;
    let digest = input
        .get("digest")
        .and_then(serde_json::Value::as_str)
        .context("the circuit's input has no digest")?;
    Ok(ProofWork {
        zkey: ZKEY.to_vec(),
        witness: WITNESS.to_vec(),
        key: KEY.to_vec(),
        input: INPUT.to_vec(),
        publics: vec![PublicInput::Binding, PublicInput::Fixed(digest.to_owned())],
    })
}

fn short(text: &impl ToString) -> String {
    let text = text.to_string();
    let text = text.strip_prefix("0:").unwrap_or(&text);
    text.chars().take(8).collect()
}

fn text_report(report: &Report) -> String {
    let mut tasks =
        table(["TASK", "", "POLICY", "WORKER", "STATUS", "CHECKED", "PRICE", "TXS", "LAST TX"]);
    for task in &report.tasks {
        tasks.add_row([
            short(&task.id),
            task.label.clone(),
            task.policy.clone(),
            task.worker.as_ref().map(short).unwrap_or_default(),
            task.status.to_string(),
            match (task.settled_by, task.audited) {
                (SettledBy::Proof, _) => "on chain",
                (SettledBy::Verdict | SettledBy::Deadline, true) => "yes",
                (SettledBy::Verdict | SettledBy::Deadline, false) => "no",
            }
            .to_owned(),
            task.price_nano.to_string(),
            task.transactions.len().to_string(),
            task.transactions.last().map(short).unwrap_or_default(),
        ]);
    }
    let mut workers = table(["WORKER", "", "STAKE BEFORE", "STAKE AFTER", "EARNED", "SLASHED"]);
    for worker in &report.workers {
        workers.add_row([
            short(&worker.id),
            (if worker.honest { "honest" } else { "cheats" }).to_owned(),
            worker.stake_before_nano.to_string(),
            worker.stake_after_nano.to_string(),
            worker.earned_nano.to_string(),
            worker.slashed_nano.to_string(),
        ]);
    }
    let money = &report.money;
    let mut flow = table(["MONEY", ""]);
    for (name, nano) in [
        ("in", money.in_nano),
        ("paid to workers", money.paid_nano),
        ("back to wallets", money.refunded_nano),
        ("burned", money.burned_nano),
        ("fees (market, network)", money.fees_nano),
        ("held (stakes, rent)", money.held_nano),
    ] {
        flow.add_row([name.to_owned(), Nano::new(nano).to_string()]);
    }
    let verdict = if report.ok {
        "OK: every honest result was paid, every cheat that was checked was slashed, the unmet task \
         was refunded, and the money adds up."
            .to_owned()
    } else {
        format!("FAILED:\n  {}", report.failures.join("\n  "))
    };
    format!(
        "\n{tasks}\n\n{workers}\n\n{flow}\n\nresult  sha256 {}, {} the local recomputation\n\
         chain   {} blocks, {} transactions; seed {}\n\n{verdict}",
        report.result.sha256,
        if report.result.matches_local { "equal to" } else { "DIFFERENT from" },
        report.network.blocks,
        report.network.transactions,
        report.seed,
    )
}
