//! Measures the product against its peers: both sides in one run, in turns, in CPU time of the
//! measuring thread; a whole network in wall time, against one second. See README.md for what each
//! figure means and what it does not.

mod cached_load;
mod chain;
mod coordinator;
mod groth16;
mod matching;
mod merkle;
mod meter;
mod metering;
mod network;
mod peer;
mod pool;
mod warm_start;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Result;

use crate::meter::Reading;

/// One benchmark: its name and what measures it.
type Benchmark = (&'static str, fn() -> Result<Reading>);

const BENCHMARKS: [Benchmark; 15] = [
    ("matching", matching::measure),
    ("sandbox-warm-start", warm_start::measure),
    ("sandbox-cached-load", cached_load::measure),
    ("sandbox-metering", metering::measure),
    ("merkle-proof", merkle::measure),
    ("verification-pool", pool::measure),
    ("groth16-bn254-single", groth16::single),
    ("groth16-bn254-batch64", groth16::bn254_batch),
    ("groth16-bls12-381-batch64", groth16::bls12_381_batch),
    ("groth16-circuit-size", groth16::circuit_size),
    ("coordinator", coordinator::measure),
    ("chain-transfers", chain::transfers),
    ("chain-groth16", chain::groth16),
    ("dev-start", network::dev_start),
    ("post-to-paid", network::post_to_paid),
];

/// How readings are written.
#[derive(Clone, Copy)]
enum Format {
    Table,
    JsonLines,
}

fn main() -> ExitCode {
    // `verification-pool` runs guests in processes of this program, as `fog` does.
    if std::env::args().nth(1).as_deref() == Some("__sandbox") {
        return fog_verifier::sandbox::process::child_main();
    }
    let mut format = Format::Table;
    let mut chosen = Vec::new();
    for argument in std::env::args().skip(1) {
        if argument == "--json" {
            format = Format::JsonLines;
        } else if let Some(found) = BENCHMARKS.iter().find(|(name, _)| *name == argument) {
            chosen.push(*found);
        } else {
            let names = BENCHMARKS.map(|(name, _)| name).join(", ");
            eprintln!("there is no benchmark `{argument}`; choose from: {names}; or add --json");
            return ExitCode::from(2);
        }
    }
    if chosen.is_empty() {
        chosen.extend(BENCHMARKS);
    }
    for (at, (name, measure)) in chosen.into_iter().enumerate() {
        let written = measure().and_then(|reading| Ok(write(at, name, &reading, format)?));
        if let Err(error) = written {
            eprintln!("{name}: {error:#}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn write(at: usize, name: &str, reading: &Reading, format: Format) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let Reading { ours, theirs, unit, against, goal, note } = reading;
    let ratio = reading.ratio();
    match format {
        Format::JsonLines => {
            let line = serde_json::json!({
                "name": name, "ours": ours, "theirs": theirs, "unit": unit, "ratio": ratio,
                "against": against,
            });
            writeln!(out, "{line}")?;
        }
        Format::Table => {
            if at == 0 {
                writeln!(
                    out,
                    "{:<26}{:>12}{:>12}{:>5}{:>11}{:>9}  against",
                    "benchmark", "ours", "theirs", "unit", "ratio", "goal"
                )?;
            }
            writeln!(
                out,
                "{name:<26}{ours:>12.3}{theirs:>12.3}{unit:>5}{ratio:>11.5}{goal:>9.3}  {against}"
            )?;
            if !note.is_empty() {
                writeln!(out, "{:<26}{note}", "")?;
            }
        }
    }
    out.flush()
}
