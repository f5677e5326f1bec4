//! The worker's secrets, and all that is derived from them. Nothing here is ever printed.

use std::time::{Duration, SystemTime};

use fog_protocol::{
    Address, Hash32, PROTOCOL_VERSION, PublicKey, RequestAuth, SealError, SealKey, SealPublicKey,
    SecretKey, Signature, Signed, Tagged, TaskId, gateway::Hello, tagged_hash,
};

/// Who the worker is.
#[derive(Debug)]
pub(crate) struct Identity {
    /// Owner wallet.
    pub(crate) worker: Address,
    /// Its `Stake`.
    pub(crate) stake: Address,
    session: SecretKey,
    seal: SealKey,
}

impl Identity {
    pub(crate) fn new(worker: Address, stake: Address, session: SecretKey) -> Self {
        // The seal key follows from the session key: a restart opens what was sealed before it.
        let seed = tagged_hash("fog/worker-seal-seed/v1", &[session.seed().as_ref()]);
        Self { worker, stake, session, seal: SealKey::from_seed(&seed.0) }
    }

    pub(crate) fn session_key(&self) -> PublicKey {
        self.session.public()
    }

    pub(crate) const fn seal_key(&self) -> SealPublicKey {
        self.seal.public()
    }

    pub(crate) fn sign<T: Tagged>(&self, value: T) -> Signed<T> {
        Signed::new(value, &self.session)
    }

    /// Signs a hash the contracts check.
    pub(crate) fn sign_hash(&self, hash: &Hash32) -> Signature {
        self.session.sign(&hash.0)
    }

    pub(crate) fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        self.seal.open(context, sealed)
    }

    /// The salt of the one commitment to `task`: the same after a restart, and unknown to others
    /// until it is revealed.
    pub(crate) fn salt(&self, task: &TaskId) -> Hash32 {
        tagged_hash("fog/worker-salt/v1", &[self.session.seed().as_ref(), &task.0.0])
    }

    pub(crate) fn hello(&self, node: Hash32, nonce: Hash32) -> Signed<Hello> {
        self.sign(Hello {
            protocol: PROTOCOL_VERSION,
            node,
            nonce,
            worker: self.worker,
            stake: self.stake,
            seal_key: self.seal_key(),
            agent: concat!("fog-worker/", env!("CARGO_PKG_VERSION")).into(),
        })
    }

    pub(crate) fn authorize(&self, node: &Hash32, method: &str, path: &str, body: &[u8]) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or(Duration::ZERO).as_secs();
        RequestAuth::header(&self.session, node, now, method, path, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_salts_are_the_same_after_a_restart_and_not_shown() {
        let make = |seed| {
            let address = Address::basechain([1; 32]);
            Identity::new(address, address, SecretKey::from_seed(&[seed; 32]))
        };
        let (a, b, other) = (make(0xab), make(0xab), make(0xcd));
        let task = TaskId(Hash32([7; 32]));
        assert_eq!((a.seal_key(), a.salt(&task)), (b.seal_key(), b.salt(&task)));
        assert_ne!(a.salt(&task), other.salt(&task));
        assert_ne!(a.salt(&task), a.salt(&TaskId(Hash32([8; 32]))));
        let shown = format!("{a:?}");
        assert!(!shown.contains("abababab") && !shown.contains("171, 171"), "{shown}");
    }
}
