//! Others who check the same proof, for the note.

use std::path::PathBuf;

use anyhow::{Result, anyhow, ensure};
use ark_bn254::{Bn254, Fr, G1Affine, G2Affine};
use ark_ff::{BigInteger, PrimeField};
use ark_groth16::{Proof, VerifyingKey};
use substrate_bn::{AffineG1, AffineG2, Fq, Fq2, G1, G2, Gt, pairing_batch};

use crate::{meter::timed, peer::Peer};

const ROUNDS: usize = 10;

/// Nanoseconds of CPU that `substrate-bn` takes, decoding left out: alpha and beta are paired anew,
/// it keeps nothing prepared.
pub(super) fn substrate_bn(
    key: &VerifyingKey<Bn254>,
    proof: &Proof<Bn254>,
    inputs: &[Fr],
) -> Result<f64> {
    let (alpha, a, c) = (g1(&key.alpha_g1)?, g1(&proof.a)?, g1(&proof.c)?);
    let (beta, gamma, delta, b) =
        (g2(&key.beta_g2)?, g2(&key.gamma_g2)?, g2(&key.delta_g2)?, g2(&proof.b)?);
    let ic = key.gamma_abc_g1.iter().map(g1).collect::<Result<Vec<_>>>()?;
    let inputs = inputs
        .iter()
        .map(|input| {
            substrate_bn::Fr::from_slice(&input.into_bigint().to_bytes_be())
                .map_err(|error| anyhow!("{error:?}"))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut least = f64::INFINITY;
    for _ in 0..ROUNDS {
        let (spent, product) = timed(|| {
            let statement = ic[1..].iter().zip(&inputs).fold(ic[0], |sum, (p, x)| sum + *p * *x);
            pairing_batch(&[(a, b), (-alpha, beta), (-statement, gamma), (-c, delta)])
        });
        ensure!(product == Gt::one(), "substrate-bn refuses the proof");
        least = least.min(spent);
    }
    Ok(least)
}

fn number(value: &ark_bn254::Fq) -> Result<Fq> {
    Fq::from_slice(&value.into_bigint().to_bytes_be()).map_err(|error| anyhow!("{error:?}"))
}

fn g1(point: &G1Affine) -> Result<G1> {
    let point = AffineG1::new(number(&point.x)?, number(&point.y)?);
    Ok(point.map_err(|error| anyhow!("{error:?}"))?.into())
}

fn g2(point: &G2Affine) -> Result<G2> {
    let pair = |value: &ark_bn254::Fq2| {
        Ok::<_, anyhow::Error>(Fq2::new(number(&value.c0)?, number(&value.c1)?))
    };
    let point = AffineG2::new(pair(&point.x)?, pair(&point.y)?);
    Ok(point.map_err(|error| anyhow!("{error:?}"))?.into())
}

/// Nanoseconds of CPU that snarkjs takes for the same files, of its whole process.
pub(super) fn snarkjs(files: &[PathBuf]) -> Result<f64> {
    let mut peer = Peer::start("snarkjs", files)?;
    let mut least = f64::INFINITY;
    for _ in 0..ROUNDS {
        let answer = peer.round()?;
        ensure!(answer.equal > 0, "snarkjs refuses the proof");
        least = least.min(answer.ns);
    }
    Ok(least)
}
