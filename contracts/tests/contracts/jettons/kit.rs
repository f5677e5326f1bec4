//! A channel in a jetton: alone, with a wallet that the test speaks for, and in a world, with a real
//! jetton.

use fog_contracts::{
    JETTON_CREDIT_VALUE, JETTON_FORWARD, JETTON_PAY_VALUE, JETTON_RENT, Units,
    channel::{self, Channel, Purpose, Voucher, VoucherSignatures},
    jetton::{self, JettonChannel, JettonData, op},
};
use fog_protocol::{Address, Hash32, Nano};
use fog_testnet::chain::{Bounce, Receipt, Transfer, Treasury};
use tycho_types::cell::{Cell, CellBuilder, CellFamily as _, Load as _, Store as _};
use tycho_types::{
    models::{AccountState, StateInit, StdAddr},
    num::Tokens,
};

use super::real::{Jetton, Make};
use crate::{
    alone::{GRAM, OPERATOR, QUERY, REQUESTOR},
    bouncing::as_declared,
    channels::kit::{DELAY, NETWORK, payee_key, payer_key},
    solo::{Ran, Sent, Solo, body, put_address},
    world::{World, failures, ours, std},
};

/// Of a jetton with six decimals: a whole one.
pub(crate) const ONE: u128 = 1_000_000;
pub(crate) const CAP: u128 = 5 * ONE;
pub(crate) const PUT_IN: u128 = 8 * ONE;
pub(crate) const ENOUGH: u64 = GRAM / 5;
pub(crate) const MASTER: Address = Address::basechain([0xb1; 32]);
pub(crate) const WALLET: Address = Address::basechain([0xb2; 32]);

pub(crate) fn units(amount: u128) -> Units {
    Units::new(amount).unwrap()
}

pub(crate) fn between(
    purpose: Purpose,
    payer: Address,
    payee: Address,
    master: Address,
) -> JettonChannel {
    let terms = Channel {
        purpose,
        payer,
        payee,
        payer_key: payer_key().public(),
        payee_key: payee_key().public(),
        cap: units(CAP),
        delay: DELAY,
        series: 0,
    };
    JettonChannel { terms, master }
}

pub(crate) fn channel(purpose: Purpose) -> JettonChannel {
    between(purpose, REQUESTOR, OPERATOR, MASTER)
}

pub(crate) fn voucher(total: u128, count: u64, now: u32) -> Voucher<Units> {
    let root = Hash32([u8::try_from(count % 251).unwrap(); 32]);
    Voucher { total: units(total), count, root, valid_until: now + 30 * 24 * 3600 }
}

pub(crate) fn signed(channel: &JettonChannel, voucher: &Voucher<Units>) -> VoucherSignatures {
    VoucherSignatures {
        payer: voucher.sign_in(NETWORK, channel, &payer_key()).unwrap(),
        payee: voucher.sign_in(NETWORK, channel, &payee_key()).unwrap(),
    }
}

pub(crate) fn redeem_body(channel: &JettonChannel, voucher: &Voucher<Units>) -> Cell {
    channel::redeem(QUERY, voucher, &signed(channel, voucher)).unwrap()
}

// ---- alone -------------------------------------------------------------------------------------

pub(crate) fn coins(builder: &mut CellBuilder, amount: u128) {
    Tokens::new(amount).store_into(builder, Cell::empty_context()).unwrap();
}

/// What a jetton wallet tells its owner.
pub(crate) fn notification(amount: u128, rest: impl FnOnce(&mut CellBuilder)) -> Cell {
    body(op::NOTIFICATION, QUERY, |b| {
        coins(b, amount);
        rest(b);
    })
}

/// With who sent it, and an empty payload.
pub(crate) fn plain_notification(amount: u128) -> Cell {
    notification(amount, |b| {
        put_address(b, REQUESTOR);
        b.store_bit_zero().unwrap();
    })
}

/// A master's answer.
pub(crate) fn answer(wallet: Option<Address>) -> Cell {
    body(op::TAKE_WALLET, QUERY, |b| {
        match wallet {
            Some(wallet) => put_address(b, wallet),
            None => b.store_zeros(2).unwrap(),
        }
        b.store_bit_zero().unwrap();
    })
}

pub(crate) fn fresh(channel: &JettonChannel) -> Solo {
    Solo::new(channel.address().unwrap(), channel.state_init().unwrap())
}

pub(crate) fn ask(solo: &mut Solo, from: Address) -> Ran {
    solo.send(from, JETTON_RENT.get(), jetton::ask(QUERY).unwrap())
}

/// Opened, and told its wallet.
pub(crate) fn opened(channel: &JettonChannel) -> Solo {
    let mut solo = fresh(channel);
    assert_eq!(ask(&mut solo, channel.terms.payer).exit, 0);
    assert_eq!(solo.send(MASTER, GRAM / 100, answer(Some(WALLET))).exit, 0);
    solo
}

pub(crate) fn put_in(solo: &mut Solo, amount: u128) -> Ran {
    solo.send(WALLET, JETTON_FORWARD.get(), plain_notification(amount))
}

/// With [`PUT_IN`] in it.
pub(crate) fn funded(channel: &JettonChannel) -> Solo {
    let mut solo = opened(channel);
    assert_eq!(put_in(&mut solo, PUT_IN).exit, 0);
    solo
}

pub(crate) fn data(solo: &Solo, channel: &JettonChannel) -> JettonData {
    JettonData::parse(channel.terms.purpose, &solo.stored()).unwrap()
}

/// The payee redeems a new voucher for this total.
pub(crate) fn pay(solo: &mut Solo, channel: &JettonChannel, total: u128, count: u64) -> Ran {
    let voucher = voucher(total, count, solo.now);
    solo.send(channel.terms.payee, ENOUGH, redeem_body(channel, &voucher))
}

pub(crate) fn end(solo: &mut Solo, from: Address, op: u32) -> Ran {
    solo.send(from, ENOUGH, channel::plain(op, QUERY).unwrap())
}

pub(crate) fn claim(solo: &mut Solo, from: Address, to: Address) -> Ran {
    solo.send(from, ENOUGH, jetton::claim(QUERY, &to).unwrap())
}

/// A transfer the channel sent: amount, to whom, and who gets the rest of the TON.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) amount: u128,
    pub(crate) to: Address,
    pub(crate) response: Address,
}

pub(crate) fn told(message: &Sent) -> Told {
    assert_eq!(message.op(), op::TRANSFER);
    assert_eq!((message.to, message.bounce), (WALLET, true));
    let mut slice = message.body.as_slice().unwrap();
    slice.skip_first(96, 0).unwrap();
    let amount = Tokens::load_from(&mut slice).unwrap().into_inner();
    let mut address = || ours(&StdAddr::load_from(&mut slice).unwrap());
    let (to, response) = (address(), address());
    // No payload of ours, no TON to forward, nothing besides.
    assert_eq!(slice.load_uint(6).unwrap(), 0);
    assert!(slice.is_data_empty() && slice.is_refs_empty());
    Told { amount, to, response }
}

/// All jettons that were sent.
pub(crate) fn sent(ran: &Ran) -> u128 {
    let transfers = ran.sent.iter().filter(|message| message.op() == op::TRANSFER);
    transfers.map(|message| told(message).amount).sum()
}

// ---- in a world --------------------------------------------------------------------------------

/// A world with a jetton in it, of which everybody has some.
pub(crate) struct Town {
    pub(crate) world: World,
    pub(crate) jetton: Jetton,
}

pub(crate) const RICH: u128 = 1_000 * ONE;

impl Town {
    pub(crate) fn new(make: Make) -> Self {
        Self::in_world(World::new(), make)
    }

    pub(crate) fn in_world(mut world: World, make: Make) -> Self {
        let owner = world.owner.clone();
        let jetton = Jetton::deploy(&mut world.chain, &owner, make, 1);
        for party in [&world.requestor, &world.operator, &world.stranger].map(Clone::clone) {
            jetton.mint(&mut world.chain, ours(&party.address), RICH);
        }
        Self { world, jetton }
    }

    /// The requestor's account at the node, or the node's earnings for the worker.
    pub(crate) fn channel(&self, purpose: Purpose) -> (JettonChannel, Treasury, Treasury) {
        let world = &self.world;
        let (payer, payee) = match purpose {
            Purpose::Account => (world.requestor.clone(), world.operator.clone()),
            Purpose::Earnings => (world.operator.clone(), world.worker.clone()),
        };
        let (from, to) = (ours(&payer.address), ours(&payee.address));
        (between(purpose, from, to, self.jetton.master), payer, payee)
    }

    pub(crate) fn ask(&mut self, channel: &JettonChannel, from: &Treasury) -> Receipt {
        let body = jetton::ask(self.world.next_query()).unwrap();
        let init = channel.state_init().unwrap();
        self.world.deploy(from, channel.address().unwrap(), JETTON_RENT, init, body)
    }

    /// From the payer's own jetton wallet, with `forward` TON for the notification.
    pub(crate) fn put_in(
        &mut self,
        channel: &JettonChannel,
        from: &Treasury,
        amount: u128,
        forward: Nano,
    ) -> Receipt {
        let to = channel.address().unwrap();
        let chain = &mut self.world.chain;
        let transfer = self.jetton.transfer(chain, from, to, amount, forward.get());
        as_declared(chain.send_from(from, &transfer).unwrap())
    }

    /// Opened, with this much in it.
    pub(crate) fn opened(&mut self, purpose: Purpose, amount: u128) -> JettonChannel {
        let (channel, payer, _) = self.channel(purpose);
        assert_eq!(failures(&self.ask(&channel, &payer)), [0; 0]);
        let receipt = self.put_in(&channel, &payer, amount, JETTON_FORWARD);
        assert_eq!(failures(&receipt), [0; 0]);
        assert_eq!(self.data(&channel).core.balance, units(amount));
        channel
    }

    pub(crate) fn redeem(
        &mut self,
        channel: &JettonChannel,
        from: &Treasury,
        voucher: &Voucher<Units>,
    ) -> Receipt {
        let pays = ours(&from.address) == channel.terms.payee;
        let value = if pays { JETTON_PAY_VALUE } else { JETTON_CREDIT_VALUE };
        let body = redeem_body(channel, voucher);
        self.world.call(from, channel.address().unwrap(), value, body)
    }

    pub(crate) fn end(&mut self, channel: &JettonChannel, from: &Treasury, op: u32) -> Receipt {
        let body = channel::plain(op, self.world.next_query()).unwrap();
        self.world.call(from, channel.address().unwrap(), JETTON_PAY_VALUE, body)
    }

    pub(crate) fn claim(
        &mut self,
        channel: &JettonChannel,
        from: &Treasury,
        to: Address,
    ) -> Receipt {
        let body = jetton::claim(self.world.next_query(), &to).unwrap();
        self.world.call(from, channel.address().unwrap(), JETTON_PAY_VALUE, body)
    }

    pub(crate) fn data(&self, channel: &JettonChannel) -> JettonData {
        let view = self.world.chain.account(&std(&channel.address().unwrap())).unwrap();
        JettonData::parse(channel.terms.purpose, &view.data.expect("it is deployed")).unwrap()
    }

    /// What brings an account back after it was frozen.
    pub(crate) fn state_of(&self, account: &Address) -> StateInit {
        let state = self.world.chain.account_state(&std(account)).unwrap().unwrap();
        match state.load_account().unwrap().unwrap().state {
            AccountState::Active(init) => init,
            other => panic!("{account} is not there: {other:?}"),
        }
    }

    /// Pays a frozen account's debt, with a body that it takes.
    pub(crate) fn wake(
        &mut self,
        from: &Treasury,
        account: &Address,
        state: StateInit,
        body: Cell,
    ) {
        let wake = Transfer {
            bounce: Bounce::Never,
            ..Transfer::deploy(std(account), 5_000_000_000, state, body)
        };
        self.world.chain.send_from(from, &wake).unwrap();
    }

    pub(crate) fn jettons(&self, owner: &Address) -> u128 {
        self.jetton.balance(&self.world.chain, owner)
    }

    /// Jettons are conserved, and the channel's wallet has all that the channel owes; so is TON.
    pub(crate) fn assert_conserved(&self, channel: &JettonChannel) {
        self.world.assert_conserved();
        let at = channel.address().unwrap();
        let world = &self.world;
        let everybody = [&world.owner, &world.requestor, &world.operator, &world.worker]
            .map(|party| ours(&party.address));
        let held: u128 = everybody.iter().map(|owner| self.jettons(owner)).sum();
        let held = held + self.jettons(&ours(&world.stranger.address)) + self.jettons(&at);
        assert_eq!(held, self.jetton.supply(&world.chain));
        let data = self.data(channel);
        let owed = data.core.balance.get() + data.due_payee.get() + data.due_payer.get();
        assert!(self.jettons(&at) >= owed, "{data:?}");
    }
}
