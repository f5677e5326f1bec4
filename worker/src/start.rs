//! Putting a worker together, and the handle to it.

use std::{sync::Arc, time::Duration};

use fog_chain::{ApiKey, ChainClient};
use fog_verifier::{
    Execute, Executor, Provers,
    sandbox::process::{RunnerConfig, RunnerError},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    Shutdown,
    adversary::Conduct,
    agent::{Agent, Inputs, PinsWanted, Volatile},
    benchmark,
    chain_view::ChainView,
    config::{ConfigError, WorkerConfig},
    earnings::Earnings,
    event::WorkerEvent,
    gateway::{Expected, Gateway},
    governor::Governor,
    identity::Identity,
    journal::{Journal, JournalError, Recovery},
    node_client::NodeClient,
    pledges::Pledges,
    port::{ChainPort, ChainStatus, PortError},
    prover::{LocalKeys, Prover},
    store::Store,
    work::Context,
};

/// The chain is looked at once in so many of its client's poll intervals: each second on this
/// machine, every ten elsewhere.
const LOOKS_PER_WATCH: u32 = 5;
const EVENTS: usize = 1024;
const FRAMES: usize = 512;
const REPORTS: usize = 256;

/// Why a worker does not start.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal is another worker's.
    #[error(
        "this folder's journal is another worker's, market's or node's: use a folder of its own"
    )]
    OtherWorker,
    /// The sandbox.
    #[error("the sandbox does not start: {0}")]
    Sandbox(#[from] RunnerError),
    /// The program's own file.
    #[error("cannot find this program's own file: {0}")]
    Program(#[from] std::io::Error),
    /// The chain's client.
    #[error(transparent)]
    Chain(#[from] fog_chain::ChainError),
    /// The node's client.
    #[error("the node's URL cannot be used: {0}")]
    Node(String),
    /// A part ended that should not have.
    #[error("the worker stopped by an error of its own: {0}")]
    Ended(String),
}

/// A worker.
#[derive(Debug)]
pub struct Worker;

/// A running worker. Dropped, it stops at once; the journal keeps everything.
#[derive(Debug)]
pub struct WorkerHandle {
    events: mpsc::Receiver<WorkerEvent>,
    shutdown: mpsc::Sender<Shutdown>,
    agent: JoinHandle<()>,
    stop: CancellationToken,
    _beside: Vec<AbortOnDropHandle<()>>,
}

impl WorkerHandle {
    /// What happens next; `None` once the worker has stopped.
    pub async fn next_event(&mut self) -> Option<WorkerEvent> {
        self.events.recv().await
    }

    /// Asks it to stop.
    pub fn shutdown(&self, how: Shutdown) {
        // A full queue holds an earlier request of the same kind.
        let _ = self.shutdown.try_send(how);
    }

    /// Waits until it has stopped.
    ///
    /// # Errors
    /// [`WorkerError::Ended`].
    pub async fn join(self) -> Result<(), WorkerError> {
        let ended = self.agent.await;
        self.stop.cancel();
        ended.map_err(|error| WorkerError::Ended(error.to_string()))
    }
}

/// What a worker reaches beside its node.
pub(crate) struct Surroundings {
    pub(crate) execute: Arc<dyn Execute>,
    pub(crate) speed: crate::Speed,
    pub(crate) chain: Arc<dyn ChainPort>,
    /// Pause between two looks at the chain.
    pub(crate) watch: Duration,
}

impl Worker {
    /// Starts a worker: opens its journal, takes up what it holds, connects and bids.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub async fn start(config: WorkerConfig) -> Result<WorkerHandle, WorkerError> {
        config.check()?;
        let (journal, recovery) = Journal::open(&config.data_dir)?;
        let pins = journal.state().pins().copied();
        let (market, network) = (config.market, config.chain.network);
        if pins.is_some_and(|pins| {
            (pins.market, pins.network, pins.worker) != (market, network, config.owner)
                || config.node_id.is_some_and(|node| node != pins.node)
        }) {
            return Err(WorkerError::OtherWorker);
        }
        let (execute, speed) = executor(&config).await?;
        let client = client(&config)?;
        let watch = client.config().poll_interval * LOOKS_PER_WATCH;
        let view = ChainView::new(client, network, market, config.owner, config.stake);
        let chain: Arc<dyn ChainPort> = Arc::new(view);
        Self::launch(config, (journal, recovery), Surroundings { execute, speed, chain, watch })
    }

    /// The part of [`Worker::start`] that reaches the outside through `around` alone.
    pub(crate) fn launch(
        config: WorkerConfig,
        (journal, recovery): (Journal, Recovery),
        around: Surroundings,
    ) -> Result<WorkerHandle, WorkerError> {
        let Surroundings { execute, speed, chain, watch: pause } = around;
        let pins = journal.state().pins().copied();
        let (market, network) = (config.market, config.chain.network);
        let local =
            if is_here(&config.chain.endpoint) { LocalKeys::Taken } else { LocalKeys::Refused };
        let prover = Prover::open(config.circuits.as_deref(), local);
        let provers = provers(&config);
        let open = |task: &fog_protocol::TaskId| journal.state().get(task).is_some();
        let earnings = Earnings::open(&config.data_dir, config.owner, network, open)?;
        let pledges = Pledges::open(&config.data_dir)?;
        let identity = Arc::new(Identity::new(config.owner, config.stake, config.session));
        let client = NodeClient::new(&config.node_url, Arc::clone(&identity))
            .map_err(|error| WorkerError::Node(error.to_string()))?;

        let (events, events_out) = mpsc::channel(EVENTS);
        let (shutdown, shutdown_in) = mpsc::channel(2);
        let (frames, outgoing) = mpsc::channel(FRAMES);
        let (incoming, incoming_in) = mpsc::channel(FRAMES);
        let (report, reports) = mpsc::channel(REPORTS);
        let (chain_out, chain_in) = mpsc::channel(4);
        let (session, session_in) = watch::channel(None);
        let (running_count, running) = watch::channel(0);
        let stop = CancellationToken::new();

        if recovery.dropped_bytes > 0 {
            let dropped_bytes = recovery.dropped_bytes;
            let _ = events.try_send(WorkerEvent::JournalRepaired { dropped_bytes });
        }
        let gateway = Gateway {
            client: client.clone(),
            identity: Arc::clone(&identity),
            expected: Expected {
                node: config.node_id.or(pins.map(|pins| pins.node)),
                market,
                network,
            },
            incoming,
            outgoing,
            running,
            stop: stop.clone(),
        };
        let context = Context {
            identity,
            client,
            chain: Arc::clone(&chain),
            execute,
            prover: Arc::new(prover),
            provers,
            network,
            store: Store::new(journal),
            session: session_in,
            conduct: Conduct::new(config.behaviour),
            report,
        };
        let agent = Agent {
            governor: Governor { limits: config.limits, pricing: config.pricing, speed },
            context: Arc::new(context),
            pins: PinsWanted { market, network },
            session,
            running_count,
            frames,
            events,
            earnings,
            pledges,
            state: Volatile::new(),
        };
        let inputs =
            Inputs { incoming: incoming_in, reports, chain: chain_in, shutdown: shutdown_in };
        let beside = vec![
            AbortOnDropHandle::new(tokio::spawn(gateway.run())),
            AbortOnDropHandle::new(tokio::spawn(watch_chain(chain, chain_out, pause))),
        ];
        let agent = tokio::spawn(agent.run(inputs));
        Ok(WorkerHandle { events: events_out, shutdown, agent, stop, _beside: beside })
    }
}

/// Is this the API of a chain on this machine?
fn is_here(endpoint: &str) -> bool {
    let host = endpoint.split("://").nth(1).unwrap_or_default();
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|local| {
        host.strip_prefix(local).is_some_and(|rest| rest.starts_with([':', '/']) || rest.is_empty())
    })
}

fn client(config: &WorkerConfig) -> Result<ChainClient, WorkerError> {
    let chain = fog_chain::ChainConfig::new(&config.chain.endpoint, config.chain.network);
    let chain = match &config.chain.api_key {
        Some(key) => chain.with_api_key(ApiKey::new(key.clone())),
        None => chain,
    };
    Ok(ChainClient::new(chain)?)
}

/// The sandbox, and how fast it is.
fn provers(config: &WorkerConfig) -> Provers {
    let wall = Duration::from_secs(u64::from(config.limits.prover_seconds));
    Provers::new(config.provers.clone(), wall)
}

async fn executor(config: &WorkerConfig) -> Result<(Arc<dyn Execute>, crate::Speed), WorkerError> {
    let mut runner = match &config.runner {
        Some(program) => RunnerConfig::new(program),
        None => RunnerConfig::current_exe()?,
    };
    let parallel = config.limits.parallel;
    runner.children = usize::from(parallel);
    runner.max_limits.fuel = runner.max_limits.fuel.max(config.limits.max_fuel);
    runner.max_limits.memory_bytes =
        runner.max_limits.memory_bytes.max(config.limits.max_memory_bytes);
    let (speed, provers) = (config.speed, provers(config));
    let started = tokio::task::spawn_blocking(move || {
        let executor = Executor::start(runner)?.with_provers(provers);
        let speed = speed.unwrap_or_else(|| benchmark::measure(&executor, parallel));
        Ok::<_, RunnerError>((Arc::new(executor) as Arc<dyn Execute>, speed))
    });
    Ok(started.await.map_err(|error| WorkerError::Ended(error.to_string()))??)
}

/// Reads the chain again and again, as long as anybody listens.
async fn watch_chain(
    chain: Arc<dyn ChainPort>,
    out: mpsc::Sender<Result<ChainStatus, PortError>>,
    pause: Duration,
) {
    while out.send(chain.status().await).await.is_ok() {
        tokio::time::sleep(pause).await;
    }
}
