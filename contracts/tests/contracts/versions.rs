//! New versions of the code, by governance: they are for new tasks and stakes alone. What there is
//! goes on under the code and the settings it began with.

use fog_contracts::{
    Code, FUND_VALUE, TaskState,
    market::{self, Config},
    operator, stake, stake_code,
    task::{self, Outcome, TaskInit},
    task_code,
};
use fog_protocol::{Address, Hash32, Nano};
use fog_testnet::chain::Receipt;
use tycho_types::{
    cell::{Cell, CellBuilder, HashBytes},
    models::StateInit,
};

use crate::world::{FEE_BPS, PRICE, TIMELOCK, UNBONDING, WINDOW, World, earned, failures, ours};

const COMMITMENT: Hash32 = Hash32([0x11; 32]);
/// Does nothing, for 18 gas.
const NOP: u8 = 0;

/// The same program with another hash: an instruction that does nothing comes first.
fn another(code: &Code) -> Cell {
    let mut builder = CellBuilder::new();
    builder.store_u8(NOP).unwrap();
    builder.store_slice(code.cell.as_slice().unwrap()).unwrap();
    let cell = builder.build().unwrap();
    assert_eq!(cell.repr_depth(), code.depth);
    cell
}

fn hash(cell: &Cell) -> Hash32 {
    Hash32(cell.repr_hash().0)
}

/// A task of the new version: what the old one begins with, under the new code.
struct Newer {
    state: StateInit,
    at: Address,
}

impl Newer {
    fn of(init: &TaskInit) -> Self {
        let state = StateInit { code: Some(another(task_code())), ..init.state_init().unwrap() };
        let HashBytes(hash) = *CellBuilder::build_from(&state).unwrap().repr_hash();
        Self { state, at: Address::basechain(hash) }
    }
}

impl World {
    fn fund_newer(&mut self, task: &Newer) -> Receipt {
        let requestor = self.requestor.clone();
        let body = task::fund(self.next_query()).unwrap();
        let value = PRICE.saturating_add(FUND_VALUE);
        self.deploy(&requestor, task.at, value, task.state.clone(), body)
    }

    /// The owner proposes it; once its time has come, a stranger applies it.
    fn change(&mut self, next: &Config) {
        let (owner, stranger) = (self.owner.clone(), self.stranger.clone());
        let receipt = self.market_op(&owner, market::propose(1, next).unwrap());
        assert_eq!(failures(&receipt), [0; 0]);
        self.chain.warp(TIMELOCK).unwrap();
        let apply = market::plain(market::op::APPLY, 1).unwrap();
        assert_eq!(failures(&self.market_op(&stranger, apply)), [0; 0]);
    }

    fn finish(&mut self, task: Address) {
        assert_eq!(failures(&self.commit(task, COMMITMENT)), [0; 0]);
        let verdict = self.verdict(task, COMMITMENT, Outcome::Accepted, &[0, 1]);
        assert_eq!(failures(&verdict), [0; 0]);
        self.chain.warp(WINDOW + 1).unwrap();
        let stranger = self.stranger.clone();
        let receipt = self.push(&stranger, task, task::finalize(1).unwrap());
        assert_eq!(failures(&receipt), [0; 0]);
        assert_eq!(self.state(&task), Some(TaskState::Paid));
        assert!(self.is_ended(&task));
    }
}

fn config_of(world: &World) -> Config {
    crate::world::config(2, &world.verifiers, world.treasury, world.burn)
}

/// The tests' rules for tasks of the new version.
fn new_tasks(world: &World) -> Config {
    let mut next = config_of(world);
    next.task_code_hash = hash(&another(task_code()));
    next.stake.task_code_hash = next.task_code_hash;
    assert!(!next.is_of_this_code());
    next
}

/// A task that bids may come for until after the timelock.
fn patient(world: &mut World, id: u8) -> Address {
    let mut init = world.task_init(id);
    init.terms.bid = 2 * TIMELOCK;
    assert_eq!(failures(&world.fund(&init)), [0; 0]);
    let at = init.address().unwrap();
    assert_eq!(world.state(&at), Some(TaskState::Open));
    at
}

/// A market whose tasks may be open for longer than its timelock.
fn patient_world() -> World {
    let mut world = World::new();
    let mut config = config_of(&world);
    config.max_step = 2 * TIMELOCK;
    config.stake.unbonding = 7 * TIMELOCK;
    world.stake = config.stake_of(world.market, ours(&world.worker.address));
    world.bond = config.operator_of(world.market, ours(&world.operator.address));
    world.change(&config);
    world.deposit(Nano::grams(100));
    let operator = world.operator.clone();
    assert_eq!(failures(&world.add_bond(&operator, crate::world::BOND)), [0; 0]);
    world
}

#[test]
fn old_tasks_end_under_the_code_they_began_with_and_new_ones_open_under_the_new() {
    let mut world = patient_world();
    let (open, assigned) = (patient(&mut world, 1), patient(&mut world, 2));
    let (stake, bond) = (world.stake.address().unwrap(), world.bond.address().unwrap());
    let next = new_tasks(&world);
    let (owner, stranger) = (world.owner.clone(), world.stranger.clone());
    let propose = market::propose(1, &next).unwrap();
    assert_eq!(failures(&world.market_op(&owner, propose)), [0; 0]);
    world.chain.warp(TIMELOCK).unwrap();
    assert_eq!(failures(&world.assign(assigned)), [0; 0]);
    let apply = market::plain(market::op::APPLY, 1).unwrap();
    assert_eq!(failures(&world.market_op(&stranger, apply)), [0; 0]);

    // Both go on, with the stake and the bond they began with.
    assert_eq!(failures(&world.assign(open)), [0; 0]);
    assert_eq!(world.stake().reservations.len(), 2);
    world.finish(assigned);
    world.finish(open);
    let fee = PRICE.get() * u64::from(FEE_BPS) / 10_000;
    assert_eq!(world.stake().earnings, Nano::new(2 * (PRICE.get() - fee)));
    assert_eq!(world.bond().earned, Nano::new(2 * earned(fee)));

    // Another of the old code is refused, and its money comes back but for gas and a tombstone.
    let late = world.task_init(3);
    let requestor = ours(&world.requestor.address);
    let before = world.balance(&requestor);
    assert_eq!(failures(&world.fund(&late)), [108]);
    assert_eq!(world.state(&late.address().unwrap()), Some(TaskState::Refunded));
    assert!(before - world.balance(&requestor) < 100_000_000);

    // One of the new code opens. Its stake and bond are others: theirs name its code.
    let newer = Newer::of(&world.task_init(3));
    assert_eq!(failures(&world.fund_newer(&newer)), [0; 0]);
    assert_eq!(world.state(&newer.at), Some(TaskState::Open));
    let refused = world.assign(newer.at);
    assert!(!failures(&refused).is_empty(), "the old bond and stake are none of its");
    assert_eq!(world.state(&newer.at), Some(TaskState::Open));
    assert_eq!(world.bond().reserved, Nano::ZERO);
    let old = (world.stake, world.bond);
    world.stake = next.stake_of(world.market, ours(&world.worker.address));
    world.bond = next.operator_of(world.market, ours(&world.operator.address));
    assert_ne!(world.stake.address().unwrap(), stake);
    assert_ne!(world.bond.address().unwrap(), bond);
    world.deposit(Nano::grams(100));
    let operator = world.operator.clone();
    assert_eq!(failures(&world.add_bond(&operator, crate::world::BOND)), [0; 0]);
    assert_eq!(failures(&world.assign(newer.at)), [0; 0]);
    world.finish(newer.at);

    // And who has something in the old ones takes it out.
    (world.stake, world.bond) = old;
    assert_eq!((world.stake.address().unwrap(), world.bond.address().unwrap()), (stake, bond));
    assert_eq!(failures(&world.owner_op(stake::withdraw_earnings(1).unwrap())), [0; 0]);
    assert_eq!(failures(&world.owner_op(stake::unbond(1, Nano::grams(100)).unwrap())), [0; 0]);
    let all = world.bond().free();
    let out = operator::withdraw(1, all).unwrap();
    assert_eq!(failures(&world.bond_op(&operator, out)), [0; 0]);
    world.chain.warp(7 * TIMELOCK + UNBONDING).unwrap();
    assert_eq!(failures(&world.owner_op(stake::withdraw(1).unwrap())), [0; 0]);
    assert_eq!((world.stake().stake, world.stake().earnings), (Nano::ZERO, Nano::ZERO));
    assert_eq!(world.bond().bond, Nano::ZERO);
    world.assert_conserved();
}

/// A task takes the stakes' code over with its settings: a stake of other code does not stand for it,
/// whatever it was made with.
#[test]
fn a_stake_of_the_old_code_does_not_stand_for_a_task_that_names_a_new_one() {
    let mut world = World::new();
    let next = Config { stake_code_hash: hash(&another(stake_code())), ..config_of(&world) };
    world.deposit(Nano::grams(100));
    assert_eq!(next.stake_of(world.market, ours(&world.worker.address)), world.stake);
    world.change(&next);
    let after = world.task_init(2);
    assert_eq!(failures(&world.fund(&after)), [0; 0]);
    let after = after.address().unwrap();
    assert_eq!(world.state(&after), Some(TaskState::Open));
    world.assign(after);
    assert_eq!(world.state(&after), Some(TaskState::Open), "it asked a stake that is not there");
    assert_eq!(world.stake().reservations, []);
    assert_eq!(world.bond().reserved, Nano::ZERO);
    world.assert_conserved();
}
