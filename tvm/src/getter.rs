//! Get-methods, and stack values that can cross threads (the VM's own are `Rc`).

use num_bigint::BigInt;
use tycho_executor::ParsedConfig;
use tycho_types::models::{Account, AccountState, CurrencyCollection};
use tycho_types::prelude::*;
use tycho_vm::{
    GasParams, OwnedCellSlice, RcStackValue, SafeRc, Stack, StackValue, StackValueType,
    UnpackedInMsgSmcInfo, VmGetterMethodId, VmState,
};

use crate::c7::{ContractInfo, VM_VERSION, address_slice};
use crate::machine;

/// TON's limit for a get-method.
const GAS_LIMIT: u64 = 1_000_000;
/// How deep tuples may be nested in arguments and results.
const MAX_DEPTH: usize = 64;
/// How many values arguments or results may hold.
const MAX_VALUES: usize = 65_536;

/// A value on the VM's stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StackItem {
    /// Null; also the empty list.
    Null,
    /// Not a number.
    Nan,
    /// A 257-bit integer.
    Int(BigInt),
    /// A cell.
    Cell(Cell),
    /// A slice, as a cell with its contents.
    Slice(Cell),
    /// A builder, as a cell with its contents.
    Builder(Cell),
    /// A tuple.
    Tuple(Vec<StackItem>),
    /// A continuation or anything else that has no outside form.
    Opaque,
}

impl StackItem {
    /// An integer.
    pub fn int(value: impl Into<BigInt>) -> Self {
        Self::Int(value.into())
    }

    /// The integer, if it is one.
    pub fn as_int(&self) -> Option<&BigInt> {
        match self {
            Self::Int(value) => Some(value),
            _ => None,
        }
    }

    /// The cell of a cell, slice or builder.
    pub fn as_cell(&self) -> Option<&Cell> {
        match self {
            Self::Cell(cell) | Self::Slice(cell) | Self::Builder(cell) => Some(cell),
            _ => None,
        }
    }
}

/// A get-method: by its number or by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MethodId(pub u32);

impl From<u32> for MethodId {
    fn from(id: u32) -> Self {
        Self(id)
    }
}

impl From<&str> for MethodId {
    /// CRC-16 of the name with bit 16 set.
    fn from(name: &str) -> Self {
        Self(name.as_getter_method_id())
    }
}

/// What a get-method returned.
#[derive(Debug, Clone)]
pub struct GetMethodOutput {
    /// Exit code; 0 and 1 are success, -256 where there is no code to run.
    pub exit_code: i32,
    /// The stack, first result first.
    pub stack: Vec<StackItem>,
    /// Gas used.
    pub gas_used: u64,
}

/// Why arguments cannot be passed.
#[derive(Debug, thiserror::Error)]
pub enum GetMethodError {
    /// Too many values or nested too deep, or an integer beyond 257 bits.
    #[error("arguments out of bounds")]
    Arguments,
    /// A cell could not be read.
    #[error("cell: {0}")]
    Cell(#[from] tycho_types::error::Error),
}

/// What a get-method runs with beside its account.
#[derive(Debug, Clone, Copy)]
pub struct GetMethodContext {
    /// Unix seconds.
    pub now: u32,
    /// Most gas it may use.
    pub gas_limit: u64,
}

impl GetMethodContext {
    /// At `now`, with the gas a liteserver gives.
    pub fn at(now: u32) -> Self {
        Self { now, gas_limit: GAS_LIMIT }
    }
}

/// Runs a get-method of `account`. `None` where the account has no code gives exit code -256, as a
/// liteserver answers.
///
/// # Errors
/// [`GetMethodError`] if the arguments cannot be passed.
pub fn get_method(
    config: &ParsedConfig,
    account: Option<&Account>,
    context: GetMethodContext,
    method: MethodId,
    arguments: &[StackItem],
) -> Result<GetMethodOutput, GetMethodError> {
    let no_code = GetMethodOutput { exit_code: -256, stack: Vec::new(), gas_used: 0 };
    let Some(account) = account else { return Ok(no_code) };
    let AccountState::Active(state) = &account.state else { return Ok(no_code) };
    let Some(code) = state.code.clone() else { return Ok(no_code) };

    let mut budget = MAX_VALUES;
    let mut items = Vec::with_capacity(arguments.len() + 1);
    for argument in arguments {
        items.push(to_vm(argument, MAX_DEPTH, &mut budget)?);
    }
    items.push(RcStackValue::new_dyn_value(BigInt::from(method.0)));

    let info = ContractInfo {
        now: context.now,
        block_lt: account.last_trans_lt,
        tx_lt: account.last_trans_lt,
        seed: HashBytes::ZERO,
        address: address_slice(&account.address)?,
        balance: &account.balance,
        config,
        code: Some(code.clone()),
        message_balance: &CurrencyCollection::ZERO,
        storage_fees: 0,
        due_payment: account.storage_stat.due_payment.unwrap_or_default().into_inner(),
        in_msg: UnpackedInMsgSmcInfo::empty_msg_tuple(),
    };
    let libraries = &state.libraries;
    let gas = GasParams { max: context.gas_limit, limit: context.gas_limit, ..GasParams::getter() };
    let mut vm = VmState::builder()
        .with_smc_info(info.build())
        .with_version(VM_VERSION)
        .with_code(code)
        .with_data(state.data.clone().unwrap_or_default())
        .with_libraries(&libraries)
        .with_init_selector(false)
        .with_raw_stack(SafeRc::new(Stack { items }))
        .with_gas(gas)
        .build();
    let exit_code = !machine::run(&mut vm);

    let mut budget = MAX_VALUES;
    let mut stack = Vec::with_capacity(vm.stack.items.len().min(MAX_VALUES));
    for value in &vm.stack.items {
        stack.push(from_vm(value.as_ref(), MAX_DEPTH, &mut budget)?);
    }
    Ok(GetMethodOutput { exit_code, stack, gas_used: vm.gas.consumed() })
}

fn spend(depth: usize, budget: &mut usize) -> Result<(), GetMethodError> {
    *budget = budget.checked_sub(1).ok_or(GetMethodError::Arguments)?;
    if depth == 0 { Err(GetMethodError::Arguments) } else { Ok(()) }
}

fn to_vm(
    item: &StackItem,
    depth: usize,
    budget: &mut usize,
) -> Result<RcStackValue, GetMethodError> {
    spend(depth, budget)?;
    Ok(match item {
        StackItem::Null => Stack::make_null(),
        StackItem::Nan => Stack::make_nan(),
        StackItem::Int(value) => {
            // 257 bits signed: the magnitude has 256 bits, and -2^256 is the only one with 257.
            let min = -(BigInt::from(1) << 256u32);
            if value.bits() > 256 && *value != min {
                return Err(GetMethodError::Arguments);
            }
            RcStackValue::new_dyn_value(value.clone())
        }
        StackItem::Cell(cell) => RcStackValue::new_dyn_value(cell.clone()),
        StackItem::Slice(cell) => {
            RcStackValue::new_dyn_value(OwnedCellSlice::new_allow_exotic(cell.clone()))
        }
        StackItem::Builder(cell) => {
            let mut builder = CellBuilder::new();
            builder.store_slice(cell.as_slice_allow_exotic())?;
            RcStackValue::new_dyn_value(builder)
        }
        StackItem::Tuple(items) => {
            if items.len() > 255 {
                return Err(GetMethodError::Arguments);
            }
            let mut values = Vec::with_capacity(items.len());
            for item in items {
                values.push(to_vm(item, depth - 1, budget)?);
            }
            RcStackValue::new_dyn_value(values)
        }
        StackItem::Opaque => return Err(GetMethodError::Arguments),
    })
}

fn from_vm(
    value: &(dyn StackValue + 'static),
    depth: usize,
    budget: &mut usize,
) -> Result<StackItem, GetMethodError> {
    // A result too large to show is the caller's problem, not the VM's: show it as opaque.
    if spend(depth, budget).is_err() {
        return Ok(StackItem::Opaque);
    }
    if value.is_null() {
        return Ok(StackItem::Null);
    }
    if let Some(int) = value.as_int() {
        return Ok(StackItem::Int(int.clone()));
    }
    if let Some(cell) = value.as_cell() {
        return Ok(StackItem::Cell(cell.clone()));
    }
    if let Some(slice) = value.as_cell_slice() {
        let cell = if slice.range().is_full(slice.cell()) {
            slice.cell().clone()
        } else {
            CellBuilder::build_from(slice.apply())?
        };
        return Ok(StackItem::Slice(cell));
    }
    if let Some(builder) = value.as_cell_builder() {
        return Ok(StackItem::Builder(builder.clone().build()?));
    }
    if let Some(items) = value.as_tuple() {
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            list.push(from_vm(item.as_ref(), depth - 1, budget)?);
        }
        return Ok(StackItem::Tuple(list));
    }
    // NaN carries the integer's type but has no integer in it.
    if value.raw_ty() == StackValueType::Int as u8 {
        return Ok(StackItem::Nan);
    }
    Ok(StackItem::Opaque)
}
