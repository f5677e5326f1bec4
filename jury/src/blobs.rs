//! The blobs a verifier keeps: by hash, checked when they come and when they are read, bounded in
//! all; the oldest go first.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use fog_protocol::{BlobRef, Hash32};

/// A folder of blobs.
#[derive(Debug)]
pub struct Blobs {
    root: PathBuf,
    most_bytes: u64,
    /// Held while the folder changes; how many files were written.
    written: Mutex<u64>,
}

impl Blobs {
    /// The blobs in `root`, of `most_bytes` together.
    ///
    /// # Errors
    /// Of the file system.
    pub fn open(root: &Path, most_bytes: u64) -> std::io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        Ok(Self { root: root.to_owned(), most_bytes, written: Mutex::new(0) })
    }

    /// Keeps `bytes`, making room for them.
    ///
    /// # Errors
    /// Of the file system, or that they are more than all the room there is.
    pub fn put(&self, bytes: &[u8]) -> std::io::Result<Hash32> {
        let hash = Hash32::of(bytes);
        let length = bytes.len() as u64;
        if length > self.most_bytes {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        self.make_room(length)?;
        *written += 1;
        let aside = self.root.join(format!("aside-{written}"));
        let mut file = OpenOptions::new();
        let mut file = file.write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        let whole = file.write_all(bytes).and_then(|()| fs::rename(&aside, self.path(&hash)));
        if whole.is_err() {
            // Best effort: the next one of this name writes over it.
            drop(fs::remove_file(&aside));
        }
        whole.map(|()| hash)
    }

    /// The blob, if it is here and unharmed.
    ///
    /// # Errors
    /// Of the file system.
    pub fn get(&self, blob: &BlobRef) -> std::io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.path(&blob.hash)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let mut bytes = Vec::new();
        file.take(blob.bytes.saturating_add(1)).read_to_end(&mut bytes)?;
        let whole = bytes.len() as u64 == blob.bytes && Hash32::of(&bytes) == blob.hash;
        Ok(whole.then_some(bytes))
    }

    fn path(&self, hash: &Hash32) -> PathBuf {
        self.root.join(hash.to_string())
    }

    fn make_room(&self, length: u64) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let facts = entry.metadata()?;
            files.push((facts.modified()?, facts.len(), entry.path()));
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, length, _)| length).sum();
        for (_, size, path) in files {
            if total.saturating_add(length) <= self.most_bytes {
                break;
            }
            fs::remove_file(path)?;
            total -= size;
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn blobs_are_bounded_and_a_changed_one_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path(), 100).unwrap();
        let kept = |bytes: &[u8]| blobs.get(&BlobRef::of(bytes)).unwrap().is_some();
        let [a, b, c] = [[1; 40], [2; 40], [3; 40]];
        for bytes in [a, b, c] {
            blobs.put(&bytes).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!([kept(&a), kept(&b), kept(&c)], [false, true, true], "the oldest went");
        fs::write(blobs.path(&Hash32::of(&b)), [9; 40]).unwrap();
        assert!(!kept(&b), "changed on disk");
        assert!(blobs.put(&[0; 101]).is_err());
        assert!(kept(&c));
    }
}
