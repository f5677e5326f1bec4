//! What is signed for the contracts: the hash of a cell with a tag, the network and the contract.

use fog_protocol::{Address, Hash32, Nano};

use crate::{
    cells::{self, ContractError, Fields as _},
    task::Outcome,
};

const CONSENT: u32 = 0x4643_4f4e;
const COMMIT: u32 = 0x4643_4d54;
const VERDICT: u32 = 0x4656_4552;
const RULING: u32 = 0x4652_554c;

/// "This stake may be reserved for this task at this price."
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consent {
    /// TON global id.
    pub network: i32,
    /// The `Stake` contract.
    pub stake: Address,
    /// The `Task` contract.
    pub task: Address,
    /// How much is reserved.
    pub reserve: Nano,
    /// The price agreed.
    pub price: Nano,
    /// Last second (Unix) at which it may be reserved.
    pub valid_until: u32,
}

/// What the session key signs with a bid.
///
/// # Errors
/// [`ContractError::Build`].
pub fn consent_hash(consent: &Consent) -> Result<Hash32, ContractError> {
    let rest = cells::build("ConsentRest", |cell| {
        cell.put_address(&consent.task)?;
        cell.put_coins(consent.reserve)?;
        cell.put_coins(consent.price)?;
        cell.store_u32(consent.valid_until)
    })?;
    let data = cells::build("ConsentData", |cell| {
        cell.store_u32(CONSENT)?;
        cell.store_u32(consent.network.cast_unsigned())?;
        cell.put_address(&consent.stake)?;
        cell.store_reference(rest)
    })?;
    Ok(Hash32(data.repr_hash().0))
}

/// What the session key signs with a commitment.
///
/// # Errors
/// [`ContractError::Build`].
pub fn commit_hash(
    network: i32,
    task: &Address,
    commitment: &Hash32,
) -> Result<Hash32, ContractError> {
    let data = cells::build("CommitData", |cell| {
        cell.store_u32(COMMIT)?;
        cell.store_u32(network.cast_unsigned())?;
        cell.put_address(task)?;
        cell.put_hash(commitment)
    })?;
    Ok(Hash32(data.repr_hash().0))
}

/// Everything a verdict or a ruling binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerdictTerms {
    /// TON global id.
    pub network: i32,
    /// The `Task` contract.
    pub task: Address,
    /// The worker's `Stake` contract.
    pub stake: Address,
    /// The price agreed.
    pub price: Nano,
    /// The commitment judged.
    pub commitment: Hash32,
    /// What it says of the result.
    pub outcome: Outcome,
    /// Hash of the evidence.
    pub evidence: Hash32,
    /// Last second (Unix) at which it counts.
    pub valid_until: u32,
}

/// What each verifier signs for a verdict.
///
/// # Errors
/// [`ContractError::Build`].
pub fn verdict_hash(terms: &VerdictTerms) -> Result<Hash32, ContractError> {
    judgement_hash(VERDICT, terms)
}

/// What each verifier signs for a ruling on a verdict that was challenged.
///
/// # Errors
/// [`ContractError::Build`].
pub fn ruling_hash(terms: &VerdictTerms) -> Result<Hash32, ContractError> {
    judgement_hash(RULING, terms)
}

fn judgement_hash(tag: u32, terms: &VerdictTerms) -> Result<Hash32, ContractError> {
    let rest = cells::build("VerdictRest", |cell| {
        cell.put_address(&terms.stake)?;
        cell.put_coins(terms.price)?;
        cell.store_small_uint(terms.outcome as u8, 2)?;
        cell.put_hash(&terms.evidence)?;
        cell.store_u32(terms.valid_until)
    })?;
    let data = cells::build("VerdictData", |cell| {
        cell.store_u32(tag)?;
        cell.store_u32(terms.network.cast_unsigned())?;
        cell.put_address(&terms.task)?;
        cell.put_hash(&terms.commitment)?;
        cell.store_reference(rest)
    })?;
    Ok(Hash32(data.repr_hash().0))
}
