//! Keys and proofs over BLS12-381, as arkworks and snarkjs write them.

use ark_bls12_381::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ff::{BigInteger as _, PrimeField as _};
use ark_serialize::CanonicalDeserialize as _;
use fog_protocol::Curve;
use fog_verifier::groth16::{
    InputsOf, NotValid, ProofOf, ProofOutcome, ProofReport, Validity, check_contract_key,
    check_contract_proof, curve_of_files, verify, verify_batch,
};
use num_bigint::BigUint;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::secrets::{Secrets, g1, g2, scalar, secrets};

fn x() -> Fr {
    scalar("a statement")
}

/// arkworks' bytes of key, proof and public inputs.
fn files(by: &Secrets) -> [Vec<u8>; 3] {
    [by.key().to_ark_bytes(), by.prove(x(), "first").to_ark_bytes(), list(&[x()])]
}

fn list(inputs: &[Fr]) -> Vec<u8> {
    let mut bytes = (inputs.len() as u64).to_le_bytes().to_vec();
    for input in inputs {
        bytes.extend(input.into_bigint().to_bytes_le());
    }
    bytes
}

fn report([key, proof, publics]: &[Vec<u8>; 3]) -> ProofReport {
    ProofReport::of_files(curve_of_files(key, proof), key, proof, publics)
}

fn code(files: &[Vec<u8>; 3]) -> String {
    match report(files).outcome {
        ProofOutcome::Valid => "valid".to_owned(),
        ProofOutcome::NotValid { .. } => "not valid".to_owned(),
        ProofOutcome::Malformed { code, cure, .. } => {
            assert!(!cure.is_empty());
            code.to_owned()
        }
    }
}

fn g1_json(bytes: &[u8]) -> Value {
    let point = G1Affine::deserialize_compressed(bytes).unwrap();
    json!([point.x.to_string(), point.y.to_string(), "1"])
}

fn g2_json(bytes: &[u8]) -> Value {
    let point = G2Affine::deserialize_compressed(bytes).unwrap();
    let pair = |number: Fq2| json!([number.c0.to_string(), number.c1.to_string()]);
    json!([pair(point.x), pair(point.y), ["1", "0"]])
}

/// The same three as snarkjs writes them.
fn documents(by: &Secrets) -> [Value; 3] {
    let (key, proof) = (by.key(), by.prove(x(), "first"));
    let head = |mut value: Value| {
        value["protocol"] = json!("groth16");
        value["curve"] = json!("bls12381");
        value
    };
    [
        head(json!({
            "nPublic": 1,
            "vk_alpha_1": g1_json(&key.alpha),
            "vk_beta_2": g2_json(&key.beta),
            "vk_gamma_2": g2_json(&key.gamma),
            "vk_delta_2": g2_json(&key.delta),
            "IC": [g1_json(&key.ic[0]), g1_json(&key.ic[1])],
        })),
        head(json!({
            "pi_a": g1_json(&proof.a),
            "pi_b": g2_json(&proof.b),
            "pi_c": g1_json(&proof.c),
        })),
        json!([x().to_string()]),
    ]
}

fn text(documents: &[Value; 3]) -> [Vec<u8>; 3] {
    [0, 1, 2].map(|i| documents[i].to_string().into_bytes())
}

#[test]
fn both_forms_are_read_and_mixed() {
    let (bytes, texts) = (files(&secrets()), text(&documents(&secrets())));
    for mixed in 0..8 {
        let files =
            [0, 1, 2].map(|i| if mixed >> i & 1 == 1 { &bytes[i] } else { &texts[i] }.clone());
        let report = report(&files);
        assert_eq!(report.outcome, ProofOutcome::Valid, "{mixed:b}");
        assert_eq!((report.curve, report.public_inputs.unwrap().len()), ("bls12-381", 1));
    }
    let other = files(&Secrets::of("another circuit's"));
    assert_eq!(code(&[bytes[0].clone(), other[1].clone(), bytes[2].clone()]), "not valid");
    let wrong = list(&[x() + Fr::from(1_u8)]);
    assert_eq!(code(&[bytes[0].clone(), bytes[1].clone(), wrong]), "not valid");
}

#[test]
fn what_a_contract_will_check_is_checked_before() {
    let [key, proof, _] = files(&secrets());
    let key = check_contract_key(&key).unwrap();
    let binding: [u8; 32] = x().into_bigint().to_bytes_be().try_into().unwrap();
    assert_eq!(check_contract_proof(&key, &proof, &binding), Ok(Validity::Valid));
    let mut other = binding;
    other[31] ^= 1;
    assert!(matches!(check_contract_proof(&key, &proof, &other), Ok(Validity::NotValid(_))));
    // x + r is the same number, in a form that is refused.
    let aliased = BigUint::from_bytes_be(&binding) + BigUint::from(Fr::MODULUS);
    let aliased = aliased.to_bytes_be();
    if let Ok(aliased) = <[u8; 32]>::try_from(aliased) {
        assert!(check_contract_proof(&key, &proof, &aliased).is_err());
    }
    let two = documents(&secrets());
    let mut more = two[0].clone();
    more["IC"].as_array_mut().unwrap().push(g1_json(&g1(scalar("a third point"))));
    more["nPublic"] = json!(2);
    assert_eq!(
        code(&[more.to_string().into_bytes(), files(&secrets())[1].clone(), list(&[x()])]),
        "groth16.input_count"
    );
}

/// A real proof, made by a circuit's prover.
#[test]
fn a_provers_proof_holds() {
    let key = include_bytes!("../../../circuits/keys/score.local.vk");
    let proof = include_bytes!("../../../circuits/tests/data/score.proof");
    let key = check_contract_key(key).unwrap();
    assert!(matches!(check_contract_proof(&key, proof, &[1; 32]), Ok(Validity::NotValid(_))));
}

/// What somebody does to the three documents.
type Bend<'a> = &'a dyn Fn(&mut [Value; 3]);

#[test]
fn every_bent_document_is_refused() {
    let good = documents(&secrets());
    let modulus = BigUint::from(Fq::MODULUS);
    let order = BigUint::from(Fr::MODULUS);
    let infinity = json!(["0", "1", "0"]);
    let off = json!(["1", "1", "1"]);
    let beyond = json!([modulus.to_string(), "1", "1"]);
    let outside = |from: u64| {
        let point = (from..).find_map(|i| G1Affine::get_point_from_x_unchecked(Fq::from(i), false));
        let point = point.unwrap();
        assert!(!point.is_in_correct_subgroup_assuming_on_curve());
        json!([point.x.to_string(), point.y.to_string(), "1"])
    };
    for (point, expected) in [
        (infinity, "groth16.identity"),
        (off, "groth16.off_curve"),
        (beyond, "groth16.number"),
        (outside(1), "groth16.off_subgroup"),
    ] {
        for (document, field) in [(0, "vk_alpha_1"), (1, "pi_a"), (1, "pi_c")] {
            let mut bent = good.clone();
            bent[document][field] = point.clone();
            assert_eq!(code(&text(&bent)), expected, "{field}");
        }
    }
    let cases: [(&str, Bend<'_>); 6] = [
        ("groth16.degenerate_key", &|all| all[0]["vk_delta_2"] = all[0]["vk_gamma_2"].clone()),
        ("groth16.number", &|all| {
            all[2] = json!([(BigUint::from(x().into_bigint()) + &order).to_string()]);
        }),
        ("groth16.input_count", &|all| all[2] = json!([x().to_string(), "1"])),
        ("groth16.input_count", &|all| all[2] = json!([])),
        ("groth16.curve", &|all| all[1]["curve"] = json!("bn128")),
        ("groth16.ic_count", &|all| all[0]["nPublic"] = json!(2)),
    ];
    for (expected, bend) in cases {
        let mut bent = good.clone();
        bend(&mut bent);
        assert_eq!(code(&text(&bent)), expected);
    }
}

#[test]
fn degenerate_and_damaged_bytes_are_refused() {
    let good = secrets();
    let key = good.key();
    let infinity_1 = {
        let mut p = [0; 48];
        p[0] = 0xc0;
        p
    };
    let infinity_2 = {
        let mut p = [0; 96];
        p[0] = 0xc0;
        p
    };
    for (bent, expected) in [
        (fog_contracts::proof::VerifyingKey { alpha: infinity_1, ..key }, "groth16.identity"),
        (fog_contracts::proof::VerifyingKey { gamma: infinity_2, ..key }, "groth16.identity"),
        (
            fog_contracts::proof::VerifyingKey { ic: [key.ic[0], infinity_1], ..key },
            "groth16.identity",
        ),
        (fog_contracts::proof::VerifyingKey { delta: key.gamma, ..key }, "groth16.degenerate_key"),
        (
            fog_contracts::proof::VerifyingKey { delta: g2(-good.gamma), ..key },
            "groth16.degenerate_key",
        ),
        (fog_contracts::proof::VerifyingKey { beta: key.delta, ..key }, "groth16.degenerate_key"),
    ] {
        let [_, proof, publics] = files(&good);
        assert_eq!(code(&[bent.to_ark_bytes(), proof, publics]), expected);
    }
    let [key, proof, publics] = files(&good);
    for cut in [1, 47, 48, 100] {
        let files = [key.clone(), proof[..proof.len() - cut].to_vec(), publics.clone()];
        let outcome = ProofReport::of_files(Curve::Bls12381, &files[0], &files[1], &files[2]);
        assert_eq!(outcome.outcome.exit_code(), 2);
    }
    let mut longer = publics.clone();
    longer.push(0);
    assert_eq!(code(&[key, proof, longer]), "groth16.bytes");
}

proptest! {
    /// Any one byte changed, in any of the three: nothing panics, and nothing but the original is
    /// valid.
    #[test]
    fn no_mutation_is_accepted(file in 0_usize..3, at in any::<prop::sample::Index>(), by in 1_u8..) {
        let mut files = files(&secrets());
        let place = at.index(files[file].len());
        files[file][place] ^= by;
        prop_assert_ne!(code(&files), "valid");
    }
}

#[test]
fn a_batch_names_the_bad_ones() {
    let by = secrets();
    let key = check_contract_key(&by.key().to_ark_bytes()).unwrap();
    let item = |proven: Fr, claimed: Fr, salt: &str| {
        let proof = ProofOf::from_ark_bytes(&by.prove(proven, salt).to_ark_bytes()).unwrap();
        (proof, InputsOf::from_ark_bytes(&list(&[claimed])).unwrap())
    };
    let other = scalar("another statement");
    let mut items: Vec<_> = (0..9).map(|at| item(x(), x(), &format!("proof {at}"))).collect();
    assert_eq!(verify_batch(&key, &items), Ok(vec![Validity::Valid; 9]));
    items[4] = item(x(), other, "of another statement");
    items[8] = item(other, other, "of another statement, truly");
    items[7].0 = items[8].0.clone();
    let singly: Vec<_> = items.iter().map(|(p, i)| verify(&key, p, i).unwrap()).collect();
    let no = Validity::NotValid(NotValid::Equation);
    assert_eq!([singly[4], singly[7], singly[8]], [no, no, Validity::Valid]);
    assert_eq!(verify_batch(&key, &items), Ok(singly));

    // Two errors that cancel in a plain sum: the statements are exchanged.
    let crossed = vec![item(x(), other, "first"), item(other, x(), "second")];
    assert_eq!(verify_batch(&key, &crossed), Ok(vec![no, no]));
}
