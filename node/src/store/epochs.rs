//! Epochs of audit seeds, and which task names which.

use fog_protocol::{NonceOpening, Signed, Tagged as _, TaskId, epoch_tasks};
use futures_util::TryStreamExt as _;
use sqlx::Row as _;

use super::{
    Intent, Store,
    batch::NewIntent,
    from_hash,
    rows::{from_value, to_value},
    to_hash, to_i64, to_u64,
};
use crate::{
    NodeError,
    epoch::{Begun, Epochs, Turning},
};

impl Store {
    /// The running epoch, begun at `now` if there is none yet. Every epoch so far must follow from
    /// the secret: another one would contradict what was published.
    pub(crate) async fn open_epochs(
        &self,
        turning: &Turning<'_>,
        epochs: Epochs,
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
        // No epoch may follow one before its end, and nobody waits for an end that is too far away.
        let is_too_long = last.as_ref().is_some_and(Begun::is_too_long);
        let goes_on = epochs != Epochs::Anew && !is_too_long;
        if goes_on
            && let Some(epoch) = &last
            && epoch.signed.is_some()
        {
            return Ok(epoch.clone());
        }
        let before = last.as_ref().filter(|_| goes_on);
        if before.is_none()
            && let Some(last) = &last
            && last.number >= now
        {
            let message = "the chain's time is before the number of the last epoch".to_owned();
            return Err(NodeError::Config(message));
        }
        let first = match (epochs, &last) {
            (Epochs::From(first), None) => first,
            _ => now,
        };
        let epoch = turning.begin(before, first, now);
        if let (None, Some(last)) = (before, &last) {
            let (number, last) = (epoch.number, last.number);
            tracing::warn!(
                number,
                last,
                is_too_long,
                "CHAIN RESTARTED: the epochs of this node begin anew"
            );
            shut_all(&mut tx, now).await?;
        }
        write_epoch(&mut tx, &epoch).await?;
        tx.commit().await?;
        Ok(epoch)
    }

    /// Epochs in which tasks can still begin, or that ended while the node was not there to see.
    pub(crate) async fn unshut_epochs(&self) -> Result<Vec<Begun>, NodeError> {
        let rows = sqlx::query(
            "SELECT epoch, seed_hash, started_at, signed FROM epochs
             WHERE epoch NOT IN (SELECT epoch FROM shut_epochs) ORDER BY epoch",
        )
        .fetch_all(self.reader())
        .await?;
        Ok(rows.iter().map(epoch_row).collect::<Result<_, _>>()?)
    }

    /// Number of the first epoch of the chain that runs; 0 if there is none.
    pub(crate) async fn chain_begins(&self) -> Result<u64, NodeError> {
        let mut rows = sqlx::query(
            "SELECT epoch, seed_hash, started_at, signed FROM epochs ORDER BY epoch DESC",
        )
        .fetch(self.reader());
        while let Some(row) = rows.try_next().await? {
            let epoch = epoch_row(&row)?;
            if epoch.signed.is_none_or(|signed| signed.value.is_first()) {
                return Ok(epoch.number);
            }
        }
        Ok(0)
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

    /// An epoch, and whether its seed may be told: it is shut, and every task that names it has
    /// ended. Of a shut epoch no task begins, and none that was dropped comes back.
    pub(crate) async fn epoch(&self, number: u64) -> Result<Option<(Begun, Told)>, NodeError> {
        let Ok(key) = to_i64(number) else { return Ok(None) };
        let row = sqlx::query(
            "SELECT epoch, seed_hash, started_at, signed,
                    epoch IN (SELECT epoch FROM shut_epochs) AND NOT EXISTS (
                        SELECT 1 FROM task_epochs e JOIN tasks t ON t.id = e.task
                        JOIN statuses n ON n.name = t.status
                        WHERE e.epoch = $1 AND n.terminal = 0) AS told
             FROM epochs WHERE epoch = $1",
        )
        .bind(key)
        .fetch_optional(self.reader())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let told = row.try_get::<i64, _>("told")? == 1;
        Ok(Some((epoch_row(&row)?, if told { Told::Revealed } else { Told::Secret })))
    }

    /// The requestor's word on which commitment a task's nonce was opened for.
    pub(crate) async fn opening(
        &self,
        task: &TaskId,
    ) -> Result<Option<Signed<NonceOpening>>, NodeError> {
        let row = sqlx::query("SELECT opening FROM nonces WHERE task = $1 AND opening <> x''")
            .bind(from_hash(&task.0))
            .fetch_optional(self.reader())
            .await?;
        Ok(row.map(|row| to_value(row.try_get("opening")?)).transpose()?)
    }

    /// Tasks of the account rail that have not ended, and whose nonce was opened before its opening
    /// was signed.
    pub(crate) async fn unsigned_openings(&self) -> Result<Vec<TaskId>, NodeError> {
        let rows = sqlx::query(
            "SELECT n.task FROM nonces n JOIN rail_tasks r ON r.task = n.task
             JOIN tasks t ON t.id = n.task JOIN statuses s ON s.name = t.status
             WHERE n.opening = x'' AND s.terminal = 0",
        )
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(|row| Ok(TaskId(to_hash(row.try_get("task")?)?))).collect()
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

/// An epoch that is shut.
#[derive(Debug)]
pub(crate) struct Shut {
    /// It.
    pub(crate) epoch: Begun,
    /// Chain time.
    pub(crate) at: u64,
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

/// Shuts an epoch, and has what names it told on chain; an epoch that nothing names is not told.
pub(super) async fn shut(
    tx: &mut sqlx::Transaction<'static, sqlx::Sqlite>,
    row: &Shut,
) -> Result<(), sqlx::Error> {
    let number = to_i64(row.epoch.number)?;
    let rows = sqlx::query("SELECT task FROM task_epochs WHERE epoch = $1 ORDER BY task")
        .bind(number)
        .fetch_all(&mut **tx)
        .await?;
    let tasks = rows.iter().map(|row| Ok(TaskId(to_hash(row.try_get("task")?)?)));
    let tasks = tasks.collect::<Result<Vec<_>, sqlx::Error>>()?;
    let (count, root) = (tasks.len() as u64, epoch_tasks(&tasks));
    sqlx::query("INSERT INTO shut_epochs (epoch, at, tasks, root) VALUES ($1, $2, $3, $4)")
        .bind(number)
        .bind(to_i64(row.at)?)
        .bind(to_i64(count)?)
        .bind(from_hash(&root))
        .execute(&mut **tx)
        .await?;
    let Some(signed) = row.epoch.signed.as_ref().filter(|_| count > 0) else { return Ok(()) };
    let (node, head) = (signed.value.node, signed.value.digest());
    let intent = Intent::Anchor { node, number: row.epoch.number, head, tasks: count, root };
    let intent = NewIntent {
        task: TaskId(head),
        kind: intent.kind(),
        intent: from_value(&intent)?,
        evidence: None,
        now: row.at,
        not_before: 0,
    };
    super::outbox::insert(tx, &intent).await
}

/// Another chain of epochs begins: nothing that names one of those before can begin any more. They are
/// not told on chain, where whoever has a later copy of the database may have told them.
async fn shut_all(
    tx: &mut sqlx::Transaction<'static, sqlx::Sqlite>,
    now: u64,
) -> Result<(), NodeError> {
    sqlx::query(
        "INSERT INTO shut_epochs (epoch, at, tasks, root)
         SELECT epoch, $1, (SELECT count(*) FROM task_epochs t WHERE t.epoch = e.epoch), zeroblob(32)
         FROM epochs e WHERE epoch NOT IN (SELECT epoch FROM shut_epochs)",
    )
    .bind(to_i64(now)?)
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use fog_protocol::{Address, Hash32, MAX_EPOCH_SECONDS, SecretKey};

    use super::*;
    use crate::{epoch::EpochSecret, store::Identity};

    /// An older version took whatever length an operator chose.
    #[tokio::test]
    async fn an_epoch_that_nobody_takes_any_more_ends_at_the_upgrade() {
        let dir = tempfile::tempdir().unwrap();
        let (node, place) = (Hash32([5; 32]), Address::basechain([1; 32]));
        let identity = Identity { node, network: -3, market: place, operator: place };
        let store = Store::open(dir.path(), &identity).await.unwrap();
        let (secret, key) = (EpochSecret::new([7; 32]), SecretKey::from_seed(&[1; 32]));
        let turning = |seconds| Turning { node, secret: &secret, key: &key, seconds };
        let opened = async |seconds, now| {
            store.open_epochs(&turning(seconds), Epochs::Continue, now).await.unwrap()
        };
        let long = opened(MAX_EPOCH_SECONDS + 1, 1_000).await;
        assert!(long.signed.unwrap().of_node(&node, &key.public()).is_err());
        let now = 1_000 + MAX_EPOCH_SECONDS - 5;
        let next = opened(3_600, now).await;
        let epoch = *next.signed.clone().unwrap().of_node(&node, &key.public()).unwrap();
        assert!(epoch.is_first() && epoch.number == now && epoch.from == now);
        assert_eq!(
            store.unshut_epochs().await.unwrap(),
            std::slice::from_ref(&next),
            "nothing names the other"
        );
        assert_eq!(store.chain_begins().await.unwrap(), now);
        // One of the greatest length, and one whose end is long past, go on as they are.
        assert_eq!(opened(3_600, now + 10 * MAX_EPOCH_SECONDS).await, next);
        store.close().await;
    }
}
