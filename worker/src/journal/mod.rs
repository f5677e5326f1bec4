//! The worker's memory: an append-only file, synced before anything is sent that commits us.
//!
//! A worker that crashes at any point starts again with the same tasks, the same results, the same
//! salts and so the same commitments. A torn or damaged tail is cut off (a copy is kept); results
//! lie beside the journal in files of their own, written and synced before the record that names
//! them.

mod record;
mod state;

#[cfg(test)]
mod tests;

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use fog_protocol::{Hash32, TaskId};

pub use record::{Ending, Outcome, Pins, Record, Totals};
pub use state::{Contradiction, Entry, MAX_ENDED, MAX_OPEN, Phase, State};

use record::Check;

const MAGIC: &[u8; 8] = b"FOGJRNL1";
/// A journal longer than this is no journal of ours: it is compacted long before.
const MAX_BYTES: u64 = 512 << 20;
/// Beyond this length the journal is written anew on opening.
const COMPACT_BYTES: u64 = 1 << 20;

/// Why the journal cannot be used. Nothing that would commit the worker is sent after one.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has it open.
    #[error("{0} is in use by another worker: stop that one, or use another data folder")]
    InUse(PathBuf),
    /// The disk is full.
    #[error("no space left for {0}: free some; until then the worker does not bid")]
    Full(PathBuf),
    /// Any other failure of the file system.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Not a journal, or one of another version.
    #[error("{0} is not a journal of this software: use another data folder")]
    NotAJournal(PathBuf),
    /// An earlier write failed: what is on disk is unknown until the file is read again.
    #[error("an earlier write to the journal failed: restart the worker")]
    Broken,
    /// The record is longer than the journal takes.
    #[error("the record is too long for the journal")]
    TooLong,
    /// The record contradicts the ones before it.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// A result file is missing or was changed.
    #[error("the result of {0:?} is missing or was changed on disk")]
    LostResult(TaskId),
}

fn failed(path: &Path, source: io::Error) -> JournalError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            JournalError::Full(path.to_owned())
        }
        _ => JournalError::Io { path: path.to_owned(), source },
    }
}

/// What opening found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// Records read.
    pub records: usize,
    /// Bytes at the end that were no whole record; a copy is in `journal.damaged`.
    pub dropped_bytes: u64,
}

/// An open journal. Blocks on every write until the disk has it.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    path: PathBuf,
    file: File,
    /// Held as long as the journal is open.
    _lock: File,
    length: u64,
    check: Check,
    health: Health,
    state: State,
    results: Results,
}

/// The outputs of tasks, one file each.
#[derive(Debug, Clone)]
pub struct Results(PathBuf);

impl Results {
    /// Stores the output of `task`, synced, before [`Record::Executed`] names it.
    ///
    /// # Errors
    /// [`JournalError::Full`], [`JournalError::Io`].
    pub fn store(&self, task: &TaskId, output: &[u8]) -> Result<(), JournalError> {
        write_synced(&self.path(task), output)
    }

    /// The stored output of `task`, checked against its `outcome`.
    ///
    /// # Errors
    /// [`JournalError::LostResult`].
    pub fn load(&self, task: &TaskId, outcome: &Outcome) -> Result<Vec<u8>, JournalError> {
        let lost = || JournalError::LostResult(*task);
        let file = File::open(self.path(task)).map_err(|_| lost())?;
        let mut bytes = Vec::new();
        let most = outcome.output_bytes.saturating_add(1);
        file.take(most).read_to_end(&mut bytes).map_err(|_| lost())?;
        if bytes.len() as u64 != outcome.output_bytes || Hash32::of(&bytes) != outcome.output_hash {
            return Err(lost());
        }
        Ok(bytes)
    }

    fn path(&self, task: &TaskId) -> PathBuf {
        self.0.join(task.to_string())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Good,
    Broken,
}

impl Journal {
    /// Opens the journal in `folder`, making it (readable by its owner only) where there is none.
    ///
    /// # Errors
    /// [`JournalError::InUse`], [`JournalError::NotAJournal`], [`JournalError::Io`].
    pub fn open(folder: &Path) -> Result<(Self, Recovery), JournalError> {
        make_private_folder(folder)?;
        let results = Results(folder.join("results"));
        make_private_folder(&results.0)?;
        let lock = lock(&folder.join("lock"))?;
        let path = folder.join("journal");
        let at = |source| failed(&path, source);
        let mut file = private().read(true).write(true).create(true).open(&path).map_err(at)?;
        if file.metadata().map_err(at)?.len() > MAX_BYTES {
            return Err(JournalError::NotAJournal(path));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(at)?;
        let read = read(&bytes).ok_or_else(|| JournalError::NotAJournal(path.clone()))?;
        let dropped = bytes.get(read.good..).unwrap_or_default();
        if !dropped.is_empty() {
            fs::write(folder.join("journal.damaged"), dropped).map_err(at)?;
        }
        let recovery = Recovery { records: read.records, dropped_bytes: dropped.len() as u64 };
        if read.good < MAGIC.len() {
            file.set_len(0).map_err(at)?;
            file.seek(SeekFrom::Start(0)).map_err(at)?;
            file.write_all(MAGIC).map_err(at)?;
        } else if !dropped.is_empty() {
            file.set_len(read.good as u64).map_err(at)?;
        }
        let length = read.good.max(MAGIC.len()) as u64;
        file.seek(SeekFrom::Start(length)).map_err(at)?;
        file.sync_all().map_err(at)?;
        sync_folder(folder)?;
        let Read { check, state, .. } = read;
        let folder = folder.to_owned();
        let health = Health::Good;
        let mut journal =
            Self { folder, path, file, _lock: lock, length, check, health, state, results };
        if journal.length > COMPACT_BYTES {
            journal.compact()?;
        }
        journal.remove_orphans();
        Ok((journal, recovery))
    }

    /// What the records add up to.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Writes `record` and waits until the disk has it. A record that changes nothing is not
    /// written.
    ///
    /// # Errors
    /// [`JournalError::Contradiction`] (nothing happened), or a failed write: then the journal is
    /// cut back to its last whole record, or broken until it is opened again.
    pub fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        if self.health == Health::Broken {
            return Err(JournalError::Broken);
        }
        // Nobody sees the state before the disk has the record: copying it each time would cost
        // more than writing.
        if !self.state.apply(record)? {
            return Ok(());
        }
        let Some((bytes, check)) = record::encode(&self.check, record) else {
            self.read_again();
            return Err(JournalError::TooLong);
        };
        if let Err(source) = self.file.write_all(&bytes).and_then(|()| self.file.sync_data()) {
            self.cut_back();
            self.read_again();
            return Err(failed(&self.path, source));
        }
        self.length += bytes.len() as u64;
        self.check = check;
        Ok(())
    }

    /// Folds the state again from the records that are on disk.
    fn read_again(&mut self) {
        let read = fs::read(&self.path).ok().and_then(|bytes| {
            let whole = usize::try_from(self.length).ok()?;
            read(bytes.get(..whole)?).filter(|read| read.good == whole)
        });
        match read {
            Some(read) => self.state = read.state,
            None => self.health = Health::Broken,
        }
    }

    fn cut_back(&mut self) {
        let good = self
            .file
            .set_len(self.length)
            .and_then(|()| self.file.seek(SeekFrom::Start(self.length)))
            .and_then(|_| self.file.sync_all());
        if good.is_err() {
            self.health = Health::Broken;
        }
    }

    /// Where outputs lie; can be used while the journal is written.
    #[must_use]
    pub const fn results(&self) -> &Results {
        &self.results
    }

    /// Ends `task` and removes its result file.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn close(&mut self, task: TaskId, ending: Ending) -> Result<(), JournalError> {
        self.append(&Record::Closed { task, ending })?;
        // A file that stays is removed on the next opening.
        let _ = fs::remove_file(self.results.path(&task));
        Ok(())
    }

    /// Can the journal be written and does the disk have room for `bytes` more?
    ///
    /// # Errors
    /// [`JournalError::Broken`], [`JournalError::Full`], [`JournalError::Io`].
    pub fn probe(&mut self, bytes: u64) -> Result<(), JournalError> {
        if self.health == Health::Broken {
            return Err(JournalError::Broken);
        }
        let disk = rustix::fs::statvfs(&self.folder)
            .map_err(|error| failed(&self.folder, io::Error::from(error)))?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < bytes {
            return Err(JournalError::Full(self.folder.clone()));
        }
        Ok(())
    }

    fn compact(&mut self) -> Result<(), JournalError> {
        let mut bytes = MAGIC.to_vec();
        let mut check = Check::default();
        for record in self.state.records() {
            let (encoded, next) = record::encode(&check, &record).ok_or(JournalError::TooLong)?;
            bytes.extend_from_slice(&encoded);
            check = next;
        }
        let Some(Read { state, .. }) = read(&bytes) else { return Err(JournalError::Broken) };
        write_synced(&self.path, &bytes)?;
        let at = |source| failed(&self.path, source);
        let mut file = private().read(true).write(true).open(&self.path).map_err(at)?;
        self.length = file.seek(SeekFrom::End(0)).map_err(at)?;
        self.file = file;
        self.check = check;
        self.state = state;
        Ok(())
    }

    /// Result files of tasks that have ended.
    fn remove_orphans(&self) {
        let Ok(entries) = fs::read_dir(&self.results.0) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let task = name.to_str().and_then(|name| name.parse::<TaskId>().ok());
            if task.is_none_or(|task| self.state.get(&task).is_none()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

struct Read {
    state: State,
    check: Check,
    /// Bytes that are whole records, the magic included.
    good: usize,
    records: usize,
}

/// Reads a journal up to its first torn, changed or contradictory record. `None` if it is no
/// journal at all.
fn read(bytes: &[u8]) -> Option<Read> {
    let mut read = Read { state: State::default(), check: Check::default(), good: 0, records: 0 };
    if bytes.len() < MAGIC.len() {
        // A first write that was torn, or a new file.
        return MAGIC.starts_with(bytes).then_some(read);
    }
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    read.good = MAGIC.len();
    while let Some((record, check, length)) =
        record::decode(&read.check, bytes.get(read.good..).unwrap_or_default())
    {
        if read.state.apply(&record).is_err() {
            break;
        }
        read.check = check;
        read.good += length;
        read.records += 1;
    }
    Some(read)
}

fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

fn make_private_folder(folder: &Path) -> Result<(), JournalError> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| failed(folder, source))
}

fn lock(path: &Path) -> Result<File, JournalError> {
    let file = private().write(true).create(true).open(path).map_err(|e| failed(path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(path, source)),
    }
}

/// Writes a file that is there whole or not at all.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), JournalError> {
    let partial = path.with_extension("partial");
    let written = private()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&partial)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&partial, path));
    if let Err(source) = written {
        let _ = fs::remove_file(&partial);
        return Err(failed(path, source));
    }
    path.parent().map_or(Ok(()), sync_folder)
}

fn sync_folder(folder: &Path) -> Result<(), JournalError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(|source| failed(folder, source))
}
