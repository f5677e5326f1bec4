//! What anybody may try with channels in jettons, and with jettons.

use fog_contracts::{
    CHANNEL_END_VALUE, JETTON_CREDIT_VALUE, JETTON_FORWARD, JETTON_PAY_VALUE, JETTON_RENT, Units,
    channel::{self, ChannelStatus, Purpose, Voucher, VoucherSignatures, op},
    jetton::{self, JettonChannel, JettonData},
};
use fog_protocol::{Address, Hash32};
use fog_testnet::chain::Treasury;

use super::{DAY, Parties, Play};
use crate::{
    channels::kit::{self as gram, DELAY, payee_key, payer_key},
    jettons::{
        kit::{CAP, ONE, RICH, answer, between, plain_notification, units},
        real::{Jetton, Make, Mood},
    },
    world::{ours, std},
};

const AMOUNTS: [u128; 5] = [1, 999_999, 4 * ONE, 12 * ONE + 345, 3 * RICH];

impl Parties {
    /// An account of a requestor at the node, earnings of a worker there.
    fn jetton_channels(&self, master: Address) -> [JettonChannel; 2] {
        let operator = ours(&self.operator.address);
        [
            between(Purpose::Account, ours(&self.requestors[0].address), operator, master),
            between(Purpose::Earnings, operator, ours(&self.workers[0].address), master),
        ]
    }

    fn everybody(&self) -> Vec<Address> {
        let fixed = [&self.owner, &self.operator];
        let all = fixed.into_iter().chain(&self.requestors).chain(&self.workers);
        let all = all.chain(&self.stakers).chain(&self.strangers);
        all.map(|party| ours(&party.address)).collect()
    }
}

impl Play {
    /// A jetton that some have, and one that nobody wants.
    pub(super) fn set_up_jettons(&mut self) {
        let (make, other) = if self.dice.once_in(2) { (0, 1) } else { (1, 0) };
        let owner = self.parties.owner.clone();
        let chain = &mut self.chain;
        let jetton = Jetton::deploy_in(chain, &owner, Make::ALL[make], Mood::Throwing, 1);
        let worthless = Jetton::deploy(chain, &owner, Make::ALL[other], 2);
        let (requestor, operator) = (&self.parties.requestors[0], &self.parties.operator);
        for rich in [requestor, operator, &self.parties.strangers[0]] {
            jetton.mint(chain, ours(&rich.address), RICH);
        }
        worthless.mint(chain, ours(&self.parties.strangers[0].address), RICH);
        let channels = self.parties.jetton_channels(jetton.master);
        let mut owners = self.parties.everybody();
        for channel in &channels {
            self.ledger.jettons.watch_channel(channel);
            owners.push(channel.address().unwrap());
        }
        let strangers: Vec<_> =
            self.parties.strangers.iter().map(|party| ours(&party.address)).collect();
        owners.extend(self.set_up_jetton_tasks(jetton.master));
        self.ledger.jettons.watch(&self.chain, &jetton, &owners, &strangers);
        self.ledger.jettons.watch(&self.chain, &worthless, &owners, &[]);
        self.jettons = vec![jetton, worthless];
    }

    fn jetton_data(&self, channel: &JettonChannel) -> JettonData {
        let view = self.chain.account(&std(&channel.address().unwrap())).unwrap();
        view.data.map_or_else(
            || JettonData::fresh(channel),
            |data| JettonData::parse(channel.terms.purpose, &data).unwrap(),
        )
    }

    pub(super) fn act_on_a_jetton_channel(&mut self) {
        let all = self.ledger.jettons.all();
        let channel = *self.dice.one(&all);
        let data = self.jetton_data(&channel);
        let terms = channel.terms;
        match self.dice.below(36) {
            _ if data.wallet.is_none() && !self.dice.once_in(6) => self.ask(&channel),
            _ if data.core.balance == Units::ZERO && !self.dice.once_in(4) => {
                self.put_in(&channel);
            }
            0 => self.ask(&channel),
            1..5 => self.put_in(&channel),
            5..21 => self.redeem_jettons(&channel, &data),
            21 => self.jetton_end(&channel, op::CLOSE, &terms.payer),
            22..24 => self.jetton_end(&channel, op::FINISH, &terms.payer),
            24 => self.jetton_end(&channel, op::LEAVE, &terms.payee),
            25..30 => self.claim_jettons(&channel),
            30 => self.sweep_jettons(&channel),
            31 => self.set_jetton_key(&channel),
            32..34 => self.forge_jettons(&channel),
            _ => self.move_jettons(&channel),
        }
    }

    fn ask(&mut self, channel: &JettonChannel) {
        let payer = self.parties.wallet(&channel.terms.payer);
        let (from, value) = (self.sender(&payer), self.value(JETTON_RENT.get()));
        let body = jetton::ask(self.query()).unwrap();
        let init = Some(channel.state_init().unwrap());
        self.send(&from, channel.address().unwrap(), value, init, body);
    }

    /// From somebody's own wallet of a jetton, at times with too little for a notification.
    pub(super) fn transfer(&mut self, jetton: usize, from: &Treasury, to: Address, amount: u128) {
        let forward =
            *self.dice.one(&[0, 1, 2_000_000, JETTON_FORWARD.get(), JETTON_FORWARD.get()]);
        let jetton = self.jettons[jetton].clone();
        let transfer = jetton.transfer(&self.chain, from, to, amount, forward);
        let value = self.value(200_000_000);
        self.send(from, ours(&transfer.to), value, None, transfer.body);
    }

    fn put_in(&mut self, channel: &JettonChannel) {
        let payer = self.parties.wallet(&channel.terms.payer);
        let from = self.sender(&payer);
        let amount = *self.dice.one(&AMOUNTS);
        self.transfer(0, &from, channel.address().unwrap(), amount);
    }

    /// Any jetton from anybody to anybody, the worthless one to the channel, too.
    fn move_jettons(&mut self, channel: &JettonChannel) {
        let stranger = self.parties.strangers[0].clone();
        if self.dice.once_in(2) {
            self.transfer(1, &stranger, channel.address().unwrap(), 4 * ONE);
        } else {
            let from = self.parties.any(&mut self.dice);
            self.transfer(0, &from, channel.terms.payer, ONE);
        }
    }

    /// Mostly a good voucher, in which sometimes one thing is wrong.
    fn redeem_jettons(&mut self, channel: &JettonChannel, data: &JettonData) {
        let balance = data.core.balance.get();
        let most = balance.min(CAP);
        let more = match self.dice.below(8) {
            0 => balance + 1,
            1 => CAP + 1,
            2 => 0,
            3 => Units::MAX.get() / 4,
            4 => most,
            _ => u128::from(self.dice.below(u64::try_from(most.max(1)).unwrap())) + 1,
        };
        let voucher = Voucher {
            total: units(data.core.paid.get() + more),
            count: data.core.count + self.dice.below(5),
            root: Hash32([u8::try_from(self.dice.below(200)).unwrap(); 32]),
            valid_until: self.chain.now() + *self.dice.one(&[0, 300, 300 * DAY, 400 * DAY]),
        };
        let (mut place, mut network) = (*channel, -3);
        let (mut payer, mut payee) = (payer_key(), payee_key());
        match self.dice.below(20) {
            0 => place.master = self.jettons[1].master,
            1 => network = -239,
            2 => payer = payee_key(),
            3 => payee = payer_key(),
            _ => {}
        }
        let signed = if self.dice.once_in(16) {
            // The twin in GRAM: the same parties and numbers.
            let terms = &channel.terms;
            let twin = gram::between(terms.purpose, terms.payer, terms.payee);
            let total = u64::try_from(voucher.total.get()).unwrap_or(u64::MAX);
            let Voucher { count, root, valid_until, .. } = voucher;
            let total = fog_protocol::Nano::new(total);
            gram::signed(&twin, &Voucher { total, count, root, valid_until })
        } else {
            VoucherSignatures {
                payer: voucher.sign_in(network, &place, &payer).unwrap(),
                payee: voucher.sign_in(network, &place, &payee).unwrap(),
            }
        };
        let body = channel::redeem(self.query(), &voucher, &signed).unwrap();
        let payee = self.parties.wallet(&channel.terms.payee);
        let from = if self.dice.once_in(2) { payee } else { self.parties.any(&mut self.dice) };
        let value = self.value(JETTON_PAY_VALUE.get());
        self.send(&from, channel.address().unwrap(), value, None, body);
    }

    fn jetton_end(&mut self, channel: &JettonChannel, word: u32, right: &Address) {
        let right = self.parties.wallet(right);
        let (from, value) = (self.sender(&right), self.value(JETTON_PAY_VALUE.get()));
        let body = channel::plain(word, self.query()).unwrap();
        self.send(&from, channel.address().unwrap(), value, None, body);
    }

    fn claim_jettons(&mut self, channel: &JettonChannel) {
        let side = *self.dice.one(&[channel.terms.payer, channel.terms.payee]);
        let right = self.parties.wallet(&side);
        let (from, value) = (self.sender(&right), self.value(JETTON_PAY_VALUE.get()));
        let body = jetton::claim(self.query(), &side).unwrap();
        self.send(&from, channel.address().unwrap(), value, None, body);
    }

    fn sweep_jettons(&mut self, channel: &JettonChannel) {
        let payer = self.parties.wallet(&channel.terms.payer);
        let (from, value) = (self.sender(&payer), self.value(JETTON_PAY_VALUE.get()));
        let body = jetton::sweep(self.query(), units(*self.dice.one(&AMOUNTS))).unwrap();
        self.send(&from, channel.address().unwrap(), value, None, body);
    }

    /// To the key it has: the others go on being signed with it.
    fn set_jetton_key(&mut self, channel: &JettonChannel) {
        let payee = self.parties.wallet(&channel.terms.payee);
        let (from, value) = (self.sender(&payee), self.value(JETTON_CREDIT_VALUE.get()));
        let body = channel::set_key(self.query(), &payee_key().public()).unwrap();
        self.send(&from, channel.address().unwrap(), value, None, body);
    }

    /// What only the jetton's own contracts may say.
    fn forge_jettons(&mut self, channel: &JettonChannel) {
        let from = self.parties.any(&mut self.dice);
        let body = match self.dice.below(3) {
            0 => answer(Some(ours(&from.address))),
            _ => plain_notification(*self.dice.one(&AMOUNTS)),
        };
        let value = self.value(JETTON_FORWARD.get());
        self.send(&from, channel.address().unwrap(), value, None, body);
    }

    /// Every payer leaves; a stranger ends what is left; both claim; the payer sweeps.
    pub(super) fn empty_jetton_channels(&mut self, stranger: &Treasury) {
        for channel in self.ledger.jettons.all() {
            let to = channel.address().unwrap();
            if self.chain.account(&std(&to)).unwrap().data.is_none() {
                continue;
            }
            let payer = self.parties.wallet(&channel.terms.payer);
            let payee = self.parties.wallet(&channel.terms.payee);
            let say = |play: &mut Self, from: &Treasury, body| {
                play.send(
                    from,
                    to,
                    JETTON_PAY_VALUE.get().max(CHANNEL_END_VALUE.get()),
                    None,
                    body,
                );
                play.drain();
            };
            say(self, &payer, channel::plain(op::CLOSE, 1).unwrap());
            self.wait(DELAY);
            say(self, stranger, channel::plain(op::FINISH, 1).unwrap());
            for side in [&payer, &payee] {
                let at = ours(&side.address);
                self.insist(|play| {
                    let data = play.jetton_data(&channel);
                    let mine =
                        if at == channel.terms.payer { data.due_payer } else { data.due_payee };
                    if mine > Units::ZERO {
                        say(play, side, jetton::claim(1, &at).unwrap());
                    }
                    mine == Units::ZERO
                });
            }
            self.wait(jetton::SETTLING_TIME);
            let data = self.jetton_data(&channel);
            assert_eq!(data.core.status, ChannelStatus::Closed, "{data:?}");
            assert_eq!(data.due_payee.get() + data.due_payer.get(), 0, "{data:?}");
            let left = self.jettons[0].balance(&self.chain, &to);
            if left > 0 {
                if data.wallet.is_none() {
                    self.send(&payer, to, JETTON_RENT.get(), None, jetton::ask(1).unwrap());
                    self.drain();
                }
                self.insist(|play| {
                    say(play, &payer, jetton::sweep(1, units(left)).unwrap());
                    play.jettons[0].balance(&play.chain, &to) == 0
                });
            }
        }
    }

    /// Until it is done: what a wallet throws back at times is asked for again.
    pub(super) fn insist(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let tries = (0..64).take_while(|_| !done(self)).count();
        assert!(tries < 64, "thrown back for ever");
    }

    pub(super) fn wait(&mut self, seconds: u32) {
        let block = self.chain.warp(seconds).unwrap();
        self.check_block(&block);
        self.drain();
    }
}
