//! A market on the independent gateway, with `fog node`, `fog worker` and `fog task post` as their
//! users start them: told where things are, and nothing else.

use std::{net::SocketAddr, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio};

use fog_chain::ChainClient;
use fog_contracts::{
    MARKET_VALUE,
    market::{self, Choice, Config, MarketInit},
    stake::StakeData,
};
use fog_protocol::{Address, Nano, SecretKey};
use fog_requestor::NodeClient;
use fog_wallet::{
    KdfParams, Keystore, OutMessage, Password, SecretKind, TESTNET, UnlockedWallet, Wallet,
    WalletVersion,
};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::server::{Oracle, OracleOptions};
use crate::fog::{file, program};

pub(crate) const PASSWORD: &str = "a test's password";
/// More than the worker asks.
pub(crate) const PRICE: &str = "0.05";
const FEE_BPS: u16 = 200;

/// What both sides of a fault are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holdings {
    pub(crate) earned: u64,
    pub(crate) staked: u64,
    pub(crate) reserved: u64,
    pub(crate) fees: u64,
}

/// Everything at its place.
pub(crate) struct Stage {
    pub(crate) oracle: Oracle,
    /// A client of the gateway for the test's own eyes.
    pub(crate) client: ChainClient,
    pub(crate) market: Address,
    pub(crate) node: NodeClient,
    config: Config,
    pub(crate) operator: Address,
    worker: Address,
    _processes: Vec<Child>,
    folder: tempfile::TempDir,
}

fn random_wallet() -> UnlockedWallet {
    let key = SecretKey::generate().unwrap();
    let wallet = Wallet::new(WalletVersion::V5R1, key.public(), TESTNET).unwrap();
    UnlockedWallet { wallet, key }
}

/// A keystore with one new wallet, as `fog wallet new` makes it but for the cost of its password.
fn keystore(folder: &Path, name: &str) -> (Keystore, Address) {
    let keys = Keystore::open(folder.join(name).join("keys")).unwrap().with_kdf(KdfParams::MIN);
    let password = Password::new(PASSWORD.to_owned());
    let key = SecretKey::generate().unwrap();
    let entry = keys.import_key(name, &password, &key, WalletVersion::V5R1, TESTNET).unwrap();
    (keys, entry.wallet.unwrap().address)
}

/// Deploys a market with one verifier; its owner is somebody who then leaves.
pub(crate) async fn deploy_market(oracle: &Oracle, verifier: &SecretKey) -> (Address, Config) {
    let owner = random_wallet();
    oracle.give(owner.wallet.address(), Nano::grams(10)).await;
    let config = Config::of(Choice {
        min_step: 1,
        max_step: 600,
        timelock: 3_600,
        threshold: 1,
        fee_bps: FEE_BPS,
        treasury: Address::basechain([0xee; 32]),
        verifiers: vec![verifier.public()],
        unbonding: 2_101,
        burn: Address::basechain([0; 32]),
        operator_bps: 5_000,
        appeal: 1,
        appeal_time: 300,
        challenge_bond: Nano::grams(1),
    });
    let init = MarketInit { owner: owner.wallet.address(), salt: 1 };
    let market = init.address().unwrap();
    let deploy = OutMessage::new(market, MARKET_VALUE.saturating_add(Nano::grams(1)))
        .with_state_init(init.state_init().unwrap())
        .with_body(market::setup(0, &config).unwrap());
    fog_requestor::send(&oracle.client(), &owner, &[deploy]).await.unwrap();
    let client = oracle.client();
    crate::oracle::until("the market to be there", async || {
        client.account(&market).await.ok().filter(|account| account.is_active()).map(drop)
    })
    .await;
    (market, config)
}

impl Stage {
    /// Market, stake, node and worker on a gateway that is still honest.
    pub(crate) async fn start(options: OracleOptions, settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let oracle = Oracle::start(options).await;
        let (keys, operator) = keystore(folder.path(), "operator");
        let verifier = SecretKey::generate().unwrap();
        let password = Password::new(PASSWORD.to_owned());
        let seed = verifier.seed();
        keys.put_secret("verifier", SecretKind::VerifierKey, seed.as_ref(), &password).unwrap();
        let (_, worker) = keystore(folder.path(), "worker");
        let (_, requestor) = keystore(folder.path(), "requestor");
        for party in [operator, worker, requestor] {
            oracle.give(party, Nano::grams(1_000)).await;
        }
        let (market, config) = deploy_market(&oracle, &verifier).await;
        std::fs::write(folder.path().join("node.toml"), NODE_TOML).unwrap();
        let listen = fog_harness::free_address(1).unwrap();
        let key = oracle.key().map(|key| format!("chain_api_key = \"{key}\"\n"));
        let settings = format!(
            "chain = \"{}\"\nnode = \"http://{listen}\"\n{}{settings}",
            oracle.url,
            key.unwrap_or_default()
        )
        .replace("{url}", &oracle.url);
        for party in ["operator", "worker", "requestor"] {
            let file = folder.path().join(party).join("fog.toml");
            std::fs::write(&file, &settings).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let at = market.to_string();
        let add =
            command(folder.path(), "operator", &["bond", "add", "400", "--market", &at]).output();
        let added = add.await.unwrap();
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let client = oracle.client();
        let processes = vec![spawn_node(folder.path(), market, listen)];
        let url = format!("http://{listen}");
        let node =
            super::until("the node to answer", async || NodeClient::connect(&url).await.ok());
        let node = node.await;
        let mut stage = Self {
            oracle,
            client,
            market,
            node,
            config,
            operator,
            worker,
            _processes: processes,
            folder,
        };
        stage.fog("worker", &["worker", "stake", "20", "--json"]).await;
        let up = background(stage.command("worker", &["worker", "up"]), &stage.log("worker"));
        stage._processes.push(up);
        stage
    }

    fn log(&self, who: &str) -> std::path::PathBuf {
        self.folder.path().join(format!("{who}.log"))
    }

    pub(crate) fn command(&self, who: &str, args: &[&str]) -> Command {
        command(self.folder.path(), who, args)
    }

    /// A command of a user that must succeed; its document.
    pub(crate) async fn fog(&self, who: &str, args: &[&str]) -> Value {
        self.ended(self.command(who, args).output().await.unwrap())
    }

    /// `fog task post`, which waits for the end and prints the task's view.
    pub(crate) fn post_command(&self, salt: u32, price: &str) -> Command {
        let input = self.folder.path().join(format!("{salt}.txt"));
        std::fs::write(&input, format!("to be or not to be {salt}")).unwrap();
        let mut command = self.command("requestor", &["task", "post", "--json"]);
        command
            .args(["--price", price, "--audit-rate", "1", "--deadline", "10m"])
            .args(["--window", "1s", "--module"])
            .arg(file("cli/guests/wordcount.wasm"))
            .arg("--input")
            .arg(&input)
            // With this it waits for the end.
            .arg("--out")
            .arg(input.with_extension("out"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// A whole task; the view at its end.
    pub(crate) async fn post(&self, salt: u32) -> Value {
        self.ended(self.post_command(salt, PRICE).output().await.unwrap())
    }

    /// The document of a command that must have succeeded.
    pub(crate) fn ended(&self, output: std::process::Output) -> Value {
        let errors = String::from_utf8_lossy(&output.stderr);
        let printed = String::from_utf8_lossy(&output.stdout);
        let node = std::fs::read_to_string(self.log("operator")).unwrap_or_default();
        let worker = std::fs::read_to_string(self.log("worker")).unwrap_or_default();
        assert!(
            output.status.success(),
            "{printed}{errors}\n-- node:\n{node}\n-- worker:\n{worker}"
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What worker and treasury hold, as the chain itself says, once what was on its way has come:
    /// a task that reads as paid has sent the treasury's share, which the next block delivers.
    pub(crate) async fn holdings(&self) -> Holdings {
        self.oracle.tell("mine", json!({ "blocks": 2 })).await;
        let stake = self.config.stake_of(self.market, self.worker).address().unwrap();
        let data = self.client.account(&stake).await.unwrap().data.unwrap();
        let data = StakeData::parse(&data).unwrap();
        let fees = self.client.account(&self.config.treasury).await.unwrap().balance;
        Holdings {
            earned: data.earnings.get(),
            staked: data.stake.get(),
            reserved: data.reserved.get(),
            fees: fees.get(),
        }
    }
}

const NODE_TOML: &str = "min_durations = { bid = 1, commit = 1, verdict = 1, window = 0 }\n\
                         probation = 2\n[chain]\npoll_millis = 50\nreconcile_seconds = 1\n";

fn command(folder: &Path, who: &str, args: &[&str]) -> Command {
    let home = folder.join(who);
    let mut command = Command::new(program());
    command
        .env_clear()
        .env("HOME", &home)
        .env("PATH", "/usr/bin:/bin")
        .env("FOG_PASSWORD", PASSWORD)
        .args(args)
        .arg("--keys")
        .arg(home.join("keys"))
        // Where `fog.toml` is.
        .current_dir(&home)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

fn background(mut command: Command, log: &Path) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

fn spawn_node(folder: &Path, market: Address, listen: SocketAddr) -> Child {
    let (market, listen) = (market.to_string(), listen.to_string());
    let config = folder.join("node.toml");
    let args = ["node", "-v", "--wallet", "operator", "--market", &market, "--listen", &listen];
    let mut node = command(folder, "operator", &args);
    node.arg("--config").arg(config).arg("--data").arg(folder.join("node"));
    background(node, &folder.join("operator.log"))
}
