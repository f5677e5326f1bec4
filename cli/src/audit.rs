//! `fog audit EPOCH`: did a node look at every result that the draw chose?

use std::{collections::BTreeSet, process::ExitCode};

use clap::Args;
use fog_chain::ChainClient;
use fog_contracts::{
    heard,
    rail::place_of,
    task::{Outcome, op},
};
use fog_evidence::{Status, check};
use fog_protocol::{Epoch, Hash32, Signed, Tagged as _, TaskId, api::TaskView, epoch_tasks};
use fog_requestor::{NodeClient, checked_epoch};
use fog_verifier::{
    Evidence, Execute, ExecuteError, Execution, Job,
    audit::{Breach, Due, Revealed, check_running},
};
use serde::Serialize;

use crate::{
    chain,
    cover::{Cover, CoveredBy, Heads, cover, heads, not_following},
    evidence::{messages, told},
    output::{Output, exit_with},
    progress::Progress,
    settings::Settings,
    task,
};

/// Epochs before and after that are looked at for the chain of hashes.
const NEIGHBOURS: u64 = 24;
const PAGE: u16 = 100;
/// Tasks of one epoch that are looked at, at most.
const MAX_TASKS: usize = 100_000;
/// What cannot be told ends with this code.
const UNKNOWN: u8 = 2;

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// The epoch's number; `fog task show ID` shows which one a listing names.
    pub(crate) epoch: u64,
    /// A task that names this epoch: a node that leaves it out of its list broke its word. You know
    /// those that you posted.
    #[arg(long, value_name = "ID")]
    pub(crate) task: Vec<TaskId>,
}

/// What came out, of a task or of the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Kept,
    Unknown,
    Broken,
}

/// One task that names the epoch.
#[derive(Debug, Serialize)]
struct Looked {
    task: TaskId,
    word: Word,
    /// What the draw said: `drawn`, `left_out`, `anyway` (checked without one) or `none`.
    due: &'static str,
    /// The rate of its draw, in parts per million, as its listing and the evidence name it.
    rate_ppm: u32,
    found: String,
}

/// What the chain was told of the epoch when it was shut.
#[derive(Debug, Serialize)]
struct Anchored {
    transaction: Hash32,
    /// Chain time.
    at: u32,
    /// Tasks that name it.
    tasks: u64,
}

#[derive(Debug, Serialize)]
struct Report {
    epoch: u64,
    node: Hash32,
    word: Word,
    seed: Option<Hash32>,
    /// Epochs whose chain of hashes holds.
    chain: Option<(u64, u64)>,
    /// Where the chain of epochs begins, if that was seen: no epoch before is named by any after.
    chain_begins: Option<u64>,
    /// What stands on chain of the epoch and its tasks.
    anchor: Option<Anchored>,
    /// Nothing names the epoch: the next that stands on chain, and leads back to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    covered_by: Option<CoveredBy>,
    drawn: usize,
    left_out: usize,
    anyway: usize,
    tasks: Vec<Looked>,
    /// What is wrong with the epoch itself.
    reasons: Vec<String>,
}

impl Report {
    fn says(&mut self, word: Word, reason: impl Into<String>) {
        self.word = self.word.max(word);
        self.reasons.push(reason.into());
    }

    fn add(&mut self, looked: Looked) {
        self.word = self.word.max(looked.word);
        match looked.due {
            "drawn" => self.drawn += 1,
            "left_out" => self.left_out += 1,
            "anyway" => self.anyway += 1,
            _ => {}
        }
        self.tasks.push(looked);
    }
}

pub(crate) async fn audit(
    args: AuditArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    // Whatever keeps us from looking says nothing against the node.
    let unknown = |error: anyhow::Error| exit_with(UNKNOWN, format!("{error:#}"));
    let report = look(&args, settings, output).await.map_err(unknown)?;
    output.document(&report, || text(&report))?;
    Ok(match report.word {
        Word::Kept => ExitCode::SUCCESS,
        Word::Broken => ExitCode::from(1),
        Word::Unknown => ExitCode::from(UNKNOWN),
    })
}

async fn look(args: &AuditArgs, settings: &Settings, output: &Output) -> anyhow::Result<Report> {
    let node = task::connect(settings).await?;
    let mut report = Report {
        epoch: args.epoch,
        node: node.info().node,
        word: Word::Kept,
        seed: None,
        chain: None,
        chain_begins: None,
        anchor: None,
        covered_by: None,
        drawn: 0,
        left_out: 0,
        anyway: 0,
        tasks: Vec::new(),
        reasons: Vec::new(),
    };
    let chain = chain::connect(settings)?;
    let Some((signed, seed)) = epoch(&node, &chain, args.epoch, &mut report).await? else {
        return Ok(report);
    };
    let epoch = signed.value;
    neighbours(&node, &epoch, &mut report).await?;
    report.seed = Some(seed);
    let revealed = match Revealed::new(epoch, seed) {
        Ok(revealed) => revealed,
        Err(breach) => {
            report.says(Word::Broken, breach.to_string());
            return Ok(report);
        }
    };
    Looking { node, chain, signed, revealed }.tasks(args, output, &mut report).await?;
    Ok(report)
}

/// What is at hand to look at tasks.
struct Looking {
    node: NodeClient,
    chain: ChainClient,
    signed: Signed<Epoch>,
    revealed: Revealed,
}

/// The epoch with its seed, if both are there.
async fn epoch(
    node: &NodeClient,
    chain: &ChainClient,
    number: u64,
    report: &mut Report,
) -> anyhow::Result<Option<(Signed<Epoch>, Hash32)>> {
    let shown = match node.epoch(number).await {
        Err(error) if error.is_not_found() => {
            report.says(Word::Unknown, format!("epoch {number} has not begun at this node"));
            return Ok(None);
        }
        shown => shown?,
    };
    let Some(signed) = shown.signed else {
        let older = "the epoch is of a time before this node signed them: it promised nothing";
        report.says(Word::Unknown, older);
        return Ok(None);
    };
    let epoch = match checked_epoch(node.info(), &signed) {
        Ok(epoch) if epoch.number == number && epoch.seed_hash == shown.seed_hash => epoch,
        Ok(_) => {
            report.says(Word::Broken, "the node shows another epoch than it signed");
            return Ok(None);
        }
        Err(error) => {
            report.says(Word::Broken, error.to_string());
            return Ok(None);
        }
    };
    let Some(seed) = shown.seed else {
        let wait = "the seed is not revealed yet: the epoch has not ended, or tasks that name it \
                    have not; ask again later";
        report.says(Word::Unknown, wait);
        if let Err(breach) = running(node, chain, &epoch).await? {
            report.says(Word::Broken, breach.to_string());
        }
        return Ok(None);
    };
    Ok(Some((signed, seed)))
}

/// If the epoch is the node's last, is it still its time?
async fn running(
    node: &NodeClient,
    chain: &ChainClient,
    epoch: &Epoch,
) -> anyhow::Result<Result<(), Breach>> {
    let current = node.current_info().await?.epoch;
    let is_last = current.is_none_or(|current| current.value.number <= epoch.number);
    let now = chain.chain_time().await?;
    Ok(if is_last { check_running(epoch, now.into()) } else { Ok(()) })
}

/// Is the epoch a link of the node's chain? One that was exchanged later is not.
async fn neighbours(node: &NodeClient, epoch: &Epoch, report: &mut Report) -> anyhow::Result<()> {
    let one = async |number: u64| -> anyhow::Result<Option<Signed<Epoch>>> {
        match node.epoch(number).await {
            Err(error) if error.is_not_found() => Ok(None),
            shown => Ok(shown?.signed),
        }
    };
    let holds = |before: &Epoch, after: &Signed<Epoch>| {
        checked_epoch(node.info(), after).is_ok_and(|after| after.follows(before))
    };
    let (mut first, mut last) = (*epoch, *epoch);
    for _ in 0..NEIGHBOURS {
        // It follows none: the node's first, or its first after it lost its files.
        if first.is_first() {
            report.chain_begins = Some(first.number);
            break;
        }
        let Some(before) = one(first.number.saturating_sub(1)).await? else {
            let missing = format!("the epoch before {}, which it names, is missing", first.number);
            report.says(Word::Broken, missing);
            return Ok(());
        };
        if checked_epoch(node.info(), &before).is_err() || !first.follows(&before.value) {
            report.says(Word::Broken, not_following(first.number));
            return Ok(());
        }
        first = before.value;
    }
    for _ in 0..NEIGHBOURS {
        let Some(number) = last.number.checked_add(1) else { break };
        let Some(after) = one(number).await? else { break };
        if !holds(&last, &after) {
            report.says(Word::Broken, not_following(after.value.number));
            return Ok(());
        }
        last = after.value;
    }
    report.chain = Some((first.number, last.number));
    Ok(())
}

impl Looking {
    async fn tasks(
        &self,
        args: &AuditArgs,
        output: &Output,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let mut expected: BTreeSet<TaskId> = args.task.iter().copied().collect();
        let progress = Progress::new(output, 0);
        let mut next = None;
        loop {
            let page = self.node.tasks_of_epoch(args.epoch, PAGE, next).await?;
            let total = (report.tasks.len() + page.tasks.len()) as u64;
            for view in &page.tasks {
                progress.at(report.tasks.len() as u64, total, "tasks of the epoch");
                // The id is the listing's hash, whatever the node says.
                let task = view.listing.id();
                expected.remove(&task);
                let (looked, named) = self.one(view).await;
                let rate_ppm = named.unwrap_or_default().max(view.listing.policy.rate_ppm());
                report.add(Looked { task, rate_ppm, ..looked });
            }
            // A page without tasks is the last, whatever it says.
            next = page.next.filter(|_| !page.tasks.is_empty());
            if next.is_none() {
                break;
            }
            if report.tasks.len() >= MAX_TASKS {
                report.says(
                    Word::Unknown,
                    format!("more than {MAX_TASKS} tasks: the rest was left out"),
                );
                break;
            }
        }
        progress.finish();
        let listed: BTreeSet<TaskId> = report.tasks.iter().map(|looked| looked.task).collect();
        self.anchor(&listed.into_iter().collect::<Vec<_>>(), report).await;
        for task in expected {
            let (word, reason) = self.not_listed(&task, args.epoch).await;
            report.says(word, reason);
        }
        Ok(())
    }

    /// What the chain was told of the epoch: its head, and the tasks that name it. Whatever the node
    /// shows later has to be that.
    async fn anchor(&self, listed: &[TaskId], report: &mut Report) {
        let epoch = &self.signed.value;
        let own = match heads(&self.chain, self.node.info(), epoch.number).await {
            Err(error) => {
                let unread =
                    format!("what the chain was told of the epoch was not read: {error:#}");
                return report.says(Word::Unknown, unread);
            }
            Ok(Heads::CutOff) => {
                let unread = "the chain was told too much of the epoch to be read";
                return report.says(Word::Unknown, unread);
            }
            Ok(Heads::All(own)) => own,
        };
        let mut own = own.into_iter();
        let Some((tx, first)) = own.next() else {
            // What nothing names is not told.
            return if listed.is_empty() {
                self.covered(report).await;
            } else {
                report.says(Word::Unknown, "the epoch is not anchored on chain (yet)");
            };
        };
        if own.any(|(_, other)| other != first) {
            report.says(Word::Broken, "the node told the chain two heads of this epoch");
        }
        if (first.number, first.head) != (epoch.number, epoch.digest()) {
            let other = "the node told the chain another epoch of this number than it shows";
            report.says(Word::Broken, other);
        }
        // A list that was cut off here says nothing of what the node left out.
        let whole = listed.len() < MAX_TASKS;
        if whole && (first.tasks, first.root) != (listed.len() as u64, epoch_tasks(listed)) {
            let tasks = first.tasks;
            let shows = listed.len();
            let other = format!(
                "the node told the chain that {tasks} tasks name this epoch, and shows {shows}, or \
                 others: some are left out"
            );
            report.says(Word::Broken, other);
        }
        let (transaction, at, tasks) = (tx.hash, tx.now, first.tasks);
        report.anchor = Some(Anchored { transaction, at, tasks });
    }

    /// Of an epoch that nothing names nothing stands on chain: does a later one that does lead back to
    /// it? Else the node could still exchange it, and its seed.
    async fn covered(&self, report: &mut Report) {
        match cover(&self.node, &self.chain, &self.signed.value).await {
            Ok(Cover::By(by)) => report.covered_by = Some(by),
            Ok(Cover::Broken(why)) => report.says(Word::Broken, why),
            Ok(Cover::NotYet) => report.says(
                Word::Unknown,
                "nothing names the epoch, so that nothing of it stands on chain, and no later epoch \
                 that leads back to it does, yet: its seed is no more than the node's word",
            ),
            Err(error) => {
                let unread = format!("what leads back to the epoch was not read: {error:#}");
                report.says(Word::Unknown, unread);
            }
        }
    }

    /// Why a task that was asked about is not in the list: it names another epoch, or is left out.
    async fn not_listed(&self, task: &TaskId, epoch: u64) -> (Word, String) {
        let left_out = || format!("task {task} is not in the node's list of this epoch");
        let view = match self.node.task(task).await {
            Ok(view) => view,
            Err(error) if error.is_not_found() => return (Word::Broken, left_out()),
            Err(error) => return (Word::Unknown, format!("{}: {error}", left_out())),
        };
        // The id is the listing's hash: what it names is what was posted.
        match view.listing.named_epoch() {
            _ if view.listing.id() != *task => (Word::Broken, left_out()),
            Some(named) if named.number != epoch => {
                let (number, ask) = (named.number, "ask about that one");
                (Word::Unknown, format!("task {task} names epoch {number}, not {epoch}: {ask}"))
            }
            None => (Word::Unknown, format!("task {task} names no epoch: nothing is drawn for it")),
            Some(_) => (Word::Broken, left_out()),
        }
    }

    /// One task, and the rate that its evidence names.
    async fn one(&self, view: &TaskView) -> (Looked, Option<u32>) {
        let (Some(_), Some(verdict)) = (view.commitment, &view.verdict) else {
            return (self.undecided(view).await, None);
        };
        match self.node.evidence(&view.id).await {
            Ok(evidence) => {
                let rate_ppm = evidence.rate_ppm;
                (self.decided(view, verdict.evidence, evidence).await, Some(rate_ppm))
            }
            Err(error) => {
                let hidden = format!("the node does not show what its verdict rests on: {error}");
                (looked(Word::Unknown, "none", hidden), None)
            }
        }
    }

    /// What a verdict rests on, by the node and by the chain.
    async fn decided(&self, view: &TaskView, named: Hash32, evidence: Evidence) -> Looked {
        let due = match self.revealed.due(&view.listing, &evidence) {
            Ok(due) => due,
            Err(breach) => return looked(Word::Broken, "none", breach.to_string()),
        };
        let name = match due {
            Due::Drawn => "drawn",
            Due::LeftOut => "left_out",
            Due::Anyway => "anyway",
        };
        let reason = evidence.reason();
        if evidence.digest() != named {
            let other = "the node shows other evidence than its own verdict names";
            return looked(Word::Broken, name, other);
        }
        if !view.listing.rail.has_contract() {
            // No contract holds its story: the vouchers' entries name the evidence, and the requestor
            // says which commitment its nonce was opened for.
            let (word, found) = self.opened(view, &evidence).await;
            return looked(word, name, if word == Word::Kept { reason } else { found });
        }
        match self.story(view, evidence).await {
            Err(error) => looked(
                Word::Unknown,
                name,
                format!("what its contract was told was not read: {error:#}"),
            ),
            Ok(Some(wrong)) => looked(Word::Broken, name, wrong),
            Ok(None) => looked(Word::Kept, name, reason),
        }
    }

    /// Was the nonce opened for the commitment that was judged, where only its requestor shows it?
    async fn opened(&self, view: &TaskView, evidence: &Evidence) -> (Word, String) {
        let Some(nonce) = evidence.basis.nonce() else { return (Word::Kept, String::new()) };
        let opening = match self.node.opening(&view.listing.id()).await {
            Ok(opening) => Some(opening),
            Err(error) if error.is_not_found() => None,
            Err(error) => {
                let hidden = format!("what its nonce was opened for was not read: {error}");
                return (Word::Unknown, hidden);
            }
        };
        match view.listing.check_opening(opening.as_ref(), &evidence.commitment, nonce) {
            Ok(()) => (Word::Kept, String::new()),
            Err(error) => (Word::Broken, error.to_string()),
        }
    }

    /// Was the task's contract told a verdict that rests on just this evidence? The step that fails.
    async fn story(&self, view: &TaskView, evidence: Evidence) -> anyhow::Result<Option<String>> {
        let told = messages(&self.chain, &place_of(&view.listing)?).await?;
        let bundle = told.bundle(view.listing.clone(), evidence, Some(self.signed.clone()));
        let report = check(&bundle, &Nobody);
        let failed = report.steps.into_iter().find(|step| step.status == Status::Failed);
        Ok(failed.map(|step| format!("{}: {}", step.name, step.found)))
    }

    /// A task without a verdict, as far as the node says: was its contract told one?
    async fn undecided(&self, view: &TaskView) -> Looked {
        let nothing = format!("{}: there is nothing to look at", view.status);
        if !view.listing.rail.has_contract() {
            // Committed to and never judged: drawn or not, nobody shows it.
            let word = if view.commitment.is_some() { Word::Unknown } else { Word::Kept };
            return looked(word, "none", nothing);
        }
        let told = match place_of(&view.listing) {
            Ok(escrow) => told(&self.chain, &escrow).await,
            Err(error) => Err(error.into()),
        };
        let told = match told {
            Err(error) => {
                let unread = format!("what its contract was told was not read: {error:#}");
                return looked(Word::Unknown, "none", unread);
            }
            Ok(told) if told.is_cut_off => {
                let unread = "its contract was told too much to be read";
                return looked(Word::Unknown, "none", unread);
            }
            Ok(told) => told,
        };
        let Some(verdict) = told.find(op::VERDICT) else {
            // Drawn or not, nobody can tell: the requestor alone knows its nonce.
            let never = "there was a commitment and no verdict in time: whether it was drawn is not \
                         shown";
            return match told.find(op::COMMIT) {
                Some(_) => looked(Word::Unknown, "none", never),
                None => looked(Word::Kept, "none", nothing),
            };
        };
        match heard::verdict(&verdict.body) {
            Ok(verdict) if verdict.outcome == Outcome::Undelivered => {
                looked(Word::Kept, "none", "its worker handed nothing over")
            }
            Ok(_) | Err(_) => {
                let hidden = "its contract was told a verdict, of which the node shows no evidence";
                looked(Word::Unknown, "none", hidden)
            }
        }
    }
}

fn looked(word: Word, due: &'static str, found: impl Into<String>) -> Looked {
    Looked { task: TaskId(Hash32::default()), word, due, rate_ppm: 0, found: found.into() }
}

/// Runs nothing: whether a result is right is `fog verify`'s matter.
struct Nobody;

impl Execute for Nobody {
    fn execute(&self, _: &Job<'_>) -> Result<Execution, ExecuteError> {
        Err(ExecuteError::Sandbox("nothing is run here".to_owned()))
    }
}

fn text(report: &Report) -> String {
    let mut lines = vec![format!("epoch     {} of node {}", report.epoch, report.node)];
    if let Some(seed) = &report.seed {
        lines.push(format!("seed      {seed}"));
    }
    if let Some((first, last)) = report.chain {
        lines.push(format!("chain     epochs {first} to {last} follow each other"));
    }
    if let Some(number) = report.chain_begins {
        lines.push(format!(
            "          begins, or was RESTARTED, at {number}: epochs before it are not shown to be its"
        ));
    }
    if let Some(Anchored { transaction, at, tasks }) = &report.anchor {
        lines.push(format!("anchor    {tasks} tasks, on chain at {at} in {transaction}"));
    }
    if let Some(CoveredBy { epoch, at, .. }) = &report.covered_by {
        lines.push(format!("anchor    epoch {epoch}, which leads back to it, on chain at {at}"));
    }
    let Report { drawn, left_out, anyway, .. } = report;
    let total = report.tasks.len();
    lines.push(format!(
        "tasks     {total}: {drawn} drawn, {left_out} left out, {anyway} checked anyway, {} without \
         a verdict to look at",
        total - drawn - left_out - anyway
    ));
    let mark = |word| match word {
        Word::Kept => "ok",
        Word::Unknown => "open",
        Word::Broken => "BROKEN",
    };
    for Looked { task, word, rate_ppm, found, .. } in &report.tasks {
        let rate = f64::from(*rate_ppm) / 10_000.0;
        lines.push(format!("  {:7} {task} at {rate} %: {found}", mark(*word)));
    }
    lines.extend(report.reasons.iter().map(|reason| format!("  {reason}")));
    lines.push(
        match report.word {
            Word::Kept => "The node kept its word.",
            Word::Broken => "The node BROKE its word.",
            Word::Unknown => "It cannot be told whether the node kept its word.",
        }
        .to_owned(),
    );
    lines.join("\n")
}
