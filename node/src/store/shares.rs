//! What this node is due in tasks that were paid in jettons: in the database until it was sent.

use fog_protocol::{Address, TaskId};
use sqlx::{Row as _, Sqlite, Transaction};

use super::{Store, from_hash, rows::task_and_escrow};
use crate::NodeError;

/// Claims of one task that may come to nothing: then its jetton's wallet is not to be had, and people
/// have to look (`fog task claim`).
pub(super) const MOST_CLAIMS: u32 = 8;

type Tx = Transaction<'static, Sqlite>;

pub(super) async fn due(tx: &mut Tx, task: &TaskId) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO shares_due (task) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(from_hash(&task.0))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(super) async fn over(tx: &mut Tx, task: &TaskId) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM shares_due WHERE task = $1")
        .bind(from_hash(&task.0))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

impl Store {
    /// The next tasks after row `after` that owe this node a share, with their rows; but for those that
    /// were claimed in vain too often.
    pub(crate) async fn shares_due(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, TaskId, Address)>, NodeError> {
        let rows = sqlx::query(
            "SELECT t.row, t.id, t.escrow FROM shares_due d JOIN tasks t ON t.id = d.task
             WHERE t.row > $1 AND $3 > (SELECT count(*) FROM outbox o WHERE o.task = d.task
                                        AND o.kind = 'claim_share' AND o.state = 'refused')
             ORDER BY t.row LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .bind(i64::from(MOST_CLAIMS))
        .fetch_all(self.reader())
        .await?;
        rows.iter()
            .map(|row| {
                let (id, escrow) = task_and_escrow(row)?;
                Ok((row.try_get("row")?, id, escrow))
            })
            .collect()
    }
}
