//! Pledges a node asks for: what an honest node asks is signed, kept and watched; all else is refused.

use std::time::Duration;

use fog_contracts::{
    channel::{Channel, ChannelData, Purpose},
    epoch::Epoch,
};
use fog_protocol::{
    Address, Bid, Commit, Listing, Nano, Rail, SecretKey, Signed, TaskId,
    gateway::{PassReason, PledgeAsk, ServerFrame, WorkerFrame},
    tagged_hash,
};

use super::{
    node::Line,
    world::{
        MARKET, OPERATOR, STAKE, WORKER, World, consent_of, escrow_of, listing, now, session,
        wait_for,
    },
};
use crate::{PledgeStage, WorkerEvent, WorkerHandle, port::TaskOnChain};

fn earnings(payee: Address) -> Channel {
    Channel {
        purpose: Purpose::Earnings,
        payer: OPERATOR,
        payee,
        payer_key: SecretKey::from_seed(&[8; 32]).public(),
        payee_key: session().public(),
        cap: Nano::grams(5),
        delay: 600,
        series: 0,
    }
}

fn ask(number: u32) -> PledgeAsk {
    PledgeAsk {
        number,
        reserve: Nano::grams(10),
        price: Nano::new(1),
        bid: 600,
        commit: 3600,
        lasts: 3600,
        valid_until: now() + 600,
    }
}

fn epoch(ask: &PledgeAsk, earnings: Address) -> Epoch {
    let PledgeAsk { number, price, bid, commit, lasts, .. } = *ask;
    let (market, node, worker) = (MARKET, OPERATOR, WORKER);
    Epoch { market, node, worker, earnings, number, price, bid, commit, lasts }
}

fn on_rail() -> Listing {
    let rail = Rail::Account { account: Address::basechain([0xac; 32]) };
    Listing { version: rail.listing_version(), rail, ..listing(b"some input") }
}

/// An offer of the account rail that needs 5 GRAM pledged.
fn offer(earnings: Address, pledge: Option<PledgeAsk>) -> ServerFrame {
    let listing = on_rail();
    ServerFrame::Offer {
        escrow: escrow_of(&listing),
        listing: Box::new(listing),
        reserve_at_cap: Nano::grams(5),
        bids_until: now() + 5,
        earnings: Some(earnings),
        pledge,
    }
}

/// A worker whose earnings at the node are open.
async fn earning(world: &mut World) -> (WorkerHandle, Line, Address) {
    let terms = earnings(WORKER);
    let address = terms.address().unwrap();
    let at = ChannelData { balance: Nano::grams(5), ..ChannelData::fresh(&terms) };
    world.chain.channels.lock().unwrap().insert(address, at);
    let (handle, line) = world.bidding().await;
    (handle, line, address)
}

async fn passed(line: &mut Line) {
    let WorkerFrame::Pass { reason, .. } = line.next().await else { panic!("no pass") };
    assert_eq!(reason, PassReason::StakeTooSmall, "nothing is pledged yet");
}

async fn signed(line: &mut Line) -> (Signed<Bid>, Signed<Commit>) {
    let WorkerFrame::Pledge { bid, commit } = line.next().await else { panic!("no pledge") };
    (*bid, *commit)
}

#[tokio::test]
async fn what_is_pledged_is_exactly_what_was_recomputed() {
    let mut world = World::new().await;
    let (mut handle, mut line, earnings) = earning(&mut world).await;
    let ask = ask(0);
    let epoch = epoch(&ask, earnings);
    let escrow = epoch.task().address().unwrap();
    let unknown = TaskOnChain::Unassigned;
    world.chain.tasks.lock().unwrap().insert(escrow, unknown);
    line.send(&offer(earnings, Some(ask)));
    let (bid, commit) = signed(&mut line).await;
    passed(&mut line).await;
    let (bid, commit) = (bid.verify().unwrap().clone(), commit.verify().unwrap().clone());
    let id = TaskId(epoch.id());
    assert_eq!((bid.task, bid.escrow, bid.worker, bid.stake), (id, escrow, WORKER, STAKE));
    assert_eq!((bid.reserve, bid.price), (ask.reserve, ask.price));
    let consent = consent_of(escrow, ask.reserve, ask.price, ask.valid_until);
    session().public().verify(&consent.0, &bid.consent).unwrap();
    let rule = epoch.promise().unwrap();
    assert_eq!((commit.task, commit.commitment), (id, rule));
    let hash = tagged_hash("test/commit", &[&escrow.hash.0, &rule.0]);
    session().public().verify(&hash.0, &commit.chain_signature).unwrap();

    // On chain it stands for work, and the work adds nothing to what is at risk.
    let committed = TaskOnChain::Committed { worker: WORKER };
    world.chain.tasks.lock().unwrap().insert(escrow, committed);
    line.send(&offer(earnings, None));
    let WorkerFrame::Bid { bid } = line.next().await else { panic!("no bid") };
    assert!(bid.value.reserve > Nano::ZERO && bid.value.reserve <= Nano::grams(5));
    assert_eq!(bid.value.escrow, escrow_of(&on_rail()));
    let live =
        |event: &WorkerEvent| matches!(event, WorkerEvent::Pledge { stage: PledgeStage::Live, .. });
    wait_for(&mut handle, live).await;
    let known = crate::pledges(world.folder.path()).unwrap();
    assert_eq!((known.len(), known[0].stage, known[0].escrow), (1, PledgeStage::Live, escrow));
}

#[tokio::test]
async fn a_node_gets_no_signature_for_terms_of_its_own() {
    let mut world = World::new().await;
    let (mut handle, mut line, earnings) = earning(&mut world).await;
    let bad = [
        (PledgeAsk { price: Nano::grams(3), ..ask(0) }, "gain from a slash"),
        (PledgeAsk { reserve: Nano::grams(500), ..ask(0) }, "this worker pledges"),
        (PledgeAsk { commit: 1, ..ask(0) }, "for the promise"),
        (PledgeAsk { valid_until: now() - 1, ..ask(0) }, "is over"),
        (PledgeAsk { lasts: u32::MAX, ..ask(0) }, "longer"),
        (PledgeAsk { valid_until: now() + 1_000_000, ..ask(0) }, "hour"),
    ];
    for (bad, why) in bad {
        line.send(&offer(earnings, Some(bad)));
        passed(&mut line).await;
        let refused = |event: &WorkerEvent| matches!(event, WorkerEvent::Refused { .. });
        let event = wait_for(&mut handle, refused).await;
        assert!(event.to_string().contains(why), "{event} does not name {why}");
    }
    // Somebody else's earnings, at this node: they are read on chain.
    let foreign = self::earnings(OPERATOR);
    let address = foreign.address().unwrap();
    world.chain.channels.lock().unwrap().insert(address, ChannelData::fresh(&foreign));
    line.send(&offer(address, Some(ask(0))));
    let WorkerFrame::Pass { .. } = line.next().await else { panic!("signed for {address}") };
    assert!(line.try_next(Duration::from_millis(200)).await.is_none());
    assert_eq!(crate::pledges(world.folder.path()).unwrap(), []);
}

/// One number is signed for once, whatever happens in between: what is signed is on disk before.
#[tokio::test]
async fn a_restart_signs_the_same_again_and_nothing_else() {
    let mut world = World::new().await;
    let (handle, mut line, earnings) = earning(&mut world).await;
    let first = ask(0);
    let escrow = epoch(&first, earnings).task().address().unwrap();
    world.chain.tasks.lock().unwrap().insert(escrow, TaskOnChain::Unassigned);
    line.send(&offer(earnings, Some(first)));
    let (bid, commit) = signed(&mut line).await;
    handle.shutdown(crate::Shutdown::Fast);
    handle.join().await.unwrap();
    drop(line);
    let (mut handle, mut line) = world.bidding().await;
    line.send(&offer(earnings, Some(first)));
    assert_eq!(signed(&mut line).await, (bid, commit));
    passed(&mut line).await;
    let more = PledgeAsk { reserve: Nano::grams(11), ..first };
    line.send(&offer(earnings, Some(more)));
    passed(&mut line).await;
    let refused = |event: &WorkerEvent| matches!(event, WorkerEvent::Refused { .. });
    let event = wait_for(&mut handle, refused).await;
    assert!(event.to_string().contains("signed before"), "{event}");
}
