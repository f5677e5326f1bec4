//! A `Verified` is made by the verifier's `verify` and `rehydrate` alone.
use fog_verifier::{Conclusion, Evidence, Verified};

fn forge(value: Conclusion, evidence: Evidence) -> Verified<Conclusion> {
    Verified { value, evidence }
}

fn main() {
    let _ = forge;
}
