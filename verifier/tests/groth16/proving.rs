//! From `input.json` to a proof that verifies, and every way that must fail.

use ark_bls12_381::{Bls12_381, Fq, Fr, G1Affine, G1Projective};
use ark_bn254::Bn254;
use ark_ec::CurveGroup as _;
use ark_ff::{BigInt, BitIteratorBE, PrimeField as _, Zero as _};
use ark_groth16::Groth16;
use fog_protocol::PublicInput;
use fog_verifier::groth16::{
    InputsOf, KeyOf, Malformed, NotValid, ProofOf, ProveError, ProveLimits, Proved, Validity,
    VerifyingKey, binding_scalar, check_task_proof, prove, verify,
};

use crate::vectors::{ark, compressed};
use crate::{Dice, Files, Vectors, over_both, shipped};

over_both!(
    the_same_arguments_give_the_same_proof_and_fuel,
    wrong_inputs_are_explained,
    limits_hold,
    hostile_modules_end_in_errors,
    changed_modules_and_keys_never_panic_or_lie,
);

const TASK: [u8; 32] = [3; 32];
const WORKER: [u8; 32] = [4; 32];

fn bound<E: Vectors>(inputs: &str, binding: &str, seed: u8) -> Result<Proved, ProveError> {
    let limits = ProveLimits::default();
    prove(&E::vector("bound.zkey"), &E::vector("bound.wasm"), inputs, binding, &[seed; 32], &limits)
}

#[test]
fn the_shipped_circuit_proves_and_verifies() {
    let input = String::from_utf8(shipped("input.json")).unwrap();
    let digest: serde_json::Value = serde_json::from_str(&input).unwrap();
    let digest = digest["digest"].as_str().unwrap().to_owned();
    let binding = binding_scalar(TASK, WORKER);
    let (zkey, wasm) = (shipped("preimage.zkey"), shipped("preimage.wasm"));
    let limits = ProveLimits::default();
    let proved = prove(&zkey, &wasm, &input, &binding, &[9; 32], &limits).unwrap();
    assert!(proved.fuel > 100_000 && proved.fuel < 100_000_000, "{}", proved.fuel);

    let key = VerifyingKey::from_snarkjs(&shipped("verification_key.json")).unwrap();
    let check = |template: &[PublicInput], task, worker| {
        let (proof, public) = (proved.proof_json.as_bytes(), proved.public_json.as_bytes());
        check_task_proof(&key, proof, public, template, task, worker)
    };
    let template = [PublicInput::Binding, PublicInput::Fixed(digest)];
    assert_eq!(check(&template, TASK, WORKER), Ok(Validity::Valid));
    let elsewhere = Ok(Validity::NotValid(NotValid::Binding { position: 0 }));
    assert_eq!(check(&template, [5; 32], WORKER), elsewhere);
    assert_eq!(check(&template, TASK, [5; 32]), elsewhere);
    let other = [PublicInput::Binding, PublicInput::Fixed("1".into())];
    let wrong = Ok(Validity::NotValid(NotValid::Input { position: 1 }));
    assert_eq!(check(&other, TASK, WORKER), wrong);
    let free = [PublicInput::Binding, PublicInput::Free];
    assert_eq!(check(&free, TASK, WORKER), Ok(Validity::Valid));

    // Rewriting the binding in public.json does not carry the proof over.
    let stolen = proved.public_json.replace(&binding, &binding_scalar([5; 32], WORKER));
    let proof = proved.proof_json.as_bytes();
    let checked = check_task_proof(&key, proof, stolen.as_bytes(), &template, [5; 32], WORKER);
    assert_eq!(checked, Ok(Validity::NotValid(NotValid::Equation)));
}

fn the_same_arguments_give_the_same_proof_and_fuel<E: Vectors>() {
    let inputs = r#"{"square": "49", "x": "7"}"#;
    let first = bound::<E>(inputs, "5", 1).unwrap();
    assert_eq!(first, bound::<E>(r#"{"x": 7, "square": [49], "binding": "1"}"#, "5", 1).unwrap());
    let other = bound::<E>(inputs, "5", 2).unwrap();
    assert_ne!(first.proof_json, other.proof_json);
    assert_eq!(first.public_json, other.public_json);
    assert_eq!(first.fuel, other.fuel);
    // Negative x is another witness with the same square: other blinding, same statement.
    let negative = bound::<E>(r#"{"square": "49", "x": "-7"}"#, "5", 1).unwrap();
    assert_ne!(first.proof_json, negative.proof_json);
    assert_eq!(first.public_json, negative.public_json);

    let key = KeyOf::<E>::from_snarkjs(&E::vector("bound.vk.json")).unwrap();
    for proved in [first, other, negative] {
        let proof = ProofOf::<E>::from_snarkjs(proved.proof_json.as_bytes()).unwrap();
        let inputs = InputsOf::<E>::from_snarkjs(proved.public_json.as_bytes()).unwrap();
        assert_eq!(inputs.to_decimals(), ["5", "49"]);
        assert_eq!(verify(&key, &proof, &inputs), Ok(Validity::Valid));
    }
}

fn wrong_inputs_are_explained<E: Vectors>() {
    let wrong = bound::<E>(r#"{"square": "50", "x": "7"}"#, "5", 1);
    assert!(matches!(wrong, Err(ProveError::Rejected(_))), "{wrong:?}");
    let missing = bound::<E>(r#"{"square": "49"}"#, "5", 1);
    assert_eq!(missing, Err(ProveError::MissingSignals { expected: 3, found: 2 }));
    let unknown = bound::<E>(r#"{"square": "49", "x": "7", "y": "1"}"#, "5", 1);
    let signal = String::from("y");
    assert_eq!(unknown, Err(ProveError::Signal { signal, expected: 0, found: 1 }));
    let long = bound::<E>(r#"{"square": "49", "x": ["7", "7"]}"#, "5", 1);
    let signal = String::from("x");
    assert_eq!(long, Err(ProveError::Signal { signal, expected: 1, found: 2 }));
    assert!(matches!(bound::<E>("[]", "5", 1), Err(ProveError::Input(_))));
    assert!(matches!(bound::<E>("{}", "05", 1), Err(ProveError::Binding(_))));
    // A circuit without a binding signal cannot be sold.
    let inputs = r#"{"p": ["9", "27"], "x": "3"}"#;
    let limits = ProveLimits::default();
    let (zkey, wasm) = (E::vector("powers2.zkey"), E::vector("powers2.wasm"));
    let unbound = prove(&zkey, &wasm, inputs, "5", &[0; 32], &limits);
    let signal = String::from("binding");
    assert_eq!(unbound, Err(ProveError::Signal { signal, expected: 0, found: 1 }));
    // Files of two compilations.
    let mixed =
        prove(&zkey, &E::vector("bound.wasm"), r#"{"square":"9","x":"3"}"#, "5", &[0; 32], &limits);
    assert!(matches!(mixed, Err(ProveError::Module(_) | ProveError::Unsatisfied)), "{mixed:?}");
    // A calculator for the other curve.
    let (zkey, wasm) = match E::NAME {
        "bn254" => (Bn254::vector("bound.zkey"), Bls12_381::vector("bound.wasm")),
        _ => (Bls12_381::vector("bound.zkey"), Bn254::vector("bound.wasm")),
    };
    let mixed = prove(&zkey, &wasm, r#"{"square":"9","x":"3"}"#, "5", &[0; 32], &limits);
    assert_eq!(mixed, Err(ProveError::Module("it is not for the zkey's curve".into())));
}

fn limits_hold<E: Vectors>() {
    let inputs = r#"{"square": "49", "x": "7"}"#;
    let run = |limits: ProveLimits| {
        prove(&E::vector("bound.zkey"), &E::vector("bound.wasm"), inputs, "5", &[0; 32], &limits)
    };
    let standard = ProveLimits::default();
    assert_eq!(run(ProveLimits { fuel: 1000, ..standard }), Err(ProveError::OutOfFuel(1000)));
    let little = run(ProveLimits { memory_bytes: 65_536, ..standard });
    assert!(matches!(little, Err(ProveError::Module(_))), "{little:?}");
    for limits in [
        ProveLimits { zkey_bytes: 10, ..standard },
        ProveLimits { wasm_bytes: 10, ..standard },
        ProveLimits { input_bytes: 10, ..standard },
    ] {
        assert!(matches!(run(limits), Err(ProveError::Size { .. })));
    }
}

fn hostile_modules_end_in_errors<E: Vectors>() {
    let zkey = E::vector("bound.zkey");
    let limits = ProveLimits { fuel: 5_000_000, ..ProveLimits::default() };
    let inputs = r#"{"square": "49", "x": "7"}"#;
    let run = |wat: &str| {
        let wasm = wat::parse_str(wat).unwrap();
        prove(&zkey, &wasm, inputs, "5", &[0; 32], &limits)
    };
    let wasi = r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32))))"#;
    assert!(matches!(run(wasi), Err(ProveError::Module(_))));
    let memory = r#"(module (import "env" "memory" (memory 1)))"#;
    assert!(matches!(run(memory), Err(ProveError::Module(_))));
    let spin = r#"(module (func $s (loop (br 0))) (start $s))"#;
    assert_eq!(run(spin), Err(ProveError::OutOfFuel(5_000_000)));
    let crash = r#"(module (func $s unreachable) (start $s))"#;
    assert!(matches!(run(crash), Err(ProveError::Module(_))));
    let deep = r#"(module (func $s (call $s)) (start $s))"#;
    assert!(run(deep).is_err());
    let big = r#"(module (memory 65536))"#;
    assert!(matches!(run(big), Err(ProveError::Module(_))));
    // Answers of the wrong kind, and messages without an end.
    let liar = r#"(module
        (import "runtime" "printErrorMessage" (func $print))
        (func (export "readSharedRWMemory") (param i32) (result i32) (i32.const -1))
        (func (export "getMessageChar") (result i32) (i32.const 200))
        (func (export "getRawPrime"))
        (func (export "getFieldNumLen32") (result i32) (call $print) (i32.const 8)))"#;
    assert!(matches!(run(liar), Err(ProveError::Module(_))));
    let exception = r#"(module
        (import "runtime" "exceptionHandler" (func $raise (param i32)))
        (func (export "readSharedRWMemory") (param i32) (result i32) (i32.const -1))
        (func (export "getFieldNumLen32") (result i32) (call $raise (i32.const 4)) (i32.const 8)))"#;
    assert!(matches!(run(exception), Err(ProveError::Rejected(_))));
}

fn changed_modules_and_keys_never_panic_or_lie<E: Vectors>() {
    let mut dice = Dice(7);
    let (zkey, wasm) = (E::vector("bound.zkey"), E::vector("bound.wasm"));
    let files = Files::of::<E>("bound", "bound");
    let key = KeyOf::<E>::from_snarkjs(&files.key).unwrap();
    let limits = ProveLimits { fuel: 20_000_000, ..ProveLimits::default() };
    let inputs = r#"{"square": "49", "x": "7"}"#;
    let mut proved = 0;
    for round in 0..60 {
        let (mut zkey, mut wasm) = (zkey.clone(), wasm.clone());
        let target = if round % 3 == 0 { &mut wasm } else { &mut zkey };
        let at = dice.roll(target.len());
        target[at] ^= 1 << dice.roll(8);
        // What comes out has been verified against the changed zkey's key; the real key decides.
        if let Ok(result) = prove(&zkey, &wasm, inputs, "5", &[0; 32], &limits) {
            let proof = ProofOf::<E>::from_snarkjs(result.proof_json.as_bytes()).unwrap();
            let inputs = InputsOf::<E>::from_snarkjs(result.public_json.as_bytes()).unwrap();
            let checked: Result<Validity, Malformed> = verify(&key, &proof, &inputs);
            proved += usize::from(checked == Ok(Validity::Valid));
        }
    }
    // Some changes touch bytes that do not matter (names, contributions): not all may fail.
    assert!(proved < 60);
}

/// `A` plus a point of another order satisfies the equation, and every verifier refuses it: a zkey that
/// makes such proofs would cost an honest worker its stake.
#[test]
fn a_zkey_that_leads_out_of_the_group_proves_nothing() {
    let stray = Bls12_381::stray_g1().unwrap();
    // r times it, by hand: quicker ways are right inside the group alone.
    let torsion = BitIteratorBE::new(Fr::MODULUS).fold(G1Projective::zero(), |sum, bit| {
        let twice = sum + sum;
        if bit { twice + stray } else { twice }
    });
    let torsion = torsion.into_affine();
    assert!(torsion.is_on_curve() && torsion != G1Affine::identity());
    let (key, mut proof, inputs) = ark::<Bls12_381>("bound");
    proof.a = (proof.a + torsion).into_affine();
    let key = ark_groth16::prepare_verifying_key(&key);
    assert!(Groth16::<Bls12_381>::verify_proof(&key, &proof, &inputs).unwrap());
    assert!(ProofOf::<Bls12_381>::from_ark_bytes(&compressed(&proof)).is_err());

    // The same of the point that the constant wire adds to A: the first of section 5.
    let (mut zkey, wasm) = (Bls12_381::vector("bound.zkey"), Bls12_381::vector("bound.wasm"));
    let at = section(&zkey, 5);
    let number = |at: usize| {
        let limb = |i: usize| u64::from_le_bytes(zkey[at + 8 * i..][..8].try_into().unwrap());
        Fq::new_unchecked(BigInt([0, 1, 2, 3, 4, 5].map(limb)))
    };
    let first = G1Affine::new_unchecked(number(at), number(at + 48));
    assert!(first.is_on_curve());
    let moved = (first + torsion).into_affine();
    let limbs = [moved.x, moved.y].map(|number| number.0.0);
    for (place, limb) in zkey[at..].chunks_mut(8).zip(limbs.as_flattened()) {
        place.copy_from_slice(&limb.to_le_bytes());
    }
    let limits = ProveLimits::default();
    let input = r#"{"square": "9", "x": "3"}"#;
    let made = prove(&zkey, &wasm, input, "5", &[0; 32], &limits);
    assert_eq!(made, Err(ProveError::Unsatisfied));
}

/// Where the body of a zkey's section begins.
fn section(zkey: &[u8], wanted: u32) -> usize {
    let mut at = 12;
    loop {
        let id = u32::from_le_bytes(zkey[at..at + 4].try_into().unwrap());
        let length = u64::from_le_bytes(zkey[at + 4..at + 12].try_into().unwrap());
        at += 12;
        if id == wanted {
            return at;
        }
        at += usize::try_from(length).unwrap();
    }
}
