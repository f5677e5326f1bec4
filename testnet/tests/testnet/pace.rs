//! Block time and clocks, in process and over HTTP.

use std::time::Duration;

use fog_testnet::chain::{ChainConfig, Clock};
use fog_testnet::toncenter::{Production, ServerConfig, spawn};
use serde_json::{Value, json};
use tycho_types::cell::HashBytes;
use tycho_types::models::StdAddr;

async fn post(url: &str, action: &str, body: Value) -> (u16, Value) {
    let request = reqwest::Client::new().post(format!("{url}/control/{action}")).json(&body);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn blocks_come_at_their_pace_even_if_empty() {
    const PERIOD: Duration = Duration::from_millis(100);
    let config = ServerConfig { production: Production::Interval(PERIOD), ..Default::default() };
    let (api, handle) = spawn(config).await.unwrap();
    let mut tip = api.subscribe();
    tip.changed().await.unwrap();
    let (begun, first) = (std::time::Instant::now(), tip.borrow_and_update().seqno);
    while tip.borrow_and_update().seqno < first + 10 {
        tip.changed().await.unwrap();
    }
    // Never faster; slower only if the machine is.
    let made = tip.borrow_and_update().seqno - first;
    assert!(begun.elapsed() >= PERIOD * (made - 1), "{made} blocks in {:?}", begun.elapsed());
    assert!(api.block(first + 5).await.unwrap().unwrap().transactions.is_empty());
    assert_eq!(api.totals().await.unwrap().transactions, 0);
    handle.shutdown().await;
}

#[tokio::test]
async fn a_frozen_clock_moves_only_when_it_is_told_to() {
    let config = || ServerConfig {
        chain: ChainConfig { clock: Clock::Frozen, block_seconds: 5, ..Default::default() },
        production: Production::OnDemand,
        ..Default::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let on_disk = ServerConfig { data: Some(dir.path().to_owned()), ..config() };
    let (api, handle) = spawn(on_disk.clone()).await.unwrap();
    let now = |api: &fog_testnet::toncenter::Api| {
        let api = api.clone();
        async move { api.with(|chain| chain.now()).await.unwrap() }
    };
    let start = now(&api).await;
    let (_, warped) = post(&api.url(), "warp", json!({ "seconds": 60 })).await;
    assert_eq!(warped["result"]["now"], start + 60);
    let (_, mined) = post(&api.url(), "mine", json!({ "blocks": 4 })).await;
    assert_eq!(
        (&mined["result"]["now"], &mined["result"]["seqno"]),
        (&json!(start + 80), &json!(5))
    );
    // Money moves, time does not.
    api.fund(StdAddr::new(0, HashBytes([1; 32])), 5).await.unwrap();
    assert_eq!(now(&api).await, start + 80);

    // Over a restart, and from a checkpoint, it stands where it stood.
    let (_, kept) = post(&api.url(), "checkpoint", json!({ "name": "then" })).await;
    api.warp(1_000).await.unwrap();
    handle.shutdown().await;
    drop(api);
    let (api, handle) = spawn(on_disk).await.unwrap();
    assert_eq!(now(&api).await, start + 1_080);
    let (status, restored) = post(&api.url(), "restore", json!({ "name": "then" })).await;
    assert_eq!((status, &restored["result"]["now"]), (200, &json!(start + 80)));
    assert_eq!(restored["result"]["restores"], 1);
    let (_, state) = post(&api.url(), "state", json!({})).await;
    assert_eq!(state["result"]["state_hash"], kept["result"]["state_hash"]);
    handle.shutdown().await;
}

#[tokio::test]
async fn subscribers_learn_of_a_restore() {
    let (api, handle) = spawn(ServerConfig::default()).await.unwrap();
    let mut tip = api.subscribe();
    api.checkpoint("here".parse().unwrap()).await.unwrap();
    api.with(|chain| chain.mine_many(5)).await.unwrap().unwrap();
    let before = *tip.borrow_and_update();
    api.restore("here".parse().unwrap()).await.unwrap();
    tip.changed().await.unwrap();
    let after = *tip.borrow_and_update();
    assert!(after.seqno < before.seqno);
    assert_eq!((before.restores, after.restores), (0, 1));
    handle.shutdown().await;
}

#[tokio::test]
async fn control_answers_in_the_dialect_and_refuses_what_is_not_its_business() {
    let (api, handle) = spawn(ServerConfig::default()).await.unwrap();
    let url = api.url();
    for bad in ["", "..", "../../etc/passwd", "a/b", "a\\b", ".x", "a b", "%2e%2e", &"n".repeat(65)]
    {
        for action in ["checkpoint", "restore", "forget"] {
            let (status, body) = post(&url, action, json!({ "name": bad })).await;
            assert_eq!((status, &body["ok"]), (422, &json!(false)), "{action} {bad:?}: {body}");
        }
    }
    let (status, body) = post(&url, "restore", json!({ "name": "none" })).await;
    assert_eq!((status, body["error"].as_str()), (404, Some("there is no checkpoint none")));
    let (status, _) = post(&url, "fund", json!({ "address": "x", "amount": "1" })).await;
    assert_eq!(status, 416);

    let client = reqwest::Client::new();
    let from = |origin: &'static str| {
        let request = client.post(format!("{url}/control/mine")).header("Origin", origin);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(from("https://evil.example").await, 403);
    assert_eq!(from("null").await, 403);
    assert_eq!(from("http://localhost:7700").await, 200);
    let listed = client.get(format!("{url}/control/checkpoints")).send().await.unwrap();
    let listed: Value = listed.json().await.unwrap();
    assert_eq!(listed["result"], json!([]));
    handle.shutdown().await;
}
