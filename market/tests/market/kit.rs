//! A small world around a market: keys, listings, bids, results, and the log of what was applied.

use std::collections::BTreeMap;

use fog_market::{Action, Event, Market, Outcome, Refused, Rules, Trust, stake_rule};
use fog_protocol::{
    Address, Bid, BlobRef, Commit, Durations, GuestExit, Hash32, Listing, Nano, Policy, Program,
    ResourceLimits, Reveal, SealPublicKey, SecretKey, Signature, Signed, TaskId, TaskStatus,
    commitment_hash,
};
use fog_verifier::{
    AuditBasis, Conclusion, Evidence, Execute, ExecuteError, Execution, Job, Judgement, Submission,
    VerifyError, Work, draw, merkle, verify,
};

pub(crate) const MODULE: &[u8] = b"a module";
/// Long enough to begin with what blinds a copy.
pub(crate) const INPUT: &[u8] = b"an input, and more than thirty-two bytes of it";
pub(crate) const RIGHT: &[u8] = b"the right result";
pub(crate) const WRONG: &[u8] = b"a made up result";
pub(crate) const FUEL: u64 = 1234;
pub(crate) const CAP: Nano = Nano::grams(1);
pub(crate) const START: u64 = 1_700_000_000;

pub(crate) fn seed() -> Hash32 {
    Hash32([0x5e; 32])
}

pub(crate) fn nonce(salt: u32) -> Hash32 {
    Hash32::of(&[b"nonce".as_slice(), &salt.to_le_bytes()].concat())
}

pub(crate) fn rules() -> Rules {
    let at = |byte| Address::basechain([byte; 32]);
    Rules { probation: 0, ..Rules::new(-3, at(0xaa), at(0xbb), Hash32([0x71; 32])) }
}

/// An honest worker's result, or a made up one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Result_ {
    Right,
    Wrong,
}

impl Result_ {
    pub(crate) fn bytes(self) -> &'static [u8] {
        match self {
            Self::Right => RIGHT,
            Self::Wrong => WRONG,
        }
    }

    pub(crate) fn commitment(self, task: &TaskId, worker: &Address) -> Hash32 {
        let root = merkle::result_root(GuestExit::Success, self.bytes());
        commitment_hash(task, worker, &root, FUEL, &Hash32([1; 32]))
    }
}

/// Runs every program to the right result.
pub(crate) struct Truth;

impl Execute for Truth {
    fn execute(&self, _: &Job<'_>) -> Result<Execution, ExecuteError> {
        Ok(Execution { exit: GuestExit::Success, output: RIGHT.to_vec(), fuel_used: FUEL })
    }
}

/// Verifiers that contradict what others found: to them every result is wrong.
pub(crate) struct Contrary;

impl Execute for Contrary {
    fn execute(&self, _: &Job<'_>) -> Result<Execution, ExecuteError> {
        let output = b"something else".to_vec();
        Ok(Execution { exit: GuestExit::Success, output, fuel_used: FUEL })
    }
}

pub(crate) fn requestor() -> SecretKey {
    SecretKey::from_seed(&[9; 32])
}

pub(crate) fn session(worker: u8) -> SecretKey {
    SecretKey::from_seed(&[worker; 32])
}

pub(crate) fn wallet(worker: u8) -> Address {
    Address::basechain([worker; 32])
}

pub(crate) fn stake(worker: u8) -> Address {
    Address::basechain([worker ^ 0x80; 32])
}

pub(crate) fn escrow(task: &TaskId) -> Address {
    Address { workchain: 0, hash: Hash32::of(&task.0.0) }
}

pub(crate) fn listing_of(rules: &Rules, salt: u32, rate_ppm: u32) -> Listing {
    Listing {
        version: Listing::VERSION,
        network: rules.network,
        market: rules.market,
        operator: rules.operator,
        requestor: Address::basechain([0xcc; 32]),
        requestor_key: requestor().public(),
        program: Program::Wasi { module: BlobRef::of(MODULE) },
        input: BlobRef::of(INPUT),
        limits: ResourceLimits::default(),
        price_cap: CAP,
        policy: Policy::Replay { rate_ppm },
        durations: Durations { bid: 600, commit: 600, verdict: 600, window: 60 },
        nonce_hash: draw::nonce_hash(&nonce(salt)),
        epoch: None,
        salt: Hash32::of(&salt.to_le_bytes()),
        rail: fog_protocol::Rail::Escrow,
    }
}

/// The market, its log, and what came out.
pub(crate) struct World {
    pub(crate) market: Market,
    /// What it began with.
    first: Rules,
    pub(crate) now: u64,
    pub(crate) log: Vec<(Event, u64)>,
    pub(crate) actions: Vec<Action>,
    pub(crate) salts: BTreeMap<TaskId, u32>,
}

impl World {
    /// With whom it trusts.
    pub(crate) fn trusting(rules: Rules, trust: Trust) -> Self {
        let mut world = Self::new(rules);
        world.ok(Event::TrustSet { trust: Box::new(trust) });
        world
    }

    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            market: Market::new(rules.clone()),
            first: rules,
            now: START,
            log: Vec::new(),
            actions: Vec::new(),
            salts: BTreeMap::new(),
        }
    }

    /// Applies an event; logs it if it was not refused.
    pub(crate) fn apply(&mut self, event: Event) -> Result<&[Action], Refused> {
        let actions = self.market.apply(&event, self.now)?;
        self.log.push((event, self.now));
        let from = self.actions.len();
        self.actions.extend(actions);
        Ok(&self.actions[from..])
    }

    pub(crate) fn ok(&mut self, event: Event) -> &[Action] {
        self.apply(event).expect("not refused")
    }

    pub(crate) fn code(&mut self, event: Event) -> &'static str {
        let before = self.market.state_hash();
        let code = self.apply(event).expect_err("refused").code();
        assert_eq!(self.market.state_hash(), before, "a refusal changed something: {code}");
        code
    }

    pub(crate) fn status(&self, task: &TaskId) -> TaskStatus {
        self.market.task(task).unwrap().status()
    }

    pub(crate) fn joined(worker: u8, free_stake: Nano) -> Event {
        Event::WorkerJoined {
            worker: wallet(worker),
            stake: stake(worker),
            session: session(worker).public(),
            seal_key: SealPublicKey(Hash32([worker; 32])),
            free_stake,
        }
    }

    pub(crate) fn join(&mut self, worker: u8, free_stake: Nano) {
        self.ok(Self::joined(worker, free_stake));
    }

    /// With the session key of another number.
    pub(crate) fn join_as(&mut self, worker: u8, key: u8, free_stake: Nano) {
        let mut event = Self::joined(worker, free_stake);
        if let Event::WorkerJoined { session: shown, .. } = &mut event {
            *shown = session(key).public();
        }
        self.ok(event);
    }

    pub(crate) fn post_event(&mut self, salt: u32, rate_ppm: u32) -> (TaskId, Event) {
        let listing = listing_of(self.market.rules(), salt, rate_ppm);
        let id = listing.id();
        self.salts.insert(id, salt);
        let listing = Box::new(Signed::new(listing, &requestor()));
        (id, Event::Posted { listing, escrow: escrow(&id) })
    }

    /// Posts and funds a listing at 5 %.
    pub(crate) fn open(&mut self, salt: u32) -> TaskId {
        let (id, event) = self.post_event(salt, 50_000);
        self.ok(event);
        let deadline = self.now + 600;
        self.ok(Event::Opened { task: id, deadline });
        id
    }

    pub(crate) fn bid_event(&self, task: TaskId, worker: u8, price: Nano) -> Event {
        let listing = self.market.task(&task).unwrap().listing();
        let rules = self.market.rules();
        let at_cap = rules.reserve_for(listing, listing.price_cap).unwrap();
        let reserve = stake_rule::scaled_reserve(at_cap, price, listing.price_cap).unwrap();
        let bid = Bid {
            task,
            escrow: escrow(&task),
            worker: wallet(worker),
            stake: stake(worker),
            price,
            reserve,
            valid_until: self.now + 120,
            slots: 8,
            consent: Signature([3; 64]),
        };
        Event::Bid { bid: Box::new(Signed::new(bid, &session(worker))) }
    }

    pub(crate) fn bid(&mut self, task: TaskId, worker: u8, price: Nano) {
        let event = self.bid_event(task, worker, price);
        self.ok(event);
    }

    pub(crate) fn reserved_event(&self, task: TaskId) -> Option<Event> {
        let assignment = self.market.task(&task)?.assignment()?;
        Some(Event::Reserved {
            task,
            worker: assignment.worker,
            price: assignment.price,
            reserve: assignment.reserve,
            commit_by: self.now + 600,
        })
    }

    pub(crate) fn commit_event(&self, task: TaskId, worker: u8, result: Result_) -> Event {
        let commit = Commit {
            task,
            worker: wallet(worker),
            commitment: result.commitment(&task, &wallet(worker)),
            chain_signature: Signature([4; 64]),
        };
        Event::Committed { commit: Box::new(Signed::new(commit, &session(worker))) }
    }

    /// Opens, matches with `worker` alone bidding, reserves.
    pub(crate) fn run(&mut self, salt: u32, worker: u8) -> TaskId {
        let task = self.open(salt);
        self.bid(task, worker, CAP);
        self.now += 2;
        self.ok(Event::CloseRounds);
        let reserved = self.reserved_event(task).unwrap();
        self.ok(reserved);
        task
    }

    /// Commits, on chain too; until when the verdict must be there.
    pub(crate) fn commit(&mut self, task: TaskId, worker: u8, result: Result_) -> u64 {
        let commit = self.commit_event(task, worker, result);
        self.ok(commit);
        let commitment = result.commitment(&task, &wallet(worker));
        let verdict_by = self.now + 600;
        self.ok(Event::CommittedOnChain { task, commitment, verdict_by });
        verdict_by
    }

    /// Commits, on chain too, and submits.
    pub(crate) fn submit(&mut self, task: TaskId, worker: u8, result: Result_) {
        self.commit(task, worker, result);
        self.ok(Event::Submitted { task, seed: seed() });
    }

    pub(crate) fn open_nonce(&mut self, task: TaskId) {
        let nonce = nonce(self.salts[&task]);
        self.ok(Event::NonceOpened { task, nonce });
    }

    /// What the verifier says of a result on the basis the market asked for.
    pub(crate) fn judge(&self, task: TaskId, result: Result_) -> Judgement<Conclusion> {
        let basis = self.market.task(&task).unwrap().basis().unwrap().clone();
        self.judge_on(task, result, basis)
    }

    pub(crate) fn judge_on(
        &self,
        task: TaskId,
        result: Result_,
        basis: AuditBasis,
    ) -> Judgement<Conclusion> {
        self.try_judge(task, result, basis, &Truth).unwrap()
    }

    /// The same with a sandbox that may fail.
    pub(crate) fn try_judge(
        &self,
        task: TaskId,
        result: Result_,
        basis: AuditBasis,
        sandbox: &impl Execute,
    ) -> Result<Judgement<Conclusion>, VerifyError> {
        let task = self.market.task(&task).unwrap();
        let assignment = task.assignment().unwrap();
        let reveal = Reveal {
            task: task.id(),
            exit: GuestExit::Success,
            output: result.bytes().to_vec(),
            fuel_used: FUEL,
            salt: Hash32([1; 32]),
        };
        let commitment = task.commitment().unwrap();
        let submission =
            Submission::open(reveal, task.listing(), assignment.worker, commitment).unwrap();
        let program = [MODULE.to_vec()];
        let work = Work {
            listing: task.listing(),
            program: &program,
            input: INPUT,
            key: None,
            basis,
            rate_ppm: task.rate_ppm(),
        };
        Ok(match verify(&work, submission, sandbox)? {
            Judgement::Accepted(verified) => Judgement::Accepted(verified.conclude().0),
            Judgement::Rejected(rejected) => Judgement::Rejected(rejected),
        })
    }

    pub(crate) fn evidence(judgement: &Judgement<Conclusion>) -> Evidence {
        match judgement {
            Judgement::Accepted(verified) => verified.evidence().clone(),
            Judgement::Rejected(rejected) => rejected.evidence().clone(),
        }
    }

    /// Hands what a second look found to the market, and logs its evidence.
    pub(crate) fn rule(&mut self, task: TaskId, result: Result_) -> Result<&[Action], Refused> {
        let judgement = self.judge_on(task, result, AuditBasis::Disputed);
        self.hand_over_ruling(judgement)
    }

    /// Hands a ruling to the market, and logs its evidence.
    pub(crate) fn hand_over_ruling(
        &mut self,
        judgement: Judgement<Conclusion>,
    ) -> Result<&[Action], Refused> {
        let evidence = Box::new(Self::evidence(&judgement));
        let actions = self.market.rule(judgement, self.now)?;
        self.log.push((Event::Ruled { evidence }, self.now));
        let from = self.actions.len();
        self.actions.extend(actions);
        Ok(&self.actions[from..])
    }

    /// Hands a judgement to the market, and logs its evidence.
    pub(crate) fn decide(
        &mut self,
        judgement: Judgement<Conclusion>,
    ) -> Result<&[Action], Refused> {
        let evidence = Box::new(Self::evidence(&judgement));
        let actions = match judgement {
            Judgement::Accepted(verified) => self.market.accept(verified, self.now)?,
            Judgement::Rejected(rejected) => self.market.reject(rejected, self.now)?,
        };
        self.log.push((Event::Judged { evidence }, self.now));
        let from = self.actions.len();
        self.actions.extend(actions);
        Ok(&self.actions[from..])
    }

    pub(crate) fn verdict(&mut self, task: TaskId, result: Result_) {
        let judgement = self.judge(task, result);
        self.decide(judgement).expect("not refused");
    }

    pub(crate) fn close(&mut self, task: TaskId, outcome: Outcome) {
        self.ok(Event::Closed { task, outcome });
    }

    pub(crate) fn paid(&mut self, task: TaskId) {
        let worker_amount = CAP.mul_div(95, 100).unwrap();
        let fee = CAP.saturating_sub(worker_amount);
        self.close(task, Outcome::Paid { worker_amount, fee });
    }

    /// The last action that matches.
    pub(crate) fn last<T>(&self, pick: impl Fn(&Action) -> Option<T>) -> Option<T> {
        self.actions.iter().rev().find_map(pick)
    }

    /// Salt of a listing whose right result of `worker` is drawn, or not.
    pub(crate) fn salt_where(&self, drawn: bool, worker: u8, from: u32) -> u32 {
        (from..from + 10_000)
            .find(|salt| {
                let id = listing_of(self.market.rules(), *salt, 50_000).id();
                [Result_::Right, Result_::Wrong].iter().all(|result| {
                    let commitment = result.commitment(&id, &wallet(worker));
                    drawn == draw::is_drawn(&seed(), &nonce(*salt), &id, &commitment, 50_000)
                })
            })
            .unwrap()
    }

    /// Applies the log to an empty market: the same state must come out.
    pub(crate) fn replay(&self) -> (Market, Vec<Action>) {
        let mut market = Market::new(self.first.clone());
        let mut actions = Vec::new();
        for (event, now) in &self.log {
            let encoded = borsh::to_vec(event).unwrap();
            let decoded: Event = borsh::from_slice(&encoded).unwrap();
            actions.extend(market.apply(&decoded, *now).unwrap());
        }
        (market, actions)
    }

    pub(crate) fn assert_replays(&self) {
        let (market, actions) = self.replay();
        assert_eq!(market.state_hash(), self.market.state_hash());
        assert_eq!(format!("{actions:?}"), format!("{:?}", self.actions));
    }
}
