//! Replaying a get-method.

use tycho_types::models::{
    Account, AccountState, CurrencyCollection, StateInit, StdAddr, StorageInfo,
};
use tycho_types::num::Tokens;
use tycho_types::prelude::*;

use super::Mismatch;
use super::input::{MalformedLine, Method};
use crate::{Config, GetMethodContext, MethodId, StackItem, get_method};

/// When all get-methods were recorded, unix seconds.
const NOW: u32 = 1_760_000_000;
/// Most gas they could use.
const GAS_LIMIT: u64 = 10_000_000;
/// What their account had, nano.
const BALANCE: u128 = 1_000_000_000;

pub(super) fn replay(config: &mut Config, method: &Method) -> Result<Vec<Mismatch>, MalformedLine> {
    let account = Account {
        address: StdAddr::new(0, HashBytes([7; 32])).into(),
        storage_stat: StorageInfo::default(),
        last_trans_lt: 0,
        balance: CurrencyCollection::from(Tokens::new(BALANCE)),
        state: AccountState::Active(StateInit {
            code: Some(method.code.clone()),
            data: Some(Cell::empty_cell()),
            ..StateInit::default()
        }),
    };
    let parsed = config.at(NOW).map_err(|error| MalformedLine::field("method", error))?;
    let number = i32::try_from(method.method)
        .map_err(|_| MalformedLine::field("method", "not a method's number"))?;
    let context = GetMethodContext { now: NOW, gas_limit: GAS_LIMIT };
    let output = get_method(parsed, Some(&account), context, MethodId(number as u32), &[])
        .map_err(|error| MalformedLine::field("method", error))?;
    let ours = output.stack.iter().map(show).collect::<Vec<_>>();
    let mismatches = [
        Mismatch::compare("exit", output.exit_code, method.exit),
        Mismatch::compare("gas", output.gas_used, method.gas),
        Mismatch::compare("stack", ours.join(" "), method.stack.join(" ")),
    ];
    Ok(mismatches.into_iter().flatten().collect())
}

/// A value as the recordings write it: numbers as they are, cells and slices by the hash of their
/// contents, everything else by its kind.
fn show(item: &StackItem) -> String {
    match item {
        StackItem::Int(value) => value.to_string(),
        StackItem::Slice(cell) => format!("s:{}", cell.repr_hash()),
        StackItem::Cell(cell) => format!("c:{}", cell.repr_hash()),
        StackItem::Builder(cell) => format!("b:{}", cell.repr_hash()),
        StackItem::Null => "null".to_owned(),
        StackItem::Nan => "nan".to_owned(),
        StackItem::Tuple(items) => {
            let items = items.iter().map(show).collect::<Vec<_>>();
            format!("[{}]", items.join(" "))
        }
        StackItem::Opaque => "opaque".to_owned(),
    }
}
