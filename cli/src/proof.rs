//! `fog proof`.

use std::{path::Path, process::ExitCode};

use fog_protocol::{Hash32, ZkVm};
use fog_verifier::groth16::{
    MAX_JOURNAL_BYTES, MAX_KEY_BYTES, MAX_PROOF_BYTES, MAX_PUBLICS_BYTES, ProofOutcome,
    ProofReport, check_receipt, curve_of_files,
};
use serde::Serialize;

use crate::{
    args::{ProofArgs, ProofCommand, ProofCurve},
    files,
    output::{Output, exit_with},
};

/// Exit code for files that cannot be read: they are as good as malformed.
const MALFORMED: u8 = 2;
/// A seal has at most 356 bytes; its text has two characters for each.
const MAX_SEAL: usize = 1024;

pub(crate) fn proof(args: &ProofArgs, output: &Output) -> anyhow::Result<ExitCode> {
    match &args.command {
        ProofCommand::Verify { curve, key, proof, public } => {
            verify(*curve, key, proof, public, output)
        }
        ProofCommand::Receipt { vm, program, journal, seal } => {
            receipt(*vm, program, journal, seal, output)
        }
    }
}

fn read(path: &Path, max: usize) -> anyhow::Result<Vec<u8>> {
    files::read(path, max as u64).map_err(|error| exit_with(MALFORMED, format!("{error:#}")))
}

fn verify(
    curve: Option<ProofCurve>,
    key: &Path,
    proof: &Path,
    public: &Path,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let (key, proof) = (read(key, MAX_KEY_BYTES)?, read(proof, MAX_PROOF_BYTES)?);
    let public = read(public, MAX_PUBLICS_BYTES)?;
    let curve = curve.map_or_else(|| curve_of_files(&key, &proof), Into::into);
    let report = ProofReport::of_files(curve, &key, &proof, &public);
    output.document(&report, || text(&report.outcome, "the proof proves the statement"))?;
    Ok(ExitCode::from(report.outcome.exit_code()))
}

#[derive(Serialize)]
struct ReceiptReport {
    #[serde(flatten)]
    outcome: ProofOutcome,
    vm: ZkVm,
    program: Hash32,
    /// SHA-256 of what the program made public.
    journal: Hash32,
}

fn receipt(
    vm: ZkVm,
    program: &Hash32,
    journal: &Path,
    seal: &Path,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let (journal, seal) = (read(journal, MAX_JOURNAL_BYTES)?, read(seal, MAX_SEAL)?);
    let outcome = check_receipt(vm, program, &journal, &seal_bytes(seal)).into();
    let report = ReceiptReport { outcome, vm, program: *program, journal: Hash32::of(&journal) };
    output.document(&report, || text(&report.outcome, "the program ran and made this public"))?;
    Ok(ExitCode::from(report.outcome.exit_code()))
}

/// A seal as Ethereum's tools print it, or the bytes themselves.
fn seal_bytes(file: Vec<u8>) -> Vec<u8> {
    let text = std::str::from_utf8(&file).map(str::trim).unwrap_or_default();
    hex::decode(text.strip_prefix("0x").unwrap_or(text))
        .ok()
        .filter(|seal| !seal.is_empty())
        .unwrap_or(file)
}

fn text(outcome: &ProofOutcome, valid: &str) -> String {
    match outcome {
        ProofOutcome::Valid => format!("valid: {valid}"),
        ProofOutcome::NotValid { cause } => format!("not valid: {cause}"),
        ProofOutcome::Malformed { code, cause, cure } => {
            format!("malformed ({code}): {cause}\n  {cure}")
        }
    }
}
