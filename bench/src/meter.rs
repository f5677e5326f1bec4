//! How time is taken.

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};

/// What a benchmark found.
pub(crate) struct Reading {
    /// What one operation costs us.
    pub(crate) ours: f64,
    /// What it costs the other side.
    pub(crate) theirs: f64,
    /// Unit of both.
    pub(crate) unit: &'static str,
    /// Who the other side is.
    pub(crate) against: &'static str,
    /// The ratio that is wanted, at most.
    pub(crate) goal: f64,
    /// What else was measured, one line.
    pub(crate) note: String,
}

impl Reading {
    /// Our cost in parts of theirs: below one is better than they are.
    pub(crate) fn ratio(&self) -> f64 {
        self.ours / self.theirs
    }
}

/// CPU time this thread has used, nanoseconds. Other work on the machine does not count, except
/// through the caches.
pub(crate) fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// CPU time of one call, nanoseconds, and what it returned.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = cpu_ns();
    let made = work();
    (cpu_ns() - start, made)
}

/// The least cost of one operation on either side, nanoseconds: in each round both do a batch of
/// `batch` operations, one after the other.
pub(crate) fn in_turns(
    rounds: u32,
    batch: u32,
    mut ours: impl FnMut() -> Result<()>,
    mut theirs: impl FnMut() -> Result<()>,
) -> Result<(f64, f64)> {
    let mut least = (f64::INFINITY, f64::INFINITY);
    for _ in 0..rounds {
        least.0 = least.0.min(batch_ns(batch, &mut ours)?);
        least.1 = least.1.min(batch_ns(batch, &mut theirs)?);
    }
    Ok(least)
}

fn batch_ns(batch: u32, work: &mut impl FnMut() -> Result<()>) -> Result<f64> {
    let (spent, result) = timed(|| (0..batch).try_for_each(|_| work()));
    result?;
    Ok(spent / f64::from(batch))
}
