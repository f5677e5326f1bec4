//! What a stake tells the outside: external messages that are part of its transactions.

use fog_protocol::{Address, Hash32, Nano};
use tycho_types::{
    cell::{Cell, CellSlice},
    error::Error,
};

use crate::{
    cells::{self, ContractError, take_address, take_coins, take_hash},
    notify::op,
};

/// One thing a stake tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StakeLog {
    /// Stake came, began to leave, or left.
    Moved(Movement),
    /// A task paid.
    Rewarded(Reward),
    /// A task slashed.
    Slashed(Slash),
}

/// How stake moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum StakeMove {
    /// The worker added to its own.
    Deposited = 1,
    /// A part of the worker's own began to unbond.
    Unbonding = 2,
    /// A staker delegated.
    Joined = 4,
    /// A staker's stake began to leave.
    Leaving = 5,
    /// What left was paid to its staker.
    Redeemed = 6,
}

impl StakeMove {
    const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Deposited,
            2 => Self::Unbonding,
            4 => Self::Joined,
            5 => Self::Leaving,
            6 => Self::Redeemed,
            _ => return None,
        })
    }
}

/// Stake that moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement {
    /// How.
    pub kind: StakeMove,
    /// Whose: the worker's or a staker's wallet.
    pub who: Address,
    /// The request's query id.
    pub query: u64,
    /// How much, nanogram.
    pub amount: Nano,
    /// The worker's own stake after it.
    pub own: Nano,
    /// Delegated and bonded after it.
    pub pool: Nano,
    /// Delegated and leaving after it.
    pub leaving: Nano,
}

/// A task's payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reward {
    /// Hash of the task's address.
    pub task: Hash32,
    /// All of it.
    pub amount: Nano,
    /// What of it is for delegations.
    pub delegated: Nano,
    /// What the worker took of the delegations' part; in the rest, not in `delegated`.
    pub commission: Nano,
}

/// A slash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slash {
    /// Hash of the task's address.
    pub task: Hash32,
    /// All that the stake lost.
    pub amount: Nano,
    /// What of it the requestor got; the rest was burned.
    pub share: Nano,
    /// The verdict's evidence; zero for the penalty of a deadline.
    pub evidence: Hash32,
    /// What of the amount delegations bore; the rest the worker's own stake.
    pub delegated: Nano,
}

impl StakeLog {
    /// Reads the body of an external message out of a stake.
    ///
    /// # Errors
    /// [`ContractError::Layout`] if it is no log of a stake.
    pub fn parse(body: &Cell) -> Result<Self, ContractError> {
        cells::read("a stake's log", body, |slice| match slice.load_u32()? {
            op::SLASH_LOG => Slash::take(slice).map(Self::Slashed),
            op::REWARD_LOG => Reward::take(slice).map(Self::Rewarded),
            op::STAKE_LOG => Movement::take(slice).map(Self::Moved),
            _ => Err(Error::InvalidTag),
        })
    }
}

impl Movement {
    fn take(slice: &mut CellSlice<'_>) -> Result<Self, Error> {
        Ok(Self {
            kind: StakeMove::from_number(slice.load_u8()?).ok_or(Error::InvalidData)?,
            who: take_address(slice)?,
            query: slice.load_u64()?,
            amount: take_coins(slice)?,
            own: take_coins(slice)?,
            pool: take_coins(slice)?,
            leaving: take_coins(slice)?,
        })
    }
}

impl Reward {
    fn take(slice: &mut CellSlice<'_>) -> Result<Self, Error> {
        Ok(Self {
            task: take_hash(slice)?,
            amount: take_coins(slice)?,
            delegated: take_coins(slice)?,
            commission: take_coins(slice)?,
        })
    }
}

impl Slash {
    fn take(slice: &mut CellSlice<'_>) -> Result<Self, Error> {
        Ok(Self {
            task: take_hash(slice)?,
            amount: take_coins(slice)?,
            share: take_coins(slice)?,
            evidence: take_hash(slice)?,
            delegated: take_coins(slice)?,
        })
    }
}
