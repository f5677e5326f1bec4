//! Crashes and a chain that loses things: nothing is lost, nothing happens twice.

use std::time::Duration;

use fog_node::{Node, NodeHandle};
use fog_protocol::{TaskStatus, gateway::ServerFrame, gateway::WorkerFrame};
use sqlx::{ConnectOptions as _, Row as _, sqlite::SqliteConnectOptions};

use super::{
    proxy::{Fault, Proxy},
    worker::Worker,
    world::{PRICE, World, until},
};

/// A node in a runtime of its own, which can be killed without any warning to its tasks.
pub(crate) struct Killable {
    runtime: Option<tokio::runtime::Runtime>,
    node: Option<NodeHandle>,
}

impl Killable {
    pub(crate) async fn start(world: &World) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (config, keys) = (world.node_config.clone(), world.keys.clone());
        let node = runtime.spawn(Node::start(config, keys)).await.unwrap().unwrap();
        world.started(&node).await;
        Self { runtime: Some(runtime), node: Some(node) }
    }

    pub(crate) fn node(&self) -> &NodeHandle {
        self.node.as_ref().unwrap()
    }

    pub(crate) async fn kill(mut self) {
        let runtime = self.runtime.take().unwrap();
        drop(self.node.take());
        // Blocking: the next node opens the same database.
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(20)))
            .await
            .unwrap();
    }
}

impl Drop for Killable {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// States an intent passes, in order.
const STATES: [&str; 5] = ["pending", "signed", "sent", "final", "done"];

/// Waits until the intent of `kind` has come at least as far as `state`.
pub(crate) async fn outbox_reaches(world: &World, kind: &str, state: &str) {
    let least = STATES.iter().position(|name| *name == state).unwrap();
    let path = world.node_config.data_dir.join("fog.db");
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    until(&format!("the {kind} intent to be {state}"), || async {
        let mut db = options.connect().await.ok()?;
        let rows = sqlx::query("SELECT state FROM outbox WHERE kind = $1")
            .bind(kind)
            .fetch_all(&mut db)
            .await
            .ok()?;
        rows.iter()
            .filter_map(|row| STATES.iter().position(|name| *name == row.get::<&str, _>(0)))
            .any(|at| at >= least)
            .then_some(())
    })
    .await;
}

async fn paid_once(world: &World) {
    let stake = world.stake(0).await;
    let fee = PRICE.mul_div(250, 10_000).unwrap();
    assert_eq!(stake.earnings, PRICE.checked_sub(fee).unwrap(), "paid, and once");
    assert_eq!(stake.reserved.get(), 0);
}

/// Killed as soon as each kind of intent has come to `state`.
async fn killed_at(state: &str, salt: u8) {
    let world = World::new(1).await;
    let mut running = Killable::start(&world).await;
    let posted = world.post(running.node(), b"crash", salt).await;
    world.fund(&world.listing(running.node(), b"crash", salt)).await;
    world.reaches(running.node(), &posted.task, TaskStatus::Open).await;
    let mut worker = Worker::join(&world, running.node(), 0).await;
    let offered = worker.offer().await;
    let until = worker.time().await + 300;
    let bid = worker.bid(&offered, PRICE, until);
    worker.say(&WorkerFrame::Bid { bid }).await;
    outbox_reaches(&world, "assign", state).await;
    running.kill().await;
    running = Killable::start(&world).await;
    world.reaches(running.node(), &posted.task, TaskStatus::Running).await;
    worker = Worker::join(&world, running.node(), 0).await;
    worker.say(&WorkerFrame::Resume { tasks: vec![posted.task] }).await;
    worker.wait(|frame| matches!(frame, ServerFrame::Assigned { .. }).then_some(())).await;
    let payload = worker.payload(&world, running.node(), &posted.task).await;
    let result = worker.run(&offered.listing, payload).await;
    let (commitment, reveal) = worker.commitment(posted.task, &result);
    worker.commit(&offered, commitment).await;
    outbox_reaches(&world, "commit", state).await;
    running.kill().await;
    running = Killable::start(&world).await;
    worker = Worker::join(&world, running.node(), 0).await;
    assert_eq!(worker.submit(&world, running.node(), &reveal).await.status(), 204);
    for kind in ["verdict", "finalize"] {
        outbox_reaches(&world, kind, state).await;
        running.kill().await;
        running = Killable::start(&world).await;
    }
    world.reaches(running.node(), &posted.task, TaskStatus::Paid).await;
    paid_once(&world).await;
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_when_intents_are_stored() {
    killed_at("pending", 21).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_when_messages_are_signed() {
    killed_at("signed", 22).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_when_messages_are_sent() {
    killed_at("sent", 23).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_when_messages_are_final() {
    killed_at("final", 24).await;
}

/// From posting to payment while `fault` holds for a time at each step.
async fn carried_through(fault: Fault, salt: u8) {
    let mut world = World::new(1).await;
    let proxy = Proxy::new(&world.chain.url()).await;
    world.node_config.chain.endpoint.clone_from(&proxy.url);
    let node = world.node().await;
    let posted = world.post(&node, b"lost", salt).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    world.fund(&world.listing(&node, b"lost", salt)).await;
    proxy.set(fault);
    let lost = proxy.lost();
    let offered = worker.offer().await;
    let valid_until = worker.time().await + 1000;
    let bid = worker.bid(&offered, PRICE, valid_until);
    worker.say(&WorkerFrame::Bid { bid }).await;
    until("something to be lost", || async { (proxy.lost() > lost).then_some(()) }).await;
    if fault == Fault::LoseMessages {
        // Past the message's validity: it is proven absent, and signed anew.
        world.chain.warp(120).await.unwrap();
        until("an expired message", || async {
            let path = world.node_config.data_dir.join("fog.db");
            let options = SqliteConnectOptions::new().filename(path).read_only(true);
            let mut db = options.connect().await.ok()?;
            let rows = sqlx::query("SELECT 1 FROM messages WHERE state = 'expired'")
                .fetch_all(&mut db)
                .await
                .ok()?;
            (!rows.is_empty()).then_some(())
        })
        .await;
        proxy.set(Fault::None);
    }
    worker.wait(|frame| matches!(frame, ServerFrame::Assigned { .. }).then_some(())).await;
    worker.work(&world, &node, &offered, |_| {}).await;
    world.reaches(&node, &posted.task, TaskStatus::Paid).await;
    paid_once(&world).await;
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_messages_expire_and_are_signed_anew() {
    carried_through(Fault::LoseMessages, 31).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_do_not_pay_twice() {
    carried_through(Fault::LoseAnswers, 32).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_is_away_for_a_while_loses_nothing() {
    let mut world = World::new(1).await;
    let proxy = Proxy::new(&world.chain.url()).await;
    world.node_config.chain.endpoint.clone_from(&proxy.url);
    let node = world.node().await;
    let posted = world.post(&node, b"away", 33).await;
    world.reaches(&node, &posted.task, TaskStatus::AwaitingFunds).await;
    proxy.set(Fault::Down);
    world.fund(&world.listing(&node, b"away", 33)).await;
    let ready = || world.http.get(format!("{}/readyz", node.url())).send();
    until("the node to say so", || async {
        let answer = ready().await.unwrap();
        (answer.status() == 503).then_some(())
    })
    .await;
    proxy.set(Fault::None);
    world.reaches(&node, &posted.task, TaskStatus::Open).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let offered = worker.win().await;
    worker.work(&world, &node, &offered, |_| {}).await;
    world.reaches(&node, &posted.task, TaskStatus::Paid).await;
    paid_once(&world).await;
    node.shutdown();
    node.join().await.unwrap();
}

/// The contract is read before the notice of its opening is heard: late, the notice is no news, and
/// no refusal of the worker that was found meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opening_heard_late_is_no_refusal() {
    let mut world = World::new(1).await;
    let proxy = Proxy::new(&world.chain.url()).await;
    world.node_config.chain.endpoint.clone_from(&proxy.url);
    world.node_config.chain.reconcile_seconds = 1;
    let node = world.node().await;
    let posted = world.post(&node, b"heard late", 36).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    proxy.hide(&node.operator().to_string());
    world.fund(&world.listing(&node, b"heard late", 36)).await;
    let offered = worker.offer().await;
    let valid_until = worker.time().await + 300;
    let bid = worker.bid(&offered, PRICE, valid_until);
    worker.say(&WorkerFrame::Bid { bid }).await;
    world.reaches(&node, &posted.task, TaskStatus::Assigning).await;
    assert!(proxy.lost() > 0, "the history was hidden");
    proxy.set(Fault::None);
    worker
        .wait(|frame| match frame {
            ServerFrame::Assigned { task, .. } if task == posted.task => Some(()),
            ServerFrame::Lost { code, reason, .. } => panic!("{code}: {reason}"),
            _ => None,
        })
        .await;
    worker.work(&world, &node, &offered, |_| {}).await;
    world.reaches(&node, &posted.task, TaskStatus::Paid).await;
    paid_once(&world).await;
    node.shutdown();
    node.join().await.unwrap();
}

/// The wallet's history does not continue where it was left: payouts halt, and it is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_in_the_history_halts_payouts() {
    let world = World::new(1).await;
    let node = world.node().await;
    let posted = world.post(&node, b"gap", 34).await;
    world.fund(&world.listing(&node, b"gap", 34)).await;
    world.reaches(&node, &posted.task, TaskStatus::Open).await;
    node.shutdown();
    node.join().await.unwrap();
    let path = world.node_config.data_dir.join("fog.db");
    let mut db = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    sqlx::raw_sql("UPDATE cursor SET hash = zeroblob(32)").execute(&mut db).await.unwrap();
    drop(db);
    let node = world.node().await;
    let answer = until("the gap to be seen", || async {
        let answer = world.http.get(format!("{}/readyz", node.url())).send().await.unwrap();
        let text = answer.text().await.unwrap();
        text.contains("chain_gap").then_some(text)
    })
    .await;
    assert!(answer.contains("halted"), "{answer}");
    let mut worker = Worker::join(&world, &node, 0).await;
    let offered = worker.offer().await;
    let valid_until = worker.time().await + 300;
    let bid = worker.bid(&offered, PRICE, valid_until);
    worker.say(&WorkerFrame::Bid { bid }).await;
    world.reaches(&node, &posted.task, TaskStatus::Assigning).await;
    let blocks = world.chain.subscribe();
    let seen = blocks.borrow().transactions;
    world.chain.warp(5).await.unwrap();
    outbox_reaches(&world, "assign", "pending").await;
    assert_eq!(world.metric(&node, "pending").await, 1, "decided, stored, not sent");
    assert_eq!(world.chain.subscribe().borrow().transactions, seen, "nothing was sent");
    node.shutdown();
    node.join().await.unwrap();
}

/// A task that ran to its end while the node was away is found by reading its contract alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_was_not_heard_is_read() {
    let world = World::new(0).await;
    let mut config = world.node_config.clone();
    let node = world.node().await;
    let posted = world.post(&node, b"unheard", 35).await;
    world.fund(&world.listing(&node, b"unheard", 35)).await;
    world.reaches(&node, &posted.task, TaskStatus::Open).await;
    node.shutdown();
    node.join().await.unwrap();
    world.expire_by_anybody(&posted.escrow).await;
    // Everything the wallet was told is skipped: only the contract itself tells.
    let head = world.wallet_head().await;
    let path = config.data_dir.join("fog.db");
    let mut db = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    sqlx::query("UPDATE cursor SET lt = $1, hash = $2")
        .bind(i64::try_from(head.0).unwrap())
        .bind(&head.1[..])
        .execute(&mut db)
        .await
        .unwrap();
    drop(db);
    config.chain.reconcile_seconds = 1;
    let node = Node::start(config, world.keys.clone()).await.unwrap();
    world.started(&node).await;
    let view = world.reaches(&node, &posted.task, TaskStatus::Refunded).await;
    assert!(view.transactions.iter().any(|tx| tx.kind == "expire"), "{:?}", view.transactions);
    node.shutdown();
    node.join().await.unwrap();
}

/// Killed between an end and the reading of its contract, a node reads it after its next start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_was_not_noted_is_read_again() {
    let world = World::new(0).await;
    let node = world.node().await;
    let posted = world.post(&node, b"unnoted", 36).await;
    world.fund(&world.listing(&node, b"unnoted", 36)).await;
    world.reaches(&node, &posted.task, TaskStatus::Open).await;
    world.expire_by_anybody(&posted.escrow).await;
    let noted = async |node: &NodeHandle| {
        until("the end's transaction", || async {
            let view = world.view(node, &posted.task).await;
            view.transactions.iter().any(|tx| tx.kind == "expire").then_some(())
        })
        .await;
    };
    noted(&node).await;
    node.shutdown();
    node.join().await.unwrap();
    let path = world.node_config.data_dir.join("fog.db");
    let mut db = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    sqlx::raw_sql("DELETE FROM transactions WHERE kind = 'expire'").execute(&mut db).await.unwrap();
    drop(db);
    let node = world.node().await;
    noted(&node).await;
    node.shutdown();
    node.join().await.unwrap();
}

/// What was decided by other settings stays decided: the log holds the rules it was written by.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_settings_do_not_refuse_what_was_taken_before() {
    let world = World::new(1).await;
    let node = world.node().await;
    let paid = world.post(&node, b"paid", 37).await;
    world.fund(&world.listing(&node, b"paid", 37)).await;
    world.reaches(&node, &paid.task, TaskStatus::Open).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let offered = worker.win().await;
    worker.work(&world, &node, &offered, |_| {}).await;
    world.reaches(&node, &paid.task, TaskStatus::Paid).await;
    let open = world.post(&node, b"open", 38).await;
    node.shutdown();
    node.join().await.unwrap();
    let mut config = world.node_config.clone();
    config.min_rate_ppm = 999_999;
    config.probation = 0;
    config.flag_audits = 1;
    config.bids_per_task = 1;
    config.min_durations.bid = 5_000_000;
    config.limits.tasks_total = 1;
    config.limits.tasks_per_key = 1;
    for _ in 0..2 {
        let node = Node::start(config.clone(), world.keys.clone()).await.unwrap();
        world.started(&node).await;
        assert_eq!(world.view(&node, &paid.task).await.status, TaskStatus::Paid);
        assert_eq!(world.view(&node, &open.task).await.status, TaskStatus::AwaitingFunds);
        let listing = world.listing(&node, b"open", 39);
        let signed = fog_protocol::Signed::new(listing, &world.requestor.key);
        let url = format!("{}/v1/tasks", node.url());
        let refused = world.http.post(url).json(&signed).send().await.unwrap();
        assert_eq!(refused.status(), 422, "the new settings count for what is new");
        node.shutdown();
        node.join().await.unwrap();
    }
}
