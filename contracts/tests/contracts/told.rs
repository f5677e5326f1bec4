//! What contracts tell the world, and the change they give: nothing that moves money depends on it, but
//! who watches does, and who sent more than was needed has it back.

use fog_contracts::{
    StakeLog, StakeMove,
    channel::{self, Purpose, op},
    market::{self, MarketInit},
    op::EXCESSES,
    operator::{BondLog, BondMove},
};
use fog_protocol::{Hash32, Nano, SecretKey};
use fog_testnet::chain::Receipt;
use tycho_types::{
    cell::{Cell, CellBuilder, CellFamily as _, CellSlice, Store as _},
    models::MsgInfo,
    num::Tokens,
};

use crate::{
    alone::{GRAM, OWNER, QUERY, STRANGER},
    channels::kit as grams,
    jettons::kit as jettons,
    solo::{Ran, Solo},
    world::{UNBONDING, World, config},
};

const REDEEM_LOG: u32 = 0x4e00_0034;
const CLOSE_LOG: u32 = 0x4e00_0035;
/// More than any step costs.
const COST: u64 = GRAM / 20;

/// A channel's log: two amounts, how many entries, and their root.
fn log(op: u32, amounts: [u128; 2], count: u64, root: Hash32) -> Cell {
    let mut builder = CellBuilder::new();
    builder.store_u32(op).unwrap();
    for amount in amounts {
        Tokens::new(amount).store_into(&mut builder, Cell::empty_context()).unwrap();
    }
    builder.store_u64(count).unwrap();
    builder.store_raw(&root.0, 256).unwrap();
    builder.build().unwrap()
}

/// Who sent the message has back what was not needed of `value`.
fn gives_change(ran: &Ran, value: u64) {
    assert_eq!(ran.exit, 0);
    let change = ran.the(EXCESSES);
    assert!(!change.bounce && change.value + COST > value, "{} of {value}", change.value);
}

#[test]
fn a_channel_tells_what_it_pays_and_how_it_ends() {
    for purpose in Purpose::ALL {
        let channel = grams::channel(purpose);
        let mut solo = grams::funded(&channel);
        let first = grams::voucher(GRAM, 3, solo.now);
        let ran = grams::redeem(&mut solo, &channel, &first);
        assert_eq!(ran.logs, [log(REDEEM_LOG, [GRAM.into(), GRAM.into()], 3, first.root)]);
        let second = grams::voucher(3 * GRAM, 5, solo.now);
        let ran = grams::redeem(&mut solo, &channel, &second);
        let amounts = [u128::from(2 * GRAM), u128::from(3 * GRAM)];
        assert_eq!(ran.logs, [log(REDEEM_LOG, amounts, 5, second.root)]);
        let ran = grams::end(&mut solo, channel.payee, grams::LEAVE);
        let rest = u128::from(grams::PUT_IN.get() - 3 * GRAM);
        assert_eq!(ran.logs, [log(CLOSE_LOG, [u128::from(3 * GRAM), rest], 5, second.root)]);
    }
}

#[test]
fn a_jetton_channel_tells_how_it_ends() {
    for purpose in Purpose::ALL {
        let channel = jettons::channel(purpose);
        let mut solo = jettons::funded(&channel);
        let there = jettons::data(&solo, &channel).core.balance.get();
        let ran = jettons::pay(&mut solo, &channel, 5, 2);
        let root = jettons::voucher(5, 2, solo.now).root;
        assert_eq!(ran.logs, [log(REDEEM_LOG, [5, 5], 2, root)]);
        let ran = jettons::end(&mut solo, channel.terms.payee, op::LEAVE);
        assert_eq!(ran.logs, [log(CLOSE_LOG, [5, there - 5], 2, root)]);
    }
}

#[test]
fn a_channel_gives_change() {
    for purpose in Purpose::ALL {
        let channel = grams::channel(purpose);
        let mut solo = grams::funded(&channel);
        let ran = solo.send(STRANGER, 3 * GRAM, channel::top_up(QUERY, Nano::grams(1)).unwrap());
        gives_change(&ran, 2 * GRAM);
        let key = SecretKey::from_seed(&[33; 32]).public();
        let ran = solo.send(channel.payee, GRAM, channel::set_key(QUERY, &key).unwrap());
        gives_change(&ran, GRAM);
    }
}

/// A market gives its owner's change, and does what it is told where there is too little for any.
#[test]
fn a_market_gives_change_but_needs_none() {
    let world = World::new();
    let init = MarketInit { owner: OWNER, salt: 8 };
    let mut solo = Solo::new(init.address().unwrap(), init.state_init().unwrap());
    let set = config(2, &world.verifiers, world.treasury, world.burn);
    let ran = solo.send(OWNER, GRAM, market::setup(QUERY, &set).unwrap());
    assert_eq!(ran.exit, 0);
    let pause = |solo: &mut Solo, value: u64| {
        solo.send(OWNER, value, market::set_pause(QUERY, true).unwrap())
    };
    gives_change(&pause(&mut solo.clone(), GRAM), GRAM);
    let step = GRAM / 10_000;
    let enough = |value: &u64| pause(&mut solo.clone(), *value).exit == 0;
    let least = (1..200).map(|times| times * step).find(enough).unwrap();
    let ran = pause(&mut solo, least);
    assert!(ran.sent.is_empty(), "{least} leaves something to give back: {ran:?}");
}

/// What everybody's transactions in it told nobody in particular.
fn logs(receipt: &Receipt) -> Vec<Cell> {
    let out = receipt.transactions.iter().flat_map(|record| record.out_msgs().unwrap());
    let logs = out.filter(|message| matches!(message.info, MsgInfo::ExtOut(_)));
    logs.map(|message| {
        let mut body = CellBuilder::new();
        body.store_slice(CellSlice::apply(&message.body).unwrap()).unwrap();
        body.build().unwrap()
    })
    .collect()
}

fn moved(receipt: &Receipt) -> Vec<StakeMove> {
    let read = logs(receipt).into_iter().filter_map(|log| match StakeLog::parse(&log) {
        Ok(StakeLog::Moved(movement)) => Some(movement.kind),
        _ => None,
    });
    read.collect()
}

#[test]
fn a_stake_tells_how_it_moves() {
    let mut world = World::new();
    assert_eq!(moved(&world.deposit(Nano::grams(100))), [StakeMove::Deposited]);
    let staker = world.staker(0);
    assert_eq!(moved(&world.delegate(&staker, Nano::grams(1))), [StakeMove::Joined]);
    let shares = world.delegation(&staker).shares;
    assert_eq!(moved(&world.undelegate(&staker, shares)), [StakeMove::Leaving]);
    world.chain.warp(UNBONDING).unwrap();
    assert_eq!(moved(&world.claim(&staker)), [StakeMove::Redeemed]);
}

#[test]
fn a_bond_tells_how_it_moves() {
    let mut world = World::new();
    let operator = world.operator.clone();
    let told = logs(&world.add_bond(&operator, Nano::grams(1)));
    let [log] = &told[..] else { panic!("{told:?}") };
    let log = BondLog::parse(log).unwrap();
    assert_eq!((log.kind, log.amount), (BondMove::Bonded, Nano::grams(1)));
}
