//! Puts the services together, supervises them, and stops them in order: intake first, then what
//! is queued is decided and stored, then the rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    os::unix::fs::DirBuilderExt as _,
    sync::Arc,
    time::Duration,
};

use fog_jury::{
    Examiner, Juror, Local, Panel, Remote, Scope,
    listen::{self, Bounds},
};
use fog_market::{Rechecks, Rules, Trust, Trusted, trust::LEAST_FACTOR_PPM};
use fog_protocol::{
    Address, Hash32, JettonRates, Nano, PublicKey, RATE_ONE, SealKey, SecretKey, node_id,
    tagged_hash,
};
use fog_verifier::{Executor, Independent, sandbox::process::RunnerConfig};
use fog_wallet::{Wallet, WalletVersion};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::{
    NodeConfig, NodeError, NodeKeys, api,
    chain_port::ChainPort,
    config::TrustedConfig,
    coordinator::{Actor, Coordinator, Tools},
    epoch::{EpochSecret, Turning},
    follow, put_back,
    settle::{self, Signer},
    shared::{Parts, Shared, wall_seconds},
    store::{Identity, Store},
};

/// Seconds between two sweeps of unused blobs.
const SWEEP_SECONDS: u64 = 600;

/// A node.
#[derive(Debug)]
pub struct Node;

/// A running node. Dropping the handle leaves it running; [`NodeHandle::shutdown`] stops it.
#[derive(Debug)]
pub struct NodeHandle {
    address: SocketAddr,
    id: Hash32,
    operator: Address,
    stop: CancellationToken,
    ended: watch::Receiver<bool>,
    supervisor: JoinHandle<Result<(), NodeError>>,
}

impl NodeHandle {
    /// Where API and gateway listen.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Base address of the API, such as `http://127.0.0.1:8080`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The node's id, as signed requests name it.
    #[must_use]
    pub const fn id(&self) -> Hash32 {
        self.id
    }

    /// The operator's wallet.
    #[must_use]
    pub const fn operator(&self) -> Address {
        self.operator
    }

    /// Begins an orderly stop: no more intake, what was taken is decided and stored.
    pub fn shutdown(&self) {
        self.stop.cancel();
    }

    /// A token that is cancelled by [`NodeHandle::shutdown`], for signal handlers.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Has it stopped, whether asked to or not?
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        *self.ended.borrow()
    }

    /// Waits until it has stopped.
    ///
    /// # Errors
    /// [`NodeError`] if a service failed; everything acknowledged is in the database.
    pub async fn join(self) -> Result<(), NodeError> {
        self.supervisor.await.map_err(|_| NodeError::ServiceStopped("supervisor"))?
    }
}

impl Node {
    /// Starts a node: opens its store, reads the market, replays the log, takes up what was under
    /// way and begins to listen.
    ///
    /// # Errors
    /// [`NodeError`] saying what has to be set right.
    pub async fn start(config: NodeConfig, keys: NodeKeys) -> Result<NodeHandle, NodeError> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&config.data_dir)
            .map_err(NodeError::io("creating the data directory"))?;
        config.check_epochs()?;
        let NodeKeys { operator: key, verifiers, epoch_seed } = keys;
        let wallet = Wallet::new(WalletVersion::V5R1, key.public(), config.network)
            .map_err(|error| NodeError::Config(error.to_string()))?;
        let operator = wallet.address();
        let node = node_id(config.network, &config.market, &operator);
        let secrets = Derived::of(&key, epoch_seed);
        let chain = ChainPort::connect(&config, operator).await?;
        check_verifiers(&chain, &config, &verifiers)?;
        let rechecks = rechecks(&chain, &config, &verifiers);
        JettonRates::new(&config.jettons)
            .map_err(|error| NodeError::Config(format!("jettons: {error}")))?;
        let (market, network) = (config.market, config.network);
        let lock = lock(&config)?;
        let identity = Identity { node, network, market, operator };
        let store = Store::open(&config.data_dir, &identity).await?;
        chain.check_bond(operator).await?;
        let (secret, seconds) = (&secrets.epochs, config.epoch_seconds);
        let turning = Turning { node, secret, key: &key, seconds };
        put_back::check(&chain, &store, (node, operator), config.epochs).await?;
        let epoch = store.open_epochs(&turning, config.epochs, chain.started_at()).await?;
        let (executor, again) = executors(&config).await?;
        let rules = rules(&config, &chain, operator);
        let trust = trust(&config, rechecks)?;
        let panel = panel(&config, &chain, verifiers, &key, &executor, again)?;
        let (coordinator, commands) = Coordinator::new(config.limits.commands_queued);
        let (reconciler, readings) = follow::Reconciler::new();
        let listener =
            TcpListener::bind(config.listen).await.map_err(NodeError::io("listening"))?;
        let address = listener.local_addr().map_err(NodeError::io("listening"))?;
        let shared = Shared::new(Parts {
            config,
            node,
            operator,
            operator_key: key.public(),
            seal_key: secrets.seal_key,
            epochs: secrets.epochs,
            epoch,
            store,
            coordinator,
            chain,
            executor,
            panel,
        });
        let signer = Arc::new(Signer { wallet, key });
        let tools = Tools { reconciler, signer: Arc::clone(&signer) };
        let actor = Actor::load(Arc::clone(&shared), rules, trust, tools).await?;
        let services = Services { shared, actor, commands, readings, signer, listener, lock };
        let stop = CancellationToken::new();
        let (ending, ended) = watch::channel(false);
        let token = stop.clone();
        let supervisor = tokio::spawn(async move {
            let result = services.run(token).await;
            ending.send_replace(true);
            result
        });
        tracing::info!(%address, %operator, %market, "the node is up");
        Ok(NodeHandle { address, id: node, operator, stop, ended, supervisor })
    }
}

/// Secrets that follow from the operator's key, so that they survive without a file of their own.
struct Derived {
    seal_key: SealKey,
    epochs: EpochSecret,
}

impl Derived {
    fn of(key: &SecretKey, epoch_seed: Option<Hash32>) -> Self {
        let secret = key.seed();
        let seal = Zeroizing::new(tagged_hash("fog/node-seal-key/v1", &[secret.as_ref()]).0);
        let base =
            epoch_seed.unwrap_or_else(|| tagged_hash("fog/node-epoch-base/v1", &[secret.as_ref()]));
        Self { seal_key: SealKey::from_seed(&seal), epochs: EpochSecret::new(base.0) }
    }
}

/// Two nodes on one data directory would both decide: the second is refused.
fn lock(config: &NodeConfig) -> Result<std::fs::File, NodeError> {
    let path = config.data_dir.join("lock");
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(NodeError::io("opening the lock file"))?;
    file.try_lock().map_err(|_| {
        NodeError::Config("another node runs on this data directory: stop it first".to_owned())
    })?;
    Ok(file)
}

/// How many of the market's verifiers this node asks.
fn known_verifiers(chain: &ChainPort, config: &NodeConfig, keys: &[SecretKey]) -> usize {
    let local = keys.iter().map(SecretKey::public);
    let all: BTreeSet<PublicKey> =
        local.chain(config.verifiers.iter().map(|verifier| verifier.key)).collect();
    all.iter().filter(|key| chain.market().verifiers.contains(key)).count()
}

/// Are there enough verifiers for what takes a ruling?
fn rechecks(chain: &ChainPort, config: &NodeConfig, keys: &[SecretKey]) -> Rechecks {
    let (known, appeal) = (known_verifiers(chain, config, keys), chain.market().appeal);
    if known >= usize::from(appeal) {
        return Rechecks::Made;
    }
    tracing::warn!(
        appeal,
        known,
        "too few verifiers for rulings: challenged verdicts stand unless others rule on them, and a \
         caught worker's earlier results are not looked at again"
    );
    Rechecks::NoQuorum
}

fn check_verifiers(
    chain: &ChainPort,
    config: &NodeConfig,
    keys: &[SecretKey],
) -> Result<(), NodeError> {
    let market = chain.market();
    let known = known_verifiers(chain, config, keys);
    if known < usize::from(market.threshold) {
        return Err(NodeError::Config(format!(
            "the market asks for {} verifier signatures, {known} of the keys given are its \
             verifiers",
            market.threshold
        )));
    }
    let own: BTreeSet<_> = keys.iter().map(SecretKey::public).collect();
    let own = own.iter().filter(|key| market.verifiers.contains(key)).count();
    if config.rail.pledge > Nano::ZERO && own < usize::from(market.threshold) {
        return Err(NodeError::Config(format!(
            "stake in bulk (`[rail] pledge`) needs {} verifier signatures on each pledge, {own} of \
             the keys in this node's own keystore are its market's verifiers, and verifiers in \
             processes of their own do not judge pledges: add keys, or leave it at 0, where every \
             result of the account rail is checked",
            market.threshold
        )));
    }
    Ok(())
}

/// The verifiers this node asks: its own keys, and processes elsewhere.
fn panel(
    config: &NodeConfig,
    chain: &ChainPort,
    keys: Vec<SecretKey>,
    asker: &SecretKey,
    executor: &Executor,
    again: Independent,
) -> Result<Arc<Panel>, NodeError> {
    let wrong = |error: String| NodeError::Config(format!("the verifiers: {error}"));
    let scope = Scope { network: config.network, market: config.market };
    let mut jurors: Vec<Arc<dyn Juror>> = Vec::new();
    for key in keys {
        let folder = config.data_dir.join("verifiers").join(key.public().to_string());
        let (execute, again) = (Arc::new(executor.clone()), Arc::new(again.clone()));
        let examiner = Examiner::open(key, scope, &folder, execute, again)
            .map_err(|error| wrong(error.to_string()))?;
        jurors.push(Arc::new(Local::new(Arc::new(examiner))));
    }
    for verifier in &config.verifiers {
        let remote = Remote::new(&verifier.url, verifier.key, scope, asker.clone())
            .map_err(|error| wrong(error.to_string()))?;
        jurors.push(Arc::new(remote));
    }
    let asking = Duration::from_secs(config.verifier_seconds.max(1));
    let file = config.data_dir.join("verifiers.json");
    Panel::new(&chain.market().verifiers, jurors, asking, file)
        .map(Arc::new)
        .map_err(|error| wrong(error.to_string()))
}

/// What runs programs, and what runs them again before a rejection.
async fn executors(config: &NodeConfig) -> Result<(Executor, Independent), NodeError> {
    let wrong = |error: String| NodeError::Config(format!("the sandbox: {error}"));
    let mut runner = match &config.runner.program {
        Some(program) => RunnerConfig::new(program.clone()),
        None => RunnerConfig::current_exe().map_err(|error| wrong(error.to_string()))?,
    };
    runner.args = config.runner.args.iter().map(Into::into).collect();
    runner.children = config.runner.parallel.max(1);
    runner.cache = Some(config.data_dir.join("compiled"));
    let again = Independent::new(&runner);
    let executor = tokio::task::spawn_blocking(move || Executor::start(runner))
        .await
        .map_err(|_| NodeError::ServiceStopped("sandbox"))?
        .map_err(|error| wrong(error.to_string()))?;
    Ok((executor, again))
}

fn rules(config: &NodeConfig, chain: &ChainPort, operator: Address) -> Rules {
    let tie_seed = tagged_hash("fog/tie-seed/v1", &[&config.market.hash.0, &operator.hash.0]);
    let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    Rules {
        fee_bps: chain.market().fee_bps,
        probation: config.probation,
        flag_audits: config.flag_audits,
        min_rate_ppm: config.min_rate_ppm,
        max_bids_per_task: config.bids_per_task.max(1),
        bid_round_seconds: narrow(config.bid_round_seconds),
        nonce_grace: narrow(config.nonce_grace_seconds),
        funding_seconds: narrow(config.funding_seconds),
        min_durations: config.min_durations,
        max_durations: config.max_durations,
        max_open_tasks: config.limits.tasks_total,
        max_open_per_requestor: config.limits.tasks_per_key,
        pledge: config.rail.pledge,
        pledge_seconds: config.rail.pledge_seconds.min(chain.market().max_step),
        ..Rules::new(config.network, config.market, operator, tie_seed)
    }
}

/// Whom this node trusts.
fn trust(config: &NodeConfig, rechecks: Rechecks) -> Result<Trust, NodeError> {
    let mut keys = BTreeMap::new();
    for TrustedConfig { key, factor_ppm, grant } in &config.trusted {
        let wrong = |reason: String| Err(NodeError::Config(format!("[[trusted]] {key}: {reason}")));
        if !(LEAST_FACTOR_PPM..=RATE_ONE).contains(factor_ppm) {
            return wrong(format!(
                "factor_ppm is {factor_ppm}: between {LEAST_FACTOR_PPM} and {RATE_ONE}, so that some \
                 checks stay"
            ));
        }
        let trusted = Trusted { factor_ppm: *factor_ppm, grant: *grant };
        if keys.insert(*key, trusted).is_some() {
            return wrong("it is there twice".to_owned());
        }
    }
    Ok(Trust { keys, rechecks })
}

struct Services {
    shared: Arc<Shared>,
    actor: Actor,
    commands: tokio::sync::mpsc::Receiver<crate::coordinator::Command>,
    readings: tokio::sync::mpsc::Receiver<follow::Reading>,
    signer: Arc<Signer>,
    listener: TcpListener,
    /// Held as long as the node runs.
    lock: std::fs::File,
}

impl Services {
    /// Runs all services; whichever ends first, asked or failed, stops the others in order.
    async fn run(self, stop: CancellationToken) -> Result<(), NodeError> {
        let Self { shared, actor, commands, readings, signer, listener, lock } = self;
        let (outward, inner) = (CancellationToken::new(), CancellationToken::new());
        let router = api::router(Arc::clone(&shared), stop.clone());
        let limits = shared.config.limits.clone();
        let intake = stop.clone();
        let mut server = tokio::spawn(async move {
            let bounds = Bounds {
                total: limits.connections_total,
                per_address: limits.connections_per_address,
            };
            listen::serve(listener, router, bounds, intake).await;
            Ok(())
        });
        let mut coordinator = tokio::spawn(actor.run(commands, inner.clone()));
        let mut follower = tokio::spawn(follow::run(Arc::clone(&shared), outward.clone()));
        let mut reconciler =
            tokio::spawn(follow::reconcile(Arc::clone(&shared), readings, outward.clone()));
        let mut settlement =
            tokio::spawn(settle::run(Arc::clone(&shared), signer, outward.clone()));
        let mut sweeper = tokio::spawn(sweep(Arc::clone(&shared), outward.clone()));
        let mut decided = None;
        let first = tokio::select! {
            // An asked-for stop is no failure of the service that hears of it first.
            biased;
            () = stop.cancelled() => Ok(()),
            ended = &mut server => early("server", ended),
            ended = &mut coordinator => {
                let failure = early("coordinator", ended);
                decided = Some(());
                failure
            }
            ended = &mut follower => early("chain follower", ended),
            ended = &mut reconciler => early("reconciler", ended),
            ended = &mut settlement => early("settlement", ended),
            ended = &mut sweeper => early("blob sweeper", ended),
        };
        // Intake, then what talks to the chain, then the coordinator when nobody asks it any more.
        stop.cancel();
        settled("server", server, &first).await;
        outward.cancel();
        settled("chain follower", follower, &first).await;
        settled("reconciler", reconciler, &first).await;
        settled("settlement", settlement, &first).await;
        settled("blob sweeper", sweeper, &first).await;
        inner.cancel();
        let last = match decided {
            Some(()) => Ok(()),
            None => coordinator.await.map_err(|_| NodeError::ServiceStopped("coordinator"))?,
        };
        shared.store.close().await;
        shared.panel.close();
        drop(lock);
        // Others stop when the coordinator fails: its error is the one that says why.
        let result = last.and(first);
        if let Err(error) = &result {
            tracing::error!(%error, "a service failed: the node stopped");
        }
        result
    }
}

type Ended = Result<Result<(), NodeError>, tokio::task::JoinError>;

/// A service that ended before it was asked to.
fn early(name: &'static str, ended: Ended) -> Result<(), NodeError> {
    match ended {
        Ok(Err(error)) => Err(error),
        Ok(Ok(())) | Err(_) => Err(NodeError::ServiceStopped(name)),
    }
}

/// Waits for a service that was asked to end.
async fn settled(
    name: &'static str,
    service: JoinHandle<Result<(), NodeError>>,
    first: &Result<(), NodeError>,
) {
    // One that ended already was looked at, and may not be polled again.
    if service.is_finished() && first.is_err() {
        return;
    }
    match service.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(service = name, %error, "failed while stopping"),
        Err(_) => tracing::error!(service = name, "broke off while stopping"),
    }
}

/// Removes blobs nobody needs.
async fn sweep(shared: Arc<Shared>, stop: CancellationToken) -> Result<(), NodeError> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(Duration::from_secs(SWEEP_SECONDS)) => {}
        }
        let kept = shared.config.limits.blob_seconds;
        let before = wall_seconds().saturating_sub(kept);
        let ended = shared.clock.now().saturating_sub(kept);
        let results = shared.clock.now().saturating_sub(shared.config.result_seconds);
        shared.store.sweep_results(results).await?;
        let removed = shared.store.sweep_blobs(before, ended).await?;
        if removed > 0 {
            tracing::info!(removed, "unused blobs removed");
        }
    }
}
