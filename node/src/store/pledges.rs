//! Pledges in the database: stake that workers reserve in bulk for the account rail.

use fog_contracts::epoch::Epoch;
use fog_protocol::{Address, Bid, Commit, Hash32, Nano, Signed, TaskId};
use sqlx::{Row as _, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    Ruling, Store, from_hash,
    rows::{from_value, task_and_escrow, to_address, to_nano, to_u64, to_value},
    to_hash, to_i64,
};
use crate::NodeError;

/// Where a pledge stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PledgeState {
    /// The worker has signed; its task is being funded.
    Consented,
    /// Funded: the stake is being reserved.
    Open,
    /// Reserved: the promise is being put on chain.
    Reserved,
    /// It stands for tasks.
    Live,
    /// There is a verdict, to be carried out.
    Judged,
    /// Over.
    Ended,
}

impl PledgeState {
    const ALL: [Self; 6] =
        [Self::Consented, Self::Open, Self::Reserved, Self::Live, Self::Judged, Self::Ended];

    /// Its name in the database.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Consented => "consented",
            Self::Open => "open",
            Self::Reserved => "reserved",
            Self::Live => "live",
            Self::Judged => "judged",
            Self::Ended => "ended",
        }
    }
}

/// A pledge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PledgeRow {
    /// The id of its task on chain.
    pub(crate) id: TaskId,
    /// That task's address.
    pub(crate) escrow: Address,
    /// What the address is made of.
    pub(crate) terms: Epoch,
    /// The worker's consent.
    pub(crate) bid: Signed<Bid>,
    /// The worker's promise.
    pub(crate) promise: Signed<Commit>,
    /// Where it stands.
    pub(crate) state: PledgeState,
    /// Until when that lasts on chain.
    pub(crate) deadline: Option<u64>,
    /// What the verifiers here say, with the hash of its evidence.
    pub(crate) verdict: Option<(Ruling, Hash32)>,
    /// What was cut from the stake.
    pub(crate) slashed: Nano,
}

type Tx = Transaction<'static, Sqlite>;

pub(super) async fn write(tx: &mut Tx, row: &PledgeRow) -> Result<(), sqlx::Error> {
    let PledgeRow { terms, bid, .. } = row;
    let verdict = row.verdict.as_ref().map(|(ruling, _)| ruling_name(*ruling));
    sqlx::query(
        "INSERT INTO pledges (id, escrow, worker, stake, earnings, number, price, bid_seconds,
             commit_seconds, lasts, reserve, bid, promise, state, deadline, verdict, evidence, slashed)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
         ON CONFLICT (id) DO UPDATE SET state = $14, deadline = $15, verdict = $16, evidence = $17,
             slashed = $18",
    )
    .bind(from_hash(&row.id.0))
    .bind(row.escrow.to_string())
    .bind(terms.worker.to_string())
    .bind(bid.value.stake.to_string())
    .bind(terms.earnings.to_string())
    .bind(i64::from(terms.number))
    .bind(to_i64(terms.price.get())?)
    .bind(i64::from(terms.bid))
    .bind(i64::from(terms.commit))
    .bind(i64::from(terms.lasts))
    .bind(to_i64(bid.value.reserve.get())?)
    .bind(from_value(bid)?)
    .bind(from_value(&row.promise)?)
    .bind(row.state.name())
    .bind(row.deadline.map(to_i64).transpose()?)
    .bind(verdict)
    .bind(row.verdict.as_ref().map(|(_, evidence)| from_hash(evidence)))
    .bind(to_i64(row.slashed.get())?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes what stands for a task.
pub(super) async fn back(tx: &mut Tx, task: &TaskId, pledge: &TaskId) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE rail_tasks SET pledge = $2 WHERE task = $1")
        .bind(from_hash(&task.0))
        .bind(from_hash(&pledge.0))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

const fn ruling_name(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Accepted => "accepted",
        Ruling::Rejected | Ruling::Undelivered => "rejected",
    }
}

impl Store {
    /// Every pledge that is not over. `market` and `node` are those that all of them are made with.
    pub(crate) async fn living_pledges(
        &self,
        market: Address,
        node: Address,
    ) -> Result<Vec<PledgeRow>, NodeError> {
        let rows = sqlx::query("SELECT * FROM pledges WHERE state <> 'ended'")
            .fetch_all(self.reader())
            .await?;
        Ok(rows.iter().map(|row| pledge_row(row, market, node)).collect::<Result<_, _>>()?)
    }

    /// The number that a worker's next pledge may have.
    pub(crate) async fn pledge_numbers(&self) -> Result<Vec<(Address, u32)>, NodeError> {
        let rows =
            sqlx::query("SELECT worker, max(number) + 1 AS next FROM pledges GROUP BY worker")
                .fetch_all(self.reader())
                .await?;
        rows.iter()
            .map(|row| Ok((to_address(row.try_get("worker")?)?, narrow(row, "next")?)))
            .collect()
    }

    /// Tasks of pledges that are not over: what the reconciler reads.
    pub(crate) async fn pledge_escrows(&self) -> Result<Vec<(TaskId, Address)>, NodeError> {
        let rows = sqlx::query("SELECT id, escrow FROM pledges WHERE state <> 'ended'")
            .fetch_all(self.reader())
            .await?;
        Ok(rows.iter().map(task_and_escrow).collect::<Result<_, _>>()?)
    }
}

fn narrow(row: &SqliteRow, column: &str) -> Result<u32, sqlx::Error> {
    let value: i64 = row.try_get(column)?;
    u32::try_from(value).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn pledge_row(row: &SqliteRow, market: Address, node: Address) -> Result<PledgeRow, sqlx::Error> {
    let unknown = || sqlx::Error::Decode("an unknown word in a pledge's row".into());
    let state: &str = row.try_get("state")?;
    let state = PledgeState::ALL.into_iter().find(|known| known.name() == state);
    let verdict: Option<&str> = row.try_get("verdict")?;
    let evidence: Option<&[u8]> = row.try_get("evidence")?;
    let verdict = match (verdict, evidence) {
        (Some("accepted"), Some(hash)) => Some((Ruling::Accepted, to_hash(hash)?)),
        (Some("rejected"), Some(hash)) => Some((Ruling::Rejected, to_hash(hash)?)),
        (None, None) => None,
        _ => return Err(unknown()),
    };
    let deadline: Option<i64> = row.try_get("deadline")?;
    Ok(PledgeRow {
        id: TaskId(to_hash(row.try_get("id")?)?),
        escrow: to_address(row.try_get("escrow")?)?,
        terms: Epoch {
            market,
            node,
            worker: to_address(row.try_get("worker")?)?,
            earnings: to_address(row.try_get("earnings")?)?,
            number: narrow(row, "number")?,
            price: to_nano(row.try_get("price")?)?,
            bid: narrow(row, "bid_seconds")?,
            commit: narrow(row, "commit_seconds")?,
            lasts: narrow(row, "lasts")?,
        },
        bid: to_value(row.try_get("bid")?)?,
        promise: to_value(row.try_get("promise")?)?,
        state: state.ok_or_else(unknown)?,
        deadline: deadline.map(to_u64).transpose()?,
        verdict,
        slashed: to_nano(row.try_get("slashed")?)?,
    })
}
