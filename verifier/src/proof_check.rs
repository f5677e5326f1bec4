//! A proof task's result against its policy.

use fog_protocol::{Address, Listing, Policy, PublicInput, TaskId};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    groth16::{Desk, Malformed, Validity, check_listing, check_task_proof_with},
    receipt_check,
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

/// `None` if `output`, the result of `worker` for `listing`, is a proof that holds, else the stable
/// code of what is wrong with it. `key` is the `verification_key.json` of the policy; under another
/// policy nothing is a proof.
///
/// # Errors
/// The requestor's own key or list of public inputs is unusable: no verdict on the worker.
pub fn check_proof(
    listing: &Listing,
    worker: &Address,
    key: &[u8],
    output: &[u8],
) -> Result<Option<String>, Malformed> {
    match &listing.policy {
        Policy::Groth16 { publics, .. } => fault(key, publics, output, listing.id(), worker),
        Policy::Receipt { .. } => Ok(receipt_check::fault(listing, worker, output)),
        _ => Ok(Some("result_not_a_proof".to_owned())),
    }
}

/// `None` if the submitted proof holds, else the stable code of what is wrong with it.
///
/// # Errors
/// The requestor's own key or list of public inputs is unusable: no verdict on the worker.
pub(crate) fn fault(
    key: &[u8],
    publics: &[PublicInput],
    output: &[u8],
    task: TaskId,
    worker: &Address,
) -> Result<Option<String>, Malformed> {
    let queue = Desk::shared().queue(key)?;
    check_listing(queue.key(), publics)?;
    let Ok(result) = serde_json::from_slice::<ProofResult<'_>>(output) else {
        return Ok(Some("result_not_a_proof".to_owned()));
    };
    let checked = check_task_proof_with(
        queue.key(),
        result.proof.get().as_bytes(),
        result.public.get().as_bytes(),
        publics,
        (task.0.0, worker.hash.0),
        |proof, inputs| queue.verify(proof, inputs),
    );
    Ok(match checked {
        Ok(Validity::Valid) => None,
        Ok(Validity::NotValid(_)) => Some("proof_not_valid".to_owned()),
        Err(malformed) => Some(malformed.code().to_owned()),
    })
}
