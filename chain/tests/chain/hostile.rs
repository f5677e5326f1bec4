//! Gateways that lie, lag, truncate, limit, stall and babble.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::{HeaderMap, StatusCode, header};
use fog_chain::{ApiKey, ChainError, SendOutcome};
use fog_wallet::WalletVersion;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::proxy::{Answer, Proxy};
use super::*;

/// An account with six transactions behind a gateway, and its cursor after the second.
async fn scene() -> (Api, Handle, Proxy, Address, Cursor) {
    let (api, handle) = chain().await;
    let address = stranger(7);
    for _ in 0..6 {
        api.fund(to_std_addr(&address), 1_000_000).await.unwrap();
    }
    let proxy = Proxy::new(api.url()).await;
    let all = client(&proxy.url).new_transactions_since(&address, None).await.unwrap();
    assert_eq!(all.len(), 6);
    let cursor = all[1].cursor();
    (api, handle, proxy, address, cursor)
}

#[tokio::test]
async fn false_transactions_are_caught() {
    let (_api, _handle, proxy, address, cursor) = scene().await;
    let client = client(&proxy.url);
    type Lie = fn(&mut Value);
    let lies: [(&str, Lie); 8] = [
        ("data of another transaction", |rows| rows[1]["data"] = rows[2]["data"].clone()),
        ("one omitted", |rows| drop(rows.as_array_mut().unwrap().remove(1))),
        ("the newest omitted", |rows| drop(rows.as_array_mut().unwrap().remove(0))),
        ("swapped", |rows| rows.as_array_mut().unwrap().swap(0, 1)),
        ("repeated", |rows| {
            let row = rows[0].clone();
            rows.as_array_mut().unwrap().insert(0, row);
        }),
        ("another lt", |rows| rows[0]["transaction_id"]["lt"] = "7".into()),
        ("another hash", |rows| {
            rows[0]["transaction_id"]["hash"] = rows[1]["transaction_id"]["hash"].clone();
        }),
        ("no transaction at all", |rows| {
            let cell = tycho_types::cell::Cell::default();
            let hash = base64(&cell.repr_hash().0);
            rows[0]["data"] = tycho_types::boc::Boc::encode_base64(&cell).into();
            rows[0]["transaction_id"]["hash"] = hash.into();
        }),
    ];
    for (what, lie) in lies {
        proxy.spoil_result("getTransactions", lie);
        let error = client.new_transactions_since(&address, Some(cursor)).await.unwrap_err();
        assert!(matches!(error, ChainError::Lied { .. }), "{what}: {error}");
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The transactions of somebody else are not taken for those of the account.
#[tokio::test]
async fn transactions_of_another_account_are_caught() {
    let (api, _handle, proxy, address, _) = scene().await;
    let other = stranger(8);
    api.fund(to_std_addr(&other), 1_000_000).await.unwrap();
    let (from, to) = (address.to_string(), other.to_string());
    let http = reqwest::Client::new();
    let ask = json!({"id": 1, "jsonrpc": "2.0", "method": "getTransactions",
        "params": {"address": to, "limit": 10}});
    let url = format!("{}/api/v2/jsonRPC", api.url());
    let theirs: Value = http.post(url).json(&ask).send().await.unwrap().json().await.unwrap();
    proxy.spoil(move |request, honest| {
        let mine = request["params"]["address"] == from.as_str();
        let hit = mine && request["method"] == "getTransactions";
        Answer::Json(if hit { theirs.clone() } else { honest })
    });
    let error = client(&proxy.url).transactions(&address, None, 10, None).await.unwrap_err();
    assert!(matches!(error, ChainError::Lied { .. }), "{error}");
}

/// Short pages lose nothing.
#[tokio::test]
async fn truncated_pages_are_continued() {
    let (_api, _handle, proxy, address, cursor) = scene().await;
    proxy.spoil_result("getTransactions", |rows| rows.as_array_mut().unwrap().truncate(1));
    let client = client(&proxy.url);
    let new = client.new_transactions_since(&address, Some(cursor)).await.unwrap();
    assert_eq!(new.len(), 4);
    assert_contiguous(&new, Some(cursor));
    // But empty ones end it with an error, not with silence.
    proxy.spoil_result("getTransactions", |rows| rows.as_array_mut().unwrap().clear());
    let error = client.new_transactions_since(&address, Some(cursor)).await.unwrap_err();
    assert!(matches!(error, ChainError::Stale { .. }), "{error}");
}

#[tokio::test]
async fn a_gap_is_an_error() {
    let (_api, _handle, proxy, address, cursor) = scene().await;
    let client = client(&proxy.url);
    let gap = |error: ChainError| assert!(matches!(error, ChainError::Gap { .. }), "{error}");
    // The chain was rewritten: same lt, another hash; or the lt never existed.
    let rewritten = Cursor { hash: fog_protocol::Hash32([1; 32]), ..cursor };
    gap(client.new_transactions_since(&address, Some(rewritten)).await.unwrap_err());
    let never = Cursor { lt: cursor.lt + 1, ..cursor };
    gap(client.new_transactions_since(&address, Some(never)).await.unwrap_err());
    let before = Cursor { lt: 1, ..cursor };
    gap(client.new_transactions_since(&address, Some(before)).await.unwrap_err());
    let newest = client.account(&address).await.unwrap().last.unwrap();
    let newest = Cursor { hash: rewritten.hash, ..newest };
    gap(client.new_transactions_since(&address, Some(newest)).await.unwrap_err());
}

#[tokio::test]
async fn a_lagging_gateway_is_not_believed() {
    let (api, _handle, proxy, address, cursor) = scene().await;
    let client = client(&proxy.url);
    let new = client.new_transactions_since(&address, Some(cursor)).await.unwrap();
    let newest = new[3].cursor();
    // It is where we were long ago.
    proxy.spoil_result("getAddressInformation", move |result| {
        result["last_transaction_id"] = json!({"lt": cursor.lt.to_string(),
            "hash": base64(&cursor.hash.0)});
    });
    let error = client.new_transactions_since(&address, Some(newest)).await.unwrap_err();
    assert!(matches!(error, ChainError::Stale { .. }) && error.is_transient(), "{error}");
    for _ in 0..30 {
        api.mine().await.unwrap();
    }
    proxy.spoil(|_, honest| Answer::Json(honest));
    let info = client.masterchain_info().await.unwrap();
    proxy.spoil_result("getMasterchainInfo", move |result| {
        result["last"]["seqno"] = (info.seqno - 25).into();
    });
    let error = client.masterchain_info().await.unwrap_err();
    assert!(matches!(error, ChainError::Stale { .. }), "{error}");
    // Another block than asked for.
    api.mine().await.unwrap();
    proxy.spoil_result("getBlockHeader", |result| result["id"]["seqno"] = 1.into());
    let error = client.masterchain_info().await.unwrap_err();
    assert!(matches!(error, ChainError::Lied { .. }), "{error}");
}

fn too_many(retry_after: Option<&'static str>) -> Answer {
    let mut headers = HeaderMap::new();
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.parse().unwrap());
    }
    Answer::Raw(StatusCode::TOO_MANY_REQUESTS, headers, "slow down".into())
}

#[tokio::test]
async fn limits_are_respected() {
    let (_api, _handle, proxy, address, _) = scene().await;
    let mut left = 2;
    proxy.spoil(move |_, honest| {
        left -= 1;
        if left >= 0 { too_many(Some("1")) } else { Answer::Json(honest) }
    });
    let started = Instant::now();
    client(&proxy.url).account(&address).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    // For ever is too long.
    let before = proxy.calls();
    proxy.spoil(|_, _| too_many(None));
    let error = client(&proxy.url).account(&address).await.unwrap_err();
    assert!(matches!(error, ChainError::RateLimited { .. }), "{error}");
    assert_eq!(proxy.calls() - before, 5);
}

#[tokio::test]
async fn the_clients_clones_share_one_rate() {
    let (_api, _handle, proxy, address, _) = scene().await;
    let mut config = config(&proxy.url);
    config.max_requests_per_second = std::num::NonZeroU32::new(20);
    let client = ChainClient::new(config).unwrap();
    let started = Instant::now();
    let calls = (0..11).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.account(&address).await.unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    assert!(started.elapsed() >= Duration::from_millis(490), "{:?}", started.elapsed());
}

#[tokio::test]
async fn reads_are_tried_again_and_writes_are_not() {
    let (api, _handle, proxy, address, _) = scene().await;
    let broken = || Answer::Raw(StatusCode::BAD_GATEWAY, HeaderMap::new(), "<html>".into());
    let mut left = 3;
    proxy.spoil(move |_, honest| {
        left -= 1;
        if left >= 0 { broken() } else { Answer::Json(honest) }
    });
    client(&proxy.url).account(&address).await.unwrap();
    // The message arrives, the answer does not: the caller does not know, and is told so.
    let (wallet, key) = funded(&api, WalletVersion::V5R1, 9).await;
    let signed = wallet.transfer(&key, 0, LATER, &[]).unwrap();
    let before = proxy.calls();
    proxy.spoil(move |_, _| broken());
    let outcome = client(&proxy.url).send_boc(&signed.boc).await;
    assert!(matches!(outcome, SendOutcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(proxy.calls() - before, 1);
    let full = json!({"ok": false, "code": 500,
        "error": "LITE_SERVER_UNKNOWN: too many external messages to address"});
    proxy.spoil(move |_, _| Answer::Json(full.clone()));
    let outcome = client(&proxy.url).send_boc(&signed.boc).await;
    assert!(matches!(outcome, SendOutcome::Unknown { .. }), "{outcome:?}");
    let twice = json!({"ok": false, "code": 500,
        "error": "cannot apply external message to current state : duplicate message"});
    proxy.spoil(move |_, _| Answer::Json(twice.clone()));
    let outcome = client(&proxy.url).send_boc(&signed.boc).await;
    assert!(matches!(outcome, SendOutcome::Accepted), "{outcome:?}");
    proxy.spoil(|_, honest| Answer::Json(honest));
    assert_eq!(client(&proxy.url).wallet_seqno(&wallet.address()).await.unwrap(), 1);
    // Sent again, the same bytes do nothing: the sequence number is used up.
    let again = client(&proxy.url).send_boc(&signed.boc).await;
    assert!(matches!(again, SendOutcome::Refused { .. }), "{again:?}");
}

#[tokio::test]
async fn silence_giants_and_nobody() {
    let (_api, _handle, proxy, address, _) = scene().await;
    let mut config = config(&proxy.url);
    config.timeout = Duration::from_millis(100);
    config.retries = 1;
    config.max_body = 100_000;
    let client = ChainClient::new(config.clone()).unwrap();
    proxy.spoil(|_, _| Answer::Silence);
    let error = client.account(&address).await.unwrap_err();
    assert!(matches!(error, ChainError::Unreachable { .. }), "{error}");
    config.timeout = PATIENCE;
    let client = ChainClient::new(config).unwrap();
    let giant = vec![b' '; 200_000];
    proxy.spoil(move |_, _| Answer::Raw(StatusCode::OK, HeaderMap::new(), giant.clone().into()));
    let error = client.account(&address).await.unwrap_err();
    assert!(matches!(error, ChainError::TooLarge { .. }), "{error}");
    let nobody = super::client("http://127.0.0.1:1");
    let error = nobody.account(&address).await.unwrap_err();
    assert!(matches!(error, ChainError::Unreachable { .. }), "{error}");
}

/// The key reaches the gateway and nothing else: no error, no `Debug`, no redirect.
#[tokio::test]
async fn the_api_key_stays_secret() {
    let (_api, _handle, proxy, address, _) = scene().await;
    let other = Proxy::new(proxy.url.clone()).await;
    let target = format!("{}/api/v2/jsonRPC", other.url);
    proxy.spoil(move |_, _| {
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, target.parse().unwrap());
        Answer::Raw(StatusCode::TEMPORARY_REDIRECT, headers, "".into())
    });
    let mut config = config(&proxy.url).with_api_key(ApiKey::new("canary-4711"));
    config.retries = 0;
    let client = ChainClient::new(config).unwrap();
    let error = client.account(&address).await.unwrap_err();
    assert_eq!(proxy.key().as_deref(), Some("canary-4711"));
    assert_eq!(other.calls(), 0);
    let shown = format!("{client:?} {error} {error:?}");
    assert!(!shown.contains("canary"), "{shown}");
}

/// Two thousand spoilt answers of every method: an error or a value, never a panic.
#[tokio::test]
async fn any_answer_is_read_or_refused() {
    let (_api, _handle, proxy, address, _) = scene().await;
    let mut config = config(&proxy.url);
    config.retries = 0;
    let client = ChainClient::new(config).unwrap();
    let mut runner = TestRunner::deterministic();
    let spoilt = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&spoilt);
    proxy.spoil(move |_, mut honest| {
        let mut pick = |upto: usize| (0..upto.max(1)).new_tree(&mut runner).unwrap().current();
        spoil_somewhere(&mut honest["result"], &mut pick);
        counter.fetch_add(1, Ordering::SeqCst);
        Answer::Json(honest)
    });
    for _ in 0..700 {
        let _ = client.transactions(&address, None, 3, None).await;
        let _ = client.account(&address).await;
        let _ = client.masterchain_info().await;
    }
    assert!(spoilt.load(Ordering::SeqCst) >= 2000);
}

/// A gateway can announce the right hash of wrong cells: reading them never panics either.
#[tokio::test]
async fn any_cells_are_a_transaction_or_refused() {
    let (api, _handle) = chain().await;
    let (wallet, key) = funded(&api, WalletVersion::V5R1, 8).await;
    let client = client(&api.url());
    let message = OutMessage::new(stranger(1), fog_protocol::Nano::new(5));
    let tx = send(&client, &wallet, &key, &[message.clone(), message]).await;
    let honest = tycho_types::boc::Boc::encode(&tx.cell);
    let mut runner = TestRunner::deterministic();
    let mut pick = |upto: usize| (0..upto).new_tree(&mut runner).unwrap().current();
    let (mut cells, mut read) = (0, 0);
    for _ in 0..20_000 {
        let mut bytes = honest.clone();
        for _ in 0..=pick(3) {
            let at = 4 + pick(bytes.len() - 4);
            bytes[at] ^= 1 << pick(8);
        }
        if let Ok(cell) = tycho_types::boc::Boc::decode(&bytes) {
            cells += 1;
            read += usize::from(Tx::parse(wallet.address(), cell).is_ok());
        }
    }
    // Most changes leave cells, and many of those a readable transaction (of another hash).
    assert!(cells > 5_000 && read > 500, "{cells} cells, {read} transactions");
}

/// Replaces one value somewhere in the tree, or damages a text.
fn spoil_somewhere(value: &mut Value, pick: &mut impl FnMut(usize) -> usize) {
    let stop = pick(4) == 0;
    match value {
        Value::Array(rows) if !stop && !rows.is_empty() => {
            let at = pick(rows.len());
            spoil_somewhere(&mut rows[at], pick);
        }
        Value::Object(fields) if !stop && !fields.is_empty() => {
            let at = pick(fields.len());
            spoil_somewhere(fields.values_mut().nth(at).unwrap(), pick);
        }
        Value::String(text) if !text.is_empty() && text.is_ascii() && pick(3) > 0 => {
            let at = pick(text.len());
            let new = ["A", "/", "7", "-", "", "\u{fc}"][pick(6)];
            text.replace_range(at..=at, new);
        }
        other => {
            let new = [
                Value::Null,
                json!(-1),
                json!("x"),
                json!([]),
                json!({}),
                json!(u64::MAX),
                json!("0x"),
                json!(1.5),
            ];
            *other = new[pick(8)].clone();
        }
    }
}
