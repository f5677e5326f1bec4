//! What a worker handed in is no `Verified`, and the market accepts nothing else.
use fog_market::Market;
use fog_verifier::Submission;

fn pay(market: &mut Market, submission: Submission) {
    let _ = market.accept(submission, 0);
}

fn main() {
    let _ = pay;
}
