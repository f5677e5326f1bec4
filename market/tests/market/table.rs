//! The state machine's table, cell by cell.

use std::collections::BTreeSet;

use fog_market::transition::{Step, Trigger, edges, step};
use fog_protocol::TaskStatus::{
    self, Accepted, Assigning, AwaitingFunds, Committed, Dropped, Open, Paid, Refunded, Rejected,
    Running, Slashed, Verifying,
};

#[test]
fn these_are_all_the_edges() {
    let mut expected = BTreeSet::from([
        (AwaitingFunds, Open),
        (AwaitingFunds, Dropped),
        (AwaitingFunds, Running),
        (Dropped, Open),
        (Dropped, Running),
        (Open, Assigning),
        (Open, Running),
        (Assigning, Open),
        (Assigning, Running),
        (Running, Committed),
        (Committed, Verifying),
        (Verifying, Accepted),
        (Verifying, Rejected),
    ]);
    for from in TaskStatus::ALL {
        if !matches!(from, Paid | Slashed | Refunded) {
            expected.extend([Paid, Slashed, Refunded].map(|end| (*from, end)));
        }
    }
    assert_eq!(edges().into_iter().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn an_end_on_chain_is_final() {
    for end in [Paid, Slashed, Refunded] {
        for trigger in Trigger::ALL {
            assert!(
                matches!(step(end, trigger), Step::Stale | Step::Refuse),
                "{end} leaves by {trigger:?}"
            );
        }
    }
}

#[test]
fn facts_of_the_chain_are_never_refused_before_the_end() {
    let facts = [
        Trigger::Opened,
        Trigger::Reserved,
        Trigger::ReserveFailed,
        Trigger::CommittedOnChain,
        Trigger::VerdictOnChain,
        Trigger::ClosedPaid,
        Trigger::ClosedSlashed,
        Trigger::ClosedRefunded,
    ];
    for status in TaskStatus::ALL.iter().filter(|status| !status.is_terminal()) {
        for fact in facts {
            assert_ne!(step(*status, fact), Step::Refuse, "{status}, {fact:?}");
        }
    }
}

#[test]
fn a_verdict_has_one_way_in() {
    for (trigger, to) in [(Trigger::Accepted, Accepted), (Trigger::Rejected, Rejected)] {
        for status in TaskStatus::ALL {
            let expected = if *status == Verifying { Step::Go(to) } else { Step::Refuse };
            assert_eq!(step(*status, trigger), expected, "{status}");
        }
    }
}
