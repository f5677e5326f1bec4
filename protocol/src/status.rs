//! The one status a task has, as every surface shows it.

use std::{fmt, str::FromStr};

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// No such status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no task status")]
pub struct UnknownStatus(String);

macro_rules! statuses {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// Where a task stands. "Complete" is not a word here: a result is `accepted` once it is
        /// verified, and `paid` once the payment is final on chain.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            BorshSerialize, BorshDeserialize, Serialize, Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum TaskStatus { $($(#[$doc])* $variant,)* }

        impl TaskStatus {
            /// Every status, in the order of a task's life.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name used in JSON, the database and on screen.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl FromStr for TaskStatus {
            type Err = UnknownStatus;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    other => Err(UnknownStatus(other.chars().take(40).collect())),
                }
            }
        }
    };
}

statuses! {
    /// Posted; the escrow is not funded yet.
    AwaitingFunds = "awaiting_funds",
    /// Funded on chain; bids are taken.
    Open = "open",
    /// Matched; the stake is being reserved on chain.
    Assigning = "assigning",
    /// The stake is reserved; the worker has the work.
    Running = "running",
    /// The worker committed to a result.
    Committed = "committed",
    /// The result is here and being verified.
    Verifying = "verifying",
    /// Verified; the verdict is on its way or in its challenge window.
    Accepted = "accepted",
    /// Found wrong; the slash is on its way.
    Rejected = "rejected",
    /// Terminal: the worker was paid, final on chain.
    Paid = "paid",
    /// Terminal: the worker's stake was cut and the requestor refunded, final on chain.
    Slashed = "slashed",
    /// Terminal: the requestor got its money back; nobody was slashed for a wrong result.
    Refunded = "refunded",
    /// Terminal: never funded.
    Dropped = "dropped",
}

impl TaskStatus {
    /// Nothing more will happen.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Paid | Self::Slashed | Self::Refunded | Self::Dropped => true,
            Self::AwaitingFunds
            | Self::Open
            | Self::Assigning
            | Self::Running
            | Self::Committed
            | Self::Verifying
            | Self::Accepted
            | Self::Rejected => false,
        }
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
