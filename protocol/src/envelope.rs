//! Signed envelopes: a value, its signer and an Ed25519 signature over its tagged hash.

use borsh::BorshSerialize;
use serde::{Deserialize, Serialize};

use crate::{Hash32, PublicKey, SecretKey, Signature, tagged_hash};

/// A type that is hashed and signed under a domain tag of its own, so that a signature over one
/// kind of statement never counts as another.
pub trait Tagged: BorshSerialize {
    /// The domain tag, such as `fog/listing/v1`.
    const TAG: &'static str;

    /// The tagged hash of the value's one encoding.
    fn digest(&self) -> Hash32 {
        let mut bytes = Vec::new();
        // Writing to a vector cannot fail; were it to, the empty encoding signs nothing useful.
        if self.serialize(&mut bytes).is_err() {
            bytes.clear();
        }
        tagged_hash(Self::TAG, &[&bytes])
    }
}

/// Why an envelope is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The signature does not match signer and value.
    #[error("the {tag} envelope's signature is not by {signer}: sign it again with that key")]
    BadSignature {
        /// The domain tag of the value.
        tag: &'static str,
        /// The key that was claimed.
        signer: PublicKey,
    },
}

/// A value with the key that signed it.
#[derive(
    Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, borsh::BorshDeserialize,
)]
pub struct Signed<T> {
    /// What is signed.
    pub value: T,
    /// Who signed.
    pub signer: PublicKey,
    /// Ed25519 over the value's [`Tagged::digest`].
    pub signature: Signature,
}

impl<T: Tagged> Signed<T> {
    /// Signs `value` with `key`.
    pub fn new(value: T, key: &SecretKey) -> Self {
        let signature = key.sign(&value.digest().0);
        Self { value, signer: key.public(), signature }
    }

    /// Checks the signature and returns the value.
    ///
    /// # Errors
    /// [`EnvelopeError::BadSignature`].
    pub fn verify(&self) -> Result<&T, EnvelopeError> {
        self.signer
            .verify(&self.value.digest().0, &self.signature)
            .map_err(|_| EnvelopeError::BadSignature { tag: T::TAG, signer: self.signer })?;
        Ok(&self.value)
    }
}
