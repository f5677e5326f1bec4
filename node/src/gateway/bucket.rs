//! A token bucket: so many frames a second on average, so many at once.

use std::time::{Duration, Instant};

/// Bounds a rate.
#[derive(Debug)]
pub(super) struct Bucket {
    pause: Duration,
    burst: Duration,
    /// When the bucket would be full again.
    full_at: Instant,
}

impl Bucket {
    /// `rate` a second on average, `burst` at once.
    pub(super) fn new(rate: u32, burst: u32, now: Instant) -> Self {
        let pause = Duration::from_secs(1) / rate.max(1);
        Self { pause, burst: pause * burst.max(1), full_at: now }
    }

    /// Takes one; `false` if there is none.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + self.pause;
        if full_at.duration_since(now) > self.burst {
            return false;
        }
        self.full_at = full_at;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 5, start);
        assert_eq!((0..20).filter(|_| bucket.take(start)).count(), 5);
        let later = start + Duration::from_millis(350);
        assert_eq!((0..20).filter(|_| bucket.take(later)).count(), 3);
        let much_later = start + Duration::from_secs(3600);
        assert_eq!((0..20).filter(|_| bucket.take(much_later)).count(), 5);
    }
}
