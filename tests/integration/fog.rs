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

/// Most rounds of a measurement: what else the machine does can only make a time longer.
const ROUNDS: usize = 12;

/// `fog verify` of a bundle takes under a second more than what it cannot do without: a run of the
/// program on the input, or the check of the proof. Both in turns, the least of three rounds, or of as
/// many as a busy machine needs.
pub(crate) fn verifies_within_a_second(home: &Path, bundle: &Path, again: &[&str]) {
    let bundle = bundle.to_str().unwrap();
    let time = |args: &[&str]| {
        let begun = Instant::now();
        let output = run(fog(home).args(args));
        let time = begun.elapsed();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        time
    };
    let (mut verify, mut alone) = (Duration::MAX, Duration::MAX);
    for round in 1..=ROUNDS {
        verify = verify.min(time(&["verify", bundle, "--json"]));
        alone = alone.min(time(again));
        if round >= 3 && verify.saturating_sub(alone) < Duration::from_secs(1) {
            break;
        }
    }
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
