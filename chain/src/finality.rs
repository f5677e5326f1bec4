//! When a transaction counts: after so many masterchain blocks on top of the one it was first seen
//! in, and only if it is still there.
//!
//! ```text
//! block      10      11      12      13      14
//! visible    a       a b     a b     b'      b'       (a fork at 13: a and b vanish)
//! 2 conf.                    a                 ..     (b' counts from 13)
//! ```
//! Pure: looks go in, numbers come out. A transaction's own block is not asked for, it is at most
//! as young as the first look that showed it.

use std::collections::{HashMap, VecDeque};

use fog_protocol::Hash32;

/// Looks remembered at most; with more confirmations than that, time covered lags a little more.
const MAX_LOOKS: usize = 1024;

/// One look at an account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Masterchain block of the answer.
    pub(crate) at: u32,
    /// Its chain time, unix seconds.
    pub(crate) time: u32,
    /// Newest masterchain block known before the look.
    pub(crate) tip: u32,
}

/// What a look settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settled {
    /// How many of the visible transactions, from the oldest, are final.
    pub(crate) count: usize,
    /// Everything final up to this chain time has been seen; 0 before there is such a time.
    pub(crate) covered: u32,
}

/// Since when each visible transaction is visible.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    confirmations: u32,
    first: HashMap<Hash32, u32>,
    /// Block and time of looks whose transactions are not all final yet, oldest first.
    looks: VecDeque<(u32, u32)>,
    covered: u32,
}

impl Sightings {
    pub(crate) fn new(confirmations: u32) -> Self {
        Self { confirmations, ..Self::default() }
    }

    /// Blocks were undone: everything not final yet counts anew.
    pub(crate) fn forget(&mut self) {
        self.first.clear();
        self.looks.clear();
    }

    /// These were given out: they are not expected to be seen again.
    pub(crate) fn release(&mut self, given: &[Hash32]) {
        for hash in given {
            self.first.remove(hash);
        }
    }

    /// Takes in one look: all transactions `visible` after the last final one, oldest first.
    pub(crate) fn look(&mut self, look: Look, visible: &[Hash32]) -> Settled {
        let Look { at, time, tip } = look;
        if self.confirmations == 0 {
            // The answer may be of a block made after the tip was read: it counts all the same.
            self.covered = self.covered.max(time);
            return Settled { count: visible.len(), covered: self.covered };
        }
        let mut before = std::mem::take(&mut self.first);
        let mut seen = |hash: &Hash32| (*hash, before.remove(hash).map_or(at, |was| was.min(at)));
        let mut first: HashMap<_, _> = visible.iter().map(&mut seen).collect();
        if before.values().any(|was| *was <= at) {
            // What this answer should have shown is gone: a block was undone.
            self.looks.clear();
        }
        // An answer older than a sighting says nothing about it.
        first.extend(before.into_iter().filter(|(_, was)| *was > at));
        self.first = first;
        let is_final = |seen: u32| seen.saturating_add(self.confirmations) <= tip;
        let count = visible
            .iter()
            .take_while(|hash| self.first.get(*hash).is_some_and(|seen| is_final(*seen)))
            .count();
        if self.looks.back().is_none_or(|(last, _)| *last < at) {
            self.looks.push_back((at, time));
        }
        if self.looks.len() > MAX_LOOKS {
            self.looks.pop_front();
        }
        // Of an answer older than a look, what that look saw may be missing.
        while let Some((seen, time)) = self.looks.front().copied()
            && seen <= at
            && is_final(seen)
        {
            self.covered = self.covered.max(time);
            self.looks.pop_front();
        }
        Settled { count, covered: self.covered }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hash(of: u32) -> Hash32 {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&of.to_le_bytes());
        Hash32(bytes)
    }

    fn look(at: u32) -> Look {
        Look { at, time: at * 10, tip: at }
    }

    #[test]
    fn with_none_everything_is_final_at_once() {
        let mut sightings = Sightings::new(0);
        let settled = sightings.look(look(5), &[hash(1), hash(2)]);
        assert_eq!(settled, Settled { count: 2, covered: 50 });
    }

    #[test]
    fn two_blocks_on_top() {
        let mut sightings = Sightings::new(2);
        assert_eq!(sightings.look(look(10), &[hash(1)]), Settled { count: 0, covered: 0 });
        assert_eq!(sightings.look(look(11), &[hash(1), hash(2)]).count, 0);
        let settled = sightings.look(look(12), &[hash(1), hash(2)]);
        assert_eq!(settled, Settled { count: 1, covered: 100 });
        sightings.release(&[hash(1)]);
        assert_eq!(sightings.look(look(13), &[hash(2)]), Settled { count: 1, covered: 110 });
    }

    #[test]
    fn what_vanished_counts_anew_when_it_comes_back() {
        let mut sightings = Sightings::new(2);
        sightings.look(look(10), &[hash(1)]);
        sightings.look(look(11), &[]);
        assert_eq!(sightings.look(look(12), &[hash(1)]).count, 0);
        assert_eq!(sightings.look(look(14), &[hash(1)]).count, 1);
    }

    #[test]
    fn an_old_answer_covers_old_time_only() {
        let mut sightings = Sightings::new(0);
        let old = Look { at: 7, time: 70, tip: 10 };
        assert_eq!(sightings.look(old, &[]).covered, 70);
    }

    proptest! {
        /// A chain that grows, forks and lags: nothing is final before its time, whatever is seen.
        #[test]
        fn nothing_is_final_too_early(
            confirmations in 0u32..5,
            steps in proptest::collection::vec((0u32..4, 0u32..3, 0u32..2), 1..60),
        ) {
            let mut sightings = Sightings::new(confirmations);
            let mut chain: Vec<(u32, u32)> = Vec::new();
            let (mut tip, mut next) = (10u32, 0u32);
            for (grow, lag, fork) in steps {
                if fork == 1 {
                    // No deeper than what is waited for.
                    let cut = tip.saturating_sub(confirmations.min(2));
                    chain.retain(|(_, block)| *block <= cut);
                    sightings.forget();
                }
                tip += grow;
                if grow > 0 {
                    next += 1;
                    chain.push((next, tip));
                }
                let at = tip.saturating_sub(lag);
                let visible: Vec<_> =
                    chain.iter().filter(|(_, block)| *block <= at).copied().collect();
                let hashes: Vec<_> = visible.iter().map(|(id, _)| hash(*id)).collect();
                let settled = sightings.look(Look { at, time: at, tip }, &hashes);
                for (_, block) in &visible[..settled.count] {
                    prop_assert!(block + confirmations <= tip);
                }
                prop_assert!(settled.covered + confirmations <= tip);
                // All that is as old as the covered time has been given out.
                for (at, (_, block)) in visible.iter().enumerate() {
                    prop_assert!(*block > settled.covered || at < settled.count);
                }
                sightings.release(&hashes[..settled.count]);
                let last = visible[..settled.count].last().map_or(0, |(id, _)| *id);
                chain.retain(|(id, _)| *id > last);
            }
        }
    }
}
