//! What is delegated to a stake, as the stake keeps it.

use fog_protocol::{Hash32, Nano};
use num_bigint::BigUint;
use tycho_types::cell::Cell;

use crate::cells::{self, ContractError, Fields as _, take_coins, take_hash};

/// What a fresh stake takes of what delegated stake earns, in basis points.
const DEFAULT_COMMISSION_BPS: u16 = 1000;
/// Shares nobody has: see `tolk/stake/delegated.tolk`.
const VIRTUAL: u128 = 1_000_000_000;

/// What is delegated to a stake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Delegated and bonded.
    pub coins: Nano,
    /// Shares it belongs to.
    pub shares: u128,
    /// Delegated and on its way out; still slashed.
    pub leaving: Nano,
    /// Shares that belongs to, as the contract's 256 bits.
    pub leaving_shares: Hash32,
    /// Rewards that become part of `coins` little by little.
    pub vesting: Nano,
    /// Chain time up to which they have.
    pub vested_at: u32,
    /// Chain time at which all of them have.
    pub vest_until: u32,
    /// The worker's part of what delegated stake earns, in basis points.
    pub commission: u16,
    /// The next, from [`Pool::commission_at`] on.
    pub next_commission: u16,
    /// Chain time from which the next commission holds.
    pub commission_at: u32,
}

impl Pool {
    /// Of a stake that nobody has delegated to.
    pub(crate) fn fresh() -> Result<Cell, ContractError> {
        cells::build("Pool", |cell| {
            cell.put_coins(Nano::ZERO)?;
            cell.store_u128(0)?;
            cell.put_coins(Nano::ZERO)?;
            cell.put_hash(&Hash32::default())?;
            cell.put_coins(Nano::ZERO)?;
            cell.store_u64(0)?;
            cell.store_u16(DEFAULT_COMMISSION_BPS)?;
            cell.store_u16(DEFAULT_COMMISSION_BPS)?;
            cell.store_u32(0)
        })
    }

    pub(crate) fn parse(cell: &Cell) -> Result<Self, ContractError> {
        cells::read("Pool", cell, |slice| {
            Ok(Self {
                coins: take_coins(slice)?,
                shares: slice.load_u128()?,
                leaving: take_coins(slice)?,
                leaving_shares: take_hash(slice)?,
                vesting: take_coins(slice)?,
                vested_at: slice.load_u32()?,
                vest_until: slice.load_u32()?,
                commission: slice.load_u16()?,
                next_commission: slice.load_u16()?,
                commission_at: slice.load_u32()?,
            })
        })
    }

    /// The commission at this chain time, in basis points.
    #[must_use]
    pub const fn commission_at_time(&self, now: u32) -> u16 {
        if now >= self.commission_at { self.next_commission } else { self.commission }
    }

    /// What so many shares are worth at this chain time, if they began to leave then.
    #[must_use]
    pub fn worth(&self, shares: u128, now: u32) -> Nano {
        let coins = self.coins.saturating_add(self.vested(now));
        let worth = wide(shares) * (wide(coins.get()) + 1u8) / (wide(self.shares) + VIRTUAL);
        narrow(&worth)
    }

    /// What so many shares of the leaving part are worth, unless it is slashed again.
    #[must_use]
    pub fn leaving_worth(&self, shares: &Hash32) -> Nano {
        let of = BigUint::from_bytes_be(&self.leaving_shares.0);
        let worth =
            BigUint::from_bytes_be(&shares.0) * (wide(self.leaving.get()) + 1u8) / (of + VIRTUAL);
        narrow(&worth)
    }

    /// The fewest shares that are worth `amount` at this chain time; all of `shares` if they are
    /// not worth as much.
    #[must_use]
    pub fn shares_for(&self, amount: Nano, shares: u128, now: u32) -> u128 {
        if self.worth(shares, now) <= amount {
            return shares;
        }
        let coins = self.coins.saturating_add(self.vested(now));
        let price = wide(coins.get()) + 1u8;
        let wanted = wide(amount.get()) * (wide(self.shares) + VIRTUAL);
        let fewest = (wanted + &price - 1u8) / price;
        u128::try_from(fewest).map_or(shares, |fewest| fewest.min(shares))
    }

    /// Rewards that have become part of the pool by now without anybody having noted it.
    fn vested(&self, now: u32) -> Nano {
        if now >= self.vest_until {
            return self.vesting;
        }
        let span = u128::from(self.vest_until.saturating_sub(self.vested_at).max(1));
        let passed = u128::from(now.saturating_sub(self.vested_at));
        let vested = u128::from(self.vesting.get()) * passed / span;
        Nano::new(u64::try_from(vested).unwrap_or(u64::MAX))
    }
}

fn wide(number: impl Into<u128>) -> BigUint {
    BigUint::from(number.into())
}

fn narrow(number: &BigUint) -> Nano {
    Nano::new(u64::try_from(number).unwrap_or(u64::MAX))
}
