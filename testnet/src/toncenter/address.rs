//! Addresses and hashes in every form clients write them.

use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE};
use base64::{Engine as _, alphabet};
use serde_json::{Value, json};
use tycho_types::models::{Base64StdAddrFlags, DisplayBase64StdAddr, StdAddr, StdAddrFormat};
use tycho_types::prelude::*;

/// Longest text that is decoded at all; a bag of cells of the largest external message is shorter.
const MAX_TEXT: usize = 1 << 20;

/// How an address was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Raw,
    Friendly { bounceable: bool, testnet: bool },
}

/// An address and how it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) address: StdAddr,
    pub(crate) form: Form,
}

/// Parses raw (`0:..`) and friendly (`EQ`, `UQ`, `kQ`, `0Q`; base64 and base64url) addresses.
pub(crate) fn parse(text: &str) -> Option<Given> {
    let text = text.trim();
    // Raw hashes may come without leading zeros nowhere else, so only the usual forms are taken.
    if text.contains(':') {
        let (workchain, hash) = text.split_once(':')?;
        let workchain: i8 = workchain.parse().ok()?;
        if hash.len() != 64 {
            return None;
        }
        let mut bytes = [0u8; 32];
        hex::decode_to_slice(hash, &mut bytes).ok()?;
        let address = StdAddr::new(workchain, HashBytes(bytes));
        return Some(Given { address, form: Form::Raw });
    }
    let (address, flags) = StdAddr::from_str_ext(text, StdAddrFormat::any()).ok()?;
    // tycho ignores the low bits of the tag; only 0x11 and 0x51 (and the test bit) are addresses.
    let tag = *bytes_from_base64(text)?.first()? & 0x7f;
    if tag != 0x11 && tag != 0x51 {
        return None;
    }
    let form = Form::Friendly { bounceable: flags.bounceable, testnet: flags.testnet };
    Some(Given { address, form })
}

/// The bounceable base64url form (`EQ..`), which toncenter shows in all its answers.
pub(crate) fn friendly(address: &StdAddr) -> String {
    written(address, Base64StdAddrFlags { testnet: false, base64_url: true, bounceable: true })
}

/// The raw form in lower case.
pub(crate) fn raw(address: &StdAddr) -> String {
    format!("{}:{}", address.workchain, hex::encode(address.address.0))
}

fn written(address: &StdAddr, flags: Base64StdAddrFlags) -> String {
    DisplayBase64StdAddr { addr: address, flags }.to_string()
}

/// The answer of `detectAddress`.
pub(crate) fn detect(given: &Given) -> Value {
    let address = &given.address;
    let testnet = matches!(given.form, Form::Friendly { testnet: true, .. });
    let both = |bounceable| {
        let flags = |base64_url| Base64StdAddrFlags { testnet, base64_url, bounceable };
        json!({ "b64": written(address, flags(false)), "b64url": written(address, flags(true)) })
    };
    let given_type = match given.form {
        Form::Raw => "raw_form",
        Form::Friendly { bounceable: true, .. } => "friendly_bounceable",
        Form::Friendly { bounceable: false, .. } => "friendly_non_bounceable",
    };
    json!({
        "raw_form": raw(address),
        "bounceable": both(true),
        "non_bounceable": both(false),
        "given_type": given_type,
        "test_only": testnet,
    })
}

/// The answer of `detectHash`.
pub(crate) fn detect_hash(hash: &HashBytes) -> Value {
    json!({
        "b64": base64(hash.as_slice()),
        "b64url": URL_SAFE.encode(hash.as_slice()),
        "hex": hex::encode(hash.as_slice()),
    })
}

/// A 256-bit hash in hex, base64 or base64url.
pub(crate) fn hash_from_text(text: &str) -> Option<HashBytes> {
    Some(HashBytes(<[u8; 32]>::try_from(bytes_from_text(text.trim())?).ok()?))
}

/// Bytes in hex, base64 or base64url, padded or not. Hex wins where both are possible.
pub(crate) fn bytes_from_text(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || text.len() > MAX_TEXT {
        return None;
    }
    hex::decode(text).ok().or_else(|| bytes_from_base64(text))
}

fn bytes_from_base64(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let alphabet =
        if text.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    // A plus sign in a query that was not escaped arrives as a space.
    let text = text.replace(' ', "+");
    GeneralPurpose::new(alphabet, config).decode(text).ok()
}

/// Standard base64, as toncenter writes hashes and bodies.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wrong_checksums_tags_and_lengths_are_refused() {
        let address = StdAddr::new(0, HashBytes([7; 32]));
        let good = friendly(&address);
        assert_eq!(parse(&good).unwrap().address, address);
        let mut wrong = good.clone().into_bytes();
        wrong[20] ^= 1;
        assert_eq!(parse(&String::from_utf8(wrong).unwrap()), None);
        for text in ["", "EQ", "0:07", "0:zz", "128:", ":", "0:", &good[1..]] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,100}", short in "[A-Za-z0-9+/_=-]{0,70}") {
            for text in [text, short] {
                let _ = parse(&text);
                let _ = hash_from_text(&text);
                let _ = bytes_from_text(&text);
            }
        }

        #[test]
        fn every_form_reads_back(hash in any::<[u8; 32]>(), workchain in -1..=0i8) {
            let address = StdAddr::new(workchain, HashBytes(hash));
            for (bounceable, testnet, base64_url) in
                [(true, false, true), (false, false, false), (true, true, false), (false, true, true)]
            {
                let text = written(&address, Base64StdAddrFlags { testnet, base64_url, bounceable });
                let given = parse(&text).unwrap();
                prop_assert_eq!(&given.address, &address);
                prop_assert_eq!(given.form, Form::Friendly { bounceable, testnet });
            }
            prop_assert_eq!(parse(&raw(&address)).unwrap().address, address);
            let hash = HashBytes(hash);
            let forms = detect_hash(&hash);
            for form in ["b64", "b64url", "hex"] {
                prop_assert_eq!(hash_from_text(forms[form].as_str().unwrap()), Some(hash));
            }
        }
    }
}
