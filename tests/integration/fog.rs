//! The built `fog`, as a user starts it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
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

/// Standard output as the one JSON document it must be.
pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let out = String::from_utf8_lossy(&output.stdout);
        let err = String::from_utf8_lossy(&output.stderr);
        panic!("{error}\nstdout: {out}\nstderr: {err}")
    })
}
