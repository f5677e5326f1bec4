//! Chain in the test, node and worker as processes.

use std::{net::SocketAddr, path::Path, process::Stdio};

use fog_contracts::{TaskState, stake::StakeData, task::TaskData};
use fog_harness::{
    Behaviour, LocalChain, NetworkOptions, Timing, WorkerProcess, WorkerSpec, verifier_key,
};
use fog_protocol::{Durations, Hash32, Nano, RATE_ONE, ResourceLimits, TaskStatus, api::TaskView};
use fog_requestor::{Draft, DraftPolicy, DraftProgram, NodeClient, Prepared, Requestor};
use fog_wallet::{KdfParams, Keystore, Password, SecretKind, TESTNET, WalletVersion};
use tokio::process::{Child, Command};

use super::{gateway::Gateway, until};
use crate::{
    fog::{file, program},
    jury::requestor,
};

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

/// What kind of market it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Everything is checked, and paid at once.
    Checked,
    /// Next to nothing is drawn, and verdicts can be challenged for [`WINDOW`] seconds.
    Unchecked,
}

/// How long verdicts can be challenged where next to nothing is drawn, in seconds of chain time.
pub(crate) const WINDOW: u32 = 500;

impl Kind {
    /// Lines of the node's configuration.
    const fn node(self) -> &'static str {
        match self {
            Self::Checked => "probation = 2",
            Self::Unchecked => {
                "probation = 0\nmin_rate_ppm = 1\nnonce_grace_seconds = 1\nflag_audits = 1"
            }
        }
    }

    /// One in a million is drawn: stake that makes this worth nobody's while is a million prices.
    const fn rate_ppm(self) -> u32 {
        match self {
            Self::Checked => RATE_ONE,
            Self::Unchecked => 1,
        }
    }

    const fn window(self) -> u32 {
        match self {
            Self::Checked => 1,
            Self::Unchecked => WINDOW,
        }
    }

    fn limits(self) -> ResourceLimits {
        match self {
            Self::Checked => ResourceLimits::default(),
            Self::Unchecked => ResourceLimits { fuel: 2_000_000, ..ResourceLimits::default() },
        }
    }

    fn stake(self) -> (Nano, Option<Nano>) {
        match self {
            Self::Checked => (Nano::grams(20), None),
            Self::Unchecked => (Nano::grams(400), Some(Nano::new(1))),
        }
    }

    const fn price(self) -> Nano {
        match self {
            Self::Checked => Nano::new(50_000_000),
            Self::Unchecked => Nano::new(50_000),
        }
    }
}

pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) node: NodeProcess,
    local: LocalChain,
    listen: SocketAddr,
    requestor: Requestor,
    worker: Option<WorkerProcess>,
    kind: Kind,
    posted: u8,
    folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let local = LocalChain::start(&options(folder.path())).await.unwrap();
        let gateway = Gateway::start(local.endpoint()).await;
        let listen = fog_harness::free_address(1).unwrap();
        write_node_keys(folder.path(), &local);
        let node = spawn_node(folder.path(), kind, &local, &gateway, listen);
        let api = connect(listen).await;
        let requestor = requestor(&api, &local);
        let url = format!("http://{listen}");
        let spec = spec(folder.path(), kind, Behaviour::Honest);
        let worker = Some(WorkerProcess::start(&local, &url, &spec).await.unwrap());
        Self { gateway, node, local, listen, requestor, worker, kind, posted: 0, folder }
    }

    /// Starts the node again on the files it left.
    pub(crate) async fn restart_node(&mut self) {
        self.node =
            spawn_node(self.folder.path(), self.kind, &self.local, &self.gateway, self.listen);
        self.requestor.node = connect(self.listen).await;
    }

    pub(crate) async fn kill_worker(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.kill().await.unwrap();
        }
    }

    pub(crate) fn resume_worker(&mut self) {
        self.resume_worker_as(Behaviour::Honest);
    }

    fn resume_worker_as(&mut self, conduct: Behaviour) {
        let url = format!("http://{}", self.listen);
        let spec = spec(self.folder.path(), self.kind, conduct);
        self.worker = Some(WorkerProcess::resume(&self.local, &url, &spec).unwrap());
    }

    /// From here on the worker behaves otherwise.
    pub(crate) async fn turn_worker(&mut self, conduct: Behaviour) {
        self.kill_worker().await;
        self.resume_worker_as(conduct);
    }

    /// The task's own contract.
    pub(crate) async fn contract(&self, task: &Prepared) -> TaskData {
        let account = self.local.client.account(&task.escrow).await.unwrap();
        TaskData::parse(&account.data.unwrap()).unwrap()
    }

    /// Lets chain time pass.
    pub(crate) async fn warp(&self, seconds: u32) {
        self.local.chain.warp(seconds).await.unwrap();
    }

    /// Lines that the node logs of itself.
    pub(crate) async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.listen);
        reqwest::get(url).await.unwrap().text().await.unwrap()
    }

    /// Posts a word count and pays its escrow.
    pub(crate) async fn post(&mut self) -> Prepared {
        self.posted += 1;
        let draft = Draft {
            rail: fog_protocol::Rail::Escrow,
            program: DraftProgram::Wasi(std::fs::read(file("cli/guests/wordcount.wasm")).unwrap()),
            input: b"to be or not to be".to_vec(),
            limits: self.kind.limits(),
            price: self.kind.price(),
            policy: DraftPolicy::Replay(self.kind.rate_ppm()),
            durations: Durations {
                bid: 300,
                commit: 300,
                verdict: 300,
                window: self.kind.window(),
            },
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

    /// Opens the nonce when it is time, until its verdict is on chain.
    pub(crate) async fn follow_to_verdict(&self, task: &Prepared) -> TaskView {
        let mut opened = false;
        until("the verdict on chain", async || {
            let view = self.tend(task, &mut opened).await?;
            let judged = [TaskStatus::Accepted, TaskStatus::Rejected].contains(&view.status)
                && [TaskState::Accepted, TaskState::Rejected]
                    .contains(&self.contract(task).await.state);
            judged.then_some(view)
        })
        .await
    }

    async fn tend(&self, task: &Prepared, opened: &mut bool) -> Option<TaskView> {
        let view = self.requestor.node.task(&task.task).await.ok()?;
        let due = view.commitment.is_some() && view.status < TaskStatus::Accepted;
        if due && !*opened {
            *opened = self.requestor.open_nonce(&view).await.is_ok();
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
        claim_from: fog_harness::CLAIM_FROM,
    }
}

fn spec(data: &Path, kind: Kind, conduct: Behaviour) -> WorkerSpec {
    let (stake, min_price) = kind.stake();
    WorkerSpec {
        index: 0,
        stake,
        conduct,
        min_price,
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
    kind: Kind,
    local: &LocalChain,
    gateway: &Gateway,
    listen: SocketAddr,
) -> NodeProcess {
    let config = folder.join("node.toml");
    let bounds = "{ bid = 1, commit = 1, verdict = 1, window = 0 }";
    std::fs::write(
        &config,
        format!("min_durations = {bounds}\n{}\n[chain]\npoll_millis = 50\n", kind.node()),
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
