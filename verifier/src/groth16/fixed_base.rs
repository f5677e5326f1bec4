//! Sums over points that stay the same for all proofs of a key: multiples made beforehand, so that
//! an input costs 51 additions and no doubling.

use ark_ec::CurveGroup;
use ark_ff::PrimeField;

/// Bits of a digit. Digits are signed, so a table holds half of their multiples.
const WINDOW: usize = 5;
/// Multiples kept of each power: 1 to 16.
const MULTIPLES: usize = 1 << (WINDOW - 1);

/// Multiples of some points.
pub(super) struct Tables<G: CurveGroup> {
    /// Per point and digit, lowest first, its multiples from one.
    multiples: Vec<G::Affine>,
}

/// Digits of a scalar, and one bit for what the last one carries.
const fn digits<F: PrimeField>() -> usize {
    (F::MODULUS_BIT_SIZE as usize + 1).div_ceil(WINDOW)
}

impl<G: CurveGroup> Tables<G> {
    /// Some 60 KB and half a millisecond a point.
    pub(super) fn new(points: &[G::Affine]) -> Self {
        let mut multiples =
            Vec::with_capacity(points.len() * digits::<G::ScalarField>() * MULTIPLES);
        for point in points {
            let mut power: G = (*point).into();
            for _ in 0..digits::<G::ScalarField>() {
                let mut multiple = power;
                multiples.push(multiple);
                for _ in 1..MULTIPLES {
                    multiple += power;
                    multiples.push(multiple);
                }
                power = multiple.double();
            }
        }
        Self { multiples: G::normalize_batch(&multiples) }
    }

    /// Adds every point, times its scalar, to `sum`.
    pub(super) fn add_to(&self, sum: &mut G, scalars: &[G::ScalarField]) {
        let per_point = self.multiples.chunks_exact(digits::<G::ScalarField>() * MULTIPLES);
        for (table, scalar) in per_point.zip(scalars) {
            let scalar = scalar.into_bigint();
            let mut carry = 0;
            for (at, multiples) in table.chunks_exact(MULTIPLES).enumerate() {
                let digit = digit(scalar.as_ref(), at) + carry;
                carry = usize::from(digit > MULTIPLES);
                if carry == 1 {
                    if let Some(multiple) = of(multiples, 2 * MULTIPLES - digit) {
                        *sum -= multiple;
                    }
                } else if let Some(multiple) = of(multiples, digit) {
                    *sum += multiple;
                }
            }
        }
    }
}

/// The multiple by `factor`; none by zero.
fn of<A>(multiples: &[A], factor: usize) -> Option<&A> {
    multiples.get(factor.checked_sub(1)?)
}

/// The unsigned digit at a place of little-endian limbs.
fn digit(limbs: &[u64], at: usize) -> usize {
    let (limb, shift) = (at * WINDOW / 64, at * WINDOW % 64);
    let low = limbs.get(limb).map_or(0, |limb| limb >> shift);
    let high = match limbs.get(limb + 1) {
        Some(next) if shift + WINDOW > 64 => next << (64 - shift),
        _ => 0,
    };
    ((low | high) as usize) & (2 * MULTIPLES - 1)
}

#[cfg(test)]
mod tests {
    use ark_ec::AffineRepr;
    use ark_ff::UniformRand;
    use ark_std::rand::{SeedableRng, rngs::StdRng};
    use proptest::prelude::*;

    use super::*;

    fn agrees<G: CurveGroup>(seed: u64, small: i64) {
        let mut random = StdRng::seed_from_u64(seed);
        let points: Vec<G::Affine> = (0..3).map(|_| G::Affine::rand(&mut random)).collect();
        let edge = -G::ScalarField::from(small.unsigned_abs());
        let scalars =
            [G::ScalarField::rand(&mut random), G::ScalarField::from(small.unsigned_abs()), edge];
        let mut sum = G::generator();
        Tables::<G>::new(&points).add_to(&mut sum, &scalars);
        let plain: G =
            points.iter().zip(scalars).map(|(point, scalar)| point.into_group() * scalar).sum();
        assert_eq!(sum, plain + G::generator());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn sums_are_what_they_are(seed: u64, small in prop_oneof![-40_i64..40, any::<i64>()]) {
            agrees::<ark_bn254::G1Projective>(seed, small);
            agrees::<ark_bls12_381::G1Projective>(seed, small);
        }
    }
}
