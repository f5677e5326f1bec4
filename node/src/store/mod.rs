//! The database and the files. SQLite, write-ahead log, `synchronous = FULL`: what was committed
//! survives a power cut. All writes go through one connection, so none waits on a busy lock; reads
//! have connections of their own and see whole transactions.

mod batch;
mod blobs;
mod epochs;
mod files;
mod given_up;
mod log;
mod outbox;
mod pledges;
mod rail;
mod rechecks;
mod rows;
mod shares;
mod views;

use std::{path::Path, sync::Arc, time::Duration};

use fog_protocol::{Address, Hash32};
use sqlx::{
    Row as _, Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

pub(crate) use batch::{
    Batch, Committed, CursorRow, End, Entry, FinalMessage, HistoryRow, IntentEnd, NewIntent,
    NewTask, Projection, Step, Submitted, Verdict, WorkerRow, encode,
};
pub(crate) use blobs::BlobRefused;
pub(crate) use epochs::{Shut, Told};
pub(crate) use files::{Files, Kind};
pub(crate) use outbox::{
    Ballot, InFlight, Intent, IntentKind, Judged, OpenPledge, Pending, Ruling, SignedMessage,
    StoredMessage, TopUp,
};
pub(crate) use pledges::{PledgeRow, PledgeState};
pub(crate) use rail::{ChannelRow, RailStep, SignedVerdict, purpose_name};
pub(crate) use rows::{from_hash, to_hash, to_i64, to_u64};

use crate::NodeError;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

/// Which node, network and market a database belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The node's id.
    pub(crate) node: Hash32,
    /// TON global id.
    pub(crate) network: i32,
    /// The `Market` contract.
    pub(crate) market: Address,
    /// The operator's wallet.
    pub(crate) operator: Address,
}

/// The node's store. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    writer: SqlitePool,
    reader: SqlitePool,
    files: Arc<Files>,
}

impl Store {
    /// Opens or creates the store in `dir`, and checks that it belongs to `identity`.
    pub(crate) async fn open(dir: &Path, identity: &Identity) -> Result<Self, NodeError> {
        let files = Arc::new(Files::open(dir)?);
        let options = SqliteConnectOptions::new()
            .filename(dir.join("fog.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(Duration::from_secs(60))
            .connect_with(options.clone())
            .await?;
        MIGRATIONS.run(&writer).await?;
        let reader = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        let store = Self { writer, reader, files };
        store.claim(identity).await?;
        Ok(store)
    }

    async fn claim(&self, identity: &Identity) -> Result<(), NodeError> {
        let mut tx = self.begin().await?;
        let row = sqlx::query("SELECT node, network, market, operator FROM identity")
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = row else {
            sqlx::query(
                "INSERT INTO identity (id, node, network, market, operator) VALUES (1, $1, $2, $3, $4)",
            )
            .bind(&identity.node.0[..])
            .bind(identity.network)
            .bind(identity.market.to_string())
            .bind(identity.operator.to_string())
            .execute(&mut *tx)
            .await?;
            return Ok(tx.commit().await?);
        };
        let stored = Identity {
            node: to_hash(row.try_get("node")?)?,
            network: row.try_get("network")?,
            market: rows::to_address(row.try_get("market")?)?,
            operator: rows::to_address(row.try_get("operator")?)?,
        };
        if stored == *identity {
            return Ok(());
        }
        Err(NodeError::OtherNode(format!(
            "it was made for market {} on network {} with wallet {}",
            stored.market, stored.network, stored.operator
        )))
    }

    /// Begins a transaction of the one writer.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// Connections for reading.
    pub(crate) const fn reader(&self) -> &SqlitePool {
        &self.reader
    }

    /// The files.
    pub(crate) fn files(&self) -> Arc<Files> {
        Arc::clone(&self.files)
    }

    /// Runs a blocking file operation apart from the services' threads.
    pub(crate) async fn with_files<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> Result<T, NodeError> + Send + 'static,
    ) -> Result<T, NodeError> {
        let files = self.files();
        tokio::task::spawn_blocking(move || work(&files))
            .await
            .map_err(|_| NodeError::ServiceStopped("file"))?
    }

    /// Closes the connections after their last statement.
    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}
