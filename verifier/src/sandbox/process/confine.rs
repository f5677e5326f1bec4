//! What a child gives up before it reads anything from outside.

use std::{fs, io};

use rustix::{
    process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit},
    thread::set_no_new_privs,
};

use super::super::trusted;
use super::frame::Setup;

/// Most address space. Guests' memories are reserved sparsely, so this only stops run-aways;
/// `RLIMIT_DATA` bounds what is really used.
const ADDRESS_SPACE: u64 = 256 << 30;
/// A mapped module holds its file, and perhaps a memory file; 64 modules are kept ready.
const OPEN_FILES: u64 = 192;
/// Largest file; Wasmtime puts a module's data into memory files, which count.
const FILE_BYTES: u64 = 32 << 20;

/// At once, before anything else: nothing inherited but stdin, stdout, stderr; no new
/// privileges; no core file, no tracer.
pub(super) fn at_start() -> io::Result<()> {
    trusted::close_inherited()?;
    set_no_new_privs(true)?;
    // First in line when the machine runs out of memory. While still dumpable: afterwards the
    // file is root's. Not every kernel lets us: not a reason to stop.
    fs::write("/proc/self/oom_score_adj", "800").ok();
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, OPEN_FILES)?;
    limit(Resource::Fsize, FILE_BYTES)
}

/// The bounds that the parent chose.
pub(super) fn by_setup(setup: &Setup) -> io::Result<()> {
    limit(Resource::As, ADDRESS_SPACE)?;
    limit(Resource::Data, setup.memory_bytes)?;
    if let Some(seconds) = setup.cpu_seconds {
        limit(Resource::Cpu, seconds)?;
    }
    Ok(())
}

/// Lowers a limit, soft and hard; one that is lower already stays.
fn limit(resource: Resource, value: u64) -> io::Result<()> {
    let now = rustix::process::getrlimit(resource);
    let value = now.maximum.map_or(value, |maximum| maximum.min(value));
    Ok(setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?)
}
