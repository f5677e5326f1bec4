//! `fog audit` of an epoch that nothing names. No message tells the chain of it; but each epoch holds the
//! hash of the one before, so the next whose head stands on chain leads back to it, and to the hash of
//! its seed.

use fog_chain::{ChainClient, Tx};
use fog_contracts::anchor::{self, Anchor};
use fog_protocol::{Epoch, Hash32, Tagged as _, api::NodeInfo};
use fog_requestor::{NodeClient, checked_epoch};
use serde::Serialize;

use crate::evidence::told;

/// Epochs after it that are looked at, at most: a month of hours.
const MOST_AFTER: u64 = 31 * 24;

/// What a node's wallet told the chain of one epoch.
pub(crate) enum Heads {
    /// Transactions with what each says, oldest first.
    All(Vec<(Tx, Anchor)>),
    /// Too much was sent there to be read.
    CutOff,
}

/// Reads what the chain was told of an epoch of this node.
///
/// # Errors
/// If the chain cannot be read.
pub(crate) async fn heads(
    chain: &ChainClient,
    node: &NodeInfo,
    number: u64,
) -> anyhow::Result<Heads> {
    let told = told(chain, &anchor::address(&node.node, number)).await?;
    if told.is_cut_off {
        return Ok(Heads::CutOff);
    }
    // Anybody may send something there: what the node's wallet did counts.
    let own = told.transactions.into_iter().rev().filter_map(|tx| {
        let message = tx.in_msg.as_ref().filter(|m| m.source == Some(node.operator))?;
        let anchor = Anchor::parse(&message.body).ok()?;
        Some((tx, anchor))
    });
    Ok(Heads::All(own.collect()))
}

/// The epoch on chain that leads back to another.
#[derive(Debug, Serialize)]
pub(crate) struct CoveredBy {
    /// Its number.
    pub(crate) epoch: u64,
    transaction: Hash32,
    /// Chain time.
    pub(crate) at: u32,
}

/// Whether a later epoch on chain leads back to one.
pub(crate) enum Cover {
    /// Yes.
    By(CoveredBy),
    /// What the node shows does not lead there: why.
    Broken(String),
    /// None is on chain yet, as far as the node shows epochs.
    NotYet,
}

/// Looks for the next epoch after `epoch` that stands on chain, and follows the hashes to it.
///
/// # Errors
/// If node or chain cannot be read.
pub(crate) async fn cover(
    node: &NodeClient,
    chain: &ChainClient,
    epoch: &Epoch,
) -> anyhow::Result<Cover> {
    let mut last = *epoch;
    for _ in 0..MOST_AFTER {
        let Some(number) = last.number.checked_add(1) else { break };
        let after = match node.epoch(number).await {
            Err(error) if error.is_not_found() => break,
            shown => shown?.signed,
        };
        let Some(after) = after else { break };
        last = match checked_epoch(node.info(), &after) {
            Ok(after) if after.follows(&last) => after,
            Ok(_) | Err(_) => return Ok(Cover::Broken(not_following(number))),
        };
        // Nothing stands on chain of one that nothing names. A node that says so of one that has tasks
        // hides only what would speak for it: the next on chain leads back just as far.
        if node.tasks_of_epoch(number, 1, None).await?.tasks.is_empty() {
            continue;
        }
        let Heads::All(heads) = heads(chain, node.info(), number).await? else { continue };
        let Some((tx, _)) = heads.first() else { continue };
        let shown = (last.number, last.digest());
        if heads.iter().any(|(_, told)| (told.number, told.head) != shown) {
            let other = format!("the node told the chain another epoch {number} than it shows");
            return Ok(Cover::Broken(other));
        }
        let (transaction, at) = (tx.hash, tx.now);
        return Ok(Cover::By(CoveredBy { epoch: number, transaction, at }));
    }
    Ok(Cover::NotYet)
}

/// What is said of an epoch that names another than the one before it.
pub(crate) fn not_following(number: u64) -> String {
    format!("epoch {number} does not follow the one before it: one of them was exchanged")
}
