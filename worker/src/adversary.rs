//! Cheating, for the harness alone: what the market must catch. A worker is honest unless
//! [`crate::WorkerConfig::behaviour`] says otherwise, and no command but the harness sets it.

use fog_protocol::{GuestExit, TaskId, tagged_hash};
use fog_verifier::Execution;

/// How a worker behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// As it should.
    #[default]
    Honest,
    /// Runs the program, then changes the result before committing to it.
    WrongResults,
    /// Does not run the program: commits to a made-up result.
    NoWork,
    /// Takes tasks and never commits.
    Silent,
    /// Commits and never shows the result.
    NeverReveals,
}

impl Behaviour {
    pub(crate) const fn executes(self) -> bool {
        match self {
            Self::Honest | Self::WrongResults | Self::NeverReveals => true,
            Self::NoWork | Self::Silent => false,
        }
    }

    pub(crate) const fn commits(self) -> bool {
        match self {
            Self::Honest | Self::WrongResults | Self::NoWork | Self::NeverReveals => true,
            Self::Silent => false,
        }
    }

    pub(crate) const fn reveals(self) -> bool {
        match self {
            Self::Honest | Self::WrongResults | Self::NoWork => true,
            Self::Silent | Self::NeverReveals => false,
        }
    }

    /// What is committed to instead of `execution`.
    pub(crate) fn distort(self, mut execution: Execution) -> Execution {
        match self {
            Self::Honest | Self::NoWork | Self::Silent | Self::NeverReveals => {}
            Self::WrongResults => match execution.output.last_mut() {
                Some(byte) => *byte ^= 1,
                None => execution.fuel_used ^= 1,
            },
        }
        execution
    }

    /// A result nobody worked for; the same each time.
    pub(crate) fn invent(task: &TaskId) -> Execution {
        let output = tagged_hash("fog/adversary/v1", &[&task.0.0]).0.to_vec();
        Execution { exit: GuestExit::Success, output, fuel_used: 1_000_000 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_result_differs_and_an_honest_one_does_not() {
        for output in [vec![], vec![1, 2, 3]] {
            let right = Execution { exit: GuestExit::Success, output, fuel_used: 7 };
            assert_eq!(Behaviour::Honest.distort(right.clone()), right);
            assert_ne!(Behaviour::WrongResults.distort(right.clone()), right);
        }
    }
}
