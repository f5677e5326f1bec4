//! The one way a task's program is run, by workers and verifiers alike: the same job gives the
//! same exit, output and fuel everywhere.

use fog_protocol::{
    Address, BLIND_BYTES, GuestExit, Hash32, Listing, Policy, Program, ResourceLimits, TaskId,
    journal_binding, tagged_hash,
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
    #[error("the program ran longer than the {0} s this host allows")]
    TooSlow(u64),
    /// The sandbox process failed; running it again may work.
    #[error("the sandbox failed: {0}")]
    Sandbox(String),
}

/// Runs jobs. Implemented over sandbox processes by [`crate::Executor`].
pub trait Execute: Send + Sync {
    /// Runs `job` to its end. Blocks.
    ///
    /// # Errors
    /// [`ExecuteError`].
    fn execute(&self, job: &Job<'_>) -> Result<Execution, ExecuteError>;
}
