//! Holds expectations against facts. Pure: the same facts, the same findings, for everybody who
//! has them.

use std::fmt::Display;

use fog_protocol::{Nano, TaskStatus};
use serde::{Deserialize, Serialize};

use super::{
    facts::{Facts, NodeTask, StakeFacts, TaskFacts},
    format::{End, Expect},
    values::Amount,
};

/// The market's fee on local networks, in basis points.
const FEE_BPS: u64 = crate::network::FEE_BPS as u64;

/// One thing that had to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What had to hold.
    pub what: String,
    /// Did it?
    pub held: bool,
    /// What was found.
    pub found: String,
}

impl Finding {
    fn new(what: impl Into<String>, held: bool, found: impl Into<String>) -> Self {
        Self { what: what.into(), held, found: found.into() }
    }
}

/// Everything that must hold: what always must, then what the scenario asks for, in its order.
#[must_use]
pub fn evaluate(facts: &Facts, expect: &[Expect]) -> Vec<Finding> {
    let mut findings = always(facts);
    findings.extend(facts.sent.iter().map(sent));
    findings.extend(expect.iter().map(|expect| one(facts, expect)));
    findings
}

// ---- what always must hold ---------------------------------------------------------------------

/// What must hold at the end of any scenario.
fn always(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![money(facts), paid_once(facts), stakes_add_up(facts)];
    if facts.node.runs {
        findings.push(agrees(facts));
    }
    findings
}

fn money(facts: &Facts) -> Finding {
    let money = &facts.money;
    let market = money.adds_up();
    let chain = facts.chain.conserved();
    let found = format!(
        "{} in = {} earned + {} back + {} burned + {} fees + {} held{}; the chain's supply {}",
        Nano::new(money.in_nano),
        Nano::new(money.paid_nano),
        Nano::new(money.refunded_nano),
        Nano::new(money.burned_nano),
        Nano::new(money.fees_nano),
        Nano::new(money.held_nano),
        if market { "" } else { " DOES NOT HOLD" },
        if chain { "is all there" } else { "IS NOT ALL THERE" },
    );
    Finding::new("money is conserved, by the chain's history", market && chain, found)
}

/// The sum of `amounts`, without overflow.
fn sum<'a>(amounts: impl IntoIterator<Item = &'a u64>) -> u64 {
    amounts.into_iter().fold(0, |sum, amount| sum.saturating_add(*amount))
}

/// What is wrong with how a task's money went, if anything is.
fn wrong_payment(task: &TaskFacts) -> Option<String> {
    let name = &task.name;
    let (paid, cut) = (task.paid_nano.len(), task.slashed_nano.len());
    if paid + cut > 1 {
        return Some(format!("{name} paid {paid} times and cut {cut} times"));
    }
    let ended = !matches!(task.end, End::Live | End::Unfunded);
    if task.ends != u32::from(ended) {
        return Some(format!("{name} ended {} times", task.ends));
    }
    let fee = task.price_nano.saturating_mul(FEE_BPS) / 10_000;
    let due = if task.end == End::Paid { task.price_nano - fee } else { 0 };
    let got = sum(&task.paid_nano);
    // Accepted, and the end not there yet: paid is paid.
    if got != due && !(task.end == End::Live && got == task.price_nano - fee) {
        return Some(format!("{name} paid {} instead of {}", Nano::new(got), Nano::new(due)));
    }
    if (task.end == End::Paid && task.fee_nano != fee)
        || (task.end != End::Paid && task.fee_nano > 0)
    {
        return Some(format!("{name} gave a fee of {}", Nano::new(task.fee_nano)));
    }
    if (cut == 1) != matches!(task.end, End::Slashed | End::Late) && task.end != End::Live {
        return Some(format!("{name} ended as {:?} with {cut} cuts", task.end));
    }
    if sum(&task.slashed_nano) > task.reserve_nano {
        return Some(format!("{name} cut more than was reserved"));
    }
    None
}

fn paid_once(facts: &Facts) -> Finding {
    let wrong: Vec<_> = facts.tasks.iter().filter_map(wrong_payment).collect();
    let paid = facts.tasks.iter().filter(|task| !task.paid_nano.is_empty()).count();
    let found = if wrong.is_empty() {
        format!("{paid} of {} tasks paid a worker, each once and its price", facts.tasks.len())
    } else {
        wrong.join("; ")
    };
    Finding::new("no task pays or cuts twice, or another amount", wrong.is_empty(), found)
}

fn stakes_add_up(facts: &Facts) -> Finding {
    let mut wrong = Vec::new();
    for stake in &facts.stakes {
        let gone = stake.slashed_nano + stake.penalty_nano + stake.withdrawn_nano;
        if stake.deposited_nano != stake.stake_nano.saturating_add(gone) {
            wrong.push(format!("{}'s stake", stake.worker));
        }
        if stake.paid_nano != stake.earnings_nano.saturating_add(stake.taken_nano) {
            wrong.push(format!("{}'s earnings", stake.worker));
        }
        let worker = Some(&stake.worker);
        let own = || facts.tasks.iter().filter(|task| task.worker.as_ref() == worker);
        if stake.paid_nano > own().map(|task| sum(&task.paid_nano)).sum() {
            wrong.push(format!("{}'s payments come from no task", stake.worker));
        }
    }
    let found = if wrong.is_empty() {
        format!("{} stakes are what was put in, cut, earned and taken out", facts.stakes.len())
    } else {
        format!("not so: {}", wrong.join(", "))
    };
    Finding::new("stakes add up, by their own histories", wrong.is_empty(), found)
}

/// Does the node say of a task what its contract says?
fn contradiction(task: &TaskFacts, told: Option<&NodeTask>) -> Option<String> {
    let name = &task.name;
    let Some(told) = told else {
        return (task.end != End::Unfunded).then(|| format!("the node does not know {name}"));
    };
    let agrees = match task.end {
        End::Unfunded => {
            matches!(told.status, TaskStatus::AwaitingFunds | TaskStatus::Dropped)
        }
        End::Live => !told.status.is_terminal() && told.status != TaskStatus::AwaitingFunds,
        End::Paid => told.status == TaskStatus::Paid,
        End::Slashed => told.status == TaskStatus::Slashed,
        End::Refunded | End::Late => told.status == TaskStatus::Refunded,
    };
    if !agrees {
        return Some(format!("{name} is {:?} on chain, the node says {}", task.end, told.status));
    }
    if task.worker.is_some() && (task.worker != told.worker) {
        return Some(format!("{name} was {:?}'s, the node says {:?}", task.worker, told.worker));
    }
    if task.worker.is_some() && told.price_nano != Some(task.price_nano) {
        return Some(format!("{name}'s price is another in the node"));
    }
    let cut = sum(&task.slashed_nano);
    (cut != told.slashed_nano.unwrap_or_default())
        .then(|| format!("{name} cut {}, the node says otherwise", Nano::new(cut)))
}

fn agrees(facts: &Facts) -> Finding {
    let mut wrong: Vec<_> = facts
        .tasks
        .iter()
        .filter_map(|task| {
            contradiction(task, facts.node.tasks.iter().find(|told| told.id == task.id))
        })
        .collect();
    for (worker, free) in &facts.node.free_stakes {
        let stake = facts.stakes.iter().find(|stake| stake.worker == *worker);
        if stake.is_some_and(|stake| stake.free_nano != *free) {
            wrong.push(format!("{worker}'s free stake is another on chain"));
        }
    }
    let found = if wrong.is_empty() {
        format!(
            "{} tasks and {} stakes are the same in both",
            facts.tasks.len(),
            facts.node.free_stakes.len()
        )
    } else {
        wrong.join("; ")
    };
    Finding::new("the node's database agrees with the chain", wrong.is_empty(), found)
}

fn sent(sent: &super::facts::SentFacts) -> Finding {
    let right = sent.refused == sent.expected_refused
        && (sent.expected_exit.is_none() || sent.expected_exit == sent.exit);
    let wanted = match (sent.expected_refused, sent.expected_exit) {
        (false, _) => "is taken".to_owned(),
        (true, None) => "is refused".to_owned(),
        (true, Some(code)) => format!("is refused: {}", fog_contracts::explain_exit(code)),
    };
    let found = match (sent.refused, sent.exit) {
        (false, _) => "taken".to_owned(),
        (true, Some(code)) => format!("refused: {}", fog_contracts::explain_exit(code)),
        (true, None) => "refused".to_owned(),
    };
    Finding::new(format!("{} {wanted}", sent.step), right, found)
}

// ---- what a scenario asks for ------------------------------------------------------------------

/// The tasks a name stands for: a group, one of it, or `all`.
fn chosen<'a>(facts: &'a Facts, name: &str) -> Vec<&'a TaskFacts> {
    let meant = |task: &&TaskFacts| {
        name == "all"
            || task.name == name
            || task.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'))
    };
    facts.tasks.iter().filter(meant).collect()
}

fn stake<'a>(facts: &'a Facts, worker: &str) -> Option<&'a StakeFacts> {
    facts.stakes.iter().find(|stake| stake.worker == worker)
}

/// Is `value` within the bounds given?
fn within<T: PartialOrd>(value: T, least: Option<T>, most: Option<T>) -> bool {
    least.is_none_or(|least| value >= least) && most.is_none_or(|most| value <= most)
}

fn bounds<T: Display>(least: Option<&T>, most: Option<&T>) -> String {
    match (least, most) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => "all".to_owned(),
    }
}

/// How many of `all`: within the bounds, or all of them where there are none.
fn count(found: usize, all: usize, least: Option<u32>, most: Option<u32>) -> bool {
    let found = u32::try_from(found).unwrap_or(u32::MAX);
    match (least, most) {
        (None, None) => found as usize == all && all > 0,
        (least, most) => within(found, least, most),
    }
}

fn nano(amount: Option<Amount>) -> Option<u64> {
    amount.map(|amount| amount.0.get())
}

/// Each of the tasks has `of` it within the bounds.
fn each(
    facts: &Facts,
    (what, tasks): (&str, &str),
    (least, most): (Option<Amount>, Option<Amount>),
    of: impl Fn(&TaskFacts) -> u64,
) -> Finding {
    let values: Vec<u64> = chosen(facts, tasks).into_iter().map(of).collect();
    let held =
        !values.is_empty() && values.iter().all(|value| within(*value, nano(least), nano(most)));
    let (low, high) = (values.iter().min().copied(), values.iter().max().copied());
    let shown = |value: Option<u64>| Nano::new(value.unwrap_or_default()).to_string();
    let found = format!("{} to {}", shown(low), shown(high));
    let bounds = bounds(least.as_ref(), most.as_ref());
    Finding::new(format!("{what} of each of `{tasks}`: {bounds}"), held, found)
}

fn of_stake(
    facts: &Facts,
    (what, worker): (&str, &str),
    (least, most): (Option<Amount>, Option<Amount>),
    of: impl Fn(&StakeFacts) -> u64,
) -> Finding {
    let value = stake(facts, worker).map(of);
    let held = value.is_some_and(|value| within(value, nano(least), nano(most)));
    let found = value.map_or("no stake".to_owned(), |value| Nano::new(value).to_string());
    let bounds = bounds(least.as_ref(), most.as_ref());
    Finding::new(format!("{worker} {what} {bounds}"), held, found)
}

fn one(facts: &Facts, expect: &Expect) -> Finding {
    match expect {
        Expect::Tasks { tasks, end, least, most } => ended(facts, tasks, end, *least, *most),
        Expect::Won { worker, tasks, least, most } => {
            let chosen = chosen(facts, tasks);
            let won = chosen.iter().filter(|task| task.worker.as_ref() == Some(worker)).count();
            let what =
                format!("{worker} wins {} of `{tasks}`", bounds(least.as_ref(), most.as_ref()));
            Finding::new(what, count(won, chosen.len(), *least, *most), format!("{won}"))
        }
        Expect::Earned { worker, least, most } => {
            of_stake(facts, ("earns", worker), (*least, *most), |stake| stake.paid_nano)
        }
        Expect::Lost { worker, least, most } => {
            of_stake(facts, ("loses", worker), (*least, *most), lost)
        }
        Expect::HonestLostNothing(_) => honest(facts),
        Expect::CheatingCost { workers } => cheating_cost(facts, workers),
        Expect::Refund { tasks, least, most } => {
            each(facts, ("what comes back", tasks), (*least, *most), |task| task.back_nano)
        }
        Expect::Cost { tasks, least, most } => {
            each(facts, ("the cost", tasks), (*least, *most), |task| {
                task.funded_nano.saturating_sub(task.back_nano)
            })
        }
        Expect::Price { tasks, least, most } => {
            each(facts, ("the price", tasks), (*least, *most), |task| task.price_nano)
        }
        Expect::Took { tasks, most } => took(facts, tasks, most.0),
        Expect::Fees { tasks, most } => {
            each(facts, ("the network's fees", tasks), (None, Some(*most)), |task| {
                task.network_fees_nano
            })
        }
        Expect::Wallet { of, gained_least, lost_most } => {
            wallet(facts, of, *gained_least, *lost_most)
        }
        Expect::Burned { least } => {
            let burned = facts.money.burned_nano;
            let what = format!("at least {least} is burned");
            Finding::new(what, burned >= least.0.get(), Nano::new(burned).to_string())
        }
        Expect::Audited { tasks, least, most } => audited(facts, tasks, *least, *most),
        Expect::Faulted { least } => {
            let met = facts.faults_met;
            let what = format!("at least {least} requests meet a fault");
            Finding::new(what, met >= u64::from(*least), met.to_string())
        }
        Expect::ResultsRight { tasks, wrong_most } => results(facts, tasks, *wrong_most),
    }
}

fn lost(stake: &StakeFacts) -> u64 {
    stake.slashed_nano.saturating_add(stake.penalty_nano)
}

fn ended(
    facts: &Facts,
    tasks: &str,
    ends: &[End],
    least: Option<u32>,
    most: Option<u32>,
) -> Finding {
    let chosen = chosen(facts, tasks);
    let found = chosen.iter().filter(|task| ends.contains(&task.end)).count();
    let names: Vec<_> = ends.iter().map(|end| format!("{end:?}").to_lowercase()).collect();
    let bounds = bounds(least.as_ref(), most.as_ref());
    let what = format!("{bounds} of `{tasks}` end {}", names.join(" or "));
    Finding::new(
        what,
        count(found, chosen.len(), least, most),
        format!("{found} of {}", chosen.len()),
    )
}

fn honest(facts: &Facts) -> Finding {
    let honest: Vec<_> = facts.stakes.iter().filter(|stake| stake.honest).collect();
    let mut wrong: Vec<_> = honest
        .iter()
        .filter(|stake| lost(stake) > 0)
        .map(|stake| format!("{} lost {}", stake.worker, Nano::new(lost(stake))))
        .collect();
    let names: Vec<_> = honest.iter().map(|stake| &stake.worker).collect();
    for task in &facts.tasks {
        let theirs = task.worker.as_ref().is_some_and(|worker| names.contains(&worker));
        if theirs && matches!(task.end, End::Slashed | End::Late) {
            wrong.push(format!("{} cut an honest worker", task.name));
        }
    }
    let found = if wrong.is_empty() {
        format!("{} honest workers", honest.len())
    } else {
        wrong.join("; ")
    };
    Finding::new("honest workers lose nothing", wrong.is_empty() && !honest.is_empty(), found)
}

fn cheating_cost(facts: &Facts, workers: &[String]) -> Finding {
    let stakes: Vec<_> = workers.iter().filter_map(|worker| stake(facts, worker)).collect();
    let earned = stakes.iter().fold(0u64, |sum, stake| sum.saturating_add(stake.paid_nano));
    let lost = stakes.iter().fold(0u64, |sum, stake| sum.saturating_add(lost(stake)));
    let found = format!("lost {}, earned {}", Nano::new(lost), Nano::new(earned));
    let held = stakes.len() == workers.len() && lost > earned;
    Finding::new(format!("{} lost more than earned", workers.join(" and ")), held, found)
}

fn took(facts: &Facts, tasks: &str, most: u32) -> Finding {
    let chosen = chosen(facts, tasks);
    let longest = chosen
        .iter()
        .map(|task| {
            if task.ended_at == 0 { u32::MAX } else { task.ended_at.saturating_sub(task.funded_at) }
        })
        .max();
    let held = longest.is_some_and(|longest| longest <= most);
    let found = longest.map_or("none".to_owned(), |longest| format!("at most {longest} s"));
    Finding::new(format!("each of `{tasks}` ends within {most} s"), held, found)
}

fn wallet(
    facts: &Facts,
    of: &str,
    gained_least: Option<Amount>,
    lost_most: Option<Amount>,
) -> Finding {
    let wallet = facts.wallets.iter().find(|wallet| wallet.of == of);
    let change =
        wallet.map(|wallet| i128::from(wallet.after_nano) - i128::from(wallet.before_nano));
    let held = change.is_some_and(|change| {
        gained_least.is_none_or(|least| change >= i128::from(least.0.get()))
            && lost_most.is_none_or(|most| change >= -i128::from(most.0.get()))
    });
    let wanted = match (gained_least, lost_most) {
        (Some(least), _) => format!("gains at least {least}"),
        (None, Some(most)) => format!("loses at most {most}"),
        (None, None) => "is there".to_owned(),
    };
    let found = change.map_or("no wallet".to_owned(), |change| {
        let size = u64::try_from(change.unsigned_abs()).unwrap_or(u64::MAX);
        format!("{}{}", if change < 0 { "-" } else { "+" }, Nano::new(size))
    });
    Finding::new(format!("{of}'s wallet {wanted}"), held, found)
}

fn audited(facts: &Facts, tasks: &str, least: Option<u32>, most: Option<u32>) -> Finding {
    let chosen = chosen(facts, tasks);
    let checked =
        |task: &&&TaskFacts| facts.node.tasks.iter().any(|told| told.id == task.id && told.audited);
    let found = chosen.iter().filter(checked).count();
    let bounds = bounds(least.as_ref(), most.as_ref());
    let what = format!("{bounds} of `{tasks}` are checked");
    Finding::new(
        what,
        count(found, chosen.len(), least, most),
        format!("{found} of {}", chosen.len()),
    )
}

fn results(facts: &Facts, tasks: &str, wrong_most: u32) -> Finding {
    let paid: Vec<_> =
        chosen(facts, tasks).into_iter().filter(|task| task.end == End::Paid).collect();
    let wrong = paid.iter().filter(|task| task.result_right == Some(false)).count();
    let unseen = paid.iter().filter(|task| task.result_right.is_none()).count();
    let held = !paid.is_empty() && unseen == 0 && wrong <= wrong_most as usize;
    let what = match wrong_most {
        0 => format!("every result of `{tasks}` that was paid is right"),
        most => format!("at most {most} results of `{tasks}` that were paid are wrong"),
    };
    Finding::new(what, held, format!("{wrong} of {} wrong, {unseen} not there", paid.len()))
}
