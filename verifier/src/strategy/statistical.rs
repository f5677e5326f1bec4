//! `statistical`: numbers that a re-run need not give to the last digit.
//!
//! ```text
//! result = number *( ( "," / LF ) number ) [ LF ]      number as of `Decimal`; 1 to 16 of them
//! ```
//!
//! The program is run with the task's seed, which every run of the task has: the reference. A number
//! with an absolute or relative bound must be that near to it, and that is all. A Monte Carlo
//! estimate with standard deviation s may come from other random numbers (another machine, threads,
//! a graphics card), so that worker and reference differ by a normal error of variance 2 s^2:
//!
//! ```text
//! first look    |x - y1| <= n s sqrt(2)                               accepted: it is near enough
//! last look     |16 x - (y1 + .. + y16)| > z s sqrt(16 * 17)          rejected
//! ```
//!
//! A breach of the first look (4.6 % of the honest at n = 2) only leads to fifteen more runs with
//! seeds made of the task's. The mean of k runs has variance s^2 / k, so x differs from it by a
//! normal error of variance s^2 (1 + 1/k) (two independent means, NIST/SEMATECH e-Handbook 7.3.1).
//! z = 5.42 bounds the odds of a false alarm in one of 16 fields: 16 * 2 Q(5.42) < 10^-6 (union
//! bound; Q is the normal tail). What passes the last look is accepted.
//!
//! Three things keep honest workers safe from a listing that is wrong about its program. Who runs
//! it in the sandbox hands in the reference itself. Where the reference is not in the format, result
//! and reference must be equal, as with `replay`. And where the sixteen runs lie further apart than
//! s allows (a range above 6.2 s: one time in 800 if s is right), nobody is rejected.
//!
//! All of it is integer arithmetic on 10^-12; factors are rounded up, in favour of the worker.

use borsh::{BorshDeserialize, BorshSerialize};
use fog_protocol::{Bound, Decimal, GuestExit, MAX_FIELDS, Policy, tagged_hash};
use serde::{Deserialize, Serialize};

use super::Ran;
use crate::{
    Evidence, EvidenceError, Finding, Submission, VerifyError, Work,
    execute::{Execute, Execution, Job},
    merkle,
};

/// Runs of the last look.
pub const LAST_LOOK: usize = 16;
/// sqrt(2) in millionths, rounded up.
const ROOT_TWO: i128 = 1_414_214;
/// 5.42 * sqrt(16 * 17) in thousandths, rounded up.
const LAST: i128 = 89_389;
/// Range of sixteen runs that the listing's standard deviation allows, in thousandths of it.
const RANGE: i128 = 6_200;

/// The numbers of a result; `None` if it is not in the format.
#[must_use]
pub fn numbers(output: &[u8]) -> Option<Vec<Decimal>> {
    let text = output.strip_suffix(b"\n").unwrap_or(output);
    let mut numbers = Vec::new();
    for field in text.split(|byte| matches!(byte, b',' | b'\n')) {
        if numbers.len() == MAX_FIELDS {
            return None;
        }
        numbers.push(Decimal::parse(field)?);
    }
    Some(numbers)
}

/// What the numbers say.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Judged {
    /// Near enough.
    Within,
    /// The reference is no list of numbers: result and reference were compared as they are.
    Exactly {
        /// Are they equal?
        equal: bool,
    },
    /// A number of the first look is too far away to pass, too near to be called wrong.
    Breach {
        /// Which, from 0.
        field: u8,
    },
    /// The runs themselves lie further apart than the listing says, or are not all lists of as many
    /// numbers: nobody can be called wrong by them.
    Spread,
    /// A number is wrong.
    Beyond {
        /// Which, from 0.
        field: u8,
    },
    /// The result is no list of as many numbers, the reference is.
    Malformed,
}

impl Judged {
    /// Is the result accepted? A breach is no verdict yet.
    #[must_use]
    pub const fn accepts(self) -> bool {
        match self {
            Self::Within | Self::Spread => true,
            Self::Exactly { equal } => equal,
            Self::Breach { .. } | Self::Beyond { .. } | Self::Malformed => false,
        }
    }
}

/// Judges a result by its numbers and those of the runs, the reference first: of one run, or of
/// [`LAST_LOOK`].
#[must_use]
pub fn judge(bounds: &[Bound], claimed: Option<&[Decimal]>, runs: &[Vec<Decimal>]) -> Judged {
    let Some(claimed) = claimed.filter(|claimed| claimed.len() == bounds.len()) else {
        return Judged::Malformed;
    };
    let Some(reference) = runs.first() else { return Judged::Spread };
    if runs.iter().any(|run| run.len() != bounds.len()) {
        return Judged::Spread;
    }
    let fields = || bounds.iter().zip(claimed).zip(reference).zip(0u8..);
    let near = |bound: &Bound, x: Decimal, y: Decimal| {
        let distance = (x.units() - y.units()).abs();
        match bound {
            Bound::Absolute { by } => distance <= by.units(),
            Bound::Relative { ppm } => distance * 1_000_000 <= y.units().abs() * i128::from(*ppm),
            Bound::Deviations { sigma, milli } => {
                distance * 1_000_000_000 <= sigma.units() * i128::from(*milli) * ROOT_TWO
            }
        }
    };
    let fixed = |bound: &Bound| matches!(bound, Bound::Absolute { .. } | Bound::Relative { .. });
    let far = |(((bound, x), y), field): (((&Bound, &Decimal), &Decimal), u8)| {
        let far = !near(bound, *x, *y);
        far.then_some((fixed(bound), field))
    };
    if let Some((_, field)) = fields().filter_map(far).find(|(fixed, _)| *fixed) {
        return Judged::Beyond { field };
    }
    let Some((_, field)) = fields().find_map(far) else { return Judged::Within };
    if runs.len() < LAST_LOOK {
        return Judged::Breach { field };
    }
    last_look(bounds, claimed, runs)
}

fn last_look(bounds: &[Bound], claimed: &[Decimal], runs: &[Vec<Decimal>]) -> Judged {
    let mut beyond = None;
    for (((at, bound), x), field) in bounds.iter().enumerate().zip(claimed).zip(0u8..) {
        let Bound::Deviations { sigma, .. } = bound else { continue };
        let column = || runs.iter().filter_map(|run| run.get(at)).map(|y| y.units());
        let (low, high) = (column().min().unwrap_or(0), column().max().unwrap_or(0));
        if (high - low) * 1000 > sigma.units() * RANGE {
            return Judged::Spread;
        }
        let distance = (x.units() * runs.len() as i128 - column().sum::<i128>()).abs();
        if distance * 1000 > sigma.units() * LAST {
            beyond = beyond.or(Some(field));
        }
    }
    beyond.map_or(Judged::Within, |field| Judged::Beyond { field })
}

/// What the runs gave, and what that says.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Compared {
    /// The run with the task's seed.
    pub reference: Ran,
    /// The result's numbers.
    pub claimed: Option<Vec<Decimal>>,
    /// Those of the runs, the reference first; none if that is no list of numbers.
    pub runs: Vec<Vec<Decimal>>,
    /// What they say.
    pub judged: Judged,
}

impl Compared {
    pub(crate) fn reason(&self) -> String {
        let runs = self.runs.len();
        let number = |field: u8| u32::from(field) + 1;
        match self.judged {
            Judged::Within => format!("within its bounds of {runs} runs"),
            Judged::Exactly { equal: true } => "no numbers, but equal to a run".to_owned(),
            Judged::Exactly { equal: false } => "no numbers, and not equal to a run".to_owned(),
            Judged::Breach { field } => format!("number {} needs more runs", number(field)),
            Judged::Spread => "the listing's bounds do not hold for the program".to_owned(),
            Judged::Beyond { field } => {
                format!("number {} is out of its bounds of {runs} runs", number(field))
            }
            Judged::Malformed => "it is not the list of numbers that the program gives".to_owned(),
        }
    }

    pub(crate) fn check(&self, policy: &Policy, evidence: &Evidence) -> Result<(), EvidenceError> {
        let Policy::Statistical { bounds, .. } = policy else {
            return Err(EvidenceError::Policy);
        };
        let judged = if self.runs.is_empty() {
            Judged::Exactly { equal: self.reference == evidence.claim() }
        } else {
            judge(bounds, self.claimed.as_deref(), &self.runs)
        };
        let decided = !matches!(judged, Judged::Breach { .. });
        if decided && judged == self.judged { Ok(()) } else { Err(EvidenceError::Policy) }
    }
}

/// Looks at a submission.
pub(crate) fn find(
    work: &Work<'_>,
    submission: &Submission,
    execute: &dyn Execute,
) -> Result<Finding, VerifyError> {
    let Policy::Statistical { bounds, .. } = &work.listing.policy else {
        return Err(VerifyError::WrongWork("another policy"));
    };
    let job = Job::new(work.listing, work.program, work.input, &submission.worker());
    let first = execute.execute(&job)?;
    let reference = ran(&first);
    let claimed = read(submission.exit(), submission.output());
    let mut runs = Vec::new();
    let mut judged = Judged::Exactly { equal: reference == submission.claim() };
    let of = |execution: &Execution| read(execution.exit, &execution.output);
    if let Some(numbers) = of(&first).filter(|numbers| numbers.len() == bounds.len()) {
        runs.push(numbers);
        judged = judge(bounds, claimed.as_deref(), &runs);
    }
    if let Judged::Breach { .. } = judged {
        for number in 1..LAST_LOOK as u32 {
            let seed =
                tagged_hash("fog/statistical/seed/v1", &[&job.seed.0, &number.to_le_bytes()]);
            let again = execute.execute(&Job { seed, ..job.clone() })?;
            // What is no list of as many numbers makes the runs no ground for anything.
            runs.push(of(&again).unwrap_or_default());
        }
        judged = judge(bounds, claimed.as_deref(), &runs);
    }
    // Before anything is called wrong, the reference must come out again.
    if !judged.accepts() && ran(&execute.execute(&job)?) != reference {
        return Err(VerifyError::NotDeterministic);
    }
    Ok(Finding::Compared(Compared { reference, claimed, runs, judged }))
}

fn read(exit: GuestExit, output: &[u8]) -> Option<Vec<Decimal>> {
    (exit == GuestExit::Success).then(|| numbers(output)).flatten()
}

fn ran(execution: &Execution) -> Ran {
    let Execution { exit, output, fuel_used } = execution;
    let result_root = merkle::result_root(*exit, output);
    Ran { exit: *exit, result_root, fuel_used: *fuel_used }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
#[path = "statistical_tests.rs"]
mod tests;
