//! The directory of keystore files.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fog_protocol::SecretKey;
use zeroize::{Zeroize as _, Zeroizing};

use super::container::{Container, KdfParams, MAX_FILE};
use super::{EntryInfo, KeystoreError, Password, SecretKind, UnlockedWallet, WalletRecord};
use crate::{Mnemonic, Wallet, WalletVersion};

/// Entries listed at most; more means the directory is something else.
const MAX_ENTRIES: usize = 10_000;
/// How often and how long a writer waits for another: 5 seconds in all.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// Between the words and the mnemonic's own password in a decrypted entry.
const SEPARATOR: char = '\n';

/// A directory of encrypted entries. Opening it takes no password; each entry has its own.
#[derive(Debug, Clone)]
pub struct Keystore {
    directory: PathBuf,
    params: KdfParams,
}

impl Keystore {
    /// Opens the keystore in `directory`, creating it (mode 0700) if it is not there.
    ///
    /// # Errors
    /// [`KeystoreError::Io`]; [`KeystoreError::OpenToOthers`] if others can read it.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, KeystoreError> {
        let directory = directory.into();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(io_error("cannot create", &directory))?;
        let metadata = fs::metadata(&directory).map_err(io_error("cannot read", &directory))?;
        if metadata.mode() & 0o077 != 0 {
            return Err(KeystoreError::OpenToOthers { path: directory, mode: "700" });
        }
        Ok(Self { directory, params: KdfParams::DEFAULT })
    }

    /// The same keystore, writing new entries with another password cost.
    #[must_use]
    pub const fn with_kdf(mut self, params: KdfParams) -> Self {
        self.params = params;
        self
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// All entries, by name. Damaged files are errors, not omissions: a wallet that silently
    /// disappears from a list gets replaced.
    ///
    /// # Errors
    /// [`KeystoreError::Io`], [`KeystoreError::Malformed`].
    pub fn list(&self) -> Result<Vec<EntryInfo>, KeystoreError> {
        let reading = || io_error("cannot read", &self.directory);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(reading())? {
            let file = entry.map_err(reading())?.file_name();
            if let Some(name) = file.to_str().and_then(|file| file.strip_suffix(".json"))
                && check_name(name).is_ok()
            {
                names.push(name.to_owned());
            }
            if names.len() > MAX_ENTRIES {
                let source = io::Error::other("too many files for a keystore");
                return Err(reading()(source));
            }
        }
        names.sort_unstable();
        names.iter().map(|name| self.info(name)).collect()
    }

    /// One entry, without its password.
    ///
    /// # Errors
    /// [`KeystoreError::NotFound`], [`KeystoreError::Malformed`], [`KeystoreError::Io`].
    pub fn info(&self, name: &str) -> Result<EntryInfo, KeystoreError> {
        let container = self.read(name)?;
        let (origin, header) = (container.origin(), container.header);
        Ok(EntryInfo { name: header.name, kind: header.kind, wallet: header.wallet, origin })
    }

    /// Makes a new wallet from fresh words and stores it. The words are returned to be shown once.
    ///
    /// # Errors
    /// [`KeystoreError`]; nothing is stored then.
    pub fn new_wallet(
        &self,
        name: &str,
        password: &Password,
        version: WalletVersion,
        network_id: i32,
    ) -> Result<(EntryInfo, Mnemonic), KeystoreError> {
        let mnemonic = Mnemonic::generate()?;
        let info = self.import_mnemonic(name, password, &mnemonic, version, network_id)?;
        Ok((info, mnemonic))
    }

    /// Stores the wallet of 24 words.
    ///
    /// # Errors
    /// [`KeystoreError`]; nothing is stored then.
    pub fn import_mnemonic(
        &self,
        name: &str,
        password: &Password,
        mnemonic: &Mnemonic,
        version: WalletVersion,
        network_id: i32,
    ) -> Result<EntryInfo, KeystoreError> {
        let wallet = Wallet::new(version, mnemonic.secret_key().public(), network_id)?;
        let mut text = Zeroizing::new(String::with_capacity(2048));
        text.push_str(mnemonic.phrase());
        text.push(SEPARATOR);
        text.push_str(mnemonic.password());
        let record = Some(WalletRecord::of(&wallet));
        self.create(name, SecretKind::WalletMnemonic, record, password, text.as_bytes())
    }

    /// Stores a wallet of which only the key is known.
    ///
    /// # Errors
    /// [`KeystoreError`]; nothing is stored then.
    pub fn import_key(
        &self,
        name: &str,
        password: &Password,
        key: &SecretKey,
        version: WalletVersion,
        network_id: i32,
    ) -> Result<EntryInfo, KeystoreError> {
        let wallet = Wallet::new(version, key.public(), network_id)?;
        let record = Some(WalletRecord::of(&wallet));
        self.create(name, SecretKind::WalletKey, record, password, key.seed().as_ref())
    }

    /// Decrypts a wallet for signing, and checks that the key gives the address the file shows.
    ///
    /// # Errors
    /// [`KeystoreError::WrongPassword`], [`KeystoreError::Kind`] if it is no wallet, and others.
    pub fn unlock(&self, name: &str, password: &Password) -> Result<UnlockedWallet, KeystoreError> {
        let container = self.read(name)?;
        let found = container.header.kind;
        let Some(record) = &container.header.wallet else {
            return Err(KeystoreError::Kind { name: name.into(), found, wanted: "wallet" });
        };
        let secret = container.open(password)?;
        let key = match found {
            SecretKind::WalletMnemonic => parse_mnemonic(name, &secret)?.secret_key(),
            SecretKind::WalletKey
            | SecretKind::SessionKey
            | SecretKind::SealKey
            | SecretKind::VerifierKey
            | SecretKind::Other => SecretKey::from_seed(&*parse_seed(name, &secret)?),
        };
        let WalletRecord { version, network_id, subwallet, address } = *record;
        let wallet = Wallet::with_subwallet(version, key.public(), network_id, subwallet)?;
        if wallet.address() != address {
            let reason = format!("its key belongs to {}, not to {address}", wallet.address());
            return Err(KeystoreError::Malformed { name: name.into(), reason });
        }
        Ok(UnlockedWallet { wallet, key })
    }

    /// The words of a wallet, for writing them down.
    ///
    /// # Errors
    /// [`KeystoreError::Kind`] if only the key is known; [`KeystoreError::WrongPassword`].
    pub fn export_mnemonic(
        &self,
        name: &str,
        password: &Password,
    ) -> Result<Mnemonic, KeystoreError> {
        let secret = self.get_secret(name, SecretKind::WalletMnemonic, password)?;
        parse_mnemonic(name, &secret)
    }

    /// Stores any other secret, such as a worker's session key.
    ///
    /// # Errors
    /// [`KeystoreError`]; nothing is stored then.
    pub fn put_secret(
        &self,
        name: &str,
        kind: SecretKind,
        secret: &[u8],
        password: &Password,
    ) -> Result<EntryInfo, KeystoreError> {
        if matches!(kind, SecretKind::WalletMnemonic | SecretKind::WalletKey) {
            let wanted = "secret without an address (import wallets instead)";
            return Err(KeystoreError::Kind { name: name.into(), found: kind, wanted });
        }
        self.create(name, kind, None, password, secret)
    }

    /// Decrypts an entry of the given kind.
    ///
    /// # Errors
    /// [`KeystoreError::Kind`] if it is of another; [`KeystoreError::WrongPassword`].
    pub fn get_secret(
        &self,
        name: &str,
        kind: SecretKind,
        password: &Password,
    ) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        let container = self.read(name)?;
        if container.header.kind != kind {
            let (found, wanted) = (container.header.kind, kind_name(kind));
            return Err(KeystoreError::Kind { name: name.into(), found, wanted });
        }
        container.open(password)
    }

    /// Encrypts an entry anew under another password (fresh salt and nonce).
    ///
    /// # Errors
    /// [`KeystoreError::WrongPassword`], [`KeystoreError::WeakPassword`], and others; the entry
    /// stays as it was then.
    pub fn change_password(
        &self,
        name: &str,
        old: &Password,
        new: &Password,
    ) -> Result<(), KeystoreError> {
        new.check_strength()?;
        let _lock = self.lock()?;
        let container = self.read(name)?;
        let secret = container.open(old)?;
        let header = container.header;
        let renewed = Container::seal(name, header.kind, header.wallet, self.params, new, &secret)?;
        self.write(name, &renewed)
    }

    /// Deletes an entry. The password is asked so that nothing is lost by a slip.
    ///
    /// # Errors
    /// [`KeystoreError::WrongPassword`], [`KeystoreError::NotFound`], [`KeystoreError::Io`].
    pub fn remove(&self, name: &str, password: &Password) -> Result<(), KeystoreError> {
        let _lock = self.lock()?;
        self.read(name)?.open(password)?;
        let path = self.path(name)?;
        fs::remove_file(&path).map_err(io_error("cannot remove", &path))?;
        self.sync_directory()
    }

    fn create(
        &self,
        name: &str,
        kind: SecretKind,
        wallet: Option<WalletRecord>,
        password: &Password,
        secret: &[u8],
    ) -> Result<EntryInfo, KeystoreError> {
        password.check_strength()?;
        let path = self.path(name)?;
        let container = Container::seal(name, kind, wallet.clone(), self.params, password, secret)?;
        let _lock = self.lock()?;
        if path.symlink_metadata().is_ok() {
            return Err(KeystoreError::Exists(name.into()));
        }
        self.write(name, &container)?;
        Ok(EntryInfo { name: name.into(), kind, wallet, origin: container.origin() })
    }

    fn path(&self, name: &str) -> Result<PathBuf, KeystoreError> {
        check_name(name)?;
        Ok(self.directory.join(format!("{name}.json")))
    }

    fn read(&self, name: &str) -> Result<Container, KeystoreError> {
        let path = self.path(name)?;
        let file = File::open(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => KeystoreError::NotFound(name.into()),
            _ => KeystoreError::Io { action: "cannot read", path: path.clone(), source },
        })?;
        let metadata = file.metadata().map_err(io_error("cannot read", &path))?;
        if metadata.mode() & 0o077 != 0 {
            return Err(KeystoreError::OpenToOthers { path, mode: "600" });
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(io_error("cannot read", &path))?;
        Container::parse(name, &bytes)
    }

    /// Writes the whole file or nothing; the caller holds the lock.
    fn write(&self, name: &str, container: &Container) -> Result<(), KeystoreError> {
        let path = self.path(name)?;
        let temporary = self.directory.join(format!(".{name}.tmp"));
        // Left behind by a crash; the lock says nobody else is writing it.
        let _ = fs::remove_file(&temporary);
        let bytes = container.to_bytes()?;
        let written =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).and_then(
                |mut file| {
                    file.write_all(&bytes)?;
                    file.sync_all()
                },
            );
        written.map_err(io_error("cannot write", &temporary))?;
        fs::rename(&temporary, &path).map_err(io_error("cannot write", &path))?;
        self.sync_directory()
    }

    fn sync_directory(&self) -> Result<(), KeystoreError> {
        File::open(&self.directory)
            .and_then(|directory| directory.sync_all())
            .map_err(io_error("cannot sync", &self.directory))
    }

    /// Held until the returned file is dropped.
    fn lock(&self) -> Result<File, KeystoreError> {
        let path = self.directory.join(".lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io_error("cannot lock", &path))?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(source)) => {
                    return Err(io_error("cannot lock", &path)(source));
                }
            }
        }
        Err(KeystoreError::Busy)
    }
}

fn io_error(action: &'static str, path: &Path) -> impl Fn(io::Error) -> KeystoreError {
    let path = path.to_owned();
    move |source| KeystoreError::Io { action, path: path.clone(), source }
}

fn check_name(name: &str) -> Result<(), KeystoreError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let good = (1..=64).contains(&name.len())
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|byte| plain(byte) || byte == b'-' || byte == b'_');
    if good { Ok(()) } else { Err(KeystoreError::Name(name.chars().take(80).collect())) }
}

const fn kind_name(kind: SecretKind) -> &'static str {
    match kind {
        SecretKind::WalletMnemonic => "wallet with 24 words",
        SecretKind::WalletKey => "wallet key",
        SecretKind::SessionKey => "session key",
        SecretKind::SealKey => "sealing key",
        SecretKind::VerifierKey => "verifier key",
        SecretKind::Other => "secret of another kind",
    }
}

fn parse_mnemonic(name: &str, secret: &[u8]) -> Result<Mnemonic, KeystoreError> {
    let text = std::str::from_utf8(secret).map_err(|_| unreadable(name))?;
    let (phrase, password) = text.split_once(SEPARATOR).ok_or_else(|| unreadable(name))?;
    Ok(Mnemonic::parse_with_password(phrase, password)?)
}

fn parse_seed(name: &str, secret: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeystoreError> {
    let mut seed = Zeroizing::new([0; 32]);
    if secret.len() != seed.len() {
        seed.zeroize();
        return Err(unreadable(name));
    }
    seed.copy_from_slice(secret);
    Ok(seed)
}

fn unreadable(name: &str) -> KeystoreError {
    let reason = "what it holds is not what its kind says".into();
    KeystoreError::Malformed { name: name.into(), reason }
}
