//! What a second decides.

use fog_contracts::{
    TaskState, stake,
    task::{self, Outcome},
};

use crate::{
    alone::{
        Kind, OPERATOR, Place, STRANGER, Word, data, say, speaker, state, task_in, task_of,
        verdict_body, verdict_terms,
    },
    bounces::throw_back,
    flow::{judged, reached},
    world::{STEP, WINDOW, failures},
};

const DAY: u32 = 24 * 3600;
/// From a verdict's deadline until a stake that does not carry it out is given up.
const LAST_EXIT: u32 = 90 * DAY;

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

/// A stake that throws back whatever it is told, and somebody who tells it whenever the task lets it:
/// the last exit opens when it always did, and the other side gets out.
#[test]
fn a_stake_that_throws_for_ever_holds_nobody_up() {
    let verdicts = [TaskState::Accepted, TaskState::Rejected];
    for (kind, from) in [(Kind::Judged, verdicts[0]), (Kind::Judged, verdicts[1])]
        .into_iter()
        .chain([(Kind::InJetton, verdicts[0]), (Kind::InJetton, verdicts[1])])
        .chain([(Kind::Proven, verdicts[0])])
    {
        let mut solo = task_of(kind, from);
        let begun = data(&solo).deadline;
        solo.now = solo.now.max(begun);
        let (mut tries, mut ended) = (0, None);
        for quarter in 0..400 * 4 {
            solo.now = begun + quarter * DAY / 4;
            let ran = say(&mut solo, Word::Finalize, STRANGER);
            if ran.exit == 0 {
                tries += 1;
                let told = ran
                    .sent
                    .into_iter()
                    .find(|sent| matches!(sent.op(), stake::op::SETTLE | stake::op::SLASH));
                throw_back(&mut solo, &told.unwrap(), 108);
                assert_eq!(state(&solo), from, "tried in vain");
            }
            solo.now += 1;
            if say(&mut solo, Word::Expire, OPERATOR).exit == 0 {
                ended = Some(quarter / 4);
                break;
            }
        }
        assert!(state(&solo).is_end(), "{kind:?} {from:?}: held up for ever, tried {tries} times");
        assert_eq!(ended, Some(90), "{kind:?} {from:?}");
        assert!(tries > 80 * 4, "{tries}");
    }
}

/// Somebody comes late, with a stake that does not throw: what was decided is carried out, unless it
/// is the exit's time; and no answer of the stake meets a task that was given up meanwhile.
#[test]
fn a_late_try_leaves_the_exit_its_time() {
    for from in [TaskState::Accepted, TaskState::Rejected] {
        let at = task_in(from);
        let deadline = data(&at).deadline;
        let late = |seconds: u32| {
            let mut solo = at.clone();
            solo.now = deadline + seconds;
            solo
        };
        for (seconds, exit) in [
            (LAST_EXIT - DAY - 1, 0),
            (LAST_EXIT - DAY, 102),
            (LAST_EXIT, 102),
            (LAST_EXIT + 7 * DAY - 1, 102),
            (LAST_EXIT + 7 * DAY, 0),
            (5 * 365 * DAY, 0),
        ] {
            let mut solo = late(seconds);
            let ran = say(&mut solo, Word::Finalize, STRANGER);
            assert_eq!(ran.exit, exit, "{from:?} at {seconds}");
            if exit != 0 {
                continue;
            }
            // While the stake is asked, and for a day, nobody gives up.
            let waiting = solo.clone();
            solo.now = deadline + (seconds + DAY).max(LAST_EXIT);
            assert_eq!(say(&mut solo, Word::Expire, STRANGER).exit, 103, "{seconds}");
            solo.now += 1;
            assert_eq!(say(&mut solo, Word::Expire, STRANGER).exit, 0, "{seconds}");
            // Thrown back: not told again before whoever wants out had a week.
            let mut back = waiting;
            let told = ran
                .sent
                .into_iter()
                .find(|sent| matches!(sent.op(), stake::op::SETTLE | stake::op::SLASH));
            throw_back(&mut back, &told.unwrap(), 108);
            let again = back.now;
            if seconds < LAST_EXIT {
                assert_eq!(data(&back).deadline, deadline, "it does not move");
                continue;
            }
            for (wait, exit) in [(0, 102), (8 * DAY - 1, 102), (8 * DAY, 0)] {
                let mut solo = back.clone();
                solo.now = again + wait;
                assert_eq!(say(&mut solo, Word::Finalize, STRANGER).exit, exit, "{wait}");
            }
            for (wait, exit) in [(DAY, 103), (DAY + 1, 0)] {
                let mut solo = back.clone();
                solo.now = again + wait;
                assert_eq!(say(&mut solo, Word::Expire, STRANGER).exit, exit, "{wait}");
            }
        }
    }
}

/// However late a penalty is asked for, its answer is waited for: nobody ends the task under it.
#[test]
fn a_late_penalty_is_waited_for() {
    for (from, word) in [(TaskState::Assigned, Word::Expire), (TaskState::Rejected, Word::Finalize)]
    {
        let mut solo =
            Place { kind: Kind::Judged, state: from, verdict: Outcome::Undelivered }.task();
        solo.now = data(&solo).deadline + 10 * DAY;
        assert_eq!(say(&mut solo, word, STRANGER).exit, 0);
        assert_eq!(state(&solo), TaskState::Penalising);
        solo.now += DAY;
        assert_eq!(say(&mut solo, Word::Expire, STRANGER).exit, 103);
        solo.now += 1;
        assert_eq!(say(&mut solo, Word::Expire, STRANGER).exit, 0);
    }
}

/// How a stake comes to throw for ever: its reservation was freed as stale. Whoever gains by waiting
/// tells it again and again.
#[test]
fn a_freed_reservation_holds_nobody_up() {
    for outcome in [Outcome::Accepted, Outcome::Rejected] {
        let (mut world, task) = reached(judged(outcome), outcome);
        let stranger = world.stranger.clone();
        world.chain.warp(2 * STEP + WINDOW + 180 * DAY).unwrap();
        let free = stake::free_stale(1, &task.hash).unwrap();
        assert_eq!(
            failures(&world.call(
                &stranger,
                world.stake.address().unwrap(),
                fog_contracts::END_VALUE,
                free
            )),
            [0; 0]
        );
        let mut told = 0;
        for _ in 0..10 * 24 {
            let receipt = world.push(&stranger, task, task::finalize(1).unwrap());
            told += u32::from(failures(&receipt) == [108]);
            world.chain.warp(3600).unwrap();
            let requestor = world.requestor.clone();
            world.push(&requestor, task, task::expire(1).unwrap());
            if world.is_ended(&task) {
                break;
            }
        }
        assert!(world.is_ended(&task) && told == 1, "{outcome:?}: told {told} times");
        world.assert_conserved();
    }
}
