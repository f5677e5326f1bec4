//! Memory does not grow with the number of transactions: beyond the state and a bounded history
//! nothing stays. A test binary of its own, because it looks at its own process.
//!
//! `cargo test --release -p fog-testnet --test memory -- --ignored --nocapture` measures a million.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::print_stdout, reason = "the figures are for people to read")]

use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use fog_testnet::chain::{Chain, ChainConfig, Clock, Durability, Transfer, Treasury};
use tycho_types::cell::HashBytes;
use tycho_types::models::StdAddr;

const START: u32 = 1_760_000_000;
/// Accounts that receive: the state does not grow after the first round.
const RECEIVERS: u8 = 100;
const HISTORY: u64 = 5_000;

/// One measurement at a time: they share the process they look at.
static ALONE: Mutex<()> = Mutex::new(());

/// Resident memory of this process, KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn settings(history: Option<u64>) -> ChainConfig {
    ChainConfig {
        clock: Clock::Manual(START),
        history: history.and_then(NonZeroU64::new),
        durability: Durability::Process,
        ..ChainConfig::default()
    }
}

/// Two transactions a round: the treasury's, and the receiver's.
fn transfers(chain: &mut Chain, party: &Treasury, rounds: u64) {
    for round in 0..rounds {
        let number = u8::try_from(round % u64::from(RECEIVERS)).unwrap();
        let target = StdAddr::new(0, HashBytes([number; 32]));
        let receipt = chain.send_from(party, &Transfer::plain(target, 1_000_000)).unwrap();
        assert_eq!((receipt.transactions.len(), receipt.undelivered), (2, 0));
    }
}

struct Reading {
    before: u64,
    after: u64,
}

/// Runs `transactions` after a tenth of them as warm-up, and looks at the memory before and after.
fn measure(name: &str, mut chain: Chain, transactions: u64) -> Reading {
    let party = chain.open_treasury(1, 10_000_000_000_000_000).unwrap();
    transfers(&mut chain, &party, transactions / 20);
    let (before, begun, already) = (resident(), Instant::now(), chain.totals().transactions);
    transfers(&mut chain, &party, transactions / 2);
    let (after, seconds) = (resident(), begun.elapsed().as_secs_f64());
    let made = chain.totals().transactions - already;
    assert_eq!(made, transactions / 2 * 2);
    println!(
        "{name}: {made} transactions, {:.0}/s, resident {before} KiB before, {after} KiB after, \
         blocks {}..={} kept",
        made as f64 / seconds,
        chain.first_block(),
        chain.last_block().seqno,
    );
    Reading { before, after }
}

fn on_disk(dir: &Path, history: Option<u64>) -> Chain {
    Chain::open(settings(history), dir).unwrap()
}

#[test]
fn fifty_thousand_transactions_leave_no_trace_in_memory() {
    let _alone = ALONE.lock();
    // Allocators keep some of what was freed; a leak of one transaction's cells would be 100 MB.
    const SLACK: u64 = 12 << 10;
    let in_memory = Chain::new_in_memory(settings(Some(HISTORY))).unwrap();
    let reading = measure("in memory", in_memory, 50_000);
    assert!(reading.after < reading.before + SLACK);
}

#[test]
fn a_chain_on_disk_leaves_its_history_there() {
    let _alone = ALONE.lock();
    // The page cache of the store fills up: 16 MiB, and as much again while it writes.
    const SLACK: u64 = 40 << 10;
    let dir = tempfile::tempdir().unwrap();
    let reading = measure("on disk", on_disk(dir.path(), None), 16_000);
    assert!(reading.after < reading.before + SLACK);
}

#[test]
#[ignore = "minutes: the figures of testnet/README.md"]
fn a_million_transactions() {
    let _alone = ALONE.lock();
    const MILLION: u64 = 1_000_000;
    const SLACK: u64 = 64 << 10;
    let in_memory = Chain::new_in_memory(settings(Some(HISTORY))).unwrap();
    let reading = measure("in memory, history of 5,000", in_memory, MILLION);
    assert!(reading.after < reading.before + SLACK);
    for (name, history) in [("on disk, history of 5,000", Some(HISTORY)), ("on disk, all", None)] {
        let dir = tempfile::tempdir().unwrap();
        let reading = measure(name, on_disk(dir.path(), history), MILLION);
        assert!(reading.after < reading.before + SLACK);
        let bytes = std::fs::metadata(dir.path().join("chain.redb")).unwrap().len();
        println!("{name}: {} MiB of file", bytes >> 20);
    }
}
