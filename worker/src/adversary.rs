//! Cheating, for the harness alone: what the market must catch. A worker is honest unless
//! [`crate::WorkerConfig::behaviour`] says otherwise, and no command but the harness sets it.

use std::{
    fmt,
    str::FromStr,
    sync::{Mutex, PoisonError},
};

use fog_protocol::{GuestExit, Hash32, Listing, Reveal, TaskId, tagged_hash};
use fog_verifier::Execution;

use crate::journal::Outcome;

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
    /// Runs the program once, and answers with that result from then on.
    Cached,
    /// Commits to what another has committed to, and hands in a result of its own.
    Copied,
    /// Hands in the first half of the result.
    Partial,
    /// Commits to one result and hands in another.
    Swapped,
    /// Hands in the result of the task it had before.
    WrongTask,
    /// Does not run the program: commits to what everyone who colludes makes up for this work.
    Colluding,
    /// Says that the program used more fuel than it did.
    FuelLiar,
    /// Takes tasks and never commits.
    Silent,
    /// Commits and never shows the result.
    NeverReveals,
}

/// Those that have a name; how often [`Behaviour::Sometimes`] is, no name says.
const NAMES: [(&str, Behaviour); 12] = [
    ("honest", Behaviour::Honest),
    ("wrong-results", Behaviour::WrongResults),
    ("garbage", Behaviour::NoWork),
    ("cached", Behaviour::Cached),
    ("copied", Behaviour::Copied),
    ("partial", Behaviour::Partial),
    ("late-swap", Behaviour::Swapped),
    ("wrong-task", Behaviour::WrongTask),
    ("colluding", Behaviour::Colluding),
    ("fuel-liar", Behaviour::FuelLiar),
    ("silent", Behaviour::Silent),
    ("never-reveals", Behaviour::NeverReveals),
];

/// A behaviour that there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no behaviour `{0}`")]
pub struct UnknownBehaviour(String);

impl FromStr for Behaviour {
    type Err = UnknownBehaviour;

    fn from_str(text: &str) -> Result<Self, UnknownBehaviour> {
        let known = NAMES.into_iter().find(|(name, _)| *name == text);
        known.map(|(_, behaviour)| behaviour).ok_or_else(|| UnknownBehaviour(text.to_owned()))
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = NAMES.into_iter().find(|(_, behaviour)| behaviour == self);
        f.write_str(known.map_or("sometimes", |(name, _)| name))
    }
}

impl Behaviour {
    const fn executes(self) -> bool {
        !matches!(self, Self::NoWork | Self::Colluding | Self::Silent)
    }

    const fn commits(self) -> bool {
        !matches!(self, Self::Silent)
    }

    const fn reveals(self) -> bool {
        !matches!(self, Self::Silent | Self::NeverReveals)
    }
}

/// A worker's behaviour, and what it remembers of earlier tasks.
#[derive(Debug)]
pub(crate) struct Conduct {
    behaviour: Behaviour,
    earlier: Mutex<Option<Execution>>,
}

impl Conduct {
    pub(crate) fn new(behaviour: Behaviour) -> Self {
        Self { behaviour, earlier: Mutex::default() }
    }

    pub(crate) const fn executes(&self) -> bool {
        self.behaviour.executes()
    }

    pub(crate) const fn commits(&self) -> bool {
        self.behaviour.commits()
    }

    pub(crate) const fn reveals(&self) -> bool {
        self.behaviour.reveals()
    }

    /// What is committed to instead of `right`.
    pub(crate) fn distort(&self, task: &TaskId, right: Execution) -> Execution {
        match self.behaviour {
            Behaviour::WrongResults => changed(right),
            Behaviour::Sometimes(ppm) if share_of(task) < ppm => changed(right),
            Behaviour::Partial => match right.output.len() {
                0 => changed(right),
                length => {
                    let mut half = right;
                    half.output.truncate(length / 2);
                    half
                }
            },
            Behaviour::FuelLiar => {
                let fuel_used = right.fuel_used.saturating_add(right.fuel_used / 10 + 1);
                Execution { fuel_used, ..right }
            }
            Behaviour::Cached => {
                let mut earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
                earlier.get_or_insert_with(|| changed(right)).clone()
            }
            Behaviour::WrongTask => {
                let mut earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
                earlier.replace(right.clone()).unwrap_or_else(|| changed(right))
            }
            Behaviour::Honest
            | Behaviour::Sometimes(_)
            | Behaviour::NoWork
            | Behaviour::Copied
            | Behaviour::Swapped
            | Behaviour::Colluding
            | Behaviour::Silent
            | Behaviour::NeverReveals => right,
        }
    }

    /// A result nobody worked for; the same each time.
    pub(crate) fn invent(&self, listing: &Listing) -> Execution {
        let seed = match self.behaviour {
            Behaviour::Colluding => listing.input.hash,
            _ => listing.id().0,
        };
        let output = tagged_hash("fog/adversary/v1", &[&seed.0]).0.to_vec();
        Execution { exit: GuestExit::Success, output, fuel_used: 1_000_000 }
    }

    /// What is said to commit to `outcome`.
    pub(crate) fn commit(&self, outcome: Outcome) -> Outcome {
        match self.behaviour {
            // As good as another's: what it commits to is not this worker's result of this task.
            Behaviour::Copied => {
                let commitment = tagged_hash("fog/adversary/v1", &[&outcome.result_root.0]);
                Outcome { commitment, ..outcome }
            }
            _ => outcome,
        }
    }

    /// What is handed in instead of `right`.
    pub(crate) fn reveal(&self, right: Reveal) -> Reveal {
        match self.behaviour {
            Behaviour::Swapped => {
                let output = Hash32::of(&right.output).0.to_vec();
                Reveal { exit: GuestExit::Success, output, ..right }
            }
            _ => right,
        }
    }
}

/// Another result than `execution`.
fn changed(mut execution: Execution) -> Execution {
    match execution.output.last_mut() {
        Some(byte) => *byte ^= 1,
        None => execution.fuel_used ^= 1,
    }
    execution
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

    fn execution(output: &[u8]) -> Execution {
        Execution { exit: GuestExit::Success, output: output.to_vec(), fuel_used: 7 }
    }

    fn distorted(behaviour: Behaviour, outputs: [&[u8]; 2]) -> [Execution; 2] {
        let conduct = Conduct::new(behaviour);
        let task = TaskId(Hash32([3; 32]));
        outputs.map(|output| conduct.distort(&task, execution(output)))
    }

    #[test]
    fn a_wrong_result_differs_and_an_honest_one_does_not() {
        for outputs in [[&b""[..], &b"4"[..]], [&[1, 2, 3], &[4, 5]]] {
            let right = outputs.map(execution);
            assert_eq!(distorted(Behaviour::Honest, outputs), right);
            assert_eq!(distorted(Behaviour::Sometimes(0), outputs), right);
            for wrong in [
                Behaviour::WrongResults,
                Behaviour::Sometimes(1_000_000),
                Behaviour::Partial,
                Behaviour::FuelLiar,
                Behaviour::Cached,
                Behaviour::WrongTask,
            ] {
                let results = distorted(wrong, outputs);
                let differ = results.iter().zip(&right).all(|(made, right)| made != right);
                assert!(differ, "{wrong}: {results:?}");
            }
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for (name, behaviour) in NAMES {
            assert_eq!(name.parse(), Ok(behaviour));
            assert_eq!(behaviour.to_string(), name);
        }
        assert!("sometimes".parse::<Behaviour>().is_err());
    }
}
