//! The least that must be attached: one nanogram less is refused, and exactly that carries the
//! message all the way, through every contract it leads to.

use fog_contracts::{
    TaskState, operator,
    proof::result_hash,
    stake,
    task::{self, Outcome},
};
use fog_protocol::{Address, Hash32, Nano};
use fog_testnet::chain::{Bounce, Receipt, StackItem, Transfer};

use crate::{
    alone::{Kind, Word, speaker, state, task_in, task_of},
    proving::RESULT,
    solo::{Arrival, Solo},
    world::{
        APPEAL, BOND, CHALLENGE_BOND, PRICE, STEP, WINDOW, World, failures, notices, ours, std,
    },
};

const COMMITMENT: Hash32 = Hash32([0x11; 32]);
const YEAR: u32 = 365 * 24 * 3600;

/// Names of what `attached_values` tells, in its order.
#[derive(Debug, Clone, Copy)]
enum Gate {
    Fund,
    Assign,
    Commit,
    Verdict,
    End,
    Owner,
    Prove = 7,
    Challenge,
    Ruling,
}

fn demanded(world: &World, gate: Gate, signatures: u8) -> u64 {
    let output = world
        .chain
        .run_get_method(&std(&world.market), "attached_values", &[StackItem::int(signatures)])
        .unwrap();
    u64::try_from(output.stack[gate as usize].as_int().unwrap()).unwrap()
}

/// `act` with one nanogram too little is refused, and with the least goes through. `on_top` is the
/// principal that travels with it.
pub(crate) fn gate(
    world: &mut World,
    least: u64,
    on_top: u64,
    code: i32,
    act: &dyn Fn(&mut World) -> Receipt,
) -> Receipt {
    world.attach = Some(least + on_top - 1);
    assert_eq!(failures(&act(world)), [code], "one nanogram less than {least}");
    world.attach = Some(least + on_top);
    let receipt = act(world);
    assert_eq!(failures(&receipt), [0; 0], "exactly {least}");
    assert!(receipt.transactions.iter().all(|tx| tx.action_code().unwrap().unwrap_or(0) == 0));
    world.assert_conserved();
    receipt
}

/// Goes to `Accepted` or `Rejected` through the gates.
fn to_the_verdict(threshold: u8, id: u8, outcome: Outcome) -> (World, Address) {
    let mut world = World::with_verifiers(threshold, 16);
    world.deposit(Nano::grams(100));
    let init = world.task_init(id);
    let task = init.address().unwrap();
    let signers: Vec<u8> = (0..threshold).collect();
    let least = demanded(&world, Gate::Fund, 0);
    gate(&mut world, least, PRICE.get(), 104, &|world| world.fund(&init));
    assert_eq!(world.state(&task), Some(TaskState::Open));
    let least = demanded(&world, Gate::Assign, 0);
    gate(&mut world, least, 0, 104, &|world| world.assign(task));
    assert_eq!(world.state(&task), Some(TaskState::Assigned));
    let least = demanded(&world, Gate::Commit, 0);
    let stranger = world.stranger.clone();
    gate(&mut world, least, 0, 104, &|world| world.commit_from(&stranger, task, COMMITMENT));
    let least = demanded(&world, Gate::Verdict, threshold);
    gate(&mut world, least, 0, 104, &|world| {
        world.verdict_from(&stranger, task, COMMITMENT, outcome, &signers)
    });
    (world, task)
}

#[test]
fn the_least_carries_every_step_to_its_end() {
    for (threshold, outcome, end) in [
        (1, Outcome::Accepted, TaskState::Paid),
        (16, Outcome::Accepted, TaskState::Paid),
        (1, Outcome::Rejected, TaskState::Slashed),
        (16, Outcome::Rejected, TaskState::Slashed),
        (16, Outcome::Undelivered, TaskState::Late),
    ] {
        let (mut world, task) = to_the_verdict(threshold, 1, outcome);
        world.chain.warp(WINDOW + 1).unwrap();
        let least = demanded(&world, Gate::End, 0);
        let stranger = world.stranger.clone();
        let receipt = gate(&mut world, least, 0, 104, &|world| {
            world.push(&stranger, task, task::finalize(1).unwrap())
        });
        assert_eq!(world.state(&task), Some(end));
        assert_eq!(notices(&receipt).last().unwrap().state, end);
    }
}

#[test]
fn the_least_carries_a_proof_to_the_payment() {
    let mut world = World::with_verifiers(16, 16);
    world.deposit(Nano::grams(100));
    let init = world.proof_init(1);
    let task = init.address().unwrap();
    let least = demanded(&world, Gate::Fund, 0);
    gate(&mut world, least, PRICE.get(), 104, &|world| world.fund(&init));
    world.assign(task);
    let least = demanded(&world, Gate::Prove, 0);
    let stranger = world.stranger.clone();
    let receipt = gate(&mut world, least, 0, 104, &|world| world.prove_from(&stranger, task));
    assert_eq!(world.state(&task), Some(TaskState::Paid));
    assert_eq!(notices(&receipt).last().unwrap().state, TaskState::Paid);
    assert!(world.stake().earnings > Nano::ZERO && world.stake().reserved == Nano::ZERO);
    // Nothing of it works again: the task is over, and says no more.
    assert_eq!(failures(&world.prove_from(&stranger, task)), [101]);
}

#[test]
fn the_least_carries_every_expiry_to_its_end() {
    for (to, end) in [
        (TaskState::Open, TaskState::Refunded),
        (TaskState::Assigned, TaskState::Late),
        (TaskState::Committed, TaskState::Refunded),
    ] {
        let mut world = World::new();
        world.deposit(Nano::grams(100));
        let init = world.task_init(1);
        let task = init.address().unwrap();
        world.fund(&init);
        if to >= TaskState::Assigned {
            world.assign(task);
        }
        if to >= TaskState::Committed {
            world.commit(task, COMMITMENT);
        }
        assert_eq!(world.state(&task), Some(to));
        world.chain.warp(STEP + 1).unwrap();
        let least = demanded(&world, Gate::End, 0);
        let stranger = world.stranger.clone();
        gate(&mut world, least, 0, 104, &|world| {
            world.push(&stranger, task, task::expire(1).unwrap())
        });
        assert_eq!(world.state(&task), Some(end));
    }
}

/// From the challenge of a verdict to the end, whichever way it is decided.
#[test]
fn the_least_carries_every_dispute_to_its_end() {
    let proven = result_hash(RESULT).unwrap();
    for (verdict, ruling, end) in [
        (Outcome::Accepted, Some(Outcome::Rejected), TaskState::Slashed),
        (Outcome::Rejected, Some(Outcome::Accepted), TaskState::Paid),
        (Outcome::Accepted, Some(Outcome::Undelivered), TaskState::Late),
        (Outcome::Rejected, None, TaskState::Slashed),
        (Outcome::Accepted, None, TaskState::Paid),
    ] {
        let mut world = World::with_verifiers(15, 16);
        world.deposit(Nano::grams(100));
        let init = world.overruled_init(1);
        let task = init.address().unwrap();
        let least = demanded(&world, Gate::Fund, 0);
        gate(&mut world, least, PRICE.get(), 104, &|world| world.fund(&init));
        world.assign(task);
        world.commit(task, proven);
        let signers: Vec<u8> = (0..16).collect();
        world.verdict(task, proven, verdict, &signers[..15]);
        let least = demanded(&world, Gate::Challenge, 0);
        let stranger = world.stranger.clone();
        let bond = CHALLENGE_BOND.get();
        gate(&mut world, least, bond, 104, &|world| world.challenge(&stranger, task));
        assert_eq!(world.state(&task), Some(TaskState::Disputed));
        world.chain.warp(WINDOW).unwrap();
        if let Some(outcome) = ruling {
            let least = demanded(&world, Gate::Ruling, 16);
            gate(&mut world, least, 0, 104, &|world| {
                world.rule(&stranger, task, proven, outcome, &signers)
            });
        } else {
            world.chain.warp(APPEAL + 1).unwrap();
            let least = demanded(&world, Gate::End, 0);
            gate(&mut world, least, 0, 104, &|world| {
                world.push(&stranger, task, task::expire(1).unwrap())
            });
        }
        let least = demanded(&world, Gate::End, 0);
        gate(&mut world, least, 0, 104, &|world| {
            world.push(&stranger, task, task::finalize(1).unwrap())
        });
        assert_eq!(world.state(&task), Some(end), "{verdict:?} {ruling:?}");
        assert_eq!(world.bond().reserved, Nano::ZERO);
    }
}

#[test]
fn the_least_carries_an_overruling_proof_to_the_payment() {
    let proven = result_hash(RESULT).unwrap();
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let init = world.overruled_init(1);
    let task = init.address().unwrap();
    let least = demanded(&world, Gate::Fund, 0);
    gate(&mut world, least, PRICE.get(), 104, &|world| world.fund(&init));
    world.assign(task);
    world.commit(task, proven);
    world.verdict(task, proven, Outcome::Rejected, &[0, 1]);
    let stranger = world.stranger.clone();
    world.challenge(&stranger, task);
    let least = demanded(&world, Gate::Prove, 0);
    gate(&mut world, least, 0, 104, &|world| world.prove_from(&stranger, task));
    assert_eq!(world.state(&task), Some(TaskState::Paid));
}

/// The whole way through the bond, back to it, and out of it.
#[test]
fn the_least_carries_a_bond_there_and_back() {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let at = std(&world.bond.address().unwrap());
    let output = world.chain.run_get_method(&at, "operator_values", &[]).unwrap();
    let least: Vec<_> =
        output.stack.iter().map(|item| u64::try_from(item.as_int().unwrap()).unwrap()).collect();
    let node = world.operator.clone();
    // An assignment that the stake refuses comes back to the bond, of the least, too.
    let init = world.task_init(1);
    world.fund(&init);
    let task = init.address().unwrap();
    let held = world.balance(&task);
    for _ in 0..5 {
        let wrong = world.consent(task, PRICE, Nano::new(1));
        world.attach = Some(least[1]);
        let refused = world.assign_with(task, crate::world::RESERVE, wrong);
        assert_eq!(failures(&refused), [105]);
        assert!(refused.transactions.iter().all(|tx| tx.action_code().unwrap().unwrap_or(0) == 0));
        assert_eq!(world.bond().reserved, Nano::ZERO);
        // However often: not out of what the requestor paid.
        assert!(world.balance(&task) >= held, "{} of {held}", world.balance(&task));
    }
    gate(&mut world, least[1], 0, 104, &|world| world.assign(task));
    world.commit(task, COMMITMENT);
    world.chain.warp(STEP + 1).unwrap();
    let stranger = world.stranger.clone();
    let end = demanded(&world, Gate::End, 0);
    gate(&mut world, end, 0, 104, &|world| world.push(&stranger, task, task::expire(1).unwrap()));
    assert_eq!(
        (world.bond().reserved, world.bond().bond),
        (Nano::ZERO, BOND.saturating_sub(PRICE))
    );
    let body = operator::withdraw(1, Nano::grams(1)).unwrap();
    gate(&mut world, least[2], 0, 104, &|world| world.bond_op(&node, body.clone()));
    // The first bond of another node.
    let requestor = world.requestor.clone();
    world.bond = operator::OperatorInit { owner: ours(&requestor.address), ..world.bond };
    let amount = Nano::grams(3);
    gate(&mut world, least[0], amount.get(), 104, &|world| world.add_bond(&requestor, amount));
    assert_eq!(world.bond().bond, amount);
}

#[test]
fn the_least_carries_an_owners_commands() {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let least = demanded(&world, Gate::Owner, 0);
    let key = world.session.public();
    for body in [stake::set_session(1, &key).unwrap(), stake::unbond(1, Nano::grams(1)).unwrap()] {
        gate(&mut world, least, 0, 104, &|world| world.owner_op(body.clone()));
    }
    world.chain.warp(crate::world::UNBONDING + 1).unwrap();
    gate(&mut world, least, 0, 104, &|world| world.owner_op(stake::withdraw(1).unwrap()));
    assert_eq!(world.stake().stake, Nano::grams(99));
}

/// The smallest value that `word` is not refused for, found by halving, on a task alone.
fn least_alone(at: &Solo, word: Word) -> u64 {
    let refused = |value: u64| {
        let mut task = at.clone();
        let body = word.body(task.address, task.now);
        task.receive(speaker(word), value, body, Arrival::Sent).exit != 0
    };
    let (mut low, mut high) = (0, word.value());
    assert!(refused(low) && !refused(high), "{word:?}");
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if refused(middle) { low = middle } else { high = middle }
    }
    high
}

#[test]
fn a_cancellation_has_its_least_too() {
    let least = least_alone(&task_in(TaskState::Open), Word::Cancel);
    let mut world = World::new();
    let init = world.task_init(1);
    world.fund(&init);
    let task = init.address().unwrap();
    let requestor = world.requestor.clone();
    gate(&mut world, least, 0, 104, &|world| {
        world.push(&requestor, task, task::cancel(1).unwrap())
    });
    assert_eq!(world.state(&task), Some(TaskState::Refunded));
}

/// With too little for the gas of the check itself nothing happens either.
#[test]
fn starved_messages_change_nothing() {
    for (kind, at, word) in [
        (Kind::Judged, TaskState::Open, Word::Assign),
        (Kind::Judged, TaskState::Open, Word::Cancel),
        (Kind::Judged, TaskState::Assigned, Word::Commit),
        (Kind::Judged, TaskState::Committed, Word::Accept),
        (Kind::Proven, TaskState::Assigned, Word::Prove),
        (Kind::Overruled, TaskState::Disputed, Word::Prove),
        (Kind::Judged, TaskState::Accepted, Word::Challenge),
        (Kind::Judged, TaskState::Disputed, Word::RuleRejected),
    ] {
        let mut solo = task_of(kind, at);
        solo.now += if word == Word::RuleRejected { WINDOW } else { 0 };
        let least = least_alone(&solo, word);
        for value in [0, 1, 100_000, 400_000, 1_000_000, 2_000_000, 3_000_000, least / 2, least - 1]
        {
            let mut task = solo.clone();
            let body = word.body(task.address, task.now);
            let ran = task.receive(speaker(word), value, body, Arrival::Sent);
            assert!(ran.exit != 0 && ran.sent.is_empty(), "{word:?} with {value}");
            assert_eq!(task.stored(), solo.stored());
            assert_eq!(state(&task), at);
        }
    }
}

/// Paying the same link twice, before and after the end: the money comes back.
#[test]
fn a_task_is_funded_once_in_all_eternity() {
    let mut world = World::new();
    let init = world.task_init(1);
    let task = init.address().unwrap();
    world.fund(&init);
    let requestor = world.requestor.clone();
    for ended in [false, true] {
        if ended {
            world.push(&requestor, task, task::cancel(1).unwrap());
            assert!(world.is_ended(&task));
        }
        let before = (world.balance(&ours(&requestor.address)), world.task(&task));
        let again = Transfer {
            bounce: Bounce::Classic,
            ..Transfer::deploy(
                std(&task),
                2_000_000_000,
                init.state_init().unwrap(),
                task::fund(9).unwrap(),
            )
        };
        let receipt = world.chain.send_from(&requestor, &again).unwrap();
        assert_eq!(failures(&receipt), [101]);
        assert_eq!(world.task(&task), before.1);
        assert!(before.0 - world.balance(&ours(&requestor.address)) < 60_000_000);
    }
    // Its old words, still validly signed, find nobody.
    for body in [
        Word::Assign.body(task, world.chain.now()),
        Word::Commit.body(task, world.chain.now()),
        Word::Accept.body(task, world.chain.now()),
        Word::Challenge.body(task, world.chain.now()),
        Word::RuleAccepted.body(task, world.chain.now()),
        task::expire(1).unwrap(),
    ] {
        assert_eq!(failures(&world.push(&requestor, task, body)), [101]);
    }
    world.assert_conserved();
}

#[test]
fn after_five_years_everything_is_still_there() {
    let (mut world, task) = to_the_verdict(2, 1, Outcome::Accepted);
    world.chain.warp(5 * YEAR).unwrap();
    let stranger = world.stranger.clone();
    let receipt = world.push(&stranger, task, task::finalize(1).unwrap());
    assert_eq!(failures(&receipt), [0; 0]);
    assert_eq!(world.state(&task), Some(TaskState::Paid));
    assert_eq!(failures(&world.owner_op(stake::withdraw_earnings(1).unwrap())), [0; 0]);
    assert_eq!(failures(&world.owner_op(stake::unbond(1, Nano::grams(100)).unwrap())), [0; 0]);
    world.chain.warp(crate::world::UNBONDING + 1).unwrap();
    assert_eq!(failures(&world.owner_op(stake::withdraw(1).unwrap())), [0; 0]);
    assert_eq!(world.stake().stake, Nano::ZERO);
    world.assert_conserved();
}

/// A task for next to nothing, ten years later: its rent is all that is missing.
#[test]
fn after_ten_years_the_cheapest_task_is_still_there() {
    for id in [1, 2] {
        let mut world = World::with_verifiers(3, 5);
        world.deposit(Nano::grams(100));
        let mut init = world.task_init(id);
        init.terms.price = Nano::new(1000);
        world.fund(&init);
        let task = init.address().unwrap();
        if id == 2 {
            let consent = fog_contracts::Consent {
                network: -3,
                stake: world.stake.address().unwrap(),
                task,
                reserve: Nano::grams(1),
                price: init.terms.price,
                valid_until: world.chain.now() + 300,
            };
            let assign = task::Assign {
                owner: ours(&world.worker.address),
                price: init.terms.price,
                reserve: consent.reserve,
                valid_until: consent.valid_until,
                consent: world.session.sign(&fog_contracts::consent_hash(&consent).unwrap().0),
            };
            let node = world.operator.clone();
            assert_eq!(failures(&world.take_on(&node, task, &assign)), [0; 0]);
            assert_eq!(failures(&world.commit(task, COMMITMENT)), [0; 0]);
        }
        world.chain.warp(10 * YEAR).unwrap();
        let stranger = world.stranger.clone();
        let top_up = Transfer::call(std(&task), 300_000_000, Default::default());
        world.chain.send_from(&stranger, &top_up).unwrap();
        let receipt = world.push(&stranger, task, task::expire(1).unwrap());
        assert_eq!(failures(&receipt), [0; 0]);
        assert_eq!(world.state(&task), Some(TaskState::Refunded));
        assert_eq!(world.bond().reserved, Nano::ZERO);
        world.assert_conserved();
    }
}

/// After ten, the rent has eaten into it; whoever wants it tops it up.
#[test]
fn after_ten_years_a_top_up_helps() {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let init = world.task_init(1);
    world.fund(&init);
    let task = init.address().unwrap();
    world.chain.warp(20 * YEAR).unwrap();
    let stranger = world.stranger.clone();
    assert_eq!(failures(&world.push(&stranger, task, task::expire(1).unwrap())), [0; 0]);
    assert!(world.is_ended(&task));
    assert_eq!(failures(&world.owner_op(stake::unbond(1, Nano::grams(100)).unwrap())), [0; 0]);
    world.chain.warp(YEAR).unwrap();
    let address = world.stake.address().unwrap();
    let short = world.owner_op(stake::withdraw(1).unwrap());
    assert!(short.transactions.iter().any(|tx| tx.action_code().unwrap().unwrap_or(0) != 0));
    assert_eq!(world.stake().stake, Nano::grams(100), "a failed payout changes nothing");
    world
        .chain
        .send_from(&stranger, &Transfer::call(std(&address), 2_000_000_000, Default::default()))
        .unwrap();
    assert_eq!(failures(&world.owner_op(stake::withdraw(1).unwrap())), [0; 0]);
    assert_eq!(world.stake().stake, Nano::ZERO);
    world.assert_conserved();
}
