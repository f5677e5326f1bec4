//! Whole lives of tasks.

use fog_protocol::{TaskStatus, gateway::ServerFrame};

use super::{
    worker::Worker,
    world::{PRICE, World},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_honest_result_is_verified_and_paid() {
    let world = World::new(1).await;
    let node = world.node().await;
    let before = world.stake(0).await;
    let input = b"the fog comes on little cat feet";
    let posted = world.post(&node, input, 1).await;
    assert_eq!(world.post(&node, input, 1).await, posted, "posting again answers the same");
    let path = format!("/v1/tasks/{}/result", posted.task);
    let result = || world.call(&node, &world.requestor.key, "GET", &path, Vec::new());
    assert_eq!(result().await.status(), 409);
    world.fund(&world.listing(&node, input, 1)).await;
    world.reaches(&node, &posted.task, TaskStatus::Open).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let offered = worker.win().await;
    let execution = worker.work(&world, &node, &offered, |_| {}).await;
    let status = worker
        .wait(|frame| match frame {
            ServerFrame::Closed { status, .. } => Some(status),
            _ => None,
        })
        .await;
    assert_eq!(status, TaskStatus::Paid);
    let view = world.reaches(&node, &posted.task, TaskStatus::Paid).await;
    let answer = result().await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.bytes().await.unwrap(), execution.output);
    assert!(!execution.output.is_empty());
    let fee = PRICE.mul_div(250, 10_000).unwrap();
    let after = world.stake(0).await;
    let earned = after.earnings.checked_sub(before.earnings).unwrap();
    assert_eq!(earned, PRICE.checked_sub(fee).unwrap());
    assert_eq!(after.reserved, before.reserved, "the reserve is released");
    let steps: Vec<_> = view.history.iter().map(|step| step.status).collect();
    assert_eq!(
        steps,
        [
            TaskStatus::AwaitingFunds,
            TaskStatus::Open,
            TaskStatus::Assigning,
            TaskStatus::Running,
            TaskStatus::Committed,
            TaskStatus::Verifying,
            TaskStatus::Accepted,
            TaskStatus::Paid,
        ]
    );
    assert!(view.verdict.unwrap().audited, "the first results are always audited");
    let kinds = super::world::until("the task's transactions", || async {
        let view = world.view(&node, &posted.task).await;
        let kinds: Vec<_> = view.transactions.into_iter().map(|tx| tx.kind).collect();
        kinds.contains(&"close".to_owned()).then_some(kinds)
    })
    .await;
    assert_eq!(
        kinds,
        ["fund", "open", "assign", "reserve", "commit", "verdict", "finalize", "close"]
    );
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_result_is_slashed_and_the_requestor_refunded() {
    let world = World::new(1).await;
    let node = world.node().await;
    let before = world.stake(0).await;
    let input = b"one two three";
    let posted = world.post(&node, input, 2).await;
    world.fund(&world.listing(&node, input, 2)).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let offered = worker.win().await;
    worker.work(&world, &node, &offered, |result| result.output.push(b'!')).await;
    let view = world.reaches(&node, &posted.task, TaskStatus::Slashed).await;
    let verdict = view.verdict.unwrap();
    assert_eq!(verdict.verdict, "rejected");
    assert!(verdict.audited);
    assert_eq!(view.result_hash, None, "what was found wrong is not shown as a result");
    let after = world.stake(0).await;
    assert_eq!(view.slashed, before.stake.checked_sub(after.stake));
    assert!(view.slashed.unwrap() >= PRICE);
    let path = format!("/v1/tasks/{}/result", posted.task);
    let answer = world.call(&node, &world.requestor.key, "GET", &path, Vec::new()).await;
    assert_eq!(answer.status(), 409);
    node.shutdown();
    node.join().await.unwrap();
}

/// Stopped and started between every two steps, the node goes on where it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_at_every_step_changes_nothing() {
    let world = World::new(1).await;
    let input = b"again and again";
    let mut node = world.node().await;
    macro_rules! restart {
        () => {
            node.shutdown();
            node.join().await.unwrap();
            node = world.node().await;
        };
    }
    let posted = world.post(&node, input, 3).await;
    restart!();
    world.fund(&world.listing(&node, input, 3)).await;
    world.reaches(&node, &posted.task, TaskStatus::Open).await;
    restart!();
    let mut worker = Worker::join(&world, &node, 0).await;
    let offered = worker.win().await;
    restart!();
    let mut worker = Worker::join(&world, &node, 0).await;
    worker.say(&fog_protocol::gateway::WorkerFrame::Resume { tasks: vec![posted.task] }).await;
    worker.wait(|frame| matches!(frame, ServerFrame::Assigned { .. }).then_some(())).await;
    worker.work(&world, &node, &offered, |_| {}).await;
    restart!();
    let view = world.reaches(&node, &posted.task, TaskStatus::Paid).await;
    assert!(view.result_bytes.is_some());
    let stake = world.stake(0).await;
    let fee = PRICE.mul_div(250, 10_000).unwrap();
    assert_eq!(stake.earnings, PRICE.checked_sub(fee).unwrap(), "paid once");
    restart!();
    assert_eq!(world.view(&node, &posted.task).await.status, TaskStatus::Paid);
    node.shutdown();
    node.join().await.unwrap();
}
