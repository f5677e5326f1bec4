//! Who gets a task: a pure function of the candidates, the rules' tie seed and nothing else.
//!
//! ```text
//! score = price x (1.5 - reputation / 2) x (1 + load / 10) x (1 + exposure / 10)
//! ```
//!
//! The lowest score wins, but a worker that was caught and is still flagged wins only where nobody
//! else bids: a cheat has no costs, so it could always ask for less, and each task it takes is a
//! task delayed. Reputation, load (tasks in hand / slots) and exposure (reserve / free
//! stake) are shares of one, in parts per million, so a spotless worker's price counts as it is,
//! and one without any reputation must ask for a third less to win. Equal scores are decided by
//! the hash of tie seed, task and worker, which nobody can choose.

use fog_protocol::{Address, Hash32, Nano, RATE_ONE, TaskId, tagged_hash};

/// Was a worker caught with a wrong result, and not honest often enough since?
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// No.
    Clear,
    /// Yes: it is flagged.
    Caught,
}

/// A bid that could win.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The worker.
    pub worker: Address,
    /// Its price.
    pub price: Nano,
    /// Was it caught?
    pub standing: Standing,
    /// What it reserves.
    pub reserve: Nano,
    /// Its reputation, in parts per million.
    pub reputation_ppm: u32,
    /// Tasks in hand.
    pub in_hand: u32,
    /// Slots it offers.
    pub slots: u16,
    /// Its free stake, before this reserve.
    pub free_stake: Nano,
}

/// A candidate's standing, then its effective price: lower is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score {
    standing: Standing,
    scaled: u128,
}

impl Score {
    /// The standing, which counts before any price.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// The score, read as a price (rounded down).
    #[must_use]
    pub fn as_price(self) -> Nano {
        let cube = u128::from(RATE_ONE).pow(3);
        u64::try_from(self.scaled / cube).map_or(Nano::MAX, Nano::new)
    }
}

/// `part / whole` in parts per million, at most one; one where `whole` is zero.
fn share(part: u64, whole: u64) -> u128 {
    let one = u128::from(RATE_ONE);
    (u128::from(part) * one).checked_div(u128::from(whole)).map_or(one, |share| share.min(one))
}

impl Candidate {
    /// Its score.
    #[must_use]
    pub fn score(&self) -> Score {
        let one = u128::from(RATE_ONE);
        let reputation = one * 3 / 2 - u128::from(self.reputation_ppm.min(RATE_ONE)) / 2;
        let load = one + share(u64::from(self.in_hand), u64::from(self.slots)) / 10;
        let exposure = one + share(self.reserve.get(), self.free_stake.get()) / 10;
        // Below 2^64 * 1.5 * 1.1 * 1.1 * 10^18 < 2^125.
        let scaled = u128::from(self.price.get()) * reputation * load * exposure;
        Score { standing: self.standing, scaled }
    }
}

/// The candidates' scores and the index of the winner; `None` without candidates.
#[must_use]
pub fn choose(
    tie_seed: &Hash32,
    task: &TaskId,
    candidates: &[Candidate],
) -> Option<(usize, Vec<Score>)> {
    let scores: Vec<_> = candidates.iter().map(Candidate::score).collect();
    let lowest = scores.iter().min()?;
    let tied = scores.iter().enumerate().filter(|(_, score)| *score == lowest);
    let tied: Vec<_> = tied.map(|(index, _)| index).collect();
    let winner = match tied.as_slice() {
        [only] => *only,
        several => *several.iter().min_by_key(|index| tie(tie_seed, task, candidates, **index))?,
    };
    Some((winner, scores))
}

fn tie(seed: &Hash32, task: &TaskId, candidates: &[Candidate], index: usize) -> Hash32 {
    let worker = candidates[index].worker;
    tagged_hash(
        "fog/tie/v1",
        &[&seed.0, &task.0.0, &worker.workchain.to_be_bytes(), &worker.hash.0],
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn candidate(name: u8, price: u64, reputation_ppm: u32) -> Candidate {
        Candidate {
            worker: Address::basechain([name; 32]),
            price: Nano::new(price),
            standing: Standing::Clear,
            reserve: Nano::new(price * 19),
            reputation_ppm,
            in_hand: 0,
            slots: 4,
            free_stake: Nano::grams(1000),
        }
    }

    fn winner(candidates: &[Candidate]) -> u8 {
        let task = TaskId(Hash32([7; 32]));
        let (index, _) = choose(&Hash32([9; 32]), &task, candidates).unwrap();
        candidates[index].worker.hash.0[0]
    }

    #[test]
    fn the_lowest_price_wins_among_equals() {
        let all = [candidate(1, 900, 500_000), candidate(2, 800, 500_000)];
        assert_eq!(winner(&all), 2);
    }

    #[test]
    fn reputation_is_worth_a_third_of_the_price() {
        let spotless = candidate(1, 1_000_000, 1_000_000);
        assert_eq!(winner(&[spotless, candidate(2, 670_000, 0)]), 1);
        assert_eq!(winner(&[spotless, candidate(2, 660_000, 0)]), 2);
    }

    #[test]
    fn no_price_makes_up_for_being_caught() {
        let caught = Candidate { standing: Standing::Caught, ..candidate(1, 1, 1_000_000) };
        assert_eq!(winner(&[caught, candidate(2, 1_000_000, 0)]), 2);
        assert_eq!(winner(&[caught]), 1, "it can still work itself up");
    }

    #[test]
    fn idle_and_unexposed_workers_win_ties_of_price() {
        let busy = Candidate { in_hand: 3, ..candidate(1, 1_000_000, 500_000) };
        assert_eq!(winner(&[busy, candidate(2, 1_000_000, 500_000)]), 2);
        let exposed = Candidate {
            worker: Address::basechain([3; 32]),
            free_stake: Nano::new(19_000_000),
            ..busy
        };
        assert_eq!(winner(&[exposed, busy]), 1);
    }

    #[test]
    fn ties_do_not_depend_on_the_order() {
        let mut all: Vec<_> = (1..=9).map(|name| candidate(name, 500, 500_000)).collect();
        let first = winner(&all);
        all.reverse();
        assert_eq!(winner(&all), first);
        // Another seed, another winner for some task.
        let task = TaskId(Hash32([7; 32]));
        let others = (0..20).map(|seed| choose(&Hash32([seed; 32]), &task, &all).unwrap().0);
        assert!(others.collect::<std::collections::BTreeSet<_>>().len() > 3);
    }

    #[test]
    fn the_largest_amounts_do_not_overflow() {
        let worst =
            Candidate { in_hand: u32::MAX, slots: 0, free_stake: Nano::ZERO, ..candidate(1, 1, 0) };
        let worst = Candidate { price: Nano::new(u64::MAX), ..worst };
        assert_eq!(worst.score().as_price(), Nano::MAX);
    }
}
