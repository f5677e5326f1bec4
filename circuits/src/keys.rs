//! Proving and verifying keys, and where their randomness comes from.

use ark_bls12_381::Bls12_381;
use ark_groth16::{Groth16, ProvingKey};
use ark_relations::gr1cs::SynthesisError;
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use ark_snark::CircuitSpecificSetupSNARK as _;
use ark_std::rand::{CryptoRng, RngCore, SeedableRng as _, rngs::StdRng};
use sha2::{Digest as _, Sha256};

use crate::{Program, Work};

/// What the keys of local networks are made from. It is public, and whoever knows it can prove
/// anything: [`Keys::local`] is for networks on one machine, and nothing else.
pub const LOCAL_SEED: &str = "fog/circuits/LOCAL ONLY, toxic waste known to everybody/v1";

const SCORE_LOCAL: &[u8] = include_bytes!("../keys/score.local.vk");

/// Why there are no keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The circuit's constraints cannot be made.
    #[error("the circuit cannot be set up: {0}")]
    Setup(String),
    /// Bytes that are no proving key.
    #[error("this is no proving key of `{program}`: {cause}; make one with `fog circuit setup`")]
    Bytes {
        /// The program.
        program: &'static str,
        /// What is wrong.
        cause: String,
    },
}

impl From<SynthesisError> for KeyError {
    fn from(error: SynthesisError) -> Self {
        Self::Setup(error.to_string())
    }
}

/// A circuit's keys.
pub struct Keys {
    pub(crate) program: &'static dyn Program,
    pub(crate) proving: ProvingKey<Bls12_381>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.program.name())
    }
}

impl Keys {
    /// Fresh keys. The numbers they were made from are gone when this returns; whoever kept them
    /// could prove anything, so whoever relies on the key must trust whoever ran this. Takes some
    /// seconds.
    ///
    /// # Errors
    /// [`KeyError::Setup`].
    pub fn setup(
        program: &'static dyn Program,
        random: &mut (impl RngCore + CryptoRng),
    ) -> Result<Self, KeyError> {
        let (proving, _) = Groth16::<Bls12_381>::setup(Work::shape(program), random)?;
        Ok(Self { program, proving })
    }

    /// [`Keys::setup`] with the operating system's randomness.
    ///
    /// # Errors
    /// [`KeyError::Setup`], also where the system gives no randomness.
    pub fn fresh(program: &'static dyn Program) -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| KeyError::Setup(error.to_string()))?;
        Self::setup(program, &mut StdRng::from_seed(seed))
    }

    /// The keys of local networks: the same for everybody, made from [`LOCAL_SEED`].
    ///
    /// # Errors
    /// [`KeyError::Setup`].
    pub fn local(program: &'static dyn Program) -> Result<Self, KeyError> {
        let mut seed = Sha256::new();
        seed.update(LOCAL_SEED);
        seed.update(program.name());
        Self::setup(program, &mut StdRng::from_seed(seed.finalize().into()))
    }

    /// The circuit's program.
    #[must_use]
    pub fn program(&self) -> &'static dyn Program {
        self.program
    }

    /// The verifying key as arkworks writes it: what the circuit is known by.
    ///
    /// # Errors
    /// [`KeyError::Bytes`] if it cannot be written.
    pub fn verifying(&self) -> Result<Vec<u8>, KeyError> {
        let mut bytes = Vec::new();
        self.proving
            .vk
            .serialize_compressed(&mut bytes)
            .map_err(|error| self.unreadable(&error.to_string()))?;
        Ok(bytes)
    }

    /// The proving key's file.
    ///
    /// # Errors
    /// [`KeyError::Bytes`] if it cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, KeyError> {
        let mut bytes = Vec::with_capacity(self.proving.uncompressed_size());
        self.proving
            .serialize_uncompressed(&mut bytes)
            .map_err(|error| self.unreadable(&error.to_string()))?;
        Ok(bytes)
    }

    /// Reads a proving key's file. Its points are not checked: a wrong file makes proofs that are
    /// refused before they leave ([`crate::prove`] verifies them).
    ///
    /// # Errors
    /// [`KeyError::Bytes`].
    pub fn from_bytes(program: &'static dyn Program, bytes: &[u8]) -> Result<Self, KeyError> {
        let refuse = |cause: String| KeyError::Bytes { program: program.name(), cause };
        let mut rest = bytes;
        let proving = ProvingKey::deserialize_uncompressed_unchecked(&mut rest)
            .map_err(|error| refuse(error.to_string()))?;
        if rest.is_empty() {
            Ok(Self { program, proving })
        } else {
            Err(refuse("something follows it".to_owned()))
        }
    }

    fn unreadable(&self, cause: &str) -> KeyError {
        KeyError::Bytes { program: self.program.name(), cause: cause.to_owned() }
    }
}

/// The verifying key of [`Keys::local`], without making the keys.
#[must_use]
pub fn local_verifying_key(program: &dyn Program) -> Option<&'static [u8]> {
    (program.name() == "score").then_some(SCORE_LOCAL)
}
