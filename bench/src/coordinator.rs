//! What the coordinator itself costs a task: every decision from the posting to the settle queue,
//! with the signature checks, and the log's encoding of each event. A budget is the other side.

use std::hint::black_box;

use anyhow::{Context, Result, bail};
use fog_market::{Action, Event, Market, Payable, Rules, Settlement};
use fog_protocol::{
    Address, Bid, BlobRef, Commit, Durations, GuestExit, Hash32, Listing, Nano, Policy, Program,
    ResourceLimits, Reveal, SealPublicKey, SecretKey, Signature, Signed, TaskId, commitment_hash,
    gateway::PassReason,
};
use fog_verifier::{
    AuditBasis, Conclusion, Execute, ExecuteError, Execution, Job, Judgement, Submission, Verified,
    Work, draw, merkle, verify,
};

use crate::meter::{Reading, timed};

const BUDGET_NS: f64 = 100_000.0;
const ROUNDS: u32 = 12;
/// Tasks that are in the market together.
const TASKS: u32 = 500;
/// Each answers every offer; the first bids, the others pass.
const WORKERS: u8 = 8;
const CAP: Nano = Nano::grams(1);
const RATE_PPM: u32 = 50_000;
const START: u64 = 1_700_000_000;
const SEED: Hash32 = Hash32([0x5e; 32]);
const SALT: Hash32 = Hash32([1; 32]);
const FUEL: u64 = 1234;
const MODULE: &[u8] = b"a module";
const INPUT: &[u8] = b"an input";
const OUTPUT: [u8; 1024] = [b'r'; 1024];

/// Stands in for the sandbox, whose time does not count here.
struct Known;

impl Execute for Known {
    fn execute(&self, _: &Job<'_>) -> Result<Execution, ExecuteError> {
        Ok(Execution { exit: GuestExit::Success, output: OUTPUT.to_vec(), fuel_used: FUEL })
    }
}

/// What reaches the node for one task, signed by those outside: their work does not count.
struct Arrivals {
    id: TaskId,
    nonce: Hash32,
    commitment: Hash32,
    posted: Event,
    bid: Event,
    committed: Event,
}

fn wallet(worker: u8) -> Address {
    Address::basechain([worker; 32])
}

fn stake(worker: u8) -> Address {
    Address::basechain([worker ^ 0x80; 32])
}

/// The winner of a task; the work goes round.
const fn bidder(task: u32) -> u8 {
    (task % WORKERS as u32) as u8 + 1
}

fn rules() -> Rules {
    let at = |byte| Address::basechain([byte; 32]);
    // The draw decides, as it does for workers past their probation.
    Rules { probation: 0, ..Rules::new(-3, at(0xaa), at(0xbb), Hash32([0x71; 32])) }
}

fn arrivals(rules: &Rules, number: u32) -> Result<Arrivals> {
    let requestor = SecretKey::from_seed(&[9; 32]);
    let worker = bidder(number);
    let session = SecretKey::from_seed(&[worker; 32]);
    let nonce = Hash32::of(&number.to_le_bytes());
    let listing = Listing {
        version: Listing::VERSION,
        network: rules.network,
        market: rules.market,
        operator: rules.operator,
        requestor: Address::basechain([0xcc; 32]),
        requestor_key: requestor.public(),
        program: Program::Wasi { module: BlobRef::of(MODULE) },
        input: BlobRef::of(INPUT),
        limits: ResourceLimits::default(),
        price_cap: CAP,
        policy: Policy::Replay { rate_ppm: RATE_PPM },
        durations: Durations::default(),
        nonce_hash: draw::nonce_hash(&nonce),
        epoch: None,
        salt: Hash32::of(&number.to_be_bytes()),
        rail: fog_protocol::Rail::Escrow,
    };
    let id = listing.id();
    let escrow = Address { workchain: 0, hash: id.0 };
    let bid = Bid {
        task: id,
        escrow,
        worker: wallet(worker),
        stake: stake(worker),
        price: CAP,
        reserve: rules.reserve_for(&listing, CAP)?,
        valid_until: START + 600,
        slots: 64,
        consent: Signature([3; 64]),
    };
    let root = merkle::result_root(GuestExit::Success, &OUTPUT);
    let commitment = commitment_hash(&id, &wallet(worker), &root, FUEL, &SALT);
    let chain_signature = Signature([4; 64]);
    let commit = Commit { task: id, worker: wallet(worker), commitment, chain_signature };
    Ok(Arrivals {
        id,
        nonce,
        commitment,
        posted: Event::Posted { listing: Box::new(Signed::new(listing, &requestor)), escrow },
        bid: Event::Bid { bid: Box::new(Signed::new(bid, &session)) },
        committed: Event::Committed { commit: Box::new(Signed::new(commit, &session)) },
    })
}

/// The market with its log and its settle queue.
struct Coordinator {
    market: Market,
    now: u64,
    log_bytes: usize,
    queue: Vec<Payable>,
}

impl Coordinator {
    fn new() -> Result<Self> {
        let market = Market::new(rules());
        let mut this = Self { market, now: START, log_bytes: 0, queue: Vec::new() };
        for worker in 1..=WORKERS {
            this.apply(&Event::WorkerJoined {
                worker: wallet(worker),
                stake: stake(worker),
                session: SecretKey::from_seed(&[worker; 32]).public(),
                seal_key: SealPublicKey(Hash32([worker; 32])),
                free_stake: Nano::grams(10_000_000),
            })?;
        }
        Ok(this)
    }

    /// Decides, and encodes the event as the log stores it.
    fn apply(&mut self, event: &Event) -> Result<()> {
        let actions = self.market.apply(event, self.now)?;
        self.logged(event)?;
        self.perform(actions);
        Ok(())
    }

    fn logged(&mut self, event: &Event) -> Result<()> {
        self.log_bytes += black_box(borsh::to_vec(event)?).len();
        Ok(())
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Settle(Settlement::Pay(payable)) => self.queue.push(payable),
                other => drop(black_box(other)),
            }
        }
    }

    /// Posting, funding, everybody's answer.
    fn open(&mut self, number: u32, task: &Arrivals) -> Result<()> {
        self.apply(&task.posted)?;
        self.apply(&Event::Opened { task: task.id, deadline: self.now + 600 })?;
        for worker in (1..=WORKERS).filter(|worker| *worker != bidder(number)) {
            self.apply(&Event::Passed {
                task: task.id,
                worker: wallet(worker),
                reason: PassReason::PriceTooLow,
                ask: Some(Nano::grams(2)),
            })?;
        }
        self.apply(&task.bid)
    }

    /// From the match to the verdict that is paid.
    fn finish(&mut self, task: &Arrivals, reveal: Reveal) -> Result<()> {
        let id = task.id;
        let assignment =
            self.market.task(&id).and_then(|task| task.assignment()).context("not matched")?;
        let (worker, price, reserve) = (assignment.worker, assignment.price, assignment.reserve);
        let commit_by = self.now + 600;
        self.apply(&Event::Reserved { task: id, worker, price, reserve, commit_by })?;
        self.apply(&task.committed)?;
        let verdict_by = self.now + 600;
        let commitment = task.commitment;
        self.apply(&Event::CommittedOnChain { task: id, commitment, verdict_by })?;
        self.apply(&Event::NonceOpened { task: id, nonce: task.nonce })?;
        self.apply(&Event::Submitted { task: id, seed: SEED })?;
        let verified = self.judge(&id, reveal)?;
        self.logged(&Event::Judged { evidence: Box::new(verified.evidence().clone()) })?;
        let actions = self.market.accept(verified, self.now)?;
        self.perform(actions);
        Ok(())
    }

    fn judge(&self, id: &TaskId, reveal: Reveal) -> Result<Verified<Conclusion>> {
        let task = self.market.task(id).context("unknown task")?;
        let worker = task.assignment().context("not assigned")?.worker;
        let commitment = task.commitment().context("not committed")?;
        let submission = Submission::open(reveal, task.listing(), worker, commitment)?;
        let basis: AuditBasis = task.basis().context("not drawn")?.clone();
        let program = [MODULE.to_vec()];
        let (listing, rate_ppm) = (task.listing(), RATE_PPM);
        let work = Work { listing, program: &program, input: INPUT, key: None, basis, rate_ppm };
        match verify(&work, submission, &Known)? {
            Judgement::Accepted(verified) => Ok(verified.conclude().0),
            Judgement::Rejected(rejected) => bail!("rejected: {}", rejected.evidence().reason()),
        }
    }
}

/// The whole life of every task; returns the coordinator with its queue.
fn live(mut coordinator: Coordinator, work: Vec<(Arrivals, Reveal)>) -> Result<Coordinator> {
    for (number, (task, _)) in (0..).zip(&work) {
        coordinator.open(number, task)?;
        // As the node does after each batch of commands.
        coordinator.apply(&Event::CloseRounds)?;
    }
    for (task, reveal) in work {
        coordinator.finish(&task, reveal)?;
    }
    Ok(coordinator)
}

fn work(rules: &Rules) -> Result<Vec<(Arrivals, Reveal)>> {
    (0..TASKS)
        .map(|number| {
            let task = arrivals(rules, number)?;
            let reveal = Reveal {
                task: task.id,
                exit: GuestExit::Success,
                output: OUTPUT.to_vec(),
                fuel_used: FUEL,
                salt: SALT,
            };
            Ok((task, reveal))
        })
        .collect()
}

/// CPU time a task.
pub(crate) fn measure() -> Result<Reading> {
    let rules = rules();
    let (mut whole, mut checks) = (f64::INFINITY, f64::INFINITY);
    let mut log_bytes = 0;
    for _ in 0..ROUNDS {
        let tasks = work(&rules)?;
        let (spent, checked) = timed(|| {
            tasks.iter().try_for_each(|(task, _)| {
                for event in [&task.posted, &task.bid, &task.committed] {
                    check(event)?;
                }
                anyhow::Ok(())
            })
        });
        checked?;
        checks = checks.min(spent / f64::from(TASKS));
        let coordinator = Coordinator::new()?;
        let (spent, coordinator) = timed(|| live(coordinator, tasks));
        let coordinator = coordinator?;
        if coordinator.queue.len() != TASKS as usize {
            bail!("{} of {TASKS} tasks reached the settle queue", coordinator.queue.len());
        }
        whole = whole.min(spent / f64::from(TASKS));
        log_bytes = coordinator.log_bytes / TASKS as usize;
    }
    Ok(Reading {
        ours: whole / 1e3,
        theirs: BUDGET_NS / 1e3,
        unit: "us",
        against: "a budget",
        goal: 1.0,
        note: format!(
            "{:.1} us of it checks three signatures; {log_bytes} bytes of log a task",
            checks / 1e3
        ),
    })
}

/// The signature check of an event alone.
fn check(event: &Event) -> Result<()> {
    match black_box(event) {
        Event::Posted { listing, .. } => listing.verify().map(drop)?,
        Event::Bid { bid } => bid.verify().map(drop)?,
        Event::Committed { commit } => commit.verify().map(drop)?,
        other => bail!("{} is not signed", other.name()),
    }
    Ok(())
}
