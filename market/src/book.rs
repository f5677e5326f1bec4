//! Resident order books: standing orders by price level, best first.
//!
//! A price level is a price's 11 leading bits, so orders within 0.1 % of each other queue in order
//! of arrival, and prices below 2,048 nano are exact. Which of the 56,320 levels are occupied is a
//! bitmap with two summaries above it: the best level is found in three steps however many orders
//! there are, and inserting, cancelling and taking cost the same few memory accesses. The market
//! keeps two: the workers' standing asks (whom to offer a listing first) and the open listings
//! (what to offer a worker that has a slot free).

use std::{fmt, marker::PhantomData};

use fog_protocol::Nano;

const MANTISSA: u32 = 10;
const PER_OCTAVE: u64 = 1 << MANTISSA;
const LEVELS: usize = 55 << MANTISSA;
const WORDS: usize = LEVELS / 64;
const SUMMARY: usize = WORDS.div_ceil(64);
const NONE: u32 = u32::MAX;

/// Which end of a book is its best.
pub trait Side: fmt::Debug + Send + Sync + 'static {
    /// Is the highest price the best?
    const HIGHEST_FIRST: bool;
}

/// Sellers: the lowest price is the best.
#[derive(Debug)]
pub enum Asks {}

/// Buyers: the highest price is the best.
#[derive(Debug)]
pub enum Bids {}

impl Side for Asks {
    const HIGHEST_FIRST: bool = false;
}

impl Side for Bids {
    const HIGHEST_FIRST: bool = true;
}

/// A book of asks: lowest first.
pub type AskBook<K> = Book<K, Asks>;
/// A book of bids: highest first.
pub type BidBook<K> = Book<K, Bids>;

/// Names an order in its book. A handle of an order that is gone is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handle {
    slot: u32,
    generation: u32,
}

#[derive(Debug, Clone, Copy)]
struct Order<K> {
    key: K,
    price: u64,
    prev: u32,
    next: u32,
    generation: u32,
    level: u32,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    head: u32,
    tail: u32,
}

/// Standing orders, best first; within a price level first come, first served.
pub struct Book<K, S> {
    orders: Vec<Order<K>>,
    free: u32,
    len: usize,
    levels: Vec<Level>,
    words: Vec<u64>,
    summary: [u64; SUMMARY],
    top: u64,
    side: PhantomData<S>,
}

impl<K, S> fmt::Debug for Book<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<K: Copy, S: Side> Default for Book<K, S> {
    fn default() -> Self {
        Self::new()
    }
}

fn level_of(price: u64) -> usize {
    if price < 2 * PER_OCTAVE {
        return price as usize;
    }
    let shift = u64::BITS - 1 - MANTISSA - price.leading_zeros();
    (u64::from(shift) * PER_OCTAVE + (price >> shift)) as usize
}

impl<K: Copy, S: Side> Book<K, S> {
    /// An empty book.
    #[must_use]
    pub fn new() -> Self {
        Self {
            orders: Vec::new(),
            free: NONE,
            len: 0,
            levels: vec![Level { head: NONE, tail: NONE }; LEVELS],
            words: vec![0; WORDS],
            summary: [0; SUMMARY],
            top: 0,
            side: PhantomData,
        }
    }

    /// How many orders stand.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Does none stand?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an order. Constant time.
    pub fn insert(&mut self, price: Nano, key: K) -> Handle {
        let price = price.get();
        let level = level_of(price);
        let tail = self.levels[level].tail;
        let (slot, generation) = self.allocate(key, price, level as u32, tail);
        if tail == NONE {
            self.levels[level].head = slot;
            self.mark(level);
        } else {
            self.orders[tail as usize].next = slot;
        }
        self.levels[level].tail = slot;
        self.len += 1;
        Handle { slot, generation }
    }

    /// Cancels an order; `None` if it is gone already. Constant time.
    pub fn remove(&mut self, handle: Handle) -> Option<(Nano, K)> {
        let order = *self.orders.get(handle.slot as usize)?;
        // Slots that are free have an odd generation, handles an even one.
        (order.generation == handle.generation).then(|| self.unlink(handle.slot, &order))
    }

    /// The best order.
    #[must_use]
    pub fn best(&self) -> Option<(Nano, K)> {
        let order = &self.orders[self.levels[self.best_level()?].head as usize];
        Some((Nano::new(order.price), order.key))
    }

    /// Removes the best order.
    pub fn take_best(&mut self) -> Option<(Nano, K)> {
        let slot = self.levels[self.best_level()?].head;
        let order = self.orders[slot as usize];
        Some(self.unlink(slot, &order))
    }

    /// Every order, best first.
    pub fn iter(&self) -> impl Iterator<Item = (Nano, K)> + '_ {
        let mut level = self.best_level();
        let mut slot = level.map_or(NONE, |level| self.levels[level].head);
        std::iter::from_fn(move || {
            if slot == NONE {
                level = self.after(level?);
                slot = self.levels[level?].head;
            }
            let order = self.orders.get(slot as usize)?;
            slot = order.next;
            Some((Nano::new(order.price), order.key))
        })
    }

    fn allocate(&mut self, key: K, price: u64, level: u32, prev: u32) -> (u32, u32) {
        if self.free == NONE {
            let slot = self.orders.len() as u32;
            self.orders.push(Order { key, price, prev, next: NONE, generation: 0, level });
            return (slot, 0);
        }
        let slot = self.free;
        let order = &mut self.orders[slot as usize];
        self.free = order.next;
        let generation = order.generation.wrapping_add(1);
        *order = Order { key, price, prev, next: NONE, generation, level };
        (slot, generation)
    }

    fn unlink(&mut self, slot: u32, order: &Order<K>) -> (Nano, K) {
        let level = order.level as usize;
        match order.prev {
            NONE => self.levels[level].head = order.next,
            prev => self.orders[prev as usize].next = order.next,
        }
        match order.next {
            NONE => self.levels[level].tail = order.prev,
            next => self.orders[next as usize].prev = order.prev,
        }
        if self.levels[level].head == NONE {
            self.clear(level);
        }
        let free = &mut self.orders[slot as usize];
        free.next = self.free;
        free.generation = free.generation.wrapping_add(1);
        self.free = slot;
        self.len -= 1;
        (Nano::new(order.price), order.key)
    }

    fn mark(&mut self, level: usize) {
        let word = level / 64;
        self.words[word] |= 1 << (level % 64);
        self.summary[word / 64] |= 1 << (word % 64);
        self.top |= 1 << (word / 64);
    }

    fn clear(&mut self, level: usize) {
        let word = level / 64;
        self.words[word] &= !(1 << (level % 64));
        if self.words[word] == 0 {
            self.summary[word / 64] &= !(1 << (word % 64));
            if self.summary[word / 64] == 0 {
                self.top &= !(1 << (word / 64));
            }
        }
    }

    fn best_level(&self) -> Option<usize> {
        let group = Self::end(self.top)?;
        let word = group * 64 + Self::end(self.summary[group])?;
        Some(word * 64 + Self::end(self.words[word])?)
    }

    /// The next occupied level that is worse than `level`.
    fn after(&self, level: usize) -> Option<usize> {
        let word = level / 64;
        if let Some(bit) = Self::end(Self::beyond(self.words[word], level % 64)) {
            return Some(word * 64 + bit);
        }
        let group = word / 64;
        let (group, bit) = match Self::end(Self::beyond(self.summary[group], word % 64)) {
            Some(bit) => (group, bit),
            None => {
                let group = Self::end(Self::beyond(self.top, group))?;
                (group, Self::end(self.summary[group])?)
            }
        };
        let word = group * 64 + bit;
        Some(word * 64 + Self::end(self.words[word])?)
    }

    /// The best set bit.
    const fn end(bits: u64) -> Option<usize> {
        if bits == 0 {
            None
        } else if S::HIGHEST_FIRST {
            Some(63 - bits.leading_zeros() as usize)
        } else {
            Some(bits.trailing_zeros() as usize)
        }
    }

    /// The bits that are worse than bit `at`.
    const fn beyond(bits: u64, at: usize) -> u64 {
        if S::HIGHEST_FIRST {
            bits & ((1 << at) - 1)
        } else {
            // Two shifts: one by 64 is not defined.
            bits & (u64::MAX << at << 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn levels_keep_the_order_of_prices() {
        let mut before = 0;
        for price in (0..5000).chain((13..64).flat_map(|bit| {
            let price = 1u64 << bit;
            [price - 1, price, price + (price >> 10)]
        })) {
            let level = level_of(price);
            assert!(level >= before && level < LEVELS, "{price}: {level}");
            before = level;
        }
        assert!(level_of(u64::MAX) < LEVELS);
        assert_ne!(level_of(1_000_000_000), level_of(1_001_000_000));
    }

    #[test]
    fn a_handle_is_good_once() {
        let mut book = AskBook::new();
        let first = book.insert(Nano::new(5), 'a');
        assert_eq!(book.remove(first), Some((Nano::new(5), 'a')));
        assert_eq!(book.remove(first), None);
        let second = book.insert(Nano::new(6), 'b');
        assert_eq!(book.remove(first), None);
        assert_eq!(book.remove(second), Some((Nano::new(6), 'b')));
    }

    #[derive(Debug, Clone)]
    enum Op {
        Insert(u64),
        Cancel(usize),
        Take,
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let price = prop_oneof![0u64..50, 0u64..1 << 20, any::<u64>()];
        let op = prop_oneof![
            3 => price.prop_map(Op::Insert),
            1 => any::<usize>().prop_map(Op::Cancel),
            1 => Just(Op::Take),
        ];
        prop::collection::vec(op, 0..200)
    }

    /// Runs the operations on a book and on a sorted map of levels, comparing at each step.
    fn same_as_a_sorted_map<S: Side>(ops: Vec<Op>) -> Result<(), TestCaseError> {
        let mut book = Book::<u32, S>::new();
        let mut model = BTreeMap::new();
        let mut handles = Vec::new();
        let rank = |price: u64, sequence: u32| {
            let level = level_of(price) as i64;
            (if S::HIGHEST_FIRST { -level } else { level }, sequence)
        };
        for (sequence, op) in (0u32..).zip(ops) {
            match op {
                Op::Insert(price) => {
                    handles.push((book.insert(Nano::new(price), sequence), price, sequence));
                    model.insert(rank(price, sequence), price);
                }
                Op::Cancel(which) if !handles.is_empty() => {
                    let (handle, price, sequence) = handles.swap_remove(which % handles.len());
                    let there = model.remove(&rank(price, sequence));
                    let expected = there.map(|price| (Nano::new(price), sequence));
                    prop_assert_eq!(book.remove(handle), expected);
                }
                Op::Cancel(_) => {}
                Op::Take => {
                    let expected = model.pop_first().map(|(rank, price)| (price, rank.1));
                    let taken = book.take_best().map(|(price, key)| (price.get(), key));
                    prop_assert_eq!(taken, expected);
                }
            }
            prop_assert_eq!(book.len(), model.len());
            let best = book.best().map(|(price, key)| (price.get(), key));
            prop_assert_eq!(best, model.first_key_value().map(|(rank, price)| (*price, rank.1)));
        }
        let all: Vec<_> = book.iter().map(|(price, key)| (price.get(), key)).collect();
        let expected: Vec<_> = model.iter().map(|(rank, price)| (*price, rank.1)).collect();
        prop_assert_eq!(all, expected);
        Ok(())
    }

    proptest! {
        #[test]
        fn asks_are_a_sorted_map(ops in ops()) {
            same_as_a_sorted_map::<Asks>(ops)?;
        }

        #[test]
        fn bids_are_a_sorted_map(ops in ops()) {
            same_as_a_sorted_map::<Bids>(ops)?;
        }
    }
}
