//! Stake that workers reserve in bulk, for an epoch each: asked for with an offer, opened on chain,
//! judged when it is over or when a result was false.
//!
//! ```text
//! ask --signed--> consented --Opened--> open --Reserved--> reserved --Committed--> live
//!      live --kept: the root of the earnings' entries | a false result: its evidence--> judged --> ended
//! ```
//! Consent and promise are stored with the first intent; each step on chain stores the next. So a
//! restart goes on where it was: with what the chain says, and what the outbox holds.

mod chain;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use fog_contracts::epoch::Epoch;
use fog_market::rail::ChannelState;
use fog_protocol::{Address, Bid, Commit, Nano, Signed, TaskId, gateway::PledgeAsk};

use super::Actor;
use crate::{
    NodeError,
    coordinator::perform::Release,
    denied::{Denied, Why},
    follow::Reading,
    store::{Intent, OpenPledge, PledgeRow, PledgeState, RailStep, Step},
};

/// What a worker gets for a pledge that it keeps. A slash may bring the node as much, so it is the
/// least there is.
const PRICE: Nano = Nano::new(1);
/// Seconds that a consent holds, and that the stake has to be reserved in.
const CONSENT_SECONDS: u32 = 600;
/// Seconds of a consent that must be left when it comes.
const LEAST_LEFT: u64 = 60;
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
    /// Whose verdict was signed, and is on its way.
    signed: BTreeSet<TaskId>,
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
