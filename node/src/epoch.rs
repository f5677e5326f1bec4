//! Audit seeds: one an epoch, derived from one secret, so that nothing secret is stored. The hash
//! of a seed is published, signed, when its epoch begins; the seed itself once the epoch is over
//! and every task that names it has ended.

use std::fmt;

use fog_protocol::{
    EPOCH_GRACE_SECONDS, Epoch, Hash32, MAX_EPOCH_SECONDS, SecretKey, Signed, Tagged as _,
    tagged_hash,
};
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

/// How a node that starts goes on with its epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Epochs {
    /// With the chain that its database has.
    #[default]
    Continue,
    /// The same, but without one it begins at this number, not at the chain's time: a network that
    /// is to be the same each time, whenever it runs. Who loses its database cannot go on so.
    From(u64),
    /// With another chain, for all to see: the database was put back from a copy, so that verifiers
    /// know other epochs of its last numbers.
    Anew,
}

/// An epoch that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Begun {
    /// Its number; those of a chain begin at the chain's time, in seconds.
    pub(crate) number: u64,
    /// What was published of its seed.
    pub(crate) seed_hash: Hash32,
    /// Chain time at which it began.
    pub(crate) started_at: u64,
    /// As it was signed; none for those before there were signatures.
    pub(crate) signed: Option<Signed<Epoch>>,
}

/// Begins epochs.
pub(crate) struct Turning<'a> {
    /// The node.
    pub(crate) node: Hash32,
    /// What seeds follow from.
    pub(crate) secret: &'a EpochSecret,
    /// The operator's key.
    pub(crate) key: &'a SecretKey,
    /// How long an epoch lasts, in seconds of chain time.
    pub(crate) seconds: u64,
}

impl Turning<'_> {
    /// The epoch that begins at `now`, after the one `before`.
    pub(crate) fn begin(&self, before: Option<&Begun>, first: u64, now: u64) -> Begun {
        // Beyond all that there were before, if it is the time: no epoch is shorter than a second.
        let number = before.map_or(first, |before| before.number + 1);
        let signed = before.and_then(|before| before.signed.as_ref());
        let epoch = Epoch {
            node: self.node,
            number,
            seed_hash: self.secret.seed_hash(number),
            previous: signed.map(|signed| signed.value.digest()).unwrap_or_default(),
            from: now,
            to: now.saturating_add(self.seconds.max(1)),
        };
        let signed = Some(Signed::new(epoch, self.key));
        Begun { number, seed_hash: epoch.seed_hash, started_at: now, signed }
    }
}

impl Begun {
    /// Is it one that nobody takes any more, as older versions could sign: with an end too far away?
    pub(crate) fn is_too_long(&self) -> bool {
        let lasts = |signed: &Signed<Epoch>| signed.value.to.saturating_sub(signed.value.from);
        self.signed.as_ref().is_some_and(|signed| lasts(signed) > MAX_EPOCH_SECONDS)
    }

    /// Chain time at which it is over.
    pub(crate) fn ends_at(&self) -> u64 {
        self.signed.as_ref().map_or(self.started_at, |signed| signed.value.to)
    }

    /// Chain time until which listings that name it are taken.
    pub(crate) fn taken_until(&self) -> u64 {
        self.ends_at().saturating_add(EPOCH_GRACE_SECONDS)
    }

    /// Chain time after which nothing that names it can begin any more.
    pub(crate) fn shut_at(&self) -> u64 {
        self.ends_at().saturating_add(2 * EPOCH_GRACE_SECONDS)
    }
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

    #[test]
    fn epochs_are_a_chain_over_pauses_and_show_no_seed() {
        let (secret, key) = (EpochSecret::new([7; 32]), SecretKey::from_seed(&[1; 32]));
        let turning = Turning { node: Hash32([5; 32]), secret: &secret, key: &key, seconds: 100 };
        let first = turning.begin(None, 1_000, 1_000);
        let second = turning.begin(Some(&first), 7, 1_100);
        let third = turning.begin(Some(&second), 7, 9_000);
        for pair in [[&first, &second], [&second, &third]] {
            let [before, after] = pair.map(|epoch| epoch.signed.as_ref().map(|it| it.value));
            assert!(before.zip(after).is_some_and(|(before, after)| after.follows(&before)));
        }
        assert_eq!(third.ends_at(), 9_100);
        let shown = format!("{third:?}");
        assert_eq!((first.number, third.number), (1_000, 1_002));
        assert!(!shown.contains(&secret.seed(1_002).to_string()), "{shown}");
    }
}
