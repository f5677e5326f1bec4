//! Terms of the strategies `improves`, `statistical` and `merkle`, and single chunks of results.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use fog_evidence::Bundle;
use fog_protocol::{Bound, Chunks, Cut, Decimal, Direction, Policy, TaskId, api::TaskView};
use fog_requestor::DraftPolicy;
use fog_verifier::{
    Executor,
    strategy::chunked::{ChunkProof, Joined, join, tree},
};
use serde::Serialize;

use crate::{
    args::PolicyName,
    files,
    output::{Output, failed, usage},
};

const MAX_EVALUATOR: u64 = 64 << 20;
const MAX_PROOF: u64 = 64 << 20;
/// Chunks whose ends are told one by one.
const MOST_ENDS: usize = 10;

/// What only these policies know.
#[derive(Debug, Args)]
#[command(next_help_heading = "Strategies")]
pub(crate) struct StrategyArgs {
    /// `improves`: a WASI command that computes the objective of a result. Its stdin is the length
    /// of the input (8 bytes, little endian), the input, the result; it prints one number. A result
    /// that does not beat `--beat` is accepted only if it is what the module gives.
    #[arg(long, value_name = "FILE", required_if_eq("policy", "improves"))]
    pub(crate) evaluator: Option<PathBuf>,
    /// `improves`: which objective is the better one.
    #[arg(long, value_enum, default_value_t = ObjectiveName::Min)]
    pub(crate) objective: ObjectiveName,
    /// `improves`: the number that must be beaten.
    #[arg(
        long,
        value_name = "NUMBER",
        allow_hyphen_values = true,
        required_if_eq("policy", "improves")
    )]
    pub(crate) beat: Option<Decimal>,
    /// `statistical`: one bound for each number of the result, by comma: `abs:0.5`, `rel:100` (parts
    /// per million) or, for a Monte Carlo estimate with standard deviation 0.016, `sd:0.016` or
    /// `sd:0.016:2` (2 deviations at the first look instead of 3). The result is 1 to 16 decimal
    /// numbers, by comma or line feed.
    #[arg(
        long,
        value_name = "BOUND",
        value_delimiter = ',',
        value_parser = bound,
        required_if_eq("policy", "statistical")
    )]
    pub(crate) bounds: Vec<Bound>,
    /// `merkle`: bytes of input that are run at a time; fuel and output are shared equally.
    #[arg(long, value_name = "BYTES", required_if_eq("policy", "merkle"))]
    pub(crate) chunk: Option<u32>,
    /// `merkle`: where the input may be cut.
    #[arg(long, value_enum, default_value_t = CutName::Lines)]
    pub(crate) cut: CutName,
    /// `merkle`: chunks that are drawn and run again: a result of which a share f is wrong passes
    /// with odds of (1 - f)^samples.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) samples: u16,
    /// `redundant`: how many workers do it, each paid. Where their results are not all equal, a
    /// verifier's own run decides about each.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=7))]
    pub(crate) copies: u8,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ObjectiveName {
    /// The smaller.
    Min,
    /// The larger.
    Max,
}

/// Where an input is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CutName {
    /// After whole lines.
    Lines,
    /// Anywhere.
    Bytes,
}

fn bound(text: &str) -> Result<Bound, String> {
    let wrong = || "a bound is abs:0.5, rel:100 (ppm), sd:0.016 or sd:0.016:2".to_owned();
    let number = |text: &str| text.parse::<Decimal>().map_err(|error| error.to_string());
    let (kind, value) = text.split_once(':').ok_or_else(wrong)?;
    match kind {
        "abs" => Ok(Bound::Absolute { by: number(value)? }),
        "rel" => Ok(Bound::Relative { ppm: value.parse().map_err(|_| wrong())? }),
        "sd" => {
            let (sigma, times) = value.split_once(':').unwrap_or((value, "3"));
            let milli = number(times)?.units() / 1_000_000_000;
            let milli = u32::try_from(milli).map_err(|_| wrong())?;
            Ok(Bound::Deviations { sigma: number(sigma)?, milli })
        }
        _ => Err(wrong()),
    }
}

impl StrategyArgs {
    /// The policy of a draft, if it is one of these.
    pub(crate) fn policy(
        &self,
        name: PolicyName,
        rate_ppm: u32,
    ) -> anyhow::Result<Option<DraftPolicy>> {
        Ok(match name {
            PolicyName::Replay
            | PolicyName::Groth16
            | PolicyName::Proof
            | PolicyName::Receipt
            | PolicyName::Redundant => None,
            PolicyName::Improves => {
                let file = self.evaluator.as_deref().context("--evaluator is missing")?;
                Some(DraftPolicy::Improves {
                    rate_ppm,
                    evaluator: files::read(file, MAX_EVALUATOR)?,
                    direction: match self.objective {
                        ObjectiveName::Min => Direction::Minimise,
                        ObjectiveName::Max => Direction::Maximise,
                    },
                    than: self.beat.context("--beat is missing")?,
                })
            }
            PolicyName::Statistical => {
                Some(DraftPolicy::Statistical { rate_ppm, bounds: self.bounds.clone() })
            }
            PolicyName::Merkle => {
                let bytes = self.chunk.context("--chunk is missing")?;
                let cut = match self.cut {
                    CutName::Lines => Cut::Lines,
                    CutName::Bytes => Cut::Bytes,
                };
                let chunks = Chunks { bytes, cut };
                Some(DraftPolicy::Merkle { rate_ppm, samples: self.samples, chunks })
            }
        })
    }
}

/// A result as its reader wants it: of chunks, their outputs one after the other.
pub(crate) fn plain(view: &TaskView, bytes: Vec<u8>, output: &Output) -> Vec<u8> {
    let Policy::Merkle { .. } = view.listing.policy else { return bytes };
    match join(&bytes) {
        None => bytes,
        Some(Joined { output: joined, failed }) => {
            for (chunk, end) in failed.iter().take(MOST_ENDS) {
                output.note(&format!("chunk {chunk}: {end}"));
            }
            if let Some(more) = failed.len().checked_sub(MOST_ENDS).filter(|more| *more > 0) {
                output.note(&format!("and {more} more chunks did not succeed"));
            }
            joined
        }
    }
}

/// `fog task chunk`: one chunk's result with what shows that it belongs to the whole.
pub(crate) fn write_chunk(
    view: &TaskView,
    bytes: &[u8],
    index: u64,
    out: &Path,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let Policy::Merkle { .. } = view.listing.policy else {
        return Err(usage("only results of the `merkle` policy have chunks"));
    };
    let tree = tree(bytes).context("the result is no list of chunks")?;
    let proof = tree.open(index).with_context(|| format!("the result has no chunk {index}"))?;
    files::write(out, &proof.to_bytes())?;
    #[derive(Serialize)]
    struct Written {
        task: TaskId,
        chunk: u64,
        of: u64,
        file: String,
    }
    let written =
        Written { task: view.id, chunk: index, of: proof.count, file: out.display().to_string() };
    output.document(&written, || {
        format!(
            "{}: chunk {} of {}\ncheck it anywhere: fog verify BUNDLE --chunk {0}",
            written.file, index, proof.count
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What a single chunk showed.
#[derive(Debug, Serialize)]
pub(crate) struct ChunkReport {
    pub(crate) ok: bool,
    chunk: u64,
    of: u64,
    fuel: u64,
    output_bytes: usize,
    /// Is it in the tree that the worker committed to?
    belongs: bool,
    /// Is it what the program gives? Unknown without module and input.
    right: Option<bool>,
}

/// `fog verify BUNDLE --chunk FILE`: does this chunk belong to the result that the bundle is about,
/// and is it right?
pub(crate) fn check_chunk(
    bundle: &Bundle,
    file: &Path,
    executor: &Executor,
) -> anyhow::Result<ChunkReport> {
    let shown = file.display();
    let proof = ChunkProof::from_bytes(&files::read(file, MAX_PROOF)?)
        .ok_or_else(|| usage(format!("{shown} is no chunk: `fog task chunk` makes one")))?;
    let belongs =
        proof.belongs_to(&bundle.evidence.result_root) && proof.fuel == bundle.evidence.fuel_used;
    let complete = bundle.program.len() == bundle.listing.program.blobs().len();
    let right = match (&bundle.input, complete) {
        (Some(input), true) => {
            Some(proof.holds(&bundle.listing, &bundle.program, input, executor)? == Some(true))
        }
        (Some(_) | None, _) => None,
    };
    Ok(ChunkReport {
        ok: belongs && right != Some(false),
        chunk: proof.index,
        of: proof.count,
        fuel: proof.result.fuel_used,
        output_bytes: proof.result.output.len(),
        belongs,
        right,
    })
}

/// Prints it.
pub(crate) fn show_chunk(report: &ChunkReport, output: &Output) -> anyhow::Result<ExitCode> {
    output.document(report, || {
        let ChunkReport { chunk, of, output_bytes, .. } = report;
        let belongs = if report.belongs { "belongs" } else { "does NOT belong" };
        let right = match report.right {
            Some(true) => "run again: it is right",
            Some(false) => "run again: it is WRONG",
            None => "give --module and --input to run it again",
        };
        format!(
            "chunk {chunk} of {of} ({output_bytes} bytes) {belongs} to the result that was committed \
             to\n{right}"
        )
    })?;
    Ok(if report.ok { ExitCode::SUCCESS } else { failed() })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read() {
        let number = |text: &str| text.parse::<Decimal>().unwrap();
        assert_eq!(bound("abs:0.5"), Ok(Bound::Absolute { by: number("0.5") }));
        assert_eq!(bound("rel:100"), Ok(Bound::Relative { ppm: 100 }));
        let sigma = number("0.016");
        assert_eq!(bound("sd:0.016"), Ok(Bound::Deviations { sigma, milli: 3_000 }));
        assert_eq!(bound("sd:0.016:2.5"), Ok(Bound::Deviations { sigma, milli: 2_500 }));
        for text in ["", "abs", "abs:x", "rel:-1", "sd:1:-2", "near:1", "sd:0.1:2:3"] {
            assert!(bound(text).is_err(), "{text}");
        }
    }
}
