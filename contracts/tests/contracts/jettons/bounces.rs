//! Transfers thrown back: owed again, once; and every other bounce, which does nothing.

use fog_contracts::{
    JETTON_PAY_VALUE, Units,
    channel::Purpose,
    jetton::{self, JettonChannel},
    op::EXCESSES,
};
use fog_protocol::Address;
use fog_testnet::chain::{Receipt, TxRecord};
use tycho_types::models::MsgInfo;

use super::{
    kit::{
        CAP, ENOUGH, MASTER, ONE, PUT_IN, Town, WALLET, ask, channel, claim, data, end, fresh,
        funded, pay, sent, units, voucher,
    },
    real::Make,
};
use crate::{
    alone::{GRAM, STRANGER},
    channels::kit::{CLOSE, DELAY, FINISH, LEAVE},
    solo::{Arrival, Ran, Sent, Solo},
    world::{failures, ours, std},
};

fn throw_back(solo: &mut Solo, from: Address, message: &Sent) -> Ran {
    solo.receive(from, message.value, message.bounced(709), Arrival::Bounced)
}

/// Everything that makes a channel send jettons: how it comes about, and whose they are.
fn outward(channel: &JettonChannel) -> Vec<(&'static str, Solo, Sent, bool)> {
    let (payer, payee) = (channel.terms.payer, channel.terms.payee);
    let transfer = |ran: Ran| ran.the(jetton::op::TRANSFER).clone();
    let mut all = Vec::new();
    let mut solo = funded(channel);
    let sent = transfer(pay(&mut solo, channel, ONE, 1));
    all.push(("redemption", solo, sent, true));

    let mut solo = funded(channel);
    let body = super::kit::redeem_body(channel, &voucher(ONE, 1, solo.now));
    assert_eq!(solo.send(STRANGER, ENOUGH, body).exit, 0);
    let sent = transfer(claim(&mut solo, payee, STRANGER));
    all.push(("claim by the payee", solo, sent, true));

    let mut solo = funded(channel);
    assert_eq!(end(&mut solo, payer, CLOSE).exit, 0);
    solo.now += DELAY;
    let mut other = solo.clone();
    let sent = transfer(end(&mut solo, payer, FINISH));
    all.push(("end", solo, sent, false));
    assert_eq!(end(&mut other, STRANGER, FINISH).exit, 0);
    let sent = transfer(claim(&mut other, payer, payer));
    all.push(("claim by the payer", other, sent, false));
    all
}

#[test]
fn a_bounced_transfer_is_owed_again_once() {
    for channel in Purpose::ALL.map(channel) {
        for (how, mut solo, transfer, payees) in outward(&channel) {
            let amount = super::kit::told(&transfer).amount;
            let before = data(&solo, &channel);
            let due = |solo: &Solo| {
                let data = data(solo, &channel);
                if payees {
                    (data.due_payee, data.due_payer)
                } else {
                    (data.due_payer, data.due_payee)
                }
            };
            assert_eq!(due(&solo), (Units::ZERO, Units::ZERO), "{how}");
            // By another than the wallet: nothing.
            for from in [STRANGER, MASTER, channel.terms.payer, channel.terms.payee] {
                let ran = throw_back(&mut solo, from, &transfer);
                assert_eq!((ran.exit, ran.sent.len()), (0, 0), "{how}");
                assert_eq!(data(&solo, &channel), before, "{how}");
            }
            let ran = throw_back(&mut solo, WALLET, &transfer);
            assert_eq!(ran.exit, 0);
            assert_eq!(due(&solo), (units(amount), Units::ZERO), "{how}");
            // The TON goes to who paid for it.
            let side = super::kit::told(&transfer).response;
            assert_eq!(ran.the(EXCESSES).to, side, "{how}");
            // A second time: nothing.
            throw_back(&mut solo, WALLET, &transfer);
            assert_eq!(due(&solo), (units(amount), Units::ZERO), "{how}");
            // Claimed, thrown back again, claimed again: each time the same amount.
            let owner = if payees { channel.terms.payee } else { channel.terms.payer };
            let again = claim(&mut solo, owner, owner);
            assert_eq!(sent(&again), amount, "{how}");
            throw_back(&mut solo, WALLET, &transfer);
            assert_eq!(due(&solo), (Units::ZERO, Units::ZERO), "{how}: a late one");
            throw_back(&mut solo, WALLET, again.the(jetton::op::TRANSFER));
            assert_eq!(due(&solo), (units(amount), Units::ZERO), "{how}");
            assert_eq!(sent(&claim(&mut solo, owner, STRANGER)), amount, "{how}");
            let after = data(&solo, &channel);
            assert_eq!(after.core, before.core, "{how}: nothing else moved");
        }
    }
}

/// Up to 64 may be under way and come back in any order; what is older does not count any more.
#[test]
fn many_under_way_come_back_in_any_order() {
    let channel = channel(Purpose::Account);
    let mut solo = funded(&channel);
    let transfers: Vec<_> = (1..=70)
        .map(|count| {
            let ran = pay(&mut solo, &channel, u128::from(count), count);
            ran.the(jetton::op::TRANSFER).clone()
        })
        .collect();
    // Each counts once, the oldest six not any more.
    for (index, owed) in [(69, 1), (6, 2), (33, 3), (5, 3), (0, 3), (69, 3), (33, 3), (40, 4)] {
        throw_back(&mut solo, WALLET, &transfers[index]);
        assert_eq!(data(&solo, &channel).due_payee, units(owed), "{index}");
    }
    assert_eq!(data(&solo, &channel).due_payee, units(4));
    assert_eq!(sent(&claim(&mut solo, channel.terms.payee, STRANGER)), 4);
    // A sweep's never: it has no number.
    let data = data(&solo, &channel);
    assert_eq!((data.attempts, data.open.count_ones()), (71, 61));
}

#[test]
fn other_bounces_do_nothing() {
    for channel in Purpose::ALL.map(channel) {
        let mut solo = fresh(&channel);
        let ran = ask(&mut solo, STRANGER);
        let question = ran.the(jetton::op::PROVIDE_WALLET).clone();
        let before = data(&solo, &channel);
        // A master that knows no TEP-89: the payer has the TON back, and nothing was put in.
        let ran = throw_back(&mut solo, MASTER, &question);
        assert_eq!((ran.exit, ran.the(EXCESSES).to), (0, channel.terms.payer));
        assert_eq!(throw_back(&mut solo, STRANGER, &question).sent.len(), 0);
        assert_eq!(data(&solo, &channel), before);
        // Anything at all, as a bounce, from anyone.
        let solo = funded(&channel);
        for from in [channel.terms.payer, channel.terms.payee, WALLET, MASTER, STRANGER] {
            let redeem = super::kit::redeem_body(&channel, &voucher(CAP, 1, solo.now));
            for body in [redeem, super::kit::plain_notification(ONE), Default::default()] {
                let mut solo = solo.clone();
                let ran = solo.receive(from, GRAM, body, Arrival::Bounced);
                assert!(ran.sent.is_empty());
                assert_eq!(data(&solo, &channel), data(&funded(&channel), &channel));
            }
        }
    }
}

/// A real wallet that nobody paid rent for is frozen: what it was told to send comes back, and goes
/// out once somebody has woken it.
#[test]
fn a_real_wallet_that_is_frozen_gives_back_what_it_was_told_to_send() {
    for make in Make::ALL {
        let mut town = Town::new(make);
        let channel = town.opened(Purpose::Account, PUT_IN);
        let (_, payer, payee) = town.channel(Purpose::Account);
        let (at, to) = (channel.address().unwrap(), ours(&payee.address));
        let wallet = town.data(&channel).wallet.unwrap();
        let asleep = town.state_of(&wallet);
        // The channel's own rent is paid, the wallet's is not.
        for of in [&at, &ours(&payer.address), &to] {
            town.world.chain.fund(&std(of), 100 * u128::from(GRAM)).unwrap();
        }
        town.world.chain.warp(80 * 365 * 24 * 3600).unwrap();
        let now = town.world.chain.now();
        let receipt = town.redeem(&channel, &payee, &voucher(ONE, 1, now));
        assert_eq!(bounced(&receipt), 1, "{make:?}");
        let data = town.data(&channel);
        assert_eq!((data.due_payee, data.core.balance), (units(ONE), units(PUT_IN - ONE)));
        // Its own is, too; it has nothing there yet.
        let new = ours(&town.world.owner.address);
        let receipt = town.claim(&channel, &payee, new);
        assert_eq!(bounced(&receipt), 1, "again");
        assert_eq!(town.data(&channel).due_payee, units(ONE));
        // Anybody pays the debt and brings the state. (What the chain here does not wake is an account
        // whose address has a prefix of its own.)
        if make == Make::Governed {
            continue;
        }
        town.wake(&payer, &wallet, asleep, make.top_up());
        assert_eq!(failures(&town.claim(&channel, &payee, new)), [0; 0]);
        assert_eq!(town.data(&channel).due_payee, Units::ZERO);
        assert_eq!(town.jettons(&new), ONE);
        assert_eq!(town.jettons(&at), PUT_IN - ONE);
    }
}

/// A sweep of more than there is comes back from the real wallet, and nobody is owed anything for it.
#[test]
fn a_sweep_that_comes_back_owes_nothing() {
    for make in Make::ALL {
        let mut town = Town::new(make);
        let channel = town.opened(Purpose::Account, PUT_IN);
        let (_, payer, payee) = town.channel(Purpose::Account);
        town.end(&channel, &payee, LEAVE);
        town.claim(&channel, &payer, ours(&payer.address));
        town.world.chain.warp(jetton::SETTLING_TIME).unwrap();
        let sweep = jetton::sweep(1, units(1)).unwrap();
        let at = channel.address().unwrap();
        let receipt = town.world.call(&payer, at, JETTON_PAY_VALUE, sweep);
        assert_eq!(bounced(&receipt), 1);
        let data = town.data(&channel);
        assert_eq!((data.due_payee, data.due_payer), (Units::ZERO, Units::ZERO));
        town.assert_conserved(&channel);
    }
}

/// Messages that came back to their sender.
fn bounced(receipt: &Receipt) -> usize {
    let came_back = |record: &TxRecord| {
        let info = record.in_msg().unwrap().map(|message| message.info);
        matches!(info, Some(MsgInfo::Int(info)) if info.bounced)
    };
    receipt.transactions.iter().filter(|record| came_back(record)).count()
}
