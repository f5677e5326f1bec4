//! From a file's text to a scenario that can be run.

use std::collections::BTreeSet;

use fog_contracts::ExitCode;

use super::format::{Expect, Manner, Op, Outcome, Scenario, Send, Step};

/// Largest scenario file in bytes.
pub const MAX_BYTES: usize = 256 << 10;
const MAX_TASKS: u32 = 500;
const MAX_WORKERS: usize = 32;
const MAX_STEPS: usize = 500;
const MAX_NAME: usize = 40;

/// Names that mean something already.
pub(super) const OPERATOR: &str = "operator";
pub(super) const TREASURY: &str = "treasury";
pub(super) const NODE: &str = "node";
pub(super) const EVERYTHING: &str = "everything";

/// Why a file is no scenario. Says where, what and how to put it right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {place}: {cause}")]
pub struct FormatError {
    /// The file.
    pub file: String,
    /// The line, or the field.
    pub place: String,
    /// Cause and cure.
    pub cause: String,
}

/// Reads a scenario.
///
/// # Errors
/// [`FormatError`].
pub fn parse(file: &str, text: &str) -> Result<Scenario, FormatError> {
    let wrong = |place: String, cause: String| FormatError { file: file.to_owned(), place, cause };
    if text.len() > MAX_BYTES {
        let cause = format!("more than {MAX_BYTES} bytes: split it");
        return Err(wrong("the file".to_owned(), cause));
    }
    let scenario: Scenario = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        let cause = format!("{}; see `fog testnet scenario --schema`", error.message().trim());
        wrong(format!("line {line}"), cause)
    })?;
    check(&scenario).map_err(|(place, cause)| wrong(place, cause))?;
    Ok(scenario)
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

type Wrong = (String, String);

fn wrong<T>(place: impl Into<String>, cause: impl Into<String>) -> Result<T, Wrong> {
    Err((place.into(), cause.into()))
}

fn check(scenario: &Scenario) -> Result<(), Wrong> {
    check_name("name", &scenario.name)?;
    if scenario.requestors.is_empty() {
        return wrong("requestors", "there is none: add [[requestors]] with a name");
    }
    if scenario.workers.len() > MAX_WORKERS {
        return wrong("workers", format!("at most {MAX_WORKERS}"));
    }
    if scenario.steps.is_empty() || scenario.steps.len() > MAX_STEPS {
        return wrong("steps", format!("there must be between 1 and {MAX_STEPS}"));
    }
    if scenario.expect.is_empty() {
        return wrong("expect", "nothing is expected: add [[expect]], else it cannot fail");
    }
    let mut known = Known::default();
    for (index, name) in scenario
        .requestors
        .iter()
        .map(|requestor| &requestor.name)
        .chain(scenario.workers.iter().map(|worker| &worker.name))
        .chain(&scenario.outsiders)
        .enumerate()
    {
        check_name(&format!("name {index}"), name)?;
        if !known.people.insert(name.clone()) {
            return wrong("names", format!("`{name}` is used twice: name them apart"));
        }
    }
    known.requestors = scenario.requestors.iter().map(|who| who.name.clone()).collect();
    known.workers = scenario.workers.iter().map(|who| who.name.clone()).collect();
    for (index, worker) in scenario.workers.iter().enumerate() {
        if !(1..=64).contains(&worker.slots) {
            return wrong(format!("workers[{index}].slots"), "must be between 1 and 64");
        }
    }
    for (index, step) in scenario.steps.iter().enumerate() {
        known.step(step).map_err(|(field, cause)| (format!("steps[{index}].{field}"), cause))?;
    }
    for worker in &scenario.workers {
        let killed = known.killed.contains(&worker.name) || known.killed.contains(EVERYTHING);
        let process = matches!(worker.manner, Manner::Honest | Manner::WrongResults);
        if killed && !process {
            return wrong(
                format!("workers.{}", worker.name),
                "a worker that is killed must be `honest` or `wrong_results`",
            );
        }
    }
    for (index, expect) in scenario.expect.iter().enumerate() {
        known
            .expect(expect)
            .map_err(|(field, cause)| (format!("expect[{index}].{field}"), cause))?;
    }
    Ok(())
}

fn check_name(place: &str, name: &str) -> Result<(), Wrong> {
    let fine =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let reserved = [OPERATOR, TREASURY, NODE, EVERYTHING, "all"].contains(&name);
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(fine) || reserved {
        return wrong(
            place,
            format!(
                "`{name}` cannot be a name: use a-z, 0-9 and dashes, at most {MAX_NAME}, none of operator, treasury, node, everything, all"
            ),
        );
    }
    Ok(())
}

#[derive(Default)]
struct Known {
    people: BTreeSet<String>,
    requestors: BTreeSet<String>,
    workers: BTreeSet<String>,
    groups: Vec<(String, u32)>,
    killed: BTreeSet<String>,
}

impl Known {
    fn step(&mut self, step: &Step) -> Result<(), Wrong> {
        match step {
            Step::Post(post) => {
                check_name("post.name", &post.name)?;
                self.requestor("post.by", &post.by)?;
                let total = post.count.saturating_mul(post.copies);
                let all: u32 = self.groups.iter().map(|(_, count)| *count).sum();
                if total == 0 || all.saturating_add(total) > MAX_TASKS {
                    let cause = format!("between 1 and {MAX_TASKS} tasks in all");
                    return wrong("post.count", cause);
                }
                if self.groups.iter().any(|(name, _)| *name == post.name) {
                    return wrong("post.name", format!("`{}` is posted already", post.name));
                }
                self.groups.push((post.name.clone(), total));
                Ok(())
            }
            Step::Await(wait) => {
                self.tasks("await.tasks", &wait.tasks)?;
                match wait.count {
                    Some(count) if count > self.size(&wait.tasks) => {
                        wrong("await.count", "there are not so many tasks")
                    }
                    Some(_) | None => Ok(()),
                }
            }
            Step::Kill(who) => {
                self.process("kill", who)?;
                self.killed.insert(who.clone());
                Ok(())
            }
            Step::Start(who) => self.process("start", who),
            Step::Send(send) => self.send(send),
            Step::Warp(_) | Step::Faults(_) | Step::NodeIs(_) => Ok(()),
        }
    }

    fn send(&self, send: &Send) -> Result<(), Wrong> {
        if send.by != OPERATOR && !self.people.contains(&send.by) {
            return wrong("send.by", self.nobody(&send.by));
        }
        let stake = match send.op {
            Op::Deposit
            | Op::Unbond
            | Op::Withdraw
            | Op::WithdrawEarnings
            | Op::Settle
            | Op::Slash => true,
            Op::TopUp => send.task.is_none(),
            Op::Fund
            | Op::Cancel
            | Op::Expire
            | Op::Finalize
            | Op::Commit
            | Op::Assign
            | Op::ForgedCommit
            | Op::ForgedVerdict
            | Op::ReplayVerdict
            | Op::ReplayCommit => false,
        };
        match (stake, &send.task) {
            (false, None) => return wrong("send.task", "this operation wants a task: add one"),
            (false, Some(task)) => self.one("send.task", task)?,
            (true, _) => self.worker("send.stake", send.stake.as_ref().unwrap_or(&send.by))?,
        }
        let replays = matches!(send.op, Op::ReplayVerdict | Op::ReplayCommit);
        match (&send.from, replays) {
            (Some(from), true) => self.one("send.from", from)?,
            (None, true) => return wrong("send.from", "name the task whose message is replayed"),
            (Some(_), false) => return wrong("send.from", "only a replay has it: leave it out"),
            (None, false) => {}
        }
        let needs = matches!(send.op, Op::TopUp | Op::Deposit | Op::Settle | Op::Slash);
        if needs && send.amount.is_none() {
            return wrong("send.amount", "this operation wants an amount: add one");
        }
        match &send.exit {
            Some(_) if send.outcome == Outcome::Taken => {
                wrong("send.exit", "only what is refused has it: add outcome = \"refused\"")
            }
            Some(exit) if exit_number(exit).is_none() => {
                wrong("send.exit", format!("`{exit}` is no exit of the contracts: {}", exits()))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn expect(&self, expect: &Expect) -> Result<(), Wrong> {
        let bounds = |least: bool, most: bool| {
            if least || most { Ok(()) } else { wrong("least", "give `least`, `most` or both") }
        };
        match expect {
            Expect::Tasks { tasks, end, .. } => {
                if end.is_empty() {
                    return wrong("tasks.end", "empty: name at least one end");
                }
                self.tasks("tasks.tasks", tasks)
            }
            Expect::Won { worker, tasks, least, most } => {
                self.worker("won.worker", worker)?;
                self.tasks("won.tasks", tasks)?;
                bounds(least.is_some(), most.is_some())
            }
            Expect::Earned { worker, least, most } | Expect::Lost { worker, least, most } => {
                self.worker("worker", worker)?;
                bounds(least.is_some(), most.is_some())
            }
            Expect::CheatingCost { workers } => {
                if workers.is_empty() {
                    return wrong("cheating_cost.workers", "empty: name at least one");
                }
                workers.iter().try_for_each(|name| self.worker("cheating_cost.workers", name))
            }
            Expect::Refund { tasks, least, most }
            | Expect::Cost { tasks, least, most }
            | Expect::Price { tasks, least, most } => {
                self.tasks("tasks", tasks)?;
                bounds(least.is_some(), most.is_some())
            }
            Expect::Took { tasks, .. }
            | Expect::Fees { tasks, .. }
            | Expect::Audited { tasks, .. }
            | Expect::ResultsRight { tasks, .. } => self.tasks("tasks", tasks),
            Expect::Wallet { of, gained_least, lost_most } => {
                if ![OPERATOR, TREASURY].contains(&of.as_str()) && !self.people.contains(of) {
                    return wrong("wallet.of", self.nobody(of));
                }
                bounds(gained_least.is_some(), lost_most.is_some())
            }
            Expect::HonestLostNothing(_) | Expect::Burned { .. } | Expect::Faulted { .. } => Ok(()),
        }
    }

    fn nobody(&self, name: &str) -> String {
        let known: Vec<_> = self.people.iter().map(String::as_str).collect();
        format!("there is no `{name}`: there are {}", known.join(", "))
    }

    fn requestor(&self, place: &str, name: &str) -> Result<(), Wrong> {
        if self.requestors.contains(name) {
            return Ok(());
        }
        wrong(place, format!("`{name}` is no requestor: add it to [[requestors]]"))
    }

    fn worker(&self, place: &str, name: &str) -> Result<(), Wrong> {
        if self.workers.contains(name) {
            return Ok(());
        }
        wrong(place, format!("`{name}` is no worker: add it to [[workers]]"))
    }

    fn process(&self, place: &str, name: &str) -> Result<(), Wrong> {
        if [NODE, EVERYTHING].contains(&name) || self.workers.contains(name) {
            return Ok(());
        }
        wrong(place, format!("`{name}` does not run: use node, everything or a worker's name"))
    }

    /// How many tasks a name stands for; 0 if it is none.
    fn size(&self, name: &str) -> u32 {
        if name == "all" {
            return self.groups.iter().map(|(_, count)| *count).sum();
        }
        match name.split_once('/') {
            None => self.groups.iter().find(|(group, _)| group == name).map_or(0, |(_, n)| *n),
            Some((group, index)) => {
                let count = self.groups.iter().find(|(known, _)| known == group);
                let index = index.parse::<u32>().ok();
                u32::from(count.zip(index).is_some_and(|((_, count), index)| index < *count))
            }
        }
    }

    fn tasks(&self, place: &str, name: &str) -> Result<(), Wrong> {
        if self.size(name) > 0 {
            return Ok(());
        }
        wrong(place, format!("`{name}` names no task posted before: a group, `group/0`, or `all`"))
    }

    fn one(&self, place: &str, name: &str) -> Result<(), Wrong> {
        self.tasks(place, name)?;
        if self.size(name) == 1 {
            return Ok(());
        }
        wrong(place, format!("`{name}` is more than one task: name one, as `{name}/0`"))
    }
}

/// The contracts' exit codes by name.
fn named_exits() -> impl Iterator<Item = (String, u32)> {
    (100..=0xffff).filter_map(|number| {
        let camel = format!("{:?}", ExitCode::from_number(number)?);
        let mut name = String::new();
        for (index, letter) in camel.chars().enumerate() {
            if letter.is_ascii_uppercase() && index > 0 {
                name.push('_');
            }
            name.push(letter.to_ascii_lowercase());
        }
        Some((name, number))
    })
}

/// The number of an exit code.
pub(super) fn exit_number(name: &str) -> Option<i32> {
    named_exits().find(|(known, _)| known == name).and_then(|(_, code)| i32::try_from(code).ok())
}

fn exits() -> String {
    named_exits().map(|(name, _)| name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::shipped;

    #[test]
    fn exits_have_the_names_the_contracts_give_them() {
        assert_eq!(exit_number("too_early"), Some(103));
        assert_eq!(exit_number("not_a_task"), Some(108));
        assert_eq!(exit_number("unknown_op"), Some(0xffff));
        assert_eq!(exit_number("TooEarly"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = parse("any", &text);
        }

        /// One place of a shipped scenario replaced: read, or refused with a place and a cause.
        #[test]
        fn a_damaged_scenario_is_read_or_refused(
            which in 0usize..64, at in 0usize..1 << 16, len in 0usize..24, new in "[ -~\n]{0,12}",
        ) {
            let all = shipped();
            let mut text = all[which % all.len()].text.to_owned();
            let start = at % text.len();
            let end = (start + len).min(text.len());
            if text.is_char_boundary(start) && text.is_char_boundary(end) {
                text.replace_range(start..end, &new);
                if let Err(error) = parse("damaged", &text) {
                    proptest::prop_assert!(!error.place.is_empty() && !error.cause.is_empty());
                }
            }
        }
    }
}
