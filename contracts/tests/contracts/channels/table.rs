//! What a task costs on either rail. `cargo test -p fog-contracts costs -- --nocapture` prints it.

use fog_contracts::{
    channel::Purpose,
    task::{self, Outcome},
};
use fog_protocol::{Address, Entry, EntryTree, EntryVerdict, Hash32, Nano, TaskId, tagged_hash};

use super::kit::{CLOSE, DELAY, FINISH, NETWORK, in_world, payee_key, payer_key};
use crate::world::{PRICE, WINDOW, World, failures, ours};

/// Everybody's money, the contracts' rents and balances included: what is missing went to the network.
fn spent(world: &World) -> u128 {
    let totals = world.chain.totals();
    totals.network_fees_collected + totals.burned
}

/// A task of its own on the escrow rail, from the funding to the end.
fn escrow_task(world: &mut World, id: u8) -> u128 {
    let before = spent(world);
    let init = world.task_init(id);
    world.fund(&init);
    let task = init.address().unwrap();
    let commitment = Hash32([0x11; 32]);
    world.assign(task);
    world.commit(task, commitment);
    world.verdict(task, commitment, Outcome::Accepted, &[0, 1]);
    world.chain.warp(WINDOW + 1).unwrap();
    let operator = world.operator.clone();
    world.push(&operator, task, task::finalize(1).unwrap());
    assert!(world.is_ended(&task));
    spent(world) - before
}

fn entries(count: u32, worker: Address, each: u64) -> EntryTree {
    EntryTree::of((0..count).map(|number| Entry {
        task: TaskId(tagged_hash("fog/test/task", &[&number.to_le_bytes()])),
        worker,
        amount: Nano::new(each),
        verdict: EntryVerdict::Accepted,
        evidence: tagged_hash("fog/test/evidence", &[&number.to_le_bytes()]),
    }))
    .unwrap()
}

/// Settles `count` tasks by one voucher on each side: the requestor's to the node, the node's to the
/// worker. Returns what the network took for that.
fn settle(world: &mut World, count: u32) -> u128 {
    let each = 4_000_000_000 / u64::from(count);
    let worker = ours(&world.worker.address);
    let tree = entries(count, worker, each);
    let mut cost = 0;
    for purpose in Purpose::ALL {
        let (channel, payer, payee) = in_world(world, purpose);
        world.top_up(&channel, &payer, Nano::grams(5));
        let voucher = fog_contracts::channel::Voucher {
            total: tree.total(),
            count: tree.len(),
            root: tree.root(),
            valid_until: world.chain.now() + 3600,
        };
        assert!(
            world
                .channel(&channel)
                .check(
                    NETWORK,
                    &voucher,
                    &super::kit::signed(&channel, &voucher),
                    world.chain.now()
                )
                .is_ok()
        );
        let before = spent(world);
        assert_eq!(failures(&world.redeem(&channel, &payee, &voucher)), [0; 0]);
        cost += spent(world) - before;
        assert_eq!(world.channel(&channel).root, tree.root());
        // Any of its tasks can be opened from what is on chain.
        let some = tree.entries()[tree.entries().len() / 2].task;
        assert!(tree.open(&some).unwrap().opens(&world.channel(&channel).root));
    }
    cost
}

/// Stake reserved in bulk for an epoch, kept: a task of its own from its funding to its end.
fn epoch() -> u128 {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let before = spent(&world);
    super::epochs::through(&mut world, 1, Outcome::Accepted);
    spent(&world) - before
}

/// Everything: opening both contracts, one epoch of stake, settling, closing both.
fn whole(count: u32) -> u128 {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let before = spent(&world);
    super::epochs::through(&mut world, 1, Outcome::Accepted);
    settle(&mut world, count);
    for purpose in Purpose::ALL {
        let (channel, payer, _) = in_world(&world, purpose);
        assert_eq!(failures(&world.end_channel(&channel, &payer, CLOSE)), [0; 0]);
        world.chain.warp(DELAY).unwrap();
        assert_eq!(failures(&world.end_channel(&channel, &payer, FINISH)), [0; 0]);
    }
    spent(&world) - before
}

/// What the figures are called.
const FIGURES: &str = "cost of a task on both rails";

#[test]
fn costs_of_a_task_on_both_rails() {
    assert_ne!(payer_key().public(), payee_key().public());
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let escrow = escrow_task(&mut world, 1);
    assert!(escrow > 10_000_000 && escrow < u128::from(PRICE.get()));
    fog_figures::figure!(FIGURES, "escrow rail: {escrow} nanogram a task");
    let bulk = epoch();
    fog_figures::figure!(FIGURES, "stake in bulk: {bulk} nanogram an epoch of one worker");
    assert!(bulk < escrow * 3 / 2, "an epoch costs what a task does");
    fog_figures::figure!(
        FIGURES,
        "account rail, nanogram a task (one requestor, one node, one worker):"
    );
    fog_figures::figure!(
        FIGURES,
        "{:>8}  {:>14} {:>10}  {:>14}  {:>14} {:>10}",
        "tasks",
        "settling",
        "of escrow",
        "stake in bulk",
        "everything",
        "of escrow"
    );
    let mut last = 1.0;
    for count in [1u32, 10, 100, 1_000, 100_000] {
        let mut world = World::new();
        let settling = settle(&mut world, count);
        let all = whole(count);
        let each = |cost: u128| cost as f64 / f64::from(count);
        let part = |cost: u128| each(cost) / escrow as f64;
        fog_figures::figure!(
            FIGURES,
            "{count:>8}  {:>14.3} {:>10.7}  {:>14.3}  {:>14.3} {:>10.7}",
            each(settling),
            part(settling),
            each(bulk),
            each(all),
            part(all)
        );
        last = part(all);
        assert!(part(settling) < 1.0);
    }
    assert!(last < 0.0001, "everything, for 100,000 tasks: {last} of the escrow rail's");
}
