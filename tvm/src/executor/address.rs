//! Addresses that messages are sent from and to.

use tycho_executor::ExecutorState;
use tycho_types::models::{IntAddr, StdAddr, WorkchainFormat};
use tycho_types::prelude::*;
use tycho_vm::OwnedCellSlice;

use crate::c7::address_slice;

/// Bits of a standard address.
const STANDARD_BITS: u16 = 256;

/// The account's own address where a message names none, or names it; `None` for any other.
pub(super) fn own_source(
    exec: &ExecutorState<'_>,
    source: CellSlice<'_>,
) -> Option<OwnedCellSlice> {
    let own = address_slice(&IntAddr::Std(exec.address.clone())).ok()?;
    let none = source.size_bits() == 2 && source.get_small_uint(0, 2) == Ok(0);
    (none || source.contents_eq(&own.apply()).unwrap_or(false)).then_some(own)
}

/// Checks where a message goes and writes standard addresses in the standard form.
///
/// `source` may be external; then it stays as it is.
pub(super) fn rewrite_destination(
    exec: &ExecutorState<'_>,
    address: CellSlice<'_>,
    to_masterchain: &mut bool,
) -> Option<OwnedCellSlice> {
    let as_it_is = || CellBuilder::build_from(address).ok().map(OwnedCellSlice::new_allow_exotic);
    if !address.get_bit(0).ok()? {
        return as_it_is();
    }
    let mut slice = address;
    let standard = slice.load_small_uint(2).ok()? == 2;
    // Anycast addresses are gone.
    if slice.load_bit().ok()? {
        return None;
    }
    let (bits, workchain) = if standard {
        (STANDARD_BITS, i32::from(slice.load_u8().ok()? as i8))
    } else {
        (slice.load_uint(9).ok()? as u16, slice.load_u32().ok()? as i32)
    };
    if workchain == -1 {
        if bits != STANDARD_BITS {
            return None;
        }
        *to_masterchain = true;
    } else {
        let description = exec.config.workchains.get(&workchain)?;
        let fits = match &description.format {
            WorkchainFormat::Basic(_) => bits == STANDARD_BITS,
            WorkchainFormat::Extended(format) => format.check_addr_len(bits),
        };
        if !description.accept_msgs || !fits {
            return None;
        }
    }
    let workchain = match i8::try_from(workchain) {
        Ok(workchain) if !standard && bits == STANDARD_BITS => workchain,
        _ => return as_it_is(),
    };
    let hash = slice.load_u256().ok()?;
    address_slice(&IntAddr::Std(StdAddr::new(workchain, hash))).ok()
}
