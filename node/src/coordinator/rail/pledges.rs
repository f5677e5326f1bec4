//! Stake that workers reserve in bulk, for an epoch each: asked for with an offer, opened on chain,
//! judged when it is over or when a result was false.
//!
//! ```text
//! ask --signed--> consented --Opened--> open --Reserved--> reserved --Committed--> live
//!      live --kept: the root of the earnings' entries | a false result: its evidence--> judged --> ended
//! ```
//! Consent and promise are stored with the first intent; each step on chain stores the next. So a
//! restart goes on where it was: with what the chain says, and what the outbox holds.

use std::collections::BTreeMap;

use fog_contracts::{Notify, TaskState, epoch::Epoch};
use fog_market::{Event, Outcome, RefundCause, Verdict, rail::ChannelState};
use fog_protocol::{Address, Bid, Commit, Hash32, Nano, Signed, TaskId, gateway::PledgeAsk};

use super::Actor;
use crate::{
    NodeError,
    coordinator::perform::Release,
    denied::{Denied, Why},
    follow::{Applicable, Reading, closing_event},
    store::{
        End, Intent, IntentKind, Judged, OpenPledge, PledgeRow, PledgeState, RailStep, Ruling, Step,
    },
};

/// What a worker gets for a pledge that it keeps. A slash may bring the node as much, so it is the
/// least there is.
const PRICE: Nano = Nano::new(1);
/// Seconds that a consent holds, and that the stake has to be reserved in.
const CONSENT_SECONDS: u32 = 600;
/// Seconds of a consent that must be left when it comes.
const LEAST_LEFT: u64 = 60;
/// Seconds between two tries to push a pledge on.
const AGAIN_SECONDS: u64 = 15;
/// Seconds after which something that was thrown back is tried again.
const BACK_SECONDS: u64 = 2;
/// Seconds in which a worker is not asked again after a pledge that never came about: it cost gas.
const HOLD_OFF_SECONDS: u64 = 600;
/// Pledges of one worker that are not over, at most.
const MOST_PLEDGES: usize = 4;

/// A pledge that a worker was asked for.
#[derive(Debug)]
struct Asked {
    terms: Epoch,
    ask: PledgeAsk,
}

/// What the coordinator knows of pledges.
#[derive(Debug, Default)]
pub(super) struct Pledges {
    /// Those that are not over.
    living: BTreeMap<TaskId, PledgeRow>,
    asked: BTreeMap<Address, Asked>,
    /// The number of a worker's next.
    next: BTreeMap<Address, u32>,
    /// Until when workers are not asked.
    held_off: BTreeMap<Address, u64>,
    /// When each was last pushed on.
    pushed: BTreeMap<TaskId, u64>,
    /// Chain time of the last look at them.
    looked: u64,
}

impl Actor {
    /// Takes them up at the start.
    pub(super) async fn load_pledges(&mut self) -> Result<(), NodeError> {
        let store = self.shared.store.clone();
        let (market, node) = (self.shared.config.market, self.shared.operator);
        for row in store.living_pledges(market, node).await? {
            self.escrows.insert(row.escrow, row.id);
            let reading = Reading::Task { task: row.id, escrow: row.escrow, thrown_back: None };
            self.releases.push(Release::Read(reading));
            self.rail.pledges.living.insert(row.id, row);
        }
        self.rail.pledges.next = store.pledge_numbers().await?.into_iter().collect();
        Ok(())
    }

    /// What a worker that is offered work is to be asked for, if anything. The same again until it
    /// answers, or it is too late.
    pub(super) fn pledge_ask(&mut self, worker: &Address, now: u64) -> Option<PledgeAsk> {
        let config = self.shared.config.rail;
        if config.pledge == Nano::ZERO || !self.wants_pledge(worker, now) {
            return None;
        }
        let earnings = self.funded_earnings(worker)?;
        if let Some(Asked { terms, ask }) = self.rail.pledges.asked.get(worker)
            && terms.earnings == earnings
            && ask.valid_until > now + 2 * LEAST_LEFT
        {
            return Some(*ask);
        }
        let market = self.shared.chain.market();
        let within = |seconds: u32| seconds.clamp(market.min_step, market.max_step);
        let number = self.rail.pledges.next.get(worker).copied().unwrap_or(0);
        let ask = PledgeAsk {
            number,
            reserve: config.pledge,
            price: PRICE,
            bid: within(CONSENT_SECONDS),
            // A promise that is late costs the worker: as much time as there may be.
            commit: market.max_step,
            lasts: within(config.pledge_seconds),
            valid_until: now + u64::from(CONSENT_SECONDS),
        };
        let (market, node) = (self.shared.config.market, self.shared.operator);
        let terms = ask_terms(&ask, market, node, *worker, earnings);
        self.rail.pledges.asked.insert(*worker, Asked { terms, ask });
        Some(ask)
    }

    /// Is none on its way, and none there that lasts?
    fn wants_pledge(&self, worker: &Address, now: u64) -> bool {
        let own = self.rail.pledges.living.values().filter(|row| row.terms.worker == *worker);
        let (mut count, mut coming) = (0, false);
        for row in own {
            count += 1;
            coming |= matches!(
                row.state,
                PledgeState::Consented | PledgeState::Open | PledgeState::Reserved
            );
        }
        let lasting = self.market.worker(worker).is_some_and(|worker| {
            worker.pledges().any(|(_, pledge)| {
                pledge.standing() == fog_market::pledge::Standing::Live && now < pledge.renew_at()
            })
        });
        let held_off = self.rail.pledges.held_off.get(worker).is_some_and(|until| now < *until);
        count < MOST_PLEDGES && !coming && !lasting && !held_off
    }

    /// The worker's earnings, if work can be paid into them.
    fn funded_earnings(&self, worker: &Address) -> Option<Address> {
        let address = self.rail.earnings.get(worker)?;
        let known = self.rail.channels.get(address)?;
        let chain = known.ledger.chain();
        let session = self.market.worker(worker)?.session();
        let open = chain.state == ChannelState::Open && chain.balance > Nano::ZERO;
        (open && known.signing_key == session).then_some(*address)
    }

    /// A worker consents, and promises. The gateway has checked that it signed both, and that the
    /// consent is for what the bid says.
    pub(crate) fn pledge(
        &mut self,
        bid: Signed<Bid>,
        promise: Signed<Commit>,
    ) -> Result<Result<(), Denied>, NodeError> {
        let checked = self.check_pledge(&bid, &promise);
        let (id, terms) = match checked {
            Ok(found) => found,
            Err(denied) => return Ok(Err(denied)),
        };
        if self.rail.pledges.living.contains_key(&id) {
            return Ok(Ok(()));
        }
        let worker = terms.worker;
        self.rail.pledges.asked.remove(&worker);
        self.rail.pledges.next.insert(worker, terms.number.saturating_add(1));
        self.escrows.insert(bid.value.escrow, id);
        let row = PledgeRow {
            id,
            escrow: bid.value.escrow,
            terms,
            bid,
            promise,
            state: PledgeState::Consented,
            deadline: None,
            verdict: None,
            slashed: Nano::ZERO,
        };
        self.rail.pledges.living.insert(id, row);
        self.write_pledge(&id);
        self.intend(id, &Intent::Open(OpenPledge::from(&terms)), None)?;
        Ok(Ok(()))
    }

    /// Is this what was asked for, all of it?
    fn check_pledge(
        &self,
        bid: &Signed<Bid>,
        promise: &Signed<Commit>,
    ) -> Result<(TaskId, Epoch), Denied> {
        let invalid = |code: &str, message: &str| Denied::new(Why::Invalid, code, message);
        let value = &bid.value;
        if let Some(known) = self.rail.pledges.living.get(&value.task)
            && known.bid == *bid
        {
            // Sent again, perhaps because the answer was lost.
            return Ok((known.id, known.terms));
        }
        let asked = self.rail.pledges.asked.get(&value.worker);
        let asked = asked.ok_or_else(|| invalid("not_asked", "no such pledge was asked for"))?;
        let (terms, ask) = (asked.terms, asked.ask);
        let init = terms.task();
        let cells = |_| invalid("bad_pledge", "its task cannot be built");
        let (escrow, rule) = (init.address().map_err(cells)?, terms.promise().map_err(cells)?);
        let id = TaskId(init.terms.id);
        let said = (value.task, value.escrow, value.price, value.reserve, value.valid_until);
        if said != (id, escrow, ask.price, ask.reserve, ask.valid_until) {
            return Err(invalid("other_pledge", "another pledge was asked for"));
        }
        if ask.valid_until < self.now() + LEAST_LEFT {
            return Err(invalid(
                "consent_too_short",
                "the consent ends too soon: wait for an offer",
            ));
        }
        // A stake that says no would only cost gas.
        let free = self.market.worker(&value.worker).map(fog_market::Worker::free_stake);
        if free.is_none_or(|free| free < value.reserve) {
            return Err(invalid("stake_too_small", "not as much of the stake is free"));
        }
        let commit = &promise.value;
        let same = (commit.task, commit.worker, commit.commitment) == (id, value.worker, rule);
        let signed = self.shared.chain.check_commit(
            &escrow,
            &commit.commitment,
            &promise.signer,
            &commit.chain_signature,
        );
        if !same || signed.is_err() || promise.signer != bid.signer {
            return Err(invalid("bad_promise", "the promise is not that of this pledge"));
        }
        Ok((id, terms))
    }

    /// Is there a pledge of this name that is not over?
    pub(crate) fn is_pledge(&self, id: &TaskId) -> bool {
        self.rail.pledges.living.contains_key(id)
    }

    /// The address of a pledge's task.
    pub(crate) fn pledge_escrow(&self, id: &TaskId) -> Option<Address> {
        self.rail.pledges.living.get(id).map(|row| row.escrow)
    }

    fn write_pledge(&mut self, id: &TaskId) {
        if let Some(row) = self.rail.pledges.living.get(id) {
            self.batch.steps.push(Step::Rail(RailStep::Pledge(Box::new(row.clone()))));
        }
    }

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
                let again = self.now() + BACK_SECONDS;
                self.end_intent(id, kind, End::Again(again));
            }
            Some((kind, Applicable::No)) => {
                let reason = "thrown back: the contract had moved on".to_owned();
                self.end_intent(id, kind, End::Refused(reason));
            }
            None => {}
        }
        Ok(())
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
                if matches!(state, Consented | Open | Reserved) && *commitment != promised =>
            {
                // Its worker was quicker, with something else: no verdict of ours would fit. It stands
                // for nothing, and ends by time.
                if known != Some(*verdict_by) {
                    tracing::warn!(pledge = %id, %worker, "a worker broke its promise before it began");
                    self.end_intent(id, IntentKind::PledgePromise, End::Void);
                    self.rail.pledges.held_off.insert(worker, u64::MAX);
                    self.pledge_enters(id, Reserved, *verdict_by);
                }
            }
            Event::CommittedOnChain { verdict_by, .. }
                if matches!(state, Consented | Open | Reserved) =>
            {
                self.end_intent(id, IntentKind::PledgePromise, End::Done);
                self.pledge_enters(id, Live, *verdict_by);
                self.pledge_lives(id, *verdict_by);
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
    pub(super) fn end_other_pledges(&mut self, worker: &Address, earnings: &Address) {
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

    /// A result that the pledge stands for was false.
    pub(super) fn breach(&mut self, id: TaskId, evidence: Hash32) -> Result<(), NodeError> {
        self.judge_pledge(id, Ruling::Rejected, evidence)
    }

    fn judge_pledge(
        &mut self,
        id: TaskId,
        ruling: Ruling,
        evidence: Hash32,
    ) -> Result<(), NodeError> {
        let Some(row) = self.rail.pledges.living.get_mut(&id) else { return Ok(()) };
        if row.state != PledgeState::Live || row.verdict.is_some() {
            return Ok(());
        }
        row.verdict = Some((ruling, evidence));
        let verdict = Intent::Verdict(Judged {
            escrow: row.escrow,
            stake: row.bid.value.stake,
            price: row.bid.value.price,
            commitment: row.promise.value.commitment,
            evidence,
            ruling,
        });
        self.write_pledge(&id);
        self.intend(id, &Intent::Pledge(Box::new(verdict)), None)
    }

    /// Pushes pledges on whose time has come: nothing else does.
    pub(crate) fn turn_pledges(&mut self, now: u64) -> Result<(), NodeError> {
        if self.rail.pledges.living.is_empty() || now == self.rail.pledges.looked {
            return Ok(());
        }
        self.rail.pledges.looked = now;
        let ids: Vec<_> = self.rail.pledges.living.keys().copied().collect();
        ids.into_iter().try_for_each(|id| self.turn_pledge(id, now))
    }

    fn turn_pledge(&mut self, id: TaskId, now: u64) -> Result<(), NodeError> {
        let Some(row) = self.rail.pledges.living.get(&id) else { return Ok(()) };
        let pledge = self.market.worker(&row.terms.worker).and_then(|worker| {
            worker.pledges().find(|(known, _)| **known == id).map(|(_, pledge)| pledge)
        });
        let over = row.deadline.is_some_and(|deadline| now > deadline);
        // Nobody can challenge it: it is carried out as soon as it is there.
        let due = row.deadline.is_some_and(|deadline| now >= deadline);
        let escrow = row.escrow;
        match row.state {
            PledgeState::Live
                if row.verdict.is_none() && pledge.is_some_and(|p| p.is_kept(now)) =>
            {
                let earnings = self.rail.channels.get(&row.terms.earnings);
                let Some(root) = earnings.map(|known| known.ledger.entries().root()) else {
                    return Ok(());
                };
                self.judge_pledge(id, Ruling::Accepted, root)
            }
            PledgeState::Judged if due => self.push_pledge(id, now, Intent::Finalize { escrow }),
            PledgeState::Open | PledgeState::Reserved | PledgeState::Live if over => {
                self.push_pledge(id, now, Intent::Expire { escrow })
            }
            _ => Ok(()),
        }
    }

    fn push_pledge(&mut self, id: TaskId, now: u64, intent: Intent) -> Result<(), NodeError> {
        let pushed = self.rail.pledges.pushed.get(&id);
        if pushed.is_some_and(|at| now < at + AGAIN_SECONDS) {
            return Ok(());
        }
        self.rail.pledges.pushed.insert(id, now);
        self.intend(id, &Intent::Pledge(Box::new(intent)), None)
    }
}

/// The epoch that a node asks for.
const fn ask_terms(
    ask: &PledgeAsk,
    market: Address,
    node: Address,
    worker: Address,
    earnings: Address,
) -> Epoch {
    let PledgeAsk { number, price, bid, commit, lasts, .. } = *ask;
    Epoch { market, node, worker, earnings, number, price, bid, commit, lasts }
}
