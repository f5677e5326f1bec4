//! A stake alone: who may reserve, pay, cut and withdraw.

use fog_contracts::{
    Consent, consent_hash,
    stake::{self, StakeData},
    task::{self, TaskInit},
};
use fog_protocol::{Address, Hash32, Nano, PublicKey, SecretKey};
use tycho_types::cell::{Cell, CellBuilder};

use crate::{
    alone::{
        BURN, EVIDENCE, GRAM, MARKET, OPERATOR, OWNER, QUERY, REQUESTOR, STRANGER, session,
        stake_address, stake_alone, stake_init, task_init,
    },
    solo::{Ran, Sent, Solo, body, put_address, put_coins, put_hash},
    world::{PRICE, RESERVE, STEP, UNBONDING, WINDOW},
};

pub(crate) fn data(stake: &Solo) -> StakeData {
    StakeData::parse(&stake.stored()).unwrap()
}

pub(crate) fn consent_for(init: &TaskInit, now: u32) -> Consent {
    Consent {
        network: -3,
        stake: stake_address(),
        task: init.address().unwrap(),
        reserve: RESERVE,
        price: PRICE,
        valid_until: now + 300,
    }
}

/// A `Reserve` that says `said` and carries a signature over `signed`.
pub(crate) fn reserve_body(
    init: &TaskInit,
    said: &Consent,
    signed: &Consent,
    key: &SecretKey,
) -> Cell {
    let mut signature = CellBuilder::new();
    signature.store_raw(&key.sign(&consent_hash(signed).unwrap().0).0, 512).unwrap();
    body(stake::op::RESERVE, QUERY, |b| {
        put_coins(b, said.reserve);
        put_coins(b, said.price);
        b.store_u32(said.valid_until).unwrap();
        b.store_reference(signature.build().unwrap()).unwrap();
        b.store_reference(init.to_cell().unwrap()).unwrap();
    })
}

/// Reserves for task `id`, rightly.
pub(crate) fn reserve(stake: &mut Solo, id: u8) -> Ran {
    let init = task_init(id);
    let consent = consent_for(&init, stake.now);
    let body = reserve_body(&init, &consent, &consent, &session());
    stake.send(init.address().unwrap(), GRAM / 10, body)
}

/// A stake with a reservation for task 1, that task, and the stake's answer to it.
pub(crate) fn reserved_stake() -> (Solo, Address, Sent) {
    let mut stake = stake_alone();
    let ran = reserve(&mut stake, 1);
    assert_eq!(ran.exit, 0);
    let answer = ran.the(task::op::RESERVED).clone();
    (stake, task_init(1).address().unwrap(), answer)
}

pub(crate) fn slash_body(amount: Nano, share: Nano) -> Cell {
    body(stake::op::SLASH, QUERY, |b| {
        put_coins(b, amount);
        put_coins(b, share);
        put_hash(b, &EVIDENCE);
        put_address(b, STRANGER);
    })
}

pub(crate) fn settle_body(amount: Nano) -> Cell {
    body(stake::op::SETTLE, QUERY, |b| {
        put_coins(b, amount);
        put_address(b, STRANGER);
    })
}

pub(crate) fn release_body() -> Cell {
    body(stake::op::RELEASE, QUERY, |b| put_address(b, STRANGER))
}

fn refused(stake: &Solo, from: Address, body: Cell, code: i32, case: &str) {
    let mut stake = stake.clone();
    let before = stake.stored();
    let ran = stake.send(from, GRAM / 10, body);
    assert_eq!(ran.exit, code, "{case}");
    assert_eq!(stake.stored(), before, "{case}");
    assert!(ran.sent.is_empty(), "{case}");
}

#[test]
fn a_consent_binds_everything() {
    let stake = stake_alone();
    let init = task_init(1);
    let task = init.address().unwrap();
    let good = consent_for(&init, stake.now);
    let other = Address::basechain([0x77; 32]);
    let forgeries = [
        ("network", Consent { network: -239, ..good }),
        ("stake", Consent { stake: other, ..good }),
        ("task", Consent { task: task_init(2).address().unwrap(), ..good }),
        ("reserve", Consent { reserve: Nano::new(1), ..good }),
        ("price", Consent { price: Nano::new(1), ..good }),
        ("valid until", Consent { valid_until: good.valid_until + 1, ..good }),
    ];
    for (what, signed) in &forgeries {
        refused(&stake, task, reserve_body(&init, &good, signed, &session()), 105, what);
    }
    let stranger = SecretKey::from_seed(&[200; 32]);
    refused(&stake, task, reserve_body(&init, &good, &good, &stranger), 105, "key");
    let late = Consent { valid_until: stake.now - 1, ..good };
    refused(&stake, task, reserve_body(&init, &late, &late, &session()), 102, "expired");
    let mut stake = stake;
    let sent = stake.send(task, GRAM / 10, reserve_body(&init, &good, &good, &session()));
    assert_eq!(sent.exit, 0);
}

#[test]
fn only_a_genuine_task_of_this_market_reserves() {
    let stake = stake_alone();
    let init = task_init(1);
    let good = consent_for(&init, stake.now);
    let body = || reserve_body(&init, &good, &good, &session());
    // Not the task itself, or with somebody else's init, or on the masterchain.
    for fake in [REQUESTOR, OPERATOR, MARKET, OWNER, STRANGER] {
        refused(&stake, fake, body(), 108, "another sender");
    }
    let other = task_init(2);
    refused(&stake, other.address().unwrap(), body(), 108, "another task's init");
    let master = Address { workchain: -1, hash: init.address().unwrap().hash };
    refused(&stake, master, body(), 108, "the masterchain");
    // A real task, of a market that is not ours.
    let foreign = TaskInit { market: Address::basechain([0x66; 32]), ..init };
    let consent = consent_for(&foreign, stake.now);
    let address = foreign.address().unwrap();
    let body = reserve_body(&foreign, &consent, &consent, &session());
    refused(&stake, address, body, 108, "another market");
    // Code that is not the task's, with a genuine init.
    let mut fake = init.state_init().unwrap();
    fake.code = fog_contracts::stake_code().cell.clone().into();
    let cell = CellBuilder::build_from(&fake).unwrap();
    let address = Address::basechain(cell.repr_hash().0);
    refused(&stake, address, reserve_body(&init, &good, &good, &session()), 108, "other code");
}

#[test]
fn amounts_stay_within_the_free_stake() {
    let mut stake = stake_alone();
    let init = task_init(1);
    let task = init.address().unwrap();
    for amount in [Nano::ZERO, Nano::new(100 * GRAM + 1)] {
        let consent = Consent { reserve: amount, ..consent_for(&init, stake.now) };
        let body = reserve_body(&init, &consent, &consent, &session());
        refused(&stake, task, body, 109, "amount");
    }
    let unbond = stake::unbond(1, Nano::new(100 * GRAM - RESERVE.get() + 1)).unwrap();
    assert_eq!(stake.clone().send(OWNER, GRAM, unbond.clone()).exit, 0);
    // What unbonds cannot be reserved, and what is reserved cannot unbond.
    let mut unbonding = stake.clone();
    unbonding.send(OWNER, GRAM, unbond.clone());
    assert_eq!(reserve(&mut unbonding, 1).exit, 109);
    assert_eq!(reserve(&mut stake, 1).exit, 0);
    refused(&stake, OWNER, unbond, 109, "below what is reserved");
    // Twice for the same task.
    assert_eq!(reserve(&mut stake, 1).exit, 101);
}

/// Zero is a point of small order: anybody can make signatures that it verifies.
#[test]
fn without_a_session_key_nothing_is_reserved() {
    let init = stake_init();
    let mut stake = Solo::new(init.address().unwrap(), init.state_init().unwrap());
    let none = PublicKey(Hash32::default());
    let deposit = stake::deposit(1, Nano::grams(10), &none).unwrap();
    assert_eq!(stake.send(OWNER, 11 * GRAM, deposit).exit, 0);
    assert_eq!(reserve(&mut stake, 1).exit, 105);
    let mut armed = stake_alone();
    assert_eq!(armed.send(OWNER, GRAM, stake::set_session(1, &none).unwrap()).exit, 0);
    assert_eq!(reserve(&mut armed, 1).exit, 105);
}

#[test]
fn only_the_task_with_the_reservation_settles_slashes_and_releases() {
    let (stake, task, _) = reserved_stake();
    let second = task_init(2).address().unwrap();
    let master = Address { workchain: -1, hash: task.hash };
    for from in [STRANGER, OWNER, MARKET, OPERATOR, second, master] {
        refused(&stake, from, settle_body(Nano::ZERO), 108, "settle");
        refused(&stake, from, slash_body(RESERVE, Nano::ZERO), 108, "slash");
        refused(&stake, from, release_body(), 108, "release");
    }
    for body in [settle_body(Nano::ZERO), slash_body(RESERVE, Nano::ZERO), release_body()] {
        let mut stake = stake.clone();
        assert_eq!(stake.send(task, GRAM / 10, body).exit, 0);
        assert_eq!((data(&stake).reserved, data(&stake).reservations.len()), (Nano::ZERO, 0));
        // Once: whatever it says next is said by nobody.
        for again in [settle_body(Nano::ZERO), slash_body(RESERVE, Nano::ZERO), release_body()] {
            refused(&stake, task, again, 108, "a second end");
        }
    }
}

#[test]
fn a_slash_takes_no_more_than_the_reservation_and_burns_at_least_half() {
    let (stake, task, _) = reserved_stake();
    let nano = Nano::new;
    let half = RESERVE.get() / 2;
    for (amount, share, code) in [
        (RESERVE.get() + 1, 0, 109),
        (RESERVE.get(), half + 1, 109),
        (100, 51, 109),
        (RESERVE.get(), half, 0),
        (RESERVE.get(), 0, 0),
        (100, 50, 0),
        (0, 0, 0),
    ] {
        let body = slash_body(nano(amount), nano(share));
        if code != 0 {
            refused(&stake, task, body, code, "slash");
            continue;
        }
        let mut stake = stake.clone();
        let (balance, before) = (stake.balance, data(&stake));
        let ran = stake.send(task, GRAM / 10, body);
        assert_eq!(ran.exit, 0);
        // Explicit field and balance fall by the same, to the nanogram.
        assert_eq!(data(&stake).stake.get(), before.stake.get() - amount);
        assert_eq!(stake.balance, balance - amount);
        let burnt: u64 = ran.sent.iter().filter(|m| m.to == BURN).map(|m| m.value).sum();
        assert_eq!(burnt, amount - share);
        let back = ran.the(task::op::SLASHED);
        assert!(back.value > share && back.value < share + GRAM / 10);
    }
}

#[test]
fn a_payment_is_credited_to_the_nanogram() {
    let (mut stake, task, _) = reserved_stake();
    let balance = stake.balance;
    let amount = Nano::new(123_456_789);
    // The amount must have come along.
    refused(&stake, task, settle_body(Nano::new(GRAM)), 104, "an empty promise");
    let ran = stake.send(task, amount.get() + GRAM / 10, settle_body(amount));
    assert_eq!(ran.exit, 0);
    assert_eq!(data(&stake).earnings, amount);
    assert_eq!(stake.balance, balance + amount.get());
    let paid = stake.send(OWNER, GRAM / 10, stake::withdraw_earnings(1).unwrap());
    assert_eq!((paid.exit, data(&stake).earnings), (0, Nano::ZERO));
    assert!(paid.sent[0].value > amount.get());
    assert_eq!(stake.balance, balance);
}

#[test]
fn only_the_owner_commands_the_stake() {
    let (stake, task, _) = reserved_stake();
    let key = SecretKey::from_seed(&[1; 32]).public();
    let commands = || {
        [
            stake::deposit(1, Nano::new(1), &key).unwrap(),
            stake::set_session(1, &key).unwrap(),
            stake::unbond(1, Nano::new(1)).unwrap(),
            stake::withdraw(1).unwrap(),
            stake::withdraw_earnings(1).unwrap(),
        ]
    };
    for from in [STRANGER, MARKET, OPERATOR, REQUESTOR, task] {
        for command in commands() {
            refused(&stake, from, command, 100, "not the owner");
        }
    }
    refused(&stake, OWNER, stake::withdraw(1).unwrap(), 114, "nothing unbonds");
    refused(&stake, OWNER, stake::withdraw_earnings(1).unwrap(), 114, "nothing is earned");
    refused(&stake, OWNER, stake::unbond(1, Nano::ZERO).unwrap(), 109, "nothing");
    refused(&stake, OWNER, body(0x5300_00ff, 1, |_| ()), 0xffff, "no such word");
    for command in commands() {
        let mut longer = CellBuilder::new();
        longer.store_slice(command.as_slice().unwrap()).unwrap();
        longer.store_bit_one().unwrap();
        refused(&stake, OWNER, longer.build().unwrap(), 9, "something follows");
    }
}

#[test]
fn unbonding_takes_its_time() {
    let mut stake = stake_alone();
    let amount = Nano::grams(40);
    assert_eq!(stake.send(OWNER, GRAM / 10, stake::unbond(1, amount).unwrap()).exit, 0);
    let at = data(&stake).unbond_at;
    assert_eq!(at, stake.now + UNBONDING);
    stake.now = at - 1;
    refused(&stake, OWNER, stake::withdraw(1).unwrap(), 103, "a second too early");
    // More of it starts the one clock again.
    let mut more = stake.clone();
    assert_eq!(more.send(OWNER, GRAM / 10, stake::unbond(1, amount).unwrap()).exit, 0);
    assert_eq!(data(&more).unbond_at, more.now + UNBONDING);
    stake.now = at;
    let before = stake.balance;
    let ran = stake.send(OWNER, GRAM / 10, stake::withdraw(1).unwrap());
    assert_eq!((ran.exit, ran.sent[0].to), (0, OWNER));
    assert!(ran.sent[0].value > amount.get() && !ran.sent[0].bounce);
    assert_eq!(data(&stake).stake, Nano::grams(60));
    // Storage is due as well, after three hours.
    assert!(before - amount.get() - stake.balance < 1_000_000);
}

#[test]
fn a_deposit_must_bring_what_it_says_and_the_rent() {
    let mut stake = stake_alone();
    let key = session().public();
    let much = stake::deposit(1, Nano::grams(50), &key).unwrap();
    let before = stake.stored();
    assert_eq!(stake.clone().send(OWNER, 49 * GRAM, much.clone()).exit, 104);
    assert_eq!(stake.stored(), before);
    assert_eq!(stake.send(OWNER, 51 * GRAM, much).exit, 0);
    assert_eq!(data(&stake).stake, Nano::grams(150));
    // What is too much comes back, and the balance is what is owed and the rent.
    let rent = stake.balance - 150 * GRAM;
    assert!((300_000_000..450_000_000).contains(&rent), "{rent}");
}

/// A task that never came back: after its longest way and half a year anyone frees the reservation.
#[test]
fn stale_reservations_have_an_exit() {
    let (mut stake, task, _) = reserved_stake();
    let free = stake::free_stale(1, &task.hash).unwrap();
    refused(&stake, STRANGER, free.clone(), 103, "at once");
    stake.now += STEP + STEP + WINDOW + 180 * 86_400 - 1;
    refused(&stake, STRANGER, free.clone(), 103, "a second too early");
    stake.now += 1;
    let other = stake::free_stale(1, &Hash32([1; 32])).unwrap();
    refused(&stake, STRANGER, other, 114, "no such reservation");
    assert_eq!(stake.send(STRANGER, GRAM / 10, free.clone()).exit, 0);
    assert_eq!((data(&stake).reserved, data(&stake).stake), (Nano::ZERO, Nano::grams(100)));
    refused(&stake, STRANGER, free, 114, "twice");
    refused(&stake, task, slash_body(RESERVE, Nano::ZERO), 108, "a slash after that");
}

/// The base point and one: a signature that any message has for key zero, one time in four.
#[test]
fn signatures_that_anybody_can_make_for_key_zero_are_refused() {
    let init = stake_init();
    let mut stake = Solo::new(init.address().unwrap(), init.state_init().unwrap());
    let none = PublicKey(Hash32::default());
    assert_eq!(
        stake.send(OWNER, 11 * GRAM, stake::deposit(1, Nano::grams(10), &none).unwrap()).exit,
        0
    );
    let mut forged = [0x66; 64];
    forged[0] = 0x58;
    forged[32..].fill(0);
    forged[32] = 1;
    let task = task_init(1);
    for later in 0..32 {
        let mut signature = CellBuilder::new();
        signature.store_raw(&forged, 512).unwrap();
        let body = body(stake::op::RESERVE, QUERY, |b| {
            put_coins(b, RESERVE);
            put_coins(b, PRICE);
            b.store_u32(stake.now + later).unwrap();
            b.store_reference(signature.build().unwrap()).unwrap();
            b.store_reference(task.to_cell().unwrap()).unwrap();
        });
        refused(&stake, task.address().unwrap(), body, 105, "a forged signature");
    }
}

#[test]
fn with_too_little_for_the_answer_nothing_changes() {
    let mut fresh = stake_alone();
    let init = task_init(1);
    let consent = consent_for(&init, fresh.now);
    let body = reserve_body(&init, &consent, &consent, &session());
    let before = fresh.stored();
    let ran = fresh.send(init.address().unwrap(), 12_000_000, body);
    assert_eq!((ran.exit, fresh.stored()), (104, before));
    let (mut stake, task, _) = reserved_stake();
    let before = stake.stored();
    let ran = stake.send(task, 9_000_000, slash_body(RESERVE, Nano::ZERO));
    assert_eq!((ran.exit, &stake.stored()), (104, &before));
    stake.now += 200 * 86_400;
    let ran = stake.send(STRANGER, 3_500_000, stake::free_stale(1, &task.hash).unwrap());
    assert_eq!((ran.exit, &stake.stored()), (104, &before));
}

#[test]
fn a_stake_is_worth_something_and_lives_on_the_basechain() {
    let key = session().public();
    let nothing = stake::deposit(1, Nano::ZERO, &key).unwrap();
    refused(&stake_alone(), OWNER, nothing, 104, "nothing");
    let good = stake_init();
    for init in [
        stake::StakeInit { market: Address { workchain: -1, ..good.market }, ..good },
        stake::StakeInit { owner: Address { workchain: -1, ..good.owner }, ..good },
    ] {
        let mut solo = Solo::new(init.address().unwrap(), init.state_init().unwrap());
        let deposit = stake::deposit(1, Nano::grams(1), &key).unwrap();
        assert_eq!(solo.send(init.owner, 2 * GRAM, deposit).exit, 116);
    }
}
