//! Methods of v2 under names of v3.

use serde_json::{Map, Value, json};

use super::params::Params;
use super::shape::{account_status, hash};
use crate::chain::{AccountStatus, Chain};
use crate::toncenter::accounts::{self, StackForm};
use crate::toncenter::dialect::{ApiError, Parameters, boc};
use crate::toncenter::messages::{self, Delivery};
use axum::http::StatusCode;

/// `addressInformation` and `account`.
pub(crate) fn address_information(chain: &Chain, params: &Params) -> Result<Value, ApiError> {
    let address = params.address("address")?;
    let address = address.ok_or_else(|| ApiError::parameter("address of account is required"))?;
    let uses_v2 = params.flag("use_v2")?.unwrap_or(true);
    let view = chain.account(&address)?;
    Ok(json!({
        "balance": view.balance.to_string(),
        "code": view.code.as_ref().map(boc),
        "data": view.data.as_ref().map(boc),
        "last_transaction_lt": view.last_lt.to_string(),
        "last_transaction_hash": hash(&view.last_hash),
        "frozen_hash": view.frozen_hash.as_ref().map(hash),
        "status": if uses_v2 { accounts::state_name(view.status) } else { account_status(&view) },
    }))
}

/// `walletInformation` and `wallet`; 409 for an account that is none.
pub(crate) fn wallet_information(chain: &Chain, params: &Params) -> Result<Value, ApiError> {
    let address = params.address("address")?;
    let address = address.ok_or_else(|| ApiError::parameter("address of account is required"))?;
    let uses_v2 = params.flag("use_v2")?.unwrap_or(true);
    let view = chain.account(&address)?;
    let mut value = json!({
        "balance": view.balance.to_string(),
        "last_transaction_lt": view.last_lt.to_string(),
        "last_transaction_hash": hash(&view.last_hash),
        "status": if uses_v2 { accounts::state_name(view.status) } else { account_status(&view) },
    });
    match accounts::wallet_of(&view) {
        Some(wallet) => {
            value["wallet_type"] = wallet.name.into();
            value["seqno"] = wallet.seqno.into();
            if let Some(id) = wallet.id {
                value["wallet_id"] = id.into();
            }
        }
        None if matches!(view.status, AccountStatus::Active | AccountStatus::Frozen) => {
            return Err(ApiError::new(StatusCode::CONFLICT, "not a wallet"));
        }
        None => {}
    }
    Ok(value)
}

/// `message`.
pub(crate) fn send(
    chain: &mut Chain,
    body: &Parameters,
    delivery: Delivery,
) -> Result<Value, ApiError> {
    let sent = messages::send_return_hash(chain, body, delivery)?;
    Ok(json!({ "message_hash": sent["hash"], "message_hash_norm": sent["hash_norm"] }))
}

/// `estimateFee`.
pub(crate) fn estimate(chain: &mut Chain, body: &Parameters) -> Result<Value, ApiError> {
    let fees = messages::estimate(chain, body)?;
    let source = &fees["source_fees"];
    Ok(json!({
        "source_fees": {
            "in_fwd_fee": source["in_fwd_fee"],
            "storage_fee": source["storage_fee"],
            "gas_fee": source["gas_fee"],
            "fwd_fee": source["fwd_fee"],
        },
        "destination_fees": [],
    }))
}

/// `runGetMethod`: stack entries are `{"type", "value"}`.
pub(crate) fn run_get_method(chain: &Chain, body: &Parameters) -> Result<Value, ApiError> {
    let entries = match body.get("stack") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(entries)) => entries.iter().map(pair).collect::<Result<_, _>>()?,
        Some(_) => return Err(ApiError::parameter("stack: not a list")),
    };
    let mut call: Map<String, Value> = body.clone();
    call.insert("stack".to_owned(), Value::Array(entries));
    let result = accounts::run_get_method(chain, &call, StackForm::Pairs)?;
    let stack = result["stack"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(json!({
        "gas_used": result["gas_used"],
        "exit_code": result["exit_code"],
        "stack": stack.iter().map(entity).collect::<Vec<_>>(),
    }))
}

fn pair(entry: &Value) -> Result<Value, ApiError> {
    match (entry["type"].as_str(), &entry["value"]) {
        (Some(kind @ ("num" | "cell" | "slice")), value) => Ok(json!([kind, value])),
        _ => Err(ApiError::parameter("stack: unsupported stack parameter type")),
    }
}

/// A value of v2's stack, `[type, value]` or inside a tuple, as `{"type", "value"}`.
fn entity(item: &Value) -> Value {
    if let Some(pair) = item.as_array() {
        let (kind, value) = (pair.first().cloned(), pair.get(1).unwrap_or(&Value::Null));
        let value = match kind.as_ref().and_then(Value::as_str) {
            Some("num") => value.clone(),
            Some("tuple" | "list") => elements(value),
            _ => value["bytes"].clone(),
        };
        return json!({ "type": kind, "value": value });
    }
    match item["@type"].as_str() {
        Some("tvm.stackEntryNumber") => {
            json!({ "type": "num", "value": hexadecimal(&item["number"]["number"]) })
        }
        Some("tvm.stackEntryCell") => json!({ "type": "cell", "value": item["cell"]["bytes"] }),
        Some("tvm.stackEntrySlice") => json!({ "type": "slice", "value": item["slice"]["bytes"] }),
        Some("tvm.stackEntryTuple") => {
            json!({ "type": "tuple", "value": elements(&item["tuple"]) })
        }
        Some("tvm.stackEntryList") => json!({ "type": "list", "value": elements(&item["list"]) }),
        _ => json!({ "type": "unsupported", "value": null }),
    }
}

fn elements(value: &Value) -> Value {
    let items = value["elements"].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(entity).collect()
}

fn hexadecimal(decimal: &Value) -> Value {
    let number = decimal.as_str().and_then(|text| text.parse::<num_bigint::BigInt>().ok());
    number.map_or(Value::Null, |number| {
        let sign = if number.sign() == num_bigint::Sign::Minus { "-" } else { "" };
        format!("{sign}0x{:x}", number.magnitude()).into()
    })
}

/// `decode`: opcodes have no names here; of bodies, comments are read.
pub(crate) fn decode(opcodes: &[String], bodies: &[String]) -> Result<Value, ApiError> {
    let mut named = Vec::with_capacity(opcodes.len());
    for opcode in opcodes {
        let known = super::params::parse_opcode(opcode);
        let known = known.ok_or_else(|| ApiError::parameter("opcodes: not an opcode"))?;
        named.push(if known == 0 { "text_comment" } else { "unknown" });
    }
    let mut read = Vec::with_capacity(bodies.len());
    for body in bodies {
        let cell = crate::toncenter::dialect::cell_from_text(body);
        let cell = cell.ok_or_else(|| ApiError::parameter("bodies: not a bag of cells"))?;
        read.push(match super::shape::comment(&cell) {
            Some(text) => json!({ "@type": "text_comment", "comment": text }),
            None => json!({ "@type": "unknown" }),
        });
    }
    if opcodes.is_empty() && bodies.is_empty() {
        let text = "at least one of opcodes or bodies should be provided";
        return Err(ApiError::parameter(text));
    }
    Ok(json!({ "opcodes": named, "bodies": read }))
}
