//! BLS12-381 by blst: twice as quick as ark, and the library the virtual machine checks with. Both
//! keep field elements as the same six limbs in Montgomery form, so points change hands by copying.

use ark_bls12_381::{Bls12_381, Fq, Fq2, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::BigInt;
use ark_groth16::{Proof, VerifyingKey};
use ark_serialize::{CanonicalDeserialize, SerializationError};
use blst::{
    blst_fp, blst_fp2, blst_fp12, blst_p1_affine, blst_p2_affine,
    min_pk::{PublicKey, Signature},
};

/// The flag of an encoded identity, in the first byte.
const IDENTITY: u8 = 0x40;

/// A key: the Miller loop of alpha and beta, and what the other two pairings are taken with.
#[derive(Clone)]
pub struct Ready {
    alpha_beta: blst_fp12,
    negated_gamma: blst_p2_affine,
    negated_delta: blst_p2_affine,
}

pub(super) fn ready(key: &VerifyingKey<Bls12_381>) -> Ready {
    Ready {
        alpha_beta: blst_fp12::miller_loop(&to_g2(&key.beta_g2), &to_g1(&key.alpha_g1)),
        negated_gamma: to_g2(&-key.gamma_g2),
        negated_delta: to_g2(&-key.delta_g2),
    }
}

pub(super) fn holds(key: &Ready, proof: &Proof<Bls12_381>, statement: &G1Affine) -> bool {
    let mut p = vec![to_g1(&proof.a), to_g1(&proof.c)];
    let mut q = vec![to_g2(&proof.b), key.negated_delta];
    // blst's loop takes no identity, which contributes nothing.
    if !statement.is_zero() {
        p.push(to_g1(statement));
        q.push(key.negated_gamma);
    }
    blst_fp12::finalverify(&blst_fp12::miller_loop_n(&q, &p), &key.alpha_beta)
}

pub(super) fn product_is_one(pairs: &[(G1Affine, G2Affine)]) -> bool {
    let (p, q): (Vec<_>, Vec<_>) = pairs
        .iter()
        .filter(|(p, q)| !p.is_zero() && !q.is_zero())
        .map(|(p, q)| (to_g1(p), to_g2(q)))
        .unzip();
    p.is_empty() || blst_fp12::finalverify(&blst_fp12::miller_loop_n(&q, &p), &blst_fp12::default())
}

/// Reads a compressed point in its group.
pub(super) fn read_g1(bytes: &[u8]) -> Result<G1Affine, SerializationError> {
    if is_identity(bytes) {
        return G1Affine::deserialize_compressed(bytes);
    }
    let point = PublicKey::uncompress(bytes)
        .and_then(|point| point.validate().map(|()| point))
        .map_err(|_| SerializationError::InvalidData)?;
    let point = <&blst_p1_affine>::from(&point);
    Ok(G1Affine::new_unchecked(from_fp(&point.x), from_fp(&point.y)))
}

/// Reads a compressed point in its group.
pub(super) fn read_g2(bytes: &[u8]) -> Result<G2Affine, SerializationError> {
    if is_identity(bytes) {
        return G2Affine::deserialize_compressed(bytes);
    }
    let point = Signature::uncompress(bytes)
        .and_then(|point| point.validate(true).map(|()| point))
        .map_err(|_| SerializationError::InvalidData)?;
    let point = <&blst_p2_affine>::from(&point);
    Ok(G2Affine::new_unchecked(from_fp2(&point.x), from_fp2(&point.y)))
}

/// What is rare is ark's: it reads the identity, and refuses what only looks like it.
fn is_identity(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|first| first & IDENTITY != 0)
}

/// The point is not the identity, whose coordinates mean something else to each side.
const fn to_g1(point: &G1Affine) -> blst_p1_affine {
    blst_p1_affine { x: to_fp(&point.x), y: to_fp(&point.y) }
}

/// As [`to_g1`].
const fn to_g2(point: &G2Affine) -> blst_p2_affine {
    blst_p2_affine { x: to_fp2(&point.x), y: to_fp2(&point.y) }
}

const fn to_fp2(number: &Fq2) -> blst_fp2 {
    blst_fp2 { fp: [to_fp(&number.c0), to_fp(&number.c1)] }
}

const fn to_fp(number: &Fq) -> blst_fp {
    blst_fp { l: number.0.0 }
}

fn from_fp2(number: &blst_fp2) -> Fq2 {
    let [c0, c1] = &number.fp;
    Fq2::new(from_fp(c0), from_fp(c1))
}

const fn from_fp(number: &blst_fp) -> Fq {
    Fq::new_unchecked(BigInt(number.l))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use ark_bls12_381::Fr;
    use ark_ec::{CurveGroup, pairing::Pairing};
    use ark_ff::Zero;
    use ark_serialize::CanonicalSerialize;
    use proptest::prelude::*;

    use super::*;

    fn encoded(point: &impl CanonicalSerialize) -> Vec<u8> {
        let mut bytes = Vec::new();
        point.serialize_compressed(&mut bytes).unwrap();
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn points_are_read_as_ark_reads_them(scalar: u64, flip in 0_usize..768) {
            let p = (G1Affine::generator() * Fr::from(scalar)).into_affine();
            let q = (G2Affine::generator() * Fr::from(scalar)).into_affine();
            let (mut p_bytes, mut q_bytes) = (encoded(&p), encoded(&q));
            prop_assert_eq!(read_g1(&p_bytes).unwrap(), p);
            prop_assert_eq!(read_g2(&q_bytes).unwrap(), q);
            p_bytes[flip / 8 % 48] ^= 1 << (flip % 8);
            q_bytes[flip / 8] ^= 1 << (flip % 8);
            let theirs = G1Affine::deserialize_compressed(&p_bytes[..]).ok();
            prop_assert_eq!(read_g1(&p_bytes).ok(), theirs);
            let theirs = G2Affine::deserialize_compressed(&q_bytes[..]).ok();
            prop_assert_eq!(read_g2(&q_bytes).ok(), theirs);
        }

        #[test]
        fn bytes_are_refused_as_ark_refuses_them(mut bytes: [[u8; 32]; 3], flags in 0_u8..8) {
            bytes[0][0] = bytes[0][0] & 0x1f | flags << 5;
            let bytes = bytes.concat();
            prop_assert_eq!(read_g1(&bytes[..48]).ok(), G1Affine::deserialize_compressed(&bytes[..48]).ok());
            prop_assert_eq!(read_g2(&bytes).ok(), G2Affine::deserialize_compressed(&bytes[..]).ok());
        }

        #[test]
        fn a_product_is_one_when_ark_says_so(scalars in proptest::collection::vec((0_u64..5, 0_u64..5), 0..20), fit: bool) {
            let mut pairs: Vec<(G1Affine, G2Affine)> = scalars
                .iter()
                .map(|&(a, b)| ((G1Affine::generator() * Fr::from(a)).into(), (G2Affine::generator() * Fr::from(b)).into()))
                .collect();
            if fit {
                let rest: Fr = scalars.iter().map(|&(a, b)| Fr::from(a) * Fr::from(b)).sum();
                pairs.push(((G1Affine::generator() * -rest).into(), G2Affine::generator()));
            }
            let theirs = Bls12_381::multi_pairing(pairs.iter().map(|p| p.0), pairs.iter().map(|p| p.1)).is_zero();
            prop_assert!(!fit || theirs);
            prop_assert_eq!(product_is_one(&pairs), theirs);
        }
    }
}
