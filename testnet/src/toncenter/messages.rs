//! Methods about messages and transactions.

use serde_json::{Value, json};
use tycho_types::models::{ComputePhase, ExtInMsgInfo, MsgInfo, OwnedMessage, StateInit, TxInfo};
use tycho_types::num::Tokens;
use tycho_types::prelude::*;

use super::address::base64;
use super::dialect::{ApiError, Parameters, ParametersExt};
use super::index::normalized_hash;
use super::shape::{Accounts, extra, transaction, transaction_id};
use crate::chain::{Chain, Order, SendError, SignatureCheck, TxRecord};

/// Most transactions in one answer, as at toncenter.
const MAX_LIMIT: usize = 100;

/// How external messages become blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// At once, each in its own block.
    Instant,
    /// With the next block of the interval.
    NextBlock,
}

fn message_of(parameters: &Parameters) -> Result<Cell, ApiError> {
    parameters.cell("boc")?.ok_or_else(|| ApiError::parameter("boc: field required"))
}

fn take(chain: &mut Chain, message: Cell, delivery: Delivery) -> Result<(), SendError> {
    match delivery {
        Delivery::Instant => chain.send(message).map(|_| ()),
        Delivery::NextBlock => chain.submit(message).map(|_| ()),
    }
}

pub(crate) fn send(
    chain: &mut Chain,
    parameters: &Parameters,
    delivery: Delivery,
) -> Result<Value, ApiError> {
    take(chain, message_of(parameters)?, delivery)?;
    Ok(json!({ "@type": "ok", "@extra": extra(chain.last_block()) }))
}

pub(crate) fn send_return_hash(
    chain: &mut Chain,
    parameters: &Parameters,
    delivery: Delivery,
) -> Result<Value, ApiError> {
    let message = message_of(parameters)?;
    let hash = *message.repr_hash();
    let normalized = normalized(&message)?;
    take(chain, message, delivery)?;
    Ok(json!({
        "@type": "raw.extMessageInfo",
        "hash": base64(hash.as_slice()),
        "hash_norm": base64(normalized.as_slice()),
        "@extra": extra(chain.last_block()),
    }))
}

/// The message's hash in its normal form; 422 if it is not an external message.
fn normalized(message: &Cell) -> Result<HashBytes, ApiError> {
    let malformed = || ApiError::parameter("boc: not an external message");
    let parsed = message.parse::<OwnedMessage>().map_err(|_| malformed())?;
    let MsgInfo::ExtIn(info) = parsed.info else { return Err(malformed()) };
    let (range, cell) = &parsed.body;
    let body = CellBuilder::build_from(range.apply_allow_exotic(cell))?;
    Ok(normalized_hash(&info, body)?)
}

/// `getTransactions`: a bare list.
pub(crate) fn list(chain: &Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    let records = page(chain, parameters)?;
    let rows = records.iter().map(|record| transaction(record, Accounts::Text));
    Ok(rows.collect::<Result<Vec<_>, _>>()?.into())
}

/// `getTransactionsStd`: the list and where it goes on.
pub(crate) fn list_std(chain: &Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    let records = page(chain, parameters)?;
    let rows = records.iter().map(|record| transaction(record, Accounts::Objects));
    let previous = match records.last() {
        Some(last) => {
            let last = last.load()?;
            transaction_id(last.prev_trans_lt, &last.prev_trans_hash)
        }
        None => transaction_id(0, &HashBytes::ZERO),
    };
    Ok(json!({
        "@type": "raw.transactions",
        "transactions": rows.collect::<Result<Vec<_>, _>>()?,
        "previous_transaction_id": previous,
        "@extra": extra(chain.last_block()),
    }))
}

fn page(chain: &Chain, parameters: &Parameters) -> Result<Vec<TxRecord>, ApiError> {
    let address = parameters.address("address")?;
    let limit = parameters.unsigned("limit")?.unwrap_or(10);
    let limit = usize::try_from(limit).unwrap_or(MAX_LIMIT).min(MAX_LIMIT);
    let lt = parameters.unsigned("lt")?;
    let hash = parameters.hash("hash")?;
    let to_lt = parameters.unsigned("to_lt")?.unwrap_or(0);
    parameters.truth("archival")?;

    let newest = match lt {
        None | Some(0) => u64::MAX,
        Some(lt) => {
            let first = chain.transaction(&address, lt)?;
            match (first, hash) {
                (None, _) => return Err(ApiError::not_found("transaction")),
                (Some(first), Some(hash)) if first.hash != hash => {
                    return Err(ApiError::parameter("hash: not of the transaction at lt"));
                }
                (Some(_), _) => lt,
            }
        }
    };
    // `to_lt` itself is not listed any more.
    let oldest = if to_lt == 0 { 0 } else { to_lt.saturating_add(1) };
    Ok(chain.transactions(&address, oldest, newest, Order::NewestFirst, limit)?)
}

/// Which end of a message is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The transaction that sent it.
    Source,
    /// The transaction it caused.
    Result,
}

pub(crate) fn locate(chain: &Chain, parameters: &Parameters, end: End) -> Result<Value, ApiError> {
    let source = parameters.address("source")?;
    let destination = parameters.address("destination")?;
    let created_lt = parameters.required_unsigned("created_lt")?;
    let record = match end {
        End::Source => chain.locate_source(&source, &destination, created_lt)?,
        End::Result => chain.locate_result(&source, &destination, created_lt)?,
    };
    transaction(&record.ok_or_else(|| ApiError::not_found("transaction"))?, Accounts::Text)
}

pub(crate) fn estimate(chain: &mut Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    let address = parameters.address("address")?;
    let body = parameters.cell("body")?.unwrap_or_default();
    let code = parameters.cell("init_code")?;
    let data = parameters.cell("init_data")?;
    let check = match parameters.get("ignore_chksig") {
        // Clients estimate with a dummy signature, so ignoring it is the default, as at toncenter.
        None => SignatureCheck::Skipped,
        Some(_) if parameters.truth("ignore_chksig")? => SignatureCheck::Skipped,
        Some(_) => SignatureCheck::Done,
    };
    let init = match (&code, &data) {
        (None, None) => None,
        _ => Some(StateInit { code, data, ..StateInit::default() }),
    };
    let message = CellBuilder::build_from(OwnedMessage {
        info: MsgInfo::ExtIn(ExtInMsgInfo {
            src: None,
            dst: address.clone().into(),
            import_fee: Tokens::ZERO,
        }),
        init,
        body: body.into(),
        layout: None,
    })?;
    let executed = chain.simulate_with(message, check)?;
    let record = TxRecord {
        address,
        lt: executed.state.last_trans_lt,
        hash: *executed.transaction.repr_hash(),
        block: chain.last_block().seqno,
        transaction: executed.transaction,
    };
    let fees = fees(&record)?;
    Ok(json!({
        "@type": "query.fees",
        "source_fees": {
            "@type": "fees",
            "in_fwd_fee": amount(fees.in_fwd),
            "storage_fee": amount(fees.storage),
            "gas_fee": amount(fees.gas),
            "fwd_fee": amount(fees.fwd),
        },
        "destination_fees": [],
        "@extra": extra(chain.last_block()),
    }))
}

/// Fees as JSON numbers; more than 2^64 nano does not occur.
fn amount(nano: u128) -> u64 {
    u64::try_from(nano).unwrap_or(u64::MAX)
}

#[derive(Default)]
struct Fees {
    in_fwd: u128,
    storage: u128,
    gas: u128,
    fwd: u128,
}

fn fees(record: &TxRecord) -> Result<Fees, ApiError> {
    let parsed = record.load()?;
    let TxInfo::Ordinary(info) = parsed.load_info()? else { return Ok(Fees::default()) };
    let storage = info.storage_phase.map_or(0, |p| p.storage_fees_collected.into_inner());
    let gas = match info.compute_phase {
        ComputePhase::Executed(phase) => phase.gas_fees.into_inner(),
        ComputePhase::Skipped(_) => 0,
    };
    let (fwd, action) = info.action_phase.map_or((0, 0), |phase| {
        let paid = |part: Option<Tokens>| part.unwrap_or_default().into_inner();
        (paid(phase.total_fwd_fees), paid(phase.total_action_fees))
    });
    let total = parsed.total_fees.tokens.into_inner();
    let in_fwd = total.saturating_sub(storage).saturating_sub(gas).saturating_sub(action);
    Ok(Fees { in_fwd, storage, gas, fwd })
}
