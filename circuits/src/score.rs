//! A linear model's score: twelve features weighed by twelve weights.

use ark_bls12_381::Fr;
use ark_r1cs_std::{
    boolean::Boolean, convert::ToBitsGadget as _, eq::EqGadget as _, fields::fp::FpVar,
};
use ark_relations::gr1cs::SynthesisError;

use crate::{Byte, Constraints, InputError, Program};

const TERMS: usize = 12;

/// `score`: the input is twelve weights, then twelve features, each an unsigned big-endian number
/// of 16 bits; the result is the sum of their products, 8 bytes big-endian.
#[derive(Debug, Clone, Copy)]
pub struct Score;

/// A big-endian number.
fn number(bytes: &[Byte]) -> Result<FpVar<Fr>, SynthesisError> {
    let mut bits = Vec::with_capacity(bytes.len() * 8);
    for byte in bytes.iter().rev() {
        bits.extend(byte.to_bits_le()?);
    }
    Boolean::le_bits_to_fp(&bits)
}

impl Program for Score {
    fn name(&self) -> &'static str {
        "score"
    }

    fn input_bytes(&self) -> usize {
        4 * TERMS
    }

    fn result_bytes(&self) -> usize {
        8
    }

    fn run(&self, input: &[u8]) -> Result<Vec<u8>, InputError> {
        let (numbers, []) = input.as_chunks::<2>() else {
            let problem = format!("{} bytes, it takes {}", input.len(), self.input_bytes());
            return Err(InputError { program: self.name(), problem });
        };
        let (weights, features) = numbers.split_at(numbers.len() / 2);
        let terms = weights.iter().zip(features);
        let score: u64 = terms
            .map(|(w, f)| u64::from(u16::from_be_bytes(*w)) * u64::from(u16::from_be_bytes(*f)))
            .sum();
        Ok(score.to_be_bytes().to_vec())
    }

    fn constrain(
        &self,
        _: &Constraints,
        input: &[Byte],
        result: &[Byte],
    ) -> Result<(), SynthesisError> {
        let (weights, features) = input.split_at(2 * TERMS);
        let mut score = FpVar::Constant(Fr::from(0_u64));
        for (weight, feature) in weights.chunks(2).zip(features.chunks(2)) {
            score += number(weight)? * number(feature)?;
        }
        number(result)?.enforce_equal(&score)
    }
}
