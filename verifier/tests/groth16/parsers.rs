//! Parsers of outside bytes never panic, and stay within their bounds.

use std::time::Instant;

use ark_bls12_381::Bls12_381;
use ark_bn254::Bn254;
use fog_verifier::groth16::{
    InputsOf, KeyOf, MAX_KEY_BYTES, MAX_PROOF_BYTES, MAX_PUBLIC_INPUTS, MAX_PUBLICS_BYTES,
    Malformed, Part, ProofOf, ProveError, ProveLimits, prove, verify,
};
use proptest::prelude::*;

use crate::vectors::compressed;
use crate::{Files, Vectors, over_both};

over_both!(
    sizes_are_checked_before_parsing,
    deep_json_does_not_exhaust_the_stack,
    too_many_inputs_are_refused,
    the_largest_statement_is_bounded,
);

fn read_everything<E: Vectors>(bytes: &[u8]) {
    let _ = KeyOf::<E>::from_snarkjs(bytes);
    let _ = KeyOf::<E>::from_ark_bytes(bytes);
    let _ = ProofOf::<E>::from_snarkjs(bytes);
    let _ = ProofOf::<E>::from_ark_bytes(bytes);
    let _ = InputsOf::<E>::from_snarkjs(bytes);
    let _ = InputsOf::<E>::from_ark_bytes(bytes);
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        read_everything::<Bn254>(&bytes);
        read_everything::<Bls12_381>(&bytes);
    }

    #[test]
    fn any_json_like_text(text in r#"[\[\]{}",:a-z0-9_ .-]{0,200}"#) {
        read_everything::<Bn254>(text.as_bytes());
        read_everything::<Bls12_381>(text.as_bytes());
    }

    #[test]
    fn any_numbers_in_the_right_shape(
        numbers in proptest::collection::vec("[0-9]{0,116}", 8),
        z in "[01]{0,2}",
    ) {
        let n = &numbers;
        let proof = serde_json::json!({
            "pi_a": [n[0], n[1], z], "pi_b": [[n[2], n[3]], [n[4], n[5]], [z, "0"]],
            "pi_c": [n[6], n[7], z], "protocol": "groth16",
        });
        prop_assert!(ProofOf::<Bn254>::from_snarkjs(proof.to_string().as_bytes()).is_err());
        prop_assert!(ProofOf::<Bls12_381>::from_snarkjs(proof.to_string().as_bytes()).is_err());
        let numbers = serde_json::json!(numbers).to_string();
        let _ = InputsOf::<Bn254>::from_snarkjs(numbers.as_bytes());
        let _ = InputsOf::<Bls12_381>::from_snarkjs(numbers.as_bytes());
    }

    #[test]
    fn any_changed_zkey(
        at in proptest::collection::vec((0_usize..5200, any::<u8>()), 1..4),
        cut in 0_usize..5200,
        truncate in any::<bool>(),
        bls in any::<bool>(),
    ) {
        let name = "bound.zkey";
        let mut zkey = if bls { Bls12_381::vector(name) } else { Bn254::vector(name) };
        for (at, byte) in at {
            let at = at % zkey.len();
            zkey[at] = byte;
        }
        if truncate {
            zkey.truncate(cut);
        }
        // The empty module is refused after the zkey is read.
        let result = prove(&zkey, b"", "{}", "1", &[0; 32], &ProveLimits::default());
        prop_assert!(matches!(result, Err(ProveError::Zkey(_) | ProveError::Module(_))));
    }
}

fn sizes_are_checked_before_parsing<E: Vectors>() {
    let cap = |fault: Result<(), Malformed>| match fault {
        Err(Malformed::Size { cap, .. }) => cap,
        other => panic!("{other:?}"),
    };
    let spaces = vec![b' '; MAX_KEY_BYTES + 1];
    assert_eq!(cap(KeyOf::<E>::from_snarkjs(&spaces).map(drop)), MAX_KEY_BYTES);
    assert_eq!(cap(ProofOf::<E>::from_snarkjs(&spaces).map(drop)), MAX_PROOF_BYTES);
    assert_eq!(cap(InputsOf::<E>::from_snarkjs(&spaces).map(drop)), MAX_PUBLICS_BYTES);
}

/// The one field we skip may hold anything; skipping it must not use the stack.
fn deep_json_does_not_exhaust_the_stack<E: Vectors>() {
    let text = String::from_utf8(E::vector("powers1.vk.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json.as_object_mut().unwrap().remove("vk_alphabeta_12");
    let depth = 1_500_000;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = open.repeat(depth / open.len()) + "1" + &close.repeat(depth / open.len());
        let key = json.to_string().replacen('{', &format!("{{\"vk_alphabeta_12\":{deep},"), 1);
        assert!(key.len() < MAX_KEY_BYTES);
        assert!(KeyOf::<E>::from_snarkjs(key.as_bytes()).is_ok());
        let publics = open.repeat(100_000);
        assert!(InputsOf::<E>::from_snarkjs(publics.as_bytes()).is_err());
    }
}

fn too_many_inputs_are_refused<E: Vectors>() {
    let inputs = serde_json::Value::from(vec!["1"; MAX_PUBLIC_INPUTS + 1]).to_string();
    let refused = InputsOf::<E>::from_snarkjs(inputs.as_bytes());
    assert_eq!(
        refused,
        Err(Malformed::TooManyInputs { part: Part::Publics, found: MAX_PUBLIC_INPUTS + 1 })
    );
    let count = (u64::MAX).to_le_bytes();
    assert!(InputsOf::<E>::from_ark_bytes(&count).is_err());
    let mut key: serde_json::Value = serde_json::from_slice(&E::vector("powers1.vk.json")).unwrap();
    key["nPublic"] = 5000.into();
    let refused = KeyOf::<E>::from_snarkjs(key.to_string().as_bytes()).map(drop);
    assert_eq!(refused, Err(Malformed::TooManyInputs { part: Part::Key, found: 5000 }));
    key["nPublic"] = 2.into();
    let refused = KeyOf::<E>::from_snarkjs(key.to_string().as_bytes()).map(drop);
    assert_eq!(refused, Err(Malformed::IcCount { declared: 2, points: 2 }));
}

/// The largest key and statement within the caps: decoding and verifying stay far below a second
/// when optimised (the figure is printed). The bound here also holds for a test build.
fn the_largest_statement_is_bounded<E: Vectors>() {
    let mut json: serde_json::Value =
        serde_json::from_slice(&E::vector("powers16.vk.json")).unwrap();
    let point = json["IC"][3].clone();
    json["IC"] = vec![point; MAX_PUBLIC_INPUTS + 1].into();
    json["nPublic"] = MAX_PUBLIC_INPUTS.into();
    let key_json = json.to_string();
    let r_minus_one = (-E::ScalarField::from(1_u64)).to_string();
    let publics = serde_json::Value::from(vec![r_minus_one; MAX_PUBLIC_INPUTS]).to_string();
    let proof = Files::of::<E>("powers16", "powers16").proof;

    let started = Instant::now();
    let key = KeyOf::<E>::from_snarkjs(key_json.as_bytes()).unwrap();
    let key_time = started.elapsed();
    let inputs = InputsOf::<E>::from_snarkjs(publics.as_bytes()).unwrap();
    let proof = ProofOf::<E>::from_snarkjs(&proof).unwrap();
    assert!(matches!(
        verify(&key, &proof, &inputs),
        Ok(fog_verifier::groth16::Validity::NotValid(_))
    ));
    let all = started.elapsed();
    let bytes = compressed(&vec![E::ScalarField::from(3_u64); MAX_PUBLIC_INPUTS]);
    assert_eq!(InputsOf::<E>::from_ark_bytes(&bytes).unwrap().len(), MAX_PUBLIC_INPUTS);
    let line = format!("{MAX_PUBLIC_INPUTS} inputs: key {key_time:?}, with verify {all:?}\n");
    std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
    assert!(all.as_secs() < 20, "{line}");
}
