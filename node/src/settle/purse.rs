//! What the wallet may put into challenges: never what verdicts are sent with. A worker that is caught
//! with many wrong results would otherwise have the node lock up all it has in bonds.

use fog_protocol::Nano;

/// The wallet's coins, before a message is signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purse {
    /// What it holds.
    pub(super) holds: Nano,
    /// What stays in it whatever is challenged.
    pub(super) floor: Nano,
    /// Challenges that have not ended.
    pub(super) under_way: u64,
    /// As many there may be.
    pub(super) most: u64,
}

/// Why a challenge waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Short {
    /// As many as there may be are under way.
    #[error("{0} challenges are under way, as many as may be at once")]
    UnderWay(u64),
    /// It would take what verdicts need.
    #[error("the wallet has {left} left for a challenge of {value}: {floor} stay for verdicts")]
    Coins {
        /// What is left above the floor.
        left: Nano,
        /// What it takes.
        value: Nano,
        /// What stays.
        floor: Nano,
    },
}

impl Purse {
    /// Something else goes out with the same message.
    pub(super) const fn spend(&mut self, value: Nano) {
        self.holds = self.holds.saturating_sub(value);
    }

    /// Might another challenge go out?
    pub(super) const fn check(&self) -> Result<(), Short> {
        if self.under_way < self.most { Ok(()) } else { Err(Short::UnderWay(self.under_way)) }
    }

    /// Takes what a challenge takes.
    pub(super) fn challenge(&mut self, value: Nano) -> Result<(), Short> {
        self.check()?;
        let left = self.holds.saturating_sub(self.floor);
        if value > left {
            return Err(Short::Coins { left, value, floor: self.floor });
        }
        self.spend(value);
        self.under_way += 1;
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn purse(holds: u64) -> Purse {
        Purse { holds: Nano::grams(holds), floor: Nano::grams(5), under_way: 0, most: 10 }
    }

    #[test]
    fn however_many_challenges_are_asked_for_verdicts_can_still_be_sent() {
        for holds in 0..40 {
            let mut purse = purse(holds);
            let taken = (0..100).filter(|_| purse.challenge(Nano::grams(3)).is_ok()).count() as u64;
            assert_eq!(taken, (holds.saturating_sub(5) / 3).min(10), "{holds}");
            assert!(purse.holds >= Nano::grams(holds.min(5)));
        }
    }

    #[test]
    fn what_goes_out_before_is_not_there_for_challenges() {
        let mut purse = purse(9);
        purse.spend(Nano::grams(2));
        let (left, value, floor) = (Nano::grams(2), Nano::grams(3), Nano::grams(5));
        assert_eq!(purse.challenge(value), Err(Short::Coins { left, value, floor }));
        purse.challenge(left).unwrap();
        assert_eq!(purse.holds, floor);
    }

    #[test]
    fn bonds_that_come_back_let_others_go_out() {
        let mut purse = Purse { under_way: 10, ..purse(100) };
        assert_eq!(purse.challenge(Nano::grams(1)), Err(Short::UnderWay(10)));
        purse.under_way = 9;
        purse.challenge(Nano::grams(1)).unwrap();
        assert_eq!(purse.check(), Err(Short::UnderWay(10)));
    }
}
