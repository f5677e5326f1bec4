//! A network, and people at it who use one command.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{dev::Dev, fog::run};

/// What a task of [`Scene::entries`] costs, in the smallest units.
pub(crate) const EACH: u64 = 1_000;

pub(crate) struct Scene<'a> {
    pub(crate) network: &'a Dev,
    pub(crate) home: &'a Path,
    /// What all arguments belong to: `["account"]`, or nothing.
    pub(crate) command: &'a [&'a str],
}

impl Scene<'_> {
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    pub(crate) fn ok(&self, who: &str, args: &[&str]) -> Value {
        let args = [self.command, args, &["--json", "--wallet", who]].concat();
        self.network.ok(self.home, &args)
    }

    /// Runs what must fail, and gives what it says.
    pub(crate) fn refused(&self, who: &str, args: &[&str]) -> String {
        self.refused_with(1, who, args)
    }

    /// The same with this exit code.
    pub(crate) fn refused_with(&self, code: i32, who: &str, args: &[&str]) -> String {
        let args = [self.command, args, &["--wallet", who]].concat();
        let output = run(&mut self.network.fog(self.home, &args));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "fog {args:?}: {said}");
        said
    }

    /// The first `count` tasks, as both sides know them.
    pub(crate) fn entries(&self, name: &str, count: u64) -> String {
        let entry = |number: u64| {
            json!({
                "task": format!("{number:064x}"),
                "worker": format!("0:{:064x}", 7),
                "amount": EACH,
                "verdict": "accepted",
                "evidence": format!("{:064x}", number + 1),
            })
            .to_string()
        };
        let lines: Vec<_> = (0..count).map(entry).collect();
        let path = self.file(name);
        std::fs::write(&path, lines.join("\n")).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Signed by the requestor, then by the node.
    pub(crate) fn voucher(&self, address: &str, entries: &str, name: &str) -> String {
        let (half, whole) = (self.file("half.json"), self.file(name));
        let (half, whole) = (half.to_str().unwrap(), whole.to_str().unwrap());
        let run_as = |who, rest: &[&str]| {
            let sign = ["sign", address, "--entries", entries, "--out"];
            let args = [self.command, &sign, rest, &["--wallet", who]].concat();
            let output = run(&mut self.network.fog(self.home, &args));
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(0), "{said}");
        };
        run_as("requestor", &[half]);
        assert!(self.refused("node", &["settle", half]).contains("payee's signature"));
        run_as("node", &[whole, "--voucher", half]);
        whole.to_owned()
    }
}
