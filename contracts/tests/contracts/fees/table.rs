//! The gas that every step was seen to take at its worst, and `contracts/gas.txt`, which holds it.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Mutex, PoisonError},
};

use fog_protocol::Address;
use fog_testnet::chain::{Receipt, TxRecord};
use tycho_types::{cell::CellSlice, models::MsgInfo};

use super::budgets::{Budgets, Terms, budget, sum};
use crate::world::std;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gas.txt");
const BLESS: &str = "FOG_BLESS=1 cargo test --workspace --locked --test contracts costs";
/// Parts of the table: each is one test's.
const SECTIONS: [&str; 4] = [
    "tasks, stakes, bonds, channels, market",
    "delegated stake",
    "channels in jettons",
    JETTON_TASKS,
];
pub(super) const JETTON_TASKS: &str = "tasks in jettons";

/// The worst gas seen of each step.
#[derive(Default)]
pub(super) struct Meter(BTreeMap<&'static str, (u64, Terms)>);

impl Meter {
    pub(super) fn read(&mut self, receipt: &Receipt) {
        self.read_as(receipt, budget);
    }

    pub(super) fn read_as(&mut self, receipt: &Receipt, budgets: Budgets) {
        self.read_all(receipt.transactions.iter(), budgets);
    }

    /// Only what happened at this address.
    pub(super) fn read_at(&mut self, receipt: &Receipt, at: &Address, budgets: Budgets) {
        let here = receipt.transactions.iter().filter(|record| record.address == std(at));
        self.read_all(here, budgets);
    }

    fn read_all<'a>(&mut self, records: impl Iterator<Item = &'a TxRecord>, budgets: Budgets) {
        for record in records {
            let Some(message) = record.in_msg().unwrap() else { continue };
            let MsgInfo::Int(info) = &message.info else { continue };
            let mut body = CellSlice::apply(&message.body).unwrap();
            if info.bounced {
                // The rich format: a prefix, then the original body in a cell of its own.
                let Ok(0xffff_fffe) = body.load_u32() else { continue };
                body = body.load_reference_as_slice().unwrap();
            }
            let Ok(op) = body.load_u32() else { continue };
            let Some((name, terms)) = budgets(op, info.bounced) else { continue };
            let worst = self.0.entry(name).or_insert((0, terms));
            worst.0 = worst.0.max(record.gas_used().unwrap());
        }
    }

    /// How many steps were measured.
    pub(super) fn steps(&self) -> usize {
        self.0.len()
    }

    /// The gas of a step that was measured.
    pub(super) fn gas(&self, step: &str) -> u64 {
        self.0[step].0
    }

    /// Its budget.
    pub(super) fn limit(&self, step: &str) -> u64 {
        sum(self.0[step].1)
    }

    /// Steps that take more of their budget than this share.
    pub(super) fn above(&self, hundredths: u64) -> Vec<&'static str> {
        let over = |step: &&str| self.gas(step) * 100 > self.limit(step) * hundredths;
        self.0.keys().copied().filter(|step| self.gas(step) == 0 || over(step)).collect()
    }

    fn rows(&self) -> Vec<String> {
        let rows = self
            .0
            .iter()
            .map(|(step, (gas, terms))| row(step, *gas, sum(terms), &terms.join(" + ")));
        rows.collect()
    }

    /// Holds the steps, and `paths` (a row each) below them, against a section of the table.
    pub(super) fn compare(&self, section: &str, paths: &[String]) {
        assert!(SECTIONS.contains(&section), "{section}");
        let mut rows = self.rows();
        rows.extend_from_slice(paths);
        println!("[{section}]\n{}", rows.join("\n"));
        // Tests of one program run side by side.
        static FILE: Mutex<()> = Mutex::new(());
        let _alone = FILE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = read();
        if std::env::var_os("FOG_BLESS").is_some() {
            table.insert(section.to_owned(), rows);
            write(&table);
            return;
        }
        // Set by `mutants.mjs`: a mutant is to be caught by what it does, not by what it costs.
        if std::env::var_os("FOG_GAS_MAY_DIFFER").is_some() {
            return;
        }
        let was = table.remove(section).unwrap_or_default();
        let gone = was.iter().filter(|row| !rows.contains(row)).map(|row| format!("- {row}"));
        let came = rows.iter().filter(|row| !was.contains(row)).map(|row| format!("+ {row}"));
        let changes: Vec<_> = gone.chain(came).collect();
        let changes = changes.join("\n");
        assert!(was == rows, "gas is not what gas.txt says:\n{changes}\nIf it is meant: {BLESS}");
    }
}

/// A line of the table: what it is, what it took, of what, and where that is from.
pub(super) fn row(name: &str, gas: u64, limit: u64, from: &str) -> String {
    let thousandths = gas * 1000 / limit;
    let (percent, tenth) = (thousandths / 10, thousandths % 10);
    format!("{name:<22} {gas:>7} {limit:>7} {percent:>3}.{tenth} %  {from}")
}

/// The rows of each section.
fn read() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(PATH).unwrap_or_default();
    let mut table = BTreeMap::<String, Vec<String>>::new();
    let mut section = None;
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(name) => section = Some(table.entry(name.to_owned()).or_default()),
            None => section.as_mut().expect("a section first").push(line.to_owned()),
        }
    }
    table
}

fn write(table: &BTreeMap<String, Vec<String>>) {
    let mut text = format!(
        "# Gas of every step at its worst, what its contract asks to be paid for, and where that is\n\
         # from: constants of tolk/*/fees.tolk. (To a market's messages nothing is asked for: there it is\n\
         # what is attached.) What takes more than 80 % is part of a path that takes less, or more is\n\
         # attached to it. Written by\n# {BLESS}\n"
    );
    for section in SECTIONS {
        let rows = table.get(section).map(|rows| rows.join("\n")).unwrap_or_default();
        text += &format!("\n[{section}]\n{rows}\n");
    }
    fs::write(PATH, text).unwrap();
}

#[test]
fn every_section_of_the_table_has_a_test() {
    let sections = read();
    assert!(sections.keys().eq(std::collections::BTreeSet::from(SECTIONS)), "{sections:#?}");
}
