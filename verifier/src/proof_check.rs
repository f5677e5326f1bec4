//! A proof task's result against its policy.

use fog_protocol::PublicInput;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Submission;

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
pub(crate) fn fault(
    key: &[u8],
    publics: &[PublicInput],
    submission: &Submission,
) -> Option<String> {
    let Ok(result) = serde_json::from_slice::<ProofResult<'_>>(submission.output()) else {
        return Some("result_not_a_proof".to_owned());
    };
    let _ = (key, publics, result.proof, result.public); // TODO lead: groth16::check_task_proof
    Some("unsupported".to_owned())
}
