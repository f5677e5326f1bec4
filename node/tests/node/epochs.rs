//! The seed of a draw is fixed, and public as a hash, before anything is posted that it decides
//! about; it is told when all of that has ended.

use fog_node::NodeHandle;
use fog_protocol::{EpochRef, Listing, Signed, TaskStatus, api::EpochView};

use super::world::{MODULE, World, until};

impl World {
    async fn shown(&self, node: &NodeHandle, which: &str) -> EpochView {
        let url = format!("{}/v1/epochs/{which}", node.url());
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

    async fn turned(&self, node: &NodeHandle, number: u64) -> EpochView {
        until(&format!("epoch {number}"), || async {
            let epoch = self.shown(node, "current").await;
            (epoch.epoch >= number).then_some(epoch)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listings_name_the_running_epoch_whose_seed_waits_for_them() {
    let mut world = World::new(0).await;
    world.node_config.epoch_seconds = 100;
    world.node_config.funding_seconds = 1_000;
    let node = world.node().await;
    let first = world.shown(&node, "current").await;
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
    for epoch in [world.epoch(7), EpochRef { number: 0, ..world.epoch(1) }] {
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
    assert_eq!(world.shown(&node, "0").await.seed, None);

    // Epochs are what they were after a restart, and go on from there.
    node.shutdown();
    node.join().await.unwrap();
    let node = world.node().await;
    assert_eq!(world.shown(&node, "0").await.signed.as_ref(), Some(&record));
    assert_eq!(world.shown(&node, "1").await.signed.as_ref(), Some(&second));
    world.chain.warp(2_000).await.unwrap();
    let third = world.turned(&node, 2).await.signed.unwrap();
    assert!(third.value.follows(&second.value));
    world.reaches(&node, &listing.id(), TaskStatus::Dropped).await;
    let seed = until("the seed", || async { world.shown(&node, "0").await.seed }).await;
    assert_eq!(fog_verifier::draw::seed_hash(&seed), record.value.seed_hash);
    node.shutdown();
    node.join().await.unwrap();
}
