//! The independent gateway as a process: the reference TVM behind a thin server of the dialect.

use std::{process::Stdio, sync::OnceLock};

use fog_chain::{ApiKey, ChainClient, ChainConfig};
use fog_protocol::{Address, Nano};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::fog::file;

/// Its folder, with its packages installed.
pub(crate) fn folder() -> std::path::PathBuf {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    let folder = file("tests/oracle");
    INSTALLED.get_or_init(|| {
        if !folder.join("node_modules/@ton/sandbox").exists() {
            let npm = ["ci", "--silent", "--no-audit", "--no-fund"];
            let done = std::process::Command::new("npm").args(npm).current_dir(&folder).status();
            assert!(done.unwrap().success(), "npm ci in tests/oracle");
        }
    });
    folder
}

/// How a gateway is started.
pub(crate) struct OracleOptions {
    /// Milliseconds between two blocks; 0: blocks are made on command alone.
    pub(crate) block_ms: u32,
    /// The network's global id.
    pub(crate) network: i32,
    /// The API key it wants.
    pub(crate) key: Option<&'static str>,
}

impl Default for OracleOptions {
    fn default() -> Self {
        Self { block_ms: 100, network: -3, key: None }
    }
}

/// The running gateway; it ends with this value.
pub(crate) struct Oracle {
    pub(crate) url: String,
    _process: Child,
    http: reqwest::Client,
    options: OracleOptions,
}

impl Oracle {
    pub(crate) async fn start(options: OracleOptions) -> Self {
        let mut command = Command::new("node");
        command
            .arg("server.mjs")
            .arg(format!("--network={}", options.network))
            .args(["--block-ms", &options.block_ms.to_string()])
            .current_dir(folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if let Some(key) = options.key {
            command.args(["--key", key]);
        }
        let mut process = command.spawn().expect("Node.js is installed");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("the server says where it is");
        let said: Value = serde_json::from_str(&line).unwrap();
        let url = said["url"].as_str().unwrap().to_owned();
        Self { url, _process: process, http: reqwest::Client::new(), options }
    }

    pub(crate) fn key(&self) -> Option<&'static str> {
        self.options.key
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("{}/api/v2", self.url)
    }

    /// A client of it; faults it meets are its own affair.
    pub(crate) fn client(&self) -> ChainClient {
        let mut config = ChainConfig::new(self.endpoint(), self.options.network);
        if let Some(key) = self.options.key {
            config = config.with_api_key(ApiKey::new(key));
        }
        ChainClient::new(config).unwrap()
    }

    /// Tells it something; it must understand.
    pub(crate) async fn tell(&self, what: &str, with: Value) -> Value {
        let url = format!("{}/control/{what}", self.url);
        let answer = self.http.post(url).json(&with).send().await.unwrap();
        let said: Value = answer.json().await.unwrap();
        assert_eq!(said["ok"], true, "{what}: {said}");
        said
    }

    /// From now on it does this, and nothing else wrong.
    pub(crate) async fn faults(&self, list: Value) {
        self.tell("faults", json!({ "list": list })).await;
    }

    /// Honest from now on; tells how often each fault struck.
    pub(crate) async fn honest(&self) -> Value {
        let hits = self.tell("state", json!({})).await["hits"].clone();
        self.faults(json!([])).await;
        hits
    }

    pub(crate) async fn give(&self, to: Address, amount: Nano) {
        self.tell("give", json!({ "to": to.to_string(), "nano": amount.get().to_string() })).await;
    }
}
