//! Thousands of changed files. None may be accepted unless it still says the same thing.

use ark_ff::PrimeField;
use fog_verifier::groth16::{InputsOf, KeyOf, Malformed, ProofOf, Validity, verify};
use num_bigint::BigUint;
use serde_json::Value;

use crate::vectors::{ark, compressed};
use crate::{Dice, Files, Vectors, over_both};

over_both!(none_of_thousands_of_mutations_is_accepted);

#[derive(Default, Debug)]
struct Tally {
    refused: usize,
    not_valid: usize,
    unchanged: usize,
}

impl Tally {
    fn count(&mut self, checked: &Result<Validity, Malformed>, same: impl Fn() -> bool) {
        match checked {
            Err(_) => self.refused += 1,
            Ok(Validity::NotValid(_)) => self.not_valid += 1,
            Ok(Validity::Valid) => {
                assert!(same(), "a mutation with another meaning was accepted");
                self.unchanged += 1;
            }
        }
    }

    fn total(&self) -> usize {
        self.refused + self.not_valid
    }
}

/// Whether changed files still hold the same key, proof and inputs (other spacing, say).
fn same<E: Vectors>(left: &Files, right: &Files) -> bool {
    let key = |files: &Files| KeyOf::<E>::from_snarkjs(&files.key).unwrap().hash();
    let proof = |files: &Files| ProofOf::<E>::from_snarkjs(&files.proof).unwrap();
    let publics = |files: &Files| InputsOf::<E>::from_snarkjs(&files.publics).unwrap();
    key(left) == key(right) && proof(left) == proof(right) && publics(left) == publics(right)
}

fn none_of_thousands_of_mutations_is_accepted<E: Vectors>() {
    let parts: [fn(&mut Tally); 4] = [numbers::<E>, structure::<E>, text::<E>, bits::<E>];
    let tallies = std::thread::scope(|scope| {
        let run = |part: fn(&mut Tally)| {
            scope.spawn(move || {
                let mut tally = Tally::default();
                part(&mut tally);
                tally
            })
        };
        parts.map(run).map(|handle| handle.join().unwrap())
    });
    let mut tally = Tally::default();
    for part in tallies {
        tally.refused += part.refused;
        tally.not_valid += part.not_valid;
        tally.unchanged += part.unchanged;
    }
    // Shown by `cargo test -- --nocapture`, and in the message of a failure.
    let line = format!("{} mutations, none accepted: {tally:?}", tally.total());
    std::io::Write::write_all(&mut std::io::stderr(), format!("{line}\n").as_bytes()).unwrap();
    assert!(tally.total() >= 2_000, "{line}");
    assert!(tally.not_valid >= 100, "the equation itself was hardly tested: {line}");
}

/// Every way we know to write a number differently, in place of every number of every file.
fn numbers<E: Vectors>(tally: &mut Tally) {
    let original = Files::of::<E>("powers4", "powers4");
    for (which, bytes) in [&original.key, &original.proof, &original.publics].iter().enumerate() {
        let json: Value = serde_json::from_slice(bytes).unwrap();
        let mut places = Vec::new();
        strings(&json, String::new(), &mut places);
        for place in &places {
            let value = json.pointer(place).unwrap().as_str().unwrap();
            for replacement in other_numbers::<E>(value) {
                let mut changed = json.clone();
                *changed.pointer_mut(place).unwrap() = replacement;
                let files = with(&original, which, changed.to_string());
                tally.count(&files.check::<E>(), || same::<E>(&files, &original));
            }
        }
    }
}

fn other_numbers<E: Vectors>(value: &str) -> Vec<Value> {
    let q: BigUint = E::BaseField::MODULUS.into();
    let r: BigUint = E::ScalarField::MODULUS.into();
    let mut texts: Vec<String> = [
        "", "0", "1", "2", "-1", "+1", " 1", "1 ", "0x1", "1e1", "1.0", "00", "NaN", "null", "१",
        "1\u{0}", "groth17",
    ]
    .map(String::from)
    .to_vec();
    texts.extend([
        q.to_string(),
        r.to_string(),
        (&q - 1_u32).to_string(),
        (&r - 1_u32).to_string(),
    ]);
    texts.extend([format!("0{value}"), format!("-{value}"), format!("{value}0"), "9".repeat(3000)]);
    let mut values = vec![Value::Null, Value::Bool(true), serde_json::json!([value])];
    if let Ok(number) = value.parse::<BigUint>() {
        for other in [&number + 1_u32, &number + &q, &number + &r, &number * 2_u32] {
            texts.push(other.to_string());
        }
        if number > BigUint::from(1_u32) {
            texts.push((&q - &number % &q).to_string());
            texts.push((&r - &number % &r).to_string());
            texts.push((&number - 1_u32).to_string());
        }
        values.push(serde_json::json!(7));
    }
    texts.retain(|text| text != value);
    values.extend(texts.into_iter().map(Value::from));
    values
}

/// JSON pointers of every string that our reader looks at.
fn strings(json: &Value, at: String, places: &mut Vec<String>) {
    match json {
        Value::String(_) => places.push(at),
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                strings(inner, format!("{at}/{index}"), places);
            }
        }
        Value::Object(fields) => {
            for (name, inner) in fields.iter().filter(|(name, _)| *name != "vk_alphabeta_12") {
                strings(inner, format!("{at}/{name}"), places);
            }
        }
        _ => {}
    }
}

fn with(original: &Files, which: usize, text: impl Into<Vec<u8>>) -> Files {
    let mut files = original.clone();
    *[&mut files.key, &mut files.proof, &mut files.publics][which] = text.into();
    files
}

/// Fields and elements removed, doubled, renamed, exchanged, retyped; junk around.
fn structure<E: Vectors>(tally: &mut Tally) {
    let original = Files::of::<E>("powers4", "powers4");
    for (which, bytes) in [&original.key, &original.proof, &original.publics].iter().enumerate() {
        let json: Value = serde_json::from_slice(bytes).unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let mut variants: Vec<String> = Vec::new();
        for junk in ["x", "{}", "[]", "1", "\"", "\0", ",", "]", "}", &text] {
            variants.extend([format!("{text}{junk}"), format!("{junk}{text}")]);
        }
        variants.extend(["[".repeat(50_000), "{\"a\":".repeat(50_000), " ".repeat(5 << 20)]);
        if let Value::Object(fields) = &json {
            for (name, value) in fields {
                let mut without = fields.clone();
                without.remove(name);
                if name != "vk_alphabeta_12" && !(which == 1 && name == "curve") {
                    variants.push(Value::Object(without.clone()).to_string());
                }
                let first = format!("{{\"{name}\":{value},");
                variants.push(text.replacen('{', &first, 1));
                without.insert(format!("{name}_"), value.clone());
                variants.push(Value::Object(without).to_string());
                variants.push(text.replacen('{', &format!("{{\"x{name}\":1,"), 1));
            }
        }
        let mut places = Vec::new();
        lists(&json, String::new(), &mut places);
        for place in &places {
            let length = json.pointer(place).unwrap().as_array().unwrap().len();
            for index in 0..length {
                for change in 0..4 {
                    let mut changed = json.clone();
                    let list = changed.pointer_mut(place).unwrap().as_array_mut().unwrap();
                    match change {
                        0 => drop(list.remove(index)),
                        1 => list.insert(index, list[index].clone()),
                        2 => list.swap(index, (index + 1) % length),
                        _ => list[index] = serde_json::json!({}),
                    }
                    if changed != json {
                        variants.push(changed.to_string());
                    }
                }
            }
        }
        for variant in variants {
            let files = with(&original, which, variant);
            tally.count(&files.check::<E>(), || same::<E>(&files, &original));
        }
    }
}

fn lists(json: &Value, at: String, places: &mut Vec<String>) {
    match json {
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                lists(inner, format!("{at}/{index}"), places);
            }
            places.push(at);
        }
        Value::Object(fields) => {
            for (name, inner) in fields.iter().filter(|(name, _)| *name != "vk_alphabeta_12") {
                lists(inner, format!("{at}/{name}"), places);
            }
        }
        _ => {}
    }
}

/// Random bytes changed, removed and inserted anywhere in the text.
fn text<E: Vectors>(tally: &mut Tally) {
    let mut dice = Dice(0x0f06);
    let original = Files::of::<E>("powers4", "powers4");
    for _ in 0..1_500 {
        let which = dice.roll(3);
        let mut bytes = [&original.key, &original.proof, &original.publics][which].clone();
        for _ in 0..=dice.roll(3) {
            let at = dice.roll(bytes.len());
            match dice.roll(4) {
                0 => drop(bytes.remove(at)),
                1 => bytes.insert(at, b"0123456789\"[]{},: -"[dice.roll(19)]),
                2 => bytes[at] = b'0' + dice.roll(10) as u8,
                _ => bytes[at] = dice.roll(256) as u8,
            }
        }
        let files = with(&original, which, bytes);
        tally.count(&files.check::<E>(), || same::<E>(&files, &original));
    }
}

/// Bits all over the binary forms, and every length that is off by a little.
fn bits<E: Vectors>(tally: &mut Tally) {
    let (key, proof, inputs) = ark::<E>("powers4");
    let forms = [compressed(&key), compressed(&proof), compressed(&inputs)];
    let check = |forms: &[Vec<u8>; 3]| -> Result<Validity, Malformed> {
        let key = KeyOf::<E>::from_ark_bytes(&forms[0])?;
        let proof = ProofOf::<E>::from_ark_bytes(&forms[1])?;
        verify(&key, &proof, &InputsOf::<E>::from_ark_bytes(&forms[2])?)
    };
    assert_eq!(check(&forms), Ok(Validity::Valid));
    for which in 0..3 {
        let length = forms[which].len();
        for bit in (0..length * 8).step_by([11, 2, 7][which]) {
            let mut changed = forms.clone();
            changed[which][bit / 8] ^= 1 << (bit % 8);
            // Canonical: two encodings never mean the same.
            tally.count(&check(&changed), || false);
        }
        for (cut, add) in [(1, 0), (32, 0), (length, 0), (0, 1), (0, 32)] {
            let mut changed = forms.clone();
            changed[which].truncate(length - cut);
            changed[which].resize(length - cut + add, 0);
            tally.count(&check(&changed), || false);
        }
    }
}
