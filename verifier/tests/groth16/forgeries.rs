//! Keys and points made to deceive. Where ark alone would be fooled, the test shows that first.

use ark_bn254::{Bn254, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::UniformRand;
use ark_groth16::{Groth16, Proof as ArkProof, VerifyingKey as ArkKey, prepare_verifying_key};
use fog_verifier::groth16::{Malformed, Part, Proof, PublicInputs, Validity, VerifyingKey, verify};

use crate::vectors::{ark, compressed};
use crate::{Files, vector};

fn ark_accepts(key: &ArkKey<Bn254>, proof: &ArkProof<Bn254>, inputs: &[Fr]) -> bool {
    Groth16::<Bn254>::verify_proof(&prepare_verifying_key(key), proof, inputs).unwrap()
}

fn key_fault(key: &ArkKey<Bn254>) -> Malformed {
    VerifyingKey::from_ark_bytes(&compressed(key)).unwrap_err()
}

#[test]
fn ark_ignores_surplus_inputs_and_we_do_not() {
    let (ark_key, ark_proof, mut inputs) = ark("powers4");
    inputs.push(Fr::from(1234));
    assert!(ark_accepts(&ark_key, &ark_proof, &inputs));

    let files = Files::of("powers4", "powers4");
    let key = VerifyingKey::from_snarkjs(&files.key).unwrap();
    let proof = Proof::from_snarkjs(&files.proof).unwrap();
    let longer = PublicInputs::from_ark_bytes(&compressed(&inputs)).unwrap();
    let expected = Err(Malformed::InputCount { expected: 4, found: 5 });
    assert_eq!(verify(&key, &proof, &longer), expected);
    let shorter = PublicInputs::from_ark_bytes(&compressed(&inputs[..3].to_vec())).unwrap();
    let expected = Err(Malformed::InputCount { expected: 4, found: 3 });
    assert_eq!(verify(&key, &proof, &shorter), expected);
}

#[test]
fn keys_that_let_anybody_prove_anything_are_refused() {
    let (mut key, _, _) = ark("powers2");
    let inputs = [Fr::from(666), Fr::from(667)];
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
    let blind = Fr::from(5);
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

#[test]
fn an_ic_point_at_infinity_would_free_its_input() {
    let (mut key, _, _) = ark("powers2");
    key.gamma_abc_g1[2] = G1Affine::zero();
    assert_eq!(key_fault(&key), Malformed::Identity { part: Part::Key, at: "IC[2]".into() });
}

#[test]
fn identity_points_are_refused_in_every_place() {
    let (key, proof, _) = ark("powers2");
    for change in [
        |k: &mut ArkKey<Bn254>| k.alpha_g1 = G1Affine::zero(),
        |k: &mut ArkKey<Bn254>| k.beta_g2 = G2Affine::zero(),
        |k: &mut ArkKey<Bn254>| k.gamma_g2 = G2Affine::zero(),
        |k: &mut ArkKey<Bn254>| k.delta_g2 = G2Affine::zero(),
        |k: &mut ArkKey<Bn254>| k.gamma_abc_g1[0] = G1Affine::zero(),
    ] {
        let mut key = key.clone();
        change(&mut key);
        assert!(matches!(key_fault(&key), Malformed::Identity { part: Part::Key, .. }));
    }
    for change in [
        |p: &mut ArkProof<Bn254>| p.a = G1Affine::zero(),
        |p: &mut ArkProof<Bn254>| p.b = G2Affine::zero(),
        |p: &mut ArkProof<Bn254>| p.c = G1Affine::zero(),
    ] {
        let mut proof = proof.clone();
        change(&mut proof);
        let fault = Proof::from_ark_bytes(&compressed(&proof)).unwrap_err();
        assert!(matches!(fault, Malformed::Identity { part: Part::Proof, .. }), "{fault}");
    }
    // As snarkjs writes it, and as (0, 0), which ark takes for the identity.
    let text = String::from_utf8(vector("powers2.proof.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["pi_a"] = serde_json::json!(["0", "1", "0"]);
    let fault = Proof::from_snarkjs(json.to_string().as_bytes()).unwrap_err();
    assert!(matches!(fault, Malformed::Identity { .. }));
    json["pi_a"] = serde_json::json!(["0", "0", "1"]);
    let fault = Proof::from_snarkjs(json.to_string().as_bytes()).unwrap_err();
    assert!(matches!(fault, Malformed::OffCurve { .. }));
}

/// On the twist, outside the subgroup: a random point is, except with negligible probability.
fn stray() -> G2Affine {
    let mut rng = ark_std::test_rng();
    loop {
        let x = Fq2::rand(&mut rng);
        if let Some(point) = G2Affine::get_point_from_x_unchecked(x, false) {
            assert!(point.is_on_curve() && !point.is_in_correct_subgroup_assuming_on_curve());
            return point;
        }
    }
}

#[test]
fn g2_points_outside_the_subgroup_are_refused() {
    let point = stray();
    let text = serde_json::json!([
        [point.x.c0.to_string(), point.x.c1.to_string()],
        [point.y.c0.to_string(), point.y.c1.to_string()],
        ["1", "0"]
    ]);
    let mut json: serde_json::Value =
        serde_json::from_slice(&vector("powers2.proof.json")).unwrap();
    json["pi_b"] = text.clone();
    let fault = Proof::from_snarkjs(json.to_string().as_bytes()).unwrap_err();
    assert_eq!(fault, Malformed::OffSubgroup { part: Part::Proof, at: "pi_b".into() });
    for field in ["vk_beta_2", "vk_gamma_2", "vk_delta_2"] {
        let mut json: serde_json::Value =
            serde_json::from_slice(&vector("powers2.vk.json")).unwrap();
        json[field] = text.clone();
        let fault = VerifyingKey::from_snarkjs(json.to_string().as_bytes()).unwrap_err();
        assert_eq!(fault, Malformed::OffSubgroup { part: Part::Key, at: field.into() });
    }
    let (mut key, mut proof, _) = ark("powers2");
    proof.b = point;
    assert!(Proof::from_ark_bytes(&compressed(&proof)).is_err());
    key.beta_g2 = point;
    assert!(VerifyingKey::from_ark_bytes(&compressed(&key)).is_err());
}

#[test]
fn a_rerandomised_proof_is_valid_so_proofs_identify_nothing() {
    let (key, proof, inputs) = ark("powers2");
    let (t, r) = (Fr::from(7), Fr::from(11));
    let inverse = ark_ff::Field::inverse(&t).unwrap();
    let a = (proof.a * inverse).into_affine();
    let other = ArkProof {
        a,
        b: (proof.b * t + key.delta_g2 * (t * r)).into_affine(),
        c: (proof.c + proof.a * r).into_affine(),
    };
    assert_ne!(other, proof);
    let key = VerifyingKey::from_ark_bytes(&compressed(&key)).unwrap();
    let other = Proof::from_ark_bytes(&compressed(&other)).unwrap();
    let inputs = PublicInputs::from_ark_bytes(&compressed(&inputs)).unwrap();
    assert_eq!(verify(&key, &other, &inputs), Ok(Validity::Valid));
}
