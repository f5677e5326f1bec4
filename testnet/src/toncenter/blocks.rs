//! Methods about blocks and the configuration.

use serde_json::{Value, json};

use super::address::base64;
use super::dialect::{ApiError, Parameters, ParametersExt, boc};
use super::shape::{Accounts, SHARD, block_id, extra, short_transaction, transaction};
use crate::chain::{Block, Chain, TxRef};

/// Most transactions of a block in one answer.
const MAX_COUNT: usize = 1_000;

pub(crate) fn masterchain_info(chain: &Chain) -> Result<Value, ApiError> {
    let last = chain.last_block();
    let genesis = chain.block(0)?.ok_or_else(|| ApiError::not_found("block"))?;
    Ok(json!({
        "@type": "blocks.masterchainInfo",
        "last": block_id(last, -1),
        "state_root_hash": base64(last.file_hash.as_slice()),
        "init": block_id(&genesis, -1),
        "@extra": extra(last),
    }))
}

pub(crate) fn consensus_block(chain: &Chain) -> Result<Value, ApiError> {
    let last = chain.last_block();
    Ok(json!({ "consensus_block": last.seqno, "timestamp": last.gen_utime }))
}

pub(crate) fn shards(chain: &Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    let seqno = parameters.required_unsigned("seqno")?;
    let block = block_at(chain, seqno)?;
    Ok(json!({
        "@type": "blocks.shards",
        "shards": [block_id(&block, 0)],
        "@extra": extra(chain.last_block()),
    }))
}

pub(crate) fn lookup(chain: &Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    let workchain = workchain(parameters)?;
    let found = if let Some(seqno) = parameters.unsigned("seqno")? {
        Some(block_at(chain, seqno)?)
    } else if let Some(lt) = parameters.unsigned("lt")? {
        chain.block_by_lt(lt)?
    } else if let Some(utime) = parameters.unsigned("unixtime")? {
        let utime = u32::try_from(utime).map_err(|_| ApiError::parameter("unixtime: too large"))?;
        chain.block_by_utime(utime)?
    } else {
        return Err(ApiError::parameter("seqno, lt or unixtime: field required"));
    };
    let block = found.ok_or_else(|| ApiError::not_found("block"))?;
    Ok(block_id(&block, workchain))
}

pub(crate) fn header(chain: &Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    let (block, workchain) = named_block(chain, parameters)?;
    let previous = match block.seqno.checked_sub(1) {
        Some(seqno) => vec![block_id(&block_at(chain, u64::from(seqno))?, workchain)],
        None => Vec::new(),
    };
    Ok(json!({
        "@type": "blocks.header",
        "id": block_id(&block, workchain),
        "global_id": chain.network().current().global_id,
        "version": 0,
        "flags": 0,
        "after_merge": false,
        "after_split": false,
        "before_split": false,
        "want_merge": true,
        "want_split": false,
        "validator_list_hash_short": 0,
        "catchain_seqno": 0,
        "min_ref_mc_seqno": block.seqno.saturating_sub(1),
        "is_key_block": block.seqno == 0,
        "prev_key_block_seqno": 0,
        "start_lt": block.start_lt.to_string(),
        "end_lt": block.end_lt.to_string(),
        "gen_utime": block.gen_utime,
        "vert_seqno": 0,
        "prev_blocks": previous,
        "@extra": extra(chain.last_block()),
    }))
}

/// How the transactions of a block are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    Short,
    Full,
}

pub(crate) fn transactions(
    chain: &Chain,
    parameters: &Parameters,
    detail: Detail,
) -> Result<Value, ApiError> {
    let (block, workchain) = named_block(chain, parameters)?;
    let requested = parameters.unsigned("count")?.unwrap_or(40);
    let count = usize::try_from(requested).unwrap_or(MAX_COUNT).min(MAX_COUNT);
    let after_lt = parameters.unsigned("after_lt")?;
    let after_hash = parameters.hash("after_hash")?;

    // As in a TON block: by account, then by time. The cursor names an account and a time.
    let mut found: Vec<&TxRef> = block
        .transactions
        .iter()
        .filter(|tx| i32::from(tx.address.workchain) == workchain)
        .collect();
    found.sort_by_key(|tx| (tx.address.address, tx.lt));
    if let (Some(lt), Some(account)) = (after_lt, after_hash) {
        found.retain(|tx| (tx.address.address, tx.lt) > (account, lt));
    }
    let incomplete = found.len() > count;
    found.truncate(count);

    let mut rows = Vec::with_capacity(found.len());
    for tx in found {
        rows.push(match detail {
            Detail::Short => short_transaction(tx),
            Detail::Full => {
                let record = chain.transaction(&tx.address, tx.lt)?;
                let record = record.ok_or_else(|| ApiError::not_found("transaction"))?;
                transaction(&record, Accounts::Objects)?
            }
        });
    }
    let kind = match detail {
        Detail::Short => "blocks.transactions",
        Detail::Full => "blocks.transactionsExt",
    };
    Ok(json!({
        "@type": kind,
        "id": block_id(&block, workchain),
        "req_count": count,
        "incomplete": incomplete,
        "transactions": rows,
        "@extra": extra(chain.last_block()),
    }))
}

pub(crate) fn config_param(chain: &Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    let id = match parameters.unsigned("config_id")? {
        Some(id) => id,
        None => parameters.required_unsigned("param")?,
    };
    let id = u32::try_from(id).map_err(|_| ApiError::parameter("config_id: too large"))?;
    let params = &chain.network().current().raw.params;
    let cell = params.get_raw_cell(id)?.ok_or_else(|| ApiError::not_found("config parameter"))?;
    Ok(config_info(chain, &boc(&cell)))
}

pub(crate) fn config_all(chain: &Chain) -> Result<Value, ApiError> {
    let params = &chain.network().current().raw.params;
    let root = params.as_dict().root().as_ref();
    let root = root.ok_or_else(|| ApiError::not_found("config"))?;
    Ok(config_info(chain, &boc(root)))
}

/// Past configurations are the present one, and there are no public libraries.
pub(crate) fn libraries(chain: &Chain) -> Result<Value, ApiError> {
    Ok(json!({
        "@type": "smc.libraryResult",
        "result": [],
        "@extra": extra(chain.last_block()),
    }))
}

fn config_info(chain: &Chain, bytes: &str) -> Value {
    json!({
        "@type": "configInfo",
        "config": { "@type": "tvm.cell", "bytes": bytes },
        "@extra": extra(chain.last_block()),
    })
}

pub(crate) fn queue_size(chain: &Chain) -> Result<Value, ApiError> {
    Ok(json!({
        "@type": "blocks.outMsgQueueSizes",
        "shards": [{
            "@type": "blocks.outMsgQueueSize",
            "id": block_id(chain.last_block(), 0),
            "size": chain.backlog(),
        }],
        "ext_msg_queue_size_limit": 10_000,
        "@extra": extra(chain.last_block()),
    }))
}

fn named_block(chain: &Chain, parameters: &Parameters) -> Result<(Block, i32), ApiError> {
    let workchain = workchain(parameters)?;
    let block = block_at(chain, parameters.required_unsigned("seqno")?)?;
    Ok((block, workchain))
}

fn block_at(chain: &Chain, seqno: u64) -> Result<Block, ApiError> {
    let missing = || ApiError::not_found("block");
    let seqno = u32::try_from(seqno).map_err(|_| missing())?;
    chain.block(seqno)?.ok_or_else(missing)
}

/// The `workchain` parameter, and a check of `shard`: there is one shard a workchain.
fn workchain(parameters: &Parameters) -> Result<i32, ApiError> {
    let workchain = match parameters.required_text("workchain")?.as_str() {
        "-1" => -1,
        "0" => 0,
        _ => return Err(ApiError::parameter("workchain: there are -1 and 0")),
    };
    match parameters.text("shard").as_deref() {
        None | Some(SHARD | "" | "9223372036854775808" | "8000000000000000") => Ok(workchain),
        // JavaScript clients may have rounded it through a double.
        Some("-9223372036854776000" | "-9.223372036854776e+18" | "-9.223372036854776e18") => {
            Ok(workchain)
        }
        Some(_) => Err(ApiError::not_found("shard")),
    }
}
