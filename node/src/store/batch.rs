//! What the coordinator decided, as one database transaction: the log, its projections and the
//! intents for the chain appear together or not at all.

use fog_market::Recheck;
use fog_protocol::{
    Address, Hash32, Nano, PublicKey, TaskId, TaskStatus,
    api::{GivenUpView, Refusal, TxRef},
};
use sqlx::{Sqlite, Transaction};

use super::{IntentKind, Store, from_hash, rows::from_value, to_i64};
use crate::{NodeError, epoch::Begun};

/// One event of the log.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its place; contiguous from 1.
    pub(crate) seq: i64,
    /// Chain time it was applied at.
    pub(crate) at: u64,
    /// Short name, for people who read the table.
    pub(crate) kind: &'static str,
    /// Borsh of the record.
    pub(crate) body: Vec<u8>,
}

/// A task that is new.
#[derive(Debug)]
pub(crate) struct NewTask {
    /// Borsh of its listing.
    pub(crate) listing: Vec<u8>,
    /// Whose it is.
    pub(crate) requestor_key: PublicKey,
    /// Its escrow.
    pub(crate) escrow: Address,
    /// The blobs it needs kept.
    pub(crate) blobs: Vec<Hash32>,
    /// The epoch its listing names.
    pub(crate) epoch: Option<u64>,
}

/// A task after an event.
#[derive(Debug)]
pub(crate) struct Projection {
    /// The task.
    pub(crate) task: TaskId,
    /// Set if the row does not exist yet.
    pub(crate) new: Option<NewTask>,
    /// The status the row has now.
    pub(crate) from: TaskStatus,
    /// The status it gets.
    pub(crate) to: TaskStatus,
    /// The worker.
    pub(crate) worker: Option<Address>,
    /// The price.
    pub(crate) price: Option<Nano>,
    /// The reserve.
    pub(crate) reserve: Option<Nano>,
    /// The commitment.
    pub(crate) commitment: Option<Hash32>,
    /// When the state times out.
    pub(crate) deadline: Option<u64>,
    /// What was slashed.
    pub(crate) slashed: Option<Nano>,
    /// Chain time.
    pub(crate) at: u64,
}

/// A line of a task's history.
#[derive(Debug)]
pub(crate) struct HistoryRow {
    /// The task.
    pub(crate) task: TaskId,
    /// The status reached.
    pub(crate) status: TaskStatus,
    /// Chain time.
    pub(crate) at: u64,
    /// Why.
    pub(crate) note: String,
}

/// A worker's commitment.
#[derive(Debug)]
pub(crate) struct Committed {
    /// The task.
    pub(crate) task: TaskId,
    /// The worker.
    pub(crate) worker: Address,
    /// The commitment.
    pub(crate) commitment: Hash32,
    /// Borsh of the signed envelope; empty if only the chain told of it.
    pub(crate) signed: Vec<u8>,
    /// The epoch whose seed decides about it.
    pub(crate) epoch: u64,
}

/// A sealed result that opens its commitment; the file is stored already.
#[derive(Debug)]
pub(crate) struct Submitted {
    /// The task.
    pub(crate) task: TaskId,
    /// Tagged hash of the opened reveal: the same result sealed again is the same submission.
    pub(crate) reveal: Hash32,
    /// Length of the sealed file.
    pub(crate) bytes: u64,
    /// Chain time.
    pub(crate) at: u64,
}

/// A verdict and its evidence.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// The task.
    pub(crate) task: TaskId,
    /// `accepted` or `rejected`.
    pub(crate) verdict: &'static str,
    /// Hash of the evidence.
    pub(crate) evidence_hash: Hash32,
    /// Borsh of the evidence.
    pub(crate) evidence: Vec<u8>,
    /// Was the result checked?
    pub(crate) audited: bool,
    /// For people.
    pub(crate) reason: String,
    /// SHA-256 of the output.
    pub(crate) result_hash: Hash32,
    /// Its length.
    pub(crate) result_bytes: u64,
    /// Borsh of the exit.
    pub(crate) exit: Vec<u8>,
    /// The rate the draw was made at, in parts per million.
    pub(crate) rate_ppm: u32,
    /// How far the worker is trusted, in parts per million of the usual rate.
    pub(crate) trust_ppm: Option<u32>,
}

/// Something to be done on chain.
#[derive(Debug)]
pub(crate) struct NewIntent {
    /// The task.
    pub(crate) task: TaskId,
    /// What.
    pub(crate) kind: IntentKind,
    /// Borsh of the [`super::Intent`].
    pub(crate) intent: Vec<u8>,
    /// For payments: the verdict's evidence.
    pub(crate) evidence: Option<Hash32>,
    /// Chain time of the decision.
    pub(crate) now: u64,
    /// Chain time before which it is not sent.
    pub(crate) not_before: u64,
}

/// How an intent ended.
#[derive(Debug)]
pub(crate) struct IntentEnd {
    /// The task.
    pub(crate) task: TaskId,
    /// The kinds; each one's living row is meant.
    pub(crate) kind: IntentKind,
    /// Its end.
    pub(crate) end: End,
}

/// Ends of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Its effect was seen on chain.
    Done,
    /// The contract threw it back.
    Refused(String),
    /// Not needed any more.
    Void,
    /// Not wanted any more, unless it is on its way: then only the chain tells what it does.
    Withdrawn,
    /// The contract threw it back at this chain time, but it will be right later: it is tried again, after
    /// a pause that grows with every time.
    Again(u64),
}

/// A worker as the market knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkerRow {
    /// Who.
    pub(crate) worker: Address,
    /// Its stake contract.
    pub(crate) stake: Address,
    /// Connected?
    pub(crate) online: bool,
    /// Free stake.
    pub(crate) free_stake: Nano,
    /// Reputation.
    pub(crate) reputation_ppm: u32,
    /// Assignments, accepted, rejected, late.
    pub(crate) counts: [u64; 4],
    /// Flagged?
    pub(crate) flagged: bool,
}

/// How far the operator wallet's history was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CursorRow {
    /// The account.
    pub(crate) account: Address,
    /// Logical time of its last transaction read.
    pub(crate) lt: u64,
    /// And its hash.
    pub(crate) hash: Hash32,
    /// Chain time of reading.
    pub(crate) seen_at: u64,
}

impl CursorRow {
    /// Where to read on; `None` from the very first transaction.
    pub(crate) fn position(&self) -> Option<fog_chain::Cursor> {
        (self.lt > 0).then_some(fog_chain::Cursor { lt: self.lt, hash: self.hash })
    }
}

/// A message whose transaction was seen.
#[derive(Debug)]
pub(crate) struct FinalMessage {
    /// Hash of its body.
    pub(crate) body_hash: Hash32,
    /// The transaction.
    pub(crate) lt: u64,
    /// And its hash.
    pub(crate) hash: Hash32,
    /// Body hashes of the messages the wallet sent with it.
    pub(crate) sent: Vec<Hash32>,
}

/// Everything one database transaction holds. Applied in the order of the fields.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) entries: Vec<Entry>,
    pub(crate) steps: Vec<Step>,
    pub(crate) workers: Vec<WorkerRow>,
    pub(crate) cursor: Option<CursorRow>,
    pub(crate) checkpoint: Option<(i64, Hash32)>,
}

/// One write of a batch; the coordinator pushes them in the order things happened.
#[derive(Debug)]
pub(crate) enum Step {
    Epoch(Begun),
    Shut(super::Shut),
    Commitment(Committed),
    Submission(Submitted),
    /// A nonce, and borsh of its signed opening.
    Nonce(TaskId, Hash32, Vec<u8>),
    /// A proof that was checked, as the message that settles its task.
    Proof(TaskId, Vec<u8>),
    Verdict(Verdict),
    /// What a second look at a disputed result found.
    Ruling(Verdict),
    /// What became of a result whose worker was caught after it had been accepted.
    Recheck(TaskId, Recheck),
    Project(Projection),
    History(HistoryRow),
    /// Replaces the note of the task's last line while it is open.
    Unmatched(HistoryRow),
    Refusal(TaskId, Refusal),
    /// What its worker says of giving the task up.
    GivenUp(TaskId, GivenUpView),
    Transactions(TaskId, Vec<TxRef>),
    Message(FinalMessage),
    Intent(NewIntent),
    IntentEnd(IntentEnd),
    /// The task has ended: nothing of it is needed on chain any more.
    VoidIntents(TaskId),
    /// The task was paid in a jetton: the node has a share there.
    ShareDue(TaskId),
    /// That share is on its way for good, or there is none.
    ShareOver(TaskId),
    /// Of the account rail.
    Rail(super::RailStep),
}

impl Batch {
    /// Is there nothing to write?
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.steps.is_empty()
            && self.workers.is_empty()
            && self.cursor.is_none()
            && self.checkpoint.is_none()
    }
}

type Tx = Transaction<'static, Sqlite>;

impl Store {
    /// Writes a batch in one transaction; durable when it returns.
    pub(crate) async fn commit(&self, batch: &Batch) -> Result<(), NodeError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        write_events(&mut tx, &batch.entries).await?;
        for step in &batch.steps {
            write_step(&mut tx, step).await?;
        }
        for worker in &batch.workers {
            write_worker(&mut tx, worker).await?;
        }
        if let Some(cursor) = &batch.cursor {
            write_cursor(&mut tx, cursor).await?;
        }
        if let Some((seq, hash)) = &batch.checkpoint {
            sqlx::query(
                "INSERT INTO checkpoint (id, seq, state_hash) VALUES (1, $1, $2)
                 ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, state_hash = excluded.state_hash",
            )
            .bind(seq)
            .bind(from_hash(hash))
            .execute(&mut *tx)
            .await?;
        }
        Ok(tx.commit().await?)
    }
}

/// Every statement costs two changes of thread: events go in groups of two fixed sizes, so that
/// both statements stay prepared.
async fn write_events(tx: &mut Tx, entries: &[Entry]) -> Result<(), sqlx::Error> {
    const GROUP: usize = 8;
    const ONE: &str = "INSERT INTO events (seq, at, kind, body) VALUES (?, ?, ?, ?)";
    const MANY: &str = "INSERT INTO events (seq, at, kind, body) VALUES (?, ?, ?, ?), \
                        (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), (?, ?, ?, ?), \
                        (?, ?, ?, ?), (?, ?, ?, ?)";
    let (groups, rest) = entries.as_chunks::<GROUP>();
    let groups = groups.iter().map(|group| (MANY, &group[..]));
    for (statement, group) in groups.chain(rest.chunks(1).map(|one| (ONE, one))) {
        let mut query = sqlx::query(statement);
        for entry in group {
            query =
                query.bind(entry.seq).bind(to_i64(entry.at)?).bind(entry.kind).bind(&entry.body);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

async fn write_step(tx: &mut Tx, step: &Step) -> Result<(), sqlx::Error> {
    match step {
        Step::Epoch(row) => super::epochs::write_epoch(tx, row).await,
        Step::Shut(row) => super::epochs::shut(tx, row).await,
        Step::Commitment(row) => write_commitment(tx, row).await,
        Step::Submission(row) => write_submission(tx, row).await,
        Step::Nonce(task, nonce, opening) => {
            // The first opening counts; before there were any, nonces came without.
            sqlx::query(
                "INSERT INTO nonces (task, nonce, opening) VALUES ($1, $2, $3)
                 ON CONFLICT (task) DO UPDATE SET opening = excluded.opening
                    WHERE nonces.opening = x'' AND nonces.nonce = excluded.nonce",
            )
            .bind(from_hash(&task.0))
            .bind(from_hash(nonce))
            .bind(opening)
            .execute(&mut **tx)
            .await?;
            Ok(())
        }
        Step::Proof(task, message) => {
            sqlx::query("INSERT INTO proofs (task, message) VALUES ($1, $2)")
                .bind(from_hash(&task.0))
                .bind(message)
                .execute(&mut **tx)
                .await?;
            Ok(())
        }
        Step::Verdict(row) => write_verdict(tx, row).await,
        Step::Ruling(row) => write_ruling(tx, row).await,
        Step::Recheck(task, row) => super::rechecks::write(tx, task, row).await,
        Step::Project(row) => write_projection(tx, row).await,
        Step::History(row) => {
            sqlx::query("INSERT INTO history (task, status, at, note) VALUES ($1, $2, $3, $4)")
                .bind(from_hash(&row.task.0))
                .bind(row.status.name())
                .bind(to_i64(row.at)?)
                .bind(&row.note)
                .execute(&mut **tx)
                .await?;
            Ok(())
        }
        Step::Unmatched(row) => {
            sqlx::query(
                "UPDATE history SET note = $2, at = $3 WHERE seq =
                    (SELECT max(seq) FROM history WHERE task = $1 AND status = 'open')",
            )
            .bind(from_hash(&row.task.0))
            .bind(&row.note)
            .bind(to_i64(row.at)?)
            .execute(&mut **tx)
            .await?;
            Ok(())
        }
        Step::Refusal(task, row) => {
            sqlx::query(
                "INSERT INTO refusals (task, worker, code, reason) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
            )
            .bind(from_hash(&task.0))
            .bind(row.worker.to_string())
            .bind(&row.code)
            .bind(&row.reason)
            .execute(&mut **tx)
            .await?;
            Ok(())
        }
        Step::GivenUp(task, row) => super::given_up::write(tx, task, row).await,
        Step::Transactions(task, rows) => write_transactions(tx, task, rows).await,
        Step::Message(row) => super::outbox::finish_message(tx, row).await,
        Step::Intent(row) => super::outbox::insert(tx, row).await,
        Step::IntentEnd(row) => super::outbox::end(tx, row).await,
        Step::VoidIntents(task) => super::outbox::void(tx, task).await,
        Step::ShareDue(task) => super::shares::due(tx, task).await,
        Step::ShareOver(task) => super::shares::over(tx, task).await,
        Step::Rail(step) => super::rail::write(tx, step).await,
    }
}

async fn write_commitment(tx: &mut Tx, row: &Committed) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO commitments (task, worker, commitment, signed, epoch)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (task) DO NOTHING",
    )
    .bind(from_hash(&row.task.0))
    .bind(row.worker.to_string())
    .bind(from_hash(&row.commitment))
    .bind(&row.signed)
    .bind(to_i64(row.epoch)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn write_submission(tx: &mut Tx, row: &Submitted) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO submissions (task, reveal, bytes, at) VALUES ($1, $2, $3, $4)")
        .bind(from_hash(&row.task.0))
        .bind(from_hash(&row.reveal))
        .bind(to_i64(row.bytes)?)
        .bind(to_i64(row.at)?)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn write_verdict(tx: &mut Tx, row: &Verdict) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO verdicts (task, verdict, evidence_hash, evidence, audited, reason,
                               result_hash, result_bytes, exit, rate_ppm, trust_ppm)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(from_hash(&row.task.0))
    .bind(row.verdict)
    .bind(from_hash(&row.evidence_hash))
    .bind(&row.evidence)
    .bind(i64::from(row.audited))
    .bind(&row.reason)
    .bind(from_hash(&row.result_hash))
    .bind(to_i64(row.result_bytes)?)
    .bind(&row.exit)
    .bind(i64::from(row.rate_ppm))
    .bind(row.trust_ppm.map(i64::from))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn write_ruling(tx: &mut Tx, row: &Verdict) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO rulings (task, ruling, evidence_hash, evidence, reason)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (task) DO NOTHING",
    )
    .bind(from_hash(&row.task.0))
    .bind(row.verdict)
    .bind(from_hash(&row.evidence_hash))
    .bind(&row.evidence)
    .bind(&row.reason)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn write_projection(tx: &mut Tx, row: &Projection) -> Result<(), sqlx::Error> {
    if let Some(new) = &row.new {
        sqlx::query(
            "INSERT INTO tasks (id, status, requestor_key, escrow, listing, deadline, posted_at,
                                changed_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
        )
        .bind(from_hash(&row.task.0))
        .bind(row.to.name())
        .bind(from_hash(&new.requestor_key.0))
        .bind(new.escrow.to_string())
        .bind(&new.listing)
        .bind(row.deadline.map(to_i64).transpose()?)
        .bind(to_i64(row.at)?)
        .execute(&mut **tx)
        .await?;
        for blob in &new.blobs {
            sqlx::query(
                "INSERT INTO blob_uses (task, hash) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            )
            .bind(from_hash(&row.task.0))
            .bind(from_hash(blob))
            .execute(&mut **tx)
            .await?;
        }
        if let Some(epoch) = new.epoch {
            super::epochs::write_task(tx, &row.task, epoch).await?;
        }
        return Ok(());
    }
    // The market decided from `from`: a row in another state would mean that the two disagree.
    let updated = sqlx::query(
        "UPDATE tasks SET status = $3, worker = $4, price = $5, reserve = $6, commitment = $7,
                          deadline = $8, slashed = $9, changed_at = $10
         WHERE id = $1 AND status = $2 RETURNING row",
    )
    .bind(from_hash(&row.task.0))
    .bind(row.from.name())
    .bind(row.to.name())
    .bind(row.worker.map(|worker| worker.to_string()))
    .bind(row.price.map(|nano| to_i64(nano.get())).transpose()?)
    .bind(row.reserve.map(|nano| to_i64(nano.get())).transpose()?)
    .bind(row.commitment.as_ref().map(from_hash))
    .bind(row.deadline.map(to_i64).transpose()?)
    .bind(row.slashed.map(|nano| to_i64(nano.get())).transpose()?)
    .bind(to_i64(row.at)?)
    .fetch_optional(&mut **tx)
    .await?;
    updated.map(drop).ok_or(sqlx::Error::RowNotFound)
}

/// All of a task's transactions in one statement; those that are there stay.
async fn write_transactions(tx: &mut Tx, task: &TaskId, rows: &[TxRef]) -> Result<(), sqlx::Error> {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let (account, lt) = (row.account.to_string(), to_i64(row.lt)?);
            Ok(serde_json::json!([row.kind, account, lt, row.hash.to_string()]))
        })
        .collect::<Result<_, sqlx::Error>>()?;
    sqlx::query(
        "INSERT INTO transactions (task, kind, account, lt, hash)
         SELECT $1, value ->> 0, value ->> 1, value ->> 2, unhex(value ->> 3)
         FROM json_each($2) WHERE true ON CONFLICT DO NOTHING",
    )
    .bind(from_hash(&task.0))
    .bind(serde_json::Value::from(rows).to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn write_worker(tx: &mut Tx, row: &WorkerRow) -> Result<(), sqlx::Error> {
    let [assigned, accepted, rejected, late] = row.counts;
    sqlx::query(
        "INSERT INTO workers (worker, stake, online, free_stake, reputation_ppm, assigned,
                              accepted, rejected, late, flagged)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (worker) DO UPDATE SET stake = $2, online = $3, free_stake = $4,
            reputation_ppm = $5, assigned = $6, accepted = $7, rejected = $8, late = $9,
            flagged = $10",
    )
    .bind(row.worker.to_string())
    .bind(row.stake.to_string())
    .bind(i64::from(row.online))
    .bind(to_i64(row.free_stake.get())?)
    .bind(i64::from(row.reputation_ppm))
    .bind(to_i64(assigned)?)
    .bind(to_i64(accepted)?)
    .bind(to_i64(rejected)?)
    .bind(to_i64(late)?)
    .bind(i64::from(row.flagged))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn write_cursor(tx: &mut Tx, row: &CursorRow) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO cursor (account, lt, hash, seen_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (account) DO UPDATE SET lt = $2, hash = $3, seen_at = $4",
    )
    .bind(row.account.to_string())
    .bind(to_i64(row.lt)?)
    .bind(from_hash(&row.hash))
    .bind(to_i64(row.seen_at)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Borsh of any value, for a batch.
pub(crate) fn encode<T: borsh::BorshSerialize>(value: &T) -> Result<Vec<u8>, NodeError> {
    Ok(from_value(value)?)
}
