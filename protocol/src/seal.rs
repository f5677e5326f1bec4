//! Payloads sealed to one receiver: HPKE (RFC 9180), X25519, HKDF-SHA256, ChaCha20-Poly1305.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use hpke::{
    Deserializable, Kem as _, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305,
    kdf::HkdfSha256, kem::X25519HkdfSha256 as Kem,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{Hash32, KeyError};

/// Why sealing or opening failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The receiver's key is no usable X25519 key.
    #[error("the receiver's encryption key is not a usable X25519 key")]
    BadKey,
    /// Wrong key, wrong context, or the bytes were changed.
    #[error("the sealed payload does not open: wrong key or context, or it was changed")]
    DoesNotOpen,
    /// Shorter than the 32-byte encapsulated key and the 16-byte tag.
    #[error("the sealed payload is truncated")]
    Truncated,
}

/// An X25519 public key others seal to.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(transparent)]
pub struct SealPublicKey(pub Hash32);

/// The secret half; wiped on drop, never printed.
#[derive(Clone)]
pub struct SealKey {
    secret: <Kem as hpke::Kem>::PrivateKey,
    public: SealPublicKey,
}

impl SealKey {
    /// The key pair derived from a 32-byte secret (RFC 9180 DeriveKeyPair).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let (secret, public) = Kem::derive_keypair(seed);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&public.to_bytes());
        Self { secret, public: SealPublicKey(Hash32(bytes)) }
    }

    /// A fresh key pair.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`].
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|_| KeyError::NoRandomness)?;
        Ok(Self::from_seed(&seed))
    }

    /// What others seal to.
    #[must_use]
    pub const fn public(&self) -> SealPublicKey {
        self.public
    }

    /// Opens what [`seal`] made for this key under the same `context`.
    ///
    /// # Errors
    /// [`SealError::Truncated`], [`SealError::DoesNotOpen`].
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (key, text) = sealed.split_at_checked(32).ok_or(SealError::Truncated)?;
        let key =
            <Kem as hpke::Kem>::EncappedKey::from_bytes(key).map_err(|_| SealError::DoesNotOpen)?;
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Kem>(
            &OpModeR::Base,
            &self.secret,
            &key,
            b"fog/seal/v1",
            text,
            context,
        )
        .map_err(|_| SealError::DoesNotOpen)
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey(.. {:?})", self.public)
    }
}

/// Seals `plain` to `receiver`; `context` (task id and purpose) must be given again to open it.
/// Returns the 32-byte encapsulated key followed by the ciphertext.
///
/// # Errors
/// [`SealError::BadKey`].
pub fn seal(receiver: &SealPublicKey, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let key =
        <Kem as hpke::Kem>::PublicKey::from_bytes(&receiver.0.0).map_err(|_| SealError::BadKey)?;
    let (encapsulated, text) = hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, Kem>(
        &OpModeS::Base,
        &key,
        b"fog/seal/v1",
        plain,
        context,
    )
    .map_err(|_| SealError::BadKey)?;
    let mut sealed = encapsulated.to_bytes().to_vec();
    sealed.extend_from_slice(&text);
    Ok(sealed)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn opens_only_for_the_receiver_and_its_context() {
        let key = SealKey::from_seed(&[1; 32]);
        let sealed = seal(&key.public(), b"task", b"work").unwrap();
        assert_eq!(key.open(b"task", &sealed), Ok(b"work".to_vec()));
        assert_eq!(key.open(b"other", &sealed), Err(SealError::DoesNotOpen));
        let other = SealKey::from_seed(&[2; 32]);
        assert_eq!(other.open(b"task", &sealed), Err(SealError::DoesNotOpen));
        assert!(!format!("{key:?}").contains(&hex::encode([1; 32])));
    }

    proptest::proptest! {
        #[test]
        fn garbage_never_opens(bytes: Vec<u8>) {
            proptest::prop_assert!(SealKey::from_seed(&[1; 32]).open(b"", &bytes).is_err());
        }
    }
}
