//! One schedule: a node that is the market with its log, three workers with their journals, a
//! requestor, verifiers and a chain, all of which fail at times that the seed decides.
//!
//! ```text
//! requestor --frames--> node (Market + log + outbox) --messages--> chain
//! workers  <--frames-->   ^        |                                 |
//!                         |        '--asks--> verifiers              |
//!                         '-------------facts, late or twice---------'
//! ```
//!
//! What a real node keeps, this one keeps: log and outbox are stored together before anything is let
//! out; frames, timers and verifications are lost with the process. What a real worker keeps, these
//! keep: once a commitment is in the journal it is repeated and never replaced.

use std::collections::BTreeMap;

use fog_market::{Action, Event, Refused, Rules, Trust};
use fog_protocol::{Address, Nano, TaskId, TaskStatus, gateway::PassReason};
use fog_verifier::{AuditBasis, Execute, ExecuteError, Execution, Job};

use super::{
    chain::{Contract, End, Message},
    dice::Dice,
};
use crate::kit::{CAP, Result_, START, Truth, World, nonce, rules, seed, wallet};

pub(super) const WORKERS: u8 = 3;
const TASKS: u32 = 4;
const STAKE: Nano = Nano::grams(1_000);
/// Everything has a deadline, and by then all have passed.
const HORIZON: u64 = 4 * 3600;
/// Faults begin until then; without any, a task takes half as long.
const TROUBLE: u64 = 400;

/// What goes wrong, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// The node is killed.
    Node,
    /// A worker is killed.
    Worker,
    /// A worker's disk is full: it writes nothing into its journal.
    FullDisk,
    /// Node and chain are cut off from each other: no facts, no time, and messages wait.
    Cut,
    /// Most frames between node, workers and requestor are lost.
    Frames,
    /// Verifiers are away or their sandboxes fail.
    Verifiers,
    /// Runs take longer than a worker or a verifier allows, and are tried again.
    Slow,
}

const FAULTS: [Fault; 7] = [
    Fault::Node,
    Fault::Worker,
    Fault::FullDisk,
    Fault::Cut,
    Fault::Frames,
    Fault::Verifiers,
    Fault::Slow,
];

/// What happens next.
#[derive(Debug, Clone)]
enum Happening {
    Post(u32),
    /// The requestor's payment is on chain.
    Fund(TaskId),
    /// The requestor opens its nonce.
    Nonce(TaskId),
    Arrives(TaskId, Message),
    /// The node looks at what a contract has said.
    Read(TaskId),
    /// A worker hears of a task.
    Offered(u8, TaskId),
    /// A worker looks after what it has in hand: every few seconds, and when it is told something.
    Looks(u8),
    Works(u8),
    /// A verification's try ends; of the asking with this number.
    Checked(TaskId, u64),
    /// The node looks at its deadlines.
    Wakes,
    /// The node is started again.
    Starts,
    Joins(u8),
    Fault(Fault),
}

/// A worker's journal of one task.
#[derive(Debug, Clone, Copy)]
struct Work {
    /// When the guest is through.
    done_at: u64,
    /// Its commitment is in the journal.
    committed: bool,
}

#[derive(Debug, Default)]
struct Worker {
    down_until: u64,
    full_until: u64,
    jobs: BTreeMap<TaskId, Work>,
}

/// What was asked of the verifiers.
struct Asked {
    number: u64,
    basis: AuditBasis,
    tries: u32,
}

/// What a schedule came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) ends: BTreeMap<End, u32>,
    pub(super) faults: BTreeMap<Fault, u32>,
    pub(super) lost_frames: u32,
    pub(super) failed_checks: u32,
    pub(super) replays: u32,
    /// Whose verdict on chain took a stake, and whose was challenged.
    pub(super) slashed: Vec<Address>,
    pub(super) challenged: Vec<Address>,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        for (end, count) in other.ends {
            *self.ends.entry(end).or_default() += count;
        }
        for (fault, count) in other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        self.lost_frames += other.lost_frames;
        self.failed_checks += other.failed_checks;
        self.replays += other.replays;
        self.slashed.extend(other.slashed);
        self.challenged.extend(other.challenged);
    }
}

/// A sandbox that fails: no run, no result.
struct Broken(ExecuteError);

impl Execute for Broken {
    fn execute(&self, _: &Job<'_>) -> Result<Execution, ExecuteError> {
        Err(self.0.clone())
    }
}

pub(super) struct Simulation {
    dice: Dice,
    world: World,
    /// The real time; the node knows what the chain last told it.
    now: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    queued: u64,
    chain: BTreeMap<TaskId, Contract>,
    /// How many facts of each contract the node has in its log.
    heard: BTreeMap<TaskId, usize>,
    tasks: Vec<TaskId>,
    workers: BTreeMap<u8, Worker>,
    asked: BTreeMap<TaskId, Asked>,
    asks: u64,
    node_down: bool,
    /// When the node looks at its deadlines next.
    wakes_at: Option<u64>,
    until: BTreeMap<Fault, u64>,
    cheats: bool,
    tally: Tally,
}

impl Simulation {
    /// `cheats`: the last worker hands in wrong results.
    pub(super) fn run(seed: u64, cheats: bool) -> Tally {
        let mut dice = Dice::new(seed);
        let probation = u32::try_from(dice.between(0, 2)).unwrap();
        let mut simulation = Self {
            dice,
            // As every node's log begins.
            world: World::trusting(
                Rules { probation, flag_audits: 2, ..rules() },
                Trust::default(),
            ),
            now: START,
            queue: BTreeMap::new(),
            queued: 0,
            chain: BTreeMap::new(),
            heard: BTreeMap::new(),
            tasks: Vec::new(),
            workers: (1..=WORKERS).map(|worker| (worker, Worker::default())).collect(),
            asked: BTreeMap::new(),
            asks: 0,
            node_down: false,
            wakes_at: None,
            until: BTreeMap::new(),
            cheats,
            tally: Tally::default(),
        };
        simulation.plan();
        simulation.play();
        simulation.close(seed)
    }

    fn plan(&mut self) {
        for worker in 1..=WORKERS {
            self.after(0, Happening::Joins(worker));
            self.after(1, Happening::Looks(worker));
        }
        for task in 0..TASKS {
            let at = self.dice.between(1, 120);
            self.after(at, Happening::Post(task));
        }
        for _ in 0..self.dice.between(4, 12) {
            let (at, fault) = (self.dice.between(5, TROUBLE), self.dice.pick(&FAULTS));
            self.after(at, Happening::Fault(fault));
        }
    }

    fn play(&mut self) {
        while let Some(((at, _), happening)) = self.queue.pop_first() {
            if at > START + HORIZON {
                return;
            }
            self.now = at;
            self.happens(happening);
            if self.is_over() {
                return;
            }
        }
    }

    fn is_over(&self) -> bool {
        let ended =
            |task| self.world.market.task(task).is_some_and(|task| task.status().is_terminal());
        self.chain.len() == TASKS as usize
            && self.chain.iter().all(|(task, contract)| contract.end.is_some() && ended(task))
    }

    /// Nothing is left over, and the log gives the same market.
    fn close(mut self, seed: u64) -> Tally {
        for (task, contract) in &self.chain {
            let end = contract.end;
            let Some(end) = end else {
                panic!("schedule {seed}: {task} has not ended: {contract:?}");
            };
            let status = self.world.status(task);
            assert!(status.is_terminal(), "schedule {seed}: {task} is {status}, ended as {end:?}");
            *self.tally.ends.entry(end).or_default() += 1;
            if end == End::Slashed {
                self.tally.slashed.extend(contract.worker);
            }
            self.tally.challenged.extend(contract.challenged);
        }
        assert_eq!(self.chain.len(), self.tasks.len(), "schedule {seed}: not all were paid for");
        let (replayed, _) = self.world.replay();
        assert_eq!(replayed.state_hash(), self.world.market.state_hash(), "schedule {seed}");
        self.tally
    }

    fn after(&mut self, seconds: u64, happening: Happening) {
        self.queued += 1;
        self.queue.insert((self.now + seconds, self.queued), happening);
    }

    fn is(&self, fault: Fault) -> bool {
        self.until.get(&fault).is_some_and(|until| self.now < *until)
    }

    /// How long a frame takes, if it comes at all.
    fn frame(&mut self) -> Option<u64> {
        let share = if self.is(Fault::Frames) { 70 } else { 3 };
        if self.dice.percent(share) {
            self.tally.lost_frames += 1;
            return None;
        }
        Some(self.dice.between(0, 2))
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Post(number) => self.post(number),
            Happening::Fund(task) => {
                self.chain.insert(task, Contract::funded(task, self.now));
                self.noticed(task);
            }
            Happening::Nonce(task) => self.open_nonce(task),
            Happening::Arrives(task, message) => self.arrives(task, &message),
            Happening::Read(task) => self.read(task),
            Happening::Offered(worker, task) => self.bid(worker, task),
            Happening::Looks(worker) => self.looks(worker),
            Happening::Works(worker) => self.works(worker),
            Happening::Checked(task, number) => self.checked(task, number),
            Happening::Wakes => self.wakes(),
            Happening::Starts => self.starts(),
            Happening::Joins(worker) => self.joins(worker),
            Happening::Fault(fault) => self.fault(fault),
        }
    }

    fn fault(&mut self, fault: Fault) {
        *self.tally.faults.entry(fault).or_default() += 1;
        // Most are over soon; some outlast every deadline of a task.
        let most = if self.dice.percent(20) { 1_200 } else { 120 };
        let lasts = self.dice.between(1, most);
        let until = self.now + lasts;
        let worker = u8::try_from(self.dice.between(1, u64::from(WORKERS))).unwrap();
        match fault {
            Fault::Node => self.kill_node(lasts),
            Fault::Worker => self.kill_worker(worker, lasts),
            Fault::FullDisk => self.workers.get_mut(&worker).unwrap().full_until = until,
            Fault::Cut | Fault::Frames | Fault::Verifiers | Fault::Slow => {
                self.until.insert(fault, until);
            }
        }
    }

    // The node.

    /// Puts an event to the node. True if it is in the log: what comes of it may be lost all the same.
    fn hears(&mut self, event: Event) -> bool {
        if self.node_down {
            return false;
        }
        // Killed before it was stored, or after: then what was to be let out is lost, the outbox not.
        let (before, after) = (self.dice.percent(1) && self.dice.percent(30), self.dice.percent(1));
        if before {
            self.kill_node(20);
            return false;
        }
        self.tell_time();
        match self.world.apply(event) {
            Ok(actions) => {
                let count = actions.len();
                self.perform(count);
                if after && self.dice.percent(30) {
                    self.kill_node(20);
                }
                true
            }
            Err(Refused::Contradiction { status, said }) => {
                panic!("the node says {status}, the chain {said}")
            }
            Err(_) => false,
        }
    }

    /// While it is cut off, time stands still for the node.
    fn tell_time(&mut self) {
        if !self.is(Fault::Cut) {
            self.world.now = self.world.now.max(self.now);
        }
    }

    /// Performs the last actions that came out.
    fn perform(&mut self, count: usize) {
        let from = self.world.actions.len() - count;
        // Settlements cannot be copied: what is to be done is noted first.
        let todo: Vec<_> = self.world.actions[from..].iter().filter_map(Todo::of).collect();
        for todo in todo {
            self.does(todo);
        }
        self.rearm();
    }

    fn rearm(&mut self) {
        let next = self.world.market.next_deadline().map(|at| at.max(self.now + 1));
        if let Some(at) = next.filter(|at| self.wakes_at.is_none_or(|set| *at < set)) {
            self.wakes_at = Some(at);
            self.after(at - self.now, Happening::Wakes);
        }
    }

    fn does(&mut self, todo: Todo) {
        match todo {
            Todo::Send(task, message) => {
                let takes = self.dice.between(2, 12);
                self.after(takes, Happening::Arrives(task, message));
            }
            Todo::Offer(task, to) => {
                for worker in to {
                    if let Some(takes) = self.frame() {
                        self.after(takes, Happening::Offered(worker.hash.0[0], task));
                    }
                }
            }
            // The worker looks by itself, too: see `works`.
            Todo::Wake(worker) => {
                if let Some(takes) = self.frame() {
                    self.after(takes, Happening::Works(worker.hash.0[0]));
                }
            }
            Todo::AskNonce(task) => {
                let takes = self.dice.between(0, 90);
                self.after(takes, Happening::Nonce(task));
            }
            Todo::Verify(task, basis) => {
                self.asks += 1;
                let number = self.asks;
                self.asked.insert(task, Asked { number, basis, tries: 0 });
                let takes = self.dice.between(1, 20);
                self.after(takes, Happening::Checked(task, number));
            }
            Todo::Read(task) => {
                let takes = self.dice.between(1, 5);
                self.after(takes, Happening::Read(task));
            }
        }
    }

    fn wakes(&mut self) {
        // One that was set before an earlier one is nothing any more.
        if self.wakes_at != Some(self.now) {
            return;
        }
        self.wakes_at = None;
        if self.node_down {
            return;
        }
        self.tell_time();
        let now = self.world.now;
        if self.world.market.next_alarm().is_some_and(|at| at <= now) {
            self.hears(Event::Tick);
        }
        if !self.node_down && self.world.market.next_round().is_some_and(|at| at <= now) {
            self.hears(Event::CloseRounds);
        }
        if !self.node_down {
            self.rearm();
        }
    }

    fn kill_node(&mut self, lasts: u64) {
        if !self.node_down {
            self.node_down = true;
            self.after(lasts, Happening::Starts);
        }
    }

    /// The market is folded from its log, nobody is connected, and what was asked of verifiers and is
    /// still wanted is asked anew: `Actor::load` and `resume_all` of the node.
    fn starts(&mut self) {
        self.node_down = false;
        self.tally.replays += 1;
        let (market, actions) = self.world.replay();
        assert_eq!(market.state_hash(), self.world.market.state_hash(), "another market");
        self.world.market = market;
        self.tell_time();
        self.asked.clear();
        for worker in 1..=WORKERS {
            let left = Event::WorkerLeft { worker: wallet(worker) };
            let count = self.world.apply(left).map_or(0, <[Action]>::len);
            self.perform(count);
            let takes = self.dice.between(1, 25);
            self.after(takes, Happening::Joins(worker));
        }
        let mut asked = BTreeMap::new();
        for action in &actions {
            if let Some(Todo::Verify(task, basis)) = Todo::of(action) {
                asked.insert(task, basis);
            }
        }
        for (task, basis) in asked {
            let Some(known) = self.world.market.task(&task) else { continue };
            let wanted = match &basis {
                AuditBasis::Disputed => known.is_disputed() || known.is_rechecked(),
                basis => known.basis() == Some(basis),
            };
            if wanted {
                self.does(Todo::Verify(task, basis));
            }
        }
        for task in self.tasks.clone() {
            self.does(Todo::Read(task));
        }
        self.rearm();
    }

    // The chain.

    fn arrives(&mut self, task: TaskId, message: &Message) {
        if self.node_down || self.is(Fault::Cut) {
            // The outbox sends it again.
            return self.after(10, Happening::Arrives(task, message.clone()));
        }
        let refuses = self.dice.percent(4);
        let Some(contract) = self.chain.get_mut(&task) else { return };
        if contract.take(message, self.now, refuses) {
            self.noticed(task);
        }
    }

    /// A contract has said something; the node reads it after a while, and sometimes not.
    fn noticed(&mut self, task: TaskId) {
        let takes = self.dice.between(1, 8);
        self.after(takes, Happening::Read(task));
    }

    fn read(&mut self, task: TaskId) {
        if self.node_down || self.is(Fault::Cut) {
            return self.after(15, Happening::Read(task));
        }
        let Some(contract) = self.chain.get(&task) else { return };
        let mut at = self.heard.get(&task).copied().unwrap_or_default();
        // Sometimes told twice, sometimes only the state that it ended in.
        if at > 0 && self.dice.percent(5) {
            at -= 1;
        }
        let skips = self.dice.percent(10);
        let last = contract.facts.len();
        let facts = contract.facts[at..].to_vec();
        for (number, fact) in (at..).zip(facts) {
            if skips && number + 1 < last && self.dice.percent(50) {
                continue;
            }
            self.hears(fact);
            if self.node_down {
                return self.after(25, Happening::Read(task));
            }
            self.heard.insert(task, number + 1);
        }
    }

    // Requestor.

    fn post(&mut self, number: u32) {
        let rate = self.dice.pick(&[50_000, 500_000, 1_000_000]);
        let (task, posted) = self.world.post_event(number, rate);
        match self.frame() {
            // It posts until it is answered.
            None => self.after(5, Happening::Post(number)),
            Some(_) if !self.hears(posted) => self.after(5, Happening::Post(number)),
            Some(_) => {
                if !self.tasks.contains(&task) {
                    self.tasks.push(task);
                    let takes = self.dice.between(3, 15);
                    self.after(takes, Happening::Fund(task));
                }
            }
        }
    }

    fn open_nonce(&mut self, task: TaskId) {
        let salt = self.world.salts[&task];
        if self.frame().is_some() {
            self.hears(Event::NonceOpened { task, nonce: nonce(salt) });
        }
    }

    // Workers.

    fn is_up(&self, worker: u8) -> bool {
        self.workers[&worker].down_until <= self.now
    }

    fn kill_worker(&mut self, worker: u8, lasts: u64) {
        let up = self.now + lasts;
        let takes = self.dice.between(2, 60);
        let mine = self.workers.get_mut(&worker).unwrap();
        mine.down_until = up;
        // What was not in the journal begins anew.
        for job in mine.jobs.values_mut().filter(|job| !job.committed) {
            job.done_at = up + takes;
        }
        self.hears(Event::WorkerLeft { worker: wallet(worker) });
        self.after(lasts, Happening::Joins(worker));
    }

    fn joins(&mut self, worker: u8) {
        if self.node_down || !self.is_up(worker) || self.frame().is_none() {
            return self.after(10, Happening::Joins(worker));
        }
        let free_stake = STAKE;
        let joined = World::joined(worker, free_stake);
        self.hears(joined);
    }

    fn bid(&mut self, worker: u8, task: TaskId) {
        if self.node_down || !self.is_up(worker) || self.frame().is_none() {
            return;
        }
        if self.workers[&worker].full_until > self.now || self.dice.percent(10) {
            let (worker, reason) = (wallet(worker), PassReason::Busy);
            self.hears(Event::Passed { task, worker, reason, ask: None });
            return;
        }
        self.tell_time();
        let bid = self.world.bid_event(task, worker, CAP);
        self.hears(bid);
    }

    /// What `resume` tells a worker: the tasks that are its own, and their states.
    fn assigned(&self, worker: u8) -> Vec<(TaskId, TaskStatus)> {
        let mine = |task: &&fog_market::Task| {
            task.assignment().is_some_and(|made| made.worker == wallet(worker))
        };
        self.world.market.tasks().filter(mine).map(|task| (task.id(), task.status())).collect()
    }

    fn looks(&mut self, worker: u8) {
        let wait = self.dice.between(5, 15);
        self.after(wait, Happening::Looks(worker));
        self.works(worker);
    }

    fn works(&mut self, worker: u8) {
        if self.node_down || !self.is_up(worker) || self.frame().is_none() {
            return;
        }
        for (task, status) in self.assigned(worker) {
            match status {
                TaskStatus::Running => self.runs(worker, task),
                TaskStatus::Committed => self.hands_over(worker, task),
                _ => {}
            }
        }
    }

    fn runs(&mut self, worker: u8, task: TaskId) {
        let slow = self.is(Fault::Slow);
        let takes = self.dice.between(2, 60) + if slow { 120 } else { 0 };
        let now = self.now;
        let mine = self.workers.get_mut(&worker).unwrap();
        let fresh = Work { done_at: now + takes, committed: false };
        let job = mine.jobs.entry(task).or_insert(fresh);
        if !job.committed && now >= job.done_at && mine.full_until <= now {
            job.committed = true;
        }
        if job.committed && self.frame().is_some() {
            let commit = self.world.commit_event(task, worker, self.result_of(worker));
            self.hears(commit);
        }
    }

    fn hands_over(&mut self, worker: u8, task: TaskId) {
        let has = self.workers[&worker].jobs.get(&task).is_some_and(|job| job.committed);
        if has && self.frame().is_some() {
            self.hears(Event::Submitted { task, seed: seed() });
        }
    }

    const fn result_of(&self, worker: u8) -> Result_ {
        if self.cheats && worker == WORKERS { Result_::Wrong } else { Result_::Right }
    }

    // Verifiers.

    fn checked(&mut self, task: TaskId, number: u64) {
        let current = self.asked.get(&task).filter(|asked| asked.number == number);
        let Some((basis, tries)) = current.map(|asked| (asked.basis.clone(), asked.tries)) else {
            return;
        };
        if self.node_down {
            return;
        }
        let fails = self.is(Fault::Verifiers) || self.is(Fault::Slow) || self.dice.percent(10);
        let by = self.world.market.task(&task).and_then(|known| known.assignment());
        let Some(worker) = by.map(|made| made.worker.hash.0[0]) else { return };
        let result = self.result_of(worker);
        let judged = if fails {
            let error = if self.dice.percent(50) {
                ExecuteError::TooSlow { reached_ms: 10_001, allowed_ms: 10_000 }
            } else {
                ExecuteError::Sandbox("its process was killed".to_owned())
            };
            self.world.try_judge(task, result, basis.clone(), &Broken(error))
        } else {
            self.world.try_judge(task, result, basis.clone(), &Truth)
        };
        let Ok(judgement) = judged else {
            self.tally.failed_checks += 1;
            let pause = (1 << tries.min(5)) + 1;
            if let Some(asked) = self.asked.get_mut(&task) {
                asked.tries += 1;
            }
            return self.after(pause, Happening::Checked(task, number));
        };
        self.asked.remove(&task);
        self.tell_time();
        let before = self.world.actions.len();
        let taken = if basis == AuditBasis::Disputed {
            self.world.hand_over_ruling(judgement).is_ok()
        } else {
            self.world.decide(judgement).is_ok()
        };
        if taken {
            self.perform(self.world.actions.len() - before);
        }
    }
}

/// What the node is to do, taken from an action of the market.
enum Todo {
    Send(TaskId, Message),
    Offer(TaskId, Vec<Address>),
    Wake(Address),
    AskNonce(TaskId),
    Verify(TaskId, AuditBasis),
    Read(TaskId),
}

impl Todo {
    fn of(action: &Action) -> Option<Self> {
        Some(match action {
            Action::Offer { task, to, .. } => Self::Offer(*task, to.clone()),
            Action::Assign(assign) => {
                let (worker, price) = (assign.worker, assign.price);
                let (reserve, valid_until) = (assign.reserve, assign.valid_until);
                let message = Message::Assign { worker, price, reserve, valid_until };
                Self::Send(assign.task, message)
            }
            Action::RelayCommit { commit } => {
                let (worker, commitment) = (commit.value.worker, commit.value.commitment);
                Self::Send(commit.value.task, Message::Commit { worker, commitment })
            }
            Action::Settle(settlement) => {
                Self::Send(settlement.task(), Message::Verdict(settlement.verdict()))
            }
            Action::Rule(settlement) => {
                Self::Send(settlement.task(), Message::Rule(settlement.verdict()))
            }
            Action::Undelivered { task } => Self::Send(*task, Message::Undelivered),
            Action::Challenge { task, .. } => Self::Send(*task, Message::Challenge),
            Action::Finalize { task } => Self::Send(*task, Message::Finalize),
            Action::Expire { task } => Self::Send(*task, Message::Expire),
            Action::NotifyAssigned { worker, .. } | Action::AckCommit { worker, .. } => {
                Self::Wake(*worker)
            }
            Action::AskNonce { task, .. } => Self::AskNonce(*task),
            Action::Verify { task, basis, .. } => Self::Verify(*task, basis.clone()),
            Action::Reconcile { task } => Self::Read(*task),
            Action::NotifyLost { .. }
            | Action::Unmatched { .. }
            | Action::Breach { .. }
            | Action::ReadStake { .. }
            | Action::NotifyClosed { .. }
            | Action::Drop { .. } => return None,
        })
    }
}
