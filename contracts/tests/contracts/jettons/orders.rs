//! All orders of six messages in which redemptions, exits, claims and a transfer that comes back race
//! each other, at paces that put the end of the delay before, between and after them; against a
//! model of a few lines.

use fog_contracts::{
    channel::{ChannelStatus, Purpose},
    jetton::{self, JettonChannel},
};
use tycho_types::cell::Cell;

use super::kit::{
    CAP, ENOUGH, ONE, PUT_IN, WALLET, channel, claim, data, end, funded, put_in, redeem_body, told,
    voucher,
};
use crate::{
    alone::STRANGER,
    channels::{
        kit::{CLOSE, DELAY, FINISH, LEAVE},
        orders::orders,
    },
    solo::{Arrival, Ran, Sent, Solo},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// By a stranger: it is only owed.
    Redeem,
    /// By the payee: it is sent.
    RedeemMore,
    Close,
    /// By the payer: it is sent.
    Finish,
    Leave,
    ClaimByPayee,
    ClaimByPayer,
    Notification,
    /// The last transfer comes back.
    Bounce,
}

/// What must have come of it. Index 0 is the payee's, 1 the payer's.
struct Model {
    status: ChannelStatus,
    balance: u128,
    paid: u128,
    close_at: u32,
    due: [u128; 2],
    sent: [u128; 2],
    /// The transfer that may come back.
    last: Option<(usize, u128)>,
}

impl Model {
    fn say(&mut self, word: Word, now: u32) {
        use ChannelStatus as S;
        let open = self.status == S::Open || (self.status == S::Closing && now < self.close_at);
        let live = self.status != S::Closed;
        match word {
            Word::Redeem if open => drop(self.redeem(2 * ONE)),
            Word::RedeemMore if open && self.redeem(CAP) => self.send(0),
            Word::Close if self.status == S::Open => {
                (self.status, self.close_at) = (S::Closing, now + DELAY);
            }
            Word::Finish if self.status == S::Closing && now >= self.close_at => {
                self.end();
                self.send(1);
            }
            Word::Leave if live => self.end(),
            Word::ClaimByPayee => self.send(0),
            Word::ClaimByPayer => self.send(1),
            Word::Notification if live => self.balance += ONE,
            Word::Bounce => {
                if let Some((side, amount)) = self.last.take() {
                    self.due[side] += amount;
                    self.sent[side] -= amount;
                }
            }
            _ => {}
        }
    }

    fn redeem(&mut self, total: u128) -> bool {
        let newer = total > self.paid;
        if newer {
            self.balance -= total - self.paid;
            self.due[0] += total - self.paid;
            self.paid = total;
        }
        newer
    }

    fn end(&mut self) {
        self.status = ChannelStatus::Closed;
        self.due[1] += std::mem::take(&mut self.balance);
    }

    fn send(&mut self, side: usize) {
        let amount = std::mem::take(&mut self.due[side]);
        if amount > 0 {
            self.sent[side] += amount;
            self.last = Some((side, amount));
        }
    }
}

/// What all orders begin with.
struct Stage {
    channel: JettonChannel,
    funded: Solo,
    redeem: Cell,
    more: Cell,
}

impl Stage {
    fn set(purpose: Purpose) -> Self {
        let channel = channel(purpose);
        let funded = funded(&channel);
        let body = |total, count| redeem_body(&channel, &voucher(total, count, funded.now));
        Self { redeem: body(2 * ONE, 2), more: body(CAP, 4), channel, funded }
    }

    fn say(&self, solo: &mut Solo, word: Word, last: &mut Option<Sent>) -> Option<Ran> {
        let (payer, payee) = (self.channel.terms.payer, self.channel.terms.payee);
        Some(match word {
            Word::Redeem => solo.send(STRANGER, ENOUGH, self.redeem.clone()),
            Word::RedeemMore => solo.send(payee, ENOUGH, self.more.clone()),
            Word::Close => end(solo, payer, CLOSE),
            Word::Finish => end(solo, payer, FINISH),
            Word::Leave => end(solo, payee, LEAVE),
            Word::ClaimByPayee => claim(solo, payee, payee),
            Word::ClaimByPayer => claim(solo, payer, payer),
            Word::Notification => put_in(solo, ONE),
            Word::Bounce => {
                let transfer = last.take()?;
                let back = transfer.bounced(1);
                solo.receive(WALLET, transfer.value, back, Arrival::Bounced)
            }
        })
    }
}

fn play(stage: &Stage, words: &[Word], pace: u32) -> ChannelStatus {
    let mut solo = stage.funded.clone();
    let mut model = Model {
        status: ChannelStatus::Open,
        balance: PUT_IN,
        paid: 0,
        close_at: 0,
        due: [0; 2],
        sent: [0; 2],
        last: None,
    };
    let (mut sent, mut last, mut credited) = ([0; 2], None, PUT_IN);
    for word in words {
        solo.now += pace;
        let thrown = if *word == Word::Bounce { last.clone() } else { None };
        if let Some(transfer) = &thrown {
            let transfer: &Sent = transfer;
            sent[side(stage, transfer)] -= told(transfer).amount;
        }
        let ran = stage.say(&mut solo, *word, &mut last);
        model.say(*word, solo.now);
        let transfer = ran
            .iter()
            .flat_map(|ran| &ran.sent)
            .find(|message| message.op() == jetton::op::TRANSFER);
        if let Some(transfer) = transfer {
            sent[side(stage, transfer)] += told(transfer).amount;
            last = Some(transfer.clone());
        }
        credited += if *word == Word::Notification && ran.unwrap().exit == 0 { ONE } else { 0 };
        let data = data(&solo, &stage.channel);
        let case = format!("{words:?} every {pace} s, at {word:?}");
        let due = [data.due_payee.get(), data.due_payer.get()];
        assert_eq!(
            (data.core.status, data.core.close_at),
            (model.status, model.close_at),
            "{case}"
        );
        assert_eq!((data.core.balance.get(), data.core.paid.get()), (model.balance, model.paid));
        assert_eq!((due, sent), (model.due, model.sent), "{case}");
        // To the unit: what came in is in it, owed, or sent.
        let all = data.core.balance.get() + due[0] + due[1] + sent[0] + sent[1];
        assert_eq!(all, credited, "{case}");
    }
    model.status
}

fn side(stage: &Stage, transfer: &Sent) -> usize {
    usize::from(told(transfer).to != stage.channel.terms.payee)
}

#[test]
fn every_order_of_redemptions_exits_claims_and_a_bounce() {
    use Word as W;
    let casts = [
        [W::Redeem, W::RedeemMore, W::Close, W::Finish, W::ClaimByPayee, W::Bounce],
        [W::RedeemMore, W::Leave, W::ClaimByPayer, W::ClaimByPayee, W::Notification, W::Bounce],
        [W::Redeem, W::Close, W::Finish, W::Bounce, W::ClaimByPayer, W::ClaimByPayee],
    ];
    let (mut played, mut closed) = (0, 0);
    // One code but for a tag.
    let paces: [(Purpose, &[u32]); 2] =
        [(Purpose::Account, &[1, DELAY / 2]), (Purpose::Earnings, &[DELAY])];
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
        "orders around channels in jettons",
        "{played} orders, {closed} of them closed the channel"
    );
    assert_eq!(played, 3 * 3 * 720);
    assert!(closed > played / 4);
}
