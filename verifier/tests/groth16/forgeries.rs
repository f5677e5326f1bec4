//! Keys and points made to deceive. Where ark alone would be fooled, the test shows that first.

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::Field as _;
use ark_groth16::{Groth16, Proof as ArkProof, VerifyingKey as ArkKey, prepare_verifying_key};
use fog_verifier::groth16::{InputsOf, KeyOf, Malformed, Part, ProofOf, Validity, verify};

use crate::vectors::{ark, compressed};
use crate::{Files, Vectors, over_both};

over_both!(
    ark_ignores_surplus_inputs_and_we_do_not,
    keys_that_let_anybody_prove_anything_are_refused,
    an_ic_point_at_infinity_would_free_its_input,
    identity_points_are_refused_in_every_place,
    g2_points_outside_the_subgroup_are_refused,
    a_rerandomised_proof_is_valid_so_proofs_identify_nothing,
    g1_points_outside_the_subgroup_are_refused,
);

fn ark_accepts<E: Vectors>(
    key: &ArkKey<E>,
    proof: &ArkProof<E>,
    inputs: &[E::ScalarField],
) -> bool {
    Groth16::<E>::verify_proof(&prepare_verifying_key(key), proof, inputs).unwrap()
}

fn key_fault<E: Vectors>(key: &ArkKey<E>) -> Malformed {
    KeyOf::<E>::from_ark_bytes(&compressed(key)).unwrap_err()
}

fn fr<E: Vectors>(number: u64) -> E::ScalarField {
    E::ScalarField::from(number)
}

fn ark_ignores_surplus_inputs_and_we_do_not<E: Vectors>() {
    let (ark_key, ark_proof, mut inputs) = ark::<E>("powers4");
    inputs.push(fr::<E>(1234));
    assert!(ark_accepts(&ark_key, &ark_proof, &inputs));

    let files = Files::of::<E>("powers4", "powers4");
    let key = KeyOf::<E>::from_snarkjs(&files.key).unwrap();
    let proof = ProofOf::<E>::from_snarkjs(&files.proof).unwrap();
    let longer = InputsOf::<E>::from_ark_bytes(&compressed(&inputs)).unwrap();
    let expected = Err(Malformed::InputCount { expected: 4, found: 5 });
    assert_eq!(verify(&key, &proof, &longer), expected);
    let shorter = InputsOf::<E>::from_ark_bytes(&compressed(&inputs[..3].to_vec())).unwrap();
    let expected = Err(Malformed::InputCount { expected: 4, found: 3 });
    assert_eq!(verify(&key, &proof, &shorter), expected);
}

fn keys_that_let_anybody_prove_anything_are_refused<E: Vectors>() {
    let (mut key, _, _) = ark::<E>("powers2");
    let inputs = [fr::<E>(666), fr::<E>(667)];
    let l =
        (key.gamma_abc_g1[0] + key.gamma_abc_g1[1] * inputs[0] + key.gamma_abc_g1[2] * inputs[1])
            .into_affine();
    let original = key.clone();

    // gamma = delta: C takes the statement away.
    key.delta_g2 = key.gamma_g2;
    let forged = ArkProof { a: key.alpha_g1, b: key.beta_g2, c: -l };
    assert!(ark_accepts(&key, &forged, &inputs));
    assert!(matches!(key_fault(&key), Malformed::DegenerateKey { .. }));

    // gamma = -delta: C adds it.
    key.delta_g2 = -key.gamma_g2;
    let forged = ArkProof { a: key.alpha_g1, b: key.beta_g2, c: l };
    assert!(ark_accepts(&key, &forged, &inputs));
    assert!(matches!(key_fault(&key), Malformed::DegenerateKey { .. }));

    // beta = gamma: A takes the statement; blinding hides that C was the identity.
    key = original.clone();
    key.beta_g2 = key.gamma_g2;
    let blind = fr::<E>(5);
    let a = (key.alpha_g1 + l).into_affine();
    let forged = ArkProof {
        a,
        b: (key.beta_g2 + key.delta_g2 * blind).into_affine(),
        c: (a * blind).into_affine(),
    };
    assert!(ark_accepts(&key, &forged, &inputs));
    assert!(matches!(key_fault(&key), Malformed::DegenerateKey { .. }));

    // beta = delta: C takes alpha.
    key = original;
    key.beta_g2 = key.delta_g2;
    let forged = ArkProof { a: l, b: key.gamma_g2, c: (-key.alpha_g1.into_group()).into_affine() };
    assert!(ark_accepts(&key, &forged, &inputs));
    assert!(matches!(key_fault(&key), Malformed::DegenerateKey { .. }));
}

fn an_ic_point_at_infinity_would_free_its_input<E: Vectors>() {
    let (mut key, _, _) = ark::<E>("powers2");
    key.gamma_abc_g1[2] = E::G1Affine::zero();
    assert_eq!(key_fault(&key), Malformed::Identity { part: Part::Key, at: "IC[2]".into() });
}

fn identity_points_are_refused_in_every_place<E: Vectors>() {
    let (key, proof, _) = ark::<E>("powers2");
    for change in [
        |k: &mut ArkKey<E>| k.alpha_g1 = E::G1Affine::zero(),
        |k: &mut ArkKey<E>| k.beta_g2 = E::G2Affine::zero(),
        |k: &mut ArkKey<E>| k.gamma_g2 = E::G2Affine::zero(),
        |k: &mut ArkKey<E>| k.delta_g2 = E::G2Affine::zero(),
        |k: &mut ArkKey<E>| k.gamma_abc_g1[0] = E::G1Affine::zero(),
    ] {
        let mut key = key.clone();
        change(&mut key);
        assert!(matches!(key_fault(&key), Malformed::Identity { part: Part::Key, .. }));
    }
    for change in [
        |p: &mut ArkProof<E>| p.a = E::G1Affine::zero(),
        |p: &mut ArkProof<E>| p.b = E::G2Affine::zero(),
        |p: &mut ArkProof<E>| p.c = E::G1Affine::zero(),
    ] {
        let mut proof = proof.clone();
        change(&mut proof);
        let fault = ProofOf::<E>::from_ark_bytes(&compressed(&proof)).unwrap_err();
        assert!(matches!(fault, Malformed::Identity { part: Part::Proof, .. }), "{fault}");
    }
    // As snarkjs writes it, and as (0, 0), which ark takes for the identity.
    let text = String::from_utf8(E::vector("powers2.proof.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["pi_a"] = serde_json::json!(["0", "1", "0"]);
    let fault = ProofOf::<E>::from_snarkjs(json.to_string().as_bytes()).unwrap_err();
    assert!(matches!(fault, Malformed::Identity { .. }));
    json["pi_a"] = serde_json::json!(["0", "0", "1"]);
    let fault = ProofOf::<E>::from_snarkjs(json.to_string().as_bytes()).unwrap_err();
    assert!(matches!(fault, Malformed::OffCurve { .. }));
}

fn g2_points_outside_the_subgroup_are_refused<E: Vectors>() {
    let point = E::stray_g2();
    let [x, y] = E::of_g2(&point).map(|pair| pair.map(|part| part.to_string()));
    let text = serde_json::json!([x, y, ["1", "0"]]);
    let mut json: serde_json::Value =
        serde_json::from_slice(&E::vector("powers2.proof.json")).unwrap();
    json["pi_b"] = text.clone();
    let fault = ProofOf::<E>::from_snarkjs(json.to_string().as_bytes()).unwrap_err();
    assert_eq!(fault, Malformed::OffSubgroup { part: Part::Proof, at: "pi_b".into() });
    for field in ["vk_beta_2", "vk_gamma_2", "vk_delta_2"] {
        let mut json: serde_json::Value =
            serde_json::from_slice(&E::vector("powers2.vk.json")).unwrap();
        json[field] = text.clone();
        let fault = KeyOf::<E>::from_snarkjs(json.to_string().as_bytes()).unwrap_err();
        assert_eq!(fault, Malformed::OffSubgroup { part: Part::Key, at: field.into() });
    }
    let (mut key, mut proof, _) = ark::<E>("powers2");
    proof.b = point;
    assert!(ProofOf::<E>::from_ark_bytes(&compressed(&proof)).is_err());
    key.beta_g2 = point;
    assert!(KeyOf::<E>::from_ark_bytes(&compressed(&key)).is_err());
}

fn a_rerandomised_proof_is_valid_so_proofs_identify_nothing<E: Vectors>() {
    let (key, proof, inputs) = ark::<E>("powers2");
    let (t, r) = (fr::<E>(7), fr::<E>(11));
    let inverse = t.inverse().unwrap();
    let a = (proof.a * inverse).into_affine();
    let other = ArkProof {
        a,
        b: (proof.b * t + key.delta_g2 * (t * r)).into_affine(),
        c: (proof.c + proof.a * r).into_affine(),
    };
    assert_ne!(other, proof);
    let key = KeyOf::<E>::from_ark_bytes(&compressed(&key)).unwrap();
    let other = ProofOf::<E>::from_ark_bytes(&compressed(&other)).unwrap();
    let inputs = InputsOf::<E>::from_ark_bytes(&compressed(&inputs)).unwrap();
    assert_eq!(verify(&key, &other, &inputs), Ok(Validity::Valid));
}

fn g1_points_outside_the_subgroup_are_refused<E: Vectors>() {
    let Some(point) = E::stray_g1() else {
        // Every point of the curve is in the group.
        assert_eq!(E::NAME, "bn254");
        return;
    };
    let [x, y] = E::of_g1(&point).map(|number| number.to_string());
    let text = serde_json::json!([x, y, "1"]);
    let files = Files::of::<E>("powers2", "powers2");
    let bent = |file: &[u8], at: &str| {
        let mut json: serde_json::Value = serde_json::from_slice(file).unwrap();
        *json.pointer_mut(at).unwrap() = text.clone();
        json.to_string().into_bytes()
    };
    for at in ["/pi_a", "/pi_c"] {
        let fault = ProofOf::<E>::from_snarkjs(&bent(&files.proof, at)).unwrap_err();
        assert!(matches!(fault, Malformed::OffSubgroup { part: Part::Proof, .. }), "{at}: {fault}");
    }
    for at in ["/vk_alpha_1", "/IC/0", "/IC/2"] {
        let fault = KeyOf::<E>::from_snarkjs(&bent(&files.key, at)).unwrap_err();
        assert!(matches!(fault, Malformed::OffSubgroup { part: Part::Key, .. }), "{at}: {fault}");
    }
    let (key, proof, _) = ark::<E>("powers2");
    for bent in [ArkProof { a: point, ..proof.clone() }, ArkProof { c: point, ..proof.clone() }] {
        assert!(ProofOf::<E>::from_ark_bytes(&compressed(&bent)).is_err());
    }
    let mut ic = key.clone();
    ic.gamma_abc_g1[1] = point;
    for bent in [ArkKey { alpha_g1: point, ..key.clone() }, ic] {
        assert!(KeyOf::<E>::from_ark_bytes(&compressed(&bent)).is_err());
    }
}
