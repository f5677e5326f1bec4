//! What `fog proof verify` prints and exits with.

use ark_bls12_381::Bls12_381;
use ark_bn254::Bn254;
use fog_protocol::{Curve, Hash32};
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

/// The curve that a snarkjs document names, if it names one of the two.
#[must_use]
pub fn curve_named(document: &[u8]) -> Option<Curve> {
    let name = json::curve_named(document)?;
    let is = |names: &[&str]| names.contains(&name.as_str());
    match (is(Bn254::NAMES), is(Bls12_381::NAMES)) {
        (true, _) => Some(Curve::Bn254),
        (_, true) => Some(Curve::Bls12381),
        _ => None,
    }
}

/// The curve that loose files are taken to be about where nobody says it: the one that key or proof
/// names, else told by the proof's length. Listings name theirs.
#[must_use]
pub fn curve_of_files(key: &[u8], proof: &[u8]) -> Curve {
    let told = || match proof.len() == ProofOf::<Bls12_381>::ARK_BYTES {
        true => Curve::Bls12381,
        false => Curve::Bn254,
    };
    curve_named(key).or_else(|| curve_named(proof)).unwrap_or_else(told)
}

impl ProofReport {
    /// Checks three files given as bytes, each as snarkjs writes it (JSON) or as arkworks does
    /// (`serialize_compressed`).
    #[must_use]
    pub fn of_files(curve: Curve, key: &[u8], proof: &[u8], publics: &[u8]) -> Self {
        match curve {
            Curve::Bn254 => Self::of::<Bn254>(key, proof, publics),
            Curve::Bls12381 => Self::of::<Bls12_381>(key, proof, publics),
        }
    }

    /// Checks snarkjs' three files, given as bytes.
    #[must_use]
    pub fn of_snarkjs(key_json: &[u8], proof_json: &[u8], public_json: &[u8]) -> Self {
        Self::of_files(curve_of_files(key_json, proof_json), key_json, proof_json, public_json)
    }

    fn of<E: SnarkCurve>(key: &[u8], proof: &[u8], publics: &[u8]) -> Self {
        let (key, inputs) = (KeyOf::<E>::from_file(key), InputsOf::<E>::from_file(publics));
        let key_hash = key.as_ref().ok().map(KeyOf::hash);
        let public_inputs = inputs.as_ref().ok().map(InputsOf::to_decimals);
        let checked = key.and_then(|key| {
            let proof = ProofOf::from_file(proof)?;
            verify(&key, &proof, &inputs?)
        });
        Self { outcome: checked.into(), curve: E::NAME, key_hash, public_inputs }
    }
}
