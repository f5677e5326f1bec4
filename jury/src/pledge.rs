//! The verdict on a pledge: stake that a worker reserved in bulk for tasks of the account rail.
//!
//! What it rests on was found before: a result that verifiers rejected, or none when its time is over.
//! Which tasks a pledge stood for only its node knows, so only keys of the node's own sign for it;
//! they remember it like any other verdict, and contradict themselves here neither.

use std::collections::BTreeMap;

use fog_contracts::{ContractError, VerdictTerms, epoch::Epoch};
use fog_protocol::{Address, Hash32, Signature, TaskId};

use crate::{
    examiner::{Examiner, wall_seconds},
    journal::Record,
    panel::Panel,
    question::{Found, Scope, Stage},
};

/// What is to be said of a pledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PledgeCase {
    /// Its terms, which its address is made of.
    pub epoch: Epoch,
    /// The worker's stake contract.
    pub stake: Address,
    /// Was every result right that it stood for?
    pub found: Found,
    /// Of the false result; or the root over the earnings' entries.
    pub evidence: Hash32,
    /// Last second (Unix) at which the signatures count.
    pub valid_until: u32,
}

/// Why a pledge's verdict was not signed.
#[derive(Debug, thiserror::Error)]
pub enum PledgeError {
    /// Too few keys.
    #[error(
        "{needed} verifiers have to sign for a pledge, {have} keys of this node's own do{why}: \
         verifiers in processes of their own cannot know what it stood for"
    )]
    TooFew {
        /// The market's threshold.
        needed: usize,
        /// How many signed.
        have: usize,
        /// What the others said.
        why: String,
    },
    /// Another market's.
    #[error("the pledge is of another market")]
    OtherMarket,
    /// The journal, in its own words.
    #[error("{0}")]
    Journal(#[from] crate::JournalError),
    /// Its contract cannot be computed.
    #[error(transparent)]
    Contract(#[from] ContractError),
}

impl PledgeCase {
    /// What the pledge's contract asks its verifiers to sign.
    ///
    /// # Errors
    /// [`ContractError`].
    pub fn digest(&self, scope: &Scope) -> Result<Hash32, ContractError> {
        fog_contracts::verdict_hash(&VerdictTerms {
            network: scope.network,
            task: self.epoch.task().address()?,
            stake: self.stake,
            price: self.epoch.price,
            commitment: self.epoch.promise()?,
            outcome: self.found.outcome(),
            evidence: self.evidence,
            valid_until: self.valid_until,
        })
    }
}

impl Examiner {
    /// Signs the verdict on a pledge, once the journal has it.
    ///
    /// # Errors
    /// [`PledgeError`]: nothing was signed.
    pub fn sign_pledge(&self, case: &PledgeCase) -> Result<Signature, PledgeError> {
        if case.epoch.market != self.scope().market {
            return Err(PledgeError::OtherMarket);
        }
        let digest = case.digest(self.scope())?;
        self.remember(&Record::Signed {
            task: TaskId(case.epoch.id()),
            stage: Stage::Verdict,
            found: case.found,
            commitment: case.epoch.promise()?,
            evidence: case.evidence,
            at: wall_seconds(),
        })?;
        Ok(self.key().sign(&digest.0))
    }
}

impl Panel {
    /// The verdict on a pledge with `needed` signatures of keys that this process has, by place in the
    /// market. Blocks until the disk has it.
    ///
    /// # Errors
    /// [`PledgeError::TooFew`].
    pub fn judge_pledge(
        &self,
        case: &PledgeCase,
        needed: usize,
    ) -> Result<BTreeMap<u8, Signature>, PledgeError> {
        let mut signatures = BTreeMap::new();
        let mut why = String::new();
        for (place, juror) in self.counted_jurors() {
            if signatures.len() == needed {
                break;
            }
            match juror.sign_pledge(case) {
                Some(Ok(signature)) => drop(signatures.insert(place, signature)),
                Some(Err(error)) => why = format!(" ({place}: {error})"),
                None => {}
            }
        }
        let have = signatures.len();
        if have < needed {
            return Err(PledgeError::TooFew { needed, have, why });
        }
        Ok(signatures)
    }
}
