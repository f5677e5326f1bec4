//! What the chain says, turned into events of the market.

use fog_contracts::{Notify, TaskState};
use fog_market::{Event, Outcome, RefundCause, Verdict};
use fog_protocol::{Address, Hash32, TaskId, TaskStatus};

use super::{Actor, perform::Release};
use crate::{
    NodeError,
    follow::{Applicable, ChainUpdate, Fact, Reading, closing_event},
    store::{End, IntentKind, Step},
};

impl Actor {
    /// Takes what one look at the chain gave: effects and cursor land in the same batch.
    pub(super) fn chain(&mut self, update: ChainUpdate) -> Result<(), NodeError> {
        self.shared.clock.advance(update.now);
        let told = !update.facts.is_empty();
        for fact in update.facts {
            self.fact(fact)?;
        }
        if let Some(cursor) = update.cursor {
            // The time of a look that found nothing matters only to messages that expire.
            if told || self.seen_at + 1 < cursor.seen_at {
                self.seen_at = cursor.seen_at;
                self.batch.cursor = Some(cursor);
            }
        }
        Ok(())
    }

    fn fact(&mut self, fact: Fact) -> Result<(), NodeError> {
        match fact {
            Fact::Message(message) => {
                self.batch.steps.push(Step::Message(message));
                // The next message may be signed.
                self.releases.push(Release::Settle);
            }
            Fact::Notified { from, notify } => self.notified(from, &notify)?,
            Fact::ThrownBack { from, intent } => {
                if let Some(task) = self.escrows.get(&from).copied() {
                    self.read_task(task, Some(intent));
                } else if from == self.shared.chain.bond_address() {
                    // Not enough is free: how much there is, and which task has to wait.
                    self.releases.push(Release::Read(Reading::Bond));
                    self.releases.push(Release::Read(Reading::Intent(intent)));
                }
                self.channel_moved(&from, Some(intent));
            }
            Fact::NotTaken { from, notice } => {
                let task = self.escrows.get(&notice.task).copied();
                let intent = i64::try_from(notice.query);
                if let (Some(task), Ok(intent)) = (task, intent)
                    && from == self.shared.chain.bond_address()
                {
                    self.read_task(task, Some(intent));
                }
            }
            Fact::Channel { from, notice } => self.channel_told(&from, &notice)?,
            Fact::Excess { from } => self.channel_moved(&from, None),
            Fact::Read { task, events, transactions, thrown_back, .. } if self.is_pledge(&task) => {
                self.pledge_read(task, events, thrown_back)?;
                self.mind_consent(task, transactions.is_empty())?;
            }
            Fact::Read { task, events, transactions, thrown_back, rules_from } => {
                if self.market.task(&task).is_none() {
                    return Ok(());
                }
                if let Some(from) = rules_from {
                    self.rules_from.insert(task, from);
                }
                for event in events {
                    self.chain_event(self.completed(event))?;
                }
                if !transactions.is_empty() {
                    self.batch.steps.push(Step::Transactions(task, transactions));
                }
                if let Some((kind, applicable)) = thrown_back {
                    self.thrown_back(task, kind, applicable)?;
                }
                self.changed.insert(task);
            }
        }
        Ok(())
    }

    /// An intent came back: it is tried again, or its contract has moved on.
    pub(super) fn thrown_back(
        &mut self,
        task: TaskId,
        kind: IntentKind,
        applicable: Applicable,
    ) -> Result<(), NodeError> {
        match (kind, applicable) {
            (IntentKind::Assign, Applicable::Yes) => {
                let worker = self.market.task(&task).and_then(fog_market::Task::assignment);
                if let Some(worker) = worker.map(|assignment| assignment.worker) {
                    self.chain_event(Event::ReserveFailed { task, worker, code: 0 })?;
                }
            }
            (_, Applicable::Yes) => {
                let now = self.now();
                self.end_intent(task, kind, End::Again(now));
            }
            // A contract that was read late shows the verdict from before the dispute. The ruling goes
            // out until its time is over: what is heard then ends it.
            (IntentKind::Ruling, Applicable::No) if self.is_disputed(&task) => {
                let now = self.now();
                self.end_intent(task, kind, End::Again(now));
            }
            (_, Applicable::No) => {
                let reason = "thrown back: the contract had moved on".to_owned();
                self.end_intent(task, kind, End::Refused(reason));
            }
        }
        Ok(())
    }

    fn is_disputed(&self, task: &TaskId) -> bool {
        let runs = |task: &fog_market::Task| task.deadline().is_some_and(|at| self.now() < at);
        self.market.task(task).is_some_and(|task| task.is_disputed() && runs(task))
    }

    /// A notice counts only if it comes from the escrow of the task it names.
    fn notified(&mut self, from: Address, notify: &Notify) -> Result<(), NodeError> {
        let task = TaskId(notify.task);
        if self.escrows.get(&from) != Some(&task) {
            tracing::debug!(%from, %task, "a notice from another account than the task's escrow");
            return Ok(());
        }
        if self.is_pledge(&task) {
            return self.pledge_notified(task, notify);
        }
        let Some(event) = self.heard(task, notify) else {
            // Not enough is known here to say what it means: the contract tells the rest.
            self.read_task(task, None);
            return Ok(());
        };
        self.chain_event(event)?;
        // For the list of its transactions.
        if notify.state.is_end() {
            self.read_task(task, None);
        }
        Ok(())
    }

    fn heard(&self, task: TaskId, notify: &Notify) -> Option<Event> {
        let known = self.market.task(&task)?;
        let assignment = known.assignment();
        let deadline = u64::from(notify.deadline);
        match notify.state {
            // In `Open` after a refused reservation the hash is the exit code. Without one it is the
            // task's opening, which a reading of the contract may have told before.
            TaskState::Open
                if known.status() == TaskStatus::Assigning && notify.hash != Hash32::default() =>
            {
                let [.., a, b, c, d] = notify.hash.0;
                let code = u32::from_be_bytes([a, b, c, d]);
                let worker = assignment?.worker;
                Some(Event::ReserveFailed { task, worker, code })
            }
            TaskState::Open => Some(Event::Opened { task, deadline }),
            TaskState::Assigned => {
                // The notice does not name the worker: after more than one match the contract does.
                let assignment = assignment
                    .filter(|ours| ours.price == notify.amount && !known.was_refused())?;
                Some(Event::Reserved {
                    task,
                    worker: assignment.worker,
                    price: assignment.price,
                    reserve: assignment.reserve,
                    commit_by: deadline,
                })
            }
            TaskState::Committed => Some(Event::CommittedOnChain {
                task,
                commitment: notify.hash,
                verdict_by: deadline,
            }),
            TaskState::Accepted => Some(Event::VerdictOnChain {
                task,
                verdict: Verdict::Accepted,
                window_until: deadline,
            }),
            TaskState::Rejected => Some(Event::VerdictOnChain {
                task,
                verdict: Verdict::Rejected,
                window_until: deadline,
            }),
            TaskState::Disputed => Some(Event::Disputed { task, until: deadline }),
            TaskState::Paid | TaskState::Slashed | TaskState::Refunded | TaskState::Late => {
                closing_event(task, notify).map(|event| self.completed(event))
            }
            TaskState::Created
            | TaskState::Registering
            | TaskState::Reserving
            | TaskState::Settling
            | TaskState::Slashing
            | TaskState::Releasing
            | TaskState::Penalising => None,
        }
    }

    /// Adds what only this side knows to how a task ended.
    fn completed(&self, event: Event) -> Event {
        let Event::Closed { task, outcome } = event else { return event };
        let known = self.market.task(&task);
        let price = known.and_then(fog_market::Task::assignment).map(|known| known.price);
        let committed = known.and_then(fog_market::Task::commitment).is_some();
        let outcome = match outcome {
            Outcome::Paid { worker_amount, .. } => {
                let fee = price.unwrap_or(worker_amount).saturating_sub(worker_amount);
                Outcome::Paid { worker_amount, fee }
            }
            Outcome::Refunded { cause: RefundCause::Unassigned } if committed => {
                Outcome::Refunded { cause: RefundCause::NoVerdict }
            }
            Outcome::Slashed { .. } | Outcome::Refunded { .. } => outcome,
        };
        Event::Closed { task, outcome }
    }

    /// Applies a fact of the chain, and ends the intents it fulfils.
    fn chain_event(&mut self, event: Event) -> Result<(), NodeError> {
        let done: &[(IntentKind, End)] = &match &event {
            Event::Reserved { .. } => vec![(IntentKind::Assign, End::Done)],
            Event::ReserveFailed { code, .. } => {
                let reason = fog_contracts::explain_exit(code.cast_signed());
                vec![(IntentKind::Assign, End::Refused(reason))]
            }
            Event::CommittedOnChain { .. } => vec![(IntentKind::Commit, End::Done)],
            Event::Disputed { .. } => vec![(IntentKind::Challenge, End::Done)],
            Event::VerdictOnChain { .. } => {
                [IntentKind::Verdict, IntentKind::Undelivered, IntentKind::Ruling]
                    .map(|kind| (kind, End::Done))
                    .into()
            }
            Event::Closed { outcome, .. } => match outcome {
                Outcome::Paid { .. } | Outcome::Slashed { .. } => {
                    vec![(IntentKind::Verdict, End::Done), (IntentKind::Finalize, End::Done)]
                }
                Outcome::Refunded { .. } => {
                    vec![(IntentKind::Expire, End::Done), (IntentKind::Penalise, End::Done)]
                }
            },
            _ => Vec::new(),
        };
        let task = match &event {
            Event::Opened { task, .. }
            | Event::Reserved { task, .. }
            | Event::ReserveFailed { task, .. }
            | Event::CommittedOnChain { task, .. }
            | Event::VerdictOnChain { task, .. }
            | Event::Disputed { task, .. }
            | Event::Closed { task, .. } => *task,
            _ => return Ok(()),
        };
        let begins = matches!(event, Event::Opened { .. } | Event::Reserved { .. });
        if begins && self.is_over(&task) {
            let note = "paid after its epoch was shut, so that its draw would be known: this node \
                        does not take it; `fog task cancel ID` gives the money back";
            self.note_verifying(task, note.to_owned());
            return Ok(());
        }
        if self.is_news(&event) {
            // The intents first: what the event asks for next may be of the same kind.
            for (kind, end) in done {
                self.end_intent(task, *kind, end.clone());
            }
            self.internal(event)?;
        }
        Ok(())
    }

    /// Would the event change anything? Periodic readings repeat what is known; only news is
    /// logged.
    fn is_news(&self, event: &Event) -> bool {
        let known = |task: &TaskId| self.market.task(task).map(fog_market::Task::status);
        use TaskStatus::{Assigning, AwaitingFunds, Dropped, Open};
        match event {
            Event::Opened { task, .. } => matches!(known(task), Some(AwaitingFunds | Dropped)),
            Event::Reserved { task, .. } => {
                matches!(known(task), Some(AwaitingFunds | Open | Assigning | Dropped))
            }
            Event::ReserveFailed { task, .. } => known(task) == Some(Assigning),
            Event::CommittedOnChain { task, .. } => !self.heard_commits.contains(task),
            Event::VerdictOnChain { task, verdict, window_until } => {
                let now = self.now();
                self.market.task(task).is_some_and(|task| {
                    let is_other = task.window_until() != Some(*window_until) || task.is_disputed();
                    is_other && !task.is_before_dispute(*verdict, *window_until, now)
                })
            }
            Event::Disputed { task, until } => self.market.task(task).is_some_and(|task| {
                let open = task.is_disputed();
                (open || !task.is_ruled()) && (!open || task.window_until() != Some(*until))
            }),
            // Another end than the known one is a contradiction, which the market refuses.
            Event::Closed { task, outcome } => known(task).is_some_and(|status| {
                status
                    != match outcome {
                        Outcome::Paid { .. } => TaskStatus::Paid,
                        Outcome::Slashed { .. } => TaskStatus::Slashed,
                        Outcome::Refunded { .. } => TaskStatus::Refunded,
                    }
            }),
            _ => true,
        }
    }
}
