//! Chain and sandbox as the tests want them, and a worker put together from them.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use fog_contracts::channel::ChannelData;
use fog_protocol::{
    Address, BlobRef, Durations, GuestExit, Hash32, JettonRate, JettonRates, Listing, Nano, Policy,
    Program, ResourceLimits, SecretKey, TaskId, Units,
    api::{PAYLOAD_CONTEXT, Payload, seal_context},
    gateway::ServerFrame,
    seal, tagged_hash,
};
use fog_verifier::{Execute, ExecuteError, Execution, Job};
use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::time::timeout;

use super::node::{Line, Node};
use crate::{
    Behaviour, ChainConfig, Pricing, Speed, Worker, WorkerConfig, WorkerEvent, WorkerHandle,
    WorkerLimits,
    identity::Identity,
    journal::Journal,
    port::{ChainPort, ChainStatus, PortError, StakeStatus, TaskOnChain},
    start::Surroundings,
};

pub(super) const NETWORK: i32 = -3;
pub(super) const MARKET: Address = Address::basechain([1; 32]);
pub(super) const OPERATOR: Address = Address::basechain([2; 32]);
pub(super) const WORKER: Address = Address::basechain([3; 32]);
/// The jetton that the worker takes.
pub(super) const JETTON: Address = Address::basechain([10; 32]);
pub(super) const STAKE: Address = Address::basechain([4; 32]);

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

pub(super) fn session() -> SecretKey {
    SecretKey::from_seed(&[9; 32])
}

/// The chain: a task is assigned to the worker unless said otherwise.
#[derive(Default)]
pub(super) struct Chain {
    /// Has anybody delegated to the worker?
    pub(super) delegated: AtomicBool,
    pub(super) tasks: Mutex<HashMap<Address, TaskOnChain>>,
    /// Accounts and earnings; none unless said otherwise.
    pub(super) channels: Mutex<HashMap<Address, ChannelData>>,
}

pub(super) fn escrow_of(listing: &Listing) -> Address {
    Address::basechain(tagged_hash("test/escrow", &[&listing.id().0.0]).0)
}

pub(super) fn consent_of(escrow: Address, reserve: Nano, price: Nano, until: u64) -> Hash32 {
    let numbers = [reserve.get(), price.get(), until].map(u64::to_le_bytes).concat();
    tagged_hash("test/consent", &[&escrow.hash.0, &numbers])
}

impl ChainPort for Chain {
    fn status(&self) -> BoxFuture<'_, Result<ChainStatus, PortError>> {
        let stake = StakeStatus {
            free: Nano::grams(1000),
            reserved: Nano::ZERO,
            earnings: Nano::ZERO,
            delegated: self.delegated.load(Ordering::SeqCst),
            session: session().public(),
        };
        std::future::ready(Ok(ChainStatus { time: now(), stake })).boxed()
    }

    fn task(&self, escrow: Address) -> BoxFuture<'_, Result<TaskOnChain, PortError>> {
        let assigned = TaskOnChain::Assigned { worker: WORKER, price: Nano::new(1) };
        let known = self.tasks.lock().unwrap().get(&escrow).cloned();
        std::future::ready(Ok(known.unwrap_or(assigned))).boxed()
    }

    fn escrow(&self, listing: &Listing) -> Result<Address, PortError> {
        Ok(escrow_of(listing))
    }

    fn fee_bps(&self) -> Option<u16> {
        Some(100)
    }

    fn longest_step(&self) -> Option<u32> {
        Some(3600)
    }

    fn channel(&self, address: Address) -> BoxFuture<'_, Option<ChannelData>> {
        let known = self.channels.lock().unwrap().get(&address).copied();
        std::future::ready(known).boxed()
    }

    fn consent(
        &self,
        escrow: Address,
        reserve: Nano,
        price: Nano,
        valid_until: u64,
    ) -> Result<Hash32, PortError> {
        Ok(consent_of(escrow, reserve, price, valid_until))
    }

    fn commit(&self, escrow: Address, commitment: &Hash32) -> Result<Hash32, PortError> {
        Ok(tagged_hash("test/commit", &[&escrow.hash.0, &commitment.0]))
    }
}

/// The sandbox: reverses its input, when it is let.
#[derive(Default)]
pub(super) struct Sandbox {
    pub(super) runs: AtomicU32,
    /// Runs that fail before one works.
    pub(super) failures: AtomicU32,
    /// How every run ends, if none works.
    pub(super) end: Mutex<Option<ExecuteError>>,
    closed: Mutex<bool>,
    opened: Condvar,
}

impl Sandbox {
    pub(super) fn hold(&self) {
        *self.closed.lock().unwrap() = true;
    }

    pub(super) fn release(&self) {
        *self.closed.lock().unwrap() = false;
        self.opened.notify_all();
    }
}

impl Execute for Sandbox {
    fn execute(&self, job: &Job<'_>) -> Result<Execution, ExecuteError> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let closed = self.closed.lock().unwrap();
        let patience = Duration::from_secs(20);
        drop(self.opened.wait_timeout_while(closed, patience, |closed| *closed).unwrap());
        if let Some(end) = self.end.lock().unwrap().clone() {
            return Err(end);
        }
        let failing = |left: u32| left.checked_sub(1);
        if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, failing).is_ok() {
            return Err(ExecuteError::Sandbox("scripted".into()));
        }
        let output = job.input.iter().rev().copied().collect();
        Ok(Execution { exit: GuestExit::Success, output, fuel_used: 12_345 })
    }
}

/// A chain, a sandbox, a node and a folder that outlive workers.
pub(super) struct World {
    pub(super) chain: Arc<Chain>,
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) node: Node,
    pub(super) folder: tempfile::TempDir,
    pub(super) behaviour: Behaviour,
}

impl World {
    pub(super) async fn new() -> Self {
        Self {
            chain: Arc::default(),
            sandbox: Arc::default(),
            node: Node::start().await,
            folder: tempfile::tempdir().unwrap(),
            behaviour: Behaviour::Honest,
        }
    }

    pub(super) fn worker(&self) -> WorkerHandle {
        let config = config(&self.node.url, self.folder.path(), self.behaviour);
        config.check().unwrap();
        let opened = Journal::open(self.folder.path()).unwrap();
        let around = Surroundings {
            execute: self.sandbox.clone(),
            speed: Speed { fuel_per_second: 1_000_000_000, proof_seconds: 10 },
            chain: self.chain.clone(),
            watch: Duration::from_millis(50),
        };
        Worker::launch(config, opened, around).unwrap()
    }

    /// A worker that is connected and bids.
    pub(super) async fn bidding(&mut self) -> (WorkerHandle, Line) {
        let mut handle = self.worker();
        let (line, _) = self.node.worker().await;
        wait_for(&mut handle, |event| matches!(event, WorkerEvent::Stake { .. })).await;
        (handle, line)
    }

    /// Puts the work of `listing`, sealed to the worker, on the node.
    pub(super) fn payload(&self, listing: &Listing, input: &[u8]) {
        self.sealed(listing, &Payload { files: vec![MODULE.to_vec()], input: input.to_vec() });
    }

    pub(super) fn sealed(&self, listing: &Listing, payload: &Payload) {
        let task = listing.id();
        let key = Identity::new(WORKER, STAKE, session()).seal_key();
        let bytes = borsh::to_vec(payload).unwrap();
        let sealed = seal(&key, &seal_context(PAYLOAD_CONTEXT, &task), &bytes).unwrap();
        self.node.answers.lock().unwrap().payloads.insert(task, sealed);
    }
}

pub(super) const MODULE: &[u8] = b"the module";

pub(super) fn listing(input: &[u8]) -> Listing {
    Listing {
        version: Listing::VERSION,
        network: NETWORK,
        market: MARKET,
        operator: OPERATOR,
        requestor: Address::basechain([5; 32]),
        requestor_key: SecretKey::from_seed(&[6; 32]).public(),
        program: Program::Wasi { module: BlobRef::of(MODULE) },
        input: BlobRef::of(input),
        limits: ResourceLimits::default(),
        price_cap: Nano::grams(1),
        policy: Policy::Replay { rate_ppm: 50_000 },
        durations: Durations::default(),
        nonce_hash: Hash32([8; 32]),
        epoch: None,
        salt: Hash32([9; 32]),
        rail: fog_protocol::Rail::Escrow,
    }
}

pub(super) fn offer(listing: &Listing) -> ServerFrame {
    ServerFrame::Offer {
        listing: Box::new(listing.clone()),
        escrow: escrow_of(listing),
        reserve_at_cap: Nano::grams(20),
        bids_until: now() + 5,
        earnings: None,
        pledge: None,
    }
}

pub(super) fn assigned(listing: &Listing) -> ServerFrame {
    ServerFrame::Assigned {
        task: listing.id(),
        listing: Box::new(listing.clone()),
        escrow: escrow_of(listing),
        commit_by: now() + 600,
    }
}

pub(super) fn committed(task: TaskId) -> ServerFrame {
    ServerFrame::Committed { task, verdict_by: now() + 600 }
}

fn config(url: &str, folder: &Path, behaviour: Behaviour) -> WorkerConfig {
    let rate = JettonRate { master: JETTON, units_per_gram: Units::new(3_000_000).unwrap() };
    WorkerConfig {
        node_url: url.into(),
        node_id: None,
        chain: ChainConfig {
            endpoint: "http://127.0.0.1:1".into(),
            api_key: None,
            network: NETWORK,
        },
        market: MARKET,
        owner: WORKER,
        stake: STAKE,
        session: session(),
        data_dir: folder.into(),
        runner: None,
        circuits: None,
        // What a disk has free is not the tests' matter.
        provers: std::collections::BTreeMap::new(),
        limits: WorkerLimits {
            slots: 4,
            parallel: 2,
            max_output_bytes: 16 << 20,
            ..WorkerLimits::default()
        },
        pricing: Pricing { jettons: JettonRates::new(&[rate]).unwrap(), ..Pricing::default() },
        speed: None,
        behaviour,
    }
}

/// The first event that `wanted` accepts.
pub(super) async fn wait_for(
    handle: &mut WorkerHandle,
    wanted: impl Fn(&WorkerEvent) -> bool,
) -> WorkerEvent {
    let mut seen = Vec::new();
    let search = async {
        while let Some(event) = handle.next_event().await {
            if wanted(&event) {
                return Some(event);
            }
            seen.push(event);
        }
        None
    };
    let found = timeout(Duration::from_secs(40), search).await;
    found.ok().flatten().unwrap_or_else(|| panic!("not seen among {seen:#?}"))
}
