//! Provers of zkVMs: programs of the worker's own, started for every receipt.
//!
//! ```text
//! PROVER ELF INPUT BINDING OUT
//! ```
//! `ELF` and `INPUT` are files; `BINDING` is 64 hexadecimal digits, which the guest has to make public
//! first where the listing says so; `OUT` is an empty folder, in which the prover leaves two files:
//! `journal`, what the guest made public, and `seal`, the Groth16 seal as Ethereum takes it. It exits
//! with 0 if it made them. Proving is its own business: on this machine, or by a service it pays.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use fog_protocol::{GuestExit, ZkVm};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::{ExecuteError, Execution, groth16::MAX_JOURNAL_BYTES, receipt_check::ReceiptResult};

const MAX_SEAL_BYTES: u64 = 1024;
/// Between two looks at whether a prover, which takes seconds at the least, has ended.
const LOOK: Duration = Duration::from_millis(50);

/// The provers there are, by machine and release.
#[derive(Debug, Clone, Default)]
pub struct Provers {
    commands: BTreeMap<ZkVm, PathBuf>,
    wall: Duration,
}

impl Provers {
    /// These commands, each ended after `wall`.
    #[must_use]
    pub const fn new(commands: BTreeMap<ZkVm, PathBuf>, wall: Duration) -> Self {
        Self { commands, wall }
    }

    /// Is there one for this machine?
    #[must_use]
    pub fn has(&self, vm: ZkVm) -> bool {
        self.commands.contains_key(&vm)
    }

    pub(crate) fn prove(
        &self,
        vm: ZkVm,
        elf: &[u8],
        input: &[u8],
        binding: &str,
    ) -> Result<Execution, ExecuteError> {
        let command = self.commands.get(&vm).ok_or_else(|| ExecuteError::Refused {
            code: "needs_prover".to_owned(),
            reason: format!("there is no prover for {vm} here: name one with --prover"),
        })?;
        let failed = |error: io::Error| {
            ExecuteError::Sandbox(format!("the prover {}: {error}", command.display()))
        };
        let folder = tempfile::tempdir().map_err(failed)?;
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).map(|()| path)
        };
        let (elf, input) =
            (file("elf", elf).map_err(failed)?, file("input", input).map_err(failed)?);
        let out = folder.path().join("out");
        fs::create_dir(&out).map_err(failed)?;
        let child = start(command, &elf, &input, binding, &out).map_err(failed)?;
        if !self.ended_well(child).map_err(failed)? {
            return Err(ExecuteError::killed_after(self.wall));
        }
        let read = |name: &str, most: u64| read_bounded(&out.join(name), most).map_err(failed);
        let result = ReceiptResult {
            journal: read("journal", MAX_JOURNAL_BYTES as u64)?,
            seal: read("seal", MAX_SEAL_BYTES)?,
        };
        let output = serde_json::to_vec(&result)
            .map_err(|error| ExecuteError::Sandbox(error.to_string()))?;
        Ok(Execution { exit: GuestExit::Success, output, fuel_used: 0 })
    }

    /// Waits; `false` if it took too long and was ended.
    fn ended_well(&self, mut child: Child) -> io::Result<bool> {
        let deadline = Instant::now() + self.wall;
        loop {
            if let Some(status) = child.try_wait()? {
                return match status.success() {
                    true => Ok(true),
                    false => Err(io::Error::other(format!("ended with {status}"))),
                };
            }
            if Instant::now() >= deadline {
                // With whatever it started.
                if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
                    let _ = kill_process_group(group, Signal::KILL);
                }
                child.wait()?;
                return Ok(false);
            }
            std::thread::sleep(LOOK);
        }
    }
}

fn start(command: &Path, elf: &Path, input: &Path, binding: &str, out: &Path) -> io::Result<Child> {
    let mut prover = Command::new(command);
    prover.args([elf, input]).arg(binding).arg(out).current_dir(out);
    // Its own settings it may have; of ours, which may name keys, it sees none.
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(name)) {
        prover.env_remove(name);
    }
    // What it complains of is for whoever runs the worker.
    prover.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0).spawn()
}

fn is_ours(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"FOG_")
}

fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    use io::Read as _;
    let mut bytes = Vec::new();
    let name = || path.file_name().unwrap_or_default().display().to_string();
    let file = fs::File::open(path)
        .map_err(|error| io::Error::other(format!("it left no file `{}`: {error}", name())))?;
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("its `{}` is longer than {most} bytes", name())));
    }
    Ok(bytes)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn provers(folder: &Path, script: &str, wall: Duration) -> Provers {
        let path = folder.join("prover.sh");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        Provers::new([(ZkVm::Sp1V61, path)].into(), wall)
    }

    fn proved(script: &str, wall: Duration) -> Result<ReceiptResult, String> {
        let folder = tempfile::tempdir().unwrap();
        let provers = provers(folder.path(), script, wall);
        let made = provers.prove(ZkVm::Sp1V61, b"an elf", b"an input", "ab");
        made.map(|made| serde_json::from_slice(&made.output).unwrap())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_prover_leaves_is_the_result() {
        let script =
            "{ printf %s \"$3\"; cat \"$1\" \"$2\"; } > \"$4/journal\"; printf seal > \"$4/seal\"";
        let made = proved(script, Duration::from_secs(60)).unwrap();
        assert_eq!((&made.journal[..], &made.seal[..]), (&b"aban elfan input"[..], &b"seal"[..]));
    }

    #[test]
    fn a_prover_that_fails_hangs_or_says_too_much_gives_no_result() {
        let long = Duration::from_secs(60);
        assert!(proved("exit 3", long).unwrap_err().contains("exit status: 3"));
        assert!(proved("printf x > \"$4/seal\"", long).unwrap_err().contains("`journal`"));
        let much = "head -c 2000 /dev/zero > \"$4/seal\"; : > \"$4/journal\"";
        assert!(proved(much, long).unwrap_err().contains("longer than 1024"));
        let began = Instant::now();
        assert!(proved("sleep 600 & sleep 600", Duration::from_millis(300)).is_err());
        assert!(began.elapsed() < long, "ended, with what it started");
        let other = tempfile::tempdir().unwrap();
        let none = provers(other.path(), "", long).prove(ZkVm::Sp1V5, b"", b"", "");
        assert!(none.unwrap_err().to_string().contains("--prover"));
    }
}
