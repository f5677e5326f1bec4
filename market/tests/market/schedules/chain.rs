//! What the contracts of one task do, as far as the node hears of it: messages come late or too
//! late, and each is taken or refused by the state it finds.

use fog_market::{Event, Outcome, RefundCause, Verdict};
use fog_protocol::{Address, Hash32, Nano, TaskId};

use crate::kit::CAP;

/// Seconds that each stage lasts, as in the kit's listings.
const STAGE: u64 = 600;
const WINDOW: u64 = 60;
const APPEAL: u64 = 300;
const PENALTY: Nano = Nano::new(10_000_000);

/// What the node sends.
#[derive(Debug, Clone)]
pub(super) enum Message {
    Assign { worker: Address, price: Nano, reserve: Nano, valid_until: u64 },
    Commit { worker: Address, commitment: Hash32 },
    Verdict(Verdict),
    Undelivered,
    Challenge,
    Rule(Verdict),
    Finalize,
    Expire,
}

#[derive(Debug, Clone, Copy)]
struct Work {
    worker: Address,
    reserve: Nano,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Open { until: u64 },
    Running { work: Work, until: u64 },
    Committed { work: Work, until: u64 },
    Decided { work: Work, verdict: Verdict, withheld: bool, until: u64 },
    Disputed { work: Work, verdict: Verdict, until: u64 },
    Ended,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Paid,
    Slashed,
    Late,
    Withheld,
    NoVerdict,
    Unassigned,
}

/// A task's escrow, with everything it has said.
#[derive(Debug)]
pub(super) struct Contract {
    task: TaskId,
    stage: Stage,
    pub(super) facts: Vec<Event>,
    pub(super) end: Option<End>,
    /// Whose verdict was challenged.
    pub(super) challenged: Option<Address>,
    /// Who worked on it when it ended.
    pub(super) worker: Option<Address>,
}

impl Contract {
    pub(super) fn funded(task: TaskId, now: u64) -> Self {
        let until = now + STAGE;
        let facts = vec![Event::Opened { task, deadline: until }];
        let stage = Stage::Open { until };
        Self { task, stage, facts, end: None, challenged: None, worker: None }
    }

    /// Takes a message, or not; true if it changed anything. `refuses`: the stake says no.
    pub(super) fn take(&mut self, message: &Message, now: u64, refuses: bool) -> bool {
        let task = self.task;
        let (stage, fact) = match (self.stage, message) {
            (Stage::Open { .. }, Message::Assign { worker, valid_until, .. })
                if refuses && now <= *valid_until =>
            {
                (self.stage, Event::ReserveFailed { task, worker: *worker, code: 7 })
            }
            (Stage::Open { until }, Message::Assign { worker, price, reserve, valid_until })
                if now <= *valid_until && now < until =>
            {
                let commit_by = now + STAGE;
                let work = Work { worker: *worker, reserve: *reserve };
                let (worker, price, reserve) = (*worker, *price, *reserve);
                self.worker = Some(worker);
                let stage = Stage::Running { work, until: commit_by };
                (stage, Event::Reserved { task, worker, price, reserve, commit_by })
            }
            (Stage::Running { work, until }, Message::Commit { worker, commitment })
                if work.worker == *worker && now < until =>
            {
                let (commitment, verdict_by) = (*commitment, now + STAGE);
                let stage = Stage::Committed { work, until: verdict_by };
                (stage, Event::CommittedOnChain { task, commitment, verdict_by })
            }
            (Stage::Committed { work, until }, Message::Verdict(verdict)) if now < until => {
                self.decided(work, *verdict, false, now)
            }
            (Stage::Committed { work, until }, Message::Undelivered) if now < until => {
                self.decided(work, Verdict::Rejected, true, now)
            }
            (Stage::Decided { work, verdict, until, .. }, Message::Challenge) if now < until => {
                self.challenged = Some(work.worker);
                let until = until.max(now) + APPEAL;
                (Stage::Disputed { work, verdict, until }, Event::Disputed { task, until })
            }
            (Stage::Disputed { work, until, .. }, Message::Rule(verdict)) if now < until => {
                self.ended(end_of(*verdict, false), work.reserve)
            }
            (Stage::Disputed { work, verdict, until }, Message::Expire | Message::Finalize)
                if now >= until =>
            {
                self.ended(end_of(verdict, false), work.reserve)
            }
            (Stage::Decided { work, verdict, withheld, until }, Message::Finalize)
                if now >= until =>
            {
                self.ended(end_of(verdict, withheld), work.reserve)
            }
            (Stage::Open { until }, Message::Expire) if now >= until => {
                self.ended(End::Unassigned, Nano::ZERO)
            }
            (Stage::Running { work, until }, Message::Expire) if now >= until => {
                self.ended(End::Late, work.reserve)
            }
            (Stage::Committed { work, until }, Message::Expire) if now >= until => {
                self.ended(End::NoVerdict, work.reserve)
            }
            _ => return false,
        };
        self.stage = stage;
        self.facts.push(fact);
        true
    }

    fn decided(&self, work: Work, verdict: Verdict, withheld: bool, now: u64) -> (Stage, Event) {
        let window_until = now + WINDOW;
        let stage = Stage::Decided { work, verdict, withheld, until: window_until };
        (stage, Event::VerdictOnChain { task: self.task, verdict, window_until })
    }

    fn ended(&mut self, end: End, reserve: Nano) -> (Stage, Event) {
        self.end = Some(end);
        let late = RefundCause::WorkerLate { penalty: PENALTY };
        let outcome = match end {
            End::Paid => Outcome::Paid { worker_amount: CAP, fee: Nano::ZERO },
            End::Slashed => Outcome::Slashed { amount: reserve },
            End::Late | End::Withheld => Outcome::Refunded { cause: late },
            End::NoVerdict => Outcome::Refunded { cause: RefundCause::NoVerdict },
            End::Unassigned => Outcome::Refunded { cause: RefundCause::Unassigned },
        };
        (Stage::Ended, Event::Closed { task: self.task, outcome })
    }
}

const fn end_of(verdict: Verdict, withheld: bool) -> End {
    match (verdict, withheld) {
        (Verdict::Accepted, _) => End::Paid,
        (Verdict::Rejected, true) => End::Withheld,
        (Verdict::Rejected, false) => End::Slashed,
    }
}
