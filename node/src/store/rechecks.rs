//! Results that were accepted without a look, and whose worker was caught then.

use fog_market::{Recheck, Rechecked};
use fog_protocol::{
    Hash32, TaskId,
    api::{RecheckView, TaskView},
};
use sqlx::{Row as _, Sqlite, Transaction};

use super::{Store, from_hash, to_hash, to_u64};
use crate::NodeError;

const fn name(found: Rechecked) -> &'static str {
    match found {
        Rechecked::Due => "due",
        Rechecked::Right => "right",
        Rechecked::Wrong { .. } => "wrong",
        Rechecked::TooLate => "too_late",
    }
}

/// Notes what became of it so far.
pub(super) async fn write(
    tx: &mut Transaction<'static, Sqlite>,
    task: &TaskId,
    row: &Recheck,
) -> Result<(), sqlx::Error> {
    let evidence = match row.found {
        Rechecked::Wrong { evidence } => Some(evidence),
        Rechecked::Due | Rechecked::Right | Rechecked::TooLate => None,
    };
    sqlx::query(
        "INSERT INTO rechecks (task, caught, found, evidence) VALUES ($1, $2, $3, $4)
         ON CONFLICT (task) DO UPDATE SET found = $3, evidence = $4",
    )
    .bind(from_hash(&task.0))
    .bind(from_hash(&row.caught.0))
    .bind(name(row.found))
    .bind(evidence.as_ref().map(from_hash))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Store {
    /// What became of a task's result after its worker was caught; also of one that had been paid
    /// before, which nobody looks at again.
    pub(crate) async fn recheck(&self, view: &TaskView) -> Result<Option<RecheckView>, NodeError> {
        let row = sqlx::query("SELECT caught, found, evidence FROM rechecks WHERE task = $1")
            .bind(from_hash(&view.id.0))
            .fetch_optional(self.reader())
            .await?;
        if let Some(row) = row {
            let evidence = row.try_get::<Option<&[u8]>, _>("evidence")?.map(to_hash).transpose()?;
            let caught = TaskId(to_hash(row.try_get("caught")?)?);
            return Ok(Some(RecheckView { caught, found: row.try_get("found")?, evidence }));
        }
        let unseen = view.verdict.as_ref().is_some_and(|verdict| !verdict.audited);
        let (true, true, Some(worker)) = (unseen, view.status.is_terminal(), view.worker) else {
            return Ok(None);
        };
        let caught: Option<Vec<u8>> = sqlx::query_scalar(
            "SELECT t.id FROM tasks t JOIN verdicts v ON v.task = t.id
             WHERE t.worker = $1 AND v.verdict = 'rejected'
               AND t.status IN ('rejected', 'slashed', 'refunded')
               AND t.changed_at >= (SELECT changed_at FROM tasks WHERE id = $2)
             ORDER BY t.changed_at LIMIT 1",
        )
        .bind(worker.to_string())
        .bind(from_hash(&view.id.0))
        .fetch_optional(self.reader())
        .await?;
        let caught: Option<Hash32> = caught.as_deref().map(to_hash).transpose()?;
        let found = name(Rechecked::TooLate).to_owned();
        Ok(caught.map(|caught| RecheckView { caught: TaskId(caught), found, evidence: None }))
    }

    /// How many results were looked at again, by what was found; `reversed` are those that were wrong
    /// and whose requestor has its money back.
    pub(crate) async fn recheck_counts(&self) -> Result<Vec<(String, u64)>, NodeError> {
        let rows = sqlx::query(
            "SELECT found, count(*) AS n FROM rechecks GROUP BY found
             UNION ALL SELECT 'reversed', count(*) FROM rechecks r JOIN tasks t ON t.id = r.task
             WHERE r.found = 'wrong' AND t.status = 'slashed'",
        )
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(|row| Ok((row.try_get("found")?, to_u64(row.try_get("n")?)?))).collect()
    }
}
