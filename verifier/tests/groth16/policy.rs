//! Results of `groth16` tasks, as a verifier finds them: what an honest worker hands in, and what
//! others might; whatever the curve, and whether the listing's key is snarkjs' file or arkworks' bytes.

use ark_ec::AffineRepr as _;
use ark_ff::{BigInteger as _, PrimeField as _};
use ark_groth16::Proof as ArkProof;
use fog_protocol::{
    Address, BlobRef, Durations, Hash32, Listing, Nano, Policy, Program, PublicInput, Rail,
    ResourceLimits, SecretKey,
};
use fog_verifier::{
    binding, check_proof, check_proof_policy,
    groth16::{Fault, ProveLimits, prove},
};
use num_bigint::BigUint;
use serde_json::{Value, json};

use crate::vectors::{ark, compressed};
use crate::{Vectors, over_both};

over_both!(
    an_honest_proof_is_accepted_in_each_form,
    no_result_that_proves_nothing_is_accepted,
    no_bytes_that_prove_nothing_are_accepted,
    unusable_policies_are_the_requestors_fault,
    whoever_asks_at_once_gets_the_own_answer,
);

const INPUT: &str = r#"{"square": "9", "x": "3"}"#;
const WORKER: Address = Address::basechain([0xdd; 32]);

/// How the listing's key is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Snarkjs,
    Arkworks,
}

impl Key {
    fn file<E: Vectors>(self) -> Vec<u8> {
        match self {
            Self::Snarkjs => E::vector("bound.vk.json"),
            Self::Arkworks => compressed(&ark::<E>("bound").0),
        }
    }
}

/// A listing with this key: the root of nine.
fn listing<E: Vectors>(key: &[u8]) -> Listing {
    let publics = vec![PublicInput::Binding, PublicInput::Fixed("9".to_owned())];
    let policy = Policy::Groth16 { curve: E::CURVE, key: BlobRef::of(key), publics };
    let [zkey, witness] = ["bound.zkey", "bound.wasm"].map(|name| BlobRef::of(&E::vector(name)));
    Listing {
        version: Listing::version_of(&Rail::Escrow, &policy),
        network: -3,
        market: Address::basechain([0xaa; 32]),
        operator: Address::basechain([0xbb; 32]),
        requestor: Address::basechain([0xcc; 32]),
        requestor_key: SecretKey::from_seed(&[7; 32]).public(),
        program: Program::Circom { zkey, witness },
        input: BlobRef::of(INPUT.as_bytes()),
        limits: ResourceLimits::default(),
        price_cap: Nano::new(1_000_000_000),
        policy,
        durations: Durations { bid: 600, commit: 600, verdict: 600, window: 60 },
        nonce_hash: Hash32([1; 32]),
        salt: Hash32([9; 32]),
        rail: Rail::Escrow,
        epoch: None,
    }
}

/// What a worker's prover makes for this listing: proof and public inputs.
fn proved<E: Vectors>(listing: &Listing, worker: &Address) -> [Value; 2] {
    let (zkey, wasm) = (E::vector("bound.zkey"), E::vector("bound.wasm"));
    let bound = binding(&listing.id(), worker);
    let made = prove(&zkey, &wasm, INPUT, &bound, &[9; 32], &ProveLimits::default()).unwrap();
    [made.proof_json, made.public_json].map(|text| serde_json::from_str(&text).unwrap())
}

fn text([proof, public]: &[Value; 2]) -> Vec<u8> {
    json!({"proof": proof, "public": public}).to_string().into_bytes()
}

/// The same as arkworks writes proof and list.
fn bytes<E: Vectors>(made: &[Value; 2]) -> (ArkProof<E>, Vec<E::ScalarField>) {
    let number = |text: &Value| text.as_str().unwrap().parse::<BigUint>().unwrap();
    let [proof, public] = made;
    let g1 = |at: &str| {
        let point = &proof[at];
        E::g1(number(&point[0]).into(), number(&point[1]).into()).0
    };
    let pair = |at: usize| [0, 1].map(|half| number(&proof["pi_b"][at][half]).into());
    let proof = ArkProof { a: g1("pi_a"), b: E::g2(pair(0), pair(1)).0, c: g1("pi_c") };
    (proof, public.as_array().unwrap().iter().map(|input| number(input).into()).collect())
}

fn written<E: Vectors>((proof, inputs): &(ArkProof<E>, Vec<E::ScalarField>)) -> Vec<u8> {
    [compressed(proof), compressed(inputs)].concat()
}

/// What a verifier says of the output.
fn fault<E: Vectors>(key: &[u8], output: &[u8]) -> Option<String> {
    check_proof(&listing::<E>(key), &WORKER, key, output).unwrap()
}

fn an_honest_proof_is_accepted_in_each_form<E: Vectors>() {
    for form in [Key::Snarkjs, Key::Arkworks] {
        let key = form.file::<E>();
        let listing = listing::<E>(&key);
        assert_eq!(listing.check(), Ok(()));
        assert_eq!(check_proof_policy(&listing.policy, &key), Ok(()));
        let made = proved::<E>(&listing, &WORKER);
        assert_eq!(fault::<E>(&key, &text(&made)), None);
        // Bytes only where the listing's key is bytes, too: no older listing means anything else.
        let bytes = fault::<E>(&key, &written::<E>(&bytes(&made)));
        let refused = (form == Key::Snarkjs).then(|| "result_not_a_proof".to_owned());
        assert_eq!(bytes, refused);
    }
}

/// Another number that is the same modulo r.
fn aliased<E: Vectors>(input: &Value) -> Value {
    let number: BigUint = input.as_str().unwrap().parse().unwrap();
    let r: BigUint = E::ScalarField::MODULUS.into();
    json!((number + r).to_string())
}

fn no_result_that_proves_nothing_is_accepted<E: Vectors>() {
    let key = Key::Snarkjs.file::<E>();
    let good = proved::<E>(&listing::<E>(&key), &WORKER);
    let others = proved::<E>(&listing::<E>(&key), &Address::basechain([0xde; 32]));
    let read = |name: &str| serde_json::from_slice(&E::vector(name)).unwrap();
    let foreign: [Value; 2] = ["bound.proof.json", "bound.public.json"].map(read);
    let stray = {
        let [x, y] = E::of_g2(&E::stray_g2()).map(|pair| pair.map(|number| number.to_string()));
        json!([x, y, ["1", "0"]])
    };
    let coordinate = {
        let q: BigUint = E::BaseField::MODULUS.into();
        let x: BigUint = good[0]["pi_a"][0].as_str().unwrap().parse().unwrap();
        json!((x + q).to_string())
    };
    type Bend<'a> = &'a dyn Fn(&mut [Value; 2]);
    let cases: [(&str, &str, Bend<'_>); 16] = [
        ("a binding of its own", "proof_not_valid", &|all| *all = foreign.clone()),
        ("another worker's", "proof_not_valid", &|all| *all = others.clone()),
        ("another worker's, rebound", "proof_not_valid", &|all| all[0] = others[0].clone()),
        ("another statement", "proof_not_valid", &|all| all[1][1] = json!("16")),
        ("an input of r and more", "groth16.number", &|all| all[1][0] = aliased::<E>(&good[1][0])),
        ("an input with a zero before", "groth16.number", &|all| all[1][1] = json!("09")),
        ("one input less", "groth16.input_count", &|all| all[1] = json!([good[1][0]])),
        ("one input more", "groth16.input_count", &|all| {
            all[1].as_array_mut().unwrap().push(json!("1"));
        }),
        ("no inputs", "groth16.input_count", &|all| all[1] = json!([])),
        ("an identity", "groth16.identity", &|all| all[0]["pi_a"] = json!(["0", "1", "0"])),
        ("off the curve", "groth16.off_curve", &|all| all[0]["pi_c"] = json!(["1", "1", "1"])),
        ("outside the group", "groth16.off_subgroup", &|all| all[0]["pi_b"] = stray.clone()),
        ("a coordinate of q and more", "groth16.number", &|all| {
            all[0]["pi_a"][0] = coordinate.clone();
        }),
        ("the other curve", "groth16.curve", &|all| all[0]["curve"] = json!(E::NAMED[1])),
        ("another system", "groth16.protocol", &|all| all[0]["protocol"] = json!("plonk")),
        ("points exchanged", "proof_not_valid", &|all| {
            let (a, c) = (good[0]["pi_a"].clone(), good[0]["pi_c"].clone());
            (all[0]["pi_a"], all[0]["pi_c"]) = (c, a);
        }),
    ];
    assert_eq!(fault::<E>(&key, &text(&good)), None);
    for (name, code, bend) in cases {
        let mut bent = good.clone();
        bend(&mut bent);
        for form in [Key::Snarkjs, Key::Arkworks] {
            // Whatever the form of its key, a listing's result may be text; the listing with the other
            // key is another task, so that the others' codes come before the binding's.
            let found = fault::<E>(&form.file::<E>(), &text(&bent));
            assert_eq!(found.as_deref(), Some(code), "{name}");
        }
    }
    for output in [text(&good)[1..].to_vec(), [text(&good), b"x".to_vec()].concat(), vec![]] {
        assert_eq!(fault::<E>(&key, &output).as_deref(), Some("result_not_a_proof"));
    }
}

fn no_bytes_that_prove_nothing_are_accepted<E: Vectors>() {
    let key = Key::Arkworks.file::<E>();
    let made = proved::<E>(&listing::<E>(&key), &WORKER);
    let (proof, inputs) = bytes::<E>(&made);
    let good = written::<E>(&(proof.clone(), inputs.clone()));
    assert_eq!(fault::<E>(&key, &good), None);
    let of = |proof: &ArkProof<E>, inputs: &[E::ScalarField]| {
        written::<E>(&(proof.clone(), inputs.to_vec()))
    };
    let bound_otherwise = [E::ScalarField::from(77_u64), inputs[1]];
    let beyond = {
        // The binding plus r fits 32 bytes over both curves.
        let r: BigUint = E::ScalarField::MODULUS.into();
        let number = BigUint::from_bytes_le(&inputs[0].into_bigint().to_bytes_le()) + r;
        let mut bent = good.clone();
        let at = good.len() - 64;
        bent[at..at + 32].copy_from_slice(&number.to_bytes_le());
        bent
    };
    let cut = |by: usize| good[..good.len() - by].to_vec();
    let cases = [
        ("a binding of its own", "proof_not_valid", of(&proof, &bound_otherwise)),
        ("one input less", "groth16.input_count", of(&proof, &inputs[..1])),
        ("one input more", "groth16.input_count", of(&proof, &[&inputs[..], &inputs].concat())),
        ("an input of r and more", "groth16.bytes", beyond),
        ("a byte more", "groth16.bytes", [&good[..], &[0]].concat()),
        ("a byte less", "groth16.bytes", cut(1)),
        ("no list", "result_not_a_proof", compressed(&proof)[..9].to_vec()),
        (
            "an identity",
            "groth16.identity",
            of(&ArkProof { a: E::G1Affine::zero(), ..proof.clone() }, &inputs),
        ),
        (
            "outside the group",
            "groth16.bytes",
            of(&ArkProof { b: E::stray_g2(), ..proof.clone() }, &inputs),
        ),
        (
            "points exchanged",
            "proof_not_valid",
            of(&ArkProof { a: proof.c, c: proof.a, b: proof.b }, &inputs),
        ),
    ];
    for (name, code, output) in cases {
        assert_eq!(fault::<E>(&key, &output).as_deref(), Some(code), "{name}");
    }
    for at in 0..good.len() {
        let mut bent = good.clone();
        bent[at] ^= 0x40;
        assert_ne!(fault::<E>(&key, &bent), None, "byte {at}");
    }
}

/// No verdict on the worker follows from a listing by which nothing can be proven, and it is found
/// before anybody works for it.
fn unusable_policies_are_the_requestors_fault<E: Vectors>() {
    let good = Key::Snarkjs.file::<E>();
    let listing = listing::<E>(&good);
    let output = text(&proved::<E>(&listing, &WORKER));
    let (ark_key, _, _) = ark::<E>("bound");
    let mut same = ark_key.clone();
    same.delta_g2 = same.gamma_g2;
    let mut free = ark_key.clone();
    free.gamma_abc_g1[2] = E::G1Affine::zero();
    let mut outside = ark_key.clone();
    outside.gamma_g2 = E::stray_g2();
    let renamed = String::from_utf8(good.clone()).unwrap();
    let renamed = renamed.replace(E::NAMED[0], E::NAMED[1]).into_bytes();
    let longer = [compressed(&ark_key), vec![0]].concat();
    let keys = [compressed(&same), compressed(&free), compressed(&outside), longer, renamed];
    for key in keys.iter().map(Vec::as_slice).chain([&b""[..], b"{}", &[0; 400]]) {
        let found = check_proof_policy(&listing.policy, key).unwrap_err();
        assert_eq!(found.fault(), Fault::Listing, "{found}");
        let at_work = check_proof(&listing, &WORKER, key, &output).unwrap_err();
        assert_eq!(at_work, found);
    }
    let Policy::Groth16 { key, publics, .. } = listing.policy.clone() else { panic!() };
    for wrong in [vec![publics[0].clone()], [&publics[..], &publics[1..]].concat(), vec![]] {
        let policy = Policy::Groth16 { curve: E::CURVE, key, publics: wrong };
        assert_eq!(check_proof_policy(&policy, &good).unwrap_err().fault(), Fault::Listing);
    }
}

/// What waits before a key is checked in batches, and each gets the answer of its own proof.
fn whoever_asks_at_once_gets_the_own_answer<E: Vectors>() {
    let key = Key::Snarkjs.file::<E>();
    let good = proved::<E>(&listing::<E>(&key), &WORKER);
    let mut bad = good.clone();
    bad[0]["pi_c"] = good[0]["pi_a"].clone();
    let outputs = [text(&good), text(&bad)];
    std::thread::scope(|scope| {
        for at in 0..16 {
            let (key, output) = (&key, &outputs[usize::from(at % 3 == 0)]);
            scope.spawn(move || {
                let expected = (at % 3 == 0).then(|| "proof_not_valid".to_owned());
                assert_eq!(fault::<E>(key, output), expected);
            });
        }
    });
}
