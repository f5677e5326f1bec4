//! Circuits against their programs, and proofs against keys.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::sync::LazyLock;

use ark_bls12_381::{Bls12_381, Fr};
use ark_ff::PrimeField as _;
use ark_groth16::Groth16;
use ark_r1cs_std::alloc::AllocVar as _;
use ark_relations::gr1cs::{ConstraintSynthesizer as _, ConstraintSystem};
use ark_serialize::CanonicalDeserialize as _;
use ark_snark::SNARK as _;
use fog_circuits::{
    Byte, Keys, PROGRAMS, Program, ProveError, Score, Work, local_verifying_key, prove,
};
use fog_contracts::proof::{VerifyingKey, binding, result_hash};
use fog_protocol::Hash32;
use proptest::prelude::*;

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::local(&Score).unwrap());

const CONTEXT: [u8; 32] = [1; 32];
/// A proof made once, for `CONTEXT` and [`input`].
const OLD_PROOF: &[u8] = include_bytes!("../data/score.proof");

/// Bytes of an uncompressed verifying key with one input.
const VERIFYING: usize = 96 + 3 * 192 + 8 + 2 * 96;

fn input() -> Vec<u8> {
    let features = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31_u16];
    (1..=12_u16).chain(features).flat_map(u16::to_be_bytes).collect()
}

/// Does the proof hold for the binding the contract would compute?
fn holds(context: [u8; 32], input: &[u8], result: &[u8], proof: &[u8]) -> bool {
    let key = local_verifying_key(&Score).unwrap();
    let key = ark_groth16::VerifyingKey::<Bls12_381>::deserialize_compressed(key).unwrap();
    let bound = binding(&Hash32(context), &Hash32::of(input), &result_hash(result).unwrap());
    let bound = Fr::from_be_bytes_mod_order(&bound.0);
    let proof = ark_groth16::Proof::deserialize_compressed(proof).unwrap();
    Groth16::<Bls12_381>::verify(&key, &[bound], &proof).unwrap()
}

/// The checked-in key is what anybody gets who makes it again.
#[test]
fn the_local_keys_are_reproducible() {
    assert_eq!(KEYS.verifying().unwrap(), local_verifying_key(&Score).unwrap());
    let key = VerifyingKey::from_ark_bytes(local_verifying_key(&Score).unwrap()).unwrap();
    println!("circuit {}", key.hash().unwrap());
}

#[test]
fn a_proof_holds_for_its_task_input_and_result_alone() {
    let input = input();
    let proved = prove(&KEYS, CONTEXT, &input).unwrap();
    assert_eq!(proved.result, Score.run(&input).unwrap());
    assert_eq!(u64::from_be_bytes(proved.result.clone().try_into().unwrap()), 2_382);
    assert!(holds(CONTEXT, &input, &proved.result, &proved.proof));
    assert!(holds(CONTEXT, &input, &proved.result, OLD_PROOF), "proofs keep");
    assert_ne!(proved.proof, OLD_PROOF, "each is blinded anew");
    assert!(!holds([2; 32], &input, &proved.result, &proved.proof));
    let mut other = input.clone();
    other[0] ^= 1;
    assert!(!holds(CONTEXT, &other, &proved.result, &proved.proof));
    let mut wrong = proved.result.clone();
    wrong[7] ^= 1;
    assert!(!holds(CONTEXT, &input, &wrong, &proved.proof));

    // A proving key that was damaged makes no proof that leaves.
    let mut bytes = KEYS.to_bytes().unwrap();
    let again = Keys::from_bytes(&Score, &bytes).unwrap();
    assert_eq!(again.verifying().unwrap(), KEYS.verifying().unwrap());
    // Behind the verifying key lie beta and delta in G1: the one in place of the other.
    bytes.copy_within(VERIFYING + 96..VERIFYING + 192, VERIFYING);
    let damaged = Keys::from_bytes(&Score, &bytes).unwrap();
    let refused = prove(&damaged, CONTEXT, &input).unwrap_err();
    assert!(matches!(refused, ProveError::WrongKey), "{refused}");
    bytes.truncate(1000);
    assert!(Keys::from_bytes(&Score, &bytes).is_err());
}

#[test]
fn inputs_of_another_length_are_refused() {
    for bytes in [0, 1, 47, 49] {
        let refused = prove(&KEYS, CONTEXT, &vec![0; bytes]).unwrap_err();
        assert!(matches!(refused, ProveError::Input(_)), "{bytes}");
    }
}

/// One public input, and no more constraints than the setup was made for.
#[test]
fn every_circuit_takes_the_binding_alone() {
    for program in PROGRAMS {
        let cs = ConstraintSystem::<Fr>::new_ref();
        cs.set_mode(ark_relations::gr1cs::SynthesisMode::Setup);
        Work::shape(program).generate_constraints(cs.clone()).unwrap();
        println!("{}: {} constraints", program.name(), cs.num_constraints());
        // The constant one, and the binding.
        assert_eq!(cs.num_instance_variables(), 2);
        assert!(cs.num_constraints() < 1 << 17);
        assert!(program.result_bytes() <= fog_circuits::MAX_RESULT_BYTES);
    }
}

/// Are the program's own constraints satisfied by this result?
fn satisfied(program: &dyn Program, input: &[u8], result: &[u8]) -> bool {
    let cs = ConstraintSystem::<Fr>::new_ref();
    let bytes = |bytes: &[u8]| -> Vec<Byte> {
        bytes.iter().map(|byte| Byte::new_witness(cs.clone(), || Ok(*byte)).unwrap()).collect()
    };
    let (input, result) = (bytes(input), bytes(result));
    program.constrain(&cs, &input, &result).unwrap();
    cs.is_satisfied().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The constraints say what the program computes: its result satisfies them, no other does.
    #[test]
    fn constraints_and_program_agree(
        input in proptest::collection::vec(any::<u8>(), 48),
        other in proptest::collection::vec(any::<u8>(), 8),
        bit in 0_usize..64,
    ) {
        let result = Score.run(&input).unwrap();
        prop_assert!(satisfied(&Score, &input, &result));
        prop_assert_eq!(satisfied(&Score, &input, &other), other == result);
        let mut wrong = result;
        wrong[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!satisfied(&Score, &input, &wrong));
    }
}
