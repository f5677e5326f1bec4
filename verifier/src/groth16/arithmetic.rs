//! What differs between the two curves below the equation: how points are read, and with what the
//! pairings are computed. BN254 is ark's arithmetic with our own batch ([`super::miller`]) and
//! subgroup check ([`super::subgroup`]); BLS12-381 is blst's ([`super::bls`]).

use ark_bls12_381::Bls12_381;
use ark_bn254::Bn254;
use ark_ec::pairing::{MillerLoopOutput, Pairing};
use ark_ff::One;
use ark_groth16::{PreparedVerifyingKey, Proof, VerifyingKey, prepare_verifying_key};
use ark_serialize::{CanonicalDeserialize, SerializationError};

use super::factor::{self, Factor};
use super::{bls, miller, subgroup};

/// A curve's arithmetic. Every point that comes in is on its curve; where it is said, in its group.
pub trait Arithmetic: Pairing {
    /// A key made ready for [`Arithmetic::holds`].
    type Ready: Clone + Send + Sync;

    /// Makes a key ready. Its points are in their groups.
    fn ready(key: &VerifyingKey<Self>) -> Self::Ready;

    /// Whether `e(A, B) = e(alpha, beta) e(statement, gamma) e(C, delta)`.
    fn holds(key: &Self::Ready, proof: &Proof<Self>, statement: Self::G1Affine) -> bool;

    /// Whether the product of `e(P, Q)` over all pairs is one.
    fn product_is_one(pairs: &[(Self::G1Affine, Self::G2Affine)]) -> bool;

    /// Reads ark's compressed encoding of one point of G1, which may be the identity.
    ///
    /// # Errors
    /// An encoding that is not canonical, or a point outside the group.
    fn read_g1(bytes: &[u8]) -> Result<Self::G1Affine, SerializationError>;

    /// Reads ark's compressed encoding of one point of G2, which may be the identity.
    ///
    /// # Errors
    /// As [`Arithmetic::read_g1`].
    fn read_g2(bytes: &[u8]) -> Result<Self::G2Affine, SerializationError>;

    /// Whether a point of the curve is in G2.
    fn g2_in_group(point: &Self::G2Affine) -> bool;

    /// The scalar that a factor stands for.
    fn scalar(factor: Factor) -> Self::ScalarField;

    /// Each point of G1 times its factor.
    fn scaled(points: &[Self::G1Affine], factors: &[Factor]) -> Vec<Self::G1Affine>;

    /// The sum of points of G1, each times its factor.
    fn sum(points: &[Self::G1Affine], factors: &[Factor]) -> Self::G1Affine;
}

impl Arithmetic for Bn254 {
    type Ready = PreparedVerifyingKey<Self>;

    fn ready(key: &VerifyingKey<Self>) -> Self::Ready {
        prepare_verifying_key(key)
    }

    fn holds(key: &Self::Ready, proof: &Proof<Self>, statement: Self::G1Affine) -> bool {
        let product = Self::multi_miller_loop(
            [proof.a, statement, proof.c],
            [proof.b.into(), key.gamma_g2_neg_pc.clone(), key.delta_g2_neg_pc.clone()],
        );
        // `None` only for a zero product, which no valid proof has.
        Self::final_exponentiation(product).is_some_and(|value| value.0 == key.alpha_g1_beta_g2)
    }

    fn product_is_one(pairs: &[(Self::G1Affine, Self::G2Affine)]) -> bool {
        let product = MillerLoopOutput(miller::product(pairs));
        Self::final_exponentiation(product).is_some_and(|value| value.0.is_one())
    }

    fn read_g1(bytes: &[u8]) -> Result<Self::G1Affine, SerializationError> {
        // The whole curve is the group.
        Self::G1Affine::deserialize_compressed(bytes)
    }

    fn read_g2(bytes: &[u8]) -> Result<Self::G2Affine, SerializationError> {
        // "Unchecked" leaves out the group alone: the point is computed from its x, so it is on
        // the curve, and ark reads numbers canonically either way.
        let point = Self::G2Affine::deserialize_compressed_unchecked(bytes)?;
        if Self::g2_in_group(&point) { Ok(point) } else { Err(SerializationError::InvalidData) }
    }

    fn g2_in_group(point: &Self::G2Affine) -> bool {
        subgroup::contains(point)
    }

    fn scalar(factor: Factor) -> Self::ScalarField {
        factor::scalar::<ark_bn254::g1::Config>(factor)
    }

    fn scaled(points: &[Self::G1Affine], factors: &[Factor]) -> Vec<Self::G1Affine> {
        factor::scaled(points, factors)
    }

    fn sum(points: &[Self::G1Affine], factors: &[Factor]) -> Self::G1Affine {
        factor::sum(points, factors)
    }
}

impl Arithmetic for Bls12_381 {
    type Ready = bls::Ready;

    fn ready(key: &VerifyingKey<Self>) -> Self::Ready {
        bls::ready(key)
    }

    fn holds(key: &Self::Ready, proof: &Proof<Self>, statement: Self::G1Affine) -> bool {
        bls::holds(key, proof, &statement)
    }

    fn product_is_one(pairs: &[(Self::G1Affine, Self::G2Affine)]) -> bool {
        bls::product_is_one(pairs)
    }

    fn read_g1(bytes: &[u8]) -> Result<Self::G1Affine, SerializationError> {
        bls::read_g1(bytes)
    }

    fn read_g2(bytes: &[u8]) -> Result<Self::G2Affine, SerializationError> {
        bls::read_g2(bytes)
    }

    fn g2_in_group(point: &Self::G2Affine) -> bool {
        point.is_in_correct_subgroup_assuming_on_curve()
    }

    fn scalar(factor: Factor) -> Self::ScalarField {
        factor::scalar::<ark_bls12_381::g1::Config>(factor)
    }

    fn scaled(points: &[Self::G1Affine], factors: &[Factor]) -> Vec<Self::G1Affine> {
        factor::scaled(points, factors)
    }

    fn sum(points: &[Self::G1Affine], factors: &[Factor]) -> Self::G1Affine {
        factor::sum(points, factors)
    }
}
