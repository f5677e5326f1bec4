//! A node's bond alone: every word from everybody, forged and repeated words, what comes back, the
//! least that must be attached, rent, and all orders of six messages.

mod orders;

use fog_contracts::{
    ASSIGN_VALUE, OPERATOR_RENT, OWNER_VALUE, op,
    operator::{self, BondLog, BondMove, Freed, NotTaken, OperatorData, OperatorInit},
    task::{self, Assign, TaskInit},
};
use fog_protocol::{Address, Nano, Signature};
use tycho_types::cell::{Cell, CellBuilder};

use crate::{
    alone::{
        CHALLENGER, GRAM, MARKET, OPERATOR, OWNER, QUERY, REQUESTOR, STRANGER, commitment,
        operator_address, operator_init, settings, stake_address, task_init,
    },
    cells::every,
    solo::{Arrival, Ran, Sent, Solo, body},
    world::PRICE,
};

/// Nearly five years of rent.
const RENT: u64 = 65_000_000;
const YEAR: u32 = 365 * 24 * 3600;
/// What the node has put in.
const PUT_IN: Nano = Nano::grams(10);

pub(crate) fn data(bond: &Solo) -> OperatorData {
    OperatorData::parse(&bond.stored()).unwrap()
}

fn fresh() -> Solo {
    let init = operator_init();
    Solo::new(init.address().unwrap(), init.state_init().unwrap())
}

/// A bond with money in it.
pub(crate) fn bonded() -> Solo {
    let mut bond = fresh();
    let body = operator::bond(QUERY, PUT_IN).unwrap();
    assert_eq!(bond.send(OPERATOR, PUT_IN.get() + OPERATOR_RENT.get(), body).exit, 0);
    bond
}

fn assign(price: Nano) -> Assign {
    let (owner, consent) = (OWNER, Signature([7; 64]));
    Assign { owner, price, reserve: Nano::grams(3), valid_until: u32::MAX, consent }
}

fn task_of(id: u8) -> Address {
    task_init(id).address().unwrap()
}

pub(crate) fn take_on(bond: &mut Solo, id: u8, price: Nano) -> Ran {
    let body = operator::take_on(QUERY + u64::from(id), &task_of(id), &assign(price)).unwrap();
    bond.send(OPERATOR, ASSIGN_VALUE.get(), body)
}

pub(crate) fn freed(id: u8, price: Nano, owed: Nano) -> Freed {
    let earned = Nano::new(if owed == Nano::ZERO { price.get() / 100 } else { 0 });
    Freed { price, earned, owed, creditor: OWNER, task: task_init(id) }
}

/// What a task tells, with what it sends along.
pub(crate) fn free(bond: &mut Solo, freed: &Freed) -> Ran {
    let from = freed.task.address().unwrap();
    bond.send(from, freed.earned.get() + GRAM / 100, freed.body(QUERY).unwrap())
}

pub(crate) fn withdraw(bond: &mut Solo, amount: Nano) -> Ran {
    bond.send(OPERATOR, OWNER_VALUE.get(), operator::withdraw(QUERY, amount).unwrap())
}

every! {
    /// Everything that can be told to a bond that is in order; what is wrong is added by the tests.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Word {
        Bond,
        TakeOn,
        Withdraw,
        Freed,
        Compensate,
    }
}

impl Word {
    fn body(self) -> Cell {
        match self {
            Self::Bond => operator::bond(QUERY, Nano::grams(1)),
            Self::TakeOn => operator::take_on(QUERY, &task_of(2), &assign(PRICE)),
            Self::Withdraw => operator::withdraw(QUERY, Nano::grams(1)),
            Self::Freed => freed(1, PRICE, Nano::ZERO).body(QUERY),
            Self::Compensate => freed(1, PRICE, PRICE).body(QUERY),
        }
        .unwrap()
    }
}

/// One of everything that the matrix says to a bond.
pub(crate) fn words() -> Vec<Cell> {
    Word::ALL.into_iter().map(Word::body).collect()
}

every! {
    /// What a bond can be like, as far as it matters for what it takes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum At {
        /// Not deployed.
        Nothing,
        Free,
        /// Task 1 has a part of it.
        PartReserved,
        /// Task 1 has a part of it, and others the rest.
        AllReserved,
        /// A year's rent is all that is left.
        PoorInRent,
    }
}

impl At {
    fn bond(self) -> Solo {
        if self == Self::Nothing {
            return fresh();
        }
        let mut bond = bonded();
        if matches!(self, Self::PartReserved | Self::AllReserved) {
            assert_eq!(take_on(&mut bond, 1, PRICE).exit, 0);
        }
        if self == Self::AllReserved {
            let rest = data(&bond).free();
            assert_eq!(take_on(&mut bond, 9, rest).exit, 0);
        }
        if self == Self::PoorInRent {
            bond.now += 4 * YEAR;
        }
        bond
    }
}

/// Which cells are allowed.
fn allowed(word: Word, at: At, from: Address) -> bool {
    let node = from == OPERATOR;
    match word {
        Word::Bond => true,
        Word::TakeOn => node && matches!(at, At::Free | At::PartReserved),
        Word::Withdraw => node && matches!(at, At::Free | At::PartReserved | At::PoorInRent),
        Word::Freed | Word::Compensate => {
            from == task_of(1) && matches!(at, At::PartReserved | At::AllReserved)
        }
    }
}

#[test]
fn every_word_in_every_state_from_every_role() {
    let roles = [
        OPERATOR,
        REQUESTOR,
        OWNER,
        MARKET,
        STRANGER,
        CHALLENGER,
        stake_address(),
        operator_address(),
        task_of(1),
        task_of(2),
    ];
    let (mut cells, mut taken) = (0, 0);
    for at in At::ALL {
        let start = at.bond();
        for word in Word::ALL {
            for from in roles {
                let mut bond = start.clone();
                let ran = bond.send(from, 2 * GRAM, word.body());
                let case = format!("{word:?} at {at:?} from {from}");
                cells += 1;
                if allowed(word, at, from) {
                    taken += 1;
                    assert_eq!(ran.exit, 0, "{case}");
                    let (before, after) = (data(&start), data(&bond));
                    assert!(after.reserved <= after.bond, "{case}");
                    assert!(bond.balance >= after.bond.get(), "{case}");
                    assert!((before.bond, before.reserved) != (after.bond, after.reserved));
                } else {
                    let known = (100..=135).contains(&ran.exit) || ran.exit == 5;
                    assert!(known, "{case}: {}", ran.exit);
                    assert_eq!(bond.stored(), start.stored(), "{case}");
                    assert!(ran.sent.is_empty(), "{case}");
                }
            }
        }
    }
    fog_figures::figure!("cells of bonds", "{cells} cells, {taken} of them allowed");
    assert_eq!(cells, 5 * 5 * 10);
}

#[test]
fn bent_and_unknown_messages_are_refused() {
    let start = At::PartReserved.bond();
    for word in Word::ALL {
        let from =
            if matches!(word, Word::Freed | Word::Compensate) { task_of(1) } else { OPERATOR };
        for bend in 0..3 {
            let body = word.body();
            let mut slice = body.as_slice().unwrap();
            let mut builder = CellBuilder::new();
            match bend {
                0 => slice.skip_last(1, 0).unwrap(),
                1 => builder.store_bit_one().unwrap(),
                _ => builder.store_reference(Cell::default()).unwrap(),
            }
            let mut bent = CellBuilder::new();
            bent.store_slice(slice).unwrap();
            bent.store_builder(&builder).unwrap();
            let mut bond = start.clone();
            let ran = bond.send(from, 2 * GRAM, bent.build().unwrap());
            assert!(ran.exit != 0 && ran.sent.is_empty(), "{word:?} bent by {bend}");
            assert_eq!(bond.stored(), start.stored());
        }
    }
    let mut bond = start.clone();
    assert_eq!(bond.send(OPERATOR, GRAM, body(0x4f00_00ff, 1, |_| ())).exit, 0xffff);
    // A top-up is anybody's.
    assert_eq!(bond.send(STRANGER, GRAM, Cell::default()).exit, 0);
    assert_eq!(bond.stored(), start.stored());
    assert!(bond.balance > start.balance + 990_000_000);
}

// ---- taking on ---------------------------------------------------------------------------------

#[test]
fn a_price_is_reserved_and_the_assignment_goes_on_as_it_came() {
    let mut bond = bonded();
    let ran = take_on(&mut bond, 1, PRICE);
    let sent = ran.the(task::op::ASSIGN);
    assert_eq!((ran.sent.len(), sent.to, sent.bounce), (1, task_of(1), true));
    assert_eq!(sent.body, task::assign(QUERY + 1, &assign(PRICE)).unwrap());
    assert!(sent.value > ASSIGN_VALUE.get() * 9 / 10);
    assert_eq!((data(&bond).reserved, data(&bond).free()), (PRICE, Nano::grams(9)));
}

#[test]
fn no_more_is_taken_on_than_there_is() {
    let mut bond = bonded();
    let over = Nano::new(PUT_IN.get() + 1);
    assert_eq!(take_on(&mut bond, 1, over).exit, 120);
    assert_eq!(take_on(&mut bond, 1, Nano::ZERO).exit, 112);
    assert_eq!(take_on(&mut bond, 1, PUT_IN).exit, 0);
    assert_eq!(take_on(&mut bond, 2, Nano::new(1)).exit, 120);
    // Money that merely lies there is nobody's bond.
    bond.send(STRANGER, 5 * GRAM, Cell::default());
    assert_eq!(take_on(&mut bond, 2, Nano::new(1)).exit, 120);
    let master = Address { workchain: -1, ..task_of(2) };
    let body = operator::take_on(QUERY, &master, &assign(PRICE)).unwrap();
    assert_eq!(bonded().send(OPERATOR, GRAM, body).exit, 116);
}

/// A worker's signature is a cell that nobody reads before the stake: more cells in it would make
/// the assignment cost more to send on than came with it, and its reservation stay.
#[test]
fn a_consent_of_many_cells_goes_nowhere() {
    let mut tail = Cell::default();
    for _ in 0..200 {
        let mut cell = CellBuilder::new();
        cell.store_zeros(1000).unwrap();
        cell.store_reference(tail).unwrap();
        tail = cell.build().unwrap();
    }
    let mut heavy = CellBuilder::new();
    heavy.store_raw(&[7; 64], 512).unwrap();
    heavy.store_reference(tail).unwrap();
    let plain = task::assign(QUERY, &assign(PRICE)).unwrap();
    let mut slice = plain.as_slice().unwrap();
    slice.skip_last(0, 1).unwrap();
    let mut swollen = CellBuilder::new();
    swollen.store_slice(slice).unwrap();
    swollen.store_reference(heavy.build().unwrap()).unwrap();
    let told = body(operator::op::TAKE_ON, QUERY, |b| {
        crate::solo::put_address(b, task_of(1));
        b.store_reference(swollen.build().unwrap()).unwrap();
    });
    for value in [ASSIGN_VALUE.get(), 5 * GRAM] {
        let mut bond = bonded();
        let before = bond.stored();
        let ran = bond.send(OPERATOR, value, told.clone());
        assert!(ran.exit != 0 && ran.sent.is_empty(), "{ran:?}");
        assert_eq!(bond.stored(), before, "nothing stays reserved");
    }
}

// ---- bounces -----------------------------------------------------------------------------------

fn assigned() -> (Solo, Sent) {
    let mut bond = bonded();
    let sent = take_on(&mut bond, 1, PRICE).the(task::op::ASSIGN).clone();
    (bond, sent)
}

#[test]
fn an_assignment_that_comes_back_is_undone_and_told() {
    let (mut bond, sent) = assigned();
    let ran = bond.receive(sent.to, sent.value, sent.bounced(101), Arrival::Bounced);
    assert_eq!((ran.exit, data(&bond).reserved), (0, Nano::ZERO));
    let told = ran.the(op::NOT_TAKEN);
    assert_eq!((ran.sent.len(), told.to, told.bounce), (1, OPERATOR, false));
    let parsed = NotTaken::parse(&told.body).unwrap();
    assert_eq!(parsed, NotTaken { query: QUERY + 1, task: task_of(1), exit: 101 });
    // Nearly all of what was attached.
    assert!(told.value > sent.value - 5_000_000 && told.value < sent.value);
    assert_eq!(data(&bond).bond, PUT_IN);
    // Once more it cannot come back; if it did, what is not reserved would not become less than
    // nothing.
    let before = bond.stored();
    let again = bond.receive(sent.to, sent.value, sent.bounced(101), Arrival::Bounced);
    assert_eq!(again.exit, 5);
    assert_eq!(bond.stored(), before);
}

#[test]
fn rubbish_that_comes_back_does_nothing() {
    let (bond, _) = assigned();
    for rubbish in [Cell::default(), Word::Freed.body(), Word::Withdraw.body()] {
        let mut bond = bond.clone();
        let before = bond.stored();
        let ran = bond.receive(task_of(1), GRAM, rubbish, Arrival::Bounced);
        assert!(ran.sent.is_empty());
        assert_eq!(bond.stored(), before);
    }
}

#[test]
fn nothing_else_a_bond_sends_comes_back() {
    let mut bond = At::PartReserved.bond();
    for ran in [
        bond.send(OPERATOR, 2 * GRAM, Word::Bond.body()),
        withdraw(&mut bond, Nano::grams(1)),
        free(&mut bond, &freed(1, PRICE, PRICE)),
    ] {
        assert_eq!(ran.exit, 0);
        assert!(!ran.sent.is_empty() && ran.sent.iter().all(|message| !message.bounce));
    }
}

// ---- from tasks --------------------------------------------------------------------------------

#[test]
fn the_end_of_an_assignment_frees_its_price_and_brings_the_fee() {
    let mut bond = At::PartReserved.bond();
    let told = freed(1, PRICE, Nano::ZERO);
    let ran = free(&mut bond, &told);
    assert_eq!((ran.exit, ran.sent.len()), (0, 0));
    let after = data(&bond);
    assert_eq!((after.reserved, after.earned), (Nano::ZERO, told.earned));
    assert_eq!(after.bond.get(), PUT_IN.get() + told.earned.get());
    assert!(bond.balance >= after.bond.get());
}

#[test]
fn a_worker_without_a_verdict_is_paid_out_of_the_bond_to_the_nanogram() {
    let mut bond = At::PartReserved.bond();
    let before = bond.balance;
    let ran = free(&mut bond, &freed(1, PRICE, PRICE));
    let paid = ran.the(op::COMPENSATION);
    assert_eq!((ran.sent.len(), paid.to, paid.value), (1, OWNER, PRICE.get()));
    let after = data(&bond);
    assert_eq!((after.bond, after.reserved), (Nano::grams(9), Nano::ZERO));
    // What the task sent along pays for it.
    assert!(bond.balance >= before - PRICE.get());
    // Exactly once: it has no reservation any more.
    let again = free(&mut bond, &freed(1, PRICE, PRICE));
    assert_eq!((again.exit, again.sent.len()), (5, 0));
    assert_eq!(data(&bond), after);
}

#[test]
fn all_of_the_bond_can_be_owed_and_no_more() {
    let mut bond = bonded();
    assert_eq!(take_on(&mut bond, 1, PUT_IN).exit, 0);
    let ran = free(&mut bond, &freed(1, PUT_IN, PUT_IN));
    assert_eq!(ran.the(op::COMPENSATION).value, PUT_IN.get());
    assert_eq!((data(&bond).bond, data(&bond).reserved), (Nano::ZERO, Nano::ZERO));
    // Whoever is paid, the rent is not touched.
    assert!(bond.balance >= OPERATOR_RENT.get() / 2);
}

#[test]
fn only_a_genuine_task_of_this_market_and_node_frees() {
    let start = At::PartReserved.bond();
    let good = freed(1, PRICE, PRICE);
    let refused = |from: Address, freed: &Freed, case: &str| {
        let mut bond = start.clone();
        let ran = bond.send(from, GRAM, freed.body(QUERY).unwrap());
        assert_eq!(ran.exit, 108, "{case}");
        assert!(ran.sent.is_empty(), "{case}");
        assert_eq!(bond.stored(), start.stored(), "{case}");
    };
    let at = good.task.address().unwrap();
    for fake in [OPERATOR, OWNER, REQUESTOR, MARKET, STRANGER, stake_address(), task_of(2)] {
        refused(fake, &good, "another sender");
    }
    refused(Address { workchain: -1, ..at }, &good, "the masterchain");
    let other = TaskInit { market: Address::basechain([0x66; 32]), ..good.task };
    refused(other.address().unwrap(), &Freed { task: other, ..good }, "another market");
    let other = TaskInit { operator: STRANGER, ..good.task };
    refused(other.address().unwrap(), &Freed { task: other, ..good }, "another node");
    let mut fake = good.task.state_init().unwrap();
    fake.code = fog_contracts::stake_code().cell.clone().into();
    let cell = CellBuilder::build_from(&fake).unwrap();
    refused(Address::basechain(cell.repr_hash().0), &good, "other code");
}

// ---- in and out --------------------------------------------------------------------------------

/// Logs are part of the transaction; what they say is read back on a whole chain (`bonds`).
#[test]
fn what_is_reserved_stays() {
    let mut bond = At::PartReserved.bond();
    let free = data(&bond).free();
    assert_eq!(withdraw(&mut bond, Nano::new(free.get() + 1)).exit, 120);
    assert_eq!(withdraw(&mut bond, Nano::ZERO).exit, 114);
    let ran = withdraw(&mut bond, free);
    let paid = ran.the(op::PAYOUT);
    assert_eq!((ran.sent.len(), paid.to), (1, OPERATOR));
    assert!(paid.value >= free.get() && paid.value < free.get() + GRAM / 10, "{}", paid.value);
    assert_eq!((data(&bond).bond, data(&bond).reserved), (PRICE, PRICE));
    assert_eq!(withdraw(&mut bond, Nano::new(1)).exit, 120);
}

/// What others left there goes to the node with its next withdrawal, the rent not.
#[test]
fn surplus_comes_along_and_the_rent_stays() {
    let mut bond = bonded();
    bond.send(STRANGER, 3 * GRAM, Cell::default());
    let ran = withdraw(&mut bond, Nano::grams(1));
    let paid = ran.the(op::PAYOUT).value;
    assert!(paid > 4 * GRAM && paid < 4 * GRAM + GRAM / 5, "{paid}");
    assert!(bond.balance >= data(&bond).bond.get() + RENT);
    let once = withdraw(&mut bond, Nano::grams(1)).the(op::PAYOUT).value;
    assert!(once < GRAM + GRAM / 20, "{once}");
    assert!(bond.balance >= data(&bond).bond.get() + RENT);
}

#[test]
fn the_first_bond_brings_five_years_of_rent_and_all_on_the_basechain() {
    for value in [PUT_IN.get(), PUT_IN.get() + 10_000_000] {
        let mut bond = fresh();
        let ran = bond.send(OPERATOR, value, operator::bond(QUERY, PUT_IN).unwrap());
        assert_eq!(ran.exit, 104);
    }
    assert_eq!(fresh().send(OPERATOR, GRAM, operator::bond(QUERY, Nano::ZERO).unwrap()).exit, 104);
    let good = operator_init();
    let master = |address: Address| Address { workchain: -1, ..address };
    for init in [
        OperatorInit { market: master(MARKET), ..good },
        OperatorInit { owner: master(OPERATOR), ..good },
    ] {
        let mut bond = Solo::new(init.address().unwrap(), init.state_init().unwrap());
        let ran = bond.send(init.owner, 20 * GRAM, operator::bond(QUERY, PUT_IN).unwrap());
        assert_eq!(ran.exit, 116);
    }
}

/// Whoever adds to a bond pays what it adds: its change is its own money.
#[test]
fn a_bonds_change_is_no_gift() {
    let mut bond = bonded();
    bond.send(STRANGER, 3 * GRAM, Cell::default());
    let ran = bond.send(STRANGER, 2 * GRAM, operator::bond(QUERY, Nano::grams(1)).unwrap());
    let change = ran.the(op::EXCESSES);
    assert_eq!(change.to, STRANGER);
    assert!(change.value < GRAM && change.value > GRAM - 20_000_000, "{}", change.value);
    // Nor is what lies there taken for it.
    let ran = bond.send(STRANGER, GRAM, operator::bond(QUERY, Nano::grams(1)).unwrap());
    assert_eq!(ran.exit, 104);
}

// ---- rent --------------------------------------------------------------------------------------

#[test]
fn nothing_is_taken_on_without_two_years_of_rent() {
    let mut bond = bonded();
    bond.now += 3 * YEAR;
    assert_eq!(take_on(&mut bond.clone(), 1, PRICE).exit, 0);
    bond.now += 2 * YEAR;
    assert_eq!(take_on(&mut bond, 1, PRICE).exit, 135);
    assert_eq!(bond.send(STRANGER, GRAM, Cell::default()).exit, 0);
    assert_eq!(take_on(&mut bond, 1, PRICE).exit, 0);
}

/// Thirty years in which nobody ended a task or paid rent: the worker still gets what is there.
#[test]
fn a_bond_that_rent_has_eaten_into_pays_what_is_left() {
    let mut bond = bonded();
    assert_eq!(take_on(&mut bond, 1, PUT_IN).exit, 0);
    bond.now += 30 * YEAR;
    let ran = free(&mut bond, &freed(1, PUT_IN, PUT_IN));
    assert_eq!(ran.exit, 0);
    let paid = ran.the(op::COMPENSATION).value;
    assert!(paid < PUT_IN.get() && paid > PUT_IN.get() - GRAM, "{paid}");
    assert_eq!((data(&bond).bond, data(&bond).reserved), (Nano::ZERO, Nano::ZERO));
}

#[test]
fn ten_years_later_a_node_takes_out_what_is_left() {
    let mut bond = bonded();
    bond.now += 10 * YEAR;
    let ran = withdraw(&mut bond, PUT_IN);
    assert_eq!(ran.exit, 0);
    let paid = ran.the(op::PAYOUT).value;
    assert!(paid > PUT_IN.get() - GRAM / 5, "{paid}");
    // With something reserved, what stays must cover it.
    let mut bond = At::PartReserved.bond();
    bond.now += 10 * YEAR;
    let free = data(&bond).free();
    assert_eq!(withdraw(&mut bond, free).exit, 135);
    assert_eq!(bond.send(STRANGER, GRAM, Cell::default()).exit, 0);
    assert_eq!(withdraw(&mut bond, free).exit, 0);
    assert!(bond.balance >= data(&bond).bond.get());
}

// ---- the least ---------------------------------------------------------------------------------

#[test]
fn the_least_is_enough_and_one_nanogram_less_is_not() {
    let at = |word| match word {
        Word::Bond | Word::Withdraw => At::Free,
        Word::TakeOn | Word::Freed | Word::Compensate => At::PartReserved,
    };
    for word in [Word::Bond, Word::TakeOn, Word::Withdraw] {
        let start = at(word).bond();
        let refused = |value: u64| start.clone().send(OPERATOR, value, word.body()).exit != 0;
        let (mut low, mut high) = (0, 2 * GRAM);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if refused(middle) { low = middle } else { high = middle }
        }
        for (value, code) in [(high - 1, 104), (high, 0), (high + 1, 0)] {
            let mut bond = start.clone();
            let ran = bond.send(OPERATOR, value, word.body());
            assert_eq!(ran.exit, code, "{word:?} with {value}");
            if code == 0 {
                assert!(!ran.sent.is_empty(), "{word:?}");
                assert!(bond.balance >= data(&bond).bond.get());
            }
        }
        for value in [0, 1, 1_000_000, high / 2] {
            let mut bond = start.clone();
            let ran = bond.send(OPERATOR, value, word.body());
            assert!(ran.exit != 0 && ran.sent.is_empty(), "{word:?} with {value}");
            assert_eq!(bond.stored(), start.stored());
        }
    }
}

/// A genuine task is never refused for the money it sends: its end must not hang on it.
#[test]
fn a_task_needs_bring_no_more_than_the_gas() {
    for owed in [Nano::ZERO, PRICE] {
        let mut bond = At::PartReserved.bond();
        let told = Freed { earned: Nano::ZERO, ..freed(1, PRICE, owed) };
        let ran = bond.send(task_of(1), 5_000_000, told.body(QUERY).unwrap());
        assert_eq!((ran.exit, data(&bond).reserved), (0, Nano::ZERO));
    }
}

#[test]
fn words_are_read_back_as_they_were() {
    let log = BondLog {
        kind: BondMove::Paid,
        task: commitment(),
        amount: Nano::new(3),
        bond: Nano::new(2),
        reserved: Nano::new(1),
    };
    assert_eq!(log, log.clone());
    let said = freed(1, PRICE, PRICE);
    assert_eq!(Freed::parse(&said.body(QUERY).unwrap()).unwrap(), said);
    let body = operator::take_on(QUERY, &task_of(3), &assign(PRICE)).unwrap();
    assert_eq!(operator::taken_on(&body).unwrap(), (task_of(3), assign(PRICE)));
    assert_eq!(settings().operator_of(MARKET, OPERATOR), operator_init());
}
