//! `Stake`: one worker's stake.

use fog_protocol::{Address, Hash32, Nano, PublicKey};
use tycho_types::{
    cell::{Cell, CellSlice, HashBytes},
    dict::Dict,
    models::StateInit,
};

use crate::{
    cells::{self, ContractError, Fields as _, take_address, take_coins, take_hash, take_maybe},
    code::{delegation_code, jetton_task_code, stake_code, task_code},
};

pub use crate::pool::Pool;

/// Opcodes of messages to a stake.
pub mod op {
    /// Adds stake, and sets the session key; from the owner.
    pub const DEPOSIT: u32 = 0x5300_0001;
    /// Sets the session key; from the owner.
    pub const SET_SESSION: u32 = 0x5300_0002;
    /// Reserves for a task; from the task.
    pub const RESERVE: u32 = 0x5300_0003;
    /// Pays for a task; from the task.
    pub const SETTLE: u32 = 0x5300_0004;
    /// Cuts the stake; from the task.
    pub const SLASH: u32 = 0x5300_0005;
    /// Frees a reservation; from the task.
    pub const RELEASE: u32 = 0x5300_0006;
    /// Starts unbonding; from the owner.
    pub const UNBOND: u32 = 0x5300_0007;
    /// Pays out what is unbonded; from the owner.
    pub const WITHDRAW: u32 = 0x5300_0008;
    /// Pays out earnings; from the owner.
    pub const WITHDRAW_EARNINGS: u32 = 0x5300_0009;
    /// Frees a reservation whose task never came back; from anyone.
    pub const FREE_STALE: u32 = 0x5300_000a;
    /// Sets the worker's part of what delegated stake earns; from the owner.
    pub const SET_COMMISSION: u32 = 0x5300_0010;
    /// Adds delegated stake; from a delegation.
    pub const JOIN: u32 = 0x5300_0011;
    /// Delegated stake begins to leave; from a delegation.
    pub const LEAVE: u32 = 0x5300_0012;
    /// Pays out what left; from a delegation.
    pub const REDEEM: u32 = 0x5300_0013;
}

/// Reservations a stake takes at most.
pub const MAX_RESERVATIONS: usize = 64;

/// The largest commission, in basis points.
pub const MAX_COMMISSION_BPS: u16 = 5000;
/// The smallest amount that is delegated at once.
pub const MIN_DELEGATION: Nano = Nano::new(1_000_000_000);

/// Parameters all stakes of a market share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StakeParams {
    /// Hash of the task code whose instances may reserve.
    pub task_code_hash: Hash32,
    /// Its depth.
    pub task_code_depth: u16,
    /// Seconds that unbonding takes.
    pub unbonding: u32,
    /// Where slashed stake is burned.
    pub burn: Address,
    /// Hash of the code of delegations.
    pub delegation_code_hash: Hash32,
    /// Its depth.
    pub delegation_code_depth: u16,
    /// Hash of the code of tasks in jettons, whose instances may reserve, too.
    pub jetton_task_code_hash: Hash32,
    /// Its depth.
    pub jetton_task_code_depth: u16,
}

impl StakeParams {
    /// Parameters for this crate's task code.
    #[must_use]
    pub fn current(unbonding: u32, burn: Address) -> Self {
        let (task, delegation, jetton) = (task_code(), delegation_code(), jetton_task_code());
        Self {
            task_code_hash: task.hash,
            task_code_depth: task.depth,
            unbonding,
            burn,
            delegation_code_hash: delegation.hash,
            delegation_code_depth: delegation.depth,
            jetton_task_code_hash: jetton.hash,
            jetton_task_code_depth: jetton.depth,
        }
    }

    pub(crate) fn to_cell(self) -> Result<Cell, ContractError> {
        let jetton = cells::build("CodeId", |cell| {
            cell.put_hash(&self.jetton_task_code_hash)?;
            cell.store_u16(self.jetton_task_code_depth)
        })?;
        cells::build("StakeParams", |cell| {
            cell.put_hash(&self.task_code_hash)?;
            cell.store_u16(self.task_code_depth)?;
            cell.store_u32(self.unbonding)?;
            cell.put_address(&self.burn)?;
            cell.put_hash(&self.delegation_code_hash)?;
            cell.store_u16(self.delegation_code_depth)?;
            cell.store_reference(jetton)
        })
    }

    pub(crate) fn parse(cell: &Cell) -> Result<Self, ContractError> {
        let jetton = cell.reference_cloned(0).ok_or_else(|| ContractError::Layout {
            what: "StakeParams",
            cause: "it names no code of tasks in jettons".to_owned(),
        })?;
        let (jetton_task_code_hash, jetton_task_code_depth) =
            cells::read("CodeId", &jetton, |slice| Ok((take_hash(slice)?, slice.load_u16()?)))?;
        cells::read("StakeParams", cell, |slice| {
            let params = Self {
                task_code_hash: take_hash(slice)?,
                task_code_depth: slice.load_u16()?,
                unbonding: slice.load_u32()?,
                burn: take_address(slice)?,
                delegation_code_hash: take_hash(slice)?,
                delegation_code_depth: slice.load_u16()?,
                jetton_task_code_hash,
                jetton_task_code_depth,
            };
            slice.load_reference()?;
            Ok(params)
        })
    }
}

/// What a stake's address is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StakeInit {
    /// The market.
    pub market: Address,
    /// The worker's wallet.
    pub owner: Address,
    /// The market's stake parameters.
    pub params: StakeParams,
}

impl StakeInit {
    fn to_cell(self) -> Result<Cell, ContractError> {
        let params = self.params.to_cell()?;
        cells::build("StakeInit", |cell| {
            cell.put_address(&self.market)?;
            cell.put_address(&self.owner)?;
            cell.store_reference(params)
        })
    }

    fn parse(cell: &Cell) -> Result<Self, ContractError> {
        let (market, owner, params) = cells::read("StakeInit", cell, |slice| {
            Ok((take_address(slice)?, take_address(slice)?, slice.load_reference_cloned()?))
        })?;
        Ok(Self { market, owner, params: StakeParams::parse(&params)? })
    }

    /// Code and data of the fresh contract.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn state_init(&self) -> Result<StateInit, ContractError> {
        let init = self.to_cell()?;
        let pool = Pool::fresh()?;
        let data = cells::build("StakeStorage", |cell| {
            cell.store_reference(init)?;
            cell.put_hash(&Hash32::default())?;
            for _ in 0..4 {
                cell.put_coins(Nano::ZERO)?;
            }
            cell.store_u32(0)?;
            cell.store_u8(0)?;
            cell.put_maybe(None)?;
            cell.store_reference(pool)
        })?;
        Ok(cells::state_init(&stake_code().cell, data))
    }

    /// The stake's address.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn address(&self) -> Result<Address, ContractError> {
        cells::address_of(&self.state_init()?)
    }
}

/// A stake's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StakeData {
    /// What its address is made of.
    pub init: StakeInit,
    /// The session key; zero if none was set.
    pub session: PublicKey,
    /// Own stake, reserved and unbonding parts included.
    pub stake: Nano,
    /// Reserved for tasks.
    pub reserved: Nano,
    /// On its way out; still counted in `stake`.
    pub unbonding: Nano,
    /// Earned and not withdrawn.
    pub earnings: Nano,
    /// Chain time from which the unbonding part may be withdrawn.
    pub unbond_at: u32,
    /// Reservations: hash of the task's address, amount.
    pub reservations: Vec<(Hash32, Nano)>,
    /// What others delegated to it.
    pub pool: Pool,
}

impl StakeData {
    /// Reads the contract's data cell.
    ///
    /// # Errors
    /// [`ContractError::Layout`].
    pub fn parse(data: &Cell) -> Result<Self, ContractError> {
        let (session, amounts, unbond_at, cells) = cells::read("StakeStorage", data, |slice| {
            let init = slice.load_reference_cloned()?;
            let session = PublicKey(take_hash(slice)?);
            let mut amounts = [Nano::ZERO; 4];
            for amount in &mut amounts {
                *amount = take_coins(slice)?;
            }
            let (unbond_at, _count) = (slice.load_u32()?, slice.load_u8()?);
            let map = take_maybe(slice)?;
            Ok((session, amounts, unbond_at, (init, map, slice.load_reference_cloned()?)))
        })?;
        let [stake, reserved, unbonding, earnings] = amounts;
        let (init, map, pool) = cells;
        Ok(Self {
            init: StakeInit::parse(&init)?,
            session,
            stake,
            reserved,
            unbonding,
            earnings,
            unbond_at,
            reservations: parse_reservations(map)?,
            pool: Pool::parse(&pool)?,
        })
    }

    /// What may still be reserved, delegated stake included.
    #[must_use]
    pub fn free(&self) -> Nano {
        let bonded = self.stake.saturating_sub(self.unbonding).saturating_add(self.pool.coins);
        bonded.saturating_sub(self.reserved)
    }

    /// Does others' stake lie in it, bonded, leaving or still vesting? Then it backs no task in a jetton.
    #[must_use]
    pub fn is_delegated(&self) -> bool {
        [self.pool.coins, self.pool.leaving, self.pool.vesting]
            .iter()
            .any(|part| *part > Nano::ZERO)
    }

    /// What the worker may still take back.
    #[must_use]
    pub fn unbondable(&self) -> Nano {
        self.free().min(self.stake.saturating_sub(self.unbonding))
    }
}

/// The contract keeps at most [`MAX_RESERVATIONS`]; cells that share subtrees could claim 2^256.
fn parse_reservations(map: Option<Cell>) -> Result<Vec<(Hash32, Nano)>, ContractError> {
    let layout = |cause: String| ContractError::Layout { what: "reservations", cause };
    let mut reservations = Vec::new();
    for entry in Dict::<HashBytes, CellSlice<'_>>::from_raw(map).raw_iter() {
        if reservations.len() == MAX_RESERVATIONS {
            return Err(layout(format!("more than {MAX_RESERVATIONS} of them")));
        }
        let (key, mut value) = entry.map_err(|error| layout(error.to_string()))?;
        let mut parse = || {
            let task = key.as_data_slice().load_u256()?;
            let amount = take_coins(&mut value)?;
            let (_query, _free_at, _made) =
                (value.load_u64()?, value.load_u32()?, value.load_u32()?);
            Ok::<_, tycho_types::error::Error>((Hash32(task.0), amount))
        };
        reservations.push(parse().map_err(|error| layout(error.to_string()))?);
    }
    Ok(reservations)
}

fn plain(what: &'static str, op: u32, query: u64) -> Result<Cell, ContractError> {
    cells::build(what, |cell| {
        cell.store_u32(op)?;
        cell.store_u64(query)
    })
}

/// Body of `Deposit`: send it with the StateInit, the amount and [`crate::STAKE_RENT`].
///
/// # Errors
/// [`ContractError::Build`].
pub fn deposit(query: u64, amount: Nano, session: &PublicKey) -> Result<Cell, ContractError> {
    cells::build("Deposit", |cell| {
        cell.store_u32(op::DEPOSIT)?;
        cell.store_u64(query)?;
        cell.put_coins(amount)?;
        cell.put_hash(&session.0)
    })
}

/// Body of `SetSession`.
///
/// # Errors
/// [`ContractError::Build`].
pub fn set_session(query: u64, session: &PublicKey) -> Result<Cell, ContractError> {
    cells::build("SetSession", |cell| {
        cell.store_u32(op::SET_SESSION)?;
        cell.store_u64(query)?;
        cell.put_hash(&session.0)
    })
}

/// Body of `Unbond`.
///
/// # Errors
/// [`ContractError::Build`].
pub fn unbond(query: u64, amount: Nano) -> Result<Cell, ContractError> {
    cells::build("Unbond", |cell| {
        cell.store_u32(op::UNBOND)?;
        cell.store_u64(query)?;
        cell.put_coins(amount)
    })
}

/// Body of `Withdraw`.
///
/// # Errors
/// [`ContractError::Build`].
pub fn withdraw(query: u64) -> Result<Cell, ContractError> {
    plain("Withdraw", op::WITHDRAW, query)
}

/// Body of `WithdrawEarnings`.
///
/// # Errors
/// [`ContractError::Build`].
pub fn withdraw_earnings(query: u64) -> Result<Cell, ContractError> {
    plain("WithdrawEarnings", op::WITHDRAW_EARNINGS, query)
}

/// Body of `FreeStale`: `task` is the hash of the task's address.
///
/// # Errors
/// [`ContractError::Build`].
pub fn free_stale(query: u64, task: &Hash32) -> Result<Cell, ContractError> {
    cells::build("FreeStale", |cell| {
        cell.store_u32(op::FREE_STALE)?;
        cell.store_u64(query)?;
        cell.put_hash(task)
    })
}

/// Body of `SetCommission`: basis points, at most [`MAX_COMMISSION_BPS`].
///
/// # Errors
/// [`ContractError::Build`].
pub fn set_commission(query: u64, basis_points: u16) -> Result<Cell, ContractError> {
    cells::build("SetCommission", |cell| {
        cell.store_u32(op::SET_COMMISSION)?;
        cell.store_u64(query)?;
        cell.store_u16(basis_points)
    })
}
