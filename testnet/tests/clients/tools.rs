//! Node and Python with their packages, installed once, and scripts run with them.
//!
//! The packages come from npm and PyPI at the versions that `interop/package-lock.json` and
//! `interop/requirements.txt` pin. A stamp beside them says what was installed; they are installed
//! again only when the pins change.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::OnceCell;

/// Longest time a script may take, on a slow and loaded machine.
const SCRIPT_TIME: Duration = Duration::from_secs(120);
/// Longest time an installation may take.
const INSTALL_TIME: Duration = Duration::from_secs(300);

static NODE: OnceCell<()> = OnceCell::const_new();
static BLUEPRINT: OnceCell<()> = OnceCell::const_new();
static PYTHON: OnceCell<PathBuf> = OnceCell::const_new();

fn interop() -> PathBuf {
    // The integration tests run these too, from their own folder.
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testnet/interop")
}

async fn output(command: &mut Command, needs: &str, within: Duration) -> Output {
    let run = command.kill_on_drop(true).output();
    let done = tokio::time::timeout(within, run).await;
    match done.unwrap_or_else(|_| panic!("{command:?} takes longer than {within:?}")) {
        Ok(output) => output,
        Err(error) => panic!("{command:?} cannot be run: {error}. These tests need {needs}."),
    }
}

fn said(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    format!("{}\n--- stdout\n{out}\n--- stderr\n{err}", output.status)
}

async fn install(command: &mut Command, needs: &str) {
    let output = output(command, needs, INSTALL_TIME).await;
    assert!(output.status.success(), "{command:?}: {}", said(&output));
}

/// Whether what `pins` says now is what was installed, by the stamp.
fn is_current(stamp: &Path, pins: &str) -> bool {
    std::fs::read_to_string(stamp).is_ok_and(|installed| installed == pins)
}

async fn npm_ci(home: &Path) {
    const NEEDS: &str = "Node 20 or newer with npm";
    let pins = std::fs::read_to_string(home.join("package-lock.json")).unwrap();
    let stamp = home.join("node_modules/.fog-installed");
    if is_current(&stamp, &pins) {
        return;
    }
    let mut ci = Command::new("npm");
    ci.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(home);
    install(&mut ci, NEEDS).await;
    std::fs::write(stamp, pins).unwrap();
}

async fn python_packages() -> PathBuf {
    const NEEDS: &str = "Python 3.11 or newer with its venv module (Debian: python3-venv)";
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop-python");
    let python = home.join("bin/python");
    let pins = std::fs::read_to_string(interop().join("requirements.txt")).unwrap();
    let stamp = home.join("fog-installed");
    if is_current(&stamp, &pins) {
        return python;
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&home);
    install(&mut venv, NEEDS).await;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    install(pip.arg(interop().join("requirements.txt")), NEEDS).await;
    std::fs::write(stamp, pins).unwrap();
    python
}

async fn run(mut command: Command, url: &str, script: &str) {
    let mut words = script.split(' ');
    command.args(words.next().map(|name| interop().join(name))).args(words);
    command.env("FOG_TESTNET", url).current_dir(interop());
    let output = output(&mut command, "its interpreter", SCRIPT_TIME).await;
    let done = output.status.success() && output.stdout.ends_with(b"ok\n");
    assert!(done, "{script}: {}", said(&output));
}

/// Runs a script of `interop/`, and what follows its name as arguments, with Node against the server
/// at `url`; it must print `ok` last.
pub(crate) async fn node(url: &str, script: &str) {
    NODE.get_or_init(|| async { npm_ci(&interop()).await }).await;
    run(Command::new("node"), url, script).await;
}

/// As [`node`], with Blueprint installed as well.
pub(crate) async fn node_with_blueprint(url: &str, script: &str) {
    BLUEPRINT.get_or_init(|| async { npm_ci(&interop().join("blueprint")).await }).await;
    node(url, script).await;
}

/// As [`node`], with Python.
pub(crate) async fn python(url: &str, script: &str) {
    let python = PYTHON.get_or_init(python_packages).await;
    let mut command = Command::new(python);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    run(command, url, script).await;
}
