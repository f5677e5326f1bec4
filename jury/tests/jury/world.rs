//! A market of three verifiers, and results to ask them about.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use fog_jury::{
    Asker, Case, Conduct, Examiner, Juror, Materials, Matter, OPEN_BYTES, Panel, Question, Remote,
    Scope, Service, ServiceConfig, ServiceHandle, Stage,
};
use fog_protocol::{
    Address, BlobRef, Durations, Epoch, GuestExit, Hash32, Listing, Nano, Policy, Program,
    PublicKey, RATE_ONE, Rail, ResourceLimits, Reveal, SecretKey, Signed, commitment_hash, node_id,
};
use fog_verifier::{AuditBasis, Execute, ExecuteError, Execution, Job, draw, merkle};

pub(crate) const MODULE: &[u8] = b"a module";
pub(crate) const NODE: [u8; 32] = [50; 32];

pub(crate) fn market() -> Address {
    Address::basechain([7; 32])
}

pub(crate) fn scope() -> Scope {
    Scope { network: -3, market: market() }
}

pub(crate) fn key(index: u8) -> SecretKey {
    SecretKey::from_seed(&[60 + index; 32])
}

pub(crate) fn node_key() -> SecretKey {
    SecretKey::from_seed(&NODE)
}

/// The node of these tests, and another one that may ask about its own tasks.
fn askers() -> Vec<Asker> {
    let asker =
        |key: SecretKey, byte| Asker { key: key.public(), wallet: Address::basechain([byte; 32]) };
    vec![asker(node_key(), 8), asker(other_node_key(), 18)]
}

pub(crate) fn other_node_key() -> SecretKey {
    SecretKey::from_seed(&[51; 32])
}

pub(crate) fn verifiers() -> Vec<PublicKey> {
    (0..3).map(|index| key(index).public()).collect()
}

/// Reverses its input: the program of these tests. May be slow, or wrong in some runs.
#[derive(Debug, Default)]
pub(crate) struct Reversing {
    pub(crate) runs: AtomicU32,
    pub(crate) wrong_in: Vec<u32>,
    pub(crate) pause: Duration,
}

impl Execute for Reversing {
    fn execute(&self, job: &Job<'_>) -> Result<Execution, ExecuteError> {
        let run = self.runs.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(self.pause);
        let mut output = reversed(job.input);
        if self.wrong_in.contains(&run) {
            output.push(b'?');
        }
        Ok(Execution { exit: GuestExit::Success, output, fuel_used: job.input.len() as u64 })
    }
}

pub(crate) fn reversed(input: &[u8]) -> Vec<u8> {
    input.iter().rev().copied().collect()
}

pub(crate) fn listing(salt: u8, input: &[u8]) -> Listing {
    Listing {
        version: 1,
        network: -3,
        market: market(),
        operator: Address::basechain([8; 32]),
        requestor: Address::basechain([9; 32]),
        requestor_key: SecretKey::from_seed(&[1; 32]).public(),
        program: Program::Wasi { module: BlobRef::of(MODULE) },
        input: BlobRef::of(input),
        limits: ResourceLimits::default(),
        price_cap: Nano::grams(1),
        policy: Policy::Replay { rate_ppm: RATE_ONE },
        durations: Durations { bid: 60, commit: 60, verdict: 60, window: 60 },
        nonce_hash: draw::nonce_hash(&nonce()),
        epoch: None,
        salt: Hash32([salt; 32]),
        rail: Rail::Escrow,
    }
    .with_epoch(epoch(0, &SEED, Hash32::default()).value.named())
}

/// The seed of the node's first epoch.
pub(crate) const SEED: Hash32 = Hash32([4; 32]);

/// An epoch of the node of these tests.
pub(crate) fn epoch(number: u64, seed: &Hash32, previous: Hash32) -> Signed<Epoch> {
    let node = node_id(-3, &market(), &Address::basechain([8; 32]));
    let (seed_hash, from) = (draw::seed_hash(seed), 1_999_950_000 + 1_000 * number);
    let to = from + 1_000;
    Signed::new(Epoch { node, number, seed_hash, previous, from, to }, &node_key())
}

pub(crate) fn nonce() -> Hash32 {
    Hash32([3; 32])
}

/// A result of which `change` makes something else.
pub(crate) fn case(salt: u8, change: impl FnOnce(&mut Reveal)) -> Case {
    let input = format!("the input of task {salt}").into_bytes();
    let listing = listing(salt, &input);
    case_of(listing, &input, Stage::Verdict, change)
}

pub(crate) fn case_of(
    listing: Listing,
    input: &[u8],
    stage: Stage,
    change: impl FnOnce(&mut Reveal),
) -> Case {
    let worker = Address::basechain([10; 32]);
    let task = listing.id();
    let mut reveal = Reveal {
        task,
        exit: GuestExit::Success,
        output: reversed(input),
        fuel_used: input.len() as u64,
        salt: Hash32([5; 32]),
    };
    change(&mut reveal);
    let root = merkle::result_root(reveal.exit, &reveal.output);
    let commitment = commitment_hash(&task, &worker, &root, reveal.fuel_used, &reveal.salt);
    let basis = match stage {
        Stage::Verdict => AuditBasis::Drawn { seed: SEED, nonce: nonce() },
        Stage::Ruling => AuditBasis::Disputed,
    };
    let question = Question {
        worker,
        stake: Address::basechain([11; 32]),
        price: Nano::new(500_000_000),
        commitment,
        valid_until: 2_000_000_000,
        matter: Matter::Result {
            reveal: Box::new(reveal),
            commit: None,
            basis,
            rate_ppm: RATE_ONE,
            stage,
        },
        epoch: Some(Box::new(epoch(0, &SEED, Hash32::default()))),
        opening: None,
        listing,
    };
    let materials = Materials::gather(&question, |blob| {
        let known = [MODULE, input];
        let bytes = known.iter().find(|bytes| Hash32::of(bytes) == blob.hash);
        Ok::<_, std::convert::Infallible>(bytes.map(|bytes| bytes.to_vec()))
    });
    let Ok(materials) = materials;
    Case { question, materials: materials.unwrap() }
}

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn folder(&self, index: u8) -> PathBuf {
        self.dir.path().join(format!("verifier-{index}"))
    }

    pub(crate) fn examiner(&self, index: u8, execute: Arc<Reversing>) -> Examiner {
        self.examiner_again(index, execute, honest())
    }

    pub(crate) fn examiner_again(
        &self,
        index: u8,
        execute: Arc<Reversing>,
        again: Arc<Reversing>,
    ) -> Examiner {
        let folder = self.folder(index).join("journal");
        Examiner::open(key(index), scope(), &folder, execute, again).unwrap()
    }

    pub(crate) async fn serve(
        &self,
        index: u8,
        execute: Arc<Reversing>,
        conduct: Conduct,
    ) -> ServiceHandle {
        let examiner = Arc::new(self.examiner(index, execute).with_conduct(conduct));
        let listen = "127.0.0.1:0".parse().unwrap();
        let mut config = ServiceConfig::new(listen, self.folder(index), askers());
        config.blob_bytes = 4 << 10;
        config.blob_bytes_total = 16 << 10;
        config.question_bytes = 16 << 10;
        Service::start(examiner, config).await.unwrap()
    }

    pub(crate) fn panel(&self, jurors: Vec<Arc<dyn Juror>>, asking: Duration) -> Arc<Panel> {
        self.panel_with(jurors, asking, OPEN_BYTES)
    }

    /// The same with so many bytes that each verifier may be asked about at once.
    pub(crate) fn panel_with(
        &self,
        jurors: Vec<Arc<dyn Juror>>,
        asking: Duration,
        open_bytes: u64,
    ) -> Arc<Panel> {
        let file = self.dir.path().join("verifiers.json");
        let panel = Panel::new(&verifiers(), jurors, asking, file).unwrap();
        Arc::new(panel.with_open_bytes(open_bytes))
    }
}

pub(crate) fn remote(index: u8, url: &str) -> Arc<dyn Juror> {
    Arc::new(Remote::new(url, key(index).public(), scope(), node_key()).unwrap())
}

pub(crate) fn honest() -> Arc<Reversing> {
    Arc::new(Reversing::default())
}
