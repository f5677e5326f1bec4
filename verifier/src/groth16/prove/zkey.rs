//! snarkjs' `.zkey`, version 1, Groth16 over BN254 or BLS12-381: its header holds both primes.
//!
//! A file is the magic `zkey`, a version, a section count and the sections, each with an id and a
//! length. Everything after the header has a length that follows from it, and must have exactly
//! that; nothing is allocated that the file does not pay for with its own bytes. Points are checked
//! to be on their curve. (That the queries lie in their groups is left to the look at the finished
//! proof: checking it would cost more than proving.)

use ark_bls12_381::Bls12_381;
use ark_bn254::Bn254;
use ark_ec::AffineRepr as _;
use ark_ff::{BigInteger as _, One as _, PrimeField, Zero as _};
use ark_groth16::{Proof, ProvingKey, VerifyingKey};
use fog_protocol::Curve;
use taceo_groth16::{CircomReduction, ConstraintMatrices, Groth16};

use super::ProveError;
use crate::groth16::MAX_PUBLIC_INPUTS;
use crate::groth16::curve::{Place, SnarkCurve};
use crate::groth16::json::KeyParts;

const SECTION_COUNT: usize = 10;
/// Matrix, constraint and signal of a coefficient, u32 each; the number follows.
const COEFFICIENT_HEAD: usize = 12;
/// 2^28 divides r - 1 over BN254: the largest domain for which there is a root of unity of twice
/// the order.
const MAX_DOMAIN_BITS: u32 = 27;

/// A curve that zkeys are read for. Files hold numbers in Montgomery form, which is ark's
/// representation in memory.
pub(super) trait ZkeyCurve: SnarkCurve {
    /// The number below the modulus that has this representation.
    fn coordinate(raw: <Self::BaseField as PrimeField>::BigInt) -> Self::BaseField;
    /// The same in the scalar field.
    fn scalar_of(raw: <Self::ScalarField as PrimeField>::BigInt) -> Self::ScalarField;
    /// The point, if it is on the curve: in whatever group.
    fn on_g1(x: Self::BaseField, y: Self::BaseField) -> Option<Self::G1Affine>;
    /// The same on the curve of G2.
    fn on_g2(x: [Self::BaseField; 2], y: [Self::BaseField; 2]) -> Option<Self::G2Affine>;
    /// The multi-scalar multiplications.
    fn multiply(
        zkey: &Zkey<Self>,
        witness: &[Self::ScalarField],
        blinding: [Self::ScalarField; 2],
    ) -> Result<Proof<Self>, String>;
}

macro_rules! zkey_curve {
    ($curve:ty, $room:ident) => {
        impl ZkeyCurve for $curve {
            fn coordinate(raw: <Self::BaseField as PrimeField>::BigInt) -> Self::BaseField {
                $room::Fq::new_unchecked(raw)
            }

            fn scalar_of(raw: <Self::ScalarField as PrimeField>::BigInt) -> Self::ScalarField {
                $room::Fr::new_unchecked(raw)
            }

            fn on_g1(x: Self::BaseField, y: Self::BaseField) -> Option<Self::G1Affine> {
                let point = $room::G1Affine::new_unchecked(x, y);
                point.is_on_curve().then_some(point)
            }

            fn on_g2(x: [Self::BaseField; 2], y: [Self::BaseField; 2]) -> Option<Self::G2Affine> {
                let number = |[c0, c1]: [Self::BaseField; 2]| $room::Fq2::new(c0, c1);
                let point = $room::G2Affine::new_unchecked(number(x), number(y));
                point.is_on_curve().then_some(point)
            }

            fn multiply(
                Zkey { proving, matrices }: &Zkey<Self>,
                witness: &[Self::ScalarField],
                [r, s]: [Self::ScalarField; 2],
            ) -> Result<Proof<Self>, String> {
                Groth16::<Self>::prove::<CircomReduction>(proving, r, s, matrices, witness)
                    .map_err(|error| error.to_string())
            }
        }
    };
}

zkey_curve!(Bn254, ark_bn254);
zkey_curve!(Bls12_381, ark_bls12_381);

/// A proving key whose lengths and indices all agree.
#[derive(Debug)]
pub(super) struct Zkey<E: SnarkCurve> {
    pub(super) proving: ProvingKey<E>,
    pub(super) matrices: ConstraintMatrices<E::ScalarField>,
}

struct Header {
    wires: usize,
    public: usize,
    domain: usize,
}

/// The curve whose primes stand in a zkey's header.
pub(super) fn curve(bytes: &[u8]) -> Result<Curve, ProveError> {
    let [_, header, ..] = sections(bytes)?;
    if Reader(header).primes::<Bn254>().is_ok() {
        Ok(Curve::Bn254)
    } else if Reader(header).primes::<Bls12_381>().is_ok() {
        Ok(Curve::Bls12381)
    } else {
        Err(ProveError::Zkey("it is neither for BN254 nor for BLS12-381"))
    }
}

impl<E: ZkeyCurve> Zkey<E> {
    /// Reads a zkey. Takes time and memory linear in its length.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ProveError> {
        let sections = sections(bytes)?;
        let [protocol, header, ic, coefficients, a, b1, b2, l, h, _contributions] = sections;
        if protocol != 1_u32.to_le_bytes() {
            return Err(ProveError::Zkey("it is not for groth16"));
        }
        let mut reader = Reader(header);
        let header = Header::read::<E>(&mut reader)?;
        let Header { wires, public, domain } = header;
        let alpha_g1 = reader.g1::<E>()?;
        let beta_g1 = reader.g1::<E>()?;
        let beta_g2 = reader.g2::<E>()?;
        let gamma_g2 = reader.g2::<E>()?;
        let delta_g1 = reader.g1::<E>()?;
        let delta_g2 = reader.g2::<E>()?;
        reader.end()?;
        let gamma_abc_g1 = g1_list::<E>(ic, public + 1)?;
        let vk = VerifyingKey { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1 };
        in_groups::<E>(&vk)?;
        let matrices = matrices::<E>(coefficients, &header)?;
        let proving = ProvingKey {
            vk,
            beta_g1,
            delta_g1,
            a_query: g1_list::<E>(a, wires)?,
            b_g1_query: g1_list::<E>(b1, wires)?,
            b_g2_query: g2_list::<E>(b2, wires)?,
            h_query: g1_list::<E>(h, domain)?,
            l_query: g1_list::<E>(l, wires - public - 1)?,
        };
        Ok(Self { proving, matrices })
    }

    /// Length of a witness, with its leading one.
    pub(super) fn wires(&self) -> usize {
        self.proving.a_query.len()
    }

    /// How many of the wires after the first are public.
    pub(super) fn public_count(&self) -> usize {
        self.matrices.num_instance_variables - 1
    }

    /// The verification key inside.
    pub(super) fn key_parts(&self) -> KeyParts<E> {
        let vk = &self.proving.vk;
        KeyParts {
            alpha: vk.alpha_g1,
            beta: vk.beta_g2,
            gamma: vk.gamma_g2,
            delta: vk.delta_g2,
            ic: vk.gamma_abc_g1.clone(),
        }
    }
}

/// Refuses a key with a point outside the groups. Identities are left to [`KeyOf`].
///
/// [`KeyOf`]: crate::groth16::KeyOf
fn in_groups<E: SnarkCurve>(key: &VerifyingKey<E>) -> Result<(), ProveError> {
    let g1 = |point: &E::G1Affine| {
        let [x, y] = E::of_g1(point);
        point.is_zero() || E::g1(x, y).1 == Place::Group
    };
    let g2 = |point: &E::G2Affine| {
        let [x, y] = E::of_g2(point);
        point.is_zero() || E::g2(x, y).1 == Place::Group
    };
    let inside = g1(&key.alpha_g1)
        && [key.beta_g2, key.gamma_g2, key.delta_g2].iter().all(g2)
        && key.gamma_abc_g1.iter().all(g1);
    match inside {
        true => Ok(()),
        false => Err(ProveError::Zkey("a point of its key is outside the subgroup")),
    }
}

impl Header {
    fn read<E: SnarkCurve>(reader: &mut Reader<'_>) -> Result<Self, ProveError> {
        reader.primes::<E>()?;
        let (wires, public) = (reader.u32()? as usize, reader.u32()? as usize);
        let domain = reader.u32()?;
        if public > MAX_PUBLIC_INPUTS {
            return Err(ProveError::Zkey("it has too many public inputs"));
        }
        if wires <= public {
            return Err(ProveError::Zkey("it has fewer wires than public inputs"));
        }
        if !domain.is_power_of_two() || domain.ilog2() > MAX_DOMAIN_BITS {
            return Err(ProveError::Zkey("its domain is not a power of two up to 2^27"));
        }
        Ok(Self { wires, public, domain: domain as usize })
    }
}

/// Splits the file into its ten sections, each of which must be there once.
fn sections(bytes: &[u8]) -> Result<[&[u8]; SECTION_COUNT], ProveError> {
    let mut reader = Reader(bytes);
    if reader.take(4)? != b"zkey" || reader.u32()? != 1 {
        return Err(ProveError::Zkey("it is not a zkey file of version 1"));
    }
    if reader.u32()? as usize != SECTION_COUNT {
        return Err(ProveError::Zkey("it has not the ten sections of a groth16 zkey"));
    }
    let mut found: [Option<&[u8]>; SECTION_COUNT] = [None; SECTION_COUNT];
    for _ in 0..SECTION_COUNT {
        let id = reader.u32()? as usize;
        let length = usize::try_from(reader.u64()?)
            .map_err(|_| ProveError::Zkey("a section is longer than the file"))?;
        let section = reader.take(length)?;
        let slot = id.checked_sub(1).and_then(|index| found.get_mut(index));
        match slot {
            Some(slot @ None) => *slot = Some(section),
            _ => return Err(ProveError::Zkey("a section is doubled or unknown")),
        }
    }
    reader.end()?;
    let mut all: [&[u8]; SECTION_COUNT] = [&[]; SECTION_COUNT];
    for (target, section) in all.iter_mut().zip(found) {
        *target = section.ok_or(ProveError::Zkey("a section is missing"))?;
    }
    Ok(all)
}

/// Reads the A and B matrices. snarkjs appends one row a public wire (and one for the constant)
/// that says only "this wire"; the prover adds those itself, so they are checked and cut off.
fn matrices<E: ZkeyCurve>(
    section: &[u8],
    header: &Header,
) -> Result<ConstraintMatrices<E::ScalarField>, ProveError> {
    let entry_bytes = COEFFICIENT_HEAD + bytes_of::<E::ScalarField>();
    let mut reader = Reader(section);
    let count = reader.u32()? as usize;
    if count.checked_mul(entry_bytes) != Some(reader.0.len()) {
        return Err(ProveError::Zkey("the coefficients have a wrong length"));
    }
    // The domain may be up to twice the number of rows; rows come from coefficients in the file.
    let mut rows = 0;
    for entry in reader.0.chunks_exact(entry_bytes) {
        rows = rows.max(Reader(&entry[4..]).u32()? as usize + 1);
    }
    let instance = header.public + 1;
    let constraints = rows
        .checked_sub(instance)
        .ok_or(ProveError::Zkey("the rows of the public inputs are missing"))?;
    if rows > header.domain || rows.next_power_of_two().max(2) != header.domain {
        return Err(ProveError::Zkey("its domain does not fit its constraints"));
    }
    // Bounds the two lists of rows by the file's own size.
    if rows > section.len() {
        return Err(ProveError::Zkey("it has rows without coefficients"));
    }
    let (mut a, mut b) = (vec![Vec::new(); rows], vec![Vec::new(); rows]);
    for _ in 0..count {
        let matrix = match reader.u32()? {
            0 => &mut a,
            1 => &mut b,
            _ => return Err(ProveError::Zkey("it has a third matrix")),
        };
        let (row, wire) = (reader.u32()? as usize, reader.u32()? as usize);
        let value = reader.coefficient::<E>()?;
        if wire >= header.wires {
            return Err(ProveError::Zkey("a coefficient is for a wire that does not exist"));
        }
        let row = matrix
            .get_mut(row)
            .ok_or(ProveError::Zkey("a coefficient is for a row that does not exist"))?;
        row.push((value, wire));
    }
    let publics = a.split_off(constraints);
    let plain =
        publics.iter().enumerate().all(|(wire, row)| *row == [(E::ScalarField::one(), wire)]);
    if !plain || !b.split_off(constraints).iter().all(Vec::is_empty) {
        return Err(ProveError::Zkey("the rows of the public inputs are not snarkjs'"));
    }
    Ok(ConstraintMatrices {
        num_instance_variables: instance,
        num_witness_variables: header.wires - instance,
        num_constraints: constraints,
        a_num_non_zero: a.iter().map(Vec::len).sum(),
        b_num_non_zero: b.iter().map(Vec::len).sum(),
        c_num_non_zero: 0,
        a,
        b,
        c: Vec::new(),
    })
}

fn g1_list<E: ZkeyCurve>(section: &[u8], count: usize) -> Result<Vec<E::G1Affine>, ProveError> {
    let bytes = 2 * bytes_of::<E::BaseField>();
    exactly(section, count, bytes)?;
    section.chunks_exact(bytes).map(|point| Reader(point).g1::<E>()).collect()
}

fn g2_list<E: ZkeyCurve>(section: &[u8], count: usize) -> Result<Vec<E::G2Affine>, ProveError> {
    let bytes = 4 * bytes_of::<E::BaseField>();
    exactly(section, count, bytes)?;
    section.chunks_exact(bytes).map(|point| Reader(point).g2::<E>()).collect()
}

/// Bytes that a number of this field takes in the file.
const fn bytes_of<F: PrimeField>() -> usize {
    8 * F::BigInt::NUM_LIMBS
}

fn exactly(section: &[u8], count: usize, each: usize) -> Result<(), ProveError> {
    if count.checked_mul(each) == Some(section.len()) {
        Ok(())
    } else {
        Err(ProveError::Zkey("a list of points has a wrong length"))
    }
}

/// Little-endian numbers off the front of a slice.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], ProveError> {
        let (head, tail) =
            self.0.split_at_checked(count).ok_or(ProveError::Zkey("it ends too early"))?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProveError> {
        let (head, tail) =
            self.0.split_first_chunk::<N>().ok_or(ProveError::Zkey("it ends too early"))?;
        self.0 = tail;
        Ok(*head)
    }

    fn u32(&mut self) -> Result<u32, ProveError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, ProveError> {
        self.array().map(u64::from_le_bytes)
    }

    /// The two primes of a curve, each after its length, and nothing else.
    fn primes<E: SnarkCurve>(&mut self) -> Result<(), ProveError> {
        self.prime::<E::BaseField>()?;
        self.prime::<E::ScalarField>()
    }

    fn prime<F: PrimeField>(&mut self) -> Result<(), ProveError> {
        let is = self.u32()? as usize == bytes_of::<F>() && self.limbs::<F>()? == F::MODULUS;
        if is { Ok(()) } else { Err(ProveError::Zkey("it is for another curve")) }
    }

    fn limbs<F: PrimeField>(&mut self) -> Result<F::BigInt, ProveError> {
        let mut number = F::BigInt::default();
        for limb in number.as_mut() {
            *limb = self.u64()?;
        }
        Ok(number)
    }

    fn end(&self) -> Result<(), ProveError> {
        if self.0.is_empty() { Ok(()) } else { Err(ProveError::Zkey("it has trailing bytes")) }
    }

    fn coordinate<E: ZkeyCurve>(&mut self) -> Result<E::BaseField, ProveError> {
        let raw = self.limbs::<E::BaseField>()?;
        if raw >= E::BaseField::MODULUS {
            return Err(ProveError::Zkey("a coordinate is not below the modulus"));
        }
        Ok(E::coordinate(raw))
    }

    /// A coefficient, which snarkjs stores in Montgomery form twice over.
    fn coefficient<E: ZkeyCurve>(&mut self) -> Result<E::ScalarField, ProveError> {
        let raw = self.limbs::<E::ScalarField>()?;
        if raw >= E::ScalarField::MODULUS {
            return Err(ProveError::Zkey("a coefficient is not below the modulus"));
        }
        Ok(E::scalar_of(E::scalar_of(raw).into_bigint()))
    }

    /// A point on the curve, or the identity (0, 0), which queries hold for unused wires.
    fn g1<E: ZkeyCurve>(&mut self) -> Result<E::G1Affine, ProveError> {
        let (x, y) = (self.coordinate::<E>()?, self.coordinate::<E>()?);
        if x.is_zero() && y.is_zero() {
            return Ok(E::G1Affine::zero());
        }
        E::on_g1(x, y).ok_or_else(off_curve)
    }

    fn g2<E: ZkeyCurve>(&mut self) -> Result<E::G2Affine, ProveError> {
        let x = [self.coordinate::<E>()?, self.coordinate::<E>()?];
        let y = [self.coordinate::<E>()?, self.coordinate::<E>()?];
        if [x, y].as_flattened().iter().all(|number| number.is_zero()) {
            return Ok(E::G2Affine::zero());
        }
        E::on_g2(x, y).ok_or_else(off_curve)
    }
}

fn off_curve() -> ProveError {
    ProveError::Zkey("a point is not on the curve")
}
