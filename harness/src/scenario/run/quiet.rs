//! Whether anything is happening.

use std::time::{Duration, Instant};

/// The chain's clock moves on once nothing has happened for so long.
const IDLE: Duration = Duration::from_millis(250);

/// Has nothing happened for a while?
pub(super) struct Quiet {
    transactions: u64,
    told: usize,
    since: Instant,
}

impl Quiet {
    pub(super) fn new() -> Self {
        Self { transactions: 0, told: 0, since: Instant::now() }
    }

    /// A second of the chain's clock may pass: nothing has happened since the last one.
    pub(super) fn is_over(&mut self, transactions: u64, told: usize) -> bool {
        if (self.transactions, self.told) != (transactions, told) {
            *self = Self { transactions, told, since: Instant::now() };
            return false;
        }
        let over = self.since.elapsed() >= IDLE;
        if over {
            self.since = Instant::now();
        }
        over
    }
}
