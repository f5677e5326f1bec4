//! The three documents snarkjs writes, read strictly: every field once, no other fields, no
//! escapes in numbers, fixed shapes, canonical coordinates.

use serde::{Deserialize, Deserializer, de};

use super::curve::{Place, SnarkCurve};
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
pub(super) struct KeyParts<E: SnarkCurve> {
    pub(super) alpha: E::G1Affine,
    pub(super) beta: E::G2Affine,
    pub(super) gamma: E::G2Affine,
    pub(super) delta: E::G2Affine,
    pub(super) ic: Vec<E::G1Affine>,
}

/// Reads `verification_key.json`.
pub(super) fn key<E: SnarkCurve>(json: &[u8]) -> Result<KeyParts<E>, Malformed> {
    let part = Part::Key;
    let text: KeyText<'_> = read(part, json, MAX_KEY_BYTES)?;
    system::<E>(part, text.protocol, Some(text.curve))?;
    let declared = text.n_public as usize;
    if declared > MAX_PUBLIC_INPUTS {
        return Err(Malformed::TooManyInputs { part, found: declared });
    }
    if text.ic.len() != declared + 1 {
        return Err(Malformed::IcCount { declared, points: text.ic.len() });
    }
    let mut ic = Vec::with_capacity(text.ic.len());
    for (index, point) in text.ic.iter().enumerate() {
        ic.push(g1::<E>(part, point, || format!("IC[{index}]"))?);
    }
    Ok(KeyParts {
        alpha: g1::<E>(part, &text.vk_alpha_1, || "vk_alpha_1".into())?,
        beta: g2::<E>(part, &text.vk_beta_2, || "vk_beta_2".into())?,
        gamma: g2::<E>(part, &text.vk_gamma_2, || "vk_gamma_2".into())?,
        delta: g2::<E>(part, &text.vk_delta_2, || "vk_delta_2".into())?,
        ic,
    })
}

/// Reads `proof.json`.
pub(super) fn proof<E: SnarkCurve>(json: &[u8]) -> Result<ark_groth16::Proof<E>, Malformed> {
    let part = Part::Proof;
    let text: ProofText<'_> = read(part, json, MAX_PROOF_BYTES)?;
    system::<E>(part, text.protocol, text.curve)?;
    Ok(ark_groth16::Proof {
        a: g1::<E>(part, &text.pi_a, || "pi_a".into())?,
        b: g2::<E>(part, &text.pi_b, || "pi_b".into())?,
        c: g1::<E>(part, &text.pi_c, || "pi_c".into())?,
    })
}

/// Reads `public.json`.
pub(super) fn publics<E: SnarkCurve>(json: &[u8]) -> Result<Vec<E::ScalarField>, Malformed> {
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
fn system<E: SnarkCurve>(part: Part, protocol: &str, curve: Option<&str>) -> Result<(), Malformed> {
    if protocol != "groth16" {
        return Err(Malformed::Protocol { part, found: shortened(protocol) });
    }
    match curve {
        None => Ok(()),
        Some(curve) if E::NAMES.contains(&curve) => Ok(()),
        Some(other) => {
            let expected = E::NAMES[0];
            Err(Malformed::OtherCurve { part, expected, found: shortened(other) })
        }
    }
}

fn coordinate<E: SnarkCurve>(
    part: Part,
    text: &str,
    at: &impl Fn() -> String,
) -> Result<E::BaseField, Malformed> {
    number::parse(text).map_err(|problem| Malformed::Number { part, at: at(), problem })
}

/// What a point in a document must be: in the group.
fn placed<P>(
    part: Part,
    (point, place): (P, Place),
    at: impl Fn() -> String,
) -> Result<P, Malformed> {
    match place {
        Place::Group => Ok(point),
        Place::Off => Err(Malformed::OffCurve { part, at: at() }),
        Place::Outside => Err(Malformed::OffSubgroup { part, at: at() }),
    }
}

/// A point of G1: affine, in the group of prime order, not the identity.
fn g1<E: SnarkCurve>(
    part: Part,
    text: &G1Text<'_>,
    at: impl Fn() -> String,
) -> Result<E::G1Affine, Malformed> {
    let [x, y, z] = text;
    match *z {
        "1" => {}
        "0" => return Err(Malformed::Identity { part, at: at() }),
        _ => return Err(Malformed::NotAffine { part, at: at() }),
    }
    let (x, y) = (coordinate::<E>(part, x, &at)?, coordinate::<E>(part, y, &at)?);
    placed(part, E::g1(x, y), at)
}

/// A point of G2: affine, in the group of prime order, not the identity.
fn g2<E: SnarkCurve>(
    part: Part,
    text: &G2Text<'_>,
    at: impl Fn() -> String,
) -> Result<E::G2Affine, Malformed> {
    let [x, y, z] = text;
    match *z {
        ["1", "0"] => {}
        ["0", "0"] => return Err(Malformed::Identity { part, at: at() }),
        _ => return Err(Malformed::NotAffine { part, at: at() }),
    }
    let x = [coordinate::<E>(part, x[0], &at)?, coordinate::<E>(part, x[1], &at)?];
    let y = [coordinate::<E>(part, y[0], &at)?, coordinate::<E>(part, y[1], &at)?];
    placed(part, E::g2(x, y), at)
}

/// The curve a snarkjs document names, if it names one.
pub(super) fn curve_named(json: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        curve: String,
    }
    let json = json.get(..MAX_KEY_BYTES.min(json.len()))?;
    serde_json::from_slice::<Named>(json).ok().map(|named| named.curve)
}
