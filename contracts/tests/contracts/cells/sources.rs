//! What the sources say is taken, against what the matrices say.

use std::collections::{BTreeMap, BTreeSet};

use fog_protocol::Address;
use tycho_types::cell::Cell;

use crate::{alone, channels, delegations, jetton_tasks, jettons, known, operators, world::START};

/// A contract's inbound messages, as its source lists them.
struct Inbound {
    /// Name of the union of them.
    union: String,
    members: BTreeSet<String>,
    /// The source, without comments.
    code: String,
}

fn tolk() -> Vec<(String, String)> {
    known::sources("tolk", "tolk")
}

/// Names and opcodes of all messages: `struct (0x...) Name`.
fn opcodes() -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    for (_, code) in tolk() {
        for line in code.lines().filter_map(|line| line.trim_start().strip_prefix("struct (0x")) {
            let (op, rest) = line.split_once(") ").unwrap();
            let name = rest.split([' ', '{']).next().unwrap().to_owned();
            let op = u32::from_str_radix(op, 16).unwrap();
            assert_eq!(found.insert(name, op), None, "{line}");
        }
    }
    let distinct: BTreeSet<_> = found.values().collect();
    assert_eq!(distinct.len(), found.len(), "two messages with one opcode");
    found
}

/// Opcodes and names.
pub(super) fn names() -> BTreeMap<u32, String> {
    opcodes().into_iter().map(|(name, op)| (op, name)).collect()
}

/// The members of `type UNION = A | B ...`, wherever that stands.
fn members(tolk: &[(String, String)], union: &str) -> BTreeSet<String> {
    let start = format!("\ntype {union} = ");
    let rest = tolk.iter().find_map(|(_, code)| Some(code.split_once(&start)?.1)).unwrap();
    let mut lines = rest.lines();
    let first = lines.next().unwrap();
    let more = lines.take_while(|line| line.starts_with("    |"));
    let all = std::iter::once(first).chain(more).flat_map(|line| line.split('|'));
    all.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The arms of the `match` that follows: names before ` =>`, eight spaces in.
fn arms(code: &str) -> BTreeSet<String> {
    let (arms, _) = code.split_once("\n        else =>").unwrap();
    let lines = arms.lines().filter_map(|line| line.strip_prefix("        "));
    let names =
        lines.filter(|line| !line.starts_with(' ')).filter_map(|line| line.split_once(" =>"));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// Every union that a body from outside is read as. (What came back is read from `originalBody`.)
fn inbound() -> Vec<Inbound> {
    let (mut found, tolk) = (Vec::new(), tolk());
    for (path, code) in &tolk {
        for start in ["fromSlice(in.body);", "fromSlice(body);"] {
            for (at, _) in code.match_indices(start) {
                let before = code[..at].trim_end_matches('.');
                let union = before.rsplit(' ').next().unwrap().to_owned();
                if union == "RichBounceBody" {
                    continue;
                }
                let members = members(&tolk, &union);
                assert_eq!(members, arms(&code[at..]), "{path}: {union}");
                found.push(Inbound { union, members, code: code.clone() });
            }
        }
    }
    found
}

/// The opcodes of these bodies.
pub(super) fn spoken(bodies: impl IntoIterator<Item = Cell>) -> BTreeSet<u32> {
    bodies.into_iter().map(|body| body.as_slice().unwrap().load_u32().unwrap()).collect()
}

/// What the matrix of each union's contract says to it.
fn matrices() -> BTreeMap<&'static str, BTreeSet<u32>> {
    let task = |word: &alone::Word| word.body(Address::basechain([1; 32]), START);
    BTreeMap::from([
        ("MarketMessage", super::market::opcodes()),
        ("StakeMessage", super::stake::opcodes()),
        ("TaskMessage", spoken(alone::Word::ALL.iter().map(task))),
        ("JettonTaskMessage", spoken(jetton_tasks::matrix::words())),
        ("ChannelMessage", spoken(channels::matrix::words())),
        ("JettonMessage", spoken(jettons::matrix::words())),
        ("OperatorMessage", spoken(operators::words())),
        ("DelegationMessage", spoken(delegations::words().map(|(_, body)| body))),
    ])
}

#[test]
fn every_operation_of_every_contract_is_in_a_matrix() {
    let (opcodes, matrices, inbound) = (opcodes(), matrices(), inbound());
    let unions: BTreeSet<_> = inbound.iter().map(|of| of.union.as_str()).collect();
    assert_eq!(unions, matrices.keys().copied().collect(), "a contract without a matrix");
    assert_eq!(unions.len(), inbound.len(), "one contract reads a union");
    for of in &inbound {
        let spoken = &matrices[of.union.as_str()];
        let taken: BTreeSet<_> = of.members.iter().map(|name| opcodes[name]).collect();
        for name in &of.members {
            assert!(spoken.contains(&opcodes[name]), "{}: {name} is in no matrix", of.union);
        }
        assert_eq!(&taken, spoken, "{}: said, and not read", of.union);
    }
    let all: Vec<_> = inbound.iter().flat_map(|of| &of.members).collect();
    println!("{} operations of {} contracts' messages", all.len(), inbound.len());
}

/// Messages to contracts of ours ('M', 'T', 'S', 'D', 'O', 'V') that none of them reads would be dead,
/// or read where this file does not look.
#[test]
fn every_message_to_a_contract_is_read_by_one() {
    let read: BTreeSet<_> = inbound().into_iter().flat_map(|of| of.members).collect();
    for (name, op) in opcodes() {
        if b"MTSDOV".contains(&op.to_be_bytes()[0]) {
            assert!(read.contains(&name), "nobody reads {name}");
        }
    }
}

/// Every contract begins in one of those unions: in its own source, or through a function that stands
/// where the union does.
#[test]
fn every_contract_reads_a_known_union() {
    let inbound = inbound();
    let mut contracts = 0;
    for (path, code) in tolk() {
        let Some((_, entry)) = code.split_once("fun onInternalMessage(") else { continue };
        let entry = entry.split("\n}").next().unwrap();
        contracts += 1;
        let here = |of: &&Inbound| entry.contains(&format!("lazy {}.fromSlice", of.union));
        let called = |of: &&Inbound| {
            let functions =
                of.code.split("\nfun ").skip(1).filter_map(|rest| rest.split('(').next());
            functions.into_iter().any(|name| entry.contains(&format!("    {name}(")))
        };
        assert!(inbound.iter().any(|of| here(&of) || called(&of)), "{path} reads no known union");
    }
    assert_eq!(contracts, compiled(), "an entry for each contract");
}

/// How many contracts are compiled. A task's entry serves for tasks in GRAM and in jettons.
fn compiled() -> usize {
    let folder = format!("{}/compiled", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_dir(folder).unwrap().count() - 1
}
