//! Runs as far apart from the usual ones as this machine allows: before a rejection leaves.

use crate::{
    Execute, ExecuteError, Execution, Executor, Job,
    sandbox::{Optimisation, process::RunnerConfig},
};

/// Straight translation is slower: so much longer may a run take. Time is no part of a result.
const WALL_FACTOR: u32 = 6;

/// Runs every job in processes of its own, compiled anew by another path through the compiler,
/// with no cache of compiled code, neither on disk nor in memory. A fault of a child, of cached
/// code or of the optimiser that made one run wrong is not there again.
#[derive(Debug, Clone)]
pub struct Independent {
    config: RunnerConfig,
}

impl Independent {
    /// With children of the program that `like` names.
    #[must_use]
    pub fn new(like: &RunnerConfig) -> Self {
        let mut config = like.clone();
        config.cache = None;
        config.children = 1;
        config.runs_per_child = 1;
        config.optimisation = Optimisation::Off;
        config.max_limits.wall_ms = config.max_limits.wall_ms.saturating_mul(WALL_FACTOR);
        Self { config }
    }
}

impl Execute for Independent {
    fn execute(&self, job: &Job<'_>) -> Result<Execution, ExecuteError> {
        let failed = |error: crate::sandbox::process::RunnerError| {
            ExecuteError::Sandbox(format!("the independent run: {error}"))
        };
        let executor = Executor::start(self.config.clone()).map_err(failed)?;
        executor.with_wall_ms(self.config.max_limits.wall_ms).execute(job)
    }
}
