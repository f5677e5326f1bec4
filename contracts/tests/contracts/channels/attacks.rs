//! What a cheat would try with vouchers.

use fog_contracts::channel::{
    self, Channel, ChannelStatus, Purpose, Voucher, VoucherSignatures, op,
};
use fog_protocol::{Address, Hash32, Nano, PublicKey, SecretKey, Signature};
use tycho_types::{
    cell::{Cell, CellBuilder, CellFamily as _, Store as _},
    num::Tokens,
};

use super::kit::{
    CAP, CLOSE, DELAY, ENOUGH, FINISH, LEAVE, NETWORK, PUT_IN, carried, channel, data, end, fresh,
    funded, pay, payee_key, payer_key, redeem, signed, top_up, voucher,
};
use crate::{
    alone::{GRAM, QUERY, STRANGER},
    solo::{Solo, body},
};

const YEAR: u32 = 365 * 24 * 3600;

fn each(test: impl Fn(Channel)) {
    Purpose::ALL.into_iter().map(channel).for_each(test);
}

fn send(solo: &mut Solo, voucher: &Voucher, signed: &VoucherSignatures) -> i32 {
    let before = solo.stored();
    let body = channel::redeem(QUERY, voucher, signed).unwrap();
    let ran = solo.send(STRANGER, ENOUGH, body);
    assert!(ran.exit == 0 || (solo.stored() == before && ran.sent.is_empty()));
    ran.exit
}

#[test]
fn a_redemption_pays_the_difference_once() {
    each(|channel| {
        let mut solo = funded(&channel);
        let first = voucher(GRAM, 3, solo.now);
        let ran = redeem(&mut solo, &channel, &first);
        assert_eq!((ran.exit, carried(&ran, op::REDEEMED)), (0, GRAM));
        assert_eq!(ran.the(op::REDEEMED).to, channel.payee);
        let newest = voucher(4 * GRAM, 9, solo.now);
        let skipped = voucher(2 * GRAM, 5, solo.now);
        let ran = redeem(&mut solo, &channel, &newest);
        assert_eq!((ran.exit, carried(&ran, op::REDEEMED)), (0, 3 * GRAM));
        let data = data(&solo, &channel);
        assert_eq!((data.paid, data.count, data.root), (newest.total, 9, newest.root));
        assert_eq!(data.balance.get(), PUT_IN.get() - 4 * GRAM);
        // The same, an older one, and one the newest made worthless.
        for old in [newest, first, skipped] {
            assert_eq!(redeem(&mut solo, &channel, &old).exit, 140);
        }
        // More for as many entries, or as much for more: neither is newer.
        assert_eq!(pay(&mut solo, &channel, 5 * GRAM, 9).exit, 140);
        assert_eq!(pay(&mut solo, &channel, 4 * GRAM, 10).exit, 140);
        assert_eq!(pay(&mut solo, &channel, 3 * GRAM, 10).exit, 140);
        assert_eq!(pay(&mut solo, &channel, 4 * GRAM + 1, 10).exit, 0);
    });
}

#[test]
fn a_voucher_counts_in_its_own_place_only() {
    each(|channel| {
        let mut solo = funded(&channel);
        let mine = voucher(GRAM, 1, solo.now);
        let other_purpose = match channel.purpose {
            Purpose::Account => Purpose::Earnings,
            Purpose::Earnings => Purpose::Account,
        };
        let elsewhere = [
            (-239, channel),
            (3, channel),
            (NETWORK, Channel { series: 1, ..channel }),
            (NETWORK, Channel { cap: Nano::grams(6), ..channel }),
            (NETWORK, Channel { purpose: other_purpose, ..channel }),
            (NETWORK, Channel { payee: STRANGER, ..channel }),
        ];
        for (network, place) in elsewhere {
            let sign = |key: &SecretKey| mine.sign(network, &place, key).unwrap();
            let signed = VoucherSignatures { payer: sign(&payer_key()), payee: sign(&payee_key()) };
            assert_eq!(send(&mut solo, &mine, &signed), 105, "{network} {place:?}");
        }
        assert_eq!(send(&mut solo, &mine, &signed(&channel, &mine)), 0);
    });
}

/// The purpose is signed, not only the address: the same bytes under the other tag are refused.
#[test]
fn the_purpose_is_signed() {
    each(|channel| {
        let mut solo = funded(&channel);
        let mine = voucher(GRAM, 1, solo.now);
        let terms = channel::redeem(0, &mine, &signed(&channel, &mine)).unwrap();
        let hash = |purpose: u32| {
            let mut builder = CellBuilder::new();
            builder.store_u32(purpose).unwrap();
            builder.store_u32(NETWORK.cast_unsigned()).unwrap();
            crate::solo::put_address(&mut builder, channel.address().unwrap());
            builder.store_reference(terms.reference_cloned(0).unwrap()).unwrap();
            *builder.build().unwrap().repr_hash()
        };
        assert_eq!(hash(channel.purpose as u32).0, mine.hash(NETWORK, &channel).unwrap().0);
        for purpose in [0, 0x4641_4343, 0x4645_4152, 0x4643_4f4e] {
            let sign = |key: SecretKey| key.sign(&hash(purpose).0);
            let signed = VoucherSignatures { payer: sign(payer_key()), payee: sign(payee_key()) };
            let right = purpose == channel.purpose as u32;
            assert_eq!(send(&mut solo.clone(), &mine, &signed), if right { 0 } else { 105 });
        }
        assert_eq!(send(&mut solo, &mine, &signed(&channel, &mine)), 0);
    });
}

#[test]
fn nothing_in_a_voucher_can_be_changed() {
    each(|channel| {
        let mut solo = funded(&channel);
        let said = voucher(GRAM, 1, solo.now);
        let bent = [
            Voucher { total: Nano::new(GRAM + 1), ..said },
            Voucher { total: Nano::new(GRAM - 1), ..said },
            Voucher { count: 2, ..said },
            Voucher { root: Hash32([9; 32]), ..said },
            Voucher { valid_until: said.valid_until + 1, ..said },
        ];
        for voucher in bent {
            assert_eq!(send(&mut solo, &voucher, &signed(&channel, &said)), 105);
        }
    });
}

#[test]
fn both_must_have_signed() {
    each(|channel| {
        let mut solo = funded(&channel);
        let said = voucher(GRAM, 1, solo.now);
        let right = signed(&channel, &said);
        let by = |seed| said.sign(NETWORK, &channel, &SecretKey::from_seed(&[seed; 32])).unwrap();
        let none = Signature([0; 64]);
        let (payer, payee) = (right.payer, right.payee);
        for (payer, payee) in [
            (payee, payer),
            (payer, payer),
            (payee, payee),
            (payer, none),
            (none, payee),
            (payer, by(23)),
            (by(23), payee),
        ] {
            assert_eq!(send(&mut solo, &said, &VoucherSignatures { payer, payee }), 105);
        }
        assert_eq!(send(&mut solo, &said, &right), 0);
    });
}

/// A payer that redeems a nanogram for a huge count would make every honest voucher an old one.
#[test]
fn a_payer_alone_cannot_spoil_the_count() {
    each(|channel| {
        let mut solo = funded(&channel);
        let spoiler = voucher(1, u64::MAX, solo.now);
        let payer = spoiler.sign(NETWORK, &channel, &payer_key()).unwrap();
        let own = VoucherSignatures { payer, payee: payer };
        assert_eq!(send(&mut solo, &spoiler, &own), 105);
        assert_eq!(pay(&mut solo, &channel, GRAM, 1).exit, 0);
    });
}

#[test]
fn never_more_than_there_is_nor_than_the_cap() {
    each(|channel| {
        let mut solo = fresh(&channel);
        assert_eq!(top_up(&mut solo, channel.payer, Nano::grams(4)).exit, 0);
        for (total, exit) in [(4 * GRAM + 1, 141), (u64::MAX, 141), (4 * GRAM, 0)] {
            assert_eq!(pay(&mut solo.clone(), &channel, total, 1).exit, exit);
        }
        assert_eq!(top_up(&mut solo, STRANGER, Nano::grams(8)).exit, 0);
        let cap = CAP.get();
        for (total, exit) in [(cap + 1, 142), (12 * GRAM, 142), (12 * GRAM + 1, 141), (cap, 0)] {
            assert_eq!(pay(&mut solo.clone(), &channel, total, 1).exit, exit);
        }
        // In several steps, each within the cap, all of it.
        for (total, count) in [(cap, 1), (2 * cap, 2), (12 * GRAM, 3)] {
            assert_eq!(pay(&mut solo, &channel, total, count).exit, 0);
        }
        assert_eq!(pay(&mut solo, &channel, 12 * GRAM + 1, 4).exit, 141);
        assert_eq!(data(&solo, &channel).balance, Nano::ZERO);
    });
}

/// Totals of up to 120 bits fit into the message; none of them overflows anything.
#[test]
fn overflowing_totals_are_refused() {
    each(|channel| {
        let mut solo = funded(&channel);
        assert_eq!(pay(&mut solo, &channel, GRAM, 1).exit, 0);
        for total in [(1u128 << 120) - 1, 1 << 119, 1 << 64, (1 << 64) + u128::from(GRAM) + 1] {
            let body = huge(&channel, total, solo.now);
            let before = solo.stored();
            assert_eq!(solo.send(channel.payee, ENOUGH, body).exit, 141, "{total}");
            assert_eq!(solo.stored(), before);
        }
        // Nor can more be put in than came with the message.
        for amount in [PUT_IN.get(), u64::MAX] {
            let body = channel::top_up(QUERY, Nano::new(amount)).unwrap();
            assert_eq!(solo.send(channel.payer, GRAM, body).exit, 104);
        }
        // Not even where somebody paid years of rent ahead, which nobody gets out again.
        assert_eq!(solo.send(STRANGER, 20 * GRAM, Cell::default()).exit, 0);
        let before = solo.stored();
        let body = channel::top_up(QUERY, Nano::grams(2)).unwrap();
        assert_eq!(solo.send(channel.payer, GRAM, body).exit, 104);
        assert_eq!(solo.stored(), before);
        let held = solo.balance;
        assert_eq!(top_up(&mut solo, channel.payer, Nano::grams(2)).exit, 0);
        assert!(solo.balance >= held + 2 * GRAM, "the rent is still there");
        let zero = channel::top_up(QUERY, Nano::ZERO).unwrap();
        assert_eq!(solo.send(channel.payer, GRAM, zero).exit, 104);
    });
}

/// A validly signed redemption of any total.
fn huge(channel: &Channel, total: u128, now: u32) -> Cell {
    let mut terms = CellBuilder::new();
    Tokens::new(total).store_into(&mut terms, Cell::empty_context()).unwrap();
    terms.store_u64(7).unwrap();
    terms.store_zeros(256).unwrap();
    terms.store_u32(now + 300).unwrap();
    let terms = terms.build().unwrap();
    let mut signed = CellBuilder::new();
    signed.store_u32(channel.purpose as u32).unwrap();
    signed.store_u32(NETWORK.cast_unsigned()).unwrap();
    crate::solo::put_address(&mut signed, channel.address().unwrap());
    signed.store_reference(terms.clone()).unwrap();
    let hash = *signed.build().unwrap().repr_hash();
    body(op::REDEEM, QUERY, |b| {
        b.store_reference(terms).unwrap();
        for key in [payer_key(), payee_key()] {
            let mut signature = CellBuilder::new();
            signature.store_raw(&key.sign(&hash.0).0, 512).unwrap();
            b.store_reference(signature.build().unwrap()).unwrap();
        }
    })
}

#[test]
fn vouchers_expire_and_none_lives_longer_than_a_year() {
    each(|channel| {
        let solo = funded(&channel);
        let now = solo.now;
        for (valid_until, exit) in
            [(now - 1, 102), (now, 0), (now + YEAR, 0), (now + YEAR + 1, 112), (u32::MAX, 112)]
        {
            let voucher = Voucher { valid_until, ..voucher(GRAM, 1, now) };
            let told = data(&solo, &channel).check_terms(&voucher, now).is_ok();
            assert_eq!(redeem(&mut solo.clone(), &channel, &voucher).exit, exit);
            assert_eq!(told, exit == 0, "{valid_until}");
        }
    });
}

#[test]
fn what_vouchers_cover_cannot_be_taken_back_within_the_delay() {
    each(|channel| {
        let mut solo = funded(&channel);
        let owed = voucher(CAP.get(), 5, solo.now);
        let notice = end(&mut solo, channel.payer, CLOSE);
        assert_eq!(notice.the(op::CLOSING).to, channel.payee, "the payee is told");
        let close_at = data(&solo, &channel).close_at;
        assert_eq!(close_at, solo.now + DELAY);
        assert_eq!(end(&mut solo, channel.payer, FINISH).exit, 103);
        solo.now = close_at - 1;
        assert_eq!(end(&mut solo, STRANGER, FINISH).exit, 103);
        // Neither does another notice set the clock anew.
        assert_eq!(end(&mut solo, channel.payer, CLOSE).exit, 101);
        assert_eq!(carried(&redeem(&mut solo, &channel, &owed), op::REDEEMED), CAP.get());
        solo.now = close_at;
        let late = voucher(CAP.get() + 1, 6, solo.now);
        assert_eq!(redeem(&mut solo, &channel, &late).exit, 102, "a voucher after the delay");
        let ran = end(&mut solo, STRANGER, FINISH);
        assert_eq!(carried(&ran, op::RETURNED), PUT_IN.get() - CAP.get());
        assert_eq!(ran.the(op::RETURNED).to, channel.payer);
        // Once.
        for (from, word) in [
            (STRANGER, FINISH),
            (channel.payer, CLOSE),
            (channel.payee, LEAVE),
            (channel.payer, FINISH),
        ] {
            assert_eq!(end(&mut solo, from, word).exit, 101);
        }
        assert_eq!(top_up(&mut solo, channel.payer, PUT_IN).exit, 101);
        assert_eq!(redeem(&mut solo, &channel, &late).exit, 101);
        assert_eq!(data(&solo, &channel).status, ChannelStatus::Closed);
    });
}

#[test]
fn a_payee_that_leaves_frees_the_rest_at_once() {
    each(|channel| {
        for notice_first in [false, true] {
            let mut solo = funded(&channel);
            assert_eq!(pay(&mut solo, &channel, GRAM, 1).exit, 0);
            if notice_first {
                assert_eq!(end(&mut solo, channel.payer, CLOSE).exit, 0);
            }
            let ran = end(&mut solo, channel.payee, LEAVE);
            assert_eq!(carried(&ran, op::RETURNED), PUT_IN.get() - GRAM);
            assert_eq!(pay(&mut solo, &channel, 2 * GRAM, 2).exit, 101);
            assert_eq!(end(&mut solo, channel.payee, LEAVE).exit, 101);
        }
    });
}

#[test]
fn a_payee_may_change_its_key_and_the_old_one_is_worth_nothing() {
    each(|channel| {
        let mut solo = funded(&channel);
        let next = SecretKey::from_seed(&[33; 32]);
        let set = |solo: &mut Solo, from, key: &PublicKey| {
            solo.send(from, ENOUGH, channel::set_key(QUERY, key).unwrap()).exit
        };
        assert_eq!(set(&mut solo, channel.payer, &next.public()), 100);
        assert_eq!(set(&mut solo, channel.payee, &PublicKey(Hash32([0; 32]))), 105);
        assert_eq!(set(&mut solo, channel.payee, &next.public()), 0);
        assert_eq!(data(&solo, &channel).payee_key, next.public());
        let said = voucher(GRAM, 1, solo.now);
        let old = signed(&channel, &said);
        assert_eq!(send(&mut solo, &said, &old), 105);
        let payee = said.sign(NETWORK, &channel, &next).unwrap();
        assert_eq!(send(&mut solo, &said, &VoucherSignatures { payee, ..old }), 0);
    });
}

#[test]
fn bad_terms_never_hold_money() {
    each(|channel| {
        let none = PublicKey(Hash32([0; 32]));
        let master = Address { workchain: -1, hash: Hash32([1; 32]) };
        let bad = [
            (Channel { delay: 599, ..channel }, 112),
            (Channel { delay: 30 * 24 * 3600 + 1, ..channel }, 112),
            (Channel { delay: 600, ..channel }, 0),
            (Channel { delay: 30 * 24 * 3600, ..channel }, 0),
            (Channel { cap: Nano::ZERO, ..channel }, 112),
            (Channel { payer_key: none, ..channel }, 112),
            (Channel { payee_key: none, ..channel }, 112),
            (Channel { payer: master, ..channel }, 116),
            (Channel { payee: master, ..channel }, 116),
        ];
        for (terms, exit) in bad {
            let mut solo = fresh(&terms);
            assert_eq!(top_up(&mut solo, STRANGER, PUT_IN).exit, exit, "{terms:?}");
        }
    });
}

/// What the binding says about a voucher is what the contract does with it.
#[test]
fn the_bindings_judge_as_the_contract_does() {
    each(|channel| {
        let mut solo = funded(&channel);
        assert_eq!(pay(&mut solo, &channel, GRAM, 2).exit, 0);
        let mut agreed = [0, 0];
        for notice in [0, 1] {
            if notice == 1 {
                assert_eq!(end(&mut solo, channel.payer, CLOSE).exit, 0);
            }
            for later in [0, DELAY - 1, DELAY] {
                for total in [0, GRAM, GRAM + 1, 6 * GRAM, 6 * GRAM + 1, 8 * GRAM, 9 * GRAM] {
                    for (count, valid) in [(2, 300), (3, 300), (3, YEAR + 1), (3, YEAR)] {
                        let now = solo.now + later;
                        let valid_until = now + valid;
                        let said = Voucher { valid_until, ..voucher(total, count, now) };
                        let mut at = solo.clone();
                        at.now = now;
                        let told = data(&at, &channel).check(
                            NETWORK,
                            &said,
                            &signed(&channel, &said),
                            now,
                        );
                        let ran = redeem(&mut at, &channel, &said);
                        assert_eq!(told.is_ok(), ran.exit == 0, "{said:?} {told:?} {}", ran.exit);
                        assert_eq!(told.map_or(0, Nano::get), carried(&ran, op::REDEEMED));
                        agreed[usize::from(ran.exit == 0)] += 1;
                    }
                }
            }
        }
        assert!(agreed.iter().all(|count| *count > 10), "{agreed:?}");
    });
}
