//! The same random messages once more, in the reference C++ TVM (npm `@ton/sandbox`): every
//! transaction must have the same hash, which covers messages, fees, phases and the account before
//! and after. `FOG_DIFFERENTIAL` sets how many sequences run; `FOG_WHOLE=1` lets each run to its end.

use std::{
    collections::BTreeMap,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
};

use fog_testnet::chain::{Block, Chain};
use serde::Deserialize;
use serde_json::json;
use tycho_types::boc::Boc;

use super::{MESSAGES, Play, leave};

const SEQUENCES: u64 = 500;
/// Random messages of a sequence; with what they cause, about sixty transactions.
const SHORT: u32 = 12;
/// Seeds of their own: the books' sequences are other ones.
const FIRST_SEED: u64 = 1 << 32;
const NETWORK: &str = "-3";

/// What the other side found.
#[derive(Debug, Default, Deserialize)]
struct Findings {
    sequences: u64,
    transactions: u64,
    accounts: u64,
    differences: u64,
    shown: Vec<serde_json::Value>,
}

/// The reference in a process of its own.
struct Reference {
    process: Child,
    input: BufWriter<ChildStdin>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/oracle")
}

impl Reference {
    fn start() -> Self {
        let mut process = Command::new("node")
            .args(["replay.mjs", NETWORK])
            .current_dir(folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Node.js is installed");
        let input = BufWriter::new(process.stdin.take().unwrap());
        Self { process, input }
    }

    fn tell(&mut self, line: &serde_json::Value) {
        writeln!(self.input, "{line}").expect("the reference still runs");
    }

    /// Everything that happened on a chain, but for the faucet, which is no account of the market.
    fn replay(&mut self, seed: u64, chain: &Chain) {
        self.tell(&json!({ "begin": seed }));
        let mut last = BTreeMap::new();
        for seqno in 1..=chain.last_block().seqno {
            let block = chain.block(seqno).unwrap().expect("it is remembered");
            self.replay_block(chain, &block, &mut last);
        }
        self.tell(&json!({ "end": last }));
    }

    fn replay_block(&mut self, chain: &Chain, block: &Block, last: &mut BTreeMap<String, String>) {
        for place in &block.transactions {
            if place.address == *chain.faucet() {
                continue;
            }
            let record = chain.transaction(&place.address, place.lt).unwrap().unwrap();
            let transaction = record.load().unwrap();
            let message = transaction.in_msg.as_ref().expect("an ordinary transaction");
            let address = place.address.to_string();
            self.tell(&json!({
                "a": address,
                "m": Boc::encode_base64(message),
                "t": transaction.now,
                // The smallest it may have, not the one it got: that is compared, too.
                "l": (block.start_lt + 1).to_string(),
                "h": place.hash.to_string(),
            }));
            let state = chain.account_state(&place.address).unwrap();
            let hash = state.map_or_else(
                || *fog_testnet::chain::missing_account().unwrap().account.repr_hash(),
                |state| *state.account.repr_hash(),
            );
            last.insert(address, hash.to_string());
        }
    }

    fn finish(mut self) -> Findings {
        self.input.flush().unwrap();
        drop(self.input);
        let output = self.process.wait_with_output().unwrap();
        assert!(output.status.success(), "the reference failed");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn install() {
    if !folder().join("node_modules/@ton/sandbox").exists() {
        let npm = ["ci", "--silent", "--no-audit", "--no-fund"];
        let done = Command::new("npm").args(npm).current_dir(folder()).status();
        assert!(done.unwrap().success(), "npm ci in tests/oracle");
    }
}

/// Takes sequences until there are none left; a reference for each of two threads.
fn compare(next: &AtomicU64, count: u64, whole: bool) -> Findings {
    let mut reference = Reference::start();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return reference.finish();
        }
        let seed = FIRST_SEED + number;
        let mut play = Play::new(seed);
        play.play(if whole { MESSAGES } else { SHORT });
        if whole {
            leave(&mut play);
        } else {
            play.drain();
        }
        reference.replay(seed, &play.chain);
    }
}

#[test]
fn random_sequences_are_the_same_in_the_reference() {
    install();
    let chosen = std::env::var("FOG_DIFFERENTIAL").ok().and_then(|count| count.parse().ok());
    let (count, whole) = (chosen.unwrap_or(SEQUENCES), std::env::var_os("FOG_WHOLE").is_some());
    let next = AtomicU64::new(0);
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| compare(&next, count, whole));
        (compare(&next, count, whole), other.join().expect("no sequence failed"))
    });
    let sum = |of: fn(&Findings) -> u64| of(&one) + of(&other);
    fog_figures::figure!(
        "differences from the reference",
        "{} sequences, {} transactions, {} accounts at their ends, {} differences from the reference",
        sum(|found| found.sequences),
        sum(|found| found.transactions),
        sum(|found| found.accounts),
        sum(|found| found.differences),
    );
    assert_eq!(sum(|found| found.differences), 0, "{:#?}\n{:#?}", one.shown, other.shown);
    assert_eq!(sum(|found| found.sequences), count);
    assert!(sum(|found| found.transactions) >= count * 40, "they did next to nothing");
}
