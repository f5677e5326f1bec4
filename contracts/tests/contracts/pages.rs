//! The pages in `docs` leave nothing out: every contract has one, and on it stands every operation that
//! its sources take, what they send, and every budget, exit code, constant and get-method of theirs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Of every page, in this order.
const HEADINGS: [&str; 6] = [
    "## States",
    "## Messages",
    "## Bounces",
    "## Gas",
    "## Parameters",
    "## Considered and refused",
];
/// Where operations are declared; what is signed has tags of its own, elsewhere.
const DECLARED: [&str; 3] = ["shared/messages.tolk", "shared/vouchers.tolk", "shared/jettons.tolk"];

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn contracts() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("compiled");
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// What a contract is compiled from (as in `sources.mjs`), by path and without comments.
struct Sources(BTreeMap<String, String>);

impl Sources {
    fn of(contract: &str) -> Self {
        let in_jetton = contract == "jetton_task";
        let mut sources = Self(BTreeMap::new());
        let mut open = vec![if in_jetton {
            "task/task.tolk".to_owned()
        } else {
            format!("{contract}/{contract}.tolk")
        }];
        while let Some(path) = open.pop() {
            let file = match path.as_str() {
                "task/purse.tolk" if in_jetton => "jetton_task/purse.tolk".to_owned(),
                _ => path,
            };
            if sources.0.contains_key(&file) {
                continue;
            }
            let whole = text(&format!("tolk/{file}"));
            let lines = whole.lines().map(|line| line.split("//").next().unwrap_or(""));
            let code = lines.collect::<Vec<_>>().join("\n");
            let folder = file.split('/').next().unwrap();
            for import in whole.lines().filter_map(|line| line.strip_prefix("import \"")) {
                let name = import.trim_end_matches('"');
                if let Some(other) = name.strip_prefix("../") {
                    open.push(format!("{other}.tolk"));
                } else if !name.starts_with('@') {
                    open.push(format!("{folder}/{name}.tolk"));
                }
            }
            sources.0.insert(file, code);
        }
        sources
    }

    /// Everything but where fees and operations are declared: what the contract does.
    fn doing(&self) -> String {
        let declares = |file: &str| {
            file.ends_with("fees.tolk") || file.ends_with("errors.tolk") || DECLARED.contains(&file)
        };
        let done = self.0.iter().filter(|(file, _)| !declares(file));
        done.map(|(_, code)| code.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// Opcodes by the operations' names.
    fn operations(&self) -> BTreeMap<String, String> {
        let declared = self.0.iter().filter(|(file, _)| DECLARED.contains(&file.as_str()));
        declared
            .flat_map(|(_, code)| code.split("struct (").skip(1))
            .filter_map(|declaration| {
                let (op, rest) = declaration.split_once(") ")?;
                Some((words(rest).next()?.to_owned(), op.to_owned()))
            })
            .collect()
    }

    /// The members of the types that bodies are read as: of what comes, or of what comes back.
    fn read_as(&self, back: bool) -> BTreeSet<String> {
        let code = self.doing();
        let mut found = BTreeSet::new();
        for declaration in code.split("\ntype ").skip(1) {
            let (name, rest) = declaration.split_once(" = ").unwrap();
            if name.starts_with("Sent") == back && code.contains(&format!("{name}.fromSlice(")) {
                let mut lines = rest.lines();
                let more = rest.lines().skip(1).take_while(|line| line.starts_with(' '));
                let members = lines.next().into_iter().chain(more).flat_map(words);
                found.extend(members.map(str::to_owned));
            }
        }
        found
    }

    /// The budgets that it computes with, in fees' functions as well.
    fn budgets(&self) -> BTreeSet<String> {
        let fees: String = self
            .0
            .iter()
            .filter(|(file, _)| file.ends_with("fees.tolk"))
            .map(|(_, code)| code.as_str())
            .collect();
        let functions: BTreeMap<&str, &str> =
            fees.split("\nfun ").skip(1).filter_map(|function| function.split_once('(')).collect();
        let doing = self.doing();
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut open = vec![doing.as_str()];
        while let Some(code) = open.pop() {
            for word in words(code) {
                if word.starts_with("GAS_") {
                    found.insert(word.to_owned());
                } else if let Some(body) = functions.get(word)
                    && seen.insert(word)
                {
                    open.push(body.split("\n}").next().unwrap());
                }
            }
        }
        found
    }
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|char: char| !char.is_alphanumeric() && char != '_').filter(|word| !word.is_empty())
}

/// What follows `before` in the code, up to the end of the word.
fn after<'a>(code: &'a str, before: &'a str) -> BTreeSet<&'a str> {
    code.split(before).skip(1).filter_map(|rest| words(rest).next()).collect()
}

/// Numbers of the exit codes by name.
fn exits() -> BTreeMap<String, String> {
    let errors = text("tolk/shared/errors.tolk");
    let lines = errors.lines().filter_map(|line| line.strip_prefix("const "));
    let pairs = lines.filter_map(|line| line.split_once(" = "));
    let number = |rest| words(rest).next().unwrap().replace("0xffff", "65535");
    pairs.map(|(name, rest)| (name.to_owned(), number(rest))).collect()
}

/// A page, by its sections.
struct Page {
    name: String,
    whole: String,
}

impl Page {
    fn of(contract: &str) -> Self {
        let name = format!("docs/{contract}.md");
        Self { whole: text(&name), name }
    }

    fn section(&self, heading: &str) -> &str {
        let start = self.whole.find(&format!("\n{heading}\n")).unwrap_or_else(|| {
            panic!("{} has no \"{heading}\"", self.name);
        });
        let rest = &self.whole[start + heading.len() + 2..];
        rest.split("\n## ").next().unwrap()
    }

    fn has(&self, heading: &str, word: &str) {
        let section = self.section(heading);
        assert!(words(section).any(|other| other == word), "{}, {heading}: {word}", self.name);
    }
}

#[test]
fn every_contract_has_a_page_with_every_heading() {
    let contracts = contracts();
    assert_eq!(contracts.len(), 10);
    let index = text("README.md");
    for contract in contracts {
        let page = Page::of(&contract);
        let found: Vec<_> = page.whole.lines().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(found, HEADINGS, "{}", page.name);
        for heading in HEADINGS {
            assert!(page.section(heading).trim().len() > 40, "{}: {heading} is empty", page.name);
        }
        assert!(index.contains(&format!("({})", page.name)), "the index lacks {}", page.name);
    }
}

#[test]
fn every_operation_stands_on_its_page() {
    for contract in contracts() {
        let (sources, page) = (Sources::of(&contract), Page::of(&contract));
        let (operations, doing) = (sources.operations(), sources.doing());
        let taken = sources.read_as(false);
        assert!(taken.len() > 3, "{contract} takes {taken:?}");
        for name in &taken {
            let op = &operations[name];
            let mut rows = page.section("## Messages").lines();
            let row = rows.find(|line| line.starts_with(&format!("| `{name}` `{op}` |")));
            assert!(row.is_some(), "{}: no row for `{name}` `{op}`", page.name);
        }
        for name in sources.read_as(true) {
            page.has("## Bounces", &name);
        }
        let mut made = 0;
        for name in operations.keys() {
            if doing.contains(&format!(" {name} {{")) {
                let heading = if name.ends_with("Log") { "## Messages" } else { "## Bounces" };
                page.has(heading, name);
                made += 1;
            }
        }
        assert!(made > 1, "{contract} makes messages");
    }
}

#[test]
fn every_budget_exit_code_constant_and_reader_stands_on_its_page() {
    let exits = exits();
    for contract in contracts() {
        let (sources, page) = (Sources::of(&contract), Page::of(&contract));
        let budgets = sources.budgets();
        assert!(!budgets.is_empty(), "{contract}");
        for budget in &budgets {
            page.has("## Gas", budget);
        }
        let doing = sources.doing();
        let thrown = after(&doing, "throw ");
        assert!(thrown.len() > 4, "{contract} throws {thrown:?}");
        for error in thrown {
            page.has("## Messages", &exits[error]);
        }
        for constant in after(&doing, "\nconst ") {
            page.has("## Parameters", constant);
        }
        for reader in after(&doing, "\nget fun ") {
            page.has("## Messages", reader);
        }
    }
}

/// The page on mutation names a place for each of the sixteen rules, and no file that is not there.
#[test]
fn every_rule_has_its_place_in_the_sources() {
    let page = text("MUTANTS.md");
    for rule in 1..=16 {
        let mut rows = page.lines().filter(|line| line.starts_with(&format!("| {rule} |")));
        let row = rows.next().unwrap_or_else(|| panic!("rule {rule} has no row"));
        assert!(row.contains(".tolk`") && rows.next().is_none(), "{row}");
    }
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tolk");
    for named in page.split('`').filter(|part| part.ends_with(".tolk")) {
        assert!(sources.join(named).is_file(), "{named} is no source");
    }
    let exits = exits();
    for error in words(&page).filter(|word| word.starts_with("ERR_")) {
        assert!(exits.contains_key(error), "{error} is no exit code");
    }
}
