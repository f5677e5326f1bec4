//! Bundles of results that prove themselves (Groth16 over a real circuit, receipts that SP1's and RISC
//! Zero's own provers made), of a component that the sandbox runs, and of a task paid in a jetton.

use std::sync::OnceLock;

use fog_evidence::Bundle;
use fog_protocol::{
    Address, BlobRef, Curve, GuestExit, Hash32, JournalStart, Listing, Policy, Program,
    PublicInput, RATE_ONE, Rail, Reveal, Units, ZkVm, commitment_hash,
};
use fog_verifier::{
    AuditBasis, Evidence, Execution, Finding, Job, Judgement, Submission, Work, binding,
    groth16::{ProveLimits, prove},
    result_root,
    sandbox::{self, Allocation, Exit, Limits, Sandbox, SandboxConfig},
    verify,
};
use serde::Deserialize;

use crate::{Honest, INPUT, MODULE, NONCE, RIGHT, Story, epoch, fails, sealed, story, worker};

/// A component that gives its input backwards.
pub(crate) const REVERSE: &[u8] = include_bytes!("../../../cli/guests/reverse.wasm");

/// snarkjs' files of a circuit over one of the curves.
struct Circuit {
    curve: Curve,
    key: &'static [u8],
    zkey: &'static [u8],
    witness: &'static [u8],
    /// snarkjs' own proof of the same statement, bound to something else.
    foreign: [&'static str; 2],
}

macro_rules! circuit {
    ($curve:ident, $folder:literal) => {
        Circuit {
            curve: Curve::$curve,
            key: include_bytes!(concat!(
                "../../../verifier/tests/vectors/",
                $folder,
                "bound.vk.json"
            )),
            zkey: include_bytes!(concat!(
                "../../../verifier/tests/vectors/",
                $folder,
                "bound.zkey"
            )),
            witness: include_bytes!(concat!(
                "../../../verifier/tests/vectors/",
                $folder,
                "bound.wasm"
            )),
            foreign: [
                include_str!(concat!(
                    "../../../verifier/tests/vectors/",
                    $folder,
                    "bound.proof.json"
                )),
                include_str!(concat!(
                    "../../../verifier/tests/vectors/",
                    $folder,
                    "bound.public.json"
                )),
            ],
        }
    };
}

const BN254: Circuit = circuit!(Bn254, "groth16/");
const BLS12_381: Circuit = circuit!(Bls12381, "groth16/bls12-381/");
const RECEIPTS: &str = include_str!("../../../verifier/tests/vectors/groth16/receipts.json");
/// The circuit's input: the root of nine.
const ROOT: &[u8] = br#"{"square": "9", "x": "3"}"#;
const ELF: &[u8] = b"a program for a zkVM";

/// Runs a component.
pub(crate) fn run(job: &Job<'_>) -> Execution {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    let config = SandboxConfig { allocation: Allocation::OnDemand, ..SandboxConfig::default() };
    let sandbox = SANDBOX.get_or_init(|| Sandbox::new(config));
    let guest = sandbox::Job {
        seed: job.seed.0,
        limits: Limits::for_listing(&job.limits),
        ..sandbox::Job::new(job.input)
    };
    let outcome = sandbox.run(&job.blobs[0], guest).unwrap().unwrap();
    assert_eq!(outcome.exit, Exit::Success);
    let (output, fuel_used) = (outcome.output, outcome.fuel_used);
    Execution { exit: GuestExit::Success, output, fuel_used }
}

/// A listing with the files it names.
struct Task {
    listing: Listing,
    program: Vec<Vec<u8>>,
    input: &'static [u8],
    key: Option<&'static [u8]>,
}

impl Task {
    fn new(policy: &Policy, program: Program, files: &[&[u8]], input: &'static [u8]) -> Self {
        let listing = Listing { program, input: BlobRef::of(input), ..crate::listing(policy) };
        let program = files.iter().map(|file| file.to_vec()).collect();
        Self { listing, program, input, key: None }
    }

    /// What a verifier says of this result, and the bundle of that without files.
    fn judged(&self, output: &[u8], fuel_used: u64, basis: AuditBasis) -> Bundle {
        let (listing, exit, salt) = (&self.listing, GuestExit::Success, Hash32([8; 32]));
        let root = result_root(&listing.policy, exit, output, fuel_used);
        let commitment = commitment_hash(&listing.id(), &worker(), &root, fuel_used, &salt);
        let reveal = Reveal { task: listing.id(), exit, output: output.to_vec(), fuel_used, salt };
        let submission = Submission::open(reveal, listing, worker(), commitment).unwrap();
        let (program, input, key) = (&self.program[..], self.input, self.key);
        let work = Work { listing, program, input, key, basis, rate_ppm: RATE_ONE };
        let evidence = match verify(&work, submission, &Honest).unwrap() {
            Judgement::Accepted(verified) => verified.evidence().clone(),
            Judgement::Rejected(rejected) => rejected.evidence().clone(),
        };
        self.bundle(evidence)
    }

    fn bundle(&self, evidence: Evidence) -> Bundle {
        let epoch = self.listing.epoch.map(|_| NONCE);
        let told = Story { epoch, ..story(RIGHT, evidence.basis.clone()) };
        sealed(&told, self.listing.clone(), evidence)
    }

    /// A proof is checked without program and input: such bundles hold key and result.
    fn proven(&self, output: &str) -> Bundle {
        let key = self.key.map(<[u8]>::to_vec);
        let bundle = self.judged(output.as_bytes(), 0, AuditBasis::Proof);
        Bundle { key, output: Some(output.as_bytes().to_vec()), ..bundle }
    }

    fn replayed(&self, output: &[u8], fuel_used: u64) -> Bundle {
        let (program, input) = (self.program.clone(), Some(self.input.to_vec()));
        let bundle = self.judged(output, fuel_used, AuditBasis::Probation);
        Bundle { program, input, output: Some(output.to_vec()), ..bundle }
    }
}

impl Circuit {
    fn task(&self) -> Task {
        let publics = vec![PublicInput::Binding, PublicInput::Fixed("9".to_owned())];
        let policy = Policy::Groth16 { curve: self.curve, key: BlobRef::of(self.key), publics };
        let program =
            Program::Circom { zkey: BlobRef::of(self.zkey), witness: BlobRef::of(self.witness) };
        let task = Task::new(&policy, program, &[self.zkey, self.witness], ROOT);
        Task { key: Some(self.key), ..task }
    }

    /// Of a worker's proof for this task, and of somebody's for another.
    fn bundles(&self) -> [Bundle; 2] {
        let bound = binding(&self.task().listing.id(), &worker());
        let input = std::str::from_utf8(ROOT).unwrap();
        let limits = ProveLimits::default();
        let own = prove(self.zkey, self.witness, input, &bound, &[9; 32], &limits).unwrap();
        [[&own.proof_json[..], &own.public_json], self.foreign]
            .map(|[proof, public]| format!(r#"{{"proof":{proof},"public":{public}}}"#))
            .map(|output| self.task().proven(&output))
    }
}

#[derive(Deserialize)]
struct Receipt {
    vm: ZkVm,
    program: Hash32,
    journal: String,
    seal: String,
}

impl Receipt {
    fn of(vm: ZkVm) -> Self {
        let all: Vec<Self> = serde_json::from_str(RECEIPTS).unwrap();
        all.into_iter().find(|receipt| receipt.vm == vm).unwrap()
    }

    fn task(&self) -> Task {
        let policy = Policy::Receipt { program: self.program, start: JournalStart::Anything };
        let program = Program::ZkVm { vm: self.vm, elf: BlobRef::of(ELF) };
        Task::new(&policy, program, &[ELF], INPUT)
    }

    fn result(&self) -> String {
        format!(r#"{{"journal":"{}","seal":"{}"}}"#, self.journal, self.seal)
    }
}

/// Of the epoch that all have whose seed is the nonce.
fn in_epoch(task: Task) -> Task {
    let listing = task.listing.with_epoch(epoch(&NONCE).value.named());
    Task { listing, ..task }
}

fn component() -> Task {
    let program = Program::Wasi { module: BlobRef::of(REVERSE) };
    in_epoch(Task::new(&Policy::Replay { rate_ppm: 50_000 }, program, &[REVERSE], INPUT))
}

/// What the worker pays no heed to, and what the task's id is made of.
fn in_jetton() -> Task {
    let program = Program::Wasi { module: BlobRef::of(MODULE) };
    let mut task = Task::new(&Policy::Replay { rate_ppm: 50_000 }, program, &[MODULE], INPUT);
    let units = Units::new(3_000_007).unwrap();
    task.listing.rail = Rail::Jetton { master: Address::basechain([0x1e; 32]), units };
    in_epoch(task)
}

fn made() -> Vec<(&'static str, Bundle)> {
    let [own, foreign] = BN254.bundles();
    let [own_bls, foreign_bls] = BLS12_381.bundles();
    let [sp1, risc_zero, of_another] =
        [ZkVm::Sp1V61, ZkVm::RiscZeroV30, ZkVm::Sp1V5].map(Receipt::of);
    let other = Receipt { program: Hash32([0; 32]), ..Receipt::of(ZkVm::Sp1V5) };
    let reversed: Vec<u8> = INPUT.iter().rev().copied().collect();
    let fuel = {
        let task = component();
        let job = Job::new(&task.listing, &task.program, task.input, &worker());
        run(&job).fuel_used
    };
    vec![
        ("a proof", own),
        ("a proof of another task", foreign),
        ("a proof over BLS12-381", own_bls),
        ("a proof over BLS12-381 of another task", foreign_bls),
        ("a receipt of SP1", sp1.task().proven(&sp1.result())),
        ("a receipt of RISC Zero", risc_zero.task().proven(&risc_zero.result())),
        ("a receipt of another program", other.task().proven(&of_another.result())),
        ("a component", component().replayed(&reversed, fuel)),
        ("a component, another result", component().replayed(RIGHT, fuel)),
        ("paid in a jetton", in_jetton().replayed(RIGHT, crate::FUEL)),
    ]
}

/// One of each kind.
pub(crate) fn kinds() -> Vec<(&'static str, Bundle)> {
    static KINDS: OnceLock<Vec<(&'static str, Bundle)>> = OnceLock::new();
    KINDS.get_or_init(made).clone()
}

#[test]
fn what_is_wrong_is_rejected_and_says_why() {
    let wrong: Vec<_> = kinds()
        .into_iter()
        .filter(|(_, bundle)| !bundle.evidence.accepts())
        .map(|(name, bundle)| (name, bundle.evidence.reason()))
        .collect();
    let reasons = [
        ("a proof of another task", "the proof is refused: proof_not_valid"),
        ("a proof over BLS12-381 of another task", "the proof is refused: proof_not_valid"),
        ("a receipt of another program", "the proof is refused: receipt_not_valid"),
        (
            "a component, another result",
            "audited: the worker's history is short; the output differs",
        ),
    ];
    assert_eq!(wrong, reasons.map(|(name, reason)| (name, reason.to_owned())));
}

/// A listing over one curve with key and proof over the other says nothing of the worker.
#[test]
fn the_curve_is_the_listings() {
    for (circuit, other) in [(&BN254, Curve::Bls12381), (&BLS12_381, Curve::Bn254)] {
        let task = circuit.task();
        let Policy::Groth16 { key, publics, .. } = task.listing.policy.clone() else { panic!() };
        let policy = Policy::Groth16 { curve: other, key, publics };
        let listing = Listing { policy, ..task.listing.clone() };
        assert_ne!(listing.id(), task.listing.id());
        let finding = Finding::Proof { key: key.hash, fault: None };
        let [own, _] = circuit.bundles();
        let output = own.output.clone().unwrap();
        let root = result_root(&listing.policy, GuestExit::Success, &output, 0);
        let commitment = commitment_hash(&listing.id(), &worker(), &root, 0, &own.evidence.salt);
        let evidence = Evidence { task: listing.id(), commitment, finding, ..own.evidence };
        let task = Task { listing, ..task };
        let forged = Bundle { key: own.key, output: own.output, ..task.bundle(evidence) };
        assert_eq!(fails(&forged), "result");
    }
}

/// Verifiers that say of a proof what it is not sign their own conviction: it is checked again.
#[test]
fn a_proof_is_not_what_verifiers_say_but_what_it_is() {
    for (name, bundle) in kinds() {
        let Finding::Proof { key, fault } = &bundle.evidence.finding else { continue };
        let fault = fault.is_none().then(|| "proof_not_valid".to_owned());
        let finding = Finding::Proof { key: *key, fault };
        let evidence = Evidence { finding, ..bundle.evidence.clone() };
        let task = Task { program: vec![], input: &[], key: None, listing: bundle.listing.clone() };
        let forged = Bundle {
            key: bundle.key.clone(),
            output: bundle.output.clone(),
            ..task.bundle(evidence)
        };
        assert_eq!(fails(&forged), "result", "{name}");
    }
}
