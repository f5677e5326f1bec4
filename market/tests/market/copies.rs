//! Copies that agree: a draw over each, and what one that is found wrong means for the others.

use fog_market::{Action, Event, Rechecked, Rechecks, Settlement, Trust};
use fog_protocol::{Group, Hash32, Listing, Nano, Policy, RATE_ONE, Signed, TaskId, TaskStatus};
use fog_verifier::{
    AuditBasis, Finding, draw,
    strategy::{Ran, redundant::Opening},
};

use crate::kit::{
    self, CAP, FUEL, Result_, World, escrow, listing_of, nonce, requestor, rules, seed, wallet,
};

const SECRET: Hash32 = Hash32([0x77; 32]);
const RATE: u32 = 50_000;
const MUCH: Nano = Nano::grams(1000);

fn listing(index: u8, copies: u8, salt: u32) -> Listing {
    let sibling = Group::sibling(&SECRET, index);
    let policy = Policy::Copies { copies, sibling, rate_ppm: RATE };
    Listing { version: Listing::STRATEGY_VERSION, policy, ..listing_of(&rules(), salt, RATE) }
}

/// The copy whose draw, over what its worker commits to, comes out so.
fn copy(index: u8, copies: u8, result: Result_, drawn: bool) -> (Listing, u32) {
    let worker = wallet(index + 1);
    let found =
        (0..10_000).map(|salt| (listing(index, copies, salt), salt)).find(|(copy, salt)| {
            let id = copy.id();
            let commitment = result.commitment(&id, &worker);
            draw::is_drawn(&seed(), &nonce(*salt), &id, &commitment, RATE) == drawn
        });
    found.unwrap()
}

fn ran(result: Result_) -> Ran {
    let exit = fog_protocol::GuestExit::Success;
    let result_root = fog_verifier::merkle::result_root(exit, result.bytes());
    Ran { exit, result_root, fuel_used: FUEL }
}

/// Copies with a worker each, committed to and handed in; nonces are not opened yet.
fn handed_in(results: &[Result_], drawn: &[bool]) -> (World, Vec<TaskId>) {
    let mut world = World::trusting(rules(), Trust::default());
    let copies = u8::try_from(results.len()).unwrap();
    let mut tasks = Vec::new();
    for (index, (result, drawn)) in (0u8..).zip(results.iter().zip(drawn)) {
        world.join(index + 1, MUCH);
        let (listing, salt) = copy(index, copies, *result, *drawn);
        let id = listing.id();
        world.salts.insert(id, salt);
        let listing = Box::new(Signed::new(listing, &requestor()));
        world.ok(Event::Posted { listing, escrow: escrow(&id) });
        let deadline = world.now + 600;
        world.ok(Event::Opened { task: id, deadline });
        tasks.push(id);
    }
    world.ok(Event::Grouped { group: Group { secret: SECRET, tasks: tasks.clone() } });
    for (worker, task) in (1u8..).zip(&tasks) {
        world.bid(*task, worker, CAP);
    }
    world.now += 10;
    world.ok(Event::CloseRounds);
    for (worker, (task, result)) in (1u8..).zip(tasks.iter().zip(results)) {
        let reserved = world.reserved_event(*task).unwrap();
        world.ok(reserved);
        world.commit(*task, worker, *result);
        let opening = Opening { ran: ran(*result), salt: Hash32([1; 32]) };
        world.ok(Event::Delivered { task: *task, seed: seed(), opening });
    }
    (world, tasks)
}

fn basis(world: &World, task: TaskId) -> Option<AuditBasis> {
    world.market.task(&task).unwrap().basis().cloned()
}

fn accept_on_chain(world: &mut World, task: TaskId) {
    let window_until = world.now + 60;
    let verdict = fog_market::Verdict::Accepted;
    world.ok(Event::VerdictOnChain { task, verdict, window_until });
}

#[test]
fn copies_that_agree_and_are_not_drawn_are_paid_without_a_run() {
    let (mut world, tasks) = handed_in(&[Result_::Right; 3], &[false; 3]);
    for task in &tasks {
        assert_eq!(world.status(task), TaskStatus::Committed, "its draw needs the nonce");
        world.open_nonce(*task);
        assert!(matches!(basis(&world, *task), Some(AuditBasis::Agreed { .. })));
        let judgement = world.judge(*task, Result_::Right);
        let evidence = World::evidence(&judgement);
        assert_eq!((evidence.finding.clone(), evidence.rate_ppm), (Finding::Agreed, RATE));
        let actions = world.decide(judgement).unwrap();
        assert!(actions.iter().any(|it| matches!(it, Action::Settle(Settlement::Pay(_)))));
    }
    world.assert_replays();
}

#[test]
fn one_that_is_drawn_is_run_again_though_all_agree() {
    let (mut world, tasks) = handed_in(&[Result_::Right; 3], &[false, true, false]);
    for task in &tasks {
        world.open_nonce(*task);
    }
    assert!(matches!(basis(&world, tasks[1]), Some(AuditBasis::Drawn { .. })));
    let evidence = World::evidence(&world.judge(tasks[1], Result_::Right));
    assert!(matches!(evidence.finding, Finding::Replayed { .. }), "{evidence:?}");
}

/// All workers are in league; one draw is enough to find them all.
#[test]
fn workers_in_league_fall_together() {
    let (mut world, tasks) = handed_in(&[Result_::Wrong; 4], &[false, true, false, false]);
    // The first is accepted before anybody looked at the second, the third is being verified, and of
    // the fourth the nonce is not there yet.
    world.open_nonce(tasks[0]);
    world.verdict(tasks[0], Result_::Wrong);
    assert_eq!(world.status(&tasks[0]), TaskStatus::Accepted);
    accept_on_chain(&mut world, tasks[0]);
    world.open_nonce(tasks[2]);
    let before = world.judge(tasks[2], Result_::Wrong);
    world.open_nonce(tasks[1]);
    world.verdict(tasks[1], Result_::Wrong);
    assert_eq!(world.status(&tasks[1]), TaskStatus::Rejected);
    let recheck = world.market.task(&tasks[0]).unwrap().recheck().unwrap();
    assert_eq!((recheck.caught, recheck.found), (tasks[1], Rechecked::Due));
    let actions = world.rule(tasks[0], Result_::Wrong).unwrap();
    assert!(matches!(actions, [Action::Challenge { task, .. }, ..] if *task == tasks[0]));
    assert_eq!(basis(&world, tasks[2]), Some(AuditBasis::Flagged));
    assert_eq!(world.decide(before).unwrap_err().code(), "stale_basis");
    world.verdict(tasks[2], Result_::Wrong);
    assert_eq!(world.status(&tasks[2]), TaskStatus::Rejected);
    world.open_nonce(tasks[3]);
    world.verdict(tasks[3], Result_::Wrong);
    assert_eq!(world.status(&tasks[3]), TaskStatus::Rejected);
    world.assert_replays();
}

/// Where a ruling could not be signed any more nothing is looked at that a ruling would have to follow.
#[test]
fn what_is_accepted_is_not_looked_at_where_nobody_could_rule() {
    let (mut world, tasks) = handed_in(&[Result_::Wrong; 2], &[false, true]);
    world.open_nonce(tasks[0]);
    world.verdict(tasks[0], Result_::Wrong);
    accept_on_chain(&mut world, tasks[0]);
    let rechecks = Rechecks::NoQuorum;
    world.ok(Event::TrustSet { trust: Box::new(Trust { rechecks, ..Trust::default() }) });
    world.open_nonce(tasks[1]);
    world.verdict(tasks[1], Result_::Wrong);
    assert_eq!(world.status(&tasks[1]), TaskStatus::Rejected);
    assert_eq!(world.market.task(&tasks[0]).unwrap().recheck(), None);
    world.assert_replays();
}

#[test]
fn who_withholds_the_nonce_has_them_all_run_again() {
    let (mut world, tasks) = handed_in(&[Result_::Right; 2], &[false; 2]);
    assert!(tasks.iter().all(|task| basis(&world, *task).is_none()));
    world.now += 301;
    world.ok(Event::Tick);
    for task in tasks {
        assert_eq!(basis(&world, task), Some(AuditBasis::NonceWithheld));
    }
}

#[test]
fn the_lone_liar_has_all_run_again() {
    let results = [Result_::Right, Result_::Wrong, Result_::Right];
    let (mut world, tasks) = handed_in(&results, &[false; 3]);
    for (task, result) in tasks.iter().zip(results) {
        assert!(matches!(basis(&world, *task), Some(AuditBasis::Siblings(_))), "no draw is needed");
        world.verdict(*task, result);
    }
    let ends = tasks.iter().map(|task| world.status(task)).collect::<Vec<_>>();
    assert_eq!(ends, [TaskStatus::Accepted, TaskStatus::Rejected, TaskStatus::Accepted]);
    world.assert_replays();
}

/// What a node could say to pay its friends: each is refused by whoever checks the evidence.
#[test]
fn no_other_basis_makes_equal_results_right() {
    let (mut world, tasks) = handed_in(&[Result_::Wrong; 2], &[false, true]);
    for task in &tasks {
        world.open_nonce(*task);
    }
    let Some(AuditBasis::Agreed { siblings, seed, nonce }) = basis(&world, tasks[0]) else {
        panic!("the first is not drawn")
    };
    let Some(AuditBasis::Drawn { nonce: other, .. }) = basis(&world, tasks[1]) else {
        panic!("the second is")
    };
    let refused = |task, basis| {
        let found = world.try_judge(task, Result_::Wrong, basis, &kit::Truth);
        !matches!(found, Ok(fog_verifier::Judgement::Accepted(_)))
    };
    assert!(refused(tasks[0], AuditBasis::Siblings(siblings.clone())), "compared alone");
    assert!(refused(tasks[0], AuditBasis::NotDrawn { seed, nonce }), "not compared");
    let of = |siblings: &_, seed, nonce| AuditBasis::Agreed {
        siblings: Clone::clone(siblings),
        seed,
        nonce,
    };
    assert!(refused(tasks[1], of(&siblings, seed, other)), "drawn");
    assert!(refused(tasks[0], of(&siblings, Hash32([1; 32]), other)), "another's nonce");
    let mut fewer = siblings.clone();
    fewer.twins.clear();
    assert!(refused(tasks[0], of(&fewer, seed, nonce)), "without the others");
    assert!(!refused(tasks[0], of(&siblings, seed, nonce)), "as it is");
}

#[test]
fn the_reserve_is_what_the_rate_asks() {
    let (rules, copy) = (rules(), listing(0, 3, 1));
    let alone = listing_of(&rules, 1, RATE);
    let needed = rules.reserve_for(&alone, CAP).unwrap();
    assert_eq!(rules.reserve_for(&copy, CAP).unwrap(), needed);
    assert_eq!(needed, Nano::grams(19));
    let all = Policy::Copies { copies: 3, sibling: Hash32([2; 32]), rate_ppm: RATE_ONE };
    let all = Listing { policy: all, ..copy };
    assert_eq!(rules.reserve_for(&all, CAP).unwrap(), CAP);
}
