//! Epochs of audit seeds. A node signs each before anything is posted in it: the hash of its seed
//! is public from then on, the seed itself once all that names the epoch has ended. Each epoch
//! names the one before, so that none can be left out or exchanged later.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{
    Address, Durations, Hash32, Listing, PublicKey, Signed, TaskId, envelope::Tagged, tagged_hash,
};

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

/// Seconds after an epoch's end in which listings that name it are still taken: who asked for it just
/// before may need them. Twice that time after its end it is shut: nothing that names it can begin
/// any more.
pub const EPOCH_GRACE_SECONDS: u64 = 30;
/// Longest time an epoch may last, in seconds: 31 days. Its seed stays secret as long, and all that
/// is drawn from it can be audited only then.
pub const MAX_EPOCH_SECONDS: u64 = 31 * 86_400;
/// Longest time a node may let a listing wait for its money, in seconds: a day.
pub const MAX_FUNDING_SECONDS: u64 = 86_400;
/// Seconds that the steps of a task may take on chain beyond its own durations.
const STEPS_SECONDS: u64 = 3_600;

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

/// What stands for the tasks that name an epoch, `tasks` in ascending order: it is on chain before
/// the seed is told, so that none can be left out when it is.
#[must_use]
pub fn epoch_tasks(tasks: &[TaskId]) -> Hash32 {
    let parts: Vec<&[u8]> = tasks.iter().map(|task| task.0.0.as_slice()).collect();
    tagged_hash("fog/epoch-tasks/v1", &parts)
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
    /// Too long, or without an end.
    #[error(
        "epoch {number} lasts {seconds} seconds: {MAX_EPOCH_SECONDS} (31 days) are the most, one \
         the least"
    )]
    Length {
        /// Its number.
        number: u64,
        /// How long it says that it lasts.
        seconds: u64,
    },
    /// The verdict counts until long after all that names the epoch should have ended.
    #[error(
        "the verdict would count until {until}: what names epoch {number} has ended by {ended}, and \
         its seed may have been told since"
    )]
    Late {
        /// The epoch's number.
        number: u64,
        /// Last second of the verdict.
        until: u64,
        /// By when everything has ended.
        ended: u64,
    },
}

impl Epoch {
    /// What listings name of it.
    #[must_use]
    pub const fn named(&self) -> EpochRef {
        EpochRef { number: self.number, seed_hash: self.seed_hash }
    }

    /// Does it name none before it? The first of a node does not; nor the first after a node lost
    /// its files, which has a number beyond all those before: numbers begin at the chain's time, in
    /// seconds, and no epoch is shorter than one.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.previous == Hash32::default()
    }

    /// From when on nothing that names it can begin any more.
    #[must_use]
    pub const fn shut_at(&self) -> u64 {
        self.to.saturating_add(2 * EPOCH_GRACE_SECONDS)
    }

    /// Chain time by which its node shows a later one, if only it hears of the time: as long after its
    /// end as a listing may wait for its money, and what names it for its steps.
    #[must_use]
    pub const fn overdue_from(&self) -> u64 {
        self.shut_at().saturating_add(MAX_FUNDING_SECONDS + STEPS_SECONDS)
    }

    /// May a verdict on a task with a contract count until `until`, whose draw is this epoch's? One
    /// that was paid for after its epoch was shut, and its seed told, has a later deadline. The
    /// chain takes no verdict after `until`, so that nobody's clock is needed.
    ///
    /// # Errors
    /// [`EpochError::Late`].
    pub fn check_until(&self, durations: &Durations, until: u64) -> Result<(), EpochError> {
        let own = [durations.bid, durations.commit, durations.verdict].map(u64::from);
        let ended = self.overdue_from().saturating_add(own.iter().sum());
        if until <= ended {
            return Ok(());
        }
        Err(EpochError::Late { number: self.number, until, ended })
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
    /// The epoch, if its signature holds and it is the one that this listing names, of the listing's
    /// node. Whether the signer is that node the caller has to know: its wallet's key is.
    ///
    /// # Errors
    /// [`EpochError::Signature`], [`EpochError::OtherNode`], [`EpochError::NotNamed`].
    pub fn of_listing(&self, listing: &Listing) -> Result<&Epoch, EpochError> {
        let node = node_id(listing.network, &listing.market, &listing.operator);
        let epoch = self.of_node(&node, &self.signer)?;
        if listing.named_epoch() == Some(epoch.named()) {
            Ok(epoch)
        } else {
            Err(EpochError::NotNamed)
        }
    }

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
        let (number, seconds) = (epoch.number, epoch.to.saturating_sub(epoch.from));
        if !(1..=MAX_EPOCH_SECONDS).contains(&seconds) {
            return Err(EpochError::Length { number, seconds });
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
    fn an_epoch_has_an_end_that_is_not_far() {
        let key = SecretKey::from_seed(&[1; 32]);
        let lasts = |seconds: u64| {
            let epoch = Epoch { to: first().from + seconds, ..first() };
            Signed::new(epoch, &key).of_node(&epoch.node, &key.public()).map(|_| ())
        };
        assert_eq!((lasts(1), lasts(MAX_EPOCH_SECONDS)), (Ok(()), Ok(())));
        for seconds in [0, MAX_EPOCH_SECONDS + 1] {
            assert_eq!(lasts(seconds), Err(EpochError::Length { number: 0, seconds }));
        }
    }

    /// The task was dropped, the seed told, and then its money came.
    #[test]
    fn no_verdict_counts_long_after_everything_has_ended() {
        let (epoch, durations) =
            (first(), Durations { bid: 10, commit: 20, verdict: 30, window: 9 });
        let last = 20 + 60 + 60 + MAX_FUNDING_SECONDS + STEPS_SECONDS;
        assert_eq!(epoch.check_until(&durations, last), Ok(()));
        let late = epoch.check_until(&durations, last + 1);
        assert_eq!(late, Err(EpochError::Late { number: 0, until: last + 1, ended: last }));
        assert!(epoch.check_until(&durations, u64::MAX).is_err());
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
