//! Making proofs, for workers: a circom program is a snarkjs `.zkey` and circom's witness
//! calculator, a WASM module.
//!
//! Both come from a stranger. The zkey is parsed with every length and index checked, the module
//! runs with bounded fuel and memory and four harmless imports, and the proof is verified before it
//! is returned, so a zkey that is well-formed nonsense ends in an error too. Still, run this in the
//! sandbox's child process: compiling a module and multiplying points can take long, and the
//! caller's deadline is what ends it.

mod error;
mod inputs;
mod witness;
mod zkey;

use std::panic::{AssertUnwindSafe, catch_unwind};

use ark_bls12_381::Bls12_381;
use ark_bn254::Bn254;
use ark_ff::{BigInteger, PrimeField};
use fog_protocol::Curve;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

pub use error::ProveError;

use self::inputs::Signals;
use self::zkey::{Zkey, ZkeyCurve};
use super::key::KeyOf;
use super::proof::{InputsOf, ProofOf, Validity, verify};
use super::{BINDING_SIGNAL, number};

/// Bounds on one proving run. The listing and the worker's own limits only lower them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProveLimits {
    /// Largest zkey, in bytes.
    pub zkey_bytes: usize,
    /// Largest witness calculator, in bytes.
    pub wasm_bytes: usize,
    /// Largest `input.json`, in bytes.
    pub input_bytes: usize,
    /// Fuel for the witness calculator, about one unit an instruction.
    pub fuel: u64,
    /// Linear memory for the witness calculator, in bytes.
    pub memory_bytes: usize,
}

impl Default for ProveLimits {
    fn default() -> Self {
        Self {
            zkey_bytes: 64 << 20,
            wasm_bytes: 16 << 20,
            input_bytes: 4 << 20,
            fuel: 1_000_000_000,
            memory_bytes: 256 << 20,
        }
    }
}

/// A proof that has been verified, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// snarkjs' `proof.json`.
    pub proof_json: String,
    /// snarkjs' `public.json`.
    pub public_json: String,
    /// Fuel the witness calculator used. The same inputs use the same fuel.
    pub fuel: u64,
}

/// Computes the witness of `inputs_json` and proves it.
///
/// `binding` is the decimal number from [`binding_scalar`](super::binding_scalar); it is given to
/// the circuit as the signal [`BINDING_SIGNAL`], in place of whatever `inputs_json` says there, and
/// must come out as a public input.
///
/// The proof's randomness is derived from `seed`, the zkey and the witness, so equal arguments give
/// equal proofs. **The seed is a secret of this task**: who knows it can test guesses of the
/// private inputs against the proof, which is then no longer zero-knowledge. Draw a fresh one a
/// task and forget it when the result is delivered.
///
/// # Errors
/// [`ProveError`], which says whose fault it is.
pub fn prove(
    zkey: &[u8],
    witness_wasm: &[u8],
    inputs_json: &str,
    binding: &str,
    seed: &[u8; 32],
    limits: &ProveLimits,
) -> Result<Proved, ProveError> {
    within("zkey", zkey.len(), limits.zkey_bytes)?;
    within("witness calculator", witness_wasm.len(), limits.wasm_bytes)?;
    within("input", inputs_json.len(), limits.input_bytes)?;
    match zkey::curve(zkey)? {
        Curve::Bn254 => over::<Bn254>(zkey, witness_wasm, inputs_json, binding, seed, limits),
        Curve::Bls12381 => {
            over::<Bls12_381>(zkey, witness_wasm, inputs_json, binding, seed, limits)
        }
    }
}

/// [`prove`] over the zkey's curve.
fn over<E: ZkeyCurve>(
    zkey: &[u8],
    witness_wasm: &[u8],
    inputs_json: &str,
    binding: &str,
    seed: &[u8; 32],
    limits: &ProveLimits,
) -> Result<Proved, ProveError> {
    let binding: E::ScalarField = number::parse(binding).map_err(ProveError::Binding)?;
    let mut signals = Signals::from_json(inputs_json)?;
    signals.set(BINDING_SIGNAL, binding);
    let parsed = Zkey::<E>::parse(zkey)?;
    let (witness, fuel) = witness::calculate(witness_wasm, &signals, parsed.wires(), limits)?;
    drop(signals);

    let inputs = witness.get(1..=parsed.public_count()).ok_or(ProveError::BindingNotPublic)?;
    if !inputs.contains(&binding) {
        return Err(ProveError::BindingNotPublic);
    }
    let inputs = InputsOf::<E>::from_elements(inputs.to_vec());
    let key = KeyOf::new(parsed.key_parts()).map_err(ProveError::Key)?;
    let made = ProofOf(multiply(&parsed, &witness, randomness(seed, zkey, &witness))?);
    // Read as a verifier will read it: queries with points outside the groups can give a proof that
    // only looks as if it held.
    let (proof_json, public_json) = (made.to_snarkjs(), inputs.to_snarkjs());
    let proof =
        ProofOf::from_snarkjs(proof_json.as_bytes()).map_err(|_| ProveError::Unsatisfied)?;
    match verify(&key, &proof, &inputs).map_err(ProveError::Key)? {
        Validity::Valid => Ok(Proved { proof_json, public_json, fuel }),
        Validity::NotValid(_) => Err(ProveError::Unsatisfied),
    }
}

fn within(what: &'static str, bytes: usize, cap: usize) -> Result<(), ProveError> {
    if bytes > cap { Err(ProveError::Size { what, bytes, cap }) } else { Ok(()) }
}

/// The multi-scalar multiplications. Lengths and indices were checked by [`Zkey::parse`], so the
/// library has no reason to panic; if it does, this task fails and not the process.
fn multiply<E: ZkeyCurve>(
    zkey: &Zkey<E>,
    witness: &[E::ScalarField],
    blinding: [E::ScalarField; 2],
) -> Result<ark_groth16::Proof<E>, ProveError> {
    catch_unwind(AssertUnwindSafe(|| E::multiply(zkey, witness, blinding)))
        .map_err(|_| ProveError::Prover("the prover panicked".into()))?
        .map_err(ProveError::Prover)
}

/// The two blinding scalars: 512 bits each, reduced. The witness goes in so that reusing a seed for
/// another witness does not reuse the blinding.
fn randomness<F: PrimeField>(seed: &[u8; 32], zkey: &[u8], witness: &[F]) -> [F; 2] {
    let mut statement = Sha256::new();
    statement.update(b"fog/groth16/blinding/v1");
    statement.update(Sha256::digest(zkey));
    for element in witness {
        statement.update(Zeroizing::new(element.into_bigint().to_bytes_le()));
    }
    let statement = statement.finalize();
    [b'r', b's'].map(|name| {
        let mut wide = [0_u8; 64];
        for (half, block) in wide.chunks_mut(32).zip(0_u8..) {
            let mut hash = Sha256::new();
            hash.update(b"fog/groth16/blinding/expand/v1");
            hash.update(seed);
            hash.update(statement);
            hash.update([name, block]);
            half.copy_from_slice(&hash.finalize());
        }
        let scalar = F::from_le_bytes_mod_order(&wide);
        wide.zeroize();
        scalar
    })
}
