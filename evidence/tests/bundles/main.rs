//! Bundles of every kind: each holds, every changed byte is found and located, and whoever seals a
//! forged one again is found by what it says.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bytes;
mod golden;
mod limits;
mod proofs;
mod signers;

use fog_contracts::{
    Consent, VerdictTerms, commit_hash, consent_hash, dispute,
    market::{self, Choice, Config},
    rail::place_of,
    ruling_hash,
    task::{self, Assign, Outcome, Verdict},
    verdict_hash,
};
use fog_evidence::{Bundle, BundleError, Part, Status, Told, check};
use fog_protocol::{
    Address, BlobRef, Bound, Chunks, Cut, Direction, Durations, Epoch, Group, GuestExit, Hash32,
    Listing, Nano, Policy, Program, ResourceLimits, Reveal, SecretKey, Signed, Tagged as _,
    commitment_hash, node_id,
};
use fog_verifier::{
    AuditBasis, Evidence, Execute, ExecuteError, Execution, Finding, Job, Submission, Work, draw,
    find, merkle, produce, result_root,
    strategy::{
        Ran,
        redundant::{Opening, Siblings, Twin},
    },
};
use fog_wallet::{Wallet, WalletVersion};
use tycho_types::cell::{Cell, CellBuilder};

const MODULE: &[u8] = b"a module";
const INPUT: &[u8] = b"an input";
const RIGHT: &[u8] = b"the right result";
const WRONG: &[u8] = b"a wrong result";
const FUEL: u64 = 1_234;
const NONCE: Hash32 = Hash32([5; 32]);
const PRICE: Nano = Nano::new(1_000_000_000);
const RESERVE: Nano = Nano::new(19_000_000_000);

/// A module that gives what it is given.
const ECHO: &[u8] = b"an echo";
/// One that gives numbers.
const NUMBERS: &[u8] = b"a simulation";
/// One that finds the right result worth 5, any other 9.
const EVALUATOR: &[u8] = b"an evaluator";

/// Programs with one result, whatever runs them; and a component, which the sandbox runs.
struct Honest;

impl Execute for Honest {
    fn execute(&self, job: &Job<'_>) -> Result<Execution, ExecuteError> {
        let output = match job.blobs[0].as_slice() {
            ECHO => job.input.to_vec(),
            NUMBERS => b"3.125\n".to_vec(),
            EVALUATOR if job.input.ends_with(RIGHT) => b"5\n".to_vec(),
            EVALUATOR => b"9\n".to_vec(),
            proofs::REVERSE => return Ok(proofs::run(job)),
            limits::GREEDY => return Ok(limits::run()),
            limits::DEEP => return Ok(limits::run_deep(job.limits.stack_bytes)),
            module => {
                assert_eq!((module, job.input), (MODULE, INPUT));
                RIGHT.to_vec()
            }
        };
        Ok(Execution { exit: GuestExit::Success, output, fuel_used: FUEL })
    }
}

fn improves(than: &str) -> Policy {
    let (evaluator, than) = (BlobRef::of(EVALUATOR), than.parse().unwrap());
    Policy::Improves { rate_ppm: 50_000, evaluator, direction: Direction::Minimise, than }
}

fn statistical() -> Policy {
    let sigma = "0.01".parse().unwrap();
    let bounds = vec![Bound::Deviations { sigma, milli: 3_000 }];
    Policy::Statistical { rate_ppm: 50_000, bounds }
}

fn chunked() -> Policy {
    let chunks = Chunks { bytes: 1, cut: Cut::Bytes };
    Policy::Merkle { rate_ppm: 50_000, samples: 6, chunks }
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

fn verifiers() -> Vec<SecretKey> {
    (101..104).map(key).collect()
}

fn config() -> Config {
    Config::of(Choice {
        min_step: 10,
        max_step: 3600,
        timelock: 600,
        threshold: 2,
        fee_bps: 500,
        treasury: Address::basechain([1; 32]),
        verifiers: verifiers().iter().map(SecretKey::public).collect(),
        unbonding: 3 * 3600 + 601,
        burn: Address::basechain([2; 32]),
        operator_bps: 5_000,
        appeal: 3,
        appeal_time: 600,
        challenge_bond: Nano::grams(1),
    })
}

/// The secret of a group of copies.
const SECRET: Hash32 = Hash32([0x33; 32]);
/// The input of a copy.
const BLINDED: &[u8] = b"32 bytes that no program sees...an input";

fn redundant(index: u8) -> Policy {
    Policy::Redundant { copies: 2, sibling: Group::sibling(&SECRET, index) }
}

/// Of copies that agree, so many are run again.
const COPIES_PPM: u32 = 50_000;

fn copies(index: u8) -> Policy {
    let sibling = Group::sibling(&SECRET, index);
    Policy::Copies { copies: 2, sibling, rate_ppm: COPIES_PPM }
}

fn input(policy: &Policy) -> &'static [u8] {
    if policy.copies().is_some() { BLINDED } else { INPUT }
}

/// The other copy, by another worker, with this result.
fn siblings(output: &[u8]) -> AuditBasis {
    AuditBasis::Siblings(other(&redundant(1), output))
}

fn other(policy: &Policy, output: &[u8]) -> Siblings {
    let listing = Listing { salt: Hash32([1; 32]), ..listing(policy) };
    let (worker, salt) = (Address::basechain([0xde; 32]), Hash32([2; 32]));
    let result_root = merkle::result_root(GuestExit::Success, output);
    let ran = Ran { exit: GuestExit::Success, result_root, fuel_used: FUEL };
    let commitment = commitment_hash(&listing.id(), &worker, &result_root, FUEL, &salt);
    let twin = Twin { listing, worker, commitment, opening: Opening { ran, salt } };
    Siblings { secret: SECRET, twins: vec![twin] }
}

fn listing(policy: &Policy) -> Listing {
    let module = match policy {
        Policy::Statistical { .. } => NUMBERS,
        Policy::Merkle { .. } => ECHO,
        _ => MODULE,
    };
    Listing {
        version: Listing::version_of(&fog_protocol::Rail::Escrow, policy),
        network: -3,
        market: Address::basechain([0xaa; 32]),
        operator: node_wallet(),
        requestor: Address::basechain([0xcc; 32]),
        requestor_key: key(7).public(),
        program: Program::Wasi { module: BlobRef::of(module) },
        input: BlobRef::of(input(policy)),
        limits: ResourceLimits::default(),
        price_cap: PRICE,
        policy: policy.clone(),
        durations: Durations { bid: 600, commit: 600, verdict: 600, window: 60 },
        nonce_hash: draw::nonce_hash(&NONCE),
        epoch: None,
        salt: Hash32([9; 32]),
        rail: fog_protocol::Rail::Escrow,
    }
}

/// Whose key signs epochs.
fn node_wallet() -> Address {
    Wallet::new(WalletVersion::V5R1, key(0xbb).public(), -3).unwrap().address()
}

/// The node's epoch with this seed.
fn epoch(seed: &Hash32) -> Signed<Epoch> {
    let listing = listing(&Policy::Replay { rate_ppm: 50_000 });
    let node = node_id(listing.network, &listing.market, &listing.operator);
    let (seed_hash, previous) = (draw::seed_hash(seed), Hash32([7; 32]));
    let value = Epoch { node, number: 3, seed_hash, previous, from: 3_000, to: 4_000 };
    Signed::new(value, &key(0xbb))
}

fn listing_in(policy: &Policy, seed: Option<&Hash32>) -> Listing {
    let listing = listing(policy);
    match seed {
        Some(seed) => listing.with_epoch(epoch(seed).value.named()),
        None => listing,
    }
}

fn told(body: Cell) -> Told {
    Told { lt: 42, transaction: Hash32([0x42; 32]), body }
}

fn message(op: u32, write: impl FnOnce(&mut CellBuilder)) -> Told {
    let mut body = CellBuilder::new();
    body.store_u32(op).unwrap();
    body.store_u64(1).unwrap();
    write(&mut body);
    told(body.build().unwrap())
}

/// The settings cell inside a configuration.
fn settings(config: &Config) -> Cell {
    let setup = market::setup(0, config).unwrap();
    setup.reference_cloned(0).unwrap().reference_cloned(0).unwrap()
}

/// How a bundle differs from an honest one.
#[derive(Clone)]
struct Story {
    policy: Policy,
    output: &'static [u8],
    basis: AuditBasis,
    rate_ppm: u32,
    session: u8,
    consent_reserve: Nano,
    signers: Vec<u8>,
    network: i32,
    accepted: Option<bool>,
    price: Nano,
    /// Last second of the verdict.
    until: u32,
    /// The seed of the epoch that the listing names.
    epoch: Option<Hash32>,
}

fn story(output: &'static [u8], basis: AuditBasis) -> Story {
    Story {
        policy: Policy::Replay { rate_ppm: 50_000 },
        output,
        epoch: basis.seed().copied(),
        basis,
        rate_ppm: 50_000,
        session: 50,
        consent_reserve: RESERVE,
        signers: vec![0, 2],
        network: -3,
        accepted: None,
        price: PRICE,
        until: 10_500,
    }
}

fn worker() -> Address {
    Address::basechain([0xdd; 32])
}

fn evidence_of(listing: &Listing, story: &Story) -> Evidence {
    // Eight chunks of an input of eight bytes.
    let fuel = if let Policy::Merkle { .. } = story.policy { 8 * FUEL } else { FUEL };
    let root = result_root(&story.policy, GuestExit::Success, story.output, fuel);
    let salt = Hash32([8; 32]);
    let commitment = commitment_hash(&listing.id(), &worker(), &root, fuel, &salt);
    Evidence {
        task: listing.id(),
        worker: worker(),
        commitment,
        exit: GuestExit::Success,
        result_root: root,
        output_hash: Hash32::of(story.output),
        output_bytes: story.output.len() as u64,
        fuel_used: fuel,
        salt,
        finding: finding(listing, story, commitment, fuel, salt),
        basis: story.basis.clone(),
        rate_ppm: story.rate_ppm,
    }
}

fn finding(
    listing: &Listing,
    story: &Story,
    commitment: Hash32,
    fuel_used: u64,
    salt: Hash32,
) -> Finding {
    if let Policy::Replay { .. } = story.policy {
        let (exit, fuel_used) = (GuestExit::Success, FUEL);
        let result_root = merkle::result_root(exit, RIGHT);
        return match story.basis.is_audit() {
            true => Finding::Replayed { exit, result_root, fuel_used, runs: 2 },
            false => Finding::NotChecked,
        };
    }
    let (task, output) = (listing.id(), story.output.to_vec());
    let reveal = Reveal { task, exit: GuestExit::Success, output, fuel_used, salt };
    let submission = Submission::open(reveal, listing, worker(), commitment).unwrap();
    let work = Work {
        listing,
        program: &program(&story.policy),
        input: input(&story.policy),
        key: listing.policy.file().map(|_| EVALUATOR),
        basis: story.basis.clone(),
        rate_ppm: story.rate_ppm,
    };
    find(&work, &submission, &Honest).unwrap()
}

fn program(policy: &Policy) -> Vec<Vec<u8>> {
    let module = match policy {
        Policy::Statistical { .. } => NUMBERS,
        Policy::Merkle { .. } => ECHO,
        _ => MODULE,
    };
    vec![module.to_vec()]
}

fn bundle(story: &Story) -> Bundle {
    let listing = listing_in(&story.policy, story.epoch.as_ref());
    let evidence = evidence_of(&listing, story);
    Bundle {
        program: program(&story.policy),
        input: Some(input(&story.policy).to_vec()),
        key: listing.policy.file().map(|_| EVALUATOR.to_vec()),
        output: Some(story.output.to_vec()),
        ..sealed(story, listing, evidence)
    }
}

/// The messages of a task with this evidence, without files.
fn sealed(story: &Story, listing: Listing, evidence: Evidence) -> Bundle {
    let config = config();
    let escrow = place_of(&listing).unwrap();
    let stake = config.stake_of(listing.market, worker()).address().unwrap();
    let session = key(50);
    let signer = key(story.session);
    let consent = Consent {
        network: story.network,
        stake,
        task: escrow,
        reserve: story.consent_reserve,
        price: story.price,
        valid_until: 9_999,
    };
    let consent = signer.sign(&consent_hash(&consent).unwrap().0);
    let (price, reserve) = (story.price, RESERVE);
    let assign = Assign { owner: worker(), price, reserve, valid_until: 9_999, consent };
    let commit = commit_hash(story.network, &escrow, &evidence.commitment).unwrap();
    let terms = VerdictTerms {
        network: story.network,
        task: escrow,
        stake,
        price,
        commitment: evidence.commitment,
        outcome: match story.accepted.unwrap_or(evidence.accepts()) {
            true => Outcome::Accepted,
            false => Outcome::Rejected,
        },
        evidence: evidence.digest(),
        valid_until: story.until,
    };
    let is_ruling = story.basis == AuditBasis::Disputed;
    let hash = if is_ruling { ruling_hash(&terms) } else { verdict_hash(&terms) }.unwrap();
    let all = verifiers();
    let sign = |index: &u8| (*index, all[usize::from(*index)].sign(&hash.0));
    let verdict = Verdict {
        outcome: terms.outcome,
        evidence: terms.evidence,
        valid_until: terms.valid_until,
        signatures: story.signers.iter().map(sign).collect(),
    };
    let signed = signer.sign(&commit.0);
    Bundle {
        opened: message(task::op::OPENED, |body| {
            body.store_reference(settings(&config)).unwrap();
        }),
        assign: told(task::assign(1, &assign).unwrap()),
        reserved: message(task::op::RESERVED, |body| {
            body.store_raw(&session.public().0.0, 256).unwrap();
        }),
        commit: told(task::commit(1, &evidence.commitment, &signed).unwrap()),
        verdict: told(match is_ruling {
            true => dispute::ruling(1, &verdict).unwrap(),
            false => task::verdict(1, &verdict).unwrap(),
        }),
        evidence,
        program: Vec::new(),
        input: None,
        key: None,
        output: None,
        epoch: story.epoch.as_ref().map(epoch),
        listing,
    }
}

/// A seed with which the draw comes out as wished.
fn seed(drawn: bool, output: &'static [u8]) -> Hash32 {
    seed_for(drawn, &story(output, AuditBasis::Probation))
}

fn seed_for(drawn: bool, story: &Story) -> Hash32 {
    let is = |seed: &Hash32| {
        let listing = listing_in(&story.policy, Some(seed));
        let made = evidence_of(&listing, story);
        draw::is_drawn(seed, &NONCE, &listing.id(), &made.commitment, 50_000) == drawn
    };
    (0..10_000u32).map(|n| Hash32::of(&n.to_le_bytes())).find(is).unwrap()
}

/// What an honest worker hands in, and one that changed its second byte from the end.
fn results(policy: &Policy) -> [&'static [u8]; 2] {
    let listing = listing(policy);
    let right = produce(&listing, &program(policy), INPUT, &worker(), &Honest).unwrap().output;
    let mut wrong = right.clone();
    let at = wrong.len() - 2;
    wrong[at] ^= 4;
    [right.leak(), wrong.leak()]
}

/// Bundles of the strategies that look at more than equality.
fn strategies() -> Vec<(&'static str, Bundle)> {
    let mut kinds = Vec::new();
    let mut add = |name, policy: Policy, output: &'static [u8], basis: AuditBasis, accepted| {
        // All of one epoch, so that they differ in what was found alone; at a rate of one, which a
        // worker without history has, every seed draws.
        let (rate_ppm, epoch) = (fog_protocol::RATE_ONE, Some(NONCE));
        let told = Story { policy, rate_ppm, epoch, ..story(output, basis) };
        let bundle = bundle(&told);
        assert_eq!(bundle.evidence.accepts(), accepted, "{name}: {}", bundle.evidence.reason());
        kinds.push((name, bundle));
    };
    let drawn = || AuditBasis::Drawn { seed: NONCE, nonce: NONCE };
    add("improves", improves("6"), RIGHT, drawn(), true);
    add("improves not, but honest", improves("5"), RIGHT, drawn(), true);
    add("improves not", improves("5"), WRONG, AuditBasis::Probation, false);
    add("near enough", statistical(), b"3.135", drawn(), true);
    add("a breach that many runs explain", statistical(), b"3.175", drawn(), true);
    add("too far away", statistical(), b"3.9", drawn(), false);
    add("no numbers", statistical(), RIGHT, AuditBasis::Flagged, false);
    let [right, wrong] = results(&chunked());
    add("all chunks right", chunked(), right, AuditBasis::Probation, true);
    add("all chunks, not all right", chunked(), wrong, AuditBasis::Probation, false);
    add("drawn chunks right", chunked(), right, drawn(), true);
    add("no chunks", chunked(), RIGHT, drawn(), false);
    add("copies agree", redundant(0), RIGHT, siblings(RIGHT), true);
    add("copies differ, this one is right", redundant(0), RIGHT, siblings(WRONG), true);
    add("copies differ, this one is wrong", redundant(0), WRONG, siblings(RIGHT), false);
    add(
        "copies agree on what a newcomer may not",
        redundant(0),
        WRONG,
        AuditBasis::Probation,
        false,
    );
    let missing = AuditBasis::Siblings(Siblings::default());
    add("a copy did not come", redundant(0), RIGHT, missing, true);
    kinds
}

/// Copies with the same result: one that the draw left out, and one that it chose.
fn equal_copies() -> Vec<(&'static str, Bundle)> {
    let told = |output, basis| Story { policy: copies(0), ..story(output, basis) };
    let seed = |drawn, output| seed_for(drawn, &told(output, AuditBasis::Probation));
    let siblings = other(&copies(1), RIGHT);
    let left_out = AuditBasis::Agreed { siblings, seed: seed(false, RIGHT), nonce: NONCE };
    let drawn = AuditBasis::Drawn { seed: seed(true, WRONG), nonce: NONCE };
    vec![
        ("copies agree and are not drawn", bundle(&told(RIGHT, left_out))),
        ("a copy is drawn, and all are wrong", bundle(&told(WRONG, drawn))),
    ]
}

/// A verdict was challenged, and all verifiers looked again.
fn ruled(output: &'static [u8]) -> Story {
    Story { signers: vec![0, 1, 2], ..story(output, AuditBasis::Disputed) }
}

/// One of each kind.
fn kinds() -> Vec<(&'static str, Bundle)> {
    let drawn = |output| AuditBasis::Drawn { seed: seed(true, output), nonce: NONCE };
    let left_out = AuditBasis::NotDrawn { seed: seed(false, RIGHT), nonce: NONCE };
    let mut kinds = vec![
        ("accepted after a draw", bundle(&story(RIGHT, drawn(RIGHT)))),
        ("rejected after a draw", bundle(&story(WRONG, drawn(WRONG)))),
        ("not drawn", bundle(&story(RIGHT, left_out))),
        ("probation", bundle(&story(RIGHT, AuditBasis::Probation))),
        ("flagged, rejected", bundle(&story(WRONG, AuditBasis::Flagged))),
        ("nonce withheld", bundle(&story(RIGHT, AuditBasis::NonceWithheld))),
    ];
    for (name, output) in [("ruled right", RIGHT), ("ruled wrong", WRONG)] {
        kinds.push((name, bundle(&ruled(output))));
    }
    let later = Story { epoch: Some(NONCE), ..story(RIGHT, AuditBasis::Probation) };
    kinds.push(("probation, in an epoch", bundle(&later)));
    kinds.extend(strategies());
    kinds.extend(equal_copies());
    kinds.extend(proofs::kinds());
    kinds.extend(limits::kinds());
    kinds
}

/// Of the time before listings named an epoch.
fn older() -> Vec<(&'static str, Bundle)> {
    let rate_ppm = fog_protocol::RATE_ONE;
    let drawn = AuditBasis::Drawn { seed: NONCE, nonce: NONCE };
    let told = Story { epoch: None, rate_ppm, ..story(RIGHT, drawn.clone()) };
    let strategy = Story { policy: improves("6"), ..told.clone() };
    vec![("an older draw", bundle(&told)), ("an older strategy", bundle(&strategy))]
}

#[test]
fn older_bundles_are_read_and_say_what_they_lack() {
    for ((name, bundle), version) in older().into_iter().zip([1, 2]) {
        let bytes = bundle.encode().unwrap();
        assert_eq!(bytes[7], version);
        assert_eq!(Bundle::decode(&bytes).unwrap(), bundle, "{name}");
        let report = check(&bundle, &Honest);
        let open = report.steps.iter().find(|step| step.status == Status::NotChecked).unwrap();
        assert!(report.ok && !report.complete, "{name}: {report:#?}");
        assert_eq!(open.name, "epoch", "{name}");
        // With an epoch beside a listing that names none it is another encoding of the same.
        let added = Bundle { epoch: Some(epoch(&NONCE)), ..bundle };
        let read = Bundle::decode(&added.encode().unwrap());
        assert_eq!(read, Err(BundleError::Foreign(Part::Epoch)), "{name}");
    }
}

/// Who chooses the seed after the commitment chooses the draw: that shows.
#[test]
fn a_seed_that_was_not_fixed_before_fails() {
    let seed = seed(false, WRONG);
    let honest = bundle(&story(WRONG, AuditBasis::NotDrawn { seed, nonce: NONCE }));
    assert_eq!(fails(&honest), "result", "all but the result, which nobody looked at, holds");
    // Another seed, with which it is not drawn either: the listing names another.
    let others = (1..10_000u32).map(|n| Hash32::of(&n.to_be_bytes()));
    let (task, commitment) = (honest.listing.id(), honest.evidence.commitment);
    let left_out = |seed: &Hash32| !draw::is_drawn(seed, &NONCE, &task, &commitment, 50_000);
    let other = others.into_iter().find(left_out).unwrap();
    let ground = |epoch| {
        let mut story = story(WRONG, AuditBasis::NotDrawn { seed: other, nonce: NONCE });
        story.epoch = Some(seed);
        Bundle { epoch, ..bundle(&story) }
    };
    assert_eq!(fails(&ground(Some(epoch(&seed)))), "epoch");
    assert_eq!(fails(&ground(Some(epoch(&other)))), "epoch");
    assert_eq!(
        ground(None).encode().map(|bytes| Bundle::decode(&bytes)),
        Ok(Err(BundleError::Missing(Part::Epoch)))
    );
    let mut unsigned = honest.clone();
    unsigned.epoch.as_mut().unwrap().value.from += 1;
    assert_eq!(fails(&unsigned), "epoch");
    // Paid for when its epoch's seed had long been told.
    let basis = unsigned.evidence.basis.clone();
    let late = Story { until: 200_000, epoch: basis.seed().copied(), ..story(WRONG, basis) };
    assert_eq!(fails(&bundle(&late)), "epoch");
    // Everything in it right, by anybody's key.
    let mut anybodys = honest.clone();
    let value = anybodys.epoch.as_ref().unwrap().value;
    anybodys.epoch = Some(Signed::new(value, &key(0xbc)));
    assert_eq!(fails(&anybodys), "epoch");
    let mut foreign = honest;
    let mut value = foreign.epoch.as_ref().unwrap().value;
    value.node.0[0] ^= 1;
    foreign.epoch = Some(Signed::new(value, &key(0xbb)));
    assert_eq!(fails(&foreign), "epoch");
}

/// What a verifier says it found is found again, or told apart.
#[test]
fn a_forged_finding_fails() {
    for (name, bundle) in strategies() {
        for (other, donor) in strategies() {
            if donor.listing != bundle.listing || donor.evidence == bundle.evidence {
                continue;
            }
            let mut forged = bundle.clone();
            forged.evidence.finding = donor.evidence.finding.clone();
            if forged.evidence != bundle.evidence {
                assert!(!check(&forged, &Honest).ok, "{name} with the finding of {other}");
            }
        }
    }
}

/// Copies that are none, or not all, or of the same worker, agree on nothing.
#[test]
fn only_all_copies_of_other_workers_agree() {
    let all = strategies();
    let (_, honest) = all.iter().find(|(name, _)| *name == "copies agree").unwrap();
    assert_eq!(honest.evidence.check(&honest.listing), Ok(()));
    let changes: [fn(&mut Siblings); 7] = [
        |siblings| siblings.secret = Hash32([0x34; 32]),
        |siblings| siblings.twins.clear(),
        |siblings| siblings.twins[0].worker = worker(),
        |siblings| siblings.twins[0].opening.salt = Hash32([3; 32]),
        |siblings| siblings.twins[0].opening.ran.fuel_used += 1,
        |siblings| siblings.twins[0].listing.policy = redundant(0),
        |siblings| siblings.twins.extend(siblings.twins.clone()),
    ];
    let left_out = equal_copies().remove(0).1;
    assert_eq!(left_out.evidence.check(&left_out.listing), Ok(()));
    for (number, change) in changes.iter().enumerate() {
        for honest in [honest, &left_out] {
            let mut forged = honest.evidence.clone();
            let (AuditBasis::Siblings(siblings) | AuditBasis::Agreed { siblings, .. }) =
                &mut forged.basis
            else {
                panic!()
            };
            change(siblings);
            assert!(forged.check(&honest.listing).is_err(), "change {number}");
        }
    }
    // Comparing alone is what older listings ask for.
    let mut forged = left_out.evidence.clone();
    forged.basis = AuditBasis::Siblings(other(&copies(1), RIGHT));
    assert!(forged.check(&left_out.listing).is_err());
}

/// The samples follow from the draw: other chunks are no evidence, nor are fewer.
#[test]
fn drawn_chunks_are_those_of_the_draw() {
    use fog_verifier::strategy::chunked::Looked;
    let (_, mut bundle) =
        strategies().into_iter().find(|(name, _)| *name == "drawn chunks right").unwrap();
    assert_eq!(bundle.evidence.check(&bundle.listing), Ok(()));
    let Finding::Chunked(found) = &mut bundle.evidence.finding else { panic!() };
    let Looked::Drawn { opened } = &mut found.looked else { panic!() };
    let last = opened.pop().unwrap();
    assert!(bundle.evidence.check(&bundle.listing).is_err(), "one less");
    let Finding::Chunked(found) = &mut bundle.evidence.finding else { panic!() };
    let Looked::Drawn { opened } = &mut found.looked else { panic!() };
    opened.push(last);
    opened.swap(0, 1);
    assert!(bundle.evidence.check(&bundle.listing).is_err(), "another order");
}

#[test]
fn each_kind_holds_and_reads_back() {
    for (name, bundle) in kinds() {
        let bytes = bundle.encode().unwrap();
        assert_eq!(Bundle::decode(&bytes).unwrap(), bundle, "{name}");
        let report = check(&bundle, &Honest);
        assert!(report.ok && report.complete, "{name}: {report:#?}");
        assert_eq!(report.steps.len(), 7 + usize::from(bundle.epoch.is_some()));
    }
}

/// The name of the first step that fails.
fn fails(bundle: &Bundle) -> &'static str {
    // Sealed again, so that only its meaning can give it away.
    let bundle = Bundle::decode(&bundle.encode().unwrap()).unwrap();
    let report = check(&bundle, &Honest);
    assert!(!report.ok);
    report.steps.iter().find(|step| step.status == Status::Failed).unwrap().name
}

#[test]
fn a_forged_story_fails_at_the_step_that_it_forges() {
    let honest = story(RIGHT, AuditBasis::Probation);
    let with = |change: &dyn Fn(&mut Story)| {
        let mut story = honest.clone();
        change(&mut story);
        bundle(&story)
    };
    assert_eq!(fails(&with(&|s| s.session = 51)), "assignment");
    assert_eq!(fails(&with(&|s| s.consent_reserve = Nano::new(1))), "assignment");
    assert_eq!(fails(&with(&|s| s.network = -239)), "assignment");
    assert_eq!(fails(&with(&|s| s.price = Nano::new(PRICE.get() + 1))), "assignment");
    assert_eq!(fails(&with(&|s| s.signers = vec![0])), "verdict");
    assert_eq!(fails(&with(&|s| s.signers = vec![0, 1, 2])), "verdict");
    assert_eq!(fails(&with(&|s| s.accepted = Some(false))), "verdict");
    // As many as sign a verdict are too few for a ruling.
    let few = Story { signers: vec![0, 2], ..ruled(WRONG) };
    assert_eq!(fails(&bundle(&few)), "verdict");
    // A verdict is no ruling, nor the other way round.
    let (mut forged, other) = (bundle(&ruled(WRONG)), bundle(&story(WRONG, AuditBasis::Flagged)));
    forged.verdict = other.verdict;
    assert_eq!(fails(&forged), "messages");
    assert_eq!(fails(&with(&|s| s.rate_ppm = 49_999)), "evidence");
    // A draw that was not.
    let other = AuditBasis::NotDrawn { seed: seed(true, RIGHT), nonce: NONCE };
    assert_eq!(fails(&bundle(&story(RIGHT, other))), "evidence");
    let other = AuditBasis::Drawn { seed: seed(true, RIGHT), nonce: Hash32([6; 32]) };
    assert_eq!(fails(&bundle(&story(RIGHT, other))), "evidence");

    let mut forged = bundle(&honest);
    forged.listing.price_cap = Nano::new(PRICE.get() * 2);
    assert_eq!(fails(&forged), "listing");
    let mut forged = bundle(&honest);
    forged.evidence.worker = Address::basechain([1; 32]);
    assert_eq!(fails(&forged), "commitment");
    let mut forged = bundle(&honest);
    forged.evidence.salt = Hash32([1; 32]);
    assert_eq!(fails(&forged), "verdict");
    let mut forged = bundle(&honest);
    forged.commit = bundle(&story(WRONG, AuditBasis::Probation)).commit;
    assert_eq!(fails(&forged), "commitment");
    let mut forged = bundle(&honest);
    forged.opened = message(task::op::OPENED, |body| {
        let verifiers = vec![key(1).public(), key(2).public(), key(3).public()];
        let config = Config { verifiers, ..config() };
        body.store_reference(settings(&config)).unwrap();
    });
    assert_eq!(fails(&forged), "verdict");
    let mut forged = bundle(&honest);
    forged.reserved = forged.commit.clone();
    assert_eq!(fails(&forged), "messages");
    for change in [
        |bundle: &mut Bundle| bundle.program[0].push(1),
        |bundle: &mut Bundle| bundle.input = Some(vec![]),
        |bundle: &mut Bundle| bundle.output = Some(vec![]),
    ] {
        let mut forged = bundle(&honest);
        change(&mut forged);
        assert_eq!(fails(&forged), "result");
    }
}

#[test]
fn a_wrong_result_that_was_not_drawn_is_told_now() {
    let basis = AuditBasis::NotDrawn { seed: seed(false, WRONG), nonce: NONCE };
    let report = check(&bundle(&story(WRONG, basis)), &Honest);
    let result = report.steps.last().unwrap();
    assert_eq!((result.name, result.status), ("result", Status::Failed));
    assert!(result.found.contains("WRONG"), "{}", result.found);
}

#[test]
fn without_bytes_it_says_what_it_could_not_check() {
    let mut bundle = bundle(&story(RIGHT, AuditBasis::Probation));
    (bundle.program, bundle.input, bundle.output) = (vec![], None, None);
    let report = check(&bundle, &Honest);
    assert!(report.ok && !report.complete);
    assert_eq!(report.steps.last().unwrap().status, Status::NotChecked);
}
