//! Streaming v2 on the wire: frames, refusals, keep-alive, slow readers, the end.

use std::time::Duration;

use fog_testnet::chain::{ChainConfig, Clock};
use fog_testnet::toncenter::{Production, ServerConfig, spawn};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tycho_types::cell::HashBytes;
use tycho_types::models::StdAddr;

use crate::http::{Deploy, START, address_of, order, server, transfer, wallet};

const ACCOUNT: [u8; 32] = [0x31; 32];

fn account() -> StdAddr {
    StdAddr::new(0, HashBytes(ACCOUNT))
}

fn subscription() -> Value {
    json!({
        "id": "1",
        "types": ["transactions", "account_state_change"],
        "addresses": [account().to_string()],
    })
}

async fn subscribe(url: &str) -> reqwest::Response {
    let request = reqwest::Client::new().post(format!("{url}/api/streaming/v2/sse"));
    request.json(&subscription()).send().await.unwrap()
}

/// Reads until `enough` holds of all that came.
async fn read_until(
    stream: &mut (impl futures_util::Stream<Item = reqwest::Result<axum::body::Bytes>> + Unpin),
    enough: impl Fn(&str) -> bool,
) -> String {
    let mut text = String::new();
    while !enough(&text) {
        let chunk = stream.next().await.expect("the stream ended early").unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    text
}

#[tokio::test]
async fn events_come_in_frames_and_end_with_the_server() {
    let (api, handle) = server().await;
    let response = subscribe(&api.url()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.bytes_stream();
    let hello = read_until(&mut stream, |text| text.ends_with("\n\n")).await;
    assert_eq!(hello, "event: connected\ndata: {\"id\":\"1\",\"status\":\"subscribed\"}\n\n");

    api.fund(StdAddr::new(0, HashBytes([0x32; 32])), 5).await.unwrap();
    api.fund(account(), 7).await.unwrap();
    let text = read_until(&mut stream, |text| text.matches("\n\n").count() == 2).await;
    let events: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    assert_eq!(events[0]["type"], "transactions");
    assert_eq!(events[0]["finality"], "finalized");
    let [transaction] = events[0]["transactions"].as_array().unwrap().as_slice() else { panic!() };
    assert_eq!(transaction["in_msg"]["value"], "7");
    assert_eq!(events[1]["type"], "account_state_change");
    assert_eq!(events[1]["state"]["balance"], "7");
    assert_eq!(events[1]["state"]["hash"], transaction["account_state_after"]["hash"]);

    handle.shutdown().await;
    // The last chunk of the body came: anything else would be an error here.
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn subscriptions_that_make_no_sense_are_refused_in_the_dialects_words() {
    let (api, handle) = server().await;
    let client = reqwest::Client::new();
    let url = format!("{}/api/streaming/v2/sse", api.url());
    for (body, status, words) in [
        (json!({}), 400, "types are required for subscription"),
        (json!({ "id": "9", "types": ["nonsense"] }), 400, "invalid event type: nonsense"),
        (json!({ "types": ["transactions"] }), 400, "addresses are required for subscription"),
        (json!([]), 400, "invalid subscription request"),
        (json!({ "types": ["trace"] }), 400, "trace_external_hash_norms are required"),
    ] {
        let response = client.post(&url).json(&body).send().await.unwrap();
        assert_eq!(response.status(), status, "{body}");
        let answer: Value = response.json().await.unwrap();
        assert!(answer["error"].as_str().unwrap().contains(words), "{answer}");
        assert_eq!(answer.get("id"), body.get("id"));
    }
    assert_eq!(client.get(&url).send().await.unwrap().status(), 405);
    let socket = format!("{}/api/streaming/v2/ws", api.url());
    assert_eq!(client.get(&socket).send().await.unwrap().status(), 426);
    handle.shutdown().await;
}

/// Hours of silence, by tokio's own clock.
#[tokio::test(start_paused = true)]
async fn silence_is_filled_with_comments() {
    let (api, handle) = server().await;
    let mut stream = subscribe(&api.url()).await.bytes_stream();
    let text = read_until(&mut stream, |text| text.matches(": keepalive\n\n").count() == 3).await;
    assert_eq!(text.matches("event:").count(), 1);
    drop(stream);
    handle.shutdown().await;
}

/// A client that does not read holds a position, not a queue: the chain goes on, and when it reads
/// it gets what happened.
#[tokio::test]
async fn a_client_that_does_not_read_delays_nobody() {
    const ROUNDS: u32 = 400;
    let (api, handle) = server().await;
    let mut socket = TcpStream::connect(api.address()).await.unwrap();
    let body = subscription().to_string();
    let head = format!(
        "POST /api/streaming/v2/sse HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    // Wait for the acknowledgement, so that all that follows concerns it.
    let mut seen = vec![0; 64 << 10];
    let mut text = String::new();
    while !text.contains("subscribed") {
        let count = socket.read(&mut seen).await.unwrap();
        text.push_str(std::str::from_utf8(&seen[..count]).unwrap());
    }
    for _ in 0..ROUNDS {
        api.fund(account(), 10).await.unwrap();
    }
    let balance = format!("\"balance\":\"{}\"", ROUNDS * 10);
    let read = async {
        while !text.contains(&balance) {
            let count = socket.read(&mut seen).await.unwrap();
            assert!(count > 0, "the stream ended");
            text.push_str(std::str::from_utf8(&seen[..count]).unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(60), read).await.expect("the last state comes");
    // Every payment was told of, once.
    assert_eq!(text.matches("\"type\":\"transactions\"").count(), 400);
    handle.shutdown().await;
}

/// With blocks by the clock, what a message causes takes several of them.
#[tokio::test]
async fn a_growing_trace_is_told_of_after_each_block() {
    let chain = ChainConfig { clock: Clock::Manual(START), ..ChainConfig::default() };
    let production = Production::Interval(Duration::from_secs(3_600));
    let config = ServerConfig { chain, production, ..ServerConfig::default() };
    let (api, handle) = spawn(config).await.unwrap();
    // The first tick comes at once; after that this test makes the blocks.
    let mut tips = api.subscribe();
    while tips.borrow_and_update().seqno == 0 {
        tips.changed().await.unwrap();
    }
    let wallet = wallet("requestor");
    let from = address_of(&wallet);
    api.fund(from.clone(), 5_000_000_000).await.unwrap();
    let request = json!({
        "types": ["transactions"],
        "addresses": [from.to_string(), account().to_string()],
    });
    let client = reqwest::Client::new();
    let stream = client.post(format!("{}/api/streaming/v2/sse", api.url())).json(&request);
    let mut stream = stream.send().await.unwrap().bytes_stream();
    read_until(&mut stream, |text| text.contains("subscribed")).await;
    let boc = order(&wallet, 0, Deploy::With, transfer(&account(), 5, "slowly"));
    let sent = client.post(format!("{}/api/v2/sendBoc", api.url())).json(&json!({ "boc": boc }));
    assert_eq!(sent.send().await.unwrap().status(), 200);
    let mut accounts = Vec::new();
    for _ in 0..2 {
        api.mine().await.unwrap();
        let text = read_until(&mut stream, |text| text.ends_with("\n\n")).await;
        let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        let event: Value = serde_json::from_str(data).unwrap();
        accounts.push(event["transactions"].as_array().unwrap().len());
    }
    assert_eq!(accounts, [1, 2]);
    handle.shutdown().await;
}
