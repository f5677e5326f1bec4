//! A verifier's memory: what it signed, on disk before the signature leaves. An append-only file;
//! a record that was cut off while it was written belongs to a signature that never left.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use borsh::{BorshDeserialize, BorshSerialize};
use fog_protocol::{Epoch, Hash32, Tagged as _, TaskId};

use crate::question::{Found, Stage};

const MAGIC: &[u8; 8] = b"FOGVRFY1";
/// Length and check of a record.
const FRAME: usize = 12;
/// The lengths of the four kinds of records: others were never written.
const LENGTHS: [usize; 4] = [107, 41, 81, 129];
/// Beyond this length, records of long ago are left out when it is opened.
const COMPACT_BYTES: u64 = 64 << 20;
/// Records are kept so long at least: longer than any signature counts. What no contract holds
/// counts for a year.
const KEPT_SECONDS: u64 = 500 * 86_400;

/// Why the journal cannot be used: nothing is signed then.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has it open.
    #[error("{0} is in use by another verifier: stop that one, or use another data folder")]
    InUse(PathBuf),
    /// The file system.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It was changed: what was signed is not known.
    #[error(
        "{0} is damaged: what this key signed is not known, so it signs nothing; restore the \
         file, or take another key"
    )]
    Damaged(PathBuf),
    /// A rejection takes a worker's stake: never after this verifier contradicted itself on it.
    #[error(
        "two runs of the program gave two results here before: no rejection of this result comes \
         from this verifier"
    )]
    Doubted,
    /// The verifier is stopping.
    #[error("the journal is closed")]
    Closed,
    /// Another verdict was signed already.
    #[error("`{before}` was signed for this task already, `{now}` would contradict it")]
    Contrary {
        /// What was signed.
        before: &'static str,
        /// What would be.
        now: &'static str,
    },
    /// Another commitment was judged already.
    #[error("another commitment of this task was judged already")]
    OtherCommitment,
    /// A node that shows two seeds for one epoch, or exchanged one, could choose between draws.
    #[error(
        "epoch {number} of this node was another one, or followed another, when first seen here: a \
         node whose files were lost or put back from a copy begins a new chain of epochs \
         (`fog node --new-epochs`)"
    )]
    OtherEpoch {
        /// The epoch's number.
        number: u64,
    },
}

/// One thing to remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// It is about to be signed.
    Signed {
        /// Of which task.
        task: TaskId,
        /// The verdict, or a ruling.
        stage: Stage,
        /// What is found.
        found: Found,
        /// Of which commitment.
        commitment: Hash32,
        /// On which evidence.
        evidence: Hash32,
        /// When, in Unix seconds.
        at: u64,
    },
    /// Two runs of this task's program gave two results here.
    Doubted {
        /// Which task.
        task: TaskId,
        /// When, in Unix seconds.
        at: u64,
    },
    /// An epoch of a node, by its hash alone, as verifiers wrote them once.
    Epoch {
        /// The node.
        node: Hash32,
        /// The epoch's number.
        number: u64,
        /// Tagged hash of the epoch.
        hash: Hash32,
        /// When, in Unix seconds.
        at: u64,
    },
    /// An epoch of a node: the first that is seen of a number is the only one.
    Seen {
        /// It.
        epoch: Epoch,
        /// When, in Unix seconds.
        at: u64,
    },
}

impl Record {
    const fn at(&self) -> u64 {
        match self {
            Self::Signed { at, .. }
            | Self::Doubted { at, .. }
            | Self::Epoch { at, .. }
            | Self::Seen { at, .. } => *at,
        }
    }
}

/// What is known of one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Link {
    hash: Hash32,
    /// All of it; none of those that were written by their hash.
    epoch: Option<Epoch>,
}

/// Epochs of one node, by number.
type Links = BTreeMap<u64, Link>;

/// Does the epoch fit those that are known, before and after it? Numbers and times have one order;
/// neighbours follow each other. One that follows none begins a chain: a node that lost its files
/// begins another, which is never taken for the one before.
fn fits(links: &Links, epoch: &Epoch) -> bool {
    if let Some(known) = links.get(&epoch.number) {
        return known.hash == epoch.digest();
    }
    let before = links.range(..epoch.number).next_back();
    let after = links.range(epoch.number..).next();
    let follows = before.is_none_or(|(number, link)| {
        let is_next = number.checked_add(1) == Some(epoch.number);
        match link.epoch {
            Some(before) if is_next => epoch.follows(&before),
            Some(before) => before.from < epoch.from,
            None => !is_next || link.hash == epoch.previous,
        }
    });
    let is_followed = after.is_none_or(|(number, link)| {
        let is_next = epoch.number.checked_add(1) == Some(*number);
        match link.epoch {
            Some(after) if is_next => after.follows(epoch),
            Some(after) => epoch.from < after.from,
            None => true,
        }
    });
    follows && is_followed
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    found: Found,
    commitment: Hash32,
    evidence: Hash32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Remembered {
    verdict: Option<Slot>,
    ruling: Option<Slot>,
    doubted: bool,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    /// A write failed and could not be undone: what is on disk is unknown.
    broken: bool,
    tasks: HashMap<TaskId, Remembered>,
    /// Epochs, by node and number.
    epochs: HashMap<Hash32, Links>,
    _lock: File,
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> JournalError + '_ {
    move |source| JournalError::Io { path: path.to_owned(), source }
}

fn frame(record: &Record) -> std::io::Result<Vec<u8>> {
    let body = borsh::to_vec(record)?;
    let mut bytes = Vec::with_capacity(FRAME + body.len());
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&Hash32::of(&body).0[..8]);
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// The records of a file, and the length of what is whole.
fn read(bytes: &[u8]) -> Option<(Vec<Record>, usize)> {
    let mut records = Vec::new();
    let mut at = MAGIC.len();
    if bytes.len() < at {
        return MAGIC.starts_with(bytes).then_some((records, 0));
    }
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    while let Some(head) = bytes.get(at..at + FRAME) {
        let (length, check) = head.split_at(4);
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        // Space that was set aside for a record, and never written.
        if length == 0 && bytes.get(at..)?.iter().all(|byte| *byte == 0) {
            break;
        }
        if !LENGTHS.contains(&length) {
            return None;
        }
        let start = at + FRAME;
        let Some(body) = bytes.get(start..start + length) else { break };
        if Hash32::of(body).0[..8] != *check {
            // The last record may have been cut off with its space set aside; another may not.
            return (start + length == bytes.len()).then_some((records, at));
        }
        records.push(borsh::from_slice(body).ok()?);
        at = start + length;
    }
    Some((records, at))
}

impl Journal {
    /// Opens the journal in `folder`, making both where there are none. `now` is Unix seconds.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(folder: &Path, now: u64) -> Result<Self, JournalError> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed(folder))?;
        let private = || {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            options
        };
        let path = folder.join("signed");
        let lock_path = folder.join("lock");
        let lock = private().open(&lock_path).map_err(failed(&lock_path))?;
        lock.try_lock().map_err(|_| JournalError::InUse(path.clone()))?;
        let mut file = private().open(&path).map_err(failed(&path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed(&path))?;
        let damaged = || JournalError::Damaged(path.clone());
        let (records, good) = read(&bytes).ok_or_else(damaged)?;
        let mut journal = Self {
            path: path.clone(),
            file,
            length: good as u64,
            broken: false,
            tasks: HashMap::new(),
            epochs: HashMap::new(),
            _lock: lock,
        };
        if good == 0 {
            journal.rewrite(&[])?;
        } else if journal.length > COMPACT_BYTES {
            let from = now.saturating_sub(KEPT_SECONDS);
            let kept: Vec<_> = records.iter().filter(|record| record.at() >= from).collect();
            journal.rewrite(&kept)?;
        } else {
            journal.file.set_len(journal.length).map_err(failed(&path))?;
            journal.file.seek(SeekFrom::End(0)).map_err(failed(&path))?;
            journal.file.sync_all().map_err(failed(&path))?;
        }
        for record in &records {
            journal.note(record);
        }
        Ok(journal)
    }

    /// Writes the file anew, aside, and puts it in place.
    fn rewrite(&mut self, records: &[&Record]) -> Result<(), JournalError> {
        let mut bytes = MAGIC.to_vec();
        for record in records {
            bytes.extend(frame(record).map_err(failed(&self.path))?);
        }
        let aside = self.path.with_extension("new");
        let write = || -> std::io::Result<File> {
            let mut file = OpenOptions::new();
            file.read(true).write(true).create(true).truncate(true).mode(0o600);
            let mut file = file.open(&aside)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&aside, &self.path)?;
            if let Some(folder) = self.path.parent() {
                File::open(folder)?.sync_all()?;
            }
            Ok(file)
        };
        self.file = write().map_err(failed(&self.path))?;
        self.length = bytes.len() as u64;
        Ok(())
    }

    fn note(&mut self, record: &Record) {
        match *record {
            Record::Signed { task, stage, found, commitment, evidence, .. } => {
                let slot = Some(Slot { found, commitment, evidence });
                let task = self.tasks.entry(task).or_default();
                match stage {
                    Stage::Verdict => task.verdict = slot,
                    Stage::Ruling => task.ruling = slot,
                }
            }
            Record::Doubted { task, .. } => self.tasks.entry(task).or_default().doubted = true,
            Record::Epoch { node, number, hash, .. } => {
                let links = self.epochs.entry(node).or_default();
                links.entry(number).or_insert(Link { hash, epoch: None });
            }
            Record::Seen { epoch, .. } => {
                let link = Link { hash: epoch.digest(), epoch: Some(epoch) };
                self.epochs.entry(epoch.node).or_default().insert(epoch.number, link);
            }
        }
    }

    /// Did two runs of this task's program give two results here?
    #[must_use]
    pub fn is_doubted(&self, task: &TaskId) -> bool {
        self.tasks.get(task).is_some_and(|task| task.doubted)
    }

    /// What was signed as this task's verdict.
    #[must_use]
    pub fn verdict(&self, task: &TaskId) -> Option<Found> {
        Some(self.tasks.get(task)?.verdict?.found)
    }

    /// Hash of the epoch of this node and number that was seen first.
    #[must_use]
    pub fn epoch(&self, node: &Hash32, number: u64) -> Option<Hash32> {
        Some(self.epochs.get(node)?.get(&number)?.hash)
    }

    /// Numbers at which this node's chain of epochs began anew, after others of it: it says that it
    /// lost its files.
    #[must_use]
    pub fn restarts(&self, node: &Hash32) -> Vec<u64> {
        let links = self.epochs.get(node).into_iter().flatten();
        let first = |link: &Link| link.epoch.is_some_and(|epoch| epoch.is_first());
        links.skip(1).filter(|(_, link)| first(link)).map(|(number, _)| *number).collect()
    }

    /// Would this contradict what was signed, or seen, before?
    ///
    /// # Errors
    /// [`JournalError::Contrary`], [`JournalError::OtherCommitment`], [`JournalError::Doubted`],
    /// [`JournalError::OtherEpoch`].
    pub fn check(&self, record: &Record) -> Result<(), JournalError> {
        if let Record::Seen { epoch, .. } = record {
            let links = self.epochs.get(&epoch.node);
            let fits = links.is_none_or(|links| fits(links, epoch));
            let number = epoch.number;
            return if fits { Ok(()) } else { Err(JournalError::OtherEpoch { number }) };
        }
        let Record::Signed { task, stage, found, commitment, .. } = record else { return Ok(()) };
        let Some(known) = self.tasks.get(task) else { return Ok(()) };
        if known.doubted && *found == Found::Rejected {
            return Err(JournalError::Doubted);
        }
        let both = known.verdict.iter().chain(&known.ruling);
        if both.clone().any(|slot| slot.commitment != *commitment) {
            return Err(JournalError::OtherCommitment);
        }
        let slot = match stage {
            Stage::Verdict => known.verdict,
            Stage::Ruling => known.ruling,
        };
        match slot {
            Some(slot) if slot.found != *found => {
                Err(JournalError::Contrary { before: slot.found.name(), now: found.name() })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Writes `record` and waits until the disk has it, unless it is there already. Only then may
    /// a signature leave.
    ///
    /// # Errors
    /// [`JournalError::Contrary`], [`JournalError::OtherCommitment`]: nothing is to be signed;
    /// [`JournalError::Io`]: the disk does not have it.
    pub fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        self.check(record)?;
        if self.broken {
            return Err(JournalError::Damaged(self.path.clone()));
        }
        let is_known = match record {
            Record::Signed { task, stage, found, commitment, evidence, .. } => {
                let slot =
                    Some(Slot { found: *found, commitment: *commitment, evidence: *evidence });
                self.tasks.get(task).is_some_and(|task| match stage {
                    Stage::Verdict => task.verdict == slot,
                    Stage::Ruling => task.ruling == slot,
                })
            }
            Record::Doubted { task, .. } => self.is_doubted(task),
            Record::Epoch { node, number, .. } => self.epoch(node, *number).is_some(),
            Record::Seen { epoch, .. } => {
                let link = self.epochs.get(&epoch.node).and_then(|links| links.get(&epoch.number));
                link.is_some_and(|link| link.epoch.is_some())
            }
        };
        if is_known {
            return Ok(());
        }
        let bytes = frame(record).map_err(failed(&self.path))?;
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            let undone = self
                .file
                .set_len(self.length)
                .and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
            self.broken = undone.is_err();
            return Err(failed(&self.path)(error));
        }
        self.length += bytes.len() as u64;
        self.note(record);
        if let Record::Seen { epoch, .. } = record
            && self.restarts(&epoch.node).contains(&epoch.number)
        {
            let (node, number) = (epoch.node, epoch.number);
            tracing::warn!(%node, number, "CHAIN RESTARTED: this node's epochs begin anew");
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signed(task: u8, found: Found) -> Record {
        Record::Signed {
            task: TaskId(Hash32([task; 32])),
            stage: Stage::Verdict,
            found,
            commitment: Hash32([9; 32]),
            evidence: Hash32([found as u8; 32]),
            at: u64::MAX,
        }
    }

    #[test]
    fn a_contrary_verdict_is_refused_after_a_restart_too() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), 0).unwrap();
        assert!(matches!(Journal::open(dir.path(), 0), Err(JournalError::InUse(_))));
        journal.append(&signed(1, Found::Accepted)).unwrap();
        journal.append(&signed(1, Found::Accepted)).unwrap();
        let contrary = |journal: &mut Journal| journal.append(&signed(1, Found::Rejected));
        assert!(matches!(contrary(&mut journal), Err(JournalError::Contrary { .. })));
        drop(journal);
        let mut journal = Journal::open(dir.path(), 0).unwrap();
        assert!(matches!(contrary(&mut journal), Err(JournalError::Contrary { .. })));
        let mut other = signed(1, Found::Accepted);
        if let Record::Signed { commitment, .. } = &mut other {
            *commitment = Hash32([8; 32]);
        }
        assert!(matches!(journal.append(&other), Err(JournalError::OtherCommitment)));
        let mut ruling = signed(1, Found::Rejected);
        if let Record::Signed { stage, .. } = &mut ruling {
            *stage = Stage::Ruling;
        }
        journal.append(&ruling).unwrap();
        journal.append(&signed(2, Found::Rejected)).unwrap();
    }

    fn epoch(node: u8, number: u64, from: u64, previous: Hash32) -> Epoch {
        let (node, seed_hash) = (Hash32([node; 32]), Hash32([number as u8; 32]));
        Epoch { node, number, seed_hash, previous, from, to: from + 100 }
    }

    fn seen(epoch: Epoch) -> Record {
        Record::Seen { epoch, at: u64::MAX }
    }

    /// A chain of epochs from `from` on, as many as asked for.
    fn chain(node: u8, from: u64, count: usize) -> Vec<Epoch> {
        let mut chain = vec![epoch(node, from, from, Hash32::default())];
        for _ in 1..count {
            let last = chain[chain.len() - 1];
            chain.push(epoch(node, last.number + 1, last.to, last.digest()));
        }
        chain
    }

    fn refused(journal: &mut Journal, epoch: Epoch) -> bool {
        let refused = journal.append(&seen(epoch));
        assert!(matches!(refused, Ok(()) | Err(JournalError::OtherEpoch { .. })), "{refused:?}");
        refused.is_err()
    }

    #[test]
    fn the_first_epoch_of_a_number_is_the_only_one() {
        let dir = tempfile::tempdir().unwrap();
        let ours = chain(1, 7_000, 2);
        for _ in 0..2 {
            let mut journal = Journal::open(dir.path(), 0).unwrap();
            for _ in 0..2 {
                assert!(!refused(&mut journal, ours[0]));
            }
            assert!(refused(&mut journal, Epoch { to: 7_200, ..ours[0] }));
            assert!(!refused(&mut journal, ours[1]));
            assert!(!refused(&mut journal, epoch(2, 7_000, 7_000, Hash32([2; 32]))));
            assert_eq!(journal.epoch(&Hash32([1; 32]), 7_000), Some(ours[0].digest()));
        }
    }

    /// Whichever is seen first, the other has to fit: before it, after it, and over gaps.
    #[test]
    fn epochs_that_contradict_one_before_or_after_are_refused() {
        let ours = chain(1, 7_000, 6);
        let other = chain(1, 7_000, 1)[0];
        let other = Epoch { seed_hash: Hash32([9; 32]), ..other };
        let parallel = |number: usize, previous: Hash32, from: u64| {
            epoch(1, ours[number].number, from, previous)
        };
        let cases = [
            // What follows is known, and follows another.
            (ours[1], other),
            (ours[3], parallel(2, ours[1].digest(), ours[2].from + 1)),
            // What came before is known, and is another.
            (ours[0], parallel(1, other.digest(), ours[1].from)),
            (ours[2], parallel(3, Hash32::default(), ours[3].from)),
            // Over a gap: numbers and times have one order.
            (ours[4], parallel(2, ours[1].digest(), ours[5].from)),
            (ours[2], parallel(4, ours[3].digest(), ours[1].from)),
        ];
        for (at, (first, second)) in cases.into_iter().enumerate() {
            let dir = tempfile::tempdir().unwrap();
            let mut journal = Journal::open(dir.path(), 0).unwrap();
            assert!(!refused(&mut journal, first), "case {at}");
            assert!(refused(&mut journal, second), "case {at}");
            drop(journal);
            let mut journal = Journal::open(dir.path(), 0).unwrap();
            assert!(refused(&mut journal, second), "case {at}, after a restart");
        }
        // In any order, the chain itself is taken.
        for order in [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2]] {
            let dir = tempfile::tempdir().unwrap();
            let mut journal = Journal::open(dir.path(), 0).unwrap();
            assert!(order.iter().all(|at| !refused(&mut journal, ours[*at])));
            assert!(journal.restarts(&ours[0].node).is_empty());
        }
    }

    #[test]
    fn a_node_that_lost_its_files_begins_another_chain_for_all_to_see() {
        let dir = tempfile::tempdir().unwrap();
        let (lost, anew) = (chain(1, 7_000, 3), chain(1, 7_250, 3));
        let node = lost[0].node;
        let mut journal = Journal::open(dir.path(), 0).unwrap();
        assert!(lost.iter().all(|epoch| !refused(&mut journal, *epoch)));
        // With a number that was there, it is a second chain beside the first.
        assert!(refused(&mut journal, chain(1, 7_001, 1)[0]));
        assert!(anew.iter().all(|epoch| !refused(&mut journal, *epoch)));
        assert_eq!(journal.restarts(&node), [7_250]);
        drop(journal);
        assert_eq!(Journal::open(dir.path(), 0).unwrap().restarts(&node), [7_250]);
    }

    /// Verifiers wrote epochs by their hash once: they count.
    #[test]
    fn hashes_written_before_are_held_against_what_follows() {
        let dir = tempfile::tempdir().unwrap();
        let ours = chain(1, 7_000, 2);
        let mut journal = Journal::open(dir.path(), 0).unwrap();
        let (node, number) = (ours[0].node, ours[0].number);
        let old = |hash| Record::Epoch { node, number, hash, at: u64::MAX };
        journal.append(&old(ours[0].digest())).unwrap();
        let other = epoch(1, 7_001, ours[1].from, Hash32([8; 32]));
        assert!(refused(&mut journal, other));
        assert!(refused(&mut journal, Epoch { to: 7_200, ..ours[0] }));
        assert!(ours.iter().all(|epoch| !refused(&mut journal, *epoch)));
    }

    #[test]
    fn a_record_cut_off_anywhere_was_never_signed_and_another_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("signed");
        let mut journal = Journal::open(dir.path(), 0).unwrap();
        journal.append(&signed(1, Found::Accepted)).unwrap();
        let first = std::fs::metadata(&path).unwrap().len() as usize;
        journal.append(&signed(2, Found::Rejected)).unwrap();
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        for cut in first..whole.len() {
            for fill in [0, 1] {
                let mut bytes = whole[..cut].to_vec();
                // The file's length reached the disk before its bytes, or did not.
                bytes.resize(if fill == 0 { cut } else { whole.len() }, 0);
                std::fs::write(&path, &bytes).unwrap();
                let journal = Journal::open(dir.path(), 0).unwrap();
                assert_eq!(journal.verdict(&TaskId(Hash32([1; 32]))), Some(Found::Accepted));
                assert_eq!(journal.verdict(&TaskId(Hash32([2; 32]))), None, "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_changed_journal_signs_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("signed");
        let mut journal = Journal::open(dir.path(), 0).unwrap();
        journal.append(&signed(1, Found::Accepted)).unwrap();
        let first = std::fs::metadata(&path).unwrap().len() as usize;
        journal.append(&signed(2, Found::Rejected)).unwrap();
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..first {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x41;
            std::fs::write(&path, &bytes).unwrap();
            let opened = Journal::open(dir.path(), 0);
            assert!(matches!(opened, Err(JournalError::Damaged(_))), "byte {at}: {opened:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
            let mut ours = MAGIC.to_vec();
            ours.extend(bytes);
            let _ = read(&ours);
        }
    }
}
