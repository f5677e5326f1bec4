//! Deterministic keys for local networks. **LOCAL ONLY**: anyone can compute them.

use crate::chain::local_digest;

/// How every such seed begins.
const MARK: &[u8; 10] = b"LOCAL ONLY";

/// The ed25519 seed of a party of a local network, e.g. `local_seed(7, "worker-3")`.
///
/// The same arguments always give the same 32 bytes, so these keys protect nothing: use them on
/// the embedded chain alone, and print "LOCAL ONLY" wherever they are shown. The bytes themselves
/// begin with these words: whatever reads such a seed can tell, and refuse it elsewhere.
pub fn local_seed(master_seed: u64, role: &str) -> [u8; 32] {
    let mut bytes = b"fog/testnet/local-only/seed/v1".to_vec();
    bytes.extend_from_slice(&master_seed.to_be_bytes());
    bytes.extend_from_slice(role.as_bytes());
    let mut seed = local_digest(&bytes);
    seed[..MARK.len()].copy_from_slice(MARK);
    seed
}

#[cfg(test)]
mod tests {
    use super::local_seed;

    #[test]
    fn seeds_differ_by_master_and_role_and_repeat() {
        assert_eq!(local_seed(1, "node"), local_seed(1, "node"));
        assert_ne!(local_seed(1, "node"), local_seed(2, "node"));
        assert_ne!(local_seed(1, "node"), local_seed(1, "worker"));
        assert!(local_seed(1, "node").starts_with(b"LOCAL ONLY"));
    }
}
