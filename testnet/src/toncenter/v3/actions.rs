//! Actions: what a trace means to people. Three kinds are told apart, as the indexer does where it
//! knows no contract: money sent, a contract called, a contract deployed.

use serde_json::{Value, json};
use tycho_types::models::{AccountStatus, MsgInfo, OwnedMessage, StdAddr, TxInfo};
use tycho_types::prelude::*;

use super::params::Params;
use super::shape::{Writer, comment, hash, raw};
use super::traces::{Trace, select};
use crate::chain::{Chain, TxRecord};
use crate::toncenter::dialect::ApiError;
use crate::toncenter::index::Index;

/// Opcode of an encrypted comment.
const ENCRYPTED_COMMENT: u32 = 0x2167_da4b;

/// Actions of one trace, in the order they happened.
pub(crate) fn of_trace(
    writer: &mut Writer<'_>,
    trace: &Trace<'_>,
    records: &[TxRecord],
) -> Result<Vec<Value>, ApiError> {
    let mut actions = Vec::new();
    for record in records {
        actions.extend(action(writer, trace, record)?);
    }
    Ok(actions)
}

/// The action a transaction is, if it received money or a call from another account.
fn action(
    writer: &mut Writer<'_>,
    trace: &Trace<'_>,
    record: &TxRecord,
) -> Result<Option<Value>, ApiError> {
    let parsed = record.load()?;
    let Some(cell) = &parsed.in_msg else { return Ok(None) };
    let message = cell.parse::<OwnedMessage>()?;
    let MsgInfo::Int(info) = &message.info else { return Ok(None) };
    // A bounced message is the end of the action that failed.
    if info.bounced {
        return Ok(None);
    }
    let (Some(source), destination) = (info.src.as_std(), &record.address) else {
        return Ok(None);
    };
    let (range, body) = &message.body;
    let body = CellBuilder::build_from(range.apply_allow_exotic(body))?;
    let opcode = body.as_slice_allow_exotic().get_u32(0).ok();
    let deployed =
        parsed.orig_status != AccountStatus::Active && parsed.end_status == AccountStatus::Active;
    let value = info.value.tokens.into_inner().to_string();
    let mut details = json!({
        "source": writer.address(source),
        "destination": writer.address(destination),
        "value": value,
    });
    let shown = opcode.map(|opcode| format!("0x{opcode:08x}"));
    let kind = match opcode {
        _ if deployed => {
            details["opcode"] = shown.into();
            "contract_deploy"
        }
        None | Some(0 | ENCRYPTED_COMMENT) => {
            details["value_extra_currencies"] = json!({});
            details["comment"] = comment(&body).into();
            details["encrypted"] = (opcode == Some(ENCRYPTED_COMMENT)).into();
            "ton_transfer"
        }
        Some(_) => {
            details["value_extra_currencies"] = json!({});
            details["opcode"] = shown.into();
            "call_contract"
        }
    };
    Ok(Some(row(trace, record, kind, details, &[source, destination], cell.repr_hash())?))
}

fn row(
    trace: &Trace<'_>,
    record: &TxRecord,
    kind: &str,
    details: Value,
    accounts: &[&StdAddr],
    message: &HashBytes,
) -> Result<Value, ApiError> {
    let id = trace.id();
    let mut bytes = id.as_slice().to_vec();
    bytes.extend_from_slice(message.as_slice());
    let (end_lt, end_utime, end_block) = trace.end();
    let parsed = record.load()?;
    let now = parsed.now;
    // Money that stays where nothing is deployed has arrived, though its transaction is aborted.
    let success = match parsed.load_info()? {
        TxInfo::Ordinary(info) if kind == "ton_transfer" => info.bounce_phase.is_none(),
        TxInfo::Ordinary(info) => !info.aborted,
        TxInfo::TickTock(info) => !info.aborted,
    };
    let external = trace.external_hash();
    Ok(json!({
        "trace_id": hash(&id),
        "action_id": hash(&HashBytes(crate::chain::local_digest(&bytes))),
        "start_lt": record.lt.to_string(),
        "end_lt": record.lt.to_string(),
        "start_utime": now,
        "end_utime": now,
        "trace_end_lt": end_lt.to_string(),
        "trace_end_utime": end_utime,
        "trace_mc_seqno_end": end_block,
        "transactions": [hash(&record.hash)],
        "success": success,
        "type": kind,
        "details": details,
        "trace_external_hash": external.map(|(plain, _)| hash(&plain)),
        "trace_external_hash_norm": external.map(|(_, norm)| hash(&norm)),
        "accounts": accounts.iter().map(|account| raw(account)).collect::<Vec<_>>(),
        "finality": "finalized",
    }))
}

/// `actions`: those of the traces a query names.
pub(crate) fn list(chain: &Chain, index: &Index, params: &Params) -> Result<Value, ApiError> {
    let included = types(params, "action_type")?;
    let excluded = types(params, "exclude_action_type")?;
    params.texts("supported_action_types")?;
    let with_accounts = params.flag("include_accounts")? == Some(true);
    let with_transactions = params.flag("include_transactions")? == Some(true);
    let ids: Vec<String> = params.hashes("action_id")?.iter().map(hash).collect();
    let page = params.page()?;
    let mut writer = Writer::new(chain, index);
    let mut rows = Vec::new();
    for trace in select(chain, index, params)? {
        let records = trace.records(chain)?;
        let mut found = of_trace(&mut writer, &trace, &records)?;
        if page.newest_first() {
            found.reverse();
        }
        for mut action in found {
            let field = |name: &str| action[name].as_str().unwrap_or_default().to_owned();
            let (kind, id) = (field("type"), field("action_id"));
            let fits = (included.is_empty() || included.contains(&kind))
                && !excluded.contains(&kind)
                && (ids.is_empty() || ids.contains(&id));
            if !fits {
                continue;
            }
            if with_transactions {
                let whole = action["transactions"].clone();
                let mut full = Vec::new();
                for record in &records {
                    if whole.as_array().is_some_and(|all| all.contains(&hash(&record.hash).into()))
                    {
                        full.push(writer.transaction(record)?);
                    }
                }
                action["transactions_full"] = full.into();
            }
            if let (false, Some(fields)) = (with_accounts, action.as_object_mut()) {
                fields.remove("accounts");
            }
            rows.push(action);
        }
    }
    rows.truncate(page.limit);
    Ok(json!({ "actions": rows, "address_book": writer.address_book()?, "metadata": {} }))
}

fn types(params: &Params, name: &str) -> Result<Vec<String>, ApiError> {
    let values = params.texts(name)?;
    let clean = |value: &&str| {
        value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
    };
    if !values.iter().all(clean) {
        return Err(ApiError::parameter(format!("{name} contains invalid characters")));
    }
    Ok(values.into_iter().map(str::to_owned).collect())
}

/// `pendingActions`: nothing is ever pending here.
pub(crate) fn pending(params: &Params) -> Result<Value, ApiError> {
    params.address("account")?;
    params.hashes("ext_msg_hash")?;
    params.flag("include_transactions")?;
    Ok(json!({ "actions": [], "address_book": {}, "metadata": {} }))
}
