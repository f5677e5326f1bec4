//! `Task`: the escrow of one task.

use std::collections::BTreeMap;

use fog_protocol::{Address, Hash32, Listing, Nano, Policy, Signature};
use tycho_types::{
    cell::{Cell, CellSlice},
    dict::Dict,
    error::Error,
    models::StateInit,
};

use crate::{
    TaskState,
    cells::{self, ContractError, Fields as _, take_address, take_coins, take_hash, take_maybe},
    code::task_code,
};

/// Opcodes of messages to a task.
pub mod op {
    /// Pays the price in, with the StateInit; from the requestor.
    pub const FUND: u32 = 0x5400_0001;
    /// The market's answer.
    pub const OPENED: u32 = 0x5400_0002;
    /// Assigns a worker; from the node's wallet.
    pub const ASSIGN: u32 = 0x5400_0003;
    /// The stake's answer.
    pub const RESERVED: u32 = 0x5400_0004;
    /// The worker's commitment; from anyone.
    pub const COMMIT: u32 = 0x5400_0005;
    /// The verifiers' verdict; from anyone.
    pub const VERDICT: u32 = 0x5400_0006;
    /// Pays or slashes after the window; from anyone.
    pub const FINALIZE: u32 = 0x5400_0007;
    /// The stake took the payment.
    pub const SETTLED: u32 = 0x5400_0008;
    /// The stake was cut.
    pub const SLASHED: u32 = 0x5400_0009;
    /// The reservation is gone.
    pub const RELEASED: u32 = 0x5400_000a;
    /// Takes an unassigned task back; from the requestor.
    pub const CANCEL: u32 = 0x5400_000b;
    /// Pushes a task out of a state whose deadline has passed; from anyone.
    pub const EXPIRE: u32 = 0x5400_000c;
    /// A proof of the task's statement, which is paid at once; from anyone.
    pub const PROVE: u32 = 0x5400_000d;
}

/// A task's terms on chain; `id` binds the rest of the listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The listing's hash.
    pub id: Hash32,
    /// The most it may cost.
    pub price: Nano,
    /// The most the requestor gets of a slash beyond the price.
    pub damages: Nano,
    /// Seconds from funding to an assignment.
    pub bid: u32,
    /// Seconds from assignment to the commitment.
    pub commit: u32,
    /// Seconds from commitment to the verdict.
    pub verdict: u32,
    /// Challenge window in seconds.
    pub window: u32,
    /// [`crate::proof::Statement::hash`] of what has to be proven: then a proof of it decides, and
    /// no verifier.
    pub statement: Option<Hash32>,
}

/// What a task's address is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskInit {
    /// The market.
    pub market: Address,
    /// Who pays and is refunded.
    pub requestor: Address,
    /// The node's wallet.
    pub operator: Address,
    /// The terms.
    pub terms: Terms,
}

impl TaskInit {
    /// The escrow of a listing: everybody who knows the listing computes the same address.
    #[must_use]
    pub fn of(listing: &Listing) -> Self {
        Self {
            market: listing.market,
            requestor: listing.requestor,
            operator: listing.operator,
            terms: Terms {
                id: listing.id().0,
                price: listing.price_cap,
                damages: listing.price_cap,
                bid: listing.durations.bid,
                commit: listing.durations.commit,
                verdict: listing.durations.verdict,
                window: listing.durations.window,
                statement: match listing.policy {
                    Policy::Proof { key } => {
                        Some(crate::proof::statement_hash(&listing.input.hash, &key))
                    }
                    Policy::Replay { .. } | Policy::Groth16 { .. } => None,
                },
            },
        }
    }

    /// The init as a cell.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn to_cell(&self) -> Result<Cell, ContractError> {
        let terms = cells::build("Terms", |cell| {
            cell.put_hash(&self.terms.id)?;
            cell.put_coins(self.terms.price)?;
            cell.put_coins(self.terms.damages)?;
            cell.store_u32(self.terms.bid)?;
            cell.store_u32(self.terms.commit)?;
            cell.store_u32(self.terms.verdict)?;
            cell.store_u32(self.terms.window)?;
            cell.store_bit(self.terms.statement.is_some())?;
            self.terms.statement.as_ref().map_or(Ok(()), |hash| cell.put_hash(hash))
        })?;
        cells::build("TaskInit", |cell| {
            cell.put_address(&self.market)?;
            cell.put_address(&self.requestor)?;
            cell.put_address(&self.operator)?;
            cell.store_reference(terms)
        })
    }

    pub(crate) fn parse(cell: &Cell) -> Result<Self, ContractError> {
        let (market, requestor, operator, terms) = cells::read("TaskInit", cell, |slice| {
            Ok((
                take_address(slice)?,
                take_address(slice)?,
                take_address(slice)?,
                slice.load_reference_cloned()?,
            ))
        })?;
        let terms = cells::read("Terms", &terms, |slice| {
            Ok(Terms {
                id: take_hash(slice)?,
                price: take_coins(slice)?,
                damages: take_coins(slice)?,
                bid: slice.load_u32()?,
                commit: slice.load_u32()?,
                verdict: slice.load_u32()?,
                window: slice.load_u32()?,
                statement: slice.load_bit()?.then(|| take_hash(slice)).transpose()?,
            })
        })?;
        Ok(Self { market, requestor, operator, terms })
    }

    /// Code and data of the fresh contract.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn state_init(&self) -> Result<StateInit, ContractError> {
        let init = self.to_cell()?;
        let data = cells::build("TaskStorage", |cell| {
            cell.store_u8(TaskState::Created as u8)?;
            cell.store_u32(0)?;
            cell.put_coins(Nano::ZERO)?;
            cell.store_reference(init)?;
            cell.put_maybe(None)?;
            cell.put_maybe(None)
        })?;
        Ok(cells::state_init(&task_code().cell, data))
    }

    /// The escrow's address.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn address(&self) -> Result<Address, ContractError> {
        cells::address_of(&self.state_init()?)
    }
}

/// The assignment, as the contract stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// The worker's stake contract.
    pub stake: Address,
    /// The worker.
    pub owner: Address,
    /// The session key that signs the commitment; zero until the stake answered.
    pub session: Hash32,
    /// The price agreed.
    pub price: Nano,
    /// The stake reserved.
    pub reserve: Nano,
    /// The commitment; zero until there is one.
    pub commitment: Hash32,
    /// The evidence's hash; zero until there is a verdict.
    pub evidence: Hash32,
}

/// A task's data. A task that has ended keeps a tombstone at its address: `state` says how it
/// ended, and nothing is escrowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskData {
    /// Its state.
    pub state: TaskState,
    /// Chain time until which the state lasts.
    pub deadline: u32,
    /// The requestor's money in it.
    pub escrowed: Nano,
    /// What its address is made of.
    pub init: TaskInit,
    /// The assignment.
    pub work: Option<Work>,
}

impl TaskData {
    /// Reads the contract's data cell.
    ///
    /// # Errors
    /// [`ContractError::Layout`].
    pub fn parse(data: &Cell) -> Result<Self, ContractError> {
        let (state, deadline, escrowed, init, work) = cells::read("TaskStorage", data, |slice| {
            let state = TaskState::from_number(slice.load_u8()?).ok_or(Error::InvalidData)?;
            let (deadline, escrowed) = (slice.load_u32()?, take_coins(slice)?);
            let init = slice.load_reference_cloned()?;
            let _settings = take_maybe(slice)?;
            Ok((state, deadline, escrowed, init, take_maybe(slice)?))
        })?;
        let work = work.as_ref().map(parse_work).transpose()?;
        Ok(Self { state, deadline, escrowed, init: TaskInit::parse(&init)?, work })
    }
}

fn parse_work(cell: &Cell) -> Result<Work, ContractError> {
    let (stake, session, price, reserve, facts) = cells::read("Work", cell, |slice| {
        let (stake, session) = (take_address(slice)?, take_hash(slice)?);
        let (price, reserve) = (take_coins(slice)?, take_coins(slice)?);
        let _query = slice.load_u64()?;
        Ok((stake, session, price, reserve, slice.load_reference_cloned()?))
    })?;
    cells::read("Facts", &facts, |slice: &mut CellSlice<'_>| {
        Ok(Work {
            stake,
            owner: take_address(slice)?,
            session,
            price,
            reserve,
            commitment: take_hash(slice)?,
            evidence: take_hash(slice)?,
        })
    })
}

fn plain(what: &'static str, op: u32, query: u64) -> Result<Cell, ContractError> {
    cells::build(what, |cell| {
        cell.store_u32(op)?;
        cell.store_u64(query)
    })
}

/// Body of `Fund`: send it with the StateInit, the price and [`crate::FUND_VALUE`].
///
/// # Errors
/// [`ContractError::Build`].
pub fn fund(query: u64) -> Result<Cell, ContractError> {
    plain("Fund", op::FUND, query)
}

/// What an assignment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assign {
    /// The worker.
    pub owner: Address,
    /// The price agreed.
    pub price: Nano,
    /// The stake to reserve.
    pub reserve: Nano,
    /// Until when the worker's consent holds.
    pub valid_until: u32,
    /// The session key's signature over [`crate::consent_hash`].
    pub consent: Signature,
}

/// Body of `Assign`.
///
/// # Errors
/// [`ContractError::Build`].
pub fn assign(query: u64, assign: &Assign) -> Result<Cell, ContractError> {
    let consent = cells::signature(&assign.consent)?;
    cells::build("Assign", |cell| {
        cell.store_u32(op::ASSIGN)?;
        cell.store_u64(query)?;
        cell.put_address(&assign.owner)?;
        cell.put_coins(assign.price)?;
        cell.put_coins(assign.reserve)?;
        cell.store_u32(assign.valid_until)?;
        cell.store_reference(consent)
    })
}

/// Body of `Commit`, with the session key's signature over [`crate::commit_hash`].
///
/// # Errors
/// [`ContractError::Build`].
pub fn commit(
    query: u64,
    commitment: &Hash32,
    signature: &Signature,
) -> Result<Cell, ContractError> {
    let signature = cells::signature(signature)?;
    cells::build("Commit", |cell| {
        cell.store_u32(op::COMMIT)?;
        cell.store_u64(query)?;
        cell.put_hash(commitment)?;
        cell.store_reference(signature)
    })
}

/// What a verdict says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Accepted, or rejected?
    pub accepted: bool,
    /// Hash of the evidence.
    pub evidence: Hash32,
    /// Until when it counts.
    pub valid_until: u32,
    /// By verifier index: signatures over [`crate::verdict_hash`]. Exactly the threshold.
    pub signatures: BTreeMap<u8, Signature>,
}

/// Body of `Verdict`.
///
/// # Errors
/// [`ContractError::Build`].
pub fn verdict(query: u64, verdict: &Verdict) -> Result<Cell, ContractError> {
    let mut signatures = Dict::<u8, Cell>::new();
    for (index, signature) in &verdict.signatures {
        signatures
            .set(*index, cells::signature(signature)?)
            .map_err(|error| ContractError::Build { what: "Verdict", cause: error.to_string() })?;
    }
    cells::build("Verdict", |cell| {
        cell.store_u32(op::VERDICT)?;
        cell.store_u64(query)?;
        cell.store_bit(verdict.accepted)?;
        cell.put_hash(&verdict.evidence)?;
        cell.store_u32(verdict.valid_until)?;
        cell.put_maybe(signatures.root().as_ref())
    })
}

/// Body of `Finalize`.
///
/// # Errors
/// [`ContractError::Build`].
pub fn finalize(query: u64) -> Result<Cell, ContractError> {
    plain("Finalize", op::FINALIZE, query)
}

/// Body of `Cancel`.
///
/// # Errors
/// [`ContractError::Build`].
pub fn cancel(query: u64) -> Result<Cell, ContractError> {
    plain("Cancel", op::CANCEL, query)
}

/// Body of `Expire`.
///
/// # Errors
/// [`ContractError::Build`].
pub fn expire(query: u64) -> Result<Cell, ContractError> {
    plain("Expire", op::EXPIRE, query)
}
