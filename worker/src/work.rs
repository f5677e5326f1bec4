//! The two long jobs of a task: doing it, and handing in its result. Each runs in a task of its
//! own, is cancelled with it, and tells the agent how it went.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fog_contracts::{channel::ChannelData, proof};
use fog_protocol::{
    Address, GiveUpCause, GivenUp, GuestExit, Hash32, Listing, Policy, Rail, Reveal, TaskId,
    api::Payload, gateway::WorkerFrame,
};
use fog_verifier::{Execute, ExecuteError, Execution, Provers, check_proof, produce};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep},
};

use crate::{
    adversary::Conduct,
    agent::{RailOffer, Shown},
    backoff::Backoff,
    event::WorkerEvent,
    gateway::Session,
    identity::Identity,
    journal::{JournalError, Outcome},
    node_client::{NodeClient, NodeError},
    port::{ChainPort, PortError, TaskOnChain},
    prover::{Prover, ProverError},
    store::Store,
};

/// How often the chain is asked whose a task is.
const CHAIN_LOOKS: u32 = 8;
/// How often a payload that is wrong is fetched again.
const PAYLOAD_ATTEMPTS: u32 = 3;

/// What working on tasks needs.
pub(crate) struct Context {
    pub(crate) identity: Arc<Identity>,
    pub(crate) client: NodeClient,
    pub(crate) chain: Arc<dyn ChainPort>,
    pub(crate) execute: Arc<dyn Execute>,
    pub(crate) prover: Arc<Prover>,
    /// Provers of zkVMs, of the worker's own.
    pub(crate) provers: Provers,
    pub(crate) network: i32,
    pub(crate) store: Store,
    pub(crate) session: watch::Receiver<Option<Session>>,
    pub(crate) conduct: Conduct,
    pub(crate) report: mpsc::Sender<Report>,
}

/// How a job went.
#[derive(Debug)]
pub(crate) enum Report {
    /// The program ended; its output is on disk.
    Done { task: TaskId, outcome: Outcome, took: Duration },
    /// It did not.
    Failed { task: TaskId, failure: Failure },
    /// The node has the result.
    Submitted { task: TaskId },
    /// The result is gone from the disk: the work is to be done again.
    ResultLost { task: TaskId },
    /// For people.
    Event(WorkerEvent),
    /// The earnings that an offer names, as the chain has them.
    RailOffer { offer: Box<RailOffer>, at: Option<ChannelData> },
    /// The tasks of this worker's pledges, as the chain has them.
    Pledges { seen: Vec<(TaskId, TaskOnChain)> },
    /// A voucher, or why there is none.
    Vouchers { shown: Result<Box<Shown>, String> },
}

impl Report {
    /// The task it is about, where that must still be open.
    pub(crate) const fn task(&self) -> Option<TaskId> {
        match self {
            Self::Done { task, .. }
            | Self::Failed { task, .. }
            | Self::Submitted { task }
            | Self::ResultLost { task } => Some(*task),
            Self::Event(_)
            | Self::RailOffer { .. }
            | Self::Pledges { .. }
            | Self::Vouchers { .. } => None,
        }
    }
}

/// Why work was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The chain says the task is not ours.
    NotOurs(String),
    /// The node does not give what the listing names.
    Node(String),
    /// This machine's fault; another attempt may work.
    Own(String),
    /// The program did not run to an end that can be committed to.
    Run(ExecuteError),
    /// Nobody can do it.
    Impossible(String),
    /// The disk does not take the result.
    Disk(String),
}

/// What helps against a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// This machine's fault; another attempt may work.
    Again,
    /// This machine's fault, and it would be the same again.
    OtherHost,
    /// Nothing that this machine can do.
    None,
}

impl Failure {
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::NotOurs(reason)
            | Self::Node(reason)
            | Self::Own(reason)
            | Self::Impossible(reason)
            | Self::Disk(reason) => reason.clone(),
            Self::Run(error) => error.to_string(),
        }
    }

    /// Whose fault it is, and whether another attempt may work.
    pub(crate) const fn remedy(&self) -> Remedy {
        match self {
            Self::Own(_) | Self::Disk(_) | Self::Run(ExecuteError::Sandbox(_)) => Remedy::Again,
            Self::Run(ExecuteError::TooSlow { .. }) => Remedy::OtherHost,
            Self::NotOurs(_)
            | Self::Node(_)
            | Self::Impossible(_)
            | Self::Run(ExecuteError::Refused { .. }) => Remedy::None,
        }
    }

    /// What the requestor is told. Of this machine no more than it needs: its disk and its prover
    /// are its owner's matter.
    pub(crate) fn given_up(&self) -> GivenUp {
        match self {
            Self::NotOurs(reason) => GivenUp::new(GiveUpCause::NotAssigned, reason),
            Self::Node(reason) => GivenUp::new(GiveUpCause::NoPayload, reason),
            Self::Own(_) => GivenUp::new(GiveUpCause::Host, "its own software failed"),
            Self::Disk(_) => GivenUp::new(GiveUpCause::Host, "its disk did not take the result"),
            Self::Impossible(reason) => {
                let code = "unprovable".to_owned();
                GivenUp::new(GiveUpCause::Refused { code }, reason)
            }
            Self::Run(error) => error.given_up(),
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::Disk(error.to_string())
    }
}

impl From<ExecuteError> for Failure {
    fn from(error: ExecuteError) -> Self {
        Self::Run(error)
    }
}

/// A task to be done.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) listing: Arc<Listing>,
    pub(crate) escrow: Address,
    /// When the commitment is due.
    pub(crate) due: Instant,
    pub(crate) reason: Reason,
}

/// Why a task is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It was assigned.
    Assigned,
    /// It was done and committed to, and its result is gone from the disk: the same result is
    /// needed again.
    ResultLost,
}

impl Context {
    /// Does `assignment` and reports.
    pub(crate) async fn perform(self: Arc<Self>, assignment: Assignment) {
        let task = assignment.listing.id();
        let started = Instant::now();
        let report = match self.produce(task, &assignment).await {
            Ok(outcome) => Report::Done { task, outcome, took: started.elapsed() },
            Err(failure) => Report::Failed { task, failure },
        };
        let _ = self.report.send(report).await;
    }

    async fn produce(&self, task: TaskId, assignment: &Assignment) -> Result<Outcome, Failure> {
        match (assignment.reason, assignment.listing.rail) {
            (Reason::Assigned, Rail::Escrow | Rail::Jetton { .. }) => {
                self.confirm(task, assignment).await?;
            }
            // No contract says whose it is: what it brings was covered when it was bid for.
            (Reason::Assigned, Rail::Account { .. }) | (Reason::ResultLost, _) => {}
        }
        let execution = if self.conduct.executes() {
            let payload = self.fetch(task, assignment).await?;
            self.tell(WorkerEvent::Running { task }).await;
            let execution = match assignment.listing.policy.circuit() {
                Some(key) => self.prove(assignment.escrow, key, payload.input).await?,
                None => self.run(assignment.listing.clone(), payload).await?,
            };
            self.conduct.distort(&task, execution)
        } else {
            self.conduct.invent(&assignment.listing)
        };
        let salt = self.identity.salt(&task);
        let policy = &assignment.listing.policy;
        let outcome = Outcome::new(&task, &self.identity.worker, policy, salt, &execution);
        let outcome = self.conduct.commit(outcome);
        let results = self.store.results().clone();
        let stored =
            tokio::task::spawn_blocking(move || results.store(&task, &execution.output)).await;
        stored.map_err(|_| Failure::Own("the result was not stored".into()))??;
        Ok(outcome)
    }

    /// Looks up on chain that the task is ours. If the chain cannot be asked, the bid in the
    /// journal has to do: being late would cost more than the work.
    async fn confirm(&self, task: TaskId, assignment: &Assignment) -> Result<(), Failure> {
        let mut pause = Backoff::new(Duration::from_millis(500), Duration::from_secs(5));
        let mut last = String::new();
        for _ in 0..CHAIN_LOOKS {
            match self.chain.task(assignment.escrow).await {
                // Committed to by us, and not in the journal: a part of it was lost. The same work
                // gives the same commitment.
                Ok(TaskOnChain::Assigned { worker, .. } | TaskOnChain::Committed { worker })
                    if worker == self.identity.worker =>
                {
                    return Ok(());
                }
                Ok(TaskOnChain::Assigned { worker, .. } | TaskOnChain::Committed { worker }) => {
                    let reason = format!("the chain says it is assigned to {worker}");
                    return Err(Failure::NotOurs(reason));
                }
                Ok(TaskOnChain::Later { state }) => {
                    return Err(Failure::NotOurs(format!("its escrow is {state} already")));
                }
                Ok(TaskOnChain::Unassigned) => {
                    last = "the node says it is assigned, the chain does not".into();
                }
                Err(PortError::Wrong(reason)) => return Err(Failure::NotOurs(reason)),
                Err(PortError::Unreachable(reason)) => {
                    if self.store.read(|state| state.get(&task).is_some_and(|e| e.price.get() > 0))
                    {
                        let reason = format!("{reason}; going on by the bid in the journal");
                        self.tell(WorkerEvent::Retrying { task, reason }).await;
                        return Ok(());
                    }
                    last = reason;
                }
            }
            if Instant::now() > assignment.due {
                break;
            }
            sleep(pause.next()).await;
        }
        Err(Failure::NotOurs(last))
    }

    async fn fetch(&self, task: TaskId, assignment: &Assignment) -> Result<Payload, Failure> {
        let mut pause = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
        let mut wrong = 0;
        loop {
            let node = self.node().await;
            let error = match self.client.payload(&node.node, &assignment.listing).await {
                Ok(payload) => return Ok(payload),
                Err(error) => error,
            };
            if !error.is_passing() {
                wrong += 1;
            }
            let reason = error.to_string();
            if wrong >= PAYLOAD_ATTEMPTS || Instant::now() > assignment.due {
                return Err(Failure::Node(reason));
            }
            self.tell(WorkerEvent::Retrying { task, reason }).await;
            sleep(pause.next()).await;
        }
    }

    /// Runs the program in a sandbox process, which holds no key.
    async fn run(&self, listing: Arc<Listing>, payload: Payload) -> Result<Execution, Failure> {
        // Only this: a run that outlives a stopped worker must not keep its journal open.
        let (execute, worker) = (Arc::clone(&self.execute), self.identity.worker);
        let run = move || {
            let Payload { files, input } = payload;
            let (program, key) = files.split_at(files.len().min(listing.program.blobs().len()));
            let key = key.first().map(Vec::as_slice).unwrap_or_default();
            let made = produce(&listing, program, &input, &worker, execute.as_ref())?;
            match (&listing.policy, made.exit) {
                // A prover that made a bad proof, or a listing by which no good one can be made,
                // costs the task, not the stake.
                (Policy::Receipt { .. }, _) | (Policy::Groth16 { .. }, GuestExit::Success) => {
                    checked(&listing, &worker, key, made)
                }
                _ => Ok(made),
            }
        };
        match tokio::task::spawn_blocking(run).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(Failure::Own("the execution stopped without an answer".into())),
        }
    }

    /// Proves the result: what comes out is the message that settles the task.
    async fn prove(
        &self,
        escrow: Address,
        key: Hash32,
        input: Vec<u8>,
    ) -> Result<Execution, Failure> {
        let prover = Arc::clone(&self.prover);
        let (network, stake) = (self.network, self.identity.stake);
        let context = proof::Context { network, task: escrow, stake };
        let prove = move || {
            let prove = prover.prove(&key, &context, &input)?;
            prove.to_bytes().map_err(|error| ProverError::Own(error.to_string()))
        };
        match tokio::task::spawn_blocking(prove).await {
            Ok(Ok(output)) => Ok(Execution { exit: GuestExit::Success, output, fuel_used: 0 }),
            Ok(Err(ProverError::Impossible(reason))) => Err(Failure::Impossible(reason)),
            Ok(Err(ProverError::Own(reason))) => Err(Failure::Own(reason)),
            Err(_) => Err(Failure::Own("the prover stopped without an answer".into())),
        }
    }

    /// The message with the proof of `task`, for the node.
    pub(crate) async fn proof_frame(&self, task: TaskId, outcome: Outcome) -> Option<WorkerFrame> {
        let results = self.store.results().clone();
        let loading = tokio::task::spawn_blocking(move || results.load(&task, &outcome));
        let Ok(Ok(message)) = loading.await else {
            let _ = self.report.send(Report::ResultLost { task }).await;
            return None;
        };
        Some(WorkerFrame::Prove { task, message: STANDARD.encode(message) })
    }

    /// Hands in the result of `task` and reports; goes on until it is taken or cancelled.
    pub(crate) async fn submit(self: Arc<Self>, task: TaskId, outcome: Outcome) {
        let mut pause = Backoff::new(Duration::from_millis(500), Duration::from_secs(20));
        loop {
            let results = self.store.results().clone();
            let loading = tokio::task::spawn_blocking(move || results.load(&task, &outcome));
            let Ok(Ok(output)) = loading.await else {
                let _ = self.report.send(Report::ResultLost { task }).await;
                return;
            };
            let Outcome { exit, fuel_used, salt, .. } = outcome;
            let reveal = self.conduct.reveal(Reveal { task, exit, output, fuel_used, salt });
            let node = self.node().await;
            match self.client.submit(&node.node, &node.seal_key, &reveal).await {
                Ok(()) => {
                    let _ = self.report.send(Report::Submitted { task }).await;
                    return;
                }
                Err(error) => {
                    let reason = format!("the result was not taken: {error}");
                    self.tell(WorkerEvent::Retrying { task, reason }).await;
                    if let NodeError::Dishonest(_) = error {
                        sleep(Duration::from_secs(20)).await;
                    }
                }
            }
            sleep(pause.next()).await;
        }
    }

    /// The node as of the last connection; waits for the first.
    async fn node(&self) -> Session {
        let mut session = self.session.clone();
        loop {
            if let Some(session) = *session.borrow_and_update() {
                return session;
            }
            if session.changed().await.is_err() {
                // The agent is gone, and will cancel this with it.
                std::future::pending::<()>().await;
            }
        }
    }

    async fn tell(&self, event: WorkerEvent) {
        let _ = self.report.send(Report::Event(event)).await;
    }
}

/// A proof that verifiers will take.
fn checked(
    listing: &Listing,
    worker: &Address,
    key: &[u8],
    made: Execution,
) -> Result<Execution, ExecuteError> {
    let refused = |why: String| {
        let reason = format!("verifiers would refuse it: {why}");
        match listing.policy {
            // The prover is the worker's own.
            Policy::Receipt { .. } => ExecuteError::Sandbox(reason),
            // Program, input and terms are the requestor's, and do not belong together.
            _ => ExecuteError::Refused { code: "unprovable".to_owned(), reason },
        }
    };
    match check_proof(listing, worker, key, &made.output) {
        Ok(None) => Ok(made),
        Ok(Some(code)) => Err(refused(code)),
        Err(malformed) => Err(refused(malformed.to_string())),
    }
}
