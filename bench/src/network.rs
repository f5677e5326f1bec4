//! A whole network, as its user starts it: the built `fog` from outside, in wall time. The other
//! side is one second.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::meter::Reading;

const SECOND: f64 = 1.0;
const STARTS: usize = 7;
const PATIENCE: Duration = Duration::from_secs(60);
/// Tasks that are posted one by one, half a second apart.
const TASKS: u64 = 40;

/// From nothing to a deployed market whose node answers.
pub(crate) fn dev_start() -> Result<Reading> {
    let program = program()?;
    let mut seconds = (0..STARTS).map(|_| one_start(&program)).collect::<Result<Vec<_>>>()?;
    seconds.sort_unstable_by(f64::total_cmp);
    Ok(Reading {
        ours: seconds[0],
        theirs: SECOND,
        unit: "s",
        against: "one second",
        goal: 1.0,
        note: format!("least of {STARTS} starts; median {:.3} s", seconds[STARTS / 2]),
    })
}

/// From a posted task to its final payment on chain, without audit.
pub(crate) fn post_to_paid() -> Result<Reading> {
    let home = tempfile::tempdir()?;
    let seconds = TASKS / 2;
    let output = Command::new(program()?)
        .args(["testnet", "soak", "--json", "--faults", "none", "--workers", "1"])
        .args(["--audit-rate", "0.001", "--tasks-per-second", "2"])
        .args(["--for", &format!("{seconds}s")])
        .env("HOME", home.path())
        .output()?;
    let report: Value = serde_json::from_slice(&output.stdout).context("no report")?;
    ensure!(output.status.success(), "the run failed: {}", report["failures"]);
    let paid = &report["post_to_paid"];
    ensure!(paid["count"] == TASKS, "not every task was paid: {}", report["ends"]);
    let at = |name: &str| paid[name].as_f64().map(|millis| millis / 1000.0).context("no latency");
    Ok(Reading {
        ours: at("p50_ms")?,
        theirs: SECOND,
        unit: "s",
        against: "one second",
        goal: 0.3,
        note: format!("median of {TASKS} tasks; p95 {:.3} s", at("p95_ms")?),
    })
}

/// What `FOG` names, or the release build, brought up to date.
fn program() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("FOG") {
        return Ok(PathBuf::from(named).canonicalize()?);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let status = Command::new("cargo")
        .args(["build", "--release", "--quiet", "--locked", "-p", "fog-cli"])
        .current_dir(&root)
        .status()
        .context("cargo is needed to build fog")?;
    ensure!(status.success(), "fog does not build");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    Ok(target.join("release").join("fog").canonicalize()?)
}

/// A process that is killed when it is not needed any more.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn one_start(program: &Path) -> Result<f64> {
    let home = tempfile::tempdir()?;
    let started = Instant::now();
    let child = Command::new(program)
        .args(["dev", "--json", "--listen", "127.0.0.1:0", "--data"])
        .arg(home.path().join("network"))
        .env("HOME", home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut running = Running(child);
    let out = running.0.stdout.take().context("no output")?;
    let banner = banner(out)?;
    let node = banner["node"].as_str().and_then(|url| url.strip_prefix("http://"));
    let info = get(node.context("the banner names no node")?, "/v1/info")?;
    let seconds = started.elapsed().as_secs_f64();
    ensure!(info["market"].is_string(), "the node names no market: {info}");
    Ok(seconds)
}

/// The one document it prints, which may have several lines.
fn banner(out: impl Read) -> Result<Value> {
    let mut text = String::new();
    for line in BufReader::new(out).lines() {
        text.push_str(&line?);
        text.push('\n');
        if let Ok(document) = serde_json::from_str(&text) {
            return Ok(document);
        }
    }
    bail!("it ended without saying where it listens: {text}")
}

fn get(host: &str, path: &str) -> Result<Value> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "the node answered {answer}");
    let body = answer.split_once("\r\n\r\n").context("an answer without a body")?.1;
    Ok(serde_json::from_str(body)?)
}
