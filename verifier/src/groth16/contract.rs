//! Keys and proofs that a contract checks by itself, checked as it does, and more strictly: before
//! a task is offered, and before gas is spent on a proof.

use ark_bls12_381::Bls12_381;

use super::key::KeyOf;
use super::malformed::Malformed;
use super::proof::{InputsOf, ProofOf, Validity, verify};

/// The one public input of a task's circuit.
const INPUTS: usize = 1;

/// Reads the verifying key of a task's circuit, as arkworks writes it: over BLS12-381, sound in
/// shape, every point in its group, for exactly one public input.
///
/// # Errors
/// [`Malformed`].
pub fn check_contract_key(key: &[u8]) -> Result<KeyOf<Bls12_381>, Malformed> {
    let key = KeyOf::from_ark_bytes(key)?;
    match key.input_count() {
        INPUTS => Ok(key),
        found => Err(Malformed::InputCount { expected: INPUTS, found }),
    }
}

/// Does the proof (as arkworks writes it) prove the binding (32 bytes, big-endian) under the key?
///
/// # Errors
/// [`Malformed`] for what the contract would throw at.
pub fn check_contract_proof(
    key: &KeyOf<Bls12_381>,
    proof: &[u8],
    binding: &[u8; 32],
) -> Result<Validity, Malformed> {
    let proof = ProofOf::from_ark_bytes(proof)?;
    let mut list = 1_u64.to_le_bytes().to_vec();
    list.extend(binding.iter().rev());
    verify(key, &proof, &InputsOf::from_ark_bytes(&list)?)
}
