//! The three documents snarkjs writes, read strictly: every field once, no other fields, no
//! escapes in numbers, fixed shapes, canonical coordinates.

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use serde::{Deserialize, Deserializer, de};

use super::malformed::{Malformed, Part, shortened};
use super::{MAX_KEY_BYTES, MAX_PROOF_BYTES, MAX_PUBLIC_INPUTS, MAX_PUBLICS_BYTES, number};

type G1Text<'a> = [&'a str; 3];
type G2Text<'a> = [[&'a str; 2]; 3];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyText<'a> {
    protocol: &'a str,
    curve: &'a str,
    #[serde(rename = "nPublic")]
    n_public: u32,
    #[serde(borrow)]
    vk_alpha_1: G1Text<'a>,
    #[serde(borrow)]
    vk_beta_2: G2Text<'a>,
    #[serde(borrow)]
    vk_gamma_2: G2Text<'a>,
    #[serde(borrow)]
    vk_delta_2: G2Text<'a>,
    /// e(alpha, beta), which we compute ourselves: believing it would be a way to forge.
    #[serde(default)]
    #[expect(dead_code, reason = "snarkjs writes it; it is read and dropped")]
    vk_alphabeta_12: Option<de::IgnoredAny>,
    #[serde(rename = "IC", borrow)]
    ic: Vec<G1Text<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofText<'a> {
    #[serde(borrow)]
    pi_a: G1Text<'a>,
    #[serde(borrow)]
    pi_b: G2Text<'a>,
    #[serde(borrow)]
    pi_c: G1Text<'a>,
    protocol: &'a str,
    /// rapidsnark leaves it out.
    #[serde(default, deserialize_with = "present")]
    curve: Option<&'a str>,
}

/// A field that may be missing, but not `null`.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(input: D) -> Result<Option<&'a str>, D::Error> {
    <&'a str>::deserialize(input).map(Some)
}

/// A verification key as numbers and points, each checked by itself.
pub(super) struct KeyParts {
    pub(super) alpha: G1Affine,
    pub(super) beta: G2Affine,
    pub(super) gamma: G2Affine,
    pub(super) delta: G2Affine,
    pub(super) ic: Vec<G1Affine>,
}

/// Reads `verification_key.json`.
pub(super) fn key(json: &[u8]) -> Result<KeyParts, Malformed> {
    let part = Part::Key;
    let text: KeyText<'_> = read(part, json, MAX_KEY_BYTES)?;
    system(part, text.protocol, Some(text.curve))?;
    let declared = text.n_public as usize;
    if declared > MAX_PUBLIC_INPUTS {
        return Err(Malformed::TooManyInputs { part, found: declared });
    }
    if text.ic.len() != declared + 1 {
        return Err(Malformed::IcCount { declared, points: text.ic.len() });
    }
    let mut ic = Vec::with_capacity(text.ic.len());
    for (index, point) in text.ic.iter().enumerate() {
        ic.push(g1(part, point, || format!("IC[{index}]"))?);
    }
    Ok(KeyParts {
        alpha: g1(part, &text.vk_alpha_1, || "vk_alpha_1".into())?,
        beta: g2(part, &text.vk_beta_2, || "vk_beta_2".into())?,
        gamma: g2(part, &text.vk_gamma_2, || "vk_gamma_2".into())?,
        delta: g2(part, &text.vk_delta_2, || "vk_delta_2".into())?,
        ic,
    })
}

/// Reads `proof.json`.
pub(super) fn proof(json: &[u8]) -> Result<(G1Affine, G2Affine, G1Affine), Malformed> {
    let part = Part::Proof;
    let text: ProofText<'_> = read(part, json, MAX_PROOF_BYTES)?;
    system(part, text.protocol, text.curve)?;
    Ok((
        g1(part, &text.pi_a, || "pi_a".into())?,
        g2(part, &text.pi_b, || "pi_b".into())?,
        g1(part, &text.pi_c, || "pi_c".into())?,
    ))
}

/// Reads `public.json`.
pub(super) fn publics(json: &[u8]) -> Result<Vec<Fr>, Malformed> {
    let part = Part::Publics;
    let text: Vec<&str> = read(part, json, MAX_PUBLICS_BYTES)?;
    if text.len() > MAX_PUBLIC_INPUTS {
        return Err(Malformed::TooManyInputs { part, found: text.len() });
    }
    text.iter()
        .enumerate()
        .map(|(index, input)| {
            number::parse(input).map_err(|problem| Malformed::Number {
                part,
                at: format!("input {index}"),
                problem,
            })
        })
        .collect()
}

/// Parses after the size is known to be bounded; refuses anything after the value.
fn read<'a, T: Deserialize<'a>>(part: Part, json: &'a [u8], cap: usize) -> Result<T, Malformed> {
    if json.len() > cap {
        return Err(Malformed::Size { part, bytes: json.len(), cap });
    }
    serde_json::from_slice(json)
        .map_err(|error| Malformed::Json { part, reason: shortened(&error.to_string()) })
}

/// Refuses other proof systems and other curves, before any number is read.
fn system(part: Part, protocol: &str, curve: Option<&str>) -> Result<(), Malformed> {
    if protocol != "groth16" {
        return Err(Malformed::Protocol { part, found: shortened(protocol) });
    }
    match curve {
        None | Some("bn128" | "bn254") => Ok(()),
        Some("bls12381" | "bls12-381" | "bls12_381" | "BLS12-381" | "BLS12381") => {
            Err(Malformed::UnsupportedCurve { part, curve: "BLS12-381" })
        }
        Some(other) => Err(Malformed::UnknownCurve { part, found: shortened(other) }),
    }
}

fn coordinate(part: Part, text: &str, at: &impl Fn() -> String) -> Result<Fq, Malformed> {
    number::parse(text).map_err(|problem| Malformed::Number { part, at: at(), problem })
}

/// A point of G1: affine, on the curve (which is the whole subgroup), not the identity.
fn g1(part: Part, text: &G1Text<'_>, at: impl Fn() -> String) -> Result<G1Affine, Malformed> {
    let [x, y, z] = text;
    match *z {
        "1" => {}
        "0" => return Err(Malformed::Identity { part, at: at() }),
        _ => return Err(Malformed::NotAffine { part, at: at() }),
    }
    let (x, y) = (coordinate(part, x, &at)?, coordinate(part, y, &at)?);
    let point = G1Affine::new_unchecked(x, y);
    // ark marks the identity with (0, 0), and says that it is on the curve.
    if point.is_zero() || !point.is_on_curve() {
        return Err(Malformed::OffCurve { part, at: at() });
    }
    Ok(point)
}

/// A point of G2: affine, on the curve, in the subgroup of prime order, not the identity.
fn g2(part: Part, text: &G2Text<'_>, at: impl Fn() -> String) -> Result<G2Affine, Malformed> {
    let [x, y, z] = text;
    match *z {
        ["1", "0"] => {}
        ["0", "0"] => return Err(Malformed::Identity { part, at: at() }),
        _ => return Err(Malformed::NotAffine { part, at: at() }),
    }
    let x = Fq2::new(coordinate(part, x[0], &at)?, coordinate(part, x[1], &at)?);
    let y = Fq2::new(coordinate(part, y[0], &at)?, coordinate(part, y[1], &at)?);
    let point = G2Affine::new_unchecked(x, y);
    if point.is_zero() || !point.is_on_curve() {
        return Err(Malformed::OffCurve { part, at: at() });
    }
    if !point.is_in_correct_subgroup_assuming_on_curve() {
        return Err(Malformed::OffSubgroup { part, at: at() });
    }
    Ok(point)
}
