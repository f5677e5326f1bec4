//! Groth16 from the outside: snarkjs' own files, forgeries, mutations, and proving.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bls;
mod forgeries;
mod mutations;
mod parsers;
mod proving;
mod receipts;
#[path = "../../../contracts/tests/contracts/proving.rs"]
#[expect(dead_code, reason = "attackers of the contract use more of it")]
mod secrets;
mod vectors;

use fog_verifier::groth16::{Proof, PublicInputs, Validity, VerifyingKey, verify};

/// A file made by snarkjs (see `vectors/groth16/README.md`).
fn vector(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/vectors/groth16/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).expect(&path)
}

/// A file of the circuit that ships with the command line.
fn shipped(name: &str) -> Vec<u8> {
    let path = format!("{}/../cli/circuits/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).expect(&path)
}

/// Key, proof and public inputs of one vector, as text.
#[derive(Clone)]
struct Files {
    key: Vec<u8>,
    proof: Vec<u8>,
    publics: Vec<u8>,
}

impl Files {
    fn of(circuit: &str, statement: &str) -> Self {
        Self {
            key: vector(&format!("{circuit}.vk.json")),
            proof: vector(&format!("{statement}.proof.json")),
            publics: vector(&format!("{statement}.public.json")),
        }
    }

    fn check(&self) -> Result<Validity, fog_verifier::groth16::Malformed> {
        let key = VerifyingKey::from_snarkjs(&self.key)?;
        let proof = Proof::from_snarkjs(&self.proof)?;
        verify(&key, &proof, &PublicInputs::from_snarkjs(&self.publics)?)
    }
}

/// splitmix64: the same mutations on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }
}
