//! One keystore file: a JSON container around an encrypted secret.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KeyOrigin, KeystoreError, Password, SecretKind, WalletRecord};

/// Format of the file.
const VERSION: u32 = 1;
/// Largest file read.
pub(super) const MAX_FILE: u64 = 64 * 1024;
/// Largest secret stored.
pub(super) const MAX_SECRET: usize = 16 * 1024;
/// Separates what is authenticated here from any other use of the same key.
const AAD_TAG: &[u8] = b"fog/keystore/v1\0";

/// Cost of turning a password into a key (Argon2id). Files outside the bounds below are refused
/// before any memory is taken, whatever they ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KdfParams {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub iterations: u32,
    /// Lanes.
    pub lanes: u32,
}

impl KdfParams {
    /// 64 MiB, 3 passes, 1 lane: about a fifth of a second.
    pub const DEFAULT: Self = Self { memory_kib: 64 * 1024, iterations: 3, lanes: 1 };
    /// The least accepted: 8 MiB, one pass.
    pub const MIN: Self = Self { memory_kib: 8 * 1024, iterations: 1, lanes: 1 };
    /// The most accepted: 256 MiB, 10 passes, 4 lanes.
    pub const MAX: Self = Self { memory_kib: 256 * 1024, iterations: 10, lanes: 4 };

    fn is_in_bounds(&self) -> bool {
        (Self::MIN.memory_kib..=Self::MAX.memory_kib).contains(&self.memory_kib)
            && (Self::MIN.iterations..=Self::MAX.iterations).contains(&self.iterations)
            && (Self::MIN.lanes..=Self::MAX.lanes).contains(&self.lanes)
    }
}

impl Default for KdfParams {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What is readable, and authenticated, without the password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    version: u32,
    pub(super) name: String,
    pub(super) kind: SecretKind,
    pub(super) wallet: Option<WalletRecord>,
    /// Only in files that protect nothing, so that whoever opens one sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) warning: Option<Warning>,
    kdf: Kdf,
    cipher: Cipher,
}

/// What a file says of its own worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Warning {
    /// The key of a local network's account: everybody can compute it.
    #[serde(rename = "LOCAL ONLY: everybody knows this key")]
    LocalOnly,
}

impl Warning {
    fn of(origin: KeyOrigin) -> Option<Self> {
        (origin == KeyOrigin::LocalOnly).then_some(Self::LocalOnly)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kdf {
    algorithm: KdfAlgorithm,
    #[serde(with = "hex::serde")]
    salt: [u8; 16],
    params: KdfParams,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum KdfAlgorithm {
    #[serde(rename = "argon2id")]
    Argon2id,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cipher {
    algorithm: CipherAlgorithm,
    #[serde(with = "hex::serde")]
    nonce: [u8; 24],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum CipherAlgorithm {
    #[serde(rename = "xchacha20poly1305")]
    XChaCha20Poly1305,
}

/// A whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Container {
    pub(super) header: Header,
    #[serde(with = "hex::serde")]
    ciphertext: Vec<u8>,
}

impl Container {
    /// Encrypts `secret` under `password` with a fresh salt and nonce.
    pub(super) fn seal(
        name: &str,
        kind: SecretKind,
        wallet: Option<WalletRecord>,
        params: KdfParams,
        password: &Password,
        secret: &[u8],
    ) -> Result<Self, KeystoreError> {
        if secret.len() > MAX_SECRET {
            return Err(KeystoreError::TooLarge(secret.len()));
        }
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        getrandom::fill(&mut salt).map_err(|_| KeystoreError::NoRandomness)?;
        getrandom::fill(&mut nonce).map_err(|_| KeystoreError::NoRandomness)?;
        let header = Header {
            version: VERSION,
            name: name.to_owned(),
            kind,
            wallet,
            warning: Warning::of(KeyOrigin::of(secret)),
            kdf: Kdf { algorithm: KdfAlgorithm::Argon2id, salt, params },
            cipher: Cipher { algorithm: CipherAlgorithm::XChaCha20Poly1305, nonce },
        };
        let aad = header.aad()?;
        let ciphertext = header
            .cipher_under(password)?
            .encrypt(&XNonce::from(nonce), Payload { msg: secret, aad: &aad })
            .map_err(|_| KeystoreError::Crypto("encryption failed".into()))?;
        Ok(Self { header, ciphertext })
    }

    /// Reads a file's bytes. Nothing is derived or decrypted yet, and nothing larger than the
    /// bytes given is allocated.
    pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<Self, KeystoreError> {
        let malformed = |reason: String| KeystoreError::Malformed { name: name.into(), reason };
        if bytes.len() as u64 > MAX_FILE {
            return Err(malformed(format!("it is larger than {MAX_FILE} bytes")));
        }
        let container: Self =
            serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        let header = &container.header;
        if header.version != VERSION {
            let version = header.version;
            return Err(malformed(format!("version {version} needs a newer program")));
        }
        if header.name != name {
            return Err(malformed(format!("it belongs to the entry `{}`", header.name)));
        }
        if !header.kdf.params.is_in_bounds() {
            return Err(malformed(format!(
                "its password cost {:?} is outside the accepted bounds",
                header.kdf.params
            )));
        }
        let is_wallet = matches!(header.kind, SecretKind::WalletMnemonic | SecretKind::WalletKey);
        if is_wallet != header.wallet.is_some() {
            return Err(malformed("kind and wallet do not fit together".into()));
        }
        Ok(container)
    }

    /// Decrypts the secret.
    pub(super) fn open(&self, password: &Password) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        let aad = self.header.aad()?;
        self.header
            .cipher_under(password)?
            .decrypt(
                &XNonce::from(self.header.cipher.nonce),
                Payload { msg: &self.ciphertext, aad: &aad },
            )
            .map(Zeroizing::new)
            .map_err(|_| KeystoreError::WrongPassword(self.header.name.clone()))
    }

    /// Whose key it is, as the header says.
    pub(super) const fn origin(&self) -> KeyOrigin {
        match self.header.warning {
            Some(Warning::LocalOnly) => KeyOrigin::LocalOnly,
            None => KeyOrigin::Own,
        }
    }

    /// The file's bytes.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, KeystoreError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| self.unwritable(&error))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    fn unwritable(&self, error: &serde_json::Error) -> KeystoreError {
        KeystoreError::Malformed { name: self.header.name.clone(), reason: error.to_string() }
    }
}

impl Header {
    /// The header's canonical bytes: serde writes the fields in the order of the structs.
    fn aad(&self) -> Result<Vec<u8>, KeystoreError> {
        let json = serde_json::to_vec(self).map_err(|error| KeystoreError::Malformed {
            name: self.name.clone(),
            reason: error.to_string(),
        })?;
        Ok([AAD_TAG, &json].concat())
    }

    fn cipher_under(&self, password: &Password) -> Result<XChaCha20Poly1305, KeystoreError> {
        let KdfParams { memory_kib, iterations, lanes } = self.kdf.params;
        let mut key = Zeroizing::new([0; 32]);
        Params::new(memory_kib, iterations, lanes, Some(32))
            .map(|params| Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
            .and_then(|argon| {
                argon.hash_password_into(password.bytes(), &self.kdf.salt, key.as_mut())
            })
            .map_err(|error| KeystoreError::Crypto(error.to_string()))?;
        XChaCha20Poly1305::new_from_slice(key.as_ref())
            .map_err(|error| KeystoreError::Crypto(error.to_string()))
    }
}
