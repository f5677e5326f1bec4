//! Whole lives with real jettons of both kinds.

use fog_contracts::{
    JETTON_FORWARD, JETTON_PAY_VALUE,
    channel::{ChannelStatus, Purpose},
    jetton,
};
use fog_protocol::Nano;

use super::{
    kit::{CAP, ONE, PUT_IN, RICH, Town, units, voucher},
    real::{Jetton, Make},
};
use crate::{
    channels::kit::{CLOSE, DELAY, FINISH, LEAVE},
    world::{failures, ours},
};

fn each(test: impl Fn(Town, Purpose)) {
    for make in Make::ALL {
        for purpose in Purpose::ALL {
            test(Town::new(make), purpose);
        }
    }
}

#[test]
fn money_goes_in_and_comes_out_to_the_unit() {
    each(|mut town, purpose| {
        let channel = town.opened(purpose, PUT_IN);
        let (_, payer, payee) = town.channel(purpose);
        let at = channel.address().unwrap();
        let told = town.data(&channel).wallet;
        assert_eq!(told, Some(town.jetton.wallet_of(&town.world.chain, &at)));
        let (from, to) = (ours(&payer.address), ours(&payee.address));
        let (had, before) = (town.jettons(&from), town.jettons(&to));
        let now = town.world.chain.now();
        let receipt = town.redeem(&channel, &payee, &voucher(3 * ONE + 1, 3, now));
        assert_eq!(failures(&receipt), [0; 0]);
        assert_eq!(town.jettons(&to) - before, 3 * ONE + 1);
        assert_eq!(town.jettons(&at), PUT_IN - 3 * ONE - 1);
        town.assert_conserved(&channel);
        // Anybody else's redemption is written down; the payee takes it when it likes.
        let stranger = town.world.stranger.clone();
        let receipt = town.redeem(&channel, &stranger, &voucher(3 * ONE + 1 + CAP - ONE, 4, now));
        assert_eq!(failures(&receipt), [0; 0]);
        assert_eq!(town.data(&channel).due_payee, units(CAP - ONE));
        assert_eq!(town.jettons(&to) - before, 3 * ONE + 1);
        assert_eq!(failures(&town.claim(&channel, &payee, to)), [0; 0]);
        assert_eq!(town.jettons(&to) - before, 3 * ONE + CAP - ONE + 1);
        assert_eq!(failures(&town.claim(&channel, &payee, to)), [114]);
        // The rest, after the delay.
        assert_eq!(failures(&town.end(&channel, &payer, CLOSE)), [0; 0]);
        town.world.chain.warp(DELAY).unwrap();
        assert_eq!(failures(&town.end(&channel, &payer, FINISH)), [0; 0]);
        assert_eq!(town.jettons(&from) - had, PUT_IN - 3 * ONE - 1 - (CAP - ONE));
        assert_eq!(
            (town.jettons(&at), town.data(&channel).core.status),
            (0, ChannelStatus::Closed)
        );
        town.assert_conserved(&channel);
    });
}

#[test]
fn who_leaves_frees_the_rest_and_anybody_may_finish() {
    each(|mut town, purpose| {
        let channel = town.opened(purpose, PUT_IN);
        let (_, payer, payee) = town.channel(purpose);
        let from = ours(&payer.address);
        let had = town.jettons(&from);
        assert_eq!(failures(&town.end(&channel, &payee, LEAVE)), [0; 0]);
        assert_eq!(town.data(&channel).due_payer, units(PUT_IN));
        // To another address, if the payer likes.
        let stranger = town.world.stranger.clone();
        let elsewhere = ours(&stranger.address);
        let before = town.jettons(&elsewhere);
        assert_eq!(failures(&town.claim(&channel, &stranger, elsewhere)), [100]);
        assert_eq!(failures(&town.claim(&channel, &payer, elsewhere)), [0; 0]);
        assert_eq!((town.jettons(&elsewhere) - before, town.jettons(&from)), (PUT_IN, had));
        town.assert_conserved(&channel);
    });
}

/// Jettons that came without a word (no TON forwarded) are counted nowhere; when all is over they are
/// the payer's.
#[test]
fn what_came_without_a_word_is_swept_in_the_end() {
    each(|mut town, purpose| {
        let channel = town.opened(purpose, PUT_IN);
        let (_, payer, payee) = town.channel(purpose);
        let at = channel.address().unwrap();
        for forward in [Nano::ZERO, Nano::new(1)] {
            town.put_in(&channel, &payer, ONE, forward);
        }
        assert_eq!(town.data(&channel).core.balance, units(PUT_IN));
        assert_eq!(town.jettons(&at), PUT_IN + 2 * ONE);
        town.assert_conserved(&channel);
        let sweep = |town: &mut Town, from: &_, amount| {
            let body = jetton::sweep(1, units(amount)).unwrap();
            failures(&town.world.call(from, at, JETTON_PAY_VALUE, body))
        };
        assert_eq!(sweep(&mut town, &payer, ONE), [101], "while it is open");
        assert_eq!(failures(&town.end(&channel, &payee, LEAVE)), [0; 0]);
        assert_eq!(sweep(&mut town, &payer, ONE), [101], "while something is owed");
        let to = ours(&payer.address);
        assert_eq!(failures(&town.claim(&channel, &payer, to)), [0; 0]);
        assert_eq!(sweep(&mut town, &payer, ONE), [103], "while something may come back");
        town.world.chain.warp(jetton::SETTLING_TIME).unwrap();
        // What comes now is not counted either.
        assert_eq!(failures(&town.put_in(&channel, &payee_of(&town), ONE, JETTON_FORWARD)), [101]);
        assert_eq!(sweep(&mut town, &payee, ONE), [100]);
        assert_eq!(sweep(&mut town, &payer, 0), [114]);
        assert!(!sweep(&mut town, &payer, 3 * ONE + 1).is_empty(), "more than there is");
        assert_eq!(town.jettons(&at), 3 * ONE);
        assert_eq!(sweep(&mut town, &payer, 3 * ONE), [0; 0]);
        assert_eq!(town.jettons(&at), 0);
        town.assert_conserved(&channel);
    });
}

fn payee_of(town: &Town) -> fog_testnet::chain::Treasury {
    town.world.stranger.clone()
}

/// Another jetton's wallets, however real, are strangers.
#[test]
fn another_masters_jettons_do_not_count() {
    each(|mut town, purpose| {
        let channel = town.opened(purpose, PUT_IN);
        let stranger = town.world.stranger.clone();
        let make = town.jetton.make;
        let worthless = Jetton::deploy(&mut town.world.chain, &stranger, make, 2);
        worthless.mint(&mut town.world.chain, ours(&stranger.address), RICH);
        let to = channel.address().unwrap();
        let before = town.data(&channel);
        let chain = &mut town.world.chain;
        let transfer = worthless.transfer(chain, &stranger, to, RICH, JETTON_FORWARD.get());
        assert_eq!(failures(&chain.send_from(&stranger, &transfer).unwrap()), [143]);
        assert_eq!(town.data(&channel), before);
        town.assert_conserved(&channel);
    });
}
