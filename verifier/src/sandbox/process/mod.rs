//! Guests in child processes.
//!
//! [`RunnerPool`] is the parent's side: a blocking call that any number of threads may make.
//! [`child_main`] is the child's: `fog __sandbox` calls it before anything else.
//!
//! The two speak length-prefixed borsh over one socket pair, which is the child's stdin. A child
//! starts with an empty environment, in `/`, closes every other descriptor, gives up privileges
//! and bounds itself by rlimits, and asks the kernel for nothing but memory and time from then on
//! ([`lock_down`]), before it reads the first byte that came from outside. There are two roles: a compiler serves one module and never runs a guest; a runner never compiles and
//! is replaced after a trap or a limit. The key of the on-disk cache stays with the parent.

mod child;
mod config;
mod confine;
mod descriptor;
mod frame;
mod link;
mod lockdown;
mod pool;
mod prove;

pub use child::child_main;
pub use config::{RunnerConfig, RunnerError};
pub use lockdown::{Confinement, lock_down};
pub use pool::RunnerPool;
pub use prove::{NoProof, ProofOutput, ProveJob};
