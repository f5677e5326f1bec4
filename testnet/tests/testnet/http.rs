//! The toncenter v2 dialect over real HTTP.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use fog_testnet::accounts::local_seed;
use fog_testnet::chain::{ChainConfig, Clock};
use fog_testnet::toncenter::{Api, Handle, Production, ServerConfig, spawn};
use proptest::prelude::*;
use serde_json::{Value, json};
use tonlib_core::cell::Cell as TonlibCell;
use tonlib_core::tlb_types::tlb::TLB;
use tonlib_core::wallet::mnemonic::KeyPair;
use tonlib_core::wallet::ton_wallet::TonWallet;
use tonlib_core::wallet::wallet_version::WalletVersion;
use tycho_types::boc::Boc;
use tycho_types::cell::{Cell, CellBuilder, HashBytes};
use tycho_types::models::{BlockchainConfigParams, IntMsgInfo, MsgInfo, OwnedMessage, StdAddr};
use tycho_types::num::Tokens;

pub(crate) const START: u32 = 1_760_000_000;

pub(crate) async fn server() -> (Api, Handle) {
    let chain = ChainConfig { clock: Clock::Manual(START), ..ChainConfig::default() };
    // Time stands still, so the ticker makes no blocks and every test sees the same numbers.
    let production = Production::Instant { idle: Duration::from_secs(3_600) };
    spawn(ServerConfig { chain, production, ..ServerConfig::default() }).await.unwrap()
}

struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    fn new(api: &Api) -> Self {
        Self { http: reqwest::Client::new(), url: api.url() }
    }

    async fn answer(response: reqwest::Response) -> (u16, Value) {
        let status = response.status().as_u16();
        let body = response.json().await.unwrap();
        (status, body)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        Self::answer(self.http.get(format!("{}{path}", self.url)).send().await.unwrap()).await
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.http.post(format!("{}{path}", self.url)).json(body);
        Self::answer(request.send().await.unwrap()).await
    }

    async fn rpc(&self, method: &str, params: Value) -> Value {
        let request = json!({ "id": "1", "jsonrpc": "2.0", "method": method, "params": params });
        let (status, body) = self.post("/api/v2/jsonRPC", &request).await;
        assert_eq!(status, 200, "{method}: {body}");
        assert_eq!(body["id"], "1");
        body["result"].clone()
    }
}

pub(crate) fn wallet(role: &str) -> TonWallet {
    let key = SigningKey::from_bytes(&local_seed(7, role));
    let public_key = key.verifying_key().to_bytes().to_vec();
    let secret_key = key.to_keypair_bytes().to_vec();
    TonWallet::new(WalletVersion::V5R1, KeyPair { public_key, secret_key }).unwrap()
}

pub(crate) fn address_of(wallet: &TonWallet) -> StdAddr {
    StdAddr::new(0, HashBytes(<[u8; 32]>::try_from(wallet.address.hash_part.as_slice()).unwrap()))
}

/// A transfer as wallets make it: no source, the wallet's contract fills it in.
pub(crate) fn transfer(to: &StdAddr, nano: u128, text: &str) -> TonlibCell {
    let mut body = CellBuilder::new();
    body.store_u32(0).unwrap();
    body.store_raw(text.as_bytes(), u16::try_from(text.len() * 8).unwrap()).unwrap();
    let message: Cell = CellBuilder::build_from(OwnedMessage {
        info: MsgInfo::Int(IntMsgInfo {
            src: StdAddr::ZERO.into(),
            dst: to.clone().into(),
            value: Tokens::new(nano).into(),
            ..IntMsgInfo::default()
        }),
        init: None,
        body: body.build().unwrap().into(),
        layout: None,
    })
    .unwrap();
    // TL-B `MsgAddress` of the source must be the sender's own or none; patch it to none.
    let mut slice = message.as_slice().unwrap();
    let mut relaxed = CellBuilder::new();
    relaxed.store_slice(slice.load_prefix(4, 0).unwrap()).unwrap();
    slice.skip_first(StdAddr::BITS_WITHOUT_ANYCAST, 0).unwrap();
    relaxed.store_small_uint(0b00, 2).unwrap();
    relaxed.store_slice(slice).unwrap();
    TonlibCell::from_boc(&Boc::encode(relaxed.build().unwrap())).unwrap()
}

pub(crate) enum Deploy {
    With,
    Without,
}

pub(crate) fn order(wallet: &TonWallet, seqno: u32, deploy: Deploy, message: TonlibCell) -> String {
    let with_init = matches!(deploy, Deploy::With);
    let external =
        wallet.create_external_msg(START + 60, seqno, with_init, [message.to_arc()]).unwrap();
    external.to_boc_b64(false).unwrap()
}

#[tokio::test]
async fn a_v5r1_wallet_is_funded_deployed_and_pays() {
    let (api, handle) = server().await;
    let client = Client::new(&api);
    let wallet = wallet("requestor");
    let from = address_of(&wallet);
    let to = StdAddr::new(0, HashBytes([0x42; 32]));

    let (status, body) = client
        .post("/control/fund", &json!({ "address": from.to_string(), "amount": "5000000000" }))
        .await;
    assert_eq!(status, 200, "{body}");
    let before = client.rpc("getAddressInformation", json!({ "address": from.to_string() })).await;
    assert_eq!(before["state"], "uninitialized");
    assert_eq!(before["balance"], "5000000000");
    assert_eq!(before["code"], "");

    let boc = order(&wallet, 0, Deploy::With, transfer(&to, 1_000_000_000, "hello"));
    let sent = client.rpc("sendBocReturnHash", json!({ "boc": boc })).await;
    assert_eq!(sent["@type"], "raw.extMessageInfo");

    let info = client.rpc("getWalletInformation", json!({ "address": from.to_string() })).await;
    assert_eq!(info["wallet_type"], "wallet v5 r1");
    assert_eq!(info["seqno"], 1);
    let seqno = json!({ "address": from.to_string(), "method": "seqno", "stack": [] });
    let seqno = client.rpc("runGetMethod", seqno).await;
    assert_eq!(seqno["stack"], json!([["num", "0x1"]]));
    assert!(seqno["gas_used"].as_u64().unwrap() > 0);
    assert_eq!(seqno["exit_code"], 0);
    let (_, balance) = client.get(&format!("/api/v2/getAddressBalance?address={to}")).await;
    assert_eq!(balance["result"], "1000000000");
    assert!(balance.get("id").is_none(), "nulls are left out");

    // The same message again: its sequence number is used up (exit code 133 of wallet v5).
    let request = json!({ "boc": boc });
    let (status, refused) = client.post("/api/v2/sendBoc", &request).await;
    assert_eq!((status, refused["code"].as_u64()), (406, Some(406)));
    assert!(refused["error"].as_str().unwrap().contains("exitcode=133"), "{refused}");

    let boc = order(&wallet, 1, Deploy::Without, transfer(&to, 7, ""));
    client.rpc("sendBoc", json!({ "boc": boc })).await;
    history_is_linked(&client, &from, &to).await;
    handle.shutdown().await;
}

/// Rows newest first; from lt and hash of a row, that row is first; both ends of a message agree.
async fn history_is_linked(client: &Client, from: &StdAddr, to: &StdAddr) {
    let rows = client.rpc("getTransactions", json!({ "address": from.to_string() })).await;
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 3);
    let lts: Vec<u64> = rows
        .iter()
        .map(|row| row["transaction_id"]["lt"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(lts[0] > lts[1] && lts[1] > lts[2]);
    // The faucet's message came from an account; the wallet's orders from nowhere.
    assert_eq!(rows[2]["in_msg"]["value"], "5000000000");
    assert_eq!(rows[1]["in_msg"]["source"], "");
    let out = &rows[1]["out_msgs"][0];
    assert_eq!(out["message"], "hello");
    assert_eq!(out["value"], "1000000000");

    let second = json!({
        "address": from.to_string(),
        "lt": rows[1]["transaction_id"]["lt"],
        "hash": rows[1]["transaction_id"]["hash"],
        "limit": "2",
    });
    let page = client.rpc("getTransactions", second).await;
    assert_eq!(page[0], rows[1]);
    assert_eq!(page[1], rows[2]);
    let (_, newer) = client
        .get(&format!("/api/v2/getTransactions?address={from}&limit=10&to_lt={}", lts[1]))
        .await;
    assert_eq!(newer["result"].as_array().unwrap().len(), 1, "to_lt is exclusive");

    let ends = json!({
        "source": out["source"],
        "destination": out["destination"],
        "created_lt": out["created_lt"],
    });
    let received = client.rpc("tryLocateResultTx", ends.clone()).await;
    assert_eq!(received["in_msg"]["hash"], out["hash"]);
    assert_eq!(received["account"], to.to_string());
    let sender = client.rpc("tryLocateSourceTx", ends).await;
    assert_eq!(sender["transaction_id"], rows[1]["transaction_id"]);
    // `data` is the transaction itself.
    let data = Boc::decode_base64(rows[1]["data"].as_str().unwrap()).unwrap();
    let parsed = data.parse::<tycho_types::models::Transaction>().unwrap();
    assert_eq!(parsed.prev_trans_lt, lts[2]);
}

#[tokio::test]
async fn blocks_name_their_transactions_and_their_predecessors() {
    let (api, handle) = server().await;
    let client = Client::new(&api);
    let target = StdAddr::new(0, HashBytes([9; 32]));
    let receipt = api.fund(target.clone(), 1_000).await.unwrap();
    let info = client.rpc("getMasterchainInfo", json!({})).await;
    assert_eq!(info["last"]["seqno"], receipt.block);
    let shards = client.rpc("shards", json!({ "seqno": receipt.block })).await;
    let shard = &shards["shards"][0];
    let block = json!({
        "workchain": shard["workchain"],
        "shard": shard["shard"],
        "seqno": shard["seqno"],
    });
    let listed = client.rpc("getBlockTransactions", block.clone()).await;
    assert_eq!(listed["transactions"][0]["account"], target.to_string());
    assert_eq!(listed["incomplete"], false);
    let full = client.rpc("getBlockTransactionsExt", block.clone()).await;
    assert_eq!(full["transactions"][0]["in_msg"]["value"], "1000");
    let header = client.rpc("getBlockHeader", block).await;
    assert_eq!(header["prev_blocks"][0]["seqno"], receipt.block - 1);
    assert_eq!(header["global_id"], -3);
    let lt = &receipt.transactions[1].lt;
    let found = client
        .rpc("lookupBlock", json!({ "workchain": 0, "shard": shard["shard"], "lt": lt }))
        .await;
    assert_eq!(found["seqno"], receipt.block);
    // The masterchain block of the same number has none of the basechain's transactions.
    let master = json!({ "workchain": -1, "shard": shard["shard"], "seqno": receipt.block });
    let none = client.rpc("getBlockTransactions", master).await;
    assert_eq!(none["transactions"], json!([]));
    handle.shutdown().await;
}

#[tokio::test]
async fn every_form_of_an_address_is_the_same_account() {
    let (api, handle) = server().await;
    let client = Client::new(&api);
    let target = StdAddr::new(0, HashBytes([0xfb; 32]));
    api.fund(target.clone(), 123).await.unwrap();
    let forms = client.rpc("detectAddress", json!({ "address": target.to_string() })).await;
    for form in [
        &forms["raw_form"],
        &forms["bounceable"]["b64"],
        &forms["bounceable"]["b64url"],
        &forms["non_bounceable"]["b64"],
        &forms["non_bounceable"]["b64url"],
    ] {
        let balance = client.rpc("getAddressBalance", json!({ "address": form })).await;
        assert_eq!(balance, "123", "{form}");
    }
    let packed = client.rpc("packAddress", json!({ "address": target.to_string() })).await;
    let raw = client.rpc("unpackAddress", json!({ "address": packed })).await;
    assert_eq!(raw, target.to_string());
    handle.shutdown().await;
}

#[tokio::test]
async fn errors_carry_the_dialects_codes() {
    let (api, handle) = server().await;
    let client = Client::new(&api);
    for (path, code) in [
        ("/api/v2/getAddressInformation?address=nonsense", 416),
        ("/api/v2/getAddressInformation", 422),
        ("/api/v2/noSuchMethod", 422),
        ("/api/v2/getTransactions?address=nonsense&lt=x", 416),
        ("/api/v2/shards?seqno=99999", 404),
        ("/api/v2/shards?seqno=x", 422),
        ("/control/fund", 405),
        ("/nowhere", 404),
    ] {
        let (status, body) = client.get(path).await;
        assert_eq!(status, code, "{path}: {body}");
        assert_eq!(body["ok"], false);
        assert_eq!(body["code"], code);
    }
    let (status, _) = client.post("/api/v2/sendBoc", &json!({ "boc": "AAAA" })).await;
    assert_eq!(status, 422);
    let preflight = client
        .http
        .request(reqwest::Method::OPTIONS, format!("{}/api/v2/jsonRPC", client.url))
        .header("Origin", "http://localhost:3000")
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "content-type,x-api-key")
        .send()
        .await
        .unwrap();
    assert!(preflight.headers().contains_key("access-control-allow-origin"));
    let large = "A".repeat(2 << 20);
    let (status, _) = client.post("/api/v2/sendBoc", &json!({ "boc": large })).await;
    assert_eq!(status, 413);
    handle.shutdown().await;
}

#[tokio::test]
async fn control_mines_warps_and_reports_and_blocks_are_announced() {
    let (api, handle) = server().await;
    let client = Client::new(&api);
    let mut tips = api.subscribe();
    let (_, warped) = client.post("/control/warp", &json!({ "seconds": 3_600 })).await;
    assert_eq!(warped["result"]["now"], START + 3_600);
    tips.changed().await.unwrap();
    assert_eq!(tips.borrow().gen_utime, START + 3_600);
    let (_, mined) = client.post("/control/mine", &json!({ "blocks": "3" })).await;
    assert_eq!(mined["result"]["seqno"], 4);
    let (status, _) = client.post("/control/mine", &json!({ "blocks": 1_000_000 })).await;
    assert_eq!(status, 422);
    let (_, report) = client.get("/control/status").await;
    assert_eq!(report["result"]["blocks"], 5);
    assert_eq!(report["result"]["supply"], "5000000000000000000");
    handle.shutdown().await;
}

#[tokio::test]
async fn with_an_interval_messages_wait_for_the_next_block() {
    let chain = ChainConfig { clock: Clock::Manual(START), ..ChainConfig::default() };
    let production = Production::Interval(Duration::from_secs(3_600));
    let config = ServerConfig { chain, production, ..ServerConfig::default() };
    let (api, handle) = spawn(config).await.unwrap();
    // The first tick comes at once; wait for it so that the test decides about all others.
    let mut tips = api.subscribe();
    while tips.borrow_and_update().seqno == 0 {
        tips.changed().await.unwrap();
    }
    let client = Client::new(&api);
    let wallet = wallet("requestor");
    let from = address_of(&wallet);
    api.fund(from.clone(), 5_000_000_000).await.unwrap();
    let boc = order(&wallet, 0, Deploy::With, transfer(&from, 5, "to myself"));
    client.rpc("sendBoc", json!({ "boc": boc })).await;
    assert_eq!(
        client.rpc("getAddressState", json!({ "address": from.to_string() })).await,
        "uninitialized"
    );
    api.mine().await.unwrap();
    assert_eq!(
        client.rpc("getAddressState", json!({ "address": from.to_string() })).await,
        "active"
    );
    handle.shutdown().await;
}

#[tokio::test]
async fn fees_are_estimated_without_a_valid_signature() {
    let (api, handle) = server().await;
    let client = Client::new(&api);
    let mut wallet = wallet("requestor");
    let from = address_of(&wallet);
    api.fund(from.clone(), 5_000_000_000).await.unwrap();
    let boc = order(&wallet, 0, Deploy::With, transfer(&from, 5, ""));
    client.rpc("sendBoc", json!({ "boc": boc })).await;
    // Signed by somebody else's key.
    wallet.key_pair.secret_key = self::wallet("somebody else").key_pair.secret_key;
    let body =
        wallet.create_external_body(START + 60, 1, [transfer(&from, 5, "").to_arc()]).unwrap();
    let body = wallet.sign_external_body(&body).unwrap().to_boc_b64(false).unwrap();
    let request = json!({ "address": from.to_string(), "body": body, "ignore_chksig": true });
    let fees = client.rpc("estimateFee", request).await;
    for part in ["in_fwd_fee", "gas_fee", "fwd_fee"] {
        assert!(fees["source_fees"][part].as_u64().unwrap() > 0, "{part}: {fees}");
    }
    let checked = json!({ "address": from.to_string(), "body": body, "ignore_chksig": false });
    let (status, refused) = client.post("/api/v2/estimateFee", &checked).await;
    assert_eq!(status, 406);
    assert!(refused["error"].as_str().unwrap().contains("exitcode=135"), "{refused}");
    handle.shutdown().await;
}

#[tokio::test]
async fn the_configuration_is_given_as_contracts_see_it() {
    let (api, handle) = server().await;
    let client = Client::new(&api);
    let param = client.rpc("getConfigParam", json!({ "config_id": 19 })).await;
    let cell = Boc::decode_base64(param["config"]["bytes"].as_str().unwrap()).unwrap();
    assert_eq!(cell.as_slice().unwrap().load_u32().unwrap().cast_signed(), -3);
    // The whole configuration differs from the recording in nothing but the network id: what is
    // patched for tycho's parser stays inside.
    let (_, all) = client.get("/api/v2/getConfigAll").await;
    let root = Boc::decode_base64(all["result"]["config"]["bytes"].as_str().unwrap()).unwrap();
    let mut given = BlockchainConfigParams::from_raw(root);
    let recorded = Boc::decode(include_bytes!("../../res/config.boc")).unwrap();
    let mut recorded = BlockchainConfigParams::from_raw(recorded);
    given.remove(19).unwrap();
    recorded.remove(19).unwrap();
    assert_eq!(given, recorded);
    handle.shutdown().await;
}

/// Anything at all as parameters of every method: refused or answered, never a 5xx.
#[test]
fn malformed_requests_are_never_a_server_error() {
    const METHODS: &[&str] = &[
        "getMasterchainInfo",
        "shards",
        "lookupBlock",
        "getBlockHeader",
        "getBlockTransactions",
        "getBlockTransactionsExt",
        "getConfigParam",
        "getAddressInformation",
        "getExtendedAddressInformation",
        "getWalletInformation",
        "getAddressBalance",
        "getAddressState",
        "packAddress",
        "unpackAddress",
        "detectAddress",
        "runGetMethod",
        "sendBoc",
        "sendBocReturnHash",
        "getTransactions",
        "tryLocateTx",
        "tryLocateSourceTx",
        "noSuchMethod",
    ];
    const NAMES: &[&str] = &[
        "address",
        "method",
        "stack",
        "boc",
        "limit",
        "lt",
        "hash",
        "to_lt",
        "seqno",
        "workchain",
        "shard",
        "config_id",
        "count",
        "after_lt",
        "after_hash",
        "source",
        "destination",
        "created_lt",
        "unixtime",
        "archival",
    ];
    let value = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,60}".prop_map(Value::from),
        "[A-Za-z0-9_+/=-]{48}".prop_map(Value::from),
        Just(json!("0:0000000000000000000000000000000000000000000000000000000000000000")),
        Just(json!("te6cckEBAQEAAgAAAEysuc0=")),
        Just(json!("-9223372036854775808")),
        Just(json!(0)),
        Just(json!("-1")),
        Just(json!([["num", "0x1"], ["cell", {}], []])),
        Just(json!({ "@type": "x" })),
        Just(Value::Null),
    ];
    let request = (
        prop::sample::select(METHODS),
        prop::collection::hash_map(prop::sample::select(NAMES), value, 0..6),
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (api, handle) = runtime.block_on(server());
    let client = Client::new(&api);
    let check = |status: u16, body: &Value| {
        prop_assert!(status < 500, "{status}: {body}");
        prop_assert_eq!(body["ok"].as_bool(), Some(status == 200));
        Ok(())
    };
    proptest!(ProptestConfig::with_cases(512), |((method, fields) in request, raw in prop::collection::vec(any::<u8>(), 0..64))| {
        let fields: serde_json::Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let rpc = json!({ "id": 1, "method": method, "params": fields });
        let (status, body) = runtime.block_on(client.post("/api/v2/jsonRPC", &rpc));
        check(status, &body)?;
        let (status, body) = runtime
            .block_on(client.post(&format!("/api/v2/{method}"), &Value::Object(fields)));
        check(status, &body)?;
        let (status, body) = runtime.block_on(async {
            let request = client.http.post(format!("{}/", client.url)).body(raw);
            Client::answer(request.send().await.unwrap()).await
        });
        check(status, &body)?;
    });
    runtime.block_on(handle.shutdown());
}
