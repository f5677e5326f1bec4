//! Bids and passes.

use fog_protocol::{Address, Bid, Nano, Signed, TaskId, TaskStatus, gateway::PassReason};

use super::Market;
use crate::{Action, Refused, event::by, rules::way, task::Standing, worker::Presence};

impl Market {
    pub(super) fn bid(&mut self, signed: &Signed<Bid>, now: u64) -> Result<(), Refused> {
        let bid = &signed.value;
        self.check_bid(signed, now)?;
        let task = self.task_mut(&bid.task)?;
        let unit = task.unit_price(bid.price);
        let Some(round) = task.round_mut() else {
            return Err(Self::wrong_state(task.status(), "bidding", "open"));
        };
        round.waiting.remove(&bid.worker);
        round.passes.remove(&bid.worker);
        round.note("bid", &bid.worker, bid.price.get());
        let standing = Standing {
            price: bid.price,
            reserve: bid.reserve,
            valid_until: bid.valid_until,
            slots: bid.slots,
            consent: bid.consent,
        };
        round.bids.insert(bid.worker, standing);
        let worker = self.worker_mut(&bid.worker)?;
        worker.slots = bid.slots;
        worker.ask = Some(unit);
        worker.rounds.insert(bid.task);
        Ok(())
    }

    fn check_bid(&self, signed: &Signed<Bid>, now: u64) -> Result<(), Refused> {
        let bid = &signed.value;
        let task = self.known(&bid.task)?;
        let worker = self.workers.get(&bid.worker).ok_or(Refused::UnknownWorker(bid.worker))?;
        by("bid", signed.signer, worker.session)?;
        if worker.presence == Presence::Offline {
            return Err(Refused::Offline(bid.worker));
        }
        let Some(round) = task.round() else {
            return Err(Self::wrong_state(task.status(), "bidding", "open"));
        };
        if task.barred.contains(&bid.worker) {
            return Err(Refused::Barred);
        }
        if bid.escrow != task.escrow {
            return Err(Refused::WrongEscrow { given: bid.escrow, escrow: task.escrow });
        }
        if bid.stake != worker.stake {
            return Err(Refused::WrongStake { given: bid.stake, stake: worker.stake });
        }
        if bid.price == Nano::ZERO {
            return Err(Refused::ZeroPrice);
        }
        let cap = task.listing.price_cap;
        if bid.price > cap {
            return Err(Refused::PriceAboveCap { price: bid.price, cap });
        }
        let (price, reserve) = (bid.price, bid.reserve);
        let required = self.rules.reserve_for(&task.listing, price)?;
        if reserve < required {
            return Err(Refused::ReserveTooSmall { price, reserve, required });
        }
        if task.listing.rail.has_contract() {
            let free = worker.free_stake();
            if reserve > free {
                return Err(Refused::StakeTooSmall { reserve, free });
            }
        } else {
            let free = worker.pledge_room(now, now.saturating_add(way(&task.listing)));
            if reserve > free {
                return Err(Refused::PledgeTooSmall { reserve, free });
            }
        }
        let max = self.rules.max_slots;
        if !(1..=max).contains(&bid.slots) {
            return Err(Refused::BadSlots { given: bid.slots, max });
        }
        let active = worker.in_hand.len() as u32;
        if active >= u32::from(bid.slots) {
            return Err(Refused::NoSlot { active, slots: bid.slots });
        }
        let needed = now.saturating_add(u64::from(self.rules.min_consent_seconds));
        if bid.valid_until < needed {
            return Err(Refused::ConsentTooShort { given: bid.valid_until, needed });
        }
        let count = round.bids.len() as u32;
        if !round.bids.contains_key(&bid.worker) && count >= self.rules.max_bids_per_task {
            return Err(Refused::TooManyBids { count });
        }
        Ok(())
    }

    pub(super) fn pass(
        &mut self,
        id: TaskId,
        address: Address,
        (reason, ask): (PassReason, Option<Nano>),
        now: u64,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let task = self.known(&id)?;
        if !self.workers.contains_key(&address) {
            return Err(Refused::UnknownWorker(address));
        }
        let Some(round) = task.round() else {
            return match task.status() {
                TaskStatus::AwaitingFunds => {
                    Err(Self::wrong_state(task.status(), "passing", "open"))
                }
                // Too late to matter.
                TaskStatus::Open
                | TaskStatus::Assigning
                | TaskStatus::Running
                | TaskStatus::Committed
                | TaskStatus::Verifying
                | TaskStatus::Accepted
                | TaskStatus::Rejected
                | TaskStatus::Paid
                | TaskStatus::Slashed
                | TaskStatus::Refunded
                | TaskStatus::Dropped => Ok(()),
            };
        };
        // Only those who were asked count, so that what is remembered stays bounded.
        if !round.knows(&address) {
            return Ok(());
        }
        let unit = ask.map(|ask| task.unit_price(ask));
        if let Some(round) = self.task_mut(&id)?.round_mut() {
            round.waiting.remove(&address);
            round.bids.remove(&address);
            round.note("pass", &address, ask.map_or(0, Nano::get));
            round.passes.insert(address, (reason, ask));
        }
        let worker = self.worker_mut(&address)?;
        worker.rounds.remove(&id);
        worker.ask = unit.or(worker.ask);
        self.ask_next(id, now, actions);
        Ok(())
    }
}
