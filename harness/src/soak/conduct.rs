//! What each worker did, what it got for it, and how often its results were drawn: who is drawn is
//! computed again from the seeds the node reveals, not taken from the node.

use std::collections::BTreeMap;

use fog_contracts::stake::StakeData;
use fog_protocol::{Address, Hash32, TaskId, TaskStatus};
use fog_verifier::draw;
use fog_worker::Behaviour;
use serde::Serialize;
use sqlx::{Connection as _, Row as _};

use super::{
    SoakError, agreement,
    load::Posting,
    world::{EPOCH_SECONDS, STAKE, World},
};
use crate::ledger::std;

/// How long the node may take to tell a seed when its epoch is over.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
const PAUSE: std::time::Duration = std::time::Duration::from_millis(200);

/// A worker's run.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerReport {
    /// Its account.
    pub worker: String,
    /// How it behaved.
    pub behaviour: String,
    /// Tasks assigned to it.
    pub tasks: u64,
    /// Those it committed to.
    pub committed: u64,
    /// Those whose result the public draw chose.
    pub drawn: u64,
    /// Drawn, and it was paid all the same: the result was right.
    pub drawn_and_paid: u64,
    /// Tasks it was paid for.
    pub paid: u64,
    /// Tasks its stake was cut for.
    pub slashed: u64,
    /// Tasks it was late for, or that ended without it.
    pub refunded: u64,
    /// What its stake contract holds more than it put in, in nanogram.
    pub profit_nano: i128,
}

/// The seed of every epoch in which something was committed, as the node tells it once it is over.
pub(super) async fn seeds(world: &World) -> Result<BTreeMap<u64, Hash32>, SoakError> {
    let epochs = epochs(world).await?;
    // A node tells a seed a minute after its epoch, at the earliest.
    world.local.chain.warp(EPOCH_SECONDS + 120).await?;
    let mut seeds = BTreeMap::new();
    let deadline = std::time::Instant::now() + PATIENCE;
    for number in epochs {
        loop {
            if let Some(seed) = world.api.epoch(number).await?.seed {
                seeds.insert(number, seed);
                break;
            }
            if std::time::Instant::now() > deadline {
                return Err(SoakError::TooLong(format!("the seed of epoch {number} is not told")));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(seeds)
}

async fn epochs(world: &World) -> Result<Vec<u64>, SoakError> {
    let mut connection = agreement::open(&world.node.database()).await?;
    let epochs: Vec<i64> =
        sqlx::query_scalar("SELECT DISTINCT epoch FROM commitments ORDER BY epoch")
            .fetch_all(&mut connection)
            .await?;
    connection.close().await?;
    Ok(epochs.into_iter().filter_map(|epoch| u64::try_from(epoch).ok()).collect())
}

/// What became of one assigned task.
struct Assigned {
    task: TaskId,
    worker: Address,
    status: TaskStatus,
    committed: Option<(Hash32, u64)>,
}

/// Every worker's run; the node has stopped.
pub(super) async fn read(
    world: &World,
    seeds: &BTreeMap<u64, Hash32>,
    posted: &[Posting],
) -> Result<Vec<WorkerReport>, SoakError> {
    let salts: BTreeMap<_, _> = posted.iter().map(|one| (one.task, one.salt)).collect();
    let mut reports = BTreeMap::new();
    for (index, account) in world.local.accounts.workers.iter().enumerate() {
        let report = WorkerReport {
            worker: account.role.clone(),
            behaviour: world.options.behaviour(index).to_string(),
            tasks: 0,
            committed: 0,
            drawn: 0,
            drawn_and_paid: 0,
            paid: 0,
            slashed: 0,
            refunded: 0,
            profit_nano: profit(world, account.address()).await?,
        };
        reports.insert(account.address(), report);
    }
    let key = world.requestor().key;
    for assigned in assigned(world).await? {
        let Some(report) = reports.get_mut(&assigned.worker) else { continue };
        report.tasks += 1;
        match assigned.status {
            TaskStatus::Paid => report.paid += 1,
            TaskStatus::Slashed => report.slashed += 1,
            _ => report.refunded += 1,
        }
        let Some((commitment, epoch)) = assigned.committed else { continue };
        report.committed += 1;
        let (Some(seed), Some(salt)) = (seeds.get(&epoch), salts.get(&assigned.task)) else {
            let what = format!("{} was committed to in an epoch without a seed", assigned.task);
            return Err(SoakError::Broken(what));
        };
        let nonce = fog_requestor::nonce(&key, salt);
        let rate_ppm = world.options.rate_ppm;
        if draw::is_drawn(seed, &nonce, &assigned.task, &commitment, rate_ppm) {
            report.drawn += 1;
            report.drawn_and_paid += u64::from(assigned.status == TaskStatus::Paid);
        }
    }
    Ok(reports.into_values().collect())
}

async fn assigned(world: &World) -> Result<Vec<Assigned>, SoakError> {
    let wrong = |what: &str| SoakError::Broken(format!("the database's {what} does not parse"));
    let hash = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).map(Hash32).map_err(|_| wrong("hash"));
    let mut connection = agreement::open(&world.node.database()).await?;
    let rows = sqlx::query(
        "SELECT t.id, t.worker, t.status, c.commitment, c.epoch FROM tasks t
         LEFT JOIN commitments c ON c.task = t.id AND c.worker = t.worker
         WHERE t.worker IS NOT NULL",
    )
    .fetch_all(&mut connection)
    .await?;
    connection.close().await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let (worker, status): (&str, &str) = (row.try_get("worker")?, row.try_get("status")?);
        let commitment: Option<&[u8]> = row.try_get("commitment")?;
        let epoch: Option<i64> = row.try_get("epoch")?;
        let committed = match (commitment, epoch.and_then(|epoch| u64::try_from(epoch).ok())) {
            (Some(commitment), Some(epoch)) => Some((hash(commitment)?, epoch)),
            _ => None,
        };
        found.push(Assigned {
            task: TaskId(hash(row.try_get("id")?)?),
            worker: worker.parse().map_err(|_| wrong("worker"))?,
            status: status.parse().map_err(|_| wrong("status"))?,
            committed,
        });
    }
    Ok(found)
}

async fn profit(world: &World, owner: Address) -> Result<i128, SoakError> {
    let stake = std(&world.local.stake_of(owner)?);
    let account = world.local.chain.with(move |chain| chain.account(&stake)).await??;
    let data = StakeData::parse(&account.data.unwrap_or_default())?;
    let held = i128::from(data.stake.get()) + i128::from(data.earnings.get());
    Ok(held - i128::from(STAKE.get()))
}

/// What must not be: an honest worker was slashed, or a drawn wrong result was paid for.
pub(super) fn judge(reports: &[WorkerReport], failures: &mut Vec<String>) {
    for report in reports {
        let WorkerReport { worker, behaviour, slashed, drawn_and_paid, .. } = report;
        let honest = *behaviour == Behaviour::Honest.to_string();
        if honest && *slashed > 0 {
            failures.push(format!("{worker} is honest and was slashed {slashed} times"));
        }
        if !honest && *drawn_and_paid > 0 {
            failures.push(format!(
                "{worker} ({behaviour}) was paid for {drawn_and_paid} wrong results that were drawn"
            ));
        }
    }
}
