//! A proof task's result against its policy.

use fog_protocol::PublicInput;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Submission,
    groth16::{Malformed, Validity, VerifyingKey, check_listing, check_task_proof},
};

/// A proof task's result: snarkjs' two files in one JSON object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofResult<'a> {
    #[serde(borrow)]
    proof: &'a RawValue,
    #[serde(borrow)]
    public: &'a RawValue,
}

/// `None` if the submitted proof holds, else the stable code of what is wrong with it.
///
/// # Errors
/// The requestor's own key or list of public inputs is unusable: no verdict on the worker.
pub(crate) fn fault(
    key: &[u8],
    publics: &[PublicInput],
    submission: &Submission,
) -> Result<Option<String>, Malformed> {
    let key = VerifyingKey::from_snarkjs(key)?;
    check_listing(&key, publics)?;
    let Ok(result) = serde_json::from_slice::<ProofResult<'_>>(submission.output()) else {
        return Ok(Some("result_not_a_proof".to_owned()));
    };
    let checked = check_task_proof(
        &key,
        result.proof.get().as_bytes(),
        result.public.get().as_bytes(),
        publics,
        submission.task().0.0,
        submission.worker().hash.0,
    );
    Ok(match checked {
        Ok(Validity::Valid) => None,
        Ok(Validity::NotValid(_)) => Some("proof_not_valid".to_owned()),
        Err(malformed) => Some(malformed.code().to_owned()),
    })
}
