//! Membership in G2 of BN254, at half the cost of ark's own check.
//!
//! With `x` the curve's parameter and `psi` the untwisted Frobenius, a point `P` of the twist is in
//! G2 exactly if `[x + 1]P + psi([x]P) + psi^2([x]P) = psi^3([2x]P)`
//! (<https://eprint.iacr.org/2022/348>, section 5.1): one multiplication by 63 bits, where
//! `psi(P) = [6x^2]P` takes one by 127.

use ark_bn254::{Config, Fq2, G2Affine, G2Projective};
use ark_ec::{AffineRepr, bn::BnConfig};
use ark_ff::{AdditiveGroup, biginteger::arithmetic::find_naf};

/// `z^p`.
fn conjugate(number: Fq2) -> Fq2 {
    Fq2::new(number.c0, -number.c1)
}

/// The untwisted Frobenius of two coordinates: `(x, y) -> (x^p a, y^p b)`.
pub(super) fn frobenius(x: Fq2, y: Fq2) -> (Fq2, Fq2) {
    (conjugate(x) * Config::TWIST_MUL_BY_Q_X, conjugate(y) * Config::TWIST_MUL_BY_Q_Y)
}

fn psi(point: &G2Projective) -> G2Projective {
    let (x, y) = frobenius(point.x, point.y);
    G2Projective::new_unchecked(x, y, conjugate(point.z))
}

/// Whether a point of the twist is in the group of prime order.
pub(super) fn contains(point: &G2Affine) -> bool {
    let negated = -*point;
    let mut multiple = G2Projective::ZERO;
    for digit in find_naf(Config::X).into_iter().rev() {
        multiple.double_in_place();
        match digit {
            1 => multiple += point,
            -1 => multiple += &negated,
            _ => {}
        }
    }
    let once = psi(&multiple);
    let twice = psi(&once);
    let thrice = psi(&twice);
    let left = multiple + point.into_group() + once + twice;
    left == thrice.double()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use ark_bn254::{Fq, Fr};
    use ark_ff::PrimeField;
    use num_bigint::BigInt;
    use proptest::prelude::*;

    use super::*;

    /// A point of the twist with an x near `seed`; almost never in the group.
    fn somewhere(seed: [u64; 2]) -> G2Affine {
        let start = Fq2::new(Fq::from(seed[0]), Fq::from(seed[1]));
        (0_u64..)
            .find_map(|step| G2Affine::get_point_from_x_unchecked(start + Fq2::from(step), false))
            .unwrap()
    }

    fn gcd(a: BigInt, b: BigInt) -> BigInt {
        if b == BigInt::ZERO {
            a
        } else {
            let rest = &a % &b;
            gcd(b, rest)
        }
    }

    /// The points that the equation's endomorphism `f(psi)` maps to zero are a group whose order
    /// divides its norm and the order of the twist; their greatest common divisor is `r`. `psi`
    /// is a root of `X^2 - tX + p`.
    #[test]
    fn only_the_group_satisfies_the_equation() {
        let x = BigInt::from(Config::X[0]);
        let p = BigInt::from(num_bigint::BigUint::from(Fq::MODULUS));
        let r = BigInt::from(num_bigint::BigUint::from(Fr::MODULUS));
        let trace = &p + 1_u8 - &r;
        // psi^2 = t psi - p; psi^3 = (t^2 - p) psi - t p.
        let constant = &x + 1_u8 - &x * &p + 2_u8 * &x * &trace * &p;
        let linear = &x + &x * &trace - 2_u8 * &x * (&trace * &trace - &p);
        let norm = &constant * &constant + &constant * &linear * &trace + &linear * &linear * &p;
        let twist = (2_u8 * &p - &r) * &r;
        assert_eq!(&norm % &r, BigInt::ZERO);
        let common = gcd(norm, twist);
        assert!(common == r || common == -r);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn it_answers_as_multiplying_by_the_order_does(seed: [u64; 2], scalar: u64) {
            let stray = somewhere(seed);
            let killed = |point: &G2Affine| point.mul_bigint(Fr::MODULUS) == G2Projective::ZERO;
            prop_assert_eq!(contains(&stray), killed(&stray));
            let cleared = stray.mul_by_cofactor();
            prop_assert!(contains(&cleared) && killed(&cleared));
            let member = G2Affine::generator().mul_bigint([scalar]).into();
            prop_assert!(contains(&member));
            // In the group but for a part outside it.
            let mixed = (member + stray).into();
            prop_assert_eq!(contains(&mixed), killed(&mixed));
        }
    }

    #[test]
    fn strays_are_outside() {
        assert!(!contains(&somewhere([1, 2])) && !contains(&somewhere([7, 0])));
        assert!(contains(&G2Affine::zero()));
    }
}
