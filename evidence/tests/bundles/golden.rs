//! Bundles that were written once. They still read and hold, and the same is still written byte for
//! byte; and a reader that shares no code with this program, made from `FORMAT.md`, reads the same.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use fog_evidence::{Bundle, check};
use fog_protocol::Tagged as _;
use serde_json::{Value, json};

use crate::{Honest, kinds, older};

/// Files, by what is in them.
const GOLDEN: [(&str, &str); 21] = [
    ("an older draw", "v1-replay"),
    ("a proof", "v1-groth16"),
    ("a proof of another task", "v1-groth16-rejected"),
    ("a proof over BLS12-381", "v1-groth16-bls12-381"),
    ("an older strategy", "v2-improves"),
    ("a receipt of SP1", "v2-receipt-sp1"),
    ("a receipt of RISC Zero", "v2-receipt-risc-zero"),
    ("accepted after a draw", "v3-replay"),
    ("rejected after a draw", "v3-replay-rejected"),
    ("not drawn", "v3-replay-not-drawn"),
    ("ruled wrong", "v1-ruling"),
    ("improves not, but honest", "v3-improves"),
    ("near enough", "v3-statistical"),
    ("drawn chunks right", "v3-merkle"),
    ("all chunks, not all right", "v3-merkle-all"),
    ("copies agree", "v3-redundant"),
    ("copies agree and are not drawn", "v3-copies"),
    ("a component", "v3-component"),
    ("paid in a jetton", "v3-jetton"),
    ("a limit hit", "v3-limit"),
    ("a limit that its listing lowers", "v3-limit-lowered"),
];

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn all() -> Vec<(&'static str, Bundle)> {
    kinds().into_iter().chain(older()).collect()
}

/// Each golden file with what is in it.
fn golden() -> Vec<(PathBuf, Bundle)> {
    let all = all();
    let find = |kind: &str| all.iter().find(|(name, _)| *name == kind).unwrap().1.clone();
    let at = |file: &str| tests().join("golden").join(format!("{file}.fog"));
    GOLDEN.iter().map(|(kind, file)| (at(file), find(kind))).collect()
}

#[test]
fn golden_bundles_read_and_hold_and_are_written_as_they_were() {
    let golden = golden();
    for (file, bundle) in &golden {
        let name = file.display();
        let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{name}: {error}"));
        let read = Bundle::decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let report = check(&read, &Honest);
        assert!(report.ok, "{name}: {report:#?}");
        assert_eq!(&read, bundle, "{name} says something else");
        assert!(bundle.encode().unwrap() == bytes, "{name} is written otherwise");
    }
    let files = std::fs::read_dir(tests().join("golden")).unwrap();
    assert_eq!(files.count(), golden.len(), "files that no test reads");
}

/// Not a test. Bundles name code hashes of contracts and fuel of programs: only where those change
/// may these files.
#[test]
#[ignore = "writes the golden bundles anew"]
fn write_golden_bundles() {
    for (file, bundle) in golden() {
        std::fs::write(file, bundle.encode().unwrap()).unwrap();
    }
}

/// Runs the reader in Python.
fn read(files: &[PathBuf]) -> Output {
    let reader = Command::new("python3").arg(tests().join("reader.py")).args(files).output();
    reader.expect("this test needs `python3` (3.8 or later, standard library only) on the path")
}

/// What the reader says of a bundle.
fn said(bundle: &Bundle) -> Value {
    let (listing, evidence) = (&bundle.listing, &bundle.evidence);
    json!({
        "version": bundle.encode().unwrap()[7],
        "task": listing.id(),
        "policy": serde_json::to_value(&listing.policy).unwrap()["kind"],
        "worker": evidence.worker,
        "commitment": evidence.commitment,
        "evidence": evidence.digest(),
        "verdict": if evidence.accepts() { "accepted" } else { "rejected" },
        "basis": serde_json::to_value(&evidence.basis).unwrap()["kind"],
        "finding": serde_json::to_value(&evidence.finding).unwrap()["kind"],
    })
}

/// All golden bundles, and all other kinds besides.
#[test]
fn a_reader_made_from_the_format_alone_reads_the_same() {
    let mut bundles = golden();
    for (number, (_, bundle)) in all().into_iter().enumerate() {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("kind-{number}.fog"));
        std::fs::write(&file, bundle.encode().unwrap()).unwrap();
        bundles.push((file, bundle));
    }
    let files: Vec<_> = bundles.iter().map(|(file, _)| file.clone()).collect();
    let output = read(&files);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let told: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), bundles.len());
    for ((file, bundle), told) in bundles.iter().zip(told) {
        assert_eq!(told, said(bundle), "{}", file.display());
    }
}

#[test]
fn the_reader_refuses_what_was_changed() {
    let (file, _) = &golden()[0];
    let bytes = std::fs::read(file).unwrap();
    let damaged = Path::new(env!("CARGO_TARGET_TMPDIR")).join("damaged.fog");
    for at in [0, 7, 8, 60, bytes.len() / 2, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        std::fs::write(&damaged, changed).unwrap();
        let output = read(std::slice::from_ref(&damaged));
        assert_eq!(output.status.code(), Some(1), "byte {at}");
        assert!(output.stdout.is_empty(), "byte {at}");
    }
}
