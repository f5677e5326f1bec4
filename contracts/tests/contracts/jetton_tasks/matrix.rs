//! Every word to a task in a jetton, in every state, from every role: what every task takes, as the
//! table of [`crate::matrix`] says, and what only this one does.

use fog_contracts::{
    JETTON_FORWARD, TaskState,
    jetton_task::{self, Share, UNCLAIMED},
};
use fog_protocol::Address;
use tycho_types::cell::Cell;

use super::kit::{UNITS, asking, begin_body, claim, data, fresh, money, put_in, waiting};
use crate::{
    alone::{
        GRAM, Kind, MARKET, OPERATOR, OWNER, Place, QUERY, REQUESTOR, STRANGER, TREASURY, Word,
        operator_address, say, stake_address, state,
    },
    jettons::kit::{MASTER, WALLET, answer, plain_notification, units},
    matrix::{Bend, Moment, allowed},
    solo::{Ran, Solo, body},
    world::PRICE,
};

const DAY: u32 = 24 * 3600;

fn roles() -> [Address; 10] {
    let (stake, operator) = (stake_address(), operator_address());
    [REQUESTOR, OPERATOR, operator, MARKET, stake, OWNER, STRANGER, MASTER, WALLET, TREASURY]
}

fn refused(task: &Solo, before: &Solo, ran: &Ran, case: &str) {
    assert!((100..=143).contains(&ran.exit), "{case}: {}", ran.exit);
    assert_eq!(task.stored(), before.stored(), "{case}");
    assert!(ran.sent.is_empty(), "{case}");
}

/// What every task takes, this one takes: only funding in GRAM is none of it, and a cancellation is
/// taken before the jettons came, too.
#[test]
fn every_tasks_words_in_every_state_from_every_role_at_every_moment() {
    let (mut cells, mut taken) = (0, 0);
    for place in Place::all_of(&[Kind::InJetton]) {
        let at = place.task();
        let known = at.data().map_or(at.now, |_| crate::alone::data(&at).deadline);
        let base = if place.state.is_end() { at.now + DAY } else { known };
        for moment in Moment::ALL {
            let early = moment == Moment::Before && moment.time(base) < at.now;
            let moment = if early { Moment::At } else { moment };
            for word in Word::ALL {
                for from in roles() {
                    let mut task = at.clone();
                    task.now = moment.time(base).max(at.now);
                    let before = task.clone();
                    let ran = say(&mut task, word, from);
                    let case = format!("{place:?} {word:?} {moment:?} from {from}");
                    cells += 1;
                    let next = allowed(place, word, from, moment).filter(|_| word != Word::Fund);
                    // A payment in GRAM has left, jettons are still here: the worker is paid.
                    let given_up = (place.state, word) == (TaskState::Settling, Word::Expire);
                    let next = next.map(|next| if given_up { TaskState::Paid } else { next });
                    match next {
                        Some(next) => {
                            taken += 1;
                            assert_eq!((ran.exit, state(&task)), (0, next), "{case}");
                        }
                        None => refused(&task, &before, &ran, &case),
                    }
                }
            }
        }
    }
    assert_eq!(cells, 20 * 6 * 19 * 10);
    fog_figures::figure!("cells of tasks in jettons", "{cells} cells, {taken} of them allowed");
}

/// Where a task in a jetton is, as far as its jettons go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fresh,
    Asking,
    Waiting,
    /// All of it came after its day was over.
    Late,
    Running(TaskState),
    /// Ended, and shares are due.
    Ended(TaskState),
    /// Everybody has taken what was theirs, a day ago.
    Empty,
    Buried,
}

impl Stage {
    fn all() -> Vec<Self> {
        let mut all = vec![Self::Fresh, Self::Asking, Self::Waiting, Self::Late];
        for state in TaskState::ALL.into_iter().filter(|state| *state != TaskState::Created) {
            all.push(if state.is_end() { Self::Ended(state) } else { Self::Running(state) });
        }
        all.extend([Self::Empty, Self::Buried]);
        all
    }

    fn task(self) -> Solo {
        let of = |state| {
            let verdict = fog_contracts::task::Outcome::Accepted;
            let verdict = match state {
                TaskState::Rejected => fog_contracts::task::Outcome::Rejected,
                _ => verdict,
            };
            Place { kind: Kind::InJetton, state, verdict }.task()
        };
        match self {
            Self::Fresh => fresh(),
            Self::Asking => asking(),
            Self::Waiting => waiting(),
            Self::Late => {
                let mut solo = waiting();
                solo.now += jetton_task::FUNDING_TIME + 1;
                assert_eq!(put_in(&mut solo, UNITS).exit, 0);
                assert_eq!(state(&solo), TaskState::Created);
                solo
            }
            Self::Running(state) | Self::Ended(state) => of(state),
            Self::Empty => {
                let mut solo = of(TaskState::Paid);
                for share in Share::ALL {
                    let (_, owner) = owner_of(share);
                    let due = money(&solo).dues.of(share);
                    let exit = if due == units(0) { 114 } else { 0 };
                    assert_eq!(claim(&mut solo, owner, share, owner).exit, exit);
                }
                solo.now += DAY;
                solo
            }
            Self::Buried => {
                let mut solo = Self::Empty.task();
                assert_eq!(Say::Bury.to(&mut solo, REQUESTOR).exit, 0);
                solo
            }
        }
    }
}

/// Whose a share is, and whether anybody may send it.
fn owner_of(share: Share) -> (bool, Address) {
    match share {
        Share::Requestor => (false, REQUESTOR),
        Share::Worker => (false, OWNER),
        Share::Treasury => (true, TREASURY),
        Share::Node => (false, OPERATOR),
    }
}

/// What only a task in a jetton is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Say {
    Begin,
    Answer,
    Notify,
    /// To its owner.
    Claim(Share),
    /// To whoever says it.
    Take(Share),
    Sweep,
    Bury,
}

impl Say {
    fn all() -> Vec<Self> {
        let mut all = vec![Self::Begin, Self::Answer, Self::Notify, Self::Sweep, Self::Bury];
        all.extend(Share::ALL.map(Self::Claim));
        all.extend(Share::ALL.map(Self::Take));
        all
    }

    fn body(self, from: Address) -> Cell {
        match self {
            Self::Begin => begin_body(),
            Self::Answer => answer(Some(WALLET)),
            Self::Notify => plain_notification(5),
            Self::Claim(share) => {
                jetton_task::claim_share(QUERY, share, &owner_of(share).1).unwrap()
            }
            Self::Take(share) => jetton_task::claim_share(QUERY, share, &from).unwrap(),
            Self::Sweep => jetton_task::sweep(QUERY, units(5)).unwrap(),
            Self::Bury => jetton_task::bury(QUERY).unwrap(),
        }
    }

    fn to(self, solo: &mut Solo, from: Address) -> Ran {
        let value = if self == Self::Notify { JETTON_FORWARD.get() } else { GRAM };
        let body = self.body(from);
        solo.send(from, value, body)
    }
}

/// One of everything that the matrix says to a task in a jetton alone.
pub(crate) fn words() -> Vec<Cell> {
    Say::all().into_iter().map(|say| say.body(REQUESTOR)).collect()
}

fn may(stage: Stage, say: Say, from: Address, solo: &Solo, late: bool) -> bool {
    let known = matches!(stage, Stage::Waiting | Stage::Late | Stage::Running(_) | Stage::Ended(_))
        || stage == Stage::Empty;
    let due = |share| {
        let money = data(solo).money;
        money.is_some_and(|money| money.dues.of(share) > units(0))
    };
    match say {
        Say::Begin => {
            from == REQUESTOR
                && matches!(stage, Stage::Fresh | Stage::Asking | Stage::Waiting | Stage::Late)
        }
        Say::Answer => from == MASTER && stage == Stage::Asking,
        Say::Notify => from == WALLET && known,
        Say::Claim(share) => {
            let (anybody, owner) = owner_of(share);
            let ended = matches!(stage, Stage::Ended(_));
            due(share) && (from == owner || anybody || (ended && late))
        }
        Say::Take(share) => due(share) && from == owner_of(share).1,
        Say::Sweep | Say::Bury => {
            let others = [Share::Worker, Share::Treasury, Share::Node].into_iter().any(due);
            let ended = matches!(stage, Stage::Ended(_));
            from == REQUESTOR && (stage == Stage::Empty || (ended && late && !others))
        }
    }
}

#[test]
fn every_word_about_jettons_at_every_stage_from_every_role() {
    let (mut cells, mut taken) = (0, 0);
    for stage in Stage::all() {
        let at = stage.task();
        for late in [false, true] {
            for say in Say::all() {
                for from in roles() {
                    let mut task = at.clone();
                    // Where nothing is due any more, time changes nothing.
                    task.now += if late { UNCLAIMED + 1 } else { 0 };
                    let before = task.clone();
                    let ran = say.to(&mut task, from);
                    let case = format!("{stage:?} {say:?} from {from}, late: {late}");
                    cells += 1;
                    if may(stage, say, from, &at, late) {
                        taken += 1;
                        assert_eq!(ran.exit, 0, "{case}");
                        after(stage, say, &task, &case);
                    } else if stage == Stage::Fresh && before.data().is_none() {
                        // Nothing is deployed by it but what it brought.
                        assert!(ran.exit != 0 && ran.sent.is_empty(), "{case}");
                    } else {
                        refused(&task, &before, &ran, &case);
                    }
                }
            }
        }
    }
    assert_eq!(cells, (4 + 16 + 2) * 2 * 13 * 10);
    fog_figures::figure!("cells of tasks in jettons", "{cells} cells, {taken} of them allowed");
}

/// What it did.
fn after(stage: Stage, say: Say, task: &Solo, case: &str) {
    let money = data(task).money;
    match (stage, say) {
        (Stage::Late, Say::Begin) => assert_eq!(state(task), TaskState::Registering, "{case}"),
        (_, Say::Begin) => assert_eq!(state(task), TaskState::Created, "{case}"),
        (_, Say::Answer) => assert_eq!(money.unwrap().wallet, Some(WALLET), "{case}"),
        (Stage::Waiting, Say::Notify) => assert_eq!(money.unwrap().held, units(5), "{case}"),
        (Stage::Late, Say::Notify) => assert_eq!(money.unwrap().held, units(UNITS + 5), "{case}"),
        (_, Say::Notify) => assert!(money.unwrap().dues.requestor >= units(5), "{case}"),
        (_, Say::Claim(share) | Say::Take(share)) => {
            assert_eq!(money.unwrap().dues.of(share), units(0), "{case}");
        }
        (_, Say::Sweep) => assert_eq!(data(task).task.init.terms.price, PRICE, "{case}"),
        (_, Say::Bury) => assert_eq!(money, None, "{case}"),
    }
}

/// Parsing is whole, of what is ours; what jettons say may go on.
#[test]
fn bent_messages_are_refused() {
    for stage in Stage::all() {
        let at = stage.task();
        let mut says = vec![Say::Begin, Say::Sweep, Say::Bury];
        says.extend(Share::ALL.map(Say::Claim));
        for say in says {
            for bend in [Bend::Longer, Bend::OneMoreReference, Bend::Shorter] {
                for from in [REQUESTOR, OWNER, OPERATOR, TREASURY] {
                    let mut task = at.clone();
                    let Some(bent) = bend.apply(&say.body(from)) else { continue };
                    let before = task.stored();
                    let ran = task.send(from, GRAM, bent);
                    assert!(ran.exit != 0, "{stage:?} {say:?} {bend:?} from {from}");
                    assert_eq!(task.stored(), before);
                }
            }
        }
        let mut task = at.clone();
        let code = if stage == Stage::Buried { 101 } else { 0xffff };
        assert_eq!(task.send(REQUESTOR, GRAM, body(0x5400_00ff, 1, |_| ())).exit, code);
    }
}

/// Anyone may pay its rent while anybody needs it.
#[test]
fn top_ups() {
    for stage in Stage::all() {
        let at = stage.task();
        let mut task = at.clone();
        let live = !matches!(stage, Stage::Fresh | Stage::Buried);
        let ran = task.send(STRANGER, GRAM, Cell::default());
        assert_eq!(ran.exit, if live { 0 } else { 101 }, "{stage:?}");
        assert_eq!(task.stored(), at.stored());
    }
}
