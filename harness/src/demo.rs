//! The demo: a word count by workers nobody trusts, one of whom cheats.

mod check;
mod job;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::{Duration, Instant},
};

use fog_contracts::stake::StakeData;
use fog_protocol::{Nano, PublicInput};
use fog_requestor::{Openings, Requestor};
use fog_wallet::UnlockedWallet;

use crate::{
    Behaviour, LocalNetwork, NetworkError, NetworkOptions, Report, Timing, WorkerProcess,
    WorkerReport, WorkerSpec, ledger::Ledger, network::BURN,
};
use job::Job;

/// What every worker puts at stake.
const STAKE: Nano = Nano::grams(20);
/// How long the whole demo may take before it is called failed.
const PATIENCE: Duration = Duration::from_secs(150);
const POLL: Duration = Duration::from_millis(100);
/// A worker's first results that are always checked.
const PROBATION: u32 = 2;

/// A proof task: a circom circuit and what it is to prove.
#[derive(Debug, Clone)]
pub struct ProofWork {
    /// snarkjs' `.zkey`.
    pub zkey: Vec<u8>,
    /// circom's witness calculator.
    pub witness: Vec<u8>,
    /// snarkjs' `verification_key.json`.
    pub key: Vec<u8>,
    /// `input.json`.
    pub input: Vec<u8>,
    /// Its public inputs.
    pub publics: Vec<PublicInput>,
}

/// A task whose contract checks the proof.
#[derive(Debug, Clone)]
pub struct CircuitWork {
    /// The circuit's verifying key.
    pub key: Vec<u8>,
    /// Its input.
    pub input: Vec<u8>,
    /// What must come out.
    pub result: Vec<u8>,
}

impl CircuitWork {
    /// The circuit that ships, `score`, with the keys of local networks: the twelve weights 1 to 12,
    /// and a year's features.
    ///
    /// # Errors
    /// [`NetworkError::Setup`] if the program has no such circuit.
    pub fn score() -> Result<Self, NetworkError> {
        let missing = || NetworkError::Setup("the circuit `score` does not ship".to_owned());
        let program = fog_circuits::program("score").ok_or_else(missing)?;
        let key = fog_circuits::local_verifying_key(program).ok_or_else(missing)?.to_vec();
        let features = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31_u16];
        let input: Vec<u8> = (1..=12_u16).chain(features).flat_map(u16::to_be_bytes).collect();
        let setup = |error: fog_circuits::InputError| NetworkError::Setup(error.to_string());
        let result = program.run(&input).map_err(setup)?;
        Ok(Self { key, input, result })
    }
}

/// What the demo is to do.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Chunks the text is split into.
    pub tasks: u32,
    /// Workers, cheaters included.
    pub workers: u32,
    /// How many of them cheat.
    pub cheaters: u32,
    /// Audit rate of the listings, in parts per million.
    pub rate_ppm: u32,
    /// Same seed, same matching and same draws.
    pub seed: u64,
    /// The text.
    pub text: Vec<u8>,
    /// The word-counting module.
    pub guest: Vec<u8>,
    /// The proof task.
    pub proof: ProofWork,
    /// The task that its contract settles by a proof.
    pub circuit: CircuitWork,
    /// The network's files.
    pub data: PathBuf,
    /// The `fog` program.
    pub program: PathBuf,
}

/// What is going on.
#[derive(Debug, Clone)]
pub enum Progress {
    /// Something happened.
    Line(String),
    /// So many tasks of so many have ended.
    Tasks(u64, u64),
}

/// Told what is going on.
pub type Watch<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// Why the demo could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Posting, paying or fetching.
    #[error(transparent)]
    Requestor(#[from] fog_requestor::RequestorError),
    /// The node.
    #[error(transparent)]
    Node(#[from] fog_requestor::NodeError),
    /// The chain's client.
    #[error(transparent)]
    Client(#[from] fog_chain::ChainError),
    /// The chain.
    #[error(transparent)]
    Chain(#[from] fog_testnet::toncenter::ServerError),
    /// Reading the chain's history.
    #[error(transparent)]
    History(#[from] fog_testnet::chain::ChainError),
    /// It took too long.
    #[error("the demo did not come to its end in time: {0}")]
    TooLong(String),
    /// A worker process ended by itself.
    #[error("{0} ended by itself ({1}): see its log in the data folder")]
    WorkerDied(String, String),
}

/// Runs the demo and reports. An error means that it could not be run to its end; whether what
/// happened was right is in the report.
///
/// # Errors
/// [`DemoError`].
pub async fn run(options: &DemoOptions, watch: Watch<'_>) -> Result<Report, DemoError> {
    let deadline = Instant::now() + PATIENCE;
    let say = |line: String| watch(Progress::Line(line));
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let network = LocalNetwork::start(&NetworkOptions {
        data: options.data.clone(),
        seed: options.seed,
        workers: options.workers,
        node: local,
        chain: local,
        timing: Timing::DEMO,
        program: options.program.clone(),
        probation: PROBATION,
        verifiers: crate::Verifiers::InNode,
        pledge: Nano::ZERO,
        jettons: Vec::new(),
        claim_from: crate::CLAIM_FROM,
    })
    .await?;
    say(format!("chain   {}  (embedded, LOCAL ONLY)", network.local.endpoint()));
    say(format!("node    {}", network.api.url()));
    say(format!("market  {}", network.local.market));
    let mut workers = start_workers(options, &network).await?;
    wait_online(&network, &mut workers, deadline).await?;
    say(format!(
        "{} workers online, {STAKE} at stake each; {} of them will cheat",
        options.workers, options.cheaters
    ));
    let before = stakes(&network).await?;
    let requestor = Requestor {
        node: network.api.clone(),
        chain: network.local.client.clone(),
        wallet: UnlockedWallet {
            wallet: network.local.accounts.requestor.wallet.wallet.clone(),
            key: network.local.accounts.requestor.wallet.key.clone(),
        },
        openings: Openings::in_memory(),
    };
    let mut job = Job::new(options, &requestor, watch);
    while job.post_next().await? {
        job.follow(deadline, &mut workers).await?;
    }
    say("the unmet task: skipping its bidding time on the chain's clock".to_owned());
    network.local.chain.warp(Timing::DEMO.task.bid + 1).await?;
    job.follow_unmet(deadline).await?;
    job.complete_views(deadline).await?;
    let result = job.collect().await?;
    let after = stakes(&network).await?;
    for worker in workers {
        worker.process.stop().await;
    }
    let report = report(options, &network, job, result, &before, &after).await?;
    network.shutdown().await;
    Ok(report)
}

/// A worker process with its name.
pub(crate) struct Named {
    name: String,
    process: WorkerProcess,
}

impl Named {
    fn check(&mut self) -> Result<(), DemoError> {
        match self.process.ended()? {
            None => Ok(()),
            Some(status) => Err(DemoError::WorkerDied(self.name.clone(), status.to_string())),
        }
    }
}

/// The cheaters are the last ones.
const fn conduct(options: &DemoOptions, index: usize) -> Behaviour {
    if index + options.cheaters as usize >= options.workers as usize {
        Behaviour::WrongResults
    } else {
        Behaviour::Honest
    }
}

async fn start_workers(
    options: &DemoOptions,
    network: &LocalNetwork,
) -> Result<Vec<Named>, DemoError> {
    let mut workers = Vec::new();
    for index in 0..network.local.accounts.workers.len() {
        let spec = WorkerSpec {
            index,
            stake: STAKE,
            conduct: conduct(options, index),
            min_price: None,
            slots: 64,
            program: options.program.clone(),
            data: options.data.join("workers"),
            seed: options.seed,
        };
        let process = WorkerProcess::start(&network.local, network.api.url(), &spec).await?;
        let name = network.local.accounts.workers[index].role.clone();
        workers.push(Named { name, process });
    }
    Ok(workers)
}

async fn wait_online(
    network: &LocalNetwork,
    workers: &mut [Named],
    deadline: Instant,
) -> Result<(), DemoError> {
    loop {
        let online = network.api.workers().await?.iter().filter(|worker| worker.online).count();
        if online >= workers.len() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let count = workers.len();
            return Err(DemoError::TooLong(format!("{online} of {count} workers came online")));
        }
        workers.iter_mut().try_for_each(Named::check)?;
        tokio::time::sleep(POLL).await;
    }
}

/// What every worker's stake contract holds.
async fn stakes(network: &LocalNetwork) -> Result<Vec<StakeData>, DemoError> {
    let mut stakes = Vec::new();
    for worker in &network.local.accounts.workers {
        let address = network.local.stake_of(worker.address())?;
        let data = network.local.client.account(&address).await?.data.unwrap_or_default();
        stakes.push(StakeData::parse(&data).map_err(NetworkError::from)?);
    }
    Ok(stakes)
}

async fn report(
    options: &DemoOptions,
    network: &LocalNetwork,
    job: Job<'_>,
    result: job::Collected,
    before: &[StakeData],
    after: &[StakeData],
) -> Result<Report, DemoError> {
    let workers: Vec<_> = network
        .local
        .accounts
        .workers
        .iter()
        .enumerate()
        .zip(before.iter().zip(after))
        .map(|((index, account), (before, after))| WorkerReport {
            id: account.address(),
            honest: conduct(options, index) == Behaviour::Honest,
            stake_before_nano: before.stake,
            stake_after_nano: after.stake,
            earned_nano: after.earnings,
            slashed_nano: before.stake.saturating_sub(after.stake),
        })
        .collect();
    let stakes = network
        .local
        .accounts
        .workers
        .iter()
        .map(|worker| network.local.stake_of(worker.address()))
        .collect::<Result<_, _>>()?;
    let ledger = Ledger {
        market: network.local.market,
        stakes,
        bond: network.local.bond()?,
        escrows: job.escrows(),
        treasury: network.local.accounts.treasury.address(),
        burn: BURN,
    };
    let (money, totals) = network
        .local
        .chain
        .with(move |chain| ledger.read(chain).map(|money| (money, chain.totals())))
        .await??;
    let mut report = Report {
        ok: false,
        seed: options.seed,
        network: crate::NetworkReport { blocks: totals.blocks, transactions: totals.transactions },
        tasks: job.reports(),
        workers,
        money,
        result: result.report,
        failures: result.failures,
    };
    check::check(&mut report);
    Ok(report)
}
