//! Attacks on the gateway.

use fog_node::NodeHandle;
use fog_protocol::{
    Hash32, Nano, SecretKey, Signed, TaskStatus,
    gateway::{AUTH_SECONDS, MAX_FRAME_BYTES, ServerFrame, WorkerFrame},
};
use futures_util::SinkExt as _;
use tokio_tungstenite::tungstenite::Message;

use super::{
    worker::{Worker, challenge, dial, hello, next_frame, say},
    world::World,
};

/// The code with which a hello is refused.
async fn refused(
    world: &World,
    node: &NodeHandle,
    key: &SecretKey,
    change: impl FnOnce(&mut fog_protocol::gateway::Hello),
) -> String {
    let mut socket = dial(node).await;
    let (id, nonce) = challenge(&mut socket).await;
    let mut hello = hello(world, 0, id, nonce);
    change(&mut hello);
    say(&mut socket, &WorkerFrame::Hello { hello: Signed::new(hello, key) }).await;
    let Some(ServerFrame::Error { code, .. }) = next_frame(&mut socket).await else {
        panic!("it was not refused")
    };
    assert!(next_frame(&mut socket).await.is_none(), "and the connection ends");
    code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn false_hellos_are_refused() {
    let world = World::new(2).await;
    let node = world.node().await;
    let own = world.workers[0].key.clone();
    let other = world.workers[1].key.clone();
    assert_eq!(refused(&world, &node, &other, |_| {}).await, "wrong_session");
    let another_nonce = |hello: &mut fog_protocol::gateway::Hello| hello.nonce = Hash32([7; 32]);
    assert_eq!(refused(&world, &node, &own, another_nonce).await, "wrong_challenge");
    let another_node = |hello: &mut fog_protocol::gateway::Hello| hello.node = Hash32([7; 32]);
    assert_eq!(refused(&world, &node, &own, another_node).await, "wrong_challenge");
    let version = |hello: &mut fog_protocol::gateway::Hello| hello.protocol += 1;
    assert_eq!(refused(&world, &node, &own, version).await, "wrong_version");
    let stake = world.stake_init(1).address().unwrap();
    let foreign = move |hello: &mut fog_protocol::gateway::Hello| hello.stake = stake;
    assert_eq!(refused(&world, &node, &own, foreign).await, "wrong_stake");
    // A worker without any stake contract.
    let nobody = fog_protocol::Address::basechain([9; 32]);
    let config = world.config.clone();
    let market = world.market;
    let poor = move |hello: &mut fog_protocol::gateway::Hello| {
        hello.worker = nobody;
        hello.stake = config.stake_of(market, nobody).address().unwrap();
    };
    assert_eq!(refused(&world, &node, &own, poor).await, "no_stake");
    // A replayed hello: the answer to another connection's challenge.
    let mut first = dial(&node).await;
    let (id, nonce) = challenge(&mut first).await;
    let replayed = Signed::new(hello(&world, 0, id, nonce), &own);
    let mut second = dial(&node).await;
    challenge(&mut second).await;
    say(&mut second, &WorkerFrame::Hello { hello: replayed }).await;
    let frame = next_frame(&mut second).await;
    assert!(matches!(frame, Some(ServerFrame::Error { code, .. }) if code == "wrong_challenge"));
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_and_oversized_connections_are_dropped() {
    let world = World::new(1).await;
    let node = world.node().await;
    let mut silent = dial(&node).await;
    challenge(&mut silent).await;
    let since = tokio::time::Instant::now();
    let mut worker = Worker::join(&world, &node, 0).await;
    let frame = format!("{{\"type\":\"ping\",\"running\":0{}}}", " ".repeat(MAX_FRAME_BYTES));
    worker.socket.send(Message::text(frame)).await.unwrap();
    while next_frame(&mut worker.socket).await.is_some() {}
    let frame = next_frame(&mut silent).await;
    assert!(matches!(frame, Some(ServerFrame::Error { code, .. }) if code == "no_hello"));
    assert!(next_frame(&mut silent).await.is_none());
    assert!(since.elapsed().as_secs() <= AUTH_SECONDS + 2);
    // Too many frames at once.
    let mut worker = Worker::join(&world, &node, 0).await;
    for _ in 0..400 {
        let ping = serde_json::to_string(&WorkerFrame::Ping { running: 0 }).unwrap();
        if worker.socket.send(Message::text(ping)).await.is_err() {
            break;
        }
    }
    let mut last = None;
    while let Some(frame) = next_frame(&mut worker.socket).await {
        last = Some(frame);
    }
    assert!(
        matches!(&last, Some(ServerFrame::Error { code, .. }) if code == "too_many_frames"),
        "{last:?}"
    );
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_a_workers_own_is_refused() {
    let world = World::new(2).await;
    let node = world.node().await;
    let posted = world.post(&node, b"mine", 4).await;
    world.fund(&world.listing(&node, b"mine", 4)).await;
    world.reaches(&node, &posted.task, TaskStatus::Open).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let mut thief = Worker::join(&world, &node, 1).await;
    let offered = worker.offer().await;
    thief.offer().await;
    let until = worker.time().await + 300;
    let bid = worker.bid(&offered, Nano::new(900_000_000), until);
    let code = |frame| match frame {
        ServerFrame::Error { code, .. } => Some(code),
        _ => None,
    };
    // Another's bid replayed, a changed bid, a consent for other terms, a price above the cap.
    thief.say(&WorkerFrame::Bid { bid: bid.clone() }).await;
    assert_eq!(thief.wait(code).await, "foreign_bid");
    let mut changed = bid.clone();
    changed.value.price = Nano::new(1);
    thief.say(&WorkerFrame::Bid { bid: changed }).await;
    assert_eq!(thief.wait(code).await, "bad_signature");
    let mut consent = thief.bid(&offered, Nano::new(900_000_000), until).value;
    consent.price = Nano::new(800_000_000);
    let consent = Signed::new(consent, &thief.key);
    thief.say(&WorkerFrame::Bid { bid: consent }).await;
    assert_eq!(thief.wait(code).await, "bad_consent");
    let dear = thief.bid(&offered, Nano::new(2_000_000_000), until);
    thief.say(&WorkerFrame::Bid { bid: dear }).await;
    assert_eq!(thief.wait(code).await, "price_above_cap");
    worker.say(&WorkerFrame::Bid { bid }).await;
    worker.wait(|frame| matches!(frame, ServerFrame::Assigned { .. }).then_some(())).await;
    // The thief asks for the payload, and commits to the other's task.
    let path = format!("/v1/tasks/{}/payload", posted.task);
    let answer = world.call(&node, &thief.key, "GET", &path, Vec::new()).await;
    assert_eq!(answer.status(), 403);
    let commit = thief.signed_commit(posted.task, &offered.escrow, Hash32([1; 32]));
    thief.say(&WorkerFrame::Commit { commit }).await;
    assert_eq!(thief.wait(code).await, "not_yours");
    // A result before the commitment, a second commitment, a result that does not open it.
    let payload = worker.payload(&world, &node, &posted.task).await;
    let result = worker.run(&offered.listing, payload).await;
    let (commitment, reveal) = worker.commitment(posted.task, &result);
    assert_eq!(worker.submit(&world, &node, &reveal).await.status(), 409);
    worker.commit(&offered, commitment).await;
    let second = worker.signed_commit(posted.task, &offered.escrow, Hash32([2; 32]));
    worker.say(&WorkerFrame::Commit { commit: second }).await;
    assert_eq!(worker.wait(code).await, "committed_already");
    let mut other = reveal.clone();
    other.output.push(1);
    assert_eq!(worker.submit(&world, &node, &other).await.status(), 422);
    assert_eq!(worker.submit(&world, &node, &reveal).await.status(), 204);
    assert_eq!(worker.submit(&world, &node, &reveal).await.status(), 204, "the same again");
    let view = world.reaches(&node, &posted.task, TaskStatus::Paid).await;
    let codes: Vec<_> = view.refusals.iter().map(|refusal| refusal.code.as_str()).collect();
    assert!(codes.contains(&"price_above_cap"), "{codes:?}");
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_connection_of_a_worker_wins() {
    let world = World::new(1).await;
    let node = world.node().await;
    let mut old = Worker::join(&world, &node, 0).await;
    let mut new = Worker::join(&world, &node, 0).await;
    let code = old
        .wait(|frame| match frame {
            ServerFrame::Error { code, .. } => Some(code),
            _ => None,
        })
        .await;
    assert_eq!(code, "replaced");
    assert!(next_frame(&mut old.socket).await.is_none());
    assert!(new.time().await > 0);
    node.shutdown();
    node.join().await.unwrap();
}
