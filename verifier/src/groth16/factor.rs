//! The random factors of a batch: 128 bits, in two halves that the curve's endomorphism takes apart,
//! so that a multiplication doubles 64 times instead of 128.

use ark_ec::{
    CurveGroup, VariableBaseMSM,
    scalar_mul::glv::GLVConfig,
    short_weierstrass::{Affine, Projective},
};
use ark_ff::AdditiveGroup;

use super::malformed::Malformed;

/// The scalar `low + high * lambda`, `lambda` being what the endomorphism multiplies by.
///
/// Different halves are different scalars: the shortest vector of the lattice of pairs with
/// `low + high * lambda = 0` has more than 126 bits on both curves.
#[derive(Debug, Clone, Copy)]
pub struct Factor {
    low: u64,
    high: u64,
}

/// So many factors that are not zero, from the operating system.
///
/// # Errors
/// [`Malformed::Randomness`].
pub(super) fn draw(count: usize) -> Result<Vec<Factor>, Malformed> {
    let mut bytes = vec![0_u8; count * 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Malformed::Randomness { reason: error.to_string() })?;
    let (halves, _) = bytes.as_chunks::<8>();
    let (pairs, _) = halves.as_chunks::<2>();
    // Setting the lowest bit keeps zero out and costs one bit: 2^-127.
    let factor = |[low, high]: &[[u8; 8]; 2]| Factor {
        low: u64::from_le_bytes(*low) | 1,
        high: u64::from_le_bytes(*high),
    };
    Ok(pairs.iter().map(factor).collect())
}

pub(super) fn scalar<C: GLVConfig>(factor: Factor) -> C::ScalarField {
    C::ScalarField::from(factor.low) + C::LAMBDA * C::ScalarField::from(factor.high)
}

/// Each point times its factor. The endomorphism is `(x, y) -> (beta x, y)` with `beta^3 = 1`, so
/// `P + phi(P) = -phi(phi(P))`: the table of a joint multiplication costs no addition.
pub(super) fn scaled<C: GLVConfig>(points: &[Affine<C>], factors: &[Factor]) -> Vec<Affine<C>> {
    let products: Vec<_> =
        points.iter().zip(factors).map(|(point, factor)| multiplied(*point, *factor)).collect();
    Projective::normalize_batch(&products)
}

fn multiplied<C: GLVConfig>(point: Affine<C>, factor: Factor) -> Projective<C> {
    let turned = C::endomorphism_affine(&point);
    let both = -C::endomorphism_affine(&turned);
    let mut product = Projective::<C>::ZERO;
    for bit in (0..u64::BITS).rev() {
        product.double_in_place();
        match (factor.low >> bit & 1, factor.high >> bit & 1) {
            (0, 0) => {}
            (_, 0) => product += &point,
            (0, _) => product += &turned,
            _ => product += &both,
        }
    }
    product
}

/// The sum of the points, each times its factor.
pub(super) fn sum<C: GLVConfig>(points: &[Affine<C>], factors: &[Factor]) -> Affine<C> {
    let turned = points.iter().map(C::endomorphism_affine);
    let bases: Vec<_> = points.iter().copied().chain(turned).collect();
    let halves: Vec<_> =
        factors.iter().map(|f| f.low).chain(factors.iter().map(|f| f.high)).collect();
    Projective::msm_u64(&bases, &halves).into_affine()
}

#[cfg(test)]
mod tests {
    use ark_ec::AffineRepr;
    use proptest::prelude::*;

    use super::*;

    fn agrees<C: GLVConfig>(pairs: &[(u64, u64)]) {
        let generator = Affine::<C>::generator();
        let points: Vec<Affine<C>> = (0..pairs.len())
            .map(|i| (generator * C::ScalarField::from(i as u64 + 1)).into())
            .collect();
        let factors: Vec<_> = pairs.iter().map(|&(low, high)| Factor { low, high }).collect();
        let plain: Vec<Affine<C>> = points
            .iter()
            .zip(&factors)
            .map(|(point, factor)| (*point * scalar::<C>(*factor)).into())
            .collect();
        assert_eq!(scaled(&points, &factors), plain);
        let total: Projective<C> = plain.iter().sum();
        assert_eq!(sum(&points, &factors), total.into_affine());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_endomorphism_multiplies_by_lambda(
            pairs in proptest::collection::vec(
                (prop_oneof![any::<u64>(), 0_u64..3], prop_oneof![any::<u64>(), 0_u64..3]),
                1..9,
            )
        ) {
            agrees::<ark_bn254::g1::Config>(&pairs);
            agrees::<ark_bls12_381::g1::Config>(&pairs);
        }
    }
}
