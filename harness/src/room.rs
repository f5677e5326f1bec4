//! A process without room: the system's own limit on the size of files, put on a process while it runs.
//!
//! Every write to a file fails then, as on a full disk, and nothing else does. A process that does not
//! ignore `SIGXFSZ` would be killed by its first write instead: the shell that starts it sees to that.

use std::path::Path;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::process::Command;

use crate::process::process;

/// The program, started so that a write beyond the limit fails instead of killing it.
pub(crate) fn refusable(program: &Path) -> Command {
    let mut command = process(Path::new("/bin/sh"));
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(program);
    command
}

/// Lets a process write no byte into any file.
pub(crate) fn take(pid: Option<u32>) -> std::io::Result<()> {
    set(pid, Some(0))
}

/// Gives it back what this process has.
pub(crate) fn give(pid: Option<u32>) -> std::io::Result<()> {
    set(pid, getrlimit(Resource::Fsize).current)
}

fn set(pid: Option<u32>, current: Option<u64>) -> std::io::Result<()> {
    let pid = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    // A process that has ended needs none; without a name it would be this one.
    let Some(pid) = pid else { return Ok(()) };
    let maximum = getrlimit(Resource::Fsize).maximum;
    match prlimit(Some(pid), Resource::Fsize, Rlimit { current, maximum }) {
        Ok(_) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
