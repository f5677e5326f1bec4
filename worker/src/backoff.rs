//! Growing pauses between attempts, with jitter, so that many workers do not return at once.

use std::time::Duration;

/// Pauses from `first`, doubled each time up to `longest`; each is between half and the whole of
/// its step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    attempts: u32,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, attempts: 0 }
    }

    pub(crate) const fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The next pause.
    pub(crate) fn next(&mut self) -> Duration {
        let step = self.first.saturating_mul(1 << self.attempts.min(20)).min(self.longest);
        self.attempts = self.attempts.saturating_add(1);
        step / 2 + step.mul_f64(0.5 * fraction())
    }
}

/// Between 0 and 1; not for secrets. Without the system's randomness there is no jitter.
fn fraction() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_cap() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        for expected in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            let pause = backoff.next().as_millis();
            assert!((expected / 2..=expected).contains(&pause), "{pause} of {expected}");
        }
        backoff.reset();
        assert!(backoff.next().as_millis() <= 100);
    }
}
