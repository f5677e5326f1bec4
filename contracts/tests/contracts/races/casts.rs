//! Who races whom, from where, with what else, and how fast.

use super::{
    Race::{self, Cancel, Challenge, Exit, Settle, Slash, Timeout, Withdraw},
    stage::{HOLD, Stage, Word},
};
use crate::world::{STEP, UNBONDING};

const DAY: u32 = 24 * 3600;
/// After the deadline of each step.
pub(super) const LATE: u32 = STEP + 1;
/// All of six before the window ends.
const FAST: u32 = HOLD / 5;
/// After what begins to leave is out.
const SLOW: u32 = UNBONDING + 1;
/// Two of these are more than the ninety days of the last exit.
const YEARLY: u32 = 46 * DAY;

/// Six messages around a pair of races.
#[derive(Debug)]
pub(super) struct Cast {
    pub(super) pair: (Race, Race),
    pub(super) at: Stage,
    /// The first four are those that race while messages are under way.
    pub(super) words: [Word; 6],
    /// Seconds between two.
    pub(super) paces: &'static [u32],
}

const fn cast(a: Race, b: Race, at: Stage, words: [Word; 6], paces: &'static [u32]) -> Cast {
    Cast { pair: (a, b), at, words, paces }
}

use Stage::{Accepted, Assigned, Committed, Open, Rejected};
use Word::{
    Accept, Assign, Cancelling, Claim, Commit, Dispute, Finalize, Push, Reject, RuleAccepted,
    RuleRejected, Unbond, Undelegate, WithdrawBond, Withdrawal,
};

pub(super) const CASTS: [Cast; 31] = [
    cast(
        Settle,
        Settle,
        Accepted,
        [Finalize, Finalize, Push, Dispute, RuleAccepted, Push],
        &[HOLD, YEARLY],
    ),
    cast(Settle, Cancel, Open, [Assign, Cancelling, Commit, Accept, Finalize, Push], &[FAST, HOLD]),
    cast(
        Settle,
        Timeout,
        Accepted,
        [Finalize, Push, Dispute, RuleAccepted, Push, Withdrawal],
        &[HOLD, YEARLY],
    ),
    cast(
        Settle,
        Timeout,
        Committed,
        [Accept, Push, Finalize, Dispute, WithdrawBond, Push],
        &[HOLD, LATE],
    ),
    cast(
        Settle,
        Slash,
        Committed,
        [Accept, Reject, Finalize, Dispute, RuleRejected, Finalize],
        &[FAST, HOLD],
    ),
    cast(
        Settle,
        Withdraw,
        Accepted,
        [Finalize, Withdrawal, WithdrawBond, Dispute, RuleAccepted, Unbond],
        &[FAST, HOLD],
    ),
    cast(
        Settle,
        Challenge,
        Accepted,
        [Dispute, Finalize, RuleAccepted, RuleRejected, Push, Dispute],
        &[FAST, HOLD],
    ),
    cast(
        Settle,
        Exit,
        Accepted,
        [Finalize, Claim, Undelegate, Dispute, RuleAccepted, Claim],
        &[HOLD, SLOW],
    ),
    cast(Cancel, Cancel, Open, [Cancelling, Cancelling, Assign, Commit, Push, Push], &[FAST, LATE]),
    cast(Cancel, Timeout, Open, [Cancelling, Push, Assign, Commit, Push, Finalize], &[FAST, LATE]),
    cast(Cancel, Slash, Open, [Cancelling, Assign, Push, Commit, Reject, Finalize], &[HOLD, LATE]),
    cast(
        Cancel,
        Withdraw,
        Open,
        [Cancelling, Assign, Withdrawal, WithdrawBond, Unbond, Push],
        &[FAST, LATE],
    ),
    cast(
        Cancel,
        Challenge,
        Open,
        [Cancelling, Assign, Commit, Accept, Dispute, Finalize],
        &[FAST, HOLD],
    ),
    cast(Cancel, Exit, Open, [Cancelling, Claim, Assign, Undelegate, Push, Claim], &[FAST, SLOW]),
    cast(
        Timeout,
        Timeout,
        Accepted,
        [Dispute, Push, Push, Push, Finalize, Withdrawal],
        &[HOLD, YEARLY],
    ),
    cast(Timeout, Slash, Assigned, [Push, Commit, Reject, Finalize, Push, Dispute], &[FAST, LATE]),
    cast(
        Timeout,
        Slash,
        Committed,
        [Reject, Push, Finalize, Dispute, RuleRejected, Push],
        &[HOLD, LATE],
    ),
    cast(
        Timeout,
        Slash,
        Rejected,
        [Dispute, Push, Finalize, Push, Withdrawal, Push],
        &[HOLD, YEARLY],
    ),
    cast(
        Timeout,
        Withdraw,
        Committed,
        [Push, Accept, Withdrawal, WithdrawBond, Finalize, Unbond],
        &[HOLD, LATE],
    ),
    cast(
        Timeout,
        Challenge,
        Accepted,
        [Dispute, Push, RuleAccepted, Finalize, Push, RuleRejected],
        &[HOLD, YEARLY],
    ),
    cast(Timeout, Exit, Assigned, [Push, Claim, Undelegate, Commit, Reject, Claim], &[HOLD, LATE]),
    cast(
        Slash,
        Slash,
        Rejected,
        [Finalize, Finalize, Dispute, RuleRejected, RuleAccepted, Push],
        &[FAST, HOLD],
    ),
    cast(
        Slash,
        Withdraw,
        Rejected,
        [Finalize, Withdrawal, WithdrawBond, Unbond, Dispute, Withdrawal],
        &[FAST, HOLD],
    ),
    cast(
        Slash,
        Challenge,
        Rejected,
        [Dispute, Finalize, RuleRejected, RuleAccepted, Push, Dispute],
        &[FAST, HOLD],
    ),
    cast(
        Slash,
        Exit,
        Rejected,
        [Finalize, Claim, Undelegate, Withdrawal, Push, Claim],
        &[FAST, HOLD],
    ),
    cast(
        Withdraw,
        Withdraw,
        Accepted,
        [Withdrawal, WithdrawBond, Unbond, Finalize, Withdrawal, WithdrawBond],
        &[FAST, SLOW],
    ),
    cast(
        Withdraw,
        Challenge,
        Accepted,
        [Withdrawal, WithdrawBond, Dispute, RuleRejected, Finalize, Unbond],
        &[FAST, HOLD],
    ),
    cast(
        Withdraw,
        Exit,
        Accepted,
        [Withdrawal, Claim, Undelegate, WithdrawBond, Finalize, Unbond],
        &[FAST, SLOW],
    ),
    cast(
        Challenge,
        Challenge,
        Accepted,
        [Dispute, Dispute, RuleRejected, RuleAccepted, Finalize, Push],
        &[FAST, HOLD],
    ),
    cast(
        Challenge,
        Exit,
        Accepted,
        [Dispute, Claim, Undelegate, RuleRejected, Finalize, Claim],
        &[FAST, HOLD],
    ),
    cast(
        Exit,
        Exit,
        Rejected,
        [Claim, Undelegate, Claim, Undelegate, Finalize, Withdrawal],
        &[FAST, SLOW],
    ),
];
