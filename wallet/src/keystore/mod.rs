//! The keystore: one encrypted file per wallet or secret, in a directory only its owner can read.
//!
//! ```text
//! <directory>/        0700
//!   .lock             one writer at a time
//!   <name>.json       0600, written whole: temporary file, fsync, rename, fsync of the directory
//! ```
//!
//! What a file shows without the password: its name, kind, and a wallet's address, version and
//! network. That header is authenticated: a changed one no longer opens.

mod container;
mod store;

pub use container::KdfParams;
pub use store::Keystore;

use std::fmt;
use std::path::PathBuf;

use fog_protocol::{Address, SecretKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{MnemonicError, Wallet, WalletError, WalletVersion};

/// Shortest password a new entry accepts.
const MIN_PASSWORD: usize = 8;

/// Why the keystore cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// The file system said no.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// Others can read the file or directory.
    #[error("{path} can be read by others: run `chmod {mode} {path}`", path = path.display())]
    OpenToOthers {
        /// The path.
        path: PathBuf,
        /// The mode it should have.
        mode: &'static str,
    },
    /// Names are file names: short and plain.
    #[error(
        "`{0}` is no good name: use 1 to 64 of a-z, 0-9, - and _, starting with a letter or digit"
    )]
    Name(String),
    /// Nothing is ever overwritten.
    #[error("there is already an entry `{0}`: choose another name")]
    Exists(String),
    /// No such entry.
    #[error("there is no entry `{0}` in the keystore")]
    NotFound(String),
    /// Wrong password, or the file was changed: the cipher cannot tell which.
    #[error("wrong password for `{0}` (or the file was altered)")]
    WrongPassword(String),
    /// A new entry's password is too short.
    #[error("the password is too short: at least {MIN_PASSWORD} characters")]
    WeakPassword,
    /// Not a keystore file, or of a version this program does not know.
    #[error("the keystore file `{name}` cannot be read: {reason}")]
    Malformed {
        /// The entry.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The entry holds something else.
    #[error("`{name}` holds a {found}, not a {wanted}")]
    Kind {
        /// The entry.
        name: String,
        /// What it is.
        found: SecretKind,
        /// What was asked for.
        wanted: &'static str,
    },
    /// Another program is writing.
    #[error("the keystore is being written by another program; try again")]
    Busy,
    /// The secret is larger than a keystore entry holds.
    #[error("a secret of {0} bytes is too large for the keystore")]
    TooLarge(usize),
    /// The operating system gave no randomness.
    #[error("the operating system's random generator failed")]
    NoRandomness,
    /// The key derivation or cipher failed, for lack of memory.
    #[error("the password could not be turned into a key: {0}")]
    Crypto(String),
    /// The stored mnemonic is none.
    #[error(transparent)]
    Mnemonic(#[from] MnemonicError),
    /// The stored wallet cannot be rebuilt.
    #[error(transparent)]
    Wallet(#[from] WalletError),
}

/// A password. Wiped on drop, never printed by `Debug`.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes over a password as typed.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(crate) fn check_strength(&self) -> Result<(), KeystoreError> {
        if self.0.chars().count() < MIN_PASSWORD {
            return Err(KeystoreError::WeakPassword);
        }
        Ok(())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// What an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretKind {
    /// A wallet with its 24 words.
    WalletMnemonic,
    /// A wallet of which only the key is known.
    WalletKey,
    /// A worker's session key (32-byte Ed25519 seed).
    SessionKey,
    /// A worker's key for sealed payloads (32-byte X25519 secret).
    SealKey,
    /// A verifier's signing key (32-byte Ed25519 seed).
    VerifierKey,
    /// Anything else.
    Other,
}

impl fmt::Display for SecretKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::WalletMnemonic => "wallet (24 words)",
            Self::WalletKey => "wallet (key only)",
            Self::SessionKey => "session key",
            Self::SealKey => "sealing key",
            Self::VerifierKey => "verifier key",
            Self::Other => "secret",
        })
    }
}

/// The public part of a wallet entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalletRecord {
    /// Its address (raw form in the file).
    pub address: Address,
    /// `v5r1` or `v4r2`.
    #[serde(with = "version_text")]
    pub version: WalletVersion,
    /// Global id of its network: -239 main, -3 test.
    pub network_id: i32,
    /// Subwallet number.
    pub subwallet: u16,
}

impl WalletRecord {
    pub(crate) const fn of(wallet: &Wallet) -> Self {
        Self {
            address: wallet.address(),
            version: wallet.version(),
            network_id: wallet.network_id(),
            subwallet: wallet.subwallet(),
        }
    }
}

/// What the keystore tells about an entry without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryInfo {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: SecretKind,
    /// For wallets: which. Shown as the file says; checked when the entry is opened.
    pub wallet: Option<WalletRecord>,
    /// Whose key it is.
    pub origin: KeyOrigin,
}

/// Whether a key is its owner's alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOrigin {
    /// Nobody else is known to have it.
    Own,
    /// Of a local network: computed from a number that anybody can guess. Good for the embedded
    /// chain, and for nothing else.
    LocalOnly,
}

impl KeyOrigin {
    /// Keys and words of local networks begin like this.
    const SEED: &[u8] = b"LOCAL ONLY";
    const WORDS: &[u8] = b"local only ";

    /// The origin of a secret: a key's seed, or words.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        let local = secret.starts_with(Self::SEED) || secret.starts_with(Self::WORDS);
        if local { Self::LocalOnly } else { Self::Own }
    }
}

/// A wallet with its key, ready to sign. `Debug` shows no secret.
#[derive(Debug)]
pub struct UnlockedWallet {
    /// The wallet.
    pub wallet: Wallet,
    /// Its key.
    pub key: SecretKey,
}

mod version_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::WalletVersion;

    pub(super) fn serialize<S: Serializer>(
        version: &WalletVersion,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(version)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<WalletVersion, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
