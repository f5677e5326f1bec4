//! `fog proof`.

use std::process::ExitCode;

use fog_verifier::groth16::{
    CurveName, MAX_KEY_BYTES, MAX_PROOF_BYTES, MAX_PUBLICS_BYTES, ProofOutcome, ProofReport,
};

use crate::{
    args::{ProofArgs, ProofCommand, ProofCurve},
    files,
    output::{Output, exit_with},
};

/// Exit code for files that cannot be read: they are as good as malformed.
const MALFORMED: u8 = 2;

pub(crate) fn proof(args: &ProofArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let ProofCommand::Verify { curve, key, proof, public } = &args.command;
    let read = |path, max: usize| {
        files::read(path, max as u64).map_err(|error| exit_with(MALFORMED, format!("{error:#}")))
    };
    let (key, proof) = (read(key, MAX_KEY_BYTES)?, read(proof, MAX_PROOF_BYTES)?);
    let public = read(public, MAX_PUBLICS_BYTES)?;
    let curve = match curve {
        Some(ProofCurve::Bn254) => CurveName::Bn254,
        Some(ProofCurve::Bls12381) => CurveName::Bls12381,
        None => CurveName::of(&key, &proof),
    };
    let report = ProofReport::of_files(curve, &key, &proof, &public);
    output.document(&report, || match &report.outcome {
        ProofOutcome::Valid => "valid: the proof proves the statement".to_owned(),
        ProofOutcome::NotValid { cause } => format!("not valid: {cause}"),
        ProofOutcome::Malformed { code, cause, cure } => {
            format!("malformed ({code}): {cause}\n  {cure}")
        }
    })?;
    Ok(ExitCode::from(report.outcome.exit_code()))
}
