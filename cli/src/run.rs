//! `fog run`: a module exactly as a worker would run it, and what goes before and after the tasks
//! of a larger job: a component's `split` and `merge`.

use std::{path::Path, process::ExitCode};

use anyhow::Context;
use fog_protocol::{Hash32, tagged_hash};
use fog_verifier::sandbox::{
    Call, Exit, Job, Limits, Outcome, Refusal, pack,
    process::{RunnerConfig, RunnerPool},
    unpack,
};
use serde::Serialize;

use crate::{args::RunArgs, files, output::Output};

/// A limit was hit, or the guest failed.
const GUEST_FAILED: u8 = 3;
/// The module was refused.
const REFUSED: u8 = 4;

#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Report {
    Success(Ran),
    GuestFailed {
        code: u32,
        #[serde(flatten)]
        ran: Ran,
    },
    Trapped {
        trap: String,
        #[serde(flatten)]
        ran: Ran,
    },
    LimitHit {
        limit: String,
        /// How far it got, or what it asked for when it was stopped.
        reached: u64,
        allowed: u64,
        unit: &'static str,
        #[serde(flatten)]
        ran: Ran,
    },
    Refused {
        code: String,
        cause: String,
        cure: String,
    },
}

#[derive(Serialize)]
struct Ran {
    output_hash: Hash32,
    output_bytes: usize,
    /// Files that `split` gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<usize>,
    fuel_used: u64,
    memory_bytes: u64,
    stderr: String,
}

pub(crate) fn run(args: &RunArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let limits = Limits::for_listing(&args.limits.limits());
    // Read one byte more than is accepted: the sandbox then refuses with its own words.
    let module = files::read(&args.module, limits.module_bytes + 1)?;
    let (call, input) = match (args.split, args.merge) {
        (None, true) => match outputs(&args.input, limits.input_bytes)? {
            Ok(packed) => (Call::Merge, packed),
            Err(refusal) => return refused(&refusal, output),
        },
        (parts, _) => {
            let call = parts.map_or(Call::Execute, |parts| Call::Split { parts });
            (call, files::read(&args.input, limits.input_bytes + 1)?)
        }
    };
    let mut config = RunnerConfig::current_exe().context("cannot find this program's own file")?;
    config.children = 1;
    config.max_limits = Limits {
        fuel: config.max_limits.fuel.max(limits.fuel),
        memory_bytes: config.max_limits.memory_bytes.max(limits.memory_bytes),
        ..config.max_limits
    };
    config.run_memory = config.run_memory.max(limits.memory_bytes * 2 + (1 << 30));
    let pool = RunnerPool::start(config)?;
    let seed = tagged_hash("fog/run-seed/v1", &[&args.seed.to_le_bytes()]).0;
    match pool.run(&module, Job { limits, seed, call, ..Job::new(input) })? {
        Ok(outcome) => finish(outcome, args, output),
        Err(refusal) => refused(&refusal, output),
    }
}

fn finish(outcome: Outcome, args: &RunArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let good = outcome.exit == Exit::Success;
    let mut parts = None;
    if let Some(path) = &args.out
        && good
    {
        if args.split.is_some() {
            parts = Some(write_parts(path, &outcome.output)?);
        } else {
            files::write(path, &outcome.output)?;
        }
    }
    let ran = Ran {
        output_hash: Hash32(outcome.output_hash),
        output_bytes: outcome.output.len(),
        parts,
        fuel_used: outcome.fuel_used,
        memory_bytes: outcome.memory_bytes,
        stderr: String::from_utf8_lossy(&outcome.stderr_tail).into_owned(),
    };
    let facts = format!(
        "output {} bytes, sha256 {}\nfuel   {} of {}\nmemory {} bytes",
        ran.output_bytes, ran.output_hash, ran.fuel_used, args.limits.fuel, ran.memory_bytes
    );
    let line = outcome.exit.to_string();
    let report = match outcome.exit {
        Exit::Success => Report::Success(ran),
        Exit::GuestFailed { code } => Report::GuestFailed { code, ran },
        Exit::Trapped { kind, .. } => Report::Trapped { trap: format!("{kind:?}"), ran },
        Exit::LimitHit { limit, reached, allowed } => {
            let unit = limit.unit();
            Report::LimitHit { limit: limit.to_string(), reached, allowed, unit, ran }
        }
    };
    if output.is_json() {
        output.document(&report, String::new)?;
    } else {
        if good && args.out.is_none() {
            output.raw(&outcome.output)?;
        }
        output.note(&format!("{line}\n{facts}"));
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(GUEST_FAILED) })
}

fn refused(refusal: &Refusal, output: &Output) -> anyhow::Result<ExitCode> {
    let report = Report::Refused {
        code: refusal.code().to_owned(),
        cause: refusal.to_string(),
        cure: refusal.cure().to_owned(),
    };
    if output.is_json() {
        output.document(&report, String::new)?;
    } else {
        output.note(&format!("refused ({}): {refusal}\n  {}", refusal.code(), refusal.cure()));
    }
    Ok(ExitCode::from(REFUSED))
}

/// The files of a folder in the order of their names, as `merge` takes them.
fn outputs(folder: &Path, most: u64) -> anyhow::Result<Result<Vec<u8>, Refusal>> {
    let shown = folder.display();
    let listed = std::fs::read_dir(folder).with_context(|| format!("cannot list {shown}"))?;
    let mut paths = listed
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("cannot list {shown}"))?;
    paths.sort();
    let mut parts = Vec::new();
    let mut left = most;
    for path in paths {
        let bytes = files::read(&path, left)?;
        left -= bytes.len() as u64;
        parts.push(bytes);
    }
    Ok(pack(&parts))
}

/// Writes what `split` gave as files whose names sort in its order.
fn write_parts(folder: &Path, packed: &[u8]) -> anyhow::Result<usize> {
    let folder = files::empty_folder(folder)?;
    let parts = unpack(packed)?;
    for (at, part) in parts.iter().enumerate() {
        files::write(&folder.join(format!("part-{at:05}")), part)?;
    }
    Ok(parts.len())
}
