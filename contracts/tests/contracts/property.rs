//! Random sequences of messages, right, wrong, late, repeated, forged, in any interleaving: one
//! transaction a block, and new messages while old ones are under way. [`Ledger`] checks everything
//! after every transaction. `FOG_SEQUENCES` sets how many sequences run
//! (6,200 check five million transactions, or fail), `FOG_SEED` runs one again.

mod actions;
mod bonding;
mod channels;
mod delegating;
mod dice;
mod differential;
mod jetton_tasks;
mod jettons;

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use fog_contracts::{
    TaskState,
    delegation::DelegationInit,
    market::{self, MarketInit},
    operator::OperatorInit,
    stake::StakeInit,
    task::{ProofRole, TaskInit, Terms},
};
use fog_protocol::{Address, Hash32, Nano, SecretKey};
use fog_testnet::chain::{Block, Bounce, Chain, ChainConfig, Clock, Transfer, Treasury};
use tycho_types::{cell::Cell, models::StateInit};

use dice::{Dice, Seed};
use jetton_tasks::{address, is_in_jetton};

use crate::{
    bouncing::as_declared,
    jettons::real::Jetton,
    ledger::{Ledger, Tally},
    proving,
    world::{START, STEP, UNBONDING, WINDOW, config, ours, std},
};

/// What the figures are called.
const FIGURES: &str = "random sequences";
const MESSAGES: u32 = 230;
const SEQUENCES: u64 = 320;
/// Of the longer command in the README.
const MANY_SEQUENCES: u64 = 6_200;
const DAY: u32 = 24 * 3600;
const TASKS: u8 = 6;
/// The task that is decided by a proof.
const PROVEN: u8 = 1;
/// The one where a proof overrules verdicts.
const OVERRULED: u8 = 2;
const WORKERS: u8 = 2;
const VERIFIERS: u8 = 3;

/// A message that was sent once and may be sent again.
#[derive(Clone)]
struct Old {
    to: Address,
    value: u64,
    init: Option<StateInit>,
    body: Cell,
}

struct Play {
    chain: Chain,
    dice: Dice,
    ledger: Ledger,
    parties: Parties,
    tasks: Vec<TaskInit>,
    stakes: Vec<StakeInit>,
    /// The node's bond, which alone assigns, and a stranger's.
    bonds: [OperatorInit; 2],
    verifiers: Vec<SecretKey>,
    jettons: Vec<Jetton>,
    old: Vec<Old>,
    query: u64,
    sent: u64,
}

struct Parties {
    owner: Treasury,
    requestors: Vec<Treasury>,
    operator: Treasury,
    workers: Vec<Treasury>,
    stakers: Vec<Treasury>,
    strangers: Vec<Treasury>,
}

impl Parties {
    fn any(&self, dice: &mut Dice) -> Treasury {
        let fixed = [&self.owner, &self.operator];
        let all: Vec<_> = fixed
            .into_iter()
            .chain(&self.requestors)
            .chain(&self.workers)
            .chain(&self.stakers)
            .chain(&self.strangers)
            .collect();
        (*dice.one(&all)).clone()
    }
}

fn session(worker: u8) -> SecretKey {
    SecretKey::from_seed(&[40 + worker; 32])
}

impl Play {
    fn new(seed: u64) -> Self {
        let settings = ChainConfig {
            clock: Clock::Manual(START),
            max_block_transactions: 1,
            max_drain_blocks: 0,
            ..ChainConfig::default()
        };
        let mut chain = Chain::new_in_memory(settings).unwrap();
        let mut party = |salt| {
            let party = chain.open_treasury(salt, 1_000_000_000_000).unwrap();
            while chain.backlog() > 0 {
                chain.mine().unwrap();
            }
            party
        };
        let parties = Parties {
            owner: party(1),
            operator: party(2),
            requestors: vec![party(3), party(4)],
            workers: vec![party(5), party(6)],
            stakers: vec![party(9), party(10)],
            strangers: vec![party(7), party(8)],
        };
        let verifiers: Vec<_> =
            (0..VERIFIERS).map(|i| SecretKey::from_seed(&[100 + i; 32])).collect();
        let (treasury, burn) = (Address::basechain([0xee; 32]), Address::basechain([0xdd; 32]));
        let operator = ours(&parties.operator.address);
        let init = MarketInit { owner: ours(&parties.owner.address), salt: 7 };
        let market = init.address().unwrap();
        let config = config(2, &verifiers, treasury, burn);
        let mut ledger = Ledger::new(market, treasury, burn, operator);
        parties.channels().iter().for_each(|channel| ledger.channels.watch(channel));
        let mut dice = Dice(seed);
        let stakes: Vec<_> = parties
            .workers
            .iter()
            .map(|worker| config.stake_of(market, ours(&worker.address)))
            .collect();
        let tasks: Vec<_> = (0..TASKS)
            .map(|id| random_task(&mut dice, id, market, operator, &parties.requestors))
            .collect();
        for task in &tasks {
            ledger.tasks.insert(address(task), *task);
        }
        for stake in &stakes {
            let at = stake.address().unwrap();
            ledger.stakes.insert(at, stake.owner);
            for staker in &parties.stakers {
                let init = DelegationInit { stake: at, owner: ours(&staker.address) };
                ledger.delegations.insert(init.address().unwrap(), init);
            }
        }
        let stranger = ours(&parties.strangers[0].address);
        let bonds = [operator, stranger].map(|owner| config.operator_of(market, owner));
        for bond in bonds {
            ledger.bonds.watch(&bond);
        }
        let mut play = Self {
            chain,
            dice,
            ledger,
            parties,
            tasks,
            stakes,
            bonds,
            verifiers,
            jettons: Vec::new(),
            old: Vec::new(),
            query: 0,
            sent: 0,
        };
        let owner = play.parties.owner.clone();
        let setup = market::setup(1, &config).unwrap();
        play.send(&owner, market, 1_000_000_000, Some(init.state_init().unwrap()), setup);
        play.drain();
        play.set_up_jettons();
        play.watch_the_poor();
        let operator = play.parties.operator.clone();
        play.add_bond(&operator, 0, 60_000_000_000);
        play.drain();
        play
    }

    fn watch_the_poor(&mut self) {
        let poor = self.parties.strangers.iter().chain([&self.parties.owner]);
        self.ledger.poor =
            poor.map(|party| (ours(&party.address), self.balance(&ours(&party.address)))).collect();
        self.ledger.operator_had = self.balance(&self.ledger.operator);
    }

    fn balance(&self, address: &Address) -> u64 {
        u64::try_from(self.chain.account(&std(address)).unwrap().balance).unwrap()
    }

    fn query(&mut self) -> u64 {
        self.query += 1;
        self.query
    }

    fn send(
        &mut self,
        from: &Treasury,
        to: Address,
        value: u64,
        init: Option<StateInit>,
        body: Cell,
    ) {
        let bounce = if self.dice.once_in(9) { Bounce::Never } else { Bounce::Classic };
        let transfer = Transfer {
            to: std(&to),
            value: value.into(),
            bounce,
            init: init.clone(),
            body: body.clone(),
        };
        let receipt = as_declared(self.chain.send_from(from, &transfer).unwrap());
        for record in &receipt.transactions {
            self.ledger.check(&self.chain, record);
        }
        self.sent += 1;
        self.old.push(Old { to, value, init, body });
    }

    /// Delivers one message.
    fn step(&mut self) {
        let block = self.chain.mine().unwrap();
        self.check_block(&block);
    }

    fn check_block(&mut self, block: &Block) {
        for transaction in &block.transactions {
            let record =
                self.chain.transaction(&transaction.address, transaction.lt).unwrap().unwrap();
            self.ledger.check(&self.chain, &record);
        }
    }

    fn drain(&mut self) {
        while self.chain.backlog() > 0 {
            self.step();
        }
        self.ledger.check_quiet(&self.chain);
    }

    /// Mostly what is right; at times too little, or more.
    fn value(&mut self, right: u64) -> u64 {
        match self.dice.below(10) {
            0 => self.dice.below(right) + 1,
            1 => right * 2,
            _ => right,
        }
    }

    /// Mostly who may, sometimes whoever.
    fn sender(&mut self, right: &Treasury) -> Treasury {
        if self.dice.once_in(8) { self.parties.any(&mut self.dice) } else { right.clone() }
    }

    /// What comes next for some task.
    fn advance(&mut self) {
        let task = self.task();
        self.advance_with(task);
    }

    fn advance_with(&mut self, task: TaskInit) {
        match self.data(&task).map(|data| data.state) {
            None | Some(TaskState::Created) if is_in_jetton(&task) => self.begin_or_pay(&task),
            None | Some(TaskState::Created) => self.fund(),
            Some(TaskState::Open) => self.assign(),
            Some(TaskState::Assigned) if task.terms.id.0[0] == PROVEN + 1 => self.prove(),
            Some(TaskState::Assigned) => self.commit(),
            Some(TaskState::Committed) => self.verdict(),
            Some(TaskState::Disputed) => self.rule(),
            Some(TaskState::Accepted | TaskState::Rejected) if !self.dice.once_in(3) => {
                self.challenge();
            }
            _ => self.push(),
        }
    }

    fn play(&mut self, messages: u32) {
        for _ in 0..3 {
            self.own_stake();
            self.drain();
        }
        for _ in 0..messages {
            match self.dice.below(247) {
                107..139 => self.act_on_a_channel(),
                139..144 => self.bonds(),
                144..154 => self.challenge(),
                154..159 => self.rule(),
                159..193 => self.advance(),
                193..217 => self.act_on_a_jetton_channel(),
                217..237 => self.act_on_a_jetton_task(),
                237.. => self.rule(),
                0..12 => self.fund(),
                12..30 => self.assign(),
                30..44 => self.commit(),
                44..53 => self.verdict(),
                53..56 => self.prove(),
                56..66 => self.push(),
                66..74 => self.own_stake(),
                74..77 => self.run_market(),
                77..84 => self.forge(),
                84..90 => self.repeat(),
                90..92 => self.babble(),
                100..107 => self.delegated_stake(),
                _ => self.warp(),
            }
            for _ in 0..self.dice.below(9) {
                self.step();
            }
            if self.dice.once_in(4) {
                self.drain();
            }
        }
    }
}

fn random_task(
    dice: &mut Dice,
    id: u8,
    market: Address,
    operator: Address,
    requestors: &[Treasury],
) -> TaskInit {
    // The last one belongs to a market that does not exist.
    let market = if id + 1 == TASKS { Address::basechain([0x99; 32]) } else { market };
    TaskInit {
        market,
        requestor: ours(&dice.one(requestors).address),
        operator,
        terms: Terms {
            id: Hash32([id + 1; 32]),
            price: Nano::new(*dice.one(&[1, 39, 41, 999_999_999, 1_000_000_000, 7_654_321_987])),
            damages: Nano::new(*dice.one(&[0, 1, 1_000_000_000, 1 << 62])),
            bid: *dice.one(&[STEP, 3600]),
            commit: STEP,
            verdict: *dice.one(&[10, STEP]),
            window: *dice.one(&[0, WINDOW, WINDOW]),
            // A proof decides one of them.
            proof: match id {
                PROVEN => ProofRole::Decides(proving::statement().hash().unwrap()),
                OVERRULED => ProofRole::Overrules(proving::statement().hash().unwrap()),
                _ => ProofRole::None,
            },
        },
    }
}

/// However it went: everybody's exits open with time, and a stranger may push all of them.
fn leave(play: &mut Play) {
    play.drain();
    let stranger = play.parties.strangers[0].clone();
    for _ in 0..3 {
        let block = play.chain.warp(90 * DAY + 2 * STEP).unwrap();
        play.check_block(&block);
        play.drain();
        // Twice: what ends a dispute opens the way to the end.
        for task in [play.ledger.live_tasks(), play.ledger.live_tasks()].into_iter().flatten() {
            let Some(data) = play.data_at(&task) else { continue };
            if data.state != TaskState::Created && !data.state.is_end() {
                play.push_from(&stranger, task);
                play.drain();
            }
        }
    }
    let live = play.ledger.live_tasks();
    let stuck = live.iter().filter_map(|task| play.data_at(task));
    let stuck: Vec<_> = stuck.filter(|data| data.state != TaskState::Created).collect();
    assert!(stuck.is_empty(), "these never end: {stuck:?}");
    play.empty_channels(&stranger);
    play.empty_jetton_channels(&stranger);
    play.empty_jetton_tasks();
    play.free_reservations(&stranger);
    play.empty_delegations();
    play.empty_stakes();
    play.empty_bonds();
}

/// What many sequences came to.
#[derive(Default)]
struct Sums {
    sent: u64,
    transactions: u64,
    ends: BTreeMap<TaskState, u64>,
    redemptions: u64,
    closed: u64,
    /// Credits, transfers, bounces and ends of channels in jettons.
    jettons: [u64; 4],
    /// Credits, claims, bounces, payments and burials of tasks in jettons.
    jetton_tasks: [u64; 5],
    accepted: BTreeMap<u32, u64>,
    proven: u64,
    bonds: Tally,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.transactions += other.transactions;
        self.proven += other.proven;
        self.redemptions += other.redemptions;
        self.closed += other.closed;
        self.jettons.iter_mut().zip(other.jettons).for_each(|(sum, other)| *sum += other);
        let sums = self.jetton_tasks.iter_mut().zip(other.jetton_tasks);
        sums.for_each(|(sum, other)| *sum += other);
        self.bonds.add(other.bonds);
        for (state, count) in other.ends {
            *self.ends.entry(state).or_default() += count;
        }
        for (op, count) in other.accepted {
            *self.accepted.entry(op).or_default() += count;
        }
    }
}

fn sequence(seed: u64) -> Sums {
    let _told = Seed(seed);
    let mut play = Play::new(seed);
    play.play(MESSAGES);
    leave(&mut play);
    let jettons = &play.ledger.jettons;
    let tasks = &play.ledger.jetton_tasks;
    Sums {
        jettons: [jettons.credits, jettons.transfers, jettons.bounces, jettons.closed],
        jetton_tasks: [tasks.credits, tasks.claims, tasks.bounces, tasks.paid, tasks.buried],
        sent: play.sent,
        transactions: play.ledger.transactions,
        redemptions: play.ledger.channels.redemptions,
        closed: play.ledger.channels.closed,
        bonds: play.ledger.bonds.tally,
        ends: play.ledger.ends,
        accepted: play.ledger.accepted,
        proven: play.ledger.proven,
    }
}

/// Two at a time; they have nothing in common but their rules.
fn sequences(seeds: Range<u64>) -> Sums {
    let next = AtomicU64::new(seeds.start);
    let run = || {
        let mut sums = Sums::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return sums;
            }
            sums.add(sequence(seed));
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(run);
        let mut sums = run();
        sums.add(other.join().expect("no sequence failed"));
        sums
    })
}

/// The least that so many sequences must have checked; few may be chosen to look for something.
const fn least_transactions(sequences: u64) -> u64 {
    match sequences {
        MANY_SEQUENCES.. => 5_000_000,
        SEQUENCES.. => 200_000,
        _ => 0,
    }
}

#[test]
fn random_sequences_keep_the_books() {
    let only = std::env::var("FOG_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let count = std::env::var("FOG_SEQUENCES").ok().and_then(|count| count.parse().ok());
    let count = count.unwrap_or(SEQUENCES);
    let sums = sequences(only.map_or(0..count, |seed| seed..seed + 1));
    fog_figures::figure!(
        FIGURES,
        "{} messages, {} transactions checked",
        sums.sent,
        sums.transactions
    );
    fog_figures::figure!(FIGURES, "ends: {:?}; {} paid by a proof", sums.ends, sums.proven);
    fog_figures::figure!(
        FIGURES,
        "{} redemptions, {} channels closed",
        sums.redemptions,
        sums.closed
    );
    let [credits, transfers, bounces, closed] = sums.jettons;
    fog_figures::figure!(
        FIGURES,
        "jettons: {credits} credits, {transfers} transfers, {bounces} bounced, {closed} closed"
    );
    let [paid_in, claims, back, paid, buried] = sums.jetton_tasks;
    fog_figures::figure!(
        FIGURES,
        "tasks in jettons: {paid_in} payments in, {paid} paid, {claims} claims, {back} bounced, \
         {buried} buried"
    );
    fog_figures::figure!(FIGURES, "{:?}", sums.bonds);
    fog_figures::figure!(FIGURES, "accepted, by opcode: {:x?}", sums.accepted);
    // A generator that never gets anywhere would prove nothing.
    if only.is_none() && count >= SEQUENCES {
        let least = least_transactions(count);
        assert!(sums.transactions >= least, "{} of {least}", sums.transactions);
        assert!(sums.proven >= 40, "{}", sums.proven);
        assert!(sums.redemptions >= 1_000 && sums.closed >= 500, "hardly a voucher");
        assert!(paid_in >= 300 && paid >= 20 && claims >= 200 && buried >= 200, "hardly a task");
        assert!(credits >= 500 && transfers >= 700 && closed >= 300, "hardly a jetton moved");
        assert!(bounces >= 40 && back >= 20, "hardly a transfer came back: {bounces}, {back}");
        let few = sums.bonds.few();
        assert!(few.is_empty(), "hardly a {few:?}");
        let ends = sums.ends;
        for state in [TaskState::Paid, TaskState::Slashed, TaskState::Refunded, TaskState::Late] {
            assert!(ends.get(&state).is_some_and(|count| *count >= 100), "{ends:?}");
        }
    }
}
