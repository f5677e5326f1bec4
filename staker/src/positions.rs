//! What a staker has delegated, found in the history of its own wallet.

use std::collections::BTreeSet;

use fog_chain::{ChainClient, MsgKind};
use fog_contracts::{
    delegation::{DelegationData, op},
    stake::StakeData,
};
use fog_protocol::{Address, Nano};
use serde::Serialize;

use crate::{StakerError, delegating::read_stake};

/// Something on its way out.
#[derive(Debug, Clone, Serialize)]
pub struct Leaving {
    /// What it is worth unless it is slashed again, nanogram.
    pub worth_nano: Nano,
    /// Chain time from which it can be had, if no task from before is left.
    pub out_at: u32,
}

/// A delegation and what it is worth.
#[derive(Debug, Clone, Serialize)]
pub struct Position {
    /// The contract.
    pub delegation: Address,
    /// The worker's stake.
    pub stake: Address,
    /// The worker.
    pub worker: Address,
    /// The market.
    pub market: Address,
    /// Shares of the stake's pool, as text: there are many.
    #[serde(serialize_with = "as_text")]
    pub shares: u128,
    /// What they are worth now, nanogram.
    pub worth_nano: Nano,
    /// What is on its way out, oldest first.
    pub leaving: Vec<Leaving>,
    /// The worker's commission now, basis points.
    pub commission_bps: u16,
    /// The one to come, if it differs.
    pub next_commission_bps: Option<u16>,
    /// Chain time at which that one holds.
    pub next_commission_at: Option<u32>,
    /// The stake itself.
    #[serde(skip)]
    pub data: StakeData,
}

fn as_text<S: serde::Serializer>(number: &u128, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(number)
}

/// Everything that `owner` has delegated and not taken out, as of chain time `now`.
///
/// # Errors
/// [`StakerError`].
pub async fn positions(
    chain: &ChainClient,
    owner: &Address,
    now: u32,
) -> Result<Vec<Position>, StakerError> {
    let mut found = BTreeSet::new();
    let mut cursor = None;
    loop {
        let page = chain.new_transactions_since(owner, cursor).await?;
        let Some(last) = page.last() else { break };
        cursor = Some(last.cursor());
        let sent = page.iter().flat_map(|tx| &tx.out_msgs);
        let delegated = sent.filter(|message| {
            message.kind == MsgKind::Internal && message.op() == Some(op::DELEGATE)
        });
        found.extend(delegated.filter_map(|message| message.dest));
    }
    let mut positions = Vec::new();
    for delegation in found {
        positions.extend(position(chain, owner, delegation, now).await?);
    }
    Ok(positions)
}

/// One of them; `None` if it is nobody's, somebody else's, or empty.
async fn position(
    chain: &ChainClient,
    owner: &Address,
    delegation: Address,
    now: u32,
) -> Result<Option<Position>, StakerError> {
    let Some(data) = chain.account(&delegation).await?.data else { return Ok(None) };
    let Ok(data) = DelegationData::parse(&data) else { return Ok(None) };
    if data.init.owner != *owner || data.init.address()? != delegation {
        return Ok(None);
    }
    if data.shares == 0 && data.queue.is_empty() {
        return Ok(None);
    }
    let stake = read_stake(chain, &data.init.stake).await?;
    let (pool, unbonding) = (stake.pool, stake.init.params.unbonding);
    let leaving = data.queue.iter().map(|entry| Leaving {
        worth_nano: pool.leaving_worth(&entry.shares),
        out_at: entry.at.saturating_add(unbonding),
    });
    let raise = (now < pool.commission_at).then_some(pool.next_commission);
    Ok(Some(Position {
        delegation,
        stake: data.init.stake,
        worker: stake.init.owner,
        market: stake.init.market,
        shares: data.shares,
        worth_nano: pool.worth(data.shares, now),
        leaving: leaving.collect(),
        commission_bps: pool.commission_at_time(now),
        next_commission_bps: raise,
        next_commission_at: raise.map(|_| pool.commission_at),
        data: stake,
    }))
}
