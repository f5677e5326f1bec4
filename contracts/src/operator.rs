//! `Operator`: a node's bond. What the node takes on is reserved from it, and a verdict that does
//! not come in time is paid out of it.

use fog_protocol::{Address, Hash32, Nano};
use tycho_types::{cell::Cell, error::Error, models::StateInit};

use crate::{
    cells::{self, ContractError, Fields as _, take_address, take_coins, take_hash},
    code::operator_code,
    notify,
    stake::StakeParams,
    task::{self, Assign, TaskInit},
};

/// Opcodes of messages to an operator.
pub mod op {
    /// Adds to the bond; from anyone, the first with the StateInit.
    pub const BOND: u32 = 0x4f00_0001;
    /// Assigns a worker to a task; from the node's wallet.
    pub const TAKE_ON: u32 = 0x4f00_0002;
    /// Takes out what is not reserved; from the node's wallet.
    pub const WITHDRAW: u32 = 0x4f00_0003;
    /// An assignment is over; from its task.
    pub const FREED: u32 = 0x4f00_0004;
}

/// What an operator's address is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorInit {
    /// The market.
    pub market: Address,
    /// The node's wallet.
    pub owner: Address,
    /// The market's stake parameters.
    pub params: StakeParams,
}

impl OperatorInit {
    fn to_cell(self) -> Result<Cell, ContractError> {
        let params = self.params.to_cell()?;
        cells::build("OperatorInit", |cell| {
            cell.put_address(&self.market)?;
            cell.put_address(&self.owner)?;
            cell.store_reference(params)
        })
    }

    fn parse(cell: &Cell) -> Result<Self, ContractError> {
        let (market, owner, params) = cells::read("OperatorInit", cell, |slice| {
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
        let data = cells::build("OperatorStorage", |cell| {
            cell.store_reference(init)?;
            for _ in 0..3 {
                cell.put_coins(Nano::ZERO)?;
            }
            Ok(())
        })?;
        Ok(cells::state_init(&operator_code().cell, data))
    }

    /// The operator's address.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn address(&self) -> Result<Address, ContractError> {
        cells::address_of(&self.state_init()?)
    }
}

/// An operator's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorData {
    /// What its address is made of.
    pub init: OperatorInit,
    /// All of the bond, what is reserved and what was earned included.
    pub bond: Nano,
    /// Prices of the assignments that are not over.
    pub reserved: Nano,
    /// Fees earned so far, withdrawn or not.
    pub earned: Nano,
}

impl OperatorData {
    /// Reads the contract's data cell.
    ///
    /// # Errors
    /// [`ContractError::Layout`].
    pub fn parse(data: &Cell) -> Result<Self, ContractError> {
        let (init, [bond, reserved, earned]) = cells::read("OperatorStorage", data, |slice| {
            let init = slice.load_reference_cloned()?;
            Ok((init, [take_coins(slice)?, take_coins(slice)?, take_coins(slice)?]))
        })?;
        Ok(Self { init: OperatorInit::parse(&init)?, bond, reserved, earned })
    }

    /// What new assignments may reserve, and what may be withdrawn.
    #[must_use]
    pub const fn free(&self) -> Nano {
        self.bond.saturating_sub(self.reserved)
    }
}

fn amount(what: &'static str, op: u32, query: u64, amount: Nano) -> Result<Cell, ContractError> {
    cells::build(what, |cell| {
        cell.store_u32(op)?;
        cell.store_u64(query)?;
        cell.put_coins(amount)
    })
}

/// Body of `Bond`: attach the amount and, the first time, [`crate::OPERATOR_RENT`] with the
/// StateInit; later [`crate::OWNER_VALUE`].
///
/// # Errors
/// [`ContractError::Build`].
pub fn bond(query: u64, added: Nano) -> Result<Cell, ContractError> {
    amount("Bond", op::BOND, query, added)
}

/// Body of `WithdrawBond`, with [`crate::OWNER_VALUE`].
///
/// # Errors
/// [`ContractError::Build`].
pub fn withdraw(query: u64, taken: Nano) -> Result<Cell, ContractError> {
    amount("WithdrawBond", op::WITHDRAW, query, taken)
}

/// Body of `TakeOn`, with [`crate::ASSIGN_VALUE`]: assigns through the bond, as a task demands.
///
/// # Errors
/// [`ContractError::Build`].
pub fn take_on(query: u64, task: &Address, assign: &Assign) -> Result<Cell, ContractError> {
    let assign = task::assign(query, assign)?;
    cells::build("TakeOn", |cell| {
        cell.store_u32(op::TAKE_ON)?;
        cell.store_u64(query)?;
        cell.put_address(task)?;
        cell.store_reference(assign)
    })
}

/// The task and the assignment in a `TakeOn`.
///
/// # Errors
/// [`ContractError::Layout`] if it is none.
pub fn taken_on(body: &Cell) -> Result<(Address, Assign), ContractError> {
    let (task, assign) = cells::read("TakeOn", body, |slice| {
        if slice.load_u32()? != op::TAKE_ON {
            return Err(Error::InvalidTag);
        }
        let _query = slice.load_u64()?;
        Ok((take_address(slice)?, slice.load_reference_cloned()?))
    })?;
    Ok((task, crate::heard::assign(&assign)?))
}

/// What a task says at the end of an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freed {
    /// The assignment's price: so much is free again.
    pub price: Nano,
    /// The node's fee; it comes with the message.
    pub earned: Nano,
    /// What the bond pays to the creditor.
    pub owed: Nano,
    /// The worker.
    pub creditor: Address,
    /// The task.
    pub task: TaskInit,
}

impl Freed {
    /// Body of `Freed`.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn body(&self, query: u64) -> Result<Cell, ContractError> {
        let task = self.task.to_cell()?;
        cells::build("Freed", |cell| {
            cell.store_u32(op::FREED)?;
            cell.store_u64(query)?;
            cell.put_coins(self.price)?;
            cell.put_coins(self.earned)?;
            cell.put_coins(self.owed)?;
            cell.put_address(&self.creditor)?;
            cell.store_reference(task)
        })
    }

    /// Reads the body.
    ///
    /// # Errors
    /// [`ContractError::Layout`].
    pub fn parse(body: &Cell) -> Result<Self, ContractError> {
        let ([price, earned, owed], creditor, task) = cells::read("Freed", body, |slice| {
            if slice.load_u32()? != op::FREED {
                return Err(Error::InvalidTag);
            }
            let _query = slice.load_u64()?;
            let amounts = [take_coins(slice)?, take_coins(slice)?, take_coins(slice)?];
            Ok((amounts, take_address(slice)?, slice.load_reference_cloned()?))
        })?;
        Ok(Self { price, earned, owed, creditor, task: TaskInit::parse(&task)? })
    }
}

/// To the node's wallet, from its operator: a task did not take its assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotTaken {
    /// The query id of the `TakeOn`.
    pub query: u64,
    /// Where the assignment went.
    pub task: Address,
    /// Exit code of the refusal ([`crate::ExitCode`], or the machine's own).
    pub exit: u32,
}

impl NotTaken {
    /// Reads a message body.
    ///
    /// # Errors
    /// [`ContractError::Layout`] if it is none.
    pub fn parse(body: &Cell) -> Result<Self, ContractError> {
        cells::read("NotTaken", body, |slice| {
            if slice.load_u32()? != notify::op::NOT_TAKEN {
                return Err(Error::InvalidTag);
            }
            Ok(Self {
                query: slice.load_u64()?,
                task: take_address(slice)?,
                exit: slice.load_u32()?,
            })
        })
    }
}

/// How a bond moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum BondMove {
    /// Somebody added to it.
    Bonded = 1,
    /// The node took some out.
    Withdrawn = 2,
    /// It paid a worker that got no verdict in time.
    Paid = 3,
}

/// A bond's external log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BondLog {
    /// How it moved.
    pub kind: BondMove,
    /// Hash of the task's address; zero where none is meant.
    pub task: Hash32,
    /// How much, nanogram.
    pub amount: Nano,
    /// The bond after it.
    pub bond: Nano,
    /// What of it is reserved.
    pub reserved: Nano,
}

impl BondLog {
    /// Reads a log's body.
    ///
    /// # Errors
    /// [`ContractError::Layout`] if it is another.
    pub fn parse(body: &Cell) -> Result<Self, ContractError> {
        cells::read("BondLog", body, |slice| {
            if slice.load_u32()? != notify::op::BOND_LOG {
                return Err(Error::InvalidTag);
            }
            let kind = match slice.load_u8()? {
                1 => BondMove::Bonded,
                2 => BondMove::Withdrawn,
                3 => BondMove::Paid,
                _ => return Err(Error::InvalidData),
            };
            let task = take_hash(slice)?;
            let [amount, bond, reserved] =
                [take_coins(slice)?, take_coins(slice)?, take_coins(slice)?];
            Ok(Self { kind, task, amount, bond, reserved })
        })
    }
}
