//! A circuit of any size: a number squared again and again, with four public inputs.

use anyhow::{Result, ensure};
use ark_ff::PrimeField;
use ark_groth16::{Groth16, VerifyingKey};
use ark_r1cs_std::{alloc::AllocVar, eq::EqGadget, fields::FieldVar, fields::fp::FpVar};
use ark_relations::gr1cs::{ConstraintSynthesizer, ConstraintSystemRef, SynthesisError};
use ark_snark::SNARK;
use ark_std::rand::{SeedableRng, rngs::StdRng};
use fog_verifier::groth16::SnarkCurve;

use super::compressed;

/// Public inputs: the powers after the last squarings.
const PUBLICS: usize = 4;

/// Knowledge of a number whose repeated squares end in public ones.
#[derive(Clone, Copy)]
pub(super) struct Chain<F> {
    secret: F,
    squarings: usize,
}

impl<F: PrimeField> Chain<F> {
    fn publics(&self) -> Vec<F> {
        let powers: Vec<F> = std::iter::successors(Some(self.secret), |x| Some(x.square()))
            .take(self.squarings + 1)
            .collect();
        powers[powers.len() - PUBLICS..].to_vec()
    }
}

impl<F: PrimeField> ConstraintSynthesizer<F> for Chain<F> {
    fn generate_constraints(self, cs: ConstraintSystemRef<F>) -> Result<(), SynthesisError> {
        let mut power = FpVar::new_witness(cs.clone(), || Ok(self.secret))?;
        let publics = self.publics();
        for at in 1..=self.squarings {
            power = power.square()?;
            if let Some(place) = (at + PUBLICS).checked_sub(self.squarings + 1) {
                let public = FpVar::new_input(cs.clone(), || Ok(publics[place]))?;
                power.enforce_equal(&public)?;
            }
        }
        Ok(())
    }
}

/// A key, and statements proven under it: proof and public inputs in ark's compressed bytes.
type Statements<E> = (VerifyingKey<E>, Vec<(Vec<u8>, Vec<u8>)>);

impl Chain<()> {
    /// Proves `count` statements about a circuit of so many constraints.
    pub(super) fn prove<E: SnarkCurve>(constraints: usize, count: usize) -> Result<Statements<E>> {
        let mut random = StdRng::seed_from_u64(7);
        let squarings = constraints - PUBLICS;
        let chain = |secret: u64| Chain { secret: E::ScalarField::from(secret), squarings };
        let (proving, verifying) = Groth16::<E>::circuit_specific_setup(chain(3), &mut random)?;
        let statements = (0..count as u64)
            .map(|at| {
                let chain = chain(1_000_003 + at);
                let proof = Groth16::<E>::prove(&proving, chain, &mut random)?;
                Ok((compressed(&proof)?, compressed(&chain.publics())?))
            })
            .collect::<Result<Vec<_>>>()?;
        let inputs = verifying.gamma_abc_g1.len() - 1;
        ensure!(inputs == PUBLICS, "the circuit has {inputs} public inputs");
        Ok((verifying, statements))
    }
}
