//! Contracts that wait for an answer, one at a time.

use fog_contracts::{
    TaskState as S, channel::Purpose, delegation, jetton, market, stake, task, task::Outcome,
};
use fog_protocol::{Address, Nano};

use super::{ALL_BY_THE_CHAIN, BY_THE_CHAIN, Case, Keeps, NOTHING, NUMBERED, STEP};
use crate::{
    alone::{
        CHALLENGER, GRAM, Kind, MARKET, OPERATOR, OWNER, Place, QUERY, REQUESTOR, STRANGER, Word,
        data, say, speaker, stake_address, task_of,
    },
    delegations::{STAKER, held, holding, joined, left},
    jetton_tasks::kit as errands,
    jettons::kit as channels,
    operators,
    solo::{Solo, body, put_address},
    stakes::reserved_stake,
    world::PRICE,
};

/// Whoever might throw something back, or say that it was.
pub(super) const EVERYBODY: [Address; 8] = [
    STRANGER,
    OPERATOR,
    OWNER,
    REQUESTOR,
    CHALLENGER,
    MARKET,
    STAKER,
    Address::basechain([0x77; 32]),
];

const KINDS: [Kind; 2] = [Kind::Judged, Kind::InJetton];

fn case(
    name: &'static str,
    (waiting, message): (Solo, crate::solo::Sent),
    moves_on: fn(&mut Solo),
    keeps: Keeps,
) -> Case {
    Case { name, waiting, message, moves_on, keeps }
}

/// A task after this word, said when it is time.
fn after(mut solo: Solo, word: Word, op: u32) -> (Solo, crate::solo::Sent) {
    if matches!(word, Word::Finalize | Word::Expire) {
        solo.now = data(&solo).deadline + 1;
    }
    let message = say(&mut solo, word, speaker(word)).the(op).clone();
    (solo, message)
}

fn answered(solo: &mut Solo, word: Word) {
    assert_eq!(say(solo, word, speaker(word)).exit, 0);
}

// ---- tasks -------------------------------------------------------------------------------------

pub(super) fn register() -> Vec<Case> {
    let sent = after(task_of(Kind::Judged, S::Created), Word::Fund, market::op::REGISTER);
    vec![case("funded", sent, |solo| answered(solo, Word::Opened), STEP)]
}

pub(super) fn register_paid() -> Vec<Case> {
    let mut solo = errands::waiting();
    let message = errands::put_in(&mut solo, errands::UNITS).the(market::op::REGISTER).clone();
    vec![case("paid", (solo, message), |solo| answered(solo, Word::Opened), STEP)]
}

pub(super) fn reserve() -> Vec<Case> {
    let of = |kind| {
        let sent = after(task_of(kind, S::Open), Word::Assign, stake::op::RESERVE);
        case("assigned", sent, |solo| answered(solo, Word::Reserved), STEP)
    };
    KINDS.map(of).into()
}

pub(super) fn settle() -> Vec<Case> {
    let of = |kind| {
        let sent = after(task_of(kind, S::Accepted), Word::Finalize, stake::op::SETTLE);
        case("accepted", sent, |solo| answered(solo, Word::Settled), STEP)
    };
    let mut all: Vec<_> = KINDS.map(of).into();
    for (name, kind, from) in
        [("proven", Kind::Proven, S::Assigned), ("overruled", Kind::Overruled, S::Disputed)]
    {
        let sent = after(task_of(kind, from), Word::Prove, stake::op::SETTLE);
        all.push(case(name, sent, |solo| answered(solo, Word::Settled), STEP));
    }
    all
}

/// For a wrong result, for one that was never handed over, for one that never came.
pub(super) fn slash() -> Vec<Case> {
    let mut all = Vec::new();
    for kind in KINDS {
        let judged = |verdict| Place { kind, state: S::Rejected, verdict }.task();
        for (name, start, word) in [
            ("wrong", judged(Outcome::Rejected), Word::Finalize),
            ("undelivered", judged(Outcome::Undelivered), Word::Finalize),
            ("late", task_of(kind, S::Assigned), Word::Expire),
        ] {
            let sent = after(start, word, stake::op::SLASH);
            all.push(case(name, sent, |solo| answered(solo, Word::Slashed), STEP));
        }
    }
    all
}

pub(super) fn release() -> Vec<Case> {
    let of = |kind| {
        let sent = after(task_of(kind, S::Committed), Word::Expire, stake::op::RELEASE);
        case("no verdict", sent, |solo| answered(solo, Word::Released), STEP)
    };
    KINDS.map(of).into()
}

// ---- a stake, a delegation, a bond -------------------------------------------------------------

pub(super) fn reserved() -> Vec<Case> {
    let (stake, _, answer) = reserved_stake();
    vec![case("reserved", (stake, answer), released, STEP)]
}

/// The task took it, and gave it back.
fn released(stake: &mut Solo) {
    let told = body(stake::op::RELEASE, QUERY, |b| put_address(b, STRANGER));
    let task = crate::alone::task_init(1).address().unwrap();
    assert_eq!(stake.send(task, GRAM / 10, told).exit, 0);
}

fn delegation(told: tycho_types::cell::Cell, op: u32) -> (Solo, crate::solo::Sent) {
    let mut solo = holding(2);
    let ran = solo.send(STAKER, 51 * GRAM, told);
    (solo, ran.the(op).clone())
}

pub(super) fn join() -> Vec<Case> {
    let told = delegation::delegate(QUERY, Nano::grams(50), 1000).unwrap();
    let sent = delegation(told, stake::op::JOIN);
    vec![case("delegated", sent, |solo| from_stake(solo, joined(5)), NOTHING)]
}

pub(super) fn leave() -> Vec<Case> {
    let sent = delegation(delegation::undelegate(QUERY, 400).unwrap(), stake::op::LEAVE);
    vec![case("undelegated", sent, |solo| from_stake(solo, left(400, 9)), BY_THE_CHAIN)]
}

/// The payout goes to the staker; the delegation hears nothing of it, and goes on.
pub(super) fn redeem() -> Vec<Case> {
    let sent = delegation(delegation::claim(QUERY).unwrap(), stake::op::REDEEM);
    vec![case("claimed", sent, |solo| from_stake(solo, left(10, 9)), BY_THE_CHAIN)]
}

fn from_stake(solo: &mut Solo, told: tycho_types::cell::Cell) {
    assert_eq!(solo.send(stake_address(), GRAM / 2, told).exit, 0);
}

/// The bond has another task's assignment, too.
pub(super) fn assign() -> Vec<Case> {
    let mut bond = operators::bonded();
    assert_eq!(operators::take_on(&mut bond, 2, PRICE).exit, 0);
    let message = operators::take_on(&mut bond, 1, PRICE).the(task::op::ASSIGN).clone();
    vec![case("taken on", (bond, message), ended, ALL_BY_THE_CHAIN)]
}

fn ended(bond: &mut Solo) {
    let freed = operators::freed(1, PRICE, Nano::ZERO);
    assert_eq!(operators::free(bond, &freed).exit, 0);
}

// ---- jettons -----------------------------------------------------------------------------------

pub(super) fn question() -> Vec<Case> {
    let of = |purpose| {
        let channel = channels::channel(purpose);
        let mut solo = channels::fresh(&channel);
        let question = channels::ask(&mut solo, STRANGER).the(jetton::op::PROVIDE_WALLET).clone();
        case("asked", (solo, question), known, NOTHING)
    };
    Purpose::ALL.map(of).into()
}

pub(super) fn tasks_question() -> Vec<Case> {
    let mut solo = errands::fresh();
    let question = errands::begin(&mut solo).the(jetton::op::PROVIDE_WALLET).clone();
    vec![case("begun", (solo, question), known, NOTHING)]
}

fn known(solo: &mut Solo) {
    let told = channels::answer(Some(channels::WALLET));
    assert_eq!(solo.send(channels::MASTER, GRAM / 100, told).exit, 0);
}

pub(super) fn transfer() -> Vec<Case> {
    let transfer = jetton::op::TRANSFER;
    let mut all: Vec<_> = Purpose::ALL
        .map(|purpose| {
            let channel = channels::channel(purpose);
            let mut solo = channels::funded(&channel);
            let sent = channels::pay(&mut solo, &channel, channels::ONE, 1).the(transfer).clone();
            case("redeemed", (solo, sent), pay_in, NUMBERED)
        })
        .into();
    for (share, owner) in [
        (fog_contracts::jetton_task::Share::Worker, OWNER),
        (fog_contracts::jetton_task::Share::Node, OPERATOR),
    ] {
        let mut solo = task_of(Kind::InJetton, S::Paid);
        let sent = errands::claim(&mut solo, owner, share, owner).the(transfer).clone();
        all.push(case("claimed", (solo, sent), pay_in, NUMBERED));
    }
    all
}

/// More jettons come meanwhile.
fn pay_in(solo: &mut Solo) {
    assert_eq!(channels::put_in(solo, 3).exit, 0);
}

// ---- what the chain alone keeps from happening -------------------------------------------------

/// A second bounce of one assignment would free another one's price, and a third has nothing to free.
#[test]
fn a_second_bounce_would_free_another_assignments_price() {
    let Case { waiting: mut bond, message, .. } = assign().remove(0);
    let reserved = |bond: &Solo| operators::data(bond).reserved.get();
    assert_eq!(reserved(&bond), 2 * PRICE.get());
    for (exit, left) in [(0, PRICE.get()), (0, 0), (5, 0)] {
        assert_eq!(super::throw_back(&mut bond, message.to, &message).exit, exit);
        assert_eq!(reserved(&bond), left);
    }
    // Never less than nothing, and no money moves.
    assert!(bond.balance >= operators::data(&bond).bond.get());
    // The other's end, which the chain did keep, then finds nothing reserved.
    let freed = operators::freed(2, PRICE, Nano::ZERO);
    assert_eq!(operators::free(&mut bond, &freed).exit, 5);
}

/// A second bounce of one undelegation would double its shares here; the stake, which has the money, knows
/// how many there are and pays no more.
#[test]
fn a_second_bounce_would_make_shares_that_no_stake_redeems() {
    let Case { waiting: mut solo, message, .. } = leave().remove(0);
    assert_eq!(held(&solo).shares, 600);
    super::throw_back(&mut solo, message.to, &message);
    assert_eq!(held(&solo).shares, 1000);
    super::throw_back(&mut solo, message.to, &message);
    assert_eq!(held(&solo).shares, 1400);
    let mut stake = crate::alone::stake_alone();
    let before = stake.stored();
    let asked = body(stake::op::LEAVE, QUERY, |b| {
        b.store_u128(1400).unwrap();
        put_address(b, STAKER);
    });
    let ran = stake.send(solo.address, GRAM, asked);
    assert_eq!((ran.exit, stake.stored() == before), (109, true));
}

/// A second bounce of one claim writes the same entry again: no share more is in the queue.
#[test]
fn a_second_bounce_of_a_claim_makes_no_entry_more() {
    let Case { waiting: mut solo, message, .. } = redeem().remove(0);
    super::throw_back(&mut solo, message.to, &message);
    let once = held(&solo).queue;
    super::throw_back(&mut solo, message.to, &message);
    assert_eq!(held(&solo).queue, once);
}

/// After a penalty came back the task is over, with the worker's stake untouched: nothing is sent again.
#[test]
fn a_penalty_that_comes_back_ends_the_task() {
    for kind in KINDS {
        let judged = Place { kind, state: S::Rejected, verdict: Outcome::Undelivered }.task();
        let (mut solo, message) = after(judged, Word::Finalize, stake::op::SLASH);
        assert_eq!(crate::alone::state(&solo), S::Penalising);
        let ran = super::throw_back(&mut solo, message.to, &message);
        assert_eq!((ran.exit, crate::alone::state(&solo)), (0, S::Refunded));
        assert_eq!(crate::ends::freed(&ran), (PRICE.get(), 0, 0));
        for word in [Word::Finalize, Word::Slashed, Word::Expire] {
            assert_eq!(say(&mut solo, word, speaker(word)).exit, 101, "{word:?}");
        }
        let again = super::throw_back(&mut solo, message.to, &message);
        assert!(again.sent.is_empty());
    }
}
