//! The job's tasks: posted in waves, followed, posted again where a result was rejected.

use std::{collections::BTreeSet, time::Instant};

use fog_protocol::{
    Address, Curve, Hash32, Nano, Policy, ResourceLimits, TaskId, TaskStatus, api::TaskView,
};
use fog_requestor::{Draft, DraftPolicy, DraftProgram, Prepared, Requestor};

use super::{DemoError, DemoOptions, Named, POLL, Progress, Watch};
use crate::{ResultReport, SettledBy, TaskReport, Timing, network::salt, workload};

/// A chunk is posted at most so often.
const MAX_ATTEMPTS: u32 = 6;
const CHUNK_PRICE: Nano = Nano::new(50_000_000);
const PROOF_PRICE: Nano = Nano::new(200_000_000);
/// Below every worker's least price.
const UNMET_PRICE: Nano = Nano::new(1_000);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Chunk(usize),
    Proof,
    /// Decided by its contract, on the ground of a proof.
    Proven,
    Unmet,
}

struct Entry {
    kind: Kind,
    attempt: u32,
    prepared: Prepared,
    nonce: Nonce,
    view: Option<TaskView>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Nonce {
    Kept,
    Opened,
}

/// The merged result, and what was wrong with its parts.
pub(crate) struct Collected {
    pub(crate) report: ResultReport,
    pub(crate) failures: Vec<String>,
}

pub(crate) struct Job<'a> {
    options: &'a DemoOptions,
    requestor: &'a Requestor,
    watch: Watch<'a>,
    entries: Vec<Entry>,
    told: BTreeSet<(TaskId, TaskStatus)>,
}

impl<'a> Job<'a> {
    pub(crate) const fn new(
        options: &'a DemoOptions,
        requestor: &'a Requestor,
        watch: Watch<'a>,
    ) -> Self {
        Self { options, requestor, watch, entries: Vec::new(), told: BTreeSet::new() }
    }

    /// Posts what is still to be done, all in one wallet message. `false`: nothing is.
    pub(crate) async fn post_next(&mut self) -> Result<bool, DemoError> {
        let wave = self.next_wave();
        if wave.is_empty() {
            return Ok(false);
        }
        let mut posted = Vec::new();
        for (kind, attempt) in wave {
            let salt = salt(self.options.seed, &format!("{kind:?}/{attempt}"));
            let prepared = self.requestor.post(self.draft(kind, salt)).await?;
            posted.push(Entry { kind, attempt, prepared, nonce: Nonce::Kept, view: None });
        }
        let payments: Vec<_> = posted.iter().map(|entry| entry.prepared.clone()).collect();
        self.requestor.fund(&payments).await?;
        (self.watch)(Progress::Line(format!(
            "{} tasks posted, their prices paid into {} escrows by one wallet message",
            posted.len(),
            posted.len()
        )));
        self.entries.extend(posted);
        Ok(true)
    }

    fn next_wave(&self) -> Vec<(Kind, u32)> {
        if self.entries.is_empty() {
            let chunks = workload::split(&self.options.text, self.options.tasks as usize).len();
            return (0..chunks)
                .map(|index| (Kind::Chunk(index), 1))
                .chain([(Kind::Proof, 1), (Kind::Proven, 1), (Kind::Unmet, 1)])
                .collect();
        }
        let again = |entry: &&Entry| {
            let failed = entry.view.as_ref().is_some_and(|view| {
                matches!(view.status, TaskStatus::Slashed | TaskStatus::Refunded)
            });
            let last = !self
                .entries
                .iter()
                .any(|other| other.kind == entry.kind && other.attempt > entry.attempt);
            failed && last && entry.kind != Kind::Unmet && entry.attempt < MAX_ATTEMPTS
        };
        let again = self.entries.iter().filter(again);
        again.map(|entry| (entry.kind, entry.attempt + 1)).collect()
    }

    fn draft(&self, kind: Kind, salt: Hash32) -> Draft {
        let durations = Timing::DEMO.task;
        match kind {
            Kind::Chunk(_) | Kind::Unmet => {
                let chunks = workload::split(&self.options.text, self.options.tasks as usize);
                let index = if let Kind::Chunk(index) = kind { index } else { 0 };
                let input = chunks.get(index).map(|chunk| chunk.to_vec()).unwrap_or_default();
                // Counting takes some 600 units a byte at worst.
                let fuel = (50_000_000 + 2_000 * input.len() as u64).min(1_000_000_000);
                Draft {
                    rail: fog_protocol::Rail::Escrow,
                    program: DraftProgram::Wasi(self.options.guest.clone()),
                    input,
                    limits: ResourceLimits { fuel, ..ResourceLimits::default() },
                    price: if kind == Kind::Unmet { UNMET_PRICE } else { CHUNK_PRICE },
                    policy: DraftPolicy::Replay(self.options.rate_ppm),
                    durations,
                    salt,
                }
            }
            Kind::Proven => Draft {
                rail: fog_protocol::Rail::Escrow,
                program: DraftProgram::Circuit(self.options.circuit.key.clone()),
                input: self.options.circuit.input.clone(),
                limits: ResourceLimits::default(),
                price: PROOF_PRICE,
                policy: DraftPolicy::Proof,
                durations,
                salt,
            },
            Kind::Proof => {
                let proof = self.options.proof.clone();
                Draft {
                    rail: fog_protocol::Rail::Escrow,
                    program: DraftProgram::Circom(proof.zkey, proof.witness),
                    input: proof.input,
                    limits: ResourceLimits::default(),
                    price: PROOF_PRICE,
                    policy: DraftPolicy::Groth16(Curve::Bn254, proof.key, proof.publics),
                    durations,
                    salt,
                }
            }
        }
    }

    /// Follows every task but the unmet one to its end.
    pub(crate) async fn follow(
        &mut self,
        deadline: Instant,
        workers: &mut [Named],
    ) -> Result<(), DemoError> {
        loop {
            self.refresh().await?;
            let wanted = |entry: &&Entry| entry.kind != Kind::Unmet;
            let ended = self.entries.iter().filter(wanted).filter(|entry| entry.ended()).count();
            let total = self.entries.iter().filter(wanted).count();
            (self.watch)(Progress::Tasks(ended as u64, total as u64));
            if ended == total {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(DemoError::TooLong(format!("{ended} of {total} tasks ended")));
            }
            workers.iter_mut().try_for_each(Named::check)?;
            tokio::time::sleep(POLL).await;
        }
    }

    pub(crate) async fn follow_unmet(&mut self, deadline: Instant) -> Result<(), DemoError> {
        loop {
            self.refresh().await?;
            if self.entries.iter().all(Entry::ended) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(DemoError::TooLong("the unmet task was not refunded".to_owned()));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks the node how the open tasks stand, and opens draw nonces that are due.
    async fn refresh(&mut self) -> Result<(), DemoError> {
        for entry in self.entries.iter_mut().filter(|entry| !entry.ended()) {
            let view = self.requestor.node.task(&entry.prepared.task).await?;
            if view.commitment.is_some() && entry.nonce == Nonce::Kept && !view.status.is_terminal()
            {
                self.requestor.open_nonce(&view).await?;
                entry.nonce = Nonce::Opened;
            }
            if view.status.is_terminal() && self.told.insert((view.id, view.status)) {
                (self.watch)(Progress::Line(ending(&entry.label(), &view)));
            }
            entry.view = Some(view);
        }
        Ok(())
    }

    /// Asks once more for every task: the node reads a closed escrow's transactions last.
    pub(crate) async fn complete_views(&mut self, deadline: Instant) -> Result<(), DemoError> {
        for entry in &mut self.entries {
            loop {
                let view = self.requestor.node.task(&entry.prepared.task).await?;
                let complete = !view.transactions.is_empty();
                entry.view = Some(view);
                if complete || Instant::now() > deadline {
                    break;
                }
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }

    /// Fetches every paid chunk's result, merges them and compares.
    pub(crate) async fn collect(&self) -> Result<Collected, DemoError> {
        let mut counts = workload::Counts::new();
        let mut failures = Vec::new();
        let chunks = workload::split(&self.options.text, self.options.tasks as usize).len();
        for index in 0..chunks {
            let paid = self.entries.iter().find_map(|entry| {
                let view = entry.view.as_ref()?;
                let paid = view.status == TaskStatus::Paid && entry.kind == Kind::Chunk(index);
                paid.then_some(view)
            });
            let Some(view) = paid else {
                failures.push(format!("chunk {index} has no accepted result"));
                continue;
            };
            let bytes = self.requestor.result(view).await?;
            if let Err(error) = workload::merge(&mut counts, &bytes) {
                failures.push(format!("chunk {index}: {error}"));
            }
        }
        self.check_score(&mut failures).await?;
        let merged = workload::document(&counts);
        let local = workload::document(&workload::count_locally(&self.options.text));
        let report = ResultReport { sha256: Hash32::of(&merged), matches_local: merged == local };
        Ok(Collected { report, failures })
    }

    /// The proven result, with its proof checked once more, must be what the program gives here.
    async fn check_score(&self, failures: &mut Vec<String>) -> Result<(), DemoError> {
        let paid = self.entries.iter().find_map(|entry| {
            let view = entry.view.as_ref()?;
            (view.status == TaskStatus::Paid && entry.kind == Kind::Proven).then_some(view)
        });
        match paid {
            None => failures.push("no task was paid on the ground of its proof".to_owned()),
            Some(view) if self.requestor.result(view).await? != self.options.circuit.result => {
                failures.push("the proven score is another than computed here".to_owned());
            }
            Some(_) => {}
        }
        Ok(())
    }

    pub(crate) fn escrows(&self) -> Vec<Address> {
        self.entries.iter().map(|entry| entry.prepared.escrow).collect()
    }

    pub(crate) fn reports(&self) -> Vec<TaskReport> {
        self.entries.iter().filter_map(Entry::report).collect()
    }
}

impl Entry {
    fn ended(&self) -> bool {
        self.view.as_ref().is_some_and(|view| view.status.is_terminal())
    }

    fn label(&self) -> String {
        let again =
            if self.attempt > 1 { format!(" (attempt {})", self.attempt) } else { String::new() };
        match self.kind {
            Kind::Chunk(index) => format!("chunk {index}{again}"),
            Kind::Proof => format!("proof{again}"),
            Kind::Proven => format!("proven score{again}"),
            Kind::Unmet => "unmet".to_owned(),
        }
    }

    fn report(&self) -> Option<TaskReport> {
        let view = self.view.as_ref()?;
        let proven = matches!(view.listing.policy, Policy::Proof { .. });
        let settled_by = match (view.status, &view.verdict) {
            (TaskStatus::Paid, None) if proven => SettledBy::Proof,
            (_, Some(_)) => SettledBy::Verdict,
            (_, None) => SettledBy::Deadline,
        };
        Some(TaskReport {
            id: view.id,
            policy: view.listing.policy.name().to_owned(),
            status: view.status,
            worker: view.worker,
            price_nano: view.price.unwrap_or(view.listing.price_cap),
            audited: view.verdict.as_ref().is_some_and(|verdict| verdict.audited)
                || settled_by == SettledBy::Proof,
            settled_by,
            transactions: view.transactions.iter().map(|tx| tx.hash).collect(),
            label: self.label(),
        })
    }
}

fn ending(label: &str, view: &TaskView) -> String {
    let reason = view.verdict.as_ref().map(|verdict| format!(": {}", verdict.reason));
    let reason = reason.or_else(|| view.history.last().map(|step| format!(": {}", step.note)));
    format!("{label} {}{}", view.status, reason.unwrap_or_default())
}
