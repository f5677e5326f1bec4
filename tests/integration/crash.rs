//! Killing the node (SIGKILL) at each step between verdict and final payment, and a worker in the
//! middle of a task. The node reaches the chain through a gateway of the test's, which sees each
//! message go by and can hold it: the moment of death is chosen, not hit by luck.

mod gateway;
mod process;

use std::time::{Duration, Instant};

use fog_contracts::{TaskState, operator, task::op};
use fog_harness::Behaviour;
use fog_protocol::{Nano, TaskStatus, api::TaskView};

use fog_requestor::Prepared;
use gateway::Hold;
use process::{FEE_BPS, Kind, WINDOW, World};

/// What the worker asks for the task below.
const PRICE: Nano = Nano::new(20_000_000);

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Posts a task, kills the node at `hold`, starts it again, and finds exactly one payment.
async fn one_payment_despite(world: &mut World, hold: Hold) {
    let before = world.stake().await;
    let fees = world.treasury().await;
    world.gateway.set(hold);
    let task = world.post().await;
    world.follow_until_held(&task).await;
    world.node.kill().await;
    world.gateway.set(Hold::Nothing);
    world.restart_node().await;
    let view = world.follow_to_end(&task).await;
    assert_eq!(view.status, TaskStatus::Paid, "{hold:?}: {view:#?}");
    let after = world.stake().await;
    let fee = PRICE.get() * u64::from(FEE_BPS) / 10_000;
    assert_eq!(after.earnings.get() - before.earnings.get(), PRICE.get() - fee, "{hold:?}");
    assert_eq!(after.stake, before.stake, "{hold:?}");
    assert_eq!(after.reserved, Nano::ZERO, "{hold:?}");
    // Half of the fee is the node's. The treasury pays rent for its account: a few nanogram, never a
    // second fee.
    let fee = fee / 2;
    let gained = world.treasury().await - fees;
    assert!((fee - 1_000..=fee).contains(&gained), "{hold:?}: {gained}");
}

#[test]
fn killed_at_every_step_it_pays_once() {
    process::runtime().block_on(async {
        let mut world = World::start(Kind::Checked).await;
        for hold in [
            Hold::Before(operator::op::TAKE_ON),
            Hold::After(operator::op::TAKE_ON),
            Hold::Before(op::COMMIT),
            // Stored and signed, never sent.
            Hold::Before(op::VERDICT),
            // Sent; the answer never came.
            Hold::After(op::VERDICT),
            // Sent and answered; what followed was never seen.
            Hold::Blind(op::VERDICT),
            Hold::Before(op::FINALIZE),
            Hold::After(op::FINALIZE),
            Hold::Blind(op::FINALIZE),
        ] {
            one_payment_despite(&mut world, hold).await;
        }
        world.stop().await;
    });
}

#[test]
fn a_worker_killed_in_the_middle_goes_on_and_loses_nothing() {
    process::runtime().block_on(async {
        let mut world = World::start(Kind::Checked).await;
        let before = world.stake().await;
        for reached in [TaskStatus::Running, TaskStatus::Committed] {
            let task = world.post().await;
            let passed = |view: &TaskView| view.status >= reached;
            until("the worker to have the task", async || {
                passed(&world.view(&task).await).then_some(())
            })
            .await;
            world.kill_worker().await;
            world.resume_worker();
            let view = world.follow_to_end(&task).await;
            assert_eq!(view.status, TaskStatus::Paid, "{view:#?}");
        }
        assert_eq!(world.stake().await.stake, before.stake);
        world.stop().await;
    });
}

/// Both are challenged on chain.
async fn until_disputed(world: &World, tasks: &[Prepared]) {
    until("the challenges on chain", async || {
        for task in tasks {
            if world.contract(task).await.state != TaskState::Disputed {
                return None;
            }
        }
        Some(())
    })
    .await;
}

#[test]
fn a_caught_workers_earlier_results_are_reversed_though_the_node_is_killed_twice() {
    process::runtime().block_on(async {
        let mut world = World::start(Kind::Unchecked).await;
        let staked = world.stake().await.stake;
        let right = world.post().await;
        assert!(!world.follow_to_verdict(&right).await.verdict.unwrap().audited);
        world.turn_worker(Behaviour::Partial).await;
        let mut wrong = Vec::new();
        for _ in 0..2 {
            let task = world.post().await;
            let view = world.follow_to_verdict(&task).await;
            let verdict = view.verdict.unwrap();
            assert!(!verdict.audited && verdict.verdict == "accepted", "{}", verdict.reason);
            wrong.push(task);
        }
        // Its nonce stays closed: it is looked at.
        world.gateway.set(Hold::Before(op::CHALLENGE));
        let caught = world.post().await;
        until("the challenge to be on its way", async || world.gateway.is_holding().then_some(()))
            .await;
        world.node.kill().await;
        world.gateway.set(Hold::Before(op::RULING));
        world.restart_node().await;
        until_disputed(&world, &wrong).await;
        world.warp(WINDOW + 10).await;
        until("the ruling to be on its way", async || world.gateway.is_holding().then_some(()))
            .await;
        world.node.kill().await;
        world.gateway.set(Hold::Nothing);
        world.restart_node().await;
        let mut lost = Nano::ZERO;
        for task in &wrong {
            let view = world.follow_to_end(task).await;
            assert_eq!(view.status, TaskStatus::Slashed, "{view:#?}");
            let recheck = view.recheck.unwrap();
            assert_eq!((recheck.caught, recheck.found.as_str()), (caught.task, "wrong"));
            lost = lost.saturating_add(view.slashed.unwrap());
        }
        let view = world.follow_to_end(&right).await;
        assert_eq!(view.status, TaskStatus::Paid, "{view:#?}");
        assert_eq!(view.recheck.unwrap().found, "right");
        let view = world.follow_to_end(&caught).await;
        assert_eq!(view.status, TaskStatus::Slashed, "{view:#?}");
        lost = lost.saturating_add(view.slashed.unwrap());
        let stake = world.stake().await;
        assert_eq!(stake.stake, staked.saturating_sub(lost), "nothing else was cut");
        assert!(world.metrics().await.contains("fog_rechecks{found=\"reversed\"} 2\n"));
        world.stop().await;
    });
}
