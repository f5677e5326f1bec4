//! What somebody would send who wants the server to fall: stalled and endless requests, nesting,
//! bags of cells that unfold, numbers at every edge. Refused in the dialect's words, in time, while
//! others are served.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tycho_types::boc::Boc;
use tycho_types::cell::{Cell, CellBuilder, HashBytes};
use tycho_types::models::StdAddr;

use crate::http::server;

async fn connect(url: &str) -> TcpStream {
    TcpStream::connect(url.trim_start_matches("http://")).await.unwrap()
}

/// Everything until the other side closes.
async fn rest(mut socket: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset says as much as an end here: the server is rid of the connection.
    let _reset = socket.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

fn post(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n")
}

async fn get(url: &str, path: &str) -> (u16, Value) {
    let response = reqwest::get(format!("{url}{path}")).await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn tell(url: &str, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
    let request = reqwest::Client::new().post(format!("{url}{path}")).body(body);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// Heads and bodies that never end, by tokio's own clock.
#[tokio::test(start_paused = true)]
async fn stalled_requests_are_cut_off() {
    let (api, handle) = server().await;
    let begun = tokio::time::Instant::now();
    let mut head = connect(&api.url()).await;
    head.write_all(b"GET /api/v2/getMasterchainInfo HTTP/1.1\r\nhost: x\r\nx-slow: ")
        .await
        .unwrap();
    rest(head).await;
    assert!(begun.elapsed() < Duration::from_secs(150), "a head that never ends");

    let begun = tokio::time::Instant::now();
    let mut body = connect(&api.url()).await;
    body.write_all(post("/api/v2/sendBoc", 1_000).as_bytes()).await.unwrap();
    body.write_all(b"{\"boc\":\"").await.unwrap();
    let answer = rest(body).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"code\":408"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(60), "a body that never ends");
    handle.shutdown().await;
}

#[tokio::test]
async fn idle_connections_do_not_crowd_out_others() {
    let (api, handle) = server().await;
    let mut idle = Vec::new();
    for number in 0..400 {
        let mut socket = connect(&api.url()).await;
        if number % 2 == 0 {
            socket.write_all(b"POST /api/v2/sendBoc HTTP/1.1\r\nhost").await.unwrap();
        }
        idle.push(socket);
    }
    let (status, _) = get(&api.url(), "/api/v2/getMasterchainInfo").await;
    assert_eq!(status, 200);
    drop(idle);
    handle.shutdown().await;
}

#[tokio::test]
async fn a_gigabyte_is_not_taken_in() {
    static CHUNK: [u8; 64 << 10] = [b'a'; 64 << 10];
    let (api, handle) = server().await;
    // Announced, and in chunks without a length.
    for head in [
        post("/api/v2/sendBoc", 1 << 30),
        post("/api/v3/message", 1 << 30),
        "POST /api/v2/jsonRPC HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
    ] {
        let mut socket = connect(&api.url()).await;
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut written = 0usize;
        while written < 1 << 30 {
            let sent = if head.contains("chunked") {
                let mut chunk = b"10000\r\n".to_vec();
                chunk.extend_from_slice(&CHUNK);
                chunk.extend_from_slice(b"\r\n");
                socket.write_all(&chunk).await
            } else {
                socket.write_all(&CHUNK).await
            };
            if sent.is_err() {
                break;
            }
            written += CHUNK.len();
        }
        assert!(written < 64 << 20, "{written} bytes of {head}");
    }
    let (status, answer) = tell(&api.url(), "/api/v2/sendBoc", vec![b'a'; 3 << 20]).await;
    assert_eq!((status, &answer["code"]), (413, &json!(413)));
    let (status, _) = get(&api.url(), "/api/v2/getMasterchainInfo").await;
    assert_eq!(status, 200);
    handle.shutdown().await;
}

#[tokio::test]
async fn deep_nesting_is_refused() {
    let (api, handle) = server().await;
    let url = api.url();
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let object = format!("{{\"a\":{deep}}}");
    for path in ["/", "/api/v2/jsonRPC", "/api/v2/sendBoc", "/api/v3/message", "/control/fund"] {
        for body in [&deep, &object] {
            let (status, _) = tell(&url, path, body.clone()).await;
            assert_eq!(status, 422, "{path}");
        }
    }
    let (status, _) = tell(&url, "/api/streaming/v2/sse", object).await;
    assert_eq!(status, 400);
    // As a stack, where the text of a query is JSON once more.
    let account = StdAddr::new(0, HashBytes([1; 32]));
    let call = json!({ "address": account.to_string(), "method": "seqno", "stack": deep });
    let (status, _) = tell(&url, "/api/v2/runGetMethod", call.to_string()).await;
    assert_eq!(status, 422);
    let mut stack = json!(["num", 1]);
    for _ in 0..100 {
        stack = json!(["tuple", [stack]]);
    }
    let call = json!({ "address": account.to_string(), "method": "seqno", "stack": [stack] });
    let (status, _) = tell(&url, "/api/v2/runGetMethod", call.to_string()).await;
    assert_eq!(status, 422);
    handle.shutdown().await;
}

/// A bag of few cells that is astronomically large as a tree, and a long chain.
fn unfolding(levels: usize) -> Cell {
    let mut cell = Cell::default();
    for _ in 0..levels {
        let mut builder = CellBuilder::new();
        for _ in 0..4 {
            builder.store_reference(cell.clone()).unwrap();
        }
        cell = builder.build().unwrap();
    }
    cell
}

#[tokio::test]
async fn bags_of_cells_that_unfold_cost_no_more_than_their_bytes() {
    let (api, handle) = server().await;
    let url = api.url();
    let bomb = Boc::encode_base64(unfolding(900));
    let account = StdAddr::new(0, HashBytes([1; 32])).to_string();
    let call = json!({
        "address": account,
        "method": "seqno",
        "stack": [["tvm.Cell", bomb], ["tvm.Slice", bomb], ["tvm.Builder", bomb]],
    });
    let work = async {
        for (path, body) in [
            ("/api/v2/sendBoc", json!({ "boc": bomb })),
            ("/api/v2/sendBocReturnHash", json!({ "boc": bomb })),
            ("/api/v2/runGetMethod", call.clone()),
            ("/api/v2/runGetMethodStd", call.clone()),
            ("/api/v2/estimateFee", json!({ "address": account, "body": bomb })),
            (
                "/api/v2/estimateFee",
                json!({ "address": account, "body": "", "init_code": bomb, "init_data": bomb }),
            ),
            ("/api/v3/message", json!({ "boc": bomb })),
            ("/api/v3/decode", json!({ "bodies": [bomb] })),
        ] {
            let (status, answer) = tell(&url, path, body.to_string()).await;
            assert!(status < 500, "{path}: {answer}");
        }
    };
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("in time");
    // As many cells as a body holds, none of them in order.
    let garbage = format!("te6cck{}", "A".repeat(900_000));
    let (status, _) = tell(&url, "/api/v2/sendBoc", json!({ "boc": garbage }).to_string()).await;
    assert_eq!(status, 422);
    handle.shutdown().await;
}

#[tokio::test]
async fn every_edge_of_every_number_is_a_parameter_not_a_fault() {
    let (api, handle) = server().await;
    let url = api.url();
    let account = StdAddr::new(0, HashBytes([3; 32]));
    let receipt = api.fund(account.clone(), 100).await.unwrap();
    let tx = receipt.transactions.last().unwrap().clone();
    let hash = hex::encode(tx.hash.0);
    for (path, status) in [
        (format!("/api/v2/getTransactions?address={account}&lt=-1"), 422),
        (format!("/api/v2/getTransactions?address={account}&lt=9223372036854775808"), 404),
        (format!("/api/v2/getTransactions?address={account}&lt=18446744073709551615"), 404),
        (format!("/api/v2/getTransactions?address={account}&lt=18446744073709551616"), 422),
        (format!("/api/v2/getTransactions?address={account}&lt=1&hash=00"), 422),
        (
            format!(
                "/api/v2/getTransactions?address={account}&lt={}&hash={}",
                tx.lt,
                "0".repeat(64)
            ),
            422,
        ),
        (format!("/api/v2/getTransactions?address={account}&lt={}&hash={hash}", tx.lt), 200),
        (format!("/api/v2/getTransactions?address={account}&lt={}&hash={hash}00", tx.lt), 422),
        (format!("/api/v2/getTransactions?address={account}&limit=0"), 200),
        (format!("/api/v2/getTransactions?address={account}&limit=99999999999999999999"), 422),
        (format!("/api/v2/getTransactions?address=nonsense&address={account}"), 200),
        (format!("/api/v2/getTransactions?address={account}&address=nonsense"), 416),
        ("/api/v2/shards?seqno=-1".to_owned(), 422),
        ("/api/v2/shards?seqno=4294967296".to_owned(), 404),
        ("/api/v2/getConfigParam?config_id=4294967296".to_owned(), 422),
        ("/api/v2/noSuchMethod".to_owned(), 422),
        (format!("/api/v3/transactions?account={account}&lt=-1"), 422),
        (format!("/api/v3/transactions?account={account}&start_lt=18446744073709551615"), 200),
        (format!("/api/v3/transactions?account={account}&start_lt=18446744073709551616"), 422),
        (format!("/api/v3/transactions?account={account}&limit=-5"), 200),
        (format!("/api/v3/transactions?account={account}&limit=1001"), 422),
        (format!("/api/v3/transactions?account={account}&offset=2147483648"), 422),
        (format!("/api/v3/transactions?account={account}&sort=sideways"), 422),
        ("/api/v3/transactions?hash=00".to_owned(), 422),
        (format!("/api/v3/transactions?hash={hash}"), 200),
        (format!("/api/v3/transactions?hash=0x{hash}"), 200),
        ("/api/v3/transactions?workchain=0&shard=4000000000000000&seqno=1".to_owned(), 404),
        ("/api/v3/transactions?workchain=0&shard=zzz&seqno=1".to_owned(), 422),
        ("/api/v3/transactions?seqno=1".to_owned(), 422),
        ("/api/v3/noSuchRoute".to_owned(), 404),
    ] {
        let (found, answer) = get(&url, &path).await;
        assert_eq!(found, status, "{path}: {answer}");
        assert_eq!(answer.get("error").is_some(), status != 200, "{path}: {answer}");
    }
    // Every form of an address is the same account, in both dialects.
    let forms = get(&url, &format!("/api/v2/detectAddress?address={account}")).await.1;
    let forms = &forms["result"];
    for form in [
        &forms["raw_form"],
        &forms["bounceable"]["b64"],
        &forms["bounceable"]["b64url"],
        &forms["non_bounceable"]["b64"],
        &forms["non_bounceable"]["b64url"],
    ] {
        let form = form.as_str().unwrap();
        let query = [("address", form)];
        let client = reqwest::Client::new();
        let v2 = client.get(format!("{url}/api/v2/getAddressBalance")).query(&query);
        let v2: Value = v2.send().await.unwrap().json().await.unwrap();
        assert_eq!(v2["result"], "100", "{form}");
        let v3 = client.get(format!("{url}/api/v3/accountStates")).query(&query);
        let v3: Value = v3.send().await.unwrap().json().await.unwrap();
        assert_eq!(v3["accounts"][0]["balance"], "100", "{form}");
    }
    handle.shutdown().await;
}

/// A bag whose cells hang one below the other, written by hand: no builder makes it.
fn chain_of_cells(count: u32) -> String {
    use base64::Engine as _;
    let mut cells = Vec::new();
    for index in 0..count {
        if index + 1 == count {
            cells.extend_from_slice(&[0, 0]);
        } else {
            cells.extend_from_slice(&[1, 0]);
            cells.extend_from_slice(&(index + 1).to_be_bytes()[1..]);
        }
    }
    let mut bag = vec![0xb5, 0xee, 0x9c, 0x72, 0x03, 0x04];
    bag.extend_from_slice(&count.to_be_bytes()[1..]);
    bag.extend_from_slice(&[0, 0, 1, 0, 0, 0]);
    bag.extend_from_slice(&u32::try_from(cells.len()).unwrap().to_be_bytes());
    bag.extend_from_slice(&[0, 0, 0]);
    bag.extend_from_slice(&cells);
    base64::engine::general_purpose::STANDARD.encode(bag)
}

#[tokio::test]
async fn bags_deeper_than_any_stack_are_refused() {
    let (api, handle) = server().await;
    let account = StdAddr::new(0, HashBytes([1; 32])).to_string();
    // A chain of n cells is n - 1 deep; 1,024 is TON's bound.
    for (count, decoded) in [(2, true), (1_025, true), (1_026, false), (65_000, false)] {
        let bag = chain_of_cells(count);
        let stack = json!([["tvm.Cell", bag]]);
        for (path, body) in [
            ("/api/v3/decode", json!({ "bodies": [bag] })),
            ("/api/v2/runGetMethod", json!({ "address": account, "method": 1, "stack": stack })),
        ] {
            let (status, answer) = tell(&api.url(), path, body.to_string()).await;
            assert_eq!(status, if decoded { 200 } else { 422 }, "{count} {path}: {answer}");
        }
        let body = json!({ "boc": bag }).to_string();
        assert_eq!(tell(&api.url(), "/api/v2/sendBoc", body).await.0, 422, "{count}");
    }
    handle.shutdown().await;
}
