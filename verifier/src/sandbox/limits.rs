//! What one run may use. The listing lowers these, nothing raises them over the host's own.

use borsh::{BorshDeserialize, BorshSerialize};
use fog_protocol::ResourceLimits;
use serde::{Deserialize, Serialize};

use super::outcome::{LimitKind, Refusal};

const MIB: u64 = 1 << 20;

/// Bounds of one run. All are part of the deterministic result except `wall_ms`, which only
/// protects the host: a run stopped by it proves nothing about the guest.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct Limits {
    /// Wasmtime fuel: about one unit an instruction, one a byte for bulk and host copies.
    pub fuel: u64,
    /// Linear memory, bytes.
    pub memory_bytes: u64,
    /// Stack of the guest as WebAssembly sees it, bytes: 32 a call, and 8 for each parameter, local
    /// and operand.
    pub stack_bytes: u32,
    /// Time on the wall, milliseconds.
    pub wall_ms: u32,
    /// Elements of each table.
    pub table_elements: u32,
    /// Size of the module, bytes.
    pub module_bytes: u64,
    /// Size of stdin, bytes.
    pub input_bytes: u64,
    /// Size of stdout, bytes.
    pub output_bytes: u64,
    /// How much of the end of stderr is kept, bytes.
    pub stderr_bytes: u32,
}

impl Limits {
    /// Limits of a listing: what it names is taken from there, the rest from the defaults.
    #[must_use]
    pub fn for_listing(terms: &ResourceLimits) -> Self {
        Self {
            fuel: terms.fuel,
            memory_bytes: terms.memory_bytes,
            output_bytes: terms.output_bytes,
            stack_bytes: terms.stack_bytes,
            table_elements: terms.table_elements,
            ..Self::default()
        }
    }

    /// Each limit at most the one in `max`.
    ///
    /// Use it to build a listing's limits, not to squeeze a listing into a smaller host: two
    /// hosts that cap differently would disagree on the result.
    #[must_use]
    pub fn capped_by(self, max: &Self) -> Self {
        Self {
            fuel: self.fuel.min(max.fuel),
            memory_bytes: self.memory_bytes.min(max.memory_bytes),
            stack_bytes: self.stack_bytes.min(max.stack_bytes),
            wall_ms: self.wall_ms.min(max.wall_ms),
            table_elements: self.table_elements.min(max.table_elements),
            module_bytes: self.module_bytes.min(max.module_bytes),
            input_bytes: self.input_bytes.min(max.input_bytes),
            output_bytes: self.output_bytes.min(max.output_bytes),
            stderr_bytes: self.stderr_bytes.min(max.stderr_bytes),
        }
    }

    /// Whether a host with the limits `max` can honour these.
    ///
    /// # Errors
    /// [`Refusal::LimitAboveHost`] names the first limit that is over the host's.
    pub fn check_within(&self, max: &Self) -> Result<(), Refusal> {
        for limit in LimitKind::ALL {
            let (asked, host) = (self.of(limit), max.of(limit));
            if asked > host {
                return Err(Refusal::LimitAboveHost { limit, asked, host });
            }
        }
        Ok(())
    }

    /// The limit of one kind, in its unit.
    #[must_use]
    pub fn of(&self, limit: LimitKind) -> u64 {
        match limit {
            LimitKind::Fuel => self.fuel,
            LimitKind::Memory => self.memory_bytes,
            LimitKind::Stack => self.stack_bytes.into(),
            LimitKind::Wall => self.wall_ms.into(),
            LimitKind::Table => self.table_elements.into(),
            LimitKind::Module => self.module_bytes,
            LimitKind::Input => self.input_bytes,
            LimitKind::Output => self.output_bytes,
            LimitKind::Stderr => self.stderr_bytes.into(),
        }
    }
}

impl Default for Limits {
    /// What a listing that names nothing gets.
    fn default() -> Self {
        let terms = ResourceLimits::default();
        Self {
            fuel: terms.fuel,
            memory_bytes: terms.memory_bytes,
            stack_bytes: terms.stack_bytes,
            wall_ms: 30_000,
            table_elements: terms.table_elements,
            module_bytes: 16 * MIB,
            input_bytes: 64 * MIB,
            output_bytes: 64 * MIB,
            stderr_bytes: 16 << 10,
        }
    }
}
