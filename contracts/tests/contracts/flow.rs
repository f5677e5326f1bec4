//! The ways through a task's life.

use fog_contracts::{
    TaskState, stake,
    task::{self, Outcome},
};
use fog_protocol::{Address, Hash32, Nano};

use crate::world::{
    BOND, FEE_BPS, PRICE, RESERVE, STEP, UNBONDING, WINDOW, World, earned, failures, notices, ours,
};

const COMMITMENT: Hash32 = Hash32([0x11; 32]);

/// The state that a verdict leads to.
pub(crate) fn judged(outcome: Outcome) -> TaskState {
    if outcome == Outcome::Accepted { TaskState::Accepted } else { TaskState::Rejected }
}

/// A world with one task that has reached `state` on the straight way.
pub(crate) fn reached(state: TaskState, outcome: Outcome) -> (World, Address) {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let init = world.task_init(1);
    let task = init.address().unwrap();
    type Step<'a> = (TaskState, &'a dyn Fn(&mut World));
    let steps: [Step<'_>; 4] = [
        (TaskState::Open, &|world| assert_eq!(failures(&world.fund(&init)), [0; 0])),
        (TaskState::Assigned, &|world| assert_eq!(failures(&world.assign(task)), [0; 0])),
        (TaskState::Committed, &|world| {
            assert_eq!(failures(&world.commit(task, COMMITMENT)), [0; 0]);
        }),
        (judged(outcome), &|world| {
            let receipt = world.verdict(task, COMMITMENT, outcome, &[0, 2]);
            assert_eq!(failures(&receipt), [0; 0]);
        }),
    ];
    for (next, step) in steps {
        step(&mut world);
        assert_eq!(world.state(&task), Some(next));
        world.assert_conserved();
        if next == state {
            break;
        }
    }
    (world, task)
}

#[test]
fn honest_work_is_paid() {
    let (mut world, task) = reached(TaskState::Accepted, Outcome::Accepted);
    assert_eq!(world.stake().reserved, RESERVE);
    let stranger = world.stranger.clone();
    let early = world.push(&stranger, task, task::finalize(1).unwrap());
    assert_eq!(failures(&early), [103]);
    world.chain.warp(WINDOW + 1).unwrap();
    let receipt = world.push(&stranger, task, task::finalize(1).unwrap());
    assert_eq!(failures(&receipt), [0; 0]);
    let fee = PRICE.get() * u64::from(FEE_BPS) / 10_000;
    let stake = world.stake();
    assert_eq!(stake.earnings.get(), PRICE.get() - fee);
    assert_eq!((stake.reserved, stake.stake), (Nano::ZERO, Nano::grams(100)));
    assert_eq!(world.balance(&world.treasury), fee - earned(fee));
    let bond = world.bond();
    assert_eq!((bond.earned.get(), bond.reserved), (earned(fee), Nano::ZERO));
    assert_eq!(bond.bond.get(), BOND.get() + earned(fee));
    assert!(world.is_ended(&task));
    assert_eq!(notices(&receipt).last().unwrap().state, TaskState::Paid);
    world.assert_conserved();
}

#[test]
fn wrong_work_is_slashed() {
    let (mut world, task) = reached(TaskState::Rejected, Outcome::Rejected);
    world.chain.warp(WINDOW + 1).unwrap();
    let requestor = ours(&world.requestor.address);
    let before = world.balance(&requestor);
    let operator = world.operator.clone();
    let receipt = world.push(&operator, task, task::finalize(1).unwrap());
    assert_eq!(failures(&receipt), [0; 0]);
    let share = RESERVE.get() / 2;
    assert_eq!(world.stake().stake.get(), Nano::grams(100).get() - RESERVE.get());
    assert_eq!(world.stake().reserved, Nano::ZERO);
    assert_eq!(world.balance(&world.burn), RESERVE.get() - share);
    let back = world.balance(&requestor) - before;
    assert!(back >= PRICE.get() + share, "{back}");
    assert!(back <= PRICE.get() + share + fog_contracts::FUND_VALUE.get(), "{back}");
    assert!(world.is_ended(&task));
    assert_eq!(notices(&receipt).last().unwrap().state, TaskState::Slashed);
    world.assert_conserved();
}

#[test]
fn nobody_bids() {
    let (mut world, task) = reached(TaskState::Open, Outcome::Accepted);
    let stranger = world.stranger.clone();
    assert_eq!(failures(&world.push(&stranger, task, task::expire(1).unwrap())), [103]);
    world.chain.warp(STEP + 1).unwrap();
    let requestor = ours(&world.requestor.address);
    let before = world.balance(&requestor);
    let receipt = world.push(&stranger, task, task::expire(1).unwrap());
    assert_eq!(notices(&receipt).last().unwrap().state, TaskState::Refunded);
    assert!(world.balance(&requestor) - before >= PRICE.get());
    assert!(world.is_ended(&task));
    world.assert_conserved();
}

#[test]
fn the_requestor_takes_it_back() {
    let (mut world, task) = reached(TaskState::Open, Outcome::Accepted);
    let (stranger, requestor) = (world.stranger.clone(), world.requestor.clone());
    assert_eq!(failures(&world.push(&stranger, task, task::cancel(1).unwrap())), [100]);
    let receipt = world.push(&requestor, task, task::cancel(1).unwrap());
    assert_eq!(notices(&receipt).last().unwrap().state, TaskState::Refunded);
    assert!(world.is_ended(&task));
    world.assert_conserved();
}

#[test]
fn a_late_worker_loses_a_hundredth() {
    let (mut world, task) = reached(TaskState::Assigned, Outcome::Accepted);
    world.chain.warp(STEP + 1).unwrap();
    let stranger = world.stranger.clone();
    let receipt = world.push(&stranger, task, task::expire(1).unwrap());
    assert_eq!(failures(&receipt), [0; 0]);
    assert_eq!(notices(&receipt).last().unwrap().state, TaskState::Late);
    let stake = world.stake();
    assert_eq!(stake.stake.get(), Nano::grams(100).get() - RESERVE.get() / 100);
    assert_eq!(stake.reserved, Nano::ZERO);
    world.assert_conserved();
}

#[test]
fn a_silent_node_costs_the_worker_nothing() {
    let (mut world, task) = reached(TaskState::Committed, Outcome::Accepted);
    world.chain.warp(STEP + 1).unwrap();
    let stranger = world.stranger.clone();
    let receipt = world.push(&stranger, task, task::expire(1).unwrap());
    assert_eq!(failures(&receipt), [0; 0]);
    assert_eq!(notices(&receipt).last().unwrap().state, TaskState::Refunded);
    assert_eq!((world.stake().stake, world.stake().reserved), (Nano::grams(100), Nano::ZERO));
    assert!(world.is_ended(&task));
    world.assert_conserved();
}

#[test]
fn a_reservation_without_stake_opens_the_task_again() {
    let mut world = World::new();
    world.deposit(Nano::grams(1));
    let init = world.task_init(1);
    world.fund(&init);
    let task = init.address().unwrap();
    let receipt = world.assign(task);
    assert_eq!(failures(&receipt), [109]);
    assert_eq!(world.state(&task), Some(TaskState::Open));
    let notice = notices(&receipt).pop().unwrap();
    assert_eq!((notice.state, notice.hash.0[31]), (TaskState::Open, 109));
    world.assert_conserved();
}

#[test]
fn too_few_or_foreign_signatures_are_no_verdict() {
    let (mut world, task) = reached(TaskState::Committed, Outcome::Accepted);
    for (signers, code) in [(&[0u8][..], 106), (&[0, 1, 2], 106), (&[], 106)] {
        assert_eq!(failures(&world.verdict(task, COMMITMENT, Outcome::Accepted, signers)), [code]);
    }
    assert_eq!(failures(&world.verdict(task, Hash32([1; 32]), Outcome::Accepted, &[0, 1])), [105]);
    assert_eq!(world.state(&task), Some(TaskState::Committed));
}

#[test]
fn unbonding_and_earnings_come_out() {
    let (mut world, task) = reached(TaskState::Assigned, Outcome::Accepted);
    let free = Nano::grams(100).saturating_sub(RESERVE);
    let over = free.saturating_add(Nano::new(1));
    assert_eq!(failures(&world.owner_op(stake::unbond(1, over).unwrap())), [109]);
    assert_eq!(failures(&world.owner_op(stake::unbond(1, free).unwrap())), [0; 0]);
    assert_eq!(failures(&world.owner_op(stake::withdraw(1).unwrap())), [103]);
    world.chain.warp(UNBONDING + 1).unwrap();
    let owner = ours(&world.worker.address);
    let before = world.balance(&owner);
    assert_eq!(failures(&world.owner_op(stake::withdraw(1).unwrap())), [0; 0]);
    assert!(world.balance(&owner) + 100_000_000 > before + free.get());
    assert_eq!((world.stake().stake, world.stake().unbonding), (RESERVE, Nano::ZERO));
    assert_eq!(failures(&world.owner_op(stake::withdraw_earnings(1).unwrap())), [114]);
    assert!(world.task(&task).is_some());
    world.assert_conserved();
}

#[test]
fn a_paused_market_refunds_new_tasks_and_keeps_old_ones() {
    let (mut world, task) = reached(TaskState::Accepted, Outcome::Accepted);
    let owner = world.owner.clone();
    world.market_op(&owner, fog_contracts::market::set_pause(1, true).unwrap());
    let init = world.task_init(2);
    let receipt = world.fund(&init);
    assert_eq!(failures(&receipt), [111]);
    assert!(world.is_ended(&init.address().unwrap()));
    world.chain.warp(WINDOW + 1).unwrap();
    let stranger = world.stranger.clone();
    world.push(&stranger, task, task::finalize(1).unwrap());
    assert!(world.is_ended(&task));
    world.assert_conserved();
}
