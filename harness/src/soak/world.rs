//! Everything that is under load: the chain in this process, the line to it, the node and the
//! workers as processes.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use fog_node::VerifierConfig;
use fog_protocol::Nano;
use fog_requestor::NodeClient;
use fog_wallet::UnlockedWallet;

use super::{
    Say, SoakError, SoakOptions,
    faults::Fault,
    proxy::{Line, Wire},
    usage::{Gauge, Usage},
};
use crate::{
    Behaviour, LocalChain, NetworkOptions, NodeProcess, NodeSpec, Timing, VerifierProcess,
    Verifiers, WorkerProcess, WorkerSpec, ledger::std, room,
};

/// What every worker puts at stake.
pub(super) const STAKE: Nano = Nano::grams(100);
/// Reservations a stake holds at most, so also the tasks a worker takes on.
const SLOTS: u16 = 64;
/// What each task may need in wallets while it runs, most of which comes back.
const PURSE_PER_TASK: Nano = Nano::new(500_000_000);
/// A cheater asks for a fifth less than the others: who computes nothing has no costs, and with the
/// same price it might never get a task.
const UNDERCUT: Nano = Nano::new(8_000_000);
/// Chain seconds of an epoch, the node's default.
pub(super) const EPOCH_SECONDS: u32 = 3_600;
/// Workers asked for a bid on each task.
const ASKED: u32 = 3;
/// Verifiers, where they are processes of their own.
const VERIFIERS: u8 = 3;

/// The network under load.
pub(super) struct World {
    pub(super) options: SoakOptions,
    pub(super) watch: Say,
    pub(super) local: LocalChain,
    pub(super) line: Wire,
    /// Between workers and node.
    frames: Wire,
    pub(super) node: NodeSpec,
    pub(super) api: NodeClient,
    parts: tokio::sync::Mutex<Parts>,
    gauges: Mutex<Gauges>,
}

struct Parts {
    node: Option<NodeProcess>,
    workers: Vec<Option<WorkerProcess>>,
    verifiers: Vec<Option<VerifierProcess>>,
}

struct Gauges {
    node: Gauge,
    workers: Gauge,
    this: Gauge,
}

/// What each kind of process used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usages {
    pub(super) node: Usage,
    pub(super) workers: Usage,
    pub(super) this: Usage,
}

impl World {
    pub(super) async fn start(options: SoakOptions, watch: Say) -> Result<Self, SoakError> {
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let verifiers = options.verifiers();
        let network = NetworkOptions {
            data: options.data.clone(),
            seed: options.seed,
            workers: options.workers,
            node: any,
            chain: any,
            timing: Timing::SOAK,
            program: options.program.clone(),
            probation: options.watched.probation,
            verifiers,
            pledge: Nano::ZERO,
            jettons: Vec::new(),
            claim_from: crate::CLAIM_FROM,
        };
        let local = LocalChain::start(&network).await?;
        fill_purses(&local, &options).await?;
        let broken = |error: std::io::Error| SoakError::Broken(error.to_string());
        let line = Wire::start(local.chain.address(), options.seed).await.map_err(broken)?;
        let apart = VerifierProcess::start_all(&network, &local).await?;
        let node = NodeSpec {
            program: options.program.clone(),
            data: options.data.clone(),
            seed: options.seed,
            chain: format!("http://{}/api/v2", line.address()),
            listen: crate::free_address(1).map_err(broken)?,
            verifiers,
            config: config(&options, &apart),
        };
        let (process, api) = node.start(&local).await?;
        let frames = Wire::start(node.listen, options.seed).await.map_err(broken)?;
        if options.faults.contains(&Fault::Frames) {
            frames.set(Line::Fraying);
        }
        let gateway = format!("http://{}", frames.address());
        let starting = (0..options.workers as usize).map(|index| {
            let (local, gateway, spec) = (&local, &gateway, worker(&options, index));
            async move { WorkerProcess::start(local, gateway, &spec).await.map(Some) }
        });
        let workers = futures_util::future::try_join_all(starting).await?;
        let verifiers = apart.into_iter().map(Some).collect();
        let parts = Parts { node: Some(process), workers, verifiers };
        let gauges = Gauges { node: Gauge::new(), workers: Gauge::new(), this: Gauge::new() };
        let (parts, gauges) = (tokio::sync::Mutex::new(parts), Mutex::new(gauges));
        Ok(Self { options, watch, local, line, frames, node, api, parts, gauges })
    }

    /// The wallet that posts and pays.
    pub(super) fn requestor(&self) -> UnlockedWallet {
        let wallet = &self.local.accounts.requestor.wallet;
        UnlockedWallet { wallet: wallet.wallet.clone(), key: wallet.key.clone() }
    }

    pub(super) async fn restart_node(&self) -> Result<(), SoakError> {
        self.kill_node().await?;
        self.start_node().await
    }

    pub(super) async fn kill_node(&self) -> Result<(), SoakError> {
        if let Some(node) = self.parts.lock().await.node.take() {
            node.kill().await?;
        }
        Ok(())
    }

    /// Starts the node again on the files it left, and waits until it answers.
    pub(super) async fn start_node(&self) -> Result<(), SoakError> {
        let mut parts = self.parts.lock().await;
        self.start_node_of(&mut parts).await
    }

    async fn start_node_of(&self, parts: &mut Parts) -> Result<(), SoakError> {
        let (node, _) = self.node.start(&self.local).await?;
        parts.node = Some(node);
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner).node.restarted();
        Ok(())
    }

    pub(super) async fn restart_worker(&self, number: usize) -> Result<(), SoakError> {
        let mut parts = self.parts.lock().await;
        let index = number % parts.workers.len().max(1);
        if let Some(worker) = parts.workers.get_mut(index).and_then(Option::take) {
            worker.kill().await?;
        }
        self.resume_worker_of(&mut parts, index)
    }

    fn resume_worker_of(&self, parts: &mut Parts, index: usize) -> Result<(), SoakError> {
        let Some(place) = parts.workers.get_mut(index) else { return Ok(()) };
        let spec = worker(&self.options, index);
        *place = Some(WorkerProcess::resume(&self.local, &self.gateway(), &spec)?);
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner).workers.restarted();
        Ok(())
    }

    /// Neither the node nor a worker can write anything for so long; what ended for it is started
    /// again when there is room, as a service manager would.
    pub(super) async fn full_disk(&self, number: usize, lasts: Duration) -> Result<(), SoakError> {
        let broken = |error: std::io::Error| SoakError::Broken(error.to_string());
        let mut parts = self.parts.lock().await;
        let index = number % parts.workers.len().max(1);
        let node = parts.node.as_ref().and_then(NodeProcess::pid);
        let worker = parts.workers.get(index).and_then(Option::as_ref);
        let worker = worker.and_then(WorkerProcess::pid);
        for pid in [node, worker] {
            room::take(pid).map_err(broken)?;
        }
        tokio::time::sleep(lasts).await;
        for pid in [node, worker] {
            room::give(pid).map_err(broken)?;
        }
        let ended = parts.node.as_mut().map(NodeProcess::ended).transpose()?.flatten();
        if let Some(status) = ended {
            (self.watch)(format!("disk    the node ended ({status}): started again"));
            self.start_node_of(&mut parts).await?;
        }
        let worker = parts.workers.get_mut(index).and_then(Option::as_mut);
        let ended = worker.map(WorkerProcess::ended).transpose()?.flatten();
        if let Some(status) = ended {
            (self.watch)(format!("disk    worker {} ended ({status}): started again", index + 1));
            self.resume_worker_of(&mut parts, index)?;
        }
        Ok(())
    }

    /// Where workers reach the node.
    fn gateway(&self) -> String {
        format!("http://{}", self.frames.address())
    }

    pub(super) async fn restart_verifier(&self, number: usize) -> Result<(), SoakError> {
        let mut parts = self.parts.lock().await;
        let index = number % parts.verifiers.len().max(1);
        let Some(place) = parts.verifiers.get_mut(index) else { return Ok(()) };
        if let Some(verifier) = place.take() {
            let spec = verifier.kill().await?;
            *place = Some(VerifierProcess::start(&self.local, spec).await?);
        }
        Ok(())
    }

    /// Looks at every process: what it uses, and whether it is still there.
    pub(super) async fn look(&self) -> Result<(), SoakError> {
        // A fault is being injected: the next look sees the process again.
        let Ok(mut parts) = self.parts.try_lock() else { return Ok(()) };
        if let Some(node) = &mut parts.node
            && let Some(status) = node.ended()?
        {
            return Err(SoakError::Died("the node".to_owned(), status.to_string()));
        }
        for (index, worker) in parts.workers.iter_mut().enumerate() {
            if let Some(worker) = worker
                && let Some(status) = worker.ended()?
            {
                let name = format!("worker {}", index + 1);
                return Err(SoakError::Died(name, status.to_string()));
            }
        }
        let node = parts.node.as_ref().and_then(NodeProcess::pid);
        let workers: Vec<_> =
            parts.workers.iter().flatten().filter_map(WorkerProcess::pid).collect();
        let mut gauges = self.gauges.lock().unwrap_or_else(PoisonError::into_inner);
        gauges.node.look(node);
        gauges.workers.look(workers);
        gauges.this.look([std::process::id()]);
        Ok(())
    }

    /// Waits until every worker is connected.
    pub(super) async fn wait_online(&self) -> Result<(), SoakError> {
        let wanted = self.options.workers as usize;
        for _ in 0..600 {
            self.look().await?;
            let online = self.api.workers().await?.iter().filter(|worker| worker.online).count();
            if online >= wanted {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        Err(SoakError::TooLong(format!("not all of {wanted} workers came online")))
    }

    pub(super) fn usages(&self) -> Usages {
        let gauges = self.gauges.lock().unwrap_or_else(PoisonError::into_inner);
        Usages {
            node: gauges.node.usage(),
            workers: gauges.workers.usage(),
            this: gauges.this.usage(),
        }
    }

    /// Stops workers and node in order; the chain stays, to be read.
    pub(super) async fn stop_processes(&self) -> Result<(), SoakError> {
        let mut parts = self.parts.lock().await;
        let stopping = std::mem::take(&mut parts.workers).into_iter().flatten();
        futures_util::future::join_all(stopping.map(WorkerProcess::stop)).await;
        if let Some(node) = parts.node.take() {
            node.stop().await?;
        }
        Ok(())
    }
}

fn worker(options: &SoakOptions, index: usize) -> WorkerSpec {
    let conduct = options.behaviour(index);
    WorkerSpec {
        index,
        stake: STAKE,
        conduct,
        min_price: (conduct != Behaviour::Honest).then_some(UNDERCUT),
        slots: SLOTS,
        program: options.program.clone(),
        data: options.data.join("workers"),
        seed: options.seed,
    }
}

impl SoakOptions {
    /// Who signs verdicts: processes of their own, where one is to be killed.
    #[must_use]
    pub fn verifiers(&self) -> Verifiers {
        let apart = self.faults.contains(&Fault::Verifier);
        if apart { Verifiers::Apart(VERIFIERS) } else { Verifiers::InNode }
    }

    /// How the worker with this number behaves: the last are those that cheat.
    #[must_use]
    pub fn behaviour(&self, index: usize) -> Behaviour {
        let honest = (self.workers as usize).saturating_sub(self.cheaters.len());
        let cheat = index.checked_sub(honest).and_then(|place| self.cheaters.get(place));
        cheat.copied().unwrap_or(Behaviour::Honest)
    }
}

/// Most of what a task takes from a wallet comes back, but not before it has ended.
async fn fill_purses(local: &LocalChain, options: &SoakOptions) -> Result<(), SoakError> {
    let tasks = (options.rate * options.seconds.as_secs_f64()).ceil() as u64;
    let purse = u128::from(PURSE_PER_TASK.get()) * u128::from(tasks.max(1_000));
    for account in [&local.accounts.requestor, &local.accounts.operator] {
        local.chain.fund(std(&account.address()), purse).await?;
    }
    Ok(())
}

/// The node's settings: what one requestor and few busy workers need, otherwise as usual.
fn config(options: &SoakOptions, verifiers: &[VerifierProcess]) -> String {
    let settings = format!(
        "min_durations = {{ bid = 1, commit = 1, verdict = 1, window = 0 }}\n\
         min_rate_ppm = 1000\n\
         probation = {}\n\
         flag_audits = {}\n\
         epoch_seconds = {EPOCH_SECONDS}\n\
         bids_per_task = {ASKED}\n\
         [chain]\npoll_millis = 50\n\
         [limits]\ntasks_per_key = 100000\nframes_per_second = 1000\nframe_burst = 2000\n",
        options.watched.probation, options.watched.flag_audits,
    );
    verifiers.iter().map(VerifierProcess::config).fold(
        settings,
        |settings, VerifierConfig { url, key }| {
            format!("{settings}[[verifiers]]\nurl = \"{url}\"\nkey = \"{key}\"\n")
        },
    )
}
