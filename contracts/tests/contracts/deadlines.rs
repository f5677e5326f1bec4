//! What a second decides.

use fog_contracts::{TaskState, task::Outcome};

use crate::alone::{
    Kind, OPERATOR, Word, data, say, speaker, task_in, task_of, verdict_body, verdict_terms,
};

/// The last second belongs to the one who was to act, the next to everybody.
#[test]
fn deadlines_hold_to_the_second() {
    let steps = [
        (Kind::Judged, TaskState::Open, Word::Assign),
        (Kind::Judged, TaskState::Assigned, Word::Commit),
        (Kind::Judged, TaskState::Committed, Word::Accept),
        (Kind::Proven, TaskState::Assigned, Word::Prove),
    ];
    for (kind, from, word) in steps {
        for (offset, acts, expires) in [(0, 0, 103), (1, 102, 0)] {
            let mut solo = task_of(kind, from);
            solo.now = data(&solo).deadline + offset;
            let mut other = solo.clone();
            let ran = say(&mut solo, word, speaker(word));
            assert_eq!(ran.exit, acts, "{word:?} at {offset}");
            let ran = say(&mut other, Word::Expire, speaker(Word::Expire));
            assert_eq!(ran.exit, expires, "expiry of {from:?} at {offset}");
        }
    }
}

#[test]
fn a_verdict_counts_until_its_last_second() {
    for (offset, code) in [(0, 0), (1, 102)] {
        let mut solo = task_in(TaskState::Committed);
        let valid_until = solo.now + 5;
        let body =
            verdict_body(&verdict_terms(solo.address, Outcome::Accepted, valid_until), &[0, 1]);
        solo.now = valid_until + offset;
        assert_eq!(solo.send(OPERATOR, Word::Accept.value(), body).exit, code);
    }
}

/// A dispute's last second belongs to those who decide it, the next to everybody; and a verdict may
/// be challenged until the last second before its window ends.
#[test]
fn disputes_hold_to_the_second() {
    for (offset, rules, expires) in [(0, 0, 103), (1, 102, 0)] {
        let mut solo = task_in(TaskState::Disputed);
        solo.now = data(&solo).deadline + offset;
        let mut other = solo.clone();
        let word = Word::RuleUndelivered;
        assert_eq!(say(&mut solo, word, speaker(word)).exit, rules);
        assert_eq!(say(&mut other, Word::Expire, speaker(Word::Expire)).exit, expires);
    }
    for from in [TaskState::Accepted, TaskState::Rejected] {
        for (early, challenged, finalized) in [(1, 0, 103), (0, 102, 0)] {
            let mut solo = task_in(from);
            solo.now = data(&solo).deadline - early;
            let mut other = solo.clone();
            let ran = say(&mut solo, Word::Challenge, speaker(Word::Challenge));
            assert_eq!(ran.exit, challenged);
            let ran = say(&mut other, Word::Finalize, speaker(Word::Finalize));
            assert_eq!(ran.exit, finalized);
        }
    }
}

/// With a window, nobody finalises before its last second; with none, at once.
#[test]
fn the_window_is_waited_out() {
    for from in [TaskState::Accepted, TaskState::Rejected] {
        for (offset, code) in [(-1, 103), (0, 0)] {
            let mut solo = task_in(from);
            solo.now = data(&solo).deadline.saturating_add_signed(offset);
            let ran = say(&mut solo, Word::Finalize, speaker(Word::Finalize));
            assert_eq!(ran.exit, code, "{from:?} at {offset}");
        }
    }
}
