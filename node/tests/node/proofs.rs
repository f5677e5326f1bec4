//! Tasks whose contract checks the proof: what the node relays, and what it does not.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fog_contracts::proof::{Context, Prove, result_cell};
use fog_node::NodeHandle;
use fog_protocol::{
    Address, BlobRef, Hash32, Listing, Policy, Program, Signed, TaskId, TaskStatus,
    gateway::{ServerFrame, WorkerFrame},
};

use super::{
    proving::{Secrets, binding_of, number, secrets},
    worker::Worker,
    world::World,
};

const INPUT: &[u8] = b"twelve weights, twelve features";
const RESULT: &[u8] = b"a score";

fn listing(world: &World, node: &NodeHandle, key: &[u8], named: Hash32) -> Listing {
    Listing {
        program: Program::Circuit { key: BlobRef::of(key) },
        policy: Policy::Proof { key: named },
        ..world.listing(node, INPUT, 1)
    }
}

async fn posted(world: &World, node: &NodeHandle, listing: &Listing, key: &[u8]) -> u16 {
    assert_eq!(world.upload(node, key).await.status(), 204);
    assert_eq!(world.upload(node, INPUT).await.status(), 204);
    let signed = Signed::new(listing.clone(), &world.requestor.key);
    let url = format!("{}/v1/tasks", node.url());
    world.http.post(url).json(&signed).send().await.unwrap().status().as_u16()
}

/// A proof for this escrow and this stake.
fn proof(escrow: Address, stake: Address, result: &[u8], by: &Secrets) -> Prove {
    let context = Context { network: -3, task: escrow, stake };
    let input = Hash32::of(INPUT);
    let x = number(&binding_of(context, &input, result));
    Prove {
        statement: fog_contracts::proof::Statement { input, key: secrets().key() },
        proof: by.prove(x, "first"),
        result: result_cell(result).unwrap(),
    }
}

fn frame(task: TaskId, prove: &Prove) -> WorkerFrame {
    WorkerFrame::Prove { task, message: STANDARD.encode(prove.to_bytes().unwrap()) }
}

async fn refused(worker: &mut Worker, frame: WorkerFrame, case: &str) {
    worker.say(&frame).await;
    let code = worker
        .wait(|frame| match frame {
            ServerFrame::Error { code, .. } => Some(code),
            // Told once more that it was paid, after the attacks.
            ServerFrame::Closed { status: TaskStatus::Paid, .. } if case == "once more" => None,
            ServerFrame::Closed { status, .. } => panic!("{case}: {status}"),
            _ => None,
        })
        .await;
    assert!(
        ["bad_proof", "not_assigned", "not_running"].contains(&code.as_str()),
        "{case}: {code}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_is_paid_without_a_verdict() {
    let world = World::new(2).await;
    let mut node = world.node().await;
    let key = secrets().key();
    let listing = listing(&world, &node, &key.to_ark_bytes(), key.hash().unwrap());
    assert_eq!(posted(&world, &node, &listing, &key.to_ark_bytes()).await, 200);
    world.fund(&listing).await;
    let task = listing.id();
    world.reaches(&node, &task, TaskStatus::Open).await;
    let mut worker = Worker::join(&world, &node, 0).await;
    let offered = worker.win().await;
    let mut thief = Worker::join(&world, &node, 1).await;
    let (escrow, stake) = (offered.escrow, worker.stake);

    let good = proof(escrow, stake, RESULT, &secrets());
    let forged = proof(escrow, stake, RESULT, &Secrets::of("an attacker's"));
    let elsewhere = proof(Address::basechain([9; 32]), stake, RESULT, &secrets());
    let other_stake = proof(escrow, thief.stake, RESULT, &secrets());
    let swapped = Prove { result: result_cell(b"another").unwrap(), ..good.clone() };
    let mut other_key = good.clone();
    other_key.statement.key.ic[1] = other_key.statement.key.ic[0];
    for (case, bad) in [
        ("a forged proof", forged),
        ("another task's", elsewhere),
        ("another worker's", other_stake.clone()),
        ("another result", swapped),
        ("another key", other_key),
    ] {
        refused(&mut worker, frame(task, &bad), case).await;
    }
    let garbage = WorkerFrame::Prove { task, message: "not a message".to_owned() };
    refused(&mut worker, garbage, "garbage").await;
    refused(&mut thief, frame(task, &good), "the right proof, from another worker").await;
    refused(&mut thief, frame(task, &other_stake), "a proof of one's own").await;
    assert_eq!(world.view(&node, &task).await.status, TaskStatus::Running);

    // Right, and said twice; the node stops in between and goes on.
    worker.say(&frame(task, &good)).await;
    worker.say(&frame(task, &good)).await;
    worker.time().await;
    node.shutdown();
    node.join().await.unwrap();
    node = world.node().await;
    let mut worker = Worker::join(&world, &node, 0).await;
    worker.say(&WorkerFrame::Resume { tasks: vec![task] }).await;
    let view = world.reaches(&node, &task, TaskStatus::Paid).await;
    assert_eq!((view.verdict, view.commitment), (None, None));
    let earned = world.stake(0).await.earnings;
    assert_eq!(earned, listing.price_cap.mul_div(9_750, 10_000).unwrap());
    let kinds = super::world::until("the task's transactions", || async {
        let view = world.view(&node, &task).await;
        let kinds: Vec<_> = view.transactions.into_iter().map(|tx| tx.kind).collect();
        kinds.contains(&"close".to_owned()).then_some(kinds)
    })
    .await;
    assert_eq!(kinds, ["fund", "open", "assign", "reserve", "prove", "close"]);

    // What was paid for is there for everybody, as on chain.
    let url = format!("{}/v1/tasks/{task}/proof", node.url());
    let message = world.http.get(url).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(Prove::from_bytes(&message).unwrap(), good);
    let closed = |frame| matches!(frame, ServerFrame::Closed { .. }).then_some(());
    worker.wait(closed).await;
    refused(&mut worker, frame(task, &good), "once more").await;
    node.shutdown();
    node.join().await.unwrap();
}

/// Nobody may work for a circuit that proves anything, or for another than is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsound_circuits_are_not_listed() {
    let world = World::new(1).await;
    let node = world.node().await;
    let good = secrets().key();
    let named = good.hash().unwrap();
    let mut degenerate = good;
    degenerate.delta = degenerate.gamma;
    let mut off = good;
    off.alpha[47] ^= 1;
    let short = good.to_ark_bytes()[..400].to_vec();
    for (case, key, named) in [
        ("gamma = delta", degenerate.to_ark_bytes(), degenerate.hash().unwrap()),
        ("off the curve", off.to_ark_bytes(), off.hash().unwrap()),
        ("cut short", short, named),
        ("another key named", good.to_ark_bytes(), Hash32([1; 32])),
    ] {
        let listing = listing(&world, &node, &key, named);
        assert_eq!(posted(&world, &node, &listing, &key).await, 422, "{case}");
    }
    node.shutdown();
    node.join().await.unwrap();
}
