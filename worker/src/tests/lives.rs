//! Whole lives of a task, with the worker stopped and started again at every step.

use std::{sync::atomic::Ordering, time::Duration};

use axum::http::StatusCode;
use fog_protocol::{
    Commit, GiveUpCause, Nano, Reveal, Signed, TaskStatus,
    api::{REVEAL_CONTEXT, seal_context},
    gateway::{PassReason, ServerFrame, WorkerFrame},
};
use fog_verifier::{ExecuteError, Submission};

use super::{
    node::{Line, Node},
    world::{
        STAKE, WORKER, World, assigned, committed, consent_of, escrow_of, listing, offer, session,
        wait_for,
    },
};
use crate::{Behaviour, Shutdown, WorkerEvent, WorkerHandle, journal::Journal};

const INPUT: &[u8] = b"some input";

async fn stop(handle: WorkerHandle) {
    handle.shutdown(Shutdown::Fast);
    handle.join().await.unwrap();
}

async fn commitment(line: &mut Line) -> Signed<Commit> {
    match line.next().await {
        WorkerFrame::Commit { commit } => {
            commit.verify().unwrap();
            assert_eq!((commit.signer, commit.value.worker), (session().public(), WORKER));
            commit
        }
        other => panic!("{other:?}"),
    }
}

/// The next submission, opened with the node's key and checked against its commitment.
async fn submission(node: &mut Node, commit: &Commit) -> Submission {
    let (task, sealed) = node.submission().await;
    let plain = node.seal.open(&seal_context(REVEAL_CONTEXT, &task), &sealed).unwrap();
    let reveal: Reveal = borsh::from_slice(&plain).unwrap();
    Submission::open(reveal, &listing(INPUT), WORKER, commit.commitment).unwrap()
}

#[tokio::test]
async fn from_an_offer_to_the_money() {
    let mut world = World::new().await;
    let listing = listing(INPUT);
    let (task, escrow) = (listing.id(), escrow_of(&listing));
    world.payload(&listing, INPUT);
    let (mut handle, mut line) = world.bidding().await;
    let hello = line.hello.as_ref().unwrap();
    assert_eq!((hello.value.worker, hello.value.stake), (WORKER, STAKE));

    line.send(&offer(&listing));
    let WorkerFrame::Bid { bid } = line.next().await else { panic!("no bid") };
    let bid = bid.verify().unwrap();
    // 10^9 fuel cost 0.02 GRAM; 20 GRAM at the cap of 1 GRAM scale with the price.
    assert_eq!((bid.price, bid.reserve), (Nano::new(20_000_000), Nano::new(400_000_000)));
    let consent = consent_of(escrow, bid.reserve, bid.price, bid.valid_until);
    session().public().verify(&consent.0, &bid.consent).unwrap();

    line.send(&assigned(&listing));
    let commit = commitment(&mut line).await;
    line.send(&committed(task));
    let submission = submission(&mut world.node, &commit.value).await;
    assert_eq!(submission.output(), b"tupni emos");
    let (status, amount) = (TaskStatus::Paid, Nano::new(19_800_000));
    wait_for(&mut handle, |event| matches!(event, WorkerEvent::Submitted { .. })).await;
    line.send(&ServerFrame::Closed { task, status, amount, reason: "paid".into() });
    wait_for(&mut handle, |event| matches!(event, WorkerEvent::Closed { .. })).await;
    stop(handle).await;

    let (journal, _) = Journal::open(world.folder.path()).unwrap();
    assert_eq!(journal.state().totals().earned, amount);
    assert_eq!(journal.state().open().count(), 0);
}

#[tokio::test]
async fn a_restart_at_every_step_makes_the_same_commitment() {
    let mut world = World::new().await;
    let listing = listing(INPUT);
    let task = listing.id();
    world.payload(&listing, INPUT);
    world.sandbox.hold();
    let (mut handle, mut line) = world.bidding().await;
    line.send(&offer(&listing));
    let WorkerFrame::Bid { .. } = line.next().await else { panic!("no bid") };
    line.send(&assigned(&listing));

    // Stopped while the program runs.
    wait_for(&mut handle, |event| matches!(event, WorkerEvent::Running { .. })).await;
    stop(handle).await;
    world.sandbox.release();
    let handle = world.worker();
    let (mut line, resumed) = world.node.worker().await;
    assert_eq!(resumed, [task]);
    line.send(&assigned(&listing));
    let first = commitment(&mut line).await;
    let runs = world.sandbox.runs.load(Ordering::SeqCst);

    // Stopped before the commitment is acknowledged: the same bytes again, nothing run again.
    stop(handle).await;
    let handle = world.worker();
    let (mut line, resumed) = world.node.worker().await;
    assert_eq!(resumed, [task]);
    assert_eq!(commitment(&mut line).await, first);
    line.send(&assigned(&listing));
    assert_eq!(commitment(&mut line).await, first);

    // Stopped while the node does not take the result.
    world.node.answers.lock().unwrap().submission = StatusCode::SERVICE_UNAVAILABLE;
    line.send(&committed(task));
    submission(&mut world.node, &first.value).await;
    stop(handle).await;
    world.node.answers.lock().unwrap().submission = StatusCode::NO_CONTENT;
    let mut handle = world.worker();
    let (line, _) = world.node.worker().await;
    submission(&mut world.node, &first.value).await;
    wait_for(&mut handle, |event| matches!(event, WorkerEvent::Submitted { .. })).await;

    // Nothing is done twice after that.
    line.send(&assigned(&listing));
    line.send(&committed(task));
    stop(handle).await;
    assert_eq!(world.sandbox.runs.load(Ordering::SeqCst), runs);
}

#[tokio::test]
async fn a_lost_result_is_made_again_and_is_the_same() {
    let mut world = World::new().await;
    let listing = listing(INPUT);
    let task = listing.id();
    world.payload(&listing, INPUT);
    let (handle, mut line) = world.bidding().await;
    line.send(&assigned(&listing));
    let first = commitment(&mut line).await;
    stop(handle).await;
    std::fs::write(world.folder.path().join("results").join(task.to_string()), b"bad").unwrap();
    let escrow = escrow_of(&listing);
    let on_chain = crate::port::TaskOnChain::Committed { worker: WORKER };
    world.chain.tasks.lock().unwrap().insert(escrow, on_chain);

    let _handle = world.worker();
    let (mut line, _) = world.node.worker().await;
    assert_eq!(commitment(&mut line).await, first);
    line.send(&committed(task));
    let submission = submission(&mut world.node, &first.value).await;
    assert_eq!(submission.output(), b"tupni emos");
    assert_eq!(world.sandbox.runs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_cut_connection_is_made_again() {
    let mut world = World::new().await;
    let listing = listing(INPUT);
    world.payload(&listing, INPUT);
    world.sandbox.hold();
    let (mut handle, line) = world.bidding().await;
    line.send(&assigned(&listing));
    wait_for(&mut handle, |event| matches!(event, WorkerEvent::Running { .. })).await;
    drop(line);
    wait_for(&mut handle, |event| matches!(event, WorkerEvent::Disconnected { .. })).await;
    world.sandbox.release();
    let (mut line, resumed) = world.node.worker().await;
    assert_eq!(resumed, [listing.id()]);
    commitment(&mut line).await;
}

#[tokio::test]
async fn draining_finishes_what_is_held_and_takes_no_more() {
    let mut world = World::new().await;
    let (first, mut second) = (listing(INPUT), listing(INPUT));
    second.salt.0[0] ^= 1;
    world.payload(&first, INPUT);
    world.sandbox.hold();
    let (mut handle, mut line) = world.bidding().await;
    line.send(&assigned(&first));
    wait_for(&mut handle, |event| matches!(event, WorkerEvent::Running { .. })).await;
    handle.shutdown(Shutdown::Drain);
    wait_for(&mut handle, |event| matches!(event, WorkerEvent::NotBidding { .. })).await;
    line.send(&offer(&second));
    let WorkerFrame::Pass { reason, .. } = line.next().await else { panic!("no pass") };
    assert_eq!(reason, PassReason::Draining);
    world.sandbox.release();
    let commit = commitment(&mut line).await;
    line.send(&committed(first.id()));
    submission(&mut world.node, &commit.value).await;
    wait_for(&mut handle, |event| *event == WorkerEvent::Stopped { open: 1 }).await;
    handle.join().await.unwrap();
}

#[tokio::test]
async fn own_failures_are_tried_again_and_then_stop_the_bidding() {
    let mut world = World::new().await;
    let listing = listing(INPUT);
    world.payload(&listing, INPUT);
    world.sandbox.failures.store(3, Ordering::SeqCst);
    let (mut handle, mut line) = world.bidding().await;
    line.send(&assigned(&listing));
    wait_for(&mut handle, |event| matches!(event, WorkerEvent::Abandoned { .. })).await;
    let stopped = wait_for(
        &mut handle,
        |event| matches!(event, WorkerEvent::NotBidding { reason } if reason.contains("failed in a row")),
    );
    stopped.await;
    assert_eq!(line.given_up().await, (listing.id(), GiveUpCause::Host));
    line.send(&offer(&listing));
    let WorkerFrame::Pass { reason, .. } = line.next().await else { panic!("no pass") };
    assert_eq!(reason, PassReason::Busy);
}

/// Whatever keeps the worker from a result, the node is told, and what it needs is said to it.
#[tokio::test]
async fn the_node_is_told_why_a_task_is_given_up() {
    let too_slow = GiveUpCause::WallTime { reached_ms: 30_004, allowed_ms: 30_000 };
    let refused = GiveUpCause::Refused { code: "not_wasm".into() };
    let ends = [
        (ExecuteError::TooSlow { reached_ms: 30_004, allowed_ms: 30_000 }, too_slow),
        (ExecuteError::Refused { code: "not_wasm".into(), reason: "no".into() }, refused),
        (ExecuteError::Sandbox("killed by signal 9".into()), GiveUpCause::Host),
    ];
    for (end, cause) in ends {
        let mut world = World::new().await;
        let listing = listing(INPUT);
        world.payload(&listing, INPUT);
        *world.sandbox.end.lock().unwrap() = Some(end);
        let (mut handle, mut line) = world.bidding().await;
        line.send(&assigned(&listing));
        let WorkerFrame::GiveUp { task, given_up } = line.next().await else { panic!("silent") };
        assert_eq!((task, &given_up.cause), (listing.id(), &cause));
        assert_eq!(given_up.check(), Ok(()));

        // On another connection again, as long as the task is not closed.
        drop(line);
        wait_for(&mut handle, |event| matches!(event, WorkerEvent::Disconnected { .. })).await;
        let mut line = world.node.challenged().await;
        line.send(&ServerFrame::Welcome { probation_left: 3 });
        let again = line.next().await;
        assert_eq!(again, WorkerFrame::GiveUp { task, given_up });
        let (status, reason) = (TaskStatus::Refunded, String::from("late"));
        line.send(&ServerFrame::Closed { task, status, amount: Nano::ZERO, reason });
        line.send(&offer(&listing));
        line.next().await;
        drop(line);
        let mut line = world.node.challenged().await;
        line.send(&ServerFrame::Welcome { probation_left: 3 });
        let more = line.try_next(Duration::from_millis(300)).await;
        assert!(!matches!(more, Some(WorkerFrame::GiveUp { .. })), "{more:?}");
    }
}

#[tokio::test]
async fn a_lost_bid_frees_what_it_promised() {
    let mut world = World::new().await;
    let (mut handle, mut line) = world.bidding().await;
    let mut offers = Vec::new();
    for salt in 0..5 {
        let mut listing = listing(INPUT);
        listing.salt.0[0] = salt;
        line.send(&offer(&listing));
        offers.push((listing.id(), line.next().await));
    }
    let bids = offers.iter().filter(|(_, frame)| matches!(frame, WorkerFrame::Bid { .. }));
    assert_eq!(bids.count(), 4, "as many bids as slots");
    let (code, reason) = (String::from("outbid"), String::from("cheaper"));
    line.send(&ServerFrame::Lost { task: offers[0].0, code, reason });
    wait_for(&mut handle, |event| matches!(event, WorkerEvent::Lost { .. })).await;
    let mut listing = listing(INPUT);
    listing.salt.0[0] = 4;
    line.send(&offer(&listing));
    let WorkerFrame::Bid { .. } = line.next().await else { panic!("no bid") };
}

#[tokio::test]
async fn the_harness_cheat_commits_to_something_else() {
    let mut world = World::new().await;
    let listing = listing(INPUT);
    world.payload(&listing, INPUT);
    world.behaviour = Behaviour::WrongResults;
    let (_handle, mut line) = world.bidding().await;
    line.send(&assigned(&listing));
    let commit = commitment(&mut line).await;
    line.send(&committed(listing.id()));
    let submission = submission(&mut world.node, &commit.value).await;
    assert_ne!(submission.output(), b"tupni emos");
}
