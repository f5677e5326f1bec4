//! What everything costs: gas against the constants in `tolk/shared/fees.tolk`, sizes against the
//! rent that is reserved, and the values this crate tells people to attach against what the
//! contracts demand. `contracts/gas.txt` is the table of gas; `table` says how it is written.

mod budgets;
mod demands;
mod governance;
mod jetton_tasks;
mod table;

use fog_contracts::{
    ASSIGN_VALUE, CHALLENGE_VALUE, CHANNEL_END_VALUE, CHANNEL_RENT, CLAIM_VALUE, COMMIT_VALUE,
    DELEGATE_VALUE, END_VALUE, FUND_VALUE, JETTON_CREDIT_VALUE, JETTON_FORWARD, JETTON_PAY_VALUE,
    JETTON_TASK_VALUE, OPERATOR_RENT, OWNER_VALUE, PROVE_VALUE, REDEEM_VALUE, STAKE_RENT,
    TaskState, UNDELEGATE_VALUE, Units,
    channel::{self, Channel, Purpose},
    delegation,
    jetton::{self, JettonChannel},
    jetton_task, market, operator,
    proof::result_hash,
    ruling_value, stake,
    task::{self, Outcome},
    verdict_value,
};
use fog_protocol::{Address, Hash32, Nano};
use fog_testnet::chain::{Receipt, StackItem, Treasury};
use tycho_types::cell::Cell;

pub(crate) use budgets::constant;
use budgets::{
    Budget, Budgets, GAS_PRICE, backed, jetton_budget, jetton_task_budget, overruling,
    overruling_in_jetton, sum,
};
use table::{JETTON_TASKS, Meter, row};

use crate::{
    channels::kit::{self, DELAY, FINISH, LEAVE},
    jetton_tasks::kit::Errand,
    jettons::{
        kit::{self as jettons, Town},
        real::Make,
    },
    proving,
    world::{APPEAL, PRICE, STEP, TIMELOCK, UNBONDING, WINDOW, World, failures, ours, std},
};

const COMMITMENT: Hash32 = Hash32([0x11; 32]);
const EVERYBODY: u8 = 16;
/// What the full world's 63 tasks reserve of the bond.
const PRICE_OF_FULL: Nano = Nano::new(63 * PRICE.get());
/// What we promise for the whole message that proves, pays and closes nothing else.
const MOST_GAS_OF_A_PROOF: u64 = 115_000;

/// A world in which everything is as full as it gets: 16 verifiers who all sign, and 63 other
/// reservations in the stake.
fn full_world() -> (World, Vec<Address>) {
    let mut world = World::with_verifiers(EVERYBODY, EVERYBODY);
    world.deposit(Nano::grams(500));
    let mut tasks = Vec::new();
    for id in 1..=63 {
        let task = open(&mut world, id);
        assert_eq!(failures(&world.assign(task)), [0; 0]);
        tasks.push(task);
    }
    (world, tasks)
}

fn open(world: &mut World, id: u8) -> Address {
    let init = world.task_init(id);
    assert_eq!(failures(&world.fund(&init)), [0; 0]);
    init.address().unwrap()
}

/// Goes every way through a task's life, by a stranger who wants his change back.
fn walk(world: &mut World, meter: &mut Meter) {
    let everybody: Vec<u8> = (0..EVERYBODY).collect();
    for (id, outcome) in [(101, Outcome::Accepted), (102, Outcome::Rejected)] {
        let init = world.task_init(id);
        meter.read(&world.fund(&init));
        let task = init.address().unwrap();
        meter.read(&world.assign(task));
        let stranger = world.stranger.clone();
        meter.read(&world.commit_from(&stranger, task, COMMITMENT));
        meter.read(&world.verdict_from(&stranger, task, COMMITMENT, outcome, &everybody));
        world.chain.warp(WINDOW + 1).unwrap();
        meter.read(&world.push(&stranger, task, task::finalize(1).unwrap()));
        assert!(world.is_ended(&task), "{:?}", world.state(&task));
    }
    disputes(world, meter, &everybody);
    // Late, and without a verdict.
    for (id, commits) in [(103, false), (104, true)] {
        let task = open(world, id);
        meter.read(&world.assign(task));
        if commits {
            meter.read(&world.commit(task, COMMITMENT));
        }
        world.chain.warp(STEP + 1).unwrap();
        let stranger = world.stranger.clone();
        meter.read(&world.push(&stranger, task, task::expire(1).unwrap()));
        assert!(world.is_ended(&task));
    }
    let proven = world.proof_init(109);
    meter.read(&world.fund(&proven));
    let task = proven.address().unwrap();
    meter.read(&world.assign(task));
    let stranger = world.stranger.clone();
    meter.read(&world.prove_from(&stranger, task));
    assert_eq!(world.state(&task), Some(TaskState::Paid));
    let requestor = world.requestor.clone();
    let task = open(world, 105);
    meter.read(&world.push(&requestor, task, task::cancel(1).unwrap()));
    let task = open(world, 106);
    world.chain.warp(STEP + 1).unwrap();
    meter.read(&world.push(&requestor, task, task::expire(1).unwrap()));
}

/// Verdicts that are challenged: overturned by a ruling, upheld by time, overruled by a proof.
fn disputes(world: &mut World, meter: &mut Meter, everybody: &[u8]) {
    let stranger = world.stranger.clone();
    let proven = result_hash(proving::RESULT).unwrap();
    for (id, verdict, ruling) in [
        (111, Outcome::Accepted, Some(Outcome::Rejected)),
        (112, Outcome::Rejected, Some(Outcome::Accepted)),
        (113, Outcome::Accepted, Some(Outcome::Undelivered)),
        (114, Outcome::Rejected, None),
        (115, Outcome::Undelivered, None),
    ] {
        let init = world.overruled_init(id);
        meter.read(&world.fund(&init));
        let task = init.address().unwrap();
        meter.read(&world.assign(task));
        meter.read(&world.commit_from(&stranger, task, proven));
        meter.read(&world.verdict_from(&stranger, task, proven, verdict, everybody));
        let challenger = world.owner.clone();
        meter.read(&world.challenge(&challenger, task));
        assert_eq!(world.state(&task), Some(TaskState::Disputed));
        match ruling {
            Some(outcome) => {
                world.chain.warp(WINDOW).unwrap();
                meter.read(&world.rule(&stranger, task, proven, outcome, everybody));
            }
            None if verdict == Outcome::Undelivered => {
                meter.read_as(&world.prove_from(&stranger, task), overruling);
                assert!(world.is_ended(&task));
                continue;
            }
            None => {
                world.chain.warp(WINDOW + APPEAL + 1).unwrap();
                meter.read(&world.push(&stranger, task, task::expire(1).unwrap()));
            }
        }
        meter.read(&world.push(&stranger, task, task::finalize(1).unwrap()));
        assert!(world.is_ended(&task), "{:?}", world.state(&task));
    }
}

fn bond_ways(world: &mut World, meter: &mut Meter) {
    let node = world.operator.clone();
    meter.read(&world.add_bond(&node, Nano::grams(1)));
    meter.read(&world.bond_op(&node, operator::withdraw(1, Nano::grams(1)).unwrap()));
    // To nobody, and to a task that has ended.
    let nobody = world.task_init(120).address().unwrap();
    let ended = world.task_init(101).address().unwrap();
    for task in [nobody, ended] {
        let receipt = world.assign(task);
        assert_eq!(world.bond().reserved, PRICE_OF_FULL);
        meter.read(&receipt);
    }
}

fn owner_ways(world: &mut World, meter: &mut Meter) {
    meter.read(&world.deposit(Nano::grams(1)));
    let session = world.session.public();
    meter.read(&world.owner_op(stake::set_session(1, &session).unwrap()));
    meter.read(&world.owner_op(stake::unbond(1, Nano::grams(1)).unwrap()));
    meter.read(&world.owner_op(stake::withdraw_earnings(1).unwrap()));
    world.chain.warp(UNBONDING + 1).unwrap();
    meter.read(&world.owner_op(stake::withdraw(1).unwrap()));
}

/// Among 63 others, a reservation whose task never came back.
fn free_stale(world: &mut World, meter: &mut Meter) {
    world.chain.warp(2 * STEP + WINDOW + 180 * 86_400).unwrap();
    let (stranger, stake) = (world.stranger.clone(), world.stake.address().unwrap());
    let task = world.task_init(1).address().unwrap();
    let receipt =
        world.call(&stranger, stake, OWNER_VALUE, stake::free_stale(1, &task.hash).unwrap());
    assert_eq!(failures(&receipt), [0; 0]);
    meter.read(&receipt);
}

/// Every message to both kinds of channel, at totals and counts as large as they get.
fn channel_ways(world: &mut World, meter: &mut Meter) {
    for purpose in Purpose::ALL {
        let (channel, payer, payee) = kit::in_world(world, purpose);
        let big = Nano::grams(400);
        let full = Channel { cap: Nano::grams(1 << 30), ..channel };
        for (channel, last) in [(full, FINISH), (Channel { series: 1, ..full }, LEAVE)] {
            meter.read(&world.top_up(&channel, &payer, big));
            let key = kit::payee_key().public();
            let body = channel::set_key(1, &key).unwrap();
            let at = channel.address().unwrap();
            meter.read(&world.call(&payee, at, CHANNEL_END_VALUE, body));
            let now = world.chain.now();
            let first = kit::voucher(399_000_000_000, u64::MAX - 1, now);
            meter.read(&world.redeem(&channel, &world.stranger.clone(), &first));
            let second = kit::voucher(400_000_000_000, u64::MAX, now);
            meter.read(&world.redeem(&channel, &payee, &second));
            assert_eq!(world.channel(&channel).paid, big);
            meter.read(&world.top_up(&channel, &payer, big));
            meter.read(&world.end_channel(&channel, &payer, kit::CLOSE));
            world.chain.warp(DELAY).unwrap();
            meter.read(&world.end_channel(&channel, &payee, last));
        }
    }
}

/// Every message to a channel in a jetton, at amounts as large as they get.
#[test]
fn costs_of_jetton_channels_stay_below_four_fifths_too() {
    let mut meter = Meter::default();
    for make in Make::ALL {
        let mut town = Town::new(make);
        let (channel, payer, payee) = town.channel(Purpose::Account);
        let terms = Channel { cap: Units::MAX, ..channel.terms };
        let channel = JettonChannel { terms, ..channel };
        let (at, from) = (channel.address().unwrap(), ours(&payer.address));
        let most = Units::MAX.get() - town.jetton.supply(&town.world.chain);
        town.jetton.mint(&mut town.world.chain, from, most);
        let mut read = |receipt: &Receipt| meter.read_at(receipt, &at, jetton_budget);
        read(&town.ask(&channel, &payer));
        read(&town.put_in(&channel, &payer, most, JETTON_FORWARD));
        let key = channel::set_key(1, &kit::payee_key().public()).unwrap();
        read(&town.world.call(&payee, at, JETTON_CREDIT_VALUE, key));
        let now = town.world.chain.now();
        let stranger = town.world.stranger.clone();
        read(&town.redeem(&channel, &stranger, &jettons::voucher(most - 2, u64::MAX - 1, now)));
        read(&town.redeem(&channel, &payee, &jettons::voucher(most - 1, u64::MAX, now)));
        read(&town.end(&channel, &payer, kit::CLOSE));
        town.world.chain.warp(DELAY).unwrap();
        read(&town.end(&channel, &payer, FINISH));
        town.world.chain.warp(jetton::SETTLING_TIME).unwrap();
        let sweep = jetton::sweep(1, Units::MAX).unwrap();
        read(&town.world.call(&payer, at, JETTON_PAY_VALUE, sweep));
        let second = JettonChannel { terms: Channel { series: 1, ..terms }, ..channel };
        let at = second.address().unwrap();
        let mut read = |receipt: &Receipt| meter.read_at(receipt, &at, jetton_budget);
        read(&town.ask(&second, &stranger));
        read(&town.put_in(&second, &payer, 1_000, JETTON_FORWARD));
        read(&town.end(&second, &payee, LEAVE));
        read(&town.claim(&second, &payer, ours(&stranger.address)));
    }
    check(&meter, 11, "channels in jettons", &[]);
}

#[test]
fn costs_stay_below_four_fifths_of_what_is_attached() {
    let (mut world, _) = full_world();
    let mut meter = Meter::default();
    walk(&mut world, &mut meter);
    // A refused reservation and a refused registration.
    let task = open(&mut world, 107);
    let wrong = world.consent(task, PRICE, Nano::grams(9_999_999));
    meter.read(&world.assign_with(task, Nano::grams(9_999_999), wrong));
    let owner = world.owner.clone();
    world.market_op(&owner, market::set_pause(1, true).unwrap());
    let init = world.task_init(108);
    meter.read(&world.fund(&init));
    owner_ways(&mut world, &mut meter);
    bond_ways(&mut world, &mut meter);
    channel_ways(&mut world, &mut meter);
    governance::ways(&mut world, &mut meter);
    free_stale(&mut world, &mut meter);

    for step in ["prove", "prove, overruling"] {
        let gas = meter.gas(step);
        assert!(gas <= MOST_GAS_OF_A_PROOF, "{step} took {gas} gas");
    }
    let close: Budget = ("free stale", &["OWNER_VALUE"]);
    check(&meter, 48, "tasks, stakes, bonds, channels, market", &[close]);
}

/// So many steps were measured; each takes what the table says, and none more than four fifths of what
/// its contract asks for. Those that do are named, with what is attached to them: of that it is less.
fn check(meter: &Meter, steps: usize, section: &str, close: &[Budget]) {
    meter.compare(section, &attached(meter, close));
    assert_eq!(meter.steps(), steps, "every step was measured");
    let named: Vec<_> = close.iter().map(|(step, _)| *step).collect();
    assert_eq!(meter.above(80), named, "over four fifths of their budget");
    assert_eq!(meter.above(85), [""; 0], "over 85 hundredths of their budget");
}

/// Rows for messages to which more is attached than their contract asks for.
fn attached(meter: &Meter, steps: &[Budget]) -> Vec<String> {
    let row = |(step, value): &Budget| {
        let (gas, limit) = (meter.gas(step), sum(value));
        assert!(gas * 5 <= limit * 4, "{step}: {gas} of {limit}");
        row(&format!("attached: {step}"), gas, limit, &value.join(" + "))
    };
    steps.iter().map(row).collect()
}

/// Delegated stake at its fullest: a queue of eight, 64 reservations to look through, a pool that
/// vests.
fn full_delegation() -> (World, Treasury) {
    let mut world = World::with_verifiers(1, 1);
    world.deposit(Nano::grams(500));
    let staker = world.staker(0);
    world.delegate(&staker, Nano::grams(500));
    assert_eq!(failures(&world.owner_op(stake::unbond(1, Nano::grams(1)).unwrap())), [0; 0]);
    let paid = open(&mut world, 1);
    world.assign(paid);
    world.commit(paid, COMMITMENT);
    world.verdict(paid, COMMITMENT, Outcome::Accepted, &[0]);
    world.chain.warp(WINDOW + 1).unwrap();
    let stranger = world.stranger.clone();
    world.push(&stranger, paid, task::finalize(1).unwrap());
    assert!(world.stake().pool.vesting > Nano::ZERO);
    let shares = world.delegation(&staker).shares;
    for _ in 0..7 {
        assert_eq!(failures(&world.undelegate(&staker, shares / 10)), [0; 0]);
        world.chain.warp(7).unwrap();
    }
    for id in 101..=164 {
        let task = open(&mut world, id);
        assert_eq!(failures(&world.assign(task)), [0; 0]);
    }
    (world, staker)
}

#[test]
fn delegated_stake_costs_stay_below_four_fifths_too() {
    let (mut world, staker) = full_delegation();
    let mut meter = Meter::default();
    meter.read(&world.owner_op(stake::set_commission(1, 3000).unwrap()));
    meter.read(&world.delegate(&staker, Nano::grams(10)));
    let (at, body) = (world.delegation_of(&staker), delegation::delegate(9, PRICE, 0).unwrap());
    let value = PRICE.saturating_add(DELEGATE_VALUE);
    let refused = world.call(&staker, at.address().unwrap(), value, body);
    assert_eq!(failures(&refused), [131]);
    meter.read(&refused);
    meter.read(&world.undelegate(&staker, 1_000_000_000_000));
    assert_eq!(world.delegation(&staker).queue.len(), delegation::MAX_QUEUE);
    world.chain.warp(UNBONDING - 20).unwrap();
    meter.read(&world.undelegate(&staker, 1_000_000_000_000));
    assert_eq!(world.delegation(&staker).queue.len(), delegation::MAX_QUEUE);
    // All of the reservations came after the oldest entry: it looks at each, and pays.
    let claimed = world.claim(&staker);
    assert_eq!(failures(&claimed), [0; 0]);
    meter.read(&claimed);
    let withdrawn = {
        world.attach = Some(CLAIM_VALUE.get());
        world.owner_op(stake::withdraw(1).unwrap())
    };
    assert_eq!(failures(&withdrawn), [0; 0]);
    meter.read_as(&withdrawn, backed);
    // One that has to wait, and a slash and a payment of a full stake.
    world.chain.warp(100).unwrap();
    for _ in 0..6 {
        assert_eq!(failures(&world.claim(&staker)), [0; 0]);
    }
    let refused = world.claim(&staker);
    assert_eq!(failures(&refused), [103]);
    meter.read(&refused);
    let stranger = world.stranger.clone();
    let late = world.task_init(101).address().unwrap();
    meter.read(&world.push(&stranger, late, task::expire(1).unwrap()));
    let task = open(&mut world, 2);
    world.assign(task);
    world.commit(task, COMMITMENT);
    world.verdict(task, COMMITMENT, Outcome::Accepted, &[0]);
    world.chain.warp(WINDOW + 1).unwrap();
    meter.read(&world.push(&stranger, task, task::finalize(1).unwrap()));
    assert!(world.is_ended(&task) && world.is_ended(&late));
    check(&meter, 19, "delegated stake", &[]);
}

fn size(cells: [&Cell; 2]) -> (u64, u64) {
    let stats = cells.map(|cell| cell.compute_unique_stats(100_000).unwrap());
    (stats.iter().map(|s| s.bit_count).sum(), stats.iter().map(|s| s.cell_count).sum())
}

fn account_size(world: &World, address: &Address) -> (u64, u64) {
    let view = world.chain.account(&std(address)).unwrap();
    size([&view.code.unwrap(), &view.data.unwrap()])
}

#[test]
fn rent_is_reserved_for_the_fullest_contracts() {
    let (mut world, _) = full_world();
    let extra = world.overruled_init(64);
    assert_eq!(failures(&world.fund(&extra)), [0; 0]);
    let extra = extra.address().unwrap();
    assert_eq!(failures(&world.assign(extra)), [0; 0]);
    world.commit(extra, COMMITMENT);
    let everybody: Vec<u8> = (0..EVERYBODY).collect();
    world.verdict(extra, COMMITMENT, Outcome::Accepted, &everybody);
    let challenger = world.stranger.clone();
    assert_eq!(failures(&world.challenge(&challenger, extra)), [0; 0]);
    let verifiers = world.verifiers.clone();
    let next = crate::world::config(EVERYBODY, &verifiers, world.treasury, world.burn);
    let owner = world.owner.clone();
    world.market_op(&owner, market::propose(1, &next).unwrap());
    let heir = crate::world::ours(&world.stranger.address);
    world.market_op(&owner, market::offer_owner(1, &heir).unwrap());
    let ended = world.proof_init(65);
    assert_eq!(failures(&world.fund(&ended)), [0; 0]);
    let ended = ended.address().unwrap();
    let requestor = world.requestor.clone();
    world.push(&requestor, ended, task::cancel(1).unwrap());
    assert_eq!(world.state(&ended), Some(TaskState::Refunded));

    let (full, staker) = full_delegation();
    let at = full.delegation_of(&staker).address().unwrap();
    let (bits, cells) = account_size(&full, &at);
    println!("DELEGATION {bits} bits, {cells} cells");
    let limit = (constant("DELEGATION_BITS"), constant("DELEGATION_CELLS"));
    assert!(bits <= limit.0 && cells <= limit.1, "{bits} bits, {cells} cells of {limit:?}");
    let (bits, cells) = account_size(&full, &full.stake.address().unwrap());
    println!("STAKE with a pool {bits} bits, {cells} cells");
    let limit = (constant("STAKE_BITS"), constant("STAKE_CELLS"));
    assert!(bits <= limit.0 && cells <= limit.1, "{bits} bits, {cells} cells of {limit:?}");

    let stake = world.stake.address().unwrap();
    let market = world.market;
    let account = kit::opened(&mut world, Purpose::Account, Nano::grams(8));
    let now = world.chain.now();
    let key = channel::set_key(1, &world.session.public()).unwrap();
    world.redeem(&account, &requestor, &kit::voucher(4_999_999_999, u64::MAX, now));
    let (operator, at) = (world.operator.clone(), account.address().unwrap());
    world.call(&operator, at, CHANNEL_END_VALUE, key);
    let mut town = Town::new(Make::Governed);
    let (channel, payer, payee) = town.channel(Purpose::Account);
    let terms = Channel { cap: Units::MAX, ..channel.terms };
    let channel = JettonChannel { terms, ..channel };
    let most = Units::MAX.get() - town.jetton.supply(&town.world.chain);
    town.jetton.mint(&mut town.world.chain, ours(&payer.address), most);
    town.ask(&channel, &payer);
    town.put_in(&channel, &payer, most, JETTON_FORWARD);
    let (now, stranger) = (town.world.chain.now(), town.world.stranger.clone());
    town.redeem(&channel, &stranger, &jettons::voucher(most / 2, u64::MAX, now));
    let set_key = channel::set_key(1, &world.session.public()).unwrap();
    town.world.call(&payee, channel.address().unwrap(), JETTON_CREDIT_VALUE, set_key);
    let (bits, cells) = account_size(&town.world, &channel.address().unwrap());
    let limit = (constant("JETTON_BITS"), constant("JETTON_CELLS"));
    println!("JETTON   {bits:>6} of {} bits, {cells:>4} of {} cells", limit.0, limit.1);
    assert!(bits <= limit.0 && cells <= limit.1, "{bits} bits, {cells} cells of {limit:?}");
    let bond = world.bond.address().unwrap();
    for (name, address) in [
        ("TASK", extra),
        ("STAKE", stake),
        ("OPERATOR", bond),
        ("MARKET", market),
        ("TOMB", ended),
        ("CHANNEL", at),
    ] {
        let (bits, cells) = account_size(&world, &address);
        let limit = (constant(&format!("{name}_BITS")), constant(&format!("{name}_CELLS")));
        println!("{name:<8} {bits:>6} of {} bits, {cells:>4} of {} cells", limit.0, limit.1);
        assert!(bits <= limit.0 && cells <= limit.1, "{name}: {bits} bits, {cells} cells");
    }
    // One more reservation is refused; the task is open again.
    let over = open(&mut world, 66);
    assert_eq!(failures(&world.assign(over)), [110]);
    assert_eq!(world.state(&over), Some(TaskState::Open));
}

fn demanded(world: &World, signatures: u8) -> Vec<u64> {
    let output = world
        .chain
        .run_get_method(&std(&world.market), "attached_values", &[StackItem::int(signatures)])
        .unwrap();
    output.stack.iter().map(|item| u64::try_from(item.as_int().unwrap()).unwrap()).collect()
}

#[test]
fn what_we_attach_is_enough_and_not_twice_too_much() {
    let world = World::new();
    for signatures in [1, 2, 16] {
        let ours = [
            FUND_VALUE,
            ASSIGN_VALUE,
            COMMIT_VALUE,
            verdict_value(signatures),
            END_VALUE,
            OWNER_VALUE,
            STAKE_RENT,
            PROVE_VALUE,
            CHALLENGE_VALUE,
            ruling_value(signatures),
        ];
        let names = [
            "fund",
            "assign",
            "commit",
            "verdict",
            "end",
            "owner",
            "stake rent",
            "prove",
            "challenge",
            "ruling",
        ];
        for ((name, ours), theirs) in names.iter().zip(ours).zip(demanded(&world, signatures)) {
            println!("{name:<12} attached {ours:>12} demanded {theirs:>12}", ours = ours.get());
            let gas = if *name == "stake rent" { 20_000_000 } else { 0 };
            assert!(ours.get() >= theirs + theirs / 10 + gas, "{name}: {ours:?} of {theirs}");
            assert!(ours.get() <= theirs * 5, "{name}: {ours:?} of {theirs}");
        }
    }
}

#[test]
fn what_nodes_attach_is_enough_and_not_twice_too_much() {
    let world = World::new();
    let at = std(&world.bond.address().unwrap());
    let output = world.chain.run_get_method(&at, "operator_values", &[]).unwrap();
    let ours = [OPERATOR_RENT, ASSIGN_VALUE, OWNER_VALUE];
    for ((name, ours), theirs) in ["bond", "assign", "withdraw"].iter().zip(ours).zip(&output.stack)
    {
        let theirs = u64::try_from(theirs.as_int().unwrap()).unwrap();
        println!("{name:<12} attached {:>12} demanded {theirs:>12}", ours.get());
        assert!(ours.get() >= theirs + theirs / 10, "{name}: {ours:?} of {theirs}");
        assert!(ours.get() <= theirs * 5, "{name}: {ours:?} of {theirs}");
    }
}

#[test]
fn what_stakers_attach_is_enough_and_not_much_too_much() {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let staker = world.staker(0);
    world.delegate(&staker, Nano::grams(1));
    let at = world.delegation_of(&staker).address().unwrap();
    let output = world.chain.run_get_method(&std(&at), "delegation_values", &[]).unwrap();
    let theirs = output.stack.iter().map(|item| u64::try_from(item.as_int().unwrap()).unwrap());
    for (ours, theirs) in [DELEGATE_VALUE, UNDELEGATE_VALUE, CLAIM_VALUE].iter().zip(theirs) {
        println!("attached {:>12} demanded {theirs:>12}", ours.get());
        assert!(ours.get() >= theirs + theirs / 10, "{ours:?} of {theirs}");
        assert!(ours.get() <= theirs * 3, "{ours:?} of {theirs}");
    }
}

#[test]
fn what_we_attach_to_channels_is_enough_and_not_twice_too_much() {
    let mut world = World::new();
    let account = kit::opened(&mut world, Purpose::Account, Nano::grams(8));
    let at = std(&account.address().unwrap());
    let output = world.chain.run_get_method(&at, "channel_values", &[]).unwrap();
    let names = ["first top-up", "redeem", "close", "end", "set key"];
    let ours =
        [CHANNEL_RENT, REDEEM_VALUE, CHANNEL_END_VALUE, CHANNEL_END_VALUE, CHANNEL_END_VALUE];
    for ((name, ours), theirs) in names.iter().zip(ours).zip(&output.stack) {
        let theirs = u64::try_from(theirs.as_int().unwrap()).unwrap();
        println!("{name:<12} attached {:>12} demanded {theirs:>12}", ours.get());
        assert!(ours.get() >= theirs + theirs / 10, "{name}: {ours:?} of {theirs}");
        assert!(ours.get() <= theirs * 5, "{name}: {ours:?} of {theirs}");
    }
}

#[test]
fn what_a_whole_task_costs() {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let parties = [
        ("requestor", world.requestor.clone()),
        ("operator", world.operator.clone()),
        ("worker", world.worker.clone()),
    ];
    let before: Vec<_> =
        parties.iter().map(|(_, p)| world.balance(&crate::world::ours(&p.address))).collect();
    let task = open(&mut world, 1);
    world.assign(task);
    world.commit(task, COMMITMENT);
    world.verdict(task, COMMITMENT, Outcome::Accepted, &[0, 1]);
    world.chain.warp(WINDOW + 1).unwrap();
    let operator = world.operator.clone();
    world.push(&operator, task, task::finalize(1).unwrap());
    let mut spent = 0;
    for ((name, party), before) in parties.iter().zip(before) {
        let after = world.balance(&crate::world::ours(&party.address));
        println!("{name:<10} {:>14} nano", i128::from(after) - i128::from(before));
        spent += i128::from(before) - i128::from(after);
    }
    let fees = spent - i128::from(PRICE.get());
    println!("{:<10} {fees:>14} nano in gas, forwarding and rent of the whole task", "network");
    // Six messages and their answers: under 0.15 GRAM.
    assert!((1..150_000_000).contains(&fees), "{fees}");
}
