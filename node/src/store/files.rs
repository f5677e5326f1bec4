//! Bytes too large for the database: blobs, sealed results, results. A file appears whole or not
//! at all: it is written aside, synced, renamed, and its folder synced. Mode 0600.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use fog_protocol::Hash32;

use crate::NodeError;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A blob, by its SHA-256.
    Blob,
    /// A sealed reveal, by its task.
    Submission,
    /// A verified result, by its task.
    Result,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Blob, Self::Submission, Self::Result];

    const fn folder(self) -> &'static str {
        match self {
            Self::Blob => "blobs",
            Self::Submission => "submissions",
            Self::Result => "results",
        }
    }
}

/// The node's files. Every call blocks: use it from `spawn_blocking`.
#[derive(Debug)]
pub(crate) struct Files {
    root: PathBuf,
    counter: AtomicU64,
}

impl Files {
    /// Makes the folders, and removes what an interrupted write left aside.
    pub(crate) fn open(root: &Path) -> Result<Self, NodeError> {
        let folder = |name: &str| {
            let path = root.join(name);
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .map_err(NodeError::io(format!("creating {name}")))
        };
        let aside = root.join("aside");
        match std::fs::remove_dir_all(&aside) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(NodeError::io("cleaning up")(error));
            }
            _ => {}
        }
        folder("aside")?;
        for kind in Kind::ALL {
            folder(kind.folder())?;
        }
        Ok(Self { root: root.to_owned(), counter: AtomicU64::new(0) })
    }

    fn path(&self, kind: Kind, name: &Hash32) -> PathBuf {
        self.root.join(kind.folder()).join(name.to_string())
    }

    /// Stores `bytes`, replacing what had the name; durable when it returns.
    pub(crate) fn put(&self, kind: Kind, name: &Hash32, bytes: &[u8]) -> Result<(), NodeError> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let aside = self.root.join("aside").join(format!("{number}"));
        let write = || {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&aside, self.path(kind, name))?;
            File::open(self.root.join(kind.folder()))?.sync_all()
        };
        write().map_err(|error| {
            // Best effort: the next start removes it otherwise.
            drop(std::fs::remove_file(&aside));
            NodeError::io(format!("storing in {}", kind.folder()))(error)
        })
    }

    /// Reads at most `limit` bytes; `None` if there is no such file or it is longer.
    pub(crate) fn get(
        &self,
        kind: Kind,
        name: &Hash32,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, NodeError> {
        let read = || -> std::io::Result<Option<Vec<u8>>> {
            let file = match File::open(self.path(kind, name)) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                other => other?,
            };
            let mut bytes = Vec::new();
            file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
            Ok((bytes.len() as u64 <= limit).then_some(bytes))
        };
        read().map_err(NodeError::io(format!("reading from {}", kind.folder())))
    }

    /// Is there such a file?
    pub(crate) fn has(&self, kind: Kind, name: &Hash32) -> Result<bool, NodeError> {
        self.path(kind, name).try_exists().map_err(NodeError::io("looking for a file"))
    }

    /// Removes a file, if it is there.
    pub(crate) fn remove(&self, kind: Kind, name: &Hash32) -> Result<(), NodeError> {
        match std::fs::remove_file(self.path(kind, name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(NodeError::io(format!("removing from {}", kind.folder()))(error))
            }
            _ => Ok(()),
        }
    }
}
