//! Audit seeds: one an epoch, derived from one secret, so that nothing secret is stored. The hash
//! of a seed is published when its epoch begins; the seed itself once the epoch is over and all
//! that was committed in it is decided.

use std::fmt;

use fog_protocol::{Hash32, tagged_hash};
use fog_verifier::draw;
use zeroize::Zeroizing;

/// What all seeds are derived from.
pub(crate) struct EpochSecret(Zeroizing<[u8; 32]>);

impl fmt::Debug for EpochSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EpochSecret(..)")
    }
}

impl EpochSecret {
    /// Seeds that follow from `secret`.
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// The seed of an epoch: secret until it is revealed.
    pub(crate) fn seed(&self, epoch: u64) -> Hash32 {
        tagged_hash("fog/node-epoch-secret/v1", &[&*self.0, &epoch.to_le_bytes()])
    }

    /// What is published of it.
    pub(crate) fn seed_hash(&self, epoch: u64) -> Hash32 {
        draw::seed_hash(&self.seed(epoch))
    }
}

/// An epoch that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch {
    /// Its number, from 0.
    pub(crate) number: u64,
    /// What was published of its seed.
    pub(crate) seed_hash: Hash32,
    /// Chain time at which it began.
    pub(crate) started_at: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_differ_and_repeat() {
        let secret = EpochSecret::new([7; 32]);
        assert_ne!(secret.seed(0), secret.seed(1));
        assert_eq!(secret.seed(1), EpochSecret::new([7; 32]).seed(1));
        assert_ne!(secret.seed(1), EpochSecret::new([8; 32]).seed(1));
        assert_eq!(secret.seed_hash(3), draw::seed_hash(&secret.seed(3)));
        assert_eq!(format!("{secret:?}"), "EpochSecret(..)");
    }
}
