//! The two curves, where they differ.

use ark_bls12_381::Bls12_381;
use ark_bn254::Bn254;
use ark_ec::AffineRepr;

use super::arithmetic::Arithmetic;

/// Where a pair of coordinates lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the group of prime order.
    Group,
    /// On the curve, outside that group.
    Outside,
    /// Not on the curve.
    Off,
}

/// A curve that proofs are checked on: BN254 (circom's default) or BLS12-381 (which contracts can
/// check, too).
pub trait SnarkCurve: Arithmetic {
    /// Its name in reports.
    const NAME: &'static str;
    /// Its names in snarkjs' documents; the first is the one we write.
    const NAMES: &'static [&'static str];
    /// Bytes of a compressed point of G1; one of G2 has twice as many.
    const G1_BYTES: usize;

    /// The point of G1 with these coordinates, and where it lies.
    fn g1(x: Self::BaseField, y: Self::BaseField) -> (Self::G1Affine, Place);
    /// The same in G2; each coordinate is two numbers.
    fn g2(x: [Self::BaseField; 2], y: [Self::BaseField; 2]) -> (Self::G2Affine, Place);
    /// The coordinates of a point of G1 that is not the identity.
    fn of_g1(point: &Self::G1Affine) -> [Self::BaseField; 2];
    /// The same of G2.
    fn of_g2(point: &Self::G2Affine) -> [[Self::BaseField; 2]; 2];
}

macro_rules! curve {
    ($curve:ty, $room:ident, $name:literal, $names:expr, $bytes:literal) => {
        impl SnarkCurve for $curve {
            const NAME: &'static str = $name;
            const NAMES: &'static [&'static str] = &$names;
            const G1_BYTES: usize = $bytes;

            fn g1(x: Self::BaseField, y: Self::BaseField) -> (Self::G1Affine, Place) {
                let point = $room::G1Affine::new_unchecked(x, y);
                // ark marks the identity with (0, 0), and says that it is on the curve.
                let place = if point.is_zero() || !point.is_on_curve() {
                    Place::Off
                } else if point.is_in_correct_subgroup_assuming_on_curve() {
                    Place::Group
                } else {
                    Place::Outside
                };
                (point, place)
            }

            fn g2(x: [Self::BaseField; 2], y: [Self::BaseField; 2]) -> (Self::G2Affine, Place) {
                let number = |[c0, c1]: [Self::BaseField; 2]| $room::Fq2::new(c0, c1);
                let point = $room::G2Affine::new_unchecked(number(x), number(y));
                let place = if point.is_zero() || !point.is_on_curve() {
                    Place::Off
                } else if Self::g2_in_group(&point) {
                    Place::Group
                } else {
                    Place::Outside
                };
                (point, place)
            }

            fn of_g1(point: &Self::G1Affine) -> [Self::BaseField; 2] {
                [point.x, point.y]
            }

            fn of_g2(point: &Self::G2Affine) -> [[Self::BaseField; 2]; 2] {
                [[point.x.c0, point.x.c1], [point.y.c0, point.y.c1]]
            }
        }
    };
}

curve!(Bn254, ark_bn254, "bn254", ["bn128", "bn254"], 32);
curve!(
    Bls12_381,
    ark_bls12_381,
    "bls12-381",
    ["bls12381", "bls12-381", "bls12_381", "BLS12-381", "BLS12381"],
    48
);
