//! Cheating, for the harness alone: what the market must catch. A worker is honest unless
//! [`crate::WorkerConfig::behaviour`] says otherwise, and no command but the harness sets it.

use fog_protocol::{GuestExit, Listing, TaskId, tagged_hash};
use fog_verifier::Execution;

/// How a worker behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// As it should.
    #[default]
    Honest,
    /// Runs the program, then changes the result before committing to it.
    WrongResults,
    /// As [`Behaviour::WrongResults`], on so many of a million tasks; which, their ids say.
    Sometimes(u32),
    /// Does not run the program: commits to a made-up result.
    NoWork,
    /// Does not run the program: commits to what everyone who colludes makes up for this work.
    Colluding,
    /// Takes tasks and never commits.
    Silent,
    /// Commits and never shows the result.
    NeverReveals,
}

impl Behaviour {
    pub(crate) const fn executes(self) -> bool {
        match self {
            Self::Honest | Self::WrongResults | Self::Sometimes(_) | Self::NeverReveals => true,
            Self::NoWork | Self::Colluding | Self::Silent => false,
        }
    }

    pub(crate) const fn commits(self) -> bool {
        match self {
            Self::Honest
            | Self::WrongResults
            | Self::Sometimes(_)
            | Self::NoWork
            | Self::Colluding
            | Self::NeverReveals => true,
            Self::Silent => false,
        }
    }

    pub(crate) const fn reveals(self) -> bool {
        match self {
            Self::Honest
            | Self::WrongResults
            | Self::Sometimes(_)
            | Self::NoWork
            | Self::Colluding => true,
            Self::Silent | Self::NeverReveals => false,
        }
    }

    /// What is committed to instead of `execution`.
    pub(crate) fn distort(self, task: &TaskId, mut execution: Execution) -> Execution {
        let wrong = match self {
            Self::Honest | Self::NoWork | Self::Colluding | Self::Silent | Self::NeverReveals => {
                false
            }
            Self::WrongResults => true,
            Self::Sometimes(ppm) => share_of(task) < ppm,
        };
        if wrong {
            match execution.output.last_mut() {
                Some(byte) => *byte ^= 1,
                None => execution.fuel_used ^= 1,
            }
        }
        execution
    }

    /// A result nobody worked for; the same each time.
    pub(crate) fn invent(self, listing: &Listing) -> Execution {
        let seed = match self {
            Self::Colluding => listing.input.hash,
            Self::Honest
            | Self::WrongResults
            | Self::Sometimes(_)
            | Self::NoWork
            | Self::Silent
            | Self::NeverReveals => listing.id().0,
        };
        let output = tagged_hash("fog/adversary/v1", &[&seed.0]).0.to_vec();
        Execution { exit: GuestExit::Success, output, fuel_used: 1_000_000 }
    }
}

/// Where a task lies among a million.
fn share_of(task: &TaskId) -> u32 {
    let mut first = [0; 4];
    for (to, from) in first.iter_mut().zip(tagged_hash("fog/adversary-share/v1", &[&task.0.0]).0) {
        *to = from;
    }
    u32::from_le_bytes(first) % 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_result_differs_and_an_honest_one_does_not() {
        for output in [vec![], vec![1, 2, 3]] {
            let right = Execution { exit: GuestExit::Success, output, fuel_used: 7 };
            let task = TaskId(fog_protocol::Hash32([3; 32]));
            let distort = |how: Behaviour| how.distort(&task, right.clone());
            assert_eq!(distort(Behaviour::Honest), right);
            assert_ne!(distort(Behaviour::WrongResults), right);
            assert_eq!(distort(Behaviour::Sometimes(0)), right);
            assert_ne!(distort(Behaviour::Sometimes(1_000_000)), right);
        }
    }
}
