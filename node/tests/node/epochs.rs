//! The seed of a draw is fixed, and public as a hash, before anything is posted that it decides
//! about; it is told when all of that has ended.

use fog_chain::{ChainClient, ChainConfig};
use fog_contracts::anchor::{self, Anchor};
use fog_node::{Epochs, Node, NodeHandle};
use fog_protocol::{
    Address, EpochRef, Listing, Nano, Signed, Tagged as _, TaskStatus, api::EpochView, epoch_tasks,
};
use tycho_types::cell::Cell;

use super::{
    faults::{Killable, outbox_reaches},
    world::{MODULE, World, until},
};

impl World {
    async fn current(&self, node: &NodeHandle) -> EpochView {
        let url = format!("{}/v1/epochs/current", node.url());
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// The node's first epoch, or one so many after it.
    async fn shown(&self, node: &NodeHandle, after: u64) -> EpochView {
        let url = format!("{}/v1/epochs/{}", node.url(), self.epoch(after).number);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    async fn posting(
        &self,
        node: &NodeHandle,
        listing: Listing,
    ) -> Result<serde_json::Value, String> {
        let signed = Signed::new(listing, &self.requestor.key);
        let url = format!("{}/v1/tasks", node.url());
        let answer = self.http.post(url).json(&signed).send().await.unwrap();
        let (status, body) = (answer.status(), answer.json::<serde_json::Value>().await.unwrap());
        if status.is_success() { Ok(body) } else { Err(body["code"].as_str().unwrap().to_owned()) }
    }

    async fn turned(&self, node: &NodeHandle, after: u64) -> EpochView {
        until(&format!("epoch {after}"), || async {
            let epoch = self.current(node).await;
            (epoch.epoch >= self.epoch(after).number).then_some(epoch)
        })
        .await
    }
}

/// What the chain was told of an epoch, by whom.
async fn anchors(world: &World, node: &NodeHandle, number: u64) -> Vec<(Address, Anchor)> {
    let at = anchor::address(&node.id(), number);
    let endpoint = format!("{}/api/v2", world.chain.url());
    let chain = ChainClient::new(ChainConfig::new(endpoint, -3).with_confirmations(Some(0)));
    let Ok(found) = chain.unwrap().transactions(&at, None, 10, None).await else {
        return Vec::new();
    };
    let told = found.into_iter().filter_map(|tx| tx.in_msg);
    let parsed = told.map(|message| Some((message.source?, Anchor::parse(&message.body).ok()?)));
    parsed.flatten().collect()
}

/// It was dropped, its epoch shut and its seed told: now everybody knows its draw, and pays for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_paid_for_after_its_seed_was_told_stays_dropped() {
    let mut world = World::new(1).await;
    world.node_config.epoch_seconds = 100;
    world.node_config.funding_seconds = 50;
    let node = world.node().await;
    let first = world.current(&node).await.signed.unwrap().value;
    let listing = world.listing(&node, b"late", 1);
    let task = world.post(&node, b"late", 1).await.task;
    let before = world.balance(&node.operator()).await;
    world.chain.warp(400).await.unwrap();
    world.turned(&node, 1).await;
    world.reaches(&node, &task, TaskStatus::Dropped).await;
    until("the seed", || async { world.shown(&node, 0).await.seed }).await;
    // The head is told once, with the task; the epochs after it have none.
    let told = until("the anchor", || async {
        let told = anchors(&world, &node, first.number).await;
        (!told.is_empty()).then_some(told)
    })
    .await;
    let (number, head, root) = (first.number, first.digest(), epoch_tasks(&[task]));
    assert_eq!(told, [(node.operator(), Anchor { number, head, tasks: 1, root })]);
    let cost = before - world.balance(&node.operator()).await;
    assert!(cost < 20_000_000, "an anchor cost {cost} nanogram, half of it for its storage");

    world.fund(&listing).await;
    until("a word on it", || async {
        let view = world.view(&node, &task).await;
        assert_eq!(view.status, TaskStatus::Dropped);
        view.history.iter().any(|step| step.note.contains("fog task cancel")).then_some(())
    })
    .await;
    // After a restart, too, and as often as the chain is read.
    node.shutdown();
    node.join().await.unwrap();
    let node = world.node().await;
    world.chain.warp(200).await.unwrap();
    until("the second epoch to be over", || async {
        (world.current(&node).await.epoch > number + 1).then_some(())
    })
    .await;
    assert_eq!(world.view(&node, &task).await.status, TaskStatus::Dropped);
    // Nobody can have the account deleted, and with it the way to what it was told.
    let stray = anchor::address(&node.id(), number);
    world.tell(stray, Nano::ZERO, Cell::default()).await;
    let paid = || async { (world.balance(&stray).await < 10_000_000).then_some(()) };
    until("the stray message", paid).await;
    assert_eq!(anchors(&world, &node, number + 1).await, []);
    assert_eq!(anchors(&world, &node, number).await.len(), 1);
    node.shutdown();
    node.join().await.unwrap();
}

/// Killed as soon as the anchor has come to `state`: it is told, and once.
async fn killed_at(state: &str) {
    let mut world = World::new(0).await;
    world.node_config.epoch_seconds = 100;
    let running = Killable::start(&world).await;
    let number = world.epoch(0).number;
    world.post(running.node(), b"crash", 1).await;
    world.chain.warp(400).await.unwrap();
    outbox_reaches(&world, "anchor", state).await;
    running.kill().await;
    let running = Killable::start(&world).await;
    outbox_reaches(&world, "anchor", "done").await;
    until("the anchor", || async {
        (!anchors(&world, running.node(), number).await.is_empty()).then_some(())
    })
    .await;
    running.kill().await;
    // Whatever was on its way is over when the wallet's message can run no more.
    let running = Killable::start(&world).await;
    world.chain.warp(300).await.unwrap();
    until("the next epoch", || async {
        (world.current(running.node()).await.epoch > number + 1).then_some(())
    })
    .await;
    assert_eq!(anchors(&world, running.node(), number).await.len(), 1, "{state}");
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_with_an_anchor_pending_signed_or_sent_it_is_told_once() {
    for state in ["pending", "signed", "sent"] {
        killed_at(state).await;
    }
}

/// Without its database a node begins a chain with higher numbers; it says so by naming none before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_its_database_begins_another_chain_beyond_the_first() {
    let mut world = World::new(0).await;
    let node = world.node().await;
    let lost = world.current(&node).await.signed.unwrap().value;
    assert_eq!((lost.number, lost.is_first()), (lost.from, true));
    node.shutdown();
    node.join().await.unwrap();
    world.chain.warp(10).await.unwrap();
    // Put back from a copy, its operator has to say so.
    world.node_config.epochs = Epochs::Anew;
    let node = world.node().await;
    let anew = world.current(&node).await.signed.unwrap().value;
    assert!(anew.is_first() && anew.number > lost.number && anew.number == anew.from);
    node.shutdown();
    node.join().await.unwrap();
    world.chain.warp(10).await.unwrap();
    std::fs::remove_dir_all(&world.node_config.data_dir).unwrap();
    world.node_config.epochs = Epochs::Continue;
    let node = world.node().await;
    let last = world.current(&node).await.signed.unwrap().value;
    assert!(last.is_first() && last.number > anew.number);
    node.shutdown();
    node.join().await.unwrap();
}

/// Whoever asked knows the seed of an epoch that was told, and which results it draws: a copy of the
/// database from before does not know that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_the_database_does_not_go_on_where_seeds_were_told() {
    let mut world = World::new(0).await;
    world.node_config.epoch_seconds = 100;
    world.node_config.funding_seconds = 50;
    let node = world.node().await;
    let old = world.listing(&node, b"old", 1);
    let waiting = world.post(&node, b"old", 1).await.task;
    node.shutdown();
    node.join().await.unwrap();
    let database = world.node_config.data_dir.join("fog.db");
    let kept = std::fs::read(&database).unwrap();

    // Life goes on: the epoch ends, and its seed is told.
    let node = world.node().await;
    world.chain.warp(400).await.unwrap();
    let number = world.epoch(0).number;
    until("the anchor", || async {
        (!anchors(&world, &node, number).await.is_empty()).then_some(())
    })
    .await;
    until("the seed", || async { world.shown(&node, 0).await.seed }).await;
    node.shutdown();
    node.join().await.unwrap();
    std::fs::write(&database, kept).unwrap();

    let refused = Node::start(world.node_config.clone(), world.keys.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("--new-epochs"), "{refused}");
    world.node_config.epochs = Epochs::Anew;
    let node = world.node().await;
    let other = world.listing(&node, b"old", 2);
    assert_eq!(world.upload(&node, b"old").await.status(), 204);
    assert_eq!(world.posting(&node, other).await.unwrap_err(), "epoch_over");
    // Nor does what waited for its money then.
    world.fund(&old).await;
    until("a word on it", || async {
        let view = world.view(&node, &waiting).await;
        assert!(!matches!(view.status, TaskStatus::Open | TaskStatus::Assigning), "{view:?}");
        view.history.iter().any(|step| step.note.contains("fog task cancel")).then_some(())
    })
    .await;
    node.shutdown();
    node.join().await.unwrap();
    // It said so once, and goes on with the new chain.
    world.node_config.epochs = Epochs::Continue;
    let node = world.node().await;
    assert!(world.current(&node).await.epoch > number + 1);
    node.shutdown();
    node.join().await.unwrap();
}

/// A node that was away takes nothing for the epoch that ended meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_pause_the_first_epoch_is_one_that_runs() {
    let mut world = World::new(0).await;
    world.node_config.epoch_seconds = 100;
    let node = world.node().await;
    let over = world.listing(&node, b"late", 1);
    for bytes in [MODULE, b"late"] {
        assert_eq!(world.upload(&node, bytes).await.status(), 204);
    }
    node.shutdown();
    node.join().await.unwrap();
    world.chain.warp(1_000).await.unwrap();
    // Far from having heard of all that was meanwhile.
    world.node_config.chain.poll_millis = 60_000;
    let node = world.node().await;
    assert_eq!(world.posting(&node, over).await.unwrap_err(), "epoch_over");
    let shown = world.turned(&node, 1).await.signed.unwrap().value;
    assert!(shown.from >= world.epoch(0).number + 1_000, "{shown:?}");
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_epoch_that_does_not_end_is_no_configuration() {
    let mut world = World::new(0).await;
    for seconds in [0, fog_protocol::MAX_EPOCH_SECONDS + 1] {
        world.node_config.epoch_seconds = seconds;
        let refused = Node::start(world.node_config.clone(), world.keys.clone()).await;
        assert!(refused.unwrap_err().to_string().contains("31 days"));
    }
    world.node_config.epoch_seconds = 100;
    world.node_config.funding_seconds = 86_401;
    let refused = Node::start(world.node_config.clone(), world.keys.clone()).await;
    assert!(refused.unwrap_err().to_string().contains("a day"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listings_name_the_running_epoch_whose_seed_waits_for_them() {
    let mut world = World::new(0).await;
    world.node_config.epoch_seconds = 100;
    world.node_config.funding_seconds = 1_000;
    let node = world.node().await;
    let first = world.current(&node).await;
    let record = first.signed.clone().unwrap();
    assert_eq!(world.info(&node).await.epoch, first.signed);
    assert_eq!(record.of_node(&node.id(), &world.keys.operator.public()), Ok(&record.value));
    assert_eq!((record.value.named(), first.seed), (world.epoch(0), None));

    let listing = world.listing(&node, b"drawn", 1);
    for bytes in [MODULE, b"drawn"] {
        assert_eq!(world.upload(&node, bytes).await.status(), 204);
    }
    let posted = world.posting(&node, listing.clone()).await.unwrap();
    assert_eq!(posted["epoch"], serde_json::to_value(&record).unwrap());
    let unnamed =
        Listing { version: Listing::VERSION, epoch: None, ..world.listing(&node, b"drawn", 2) };
    assert_eq!(world.posting(&node, unnamed).await.unwrap_err(), "no_epoch");
    for epoch in [world.epoch(7), EpochRef { number: world.epoch(0).number, ..world.epoch(1) }] {
        let other = world.listing(&node, b"drawn", 3).with_epoch(epoch);
        assert_eq!(world.posting(&node, other).await.unwrap_err(), "unknown_epoch");
    }

    world.chain.warp(200).await.unwrap();
    let second = world.turned(&node, 1).await.signed.unwrap();
    assert!(second.value.follows(&record.value));
    let late = world.listing(&node, b"drawn", 4);
    assert_eq!(world.posting(&node, late).await.unwrap_err(), "epoch_over");
    world.posting(&node, listing.clone()).await.unwrap();
    let in_second = world.listing(&node, b"drawn", 4).with_epoch(second.value.named());
    let posted = world.posting(&node, in_second).await.unwrap();
    assert_eq!(posted["epoch"], serde_json::to_value(&second).unwrap());
    // Over, but what names it has not ended.
    assert_eq!(world.shown(&node, 0).await.seed, None);

    // Epochs are what they were after a restart, and go on from there.
    node.shutdown();
    node.join().await.unwrap();
    let node = world.node().await;
    assert_eq!(world.shown(&node, 0).await.signed.as_ref(), Some(&record));
    assert_eq!(world.shown(&node, 1).await.signed.as_ref(), Some(&second));
    world.chain.warp(2_000).await.unwrap();
    let third = world.turned(&node, 2).await.signed.unwrap();
    assert!(third.value.follows(&second.value));
    world.reaches(&node, &listing.id(), TaskStatus::Dropped).await;
    let seed = until("the seed", || async { world.shown(&node, 0).await.seed }).await;
    assert_eq!(fog_verifier::draw::seed_hash(&seed), record.value.seed_hash);
    node.shutdown();
    node.join().await.unwrap();
}
