//! Many proofs for one key at once: a random linear combination, and bisection when it fails.

use ark_ec::{AffineRepr, VariableBaseMSM};
use ark_ff::{PrimeField, Zero};

use super::curve::SnarkCurve;
use super::factor;
use super::key::KeyOf;
use super::malformed::Malformed;
use super::proof::{InputsOf, ProofOf, Validity, verify};

/// Most proofs in one batch. More gains nothing, and a batch of bad proofs only costs what checking
/// them one by one does, times about two.
pub const MAX_BATCH: usize = 256;

/// A proof with its statement.
pub(super) type Item<E> = (ProofOf<E>, InputsOf<E>);

/// Checks each item against `key`, in order; the answer is what [`verify`] would say for each,
/// except with probability below 2^-127 for each combination tried.
///
/// Coefficients are drawn from the operating system now, after the proofs are fixed, so no prover
/// can choose errors that cancel. Bad proofs cost more: about two equations each and level.
///
/// # Errors
/// [`Malformed`] when the batch is too long, a statement does not fit the key, or the operating
/// system has no randomness. No partial answer is given.
pub fn verify_batch<E: SnarkCurve>(
    key: &KeyOf<E>,
    items: &[Item<E>],
) -> Result<Vec<Validity>, Malformed> {
    if items.len() > MAX_BATCH {
        return Err(Malformed::BatchSize { found: items.len() });
    }
    for (_, inputs) in items {
        let (expected, found) = (key.input_count(), inputs.len());
        if expected != found {
            return Err(Malformed::InputCount { expected, found });
        }
    }
    let mut verdicts = vec![Validity::Valid; items.len()];
    // Ranges still to check. Each failing range is cut in two, so the stack stays shallow and the
    // loop ends after at most 2 * len ranges.
    let mut pending = vec![(0, items.len())];
    while let Some((start, end)) = pending.pop() {
        match &items[start..end] {
            [] => {}
            [(proof, inputs)] => verdicts[start] = verify(key, proof, inputs)?,
            part if combined(key, part)? == Validity::Valid => {}
            part => {
                let middle = start + part.len() / 2;
                pending.push((middle, end));
                pending.push((start, middle));
            }
        }
    }
    Ok(verdicts)
}

/// One equation for all: `prod e(k_i A_i, B_i) = e(sum k_i alpha, beta) e(sum k_i L_i, gamma)
/// e(sum k_i C_i, delta)`.
fn combined<E: SnarkCurve>(key: &KeyOf<E>, items: &[Item<E>]) -> Result<Validity, Malformed> {
    let factors = factor::draw(items.len())?;
    let scalars: Vec<_> = factors.iter().map(|factor| E::scalar(*factor)).collect();
    let total: E::ScalarField = scalars.iter().sum();

    let mut inputs = vec![total; 1];
    inputs.resize(key.ic().len(), E::ScalarField::zero());
    for (scalar, (_, statement)) in scalars.iter().zip(items) {
        for (sum, input) in inputs.iter_mut().skip(1).zip(statement.elements()) {
            *sum += *scalar * input;
        }
    }
    let inputs: Vec<_> = inputs.iter().map(|x| x.into_bigint()).collect();
    let statement = E::G1::msm_bigint(key.ic(), &inputs);

    let a: Vec<_> = items.iter().map(|(proof, _)| proof.0.a).collect();
    let c: Vec<_> = items.iter().map(|(proof, _)| proof.0.c).collect();
    let vk = &key.vk;
    let mut pairs: Vec<_> = E::scaled(&a, &factors)
        .into_iter()
        .zip(items)
        .map(|(a, (proof, _))| (a, proof.0.b))
        .collect();
    pairs.push(((vk.alpha_g1 * -total).into(), vk.beta_g2));
    pairs.push(((-statement).into(), vk.gamma_g2));
    pairs.push((E::sum(&c, &factors), (-vk.delta_g2.into_group()).into()));
    Ok(Validity::of_equation(E::product_is_one(&pairs)))
}
