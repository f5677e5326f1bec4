//! Ten thousand requests nobody would send: whatever comes, the server answers in its dialect,
//! soon, and never with a fault of its own. In a process of its own, so that its memory can be
//! measured.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use fog_testnet::chain::{ChainConfig, Clock, Transfer};
use fog_testnet::toncenter::{Api, Production, ServerConfig, spawn};
use reqwest::Method;
use serde_json::{Map, Value, json};
use tycho_types::boc::Boc;
use tycho_types::cell::{Cell, CellBuilder, HashBytes};
use tycho_types::models::{ExtInMsgInfo, MsgInfo, OwnedMessage, StateInit, StdAddr};
use tycho_types::num::Tokens;

/// How many requests, unless `FOG_FUZZ_REQUESTS` says more.
const REQUESTS: usize = 10_000;
/// Requests under way at once.
const LANES: usize = 8;
/// The seed, unless `FOG_FUZZ_SEED` names another.
const SEED: u64 = 0x0f06_7e57;
/// How long one request may take on a slow and loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much the process may grow between the first third and the end, MiB.
const GROWTH: u64 = 64;

const V2: &[&str] = &[
    "getMasterchainInfo",
    "getConsensusBlock",
    "shards",
    "getShards",
    "lookupBlock",
    "getBlockHeader",
    "getBlockTransactions",
    "getBlockTransactionsExt",
    "getConfigParam",
    "getConfigAll",
    "getLibraries",
    "getOutMsgQueueSize",
    "getAddressInformation",
    "getExtendedAddressInformation",
    "getWalletInformation",
    "getAddressBalance",
    "getAddressState",
    "getShardAccountCell",
    "getTokenData",
    "packAddress",
    "unpackAddress",
    "detectAddress",
    "detectHash",
    "runGetMethod",
    "runGetMethodStd",
    "sendBoc",
    "sendBocReturnHash",
    "getTransactions",
    "getTransactionsStd",
    "tryLocateTx",
    "tryLocateResultTx",
    "tryLocateSourceTx",
    "estimateFee",
    "getMasterchainBlockSignatures",
    "getShardBlockProof",
    "dnsResolve",
    "noSuchMethod",
];
const V3: &[&str] = &[
    "masterchainInfo",
    "masterchainBlockShardState",
    "masterchainBlockShards",
    "blocks",
    "transactions",
    "transactionsByMasterchainBlock",
    "transactionsByMessage",
    "adjacentTransactions",
    "pendingTransactions",
    "messages",
    "traces",
    "events",
    "pendingTraces",
    "actions",
    "pendingActions",
    "accountStates",
    "walletStates",
    "addressBook",
    "metadata",
    "topAccountsByBalance",
    "jetton/masters",
    "jetton/wallets",
    "jetton/transfers",
    "nft/items",
    "dns/records",
    "addressInformation",
    "account",
    "walletInformation",
    "wallet",
    "decode",
    "message",
    "runGetMethod",
    "estimateFee",
    "noSuchRoute",
    "a/b/c/d",
];
const OTHERS: &[&str] = &[
    "/",
    "/api/v2/jsonRPC",
    "/api/v2/",
    "/api/v3/",
    "/api/v2",
    "/api",
    "/nowhere",
    "/../etc",
    "//",
    "/api/v2/%00",
    "/api/v2/%ff",
    "/api/v3/%ff%fe",
    "/api/v2/getMasterchainInfo/more",
    "/api/streaming/v2/sse",
    "/api/streaming/v2/ws",
    "/api/streaming/v1/sse",
    "/control/status",
    "/control/fund",
    "/control/nothing",
    "/control/%ff",
    "/metrics",
    "/favicon.ico",
];
const NAMES: &[&str] = &[
    "address",
    "account",
    "method",
    "stack",
    "boc",
    "limit",
    "offset",
    "sort",
    "lt",
    "hash",
    "to_lt",
    "seqno",
    "workchain",
    "shard",
    "config_id",
    "param",
    "count",
    "after_lt",
    "after_hash",
    "source",
    "destination",
    "created_lt",
    "unixtime",
    "archival",
    "body",
    "init_code",
    "init_data",
    "ignore_chksig",
    "libraries",
    "msg_hash",
    "tx_hash",
    "trace_id",
    "body_hash",
    "opcode",
    "direction",
    "mc_seqno",
    "start_lt",
    "end_lt",
    "start_utime",
    "end_utime",
    "exclude_account",
    "include_boc",
    "include_actions",
    "action_type",
    "code_hash",
    "owner_address",
    "jetton_address",
    "opcodes",
    "bodies",
    "types",
    "addresses",
    "trace_external_hash_norms",
    "min_finality",
    "amount",
    "use_v2",
    "root_hash",
    "id",
    "include_transactions",
    "only_externals",
    "ext_msg_hash",
    "",
    "%00",
];

/// A small generator: the same requests on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = self.below(most);
        (0..len).map(|_| self.roll().to_le_bytes()[0]).collect()
    }
}

fn cell(bytes: &[u8]) -> Cell {
    let mut builder = CellBuilder::new();
    builder.store_raw(bytes, u16::try_from(bytes.len() * 8).unwrap()).unwrap();
    builder.build().unwrap()
}

fn external(to: &StdAddr, body: Cell) -> Cell {
    CellBuilder::build_from(OwnedMessage {
        info: MsgInfo::ExtIn(ExtInMsgInfo {
            src: None,
            dst: to.clone().into(),
            import_fee: Tokens::ZERO,
        }),
        init: None,
        body: body.into(),
        layout: None,
    })
    .unwrap()
}

/// A contract that accepts every message, and a history to be asked about. Gives back texts that
/// mean something to the server.
async fn populate(api: &Api) -> Vec<String> {
    let code = cell(&[0xff, 0x00, 0xf8, 0x00]);
    let init = StateInit { code: Some(code), data: Some(Cell::default()), ..Default::default() };
    let address = StdAddr::new(0, *CellBuilder::build_from(&init).unwrap().repr_hash());
    let deploy = Transfer::deploy(address.clone(), 50_000_000_000, init, Cell::default());
    let receipt = api
        .with(move |chain| {
            let party = chain.open_treasury(7, 100_000_000_000).unwrap();
            chain.send_from(&party, &deploy).unwrap()
        })
        .await
        .unwrap();
    let nobody = StdAddr::new(0, HashBytes([0x77; 32]));
    api.fund(nobody.clone(), 5).await.unwrap();
    let mut texts = Vec::new();
    for address in [&address, &nobody] {
        let base = address.display_base64(true).to_string();
        texts.extend([address.to_string(), base.replace('-', "+").replace('_', "/"), base]);
        texts.push(address.display_base64(false).to_string());
    }
    for tx in &receipt.transactions {
        texts.push(hex::encode(tx.hash.0));
        texts.extend([STANDARD.encode(tx.hash.0), URL_SAFE.encode(tx.hash.0)]);
        texts.push(tx.lt.to_string());
    }
    let message = external(&address, cell(b"hello"));
    texts.push(Boc::encode_base64(&message));
    texts.push(hex::encode(Boc::encode(&message)));
    texts.push(Boc::encode_base64(external(&nobody, Cell::default())));
    texts.push(Boc::encode_base64(Cell::default()));
    let mut chain = Cell::default();
    for _ in 0..900 {
        let mut builder = CellBuilder::new();
        builder.store_reference(chain.clone()).unwrap();
        builder.store_reference(chain).unwrap();
        chain = builder.build().unwrap();
    }
    texts.push(Boc::encode_base64(&chain));
    texts.push(Boc::encode_base64(external(&address, chain)));
    texts
}

const ODD: &[&str] = &[
    "",
    "0",
    "1",
    "2",
    "10",
    "-1",
    "-0",
    "+1",
    "00",
    "1e3",
    "1.5",
    "NaN",
    "0x10",
    "0xzz",
    "null",
    "true",
    "false",
    "None",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "4294967295",
    "4294967296",
    "2147483648",
    "99999999999999999999999999999999999999999",
    "8000000000000000",
    "desc",
    "asc",
    "in",
    "out",
    "transactions",
    "pending",
    "finalized",
    "EQ",
    "UQ",
    ":",
    "0:",
    "0:0",
    "128:00",
    "-1:5555555555555555555555555555555555555555555555555555555555555555",
    "EQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAM9c",
    "EQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "00000000",
    "AAAA",
    "A",
    "====",
    "te6cckEBAQEAAgAAAEysuc0=",
    "te6cckEBAQEAAgAAAEysuc0",
    "te6ccgEBAQEA//8AAA==",
    "b5ee9c72",
    "[]",
    "{}",
    "[[\"num\",\"0x1\"]]",
    "[[\"cell\",{}]]",
    "[[\"tuple\",{\"elements\":[]}]]",
    "[null]",
    "\u{0}",
    "'; drop table transactions; --",
    "../../etc/passwd",
    "<script>",
    "seqno",
    "get_jetton_data",
    "85143",
    "\u{1f4a9}\u{202e}",
    "%",
    "%zz",
    "a&b=c",
    "#",
    "recv_internal",
];

struct Fuzzer {
    dice: Dice,
    known: Vec<String>,
    url: String,
}

impl Fuzzer {
    fn text(&mut self) -> String {
        match self.dice.below(10) {
            0..=3 => self.dice.pick(&self.known).clone(),
            4..=7 => (*self.dice.pick(ODD)).to_owned(),
            8 => {
                // Something known with one letter changed, or cut short.
                let text = self.dice.pick(&self.known).clone();
                let at = self.dice.below(text.len().max(1));
                let mut bytes = text.into_bytes();
                if self.dice.chance(2) {
                    bytes.truncate(at);
                } else if let Some(byte) = bytes.get_mut(at) {
                    *byte = b'a' + u8::try_from(self.dice.below(26)).unwrap();
                }
                String::from_utf8_lossy(&bytes).into_owned()
            }
            _ => String::from_utf8_lossy(&self.dice.bytes(80)).into_owned(),
        }
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.dice.below(if depth == 0 { 7 } else { 10 }) {
            0..=3 => self.text().into(),
            4 => (self.dice.roll().cast_signed() >> self.dice.below(64)).into(),
            5 => self.dice.roll().into(),
            6 => match self.dice.below(4) {
                0 => Value::Null,
                1 => true.into(),
                2 => json!(1.5e300),
                _ => json!(-0.0),
            },
            7 => (0..self.dice.below(4)).map(|_| self.value(depth - 1)).collect(),
            8 => {
                let kinds = ["num", "cell", "tvm.Slice", "tuple", "list", "null", "builder", "int"];
                let kind = *self.dice.pick(&kinds);
                json!([[kind, self.value(depth - 1)], [kind, { "bytes": self.text() }]])
            }
            _ => {
                let mut fields = Map::new();
                for _ in 0..self.dice.below(4) {
                    let names = ["@type", "elements", "bytes", "number", "type", "value", "x"];
                    fields.insert((*self.dice.pick(&names)).to_owned(), self.value(depth - 1));
                }
                Value::Object(fields)
            }
        }
    }

    fn fields(&mut self) -> Map<String, Value> {
        let count = self.dice.below(7);
        let mut fields = Map::new();
        for _ in 0..count {
            fields.insert((*self.dice.pick(NAMES)).to_owned(), self.value(3));
        }
        // What most calls insist on, so that they get further.
        if self.dice.chance(2) {
            fields.insert("address".to_owned(), self.dice.pick(&self.known[..8]).clone().into());
        }
        fields
    }

    fn path(&mut self) -> String {
        match self.dice.below(20) {
            0..=8 => format!("/api/v2/{}", self.dice.pick(V2)),
            9..=15 => format!("/api/v3/{}", self.dice.pick(V3)),
            16 => "/api/v2/jsonRPC".to_owned(),
            17 => "/api/streaming/v2/sse".to_owned(),
            _ => (*self.dice.pick(OTHERS)).to_owned(),
        }
    }

    fn query(&mut self) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for _ in 0..self.dice.below(6) {
            let name = (*self.dice.pick(NAMES)).to_owned();
            for _ in 0..=self.dice.below(2) {
                pairs.push((name.clone(), self.text()));
            }
        }
        if self.dice.chance(2) {
            pairs.push(("address".to_owned(), self.dice.pick(&self.known[..8]).clone()));
        }
        pairs
    }

    fn body(&mut self, path: &str) -> Vec<u8> {
        let fields = self.fields();
        match self.dice.below(12) {
            0 => Vec::new(),
            1 => self.dice.bytes(300),
            2 => format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes(),
            3 => format!("{{\"stack\":{}", "{\"a\":".repeat(50_000)).into_bytes(),
            4 => serde_json::to_vec(&self.value(4)).unwrap(),
            5 => {
                let mut bytes = serde_json::to_vec(&fields).unwrap();
                bytes.truncate(self.dice.below(bytes.len().max(1)));
                bytes
            }
            _ if path == "/" || path.ends_with("jsonRPC") => {
                let method =
                    if self.dice.chance(8) { self.value(2) } else { (*self.dice.pick(V2)).into() };
                let params =
                    if self.dice.chance(8) { self.value(2) } else { Value::Object(fields) };
                let id = self.value(2);
                let envelope =
                    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
                serde_json::to_vec(&envelope).unwrap()
            }
            _ => serde_json::to_vec(&fields).unwrap(),
        }
    }

    /// Mostly a verb the path knows.
    fn verb(&mut self, path: &str) -> Method {
        let odd = [Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE, Method::PATCH];
        let tells = ["/message", "/runGetMethod", "/estimateFee", "/sse", "/jsonRPC"];
        match self.dice.below(20) {
            0 => self.dice.pick(&odd).clone(),
            1 => Method::POST,
            2 => Method::GET,
            _ if tells.iter().any(|end| path.ends_with(end)) => Method::POST,
            _ if path.starts_with("/api/v3/") || self.dice.chance(2) => Method::GET,
            _ => Method::POST,
        }
    }

    fn request(&mut self, client: &reqwest::Client) -> (Method, String, reqwest::RequestBuilder) {
        let path = self.path();
        let method = self.verb(&path);
        let mut url = reqwest::Url::parse(&self.url).unwrap();
        url.set_path(&path);
        let url = reqwest::Url::parse(&format!("{}{path}", self.url)).unwrap_or(url);
        let mut request = client.request(method.clone(), url).query(&self.query());
        if method != Method::GET && method != Method::HEAD {
            let kinds =
                ["application/json", "text/plain", "application/x-www-form-urlencoded", "x"];
            request =
                request.header("content-type", *self.dice.pick(&kinds)).body(self.body(&path));
        }
        if self.dice.chance(10) {
            request = request.header("x-api-key", "any").header("origin", "http://elsewhere");
        }
        (method, path, request)
    }
}

/// Checks one answer; gives back its status.
async fn check(method: Method, path: String, request: reqwest::RequestBuilder) -> u16 {
    let shown = format!("{request:?}").chars().take(2_000).collect::<String>();
    let answered = tokio::time::timeout(PATIENCE, request.send()).await;
    let response = answered.unwrap_or_else(|_| panic!("no answer in time: {shown}"));
    let response = response.unwrap_or_else(|error| panic!("no answer: {error:?}: {shown}"));
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").cloned();
    // A stream of events does not end; its head is answer enough.
    if kind.as_ref().is_some_and(|kind| kind == "text/event-stream") {
        return status;
    }
    let read = tokio::time::timeout(PATIENCE, response.bytes()).await;
    let body = read.unwrap_or_else(|_| panic!("no whole answer in time: {shown}")).unwrap();
    assert!(status < 500, "{status} {}: {shown}", String::from_utf8_lossy(&body));
    if method == Method::HEAD || method == Method::OPTIONS {
        return status;
    }
    if path.starts_with("/api/v2/") {
        let body: Value = serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{shown}"));
        assert_eq!(body["ok"].as_bool(), Some(status == 200), "{body}: {shown}");
        if status != 200 {
            assert_eq!(body["code"].as_u64(), Some(status.into()), "{body}: {shown}");
            assert!(body["error"].is_string(), "{body}: {shown}");
        }
    } else if path.starts_with("/api/v3/") && path.len() > 8 {
        let body: Value = serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{shown}"));
        assert!(status == 200 || body["error"].is_string(), "{body}: {shown}");
    }
    status
}

/// Resident memory of this process, MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text}: not a number")),
        Err(_) => default,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_odd_requests_are_answered_without_a_fault() {
    let requests = setting("FOG_FUZZ_REQUESTS", REQUESTS);
    let seed = setting("FOG_FUZZ_SEED", SEED);
    let chain = ChainConfig { clock: Clock::Manual(1_760_000_000), ..ChainConfig::default() };
    let production = Production::Instant { idle: Duration::from_secs(3_600) };
    let config = ServerConfig { chain, production, ..ServerConfig::default() };
    let (api, handle) = spawn(config).await.unwrap();
    let known = populate(&api).await;
    let mut fuzzer = Fuzzer { dice: Dice(seed), known, url: api.url() };
    let client = reqwest::Client::new();
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    let mut settled = None;
    let mut sent = 0;
    while sent < requests {
        let lanes: Vec<_> = (0..LANES)
            .map(|_| {
                let (method, path, request) = fuzzer.request(&client);
                tokio::spawn(check(method, path, request))
            })
            .collect();
        for lane in lanes {
            *statuses.entry(lane.await.expect("an answer")).or_default() += 1;
            sent += 1;
        }
        if sent >= requests / 3 && settled.is_none() {
            settled = Some(resident());
        }
    }
    let grown = resident().saturating_sub(settled.unwrap());
    println!("{sent} requests, seed {seed}: {statuses:?}, {grown} MiB more than after a third");
    assert!(grown < GROWTH, "{grown} MiB");
    assert!(statuses[&200] > requests / 5, "too few get through to prove anything: {statuses:?}");
    // It works as before.
    let target = StdAddr::new(0, HashBytes([0x78; 32]));
    api.fund(target.clone(), 5).await.unwrap();
    assert_eq!(api.account(target).await.unwrap().balance, 5);
    handle.shutdown().await;
}
