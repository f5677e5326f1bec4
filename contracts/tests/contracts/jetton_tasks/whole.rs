//! Whole lives with real jettons of both kinds.

use fog_contracts::{
    JETTON_FORWARD, TaskState,
    jetton_task::{self, Shares},
    task::{self, Outcome},
};
use fog_protocol::{Hash32, Nano};

use super::kit::{Errand, UNITS, paid, refunded};
use crate::{
    jettons::{kit::RICH, real::Make},
    world::{APPEAL, BOND, PRICE, RESERVE, WINDOW, failures, ours, std},
};

const COMMITMENT: Hash32 = Hash32([0x11; 32]);

fn each(test: impl Fn(Errand)) {
    for make in Make::ALL {
        test(Errand::open(make));
    }
}

/// Assigned, committed and judged.
fn judged(errand: &mut Errand, outcome: Outcome) {
    let (world, at) = (&mut errand.town.world, errand.at);
    for receipt in [
        world.assign(at),
        world.commit(at, COMMITMENT),
        world.verdict(at, COMMITMENT, outcome, &[0, 1]),
    ] {
        assert_eq!(failures(&receipt), [0; 0]);
    }
}

fn finalize(errand: &mut Errand) {
    errand.town.world.chain.warp(WINDOW + 1).unwrap();
    let stranger = errand.town.world.stranger.clone();
    let body = task::finalize(1).unwrap();
    assert_eq!(errand.say(&stranger, fog_contracts::END_VALUE, body), [0; 0]);
}

/// Everybody has what the shares say, to the unit, and nothing is left.
fn assert_shared(errand: &mut Errand, shares: Shares) {
    assert_eq!(errand.data().money.unwrap().dues, shares);
    errand.assert_conserved();
    let got = errand.claim_all();
    let meant = [shares.requestor, shares.worker, shares.treasury, shares.node];
    assert_eq!(got, meant.map(fog_contracts::Units::get));
    assert_eq!(errand.town.jettons(&errand.at), 0);
    errand.assert_conserved();
    errand.bury();
    errand.assert_conserved();
}

#[test]
fn accepted_work_is_paid_in_the_jetton_to_the_unit() {
    each(|mut errand| {
        let told = errand.data().money.unwrap().wallet;
        assert_eq!(told, Some(errand.town.jetton.wallet_of(&errand.town.world.chain, &errand.at)));
        judged(&mut errand, Outcome::Accepted);
        assert_eq!(errand.town.world.stake().reserved, RESERVE);
        assert_eq!(errand.town.world.bond().reserved, PRICE);
        finalize(&mut errand);
        assert_eq!(errand.data().task.state, TaskState::Paid);
        // No GRAM was earned by anybody, and everything is free again.
        let (stake, bond) = (errand.town.world.stake(), errand.town.world.bond());
        assert_eq!((stake.earnings, stake.reserved), (Nano::ZERO, Nano::ZERO));
        assert_eq!((bond.bond, bond.reserved), (BOND, Nano::ZERO));
        let shares = paid(&errand.task, PRICE);
        assert_eq!((shares.sum().get(), shares.requestor.get()), (UNITS, 0));
        assert_shared(&mut errand, shares);
    });
}

/// A wrong result costs its worker GRAM, as everywhere; the jettons all come back.
#[test]
fn a_slash_is_in_gram_and_the_price_comes_back_in_the_jetton() {
    each(|mut errand| {
        judged(&mut errand, Outcome::Rejected);
        let requestor = ours(&errand.town.world.requestor.address);
        let before = errand.town.world.balance(&requestor);
        finalize(&mut errand);
        assert_eq!(errand.data().task.state, TaskState::Slashed);
        let world = &errand.town.world;
        assert_eq!(world.stake().stake, Nano::grams(100).saturating_sub(RESERVE));
        let gained = world.balance(&requestor) - before;
        assert!(gained >= RESERVE.get() / 2, "{gained}");
        assert_shared(&mut errand, refunded(UNITS));
    });
}

#[test]
fn no_verdict_in_time_costs_the_node_the_guarantee() {
    each(|mut errand| {
        let at = errand.at;
        errand.town.world.assign(at);
        errand.town.world.commit(at, COMMITMENT);
        let worker = ours(&errand.town.world.worker.address);
        let before = errand.town.world.balance(&worker);
        assert_eq!(errand.expire(), [0; 0]);
        assert_eq!(errand.data().task.state, TaskState::Refunded);
        // Less the rent of its own wallet.
        let paid = errand.town.world.balance(&worker) - before;
        assert!(paid > PRICE.get() - 100_000 && paid <= PRICE.get(), "{paid}");
        assert_eq!(errand.town.world.bond().bond, BOND.saturating_sub(PRICE));
        assert_shared(&mut errand, refunded(UNITS));
    });
}

#[test]
fn no_commitment_in_time_and_nobody_who_bids() {
    each(|mut errand| {
        let at = errand.at;
        errand.town.world.assign(at);
        assert_eq!(errand.expire(), [0; 0]);
        assert_eq!(errand.data().task.state, TaskState::Late);
        assert_shared(&mut errand, refunded(UNITS));
    });
    each(|mut errand| {
        assert_eq!(errand.expire(), [0; 0]);
        assert_eq!(errand.data().task.state, TaskState::Refunded);
        assert_shared(&mut errand, refunded(UNITS));
    });
}

#[test]
fn a_ruling_turns_a_verdict_here_too() {
    each(|mut errand| {
        judged(&mut errand, Outcome::Rejected);
        let (stranger, at) = (errand.town.world.stranger.clone(), errand.at);
        let world = &mut errand.town.world;
        assert_eq!(failures(&world.challenge(&stranger, at)), [0; 0]);
        world.chain.warp(WINDOW + 1).unwrap();
        let receipt = world.rule(&stranger, at, COMMITMENT, Outcome::Accepted, &[0, 1, 2]);
        assert_eq!(failures(&receipt), [0; 0]);
        finalize(&mut errand);
        assert_eq!(errand.data().task.state, TaskState::Paid);
        let shares = paid(&errand.task, PRICE);
        assert_shared(&mut errand, shares);
    });
    // Nobody rules: the verdict stands.
    each(|mut errand| {
        judged(&mut errand, Outcome::Accepted);
        let (stranger, at) = (errand.town.world.stranger.clone(), errand.at);
        errand.town.world.challenge(&stranger, at);
        errand.town.world.chain.warp(WINDOW + APPEAL + 1).unwrap();
        let body = task::expire(1).unwrap();
        assert_eq!(errand.say(&stranger, fog_contracts::END_VALUE, body), [0; 0]);
        finalize(&mut errand);
        let shares = paid(&errand.task, PRICE);
        assert_shared(&mut errand, shares);
    });
}

/// Any part of the price pays its part of the units, rounded down, and the rest is the requestor's.
#[test]
fn a_lower_price_pays_its_part() {
    for price in [1, 2, 333_333_334, 999_999_999] {
        let mut errand = Errand::open(Make::Reference);
        let price = Nano::new(price);
        let (at, worker) = (errand.at, ours(&errand.town.world.worker.address));
        let world = &mut errand.town.world;
        let consent = world.consent(at, price, RESERVE);
        let valid_until = world.chain.now() + 300;
        let assign = task::Assign { owner: worker, price, reserve: RESERVE, valid_until, consent };
        let operator = world.operator.clone();
        assert_eq!(failures(&world.take_on(&operator, at, &assign)), [0; 0]);
        world.commit(at, COMMITMENT);
        let body = {
            let terms = fog_contracts::VerdictTerms {
                network: -3,
                task: at,
                stake: world.stake.address().unwrap(),
                price,
                commitment: COMMITMENT,
                outcome: Outcome::Accepted,
                evidence: Hash32([0xab; 32]),
                valid_until,
            };
            let hash = fog_contracts::verdict_hash(&terms).unwrap();
            let sign = |index: u8| (index, world.verifiers[usize::from(index)].sign(&hash.0));
            let signatures = [sign(0), sign(1)].into_iter().collect();
            let (outcome, evidence) = (terms.outcome, terms.evidence);
            task::verdict(1, &task::Verdict { outcome, evidence, valid_until, signatures }).unwrap()
        };
        assert_eq!(errand.say(&operator, fog_contracts::END_VALUE, body), [0; 0]);
        finalize(&mut errand);
        let shares = paid(&errand.task, price);
        let exact = UNITS * u128::from(price.get()) / u128::from(PRICE.get());
        assert_eq!(UNITS - shares.requestor.get(), exact);
        assert_shared(&mut errand, shares);
    }
}

#[test]
fn it_starts_when_all_of_it_is_there_and_the_surplus_is_the_requestors_at_once() {
    for make in Make::ALL {
        let mut errand = Errand::new(make);
        assert_eq!(failures(&errand.begin()), [0; 0]);
        for part in [1, UNITS - 2] {
            assert_eq!(failures(&errand.put_in(part, JETTON_FORWARD)), [0; 0]);
            assert_eq!(errand.data().task.state, TaskState::Created);
        }
        assert_eq!(failures(&errand.put_in(1 + 500, JETTON_FORWARD)), [0; 0]);
        assert_eq!(errand.data().task.state, TaskState::Open);
        let requestor = errand.town.world.requestor.clone();
        let to = ours(&requestor.address);
        let had = errand.town.jettons(&to);
        assert_eq!(errand.claim(&requestor, jetton_task::Share::Requestor, to), [0; 0]);
        assert_eq!(errand.town.jettons(&to), had + 500);
        // What comes later is not lost either.
        assert_eq!(failures(&errand.put_in(77, JETTON_FORWARD)), [0; 0]);
        assert_eq!(errand.expire(), [0; 0]);
        assert_shared(&mut errand, refunded(UNITS + 77));
        assert_eq!(errand.town.jettons(&to), RICH);
    }
}

/// The requestor is out at any time before the task is assigned, with all its jettons.
#[test]
fn a_requestor_that_thinks_better_of_it() {
    for make in Make::ALL {
        for put_in in [0, UNITS / 2, UNITS] {
            let mut errand = Errand::new(make);
            errand.begin();
            if put_in > 0 {
                errand.put_in(put_in, JETTON_FORWARD);
            }
            let requestor = errand.town.world.requestor.clone();
            let body = task::cancel(1).unwrap();
            assert_eq!(errand.say(&requestor, fog_contracts::END_VALUE, body), [0; 0]);
            assert_eq!(errand.data().task.state, TaskState::Refunded);
            // What was still on its way.
            assert_eq!(failures(&errand.put_in(9, JETTON_FORWARD)), [0; 0]);
            assert_shared(&mut errand, refunded(put_in + 9));
        }
    }
}

/// Jettons that came without a word are counted nowhere; when all is over they are the requestor's.
#[test]
fn what_came_without_a_word_is_swept_in_the_end() {
    each(|mut errand| {
        for forward in [Nano::ZERO, Nano::new(1)] {
            errand.put_in(1_000, forward);
        }
        let requestor = errand.town.world.requestor.clone();
        let sweep = |errand: &mut Errand, from: &_, amount| {
            let body = jetton_task::sweep(1, fog_contracts::Units::new(amount).unwrap()).unwrap();
            errand.say(from, fog_contracts::JETTON_PAY_VALUE, body)
        };
        assert_eq!(sweep(&mut errand, &requestor, 2_000), [101], "while it is open");
        assert_eq!(errand.expire(), [0; 0]);
        assert_eq!(sweep(&mut errand, &requestor, 2_000), [103], "right after the end");
        errand.claim_all();
        assert_eq!(sweep(&mut errand, &requestor, 2_000), [103], "while something may come back");
        errand.town.world.chain.warp(jetton_task::SETTLING_TIME).unwrap();
        let stranger = errand.town.world.stranger.clone();
        assert_eq!(sweep(&mut errand, &stranger, 2_000), [100]);
        assert_eq!(sweep(&mut errand, &requestor, 0), [114]);
        assert!(!sweep(&mut errand, &requestor, 2_001).is_empty(), "more than there is");
        assert_eq!(sweep(&mut errand, &requestor, 2_000), [0; 0]);
        assert_eq!(errand.town.jettons(&errand.at), 0);
        errand.bury();
        // Nothing is taken any more, and nothing is there to be had.
        assert_eq!(
            errand.say(&requestor, fog_contracts::END_VALUE, task::expire(1).unwrap()),
            [101]
        );
        let view = errand.town.world.chain.account(&std(&errand.at)).unwrap();
        assert!(view.balance < 40_000_000, "{}", view.balance);
        errand.assert_conserved();
    });
}

/// A market that takes no tasks gives everything back.
#[test]
fn a_refused_registration_gives_all_back() {
    for make in Make::ALL {
        let mut errand = Errand::new(make);
        let owner = errand.town.world.owner.clone();
        let pause = fog_contracts::market::set_pause(1, true).unwrap();
        errand.town.world.market_op(&owner, pause);
        errand.begin();
        assert_eq!(failures(&errand.put_in(UNITS, JETTON_FORWARD)), [111]);
        assert_eq!(errand.data().task.state, TaskState::Refunded);
        assert_shared(&mut errand, refunded(UNITS));
    }
}
