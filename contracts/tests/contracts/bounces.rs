//! Every message that can be thrown back, thrown back: the right one undoes its step once, any other
//! does nothing.

use fog_contracts::{TaskState, market, stake, task};
use fog_protocol::Nano;
use tycho_types::cell::Cell;

use crate::{
    alone::{
        GRAM, Kind, OPERATOR, QUERY, STRANGER, Word, data, every_task, say, speaker, stake_address,
        state, task_of,
    },
    solo::{Arrival, Sent, Solo},
    stakes::{reserve, reserved_stake},
    world::{PRICE, RESERVE},
};

/// The state before a message goes out, the word that makes it, its opcode, the state it waits in,
/// and where its bounce leads.
const OUTWARD: [(TaskState, Word, u32, TaskState, TaskState); 9] = [
    (
        TaskState::Created,
        Word::Fund,
        market::op::REGISTER,
        TaskState::Registering,
        TaskState::Refunded,
    ),
    (TaskState::Open, Word::Assign, stake::op::RESERVE, TaskState::Reserving, TaskState::Open),
    (
        TaskState::Accepted,
        Word::Finalize,
        stake::op::SETTLE,
        TaskState::Settling,
        TaskState::Accepted,
    ),
    (TaskState::Assigned, Word::Prove, stake::op::SETTLE, TaskState::Settling, TaskState::Accepted),
    (TaskState::Disputed, Word::Prove, stake::op::SETTLE, TaskState::Settling, TaskState::Accepted),
    (
        TaskState::Disputed,
        Word::RuleRejected,
        stake::op::SLASH,
        TaskState::Slashing,
        TaskState::Rejected,
    ),
    (
        TaskState::Rejected,
        Word::Finalize,
        stake::op::SLASH,
        TaskState::Slashing,
        TaskState::Rejected,
    ),
    (
        TaskState::Assigned,
        Word::Expire,
        stake::op::SLASH,
        TaskState::Penalising,
        TaskState::Refunded,
    ),
    (
        TaskState::Committed,
        Word::Expire,
        stake::op::RELEASE,
        TaskState::Releasing,
        TaskState::Refunded,
    ),
];

/// The task in its waiting state, and the message it waits for.
pub(crate) fn waiting(from: TaskState, word: Word, op: u32) -> (Solo, Sent) {
    let kind = match (word, from) {
        (Word::Prove, TaskState::Assigned) => Kind::Proven,
        (Word::Prove, _) => Kind::Overruled,
        _ => Kind::Judged,
    };
    let mut solo = task_of(kind, from);
    if word == Word::RuleRejected {
        // Ruled on, it is carried out at once.
        solo.now += crate::world::WINDOW;
        assert_eq!(say(&mut solo, word, speaker(word)).exit, 0);
        let message = say(&mut solo, Word::Finalize, STRANGER).the(op).clone();
        return (solo, message);
    }
    if matches!(word, Word::Finalize | Word::Expire) {
        solo.now = data(&solo).deadline + 1;
    }
    let ran = say(&mut solo, word, speaker(word));
    let message = ran.the(op).clone();
    assert!(message.bounce, "{word:?} goes out with bounce");
    (solo, message)
}

pub(crate) fn throw_back(solo: &mut Solo, message: &Sent, exit: i32) -> i32 {
    let body = message.bounced(exit);
    solo.receive(message.to, message.value, body, Arrival::Bounced).exit
}

#[test]
fn a_bounce_undoes_its_own_step_once() {
    for (from, word, op, waits, leads) in OUTWARD {
        let (mut solo, message) = waiting(from, word, op);
        assert_eq!(state(&solo), waits);
        let escrowed = if waits == TaskState::Settling { PRICE.get() } else { 0 };
        assert_eq!(throw_back(&mut solo, &message, 109), 0);
        assert_eq!(state(&solo), leads, "{word:?} bounced");
        if waits == TaskState::Settling {
            assert_eq!(data(&solo).escrowed.get(), escrowed);
        }
        assert!(solo.balance >= data(&solo).escrowed.get());
        // Once more: nothing is left to undo.
        let after = solo.stored();
        throw_back(&mut solo, &message, 109);
        assert_eq!(solo.stored(), after, "{word:?} bounced twice");
    }
}

#[test]
fn foreign_and_untimely_bounces_do_nothing() {
    let states = every_task();
    for (from, word, op, waits, _) in OUTWARD {
        let (solo, message) = waiting(from, word, op);
        // From somebody who was never asked.
        for sender in [STRANGER, OPERATOR] {
            let mut solo = solo.clone();
            let before = solo.stored();
            solo.receive(sender, message.value, message.bounced(0), Arrival::Bounced);
            assert_eq!(solo.stored(), before, "{word:?} bounced by {sender}");
        }
        for at in &states {
            let pending = state(at) == waits
                || (op == stake::op::SLASH
                    && matches!(state(at), TaskState::Slashing | TaskState::Penalising));
            if pending {
                continue;
            }
            let mut solo = at.clone();
            let before = solo.stored();
            throw_back(&mut solo, &message, 109);
            assert_eq!(solo.stored(), before, "{word:?} bounced in {:?}", state(at));
        }
    }
}

#[test]
fn a_bounced_reservation_of_another_query_is_not_ours() {
    let (mut solo, message) = waiting(TaskState::Open, Word::Assign, stake::op::RESERVE);
    let mut other = message.clone();
    let mut slice = message.body.as_slice().unwrap();
    let mut body = tycho_types::cell::CellBuilder::new();
    body.store_u32(slice.load_u32().unwrap()).unwrap();
    body.store_u64(slice.load_u64().unwrap() + 1).unwrap();
    body.store_slice(slice).unwrap();
    other.body = body.build().unwrap();
    throw_back(&mut solo, &other, 109);
    assert_eq!(state(&solo), TaskState::Reserving);
    throw_back(&mut solo, &message, 109);
    assert_eq!(state(&solo), TaskState::Open);
    assert_eq!(data(&solo).work, None);
}

/// A reservation that comes back frees the bond, once and to the nanogram.
#[test]
fn a_refused_reservation_frees_the_bond_once() {
    let (mut solo, message) = waiting(TaskState::Open, Word::Assign, stake::op::RESERVE);
    let body = message.bounced(109);
    let ran = solo.receive(message.to, message.value, body, Arrival::Bounced);
    assert_eq!(crate::ends::freed(&ran), (PRICE.get(), 0, 0));
    let body = message.bounced(109);
    let again = solo.receive(message.to, message.value, body, Arrival::Bounced);
    assert!(again.sent.is_empty());
    // A new assignment is a new reservation.
    assert_eq!(say(&mut solo, Word::Assign, speaker(Word::Assign)).exit, 0);
}

/// What was decided stays decided when the stake does not take it: the challenger's bond is not paid
/// again, and its reward only when the stake was cut.
#[test]
fn a_bounced_slash_after_a_ruling_is_tried_again() {
    let (mut solo, message) = waiting(TaskState::Disputed, Word::RuleRejected, stake::op::SLASH);
    throw_back(&mut solo, &message, 104);
    let dispute = data(&solo).work.unwrap().dispute.unwrap();
    assert_eq!((dispute.bond, dispute.won), (Nano::ZERO, true));
    assert_eq!(say(&mut solo, Word::Challenge, STRANGER).exit, 102);
    let again = say(&mut solo, Word::Finalize, STRANGER);
    assert_eq!((again.exit, again.sent.len(), state(&solo)), (0, 1, TaskState::Slashing));
    assert_eq!(again.the(stake::op::SLASH).body, message.body);
}

#[test]
fn after_a_bounced_payment_it_can_be_paid_again() {
    let (mut solo, message) = waiting(TaskState::Accepted, Word::Finalize, stake::op::SETTLE);
    throw_back(&mut solo, &message, 104);
    let again = say(&mut solo, Word::Finalize, STRANGER);
    assert_eq!((again.exit, state(&solo)), (0, TaskState::Settling));
    assert!(again.the(stake::op::SETTLE).value >= PRICE.get() * 97 / 100);
    assert_eq!(say(&mut solo, Word::Settled, stake_address()).exit, 0);
    assert_eq!(state(&solo), TaskState::Paid);
}

/// A proof is not needed a second time.
#[test]
fn after_a_bounced_payment_proven_work_can_be_paid_again() {
    let (mut solo, message) = waiting(TaskState::Assigned, Word::Prove, stake::op::SETTLE);
    throw_back(&mut solo, &message, 104);
    assert_eq!(say(&mut solo, Word::Prove, STRANGER).exit, 101);
    let again = say(&mut solo, Word::Finalize, STRANGER);
    assert_eq!((again.exit, state(&solo)), (0, TaskState::Settling));
    assert_eq!(again.the(stake::op::SETTLE).to, message.to);
    assert_eq!(say(&mut solo, Word::Settled, stake_address()).exit, 0);
    assert_eq!(state(&solo), TaskState::Paid);
}

#[test]
fn rubbish_in_a_bounced_body_does_nothing() {
    for at in every_task() {
        for rubbish in [Cell::default(), Word::Expire.body(at.address, at.now)] {
            let mut solo = at.clone();
            let before = solo.stored();
            solo.receive(stake_address(), GRAM, rubbish, Arrival::Bounced);
            assert_eq!(solo.stored(), before);
        }
    }
}

#[test]
fn a_reservation_the_task_did_not_take_is_undone() {
    let (mut stake, task, answer) = reserved_stake();
    assert!(answer.bounce, "the answer goes out with bounce");
    assert_eq!(answer.to, task);
    let before = stake.stored();
    // Thrown back by somebody else, and with another query.
    stake.receive(STRANGER, answer.value, answer.bounced(101), Arrival::Bounced);
    assert_eq!(stake.stored(), before);
    let mut other = answer.clone();
    other.body = crate::solo::body(task::op::RESERVED, QUERY + 1, |b| {
        crate::solo::put_hash(b, &crate::alone::session().public().0);
    });
    stake.receive(task, answer.value, other.bounced(101), Arrival::Bounced);
    assert_eq!(stake.stored(), before);
    // Thrown back by the task.
    assert_eq!(stake.receive(task, answer.value, answer.bounced(101), Arrival::Bounced).exit, 0);
    let data = crate::stakes::data(&stake);
    assert_eq!((data.reserved, data.reservations.len()), (Nano::ZERO, 0));
    // Again: nothing is there, and a new reservation stands.
    stake.receive(task, answer.value, answer.bounced(101), Arrival::Bounced);
    assert_eq!(reserve(&mut stake, 2).exit, 0);
    assert_eq!(crate::stakes::data(&stake).reserved, RESERVE);
}
