//! How a pool of child processes is set up, and how it fails.

use std::{ffi::OsString, io, path::PathBuf, time::Duration};

use super::super::{
    cache::CacheError,
    config::{Allocation, Nans, Optimisation, SLICE, SandboxConfig},
    limits::Limits,
};
use super::frame::{Role, Setup};

/// Compiled modules the parent keeps in memory.
pub(super) const KEPT_ARTIFACTS: usize = 32;

/// How a [`RunnerPool`] is set up.
#[derive(Debug, Clone)]
pub struct RunnerConfig {
    /// The program that calls [`child_main`](super::child_main).
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Children that run guests, and so guests at once; as many may compile at once.
    pub children: usize,
    /// Callers that may wait for a child.
    pub queue: usize,
    /// How long a caller waits for a child.
    pub queue_wait: Duration,
    /// The most a job may ask for.
    pub max_limits: Limits,
    /// What a run may take over its wall limit before its child is killed.
    pub grace: Duration,
    /// How long compiling may take.
    pub compile_wall: Duration,
    /// Most memory of a child that compiles, bytes.
    pub compile_memory: u64,
    /// Most memory of a child that runs guests, bytes; holds input, output and guest.
    pub run_memory: u64,
    /// Runs after which a child is replaced.
    pub runs_per_child: u32,
    /// How hard the compiler tries.
    pub optimisation: Optimisation,
    /// Directory of compiled modules; `None` for memory only.
    pub cache: Option<PathBuf>,
}

impl RunnerConfig {
    /// Two children of `program __sandbox`, default limits, no cache on disk.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: vec!["__sandbox".into()],
            children: 2,
            queue: 256,
            queue_wait: Duration::from_secs(120),
            max_limits: Limits::default(),
            grace: Duration::from_secs(2),
            compile_wall: Duration::from_secs(30),
            compile_memory: 1 << 30,
            run_memory: 2 << 30,
            runs_per_child: 1_000,
            optimisation: Optimisation::Speed,
            cache: None,
        }
    }

    /// The same for the program that is running, as `fog` does.
    ///
    /// # Errors
    /// When the system can't say which that is.
    pub fn current_exe() -> io::Result<Self> {
        Ok(Self::new(std::env::current_exe()?))
    }

    pub(super) fn setup(&self, role: Role) -> Setup {
        let sandbox = SandboxConfig {
            max_limits: self.max_limits,
            allocation: Allocation::Pooled { instances: 1 },
            ready_modules: KEPT_ARTIFACTS as u32,
            optimisation: self.optimisation,
            nans: Nans::WhereMade,
            slice: SLICE,
        };
        match role {
            Role::Compiler => Setup {
                role,
                sandbox,
                memory_bytes: self.compile_memory,
                cpu_seconds: Some(self.compile_wall.as_secs() + 2),
            },
            Role::Runner => {
                Setup { role, sandbox, memory_bytes: self.run_memory, cpu_seconds: None }
            }
        }
    }
}

/// The host failed; nothing is known about the guest. Trying again is reasonable.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// The program can't be started.
    #[error("the sandbox process can't be started")]
    Spawn(#[source] io::Error),
    /// It was started and did not get ready.
    #[error("the sandbox process did not get ready: {0}")]
    Start(String),
    /// Too many callers wait already, or a child did not come free in time.
    #[error("all sandbox processes are busy")]
    Busy,
    /// The child ended during the run.
    #[error("the sandbox process died: {0}")]
    ChildDied(String),
    /// The child was killed: it did not answer although its wall limit was over.
    #[error("the sandbox process did not answer in time and was killed")]
    Hung,
    /// The child's host side failed.
    #[error("the sandbox failed: {0}")]
    Fault(String),
    /// The cache of compiled modules can't be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
}
