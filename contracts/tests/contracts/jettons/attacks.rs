//! What a cheat would try: forged notifications, other wallets, other currencies' vouchers, amounts
//! as large as they get.

use fog_contracts::{
    CHANNEL_RENT, JETTON_FORWARD, Units,
    channel::{self, Channel, ChannelStatus, Purpose, Voucher, VoucherSignatures},
    jetton::{self, JettonChannel},
};
use fog_protocol::{Address, Hash32, Nano, PublicKey, SecretKey};
use proptest::prelude::*;
use tycho_types::cell::{Cell, CellBuilder};

use super::kit::{
    CAP, ENOUGH, MASTER, ONE, PUT_IN, Told, WALLET, answer, ask, channel, claim, coins, data, end,
    fresh, funded, notification, opened, pay, plain_notification, put_in, redeem_body, sent,
    signed, told, units, voucher,
};
use crate::{
    alone::{GRAM, QUERY, STRANGER},
    channels::kit::{CLOSE, DELAY, FINISH, LEAVE, NETWORK, payee_key, payer_key},
    solo::{Ran, Solo, body, put_address},
};

const MOST: u128 = Units::MAX.get();

fn each(test: impl Fn(JettonChannel)) {
    Purpose::ALL.into_iter().map(channel).for_each(test);
}

/// Refused with this code, and nothing moved.
fn refused(solo: &Solo, from: Address, body: Cell, exit: i32) {
    let mut solo = solo.clone();
    let before = solo.stored();
    let ran = solo.send(from, GRAM, body);
    assert_eq!((ran.exit, ran.sent.len()), (exit, 0));
    assert_eq!(solo.stored(), before);
}

#[test]
fn jettons_count_by_the_own_wallets_word_alone() {
    each(|channel| {
        let solo = opened(&channel);
        let (payer, payee) = (channel.terms.payer, channel.terms.payee);
        for from in [STRANGER, payer, payee, MASTER, channel.address().unwrap()] {
            refused(&solo, from, plain_notification(PUT_IN), 143);
        }
        // Before the master has said which it is, there is none.
        let mut early = fresh(&channel);
        refused(&early, WALLET, plain_notification(PUT_IN), 143);
        assert_eq!(ask(&mut early, payer).exit, 0);
        refused(&early, WALLET, plain_notification(PUT_IN), 143);
        refused(&early, Address::basechain([0; 32]), plain_notification(PUT_IN), 143);
        let mut solo = solo;
        assert_eq!(put_in(&mut solo, PUT_IN).exit, 0);
        assert_eq!(data(&solo, &channel).core.balance, units(PUT_IN));
    });
}

#[test]
fn the_master_alone_says_which_wallet_and_once() {
    each(|channel| {
        let mut solo = fresh(&channel);
        assert_eq!(ask(&mut solo, STRANGER).exit, 0, "anybody may open it");
        for from in [STRANGER, channel.terms.payer, channel.terms.payee, WALLET] {
            refused(&solo, from, answer(Some(WALLET)), 100);
        }
        refused(&solo, MASTER, answer(None), 143);
        let mut elsewhere = CellBuilder::new();
        elsewhere.store_u32(jetton::op::TAKE_WALLET).unwrap();
        elsewhere.store_u64(QUERY).unwrap();
        put_address(&mut elsewhere, Address { workchain: -1, ..WALLET });
        refused(&solo, MASTER, elsewhere.build().unwrap(), 116);
        assert_eq!(data(&solo, &channel).wallet, None);
        assert_eq!(solo.send(MASTER, GRAM / 100, answer(Some(WALLET))).exit, 0);
        for wallet in [WALLET, STRANGER] {
            refused(&solo, MASTER, answer(Some(wallet)), 101);
        }
        assert_eq!(ask(&mut solo, STRANGER).exit, 101, "there is nothing left to ask");
        assert_eq!(data(&solo, &channel).wallet, Some(WALLET));
    });
}

/// What it asks is about itself, of the master that its address is made of.
#[test]
fn the_question_is_the_channels_own() {
    each(|channel| {
        let mut solo = fresh(&channel);
        let ran = ask(&mut solo, STRANGER);
        let question = ran.the(jetton::op::PROVIDE_WALLET);
        assert_eq!((question.to, question.bounce), (MASTER, true));
        // The reference master wants a hundredth of a coin for it, whatever the prices are.
        assert!(question.value >= GRAM / 50);
        let asked = body(jetton::op::PROVIDE_WALLET, QUERY, |b| {
            put_address(b, channel.address().unwrap());
            b.store_bit_zero().unwrap();
        });
        assert_eq!(question.body, asked);
        // Whoever paid rent ahead does not get it back, nor does anybody else.
        let mut rich = fresh(&channel);
        assert_eq!(rich.send(channel.terms.payer, 3 * GRAM, Cell::default()).exit, 0);
        assert_eq!(ask(&mut rich, STRANGER).exit, 0);
        assert!(rich.balance > 3 * GRAM - GRAM / 100, "{}", rich.balance);
        let other = JettonChannel { master: STRANGER, ..channel };
        assert_ne!(other.address().unwrap(), channel.address().unwrap());
        let off = JettonChannel { master: Address { workchain: -1, ..MASTER }, ..channel };
        assert_eq!(ask(&mut fresh(&off), STRANGER).exit, 116);
    });
}

#[test]
fn terms_are_looked_at_before_anything_comes_in() {
    each(|channel| {
        let none = PublicKey(Hash32([0; 32]));
        let terms = channel.terms;
        let bad = [
            (Channel { cap: Units::ZERO, ..terms }, 112),
            (Channel { delay: 599, ..terms }, 112),
            (Channel { delay: 30 * 24 * 3600 + 1, ..terms }, 112),
            (Channel { payer_key: none, ..terms }, 112),
            (Channel { payee_key: none, ..terms }, 112),
            (Channel { payee: Address { workchain: -1, ..terms.payee }, ..terms }, 116),
            (Channel { payer: Address { workchain: -1, ..terms.payer }, ..terms }, 116),
        ];
        for (terms, exit) in bad {
            assert_eq!(ask(&mut fresh(&JettonChannel { terms, ..channel }), STRANGER).exit, exit);
        }
    });
}

/// A strange payload is no reason not to count what is there: it is the sender's, and not looked at.
#[test]
fn whatever_the_payload_jettons_count() {
    each(|channel| {
        let mut solo = opened(&channel);
        let payloads: [&dyn Fn(&mut CellBuilder); 5] = [
            &|_| (),
            &|b| b.store_bit_one().unwrap(),
            &|b| b.store_zeros(7).unwrap(),
            &|b| {
                put_address(b, STRANGER);
                b.store_bit_one().unwrap();
                b.store_reference(redeem_body(&channel, &voucher(ONE, 1, 1))).unwrap();
            },
            &|b| (0..4).for_each(|_| b.store_reference(Cell::default()).unwrap()),
        ];
        for (index, payload) in payloads.iter().enumerate() {
            let body = notification(ONE, payload);
            assert_eq!(solo.send(WALLET, JETTON_FORWARD.get(), body).exit, 0);
            assert_eq!(data(&solo, &channel).core.balance.get(), (index as u128 + 1) * ONE);
        }
        // Without an amount there is nothing to count.
        refused(&solo, WALLET, body(jetton::op::NOTIFICATION, QUERY, |_| ()), 9);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_notification_counts_its_amount_or_nothing(
        amount in any::<u128>(), bytes in prop::collection::vec(any::<u8>(), 0..8), cut in 0u16..300
    ) {
        let channel = channel(Purpose::Account);
        let mut solo = opened(&channel);
        let amount = amount & MOST;
        let whole = notification(amount, |b| {
            b.store_raw(&bytes, (bytes.len() * 8) as u16).unwrap();
        });
        let mut slice = whole.as_slice().unwrap();
        let cut = cut.min(slice.size_bits());
        slice.skip_last(cut, 0).unwrap();
        let mut bent = CellBuilder::new();
        bent.store_slice(slice).unwrap();
        let ran = solo.send(WALLET, GRAM, bent.build().unwrap());
        let counted = data(&solo, &channel).core.balance.get();
        prop_assert_eq!(counted, if ran.exit == 0 && cut < whole.bit_len() { amount } else { 0 });
    }
}

#[test]
fn a_redemption_pays_the_difference_once() {
    each(|channel| {
        let mut solo = funded(&channel);
        let payee = channel.terms.payee;
        let ran = pay(&mut solo, &channel, 2 * ONE, 2);
        // The reference wallet wants three hundredths of a coin, whatever the prices are.
        assert!(ran.the(jetton::op::TRANSFER).value >= GRAM / 20);
        let transfer = told(ran.the(jetton::op::TRANSFER));
        assert_eq!(transfer, Told { amount: 2 * ONE, to: payee, response: payee });
        assert_eq!(sent(&pay(&mut solo, &channel, 2 * ONE + 1, 3)), 1, "a millionth is money, too");
        for (total, count) in [(2 * ONE + 1, 3), (2 * ONE, 2), (2 * ONE + 1, 4), (3 * ONE, 3)] {
            assert_eq!(pay(&mut solo, &channel, total, count).exit, 140);
        }
        let data = data(&solo, &channel);
        assert_eq!((data.core.paid, data.core.count), (units(2 * ONE + 1), 3));
        assert_eq!(data.core.balance, units(PUT_IN - 2 * ONE - 1));
        assert_eq!((data.due_payee, data.due_payer), (Units::ZERO, Units::ZERO));
    });
}

/// The GRAM twin has the same parties, keys, cap, delay and series; numbers are the same. Neither's
/// vouchers count in the other.
#[test]
fn vouchers_count_in_their_own_currency_only() {
    for purpose in Purpose::ALL {
        let jettons = channel(purpose);
        let cap = Nano::new(u64::try_from(CAP).unwrap());
        let Channel { payer, payee, payer_key: k1, payee_key: k2, delay, series, .. } =
            jettons.terms;
        let twin =
            Channel { purpose, payer, payee, payer_key: k1, payee_key: k2, cap, delay, series };
        let mine = voucher(ONE, 1, crate::world::START);
        let total = Nano::new(u64::try_from(ONE).unwrap());
        let theirs =
            Voucher { total, count: mine.count, root: mine.root, valid_until: mine.valid_until };
        assert_ne!(mine.hash_in(NETWORK, &jettons).unwrap(), theirs.hash(NETWORK, &twin).unwrap());

        let mut in_jettons = funded(&jettons);
        let by_twin = crate::channels::kit::signed(&twin, &theirs);
        let body = channel::redeem(QUERY, &mine, &by_twin).unwrap();
        refused(&in_jettons, payee, body, 105);

        let mut in_gram = crate::channels::kit::fresh(&twin);
        let top_up = channel::top_up(QUERY, Nano::grams(1)).unwrap();
        assert_eq!(in_gram.send(payer, GRAM + CHANNEL_RENT.get(), top_up).exit, 0);
        let body = channel::redeem(QUERY, &theirs, &signed(&jettons, &mine)).unwrap();
        refused(&in_gram, payee, body, 105);

        // Not even where only the tag differs: what is signed names it.
        for (at, right) in [(jettons.address().unwrap(), true), (twin.address().unwrap(), false)] {
            for tag in [0x4641_4343, 0x4645_4152, 0x464a_4143, 0x464a_4541] {
                let hash = tagged(tag, at, &mine);
                let sign = |key: SecretKey| key.sign(&hash.0);
                let signed =
                    VoucherSignatures { payer: sign(payer_key()), payee: sign(payee_key()) };
                let body = channel::redeem(QUERY, &mine, &signed).unwrap();
                let own = tag == if right { purpose.jetton_tag() } else { purpose as u32 };
                let solo = if right { &in_jettons } else { &in_gram };
                let exit = solo.clone().send(payee, ENOUGH, body).exit;
                assert_eq!(exit == 0, own, "{tag:x} at {at}: {exit}");
            }
        }
        assert_eq!(pay(&mut in_jettons, &jettons, ONE, 1).exit, 0);
        let body = channel::redeem(QUERY, &theirs, &by_twin).unwrap();
        assert_eq!(in_gram.send(payee, ENOUGH, body).exit, 0);
    }
}

fn tagged(tag: u32, at: Address, voucher: &Voucher<Units>) -> Hash32 {
    let mut terms = CellBuilder::new();
    coins(&mut terms, voucher.total.get());
    terms.store_u64(voucher.count).unwrap();
    crate::solo::put_hash(&mut terms, &voucher.root);
    terms.store_u32(voucher.valid_until).unwrap();
    let mut signed = CellBuilder::new();
    signed.store_u32(tag).unwrap();
    signed.store_u32(NETWORK.cast_unsigned()).unwrap();
    put_address(&mut signed, at);
    signed.store_reference(terms.build().unwrap()).unwrap();
    Hash32(signed.build().unwrap().repr_hash().0)
}

#[test]
fn a_voucher_counts_in_its_own_place_only() {
    each(|channel| {
        let solo = funded(&channel);
        let mine = voucher(ONE, 1, solo.now);
        let terms = channel.terms;
        let of = |terms| JettonChannel { terms, ..channel };
        let other =
            if terms.purpose == Purpose::Account { Purpose::Earnings } else { Purpose::Account };
        let elsewhere = [
            (-239, channel),
            (NETWORK, JettonChannel { master: STRANGER, ..channel }),
            (NETWORK, of(Channel { series: 1, ..terms })),
            (NETWORK, of(Channel { cap: units(CAP + 1), ..terms })),
            (NETWORK, of(Channel { purpose: other, ..terms })),
            (NETWORK, of(Channel { payee: STRANGER, ..terms })),
        ];
        for (network, place) in elsewhere {
            let sign = |key| mine.sign_in(network, &place, &key).unwrap();
            let signed = VoucherSignatures { payer: sign(payer_key()), payee: sign(payee_key()) };
            let body = channel::redeem(QUERY, &mine, &signed).unwrap();
            refused(&solo, STRANGER, body, 105);
            assert!(data(&solo, &channel).check(NETWORK, &mine, &signed, solo.now).is_err());
        }
        let right = signed(&channel, &mine);
        let other = VoucherSignatures { payer: right.payee, payee: right.payer };
        refused(&solo, STRANGER, channel::redeem(QUERY, &mine, &other).unwrap(), 105);
        assert_eq!(data(&solo, &channel).check(NETWORK, &mine, &right, solo.now), Ok(units(ONE)));
    });
}

#[test]
fn the_cap_counts_the_jettons_units() {
    each(|channel| {
        let solo = funded(&channel);
        for (total, exit) in [(CAP + 1, 142), (PUT_IN, 142), (PUT_IN + 1, 141), (CAP, 0)] {
            let mut solo = solo.clone();
            let voucher = voucher(total, 1, solo.now);
            let told = data(&solo, &channel).core.check_terms(&voucher, solo.now).is_ok();
            assert_eq!(pay(&mut solo, &channel, total, 1).exit, exit);
            assert_eq!(told, exit == 0);
        }
        // A whole GRAM of nanogram is a thousand of these jettons.
        assert_eq!(pay(&mut solo.clone(), &channel, u128::from(GRAM), 1).exit, 141);
    });
}

/// Coins have 120 bits: nothing overflows, and nothing is cut off.
#[test]
fn amounts_as_large_as_they_get() {
    each(|channel| {
        let terms = Channel { cap: Units::MAX, ..channel.terms };
        let channel = JettonChannel { terms, ..channel };
        let mut solo = opened(&channel);
        assert_eq!(put_in(&mut solo, MOST - 1).exit, 0);
        assert_eq!(put_in(&mut solo, 1).exit, 0);
        assert_eq!(data(&solo, &channel).core.balance, Units::MAX);
        // More than there can be of any jetton is refused, and does not wrap around.
        for more in [1, MOST] {
            let ran = put_in(&mut solo, more);
            assert!(ran.exit != 0 && ran.sent.is_empty());
        }
        assert_eq!(data(&solo, &channel).core.balance, Units::MAX);
        let ran = pay(&mut solo, &channel, MOST, u64::MAX);
        assert_eq!((ran.exit, sent(&ran)), (0, MOST));
        assert_eq!(data(&solo, &channel).core.paid, Units::MAX);
        // All of it comes back, and goes again to the payer.
        bounce(&mut solo, &ran);
        assert_eq!(data(&solo, &channel).due_payee, Units::MAX);
        assert_eq!(sent(&claim(&mut solo, channel.terms.payee, STRANGER)), MOST);
        assert_eq!(put_in(&mut solo, MOST).exit, 0);
        assert_eq!(pay(&mut solo, &channel, MOST, u64::MAX).exit, 140);
        assert_eq!(end(&mut solo, channel.terms.payee, LEAVE).exit, 0);
        assert_eq!(sent(&claim(&mut solo, channel.terms.payer, STRANGER)), MOST);
    });
}

fn bounce(solo: &mut Solo, ran: &Ran) {
    let transfer = ran.the(jetton::op::TRANSFER).clone();
    let back = transfer.bounced(1);
    let arrival = crate::solo::Arrival::Bounced;
    assert_eq!(solo.receive(transfer.to, transfer.value, back, arrival).exit, 0);
}

#[test]
fn a_payee_may_change_its_key_and_the_old_one_is_worth_nothing() {
    each(|channel| {
        let mut solo = funded(&channel);
        let next = SecretKey::from_seed(&[33; 32]);
        let body = |key: &PublicKey| channel::set_key(QUERY, key).unwrap();
        refused(&solo, channel.terms.payer, body(&next.public()), 100);
        refused(&solo, channel.terms.payee, body(&PublicKey(Hash32([0; 32]))), 105);
        assert_eq!(solo.send(channel.terms.payee, ENOUGH, body(&next.public())).exit, 0);
        assert_eq!(data(&solo, &channel).core.payee_key, next.public());
        let said = voucher(ONE, 1, solo.now);
        let old = signed(&channel, &said);
        let redeem = |signed: &_| channel::redeem(QUERY, &said, signed).unwrap();
        refused(&solo, STRANGER, redeem(&old), 105);
        let new =
            VoucherSignatures { payee: said.sign_in(NETWORK, &channel, &next).unwrap(), ..old };
        assert_eq!(solo.send(STRANGER, ENOUGH, redeem(&new)).exit, 0);
    });
}

#[test]
fn what_vouchers_cover_cannot_be_taken_back_within_the_delay() {
    each(|channel| {
        let mut solo = funded(&channel);
        let (payer, payee) = (channel.terms.payer, channel.terms.payee);
        let ran = end(&mut solo, payer, CLOSE);
        let notice = ran.the(channel::op::CLOSING);
        assert_eq!((notice.to, notice.value), (payee, 2_000_000), "the payee is told");
        assert_eq!(end(&mut solo, payer, FINISH).exit, 103);
        solo.now += DELAY - 1;
        assert_eq!(end(&mut solo, STRANGER, FINISH).exit, 103);
        // Somebody else redeems for the payee in the last second; it is owed from then on.
        let body = redeem_body(&channel, &voucher(CAP, 5, solo.now));
        let ran = solo.send(STRANGER, ENOUGH, body);
        assert_eq!((ran.exit, sent(&ran)), (0, 0));
        solo.now += 1;
        assert_eq!(pay(&mut solo, &channel, CAP + 1, 6).exit, 102);
        let ran = end(&mut solo, payer, FINISH);
        assert_eq!(told(ran.the(jetton::op::TRANSFER)).amount, PUT_IN - CAP);
        assert_eq!(data(&solo, &channel).core.status, ChannelStatus::Closed);
        // The payer cannot sweep what is owed to the payee, whenever.
        solo.now += jetton::SETTLING_TIME;
        refused(&solo, payer, jetton::sweep(QUERY, units(1)).unwrap(), 101);
        assert_eq!(claim(&mut solo, payer, payer).exit, 114);
        let ran = claim(&mut solo, payee, STRANGER);
        assert_eq!(
            told(ran.the(jetton::op::TRANSFER)),
            Told { amount: CAP, to: STRANGER, response: payee }
        );
        refused(&solo, payer, jetton::sweep(QUERY, units(1)).unwrap(), 103);
        solo.now += jetton::SETTLING_TIME;
        assert_eq!(solo.send(payer, ENOUGH, jetton::sweep(QUERY, units(1)).unwrap()).exit, 0);
    });
}

#[test]
fn claims_are_each_sides_own_and_pay_once() {
    each(|channel| {
        let mut solo = funded(&channel);
        let (payer, payee) = (channel.terms.payer, channel.terms.payee);
        let body = redeem_body(&channel, &voucher(3 * ONE, 1, solo.now));
        assert_eq!(solo.send(payer, ENOUGH, body).exit, 0);
        assert_eq!(end(&mut solo, payee, LEAVE).exit, 0);
        refused(&solo, STRANGER, jetton::claim(QUERY, &STRANGER).unwrap(), 100);
        let off = Address { workchain: -1, ..STRANGER };
        refused(&solo, payee, jetton::claim(QUERY, &off).unwrap(), 116);
        assert_eq!(sent(&claim(&mut solo, payee, payee)), 3 * ONE);
        refused(&solo, payee, jetton::claim(QUERY, &payee).unwrap(), 114);
        assert_eq!(sent(&claim(&mut solo, payer, payer)), PUT_IN - 3 * ONE);
        for from in [payer, payee] {
            assert_eq!(claim(&mut solo, from, from).exit, 114);
        }
        // TON that somebody sends in is not anybody's way to jettons.
        assert_eq!(solo.send(STRANGER, GRAM, Cell::default()).exit, 101);
    });
}

/// One party on both sides gets both sides' money, each once.
#[test]
fn a_channel_with_oneself_works_too() {
    each(|channel| {
        let terms = Channel { payee: channel.terms.payer, ..channel.terms };
        let channel = JettonChannel { terms, ..channel };
        let mut solo = funded(&channel);
        let own = terms.payer;
        let body = redeem_body(&channel, &voucher(3 * ONE, 1, solo.now));
        assert_eq!(solo.send(STRANGER, ENOUGH, body).exit, 0);
        let ran = end(&mut solo, own, LEAVE);
        assert_eq!(sent(&ran), PUT_IN - 3 * ONE);
        bounce(&mut solo, &ran);
        // First what it earned, then what is left.
        assert_eq!(sent(&claim(&mut solo, own, own)), 3 * ONE);
        assert_eq!(sent(&claim(&mut solo, own, own)), PUT_IN - 3 * ONE);
        assert_eq!(claim(&mut solo, own, own).exit, 114);
    });
}

#[test]
fn nothing_goes_out_of_an_empty_channel() {
    each(|channel| {
        for mut solo in [fresh(&channel), opened(&channel)] {
            assert_eq!(pay(&mut solo, &channel, 1, 1).exit, 141);
            assert_eq!(end(&mut solo, channel.terms.payer, CLOSE).exit, 0);
            solo.now += DELAY;
            let ran = end(&mut solo, channel.terms.payer, FINISH);
            assert_eq!((ran.exit, sent(&ran)), (0, 0));
            for from in [channel.terms.payer, channel.terms.payee] {
                assert_eq!(claim(&mut solo, from, from).exit, 114);
            }
            // Over without ever having asked: it may still ask, for what came there all the same.
            let untold = data(&solo, &channel).wallet.is_none();
            assert_eq!(ask(&mut solo, STRANGER).exit, if untold { 0 } else { 101 });
            let told = solo.send(MASTER, GRAM / 100, answer(Some(WALLET))).exit;
            assert_eq!(told, if untold { 0 } else { 101 });
            assert_eq!(put_in(&mut solo, ONE).exit, 101);
            let sweep = jetton::sweep(QUERY, units(ONE)).unwrap();
            assert_eq!(sent(&solo.send(channel.terms.payer, ENOUGH, sweep)), ONE);
        }
    });
}
