//! From an offer to a bid or a reason.

use fog_protocol::{
    Address, Bid, Listing, Nano, Policy, Program, Rail, TaskId,
    gateway::{PassReason, PledgeAsk, WorkerFrame},
};

use super::{Agent, rail::RailOffer};
use crate::{
    event::WorkerEvent,
    governor::{Offer, Pass, Situation},
    journal::{Phase, Record},
};

/// Longest bid round believed in, in seconds: a consent must not be valid for ever.
const LONGEST_ROUND: u64 = 3600;

/// Why an offer is not bid on.
pub(super) enum No {
    /// A reason an honest node expects.
    Pass(Pass),
    /// An offer no honest node makes.
    Refuse(String),
}

impl From<Pass> for No {
    fn from(pass: Pass) -> Self {
        Self::Pass(pass)
    }
}

const fn pass(reason: PassReason, detail: String) -> No {
    No::Pass(Pass { reason, ask: None, detail })
}

/// The reserve of a bid on the account rail, if what is pledged covers it.
fn covered(at_cap: Nano, price: Nano, cap: Nano, pledged: Nano) -> Result<Nano, No> {
    match at_cap.mul_div_up(price.get(), cap.get()) {
        Some(reserve) if reserve <= pledged => Ok(reserve),
        reserve => {
            let reserve = reserve.unwrap_or(Nano::MAX);
            let detail = format!("it wants {reserve} pledged, {pledged} are pledged to the node");
            Err(pass(PassReason::StakeTooSmall, detail))
        }
    }
}

impl Agent {
    pub(super) async fn on_offer(
        &mut self,
        listing: Listing,
        escrow: Address,
        reserve_at_cap: Nano,
        bids_until: u64,
        rail: Option<(Address, Option<PledgeAsk>)>,
    ) {
        let task = listing.id();
        match (listing.rail, rail) {
            (Rail::Escrow | Rail::Jetton { .. }, _) => {}
            (Rail::Account { .. }, None) => {
                let detail = "the node has not opened this worker's earnings yet".to_owned();
                return self.send_pass(task, PassReason::Busy, None, detail);
            }
            (Rail::Account { .. }, Some((earnings, pledge))) => {
                let listing = Box::new(listing);
                let offer =
                    RailOffer { listing, escrow, reserve_at_cap, bids_until, earnings, pledge };
                return self.look_at_earnings(offer);
            }
        }
        match self.consider(&task, &listing, escrow, (reserve_at_cap, None), bids_until) {
            Ok((bid, record)) => {
                let (price, reserve) = (bid.price, bid.reserve);
                // On disk first: the consent puts stake at risk.
                if let Err(error) = self.store().append(record).await {
                    self.send_pass(task, PassReason::Busy, None, error.to_string());
                    return self.on_disk_trouble(&error);
                }
                self.send(WorkerFrame::Bid { bid: self.context.identity.sign(bid) });
                let in_jetton = listing.in_jetton(price);
                self.tell(WorkerEvent::Bid { task, price, in_jetton, reserve });
            }
            Err(no) => self.decline(task, no),
        }
    }

    pub(super) fn decline(&self, task: TaskId, no: No) {
        match no {
            No::Pass(Pass { reason, ask, detail }) => self.send_pass(task, reason, ask, detail),
            No::Refuse(reason) => {
                self.send(WorkerFrame::Pass { task, reason: PassReason::Unsupported, ask: None });
                self.tell(WorkerEvent::Refused { task: Some(task), reason });
            }
        }
    }

    pub(super) fn consider(
        &self,
        task: &TaskId,
        listing: &Listing,
        escrow: Address,
        (reserve_at_cap, pledged): (Nano, Option<Nano>),
        bids_until: u64,
    ) -> Result<(Bid, Record), No> {
        self.check_offer(listing)?;
        if let Policy::Proof { key } = listing.policy
            && !self.context.prover.has(&key)
        {
            let detail = format!("this worker has no prover for the circuit {key}");
            return Err(pass(PassReason::Unsupported, detail));
        }
        if let Program::ZkVm { vm, .. } = listing.program
            && !self.context.provers.has(vm)
        {
            let detail = format!("this worker has no prover for {vm}: --prover names one");
            return Err(pass(PassReason::Unsupported, detail));
        }
        if let Some((reason, detail)) = self.blocked() {
            return Err(pass(reason, detail));
        }
        let delegated = self.state.chain.is_some_and(|(status, _)| status.stake.delegated);
        if delegated && listing.rail.jetton().is_some() {
            let detail = "others' stake stands for no task in a jetton, which pays this worker alone: \
                          such tasks need a stake nobody has delegated to";
            return Err(pass(PassReason::Unsupported, detail.to_owned()));
        }
        let chain = &self.context.chain;
        let computed = chain.escrow(listing).map_err(|error| No::Refuse(error.to_string()))?;
        if computed != escrow {
            let reason =
                format!("the escrow of this listing is {computed}, the node says {escrow}");
            return Err(No::Refuse(reason));
        }
        let now = self.chain_time().unwrap_or(0);
        if bids_until > now.saturating_add(LONGEST_ROUND) {
            return Err(No::Refuse("the bid round is more than an hour long".into()));
        }
        let known = self.store().read(|state| {
            state.get(task).is_some_and(|entry| !matches!(entry.phase, Phase::Bid { .. }))
        });
        if known {
            return Err(pass(PassReason::Busy, "this worker works on it already".into()));
        }
        let held = self.held(task, now);
        let situation = Situation { held: &held, free_stake: self.free_stake(&held) };
        // What a pledge stands for is reserved already: this bid puts no more at risk.
        let own = if pledged.is_some() { Nano::ZERO } else { reserve_at_cap };
        let Offer { price, reserve } = self.governor.consider(listing, own, &situation)?;
        let at_risk = reserve;
        let reserve = match pledged {
            None => reserve,
            Some(pledged) => covered(reserve_at_cap, price, listing.price_cap, pledged)?,
        };
        let consent_seconds = u64::from(self.governor.limits.consent_seconds);
        let valid_until = bids_until.max(now).saturating_add(consent_seconds);
        let consent = chain
            .consent(escrow, reserve, price, valid_until)
            .map_err(|error| No::Refuse(error.to_string()))?;
        let identity = &self.context.identity;
        let bid = Bid {
            task: *task,
            escrow,
            worker: identity.worker,
            stake: identity.stake,
            price,
            reserve,
            valid_until,
            slots: self.governor.limits.slots,
            consent: identity.sign_hash(&consent),
        };
        let load = self.governor.load(listing);
        let record =
            Record::Bid { task: *task, escrow, price, reserve: at_risk, valid_until, load };
        Ok((bid, record))
    }

    /// What a listing must be before anything is computed from it.
    pub(super) fn check_listing(&self, listing: &Listing) -> Result<(), String> {
        listing.check().map_err(|error| error.to_string())?;
        if (listing.market, listing.network) != (self.pins.market, self.pins.network) {
            return Err("the listing is for another market or network".into());
        }
        Ok(())
    }

    fn check_offer(&self, listing: &Listing) -> Result<(), No> {
        self.check_listing(listing).map_err(No::Refuse)?;
        match self.state.connected {
            Some(session) if session.operator != listing.operator => {
                Err(No::Refuse("the listing names another operator than this node's".into()))
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) async fn on_lost(&mut self, task: TaskId, reason: String) {
        // What is assigned on chain cannot be taken back by a frame.
        if self.forget_bid(task).await {
            self.tell(WorkerEvent::Lost { task, reason });
        }
    }
}
