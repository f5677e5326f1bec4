//! Many Miller loops over BN254 at once: one accumulator, so that its squarings are shared, and
//! affine points, whose inversions are shared (one per step for all pairs).
//!
//! Lines are scaled by factors of Fq2, which the final exponentiation removes, until the first of
//! the three coefficients is one: `1 + (c3 + c4 v) w`.

use ark_bn254::{Config, Fq, Fq2, Fq6, Fq12, Fq12Config, G1Affine, G2Affine};
use ark_ec::{AffineRepr, bn::BnConfig};
use ark_ff::{AdditiveGroup, Field, Fp12Config as _, One, batch_inversion};

use super::subgroup;

/// A pair on its way: the multiple of Q reached, and what makes its lines values.
struct Walker {
    q: G2Affine,
    x: Fq2,
    y: Fq2,
    /// `-x_P / y_P`.
    slope_scale: Fq,
    /// `1 / y_P`.
    offset_scale: Fq,
}

/// Where a walker goes next.
#[derive(Clone, Copy)]
enum Step {
    /// To twice where it is.
    Double,
    /// By this point.
    Add(fn(&G2Affine) -> G2Affine),
}

/// The product of the Miller loops of all pairs, up to what the final exponentiation removes. The
/// points are in their groups; a pair with an identity contributes nothing.
pub(super) fn product(pairs: &[(G1Affine, G2Affine)]) -> Fq12 {
    let present = pairs.iter().filter(|(p, q)| !p.is_zero() && !q.is_zero());
    // No point of prime order has y = 0.
    let mut inverses: Vec<Fq> = present.clone().map(|(p, _)| p.y).collect();
    batch_inversion(&mut inverses);
    let mut walkers: Vec<Walker> = present
        .zip(inverses)
        .map(|((p, q), inverse)| Walker {
            q: *q,
            x: q.x,
            y: q.y,
            slope_scale: -(p.x * inverse),
            offset_scale: inverse,
        })
        .collect();

    let mut product = Fq12::one();
    let mut scratch = Vec::with_capacity(walkers.len());
    let mut step = |product: &mut Fq12, step| advance(&mut walkers, &mut scratch, product, step);
    for digit in Config::ATE_LOOP_COUNT.iter().rev().skip(1) {
        product.square_in_place();
        step(&mut product, Step::Double);
        match digit {
            1 => step(&mut product, Step::Add(|q| *q)),
            -1 => step(&mut product, Step::Add(|q| -*q)),
            _ => {}
        }
    }
    step(&mut product, Step::Add(frobenius));
    step(&mut product, Step::Add(|q| -frobenius(&frobenius(q))));
    product
}

/// The untwisted Frobenius.
fn frobenius(q: &G2Affine) -> G2Affine {
    let (x, y) = subgroup::frobenius(q.x, q.y);
    G2Affine::new_unchecked(x, y)
}

/// Takes every walker one step and multiplies its line in.
///
/// No denominator is zero: the multiples of a point of order r that the loop passes are neither
/// zero nor plus or minus what is added to them.
fn advance(walkers: &mut [Walker], inverses: &mut Vec<Fq2>, product: &mut Fq12, step: Step) {
    inverses.clear();
    inverses.extend(walkers.iter().map(|at| match step {
        Step::Double => at.y.double(),
        Step::Add(by) => by(&at.q).x - at.x,
    }));
    batch_inversion(inverses);
    for (at, inverse) in walkers.iter_mut().zip(inverses) {
        let (rise, other) = match step {
            Step::Double => {
                let square = at.x.square();
                (square.double() + square, at.x)
            }
            Step::Add(by) => {
                let by = by(&at.q);
                (by.y - at.y, by.x)
            }
        };
        let slope = rise * *inverse;
        let mut offset = slope * at.x - at.y;
        let x = slope.square() - at.x - other;
        at.y = -(slope * x - offset);
        at.x = x;
        let mut tilt = slope;
        tilt.mul_assign_by_fp(&at.slope_scale);
        offset.mul_assign_by_fp(&at.offset_scale);
        multiply_by_line(product, &tilt, &offset);
    }
}

/// `(c0 + c1 w) (1 + l w)` with `l = tilt + offset v` and `w^2 = v`.
fn multiply_by_line(product: &mut Fq12, tilt: &Fq2, offset: &Fq2) {
    let (mut low, mut high): (Fq6, Fq6) = (product.c0, product.c1);
    low.mul_by_01(tilt, offset);
    high.mul_by_01(tilt, offset);
    Fq12Config::mul_fp6_by_nonresidue_in_place(&mut high);
    product.c0 += high;
    product.c1 += low;
}

#[cfg(test)]
mod tests {
    use ark_bn254::{Bn254, Fr};
    use ark_ec::pairing::{MillerLoopOutput, Pairing};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// After the final exponentiation it is ark's pairing, identities included.
        #[test]
        fn it_is_the_pairing(scalars in proptest::collection::vec((0_u64..6, any::<u64>()), 0..7)) {
            let pairs: Vec<(G1Affine, G2Affine)> = scalars
                .iter()
                .map(|&(a, b)| {
                    let p = G1Affine::generator() * (Fr::from(a) * Fr::from(b));
                    let q = G2Affine::generator() * (Fr::from(b) * Fr::from(b));
                    (p.into(), q.into())
                })
                .collect();
            let ours = Bn254::final_exponentiation(MillerLoopOutput(product(&pairs)));
            let theirs = Bn254::multi_pairing(pairs.iter().map(|p| p.0), pairs.iter().map(|p| p.1));
            prop_assert_eq!(ours, Some(theirs));
        }
    }
}
