//! Against an independent gateway: the reference TVM behind a server of the dialect that shares no
//! code with this project (`tests/oracle`), and lies, lags, reorders, limits and drops on command.

mod finality;
mod lies;
pub(crate) mod server;
pub(crate) mod stage;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use server::OracleOptions;
use stage::{Holdings, Stage};

pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// What the worker asks for a task of the stage, less the market's two per cent.
const EARNED: u64 = 19_600_000;
/// The treasury's half of the fee; the other is the node's.
const FEE: u64 = 200_000;

/// One whole task under these faults: paid, once, to the nanogram.
async fn survives(stage: &Stage, salt: u32, what: &str, faults: Value) {
    let before = stage.holdings().await;
    stage.oracle.faults(faults).await;
    let begun = Instant::now();
    let view = stage.post(salt).await;
    let hits = stage.oracle.honest().await;
    println!("{what}: paid after {:.1?}, struck {hits}", begun.elapsed());
    assert_eq!(view["status"], "paid", "{what}: {view:#}");
    assert!(hits.as_object().is_some_and(|hits| !hits.is_empty()), "{what}: nothing went wrong");
    paid_once(&stage.holdings().await, &before, what);
}

fn paid_once(after: &Holdings, before: &Holdings, what: &str) {
    assert_eq!(after.earned - before.earned, EARNED, "{what}");
    assert_eq!((after.staked, after.reserved), (before.staked, 0), "{what}");
    // The treasury pays rent for its account: a few nanogram, never a second fee.
    let fees = after.fees - before.fees;
    assert!((FEE - 1_000..=FEE).contains(&fees), "{what}: {fees}, {before:?}, {after:?}");
}

/// By configuration alone: another implementation of the chain, an API key, the same binary.
#[test]
fn a_whole_task_against_the_reference_tvm() {
    runtime().block_on(async {
        let options = OracleOptions { key: Some("a key"), ..OracleOptions::default() };
        let stage = Stage::start(options, "").await;
        let before = stage.holdings().await;
        let view = stage.post(1).await;
        assert_eq!(view["status"], "paid", "{view:#}");
        paid_once(&stage.holdings().await, &before, "an honest gateway");
    });
}

#[test]
fn a_gateway_that_limits_drops_and_stalls() {
    runtime().block_on(async {
        let stage = Stage::start(OracleOptions::default(), "confirmations = 1\n").await;
        let faults = [
            ("too many requests", json!([{ "kind": "limit", "chance": 0.05 }])),
            ("too many, wait", json!([{ "kind": "limit", "chance": 0.03, "retryAfter": 1 }])),
            (
                "pages instead of answers, and no answers",
                json!([
                    { "kind": "page", "code": 502, "chance": 0.03 },
                    { "kind": "page", "code": 504, "chance": 0.03 },
                    { "kind": "page", "chance": 0.03 },
                    { "kind": "close", "chance": 0.03 },
                ]),
            ),
            ("slow", json!([{ "kind": "slow", "ms": 40 }])),
            ("forgotten messages", json!([{ "kind": "forget", "left": 2 }])),
            ("unheard answers", json!([{ "kind": "swallow", "methods": ["sendBoc"], "every": 2 }])),
        ];
        for (salt, (what, faults)) in (10..).zip(faults) {
            survives(&stage, salt, what, faults).await;
        }
    });
}

#[test]
fn a_gateway_that_lies_lags_and_reorders() {
    runtime().block_on(async {
        let stage = Stage::start(OracleOptions::default(), "confirmations = 1\n").await;
        let history =
            |how: &str, every: u32| json!([{ "kind": "history", "how": how, "every": every }]);
        let faults = [
            ("every other answer is old", json!([{ "kind": "lag", "blocks": 7, "every": 2 }])),
            ("foreign balances", json!([{ "kind": "balance", "nano": "1" }])),
            ("older transactions left out", history("older-omitted", 2)),
            ("the newest left out", history("newest-omitted", 2)),
            ("in another order", history("swapped", 2)),
            ("altered", history("altered", 2)),
            ("altered under their own hash", history("rehashed", 2)),
            ("no transactions", history("empty", 2)),
        ];
        for (salt, (what, faults)) in (10..).zip(faults) {
            survives(&stage, salt, what, faults).await;
        }
    });
}
