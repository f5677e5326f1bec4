//! Every message that is sent with bounce, counted from the contracts' sources: thrown back once, once
//! more, late, and by somebody else, each contract alone; and refused for real, on a chain.
//!
//! Most contracts see for themselves that a step is undone once. Two leave it to the chain, which makes
//! one bounce of a message and lets nobody else write one: what would happen if it did not is here, too.

mod alone;
mod real;

use std::path::Path;

use crate::{
    alone::GRAM,
    solo::{Arrival, Ran, Sent, Solo},
};

/// A message that is sent with bounce.
struct Row {
    /// Below `contracts/tolk`.
    file: &'static str,
    /// What the body is called there.
    body: &'static str,
    /// The contract after it sent the message, in every way that leads there.
    alone: fn() -> Vec<Case>,
    /// It is refused for real, and undone.
    real: fn(),
}

/// A contract that waits for an answer.
struct Case {
    name: &'static str,
    waiting: Solo,
    message: Sent,
    /// The answer comes, or whatever else makes a bounce too late.
    moves_on: fn(&mut Solo),
    keeps: Keeps,
}

/// What a contract sees to by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Keeps {
    /// A bounce undoes something in its data.
    undoes: bool,
    /// Only if it is from whom the message went to.
    sender: bool,
    /// Only once.
    once: bool,
    /// Only before the answer.
    in_time: bool,
}

/// A step that is pending, or not.
const STEP: Keeps = Keeps { undoes: true, sender: true, once: true, in_time: true };
/// Transfers are numbered: each comes back once, whatever happened since.
const NUMBERED: Keeps = Keeps { in_time: false, ..STEP };
/// Only the rest of the value is passed on.
const NOTHING: Keeps = Keeps { undoes: false, ..STEP };
/// That there is one bounce of a message, and none after an answer, is the chain's to keep.
const BY_THE_CHAIN: Keeps = Keeps { once: false, in_time: false, ..STEP };
/// That nobody else writes bounces, too.
const ALL_BY_THE_CHAIN: Keeps = Keeps { sender: false, ..BY_THE_CHAIN };

const fn row(file: &'static str, body: &'static str, alone: fn() -> Vec<Case>, real: fn()) -> Row {
    Row { file, body, alone, real }
}

const ROWS: [Row; 14] = [
    row("delegation/delegation.tolk", "Join", alone::join, real::join),
    row("delegation/delegation.tolk", "Leave", alone::leave, real::leave),
    row("delegation/delegation.tolk", "Redeem", alone::redeem, real::redeem),
    row("jetton/jetton.tolk", "ProvideWalletAddress", alone::question, real::question),
    row("jetton/sending.tolk", "JettonTransfer", alone::transfer, real::transfer),
    row(
        "jetton_task/steps.tolk",
        "ProvideWalletAddress",
        alone::tasks_question,
        real::tasks_question,
    ),
    row("jetton_task/steps.tolk", "Register", alone::register_paid, real::register_paid),
    row("operator/operator.tolk", "assign", alone::assign, real::assign),
    row("stake/stake.tolk", "Reserved", alone::reserved, real::reserved),
    row("task/assignment.tolk", "Register", alone::register, real::register),
    row("task/assignment.tolk", "Reserve", alone::reserve, real::reserve),
    row("task/ending.tolk", "Release", alone::release, real::release),
    row("task/ending.tolk", "Settle", alone::settle, real::settle),
    row("task/ending.tolk", "Slash", alone::slash, real::slash),
];

/// File and body of every message that the sources send with bounce.
fn sends(root: &Path, within: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(within).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sends(root, &path, found);
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        let file = path.strip_prefix(root).unwrap().to_str().unwrap();
        for (at, _) in source.match_indices("bounce: ") {
            let rest = &source[at + "bounce: ".len()..];
            if rest.starts_with("BounceMode.NoBounce") {
                continue;
            }
            assert!(rest.starts_with("BounceMode.RichBounce"), "another bounce in {file}");
            let body = rest.split_once("body: ").unwrap().1;
            let name = body.split(|c: char| !c.is_alphanumeric()).next().unwrap();
            found.push((file.to_owned(), name.to_owned()));
        }
    }
}

#[test]
fn every_message_that_can_come_back_is_in_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tolk");
    let mut found = Vec::new();
    sends(&root, &root, &mut found);
    found.sort();
    let mut rows = ROWS.map(|row| (row.file.to_owned(), row.body.to_owned()));
    rows.sort();
    assert_eq!(found, rows);
    // All else is sent with the compiler's word for no bounce.
    println!("{} messages are sent with bounce", found.len());
}

fn throw_back(solo: &mut Solo, from: fog_protocol::Address, message: &Sent) -> Ran {
    solo.receive(from, message.value, message.bounced(109), Arrival::Bounced)
}

#[test]
fn each_comes_back_once_again_late_poor_and_from_another() {
    let mut cases = 0;
    for row in ROWS {
        for case in (row.alone)() {
            let name = format!("{} {} {}", row.file, row.body, case.name);
            assert!(case.message.bounce, "{name}");
            foreign(&name, &case);
            once_and_again(&name, &case);
            poor(&name, &case);
            late(&name, &case);
            cases += 1;
        }
    }
    println!("{cases} ways to 14 messages");
}

fn foreign(name: &str, case: &Case) {
    for from in alone::EVERYBODY.into_iter().filter(|from| *from != case.message.to) {
        let (mut solo, before) = (case.waiting.clone(), case.waiting.stored());
        let ran = throw_back(&mut solo, from, &case.message);
        let same = solo.stored() == before;
        assert_eq!(same, case.keeps.sender, "{name} from {from}");
        assert!(!same || ran.sent.is_empty(), "{name} pays {from}");
    }
}

fn once_and_again(name: &str, case: &Case) {
    let (mut solo, before) = (case.waiting.clone(), case.waiting.stored());
    let first = throw_back(&mut solo, case.message.to, &case.message);
    assert_eq!(first.exit, 0, "{name}");
    let after = solo.stored();
    assert_eq!(after != before, case.keeps.undoes, "{name}");
    throw_back(&mut solo, case.message.to, &case.message);
    let unchanged = solo.stored() == after;
    assert_eq!(unchanged, case.keeps.once, "{name} again");
}

/// What comes back is worth what is left of it: where that pays for the step and for nothing more,
/// the step is undone all the same.
fn poor(name: &str, case: &Case) {
    let with = |value: u64| {
        let (mut solo, before) = (case.waiting.clone(), case.waiting.stored());
        let body = case.message.bounced(109);
        let ran = solo.receive(case.message.to, value, body, Arrival::Bounced);
        (ran.exit, solo.stored() != before)
    };
    // Below the price of its gas nothing runs.
    let runs = |value| ![-1001, -14].contains(&with(value).0);
    let (mut too_little, mut enough) = (0, GRAM);
    while enough - too_little > 1 {
        let middle = too_little.midpoint(enough);
        if runs(middle) { enough = middle } else { too_little = middle }
    }
    let (exit, undone) = with(enough);
    assert_eq!(exit, 0, "{name}");
    assert_eq!(undone, case.keeps.undoes, "{name}");
}

fn late(name: &str, case: &Case) {
    let mut solo = case.waiting.clone();
    (case.moves_on)(&mut solo);
    let before = solo.stored();
    assert!(!case.keeps.undoes || before != case.waiting.stored(), "{name} moved on");
    throw_back(&mut solo, case.message.to, &case.message);
    assert_eq!(solo.stored() == before, case.keeps.in_time, "{name} late");
}

#[test]
fn each_is_refused_for_real_and_undone() {
    for row in ROWS {
        println!("{} {}", row.file, row.body);
        (row.real)();
    }
}
