//! A verification key that has passed every check, prepared for pairings.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use ark_bn254::Bn254;
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use ark_ff::{BigInteger, PrimeField};
use ark_serialize::CanonicalSerialize;
use fog_protocol::{Hash32, tagged_hash};

use super::bytes;
use super::curve::SnarkCurve;
use super::fixed_base::Tables;
use super::form::Form;
use super::json::{self, KeyParts};
use super::malformed::{Malformed, Part};
use super::proof::InputsOf;

/// Up to this many inputs, separate multiplications beat the bucket method.
const SMALL_SUM: usize = 8;
/// Up to this many inputs a key that is used often keeps tables for: 2 MB at most.
const MAX_TABLED: usize = 32;
/// A key's tables are made when it has been used so often: what they cost by then is saved.
const USES_BEFORE_TABLES: usize = 16;

/// A verification key: every point on the curve, in its subgroup and not the identity; beta, gamma
/// and delta pairwise independent; one IC point more than public inputs. Prepared once, used for
/// any number of proofs.
#[derive(Clone)]
pub struct KeyOf<E: SnarkCurve> {
    pub(super) vk: ark_groth16::VerifyingKey<E>,
    pub(super) ready: E::Ready,
    hash: Hash32,
    /// Shared by clones: what one has learnt, all know.
    tables: Arc<LateTables<E>>,
}

/// Tables that are made when they pay.
struct LateTables<E: SnarkCurve> {
    uses: AtomicUsize,
    tables: OnceLock<Tables<E::G1>>,
}

/// A key over BN254.
pub type VerifyingKey = KeyOf<Bn254>;

impl<E: SnarkCurve> KeyOf<E> {
    /// Reads snarkjs' `verification_key.json`.
    ///
    /// # Errors
    /// [`Malformed`] for everything the module's text lists.
    pub fn from_snarkjs(json: &[u8]) -> Result<Self, Malformed> {
        Self::new(json::key(json)?)
    }

    /// Reads an `ark_groth16::VerifyingKey` written by `serialize_compressed`.
    ///
    /// # Errors
    /// [`Malformed`] for a wrong length, a non-canonical encoding or a degenerate key.
    pub fn from_ark_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::new(bytes::key(bytes)?)
    }

    /// Reads a key in either form, which its bytes tell.
    ///
    /// # Errors
    /// As the two above.
    pub fn from_file(file: &[u8]) -> Result<Self, Malformed> {
        match Form::of(file) {
            Form::Snarkjs => Self::from_snarkjs(file),
            Form::Arkworks => Self::from_ark_bytes(file),
        }
    }

    /// The last checks, common to every source. The points are on the curve and in the subgroup.
    pub(super) fn new(parts: KeyParts<E>) -> Result<Self, Malformed> {
        let KeyParts { alpha, beta, gamma, delta, ic } = parts;
        let part = Part::Key;
        let identity = |at: &str| Malformed::Identity { part, at: at.into() };
        if alpha.is_zero() {
            return Err(identity("alpha"));
        }
        for (name, point) in [("beta", beta), ("gamma", gamma), ("delta", delta)] {
            if point.is_zero() {
                return Err(identity(name));
            }
        }
        // An IC point at infinity would leave its public input out of the equation: any value
        // would do.
        if let Some(index) = ic.iter().position(AffineRepr::is_zero) {
            return Err(identity(&format!("IC[{index}]")));
        }
        independent::<E>(beta, gamma, delta)?;
        let key = ark_groth16::VerifyingKey::<E> {
            alpha_g1: alpha,
            beta_g2: beta,
            gamma_g2: gamma,
            delta_g2: delta,
            gamma_abc_g1: ic,
        };
        let mut canonical = Vec::with_capacity(key.compressed_size());
        key.serialize_compressed(&mut canonical)
            .map_err(|error| Malformed::Bytes { part, reason: error.to_string() })?;
        let hash = tagged_hash("fog/groth16/key/v1", &[&canonical]);
        let tables = LateTables { uses: AtomicUsize::new(0), tables: OnceLock::new() };
        Ok(Self { ready: E::ready(&key), vk: key, hash, tables: Arc::new(tables) })
    }

    /// Names the key whatever file it came from: the tagged hash of its canonical encoding.
    #[must_use]
    pub const fn hash(&self) -> Hash32 {
        self.hash
    }

    /// How many public inputs a proof for this key has.
    #[must_use]
    pub fn input_count(&self) -> usize {
        self.ic().len() - 1
    }

    pub(super) fn ic(&self) -> &[E::G1Affine] {
        &self.vk.gamma_abc_g1
    }

    /// `IC[0] + sum of input * IC[i]`: what the statement contributes to the equation.
    ///
    /// # Errors
    /// [`Malformed::InputCount`]: ark itself would ignore inputs the key has no point for.
    pub(super) fn statement(&self, inputs: &InputsOf<E>) -> Result<E::G1Affine, Malformed> {
        let (expected, found) = (self.input_count(), inputs.len());
        if expected != found {
            return Err(Malformed::InputCount { expected, found });
        }
        let (first, bases) =
            self.ic().split_first().ok_or(Malformed::IcCount { declared: 0, points: 0 })?;
        let mut sum = first.into_group();
        match self.tables(bases) {
            Some(tables) => tables.add_to(&mut sum, inputs.elements()),
            None => sum += plain_sum::<E>(bases, inputs.elements()),
        }
        Ok(sum.into_affine())
    }

    /// The key's tables, once it has been used often enough.
    fn tables(&self, bases: &[E::G1Affine]) -> Option<&Tables<E::G1>> {
        let LateTables { uses, tables } = &*self.tables;
        if bases.len() > MAX_TABLED {
            return None;
        }
        tables.get().or_else(|| {
            let often = uses.fetch_add(1, Ordering::Relaxed) >= USES_BEFORE_TABLES;
            often.then(|| tables.get_or_init(|| Tables::new(bases)))
        })
    }
}

/// The sum of the points, each times its input, without tables.
fn plain_sum<E: SnarkCurve>(bases: &[E::G1Affine], inputs: &[E::ScalarField]) -> E::G1 {
    let scalars = inputs.iter().map(|x| x.into_bigint());
    if bases.len() > SMALL_SUM {
        return E::G1::msm_bigint(bases, &scalars.collect::<Vec<_>>());
    }
    let products = bases.iter().zip(inputs).zip(scalars).map(|((base, input), scalar)| {
        // Splitting by the endomorphism halves the work for a full-size scalar only.
        if scalar.num_bits() > 128 { base.into_group() * input } else { base.mul_bigint(scalar) }
    });
    products.sum()
}

impl<E: SnarkCurve> fmt::Debug for KeyOf<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({}, {} inputs)", self.hash, self.input_count())
    }
}

/// Refuses keys for which two of beta, gamma and delta are equal or opposite.
///
/// The equation is `e(A, B) = e(alpha, beta) e(L, gamma) e(C, delta)`. If two of the three bases on
/// the right are one, the prover can fold their terms and solve for the rest, for any statement:
/// with gamma = delta, `A = alpha, B = beta, C = -L`. A setup without phase 2 has gamma = delta.
fn independent<E: SnarkCurve>(
    beta: E::G2Affine,
    gamma: E::G2Affine,
    delta: E::G2Affine,
) -> Result<(), Malformed> {
    for (which, left, right) in [
        ("gamma and delta are equal up to sign", gamma, delta),
        ("beta and gamma are equal up to sign", beta, gamma),
        ("beta and delta are equal up to sign", beta, delta),
    ] {
        if left.x() == right.x() {
            return Err(Malformed::DegenerateKey { which });
        }
    }
    Ok(())
}
