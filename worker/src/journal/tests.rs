#![expect(clippy::unwrap_used, reason = "tests")]

use fog_protocol::{
    Address, BlobRef, Durations, GuestExit, Listing, Nano, Policy, Program, ResourceLimits,
    SecretKey, TaskStatus,
};
use fog_verifier::Execution;
use proptest::prelude::*;

use crate::governor::Load;

use super::*;

fn address(byte: u8) -> Address {
    Address::basechain([byte; 32])
}

fn listing(salt: u8) -> Listing {
    Listing {
        version: Listing::VERSION,
        network: -3,
        market: address(1),
        operator: address(2),
        requestor: address(3),
        requestor_key: SecretKey::from_seed(&[1; 32]).public(),
        program: Program::Wasi { module: BlobRef::of(b"module") },
        input: BlobRef::of(b"input"),
        limits: ResourceLimits::default(),
        price_cap: Nano::grams(1),
        policy: Policy::Replay { rate_ppm: 50_000 },
        durations: Durations::default(),
        nonce_hash: Hash32([5; 32]),
        epoch: None,
        salt: Hash32([salt; 32]),
        rail: fog_protocol::Rail::Escrow,
    }
}

fn outcome(task: &TaskId, output: &[u8]) -> Outcome {
    let execution =
        Execution { exit: GuestExit::Success, output: output.to_vec(), fuel_used: 1000 };
    let policy = Policy::Replay { rate_ppm: 50_000 };
    Outcome::new(task, &address(9), &policy, Hash32([7; 32]), &execution)
}

fn story(salt: u8) -> Vec<Record> {
    let listing = listing(salt);
    let task = listing.id();
    let escrow = address(salt);
    vec![
        Record::Bid {
            task,
            escrow,
            price: Nano::new(5),
            reserve: Nano::new(95),
            valid_until: 1000,
            load: Load { work_ms: 1, within_ms: 2 },
        },
        Record::Assigned { listing: Box::new(listing), escrow, commit_by: 2000 },
        Record::Executed { task, outcome: outcome(&task, &[salt]) },
        Record::Committed { task, verdict_by: 3000 },
        Record::Submitted { task },
        Record::Closed {
            task,
            ending: Ending::Final { status: TaskStatus::Paid, amount: Nano::new(5) },
        },
    ]
}

/// Several tasks, each as far as its number says.
fn records(steps: &[u8]) -> Vec<Record> {
    let mut all = Vec::new();
    for (salt, steps) in (0u8..).zip(steps) {
        all.extend(story(salt).into_iter().take(usize::from(*steps)));
    }
    all
}

fn write(folder: &Path, records: &[Record]) {
    let (mut journal, _) = Journal::open(folder).unwrap();
    for record in records {
        journal.append(record).unwrap();
    }
}

#[test]
fn what_was_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let records = records(&[6, 5, 4, 3, 2, 1]);
    write(folder.path(), &records);
    let (journal, recovery) = Journal::open(folder.path()).unwrap();
    assert_eq!(recovery, Recovery { records: records.len(), dropped_bytes: 0 });
    assert_eq!(journal.state().open().count(), 5);
    assert_eq!(journal.state().totals().earned, Nano::new(5));
}

#[test]
fn a_second_commitment_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(folder.path()).unwrap();
    for record in records(&[3]) {
        journal.append(&record).unwrap();
    }
    let task = listing(0).id();
    let other = Record::Executed { task, outcome: outcome(&task, b"other") };
    assert!(matches!(
        journal.append(&other),
        Err(JournalError::Contradiction(Contradiction::SecondCommitment { .. }))
    ));
    let same = Record::Executed { task, outcome: outcome(&task, &[0]) };
    journal.append(&same).unwrap();
}

#[test]
fn steps_out_of_order_are_refused() {
    for (from, to) in [(0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)] {
        let story = story(0);
        let mut state = State::default();
        for record in &story[..from] {
            state.apply(record).unwrap();
        }
        let before = state.clone();
        assert!(matches!(state.apply(&story[to]), Err(Contradiction::Order { .. })), "{from} {to}");
        assert_eq!(state, before);
    }
}

#[test]
fn one_worker_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (_journal, _) = Journal::open(folder.path()).unwrap();
    assert!(matches!(Journal::open(folder.path()), Err(JournalError::InUse(_))));
}

#[test]
fn a_foreign_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("journal"), b"something else").unwrap();
    assert!(matches!(Journal::open(folder.path()), Err(JournalError::NotAJournal(_))));
    assert_eq!(fs::read(folder.path().join("journal")).unwrap(), b"something else");
}

#[test]
fn a_changed_result_is_not_handed_out() {
    let folder = tempfile::tempdir().unwrap();
    let task = listing(0).id();
    let (mut journal, _) = Journal::open(folder.path()).unwrap();
    journal.results().store(&task, &[0]).unwrap();
    for record in records(&[3]) {
        journal.append(&record).unwrap();
    }
    let outcome = outcome(&task, &[0]);
    assert_eq!(journal.results().load(&task, &outcome).unwrap(), [0]);
    drop(journal);
    let (mut journal, _) = Journal::open(folder.path()).unwrap();
    let results = journal.results().clone();
    assert_eq!(results.load(&task, &outcome).unwrap(), [0]);
    for changed in [&b"1"[..], b"", b"00"] {
        fs::write(results.path(&task), changed).unwrap();
        assert!(matches!(results.load(&task, &outcome), Err(JournalError::LostResult(_))));
    }
    journal.close(task, Ending::Abandoned { reason: "test".into() }).unwrap();
    assert!(!results.path(&task).exists());
}

#[test]
fn a_long_journal_is_written_anew_and_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let ended: Vec<u8> = vec![6; 200];
    let mut records = records(&ended);
    records.extend(story(250).into_iter().take(3));
    records.extend(story(251).into_iter().take(5));
    records.extend(story(252).into_iter().take(1));
    write(folder.path(), &records);
    let (mut journal, _) = Journal::open(folder.path()).unwrap();
    let (before, length) = (journal.state().clone(), journal.length);
    journal.compact().unwrap();
    assert!(journal.length < length);
    assert_eq!(journal.state().totals(), before.totals());
    assert!(journal.state().ended().eq(before.ended()));
    let outcomes = |state: &State| {
        state
            .open()
            .map(|(task, entry)| (*task, entry.phase.outcome().copied()))
            .collect::<Vec<_>>()
    };
    assert_eq!(outcomes(journal.state()), outcomes(&before));
    journal.append(&Record::Submitted { task: listing(251).id() }).unwrap();
    let (after, length) = (journal.state().clone(), journal.length);
    drop(journal);
    let (journal, recovery) = Journal::open(folder.path()).unwrap();
    assert_eq!((journal.state(), journal.length), (&after, length));
    assert_eq!(recovery.dropped_bytes, 0);
}

fn encode_all(records: &[Record]) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut check) = (MAGIC.to_vec(), Check::default());
    let mut ends = vec![bytes.len()];
    for record in records {
        let (encoded, next) = record::encode(&check, record).unwrap();
        bytes.extend_from_slice(&encoded);
        ends.push(bytes.len());
        check = next;
    }
    (bytes, ends)
}

fn fold(records: &[Record]) -> State {
    let mut state = State::default();
    for record in records {
        state.apply(record).unwrap();
    }
    state
}

proptest! {
    #[test]
    fn a_torn_journal_is_read_up_to_its_last_whole_record(
        steps in proptest::collection::vec(0u8..=6, 0..4), cut: u32,
    ) {
        let records = records(&steps);
        let (bytes, ends) = encode_all(&records);
        let cut = cut as usize % (bytes.len() + 1);
        let read = read(&bytes[..cut]).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
        prop_assert_eq!(read.records, whole);
        prop_assert_eq!(read.state, fold(&records[..whole]));
    }

    #[test]
    fn a_changed_byte_ends_the_journal_there(
        steps in proptest::collection::vec(0u8..=6, 1..4), at: u32, change in 1u8..,
    ) {
        let records = records(&steps);
        let (mut bytes, ends) = encode_all(&records);
        let at = at as usize % bytes.len();
        bytes[at] ^= change;
        match read(&bytes) {
            None => prop_assert!(at < MAGIC.len()),
            Some(read) => {
                let whole = ends.iter().filter(|end| **end <= at).count() - 1;
                prop_assert_eq!(read.records, whole);
                prop_assert_eq!(read.state, fold(&records[..whole]));
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, journal: bool) {
        let bytes = if journal { [&MAGIC[..], &bytes].concat() } else { bytes };
        let _ = read(&bytes);
    }

    #[test]
    fn a_torn_file_goes_on(cut: u32, steps in proptest::collection::vec(1u8..=5, 1..3)) {
        let folder = tempfile::tempdir().unwrap();
        let records = records(&steps);
        let (bytes, _) = encode_all(&records);
        let cut = cut as usize % (bytes.len() + 1);
        fs::write(folder.path().join("journal"), &bytes[..cut]).unwrap();
        {
            let (mut journal, _) = Journal::open(folder.path()).unwrap();
            for record in &records {
                journal.append(record).ok();
            }
        }
        let (journal, recovery) = Journal::open(folder.path()).unwrap();
        prop_assert_eq!(recovery.dropped_bytes, 0);
        prop_assert_eq!(journal.state().open().count(), steps.len());
    }
}
