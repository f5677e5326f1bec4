//! Fees, rent, freezing, bounces and order are TON's.
//!
//! Every figure is computed here once more from the network's configuration and the rules of
//! TON's documentation, by code that shares nothing with the executor.

mod bounces;
mod forwarding;
mod order;
mod prices;
mod rent;

use fog_testnet::chain::{Chain, Receipt, Transfer, TxRecord};
use tycho_types::cell::{Cell, CellBuilder, HashBytes};
use tycho_types::models::{OrdinaryTxInfo, StateInit, StdAddr, TxInfo};

/// A cell with these bytes and references.
fn cell(bytes: &[u8], refs: &[&Cell]) -> Cell {
    let mut builder = CellBuilder::new();
    builder.store_raw(bytes, u16::try_from(bytes.len() * 8).unwrap()).unwrap();
    for reference in refs {
        builder.store_reference((*reference).clone()).unwrap();
    }
    builder.build().unwrap()
}

fn contract(code: Cell, data: Cell) -> (StdAddr, StateInit) {
    let init = StateInit { code: Some(code), data: Some(data), ..StateInit::default() };
    let hash = *CellBuilder::build_from(&init).unwrap().repr_hash();
    (StdAddr::new(0, hash), init)
}

/// Deploys code and data with a message of `value` from nowhere.
fn deploy(chain: &mut Chain, code: Cell, data: Cell, value: u128) -> StdAddr {
    let (address, init) = contract(code, data);
    let deploy = Transfer::deploy(address.clone(), value, init, Cell::default());
    chain.inject(&nobody(), &deploy).unwrap();
    address
}

/// A message as contracts make it: the network fills in its source, fees and times.
fn outbound(to: &StdAddr, value: u128) -> Cell {
    let mut builder = CellBuilder::new();
    // int_msg_info$0, ihr_disabled, no bounce; no source.
    builder.store_small_uint(0b0100, 4).unwrap();
    builder.store_small_uint(0b00, 2).unwrap();
    builder.store_small_uint(0b100, 3).unwrap();
    builder.store_u8(to.workchain.cast_unsigned()).unwrap();
    builder.store_u256(&to.address).unwrap();
    builder.store_small_uint(8, 4).unwrap();
    builder.store_u64(u64::try_from(value).unwrap()).unwrap();
    // No currencies, no flags, no fee, times 0, no init, the body here and empty.
    builder.store_zeros(1 + 4 + 4 + 64 + 32 + 1 + 1).unwrap();
    builder.build().unwrap()
}

/// An address nothing lives at.
fn nobody() -> StdAddr {
    StdAddr::new(0, HashBytes([0xab; 32]))
}

/// The one transaction of an account in a receipt.
fn of<'a>(receipt: &'a Receipt, address: &StdAddr) -> &'a TxRecord {
    let mut all = receipt.transactions.iter().filter(|tx| tx.address == *address);
    let one = all.next().unwrap();
    assert!(all.next().is_none());
    one
}

fn info(record: &TxRecord) -> OrdinaryTxInfo {
    match record.load().unwrap().load_info().unwrap() {
        TxInfo::Ordinary(info) => info,
        TxInfo::TickTock(_) => panic!("not an ordinary transaction"),
    }
}
