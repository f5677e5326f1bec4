//! Messages field by field, as slices: what tycho's models would refuse or normalise stays as it is.

use tycho_types::dict::Dict;
use tycho_types::error::Error;
use tycho_types::models::{
    Account, AccountState, CurrencyCollection, ExtraCurrencyCollection, IntAddr, SimpleLib,
    SpecialFlags, StateInit, StdAddr, StorageInfo,
};
use tycho_types::num::{SplitDepth, Tokens};
use tycho_types::prelude::*;

use super::Inbound;

/// Which addresses a field may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// Internal ones.
    Internal,
    /// External ones.
    External,
    /// Any.
    Any,
}

/// How a message must be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// As one that was sent.
    Sent,
    /// As one that a contract proposes: what will be rewritten may be anything.
    Proposed,
}

/// The header of an internal message.
#[derive(Clone, Copy)]
pub(super) struct Internal<'a> {
    pub(super) bounce: bool,
    pub(super) bounced: bool,
    pub(super) source: CellSlice<'a>,
    pub(super) destination: CellSlice<'a>,
    /// The value with its extra currencies.
    pub(super) value: CellSlice<'a>,
    pub(super) extra_flags: u128,
    pub(super) fwd_fee: u128,
    pub(super) created_lt: u64,
    pub(super) created_at: u32,
}

/// The header of an external message, in either direction.
#[derive(Clone, Copy)]
pub(super) struct External<'a> {
    pub(super) source: CellSlice<'a>,
    pub(super) destination: CellSlice<'a>,
}

/// A message's header.
#[derive(Clone, Copy)]
pub(super) enum Header<'a> {
    Internal(Internal<'a>),
    /// From outside.
    In(External<'a>),
    /// To outside.
    Out(External<'a>),
}

/// Reads the part of `slice` that `read` consumes.
fn consumed<'a>(
    slice: &mut CellSlice<'a>,
    read: impl FnOnce(&mut CellSlice<'a>) -> Result<(), Error>,
) -> Result<CellSlice<'a>, Error> {
    let mut part = *slice;
    read(slice)?;
    part.skip_last(slice.size_bits(), slice.size_refs())?;
    Ok(part)
}

fn skip_anycast(slice: &mut CellSlice<'_>) -> Result<(), Error> {
    if slice.load_bit()? {
        let depth = slice.load_small_uint(5)?;
        if !(1..=30).contains(&depth) {
            return Err(Error::InvalidData);
        }
        slice.skip_first(u16::from(depth), 0)?;
    }
    Ok(())
}

/// An address, as it is.
pub(super) fn load_address<'a>(
    slice: &mut CellSlice<'a>,
    allowed: Allowed,
) -> Result<CellSlice<'a>, Error> {
    consumed(slice, |slice| {
        let tag = slice.load_small_uint(2)?;
        let fits = match allowed {
            Allowed::Internal => tag >= 2,
            Allowed::External => tag < 2,
            Allowed::Any => true,
        };
        if !fits {
            return Err(Error::InvalidTag);
        }
        match tag {
            0 => Ok(()),
            1 => {
                let bits = slice.load_uint(9)? as u16;
                slice.skip_first(bits, 0)
            }
            2 => {
                skip_anycast(slice)?;
                slice.skip_first(8 + 256, 0)
            }
            _ => {
                skip_anycast(slice)?;
                let bits = slice.load_uint(9)? as u16;
                slice.skip_first(32 + bits, 0)
            }
        }
    })
}

fn load_var_uint(slice: &mut CellSlice<'_>) -> Result<u128, Error> {
    let bytes = slice.load_small_uint(4)?;
    let mut raw = [0; 16];
    let start = 16 - usize::from(bytes);
    slice.load_raw(&mut raw[start..], u16::from(bytes) * 8)?;
    Ok(u128::from_be_bytes(raw))
}

/// A number that must be written in its shortest form where the message is one that was sent.
fn load_number(slice: &mut CellSlice<'_>, strictness: Strictness) -> Result<u128, Error> {
    let bytes = slice.get_small_uint(0, 4)?;
    let number = load_var_uint(slice)?;
    let shortest = 16 - number.leading_zeros() / 8;
    if strictness == Strictness::Sent && u32::from(bytes) != shortest {
        return Err(Error::InvalidData);
    }
    Ok(number)
}

/// Money with extra currencies, whose dictionary must be one.
pub(super) fn load_value<'a>(slice: &mut CellSlice<'a>) -> Result<CellSlice<'a>, Error> {
    consumed(slice, |slice| {
        load_var_uint(slice)?;
        if slice.load_bit()? {
            let root = slice.load_reference_cloned()?;
            for entry in ExtraCurrencyCollection::from_raw(Some(root)).as_dict().iter() {
                entry?;
            }
        }
        Ok(())
    })
}

/// Reads a value; `None` where a number is not written in its shortest form.
pub(super) fn parse_value(mut slice: CellSlice<'_>) -> Option<CurrencyCollection> {
    let tokens = Tokens::load_from(&mut slice.clone()).ok()?;
    let written = load_var_uint(&mut slice).ok()?;
    if tokens.into_inner() != written {
        return None;
    }
    let mut shortest = CellBuilder::new();
    tokens.store_into(&mut shortest, Cell::empty_context()).ok()?;
    let other = if slice.load_bit().ok()? {
        ExtraCurrencyCollection::from_raw(Some(slice.load_reference_cloned().ok()?))
    } else {
        ExtraCurrencyCollection::new()
    };
    Some(CurrencyCollection { tokens, other })
}

impl<'a> Header<'a> {
    /// Reads a header.
    pub(super) fn load(slice: &mut CellSlice<'a>, strictness: Strictness) -> Result<Self, Error> {
        let source = match strictness {
            Strictness::Sent => Allowed::Internal,
            Strictness::Proposed => Allowed::Any,
        };
        if !slice.load_bit()? {
            let _ihr_disabled = slice.load_bit()?;
            return Ok(Self::Internal(Internal {
                bounce: slice.load_bit()?,
                bounced: slice.load_bit()?,
                source: load_address(slice, source)?,
                destination: load_address(slice, Allowed::Internal)?,
                value: load_value(slice)?,
                extra_flags: load_number(slice, strictness)?,
                fwd_fee: load_number(slice, strictness)?,
                created_lt: slice.load_u64()?,
                created_at: slice.load_u32()?,
            }));
        }
        if slice.load_bit()? {
            let header = External {
                source: load_address(slice, source)?,
                destination: load_address(slice, Allowed::External)?,
            };
            slice.skip_first(64 + 32, 0)?;
            return Ok(Self::Out(header));
        }
        let header = External {
            source: load_address(slice, Allowed::External)?,
            destination: load_address(slice, Allowed::Internal)?,
        };
        load_number(slice, strictness)?;
        Ok(Self::In(header))
    }
}

/// A state that comes with a message: the fields `(Maybe (Either StateInit ^StateInit))`.
pub(super) struct Init<'a> {
    /// The fields as they are written, with the bits that say how.
    pub(super) written: CellSlice<'a>,
    /// The state, if there is one, as a cell of its own.
    pub(super) state: Option<(Cell, StateInit)>,
}

/// Reads a state. What TON stores as nothing is read as nothing: a prefix of no bits, and neither
/// tick nor tock.
fn load_state(slice: &mut CellSlice<'_>) -> Result<StateInit, Error> {
    let split_depth =
        if slice.load_bit()? { SplitDepth::new(slice.load_small_uint(5)?).ok() } else { None };
    let special = if slice.load_bit()? { Some(SpecialFlags::load_from(slice)?) } else { None };
    let mut state = StateInit {
        split_depth,
        special,
        code: Load::load_from(slice)?,
        data: Load::load_from(slice)?,
        libraries: Dict::load_from(slice)?,
    };
    normalise(&mut state);
    Ok(state)
}

/// Drops what TON does not store: special flags of which none is set.
pub(super) fn normalise(state: &mut StateInit) {
    state.special = state.special.filter(|special| special.tick || special.tock);
}

/// Reads an optional state.
pub(super) fn load_init<'a>(slice: &mut CellSlice<'a>) -> Result<Init<'a>, Error> {
    let mut state = None;
    let written = consumed(slice, |slice| {
        if !slice.load_bit()? {
            return Ok(());
        }
        if slice.load_bit()? {
            let root = slice.load_reference_cloned()?;
            if root.is_exotic() {
                return Err(Error::UnexpectedExoticCell);
            }
            let mut inner = root.as_slice_allow_exotic();
            let parsed = load_state(&mut inner)?;
            if !inner.is_empty() {
                return Err(Error::InvalidData);
            }
            state = Some((root, parsed));
        } else {
            let mut parsed = None;
            let inline = consumed(slice, |slice| {
                parsed = Some(load_state(slice)?);
                Ok(())
            })?;
            state = parsed
                .map(|parsed| CellBuilder::build_from(inline).map(|root| (root, parsed)))
                .transpose()?;
        }
        Ok(())
    })?;
    Ok(Init { written, state })
}

/// Whether a state's libraries are a dictionary of libraries.
pub(super) fn valid_libraries(libraries: &Dict<HashBytes, SimpleLib>) -> bool {
    libraries.iter().all(|entry| entry.is_ok())
}

/// A proposed message, taken apart.
pub(super) struct Proposed<'a> {
    pub(super) header: Header<'a>,
    pub(super) init: Init<'a>,
    /// The body, with the bit that says whether it is in a cell of its own.
    pub(super) body: CellSlice<'a>,
}

impl<'a> Proposed<'a> {
    /// Reads a message that a contract proposes.
    pub(super) fn load(cell: &'a DynCell) -> Result<Self, Error> {
        if cell.is_exotic() {
            return Err(Error::UnexpectedExoticCell);
        }
        let mut slice = cell.as_slice_allow_exotic();
        let header = Header::load(&mut slice, Strictness::Proposed)?;
        if matches!(header, Header::In(_)) {
            return Err(Error::InvalidTag);
        }
        let init = load_init(&mut slice)?;
        let body = slice;
        if slice.load_bit()? && (slice.size_bits() != 0 || slice.size_refs() != 1) {
            return Err(Error::InvalidData);
        }
        Ok(Self { header, init, body })
    }
}

/// Where a message goes, if that is a plain standard address, and whether it comes from outside.
pub(crate) fn destination(message: &Cell) -> Result<(Inbound, StdAddr), Error> {
    let (kind, mut address) = match Header::load(&mut message.as_slice()?, Strictness::Sent)? {
        Header::Internal(header) => (Inbound::Internal, header.destination),
        Header::In(header) => (Inbound::External, header.destination),
        Header::Out(_) => return Err(Error::InvalidTag),
    };
    if address.load_small_uint(3)? != 0b100 {
        return Err(Error::InvalidData);
    }
    Ok((kind, StdAddr::new(address.load_u8()? as i8, address.load_u256()?)))
}

/// Reads an account; what is not stored in TON's way is read as if it were.
pub(super) fn load_account(cell: &Cell) -> Result<Option<Account>, Error> {
    let mut slice = cell.as_slice()?;
    if !slice.load_bit()? {
        return Ok(None);
    }
    let account = Account {
        address: IntAddr::load_from(&mut slice)?,
        storage_stat: StorageInfo::load_from(&mut slice)?,
        last_trans_lt: slice.load_u64()?,
        balance: CurrencyCollection::load_from(&mut slice)?,
        state: if slice.load_bit()? {
            AccountState::Active(load_state(&mut slice)?)
        } else if slice.load_bit()? {
            AccountState::Frozen(slice.load_u256()?)
        } else {
            AccountState::Uninit
        },
    };
    if slice.is_empty() { Ok(Some(account)) } else { Err(Error::InvalidData) }
}

/// The address in an account's cell; `None` where there is no account.
pub(crate) fn account_address(cell: &Cell) -> Result<Option<IntAddr>, Error> {
    Ok(load_account(cell)?.map(|account| account.address))
}
