//! `fog`: the one binary.
fn main() {}
