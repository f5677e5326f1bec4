//! Task, stake, bond and delegation together on one chain, one message a block: for every pair of races
//! a cast of six messages in every order, at paces that put them before and after the deadlines, and
//! with the next ones sent while the last are under way. [`Ledger`](crate::ledger::Ledger) checks
//! everything after every transaction, and whatever an order leads to, everybody gets out of it.
//!
//! Orders have their beginnings in common, which are played once; and what two beginnings of the same
//! messages made the same goes on once. So all six race at one pace of each cast, the first five at its
//! others, and the first four while messages are under way. `FOG_RACES=all` plays each order of all six,
//! at all of them, to its own end.

mod casts;
mod closing;
mod stage;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use fog_testnet::chain::CheckpointName;
use tycho_types::cell::HashBytes;

use casts::{CASTS, Cast};
use stage::{Arena, Word};

/// What races: counted where it takes effect, not where it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Race {
    /// A worker is paid: into its stake, or directly.
    Settle,
    Cancel,
    /// Somebody pushes a task that is late.
    Timeout,
    Slash,
    /// Unbonded stake, or what is free of a bond, leaves.
    Withdraw,
    Challenge,
    /// A staker's share is paid out.
    Exit,
}

impl Race {
    const ALL: [Self; 7] = [
        Self::Settle,
        Self::Cancel,
        Self::Timeout,
        Self::Slash,
        Self::Withdraw,
        Self::Challenge,
        Self::Exit,
    ];

    /// May this happen to a task and its stake after that did? Everything else must not, in any order.
    fn may_follow(self, first: Self) -> bool {
        use Race::{Challenge, Exit, Settle, Slash, Timeout, Withdraw};
        match (first, self) {
            // Money that nobody reserved leaves whatever becomes of a task, and before or after it.
            (_, Withdraw | Exit) | (Withdraw | Exit, _) => true,
            // An expired dispute is carried out, and may come to the last exit.
            (Timeout | Challenge, Settle | Slash | Timeout) => true,
            _ => false,
        }
    }
}

/// Two words in a row, or a message a block while others are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    Settled,
    UnderWay,
}

/// How many orders came to each sequence of what races.
type Ends = BTreeMap<Vec<Race>, u32>;

/// Equal beginnings: what is left to say, what of the pair has happened, and what everybody's data says.
type Place = (Vec<Word>, Vec<Race>, [HashBytes; 4]);

struct Found {
    balances: [u64; 4],
    ends: Ends,
}

/// Balances of equal states differ by rent that was rounded, and no more.
const ROUNDING: u64 = 100;

/// One cast at one pace.
struct Game<'a> {
    arena: &'a mut Arena,
    cast: &'a Cast,
    pace: u32,
    delivery: Delivery,
    merging: bool,
    found: BTreeMap<Place, Vec<Found>>,
    closed: &'a mut BTreeSet<(u32, [HashBytes; 4])>,
    lives: u32,
}

impl Game<'_> {
    fn raced(&self) -> Vec<Race> {
        let (a, b) = self.cast.pair;
        self.arena.effects.iter().filter(|race| [a, b].contains(race)).copied().collect()
    }

    /// Every order of what is left to say.
    fn explore(&mut self, left: &[Word]) -> Ends {
        if left.is_empty() {
            self.close();
            return [(self.raced(), 1)].into();
        }
        let merging = self.merging && self.delivery == Delivery::Settled;
        let place = (left.to_vec(), self.raced(), self.arena.data());
        let balances = self.arena.balances();
        let near = |found: &&Found| {
            found.balances.iter().zip(balances).all(|(a, b)| a.abs_diff(b) <= ROUNDING)
        };
        if let Some(found) = self.found.get(&place).and_then(|all| all.iter().find(near)) {
            return found.ends.clone();
        }
        let here = self.arena.keep(left.len());
        let mut ends = Ends::new();
        for (index, word) in left.iter().enumerate() {
            if index > 0 && left[index - 1] == *word {
                continue;
            }
            let mut rest = left.to_vec();
            rest.remove(index);
            self.say(*word);
            for (raced, count) in self.explore(&rest) {
                *ends.entry(raced).or_default() += count;
            }
            self.arena.restore(&here);
        }
        if merging {
            self.found.entry(place).or_default().push(Found { balances, ends: ends.clone() });
        }
        ends
    }

    fn say(&mut self, word: Word) {
        self.arena.say(word);
        if self.delivery == Delivery::Settled {
            self.arena.drain();
        }
        self.arena.warp(self.pace);
        self.check(word);
    }

    fn check(&self, last: Word) {
        let effects = &self.arena.effects;
        for (index, then) in effects.iter().enumerate() {
            for first in &effects[..index] {
                let (cast, pace) = (self.cast, self.pace);
                assert!(
                    then.may_follow(*first),
                    "{effects:?} of {cast:?} every {pace} s, last {last:?}"
                );
            }
        }
    }

    /// Nothing is stuck, wherever it came to.
    fn close(&mut self) {
        self.arena.drain();
        if let Some(last) = self.cast.words.last() {
            self.check(*last);
        }
        self.lives += 1;
        if self.closed.insert((self.arena.world.chain.now(), self.arena.data())) || !self.merging {
            let here = self.arena.keep(0);
            closing::close(self.arena);
            self.arena.restore(&here);
        }
    }
}

/// A kept state of chain and ledger.
struct Kept {
    name: CheckpointName,
    ledger: crate::ledger::Ledger,
    effects: Vec<Race>,
}

/// How many orders of a pair's casts there were, in how many both took effect, the first before the
/// second and the other way round.
#[derive(Debug, Default, Clone, Copy)]
struct Cell {
    orders: u32,
    forth: u32,
    back: u32,
}

impl Cell {
    fn add(&mut self, (a, b): (Race, Race), ends: &Ends) {
        for (raced, count) in ends {
            let follows = |first, then| {
                let at = raced.iter().position(|race| *race == first);
                at.is_some_and(|at| raced[at + 1..].contains(&then))
            };
            self.orders += count;
            self.forth += if follows(a, b) { *count } else { 0 };
            self.back += if follows(b, a) { *count } else { 0 };
        }
    }
}

/// Of pair and orders, of those where the word of the row took effect before the column's.
fn table(cells: &BTreeMap<(Race, Race), Cell>) -> String {
    let mut text = "first \\ then".to_owned();
    Race::ALL.iter().for_each(|race| write!(text, " {:>11}", format!("{race:?}")).unwrap());
    for first in Race::ALL {
        write!(text, "\n{:<12}", format!("{first:?}")).unwrap();
        for then in Race::ALL {
            let (orders, both) = match cells.get(&(first, then)) {
                Some(cell) => (cell.orders, cell.forth),
                None => cells.get(&(then, first)).map_or((0, 0), |cell| (cell.orders, cell.back)),
            };
            write!(text, " {:>11}", format!("{both}/{orders}")).unwrap();
        }
    }
    text.push('\n');
    text
}

/// What the test command counts; a change of it is a change of the contracts.
const KEPT: &str = include_str!("races/table.txt");

#[test]
fn every_order_of_every_pair_of_races() {
    let merging = std::env::var("FOG_RACES").as_deref() != Ok("all");
    let mut cells: BTreeMap<(Race, Race), Cell> = BTreeMap::new();
    let (mut arenas, mut closed, mut lives, mut transactions) =
        (BTreeMap::new(), BTreeSet::new(), 0, 0);
    for cast in &CASTS {
        let arena = arenas.entry(cast.at).or_insert_with(|| Arena::set(cast.at));
        let slow = *cast.paces.iter().filter(|pace| **pace <= casts::LATE).max().unwrap();
        let settled = cast.paces.iter().map(|pace| (*pace, Delivery::Settled));
        for (pace, delivery) in settled.chain([(slow, Delivery::UnderWay)]) {
            let mut words = cast.words[..cast.said(merging, pace, delivery)].to_vec();
            words.sort_unstable();
            let start = arena.keep(7);
            let found = BTreeMap::new();
            let closed = &mut closed;
            let mut game = Game { arena, cast, pace, delivery, merging, found, closed, lives: 0 };
            let ends = game.explore(&words);
            lives += game.lives;
            assert_eq!(ends.values().sum::<u32>(), orders_of(&words), "{cast:?}");
            cells.entry(cast.pair).or_default().add(cast.pair, &ends);
            arena.restore(&start);
        }
    }
    arenas.values().for_each(|arena| transactions += arena.transactions);
    let orders: u32 = cells.values().map(|cell| cell.orders).sum();
    let table = table(&cells);
    println!(
        "{table}{orders} orders in {lives} lives, {} different ends, {transactions} transactions",
        closed.len()
    );
    for (index, first) in Race::ALL.into_iter().enumerate() {
        for then in Race::ALL.into_iter().skip(index) {
            let cell = cells.get(&(first, then)).copied().unwrap_or_default();
            assert!(cell.orders > 0, "no order of {first:?} and {then:?}");
            assert_eq!(cell.forth > 0, then.may_follow(first), "{first:?}, then {then:?}");
            assert_eq!(cell.back > 0, first.may_follow(then), "{then:?}, then {first:?}");
        }
    }
    if merging {
        assert_eq!(table, KEPT);
    }
}

impl Cast {
    /// How many of its words are said.
    fn said(&self, merging: bool, pace: u32, delivery: Delivery) -> usize {
        match delivery {
            _ if !merging => 6,
            Delivery::UnderWay => 4,
            Delivery::Settled if self.paces.last() == Some(&pace) => 6,
            Delivery::Settled => 5,
        }
    }
}

/// How many different orders these words have.
fn orders_of(words: &[Word]) -> u32 {
    let factorial = |of: usize| (1..=u32::try_from(of).unwrap()).product::<u32>();
    words
        .chunk_by(|a, b| a == b)
        .fold(factorial(words.len()), |orders, same| orders / factorial(same.len()))
}
