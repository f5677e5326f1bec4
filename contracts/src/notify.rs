//! What a task tells the node's wallet at every transition.

use fog_protocol::{Hash32, Nano};
use tycho_types::cell::Cell;

use crate::cells::{self, ContractError};

/// Opcodes of messages that leave the contracts.
pub mod op {
    /// [`super::Notify`].
    pub const NOTIFY: u32 = 0x4e00_0001;
    /// What was left of the attached value.
    pub const EXCESSES: u32 = 0x4e00_0002;
    /// To the requestor, with what was left of the escrow.
    pub const CLOSED: u32 = 0x4e00_0003;
    /// To a stake's owner.
    pub const PAYOUT: u32 = 0x4e00_0004;
    /// To the treasury.
    pub const FEE: u32 = 0x4e00_0005;
    /// To the burn address.
    pub const BURN: u32 = 0x4e00_0006;
    /// Log of a slash: [`crate::Slash`].
    pub const SLASH_LOG: u32 = 0x4e00_0007;
    /// Log of a task's end.
    pub const END_LOG: u32 = 0x4e00_0008;
    /// To a challenger, or to whom a wrong challenge kept waiting.
    pub const CHALLENGE_PAY: u32 = 0x4e00_0009;
    /// [`crate::operator::NotTaken`].
    pub const NOT_TAKEN: u32 = 0x4e00_000a;
    /// To a worker or a challenger, out of a node's bond.
    pub const COMPENSATION: u32 = 0x4e00_000b;
    /// [`crate::operator::BondLog`].
    pub const BOND_LOG: u32 = 0x4e00_000c;
    /// Log of a challenge: [`crate::dispute::DisputeLog`].
    pub const CHALLENGE_LOG: u32 = 0x4e00_000d;
    /// Log of its end: [`crate::dispute::DisputeLog`].
    pub const RULING_LOG: u32 = 0x4e00_000e;
    /// Log of a movement of stake: [`crate::StakeMove`].
    pub const STAKE_LOG: u32 = 0x4e00_0020;
    /// Log of a payment: [`crate::Reward`].
    pub const REWARD_LOG: u32 = 0x4e00_0021;
}

/// A task's state on chain; four of them are how a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are those of tolk/task-storage.tolk, explained there")]
pub enum TaskState {
    Created = 0,
    Registering = 1,
    Open = 2,
    Reserving = 3,
    Assigned = 4,
    Committed = 5,
    Accepted = 6,
    Rejected = 7,
    Settling = 8,
    Slashing = 9,
    Releasing = 10,
    Penalising = 11,
    Paid = 12,
    Slashed = 13,
    Refunded = 14,
    Late = 15,
    Disputed = 16,
}

impl TaskState {
    /// Every state, by number.
    pub const ALL: [Self; 17] = [
        Self::Created,
        Self::Registering,
        Self::Open,
        Self::Reserving,
        Self::Assigned,
        Self::Committed,
        Self::Accepted,
        Self::Rejected,
        Self::Settling,
        Self::Slashing,
        Self::Releasing,
        Self::Penalising,
        Self::Paid,
        Self::Slashed,
        Self::Refunded,
        Self::Late,
        Self::Disputed,
    ];

    /// The state with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Is this how a task ended?
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Paid | Self::Slashed | Self::Refunded | Self::Late)
    }
}

/// The notice itself. It counts only if it comes from the task's own address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// The task's id.
    pub task: Hash32,
    /// The state it reached, or how it ended.
    pub state: TaskState,
    /// Chain time until which that state lasts.
    pub deadline: u32,
    /// Price, escrowed amount, or what was slashed: as the state suggests.
    pub amount: Nano,
    /// Commitment, evidence, or (in `Open` after a refused reservation) the stake's exit code.
    pub hash: Hash32,
}

impl Notify {
    /// Reads a message body.
    ///
    /// # Errors
    /// [`ContractError::Layout`] if it is no notice.
    pub fn parse(body: &Cell) -> Result<Self, ContractError> {
        cells::read("Notify", body, |slice| {
            if slice.load_u32()? != op::NOTIFY {
                return Err(tycho_types::error::Error::InvalidTag);
            }
            Ok(Self {
                task: cells::take_hash(slice)?,
                state: TaskState::from_number(slice.load_u8()?)
                    .ok_or(tycho_types::error::Error::InvalidData)?,
                deadline: slice.load_u32()?,
                amount: cells::take_coins(slice)?,
                hash: cells::take_hash(slice)?,
            })
        })
    }
}
