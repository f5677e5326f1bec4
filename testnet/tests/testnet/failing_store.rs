//! A disk that is full, a file that is damaged, a folder of something else.

use std::fs;
use std::path::Path;

use fog_testnet::chain::{Chain, ChainConfig, ChainError, Clock, Durability, SendError};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tycho_types::cell::HashBytes;
use tycho_types::models::StdAddr;

use crate::conservation::assert_conserved;

fn settings() -> ChainConfig {
    ChainConfig {
        clock: Clock::Manual(1_760_000_000),
        durability: Durability::Process,
        ..ChainConfig::default()
    }
}

fn account(number: u32) -> StdAddr {
    let mut hash = [7; 32];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    StdAddr::new(0, HashBytes(hash))
}

fn file(dir: &Path) -> std::path::PathBuf {
    dir.join("chain.redb")
}

#[test]
fn a_full_disk_loses_nothing_and_work_goes_on_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    drop(Chain::open(settings(), dir.path()).unwrap());
    let quota = fs::metadata(file(dir.path())).unwrap().len() + (256 << 10);
    let small = ChainConfig { max_bytes: Some(quota), ..settings() };
    let mut chain = Chain::open(small.clone(), dir.path()).unwrap();
    let mut paid = 0u32;
    // Every write goes through the file, and the file really refuses to grow.
    let error = loop {
        match chain.fund(&account(paid), 1_000) {
            Ok(_) => paid += 1,
            Err(error) => break error,
        }
        assert!(paid < 20_000, "the quota never mattered");
    };
    assert!(paid > 10);
    assert!(matches!(&error, SendError::Chain(ChainError::Full(_))), "{error}");
    assert!(error.to_string().contains("nothing acknowledged is lost"), "{error}");

    // What was acknowledged is there, what failed is not, and nothing is half done.
    let check = |chain: &Chain| {
        for number in 0..paid {
            assert_eq!(chain.account(&account(number)).unwrap().balance, 1_000, "{number}");
        }
        assert_eq!(chain.account(&account(paid)).unwrap().last_lt, 0);
        assert_eq!(chain.totals().transactions, u64::from(paid) * 2);
        assert_conserved(chain);
    };
    check(&chain);
    assert!(chain.fund(&account(paid), 1_000).is_err(), "still full");
    check(&chain);
    let hash = chain.state_hash().unwrap();
    drop(chain);

    let mut chain = Chain::open(small, dir.path()).unwrap();
    assert_eq!(chain.state_hash().unwrap(), hash, "a restart on the full disk finds the same");
    check(&chain);
    assert!(fs::metadata(file(dir.path())).unwrap().len() <= quota);
    drop(chain);
    let larger = ChainConfig { max_bytes: Some(quota + (8 << 20)), ..settings() };
    chain = Chain::open(larger, dir.path()).unwrap();
    check(&chain);
    chain.fund(&account(paid), 1_000).unwrap();
    assert_eq!(chain.account(&account(paid)).unwrap().balance, 1_000);
}

#[test]
fn a_full_disk_spares_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = Chain::open(settings(), dir.path()).unwrap();
    for number in 0..300 {
        chain.fund(&account(number), 1_000).unwrap();
    }
    let kept = chain.checkpoint("kept".parse().unwrap()).unwrap();
    drop(chain);
    let quota = fs::metadata(file(dir.path())).unwrap().len();
    let full = ChainConfig { max_bytes: Some(quota), ..settings() };
    let mut chain = Chain::open(full, dir.path()).unwrap();
    let mut failed = 0;
    for number in 0..64 {
        let name = format!("n{number}").parse().unwrap();
        failed += usize::from(chain.checkpoint(name).is_err());
        assert_eq!(chain.state_hash().unwrap(), kept.state_hash);
    }
    assert!(failed > 0, "the quota never mattered");
    let names = chain.checkpoints().unwrap();
    assert_eq!(names.len(), 1 + 64 - failed - usize::from(failed == 0));
    assert!(names.contains(&kept));
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let letter = dir.path().join("letter.txt");
    fs::write(&letter, "dear diary").unwrap();
    let error = Chain::open(settings(), dir.path()).unwrap_err().to_string();
    assert!(error.contains("holds other things and no chain"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);

    let error = Chain::open(settings(), &letter).unwrap_err().to_string();
    assert!(error.contains("letter.txt"), "{error}");

    let foreign = tempfile::tempdir().unwrap();
    fs::write(file(foreign.path()), vec![7; 100_000]).unwrap();
    let error = Chain::open(settings(), foreign.path()).unwrap_err().to_string();
    assert!(error.contains("is not the file of an embedded chain"), "{error}");
    assert_eq!(fs::read(file(foreign.path())).unwrap(), vec![7; 100_000], "it is left alone");

    let other = ChainConfig { global_id: -239, ..settings() };
    let dir = tempfile::tempdir().unwrap();
    drop(Chain::open(settings(), dir.path()).unwrap());
    let error = Chain::open(other, dir.path()).unwrap_err().to_string();
    assert!(error.contains("network id -3, not -239"), "{error}");
}

/// A small chain's file.
fn sample() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = Chain::open(settings(), dir.path()).unwrap();
    for number in 0..20 {
        chain.fund(&account(number), 1_000).unwrap();
    }
    drop(chain);
    fs::read(file(dir.path())).unwrap()
}

/// Opens damaged bytes: an error, or a chain that says of every account something or an error.
fn open_damaged(bytes: &[u8]) -> Result<(), ChainError> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(file(dir.path()), bytes).unwrap();
    let chain = Chain::open(settings(), dir.path())?;
    chain.state_hash()?;
    Ok(())
}

#[test]
fn a_truncated_file_is_an_error() {
    let whole = sample();
    open_damaged(&whole).unwrap();
    for part in [1, 64, 511, 512, 4_096, whole.len() / 2, whole.len() - 1] {
        let error = open_damaged(&whole[..part]).unwrap_err().to_string();
        assert!(error.starts_with("store: "), "{part}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn damage_never_panics(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
    ) {
        static WHOLE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut bytes = WHOLE.get_or_init(sample).clone();
        // Most of the file is free pages; damage what is used.
        let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        for (at, value) in places {
            bytes[used[at.index(used.len())]] = value;
        }
        // Unnoticed damage is possible (pages are checked when the file was not closed cleanly);
        // a panic is not.
        let _ = open_damaged(&bytes);
    }
}
