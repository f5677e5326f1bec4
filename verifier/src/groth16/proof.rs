//! Proofs, public inputs, and the equation.

use std::fmt;

use ark_bn254::Bn254;
use ark_ec::AffineRepr;

use super::curve::SnarkCurve;
use super::form::Form;
use super::key::KeyOf;
use super::malformed::{Malformed, Part};
use super::{bytes, json, number};

/// A proof whose three points are on their curves, in their subgroups and not the identity.
#[derive(Clone, PartialEq)]
pub struct ProofOf<E: SnarkCurve>(pub(super) ark_groth16::Proof<E>);

/// A proof over BN254.
pub type Proof = ProofOf<Bn254>;

impl<E: SnarkCurve> ProofOf<E> {
    /// Bytes that arkworks writes of a proof: 128 over BN254, 192 over BLS12-381.
    pub const ARK_BYTES: usize = bytes::PROOF_POINTS * E::G1_BYTES;

    /// Reads snarkjs' `proof.json`.
    ///
    /// # Errors
    /// [`Malformed`] for everything the module's text lists.
    pub fn from_snarkjs(json: &[u8]) -> Result<Self, Malformed> {
        json::proof(json).map(Self)
    }

    /// Reads an `ark_groth16::Proof` written by `serialize_compressed`: 128 bytes over BN254, 192 over
    /// BLS12-381.
    ///
    /// # Errors
    /// [`Malformed`] for a wrong length, a non-canonical encoding or an identity point.
    pub fn from_ark_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let proof = bytes::proof::<E>(bytes)?;
        let identity = |at: &str| Malformed::Identity { part: Part::Proof, at: at.into() };
        if proof.b.is_zero() {
            return Err(identity("B"));
        }
        for (name, point) in [("A", proof.a), ("C", proof.c)] {
            if point.is_zero() {
                return Err(identity(name));
            }
        }
        Ok(Self(proof))
    }

    /// Reads a proof in either form.
    ///
    /// # Errors
    /// As the two above.
    pub fn from_file(file: &[u8]) -> Result<Self, Malformed> {
        match Form::of(file) {
            Form::Snarkjs => Self::from_snarkjs(file),
            Form::Arkworks => Self::from_ark_bytes(file),
        }
    }

    /// Of points that are in their groups, each checked.
    pub(super) const fn from_points(points: ark_groth16::Proof<E>) -> Self {
        Self(points)
    }

    /// Writes snarkjs' `proof.json`.
    #[must_use]
    pub fn to_snarkjs(&self) -> String {
        let g1 = |point: &E::G1Affine| {
            let [x, y] = E::of_g1(point);
            [number::print(&x), number::print(&y), "1".into()]
        };
        let [x, y] = E::of_g2(&self.0.b).map(|pair| pair.map(|part| number::print(&part)));
        let json = serde_json::json!({
            "pi_a": g1(&self.0.a),
            "pi_b": [
                x,
                y,
                ["1", "0"],
            ],
            "pi_c": g1(&self.0.c),
            "protocol": "groth16",
            "curve": E::NAMES[0],
        });
        json.to_string()
    }
}

impl<E: SnarkCurve> fmt::Debug for ProofOf<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proof").field(&self.0.a).field(&self.0.b).field(&self.0.c).finish()
    }
}

/// A statement: at most [`MAX_PUBLIC_INPUTS`](super::MAX_PUBLIC_INPUTS) scalars, each canonical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputsOf<E: SnarkCurve>(Vec<E::ScalarField>);

/// A statement over BN254.
pub type PublicInputs = InputsOf<Bn254>;

impl<E: SnarkCurve> InputsOf<E> {
    /// Reads snarkjs' `public.json`: a list of decimal numbers in quotes.
    ///
    /// # Errors
    /// [`Malformed`] for another shape, a non-canonical number, or too many.
    pub fn from_snarkjs(json: &[u8]) -> Result<Self, Malformed> {
        json::publics::<E>(json).map(Self)
    }

    /// Reads a `Vec<Fr>` written by `serialize_compressed`.
    ///
    /// # Errors
    /// [`Malformed`] for a wrong length or a scalar that is not canonical.
    pub fn from_ark_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        bytes::publics::<E>(bytes).map(Self)
    }

    /// Reads a statement in either form.
    ///
    /// # Errors
    /// As the two above.
    pub fn from_file(file: &[u8]) -> Result<Self, Malformed> {
        match Form::of(file) {
            Form::Snarkjs => Self::from_snarkjs(file),
            Form::Arkworks => Self::from_ark_bytes(file),
        }
    }

    pub(super) fn from_elements(elements: Vec<E::ScalarField>) -> Self {
        Self(elements)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The inputs as decimal numbers, in the circuit's order.
    #[must_use]
    pub fn to_decimals(&self) -> Vec<String> {
        self.0.iter().map(number::print).collect()
    }

    /// Writes snarkjs' `public.json`.
    #[must_use]
    pub fn to_snarkjs(&self) -> String {
        serde_json::Value::from(self.to_decimals()).to_string()
    }

    pub(super) fn elements(&self) -> &[E::ScalarField] {
        &self.0
    }
}

/// Why a well-formed proof is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotValid {
    /// The pairing equation does not hold.
    #[error("the proof does not prove this statement")]
    Equation,
    /// The public input that must bind the proof to task and worker is another number.
    #[error("public input {position} does not bind the proof to this task and this worker")]
    Binding {
        /// Its index.
        position: usize,
    },
    /// A public input that the listing fixes is another number.
    #[error("public input {position} is not the number the listing asks for")]
    Input {
        /// Its index.
        position: usize,
    },
}

/// What a check of well-formed documents found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Validity {
    /// The proof proves the statement.
    Valid,
    /// It does not.
    NotValid(NotValid),
}

impl Validity {
    pub(super) const fn of_equation(holds: bool) -> Self {
        if holds { Self::Valid } else { Self::NotValid(NotValid::Equation) }
    }
}

/// Checks one proof against one key.
///
/// # Errors
/// [`Malformed::InputCount`] when the statement has another length than the key takes.
pub fn verify<E: SnarkCurve>(
    key: &KeyOf<E>,
    proof: &ProofOf<E>,
    inputs: &InputsOf<E>,
) -> Result<Validity, Malformed> {
    let statement = key.statement(inputs)?;
    Ok(Validity::of_equation(E::holds(&key.ready, &proof.0, statement)))
}
