//! SHA-256 over bytes, as the VM's own hash type.

use tycho_types::boc::Boc;
use tycho_types::prelude::*;

/// SHA-256 of `bytes`. `Boc::file_hash` is exactly that, so no second implementation is linked.
pub(crate) fn sha256(bytes: &[u8]) -> HashBytes {
    Boc::file_hash(bytes)
}

/// SHA-256 as plain bytes, for the rest of the crate.
pub(crate) fn local_digest(bytes: &[u8]) -> [u8; 32] {
    sha256(bytes).0
}
