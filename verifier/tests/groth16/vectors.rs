//! What snarkjs accepts we accept; what it rejects we reject; JSON and bytes agree.

use ark_bn254::Bn254;
use ark_serialize::CanonicalSerialize;
use fog_protocol::PublicInput;
use fog_verifier::groth16::{
    Fault, Malformed, NotValid, Proof, ProofOutcome, ProofReport, PublicInputs, Validity,
    VerifyingKey, binding_scalar, check_listing, check_task_proof, verify, verify_batch,
};

use crate::{Files, vector};

const VALID: [(&str, &str); 7] = [
    ("powers1", "powers1"),
    ("powers2", "powers2"),
    ("powers4", "powers4"),
    ("powers4", "powers4-other"),
    ("powers16", "powers16"),
    ("preimage", "preimage"),
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

#[test]
fn snarkjs_proofs_are_valid() {
    for (circuit, statement) in VALID {
        let files = Files::of(circuit, statement);
        assert_eq!(files.check(), Ok(Validity::Valid), "{statement}");
    }
}

#[test]
fn tampered_proofs_are_not_valid() {
    for name in TAMPERED {
        let checked = Files::of("powers4", name).check();
        assert_eq!(checked, Ok(Validity::NotValid(NotValid::Equation)), "{name}");
    }
}

#[test]
fn written_files_read_back() {
    let files = Files::of("powers4", "powers4");
    let proof = Proof::from_snarkjs(&files.proof).unwrap();
    assert_eq!(Proof::from_snarkjs(proof.to_snarkjs().as_bytes()).unwrap(), proof);
    let publics = PublicInputs::from_snarkjs(&files.publics).unwrap();
    assert_eq!(PublicInputs::from_snarkjs(publics.to_snarkjs().as_bytes()).unwrap(), publics);
    let written: serde_json::Value = serde_json::from_str(&proof.to_snarkjs()).unwrap();
    let original: serde_json::Value = serde_json::from_slice(&files.proof).unwrap();
    assert_eq!(written, original);
}

/// The vector as ark's own types, read by an independent library.
pub(crate) fn ark(
    circuit: &str,
) -> (ark_groth16::VerifyingKey<Bn254>, ark_groth16::Proof<Bn254>, Vec<ark_bn254::Fr>) {
    use taceo_circom_types::groth16 as circom;
    let key: circom::VerificationKey<Bn254> =
        serde_json::from_slice(&vector(&format!("{circuit}.vk.json"))).unwrap();
    let proof: circom::Proof<Bn254> =
        serde_json::from_slice(&vector(&format!("{circuit}.proof.json"))).unwrap();
    let texts: Vec<String> =
        serde_json::from_slice(&vector(&format!("{circuit}.public.json"))).unwrap();
    let inputs = texts.iter().map(|text| text.parse().unwrap()).collect();
    (key.into(), proof.into(), inputs)
}

pub(crate) fn compressed(value: &impl CanonicalSerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.serialize_compressed(&mut bytes).unwrap();
    bytes
}

#[test]
fn bytes_and_json_are_the_same() {
    for circuit in ["powers1", "powers16", "preimage"] {
        let (ark_key, ark_proof, ark_inputs) = ark(circuit);
        let key = VerifyingKey::from_ark_bytes(&compressed(&ark_key)).unwrap();
        let proof = Proof::from_ark_bytes(&compressed(&ark_proof)).unwrap();
        let inputs = PublicInputs::from_ark_bytes(&compressed(&ark_inputs)).unwrap();
        assert_eq!(verify(&key, &proof, &inputs), Ok(Validity::Valid));

        let files = Files::of(circuit, circuit);
        assert_eq!(VerifyingKey::from_snarkjs(&files.key).unwrap().hash(), key.hash());
        assert_eq!(Proof::from_snarkjs(&files.proof).unwrap(), proof);
        assert_eq!(PublicInputs::from_snarkjs(&files.publics).unwrap(), inputs);
    }
}

#[test]
fn a_batch_names_the_bad_ones() {
    let key = VerifyingKey::from_snarkjs(&vector("powers4.vk.json")).unwrap();
    let item = |name: &str| {
        let files = Files::of("powers4", name);
        let proof = Proof::from_snarkjs(&files.proof).unwrap();
        (proof, PublicInputs::from_snarkjs(&files.publics).unwrap())
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

    let short = (good.0.clone(), PublicInputs::from_snarkjs(b"[\"1\"]").unwrap());
    assert_eq!(
        verify_batch(&key, &[good, short]),
        Err(Malformed::InputCount { expected: 4, found: 1 })
    );
}

#[test]
fn a_task_proof_must_carry_the_listing_s_inputs() {
    let files = Files::of("bound", "bound");
    let key = VerifyingKey::from_snarkjs(&files.key).unwrap();
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

#[test]
fn the_report_tells_three_answers_apart() {
    let good = Files::of("powers4", "powers4");
    let report = ProofReport::of_snarkjs(&good.key, &good.proof, &good.publics);
    assert_eq!(report.outcome.exit_code(), 0);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["outcome"], "valid");
    assert_eq!(json["public_inputs"].as_array().unwrap().len(), 4);

    let bad = Files::of("powers4", "tampered-negated-a");
    let report = ProofReport::of_snarkjs(&bad.key, &bad.proof, &bad.publics);
    assert_eq!(report.outcome.exit_code(), 1);

    let bls = String::from_utf8(good.key).unwrap().replace("bn128", "bls12381");
    let report = ProofReport::of_snarkjs(bls.as_bytes(), &good.proof, &good.publics);
    assert_eq!(report.outcome.exit_code(), 2);
    let ProofOutcome::Malformed { code, cause, cure } = report.outcome else { panic!() };
    // The key is now read as one of BLS12-381, where its numbers are no points.
    assert_eq!(report.curve, "bls12-381");
    assert_eq!(code, "groth16.off_curve");
    assert!(cause.contains("not on the curve"), "{cause}");
    assert!(!cure.is_empty());
}
