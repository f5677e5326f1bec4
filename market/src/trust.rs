//! Trusted workers: whom the node checks less often than it checks others, and never less often than
//! the listing asks.
//!
//! A listing's rate is its requestor's: reserve, odds in the receipt and what `fog audit` recomputes
//! rest on it, so no trust of a node's takes anything from it. What trust takes from is what the node
//! adds for a short history ([`crate::Rules::rate_of_history`]), and of that at most nine tenths.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use fog_protocol::{PublicKey, RATE_ONE};

/// The smallest factor there is, in parts per million: whatever is registered, a tenth of the usual
/// checks stays.
pub const LEAST_FACTOR_PPM: u32 = 100_000;
/// The rate that trust does not go below, in parts per million, where the usual one is above it.
pub const LEAST_RATE_PPM: u32 = 10_000;

/// How far a worker's key is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Trusted {
    /// What is left of the usual rate, in parts per million.
    pub factor_ppm: u32,
    /// Trust that was lost comes back with a higher number alone: somebody decided it again.
    pub grant: u32,
}

impl Trusted {
    /// What is left of `usual` (parts per million). Never zero, never more than the usual rate.
    #[must_use]
    pub fn rate(self, usual: u32) -> u32 {
        let factor = u64::from(self.factor_ppm.clamp(LEAST_FACTOR_PPM, RATE_ONE));
        let rate = u64::from(usual) * factor / u64::from(RATE_ONE);
        u32::try_from(rate).unwrap_or(usual).max(usual.min(LEAST_RATE_PPM))
    }
}

/// Whom the node trusts, from here on. A log that says so is also one in which a caught worker's
/// earlier results are looked at again: in older ones they were not.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Trust {
    /// By the session key that the worker's stake contract names: who takes over a wallet with another
    /// key takes over no trust.
    pub keys: BTreeMap<PublicKey, Trusted>,
    /// Whether results are looked at again.
    pub rechecks: Rechecks,
}

/// Are a caught worker's earlier results looked at again?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub enum Rechecks {
    /// Yes.
    #[default]
    Made,
    /// No: the node asks fewer verifiers than have to sign a ruling.
    NoQuorum,
}
