//! The chain's clock: wall clock plus an offset, or standing still for tests and scenarios.

use std::time::{SystemTime, UNIX_EPOCH};

/// Where chain time comes from. Chain time decides every deadline, so tests set it by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The machine's clock plus the offset accumulated by warps.
    System,
    /// This unix time in seconds plus the offset accumulated by warps; it moves only by warps
    /// (and by mining, see [`super::ChainConfig::block_seconds`]).
    Manual(u32),
    /// As [`Clock::Manual`], from where the chain stands: the time of its last block, or the
    /// machine's time for a new chain.
    Frozen,
}

impl Clock {
    /// Whether time moves only when it is told to.
    pub(crate) fn stands_still(self) -> bool {
        !matches!(self, Self::System)
    }
}

/// A clock in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunningClock {
    System,
    /// Counted from this unix time.
    From(u32),
}

impl RunningClock {
    /// Sets a clock going: `last` is the time and the warp offset of the chain's last block.
    pub(crate) fn start(clock: Clock, last: Option<(u32, u64)>) -> Self {
        match (clock, last) {
            (Clock::System, _) => Self::System,
            (Clock::Manual(seconds), _) => Self::From(seconds),
            (Clock::Frozen, None) => Self::From(Self::System.now(0)),
            (Clock::Frozen, Some((time, offset))) => {
                Self::From(time.saturating_sub(u32::try_from(offset).unwrap_or(u32::MAX)))
            }
        }
    }

    /// Chain time in unix seconds for a warp offset of `offset` seconds. Saturates at the `u32` range.
    pub(crate) fn now(self, offset: u64) -> u32 {
        let base = match self {
            Self::From(seconds) => u64::from(seconds),
            // A wall clock before 1970 is a broken machine; zero is then the only sane time.
            Self::System => {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
            }
        };
        u32::try_from(base.saturating_add(offset)).unwrap_or(u32::MAX)
    }
}
