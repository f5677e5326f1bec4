//! `fog task evidence` and `fog verify`.

use std::{path::Path, process::ExitCode};

use anyhow::{Context as _, bail};
use fog_chain::{ChainClient, Tx};
use fog_contracts::{heard, rail::place_of, task::op};
use fog_evidence::{Bundle, Judgement, Report, Signers, Status, Step, Told, check, signers};
use fog_protocol::{Address, Epoch, Hash32, Listing, Signed, Tagged as _, TaskId, api::TaskView};
use fog_requestor::NodeClient;
use fog_verifier::{AuditBasis, Evidence, Executor, sandbox::process::RunnerConfig};
use serde::Serialize;

use crate::{
    args::{BundleFiles, VerifyArgs},
    chain, files, keys,
    output::{Output, failed, usage},
    settings::Settings,
    strategy, task,
};

/// Longest file that is read: programs and inputs are shorter.
const MAX_FILE: u64 = 512 << 20;
/// Pages of a contract's history that are read at most.
const MAX_PAGES: usize = 64;
const PAGE: usize = 100;

/// The five messages of a task's life that a bundle holds.
pub(crate) struct Messages {
    opened: Told,
    assign: Told,
    reserved: Told,
    commit: Told,
    verdict: Told,
}

impl Messages {
    /// The bundle of these and what was found, without files.
    pub(crate) fn bundle(
        self,
        listing: Listing,
        evidence: Evidence,
        epoch: Option<Signed<Epoch>>,
    ) -> Bundle {
        let Self { opened, assign, reserved, commit, verdict } = self;
        Bundle {
            listing,
            opened,
            assign,
            reserved,
            commit,
            verdict,
            evidence,
            program: Vec::new(),
            input: None,
            key: None,
            output: None,
            epoch,
        }
    }
}

/// Everything an account was told, as far as it was read.
pub(crate) struct History {
    /// Newest first.
    pub(crate) transactions: Vec<Tx>,
    /// There is more.
    pub(crate) is_cut_off: bool,
}

impl History {
    /// The last message of a kind that counted, so of several assignments the one that became work.
    pub(crate) fn find(&self, op: u32) -> Option<Told> {
        let counts = |tx: &&Tx| {
            let message = tx.in_msg.as_ref();
            !tx.aborted && message.is_some_and(|m| !m.bounced && m.op() == Some(op))
        };
        let tx = self.transactions.iter().find(counts)?;
        let body = tx.in_msg.as_ref().map(|message| message.body.clone()).unwrap_or_default();
        Some(Told { lt: tx.lt, transaction: tx.hash, body })
    }
}

/// Reads what a contract was told.
pub(crate) async fn told(chain: &ChainClient, escrow: &Address) -> anyhow::Result<History> {
    let mut transactions = Vec::new();
    let mut next = chain.account(escrow).await?.last;
    for _ in 0..MAX_PAGES {
        let Some(from) = next else { break };
        let page = chain.transactions(escrow, Some(from), PAGE, None).await?;
        next = page.last().and_then(|tx| tx.prev);
        transactions.extend(page);
    }
    Ok(History { transactions, is_cut_off: next.is_some() })
}

/// The messages of a bundle of a task's verdict.
pub(crate) async fn messages(chain: &ChainClient, escrow: &Address) -> anyhow::Result<Messages> {
    messages_to(&told(chain, escrow).await?, Judgement::Verdict)
}

const fn op_of(judgement: Judgement) -> u32 {
    match judgement {
        Judgement::Verdict => op::VERDICT,
        Judgement::Ruling => op::RULING,
    }
}

/// What this evidence is of: rulings rest on a second look.
const fn judgement_on(evidence: &Evidence) -> Judgement {
    match evidence.basis {
        AuditBasis::Disputed => Judgement::Ruling,
        _ => Judgement::Verdict,
    }
}

/// The messages that led to this judgement.
fn messages_to(history: &History, judgement: Judgement) -> anyhow::Result<Messages> {
    let find = |op: u32, what: &str| {
        history.find(op).with_context(|| format!("the task has no {what} on chain"))
    };
    let judged = match judgement {
        Judgement::Verdict => "verdict",
        Judgement::Ruling => "ruling",
    };
    Ok(Messages {
        opened: find(op::OPENED, "opening")?,
        assign: find(op::ASSIGN, "assignment")?,
        reserved: find(op::RESERVED, "reservation")?,
        commit: find(op::COMMIT, "commitment")?,
        verdict: find(op_of(judgement), judged)?,
    })
}

impl History {
    /// The judgement that holds: the ruling, where there is one.
    fn holds(&self) -> Judgement {
        match self.find(op::RULING) {
            Some(_) => Judgement::Ruling,
            None => Judgement::Verdict,
        }
    }

    /// Whose signatures the judgement that holds carries; `None` before there is one.
    ///
    /// # Errors
    /// It carries none that count, or the history does not hold what led to it.
    pub(crate) fn signers(&self, listing: &Listing) -> anyhow::Result<Option<Signers>> {
        let judgement = self.holds();
        if self.find(op_of(judgement)).is_none() {
            return Ok(None);
        }
        let Messages { opened, assign, commit, verdict, .. } = messages_to(self, judgement)?;
        let told = [&opened, &assign, &commit, &verdict];
        Ok(Some(signers(listing, judgement, told)?))
    }
}

/// What a bundle is wanted of.
pub(crate) enum Wanted {
    /// The judgement on this task that holds.
    Task(TaskId),
    /// The judgement on the evidence of this hash.
    Evidence(Hash32),
}

/// A task, the judgement meant, and the messages that led to it.
struct Found {
    view: TaskView,
    evidence: Evidence,
    told: Messages,
}

async fn find(wanted: &Wanted, node: &NodeClient, chain: &ChainClient) -> anyhow::Result<Found> {
    let (view, known) = match wanted {
        Wanted::Task(id) => (task::find(node, id).await?, None),
        Wanted::Evidence(hash) => {
            let evidence = node.evidence_by_hash(hash).await?;
            (task::find(node, &evidence.task).await?, Some(evidence))
        }
    };
    if let Some(account) = view.listing.rail.account() {
        bail!(
            "on the account rail no contract was told this task's story: its signed order and verdict \
             are entries of account {account} (`fog account vouch` checks them)"
        );
    }
    let history = told(chain, &place_of(&view.listing)?).await?;
    let judgement = known.as_ref().map_or_else(|| history.holds(), judgement_on);
    let told = messages_to(&history, judgement)?;
    let named = match judgement {
        Judgement::Verdict => heard::verdict(&told.verdict.body)?.evidence,
        Judgement::Ruling => heard::ruling(&told.verdict.body)?.evidence,
    };
    let evidence = match known {
        None => node.evidence_by_hash(&named).await?,
        Some(evidence) if evidence.digest() == named => evidence,
        Some(_) => bail!("task {} was judged on other evidence: {named}", view.id),
    };
    Ok(Found { view, evidence, told })
}

pub(crate) async fn write(
    wanted: &Wanted,
    out: &Path,
    files: &BundleFiles,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let node = task::connect(settings).await?;
    let Found { view, evidence, told } = find(wanted, &node, &chain::connect(settings)?).await?;
    let id = view.id;
    let epoch = match view.listing.named_epoch() {
        Some(named) => node.epoch(named.number).await?.signed,
        None => None,
    };
    let mut bundle = told.bundle(view.listing, evidence, epoch);
    let mut files = files.clone();
    if let (Some(_), Some(path)) = (bundle.listing.policy.copies(), &files.input) {
        // Copies begin with bytes that only their requestor's key makes.
        let wallet = keys::unlock(settings, &chain::connect(settings)?).await?;
        let salt = bundle.listing.salt;
        let input = fog_requestor::blinded(&wallet.key, &salt, &files::read(path, MAX_FILE)?);
        if Hash32::of(&input) != bundle.listing.input.hash {
            return Err(usage(format!("{} is not this task's input", path.display())));
        }
        bundle.input = Some(input);
        files.input = None;
    }
    add(&mut bundle, &files)?;
    let bytes = bundle.encode()?;
    files::write(out, &bytes)?;
    #[derive(Serialize)]
    struct Written {
        task: TaskId,
        evidence: Hash32,
        file: String,
        bytes: usize,
        sha256: Hash32,
    }
    let (file, sha256) = (out.display().to_string(), Hash32::of(&bytes));
    let evidence = bundle.evidence.digest();
    let written = Written { task: id, evidence, file, bytes: bytes.len(), sha256 };
    output.document(&written, || {
        format!(
            "{} ({} bytes)\ncheck it anywhere, without a node: fog verify {0}",
            written.file, written.bytes
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Puts files into the bundle, if they are the ones that it names.
fn add(bundle: &mut Bundle, given: &BundleFiles) -> anyhow::Result<()> {
    let read = |path: &Path, wanted: Hash32| {
        let bytes = files::read(path, MAX_FILE)?;
        let found = Hash32::of(&bytes);
        if found != wanted {
            let shown = path.display();
            return Err(usage(format!("{shown} is another file: sha256 {found}, not {wanted}")));
        }
        Ok(bytes)
    };
    let program: Vec<_> =
        [&given.module, &given.zkey, &given.witness].into_iter().flatten().collect();
    if !program.is_empty() {
        let blobs = bundle.listing.program.blobs();
        if blobs.len() != program.len() {
            return Err(usage(format!("the task's program consists of {} files", blobs.len())));
        }
        let pairs = program.iter().zip(blobs);
        bundle.program =
            pairs.map(|(path, blob)| read(path, blob.hash)).collect::<Result<_, _>>()?;
    }
    if let Some(path) = &given.input {
        bundle.input = Some(read(path, bundle.listing.input.hash)?);
    }
    if let Some(path) = given.verification_key.as_ref().or(given.evaluator.as_ref()) {
        bundle.key = Some(read(path, file_hash(&bundle.listing)?)?);
    }
    if let Some(path) = &given.result {
        bundle.output = Some(read(path, bundle.evidence.output_hash)?);
    }
    Ok(())
}

fn file_hash(listing: &Listing) -> anyhow::Result<Hash32> {
    let file = listing.policy.file().map(|file| file.hash);
    file.ok_or_else(|| usage("the task's policy has neither verification key nor evaluator"))
}

pub(crate) async fn verify(
    args: VerifyArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let bytes = files::read(&args.file, MAX_FILE)?;
    let shown = args.file.display();
    let mut bundle = Bundle::decode(&bytes).map_err(|error| usage(format!("{shown}: {error}")))?;
    add(&mut bundle, &args.files)?;
    let mut config = RunnerConfig::current_exe().context("cannot find this program's own file")?;
    config.children = 1;
    let executor = Executor::start(config)?;
    if let Some(file) = args.chunk {
        let look = move || strategy::check_chunk(&bundle, &file, &executor);
        return strategy::show_chunk(&tokio::task::spawn_blocking(look).await??, output);
    }
    let checked = tokio::task::spawn_blocking(move || (check(&bundle, &executor), bundle));
    let (mut report, bundle) = checked.await?;
    if args.online {
        let step = anchored(&bundle, settings).await?;
        report.ok &= step.status == Status::Passed;
        report.steps.push(step);
    }
    output.document(&report, || text(&report))?;
    Ok(if report.ok { ExitCode::SUCCESS } else { failed() })
}

/// Was the task's contract really told what the bundle says?
async fn anchored(bundle: &Bundle, settings: &Settings) -> anyhow::Result<Step> {
    let client = chain::connect(settings)?;
    let network = client.config().network_id;
    if network != bundle.listing.network {
        bail!("the bundle is of network {}, --chain of {network}", bundle.listing.network);
    }
    let escrow = place_of(&bundle.listing)?;
    let judgement = judgement_on(&bundle.evidence);
    let told = told(&client, &escrow).await?;
    let overruled = judgement != told.holds();
    let there = messages_to(&told, judgement)?;
    let pairs = [
        ("opening", &bundle.opened, &there.opened),
        ("assignment", &bundle.assign, &there.assign),
        ("reservation", &bundle.reserved, &there.reserved),
        ("commitment", &bundle.commit, &there.commit),
        ("verdict", &bundle.verdict, &there.verdict),
    ];
    let other = pairs.iter().find(|(_, ours, theirs)| ours != theirs);
    let (status, found) = match other {
        None if overruled => (
            Status::Failed,
            format!("{escrow} was told a ruling after this verdict: the ruling counts"),
        ),
        None if told.is_cut_off => (
            Status::NotChecked,
            format!("{escrow} was told too much to be read: a ruling may have followed"),
        ),
        None => (Status::Passed, format!("{escrow} was told all of it")),
        Some((what, ..)) => (Status::Failed, format!("{escrow} was told another {what}")),
    };
    Ok(Step { name: "chain", status, found })
}

fn text(report: &Report) -> String {
    let mut lines = vec![
        format!("task      {}", report.task),
        format!("verdict   {}, evidence {}", report.verdict, report.evidence),
    ];
    for Step { name, status, found } in &report.steps {
        let mark = match status {
            Status::Passed => "ok",
            Status::Failed => "FAILED",
            Status::NotChecked => "open",
        };
        lines.push(format!("  {mark:7} {name:11} {found}"));
    }
    lines.push(match (report.ok, report.complete) {
        (true, true) => "It holds.".to_owned(),
        (true, false) => "It holds as far as it was checked.".to_owned(),
        (false, _) => "It does NOT hold.".to_owned(),
    });
    lines.join("\n")
}
