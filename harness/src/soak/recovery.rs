//! How long a node takes to come back with many open tasks: killed, started on its files, ready
//! once it has folded its log, compared it with its database and read the chain to its end.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use sqlx::Connection as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    Say, SoakError, SoakOptions, agreement, load::Load, usage, watch::Tracker, world::World,
};

/// What is promised, in milliseconds.
const PROMISE_MS: u64 = 10_000;
const POLL: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(600);

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct RecoveryReport {
    /// Within what is promised, and with every task?
    pub ok: bool,
    /// Open tasks.
    pub tasks: u64,
    /// Open tasks after the restart.
    pub tasks_after: u64,
    /// From the start of the process to the first answer.
    pub answers_ms: u64,
    /// To being ready: the chain is followed, tasks can be taken and settled.
    pub ready_ms: u64,
    /// What is promised.
    pub promise_ms: u64,
    /// Bytes of the database.
    pub database_bytes: u64,
}

/// Opens as many tasks as `options` say (rate times duration) without any worker, kills the node
/// and measures its return.
///
/// # Errors
/// [`SoakError`].
pub async fn recovery(options: SoakOptions, say: Say) -> Result<RecoveryReport, SoakError> {
    let world = World::start(options, Arc::clone(&say)).await?;
    let tracker = Arc::new(Tracker::new());
    let chain = world.local.client.clone();
    let (api, wallet) = (world.api.clone(), world.requestor());
    let load = Load::new(world.options.clone(), api, chain, wallet, Arc::clone(&tracker));
    load.upload().await?;
    let posted = Arc::new(load).post_all().await?;
    let tasks = tracker.postings().len() as u64;
    say(format!("{tasks} tasks posted and paid for in {:.0} s", posted.seconds));
    let deadline = Instant::now() + PATIENCE;
    while open_tasks(&world).await? < tasks {
        if Instant::now() > deadline {
            return Err(SoakError::TooLong("not every task was opened".to_owned()));
        }
        world.look().await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    say("all are open: killing the node".to_owned());
    world.kill_node().await?;
    let started = Instant::now();
    world.start_node().await?;
    let answers_ms = millis(started);
    while !is_ready(world.node.listen).await {
        if started.elapsed() > PATIENCE {
            return Err(SoakError::TooLong("the node is not ready".to_owned()));
        }
        tokio::time::sleep(POLL).await;
    }
    let ready_ms = millis(started);
    let tasks_after = open_tasks(&world).await?;
    world.stop_processes().await?;
    Ok(RecoveryReport {
        ok: ready_ms <= PROMISE_MS && tasks_after == tasks,
        tasks,
        tasks_after,
        answers_ms,
        ready_ms,
        promise_ms: PROMISE_MS,
        database_bytes: usage::disk(&world.node.database()),
    })
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

async fn open_tasks(world: &World) -> Result<u64, SoakError> {
    let mut connection = agreement::open(&world.node.database()).await?;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM tasks WHERE status = 'open'")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Does `GET /readyz` say yes?
async fn is_ready(node: SocketAddr) -> bool {
    const WANTED: &[u8] = b"HTTP/1.1 200";
    let asking = async {
        let mut stream = TcpStream::connect(node).await.ok()?;
        let request = format!("GET /readyz HTTP/1.1\r\nhost: {node}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = [0; WANTED.len()];
        stream.read_exact(&mut answer).await.ok()?;
        Some(answer == WANTED)
    };
    asking.await.unwrap_or(false)
}
