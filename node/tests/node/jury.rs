//! A market of two of three verifiers, none of whose keys the node has.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use fog_jury::{Asker, Conduct, Examiner, Scope, Service, ServiceConfig, ServiceHandle};
use fog_node::{NodeHandle, VerifierConfig};
use fog_protocol::{
    Nano, PublicKey, SecretKey, TaskStatus,
    api::{VerifierList, VerifierView},
};
use fog_verifier::{
    Execute, ExecuteError, Execution, Executor, Independent, Job, sandbox::process::RunnerConfig,
};

use fog_wallet::{Wallet, WalletVersion};

use super::{
    worker::Worker,
    world::{World, runner_args, until},
};

fn key(index: u8) -> SecretKey {
    SecretKey::from_seed(&[220 + index; 32])
}

fn public() -> Vec<PublicKey> {
    (0..3).map(|index| key(index).public()).collect()
}

/// A verifier as its process has it: with children and a journal of its own.
async fn verifier(world: &World, index: u8, conduct: Conduct) -> ServiceHandle {
    let scope = Scope { network: -3, market: world.market };
    let data = world.node_config.data_dir.with_file_name(format!("verifier-{index}"));
    let journal = data.join("journal");
    let examiner = tokio::task::spawn_blocking(move || {
        let mut runner = RunnerConfig::new("/proc/self/exe");
        runner.args = runner_args().into_iter().map(Into::into).collect();
        runner.children = 1;
        let again = Arc::new(Independent::new(&runner));
        let executor = Arc::new(Executor::start(runner).unwrap());
        let examiner = Examiner::open(key(index), scope, &journal, executor, again);
        examiner.unwrap().with_conduct(conduct)
    });
    serve(world, data, examiner.await.unwrap()).await
}

async fn serve(world: &World, data: std::path::PathBuf, examiner: Examiner) -> ServiceHandle {
    let key = world.keys.operator.public();
    let wallet = Wallet::new(WalletVersion::V5R1, key, -3).unwrap().address();
    let nodes = vec![Asker { key, wallet }];
    let config = ServiceConfig::new("127.0.0.1:0".parse().unwrap(), data, nodes);
    Service::start(Arc::new(examiner), config).await.unwrap()
}

fn at(index: u8, url: &str) -> VerifierConfig {
    VerifierConfig { url: url.to_owned(), key: key(index).public() }
}

async fn views(world: &World, node: &NodeHandle) -> Vec<VerifierView> {
    let url = format!("{}/v1/verifiers", node.url());
    let list: VerifierList = world.http.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!((list.threshold, list.of), (2, 3));
    list.verifiers
}

async fn metric(world: &World, node: &NodeHandle, name: &str) -> u64 {
    let url = format!("{}/metrics", node.url());
    let text = world.http.get(url).send().await.unwrap().text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap().parse().unwrap()
}

/// A task from post to submission, with a right result or a wrong one.
async fn submitted(
    world: &World,
    node: &NodeHandle,
    salt: u8,
    wrong: bool,
) -> fog_protocol::TaskId {
    let input = format!("the fog number {salt} comes on little cat feet");
    let posted = world.post(node, input.as_bytes(), salt).await;
    world.fund(&world.listing(node, input.as_bytes(), salt)).await;
    world.reaches(node, &posted.task, TaskStatus::Open).await;
    let mut worker = Worker::join(world, node, 0).await;
    let offered = worker.win().await;
    worker
        .work(world, node, &offered, |result| {
            if wrong {
                result.output[0] ^= 1;
            }
        })
        .await;
    posted.task
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_three_pay_and_slash_whatever_the_third_does() {
    let mut world = World::with_verifiers(1, &public(), 2).await;
    let one = verifier(&world, 1, Conduct::Honest).await;
    let two = verifier(&world, 2, Conduct::Honest).await;
    // First nobody listens where the third should be, then one that lies.
    world.node_config.ringer_ppm = 0;
    world.node_config.verifiers =
        vec![at(0, "http://127.0.0.1:1"), at(1, &one.url()), at(2, &two.url())];
    let node = world.node().await;
    let task = submitted(&world, &node, 1, false).await;
    let view = world.reaches(&node, &task, TaskStatus::Paid).await;
    assert!(view.verdict.unwrap().audited);
    node.shutdown();
    node.join().await.unwrap();
    let lying = verifier(&world, 0, Conduct::Lying).await;
    world.node_config.verifiers[0] = at(0, &lying.url());
    let node = world.node().await;
    let task = submitted(&world, &node, 2, false).await;
    world.reaches(&node, &task, TaskStatus::Paid).await;
    let before = world.stake(0).await.stake;
    let task = submitted(&world, &node, 3, true).await;
    let view = world.reaches(&node, &task, TaskStatus::Slashed).await;
    assert!(view.slashed.unwrap() > Nano::ZERO);
    assert!(world.stake(0).await.stake < before);
    let noted = until("the lies to be noted", || async {
        let views = views(&world, &node).await;
        (views[0].contrary == 2).then_some(views)
    })
    .await;
    assert_eq!((noted[1].contrary, noted[2].contrary), (0, 0));
    assert_eq!(metric(&world, &node, "fog_verifications_contested_total").await, 0);
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verifiers_that_disagree_slash_nobody_and_people_see_it() {
    let mut world = World::with_verifiers(1, &public(), 2).await;
    let one = verifier(&world, 1, Conduct::Honest).await;
    let lying = verifier(&world, 2, Conduct::Lying).await;
    world.node_config.ringer_ppm = 0;
    let absent = "http://127.0.0.1:1";
    world.node_config.verifiers = vec![at(0, absent), at(1, &one.url()), at(2, &lying.url())];
    let node = world.node().await;
    let task = submitted(&world, &node, 1, false).await;
    let disputed = until("the dispute to be told", || async {
        let view = world.view(&node, &task).await;
        view.history.iter().any(|step| step.note.contains("DISPUTE")).then_some(view)
    })
    .await;
    assert_eq!(disputed.status, TaskStatus::Verifying);
    assert!(metric(&world, &node, "fog_verifications_contested_total").await > 0);
    let notes = || async {
        let view = world.view(&node, &task).await;
        view.history.iter().filter(|step| step.note.contains("DISPUTE")).count()
    };
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(notes().await <= 3, "each reason once, however often it is tried");
    node.shutdown();
    node.join().await.unwrap();
    // A person mended the third: it decides, and what the others signed before still counts.
    let zero = verifier(&world, 0, Conduct::Honest).await;
    world.node_config.verifiers[0] = at(0, &zero.url());
    let node = world.node().await;
    let view = world.reaches(&node, &task, TaskStatus::Paid).await;
    assert!(view.slashed.is_none());
    assert!(view.history.iter().any(|step| step.note.contains("DISPUTE")), "it is kept");
    node.shutdown();
    node.join().await.unwrap();
}

/// A week's wait for verifiers is no reason to keep what they will be asked about in memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_verifiers_leaves_its_bytes_on_disk() {
    let mut world = World::with_verifiers(1, &public(), 2).await;
    world.node_config.ringer_ppm = 0;
    let absent = "http://127.0.0.1:1";
    world.node_config.verifiers = vec![at(0, absent), at(1, absent), at(2, absent)];
    let node = world.node().await;
    let mut tasks = Vec::new();
    for salt in 1..=3 {
        tasks.push(submitted(&world, &node, salt, false).await);
    }
    until("each to be tried more than once", || async {
        let undecided = metric(&world, &node, "fog_verifications_undecided_total").await;
        (undecided >= 7).then_some(())
    })
    .await;
    until("their bytes to be let go", || async {
        (metric(&world, &node, "fog_verifications_in_memory").await == 0).then_some(())
    })
    .await;
    for task in &tasks {
        assert_eq!(world.view(&node, task).await.status, TaskStatus::Verifying);
    }
    node.shutdown();
    node.join().await.unwrap();
}

/// Runs programs, and errs in the first runs: alike each time.
struct Erring(Executor, AtomicU32);

impl Execute for Erring {
    fn execute(&self, job: &Job<'_>) -> Result<Execution, ExecuteError> {
        let mut execution = self.0.execute(job)?;
        if self
            .1
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .is_ok()
        {
            execution.fuel_used += 1;
        }
        Ok(execution)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verifier_that_errs_twice_alike_slashes_nobody() {
    let mut world = World::with_verifiers(1, &public()[..1], 1).await;
    let scope = Scope { network: -3, market: world.market };
    let data = world.node_config.data_dir.with_file_name("erring");
    let journal = data.join("journal");
    let examiner = tokio::task::spawn_blocking(move || {
        let mut runner = RunnerConfig::new("/proc/self/exe");
        runner.args = runner_args().into_iter().map(Into::into).collect();
        runner.children = 1;
        let again = Arc::new(Independent::new(&runner));
        // Two runs make a rejection: both err, and only the independent one does not.
        let erring = Erring(Executor::start(runner).unwrap(), AtomicU32::new(2));
        Examiner::open(key(0), scope, &journal, Arc::new(erring), again).unwrap()
    });
    let only = serve(&world, data, examiner.await.unwrap()).await;
    world.node_config.ringer_ppm = 0;
    world.node_config.verifiers = vec![at(0, &only.url())];
    let node = world.node().await;
    let before = world.stake(0).await.stake;
    let task = submitted(&world, &node, 1, false).await;
    // People see it; tried again, the run is right, and the worker is paid.
    let view = world.reaches(&node, &task, TaskStatus::Paid).await;
    let noted = view.history.iter().find(|step| step.note.contains("DISPUTE"));
    assert!(noted.unwrap().note.contains("two results"), "{view:#?}");
    assert_eq!(world.stake(0).await.stake, before);
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lazy_verifier_is_found_by_ringers_and_its_operator_counts_it_again() {
    let mut world = World::with_verifiers(1, &public(), 2).await;
    let zero = verifier(&world, 0, Conduct::Honest).await;
    let one = verifier(&world, 1, Conduct::Honest).await;
    let lazy = verifier(&world, 2, Conduct::Lazy).await;
    world.node_config.ringer_ppm = 1_000_000;
    world.node_config.verifiers = vec![at(0, &zero.url()), at(1, &one.url()), at(2, &lazy.url())];
    let node = world.node().await;
    let mut found = false;
    // Three in four ringers are wrong: eight right ones in a row are one in 65,536.
    for salt in 1..=8 {
        let task = submitted(&world, &node, salt, false).await;
        world.reaches(&node, &task, TaskStatus::Paid).await;
        until("the ringer to be answered", || async {
            let views = views(&world, &node).await;
            views.iter().all(|view| view.ringers >= u64::from(salt) || !view.counted).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        found = views(&world, &node).await.iter().any(|view| !view.counted);
        if found {
            break;
        }
    }
    assert!(found);
    let seen = views(&world, &node).await;
    assert_eq!(seen.iter().map(|view| view.counted).collect::<Vec<_>>(), [true, true, false]);
    assert!(metric(&world, &node, "fog_ringers_planted_total").await > 0);
    let name = format!("fog_verifier{{key=\"{}\",what=\"counted\"}}", key(2).public());
    assert_eq!(metric(&world, &node, &name).await, 0);
    // Not a stranger's word, only the operator's.
    let path = format!("/v1/verifiers/{}/readmit", key(2).public());
    let stranger = world.call(&node, &world.requestor.key, "POST", &path, Vec::new()).await;
    assert_eq!(stranger.status(), 403);
    assert!(!views(&world, &node).await[2].counted);
    let operator = world.call(&node, &world.keys.operator, "POST", &path, Vec::new()).await;
    assert_eq!(operator.status(), 204);
    assert!(views(&world, &node).await[2].counted);
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_enough_verifiers_does_not_start() {
    let mut world = World::with_verifiers(0, &public(), 2).await;
    let refused =
        |world: &World| fog_node::Node::start(world.node_config.clone(), world.keys.clone());
    let error = refused(&world).await.unwrap_err().to_string();
    assert!(error.contains("2 verifier signatures"), "{error}");
    // One key twice is one.
    world.keys.verifiers = vec![key(0)];
    world.node_config.verifiers = vec![at(0, "http://127.0.0.1:1")];
    let error = refused(&world).await.unwrap_err().to_string();
    assert!(error.contains("2 verifier signatures"), "{error}");
    // A key of its own, and a process: enough, and they sign alike.
    let one = verifier(&world, 1, Conduct::Honest).await;
    world.node_config.verifiers = vec![at(1, &one.url())];
    let node = world.node().await;
    let places: Vec<_> = views(&world, &node).await.into_iter().map(|view| view.place).collect();
    assert_eq!(places, ["this node", "a process of its own"]);
    node.shutdown();
    node.join().await.unwrap();
}

/// Whom a pledge stood for verifiers elsewhere cannot know: without enough keys of its own a node has
/// no stake reserved in bulk, and takes no audit rate below 1 on the account rail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_verifiers_are_elsewhere_asks_for_no_pledges() {
    let mut world = World::with_verifiers(0, &public(), 2).await;
    let (one, two) =
        tokio::join!(verifier(&world, 1, Conduct::Honest), verifier(&world, 2, Conduct::Honest));
    world.keys.verifiers = vec![key(0)];
    world.node_config.verifiers = vec![at(1, &one.url()), at(2, &two.url())];
    world.node_config.rail.pledge = Nano::grams(20);
    let refused = fog_node::Node::start(world.node_config.clone(), world.keys.clone()).await;
    let error = refused.unwrap_err().to_string();
    for part in ["2 verifier signatures on each pledge, 1 of", "add keys, or leave it at 0"] {
        assert!(error.contains(part), "{error}");
    }
    // The same node without them; and with keys of its own, enough of them, with them.
    world.node_config.rail.pledge = Nano::ZERO;
    let node = world.node().await;
    super::rail::stopped(node).await;
    world.node_config.rail.pledge = Nano::grams(20);
    world.keys.verifiers = vec![key(0), key(1)];
    world.node_config.verifiers = vec![at(2, &two.url())];
    let node = world.node().await;
    super::rail::stopped(node).await;
}
