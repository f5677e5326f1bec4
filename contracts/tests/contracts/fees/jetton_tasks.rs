//! What the steps of a task in a jetton cost.

use super::*;

/// The task whose verdict a proof overrules.
const OVERRULED: u8 = 210;

/// Every step of a task in a jetton, at its fullest: 16 verifiers, 63 other reservations, the most
/// units there are.
#[test]
fn costs_of_tasks_in_jettons_stay_below_four_fifths_a_path_and_85_percent_a_step() {
    let mut meter = Meter::default();
    let everybody: Vec<u8> = (0..EVERYBODY).collect();
    let (world, _) = full_world();
    let mut errand = Errand::in_world(world, Make::Governed);
    let most = Units::MAX.get() - errand.town.jetton.supply(&errand.town.world.chain);
    let rich = ours(&errand.town.world.requestor.address);
    errand.town.jetton.mint(&mut errand.town.world.chain, rich, most);
    let stranger = errand.town.world.stranger.clone();
    let proven = result_hash(proving::RESULT).unwrap();
    for (id, verdict, challenged) in [
        (201, Some(Outcome::Accepted), false),
        (202, Some(Outcome::Rejected), false),
        (203, Some(Outcome::Undelivered), true),
        (204, None, false),
        (205, None, true),
        (207, None, false),
        (OVERRULED, Some(Outcome::Rejected), true),
    ] {
        let overruled = id == OVERRULED;
        let budgets: Budgets = if overruled { overruling_in_jetton } else { jetton_task_budget };
        let commitment = if overruled { proven } else { COMMITMENT };
        errand.next(id, most / 8);
        if overruled || id == 207 {
            let world = &errand.town.world;
            let init = if overruled { world.overruled_init(id) } else { world.proof_init(id) };
            errand.task = jetton_task::JettonTask::new(init, errand.task.jetton).unwrap();
            errand.at = errand.task.address().unwrap();
        }
        let at = errand.at;
        meter.read_as(&errand.begin(), budgets);
        let receipt = errand.put_in(most / 8, JETTON_FORWARD);
        assert_eq!(errand.data().task.state, TaskState::Open);
        meter.read_as(&receipt, budgets);
        let world = &mut errand.town.world;
        let mut read = |receipt: &Receipt| {
            assert_eq!(failures(receipt), [0; 0], "{id}");
            meter.read_as(receipt, budgets);
        };
        if id == 205 {
            let requestor = world.requestor.clone();
            read(&world.push(&requestor, at, task::cancel(1).unwrap()));
        } else if id == 207 {
            // Proven, by a statement of its terms.
            read(&world.assign(at));
            read(&world.prove_from(&stranger, at));
        } else {
            read(&world.assign(at));
            read(&world.commit_from(&stranger, at, commitment));
        }
        if let Some(outcome) = verdict {
            read(&world.verdict_from(&stranger, at, commitment, outcome, &everybody));
            if challenged {
                read(&world.challenge(&stranger, at));
            }
            if overruled {
                read(&world.prove_from(&stranger, at));
            } else if challenged {
                world.chain.warp(WINDOW).unwrap();
                read(&world.rule(&stranger, at, commitment, Outcome::Rejected, &everybody));
            }
            if !overruled {
                world.chain.warp(WINDOW + 1).unwrap();
                read(&world.push(&stranger, at, task::finalize(1).unwrap()));
            }
        } else if id == 204 {
            world.chain.warp(STEP + 1).unwrap();
            read(&world.push(&stranger, at, task::expire(1).unwrap()));
        }
        for (share, from, to) in errand.parties() {
            let body = jetton_task::claim_share(1, share, &to).unwrap();
            let world = &mut errand.town.world;
            let receipt = world.call(&from, at, JETTON_PAY_VALUE, body);
            meter.read_at(&receipt, &at, budgets);
        }
        errand.town.world.chain.warp(jetton_task::SETTLING_TIME).unwrap();
        let requestor = errand.town.world.requestor.clone();
        let sweep = jetton_task::sweep(1, Units::MAX).unwrap();
        let receipt = errand.town.world.call(&requestor, at, JETTON_PAY_VALUE, sweep);
        meter.read_at(&receipt, &at, budgets);
        let receipt =
            errand.town.world.call(&requestor, at, COMMIT_VALUE, jetton_task::bury(1).unwrap());
        assert_eq!(failures(&receipt), [0; 0]);
        meter.read_at(&receipt, &at, budgets);
    }
    // A refused reservation and a refused registration.
    errand.next(208, most / 8);
    errand.begin();
    errand.put_in(most / 8, JETTON_FORWARD);
    let at = errand.at;
    let wrong = errand.town.world.consent(at, PRICE, Nano::grams(9_999_999));
    let receipt = errand.town.world.assign_with(at, Nano::grams(9_999_999), wrong);
    assert_eq!(failures(&receipt), [109]);
    meter.read_as(&receipt, jetton_task_budget);
    let owner = errand.town.world.owner.clone();
    errand.town.world.market_op(&owner, market::set_pause(1, true).unwrap());
    errand.next(209, most / 8);
    errand.begin();
    let receipt = errand.put_in(most / 8, JETTON_FORWARD);
    assert_eq!(failures(&receipt), [111]);
    meter.read_as(&receipt, jetton_task_budget);
    errand.town.world.market_op(&owner, market::set_pause(1, false).unwrap());
    meter.compare(JETTON_TASKS, &paths(&meter));
    assert_eq!(meter.steps(), 30, "every step was measured");
    assert_eq!(meter.above(85), [""; 0], "over 85 hundredths of their budget");
    let paid_for = |step: &&str| {
        let on_a_path = PATHS.iter().any(|(_, steps)| steps.contains(step));
        on_a_path || CLOSE.iter().any(|(close, _)| close == step)
    };
    let over: Vec<_> = meter.above(80).into_iter().filter(|step| !paid_for(step)).collect();
    assert_eq!(over, [""; 0], "over four fifths of what is attached");
    for step in ["prove", "prove, overruling"] {
        let gas = meter.gas(step);
        assert!(gas <= MOST_GAS_OF_A_PROOF, "{step} took {gas} gas");
    }
    // At its fullest.
    errand.next(206, most / 8);
    errand.begin();
    errand.put_in(most / 8 + 9, JETTON_FORWARD);
    let at = errand.at;
    errand.town.world.assign(at);
    errand.town.world.commit(at, COMMITMENT);
    errand.town.world.verdict(at, COMMITMENT, Outcome::Accepted, &everybody);
    errand.town.world.challenge(&stranger, at);
    let (bits, cells) = account_size(&errand.town.world, &at);
    let limit = (constant("JETTON_TASK_BITS"), constant("JETTON_TASK_CELLS"));
    println!("JETTON_TASK {bits} of {} bits, {cells} of {} cells", limit.0, limit.1);
    assert!(bits <= limit.0 && cells <= limit.1, "{bits} bits, {cells} cells of {limit:?}");
    let values = errand.values();
    let ours = [JETTON_TASK_VALUE, JETTON_PAY_VALUE, COMMIT_VALUE, JETTON_FORWARD];
    for ((name, ours), theirs) in ["begin", "claim", "bury", "jettons"].iter().zip(ours).zip(values)
    {
        println!("{name:<8} attached {:>12} demanded {theirs:>12}", ours.get());
        assert!(ours.get() >= theirs + theirs / 10, "{name}: {ours:?} of {theirs}");
        assert!(ours.get() <= theirs * 5, "{name}: {ours:?} of {theirs}");
    }
}

/// Steps that one attached value pays for together, up to the end of what it set off.
const PATHS: [(&str, &[&str]); 7] = [
    ("path: beginning", &["begin", "answer", "notification", "register", "opened"]),
    ("path: assignment", &["take on", "assign", "reserve", "reserved"]),
    ("path: payment", &["finalize", "settle", "settled", "freed"]),
    ("path: slash", &["finalize", "slash", "slashed", "freed"]),
    ("path: release", &["finalize", "release", "released", "freed"]),
    ("path: proof", &["prove", "settle", "settled", "freed"]),
    ("path: overruling", &["prove, overruling", "settle", "settled"]),
];
/// Paths of one step, to which more is attached than their contract asks for.
const CLOSE: [Budget; 2] = [("claim", &["JETTON_PAY_VALUE"]), ("commit", &["COMMIT_VALUE"])];

/// A task in a jetton is the same steps in a longer code, which costs each of them 500 gas more than in
/// GRAM, where their budgets are from. So a step may take 85 hundredths of what its contract asks for;
/// every path takes at most four fifths of all that is attached. Gives a row of the table for each.
fn paths(meter: &Meter) -> Vec<String> {
    let path = |(name, steps): &(&str, &[&str])| {
        let gas = steps.iter().map(|step| meter.gas(step)).sum::<u64>();
        let limit = steps.iter().map(|step| meter.limit(step)).sum::<u64>();
        assert!(gas * 5 <= limit * 4, "{name}: {gas} of {limit}");
        row(name, gas, limit, &steps.join(" + "))
    };
    PATHS.iter().map(path).chain(attached(meter, &CLOSE)).collect()
}
