//! Groth16, with all our checks, against ark's own verifier. Both sides decode what they check.

mod beside;
mod chain;

use std::{fs, hint::black_box};

use anyhow::{Context, Result, ensure};
use ark_bls12_381::Bls12_381;
use ark_bn254::{Bn254, Fr};
use ark_groth16::{Groth16, prepare_verifying_key};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use fog_verifier::groth16::{InputsOf, KeyOf, ProofOf, SnarkCurve, Validity, verify, verify_batch};
use taceo_circom_types::groth16 as circom;

use self::chain::Chain;
use crate::{
    meter::{Reading, in_turns},
    peer::root,
};

/// Proofs in a batch.
const BATCH: usize = 64;
/// Constraints of the circuit whose proofs are batched.
const SMALL: usize = 1 << 4;
/// Constraints of the circuit that must cost no more.
const LARGE: usize = 1 << 16;

/// What was proven, in ark's compressed bytes, and the key on either side.
struct Proven<E: SnarkCurve> {
    ours: KeyOf<E>,
    theirs: ark_groth16::PreparedVerifyingKey<E>,
    /// Proof and public inputs.
    statements: Vec<(Vec<u8>, Vec<u8>)>,
}

pub(super) fn compressed(value: &impl CanonicalSerialize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    value.serialize_compressed(&mut bytes)?;
    Ok(bytes)
}

impl<E: SnarkCurve> Proven<E> {
    fn new(
        key: &ark_groth16::VerifyingKey<E>,
        statements: Vec<(Vec<u8>, Vec<u8>)>,
    ) -> Result<Self> {
        let ours = KeyOf::from_ark_bytes(&compressed(key)?)?;
        Ok(Self { ours, theirs: prepare_verifying_key(key), statements })
    }

    fn we_read(&self, at: usize) -> Result<(ProofOf<E>, InputsOf<E>)> {
        let (proof, inputs) = black_box(&self.statements[at]);
        Ok((ProofOf::from_ark_bytes(proof)?, InputsOf::from_ark_bytes(inputs)?))
    }

    fn we_verify(&self, at: usize) -> Result<()> {
        let (proof, inputs) = self.we_read(at)?;
        ensure!(verify(&self.ours, &proof, &inputs)? == Validity::Valid, "we refuse a proof");
        Ok(())
    }

    fn we_verify_all(&self) -> Result<()> {
        let items =
            (0..self.statements.len()).map(|at| self.we_read(at)).collect::<Result<Vec<_>>>()?;
        let verdicts = verify_batch(&self.ours, &items)?;
        ensure!(verdicts.iter().all(|found| *found == Validity::Valid), "we refuse a proof");
        Ok(())
    }

    fn they_verify(&self, at: usize) -> Result<()> {
        let (proof, inputs) = black_box(&self.statements[at]);
        let proof = ark_groth16::Proof::deserialize_compressed(&proof[..])?;
        let inputs = Vec::<E::ScalarField>::deserialize_compressed(&inputs[..])?;
        ensure!(Groth16::<E>::verify_proof(&self.theirs, &proof, &inputs)?, "ark refuses a proof");
        Ok(())
    }
}

/// A snarkjs proof with four public inputs, in ark's compressed bytes.
pub(crate) fn single() -> Result<Reading> {
    let vector = |name: &str| root(&["..", "verifier", "tests", "vectors", "groth16", name]);
    let files = ["vk", "proof", "public"].map(|part| vector(&format!("powers4.{part}.json")));
    let key: circom::VerificationKey<Bn254> = serde_json::from_slice(&fs::read(&files[0])?)?;
    let proof: circom::Proof<Bn254> = serde_json::from_slice(&fs::read(&files[1])?)?;
    let texts: Vec<String> = serde_json::from_slice(&fs::read(&files[2])?)?;
    let key: ark_groth16::VerifyingKey<Bn254> = key.into();
    let proof: ark_groth16::Proof<Bn254> = proof.into();
    let inputs = texts
        .iter()
        .map(|text| text.parse::<Fr>().ok().context("a public input is no number"))
        .collect::<Result<Vec<_>>>()?;
    ensure!(inputs.len() == 4, "the vector has {} inputs", inputs.len());

    let proven = Proven::new(&key, vec![(compressed(&proof)?, compressed(&inputs)?)])?;
    let (ours, theirs) = in_turns(25, 12, || proven.we_verify(0), || proven.they_verify(0))?;
    let bn = beside::substrate_bn(&key, &proof, &inputs)? / ours;
    let snarkjs = beside::snarkjs(&files)? / ours;
    Ok(Reading {
        ours: ours / 1e3,
        theirs: theirs / 1e3,
        unit: "us",
        against: "ark-groth16, prepared key",
        goal: 0.85,
        note: format!("substrate-bn takes {bn:.1} times as long as we, snarkjs {snarkjs:.1} times"),
    })
}

/// Sixty-four proofs for one key over BN254.
pub(crate) fn bn254_batch() -> Result<Reading> {
    batch::<Bn254>(0.30)
}

/// Sixty-four proofs for one key over BLS12-381.
pub(crate) fn bls12_381_batch() -> Result<Reading> {
    batch::<Bls12_381>(0.17)
}

fn batch<E: SnarkCurve>(goal: f64) -> Result<Reading> {
    let (key, statements) = Chain::prove::<E>(SMALL, BATCH)?;
    let proven = Proven::new(&key, statements)?;
    let one_by_one = || (0..BATCH).try_for_each(|at| proven.they_verify(at));
    let (ours, theirs) = in_turns(12, 1, || proven.we_verify_all(), one_by_one)?;
    let (alone, theirs_alone) = in_turns(12, 12, || proven.we_verify(0), || proven.they_verify(0))?;
    Ok(Reading {
        ours: ours / 1e3 / BATCH as f64,
        theirs: theirs / 1e3 / BATCH as f64,
        unit: "us",
        against: "ark-groth16, one by one",
        goal,
        note: format!("of one proof; alone we take {:.2} of ark", alone / theirs_alone),
    })
}

/// A proof of a circuit of 2^16 constraints beside one of 2^4, both ours.
pub(crate) fn circuit_size() -> Result<Reading> {
    let prove = |constraints| -> Result<Proven<Bn254>> {
        let (key, statements) = Chain::prove(constraints, 1)?;
        Proven::new(&key, statements)
    };
    let (large, small) = (prove(LARGE)?, prove(SMALL)?);
    let (ours, theirs) = in_turns(25, 12, || large.we_verify(0), || small.we_verify(0))?;
    Ok(Reading {
        ours: ours / 1e3,
        theirs: theirs / 1e3,
        unit: "us",
        against: "ourselves, 2^4 constraints",
        goal: 1.1,
        note: "a proof of 2^16 constraints".to_owned(),
    })
}
