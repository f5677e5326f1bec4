//! The least that must be attached to a task in a jetton, one nanogram less, and one more; years of
//! rent.

use fog_contracts::{
    JETTON_FORWARD, TaskState,
    jetton_task::{self, Share},
    task::{self, Outcome},
};
use fog_protocol::{Hash32, Nano};
use fog_testnet::chain::Receipt;
use tycho_types::cell::Cell;

use super::kit::{Errand, UNITS, begin_body, claim, fresh, paid, refunded};
use crate::{
    alone::{Kind, OWNER, REQUESTOR, task_of},
    jettons::{
        kit::{WALLET, plain_notification},
        real::Make,
    },
    world::{PRICE, WINDOW, failures, ours, std},
};

const COMMITMENT: Hash32 = Hash32([0x11; 32]);
const YEAR: u32 = 365 * 24 * 3600;

/// Everything of a life with nothing but the least, each step with one nanogram less refused first.
fn step(errand: &mut Errand, least: u64, act: &dyn Fn(&mut Errand) -> Receipt) {
    errand.town.world.attach = Some(least - 1);
    assert_eq!(failures(&act(errand)), [104], "one less than {least}");
    errand.town.world.attach = Some(least);
    let receipt = act(errand);
    assert_eq!(failures(&receipt), [0; 0], "exactly {least}");
    let codes = receipt.transactions.iter().map(|tx| tx.action_code().unwrap().unwrap_or(0));
    assert!(codes.clone().all(|code| code == 0), "{least}");
    errand.town.world.assert_conserved();
}

fn market(errand: &Errand, index: usize) -> u64 {
    let world = &errand.town.world;
    let argument = [fog_testnet::chain::StackItem::int(2)];
    let at = std(&world.market);
    let output = world.chain.run_get_method(&at, "attached_values", &argument).unwrap();
    u64::try_from(output.stack[index].as_int().unwrap()).unwrap()
}

#[test]
fn the_least_carries_every_step_of_a_whole_life() {
    for (make, outcome, end) in [
        (Make::Reference, Outcome::Accepted, TaskState::Paid),
        (Make::Governed, Outcome::Accepted, TaskState::Paid),
        (Make::Reference, Outcome::Rejected, TaskState::Slashed),
        (Make::Governed, Outcome::Undelivered, TaskState::Late),
    ] {
        let twin = Errand::open(make);
        let [begin, share, bury, jettons] = twin.values();
        let mut errand = Errand::new(make);
        // The first message deploys, whether it is taken or not.
        step(&mut errand, begin, &|errand| errand.begin());
        // With a nanogram less for the way the jettons come without a word, and count nowhere.
        assert_eq!(failures(&errand.put_in(UNITS, Nano::new(jettons))), [0; 0]);
        assert_eq!(errand.data().task.state, TaskState::Open);
        let at = errand.at;
        step(&mut errand, market(&twin, 1), &|errand| errand.town.world.assign(at));
        step(&mut errand, market(&twin, 2), &|errand| {
            let stranger = errand.town.world.stranger.clone();
            errand.town.world.commit_from(&stranger, at, COMMITMENT)
        });
        step(&mut errand, market(&twin, 3), &|errand| {
            let stranger = errand.town.world.stranger.clone();
            errand.town.world.verdict_from(&stranger, at, COMMITMENT, outcome, &[0, 1])
        });
        errand.town.world.chain.warp(WINDOW + 1).unwrap();
        step(&mut errand, market(&twin, 4), &|errand| {
            let stranger = errand.town.world.stranger.clone();
            errand.town.world.push(&stranger, at, task::finalize(1).unwrap())
        });
        assert_eq!(errand.data().task.state, end);
        for (who, from, to) in errand.parties() {
            if errand.data().money.unwrap().dues.of(who).get() == 0 {
                continue;
            }
            step(&mut errand, share, &|errand| {
                let body = jetton_task::claim_share(1, who, &to).unwrap();
                errand.town.world.call(&from, at, Nano::ZERO, body)
            });
        }
        assert_eq!(errand.town.jettons(&at), 0);
        errand.town.world.chain.warp(jetton_task::SETTLING_TIME).unwrap();
        step(&mut errand, bury, &|errand| {
            let requestor = errand.town.world.requestor.clone();
            errand.town.world.call(&requestor, at, Nano::ZERO, jetton_task::bury(1).unwrap())
        });
        errand.assert_conserved();
    }
}

#[test]
fn the_least_carries_every_expiry_and_cancellation() {
    for (to, end) in [
        (TaskState::Created, TaskState::Refunded),
        (TaskState::Open, TaskState::Refunded),
        (TaskState::Assigned, TaskState::Late),
        (TaskState::Committed, TaskState::Refunded),
    ] {
        let mut errand = if to == TaskState::Created {
            Errand::new(Make::Reference)
        } else {
            Errand::open(Make::Reference)
        };
        let at = errand.at;
        if to == TaskState::Created {
            errand.begin();
            let requestor = errand.town.world.requestor.clone();
            let body = task::cancel(1).unwrap();
            assert_eq!(errand.say(&requestor, Nano::new(20_000_000), body), [0; 0]);
        } else {
            if to != TaskState::Open {
                errand.town.world.assign(at);
            }
            if to == TaskState::Committed {
                errand.town.world.commit(at, COMMITMENT);
            }
            errand.town.world.chain.warp(crate::world::STEP + 1).unwrap();
            let least = market(&errand, 4);
            step(&mut errand, least, &|errand| {
                let stranger = errand.town.world.stranger.clone();
                errand.town.world.push(&stranger, at, task::expire(1).unwrap())
            });
        }
        assert_eq!(errand.data().task.state, end);
    }
}

/// With too little for the gas of the check itself nothing happens either.
#[test]
fn starved_messages_change_nothing() {
    let ended = task_of(Kind::InJetton, TaskState::Paid);
    let body = jetton_task::claim_share(1, Share::Worker, &OWNER).unwrap();
    for value in [0, 1, 100_000, 400_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000, 50_000_000] {
        for (at, from, body) in [
            (&ended, OWNER, body.clone()),
            (&ended, REQUESTOR, jetton_task::bury(1).unwrap()),
            (&ended, WALLET, plain_notification(5)),
            (&super::kit::waiting(), WALLET, plain_notification(UNITS)),
            (&fresh(), REQUESTOR, begin_body()),
        ] {
            let mut solo = at.clone();
            let ran = solo.send(from, value, body);
            let same = solo.stored() == at.stored() && ran.sent.is_empty();
            assert!(ran.exit == 0 || same, "{value} from {from}: {}", ran.exit);
        }
    }
}

/// What is attached to a claim pays for it, and nothing of the rent does.
#[test]
fn claims_take_nothing_of_the_rent() {
    let at = task_of(Kind::InJetton, TaskState::Paid);
    for value in [70_000_000, 100_000_000, 1_000_000_000] {
        let mut solo = at.clone();
        let body = jetton_task::claim_share(1, Share::Worker, &OWNER).unwrap();
        assert_eq!(solo.send(OWNER, value, body).exit, 0);
        assert!(solo.balance >= at.balance, "{value}");
    }
}

#[test]
fn after_five_years_everybody_still_has_what_is_theirs() {
    for make in Make::ALL {
        let mut errand = Errand::open(make);
        let at = errand.at;
        errand.town.world.assign(at);
        errand.town.world.commit(at, COMMITMENT);
        errand.town.world.verdict(at, COMMITMENT, Outcome::Accepted, &[0, 1]);
        errand.town.world.chain.warp(WINDOW + 1).unwrap();
        let stranger = errand.town.world.stranger.clone();
        errand.town.world.push(&stranger, at, task::finalize(1).unwrap());
        errand.town.world.chain.warp(5 * YEAR).unwrap();
        let shares = paid(&errand.task, PRICE);
        let got = errand.claim_all();
        let meant = [shares.requestor, shares.worker, shares.treasury, shares.node];
        assert_eq!(got, meant.map(fog_contracts::Units::get));
        errand.bury();
        errand.assert_conserved();
    }
}

/// After ten its rent is used up, and it is frozen: nothing is lost, anybody may wake it.
#[test]
fn after_ten_years_a_task_is_woken_and_pays() {
    for make in Make::ALL {
        let mut errand = Errand::open(make);
        assert_eq!(errand.expire(), [0; 0]);
        let at = errand.at;
        let asleep = errand.town.state_of(&at);
        errand.town.world.chain.warp(12 * YEAR).unwrap();
        let requestor = errand.town.world.requestor.clone();
        let to = ours(&requestor.address);
        errand.claim(&requestor, Share::Requestor, to);
        assert!(errand.town.world.chain.account(&std(&at)).unwrap().frozen_hash.is_some());
        let stranger = errand.town.world.stranger.clone();
        errand.town.wake(&stranger, &at, asleep, Cell::default());
        assert_eq!(errand.data().money.unwrap().dues, refunded(UNITS));
        assert_eq!(errand.claim(&requestor, Share::Requestor, to), [0; 0]);
        assert_eq!(errand.town.jettons(&at), 0);
    }
}

/// Jettons that come with a nanogram forwarded too little are swept; the task is none the worse.
#[test]
fn too_little_forwarded_is_no_word() {
    let mut errand = Errand::new(Make::Reference);
    errand.begin();
    for forward in [1, 400_000, 2_000_000] {
        errand.put_in(UNITS, Nano::new(forward));
        assert_eq!(errand.data().task.state, TaskState::Created, "{forward}");
    }
    assert_eq!(failures(&errand.put_in(UNITS, JETTON_FORWARD)), [0; 0]);
    assert_eq!(errand.data().task.state, TaskState::Open);
    let mut solo = task_of(Kind::InJetton, TaskState::Paid);
    assert_eq!(claim(&mut solo, OWNER, Share::Worker, OWNER).exit, 0);
}
