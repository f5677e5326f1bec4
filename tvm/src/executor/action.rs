//! The action phase: what a contract asked for, done in order.

use tycho_executor::ExecutorState;
use tycho_types::cell::Lazy;
use tycho_types::dict::Dict;
use tycho_types::error::Error;
use tycho_types::models::{
    AccountState, AccountStatus, AccountStatusChange, ActionPhase, CurrencyCollection,
    OwnedMessage, SimpleLib, StateInit, StorageUsedShort,
};
use tycho_types::num::{Tokens, VarUint56};
use tycho_types::prelude::*;

use super::layout::{self, Proposed};
use super::receive::Received;
use super::{compute, send};
use crate::cells::{CellCounter, MAX_MERKLE_DEPTH};

/// Most actions a contract may ask for.
const MAX_ACTIONS: usize = 255;

const SEND_MSG: u32 = 0x0ec3_c86d;
const SET_CODE: u32 = 0xad4d_e08e;
const RESERVE: u32 = 0x36e6_b809;
const CHANGE_LIBRARY: u32 = 0x26fa_1dd4;

/// Skip the action if it fails.
pub(super) const IGNORE_ERROR: u8 = 2;
/// Send the inbound message back if the action fails.
pub(super) const BOUNCE_ON_ERROR: u8 = 16;

/// Result codes of the phase.
pub(super) mod code {
    pub(crate) const LIST_INVALID: i32 = 32;
    pub(crate) const TOO_MANY: i32 = 33;
    pub(crate) const INVALID: i32 = 34;
    pub(crate) const BAD_SOURCE: i32 = 35;
    pub(crate) const BAD_DESTINATION: i32 = 36;
    pub(crate) const NO_FUNDS: i32 = 37;
    pub(crate) const NO_EXTRA_FUNDS: i32 = 38;
    pub(crate) const DOES_NOT_FIT: i32 = 39;
    pub(crate) const TOO_LARGE: i32 = 40;
    pub(crate) const NO_LIBRARY: i32 = 41;
    pub(crate) const BAD_LIBRARIES: i32 = 42;
    pub(crate) const LIBRARY_TOO_LARGE: i32 = 43;
    pub(crate) const TOO_MANY_CURRENCIES: i32 = 44;
    pub(crate) const BAD_EXTRA_FLAGS: i32 = 45;
    pub(crate) const STATE_TOO_LARGE: i32 = 50;
}

/// What a contract asked for.
enum Action<'a> {
    Send { mode: u8, message: Box<Proposed<'a>> },
    SetCode(Cell),
    Reserve { mode: u8, value: CellSlice<'a> },
    ChangeLibrary { mode: u8, library: Library },
}

enum Library {
    Hash(HashBytes),
    Cell(Cell),
}

/// The state of the phase.
pub(super) struct Acting<'e, 'a> {
    pub(super) exec: &'e ExecutorState<'a>,
    pub(super) received: &'e mut Received,
    /// Fees of the compute phase, nano.
    pub(super) gas_fees: u128,
    original_balance: CurrencyCollection,
    pub(super) remaining: CurrencyCollection,
    /// Nano set aside.
    pub(super) reserved: u128,
    /// Nano to pay for messages that were looked at in vain.
    pub(super) fine: u128,
    pub(super) forwarding_fees: u128,
    pub(super) action_fees: u128,
    pub(super) cells: u64,
    pub(super) bits: u64,
    pub(super) skipped: u16,
    special: u16,
    pub(super) end_lt: u64,
    pub(super) out_msgs: Vec<Lazy<OwnedMessage>>,
    pub(super) delete_account: bool,
    pub(super) bounce_on_failure: bool,
    new_code: Option<Cell>,
    libraries: Dict<HashBytes, SimpleLib>,
}

/// What came of the phase.
pub(super) struct Acted {
    pub(super) phase: ActionPhase,
    /// Nano.
    pub(super) fine: u128,
    /// The inbound message goes back.
    pub(super) bounce: bool,
    /// The account was asked to be deleted.
    pub(super) destroyed: bool,
}

/// What the compute phase leaves for this one.
pub(super) struct Request {
    pub(super) actions: Cell,
    pub(super) gas_fees: Tokens,
    pub(super) original_balance: CurrencyCollection,
    /// The state the contract ran with.
    pub(super) state: StateInit,
    /// Its new data.
    pub(super) data: Option<Cell>,
    /// The account's state before the transaction, if it had one.
    pub(super) before: Option<StateInit>,
}

/// Runs the phase.
pub(super) fn run(
    exec: &mut ExecutorState<'_>,
    received: &mut Received,
    request: Request,
) -> Result<Acted, Error> {
    let mut acted = Acted {
        phase: empty_phase(*request.actions.repr_hash()),
        fine: 0,
        bounce: false,
        destroyed: false,
    };
    let phase = &mut acted.phase;
    let list = match unpack(&request.actions) {
        Ok(list) => list,
        Err((result, at)) => {
            phase.result_code = result;
            phase.result_arg = argument(at);
            return Ok(acted);
        }
    };
    phase.total_actions = list.len() as u16;
    let actions = match parse(&list, &mut phase.skipped_actions, &mut acted.bounce) {
        Ok(actions) => actions,
        Err(at) => {
            phase.result_code = code::INVALID;
            phase.result_arg = argument(at);
            return Ok(acted);
        }
    };
    phase.valid = true;

    let mut acting = Acting {
        original_balance: request.original_balance.clone(),
        remaining: exec.balance.clone(),
        gas_fees: request.gas_fees.into_inner(),
        end_lt: exec.end_lt,
        libraries: request.state.libraries.clone(),
        skipped: phase.skipped_actions,
        exec,
        received,
        reserved: 0,
        fine: 0,
        forwarding_fees: 0,
        action_fees: 0,
        cells: 0,
        bits: 0,
        special: 0,
        out_msgs: Vec::new(),
        delete_account: false,
        bounce_on_failure: false,
        new_code: None,
    };
    let mut failed = None;
    for (at, action) in actions.into_iter().enumerate() {
        let Some(action) = action else { continue };
        phase.result_arg = argument(at);
        acting.bounce_on_failure = false;
        if let Err(result) = acting.perform(action) {
            failed = Some(result);
            break;
        }
    }
    acting.report(phase);
    let results = acting.finish();
    match failed {
        Some(result) => fail(exec, &request, results, result, &mut acted)?,
        None => succeed(exec, request, results, &mut acted)?,
    }
    Ok(acted)
}

fn empty_phase(action_list_hash: HashBytes) -> ActionPhase {
    ActionPhase {
        success: false,
        valid: false,
        no_funds: false,
        status_change: AccountStatusChange::Unchanged,
        total_fwd_fees: None,
        total_action_fees: None,
        result_code: -1,
        result_arg: None,
        total_actions: 0,
        special_actions: 0,
        skipped_actions: 0,
        messages_created: 0,
        action_list_hash,
        total_message_size: StorageUsedShort::ZERO,
    }
}

/// Zero is not stored.
fn argument(at: usize) -> Option<i32> {
    i32::try_from(at).ok().filter(|at| *at != 0)
}

fn nonzero(nano: u128) -> Option<Tokens> {
    (nano != 0).then(|| Tokens::new(nano))
}

/// The list's cells, oldest first; or the phase's result and its argument.
fn unpack(actions: &Cell) -> Result<Vec<&DynCell>, (i32, usize)> {
    let mut list = Vec::new();
    let mut at = actions.as_ref();
    loop {
        if at.is_exotic() {
            return Err((code::LIST_INVALID, list.len()));
        }
        if at.bit_len() == 0 && at.reference_count() == 0 {
            break;
        }
        let Some(next) = at.reference(0) else {
            return Err((code::LIST_INVALID, list.len()));
        };
        list.push(at);
        at = next;
        if list.len() > MAX_ACTIONS {
            return Err((code::TOO_MANY, list.len()));
        }
    }
    list.reverse();
    Ok(list)
}

/// Reads all actions; `None` is one to skip. The error is the place of one that cannot be read.
fn parse<'a>(
    list: &[&'a DynCell],
    skipped: &mut u16,
    bounce: &mut bool,
) -> Result<Vec<Option<Action<'a>>>, usize> {
    let mut actions = Vec::with_capacity(list.len());
    for (at, &cell) in list.iter().enumerate() {
        if let Ok(action) = parse_one(cell) {
            actions.push(Some(action));
            continue;
        }
        // Of a message that cannot be read the mode still counts.
        let mut slice = cell.as_slice_allow_exotic();
        if slice.size_bits() >= 40 && slice.load_u32() == Ok(SEND_MSG) {
            let mode = slice.load_u8().unwrap_or_default();
            if mode & IGNORE_ERROR != 0 {
                *skipped += 1;
                actions.push(None);
                continue;
            }
            *bounce |= mode & BOUNCE_ON_ERROR != 0;
        }
        return Err(at);
    }
    Ok(actions)
}

fn parse_one<'a>(cell: &'a DynCell) -> Result<Action<'a>, Error> {
    let mut slice = cell.as_slice_allow_exotic();
    slice.load_reference()?;
    let action = match slice.load_u32()? {
        SEND_MSG => {
            let mode = slice.load_u8()?;
            let message = Box::new(Proposed::load(slice.load_reference()?)?);
            Action::Send { mode, message }
        }
        SET_CODE => Action::SetCode(slice.load_reference_cloned()?),
        RESERVE => {
            Action::Reserve { mode: slice.load_u8()?, value: layout::load_value(&mut slice)? }
        }
        CHANGE_LIBRARY => Action::ChangeLibrary {
            mode: slice.load_uint(7)? as u8,
            library: if slice.load_bit()? {
                Library::Cell(slice.load_reference_cloned()?)
            } else {
                Library::Hash(slice.load_u256()?)
            },
        },
        _ => return Err(Error::InvalidTag),
    };
    if slice.is_empty() { Ok(action) } else { Err(Error::InvalidData) }
}

/// What is left of [`Acting`] when the account can be changed again.
struct Results {
    remaining: CurrencyCollection,
    reserved: u128,
    fine: u128,
    action_fees: u128,
    end_lt: u64,
    out_msgs: Vec<Lazy<OwnedMessage>>,
    delete_account: bool,
    bounce_on_failure: bool,
    new_code: Option<Cell>,
    libraries: Dict<HashBytes, SimpleLib>,
}

impl Acting<'_, '_> {
    fn perform(&mut self, action: Action<'_>) -> Result<(), i32> {
        match action {
            Action::Send { mode, message } => send::send(self, mode, &message),
            Action::SetCode(code) => {
                self.new_code = Some(code);
                self.special += 1;
                Ok(())
            }
            Action::Reserve { mode, value } => self.reserve(mode, value),
            Action::ChangeLibrary { mode, library } => self.change_library(mode, library),
        }
    }

    fn reserve(&mut self, mut mode: u8, value: CellSlice<'_>) -> Result<(), i32> {
        if mode & BOUNCE_ON_ERROR != 0 {
            mode &= !BOUNCE_ON_ERROR;
            self.bounce_on_failure = true;
        }
        let value = layout::parse_value(value).ok_or(code::INVALID)?;
        if mode > 15 || !value.other.is_empty() {
            return Err(code::INVALID);
        }
        let original = self.original_balance.tokens.into_inner();
        let wanted = value.tokens.into_inner();
        let mut reserve = match (mode & 4 != 0, mode & 8 != 0) {
            (true, true) => original.checked_sub(wanted).ok_or(code::INVALID)?,
            (true, false) => original.checked_add(wanted).ok_or(code::INVALID)?,
            (false, true) => return Err(code::INVALID),
            (false, false) => wanted,
        };
        let remaining = self.remaining.tokens.into_inner();
        if mode & 2 != 0 {
            reserve = reserve.min(remaining);
        }
        let mut left = remaining.checked_sub(reserve).ok_or(code::NO_FUNDS)?;
        if mode & 1 != 0 {
            // Leave only so much, set everything else aside.
            std::mem::swap(&mut left, &mut reserve);
        }
        self.remaining.tokens = Tokens::new(left);
        self.reserved += reserve;
        self.special += 1;
        Ok(())
    }

    fn change_library(&mut self, mut mode: u8, library: Library) -> Result<(), i32> {
        if mode & BOUNCE_ON_ERROR != 0 {
            mode &= !BOUNCE_ON_ERROR;
            self.bounce_on_failure = true;
        }
        if mode > 2 {
            return Err(code::INVALID);
        }
        let (hash, mut root) = match library {
            Library::Hash(hash) => (hash, None),
            Library::Cell(cell) => (*cell.repr_hash(), Some(cell)),
        };
        if mode == 0 {
            self.libraries.remove(hash).map_err(|_| code::BAD_LIBRARIES)?;
            self.special += 1;
            return Ok(());
        }
        let public = mode == 2;
        let present = self.libraries.get(hash).map_err(|_| code::BAD_LIBRARIES)?;
        if let Some(present) = present
            && *present.root.repr_hash() == hash
        {
            if present.public == public {
                self.special += 1;
                return Ok(());
            }
            root = Some(present.root);
        }
        let root = root.ok_or(code::NO_LIBRARY)?;
        let mut counter = CellCounter::default();
        let merkle_depth = counter.add(root.as_ref());
        let limit = u64::from(self.exec.config.size_limits.max_library_cells);
        if counter.cell_count() > limit || merkle_depth > MAX_MERKLE_DEPTH {
            return Err(code::LIBRARY_TOO_LARGE);
        }
        self.libraries.set(hash, SimpleLib { public, root }).map_err(|_| code::BAD_LIBRARIES)?;
        self.special += 1;
        Ok(())
    }

    fn report(&self, phase: &mut ActionPhase) {
        phase.special_actions = self.special;
        phase.skipped_actions = self.skipped;
        phase.messages_created = self.out_msgs.len() as u16;
        phase.total_fwd_fees = nonzero(self.forwarding_fees);
        phase.total_message_size =
            StorageUsedShort { cells: VarUint56::new(self.cells), bits: VarUint56::new(self.bits) };
    }

    fn finish(self) -> Results {
        Results {
            remaining: self.remaining,
            reserved: self.reserved,
            fine: self.fine,
            action_fees: self.action_fees,
            end_lt: self.end_lt,
            out_msgs: self.out_msgs,
            delete_account: self.delete_account,
            bounce_on_failure: self.bounce_on_failure,
            new_code: self.new_code,
            libraries: self.libraries,
        }
    }
}

/// Takes what a failed phase costs.
fn charge(exec: &mut ExecutorState<'_>, results: &Results, acted: &mut Acted) -> Result<(), Error> {
    let fine = results.fine.min(exec.balance.tokens.into_inner());
    acted.fine = fine;
    acted.phase.total_action_fees = nonzero(fine);
    exec.balance.try_sub_assign_tokens(Tokens::new(fine))?;
    exec.total_fees.try_add_assign(Tokens::new(fine))
}

/// Whether the account may have a new state; one that does not change is not looked at.
fn allowed(exec: &ExecutorState<'_>, before: Option<&StateInit>, after: &StateInit) -> bool {
    let unchanged = before.is_some_and(|before| {
        before.code == after.code
            && before.data == after.data
            && before.libraries == after.libraries
    });
    let libraries = before.map(|before| &before.libraries);
    exec.is_special
        || unchanged
        || compute::fits_limits(exec, after, compute::PublicLibraries::Changed(libraries))
}

fn fail(
    exec: &mut ExecutorState<'_>,
    request: &Request,
    results: Results,
    result: i32,
    acted: &mut Acted,
) -> Result<(), Error> {
    let phase = &mut acted.phase;
    phase.result_code = result;
    phase.no_funds = matches!(result, code::NO_FUNDS | code::NO_EXTRA_FUNDS);
    // Libraries stay changed though the phase has failed.
    let mut state = request.state.clone();
    state.libraries = results.libraries.clone();
    if allowed(exec, request.before.as_ref(), &state) {
        exec.state = AccountState::Active(state);
    } else {
        phase.result_code = code::STATE_TOO_LARGE;
        acted.bounce = true;
    }
    acted.bounce |= results.bounce_on_failure;
    charge(exec, &results, acted)
}

fn succeed(
    exec: &mut ExecutorState<'_>,
    request: Request,
    results: Results,
    acted: &mut Acted,
) -> Result<(), Error> {
    let mut state = request.state;
    if let Some(code) = results.new_code.clone() {
        state.code = Some(code);
    }
    state.data = request.data;
    state.libraries = results.libraries.clone();
    if !allowed(exec, request.before.as_ref(), &state) {
        acted.phase.result_code = code::STATE_TOO_LARGE;
        acted.bounce = true;
        exec.end_lt = exec.start_lt + 1;
        return charge(exec, &results, acted);
    }
    let phase = &mut acted.phase;
    phase.result_arg = None;
    phase.result_code = 0;
    phase.success = true;
    let action_fees = results.action_fees + results.fine;
    phase.total_action_fees = nonzero(action_fees);
    acted.fine = results.fine;
    exec.end_lt = results.end_lt;
    exec.out_msgs = results.out_msgs;
    exec.total_fees.try_add_assign(Tokens::new(action_fees))?;
    exec.balance = results.remaining;
    exec.balance.try_add_assign_tokens(Tokens::new(results.reserved))?;
    exec.state = AccountState::Active(state);
    if results.delete_account {
        phase.status_change = AccountStatusChange::Deleted;
        acted.destroyed = true;
        exec.end_status =
            if exec.balance.is_zero() { AccountStatus::NotExists } else { AccountStatus::Uninit };
    }
    Ok(())
}
