//! What a policy makes of a program: the one way in which workers produce a result, and in which it
//! is committed to.

use fog_protocol::{Address, GuestExit, Hash32, Listing, Policy};

use crate::{
    execute::{Execute, ExecuteError, Execution, Job},
    merkle,
    strategy::chunked,
};

/// Does the work of `listing`, as its policy wants it done.
///
/// # Errors
/// [`ExecuteError`].
pub fn produce(
    listing: &Listing,
    program: &[Vec<u8>],
    input: &[u8],
    worker: &Address,
    execute: &dyn Execute,
) -> Result<Execution, ExecuteError> {
    let job = Job::new(listing, program, input, worker);
    match &listing.policy {
        Policy::Merkle { chunks, .. } => chunked::produce(&job, chunks, execute),
        Policy::Replay { .. }
        | Policy::Groth16 { .. }
        | Policy::Proof { .. }
        | Policy::Improves { .. }
        | Policy::Statistical { .. }
        | Policy::Receipt { .. }
        | Policy::Redundant { .. }
        | Policy::Copies { .. } => execute.execute(&job),
    }
}

/// The root that a result is committed to by: of its bytes, or of its chunks' results.
#[must_use]
pub fn result_root(policy: &Policy, exit: GuestExit, output: &[u8], fuel_used: u64) -> Hash32 {
    let chunked = match policy {
        Policy::Merkle { .. } => chunked::read(exit, output, fuel_used),
        Policy::Replay { .. }
        | Policy::Groth16 { .. }
        | Policy::Proof { .. }
        | Policy::Improves { .. }
        | Policy::Statistical { .. }
        | Policy::Receipt { .. }
        | Policy::Redundant { .. }
        | Policy::Copies { .. } => None,
    };
    match chunked {
        Some(tree) => tree.root(),
        None => merkle::result_root(exit, output),
    }
}
