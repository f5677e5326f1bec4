//! A program's circuit: its own constraints, and the binding that ties them to one task, worker,
//! input and result.

use ark_bls12_381::Fr;
use ark_ff::PrimeField as _;
use ark_r1cs_std::{
    alloc::AllocVar as _, boolean::Boolean, convert::ToBitsGadget as _, eq::EqGadget as _,
    fields::fp::FpVar,
};
use ark_relations::gr1cs::{ConstraintSynthesizer, ConstraintSystemRef, SynthesisError};
use sha2::{Digest as _, Sha256};

use crate::{Byte, Program, sha256};

/// Bits of the digest that are dropped, so that it is below the group's order.
const DROPPED: usize = 2;

/// One run of a program, to be proven; without bytes it is the circuit's shape, for a setup.
#[derive(Clone)]
pub struct Work<'a> {
    pub(crate) program: &'a dyn Program,
    pub(crate) bytes: Option<Bytes<'a>>,
}

/// What is known of a run.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a> {
    pub(crate) context: [u8; 32],
    pub(crate) input: &'a [u8],
    pub(crate) result: &'a [u8],
}

impl Bytes<'_> {
    /// The public input.
    pub(crate) fn binding(&self) -> Fr {
        let mut hash = Sha256::new();
        hash.update(self.context);
        hash.update(Sha256::digest(self.input));
        let mut cell = Sha256::new();
        cell.update(descriptors(self.result.len()));
        cell.update(self.result);
        hash.update(cell.finalize());
        let mut digest: [u8; 32] = hash.finalize().into();
        let mut carried = 0;
        for byte in &mut digest {
            let low = *byte << (8 - DROPPED);
            *byte = carried | (*byte >> DROPPED);
            carried = low;
        }
        Fr::from_be_bytes_mod_order(&digest)
    }
}

/// The two bytes before the data of a cell of whole bytes without references.
fn descriptors(bytes: usize) -> [u8; 2] {
    [0, u8::try_from(2 * bytes).unwrap_or(u8::MAX)]
}

impl<'a> Work<'a> {
    /// The circuit's shape.
    #[must_use]
    pub const fn shape(program: &'a dyn Program) -> Self {
        Self { program, bytes: None }
    }

    fn witness(
        &self,
        cs: &ConstraintSystemRef<Fr>,
        length: usize,
        get: impl Fn(&Bytes<'a>) -> &'a [u8],
    ) -> Result<Vec<Byte>, SynthesisError> {
        let bytes = self.bytes.as_ref().map(get);
        (0..length)
            .map(|i| {
                let byte = || {
                    let bytes = bytes.ok_or(SynthesisError::AssignmentMissing)?;
                    bytes.get(i).copied().ok_or(SynthesisError::Unsatisfiable)
                };
                Byte::new_witness(cs.clone(), byte)
            })
            .collect()
    }
}

impl ConstraintSynthesizer<Fr> for Work<'_> {
    fn generate_constraints(self, cs: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        let binding = FpVar::new_input(cs.clone(), || {
            let bytes = self.bytes.as_ref().ok_or(SynthesisError::AssignmentMissing)?;
            Ok(bytes.binding())
        })?;
        let context: Vec<Byte> = (0..32)
            .map(|i| {
                let context = self.bytes.as_ref().map(|bytes| bytes.context);
                let byte = move || context.map(|c| c[i]).ok_or(SynthesisError::AssignmentMissing);
                Byte::new_witness(cs.clone(), byte)
            })
            .collect::<Result<_, _>>()?;
        let input = self.witness(&cs, self.program.input_bytes(), |bytes| bytes.input)?;
        let result = self.witness(&cs, self.program.result_bytes(), |bytes| bytes.result)?;
        self.program.constrain(&cs, &input, &result)?;
        let mut cell: Vec<Byte> = descriptors(result.len()).map(Byte::constant).to_vec();
        cell.extend(result);
        let mut bound = context;
        bound.extend(sha256(&cs, &input)?);
        bound.extend(sha256(&cs, &cell)?);
        let digest = sha256(&cs, &bound)?;
        // Big-endian bytes, so the last one's lowest bits are dropped.
        let mut bits: Vec<Boolean<Fr>> = Vec::with_capacity(256);
        for byte in digest.iter().rev() {
            bits.extend(byte.to_bits_le()?);
        }
        Boolean::le_bits_to_fp(&bits[DROPPED..])?.enforce_equal(&binding)
    }
}
