//! Random sequences of events, most of them out of order: the invariants hold after each.

use std::collections::{BTreeMap, BTreeSet};

use fog_market::{
    Action, Event, Outcome, RefundCause, Rules, Settlement, Trust, Trusted, Verdict,
    transition::edges,
};
use fog_protocol::{Nano, TaskId, TaskStatus, gateway::PassReason};
use fog_verifier::AuditBasis;
use proptest::prelude::*;

use crate::kit::{CAP, Result_, World, nonce, rules, seed, session, wallet};

const STAKE: Nano = Nano::grams(60);
const TASKS: u32 = 4;
const WORKERS: u8 = 3;

/// The third worker cheats.
fn result(worker: u8) -> Result_ {
    if worker == WORKERS { Result_::Wrong } else { Result_::Right }
}

fn outcome(choice: u8) -> Outcome {
    match choice % 5 {
        0 => Outcome::Paid { worker_amount: CAP, fee: Nano::ZERO },
        1 => Outcome::Slashed { amount: Nano::grams(19) },
        2 => Outcome::Refunded { cause: RefundCause::Unassigned },
        3 => Outcome::Refunded { cause: RefundCause::WorkerLate { penalty: Nano::new(5) } },
        _ => Outcome::Refunded { cause: RefundCause::NoVerdict },
    }
}

/// Trusts one of the workers.
fn trust(worker: u8, grant: u32) -> Trust {
    let trusted = Trusted { factor_ppm: 300_000, grant };
    let keys = [(session(worker).public(), trusted)].into();
    Trust { keys, ..Trust::default() }
}

/// One random thing that happens; `None` if it makes no sense at all here.
fn event(world: &World, (kind, salt, worker): (u8, u32, u8), task: TaskId) -> Option<Event> {
    let soon = world.now + 300;
    let known = world.market.task(&task);
    let assigned = known.and_then(|task| task.assignment()).map(|a| a.worker.hash.0[0]);
    let doer = assigned.unwrap_or(worker);
    Some(match kind {
        0 => Event::Opened { task, deadline: soon },
        1 => {
            known?;
            world.bid_event(task, worker, CAP)
        }
        2 => Event::Passed { task, worker: wallet(worker), reason: PassReason::Busy, ask: None },
        3 if salt % 3 == 0 => Event::CloseRounds,
        3 if salt % 3 == 1 => Event::TrustSet { trust: Box::new(trust(worker, salt)) },
        3 => {
            let probation = u32::from(worker);
            Event::RulesSet { rules: Box::new(Rules { probation, flag_audits: salt, ..rules() }) }
        }
        4 => world.reserved_event(task).unwrap_or(Event::Reserved {
            task,
            worker: wallet(worker),
            price: CAP,
            reserve: Nano::grams(19),
            commit_by: soon,
        }),
        5 => Event::ReserveFailed { task, worker: wallet(doer), code: 7 },
        6 => world.commit_event(task, doer, result(doer)),
        7 => {
            let commitment = result(doer).commitment(&task, &wallet(doer));
            Event::CommittedOnChain { task, commitment, verdict_by: soon }
        }
        8 => Event::NonceOpened { task, nonce: nonce(salt) },
        9 => Event::Submitted { task, seed: seed() },
        10 => Event::VerdictOnChain { task, verdict: Verdict::Accepted, window_until: soon },
        11 => Event::Closed { task, outcome: outcome(worker + salt as u8) },
        12 => Event::WorkerLeft { worker: wallet(worker) },
        13 => Event::StakeRead { worker: wallet(worker), free_stake: STAKE },
        18 => Event::BondRead { bond: CAP.mul_div(u64::from(worker), 1).unwrap() },
        19 => Event::Disputed { task, until: soon },
        _ => Event::Tick,
    })
}

/// What would be the next thing to happen to the task, if all went well.
fn next(status: TaskStatus, chance: u64) -> u8 {
    match status {
        TaskStatus::AwaitingFunds => 0,
        TaskStatus::Open => [1, 3][(chance % 2) as usize],
        TaskStatus::Assigning => 4,
        TaskStatus::Running => 6,
        TaskStatus::Committed => [7, 8, 9][(chance % 3) as usize],
        TaskStatus::Verifying => 16,
        TaskStatus::Accepted | TaskStatus::Rejected => [10, 11][(chance % 2) as usize],
        TaskStatus::Paid | TaskStatus::Slashed | TaskStatus::Refunded | TaskStatus::Dropped => 14,
    }
}

fn reachable(from: TaskStatus, to: TaskStatus, edges: &[(TaskStatus, TaskStatus)]) -> bool {
    let mut seen = BTreeSet::from([from]);
    // As many rounds as there are statuses reach everything that can be reached.
    for _ in TaskStatus::ALL {
        seen.extend(
            edges.iter().filter(|(a, _)| seen.contains(a)).map(|(_, b)| *b).collect::<Vec<_>>(),
        );
    }
    seen.contains(&to)
}

fn check(world: &World, before: &BTreeMap<TaskId, TaskStatus>, edges: &[(TaskStatus, TaskStatus)]) {
    for task in world.market.tasks() {
        let status = task.status();
        assert_eq!(task.deadline().is_none(), status.is_terminal(), "{status}");
        if let Some(from) = before.get(&task.id()) {
            assert!(reachable(*from, status, edges), "{from} -> {status}");
        }
    }
    if world.market.live_tasks() > 0 {
        assert!(world.market.next_deadline().is_some());
    }
    let live = world.market.tasks().filter(|task| !task.status().is_terminal()).count();
    assert_eq!(live, world.market.live_tasks() as usize);
}

/// What the verifier finds in a disputed result; the market takes it only while it is disputed.
fn look_again(world: &mut World, task: TaskId) {
    let known = world.market.task(&task).unwrap();
    let Some(worker) = known.assignment().map(|made| made.worker.hash.0[0]) else { return };
    if known.commitment().is_none() || known.status().is_terminal() {
        return;
    }
    let disputed = known.is_disputed();
    let rechecked = known.is_rechecked();
    let judgement = world.judge_on(task, result(worker), AuditBasis::Disputed);
    let hash = world.market.state_hash();
    let evidence = Box::new(World::evidence(&judgement));
    let ruled = world.market.rule(judgement, world.now);
    assert_eq!(ruled.is_ok(), disputed || rechecked);
    match ruled {
        Ok(actions) => {
            assert_eq!(actions.iter().any(|action| matches!(action, Action::Rule(_))), disputed);
            world.log.push((Event::Ruled { evidence }, world.now));
            world.actions.extend(actions);
        }
        Err(_) => assert_eq!(world.market.state_hash(), hash, "a refusal changed it"),
    }
}

/// The bond stands for everything that is assigned, and nothing is assigned beyond it.
fn check_bond(world: &World, came: usize) {
    let live = world.market.tasks().filter(|task| !task.status().is_terminal());
    let backed = live.filter_map(|task| Some(task.assignment()?.price.get())).sum::<u64>();
    assert_eq!(world.market.backed().get(), backed);
    let assigned = world.actions[came..].iter().any(|it| matches!(it, Action::Assign(_)));
    if let (true, Some(bond)) = (assigned, world.market.bond()) {
        assert!(backed <= bond.get(), "{backed} assigned against a bond of {bond}");
    }
}

/// Rounds are said to be due exactly when closing them does something: once closed, not any more;
/// before, closing does nothing.
fn check_rounds(world: &mut World) {
    let due = world.market.next_round().is_some_and(|at| at <= world.now);
    let statuses = |world: &World| world.market.tasks().map(|t| t.status()).collect::<Vec<_>>();
    let before = statuses(world);
    let did = !world.ok(Event::CloseRounds).is_empty();
    if !due {
        assert!(!did && statuses(world) == before, "rounds were closed that were not due");
    }
    let next = world.market.next_round();
    assert!(next.is_none_or(|at| at > world.now), "closed at {}, due again {next:?}", world.now);
}

/// What came out: at most one end and one settlement a task, paid only after acceptance.
fn check_actions(world: &World, verdicts: &BTreeMap<TaskId, Verdict>) {
    let (mut ends, mut settled) = (BTreeSet::new(), BTreeSet::new());
    for action in &world.actions {
        match action {
            Action::NotifyClosed { task, .. } => assert!(ends.insert(*task), "two ends"),
            Action::Undelivered { task } => assert!(settled.insert(*task), "two verdicts"),
            Action::Settle(settlement) => {
                assert!(settled.insert(settlement.task()), "two settlements");
                let expected = match settlement {
                    Settlement::Pay(_) => Verdict::Accepted,
                    Settlement::Slash(_) => Verdict::Rejected,
                };
                assert_eq!(verdicts.get(&settlement.task()), Some(&expected));
            }
            // The third worker cheats, nobody else's verdict is challenged.
            Action::Challenge { task, .. } => {
                let made = world.market.task(task).unwrap().assignment().unwrap();
                assert_eq!(made.worker, wallet(WORKERS), "an honest worker's verdict challenged");
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn invariants_hold(
        ops in prop::collection::vec((0u8..42, 0..TASKS, 1..=WORKERS, 0u64..90), 1..120),
    ) {
        let edges = edges();
        let mut world = World::new(Rules { probation: 1, ..rules() });
        if ops.len() % 2 == 0 {
            world.ok(Event::TrustSet { trust: Box::default() });
        }
        (1..=WORKERS).for_each(|worker| world.join(worker, STAKE));
        let tasks: Vec<_> = (0..TASKS)
            .map(|salt| {
                let (task, posted) = world.post_event(salt, 50_000);
                world.ok(posted);
                task
            })
            .collect();
        let mut verdicts = BTreeMap::new();
        for (kind, salt, worker, seconds) in ops {
            let before = world.market.tasks().map(|task| (task.id(), task.status())).collect();
            let task = tasks[salt as usize];
            let came = world.actions.len();
            // Every second thing is what belongs there, or few tasks would come far.
            let kind = if kind < 21 { kind } else { next(world.status(&task), seconds) };
            match kind {
                15 => world.join(worker, STAKE),
                20 => look_again(&mut world, task),
                16 | 17 => {
                    let basis = world.market.task(&task).and_then(|task| task.basis());
                    if basis.is_some() {
                        let assigned = world.market.task(&task).unwrap().assignment().unwrap();
                        let judgement = world.judge(task, result(assigned.worker.hash.0[0]));
                        let verdict = match &judgement {
                            fog_verifier::Judgement::Accepted(_) => Verdict::Accepted,
                            fog_verifier::Judgement::Rejected(_) => Verdict::Rejected,
                        };
                        if world.decide(judgement).is_ok() {
                            verdicts.insert(task, verdict);
                        }
                    }
                }
                _ => {
                    if kind == 14 {
                        world.now += seconds;
                    }
                    let hash = world.market.state_hash();
                    if let Some(event) = event(&world, (kind, salt, worker), task)
                        && world.apply(event).is_err()
                    {
                        prop_assert_eq!(world.market.state_hash(), hash, "a refusal changed it");
                    }
                }
            }
            check(&world, &before, &edges);
            check_bond(&world, came);
            if seconds % 3 == 0 {
                check_rounds(&mut world);
            }
        }
        check_actions(&world, &verdicts);
        world.assert_replays();
    }
}
