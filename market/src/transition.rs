//! The task state machine: one table of (status, what happened) -> what follows.
//!
//! ```text
//!   posted --> awaiting_funds --unfunded--> dropped --opened--+
//!                    |                                        |
//!                    +--opened--> open <----------------------+
//!                                 |  ^
//!                          matched|  |reserve_failed, assign_timeout
//!                                 v  |
//!                              assigning
//!                                 |reserved   (also from every state before: an assignment given
//!                                 v            up here that landed after all, or was missed)
//!                              running
//!                                 |committed, committed_on_chain
//!                                 v
//!                             committed    nonce_opened, submitted, committed_on_chain stay
//!                                 |ready: commitment on chain, result here, basis known
//!                                 v
//!                             verifying
//!                        accepted|    |rejected
//!                                v    v
//!                         accepted    rejected    verdict_on_chain stays
//!                                |    |
//!                     closed_paid|    |closed_slashed      any state but an end
//!                                v    v                          |closed_refunded
//!                             paid    slashed                    v
//!                                                             refunded
//! ```
//!
//! The chain is the truth: `closed_*` ends a task in any state, once; facts that are known already
//! are stale; facts whose predecessor is missing are a gap, and the escrow's state is read.

use fog_protocol::TaskStatus;

/// What can happen to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// Chain: funded.
    Opened,
    /// The time for funding is over.
    Unfunded,
    /// A bid won.
    Matched,
    /// Chain: the stake is reserved.
    Reserved,
    /// Chain: the stake was not reserved.
    ReserveFailed,
    /// The consent has run out and nothing was heard.
    AssignTimeout,
    /// The worker signed a commitment.
    Committed,
    /// Chain: a commitment.
    CommittedOnChain,
    /// The requestor opened its nonce.
    NonceOpened,
    /// The result is here.
    Submitted,
    /// Commitment on chain, result here, basis of verification known.
    Ready,
    /// Verified.
    Accepted,
    /// Found wrong.
    Rejected,
    /// Chain: a verdict.
    VerdictOnChain,
    /// Chain: paid.
    ClosedPaid,
    /// Chain: slashed.
    ClosedSlashed,
    /// Chain: refunded.
    ClosedRefunded,
}

impl Trigger {
    /// Every trigger.
    pub const ALL: [Self; 17] = [
        Self::Opened,
        Self::Unfunded,
        Self::Matched,
        Self::Reserved,
        Self::ReserveFailed,
        Self::AssignTimeout,
        Self::Committed,
        Self::CommittedOnChain,
        Self::NonceOpened,
        Self::Submitted,
        Self::Ready,
        Self::Accepted,
        Self::Rejected,
        Self::VerdictOnChain,
        Self::ClosedPaid,
        Self::ClosedSlashed,
        Self::ClosedRefunded,
    ];
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The task gets this status.
    Go(TaskStatus),
    /// The fact is noted, the status stays.
    Stay,
    /// Known already, or too late to matter: nothing happens.
    Stale,
    /// What must have happened before is not known: read the chain.
    Gap,
    /// Not possible in this status.
    Refuse,
}

use Step::{Gap, Go, Refuse, Stale, Stay};
use TaskStatus::{
    Accepted, Assigning, AwaitingFunds, Committed, Dropped, Open, Paid, Refunded, Rejected,
    Running, Slashed, Verifying,
};

/// What follows when `trigger` happens to a task in `status`.
#[must_use]
pub const fn step(status: TaskStatus, trigger: Trigger) -> Step {
    match trigger {
        Trigger::Opened => opened(status),
        Trigger::Unfunded => only(status, AwaitingFunds, Dropped),
        Trigger::Matched => only(status, Open, Assigning),
        Trigger::Reserved => reserved(status),
        Trigger::ReserveFailed => reserve_failed(status),
        Trigger::AssignTimeout => only(status, Assigning, Open),
        Trigger::Committed => committed(status),
        Trigger::CommittedOnChain => committed_on_chain(status),
        Trigger::NonceOpened | Trigger::Submitted => from_worker_or_requestor(status),
        Trigger::Ready => only(status, Committed, Verifying),
        Trigger::Accepted => only(status, Verifying, Accepted),
        Trigger::Rejected => only(status, Verifying, Rejected),
        Trigger::VerdictOnChain => verdict_on_chain(status),
        Trigger::ClosedPaid => closed(status, Paid),
        Trigger::ClosedSlashed => closed(status, Slashed),
        Trigger::ClosedRefunded => closed(status, Refunded),
    }
}

/// The market's own decisions have one place each.
const fn only(status: TaskStatus, from: TaskStatus, to: TaskStatus) -> Step {
    if status as u8 == from as u8 { Go(to) } else { Refuse }
}

const fn opened(status: TaskStatus) -> Step {
    match status {
        // Money that comes after the listing was given up still makes a task.
        AwaitingFunds | Dropped => Go(Open),
        Open => Stay,
        Assigning | Running | Committed | Verifying | Accepted | Rejected | Paid | Slashed
        | Refunded => Stale,
    }
}

const fn reserved(status: TaskStatus) -> Step {
    match status {
        // Reading the chain late: what was missed on the way here changes nothing.
        AwaitingFunds | Open | Assigning | Dropped => Go(Running),
        Running | Committed | Verifying | Accepted | Rejected | Paid | Slashed | Refunded => Stale,
    }
}

const fn reserve_failed(status: TaskStatus) -> Step {
    match status {
        Assigning => Go(Open),
        AwaitingFunds | Open | Running | Committed | Verifying | Accepted | Rejected | Paid
        | Slashed | Refunded | Dropped => Stale,
    }
}

const fn committed(status: TaskStatus) -> Step {
    match status {
        Running => Go(Committed),
        // Sent again: acknowledged again, if it is the same.
        Committed | Verifying | Accepted | Rejected => Stay,
        AwaitingFunds | Open | Assigning | Paid | Slashed | Refunded | Dropped => Refuse,
    }
}

const fn committed_on_chain(status: TaskStatus) -> Step {
    match status {
        Running => Go(Committed),
        Committed => Stay,
        AwaitingFunds | Open | Assigning | Dropped => Gap,
        Verifying | Accepted | Rejected | Paid | Slashed | Refunded => Stale,
    }
}

const fn from_worker_or_requestor(status: TaskStatus) -> Step {
    match status {
        Committed => Stay,
        Verifying | Accepted | Rejected => Stale,
        AwaitingFunds | Open | Assigning | Running | Paid | Slashed | Refunded | Dropped => Refuse,
    }
}

const fn verdict_on_chain(status: TaskStatus) -> Step {
    match status {
        // A verdict this node has not stored: it is finalized, as anybody may.
        Committed | Verifying | Accepted | Rejected => Stay,
        AwaitingFunds | Open | Assigning | Running | Dropped => Gap,
        Paid | Slashed | Refunded => Stale,
    }
}

const fn closed(status: TaskStatus, end: TaskStatus) -> Step {
    match status {
        AwaitingFunds | Open | Assigning | Running | Committed | Verifying | Accepted
        | Rejected | Dropped => Go(end),
        Paid | Slashed | Refunded => {
            if status as u8 == end as u8 {
                Stale
            } else {
                Refuse
            }
        }
    }
}

/// Every pair of different statuses `(from, to)` a single event may take a task through, for the
/// database's own copy of this table.
#[must_use]
pub fn edges() -> Vec<(TaskStatus, TaskStatus)> {
    let mut edges = Vec::new();
    for from in TaskStatus::ALL {
        for trigger in Trigger::ALL {
            if let Go(to) = step(*from, trigger)
                && !edges.contains(&(*from, to))
            {
                edges.push((*from, to));
            }
        }
    }
    edges
}
