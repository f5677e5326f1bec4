//! Blocks, transactions and messages in the shapes tonlib gives them.

use serde_json::{Value, json};
use tycho_types::models::{AnyAddr, IntAddr, MsgInfo, OwnedMessage, StdAddr, Transaction, TxInfo};
use tycho_types::prelude::*;

use super::address::{base64, friendly, raw};
use super::dialect::{ApiError, boc};
use crate::chain::{Block, TxRecord, TxRef};

/// The only shard of each workchain, as toncenter writes it.
pub(crate) const SHARD: &str = "-9223372036854775808";

/// `ton.blockIdExt` of the block in the given workchain.
pub(crate) fn block_id(block: &Block, workchain: i32) -> Value {
    let (root_hash, file_hash) = block.hashes(workchain);
    json!({
        "@type": "ton.blockIdExt",
        "workchain": workchain,
        "shard": SHARD,
        "seqno": block.seqno,
        "root_hash": base64(root_hash.as_slice()),
        "file_hash": base64(file_hash.as_slice()),
    })
}

/// `internal.transactionId`.
pub(crate) fn transaction_id(lt: u64, hash: &HashBytes) -> Value {
    json!({
        "@type": "internal.transactionId",
        "lt": lt.to_string(),
        "hash": base64(hash.as_slice()),
    })
}

/// The request marker tonlib adds; here it says when and by which block the answer was made.
pub(crate) fn extra(block: &Block) -> String {
    format!("{}:{}:0", block.gen_utime, block.seqno)
}

/// `blocks.shortTxId`.
pub(crate) fn short_transaction(tx: &TxRef) -> Value {
    json!({
        "@type": "blocks.shortTxId",
        "mode": 135,
        "account": raw(&tx.address),
        "lt": tx.lt.to_string(),
        "hash": base64(tx.hash.as_slice()),
    })
}

/// How messages of a transaction name their accounts; it depends on the method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accounts {
    /// As text, with a readable `message` beside the body: `getTransactions`.
    Text,
    /// As tonlib's `accountAddress` objects: `getTransactionsStd`, `getBlockTransactionsExt`.
    Objects,
}

/// `raw.transaction`.
pub(crate) fn transaction(record: &TxRecord, accounts: Accounts) -> Result<Value, ApiError> {
    let parsed = record.load()?;
    let mut out_msgs = Vec::new();
    let mut fee = parsed.total_fees.tokens.into_inner();
    for entry in parsed.out_msgs.values() {
        let cell = entry?;
        let parsed = cell.parse::<OwnedMessage>()?;
        // tonlib counts what messages pay for their way as the sender's fee.
        if let MsgInfo::Int(info) = &parsed.info {
            fee = fee.saturating_add(info.fwd_fee.into_inner());
        }
        out_msgs.push(message(&cell, &parsed, accounts)?);
    }
    let storage_fee = storage_fee(&parsed)?;
    let mut value = json!({
        "@type": "raw.transaction",
        "address": { "@type": "accountAddress", "account_address": friendly(&record.address) },
        "account": raw(&record.address),
        "utime": parsed.now,
        "data": boc(record.transaction.inner()),
        "transaction_id": transaction_id(record.lt, &record.hash),
        "fee": fee.to_string(),
        "storage_fee": storage_fee.to_string(),
        "other_fee": fee.saturating_sub(storage_fee).to_string(),
        "out_msgs": out_msgs,
    });
    if let (Some(cell), Some(fields)) = (&parsed.in_msg, value.as_object_mut()) {
        let in_msg = message(cell, &cell.parse::<OwnedMessage>()?, accounts)?;
        fields.insert("in_msg".to_owned(), in_msg);
    }
    Ok(value)
}

fn storage_fee(transaction: &Transaction) -> Result<u128, ApiError> {
    Ok(match transaction.load_info()? {
        TxInfo::Ordinary(info) => {
            info.storage_phase.map_or(0, |phase| phase.storage_fees_collected.into_inner())
        }
        TxInfo::TickTock(info) => info.storage_phase.storage_fees_collected.into_inner(),
    })
}

/// `raw.message`.
fn message(cell: &Cell, parsed: &OwnedMessage, accounts: Accounts) -> Result<Value, ApiError> {
    let body = body_cell(parsed)?;
    let init = match &parsed.init {
        Some(init) => boc(&CellBuilder::build_from(init)?),
        None => String::new(),
    };
    let head = match &parsed.info {
        MsgInfo::Int(info) => Head {
            source: std_text(&info.src),
            destination: std_text(&info.dst),
            value: info.value.tokens.into_inner(),
            fwd_fee: info.fwd_fee.into_inner(),
            created_lt: info.created_lt,
        },
        MsgInfo::ExtIn(info) => Head { destination: std_text(&info.dst), ..Head::default() },
        MsgInfo::ExtOut(info) => Head {
            source: std_text(&info.src),
            destination: match AnyAddr::from(info.dst.clone()) {
                AnyAddr::Std(address) => friendly(&address),
                _ => String::new(),
            },
            created_lt: info.created_lt,
            ..Head::default()
        },
    };
    let named = |address: &str| match accounts {
        Accounts::Text => Value::from(address),
        Accounts::Objects => json!({ "@type": "accountAddress", "account_address": address }),
    };
    let mut value = json!({
        "@type": "raw.message",
        "hash": base64(cell.repr_hash().as_slice()),
        "source": named(&head.source),
        "destination": named(&head.destination),
        "value": head.value.to_string(),
        "extra_currencies": [],
        "fwd_fee": head.fwd_fee.to_string(),
        "ihr_fee": "0",
        "created_lt": head.created_lt.to_string(),
        "body_hash": base64(body.repr_hash().as_slice()),
        "msg_data": { "@type": "msg.dataRaw", "body": boc(&body), "init_state": init },
    });
    if let (Accounts::Text, Some(fields)) = (accounts, value.as_object_mut()) {
        fields.insert("message".to_owned(), comment(&body).into());
    }
    Ok(value)
}

/// What the three kinds of messages share on the wire.
#[derive(Default)]
struct Head {
    source: String,
    destination: String,
    value: u128,
    fwd_fee: u128,
    created_lt: u64,
}

fn std_text(address: &IntAddr) -> String {
    address.as_std().map(|address: &StdAddr| friendly(address)).unwrap_or_default()
}

fn body_cell(message: &OwnedMessage) -> Result<Cell, ApiError> {
    let (range, cell) = &message.body;
    if range.is_full(cell) {
        return Ok(cell.clone());
    }
    Ok(CellBuilder::build_from(range.apply_allow_exotic(cell))?)
}

/// The text of a comment (a body that begins with 32 zero bits), otherwise the body's own bytes in
/// base64. Only the first cell: enough for people, and bounded.
fn comment(body: &Cell) -> String {
    let slice = body.as_slice_allow_exotic();
    let mut buffer = [0u8; 128];
    let bits = slice.size_bits() / 8 * 8;
    let Ok(bytes) = slice.get_raw(0, &mut buffer, bits) else { return String::new() };
    match bytes.split_first_chunk::<4>() {
        Some(([0, 0, 0, 0], text)) => String::from_utf8_lossy(text).into_owned(),
        _ => base64(bytes),
    }
}
