//! `Market`: the parameters of one market.

use fog_protocol::{Address, Hash32, Nano, PublicKey};
use tycho_types::{cell::Cell, cell::HashBytes, dict::Dict, models::StateInit};

use crate::{
    cells::{self, ContractError, Fields as _, take_address, take_coins, take_hash, take_maybe},
    code::{delegation_code, jetton_task_code, market_code, operator_code, stake_code, task_code},
    operator::OperatorInit,
    stake::{StakeInit, StakeParams},
};

/// Opcodes of messages to a market.
pub mod op {
    /// First configuration; from the owner.
    pub const SETUP: u32 = 0x4d00_0001;
    /// Proposes a change; from the owner.
    pub const PROPOSE: u32 = 0x4d00_0002;
    /// Applies a proposal whose timelock is over; from anyone.
    pub const APPLY: u32 = 0x4d00_0003;
    /// Withdraws a proposal; from the owner.
    pub const WITHDRAWN: u32 = 0x4d00_0004;
    /// Stops or resumes new tasks; from the owner.
    pub const SET_PAUSE: u32 = 0x4d00_0005;
    /// A task registers itself.
    pub const REGISTER: u32 = 0x4d00_0006;
    /// Names who may take over as the owner; from the owner.
    pub const OFFER_OWNER: u32 = 0x4d00_0007;
    /// Takes over, once the timelock is over; from the one named.
    pub const ACCEPT_OWNER: u32 = 0x4d00_0008;
    /// Takes the offer back; from the owner.
    pub const KEEP_OWNER: u32 = 0x4d00_0009;
}

/// What a market's address is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketInit {
    /// Who may propose changes.
    pub owner: Address,
    /// Tells markets of one owner apart.
    pub salt: u64,
}

impl MarketInit {
    /// Code and data of the fresh contract.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn state_init(&self) -> Result<StateInit, ContractError> {
        let data = cells::build("MarketStorage", |cell| {
            cell.put_address(&self.owner)?;
            cell.store_u64(self.salt)?;
            cell.store_bit(false)?;
            cell.put_maybe(None)?;
            cell.put_maybe(None)?;
            cell.put_maybe(None)
        })?;
        Ok(cells::state_init(&market_code().cell, data))
    }

    /// The market's address.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn address(&self) -> Result<Address, ContractError> {
        cells::address_of(&self.state_init()?)
    }
}

/// A market's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Hash of the task code it registers.
    pub task_code_hash: Hash32,
    /// Its depth.
    pub task_code_depth: u16,
    /// Shortest bid, commit and verdict time in seconds.
    pub min_step: u32,
    /// Longest of each, and of the window.
    pub max_step: u32,
    /// Seconds between proposing and applying a change; at least 60.
    pub timelock: u32,
    /// Signatures a verdict needs.
    pub threshold: u8,
    /// Fee in basis points of the price; at most 1,000.
    pub fee_bps: u16,
    /// Who gets the fee.
    pub treasury: Address,
    /// Hash of the stake code.
    pub stake_code_hash: Hash32,
    /// Its depth.
    pub stake_code_depth: u16,
    /// The verifiers' keys; a verifier's index is its place here. At most 16.
    pub verifiers: Vec<PublicKey>,
    /// What stakes share.
    pub stake: StakeParams,
    /// The node's part of the fee, basis points.
    pub operator_bps: u16,
    /// Signatures that decide a challenge: more than the threshold, or all.
    pub appeal: u8,
    /// Seconds from a challenge to its decision; at most 30 days.
    pub appeal_time: u32,
    /// What a challenger puts in, nanogram.
    pub challenge_bond: Nano,
    /// Hash of the operators' code.
    pub operator_code_hash: Hash32,
    /// Its depth.
    pub operator_code_depth: u16,
}

/// What an operator chooses; the rest follows from this crate's code.
#[derive(Debug, Clone)]
pub struct Choice {
    /// See [`Config::min_step`].
    pub min_step: u32,
    /// See [`Config::max_step`].
    pub max_step: u32,
    /// See [`Config::timelock`].
    pub timelock: u32,
    /// See [`Config::threshold`].
    pub threshold: u8,
    /// See [`Config::fee_bps`].
    pub fee_bps: u16,
    /// See [`Config::treasury`].
    pub treasury: Address,
    /// See [`Config::verifiers`].
    pub verifiers: Vec<PublicKey>,
    /// Seconds that unbonding takes: more than three times `max_step` and `appeal_time`.
    pub unbonding: u32,
    /// See [`Config::operator_bps`].
    pub operator_bps: u16,
    /// See [`Config::appeal`].
    pub appeal: u8,
    /// See [`Config::appeal_time`].
    pub appeal_time: u32,
    /// See [`Config::challenge_bond`].
    pub challenge_bond: Nano,
    /// Where slashed stake is burned.
    pub burn: Address,
}

impl Config {
    /// A configuration for this crate's code.
    #[must_use]
    pub fn of(choice: Choice) -> Self {
        let (task, stake, operator) = (task_code(), stake_code(), operator_code());
        Self {
            task_code_hash: task.hash,
            task_code_depth: task.depth,
            min_step: choice.min_step,
            max_step: choice.max_step,
            timelock: choice.timelock,
            threshold: choice.threshold,
            fee_bps: choice.fee_bps,
            treasury: choice.treasury,
            stake_code_hash: stake.hash,
            stake_code_depth: stake.depth,
            verifiers: choice.verifiers,
            stake: StakeParams::current(choice.unbonding, choice.burn),
            operator_bps: choice.operator_bps,
            appeal: choice.appeal,
            appeal_time: choice.appeal_time,
            challenge_bond: choice.challenge_bond,
            operator_code_hash: operator.hash,
            operator_code_depth: operator.depth,
        }
    }

    /// Is this a market of exactly this crate's contracts?
    #[must_use]
    pub fn is_of_this_code(&self) -> bool {
        self.task_code_hash == task_code().hash
            && self.stake_code_hash == stake_code().hash
            && self.operator_code_hash == operator_code().hash
            && self.stake.task_code_hash == task_code().hash
            && self.stake.delegation_code_hash == delegation_code().hash
            && self.stake.jetton_task_code_hash == jetton_task_code().hash
    }

    /// The same rules for this crate's contracts: tasks and stakes that are made from then on.
    #[must_use]
    pub fn with_this_code(self) -> Self {
        let (task, stake, operator) = (task_code(), stake_code(), operator_code());
        Self {
            task_code_hash: task.hash,
            task_code_depth: task.depth,
            stake_code_hash: stake.hash,
            stake_code_depth: stake.depth,
            stake: StakeParams::current(self.stake.unbonding, self.stake.burn),
            operator_code_hash: operator.hash,
            operator_code_depth: operator.depth,
            ..self
        }
    }

    /// The stake of `owner` in `market` under this configuration.
    #[must_use]
    pub const fn stake_of(&self, market: Address, owner: Address) -> StakeInit {
        StakeInit { market, owner, params: self.stake }
    }

    /// The bond of the node with the wallet `owner`.
    #[must_use]
    pub const fn operator_of(&self, market: Address, owner: Address) -> OperatorInit {
        OperatorInit { market, owner, params: self.stake }
    }

    fn to_cell(&self) -> Result<Cell, ContractError> {
        let wrong = |error: tycho_types::error::Error| ContractError::Build {
            what: "Settings",
            cause: error.to_string(),
        };
        let mut verifiers = Dict::<u8, HashBytes>::new();
        for (index, key) in self.verifiers.iter().enumerate() {
            let index = u8::try_from(index).unwrap_or(u8::MAX);
            verifiers.set(index, HashBytes(key.0.0)).map_err(wrong)?;
        }
        let params = self.stake.to_cell()?;
        let settings = cells::build("Settings", |cell| {
            cell.store_u8(self.threshold)?;
            cell.store_u16(self.fee_bps)?;
            cell.store_u16(self.operator_bps)?;
            cell.store_u8(self.appeal)?;
            cell.store_u32(self.appeal_time)?;
            cell.put_coins(self.challenge_bond)?;
            cell.put_hash(&self.operator_code_hash)?;
            cell.store_u16(self.operator_code_depth)?;
            cell.put_address(&self.treasury)?;
            cell.put_hash(&self.stake_code_hash)?;
            cell.store_u16(self.stake_code_depth)?;
            cell.put_maybe(verifiers.root().as_ref())?;
            cell.store_reference(params)
        })?;
        cells::build("Config", |cell| {
            cell.put_hash(&self.task_code_hash)?;
            cell.store_u16(self.task_code_depth)?;
            cell.store_u32(self.min_step)?;
            cell.store_u32(self.max_step)?;
            cell.store_u32(self.timelock)?;
            cell.store_reference(settings)
        })
    }

    pub(crate) fn parse(cell: &Cell) -> Result<Self, ContractError> {
        let (task_code_hash, task_code_depth, [min_step, max_step, timelock], settings) =
            cells::read("Config", cell, |slice| {
                Ok((
                    take_hash(slice)?,
                    slice.load_u16()?,
                    [slice.load_u32()?, slice.load_u32()?, slice.load_u32()?],
                    slice.load_reference_cloned()?,
                ))
            })?;
        let settings = Settings::parse(&settings)?;
        Ok(Self {
            task_code_hash,
            task_code_depth,
            min_step,
            max_step,
            timelock,
            threshold: settings.threshold,
            fee_bps: settings.fee_bps,
            treasury: settings.treasury,
            stake_code_hash: settings.stake_code_hash,
            stake_code_depth: settings.stake_code_depth,
            verifiers: settings.verifiers,
            stake: settings.stake,
            operator_bps: settings.operator_bps,
            appeal: settings.appeal,
            appeal_time: settings.appeal_time,
            challenge_bond: settings.challenge_bond,
            operator_code_hash: settings.operator_code_hash,
            operator_code_depth: settings.operator_code_depth,
        })
    }
}

/// What a task takes over from its market when it opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// See [`Config::threshold`].
    pub threshold: u8,
    /// See [`Config::fee_bps`].
    pub fee_bps: u16,
    /// See [`Config::treasury`].
    pub treasury: Address,
    /// See [`Config::stake_code_hash`].
    pub stake_code_hash: Hash32,
    /// See [`Config::stake_code_depth`].
    pub stake_code_depth: u16,
    /// See [`Config::verifiers`].
    pub verifiers: Vec<PublicKey>,
    /// See [`Config::stake`].
    pub stake: StakeParams,
    /// See [`Config::operator_bps`].
    pub operator_bps: u16,
    /// See [`Config::appeal`].
    pub appeal: u8,
    /// See [`Config::appeal_time`].
    pub appeal_time: u32,
    /// See [`Config::challenge_bond`].
    pub challenge_bond: Nano,
    /// See [`Config::operator_code_hash`].
    pub operator_code_hash: Hash32,
    /// See [`Config::operator_code_depth`].
    pub operator_code_depth: u16,
}

impl Settings {
    /// Reads the cell.
    ///
    /// # Errors
    /// [`ContractError::Layout`].
    pub fn parse(cell: &Cell) -> Result<Self, ContractError> {
        let ((threshold, fee_bps, operator_bps), appeal, operator_code, treasury, rest) =
            cells::read("Settings", cell, |slice| {
                Ok((
                    (slice.load_u8()?, slice.load_u16()?, slice.load_u16()?),
                    (slice.load_u8()?, slice.load_u32()?, take_coins(slice)?),
                    (take_hash(slice)?, slice.load_u16()?),
                    take_address(slice)?,
                    (
                        (take_hash(slice)?, slice.load_u16()?),
                        take_maybe(slice)?,
                        slice.load_reference_cloned()?,
                    ),
                ))
            })?;
        let (stake_code, keys, params) = rest;
        let mut verifiers = Vec::new();
        for entry in Dict::<u8, HashBytes>::from_raw(keys).iter() {
            let (index, key) = entry.map_err(|error| ContractError::Layout {
                what: "verifiers",
                cause: error.to_string(),
            })?;
            if usize::from(index) != verifiers.len() {
                let cause = "their numbers have gaps".to_owned();
                return Err(ContractError::Layout { what: "verifiers", cause });
            }
            verifiers.push(PublicKey(Hash32(key.0)));
        }
        Ok(Self {
            threshold,
            fee_bps,
            treasury,
            stake_code_hash: stake_code.0,
            stake_code_depth: stake_code.1,
            verifiers,
            stake: StakeParams::parse(&params)?,
            operator_bps,
            appeal: appeal.0,
            appeal_time: appeal.1,
            challenge_bond: appeal.2,
            operator_code_hash: operator_code.0,
            operator_code_depth: operator_code.1,
        })
    }
}

/// A market's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketData {
    /// Who may propose changes.
    pub owner: Address,
    /// Are new tasks stopped?
    pub paused: bool,
    /// The configuration; `None` before the setup.
    pub config: Option<Config>,
    /// A proposed change, and the chain time from which it may be applied.
    pub proposal: Option<(u32, Config)>,
    /// Who may take over as the owner, and from which chain time.
    pub heir: Option<(u32, Address)>,
}

impl MarketData {
    /// Reads the contract's data cell.
    ///
    /// # Errors
    /// [`ContractError::Layout`].
    pub fn parse(data: &Cell) -> Result<Self, ContractError> {
        let ((owner, paused), [config, proposal, heir]) =
            cells::read("MarketStorage", data, |slice| {
                let owner = take_address(slice)?;
                let _salt = slice.load_u64()?;
                let paused = slice.load_bit()?;
                let parts = [take_maybe(slice)?, take_maybe(slice)?, take_maybe(slice)?];
                Ok(((owner, paused), parts))
            })?;
        let heir = heir
            .map(|cell| {
                cells::read("Heir", &cell, |slice| Ok((slice.load_u32()?, take_address(slice)?)))
            })
            .transpose()?;
        let proposal = proposal
            .map(|cell| {
                let (at, config) = cells::read("Proposal", &cell, |slice| {
                    Ok((slice.load_u32()?, slice.load_reference_cloned()?))
                })?;
                Ok::<_, ContractError>((at, Config::parse(&config)?))
            })
            .transpose()?;
        let config = config.as_ref().map(Config::parse).transpose()?;
        Ok(Self { owner, paused, config, proposal, heir })
    }
}

/// Body of `Setup`: send it with the StateInit.
///
/// # Errors
/// [`ContractError::Build`].
pub fn setup(query: u64, config: &Config) -> Result<Cell, ContractError> {
    with_config("Setup", op::SETUP, query, config)
}

/// Body of `Propose`.
///
/// # Errors
/// [`ContractError::Build`].
pub fn propose(query: u64, config: &Config) -> Result<Cell, ContractError> {
    with_config("Propose", op::PROPOSE, query, config)
}

fn with_config(
    what: &'static str,
    op: u32,
    query: u64,
    config: &Config,
) -> Result<Cell, ContractError> {
    let config = config.to_cell()?;
    cells::build(what, |cell| {
        cell.store_u32(op)?;
        cell.store_u64(query)?;
        cell.store_reference(config)
    })
}

/// Body of `OfferOwner`.
///
/// # Errors
/// [`ContractError::Build`].
pub fn offer_owner(query: u64, owner: &Address) -> Result<Cell, ContractError> {
    cells::build("OfferOwner", |cell| {
        cell.store_u32(op::OFFER_OWNER)?;
        cell.store_u64(query)?;
        cell.put_address(owner)
    })
}

/// Body of `Apply`, `Withdrawn`, `AcceptOwner` or `KeepOwner`: see [`op`].
///
/// # Errors
/// [`ContractError::Build`].
pub fn plain(op: u32, query: u64) -> Result<Cell, ContractError> {
    cells::build("market operation", |cell| {
        cell.store_u32(op)?;
        cell.store_u64(query)
    })
}

/// Body of `SetPause`.
///
/// # Errors
/// [`ContractError::Build`].
pub fn set_pause(query: u64, paused: bool) -> Result<Cell, ContractError> {
    cells::build("SetPause", |cell| {
        cell.store_u32(op::SET_PAUSE)?;
        cell.store_u64(query)?;
        cell.store_bit(paused)
    })
}
