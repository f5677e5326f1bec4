//! Stake for the account rail, reserved in bulk: one `Task` a worker and epoch holds the stake that
//! all of the epoch's tasks answer with. Its commitment is a promise that is made with the consent, its
//! verdict releases or slashes.

use fog_contracts::{
    TaskState, VerdictTerms,
    epoch::Epoch,
    task::{self, Outcome},
    verdict_hash,
};
use fog_protocol::{Address, Hash32, Nano};

use crate::world::{RESERVE, STEP, World, failures, ours};

const ERR_BAD_SIGNATURE: i32 = 105;

fn epoch(world: &World, number: u32) -> Epoch {
    Epoch {
        market: world.market,
        node: ours(&world.operator.address),
        worker: ours(&world.worker.address),
        earnings: Address::basechain([0xea; 32]),
        number,
        price: crate::world::PRICE,
        bid: STEP,
        commit: STEP,
        lasts: STEP,
    }
}

/// The epoch's task, assigned: the stake is reserved. And what the worker promised with its consent.
fn begun(number: u32) -> (World, Address, Hash32) {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let epoch = epoch(&world, number);
    let epoch_promise = epoch.promise().unwrap();
    let epoch = epoch.task();
    let operator = world.operator.clone();
    let body = task::fund(world.next_query()).unwrap();
    let value = epoch.terms.price.saturating_add(fog_contracts::FUND_VALUE);
    let address = epoch.address().unwrap();
    let receipt = world.deploy(&operator, address, value, epoch.state_init().unwrap(), body);
    assert_eq!(failures(&receipt), [0; 0]);
    assert_eq!(failures(&world.assign(address)), [0; 0]);
    assert_eq!(world.stake().reserved, RESERVE);
    (world, address, epoch_promise)
}

#[test]
fn an_epoch_ends_with_its_stake_free() {
    let (mut world, task, promise) = begun(1);
    assert_eq!(failures(&world.commit(task, promise)), [0; 0]);
    assert_eq!(world.task(&task).unwrap().work.unwrap().commitment, promise);
    // Its verdict comes when the epoch is over.
    world.chain.warp(STEP - 10).unwrap();
    assert_eq!(failures(&world.verdict(task, promise, Outcome::Accepted, &[0, 1])), [0; 0]);
    let stranger = world.stranger.clone();
    world.push(&stranger, task, task::finalize(1).unwrap());
    assert_eq!(world.state(&task), Some(TaskState::Paid));
    assert_eq!((world.stake().reserved, world.stake().stake), (Nano::ZERO, Nano::grams(100)));
}

/// What a worker does once it is caught, or does not do, changes nothing: all that it has to sign is
/// signed, and the verifiers need no more.
#[test]
fn one_false_result_costs_the_epochs_stake_whatever_its_worker_does_then() {
    let (mut world, task, promise) = begun(1);
    world.commit(task, promise);
    // Another commitment comes too late, and so does another key.
    let other = world.commit(task, Hash32([7; 32]));
    assert_ne!(failures(&other), [0; 0]);
    let key = fog_protocol::SecretKey::from_seed(&[0x77; 32]).public();
    let set = fog_contracts::stake::set_session(3, &key).unwrap();
    assert_eq!(failures(&world.owner_op(set)), [0; 0]);
    assert_ne!(
        failures(&world.owner_op(fog_contracts::stake::unbond(4, Nano::grams(100)).unwrap())),
        [0; 0]
    );
    assert_eq!(failures(&world.verdict(task, promise, Outcome::Rejected, &[1, 2])), [0; 0]);
    let stranger = world.stranger.clone();
    // Nobody who is to be right gets a part of it.
    assert_ne!(failures(&world.challenge(&stranger, task)), [0; 0]);
    world.push(&stranger, task, task::finalize(1).unwrap());
    assert_eq!(world.state(&task), Some(TaskState::Slashed));
    assert_eq!(world.stake().stake, Nano::grams(100).saturating_sub(RESERVE));
}

/// The signatures of an epoch are worth nothing to any other task, nor are a task's to an epoch.
#[test]
fn consent_and_promise_of_an_epoch_are_for_that_epoch_alone() {
    let (mut world, _, promise) = begun(1);
    let first = epoch(&world, 1).task().address().unwrap();
    let consent = world.consent(first, crate::world::PRICE, RESERVE);
    // An ordinary task that its requestor and the node would like to have that stake for.
    let init = world.task_init(9);
    world.fund(&init);
    let task = init.address().unwrap();
    assert_eq!(failures(&world.assign_with(task, RESERVE, consent)), [ERR_BAD_SIGNATURE]);
    assert_eq!(world.stake().reserved, RESERVE, "of the epoch alone");
    // Even where the worker has that task: its promise is no commitment there.
    assert_eq!(failures(&world.assign(task)), [0; 0]);
    let hash = fog_contracts::commit_hash(-3, &first, &promise).unwrap();
    let signature = world.session.sign(&hash.0);
    let body = task::commit(5, &promise, &signature).unwrap();
    let operator = world.operator.clone();
    let sent = world.call(&operator, task, fog_contracts::COMMIT_VALUE, body);
    assert_eq!(failures(&sent), [ERR_BAD_SIGNATURE]);
    assert_eq!(world.state(&task), Some(TaskState::Assigned));
    // Nor for another epoch of the same two.
    assert_ne!(promise, epoch(&world, 2).promise().unwrap());
}

/// An epoch as nodes open it, at the least price, from its funding to its end by a stranger.
pub(super) fn through(world: &mut World, number: u32, outcome: Outcome) -> Address {
    let cheap = Epoch { price: Nano::new(1), ..epoch(world, number) };
    let (init, promise) = (cheap.task(), cheap.promise().unwrap());
    let (task, operator) = (init.address().unwrap(), world.operator.clone());
    let value = fog_contracts::FUND_VALUE.saturating_add(cheap.price);
    let body = task::fund(world.next_query()).unwrap();
    world.deploy(&operator, task, value, init.state_init().unwrap(), body);
    let consent = world.consent(task, cheap.price, RESERVE);
    let assign = task::Assign {
        owner: cheap.worker,
        price: cheap.price,
        reserve: RESERVE,
        valid_until: world.chain.now() + 300,
        consent,
    };
    assert_eq!(failures(&world.take_on(&operator, task, &assign)), [0; 0]);
    assert_eq!(failures(&world.commit(task, promise)), [0; 0]);
    let valid_until = world.chain.now() + 300;
    let evidence = Hash32([0xab; 32]);
    let hash = verdict_hash(&VerdictTerms {
        network: -3,
        task,
        stake: world.stake.address().unwrap(),
        price: cheap.price,
        commitment: promise,
        outcome,
        evidence,
        valid_until,
    })
    .unwrap();
    let sign = |index: u8| (index, world.verifiers[usize::from(index)].sign(&hash.0));
    let signatures = [0, 1].into_iter().map(sign).collect();
    let verdict = task::Verdict { outcome, evidence, valid_until, signatures };
    let body = task::verdict(6, &verdict).unwrap();
    let value = fog_contracts::verdict_value(2);
    assert_eq!(failures(&world.call(&operator, task, value, body)), [0; 0]);
    let stranger = world.stranger.clone();
    world.push(&stranger, task, task::finalize(1).unwrap());
    assert!(world.is_ended(&task));
    task
}

/// Who judges may be who assigns: a slash must not be worth anything to the node. All but a nanogram
/// of it burns.
#[test]
fn a_node_earns_nothing_by_a_slash() {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let burnt = world.balance(&world.burn);
    let task = through(&mut world, 1, Outcome::Rejected);
    assert_eq!(world.state(&task), Some(TaskState::Slashed));
    assert_eq!(world.stake().stake, Nano::grams(100).saturating_sub(RESERVE));
    let burnt = world.balance(&world.burn) - burnt;
    assert!(burnt + 10_000_000 > RESERVE.get() && burnt < RESERVE.get(), "{burnt} of {RESERVE}");
}

/// A node that never puts the promise on chain is stopped by anyone who has it; one that judges nothing
/// lets the stake go, and its bond pays: both by time, pushed by anyone.
#[test]
fn an_epoch_that_nobody_ends_ends_by_time() {
    for (commits, end) in [(false, TaskState::Late), (true, TaskState::Refunded)] {
        let (mut world, task, promise) = begun(2);
        if commits {
            let anyone = world.stranger.clone();
            assert_eq!(failures(&world.commit_from(&anyone, task, promise)), [0; 0]);
        }
        world.chain.warp(STEP + 1).unwrap();
        let stranger = world.stranger.clone();
        world.push(&stranger, task, task::expire(1).unwrap());
        assert_eq!(world.state(&task), Some(end));
        assert_eq!(world.stake().reserved, Nano::ZERO);
    }
}

/// Epochs differ by worker, node and number; a consent for one is none for another.
#[test]
fn every_epoch_is_its_own() {
    let world = World::new();
    let first = epoch(&world, 1);
    let others = [
        Epoch { number: 2, ..first },
        Epoch { worker: world.treasury, ..first },
        Epoch { node: world.treasury, ..first },
        Epoch { earnings: world.treasury, ..first },
        Epoch { lasts: STEP + 1, ..first },
    ];
    for other in others {
        assert_ne!(first.task().address().unwrap(), other.task().address().unwrap());
        assert_ne!(first.promise().unwrap(), other.promise().unwrap());
    }
}
