//! Running a program and proving it.

use ark_bls12_381::Bls12_381;
use ark_groth16::Groth16;
use ark_serialize::CanonicalSerialize as _;
use ark_snark::SNARK as _;
use ark_std::rand::{SeedableRng as _, rngs::StdRng};

use crate::{
    InputError, Keys, MAX_RESULT_BYTES,
    binding::{Bytes, Work},
};

/// A result with its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// The result.
    pub result: Vec<u8>,
    /// The proof as arkworks writes it: 192 bytes.
    pub proof: Vec<u8>,
}

/// Why there is no proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// The program does not take the input.
    #[error(transparent)]
    Input(#[from] InputError),
    /// No randomness.
    #[error("the system gives no randomness: {0}")]
    Random(String),
    /// The prover failed.
    #[error("the prover failed: {0}")]
    Prover(String),
    /// The proof that came out does not hold: the proving key is damaged, or of another circuit.
    #[error("the proof made with this proving key does not hold: make the key again")]
    WrongKey,
}

/// Runs the keys' program on `input` and proves that the result is what comes out, for the task and
/// worker that `context` names (`fog_contracts::proof::Context::hash`). Takes about two seconds of
/// one core for the programs that ship. The proof is verified before it is returned.
///
/// # Errors
/// [`ProveError`].
pub fn prove(keys: &Keys, context: [u8; 32], input: &[u8]) -> Result<Proved, ProveError> {
    let program = keys.program;
    let refuse = |problem| InputError { program: program.name(), problem };
    if input.len() != program.input_bytes() {
        let problem = format!("{} bytes, it takes {}", input.len(), program.input_bytes());
        return Err(refuse(problem).into());
    }
    let result = program.run(input)?;
    if result.len() != program.result_bytes() || result.len() > MAX_RESULT_BYTES {
        return Err(refuse("its result has another length than it says".to_owned()).into());
    }
    let bytes = Bytes { context, input, result: &result };
    let work = Work { program, bytes: Some(bytes) };
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| ProveError::Random(error.to_string()))?;
    let failed = |error: &dyn std::fmt::Display| ProveError::Prover(error.to_string());
    let proof = Groth16::<Bls12_381>::prove(&keys.proving, work, &mut StdRng::from_seed(seed))
        .map_err(|error| failed(&error))?;
    let holds = Groth16::<Bls12_381>::verify(&keys.proving.vk, &[bytes.binding()], &proof)
        .map_err(|error| failed(&error))?;
    if !holds {
        return Err(ProveError::WrongKey);
    }
    let mut written = Vec::new();
    proof.serialize_compressed(&mut written).map_err(|error| failed(&error))?;
    Ok(Proved { result, proof: written })
}
