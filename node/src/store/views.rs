//! What everybody may see, read from the projections.

use std::collections::HashMap;

use fog_protocol::{
    Address, GuestExit, Hash32, Listing, PublicKey, TaskId, TaskStatus,
    api::{Refusal, Step, TaskView, TxRef, VerdictView, WorkerView},
};
use sqlx::{QueryBuilder, Row as _, Sqlite, sqlite::SqliteRow};

use super::{
    Store, from_hash,
    rows::{task_and_escrow, to_address, to_nano, to_value},
    to_hash, to_u64,
};
use crate::NodeError;

/// Columns of a task with its verdict.
const TASK: &str = "SELECT t.row, t.id, t.status, t.listing, t.escrow, t.worker, t.price,
    t.reserve, t.commitment, t.deadline, t.slashed, v.verdict, v.evidence_hash, v.audited,
    v.reason, v.rate_ppm, v.trust_ppm, v.result_hash, v.result_bytes, v.exit
    FROM tasks t LEFT JOIN verdicts v ON v.task = t.id ";

impl Store {
    /// One task.
    pub(crate) async fn task_view(&self, task: &TaskId) -> Result<Option<TaskView>, NodeError> {
        let mut query = QueryBuilder::<Sqlite>::new(TASK);
        query.push("WHERE t.id = ").push_bind(from_hash(&task.0));
        let mut read = self.reader().begin().await?;
        let row = query.build().fetch_optional(&mut *read).await?;
        let Some(row) = row else { return Ok(None) };
        drop(read);
        let mut views = vec![bare_view(&row)?];
        self.fill(&mut views).await?;
        let Some(mut view) = views.pop() else { return Ok(None) };
        view.recheck = self.recheck(&view).await?;
        view.given_up = self.given_up(&view).await?;
        Ok(Some(view))
    }

    /// Is this task known?
    pub(crate) async fn has_task(&self, task: &TaskId) -> Result<bool, NodeError> {
        let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM tasks WHERE id = $1")
            .bind(from_hash(&task.0))
            .fetch_optional(self.reader())
            .await?;
        Ok(found.is_some())
    }

    /// A page of tasks, newest first, after row `after`; with the last row's number if there may
    /// be more.
    pub(crate) async fn task_page(
        &self,
        after: Option<u64>,
        status: Option<TaskStatus>,
        epoch: Option<u64>,
        limit: u32,
    ) -> Result<(Vec<TaskView>, Option<u64>), NodeError> {
        let mut query = QueryBuilder::<Sqlite>::new(TASK);
        let after = after.and_then(|row| i64::try_from(row).ok()).unwrap_or(i64::MAX);
        query.push("WHERE t.row < ").push_bind(after);
        if let Some(status) = status {
            query.push(" AND t.status = ").push_bind(status.name());
        }
        if let Some(epoch) = epoch {
            // No epoch has a number that the database does not know.
            let epoch = i64::try_from(epoch).unwrap_or(-1);
            query.push(" AND t.id IN (SELECT task FROM task_epochs WHERE epoch = ");
            query.push_bind(epoch).push(")");
        }
        query.push(" ORDER BY t.row DESC LIMIT ").push_bind(i64::from(limit));
        let rows = query.build().fetch_all(self.reader()).await?;
        let mut views = rows.iter().map(bare_view).collect::<Result<Vec<_>, _>>()?;
        let full = rows.len() == limit as usize;
        let next = match rows.last() {
            Some(last) if full => Some(to_u64(last.try_get("row")?)?),
            _ => None,
        };
        self.fill(&mut views).await?;
        Ok((views, next))
    }

    /// Adds history, refusals and transactions.
    async fn fill(&self, views: &mut [TaskView]) -> Result<(), NodeError> {
        let ids: Vec<TaskId> = views.iter().map(|view| view.id).collect();
        let mut places: HashMap<TaskId, &mut TaskView> =
            views.iter_mut().map(|view| (view.id, view)).collect();
        let select = "SELECT task, status, at, note FROM history";
        for row in self.rows_of(select, "seq", &ids).await? {
            let status: &str = row.try_get("status")?;
            let step = Step {
                status: to_status(status)?,
                at: to_u64(row.try_get("at")?)?,
                note: row.try_get("note")?,
            };
            if let Some(view) = places.get_mut(&task_of(&row)?) {
                view.history.push(step);
            }
        }
        let select = "SELECT task, worker, code, reason FROM refusals";
        for row in self.rows_of(select, "seq", &ids).await? {
            let refusal = Refusal {
                worker: to_address(row.try_get("worker")?)?,
                code: row.try_get("code")?,
                reason: row.try_get("reason")?,
            };
            if let Some(view) = places.get_mut(&task_of(&row)?) {
                view.refusals.push(refusal);
            }
        }
        let select = "SELECT task, kind, account, lt, hash FROM transactions";
        for row in self.rows_of(select, "lt", &ids).await? {
            let tx = TxRef {
                kind: row.try_get("kind")?,
                account: to_address(row.try_get("account")?)?,
                lt: to_u64(row.try_get("lt")?)?,
                hash: to_hash(row.try_get("hash")?)?,
            };
            if let Some(view) = places.get_mut(&task_of(&row)?) {
                view.transactions.push(tx);
            }
        }
        Ok(())
    }

    async fn rows_of(
        &self,
        select: &'static str,
        order: &'static str,
        ids: &[TaskId],
    ) -> Result<Vec<SqliteRow>, NodeError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::<Sqlite>::new(select);
        query.push(" WHERE task IN (");
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(from_hash(&id.0).to_vec());
        }
        query.push(") ORDER BY ").push(order);
        Ok(query.build().fetch_all(self.reader()).await?)
    }

    /// Every worker that ever joined, at most `limit`.
    pub(crate) async fn worker_views(&self, limit: u32) -> Result<Vec<WorkerView>, NodeError> {
        let rows = sqlx::query(
            "SELECT worker, stake, online, free_stake, reputation_ppm, assigned, accepted,
                    rejected, late, flagged
             FROM workers ORDER BY online DESC, worker LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.reader())
        .await?;
        Ok(rows.iter().map(worker_view).collect::<Result<Vec<_>, _>>()?)
    }

    /// Tasks that have not ended: of `key`, and of all.
    pub(crate) async fn living_tasks(&self, key: &PublicKey) -> Result<(u64, u64), NodeError> {
        let row = sqlx::query(
            "SELECT count(*) AS total, coalesce(sum(t.requestor_key = $1), 0) AS own
             FROM tasks t JOIN statuses s ON s.name = t.status WHERE s.terminal = 0",
        )
        .bind(from_hash(&key.0))
        .fetch_one(self.reader())
        .await?;
        Ok((to_u64(row.try_get("own")?)?, to_u64(row.try_get("total")?)?))
    }

    /// How many tasks are in each status.
    pub(crate) async fn status_counts(&self) -> Result<Vec<(String, u64)>, NodeError> {
        let rows = sqlx::query("SELECT status, count(*) AS n FROM tasks GROUP BY status")
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(|row| Ok((row.try_get("status")?, to_u64(row.try_get("n")?)?))).collect()
    }

    /// The proof that settles a task, as the contract's message.
    pub(crate) async fn proof(&self, task: &TaskId) -> Result<Option<Vec<u8>>, NodeError> {
        let message = sqlx::query_scalar("SELECT message FROM proofs WHERE task = $1")
            .bind(from_hash(&task.0))
            .fetch_optional(self.reader())
            .await?;
        Ok(message)
    }

    /// Tasks of which there is a proof.
    pub(crate) async fn proven(&self) -> Result<Vec<TaskId>, NodeError> {
        let rows = sqlx::query("SELECT task FROM proofs").fetch_all(self.reader()).await?;
        rows.iter().map(|row| Ok(TaskId(to_hash(row.try_get("task")?)?))).collect()
    }

    /// The evidence of a task's verdict.
    pub(crate) async fn evidence(
        &self,
        task: &TaskId,
    ) -> Result<Option<fog_verifier::Evidence>, NodeError> {
        let row = sqlx::query("SELECT evidence FROM verdicts WHERE task = $1")
            .bind(from_hash(&task.0))
            .fetch_optional(self.reader())
            .await?;
        Ok(row.map(|row| to_value(row.try_get("evidence")?)).transpose()?)
    }

    /// The evidence of this hash, of a verdict or of a ruling, and its task.
    pub(crate) async fn evidence_by_hash(
        &self,
        hash: &Hash32,
    ) -> Result<Option<(TaskId, fog_verifier::Evidence)>, NodeError> {
        let row = sqlx::query(
            "SELECT task, evidence FROM verdicts WHERE evidence_hash = $1
             UNION ALL SELECT task, evidence FROM rulings WHERE evidence_hash = $1 LIMIT 1",
        )
        .bind(from_hash(hash))
        .fetch_optional(self.reader())
        .await?;
        row.map(|row| Ok((task_of(&row)?, to_value(row.try_get("evidence")?)?))).transpose()
    }

    /// Tasks after row `after` that have not ended, with row and escrow, in order.
    pub(crate) async fn living_escrows(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, TaskId, Address)>, NodeError> {
        let rows = sqlx::query(
            "SELECT t.row, t.id, t.escrow FROM tasks t JOIN statuses s ON s.name = t.status
             WHERE s.terminal = 0 AND t.row > $1 ORDER BY t.row LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(self.reader())
        .await?;
        rows.iter()
            .map(|row| {
                let (id, escrow) = task_and_escrow(row)?;
                Ok((row.try_get("row")?, id, escrow))
            })
            .collect()
    }

    /// Recent tasks that have ended without the transaction that ended them in their list: the node
    /// stopped between the two. At most `limit`, newest first.
    pub(crate) async fn ends_unread(
        &self,
        limit: u32,
    ) -> Result<Vec<(TaskId, Address)>, NodeError> {
        let rows = sqlx::query(
            "SELECT t.id, t.escrow FROM tasks t JOIN statuses s ON s.name = t.status
             WHERE s.terminal = 1 AND t.status <> 'dropped'
               AND t.row > (SELECT max(row) FROM tasks) - 10000
               AND NOT EXISTS (SELECT 1 FROM rail_tasks r WHERE r.task = t.id)
               AND NOT EXISTS (SELECT 1 FROM transactions x WHERE x.task = t.id
                               AND x.kind IN ('close', 'cancel', 'expire'))
             ORDER BY t.row DESC LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.reader())
        .await?;
        Ok(rows.iter().map(task_and_escrow).collect::<Result<_, _>>()?)
    }

    /// The task's stored submission: hash of the reveal and length of the sealed file.
    pub(crate) async fn submission(
        &self,
        task: &TaskId,
    ) -> Result<Option<(Hash32, u64)>, NodeError> {
        let row = sqlx::query("SELECT reveal, bytes FROM submissions WHERE task = $1")
            .bind(from_hash(&task.0))
            .fetch_optional(self.reader())
            .await?;
        row.map(|row| Ok((to_hash(row.try_get("reveal")?)?, to_u64(row.try_get("bytes")?)?)))
            .transpose()
    }
}

fn task_of(row: &SqliteRow) -> Result<TaskId, sqlx::Error> {
    Ok(TaskId(to_hash(row.try_get("task")?)?))
}

fn to_status(name: &str) -> Result<TaskStatus, sqlx::Error> {
    name.parse().map_err(|_| sqlx::Error::Decode("unknown status".into()))
}

/// Parts per million, where they are known.
fn share(row: &SqliteRow, column: &str) -> Result<Option<u32>, sqlx::Error> {
    let value: Option<i64> = row.try_get(column)?;
    let narrow =
        |value: i64| u32::try_from(value).map_err(|error| sqlx::Error::Decode(error.into()));
    value.map(narrow).transpose()
}

fn bare_view(row: &SqliteRow) -> Result<TaskView, sqlx::Error> {
    let listing: Listing = to_value(row.try_get("listing")?)?;
    let status = to_status(row.try_get("status")?)?;
    let verdict = match row.try_get::<Option<String>, _>("verdict")? {
        None => None,
        Some(verdict) => Some(VerdictView {
            verdict,
            audited: row.try_get::<i64, _>("audited")? == 1,
            reason: row.try_get("reason")?,
            evidence: to_hash(row.try_get("evidence_hash")?)?,
            rate_ppm: share(row, "rate_ppm")?,
            trust_ppm: share(row, "trust_ppm")?,
        }),
    };
    // What the worker claims of its result is shown once it is verified, not before.
    let accepted = verdict.as_ref().is_some_and(|verdict| verdict.verdict == "accepted");
    let exit: Option<GuestExit> =
        row.try_get::<Option<&[u8]>, _>("exit")?.map(to_value).transpose()?;
    let result_hash = row.try_get::<Option<&[u8]>, _>("result_hash")?.map(to_hash).transpose()?;
    let result_bytes = row.try_get::<Option<i64>, _>("result_bytes")?.map(to_u64).transpose()?;
    let price = row.try_get::<Option<i64>, _>("price")?.map(to_nano).transpose()?;
    Ok(TaskView {
        id: TaskId(to_hash(row.try_get("id")?)?),
        status,
        price_in_jetton: price.and_then(|price| listing.in_jetton(price)),
        listing,
        escrow: to_address(row.try_get("escrow")?)?,
        worker: row.try_get::<Option<&str>, _>("worker")?.map(to_address).transpose()?,
        price,
        reserve: row.try_get::<Option<i64>, _>("reserve")?.map(to_nano).transpose()?,
        commitment: row.try_get::<Option<&[u8]>, _>("commitment")?.map(to_hash).transpose()?,
        result_bytes: result_bytes.filter(|_| accepted),
        result_hash: result_hash.filter(|_| accepted),
        exit: exit.filter(|_| accepted),
        verdict,
        recheck: None,
        given_up: None,
        deadline: row.try_get::<Option<i64>, _>("deadline")?.map(to_u64).transpose()?,
        slashed: row.try_get::<Option<i64>, _>("slashed")?.map(to_nano).transpose()?,
        refusals: Vec::new(),
        history: Vec::new(),
        transactions: Vec::new(),
    })
}

fn worker_view(row: &SqliteRow) -> Result<WorkerView, sqlx::Error> {
    let count = |column: &str| to_u64(row.try_get(column)?);
    let reputation = count("reputation_ppm")?;
    Ok(WorkerView {
        worker: to_address(row.try_get("worker")?)?,
        stake: to_address(row.try_get("stake")?)?,
        online: row.try_get::<i64, _>("online")? == 1,
        free_stake: to_nano(row.try_get("free_stake")?)?,
        reputation_ppm: u32::try_from(reputation)
            .map_err(|error| sqlx::Error::Decode(error.into()))?,
        assigned: count("assigned")?,
        accepted: count("accepted")?,
        rejected: count("rejected")?,
        late: count("late")?,
        flagged: row.try_get::<i64, _>("flagged")? == 1,
    })
}
