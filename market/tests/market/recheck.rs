//! A caught worker's earlier results, and workers that are trusted.

use fog_market::{
    Action, Event, Outcome, Rechecked, Rechecks, Rules, Trust, Trusted, Verdict,
    trust::{LEAST_FACTOR_PPM, LEAST_RATE_PPM},
};
use fog_protocol::{Nano, TaskId, TaskStatus};
use fog_verifier::{AuditBasis, draw};
use proptest::prelude::*;

use crate::kit::{Contrary, Result_, World, nonce, rules, seed, session, wallet};

const MUCH: Nano = Nano::grams(10_000);

fn trusting(factor_ppm: u32, grant: u32) -> Trust {
    let keys = [(session(1).public(), Trusted { factor_ppm, grant })].into();
    Trust { keys, ..Trust::default() }
}

fn recheck(world: &World, task: TaskId) -> Option<Rechecked> {
    world.market.task(&task).unwrap().recheck().map(|recheck| recheck.found)
}

/// A result that is accepted without a look, its verdict on chain for a minute.
fn accepted(world: &mut World, salt: u32, result: Result_) -> TaskId {
    let task = unseen(world, salt, result);
    let window_until = world.now + 60;
    world.ok(Event::VerdictOnChain { task, verdict: Verdict::Accepted, window_until });
    task
}

/// The same before its verdict is on chain.
fn unseen(world: &mut World, salt: u32, result: Result_) -> TaskId {
    let task = world.run(salt, 1);
    world.submit(task, 1, result);
    world.open_nonce(task);
    world.verdict(task, result);
    assert_eq!(world.status(&task), TaskStatus::Accepted);
    task
}

/// Worker 1 hands in a wrong result that is drawn.
fn catch(world: &mut World) -> TaskId {
    let salt = world.salt_where(true, 1, 0);
    let task = world.run(salt, 1);
    world.submit(task, 1, Result_::Wrong);
    world.open_nonce(task);
    world.verdict(task, Result_::Wrong);
    task
}

fn undrawn(world: &World, count: usize) -> Vec<u32> {
    let mut salts: Vec<u32> = Vec::new();
    while salts.len() < count {
        let from = salts.last().map_or(0, |last| last + 1);
        salts.push(world.salt_where(false, 1, from));
    }
    salts
}

fn challenges(world: &World) -> Vec<TaskId> {
    let challenged = world.actions.iter().filter_map(|action| match action {
        Action::Challenge { task, .. } => Some(*task),
        _ => None,
    });
    challenged.collect()
}

#[test]
fn what_a_caught_worker_was_not_asked_about_is_run_again_and_what_is_wrong_is_challenged() {
    let mut world = World::trusting(rules(), Trust::default());
    world.join(1, MUCH);
    let salts = undrawn(&world, 3);
    let wrong = accepted(&mut world, salts[0], Result_::Wrong);
    let right = accepted(&mut world, salts[1], Result_::Right);
    let early = unseen(&mut world, salts[2], Result_::Wrong);
    let before = world.actions.len();
    let caught = catch(&mut world);
    let asked: Vec<_> = world.actions[before..]
        .iter()
        .filter_map(|action| match action {
            Action::Verify { task, basis: AuditBasis::Disputed, .. } => Some(*task),
            _ => None,
        })
        .collect();
    assert_eq!(asked.len(), 3, "all three, once");
    assert_eq!(asked.last(), Some(&early), "what ends first is looked at first");
    for task in [wrong, right, early] {
        let recheck = world.market.task(&task).unwrap().recheck().unwrap();
        assert_eq!((recheck.caught, recheck.found), (caught, Rechecked::Due));
    }
    let actions = world.rule(wrong, Result_::Wrong).unwrap();
    assert!(matches!(actions, [Action::Challenge { task, .. }, ..] if *task == wrong));
    assert!(world.rule(right, Result_::Right).unwrap().is_empty());
    assert_eq!(recheck(&world, right), Some(Rechecked::Right));
    // Its verdict cannot be challenged before it is on chain.
    world.rule(early, Result_::Wrong).unwrap();
    assert_eq!(challenges(&world), [wrong]);
    let window_until = world.now + 60;
    world.ok(Event::VerdictOnChain { task: early, verdict: Verdict::Accepted, window_until });
    assert_eq!(challenges(&world), [wrong, early]);
    // Once is enough, and a look that nobody asked for changes nothing.
    assert_eq!(world.rule(right, Result_::Right).unwrap_err().code(), "wrong_state");
    assert_eq!(world.rule(wrong, Result_::Wrong).unwrap_err().code(), "wrong_state");
    world.assert_replays();
}

#[test]
fn a_challenged_verdict_falls_by_the_ruling() {
    let mut world = World::trusting(rules(), Trust::default());
    world.join(1, MUCH);
    let salts = undrawn(&world, 1);
    let task = accepted(&mut world, salts[0], Result_::Wrong);
    catch(&mut world);
    world.rule(task, Result_::Wrong).unwrap();
    let until = world.now + 660;
    world.ok(Event::Disputed { task, until });
    let ruled = world.rule(task, Result_::Wrong).unwrap();
    assert!(ruled.iter().any(|action| matches!(action, Action::Rule(_))));
    world.now += 70;
    let window_until = world.now;
    world.ok(Event::VerdictOnChain { task, verdict: Verdict::Rejected, window_until });
    assert!(
        world.ok(Event::Tick).iter().any(|it| matches!(it, Action::Finalize { .. })),
        "the ruling is carried out"
    );
    world.close(task, Outcome::Slashed { amount: Nano::grams(19) });
    assert_eq!(world.status(&task), TaskStatus::Slashed);
    assert_eq!(challenges(&world).len(), 1);
    world.assert_replays();
}

#[test]
fn what_is_over_is_not_taken_back_and_is_said() {
    let mut world = World::trusting(rules(), Trust::default());
    world.join(1, MUCH);
    let salts = undrawn(&world, 3);
    let paid = accepted(&mut world, salts[0], Result_::Wrong);
    world.paid(paid);
    let over = accepted(&mut world, salts[1], Result_::Wrong);
    world.now += 60;
    let slow = accepted(&mut world, salts[2], Result_::Wrong);
    catch(&mut world);
    assert_eq!(recheck(&world, paid), None, "it is not even open");
    assert_eq!(recheck(&world, over), Some(Rechecked::TooLate));
    assert_eq!(recheck(&world, slow), Some(Rechecked::Due));
    // The verifiers take longer than the window.
    world.now += 120;
    world.rule(slow, Result_::Wrong).unwrap();
    assert_eq!(challenges(&world), []);
    world.now += 120;
    let actions = world.ok(Event::Tick);
    assert!(actions.iter().any(|it| matches!(it, Action::Finalize { task } if *task == slow)));
    world.assert_replays();
}

#[test]
fn a_challenge_on_its_way_is_waited_for_before_anybody_is_paid() {
    let mut world = World::trusting(rules(), Trust::default());
    world.join(1, MUCH);
    let salts = undrawn(&world, 1);
    let task = accepted(&mut world, salts[0], Result_::Wrong);
    catch(&mut world);
    world.rule(task, Result_::Wrong).unwrap();
    world.now += 61;
    let first = world.ok(Event::Tick);
    assert!(first.iter().any(|it| matches!(it, Action::Reconcile { .. })));
    assert!(!first.iter().any(|it| matches!(it, Action::Finalize { task: of } if *of == task)));
    world.now += 60;
    let later = world.ok(Event::Tick);
    assert!(later.iter().any(|it| matches!(it, Action::Finalize { task: of } if *of == task)));
}

/// A wrong result that was accepted unseen, whose worker was caught and whose verdict is disputed; when
/// its own window ends, and until when that waits for a ruling.
fn disputed(world: &mut World) -> (TaskId, u64, u64) {
    world.join(1, MUCH);
    let salts = undrawn(world, 1);
    let task = accepted(world, salts[0], Result_::Wrong);
    catch(world);
    world.rule(task, Result_::Wrong).unwrap();
    let own = world.market.task(&task).unwrap().window_until().unwrap();
    let until = own + 600;
    world.ok(Event::Disputed { task, until });
    (task, own, until)
}

#[test]
fn a_contract_that_is_read_late_ends_no_dispute_and_opens_none_again() {
    let mut world = World::trusting(rules(), Trust::default());
    let (task, own, until) = disputed(&mut world);
    let known = |world: &World| world.market.task(&task).unwrap().window_until();
    assert_eq!(known(&world), Some(until));
    // As it was before the dispute: its own window, no ruling yet.
    for ends in [own - 30, own] {
        let (verdict, window_until) = (Verdict::Accepted, ends);
        world.ok(Event::VerdictOnChain { task, verdict, window_until });
        assert!(world.market.task(&task).unwrap().is_disputed());
        assert_eq!(known(&world), Some(until));
    }
    world.now += 100;
    let ruled_at = world.now;
    let verdict = Verdict::Rejected;
    world.ok(Event::VerdictOnChain { task, verdict, window_until: ruled_at });
    assert!(!world.market.task(&task).unwrap().is_disputed());
    let before = world.actions.len();
    world.ok(Event::Disputed { task, until });
    assert!(!world.market.task(&task).unwrap().is_disputed(), "a task has one dispute");
    assert_eq!(known(&world), Some(ruled_at));
    assert_eq!(world.actions.len(), before, "and is not verified again");
    world.assert_replays();
}

#[test]
fn a_dispute_that_nobody_decided_ends_with_its_time() {
    let mut world = World::trusting(rules(), Trust::default());
    let (task, _, until) = disputed(&mut world);
    world.now = until;
    let expired = world.ok(Event::Tick);
    assert!(expired.iter().any(|it| matches!(it, Action::Expire { task: of } if *of == task)));
    world.ok(Event::VerdictOnChain { task, verdict: Verdict::Accepted, window_until: until });
    let actions = world.ok(Event::Tick);
    assert!(actions.iter().any(|it| matches!(it, Action::Finalize { task: of } if *of == task)));
}

#[test]
fn what_is_not_looked_at_before_it_ends_is_not_due_for_ever() {
    let mut world = World::trusting(rules(), Trust::default());
    world.join(1, MUCH);
    let salts = undrawn(&world, 1);
    let task = accepted(&mut world, salts[0], Result_::Wrong);
    catch(&mut world);
    assert_eq!(recheck(&world, task), Some(Rechecked::Due));
    world.now += 120;
    world.paid(task);
    assert_eq!(recheck(&world, task), Some(Rechecked::TooLate));
    world.assert_replays();
}

#[test]
fn a_second_look_that_contradicts_the_first_decides_nothing() {
    let mut world = World::trusting(rules(), Trust::default());
    world.join(1, MUCH);
    let salts = undrawn(&world, 1);
    let task = accepted(&mut world, salts[0], Result_::Right);
    // Somebody challenges it, and is wrong. Then its worker is caught with something else.
    let until = world.now + 660;
    world.ok(Event::Disputed { task, until });
    world.rule(task, Result_::Right).unwrap();
    catch(&mut world);
    assert_eq!(recheck(&world, task), Some(Rechecked::Due));
    let hash = world.market.state_hash();
    let contrary = world.try_judge(task, Result_::Right, AuditBasis::Disputed, &Contrary).unwrap();
    let refused = world.market.rule(contrary, world.now).unwrap_err();
    assert_eq!(refused.code(), "contrary_ruling");
    assert_eq!(world.market.state_hash(), hash);
    assert_eq!(recheck(&world, task), Some(Rechecked::Due), "nothing that has no evidence stored");
    // The same once more is no contradiction.
    world.rule(task, Result_::Right).unwrap();
    assert_eq!(recheck(&world, task), Some(Rechecked::Right));
    world.assert_replays();
}

#[test]
fn nothing_is_looked_at_again_where_too_few_verifiers_could_rule() {
    let trust = Trust { rechecks: Rechecks::NoQuorum, ..Trust::default() };
    let mut world = World::trusting(rules(), trust);
    world.join(1, MUCH);
    let salts = undrawn(&world, 1);
    let task = accepted(&mut world, salts[0], Result_::Wrong);
    let before = world.actions.len();
    catch(&mut world);
    assert_eq!(recheck(&world, task), None);
    let asked = &world.actions[before..];
    assert!(!asked.iter().any(|it| matches!(it, Action::Verify { task: of, .. } if *of == task)));
    world.assert_replays();
}

#[test]
fn an_older_log_gives_the_state_it_gave() {
    let mut world = World::new(rules());
    world.join(1, MUCH);
    let salts = undrawn(&world, 1);
    let task = accepted(&mut world, salts[0], Result_::Wrong);
    catch(&mut world);
    assert_eq!(recheck(&world, task), None);
    // Said from here on: what happened before is not touched by it.
    world.ok(Event::TrustSet { trust: Box::default() });
    assert_eq!(recheck(&world, task), None);
    world.assert_replays();
}

#[test]
fn a_trusted_newcomer_is_drawn_at_the_reduced_rate_and_the_evidence_names_it() {
    let mut world =
        World::trusting(Rules { probation: 4, ..rules() }, trusting(LEAST_FACTOR_PPM, 1));
    world.join(1, MUCH);
    let (mut seen, mut named) = (0, 0);
    for salt in 1..=60 {
        let task = world.run(salt, 1);
        let index = world.market.task(&task).unwrap().assignment().unwrap().index;
        world.submit(task, 1, Result_::Right);
        assert_eq!(world.status(&task), TaskStatus::Committed, "the draw decides");
        world.open_nonce(task);
        let known = world.market.task(&task).unwrap();
        let usual = world.market.rules().rate_of_history(index);
        let rate = (usual / 10).max(LEAST_RATE_PPM).max(50_000);
        let commitment = known.commitment().unwrap();
        let drawn = draw::is_drawn(&seed(), &nonce(salt), &task, &commitment, rate);
        assert_eq!(known.basis().unwrap().is_audit(), drawn, "{index}");
        if drawn {
            seen += 1;
        } else {
            assert_eq!(known.rate_ppm(), rate);
            named += u32::from(rate > 50_000);
            // The draw at the listing's rate alone is less than what the evidence has to show.
            let evidence = World::evidence(&world.judge(task, Result_::Right));
            assert_eq!(evidence.rate_ppm, rate);
            evidence.check(known.listing()).unwrap();
        }
        world.verdict(task, Result_::Right);
    }
    assert!(seen > 0 && named > 0, "{seen} {named}");
    world.assert_replays();
}

#[test]
fn a_trusted_worker_that_is_caught_is_trusted_no_more() {
    let mut world =
        World::trusting(Rules { probation: 2, flag_audits: 1, ..rules() }, trusting(200_000, 1));
    world.join(1, MUCH);
    assert!(world.market.trust_of(&wallet(1)).is_some());
    let first = world.run(world.salt_where(true, 1, 0), 1);
    world.submit(first, 1, Result_::Wrong);
    world.open_nonce(first);
    world.verdict(first, Result_::Wrong);
    assert!(world.market.trust_of(&wallet(1)).is_none(), "at once");
    let next = world.run(7_000, 1);
    world.submit(next, 1, Result_::Right);
    assert_eq!(world.market.task(&next).unwrap().basis(), Some(&AuditBasis::Flagged));
    world.verdict(next, Result_::Right);
    // The flag is worked off, the trust is not back: neither by itself nor with a restart.
    assert!(!world.market.worker(&wallet(1)).unwrap().is_flagged());
    world.ok(Event::TrustSet { trust: Box::new(trusting(200_000, 1)) });
    assert!(world.market.trust_of(&wallet(1)).is_none());
    // Nor by being left out of a configuration for a while.
    world.ok(Event::TrustSet { trust: Box::default() });
    world.ok(Event::TrustSet { trust: Box::new(trusting(200_000, 1)) });
    assert!(world.market.trust_of(&wallet(1)).is_none());
    world.ok(Event::TrustSet { trust: Box::new(trusting(200_000, 2)) });
    assert!(world.market.trust_of(&wallet(1)).is_some(), "somebody decided it again");
    world.assert_replays();
}

#[test]
fn a_worker_that_takes_another_key_before_it_is_caught_does_not_keep_trust_under_the_first() {
    let rules = Rules { probation: 2, flag_audits: 1, ..rules() };
    for caught_as in [1, 2] {
        let mut world = World::trusting(rules.clone(), trusting(200_000, 1));
        world.join(1, MUCH);
        let task = world.run(world.salt_where(true, 1, 0), 1);
        world.submit(task, 1, Result_::Wrong);
        // The stake contract shows another session key by now, and the first again later.
        world.join_as(1, 2, MUCH);
        world.join_as(1, caught_as, MUCH);
        world.open_nonce(task);
        world.verdict(task, Result_::Wrong);
        world.join_as(1, 1, MUCH);
        assert!(world.market.trust_of(&wallet(1)).is_none(), "caught as {caught_as}");
        // Somebody else with that key is not trusted either.
        world.join_as(3, 1, MUCH);
        assert!(world.market.trust_of(&wallet(3)).is_none());
        world.assert_replays();
    }
}

#[test]
fn trust_is_a_keys_and_goes_with_it() {
    let mut world = World::trusting(Rules { probation: 3, ..rules() }, trusting(200_000, 1));
    world.join(2, MUCH);
    assert!(world.market.trust_of(&wallet(2)).is_none());
    let task = world.run(1, 2);
    world.submit(task, 2, Result_::Right);
    assert_eq!(world.market.task(&task).unwrap().basis(), Some(&AuditBasis::Probation));
}

proptest! {
    #[test]
    fn trust_leaves_a_rate_that_is_never_zero_and_never_below_its_floors(
        probation in 1_u32..100, index in 0_u64..10_000, factor_ppm: u32, listed in 1_u32..=1_000_000,
    ) {
        let usual = Rules { probation, ..rules() }.rate_of_history(index);
        let rate = Trusted { factor_ppm, grant: 0 }.rate(usual);
        prop_assert!(rate <= usual);
        prop_assert!(rate >= usual.min(LEAST_RATE_PPM));
        prop_assert!(u64::from(rate) * 10 >= u64::from(usual) - 9, "a tenth stays");
        prop_assert!(usual == 0 || rate > 0);
        // What is drawn at the listing's rate is drawn whatever trust there is.
        prop_assert!(rate.max(listed) >= listed && rate.max(listed) > 0);
    }

    /// Whatever is trusted, and however far: who is wrong where the listing's own draw looks is
    /// caught, and what that draw leaves out is named with a rate not below the listing's.
    #[test]
    fn audits_of_trusted_workers_still_catch(
        factor_ppm in 0_u32..=1_000_000, probation in 0_u32..6, from in 0_u32..400,
    ) {
        let mut world =
            World::trusting(Rules { probation, ..rules() }, trusting(factor_ppm, 1));
        world.join(1, MUCH);
        let salt = world.salt_where(true, 1, from);
        let task = world.run(salt, 1);
        world.submit(task, 1, Result_::Wrong);
        if world.status(&task) == TaskStatus::Committed {
            world.open_nonce(task);
        }
        prop_assert!(world.market.task(&task).unwrap().rate_ppm() >= 50_000);
        world.verdict(task, Result_::Wrong);
        prop_assert_eq!(world.status(&task), TaskStatus::Rejected);
        prop_assert!(world.market.trust_of(&wallet(1)).is_none());
        world.assert_replays();
    }
}

/// The reconciler may tell of a dispute before the follower tells of its verdict.
#[test]
fn a_dispute_heard_before_its_verdict_is_not_lost() {
    let mut world = World::trusting(rules(), Trust::default());
    world.join(1, MUCH);
    let salt = world.salt_where(false, 1, 0);
    let task = unseen(&mut world, salt, Result_::Right);
    let is_disputed = |world: &World| world.market.task(&task).unwrap().is_disputed();
    let verdict =
        |window_until| Event::VerdictOnChain { task, verdict: Verdict::Accepted, window_until };
    let (window, until) = (world.now + 60, world.now + 360);
    let disputed = Event::Disputed { task, until };
    world.ok(disputed.clone());
    assert!(is_disputed(&world));
    world.ok(verdict(window));
    world.ok(disputed.clone());
    assert!(is_disputed(&world), "the verdict it is about is older");
    world.ok(verdict(window));
    assert!(is_disputed(&world), "told twice");
    // Ruled: it is over, and stays so whatever is told late.
    world.now += 100;
    let ruled = world.now;
    world.ok(verdict(ruled));
    assert!(!is_disputed(&world));
    world.ok(disputed);
    assert!(!is_disputed(&world), "a contract that is read late");
    world.assert_replays();
}
