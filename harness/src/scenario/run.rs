//! Runs a scenario, step by step.

mod quiet;
mod telling;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    time::{Duration, Instant},
};

use fog_contracts::{
    FUND_VALUE, TaskState,
    task::{self, TaskData, TaskInit},
};
use fog_protocol::{Hash32, NonceOpening, ResourceLimits, TaskStatus, api::TaskView};
use fog_requestor::{Draft, DraftPolicy, DraftProgram, NodeClient, Prepared};
use fog_wallet::OutMessage;

use super::{
    Moment, Scenario, ScenarioError, ScenarioReport,
    expect::{Finding, evaluate},
    facts::{Cast, Facts, SentFacts, chain_side, node_side},
    format::{Await, ClockWhile, Funding, Joins, NodeState, Nonce, Post, Reached, Step},
    parse::{EVERYTHING, NODE, TREASURY},
    values::Span,
    world::World,
};
use quiet::Quiet;
use telling::{described, told, worth_telling};

use crate::{
    ledger::Ledger,
    network::{BURN, salt},
    workload,
};

/// Pause between two looks.
const POLL: Duration = Duration::from_millis(40);
/// How long one step may wait, in real time.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the node may take to catch up with the chain at the end, in real time.
const CATCH_UP: Duration = Duration::from_secs(30);
/// Fuel of a task: what a worker asks follows from it.
const FUEL: u64 = 100_000_000;

/// How a scenario is run.
#[derive(Debug, Clone)]
pub struct ScenarioOptions {
    /// Instead of the scenario's own.
    pub seed: Option<u64>,
    /// An empty folder for the network's files.
    pub data: PathBuf,
    /// The `fog` program.
    pub program: PathBuf,
    /// The word-counting module.
    pub guest: Vec<u8>,
}

/// Told what happens.
pub type Watch<'a> = &'a (dyn Fn(&Moment) + std::marker::Send + Sync);

/// A task that was posted.
pub(super) struct Posted {
    pub(super) name: String,
    pub(super) by: String,
    pub(super) prepared: Prepared,
    pub(super) input: Vec<u8>,
    nonce: Nonce,
    opened: bool,
    pub(super) view: Option<TaskView>,
    told: BTreeSet<TaskStatus>,
}

/// A scenario under way.
pub(super) struct Story<'a> {
    options: &'a ScenarioOptions,
    seed: u64,
    pub(super) world: World,
    pub(super) tasks: Vec<Posted>,
    pub(super) sent: Vec<SentFacts>,
    timeline: Vec<Moment>,
    watch: Watch<'a>,
    began: u32,
    now: u32,
}

/// Runs a scenario and reports. Whatever goes wrong is in the report.
pub async fn run(
    scenario: &Scenario,
    options: &ScenarioOptions,
    watch: Watch<'_>,
) -> ScenarioReport {
    let started = Instant::now();
    let seed = options.seed.unwrap_or(scenario.seed);
    let mut report = ScenarioReport {
        name: scenario.name.clone(),
        about: scenario.about.clone(),
        seed,
        ok: false,
        millis: 0,
        timeline: Vec::new(),
        findings: Vec::new(),
        error: None,
        facts: None,
    };
    match Story::begin(scenario, seed, options, watch).await {
        Err(error) => report.error = Some(error.to_string()),
        Ok(mut story) => {
            match story.tell(scenario).await {
                Err(error) => report.error = Some(error),
                Ok((facts, findings)) => {
                    report.ok = findings.iter().all(|finding| finding.held);
                    report.facts = Some(facts);
                    report.findings = findings;
                }
            }
            report.timeline = std::mem::take(&mut story.timeline);
            story.world.shutdown().await;
        }
    }
    report.millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    report
}

impl<'a> Story<'a> {
    async fn begin(
        scenario: &Scenario,
        seed: u64,
        options: &'a ScenarioOptions,
        watch: Watch<'a>,
    ) -> Result<Self, ScenarioError> {
        let (data, program) = (options.data.clone(), options.program.clone());
        let mut world = World::start(scenario, seed, data, program).await?;
        for def in scenario.workers.iter().filter(|def| def.joins == Joins::AtOnce) {
            world.start_worker(&def.name).await?;
        }
        let began = world.now().await?;
        let mut story = Self {
            options,
            seed,
            world,
            tasks: Vec::new(),
            sent: Vec::new(),
            timeline: Vec::new(),
            watch,
            began,
            now: began,
        };
        let running = scenario.workers.iter().filter(|def| def.joins == Joins::AtOnce).count();
        story.online(running).await?;
        story.world.note_balances().await?;
        let workers = scenario.workers.iter().map(|def| {
            format!("{} ({:?}, {} at stake, asks {})", def.name, def.manner, def.stake, def.price)
        });
        let workers: Vec<_> = workers.collect();
        story.say(format!("the network is up; workers: {}", workers.join(", ")));
        Ok(story)
    }

    /// All steps, then the facts and what they are held against.
    async fn tell(&mut self, scenario: &Scenario) -> Result<(Facts, Vec<Finding>), String> {
        for (index, step) in scenario.steps.iter().enumerate() {
            let place = |error: ScenarioError| format!("steps[{index}]: {error}");
            self.now = self.world.now().await.unwrap_or(self.now);
            self.step(step).await.map_err(place)?;
        }
        let end = |error: ScenarioError| format!("at the end: {error}");
        let deadline = Instant::now() + CATCH_UP;
        loop {
            let facts = self.facts().await.map_err(end)?;
            let findings = evaluate(&facts, &scenario.expect);
            let held = findings.iter().all(|finding| finding.held);
            if held || Instant::now() > deadline {
                return Ok((facts, findings));
            }
            tokio::time::sleep(POLL * 5).await;
        }
    }

    pub(super) fn say(&mut self, what: String) {
        let moment = Moment { at: self.now.saturating_sub(self.began), what };
        (self.watch)(&moment);
        self.timeline.push(moment);
    }

    async fn step(&mut self, step: &Step) -> Result<(), ScenarioError> {
        match step {
            Step::Post(post) => self.post(post).await,
            Step::Await(wait) => self.wait(wait).await,
            Step::Warp(span) => self.warp(*span).await,
            Step::Faults(faults) => {
                self.world.proxies.set(*faults);
                self.say(format!("faults between node and chain: {}", described(faults)));
                Ok(())
            }
            Step::Kill(who) => self.kill(who).await,
            Step::Start(who) => self.start(who).await,
            Step::Send(send) => self.send(send).await,
            Step::NodeIs(state) => self.node_is(*state).await,
        }
    }

    // ---- steps ---------------------------------------------------------------------------------

    async fn post(&mut self, post: &Post) -> Result<(), ScenarioError> {
        let node = self.node()?.clone();
        let party = self.world.party(&post.by)?;
        let (address, key) = (party.address, party.key.clone());
        let mut posted = Vec::new();
        for index in 0..post.count * post.copies {
            let work = index / post.copies.max(1);
            let input = text(&post.name, work);
            let name = format!("{}/{index}", post.name);
            let draft = Draft {
                rail: fog_protocol::Rail::Escrow,
                program: DraftProgram::Wasi(self.options.guest.clone()),
                input: input.clone(),
                limits: ResourceLimits { fuel: FUEL, ..ResourceLimits::default() },
                price: post.price.0,
                policy: DraftPolicy::Replay(post.audit_rate.0),
                durations: fog_protocol::Durations {
                    bid: post.bid.0,
                    commit: post.commit.0,
                    verdict: post.verdict.0,
                    window: post.window.0,
                },
                salt: salt(self.seed, &name),
            };
            let prepared = draft.prepare(node.info(), address, &key)?;
            let prepared = fog_requestor::post(&node, &key, prepared).await?;
            posted.push(Posted {
                name,
                by: post.by.clone(),
                prepared,
                input,
                nonce: post.nonce,
                opened: false,
                view: None,
                told: BTreeSet::new(),
            });
        }
        let payments =
            posted.iter().map(|task| payment(&task.prepared)).collect::<Result<Vec<_>, _>>()?;
        let (count, price) = (posted.len(), post.price);
        self.tasks.extend(posted);
        match post.funding {
            Funding::Never => self.say(format!("{} posts {count} tasks and pays none", post.by)),
            Funding::Paid => {
                self.world.pay(&post.by, &payments).await?;
                self.say(format!(
                    "{} posts {count} tasks `{}` at {price} each at most, and pays",
                    post.by, post.name
                ));
            }
        }
        Ok(())
    }

    async fn wait(&mut self, wait: &Await) -> Result<(), ScenarioError> {
        let deadline = Instant::now() + PATIENCE;
        let chosen = self.chosen(&wait.tasks);
        let wanted = wait.count.map_or(chosen.len(), |count| count as usize);
        let mut quiet = Quiet::new();
        loop {
            self.look().await?;
            let mut reached = 0;
            for index in &chosen {
                reached += usize::from(self.reached(*index, wait.status).await?);
            }
            if reached >= wanted {
                return Ok(());
            }
            if Instant::now() > deadline {
                let status = wait.status;
                return Err(ScenarioError::TooLong(format!(
                    "{wanted} of `{}` to be {status:?}: {reached} are; {}",
                    wait.tasks,
                    self.standing(&chosen)
                )));
            }
            self.pause(&mut quiet, wait.clock).await?;
        }
    }

    /// Waits a little; moves the clock by a second if nothing else happens.
    async fn pause(&mut self, quiet: &mut Quiet, clock: ClockWhile) -> Result<(), ScenarioError> {
        tokio::time::sleep(POLL).await;
        let chain = self.world.local()?.chain.clone();
        let seen = chain.totals().await?.transactions;
        let told: usize = self.tasks.iter().map(|task| task.told.len()).sum();
        if quiet.is_over(seen, told) && clock == ClockWhile::Runs {
            chain.warp(1).await?;
        }
        self.now = self.world.now().await?;
        Ok(())
    }

    async fn warp(&mut self, span: Span) -> Result<(), ScenarioError> {
        self.world.local()?.chain.warp(span.0).await?;
        self.now = self.world.now().await?;
        self.say(format!("the clock moves by {span}"));
        Ok(())
    }

    async fn kill(&mut self, who: &str) -> Result<(), ScenarioError> {
        match who {
            NODE => self.world.node.kill().await?,
            EVERYTHING => {
                self.world.node.kill().await?;
                let running = self.world.seats.iter().filter(|seat| seat.runs());
                let names: Vec<_> = running.map(|seat| seat.name().to_owned()).collect();
                for name in names {
                    self.world.kill_worker(&name).await?;
                }
                self.world.stop_chain().await;
            }
            worker => self.world.kill_worker(worker).await?,
        }
        self.say(format!("{who} killed"));
        Ok(())
    }

    async fn start(&mut self, who: &str) -> Result<(), ScenarioError> {
        match who {
            NODE => self.world.start_node().await?,
            EVERYTHING => {
                self.world.start_chain().await?;
                self.world.start_node().await?;
                let seats = self.world.seats.iter();
                let names: Vec<_> = seats.map(|seat| seat.name().to_owned()).collect();
                for name in names {
                    self.world.start_worker(&name).await?;
                }
            }
            worker => self.world.start_worker(worker).await?,
        }
        let running = self.world.seats.iter().filter(|seat| seat.runs()).count();
        self.online(running).await?;
        self.say(format!("{who} started"));
        Ok(())
    }

    /// Waits until so many workers are at the node.
    async fn online(&mut self, wanted: usize) -> Result<(), ScenarioError> {
        let deadline = Instant::now() + PATIENCE;
        while let Some(node) = self.world.node.client() {
            let online = node.workers().await?.iter().filter(|worker| worker.online).count();
            // Before it has read the chain a worker passes every offer.
            let ready = self.world.seats.iter().all(|seat| !seat.runs() || seat.is_ready());
            if online >= wanted && ready {
                break;
            }
            if Instant::now() > deadline {
                let what = format!("{wanted} workers to come online: {online} are");
                return Err(ScenarioError::TooLong(what));
            }
            for seat in &mut self.world.seats {
                seat.check()?;
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    async fn node_is(&mut self, state: NodeState) -> Result<(), ScenarioError> {
        let deadline = Instant::now() + PATIENCE;
        let http = reqwest::Client::new();
        let url = format!("{}/readyz", self.world.node.url());
        loop {
            let said = match http.get(&url).send().await {
                Ok(answer) => answer.text().await.unwrap_or_default(),
                Err(_) => String::new(),
            };
            let is = if said.contains("halted") {
                NodeState::Halted
            } else if said.starts_with("ready") {
                NodeState::Ready
            } else {
                NodeState::Unready
            };
            if is == state {
                self.say(format!("the node is {state:?}").to_lowercase());
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(ScenarioError::TooLong(format!("the node to be {state:?}: {said}")));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    // ---- looking -------------------------------------------------------------------------------

    pub(super) fn node(&self) -> Result<&NodeClient, ScenarioError> {
        self.world
            .node
            .client()
            .ok_or_else(|| ScenarioError::Impossible("the node is not running".to_owned()))
    }

    /// The tasks a name stands for.
    fn chosen(&self, name: &str) -> Vec<usize> {
        let meant = |task: &Posted| {
            name == "all"
                || task.name == name
                || task.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'))
        };
        (0..self.tasks.len()).filter(|index| self.tasks.get(*index).is_some_and(meant)).collect()
    }

    /// The one task with this name, or of a group of one.
    pub(super) fn task(&self, name: &str) -> Result<&Posted, ScenarioError> {
        let chosen = self.chosen(name);
        let task = chosen.first().and_then(|index| self.tasks.get(*index));
        task.ok_or_else(|| ScenarioError::Impossible(format!("there is no task `{name}`")))
    }

    /// Looks at every task by the node's API, opens nonces that are due, notes what changed.
    async fn look(&mut self) -> Result<(), ScenarioError> {
        self.world.node.check()?;
        for seat in &mut self.world.seats {
            seat.check()?;
        }
        let Some(node) = self.world.node.client().cloned() else { return Ok(()) };
        self.now = self.world.now().await?;
        let mut news = Vec::new();
        for task in &mut self.tasks {
            if task.view.as_ref().is_some_and(|view| view.status.is_terminal()) {
                continue;
            }
            let view = node.task(&task.prepared.task).await?;
            let due = view.commitment.is_some() && view.status < TaskStatus::Accepted;
            if due && task.nonce == Nonce::Opened && !task.opened {
                let key = &self.world.party(&task.by)?.key;
                let nonce = fog_requestor::nonce(key, &task.prepared.listing.salt);
                let commitment = view.commitment.unwrap_or_default();
                let opening = NonceOpening { task: task.prepared.task, commitment, nonce };
                // Too early for the node is no fault: it is asked again.
                task.opened = node.open_nonce(key, opening).await.is_ok();
            }
            if task.told.insert(view.status) && worth_telling(view.status) {
                news.push(told(&task.name, &view, &self.world));
            }
            task.view = Some(view);
        }
        for seat in &self.world.seats {
            news.extend(seat.take_notes());
        }
        for line in news {
            self.say(line);
        }
        Ok(())
    }

    async fn reached(&self, index: usize, status: Reached) -> Result<bool, ScenarioError> {
        let Some(task) = self.tasks.get(index) else { return Ok(false) };
        if status == Reached::Committed {
            return self.committed(task).await;
        }
        let Some(view) = &task.view else { return Ok(false) };
        let now = view.status;
        let worked = view.commitment.is_some() || view.verdict.is_some();
        Ok(match status {
            Reached::Open => now >= TaskStatus::Open && now != TaskStatus::Dropped,
            Reached::Running => {
                worked
                    || (TaskStatus::Running..=TaskStatus::Slashed).contains(&now)
                    || view.history.iter().any(|step| step.status == TaskStatus::Running)
            }
            Reached::Committed => false,
            Reached::Judged => view.verdict.is_some(),
            Reached::Ended => now.is_terminal(),
            Reached::Paid => now == TaskStatus::Paid,
            Reached::Slashed => now == TaskStatus::Slashed,
            Reached::Refunded => now == TaskStatus::Refunded,
            Reached::Dropped => now == TaskStatus::Dropped,
        })
    }

    /// Is its commitment on chain?
    async fn committed(&self, task: &Posted) -> Result<bool, ScenarioError> {
        let account = self.world.local()?.client.account(&task.prepared.escrow).await?;
        let state = account.data.as_ref().map(TaskData::parse).transpose()?;
        Ok(state.is_some_and(|data| {
            data.state >= TaskState::Committed && !matches!(data.state, TaskState::Penalising)
        }))
    }

    fn standing(&self, chosen: &[usize]) -> String {
        let mut lines = Vec::new();
        for task in chosen.iter().filter_map(|index| self.tasks.get(*index)).take(8) {
            let status = task.view.as_ref().map(|view| view.status.name()).unwrap_or("unknown");
            lines.push(format!("{} is {status}", task.name));
        }
        lines.join(", ")
    }

    // ---- the end -------------------------------------------------------------------------------

    async fn facts(&mut self) -> Result<Facts, ScenarioError> {
        self.look().await?;
        let cast = self.cast()?;
        let node = node_side(self.world.node.client(), &cast).await?;
        let local = self.world.local()?;
        let chain = local.chain.with({
            let cast = cast.clone();
            move |chain| chain_side(chain, &cast)
        });
        let chain = chain.await??;
        let mut facts = Facts {
            chain: chain.chain,
            money: chain.money,
            tasks: chain.tasks,
            stakes: chain.stakes,
            wallets: chain.wallets,
            node: node.facts,
            faults_met: self.world.proxies.met(),
            sent: self.sent.clone(),
        };
        self.check_results(&mut facts).await?;
        Ok(facts)
    }

    /// Fetches what was paid for, as its requestor does, and compares.
    async fn check_results(&self, facts: &mut Facts) -> Result<(), ScenarioError> {
        let Some(node) = self.world.node.client() else { return Ok(()) };
        for task in &self.tasks {
            let Some(view) = task.view.as_ref().filter(|view| view.status == TaskStatus::Paid)
            else {
                continue;
            };
            let key = &self.world.party(&task.by)?.key;
            let bytes = fog_requestor::fetch(node, key, view).await?;
            let right = workload::document(&workload::count_locally(&task.input));
            let fact = facts.tasks.iter_mut().find(|fact| fact.name == task.name);
            if let Some(fact) = fact {
                fact.result_right = Some(bytes == right);
            }
        }
        Ok(())
    }

    fn cast(&self) -> Result<Cast, ScenarioError> {
        use super::facts::{CastTask, CastWorker};
        let local = self.world.local()?;
        let mut tasks = Vec::new();
        for task in &self.tasks {
            tasks.push(CastTask {
                name: task.name.clone(),
                id: task.prepared.task.0,
                escrow: task.prepared.escrow,
                requestor: task.by.clone(),
                pays: task.prepared.listing.requestor,
            });
        }
        let mut workers = Vec::new();
        for seat in &self.world.seats {
            workers.push(CastWorker {
                name: seat.name().to_owned(),
                owner: self.world.party(seat.name())?.address,
                stake: self.world.stake(seat.name())?,
                honest: seat.def().manner.is_honest(),
            });
        }
        let wallets = self.world.parties.values();
        Ok(Cast {
            ledger: Ledger {
                market: local.market,
                stakes: workers.iter().map(|worker| worker.stake).collect(),
                bond: local.bond()?,
                escrows: tasks.iter().map(|task| task.escrow).collect(),
                treasury: self.world.party(TREASURY)?.address,
                burn: BURN,
            },
            tasks,
            workers,
            wallets: wallets.map(|who| (who.name.clone(), who.address, who.before)).collect(),
        })
    }
}

/// The payment that funds a task.
fn payment(prepared: &Prepared) -> Result<OutMessage, ScenarioError> {
    let init = TaskInit::of(&prepared.listing);
    let amount = prepared.listing.price_cap.saturating_add(FUND_VALUE);
    Ok(OutMessage::new(prepared.escrow, amount)
        .with_state_init(init.state_init()?)
        .with_body(task::fund(0)?))
}

/// What is counted: a short text, another for each piece of work.
fn text(name: &str, work: u32) -> Vec<u8> {
    let seed = Hash32::of(format!("{name}/{work}").as_bytes());
    let mut text = format!("{name} {work}: ");
    for byte in seed.0 {
        text.push_str(["fog", "market", "stake", "bid", "slash"][usize::from(byte) % 5]);
        text.push(' ');
    }
    text.into_bytes()
}
