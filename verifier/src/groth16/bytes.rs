//! Ark's compressed encoding, of exactly the right length.
//!
//! ark reads points canonically (coordinates below the modulus, one sign bit, subgroup checked)
//! but leaves what follows a value unread, so the length is checked here, first.

use ark_serialize::{CanonicalDeserialize, SerializationError};

use super::MAX_PUBLIC_INPUTS;
use super::curve::SnarkCurve;
use super::json::KeyParts;
use super::malformed::{Malformed, Part, shortened};

/// A, B, C, in lengths of a point of G1.
pub(super) const PROOF_POINTS: usize = 4;
/// alpha, beta, gamma, delta, before the list of IC points; likewise.
const KEY_HEAD_POINTS: usize = 7;
/// Length prefix of a list.
const COUNT_BYTES: usize = 8;
/// A scalar of either curve.
const SCALAR_BYTES: usize = 32;

/// Reads `ark_groth16::VerifyingKey`.
pub(super) fn key<E: SnarkCurve>(bytes: &[u8]) -> Result<KeyParts<E>, Malformed> {
    let part = Part::Key;
    let list = bytes.get(KEY_HEAD_POINTS * E::G1_BYTES..).ok_or_else(|| length(part))?;
    let points = list_length(part, list, E::G1_BYTES, MAX_PUBLIC_INPUTS + 1)?;
    if points == 0 {
        return Err(Malformed::IcCount { declared: 0, points });
    }
    let key: ark_groth16::VerifyingKey<E> = decode(part, bytes)?;
    Ok(KeyParts {
        alpha: key.alpha_g1,
        beta: key.beta_g2,
        gamma: key.gamma_g2,
        delta: key.delta_g2,
        ic: key.gamma_abc_g1,
    })
}

/// Reads `ark_groth16::Proof`.
pub(super) fn proof<E: SnarkCurve>(bytes: &[u8]) -> Result<ark_groth16::Proof<E>, Malformed> {
    if bytes.len() != PROOF_POINTS * E::G1_BYTES {
        return Err(length(Part::Proof));
    }
    let (a, rest) = bytes.split_at(E::G1_BYTES);
    let (b, c) = rest.split_at(2 * E::G1_BYTES);
    let refused = |error| refused(Part::Proof, &error);
    Ok(ark_groth16::Proof {
        a: E::read_g1(a).map_err(refused)?,
        b: E::read_g2(b).map_err(refused)?,
        c: E::read_g1(c).map_err(refused)?,
    })
}

/// Reads a list of scalars: the count as a little-endian u64, then 32 bytes each.
pub(super) fn publics<E: SnarkCurve>(bytes: &[u8]) -> Result<Vec<E::ScalarField>, Malformed> {
    list_length(Part::Publics, bytes, SCALAR_BYTES, MAX_PUBLIC_INPUTS)?;
    decode(Part::Publics, bytes)
}

/// The count of a list that must fill `list` to the last byte.
fn list_length(part: Part, list: &[u8], element: usize, cap: usize) -> Result<usize, Malformed> {
    let (count, elements) = list.split_first_chunk::<COUNT_BYTES>().ok_or_else(|| length(part))?;
    if elements.len() > cap * element {
        return Err(Malformed::TooManyInputs { part, found: elements.len() / element });
    }
    let count = usize::try_from(u64::from_le_bytes(*count)).map_err(|_| length(part))?;
    if count.checked_mul(element) != Some(elements.len()) {
        return Err(length(part));
    }
    Ok(count)
}

fn decode<T: CanonicalDeserialize>(part: Part, bytes: &[u8]) -> Result<T, Malformed> {
    T::deserialize_compressed(bytes).map_err(|error| refused(part, &error))
}

fn refused(part: Part, error: &SerializationError) -> Malformed {
    Malformed::Bytes { part, reason: shortened(&error.to_string()) }
}

fn length(part: Part) -> Malformed {
    Malformed::Bytes { part, reason: "wrong length".into() }
}
