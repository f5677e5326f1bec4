//! All orders of six messages in which a redemption races an exit, at paces that put the end of the
//! delay before, between and after them; against a model of a few lines.

use fog_contracts::channel::{Channel, ChannelStatus, Purpose, op};
use fog_protocol::Nano;
use tycho_types::cell::Cell;

use super::kit::{
    CAP, CLOSE, DELAY, ENOUGH, FINISH, LEAVE, PUT_IN, carried, channel, data, end, funded,
    redeem_body, top_up, voucher,
};
use crate::{
    alone::{GRAM, STRANGER},
    solo::Solo,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    RedeemOld,
    RedeemNew,
    Close,
    Finish,
    FinishAgain,
    Leave,
    TopUp,
}

/// What must have come of it.
struct Model {
    status: ChannelStatus,
    balance: u64,
    paid: u64,
    close_at: u32,
    returned: u64,
}

impl Model {
    fn say(&mut self, word: Word, now: u32) {
        let open = match self.status {
            ChannelStatus::Open => true,
            ChannelStatus::Closing => now < self.close_at,
            ChannelStatus::Closed => false,
        };
        let closed = self.status == ChannelStatus::Closed;
        match word {
            Word::RedeemOld if open => self.redeem(2 * GRAM),
            Word::RedeemNew if open => self.redeem(CAP.get()),
            Word::Close if self.status == ChannelStatus::Open => {
                self.status = ChannelStatus::Closing;
                self.close_at = now + DELAY;
            }
            Word::Finish | Word::FinishAgain
                if self.status == ChannelStatus::Closing && now >= self.close_at =>
            {
                self.end();
            }
            Word::Leave if !closed => self.end(),
            Word::TopUp if !closed => self.balance += GRAM,
            _ => {}
        }
    }

    fn redeem(&mut self, total: u64) {
        if total > self.paid {
            self.balance -= total - self.paid;
            self.paid = total;
        }
    }

    fn end(&mut self) {
        self.status = ChannelStatus::Closed;
        self.returned += std::mem::take(&mut self.balance);
    }
}

/// Every order of `items`, each handed to `visit`.
pub(crate) fn orders<T>(items: &mut [T], from: usize, visit: &mut impl FnMut(&[T])) {
    if from == items.len() {
        visit(items);
        return;
    }
    for index in from..items.len() {
        items.swap(from, index);
        orders(items, from + 1, visit);
        items.swap(from, index);
    }
}

/// What all orders begin with.
struct Stage {
    channel: Channel,
    funded: Solo,
    old: Cell,
    new: Cell,
}

impl Stage {
    fn set(purpose: Purpose) -> Self {
        let channel = channel(purpose);
        let funded = funded(&channel);
        let body = |total, count| redeem_body(&channel, &voucher(total, count, funded.now));
        Self { old: body(2 * GRAM, 2), new: body(CAP.get(), 4), channel, funded }
    }
}

fn play(stage: &Stage, words: &[Word], pace: u32) -> ChannelStatus {
    let (channel, mut solo) = (stage.channel, stage.funded.clone());
    let balance = PUT_IN.get();
    let mut model =
        Model { status: ChannelStatus::Open, balance, paid: 0, close_at: 0, returned: 0 };
    let (mut paid, mut returned, mut put_in) = (0, 0, balance);
    for word in words {
        solo.now += pace;
        let ran = match word {
            Word::RedeemOld => solo.send(STRANGER, ENOUGH, stage.old.clone()),
            Word::RedeemNew => solo.send(STRANGER, ENOUGH, stage.new.clone()),
            Word::Close => end(&mut solo, channel.payer, CLOSE),
            Word::Finish | Word::FinishAgain => end(&mut solo, STRANGER, FINISH),
            Word::Leave => end(&mut solo, channel.payee, LEAVE),
            Word::TopUp => top_up(&mut solo, channel.payer, Nano::grams(1)),
        };
        model.say(*word, solo.now);
        put_in += if *word == Word::TopUp && ran.exit == 0 { GRAM } else { 0 };
        paid += carried(&ran, op::REDEEMED);
        returned += carried(&ran, op::RETURNED);
        let data = data(&solo, &channel);
        let case = format!("{words:?} every {pace} s, at {word:?}");
        assert_eq!(data.status, model.status, "{case}");
        assert_eq!((data.balance.get(), data.paid.get()), (model.balance, model.paid), "{case}");
        assert_eq!((paid, returned), (model.paid, model.returned), "{case}");
        assert_eq!(paid + returned + data.balance.get(), put_in, "{case}");
        assert!(solo.balance >= data.balance.get(), "{case}");
    }
    model.status
}

#[test]
fn every_order_of_redemptions_and_exits() {
    let casts = [
        [
            Word::RedeemOld,
            Word::RedeemNew,
            Word::Close,
            Word::Finish,
            Word::FinishAgain,
            Word::TopUp,
        ],
        [Word::RedeemOld, Word::RedeemNew, Word::Close, Word::Finish, Word::Leave, Word::TopUp],
    ];
    let (mut played, mut closed) = (0, 0);
    // One code but for a tag: the second contract at one pace.
    let paces: [(Purpose, &[u32]); 2] =
        [(Purpose::Account, &[1, DELAY / 2, DELAY - 1, DELAY]), (Purpose::Earnings, &[DELAY / 2])];
    for (purpose, paces) in paces {
        let stage = Stage::set(purpose);
        for (mut cast, pace) in casts.iter().flat_map(|cast| paces.iter().map(|p| (*cast, *p))) {
            orders(&mut cast, 0, &mut |words| {
                played += 1;
                closed += u32::from(play(&stage, words, pace) == ChannelStatus::Closed);
            });
        }
    }
    fog_figures::figure!(
        "orders around channels",
        "{played} orders, {closed} of them closed the channel"
    );
    assert_eq!(played, (4 + 1) * 2 * 720);
}
