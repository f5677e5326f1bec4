//! Groth16 from the outside: snarkjs' own files, forgeries, mutations, and proving; over both curves.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bls;
mod forgeries;
mod mutations;
mod parsers;
mod policy;
mod proving;
mod receipts;
#[path = "../../../contracts/tests/contracts/proving.rs"]
#[expect(dead_code, reason = "attackers of the contract use more of it")]
mod secrets;
mod vectors;

use ark_bls12_381::Bls12_381;
use ark_bn254::Bn254;
use ark_ff::UniformRand as _;
use fog_protocol::Curve;
use fog_verifier::groth16::{
    InputsOf, KeyOf, Malformed, Place, ProofOf, SnarkCurve, Validity, verify,
};

/// A curve with snarkjs' files over it (see `vectors/groth16/README.md`).
trait Vectors: SnarkCurve {
    const CURVE: Curve;
    /// Where its files are.
    const FOLDER: &'static str;
    /// What snarkjs calls it, and the other.
    const NAMED: [&'static str; 2];

    /// A point of the curve outside the group; over BN254 the whole curve of G1 is the group.
    fn stray_g1() -> Option<Self::G1Affine>;
    /// A point of the curve of G2 outside the group: a random one is, almost surely.
    fn stray_g2() -> Self::G2Affine;

    /// A file made by snarkjs.
    fn vector(name: &str) -> Vec<u8> {
        let tests = env!("CARGO_MANIFEST_DIR");
        let path = format!("{tests}/tests/vectors/groth16/{}{name}", Self::FOLDER);
        std::fs::read(&path).expect(&path)
    }
}

macro_rules! strays {
    ($room:ident) => {
        fn stray_g1() -> Option<Self::G1Affine> {
            let x = (1..100_u64).map($room::Fq::from);
            let points = x.filter_map(|x| $room::G1Affine::get_point_from_x_unchecked(x, false));
            points.into_iter().find(|p| Self::g1(p.x, p.y).1 == Place::Outside)
        }

        fn stray_g2() -> Self::G2Affine {
            let mut rng = ark_std::test_rng();
            loop {
                let x = $room::Fq2::rand(&mut rng);
                if let Some(point) = $room::G2Affine::get_point_from_x_unchecked(x, false) {
                    assert!(point.is_on_curve());
                    assert!(!point.is_in_correct_subgroup_assuming_on_curve());
                    return point;
                }
            }
        }
    };
}

impl Vectors for Bn254 {
    const CURVE: Curve = Curve::Bn254;
    const FOLDER: &'static str = "";
    const NAMED: [&'static str; 2] = ["bn128", "bls12381"];
    strays!(ark_bn254);
}

impl Vectors for Bls12_381 {
    const CURVE: Curve = Curve::Bls12381;
    const FOLDER: &'static str = "bls12-381/";
    const NAMED: [&'static str; 2] = ["bls12381", "bn128"];
    strays!(ark_bls12_381);
}

/// Makes a test for each curve of each function that is generic over it.
macro_rules! over_both {
    ($($test:ident),* $(,)?) => {
        mod bn254 {
            $(#[test] fn $test() { super::$test::<ark_bn254::Bn254>(); })*
        }
        mod bls12_381 {
            $(#[test] fn $test() { super::$test::<ark_bls12_381::Bls12_381>(); })*
        }
    };
}
pub(crate) use over_both;

/// A file of the circuit that ships with the command line.
fn shipped(name: &str) -> Vec<u8> {
    let path = format!("{}/../cli/circuits/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).expect(&path)
}

/// Key, proof and public inputs of one vector, as text.
#[derive(Clone)]
struct Files {
    key: Vec<u8>,
    proof: Vec<u8>,
    publics: Vec<u8>,
}

impl Files {
    fn of<E: Vectors>(circuit: &str, statement: &str) -> Self {
        Self {
            key: E::vector(&format!("{circuit}.vk.json")),
            proof: E::vector(&format!("{statement}.proof.json")),
            publics: E::vector(&format!("{statement}.public.json")),
        }
    }

    fn check<E: Vectors>(&self) -> Result<Validity, Malformed> {
        let key = KeyOf::<E>::from_snarkjs(&self.key)?;
        let proof = ProofOf::from_snarkjs(&self.proof)?;
        verify(&key, &proof, &InputsOf::from_snarkjs(&self.publics)?)
    }
}

/// splitmix64: the same mutations on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }
}
