//! Following one account, final transactions only.

use std::time::Duration;

use fog_protocol::{Address, Hash32};

use crate::finality::{Look, Settled, Sightings};
use crate::follow::MAX_RETURNED;
use crate::{AccountInfo, ChainClient, ChainError, Cursor, MasterchainInfo, Tx};

/// What one look at an account gave.
#[derive(Debug)]
pub struct Update {
    /// What became final, oldest first.
    pub transactions: Vec<Tx>,
    /// Everything final up to this chain time (unix seconds) is in this update or came before it.
    /// 0 while nothing is covered yet.
    pub covered: u32,
    /// Chain time of the newest block.
    pub now: u32,
    /// There is more to read at once.
    pub full: bool,
    /// Transactions seen that wait for their confirmations.
    pub waiting: usize,
}

/// Follows one account and lets a transaction out when as many masterchain blocks as configured
/// lie on top of it. Blocks that are undone start the count anew; a second gateway, if there is
/// one, must know what is let out.
#[derive(Debug)]
pub struct Follower {
    client: ChainClient,
    witness: Option<ChainClient>,
    address: Address,
    sightings: Sightings,
    last: Option<MasterchainInfo>,
}

impl Follower {
    /// A follower of `address`; nothing is asked yet.
    #[must_use]
    pub fn new(client: ChainClient, address: Address) -> Self {
        let sightings = Sightings::new(client.config().confirmations);
        Self { client, witness: None, address, sightings, last: None }
    }

    /// The same, which asks a second gateway before it believes the first.
    #[must_use]
    pub fn with_witness(mut self, witness: Option<ChainClient>) -> Self {
        self.witness = witness;
        self
    }

    /// One look: the final transactions after `cursor` (`None`: from the very first), oldest
    /// first, at most 1,000. Move the cursor only together with what came out of it.
    ///
    /// # Errors
    /// [`ChainError`], as [`ChainClient::new_transactions_since`]; [`ChainError::Stale`] also
    /// while the second gateway does not know the newest final transaction.
    pub async fn next(&mut self, cursor: Option<Cursor>) -> Result<Update, ChainError> {
        let tip = self.tip().await?;
        let account = self.client.account(&self.address).await?;
        let mut seen = self.client.transactions_up_to(&account, cursor).await?;
        let cut = seen.len() >= MAX_RETURNED;
        let look = look(&tip, &account);
        let hashes: Vec<Hash32> = seen.iter().map(|tx| tx.hash).collect();
        let Settled { count, covered } = self.sightings.look(look, &hashes);
        let waiting = seen.len() - count;
        seen.truncate(count);
        let now = self.agreed(&tip, seen.last()).await?;
        self.sightings.release(&hashes[..count]);
        let full = cut && waiting == 0;
        let covered = match seen.last() {
            // A full page ends somewhere in the past: only its own time is covered.
            Some(tx) if cut => tx.now,
            None if cut => 0,
            Some(_) | None => covered.min(now),
        };
        Ok(Update { transactions: seen, covered, now, full, waiting })
    }

    /// The newest block; if it does not stand on the one seen before, blocks were undone.
    async fn tip(&mut self) -> Result<MasterchainInfo, ChainError> {
        let tip = self.client.masterchain_info().await?;
        if self.client.config().confirmations == 0 {
            return Ok(tip);
        }
        if let Some(last) = self.last {
            let same = match tip.seqno.cmp(&last.seqno) {
                std::cmp::Ordering::Equal => tip.root_hash == last.root_hash,
                std::cmp::Ordering::Less => return Ok(tip),
                std::cmp::Ordering::Greater => {
                    self.client.block_hash(last.seqno).await? == last.root_hash
                }
            };
            if !same {
                tracing::warn!(seqno = last.seqno, "a block of the chain was replaced");
                self.sightings.forget();
            }
        }
        self.last = Some(tip);
        Ok(tip)
    }

    /// Chain time that both gateways have reached, after the second confirmed `newest`.
    async fn agreed(&self, tip: &MasterchainInfo, newest: Option<&Tx>) -> Result<u32, ChainError> {
        let Some(witness) = &self.witness else { return Ok(tip.time) };
        if let Some(tx) = newest {
            let found = witness.transactions(&self.address, Some(tx.cursor()), 1, None).await;
            match found {
                Ok(_) => {}
                Err(error) => {
                    let what = format!("the second gateway does not confirm {}: {error}", tx.hash);
                    return Err(ChainError::Stale { what });
                }
            }
        }
        Ok(tip.time.min(witness.chain_time().await?))
    }
}

/// Which block an answer is of. Of a gateway that does not tell, it is the block after the newest
/// known: one more to wait for.
fn look(tip: &MasterchainInfo, account: &AccountInfo) -> Look {
    Look {
        at: account.block_seqno.unwrap_or_else(|| tip.seqno.saturating_add(1)),
        // Behind one gateway are many machines: this one may lag.
        time: account.sync_time.map_or(tip.time, |time| time.min(tip.time)),
        tip: tip.seqno,
    }
}

impl ChainClient {
    /// Waits until a final transaction of `address` after `since` satisfies `is_it`, and returns
    /// it. Failures that may pass are waited out, false answers too: the next may be true.
    ///
    /// # Errors
    /// [`ChainError::NotSeen`] after `timeout`; others at once if they cannot pass.
    pub async fn wait_transaction(
        &self,
        address: &Address,
        since: Option<Cursor>,
        timeout: Duration,
        is_it: impl FnMut(&Tx) -> bool,
    ) -> Result<Tx, ChainError> {
        let mut follower = Follower::new(self.clone(), *address);
        let mut cursor = since;
        follower.wait(&mut cursor, timeout, is_it).await
    }
}

impl Follower {
    /// Waits until a final transaction after `cursor` satisfies `is_it`, and returns it; moves
    /// the cursor on. Failures that may pass are waited out, false answers too: the next may be
    /// true.
    ///
    /// # Errors
    /// [`ChainError::NotSeen`] after `timeout`; others at once if they cannot pass.
    pub async fn wait(
        &mut self,
        cursor: &mut Option<Cursor>,
        timeout: Duration,
        mut is_it: impl FnMut(&Tx) -> bool,
    ) -> Result<Tx, ChainError> {
        let deadline = tokio::time::Instant::now() + timeout;
        loop {
            match self.next(*cursor).await {
                Ok(update) => {
                    for tx in update.transactions {
                        *cursor = Some(tx.cursor());
                        if is_it(&tx) {
                            return Ok(tx);
                        }
                    }
                }
                Err(error) if error.may_be_answered_better() => {
                    tracing::debug!(code = error.code(), "waiting for a transaction");
                }
                Err(error) => return Err(error),
            }
            if tokio::time::Instant::now() >= deadline {
                let seconds = timeout.as_secs();
                return Err(ChainError::NotSeen { address: self.address, seconds });
            }
            tokio::time::sleep(self.client.config().poll_interval).await;
        }
    }
}
