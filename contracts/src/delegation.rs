//! `Delegation`: one staker's share in one worker's stake.

use fog_protocol::{Address, Hash32, Nano};
use tycho_types::{
    cell::{Cell, CellSlice},
    dict::Dict,
    models::StateInit,
};

use crate::{
    cells::{self, ContractError, Fields as _, take_address, take_hash, take_maybe},
    code::delegation_code,
};

/// Opcodes of messages to a delegation.
pub mod op {
    /// Delegates an amount; from the staker.
    pub const DELEGATE: u32 = 0x4400_0001;
    /// Shares begin to leave; from the staker.
    pub const UNDELEGATE: u32 = 0x4400_0002;
    /// Pays out the oldest of what left; from the staker.
    pub const CLAIM: u32 = 0x4400_0003;
    /// Shares were issued; from the stake.
    pub const JOINED: u32 = 0x4400_0004;
    /// Shares are leaving; from the stake.
    pub const LEFT: u32 = 0x4400_0005;
}

/// Entries a queue has at most.
pub const MAX_QUEUE: usize = 8;

/// What a delegation's address is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DelegationInit {
    /// The worker's stake.
    pub stake: Address,
    /// The staker's wallet.
    pub owner: Address,
}

impl DelegationInit {
    /// Code and data of the fresh contract.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn state_init(&self) -> Result<StateInit, ContractError> {
        let data = cells::build("DelegationStorage", |cell| {
            cell.put_address(&self.stake)?;
            cell.put_address(&self.owner)?;
            cell.store_u128(0)?;
            cell.store_u32(0)?;
            cell.store_u8(0)?;
            cell.put_maybe(None)
        })?;
        Ok(cells::state_init(&delegation_code().cell, data))
    }

    /// The delegation's address.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn address(&self) -> Result<Address, ContractError> {
        cells::address_of(&self.state_init()?)
    }
}

/// Something on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaving {
    /// Its number.
    pub entry: u32,
    /// Shares of what leaves the stake, as the contract's 256 bits.
    pub shares: Hash32,
    /// Chain time at which it began to leave; it is out after the stake's unbonding time.
    pub at: u32,
}

/// A delegation's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegationData {
    /// What its address is made of.
    pub init: DelegationInit,
    /// Shares of the stake's pool.
    pub shares: u128,
    /// What is on its way out, oldest first.
    pub queue: Vec<Leaving>,
}

impl DelegationData {
    /// Reads the contract's data cell.
    ///
    /// # Errors
    /// [`ContractError::Layout`].
    pub fn parse(data: &Cell) -> Result<Self, ContractError> {
        let (init, shares, map) = cells::read("DelegationStorage", data, |slice| {
            let init = DelegationInit { stake: take_address(slice)?, owner: take_address(slice)? };
            let shares = slice.load_u128()?;
            let (_next, _count) = (slice.load_u32()?, slice.load_u8()?);
            Ok((init, shares, take_maybe(slice)?))
        })?;
        Ok(Self { init, shares, queue: parse_queue(map)? })
    }
}

fn parse_queue(map: Option<Cell>) -> Result<Vec<Leaving>, ContractError> {
    let layout = |cause: String| ContractError::Layout { what: "queue", cause };
    let mut queue = Vec::new();
    for entry in Dict::<u32, CellSlice<'_>>::from_raw(map).iter() {
        if queue.len() == MAX_QUEUE {
            return Err(layout(format!("more than {MAX_QUEUE} entries")));
        }
        let (entry, mut value) = entry.map_err(|error| layout(error.to_string()))?;
        let mut parse =
            || Ok(Leaving { entry, shares: take_hash(&mut value)?, at: value.load_u32()? });
        queue.push(parse().map_err(|error: tycho_types::error::Error| layout(error.to_string()))?);
    }
    Ok(queue)
}

/// Body of `Delegate`: send it with the StateInit, the amount and [`crate::DELEGATE_VALUE`]. A stake
/// whose commission is or will be above `max_commission` (basis points) refuses it, and everything
/// comes back.
///
/// # Errors
/// [`ContractError::Build`].
pub fn delegate(query: u64, amount: Nano, max_commission: u16) -> Result<Cell, ContractError> {
    cells::build("Delegate", |cell| {
        cell.store_u32(op::DELEGATE)?;
        cell.store_u64(query)?;
        cell.put_coins(amount)?;
        cell.store_u16(max_commission)
    })
}

/// Body of `Undelegate`.
///
/// # Errors
/// [`ContractError::Build`].
pub fn undelegate(query: u64, shares: u128) -> Result<Cell, ContractError> {
    cells::build("Undelegate", |cell| {
        cell.store_u32(op::UNDELEGATE)?;
        cell.store_u64(query)?;
        cell.store_u128(shares)
    })
}

/// Body of `Claim`.
///
/// # Errors
/// [`ContractError::Build`].
pub fn claim(query: u64) -> Result<Cell, ContractError> {
    cells::build("Claim", |cell| {
        cell.store_u32(op::CLAIM)?;
        cell.store_u64(query)
    })
}
