//! What workers say of tasks they gave up.

use fog_protocol::{
    GivenUp, TaskId,
    api::{GivenUpView, TaskView},
};
use sqlx::{Row as _, Sqlite, Transaction};

use super::{
    Store, from_hash,
    rows::{from_value, to_address, to_value},
    to_hash, to_i64, to_u64,
};
use crate::NodeError;

pub(super) async fn write(
    tx: &mut Transaction<'static, Sqlite>,
    task: &TaskId,
    row: &GivenUpView,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO given_up (task, worker, at, cause, detail) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (task) DO NOTHING",
    )
    .bind(from_hash(&task.0))
    .bind(row.worker.to_string())
    .bind(to_i64(row.at)?)
    .bind(from_value(&row.said.cause)?)
    .bind(&row.said.detail)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Store {
    /// What the worker of a task said of giving it up.
    pub(super) async fn given_up(&self, view: &TaskView) -> Result<Option<GivenUpView>, NodeError> {
        let row = sqlx::query("SELECT worker, at, cause, detail FROM given_up WHERE task = $1")
            .bind(from_hash(&view.id.0))
            .fetch_optional(self.reader())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let said =
            GivenUp { cause: to_value(row.try_get("cause")?)?, detail: row.try_get("detail")? };
        let worker = to_address(row.try_get("worker")?)?;
        Ok(Some(GivenUpView { worker, at: to_u64(row.try_get("at")?)?, said }))
    }

    /// Tasks that were given up.
    pub(crate) async fn given_up_tasks(&self) -> Result<Vec<TaskId>, NodeError> {
        let rows = sqlx::query("SELECT task FROM given_up").fetch_all(self.reader()).await?;
        rows.iter().map(|row| Ok(TaskId(to_hash(row.try_get("task")?)?))).collect()
    }
}
