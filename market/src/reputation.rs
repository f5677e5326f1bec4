//! Reputation: a pure fold over settled facts, the same for whoever folds them, in any order.
//!
//! Every part of a record is a sum or a maximum, so records combine commutatively. The score is
//!
//! ```text
//! accuracy     = (A/2 + accepted fees) / (A + accepted fees + 20 x rejected fees)   60 %
//! punctuality  = (2 + on time) / (4 + on time + 4 x late)                           20 %
//! speed        = (2 + sum of bucket worth) / (4 + on time)                          10 %
//! availability = (2 + sessions - broken off) / (4 + sessions)                        5 %
//! stake        = peak / (peak + B + 4 x slashed)                                     5 %
//! ```
//!
//! with the prior A = 0.1 GRAM of fees and B = 1 GRAM, in parts per million, rounded down. Facts
//! weigh by what was paid, at most 1 GRAM each: rank can't be had by many tiny tasks with oneself,
//! or by one giant one.

use borsh::{BorshDeserialize, BorshSerialize};
use fog_protocol::Nano;

const ONE: u128 = 1_000_000;
const PRIOR_FEES: u128 = 100_000_000;
const PRIOR_STAKE: u128 = 1_000_000_000;
const MOST_WEIGHT: u64 = 1_000_000_000;
const REJECTED_WEIGHS: u128 = 20;
const LATE_WEIGHS: u128 = 4;
const SLASHED_WEIGHS: u128 = 4;
const PRIOR_COUNT: u128 = 4;

/// Into which quarter of its time a commitment fell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Speed {
    /// First quarter.
    Fast,
    /// Second quarter.
    Good,
    /// Third quarter.
    Slow,
    /// Last quarter.
    Barely,
}

impl Speed {
    /// The quarter of `allowed` seconds in which `elapsed` lies.
    #[must_use]
    pub const fn of(elapsed: u64, allowed: u64) -> Self {
        match elapsed.saturating_mul(4).checked_div(allowed) {
            Some(0) | None => Self::Fast,
            Some(1) => Self::Good,
            Some(2) => Self::Slow,
            Some(3..) => Self::Barely,
        }
    }

    /// What it is worth, in quarters.
    const fn worth(self) -> u64 {
        match self {
            Self::Fast => 4,
            Self::Good => 3,
            Self::Slow => 2,
            Self::Barely => 1,
        }
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum SessionEnd {
    /// With no work in hand.
    Clean,
    /// With work in hand.
    BrokenOff,
}

/// A settled fact about a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Fact {
    /// A result was paid.
    Accepted {
        /// The price.
        price: Nano,
        /// How soon it was committed to.
        speed: Speed,
    },
    /// A wrong result was slashed.
    Rejected {
        /// The price.
        price: Nano,
    },
    /// No commitment in time.
    Late,
    /// A connection ended.
    Session {
        /// How.
        end: SessionEnd,
    },
    /// So much stake was seen.
    Staked {
        /// The amount.
        amount: Nano,
    },
    /// So much stake was cut.
    Cut {
        /// The amount.
        amount: Nano,
    },
}

/// The sum of a worker's facts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Record {
    accepted: u64,
    rejected: u64,
    late: u64,
    accepted_fees: u64,
    rejected_fees: u64,
    worth: u64,
    sessions: u64,
    broken_off: u64,
    peak_stake: u64,
    slashed: u64,
}

impl Record {
    /// The record of one fact.
    #[must_use]
    pub fn of(fact: &Fact) -> Self {
        let weight = |price: Nano| price.get().min(MOST_WEIGHT);
        let none = Self::default();
        match *fact {
            Fact::Accepted { price, speed } => {
                Self { accepted: 1, accepted_fees: weight(price), worth: speed.worth(), ..none }
            }
            Fact::Rejected { price } => Self { rejected: 1, rejected_fees: weight(price), ..none },
            Fact::Late => Self { late: 1, ..none },
            Fact::Session { end: SessionEnd::Clean } => Self { sessions: 1, ..none },
            Fact::Session { end: SessionEnd::BrokenOff } => {
                Self { sessions: 1, broken_off: 1, ..none }
            }
            Fact::Staked { amount } => Self { peak_stake: amount.get(), ..none },
            Fact::Cut { amount } => Self { slashed: amount.get(), ..none },
        }
    }

    /// Both records together. Commutative and associative.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            accepted: self.accepted.saturating_add(other.accepted),
            rejected: self.rejected.saturating_add(other.rejected),
            late: self.late.saturating_add(other.late),
            accepted_fees: self.accepted_fees.saturating_add(other.accepted_fees),
            rejected_fees: self.rejected_fees.saturating_add(other.rejected_fees),
            worth: self.worth.saturating_add(other.worth),
            sessions: self.sessions.saturating_add(other.sessions),
            broken_off: self.broken_off.saturating_add(other.broken_off),
            peak_stake: self.peak_stake.max(other.peak_stake),
            slashed: self.slashed.saturating_add(other.slashed),
        }
    }

    /// Adds a fact.
    pub fn add(&mut self, fact: &Fact) {
        *self = self.and(Self::of(fact));
    }

    /// Results paid.
    #[must_use]
    pub const fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Results slashed.
    #[must_use]
    pub const fn rejected(&self) -> u64 {
        self.rejected
    }

    /// Assignments that timed out.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }

    /// The score: 0 to 1,000,000.
    #[must_use]
    pub fn score(&self) -> u32 {
        let [accepted, late, sessions, broken, worth, peak, slashed, good, bad] = [
            self.accepted,
            self.late,
            self.sessions,
            self.broken_off,
            self.worth,
            self.peak_stake,
            self.slashed,
            self.accepted_fees,
            self.rejected_fees,
        ]
        .map(u128::from);
        let half = PRIOR_COUNT / 2;
        let parts = [
            (60, PRIOR_FEES / 2 + good, PRIOR_FEES + good + REJECTED_WEIGHS * bad),
            (20, half + accepted, PRIOR_COUNT + accepted + LATE_WEIGHS * late),
            (10, 4 * half + worth, 4 * (PRIOR_COUNT + accepted)),
            (5, half + sessions - broken.min(sessions), PRIOR_COUNT + sessions),
            (5, peak, peak + PRIOR_STAKE + SLASHED_WEIGHS * slashed),
        ];
        let score: u128 =
            parts.iter().map(|(percent, part, whole)| percent * ONE / 100 * part / whole).sum();
        score.min(ONE) as u32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fact() -> impl Strategy<Value = Fact> {
        let nano = || any::<u64>().prop_map(Nano::new);
        let speed = prop_oneof![
            Just(Speed::Fast),
            Just(Speed::Good),
            Just(Speed::Slow),
            Just(Speed::Barely)
        ];
        prop_oneof![
            (nano(), speed).prop_map(|(price, speed)| Fact::Accepted { price, speed }),
            nano().prop_map(|price| Fact::Rejected { price }),
            Just(Fact::Late),
            Just(Fact::Session { end: SessionEnd::Clean }),
            Just(Fact::Session { end: SessionEnd::BrokenOff }),
            nano().prop_map(|amount| Fact::Staked { amount }),
            nano().prop_map(|amount| Fact::Cut { amount }),
        ]
    }

    fn fold(facts: &[Fact]) -> Record {
        let mut record = Record::default();
        facts.iter().for_each(|fact| record.add(fact));
        record
    }

    fn paid(speed: Speed) -> Fact {
        Fact::Accepted { price: Nano::grams(1), speed }
    }

    #[test]
    fn better_facts_score_higher() {
        let none = fold(&[]).score();
        let one = fold(&[paid(Speed::Fast)]).score();
        let many = fold(&[paid(Speed::Fast); 20]).score();
        let slow = fold(&[paid(Speed::Barely); 20]).score();
        assert!(none < one && one < many && slow < many, "{none} {one} {many} {slow}");
        let mut caught = vec![paid(Speed::Fast); 20];
        caught.push(Fact::Rejected { price: Nano::grams(1) });
        assert!(fold(&caught).score() < many - 250_000, "{}", fold(&caught).score());
        assert!(fold(&[Fact::Late]).score() < none);
    }

    #[test]
    fn tiny_tasks_buy_no_rank() {
        let tiny = Fact::Accepted { price: Nano::new(1000), speed: Speed::Fast };
        let accuracy = |record: Record| record.accepted_fees;
        assert!(accuracy(fold(&[tiny; 1000])) < accuracy(fold(&[paid(Speed::Fast)])) / 900);
    }

    proptest! {
        #[test]
        fn order_does_not_matter(
            facts in prop::collection::vec(fact(), 0..30).prop_shuffle(),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut sorted = facts.clone();
            sorted.sort_by_key(|fact| format!("{fact:?}"));
            prop_assert_eq!(fold(&facts), fold(&sorted));
            let (left, right) = facts.split_at(cut.index(facts.len() + 1));
            prop_assert_eq!(fold(right).and(fold(left)), fold(&facts));
        }

        #[test]
        fn a_score_is_a_share(facts in prop::collection::vec(fact(), 0..30)) {
            prop_assert!(fold(&facts).score() <= 1_000_000);
        }
    }
}
