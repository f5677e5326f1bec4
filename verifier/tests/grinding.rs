//! What choosing one's salt is worth, over many draws: nothing, as long as one of the two secrets
//! is somebody else's.

use fog_protocol::{
    Address, BlobRef, Durations, EpochRef, GuestExit, Hash32, Listing, Nano, Policy, Program,
    PublicKey, Rail, ResourceLimits, TaskId, commitment_hash, tagged_hash,
};
use fog_verifier::{AuditBasis, Evidence, Finding, draw};

const RATE_PPM: u32 = 50_000;
const TASKS: u32 = 20_000;
/// Salts a grinding worker tries for each task.
const SALTS: u32 = 8;

/// What the grinding worker knows of the two secrets before it commits.
#[derive(Debug, Clone, Copy)]
enum Knows {
    /// Their hashes, as everybody.
    Nothing,
    /// The node's seed: the node is its partner.
    Seed,
    /// The requestor's nonce: the requestor is its partner.
    Nonce,
    /// Both: to see that this test would notice.
    Both,
}

fn secret(what: &str, number: u32) -> Hash32 {
    tagged_hash("fog/test-grinding/v1", &[what.as_bytes(), &number.to_le_bytes()])
}

/// The share of results drawn, of 1,000,000, when the worker commits with the salt that it would
/// be drawn least with, by all it can compute.
fn drawn_ppm(knows: Knows) -> u32 {
    let worker = Address::basechain([1; 32]);
    let mut drawn = 0;
    for number in 0..TASKS {
        let task = TaskId(secret("task", number));
        // A seed for each task is the worst case: in an epoch one would serve many.
        let (seed, nonce) = (secret("seed", number), secret("nonce", number));
        // What it does not know it replaces by its best guess: the hash that is public.
        let (seen_seed, seen_nonce) = match knows {
            Knows::Nothing => (draw::seed_hash(&seed), draw::nonce_hash(&nonce)),
            Knows::Seed => (seed, draw::nonce_hash(&nonce)),
            Knows::Nonce => (draw::seed_hash(&seed), nonce),
            Knows::Both => (seed, nonce),
        };
        let commitments = (0..SALTS).map(|salt| {
            let salt = secret("salt", salt);
            commitment_hash(&task, &worker, &secret("result", number), 1, &salt)
        });
        let looks_drawn = |commitment: &Hash32| {
            draw::is_drawn(&seen_seed, &seen_nonce, &task, commitment, RATE_PPM)
        };
        // Farther from the draw's edge, where several look safe.
        let safest = |commitment: &Hash32| {
            draw::is_drawn(&seen_seed, &seen_nonce, &task, commitment, RATE_PPM * 10)
        };
        let best = commitments.min_by_key(|known| (looks_drawn(known), safest(known)));
        let is_drawn = |known| draw::is_drawn(&seed, &nonce, &task, &known, RATE_PPM);
        drawn += u32::from(best.is_some_and(is_drawn));
    }
    drawn * (1_000_000 / TASKS)
}

/// Is the epoch of the draw in the listing?
#[derive(Debug, Clone, Copy)]
enum Bound {
    Named,
    /// As before listings named one: to see that this test would notice.
    NotNamed,
}

fn listing(number: u32, seed: &Hash32, nonce: &Hash32, bound: Bound) -> Listing {
    let listing = Listing {
        version: Listing::VERSION,
        network: -3,
        market: Address::basechain([2; 32]),
        operator: Address::basechain([3; 32]),
        requestor: Address::basechain([4; 32]),
        requestor_key: PublicKey(Hash32([5; 32])),
        program: Program::Wasi { module: BlobRef::of(b"a module") },
        input: BlobRef::of(b"an input"),
        limits: ResourceLimits::default(),
        price_cap: Nano::grams(1),
        policy: Policy::Replay { rate_ppm: RATE_PPM },
        durations: Durations::default(),
        nonce_hash: draw::nonce_hash(nonce),
        salt: secret("listing", number),
        rail: Rail::Escrow,
        epoch: None,
    };
    match bound {
        Bound::Named => {
            let (number, seed_hash) = (u64::from(number), draw::seed_hash(seed));
            listing.with_epoch(EpochRef { number, seed_hash })
        }
        Bound::NotNamed => listing,
    }
}

/// The share of wrong results, of 1,000,000, that are looked at when node and worker are one: the
/// salt is chosen with the seed at hand, and then, when the requestor has opened its nonce, another
/// seed is looked for with which the evidence says that the draw left the result out.
fn caught_ppm(bound: Bound) -> u32 {
    const TASKS: u32 = 4_000;
    let worker = Address::basechain([1; 32]);
    let mut caught = 0;
    for number in 0..TASKS {
        let (seed, nonce) = (secret("seed", number), secret("nonce", number));
        let listing = listing(number, &seed, &nonce, bound);
        let (task, root) = (listing.id(), secret("result", number));
        let guess = listing.nonce_hash;
        let commitments = (0..SALTS).map(|salt| {
            let salt = secret("salt", salt);
            (commitment_hash(&task, &worker, &root, 1, &salt), salt)
        });
        let best = commitments
            .min_by_key(|(known, _)| draw::is_drawn(&seed, &guess, &task, known, RATE_PPM * 10));
        let (commitment, salt) = best.unwrap_or_default();
        let others = (0..SALTS).map(|other| secret("another seed", number * SALTS + other));
        let passes = |seed: Hash32| {
            let evidence = Evidence {
                task,
                worker,
                commitment,
                exit: GuestExit::Success,
                result_root: root,
                output_hash: Hash32::default(),
                output_bytes: 0,
                fuel_used: 1,
                salt,
                basis: AuditBasis::NotDrawn { seed, nonce },
                rate_ppm: RATE_PPM,
                finding: Finding::NotChecked,
            };
            evidence.check(&listing).is_ok()
        };
        caught += u32::from(![seed].into_iter().chain(others).any(passes));
    }
    caught * (1_000_000 / TASKS)
}

#[test]
fn a_node_with_a_worker_gains_nothing_by_looking_for_a_seed_afterwards() {
    // 200 of 4,000 expected, standard deviation 13.8: five of them are 17,250 ppm either way.
    let caught = caught_ppm(Bound::Named);
    assert!(caught.abs_diff(RATE_PPM) < 17_250, "{caught}");
    assert_eq!(caught_ppm(Bound::NotNamed), 0, "nine seeds leave out what one draws");
}

#[test]
fn grinding_the_salt_gains_nothing_alone_or_with_one_partner() {
    // 1,000 of 20,000 expected, standard deviation 30.8: five of them are 7,700 ppm either way.
    for knows in [Knows::Nothing, Knows::Seed, Knows::Nonce] {
        let drawn = drawn_ppm(knows);
        assert!(drawn.abs_diff(RATE_PPM) < 7_700, "{knows:?}: {drawn}");
    }
    let drawn = drawn_ppm(Knows::Both);
    assert_eq!(drawn, 0, "who knows both evades every draw: so no one may");
}
