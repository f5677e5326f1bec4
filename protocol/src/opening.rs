//! The requestor's word on which commitment its nonce was opened for. Who knows both secrets of a
//! draw knows what it says of any commitment: where no contract holds the commitment, only the
//! requestor's signature shows that it was the one at hand before the nonce was known.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{Hash32, Listing, Signed, TaskId, envelope::Tagged};

/// A nonce with the task and the commitment it was opened for, signed by the listing's key.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct NonceOpening {
    /// The task.
    pub task: TaskId,
    /// The commitment that the requestor saw.
    pub commitment: Hash32,
    /// The 32 bytes whose hash (`fog/nonce/v1`) is in the listing.
    pub nonce: Hash32,
}

impl Tagged for NonceOpening {
    const TAG: &'static str = "fog/nonce-opening/v1";
}

/// Why a nonce counts as not opened for a commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpeningError {
    /// It has to be there.
    #[error(
        "the requestor's word on which commitment its nonce was opened for is missing: on the \
         account rail nothing else shows that the commitment is older than the draw"
    )]
    Missing,
    /// Not by the listing's key.
    #[error("the nonce's opening is not signed by the key of the listing")]
    Signature,
    /// For another task.
    #[error("the nonce was opened for another task")]
    OtherTask,
    /// For another commitment.
    #[error("the nonce was opened for another commitment: this one may be younger than the draw")]
    OtherCommitment,
    /// Another nonce.
    #[error("the opening is of another nonce than the draw's")]
    OtherNonce,
}

impl Signed<NonceOpening> {
    /// Did the requestor of `listing` open this nonce for this commitment?
    ///
    /// # Errors
    /// [`OpeningError`], but [`OpeningError::Missing`].
    pub fn is_for(
        &self,
        listing: &Listing,
        commitment: &Hash32,
        nonce: &Hash32,
    ) -> Result<(), OpeningError> {
        let opening = self.verify().map_err(|_| OpeningError::Signature)?;
        if self.signer != listing.requestor_key {
            return Err(OpeningError::Signature);
        }
        if opening.task != listing.id() {
            return Err(OpeningError::OtherTask);
        }
        if opening.commitment != *commitment {
            return Err(OpeningError::OtherCommitment);
        }
        if opening.nonce != *nonce {
            return Err(OpeningError::OtherNonce);
        }
        Ok(())
    }
}

impl Listing {
    /// Checks what shows that the draw of `nonce` was unknown to who made `commitment`. On rails
    /// whose contract holds the commitment, its own order of messages shows that; elsewhere the
    /// requestor's signature has to.
    ///
    /// # Errors
    /// [`OpeningError`].
    pub fn check_opening(
        &self,
        opening: Option<&Signed<NonceOpening>>,
        commitment: &Hash32,
        nonce: &Hash32,
    ) -> Result<(), OpeningError> {
        match opening {
            Some(opening) => opening.is_for(self, commitment, nonce),
            None if self.rail.has_contract() => Ok(()),
            None => Err(OpeningError::Missing),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Address, BlobRef, Durations, Nano, Policy, Program, Rail, ResourceLimits, SecretKey,
    };

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }

    fn listing(rail: Rail) -> Listing {
        Listing {
            version: rail.listing_version(),
            network: -3,
            market: Address::basechain([1; 32]),
            operator: Address::basechain([2; 32]),
            requestor: Address::basechain([3; 32]),
            requestor_key: key(7).public(),
            program: Program::Wasi { module: BlobRef::of(b"module") },
            input: BlobRef::of(b"input"),
            limits: ResourceLimits::default(),
            price_cap: Nano::grams(1),
            policy: Policy::Replay { rate_ppm: 50_000 },
            durations: Durations::default(),
            nonce_hash: Hash32([5; 32]),
            epoch: None,
            salt: Hash32([6; 32]),
            rail,
        }
    }

    const COMMITMENT: Hash32 = Hash32([8; 32]);
    const NONCE: Hash32 = Hash32([9; 32]);

    #[test]
    fn an_opening_is_for_one_task_commitment_and_nonce_by_one_key() {
        let listing = listing(Rail::Account { account: Address::basechain([7; 32]) });
        let honest = NonceOpening { task: listing.id(), commitment: COMMITMENT, nonce: NONCE };
        let check = |opening: NonceOpening, by: u8| {
            listing.check_opening(Some(&Signed::new(opening, &key(by))), &COMMITMENT, &NONCE)
        };
        assert_eq!(check(honest, 7), Ok(()));
        assert_eq!(check(honest, 8), Err(OpeningError::Signature));
        let other = Hash32([1; 32]);
        let cases = [
            (NonceOpening { task: TaskId(other), ..honest }, OpeningError::OtherTask),
            (NonceOpening { commitment: other, ..honest }, OpeningError::OtherCommitment),
            (NonceOpening { nonce: other, ..honest }, OpeningError::OtherNonce),
        ];
        for (opening, error) in cases {
            assert_eq!(check(opening, 7), Err(error));
        }
        let mut changed = Signed::new(NonceOpening { commitment: other, ..honest }, &key(7));
        changed.value.commitment = COMMITMENT;
        let refused = listing.check_opening(Some(&changed), &COMMITMENT, &NONCE);
        assert_eq!(refused, Err(OpeningError::Signature));
        assert_eq!(listing.check_opening(None, &COMMITMENT, &NONCE), Err(OpeningError::Missing));
    }

    #[test]
    fn a_contract_says_when_the_commitment_came() {
        let listing = listing(Rail::Escrow);
        assert_eq!(listing.check_opening(None, &COMMITMENT, &NONCE), Ok(()));
        // One that is there has to be right all the same.
        let other = NonceOpening { task: listing.id(), commitment: NONCE, nonce: NONCE };
        let refused =
            listing.check_opening(Some(&Signed::new(other, &key(7))), &COMMITMENT, &NONCE);
        assert_eq!(refused, Err(OpeningError::OtherCommitment));
    }

    proptest! {
        #[test]
        fn openings_are_read_back_and_noise_is_refused_or_read(
            noise in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let opening = NonceOpening { task: TaskId(NONCE), commitment: COMMITMENT, nonce: NONCE };
            let signed = Signed::new(opening, &key(7));
            let bytes = borsh::to_vec(&signed).unwrap();
            prop_assert_eq!(&borsh::from_slice::<Signed<NonceOpening>>(&bytes).unwrap(), &signed);
            let json = serde_json::to_string(&signed).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Signed<NonceOpening>>(&json).unwrap(), &signed);
            let _ = borsh::from_slice::<Signed<NonceOpening>>(&noise);
        }
    }
}
