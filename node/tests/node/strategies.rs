//! Policies that look at more than equality: who does the work is paid, who does not is slashed.

use fog_node::NodeHandle;
use fog_protocol::{
    BlobRef, Bound, Chunks, Cut, Direction, Group, Hash32, Listing, Policy, Program, RATE_ONE,
    Signed, TaskStatus, api::TaskView,
};
use fog_verifier::{Execution, strategy::chunked::ChunkResult};

use super::{worker::Worker, world::World};

const PI: &[u8] = include_bytes!("../../../cli/guests/pi.wasm");
const PARTITION: &[u8] = include_bytes!("../../../cli/guests/partition.wasm");
const IMBALANCE: &[u8] = include_bytes!("../../../cli/guests/imbalance.wasm");
const WORDCOUNT: &[u8] = include_bytes!("../../../cli/guests/wordcount.wasm");

struct Post<'a> {
    module: &'a [u8],
    input: &'a [u8],
    policy: Policy,
    salt: u8,
}

impl World {
    fn listing_by(&self, node: &NodeHandle, post: &Post<'_>) -> Listing {
        Listing {
            program: Program::Wasi { module: BlobRef::of(post.module) },
            policy: post.policy.clone(),
            ..self.listing(node, post.input, post.salt)
        }
    }

    /// From posting to the end: the worker's result is what the program gives, after `change`.
    async fn life(
        &self,
        node: &NodeHandle,
        worker: &mut Worker,
        post: &Post<'_>,
        end: TaskStatus,
        change: impl FnOnce(&mut Execution),
    ) -> TaskView {
        let listing = self.listing_by(node, post);
        for blob in [post.module, post.input, IMBALANCE] {
            assert_eq!(self.upload(node, blob).await.status(), 204);
        }
        let signed = Signed::new(listing.clone(), &self.requestor.key);
        let url = format!("{}/v1/tasks", node.url());
        let answer = self.http.post(url).json(&signed).send().await.unwrap();
        let status = answer.status();
        assert_eq!(status, 200, "{}", answer.text().await.unwrap());
        self.fund(&listing).await;
        let offered = worker.win().await;
        worker.work(self, node, &offered, change).await;
        let id = listing.id();
        self.open_nonce(node, &id, post.salt).await;
        self.reaches(node, &id, end).await
    }
}

fn reason(view: &TaskView) -> &str {
    &view.verdict.as_ref().unwrap().reason
}

fn improves(than: &str) -> Policy {
    Policy::Improves {
        rate_ppm: RATE_ONE,
        evaluator: BlobRef::of(IMBALANCE),
        direction: Direction::Minimise,
        than: than.parse().unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_objective_is_computed_by_its_evaluator() {
    let world = World::new(1).await;
    let node = world.node().await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let input = b"9 7 5 5 4 4 3 2 1";
    let post = |than, salt| Post { module: PARTITION, input, policy: improves(than), salt };
    // 40 in all: two piles of 20.
    let view = world.life(&node, &mut worker, &post("1", 1), TaskStatus::Paid, |_| {}).await;
    assert!(reason(&view).contains("objective 0: it improves"), "{}", reason(&view));
    // Its own figure counts for nothing, nor does half of the work.
    let worse = |run: &mut Execution| run.output = b"111000000".to_vec();
    let view = world.life(&node, &mut worker, &post("1", 2), TaskStatus::Slashed, worse).await;
    assert!(reason(&view).contains("objective 2: no improvement"), "{}", reason(&view));
    node.shutdown();
    node.join().await.unwrap();
}

/// A worker writes the best objective there is into its result, beside a bad division or alone. Whoever
/// took a number of a result's for its objective would accept each of these.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_figure_of_the_workers_own_counts_for_nothing() {
    let world = World::new(1).await;
    let node = world.node().await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let input = b"9 7 5 5 4 4 3 2 1";
    for (salt, claim) in (1..).zip(["0\n", "111000000\n0\n", "0\n111000000\n", "-1"]) {
        let post = Post { module: PARTITION, input, policy: improves("1"), salt };
        let boast = |run: &mut Execution| run.output = claim.as_bytes().to_vec();
        let view = world.life(&node, &mut worker, &post, TaskStatus::Slashed, boast).await;
        assert!(reason(&view).contains("it has no objective: no improvement"), "{}", reason(&view));
        assert!(view.slashed.is_some() && view.result_hash.is_none(), "{claim:?}");
    }
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_runs_a_program_that_improves_nothing_is_paid_all_the_same() {
    let world = World::new(1).await;
    let node = world.node().await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let input = b"9 7 5 5 4 4 3 2 1";
    // No difference is below 0.
    let post = Post { module: PARTITION, input, policy: improves("0"), salt: 1 };
    let view = world.life(&node, &mut worker, &post, TaskStatus::Paid, |_| {}).await;
    assert!(reason(&view).contains("what the program gives"), "{}", reason(&view));
    // The piles {9, 7, 4} and {5, 5, 4, 3, 2, 1}: whoever finds them need not run the program.
    let post = Post { module: WORDCOUNT, input, policy: improves("1"), salt: 2 };
    let own = |run: &mut Execution| run.output = b"110010000\n".to_vec();
    let view = world.life(&node, &mut worker, &post, TaskStatus::Paid, own).await;
    assert!(reason(&view).contains("it improves"), "{}", reason(&view));
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_estimate_may_differ_and_a_made_up_one_is_slashed() {
    let world = World::new(1).await;
    let node = world.node().await;
    let mut worker = Worker::join(&world, &node, 0).await;
    // One run's standard deviation is 1.6422 / sqrt(10,000).
    let bounds = vec![Bound::Deviations { sigma: "0.016422".parse().unwrap(), milli: 2_000 }];
    let policy = Policy::Statistical { rate_ppm: RATE_ONE, bounds };
    let post = |salt| Post { module: PI, input: b"10000", policy: policy.clone(), salt };
    let view = world.life(&node, &mut worker, &post(1), TaskStatus::Paid, |_| {}).await;
    assert!(reason(&view).contains("within its bounds of 1 runs"), "{}", reason(&view));
    // Another machine's estimate, four standard deviations off: a breach at first, or luck.
    let elsewhere = |run: &mut Execution| run.output = b"3.207".to_vec();
    let view = world.life(&node, &mut worker, &post(2), TaskStatus::Paid, elsewhere).await;
    assert!(reason(&view).contains("within its bounds"), "{}", reason(&view));
    let made_up = |run: &mut Execution| run.output = b"3.3".to_vec();
    let view = world.life(&node, &mut worker, &post(3), TaskStatus::Slashed, made_up).await;
    assert!(reason(&view).contains("out of its bounds of 16 runs"), "{}", reason(&view));
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drawn_chunks_are_run_again() {
    let mut world = World::new(1).await;
    // The draw decides from the first result on.
    world.node_config.probation = 0;
    let node = world.node().await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let lines: Vec<_> = (0..24).map(|line| format!("line {line} of the fog\n")).collect();
    let input = lines.concat();
    let chunks = Chunks { bytes: 10, cut: Cut::Lines };
    let policy = Policy::Merkle { rate_ppm: RATE_ONE, samples: 12, chunks };
    let post =
        |salt| Post { module: WORDCOUNT, input: input.as_bytes(), policy: policy.clone(), salt };
    let view = world.life(&node, &mut worker, &post(1), TaskStatus::Paid, |_| {}).await;
    assert!(reason(&view).contains("of 24 chunks drawn and run again"), "{}", reason(&view));
    // Two thirds of the chunks are made up: twelve samples miss them once in half a million.
    let partly = |run: &mut Execution| {
        let mut chunks: Vec<ChunkResult> = borsh::from_slice(&run.output).unwrap();
        chunks.iter_mut().skip(8).for_each(|chunk| chunk.output = b"fog\t1\n".to_vec());
        run.output = borsh::to_vec(&chunks).unwrap();
    };
    let view = world.life(&node, &mut worker, &post(2), TaskStatus::Slashed, partly).await;
    assert!(reason(&view).contains("drawn and run again, differs"), "{}", reason(&view));
    node.shutdown();
    node.join().await.unwrap();
}

/// Three copies, each with a worker of its own; who lies is told by its number. Copies that agree are
/// drawn at this rate, in parts per million.
async fn copies(liars: &[usize], rate_ppm: u32) -> (World, NodeHandle, Vec<TaskView>) {
    let mut world = World::new(3).await;
    world.node_config.probation = 0;
    world.node_config.min_rate_ppm = 1;
    let node = world.node().await;
    let secret = Hash32([0x77; 32]);
    let mut listings = Vec::new();
    for index in 0..3u8 {
        let input = [&[index; 32][..], b"one two two"].concat();
        let sibling = Group::sibling(&secret, index);
        let policy = Policy::Copies { copies: 3, sibling, rate_ppm };
        let post = Post { module: WORDCOUNT, input: &input, policy, salt: index + 1 };
        let listing = world.listing_by(&node, &post);
        for blob in [WORDCOUNT, &input] {
            assert_eq!(world.upload(&node, blob).await.status(), 204);
        }
        let signed = Signed::new(listing.clone(), &world.requestor.key);
        let url = format!("{}/v1/tasks", node.url());
        let answer = world.http.post(url).json(&signed).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
        world.fund(&listing).await;
        world.reaches(&node, &listing.id(), TaskStatus::Open).await;
        listings.push(listing);
    }
    let tasks: Vec<_> = listings.iter().map(Listing::id).collect();
    let group = async |secret: Hash32, tasks: Vec<fog_protocol::TaskId>| {
        let url = format!("{}/v1/groups", node.url());
        let group = Group { secret, tasks };
        world.http.post(url).json(&group).send().await.unwrap().status().as_u16()
    };
    // Until the requestor says which they are, nobody can be asked; and only it can say.
    let mut workers = vec![Worker::join(&world, &node, 0).await];
    workers[0].time().await;
    assert_eq!(group(Hash32([0x78; 32]), tasks.clone()).await, 422);
    assert_eq!(group(secret, tasks[..2].to_vec()).await, 422);
    assert_eq!(group(secret, tasks.clone()).await, 204);
    // One worker alone gets one copy, however many slots and stake it has.
    let mut held = vec![workers[0].win().await];
    for index in 1..3 {
        let mut worker = Worker::join(&world, &node, index).await;
        held.push(worker.win().await);
        workers.push(worker);
    }
    let mut seen: Vec<_> = held.iter().map(|offered| offered.listing.id()).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 3, "each has another copy");
    for (index, (worker, offered)) in workers.iter_mut().zip(&held).enumerate() {
        for earlier in &held[..index] {
            let view = world.view(&node, &earlier.listing.id()).await;
            assert!(view.verdict.is_none(), "nothing is decided before all are here");
        }
        let change = |run: &mut Execution| {
            if liars.contains(&index) {
                run.output.push(b'!');
            }
        };
        worker.work(&world, &node, offered, change).await;
    }
    for (listing, salt) in listings.iter().zip(1..) {
        world.open_nonce(&node, &listing.id(), salt).await;
    }
    let mut views = Vec::new();
    for (index, offered) in held.iter().enumerate() {
        let end = if liars.contains(&index) { TaskStatus::Slashed } else { TaskStatus::Paid };
        views.push(world.reaches(&node, &offered.listing.id(), end).await);
    }
    (world, node, views)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_that_agree_are_paid_and_run_again_where_they_are_drawn() {
    let (_world, node, views) = copies(&[], RATE_ONE / 2).await;
    let said = [
        "equal to its copies, not drawn for audit; all equal",
        "drawn for audit; output and fuel equal",
    ];
    for view in &views {
        assert!(said.contains(&reason(view)), "{}", reason(view));
    }
    let hash = views[0].result_hash;
    assert!(hash.is_some() && views.iter().all(|view| view.result_hash == hash));
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lone_liar_is_slashed_and_the_others_are_paid() {
    let (world, node, views) = copies(&[1], RATE_ONE).await;
    for (index, view) in views.iter().enumerate() {
        let stake = world.stake(index).await;
        assert_eq!(view.slashed.is_some(), index == 1);
        assert_eq!(stake.earnings > fog_protocol::Nano::ZERO, index != 1);
        assert!(reason(view).starts_with("compared with its copies; "), "{}", reason(view));
    }
    assert!(reason(&views[1]).ends_with("the output differs"), "{}", reason(&views[1]));
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_in_league_are_found_by_the_draw() {
    let (world, node, views) = copies(&[0, 1, 2], RATE_ONE).await;
    for (index, view) in views.iter().enumerate() {
        assert_eq!(reason(view), "drawn for audit; the output differs");
        assert_eq!(world.stake(index).await.earnings, fog_protocol::Nano::ZERO);
    }
    node.shutdown();
    node.join().await.unwrap();
}

/// Who never hands in its copy keeps nobody else from being paid.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_does_not_come_is_not_waited_for_too_long() {
    let mut world = World::new(1).await;
    world.node_config.probation = 0;
    let node = world.node().await;
    let secret = Hash32([0x79; 32]);
    let mut worker = Worker::join(&world, &node, 0).await;
    let mut tasks = Vec::new();
    for index in 0..2u8 {
        let input = [&[index; 32][..], b"one two two"].concat();
        let policy = Policy::Redundant { copies: 2, sibling: Group::sibling(&secret, index) };
        let post = Post { module: WORDCOUNT, input: &input, policy, salt: index + 1 };
        let listing = world.listing_by(&node, &post);
        for blob in [WORDCOUNT, &input] {
            assert_eq!(world.upload(&node, blob).await.status(), 204);
        }
        let signed = Signed::new(listing.clone(), &world.requestor.key);
        let url = format!("{}/v1/tasks", node.url());
        assert_eq!(world.http.post(url).json(&signed).send().await.unwrap().status(), 200);
        world.fund(&listing).await;
        tasks.push(listing.id());
    }
    let url = format!("{}/v1/groups", node.url());
    let group = Group { secret, tasks: tasks.clone() };
    assert_eq!(world.http.post(url).json(&group).send().await.unwrap().status(), 204);
    // There is one worker only: the other copy finds nobody.
    let offered = worker.win().await;
    worker.work(&world, &node, &offered, |_| {}).await;
    let id = offered.listing.id();
    let waiting = super::world::until("the commitment on chain", || async {
        let view = world.view(&node, &id).await;
        view.transactions.iter().any(|tx| tx.kind == "commit").then_some(view)
    })
    .await;
    assert!(waiting.verdict.is_none());
    // Half of the time for the verdict.
    world.chain.warp(301).await.unwrap();
    let view = world.reaches(&node, &id, TaskStatus::Paid).await;
    assert_eq!(reason(&view), "compared with its copies; output and fuel equal");
    node.shutdown();
    node.join().await.unwrap();
}
