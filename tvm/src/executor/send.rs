//! Sending a message.

use tycho_types::cell::{CellTreeStats, Lazy};
use tycho_types::models::{CurrencyCollection, MsgForwardPrices};
use tycho_types::num::Tokens;
use tycho_types::prelude::*;
use tycho_vm::OwnedCellSlice;

use super::action::{Acting, BOUNCE_ON_ERROR, IGNORE_ERROR, code};
use super::address::{own_source, rewrite_destination};
use super::layout::{self, Header, Internal, Proposed};
use crate::cells::MAX_MERKLE_DEPTH;

/// Fees on top of the value instead of from it.
const PAY_FEES: u8 = 1;
/// Delete the account if nothing is left.
const DELETE_IF_EMPTY: u8 = 32;
/// Add what is left of the inbound message's value.
const REMAINING_VALUE: u8 = 64;
/// Send everything.
const ALL_BALANCE: u8 = 128;
/// Bits an internal message's mode may have (16 is taken off before).
const KNOWN: u8 = 0xe3;
/// Bits an external message's mode may have.
const KNOWN_EXTERNAL: u8 = 3;
/// Flags a message may carry.
const EXTRA_FLAGS: u128 = 3;
/// Most extra currencies in a message.
const MAX_EXTRA_CURRENCIES: usize = 2;

/// Parts of a message moved to cells of their own because it did not fit into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    AsProposed,
    StateInCell,
    BodyInCell,
}

/// Why a message is not sent.
enum Failure {
    /// Unless errors are ignored, the phase fails with this.
    Skippable(i32),
    /// The phase fails.
    Hard(i32),
    /// It does not fit into a cell like this.
    DoesNotFit,
}

/// Fees and limits of one message.
struct Costs<'c> {
    prices: &'c MsgForwardPrices,
    stats: CellTreeStats,
    /// Nano to pay if it is not sent.
    fine: u128,
    /// Forwarding fee, nano.
    fee: u128,
}

/// Sends a message; the error is the phase's result.
pub(super) fn send(
    acting: &mut Acting<'_, '_>,
    mode: u8,
    message: &Proposed<'_>,
) -> Result<(), i32> {
    let mut layout = Layout::AsProposed;
    loop {
        let used = match attempt(acting, mode, message, layout) {
            Ok(()) => return Ok(()),
            Err(Failure::Hard(result)) => return Err(result),
            Err(Failure::Skippable(_)) if mode & IGNORE_ERROR != 0 => {
                acting.skipped += 1;
                return Ok(());
            }
            Err(Failure::Skippable(result)) => return Err(result),
            Err(Failure::DoesNotFit) => layout,
        };
        layout = match used {
            Layout::AsProposed => Layout::StateInCell,
            Layout::StateInCell | Layout::BodyInCell => Layout::BodyInCell,
        };
    }
}

fn attempt(
    acting: &mut Acting<'_, '_>,
    mut mode: u8,
    message: &Proposed<'_>,
    mut layout: Layout,
) -> Result<(), Failure> {
    if mode & BOUNCE_ON_ERROR != 0 {
        mode &= !BOUNCE_ON_ERROR;
        acting.bounce_on_failure = true;
    }
    let both = REMAINING_VALUE | ALL_BALANCE;
    if mode & !KNOWN != 0 || mode & both == both {
        return Err(Failure::Hard(code::INVALID));
    }
    let libraries = message.init.state.as_ref().map(|(_, state)| &state.libraries);
    if !libraries.is_none_or(layout::valid_libraries) {
        return Err(Failure::Hard(code::INVALID));
    }
    let (init, body) = lay_out(message, &mut layout)?;
    match message.header {
        Header::Internal(header) => {
            send_internal(acting, mode, header, init.apply(), body.apply(), layout)
        }
        Header::Out(header) => {
            if mode & !KNOWN_EXTERNAL != 0 {
                return Err(Failure::Hard(code::INVALID));
            }
            send_external(acting, header, init.apply(), body.apply(), layout)
        }
        Header::In(_) => Err(Failure::Hard(code::INVALID)),
    }
}

/// State and body as they will be written.
fn lay_out(
    message: &Proposed<'_>,
    layout: &mut Layout,
) -> Result<(OwnedCellSlice, OwnedCellSlice), Failure> {
    let build = |slice: CellSlice<'_>| CellBuilder::build_from(slice);
    let moved = |bits: u8, count: u16, inner: Cell| {
        let mut builder = CellBuilder::new();
        builder.store_small_uint(bits, count)?;
        builder.store_reference(inner)?;
        builder.build()
    };
    let failed = |_| Failure::Hard(code::INVALID);
    let mut init = build(message.init.written).map_err(failed)?;
    if *layout != Layout::AsProposed {
        match &message.init.state {
            Some((state, _)) if message.init.written.size_refs() >= 2 => {
                init = moved(0b11, 2, state.clone()).map_err(failed)?;
            }
            _ => *layout = Layout::BodyInCell,
        }
    }
    let mut body = build(message.body).map_err(failed)?;
    let inline = message.body.get_bit(0) == Ok(false);
    let filled = message.body.size_bits() > 1 || message.body.size_refs() > 0;
    if *layout == Layout::BodyInCell && inline && filled {
        let mut inner = message.body;
        inner.skip_first(1, 0).map_err(failed)?;
        body = build(inner).and_then(|inner| moved(1, 1, inner)).map_err(failed)?;
    }
    Ok((OwnedCellSlice::new_allow_exotic(init), OwnedCellSlice::new_allow_exotic(body)))
}

/// How many cells the account can pay for, looking at a message; and what each costs.
fn affordable(
    funds: u128,
    prices: &MsgForwardPrices,
    max_cells: u32,
    special: bool,
) -> (u32, u128) {
    if special {
        return (max_cells, 0);
    }
    let per_cell = u128::from((prices.cell_price >> 16) / 4);
    if funds < u128::from(max_cells) * per_cell {
        (u32::try_from(funds / per_cell).unwrap_or(max_cells), per_cell)
    } else {
        (max_cells, per_cell)
    }
}

fn collect_fine(acting: &mut Acting<'_, '_>, fine: u128) {
    let remaining = acting.remaining.tokens.into_inner();
    let fine = fine.min(remaining);
    acting.fine += fine;
    acting.remaining.tokens = Tokens::new(remaining - fine);
}

/// Counts a message's cells; too many or too large is paid for.
fn measure<'c>(
    acting: &mut Acting<'_, 'c>,
    prices: &'c MsgForwardPrices,
    funds: u128,
    init: CellSlice<'_>,
    body: CellSlice<'_>,
) -> Result<Costs<'c>, Failure> {
    let config = acting.exec.config;
    let limits = &config.size_limits;
    let special = acting.exec.is_special;
    let (max_cells, per_cell) = affordable(funds, prices, limits.max_msg_cells, special);
    let mut counter = send_counter::Bounded::new(u64::from(max_cells));
    for cell in init.references().chain(body.references()) {
        counter.add(cell);
    }
    let stats = counter.stats();
    let fine = per_cell * u128::from(stats.cell_count.min(u64::from(max_cells)));
    if stats.cell_count > u64::from(max_cells)
        || stats.bit_count > u64::from(limits.max_msg_bits)
        || counter.merkle_depth() > MAX_MERKLE_DEPTH
    {
        collect_fine(acting, fine);
        return Err(Failure::Skippable(code::TOO_LARGE));
    }
    let fee = if special { 0 } else { prices.compute_fwd_fee(stats).into_inner() };
    Ok(Costs { prices, stats, fine, fee })
}

fn send_internal(
    acting: &mut Acting<'_, '_>,
    mode: u8,
    header: Internal<'_>,
    init: CellSlice<'_>,
    body: CellSlice<'_>,
    layout: Layout,
) -> Result<(), Failure> {
    let exec = acting.exec;
    let mut value = layout::parse_value(header.value).ok_or(Failure::Hard(code::INVALID))?;
    if header.extra_flags & !EXTRA_FLAGS != 0 {
        return Err(Failure::Skippable(code::BAD_EXTRA_FLAGS));
    }
    let source = own_source(exec, header.source).ok_or(Failure::Hard(code::BAD_SOURCE))?;
    let mut to_masterchain = false;
    let destination = rewrite_destination(exec, header.destination, &mut to_masterchain)
        .ok_or(Failure::Skippable(code::BAD_DESTINATION))?;
    check_currencies(&mut value)?;

    let prices = exec.config.fwd_prices(to_masterchain || exec.address.is_masterchain());
    let funds = funds(acting, mode, &value)?;
    let costs = measure(acting, prices, funds, init, body)?;
    let refuse = |acting: &mut Acting<'_, '_>, result| {
        collect_fine(acting, costs.fine);
        Err(Failure::Skippable(result))
    };
    let Some(total) = total_value(acting, mode, &mut value, costs.fee) else {
        return refuse(acting, code::NO_FUNDS);
    };
    if acting.remaining.tokens.into_inner() < total {
        return refuse(acting, code::NO_FUNDS);
    }
    let Ok(other) = acting.remaining.other.checked_sub(&value.other) else {
        return refuse(acting, code::NO_EXTRA_FUNDS);
    };
    let first_part = costs.prices.get_first_part(Tokens::new(costs.fee)).into_inner();
    let built = build_internal(
        acting,
        &header,
        &source,
        &destination,
        &value,
        [costs.fee - first_part, header.extra_flags],
    )
    .and_then(|builder| finish_message(builder, init, body));
    let Ok(message) = built else {
        if layout != Layout::BodyInCell {
            return Err(Failure::DoesNotFit);
        }
        return refuse(acting, code::DOES_NOT_FIT);
    };
    if mode & (REMAINING_VALUE | ALL_BALANCE) != 0 {
        acting.received.msg.balance_remaining.tokens = Tokens::ZERO;
    }
    acting.remaining.tokens = Tokens::new(acting.remaining.tokens.into_inner() - total);
    acting.remaining.other = other;
    sent(acting, message, &costs, first_part)?;
    let delete = ALL_BALANCE | DELETE_IF_EMPTY;
    if mode & delete == delete {
        acting.delete_account = acting.reserved == 0;
    }
    Ok(())
}

fn check_currencies(value: &mut CurrencyCollection) -> Result<(), Failure> {
    if value.other.is_empty() {
        return Ok(());
    }
    value.other.normalize().map_err(|_| Failure::Skippable(code::NO_FUNDS))?;
    if value.other.as_dict().iter().count() > MAX_EXTRA_CURRENCIES {
        return Err(Failure::Skippable(code::TOO_MANY_CURRENCIES));
    }
    Ok(())
}

/// What the account can pay with for looking at a message.
fn funds(acting: &Acting<'_, '_>, mode: u8, value: &CurrencyCollection) -> Result<u128, Failure> {
    let remaining = acting.remaining.tokens.into_inner();
    if acting.exec.is_special || mode & (ALL_BALANCE | PAY_FEES) != 0 {
        return Ok(remaining);
    }
    let mut own = value.tokens.into_inner();
    if mode & REMAINING_VALUE != 0 {
        own = own
            .saturating_add(acting.received.msg.balance_remaining.tokens.into_inner())
            .checked_sub(acting.gas_fees)
            .and_then(|own| own.checked_sub(acting.fine))
            .ok_or(Failure::Skippable(code::NO_FUNDS))?;
    }
    Ok(remaining.min(own))
}

/// Sets the value a message carries; gives back what is taken from the balance.
fn total_value(
    acting: &Acting<'_, '_>,
    mode: u8,
    value: &mut CurrencyCollection,
    fee: u128,
) -> Option<u128> {
    let mut wanted = value.tokens.into_inner();
    let mut pay_fees = mode & PAY_FEES != 0;
    if mode & ALL_BALANCE != 0 {
        wanted = acting.remaining.tokens.into_inner();
        pay_fees = false;
    } else if mode & REMAINING_VALUE != 0 {
        wanted = wanted.checked_add(acting.received.msg.balance_remaining.tokens.into_inner())?;
        if !pay_fees {
            wanted = wanted.checked_sub(acting.fine)?.checked_sub(acting.gas_fees)?;
        }
    }
    if pay_fees {
        value.tokens = Tokens::new(wanted);
        wanted.checked_add(fee)
    } else {
        value.tokens = Tokens::new(wanted.checked_sub(fee)?);
        Some(wanted)
    }
}

fn build_internal(
    acting: &Acting<'_, '_>,
    header: &Internal<'_>,
    source: &OwnedCellSlice,
    destination: &OwnedCellSlice,
    value: &CurrencyCollection,
    [fwd_fee, extra_flags]: [u128; 2],
) -> Result<CellBuilder, tycho_types::error::Error> {
    let context = Cell::empty_context();
    let mut builder = CellBuilder::new();
    // int_msg_info$0, no IHR, bounce as proposed, is no bounce.
    builder.store_small_uint(0b0100 | (u8::from(header.bounce) << 1), 4)?;
    builder.store_slice(source.apply())?;
    builder.store_slice(destination.apply())?;
    value.store_into(&mut builder, context)?;
    Tokens::new(extra_flags).store_into(&mut builder, context)?;
    Tokens::new(fwd_fee).store_into(&mut builder, context)?;
    builder.store_u64(acting.end_lt)?;
    builder.store_u32(acting.exec.params.block_unixtime)?;
    Ok(builder)
}

fn finish_message(
    mut builder: CellBuilder,
    init: CellSlice<'_>,
    body: CellSlice<'_>,
) -> Result<Cell, tycho_types::error::Error> {
    builder.store_slice(init)?;
    builder.store_slice(body)?;
    builder.build()
}

fn send_external(
    acting: &mut Acting<'_, '_>,
    header: layout::External<'_>,
    init: CellSlice<'_>,
    body: CellSlice<'_>,
    layout: Layout,
) -> Result<(), Failure> {
    let exec = acting.exec;
    let source = own_source(exec, header.source).ok_or(Failure::Hard(code::BAD_SOURCE))?;
    let prices = exec.config.fwd_prices(exec.address.is_masterchain());
    let funds = acting.remaining.tokens.into_inner();
    let costs = measure(acting, prices, funds, init, body)?;
    let Some(left) = acting.remaining.tokens.into_inner().checked_sub(costs.fee) else {
        collect_fine(acting, costs.fine);
        return Err(Failure::Skippable(code::NO_FUNDS));
    };
    let built = build_external(acting, &source, header.destination)
        .and_then(|builder| finish_message(builder, init, body));
    let Ok(message) = built else {
        if layout != Layout::BodyInCell {
            return Err(Failure::DoesNotFit);
        }
        collect_fine(acting, costs.fine);
        return Err(Failure::Skippable(code::DOES_NOT_FIT));
    };
    acting.remaining.tokens = Tokens::new(left);
    sent(acting, message, &costs, costs.fee)
}

fn build_external(
    acting: &Acting<'_, '_>,
    source: &OwnedCellSlice,
    destination: CellSlice<'_>,
) -> Result<CellBuilder, tycho_types::error::Error> {
    let mut builder = CellBuilder::new();
    builder.store_small_uint(0b11, 2)?;
    builder.store_slice(source.apply())?;
    builder.store_slice(destination)?;
    builder.store_u64(acting.end_lt)?;
    builder.store_u32(acting.exec.params.block_unixtime)?;
    Ok(builder)
}

fn sent(
    acting: &mut Acting<'_, '_>,
    message: Cell,
    costs: &Costs<'_>,
    collected: u128,
) -> Result<(), Failure> {
    acting.bits += costs.stats.bit_count + u64::from(message.bit_len());
    acting.cells += costs.stats.cell_count + 1;
    let message = Lazy::from_raw(message).map_err(|_| Failure::Hard(code::INVALID))?;
    acting.out_msgs.push(message);
    acting.end_lt += 1;
    acting.action_fees += collected;
    acting.forwarding_fees += costs.fee;
    Ok(())
}

/// Counting that stops where nobody pays for more.
mod send_counter {
    use std::collections::HashMap;

    use tycho_types::cell::CellTreeStats;
    use tycho_types::prelude::*;

    pub(super) struct Bounded<'a> {
        seen: HashMap<&'a HashBytes, u8>,
        bits: u64,
        cells: u64,
        limit: u64,
        merkle_depth: u8,
    }

    impl<'a> Bounded<'a> {
        pub(super) fn new(limit: u64) -> Self {
            Self { seen: HashMap::new(), bits: 0, cells: 0, limit, merkle_depth: 0 }
        }

        pub(super) fn add(&mut self, cell: &'a DynCell) {
            if let Some(depth) = self.visit(cell) {
                self.merkle_depth = self.merkle_depth.max(depth);
            }
        }

        /// How deep Merkle cells are nested; `None` where counting has stopped.
        fn visit(&mut self, cell: &'a DynCell) -> Option<u8> {
            if let Some(depth) = self.seen.get(cell.repr_hash()) {
                return Some(*depth);
            }
            self.cells += 1;
            self.bits += u64::from(cell.bit_len());
            if self.cells > self.limit {
                return None;
            }
            let mut depth = 0;
            for child in cell.references() {
                depth = depth.max(self.visit(child)?);
            }
            if cell.cell_type().is_merkle() {
                depth = depth.saturating_add(1);
            }
            self.seen.insert(cell.repr_hash(), depth);
            Some(depth)
        }

        pub(super) fn stats(&self) -> CellTreeStats {
            CellTreeStats { bit_count: self.bits, cell_count: self.cells }
        }

        pub(super) fn merkle_depth(&self) -> u8 {
            self.merkle_depth
        }
    }
}
