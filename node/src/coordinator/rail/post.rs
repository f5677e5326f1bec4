//! Intake and assignment: nothing is taken on that the account, or the worker's earnings, would not
//! cover.

use fog_contracts::channel::ChannelData;
use fog_market::{Assign, Event};
use fog_protocol::{Address, EntryTree, Listing, Nano, Signed, TaskId, gateway::PassReason};

use super::{Actor, Known, ordered_once};
use crate::{
    NodeError,
    denied::{Denied, Why},
    store::{RailStep, Step, encode},
};

/// Channels a node keeps at most.
const MOST_CHANNELS: usize = 10_000;

impl Actor {
    /// Takes a listing whose account was read, if there is room in it.
    pub(crate) fn post_on_account(
        &mut self,
        listing: Box<Signed<Listing>>,
        place: Address,
        at: &ChannelData,
    ) -> Result<Result<(), Denied>, NodeError> {
        let (id, cap) = (listing.value.id(), listing.value.price_cap);
        let bid = listing.value.durations.bid;
        let Some(account) = listing.value.rail.account() else {
            return Ok(Err(Denied::new(Why::Invalid, "no_account", "the listing names none")));
        };
        if self.market.task(&id).is_some() {
            let decided = self.event(Event::Posted { listing, escrow: place })?;
            return Ok(decided.map_err(super::super::actor::refusal));
        }
        // Its requestor pays for one of a salt.
        let order = (account, listing.value.salt);
        if let Some(task) = self.rail.orders.task(&order) {
            return Ok(Err(ordered_once(&task)));
        }
        if let Err(refused) = self.market.rules().check_listing(&listing.value) {
            return Ok(Err(super::super::actor::refusal(refused)));
        }
        let new = !self.rail.channels.contains_key(&account);
        if new && self.rail.channels.len() >= MOST_CHANNELS {
            let message = "this node keeps as many accounts as it can: try another";
            return Ok(Err(Denied::new(Why::TooMany, "accounts_full", message)));
        }
        let fresh = || Known::new(account, at, EntryTree::default(), None);
        let known = self.rail.channels.entry(account).or_insert_with(fresh);
        known.read(at);
        known.asked = cap;
        if let Err(refused) = known.ledger.promise(id, cap) {
            if new {
                self.rail.channels.remove(&account);
            } else {
                self.rail.changed.insert(account);
                // What waits to be redeemed makes room.
                self.redeem_if_due(&account)?;
            }
            return Ok(Err(Denied::new(Why::Payment, refused.code(), refused.to_string())));
        }
        let signed = encode(listing.as_ref())?;
        let decided = self.event(Event::Posted { listing, escrow: place })?;
        if let Err(refused) = decided {
            if let Some(known) = self.rail.channels.get_mut(&account) {
                known.ledger.release(&id);
            }
            if new {
                self.rail.channels.remove(&account);
            }
            return Ok(Err(super::super::actor::refusal(refused)));
        }
        self.push_channel(account);
        self.rail.orders.take(order, id);
        self.batch.steps.push(Step::Rail(RailStep::Task(id, account, signed, order.1)));
        let deadline = self.now() + u64::from(bid);
        self.rail.queue.push_back(Event::Opened { task: id, deadline });
        Ok(Ok(()))
    }

    /// May this worker be owed its share of `price`? A bid that could not be paid is no bid.
    pub(crate) fn check_earnings(
        &mut self,
        task: TaskId,
        worker: Address,
        price: Nano,
    ) -> Result<Option<Denied>, NodeError> {
        if self.account(&task).is_none() {
            return Ok(None);
        }
        let amount = self.workers_share(price);
        let earnings = self.rail.earnings.get(&worker).copied();
        let known = earnings.and_then(|at| self.rail.channels.get(&at));
        let room = known.map_or(Nano::ZERO, |known| known.ledger.room());
        if amount <= room {
            return Ok(None);
        }
        drop(self.event(Event::Passed { task, worker, reason: PassReason::Busy, ask: None })?);
        let message = format!("your earnings here have room for {room}, {amount} is needed");
        Ok(Some(Denied::new(Why::Conflict, "earnings_full", message)))
    }

    /// A match: its price is promised to the worker, what is above it is the requestor's again. Then
    /// the task runs: what the stake rule asks for is covered by a pledge, or its result is checked.
    pub(super) fn assign_on_account(&mut self, account: &Address, assign: &Assign, now: u64) {
        let (task, worker) = (assign.task, assign.worker);
        let amount = self.workers_share(assign.price);
        let earnings = self.rail.earnings.get(&worker).copied();
        let known = earnings.and_then(|at| self.rail.channels.get_mut(&at));
        let promised = known.is_some_and(|known| known.ledger.promise(task, amount).is_ok());
        let Some(known) = self.market.task(&task).filter(|_| promised) else {
            let event = Event::ReserveFailed { task, worker, code: 0 };
            return self.rail.queue.push_back(event);
        };
        let commit_by = now + u64::from(known.listing().durations.commit);
        if let Some(earnings) = earnings {
            self.rail.shares.insert(task, (earnings, amount));
            self.rail.changed.insert(earnings);
            self.push_channel(earnings);
            self.batch.steps.push(Step::Rail(RailStep::Share(task, earnings, amount)));
            let pledge = self.market.worker(&worker).and_then(|worker| worker.pledge_of(&task));
            if let Some(pledge) = pledge {
                self.batch.steps.push(Step::Rail(RailStep::Backed(task, pledge)));
            }
        }
        self.rail.changed.insert(*account);
        if let Some(known) = self.rail.channels.get_mut(account) {
            known.ledger.agree(&task, assign.price);
        }
        let (price, reserve) = (assign.price, assign.reserve);
        self.rail.queue.push_back(Event::Reserved { task, worker, price, reserve, commit_by });
    }
}
