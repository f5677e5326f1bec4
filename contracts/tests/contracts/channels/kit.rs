//! A channel alone, and in a world.

use fog_contracts::{
    CHANNEL_END_VALUE, CHANNEL_RENT, REDEEM_VALUE,
    channel::{self, Channel, ChannelData, Purpose, Voucher, VoucherSignatures, op},
};
use fog_protocol::{Address, Hash32, Nano, SecretKey};
use fog_testnet::chain::{Receipt, Treasury};
use tycho_types::cell::Cell;

use crate::{
    alone::{GRAM, OPERATOR, QUERY, REQUESTOR},
    solo::{Ran, Solo},
    world::{World, ours, std},
};

pub(crate) const NETWORK: i32 = -3;
pub(crate) const DELAY: u32 = 3600;
pub(crate) const CAP: Nano = Nano::grams(5);
pub(crate) const PUT_IN: Nano = Nano::grams(8);
pub(crate) const ENOUGH: u64 = GRAM / 10;

pub(crate) fn payer_key() -> SecretKey {
    SecretKey::from_seed(&[21; 32])
}

pub(crate) fn payee_key() -> SecretKey {
    SecretKey::from_seed(&[22; 32])
}

pub(crate) fn channel(purpose: Purpose) -> Channel {
    between(purpose, REQUESTOR, OPERATOR)
}

pub(crate) fn between(purpose: Purpose, payer: Address, payee: Address) -> Channel {
    Channel {
        purpose,
        payer,
        payee,
        payer_key: payer_key().public(),
        payee_key: payee_key().public(),
        cap: CAP,
        delay: DELAY,
        series: 0,
    }
}

/// For `total` nanogram, by `count` entries.
pub(crate) fn voucher(total: u64, count: u64, now: u32) -> Voucher {
    let root = Hash32([u8::try_from(count % 251).unwrap(); 32]);
    Voucher { total: Nano::new(total), count, root, valid_until: now + 30 * 24 * 3600 }
}

pub(crate) fn signed(channel: &Channel, voucher: &Voucher) -> VoucherSignatures {
    VoucherSignatures {
        payer: voucher.sign(NETWORK, channel, &payer_key()).unwrap(),
        payee: voucher.sign(NETWORK, channel, &payee_key()).unwrap(),
    }
}

pub(crate) fn redeem_body(channel: &Channel, voucher: &Voucher) -> Cell {
    channel::redeem(QUERY, voucher, &signed(channel, voucher)).unwrap()
}

/// Nobody has paid in yet.
pub(crate) fn fresh(channel: &Channel) -> Solo {
    Solo::new(channel.address().unwrap(), channel.state_init().unwrap())
}

pub(crate) fn top_up(solo: &mut Solo, from: Address, amount: Nano) -> Ran {
    let value = amount.get() + CHANNEL_RENT.get();
    solo.send(from, value, channel::top_up(QUERY, amount).unwrap())
}

/// With [`PUT_IN`] in it.
pub(crate) fn funded(channel: &Channel) -> Solo {
    let mut solo = fresh(channel);
    assert_eq!(top_up(&mut solo, channel.payer, PUT_IN).exit, 0);
    solo
}

pub(crate) fn data(solo: &Solo, channel: &Channel) -> ChannelData {
    ChannelData::parse(channel.purpose, &solo.stored()).unwrap()
}

pub(crate) fn redeem(solo: &mut Solo, channel: &Channel, voucher: &Voucher) -> Ran {
    solo.send(channel.payee, ENOUGH, redeem_body(channel, voucher))
}

/// Redeems a new voucher for this total.
pub(crate) fn pay(solo: &mut Solo, channel: &Channel, total: u64, count: u64) -> Ran {
    let voucher = voucher(total, count, solo.now);
    redeem(solo, channel, &voucher)
}

pub(crate) fn end(solo: &mut Solo, from: Address, op: u32) -> Ran {
    solo.send(from, ENOUGH, channel::plain(op, QUERY).unwrap())
}

/// What the message with this opcode carried; zero if there was none.
pub(crate) fn carried(ran: &Ran, op: u32) -> u64 {
    ran.sent.iter().filter(|message| message.op() == op).map(|message| message.value).sum()
}

/// In the world: the requestor's account at the node, or the node's earnings for the worker.
pub(crate) fn in_world(world: &World, purpose: Purpose) -> (Channel, Treasury, Treasury) {
    let (payer, payee) = match purpose {
        Purpose::Account => (world.requestor.clone(), world.operator.clone()),
        Purpose::Earnings => (world.operator.clone(), world.worker.clone()),
    };
    (between(purpose, ours(&payer.address), ours(&payee.address)), payer, payee)
}

impl World {
    pub(crate) fn top_up(&mut self, channel: &Channel, from: &Treasury, amount: Nano) -> Receipt {
        let body = channel::top_up(self.next_query(), amount).unwrap();
        let value = amount.saturating_add(CHANNEL_RENT);
        self.deploy(from, channel.address().unwrap(), value, channel.state_init().unwrap(), body)
    }

    pub(crate) fn redeem(
        &mut self,
        channel: &Channel,
        from: &Treasury,
        voucher: &Voucher,
    ) -> Receipt {
        self.call(from, channel.address().unwrap(), REDEEM_VALUE, redeem_body(channel, voucher))
    }

    pub(crate) fn end_channel(&mut self, channel: &Channel, from: &Treasury, op: u32) -> Receipt {
        let body = channel::plain(op, self.next_query()).unwrap();
        self.call(from, channel.address().unwrap(), CHANNEL_END_VALUE, body)
    }

    pub(crate) fn channel(&self, channel: &Channel) -> ChannelData {
        let view = self.chain.account(&std(&channel.address().unwrap())).unwrap();
        ChannelData::parse(channel.purpose, &view.data.expect("it is deployed")).unwrap()
    }
}

/// Opens it in the world with this much.
pub(crate) fn opened(world: &mut World, purpose: Purpose, amount: Nano) -> Channel {
    let (channel, payer, _) = in_world(world, purpose);
    let receipt = world.top_up(&channel, &payer, amount);
    assert_eq!(crate::world::failures(&receipt), [0; 0]);
    channel
}

pub(crate) const CLOSE: u32 = op::CLOSE;
pub(crate) const LEAVE: u32 = op::LEAVE;
pub(crate) const FINISH: u32 = op::FINISH;
