//! Reading the log back: at the start, the state is folded from it.

use fog_protocol::{Address, Commit, Hash32, Signed, TaskId, TaskStatus};
use sqlx::Row as _;

use super::{
    CursorRow, Store, from_hash,
    rows::{to_address, to_nano, to_value},
    to_hash, to_u64,
};
use crate::{NodeError, store::WorkerRow};

/// Events read at once.
const PAGE: i64 = 1000;

/// A stored event.
#[derive(Debug)]
pub(crate) struct Logged {
    /// Its place.
    pub(crate) seq: i64,
    /// Chain time it was applied at.
    pub(crate) at: u64,
    /// Borsh of it.
    pub(crate) body: Vec<u8>,
}

impl Store {
    /// The next events after `seq`, in order; empty at the end.
    pub(crate) async fn events_after(&self, seq: i64) -> Result<Vec<Logged>, NodeError> {
        let rows =
            sqlx::query("SELECT seq, at, body FROM events WHERE seq > $1 ORDER BY seq LIMIT $2")
                .bind(seq)
                .bind(PAGE)
                .fetch_all(self.reader())
                .await?;
        rows.iter()
            .map(|row| {
                let (seq, at) = (row.try_get("seq")?, to_u64(row.try_get("at")?)?);
                Ok(Logged { seq, at, body: row.try_get("body")? })
            })
            .collect()
    }

    /// The last checkpoint of the state hash.
    pub(crate) async fn checkpoint(&self) -> Result<Option<(i64, Hash32)>, NodeError> {
        let row = sqlx::query("SELECT seq, state_hash FROM checkpoint")
            .fetch_optional(self.reader())
            .await?;
        row.map(|row| Ok((row.try_get("seq")?, to_hash(row.try_get("state_hash")?)?))).transpose()
    }

    /// The status every task is shown with.
    pub(crate) async fn shown_statuses(&self) -> Result<Vec<(TaskId, TaskStatus)>, NodeError> {
        let rows = sqlx::query("SELECT id, status FROM tasks").fetch_all(self.reader()).await?;
        rows.iter()
            .map(|row| {
                let status: &str = row.try_get("status")?;
                let status =
                    status.parse().map_err(|_| sqlx::Error::Decode("unknown status".into()))?;
                Ok((TaskId(to_hash(row.try_get("id")?)?), status))
            })
            .collect()
    }

    /// Results that are here, of tasks that have not ended.
    pub(crate) async fn received(&self) -> Result<Vec<(TaskId, Hash32)>, NodeError> {
        let rows = sqlx::query(
            "SELECT s.task, s.reveal FROM submissions s JOIN tasks t ON t.id = s.task
             JOIN statuses n ON n.name = t.status WHERE n.terminal = 0",
        )
        .fetch_all(self.reader())
        .await?;
        rows.iter()
            .map(|row| {
                Ok((TaskId(to_hash(row.try_get("task")?)?), to_hash(row.try_get("reveal")?)?))
            })
            .collect()
    }

    /// Workers as shown.
    pub(crate) async fn shown_workers(&self) -> Result<Vec<WorkerRow>, NodeError> {
        let rows = sqlx::query(
            "SELECT worker, stake, online, free_stake, reputation_ppm, assigned, accepted,
                    rejected, late, flagged FROM workers",
        )
        .fetch_all(self.reader())
        .await?;
        rows.iter()
            .map(|row| {
                let count = |column: &str| to_u64(row.try_get(column)?);
                Ok(WorkerRow {
                    worker: to_address(row.try_get("worker")?)?,
                    stake: to_address(row.try_get("stake")?)?,
                    online: row.try_get::<i64, _>("online")? == 1,
                    free_stake: to_nano(row.try_get("free_stake")?)?,
                    reputation_ppm: u32::try_from(count("reputation_ppm")?)
                        .map_err(|error| sqlx::Error::Decode(error.into()))?,
                    counts: [
                        count("assigned")?,
                        count("accepted")?,
                        count("rejected")?,
                        count("late")?,
                    ],
                    flagged: row.try_get::<i64, _>("flagged")? == 1,
                })
            })
            .collect()
    }

    /// Where the wallet's history was read to; `None` from its very first transaction.
    pub(crate) async fn cursor(
        &self,
        account: &Address,
    ) -> Result<Option<fog_chain::Cursor>, NodeError> {
        let row = sqlx::query("SELECT lt, hash, seen_at FROM cursor WHERE account = $1")
            .bind(account.to_string())
            .fetch_optional(self.reader())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let row = CursorRow {
            account: *account,
            lt: to_u64(row.try_get("lt")?)?,
            hash: to_hash(row.try_get("hash")?)?,
            seen_at: to_u64(row.try_get("seen_at")?)?,
        };
        Ok(row.position())
    }

    /// A worker's commitment as it signed it; none if only the chain told of it.
    pub(crate) async fn signed_commit(
        &self,
        task: &TaskId,
    ) -> Result<Option<Signed<Commit>>, NodeError> {
        let signed: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT signed FROM commitments WHERE task = $1")
                .bind(from_hash(&task.0))
                .fetch_optional(self.reader())
                .await?;
        let signed = signed.filter(|bytes| !bytes.is_empty());
        Ok(signed.map(|bytes| to_value(&bytes)).transpose()?)
    }
}
