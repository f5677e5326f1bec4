//! Groth16 over BN254 and BLS12-381: snarkjs' JSON or ark's compressed bytes in, a verdict out.
//! Which curve is meant its caller says: of a task the listing, of loose files [`curve_of_files`].
//!
//! ```text
//! verification_key.json --VerifyingKey::from_snarkjs--> VerifyingKey --\
//! proof.json ------------Proof::from_snarkjs----------> Proof ----------verify--> Validity
//! public.json -----------PublicInputs::from_snarkjs---> PublicInputs --/
//! ```
//!
//! Each arrow into a type is the only way to make it, and checks everything once: numbers are
//! canonical, points are on the curve, in the subgroup and not the identity, the key is not
//! degenerate. [`verify`] therefore only has to compare the counts and evaluate the equation.
//!
//! What is refused is [`Malformed`] and says what to do about it; a proof that is well-formed and
//! wrong is [`Validity::NotValid`]. Nothing here panics, and everything is bounded by the `MAX_*`
//! constants, which keep the worst case of one check under a second.
//!
//! A Groth16 proof can be re-randomised by anyone, so a proof or its hash identifies nothing. What
//! ties a proof to a task and a worker is a public input that the verifier computes:
//! [`binding_scalar`], required by [`check_task_proof`].

mod arithmetic;
mod batch;
mod binding;
mod bls;
mod bytes;
mod contract;
mod curve;
mod desk;
mod factor;
mod fixed_base;
mod form;
mod json;
mod key;
mod malformed;
mod miller;
mod number;
mod proof;
pub mod prove;
mod receipt;
mod report;
mod subgroup;

pub use batch::{MAX_BATCH, verify_batch};
pub(crate) use binding::Terms;
pub use binding::{BINDING_SIGNAL, binding_scalar, check_listing, check_task_proof};
pub use contract::{check_contract_key, check_contract_proof};
pub use curve::{Place, SnarkCurve};
pub(crate) use desk::Desked;
pub(crate) use form::Form;
pub use key::{KeyOf, VerifyingKey};
pub use malformed::{Fault, Malformed, NumberProblem, Part};
pub use proof::{InputsOf, NotValid, Proof, ProofOf, PublicInputs, Validity, verify};
pub use prove::{ProveError, ProveLimits, Proved, prove};
pub use receipt::{MAX_JOURNAL_BYTES, check_receipt};
pub use report::{ProofOutcome, ProofReport, curve_named, curve_of_files};

/// Largest verification key accepted, in bytes of JSON.
pub const MAX_KEY_BYTES: usize = 4 << 20;
/// Largest proof accepted, in bytes of JSON.
pub const MAX_PROOF_BYTES: usize = 64 << 10;
/// Largest list of public inputs accepted, in bytes of JSON.
pub const MAX_PUBLICS_BYTES: usize = 1 << 20;
/// Most public inputs a key may have.
pub const MAX_PUBLIC_INPUTS: usize = 4096;
