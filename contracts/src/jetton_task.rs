//! `JettonTask`: the escrow of one task in a jetton.
//!
//! It is a [`crate::task`] in everything but what is paid. Amounts in nanogram are its *guarantee*: what
//! the worker's stake and the node's bond stand for, since currencies are never converted on chain. The
//! price in the terms stands for all units of the jetton, another price for its part of them.

use fog_protocol::{Address, Hash32, Listing, Nano, Tagged as _};
use tycho_types::{
    cell::{Cell, CellSlice},
    error::Error,
    models::StateInit,
};

use crate::{
    TaskState, Units,
    amount::Amount as _,
    cells::{self, ContractError, Fields as _, take_address},
    code::jetton_task_code,
    jetton::take_maybe_address,
    task::{TaskData, TaskInit},
};

/// Opcodes of what only a task in a jetton is told; those of jettons are in [`crate::jetton::op`].
pub mod op {
    /// What the task costs, and GRAM for its steps; from the requestor, the first with the StateInit.
    pub const BEGIN: u32 = 0x5400_0010;
    /// Sends a share; from its owner.
    pub const CLAIM_SHARE: u32 = 0x5400_0011;
    /// Sends the requestor what nobody is owed, when all is over.
    pub const SWEEP: u32 = 0x5400_0012;
    /// Leaves the tombstone, when all is over; from the requestor.
    pub const BURY: u32 = 0x5400_0013;
}

/// Seconds from the last `begin` in which jettons start a task by themselves.
pub const FUNDING_TIME: u32 = 24 * 3600;
/// Seconds after the end and the last transfer until [`op::SWEEP`] and [`op::BURY`].
pub const SETTLING_TIME: u32 = 24 * 3600;
/// Seconds after the end until anybody may send a share to its owner.
pub const UNCLAIMED: u32 = 365 * 24 * 3600;

/// What a task costs in a jetton.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JettonTerms {
    /// The listing's own hash.
    pub listing: Hash32,
    /// The jetton's master, on the basechain.
    pub master: Address,
    /// What the whole price comes to.
    pub units: Units,
}

impl JettonTerms {
    /// As the contract reads them.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn to_cell(&self) -> Result<Cell, ContractError> {
        cells::build("JettonTerms", |cell| {
            cell.put_hash(&self.listing)?;
            cell.put_hash(&self.master.hash)?;
            cell.store_u128(self.units.get())
        })
    }

    /// The task's id: everything that its price is made of.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn id(&self) -> Result<Hash32, ContractError> {
        Ok(Hash32(self.to_cell()?.repr_hash().0))
    }
}

/// A task in a jetton. Its `task.terms.id` is [`JettonTerms::id`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JettonTask {
    /// What every task has; the price is the guarantee.
    pub task: TaskInit,
    /// The price.
    pub jetton: JettonTerms,
}

impl JettonTask {
    /// A task with these terms, whatever their id was.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn new(mut task: TaskInit, jetton: JettonTerms) -> Result<Self, ContractError> {
        task.terms.id = jetton.id()?;
        Ok(Self { task, jetton })
    }

    /// The escrow of a listing, if it is paid in a jetton.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn of(listing: &Listing) -> Result<Option<Self>, ContractError> {
        let Some((master, units)) = listing.rail.jetton() else { return Ok(None) };
        let jetton = JettonTerms { listing: listing.digest(), master, units };
        Self::new(TaskInit::of(listing), jetton).map(Some)
    }

    /// Code and data of the fresh contract.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn state_init(&self) -> Result<StateInit, ContractError> {
        Ok(cells::state_init(&jetton_task_code().cell, self.task.fresh_data()?))
    }

    /// The contract's address.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn address(&self) -> Result<Address, ContractError> {
        cells::address_of(&self.state_init()?)
    }

    /// What a price comes to in the jetton.
    #[must_use]
    pub fn units_of(&self, price: Nano) -> Units {
        self.jetton.units.part(price, self.task.terms.price)
    }

    /// Whose units are how many where a task of this price is paid.
    #[must_use]
    pub fn shares(&self, price: Nano, fee_bps: u16, operator_bps: u16) -> Shares {
        let whole = self.units_of(price);
        let cut = of_bps(whole, fee_bps);
        let node = of_bps(cut, operator_bps);
        Shares {
            requestor: self.jetton.units.saturating_sub(whole),
            worker: whole.saturating_sub(cut),
            treasury: cut.saturating_sub(node),
            node,
        }
    }
}

/// The least price that comes to at least `wanted` where `whole` stands for `units`; `None` if the whole
/// does not.
#[must_use]
pub fn least_price(units: Units, whole: Nano, wanted: Units) -> Option<Nano> {
    if wanted > units || units == Units::ZERO || whole == Nano::ZERO {
        return None;
    }
    // The smallest `p` with `units * p / whole >= wanted`, by halving: the product has 184 bits.
    let (mut low, mut high) = (0, whole.get());
    while low < high {
        let middle = low + (high - low) / 2;
        if units.part(Nano::new(middle), whole) >= wanted {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(Nano::new(low))
}

fn of_bps(units: Units, bps: u16) -> Units {
    units.scaled(bps.into(), 10_000)
}

/// Whose share of an ended task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Share {
    /// What was not paid, and what came beyond the price.
    Requestor = 0,
    /// Its pay.
    Worker = 1,
    /// The market's part of the fee.
    Treasury = 2,
    /// The node's.
    Node = 3,
}

impl Share {
    /// Every share.
    pub const ALL: [Self; 4] = [Self::Requestor, Self::Worker, Self::Treasury, Self::Node];

    /// Whose it is, in a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requestor => "requestor",
            Self::Worker => "worker",
            Self::Treasury => "treasury",
            Self::Node => "node",
        }
    }
}

/// Shares, in units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shares {
    /// See [`Share::Requestor`].
    pub requestor: Units,
    /// See [`Share::Worker`].
    pub worker: Units,
    /// See [`Share::Treasury`].
    pub treasury: Units,
    /// See [`Share::Node`].
    pub node: Units,
}

impl Shares {
    /// One of them.
    #[must_use]
    pub const fn of(&self, share: Share) -> Units {
        match share {
            Share::Requestor => self.requestor,
            Share::Worker => self.worker,
            Share::Treasury => self.treasury,
            Share::Node => self.node,
        }
    }

    /// All together.
    #[must_use]
    pub fn sum(&self) -> Units {
        Share::ALL.iter().fold(Units::ZERO, |sum, share| sum.saturating_add(self.of(*share)))
    }
}

/// The jettons of a task that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JettonMoney {
    /// The jetton's master.
    pub master: Address,
    /// What the whole price comes to.
    pub units: Units,
    /// The task's own jetton wallet, once the master has said which it is.
    pub wallet: Option<Address>,
    /// That came and are nobody's share yet.
    pub held: Units,
    /// Shares that were not sent yet.
    pub dues: Shares,
    /// Numbers of the transfers that the worker's, treasury's and node's shares went with; zero where
    /// none did, or it came back.
    pub sent: [u64; 3],
    /// Transfers of those so far.
    pub tries: u64,
    /// Transfers of the requestor's so far.
    pub attempts: u64,
    /// Which of its last 64 have not come back; the lowest bit is the newest.
    pub open: u64,
    /// Chain time of the newest of those of others, or of the end.
    pub sent_at: u32,
}

/// A task's data. The `escrowed` of `task` is guarantee, too: no GRAM lies there for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JettonTaskData {
    /// What every task has.
    pub task: TaskData,
    /// The jettons; none before it began, and in its tombstone.
    pub money: Option<JettonMoney>,
}

impl JettonTaskData {
    /// Reads the contract's data cell.
    ///
    /// # Errors
    /// [`ContractError::Layout`].
    pub fn parse(data: &Cell) -> Result<Self, ContractError> {
        let (task, money) = TaskData::parse_with_rest(data)?;
        let money = money.as_ref().map(JettonMoney::parse).transpose()?;
        Ok(Self { task, money })
    }

    /// The address of a task in a jetton with this data's terms: data that lie elsewhere are not one's.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn address(&self) -> Result<Address, ContractError> {
        let data = self.task.init.fresh_data()?;
        cells::address_of(&cells::state_init(&jetton_task_code().cell, data))
    }

    /// Does it wait for its jettons, which may be sent to it now?
    #[must_use]
    pub fn takes_jettons(&self) -> bool {
        self.task.state == TaskState::Created
            && self.money.is_some_and(|money| money.wallet.is_some())
    }

    /// What a price of this task comes to, if it has begun.
    #[must_use]
    pub fn units_of(&self, price: Nano) -> Option<Units> {
        self.money.map(|money| money.units.part(price, self.task.init.terms.price))
    }
}

impl JettonMoney {
    fn parse(cell: &Cell) -> Result<Self, ContractError> {
        let (known, dues) = cells::read("JettonMoney", cell, |slice| {
            let master = take_address(slice)?;
            let units = Units::take(slice)?;
            let wallet = take_maybe_address(slice)?;
            let held = Units::take(slice)?;
            Ok(((master, units, wallet, held), slice.load_reference_cloned()?))
        })?;
        let (master, units, wallet, held) = known;
        cells::read("Dues", &dues, |slice| {
            Ok(Self {
                master,
                units,
                wallet,
                held,
                dues: take_shares(slice)?,
                sent: [slice.load_u64()?, slice.load_u64()?, slice.load_u64()?],
                tries: slice.load_u64()?,
                attempts: slice.load_u64()?,
                open: slice.load_u64()?,
                sent_at: slice.load_u32()?,
            })
        })
    }
}

fn take_shares(slice: &mut CellSlice<'_>) -> Result<Shares, Error> {
    Ok(Shares {
        requestor: Units::take(slice)?,
        worker: Units::take(slice)?,
        treasury: Units::take(slice)?,
        node: Units::take(slice)?,
    })
}

/// Body of `Begin`: send it with the StateInit and [`crate::JETTON_TASK_VALUE`].
///
/// # Errors
/// [`ContractError::Build`].
pub fn begin(query: u64, jetton: &JettonTerms) -> Result<Cell, ContractError> {
    let jetton = jetton.to_cell()?;
    cells::build("Begin", |cell| {
        cell.store_u32(op::BEGIN)?;
        cell.store_u64(query)?;
        cell.store_reference(jetton)
    })
}

/// Body of `ClaimShare`: send it with [`crate::JETTON_PAY_VALUE`]; the share goes to `to`.
///
/// # Errors
/// [`ContractError::Build`].
pub fn claim_share(query: u64, share: Share, to: &Address) -> Result<Cell, ContractError> {
    cells::build("ClaimShare", |cell| {
        cell.store_u32(op::CLAIM_SHARE)?;
        cell.store_u64(query)?;
        cell.store_small_uint(share as u8, 2)?;
        cell.put_address(to)
    })
}

/// Body of `SweepTask`: send it with [`crate::JETTON_PAY_VALUE`].
///
/// # Errors
/// [`ContractError::Build`].
pub fn sweep(query: u64, amount: Units) -> Result<Cell, ContractError> {
    cells::build("SweepTask", |cell| {
        cell.store_u32(op::SWEEP)?;
        cell.store_u64(query)?;
        amount.put(cell)
    })
}

/// Body of `Bury`: send it with [`crate::COMMIT_VALUE`].
///
/// # Errors
/// [`ContractError::Build`].
pub fn bury(query: u64) -> Result<Cell, ContractError> {
    crate::channel::plain(op::BURY, query)
}
