//! A peer that runs in Node: a process beside us that does its work when told to, and measures the
//! CPU time of its whole process.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The process.
pub(crate) struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What a round cost it.
#[derive(Deserialize)]
pub(crate) struct Answer {
    /// Nanoseconds of an operation.
    pub(crate) ns: f64,
    /// How many operations came to the expected end.
    pub(crate) equal: usize,
}

/// A path below the folder of the benchmarks.
pub(crate) fn root(parts: &[&str]) -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.extend(parts);
    path
}

impl Peer {
    /// Starts `peers/{name}/peer.mjs`, with what it needs from npm.
    pub(crate) fn start(
        name: &str,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<Self> {
        let folder = root(&["peers", name]);
        if !folder.join("node_modules").exists() {
            let installed = Command::new("npm")
                .args(["ci", "--silent", "--no-audit", "--no-fund"])
                .current_dir(&folder)
                .stdout(Stdio::null())
                .status()
                .with_context(|| format!("npm is missing: {name} comes from there"))?;
            ensure!(installed.success(), "npm ci failed in {}", folder.display());
        }
        let mut child = Command::new("node")
            .arg("peer.mjs")
            .args(arguments)
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("node is missing: {name} runs in it"))?;
        let input = child.stdin.take().context("no pipe")?;
        let output = BufReader::new(child.stdout.take().context("no pipe")?);
        Ok(Self { child, input, output })
    }

    /// One round of its work.
    pub(crate) fn round(&mut self) -> Result<Answer> {
        writeln!(self.input, "run")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).context("the peer has ended")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left of it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
