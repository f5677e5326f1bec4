//! Vouchers: taken from requestors, made for workers; redemptions.

use fog_contracts::channel::Purpose;
use fog_market::rail::ChannelState;
use fog_protocol::{AccountView, Address, VoucherFile};

use super::Actor;
use crate::{
    NodeError,
    denied::{Denied, Why},
    store::{Intent, RailStep, Step, encode, purpose_name},
};

/// Seconds that a requestor's voucher must still be valid for: in these it is redeemed.
const LEAST_VALIDITY: u64 = 24 * 3600;
/// Seconds before its end in which a voucher is redeemed whatever it is worth.
const EXPIRES_SOON: u64 = 12 * 3600;
/// Seconds that a worker's voucher is valid: the newest is made with every accepted task.
const EARNINGS_VALIDITY: u64 = 60 * 24 * 3600;

impl Actor {
    /// Takes a requestor's voucher: it must say what the entries here say.
    pub(crate) fn vouch(
        &mut self,
        file: &VoucherFile,
    ) -> Result<Result<VoucherFile, Denied>, NodeError> {
        let checked = self.check_voucher(file);
        let signed = match checked {
            Ok(Some(signed)) => signed,
            // The same once more, perhaps because the first answer was lost.
            Ok(None) => return Ok(self.known_voucher(&file.channel)),
            Err(denied) => return Ok(Err(denied)),
        };
        self.keep_voucher(signed.clone())?;
        self.redeem_if_due(&file.channel)?;
        Ok(Ok(signed))
    }

    fn known_voucher(&self, channel: &Address) -> Result<VoucherFile, Denied> {
        let known = self.rail.channels.get(channel);
        known.and_then(|known| known.voucher.clone()).ok_or_else(no_account)
    }

    /// The voucher with this node's signature; `None` if it is the one that is here.
    fn check_voucher(&mut self, file: &VoucherFile) -> Result<Option<VoucherFile>, Denied> {
        let now = self.now();
        let network = self.shared.config.network;
        let known = self.rail.channels.get_mut(&file.channel).ok_or_else(no_account)?;
        let invalid = |message: String| Denied::new(Why::Invalid, "bad_voucher", message);
        let said = |voucher: &VoucherFile| (voucher.count, voucher.total_nano, voucher.root);
        let at = known.data();
        let time = u32::try_from(now).unwrap_or(u32::MAX);
        if known.terms.purpose == Purpose::Earnings {
            // This node's own voucher comes back with the worker's signature: it can be redeemed for it.
            at.check_file(file, network, time).map_err(|error| invalid(error.to_string()))?;
            let newest = known.voucher.as_ref().filter(|known| said(known) == said(file));
            let newest = newest.ok_or_else(|| invalid("there is a newer voucher".to_owned()))?;
            return Ok(newest.payee.is_none().then(|| file.clone()));
        }
        at.payer_signed(file, network).map_err(|error| invalid(error.to_string()))?;
        if known.voucher.as_ref().is_some_and(|known| said(known) == said(file)) {
            return Ok(None);
        }
        if u64::from(file.valid_until) < now + LEAST_VALIDITY {
            return Err(invalid("the voucher must be valid for a day at least".into()));
        }
        let mut signed = VoucherFile { payee: None, ..file.clone() };
        at.sign_file(&mut signed, network, &self.signer.key, time)
            .map_err(|error| invalid(error.to_string()))?;
        known
            .ledger
            .vouch(file.count, file.total_nano, &file.root)
            .map_err(|refused| Denied::new(Why::Invalid, refused.code(), refused.to_string()))?;
        Ok(Some(signed))
    }

    fn keep_voucher(&mut self, file: VoucherFile) -> Result<(), NodeError> {
        let (channel, count, total) = (file.channel, file.count, file.total_nano);
        let step = RailStep::Voucher(channel, count, total, encode(&file)?);
        self.batch.steps.push(Step::Rail(step));
        if let Some(known) = self.rail.channels.get_mut(&channel) {
            known.voucher = Some(file);
        }
        self.rail.changed.insert(channel);
        Ok(())
    }

    /// Signs for all that a worker is owed.
    pub(super) fn vouch_for_earnings(&mut self, channel: &Address) -> Result<(), NodeError> {
        let now = self.now();
        let (Ok(time), Ok(until)) = (u32::try_from(now), u32::try_from(now + EARNINGS_VALIDITY))
        else {
            return Ok(());
        };
        let network = self.shared.config.network;
        let Some(known) = self.rail.channels.get_mut(channel) else { return Ok(()) };
        let mut file = VoucherFile::of(network, *channel, known.ledger.entries(), until);
        let at = known.data();
        if let Err(error) = at.sign_file(&mut file, network, &self.signer.key, time) {
            // Nothing is lost: the entries are kept, and the next voucher is for them, too.
            tracing::warn!(%channel, %error, "earnings cannot be vouched for now");
            return Ok(());
        }
        if known.ledger.vouch(file.count, file.total_nano, &file.root).is_err() {
            return Ok(());
        }
        self.keep_voucher(file)
    }

    /// Redeems the newest voucher where it is time to, once at a time.
    pub(super) fn redeem_if_due(&mut self, channel: &Address) -> Result<(), NodeError> {
        let now = self.now();
        let Some(known) = self.rail.channels.get_mut(channel) else { return Ok(()) };
        let Some(voucher) = known.voucher.clone() else { return Ok(()) };
        // Of earnings only what the worker has signed, too.
        if known.redeeming.is_some() || voucher.payee.is_none() {
            return Ok(());
        }
        let ends = now.saturating_add(EXPIRES_SOON) > u64::from(voucher.valid_until);
        let left = voucher.total_nano > known.ledger.chain().paid;
        let due = known.ledger.due(known.asked).is_some()
            || (ends && left && known.ledger.chain().state == ChannelState::Open);
        let last = usize::try_from(voucher.count).ok().and_then(|count| count.checked_sub(1));
        let Some(last) = last.and_then(|at| known.ledger.entries().entries().get(at)) else {
            return Ok(());
        };
        if !due {
            return Ok(());
        }
        let (task, evidence) = (last.task, last.evidence);
        known.redeeming = Some((task, voucher.total_nano));
        self.intend(task, &Intent::Redeem { voucher }, Some(evidence))
    }

    /// Redeems what would expire. Asked for with every epoch.
    pub(crate) fn redeem_what_expires(&mut self) -> Result<(), NodeError> {
        let channels: Vec<_> = self.rail.channels.keys().copied().collect();
        channels.iter().try_for_each(|channel| self.redeem_if_due(channel))
    }

    /// What anybody may see of a channel.
    pub(crate) fn account_view(&self, address: &Address) -> Result<AccountView, Denied> {
        let known = self.rail.channels.get(address).ok_or_else(no_account)?;
        let (ledger, chain) = (&known.ledger, known.ledger.chain());
        Ok(AccountView {
            address: *address,
            purpose: purpose_name(known.terms.purpose).to_owned(),
            status: chain.state.name().to_owned(),
            balance: chain.balance,
            paid: chain.paid,
            entries: ledger.entries().len(),
            owed: ledger.owed(),
            root: ledger.entries().root(),
            promised: ledger.promised(),
            room: ledger.room(),
            voucher: known.voucher.clone(),
        })
    }
}

fn no_account() -> Denied {
    let message = "this node knows no such account: post a task on it first";
    Denied::new(Why::NotFound, "unknown_account", message)
}
