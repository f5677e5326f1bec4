//! What the chain tells of pledges, and what follows from it.

use fog_contracts::{Notify, TaskState};
use fog_market::{Event, Outcome, RefundCause, Verdict};
use fog_protocol::{Address, Hash32, Nano, TaskId};

use super::Actor;
use crate::{
    NodeError,
    follow::{Applicable, closing_event},
    store::{End, Intent, IntentKind, PledgeRow, PledgeState, RailStep, Step},
};

/// Seconds after a consent's end, and after the last message that could bring it there, in which the
/// chain may still show the pledge's task.
const SHOWN_SECONDS: u64 = 60;
/// Seconds in which a worker is not asked again after a pledge that never came about: it cost gas.
const HOLD_OFF_SECONDS: u64 = 600;

impl Actor {
    /// The pledge's task told something.
    pub(crate) fn pledge_notified(&mut self, id: TaskId, told: &Notify) -> Result<(), NodeError> {
        let Some(row) = self.rail.pledges.living.get(&id) else { return Ok(()) };
        let deadline = u64::from(told.deadline);
        let verdict =
            |verdict| Some(Event::VerdictOnChain { task: id, verdict, window_until: deadline });
        let event = match told.state {
            // The exit code of the stake that refused.
            TaskState::Open if told.hash != Hash32::default() => {
                let [.., a, b, c, d] = told.hash.0;
                let code = u32::from_be_bytes([a, b, c, d]);
                Some(Event::ReserveFailed { task: id, worker: row.terms.worker, code })
            }
            TaskState::Open => Some(Event::Opened { task: id, deadline }),
            TaskState::Assigned => Some(Event::Reserved {
                task: id,
                worker: row.terms.worker,
                price: row.terms.price,
                reserve: row.bid.value.reserve,
                commit_by: deadline,
            }),
            TaskState::Committed => Some(Event::CommittedOnChain {
                task: id,
                commitment: told.hash,
                verdict_by: deadline,
            }),
            TaskState::Accepted => verdict(Verdict::Accepted),
            TaskState::Rejected => verdict(Verdict::Rejected),
            _ => closing_event(id, told),
        };
        event.map_or(Ok(()), |event| self.pledge_event(id, &event))
    }

    /// The pledge's task was read.
    pub(crate) fn pledge_read(
        &mut self,
        id: TaskId,
        events: Vec<Event>,
        thrown_back: Option<(IntentKind, Applicable)>,
    ) -> Result<(), NodeError> {
        for event in events {
            self.pledge_event(id, &event)?;
        }
        match thrown_back {
            Some((kind, Applicable::Yes)) => {
                let now = self.now();
                self.end_intent(id, kind, End::Again(now));
            }
            Some((kind, Applicable::No)) => {
                let reason = "thrown back: the contract had moved on".to_owned();
                self.end_intent(id, kind, End::Refused(reason));
            }
            None => {}
        }
        Ok(())
    }

    /// A pledge whose task never opened is given up with the worker's consent: after it nothing could be
    /// reserved. `is_nothing_there`: its task's account was read, and has no history.
    pub(crate) fn mind_consent(
        &mut self,
        id: TaskId,
        is_nothing_there: bool,
    ) -> Result<(), NodeError> {
        let now = self.now();
        let Some(row) = self.rail.pledges.living.get(&id) else { return Ok(()) };
        let (valid_until, escrow) = (row.bid.value.valid_until, row.escrow);
        if row.state != PledgeState::Consented || now <= valid_until {
            return Ok(());
        }
        // What was not sent until now is not sent any more; what was, the chain shows.
        self.end_intent(id, IntentKind::PledgeOpen, End::Withdrawn);
        let config = &self.shared.config;
        let sending = u64::from(config.message_seconds) + config.chain.reconcile_seconds;
        if now <= valid_until + sending + SHOWN_SECONDS {
            return Ok(());
        }
        if is_nothing_there {
            tracing::warn!(pledge = %id, "a pledge was never opened: it is given up");
            self.pledge_closed(id, &Outcome::Refunded { cause: RefundCause::Unassigned });
            return Ok(());
        }
        // It is on its way, or stuck there: the deadline of that step is over, too.
        self.push_pledge(id, now, Intent::Expire { escrow })
    }

    /// What follows from a fact of the chain about a pledge. Facts come late, twice, or after a gap.
    fn pledge_event(&mut self, id: TaskId, event: &Event) -> Result<(), NodeError> {
        use PledgeState::{Consented, Judged, Live, Open, Reserved};
        let Some(row) = self.rail.pledges.living.get(&id) else { return Ok(()) };
        let (state, known, worker) = (row.state, row.deadline, row.terms.worker);
        let promised = row.promise.value.commitment;
        match event {
            Event::Opened { deadline, .. } if state == Consented => {
                self.end_intent(id, IntentKind::PledgeOpen, End::Done);
                self.pledge_enters(id, Open, *deadline);
                self.reserve_pledge(id)?;
            }
            Event::ReserveFailed { code, .. } if matches!(state, Consented | Open) => {
                // Its stake says no: it runs into its deadline, and another is asked for.
                let reason = fog_contracts::explain_exit(code.cast_signed());
                tracing::warn!(pledge = %id, %reason, "a worker's stake refuses its pledge");
                self.end_intent(id, IntentKind::PledgeReserve, End::Refused(reason));
            }
            Event::Reserved { commit_by, .. } if matches!(state, Consented | Open) => {
                self.end_intent(id, IntentKind::PledgeOpen, End::Done);
                self.end_intent(id, IntentKind::PledgeReserve, End::Done);
                self.pledge_enters(id, Reserved, *commit_by);
                self.promise_pledge(id)?;
            }
            Event::CommittedOnChain { commitment, verdict_by, .. }
                if matches!(state, Consented | Open | Reserved) && *commitment == promised =>
            {
                self.end_intent(id, IntentKind::PledgePromise, End::Done);
                self.pledge_enters(id, Live, *verdict_by);
                self.pledge_lives(id, *verdict_by);
            }
            // Its worker was quicker, with something else: no verdict of ours would fit. It stands for
            // nothing, and ends by time.
            Event::CommittedOnChain { commitment, verdict_by, .. }
                if matches!(state, Consented | Open | Reserved)
                    && *commitment != promised
                    && known != Some(*verdict_by) =>
            {
                tracing::warn!(pledge = %id, %worker, "a worker broke its promise before it began");
                self.end_intent(id, IntentKind::PledgePromise, End::Void);
                self.rail.pledges.held_off.insert(worker, u64::MAX);
                self.pledge_enters(id, Reserved, *verdict_by);
            }
            Event::VerdictOnChain { window_until, .. }
                if state == Live || known != Some(*window_until) =>
            {
                self.end_intent(id, IntentKind::PledgeJudge, End::Done);
                self.pledge_enters(id, Judged, *window_until);
                // Signed by others, or by this node before its database was put back.
                self.stop_pledge(id);
            }
            Event::Closed { outcome, .. } => self.pledge_closed(id, outcome),
            _ => {}
        }
        Ok(())
    }

    fn pledge_enters(&mut self, id: TaskId, state: PledgeState, deadline: u64) {
        if let Some(row) = self.rail.pledges.living.get_mut(&id) {
            row.state = state;
            row.deadline = Some(deadline);
        }
        self.rail.pledges.pushed.remove(&id);
        self.write_pledge(&id);
    }

    fn reserve_pledge(&mut self, id: TaskId) -> Result<(), NodeError> {
        let Some(row) = self.rail.pledges.living.get(&id) else { return Ok(()) };
        let bid = &row.bid.value;
        let assign = Intent::Assign {
            escrow: row.escrow,
            worker: bid.worker,
            price: bid.price,
            reserve: bid.reserve,
            consent: bid.consent,
            valid_until: bid.valid_until,
        };
        self.intend(id, &Intent::Pledge(Box::new(assign)), None)
    }

    fn promise_pledge(&mut self, id: TaskId) -> Result<(), NodeError> {
        let Some(row) = self.rail.pledges.living.get(&id) else { return Ok(()) };
        let commit = Intent::Commit { escrow: row.escrow, commit: row.promise.clone() };
        self.intend(id, &Intent::Pledge(Box::new(commit)), None)
    }

    /// From here on it stands for tasks.
    fn pledge_lives(&mut self, id: TaskId, judge_by: u64) {
        let Some(row) = self.rail.pledges.living.get(&id) else { return };
        let (worker, lasts, reserve) = (row.terms.worker, row.terms.lasts, row.bid.value.reserve);
        let earnings = row.terms.earnings;
        let event = Event::Pledged { worker, pledge: id, reserve, lasts, judge_by };
        self.rail.queue.push_back(event);
        if self.rail.earnings.get(&worker) != Some(&earnings) {
            self.stop_pledge(id);
        }
    }

    /// It takes no more tasks.
    fn stop_pledge(&mut self, id: TaskId) {
        if let Some(row) = self.rail.pledges.living.get(&id) {
            let event = Event::PledgeEnding { worker: row.terms.worker, pledge: id };
            self.rail.queue.push_back(event);
        }
    }

    /// Pledges are about the earnings they name: with others in use they end.
    pub(crate) fn end_other_pledges(&mut self, worker: &Address, earnings: &Address) {
        let other = |row: &&PledgeRow| {
            row.terms.worker == *worker
                && row.terms.earnings != *earnings
                && row.state == PledgeState::Live
        };
        let ending: Vec<_> =
            self.rail.pledges.living.values().filter(other).map(|row| row.id).collect();
        ending.into_iter().for_each(|id| self.stop_pledge(id));
    }

    fn pledge_closed(&mut self, id: TaskId, outcome: &Outcome) {
        let Some(mut row) = self.rail.pledges.living.remove(&id) else { return };
        row.slashed = match outcome {
            Outcome::Slashed { amount }
            | Outcome::Refunded { cause: RefundCause::WorkerLate { penalty: amount } } => *amount,
            Outcome::Paid { .. } | Outcome::Refunded { .. } => Nano::ZERO,
        };
        if matches!(row.state, PledgeState::Consented | PledgeState::Open | PledgeState::Reserved) {
            let until = self.now() + HOLD_OFF_SECONDS;
            let held = self.rail.pledges.held_off.entry(row.terms.worker).or_default();
            *held = until.max(*held);
        }
        row.state = PledgeState::Ended;
        row.deadline = None;
        tracing::info!(pledge = %id, worker = %row.terms.worker, ?outcome, "a pledge is over");
        let (worker, slashed) = (row.terms.worker, row.slashed);
        self.escrows.remove(&row.escrow);
        self.rail.pledges.pushed.remove(&id);
        self.rail.pledges.signed.remove(&id);
        self.batch.steps.push(Step::Rail(RailStep::Pledge(Box::new(row))));
        for kind in [
            IntentKind::PledgeOpen,
            IntentKind::PledgeReserve,
            IntentKind::PledgePromise,
            IntentKind::PledgeJudge,
            IntentKind::PledgeEnd,
            IntentKind::PledgeExpire,
        ] {
            self.end_intent(id, kind, End::Done);
        }
        self.rail.queue.push_back(Event::PledgeClosed { worker, pledge: id, slashed });
    }
}
