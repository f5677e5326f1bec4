//! Stake reserved in bulk: what it stands for is covered at every moment, in random lives of the market,
//! and cheating does not pay in the sum.

use std::collections::BTreeMap;

use fog_market::{
    Action, Event, Outcome, Refused, Rules,
    pledge::{Pledge, Standing, longest},
    stake_rule,
};
use fog_protocol::{
    Address, Hash32, Listing, Nano, Policy, RATE_ONE, Rail, Signed, TaskId, TaskStatus,
};
use proptest::prelude::*;

use crate::kit::{CAP, Result_, World, escrow, listing_of, requestor, rules, wallet};

const LASTS: u32 = 8_000;
const STAKE: Nano = Nano::grams(1000);

fn id(number: u8) -> TaskId {
    TaskId(Hash32([number; 32]))
}

fn pledging() -> Rules {
    Rules { pledge: Nano::grams(40), pledge_seconds: LASTS, min_rate_ppm: 10_000, ..rules() }
}

fn on_rail(rules: &Rules, salt: u32, rate_ppm: u32) -> Listing {
    let rail = Rail::Account { account: Address::basechain([9; 32]) };
    let listing = listing_of(rules, salt, rate_ppm);
    Listing { version: rail.listing_version(), rail, ..listing }
}

/// Posts a listing of the account rail; the node opens it at once.
fn post(world: &mut World, salt: u32, rate_ppm: u32) -> TaskId {
    let listing = on_rail(world.market.rules(), salt, rate_ppm);
    let task = listing.id();
    world.salts.insert(task, salt);
    let listing = Box::new(Signed::new(listing, &requestor()));
    world.ok(Event::Posted { listing, escrow: escrow(&task) });
    let deadline = world.now + 600;
    world.ok(Event::Opened { task, deadline });
    task
}

fn pledged(worker: u8, number: u8, reserve: Nano, judge_by: u64) -> Event {
    Event::Pledged { worker: wallet(worker), pledge: id(number), reserve, lasts: LASTS, judge_by }
}

/// Matched, and running at once, as the node has it on this rail.
fn run(world: &mut World, salt: u32, worker: u8, rate_ppm: u32) -> TaskId {
    let task = post(world, salt, rate_ppm);
    world.bid(task, worker, CAP);
    world.now += 2;
    world.ok(Event::CloseRounds);
    let reserved = world.reserved_event(task).unwrap();
    world.ok(reserved);
    task
}

fn in_use(world: &World, worker: u8, number: u8) -> Nano {
    let worker = world.market.worker(&wallet(worker)).unwrap();
    worker.pledges().find(|(known, _)| **known == id(number)).unwrap().1.in_use()
}

#[test]
fn as_much_goes_unchecked_as_pledges_cover() {
    let none = rules();
    let refused = |rules: &Rules, listing: &Listing| rules.check_listing(listing).unwrap_err();
    assert_eq!(refused(&none, &on_rail(&none, 1, 999_999)), Refused::RailNeedsAudit);
    let rules = pledging();
    // At 5 % the reserve is 19 times the price.
    assert_eq!(rules.check_listing(&on_rail(&rules, 1, 50_000)), Ok(()));
    let dear = Listing { price_cap: Nano::grams(3), ..on_rail(&rules, 1, 50_000) };
    assert_eq!(refused(&rules, &dear).code(), "above_pledges");
    assert_eq!(
        rules.check_listing(&Listing { policy: Policy::Replay { rate_ppm: RATE_ONE }, ..dear }),
        Ok(())
    );
    let mut long = on_rail(&rules, 1, 50_000);
    long.durations.commit = 2_000;
    assert_eq!(refused(&rules, &long).code(), "longer_than_pledges");
}

#[test]
fn a_bid_needs_a_pledge_that_is_there_has_room_and_lasts() {
    let mut world = World::new(pledging());
    world.join(1, STAKE);
    let task = post(&mut world, 1, 50_000);
    let bid = world.bid_event(task, 1, CAP);
    assert_eq!(world.code(bid.clone()), "pledge_too_small");
    // One that has come is told of at once: what was passed for want of it is offered again.
    world.ok(Event::Passed {
        task,
        worker: wallet(1),
        reason: fog_protocol::gateway::PassReason::StakeTooSmall,
        ask: None,
    });
    let judge_by = world.now + u64::from(LASTS);
    let actions = world.ok(pledged(1, 1, Nano::grams(40), judge_by));
    assert!(actions.iter().any(|action| matches!(action, Action::Offer { .. })), "{actions:?}");
    world.ok(bid);
    world.now += 2;
    world.ok(Event::CloseRounds);
    assert_eq!(in_use(&world, 1, 1), Nano::grams(19));
    let reserved = world.reserved_event(task).unwrap();
    world.ok(reserved);
    assert_eq!(in_use(&world, 1, 1), Nano::grams(19));
    let free = world.market.worker(&wallet(1)).unwrap().free_stake();
    assert_eq!(free, STAKE, "the stake itself is not touched");
    let second = run(&mut world, 2, 1, 50_000);
    assert_eq!(in_use(&world, 1, 1), Nano::grams(38));
    let third = post(&mut world, 3, 50_000);
    let bid = world.bid_event(third, 1, CAP);
    assert_eq!(world.code(bid.clone()), "pledge_too_small");
    // What has ended makes room.
    world.close(second, Outcome::Refunded { cause: fog_market::RefundCause::NoVerdict });
    assert_eq!(in_use(&world, 1, 1), Nano::grams(19));
    world.ok(bid);
    // Too late for a task of this length, whatever room there is.
    world.now = judge_by - u64::from(LASTS / 4);
    let late = post(&mut world, 4, 50_000);
    let bid = world.bid_event(late, 1, CAP);
    assert_eq!(world.code(bid), "pledge_too_small");
    world.assert_replays();
}

/// Two bids, each of which the pledge would cover, matched in one go: one of them is lost.
#[test]
fn a_batch_of_matches_uses_a_pledge_once() {
    let mut world = World::new(pledging());
    world.join(1, STAKE);
    let judge_by = world.now + u64::from(LASTS);
    world.ok(pledged(1, 1, Nano::grams(20), judge_by));
    let tasks = [1, 2].map(|salt| post(&mut world, salt, 50_000));
    for task in tasks {
        world.bid(task, 1, CAP);
    }
    world.now += 2;
    let actions = world.ok(Event::CloseRounds);
    let lost =
        |action: &&Action| matches!(action, Action::NotifyLost { code: "pledge_in_use", .. });
    assert_eq!(actions.iter().filter(lost).count(), 1, "{actions:?}");
    assert_eq!(in_use(&world, 1, 1), Nano::grams(19));
}

#[test]
fn a_false_result_breaches_the_pledge_once_and_everything_else_is_checked() {
    let mut world = World::new(pledging());
    world.join(1, STAKE);
    let judge_by = world.now + u64::from(LASTS);
    world.ok(pledged(1, 1, Nano::grams(40), judge_by));
    // Even where nothing was asked for, the pledge answers for the result.
    let checked = run(&mut world, 1, 1, RATE_ONE);
    let other = run(&mut world, 2, 1, RATE_ONE);
    assert_eq!(in_use(&world, 1, 1), Nano::ZERO);
    for task in [checked, other] {
        world.submit(task, 1, Result_::Wrong);
        world.open_nonce(task);
    }
    world.verdict(checked, Result_::Wrong);
    let breaches = |world: &World| {
        let breach = |action: &&Action| matches!(action, Action::Breach { .. });
        world.actions.iter().filter(breach).count()
    };
    assert_eq!(breaches(&world), 1);
    let breach = world.last(|action| match action {
        Action::Breach { task, worker, pledge, evidence } => {
            Some((*task, *worker, *pledge, *evidence))
        }
        _ => None,
    });
    let evidence = world.market.task(&checked).unwrap().evidence_hash().unwrap();
    assert_eq!(breach, Some((checked, wallet(1), id(1), evidence)));
    world.verdict(other, Result_::Wrong);
    assert_eq!(breaches(&world), 1, "a pledge is lost once");
    let task = post(&mut world, 3, 50_000);
    let bid = world.bid_event(task, 1, CAP);
    assert_eq!(world.code(bid), "pledge_too_small");
    let slashed = Nano::grams(40);
    world.ok(Event::PledgeClosed { worker: wallet(1), pledge: id(1), slashed });
    let worker = world.market.worker(&wallet(1)).unwrap();
    assert_eq!(worker.pledges().len(), 0);
    world.assert_replays();
}

#[test]
fn a_pledge_is_kept_when_its_time_is_over_and_nothing_runs() {
    let (start, task) = (1_000_000, id(7));
    let judge_by = start + u64::from(LASTS);
    let mut pledge = Pledge::new(Nano::grams(10), LASTS, judge_by);
    let until = start + longest(LASTS);
    assert!(pledge.back(task, Nano::grams(10), start, until));
    assert!(!pledge.back(task, Nano::ZERO, start, until), "once a task");
    assert!(!pledge.back(id(8), Nano::new(1), start, until));
    assert!(pledge.back(id(8), Nano::ZERO, start, until), "what needs nothing is taken");
    assert!(!pledge.is_kept(pledge.ends_at()));
    pledge.release(&task);
    pledge.release(&id(8));
    assert!(!pledge.is_kept(pledge.ends_at() - 1) && pledge.is_kept(pledge.ends_at()));
    pledge.end();
    assert!(pledge.is_kept(start) && pledge.room(start, until) == Nano::ZERO);
    assert!(pledge.breach() && !pledge.breach());
    assert_eq!((pledge.standing(), pledge.is_kept(judge_by)), (Standing::Breached, false));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is taken on, and whenever: covered, and over before the verdict has to be there.
    #[test]
    fn everything_in_use_is_covered(
        reserve in 1u64..1_000,
        steps in proptest::collection::vec((0u8..6, 0u8..20, 0u64..400, 0u64..3_000), 0..120),
    ) {
        let mut now = 1_000_000;
        let mut pledge = Pledge::new(Nano::new(reserve), LASTS, now + u64::from(LASTS));
        let mut model: BTreeMap<TaskId, (u64, u64)> = BTreeMap::new();
        for (kind, number, needs, seconds) in steps {
            let (task, until) = (id(number), now + seconds);
            match kind {
                0..=2 => {
                    let room = pledge.room(now, until);
                    if pledge.back(task, Nano::new(needs), now, until) {
                        prop_assert!(Nano::new(needs) <= room);
                        prop_assert!(model.insert(task, (needs, until)).is_none());
                    }
                }
                3 => {
                    pledge.release(&task);
                    model.remove(&task);
                }
                4 => now += seconds,
                _ if seconds > 2_950 => pledge.end(),
                _ => {}
            }
            let sum: u64 = model.values().map(|(needs, _)| needs).sum();
            prop_assert_eq!(pledge.in_use(), Nano::new(sum));
            prop_assert!(sum <= reserve);
            prop_assert!(model.values().all(|(_, until)| *until < pledge.judge_by()));
            prop_assert!(!pledge.is_kept(now) || model.is_empty());
            // From every moment before it ends there is time for the longest task that is taken.
            if now < pledge.ends_at() && pledge.standing() == Standing::Live {
                let free = pledge.reserve().saturating_sub(pledge.in_use());
                prop_assert_eq!(pledge.room(now, now + longest(LASTS)), free);
            }
        }
    }

    /// The stake rule in bulk: whoever cheats on `count` tasks of one pledge at once gains nothing on
    /// average, when each is drawn alone and the first that is caught costs all of the pledge.
    #[test]
    fn cheating_on_many_tasks_of_one_pledge_does_not_pay(
        price in 1u64..1_000_000, rate in 10_000u32..1_000_000, count in 1u32..200,
    ) {
        let each = stake_rule::required_reserve(Nano::new(price), rate, RATE_ONE, RATE_ONE).unwrap();
        let pledge = each.get() as f64 * f64::from(count);
        let caught = f64::from(rate) / f64::from(RATE_ONE);
        // Verdicts come one after the other; what had none when one was caught is checked, and unpaid.
        let mut value = 0.0;
        for _ in 0..count {
            value = -caught * pledge + (1.0 - caught) * (price as f64 + value);
        }
        prop_assert!(value <= 1e-6 * pledge, "{value}");
    }

    /// Random lives of tasks on both rails, workers with pledges that come, end, are lost.
    #[test]
    fn no_sequence_uses_more_than_is_pledged(
        ops in proptest::collection::vec((0u8..16, 0u32..6, 1u8..4, 1u64..1_500), 0..160),
    ) {
        let mut world = World::new(pledging());
        for worker in 1..4 {
            world.join(worker, STAKE);
        }
        let tasks: Vec<_> = (0..6).map(|salt| {
            post(&mut world, salt, if salt % 3 == 0 { RATE_ONE } else { 50_000 })
        }).collect();
        let (mut next, mut breached) = (0u8, 0);
        for (kind, salt, worker, seconds) in ops {
            let task = tasks[salt as usize];
            let status = world.status(&task);
            let hash = world.market.state_hash();
            let event = match (kind, status) {
                (0, _) if next < 200 => {
                    next += 1;
                    let judge_by = world.now + u64::from(LASTS);
                    Some(pledged(worker, next, Nano::grams(20 * u64::from(salt + 1)), judge_by))
                }
                (1, _) => {
                    let known = world.market.worker(&wallet(worker)).unwrap();
                    let first = known.pledges().next().map(|(id, _)| *id);
                    first.map(|pledge| Event::PledgeEnding { worker: wallet(worker), pledge })
                }
                (2, _) => {
                    let known = world.market.worker(&wallet(worker)).unwrap();
                    let over = known.pledges().find(|(_, pledge)| {
                        pledge.is_kept(world.now) || pledge.standing() == Standing::Breached
                    });
                    let over = over.map(|(id, pledge)| (*id, pledge.standing(), pledge.reserve()));
                    over.map(|(pledge, standing, reserve)| Event::PledgeClosed {
                        worker: wallet(worker),
                        pledge,
                        slashed: if standing == Standing::Breached { reserve } else { Nano::ZERO },
                    })
                }
                (3, _) => {
                    world.now += seconds;
                    Some(Event::Tick)
                }
                (4, TaskStatus::Assigning) => {
                    let worker = world.market.task(&task).unwrap().assignment().unwrap().worker;
                    Some(Event::ReserveFailed { task, worker, code: 0 })
                }
                (5, status) if !status.is_terminal() => Some(Event::Closed {
                    task,
                    outcome: Outcome::Refunded { cause: fog_market::RefundCause::NoVerdict },
                }),
                (_, TaskStatus::Open) if kind % 2 == 0 => Some(world.bid_event(task, worker, CAP)),
                (_, TaskStatus::Open) => {
                    world.now += 2;
                    Some(Event::CloseRounds)
                }
                (_, TaskStatus::Assigning) => world.reserved_event(task),
                (_, TaskStatus::Running) => {
                    let doer = world.market.task(&task).unwrap().assignment().unwrap().worker;
                    let doer = doer.hash.0[0];
                    let result = if doer == 3 { Result_::Wrong } else { Result_::Right };
                    world.submit(task, doer, result);
                    None
                }
                (_, TaskStatus::Committed) => {
                    world.open_nonce(task);
                    None
                }
                (_, TaskStatus::Verifying) => {
                    let doer = world.market.task(&task).unwrap().assignment().unwrap().worker;
                    let result = if doer.hash.0[0] == 3 { Result_::Wrong } else { Result_::Right };
                    let judgement = world.judge(task, result);
                    drop(world.decide(judgement));
                    None
                }
                (_, TaskStatus::Accepted) => {
                    world.paid(task);
                    None
                }
                (_, TaskStatus::Rejected) => {
                    Some(Event::Closed { task, outcome: Outcome::Slashed { amount: Nano::ZERO } })
                }
                _ => None,
            };
            if let Some(event) = event && world.apply(event).is_err() {
                prop_assert_eq!(world.market.state_hash(), hash, "a refusal changed it");
            }
            let living: BTreeMap<TaskId, (Address, Nano, u32)> = world
                .market
                .tasks()
                .filter(|task| !task.status().is_terminal())
                .filter_map(|task| {
                    let made = task.assignment()?;
                    let rate = task.listing().policy.rate_ppm();
                    Some((task.id(), (made.worker, made.reserve, rate)))
                })
                .collect();
            for worker in world.market.workers() {
                let mut backed = Vec::new();
                for (_, pledge) in worker.pledges() {
                    let sum: Nano = pledge.backed().map(|(_, needs)| *needs).sum();
                    prop_assert_eq!(sum, pledge.in_use());
                    prop_assert!(sum <= pledge.reserve());
                    backed.extend(pledge.backed().map(|(task, needs)| (*task, *needs)));
                }
                for (task, needs) in &backed {
                    // A pledge stands for living tasks of its own worker, each by one pledge.
                    let known = living.get(task);
                    prop_assert_eq!(known.map(|(who, reserve, _)| (*who, *reserve)), Some((worker.address(), *needs)));
                }
                backed.sort_unstable();
                prop_assert!(backed.windows(2).all(|pair| pair[0].0 != pair[1].0));
                // And whatever may go unchecked has one, as long as none was closed under it.
                for (task, (who, ..)) in living.iter().filter(|(_, (.., rate))| *rate < RATE_ONE) {
                    let own = *who == worker.address();
                    prop_assert!(!own || worker.pledge_of(task).is_some() || breached > 0
                        || worker.is_flagged());
                }
            }
            breached += world.actions.iter().filter(|a| matches!(a, Action::Breach { .. })).count();
        }
        world.assert_replays();
    }
}
