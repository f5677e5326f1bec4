//! A `Payable` comes from `Assignment::accept`, which consumes a `Verified`, alone.
use fog_market::{Assignment, Payable};

fn forge(assignment: Assignment) -> Payable {
    Payable(assignment)
}

fn main() {
    let _ = forge;
}
