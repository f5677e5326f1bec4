//! Rent: what ten years cost, debt, freezing, thawing, deletion.

use fog_testnet::chain::{AccountStatus, Bounce, Chain, Transfer};
use tycho_types::cell::{Cell, CellBuilder};
use tycho_types::models::{
    AccountStatusChange, ComputePhase, ComputePhaseSkipReason, StateInit, StdAddr,
};

use super::prices::{Forward, Gas, Size, Storage};
use super::{cell, contract, deploy, info, nobody, of};
use crate::conservation::{assert_conserved, manual_chain};

const YEAR: u32 = 365 * 86_400;

/// Adds one to the 32 bits its data begins with.
const COUNT: &[u8] = &[
    0xed, 0x44, 0xd0, 0xd3, 0x1f, // c4 CTOS 32 LDU     counter rest
    0x01, 0xa4, // SWAP INC
    0xc8, 0xcb, 0x1f, // NEWC 32 STU
    0xce, 0xc9, 0xed, 0x54, // STSLICE ENDC c4 POP
];

/// A chain of different cells of 1,000 bits, after a counter.
fn data(cells: usize) -> Cell {
    let mut below: Option<Cell> = None;
    for number in 0..cells {
        let mut bytes = [0x5a; 125];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        below = Some(cell(&bytes, &below.iter().collect::<Vec<_>>()));
    }
    cell(&[0, 0, 0, 0], &below.iter().collect::<Vec<_>>())
}

/// What an account's storage comes to: a first cell with the time of the last transaction, the
/// balance, whether there are other currencies, and the state; below it code and data.
fn stored(chain: &Chain, address: &StdAddr) -> Size {
    let view = chain.account(address).unwrap();
    let balance = 4 + (128 - view.balance.leading_zeros()).div_ceil(8) * 8;
    let state = match view.status {
        AccountStatus::Uninit => 2,
        AccountStatus::Frozen => 2 + 256,
        AccountStatus::Active => 1 + 5,
        AccountStatus::Missing => panic!("nothing is stored"),
    };
    let below = Size::of(&view.code.iter().chain(&view.data).collect::<Vec<_>>());
    Size { cells: 1 + below.cells, bits: u128::from(64 + balance + 1 + state) + below.bits }
}

fn poke(chain: &mut Chain, address: &StdAddr, value: u128) -> fog_testnet::chain::Receipt {
    chain.inject(&nobody(), &Transfer::plain(address.clone(), value)).unwrap()
}

fn due(chain: &Chain, address: &StdAddr) -> u128 {
    let account = chain.account(address).unwrap().account.unwrap();
    account.storage_stat.due_payment.map_or(0, |due| due.into_inner())
}

#[test]
fn ten_years_cost_what_the_prices_say() {
    let mut chain = manual_chain();
    let storage = Storage::read(&chain);
    let gas = Gas::read(&chain);
    let address = deploy(&mut chain, cell(COUNT, &[]), data(7), 5_000_000_000);
    let uninit = StdAddr::new(0, *cell(b"uninit", &[]).repr_hash());
    chain.fund(&uninit, 5_000_000_000).unwrap();
    let from = chain.now();
    for (address, cells) in [(address, 1 + 1 + 8), (uninit, 1)] {
        let (size, before) = (stored(&chain, &address), chain.account(&address).unwrap());
        assert_eq!(size.cells, cells);
        let used = before.account.as_ref().unwrap().storage_stat.used.clone();
        assert_eq!(u128::from(used.cells.into_inner()), size.cells);
        assert_eq!(u128::from(used.bits.into_inner()), size.bits);
        chain.warp(10 * YEAR).unwrap();
        let receipt = poke(&mut chain, &address, 1_000_000);
        let transaction = info(of(&receipt, &address));
        let phase = transaction.storage_phase.unwrap();
        let rent = storage.rent(size, from, chain.now());
        assert_eq!(phase.storage_fees_collected.into_inner(), rent);
        assert_eq!(
            (phase.storage_fees_due, phase.status_change),
            (None, AccountStatusChange::Unchanged)
        );
        let compute = match transaction.compute_phase {
            ComputePhase::Executed(phase) => {
                let fee = gas.fee(phase.gas_used.into_inner());
                assert_eq!(phase.gas_fees.into_inner(), fee);
                fee
            }
            ComputePhase::Skipped(_) => 0,
        };
        let after = chain.account(&address).unwrap().balance;
        assert_eq!(after, before.balance + 1_000_000 - rent - compute);
        assert_conserved(&chain);
    }
}

#[test]
fn a_debt_is_remembered_and_repaid_first() {
    let mut chain = manual_chain();
    let (storage, gas) = (Storage::read(&chain), Gas::read(&chain));
    let address = deploy(&mut chain, cell(COUNT, &[]), data(1), 20_000_000);
    let (size, purse, from) =
        (stored(&chain, &address), chain.account(&address).unwrap().balance, chain.now());
    chain.warp(40 * YEAR).unwrap();
    let receipt = poke(&mut chain, &address, 1);
    let rent = storage.rent(size, from, chain.now());
    assert!(rent > purse && rent - purse < gas.freeze_due, "{rent} {purse}");
    let transaction = info(of(&receipt, &address));
    let phase = transaction.storage_phase.unwrap();
    // The message's nanogram counts: without the bounce flag it is credited before rent is taken.
    assert_eq!(phase.storage_fees_collected.into_inner(), purse + 1);
    assert_eq!(phase.storage_fees_due.unwrap().into_inner(), rent - purse - 1);
    assert_eq!(phase.status_change, AccountStatusChange::Unchanged);
    assert!(matches!(
        transaction.compute_phase,
        ComputePhase::Skipped(skip) if skip.reason == ComputePhaseSkipReason::NoGas
    ));
    assert_eq!(due(&chain, &address), rent - purse - 1);
    assert_eq!(chain.account(&address).unwrap().status, AccountStatus::Active);
    assert_conserved(&chain);

    // Some years later somebody pays: the debt, the rent since, the gas, and the rest is there.
    let (size, owed, from) = (stored(&chain, &address), due(&chain, &address), chain.now());
    chain.warp(5 * YEAR).unwrap();
    let receipt = poke(&mut chain, &address, 1_000_000_000);
    let rent = storage.rent(size, from, chain.now());
    let transaction = info(of(&receipt, &address));
    let taken = transaction.storage_phase.unwrap().storage_fees_collected.into_inner()
        + transaction.credit_phase.unwrap().due_fees_collected.map_or(0, |due| due.into_inner());
    assert_eq!(taken, owed + rent);
    let ComputePhase::Executed(compute) = transaction.compute_phase else { panic!() };
    let gas = gas.fee(compute.gas_used.into_inner());
    assert_eq!(chain.account(&address).unwrap().balance, 1_000_000_000 - owed - rent - gas);
    assert_eq!(due(&chain, &address), 0);
    assert_conserved(&chain);
}

/// Lets an account with much data go without money for so long that it freezes.
fn freeze(chain: &mut Chain, cells: usize, count_first: bool) -> (StdAddr, StateInit) {
    let (storage, gas) = (Storage::read(chain), Gas::read(chain));
    let code = cell(COUNT, &[]);
    let (address, mut init) = contract(code.clone(), data(cells));
    if count_first {
        deploy(chain, code, data(cells), 40_000_000);
        // Its data is no longer what its address was made of.
        init.data = chain.account(&address).unwrap().data;
        assert_ne!(init.data, Some(data(cells)));
    } else {
        // Not enough for gas: it is deployed, but never runs.
        chain.fund(&address, 1).unwrap();
        let deploy = Transfer::deploy(address.clone(), 20_000, init.clone(), Cell::default());
        chain.inject(&nobody(), &deploy).unwrap();
    }
    let view = chain.account(&address).unwrap();
    if view.status == AccountStatus::Uninit {
        return (address, init);
    }
    let (size, from) = (stored(chain, &address), chain.now());
    chain.warp(20 * YEAR).unwrap();
    let rent = storage.rent(size, from, chain.now());
    let receipt = poke(chain, &address, 5);
    let phase = info(of(&receipt, &address)).storage_phase.unwrap();
    let owed = rent - view.balance - 5;
    assert!(owed > gas.freeze_due);
    assert_eq!(phase.status_change, AccountStatusChange::Frozen);
    assert_eq!(phase.storage_fees_due.unwrap().into_inner(), owed);
    assert_eq!(due(chain, &address), owed);
    assert_conserved(chain);
    (address, init)
}

#[test]
fn who_owes_too_much_is_frozen_and_comes_back_with_its_state() {
    let mut chain = manual_chain();
    let (address, init) = freeze(&mut chain, 30, true);
    let view = chain.account(&address).unwrap();
    assert_eq!((view.status, view.balance), (AccountStatus::Frozen, 0));
    let state = CellBuilder::build_from(&init).unwrap();
    assert_eq!(view.frozen_hash, Some(*state.repr_hash()));

    // Frozen, it runs nothing: the message comes back, whatever it would have meant.
    let owed = due(&chain, &address);
    let mut call = Transfer::call(address.clone(), 10_000_000_000, Cell::default());
    let receipt = chain.inject(&nobody(), &call).unwrap();
    let transaction = info(of(&receipt, &address));
    assert!(matches!(
        transaction.compute_phase,
        ComputePhase::Skipped(skip) if skip.reason == ComputePhaseSkipReason::NoState
    ));
    assert!(transaction.bounce_phase.is_some());
    assert_eq!(chain.account(&address).unwrap().status, AccountStatus::Frozen);
    // The rent phase came before the money, so the debt stays: what comes with the bounce flag
    // reaches the contract, or its sender, whole.
    assert_eq!(due(&chain, &address), owed);
    assert_eq!(
        chain.account(&nobody()).unwrap().balance,
        10_000_000_000 - Forward::read(&chain).lump
    );

    // A wrong state does not thaw it, the right one does.
    let (_, wrong) = contract(cell(COUNT, &[]), data(29));
    call.init = Some(wrong);
    let receipt = chain.inject(&nobody(), &call).unwrap();
    assert!(matches!(
        info(of(&receipt, &address)).compute_phase,
        ComputePhase::Skipped(skip) if skip.reason == ComputePhaseSkipReason::BadState
    ));
    call.init = Some(init.clone());
    let receipt = chain.inject(&nobody(), &call).unwrap();
    assert_eq!(of(&receipt, &address).exit_code().unwrap(), Some(0));
    let view = chain.account(&address).unwrap();
    assert_eq!((view.status, &view.code), (AccountStatus::Active, &init.code));
    // It counted on from where it froze.
    let counter =
        |data: &Option<Cell>| data.as_ref().unwrap().as_slice().unwrap().load_u32().unwrap();
    assert_eq!(counter(&view.data), counter(&init.data) + 1);
    assert_conserved(&chain);
}

#[test]
fn a_frozen_account_that_owes_even_more_is_deleted() {
    let mut chain = manual_chain();
    let gas = Gas::read(&chain);
    let (address, _) = freeze(&mut chain, 200, true);
    assert!(due(&chain, &address) > gas.delete_due);
    chain.warp(1).unwrap();
    let receipt = poke(&mut chain, &address, 7);
    let phase = info(of(&receipt, &address)).storage_phase.unwrap();
    assert_eq!(phase.status_change, AccountStatusChange::Deleted);
    assert_eq!(phase.storage_fees_collected.into_inner(), 7);
    let view = chain.account(&address).unwrap();
    assert_eq!((view.status, view.balance), (AccountStatus::Missing, 0));
    assert_conserved(&chain);
}

#[test]
fn an_account_frozen_in_its_first_state_is_uninitialised_again() {
    // TON keeps no hash of a state that the address is the hash of.
    let mut chain = manual_chain();
    let nop = cell(&[0x00], &[]);
    let (address, init) = contract(nop.clone(), data(30));
    deploy(&mut chain, nop, data(30), 2_000_000);
    assert_eq!(chain.account(&address).unwrap().status, AccountStatus::Active);
    chain.warp(20 * YEAR).unwrap();
    let receipt = poke(&mut chain, &address, 5);
    let phase = info(of(&receipt, &address)).storage_phase.unwrap();
    assert_eq!(phase.status_change, AccountStatusChange::Frozen);
    let view = chain.account(&address).unwrap();
    assert!(matches!(view.status, AccountStatus::Uninit | AccountStatus::Missing), "{view:?}");
    // It is deployed again as it was the first time.
    let again = Transfer::deploy(address.clone(), 5_000_000_000, init, Cell::default());
    let receipt = chain.inject(&nobody(), &again).unwrap();
    assert_eq!(of(&receipt, &address).exit_code().unwrap(), Some(0));
    assert_eq!(chain.account(&address).unwrap().status, AccountStatus::Active);
    assert_conserved(&chain);
}

#[test]
fn rent_comes_before_a_message_that_may_bounce_and_after_one_that_may_not() {
    let mut chain = manual_chain();
    let storage = Storage::read(&chain);
    let address = deploy(&mut chain, cell(COUNT, &[]), data(3), 1_000_000_000);
    for bounce in [Bounce::Classic, Bounce::Never] {
        let (size, from, balance) =
            (stored(&chain, &address), chain.now(), chain.account(&address).unwrap().balance);
        chain.warp(YEAR).unwrap();
        let mut transfer = Transfer::plain(address.clone(), 100_000_000);
        transfer.bounce = bounce;
        let receipt = chain.inject(&nobody(), &transfer).unwrap();
        let transaction = info(of(&receipt, &address));
        assert_eq!(transaction.credit_first, bounce == Bounce::Never);
        let rent = storage.rent(size, from, chain.now());
        let phase = transaction.storage_phase.unwrap();
        assert_eq!(phase.storage_fees_collected.into_inner(), rent);
        let ComputePhase::Executed(compute) = transaction.compute_phase else { panic!() };
        let after = chain.account(&address).unwrap().balance;
        assert_eq!(after, balance + 100_000_000 - rent - compute.gas_fees.into_inner());
    }
    assert_conserved(&chain);
}
