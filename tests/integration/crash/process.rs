//! Chain in the test, node and worker as processes.

use std::{net::SocketAddr, path::Path, process::Stdio};

use fog_contracts::stake::StakeData;
use fog_harness::{
    Behaviour, LocalChain, NetworkOptions, Timing, WorkerProcess, WorkerSpec, verifier_key,
};
use fog_protocol::{Durations, Hash32, Nano, RATE_ONE, ResourceLimits, TaskStatus, api::TaskView};
use fog_requestor::{Draft, DraftPolicy, DraftProgram, NodeClient, Prepared, Requestor};
use fog_wallet::{
    KdfParams, Keystore, Password, SecretKind, TESTNET, UnlockedWallet, WalletVersion,
};
use tokio::process::{Child, Command};

use super::{gateway::Gateway, until};
use crate::fog::{file, program};

pub(crate) const FEE_BPS: u16 = 200;
const SEED: u64 = 5;
const PASSWORD: &str = "a test's password";

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// The node's process.
pub(crate) struct NodeProcess {
    child: Child,
}

impl NodeProcess {
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) node: NodeProcess,
    local: LocalChain,
    listen: SocketAddr,
    requestor: Requestor,
    worker: Option<WorkerProcess>,
    posted: u8,
    folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let local = LocalChain::start(&options(folder.path())).await.unwrap();
        let gateway = Gateway::start(local.endpoint()).await;
        let listen = fog_harness::free_address(1).unwrap();
        write_node_keys(folder.path(), &local);
        let node = spawn_node(folder.path(), &local, &gateway, listen);
        let api = connect(listen).await;
        let wallet = &local.accounts.requestor.wallet;
        let requestor = Requestor {
            node: api,
            chain: local.client.clone(),
            wallet: UnlockedWallet { wallet: wallet.wallet.clone(), key: wallet.key.clone() },
        };
        let url = format!("http://{listen}");
        let worker = WorkerProcess::start(&local, &url, &spec(folder.path())).await.unwrap();
        Self { gateway, node, local, listen, requestor, worker: Some(worker), posted: 0, folder }
    }

    /// Starts the node again on the files it left.
    pub(crate) async fn restart_node(&mut self) {
        self.node = spawn_node(self.folder.path(), &self.local, &self.gateway, self.listen);
        self.requestor.node = connect(self.listen).await;
    }

    pub(crate) async fn kill_worker(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.kill().await.unwrap();
        }
    }

    pub(crate) fn resume_worker(&mut self) {
        let url = format!("http://{}", self.listen);
        let worker = WorkerProcess::resume(&self.local, &url, &spec(self.folder.path()));
        self.worker = Some(worker.unwrap());
    }

    /// Posts a word count and pays its escrow.
    pub(crate) async fn post(&mut self) -> Prepared {
        self.posted += 1;
        let draft = Draft {
            rail: fog_protocol::Rail::Escrow,
            program: DraftProgram::Wasi(std::fs::read(file("cli/guests/wordcount.wasm")).unwrap()),
            input: b"to be or not to be".to_vec(),
            limits: ResourceLimits::default(),
            price: Nano::new(50_000_000),
            policy: DraftPolicy::Replay(RATE_ONE),
            durations: Durations { bid: 300, commit: 300, verdict: 300, window: 1 },
            salt: Hash32([self.posted; 32]),
        };
        let prepared = self.requestor.post(draft).await.unwrap();
        self.requestor.fund(std::slice::from_ref(&prepared)).await.unwrap();
        prepared
    }

    pub(crate) async fn view(&self, task: &Prepared) -> TaskView {
        self.requestor.node.task(&task.task).await.unwrap()
    }

    /// Opens the nonce when it is time, until the gateway holds a message.
    pub(crate) async fn follow_until_held(&self, task: &Prepared) {
        let mut opened = false;
        until("the message to be held", async || {
            self.tend(task, &mut opened).await;
            self.gateway.is_holding().then_some(())
        })
        .await;
    }

    pub(crate) async fn follow_to_end(&self, task: &Prepared) -> TaskView {
        let mut opened = false;
        until("the task's end", async || {
            self.tend(task, &mut opened).await.filter(|view| view.status.is_terminal())
        })
        .await
    }

    async fn tend(&self, task: &Prepared, opened: &mut bool) -> Option<TaskView> {
        let view = self.requestor.node.task(&task.task).await.ok()?;
        let due = view.commitment.is_some() && view.status < TaskStatus::Accepted;
        if due && !*opened {
            let salt = task.listing.salt;
            *opened = self.requestor.open_nonce(&task.task, &salt).await.is_ok();
        }
        Some(view)
    }

    pub(crate) async fn stake(&self) -> StakeData {
        let owner = self.local.accounts.workers[0].address();
        let address = self.local.stake_of(owner).unwrap();
        let data = self.local.client.account(&address).await.unwrap().data.unwrap();
        StakeData::parse(&data).unwrap()
    }

    /// What the treasury holds, in nanogram.
    pub(crate) async fn treasury(&self) -> u64 {
        let address = self.local.accounts.treasury.address();
        self.local.client.account(&address).await.unwrap().balance.get()
    }

    pub(crate) async fn stop(mut self) {
        self.kill_worker().await;
        self.node.kill().await;
        self.local.shutdown().await;
    }
}

fn options(data: &Path) -> NetworkOptions {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    NetworkOptions {
        data: data.to_owned(),
        seed: SEED,
        workers: 1,
        node: any,
        chain: any,
        timing: Timing::DEMO,
        program: program(),
        probation: 2,
        verifiers: fog_harness::Verifiers::InNode,
        pledge: Nano::ZERO,
        jettons: Vec::new(),
    }
}

fn spec(data: &Path) -> WorkerSpec {
    WorkerSpec {
        index: 0,
        stake: Nano::grams(20),
        conduct: Behaviour::Honest,
        min_price: None,
        slots: 4,
        program: program(),
        data: data.join("workers"),
        seed: SEED,
    }
}

fn write_node_keys(folder: &Path, local: &LocalChain) {
    let keystore = Keystore::open(folder.join("keys")).unwrap().with_kdf(KdfParams::MIN);
    let password = Password::new(PASSWORD.to_owned());
    let words = &local.accounts.operator.mnemonic;
    keystore.import_mnemonic("operator", &password, words, WalletVersion::V5R1, TESTNET).unwrap();
    let verifier = verifier_key(SEED).seed();
    keystore.put_secret("verifier", SecretKind::VerifierKey, verifier.as_ref(), &password).unwrap();
}

fn spawn_node(
    folder: &Path,
    local: &LocalChain,
    gateway: &Gateway,
    listen: SocketAddr,
) -> NodeProcess {
    let config = folder.join("node.toml");
    let bounds = "{ bid = 1, commit = 1, verdict = 1, window = 0 }";
    std::fs::write(
        &config,
        format!("min_durations = {bounds}\nprobation = 2\n[chain]\npoll_millis = 50\n"),
    )
    .unwrap();
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("node.log"))
        .unwrap();
    let child = Command::new(program())
        .args(["node", "-v", "--wallet", "operator", "--chain", &gateway.endpoint])
        .args(["--market", &local.market.to_string(), "--listen", &listen.to_string()])
        .arg("--config")
        .arg(config)
        .arg("--data")
        .arg(folder.join("node"))
        .arg("--keys")
        .arg(folder.join("keys"))
        .env("FOG_PASSWORD", PASSWORD)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    NodeProcess { child }
}

async fn connect(listen: SocketAddr) -> NodeClient {
    let url = format!("http://{listen}");
    until("the node to answer", async || NodeClient::connect(&url).await.ok()).await
}
