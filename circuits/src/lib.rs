//! Programs that can be proven: circuits over BLS12-381, their keys and the prover.

mod sha256;

pub use sha256::sha256;
