//! Market: set up once, changed after a timelock, paused at once; and what it owes nobody.

use fog_contracts::{
    TaskState,
    market::{self, Config, MarketData, MarketInit},
    stake,
    task::{self, Outcome},
};
use fog_protocol::{Address, Hash32, Nano};
use fog_testnet::chain::Transfer;

use crate::world::{STEP, TIMELOCK, UNBONDING, WINDOW, World, config, failures, ours, std};

const MASTERCHAIN: Address = Address { workchain: -1, hash: Hash32([0xcc; 32]) };

fn data(world: &World) -> MarketData {
    let view = world.chain.account(&std(&world.market)).unwrap();
    MarketData::parse(&view.data.unwrap()).unwrap()
}

/// The tests' configuration, with something changed.
fn changed(world: &World, change: impl FnOnce(&mut Config)) -> Config {
    let mut config = config(2, &world.verifiers, world.treasury, world.burn);
    change(&mut config);
    config
}

fn by_owner(world: &mut World, body: tycho_types::cell::Cell) -> Vec<i32> {
    let owner = world.owner.clone();
    failures(&world.market_op(&owner, body))
}

fn by_stranger(world: &mut World, body: tycho_types::cell::Cell) -> Vec<i32> {
    let stranger = world.stranger.clone();
    failures(&world.market_op(&stranger, body))
}

#[test]
fn it_is_set_up_once_and_by_its_owner_alone() {
    let mut world = World::new();
    let config = changed(&world, |_| {});
    assert_eq!(by_owner(&mut world, market::setup(1, &config).unwrap()), [101]);
    let owner = ours(&world.owner.address);
    let fresh = MarketInit { owner, salt: 8 };
    let (stranger, address) = (world.stranger.clone(), fresh.address().unwrap());
    let body = market::setup(1, &config).unwrap();
    let init = fresh.state_init().unwrap();
    let receipt = world.deploy(&stranger, address, Nano::grams(1), init.clone(), body.clone());
    assert_eq!(failures(&receipt), [100]);
    // Nor can it be changed before, or serve a task.
    let owner = world.owner.clone();
    let early = market::propose(1, &config).unwrap();
    assert_eq!(failures(&world.call(&owner, address, Nano::grams(1), early)), [101]);
    let mut task = world.task_init(1);
    task.market = address;
    assert_eq!(failures(&world.fund(&task)), [101]);
    assert_eq!(world.state(&task.address().unwrap()), Some(TaskState::Refunded));
    let receipt = world.deploy(&owner, address, Nano::grams(1), init, body);
    assert_eq!(failures(&receipt), [0; 0]);
    world.assert_conserved();
}

#[test]
fn it_is_not_set_up_without_rent() {
    let mut world = World::new();
    let config = changed(&world, |_| {});
    let fresh = MarketInit { owner: ours(&world.owner.address), salt: 9 };
    let (owner, address) = (world.owner.clone(), fresh.address().unwrap());
    let body = market::setup(1, &config).unwrap();
    let little = Nano::new(50_000_000);
    let receipt = world.deploy(&owner, address, little, fresh.state_init().unwrap(), body);
    assert_eq!(failures(&receipt), [104]);
}

/// What unbonding must be longer than.
fn longest(config: &Config) -> u32 {
    config.max_step * 3 + config.appeal_time
}

#[test]
fn every_bound_holds_at_its_edge() {
    let mut world = World::new();
    let many: Vec<_> =
        (0..17).map(|i| fog_protocol::SecretKey::from_seed(&[150 + i; 32]).public()).collect();
    type Change<'a> = Box<dyn Fn(&mut Config) + 'a>;
    let cases: Vec<(&str, i32, Change<'_>)> = vec![
        ("threshold 0", 115, Box::new(|c| c.threshold = 0)),
        ("threshold of all", 0, Box::new(|c| c.threshold = 3)),
        ("threshold of more", 115, Box::new(|c| c.threshold = 4)),
        ("no verifiers", 115, Box::new(|c| c.verifiers.clear())),
        ("the same verifier twice", 115, Box::new(|c| c.verifiers[1] = c.verifiers[0])),
        ("a verifier of zeros", 115, Box::new(|c| c.verifiers[2].0 = Hash32([0; 32]))),
        ("16 verifiers", 0, Box::new(|c| c.verifiers = many[..16].to_vec())),
        ("17 verifiers", 115, Box::new(|c| c.verifiers.clone_from(&many))),
        ("fee 10 %", 0, Box::new(|c| c.fee_bps = 1000)),
        ("fee above", 115, Box::new(|c| c.fee_bps = 1001)),
        ("step 0", 115, Box::new(|c| c.min_step = 0)),
        ("equal steps", 0, Box::new(|c| (c.min_step, c.max_step) = (500, 500))),
        ("crossed steps", 115, Box::new(|c| (c.min_step, c.max_step) = (500, 499))),
        ("timelock 60", 0, Box::new(|c| c.timelock = 60)),
        ("timelock 59", 115, Box::new(|c| c.timelock = 59)),
        ("unbonding too short", 115, Box::new(|c| c.stake.unbonding = longest(c))),
        ("unbonding just enough", 0, Box::new(|c| c.stake.unbonding = longest(c) + 1)),
        (
            "one code for tasks in GRAM and in jettons",
            115,
            Box::new(|c| c.stake.jetton_task_code_hash = c.task_code_hash),
        ),
        ("no tasks in jettons", 0, Box::new(|c| c.stake.jetton_task_code_hash = Hash32([0; 32]))),
        ("appeal of none", 115, Box::new(|c| c.appeal = 0)),
        ("appeal of the threshold", 115, Box::new(|c| c.appeal = c.threshold)),
        ("appeal of one more", 0, Box::new(|c| c.appeal = c.threshold + 1)),
        ("appeal of all", 0, Box::new(|c| (c.threshold, c.appeal) = (3, 3))),
        ("appeal of more than all", 115, Box::new(|c| c.appeal = 4)),
        ("all of the fee the node's", 0, Box::new(|c| c.operator_bps = 10_000)),
        ("more than all of the fee", 115, Box::new(|c| c.operator_bps = 10_001)),
        ("challenges for nothing", 115, Box::new(|c| c.challenge_bond = Nano::ZERO)),
        ("challenges for next to nothing", 0, Box::new(|c| c.challenge_bond = Nano::new(1))),
        ("decided at once", 115, Box::new(|c| c.appeal_time = c.min_step - 1)),
        ("decided quickly", 0, Box::new(|c| c.appeal_time = c.min_step)),
        (
            "decided within 30 days",
            0,
            Box::new(|c| (c.appeal_time, c.stake.unbonding) = (2_592_000, 2_603_000)),
        ),
        (
            "decided later",
            115,
            Box::new(|c| (c.appeal_time, c.stake.unbonding) = (2_592_001, 2_603_000)),
        ),
        ("timelock of a year", 0, Box::new(|c| c.timelock = 31_536_000)),
        ("timelock above", 115, Box::new(|c| c.timelock = 31_536_001)),
        ("unbonding of a year", 0, Box::new(|c| c.stake.unbonding = 31_536_000)),
        ("unbonding above", 115, Box::new(|c| c.stake.unbonding = 31_536_001)),
        ("another task code", 115, Box::new(|c| c.task_code_hash = Hash32([1; 32]))),
        ("another depth", 115, Box::new(|c| c.task_code_depth += 1)),
        ("treasury on the masterchain", 116, Box::new(|c| c.treasury = MASTERCHAIN)),
        ("burn on the masterchain", 116, Box::new(|c| c.stake.burn = MASTERCHAIN)),
    ];
    for (name, code, change) in cases {
        let before = data(&world);
        let config = changed(&world, |config| change(config));
        let failed = by_owner(&mut world, market::propose(1, &config).unwrap());
        if code == 0 {
            assert_eq!(failed, [0; 0], "{name}");
            assert_eq!(data(&world).proposal.map(|(_, next)| next), Some(config), "{name}");
            let back = market::plain(market::op::WITHDRAWN, 1).unwrap();
            assert_eq!(by_owner(&mut world, back), [0; 0]);
        } else {
            assert_eq!(failed, [code], "{name}");
            assert_eq!(data(&world), before, "{name}");
        }
    }
    world.assert_conserved();
}

#[test]
fn a_change_waits_out_its_timelock_and_spares_live_tasks() {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let old = world.task_init(1);
    world.fund(&old);
    let old = old.address().unwrap();
    assert_eq!(failures(&world.assign(old)), [0; 0]);
    let dearer = changed(&world, |config| {
        config.fee_bps = 1000;
        config.verifiers.reverse();
    });
    let (propose, apply) = (market::propose(1, &dearer), market::plain(market::op::APPLY, 1));
    let (propose, apply) = (propose.unwrap(), apply.unwrap());
    assert_eq!(by_stranger(&mut world, propose.clone()), [100]);
    assert_eq!(by_stranger(&mut world, apply.clone()), [101], "nothing is proposed");
    assert_eq!(by_owner(&mut world, propose.clone()), [0; 0]);
    assert_eq!(by_owner(&mut world, apply.clone()), [103], "not even by the owner");
    // Proposing again starts the clock again.
    world.chain.warp(STEP / 2).unwrap();
    assert_eq!(by_owner(&mut world, propose), [0; 0]);
    // Work committed under the old rules.
    let commitment = Hash32([0x11; 32]);
    assert_eq!(failures(&world.commit(old, commitment)), [0; 0]);
    assert_eq!(failures(&world.verdict(old, commitment, Outcome::Accepted, &[0, 1])), [0; 0]);
    world.chain.warp(TIMELOCK - 1).unwrap();
    assert_eq!(by_stranger(&mut world, apply.clone()), [103]);
    world.chain.warp(1).unwrap();
    assert_eq!(by_stranger(&mut world, apply.clone()), [0; 0], "anyone may");
    assert_eq!(data(&world).config, Some(dearer));
    assert_eq!(by_stranger(&mut world, apply), [101], "once");
    // The old task pays the old fee.
    let stranger = world.stranger.clone();
    world.push(&stranger, old, task::finalize(1).unwrap());
    assert_eq!(world.state(&old), Some(TaskState::Paid));
    let fee = crate::world::PRICE.get() * u64::from(crate::world::FEE_BPS) / 10_000;
    assert_eq!(world.balance(&world.treasury), fee - crate::world::earned(fee));
    world.assert_conserved();
}

#[test]
fn withdrawing_and_pausing_are_the_owners() {
    let mut world = World::new();
    let next = changed(&world, |config| config.fee_bps = 1);
    let withdraw = market::plain(market::op::WITHDRAWN, 1).unwrap();
    assert_eq!(by_owner(&mut world, withdraw.clone()), [101]);
    by_owner(&mut world, market::propose(1, &next).unwrap());
    assert_eq!(by_stranger(&mut world, withdraw.clone()), [100]);
    assert_eq!(by_owner(&mut world, withdraw), [0; 0]);
    assert_eq!(data(&world).proposal, None);
    world.chain.warp(TIMELOCK + 1).unwrap();
    let apply = market::plain(market::op::APPLY, 1).unwrap();
    assert_eq!(by_stranger(&mut world, apply), [101]);
    assert_eq!(by_stranger(&mut world, market::set_pause(1, true).unwrap()), [100]);
    assert_eq!(by_owner(&mut world, market::set_pause(1, true).unwrap()), [0; 0]);
    let refused = world.task_init(1);
    assert_eq!(failures(&world.fund(&refused)), [111]);
    assert_eq!(by_owner(&mut world, market::set_pause(1, false).unwrap()), [0; 0]);
    let init = world.task_init(2);
    assert_eq!(failures(&world.fund(&init)), [0; 0]);
    assert_eq!(world.state(&init.address().unwrap()), Some(TaskState::Open));
}

#[test]
fn it_changes_hands_in_two_steps_after_the_timelock() {
    let mut world = World::new();
    let heir = world.stranger.clone();
    let offer = market::offer_owner(1, &ours(&heir.address)).unwrap();
    let accept = market::plain(market::op::ACCEPT_OWNER, 1).unwrap();
    let keep = market::plain(market::op::KEEP_OWNER, 1).unwrap();
    assert_eq!(by_stranger(&mut world, accept.clone()), [101], "nobody is named");
    assert_eq!(by_owner(&mut world, keep.clone()), [101]);
    assert_eq!(by_stranger(&mut world, offer.clone()), [100], "nobody names himself");
    let away = market::offer_owner(1, &MASTERCHAIN).unwrap();
    assert_eq!(by_owner(&mut world, away), [116]);
    assert_eq!(by_owner(&mut world, offer.clone()), [0; 0]);
    let named = data(&world).heir.unwrap();
    assert_eq!(named.1, ours(&heir.address));
    assert_eq!(by_owner(&mut world, accept.clone()), [100], "it is not the owner's to take");
    assert_eq!(by_stranger(&mut world, keep.clone()), [100]);
    assert_eq!(by_stranger(&mut world, accept.clone()), [103], "too early");
    // Taken back, nothing is left of it; offered again, the clock starts again.
    assert_eq!(by_owner(&mut world, keep.clone()), [0; 0]);
    assert_eq!(data(&world).heir, None);
    world.chain.warp(TIMELOCK).unwrap();
    assert_eq!(by_stranger(&mut world, accept.clone()), [101]);
    assert_eq!(by_owner(&mut world, offer), [0; 0]);
    world.chain.warp(TIMELOCK - 1).unwrap();
    assert_eq!(by_stranger(&mut world, accept.clone()), [103]);
    // Until then the owner is the owner; what it has under way ends with it.
    let next = changed(&world, |config| config.fee_bps = 1);
    assert_eq!(by_owner(&mut world, market::propose(1, &next).unwrap()), [0; 0]);
    world.chain.warp(1).unwrap();
    assert_eq!(by_stranger(&mut world, accept.clone()), [0; 0]);
    let now = data(&world);
    assert_eq!((now.owner, now.heir, now.proposal), (ours(&heir.address), None, None));
    assert_eq!(by_owner(&mut world, market::set_pause(1, true).unwrap()), [100]);
    assert_eq!(by_stranger(&mut world, market::set_pause(1, true).unwrap()), [0; 0]);
    assert_eq!(by_stranger(&mut world, accept), [101], "once");
    world.assert_conserved();
}

#[test]
fn it_has_no_heir_before_it_is_set_up() {
    let mut world = World::new();
    let fresh = MarketInit { owner: ours(&world.owner.address), salt: 10 };
    let (owner, address) = (world.owner.clone(), fresh.address().unwrap());
    let body = market::offer_owner(1, &ours(&world.stranger.address)).unwrap();
    let init = fresh.state_init().unwrap();
    let receipt = world.deploy(&owner, address, Nano::grams(1), init, body);
    assert_eq!(failures(&receipt), [101]);
}

#[test]
fn tasks_outside_the_bounds_get_their_money_back() {
    let mut world = World::new();
    type Change = fn(&mut task::Terms);
    let cases: [(u8, Change); 7] = [
        (1, |terms| terms.bid = 9),
        (2, |terms| terms.commit = 9),
        (3, |terms| terms.verdict = 9),
        (4, |terms| terms.bid = 3601),
        (5, |terms| terms.commit = 3601),
        (6, |terms| terms.verdict = 3601),
        (7, |terms| terms.window = 3601),
    ];
    for (id, change) in cases {
        let mut init = world.task_init(id);
        change(&mut init.terms);
        let requestor = ours(&world.requestor.address);
        let before = world.balance(&requestor);
        assert_eq!(failures(&world.fund(&init)), [112]);
        assert!(world.is_ended(&init.address().unwrap()));
        // All but gas and the tombstone's rent.
        assert!(before - world.balance(&requestor) < 100_000_000);
    }
    let mut edge = world.task_init(8);
    (edge.terms.bid, edge.terms.commit, edge.terms.verdict) = (10, 3600, 10);
    edge.terms.window = 3600;
    assert_eq!(failures(&world.fund(&edge)), [0; 0]);
    world.assert_conserved();
}

#[test]
fn a_register_from_anything_but_its_task_is_refused() {
    let mut world = World::new();
    let init = world.task_init(1).to_cell().unwrap();
    let body = crate::solo::body(market::op::REGISTER, 1, |b| {
        b.store_reference(init).unwrap();
    });
    assert_eq!(by_stranger(&mut world, body), [108]);
    // A task of another market never asks this one; if one did, it would be sent away.
    let mut foreign = world.task_init(2);
    foreign.market = Address::basechain([0x99; 32]);
    let body = crate::solo::body(market::op::REGISTER, 1, |b| {
        b.store_reference(foreign.to_cell().unwrap()).unwrap();
    });
    let transfer = Transfer::call(std(&world.market), 100_000_000, body);
    let receipt = world.chain.inject(&std(&foreign.address().unwrap()), &transfer).unwrap();
    assert_eq!(failures(&receipt), [112]);
}

/// Ten years in which nobody looks: rent eats the reserve, no more; a top-up helps; all comes out.
#[test]
fn ten_years_later_everything_can_be_claimed() {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let paid = world.task_init(1);
    world.fund(&paid);
    let paid = paid.address().unwrap();
    world.assign(paid);
    world.commit(paid, Hash32([0x11; 32]));
    world.verdict(paid, Hash32([0x11; 32]), Outcome::Accepted, &[0, 1]);
    world.chain.warp(WINDOW).unwrap();
    let stranger = world.stranger.clone();
    world.push(&stranger, paid, task::finalize(1).unwrap());
    let open = world.task_init(2);
    world.fund(&open);
    let open = open.address().unwrap();
    let earnings = world.stake().earnings;
    assert!(earnings > Nano::ZERO);

    let year = 365 * 24 * 3600;
    world.chain.warp(5 * year - UNBONDING - STEP).unwrap();
    // Five years are paid for.
    let stake = world.stake.address().unwrap();
    assert_eq!(failures(&world.owner_op(stake::unbond(1, Nano::grams(40)).unwrap())), [0; 0]);
    world.chain.warp(UNBONDING + 1).unwrap();
    assert_eq!(failures(&world.owner_op(stake::withdraw(1).unwrap())), [0; 0]);
    assert!(world.balance(&stake) >= Nano::grams(60).get() + earnings.get());

    world.chain.warp(5 * year).unwrap();
    let requestor = ours(&world.requestor.address);
    let before = world.balance(&requestor);
    let receipt = world.push(&stranger, open, task::expire(1).unwrap());
    assert_eq!(failures(&receipt), [0; 0]);
    assert_eq!(world.state(&open), Some(TaskState::Refunded));
    assert!(world.balance(&requestor) > before);
    // Anyone may top up.
    let top_up = tycho_types::cell::Cell::default();
    assert_eq!(failures(&world.call(&stranger, stake, Nano::grams(1), top_up.clone())), [0; 0]);
    let market = world.market;
    assert_eq!(failures(&world.call(&stranger, market, Nano::grams(1), top_up)), [0; 0]);
    assert_eq!(failures(&world.owner_op(stake::withdraw_earnings(1).unwrap())), [0; 0]);
    assert_eq!(failures(&world.owner_op(stake::unbond(1, Nano::grams(60)).unwrap())), [0; 0]);
    world.chain.warp(UNBONDING + 1).unwrap();
    assert_eq!(failures(&world.owner_op(stake::withdraw(1).unwrap())), [0; 0]);
    assert_eq!((world.stake().stake, world.stake().earnings), (Nano::ZERO, Nano::ZERO));
    // And the market still takes tasks.
    let late = world.task_init(3);
    assert_eq!(failures(&world.fund(&late)), [0; 0]);
    assert_eq!(world.state(&late.address().unwrap()), Some(TaskState::Open));
    world.assert_conserved();
}
