//! A chain with a market, a node, a requestor and a worker with stake.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use fog_contracts::{
    FUND_VALUE, OPERATOR_RENT, STAKE_RENT,
    market::{self, Choice, Config, MarketInit},
    operator::{self, OperatorData},
    stake::{self, StakeData, StakeInit},
    task::{self, TaskData, TaskInit},
};
use fog_node::{ChainConfig, Limits, Node, NodeConfig, NodeHandle, NodeKeys, RunnerConfig};
use fog_protocol::{
    Address, BlobRef, Durations, EpochRef, Hash32, Listing, MAX_EPOCH_SECONDS, Nano, NonceOpening,
    Policy, Program, PublicKey, RequestAuth, ResourceLimits, SecretKey, Signed, TaskId, TaskStatus,
    api::{NodeInfo, Posted, TaskView},
    tagged_hash,
};
use fog_testnet::{
    chain::{Chain, Transfer, Treasury},
    toncenter::{self, Api, Handle, ServerConfig},
};
use fog_wallet::{Wallet, WalletVersion};
use tycho_types::{
    cell::{Cell, HashBytes},
    models::StdAddr,
};

pub(crate) const MODULE: &[u8] = include_bytes!("../../../cli/guests/wordcount.wasm");
pub(crate) const PRICE: Nano = Nano::new(1_000_000_000);
const BOND: Nano = Nano::grams(100);
/// Bound on everything that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(25);

/// Not a test: what the child processes run that run guests. Without a parent it ends.
#[test]
#[ignore = "the entry of child processes, started by the other tests"]
fn sandbox_child_entry() {
    let _ = fog_verifier::sandbox::process::child_main();
}

pub(crate) fn runner_args() -> Vec<String> {
    ["--ignored", "--exact", "world::sandbox_child_entry", "--nocapture"].map(Into::into).to_vec()
}

pub(crate) fn std(address: &Address) -> StdAddr {
    StdAddr::new(address.workchain, HashBytes(address.hash.0))
}

fn ours(address: &StdAddr) -> Address {
    Address { workchain: address.workchain, hash: Hash32(address.address.0) }
}

pub(crate) struct Person {
    pub(crate) treasury: Treasury,
    pub(crate) key: SecretKey,
}

impl Person {
    pub(crate) fn address(&self) -> Address {
        ours(&self.treasury.address)
    }
}

pub(crate) struct World {
    pub(crate) chain: Api,
    _server: Handle,
    pub(crate) requestor: Person,
    pub(crate) workers: Vec<Person>,
    pub(crate) market: Address,
    pub(crate) config: Config,
    pub(crate) keys: NodeKeys,
    pub(crate) node_config: NodeConfig,
    pub(crate) http: reqwest::Client,
    /// Challenge window of new listings, in seconds.
    pub(crate) window: u32,
    /// Number of the node's first epoch, once it was started.
    first_epoch: AtomicU64,
    _dir: tempfile::TempDir,
}

/// Waits until `look` gives something, bounded.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < end, "waited in vain for {what}");
        tokio::time::sleep(LOOK).await;
    }
}

impl World {
    pub(crate) async fn new(workers: usize) -> Self {
        let verifier = SecretKey::from_seed(&[2; 32]);
        let mut world = Self::with_verifiers(workers, &[verifier.public()], 1).await;
        world.keys.verifiers = vec![verifier];
        world
    }

    /// A market of these verifiers, `threshold` of which must agree; the node has no key of theirs.
    pub(crate) async fn with_verifiers(
        workers: usize,
        verifiers: &[PublicKey],
        threshold: u8,
    ) -> Self {
        let (chain, server) = toncenter::spawn(ServerConfig::default()).await.unwrap();
        let operator = SecretKey::from_seed(&[1; 32]);
        let wallet = Wallet::new(WalletVersion::V5R1, operator.public(), -3).unwrap();
        chain.fund(std(&wallet.address()), 1_000_000_000_000).await.unwrap();
        let open = |salt| chain.with(move |chain| chain.open_treasury(salt, 1_000_000_000_000));
        let owner = open(1).await.unwrap().unwrap();
        let requestor = Person {
            treasury: open(2).await.unwrap().unwrap(),
            key: SecretKey::from_seed(&[3; 32]),
        };
        let mut people = Vec::new();
        for index in 0..workers {
            let salt = 10 + u64::try_from(index).unwrap();
            let seed = [100 + u8::try_from(index).unwrap(); 32];
            let treasury = open(salt).await.unwrap().unwrap();
            people.push(Person { treasury, key: SecretKey::from_seed(&seed) });
        }
        let init = MarketInit { owner: ours(&owner.address), salt: 7 };
        let market = init.address().unwrap();
        let config = Config::of(Choice {
            min_step: 10,
            max_step: 3600,
            timelock: 86_400,
            threshold,
            fee_bps: 250,
            treasury: Address::basechain([0xee; 32]),
            verifiers: verifiers.to_vec(),
            unbonding: 4 * 3600,
            burn: Address::basechain([0; 32]),
            operator_bps: 5_000,
            appeal: u8::try_from(verifiers.len()).unwrap(),
            appeal_time: 600,
            challenge_bond: Nano::grams(1),
        });
        let setup = market::setup(1, &config).unwrap();
        let deploy =
            Transfer::deploy(std(&market), 1_000_000_000, init.state_init().unwrap(), setup);
        let bond = config.operator_of(market, wallet.address());
        let put = Transfer::deploy(
            std(&bond.address().unwrap()),
            BOND.saturating_add(OPERATOR_RENT).get().into(),
            bond.state_init().unwrap(),
            operator::bond(1, BOND).unwrap(),
        );
        // Anyone may add to a bond.
        let sent = move |chain: &mut Chain| {
            chain.send_from(&owner, &deploy).and_then(|_| chain.send_from(&owner, &put))
        };
        chain.with(sent).await.unwrap().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let node_config = NodeConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            data_dir: dir.path().join("node"),
            chain: ChainConfig {
                endpoint: format!("{}/api/v2", chain.url()),
                poll_millis: 50,
                reconcile_seconds: 2,
                ..ChainConfig::default()
            },
            market,
            runner: RunnerConfig {
                program: Some("/proc/self/exe".into()),
                args: runner_args(),
                parallel: 1,
                ..RunnerConfig::default()
            },
            limits: Limits { connections_per_address: 64, ..Limits::default() },
            bid_round_seconds: 2,
            min_durations: Durations { bid: 10, commit: 10, verdict: 10, window: 0 },
            // One for each test, as far as they warp.
            epoch_seconds: MAX_EPOCH_SECONDS,
            ..NodeConfig::default()
        };
        let keys = NodeKeys { operator, verifiers: Vec::new(), epoch_seed: None };
        let mut world = Self {
            chain,
            _server: server,
            requestor,
            workers: people,
            market,
            config,
            keys,
            node_config,
            http: reqwest::Client::new(),
            window: 0,
            first_epoch: AtomicU64::new(0),
            _dir: dir,
        };
        for index in 0..workers {
            world.deposit(index, Nano::grams(300)).await;
        }
        world
    }

    pub(crate) async fn node(&self) -> NodeHandle {
        let node = Node::start(self.node_config.clone(), self.keys.clone()).await.unwrap();
        self.started(&node).await;
        node
    }

    /// Remembers the number of the node's first epoch.
    pub(crate) async fn started(&self, node: &NodeHandle) {
        if self.first_epoch.load(Ordering::SeqCst) == 0 {
            self.began(node).await;
        }
    }

    /// The same of a node whose chain of epochs began just now.
    pub(crate) async fn began(&self, node: &NodeHandle) {
        let current = self.info(node).await.epoch.unwrap().value.number;
        self.first_epoch.store(current, Ordering::SeqCst);
    }

    pub(crate) async fn info(&self, node: &NodeHandle) -> NodeInfo {
        let url = format!("{}/v1/info", node.url());
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) fn stake_init(&self, worker: usize) -> StakeInit {
        self.config.stake_of(self.market, self.workers[worker].address())
    }

    async fn deposit(&mut self, worker: usize, amount: Nano) {
        let init = self.stake_init(worker);
        let person = &self.workers[worker];
        let body = stake::deposit(1, amount, &person.key.public()).unwrap();
        let value = amount.saturating_add(STAKE_RENT);
        let (to, state) = (std(&init.address().unwrap()), init.state_init().unwrap());
        let deploy = Transfer::deploy(to, value.get().into(), state, body);
        let treasury = person.treasury.clone();
        self.chain.with(move |chain| chain.send_from(&treasury, &deploy)).await.unwrap().unwrap();
    }

    pub(crate) async fn stake(&self, worker: usize) -> StakeData {
        let address = self.stake_init(worker).address().unwrap();
        let account = self.chain.account(std(&address)).await.unwrap();
        StakeData::parse(&account.data.unwrap()).unwrap()
    }

    /// The node's bond.
    pub(crate) async fn bond(&self, node: &NodeHandle) -> OperatorData {
        let init = self.config.operator_of(self.market, node.operator());
        let account = self.chain.account(std(&init.address().unwrap())).await.unwrap();
        OperatorData::parse(&account.data.unwrap()).unwrap()
    }

    pub(crate) async fn task(&self, escrow: &Address) -> TaskData {
        let account = self.chain.account(std(escrow)).await.unwrap();
        TaskData::parse(&account.data.unwrap()).unwrap()
    }

    pub(crate) async fn balance(&self, of: &Address) -> u128 {
        self.chain.account(std(of)).await.unwrap().balance
    }

    /// The requestor sends a message to a contract.
    pub(crate) async fn tell(&self, to: Address, value: Nano, body: Cell) {
        let treasury = self.requestor.treasury.clone();
        let transfer = Transfer::call(std(&to), value.get().into(), body);
        let sent = self.chain.with(move |chain| chain.send_from(&treasury, &transfer)).await;
        sent.unwrap().unwrap();
    }

    pub(crate) async fn call(
        &self,
        node: &NodeHandle,
        key: &SecretKey,
        method: &str,
        path: &str,
        body: Vec<u8>,
    ) -> reqwest::Response {
        let time =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let header = RequestAuth::header(key, &node.id(), time, method, path, &body);
        self.http
            .request(method.parse().unwrap(), format!("{}{path}", node.url()))
            .header("authorization", header)
            .body(body)
            .send()
            .await
            .unwrap()
    }

    pub(crate) fn listing(&self, node: &NodeHandle, input: &[u8], salt: u8) -> Listing {
        Listing {
            version: Listing::VERSION,
            network: -3,
            market: self.market,
            operator: node.operator(),
            requestor: self.requestor.address(),
            requestor_key: self.requestor.key.public(),
            program: Program::Wasi { module: BlobRef::of(MODULE) },
            input: BlobRef::of(input),
            limits: ResourceLimits { output_bytes: 1 << 20, ..ResourceLimits::default() },
            price_cap: PRICE,
            policy: Policy::Replay { rate_ppm: 50_000 },
            durations: Durations { bid: 600, commit: 600, verdict: 600, window: self.window },
            nonce_hash: fog_verifier::draw::nonce_hash(&nonce(salt)),
            epoch: None,
            salt: Hash32([salt; 32]),
            rail: fog_protocol::Rail::Escrow,
        }
        .with_epoch(self.epoch(0))
    }

    /// What listings name of the node's first epoch, or of one so many after it.
    pub(crate) fn epoch(&self, after: u64) -> EpochRef {
        let number = self.first_epoch.load(Ordering::SeqCst) + after;
        EpochRef { number, seed_hash: fog_verifier::draw::seed_hash(&self.seed(after)) }
    }

    /// The seed by which the node draws in its first epoch, or in one so many after it: it follows
    /// from the operator's key.
    pub(crate) fn seed(&self, after: u64) -> Hash32 {
        let number = self.first_epoch.load(Ordering::SeqCst) + after;
        let secret = self.keys.operator.seed();
        let base = tagged_hash("fog/node-epoch-base/v1", &[secret.as_ref()]);
        tagged_hash("fog/node-epoch-secret/v1", &[&base.0, &number.to_le_bytes()])
    }

    pub(crate) async fn upload(&self, node: &NodeHandle, bytes: &[u8]) -> reqwest::Response {
        let path = format!("/v1/blobs/{}", Hash32::of(bytes));
        self.call(node, &self.requestor.key, "PUT", &path, bytes.to_vec()).await
    }

    /// Uploads, posts and returns the answer.
    pub(crate) async fn post(&self, node: &NodeHandle, input: &[u8], salt: u8) -> Posted {
        assert_eq!(self.upload(node, MODULE).await.status(), 204);
        assert_eq!(self.upload(node, input).await.status(), 204);
        let listing = Signed::new(self.listing(node, input, salt), &self.requestor.key);
        let url = format!("{}/v1/tasks", node.url());
        let answer = self.http.post(url).json(&listing).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn fund(&self, listing: &Listing) {
        let init = TaskInit::of(listing);
        let value = listing.price_cap.saturating_add(FUND_VALUE);
        let (to, state) = (std(&init.address().unwrap()), init.state_init().unwrap());
        let deploy = Transfer::deploy(to, value.get().into(), state, task::fund(1).unwrap());
        let treasury = self.requestor.treasury.clone();
        self.chain.with(move |chain| chain.send_from(&treasury, &deploy)).await.unwrap().unwrap();
    }

    pub(crate) async fn view(&self, node: &NodeHandle, task: &TaskId) -> TaskView {
        let url = format!("{}/v1/tasks/{task}", node.url());
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn reaches(
        &self,
        node: &NodeHandle,
        task: &TaskId,
        status: TaskStatus,
    ) -> TaskView {
        until(&format!("{task} to be {status}"), || async {
            let view = self.view(node, task).await;
            (view.status == status).then_some(view)
        })
        .await
    }

    /// Warps past the bid deadline and expires the task as a stranger may.
    pub(crate) async fn expire_by_anybody(&self, escrow: &Address) {
        self.chain.warp(700).await.unwrap();
        let value = fog_contracts::END_VALUE.get().into();
        let call = Transfer::call(std(escrow), value, task::expire(5).unwrap());
        let treasury = self.requestor.treasury.clone();
        self.chain.with(move |chain| chain.send_from(&treasury, &call)).await.unwrap().unwrap();
    }

    /// The operator's wallet.
    pub(crate) fn operator(&self) -> Address {
        let key = self.keys.operator.public();
        Wallet::new(WalletVersion::V5R1, key, -3).unwrap().address()
    }

    /// The market's owner changes its settings: for tasks that open from then on.
    pub(crate) async fn govern(&self, next: Config) {
        let owner = self.chain.with(|chain| chain.open_treasury(1, 1_000_000_000));
        let owner = owner.await.unwrap().unwrap();
        let tell = |body| {
            let (owner, to) = (owner.clone(), std(&self.market));
            let call = Transfer::call(to, fog_contracts::MARKET_VALUE.get().into(), body);
            self.chain.with(move |chain| chain.send_from(&owner, &call))
        };
        tell(market::propose(2, &next).unwrap()).await.unwrap().unwrap();
        self.chain.warp(self.config.timelock + 1).await.unwrap();
        tell(market::plain(market::op::APPLY, 3).unwrap()).await.unwrap().unwrap();
        let account = self.chain.account(std(&self.market)).await.unwrap();
        let now = market::MarketData::parse(&account.data.unwrap()).unwrap();
        assert_eq!(now.config, Some(next));
    }

    /// The last transaction of the operator's wallet.
    pub(crate) async fn wallet_head(&self) -> (u64, [u8; 32]) {
        let account = self.chain.account(std(&self.operator())).await.unwrap();
        (account.last_lt, account.last_hash.0)
    }

    /// How many intents are in a state, by the node's own metrics.
    pub(crate) async fn metric(&self, node: &NodeHandle, state: &str) -> u64 {
        self.counter(node, &format!("fog_intents{{state=\"{state}\"}}")).await
    }

    /// One line of the node's metrics.
    pub(crate) async fn counter(&self, node: &NodeHandle, name: &str) -> u64 {
        let url = format!("{}/metrics", node.url());
        let text = self.http.get(url).send().await.unwrap().text().await.unwrap();
        let name = format!("{name} ");
        let line = text.lines().find_map(|line| line.strip_prefix(name.as_str()));
        line.map_or(0, |count| count.parse().unwrap())
    }

    pub(crate) async fn open_nonce(&self, node: &NodeHandle, task: &TaskId, salt: u8) -> u16 {
        let commitment = self.view(node, task).await.commitment.unwrap_or_default();
        self.open_nonce_for(node, task, salt, commitment).await
    }

    pub(crate) async fn open_nonce_for(
        &self,
        node: &NodeHandle,
        task: &TaskId,
        salt: u8,
        commitment: Hash32,
    ) -> u16 {
        let opening = NonceOpening { task: *task, commitment, nonce: nonce(salt) };
        let opening = Signed::new(opening, &self.requestor.key);
        let body = serde_json::json!({ "opening": opening }).to_string().into_bytes();
        let path = format!("/v1/tasks/{task}/nonce");
        self.call(node, &self.requestor.key, "POST", &path, body).await.status().as_u16()
    }
}

pub(crate) fn nonce(salt: u8) -> Hash32 {
    Hash32([salt ^ 0x55; 32])
}
