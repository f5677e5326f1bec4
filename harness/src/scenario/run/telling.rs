//! How what happens is told.

use fog_protocol::{TaskStatus, api::TaskView};

use super::super::{format::Faults, world::World};

pub(super) const fn worth_telling(status: TaskStatus) -> bool {
    match status {
        TaskStatus::Running
        | TaskStatus::Committed
        | TaskStatus::Accepted
        | TaskStatus::Rejected
        | TaskStatus::Paid
        | TaskStatus::Slashed
        | TaskStatus::Refunded
        | TaskStatus::Dropped => true,
        TaskStatus::AwaitingFunds
        | TaskStatus::Open
        | TaskStatus::Assigning
        | TaskStatus::Verifying => false,
    }
}

pub(super) fn told(name: &str, view: &TaskView, world: &World) -> String {
    let worker = view.worker.and_then(|worker| {
        world.parties.values().find(|party| party.address == worker).map(|party| &party.name)
    });
    let worker = worker.map(|worker| format!(" ({worker})")).unwrap_or_default();
    let reason = match view.status {
        TaskStatus::Accepted | TaskStatus::Rejected => {
            view.verdict.as_ref().map(|verdict| format!(": {}", verdict.reason))
        }
        TaskStatus::Slashed | TaskStatus::Refunded | TaskStatus::Paid => {
            view.history.last().map(|step| format!(": {}", step.note))
        }
        _ => None,
    };
    format!("{name}{worker} {}{}", view.status, reason.unwrap_or_default())
}

pub(super) fn described(faults: &Faults) -> String {
    if *faults == Faults::default() {
        return "none any more".to_owned();
    }
    let shares = [
        ("down", faults.down),
        ("failing", faults.fails),
        ("messages lost", faults.lost_messages),
        ("answers lost", faults.lost_answers),
        ("messages doubled", faults.doubled),
        ("answers of the past", faults.stale),
        ("newest transactions left out", faults.omits),
    ];
    let mut parts: Vec<_> = shares
        .iter()
        .filter(|(_, share)| share.0 > 0)
        .map(|(name, share)| format!("{name} {}%", share.0 / 10_000))
        .collect();
    if faults.delay_ms > 0 {
        parts.push(format!("delays up to {} ms", faults.delay_ms));
    }
    if faults.requests_per_second > 0 {
        parts.push(format!("{} requests a second", faults.requests_per_second));
    }
    parts.join(", ")
}
