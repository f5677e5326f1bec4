//! Listings and bids: every refusal, who wins, and what is said to the others.

use fog_market::{Action, Event, Rules};
use fog_protocol::{Bid, Hash32, Listing, Nano, Policy, Signed, TaskStatus, gateway::PassReason};

use crate::kit::{CAP, World, escrow, listing_of, requestor, rules, session, stake, wallet};

const MUCH: Nano = Nano::grams(1000);

fn posted(world: &mut World, change: impl FnOnce(&mut Listing)) -> &'static str {
    let mut listing = listing_of(world.market.rules(), 1, 50_000);
    change(&mut listing);
    let escrow = escrow(&listing.id());
    let listing = Box::new(Signed::new(listing, &requestor()));
    world.code(Event::Posted { listing, escrow })
}

#[test]
fn listings_that_do_not_fit_are_refused() {
    let mut world = World::new(rules());
    assert_eq!(posted(&mut world, |l| l.network = -239), "wrong_network");
    assert_eq!(posted(&mut world, |l| l.market = l.operator), "wrong_party");
    assert_eq!(posted(&mut world, |l| l.operator = l.market), "wrong_party");
    assert_eq!(posted(&mut world, |l| l.policy = Policy::Replay { rate_ppm: 1 }), "rate_too_low");
    assert_eq!(posted(&mut world, |l| l.durations.commit = 9), "duration_out_of_bounds");
    assert_eq!(posted(&mut world, |l| l.durations.bid = 86_401), "duration_out_of_bounds");
    assert_eq!(posted(&mut world, |l| l.price_cap = Nano::ZERO), "listing_out_of_bounds");
    assert_eq!(posted(&mut world, |l| l.price_cap = Nano::MAX), "no_reserve_suffices");
    assert_eq!(posted(&mut world, |l| l.requestor_key = session(1).public()), "wrong_signer");
    let (task, event) = world.post_event(1, 50_000);
    world.ok(event.clone());
    let Event::Posted { listing, .. } = event else { unreachable!() };
    assert_eq!(world.code(Event::Posted { listing, escrow: stake(1) }), "other_escrow");
    assert_eq!(world.status(&task), TaskStatus::AwaitingFunds);
}

#[test]
fn open_tasks_are_bounded() {
    let mut world = World::new(Rules { max_open_per_requestor: 2, ..rules() });
    world.open(1);
    world.open(2);
    let (_, third) = world.post_event(3, 50_000);
    assert_eq!(world.code(third), "requestor_full");
    let mut world = World::new(Rules { max_open_tasks: 1, ..rules() });
    world.open(1);
    let (_, second) = world.post_event(2, 50_000);
    assert_eq!(world.code(second), "market_full");
}

#[test]
fn ended_tasks_are_forgotten_in_time() {
    let mut world = World::new(Rules { max_closed_tasks: 3, ..rules() });
    for salt in 0..10 {
        let (_, posted) = world.post_event(salt, 50_000);
        world.ok(posted);
        world.now += u64::from(rules().funding_seconds);
        world.ok(Event::Tick);
    }
    assert_eq!(world.market.tasks().count(), 3);
    assert_eq!(world.market.live_tasks(), 0);
    world.assert_replays();
}

#[test]
fn bids_that_do_not_fit_are_refused() {
    let mut world = World::new(rules());
    world.join(1, Nano::grams(20));
    let (unfunded, event) = world.post_event(7, 50_000);
    world.ok(event);
    let task = world.open(1);
    let Event::Bid { bid } = world.bid_event(task, 1, CAP) else { unreachable!() };
    let mut code = |change: &dyn Fn(&mut Bid)| {
        let mut bid = bid.value.clone();
        change(&mut bid);
        world.code(Event::Bid { bid: Box::new(Signed::new(bid, &session(1))) })
    };
    assert_eq!(code(&|b| b.price = Nano::ZERO), "zero_price");
    assert_eq!(code(&|b| b.price = CAP.saturating_add(Nano::new(1))), "price_above_cap");
    assert_eq!(code(&|b| b.reserve = Nano::grams(18)), "reserve_too_small");
    assert_eq!(code(&|b| b.reserve = Nano::grams(21)), "stake_too_small");
    assert_eq!(code(&|b| b.escrow = stake(1)), "wrong_escrow");
    assert_eq!(code(&|b| b.stake = wallet(1)), "wrong_stake");
    assert_eq!(code(&|b| b.worker = wallet(2)), "unknown_worker");
    assert_eq!(code(&|b| b.slots = 0), "bad_slots");
    assert_eq!(code(&|b| b.slots = 65), "bad_slots");
    assert_eq!(code(&|b| b.valid_until -= 100), "consent_too_short");
    assert_eq!(code(&|b| b.task = unfunded), "wrong_state");
    assert_eq!(code(&|b| b.task.0 = Hash32([0; 32])), "unknown_task");
    let by_other = Box::new(Signed::new(bid.value.clone(), &session(2)));
    assert_eq!(world.code(Event::Bid { bid: by_other }), "wrong_signer");
    let mut forged = bid.clone();
    forged.value.price = Nano::new(5);
    assert_eq!(world.code(Event::Bid { bid: forged }), "bad_signature");
    world.ok(Event::WorkerLeft { worker: wallet(1) });
    assert_eq!(world.code(Event::Bid { bid }), "offline");
}

#[test]
fn refusals_say_what_would_have_matched() {
    let mut world = World::new(rules());
    world.join(1, MUCH);
    let task = world.open(1);
    let event = world.bid_event(task, 1, Nano::grams(2));
    let refused = world.apply(event).unwrap_err();
    assert_eq!(refused.to_string(), "2 GRAM is above the cap: this task pays at most 1 GRAM");
    let (reason, ask) = refused.as_pass().unwrap();
    world.ok(Event::Passed { task, worker: wallet(1), reason, ask });
    world.now += 2;
    world.ok(Event::CloseRounds);
    assert_eq!(
        world.market.task(&task).unwrap().unmatched(),
        Some("no bid at or below 1 GRAM; lowest ask was 2 GRAM; of the workers asked, 1 want more")
    );
    // Not asked again for this task, until it comes back with another price.
    world.now += 4;
    assert!(!world.ok(Event::CloseRounds).iter().any(|a| matches!(a, Action::Offer { .. })));
    world.join(1, MUCH);
    assert!(matches!(world.actions.last(), Some(Action::Offer { .. })));
    world.bid(task, 1, CAP);
    assert!(matches!(world.ok(Event::CloseRounds), [Action::Assign(_)]));
    world.assert_replays();
}

#[test]
fn a_pass_does_not_spin() {
    let mut world = World::new(rules());
    world.join(1, MUCH);
    let task = world.open(1);
    let mut offers = 0;
    for _ in 0..100 {
        let busy = Event::Passed { task, worker: wallet(1), reason: PassReason::Busy, ask: None };
        world.ok(busy);
        let due = world.market.next_round().unwrap();
        assert!(due > world.now, "a round without bids runs its time");
        world.now = due;
        let again = world.ok(Event::CloseRounds);
        offers += again.iter().filter(|a| matches!(a, Action::Offer { .. })).count();
    }
    // 2 s, 4 s ... 64 s, then each 64 s.
    assert_eq!(offers, 100);
    assert!(world.now - crate::kit::START > 5_000);
}

#[test]
fn the_best_score_wins_and_the_others_hear_why() {
    let mut world = World::new(rules());
    for worker in 1..=3 {
        world.join(worker, MUCH);
    }
    let task = world.open(1);
    world.bid(task, 1, Nano::new(900_000_000));
    world.bid(task, 2, Nano::new(800_000_000));
    assert_eq!(world.market.next_round(), Some(world.now + 2), "one has not answered");
    world.bid(task, 3, Nano::new(950_000_000));
    // Replaced: one bid a worker.
    world.bid(task, 3, Nano::new(700_000_000));
    assert_eq!(world.market.task(&task).unwrap().bid_count(), 3);
    let actions = world.ok(Event::CloseRounds);
    let winner = actions.iter().find_map(|a| match a {
        Action::Assign(assign) => Some((assign.worker, assign.price)),
        _ => None,
    });
    assert_eq!(winner, Some((wallet(3), Nano::new(700_000_000))));
    let lost: Vec<_> = actions
        .iter()
        .filter_map(|a| match a {
            Action::NotifyLost { worker, code, reason, .. } => Some((*worker, *code, reason)),
            _ => None,
        })
        .collect();
    assert_eq!(lost.len(), 2);
    assert!(lost.iter().all(
        |(_, code, reason)| *code == "outbid" && reason.contains("the winning bid of 0.7 GRAM")
    ));
}

#[test]
fn one_batch_does_not_promise_the_same_stake_twice() {
    let mut world = World::new(rules());
    // Enough for two reserves of 19.
    world.join(1, Nano::grams(40));
    let tasks: Vec<_> = (1..=3).map(|salt| world.open(salt)).collect();
    for task in tasks.iter().rev() {
        world.bid(*task, 1, CAP);
    }
    world.now += 2;
    let actions = world.ok(Event::CloseRounds);
    let assigned: Vec<_> = actions
        .iter()
        .filter_map(|a| match a {
            Action::Assign(assign) => Some(assign.task),
            _ => None,
        })
        .collect();
    assert_eq!(assigned, tasks[..2], "in order of posting");
    assert!(actions.iter().any(|a| matches!(a, Action::NotifyLost { code: "stake_in_use", .. })));
    assert_eq!(world.market.worker(&wallet(1)).unwrap().free_stake(), Nano::grams(2));
    world.assert_replays();
}

#[test]
fn a_full_round_asks_the_cheapest() {
    let mut world = World::new(Rules { max_bids_per_task: 2, ..rules() });
    for worker in 1..=4 {
        world.join(worker, MUCH);
    }
    // Standing asks from an earlier task.
    for (worker, price) in [(1, 90), (2, 20), (3, 50), (4, 10)] {
        let task = world.open(u32::from(worker));
        let ask = Some(Nano::grams(price));
        for asked in 1..=4 {
            let (reason, ask) = if asked == worker {
                (PassReason::PriceTooLow, ask)
            } else {
                (PassReason::Busy, None)
            };
            world.ok(Event::Passed { task, worker: wallet(asked), reason, ask });
        }
        // Those who were not asked do not count.
        let deadline = world.now + 600;
        world.now = deadline;
        world.close(
            task,
            fog_market::Outcome::Refunded { cause: fog_market::RefundCause::Unassigned },
        );
    }
    let task = world.open(9);
    let to = world.last(|a| match a {
        Action::Offer { task: of, to, .. } if *of == task => Some(to.clone()),
        _ => None,
    });
    assert_eq!(to.unwrap().len(), 2);
    world.assert_replays();
}

#[test]
fn a_worker_that_comes_is_offered_the_best_paid_first() {
    let mut world = World::new(Rules { max_offers_per_worker: 2, ..rules() });
    let prices = [(1, 300_000_000), (2, 900_000_000), (3, 600_000_000)];
    let mut tasks = Vec::new();
    for (salt, price) in prices {
        let mut listing = listing_of(world.market.rules(), salt, 50_000);
        listing.price_cap = Nano::new(price);
        let task = listing.id();
        let listing = Box::new(Signed::new(listing, &requestor()));
        world.ok(Event::Posted { listing, escrow: escrow(&task) });
        let deadline = world.now + 600;
        world.ok(Event::Opened { task, deadline });
        tasks.push(task);
    }
    let from = world.actions.len();
    world.join(1, MUCH);
    let offered: Vec<_> = world.actions[from..].iter().filter_map(Action::task).collect();
    assert_eq!(offered, [tasks[1], tasks[2]]);
}

#[test]
fn a_worker_without_time_now_is_asked_again_one_that_wants_more_is_not() {
    let mut world = World::new(rules());
    for (reason, again) in [(PassReason::DeadlineTooShort, true), (PassReason::PriceTooLow, false)]
    {
        let worker = if again { 1 } else { 2 };
        world.join(worker, Nano::grams(1000));
        let task = world.open(u32::from(worker));
        let worker = wallet(worker);
        world.ok(Event::Passed { task, worker, reason, ask: Some(CAP) });
        world.now += 2;
        let asked = world.ok(Event::CloseRounds).iter().any(
            |it| matches!(it, Action::Offer { task: of, to, .. } if *of == task && to.contains(&worker)),
        );
        assert_eq!(asked, again, "{reason:?}");
    }
}
