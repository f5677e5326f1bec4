//! The least that must be attached to the messages of a channel in a jetton, years of rent, gas.

use std::collections::BTreeSet;

use fog_contracts::{
    JETTON_CREDIT_VALUE, JETTON_FORWARD, JETTON_PAY_VALUE, JETTON_RENT,
    channel::{self, Channel, Purpose},
    jetton::JettonChannel,
};
use fog_protocol::{Nano, SecretKey};
use fog_testnet::chain::{Receipt, StackItem};
use num_bigint::{BigInt, Sign};
use tycho_types::{
    cell::{Cell, Load as _},
    models::StdAddr,
};

use super::{
    kit::{CAP, ONE, PUT_IN, RICH, Town, funded, redeem_body, units, voucher},
    real::Make,
};
use crate::{
    alone::STRANGER,
    channels::kit::{CLOSE, DELAY, FINISH, LEAVE},
    world::{World, failures, ours, std},
};

const YEAR: u32 = 365 * 24 * 3600;

/// What `channel_values` demands, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Ask,
    RedeemAndPay,
    Redeem,
    Close,
    EndAndPay,
    End,
    Claim,
    SetKey,
    Notification,
}

fn demanded(world: &World, channel: &JettonChannel, gate: Gate) -> u64 {
    let at = std(&channel.address().unwrap());
    let output = world.chain.run_get_method(&at, "channel_values", &[]).unwrap();
    u64::try_from(output.stack[gate as usize].as_int().unwrap()).unwrap()
}

fn closing(town: &mut Town, channel: &JettonChannel) {
    let (_, payer, _) = town.channel(channel.terms.purpose);
    assert_eq!(failures(&town.end(channel, &payer, CLOSE)), [0; 0]);
    town.world.chain.warp(DELAY).unwrap();
}

type Act = dyn Fn(&mut Town, &JettonChannel) -> Receipt;

/// In towns that are all the same, `act` with one nanogram less than the least is refused; with
/// exactly that, and one more, it goes all the way, through the jetton's own contracts, a wallet
/// that is new included.
fn gate(gate: Gate, prepare: &dyn Fn(&mut Town, &JettonChannel), act: &Act) {
    for (make, purpose) in Make::ALL.into_iter().flat_map(|make| Purpose::ALL.map(|p| (make, p))) {
        for surplus in [-1, 0, 1] {
            let mut town = Town::new(make);
            let channel = town.opened(purpose, PUT_IN);
            let least = demanded(&town.world, &channel, gate);
            prepare(&mut town, &channel);
            town.world.attach = Some(least.checked_add_signed(surplus).unwrap());
            let stranger = ours(&town.world.stranger.address);
            let before = (town.world.balance(&stranger), town.data(&channel));
            let receipt = act(&mut town, &channel);
            town.assert_conserved(&channel);
            if surplus < 0 {
                assert_eq!(failures(&receipt), [104], "{gate:?}: one less than {least}");
                assert_eq!(town.data(&channel), before.1);
                continue;
            }
            assert_eq!(failures(&receipt), [0; 0], "{gate:?}: {surplus} more than {least}");
            let ends = receipt.transactions.iter().map(|tx| tx.action_code().unwrap().unwrap_or(0));
            assert!(ends.clone().all(|code| code == 0), "{gate:?} {make:?}");
            assert!(town.world.balance(&stranger) <= before.0);
            let held = town.world.balance(&channel.address().unwrap());
            assert!(held >= 100_000_000, "{gate:?} {make:?}: {held} of the rent");
        }
    }
}

#[test]
fn the_least_carries_every_step_of_a_jetton_channel() {
    let nothing = |_: &mut Town, _: &JettonChannel| ();
    gate(Gate::Ask, &nothing, &|town, channel| {
        let terms = Channel { series: 1, ..channel.terms };
        let other = JettonChannel { terms, ..*channel };
        let stranger = town.world.stranger.clone();
        let receipt = town.ask(&other, &stranger);
        let told = receipt.transactions.len() > 3;
        assert_eq!(town.data(&other).wallet.is_some(), told);
        receipt
    });
    // The worker never had any of this jetton: its wallet is deployed on the way.
    gate(Gate::RedeemAndPay, &nothing, &|town, channel| {
        let (now, (_, _, payee)) = (town.world.chain.now(), town.channel(channel.terms.purpose));
        let before = town.jettons(&channel.terms.payee);
        let receipt = town.redeem(channel, &payee, &voucher(CAP, 1, now));
        let got = town.jettons(&channel.terms.payee) - before;
        assert_eq!(got, if failures(&receipt).is_empty() { CAP } else { 0 });
        receipt
    });
    gate(Gate::Redeem, &nothing, &|town, channel| {
        let (now, stranger) = (town.world.chain.now(), town.world.stranger.clone());
        town.redeem(channel, &stranger, &voucher(CAP, 1, now))
    });
    gate(Gate::Close, &nothing, &|town, channel| {
        let (_, payer, _) = town.channel(channel.terms.purpose);
        town.end(channel, &payer, CLOSE)
    });
    gate(Gate::EndAndPay, &closing, &|town, channel| {
        let (_, payer, _) = town.channel(channel.terms.purpose);
        town.end(channel, &payer, FINISH)
    });
    gate(Gate::End, &closing, &|town, channel| {
        let stranger = town.world.stranger.clone();
        town.end(channel, &stranger, FINISH)
    });
    gate(Gate::End, &nothing, &|town, channel| {
        let (_, _, payee) = town.channel(channel.terms.purpose);
        town.end(channel, &payee, LEAVE)
    });
    let owing = |town: &mut Town, channel: &JettonChannel| {
        let (now, stranger) = (town.world.chain.now(), town.world.stranger.clone());
        let attach = town.world.attach.take();
        assert_eq!(failures(&town.redeem(channel, &stranger, &voucher(CAP, 1, now))), [0; 0]);
        town.world.attach = attach;
    };
    gate(Gate::Claim, &owing, &|town, channel| {
        let (_, _, payee) = town.channel(channel.terms.purpose);
        let new = ours(&town.world.owner.address);
        town.claim(channel, &payee, new)
    });
    gate(Gate::SetKey, &nothing, &|town, channel| {
        let (_, _, payee) = town.channel(channel.terms.purpose);
        let body = channel::set_key(1, &SecretKey::from_seed(&[1; 32]).public()).unwrap();
        town.world.call(&payee, channel.address().unwrap(), JETTON_CREDIT_VALUE, body)
    });
}

/// A notification with the TON that is asked for is counted, whoever's wallet sends it.
#[test]
fn the_least_that_is_forwarded_counts() {
    for make in Make::ALL {
        let mut town = Town::new(make);
        let channel = town.opened(Purpose::Account, PUT_IN);
        let least = demanded(&town.world, &channel, Gate::Notification);
        let stranger = town.world.stranger.clone();
        let receipt = town.put_in(&channel, &stranger, ONE, Nano::new(least));
        assert_eq!(failures(&receipt), [0; 0]);
        assert_eq!(town.data(&channel).core.balance, units(PUT_IN + ONE));
        town.assert_conserved(&channel);
    }
}

#[test]
fn what_we_attach_to_jetton_channels_is_enough_and_not_much_too_much() {
    let mut town = Town::new(Make::Reference);
    let channel = town.opened(Purpose::Account, PUT_IN);
    let ours = [
        (Gate::Ask, JETTON_RENT),
        (Gate::RedeemAndPay, JETTON_PAY_VALUE),
        (Gate::Redeem, JETTON_CREDIT_VALUE),
        (Gate::Close, JETTON_CREDIT_VALUE),
        (Gate::EndAndPay, JETTON_PAY_VALUE),
        (Gate::End, JETTON_CREDIT_VALUE),
        (Gate::Claim, JETTON_PAY_VALUE),
        (Gate::SetKey, JETTON_CREDIT_VALUE),
        (Gate::Notification, JETTON_FORWARD),
    ];
    for (gate, ours) in ours {
        let theirs = demanded(&town.world, &channel, gate);
        println!("{:<14} attached {:>12} demanded {theirs:>12}", format!("{gate:?}"), ours.get());
        assert!(ours.get() >= theirs + theirs / 10, "{gate:?}: {ours:?} of {theirs}");
        assert!(ours.get() <= theirs * 5, "{gate:?}: {ours:?} of {theirs}");
        // What the reference wallet wants is fixed, whatever the prices are.
        let pays = matches!(gate, Gate::RedeemAndPay | Gate::EndAndPay | Gate::Claim);
        assert!(!pays || theirs >= 50_000_000, "{gate:?}: {theirs}");
    }
}

/// With too little for the gas of the check itself nothing happens either.
#[test]
fn starved_messages_change_no_jetton_channel() {
    for channel in Purpose::ALL.map(super::kit::channel) {
        let at = funded(&channel);
        let terms = channel.terms;
        for value in
            [0, 1, 100_000, 400_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000, 50_000_000]
        {
            for (from, body) in [
                (terms.payee, redeem_body(&channel, &voucher(ONE, 1, at.now))),
                (terms.payer, channel::plain(CLOSE, 1).unwrap()),
                (terms.payee, channel::plain(LEAVE, 1).unwrap()),
                (super::kit::WALLET, super::kit::plain_notification(ONE)),
            ] {
                let mut solo = at.clone();
                let ran = solo.send(from, value, body);
                assert!(ran.exit == 0 || (solo.stored() == at.stored() && ran.sent.is_empty()));
                // The rent is nobody's gas.
                assert!(solo.balance >= at.balance, "{value} from {from}");
            }
        }
    }
}

/// When the rent is used up, the debt comes out of what is attached: what is left of that must
/// still be enough for the whole way, or nothing happens.
#[test]
fn debts_are_taken_off_what_is_attached() {
    let channel = super::kit::channel(Purpose::Account);
    let at = funded(&channel);
    for (from, value) in [(channel.terms.payee, 62_000_000), (STRANGER, 12_000_000)] {
        let mut seen = BTreeSet::new();
        for steps in 0..160 {
            let mut solo = at.clone();
            solo.now += 5 * YEAR + steps * 4 * 24 * 3600;
            let body = redeem_body(&channel, &voucher(ONE, 1, solo.now));
            let ran = solo.send(from, value, body);
            seen.insert(ran.exit);
            assert!(ran.exit == 0 || (solo.stored() == at.stored() && ran.sent.is_empty()));
        }
        assert!(seen.contains(&0) && seen.contains(&104), "{seen:?}");
        assert!(!seen.contains(&-1000), "no action ever fails: {seen:?}");
    }
}

#[test]
fn after_five_years_a_jetton_channel_still_pays() {
    for make in Make::ALL {
        let mut town = Town::new(make);
        let channel = town.opened(Purpose::Earnings, PUT_IN);
        let (_, payer, payee) = town.channel(Purpose::Earnings);
        town.world.chain.warp(5 * YEAR).unwrap();
        let now = town.world.chain.now();
        assert_eq!(failures(&town.redeem(&channel, &payee, &voucher(CAP, 1, now))), [0; 0]);
        closing(&mut town, &channel);
        assert_eq!(failures(&town.end(&channel, &payer, FINISH)), [0; 0]);
        assert_eq!(town.jettons(&channel.terms.payee), CAP);
        assert_eq!(town.jettons(&channel.terms.payer), RICH - CAP);
        town.assert_conserved(&channel);
    }
}

/// After ten its rent is used up, and it is frozen: nothing is lost, anybody may wake it.
#[test]
fn after_ten_years_a_jetton_channel_is_woken_and_pays() {
    for make in Make::ALL {
        let mut town = Town::new(make);
        let channel = town.opened(Purpose::Account, PUT_IN);
        let (_, payer, payee) = town.channel(Purpose::Account);
        let stranger = town.world.stranger.clone();
        let now = town.world.chain.now();
        assert_eq!(failures(&town.redeem(&channel, &stranger, &voucher(CAP, 1, now))), [0; 0]);
        let at = channel.address().unwrap();
        let asleep = town.state_of(&at);
        town.world.chain.warp(10 * YEAR).unwrap();
        town.claim(&channel, &payee, ours(&payer.address));
        assert!(town.world.chain.account(&std(&at)).unwrap().frozen_hash.is_some(), "{make:?}");
        town.wake(&stranger, &at, asleep, Cell::default());
        let new = ours(&town.world.owner.address);
        assert_eq!(failures(&town.claim(&channel, &payee, new)), [0; 0]);
        assert_eq!(town.jettons(&new), CAP);
        let owed = town.data(&channel);
        assert_eq!(owed.core.balance, units(PUT_IN - CAP));
    }
}

#[test]
fn its_get_methods_say_what_the_data_says() {
    let mut town = Town::new(Make::Governed);
    let channel = town.opened(Purpose::Earnings, PUT_IN);
    let (now, stranger) = (town.world.chain.now(), town.world.stranger.clone());
    town.redeem(&channel, &stranger, &voucher(ONE, 7, now));
    closing(&mut town, &channel);
    let (_, _, payee) = town.channel(Purpose::Earnings);
    let before = town.data(&channel);
    town.end(&channel, &payee, LEAVE);
    let data = town.data(&channel);
    let at = std(&channel.address().unwrap());
    let stack = |method| town.world.chain.run_get_method(&at, method, &[]).unwrap().stack;
    let number = |item: &StackItem| item.as_int().cloned().unwrap();
    let hash = |bytes: &[u8; 32]| BigInt::from_bytes_be(Sign::Plus, bytes);
    let address = |item: &StackItem| {
        let cell = item.as_cell().unwrap();
        ours(&StdAddr::load_from(&mut cell.as_slice().unwrap()).unwrap())
    };
    let state: Vec<_> = stack("channel_state").iter().map(number).collect();
    assert_eq!(
        state,
        [
            2.into(),
            0.into(),
            ONE.into(),
            7.into(),
            hash(&data.core.root.0),
            before.core.close_at.into(),
            hash(&data.core.payee_key.0.0),
            ONE.into(),
            (PUT_IN - ONE).into(),
        ]
    );
    let terms = stack("channel_terms");
    assert_eq!(
        (address(&terms[0]), address(&terms[1])),
        (channel.terms.payer, channel.terms.payee)
    );
    assert_eq!(
        terms[2..6].iter().map(number).collect::<Vec<_>>(),
        [hash(&channel.terms.payer_key.0.0), CAP.into(), DELAY.into(), 0.into()]
    );
    assert_eq!(address(&terms[6]), town.jetton.master);
    assert_eq!(Some(address(&terms[7])), data.wallet);
}
