//! The deterministic sandbox for WebAssembly guests.
//!
//! A guest is a WASI preview 1 command that reads stdin and writes stdout, or a component with
//! typed functions ([`Call`], `wit/task.wit`). It sees a fixed clock,
//! a seeded generator and its arguments; no files, no network, no environment. Same module, job
//! and limits: same output, same fuel, same end, on every x86-64 host.
//!
//! ```text
//!   module bytes --inspect--> facts --compile (child A)--> Artifact --load (child B)--> run
//! ```
//!
//! * [`inspect`] judges a module without compiling it (imports, sizes, floats).
//! * [`Sandbox`] compiles and runs in this process: for children, tests and benches.
//! * [`process::RunnerPool`] is what services use: guests run in child processes that hold no
//!   key, compile in others that never run a guest.
//!
//! Invariants: nothing but this module touches Wasmtime; compiled code is only loaded when this
//! process, its parent or an authenticated cache made it ([`Artifact`] can't be built from bytes
//! outside); a store is never used after its run. Compiled code counts fuel and nothing else: the
//! host looks at its clock between slices of it, so time decides nothing but when to give up.

mod artifact;
mod cache;
mod component;
mod config;
mod deadline;
mod engine;
mod host;
mod inspect;
mod job;
mod limits;
mod outcome;
pub mod process;
mod run;
mod stack;
mod trusted;
mod wasi;

pub use artifact::{Artifact, Floats, GuestKind, ModuleFacts};
pub use cache::{ArtifactCache, CacheError};
pub use component::{Call, pack, unpack};
pub use config::{Allocation, Nans, Optimisation, SandboxConfig, SandboxError};
pub use engine::{Prepared, Sandbox};
pub use inspect::inspect;
pub use job::Job;
pub use limits::Limits;
pub use outcome::{Exit, LimitKind, Outcome, Refusal, TrapKind};
