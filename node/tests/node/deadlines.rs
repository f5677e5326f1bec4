//! Every wait has an end that needs nobody's help: chain time decides.

use fog_contracts::{CHALLENGE_VALUE, TaskState, dispute, market::Config};
use fog_node::NodeHandle;
use fog_protocol::{
    Address, GiveUpCause, GivenUp, Hash32, Nano, NonceOpening, Signed, TaskId, TaskStatus,
    gateway::{ServerFrame, WorkerFrame},
};

use super::{
    worker::Worker,
    world::{World, nonce, until},
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

/// What a worker says of giving up is its requestor's to read. It costs what silence costs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_says_why_it_gives_a_task_up_and_loses_what_it_would_have_lost() {
    let world = World::new(2).await;
    let node = world.node().await;
    let before = world.stake(0).await;
    let posted = world.post(&node, b"slow", 7).await;
    let task = posted.task;
    world.fund(&world.listing(&node, b"slow", 7)).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let offered = worker.win().await;
    let mut other = Worker::join(&world, &node, 1).await;
    let cause = GiveUpCause::WallTime { reached_ms: 30_012, allowed_ms: 30_000 };
    let given_up = GivenUp::new(cause.clone(), "");
    let give_up = |given_up: GivenUp| WorkerFrame::GiveUp { task, given_up };

    // Nobody else's word is kept, nor what could not be shown.
    other.say(&give_up(given_up.clone())).await;
    assert_eq!(other.refusal().await, "not_assigned");
    let unknown = WorkerFrame::GiveUp { task: TaskId(Hash32([9; 32])), given_up: given_up.clone() };
    worker.say(&unknown).await;
    assert_eq!(worker.refusal().await, "unknown_task");
    for detail in ["x".repeat(GivenUp::MOST_CHARS + 1), "\u{1b}[2J".to_owned()] {
        worker.say(&give_up(GivenUp { cause: GiveUpCause::Host, detail })).await;
        assert_eq!(worker.refusal().await, "bad_give_up");
    }
    let code = "No code".to_owned();
    worker.say(&give_up(GivenUp::new(GiveUpCause::Refused { code }, ""))).await;
    assert_eq!(worker.refusal().await, "bad_give_up");
    assert_eq!(world.view(&node, &task).await.given_up, None);

    worker.say(&give_up(given_up.clone())).await;
    let told = until("the word", || async { world.view(&node, &task).await.given_up }).await;
    assert_eq!((told.worker, &told.said), (worker.address, &given_up));
    // The first counts; saying more adds nothing, not even after a restart.
    worker.say(&give_up(GivenUp::new(GiveUpCause::Host, "other"))).await;
    worker.time().await;
    node.shutdown();
    node.join().await.unwrap();
    let node = world.node().await;
    let mut worker = Worker::join(&world, &node, 0).await;
    worker.say(&give_up(GivenUp::new(GiveUpCause::Host, "other"))).await;
    worker.time().await;
    let view = world.view(&node, &task).await;
    assert_eq!(view.given_up.as_ref(), Some(&told));
    assert_eq!(view.status, TaskStatus::Running, "nothing follows from it");
    let said = format!(
        "worker {} says: the wall time limit of its host was hit: 30012 of 30000 ms",
        worker.address
    );
    let notes: Vec<_> = view.history.iter().filter(|step| step.note.contains("says")).collect();
    assert_eq!(notes.iter().map(|step| step.note.as_str()).collect::<Vec<_>>(), [said.as_str()]);

    world.chain.warp(700).await.unwrap();
    let view = world.reaches(&node, &task, TaskStatus::Refunded).await;
    let lost = before.stake.checked_sub(world.stake(0).await.stake).unwrap();
    assert_eq!((view.slashed, Some(lost)), (Some(lost), offered.reserve.mul_div(1, 100)));
    assert_eq!(view.given_up, Some(told));
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_verdict_everybody_gets_their_own_back_and_the_nodes_bond_pays_the_worker() {
    let world = World::new(1).await;
    let node = world.node().await;
    let (before, bonded) = (world.stake(0).await, world.bond(&node).await);
    let had = world.balance(&world.workers[0].address()).await;
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
    // The node's silence costs the node.
    let bond = world.bond(&node).await;
    assert_eq!(bond.bond, bonded.bond.checked_sub(offered.listing.price_cap).unwrap());
    assert_eq!(bond.reserved, Nano::ZERO);
    let came = world.balance(&world.workers[0].address()).await - had;
    assert!(is_nearly(came, offered.listing.price_cap), "{came} of the bond");
    node.shutdown();
    node.join().await.unwrap();
}

/// A payment, of which the wallet it came to paid its own rent.
fn is_nearly(came: u128, paid: Nano) -> bool {
    let paid = u128::from(paid.get());
    came <= paid && paid - came < 1_000_000
}

/// Commits to a result and keeps it.
async fn withheld(world: &World, node: &NodeHandle, worker: &mut Worker, salt: u8) -> TaskId {
    let posted = world.post(node, b"kept", salt).await;
    world.fund(&world.listing(node, b"kept", salt)).await;
    let offered = worker.win().await;
    let payload = worker.payload(world, node, &posted.task).await;
    let result = worker.run(&offered.listing, payload).await;
    let (commitment, _) = worker.commitment(posted.task, &result);
    let before = world.metric(node, "done").await;
    worker.commit(&offered, commitment).await;
    until("the commitment on chain", || async {
        let view = world.view(node, &posted.task).await;
        (view.status == TaskStatus::Committed && world.metric(node, "done").await > before)
            .then_some(())
    })
    .await;
    posted.task
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_keeps_what_it_committed_to_is_late_and_the_bond_pays_nothing() {
    let world = World::new(1).await;
    let node = world.node().await;
    let (before, bonded) = (world.stake(0).await, world.bond(&node).await);
    let mut worker = Worker::join(&world, &node, 0).await;
    let task = withheld(&world, &node, &mut worker, 11).await;
    let reserved = world.stake(0).await.reserved;
    // Three quarters of the time for the verdict are over.
    world.chain.warp(470).await.unwrap();
    let view = world.reaches(&node, &task, TaskStatus::Refunded).await;
    let after = world.stake(0).await;
    let lost = before.stake.checked_sub(after.stake).unwrap();
    assert_eq!(lost, reserved.mul_div(1, 100).unwrap(), "as if it had never committed");
    assert_eq!(view.slashed, Some(lost));
    let bond = world.bond(&node).await;
    assert_eq!((bond.bond, bond.reserved), (bonded.bond, Nano::ZERO));
    node.shutdown();
    node.join().await.unwrap();
}

/// A task whose honest result is accepted, on chain too.
async fn accepted(
    world: &World,
    node: &NodeHandle,
    worker: &mut Worker,
    input: &[u8],
) -> (TaskId, Address) {
    let posted = world.post(node, input, 12).await;
    world.fund(&world.listing(node, input, 12)).await;
    let offered = worker.win().await;
    worker.work(world, node, &offered, |_| {}).await;
    let escrow = world.reaches(node, &posted.task, TaskStatus::Accepted).await.escrow;
    until("the verdict on chain", || async {
        (world.task(&escrow).await.state == TaskState::Accepted).then_some(())
    })
    .await;
    (posted.task, escrow)
}

async fn challenge(world: &World, escrow: Address) {
    let challenge = dispute::challenge(1, &Hash32([5; 32])).unwrap();
    let value = Nano::grams(1).saturating_add(CHALLENGE_VALUE);
    world.tell(escrow, value, challenge).await;
}

/// Until the node has a ruling to send.
async fn second_look(world: &World, node: &NodeHandle) {
    until("the second look", || async { (world.metric(node, "pending").await >= 1).then_some(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenge_is_looked_at_again_and_the_loser_pays() {
    let mut world = World::new(1).await;
    world.window = 60;
    let node = world.node().await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let (task, escrow) = accepted(&world, &node, &mut worker, b"disputed").await;
    let wallet = world.workers[0].address();
    let had = world.balance(&wallet).await;
    challenge(&world, escrow).await;
    assert_eq!(world.task(&escrow).await.state, TaskState::Disputed);
    // Nobody decides before the window is over, and nobody is paid.
    second_look(&world, &node).await;
    assert_eq!(world.task(&escrow).await.state, TaskState::Disputed);
    world.chain.warp(70).await.unwrap();
    let view = world.reaches(&node, &task, TaskStatus::Paid).await;
    assert!(view.verdict.is_some());
    let won = world.balance(&wallet).await - had;
    assert!(is_nearly(won, Nano::grams(1)), "{won} of the challenger's bond");
    node.shutdown();
    node.join().await.unwrap();
}

/// The node started with another time for rulings than its task has: the task's own counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ruling_goes_out_when_its_own_task_takes_it_whatever_the_market_asked_before() {
    let mut world = World::new(1).await;
    world.window = 60;
    let node = world.node().await;
    let appeal_time = world.config.appeal_time + 2_000;
    world.govern(Config { appeal_time, ..world.config.clone() }).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let (task, escrow) = accepted(&world, &node, &mut worker, b"governed").await;
    challenge(&world, escrow).await;
    let data = world.task(&escrow).await;
    let from = data.work.unwrap().dispute.unwrap().rules_from;
    assert_eq!(data.deadline - from, appeal_time, "by the task's own settings");
    second_look(&world, &node).await;
    // The verdict's own window is over, the time for the ruling has hardly begun.
    world.chain.warp(70).await.unwrap();
    world.reaches(&node, &task, TaskStatus::Paid).await;
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
            // For a commitment that is not there, which is what a worker's other one would be.
            let other = Hash32([1; 32]);
            assert_eq!(world.open_nonce_for(&node, &posted.task, salt, other).await, 409);
            assert_eq!(world.open_nonce(&node, &posted.task, salt).await, 204);
            let url = format!("{}/v1/tasks/{}/opening", node.url(), posted.task);
            let opening: Signed<NonceOpening> =
                world.http.get(url).send().await.unwrap().json().await.unwrap();
            let view = world.view(&node, &posted.task).await;
            assert_eq!(
                opening.is_for(&view.listing, &view.commitment.unwrap(), &nonce(salt)),
                Ok(())
            );
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
