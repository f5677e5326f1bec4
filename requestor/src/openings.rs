//! Which commitment each nonce was opened for. A node that got one nonce opened for two commitments
//! could choose between them, with the draw of each in hand: one is signed, and remembered before
//! the signature leaves.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{Error, ErrorKind, Write as _},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use fog_protocol::{Hash32, NonceOpening, TaskId};
use fog_verifier::draw;
use rustix::fs::{CWD, RenameFlags};

/// Longest file of one opening.
const MAX_BYTES: usize = 256;
/// How long an opening is remembered: longer than any task lives, and than a verdict counts that no
/// contract holds (a year, [`fog_contracts::rail::VERDICT_SECONDS`]).
const KEPT: Duration = Duration::from_secs(400 * 24 * 3600);

/// Why a nonce is not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpeningsError {
    /// It was, for something else: a node that shows two commitments of one task tries to choose
    /// between draws.
    #[error(
        "the nonce of task {asked} was opened for commitment {commitment} of task {task} before: \
         it is not opened for another, so its result is checked whatever the draw says"
    )]
    Other {
        /// The task it would be opened for.
        asked: TaskId,
        /// The task it was opened for.
        task: TaskId,
        /// The commitment it was opened for.
        commitment: Hash32,
    },
    /// What was opened is not known: nothing is.
    #[error("{path}: {source}; without it no nonce is opened")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

#[derive(Debug)]
enum Kept {
    /// For as long as this process lives: networks of one's own, tests.
    Memory(Mutex<HashMap<Hash32, (TaskId, Hash32)>>),
    /// A file a nonce, and whether this process has looked for old ones.
    Folder(PathBuf, AtomicBool),
}

/// The memory of a requestor's key, shared by all that sign with it.
#[derive(Debug)]
pub struct Openings(Kept);

impl Openings {
    /// One that lives as long as this process: right where nobody else signs with the key, and
    /// nothing of it outlives the process.
    #[must_use]
    pub fn in_memory() -> Self {
        Self(Kept::Memory(Mutex::default()))
    }

    /// One in files, a small one a nonce, over restarts and between processes. The folder is made
    /// when it is needed; what is older than 400 days goes.
    #[must_use]
    pub const fn in_folder(folder: PathBuf) -> Self {
        Self(Kept::Folder(folder, AtomicBool::new(false)))
    }

    /// Notes that this nonce is opened for this task and commitment: on disk when it returns. The
    /// same again is fine.
    ///
    /// # Errors
    /// [`OpeningsError`]: then nothing may be signed.
    pub fn claim(&self, opening: &NonceOpening) -> Result<(), OpeningsError> {
        let nonce = draw::nonce_hash(&opening.nonce);
        let wanted = (opening.task, opening.commitment);
        let first = match &self.0 {
            Kept::Memory(known) => {
                let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                *known.entry(nonce).or_insert(wanted)
            }
            Kept::Folder(folder, looked) => {
                let path = folder.join(nonce.to_string());
                let first = first_in(folder, &path, wanted)
                    .map_err(|source| OpeningsError::Io { path: path.clone(), source })?;
                if !looked.swap(true, Ordering::Relaxed) {
                    prune(folder, SystemTime::now());
                }
                first
            }
        };
        if first == wanted {
            return Ok(());
        }
        let (task, commitment) = first;
        Err(OpeningsError::Other { asked: opening.task, task, commitment })
    }
}

/// What the file at `path` holds, `wanted` if there was none. Written aside and put into place whole,
/// so that of two processes that try at once one is first.
fn first_in(
    folder: &Path,
    path: &Path,
    wanted: (TaskId, Hash32),
) -> std::io::Result<(TaskId, Hash32)> {
    match read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        known => return known,
    }
    make(folder)?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(Error::other)?;
    let aside = path.with_extension(format!("{:016x}", u64::from_le_bytes(random)));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&aside)?;
    let placed = file
        .write_all(format!("{} {}\n", wanted.0, wanted.1).as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| place(&aside, path, |from, to| fs::hard_link(from, to)));
    match fs::remove_file(&aside) {
        // It was renamed.
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    match placed {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        // Whoever was first may not have come to it yet.
        Ok(()) | Err(_) => sync_with_parent(folder)?,
    }
    read(path)
}

/// Puts the file at `aside` at `path`, where nothing may be: by a link, or on file systems that have none
/// (FAT, some shares) by a rename that replaces nothing.
fn place(
    aside: &Path,
    path: &Path,
    link: impl Fn(&Path, &Path) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let unlinked = match link(aside, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => error,
        placed => return placed,
    };
    let renamed = rustix::fs::renameat_with(CWD, aside, CWD, path, RenameFlags::NOREPLACE);
    renamed.map_err(Error::from).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => error,
        kind => Error::new(
            kind,
            format!(
                "its file system has neither links ({unlinked}) nor renames that replace nothing \
                 ({error}): name another folder with FOG_OPENINGS"
            ),
        ),
    })
}

/// Makes the folder and all that it is in: each lasts once the folder above it is on disk.
fn make(folder: &Path) -> std::io::Result<()> {
    let missing: Vec<_> = folder.ancestors().take_while(|path| !path.exists()).collect();
    fs::create_dir_all(folder)?;
    missing.into_iter().try_for_each(sync_with_parent)
}

fn sync_with_parent(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()?;
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
    File::open(above.unwrap_or(Path::new(".")))?.sync_all()
}

/// Removes what is so old that nobody takes a result for it any more; nothing depends on that.
fn prune(folder: &Path, now: SystemTime) {
    let Ok(files) = fs::read_dir(folder) else { return };
    for file in files.filter_map(Result::ok) {
        let (path, name) = (file.path(), file.file_name());
        let nonce = name.to_str().and_then(|name| name.split('.').next());
        let ours = nonce.is_some_and(|name| name.parse::<Hash32>().is_ok());
        let written = file.metadata().and_then(|file| file.modified());
        let age = written.ok().and_then(|written| now.duration_since(written).ok());
        if ours
            && age.is_some_and(|age| age > KEPT)
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::debug!(path = %path.display(), %error, "an old opening stays");
        }
    }
}

fn read(path: &Path) -> std::io::Result<(TaskId, Hash32)> {
    let bytes = fs::read(path)?;
    let damaged = || std::io::Error::new(ErrorKind::InvalidData, "it is damaged");
    if bytes.len() > MAX_BYTES {
        return Err(damaged());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged())?;
    let (task, commitment) = text.trim_end().split_once(' ').ok_or_else(damaged)?;
    let hash = |text: &str| text.parse::<Hash32>().map_err(|_| damaged());
    Ok((TaskId(hash(task)?), hash(commitment)?))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn opening(task: u8, commitment: u8, nonce: u8) -> NonceOpening {
        let hash = |byte| Hash32([byte; 32]);
        NonceOpening { task: TaskId(hash(task)), commitment: hash(commitment), nonce: hash(nonce) }
    }

    fn is_refused(openings: &Openings, opening: NonceOpening) -> bool {
        matches!(openings.claim(&opening), Err(OpeningsError::Other { .. }))
    }

    /// The node shows one commitment, learns the nonce, and shows another.
    #[test]
    fn a_nonce_is_opened_for_one_commitment_of_one_task() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("openings");
        for openings in [Openings::in_memory(), Openings::in_folder(folder.clone())] {
            openings.claim(&opening(1, 2, 3)).unwrap();
            openings.claim(&opening(1, 2, 3)).unwrap();
            assert!(is_refused(&openings, opening(1, 9, 3)));
            // A listing of the same salt in another epoch has the same nonce.
            assert!(is_refused(&openings, opening(9, 2, 3)));
            openings.claim(&opening(9, 9, 9)).unwrap();
        }
        // After a restart, and in another process, too.
        assert!(is_refused(&Openings::in_folder(folder.clone()), opening(1, 9, 3)));
        Openings::in_folder(folder).claim(&opening(1, 2, 3)).unwrap();
    }

    #[test]
    fn of_many_at_once_one_is_first() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("openings");
        let firsts: Vec<_> = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..16)
                .map(|commitment| {
                    let folder = folder.clone();
                    scope.spawn(move || {
                        Openings::in_folder(folder).claim(&opening(1, commitment, 3)).is_ok()
                    })
                })
                .collect();
            tries.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(firsts.iter().filter(|first| **first).count(), 1);
        let files = fs::read_dir(&folder).unwrap().count();
        assert_eq!(files, 1, "nothing is left aside");
    }

    #[test]
    fn what_cannot_be_known_is_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let openings = Openings::in_folder(dir.path().to_owned());
        openings.claim(&opening(1, 2, 3)).unwrap();
        let file = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
        for damage in ["", "ab cd", "\u{fffd}"] {
            fs::write(&file, damage).unwrap();
            let refused = openings.claim(&opening(1, 2, 3));
            assert!(matches!(refused, Err(OpeningsError::Io { .. })), "{damage:?}");
        }
    }

    /// On a file system without links: whole, and never in the place of another.
    #[test]
    fn without_links_a_rename_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (aside, path) = (dir.path().join("aside"), dir.path().join("file"));
        let none = |_: &Path, _: &Path| Err(Error::from(ErrorKind::PermissionDenied));
        fs::write(&aside, "first").unwrap();
        place(&aside, &path, none).unwrap();
        fs::write(&aside, "second").unwrap();
        let refused = place(&aside, &path, none).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        // Where neither works, that is said.
        let said = place(&dir.path().join("none"), &path.join("below"), none).unwrap_err();
        assert!(said.to_string().contains("FOG_OPENINGS"), "{said}");
    }

    /// A folder that is named without one above it, and one of which nothing is there yet.
    #[test]
    fn the_folder_is_made_wherever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a").join("b").join("c");
        Openings::in_folder(deep.clone()).claim(&opening(1, 2, 3)).unwrap();
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 1);
        sync_with_parent(Path::new("src")).unwrap();
    }

    #[test]
    fn what_is_older_than_any_task_is_forgotten_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().to_owned();
        let claim = |nonce| Openings::in_folder(folder.clone()).claim(&opening(1, 2, nonce));
        claim(3).unwrap();
        claim(4).unwrap();
        let file = |nonce: u8| folder.join(draw::nonce_hash(&Hash32([nonce; 32])).to_string());
        let other = folder.join("notes");
        fs::write(&other, "mine").unwrap();
        let aged = |path: &Path, age: Duration| {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        };
        aged(&file(3), KEPT + Duration::from_secs(60));
        aged(&file(4), KEPT - Duration::from_secs(60));
        aged(&other, KEPT * 2);
        // Of a process's first claim, in which what it asks for is still known.
        assert!(is_refused(&Openings::in_folder(folder.clone()), opening(1, 9, 3)));
        claim(5).unwrap();
        assert!(!file(3).exists());
        assert!(file(4).exists() && file(5).exists() && other.exists());
    }

    proptest! {
        #[test]
        fn any_file_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("file");
            fs::write(&path, bytes).unwrap();
            let _ = read(&path);
        }
    }
}
