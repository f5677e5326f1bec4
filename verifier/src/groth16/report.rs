//! What `fog proof verify` prints and exits with.

use fog_protocol::Hash32;
use serde::Serialize;

use super::key::VerifyingKey;
use super::malformed::Malformed;
use super::proof::{Proof, PublicInputs, Validity, verify};

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

impl ProofReport {
    /// Checks snarkjs' three files, given as bytes.
    #[must_use]
    pub fn of_snarkjs(key_json: &[u8], proof_json: &[u8], public_json: &[u8]) -> Self {
        let key = VerifyingKey::from_snarkjs(key_json);
        let inputs = PublicInputs::from_snarkjs(public_json);
        let key_hash = key.as_ref().ok().map(VerifyingKey::hash);
        let public_inputs = inputs.as_ref().ok().map(PublicInputs::to_decimals);
        let checked = key.and_then(|key| {
            let proof = Proof::from_snarkjs(proof_json)?;
            verify(&key, &proof, &inputs?)
        });
        Self { outcome: checked.into(), curve: "bn254", key_hash, public_inputs }
    }
}
