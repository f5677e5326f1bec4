//! The built `fog`, as a user starts it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use serde_json::Value;

/// The binary that `cargo build` put beside the tests.
pub(crate) fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("fog");
    assert!(program.exists(), "build it first: cargo build --workspace --bins");
    program
}

/// A file of the project.
pub(crate) fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// `fog` with arguments, in an environment of its own.
pub(crate) fn fog(home: &Path) -> Command {
    let mut command = Command::new(program());
    command.env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin").current_dir(home);
    // The LOCAL ONLY proving key takes ten seconds of a core: made once for all tests.
    command.env("FOG_CIRCUITS", program().with_file_name("local-circuits"));
    command
}

pub(crate) fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

/// The least of three times that a command takes, which has to succeed.
pub(crate) fn least(command: impl Fn() -> Command) -> Duration {
    let time = |_| {
        let begun = Instant::now();
        let output = run(&mut command());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        begun.elapsed()
    };
    (0..3).map(time).min().unwrap()
}

/// `fog verify` of a bundle takes under a second more than what it cannot do without: a run of the
/// program on the input, or the check of the proof.
pub(crate) fn verifies_within_a_second(home: &Path, bundle: &Path, again: &[&str]) {
    let with = |args: &[&str]| {
        let mut command = fog(home);
        command.args(args);
        command
    };
    let bundle = bundle.to_str().unwrap();
    let verify = least(|| with(&["verify", bundle, "--json"]));
    let alone = least(|| with(again));
    let beyond = verify.saturating_sub(alone);
    println!("{bundle}: verified in {verify:.2?}, {beyond:.2?} beyond `fog {}`", again[0]);
    assert!(beyond < Duration::from_secs(1), "{bundle}: {verify:?} against {alone:?}");
}

/// Standard output as the one JSON document it must be.
pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let out = String::from_utf8_lossy(&output.stdout);
        let err = String::from_utf8_lossy(&output.stderr);
        panic!("{error}\nstdout: {out}\nstderr: {err}")
    })
}
