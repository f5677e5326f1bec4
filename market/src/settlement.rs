//! Witnesses that money may move. Each is made by consuming a witness of the verifier:
//!
//! ```text
//! Verified<Conclusion> --Assignment::accept--> Payable  \
//!                                                        Settlement -> the outbox
//! Rejected             --Assignment::reject--> Slashable /
//! ```
//!
//! Private fields, no `Clone`, no `Default`, no decoding: there is no other way to one.

use borsh::{BorshDeserialize, BorshSerialize};
use fog_protocol::{Address, Hash32, Nano, TaskId};
use fog_verifier::{Conclusion, Rejected, Verified};

use crate::{Refused, Verdict};

/// Who does a task, at which price and risk.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Assignment {
    /// The task.
    pub task: TaskId,
    /// Its escrow.
    pub escrow: Address,
    /// The worker.
    pub worker: Address,
    /// Its stake contract.
    pub stake: Address,
    /// The agreed price.
    pub price: Nano,
    /// The stake reserved.
    pub reserve: Nano,
    /// The worker's how-many-th assignment it is, from 0.
    pub index: u64,
}

/// A verified result of the assigned worker: its price may be paid.
#[derive(Debug, PartialEq, Eq)]
pub struct Payable(Facts);

/// A result of the assigned worker that was found wrong: its reserve may be cut.
#[derive(Debug, PartialEq, Eq)]
pub struct Slashable(Facts);

#[derive(Debug, PartialEq, Eq)]
struct Facts {
    assignment: Assignment,
    commitment: Hash32,
    evidence: Hash32,
}

impl Assignment {
    /// Consumes a verified result of this assignment.
    ///
    /// # Errors
    /// [`Refused::OtherResult`]: it is of another task, worker or commitment.
    pub fn accept(
        &self,
        verified: Verified<Conclusion>,
        commitment: Hash32,
    ) -> Result<Payable, Refused> {
        let evidence = verified.evidence_hash();
        let Conclusion { task, worker, commitment: opened } = *verified.value();
        self.same(task, worker, opened == commitment)?;
        Ok(Payable(Facts { assignment: self.clone(), commitment, evidence }))
    }

    /// Consumes the rejection of a result of this assignment.
    ///
    /// # Errors
    /// [`Refused::OtherResult`]: it is of another task, worker or commitment.
    pub fn reject(&self, rejected: Rejected, commitment: Hash32) -> Result<Slashable, Refused> {
        let evidence = rejected.evidence_hash();
        let opened = rejected.evidence().commitment;
        self.same(rejected.task(), rejected.worker(), opened == commitment)?;
        Ok(Slashable(Facts { assignment: self.clone(), commitment, evidence }))
    }

    fn same(&self, task: TaskId, worker: Address, commitment: bool) -> Result<(), Refused> {
        if self.task == task && self.worker == worker && commitment {
            Ok(())
        } else {
            Err(Refused::OtherResult { task: self.task })
        }
    }
}

macro_rules! facts {
    ($($witness:ident),*) => { $(
        impl $witness {
            /// Who did the task, at which price.
            #[must_use]
            pub const fn assignment(&self) -> &Assignment {
                &self.0.assignment
            }

            /// The worker's commitment.
            #[must_use]
            pub const fn commitment(&self) -> Hash32 {
                self.0.commitment
            }

            /// Hash of the evidence: goes on chain with the verdict.
            #[must_use]
            pub const fn evidence_hash(&self) -> Hash32 {
                self.0.evidence
            }
        }
    )* };
}

facts!(Payable, Slashable);

/// A verdict to put on chain.
#[derive(Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Pay the worker.
    Pay(Payable),
    /// Cut the worker's stake and refund the requestor.
    Slash(Slashable),
}

impl Settlement {
    /// Who did the task.
    #[must_use]
    pub const fn assignment(&self) -> &Assignment {
        match self {
            Self::Pay(payable) => payable.assignment(),
            Self::Slash(slashable) => slashable.assignment(),
        }
    }

    /// The task.
    #[must_use]
    pub const fn task(&self) -> TaskId {
        self.assignment().task
    }

    /// The worker's commitment.
    #[must_use]
    pub const fn commitment(&self) -> Hash32 {
        match self {
            Self::Pay(payable) => payable.commitment(),
            Self::Slash(slashable) => slashable.commitment(),
        }
    }

    /// Hash of the evidence.
    #[must_use]
    pub const fn evidence_hash(&self) -> Hash32 {
        match self {
            Self::Pay(payable) => payable.evidence_hash(),
            Self::Slash(slashable) => slashable.evidence_hash(),
        }
    }

    /// Which verdict.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Pay(_) => Verdict::Accepted,
            Self::Slash(_) => Verdict::Rejected,
        }
    }
}
