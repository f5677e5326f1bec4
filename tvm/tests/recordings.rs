//! What the reference did, replayed: the upgrade test of the pinned tycho crates and of our own
//! parts. Every difference is known and listed; a new one fails, and so does one that disappears.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::print_stdout, reason = "counts are for people to read")]

use std::path::{Path, PathBuf};

use fog_tvm::replay::{Difference, Replay, read_config};

fn replay(name: &str) -> (usize, Vec<Difference>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = read_config(&root.join("../testnet/res/config.boc")).unwrap();
    let mut replay = Replay::new(config).unwrap();
    let path: PathBuf = root.join("tests/vectors").join(name);
    replay.file(&path).unwrap();
    let report = replay.into_report();
    for difference in &report.differences {
        println!("{difference:#?}");
    }
    println!("{name}: {} of {} recordings match", report.matched, report.total);
    (report.total, report.differences)
}

#[test]
fn wallets() {
    let (total, differences) = replay("wallets.jsonl");
    assert_eq!(total, 89);
    assert_eq!(differences, []);
}

#[test]
fn groth16() {
    let (total, differences) = replay("groth16_bls12_381.jsonl");
    assert_eq!(total, 24);
    assert_eq!(differences, []);
}

#[test]
fn bls_get_methods() {
    let (total, differences) = replay("bls_get_methods.jsonl");
    assert_eq!(total, 600);
    assert_eq!(differences, []);
}

/// Made by `oracle/generate.mjs`: mutated messages, accounts in every state, action lists of every
/// kind.
#[test]
fn mutated() {
    let (total, differences) = replay("mutated.jsonl");
    assert_eq!(total, 472);
    assert_eq!(differences, []);
}
