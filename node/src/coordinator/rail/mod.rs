//! The account rail: what on the escrow rail a contract does, and tells, is decided here.
//!
//! ```text
//! posted --room in the account--> opened            assign --room in the earnings--> reserved
//! commitment, stored --> committed on chain         verdict, signed --> verdict on chain
//! window over --> entered in both lists --> closed  deadline over --> closed, refunded
//! ```
//! The market decides as ever; its actions for a task of this rail are turned into the events that a
//! contract's notices would have become. They land in the same database transaction as what caused
//! them: whatever is told was stored, and a restart finds all of it or none.

mod channels;
mod ending;
mod orders;
mod pledges;
mod post;
mod vouchers;

pub(crate) use orders::ordered_once;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fog_contracts::channel::{Channel, ChannelData, ChannelStatus, Purpose};
use fog_market::{
    Action, Event, Outcome, RefundCause, Settlement, Task,
    rail::{ChannelState, Ledger, OnChain},
};
use fog_protocol::{
    Address, EntryTree, Nano, PublicKey, Signed, TaskId, TaskStatus, VoucherFile,
    gateway::ServerFrame,
};

use super::{Actor, perform::Release};
use crate::{
    NodeError,
    store::{Ballot, ChannelRow, IntentKind, RailStep, SignedVerdict, Step, encode},
};

/// A channel of this node.
#[derive(Debug)]
struct Known {
    terms: Channel,
    /// The key that signs for the payee now.
    signing_key: PublicKey,
    /// Entries behind what was redeemed, as last read.
    count: u64,
    ledger: Ledger,
    voucher: Option<VoucherFile>,
    /// What was last asked of it: room for as much is made before it is asked again.
    asked: Nano,
    /// The total of the redemption that is on its way, and the task it is named after.
    redeeming: Option<(TaskId, Nano)>,
}

impl Known {
    fn new(
        address: Address,
        at: &ChannelData,
        entries: EntryTree,
        voucher: Option<VoucherFile>,
    ) -> Self {
        let vouched = voucher.as_ref().map_or(0, |voucher| voucher.count);
        Self {
            terms: at.channel,
            signing_key: at.payee_key,
            count: at.count,
            ledger: Ledger::new(address, at.channel.cap, on_chain(at), entries, vouched),
            voucher,
            asked: Nano::ZERO,
            redeeming: None,
        }
    }

    /// The contract's data, as last known.
    fn data(&self) -> ChannelData {
        let OnChain { state, balance, paid } = *self.ledger.chain();
        let (status, close_at) = match state {
            ChannelState::Open => (ChannelStatus::Open, 0),
            ChannelState::Closing { at } => {
                (ChannelStatus::Closing, u32::try_from(at).unwrap_or(u32::MAX))
            }
            ChannelState::Closed => (ChannelStatus::Closed, 0),
        };
        ChannelData {
            status,
            balance,
            paid,
            count: self.count,
            close_at,
            payee_key: self.signing_key,
            ..ChannelData::fresh(&self.terms)
        }
    }

    fn read(&mut self, at: &ChannelData) {
        self.signing_key = at.payee_key;
        self.count = self.count.max(at.count);
        self.ledger.read(on_chain(at));
    }
}

/// What is different for people to read on this rail.
pub(super) fn note(task: &Task) -> Option<String> {
    let account = task.listing().rail.account()?;
    let cap = task.listing().price_cap;
    match (task.status(), task.outcome()) {
        (TaskStatus::AwaitingFunds, _) => {
            Some(format!("posted; {cap} of the account {account} are kept for it"))
        }
        (TaskStatus::Open, _) => Some("open; bids are taken".to_owned()),
        (TaskStatus::Assigning, _) => task
            .assignment()
            .map(|found| format!("matched with {} at {}", found.worker, found.price)),
        (TaskStatus::Running, _) => task.assignment().map(|made| {
            if made.reserve == Nano::ZERO {
                "the worker has the work; the result will be checked".to_owned()
            } else {
                format!("the worker has the work; {} of its pledge stand for it", made.reserve)
            }
        }),
        (TaskStatus::Paid, Some(Outcome::Paid { worker_amount, fee })) => {
            Some(format!("entered: {worker_amount} for the worker, {fee} fee; vouchers pay it"))
        }
        (TaskStatus::Slashed, _) => Some("the result was wrong: nothing is paid".to_owned()),
        (TaskStatus::Refunded, Some(Outcome::Refunded { cause })) => Some(match cause {
            RefundCause::Unassigned => "ended: nobody was assigned; nothing is owed".to_owned(),
            RefundCause::WorkerLate { .. } => "ended: the worker was late; nothing is owed".into(),
            RefundCause::NoVerdict => "ended: no verdict in time; nothing is owed".to_owned(),
        }),
        _ => None,
    }
}

fn on_chain(at: &ChannelData) -> OnChain {
    let state = match at.status {
        ChannelStatus::Open => ChannelState::Open,
        ChannelStatus::Closing => ChannelState::Closing { at: u64::from(at.close_at) },
        ChannelStatus::Closed => ChannelState::Closed,
    };
    OnChain { state, balance: at.balance, paid: at.paid }
}

/// What the coordinator knows of the account rail.
#[derive(Debug, Default)]
pub(super) struct Rail {
    channels: BTreeMap<Address, Known>,
    /// Of each worker, the ones new work is promised in.
    earnings: BTreeMap<Address, Address>,
    /// Of tasks that are assigned: where the worker's share was promised, and how much it is.
    shares: BTreeMap<TaskId, (Address, Nano)>,
    /// Orders that were taken.
    orders: orders::Orders,
    /// Earnings that are being paid into, and the task that is named after.
    paying: BTreeMap<Address, TaskId>,
    /// Events that follow, to be applied before the batch is written.
    queue: VecDeque<Event>,
    /// Channels whose row is to be written.
    changed: BTreeSet<Address>,
    /// Stake reserved in bulk.
    pledges: pledges::Pledges,
}

impl Actor {
    /// The account that pays for a task, if it is on this rail.
    fn account(&self, task: &TaskId) -> Option<Address> {
        self.market.task(task)?.listing().rail.account()
    }

    /// Takes the actions that are for a contract where there is none; gives back all others.
    pub(super) fn divert(&mut self, action: Action) -> Result<Option<Action>, NodeError> {
        let task = action.task();
        let Some(account) = task.as_ref().and_then(|task| self.account(task)) else {
            return Ok(Some(action));
        };
        let now = self.now();
        match action {
            Action::Offer { task, to, bids_until, reserve_at_cap } => {
                self.open_earnings(task, &to)?;
                let Some(known) = self.market.task(&task) else { return Ok(None) };
                let (listing, escrow) = (Box::new(known.listing().clone()), known.escrow());
                for worker in to {
                    let earnings = self.rail.earnings.get(&worker).copied();
                    let listing = listing.clone();
                    let pledge = self.pledge_ask(&worker, now);
                    let frame = ServerFrame::Offer {
                        listing,
                        escrow,
                        reserve_at_cap,
                        bids_until,
                        earnings,
                        pledge,
                    };
                    self.releases.push(Release::Frame(worker, frame));
                }
            }
            Action::Assign(assign) => self.assign_on_account(&account, &assign, now),
            Action::RelayCommit { commit } => {
                let Signed { value, .. } = *commit;
                if let Some(known) = self.market.task(&value.task) {
                    let verdict_by = now + u64::from(known.listing().durations.verdict);
                    let (task, commitment) = (value.task, value.commitment);
                    let event = Event::CommittedOnChain { task, commitment, verdict_by };
                    self.rail.queue.push_back(event);
                }
            }
            Action::Settle(settlement) => self.rule(&settlement, now)?,
            Action::Finalize { task } => self.finalize_on_account(task, &account)?,
            Action::Expire { task } => self.expire_on_account(task),
            Action::Reconcile { .. } => {}
            Action::Breach { pledge, evidence, .. } => self.breach(pledge, evidence),
            Action::NotifyClosed { task, .. } | Action::Drop { task } => {
                self.end_order(task, account);
                self.release_promises(task, &account);
                return Ok(Some(action));
            }
            other => return Ok(Some(other)),
        }
        Ok(None)
    }

    /// Applies what follows from the actions taken so far.
    pub(super) fn follow_rail(&mut self) -> Result<(), NodeError> {
        while let Some(event) = self.rail.queue.pop_front() {
            self.internal(event)?;
        }
        Ok(())
    }

    /// The verdict as its verifiers sign it: it is told only as signed, and stored with its task.
    fn rule(&mut self, settlement: &Settlement, now: u64) -> Result<(), NodeError> {
        let (task, assignment) = (settlement.task(), settlement.assignment());
        let verdict = settlement.verdict();
        // Without a verdict the task runs into its deadline, and nobody is paid.
        let Some(Ballot { valid_until, signatures }) = self.ballot_of(task) else { return Ok(()) };
        self.batch.steps.push(Step::Rail(RailStep::Verdict(SignedVerdict {
            task,
            stake: assignment.stake,
            price: assignment.price,
            commitment: settlement.commitment(),
            valid_until,
            signatures: encode(&signatures)?,
        })));
        let window = self.market.task(&task).map_or(0, |task| task.listing().durations.window);
        let window_until = now + u64::from(window);
        self.rail.queue.push_back(Event::VerdictOnChain { task, verdict, window_until });
        Ok(())
    }

    /// Writes the channels that changed since the last batch.
    pub(super) fn project_channels(&mut self) {
        for address in std::mem::take(&mut self.rail.changed) {
            self.push_channel(address);
        }
    }

    fn push_channel(&mut self, address: Address) {
        if let Some(known) = self.rail.channels.get(&address) {
            let (owed, promised) = (known.ledger.owed(), known.ledger.promised());
            let row = ChannelRow { address, at: known.data(), owed, promised };
            self.batch.steps.push(Step::Rail(RailStep::Channel(Box::new(row))));
        }
    }

    /// Takes up the channels at the start. The market was replayed before.
    pub(super) async fn load_rail(&mut self) -> Result<(), NodeError> {
        let store = self.shared.store.clone();
        for row in store.channels().await? {
            let wrong =
                |reason: String| NodeError::Config(format!("channel {}: {reason}", row.address));
            let entries = EntryTree::of(store.entries(&row.address).await?)
                .map_err(|error| wrong(error.to_string()))?;
            if entries.total() != row.owed {
                return Err(wrong("its entries do not come to what is owed".to_owned()));
            }
            let voucher = store.voucher(&row.address).await?;
            let known = Known::new(row.address, &row.at, entries, voucher);
            let Channel { purpose, payee, series, .. } = row.at.channel;
            let newest = |known: &Address| {
                self.rail.channels.get(known).is_none_or(|known| known.terms.series < series)
            };
            if purpose == Purpose::Earnings && self.rail.earnings.get(&payee).is_none_or(newest) {
                self.rail.earnings.insert(payee, row.address);
            }
            self.rail.channels.insert(row.address, known);
        }
        for (task, account, salt) in store.orders().await? {
            self.rail.orders.take((account, salt), task);
        }
        for (task, earnings, share) in store.shares().await? {
            if let Some(known) = self.rail.channels.get_mut(&earnings) {
                known.ledger.recall(task, share);
            }
            self.rail.shares.insert(task, (earnings, share));
        }
        self.recall_promises();
        self.load_pledges().await?;
        self.take_up_intents().await?;
        for (address, known) in &self.rail.channels {
            if known.ledger.chain().state != ChannelState::Closed {
                self.releases.push(Release::Read(crate::follow::Reading::Channel {
                    channel: *address,
                    thrown_back: None,
                }));
            }
        }
        Ok(())
    }

    /// What accounts have promised is what the tasks that have not ended may cost.
    fn recall_promises(&mut self) {
        for task in self.market.tasks().filter(|task| !task.status().is_terminal()) {
            let Some(account) = task.listing().rail.account() else { continue };
            let assigned = task.assignment().filter(|_| task.status() != TaskStatus::Assigning);
            let price = assigned.map_or(task.listing().price_cap, |assigned| assigned.price);
            if let Some(known) = self.rail.channels.get_mut(&account) {
                known.ledger.recall(task.id(), price);
            }
        }
    }

    async fn take_up_intents(&mut self) -> Result<(), NodeError> {
        let store = self.shared.store.clone();
        for (task, intent) in store.living_intents(IntentKind::Redeem).await? {
            if let crate::store::Intent::Redeem { voucher } = intent
                && let Some(known) = self.rail.channels.get_mut(&voucher.channel)
            {
                known.redeeming = Some((task, voucher.total_nano));
            }
        }
        for (task, intent) in store.living_intents(IntentKind::TopUp).await? {
            if let crate::store::Intent::TopUp(top_up) = intent {
                self.rail.paying.insert(top_up.channel, task);
            }
        }
        Ok(())
    }

    /// What a worker gets of a price: the fee is the node's.
    fn workers_share(&self, price: Nano) -> Nano {
        let fee = price.mul_div(u64::from(self.market.rules().fee_bps), 10_000);
        price.saturating_sub(fee.unwrap_or(Nano::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use fog_protocol::{Entry, EntryVerdict, Hash32};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The ledger's formula is that of the contract's bindings, whatever is owed and promised.
        #[test]
        fn a_ledger_and_the_contracts_bindings_agree_on_the_room(
            balance in 0u64..2_000, paid in 0u64..2_000, cap in 1u64..2_000, owed in 0u64..4_000,
            promised in 0u64..2_000, status in 0u8..3,
        ) {
            let address = Address::basechain([1; 32]);
            let terms = Channel {
                purpose: Purpose::Account,
                payer: address,
                payee: address,
                payer_key: PublicKey(Hash32([1; 32])),
                payee_key: PublicKey(Hash32([2; 32])),
                cap: Nano::new(cap),
                delay: 600,
                series: 0,
            };
            let at = ChannelData {
                status: ChannelStatus::ALL[usize::from(status)],
                balance: Nano::new(balance),
                paid: Nano::new(paid),
                ..ChannelData::fresh(&terms)
            };
            let entry = Entry {
                task: TaskId(Hash32([3; 32])),
                worker: address,
                amount: Nano::new(owed),
                verdict: EntryVerdict::Accepted,
                evidence: Hash32([4; 32]),
            };
            let entries = EntryTree::of([entry]).unwrap_or_default();
            let mut known = Known::new(address, &at, entries, None);
            known.ledger.recall(TaskId(Hash32([5; 32])), Nano::new(promised));
            let all = Nano::new(owed + promised);
            prop_assert_eq!(known.ledger.room(), at.room(all));
            prop_assert_eq!(known.data().room(all), at.room(all));
        }
    }
}
