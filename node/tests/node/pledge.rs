//! Stake reserved in bulk, at a node: opened, used, freed, lost; forged, killed, forgotten. The chain is
//! real, so are the contracts.

use std::time::Duration;

use fog_contracts::{TaskState, epoch::Epoch};
use fog_node::NodeHandle;
use fog_protocol::{
    Address, Bid, Commit, Durations, EntryPage, Hash32, Listing, Nano, PledgeView, Policy,
    SecretKey, Signed, TaskId, TaskStatus,
    gateway::{PassReason, PledgeAsk, ServerFrame, WorkerFrame},
};
use sqlx::{ConnectOptions as _, Row as _, sqlite::SqliteConnectOptions};

use super::{
    faults::{Killable, outbox_reaches},
    proxy::{Fault, Proxy},
    rail::{Account, INPUT, post, stopped, view},
    worker::{Offered, Worker},
    world::{MODULE, PRICE, World, until},
};

const PLEDGE: Nano = Nano::grams(20);
const STAKED: Nano = Nano::grams(300);
/// At this rate the stake rule asks for 19 times the price.
const RATE: u32 = 50_000;

/// A network whose node asks for pledges, of 20 GRAM.
async fn pledging(workers: usize) -> World {
    let mut world = World::new(workers).await;
    world.node_config.rail.pledge = PLEDGE;
    world.node_config.rail.earnings_deposit = Nano::grams(10);
    world.node_config.rail.earnings_cap = Nano::grams(10);
    world.node_config.bid_round_seconds = 1;
    world
}

async fn opened(world: &World, node: &NodeHandle) -> Account {
    assert_eq!(world.upload(node, MODULE).await.status(), 204);
    assert_eq!(world.upload(node, INPUT).await.status(), 204);
    Account::open(world, node, Nano::grams(10), Nano::grams(10)).await
}

fn listing(world: &World, node: &NodeHandle, account: &Account, salt: u8) -> Listing {
    Listing {
        policy: Policy::Replay { rate_ppm: RATE },
        durations: Durations { bid: 600, commit: 300, verdict: 300, window: 0 },
        ..account.listing(world, node, salt)
    }
}

async fn posted(world: &World, node: &NodeHandle, account: &Account, salt: u8) -> TaskId {
    let listing = listing(world, node, account, salt);
    post(world, node, &Signed::new(listing, &world.requestor.key)).await.unwrap()
}

/// What a worker was asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    epoch: Epoch,
    ask: PledgeAsk,
}

impl Asked {
    fn escrow(&self) -> Address {
        self.epoch.task().address().unwrap()
    }

    fn id(&self) -> TaskId {
        TaskId(self.epoch.id())
    }
}

/// Waits, however long rounds may take: a worker that says nothing is dropped.
async fn patient<T>(worker: &mut Worker, mut pick: impl FnMut(ServerFrame) -> Option<T>) -> T {
    loop {
        let found = tokio::time::timeout(Duration::from_secs(5), worker.wait(&mut pick)).await;
        match found {
            Ok(found) => return found,
            Err(_) => worker.say(&WorkerFrame::Ping { running: 0 }).await,
        }
    }
}

/// Passes offers until one asks for a pledge.
async fn asked(world: &World, node: &NodeHandle, worker: &mut Worker) -> Asked {
    loop {
        let (task, found) = patient(worker, |frame| match frame {
            ServerFrame::Offer { listing, earnings, pledge, .. } => {
                Some((listing.id(), earnings.zip(pledge)))
            }
            _ => None,
        })
        .await;
        worker.say(&WorkerFrame::Pass { task, reason: PassReason::StakeTooSmall, ask: None }).await;
        let Some((earnings, ask)) = found else { continue };
        let PledgeAsk { number, price, bid, commit, lasts, .. } = ask;
        let (market, node, worker) = (world.market, node.operator(), worker.address);
        let epoch = Epoch { market, node, worker, earnings, number, price, bid, commit, lasts };
        return Asked { epoch, ask };
    }
}

fn consent(worker: &Worker, asked: &Asked) -> Bid {
    let ask = asked.ask;
    let offered = Offered { listing: any_listing(), escrow: asked.escrow(), reserve: ask.reserve };
    let bid = worker.bid(&offered, ask.price, ask.valid_until).value;
    Bid { task: asked.id(), ..bid }
}

/// The bid's own task is set by [`consent`]; nothing else of a listing is in it.
fn any_listing() -> Listing {
    Listing {
        version: 1,
        network: -3,
        market: Address::basechain([1; 32]),
        operator: Address::basechain([1; 32]),
        requestor: Address::basechain([1; 32]),
        requestor_key: SecretKey::from_seed(&[1; 32]).public(),
        program: fog_protocol::Program::Wasi { module: fog_protocol::BlobRef::of(MODULE) },
        input: fog_protocol::BlobRef::of(INPUT),
        limits: fog_protocol::ResourceLimits::default(),
        price_cap: PRICE,
        policy: Policy::Replay { rate_ppm: RATE },
        durations: Durations::default(),
        epoch: None,
        nonce_hash: Hash32::default(),
        salt: Hash32::default(),
        rail: fog_protocol::Rail::Escrow,
    }
}

fn promise(worker: &Worker, asked: &Asked) -> Signed<Commit> {
    worker.signed_commit(asked.id(), &asked.escrow(), asked.epoch.promise().unwrap())
}

fn frame(worker: &Worker, bid: Bid, commit: Signed<Commit>) -> WorkerFrame {
    WorkerFrame::Pledge { bid: Box::new(Signed::new(bid, &worker.key)), commit: Box::new(commit) }
}

/// Consents to what it is asked for, and promises.
async fn pledge(world: &World, node: &NodeHandle, worker: &mut Worker) -> Asked {
    let asked = asked(world, node, worker).await;
    worker.say(&frame(worker, consent(worker, &asked), promise(worker, &asked))).await;
    asked
}

async fn on_chain(world: &World, asked: &Asked, state: TaskState) {
    until(&format!("the pledge's task to be {state:?}"), || async {
        let account = world.chain.account(super::world::std(&asked.escrow())).await.unwrap();
        let data = account.data.map(|data| fog_contracts::task::TaskData::parse(&data).unwrap());
        (data?.state == state).then_some(())
    })
    .await;
}

/// Bids on every offer of the task until the pledge covers it.
async fn win(worker: &mut Worker, id: TaskId) -> Offered {
    loop {
        let offered = patient(worker, |frame| match frame {
            ServerFrame::Offer { listing, escrow, reserve_at_cap, .. } => {
                let offered = Offered { listing: *listing, escrow, reserve: reserve_at_cap };
                (offered.listing.id() == id).then_some(offered)
            }
            _ => None,
        })
        .await;
        assert_eq!(offered.reserve, PRICE.mul_div(19, 1).unwrap());
        let valid_until = worker.time().await + 300;
        let bid = worker.bid(&offered, PRICE, valid_until);
        worker.say(&WorkerFrame::Bid { bid }).await;
        let won = worker
            .wait(|frame| match frame {
                ServerFrame::Assigned { task, .. } if task == id => Some(true),
                ServerFrame::Error { code, .. } if code == "pledge_too_small" => Some(false),
                ServerFrame::Error { code, .. } if code == "earnings_full" => Some(false),
                ServerFrame::Error { code, message, .. } => panic!("{code}: {message}"),
                ServerFrame::Lost { reason, .. } => panic!("lost: {reason}"),
                _ => None,
            })
            .await;
        if won {
            return offered;
        }
    }
}

async fn row(world: &World, asked: &Asked) -> (String, Option<String>, Option<Vec<u8>>, i64) {
    let path = world.node_config.data_dir.join("fog.db");
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut db = options.connect().await.unwrap();
    let row = sqlx::query("SELECT state, verdict, evidence, slashed FROM pledges WHERE id = $1")
        .bind(&asked.id().0.0[..])
        .fetch_one(&mut db)
        .await
        .unwrap();
    (row.get(0), row.get(1), row.get(2), row.get(3))
}

async fn ended(world: &World, asked: &Asked) -> (Option<String>, Option<Vec<u8>>, i64) {
    until("the pledge's end", || async {
        let (state, verdict, evidence, slashed) = row(world, asked).await;
        (state == "ended").then_some((verdict, evidence, slashed))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pledge_stands_for_work_and_is_free_when_its_time_is_over() {
    let world = pledging(1).await;
    let node = world.node().await;
    let account = opened(&world, &node).await;
    // Without one, what is not all checked waits.
    let task = posted(&world, &node, &account, 1).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let first = pledge(&world, &node, &mut worker).await;
    assert_eq!((first.ask.reserve, first.ask.number), (PLEDGE, 0));
    on_chain(&world, &first, TaskState::Committed).await;
    assert_eq!(world.stake(0).await.reserved, PLEDGE);
    let offered = win(&mut worker, task).await;
    worker.work(&world, &node, &offered, |_| {}).await;
    let ended_task = world.reaches(&node, &task, TaskStatus::Paid).await;
    assert_eq!(ended_task.reserve, PRICE.mul_div(19, 1));
    assert_eq!(world.stake(0).await.reserved, PLEDGE, "nothing more, and nothing less");
    // What stood for it can be recomputed by its requestor.
    let url = format!("{}/v1/accounts/{}/entries", node.url(), account.address);
    let page: EntryPage = world.http.get(url).send().await.unwrap().json().await.unwrap();
    let PledgeView { earnings, number, price, bid, commit, lasts } =
        page.entries[0].pledge.unwrap();
    assert_eq!(Epoch { earnings, number, price, bid, commit, lasts, ..first.epoch }, first.epoch);

    // Past half of its time the next is opened beside it: work goes on without a gap.
    let before = worker.time().await;
    world.chain.warp(1_900).await.unwrap();
    while worker.time().await < before + 1_900 {
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let task = posted(&world, &node, &account, 2).await;
    let second = pledge(&world, &node, &mut worker).await;
    assert_eq!(second.ask.number, 1);
    on_chain(&world, &second, TaskState::Committed).await;
    assert_eq!(world.stake(0).await.reserved, PLEDGE.saturating_add(PLEDGE));
    let offered = win(&mut worker, task).await;
    worker.work(&world, &node, &offered, |_| {}).await;
    world.reaches(&node, &task, TaskStatus::Paid).await;

    // Nobody has to ask for it: the verdict is the root of what was entered.
    world.chain.warp(900).await.unwrap();
    let (verdict, evidence, slashed) = ended(&world, &first).await;
    let root = view(&world, &node, &first.epoch.earnings).await.root;
    assert_eq!((verdict.as_deref(), slashed), (Some("accepted"), 0));
    assert_eq!(evidence.as_deref(), Some(&root.0[..]));
    on_chain(&world, &first, TaskState::Paid).await;
    let stake = world.stake(0).await;
    assert_eq!((stake.reserved, stake.stake), (PLEDGE, STAKED), "the second goes on");
    stopped(node).await;
}

/// The promise is on chain before the work: nothing is left for a cheat to keep back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_false_result_costs_the_pledge_even_if_its_worker_is_gone() {
    let world = pledging(1).await;
    let node = world.node().await;
    let account = opened(&world, &node).await;
    let task = posted(&world, &node, &account, 1).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let asked = pledge(&world, &node, &mut worker).await;
    let offered = win(&mut worker, task).await;
    worker.work(&world, &node, &offered, |result| result.output.push(b'!')).await;
    drop(worker);
    let slashed_task = world.reaches(&node, &task, TaskStatus::Slashed).await;
    on_chain(&world, &asked, TaskState::Slashed).await;
    let stake = world.stake(0).await;
    assert_eq!((stake.reserved, stake.stake), (Nano::ZERO, STAKED.saturating_sub(PLEDGE)));
    let (verdict, evidence, slashed) = ended(&world, &asked).await;
    assert_eq!(verdict.as_deref(), Some("rejected"));
    assert_eq!(slashed, i64::try_from(PLEDGE.get()).unwrap());
    let told = slashed_task.verdict.unwrap().evidence;
    assert_eq!(evidence.as_deref(), Some(&told.0[..]), "the false result's own evidence");
    assert_eq!(account.view(&world, &node).await.owed, Nano::ZERO);
    stopped(node).await;
}

/// Everything a worker could send in place of what it was asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_was_asked_for_is_opened_and_once() {
    let world = pledging(2).await;
    let node = world.node().await;
    let account = opened(&world, &node).await;
    posted(&world, &node, &account, 1).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let asked = asked(&world, &node, &mut worker).await;
    let (good, right) = (consent(&worker, &asked), promise(&worker, &asked));
    let other = Asked { epoch: Epoch { lasts: 1_800, ..asked.epoch }, ..asked };
    let resigned = |change: &dyn Fn(&mut Asked)| {
        let mut asked = asked;
        change(&mut asked);
        consent(&worker, &asked)
    };
    let wrong_rule = worker.signed_commit(asked.id(), &asked.escrow(), Hash32([7; 32]));
    let elsewhere = worker.signed_commit(asked.id(), &world.market, asked.epoch.promise().unwrap());
    let later = resigned(&|asked| asked.ask.valid_until += 100_000);
    let frames = [
        (
            frame(&worker, resigned(&|asked| asked.ask.reserve = Nano::new(1)), right.clone()),
            "other_pledge",
        ),
        (frame(&worker, resigned(&|asked| asked.ask.price = PRICE), right.clone()), "other_pledge"),
        (frame(&worker, later, right.clone()), "other_pledge"),
        (frame(&worker, consent(&worker, &other), promise(&worker, &other)), "other_pledge"),
        (
            frame(&worker, Bid { reserve: Nano::new(1), ..good.clone() }, right.clone()),
            "bad_consent",
        ),
        (frame(&worker, good.clone(), wrong_rule), "bad_promise"),
        (frame(&worker, good.clone(), elsewhere), "bad_promise"),
        (frame(&worker, good.clone(), promise(&worker, &other)), "bad_promise"),
    ];
    let code_of = async |worker: &mut Worker| {
        worker
            .wait(|frame| match frame {
                ServerFrame::Error { code, .. } => Some(code),
                _ => None,
            })
            .await
    };
    for (frame, code) in frames {
        worker.say(&frame).await;
        assert_eq!(code_of(&mut worker).await, code, "{frame:?}");
    }
    // Another worker's signatures, and what nobody was asked for.
    let mut thief = Worker::join(&world, &node, 1).await;
    let stolen = frame(&worker, good.clone(), right.clone());
    thief.say(&stolen).await;
    assert_eq!(code_of(&mut thief).await, "foreign_bid");
    let own = Bid { worker: thief.address, stake: thief.stake, ..good.clone() };
    let own = thief.bid(
        &Offered { listing: any_listing(), escrow: own.escrow, reserve: own.reserve },
        own.price,
        own.valid_until,
    );
    let own = Bid { task: asked.id(), ..own.value };
    let signed = thief.signed_commit(asked.id(), &asked.escrow(), asked.epoch.promise().unwrap());
    thief.say(&frame(&thief, own, signed)).await;
    let refused = code_of(&mut thief).await;
    assert!(["not_asked", "other_pledge"].contains(&refused.as_str()), "{refused}");
    assert_eq!(world.stake(0).await.reserved, Nano::ZERO);

    // The right one, three times: one task, one reservation.
    for _ in 0..3 {
        worker.say(&frame(&worker, good.clone(), right.clone())).await;
    }
    on_chain(&world, &asked, TaskState::Committed).await;
    let stake = world.stake(0).await;
    assert_eq!((stake.reserved, stake.reservations.len()), (PLEDGE, 1));
    // Its signatures are no bid for a task, and no commitment to one's result.
    let bid = Signed::new(good, &worker.key);
    worker.say(&WorkerFrame::Bid { bid }).await;
    assert_eq!(code_of(&mut worker).await, "unknown_task");
    worker.say(&WorkerFrame::Commit { commit: right }).await;
    assert_eq!(code_of(&mut worker).await, "unknown_task");
    stopped(node).await;
}

/// The session key signs whatever its worker likes: a worker that commits to something else first, so
/// that no verdict would ever fit, has no pledge.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promise_that_was_broken_before_it_began_stands_for_nothing() {
    let world = pledging(1).await;
    let node = world.node().await;
    let account = opened(&world, &node).await;
    let task = posted(&world, &node, &account, 1).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let asked = pledge(&world, &node, &mut worker).await;
    let other = worker.signed_commit(asked.id(), &asked.escrow(), Hash32([7; 32])).value;
    let body = fog_contracts::task::commit(1, &other.commitment, &other.chain_signature).unwrap();
    // The node hears of the reservation, stores it, signs and sends; this worker only sends.
    let reserved = async || {
        let account = world.chain.account(super::world::std(&asked.escrow())).await.unwrap();
        let data = account.data.map(|data| fog_contracts::task::TaskData::parse(&data).unwrap());
        data.is_some_and(|data| data.state == TaskState::Assigned)
    };
    while !reserved().await {
        tokio::task::yield_now().await;
    }
    world.tell(asked.escrow(), fog_contracts::COMMIT_VALUE, body).await;
    let commitment = world.task(&asked.escrow()).await.work.unwrap().commitment;
    assert_eq!(commitment, Hash32([7; 32]), "the worker was quicker");
    on_chain(&world, &asked, TaskState::Committed).await;
    until("the node to see it", || async {
        (row(&world, &asked).await.0 == "reserved").then_some(())
    })
    .await;
    for _ in 0..2 {
        let offered = patient(&mut worker, |frame| match frame {
            ServerFrame::Offer { listing, escrow, reserve_at_cap, pledge, .. } => {
                assert_eq!(pledge, None, "it is not asked again");
                Some(Offered { listing: *listing, escrow, reserve: reserve_at_cap })
            }
            _ => None,
        })
        .await;
        assert_eq!(offered.listing.id(), task);
        let valid_until = worker.time().await + 300;
        let bid = worker.bid(&offered, PRICE, valid_until);
        worker.say(&WorkerFrame::Bid { bid }).await;
        let code = patient(&mut worker, |frame| match frame {
            ServerFrame::Error { code, .. } => Some(code),
            ServerFrame::Assigned { .. } => panic!("assigned with nothing behind it"),
            _ => None,
        })
        .await;
        assert_eq!(code, "pledge_too_small");
    }
    assert_eq!(row(&world, &asked).await.0, "reserved", "it never came to live");
    drop(worker);
    world.chain.warp(3_700).await.unwrap();
    let (verdict, _, slashed) = ended(&world, &asked).await;
    assert_eq!((verdict, slashed), (None, 0));
    assert_eq!(world.stake(0).await.reserved, Nano::ZERO);
    stopped(node).await;
}

/// What a node could not open while the worker's consent counted, it cannot use later: it is over, and the
/// worker is asked for another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pledge_that_is_never_opened_is_given_up_with_its_consent() {
    let mut world = pledging(1).await;
    let proxy = Proxy::new(&world.chain.url()).await;
    world.node_config.chain.endpoint.clone_from(&proxy.url);
    world.node_config.chain.reconcile_seconds = 1;
    let node = world.node().await;
    let account = opened(&world, &node).await;
    posted(&world, &node, &account, 1).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let first = asked(&world, &node, &mut worker).await;
    proxy.set(Fault::LoseMessages);
    worker.say(&frame(&worker, consent(&worker, &first), promise(&worker, &first))).await;
    outbox_reaches(&world, "pledge_open", "signed").await;
    world.chain.warp(590).await.unwrap();
    until("another message of it", || async { expired(&world).await.then_some(()) }).await;
    assert_eq!(row(&world, &first).await.0, "consented", "as long as the consent counts");
    world.chain.warp(200).await.unwrap();
    let (verdict, _, slashed) = ended(&world, &first).await;
    assert_eq!((verdict, slashed), (None, 0));
    proxy.set(Fault::None);
    // Nothing of it comes later, over a restart either; the next is another.
    stopped(node).await;
    let node = world.node().await;
    drop(worker);
    let mut worker = Worker::join(&world, &node, 0).await;
    posted(&world, &node, &account, 2).await;
    let second = pledge(&world, &node, &mut worker).await;
    assert_eq!(second.ask.number, first.ask.number + 1);
    on_chain(&world, &second, TaskState::Committed).await;
    let there = world.chain.account(super::world::std(&first.escrow())).await.unwrap();
    assert!(there.data.is_none(), "the first was never sent again");
    assert_eq!(world.stake(0).await.reserved, PLEDGE);
    stopped(node).await;
}

/// Did a message of the wallet run out of time?
async fn expired(world: &World) -> bool {
    let path = world.node_config.data_dir.join("fog.db");
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut db = options.connect().await.unwrap();
    let rows = sqlx::query("SELECT 1 FROM messages WHERE state = 'expired'").fetch_all(&mut db);
    !rows.await.unwrap().is_empty()
}

/// What was taken on under one setting is not lost under another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_starts_again_without_pledges() {
    let mut world = pledging(1).await;
    let node = world.node().await;
    let account = opened(&world, &node).await;
    let task = posted(&world, &node, &account, 1).await;
    stopped(node).await;
    world.node_config.rail.pledge = Nano::ZERO;
    let node = world.node().await;
    world.reaches(&node, &task, TaskStatus::Open).await;
    let listing = listing(&world, &node, &account, 2);
    let refused = post(&world, &node, &Signed::new(listing, &world.requestor.key)).await;
    assert_eq!(refused, Err("422 rail_needs_audit".to_owned()));
    stopped(node).await;
}

/// A node that is away when the verdict is due takes nothing: the stake is free by time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_away_leaves_the_stake_whole() {
    let world = pledging(1).await;
    let node = world.node().await;
    let account = opened(&world, &node).await;
    posted(&world, &node, &account, 1).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let asked = pledge(&world, &node, &mut worker).await;
    on_chain(&world, &asked, TaskState::Committed).await;
    until("it to be known", || async { (row(&world, &asked).await.0 == "live").then_some(()) })
        .await;
    stopped(node).await;
    drop(worker);
    world.chain.warp(4_000).await.unwrap();
    let value = fog_contracts::END_VALUE;
    world.tell(asked.escrow(), value, fog_contracts::task::expire(5).unwrap()).await;
    on_chain(&world, &asked, TaskState::Refunded).await;
    let stake = world.stake(0).await;
    assert_eq!((stake.reserved, stake.stake), (Nano::ZERO, STAKED));
    let node = world.node().await;
    let (verdict, _, slashed) = ended(&world, &asked).await;
    assert_eq!((verdict, slashed), (None, 0));
    stopped(node).await;
}

/// Killed as soon as each kind of intent has come to `state`: one pledge, one reservation, one end.
async fn killed_at(state: &str, salt: u8, cheats: bool) {
    let world = pledging(1).await;
    let mut running = Killable::start(&world).await;
    let account = opened(&world, running.node()).await;
    let task = posted(&world, running.node(), &account, salt).await;
    let mut worker = Worker::join(&world, running.node(), 0).await;
    let asked = pledge(&world, running.node(), &mut worker).await;
    for kind in ["pledge_open", "pledge_reserve", "pledge_promise"] {
        outbox_reaches(&world, kind, state).await;
        running.kill().await;
        running = Killable::start(&world).await;
    }
    on_chain(&world, &asked, TaskState::Committed).await;
    worker = Worker::join(&world, running.node(), 0).await;
    let offered = win(&mut worker, task).await;
    running.kill().await;
    running = Killable::start(&world).await;
    worker = Worker::join(&world, running.node(), 0).await;
    let change = |result: &mut fog_verifier::Execution| {
        if cheats {
            result.output.push(b'!');
        }
    };
    worker.work(&world, running.node(), &offered, change).await;
    let end = if cheats { TaskStatus::Slashed } else { TaskStatus::Paid };
    world.reaches(running.node(), &task, end).await;
    if !cheats {
        world.chain.warp(2_800).await.unwrap();
    }
    for kind in ["pledge_judge", "pledge_end"] {
        outbox_reaches(&world, kind, state).await;
        running.kill().await;
        running = Killable::start(&world).await;
    }
    let end = if cheats { TaskState::Slashed } else { TaskState::Paid };
    on_chain(&world, &asked, end).await;
    ended(&world, &asked).await;
    let stake = world.stake(0).await;
    let left = if cheats { STAKED.saturating_sub(PLEDGE) } else { STAKED };
    assert_eq!((stake.reserved, stake.stake), (Nano::ZERO, left));
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_with_a_pledges_intents_pending_it_goes_on() {
    killed_at("pending", 41, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_with_a_pledges_intents_sent_it_is_slashed_once() {
    killed_at("sent", 42, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_with_a_pledges_intents_final_it_goes_on() {
    killed_at("final", 43, false).await;
}
