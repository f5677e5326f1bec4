//! What can go wrong between us and the chain.

use fog_protocol::Address;

use crate::StackError;

/// Why the chain could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChainError {
    /// The configuration makes no sense.
    #[error("{0}")]
    Config(String),
    /// No answer: refused, timed out, broken off.
    #[error(
        "the chain gateway {host} cannot be reached ({cause}): check the endpoint and the network"
    )]
    Unreachable {
        /// The gateway's host.
        host: String,
        /// What happened.
        cause: String,
    },
    /// The gateway asks us to slow down, and kept asking.
    #[error("the chain gateway {host} limits our requests: lower the rate, or set an API key")]
    RateLimited {
        /// The gateway's host.
        host: String,
    },
    /// The gateway failed (5xx).
    #[error("the chain gateway failed on {method} ({code}): {message}")]
    Server {
        /// The method called.
        method: &'static str,
        /// Its error code.
        code: i64,
        /// Its words, shortened.
        message: String,
    },
    /// The gateway refused the request (4xx): wrong parameters, method or key.
    #[error("the chain gateway refused {method} ({code}): {message}")]
    Refused {
        /// The method called.
        method: &'static str,
        /// Its error code.
        code: i64,
        /// Its words, shortened.
        message: String,
    },
    /// The answer is larger than we read.
    #[error("the chain gateway's answer to {method} is larger than {limit} bytes")]
    TooLarge {
        /// The method called.
        method: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// The answer is not what the dialect says.
    #[error("the chain gateway's answer to {method} cannot be read: {what}")]
    Malformed {
        /// The method called.
        method: &'static str,
        /// What is wrong.
        what: String,
    },
    /// The answer contradicts itself or what was asked: the gateway is broken or hostile.
    #[error("the chain gateway gave a false answer: {what}; use another endpoint")]
    Lied {
        /// The contradiction.
        what: String,
    },
    /// The answer is older than one already seen.
    #[error("the chain gateway lags behind: {what}")]
    Stale {
        /// What was seen before and now.
        what: String,
    },
    /// The transactions do not lead back to the cursor.
    #[error("the transactions of {address} do not lead back to the last known one: {what}")]
    Gap {
        /// The account.
        address: Address,
        /// Where the chain breaks.
        what: String,
    },
    /// Another network than configured.
    #[error("the chain endpoint serves network {found}, but {expected} is configured")]
    WrongNetwork {
        /// Configured global id.
        expected: i32,
        /// Global id found.
        found: i32,
    },
    /// A get-method ended with an error.
    #[error("get-method {name} of {address} failed with exit code {exit_code}")]
    GetMethod {
        /// The contract.
        address: Address,
        /// The get-method.
        name: String,
        /// Its exit code.
        exit_code: i32,
    },
    /// A get-method's stack is not what was expected.
    #[error("a get-method's answer: {0}")]
    Stack(#[from] StackError),
    /// Waited for a transaction in vain.
    #[error("no matching transaction of {address} within {seconds} s")]
    NotSeen {
        /// The account.
        address: Address,
        /// How long was waited.
        seconds: u64,
    },
}

impl ChainError {
    /// Whether trying again later may help without anybody changing anything.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::RateLimited { .. }
            | Self::Server { .. }
            | Self::Stale { .. }
            | Self::Malformed { .. }
            | Self::NotSeen { .. } => true,
            Self::Config(_)
            | Self::Refused { .. }
            | Self::TooLarge { .. }
            | Self::Lied { .. }
            | Self::Gap { .. }
            | Self::WrongNetwork { .. }
            | Self::GetMethod { .. }
            | Self::Stack(_) => false,
        }
    }

    /// Whether the next answer, maybe of another machine behind the same gateway, may be good: for
    /// reads that are repeated anyway. A false answer is one of those.
    #[must_use]
    pub const fn may_be_answered_better(&self) -> bool {
        self.is_transient() || matches!(self, Self::Lied { .. } | Self::TooLarge { .. })
    }

    /// A stable code for logs and interfaces.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Config(_) => "chain_config",
            Self::Unreachable { .. } => "chain_unreachable",
            Self::RateLimited { .. } => "chain_rate_limited",
            Self::Server { .. } => "chain_server",
            Self::Refused { .. } => "chain_refused",
            Self::TooLarge { .. } => "chain_too_large",
            Self::Malformed { .. } => "chain_malformed",
            Self::Lied { .. } => "chain_lied",
            Self::Stale { .. } => "chain_stale",
            Self::Gap { .. } => "chain_gap",
            Self::WrongNetwork { .. } => "chain_wrong_network",
            Self::GetMethod { .. } => "chain_get_method",
            Self::Stack(_) => "chain_stack",
            Self::NotSeen { .. } => "chain_not_seen",
        }
    }
}
