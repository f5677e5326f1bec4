//! What a dishonest node may try: refused, with a reason, and never committed to.

use std::{sync::atomic::Ordering, time::Duration};

use axum::extract::ws::Message;
use fog_protocol::{
    Address, BlobRef, Curve, GiveUpCause, Hash32, Listing, Policy, Program, PublicInput, Rail,
    SealKey, Units,
    api::{PAYLOAD_CONTEXT, Payload, seal_context},
    gateway::{MAX_FRAME_BYTES, PassReason, ServerFrame, WorkerFrame},
    seal,
};

use super::world::{
    JETTON, MODULE, OPERATOR, World, assigned, committed, escrow_of, listing, now, offer, wait_for,
};
use crate::{WorkerEvent, port::TaskOnChain};

const INPUT: &[u8] = b"some input";
const ELSEWHERE: Address = Address::basechain([0xee; 32]);

fn refused(event: &WorkerEvent) -> bool {
    matches!(event, WorkerEvent::Refused { .. })
}

#[tokio::test]
async fn offers_no_honest_node_makes_are_passed() {
    let mut world = World::new().await;
    let (mut handle, mut line) = world.bidding().await;
    let good = listing(INPUT);
    let mut offers = Vec::new();
    let mut bad_escrow = offer(&good);
    if let ServerFrame::Offer { escrow, .. } = &mut bad_escrow {
        *escrow = ELSEWHERE;
    }
    offers.push((bad_escrow, "escrow"));
    let mut endless = offer(&good);
    if let ServerFrame::Offer { bids_until, .. } = &mut endless {
        *bids_until = now() + 100_000;
    }
    offers.push((endless, "hour"));
    let mut other = good.clone();
    other.market = ELSEWHERE;
    offers.push((offer(&other), "market"));
    let mut other = good.clone();
    other.network = -239;
    offers.push((offer(&other), "network"));
    let mut other = good.clone();
    other.operator = ELSEWHERE;
    offers.push((offer(&other), "operator"));
    let mut other = good.clone();
    other.limits.fuel = 0;
    offers.push((offer(&other), "fuel"));
    for (offer, why) in offers {
        line.send(&offer);
        let WorkerFrame::Pass { reason, .. } = line.next().await else { panic!("no pass: {why}") };
        assert_eq!(reason, PassReason::Unsupported);
        let event = wait_for(&mut handle, refused).await;
        assert!(event.to_string().contains(why), "{event} does not name {why}");
    }
    line.send(&offer(&good));
    let WorkerFrame::Bid { .. } = line.next().await else { panic!("no bid") };
}

/// Nobody else's stake stands for what pays this worker alone: no contract would take it.
#[tokio::test]
async fn delegated_stake_bids_for_no_jettons() {
    for delegated in [false, true] {
        let mut world = World::new().await;
        world.chain.delegated.store(delegated, Ordering::SeqCst);
        let (mut handle, mut line) = world.bidding().await;
        let rail = Rail::Jetton { master: JETTON, units: Units::new(3_000_000).unwrap() };
        let in_gram = listing(INPUT);
        let listing = Listing { rail, version: Listing::JETTON_VERSION, ..in_gram.clone() };
        line.send(&offer(&listing));
        match (delegated, line.next().await) {
            (false, WorkerFrame::Bid { .. }) => {}
            (true, WorkerFrame::Pass { reason: PassReason::Unsupported, .. }) => {
                let passed = |event: &WorkerEvent| matches!(event, WorkerEvent::Passed { .. });
                let event = wait_for(&mut handle, passed).await;
                assert!(event.to_string().contains("delegated"), "{event}");
            }
            (_, other) => panic!("{other:?}"),
        }
        line.send(&offer(&in_gram));
        let WorkerFrame::Bid { .. } = line.next().await else { panic!("no bid in GRAM") };
    }
}

#[tokio::test]
async fn foreign_assignments_are_refused() {
    let mut world = World::new().await;
    let (mut handle, mut line) = world.bidding().await;
    let good = listing(INPUT);
    let mut other_task = assigned(&good);
    if let ServerFrame::Assigned { task, .. } = &mut other_task {
        task.0.0[0] ^= 1;
    }
    let mut other_escrow = assigned(&good);
    if let ServerFrame::Assigned { escrow, .. } = &mut other_escrow {
        *escrow = ELSEWHERE;
    }
    let mut other_market = good.clone();
    other_market.market = ELSEWHERE;
    for frame in [other_task, other_escrow, assigned(&other_market), committed(good.id())] {
        line.send(&frame);
        wait_for(&mut handle, refused).await;
    }
    // The chain knows better than the node.
    world.payload(&good, INPUT);
    let others = TaskOnChain::Assigned { worker: OPERATOR, price: good.price_cap };
    world.chain.tasks.lock().unwrap().insert(escrow_of(&good), others);
    line.send(&assigned(&good));
    let event = wait_for(&mut handle, |event| matches!(event, WorkerEvent::Abandoned { .. })).await;
    assert!(event.to_string().contains("assigned to"), "{event}");
    assert_eq!(line.given_up().await, (good.id(), GiveUpCause::NotAssigned));
    assert!(line.try_next(Duration::from_millis(200)).await.is_none());
    assert_eq!(world.sandbox.runs.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn foreign_payloads_are_not_run() {
    let mut world = World::new().await;
    let (mut handle, mut line) = world.bidding().await;
    let make = |salt| {
        let mut listing = listing(INPUT);
        listing.salt.0[0] = salt;
        listing
    };
    let payload = |program: &[&[u8]], input: &[u8]| Payload {
        files: program.iter().map(|blob| blob.to_vec()).collect(),
        input: input.to_vec(),
    };
    let same_length = b"the Module";
    let cases = [
        (make(0), payload(&[MODULE], b"other input"), "another input"),
        (make(1), payload(&[same_length], INPUT), "another program"),
        (make(2), payload(&[], INPUT), "another program"),
        (make(3), payload(&[MODULE, MODULE], INPUT), "another program"),
        (make(4), payload(&[&[0; 100_000]], INPUT), "longer than"),
    ];
    for (listing, payload, why) in cases {
        world.sealed(&listing, &payload);
        line.send(&assigned(&listing));
        let abandoned = |event: &WorkerEvent| matches!(event, WorkerEvent::Abandoned { .. });
        let event = wait_for(&mut handle, abandoned).await;
        assert!(event.to_string().contains(why), "{event} does not name {why}");
        assert_eq!(line.given_up().await, (listing.id(), GiveUpCause::NoPayload));
    }
    // Sealed to another worker; for another task; not sealed at all.
    let bytes = borsh::to_vec(&payload(&[MODULE], INPUT)).unwrap();
    let other = SealKey::from_seed(&[1; 32]).public();
    let context = |salt| seal_context(PAYLOAD_CONTEXT, &make(salt).id());
    let sealed = [
        (make(5), seal(&other, &context(5), &bytes).unwrap()),
        (make(6), bytes),
        (make(7), Vec::new()),
    ];
    for (listing, bytes) in sealed {
        world.node.answers.lock().unwrap().payloads.insert(listing.id(), bytes);
        line.send(&assigned(&listing));
        let abandoned = |event: &WorkerEvent| matches!(event, WorkerEvent::Abandoned { .. });
        let event = wait_for(&mut handle, abandoned).await;
        assert!(event.to_string().contains("does not open"), "{event}");
        assert_eq!(line.given_up().await, (listing.id(), GiveUpCause::NoPayload));
    }
    assert!(line.try_next(Duration::from_millis(200)).await.is_none());
    assert_eq!(world.sandbox.runs.load(Ordering::SeqCst), 0);
}

/// Terms that no honest proof meets would cost its worker the stake: it commits to nothing.
#[tokio::test]
async fn what_verifiers_would_refuse_is_not_committed_to() {
    const KEY: &[u8] =
        include_bytes!("../../../verifier/tests/vectors/groth16/bls12-381/bound.vk.json");
    let mut world = World::new().await;
    let (mut handle, line) = world.bidding().await;
    let module = BlobRef::of(MODULE);
    let mut listing = listing(INPUT);
    listing.program = Program::Circom { zkey: module, witness: module };
    listing.policy = Policy::Groth16 {
        curve: Curve::Bls12381,
        key: BlobRef::of(KEY),
        publics: vec![PublicInput::Binding, PublicInput::Free],
    };
    let files = vec![MODULE.to_vec(), MODULE.to_vec(), KEY.to_vec()];
    world.sealed(&listing, &Payload { files, input: INPUT.to_vec() });
    line.send(&assigned(&listing));
    let abandoned = |event: &WorkerEvent| matches!(event, WorkerEvent::Abandoned { .. });
    let event = wait_for(&mut handle, abandoned).await.to_string();
    assert!(event.contains("verifiers would refuse it: result_not_a_proof"), "{event}");
}

#[tokio::test]
async fn another_node_is_refused() {
    for (change, why) in [(0, "market"), (1, "network"), (2, "version")] {
        let world = World::new().await;
        {
            let mut answers = world.node.answers.lock().unwrap();
            match change {
                0 => answers.info.market = ELSEWHERE,
                1 => answers.info.network = -239,
                _ => answers.info.protocol += 1,
            }
        }
        let mut handle = world.worker();
        let event = wait_for(&mut handle, refused).await;
        assert!(event.to_string().contains(why), "{event} does not name {why}");
    }
}

#[tokio::test]
async fn a_gateway_of_another_node_gets_no_hello() {
    let mut world = World::new().await;
    let mut handle = world.worker();
    let mut line = world.node.connected().await;
    let (node, nonce) = (Hash32([1; 32]), Hash32([2; 32]));
    line.send(&ServerFrame::Challenge { protocol: 1, node, nonce });
    wait_for(&mut handle, refused).await;
    assert!(line.try_next(Duration::from_secs(2)).await.is_none());
}

#[tokio::test]
async fn a_node_known_before_is_pinned() {
    let mut world = World::new().await;
    let (handle, line) = world.bidding().await;
    handle.shutdown(crate::Shutdown::Fast);
    handle.join().await.unwrap();
    drop(line);
    world.node.answers.lock().unwrap().info.node = Hash32([1; 32]);
    let mut handle = world.worker();
    let event = wait_for(&mut handle, refused).await;
    assert!(event.to_string().contains("another node"), "{event}");
}

#[tokio::test]
async fn frames_that_are_none_end_the_connection() {
    let long = format!(r#"{{"type":"pong","chain_time":1,"x":"{}"}}"#, "x".repeat(MAX_FRAME_BYTES));
    for message in [
        Message::text("{}"),
        Message::text("[".repeat(10_000)),
        Message::binary(vec![1, 2, 3]),
        Message::text(long),
    ] {
        let mut world = World::new().await;
        let (mut handle, mut line) = world.bidding().await;
        line.send_raw(message);
        wait_for(&mut handle, |event| matches!(event, WorkerEvent::Disconnected { .. })).await;
        line.closed().await;
    }
}

#[tokio::test]
async fn work_is_not_taken_away_by_a_frame() {
    let mut world = World::new().await;
    let listing = listing(INPUT);
    let task = listing.id();
    world.payload(&listing, INPUT);
    world.sandbox.hold();
    let (mut handle, mut line) = world.bidding().await;
    line.send(&assigned(&listing));
    wait_for(&mut handle, |event| matches!(event, WorkerEvent::Running { .. })).await;
    let reason = || String::from("not yours");
    line.send(&ServerFrame::Lost { task, code: reason(), reason: reason() });
    let (status, amount) = (fog_protocol::TaskStatus::Open, fog_protocol::Nano::ZERO);
    line.send(&ServerFrame::Closed { task, status, amount, reason: reason() });
    wait_for(&mut handle, refused).await;
    world.sandbox.release();
    let WorkerFrame::Commit { .. } = line.next().await else { panic!("no commitment") };
}
