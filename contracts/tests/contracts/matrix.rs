//! Every (word, state, role, moment): allowed exactly where this table says, refused everywhere else
//! without a trace.

use fog_contracts::{TaskState, task::Outcome};
use fog_protocol::Address;

use crate::{
    alone::{
        Kind, MARKET, OPERATOR, OWNER, Place, REQUESTOR, STRANGER, Word, data, every_task,
        operator_address, say, stake_address, state,
    },
    cells::every,
    flow::judged,
    solo::{Arrival, body},
};

const DAY: u32 = 24 * 3600;
const LAST_EXIT: u32 = 90 * DAY;
/// For so long nothing but that exit is open.
const EXIT_TIME: u32 = 7 * DAY;

every! {
    /// When a word is said, relative to the deadline of the task's state.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub(crate) enum Moment {
        Before,
        At,
        After,
        AfterADay,
        AfterTheLastExit,
        AfterTheExitsTime,
    }
}

impl Moment {
    pub(crate) fn time(self, deadline: u32) -> u32 {
        match self {
            Self::Before => deadline - 1,
            Self::At => deadline,
            Self::After => deadline + 1,
            Self::AfterADay => deadline + DAY + 1,
            Self::AfterTheLastExit => deadline + LAST_EXIT + 1,
            Self::AfterTheExitsTime => deadline + LAST_EXIT + EXIT_TIME,
        }
    }
}

/// The state a word leads to; `None` where it must be refused.
pub(crate) fn allowed(
    place: Place,
    word: Word,
    from: Address,
    moment: Moment,
) -> Option<TaskState> {
    use TaskState as S;
    let Place { kind, state, verdict } = place;
    let (stake, in_time) = (stake_address(), moment <= Moment::At);
    let ripe = moment >= Moment::At && moment != Moment::AfterTheLastExit;
    let given = |condition: bool, next| condition.then_some(next);
    match (state, word) {
        (S::Created, Word::Fund) => given(from == REQUESTOR, S::Registering),
        (S::Registering, Word::Opened) => given(from == MARKET, S::Open),
        (S::Registering | S::Reserving, Word::Expire) => {
            given(moment >= Moment::AfterADay, S::Refunded)
        }
        (S::Open, Word::Assign) => given(from == operator_address() && in_time, S::Reserving),
        (S::Open, Word::Cancel) => given(from == REQUESTOR, S::Refunded),
        (S::Open, Word::Expire) => given(!in_time, S::Refunded),
        (S::Reserving, Word::Reserved) => given(from == stake, S::Assigned),
        (S::Assigned, Word::Commit) => given(kind != Kind::Proven && in_time, S::Committed),
        (S::Assigned, Word::Prove) => given(kind == Kind::Proven && in_time, S::Settling),
        (S::Assigned, Word::Expire) => given(!in_time, S::Penalising),
        (S::Committed, Word::Accept) => given(in_time, S::Accepted),
        (S::Committed, Word::Reject | Word::Undelivered) => given(in_time, S::Rejected),
        (S::Committed | S::Disputed, Word::Prove) => {
            given(kind == Kind::Overruled && in_time, S::Settling)
        }
        (S::Accepted | S::Rejected, Word::Prove) => {
            given(kind == Kind::Overruled && moment == Moment::Before, S::Settling)
        }
        (S::Accepted | S::Rejected, Word::Challenge) => {
            given(moment == Moment::Before, S::Disputed)
        }
        (S::Disputed, Word::RuleAccepted | Word::RuleRejected | Word::RuleUndelivered) => {
            given(in_time, judged(word.outcome().unwrap()))
        }
        (S::Disputed, Word::Expire) => given(!in_time, judged(verdict)),
        (S::Committed, Word::Expire) => given(!in_time, S::Releasing),
        (S::Accepted, Word::Finalize) => given(ripe, S::Settling),
        (S::Rejected, Word::Finalize) => {
            let wrong = verdict == Outcome::Rejected;
            given(ripe, if wrong { S::Slashing } else { S::Penalising })
        }
        (S::Accepted, Word::Expire) => given(moment >= Moment::AfterTheLastExit, S::Paid),
        (S::Rejected | S::Settling | S::Slashing, Word::Expire) => {
            given(moment >= Moment::AfterTheLastExit, S::Refunded)
        }
        (S::Settling, Word::Settled) => given(from == stake, S::Paid),
        (S::Slashing, Word::Slashed) => given(from == stake, S::Slashed),
        (S::Penalising, Word::Slashed) => given(from == stake, S::Late),
        (S::Releasing, Word::Released) => given(from == stake, S::Refunded),
        (S::Penalising | S::Releasing, Word::Expire) => {
            given(moment >= Moment::AfterADay, S::Refunded)
        }
        _ => None,
    }
}

#[test]
fn every_word_in_every_state_from_every_role_at_every_moment() {
    let (stake, operator) = (stake_address(), operator_address());
    let roles = [REQUESTOR, OPERATOR, operator, MARKET, stake, OWNER, STRANGER];
    let (mut cells, mut taken) = (0, 0);
    for place in Place::all() {
        let (at, from_state) = (place.task(), place.state);
        let deadline = at.data().map_or(at.now, |_| data(&at).deadline);
        // An ended task has no deadline, and a passing state began at its own.
        let base = if from_state.is_end() { at.now + DAY } else { deadline };
        for moment in Moment::ALL {
            // A payment that came back at once left no time before.
            let early = moment == Moment::Before && moment.time(base) < at.now;
            let moment = if early { Moment::At } else { moment };
            for word in Word::ALL {
                for from in roles {
                    let mut task = at.clone();
                    task.now = moment.time(base).max(at.now);
                    let before = task.stored();
                    let ran = say(&mut task, word, from);
                    let case = format!("{place:?} {word:?} {moment:?} from {from}");
                    cells += 1;
                    match allowed(place, word, from, moment) {
                        Some(next) => {
                            taken += 1;
                            assert_eq!((ran.exit, state(&task)), (0, next), "{case}");
                        }
                        None => {
                            assert!((100..=120).contains(&ran.exit), "{case}: {}", ran.exit);
                            assert_eq!(task.stored(), before, "{case}");
                            assert!(ran.sent.is_empty(), "{case}");
                        }
                    }
                }
            }
        }
    }
    assert_eq!(cells, (20 + 11 + 20) * 6 * 19 * 7);
    fog_figures::figure!("cells of tasks", "{cells} cells, {taken} of them allowed");
}

/// Parsing is whole: nothing may follow, nothing may be missing, and no other word is known.
#[test]
fn bent_messages_are_refused() {
    let states = every_task();
    for at in &states {
        let from_state = state(at);
        for word in Word::ALL {
            for bend in [Bend::Longer, Bend::OneMoreReference, Bend::Shorter] {
                for from in [REQUESTOR, OPERATOR, MARKET, stake_address()] {
                    let mut task = at.clone();
                    let Some(bent) = bend.apply(&word.body(task.address, task.now)) else {
                        continue;
                    };
                    let before = task.stored();
                    let ran = task.receive(from, word.value(), bent, Arrival::Sent);
                    let case = format!("{from_state:?} {word:?} {bend:?} from {from}");
                    assert!(ran.exit != 0, "{case}");
                    assert_eq!(task.stored(), before, "{case}");
                }
            }
        }
        let mut task = at.clone();
        let code = if from_state.is_end() { 101 } else { 0xffff };
        assert_eq!(task.send(REQUESTOR, 1_000_000_000, body(0x5400_00ff, 1, |_| ())).exit, code);
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Bend {
    Longer,
    OneMoreReference,
    Shorter,
}

impl Bend {
    pub(crate) fn apply(self, body: &tycho_types::cell::Cell) -> Option<tycho_types::cell::Cell> {
        let mut builder = tycho_types::cell::CellBuilder::new();
        let mut slice = body.as_slice().unwrap();
        match self {
            Self::Longer => {
                builder.store_slice(slice).ok()?;
                builder.store_bit_one().ok()?;
            }
            Self::OneMoreReference => {
                builder.store_slice(slice).ok()?;
                builder.store_reference(tycho_types::cell::Cell::default()).ok()?;
            }
            Self::Shorter => {
                slice.skip_last(1, 0).ok()?;
                builder.store_slice(slice).ok()?;
            }
        }
        Some(builder.build().unwrap())
    }
}

/// Anyone may pay a live task's rent; what comes before the funding or after the end is refused.
#[test]
fn top_ups() {
    for at in every_task() {
        let mut task = at.clone();
        let live = !state(&at).is_end() && state(&at) != TaskState::Created;
        let ran = task.send(STRANGER, 1_000_000_000, tycho_types::cell::Cell::default());
        assert_eq!(ran.exit, if live { 0 } else { 101 }, "{:?}", state(&at));
        assert_eq!(task.stored(), at.stored());
        if live {
            assert!(task.balance > at.balance + 990_000_000);
        }
    }
}
