//! Everything that is under load: the chain in this process, the line to it, the node and the
//! workers as processes.

use std::sync::{Mutex, PoisonError};

use fog_protocol::Nano;
use fog_requestor::NodeClient;
use fog_wallet::UnlockedWallet;

use super::{
    Say, SoakError, SoakOptions,
    faults::Fault,
    proxy::ChainLine,
    usage::{Gauge, Usage},
};
use crate::{
    Conduct, LocalChain, NetworkOptions, NodeProcess, NodeSpec, Timing, WorkerProcess, WorkerSpec,
    ledger::std,
};

/// What every worker puts at stake.
const STAKE: Nano = Nano::grams(100);
/// Reservations a stake holds at most, so also the tasks a worker takes on.
const SLOTS: u16 = 64;
/// What each task may need in wallets while it runs, most of which comes back.
const PURSE_PER_TASK: Nano = Nano::new(500_000_000);
/// A cheater asks for a fifth less than the others: who computes nothing has no costs, and with the
/// same price it might never get a task.
const UNDERCUT: Nano = Nano::new(8_000_000);
/// A worker's first results that are always checked.
const PROBATION: u32 = 2;
/// Workers asked for a bid on each task.
const ASKED: u32 = 3;

/// The network under load.
pub(super) struct World {
    pub(super) options: SoakOptions,
    pub(super) watch: Say,
    pub(super) local: LocalChain,
    pub(super) line: ChainLine,
    pub(super) node: NodeSpec,
    pub(super) api: NodeClient,
    parts: tokio::sync::Mutex<Parts>,
    gauges: Mutex<Gauges>,
}

struct Parts {
    node: Option<NodeProcess>,
    workers: Vec<Option<WorkerProcess>>,
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
        let local = LocalChain::start(&NetworkOptions {
            data: options.data.clone(),
            seed: options.seed,
            workers: options.workers,
            node: any,
            chain: any,
            timing: Timing::SOAK,
            program: options.program.clone(),
            probation: PROBATION,
            verifiers: crate::Verifiers::InNode,
            pledge: Nano::ZERO,
        })
        .await?;
        fill_purses(&local, &options).await?;
        let broken = |error: std::io::Error| SoakError::Broken(error.to_string());
        let line = ChainLine::start(local.chain.address()).await.map_err(broken)?;
        let node = NodeSpec {
            program: options.program.clone(),
            data: options.data.clone(),
            seed: options.seed,
            chain: line.endpoint(),
            listen: NodeSpec::free_address()?,
            config: config(),
        };
        let (process, api) = node.start(&local).await?;
        let starting = (0..options.workers as usize).map(|index| {
            let (local, api, spec) = (&local, &api, worker(&options, index));
            async move { WorkerProcess::start(local, api.url(), &spec).await.map(Some) }
        });
        let workers = futures_util::future::try_join_all(starting).await?;
        let parts = Parts { node: Some(process), workers };
        let gauges = Gauges { node: Gauge::new(), workers: Gauge::new(), this: Gauge::new() };
        let (parts, gauges) = (tokio::sync::Mutex::new(parts), Mutex::new(gauges));
        Ok(Self { options, watch, local, line, node, api, parts, gauges })
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
        let (node, _) = self.node.start(&self.local).await?;
        parts.node = Some(node);
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner).node.restarted();
        Ok(())
    }

    pub(super) async fn restart_worker(&self, number: usize) -> Result<(), SoakError> {
        let mut parts = self.parts.lock().await;
        let index = number % parts.workers.len().max(1);
        let Some(place) = parts.workers.get_mut(index) else { return Ok(()) };
        if let Some(worker) = place.take() {
            worker.kill().await?;
        }
        let spec = worker(&self.options, index);
        *place = Some(WorkerProcess::resume(&self.local, self.api.url(), &spec)?);
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner).workers.restarted();
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
    let cheats = index >= (options.workers - options.cheaters()) as usize;
    WorkerSpec {
        index,
        stake: STAKE,
        conduct: if cheats { Conduct::Cheating } else { Conduct::Honest },
        min_price: cheats.then_some(UNDERCUT),
        slots: SLOTS,
        program: options.program.clone(),
        data: options.data.join("workers"),
        seed: options.seed,
    }
}

impl SoakOptions {
    /// How many workers cheat: one of eight, at least one.
    #[must_use]
    pub fn cheaters(&self) -> u32 {
        if self.faults.contains(&Fault::Cheaters) { self.workers.div_ceil(8) } else { 0 }
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
fn config() -> String {
    format!(
        "min_durations = {{ bid = 1, commit = 1, verdict = 1, window = 0 }}\n\
         min_rate_ppm = 1000\n\
         probation = {PROBATION}\n\
         bids_per_task = {ASKED}\n\
         [chain]\npoll_millis = 50\n\
         [limits]\ntasks_per_key = 100000\nframes_per_second = 1000\nframe_burst = 2000\n"
    )
}
