//! Receipts of zkVMs: what a worker that does not look at them itself is slashed for, and what it is
//! paid for. The receipts are real, made by SP1's and RISC Zero's own provers.

use fog_node::NodeHandle;
use fog_protocol::{
    BlobRef, GuestExit, Hash32, JournalStart, Listing, Policy, Program, Signed, TaskId, TaskStatus,
    ZkVm, api::TaskView, journal_binding,
};
use fog_verifier::{Execution, ReceiptResult};
use serde::Deserialize;

use super::{worker::Worker, world::World};

const ELF: &[u8] = b"a program's ELF";
const INPUT: &[u8] = b"its input";

/// A real receipt.
#[derive(Clone, Deserialize)]
struct Real {
    vm: ZkVm,
    program: Hash32,
    #[serde(flatten)]
    result: ReceiptResult,
}

fn real(vm: ZkVm) -> Real {
    let all = include_str!("../../../verifier/tests/vectors/groth16/receipts.json");
    let all: Vec<serde_json::Value> = serde_json::from_str(all).unwrap();
    let named = all.into_iter().find(|one| one["vm"] == vm.name()).unwrap();
    let result = serde_json::json!({ "journal": named["journal"], "seal": named["seal"] });
    Real {
        vm,
        program: serde_json::from_value(named["program"].clone()).unwrap(),
        result: serde_json::from_value(result).unwrap(),
    }
}

/// A node with a worker that hands in what it is told to.
struct Market {
    world: World,
    node: NodeHandle,
    worker: Worker,
    salt: u8,
}

impl Market {
    async fn open() -> Self {
        let world = World::new(1).await;
        let node = world.node().await;
        let worker = Worker::join(&world, &node, 0).await;
        Self { world, node, worker, salt: 0 }
    }

    /// A task for the program of `real`; what its worker hands in may depend on the task.
    async fn ends(
        &mut self,
        real: &Real,
        start: JournalStart,
        end: TaskStatus,
        result: impl FnOnce(&Listing, &Worker) -> ReceiptResult,
    ) -> TaskView {
        let Self { world, node, worker, salt } = self;
        *salt += 1;
        let listing = Listing {
            program: Program::ZkVm { vm: real.vm, elf: BlobRef::of(ELF) },
            policy: Policy::Receipt { program: real.program, start },
            ..world.listing(node, INPUT, *salt)
        };
        let listing = Listing {
            version: Listing::version_of(&listing.rail, &listing.policy),
            epoch: None,
            ..listing
        };
        for blob in [ELF, INPUT] {
            assert_eq!(world.upload(node, blob).await.status(), 204);
        }
        let signed = Signed::new(listing.clone(), &world.requestor.key);
        let url = format!("{}/v1/tasks", node.url());
        let answer = world.http.post(url).json(&signed).send().await.unwrap();
        let status = answer.status();
        assert_eq!(status, 200, "{}", answer.text().await.unwrap());
        world.fund(&listing).await;
        let offered = worker.win().await;
        let output = serde_json::to_vec(&result(&offered.listing, worker)).unwrap();
        let made = Execution { exit: GuestExit::Success, output, fuel_used: 0 };
        let id = listing.id();
        let (commitment, reveal) = worker.commitment(id, &made);
        worker.commit(&offered, commitment).await;
        let answer = worker.submit(world, node, &reveal).await;
        assert_eq!(answer.status(), 204, "{}", answer.text().await.unwrap());
        world.open_nonce(node, &id, *salt).await;
        world.reaches(node, &id, end).await
    }

    async fn close(self) {
        self.node.shutdown();
        self.node.join().await.unwrap();
    }
}

fn reason(view: &TaskView) -> &str {
    &view.verdict.as_ref().unwrap().reason
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_is_false_or_of_another_program_is_slashed() {
    let mut market = Market::open().await;
    for (vm, other) in [(ZkVm::Sp1V61, ZkVm::Sp1V60), (ZkVm::RiscZeroV30, ZkVm::RiscZeroV50)] {
        let (right, other) = (real(vm), real(other));
        let honest = right.result.clone();
        let any = JournalStart::Anything;
        let view = market.ends(&right, any, TaskStatus::Paid, |_, _| honest).await;
        assert_eq!(reason(&view), "the proof holds", "{vm}");
        assert_eq!(view.slashed, None);

        let mut told_otherwise = right.result.clone();
        *told_otherwise.journal.last_mut().unwrap() ^= 1;
        let mut forged = right.result.clone();
        *forged.seal.last_mut().unwrap() ^= 1;
        // Another release's: its receipts are of another circuit.
        let foreign = other.result.clone();
        let none = ReceiptResult { journal: right.result.journal.clone(), seal: Vec::new() };
        for (what, result) in [
            ("another journal", told_otherwise),
            ("a forged seal", forged),
            ("another release's receipt", foreign),
            ("no seal", none),
        ] {
            let view = market.ends(&right, any, TaskStatus::Slashed, |_, _| result).await;
            assert!(reason(&view).starts_with("the proof is refused: "), "{vm}, {what}");
            assert!(view.slashed.is_some() && view.result_hash.is_none(), "{vm}, {what}");
        }
        // Real, valid, and of another program than the listing's.
        let another = Real { program: Hash32([0x17; 32]), ..right.clone() };
        let result = right.result;
        let view = market.ends(&another, any, TaskStatus::Slashed, |_, _| result).await;
        assert_eq!(reason(&view), "the proof is refused: receipt_not_valid", "{vm}");
    }
    market.close().await;
}

/// Where a receipt has to be bound, one of another task, worker or input is worth nothing, however
/// valid it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_of_another_task_worker_or_input_is_slashed() {
    let mut market = Market::open().await;
    for vm in [ZkVm::Sp1V61, ZkVm::RiscZeroV30] {
        let right = real(vm);
        let bound = JournalStart::Binding;
        let slashed = TaskStatus::Slashed;
        let made_before = right.result.clone();
        let view = market.ends(&right, bound, slashed, |_, _| made_before).await;
        assert_eq!(reason(&view), "the proof is refused: receipt_not_bound", "{vm}");
        let begins_with = |binding: Hash32| {
            let journal = [&binding.0[..], &right.result.journal].concat();
            ReceiptResult { journal, ..right.result.clone() }
        };
        let bindings: [fn(&Listing, &Worker) -> Hash32; 3] = [
            |listing, by| {
                journal_binding(&TaskId(Hash32([9; 32])), &by.address, &listing.input.hash)
            },
            |listing, by| journal_binding(&listing.id(), &by.stake, &listing.input.hash),
            |listing, by| journal_binding(&listing.id(), &by.address, &Hash32::of(b"another")),
        ];
        for binding in bindings {
            let made = |listing: &Listing, by: &Worker| begins_with(binding(listing, by));
            let view = market.ends(&right, bound, slashed, made).await;
            assert_eq!(reason(&view), "the proof is refused: receipt_not_bound", "{vm}");
        }
        // The right words before a seal that is of others.
        let made = |listing: &Listing, by: &Worker| {
            begins_with(journal_binding(&listing.id(), &by.address, &listing.input.hash))
        };
        let view = market.ends(&right, bound, slashed, made).await;
        assert_eq!(reason(&view), "the proof is refused: receipt_not_valid", "{vm}");
    }
    market.close().await;
}
