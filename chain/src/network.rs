//! Which network a gateway serves: what may be signed there depends on it.

use fog_protocol::Address;

use crate::{ChainClient, ChainError};

/// The embedded chain's faucet: an account without a key that exists on no public network.
const LOCAL_FAUCET: Address = Address::basechain([
    0x0e, 0x81, 0x75, 0x6b, 0xb0, 0xa1, 0xad, 0xec, 0xf9, 0xb6, 0xbf, 0x56, 0xab, 0xc1, 0x09, 0xf1,
    0xba, 0x10, 0x0d, 0x76, 0xcd, 0x09, 0x77, 0x99, 0xc5, 0xa1, 0xfd, 0x29, 0x4b, 0x3f, 0xa6, 0x6a,
]);

/// Which network a gateway serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkKind {
    /// An embedded chain: its coins are worth nothing, its keys are known to everybody.
    Local,
    /// The public test network, or a private one of its id.
    Test,
    /// The main network.
    Main,
    /// Any other.
    Other(i32),
}

impl NetworkKind {
    /// Is anything there worth protecting?
    #[must_use]
    pub const fn is_public(self) -> bool {
        !matches!(self, Self::Local)
    }
}

impl std::fmt::Display for NetworkKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local => f.write_str("embedded chain (network -3), LOCAL ONLY"),
            Self::Test => f.write_str("TON test network (-3)"),
            Self::Main => f.write_str("TON main network (-239)"),
            Self::Other(id) => write!(f, "network {id}"),
        }
    }
}

impl ChainClient {
    /// Which network this is. The embedded chain has the id of the test network; its faucet, which
    /// belongs to nobody, tells it apart.
    ///
    /// # Errors
    /// As [`ChainClient::account`].
    pub async fn network_kind(&self) -> Result<NetworkKind, ChainError> {
        match self.config().network_id {
            -239 => Ok(NetworkKind::Main),
            -3 if self.account(&LOCAL_FAUCET).await?.is_active() => Ok(NetworkKind::Local),
            -3 => Ok(NetworkKind::Test),
            other => Ok(NetworkKind::Other(other)),
        }
    }
}
