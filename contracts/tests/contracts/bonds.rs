//! A node's bond on a whole chain: what a worker gets when no verdict comes, what a node gets back,
//! and whoever would like to have it.

use fog_contracts::{
    Consent, Kind, TaskState, consent_hash,
    dispute::DisputeLog,
    op,
    operator::{self, BondLog, BondMove, NotTaken},
    task::{self, Assign, Outcome},
};
use fog_protocol::{Address, Hash32, Nano};
use fog_testnet::chain::Receipt;
use tycho_types::{
    cell::{Cell, CellBuilder, CellSlice},
    models::{MsgInfo, OwnedMessage},
};

use crate::{
    alone::COUNTER_EVIDENCE,
    flow::reached,
    world::{APPEAL, BOND, CHALLENGE_BOND, PRICE, RESERVE, STEP, WINDOW, failures, ours, std},
};

const COMMITMENT: Hash32 = Hash32([0x11; 32]);

fn body(message: &OwnedMessage) -> Cell {
    let mut builder = CellBuilder::new();
    builder.store_slice(CellSlice::apply(&message.body).unwrap()).unwrap();
    builder.build().unwrap()
}

/// Logs of bonds in a receipt.
fn logs(receipt: &Receipt) -> Vec<BondLog> {
    let sent = receipt.transactions.iter().flat_map(|record| record.out_msgs().unwrap());
    let outside = sent.filter(|message| matches!(message.info, MsgInfo::ExtOut(_)));
    outside.filter_map(|message| BondLog::parse(&body(&message)).ok()).collect()
}

/// Values of the messages with this opcode to this account.
fn sent_to(receipt: &Receipt, to: &Address, op: u32) -> Vec<u64> {
    let sent = receipt.transactions.iter().flat_map(|record| record.out_msgs().unwrap());
    let value = |message: OwnedMessage| {
        let MsgInfo::Int(info) = &message.info else { return None };
        let is = body(&message).as_slice().unwrap().load_u32().is_ok_and(|is| is == op);
        let mine = info.dst.as_std().is_some_and(|dst| ours(dst) == *to);
        (is && mine).then(|| u64::try_from(info.value.tokens.into_inner()).unwrap())
    };
    sent.filter_map(value).collect()
}

#[test]
fn a_silent_node_pays_the_worker_and_the_requestor_has_everything_back() {
    let (mut world, task) = reached(TaskState::Committed, Outcome::Accepted);
    assert_eq!((world.bond().bond, world.bond().reserved), (BOND, PRICE));
    let node = world.operator.clone();
    // It cannot take its bond out before.
    let all = operator::withdraw(1, BOND).unwrap();
    assert_eq!(failures(&world.bond_op(&node, all)), [120]);
    world.chain.warp(STEP + 1).unwrap();
    let (worker, requestor) = (ours(&world.worker.address), ours(&world.requestor.address));
    let before = (world.balance(&worker), world.balance(&requestor));
    let stranger = world.stranger.clone();
    let receipt = world.push(&stranger, task, task::expire(1).unwrap());
    assert_eq!(failures(&receipt), [0; 0]);
    assert_eq!(sent_to(&receipt, &worker, op::COMPENSATION), [PRICE.get()]);
    // All but its wallet's own gas.
    assert!(world.balance(&worker) - before.0 > PRICE.get() - 100_000);
    assert!(world.balance(&requestor) - before.1 >= PRICE.get());
    let bond = world.bond();
    assert_eq!((bond.bond, bond.reserved), (BOND.saturating_sub(PRICE), Nano::ZERO));
    assert_eq!(
        logs(&receipt),
        [BondLog {
            kind: BondMove::Paid,
            task: task.hash,
            amount: PRICE,
            bond: bond.bond,
            reserved: Nano::ZERO,
        }]
    );
    // Once: the task is over, and says no more.
    let again = world.push(&stranger, task, task::expire(2).unwrap());
    assert_eq!(failures(&again), [101]);
    assert_eq!(world.bond(), bond);
    world.assert_conserved();
}

#[test]
fn a_node_takes_out_what_is_not_reserved_and_in_the_end_all() {
    let (mut world, task) = reached(TaskState::Accepted, Outcome::Accepted);
    let node = world.operator.clone();
    let free = world.bond().free();
    let receipt = world.bond_op(&node, operator::withdraw(1, free).unwrap());
    assert_eq!(failures(&receipt), [0; 0]);
    let log = logs(&receipt)[0];
    assert_eq!((log.kind, log.amount, log.bond), (BondMove::Withdrawn, free, PRICE));
    // Nothing more can be taken on.
    let other = world.task_init(2);
    world.fund(&other);
    assert_eq!(failures(&world.assign(other.address().unwrap())), [120]);
    world.chain.warp(WINDOW + 1).unwrap();
    let stranger = world.stranger.clone();
    world.push(&stranger, task, task::finalize(1).unwrap());
    let left = world.bond();
    assert_eq!((left.bond, left.reserved), (PRICE.saturating_add(left.earned), Nano::ZERO));
    assert!(left.earned > Nano::ZERO);
    assert_eq!(failures(&world.bond_op(&node, operator::withdraw(1, left.bond).unwrap())), [0; 0]);
    assert_eq!(world.bond().bond, Nano::ZERO);
    world.assert_conserved();
}

/// A task that does not take an assignment: nothing stays reserved, and the node hears why.
#[test]
fn whoever_does_not_take_an_assignment_the_node_is_told() {
    let (mut world, assigned) = reached(TaskState::Assigned, Outcome::Accepted);
    let ended = world.task_init(2);
    world.fund(&ended);
    let requestor = world.requestor.clone();
    world.push(&requestor, ended.address().unwrap(), task::cancel(1).unwrap());
    let nobody = world.task_init(3).address().unwrap();
    let wallet = ours(&world.stranger.address);
    let (stake, market) = (world.stake.address().unwrap(), world.market);
    let node = ours(&world.operator.address);
    for (to, exit) in [
        (assigned, Some(101)),
        (ended.address().unwrap(), Some(101)),
        (nobody, None),
        (stake, Some(0xffff)),
        (market, Some(0xffff)),
    ] {
        let before = world.bond();
        let balance = world.balance(&node);
        let receipt = world.assign(to);
        assert_eq!(world.bond(), before, "{to}");
        let told = sent_to(&receipt, &node, op::NOT_TAKEN);
        assert_eq!(told.len(), 1, "{to}");
        assert!(balance - world.balance(&node) < 20_000_000, "{to}");
        let words = receipt.transactions.iter().flat_map(|record| record.out_msgs().unwrap());
        let heard: Vec<_> = words.filter_map(|m| NotTaken::parse(&body(&m)).ok()).collect();
        assert_eq!(heard[0].task, to);
        assert!(exit.is_none_or(|exit| heard[0].exit == exit), "{to}: {}", heard[0].exit);
    }
    // A wallet takes whatever comes: the price stays reserved, and it was the node's own doing.
    world.assign(wallet);
    assert_eq!(world.bond().reserved.get(), 2 * PRICE.get());
    world.assert_conserved();
}

/// The stake said no: the bond is free again, and the task open to another worker.
#[test]
fn a_refused_reservation_frees_the_bond() {
    let (mut world, task) = reached(TaskState::Open, Outcome::Accepted);
    for _ in 0..3 {
        let wrong = world.consent(task, PRICE, Nano::new(1));
        assert_eq!(failures(&world.assign_with(task, RESERVE, wrong)), [105]);
        assert_eq!((world.bond().bond, world.bond().reserved), (BOND, Nano::ZERO));
        assert_eq!(world.state(&task), Some(TaskState::Open));
    }
    assert_eq!(failures(&world.assign(task)), [0; 0]);
    assert_eq!(world.bond().reserved, PRICE);
    world.assert_conserved();
}

/// An assignment comes from the bond of the node that the task names, or not at all.
#[test]
fn only_the_nodes_own_bond_assigns() {
    let (mut world, task) = reached(TaskState::Open, Outcome::Accepted);
    let consent = world.consent(task, PRICE, RESERVE);
    let assign = Assign {
        owner: ours(&world.worker.address),
        price: PRICE,
        reserve: RESERVE,
        valid_until: world.chain.now() + 300,
        consent,
    };
    // The node's wallet, past its bond.
    let node = world.operator.clone();
    let direct = task::assign(1, &assign).unwrap();
    assert_eq!(failures(&world.call(&node, task, Nano::grams(1), direct)), [100]);
    // Somebody else through the node's bond, and through one of its own.
    let stranger = world.stranger.clone();
    assert_eq!(failures(&world.take_on(&stranger, task, &assign)), [100]);
    let own = operator::OperatorInit { owner: ours(&stranger.address), ..world.bond };
    let theirs = std::mem::replace(&mut world.bond, own);
    assert_eq!(failures(&world.add_bond(&stranger, Nano::grams(5))), [0; 0]);
    assert_eq!(failures(&world.take_on(&stranger, task, &assign)), [100]);
    assert_eq!(world.bond().reserved, Nano::ZERO);
    // And through a bond of the same node under other rules.
    let lenient = operator::OperatorInit {
        params: fog_contracts::stake::StakeParams { unbonding: 1, ..theirs.params },
        ..theirs
    };
    world.bond = lenient;
    assert_eq!(failures(&world.add_bond(&node, Nano::grams(5))), [0; 0]);
    assert_eq!(failures(&world.take_on(&node, task, &assign)), [100]);
    world.bond = theirs;
    assert_eq!(failures(&world.take_on(&node, task, &assign)), [0; 0]);
    world.assert_conserved();
}

/// A task whose worker, requestor and challengers are all one attacker's: whatever they do with the
/// verifiers' honest words, together they are not richer by the node's bond.
#[test]
fn colluding_parties_get_nothing_out_of_a_bond_while_verdicts_come() {
    for verdict in Outcome::ALL {
        for ruling in [None, Some(Outcome::Accepted), Some(Outcome::Undelivered)] {
            let (mut world, task) = reached(TaskState::Committed, Outcome::Accepted);
            let before = world.bond();
            world.verdict(task, COMMITMENT, verdict, &[0, 1]);
            let friend = world.stranger.clone();
            assert_eq!(failures(&world.challenge(&friend, task)), [0; 0]);
            world.chain.warp(WINDOW).unwrap();
            match ruling {
                Some(outcome) => {
                    let receipt = world.rule(&friend, task, COMMITMENT, outcome, &[0, 1, 2]);
                    assert_eq!(failures(&receipt), [0; 0]);
                }
                None => {
                    world.chain.warp(crate::world::APPEAL + 1).unwrap();
                    world.push(&friend, task, task::expire(1).unwrap());
                }
            }
            world.push(&friend, task, task::finalize(1).unwrap());
            assert!(world.is_ended(&task), "{verdict:?} {ruling:?}");
            let after = world.bond();
            assert_eq!(after.reserved, Nano::ZERO);
            assert_eq!(after.bond.get(), before.bond.get() + after.earned.get());
            world.assert_conserved();
        }
    }
}

/// Challenge and ruling are told to the outside, as part of their transactions.
#[test]
fn a_dispute_can_be_followed_from_its_logs() {
    let said = |receipt: &Receipt| {
        let sent = receipt.transactions.iter().flat_map(|record| record.out_msgs().unwrap());
        let outside = sent.filter(|message| matches!(message.info, MsgInfo::ExtOut(_)));
        outside.filter_map(|message| DisputeLog::parse(&body(&message)).ok()).collect::<Vec<_>>()
    };
    for (ruling, upheld) in [(Outcome::Rejected, false), (Outcome::Accepted, true)] {
        let (mut world, at) = reached(TaskState::Accepted, Outcome::Accepted);
        let (task, stranger) = (Hash32([1; 32]), world.stranger.clone());
        let challenger = ours(&stranger.address);
        let evidence = COUNTER_EVIDENCE;
        let receipt = world.challenge(&stranger, at);
        assert_eq!(said(&receipt), [DisputeLog::Challenged { task, challenger, evidence }]);
        let view = world.chain.account(&std(&at)).unwrap();
        let shown = Kind::Task.state(&view.data.unwrap()).unwrap();
        assert_eq!(shown["status"], "disputed");
        assert_eq!(shown["work"]["dispute"]["bond_nano"], CHALLENGE_BOND.get());
        world.chain.warp(WINDOW).unwrap();
        let receipt = world.rule(&stranger, at, COMMITMENT, ruling, &[0, 1, 2]);
        let outcome = ruling;
        assert_eq!(said(&receipt), [DisputeLog::Ruled { task, outcome, upheld, evidence }]);
    }
    let (mut world, at) = reached(TaskState::Rejected, Outcome::Rejected);
    let (task, stranger) = (Hash32([1; 32]), world.stranger.clone());
    world.challenge(&stranger, at);
    world.chain.warp(WINDOW + APPEAL + 1).unwrap();
    let receipt = world.push(&stranger, at, task::expire(1).unwrap());
    let (outcome, evidence) = (Outcome::Rejected, Hash32([0xab; 32]));
    assert_eq!(said(&receipt), [DisputeLog::Ruled { task, outcome, upheld: true, evidence }]);
}

/// The window is the same for everybody: a worker that challenges itself, with friends to rule for
/// it, gains no time and no reward of its own slash that would pay for it.
#[test]
fn a_worker_that_has_itself_caught_still_loses() {
    let (mut world, task) = reached(TaskState::Accepted, Outcome::Accepted);
    let worker = world.worker.clone();
    let had = world.balance(&ours(&worker.address)) + world.stake().stake.get();
    assert_eq!(failures(&world.challenge(&worker, task)), [0; 0]);
    let early = world.rule(&worker, task, COMMITMENT, Outcome::Rejected, &[0, 1, 2]);
    assert_eq!(failures(&early), [103]);
    world.chain.warp(WINDOW).unwrap();
    world.rule(&worker, task, COMMITMENT, Outcome::Rejected, &[0, 1, 2]);
    let stranger = world.stranger.clone();
    world.push(&stranger, task, task::finalize(1).unwrap());
    assert_eq!(world.state(&task), Some(TaskState::Slashed));
    let has = world.balance(&ours(&worker.address)) + world.stake().stake.get();
    assert!(had - has >= RESERVE.get() * 4 / 5, "{}", had - has);
    world.assert_conserved();
}

/// A consent names network, stake, task, reserve and price; the bond is no party to it, and nobody
/// else's assignment uses it up.
#[test]
fn a_consent_is_used_by_the_node_that_the_task_names() {
    let (mut world, task) = reached(TaskState::Open, Outcome::Accepted);
    let consent = Consent {
        network: -3,
        stake: world.stake.address().unwrap(),
        task,
        reserve: RESERVE,
        price: PRICE,
        valid_until: world.chain.now() + 300,
    };
    let signed = world.session.sign(&consent_hash(&consent).unwrap().0);
    assert_eq!(failures(&world.assign_with(task, RESERVE, signed)), [0; 0]);
    assert_eq!(failures(&world.assign_with(task, RESERVE, signed)), [101]);
    assert_eq!(world.bond().reserved, PRICE);
}

/// Ten years in which nobody looked: the worker without a verdict still gets the whole price.
#[test]
fn ten_years_later_a_worker_without_a_verdict_is_paid() {
    let (mut world, task) = reached(TaskState::Committed, Outcome::Accepted);
    world.chain.warp(10 * 365 * 24 * 3600).unwrap();
    let worker = ours(&world.worker.address);
    let before = world.balance(&worker);
    let stranger = world.stranger.clone();
    let receipt = world.push(&stranger, task, task::expire(1).unwrap());
    assert_eq!(failures(&receipt), [0; 0]);
    assert_eq!(sent_to(&receipt, &worker, op::COMPENSATION), [PRICE.get()]);
    // Its wallet pays ten years of rent, too.
    assert!(world.balance(&worker) + 100_000_000 > before + PRICE.get());
    assert_eq!(world.bond().reserved, Nano::ZERO);
    // The node tops it up, by the way of any bond, and takes on again.
    let node = world.operator.clone();
    assert_eq!(failures(&world.add_bond(&node, Nano::grams(1))), [0; 0]);
    let next = world.task_init(2);
    world.fund(&next);
    assert_eq!(failures(&world.assign(next.address().unwrap())), [0; 0]);
    world.assert_conserved();
}
