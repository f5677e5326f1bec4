//! Sending a message back.

use tycho_executor::ExecutorState;
use tycho_types::cell::Lazy;
use tycho_types::error::Error;
use tycho_types::models::{
    ActionPhase, BouncePhase, ComputePhase, ComputePhaseSkipReason, ExecutedBouncePhase,
    NoFundsBouncePhase, StorageUsedShort,
};
use tycho_types::num::{Tokens, VarUint56};
use tycho_types::prelude::*;

use super::address::rewrite_destination;

use super::receive::Received;
use crate::cells::CellCounter;

/// So many bits of the body go back in the old format.
const OLD_BODY_BITS: u16 = 256;
/// Bit of the extra flags: more is told about why the message comes back.
const RICH: u128 = 1;
/// Bit of the extra flags: the whole body comes back.
const FULL_BODY: u128 = 2;

/// Runs the phase.
pub(super) fn run(
    exec: &mut ExecutorState<'_>,
    received: &Received,
    compute: &ComputePhase,
    action: Option<&ActionPhase>,
    action_fine: u128,
) -> Result<BouncePhase, Error> {
    let body = body(received, compute, action)?;
    let mut to_masterchain = false;
    let destination = rewrite_destination(exec, received.source.apply(), &mut to_masterchain)
        .ok_or(Error::InvalidData)?;
    let prices = exec.config.fwd_prices(to_masterchain || exec.address.is_masterchain());
    let value_slice = received.value.apply();
    let mut counter = CellCounter::default();
    for cell in value_slice.references().chain(body.references().iter().map(AsRef::as_ref)) {
        counter.add(cell);
    }
    let stats = counter.stats();
    let msg_size = StorageUsedShort {
        cells: VarUint56::new(stats.cell_count),
        bits: VarUint56::new(stats.bit_count),
    };
    let fwd_fees = prices.compute_fwd_fee(stats);
    let gas_fees = match compute {
        ComputePhase::Executed(phase) => phase.gas_fees,
        ComputePhase::Skipped(_) => Tokens::ZERO,
    };
    let mut value = received.msg.balance_remaining.clone();
    let left = value
        .tokens
        .checked_sub(gas_fees)
        .and_then(|left| left.checked_sub(Tokens::new(action_fine)))
        .filter(|left| *left >= fwd_fees);
    let Some(left) = left else {
        return Ok(BouncePhase::NoFunds(NoFundsBouncePhase { msg_size, req_fwd_fees: fwd_fees }));
    };
    value.tokens = left;
    exec.balance.try_sub_assign(&value)?;
    value.tokens.try_sub_assign(fwd_fees)?;
    let msg_fees = prices.get_first_part(fwd_fees);
    let remaining_fees = fwd_fees.checked_sub(msg_fees).ok_or(Error::IntOverflow)?;
    exec.total_fees.try_add_assign(msg_fees)?;

    let context = Cell::empty_context();
    let mut message = CellBuilder::new();
    // int_msg_info$0, no IHR, does not bounce, is a bounce.
    message.store_small_uint(0b0101, 4)?;
    message.store_slice(received.destination.apply())?;
    message.store_slice(destination.apply())?;
    value.store_into(&mut message, context)?;
    Tokens::new(received.extra_flags & (RICH | FULL_BODY)).store_into(&mut message, context)?;
    remaining_fees.store_into(&mut message, context)?;
    message.store_u64(exec.start_lt + 1 + exec.out_msgs.len() as u64)?;
    message.store_u32(exec.params.block_unixtime)?;
    message.store_bit_zero()?;
    if message.has_capacity(1 + body.size_bits(), body.size_refs()) {
        message.store_bit_zero()?;
        message.store_builder(&body)?;
    } else {
        message.store_bit_one()?;
        message.store_reference(body.build()?)?;
    }
    exec.out_msgs.push(Lazy::from_raw(message.build()?)?);
    exec.end_lt += 1;
    Ok(BouncePhase::Executed(ExecutedBouncePhase { msg_size, msg_fees, fwd_fees: remaining_fees }))
}

fn body(
    received: &Received,
    compute: &ComputePhase,
    action: Option<&ActionPhase>,
) -> Result<CellBuilder, Error> {
    let (range, cell) = &received.msg.body;
    let slice = range.apply_allow_exotic(cell);
    let mut body = CellBuilder::new();
    if received.extra_flags & RICH == 0 {
        body.store_u32(u32::MAX)?;
        body.store_slice(slice.get_prefix(OLD_BODY_BITS, 0))?;
        return Ok(body);
    }
    body.store_u32(0xffff_fffe)?;
    let original =
        if received.extra_flags & FULL_BODY != 0 { slice } else { slice.without_references() };
    body.store_reference(CellBuilder::build_from(original)?)?;
    let mut info = CellBuilder::new();
    info.store_slice(received.value.apply())?;
    info.store_u64(received.created_lt)?;
    info.store_u32(received.created_at)?;
    body.store_reference(info.build()?)?;
    match compute {
        ComputePhase::Skipped(skipped) => {
            let code: i32 = match skipped.reason {
                ComputePhaseSkipReason::NoState => -1,
                ComputePhaseSkipReason::BadState => -2,
                ComputePhaseSkipReason::NoGas => -3,
                ComputePhaseSkipReason::Suspended => -4,
            };
            body.store_u8(0)?;
            body.store_u32(code as u32)?;
            body.store_bit_zero()?;
        }
        ComputePhase::Executed(phase) => {
            let (by, code) = match action {
                Some(action) if phase.success => (2, action.result_code),
                _ => (1, phase.exit_code),
            };
            body.store_u8(by)?;
            body.store_u32(code as u32)?;
            body.store_bit_one()?;
            body.store_u32(phase.gas_used.into_inner() as u32)?;
            body.store_u32(phase.vm_steps)?;
        }
    }
    Ok(body)
}
