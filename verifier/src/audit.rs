//! Did a node keep its word? When the seed of an epoch is revealed, anybody recomputes which
//! results had to be looked at, and compares that with what their verdicts rest on.

use fog_protocol::{Epoch, Hash32, Listing};

use crate::{AuditBasis, Evidence, EvidenceError, draw};

/// An epoch with its seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revealed {
    epoch: Epoch,
    seed: Hash32,
}

/// What the draw said of a result, recomputed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// It had to be looked at, and was.
    Drawn,
    /// It was left out.
    LeftOut,
    /// It was looked at whatever the draw said.
    Anyway,
}

/// How a node broke its word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// The seed revealed is not the one that was promised.
    #[error("the seed that the node reveals is not the one whose hash its epoch {0} shows")]
    OtherSeed(u64),
    /// Two epochs of one number.
    #[error("its listing names another seed hash for this epoch, or another epoch")]
    OtherEpoch,
    /// An epoch that does not end is one whose seed is never told.
    #[error(
        "its epoch {number} was to end at {to}, it is {now} by the chain, and the node shows none \
         after it"
    )]
    NotEnded {
        /// The epoch's number.
        number: u64,
        /// When it said that it would end, chain time.
        to: u64,
        /// Chain time.
        now: u64,
    },
    /// The draw was made with something else.
    #[error("its draw was made with another seed than the epoch's")]
    OtherDraw,
    /// The draw chose it, and nobody looked.
    #[error("the draw chose it, and its verdict says that it was left out: nobody looked")]
    Skipped,
    /// The draw left it out, and its verdict says otherwise.
    #[error("the draw left it out, and its verdict says that it was drawn")]
    NotDrawn,
    /// What is shown as evidence is none.
    #[error("its evidence does not hold: {0}")]
    Evidence(#[from] EvidenceError),
}

/// Does the node whose current epoch this is, at chain time `now`, keep to its end? One that lost the
/// chain for some hours is only late: it ends its epoch as soon as it hears of the time.
///
/// # Errors
/// [`Breach::NotEnded`].
pub const fn check_running(epoch: &Epoch, now: u64) -> Result<(), Breach> {
    let Epoch { number, to, .. } = *epoch;
    if now <= epoch.overdue_from() { Ok(()) } else { Err(Breach::NotEnded { number, to, now }) }
}

impl Revealed {
    /// The epoch with the seed that its node revealed.
    ///
    /// # Errors
    /// [`Breach::OtherSeed`].
    pub fn new(epoch: Epoch, seed: Hash32) -> Result<Self, Breach> {
        if draw::seed_hash(&seed) == epoch.seed_hash {
            Ok(Self { epoch, seed })
        } else {
            Err(Breach::OtherSeed(epoch.number))
        }
    }

    /// What the draw said of a result whose task names the epoch, and whether its verdict rests on
    /// that.
    ///
    /// # Errors
    /// Each other [`Breach`].
    pub fn due(&self, listing: &Listing, evidence: &Evidence) -> Result<Due, Breach> {
        if listing.named_epoch() != Some(self.epoch.named()) {
            return Err(Breach::OtherEpoch);
        }
        let (task, commitment, rate) = (
            &evidence.task,
            &evidence.commitment,
            evidence.rate_ppm.max(listing.policy.rate_ppm()),
        );
        let is_drawn = |nonce: &Hash32| draw::is_drawn(&self.seed, nonce, task, commitment, rate);
        let due = match &evidence.basis {
            AuditBasis::Drawn { seed, .. }
            | AuditBasis::NotDrawn { seed, .. }
            | AuditBasis::Agreed { seed, .. }
                if *seed != self.seed =>
            {
                return Err(Breach::OtherDraw);
            }
            AuditBasis::NotDrawn { nonce, .. } | AuditBasis::Agreed { nonce, .. }
                if is_drawn(nonce) =>
            {
                return Err(Breach::Skipped);
            }
            AuditBasis::Drawn { nonce, .. } if !is_drawn(nonce) => return Err(Breach::NotDrawn),
            AuditBasis::NotDrawn { .. } | AuditBasis::Agreed { .. } => Due::LeftOut,
            AuditBasis::Drawn { .. } => Due::Drawn,
            AuditBasis::NonceWithheld
            | AuditBasis::Probation
            | AuditBasis::Flagged
            | AuditBasis::Proof
            | AuditBasis::Disputed
            | AuditBasis::Siblings(_) => Due::Anyway,
        };
        evidence.check(listing)?;
        Ok(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_that_does_not_end_is_called_out_and_a_node_that_was_away_is_not() {
        let hash = Hash32([1; 32]);
        let epoch =
            Epoch { node: hash, number: 7, seed_hash: hash, previous: hash, from: 0, to: 3_600 };
        for now in [0, 3_600, 3_700, 3_600 + 86_400] {
            assert_eq!(check_running(&epoch, now), Ok(()), "{now}");
        }
        let now = 3_600 + 86_400 + 2 * 3_600;
        assert_eq!(check_running(&epoch, now), Err(Breach::NotEnded { number: 7, to: 3_600, now }));
    }
}
