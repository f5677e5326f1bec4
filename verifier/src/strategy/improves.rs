//! `improves`: an evaluator, named by the listing, computes the objective of the result. The
//! worker's own figure counts for nothing.
//!
//! ```text
//! evaluator: stdin  = length of the input (u64, little endian) | input | result
//!            stdout = one number (`Decimal`), and a line feed or none
//! ```
//!
//! It runs in the sandbox within the listing's limits and with the task's seed. What it prints
//! beats the listing's number, or the result does not improve: also where it traps, fails, runs out
//! of fuel or prints anything else.
//!
//! A result that does not improve is no proof of cheating: the program may simply find nothing
//! better. So it is judged as `replay` would: who hands in what the program gives has done its
//! work; anything else that does not improve is rejected. Nobody who runs the program can be
//! slashed, whatever the evaluator is.

use borsh::{BorshDeserialize, BorshSerialize};
use fog_protocol::{Decimal, GuestExit, Policy, Program};
use serde::{Deserialize, Serialize};

use super::Ran;
use crate::{
    Evidence, EvidenceError, Finding, Submission, VerifyError, Work,
    execute::{Execute, ExecuteError, Job},
    verdict::replay,
};

/// What the evaluator said, and where that was not enough, what the program gives.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Improved {
    /// The objective of the result; `None` if there is none.
    pub objective: Option<Decimal>,
    /// What the program gives, if the objective does not beat the listing's number.
    pub replayed: Option<Ran>,
    /// Runs that agreed, of each.
    pub runs: u8,
}

impl Improved {
    pub(crate) fn accepts(&self, evidence: &Evidence) -> bool {
        self.replayed.is_none_or(|ran| ran == evidence.claim())
    }

    pub(crate) fn reason(&self, evidence: &Evidence) -> String {
        let objective = self
            .objective
            .map_or_else(|| "it has no objective".to_owned(), |value| format!("objective {value}"));
        match self.replayed {
            None => format!("{objective}: it improves"),
            Some(_) if self.accepts(evidence) => {
                format!("{objective}: no improvement, but what the program gives")
            }
            Some(_) => format!("{objective}: no improvement, and not what the program gives"),
        }
    }

    pub(crate) fn check(&self, policy: &Policy, evidence: &Evidence) -> Result<(), EvidenceError> {
        let Policy::Improves { direction, than, .. } = policy else {
            return Err(EvidenceError::Policy);
        };
        let better = self.objective.is_some_and(|value| direction.beats(value, *than));
        // A rejection rests on two runs.
        if better == self.replayed.is_none() && (self.runs >= 2 || self.accepts(evidence)) {
            Ok(())
        } else {
            Err(EvidenceError::Policy)
        }
    }
}

/// What an evaluator reads.
#[must_use]
pub fn question(input: &[u8], result: &[u8]) -> Vec<u8> {
    [&(input.len() as u64).to_le_bytes(), input, result].concat()
}

/// What an evaluator's output says.
#[must_use]
pub fn answer(output: &[u8]) -> Option<Decimal> {
    Decimal::parse(output.strip_suffix(b"\n").unwrap_or(output))
}

/// Looks at a submission.
pub(crate) fn find(
    work: &Work<'_>,
    submission: &Submission,
    execute: &dyn Execute,
) -> Result<Finding, VerifyError> {
    let Policy::Improves { evaluator, direction, than, .. } = &work.listing.policy else {
        return Err(VerifyError::WrongWork("another policy"));
    };
    let file = [work.key.ok_or(VerifyError::WrongWork("no evaluator"))?.to_vec()];
    let program = Program::Wasi { module: *evaluator };
    let question = question(work.input, submission.output());
    let job = Job {
        program: &program,
        blobs: &file,
        input: &question,
        ..Job::new(work.listing, work.program, work.input, &submission.worker())
    };
    let first = evaluate(submission, &job, execute);
    if let Ok(Some(value)) = first
        && direction.beats(value, *than)
    {
        let found = Improved { objective: Some(value), replayed: None, runs: 1 };
        return Ok(Finding::Improved(found));
    }
    let Finding::Replayed { exit, result_root, fuel_used, .. } = replay(work, submission, execute)?
    else {
        return Err(VerifyError::NotDeterministic);
    };
    let ran = Ran { exit, result_root, fuel_used };
    // A host that is too slow for the evaluator cannot say that a result does not improve.
    let objective = match first {
        Err(_) if ran == submission.claim() => None,
        first => first?,
    };
    if ran != submission.claim() && evaluate(submission, &job, execute)? != objective {
        return Err(VerifyError::NotDeterministic);
    }
    let runs = if ran == submission.claim() { 1 } else { 2 };
    Ok(Finding::Improved(Improved { objective, replayed: Some(ran), runs }))
}

fn evaluate(
    submission: &Submission,
    job: &Job<'_>,
    execute: &dyn Execute,
) -> Result<Option<Decimal>, ExecuteError> {
    if submission.exit() != GuestExit::Success {
        return Ok(None);
    }
    match execute.execute(job) {
        Ok(done) if done.exit == GuestExit::Success => Ok(answer(&done.output)),
        // An evaluator that cannot be run is the listing's fault, and the same everywhere.
        Ok(_) | Err(ExecuteError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answer_is_one_number() {
        let read = |text: &str| answer(text.as_bytes()).map(|value| value.to_string());
        assert_eq!(read("-1.5\n").as_deref(), Some("-1.5"));
        assert_eq!(read("7").as_deref(), Some("7"));
        for text in ["", "\n", "7\n\n", "7 ", "7\r\n", "1\n2\n", "best: 7"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = answer(&bytes);
        }

        #[test]
        fn no_two_questions_are_the_same(
            a in prop::collection::vec(any::<u8>(), 0..20), b in prop::collection::vec(any::<u8>(), 0..20),
            cut in any::<prop::sample::Index>(),
        ) {
            let both = [a.clone(), b.clone()].concat();
            let at = cut.index(both.len() + 1);
            if at != a.len() {
                prop_assert_ne!(question(&a, &b), question(&both[..at], &both[at..]));
            }
        }
    }
}
