//! A proof task's result against its policy.

use ark_bls12_381::Bls12_381;
use ark_bn254::Bn254;
use fog_protocol::{Address, Curve, Listing, Policy, PublicInput, TaskId};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    groth16::{
        Desked, Form, InputsOf, KeyOf, Malformed, ProofOf, SnarkCurve, Terms, Validity,
        check_listing,
    },
    receipt_check,
};

const NOT_A_PROOF: &str = "result_not_a_proof";

/// A proof task's result as snarkjs writes it: its two files in one JSON object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofResult<'a> {
    #[serde(borrow)]
    proof: &'a RawValue,
    #[serde(borrow)]
    public: &'a RawValue,
}

/// Checks, before anybody works for a listing, that its proofs can be checked: a sound key over the
/// curve that the policy names, and a list of public inputs that fits it. `key` is the policy's
/// file. Other policies have no key.
///
/// # Errors
/// [`Malformed`].
pub fn check_proof_policy(policy: &Policy, key: &[u8]) -> Result<(), Malformed> {
    fn check<E: SnarkCurve>(key: &[u8], publics: &[PublicInput]) -> Result<(), Malformed> {
        check_listing(&KeyOf::<E>::from_file(key)?, publics)
    }
    match policy {
        Policy::Groth16 { curve: Curve::Bn254, publics, .. } => check::<Bn254>(key, publics),
        Policy::Groth16 { curve: Curve::Bls12381, publics, .. } => check::<Bls12_381>(key, publics),
        _ => Ok(()),
    }
}

/// `None` if `output`, the result of `worker` for `listing`, is a proof that holds, else the stable
/// code of what is wrong with it. `key` is the policy's file, a verification key; under another
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
        Policy::Groth16 { curve: Curve::Bn254, publics, .. } => {
            fault::<Bn254>(key, publics, output, listing.id(), worker)
        }
        Policy::Groth16 { curve: Curve::Bls12381, publics, .. } => {
            fault::<Bls12_381>(key, publics, output, listing.id(), worker)
        }
        Policy::Receipt { .. } => Ok(receipt_check::fault(listing, worker, output)),
        _ => Ok(Some(NOT_A_PROOF.to_owned())),
    }
}

fn fault<E: Desked>(
    key: &[u8],
    publics: &[PublicInput],
    output: &[u8],
    task: TaskId,
    worker: &Address,
) -> Result<Option<String>, Malformed> {
    let queue = E::desk().queue(key)?;
    let terms = Terms::new(queue.key(), publics, task.0.0, worker.hash.0)?;
    let checked = match read::<E>(Form::of(key), output) {
        None => return Ok(Some(NOT_A_PROOF.to_owned())),
        Some(Ok((proof, inputs))) => match terms.breach(&inputs) {
            Ok(Some(breach)) => Ok(Validity::NotValid(breach)),
            Ok(None) => queue.verify(proof, inputs),
            Err(malformed) => Err(malformed),
        },
        Some(Err(malformed)) => Err(malformed),
    };
    Ok(match checked {
        Ok(Validity::Valid) => None,
        Ok(Validity::NotValid(_)) => Some("proof_not_valid".to_owned()),
        Err(malformed) => Some(malformed.code().to_owned()),
    })
}

/// A proof with its statement, as handed in.
type Delivered<E> = Result<(ProofOf<E>, InputsOf<E>), Malformed>;

/// Reads a result: snarkjs' two files; where the listing's key is arkworks' bytes, also what
/// arkworks writes of proof and list, one after the other. `None` if it is neither.
fn read<E: SnarkCurve>(key: Form, output: &[u8]) -> Option<Delivered<E>> {
    if let (Form::Arkworks, Form::Arkworks) = (key, Form::of(output)) {
        let (proof, inputs) = output.split_at_checked(ProofOf::<E>::ARK_BYTES)?;
        let inputs = InputsOf::from_ark_bytes(inputs);
        return Some(inputs.and_then(|inputs| Ok((ProofOf::from_ark_bytes(proof)?, inputs))));
    }
    let result = serde_json::from_slice::<ProofResult<'_>>(output).ok()?;
    let inputs = InputsOf::from_snarkjs(result.public.get().as_bytes());
    let proof = || ProofOf::from_snarkjs(result.proof.get().as_bytes());
    Some(inputs.and_then(|inputs| Ok((proof()?, inputs))))
}
