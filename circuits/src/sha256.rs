//! SHA-256 as constraints: about 26,000 a block of 64 bytes, a third less than a gadget that makes
//! every intermediate word of bits, because what is only added up needs no bits of its own.

use ark_bls12_381::Fr;
use ark_r1cs_std::{
    GR1CSVar, alloc::AllocVar, boolean::Boolean, convert::ToBitsGadget, eq::EqGadget,
    fields::fp::FpVar, select::CondSelectGadget, uint8::UInt8,
};
use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};

const K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

const START: [u32; 8] = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

type Bit = Boolean<Fr>;

/// 32 bits, the lowest first, with their value where there is a witness.
#[derive(Clone)]
struct Word {
    bits: Vec<Bit>,
    value: Option<u32>,
}

impl Word {
    fn constant(value: u32) -> Self {
        let bits = (0..32).map(|i| Bit::constant(value >> i & 1 == 1)).collect();
        Self { bits, value: Some(value) }
    }

    fn of(bits: Vec<Bit>) -> Self {
        let value = bits
            .iter()
            .rev()
            .try_fold(0, |value, bit| Ok::<_, SynthesisError>(value << 1 | u32::from(bit.value()?)))
            .ok();
        Self { bits, value }
    }

    fn is_constant(&self) -> bool {
        self.bits.iter().all(Boolean::is_constant)
    }

    fn number(&self) -> Result<FpVar<Fr>, SynthesisError> {
        Boolean::le_bits_to_fp(&self.bits)
    }

    fn rotated(&self, by: usize) -> impl Iterator<Item = Bit> + '_ {
        (0..32).map(move |i| self.bits[(i + by) % 32].clone())
    }

    fn shifted(&self, by: usize) -> impl Iterator<Item = Bit> + '_ {
        (0..32).map(move |i| self.bits.get(i + by).cloned().unwrap_or(Bit::FALSE))
    }
}

fn xor3(
    x: impl Iterator<Item = Bit>,
    y: impl Iterator<Item = Bit>,
    z: impl Iterator<Item = Bit>,
) -> Word {
    Word::of(x.zip(y).zip(z).map(|((x, y), z)| x ^ y ^ z).collect())
}

/// `if choice { yes } else { no }`, bit by bit.
fn choose(choice: &[Bit], yes: &Word, no: &Word) -> Result<Word, SynthesisError> {
    let bits = choice.iter().zip(&yes.bits).zip(&no.bits);
    let bits = bits.map(|((c, y), n)| Bit::conditionally_select(c, y, n));
    Ok(Word::of(bits.collect::<Result<_, _>>()?))
}

/// The sum modulo 2^32.
fn sum(cs: &ConstraintSystemRef<Fr>, words: &[&Word]) -> Result<Word, SynthesisError> {
    let total = words.iter().try_fold(0_u64, |total, word| Some(total + u64::from(word.value?)));
    if let (Some(total), true) = (total, words.iter().all(|word| word.is_constant())) {
        return Ok(Word::constant(total as u32));
    }
    let carries = words.len().next_power_of_two().trailing_zeros();
    let bits = (0..32 + carries)
        .map(|i| {
            let bit = total.map(|total| total >> i & 1 == 1);
            Bit::new_witness(cs.clone(), || bit.ok_or(SynthesisError::AssignmentMissing))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut exact = FpVar::Constant(Fr::from(0_u64));
    for word in words {
        exact += word.number()?;
    }
    Boolean::le_bits_to_fp(&bits)?.enforce_equal(&exact)?;
    Ok(Word { bits: bits[..32].to_vec(), value: total.map(|total| total as u32) })
}

/// SHA-256 of `bytes`, whose number is fixed by the circuit.
///
/// # Errors
/// Those of the constraint system.
pub fn sha256(
    cs: &ConstraintSystemRef<Fr>,
    bytes: &[UInt8<Fr>],
) -> Result<Vec<UInt8<Fr>>, SynthesisError> {
    let mut padded = bytes.to_vec();
    padded.push(UInt8::constant(0x80));
    while padded.len() % 64 != 56 {
        padded.push(UInt8::constant(0));
    }
    let length = (bytes.len() as u64 * 8).to_be_bytes();
    padded.extend(length.map(UInt8::constant));
    let mut state = START.map(Word::constant).to_vec();
    for block in padded.chunks(64) {
        compress(cs, &mut state, block)?;
    }
    let mut digest = Vec::with_capacity(32);
    for word in &state {
        for byte in word.bits.chunks(8).rev() {
            digest.push(UInt8::from_bits_le(byte));
        }
    }
    Ok(digest)
}

fn schedule(
    cs: &ConstraintSystemRef<Fr>,
    block: &[UInt8<Fr>],
) -> Result<Vec<Word>, SynthesisError> {
    let mut w = Vec::with_capacity(64);
    for word in block.chunks(4) {
        let mut bits = Vec::with_capacity(32);
        for byte in word.iter().rev() {
            bits.extend(byte.to_bits_le()?);
        }
        w.push(Word::of(bits));
    }
    for i in 16..64 {
        let (before, last): (&Word, &Word) = (&w[i - 15], &w[i - 2]);
        let s0 = xor3(before.rotated(7), before.rotated(18), before.shifted(3));
        let s1 = xor3(last.rotated(17), last.rotated(19), last.shifted(10));
        let next = sum(cs, &[&w[i - 16], &s0, &w[i - 7], &s1])?;
        w.push(next);
    }
    Ok(w)
}

fn compress(
    cs: &ConstraintSystemRef<Fr>,
    state: &mut [Word],
    block: &[UInt8<Fr>],
) -> Result<(), SynthesisError> {
    let w = schedule(cs, block)?;
    let mut v = state.to_vec();
    for (w, k) in w.iter().zip(K.map(Word::constant)) {
        let s1 = xor3(v[4].rotated(6), v[4].rotated(11), v[4].rotated(25));
        let ch = choose(&v[4].bits, &v[5], &v[6])?;
        let s0 = xor3(v[0].rotated(2), v[0].rotated(13), v[0].rotated(22));
        let differ: Vec<_> = v[1].bits.iter().zip(&v[2].bits).map(|(b, c)| b ^ c).collect();
        let majority = choose(&differ, &v[0], &v[1])?;
        let e = sum(cs, &[&v[3], &v[7], &s1, &ch, &k, w])?;
        let a = sum(cs, &[&v[7], &s1, &ch, &k, w, &s0, &majority])?;
        v.rotate_right(1);
        v[0] = a;
        v[4] = e;
    }
    for (state, v) in state.iter_mut().zip(&v) {
        *state = sum(cs, &[state, v])?;
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use ark_relations::gr1cs::ConstraintSystem;
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn is_what_sha2_says_for_every_length_of_two_blocks() {
        for length in [0_usize, 1, 3, 31, 55, 56, 63, 64, 96, 119] {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 7 + 3) as u8).collect();
            let cs = ConstraintSystem::<Fr>::new_ref();
            let input = UInt8::new_witness_vec(cs.clone(), &bytes).unwrap();
            let digest = sha256(&cs, &input).unwrap();
            let got: Vec<u8> = digest.iter().map(|byte| byte.value().unwrap()).collect();
            assert_eq!(got, Sha256::digest(&bytes).to_vec(), "{length} bytes");
            assert!(cs.is_satisfied().unwrap(), "{length} bytes");
            let blocks = (length + 9).div_ceil(64);
            assert!(cs.num_constraints() <= blocks * 27_500, "{}", cs.num_constraints());
        }
    }
}
