//! What a verdict rests on, in one canonical encoding whose hash goes on chain.

use borsh::{BorshDeserialize, BorshSerialize};
use fog_protocol::{
    Address, GuestExit, Hash32, Listing, Policy, RATE_ONE, Tagged, TaskId, commitment_hash,
};
use serde::{Deserialize, Serialize};

use crate::{
    draw,
    strategy::{
        Ran, chunked::Chunked, improves::Improved, redundant::Siblings, statistical::Compared,
    },
};

/// Why a result was checked, or why not.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AuditBasis {
    /// The draw chose it.
    Drawn {
        /// The node's epoch seed.
        seed: Hash32,
        /// The requestor's nonce.
        nonce: Hash32,
    },
    /// The draw left it out.
    NotDrawn {
        /// The node's epoch seed.
        seed: Hash32,
        /// The requestor's nonce.
        nonce: Hash32,
    },
    /// The requestor did not open its nonce in time.
    NonceWithheld,
    /// One of the worker's first assignments, or drawn at the higher rate of a short history.
    Probation,
    /// The worker was caught before: everything it returns is checked.
    Flagged,
    /// The policy checks a proof every time.
    Proof,
    /// Somebody challenged the verdict.
    Disputed,
    /// It is one of several copies.
    Siblings(Siblings),
    /// It is one of several copies, all of which have the same result, and the draw left it out.
    Agreed {
        /// The other copies.
        siblings: Siblings,
        /// The node's epoch seed.
        seed: Hash32,
        /// The requestor's nonce.
        nonce: Hash32,
    },
}

impl AuditBasis {
    /// Is the result checked on this basis, by more than comparing?
    #[must_use]
    pub const fn is_audit(&self) -> bool {
        match self {
            Self::NotDrawn { .. } | Self::Agreed { .. } => false,
            Self::Drawn { .. }
            | Self::NonceWithheld
            | Self::Probation
            | Self::Flagged
            | Self::Proof
            | Self::Disputed
            | Self::Siblings(_) => true,
        }
    }

    /// The node's seed and the requestor's nonce, where a draw decided.
    const fn draw(&self) -> Option<(&Hash32, &Hash32)> {
        match self {
            Self::Drawn { seed, nonce }
            | Self::NotDrawn { seed, nonce }
            | Self::Agreed { seed, nonce, .. } => Some((seed, nonce)),
            Self::NonceWithheld
            | Self::Probation
            | Self::Flagged
            | Self::Proof
            | Self::Disputed
            | Self::Siblings(_) => None,
        }
    }

    /// The node's seed, where a draw decided.
    #[must_use]
    pub const fn seed(&self) -> Option<&Hash32> {
        match self.draw() {
            Some((seed, _)) => Some(seed),
            None => None,
        }
    }

    /// The requestor's nonce, where a draw decided.
    #[must_use]
    pub const fn nonce(&self) -> Option<&Hash32> {
        match self.draw() {
            Some((_, nonce)) => Some(nonce),
            None => None,
        }
    }

    /// One line for people.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Drawn { .. } => "drawn for audit",
            Self::NotDrawn { .. } => "not drawn for audit",
            Self::NonceWithheld => "audited: the requestor did not open its nonce",
            Self::Probation => "audited: the worker's history is short",
            Self::Flagged => "audited: the worker was caught before",
            Self::Proof => "proof checked",
            Self::Disputed => "audited: somebody challenged the verdict",
            Self::Siblings(_) => "compared with its copies",
            Self::Agreed { .. } => "equal to its copies, not drawn for audit",
        }
    }
}

/// What the verifier saw.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// The draw left it out: nothing was run.
    NotChecked,
    /// Run again: this came out.
    Replayed {
        /// How the program ended here.
        exit: GuestExit,
        /// Merkle root of what it put out here.
        result_root: Hash32,
        /// Fuel it used here.
        fuel_used: u64,
        /// Independent runs that agreed.
        runs: u8,
    },
    /// The Groth16 proof was checked.
    Proof {
        /// SHA-256 of the verification key.
        key: Hash32,
        /// `None` if it holds, else the stable code of what is wrong.
        fault: Option<String>,
    },
    /// The evaluator computed the result's objective.
    Improved(Improved),
    /// The result's numbers were compared with those of runs.
    Compared(Compared),
    /// Chunks were run again.
    Chunked(Chunked),
    /// All copies have the same result.
    Agreed,
}

/// Everything a verdict is a function of. Bytes of module, input and output are named by hash in
/// the listing and here; whoever has them can check the verdict again.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Evidence {
    /// The task.
    pub task: TaskId,
    /// The worker.
    pub worker: Address,
    /// What the worker committed to.
    pub commitment: Hash32,
    /// How the worker says the program ended.
    pub exit: GuestExit,
    /// Merkle root of its output.
    pub result_root: Hash32,
    /// SHA-256 of its output.
    pub output_hash: Hash32,
    /// Length of its output.
    pub output_bytes: u64,
    /// Fuel it says was used.
    pub fuel_used: u64,
    /// The commitment's salt.
    pub salt: Hash32,
    /// Why it was checked, or not.
    pub basis: AuditBasis,
    /// The rate the draw was made at, in parts per million.
    pub rate_ppm: u32,
    /// What was found.
    pub finding: Finding,
}

/// Why stored evidence does not support a verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// It is about another task.
    #[error("the evidence is about another task than the listing")]
    OtherTask,
    /// The opening does not match the commitment.
    #[error("the evidence does not open the worker's commitment")]
    Commitment,
    /// The draw recomputed gives the other result, or used another nonce or rate.
    #[error("the audit draw, recomputed, does not give what the evidence says")]
    Draw,
    /// The seed of the draw is not the one whose hash its requestor signed before the commitment.
    #[error("the draw's seed is not that of the epoch that the listing names")]
    Seed,
    /// The finding does not fit the policy.
    #[error("the evidence does not fit the listing's policy")]
    Policy,
}

impl Tagged for Evidence {
    const TAG: &'static str = "fog/evidence/v1";
}

impl Evidence {
    /// Does it support acceptance (`true`) or rejection, once [`Evidence::check`] passed?
    #[must_use]
    pub fn accepts(&self) -> bool {
        match &self.finding {
            Finding::NotChecked | Finding::Agreed => true,
            Finding::Replayed { exit, result_root, fuel_used, .. } => {
                *exit == self.exit
                    && *result_root == self.result_root
                    && *fuel_used == self.fuel_used
            }
            Finding::Proof { fault, .. } => fault.is_none(),
            Finding::Improved(found) => found.accepts(self),
            Finding::Compared(found) => found.judged.accepts(),
            Finding::Chunked(found) => found.accepts(),
        }
    }

    /// What the worker says its run gave.
    pub(crate) const fn claim(&self) -> Ran {
        Ran { exit: self.exit, result_root: self.result_root, fuel_used: self.fuel_used }
    }

    /// One line for people: what was found.
    #[must_use]
    pub fn reason(&self) -> String {
        match &self.finding {
            Finding::NotChecked => self.basis.reason().to_owned(),
            Finding::Replayed { .. } if self.accepts() => {
                format!("{}; output and fuel equal", self.basis.reason())
            }
            Finding::Replayed { exit, result_root, fuel_used, .. } => {
                let what = if *exit != self.exit {
                    format!("the program ends otherwise: {exit}, not {}", self.exit)
                } else if *result_root != self.result_root {
                    "the output differs".to_owned()
                } else {
                    format!("it uses {fuel_used} fuel, not {}", self.fuel_used)
                };
                format!("{}; {what}", self.basis.reason())
            }
            Finding::Agreed => format!("{}; all equal", self.basis.reason()),
            Finding::Improved(found) => {
                format!("{}; {}", self.basis.reason(), found.reason(self))
            }
            Finding::Compared(found) => format!("{}; {}", self.basis.reason(), found.reason()),
            Finding::Chunked(found) => format!("{}; {}", self.basis.reason(), found.reason()),
            Finding::Proof { fault: None, .. } => "the proof holds".to_owned(),
            Finding::Proof { fault: Some(code), .. } => format!("the proof is refused: {code}"),
        }
    }

    /// Re-checks everything that follows from the evidence and the listing alone: the opening,
    /// the draw and the policy. (Running the module or the pairing again is `verify`'s part.)
    ///
    /// # Errors
    /// The first step that fails.
    pub fn check(&self, listing: &Listing) -> Result<(), EvidenceError> {
        if listing.id() != self.task {
            return Err(EvidenceError::OtherTask);
        }
        let opened = commitment_hash(
            &self.task,
            &self.worker,
            &self.result_root,
            self.fuel_used,
            &self.salt,
        );
        if opened != self.commitment {
            return Err(EvidenceError::Commitment);
        }
        self.check_draw(listing)?;
        match (&listing.policy, &self.basis, &self.finding) {
            (
                Policy::Groth16 { key, .. },
                AuditBasis::Proof | AuditBasis::Disputed,
                Finding::Proof { key: used, .. },
            ) if key.hash == *used => Ok(()),
            (
                Policy::Receipt { program, .. },
                AuditBasis::Proof | AuditBasis::Disputed,
                Finding::Proof { key: used, .. },
            ) if program == used => Ok(()),
            // A claimed failure of the program proves nothing by itself: it is run again.
            (
                Policy::Groth16 { .. },
                AuditBasis::Proof | AuditBasis::Disputed,
                Finding::Replayed { .. },
            ) if self.exit != GuestExit::Success => Ok(()),
            // Copies that were not drawn are compared.
            (policy, AuditBasis::NotDrawn { .. }, Finding::NotChecked)
                if !policy.is_proof() && policy.copies().is_none() =>
            {
                Ok(())
            }
            (Policy::Copies { .. }, AuditBasis::Agreed { siblings, .. }, Finding::Agreed)
                if siblings.agree(listing, &self.worker, self.claim()) =>
            {
                Ok(())
            }
            (policy, basis, finding)
                if basis.is_audit() && *basis != AuditBasis::Proof && !policy.is_proof() =>
            {
                match finding {
                    Finding::Replayed { .. } => match policy {
                        Policy::Replay { .. }
                        | Policy::Redundant { .. }
                        | Policy::Copies { .. } => Ok(()),
                        _ => Err(EvidenceError::Policy),
                    },
                    Finding::Agreed => match basis {
                        AuditBasis::Siblings(siblings)
                            if matches!(policy, Policy::Redundant { .. })
                                && siblings.agree(listing, &self.worker, self.claim()) =>
                        {
                            Ok(())
                        }
                        _ => Err(EvidenceError::Policy),
                    },
                    Finding::Improved(found) => found.check(policy, self),
                    Finding::Compared(found) => found.check(policy, self),
                    Finding::Chunked(found) => found.check(policy, self),
                    Finding::NotChecked | Finding::Proof { .. } => Err(EvidenceError::Policy),
                }
            }
            (_, _, _) => Err(EvidenceError::Policy),
        }
    }

    fn check_draw(&self, listing: &Listing) -> Result<(), EvidenceError> {
        if self.rate_ppm < listing.policy.rate_ppm() || self.rate_ppm > RATE_ONE {
            return Err(EvidenceError::Draw);
        }
        let (seed, nonce, expected) = match &self.basis {
            AuditBasis::Drawn { seed, nonce } => (seed, nonce, true),
            AuditBasis::NotDrawn { seed, nonce } | AuditBasis::Agreed { seed, nonce, .. } => {
                (seed, nonce, false)
            }
            AuditBasis::NonceWithheld
            | AuditBasis::Probation
            | AuditBasis::Flagged
            | AuditBasis::Proof
            | AuditBasis::Disputed
            | AuditBasis::Siblings(_) => return Ok(()),
        };
        // Listings before version 5 name no epoch: no verifier signs a draw of theirs any more.
        if listing.named_epoch().is_some_and(|epoch| draw::seed_hash(seed) != epoch.seed_hash) {
            return Err(EvidenceError::Seed);
        }
        let drawn = draw::is_drawn(seed, nonce, &self.task, &self.commitment, self.rate_ppm);
        if drawn != expected || draw::nonce_hash(nonce) != listing.nonce_hash {
            return Err(EvidenceError::Draw);
        }
        Ok(())
    }
}
