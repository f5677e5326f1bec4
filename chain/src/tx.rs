//! Transactions, read from their cells.

use fog_protocol::{Address, Hash32, Nano};
use tycho_types::cell::{Cell, CellBuilder, CellFamily as _, CellSlice, Load as _, Store as _};
use tycho_types::error::Error;
use tycho_types::models::{
    AccountStatus, BaseMessage, ComputePhase, CurrencyCollection, ExtInMsgInfo, IntAddr, Message,
    MessageLayout, MsgInfo, Transaction, TxInfo,
};

use crate::json::Answer;
use crate::{AccountState, ChainError, Cursor};

/// Outgoing messages a transaction can have at most.
const MAX_OUT_MESSAGES: usize = 256;

/// What kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MsgKind {
    /// From one account to another.
    Internal,
    /// From outside to an account.
    ExternalIn,
    /// From an account to the outside: an event.
    ExternalOut,
}

/// One message.
#[derive(Debug, Clone)]
pub struct Msg {
    /// Its kind.
    pub kind: MsgKind,
    /// Hash of its cell.
    pub hash: Hash32,
    /// The sending account; `None` from outside.
    pub source: Option<Address>,
    /// The receiving account; `None` to the outside.
    pub dest: Option<Address>,
    /// Nanogram attached.
    pub value: Nano,
    /// Whether it came back from a failed recipient.
    pub bounced: bool,
    /// Logical time of its creation (0 from outside).
    pub created_lt: u64,
    /// Its body as a cell of its own.
    pub body: Cell,
    /// TEP-467's normalized hash, for messages from outside.
    pub normalized_hash: Option<Hash32>,
}

impl Msg {
    /// The first 32 bits of the body, which name the operation; `None` for a shorter body. Of a
    /// bounced message it is what the network put in front.
    #[must_use]
    pub fn op(&self) -> Option<u32> {
        self.body.as_slice().ok()?.load_u32().ok()
    }

    /// Hash of the body.
    #[must_use]
    pub fn body_hash(&self) -> Hash32 {
        Hash32(self.body.repr_hash().0)
    }

    fn parse(cell: &Cell) -> Result<Self, Error> {
        let message = Message::load_from(&mut cell.as_slice()?)?;
        let mut parsed = Self {
            kind: MsgKind::Internal,
            hash: Hash32(cell.repr_hash().0),
            source: None,
            dest: None,
            value: Nano::ZERO,
            bounced: false,
            created_lt: 0,
            body: rebuild(message.body)?,
            normalized_hash: None,
        };
        match message.info {
            MsgInfo::Int(info) => {
                parsed.source = Some(to_address(&info.src)?);
                parsed.dest = Some(to_address(&info.dst)?);
                parsed.value = to_nano(&info.value)?;
                parsed.bounced = info.bounced;
                parsed.created_lt = info.created_lt;
            }
            MsgInfo::ExtIn(info) => {
                parsed.kind = MsgKind::ExternalIn;
                parsed.dest = Some(to_address(&info.dst)?);
                parsed.normalized_hash = Some(normalized_hash(info.dst, &parsed.body)?);
            }
            MsgInfo::ExtOut(info) => {
                parsed.kind = MsgKind::ExternalOut;
                parsed.source = Some(to_address(&info.src)?);
                parsed.created_lt = info.created_lt;
            }
        }
        Ok(parsed)
    }
}

/// One transaction of one account.
#[derive(Debug, Clone)]
pub struct Tx {
    /// The account.
    pub account: Address,
    /// Its logical time.
    pub lt: u64,
    /// Its hash, computed from its cells.
    pub hash: Hash32,
    /// The account's transaction before it; `None` for the first.
    pub prev: Option<Cursor>,
    /// Chain time of its block, unix seconds.
    pub now: u32,
    /// What started it; `None` for tick-tock transactions.
    pub in_msg: Option<Msg>,
    /// What it sent, in order.
    pub out_msgs: Vec<Msg>,
    /// Whether it changed nothing but fees (the money of its message bounced or stayed).
    pub aborted: bool,
    /// The contract's exit code; `None` if the contract did not run.
    pub exit_code: Option<i32>,
    /// Result of the action phase; `None` if there was none. Not 0: nothing was sent.
    pub action_result: Option<i32>,
    /// Fees taken, in nanogram.
    pub total_fees: Nano,
    /// The account's state after it.
    pub end_state: AccountState,
    /// The transaction's cell: evidence that outlives the gateway.
    pub cell: Cell,
}

impl Tx {
    /// Where to continue after this transaction.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        Cursor { lt: self.lt, hash: self.hash }
    }

    /// Whether contract and actions both succeeded.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        !self.aborted
            && matches!(self.exit_code, Some(0 | 1))
            && matches!(self.action_result, None | Some(0))
    }

    /// Reads a transaction of `account` from its cell. Cells know neither workchain nor, by
    /// themselves, their place: [`crate::ChainClient`] checks hash and links.
    ///
    /// # Errors
    /// The cell's error if it is no transaction of that account.
    pub fn parse(account: Address, cell: Cell) -> Result<Self, Error> {
        let transaction = Transaction::load_from(&mut cell.as_slice()?)?;
        if transaction.account.0 != account.hash.0 {
            return Err(Error::InvalidData);
        }
        let mut out_msgs = Vec::new();
        for entry in transaction.out_msgs.iter() {
            if out_msgs.len() == MAX_OUT_MESSAGES {
                return Err(Error::InvalidData);
            }
            out_msgs.push(Msg::parse(&entry?.1)?);
        }
        let outcome = Outcome::of(transaction.load_info()?);
        let prev =
            Cursor { lt: transaction.prev_trans_lt, hash: Hash32(transaction.prev_trans_hash.0) };
        Ok(Self {
            account,
            lt: transaction.lt,
            hash: Hash32(cell.repr_hash().0),
            prev: (prev.lt != 0).then_some(prev),
            now: transaction.now,
            in_msg: transaction.in_msg.as_ref().map(Msg::parse).transpose()?,
            out_msgs,
            aborted: outcome.aborted,
            exit_code: outcome.exit_code,
            action_result: outcome.action_result,
            total_fees: to_nano(&transaction.total_fees)?,
            end_state: match transaction.end_status {
                AccountStatus::Active => AccountState::Active,
                AccountStatus::Frozen => AccountState::Frozen,
                AccountStatus::Uninit | AccountStatus::NotExists => AccountState::Uninit,
            },
            cell,
        })
    }

    /// One row of `getTransactions`: the cells decide, the rest must agree with them.
    pub(crate) fn from_row(account: Address, row: Answer<'_>) -> Result<Self, ChainError> {
        let announced = Cursor::parse(row.field("transaction_id")?)?
            .ok_or_else(|| row.malformed("a transaction with lt 0"))?;
        let data = row.field("data")?;
        let cell = data.cell()?.ok_or_else(|| data.malformed("a transaction without data"))?;
        let hash = Hash32(cell.repr_hash().0);
        if hash != announced.hash {
            let what = format!("transaction {} comes with the data of {hash}", announced.hash);
            return Err(ChainError::Lied { what });
        }
        let tx = Self::parse(account, cell).map_err(|error| ChainError::Lied {
            what: format!("{hash} is no transaction of {account}: {error}"),
        })?;
        if tx.lt != announced.lt {
            let what = format!("transaction {hash} is at lt {}, not {}", tx.lt, announced.lt);
            return Err(ChainError::Lied { what });
        }
        Ok(tx)
    }
}

struct Outcome {
    aborted: bool,
    exit_code: Option<i32>,
    action_result: Option<i32>,
}

impl Outcome {
    fn of(info: TxInfo) -> Self {
        let (aborted, compute, action) = match info {
            TxInfo::Ordinary(info) => (info.aborted, info.compute_phase, info.action_phase),
            TxInfo::TickTock(info) => (info.aborted, info.compute_phase, info.action_phase),
        };
        let exit_code = match compute {
            ComputePhase::Executed(phase) => Some(phase.exit_code),
            ComputePhase::Skipped(_) => None,
        };
        Self { aborted, exit_code, action_result: action.map(|phase| phase.result_code) }
    }
}

fn to_address(address: &IntAddr) -> Result<Address, Error> {
    match address {
        IntAddr::Std(address) => {
            Ok(Address { workchain: address.workchain, hash: Hash32(address.address.0) })
        }
        IntAddr::Var(_) => Err(Error::InvalidData),
    }
}

fn to_nano(amount: &CurrencyCollection) -> Result<Nano, Error> {
    u64::try_from(amount.tokens.into_inner()).map(Nano::new).map_err(|_| Error::IntOverflow)
}

fn rebuild(slice: CellSlice<'_>) -> Result<Cell, Error> {
    let mut builder = CellBuilder::new();
    slice.store_into(&mut builder, Cell::empty_context())?;
    builder.build()
}

/// TEP-467: source, import fee and StateInit removed, body in a reference.
fn normalized_hash(dst: IntAddr, body: &Cell) -> Result<Hash32, Error> {
    let message = CellBuilder::build_from(BaseMessage {
        info: MsgInfo::ExtIn(ExtInMsgInfo { src: None, dst, ..ExtInMsgInfo::default() }),
        init: None,
        body: tycho_types::cell::CellSliceParts::from(body.clone()),
        layout: Some(MessageLayout { init_to_cell: false, body_to_cell: true }),
    })?;
    Ok(Hash32(message.repr_hash().0))
}
