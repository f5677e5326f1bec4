//! The audit draw: who is checked, decided after the commitment by two secrets fixed before it.
//!
//! `H(seed, nonce, task, commitment) < p * 2^256`. The node published `H(seed)` before the epoch's
//! first commitment, the requestor put `H(nonce)` into its listing: neither alone, and no worker,
//! can know or steer the draw, and anyone recomputes it once the seed is revealed.

use fog_protocol::{Hash32, RATE_ONE, TaskId, tagged_hash};

/// What the node publishes of its epoch seed.
#[must_use]
pub fn seed_hash(seed: &Hash32) -> Hash32 {
    tagged_hash("fog/epoch-seed/v1", &[&seed.0])
}

/// What the requestor puts into its listing of its nonce.
#[must_use]
pub fn nonce_hash(nonce: &Hash32) -> Hash32 {
    tagged_hash("fog/nonce/v1", &[&nonce.0])
}

/// Is the result behind `commitment` drawn for audit at `rate_ppm` parts per million?
#[must_use]
pub fn is_drawn(
    seed: &Hash32,
    nonce: &Hash32,
    task: &TaskId,
    commitment: &Hash32,
    rate_ppm: u32,
) -> bool {
    let drawn = tagged_hash("fog/draw/v1", &[&seed.0, &nonce.0, &task.0.0, &commitment.0]);
    let mut top = [0; 16];
    top.copy_from_slice(&drawn.0[..16]);
    // top / 2^128 < rate / 10^6, in integers: top / 2^20 * 10^6 stays below 2^128.
    let scaled = (u128::from_be_bytes(top) >> 20) * u128::from(RATE_ONE);
    scaled < u128::from(rate_ppm.min(RATE_ONE)) << 108
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(rate_ppm: u32, index: u32) -> bool {
        let commitment = Hash32::of(&index.to_le_bytes());
        let (seed, nonce) = (Hash32([1; 32]), Hash32([2; 32]));
        is_drawn(&seed, &nonce, &TaskId(Hash32([3; 32])), &commitment, rate_ppm)
    }

    #[test]
    fn nobody_at_zero_everybody_at_one() {
        assert!((0..1000).all(|i| !drawn(0, i) && drawn(RATE_ONE, i)));
    }

    #[test]
    fn the_share_drawn_is_the_rate() {
        // 40,000 draws at 5 %: 2,000 expected, standard deviation 43.6; five of them either way.
        let count = (0..40_000).filter(|i| drawn(50_000, *i)).count();
        assert!((1782..=2218).contains(&count), "{count}");
    }

    #[test]
    fn a_higher_rate_draws_a_superset() {
        assert!((0..2000).all(|i| !drawn(50_000, i) || drawn(60_000, i)));
    }
}
