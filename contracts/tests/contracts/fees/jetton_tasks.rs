//! What the steps of a task in a jetton cost.

use super::*;

/// What is budgeted in a task in a jetton, and around it.
fn jetton_task_budget(op: u32, bounced: bool) -> Option<(&'static str, u64)> {
    let (name, budget) = match (op, bounced) {
        (jetton_task::op::BEGIN, false) => ("begin", "GAS_BEGIN"),
        (jetton::op::TAKE_WALLET, false) => ("answer", "GAS_TAKEN"),
        (jetton::op::NOTIFICATION, false) => ("notification", "GAS_CREDITED"),
        (jetton_task::op::CLAIM_SHARE, false) => ("claim", "GAS_SHARE"),
        (jetton_task::op::SWEEP, false) => ("sweep", "GAS_SHARE"),
        (jetton_task::op::BURY, false) => ("bury", "GAS_BURY"),
        (market::op::REGISTER, false) => ("register", "GAS_REGISTER_JETTON"),
        _ => return budget(op, bounced),
    };
    Some((name, constant(budget)))
}

/// Every step of a task in a jetton, at its fullest: 16 verifiers, 63 other reservations, the most
/// units there are.
#[test]
fn costs_of_tasks_in_jettons_stay_below_four_fifths_too() {
    let mut meter = Meter::default();
    let everybody: Vec<u8> = (0..EVERYBODY).collect();
    let (world, _) = full_world();
    let mut errand = Errand::in_world(world, Make::Governed);
    let most = Units::MAX.get() - errand.town.jetton.supply(&errand.town.world.chain);
    let rich = ours(&errand.town.world.requestor.address);
    errand.town.jetton.mint(&mut errand.town.world.chain, rich, most);
    let stranger = errand.town.world.stranger.clone();
    for (id, verdict, challenged) in [
        (201, Some(Outcome::Accepted), false),
        (202, Some(Outcome::Rejected), false),
        (203, Some(Outcome::Undelivered), true),
        (204, None, false),
        (205, None, true),
        (207, None, false),
    ] {
        errand.next(id, most / 8);
        if id == 207 {
            let init = errand.town.world.proof_init(207);
            errand.task = jetton_task::JettonTask::new(init, errand.task.jetton).unwrap();
            errand.at = errand.task.address().unwrap();
        }
        let at = errand.at;
        meter.read_all(errand.begin().transactions.iter(), jetton_task_budget);
        let receipt = errand.put_in(most / 8, JETTON_FORWARD);
        assert_eq!(errand.data().task.state, TaskState::Open);
        meter.read_all(receipt.transactions.iter(), jetton_task_budget);
        let world = &mut errand.town.world;
        let mut read = |receipt: &Receipt| {
            assert_eq!(failures(receipt), [0; 0], "{id}");
            meter.read_all(receipt.transactions.iter(), jetton_task_budget);
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
            read(&world.commit_from(&stranger, at, COMMITMENT));
        }
        if let Some(outcome) = verdict {
            read(&world.verdict_from(&stranger, at, COMMITMENT, outcome, &everybody));
            if challenged {
                read(&world.challenge(&stranger, at));
                world.chain.warp(WINDOW).unwrap();
                read(&world.rule(&stranger, at, COMMITMENT, Outcome::Rejected, &everybody));
            }
            world.chain.warp(WINDOW + 1).unwrap();
            read(&world.push(&stranger, at, task::finalize(1).unwrap()));
        } else if id == 204 {
            world.chain.warp(STEP + 1).unwrap();
            read(&world.push(&stranger, at, task::expire(1).unwrap()));
        }
        for (share, from, to) in errand.parties() {
            let body = jetton_task::claim_share(1, share, &to).unwrap();
            let world = &mut errand.town.world;
            let receipt = world.call(&from, at, JETTON_PAY_VALUE, body);
            meter.read_at(&receipt, &at, jetton_task_budget);
        }
        errand.town.world.chain.warp(jetton_task::SETTLING_TIME).unwrap();
        let requestor = errand.town.world.requestor.clone();
        let sweep = jetton_task::sweep(1, Units::MAX).unwrap();
        let receipt = errand.town.world.call(&requestor, at, JETTON_PAY_VALUE, sweep);
        meter.read_at(&receipt, &at, jetton_task_budget);
        let receipt =
            errand.town.world.call(&requestor, at, COMMIT_VALUE, jetton_task::bury(1).unwrap());
        assert_eq!(failures(&receipt), [0; 0]);
        meter.read_at(&receipt, &at, jetton_task_budget);
    }
    // A refused reservation and a refused registration.
    errand.next(208, most / 8);
    errand.begin();
    errand.put_in(most / 8, JETTON_FORWARD);
    let at = errand.at;
    let wrong = errand.town.world.consent(at, PRICE, Nano::grams(9_999_999));
    let receipt = errand.town.world.assign_with(at, Nano::grams(9_999_999), wrong);
    assert_eq!(failures(&receipt), [109]);
    meter.read_all(receipt.transactions.iter(), jetton_task_budget);
    let owner = errand.town.world.owner.clone();
    errand.town.world.market_op(&owner, market::set_pause(1, true).unwrap());
    errand.next(209, most / 8);
    errand.begin();
    let receipt = errand.put_in(most / 8, JETTON_FORWARD);
    assert_eq!(failures(&receipt), [111]);
    meter.read_all(receipt.transactions.iter(), jetton_task_budget);
    errand.town.world.market_op(&owner, market::set_pause(1, false).unwrap());
    check_ways(&meter);
    assert_eq!(meter.0.len(), 29, "every step was measured");
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

/// A task in a jetton is the same steps in a longer code, which costs each of them 500 gas more than in
/// GRAM, where their budgets are from: each keeps 15 % of its own, and each way 20 % of all of its steps'.
fn check_ways(meter: &Meter) {
    for (name, (gas, limit)) in &meter.0 {
        println!("{name:<20} {gas:>8} {limit:>8}");
        assert!(gas * 20 <= limit * 17, "{name}: {gas} of {limit}");
    }
    for way in [
        &["take on", "assign", "reserve", "reserved"][..],
        &["finalize", "settle", "settled"],
        &["finalize", "slash", "slashed"],
        &["finalize", "release", "released"],
        &["begin", "answer", "notification", "register", "opened"],
    ] {
        let sum = |part: fn(&(u64, u64)) -> u64| way.iter().map(|name| part(&meter.0[name])).sum();
        let (gas, limit): (u64, u64) = (sum(|step| step.0), sum(|step| step.1));
        println!("{way:?}: {gas} of {limit}");
        assert!(gas * 5 <= limit * 4, "{way:?}: {gas} of {limit}");
    }
}
