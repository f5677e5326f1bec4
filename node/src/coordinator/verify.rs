//! Verifications: each is put to the market's verifiers that this node asks ([`fog_jury::Panel`]),
//! a few at once. What could not be decided is tried again as long as signatures could still count;
//! nobody is slashed for a fault of this node or of a verifier.

use std::{collections::HashMap, sync::Arc, time::Duration};

use fog_jury::{
    Ballots, Case, Decision, Found, Materials, Matter, NoDecision, Question, Stage, ringer,
};
use fog_protocol::{
    Address, Hash32, Listing, Nano, RATE_ONE, Reveal, TaskId,
    api::{REVEAL_CONTEXT, seal_context},
};
use fog_verifier::{AuditBasis, Conclusion, Judgement, rehydrate};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::Command;
use crate::{
    NodeError,
    shared::{Counters, Shared},
    store::{Ballot, Kind},
};

/// First pause before another try; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Pauses grow to this, or to a part of the time that is left where that is more: who waits for a
/// week need not be asked twice a minute.
const LONG_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause, and the part of what is left.
const MAX_PAUSE: Duration = Duration::from_secs(600);
const PARTS: u64 = 64;
/// Seconds that signatures need to reach the chain, at most a quarter of the time for the verdict.
const SENDING_SECONDS: u64 = 15;

/// What verifiers are to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// Is the result right?
    Result {
        /// Why it is checked, or not.
        basis: AuditBasis,
        /// The rate the draw was made at, in parts per million.
        rate_ppm: u32,
    },
    /// That nothing was handed over.
    Undelivered,
}

/// What is to be verified.
#[derive(Debug, Clone)]
pub(super) struct VerifyJob {
    pub(super) task: TaskId,
    pub(super) listing: Listing,
    pub(super) worker: Address,
    pub(super) stake: Address,
    pub(super) price: Nano,
    pub(super) commitment: Hash32,
    /// Last second at which the verifiers' signatures count: the task's own deadline.
    pub(super) valid_until: u32,
    /// Chain time by which they are of use.
    pub(super) decide_by: u64,
    pub(super) asked: Asked,
    /// Whom it waits behind.
    pub(super) lane: Lane,
}

/// What a verification waits for. Who is caught brings up to 64 results to be run again; with one
/// queue for all, the verdicts of others would come too late behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// A verdict, or the ruling of a dispute: as many at once as there are runners.
    Due,
    /// A result that was accepted, looked at again: one at a time.
    Recheck,
}

impl VerifyJob {
    const fn stage(&self) -> Stage {
        match self.asked {
            Asked::Result { basis: AuditBasis::Disputed, .. } => Stage::Ruling,
            Asked::Result { .. } | Asked::Undelivered => Stage::Verdict,
        }
    }

    /// Chain time after which signatures would come too late.
    fn last_try(&self) -> u64 {
        let quarter = u64::from(self.listing.durations.verdict / 4);
        self.decide_by.saturating_sub(quarter.min(SENDING_SECONDS))
    }
}

/// The verifications under way; at most one a task.
pub(super) struct Verifications {
    shared: Arc<Shared>,
    slots: Arc<Semaphore>,
    rechecks: Arc<Semaphore>,
    running: HashMap<TaskId, CancellationToken>,
    threads: TaskTracker,
}

impl Verifications {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let slots = Arc::new(Semaphore::new(shared.config.runner.parallel.max(1)));
        let rechecks = Arc::new(Semaphore::new(1));
        Self { shared, slots, rechecks, running: HashMap::new(), threads: TaskTracker::new() }
    }

    /// Begins a verification; an earlier one of the same task is given up.
    pub(super) fn begin(&mut self, job: VerifyJob) {
        let stop = CancellationToken::new();
        if let Some(earlier) = self.running.insert(job.task, stop.clone()) {
            earlier.cancel();
        }
        let shared = Arc::clone(&self.shared);
        let slots = Arc::clone(match job.lane {
            Lane::Due => &self.slots,
            Lane::Recheck => &self.rechecks,
        });
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
    let task = job.task;
    let mut tried = Tried::default();
    let mut pause = FIRST_PAUSE;
    let last_try = job.last_try();
    let reason = loop {
        let Ok(slot) = slots.acquire().await else { return };
        Counters::count(&shared.counters.verifications);
        let attempt = tried.attempt(&shared, &job).await;
        drop(slot);
        let undecided = match attempt {
            Ok(command) => {
                // Fails only when the node stops: it is verified again at the next start.
                drop(shared.coordinator.tell(command).await);
                return;
            }
            Err(undecided) => undecided,
        };
        Counters::count(&shared.counters.undecided);
        let reason = undecided.reason;
        tracing::warn!(%task, %reason, "a verification was not decided");
        if undecided.dispute != Dispute::None {
            let command = Command::Contested { task, reason: reason.clone() };
            drop(shared.coordinator.tell(command).await);
        }
        if undecided.dispute == Dispute::Final {
            break reason;
        }
        let Some(wait) = until_next_try(pause, shared.clock.now(), last_try) else { break reason };
        tokio::time::sleep(wait).await;
        pause = (pause * 2).min(MAX_PAUSE);
    };
    drop(shared.coordinator.tell(Command::Undecided { task, reason }).await);
}

/// How long to wait before the next try, at chain time `now`; none if it would come too late.
fn until_next_try(pause: Duration, now: u64, last_try: u64) -> Option<Duration> {
    let left = last_try.checked_sub(now).filter(|left| *left > 0)?;
    let longest = Duration::from_secs(left / PARTS).clamp(LONG_PAUSE, MAX_PAUSE);
    Some(pause.min(longest).min(Duration::from_secs(left)))
}

/// Do verifiers contradict each other, or one of them itself?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dispute {
    None,
    Open,
    /// So many that no verdict can come any more.
    Final,
}

/// No verdict yet.
struct Undecided {
    dispute: Dispute,
    reason: String,
}

impl From<String> for Undecided {
    fn from(reason: String) -> Self {
        Self { dispute: Dispute::None, reason }
    }
}

fn inside(error: impl std::fmt::Display) -> Undecided {
    error.to_string().into()
}

/// What is there from the tries before: who answered is not asked again.
#[derive(Default)]
struct Tried {
    ballots: Ballots,
}

impl Tried {
    /// One try; an accepted result's bytes are stored before the verdict is told.
    async fn attempt(
        &mut self,
        shared: &Arc<Shared>,
        job: &VerifyJob,
    ) -> Result<Command, Undecided> {
        // Read anew for each try, and let go of after it: as many are in memory as are being tried.
        let case = shared.cases.hold(case(shared, job).await?);
        let needed = match job.stage() {
            Stage::Verdict => shared.chain.market().threshold,
            // Rare enough to be read: governance may have changed the market's since the task opened.
            Stage::Ruling => {
                let place = fog_contracts::rail::place_of(&job.listing).map_err(inside)?;
                shared.chain.appeal_of(&place).await.map_err(inside)?
            }
        };
        let ballots = self.ballots.clone();
        let decided = shared.panel.decide(Arc::clone(&case), needed.into(), ballots).await;
        let decision = decided.map_err(|missed| {
            self.ballots = missed.ballots;
            let dispute = match (missed.why, missed.is_hopeless) {
                (_, true) => Dispute::Final,
                (NoDecision::Split, false) => Dispute::Open,
                (NoDecision::TooFew, false) => Dispute::None,
            };
            Undecided { dispute, reason: missed.reason }
        })?;
        let ballot =
            Ballot { valid_until: job.valid_until, signatures: decision.signatures.clone() };
        if decision.found == Found::Undelivered {
            return Ok(Command::Undelivered { task: job.task, ballot });
        }
        let judgement = Box::new(judgement(job, &decision)?);
        if let (Judgement::Accepted(_), Matter::Result { .. }) =
            (judgement.as_ref(), &case.question.matter)
        {
            let (keeper, kept) = (Arc::clone(shared), Arc::clone(&case));
            let stored = tokio::task::spawn_blocking(move || keep(&keeper, &kept)).await;
            stored.map_err(inside)?.map_err(inside)?;
            plant(shared, &case);
        }
        Ok(Command::Judged { judgement, ballot })
    }
}

/// The witness of what k of n verifiers found: their evidence is checked against the listing again.
fn judgement(job: &VerifyJob, decision: &Decision) -> Result<Judgement<Conclusion>, Undecided> {
    let evidence = decision.evidence.clone().ok_or_else(|| "no evidence".to_owned())?;
    rehydrate(evidence, &job.listing).map_err(inside)
}

fn keep(shared: &Shared, case: &Case) -> Result<(), NodeError> {
    let Matter::Result { reveal, .. } = &case.question.matter else { return Ok(()) };
    shared.store.files().put(Kind::Result, &reveal.task.0, &reveal.output)
}

/// Reads and opens what the verifiers are asked about.
async fn case(shared: &Arc<Shared>, job: &VerifyJob) -> Result<Case, Undecided> {
    let matter = match &job.asked {
        Asked::Undelivered => Matter::Undelivered,
        Asked::Result { basis, rate_ppm } => Matter::Result {
            reveal: Box::new(reveal(shared, job.task).await?),
            commit: shared.store.signed_commit(&job.task).await.map_err(inside)?.map(Box::new),
            basis: basis.clone(),
            rate_ppm: *rate_ppm,
            stage: job.stage(),
        },
    };
    let epoch = match (&job.asked, job.listing.named_epoch()) {
        (Asked::Result { basis, .. }, Some(named)) if basis.seed().is_some() => {
            let known = shared.store.epoch(named.number).await.map_err(inside)?;
            known.and_then(|(epoch, _)| epoch.signed).map(Box::new)
        }
        _ => None,
    };
    let opening = match &job.asked {
        // Elsewhere the contract shows which commitment came before the nonce.
        Asked::Result { basis, .. }
            if basis.nonce().is_some() && !job.listing.rail.has_contract() =>
        {
            shared.store.opening(&job.task).await.map_err(inside)?.map(Box::new)
        }
        _ => None,
    };
    let question = Question {
        listing: job.listing.clone(),
        worker: job.worker,
        stake: job.stake,
        price: job.price,
        commitment: job.commitment,
        valid_until: job.valid_until,
        matter,
        epoch,
        opening,
    };
    let mut blobs = HashMap::new();
    for blob in question.blobs() {
        let bytes = shared.store.blob(blob).await.map_err(inside)?;
        blobs.extend(bytes.map(|bytes| (blob.hash, bytes)));
    }
    let found = |blob: &fog_protocol::BlobRef| {
        Ok::<_, std::convert::Infallible>(blobs.get(&blob.hash).cloned())
    };
    let Ok(gathered) = Materials::gather(&question, found);
    let materials = gathered.map_err(|missing| format!("{} blobs are gone", missing.len()))?;
    Ok(Case { question, materials })
}

async fn reveal(shared: &Arc<Shared>, task: TaskId) -> Result<Reveal, Undecided> {
    let store = &shared.store;
    let (_, bytes) = store
        .submission(&task)
        .await
        .map_err(inside)?
        .ok_or_else(|| "the submission is not stored".to_owned())?;
    let sealed = store
        .with_files(move |files| files.get(Kind::Submission, &task.0, bytes))
        .await
        .map_err(inside)?
        .ok_or_else(|| "the submission's file is gone".to_owned())?;
    let shared = Arc::clone(shared);
    tokio::task::spawn_blocking(move || {
        let context = seal_context(REVEAL_CONTEXT, &task);
        let opened = shared.seal_key.open(&context, &sealed).map_err(inside)?;
        borsh::from_slice(&opened).map_err(inside)
    })
    .await
    .map_err(inside)?
}

/// Now and then a planted result follows a real one.
fn plant(shared: &Arc<Shared>, case: &Arc<Case>) {
    let mut random = [0; 32];
    if getrandom::fill(&mut random).is_err() {
        return;
    }
    let dice = u32::from_le_bytes([random[0], random[1], random[2], random[3]]);
    let share = u64::from(shared.config.ringer_ppm.min(RATE_ONE));
    if u64::from(dice) * u64::from(RATE_ONE) >= share << 32 {
        return;
    }
    let (shared, case) = (Arc::clone(shared), Arc::clone(case));
    tokio::spawn(async move {
        let maker = Arc::clone(&shared);
        let forging = tokio::task::spawn_blocking(move || {
            ringer::forge(&case, &maker.executor, &Hash32::of(&random))
        });
        match forging.await {
            Ok(Ok(Some(ringer))) => {
                Counters::count(&shared.counters.ringers);
                shared.panel.test(ringer).await;
            }
            Ok(Ok(None)) | Err(_) => {}
            Ok(Err(error)) => tracing::debug!(%error, "no ringer was planted"),
        }
    });
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// When it is tried, by a clock that only these pauses move.
    fn tries(last_try: u64) -> Vec<Duration> {
        let (mut now, mut pause) = (Duration::ZERO, FIRST_PAUSE);
        let mut tries = vec![now];
        while let Some(wait) = until_next_try(pause, now.as_secs(), last_try) {
            now += wait;
            pause = (pause * 2).min(MAX_PAUSE);
            tries.push(now);
        }
        tries
    }

    #[test]
    fn what_cannot_be_decided_now_is_tried_until_its_signatures_would_come_too_late() {
        for last_try in [1, 10, 600, 3_600, 86_400, 7 * 86_400_u64] {
            let tries = tries(last_try);
            let most = Duration::from_secs((last_try / 64).clamp(30, 600));
            assert!(tries.windows(2).all(|pair| pair[1] - pair[0] <= most), "{last_try}");
            let last = *tries.last().unwrap();
            let second = Duration::from_secs(1);
            assert!(last.abs_diff(Duration::from_secs(last_try)) <= second, "{last_try} {last:?}");
            assert!(tries.len() < 2_000, "{}", tries.len());
        }
        assert_eq!(until_next_try(FIRST_PAUSE, 11, 10), None);
    }
}
