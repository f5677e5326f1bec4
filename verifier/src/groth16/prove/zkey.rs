//! snarkjs' `.zkey`, version 1, Groth16 over BN254.
//!
//! A file is the magic `zkey`, a version, a section count and the sections, each with an id and a
//! length. Everything after the header has a length that follows from it, and must have exactly
//! that; nothing is allocated that the file does not pay for with its own bytes. Points are checked
//! to be on their curve. (That the G2 query lies in the subgroup is left to the final verification:
//! checking it would cost more than proving.)

use ark_bn254::{Bn254, Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInt, One, PrimeField, Zero};
use ark_groth16::{ProvingKey, VerifyingKey};
use taceo_groth16::ConstraintMatrices;

use super::ProveError;
use crate::groth16::MAX_PUBLIC_INPUTS;
use crate::groth16::json::KeyParts;

const SECTION_COUNT: usize = 10;
const G1_BYTES: usize = 64;
const G2_BYTES: usize = 128;
/// Matrix, constraint, signal (u32 each) and the coefficient.
const COEFFICIENT_BYTES: usize = 44;
/// 2^28 divides r - 1: the largest domain for which there is a root of unity of twice the order.
const MAX_DOMAIN_BITS: u32 = 27;

/// A proving key whose lengths and indices all agree.
#[derive(Debug)]
pub(super) struct Zkey {
    pub(super) proving: ProvingKey<Bn254>,
    pub(super) matrices: ConstraintMatrices<Fr>,
}

struct Header {
    wires: usize,
    public: usize,
    domain: usize,
}

impl Zkey {
    /// Reads a zkey. Takes time and memory linear in its length.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ProveError> {
        let sections = sections(bytes)?;
        let [protocol, header, ic, coefficients, a, b1, b2, l, h, _contributions] = sections;
        if protocol != 1_u32.to_le_bytes() {
            return Err(ProveError::Zkey("it is not for groth16"));
        }
        let mut reader = Reader(header);
        let header = Header::read(&mut reader)?;
        let Header { wires, public, domain } = header;
        let alpha_g1 = reader.g1()?;
        let beta_g1 = reader.g1()?;
        let beta_g2 = reader.g2()?;
        let gamma_g2 = reader.g2()?;
        let delta_g1 = reader.g1()?;
        let delta_g2 = reader.g2()?;
        reader.end()?;
        for point in [beta_g2, gamma_g2, delta_g2] {
            if !point.is_in_correct_subgroup_assuming_on_curve() {
                return Err(ProveError::Zkey("a point of its key is outside the subgroup"));
            }
        }
        let matrices = matrices(coefficients, &header)?;
        let proving = ProvingKey {
            vk: VerifyingKey {
                alpha_g1,
                beta_g2,
                gamma_g2,
                delta_g2,
                gamma_abc_g1: g1_list(ic, public + 1)?,
            },
            beta_g1,
            delta_g1,
            a_query: g1_list(a, wires)?,
            b_g1_query: g1_list(b1, wires)?,
            b_g2_query: g2_list(b2, wires)?,
            h_query: g1_list(h, domain)?,
            l_query: g1_list(l, wires - public - 1)?,
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
    pub(super) fn key_parts(&self) -> KeyParts<Bn254> {
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

impl Header {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ProveError> {
        let base = (reader.u32()?, BigInt(reader.limbs()?));
        if base != (32, Fq::MODULUS) {
            return Err(ProveError::Zkey("it is not for BN254"));
        }
        let scalar = (reader.u32()?, BigInt(reader.limbs()?));
        if scalar != (32, Fr::MODULUS) {
            return Err(ProveError::Zkey("it is not for BN254"));
        }
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
fn matrices(section: &[u8], header: &Header) -> Result<ConstraintMatrices<Fr>, ProveError> {
    let mut reader = Reader(section);
    let count = reader.u32()? as usize;
    if count.checked_mul(COEFFICIENT_BYTES) != Some(reader.0.len()) {
        return Err(ProveError::Zkey("the coefficients have a wrong length"));
    }
    // The domain may be up to twice the number of rows; rows come from coefficients in the file.
    let mut rows = 0;
    for entry in reader.0.chunks_exact(COEFFICIENT_BYTES) {
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
        let value = reader.coefficient()?;
        if wire >= header.wires {
            return Err(ProveError::Zkey("a coefficient is for a wire that does not exist"));
        }
        let row = matrix
            .get_mut(row)
            .ok_or(ProveError::Zkey("a coefficient is for a row that does not exist"))?;
        row.push((value, wire));
    }
    let publics = a.split_off(constraints);
    let plain = publics.iter().enumerate().all(|(wire, row)| *row == [(Fr::one(), wire)]);
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

fn g1_list(section: &[u8], count: usize) -> Result<Vec<G1Affine>, ProveError> {
    exactly(section, count, G1_BYTES)?;
    section.chunks_exact(G1_BYTES).map(|point| Reader(point).g1()).collect()
}

fn g2_list(section: &[u8], count: usize) -> Result<Vec<G2Affine>, ProveError> {
    exactly(section, count, G2_BYTES)?;
    section.chunks_exact(G2_BYTES).map(|point| Reader(point).g2()).collect()
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

    fn limbs(&mut self) -> Result<[u64; 4], ProveError> {
        Ok([self.u64()?, self.u64()?, self.u64()?, self.u64()?])
    }

    fn end(&self) -> Result<(), ProveError> {
        if self.0.is_empty() { Ok(()) } else { Err(ProveError::Zkey("it has trailing bytes")) }
    }

    /// A coordinate. Files hold the Montgomery form, which is ark's representation in memory.
    fn coordinate(&mut self) -> Result<Fq, ProveError> {
        let limbs = BigInt(self.limbs()?);
        if limbs >= Fq::MODULUS {
            return Err(ProveError::Zkey("a coordinate is not below the modulus"));
        }
        Ok(Fq::new_unchecked(limbs))
    }

    /// A coefficient, which snarkjs stores in Montgomery form twice over.
    fn coefficient(&mut self) -> Result<Fr, ProveError> {
        let limbs = BigInt(self.limbs()?);
        if limbs >= Fr::MODULUS {
            return Err(ProveError::Zkey("a coefficient is not below the modulus"));
        }
        Ok(Fr::new_unchecked(Fr::new_unchecked(limbs).into_bigint()))
    }

    /// A point on the curve, or the identity (0, 0), which queries hold for unused wires.
    fn g1(&mut self) -> Result<G1Affine, ProveError> {
        let (x, y) = (self.coordinate()?, self.coordinate()?);
        if x.is_zero() && y.is_zero() {
            return Ok(G1Affine::zero());
        }
        let point = G1Affine::new_unchecked(x, y);
        if point.is_on_curve() { Ok(point) } else { Err(off_curve()) }
    }

    fn g2(&mut self) -> Result<G2Affine, ProveError> {
        let x = Fq2::new(self.coordinate()?, self.coordinate()?);
        let y = Fq2::new(self.coordinate()?, self.coordinate()?);
        if x.is_zero() && y.is_zero() {
            return Ok(G2Affine::zero());
        }
        let point = G2Affine::new_unchecked(x, y);
        if point.is_on_curve() { Ok(point) } else { Err(off_curve()) }
    }
}

fn off_curve() -> ProveError {
    ProveError::Zkey("a point is not on the curve")
}
