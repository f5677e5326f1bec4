//! At the end: does the node's database say what the chain says, and is all money there?

use std::{collections::HashMap, path::Path};

use fog_contracts::{TaskState, stake::StakeData, task::TaskData};
use fog_protocol::{Address, TaskId, TaskStatus};
use fog_testnet::chain::{Chain, Totals};
use serde::Serialize;
use sqlx::{
    ConnectOptions as _, Connection as _, Row as _,
    sqlite::{SqliteConnectOptions, SqliteConnection},
};

use super::{SoakError, load::Posting, world::World};
use crate::{
    Money,
    ledger::{Ledger, std},
    network::BURN,
};

/// Differences that are spelled out.
const SHOWN: usize = 20;
/// Contracts read while the chain is locked once.
const CHUNK: usize = 2_000;

/// Whether database and chain agree.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Agreement {
    /// Tasks compared: all that were posted, and all that the database has.
    pub tasks: u64,
    /// Tasks whose end is the same in both.
    pub equal: u64,
    /// The first that are not.
    pub differences: Vec<String>,
    /// Intents in the outbox that are neither done nor void.
    pub unsettled_intents: u64,
    /// What the database says was paid to workers.
    pub database_paid_nano: u64,
    /// What the workers' stakes say they earned.
    pub chain_earned_nano: u64,
    /// Where every nanogram went.
    pub money: Money,
    /// Does the chain's own sum (supply = balances, fees, burned) hold?
    pub supply_conserved: bool,
}

/// A task as the database has it.
struct Row {
    status: TaskStatus,
    escrow: Address,
    price: u64,
}

pub(super) async fn open(database: &Path) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnectOptions::new().filename(database).read_only(true).connect().await
}

/// Tasks that have not ended, by the database.
pub(super) async fn unended(database: &Path) -> Result<u64, sqlx::Error> {
    let mut connection = open(database).await?;
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM tasks t JOIN statuses s ON s.name = t.status WHERE s.terminal = 0",
    )
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

async fn rows(connection: &mut SqliteConnection) -> Result<HashMap<TaskId, Row>, SoakError> {
    let wrong = |what: &str| SoakError::Broken(format!("the database's {what} does not parse"));
    let query = sqlx::query("SELECT id, status, escrow, price FROM tasks");
    let mut found = HashMap::new();
    for row in query.fetch_all(connection).await? {
        let id: &[u8] = row.try_get("id")?;
        let id = <[u8; 32]>::try_from(id).map_err(|_| wrong("task id"))?;
        let status: &str = row.try_get("status")?;
        let escrow: &str = row.try_get("escrow")?;
        let price: Option<i64> = row.try_get("price")?;
        let row = Row {
            status: status.parse().map_err(|_| wrong("status"))?,
            escrow: escrow.parse().map_err(|_| wrong("escrow"))?,
            price: price.and_then(|price| u64::try_from(price).ok()).unwrap_or(0),
        };
        found.insert(TaskId(fog_protocol::Hash32(id)), row);
    }
    Ok(found)
}

/// Compares everything; the node has stopped.
pub(super) async fn check(world: &World, posted: &[Posting]) -> Result<Agreement, SoakError> {
    let mut connection = open(&world.node.database()).await?;
    let mut rows = rows(&mut connection).await?;
    let unsettled: i64 = sqlx::query_scalar(
        // The head of an epoch that was shut a moment ago may be on its way.
        "SELECT count(*) FROM outbox
         WHERE state IN ('pending', 'signed', 'sent', 'final') AND kind <> 'anchor'",
    )
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    let mut agreement = Agreement {
        unsettled_intents: u64::try_from(unsettled).unwrap_or(u64::MAX),
        ..Agreement::default()
    };
    for chunk in posted.chunks(CHUNK) {
        let asked = chunk.to_vec();
        let states = world.local.chain.with(move |chain| states(chain, &asked)).await??;
        for (posting, state) in chunk.iter().zip(states) {
            let row = rows.remove(&posting.task);
            compare(&mut agreement, world.local.config.fee_bps, posting, row, state);
        }
    }
    for (task, row) in rows {
        differs(&mut agreement, format!("{task} is {} and was never posted", row.status));
        agreement.tasks += 1;
    }
    money(world, posted, &mut agreement).await?;
    Ok(agreement)
}

fn differs(agreement: &mut Agreement, what: String) {
    if agreement.differences.len() < SHOWN {
        agreement.differences.push(what);
    }
}

fn compare(
    agreement: &mut Agreement,
    fee_bps: u16,
    posting: &Posting,
    row: Option<Row>,
    state: Option<TaskState>,
) {
    agreement.tasks += 1;
    let task = posting.task;
    let Some(row) = row else {
        return differs(agreement, format!("{task} was taken, the database does not have it"));
    };
    if row.escrow != posting.escrow {
        return differs(agreement, format!("{task} has another escrow in the database"));
    }
    let same = match (row.status, state) {
        (TaskStatus::Paid, Some(TaskState::Paid))
        | (TaskStatus::Slashed, Some(TaskState::Slashed))
        | (TaskStatus::Refunded, Some(TaskState::Refunded | TaskState::Late)) => true,
        // Never paid for: there is nothing on chain.
        (TaskStatus::AwaitingFunds | TaskStatus::Dropped, None) => true,
        (_, _) => false,
    };
    if row.status == TaskStatus::Paid {
        let fee = u128::from(row.price) * u128::from(fee_bps) / 10_000;
        agreement.database_paid_nano += row.price - u64::try_from(fee).unwrap_or(0);
    }
    if same {
        agreement.equal += 1;
    } else {
        differs(agreement, format!("{task} is {} here, {state:?} on chain", row.status));
    }
}

/// The state each escrow is in on chain.
fn states(chain: &Chain, postings: &[Posting]) -> Result<Vec<Option<TaskState>>, SoakError> {
    postings
        .iter()
        .map(|posting| {
            let data = chain.account(&std(&posting.escrow))?.data;
            Ok(data.map(|data| TaskData::parse(&data).map(|data| data.state)).transpose()?)
        })
        .collect()
}

async fn money(
    world: &World,
    posted: &[Posting],
    agreement: &mut Agreement,
) -> Result<(), SoakError> {
    let accounts = &world.local.accounts;
    let stakes = accounts
        .workers
        .iter()
        .map(|worker| world.local.stake_of(worker.address()))
        .collect::<Result<Vec<_>, _>>()?;
    let ledger = Ledger {
        market: world.local.market,
        stakes: stakes.clone(),
        bond: world.local.bond()?,
        escrows: posted.iter().map(|posting| posting.escrow).collect(),
        treasury: accounts.treasury.address(),
        burn: BURN,
    };
    let (money, earned, conserved) = world
        .local
        .chain
        .with(move |chain| -> Result<_, SoakError> {
            let money = ledger.read(chain)?;
            let mut earned = 0;
            for stake in &stakes {
                let data = chain.account(&std(stake))?.data.unwrap_or_default();
                earned += StakeData::parse(&data)?.earnings.get();
            }
            let held = chain.total_balances()?;
            Ok((money, earned, conserved(&chain.totals(), held)))
        })
        .await??;
    agreement.money = money;
    agreement.chain_earned_nano = earned;
    agreement.supply_conserved = conserved;
    Ok(())
}

const fn conserved(totals: &Totals, held: u128) -> bool {
    totals.supply == held + totals.in_flight + totals.network_fees_collected + totals.burned
}

#[cfg(test)]
mod tests {
    use fog_protocol::Hash32;

    use super::*;

    const TASK: TaskId = TaskId(Hash32([1; 32]));
    const ESCROW: Address = Address::basechain([2; 32]);

    fn compared(row: Option<(TaskStatus, Address)>, state: Option<TaskState>) -> Agreement {
        let mut agreement = Agreement::default();
        let row = row.map(|(status, escrow)| Row { status, escrow, price: 10_000 });
        compare(
            &mut agreement,
            200,
            &Posting { task: TASK, escrow: ESCROW, salt: Hash32([3; 32]) },
            row,
            state,
        );
        assert_eq!(agreement.tasks, 1);
        agreement
    }

    #[test]
    fn only_the_same_end_is_agreement() {
        for (status, state) in [
            (TaskStatus::Paid, Some(TaskState::Paid)),
            (TaskStatus::Slashed, Some(TaskState::Slashed)),
            (TaskStatus::Refunded, Some(TaskState::Refunded)),
            (TaskStatus::Refunded, Some(TaskState::Late)),
            (TaskStatus::AwaitingFunds, None),
        ] {
            assert_eq!(compared(Some((status, ESCROW)), state).equal, 1, "{status} {state:?}");
        }
        for (status, state) in [
            (TaskStatus::Paid, Some(TaskState::Accepted)),
            (TaskStatus::Paid, Some(TaskState::Slashed)),
            (TaskStatus::Paid, None),
            (TaskStatus::Accepted, Some(TaskState::Paid)),
            (TaskStatus::Refunded, Some(TaskState::Paid)),
            (TaskStatus::Dropped, Some(TaskState::Open)),
        ] {
            let agreement = compared(Some((status, ESCROW)), state);
            assert_eq!((agreement.equal, agreement.differences.len()), (0, 1), "{status}");
        }
    }

    #[test]
    fn what_is_missing_or_elsewhere_differs() {
        assert_eq!(compared(None, Some(TaskState::Paid)).differences.len(), 1);
        let elsewhere = Address::basechain([3; 32]);
        let agreement = compared(Some((TaskStatus::Paid, elsewhere)), Some(TaskState::Paid));
        assert_eq!((agreement.equal, agreement.database_paid_nano), (0, 0));
    }

    #[test]
    fn what_was_paid_is_the_price_less_the_fee() {
        let agreement = compared(Some((TaskStatus::Paid, ESCROW)), Some(TaskState::Paid));
        assert_eq!(agreement.database_paid_nano, 9_800);
    }
}
