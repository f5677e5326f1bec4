//! What every service of the node shares.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use fog_chain::Cursor;
use fog_jury::Panel;
use fog_protocol::{Address, Hash32, PublicKey, SealKey, TaskId};
use fog_verifier::Executor;
use tokio::sync::{Semaphore, broadcast, watch};

use crate::{
    chain_port::ChainPort,
    config::NodeConfig,
    coordinator::{Coordinator, OpenCases},
    epoch::{Begun, EpochSecret},
    gateway::Registry,
    store::Store,
};

/// The node's own clock in Unix seconds: for request signatures and file ages, never for a
/// decision about a task.
pub(crate) fn wall_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// What stands in the way of settling, if anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChainHealth {
    /// Not read yet.
    Starting,
    /// Read without a gap to its end.
    Following,
    /// The last read failed; it is tried again.
    Unreachable(String),
    /// The history does not continue where it was left: payouts are halted until somebody looks.
    Gap(String),
}

/// The chain's time, as last read: the block's time, which decides every deadline.
#[derive(Debug)]
pub(crate) struct ChainClock {
    now: watch::Sender<u64>,
}

impl ChainClock {
    pub(crate) fn new() -> Self {
        Self { now: watch::channel(0).0 }
    }

    /// Last read chain time; 0 before the first read.
    pub(crate) fn now(&self) -> u64 {
        *self.now.borrow()
    }

    /// Moves the clock; it never goes back.
    pub(crate) fn advance(&self, to: u64) {
        self.now.send_if_modified(|now| {
            let later = to > *now;
            *now = (*now).max(to);
            later
        });
    }
}

/// Counters for `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) denied: AtomicU64,
    pub(crate) frames_in: AtomicU64,
    pub(crate) workers_dropped: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) messages_sent: AtomicU64,
    pub(crate) verifications: AtomicU64,
    pub(crate) undecided: AtomicU64,
    /// Tasks on which verifiers contradict each other, or themselves.
    pub(crate) contested: AtomicU64,
    pub(crate) ringers: AtomicU64,
}

impl Counters {
    /// One more.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Names and values.
    pub(crate) fn read(&self) -> [(&'static str, u64); 11] {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("requests_total", get(&self.requests)),
            ("requests_denied_total", get(&self.denied)),
            ("gateway_frames_total", get(&self.frames_in)),
            ("gateway_dropped_total", get(&self.workers_dropped)),
            ("store_commits_total", get(&self.commits)),
            ("store_events_total", get(&self.events)),
            ("wallet_messages_total", get(&self.messages_sent)),
            ("verifications_total", get(&self.verifications)),
            ("verifications_undecided_total", get(&self.undecided)),
            ("verifications_contested_total", get(&self.contested)),
            ("ringers_planted_total", get(&self.ringers)),
        ]
    }
}

/// Shared by all services.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: NodeConfig,
    /// The node's id: what signed requests and hellos name.
    pub(crate) node: Hash32,
    /// The operator's wallet.
    pub(crate) operator: Address,
    /// Its key: signs vouchers.
    pub(crate) operator_key: PublicKey,
    /// Opens reveals.
    pub(crate) seal_key: SealKey,
    /// Derives the audit seeds.
    pub(crate) epochs: EpochSecret,
    pub(crate) store: Store,
    pub(crate) coordinator: Coordinator,
    pub(crate) registry: Registry,
    pub(crate) chain: ChainPort,
    /// Runs programs in processes of their own.
    pub(crate) executor: Executor,
    /// Who signs verdicts.
    pub(crate) panel: Arc<Panel>,
    pub(crate) clock: ChainClock,
    pub(crate) counters: Counters,
    /// What verifiers are asked about now.
    pub(crate) cases: OpenCases,
    /// Tasks whose view changed.
    pub(crate) changes: broadcast::Sender<TaskId>,
    /// Wakes the settlement when there are new intents.
    pub(crate) settle: tokio::sync::Notify,
    /// Wakes the follower: something was sent that the chain may show at once.
    pub(crate) look: tokio::sync::Notify,
    /// Requests handled at once.
    pub(crate) requests: Arc<Semaphore>,
    /// Programs looked at at once before their tasks are taken.
    pub(crate) admissions: Arc<Semaphore>,
    /// Event streams at once.
    pub(crate) streams: Arc<Semaphore>,
    /// Bytes of bodies in memory.
    pub(crate) body_bytes: Arc<Semaphore>,
    /// Last transactions of accounts that are known to be final.
    pub(crate) final_accounts: Mutex<HashMap<Address, Cursor>>,
    health: Mutex<ChainHealth>,
    epoch: Mutex<Begun>,
}

/// What [`Shared::new`] is made of.
pub(crate) struct Parts {
    pub(crate) config: NodeConfig,
    pub(crate) node: Hash32,
    pub(crate) operator: Address,
    pub(crate) operator_key: PublicKey,
    pub(crate) seal_key: SealKey,
    pub(crate) epochs: EpochSecret,
    pub(crate) epoch: Begun,
    pub(crate) store: Store,
    pub(crate) coordinator: Coordinator,
    pub(crate) chain: ChainPort,
    pub(crate) executor: Executor,
    pub(crate) panel: Arc<Panel>,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let limits = &parts.config.limits;
        Arc::new(Self {
            requests: Arc::new(Semaphore::new(limits.requests_at_once)),
            streams: Arc::new(Semaphore::new(limits.streams_at_once)),
            body_bytes: Arc::new(Semaphore::new(limits.body_bytes_in_flight as usize)),
            registry: Registry::new(limits.workers_total),
            node: parts.node,
            operator: parts.operator,
            operator_key: parts.operator_key,
            final_accounts: Mutex::default(),
            seal_key: parts.seal_key,
            epochs: parts.epochs,
            epoch: Mutex::new(parts.epoch),
            store: parts.store,
            coordinator: parts.coordinator,
            chain: parts.chain,
            executor: parts.executor,
            panel: parts.panel,
            admissions: Arc::new(Semaphore::new(parts.config.runner.parallel.max(1))),
            clock: ChainClock::new(),
            counters: Counters::default(),
            cases: OpenCases::default(),
            changes: broadcast::channel(1024).0,
            settle: tokio::sync::Notify::new(),
            look: tokio::sync::Notify::new(),
            health: Mutex::new(ChainHealth::Starting),
            config: parts.config,
        })
    }

    /// The running epoch.
    pub(crate) fn epoch(&self) -> Begun {
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Publishes a new epoch; it is stored already.
    pub(crate) fn set_epoch(&self, epoch: Begun) {
        *self.epoch.lock().unwrap_or_else(PoisonError::into_inner) = epoch;
    }

    /// How the chain is followed.
    pub(crate) fn health(&self) -> ChainHealth {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes how the chain is followed. A gap stays until the node is restarted.
    pub(crate) fn set_health(&self, health: ChainHealth) {
        let mut current = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if *current == health || matches!(*current, ChainHealth::Gap(_)) {
            return;
        }
        match &health {
            ChainHealth::Gap(reason) => {
                tracing::error!(%reason, "a gap in the wallet's history: payouts are halted");
            }
            ChainHealth::Unreachable(reason) => {
                tracing::warn!(%reason, "the chain cannot be read");
            }
            ChainHealth::Starting | ChainHealth::Following => {
                tracing::info!("the chain is followed");
            }
        }
        *current = health;
    }
}
