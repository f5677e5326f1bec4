//! How a guest ended.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// A limit that every host counts alike, by what it is counted in. The time on the wall is none: it is
/// a host's own.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// The listing's fuel.
    Fuel,
    /// The listing's linear memory.
    MemoryBytes,
    /// The sandbox's stack.
    StackBytes,
    /// Elements of one table.
    TableElements,
    /// The listing's output.
    OutputBytes,
}

impl Limit {
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Fuel => ("fuel", "units"),
            Self::MemoryBytes => ("memory", "bytes"),
            Self::StackBytes => ("stack", "bytes"),
            Self::TableElements => ("table elements", "elements"),
            Self::OutputBytes => ("output size", "bytes"),
        }
    }
}

/// How a guest ended. Part of what a worker commits to: a program that fails is a result too, and
/// a worker that ran it faithfully is paid for it. Every case is deterministic, figures included; a
/// host's own time limit is not, so it is never committed to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum GuestExit {
    /// It ended by itself with code 0.
    Success,
    /// It ended by itself with another code, or could not do its work.
    Failed {
        /// The exit code.
        code: i32,
    },
    /// It did something WebAssembly forbids.
    Trapped,
    /// It used all its fuel. This and the next three say no figures; runs are told as
    /// [`GuestExit::LimitHit`], these only stand in what is older than that.
    OutOfFuel,
    /// It asked for more memory than its limit, or for a larger table.
    OutOfMemory,
    /// It called too deeply.
    OutOfStack,
    /// It wrote more than its limit.
    TooMuchOutput,
    /// It hit a limit.
    LimitHit {
        /// Which.
        limit: Limit,
        /// How far it got, or what it asked for when it was stopped.
        reached: u64,
        /// What it was allowed.
        allowed: u64,
    },
}

impl GuestExit {
    /// Did it hit a limit that is told without figures?
    #[must_use]
    pub const fn lacks_figures(self) -> bool {
        matches!(self, Self::OutOfFuel | Self::OutOfMemory | Self::OutOfStack | Self::TooMuchOutput)
    }

    /// The same end as it was told before figures were.
    #[must_use]
    pub const fn without_figures(self) -> Self {
        match self {
            Self::LimitHit { limit, .. } => match limit {
                Limit::Fuel => Self::OutOfFuel,
                Limit::MemoryBytes | Limit::TableElements => Self::OutOfMemory,
                Limit::StackBytes => Self::OutOfStack,
                Limit::OutputBytes => Self::TooMuchOutput,
            },
            Self::Success
            | Self::Failed { .. }
            | Self::Trapped
            | Self::OutOfFuel
            | Self::OutOfMemory
            | Self::OutOfStack
            | Self::TooMuchOutput => self,
        }
    }
}

/// One sentence, for people.
impl fmt::Display for GuestExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => f.write_str("success"),
            Self::Failed { code } => write!(f, "the guest failed: exit code {code}"),
            Self::Trapped => f.write_str("the guest trapped"),
            Self::OutOfFuel => f.write_str("the fuel limit was hit"),
            Self::OutOfMemory => f.write_str("the memory limit was hit"),
            Self::OutOfStack => f.write_str("the stack limit was hit"),
            Self::TooMuchOutput => f.write_str("the output size limit was hit"),
            Self::LimitHit { limit, reached, allowed } => {
                let (name, unit) = limit.words();
                write!(f, "the {name} limit was hit: {reached} of {allowed} {unit}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is stored, committed to and on chain never changes its bytes.
    #[test]
    fn ends_keep_their_bytes() {
        let limit = Limit::TableElements;
        let ends = [
            (GuestExit::Success, "00"),
            (GuestExit::Failed { code: -2 }, "01feffffff"),
            (GuestExit::Trapped, "02"),
            (GuestExit::OutOfFuel, "03"),
            (GuestExit::OutOfMemory, "04"),
            (GuestExit::OutOfStack, "05"),
            (GuestExit::TooMuchOutput, "06"),
            (
                GuestExit::LimitHit { limit, reached: 258, allowed: 256 },
                "070302010000000000000001000000000000",
            ),
        ];
        for (end, bytes) in ends {
            assert_eq!(borsh::to_vec(&end).map(hex::encode).ok().as_deref(), Some(bytes));
        }
    }

    #[test]
    fn a_limit_is_named_with_how_far_the_guest_got() {
        let limit = Limit::MemoryBytes;
        let end = GuestExit::LimitHit { limit, reached: 314_572_800, allowed: 268_435_456 };
        let said = end.to_string();
        assert_eq!(said, "the memory limit was hit: 314572800 of 268435456 bytes");
        assert_eq!(end.without_figures(), GuestExit::OutOfMemory);
        assert!(end.without_figures().lacks_figures() && !end.lacks_figures());
        let shown = serde_json::json!({
            "kind": "limit_hit", "limit": "memory_bytes", "reached": 314_572_800, "allowed": 268_435_456
        });
        assert_eq!(serde_json::to_value(end).ok(), Some(shown));
    }
}
