//! What the chain says of channels, and the earnings that this node opens.

use fog_contracts::channel::{Channel, ChannelData, ChannelNotice, Purpose};
use fog_market::rail::ChannelState;
use fog_protocol::{Address, EntryTree, Nano, TaskId};

use super::{Actor, Known};
use crate::{
    NodeError,
    coordinator::perform::Release,
    follow::{Applicable, Reading},
    store::{End, Intent, IntentKind, TopUp},
};

impl Actor {
    /// A channel told this node's wallet something. Only known channels count.
    pub(crate) fn channel_told(
        &mut self,
        from: &Address,
        notice: &ChannelNotice,
    ) -> Result<(), NodeError> {
        let Some(known) = self.rail.channels.get_mut(from) else { return Ok(()) };
        match notice {
            ChannelNotice::Redeemed { total, count } => {
                known.ledger.redeemed(*total);
                known.count = known.count.max(*count);
            }
            ChannelNotice::Closing { close_at } => {
                let state = ChannelState::Closing { at: u64::from(*close_at) };
                let chain = fog_market::rail::OnChain { state, ..*known.ledger.chain() };
                known.ledger.read(chain);
            }
        }
        self.rail.changed.insert(*from);
        self.end_redemption(from);
        self.redeem_if_due(from)
    }

    /// Something came from this account: if it is a channel, it has moved.
    pub(crate) fn channel_moved(&mut self, from: &Address, thrown_back: Option<i64>) {
        if self.rail.channels.contains_key(from) {
            let reading = Reading::Channel { channel: *from, thrown_back };
            self.releases.push(Release::Read(reading));
        }
    }

    /// A channel was read; `thrown_back` is the intent that came back, and whether it still applies.
    pub(crate) fn channel_read(
        &mut self,
        channel: &Address,
        at: Option<&ChannelData>,
        thrown_back: Option<(TaskId, IntentKind, Applicable)>,
    ) -> Result<(), NodeError> {
        let Some(known) = self.rail.channels.get_mut(channel) else { return Ok(()) };
        if let Some(at) = at {
            known.read(at);
            self.rail.changed.insert(*channel);
            if at.balance > Nano::ZERO
                && let Some(task) = self.rail.paying.remove(channel)
            {
                self.end_intent(task, IntentKind::TopUp, End::Done);
            }
        }
        if let Some((task, kind, applicable)) = thrown_back {
            self.thrown_back(task, kind, applicable)?;
            if applicable == Applicable::No
                && let Some(known) = self.rail.channels.get_mut(channel)
            {
                known.redeeming = None;
            }
        }
        self.end_redemption(channel);
        self.redeem_if_due(channel)
    }

    /// The redemption on its way is done once that much was paid.
    fn end_redemption(&mut self, channel: &Address) {
        let Some(known) = self.rail.channels.get_mut(channel) else { return };
        if let Some((task, total)) = known.redeeming
            && known.ledger.chain().paid >= total
        {
            known.redeeming = None;
            self.end_intent(task, IntentKind::Redeem, End::Done);
        }
    }

    /// Opens earnings for a worker that is offered work on this rail and has none, one worker a task
    /// at a time; pays into those that run low.
    pub(super) fn open_earnings(
        &mut self,
        task: TaskId,
        workers: &[Address],
    ) -> Result<(), NodeError> {
        for worker in workers {
            if self.rail.paying.values().any(|named| *named == task) {
                return Ok(());
            }
            if let Some(terms) = self.earnings_to_pay(worker) {
                self.pay_into(task, terms)?;
            }
        }
        Ok(())
    }

    /// The earnings of a worker that want a payment now: those that run low, or new ones where there
    /// are none, they end, or the worker signs with another key by now.
    fn earnings_to_pay(&self, worker: &Address) -> Option<Channel> {
        let rail = self.shared.config.rail;
        let session = self.market.worker(worker)?.session();
        let address = self.rail.earnings.get(worker);
        let fresh = |series| Channel {
            purpose: Purpose::Earnings,
            payer: self.shared.operator,
            payee: *worker,
            payer_key: self.shared.operator_key,
            payee_key: session,
            cap: rail.earnings_cap,
            delay: rail.earnings_delay,
            series,
        };
        let Some((address, known)) =
            address.and_then(|address| Some((address, self.rail.channels.get(address)?)))
        else {
            let few = self.rail.earnings.len() < rail.earnings_most;
            return few.then(|| fresh(0));
        };
        if self.rail.paying.contains_key(address) {
            return None;
        }
        let chain = known.ledger.chain();
        if chain.state != ChannelState::Open || known.signing_key != session {
            return known.terms.series.checked_add(1).map(fresh);
        }
        let free = chain.balance.saturating_sub(known.ledger.exposed());
        (free.get() < rail.earnings_deposit.get() / 2).then_some(known.terms)
    }

    fn pay_into(&mut self, task: TaskId, terms: Channel) -> Result<(), NodeError> {
        let Ok(channel) = terms.address() else { return Ok(()) };
        let at = ChannelData::fresh(&terms);
        let fresh = || Known::new(channel, &at, EntryTree::default(), None);
        self.rail.channels.entry(channel).or_insert_with(fresh);
        self.rail.earnings.insert(terms.payee, channel);
        self.end_other_pledges(&terms.payee, &channel);
        self.rail.paying.insert(channel, task);
        self.rail.changed.insert(channel);
        let intent = Intent::TopUp(TopUp {
            channel,
            amount: self.shared.config.rail.earnings_deposit,
            worker: terms.payee,
            worker_key: terms.payee_key,
            node_key: terms.payer_key,
            node: terms.payer,
            cap: terms.cap,
            delay: terms.delay,
            series: terms.series,
        });
        self.intend(task, &intent, None)
    }
}
