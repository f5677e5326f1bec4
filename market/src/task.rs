//! A task: its listing and the phase it is in. Each phase holds what is known in it, no more.

use std::collections::{BTreeMap, BTreeSet};

use borsh::BorshSerialize;
use fog_protocol::{
    Address, Group, Hash32, Listing, Nano, Signature, TaskId, TaskStatus, gateway::PassReason,
    tagged_hash,
};
use fog_verifier::{AuditBasis, strategy::redundant::Opening};

use crate::{Assignment, Outcome, RefundCause, Verdict, book::Handle, reputation::Speed};

/// A bid that stands in a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) price: Nano,
    pub(crate) reserve: Nano,
    pub(crate) valid_until: u64,
    pub(crate) slots: u16,
    pub(crate) consent: Signature,
}

/// A round of bids. Only `number`, `until` and `trace`, a hash over everything that happened in
/// it, go into the state hash: it would cost too much to hash all bids after each.
#[derive(Debug, Default, BorshSerialize)]
pub(crate) struct Round {
    pub(crate) number: u32,
    pub(crate) until: u64,
    pub(crate) trace: Hash32,
    /// Asked, no answer yet.
    #[borsh(skip)]
    pub(crate) waiting: BTreeSet<Address>,
    #[borsh(skip)]
    pub(crate) bids: BTreeMap<Address, Standing>,
    #[borsh(skip)]
    pub(crate) passes: BTreeMap<Address, (PassReason, Option<Nano>)>,
    /// What the last round without a match was explained with.
    #[borsh(skip)]
    pub(crate) unmatched: Option<String>,
}

impl Round {
    pub(crate) fn note(&mut self, what: &str, worker: &Address, number: u64) {
        let parts: [&[u8]; 4] =
            [&self.trace.0, what.as_bytes(), &worker.hash.0, &number.to_le_bytes()];
        self.trace = tagged_hash("fog/round/v1", &parts);
    }

    /// Has everybody who was asked answered, and somebody bid? Without a bid the round runs its
    /// time, or workers that have to pass would be asked again and again without a pause.
    pub(crate) fn all_answered(&self) -> bool {
        self.waiting.is_empty() && !self.bids.is_empty()
    }

    /// Has `worker` been asked, or answered?
    pub(crate) fn knows(&self, worker: &Address) -> bool {
        self.waiting.contains(worker)
            || self.bids.contains_key(worker)
            || self.passes.contains_key(worker)
    }
}

/// What is known after a commitment.
#[derive(Debug, Clone, BorshSerialize)]
pub(crate) struct Work {
    pub(crate) commitment: Hash32,
    pub(crate) speed: Speed,
    /// Set once the commitment is on chain.
    pub(crate) verdict_by: Option<u64>,
    /// Set if the draw needs the requestor's nonce: until when it may come.
    pub(crate) nonce_until: Option<u64>,
    pub(crate) nonce: Option<Hash32>,
    /// The epoch's seed: set once the result is here.
    pub(crate) seed: Option<Hash32>,
    /// A verdict is on chain: when its window, or the dispute about it, ends.
    pub(crate) window_until: Option<u64>,
    pub(crate) delivery: Delivery,
    pub(crate) dispute: Dispute,
}

/// What became of the result that was committed to, as long as it is not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize)]
pub(crate) enum Delivery {
    /// It may still come.
    Awaited,
    /// Its time is over: the verdict says that it was not handed over.
    Missed,
}

/// Is the verdict on chain disputed?
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize)]
pub(crate) enum Dispute {
    /// Not now.
    None,
    /// Yes: it waits for a ruling.
    Open,
}

/// What became of a result that was accepted without a look when its worker was caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize)]
pub enum Rechecked {
    /// It is being run again.
    Due,
    /// It is what the program gives.
    Right,
    /// It is not.
    Wrong {
        /// Hash of the evidence.
        evidence: Hash32,
    },
    /// Its window was over: nothing could be taken back any more.
    TooLate,
}

/// A result that was accepted without a look, and whose worker was caught then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize)]
pub struct Recheck {
    /// The task whose result was found wrong.
    pub caught: TaskId,
    /// What became of this one.
    pub found: Rechecked,
}

/// Whether a result that was not drawn may be released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize)]
pub(crate) enum Hold {
    /// The verifier has it.
    Released,
    /// It waits until no audit of its worker is running.
    Held,
}

/// A verdict was reached.
#[derive(Debug, Clone, BorshSerialize)]
pub(crate) struct Decided {
    pub(crate) commitment: Hash32,
    pub(crate) speed: Speed,
    pub(crate) evidence: Hash32,
    pub(crate) verdict_by: u64,
    pub(crate) window_until: Option<u64>,
    pub(crate) dispute: Dispute,
}

/// How a task ended.
#[derive(Debug, Clone, BorshSerialize)]
pub(crate) struct Ended {
    pub(crate) assignment: Option<Assignment>,
    pub(crate) commitment: Option<Hash32>,
    /// None: never funded.
    pub(crate) outcome: Option<Outcome>,
}

/// Where a task stands, with what is known there.
#[derive(Debug, BorshSerialize)]
pub(crate) enum Phase {
    AwaitingFunds { until: u64 },
    Open { deadline: u64, round: Round },
    Assigning { deadline: u64, assignment: Assignment, valid_until: u64 },
    Running { assignment: Assignment, commit_by: u64 },
    Committed { assignment: Assignment, commit_by: u64, work: Work },
    Verifying { assignment: Assignment, work: Work, basis: AuditBasis, hold: Hold },
    Accepted { assignment: Assignment, decided: Decided },
    Rejected { assignment: Assignment, decided: Decided },
    Ended(Ended),
}

/// A task.
#[derive(Debug)]
pub struct Task {
    pub(crate) id: TaskId,
    pub(crate) listing: Box<Listing>,
    pub(crate) escrow: Address,
    /// Its place in the order of posting.
    pub(crate) seq: u64,
    pub(crate) phase: Phase,
    /// When it is looked at next; none only at an end.
    pub(crate) alarm: Option<u64>,
    /// Workers whose stake contract refused the reservation: not asked again for this task.
    pub(crate) barred: BTreeSet<Address>,
    /// Of one of several copies: which they are, once the requestor has said so.
    pub(crate) copies: Option<Copies>,
    /// The rate its draw was made at, where that is not the listing's.
    pub(crate) rate_ppm: Option<u32>,
    /// Its worker was caught after it had been accepted without a look.
    pub(crate) recheck: Option<Recheck>,
    /// Its verdict is being challenged: until when the chain is waited for to say so.
    pub(crate) challenged_until: Option<u64>,
    /// Of a verdict that is, or was, disputed: when its own window ended. A task has one dispute.
    pub(crate) rules_from: Option<u64>,
    /// Hash of what its second look found. A task has one: verifiers that contradict it later decide
    /// nothing.
    pub(crate) ruled: Option<Hash32>,
    pub(crate) indexed: Indexed,
}

/// The copies of a task, itself included, and what it gave.
#[derive(Debug, Clone, BorshSerialize)]
pub(crate) struct Copies {
    pub(crate) group: Group,
    /// Set once its result is here.
    pub(crate) opening: Option<Opening>,
}

/// Under what the task is found in the market's indices; maintained by `Market::index`.
#[derive(Debug, Default)]
pub(crate) struct Indexed {
    pub(crate) alarm: Option<u64>,
    pub(crate) round: Option<u64>,
    pub(crate) complete: bool,
    /// What of the node's bond is reserved for it.
    pub(crate) backed: Nano,
    pub(crate) call: Option<Handle>,
    pub(crate) digest: Hash32,
}

impl Task {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> TaskId {
        self.id
    }

    /// Its listing.
    #[must_use]
    pub const fn listing(&self) -> &Listing {
        &self.listing
    }

    /// Its escrow.
    #[must_use]
    pub const fn escrow(&self) -> Address {
        self.escrow
    }

    /// Did the stake of a worker it was matched with refuse the reservation?
    #[must_use]
    pub fn was_refused(&self) -> bool {
        !self.barred.is_empty()
    }

    /// The rate its draw is made at, in parts per million: the listing's, or what the node adds to it
    /// for the worker's history.
    #[must_use]
    pub fn rate_ppm(&self) -> u32 {
        self.rate_ppm.unwrap_or_else(|| self.listing.policy.rate_ppm())
    }

    /// Was it looked at again, because its worker was caught after it had been accepted?
    #[must_use]
    pub const fn recheck(&self) -> Option<Recheck> {
        self.recheck
    }

    /// Its place in the order of posting, from 0.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Where it stands.
    #[must_use]
    pub const fn status(&self) -> TaskStatus {
        match &self.phase {
            Phase::AwaitingFunds { .. } => TaskStatus::AwaitingFunds,
            Phase::Open { .. } => TaskStatus::Open,
            Phase::Assigning { .. } => TaskStatus::Assigning,
            Phase::Running { .. } => TaskStatus::Running,
            Phase::Committed { .. } => TaskStatus::Committed,
            Phase::Verifying { .. } => TaskStatus::Verifying,
            Phase::Accepted { .. } => TaskStatus::Accepted,
            Phase::Rejected { .. } => TaskStatus::Rejected,
            Phase::Ended(Ended { outcome, .. }) => match outcome {
                Some(Outcome::Paid { .. }) => TaskStatus::Paid,
                Some(Outcome::Slashed { .. }) => TaskStatus::Slashed,
                Some(Outcome::Refunded { .. }) => TaskStatus::Refunded,
                None => TaskStatus::Dropped,
            },
        }
    }

    /// Who does it, at which price: from the match on.
    #[must_use]
    pub const fn assignment(&self) -> Option<&Assignment> {
        match &self.phase {
            Phase::AwaitingFunds { .. } | Phase::Open { .. } => None,
            Phase::Assigning { assignment, .. }
            | Phase::Running { assignment, .. }
            | Phase::Committed { assignment, .. }
            | Phase::Verifying { assignment, .. }
            | Phase::Accepted { assignment, .. }
            | Phase::Rejected { assignment, .. } => Some(assignment),
            Phase::Ended(ended) => ended.assignment.as_ref(),
        }
    }

    /// The worker's commitment.
    #[must_use]
    pub const fn commitment(&self) -> Option<Hash32> {
        match &self.phase {
            Phase::AwaitingFunds { .. }
            | Phase::Open { .. }
            | Phase::Assigning { .. }
            | Phase::Running { .. } => None,
            Phase::Committed { work, .. } | Phase::Verifying { work, .. } => Some(work.commitment),
            Phase::Accepted { decided, .. } | Phase::Rejected { decided, .. } => {
                Some(decided.commitment)
            }
            Phase::Ended(ended) => ended.commitment,
        }
    }

    /// Why the result is being checked, or not: only while it is verified.
    #[must_use]
    pub const fn basis(&self) -> Option<&AuditBasis> {
        match &self.phase {
            Phase::Verifying { basis, .. } => Some(basis),
            Phase::AwaitingFunds { .. }
            | Phase::Open { .. }
            | Phase::Assigning { .. }
            | Phase::Running { .. }
            | Phase::Committed { .. }
            | Phase::Accepted { .. }
            | Phase::Rejected { .. }
            | Phase::Ended(_) => None,
        }
    }

    /// Hash of the evidence of the verdict.
    #[must_use]
    pub const fn evidence_hash(&self) -> Option<Hash32> {
        match &self.phase {
            Phase::Accepted { decided, .. } | Phase::Rejected { decided, .. } => {
                Some(decided.evidence)
            }
            Phase::AwaitingFunds { .. }
            | Phase::Open { .. }
            | Phase::Assigning { .. }
            | Phase::Running { .. }
            | Phase::Committed { .. }
            | Phase::Verifying { .. }
            | Phase::Ended(_) => None,
        }
    }

    /// Chain time at which the state times out; none at an end.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        match &self.phase {
            Phase::AwaitingFunds { until } => Some(*until),
            Phase::Open { deadline, .. } => Some(*deadline),
            Phase::Assigning { valid_until, .. } => Some(*valid_until),
            Phase::Running { commit_by, .. } => Some(*commit_by),
            Phase::Committed { commit_by, work, .. } => {
                Some(work.window_until.or(work.verdict_by).unwrap_or(*commit_by))
            }
            // Verification begins only once the commitment is on chain.
            Phase::Verifying { work, .. } => work.window_until.or(work.verdict_by),
            Phase::Accepted { decided, .. } | Phase::Rejected { decided, .. } => {
                Some(decided.window_until.unwrap_or(decided.verdict_by))
            }
            Phase::Ended(_) => None,
        }
    }

    /// How it ended on chain.
    #[must_use]
    pub const fn outcome(&self) -> Option<Outcome> {
        match &self.phase {
            Phase::Ended(ended) => ended.outcome,
            Phase::AwaitingFunds { .. }
            | Phase::Open { .. }
            | Phase::Assigning { .. }
            | Phase::Running { .. }
            | Phase::Committed { .. }
            | Phase::Verifying { .. }
            | Phase::Accepted { .. }
            | Phase::Rejected { .. } => None,
        }
    }

    /// What was cut from the worker's stake.
    #[must_use]
    pub const fn slashed(&self) -> Option<Nano> {
        match self.outcome() {
            Some(
                Outcome::Slashed { amount }
                | Outcome::Refunded { cause: RefundCause::WorkerLate { penalty: amount } },
            ) => Some(amount),
            Some(
                Outcome::Paid { .. }
                | Outcome::Refunded { cause: RefundCause::Unassigned | RefundCause::NoVerdict },
            )
            | None => None,
        }
    }

    /// Bids that stand now.
    #[must_use]
    pub fn bid_count(&self) -> usize {
        self.round().map_or(0, |round| round.bids.len())
    }

    /// Why the last round ended without a match, and what would have matched.
    #[must_use]
    pub fn unmatched(&self) -> Option<&str> {
        self.round()?.unmatched.as_deref()
    }

    /// May its program's blobs be handed to the assigned worker now?
    #[must_use]
    pub const fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }

    pub(crate) const fn round(&self) -> Option<&Round> {
        match &self.phase {
            Phase::Open { round, .. } => Some(round),
            Phase::AwaitingFunds { .. }
            | Phase::Assigning { .. }
            | Phase::Running { .. }
            | Phase::Committed { .. }
            | Phase::Verifying { .. }
            | Phase::Accepted { .. }
            | Phase::Rejected { .. }
            | Phase::Ended(_) => None,
        }
    }

    pub(crate) const fn round_mut(&mut self) -> Option<&mut Round> {
        match &mut self.phase {
            Phase::Open { round, .. } => Some(round),
            Phase::AwaitingFunds { .. }
            | Phase::Assigning { .. }
            | Phase::Running { .. }
            | Phase::Committed { .. }
            | Phase::Verifying { .. }
            | Phase::Accepted { .. }
            | Phase::Rejected { .. }
            | Phase::Ended(_) => None,
        }
    }

    /// What the listing pays per 2^20 units of fuel: comparable between tasks of different size.
    pub(crate) fn unit_price(&self, price: Nano) -> Nano {
        price.mul_div(1 << 20, self.listing.limits.fuel).unwrap_or(Nano::MAX)
    }

    /// Chain time from which a result that is not here counts as withheld; none where none is
    /// awaited. A quarter of the time for the verdict is left for saying so.
    pub(crate) fn deliver_by(&self) -> Option<u64> {
        let Phase::Committed { work, .. } = &self.phase else { return None };
        // Without a contract there is no stake to take a penalty of.
        if !self.listing.rail.has_contract() {
            return None;
        }
        if work.seed.is_some() || work.window_until.is_some() || work.delivery == Delivery::Missed {
            return None;
        }
        let left = u64::from(self.listing.durations.verdict / 4);
        Some(work.verdict_by?.saturating_sub(left))
    }

    /// Did the node say that the worker withheld its result?
    #[must_use]
    pub const fn is_undelivered(&self) -> bool {
        matches!(
            &self.phase,
            Phase::Committed { work: Work { delivery: Delivery::Missed, .. }, .. }
        )
    }

    /// When the window of the verdict on chain ends, or the dispute about it.
    #[must_use]
    pub const fn window_until(&self) -> Option<u64> {
        match &self.phase {
            Phase::Committed { work, .. } | Phase::Verifying { work, .. } => work.window_until,
            Phase::Accepted { decided, .. } | Phase::Rejected { decided, .. } => {
                decided.window_until
            }
            Phase::AwaitingFunds { .. }
            | Phase::Open { .. }
            | Phase::Assigning { .. }
            | Phase::Running { .. }
            | Phase::Ended(_) => None,
        }
    }

    /// Chain time before which nobody rules on its verdict: the end of the window of the verdict that was
    /// disputed. None if nothing was, or if the dispute was heard of before the verdict.
    #[must_use]
    pub const fn rules_from(&self) -> Option<u64> {
        self.rules_from
    }

    /// Does the verdict on chain wait for a ruling?
    #[must_use]
    pub const fn is_disputed(&self) -> bool {
        match &self.phase {
            Phase::Committed { work, .. } | Phase::Verifying { work, .. } => {
                matches!(work.dispute, Dispute::Open)
            }
            Phase::Accepted { decided, .. } | Phase::Rejected { decided, .. } => {
                matches!(decided.dispute, Dispute::Open)
            }
            Phase::AwaitingFunds { .. }
            | Phase::Open { .. }
            | Phase::Assigning { .. }
            | Phase::Running { .. }
            | Phase::Ended(_) => false,
        }
    }

    /// Is a verdict that a contract is read to hold, its window until `window_until`, one from before
    /// the dispute that is known of? A gateway that lags behind shows it: what was decided since is not
    /// undone by that.
    #[must_use]
    pub fn is_before_dispute(&self, verdict: Verdict, window_until: u64, now: u64) -> bool {
        let before = match &self.phase {
            Phase::Accepted { .. } => verdict == Verdict::Accepted,
            Phase::Rejected { .. } | Phase::Committed { .. } => verdict == Verdict::Rejected,
            Phase::AwaitingFunds { .. }
            | Phase::Open { .. }
            | Phase::Assigning { .. }
            | Phase::Running { .. }
            | Phase::Verifying { .. }
            | Phase::Ended(_) => false,
        };
        // A ruling never comes before the end of the verdict's own window.
        let not_ruled = self.rules_from.is_some_and(|from| window_until <= from);
        // When its time is over the verdict stands, whatever was heard of it.
        let runs = self.window_until().is_some_and(|until| now < until);
        self.is_disputed() && before && not_ruled && runs
    }

    /// Was a verdict heard of that is later than the one that was disputed? True while a dispute runs, too:
    /// its own end is later.
    #[must_use]
    pub fn is_ruled(&self) -> bool {
        self.rules_from.zip(self.window_until()).is_some_and(|(from, until)| until > from)
    }

    /// Is it being looked at again because its worker was caught?
    #[must_use]
    pub const fn is_rechecked(&self) -> bool {
        matches!(self.recheck, Some(Recheck { found: Rechecked::Due, .. }))
    }

    /// Notes what a look at it found, if it was looked at because its worker was caught.
    pub(crate) const fn rechecked(&mut self, now: Rechecked) {
        if let Some(Recheck { found, .. }) = &mut self.recheck
            && matches!(found, Rechecked::Due)
        {
            *found = now;
        }
    }

    /// Notes until when the verdict on chain waits, and for what.
    pub(crate) const fn await_end(&mut self, at: u64, disputed: Dispute) {
        match &mut self.phase {
            Phase::Committed { work, .. } | Phase::Verifying { work, .. } => {
                work.window_until = Some(at);
                work.dispute = disputed;
            }
            Phase::Accepted { decided, .. } | Phase::Rejected { decided, .. } => {
                decided.window_until = Some(at);
                decided.dispute = disputed;
            }
            Phase::AwaitingFunds { .. }
            | Phase::Open { .. }
            | Phase::Assigning { .. }
            | Phase::Running { .. }
            | Phase::Ended(_) => {}
        }
    }

    /// Enters a phase; its deadline becomes the alarm.
    pub(crate) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.rearm();
    }

    /// Sets the alarm to the deadline, or to the end of the wait for the nonce.
    pub(crate) fn rearm(&mut self) {
        self.alarm = self.deadline();
        if let Phase::Committed { work, .. } = &self.phase
            && let (Some(_), Some(_), None, Some(until)) =
                (work.verdict_by, work.seed, work.nonce, work.nonce_until)
        {
            self.alarm = self.alarm.map(|deadline| deadline.min(until));
        }
        if let Some(by) = self.deliver_by() {
            self.alarm = self.alarm.map(|deadline| deadline.min(by));
        }
    }

    /// Hash of all that is decided about it (the listing is in the id).
    pub(crate) fn digest(&self) -> Hash32 {
        let mut bytes = Vec::with_capacity(512);
        // Writing to a vector cannot fail.
        let written = (&self.id, &self.escrow, self.seq, &self.phase, self.alarm, &self.barred)
            .serialize(&mut bytes);
        // Only where there are copies, so that other tasks keep their digest.
        let copies = self.copies.as_ref().map(|copies| copies.serialize(&mut bytes));
        let later = (self.rate_ppm, self.recheck, self.challenged_until);
        let disputed = (self.rules_from, self.ruled);
        let is_plain = later == (None, None, None) && disputed == (None, None);
        let later = (!is_plain).then(|| (later, disputed).serialize(&mut bytes));
        let written = [Some(written), copies, later];
        if written.into_iter().flatten().any(|written| written.is_err()) {
            bytes.clear();
        }
        tagged_hash("fog/market-task/v1", &[&bytes])
    }
}
