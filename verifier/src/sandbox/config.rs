//! How a sandbox is set up, and how it fails.

use std::num::NonZeroU64;

use borsh::{BorshDeserialize, BorshSerialize};

use super::limits::Limits;

/// Where instances get their memory from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Allocation {
    /// From slots that are reused: quicker, and at most this many guests at once.
    Pooled {
        /// Guests at once.
        instances: u32,
    },
    /// Mapped for each run.
    OnDemand,
}

/// How hard the compiler tries. Outcomes are the same at every level, but for guests whose compiled
/// code needs several times the stack that they name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Optimisation {
    /// Quickest code: what workers and verifiers use.
    Speed,
    /// Quick code, small too.
    Size,
    /// Straight translation: another path through the compiler, for independent re-runs.
    Off,
}

/// Where NaNs are made canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Nans {
    /// In modules that compute with floats.
    WhereMade,
    /// In every module: to prove that it makes no difference.
    Everywhere,
}

/// Fuel between two looks at the clock: some 50 us of common code, and 50 ms of the slowest that
/// could be thought of (a call into the host at each unit).
pub(super) const SLICE: NonZeroU64 = NonZeroU64::new(250_000).unwrap();

/// How a [`Sandbox`](super::Sandbox) is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SandboxConfig {
    /// The most a job may ask for.
    pub max_limits: Limits,
    /// Where instances get their memory from.
    pub allocation: Allocation,
    /// Modules kept ready to run.
    pub ready_modules: u32,
    /// How hard the compiler tries.
    pub optimisation: Optimisation,
    /// Where NaNs are made canonical.
    pub nans: Nans,
    /// Fuel a guest burns between two looks at the clock. Outcomes are the same whatever it is, but
    /// for when the wall limit is noticed.
    pub slice: NonZeroU64,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            max_limits: Limits::default(),
            allocation: Allocation::Pooled { instances: 2 },
            ready_modules: 64,
            optimisation: Optimisation::Speed,
            nans: Nans::WhereMade,
            slice: SLICE,
        }
    }
}

/// The host failed; nothing is known about the guest.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// All slots of the pool are in use.
    #[error("all slots of the sandbox are in use")]
    Busy,
    /// The host has no memory left for the guest.
    #[error("the host has no memory left for the guest")]
    HostMemory,
    /// Wasmtime failed in a way no guest should be able to cause.
    #[error("the engine failed: {0}")]
    Engine(String),
}
