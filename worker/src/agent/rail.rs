//! The account rail: earnings are read before a bid, and vouchers fetched once a task is paid. What
//! waits for the chain or the node runs beside the loop.

use std::{sync::Arc, time::Duration};

use fog_contracts::channel::{ChannelData, ChannelStatus};
use fog_protocol::{
    AccountView, Address, Entry, Listing, Nano, TaskId,
    gateway::{PassReason, PledgeAsk, WorkerFrame},
};
use tokio::time::Instant;

use super::{Agent, pledges::look};
use crate::{earnings::Signing, event::WorkerEvent, journal::JournalError, work::Report};

/// Looks at the chain or the node that run at once.
const MOST_LOOKS: usize = 64;
/// Pause between two tries to get a voucher.
const AGAIN: Duration = Duration::from_secs(1);

/// An offer whose earnings are being read.
#[derive(Debug)]
pub(crate) struct RailOffer {
    pub(crate) listing: Box<Listing>,
    pub(crate) escrow: Address,
    pub(crate) reserve_at_cap: Nano,
    pub(crate) bids_until: u64,
    pub(crate) earnings: Address,
    pub(crate) pledge: Option<PledgeAsk>,
}

/// A voucher, the entries behind it that were not known, and the contract as the chain has it.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) view: AccountView,
    pub(crate) entries: Vec<Entry>,
    pub(crate) at: ChannelData,
}

impl Agent {
    /// Reads the earnings named in an offer; the offer is considered when they are here.
    pub(super) fn look_at_earnings(&mut self, offer: RailOffer) {
        while self.state.looks.try_join_next().is_some() {}
        if self.state.looks.len() >= MOST_LOOKS {
            let detail = "too many offers of the account rail at once".to_owned();
            return self.send_pass(offer.listing.id(), PassReason::Busy, None, detail);
        }
        let (chain, report) = (Arc::clone(&self.context.chain), self.context.report.clone());
        // A pledge may have come about a moment ago.
        let pledged = offer.reserve_at_cap > Nano::ZERO;
        let watched =
            if pledged { self.pledges.watched(self.chain_time().unwrap_or(0)) } else { Vec::new() };
        self.state.looks.spawn(async move {
            let seen = look(&chain, watched).await;
            let _ = report.send(Report::Pledges { seen }).await;
            let at = chain.channel(offer.earnings).await;
            let _ = report.send(Report::RailOffer { offer: Box::new(offer), at }).await;
        });
    }

    /// Bids on an offer of the account rail, if what it brings is covered.
    pub(super) async fn on_rail_offer(&mut self, offer: RailOffer, at: Option<ChannelData>) {
        let RailOffer { listing, escrow, reserve_at_cap, bids_until, earnings, pledge } = offer;
        if let (Some(ask), Some(at)) = (&pledge, &at) {
            self.on_pledge_ask(ask, earnings, at);
        }
        let task = listing.id();
        let busy = |detail: String| (PassReason::Busy, detail);
        let covered = match at {
            None => Err(busy("the node has not opened this worker's earnings yet".to_owned())),
            Some(at) => self.check_earnings(&at).map(|()| at).map_err(busy),
        };
        let at = match covered {
            Ok(at) => at,
            Err((reason, detail)) => return self.send_pass(task, reason, None, detail),
        };
        let backing = (reserve_at_cap, Some(self.pledges.room(&earnings)));
        let considered = self.consider(&task, &listing, escrow, backing, bids_until);
        let (bid, record) = match considered {
            Ok(bid) => bid,
            Err(no) => return self.decline(task, no),
        };
        let Some(amount) = self.share(bid.price) else {
            let detail = "the market was not read yet".to_owned();
            return self.send_pass(task, PassReason::Busy, None, detail);
        };
        if let Err(detail) = self.earnings.check_room(&earnings, &at, amount) {
            return self.send_pass(task, PassReason::Busy, None, detail);
        }
        // What the work must bring is on disk before the bid that promises it.
        let stored = match self.earnings.claim(earnings, task, amount) {
            Ok(()) => self.store().append(record).await,
            Err(error) => Err(error),
        };
        if let Err(error) = stored {
            self.send_pass(task, PassReason::Busy, None, error.to_string());
            // More books than one node has a reason for: the disk is not to blame.
            if !matches!(error, JournalError::TooLong) {
                self.on_disk_trouble(&error);
            }
            return;
        }
        let (price, reserve) = (bid.price, bid.reserve);
        self.send(WorkerFrame::Bid { bid: self.context.identity.sign(bid) });
        self.tell(WorkerEvent::Bid { task, price, in_jetton: None, reserve });
    }

    pub(super) fn check_earnings(&self, at: &ChannelData) -> Result<(), String> {
        let Some(session) = self.state.connected else {
            return Err("not connected".to_owned());
        };
        let key = self.context.identity.session_key();
        self.earnings.check_terms(at, session.operator, key)?;
        if at.status != ChannelStatus::Open {
            return Err(
                "these earnings end: `fog worker redeem` before they do; the node has to open \
                        others for more work"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// What this worker gets of a price.
    fn share(&self, price: Nano) -> Option<Nano> {
        let fee = price.mul_div(u64::from(self.context.chain.fee_bps()?), 10_000)?;
        Some(price.saturating_sub(fee))
    }

    /// The task brings nothing, on whatever rail it was.
    pub(super) fn drop_claim(&mut self, task: &TaskId) {
        if let Err(error) = self.earnings.drop_claim(task) {
            self.on_disk_trouble(&error);
        }
    }

    /// The node says that the task is paid.
    pub(super) fn expect_voucher(&mut self, task: &TaskId) {
        if let Err(error) = self.earnings.told(task) {
            self.on_disk_trouble(&error);
        }
        self.fetch_vouchers();
    }

    /// Asks for the vouchers that are waited for.
    pub(super) fn fetch_vouchers(&mut self) {
        while self.state.looks.try_join_next().is_some() {}
        for (channel, known) in self.earnings.wanted() {
            let asked = self.state.vouchers_asked.get(&channel);
            if asked.is_some_and(|at| at.elapsed() < AGAIN) || self.state.looks.len() >= MOST_LOOKS
            {
                continue;
            }
            self.state.vouchers_asked.insert(channel, Instant::now());
            let (client, chain) = (self.context.client.clone(), Arc::clone(&self.context.chain));
            let report = self.context.report.clone();
            self.state.looks.spawn(async move {
                let shown = async {
                    let view = client.account(&channel).await.map_err(|error| error.to_string())?;
                    let wanted = view.voucher.as_ref().map_or(0, |voucher| voucher.count);
                    let entries = client.entries(&channel, known, wanted).await;
                    let entries = entries.map_err(|error| error.to_string())?;
                    let at = chain.channel(channel).await;
                    let at = at.ok_or("the earnings cannot be read on chain")?;
                    Ok::<_, String>(Shown { view, entries, at })
                };
                let shown = shown.await.map(Box::new);
                let _ = report.send(Report::Vouchers { shown }).await;
            });
        }
    }

    /// Checks and keeps a voucher; the node gets it back signed, so that it can redeem it for us.
    pub(super) fn on_vouchers(&mut self, shown: Result<Box<Shown>, String>) {
        let shown = match shown {
            Ok(shown) => *shown,
            Err(reason) => {
                tracing::warn!(%reason, "a voucher could not be fetched");
                return;
            }
        };
        let Shown { view, entries, at } = shown;
        let Some(voucher) = view.voucher else { return };
        let now = self.chain_time().and_then(|now| u32::try_from(now).ok()).unwrap_or(0);
        let identity = Arc::clone(&self.context.identity);
        let sign = move |hash: &fog_protocol::Hash32| identity.sign_hash(hash);
        match self.earnings.take(&at, &voucher, &entries, &Signing { sign: &sign, now }) {
            Ok(signed) => {
                let (total, count) = (signed.total_nano, signed.count);
                self.tell(WorkerEvent::Vouched { total, count });
                let client = self.context.client.clone();
                if signed.payee.is_some() && self.state.looks.len() < MOST_LOOKS {
                    self.state.looks.spawn(async move {
                        if let Err(error) = client.vouch(&signed).await {
                            tracing::debug!(%error, "the node did not take the signed voucher");
                        }
                    });
                }
            }
            Err(error) => {
                let reason = format!("its voucher: {error}");
                self.tell(WorkerEvent::Refused { task: None, reason });
            }
        }
    }
}
