//! A worker of a scenario: in this process, or a process of its own where it is to be killed.

use std::sync::{Arc, Mutex, PoisonError};

use fog_protocol::Nano;
use fog_wallet::TESTNET;
use fog_worker::{
    Behaviour, ChainConfig, Pricing, Shutdown, Speed, Worker, WorkerConfig, WorkerEvent,
    WorkerHandle, WorkerLimits,
};
use tokio::task::JoinHandle;

use crate::{
    LocalChain, NetworkOptions, WorkerProcess, WorkerSpec,
    scenario::{
        ScenarioError,
        format::{Manner, WorkerDef},
        values::Share,
    },
    workers::session_key,
};

/// What workers of this process count on, so that nothing depends on how busy the machine is.
const SPEED: Speed = Speed { fuel_per_second: 200_000_000, proof_seconds: 60 };

/// What a worker of this process said.
#[derive(Debug, Default)]
struct Said {
    /// Worth telling, and not told yet.
    notes: Vec<String>,
    /// Has it read the chain?
    ready: bool,
}

type Notes = Arc<Mutex<Said>>;

#[derive(Debug)]
enum Running {
    Inside(JoinHandle<()>, tokio::sync::mpsc::Sender<Shutdown>),
    Process(WorkerProcess),
    Not,
}

/// A worker's place.
#[derive(Debug)]
pub(crate) struct Seat {
    index: usize,
    def: WorkerDef,
    own_process: bool,
    staked: bool,
    running: Running,
    notes: Notes,
}

fn failed(error: impl std::fmt::Display) -> ScenarioError {
    ScenarioError::Worker(error.to_string())
}

impl Seat {
    pub(crate) fn new(index: usize, def: WorkerDef, killed: bool) -> Self {
        Self {
            index,
            def,
            own_process: killed,
            staked: false,
            running: Running::Not,
            notes: Notes::default(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.def.name
    }

    pub(crate) const fn def(&self) -> &WorkerDef {
        &self.def
    }

    pub(crate) const fn runs(&self) -> bool {
        !matches!(self.running, Running::Not)
    }

    /// What it said since the last call.
    pub(crate) fn take_notes(&self) -> Vec<String> {
        let mut said = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut said.notes)
    }

    /// Can it bid? Of a process it is not known.
    pub(crate) fn is_ready(&self) -> bool {
        match self.running {
            Running::Inside(..) => self.notes.lock().unwrap_or_else(PoisonError::into_inner).ready,
            Running::Process(_) | Running::Not => true,
        }
    }

    /// Did its process end by itself?
    pub(crate) fn check(&mut self) -> Result<(), ScenarioError> {
        let Running::Process(process) = &mut self.running else { return Ok(()) };
        match process.ended()? {
            None => Ok(()),
            Some(status) => Err(failed(format!("{} ended by itself ({status})", self.def.name))),
        }
    }

    pub(crate) async fn start(
        &mut self,
        options: &NetworkOptions,
        local: &LocalChain,
        node: &str,
        endpoint: &str,
    ) -> Result<(), ScenarioError> {
        if self.runs() {
            return Ok(());
        }
        let account = local
            .accounts
            .workers
            .get(self.index)
            .ok_or_else(|| failed("there is no such account"))?;
        let session = session_key(options.seed, &account.role);
        if !self.staked {
            let (client, market) = (&local.client, local.market);
            let amount = self.def.stake.0;
            fog_worker::staking::stake(client, &account.wallet, market, amount, &session.public())
                .await
                .map_err(failed)?;
            self.staked = true;
        }
        if self.own_process {
            let process = WorkerProcess::resume_at(local, node, endpoint, &self.spec(options))?;
            self.running = Running::Process(process);
            return Ok(());
        }
        let config = WorkerConfig {
            node_url: node.to_owned(),
            node_id: None,
            chain: ChainConfig { endpoint: endpoint.to_owned(), api_key: None, network: TESTNET },
            market: local.market,
            owner: account.address(),
            stake: local.stake_of(account.address())?,
            session,
            data_dir: options.data.join("workers").join(&account.role).join("journal"),
            runner: Some(options.program.clone()),
            circuits: None,
            provers: std::collections::BTreeMap::new(),
            limits: WorkerLimits { slots: self.def.slots, parallel: 1, ..WorkerLimits::default() },
            pricing: Pricing {
                base: self.def.price.0,
                per_gigafuel: Nano::ZERO,
                proof: None,
                ..Pricing::default()
            },
            speed: Some(SPEED),
            behaviour: behaviour(&self.def),
        };
        let handle = Worker::start(config).await.map_err(failed)?;
        let (stop, stopped) = tokio::sync::mpsc::channel(1);
        let (name, notes) = (self.def.name.clone(), Arc::clone(&self.notes));
        let listener = tokio::spawn(listen(handle, stopped, name, notes));
        self.running = Running::Inside(listener, stop);
        Ok(())
    }

    fn spec(&self, options: &NetworkOptions) -> WorkerSpec {
        WorkerSpec {
            index: self.index,
            stake: self.def.stake.0,
            conduct: if self.def.manner.is_honest() {
                Behaviour::Honest
            } else {
                Behaviour::WrongResults
            },
            min_price: None,
            slots: self.def.slots,
            program: options.program.clone(),
            data: options.data.join("workers"),
            seed: options.seed,
        }
    }

    /// Kills it, as a power cut does.
    pub(crate) async fn kill(&mut self) -> Result<(), ScenarioError> {
        match std::mem::replace(&mut self.running, Running::Not) {
            Running::Process(process) => Ok(process.kill().await?),
            Running::Inside(listener, stop) => {
                self.running = Running::Inside(listener, stop);
                Err(failed(format!("{} runs in this process", self.def.name)))
            }
            Running::Not => {
                Err(ScenarioError::Impossible(format!("{} is not running", self.def.name)))
            }
        }
    }

    pub(crate) async fn stop(&mut self) {
        match std::mem::replace(&mut self.running, Running::Not) {
            Running::Process(process) => {
                if let Err(error) = process.kill().await {
                    tracing::warn!(%error, "a worker could not be killed");
                }
            }
            Running::Inside(listener, stop) => {
                // A worker that is gone needs no telling.
                let _ = stop.send(Shutdown::Fast).await;
                if listener.await.is_err() {
                    tracing::warn!("a worker broke off");
                }
            }
            Running::Not => {}
        }
    }
}

fn behaviour(def: &WorkerDef) -> Behaviour {
    match def.manner {
        Manner::Honest => Behaviour::Honest,
        Manner::WrongResults if def.cheats == Share::ALL => Behaviour::WrongResults,
        Manner::WrongResults => Behaviour::Sometimes(def.cheats.0),
        Manner::NoWork => Behaviour::NoWork,
        Manner::Colluding => Behaviour::Colluding,
        Manner::Silent => Behaviour::Silent,
        Manner::NeverReveals => Behaviour::NeverReveals,
    }
}

/// Follows a worker until it stops; keeps what is worth telling.
async fn listen(
    mut handle: WorkerHandle,
    mut stopped: tokio::sync::mpsc::Receiver<Shutdown>,
    name: String,
    notes: Notes,
) {
    loop {
        tokio::select! {
            how = stopped.recv() => {
                handle.shutdown(how.unwrap_or(Shutdown::Fast));
                break;
            }
            event = handle.next_event() => match event {
                Some(event) => note(&event, &name, &notes),
                None => break,
            },
        }
    }
    if let Err(error) = handle.join().await {
        tracing::warn!(%error, "a worker did not stop cleanly");
    }
}

fn note(event: &WorkerEvent, name: &str, notes: &Notes) {
    let mut said = notes.lock().unwrap_or_else(PoisonError::into_inner);
    let told = match event {
        WorkerEvent::Stake { .. } => {
            said.ready = true;
            false
        }
        // On starting it has not read the chain yet: no news.
        WorkerEvent::NotBidding { .. } => said.ready,
        WorkerEvent::Abandoned { .. }
        | WorkerEvent::Refused { .. }
        | WorkerEvent::NodeError { .. } => true,
        _ => false,
    };
    if told {
        said.notes.push(format!("{name}: {event}"));
    }
}
