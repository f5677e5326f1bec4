//! TON account addresses (TEP-2): raw and user-friendly forms.

use std::{fmt, str::FromStr};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::Hash32;

const CRC: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_XMODEM);
const BOUNCEABLE: u8 = 0x11;
const NON_BOUNCEABLE: u8 = 0x51;
const TEST_ONLY: u8 = 0x80;

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither `workchain:hash` nor 48 base64 characters.
    #[error("`{0}` is not a TON address: expected workchain:64 hex characters, or 48 base64 ones")]
    Form(String),
    /// The checksum of the friendly form does not match: a mistyped character.
    #[error("`{0}` has a wrong checksum: a character was mistyped")]
    Checksum(String),
    /// The flags byte is none of TEP-2's.
    #[error("`{0}` starts with unknown flags; addresses start with EQ, UQ, kQ or 0Q")]
    Flags(String),
}

/// Which of TEP-2's friendly forms to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressForm {
    /// `EQ...`: bounceable.
    Bounceable,
    /// `UQ...`: not bounceable.
    NonBounceable,
    /// `kQ...`: bounceable, for the test network.
    TestBounceable,
    /// `0Q...`: not bounceable, for the test network.
    TestNonBounceable,
}

/// An account: workchain and the 256-bit hash of its StateInit. Text form is raw
/// (`0:` and 64 hex characters); parsing takes every form of TEP-2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Address {
    /// 0 for the basechain, -1 for the masterchain.
    pub workchain: i8,
    /// Hash of the account's StateInit.
    pub hash: Hash32,
}

impl Address {
    /// An address on the basechain.
    #[must_use]
    pub const fn basechain(hash: [u8; 32]) -> Self {
        Self { workchain: 0, hash: Hash32(hash) }
    }

    /// The 48-character friendly form (base64url).
    #[must_use]
    pub fn friendly(&self, form: AddressForm) -> String {
        let tag = match form {
            AddressForm::Bounceable => BOUNCEABLE,
            AddressForm::NonBounceable => NON_BOUNCEABLE,
            AddressForm::TestBounceable => BOUNCEABLE | TEST_ONLY,
            AddressForm::TestNonBounceable => NON_BOUNCEABLE | TEST_ONLY,
        };
        let mut bytes = [0; 36];
        bytes[0] = tag;
        bytes[1] = self.workchain.to_be_bytes()[0];
        bytes[2..34].copy_from_slice(&self.hash.0);
        let crc = CRC.checksum(&bytes[..34]).to_be_bytes();
        bytes[34..].copy_from_slice(&crc);
        URL_SAFE.encode(bytes)
    }

    fn parse_raw(text: &str) -> Option<Self> {
        let (workchain, hash) = text.split_once(':')?;
        Some(Self { workchain: workchain.parse().ok()?, hash: hash.parse().ok()? })
    }

    fn parse_friendly(text: &str) -> Result<Self, AddressError> {
        let bytes = URL_SAFE
            .decode(text)
            .or_else(|_| STANDARD.decode(text))
            .map_err(|_| AddressError::Form(text.into()))?;
        let bytes: [u8; 36] = bytes.try_into().map_err(|_| AddressError::Form(text.into()))?;
        if CRC.checksum(&bytes[..34]).to_be_bytes() != bytes[34..] {
            return Err(AddressError::Checksum(text.into()));
        }
        if !matches!(bytes[0] & !TEST_ONLY, BOUNCEABLE | NON_BOUNCEABLE) {
            return Err(AddressError::Flags(text.into()));
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(&bytes[2..34]);
        Ok(Self { workchain: i8::from_be_bytes([bytes[1]]), hash: Hash32(hash) })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.workchain, self.hash)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.len() == 48 && text.is_ascii() {
            return Self::parse_friendly(text);
        }
        Self::parse_raw(text).ok_or_else(|| AddressError::Form(text.chars().take(80).collect()))
    }
}

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn known_forms_of_one_address() {
        // TEP-2's own example.
        let address: Address =
            "-1:fcb91a3a3816d0f7b8c2c76108b8a9bc5a6b7a55bd79f8ab101c52db29232260".parse().unwrap();
        assert_eq!(
            address.friendly(AddressForm::TestBounceable),
            "kf_8uRo6OBbQ97jCx2EIuKm8Wmt6Vb15-KsQHFLbKSMiYIny"
        );
        assert_eq!("kf/8uRo6OBbQ97jCx2EIuKm8Wmt6Vb15+KsQHFLbKSMiYIny".parse(), Ok(address));
    }

    #[test]
    fn a_mistyped_character_is_seen() {
        assert!(matches!(
            "kf_8uRo6OBbQ97jCx2EIuKm8Wmt6Vb15-KsQHFLbKSMiYInz".parse::<Address>(),
            Err(AddressError::Checksum(_))
        ));
    }

    proptest::proptest! {
        #[test]
        fn any_text_parses_or_is_refused(text in ".{0,80}") {
            let _ = text.parse::<Address>();
        }

        #[test]
        fn round_trip(workchain in -128i8..=127, hash: [u8; 32]) {
            let address = Address { workchain, hash: Hash32(hash) };
            proptest::prop_assert_eq!(address.to_string().parse(), Ok(address));
            for form in [AddressForm::Bounceable, AddressForm::NonBounceable,
                         AddressForm::TestBounceable, AddressForm::TestNonBounceable] {
                proptest::prop_assert_eq!(address.friendly(form).parse(), Ok(address));
            }
        }
    }
}
