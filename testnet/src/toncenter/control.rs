//! Routes of its own: what a test network lets its owner do.

use serde_json::{Value, json};

use super::address::{base64, friendly};
use super::dialect::{ApiError, Parameters, ParametersExt};
use crate::chain::Chain;

/// Most blocks one call makes.
const MAX_BLOCKS: u64 = 10_000;
/// Furthest one call moves the clock: a hundred years.
const MAX_WARP: u64 = 100 * 365 * 86_400;

/// Dispatches a control call; 422 if there is no such route.
pub(crate) fn call(
    chain: &mut Chain,
    action: &str,
    parameters: &Parameters,
) -> Result<Value, ApiError> {
    match action {
        "status" => Ok(status(chain)),
        "fund" => fund(chain, parameters),
        "mine" => mine(chain, parameters),
        "warp" => warp(chain, parameters),
        _ => Err(ApiError::parameter("there are status, fund, mine and warp")),
    }
}

fn status(chain: &Chain) -> Value {
    let totals = chain.totals();
    let last = chain.last_block();
    json!({
        "seqno": last.seqno,
        "gen_utime": last.gen_utime,
        "now": chain.now(),
        "blocks": totals.blocks,
        "transactions": totals.transactions,
        "backlog": chain.backlog(),
        "faucet": friendly(chain.faucet()),
        "supply": totals.supply.to_string(),
        "in_flight": totals.in_flight.to_string(),
        "network_fees_collected": totals.network_fees_collected.to_string(),
        "burned": totals.burned.to_string(),
    })
}

fn fund(chain: &mut Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    let address = parameters.address("address")?;
    let text = parameters.required_text("amount")?;
    let nano: u128 =
        text.parse().map_err(|_| ApiError::parameter("amount: not a number of nanogram"))?;
    let receipt = chain.fund(&address, nano)?;
    let delivery = receipt.transactions.iter().find(|tx| tx.address == address);
    let mut answer = json!({ "block": receipt.block, "amount": nano.to_string() });
    if let (Some(tx), Some(fields)) = (delivery, answer.as_object_mut()) {
        fields.insert("lt".to_owned(), tx.lt.to_string().into());
        fields.insert("hash".to_owned(), base64(tx.hash.as_slice()).into());
    }
    Ok(answer)
}

fn mine(chain: &mut Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    let blocks = parameters.unsigned("blocks")?.unwrap_or(1);
    if blocks > MAX_BLOCKS {
        return Err(ApiError::parameter(format!("blocks: at most {MAX_BLOCKS}")));
    }
    for _ in 0..blocks {
        chain.mine()?;
    }
    Ok(status(chain))
}

fn warp(chain: &mut Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    let seconds = parameters.required_unsigned("seconds")?;
    let seconds = u32::try_from(seconds).ok().filter(|seconds| u64::from(*seconds) <= MAX_WARP);
    let seconds = seconds.ok_or_else(|| ApiError::parameter("seconds: at most a century"))?;
    chain.warp(seconds)?;
    Ok(status(chain))
}
