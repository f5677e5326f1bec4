//! What choosing one's salt is worth, over many draws: nothing, as long as one of the two secrets
//! is somebody else's.

use fog_protocol::{Address, Hash32, TaskId, commitment_hash, tagged_hash};
use fog_verifier::draw;

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
