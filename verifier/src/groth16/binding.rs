//! What ties a proof to one task and one worker.
//!
//! A proof is public once it is delivered and can be re-randomised, so another worker could hand it
//! in as its own. Therefore one public input of every listed circuit is the scalar below; whoever
//! wants a proof for another task or worker has to know the witness and prove again.

use ark_bn254::Fr;
use ark_ff::PrimeField;
use fog_protocol::{PublicInput, tagged_hash};

use super::key::VerifyingKey;
use super::malformed::Malformed;
use super::number;
use super::proof::{NotValid, Proof, PublicInputs, Validity, verify};

/// Name of the circom signal that takes the binding scalar.
pub const BINDING_SIGNAL: &str = "binding";

/// The binding scalar of a task and a worker (the worker's 32-byte key or account hash), as a
/// decimal number below 2^253: the tagged SHA-256 read as a big-endian number with its three top
/// bits cleared, which is always below the scalar field's modulus.
#[must_use]
pub fn binding_scalar(task: [u8; 32], worker: [u8; 32]) -> String {
    number::print(&binding_element(task, worker))
}

fn binding_element(task: [u8; 32], worker: [u8; 32]) -> Fr {
    let mut bytes = tagged_hash("fog/groth16/binding/v1", &[&task, &worker]).0;
    bytes[0] &= 0x1f;
    Fr::from_be_bytes_mod_order(&bytes)
}

/// Checks that a listing's template fits its key, before anybody works for it: as many entries as
/// the key takes inputs, exactly one of them the binding, every fixed number canonical.
///
/// # Errors
/// [`Malformed::Template`].
pub fn check_listing(key: &VerifyingKey, template: &[PublicInput]) -> Result<(), Malformed> {
    expected_inputs(key, template, Fr::from(0_u64)).map(drop)
}

/// Checks a delivered proof against the listing: each public input is what `template` asks for,
/// the binding is this task's and this worker's, and the equation holds.
///
/// # Errors
/// [`Malformed::Template`] if the listing itself does not fit the key (the requestor's fault; find
/// it when the listing is posted), any other [`Malformed`] if the delivered files are refused.
pub fn check_task_proof(
    key: &VerifyingKey,
    proof_json: &[u8],
    public_json: &[u8],
    template: &[PublicInput],
    task: [u8; 32],
    worker: [u8; 32],
) -> Result<Validity, Malformed> {
    let (task, check) = ((task, worker), |proof, inputs| verify(key, &proof, &inputs));
    check_task_proof_with(key, proof_json, public_json, template, task, check)
}

/// [`check_task_proof`] for `(task, worker)`, where `equation` says whether the proof holds.
///
/// # Errors
/// As [`check_task_proof`].
pub(crate) fn check_task_proof_with(
    key: &VerifyingKey,
    proof_json: &[u8],
    public_json: &[u8],
    template: &[PublicInput],
    (task, worker): ([u8; 32], [u8; 32]),
    equation: impl FnOnce(Proof, PublicInputs) -> Result<Validity, Malformed>,
) -> Result<Validity, Malformed> {
    let expected = expected_inputs(key, template, binding_element(task, worker))?;
    let inputs = PublicInputs::from_snarkjs(public_json)?;
    let proof = Proof::from_snarkjs(proof_json)?;
    if inputs.len() != expected.len() {
        return Err(Malformed::InputCount { expected: expected.len(), found: inputs.len() });
    }
    for (position, (input, wanted)) in inputs.elements().iter().zip(&expected).enumerate() {
        match wanted {
            Expected::Binding(value) if value != input => {
                return Ok(Validity::NotValid(NotValid::Binding { position }));
            }
            Expected::Fixed(value) if value != input => {
                return Ok(Validity::NotValid(NotValid::Input { position }));
            }
            Expected::Binding(_) | Expected::Fixed(_) | Expected::Free => {}
        }
    }
    equation(proof, inputs)
}

enum Expected {
    Binding(Fr),
    Fixed(Fr),
    Free,
}

/// The listing's template as field elements: as long as the key says, with exactly one binding.
fn expected_inputs(
    key: &VerifyingKey,
    template: &[PublicInput],
    binding: Fr,
) -> Result<Vec<Expected>, Malformed> {
    let refuse = |reason: String| Malformed::Template { reason };
    if template.len() != key.input_count() {
        let (listed, taken) = (template.len(), key.input_count());
        return Err(refuse(format!("{listed} are listed, the key takes {taken}")));
    }
    let bindings = template.iter().filter(|input| **input == PublicInput::Binding).count();
    if bindings != 1 {
        return Err(refuse(format!("{bindings} of them are `binding`, it must be one")));
    }
    template
        .iter()
        .enumerate()
        .map(|(position, input)| match input {
            PublicInput::Binding => Ok(Expected::Binding(binding)),
            PublicInput::Free => Ok(Expected::Free),
            PublicInput::Fixed(text) => number::parse(text)
                .map(Expected::Fixed)
                .map_err(|problem| refuse(format!("number {position} {problem}"))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binding_depends_on_both_and_fits_253_bits() {
        let scalar = binding_scalar([1; 32], [2; 32]);
        assert_ne!(scalar, binding_scalar([2; 32], [1; 32]));
        assert_ne!(scalar, binding_scalar([1; 32], [3; 32]));
        assert_ne!(scalar, binding_scalar([3; 32], [2; 32]));
        for byte in 0..=255 {
            use ark_ff::BigInteger as _;
            assert!(binding_element([byte; 32], [7; 32]).into_bigint().num_bits() <= 253);
        }
    }

    #[test]
    fn binding_is_stable() {
        // Other implementations must reach the same number.
        assert_eq!(
            binding_scalar([0; 32], [0; 32]),
            "7123292061987410167322822581756902887052689846736714135467265990452891931980"
        );
    }
}
