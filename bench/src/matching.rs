//! The resident order book against a sorted map with an index.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    hint::black_box,
};

use anyhow::{Result, ensure};
use fog_market::book::{BidBook, Handle};
use fog_protocol::Nano;

use crate::meter::{Reading, timed};

const RESIDENT: u64 = 100_000;
const ROUNDS: usize = 15;
const OPERATIONS: usize = 200_000;

/// One operation; both books get the same ones.
#[derive(Clone, Copy)]
enum Operation {
    Insert { order: u64, price: u64 },
    Cancel { order: u64 },
    Best,
    Take,
}

/// The straightforward book: best price first, then first come; an index finds what is cancelled.
#[derive(Default)]
struct MapBook {
    sorted: BTreeMap<(Reverse<u64>, u64), u64>,
    index: HashMap<u64, (Reverse<u64>, u64)>,
    arrivals: u64,
}

impl MapBook {
    fn insert(&mut self, price: u64, order: u64) {
        let rank = (Reverse(price), self.arrivals);
        self.arrivals += 1;
        self.sorted.insert(rank, order);
        self.index.insert(order, rank);
    }

    fn cancel(&mut self, order: u64) -> Option<u64> {
        let rank = self.index.remove(&order)?;
        self.sorted.remove(&rank)
    }

    fn best(&self) -> Option<u64> {
        self.sorted.first_key_value().map(|(_, order)| *order)
    }

    fn take(&mut self) -> Option<u64> {
        let (_, order) = self.sorted.pop_first()?;
        self.index.remove(&order);
        Some(order)
    }
}

/// Ours, with the handles where its users keep them: beside the order.
#[derive(Default)]
struct OurBook {
    book: BidBook<u64>,
    handles: Vec<Option<Handle>>,
}

impl OurBook {
    fn insert(&mut self, price: u64, order: u64) {
        let handle = self.book.insert(Nano::new(price), order);
        let at = order as usize;
        if at >= self.handles.len() {
            self.handles.resize(at + 1, None);
        }
        self.handles[at] = Some(handle);
    }

    fn cancel(&mut self, order: u64) -> Option<u64> {
        let handle = (*self.handles.get(order as usize)?)?;
        self.book.remove(handle).map(|(_, order)| order)
    }
}

/// A reproducible generator (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.roll() >> 11) % bound
    }

    /// Between 0.13 and 17 coins, each factor of two equally often. Of 11 significant bits, as
    /// prices that people name: so both books rank alike and their answers can be compared.
    fn price(&mut self) -> u64 {
        let octave = 27 + self.below(7);
        ((1 << 10) + self.below(1 << 10)) << (octave - 10)
    }
}

/// Orders that stand, to choose from when one is cancelled.
#[derive(Default)]
struct Standing {
    orders: Vec<u64>,
    places: HashMap<u64, usize>,
}

impl Standing {
    fn add(&mut self, order: u64) {
        self.places.insert(order, self.orders.len());
        self.orders.push(order);
    }

    fn remove(&mut self, order: u64) {
        if let Some(at) = self.places.remove(&order) {
            self.orders.swap_remove(at);
            if let Some(moved) = self.orders.get(at) {
                self.places.insert(*moved, at);
            }
        }
    }
}

/// Draws operations that keep the book at its size: 40 % insert, 30 % cancel, 20 % look, 10 %
/// take. `model` follows along to know what stands.
fn draw(
    dice: &mut Dice,
    next: &mut u64,
    standing: &mut Standing,
    model: &mut MapBook,
) -> Vec<Operation> {
    let draw_one = |_| match dice.below(10) {
        0..4 => {
            let (order, price) = (*next, dice.price());
            *next += 1;
            standing.add(order);
            model.insert(price, order);
            Operation::Insert { order, price }
        }
        4..7 if !standing.orders.is_empty() => {
            let order = standing.orders[dice.below(standing.orders.len() as u64) as usize];
            standing.remove(order);
            model.cancel(order);
            Operation::Cancel { order }
        }
        4..9 => Operation::Best,
        _ => {
            if let Some(order) = model.take() {
                standing.remove(order);
            }
            Operation::Take
        }
    };
    (0..OPERATIONS).map(draw_one).collect()
}

/// Adds up which orders came out, so that nothing is optimised away and the books can be compared.
fn noted(sum: u64, order: Option<u64>) -> u64 {
    sum.wrapping_mul(31).wrapping_add(order.map_or(0, |order| order + 1))
}

fn run_ours(book: &mut OurBook, operations: &[Operation]) -> u64 {
    operations.iter().fold(0, |sum, operation| match *operation {
        Operation::Insert { order, price } => {
            book.insert(price, order);
            sum
        }
        Operation::Cancel { order } => noted(sum, book.cancel(order)),
        Operation::Best => noted(sum, book.book.best().map(|(_, order)| order)),
        Operation::Take => noted(sum, book.book.take_best().map(|(_, order)| order)),
    })
}

fn run_theirs(book: &mut MapBook, operations: &[Operation]) -> u64 {
    operations.iter().fold(0, |sum, operation| match *operation {
        Operation::Insert { order, price } => {
            book.insert(price, order);
            sum
        }
        Operation::Cancel { order } => noted(sum, book.cancel(order)),
        Operation::Best => noted(sum, book.best()),
        Operation::Take => noted(sum, book.take()),
    })
}

/// Mixed operations on a book of 100,000 standing bids.
pub(crate) fn measure() -> Result<Reading> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut next, mut standing, mut model) = (0, Standing::default(), MapBook::default());
    let (mut ours, mut theirs) = (OurBook::default(), MapBook::default());
    while next < RESIDENT {
        let price = dice.price();
        ours.insert(price, next);
        theirs.insert(price, next);
        model.insert(price, next);
        standing.add(next);
        next += 1;
    }
    let mut least = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        let operations = draw(&mut dice, &mut next, &mut standing, &mut model);
        let (our_time, our_sum) = timed(|| black_box(run_ours(&mut ours, &operations)));
        let (their_time, their_sum) = timed(|| black_box(run_theirs(&mut theirs, &operations)));
        ensure!(our_sum == their_sum, "the two books do not agree on who is best");
        least = (least.0.min(our_time), least.1.min(their_time));
    }
    Ok(Reading {
        ours: least.0 / OPERATIONS as f64,
        theirs: least.1 / OPERATIONS as f64,
        unit: "ns",
        against: "BTreeMap and HashMap",
        goal: 0.5,
        note: format!("{} bids stood at the end", ours.book.len()),
    })
}
