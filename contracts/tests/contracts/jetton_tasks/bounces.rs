//! Every message of a task in a jetton made to fail: its steps with the stake as in GRAM, its
//! transfers, and the question to the master.

use fog_contracts::{TaskState, jetton::op, jetton_task::Share, stake::op as stake};

use super::kit::{UNITS, asking, begin, claim, data, money, paid, put_in, refunded, task, waiting};
use crate::{
    alone::{
        GRAM, Kind, OPERATOR, OWNER, REQUESTOR, STRANGER, TREASURY, Word, say, speaker,
        stake_address, state, task_of,
    },
    jettons::kit::{MASTER, WALLET, answer, units},
    solo::{Arrival, Ran, Sent, Solo},
    world::PRICE,
};

fn throw_back(solo: &mut Solo, message: &Sent, exit: i32) -> Ran {
    solo.receive(message.to, message.value, message.bounced(exit), Arrival::Bounced)
}

/// From a state, by a word, a message goes to the stake; thrown back it leads on.
const TO_THE_STAKE: [(TaskState, Word, u32, TaskState); 5] = [
    (TaskState::Open, Word::Assign, stake::RESERVE, TaskState::Open),
    (TaskState::Accepted, Word::Finalize, stake::SETTLE, TaskState::Accepted),
    (TaskState::Rejected, Word::Finalize, stake::SLASH, TaskState::Rejected),
    (TaskState::Assigned, Word::Expire, stake::SLASH, TaskState::Refunded),
    (TaskState::Committed, Word::Expire, stake::RELEASE, TaskState::Refunded),
];

#[test]
fn a_step_that_comes_back_is_undone_once_and_no_jetton_moves() {
    for (from, word, op, leads) in TO_THE_STAKE {
        let mut solo = task_of(Kind::InJetton, from);
        if matches!(word, Word::Finalize | Word::Expire) {
            solo.now = data(&solo).task.deadline + 1;
        }
        let message = say(&mut solo, word, speaker(word)).the(op).clone();
        let held = money(&solo);
        let mut forged = solo.clone();
        forged.receive(STRANGER, message.value, message.bounced(104), Arrival::Bounced);
        assert_eq!(forged.stored(), solo.stored());
        assert_eq!(throw_back(&mut solo, &message, 104).exit, 0);
        assert_eq!(state(&solo), leads, "{word:?}");
        let after = money(&solo);
        if leads.is_end() {
            assert_eq!((after.held, after.dues), (units(0), refunded(UNITS)));
        } else {
            assert_eq!((after.held, after.dues), (held.held, held.dues));
            assert_eq!(data(&solo).task.escrowed, PRICE);
        }
        let once = solo.stored();
        throw_back(&mut solo, &message, 104);
        assert_eq!(solo.stored(), once, "{word:?} bounced twice");
    }
}

#[test]
fn a_payment_that_came_back_is_made_again_and_only_once() {
    let mut solo = task_of(Kind::InJetton, TaskState::Accepted);
    solo.now = data(&solo).task.deadline;
    let message = say(&mut solo, Word::Finalize, STRANGER).the(stake::SETTLE).clone();
    // No GRAM of anybody's is in it.
    assert!(message.value < GRAM / 5);
    throw_back(&mut solo, &message, 104);
    assert_eq!(say(&mut solo, Word::Finalize, STRANGER).exit, 0);
    assert_eq!(say(&mut solo, Word::Settled, stake_address()).exit, 0);
    assert_eq!(money(&solo).dues, paid(&task(), PRICE));
    // Late bounces of what was settled since.
    let before = solo.stored();
    throw_back(&mut solo, &message, 104);
    assert_eq!(solo.stored(), before);
}

/// A stake that answers neither way for 90 days: here nothing has left, so the worker is paid.
#[test]
fn work_that_its_stake_never_takes_is_paid_all_the_same() {
    for from in [TaskState::Accepted, TaskState::Settling] {
        let mut solo = task_of(Kind::InJetton, from);
        solo.now = data(&solo).task.deadline + 90 * 24 * 3600 + 1;
        assert_eq!(say(&mut solo, Word::Expire, STRANGER).exit, 0);
        assert_eq!(state(&solo), TaskState::Paid);
        assert_eq!(money(&solo).dues, paid(&task(), PRICE), "{from:?}");
    }
}

#[test]
fn a_refused_registration_owes_all_to_the_requestor() {
    let mut solo = waiting();
    let message = put_in(&mut solo, UNITS + 3).the(fog_contracts::market::op::REGISTER).clone();
    // All of it reaches the market: its answer is paid from it.
    assert_eq!(message.value, 14_880_000);
    assert_eq!(throw_back(&mut solo, &message, 111).exit, 0);
    assert_eq!(state(&solo), TaskState::Refunded);
    assert_eq!(money(&solo).dues, refunded(UNITS + 3));
    // Once.
    throw_back(&mut solo, &message, 111);
    assert_eq!(money(&solo).dues, refunded(UNITS + 3));
}

/// A master that knows no TEP-89, or is not there: the requestor asks again or leaves.
#[test]
fn a_question_that_comes_back_changes_nothing() {
    let mut solo = super::kit::fresh();
    let question = begin(&mut solo).the(op::PROVIDE_WALLET).clone();
    let before = solo.stored();
    assert_eq!(throw_back(&mut solo, &question, 0xffff).exit, 0);
    assert_eq!(solo.stored(), before);
    let again = begin(&mut solo);
    let question = again.the(op::PROVIDE_WALLET);
    // All of it reaches the master: its answer is paid from it.
    assert_eq!((question.to, question.value), (MASTER, 20_000_000));
    assert_eq!(say(&mut solo, Word::Cancel, REQUESTOR).exit, 0);
    assert_eq!((state(&solo), money(&solo).dues), (TaskState::Refunded, refunded(0)));
}

/// Every share's transfer, thrown back by the task's own wallet: owed again, once, and only it.
#[test]
fn a_transfer_that_comes_back_is_owed_again_once() {
    for share in Share::ALL {
        let owner = [REQUESTOR, OWNER, TREASURY, OPERATOR][share as usize];
        let mut solo = task_of(Kind::InJetton, TaskState::Paid);
        if share == Share::Requestor {
            put_in(&mut solo, 11);
        }
        let whole = money(&solo).dues;
        let transfer = claim(&mut solo, owner, share, owner).the(op::TRANSFER).clone();
        assert_eq!((transfer.to, money(&solo).dues.of(share)), (WALLET, units(0)));
        assert_eq!(claim(&mut solo, owner, share, owner).exit, 114, "claimed twice");
        // By somebody else's word: nothing.
        let sent = solo.stored();
        for liar in [STRANGER, MASTER, owner] {
            solo.receive(liar, GRAM, transfer.bounced(1), Arrival::Bounced);
            assert_eq!(solo.stored(), sent);
        }
        let back = throw_back(&mut solo, &transfer, 706);
        assert_eq!((back.exit, money(&solo).dues), (0, whole));
        // What came back with it is whose word sent it.
        let rest = back.the(fog_contracts::op::EXCESSES);
        assert_eq!((rest.to, rest.bounce), (owner, false));
        assert!(rest.value + 10_000_000 > transfer.value, "{} of {}", rest.value, transfer.value);
        throw_back(&mut solo, &transfer, 706);
        assert_eq!(money(&solo).dues, whole, "{share:?} came back twice");
        // Sent again it has another number; the first one's bounce is nothing to it.
        assert_eq!(claim(&mut solo, owner, share, owner).exit, 0);
        throw_back(&mut solo, &transfer, 706);
        assert_eq!(money(&solo).dues.of(share), units(0));
    }
}

/// What comes back is added to what has become due meanwhile.
#[test]
fn a_transfer_comes_back_beside_what_came_after_it() {
    let mut solo = task_of(Kind::InJetton, TaskState::Paid);
    put_in(&mut solo, 11);
    let of = |solo: &mut Solo| claim(solo, REQUESTOR, Share::Requestor, REQUESTOR);
    let transfer = of(&mut solo).the(op::TRANSFER).clone();
    put_in(&mut solo, 7);
    throw_back(&mut solo, &transfer, 706);
    assert_eq!(money(&solo).dues.requestor, units(18));
}

/// Sixty-four transfers are remembered, which is more than can be under way.
#[test]
fn the_oldest_of_many_transfers_is_forgotten() {
    let mut solo = task_of(Kind::InJetton, TaskState::Paid);
    let mut sent = Vec::new();
    for _ in 0..65 {
        put_in(&mut solo, 2);
        sent.push(
            claim(&mut solo, REQUESTOR, Share::Requestor, REQUESTOR).the(op::TRANSFER).clone(),
        );
    }
    throw_back(&mut solo, &sent[0], 1);
    assert_eq!(money(&solo).dues.requestor, units(0));
    throw_back(&mut solo, &sent[1], 1);
    assert_eq!(money(&solo).dues.requestor, units(2));
}

/// An answer that comes when nobody waits for it any more still says which wallet it is.
#[test]
fn an_answer_after_the_cancellation() {
    let mut solo = asking();
    assert_eq!(say(&mut solo, Word::Cancel, REQUESTOR).exit, 0);
    assert_eq!(solo.send(MASTER, GRAM / 100, answer(Some(WALLET))).exit, 0);
    assert_eq!(put_in(&mut solo, 8).exit, 0);
    assert_eq!(money(&solo).dues, refunded(8));
}
