//! Follows the operator wallet's final transactions, gap by no gap. The node's clock is the time up
//! to which they are all known, so that no deadline is called before what happened until then. Tasks tell this wallet of every
//! transition, and the wallet's own messages appear here: one account tells everything.
//!
//! The cursor moves in the same database transaction as the effects of what was read, so that a
//! crash in between reads the same again.

mod facts;
mod reconcile;
mod shares;

use std::{sync::Arc, time::Duration};

use fog_chain::{ChainError, Cursor, Follower};
use fog_protocol::Hash32;
use tokio_util::sync::CancellationToken;

pub(crate) use facts::Applicable;
pub(crate) use facts::{ChainUpdate, Fact};
pub(crate) use reconcile::{Reading, Reconciler, closing_event, run as reconcile};
pub(crate) use shares::Share;

use crate::{
    NodeError,
    coordinator::Command,
    shared::{ChainHealth, Shared},
    store::CursorRow,
};

/// Longest pause between two tries while the chain cannot be read.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Runs until `stop`; returns early only on a gap, which a person has to look at.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) -> Result<(), NodeError> {
    let poll = Duration::from_millis(shared.config.chain.poll_millis.max(10));
    let mut cursor = shared.store.cursor(&shared.operator).await?;
    let mut follower = shared.chain.follower(shared.operator);
    let mut failures = 0u32;
    while !stop.is_cancelled() {
        let pause = match read(&shared, &mut follower, cursor).await {
            Ok(update) => {
                failures = 0;
                let more = update.full;
                cursor = update.cursor.as_ref().map_or(cursor, CursorRow::position);
                shared.clock.advance(update.now);
                if shared.coordinator.tell(Command::Chain(Box::new(update))).await.is_err() {
                    return Ok(());
                }
                shared.set_health(ChainHealth::Following);
                if more { Duration::ZERO } else { poll }
            }
            Err(error @ (ChainError::Gap { .. } | ChainError::WrongNetwork { .. })) => {
                shared.set_health(ChainHealth::Gap(error.to_string()));
                // Reading on would skip what is missing: only a restart after a look does.
                stop.cancelled().await;
                return Ok(());
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                shared.set_health(ChainHealth::Unreachable(error.to_string()));
                (poll * 2u32.saturating_pow(failures.min(8))).min(MAX_PAUSE)
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            // A wallet's message has left. Failures are waited out all the same.
            () = shared.look.notified(), if failures == 0 => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    Ok(())
}

/// One look: what became final, and the chain time up to which that is everything.
async fn read(
    shared: &Shared,
    follower: &mut Follower,
    cursor: Option<Cursor>,
) -> Result<ChainUpdate, ChainError> {
    let update = follower.next(cursor).await?;
    let last = update.transactions.last().map(fog_chain::Tx::cursor).or(cursor);
    let facts = update.transactions.iter().flat_map(facts::facts).collect();
    // A wallet without any transaction has been read too: lt 0.
    let Cursor { lt, hash } = last.unwrap_or(Cursor { lt: 0, hash: Hash32::default() });
    let seen_at = u64::from(update.covered);
    let cursor = Some(CursorRow { account: shared.operator, lt, hash, seen_at });
    Ok(ChainUpdate { now: seen_at, facts, cursor, full: update.full })
}
