//! The tables that are kept: one line an operation and state, one column a role.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
};

use super::{FAILED_ACTION, Least, Outcome, sources};

/// How the columns are to be read.
const LEGEND: &str = "\
# Written by `FOG_BLESS=1 cargo test --workspace --locked --test contracts -- cells`; compared exactly without.
#   ok      accepted: what is sent follows after the bar, and the least value, in nanogram, that it is
#           accepted with (one less is refused with 104). Where no least is demanded, gas alone decides,
#           or what the answer costs to send
#   100     refused with this exit code (contracts/tolk/shared/errors.tolk): nothing changes or is sent
#   action  refused in the action phase: nothing changes or is sent
#   -       ignored: nothing changes or is sent
";

/// What is known of one contract's cells.
pub(super) struct Table {
    title: &'static str,
    roles: Vec<String>,
    lines: Vec<(String, String)>,
    cells: BTreeMap<(String, String, String), Outcome>,
}

impl Table {
    pub(super) fn new(title: &'static str, roles: Vec<String>) -> Self {
        Self { title, roles, lines: Vec::new(), cells: BTreeMap::new() }
    }

    pub(super) fn put(&mut self, word: &str, state: &str, role: &str, outcome: Outcome) {
        let line = (word.to_owned(), state.to_owned());
        if self.lines.last() != Some(&line) {
            self.lines.push(line);
        }
        let cell = (word.to_owned(), state.to_owned(), role.to_owned());
        assert_eq!(self.cells.insert(cell, outcome), None, "{word} {state} {role} twice");
    }

    /// All cells must be there: what the lines and roles leave empty fails.
    fn render(&self) -> String {
        let names = sources::names();
        let width = |of: fn(&(String, String)) -> &String| {
            self.lines.iter().map(|line| of(line).len()).max().unwrap() + 2
        };
        let (word_width, state_width) = (width(|line| &line.0), width(|line| &line.1));
        let role_width = self.roles.iter().map(String::len).max().unwrap() + 2;
        let mut text = format!("# {}\n{LEGEND}\n", self.title);
        write!(text, "{:word_width$}{:state_width$}", "operation", "state").unwrap();
        for role in &self.roles {
            write!(text, "{role:role_width$}").unwrap();
        }
        text = format!("{}\n", text.trim_end());
        for (word, state) in &self.lines {
            let mut row = format!("{word:word_width$}{state:state_width$}");
            let mut notes = Vec::new();
            for role in &self.roles {
                let cell = (word.clone(), state.clone(), role.clone());
                let outcome = self.cells.get(&cell).expect("an empty cell");
                write!(row, "{:role_width$}", short(outcome)).unwrap();
                let note = note(outcome, &names);
                notes.extend(note.filter(|note| !notes.contains(note)));
            }
            let notes = notes.join("; ");
            let bar = if notes.is_empty() { "" } else { "| " };
            text = format!("{text}{}\n", format!("{row}{bar}{notes}").trim_end());
        }
        text
    }

    /// Compares with what is kept, or keeps it.
    pub(super) fn settle(&self, file: &str, states: usize, words: usize) {
        let lines: BTreeSet<_> = self.lines.iter().collect();
        assert_eq!((lines.len(), self.lines.len()), (states * words, states * words));
        assert_eq!(self.cells.len(), states * words * self.roles.len(), "an empty cell");
        let path = format!("{}/tests/contracts/cells/{file}", env!("CARGO_MANIFEST_DIR"));
        let is = self.render();
        let accepted =
            self.cells.values().filter(|o| matches!(o, Outcome::Accepted { .. })).count();
        println!("{file}: {} cells, {accepted} of them accepted", self.cells.len());
        if std::env::var_os("FOG_BLESS").is_some() {
            fs::write(path, is).unwrap();
            return;
        }
        let kept = fs::read_to_string(path).unwrap();
        for (number, (kept, is)) in (1..).zip(kept.lines().zip(is.lines())) {
            assert_eq!(kept, is, "{file}:{number} (see the file's first lines)");
        }
        assert_eq!(kept, is, "{file}");
    }
}

fn short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted { .. } => "ok".to_owned(),
        Outcome::Ignored => "-".to_owned(),
        Outcome::Refused(FAILED_ACTION) => "action".to_owned(),
        Outcome::Refused(code) => code.to_string(),
    }
}

fn note(outcome: &Outcome, names: &BTreeMap<u32, String>) -> Option<String> {
    let Outcome::Accepted { answers, least } = outcome else { return None };
    let answers: Vec<_> = answers.iter().map(|op| names[op].as_str()).collect();
    let answers = if answers.is_empty() { "nothing".to_owned() } else { answers.join(" + ") };
    Some(match least {
        Least::Demanded(value) => format!("{answers}, at least {value}"),
        Least::Gas => format!("{answers}, no least: gas"),
        Least::Answer => format!("{answers}, no least: gas and the answer"),
    })
}
