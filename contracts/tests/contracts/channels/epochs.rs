//! Stake for the account rail, reserved in bulk: one `Task` a worker and epoch holds the stake that
//! all of the epoch's tasks answer with. Its commitment is the Merkle root over the epoch's entries,
//! its verdict releases or slashes.

use fog_contracts::{
    TaskState,
    epoch::Epoch,
    task::{self, Outcome},
};
use fog_protocol::{Address, Entry, EntryTree, EntryVerdict, Hash32, Nano, TaskId};

use crate::world::{RESERVE, STEP, WINDOW, World, failures, ours};

fn epoch(world: &World, number: u32) -> Epoch {
    Epoch {
        market: world.market,
        node: ours(&world.operator.address),
        worker: ours(&world.worker.address),
        number,
        price: crate::world::PRICE,
        bid: STEP,
        lasts: STEP,
        verdict: STEP,
        window: WINDOW,
    }
}

fn entries(count: u8) -> EntryTree {
    EntryTree::of((0..count).map(|number| Entry {
        task: TaskId(Hash32([number; 32])),
        worker: Address::basechain([1; 32]),
        amount: Nano::new(1000),
        verdict: EntryVerdict::Accepted,
        evidence: Hash32([number ^ 0xff; 32]),
    }))
    .unwrap()
}

/// The epoch's task, assigned: the stake is reserved.
fn begun(number: u32) -> (World, Address) {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let epoch = epoch(&world, number).task();
    let operator = world.operator.clone();
    let body = task::fund(world.next_query()).unwrap();
    let value = epoch.terms.price.saturating_add(fog_contracts::FUND_VALUE);
    let address = epoch.address().unwrap();
    let receipt = world.deploy(&operator, address, value, epoch.state_init().unwrap(), body);
    assert_eq!(failures(&receipt), [0; 0]);
    assert_eq!(failures(&world.assign(address)), [0; 0]);
    assert_eq!(world.stake().reserved, RESERVE);
    (world, address)
}

#[test]
fn an_epoch_ends_with_its_stake_free() {
    let (mut world, task) = begun(1);
    let root = entries(100).root();
    assert_eq!(failures(&world.commit(task, root)), [0; 0]);
    assert_eq!(world.task(&task).unwrap().work.unwrap().commitment, root);
    assert_eq!(failures(&world.verdict(task, root, Outcome::Accepted, &[0, 1])), [0; 0]);
    world.chain.warp(WINDOW + 1).unwrap();
    let stranger = world.stranger.clone();
    world.push(&stranger, task, task::finalize(1).unwrap());
    assert_eq!(world.state(&task), Some(TaskState::Paid));
    assert_eq!((world.stake().reserved, world.stake().stake), (Nano::ZERO, Nano::grams(100)));
}

#[test]
fn one_false_entry_costs_the_epochs_stake() {
    let (mut world, task) = begun(1);
    let root = entries(100).root();
    world.commit(task, root);
    assert_eq!(failures(&world.verdict(task, root, Outcome::Rejected, &[1, 2])), [0; 0]);
    world.chain.warp(WINDOW + 1).unwrap();
    let stranger = world.stranger.clone();
    world.push(&stranger, task, task::finalize(1).unwrap());
    assert_eq!(world.state(&task), Some(TaskState::Slashed));
    assert_eq!(world.stake().stake, Nano::grams(100).saturating_sub(RESERVE));
}

/// A worker that hides its epoch's root is late, a node that judges nothing lets the stake go: both
/// by time, pushed by anyone.
#[test]
fn an_epoch_that_nobody_ends_ends_by_time() {
    for (commits, end) in [(false, TaskState::Late), (true, TaskState::Refunded)] {
        let (mut world, task) = begun(2);
        if commits {
            world.commit(task, entries(3).root());
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
        Epoch { lasts: STEP + 1, ..first },
    ];
    for other in others {
        assert_ne!(first.task().address().unwrap(), other.task().address().unwrap());
    }
}
