//! All orders of six messages around one disputed verdict, at paces that put the ends of window and
//! dispute before, between and after them, against a model of a few lines.

use std::collections::BTreeMap;

use fog_contracts::{TaskState, jetton_task::Shares, op, task::Outcome};

use tycho_types::cell::Cell;

use crate::{
    alone::{
        CHALLENGER, Kind, OPERATOR, OWNER, REQUESTOR, STRANGER, Word, data, say, state, task_of,
    },
    channels::orders::orders,
    flow::judged,
    jetton_tasks::kit::{UNITS, money},
    solo::Solo,
    world::{APPEAL, CHALLENGE_BOND, WINDOW},
};

/// What must have come of it.
struct Model {
    state: TaskState,
    verdict: Outcome,
    deadline: u32,
    rules_from: u32,
    /// Whom the challenger's bond went to.
    bond_to: Option<fog_protocol::Address>,
    rewarded: bool,
}

impl Model {
    fn decide(&mut self, ruling: Outcome, now: u32) {
        self.bond_to = Some(match (ruling == self.verdict, ruling) {
            (false, _) => CHALLENGER,
            (true, Outcome::Accepted) => OWNER,
            (true, _) => REQUESTOR,
        });
        self.rewarded = ruling != self.verdict && ruling != Outcome::Accepted;
        (self.verdict, self.state, self.deadline) = (ruling, judged(ruling), now);
    }

    /// Does it go through?
    fn say(&mut self, word: Word, kind: Kind, now: u32) -> bool {
        let open = matches!(self.state, TaskState::Accepted | TaskState::Rejected);
        let disputed = self.state == TaskState::Disputed;
        match word {
            Word::Challenge if open && now < self.deadline => {
                (self.state, self.rules_from) = (TaskState::Disputed, self.deadline);
                self.deadline += APPEAL;
            }
            Word::RuleAccepted | Word::RuleRejected | Word::RuleUndelivered
                if disputed && now >= self.rules_from && now <= self.deadline =>
            {
                self.decide(word.outcome().unwrap(), now);
            }
            Word::Expire if disputed && now > self.deadline => {
                self.decide(self.verdict, now);
                self.bond_to = Some(CHALLENGER);
            }
            Word::Finalize if open && now >= self.deadline => {
                self.state = match self.verdict {
                    Outcome::Accepted => TaskState::Settling,
                    Outcome::Rejected => TaskState::Slashing,
                    Outcome::Undelivered => TaskState::Penalising,
                };
            }
            Word::Prove
                if kind == Kind::Overruled
                    && ((open && now < self.deadline) || (disputed && now <= self.deadline)) =>
            {
                if disputed {
                    self.decide(Outcome::Accepted, now);
                }
                (self.state, self.verdict) = (TaskState::Settling, Outcome::Accepted);
            }
            _ => return false,
        }
        true
    }
}

/// A judged task, and everything that will be said to it, signed and proven beforehand.
struct Stage {
    kind: Kind,
    verdict: Outcome,
    start: Solo,
    bodies: BTreeMap<Word, Cell>,
}

impl Stage {
    fn set(kind: Kind, verdict: Outcome) -> Self {
        let mut start = task_of(kind, TaskState::Committed);
        assert_eq!(say(&mut start, Word::verdict(verdict), OPERATOR).exit, 0);
        // Rulings are valid for as long as it takes.
        let later = start.now + 10 * APPEAL;
        let bodies = Word::ALL.map(|word| (word, word.body(start.address, later))).into();
        Self { kind, verdict, start, bodies }
    }
}

fn play(stage: &Stage, words: &[Word], pace: u32) -> Model {
    let (kind, verdict, mut task) = (stage.kind, stage.verdict, stage.start.clone());
    let mut model = Model {
        state: judged(verdict),
        verdict,
        deadline: data(&task).deadline,
        rules_from: 0,
        bond_to: None,
        rewarded: false,
    };
    let mut paid = Vec::new();
    for word in words {
        let from = if *word == Word::Challenge { CHALLENGER } else { STRANGER };
        let ran = task.send(from, word.value(), stage.bodies[word].clone());
        let done = model.say(*word, kind, task.now);
        let case = format!("{verdict:?}: {words:?} every {pace} s, at {word:?}");
        assert_eq!((ran.exit == 0, state(&task)), (done, model.state), "{case}: {}", ran.exit);
        paid.extend(ran.sent.iter().filter(|message| message.op() == op::CHALLENGE_PAY).cloned());
        assert_eq!(paid.iter().map(|pay| pay.to).next(), model.bond_to, "{case}");
        assert!(paid.len() <= 1 && paid.iter().all(|pay| pay.value == CHALLENGE_BOND.get()));
        let now = data(&task);
        let work = now.work.unwrap();
        assert_eq!(work.dispute.is_some_and(|dispute| dispute.won), model.rewarded, "{case}");
        let held = work.dispute.map_or(0, |dispute| dispute.bond.get());
        let escrowed = if kind == Kind::InJetton {
            // That counts its guarantee; what it is paid with is as it was.
            let money = money(&task);
            assert_eq!((money.held.get(), money.dues), (UNITS, Shares::default()), "{case}");
            0
        } else {
            now.escrowed.get()
        };
        assert!(task.balance >= escrowed + held, "{case}");
        task.now += pace;
    }
    model
}

#[test]
fn every_order_of_challenge_ruling_expiry_proof_and_end() {
    use Word::{Challenge, Expire, Finalize, Prove, RuleAccepted, RuleRejected, RuleUndelivered};
    let first = [Challenge, RuleAccepted, RuleRejected, Expire, Finalize, Prove];
    let second = [Challenge, Challenge, RuleUndelivered, RuleRejected, Expire, Finalize];
    let (mut played, mut ended, mut decided) = (0, 0, 0);
    for (kind, verdict, cast) in [
        (Kind::Overruled, Outcome::Accepted, first),
        (Kind::Overruled, Outcome::Rejected, first),
        (Kind::Judged, Outcome::Undelivered, second),
        (Kind::InJetton, Outcome::Accepted, second),
        (Kind::InJetton, Outcome::Rejected, second),
    ] {
        let (stage, mut cast) = (Stage::set(kind, verdict), cast);
        for pace in [1, WINDOW / 2, APPEAL] {
            orders(&mut cast, 0, &mut |words| {
                let model = play(&stage, words, pace);
                played += 1;
                decided += u32::from(model.bond_to.is_some());
                let open = matches!(
                    model.state,
                    TaskState::Accepted | TaskState::Rejected | TaskState::Disputed
                );
                ended += u32::from(!open);
            });
        }
    }
    fog_figures::figure!(
        "orders around disputes",
        "{played} orders: {decided} decided a dispute, {ended} ended the task"
    );
    assert_eq!(played, 5 * 3 * 720);
    assert!(decided > 500 && ended > 500);
}
