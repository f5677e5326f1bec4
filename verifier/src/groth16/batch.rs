//! Many proofs for one key at once: a random linear combination, and bisection when it fails.

use ark_bn254::{Bn254, Fr, G1Affine, G1Projective};
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM, pairing::Pairing};
use ark_ff::{PrimeField, Zero};

use super::key::VerifyingKey;
use super::malformed::Malformed;
use super::proof::{NotValid, Proof, PublicInputs, Validity, verify};

/// Most proofs in one batch. More gains nothing, and a batch of bad proofs only costs what checking
/// them one by one does, times about two.
pub const MAX_BATCH: usize = 256;

type Item = (Proof, PublicInputs);

/// Checks each item against `key`, in order; the answer is what [`verify`] would say for each,
/// except with probability below 2^-127 for each combination tried.
///
/// Coefficients are drawn from the operating system now, after the proofs are fixed, so no prover
/// can choose errors that cancel. Bad proofs cost more: about two equations each and level.
///
/// # Errors
/// [`Malformed`] when the batch is too long, a statement does not fit the key, or the operating
/// system has no randomness. No partial answer is given.
pub fn verify_batch(key: &VerifyingKey, items: &[Item]) -> Result<Vec<Validity>, Malformed> {
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
fn combined(key: &VerifyingKey, items: &[Item]) -> Result<Validity, Malformed> {
    let factors = coefficients(items.len())?;
    let total: Fr = factors.iter().sum();

    let mut scalars = vec![total; 1];
    scalars.resize(key.ic().len(), Fr::zero());
    for (factor, (_, inputs)) in factors.iter().zip(items) {
        for (sum, input) in scalars.iter_mut().skip(1).zip(inputs.elements()) {
            *sum += *factor * input;
        }
    }
    let bigints: Vec<_> = scalars.iter().map(|x| x.into_bigint()).collect();
    let statement = G1Projective::msm_bigint(key.ic(), &bigints);

    let small: Vec<_> = factors.iter().map(|x| x.into_bigint()).collect();
    let c: Vec<G1Affine> = items.iter().map(|(proof, _)| proof.0.c).collect();
    let c = G1Projective::msm_bigint(&c, &small);
    let vk = &key.prepared.vk;
    let mut g1: Vec<G1Projective> =
        items.iter().zip(&small).map(|((proof, _), k)| proof.0.a.mul_bigint(k)).collect();
    g1.extend([-(vk.alpha_g1 * total), statement, c]);

    let g2 = items
        .iter()
        .map(|(proof, _)| proof.0.b.into())
        .chain([
            vk.beta_g2.into(),
            key.prepared.gamma_g2_neg_pc.clone(),
            key.prepared.delta_g2_neg_pc.clone(),
        ])
        .collect::<Vec<<Bn254 as Pairing>::G2Prepared>>();
    let product = Bn254::multi_miller_loop(G1Projective::normalize_batch(&g1), g2);
    match Bn254::final_exponentiation(product) {
        Some(value) if value.is_zero() => Ok(Validity::Valid),
        _ => Ok(Validity::NotValid(NotValid::Equation)),
    }
}

/// 128-bit numbers that are not zero, from the operating system.
fn coefficients(count: usize) -> Result<Vec<Fr>, Malformed> {
    let mut bytes = vec![0_u8; count * 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Malformed::Randomness { reason: error.to_string() })?;
    // Setting the lowest bit keeps zero out and costs one bit: 2^-127.
    let (chunks, _) = bytes.as_chunks::<16>();
    Ok(chunks.iter().map(|chunk| Fr::from(u128::from_le_bytes(*chunk) | 1)).collect())
}
