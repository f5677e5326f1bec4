//! Ark's compressed encoding, of exactly the right length.
//!
//! ark reads points canonically (coordinates below the modulus, one sign bit, subgroup checked)
//! but leaves what follows a value unread, so the length is checked here, first.

use ark_bn254::{Bn254, Fr};
use ark_serialize::CanonicalDeserialize;

use super::MAX_PUBLIC_INPUTS;
use super::json::KeyParts;
use super::malformed::{Malformed, Part, shortened};

/// A, B, C: 32 + 64 + 32 bytes.
const PROOF_BYTES: usize = 128;
/// alpha, beta, gamma, delta: 32 + 3 * 64 bytes, before the list of IC points.
const KEY_HEAD_BYTES: usize = 224;
/// Length prefix of a list.
const COUNT_BYTES: usize = 8;
/// A compressed G1 point or a scalar.
const ELEMENT_BYTES: usize = 32;

/// Reads `ark_groth16::VerifyingKey<Bn254>`.
pub(super) fn key(bytes: &[u8]) -> Result<KeyParts, Malformed> {
    let part = Part::Key;
    let list = bytes.get(KEY_HEAD_BYTES..).ok_or_else(|| length(part))?;
    let points = list_length(part, list, MAX_PUBLIC_INPUTS + 1)?;
    if points == 0 {
        return Err(Malformed::IcCount { declared: 0, points });
    }
    let key: ark_groth16::VerifyingKey<Bn254> = decode(part, bytes)?;
    Ok(KeyParts {
        alpha: key.alpha_g1,
        beta: key.beta_g2,
        gamma: key.gamma_g2,
        delta: key.delta_g2,
        ic: key.gamma_abc_g1,
    })
}

/// Reads `ark_groth16::Proof<Bn254>`.
pub(super) fn proof(bytes: &[u8]) -> Result<ark_groth16::Proof<Bn254>, Malformed> {
    if bytes.len() != PROOF_BYTES {
        return Err(length(Part::Proof));
    }
    decode(Part::Proof, bytes)
}

/// Reads a `Vec<Fr>`: the count as a little-endian u64, then 32 bytes each.
pub(super) fn publics(bytes: &[u8]) -> Result<Vec<Fr>, Malformed> {
    list_length(Part::Publics, bytes, MAX_PUBLIC_INPUTS)?;
    decode(Part::Publics, bytes)
}

/// The count of a list that must fill `list` to the last byte.
fn list_length(part: Part, list: &[u8], cap: usize) -> Result<usize, Malformed> {
    let (count, elements) = list.split_first_chunk::<COUNT_BYTES>().ok_or_else(|| length(part))?;
    if elements.len() > cap * ELEMENT_BYTES {
        return Err(Malformed::TooManyInputs { part, found: elements.len() / ELEMENT_BYTES });
    }
    let count = usize::try_from(u64::from_le_bytes(*count)).map_err(|_| length(part))?;
    if count.checked_mul(ELEMENT_BYTES) != Some(elements.len()) {
        return Err(length(part));
    }
    Ok(count)
}

fn decode<T: CanonicalDeserialize>(part: Part, bytes: &[u8]) -> Result<T, Malformed> {
    T::deserialize_compressed(bytes)
        .map_err(|error| Malformed::Bytes { part, reason: shortened(&error.to_string()) })
}

fn length(part: Part) -> Malformed {
    Malformed::Bytes { part, reason: "wrong length".into() }
}
