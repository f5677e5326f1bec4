//! Whole lives of tasks.

use fog_market::{Action, Event, Outcome, RefundCause, Settlement, Verdict};
use fog_protocol::{Nano, TaskStatus};
use fog_verifier::AuditBasis;

use crate::kit::{CAP, Result_, World, requestor, rules, seed, wallet};

const MUCH: Nano = Nano::grams(1000);

#[test]
fn from_posting_to_payment() {
    let mut world = World::new(rules());
    world.join(1, MUCH);
    let (task, posted) = world.post_event(1, 50_000);
    world.ok(posted.clone());
    assert_eq!(world.status(&task), TaskStatus::AwaitingFunds);
    assert!(world.ok(posted).is_empty(), "posting again is answered the same");
    let deadline = world.now + 600;
    let offers = world.ok(Event::Opened { task, deadline });
    assert!(matches!(offers, [Action::Offer { to, reserve_at_cap, .. }]
            if *to == [wallet(1)] && *reserve_at_cap == Nano::grams(19)));
    world.bid(task, 1, CAP);
    assert_eq!(world.market.next_deadline(), Some(0), "everybody has answered");
    let matched = world.ok(Event::CloseRounds);
    assert!(matches!(matched, [Action::Assign(assign)] if assign.reserve == Nano::grams(19)));
    assert_eq!(world.market.worker(&wallet(1)).unwrap().free_stake(), Nano::grams(981));
    let reserved = world.reserved_event(task).unwrap();
    world.ok(reserved.clone());
    assert!(world.ok(reserved).is_empty(), "known already");
    assert_eq!(world.status(&task), TaskStatus::Running);
    assert_eq!(world.market.worker(&wallet(1)).unwrap().free_stake(), Nano::grams(981));

    world.submit(task, 1, Result_::Right);
    assert_eq!(world.status(&task), TaskStatus::Committed, "the nonce is missing");
    assert!(world.last(|a| matches!(a, Action::AskNonce { .. }).then_some(())).is_some());
    world.open_nonce(task);
    assert_eq!(world.status(&task), TaskStatus::Verifying);
    world.verdict(task, Result_::Right);
    assert_eq!(world.status(&task), TaskStatus::Accepted);
    let settle = world.last(|a| match a {
        Action::Settle(Settlement::Pay(payable)) => Some(payable.assignment().price),
        _ => None,
    });
    assert_eq!(settle, Some(CAP));

    let window_until = world.now + 60;
    world.ok(Event::VerdictOnChain { task, verdict: Verdict::Accepted, window_until });
    assert!(world.ok(Event::Tick).is_empty());
    world.now = window_until;
    assert!(matches!(world.ok(Event::Tick), [Action::Finalize { .. }]));
    assert!(world.ok(Event::Tick).is_empty(), "asked for again only after a while");
    world.now += 60;
    assert!(matches!(world.ok(Event::Tick), [Action::Finalize { .. }]));
    world.paid(task);
    assert_eq!(world.status(&task), TaskStatus::Paid);
    let worker = world.market.worker(&wallet(1)).unwrap();
    assert_eq!((worker.free_stake(), worker.record().accepted()), (MUCH, 1));
    assert_eq!((world.market.live_tasks(), world.market.next_deadline()), (0, None));
    world.paid(task);
    assert_eq!(world.market.worker(&wallet(1)).unwrap().record().accepted(), 1);
    let slashed = Outcome::Slashed { amount: CAP };
    assert_eq!(world.code(Event::Closed { task, outcome: slashed }), "contradiction");
    world.assert_replays();
}

#[test]
fn a_wrong_result_that_is_drawn_is_slashed() {
    let mut world = World::new(rules());
    world.join(1, MUCH);
    let salt = world.salt_where(true, 1, 0);
    let task = world.run(salt, 1);
    world.submit(task, 1, Result_::Wrong);
    world.open_nonce(task);
    assert!(matches!(world.market.task(&task).unwrap().basis(), Some(AuditBasis::Drawn { .. })));
    world.verdict(task, Result_::Wrong);
    assert_eq!(world.status(&task), TaskStatus::Rejected);
    assert!(world.market.worker(&wallet(1)).unwrap().is_flagged());
    let before = world.market.worker(&wallet(1)).unwrap().reputation_ppm();
    world.close(task, Outcome::Slashed { amount: Nano::grams(19) });
    let worker = world.market.worker(&wallet(1)).unwrap();
    assert_eq!(worker.free_stake(), Nano::grams(981));
    assert!(worker.reputation_ppm() < before);
    assert_eq!(world.market.task(&task).unwrap().slashed(), Some(Nano::grams(19)));
    world.assert_replays();
}

#[test]
fn a_withheld_nonce_means_audit() {
    let mut world = World::new(rules());
    world.join(1, MUCH);
    let task = world.run(1, 1);
    world.submit(task, 1, Result_::Right);
    let until = world.market.next_alarm().unwrap();
    assert_eq!(until, world.now + u64::from(rules().nonce_grace));
    world.now = until;
    world.ok(Event::Tick);
    assert_eq!(world.market.task(&task).unwrap().basis(), Some(&AuditBasis::NonceWithheld));
    // Opened too late: nothing changes.
    world.open_nonce(task);
    assert_eq!(world.market.task(&task).unwrap().basis(), Some(&AuditBasis::NonceWithheld));
    world.assert_replays();
}

#[test]
fn every_state_has_a_way_out() {
    let mut world = World::new(rules());
    world.join(1, MUCH);
    // Never funded.
    let (never, posted) = world.post_event(1, 50_000);
    world.ok(posted);
    world.now = world.market.next_alarm().unwrap();
    assert!(matches!(world.ok(Event::Tick), [Action::Drop { .. }]));
    assert_eq!(world.status(&never), TaskStatus::Dropped);
    // Nobody bids.
    let open = world.open(2);
    world.now += 600;
    world.ok(Event::CloseRounds);
    assert!(world.ok(Event::Tick).iter().any(|a| matches!(a, Action::Expire { .. })));
    world.close(open, Outcome::Refunded { cause: RefundCause::Unassigned });
    assert_eq!(world.status(&open), TaskStatus::Refunded);
    // The worker never commits.
    let task = world.run(3, 1);
    world.now += 600;
    assert!(matches!(world.ok(Event::Tick), [Action::Expire { .. }]));
    let cause = RefundCause::WorkerLate { penalty: Nano::new(77) };
    world.close(task, Outcome::Refunded { cause });
    assert_eq!(world.market.task(&task).unwrap().slashed(), Some(Nano::new(77)));
    assert_eq!(world.market.worker(&wallet(1)).unwrap().record().late(), 1);
    // The result never comes, or is never verified.
    let task = world.run(4, 1);
    world.submit(task, 1, Result_::Right);
    world.open_nonce(task);
    world.now += 600;
    assert!(matches!(world.ok(Event::Tick), [Action::Expire { .. }]));
    // The chain's last notice alone does not say why; the market knows.
    world.close(task, Outcome::Refunded { cause: RefundCause::Unassigned });
    let outcome = world.market.task(&task).unwrap().outcome();
    assert_eq!(outcome, Some(Outcome::Refunded { cause: RefundCause::NoVerdict }));
    let worker = world.market.worker(&wallet(1)).unwrap();
    assert_eq!(worker.free_stake(), MUCH.saturating_sub(Nano::new(77)));
    assert_eq!(worker.in_hand().len(), 0);
    world.assert_replays();
}

#[test]
fn money_that_comes_late_still_makes_a_task() {
    let mut world = World::new(rules());
    world.join(1, MUCH);
    let (task, posted) = world.post_event(1, 50_000);
    world.ok(posted);
    world.now += u64::from(rules().funding_seconds);
    world.ok(Event::Tick);
    assert_eq!((world.status(&task), world.market.live_tasks()), (TaskStatus::Dropped, 0));
    let deadline = world.now + 600;
    world.ok(Event::Opened { task, deadline });
    assert_eq!((world.status(&task), world.market.live_tasks()), (TaskStatus::Open, 1));
    world.assert_replays();
}

#[test]
fn an_assignment_given_up_here_that_landed_holds() {
    let mut world = World::new(rules());
    world.join(1, MUCH);
    world.join(2, MUCH);
    let task = world.open(1);
    world.bid(task, 1, CAP);
    world.now += 2;
    world.ok(Event::CloseRounds);
    let first = world.reserved_event(task).unwrap();
    // Nothing is heard until the consent has run out: back to bids, and to another worker.
    world.now += 120;
    assert!(world.ok(Event::Tick).iter().any(|a| matches!(a, Action::Reconcile { .. })));
    assert_eq!(world.status(&task), TaskStatus::Open);
    assert_eq!(world.market.worker(&wallet(1)).unwrap().free_stake(), MUCH);
    world.bid(task, 2, CAP);
    world.now += 2;
    world.ok(Event::CloseRounds);
    assert_eq!(world.market.task(&task).unwrap().assignment().unwrap().worker, wallet(2));
    // The chain says the first one was reserved.
    world.ok(first);
    assert_eq!(world.market.task(&task).unwrap().assignment().unwrap().worker, wallet(1));
    assert_eq!(world.market.worker(&wallet(2)).unwrap().free_stake(), MUCH);
    assert_eq!(world.market.worker(&wallet(2)).unwrap().in_hand().len(), 0);
    world.assert_replays();
}

#[test]
fn a_refused_reservation_goes_to_somebody_else() {
    let mut world = World::new(rules());
    world.join(1, MUCH);
    let task = world.open(1);
    world.bid(task, 1, CAP);
    world.now += 2;
    world.ok(Event::CloseRounds);
    let failed = Event::ReserveFailed { task, worker: wallet(1), code: 42 };
    let actions = world.ok(failed.clone());
    assert!(actions.iter().all(|a| !matches!(a, Action::Offer { .. })), "not the same again");
    assert!(world.ok(failed).is_empty());
    let again = world.bid_event(task, 1, CAP);
    assert_eq!(world.code(again), "barred");
    world.join(2, MUCH);
    assert!(
        world
            .last(|a| matches!(a, Action::Offer { to, .. } if *to == [wallet(2)]).then_some(()))
            .is_some()
    );
    world.assert_replays();
}

#[test]
fn a_gap_in_the_chain_asks_for_reading() {
    let mut world = World::new(rules());
    world.join(1, MUCH);
    let task = world.open(1);
    let fact = Event::CommittedOnChain { task, commitment: seed(), verdict_by: world.now + 9 };
    assert!(matches!(world.ok(fact), [Action::Reconcile { .. }]));
    let window_until = world.now + 60;
    let fact = Event::VerdictOnChain { task, verdict: Verdict::Accepted, window_until };
    assert!(matches!(world.ok(fact), [Action::Reconcile { .. }]));
    assert_eq!(world.status(&task), TaskStatus::Open);
}

#[test]
fn another_commitment_is_refused_and_the_same_is_acknowledged() {
    let mut world = World::new(rules());
    world.join(1, MUCH);
    world.join(2, MUCH);
    let task = world.run(1, 1);
    let thief = world.commit_event(task, 2, Result_::Right);
    assert_eq!(world.code(thief), "not_yours");
    let commit = world.commit_event(task, 1, Result_::Right);
    world.ok(commit.clone());
    assert!(matches!(world.ok(commit), [Action::AckCommit { .. }]));
    let other = world.commit_event(task, 1, Result_::Wrong);
    assert_eq!(world.code(other), "committed_already");
    let Event::Committed { commit } = world.commit_event(task, 1, Result_::Right) else {
        unreachable!()
    };
    let mut forged = *commit;
    forged.signature = fog_protocol::Signed::new(forged.value.clone(), &requestor()).signature;
    assert_eq!(world.code(Event::Committed { commit: Box::new(forged) }), "bad_signature");
}

#[test]
fn the_chain_may_close_a_task_in_any_state() {
    let outcome = Outcome::Refunded { cause: RefundCause::Unassigned };
    for steps in 0..6 {
        let mut world = World::new(rules());
        world.join(1, MUCH);
        let (task, posted) = world.post_event(1, 50_000);
        world.ok(posted);
        if steps > 0 {
            let deadline = world.now + 600;
            world.ok(Event::Opened { task, deadline });
        }
        if steps > 1 {
            world.bid(task, 1, CAP);
        }
        if steps > 2 {
            world.ok(Event::CloseRounds);
        }
        if steps > 3 {
            let reserved = world.reserved_event(task).unwrap();
            world.ok(reserved);
        }
        if steps > 4 {
            world.submit(task, 1, Result_::Right);
        }
        world.close(task, outcome);
        assert_eq!(world.status(&task), TaskStatus::Refunded);
        let worker = world.market.worker(&wallet(1)).unwrap();
        assert_eq!((worker.free_stake(), worker.in_hand().len()), (MUCH, 0), "step {steps}");
        assert_eq!(world.market.next_deadline(), None);
        world.assert_replays();
    }
}

#[test]
fn a_result_that_is_kept_back_is_named_once_and_not_taken_any_more() {
    let mut world = World::new(rules());
    world.join(1, MUCH);
    let task = world.run(1, 1);
    let verdict_by = world.commit(task, 1, Result_::Right);
    assert_eq!(world.market.next_alarm(), Some(verdict_by - 150), "a quarter is left");
    world.now = verdict_by - 150;
    assert!(matches!(world.ok(Event::Tick), [Action::Undelivered { .. }]));
    assert_eq!(world.code(Event::Submitted { task, seed: seed() }), "wrong_state");
    assert_eq!(world.market.next_alarm(), Some(verdict_by), "nothing more before the end");
    let window_until = world.now + 60;
    let verdict = Verdict::Rejected;
    assert!(world.ok(Event::VerdictOnChain { task, verdict, window_until }).is_empty());
    world.now = window_until;
    assert!(matches!(world.ok(Event::Tick), [Action::Finalize { .. }]));
    let cause = RefundCause::WorkerLate { penalty: Nano::new(9) };
    world.close(task, Outcome::Refunded { cause });
    assert_eq!(world.market.worker(&wallet(1)).unwrap().record().late(), 1);
    world.assert_replays();
}

#[test]
fn a_node_that_was_away_gives_its_workers_time_to_hand_over() {
    let mut world = World::new(rules());
    world.join(1, MUCH);
    let task = world.run(1, 1);
    let verdict_by = world.commit(task, 1, Result_::Right);
    // The node comes back after the time for handing over.
    world.now = verdict_by - 100;
    world.ok(Event::WorkerLeft { worker: wallet(1) });
    assert!(world.ok(Event::Tick).is_empty(), "blamed for the node's absence");
    world.join(1, MUCH);
    assert_eq!(world.market.next_alarm(), Some(world.now + 30));
    world.now += 29;
    assert!(world.ok(Event::Tick).is_empty());
    world.ok(Event::Submitted { task, seed: seed() });
    world.open_nonce(task);
    assert!(world.market.task(&task).unwrap().basis().is_some());
    assert!(world.actions.iter().all(|action| !matches!(action, Action::Undelivered { .. })));
    world.assert_replays();
}

#[test]
fn a_disputed_verdict_is_looked_at_in_full_and_waits_for_its_ruling() {
    let mut world = World::new(rules());
    world.join(1, MUCH);
    let salt = world.salt_where(false, 1, 0);
    let task = world.run(salt, 1);
    world.submit(task, 1, Result_::Wrong);
    world.open_nonce(task);
    // Not drawn: nobody looked.
    world.verdict(task, Result_::Wrong);
    assert_eq!(world.status(&task), TaskStatus::Accepted);
    let window_until = world.now + 60;
    world.ok(Event::VerdictOnChain { task, verdict: Verdict::Accepted, window_until });
    let until = window_until + 600;
    let basis = AuditBasis::Disputed;
    assert!(
        matches!(world.ok(Event::Disputed { task, until }), [Action::Verify { basis: b, .. }] if *b == basis)
    );
    world.now = window_until;
    assert!(world.ok(Event::Tick).is_empty(), "not finalized while it is disputed");
    let judgement = world.judge_on(task, Result_::Wrong, basis);
    let actions = world.market.rule(judgement, world.now).unwrap();
    assert!(matches!(&actions[0], Action::Rule(Settlement::Slash(_))), "{actions:?}");
    assert!(world.market.worker(&wallet(1)).unwrap().is_flagged());
    let window_until = world.now;
    world.ok(Event::VerdictOnChain { task, verdict: Verdict::Rejected, window_until });
    assert!(world.ok(Event::Tick).iter().any(|it| matches!(it, Action::Finalize { .. })));
    world.close(task, Outcome::Slashed { amount: Nano::grams(19) });
    assert_eq!(world.status(&task), TaskStatus::Slashed);
}

#[test]
fn nothing_is_assigned_beyond_the_nodes_bond() {
    let mut world = World::new(rules());
    world.join(1, MUCH);
    let bond = CAP.mul_div(3, 2).unwrap();
    world.ok(Event::BondRead { bond });
    let tasks = [world.open(1), world.open(2)];
    for task in tasks {
        world.bid(task, 1, CAP);
    }
    world.now += 2;
    world.ok(Event::CloseRounds);
    assert_eq!(tasks.map(|task| world.status(&task)), [TaskStatus::Assigning, TaskStatus::Open]);
    let lost = world.last(|action| match action {
        Action::NotifyLost { code, reason, .. } => Some((*code, reason.clone())),
        _ => None,
    });
    let (code, reason) = lost.unwrap();
    assert_eq!(code, "bond_in_use");
    assert!(reason.contains("0.5 GRAM of the node's bond is free"), "{reason}");
    let unmatched = world.market.task(&tasks[1]).unwrap().unmatched();
    assert_eq!(unmatched, Some(reason.as_str()), "its requestor is told, too");
    // When the first has ended there is room again.
    let reserved = world.reserved_event(tasks[0]).unwrap();
    world.ok(reserved);
    world.close(tasks[0], Outcome::Refunded { cause: RefundCause::NoVerdict });
    assert_eq!(world.market.backed(), Nano::ZERO);
    world.bid(tasks[1], 1, CAP);
    world.now += 10;
    world.ok(Event::CloseRounds);
    assert_eq!(world.status(&tasks[1]), TaskStatus::Assigning);
    world.assert_replays();
}
