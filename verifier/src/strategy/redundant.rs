//! `redundant`: copies of a task for workers that cannot know of each other. Each copy is a listing
//! of its own, with an escrow, a salt and a commitment of its own; what makes them copies is a
//! secret of the requestor, of which each listing commits to another hash. Their inputs begin with
//! 32 random bytes that the program does not get, so that not even those look alike.
//!
//! Results are compared only after all copies are committed to and handed in. All equal: accepted.
//! Not all equal, or one did not come in time: the referee, a verifier's own run, decides about
//! each (`replay`), so the lone liar is slashed and the others are paid. Equal results of workers in
//! league are found by a draw over those that agree, each on its own: one that is found wrong has the
//! others looked at.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use fog_protocol::{Address, Group, Hash32, Listing, commitment_hash};
use serde::{Deserialize, Serialize};

use super::Ran;
use crate::{
    AuditBasis, Finding, Submission, VerifyError, Work, execute::Execute, verdict::replay,
};

/// What opens a commitment, without the result's bytes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Opening {
    /// What the worker says its run gave.
    pub ran: Ran,
    /// The commitment's salt.
    pub salt: Hash32,
}

/// Another copy of the task, with the result that its worker committed to.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Twin {
    /// Its listing.
    pub listing: Listing,
    /// Its worker.
    pub worker: Address,
    /// What that committed to.
    pub commitment: Hash32,
    /// What opens it.
    pub opening: Opening,
}

/// The other copies. Empty if not all of them were handed in: a worker that still has one must not
/// learn whose copies they are.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Siblings {
    /// What the copies' listings commit to.
    pub secret: Hash32,
    /// The copies.
    pub twins: Vec<Twin>,
}

impl Siblings {
    /// Are they all the other copies of the task, by as many other workers, with the same result?
    #[must_use]
    pub fn agree(&self, listing: &Listing, worker: &Address, claim: Ran) -> bool {
        let Some((copies, sibling)) = listing.policy.copies() else { return false };
        let mut places = BTreeSet::from([sibling]);
        let mut workers = BTreeSet::from([*worker]);
        let of_group = (0..copies).map(|index| Group::sibling(&self.secret, index));
        let of_group: BTreeSet<_> = of_group.collect();
        let same = |twin: &Twin| {
            let (one, other) = (listing, &twin.listing);
            (one.network, one.market, one.requestor_key, &one.program, one.limits)
                == (other.network, other.market, other.requestor_key, &other.program, other.limits)
        };
        let opens = |twin: &Twin| {
            let Opening { ran, salt } = &twin.opening;
            let id = twin.listing.id();
            commitment_hash(&id, &twin.worker, &ran.result_root, ran.fuel_used, salt)
                == twin.commitment
        };
        self.twins.iter().all(|twin| match twin.listing.policy.copies() {
            Some((as_many, sibling)) => {
                let new = places.insert(sibling) && workers.insert(twin.worker);
                new && as_many == copies && same(twin) && opens(twin) && twin.opening.ran == claim
            }
            None => false,
        }) && places == of_group
    }
}

/// Looks at a submission.
pub(crate) fn find(
    work: &Work<'_>,
    submission: &Submission,
    execute: &dyn Execute,
) -> Result<Finding, VerifyError> {
    let agree = |siblings: &Siblings| {
        siblings.agree(work.listing, &submission.worker(), submission.claim())
    };
    match &work.basis {
        AuditBasis::Siblings(siblings) if agree(siblings) => Ok(Finding::Agreed),
        AuditBasis::Agreed { siblings, .. } if agree(siblings) => Ok(Finding::Agreed),
        AuditBasis::Agreed { .. } => Err(VerifyError::WrongWork("copies that do not agree")),
        _ => replay(work, submission, execute),
    }
}
