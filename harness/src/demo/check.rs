//! Was everything right? From the report alone, so that anyone can check the same.

use std::collections::BTreeMap;

use fog_protocol::{Nano, TaskStatus};

use crate::{Report, SettledBy, TaskReport};

/// Sets `ok`, and says what failed.
pub(super) fn check(report: &mut Report) {
    let mut failures = std::mem::take(&mut report.failures);
    let honest: BTreeMap<_, _> =
        report.workers.iter().map(|worker| (worker.id, worker.honest)).collect();
    for task in &report.tasks {
        let honest = task.worker.and_then(|worker| honest.get(&worker)).copied();
        if let Some(failure) = wrong_ending(task, honest) {
            failures.push(failure);
        }
        let proven = task.policy == "proof" && task.status == TaskStatus::Paid;
        if proven && task.settled_by != SettledBy::Proof {
            failures.push(format!("{} was paid by a verdict, not by its proof", task.label));
        }
        if task.transactions.is_empty() {
            failures.push(format!("{} has no transactions", task.label));
        }
    }
    for worker in &report.workers {
        if worker.honest && worker.slashed_nano > Nano::ZERO {
            failures.push(format!("honest worker {} lost {}", worker.id, worker.slashed_nano));
        }
    }
    let cheating = report.workers.iter().any(|worker| !worker.honest);
    let cut =
        report.workers.iter().any(|worker| !worker.honest && worker.slashed_nano > Nano::ZERO);
    if cheating && !cut {
        failures.push("no cheater's stake was cut: none of its results was checked".to_owned());
    }
    if !report.money.adds_up() {
        failures.push(format!("the money does not add up: {:?}", report.money));
    }
    if !report.result.matches_local {
        failures.push("the merged result differs from the local recomputation".to_owned());
    }
    report.ok = failures.is_empty();
    report.failures = failures;
}

/// How the task should have ended, given who did it.
fn wrong_ending(task: &TaskReport, honest: Option<bool>) -> Option<String> {
    let expected = match (honest, task.audited) {
        (None, _) => TaskStatus::Refunded,
        (Some(true), _) | (Some(false), false) => TaskStatus::Paid,
        (Some(false), true) => TaskStatus::Slashed,
    };
    (task.status != expected)
        .then(|| format!("{} ended as {}, expected {expected}", task.label, task.status))
}
