//! `fog audit`: a node that kept its word, and the same node behind somebody who says otherwise.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Output,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Json, Router, extract::State, http::StatusCode, http::Uri};
use fog_harness::{Behaviour, LocalNetwork, NetworkOptions, Verifiers};
use fog_protocol::{Epoch, Hash32, RATE_ONE, Signed, Tagged as _, TaskId, TaskStatus, tagged_hash};
use fog_requestor::Requestor;
use serde_json::Value;

use crate::{
    fog::{fog, json, run},
    jury::{options, post, requestor, to_end, worker},
};

/// What is changed in an answer, by its path.
type Lie = fn(&str, &mut Value);

/// The same, with what it needs to know.
type Knowing = dyn Fn(&str, &mut Value) + Send + Sync;

/// Passes on what the node answers, changed.
struct Liar {
    node: String,
    lie: Box<Knowing>,
}

async fn answer(State(liar): State<Arc<Liar>>, uri: Uri) -> (StatusCode, Json<Value>) {
    let path = uri.path_and_query().unwrap().as_str();
    let said = reqwest::get(format!("{}{path}", liar.node)).await.unwrap();
    let status = StatusCode::from_u16(said.status().as_u16()).unwrap();
    let mut body: Value = said.json().await.unwrap();
    (liar.lie)(path, &mut body);
    if body.is_null() { (StatusCode::NOT_FOUND, Json(body)) } else { (status, Json(body)) }
}

async fn liar(node: &str, lie: impl Fn(&str, &mut Value) + Send + Sync + 'static) -> String {
    let state = Arc::new(Liar { node: node.to_owned(), lie: Box::new(lie) });
    let router = Router::new().fallback(answer).with_state(state);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn paid(requestor: &Requestor, salt: u8, rate_ppm: u32) -> TaskId {
    let prepared = post(requestor, salt, rate_ppm).await;
    let view = to_end(requestor, &prepared).await;
    assert_eq!(view.status, TaskStatus::Paid, "{view:#?}");
    prepared.task
}

/// Runs `fog audit`, off the runtime's threads.
async fn audit(home: &Path, node: &str, chain: &str, args: &[&str]) -> Output {
    let mut command = fog(home);
    command.env("FOG_NODE", node).env("FOG_CHAIN", chain).arg("audit").args(args);
    tokio::task::spawn_blocking(move || run(&mut command)).await.unwrap()
}

fn is_evidence(path: &str) -> bool {
    path.ends_with("/evidence")
}

/// Each with what it ends with, and what is said of it.
const LIES: [(&str, Lie, i32, &str); 8] = [
    (
        "a task of the epoch was left out of the list",
        |path, body| {
            if path.starts_with("/v1/tasks?") {
                drop(body["tasks"].as_array_mut().unwrap().pop());
            }
        },
        1,
        "some are left out",
    ),
    (
        "the seed was another",
        |path, body| {
            if path.starts_with("/v1/epochs/") {
                body["seed"] = Value::from("77".repeat(32));
            }
        },
        1,
        "the seed that the node reveals",
    ),
    (
        "nobody looked, and that was so drawn",
        |path, body| {
            if is_evidence(path) && body["basis"]["kind"] == "drawn" {
                body["basis"]["kind"] = "not_drawn".into();
                body["finding"] = serde_json::json!({ "kind": "not_checked" });
            }
        },
        1,
        "nobody looked",
    ),
    (
        "drawn with another seed",
        |path, body| {
            if is_evidence(path) {
                body["basis"]["seed"] = Value::from("77".repeat(32));
            }
        },
        1,
        "another seed than the epoch's",
    ),
    (
        "another story than the contract was told",
        |path, body| {
            if is_evidence(path) {
                body["basis"] = serde_json::json!({ "kind": "flagged" });
            }
        },
        1,
        "other evidence",
    ),
    (
        "the next epoch follows another",
        |path, body| {
            let first = Value::from("00".repeat(32));
            if path.starts_with("/v1/epochs/") && body["signed"]["value"]["previous"] != first {
                body["signed"]["value"]["previous"] = Value::from("77".repeat(32));
            }
        },
        1,
        "exchanged",
    ),
    (
        "evidence that is not shown",
        |path, body| {
            if is_evidence(path) {
                *body = Value::Null;
            }
        },
        2,
        "does not show",
    ),
    (
        "a verdict that is not shown",
        |path, body| {
            if path.starts_with("/v1/tasks?") {
                for task in body["tasks"].as_array_mut().unwrap() {
                    task["verdict"] = Value::Null;
                    task["commitment"] = Value::Null;
                    task["status"] = "refunded".into();
                }
            }
        },
        2,
        "shows no evidence",
    ),
];

#[test]
fn a_node_that_keeps_its_word_is_told_from_one_that_does_not() {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path();
        let options =
            NetworkOptions { probation: 0, verifiers: Verifiers::InNode, ..options(home) };
        let network = LocalNetwork::start(&options).await.unwrap();
        let requestor = requestor(&network.api, &network.local);
        let first = worker(&network, home, 0, Behaviour::Honest).await;
        let drawn = paid(&requestor, 1, RATE_ONE).await;
        let rarely = paid(&requestor, 2, 10_000).await;
        let (node, chain) = (network.api.url().to_owned(), network.local.chain.url());
        let number = network.api.info().epoch.as_ref().unwrap().value.number;
        let epoch = number.to_string();
        let epoch = epoch.as_str();

        let early = audit(home, &node, &chain, &[epoch, "--json"]).await;
        assert_eq!((early.status.code(), &json(&early)["word"]), (Some(2), &"unknown".into()));
        let never = audit(home, &node, &chain, &["9", "--json"]).await;
        assert_eq!(never.status.code(), Some(2));

        network.local.chain.warp(4_000).await.unwrap();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(90);
        while network.api.epoch(number).await.unwrap().seed.is_none() {
            assert!(std::time::Instant::now() < end, "waited in vain for the seed");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let (one, two) = (drawn.to_string(), rarely.to_string());
        // Its head is on its way to the chain.
        loop {
            let word = json(&audit(home, &node, &chain, &[epoch, "--json"]).await);
            if word["anchor"] != Value::Null {
                break;
            }
            assert!(std::time::Instant::now() < end, "waited in vain for the anchor: {word:#}");
        }
        let mine = [epoch, "--json", "--task", &one, "--task", &two];
        let kept = audit(home, &node, &chain, &mine).await;
        let report = json(&kept);
        assert_eq!(kept.status.code(), Some(0), "{report:#}");
        assert_eq!((&report["word"], &report["anchor"]["tasks"]), (&"kept".into(), &2.into()));
        assert_eq!(report["chain"], serde_json::json!([number, number + 1]));
        let tasks = report["tasks"].as_array().unwrap();
        assert_eq!(tasks.len(), 2, "{report:#}");
        let of = |id: &str| tasks.iter().find(|task| task["task"] == id).unwrap();
        assert_eq!(of(&one)["due"], "drawn", "{report:#}");
        assert!(["drawn", "left_out"].contains(&of(&two)["due"].as_str().unwrap()), "{report:#}");
        let text = audit(home, &node, &chain, &[epoch]).await;
        let text = String::from_utf8(text.stdout).unwrap();
        assert!(text.ends_with("The node kept its word.\n"), "{text}");

        // A task of this epoch says nothing about another. A worker that may still have the time of
        // before the leap would take the bid round for one of more than an hour.
        drop(first);
        let _worker = worker(&network, home, 0, Behaviour::Honest).await;
        let later = paid(&requestor, 3, RATE_ONE).await.to_string();
        let other = audit(home, &node, &chain, &[epoch, "--json", "--task", &later]).await;
        let reason = json(&other)["reasons"][0].as_str().unwrap().to_owned();
        assert_eq!(other.status.code(), Some(2), "{reason}");
        assert!(reason.contains("names epoch") && reason.contains(&later), "{reason}");

        let unknown = "ab".repeat(32);
        let missing = audit(home, &node, &chain, &[epoch, "--json", "--task", &unknown]).await;
        assert_eq!(missing.status.code(), Some(1));
        assert!(json(&missing)["reasons"][0].as_str().unwrap().contains(&unknown));

        for (name, lie, code, says) in LIES {
            let url = liar(&node, lie).await;
            let found = audit(home, &url, &chain, &[epoch]).await;
            let text = String::from_utf8(found.stdout).unwrap();
            assert_eq!(found.status.code(), Some(code), "{name}: {text}");
            assert!(text.contains(says), "{name}: {text}");
            // Where it is about tasks, it names them.
            let names = text.contains(&one) || text.lines().any(|line| line.starts_with("  the"));
            assert!(names || text.contains("  epoch"), "{name}: {text}");
        }
        // Nobody there, of the node or of the chain: nothing is said against anybody.
        let nowhere = "http://127.0.0.1:1";
        assert_eq!(audit(home, nowhere, &chain, &[epoch]).await.status.code(), Some(2));
        let blind = audit(home, &node, nowhere, &[epoch, "--json"]).await;
        assert_eq!((blind.status.code(), &json(&blind)["word"]), (Some(2), &"unknown".into()));
        network.shutdown().await;
    });
}

/// The chain of epochs from `first` on with another seed of that one: signed again by the node, which
/// has the key.
async fn exchanged(
    network: &LocalNetwork,
    first: u64,
    seed: &Hash32,
) -> BTreeMap<String, Signed<Epoch>> {
    let key = &network.local.accounts.operator.wallet.key;
    let mut chain = BTreeMap::new();
    let mut previous: Option<Epoch> = None;
    for number in first.. {
        let Ok(shown) = network.api.epoch(number).await else { break };
        let mut epoch = shown.signed.unwrap().value;
        match &previous {
            None => epoch.seed_hash = tagged_hash("fog/epoch-seed/v1", &[&seed.0]),
            Some(before) => epoch.previous = before.digest(),
        }
        previous = Some(epoch);
        chain.insert(format!("/v1/epochs/{number}"), Signed::new(epoch, key));
    }
    chain
}

/// Nothing names the epoch, so nothing of it stands on chain: a later one that does leads back to it.
#[test]
fn a_seed_of_an_epoch_without_tasks_is_held_to_by_the_next_that_has_some() {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path();
        let options =
            NetworkOptions { probation: 0, verifiers: Verifiers::InNode, ..options(home) };
        let network = LocalNetwork::start(&options).await.unwrap();
        let requestor = requestor(&network.api, &network.local);
        let (node, chain) = (network.api.url().to_owned(), network.local.chain.url());
        let empty = network.api.info().epoch.as_ref().unwrap().value.number;
        let epoch = empty.to_string();
        let end = Instant::now() + Duration::from_secs(90);
        let over = async |number: u64| {
            network.local.chain.warp(4_000).await.unwrap();
            while network.api.epoch(number).await.unwrap().seed.is_none() {
                assert!(Instant::now() < end, "waited in vain for the seed of {number}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        over(empty).await;
        // Nothing on chain tells this seed from another.
        let alone = audit(home, &node, &chain, &[&epoch, "--json"]).await;
        let report = json(&alone);
        assert_eq!((alone.status.code(), &report["word"]), (Some(2), &"unknown".into()));
        assert!(report["reasons"][0].as_str().unwrap().contains("no later epoch"), "{report:#}");

        let _worker = worker(&network, home, 0, Behaviour::Honest).await;
        let later = post(&requestor, 1, RATE_ONE).await;
        let named = later.listing.named_epoch().unwrap().number;
        assert!(named > empty);
        to_end(&requestor, &later).await;
        over(named).await;
        let report = loop {
            let report = json(&audit(home, &node, &chain, &[&epoch, "--json"]).await);
            if report["covered_by"] != Value::Null {
                break report;
            }
            assert!(Instant::now() < end, "waited in vain for the anchor: {report:#}");
        };
        assert_eq!((&report["word"], &report["anchor"]), (&"kept".into(), &Value::Null));
        assert_eq!(report["covered_by"]["epoch"], named);
        let text = audit(home, &node, &chain, &[&epoch]).await;
        let text = String::from_utf8(text.stdout).unwrap();
        assert!(text.contains(&format!("epoch {named}, which leads back to it")), "{text}");

        // The node signs another history, in which all holds but what the chain was told.
        let seed = Hash32([0x77; 32]);
        let other = exchanged(&network, empty, &seed).await;
        let told = format!("/v1/epochs/{empty}");
        let url = liar(&node, move |path, body| {
            let Some(signed) = other.get(path) else { return };
            body["signed"] = serde_json::to_value(signed).unwrap();
            body["seed_hash"] = body["signed"]["value"]["seed_hash"].clone();
            if path == told {
                body["seed"] = serde_json::to_value(seed).unwrap();
            }
        });
        let found = audit(home, &url.await, &chain, &[&epoch]).await;
        let text = String::from_utf8(found.stdout).unwrap();
        assert_eq!(found.status.code(), Some(1), "{text}");
        assert!(text.contains(&format!("another epoch {named} than")), "{text}");
        network.shutdown().await;
    });
}
