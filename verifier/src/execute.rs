//! The one way a task's program is run, by workers and verifiers alike: the same job gives the
//! same exit, output and fuel everywhere.

use std::time::Duration;

use fog_protocol::{
    Address, BLIND_BYTES, GiveUpCause, GivenUp, GuestExit, Hash32, Listing, Policy, Program,
    ResourceLimits, TaskId, journal_binding, tagged_hash,
};

use crate::groth16;

/// A program ready to be run.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// What is run.
    pub program: &'a Program,
    /// Its blobs in the order of [`Program::blobs`].
    pub blobs: &'a [Vec<u8>],
    /// The input.
    pub input: &'a [u8],
    /// Limits of the listing.
    pub limits: ResourceLimits,
    /// Seed of the guest's random generator: a function of the task alone.
    pub seed: Hash32,
    /// For proof policies: what binds a proof to task and worker. A scalar in decimal, or, where the
    /// proof is a zkVM's receipt, 32 bytes in hexadecimal.
    pub binding: Option<String>,
}

impl<'a> Job<'a> {
    /// The job of `listing` for `worker`.
    #[must_use]
    pub fn new(
        listing: &'a Listing,
        blobs: &'a [Vec<u8>],
        input: &'a [u8],
        worker: &Address,
    ) -> Self {
        let task = listing.id();
        let binding = match listing.policy {
            Policy::Groth16 { .. } => Some(binding(&task, worker)),
            Policy::Receipt { .. } => {
                Some(journal_binding(&task, worker, &listing.input.hash).to_string())
            }
            Policy::Replay { .. }
            | Policy::Proof { .. }
            | Policy::Improves { .. }
            | Policy::Statistical { .. }
            | Policy::Merkle { .. }
            | Policy::Redundant { .. }
            | Policy::Copies { .. } => None,
        };
        let (input, seed) = match listing.policy.copies() {
            Some(_) => {
                let input = input.get(BLIND_BYTES..).unwrap_or_default();
                (input, copies_seed(&listing.program, input))
            }
            None => (input, tagged_hash("fog/guest-seed/v1", &[&task.0.0])),
        };
        Self { program: &listing.program, blobs, input, limits: listing.limits, seed, binding }
    }
}

/// The seed that all copies of a task have: a function of program and input, which tells nobody who
/// has not got them which listings are copies.
fn copies_seed(program: &Program, input: &[u8]) -> Hash32 {
    let blobs: Vec<u8> = program.blobs().iter().flat_map(|blob| blob.hash.0).collect();
    tagged_hash("fog/guest-seed/copies/v1", &[&blobs, input])
}

/// The scalar a proof of `worker` for `task` must carry, in decimal.
#[must_use]
pub fn binding(task: &TaskId, worker: &Address) -> String {
    groth16::binding_scalar(task.0.0, worker.hash.0)
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// How the program ended.
    pub exit: GuestExit,
    /// Its output; empty unless it succeeded.
    pub output: Vec<u8>,
    /// Fuel it used.
    pub fuel_used: u64,
}

/// Why a program was not run to an end that can be committed to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecuteError {
    /// The program is refused before it runs: no worker could run it.
    #[error("the program is refused ({code}): {reason}")]
    Refused {
        /// Stable code.
        code: String,
        /// Cause and cure.
        reason: String,
    },
    /// The host's time limit ran out; that is not deterministic, so it is no result.
    #[error("the program ran longer than this host allows: {reached_ms} of {allowed_ms} ms")]
    TooSlow {
        /// How long it had run, in milliseconds.
        reached_ms: u64,
        /// What the host allows, in milliseconds.
        allowed_ms: u64,
    },
    /// The sandbox process failed; running it again may work.
    #[error("the sandbox failed: {0}")]
    Sandbox(String),
}

impl ExecuteError {
    /// The host's time limit ran out, and who ran it had to be killed: it ran as long as it might.
    #[must_use]
    pub fn killed_after(wall: Duration) -> Self {
        let allowed_ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        Self::TooSlow { reached_ms: allowed_ms, allowed_ms }
    }

    /// What a worker tells the requestor that can commit to no result because of this.
    #[must_use]
    pub fn given_up(&self) -> GivenUp {
        match self {
            Self::Refused { code, reason } => {
                GivenUp::new(GiveUpCause::Refused { code: code.clone() }, reason)
            }
            Self::TooSlow { reached_ms, allowed_ms } => {
                let (reached_ms, allowed_ms) = (*reached_ms, *allowed_ms);
                GivenUp::new(GiveUpCause::WallTime { reached_ms, allowed_ms }, "")
            }
            Self::Sandbox(cause) => GivenUp::new(GiveUpCause::Host, &without_paths(cause)),
        }
    }
}

/// Where a worker's programs and folders lie is nobody's matter.
fn without_paths(cause: &str) -> String {
    let shown = |word| if str::contains(word, ['/', '\\']) { "(path)" } else { word };
    cause.split_whitespace().map(shown).collect::<Vec<_>>().join(" ")
}

/// Runs jobs. Implemented over sandbox processes by [`crate::Executor`].
pub trait Execute: Send + Sync {
    /// Runs `job` to its end. Blocks.
    ///
    /// # Errors
    /// [`ExecuteError`].
    fn execute(&self, job: &Job<'_>) -> Result<Execution, ExecuteError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever keeps a worker from a result can be told as it is.
    #[test]
    fn every_end_without_a_result_can_be_told() {
        let ends = [
            ExecuteError::Refused { code: "not_wasm".into(), reason: "upload\nthe .wasm".into() },
            ExecuteError::TooSlow { reached_ms: 30_004, allowed_ms: 30_000 },
            ExecuteError::Sandbox(format!("/home/me/prover: {}", "died ".repeat(200))),
        ];
        for end in ends {
            let told = end.given_up();
            assert_eq!(told.check(), Ok(()), "{told:?}");
            assert!(!told.detail.contains("home"), "{told:?}");
        }
    }
}
