//! What snarkjs accepts we accept; what it rejects we reject; JSON and bytes agree.

use ark_bls12_381::Bls12_381;
use ark_bn254::Bn254;
use ark_ff::PrimeField;
use ark_serialize::CanonicalSerialize;
use fog_protocol::PublicInput;
use fog_verifier::groth16::{
    Fault, InputsOf, KeyOf, Malformed, NotValid, Place, ProofOf, ProofOutcome, ProofReport,
    Validity, binding_scalar, check_listing, check_task_proof, verify, verify_batch,
};
use num_bigint::BigUint;
use serde_json::Value;

use crate::{Files, Vectors, over_both};

over_both!(
    snarkjs_proofs_are_valid,
    tampered_proofs_are_not_valid,
    written_files_read_back,
    bytes_and_json_are_the_same,
    a_batch_names_the_bad_ones,
    a_task_proof_must_carry_the_listing_s_inputs,
    the_report_tells_three_answers_apart,
);

/// Circuits, and statements that hold for them.
const VALID: [(&str, &str); 6] = [
    ("powers1", "powers1"),
    ("powers2", "powers2"),
    ("powers4", "powers4"),
    ("powers4", "powers4-other"),
    ("powers16", "powers16"),
    ("bound", "bound"),
];

const TAMPERED: [&str; 6] = [
    "tampered-foreign-c",
    "tampered-input-plus-one",
    "tampered-inputs-swapped",
    "tampered-negated-a",
    "tampered-other-statement",
    "tampered-swapped-a-c",
];

fn snarkjs_proofs_are_valid<E: Vectors>() {
    for (circuit, statement) in VALID {
        let files = Files::of::<E>(circuit, statement);
        assert_eq!(files.check::<E>(), Ok(Validity::Valid), "{statement}");
    }
}

/// The circuit that ships with the command line.
#[test]
fn snarkjs_proof_for_the_shipped_circuit_is_valid() {
    let files = Files::of::<Bn254>("preimage", "preimage");
    assert_eq!(files.check::<Bn254>(), Ok(Validity::Valid));
}

fn tampered_proofs_are_not_valid<E: Vectors>() {
    for name in TAMPERED {
        let checked = Files::of::<E>("powers4", name).check::<E>();
        assert_eq!(checked, Ok(Validity::NotValid(NotValid::Equation)), "{name}");
    }
}

fn written_files_read_back<E: Vectors>() {
    let files = Files::of::<E>("powers4", "powers4");
    let proof = ProofOf::<E>::from_snarkjs(&files.proof).unwrap();
    assert_eq!(ProofOf::<E>::from_snarkjs(proof.to_snarkjs().as_bytes()).unwrap(), proof);
    let publics = InputsOf::<E>::from_snarkjs(&files.publics).unwrap();
    assert_eq!(InputsOf::<E>::from_snarkjs(publics.to_snarkjs().as_bytes()).unwrap(), publics);
    let written: serde_json::Value = serde_json::from_str(&proof.to_snarkjs()).unwrap();
    let original: serde_json::Value = serde_json::from_slice(&files.proof).unwrap();
    assert_eq!(written, original);
}

type ArkKey<E> = ark_groth16::VerifyingKey<E>;
type ArkProof<E> = ark_groth16::Proof<E>;

/// The vector as ark's own types, read number by number.
pub(crate) fn ark<E: Vectors>(circuit: &str) -> (ArkKey<E>, ArkProof<E>, Vec<E::ScalarField>) {
    let read = |kind: &str| -> Value {
        serde_json::from_slice(&E::vector(&format!("{circuit}.{kind}.json"))).unwrap()
    };
    let (key, proof, publics) = (read("vk"), read("proof"), read("public"));
    let list = |value: &Value| value.as_array().unwrap().clone();
    let key = ArkKey {
        alpha_g1: g1::<E>(&key["vk_alpha_1"]),
        beta_g2: g2::<E>(&key["vk_beta_2"]),
        gamma_g2: g2::<E>(&key["vk_gamma_2"]),
        delta_g2: g2::<E>(&key["vk_delta_2"]),
        gamma_abc_g1: list(&key["IC"]).iter().map(g1::<E>).collect(),
    };
    let (a, b, c) = (g1::<E>(&proof["pi_a"]), g2::<E>(&proof["pi_b"]), g1::<E>(&proof["pi_c"]));
    (key, ArkProof { a, b, c }, list(&publics).iter().map(number).collect())
}

fn number<F: PrimeField>(text: &Value) -> F {
    F::from(text.as_str().unwrap().parse::<BigUint>().unwrap())
}

fn g1<E: Vectors>(point: &Value) -> E::G1Affine {
    let (point, place) = E::g1(number(&point[0]), number(&point[1]));
    assert_eq!(place, Place::Group);
    point
}

fn g2<E: Vectors>(point: &Value) -> E::G2Affine {
    let pair = |at: usize| [number(&point[at][0]), number(&point[at][1])];
    let (point, place) = E::g2(pair(0), pair(1));
    assert_eq!(place, Place::Group);
    point
}

/// The key in the bytes of arkworks, which the integration tests post.
#[test]
fn the_same_key_in_bytes() {
    let written = Bls12_381::vector("bound.vk.bin");
    assert_eq!(written, compressed(&ark::<Bls12_381>("bound").0));
}

/// An independent library reads the same.
#[test]
fn another_reader_of_snarkjs_files_agrees() {
    use taceo_circom_types::groth16 as circom;
    let key: circom::VerificationKey<Bn254> =
        serde_json::from_slice(&Bn254::vector("powers4.vk.json")).unwrap();
    let proof: circom::Proof<Bn254> =
        serde_json::from_slice(&Bn254::vector("powers4.proof.json")).unwrap();
    let (ours, made, _) = ark::<Bn254>("powers4");
    assert_eq!((ArkKey::from(key), ArkProof::from(proof)), (ours, made));
}

pub(crate) fn compressed(value: &impl CanonicalSerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.serialize_compressed(&mut bytes).unwrap();
    bytes
}

fn bytes_and_json_are_the_same<E: Vectors>() {
    for circuit in ["powers1", "powers16", "bound"] {
        let (ark_key, ark_proof, ark_inputs) = ark::<E>(circuit);
        let key = KeyOf::<E>::from_ark_bytes(&compressed(&ark_key)).unwrap();
        let proof = ProofOf::<E>::from_ark_bytes(&compressed(&ark_proof)).unwrap();
        let inputs = InputsOf::<E>::from_ark_bytes(&compressed(&ark_inputs)).unwrap();
        assert_eq!(verify(&key, &proof, &inputs), Ok(Validity::Valid));

        let files = Files::of::<E>(circuit, circuit);
        assert_eq!(KeyOf::<E>::from_snarkjs(&files.key).unwrap().hash(), key.hash());
        assert_eq!(ProofOf::<E>::from_snarkjs(&files.proof).unwrap(), proof);
        assert_eq!(InputsOf::<E>::from_snarkjs(&files.publics).unwrap(), inputs);
    }
}

fn a_batch_names_the_bad_ones<E: Vectors>() {
    let key = KeyOf::<E>::from_snarkjs(&E::vector("powers4.vk.json")).unwrap();
    let item = |name: &str| {
        let files = Files::of::<E>("powers4", name);
        let proof = ProofOf::<E>::from_snarkjs(&files.proof).unwrap();
        (proof, InputsOf::<E>::from_snarkjs(&files.publics).unwrap())
    };
    let (good, other) = (item("powers4"), item("powers4-other"));
    let mut items: Vec<_> =
        (0..9).map(|i| if i % 2 == 0 { &good } else { &other }.clone()).collect();
    assert_eq!(verify_batch(&key, &items), Ok(vec![Validity::Valid; 9]));
    assert_eq!(verify_batch(&key, &[]), Ok(vec![]));

    items[2] = item("tampered-negated-a");
    items[8] = item("tampered-input-plus-one");
    let singly: Vec<_> = items.iter().map(|(p, i)| verify(&key, p, i).unwrap()).collect();
    assert_eq!(singly.iter().filter(|v| **v == Validity::Valid).count(), 7);
    assert_eq!(verify_batch(&key, &items), Ok(singly));

    // Two errors that cancel in a plain sum: the statements are exchanged.
    let crossed = vec![(good.0.clone(), other.1.clone()), (other.0.clone(), good.1.clone())];
    let no = Validity::NotValid(NotValid::Equation);
    assert_eq!(verify_batch(&key, &crossed), Ok(vec![no, no]));

    let short = (good.0.clone(), InputsOf::<E>::from_snarkjs(b"[\"1\"]").unwrap());
    assert_eq!(
        verify_batch(&key, &[good, short]),
        Err(Malformed::InputCount { expected: 4, found: 1 })
    );
}

fn a_task_proof_must_carry_the_listing_s_inputs<E: Vectors>() {
    let files = Files::of::<E>("bound", "bound");
    let key = KeyOf::<E>::from_snarkjs(&files.key).unwrap();
    let check = |template: &[PublicInput]| {
        check_task_proof(&key, &files.proof, &files.publics, template, [1; 32], [2; 32])
    };
    let nine = PublicInput::Fixed("9".into());
    // The vector's binding is 77, which is nobody's.
    assert_ne!(binding_scalar([1; 32], [2; 32]), "77");
    assert_eq!(
        check(&[PublicInput::Binding, nine.clone()]),
        Ok(Validity::NotValid(NotValid::Binding { position: 0 }))
    );
    assert!(matches!(check(&[PublicInput::Free, nine.clone()]), Err(Malformed::Template { .. })));
    assert!(matches!(check(&[PublicInput::Binding]), Err(Malformed::Template { .. })));
    // A bad listing is not the worker's fault; a cut proof is.
    assert_eq!(check_listing(&key, &[PublicInput::Binding, nine.clone()]), Ok(()));
    let fault = check_listing(&key, &[nine.clone(), nine]).unwrap_err();
    assert_eq!(fault.fault(), Fault::Listing);
    let template = [PublicInput::Binding, PublicInput::Free];
    let cut = &files.proof[..100];
    let fault = check_task_proof(&key, cut, &files.publics, &template, [1; 32], [2; 32]);
    assert_eq!(fault.unwrap_err().fault(), Fault::Submission);
    let leading = PublicInput::Fixed("09".into());
    assert!(matches!(check(&[PublicInput::Binding, leading]), Err(Malformed::Template { .. })));
}

fn the_report_tells_three_answers_apart<E: Vectors>() {
    let good = Files::of::<E>("powers4", "powers4");
    let report = ProofReport::of_snarkjs(&good.key, &good.proof, &good.publics);
    assert_eq!(report.outcome.exit_code(), 0);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["outcome"], "valid");
    assert_eq!(json["public_inputs"].as_array().unwrap().len(), 4);

    let bad = Files::of::<E>("powers4", "tampered-negated-a");
    let report = ProofReport::of_snarkjs(&bad.key, &bad.proof, &bad.publics);
    assert_eq!(report.outcome.exit_code(), 1);

    // The key named as one over the other curve, where its numbers are no points, or none at all.
    let [named, other] = E::NAMED;
    let named = format!("\"curve\": \"{named}\"");
    let renamed = String::from_utf8(good.key).unwrap();
    let renamed = renamed.replace(&named, &format!("\"curve\": \"{other}\""));
    let report = ProofReport::of_snarkjs(renamed.as_bytes(), &good.proof, &good.publics);
    assert_eq!(report.outcome.exit_code(), 2);
    let ProofOutcome::Malformed { code, cause, cure } = report.outcome else { panic!() };
    assert_ne!(report.curve, E::NAME);
    assert!(["groth16.off_curve", "groth16.number"].contains(&code), "{code}: {cause}");
    assert!(!cure.is_empty());
}
