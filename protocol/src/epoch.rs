//! Epochs of audit seeds. A node signs each before anything is posted in it: the hash of its seed
//! is public from then on, the seed itself once all that names the epoch has ended. Each epoch
//! names the one before, so that none can be left out or exchanged later.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{Address, Hash32, PublicKey, Signed, envelope::Tagged, tagged_hash};

/// The id of the node with this wallet: what signed requests to it name.
#[must_use]
pub fn node_id(network: i32, market: &Address, operator: &Address) -> Hash32 {
    let parts: [&[u8]; 3] = [&network.to_le_bytes(), &market.hash.0, &operator.hash.0];
    tagged_hash("fog/node/v1", &parts)
}

/// One epoch of a node.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    /// The node: [`node_id`].
    pub node: Hash32,
    /// Its number.
    pub number: u64,
    /// Hash of its seed (`fog_verifier::draw::seed_hash`).
    pub seed_hash: Hash32,
    /// Tagged hash of the epoch before; zeros for the first.
    pub previous: Hash32,
    /// Chain time at which it begins.
    pub from: u64,
    /// Chain time at which it ends: listings that name it are taken until then, and a little longer.
    pub to: u64,
}

impl Tagged for Epoch {
    const TAG: &'static str = "fog/audit-epoch/v1";
}

/// What a listing names of the epoch whose seed decides its draw. Its requestor signs it, and the
/// task's id follows from it, before there is any commitment.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct EpochRef {
    /// The epoch's number.
    pub number: u64,
    /// Hash of its seed.
    pub seed_hash: Hash32,
}

/// Why an epoch is not one of a node, or does not follow the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EpochError {
    /// Not by the key asked for, or not by any.
    #[error("the epoch is not signed by its node")]
    Signature,
    /// Another node's.
    #[error("the epoch is another node's")]
    OtherNode,
    /// Another number, or another seed hash, than the listing names.
    #[error("the listing names another epoch")]
    NotNamed,
    /// Not the successor.
    #[error("epoch {number} does not follow the epoch before it")]
    Chain {
        /// Its number.
        number: u64,
    },
}

impl Epoch {
    /// What listings name of it.
    #[must_use]
    pub const fn named(&self) -> EpochRef {
        EpochRef { number: self.number, seed_hash: self.seed_hash }
    }

    /// The next epoch's beginning: number, and the hash of this one.
    #[must_use]
    pub fn follows(&self, before: &Self) -> bool {
        self.node == before.node
            && Some(self.number) == before.number.checked_add(1)
            && self.previous == before.digest()
            && self.from >= before.to
            && self.to > self.from
    }
}

impl Signed<Epoch> {
    /// The epoch, if `key` signed it and it is of the node with this id.
    ///
    /// # Errors
    /// [`EpochError::Signature`], [`EpochError::OtherNode`].
    pub fn of_node(&self, node: &Hash32, key: &PublicKey) -> Result<&Epoch, EpochError> {
        let epoch = self.verify().map_err(|_| EpochError::Signature)?;
        if self.signer != *key {
            return Err(EpochError::Signature);
        }
        if epoch.node != *node {
            return Err(EpochError::OtherNode);
        }
        Ok(epoch)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::SecretKey;

    fn first() -> Epoch {
        let node = node_id(-3, &Address::basechain([1; 32]), &Address::basechain([2; 32]));
        let (seed_hash, previous) = (Hash32([3; 32]), Hash32::default());
        Epoch { node, number: 0, seed_hash, previous, from: 10, to: 20 }
    }

    #[test]
    fn each_field_of_a_successor_counts() {
        let before = first();
        let next = Epoch { number: 1, previous: before.digest(), from: 20, to: 30, ..before };
        assert!(next.follows(&before));
        let changes: [fn(&mut Epoch); 6] = [
            |epoch| epoch.node.0[0] ^= 1,
            |epoch| epoch.number = 2,
            |epoch| epoch.number = 0,
            |epoch| epoch.previous.0[0] ^= 1,
            |epoch| epoch.from = 19,
            |epoch| epoch.to = 20,
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut other = next;
            change(&mut other);
            assert!(!other.follows(&before), "change {index}");
        }
        let after_a_pause = Epoch { from: 500, to: 510, ..next };
        assert!(after_a_pause.follows(&before));
    }

    #[test]
    fn only_its_node_signs_it() {
        let (key, other) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
        let signed = Signed::new(first(), &key);
        let node = first().node;
        assert_eq!(signed.of_node(&node, &key.public()), Ok(&first()));
        assert_eq!(signed.of_node(&node, &other.public()), Err(EpochError::Signature));
        let elsewhere = Hash32([9; 32]);
        assert_eq!(signed.of_node(&elsewhere, &key.public()), Err(EpochError::OtherNode));
        let mut changed = signed.clone();
        changed.value.seed_hash.0[0] ^= 1;
        assert_eq!(changed.of_node(&node, &key.public()), Err(EpochError::Signature));
        let bytes = borsh::to_vec(&signed).unwrap();
        assert_eq!(borsh::from_slice::<Signed<Epoch>>(&bytes).unwrap(), signed);
    }
}
