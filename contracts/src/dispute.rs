//! A verdict in dispute: challenge, ruling, and what the task tells about them.

use fog_protocol::{Address, Hash32, Nano};
use tycho_types::{cell::Cell, error::Error};

use crate::{
    cells::{self, ContractError, Fields as _, take_address, take_coins, take_hash},
    notify,
    task::{self, Outcome, Verdict, op},
};

/// The dispute in a task's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dispute {
    /// Who challenged the verdict.
    pub challenger: Address,
    /// Its bond; zero once it is paid out.
    pub bond: Nano,
    /// The evidence it named.
    pub evidence: Hash32,
    /// Does a caught worker owe it a reward?
    pub won: bool,
    /// Chain time before which nobody decides: the end of the verdict's own window.
    pub rules_from: u32,
}

impl Dispute {
    pub(crate) fn parse(cell: &Cell) -> Result<Self, ContractError> {
        cells::read("Dispute", cell, |slice| {
            Ok(Self {
                challenger: take_address(slice)?,
                bond: take_coins(slice)?,
                evidence: take_hash(slice)?,
                won: slice.load_bit()?,
                rules_from: slice.load_u32()?,
            })
        })
    }
}

/// Body of `Challenge`, from anyone: attach the market's challenge bond and
/// [`crate::CHALLENGE_VALUE`].
///
/// # Errors
/// [`ContractError::Build`].
pub fn challenge(query: u64, evidence: &Hash32) -> Result<Cell, ContractError> {
    cells::build("Challenge", |cell| {
        cell.store_u32(op::CHALLENGE)?;
        cell.store_u64(query)?;
        cell.put_hash(evidence)
    })
}

/// The evidence that a `Challenge` names.
///
/// # Errors
/// [`ContractError::Layout`] if it is none.
pub fn challenged(body: &Cell) -> Result<Hash32, ContractError> {
    cells::read("Challenge", body, |slice| {
        if slice.load_u32()? != op::CHALLENGE {
            return Err(Error::InvalidTag);
        }
        let _query = slice.load_u64()?;
        take_hash(slice)
    })
}

/// Body of `Ruling`, from anyone: as many signatures over [`crate::ruling_hash`] as the market's
/// appeal takes.
///
/// # Errors
/// [`ContractError::Build`].
pub fn ruling(query: u64, ruling: &Verdict) -> Result<Cell, ContractError> {
    task::judgement("Ruling", op::RULING, query, ruling)
}

/// A log of a challenge, or of what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisputeLog {
    /// Somebody challenged a verdict.
    Challenged {
        /// The task's id.
        task: Hash32,
        /// Who.
        challenger: Address,
        /// The evidence named.
        evidence: Hash32,
    },
    /// It was decided, or its time ran out.
    Ruled {
        /// The task's id.
        task: Hash32,
        /// What holds.
        outcome: Outcome,
        /// Did the verdict stand?
        upheld: bool,
        /// Hash of the evidence of what holds.
        evidence: Hash32,
    },
}

impl DisputeLog {
    /// Reads a log's body.
    ///
    /// # Errors
    /// [`ContractError::Layout`] if it is another.
    pub fn parse(body: &Cell) -> Result<Self, ContractError> {
        cells::read("dispute log", body, |slice| match slice.load_u32()? {
            notify::op::CHALLENGE_LOG => Ok(Self::Challenged {
                task: take_hash(slice)?,
                challenger: take_address(slice)?,
                evidence: take_hash(slice)?,
            }),
            notify::op::RULING_LOG => Ok(Self::Ruled {
                task: take_hash(slice)?,
                outcome: task::take_outcome(slice)?,
                upheld: slice.load_bit()?,
                evidence: take_hash(slice)?,
            }),
            _ => Err(Error::InvalidTag),
        })
    }
}
