//! The epoch whose seed decides a draw: named in the listing, so that the node cannot choose one
//! later.

use fog_contracts::rail::place_of;
use fog_protocol::{Epoch, EpochRef, SecretKey, Signed, api::NodeInfo, node_id};
use fog_wallet::{Wallet, WalletVersion};

use crate::{NodeClient, NodeError, Prepared, RequestorError};

/// How often a listing is made anew because its epoch ended meanwhile.
const TURNS: usize = 3;

/// The epoch inside, if the node that `info` describes signed it with its wallet's key.
///
/// # Errors
/// [`RequestorError::Epoch`].
pub fn checked_epoch(info: &NodeInfo, signed: &Signed<Epoch>) -> Result<Epoch, RequestorError> {
    let wrong = |cause: String| RequestorError::Epoch(cause);
    let node = node_id(info.network, &info.market, &info.operator);
    let epoch = signed.of_node(&node, &signed.signer).map_err(|error| wrong(error.to_string()))?;
    let wallet = Wallet::new(WalletVersion::V5R1, signed.signer, info.network)
        .map_err(|error| wrong(error.to_string()))?;
    if wallet.address() != info.operator {
        return Err(wrong("it is signed by another key than its wallet's".to_owned()));
    }
    Ok(*epoch)
}

/// The epoch that listings posted now name.
pub(crate) fn current(info: &NodeInfo) -> Result<EpochRef, RequestorError> {
    let missing = || RequestorError::Epoch("it shows none".to_owned());
    let signed = info.epoch.as_ref().ok_or_else(missing)?;
    Ok(checked_epoch(info, signed)?.named())
}

impl Prepared {
    /// The same work in another epoch: another task.
    fn in_epoch(mut self, epoch: EpochRef) -> Result<Self, RequestorError> {
        self.listing = self.listing.with_epoch(epoch);
        self.task = self.listing.id();
        self.escrow = place_of(&self.listing)?;
        Ok(self)
    }
}

/// Uploads the blobs of a task and posts its listing, in the node's next epoch if its own has ended
/// meanwhile.
///
/// # Errors
/// [`RequestorError`].
pub async fn post(
    node: &NodeClient,
    key: &SecretKey,
    prepared: Prepared,
) -> Result<Prepared, RequestorError> {
    for blob in &prepared.blobs {
        node.put_blob(key, blob.clone()).await?;
    }
    let mut prepared = prepared;
    for turn in 0.. {
        let signed = Signed::new(prepared.listing.clone(), key);
        let posted = match node.post_task(&signed).await {
            Ok(posted) => posted,
            Err(NodeError::Refused { code, .. }) if code == "epoch_over" && turn < TURNS => {
                let info = node.current_info().await?;
                prepared = prepared.in_epoch(current(&info)?)?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if posted.task != prepared.task {
            return Err(RequestorError::Disagrees("task"));
        }
        if posted.escrow != prepared.escrow {
            return Err(RequestorError::Disagrees("escrow"));
        }
        let shown = posted.epoch.as_ref().map(|epoch| epoch.value.named());
        if shown != prepared.listing.epoch {
            return Err(RequestorError::Disagrees("epoch"));
        }
        break;
    }
    Ok(prepared)
}
