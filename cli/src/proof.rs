//! `fog proof`.

use std::process::ExitCode;

use fog_verifier::groth16::{
    MAX_KEY_BYTES, MAX_PROOF_BYTES, MAX_PUBLICS_BYTES, ProofOutcome, ProofReport,
};

use crate::{
    args::{ProofArgs, ProofCommand},
    files,
    output::{Output, exit_with},
};

/// Exit code for files that cannot be read: they are as good as malformed.
const MALFORMED: u8 = 2;

pub(crate) fn proof(args: &ProofArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let ProofCommand::Verify { key, proof, public } = &args.command;
    let read = |path, max: usize| {
        files::read(path, max as u64).map_err(|error| exit_with(MALFORMED, format!("{error:#}")))
    };
    let report = ProofReport::of_snarkjs(
        &read(key, MAX_KEY_BYTES)?,
        &read(proof, MAX_PROOF_BYTES)?,
        &read(public, MAX_PUBLICS_BYTES)?,
    );
    output.document(&report, || match &report.outcome {
        ProofOutcome::Valid => "valid: the proof proves the statement".to_owned(),
        ProofOutcome::NotValid { cause } => format!("not valid: {cause}"),
        ProofOutcome::Malformed { code, cause, cure } => {
            format!("malformed ({code}): {cause}\n  {cure}")
        }
    })?;
    Ok(ExitCode::from(report.outcome.exit_code()))
}
