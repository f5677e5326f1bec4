//! One proof over BN254, with all our checks, against ark's own verifier. Both decode.

use std::hint::black_box;

use anyhow::{Context, Result, ensure};
use ark_bn254::{Bn254, Fr};
use ark_groth16::{Groth16, prepare_verifying_key};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use fog_verifier::groth16::{Proof, PublicInputs, Validity, VerifyingKey, verify};
use taceo_circom_types::groth16 as circom;

use crate::meter::{Reading, in_turns};

const KEY: &[u8] = include_bytes!("../../verifier/tests/vectors/groth16/powers4.vk.json");
const PROOF: &[u8] = include_bytes!("../../verifier/tests/vectors/groth16/powers4.proof.json");
const PUBLICS: &[u8] = include_bytes!("../../verifier/tests/vectors/groth16/powers4.public.json");

fn compressed(value: &impl CanonicalSerialize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    value.serialize_compressed(&mut bytes)?;
    Ok(bytes)
}

/// A snarkjs proof with four public inputs, in ark's compressed bytes.
pub(crate) fn measure() -> Result<Reading> {
    let key: circom::VerificationKey<Bn254> = serde_json::from_slice(KEY)?;
    let proof: circom::Proof<Bn254> = serde_json::from_slice(PROOF)?;
    let key: ark_groth16::VerifyingKey<Bn254> = key.into();
    let proof: ark_groth16::Proof<Bn254> = proof.into();
    let texts: Vec<String> = serde_json::from_slice(PUBLICS)?;
    let inputs = texts
        .iter()
        .map(|text| text.parse::<Fr>().ok().context("a public input is no number"))
        .collect::<Result<Vec<_>>>()?;
    ensure!(inputs.len() == 4, "the vector has {} inputs", inputs.len());

    let (proof_bytes, input_bytes) = (compressed(&proof)?, compressed(&inputs)?);
    let our_key = VerifyingKey::from_ark_bytes(&compressed(&key)?)?;
    let their_key = prepare_verifying_key(&key);
    let ours = || {
        let proof = Proof::from_ark_bytes(black_box(&proof_bytes))?;
        let inputs = PublicInputs::from_ark_bytes(black_box(&input_bytes))?;
        let validity = verify(&our_key, &proof, &inputs)?;
        ensure!(validity == Validity::Valid, "we refuse the proof");
        Ok(())
    };
    let theirs = || {
        let proof = ark_groth16::Proof::deserialize_compressed(black_box(&proof_bytes[..]))?;
        let inputs = Vec::<Fr>::deserialize_compressed(black_box(&input_bytes[..]))?;
        let valid = Groth16::<Bn254>::verify_proof(&their_key, &proof, &inputs)?;
        ensure!(valid, "ark refuses the proof");
        Ok(())
    };
    let (ours, theirs) = in_turns(25, 12, ours, theirs)?;
    Ok(Reading {
        ours: ours / 1e3,
        theirs: theirs / 1e3,
        unit: "us",
        against: "ark-groth16, prepared key",
        goal: 1.1,
        note: String::new(),
    })
}
