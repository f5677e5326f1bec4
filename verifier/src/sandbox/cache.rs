//! Compiled modules on disk, and only ours.
//!
//! Compiled code is as powerful as the process that loads it. So it lies in a directory that we
//! made with mode 0700, and each file carries a MAC (keyed BLAKE3) under a key that is in that
//! directory and is read by the parent only: children that run guests never hold it.
//!
//! A file is the code as Wasmtime serialises it, so that it can be mapped, then what is known of
//! the module, then the MAC. It is checked by reading it through once, and mapped through the same
//! descriptor. Nobody but this user can change it in between, and this user could read the key.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use super::{
    artifact::{Artifact, Code, ModuleFacts},
    limits::Limits,
};

const KEY_FILE: &str = "key";
const KEY_BYTES: usize = 32;
const MAC_BYTES: usize = blake3::OUT_LEN;
/// [`ModuleFacts`] as borsh writes them.
const FACTS_BYTES: usize = 34;
const FOOTER_BYTES: usize = FACTS_BYTES + MAC_BYTES;
/// Read and hashed at once.
const PIECE_BYTES: usize = 64 << 10;
const MAX_FILES: usize = 512;
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Why a cache can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The directory or key is not ours alone.
    #[error("{path} is not private: {reason}")]
    NotPrivate {
        /// What was looked at.
        path: PathBuf,
        /// Which condition fails.
        reason: &'static str,
    },
    /// The file system failed.
    #[error("the cache at {path} can't be used")]
    Io {
        /// What was touched.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The system gave no random key.
    #[error("the system gave no random key")]
    Random,
}

/// A private directory of compiled modules.
pub struct ArtifactCache {
    directory: PathBuf,
    key: [u8; KEY_BYTES],
}

impl ArtifactCache {
    /// Opens the cache, and makes directory and key if they are not there yet.
    ///
    /// # Errors
    /// [`CacheError::NotPrivate`] when others could have written there.
    pub fn open(directory: &Path) -> Result<Self, CacheError> {
        let io_error = |source| CacheError::Io { path: directory.into(), source };
        match DirBuilder::new().mode(0o700).create(directory) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io_error(error)),
        }
        let metadata = fs::symlink_metadata(directory).map_err(io_error)?;
        if !metadata.is_dir() {
            return Err(not_private(directory, "it is not a directory"));
        }
        check_owner(directory, &metadata)?;
        let key = read_or_make_key(&directory.join(KEY_FILE))?;
        Ok(Self { directory: directory.into(), key })
    }

    /// The artifact of a module for an engine and the stack of these limits, if it is here and
    /// carries our MAC. A file that does not is removed.
    #[must_use]
    pub fn get(
        &self,
        module_hash: [u8; 32],
        limits: &Limits,
        fingerprint: [u8; 32],
    ) -> Option<Artifact> {
        let stack_bytes = limits.stack_bytes;
        let name = name(module_hash, stack_bytes, fingerprint);
        let path = self.directory.join(&name);
        let file = open_regular(&path)?;
        let known = self.authenticated(&name, file);
        if known.is_none() {
            tracing::warn!(file = name, "compiled code without our MAC removed from the cache");
            fs::remove_file(&path).ok();
        }
        known.map(|(code, facts)| Artifact { code, facts, module_hash, stack_bytes })
    }

    /// Keeps an artifact; the oldest files make room.
    ///
    /// # Errors
    /// [`CacheError::Io`]. The cache is only quicker, callers may go on without.
    pub fn put(&self, artifact: &Artifact, fingerprint: [u8; 32]) -> Result<(), CacheError> {
        let name = name(artifact.module_hash, artifact.stack_bytes, fingerprint);
        let path = self.directory.join(&name);
        let io_error = |source| CacheError::Io { path: path.clone(), source };
        // Code in a file came from this cache, or from one like it.
        let Code::Bytes(code) = &artifact.code else { return Ok(()) };
        if code.len() as u64 + FOOTER_BYTES as u64 > MAX_FILE_BYTES {
            return Ok(());
        }
        self.make_room().map_err(io_error)?;
        let facts = borsh::to_vec(&artifact.facts).map_err(io_error)?;
        let mut mac = blake3::Hasher::new_keyed(&self.key);
        let mac = seal(mac.update(code), &facts, &name);
        let partial = self.directory.join(format!("{name}.{}.partial", unique()));
        let written = private_file(&partial).and_then(|mut file| {
            file.write_all(code)?;
            file.write_all(&facts)?;
            file.write_all(mac.as_bytes())?;
            fs::rename(&partial, &path)
        });
        if written.is_err() {
            fs::remove_file(&partial).ok();
        }
        written.map_err(io_error)
    }

    fn authenticated(&self, name: &str, file: File) -> Option<(Code, ModuleFacts)> {
        let bytes = file.metadata().ok()?.len();
        let length = bytes.checked_sub(FOOTER_BYTES as u64)?;
        if bytes > MAX_FILE_BYTES {
            return None;
        }
        // In pieces that stay in the processor's cache: code is not copied to be checked.
        let mut mac = blake3::Hasher::new_keyed(&self.key);
        let mut piece = vec![0; PIECE_BYTES];
        let mut left = length;
        while left > 0 {
            let part = piece.get_mut(..left.min(PIECE_BYTES as u64) as usize)?;
            (&file).read_exact(part).ok()?;
            mac.update(part);
            left -= part.len() as u64;
        }
        let mut footer = [0; FOOTER_BYTES];
        (&file).read_exact(&mut footer).ok()?;
        let (facts, found) = footer.split_at(FACTS_BYTES);
        // Comparing hashes takes the same time wherever they differ.
        if seal(&mut mac, facts, name) != blake3::Hash::from_slice(found).ok()? {
            return None;
        }
        let facts = borsh::from_slice::<ModuleFacts>(facts).ok()?;
        Some((Code::File { file: file.into(), length }, facts))
    }

    fn make_room(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if entry.file_name() != KEY_FILE {
                files.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        if files.len() >= MAX_FILES {
            files.sort();
            for (_, path) in files.iter().take(files.len() + 1 - MAX_FILES) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// Over code, facts and name. The name stands for module, stack and engine: one file never passes for
/// another. It comes last because BLAKE3 is quickest when long input starts at a boundary.
fn seal(mac: &mut blake3::Hasher, facts: &[u8], name: &str) -> blake3::Hash {
    mac.update(facts).update(name.as_bytes()).update(b"fog/sandbox/artifact/v3").finalize()
}

fn name(module_hash: [u8; 32], stack_bytes: u32, fingerprint: [u8; 32]) -> String {
    let mut hash = Sha256::new();
    hash.update(module_hash);
    hash.update(stack_bytes.to_le_bytes());
    hash.update(fingerprint);
    format!("{}.code", hex::encode(hash.finalize()))
}

/// Opens what is a file and no link, whatever lies there: never waits for a pipe's other end.
fn open_regular(path: &Path) -> Option<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

/// Distinguishes files being written by two threads of one process.
fn unique() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn not_private(path: &Path, reason: &'static str) -> CacheError {
    CacheError::NotPrivate { path: path.into(), reason }
}

fn check_owner(path: &Path, metadata: &fs::Metadata) -> Result<(), CacheError> {
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(not_private(path, "another user owns it"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(not_private(path, "others may open it (chmod go= it, or name another)"));
    }
    Ok(())
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn read_or_make_key(path: &Path) -> Result<[u8; KEY_BYTES], CacheError> {
    let io_error = |source| CacheError::Io { path: path.into(), source };
    match private_file(path) {
        Ok(mut file) => {
            let mut key = [0; KEY_BYTES];
            getrandom::fill(&mut key).map_err(|_| CacheError::Random)?;
            file.write_all(&key).map_err(io_error)?;
            return Ok(key);
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io_error(error)),
    }
    let metadata = fs::symlink_metadata(path).map_err(io_error)?;
    if !metadata.is_file() {
        return Err(not_private(path, "it is not a file"));
    }
    check_owner(path, &metadata)?;
    let bytes = fs::read(path).map_err(io_error)?;
    bytes.try_into().map_err(|_| not_private(path, "the key has the wrong length; remove it"))
}
