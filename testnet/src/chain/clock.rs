//! The chain's clock: wall clock plus an offset, or fully manual for tests.

use std::time::{SystemTime, UNIX_EPOCH};

/// Where chain time comes from. Chain time decides every deadline, so tests set it by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The machine's clock plus the offset accumulated by warps.
    System,
    /// This unix time in seconds plus the offset accumulated by warps; it moves only by warps.
    Manual(u32),
}

impl Clock {
    /// Chain time in unix seconds for a warp offset of `offset` seconds. Saturates at the `u32` range.
    pub(crate) fn now(self, offset: u64) -> u32 {
        let base = match self {
            Self::Manual(seconds) => u64::from(seconds),
            // A wall clock before 1970 is a broken machine; zero is then the only sane time.
            Self::System => {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
            }
        };
        u32::try_from(base.saturating_add(offset)).unwrap_or(u32::MAX)
    }
}
