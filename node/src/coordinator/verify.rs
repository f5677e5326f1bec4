//! Verifications: each in a thread of its own, a few at once, guests in child processes. What
//! could not be decided is tried again; nobody is slashed for a fault of this node.

use std::{collections::HashMap, sync::Arc, time::Duration};

use fog_protocol::{
    Address, Hash32, Listing, Reveal, TaskId,
    api::{REVEAL_CONTEXT, seal_context},
};
use fog_verifier::{AuditBasis, Judgement, Submission, Work, verify};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::Command;
use crate::{
    NodeError,
    shared::{Counters, Shared},
    store::Kind,
};

/// First pause before another try; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// What is to be verified.
#[derive(Debug, Clone)]
pub(super) struct VerifyJob {
    pub(super) task: TaskId,
    pub(super) listing: Listing,
    pub(super) worker: Address,
    pub(super) commitment: Hash32,
    pub(super) basis: AuditBasis,
    pub(super) rate_ppm: u32,
}

/// The verifications under way; at most one a task.
pub(super) struct Verifications {
    shared: Arc<Shared>,
    slots: Arc<Semaphore>,
    running: HashMap<TaskId, CancellationToken>,
    threads: TaskTracker,
}

impl Verifications {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let slots = Arc::new(Semaphore::new(shared.config.runner.parallel.max(1)));
        Self { shared, slots, running: HashMap::new(), threads: TaskTracker::new() }
    }

    /// Begins a verification; an earlier one of the same task is given up.
    pub(super) fn begin(&mut self, job: VerifyJob) {
        let stop = CancellationToken::new();
        if let Some(earlier) = self.running.insert(job.task, stop.clone()) {
            earlier.cancel();
        }
        let shared = Arc::clone(&self.shared);
        let slots = Arc::clone(&self.slots);
        self.threads.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = run(shared, slots, job) => {}
            }
        });
    }

    /// The task has ended, or has its verdict.
    pub(super) fn end(&mut self, task: &TaskId) {
        if let Some(stop) = self.running.remove(task) {
            stop.cancel();
        }
    }

    /// Gives all up; they begin anew at the next start.
    pub(super) async fn stop(&mut self) {
        for (_, stop) in self.running.drain() {
            stop.cancel();
        }
        self.threads.close();
        self.threads.wait().await;
    }
}

async fn run(shared: Arc<Shared>, slots: Arc<Semaphore>, job: VerifyJob) {
    let job = Arc::new(job);
    let mut pause = FIRST_PAUSE;
    let mut reason = String::new();
    for _ in 0..shared.config.runner.attempts.max(1) {
        let Ok(slot) = slots.acquire().await else { return };
        Counters::count(&shared.counters.verifications);
        let attempt = attempt(&shared, &job).await;
        drop(slot);
        match attempt {
            Ok(judgement) => {
                let judgement = Box::new(judgement);
                // Fails only when the node stops: it is verified again at the next start.
                drop(shared.coordinator.tell(Command::Judged { judgement }).await);
                return;
            }
            Err(undecided) => {
                Counters::count(&shared.counters.undecided);
                let task = job.task;
                tracing::warn!(%task, reason = %undecided, "a verification was not decided");
                reason = undecided;
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
    drop(shared.coordinator.tell(Command::Undecided { task: job.task, reason }).await);
}

/// One try; an accepted result's bytes are stored before the verdict is told.
async fn attempt(
    shared: &Arc<Shared>,
    job: &Arc<VerifyJob>,
) -> Result<Judgement<Submission>, String> {
    let inside = |error: NodeError| error.to_string();
    let store = &shared.store;
    let (_, bytes) =
        store.submission(&job.task).await.map_err(inside)?.ok_or("the submission is not stored")?;
    let task = job.task;
    let sealed = store
        .with_files(move |files| files.get(Kind::Submission, &task.0, bytes))
        .await
        .map_err(inside)?
        .ok_or("the submission's file is gone")?;
    let mut program = Vec::new();
    for blob in job.listing.program.blobs() {
        program.push(store.blob(blob).await.map_err(inside)?.ok_or("a program blob is gone")?);
    }
    let input = store.blob(job.listing.input).await.map_err(inside)?.ok_or("the input is gone")?;
    let key = match job.listing.policy.file() {
        None => None,
        Some(file) => {
            Some(store.blob(file).await.map_err(inside)?.ok_or("the policy's file is gone")?)
        }
    };
    let (shared, job) = (Arc::clone(shared), Arc::clone(job));
    tokio::task::spawn_blocking(move || {
        let context = seal_context(REVEAL_CONTEXT, &job.task);
        let opened = shared.seal_key.open(&context, &sealed).map_err(|error| error.to_string())?;
        let reveal: Reveal = borsh::from_slice(&opened).map_err(|error| error.to_string())?;
        let submission = Submission::open(reveal, &job.listing, job.worker, job.commitment)
            .map_err(|error| error.to_string())?;
        let work = Work {
            listing: &job.listing,
            program: &program,
            input: &input,
            key: key.as_deref(),
            basis: job.basis.clone(),
            rate_ppm: job.rate_ppm,
        };
        let judgement =
            verify(&work, submission, &shared.executor).map_err(|error| error.to_string())?;
        if let Judgement::Accepted(verified) = &judgement {
            let output = verified.value().output();
            let files = shared.store.files();
            files.put(Kind::Result, &job.task.0, output).map_err(|error| error.to_string())?;
        }
        Ok(judgement)
    })
    .await
    .map_err(|_| "the verification's thread failed".to_owned())?
}
