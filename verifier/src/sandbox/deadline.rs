//! The wall limit. Compiled code does not know the time: the host looks at its clock whenever the
//! guest has burnt another slice of its fuel.
//!
//! A guest is a future that stops where a slice ends. Slices are counted in fuel, so they lie where
//! they lie on every host, and a guest can't tell that there are any. Between two looks at the clock
//! it can burn a slice, and make one host call or bulk operation that it has paid for by the byte.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use super::{host::Stop, outcome::LimitKind};

/// When a run has to be over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    started: Instant,
    wall: Duration,
}

impl Deadline {
    /// So many milliseconds from now.
    pub(super) fn after_ms(wall_ms: u32) -> Self {
        Self { started: Instant::now(), wall: Duration::from_millis(wall_ms.into()) }
    }

    /// Whether there is time left.
    ///
    /// # Errors
    /// [`Stop::Limit`] of the wall, with the milliseconds since the start.
    pub(super) fn check(&self) -> Result<(), Stop> {
        let elapsed = self.started.elapsed();
        if elapsed < self.wall {
            return Ok(());
        }
        Err(Stop::Limit(LimitKind::Wall, elapsed.as_millis() as u64))
    }

    /// Runs a guest to its end, or to the end of the slice in which its time is over.
    ///
    /// # Errors
    /// What ended the guest.
    pub(super) fn run<T>(
        &self,
        guest: impl Future<Output = wasmtime::Result<T>>,
    ) -> wasmtime::Result<T> {
        let mut guest = pin!(guest);
        // It waits for nothing but us.
        let mut nobody = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(end) = guest.as_mut().poll(&mut nobody) {
                return end;
            }
            self.check()?;
        }
    }
}
