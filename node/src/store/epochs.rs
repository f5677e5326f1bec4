//! Epochs of audit seeds, and which task names which.

use fog_protocol::TaskId;
use sqlx::Row as _;

use super::{
    Store, from_hash,
    rows::{from_value, to_value},
    to_hash, to_i64, to_u64,
};
use crate::{
    NodeError,
    epoch::{Begun, GRACE_SECONDS, Turning},
};

impl Store {
    /// The running epoch, begun at `now` if there is none yet. Every epoch so far must follow from
    /// the secret: another one would contradict what was published.
    pub(crate) async fn open_epochs(
        &self,
        turning: &Turning<'_>,
        now: u64,
    ) -> Result<Begun, NodeError> {
        let mut tx = self.begin().await?;
        let rows =
            sqlx::query("SELECT epoch, seed_hash, started_at, signed FROM epochs ORDER BY epoch")
                .fetch_all(&mut *tx)
                .await?;
        let mut last = None;
        for row in &rows {
            let epoch = epoch_row(row)?;
            if epoch.seed_hash != turning.secret.seed_hash(epoch.number) {
                let message = "the audit seeds published so far follow from another epoch secret";
                return Err(NodeError::Config(message.to_owned()));
            }
            last = Some(epoch);
        }
        if let Some(epoch) = &last
            && epoch.signed.is_some()
        {
            return Ok(epoch.clone());
        }
        let epoch = turning.begin(last.as_ref(), now);
        write_epoch(&mut tx, &epoch).await?;
        tx.commit().await?;
        Ok(epoch)
    }

    /// The epoch whose seed decides about each task that has not ended and is committed to.
    pub(crate) async fn commitment_epochs(&self) -> Result<Vec<(TaskId, u64)>, NodeError> {
        let rows = sqlx::query(
            "SELECT c.task, c.epoch FROM commitments c JOIN tasks t ON t.id = c.task
             JOIN statuses n ON n.name = t.status WHERE n.terminal = 0",
        )
        .fetch_all(self.reader())
        .await?;
        rows.iter()
            .map(|row| Ok((TaskId(to_hash(row.try_get("task")?)?), to_u64(row.try_get("epoch")?)?)))
            .collect()
    }

    /// An epoch, and whether its seed may be told at `now`: it is over, no listing that names it is
    /// taken any more, and every task that does has ended.
    pub(crate) async fn epoch(
        &self,
        number: u64,
        now: u64,
    ) -> Result<Option<(Begun, Told)>, NodeError> {
        let Ok(key) = to_i64(number) else { return Ok(None) };
        let row = sqlx::query(
            "SELECT epoch, seed_hash, started_at, signed,
                    epoch < (SELECT max(epoch) FROM epochs) AND NOT EXISTS (
                        SELECT 1 FROM task_epochs e JOIN tasks t ON t.id = e.task
                        JOIN statuses n ON n.name = t.status
                        WHERE e.epoch = $1 AND n.terminal = 0) AS told
             FROM epochs WHERE epoch = $1",
        )
        .bind(key)
        .fetch_optional(self.reader())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let epoch = epoch_row(&row)?;
        let is_over = epoch.ends_at().saturating_add(2 * GRACE_SECONDS) < now;
        let told = row.try_get::<i64, _>("told")? == 1 && is_over;
        Ok(Some((epoch, if told { Told::Revealed } else { Told::Secret })))
    }

    /// The epoch whose seed decides about a task.
    pub(crate) async fn epoch_of(&self, task: &TaskId) -> Result<Option<u64>, NodeError> {
        let epoch: Option<i64> =
            sqlx::query_scalar("SELECT epoch FROM task_epochs WHERE task = $1")
                .bind(from_hash(&task.0))
                .fetch_optional(self.reader())
                .await?;
        Ok(epoch.map(to_u64).transpose()?)
    }
}

/// May an epoch's seed be told?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// Yes.
    Revealed,
    /// Not yet.
    Secret,
}

fn epoch_row(row: &sqlx::sqlite::SqliteRow) -> Result<Begun, sqlx::Error> {
    let signed: &[u8] = row.try_get("signed")?;
    Ok(Begun {
        number: to_u64(row.try_get("epoch")?)?,
        seed_hash: to_hash(row.try_get("seed_hash")?)?,
        started_at: to_u64(row.try_get("started_at")?)?,
        signed: if signed.is_empty() { None } else { Some(to_value(signed)?) },
    })
}

pub(super) async fn write_epoch(
    tx: &mut sqlx::Transaction<'static, sqlx::Sqlite>,
    epoch: &Begun,
) -> Result<(), sqlx::Error> {
    let signed = epoch.signed.as_ref().map(from_value).transpose()?.unwrap_or_default();
    sqlx::query(
        "INSERT INTO epochs (epoch, seed_hash, started_at, signed) VALUES ($1, $2, $3, $4)",
    )
    .bind(to_i64(epoch.number)?)
    .bind(from_hash(&epoch.seed_hash))
    .bind(to_i64(epoch.started_at)?)
    .bind(signed)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes which epoch a new task names.
pub(super) async fn write_task(
    tx: &mut sqlx::Transaction<'static, sqlx::Sqlite>,
    task: &TaskId,
    epoch: u64,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO task_epochs (task, epoch) VALUES ($1, $2)")
        .bind(from_hash(&task.0))
        .bind(to_i64(epoch)?)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
