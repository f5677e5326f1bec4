//! What the host keeps for one guest: its streams, its clock, its generator, its limits.

use std::{fmt, num::NonZeroU64};

use sha2::{Digest, Sha256};
use wasmtime::ResourceLimiter;

use super::{
    artifact::GuestKind, component, deadline::Deadline, job::Job, limits::Limits,
    outcome::LimitKind,
};

/// 2024-01-01T00:00:00Z, where every guest's clock starts, nanoseconds since 1970.
const EPOCH_NS: u64 = 1_704_067_200_000_000_000;
/// What each look at the clock advances it by, nanoseconds.
const TICK_NS: u64 = 1_000;

/// Everything one guest can see or touch.
pub(super) struct HostState {
    pub(super) stdin: Vec<u8>,
    pub(super) stdin_read: usize,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    /// `task`, then the job's arguments, each with its closing NUL.
    pub(super) args: Vec<Vec<u8>>,
    /// Which of fd 0, 1, 2 the guest has closed.
    pub(super) closed: [bool; 3],
    pub(super) limits: Limits,
    /// A growth of memory or of a table was refused: the limit, and what was asked for.
    pub(super) refused: Option<(LimitKind, u64)>,
    /// Linear memory of all the guest's instances, bytes.
    pub(super) memory_bytes: u64,
    pub(super) deadline: Deadline,
    slice: u64,
    /// With so much fuel left, a host call looks at the clock.
    next_look: u64,
    kind: GuestKind,
    elapsed_ns: u64,
    seed: [u8; 32],
    random_block: u64,
}

impl HostState {
    /// Its time begins now; host calls look at the clock once in a `slice` of fuel.
    pub(super) fn new(job: Job, kind: GuestKind, slice: NonZeroU64) -> Self {
        let args = std::iter::once("task".to_owned())
            .chain(job.args)
            .map(|arg| {
                let mut bytes = arg.into_bytes();
                bytes.push(0);
                bytes
            })
            .collect();
        Self {
            stdin: job.input,
            stdin_read: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
            args,
            closed: [false; 3],
            limits: job.limits,
            refused: None,
            memory_bytes: 0,
            deadline: Deadline::after_ms(job.limits.wall_ms),
            slice: slice.get(),
            next_look: job.limits.fuel.saturating_sub(slice.get()),
            kind,
            elapsed_ns: 0,
            seed: job.seed,
            random_block: 0,
        }
    }

    /// Looks at the clock if the guest has burnt a slice since a host call last did. A call that
    /// takes fuel begins a new slice, so a guest that calls often enough never ends one.
    ///
    /// # Errors
    /// [`Stop::Limit`] of the wall.
    pub(super) fn look_at_clock(&mut self, fuel_left: u64) -> Result<(), Stop> {
        if fuel_left > self.next_look {
            return Ok(());
        }
        self.next_look = fuel_left.saturating_sub(self.slice);
        self.deadline.check()
    }

    /// Nanoseconds since the guest's start; each look advances it, so loops that wait end.
    pub(super) fn monotonic_ns(&mut self) -> u64 {
        self.elapsed_ns = self.elapsed_ns.saturating_add(TICK_NS);
        self.elapsed_ns
    }

    /// The same clock on the calendar, nanoseconds since 1970.
    pub(super) fn realtime_ns(&mut self) -> u64 {
        EPOCH_NS.saturating_add(self.monotonic_ns())
    }

    /// Lets time pass, as a sleep of the guest would.
    pub(super) fn sleep_ns(&mut self, ns: u64) {
        self.elapsed_ns = self.elapsed_ns.saturating_add(ns);
    }

    /// Fills `out` from SHA-256(tag, seed, counter), the job's own generator.
    pub(super) fn fill_random(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let mut hash = Sha256::new();
            hash.update(b"fog/sandbox/random/v1");
            hash.update(self.seed);
            hash.update(self.random_block.to_le_bytes());
            self.random_block += 1;
            let block: [u8; 32] = hash.finalize().into();
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }

    fn most(&self, command: u32, component: u32) -> usize {
        match self.kind {
            GuestKind::Command => command as usize,
            GuestKind::Component => component as usize,
        }
    }

    /// Keeps the end of stderr, and never holds more than twice of what is kept.
    pub(super) fn write_stderr(&mut self, bytes: &[u8]) {
        let keep = self.limits.stderr_bytes as usize;
        let bytes = &bytes[bytes.len().saturating_sub(keep)..];
        self.stderr.extend_from_slice(bytes);
        if self.stderr.len() > keep.saturating_mul(2) {
            self.trim_stderr();
        }
    }

    /// Cuts stderr to what is kept.
    pub(super) fn trim_stderr(&mut self) {
        let surplus = self.stderr.len().saturating_sub(self.limits.stderr_bytes as usize);
        self.stderr.drain(..surplus);
    }
}

/// Growth is decided by the limits alone, so that every host says the same.
impl ResourceLimiter for HostState {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let others = self.memory_bytes.saturating_sub(current as u64);
        let total = others.saturating_add(desired as u64);
        if total > self.limits.memory_bytes {
            self.refused = Some((LimitKind::Memory, total));
            return Ok(false);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    /// A growth that was within the limits and failed all the same is the host's fault: the run
    /// ends as a host error instead of telling the guest something another host would not.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        if self.refused.is_none() && error.downcast_ref::<std::io::Error>().is_some() {
            return Err(Stop::HostMemory.into());
        }
        Ok(())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // The limit first: `maximum` is the pool's size where there is a pool, and that is no more
        // than the limit wherever the listing's is the host's own.
        if desired as u64 > u64::from(self.limits.table_elements) {
            self.refused = Some((LimitKind::Table, desired as u64));
            return Ok(false);
        }
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        self.most(1, component::MAX_INSTANCES)
    }

    fn memories(&self) -> usize {
        self.most(1, component::MAX_MEMORIES)
    }

    fn tables(&self) -> usize {
        self.most(super::inspect::MAX_TABLES, component::MAX_TABLES)
    }
}

/// Why a host call ends the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// `proc_exit`.
    Exit(u32),
    /// A limit that the host counts, and what the guest asked for.
    Limit(LimitKind, u64),
    /// The host ran out of memory below the guest's limit.
    HostMemory,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "the guest exited with {code}"),
            Self::Limit(limit, _) => write!(f, "the {limit} limit was hit"),
            Self::HostMemory => f.write_str("the host has no memory left for the guest"),
        }
    }
}

impl std::error::Error for Stop {}
