//! Forwarding fees: what a message's size costs, and who gets it.

use fog_testnet::chain::{Bounce, Transfer};
use tycho_types::cell::{Cell, CellBuilder};
use tycho_types::models::{MsgInfo, OwnedMessage, StdAddr};

use super::prices::{Forward, Size};
use super::{cell, contract, info, of};
use crate::conservation::{assert_conserved, manual_chain};

/// Sends a body and checks every figure of the fee; returns the size that was charged for.
fn send(body: Cell, with_init: bool) -> Size {
    let mut chain = manual_chain();
    let forward = Forward::read(&chain);
    let party = chain.open_treasury(1, 10_000_000_000).unwrap();
    let (target, init) = contract(cell(&[0x00], &[]), cell(b"data", &[]));
    let target = if with_init { target } else { StdAddr::new(0, *body.repr_hash()) };
    let transfer = Transfer {
        to: target.clone(),
        value: 1_000_000_000,
        bounce: Bounce::Never,
        init: with_init.then_some(init),
        body,
    };
    let before = chain.totals().network_fees_collected;
    let receipt = chain.send_from(&party, &transfer).unwrap();
    let [sent, received] = receipt.transactions.as_slice() else { panic!("{receipt:?}") };

    let message = sent.load().unwrap().out_msgs.values().next().unwrap().unwrap();
    let MsgInfo::Int(header) = message.parse::<OwnedMessage>().unwrap().info else { panic!() };
    let size = Size::of_message(&message);
    let fee = forward.fee(size);
    let collected = forward.collected(fee);
    // The message carries what the sender's transaction did not collect; hypercube routing, which
    // TON does not have any more, costs nothing.
    assert!(header.ihr_disabled && header.extra_flags.is_empty());
    assert_eq!(header.fwd_fee.into_inner(), fee - collected);
    let action = info(sent).action_phase.unwrap();
    assert_eq!(action.total_fwd_fees.unwrap().into_inner(), fee);
    assert_eq!(action.total_action_fees.unwrap().into_inner(), collected);
    assert_eq!(
        action.total_message_size.cells.into_inner(),
        u64::try_from(size.cells + 1).unwrap()
    );
    assert_eq!(
        u128::from(action.total_message_size.bits.into_inner()),
        size.bits + u128::from(message.bit_len())
    );
    // Mode 1: the receiver gets the whole value, the sender pays apart.
    assert_eq!(header.value.tokens.into_inner(), 1_000_000_000);
    let spent = [sent, received]
        .map(|tx| tx.load().unwrap().total_fees.tokens.into_inner())
        .iter()
        .sum::<u128>();
    // In the end the network has collected every part of the fee.
    assert_eq!(chain.totals().network_fees_collected - before, spent + fee - collected);
    assert_eq!(of(&receipt, &target).lt, received.lt);
    assert_conserved(&chain);
    size
}

fn bytes(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|at| seed.wrapping_add(u8::try_from(at).unwrap())).collect()
}

#[test]
fn a_plain_transfer_costs_the_lump() {
    assert_eq!(send(Cell::default(), false), Size::default());
}

#[test]
fn every_cell_below_the_first_costs_and_equal_ones_cost_once() {
    let leaf = cell(&bytes(1, 100), &[]);
    let inner = cell(&bytes(2, 50), &[&leaf]);
    // The same subtree twice, and its leaf a third time.
    let shared = cell(&bytes(3, 10), &[&inner, &inner, &leaf]);
    let size = send(shared.clone(), false);
    // The body lies in a reference or in the message's own cell, as the sender built it.
    let below = Size { cells: 2, bits: 150 * 8 };
    let with_body = Size { cells: 3, bits: 160 * 8 };
    assert!(size == below || size == with_body, "{size:?}");

    let twin = cell(&bytes(9, 50), &[&leaf]);
    let different = cell(&bytes(3, 10), &[&inner, &twin, &leaf]);
    let larger = send(different, false);
    assert_eq!((larger.cells, larger.bits), (size.cells + 1, size.bits + 50 * 8));
}

#[test]
fn code_and_data_of_a_deployment_cost_as_well() {
    let body = cell(b"hello", &[]);
    let (without, with) = (send(body.clone(), false), send(body, true));
    // Code of 8 bits and data of 32, each in a cell of its own; the sender may put the init itself
    // into another one.
    assert!((2..=3).contains(&(with.cells - without.cells)), "{without:?} {with:?}");
    assert!(with.bits >= without.bits + 40);
}

#[test]
fn a_message_of_many_cells() {
    let mut body = CellBuilder::new();
    for branch in 0..4u8 {
        let mut below = cell(&bytes(branch, 120), &[]);
        for depth in 0..20u8 {
            below = cell(&bytes(branch * 32 + depth, 120), &[&below]);
        }
        body.store_reference(below).unwrap();
    }
    let size = send(body.build().unwrap(), false);
    assert!(size.cells >= 84 && size.bits >= 84 * 960, "{size:?}");
}
