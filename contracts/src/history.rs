//! What messages in other accounts' histories say, for whoever follows a market from outside.
//! Bodies come from the chain: anything may be in them.

use fog_protocol::Address;
use tycho_types::{cell::Cell, error::Error};

use crate::{
    cells::{self, ContractError, take_address},
    market::{self, Config},
    task::{self, TaskInit},
};

/// The configuration that a `Setup` or a `Propose` carries to a market.
///
/// # Errors
/// [`ContractError::Layout`] if it is neither.
pub fn configured(body: &Cell) -> Result<Config, ContractError> {
    let config = cells::read("Setup or Propose", body, |slice| {
        if !matches!(slice.load_u32()?, market::op::SETUP | market::op::PROPOSE) {
            return Err(Error::InvalidTag);
        }
        let _query = slice.load_u64()?;
        slice.load_reference_cloned()
    })?;
    Config::parse(&config)
}

/// The task that a `Register` to a market is of.
///
/// # Errors
/// [`ContractError::Layout`] if it is none.
pub fn registered(body: &Cell) -> Result<TaskInit, ContractError> {
    let init = cells::read("Register", body, |slice| {
        if slice.load_u32()? != market::op::REGISTER {
            return Err(Error::InvalidTag);
        }
        let _query = slice.load_u64()?;
        slice.load_reference_cloned()
    })?;
    TaskInit::parse(&init)
}

/// The worker that an `Assign` to a task names.
///
/// # Errors
/// [`ContractError::Layout`] if it is none.
pub fn assigned(body: &Cell) -> Result<Address, ContractError> {
    let layout = |error: Error| ContractError::Layout { what: "Assign", cause: error.to_string() };
    let mut slice = body.as_slice().map_err(layout)?;
    if slice.load_u32().map_err(layout)? != task::op::ASSIGN {
        return Err(layout(Error::InvalidTag));
    }
    let _query = slice.load_u64().map_err(layout)?;
    take_address(&mut slice).map_err(layout)
}
