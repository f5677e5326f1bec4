//! Who gets what when a task ends: each end once, told once, to the nanogram where it matters.

use fog_contracts::{
    Notify, TaskState,
    operator::{self, Freed},
    stake,
};
use fog_protocol::{Address, Nano};

use crate::{
    alone::{
        GRAM, Kind, OPERATOR, OWNER, REQUESTOR, STRANGER, TREASURY, Word, data, every_task,
        operator_address, say, speaker, stake_address, state, task_in, task_init, task_of,
    },
    solo::{Ran, Solo},
    world::{FEE_BPS, PRICE, RESERVE, earned},
};

const FEE: u64 = PRICE.get() * FEE_BPS as u64 / 10_000;
/// The node's part of it.
const EARNED: u64 = earned(FEE);
const LAST_EXIT: u32 = 90 * 24 * 3600;

pub(crate) fn paid_to(ran: &Ran, to: Address) -> u64 {
    ran.sent.iter().filter(|message| message.to == to).map(|message| message.value).sum()
}

/// What the bond is told, once: price, fee and debt.
pub(crate) fn freed(ran: &Ran) -> (u64, u64, u64) {
    let all: Vec<_> = ran.sent.iter().filter(|m| m.op() == operator::op::FREED).collect();
    assert_eq!((all.len(), all[0].to), (1, operator_address()));
    let freed = Freed::parse(&all[0].body).unwrap();
    assert!(all[0].value >= freed.earned.get());
    (freed.price.get(), freed.earned.get(), freed.owed.get())
}

/// The one notice of an end.
fn told(ran: &Ran) -> Notify {
    let notices: Vec<_> = ran.sent.iter().filter_map(|m| Notify::parse(&m.body).ok()).collect();
    assert_eq!(notices.len(), 1);
    assert!(ran.sent.iter().all(|message| !message.bounce), "nothing of an end comes back");
    notices[0].clone()
}

/// What stays in the tombstone: its rent.
fn assert_buried(solo: &Solo) {
    assert!(state(solo).is_end());
    assert!((5_000_000..15_000_000).contains(&solo.balance), "{}", solo.balance);
    assert_eq!(data(solo).escrowed.get(), 0);
}

#[test]
fn accepted_work_is_paid_in_full() {
    let mut task = task_in(TaskState::Accepted);
    task.now = data(&task).deadline;
    let ran = say(&mut task, Word::Finalize, STRANGER);
    let settle = ran.the(stake::op::SETTLE);
    assert_eq!(settle.to, stake_address());
    assert!(settle.value >= PRICE.get() - FEE && settle.value < PRICE.get() + GRAM / 5);
    assert_eq!(data(&task).escrowed.get(), FEE);
    let ran = say(&mut task, Word::Settled, stake_address());
    assert_eq!(paid_to(&ran, TREASURY), FEE - EARNED);
    assert_eq!(freed(&ran), (PRICE.get(), EARNED, 0));
    let notice = told(&ran);
    assert_eq!((notice.state, notice.amount.get()), (TaskState::Paid, PRICE.get() - FEE));
    assert_buried(&task);
}

#[test]
fn proven_work_is_paid_in_full_at_once() {
    let mut task = task_of(Kind::Proven, TaskState::Assigned);
    let ran = say(&mut task, Word::Prove, STRANGER);
    let settle = ran.the(stake::op::SETTLE);
    assert_eq!((ran.sent.len(), settle.to), (1, stake_address()));
    assert!(settle.value >= PRICE.get() - FEE && settle.value < PRICE.get() + GRAM / 5);
    assert_eq!(data(&task).escrowed.get(), FEE);
    let ran = say(&mut task, Word::Settled, stake_address());
    assert_eq!(paid_to(&ran, TREASURY), FEE - EARNED);
    assert_eq!(freed(&ran), (PRICE.get(), EARNED, 0));
    let notice = told(&ran);
    assert_eq!((notice.state, notice.amount.get()), (TaskState::Paid, PRICE.get() - FEE));
    assert_eq!(notice.hash, crate::proving::binding_for(task.address, stake_address()));
    assert_buried(&task);
}

#[test]
fn refused_payment_goes_to_the_workers_wallet_in_the_end() {
    let mut task = task_in(TaskState::Accepted);
    task.now = data(&task).deadline + LAST_EXIT + 1;
    let ran = say(&mut task, Word::Expire, STRANGER);
    assert_eq!(paid_to(&ran, OWNER), PRICE.get() - FEE);
    assert_eq!(paid_to(&ran, TREASURY), FEE - EARNED);
    assert_eq!(freed(&ran), (PRICE.get(), EARNED, 0));
    assert_eq!(told(&ran).state, TaskState::Paid);
    assert_buried(&task);
}

#[test]
fn every_refund_is_the_whole_escrow() {
    for (at, word, from) in [
        (TaskState::Open, Word::Cancel, REQUESTOR),
        (TaskState::Registering, Word::Expire, STRANGER),
        (TaskState::Open, Word::Expire, STRANGER),
        (TaskState::Reserving, Word::Expire, OPERATOR),
        (TaskState::Releasing, Word::Released, stake_address()),
        (TaskState::Releasing, Word::Expire, STRANGER),
        (TaskState::Penalising, Word::Slashed, stake_address()),
        (TaskState::Slashing, Word::Slashed, stake_address()),
        (TaskState::Rejected, Word::Expire, STRANGER),
    ] {
        let mut task = task_in(at);
        task.now = data(&task).deadline + LAST_EXIT + 1;
        let ran = say(&mut task, word, from);
        assert_eq!(ran.exit, 0, "{at:?} {word:?}");
        let back = paid_to(&ran, REQUESTOR);
        assert!(back >= PRICE.get(), "{at:?} {word:?}: {back}");
        assert_eq!(paid_to(&ran, OWNER) + paid_to(&ran, TREASURY), 0, "nobody else is paid");
        told(&ran);
        assert_buried(&task);
    }
}

/// The pusher's change is its own money: never the requestor's, never the worker's.
#[test]
fn whoever_pushes_gets_back_no_more_than_it_brought() {
    for at in every_task() {
        for word in Word::ALL {
            let mut task = at.clone();
            if matches!(word, Word::Expire | Word::Finalize) {
                task.now += LAST_EXIT + 3600;
            }
            let ran = say(&mut task, word, STRANGER);
            let back = paid_to(&ran, STRANGER);
            assert!(back <= word.value(), "{:?} {word:?}: {back}", state(&at));
        }
    }
}

#[test]
fn a_slash_asks_for_the_reservation_and_half_of_it_at_most_for_the_requestor() {
    let mut task = task_in(TaskState::Rejected);
    task.now = data(&task).deadline;
    let ran = say(&mut task, Word::Finalize, speaker(Word::Finalize));
    let slash = ran.the(stake::op::SLASH);
    let mut body = slash.body.as_slice().unwrap();
    body.load_u32().unwrap();
    body.load_u64().unwrap();
    let amount = load_coins(&mut body);
    let share = load_coins(&mut body);
    assert_eq!(amount, RESERVE.get());
    assert_eq!(share, (RESERVE.get() / 2).min(2 * PRICE.get()));
    // Being late costs a hundredth.
    let mut task = task_in(TaskState::Assigned);
    task.now = data(&task).deadline + 1;
    let ran = say(&mut task, Word::Expire, STRANGER);
    let mut body = ran.the(stake::op::SLASH).body.as_slice().unwrap();
    body.load_u32().unwrap();
    body.load_u64().unwrap();
    assert_eq!(load_coins(&mut body), RESERVE.get() / 100);
    assert_eq!(load_coins(&mut body), RESERVE.get() / 200);
}

/// Nor more than the task was worth to it: price and damages, however much was reserved.
#[test]
fn a_requestor_gets_no_more_of_a_slash_than_price_and_damages() {
    for damages in [0, 1, GRAM / 4] {
        let mut init = task_init(1);
        init.terms.damages = Nano::new(damages);
        let mut task = Solo::new(init.address().unwrap(), init.state_init().unwrap());
        for word in
            [Word::Fund, Word::Opened, Word::Assign, Word::Reserved, Word::Commit, Word::Reject]
        {
            assert_eq!(say(&mut task, word, speaker(word)).exit, 0);
        }
        task.now = data(&task).deadline;
        let ran = say(&mut task, Word::Finalize, STRANGER);
        let mut body = ran.the(stake::op::SLASH).body.as_slice().unwrap();
        body.skip_first(96, 0).unwrap();
        assert_eq!(load_coins(&mut body), RESERVE.get());
        assert_eq!(load_coins(&mut body), PRICE.get() + damages);
    }
}

fn load_coins(slice: &mut tycho_types::cell::CellSlice<'_>) -> u64 {
    use tycho_types::cell::Load as _;
    let tokens = tycho_types::num::Tokens::load_from(slice).unwrap();
    u64::try_from(tokens.into_inner()).unwrap()
}
