//! Programs that can be proven: a worker runs one on an input and proves, in 192 bytes, that the
//! result is what comes out; the task's escrow checks the proof itself and pays
//! (`contracts/docs/task.md`, "Where the proof is the verdict").
//!
//! ```text
//! Program (what is computed) --Work--> one circuit: result = program(input), and
//!     binding = SHA-256(context, SHA-256(input), hash of the result's cell) >> 2
//! setup --> Keys: a proving key for workers, a verifying key that names the circuit on chain
//! prove(program, key, context, input) --> result, proof
//! ```
//!
//! Every circuit has exactly one public input, the binding. It is computed here as the contract
//! computes it, so a program only says what it computes, over bytes.
//!
//! # Another circuit
//! Implement [`Program`] (`score.rs` is an example in 60 lines), add it to [`PROGRAMS`], and make its
//! keys with [`Keys::setup`] (`fog circuit setup`). Or write it in anything that proves Groth16 over
//! BLS12-381 with the binding as its one public input: to market and contracts a circuit is its
//! verifying key, nothing else.

mod binding;
mod keys;
mod prove;
mod score;
mod sha256;

pub use binding::Work;
pub use keys::{KeyError, Keys, LOCAL_SEED, local_verifying_key};
pub use prove::{ProveError, Proved, prove};
pub use score::Score;
pub use sha256::sha256;

use ark_bls12_381::Fr;
use ark_r1cs_std::uint8::UInt8;
use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};

/// A byte in a circuit.
pub type Byte = UInt8<Fr>;
/// The constraints.
pub type Constraints = ConstraintSystemRef<Fr>;

/// An input that a program does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{program}` does not take this input: {problem}")]
pub struct InputError {
    /// The program.
    pub program: &'static str,
    /// What is wrong and what would do.
    pub problem: String,
}

/// Something that is computed and proven: input and result are bytes of fixed length.
pub trait Program: Send + Sync {
    /// Its name: of files, and for people.
    fn name(&self) -> &'static str;

    /// Length of its input.
    fn input_bytes(&self) -> usize;

    /// Length of its result; at most [`MAX_RESULT_BYTES`].
    fn result_bytes(&self) -> usize;

    /// Computes the result of `input`, which has the right length.
    ///
    /// # Errors
    /// [`InputError`] where there is none.
    fn run(&self, input: &[u8]) -> Result<Vec<u8>, InputError>;

    /// The same as constraints: satisfied exactly if `result` is the result of `input`.
    ///
    /// # Errors
    /// Those of the constraint system.
    fn constrain(
        &self,
        cs: &Constraints,
        input: &[Byte],
        result: &[Byte],
    ) -> Result<(), SynthesisError>;
}

/// Longest result: what one cell holds.
pub const MAX_RESULT_BYTES: usize = 127;

/// The programs that ship.
pub const PROGRAMS: [&dyn Program; 1] = [&Score];

/// The program with this name.
#[must_use]
pub fn program(name: &str) -> Option<&'static dyn Program> {
    PROGRAMS.into_iter().find(|program| program.name() == name)
}
