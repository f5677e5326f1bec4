//! A worker is caught: what was accepted of it without a look, and can still be taken back, is run
//! again, and what is wrong falls on chain.

use fog_contracts::{TaskState, market::Config};
use fog_node::{Node, NodeHandle, TrustedConfig};
use fog_protocol::{Address, Nano, TaskId, TaskStatus};
use fog_verifier::{Execution, draw, result_root};
use sqlx::{ConnectOptions as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    proxy::{Fault, Proxy},
    worker::Worker,
    world::{World, nonce, std, until},
};

const RATE: u32 = 50_000;
const WINDOW: u32 = 600;
/// What one task is worked on with, and what comes out of it.
const INPUT: &[u8] = b"words that are counted";

/// A made up result.
fn falsify(result: &mut Execution) {
    result.output = b"0\n".to_vec();
}

/// The node draws by an epoch whose seed this world knows: salts of listings whose result is drawn,
/// or is not.
struct Draws<'a> {
    world: &'a World,
    node: &'a NodeHandle,
    worker: &'a Worker,
    honest: &'a Execution,
    /// The rate that is drawn at.
    rate: u32,
    next: u8,
}

impl Draws<'_> {
    fn salt(&mut self, drawn: bool, wrong: bool) -> u8 {
        let mut result = self.honest.clone();
        if wrong {
            falsify(&mut result);
        }
        loop {
            let salt = self.next;
            self.next += 1;
            let listing = self.world.listing(self.node, INPUT, salt);
            let root = result_root(&listing.policy, result.exit, &result.output, result.fuel_used);
            let (commitment, _) = self.worker.commitment_to(listing.id(), root, &result);
            let seed = self.world.seed(0);
            if drawn == draw::is_drawn(&seed, &nonce(salt), &listing.id(), &commitment, self.rate) {
                return salt;
            }
        }
    }
}

/// From posting to the verdict: task and escrow.
async fn done(
    world: &World,
    node: &NodeHandle,
    worker: &mut Worker,
    salt: u8,
    wrong: bool,
) -> (TaskId, Address) {
    let posted = world.post(node, INPUT, salt).await;
    world.fund(&world.listing(node, INPUT, salt)).await;
    let offered = worker.win().await;
    let change = |result: &mut Execution| {
        if wrong {
            falsify(result);
        }
    };
    worker.work(world, node, &offered, change).await;
    assert_eq!(world.open_nonce(node, &posted.task, salt).await, 204);
    (posted.task, posted.escrow)
}

/// As `done`, with an accepted verdict on chain and nobody having looked.
async fn unseen(
    world: &World,
    node: &NodeHandle,
    worker: &mut Worker,
    (salt, wrong): (u8, bool),
) -> (TaskId, Address) {
    let (task, escrow) = done(world, node, worker, salt, wrong).await;
    let view = world.reaches(node, &task, TaskStatus::Accepted).await;
    let verdict = view.verdict.unwrap();
    assert!(!verdict.audited, "{}", verdict.reason);
    assert_eq!(verdict.rate_ppm, Some(RATE));
    until("the verdict on chain", || async {
        (world.task(&escrow).await.state == TaskState::Accepted).then_some(())
    })
    .await;
    (task, escrow)
}

async fn watched() -> World {
    let mut world = World::new(1).await;
    world.window = WINDOW;
    world.node_config.probation = 0;
    world
}

/// What an honest run gives, found out by one.
async fn honest(world: &World, node: &NodeHandle, worker: &Worker) -> Execution {
    let payload = fog_protocol::api::Payload {
        files: vec![crate::world::MODULE.to_vec()],
        input: INPUT.to_vec(),
    };
    worker.run(&world.listing(node, INPUT, 0), payload).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_caught_worker_was_not_drawn_for_is_reversed_on_chain_across_a_restart() {
    let world = watched().await;
    let node = world.node().await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let honest = honest(&world, &node, &worker).await;
    let mut draws =
        Draws { world: &world, node: &node, worker: &worker, honest: &honest, rate: RATE, next: 1 };
    let salts = [(draws.salt(false, true), true), (draws.salt(false, false), false)];
    let caught = draws.salt(true, true);
    let before = world.stake(0).await.stake;
    let (wrong, escrow) = unseen(&world, &node, &mut worker, salts[0]).await;
    let (right, _) = unseen(&world, &node, &mut worker, salts[1]).await;
    let (drawn, _) = done(&world, &node, &mut worker, caught, true).await;
    world.reaches(&node, &drawn, TaskStatus::Rejected).await;

    // It is challenged before anything is paid; then the node is away for a while.
    until("the challenge", || async {
        (world.task(&escrow).await.state == TaskState::Disputed).then_some(())
    })
    .await;
    node.shutdown();
    node.join().await.unwrap();
    world.chain.warp(WINDOW + 10).await.unwrap();
    let node = world.node().await;
    let view = world.reaches(&node, &wrong, TaskStatus::Slashed).await;
    let recheck = view.recheck.unwrap();
    assert_eq!((recheck.caught, recheck.found.as_str()), (drawn, "wrong"));
    assert!(view.slashed.unwrap() > Nano::ZERO);
    let notes: Vec<_> = view.history.iter().map(|step| step.note.as_str()).collect();
    assert!(notes.iter().any(|note| note.contains("re-verified after worker")), "{notes:?}");
    let kinds: Vec<_> = view.transactions.iter().map(|tx| tx.kind.as_str()).collect();
    assert!(kinds.contains(&"challenge") && kinds.contains(&"ruling"), "{kinds:?}");
    // The evidence of the ruling is served by the hash that is on chain.
    let url = format!("{}/v1/evidence/{}", node.url(), recheck.evidence.unwrap());
    let found: fog_verifier::Evidence =
        world.http.get(url).send().await.unwrap().json().await.unwrap();
    assert!(found.task == wrong && !found.accepts());

    let view = world.reaches(&node, &right, TaskStatus::Paid).await;
    assert_eq!(view.recheck.unwrap().found, "right");
    let view = world.reaches(&node, &drawn, TaskStatus::Slashed).await;
    assert_eq!(view.recheck, None);
    let lost = before.checked_sub(world.stake(0).await.stake);
    assert!(lost.is_some_and(|lost| lost > Nano::ZERO), "its stake was cut");
    assert_eq!(world.counter(&node, "fog_rechecks{found=\"reversed\"}").await, 1);
    node.shutdown();
    node.join().await.unwrap();
}

/// A wrong result that nobody looked at, and its worker caught with another.
async fn caught(world: &World, node: &NodeHandle) -> Address {
    let mut worker = Worker::join(world, node, 0).await;
    let honest = honest(world, node, &worker).await;
    let mut draws = Draws { world, node, worker: &worker, honest: &honest, rate: RATE, next: 1 };
    let (salt, caught) = (draws.salt(false, true), draws.salt(true, true));
    let (_, escrow) = unseen(world, node, &mut worker, (salt, true)).await;
    let (drawn, _) = done(world, node, &mut worker, caught, true).await;
    // What verdicts and rulings cost is there whatever else waits.
    world.reaches(node, &drawn, TaskStatus::Rejected).await;
    escrow
}

/// The node's database, to look at.
async fn database(world: &World) -> Option<SqliteConnection> {
    let path = world.node_config.data_dir.join("fog.db");
    SqliteConnectOptions::new().filename(path).read_only(true).connect().await.ok()
}

/// What of the node's challenges waits, and why.
async fn waiting(world: &World) -> Option<String> {
    let mut db = database(world).await?;
    let reason = "SELECT reason FROM outbox WHERE kind = 'challenge' AND state = 'pending'";
    sqlx::query_scalar::<_, Option<String>>(reason).fetch_optional(&mut db).await.ok()??
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenge_waits_for_coins_that_verdicts_do_not_need() {
    let mut world = watched().await;
    let held = world.balance(&world.operator()).await;
    world.node_config.wallet_floor = Nano::new(u64::try_from(held).unwrap());
    let node = world.node().await;
    let escrow = caught(&world, &node).await;
    let reason = until("a challenge that waits", || waiting(&world)).await;
    assert!(reason.contains("stay for verdicts"), "{reason}");
    assert_eq!(world.task(&escrow).await.state, TaskState::Accepted);
    // Bonds come back, or somebody pays in: it goes out as long as its window runs.
    world.chain.fund(std(&world.operator()), 5_000_000_000).await.unwrap();
    world.chain.warp(15).await.unwrap();
    until("the challenge", || async {
        (world.task(&escrow).await.state == TaskState::Disputed).then_some(())
    })
    .await;
    node.shutdown();
    node.join().await.unwrap();
}

/// The node's challenge: its state, and when it is looked at again.
async fn challenge(world: &World) -> Option<(String, i64)> {
    let mut db = database(world).await?;
    let row = "SELECT state, not_before FROM outbox WHERE kind = 'challenge'";
    sqlx::query_as(row).fetch_optional(&mut db).await.ok()?
}

/// Its first gateway lies while the node wants to challenge: says that the task has ended, or that it is
/// tomorrow. The second one does not, so nothing is given up, and it challenges once they agree.
async fn challenged_in_spite_of(lie: Fault) {
    let mut world = watched().await;
    let proxy = Proxy::new(&world.chain.url()).await;
    world.node_config.chain.endpoint.clone_from(&proxy.url);
    world.node_config.chain.witness = Some(format!("{}/api/v2", world.chain.url()));
    // The challenge is decided, and waits for coins.
    let held = world.balance(&world.operator()).await;
    world.node_config.wallet_floor = Nano::new(u64::try_from(held).unwrap());
    let node = world.node().await;
    // What the contract of a task holds that has ended.
    let posted = world.post(&node, INPUT, 250).await;
    world.fund(&world.listing(&node, INPUT, 250)).await;
    world.reaches(&node, &posted.task, TaskStatus::Open).await;
    world.chain.warp(700).await.unwrap();
    world.reaches(&node, &posted.task, TaskStatus::Refunded).await;
    let ended = world.chain.account(std(&posted.escrow)).await.unwrap().data.unwrap();
    let escrow = caught(&world, &node).await;
    until("a challenge that waits", || waiting(&world)).await;

    match lie {
        Fault::FalseData => {
            let boc = tycho_types::boc::Boc::encode_base64(&ended);
            proxy.falsify(&escrow.to_string(), &boc);
        }
        lie => proxy.set(lie),
    }
    let (_, tried) = challenge(&world).await.unwrap();
    world.chain.fund(std(&world.operator()), 5_000_000_000).await.unwrap();
    world.chain.warp(15).await.unwrap();
    let (state, _) = until("the challenge to be tried again", || async {
        challenge(&world).await.filter(|(state, again)| state != "pending" || *again > tried)
    })
    .await;
    match lie {
        Fault::FalseTime => assert_ne!(state, "refused", "by the clock of one gateway"),
        _ => assert_eq!(state, "pending", "by the word of one gateway"),
    }
    proxy.set(Fault::None);
    world.chain.warp(15).await.unwrap();
    until("the challenge", || async {
        (world.task(&escrow).await.state == TaskState::Disputed).then_some(())
    })
    .await;
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_gateway_that_says_a_task_is_over_stops_no_challenge() {
    challenged_in_spite_of(Fault::FalseData).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_gateway_that_says_it_is_tomorrow_stops_no_challenge() {
    challenged_in_spite_of(Fault::FalseTime).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenge_pays_the_bond_that_its_task_asks_for_whatever_the_node_started_with() {
    let world = watched().await;
    let node = world.node().await;
    let bond = Nano::grams(3);
    world.govern(Config { challenge_bond: bond, ..world.config.clone() }).await;
    let escrow = caught(&world, &node).await;
    let dispute = until("the challenge", || async {
        world.task(&escrow).await.work.and_then(|work| work.dispute)
    })
    .await;
    assert_eq!(dispute.bond, bond);
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_paid_already_stays_paid_and_its_view_says_so() {
    let mut world = watched().await;
    world.window = 0;
    let node = world.node().await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let honest = honest(&world, &node, &worker).await;
    let mut draws =
        Draws { world: &world, node: &node, worker: &worker, honest: &honest, rate: RATE, next: 1 };
    let (unseen, caught) = (draws.salt(false, true), draws.salt(true, true));
    let (paid, _) = done(&world, &node, &mut worker, unseen, true).await;
    let view = world.reaches(&node, &paid, TaskStatus::Paid).await;
    assert_eq!(view.recheck, None, "nobody knows");
    let (drawn, _) = done(&world, &node, &mut worker, caught, true).await;
    world.reaches(&node, &drawn, TaskStatus::Slashed).await;
    let view = world.view(&node, &paid).await;
    assert_eq!(view.status, TaskStatus::Paid);
    let recheck = view.recheck.unwrap();
    assert_eq!((recheck.caught, recheck.found.as_str()), (drawn, "too_late"));
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_newcomer_is_drawn_less_until_it_is_caught_and_not_again_by_a_restart() {
    const TRUSTED: u32 = 250_000;
    let mut world = World::new(1).await;
    world.node_config.probation = 20;
    world.node_config.flag_audits = 1;
    world.node_config.trusted = vec![TrustedConfig::new(world.workers[0].key.public())];
    let node = world.node().await;
    assert_eq!(world.info(&node).await.trusted[0].factor_ppm, TRUSTED);
    let mut worker = Worker::join(&world, &node, 0).await;
    let honest = honest(&world, &node, &worker).await;
    let mut draws = Draws {
        world: &world,
        node: &node,
        worker: &worker,
        honest: &honest,
        rate: TRUSTED,
        next: 1,
    };
    let (left_out, drawn, next) =
        (draws.salt(false, false), draws.salt(true, true), draws.salt(false, false));

    let (task, _) = done(&world, &node, &mut worker, left_out, false).await;
    let verdict = world.reaches(&node, &task, TaskStatus::Paid).await.verdict.unwrap();
    assert!(!verdict.audited, "{}", verdict.reason);
    assert_eq!((verdict.rate_ppm, verdict.trust_ppm), (Some(TRUSTED), Some(TRUSTED)));
    // Five times what the listing asks for: a wrong one is found that the listing's draw left out, or not.
    let (task, _) = done(&world, &node, &mut worker, drawn, true).await;
    world.reaches(&node, &task, TaskStatus::Slashed).await;
    node.shutdown();
    node.join().await.unwrap();
    let node = world.node().await;
    let mut worker = Worker::join(&world, &node, 0).await;
    // The flag is worked off with the first, the trust is not back for the second.
    for (salt, why) in [(next, "caught"), (next + 1, "history")] {
        let posted = world.post(&node, INPUT, salt).await;
        world.fund(&world.listing(&node, INPUT, salt)).await;
        let offered = worker.win().await;
        worker.work(&world, &node, &offered, |_| {}).await;
        let view = world.reaches(&node, &posted.task, TaskStatus::Paid).await;
        let verdict = view.verdict.unwrap();
        assert!(verdict.audited && verdict.reason.contains(why), "{}", verdict.reason);
        assert_eq!(verdict.trust_ppm, None);
    }
    node.shutdown();
    node.join().await.unwrap();

    world.node_config.trusted[0].factor_ppm = 99_999;
    let refused = Node::start(world.node_config.clone(), world.keys.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("some checks stay"), "{refused}");
}
