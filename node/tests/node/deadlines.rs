//! Every wait has an end that needs nobody's help: chain time decides.

use fog_protocol::{TaskStatus, gateway::ServerFrame};

use super::{
    worker::Worker,
    world::{World, until},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_bid_the_requestor_is_refunded() {
    let world = World::new(0).await;
    let node = world.node().await;
    let posted = world.post(&node, b"nobody", 5).await;
    world.fund(&world.listing(&node, b"nobody", 5)).await;
    world.reaches(&node, &posted.task, TaskStatus::Open).await;
    world.chain.warp(700).await.unwrap();
    let view = world.reaches(&node, &posted.task, TaskStatus::Refunded).await;
    assert_eq!(view.worker, None);
    assert_eq!(view.slashed, None);
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_that_is_not_funded_is_dropped_and_revived_by_late_money() {
    let world = World::new(0).await;
    let node = world.node().await;
    let posted = world.post(&node, b"unpaid", 6).await;
    world.chain.warp(4000).await.unwrap();
    world.reaches(&node, &posted.task, TaskStatus::Dropped).await;
    world.fund(&world.listing(&node, b"unpaid", 6)).await;
    world.reaches(&node, &posted.task, TaskStatus::Open).await;
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_never_commits_loses_a_little_and_the_requestor_is_refunded() {
    let world = World::new(1).await;
    let node = world.node().await;
    let before = world.stake(0).await;
    let posted = world.post(&node, b"late", 7).await;
    world.fund(&world.listing(&node, b"late", 7)).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let offered = worker.win().await;
    world.chain.warp(700).await.unwrap();
    let view = world.reaches(&node, &posted.task, TaskStatus::Refunded).await;
    let after = world.stake(0).await;
    let lost = before.stake.checked_sub(after.stake).unwrap();
    assert_eq!(view.slashed, Some(lost));
    assert_eq!(lost, offered.reserve.mul_div(1, 100).unwrap(), "a bounded penalty");
    assert_eq!(after.reserved.get(), 0);
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_result_there_is_no_verdict_and_everybody_gets_their_own_back() {
    let world = World::new(1).await;
    let node = world.node().await;
    let before = world.stake(0).await;
    let posted = world.post(&node, b"silence", 8).await;
    world.fund(&world.listing(&node, b"silence", 8)).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let offered = worker.win().await;
    let payload = worker.payload(&world, &node, &posted.task).await;
    let result = worker.run(&offered.listing, payload).await;
    let (commitment, _) = worker.commitment(posted.task, &result);
    worker.commit(&offered, commitment).await;
    until("the commitment on chain", || async {
        let view = world.view(&node, &posted.task).await;
        (view.status == TaskStatus::Committed && world.metric(&node, "done").await >= 2)
            .then_some(())
    })
    .await;
    world.chain.warp(700).await.unwrap();
    let view = world.reaches(&node, &posted.task, TaskStatus::Refunded).await;
    assert_eq!(view.slashed, None);
    assert!(view.verdict.is_none(), "nothing is paid or cut without a verdict");
    let after = world.stake(0).await;
    assert_eq!((after.stake, after.reserved), (before.stake, before.reserved));
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_draw_waits_for_the_nonce_and_a_withheld_nonce_is_an_audit() {
    let mut world = World::new(1).await;
    world.node_config.probation = 0;
    world.node_config.nonce_grace_seconds = 30;
    let node = world.node().await;
    let mut worker = Worker::join(&world, &node, 0).await;
    for (salt, opens) in [(9, true), (10, false)] {
        let posted = world.post(&node, b"drawn?", salt).await;
        world.fund(&world.listing(&node, b"drawn?", salt)).await;
        assert_ne!(world.open_nonce(&node, &posted.task, salt).await, 204, "not before");
        let offered = worker.win().await;
        worker.work(&world, &node, &offered, |_| {}).await;
        if opens {
            assert_eq!(world.open_nonce(&node, &posted.task, salt ^ 1).await, 422);
            assert_eq!(world.open_nonce(&node, &posted.task, salt).await, 204);
        } else {
            until("the commitment on chain", || async {
                (world.metric(&node, "done").await >= 6).then_some(())
            })
            .await;
            world.chain.warp(40).await.unwrap();
        }
        let view = world.reaches(&node, &posted.task, TaskStatus::Paid).await;
        let verdict = view.verdict.unwrap();
        if opens {
            assert!(verdict.reason.contains("drawn"), "{}", verdict.reason);
        } else {
            assert!(verdict.audited && verdict.reason.contains("nonce"), "{}", verdict.reason);
        }
        worker.wait(|frame| matches!(frame, ServerFrame::Closed { .. }).then_some(())).await;
    }
    node.shutdown();
    node.join().await.unwrap();
}
