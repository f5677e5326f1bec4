//! The least that must be attached to a channel's messages, and years of rent.

use fog_contracts::channel::{self, Channel, ChannelStatus, MAX_VALIDITY, Purpose, Voucher};
use fog_protocol::{Nano, SecretKey};
use fog_testnet::chain::{Receipt, StackItem, Transfer};
use tycho_types::{cell::CellBuilder, models::StateInit};

use super::kit::{
    CAP, CLOSE, DELAY, FINISH, LEAVE, PUT_IN, in_world, opened, redeem_body, voucher,
};
use crate::{
    alone::GRAM,
    world::{World, failures, ours, std},
};

const YEAR: u32 = 365 * 24 * 3600;

/// What `channel_values` demands, in its order.
#[derive(Debug, Clone, Copy)]
enum Gate {
    TopUp,
    Redeem,
    Close,
    End,
    SetKey,
}

fn demanded(world: &World, channel: &Channel, gate: Gate) -> u64 {
    let at = std(&channel.address().unwrap());
    let output = world.chain.run_get_method(&at, "channel_values", &[]).unwrap();
    u64::try_from(output.stack[gate as usize].as_int().unwrap()).unwrap()
}

/// In worlds that are all the same, `act` with one nanogram less than the least is refused; with
/// exactly that, and one more, it goes all the way. `on_top` is the principal that travels with it.
fn gate(purpose: Purpose, gate: Gate, on_top: u64, act: &dyn Fn(&mut World, &Channel) -> Receipt) {
    for surplus in [-1, 0, 1] {
        let mut world = World::new();
        let channel = opened(&mut world, purpose, PUT_IN);
        let least = demanded(&world, &channel, gate) + on_top;
        let prepared =
            if matches!(gate, Gate::End) { prepare_end(&mut world, &channel) } else { 0 };
        world.attach = Some(least.checked_add_signed(surplus).unwrap());
        let stranger = ours(&world.stranger.address);
        let before = world.balance(&stranger);
        let receipt = act(&mut world, &channel);
        world.assert_conserved();
        if surplus < 0 {
            assert_eq!(failures(&receipt), [104], "{gate:?}: one nanogram less than {least}");
            continue;
        }
        assert_eq!(failures(&receipt), [0; 0], "{gate:?}: {surplus} more than {least}");
        assert!(receipt.transactions.iter().all(|tx| tx.action_code().unwrap().unwrap_or(0) == 0));
        assert!(world.balance(&stranger) <= before, "{prepared}");
        // Whoever was to get money has it, and the channel still has what it owes and its rent.
        let data = world.channel(&channel);
        let held = world.balance(&channel.address().unwrap());
        assert!(held >= data.balance.get() + 30_000_000, "{gate:?}: {held} of {data:?}");
    }
}

/// The payer's notice, and the delay.
fn prepare_end(world: &mut World, channel: &Channel) -> u32 {
    let (_, payer, _) = in_world(world, channel.purpose);
    assert_eq!(failures(&world.end_channel(channel, &payer, CLOSE)), [0; 0]);
    world.chain.warp(DELAY).unwrap();
    DELAY
}

#[test]
fn the_least_carries_every_step_of_a_channel() {
    for purpose in Purpose::ALL {
        gate(purpose, Gate::TopUp, GRAM, &|world, channel| {
            let stranger = world.stranger.clone();
            world.top_up(&Channel { series: 1, ..*channel }, &stranger, Nano::grams(1))
        });
        gate(purpose, Gate::Redeem, 0, &|world, channel| {
            let now = world.chain.now();
            let stranger = world.stranger.clone();
            world.redeem(channel, &stranger, &voucher(CAP.get(), 1, now))
        });
        gate(purpose, Gate::Close, 0, &|world, channel| {
            let (_, payer, _) = in_world(world, channel.purpose);
            world.end_channel(channel, &payer, CLOSE)
        });
        gate(purpose, Gate::End, 0, &|world, channel| {
            let stranger = world.stranger.clone();
            world.end_channel(channel, &stranger, FINISH)
        });
        gate(purpose, Gate::End, 0, &|world, channel| {
            let (_, _, payee) = in_world(world, channel.purpose);
            world.end_channel(channel, &payee, LEAVE)
        });
        gate(purpose, Gate::SetKey, 0, &|world, channel| {
            let (_, _, payee) = in_world(world, channel.purpose);
            let key = SecretKey::from_seed(&[1; 32]).public();
            let body = channel::set_key(1, &key).unwrap();
            world.call(&payee, channel.address().unwrap(), fog_contracts::CHANNEL_END_VALUE, body)
        });
    }
}

/// With too little for the gas of the check itself nothing happens either.
#[test]
fn starved_messages_change_no_channel() {
    for purpose in Purpose::ALL {
        let channel = super::kit::channel(purpose);
        let at = super::kit::funded(&channel);
        for value in [0, 1, 100_000, 400_000, 1_000_000, 2_000_000, 4_000_000, 6_000_000] {
            for (from, body) in [
                (channel.payee, redeem_body(&channel, &voucher(GRAM, 1, at.now))),
                (channel.payer, channel::plain(CLOSE, 1).unwrap()),
                (channel.payee, channel::plain(LEAVE, 1).unwrap()),
                (channel.payer, channel::top_up(1, Nano::grams(1)).unwrap()),
            ] {
                let mut solo = at.clone();
                let ran = solo.send(from, value, body);
                assert!(ran.exit == 0 || solo.stored() == at.stored());
                let data = super::kit::data(&solo, &channel);
                assert!(solo.balance >= data.balance.get() && data.balance <= PUT_IN);
                assert!(value > 3_000_000 || ran.exit != 0, "{value} carried {from}");
            }
        }
    }
}

#[test]
fn after_five_years_a_channel_still_pays() {
    for purpose in Purpose::ALL {
        let mut world = World::new();
        let channel = opened(&mut world, purpose, PUT_IN);
        world.chain.warp(5 * YEAR).unwrap();
        let (now, stranger) = (world.chain.now(), world.stranger.clone());
        let receipt = world.redeem(&channel, &stranger, &voucher(CAP.get(), 1, now));
        assert_eq!(failures(&receipt), [0; 0]);
        prepare_end(&mut world, &channel);
        let payer = ours(&in_world(&world, purpose).1.address);
        let before = world.balance(&payer);
        assert_eq!(failures(&world.end_channel(&channel, &stranger, FINISH)), [0; 0]);
        // Its wallet pays five years of its own rent out of it.
        let due = PUT_IN.get() - CAP.get();
        assert!(world.balance(&payer) - before > due - 1_000_000);
        world.assert_conserved();
    }
}

/// After ten and more, the rent has eaten into it; nothing changes until somebody tops it up.
#[test]
fn after_ten_years_a_top_up_helps_a_channel() {
    for purpose in Purpose::ALL {
        let mut world = World::new();
        let channel = opened(&mut world, purpose, CAP);
        world.chain.warp(20 * YEAR).unwrap();
        let (now, stranger) = (world.chain.now(), world.stranger.clone());
        let all = voucher(CAP.get(), 1, now);
        world.attach = Some(demanded(&world, &channel, Gate::Redeem));
        assert_eq!(failures(&world.redeem(&channel, &stranger, &all)), [104]);
        let at = std(&channel.address().unwrap());
        world
            .chain
            .send_from(&stranger, &Transfer::call(at, GRAM.into(), Default::default()))
            .unwrap();
        assert_eq!(failures(&world.redeem(&channel, &stranger, &all)), [0; 0]);
        assert_eq!(world.channel(&channel).paid, CAP);
        world.assert_conserved();
    }
}

/// The address of a closed channel is never used again, StateInit or not: old vouchers would count.
#[test]
fn a_closed_channel_cannot_be_opened_again() {
    for purpose in Purpose::ALL {
        let mut world = World::new();
        let channel = opened(&mut world, purpose, PUT_IN);
        let (_, payer, payee) = in_world(&world, purpose);
        let now = world.chain.now();
        let old = voucher(GRAM, 1, now);
        assert_eq!(failures(&world.redeem(&channel, &payee, &old)), [0; 0]);
        assert_eq!(failures(&world.end_channel(&channel, &payee, LEAVE)), [0; 0]);
        assert_eq!(world.channel(&channel).status, ChannelStatus::Closed);
        assert_eq!(failures(&world.top_up(&channel, &payer, PUT_IN)), [101]);
        world.chain.warp(5 * YEAR).unwrap();
        assert_eq!(failures(&world.top_up(&channel, &payer, PUT_IN)), [101]);
        assert_eq!(failures(&world.redeem(&channel, &payee, &old)), [101]);
        // Long before its rent is used up no voucher of its time is valid any more.
        assert!(world.chain.now() > old.valid_until);
        world.assert_conserved();
    }
}

/// Decades without rent freeze a closed channel, which keeps its state's hash: the first StateInit
/// does not open it anew. (Before 2106 its debt cannot grow so large that it would be deleted; and
/// were it, the vouchers of its time would have expired long ago.)
#[test]
fn decades_without_rent_do_not_open_a_closed_channel_anew() {
    for purpose in Purpose::ALL {
        let mut world = World::new();
        let channel = opened(&mut world, purpose, PUT_IN);
        let (_, payer, payee) = in_world(&world, purpose);
        let now = world.chain.now();
        let old = Voucher { valid_until: now + MAX_VALIDITY, ..voucher(GRAM, 1, now) };
        assert_eq!(failures(&world.redeem(&channel, &payee, &old)), [0; 0]);
        assert_eq!(failures(&world.end_channel(&channel, &payee, LEAVE)), [0; 0]);
        let at = std(&channel.address().unwrap());
        let closed = world.chain.account(&at).unwrap();
        let state = StateInit { code: closed.code, data: closed.data, ..StateInit::default() };
        world.chain.warp(80 * YEAR).unwrap();
        world.attach = Some(1_000);
        world.end_channel(&channel, &payer, FINISH);
        let frozen = world.chain.account(&at).unwrap().frozen_hash.expect("it is frozen");
        let hash = *CellBuilder::build_from(&state).unwrap().repr_hash();
        assert_eq!(frozen, hash);
        // Its first StateInit is refused, its last one wakes it: closed, as it was.
        world.top_up(&channel, &payer, PUT_IN);
        assert_eq!(world.chain.account(&at).unwrap().frozen_hash, Some(hash));
        let wake = Transfer::deploy(at, 2 * u128::from(GRAM), state, redeem_body(&channel, &old));
        assert_eq!(failures(&world.chain.send_from(&payer, &wake).unwrap()), [101]);
        assert_eq!(world.channel(&channel).status, ChannelStatus::Closed);
        world.assert_conserved();
    }
}

#[test]
fn its_get_methods_say_what_the_data_says() {
    for purpose in Purpose::ALL {
        let mut world = World::new();
        let channel = opened(&mut world, purpose, PUT_IN);
        let (now, stranger) = (world.chain.now(), world.stranger.clone());
        world.redeem(&channel, &stranger, &voucher(GRAM, 7, now));
        prepare_end(&mut world, &channel);
        let data = world.channel(&channel);
        let at = std(&channel.address().unwrap());
        let stack = |method| world.chain.run_get_method(&at, method, &[]).unwrap().stack;
        let number = |item: &StackItem| item.as_int().cloned().unwrap();
        let hash =
            |bytes: &[u8; 32]| num_bigint::BigInt::from_bytes_be(num_bigint::Sign::Plus, bytes);
        let state = stack("channel_state");
        assert_eq!(
            state.iter().map(number).collect::<Vec<_>>(),
            [
                1.into(),
                data.balance.get().into(),
                GRAM.into(),
                7.into(),
                hash(&data.root.0),
                data.close_at.into(),
                hash(&data.payee_key.0.0),
            ]
        );
        let terms = stack("channel_terms");
        assert_eq!(
            terms[2..].iter().map(number).collect::<Vec<_>>(),
            [hash(&channel.payer_key.0.0), CAP.get().into(), DELAY.into(), 0.into()]
        );
        assert_eq!((data.channel, data.status), (channel, ChannelStatus::Closing));
    }
}
