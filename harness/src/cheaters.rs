//! What cheating brings: every kind of cheater in one real network, and what became of its stake.
//!
//! A task is drawn with probability `rate`, independently of all others, by two secrets fixed before
//! its commitment. So of `n` results of a cheater, `Binomial(n, rate)` are drawn, and every drawn
//! one must cost it its reserve: that is compared here with what happened on chain. Results that
//! cannot be opened (copied, swapped) need no draw: they are never paid for, and a late worker's
//! penalty is due.

use fog_worker::Behaviour;
use serde::Serialize;

use crate::soak::{SoakReport, WorkerReport};

/// The eight kinds, as processes: it takes two to collude.
pub const KINDS: [Behaviour; 9] = [
    Behaviour::NoWork,
    Behaviour::Cached,
    Behaviour::Copied,
    Behaviour::Partial,
    Behaviour::Swapped,
    Behaviour::WrongTask,
    Behaviour::Colluding,
    Behaviour::Colluding,
    Behaviour::FuelLiar,
];
/// Below this chance, what happened is not believed to be chance.
const INCREDIBLE: f64 = 1e-7;
/// Results of one kind from which its profit says something.
const TELLING: u64 = 20;
/// Standard deviations of the interval that is shown: 95 %.
const WIDTH: f64 = 1.96;

/// One kind of worker.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Which.
    pub kind: String,
    /// Tasks that were assigned to it.
    pub tasks: u64,
    /// Results it committed to.
    pub committed: u64,
    /// Those that the public draw chose.
    pub drawn: u64,
    /// Share of them, and what is likely (95 %) if each is drawn at the listing's rate.
    pub drawn_share: f64,
    /// See there.
    pub likely: (f64, f64),
    /// How likely so few or so many are at that rate.
    pub chance: f64,
    /// Drawn and paid for: must be 0 for a cheater.
    pub drawn_and_paid: u64,
    /// Tasks its stake was cut for: drawn, or flagged after one that was.
    pub slashed: u64,
    /// Tasks that ended without it: never opened (a late worker's penalty), or without a verdict.
    pub refunded: u64,
    /// Tasks it was paid for.
    pub paid: u64,
    /// Profit a task in nanogram; computing costs nothing here, which favours cheaters.
    pub profit_per_task: f64,
}

/// What cheating brings.
#[derive(Debug, Serialize)]
pub struct CheatersReport {
    /// Did everything hold?
    pub ok: bool,
    /// What did not.
    pub failures: Vec<String>,
    /// The listings' audit rate.
    pub audit_rate: f64,
    /// A row for each kind.
    pub rows: Vec<Row>,
    /// The run behind it.
    pub soak: SoakReport,
}

/// The table of a run, and whether each kind got what the formula says.
#[must_use]
pub fn report(soak: SoakReport, rate: f64, least: u64) -> CheatersReport {
    let mut failures = soak.failures.clone();
    let mut rows: Vec<Row> = Vec::new();
    for worker in &soak.by_worker {
        match rows.iter_mut().find(|row| row.kind == worker.behaviour) {
            Some(row) => add(row, worker),
            None => rows.push(first(worker)),
        }
    }
    for row in &mut rows {
        finish(row, rate);
        judge(row, least, &mut failures);
    }
    CheatersReport { ok: failures.is_empty(), failures, audit_rate: rate, rows, soak }
}

fn first(worker: &WorkerReport) -> Row {
    let mut row = Row {
        kind: worker.behaviour.clone(),
        tasks: 0,
        committed: 0,
        drawn: 0,
        drawn_share: 0.0,
        likely: (0.0, 1.0),
        chance: 1.0,
        drawn_and_paid: 0,
        slashed: 0,
        refunded: 0,
        paid: 0,
        profit_per_task: 0.0,
    };
    add(&mut row, worker);
    row
}

/// Adds a worker's run; until the row is finished its profit is that of all tasks.
fn add(row: &mut Row, worker: &WorkerReport) {
    row.tasks += worker.tasks;
    row.committed += worker.committed;
    row.drawn += worker.drawn;
    row.drawn_and_paid += worker.drawn_and_paid;
    row.slashed += worker.slashed;
    row.refunded += worker.refunded;
    row.paid += worker.paid;
    row.profit_per_task += worker.profit_nano as f64;
}

fn finish(row: &mut Row, rate: f64) {
    let count = row.committed.max(1) as f64;
    row.drawn_share = row.drawn as f64 / count;
    let spread = WIDTH * (rate * (1.0 - rate) / count).sqrt();
    row.likely = ((rate - spread).max(0.0), (rate + spread).min(1.0));
    row.chance = chance(row.committed, row.drawn, rate);
    row.profit_per_task /= row.tasks.max(1) as f64;
}

fn judge(row: &Row, least: u64, failures: &mut Vec<String>) {
    let Row { kind, committed, drawn, slashed, refunded, .. } = row;
    if row.chance < INCREDIBLE {
        failures.push(format!("{kind}: {drawn} of {committed} drawn is not the listing's rate"));
    }
    if *kind == Behaviour::Honest.to_string() {
        return;
    }
    if *committed < least {
        failures.push(format!("{kind}: {committed} results say nothing, {least} are the least"));
    }
    if slashed + refunded < *drawn {
        let unpaid = slashed + refunded;
        failures.push(format!("{kind}: {drawn} results were drawn, {unpaid} were not paid for"));
    }
    if *committed >= TELLING && row.profit_per_task >= 0.0 {
        failures.push(format!("{kind}: cheating brought {:.0} nano a task", row.profit_per_task));
    }
}

/// The chance of a count as far off as `drawn` or further, to the side it is on, twice: of
/// `Binomial(count, rate)`.
fn chance(count: u64, drawn: u64, rate: f64) -> f64 {
    let below: f64 = (0..=drawn).map(|at| term(count, at, rate)).sum();
    let above: f64 = (drawn..=count).map(|at| term(count, at, rate)).sum();
    (2.0 * below.min(above)).min(1.0)
}

fn term(count: u64, at: u64, rate: f64) -> f64 {
    let factorial = |n: u64| (1..=n).map(|i| (i as f64).ln()).sum::<f64>();
    let ways = factorial(count) - factorial(at) - factorial(count - at);
    let power = |base: f64, times: u64| if times == 0 { 0.0 } else { times as f64 * base.ln() };
    (ways + power(rate, at) + power(1.0 - rate, count - at)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn chances_are_those_of_the_binomial() {
        assert!(close(chance(2, 0, 0.5), 0.5));
        assert!(close(chance(10, 0, 0.5), 2.0 / 1024.0));
        assert!(close(chance(10, 10, 1.0), 1.0));
        assert!(close(chance(4, 1, 0.25), 1.0));
        assert!(chance(1000, 400, 0.25) < 1e-20);
        assert!(close((0..=50).map(|at| term(50, at, 0.3)).sum(), 1.0));
    }

    fn row(kind: Behaviour, drawn: u64, slashed: u64, profit: f64) -> Row {
        let worker = WorkerReport {
            worker: "w".to_owned(),
            behaviour: kind.to_string(),
            tasks: 100,
            committed: 100,
            drawn,
            drawn_and_paid: 0,
            paid: 100 - slashed,
            slashed,
            refunded: 0,
            profit_nano: 0,
        };
        let mut row = Row { profit_per_task: profit, ..first(&worker) };
        row.profit_per_task = profit * 100.0;
        finish(&mut row, 0.25);
        row
    }

    fn wrong(row: &Row) -> usize {
        let mut failures = Vec::new();
        judge(row, 20, &mut failures);
        failures.len()
    }

    #[test]
    fn what_the_formula_does_not_say_is_a_failure() {
        assert_eq!(wrong(&row(Behaviour::NoWork, 25, 30, -5.0)), 0);
        assert_eq!(wrong(&row(Behaviour::NoWork, 25, 24, -5.0)), 1);
        assert_eq!(wrong(&row(Behaviour::NoWork, 25, 30, 0.0)), 1);
        assert_eq!(wrong(&row(Behaviour::NoWork, 70, 70, -5.0)), 1);
        assert_eq!(wrong(&row(Behaviour::Honest, 25, 0, 5.0)), 0);
    }
}
