//! Taking a message in.

use tycho_executor::ExecutorState;
use tycho_executor::phase::{MsgStateInit, ReceivedMessage};
use tycho_types::error::Error;
use tycho_types::models::CurrencyCollection;
use tycho_types::num::Tokens;
use tycho_types::prelude::*;
use tycho_vm::OwnedCellSlice;

use super::layout::{self, Header, Strictness};
use crate::c7::InMsgInfo;
use crate::cells::{CellCounter, MAX_MERKLE_DEPTH};

/// Deepest external message.
const MAX_EXTERNAL_DEPTH: u16 = 512;

/// A message taken in.
pub(super) struct Received {
    pub(super) msg: ReceivedMessage,
    pub(super) extra_flags: u128,
    /// The value as the message has it.
    pub(super) value: OwnedCellSlice,
    pub(super) source: OwnedCellSlice,
    pub(super) destination: OwnedCellSlice,
    pub(super) bounced: bool,
    pub(super) fwd_fee: u128,
    pub(super) created_lt: u64,
    pub(super) created_at: u32,
}

impl Received {
    /// What the contract sees of it.
    pub(super) fn info(&self) -> InMsgInfo {
        let original = layout::parse_value(self.value.apply()).unwrap_or_default();
        InMsgInfo {
            bounce: self.msg.bounce_enabled,
            bounced: self.bounced,
            source: self.source.clone(),
            fwd_fee: self.fwd_fee,
            created_lt: self.created_lt,
            created_at: self.created_at,
            original_value: original.tokens.into_inner(),
            remaining: self.msg.balance_remaining.clone(),
            state_init: self.msg.init.as_ref().map(|init| init.root.clone()),
        }
    }
}

/// Reads the message; an external one is paid for.
pub(super) fn run(exec: &mut ExecutorState<'_>, root: Cell) -> Result<Received, Error> {
    if root.is_exotic() {
        return Err(Error::UnexpectedExoticCell);
    }
    let mut slice = root.as_slice_allow_exotic();
    let header = Header::load(&mut slice, Strictness::Sent)?;
    let own = |part: CellSlice<'_>| OwnedCellSlice::from((part.range(), root.clone()));
    let mut received = Received {
        msg: ReceivedMessage {
            root: root.clone(),
            init: None,
            body: Default::default(),
            is_external: false,
            bounce_enabled: false,
            balance_remaining: CurrencyCollection::ZERO,
        },
        extra_flags: 0,
        value: OwnedCellSlice::default(),
        source: OwnedCellSlice::default(),
        destination: OwnedCellSlice::default(),
        bounced: false,
        fwd_fee: 0,
        created_lt: 0,
        created_at: 0,
    };
    match header {
        Header::Internal(header) => {
            received.msg.bounce_enabled = header.bounce;
            received.msg.balance_remaining =
                layout::parse_value(header.value).ok_or(Error::InvalidData)?;
            received.extra_flags = header.extra_flags;
            received.value = own(header.value);
            received.source = own(header.source);
            received.destination = own(header.destination);
            received.bounced = header.bounced;
            received.fwd_fee = header.fwd_fee;
            received.created_lt = header.created_lt;
            received.created_at = header.created_at;
            if header.created_lt >= exec.start_lt {
                exec.start_lt = header.created_lt.checked_add(1).ok_or(Error::IntOverflow)?;
                exec.end_lt = exec.start_lt.checked_add(1).ok_or(Error::IntOverflow)?;
            }
        }
        Header::In(header) => {
            received.msg.is_external = true;
            received.source = own(header.source);
            received.destination = own(header.destination);
            // A plain standard address and nothing else.
            if header.destination.get_small_uint(0, 3)? != 0b100 {
                return Err(Error::InvalidData);
            }
            pay_import(exec, &root, &slice)?;
        }
        Header::Out(_) => return Err(Error::InvalidTag),
    }
    received.msg.init = load_init(&mut slice)?;
    received.msg.body = if slice.load_bit()? {
        if slice.size_bits() != 0 || slice.size_refs() != 1 {
            return Err(Error::InvalidData);
        }
        let body = slice.load_reference_cloned()?;
        if body.is_exotic() {
            return Err(Error::UnexpectedExoticCell);
        }
        CellSliceParts::from(body)
    } else {
        (slice.range(), root.clone())
    };
    if exec.config.is_blackhole(&exec.address) {
        exec.burned = received.msg.balance_remaining.tokens;
        received.msg.balance_remaining.tokens = Tokens::ZERO;
    }
    Ok(received)
}

fn load_init(slice: &mut CellSlice<'_>) -> Result<Option<MsgStateInit>, Error> {
    let Some((root, parsed)) = layout::load_init(slice)?.state else { return Ok(None) };
    if !layout::valid_libraries(&parsed.libraries) {
        return Err(Error::InvalidData);
    }
    Ok(Some(MsgStateInit { root, parsed }))
}

/// What follows the header of an external message is paid for by its receiver.
fn pay_import(
    exec: &mut ExecutorState<'_>,
    root: &Cell,
    rest: &CellSlice<'_>,
) -> Result<(), Error> {
    if root.repr_depth() > MAX_EXTERNAL_DEPTH {
        return Err(Error::InvalidData);
    }
    let mut counter = CellCounter::default();
    let mut merkle_depth = 0;
    for cell in rest.references() {
        merkle_depth = merkle_depth.max(counter.add(cell));
    }
    let stats = counter.stats();
    let limits = &exec.config.size_limits;
    if stats.bit_count > u64::from(limits.max_msg_bits)
        || stats.cell_count > u64::from(limits.max_msg_cells)
        || merkle_depth > MAX_MERKLE_DEPTH
    {
        return Err(Error::InvalidData);
    }
    let fee = if exec.is_special {
        Tokens::ZERO
    } else {
        exec.config.fwd_prices(exec.address.is_masterchain()).compute_fwd_fee(stats)
    };
    exec.balance.tokens = exec.balance.tokens.checked_sub(fee).ok_or(Error::IntOverflow)?;
    exec.total_fees.try_add_assign(fee)
}
