//! Sustained load: tasks posted at a fixed rate on a whole network, with faults, and then the
//! question whether database and chain agree to the last task and nanogram.

mod agreement;
mod conduct;
mod faults;
mod load;
mod proxy;
mod recovery;
mod usage;
mod watch;
mod world;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

pub use agreement::Agreement;
pub use conduct::WorkerReport;
pub use faults::{Fault, Injected, UnknownFault};
pub use recovery::{RecoveryReport, recovery};
pub use usage::Usage;
pub use watch::{Ends, Latency};

use crate::{NetworkError, NetworkReport, Timing, ledger::std};
use fog_worker::Behaviour;
use load::{Load, PER_MESSAGE, Posted};
use watch::Tracker;
use world::World;

/// How often the processes are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often something is said.
const SAY: Duration = Duration::from_secs(5);
/// Without any end for so long after the posting, the chain's clock is moved past the deadlines.
const QUIET: Duration = Duration::from_secs(20);
/// How often at most: bidding, commitment, verdict, and a round to spare.
const WARPS: u32 = 6;
/// Steps in which it is moved, and what the node has for each.
const WARP_STEPS: u32 = 6;
const WARP_PAUSE: Duration = Duration::from_secs(2);
/// How long the node may take to read what the chain says already.
const CATCH_UP: Duration = Duration::from_secs(60);
/// Most growth of the node's memory after its warm-up that is called bounded, in bytes.
const MOST_GROWTH: u64 = 96 << 20;
/// The same for descriptors: connections come and go with the load.
const MOST_DESCRIPTORS: u64 = 128;

/// What the soak is to do.
#[derive(Debug, Clone)]
pub struct SoakOptions {
    /// Tasks posted a second, whatever comes back.
    pub rate: f64,
    /// For how long.
    pub seconds: Duration,
    /// Worker processes, cheaters included.
    pub workers: u32,
    /// Audit rate of the listings, in parts per million.
    pub rate_ppm: u32,
    /// Same seed, same tasks, and the same order of faults.
    pub seed: u64,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// How the last of the workers cheat, from the beginning.
    pub cheaters: Vec<Behaviour>,
    /// When the node checks without a draw.
    pub watched: Watched,
    /// Different inputs; every task runs on one of them.
    pub inputs: usize,
    /// The module that all tasks run: it reads text.
    pub guest: Vec<u8>,
    /// The network's files.
    pub data: PathBuf,
    /// The `fog` program.
    pub program: PathBuf,
}

/// What the node checks whatever the draw says.
#[derive(Debug, Clone, Copy)]
pub struct Watched {
    /// First results of a worker.
    pub probation: u32,
    /// Results of a worker after one that was rejected, at least one.
    pub flag_audits: u32,
}

impl Watched {
    /// As long as a soak lasts.
    pub const SOAK: Self = Self { probation: 2, flag_audits: 50 };
}

/// Told what is going on.
pub type Say = Arc<dyn Fn(String) + Send + Sync>;

/// Why the soak could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum SoakError {
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Posting or paying.
    #[error(transparent)]
    Requestor(#[from] fog_requestor::RequestorError),
    /// Paying.
    #[error(transparent)]
    Pay(#[from] fog_requestor::PayError),
    /// The node.
    #[error(transparent)]
    Node(#[from] fog_requestor::NodeError),
    /// The chain's server.
    #[error(transparent)]
    Server(#[from] fog_testnet::toncenter::ServerError),
    /// The chain's history.
    #[error(transparent)]
    Chain(#[from] fog_testnet::chain::ChainError),
    /// A contract's cells.
    #[error(transparent)]
    Contract(#[from] fog_contracts::ContractError),
    /// The node's database.
    #[error("the node's database cannot be read: {0}")]
    Database(#[from] sqlx::Error),
    /// A process ended by itself.
    #[error("{0} ended by itself ({1}): see its log in the data folder")]
    Died(String, String),
    /// It took too long.
    #[error("{0}")]
    TooLong(String),
    /// Something of the harness itself.
    #[error("the soak itself failed: {0}")]
    Broken(String),
}

/// What the soak found; with `--json` this is the document.
#[derive(Debug, Clone, Serialize)]
pub struct SoakReport {
    /// Did everything hold?
    pub ok: bool,
    /// What did not; empty if `ok`.
    pub failures: Vec<String>,
    /// The seed.
    pub seed: u64,
    /// Tasks a second that were asked for.
    pub asked_rate: f64,
    /// Tasks posted.
    pub posted: u64,
    /// Tasks a second, from the first to the last posting.
    pub posted_rate: f64,
    /// Tasks a second that came to their end, from the first posting to the last end.
    pub ended_rate: f64,
    /// Seconds from the first posting to the last end.
    pub seconds: f64,
    /// Posts sent again after an answer that may pass (the node was down or busy).
    pub post_retries: u64,
    /// How the tasks ended, by what the chain says.
    pub ends: Ends,
    /// From the time a task was due to be posted until the chain said it was assigned.
    pub post_to_assigned: Latency,
    /// Until the chain said it was paid.
    pub post_to_paid: Latency,
    /// What went wrong on purpose.
    pub faults: Vec<Injected>,
    /// Times the chain's clock was moved so that tasks nobody finished would end.
    pub warps: u32,
    /// The node's process.
    pub node: Usage,
    /// All worker processes together, without the guests' processes.
    pub workers: Usage,
    /// This process: the chain, the load, and what the load remembers.
    pub chain_and_load: Usage,
    /// Bytes on disk at the end.
    pub disk: Disk,
    /// Size of the chain.
    pub network: NetworkReport,
    /// Whether database and chain agree.
    pub agreement: Agreement,
    /// What each worker did and got.
    pub by_worker: Vec<WorkerReport>,
    /// What the load does not do as strangers would.
    pub shared: Vec<String>,
}

/// Bytes on disk.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Disk {
    /// The node's database.
    pub database_bytes: u64,
    /// Everything of the node: database, blobs, submissions, results, compiled modules.
    pub node_bytes: u64,
    /// The chain.
    pub chain_bytes: u64,
    /// The workers' keys, journals and logs.
    pub workers_bytes: u64,
}

/// Runs the soak and reports. An error means that it could not be run to its end.
///
/// # Errors
/// [`SoakError`].
pub async fn run(options: SoakOptions, say: Say) -> Result<SoakReport, SoakError> {
    let world = Arc::new(World::start(options, Arc::clone(&say)).await?);
    world.wait_online().await?;
    let options = &world.options;
    say(format!(
        "network {} workers online, {} of them cheat; chain and load in this process",
        options.workers,
        options.cheaters.len()
    ));
    let tracker = Arc::new(Tracker::new());
    let stop = CancellationToken::new();
    let following = follow(&world, &tracker, &stop);
    let chain = world.local.client.clone();
    let (api, wallet) = (world.api.clone(), world.requestor());
    let load = Load::new(options.clone(), api, chain, wallet, Arc::clone(&tracker));
    let load = Arc::new(load);
    load.upload().await?;
    let started = Instant::now();
    let loading = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&load).run()));
    let faults = inject(&world, started + options.seconds);
    let looking = look(&world, &tracker, &stop, &say, started);
    let posted = settle(&world, &tracker, &load, loading, &say).await;
    let faults = joined(faults).await?;
    let seconds = tracker.last_end().map_or(started.elapsed(), |end| end - started);
    let (posted, warps) = posted?;
    catch_up(&world).await?;
    let seeds = conduct::seeds(&world).await?;
    stop.cancel();
    joined(looking).await?;
    joined(following).await?;
    let usages = world.usages();
    world.stop_processes().await?;
    say("load    over: comparing the database with the chain".to_owned());
    let agreement = agreement::check(&world, &tracker.postings()).await?;
    let workers = conduct::read(&world, &seeds, &tracker.postings()).await?;
    let totals = world.local.chain.totals().await?;
    let (assigned, paid) = tracker.latencies();
    let (live, ends) = tracker.counts();
    let count = tracker.postings().len() as f64;
    let options = &world.options;
    let mut report = SoakReport {
        ok: false,
        failures: Vec::new(),
        seed: options.seed,
        asked_rate: options.rate,
        posted: tracker.postings().len() as u64,
        posted_rate: rounded(count / posted.seconds.max(0.001)),
        ended_rate: rounded(count / seconds.as_secs_f64().max(0.001)),
        seconds: rounded(seconds.as_secs_f64()),
        post_retries: posted.retried,
        ends,
        post_to_assigned: assigned,
        post_to_paid: paid,
        faults,
        warps,
        node: usages.node,
        workers: usages.workers,
        chain_and_load: usages.this,
        disk: disk(&world),
        network: NetworkReport { blocks: totals.blocks, transactions: totals.transactions },
        agreement,
        by_worker: workers,
        shared: shared(options),
    };
    judge(&mut report, &posted, live);
    Ok(report)
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

type Running<T> = AbortOnDropHandle<Result<T, SoakError>>;

async fn joined<T>(running: Running<T>) -> Result<T, SoakError> {
    running.await.map_err(|error| SoakError::Broken(error.to_string()))?
}

fn follow(world: &Arc<World>, tracker: &Arc<Tracker>, stop: &CancellationToken) -> Running<()> {
    let operator = std(&world.local.accounts.operator.address());
    let (chain, tracker) = (world.local.chain.clone(), Arc::clone(tracker));
    let stop = stop.clone();
    let following = async move { tracker.follow(chain, operator, stop).await };
    AbortOnDropHandle::new(tokio::spawn(following))
}

fn inject(world: &Arc<World>, until: Instant) -> Running<Vec<Injected>> {
    let world = Arc::clone(world);
    AbortOnDropHandle::new(tokio::spawn(async move { faults::inject(&world, until).await }))
}

/// Looks at the processes, and says how far it is.
fn look(
    world: &Arc<World>,
    tracker: &Arc<Tracker>,
    stop: &CancellationToken,
    say: &Say,
    started: Instant,
) -> Running<()> {
    let (world, tracker, say) = (Arc::clone(world), Arc::clone(tracker), Arc::clone(say));
    let stop = stop.clone();
    AbortOnDropHandle::new(tokio::spawn(async move {
        let mut said = Instant::now();
        while !stop.is_cancelled() {
            world.look().await?;
            if said.elapsed() > SAY {
                said = Instant::now();
                let (live, ends) = tracker.counts();
                let usages = world.usages();
                say(format!(
                    "{:>5.0} s  {live} under way; {} paid, {} slashed, {} refunded, {} late; \
                     node {} MiB",
                    started.elapsed().as_secs_f64(),
                    ends.paid,
                    ends.slashed,
                    ends.refunded,
                    ends.late,
                    usages.node.end_bytes >> 20,
                ));
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        Ok(())
    }))
}

/// Waits until every task has ended. Who waits for what no process will do any more is helped by
/// the chain's clock: after every deadline anyone may push a task out, and the node does.
async fn settle(
    world: &World,
    tracker: &Tracker,
    load: &Load,
    mut loading: Running<Posted>,
    say: &Say,
) -> Result<(Posted, u32), SoakError> {
    let posting_over = Instant::now() + world.options.seconds;
    let mut warps = 0;
    let mut warped = Instant::now();
    loop {
        tokio::select! {
            posted = &mut loading => {
                let posted = posted.map_err(|error| SoakError::Broken(error.to_string()))??;
                return Ok((posted, warps));
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        let since =
            tracker.last_end().map_or(posting_over, |end| end.max(posting_over)).max(warped);
        if Instant::now() > posting_over && since.elapsed() > QUIET {
            if warps == WARPS {
                load.give_up();
                let live = tracker.counts().0;
                return Err(SoakError::TooLong(format!("{live} tasks never came to an end")));
            }
            warps += 1;
            warped = Instant::now();
            let live = tracker.counts().0;
            say(format!("warp    {live} tasks wait for a deadline: moving the chain's clock"));
            pass_deadlines(world).await?;
        }
    }
}

/// Moves the chain's clock past the longest deadline, in steps: what the node must do before one, it
/// does in the last quarter of the time.
async fn pass_deadlines(world: &World) -> Result<(), SoakError> {
    for _ in 0..WARP_STEPS {
        world.local.chain.warp(Timing::SOAK.task.bid / WARP_STEPS + 1).await?;
        tokio::time::sleep(WARP_PAUSE).await;
    }
    Ok(())
}

/// The chain has ended every task; the node reads so.
async fn catch_up(world: &World) -> Result<(), SoakError> {
    let deadline = Instant::now() + CATCH_UP;
    loop {
        let left = agreement::unended(&world.node.database()).await?;
        // Those that were taken and never paid for do not count.
        if left == 0 || Instant::now() > deadline {
            return Ok(());
        }
        world.look().await?;
        tokio::time::sleep(LOOK).await;
    }
}

fn disk(world: &World) -> Disk {
    let data = &world.options.data;
    let database = world.node.database();
    let wal = database.with_extension("db-wal");
    Disk {
        database_bytes: usage::disk(&database) + usage::disk(&wal),
        node_bytes: usage::disk(&data.join("node")),
        chain_bytes: usage::disk(&data.join("chain")),
        workers_bytes: usage::disk(&data.join("workers")),
    }
}

fn shared(options: &SoakOptions) -> Vec<String> {
    vec![
        "one requestor posts everything: one key, one wallet".to_owned(),
        format!("its wallet pays up to {PER_MESSAGE} escrows with one message"),
        format!(
            "all tasks run one small module on one of {} inputs, uploaded beforehand",
            options.inputs
        ),
        "what happened is read from the chain in this process, not over HTTP".to_owned(),
        format!("{} workers hold up to 64 tasks each, on this machine", options.workers),
        "the node asks three workers for a bid on each task; window of zero seconds".to_owned(),
    ]
}

fn judge(report: &mut SoakReport, posted: &Posted, live: usize) {
    let mut failures = Vec::new();
    let agreement = &report.agreement;
    if posted.refused > 0 {
        failures.push(format!("the node refused {} listings", posted.refused));
    }
    if live > 0 {
        failures.push(format!("{live} tasks have not ended on chain"));
    }
    if agreement.equal != agreement.tasks {
        let differ = agreement.tasks - agreement.equal;
        failures.push(format!("{differ} tasks differ between database and chain"));
    }
    if agreement.unsettled_intents > 0 {
        failures.push(format!("{} intents are unsettled", agreement.unsettled_intents));
    }
    if agreement.database_paid_nano != agreement.chain_earned_nano {
        let (here, there) = (agreement.database_paid_nano, agreement.chain_earned_nano);
        failures.push(format!("paid by the database: {here} nano, earned on chain: {there}"));
    }
    if !agreement.money.adds_up() {
        failures.push(format!("the money does not add up: {:?}", agreement.money));
    }
    if !agreement.supply_conserved {
        failures.push("the chain's supply is not conserved".to_owned());
    }
    let node = &report.node;
    let grown = node.slope_bytes_per_minute.max(0) as f64 * node.longest_life_seconds / 60.0;
    if grown > MOST_GROWTH as f64 {
        failures.push(format!("the node's memory grew by {grown:.0} bytes after its warm-up"));
    }
    if node.end_descriptors > node.start_descriptors + MOST_DESCRIPTORS {
        let (before, after) = (node.start_descriptors, node.end_descriptors);
        failures.push(format!("the node's descriptors grew from {before} to {after}"));
    }
    conduct::judge(&report.by_worker, &mut failures);
    report.ok = failures.is_empty();
    report.failures = failures;
}
