//! `Task`: the escrow of one task.

use std::collections::BTreeMap;

use fog_protocol::{Address, Hash32, Listing, Nano, Signature};
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
    dispute::Dispute,
    market::Settings,
};

/// Opcodes of messages to a task.
pub mod op {
    /// Pays the price in, with the StateInit; from the requestor.
    pub const FUND: u32 = 0x5400_0001;
    /// The market's answer.
    pub const OPENED: u32 = 0x5400_0002;
    /// Assigns a worker; from the node's bond, see [`crate::operator`].
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
    /// Disputes a verdict, with a bond; from anyone.
    pub const CHALLENGE: u32 = 0x5400_000e;
    /// Decides a dispute; from anyone.
    pub const RULING: u32 = 0x5400_000f;
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
    /// What a proof is for.
    pub proof: ProofRole,
}

/// What a proof of a statement ([`crate::proof::Statement::hash`]) does to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofRole {
    /// There is no statement: verifiers decide.
    None,
    /// The proof is the verdict, and no verifier signs one.
    Decides(Hash32),
    /// Verifiers decide; a proof of the result that was committed to overrules them.
    Overrules(Hash32),
}

impl ProofRole {
    /// The statement's hash.
    #[must_use]
    pub const fn statement(&self) -> Option<Hash32> {
        match self {
            Self::None => None,
            Self::Decides(hash) | Self::Overrules(hash) => Some(*hash),
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Decides(_) => 1,
            Self::Overrules(_) => 2,
        }
    }

    fn take(slice: &mut CellSlice<'_>) -> Result<Self, Error> {
        let statement = slice.load_bit()?.then(|| take_hash(slice)).transpose()?;
        match (slice.load_small_uint(2)?, statement) {
            (0, None) => Ok(Self::None),
            (1, Some(hash)) => Ok(Self::Decides(hash)),
            (2, Some(hash)) => Ok(Self::Overrules(hash)),
            _ => Err(Error::InvalidData),
        }
    }
}

/// What a verdict or a ruling says of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// It is wrong: what was reserved for it is slashed.
    Rejected = 0,
    /// It is right.
    Accepted = 1,
    /// It was committed to and never handed over: the penalty for being late.
    Undelivered = 2,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Rejected, Self::Accepted, Self::Undelivered];
}

pub(crate) fn take_outcome(slice: &mut CellSlice<'_>) -> Result<Outcome, Error> {
    let number = usize::from(slice.load_small_uint(2)?);
    Outcome::ALL.get(number).copied().ok_or(Error::InvalidData)
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
                proof: listing.policy.circuit().map_or(ProofRole::None, |key| {
                    ProofRole::Decides(crate::proof::statement_hash(&listing.input.hash, &key))
                }),
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
            let statement = self.terms.proof.statement();
            cell.store_bit(statement.is_some())?;
            statement.map_or(Ok(()), |hash| cell.put_hash(&hash))?;
            cell.store_small_uint(self.terms.proof.number(), 2)
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
                proof: ProofRole::take(slice)?,
            })
        })?;
        Ok(Self { market, requestor, operator, terms })
    }

    /// Code and data of the fresh contract.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn state_init(&self) -> Result<StateInit, ContractError> {
        Ok(cells::state_init(&task_code().cell, self.fresh_data()?))
    }

    /// What a task's address is computed from, besides its code.
    pub(crate) fn fresh_data(&self) -> Result<Cell, ContractError> {
        let init = self.to_cell()?;
        cells::build("TaskStorage", |cell| {
            cell.store_u8(TaskState::Created as u8)?;
            cell.store_u32(0)?;
            cell.put_coins(Nano::ZERO)?;
            cell.store_reference(init)?;
            cell.put_maybe(None)?;
            cell.put_maybe(None)
        })
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
    /// What the verdict, or the ruling in its place, says; means nothing before.
    pub outcome: Outcome,
    /// The dispute about the verdict.
    pub dispute: Option<Dispute>,
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
    /// What it took over from its market when it opened: these hold for it whatever the market's
    /// settings are by now.
    pub settings: Option<Settings>,
    /// The assignment.
    pub work: Option<Work>,
}

impl TaskData {
    /// Reads the contract's data cell, in whatever the task is paid: see [`crate::jetton_task`].
    ///
    /// # Errors
    /// [`ContractError::Layout`].
    pub fn parse(data: &Cell) -> Result<Self, ContractError> {
        Self::parse_with_rest(data).map(|(task, _)| task)
    }

    /// With the cell behind it, which a task in a jetton has.
    pub(crate) fn parse_with_rest(data: &Cell) -> Result<(Self, Option<Cell>), ContractError> {
        let (state, deadline, escrowed, init, (settings, work, rest)) =
            cells::read("TaskStorage", data, |slice| {
                let state = TaskState::from_number(slice.load_u8()?).ok_or(Error::InvalidData)?;
                let (deadline, escrowed) = (slice.load_u32()?, take_coins(slice)?);
                let init = slice.load_reference_cloned()?;
                let settings = take_maybe(slice)?;
                let work = take_maybe(slice)?;
                let rest =
                    if slice.is_refs_empty() { None } else { Some(slice.load_reference_cloned()?) };
                Ok((state, deadline, escrowed, init, (settings, work, rest)))
            })?;
        let work = work.as_ref().map(parse_work).transpose()?;
        let settings = settings.as_ref().map(Settings::parse).transpose()?;
        let init = TaskInit::parse(&init)?;
        Ok((Self { state, deadline, escrowed, init, settings, work }, rest))
    }
}

fn parse_work(cell: &Cell) -> Result<Work, ContractError> {
    let (stake, session, price, reserve, facts) = cells::read("Work", cell, |slice| {
        let (stake, session) = (take_address(slice)?, take_hash(slice)?);
        let (price, reserve) = (take_coins(slice)?, take_coins(slice)?);
        let _query = slice.load_u64()?;
        Ok((stake, session, price, reserve, slice.load_reference_cloned()?))
    })?;
    let (owner, [commitment, evidence], outcome, dispute) =
        cells::read("Facts", &facts, |slice| {
            let owner = take_address(slice)?;
            let hashes = [take_hash(slice)?, take_hash(slice)?];
            Ok((owner, hashes, take_outcome(slice)?, take_maybe(slice)?))
        })?;
    let dispute = dispute.as_ref().map(Dispute::parse).transpose()?;
    Ok(Work { stake, owner, session, price, reserve, commitment, evidence, outcome, dispute })
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
    /// What it says of the result.
    pub outcome: Outcome,
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
    judgement("Verdict", op::VERDICT, query, verdict)
}

/// A verdict or a ruling: they differ in their opcode and in what is signed.
pub(crate) fn judgement(
    what: &'static str,
    op: u32,
    query: u64,
    verdict: &Verdict,
) -> Result<Cell, ContractError> {
    let mut signatures = Dict::<u8, Cell>::new();
    for (index, signature) in &verdict.signatures {
        signatures
            .set(*index, cells::signature(signature)?)
            .map_err(|error| ContractError::Build { what, cause: error.to_string() })?;
    }
    cells::build(what, |cell| {
        cell.store_u32(op)?;
        cell.store_u64(query)?;
        cell.store_small_uint(verdict.outcome as u8, 2)?;
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
