//! What `fog proof verify` prints and exits with.

use ark_bls12_381::Bls12_381;
use ark_bn254::Bn254;
use fog_protocol::Hash32;
use serde::Serialize;

use super::curve::SnarkCurve;
use super::json;
use super::key::KeyOf;
use super::malformed::Malformed;
use super::proof::{InputsOf, ProofOf, Validity, verify};

/// The answer, in the three shapes a script has to tell apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ProofOutcome {
    /// The proof proves the statement.
    Valid,
    /// The files are well-formed, the proof does not prove the statement.
    NotValid {
        /// Why, in words.
        cause: String,
    },
    /// A file was refused before any equation was evaluated.
    Malformed {
        /// Stable name of the cause.
        code: &'static str,
        /// The cause in words.
        cause: String,
        /// What to do about it.
        cure: &'static str,
    },
}

impl ProofOutcome {
    /// The process's exit status: 0 valid, 1 not valid, 2 malformed.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::NotValid { .. } => 1,
            Self::Malformed { .. } => 2,
        }
    }
}

impl From<Result<Validity, Malformed>> for ProofOutcome {
    fn from(checked: Result<Validity, Malformed>) -> Self {
        match checked {
            Ok(Validity::Valid) => Self::Valid,
            Ok(Validity::NotValid(reason)) => Self::NotValid { cause: reason.to_string() },
            Err(malformed) => Self::Malformed {
                code: malformed.code(),
                cause: malformed.to_string(),
                cure: malformed.cure(),
            },
        }
    }
}

/// The answer with what it is about; one JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProofReport {
    /// What was found.
    #[serde(flatten)]
    pub outcome: ProofOutcome,
    /// The curve that was checked.
    pub curve: &'static str,
    /// The key's hash, once the key was accepted.
    pub key_hash: Option<Hash32>,
    /// The public inputs as decimal numbers, once they were accepted.
    pub public_inputs: Option<Vec<String>>,
}

/// A curve by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CurveName {
    /// circom's default.
    Bn254,
    /// The one contracts check.
    Bls12381,
}

impl CurveName {
    /// The curve that key and proof are about: named in a snarkjs key, told by a proof's length.
    #[must_use]
    pub fn of(key: &[u8], proof: &[u8]) -> Self {
        let named = json::curve_named(key).or_else(|| json::curve_named(proof));
        let bls = match named {
            Some(name) => Bls12_381::NAMES.contains(&name.as_str()),
            None => proof.len() == 4 * Bls12_381::G1_BYTES,
        };
        if bls { Self::Bls12381 } else { Self::Bn254 }
    }
}

impl ProofReport {
    /// Checks three files given as bytes, each as snarkjs writes it (JSON) or as arkworks does
    /// (`serialize_compressed`).
    #[must_use]
    pub fn of_files(curve: CurveName, key: &[u8], proof: &[u8], publics: &[u8]) -> Self {
        match curve {
            CurveName::Bn254 => Self::of::<Bn254>(key, proof, publics),
            CurveName::Bls12381 => Self::of::<Bls12_381>(key, proof, publics),
        }
    }

    /// Checks snarkjs' three files, given as bytes.
    #[must_use]
    pub fn of_snarkjs(key_json: &[u8], proof_json: &[u8], public_json: &[u8]) -> Self {
        Self::of_files(CurveName::of(key_json, proof_json), key_json, proof_json, public_json)
    }

    fn of<E: SnarkCurve>(key: &[u8], proof: &[u8], publics: &[u8]) -> Self {
        let key =
            if is_json(key) { KeyOf::<E>::from_snarkjs(key) } else { KeyOf::from_ark_bytes(key) };
        let inputs = if is_json(publics) {
            InputsOf::<E>::from_snarkjs(publics)
        } else {
            InputsOf::from_ark_bytes(publics)
        };
        let key_hash = key.as_ref().ok().map(KeyOf::hash);
        let public_inputs = inputs.as_ref().ok().map(InputsOf::to_decimals);
        let checked = key.and_then(|key| {
            let proof = if is_json(proof) {
                ProofOf::from_snarkjs(proof)?
            } else {
                ProofOf::from_ark_bytes(proof)?
            };
            verify(&key, &proof, &inputs?)
        });
        Self { outcome: checked.into(), curve: E::NAME, key_hash, public_inputs }
    }
}

/// Documents are text. What arkworks writes holds zeros (counts) or bytes that are none (points).
fn is_json(bytes: &[u8]) -> bool {
    !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok()
}
