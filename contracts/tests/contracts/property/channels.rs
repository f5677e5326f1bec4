//! What anybody may try with accounts and earnings.

use fog_contracts::{
    CHANNEL_END_VALUE, CHANNEL_RENT, REDEEM_VALUE,
    channel::{self, Channel, ChannelData, Purpose, Voucher, VoucherSignatures, op},
};
use fog_protocol::{Address, Hash32, Nano};
use fog_testnet::chain::Treasury;

use super::{DAY, Parties, Play};
use crate::{
    channels::kit::{CAP, DELAY, between, payee_key, payer_key},
    world::{ours, std},
};

const AMOUNTS: [u64; 4] = [1, 999_999_999, 4_000_000_000, 12_345_678_901];

impl Parties {
    /// An account of each requestor at the node, earnings of each worker there.
    pub(super) fn channels(&self) -> Vec<Channel> {
        let operator = ours(&self.operator.address);
        let accounts = self
            .requestors
            .iter()
            .map(|from| between(Purpose::Account, ours(&from.address), operator));
        let earnings =
            self.workers.iter().map(|to| between(Purpose::Earnings, operator, ours(&to.address)));
        accounts.chain(earnings).collect()
    }

    pub(super) fn wallet(&self, of: &Address) -> Treasury {
        let fixed = [&self.owner, &self.operator];
        let mut all = fixed.into_iter().chain(&self.requestors).chain(&self.workers);
        all.find(|party| ours(&party.address) == *of).expect("it is a party").clone()
    }
}

impl Play {
    fn channel(&mut self) -> Channel {
        let all = self.ledger.channels.all();
        *self.dice.one(&all)
    }

    fn channel_data(&self, channel: &Channel) -> ChannelData {
        let view = self.chain.account(&std(&channel.address().unwrap())).unwrap();
        view.data.map_or_else(
            || ChannelData::fresh(channel),
            |data| ChannelData::parse(channel.purpose, &data).unwrap(),
        )
    }

    pub(super) fn act_on_a_channel(&mut self) {
        let channel = self.channel();
        let empty = self.channel_data(&channel).balance == Nano::ZERO;
        match self.dice.below(40) {
            _ if empty && !self.dice.once_in(4) => self.top_up(&channel),
            0..4 => self.top_up(&channel),
            4..34 => self.redeem(&channel),
            34 => self.end_of(&channel, op::CLOSE, &channel.payer),
            35..37 => self.end_of(&channel, op::FINISH, &channel.payee),
            37..39 => self.set_key(&channel),
            _ => self.end_of(&channel, op::LEAVE, &channel.payee),
        }
    }

    fn top_up(&mut self, channel: &Channel) {
        let amount = *self.dice.one(&AMOUNTS);
        let payer = self.parties.wallet(&channel.payer);
        let (from, value) = (self.sender(&payer), self.value(amount + CHANNEL_RENT.get()));
        let body = channel::top_up(self.query(), Nano::new(amount)).unwrap();
        let init = Some(channel.state_init().unwrap());
        self.send(&from, channel.address().unwrap(), value, init, body);
    }

    /// Mostly a good voucher, in which sometimes one thing is wrong.
    fn redeem(&mut self, channel: &Channel) {
        let data = self.channel_data(channel);
        let most = data.balance.get().min(CAP.get());
        let more = match self.dice.below(8) {
            0 => data.balance.get() + 1,
            1 => CAP.get() + 1,
            2 => 0,
            3 => u64::MAX / 4,
            4 => most,
            _ => self.dice.below(most.max(1)) + 1,
        };
        let count = data.count + self.dice.below(5);
        let voucher = Voucher {
            total: Nano::new(data.paid.get() + more),
            count,
            root: Hash32([u8::try_from(self.dice.below(200)).unwrap(); 32]),
            valid_until: self.chain.now() + *self.dice.one(&[0, 300, 300 * DAY, 400 * DAY]),
        };
        let (mut place, mut network) = (*channel, -3);
        let (mut payer, mut payee) = (payer_key(), payee_key());
        match self.dice.below(16) {
            0 => place = self.channel(),
            1 => network = -239,
            2 => payer = payee_key(),
            3 => payee = payer_key(),
            _ => {}
        }
        let signed = VoucherSignatures {
            payer: voucher.sign(network, &place, &payer).unwrap(),
            payee: voucher.sign(network, &place, &payee).unwrap(),
        };
        let body = channel::redeem(self.query(), &voucher, &signed).unwrap();
        let from = self.parties.any(&mut self.dice);
        let value = self.value(REDEEM_VALUE.get());
        self.send(&from, channel.address().unwrap(), value, None, body);
    }

    fn end_of(&mut self, channel: &Channel, word: u32, right: &Address) {
        let right = self.parties.wallet(right);
        let (from, value) = (self.sender(&right), self.value(CHANNEL_END_VALUE.get()));
        let body = channel::plain(word, self.query()).unwrap();
        self.send(&from, channel.address().unwrap(), value, None, body);
    }

    /// To the key it has: the others go on being signed with it.
    fn set_key(&mut self, channel: &Channel) {
        let payee = self.parties.wallet(&channel.payee);
        let (from, value) = (self.sender(&payee), self.value(CHANNEL_END_VALUE.get()));
        let body = channel::set_key(self.query(), &payee_key().public()).unwrap();
        self.send(&from, channel.address().unwrap(), value, None, body);
    }

    /// Every payer leaves; a stranger ends what is left after the delay.
    pub(super) fn empty_channels(&mut self, stranger: &Treasury) {
        for channel in self.ledger.channels.all() {
            let to = channel.address().unwrap();
            if self.chain.account(&std(&to)).unwrap().data.is_none() {
                continue;
            }
            let payer = self.parties.wallet(&channel.payer);
            let close = channel::plain(op::CLOSE, 1).unwrap();
            self.send(&payer, to, CHANNEL_END_VALUE.get(), None, close);
            self.drain();
            let block = self.chain.warp(DELAY).unwrap();
            self.check_block(&block);
            let finish = channel::plain(op::FINISH, 1).unwrap();
            self.send(stranger, to, CHANNEL_END_VALUE.get(), None, finish);
            self.drain();
            let data = self.channel_data(&channel);
            assert_eq!(data.status, channel::ChannelStatus::Closed, "{data:?}");
        }
    }
}
