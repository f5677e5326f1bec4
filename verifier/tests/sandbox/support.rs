//! Modules and sandboxes for the tests.

use std::sync::OnceLock;

use fog_verifier::sandbox::{
    Allocation, Exit, Job, LimitKind, Limits, Outcome, Refusal, Sandbox, SandboxConfig,
};

/// The word-count guest that is checked in for the demo.
pub(crate) const WORDCOUNT: &[u8] = include_bytes!("../../../cli/guests/wordcount.wasm");

/// Limits that a test reaches quickly.
pub(crate) fn small() -> Limits {
    Limits {
        fuel: 20_000_000,
        memory_bytes: 16 << 20,
        stack_bytes: 256 << 10,
        wall_ms: 10_000,
        table_elements: 10_000,
        module_bytes: 2 << 20,
        input_bytes: 4 << 20,
        output_bytes: 1 << 20,
        stderr_bytes: 1 << 10,
    }
}

pub(crate) fn sandbox(allocation: Allocation) -> Sandbox {
    Sandbox::new(SandboxConfig { allocation, ..SandboxConfig::default() })
}

/// One for all tests of this process; on demand, since tests run side by side.
pub(crate) fn shared() -> &'static Sandbox {
    static SHARED: OnceLock<Sandbox> = OnceLock::new();
    SHARED.get_or_init(|| sandbox(Allocation::OnDemand))
}

pub(crate) fn job(input: &[u8]) -> Job {
    Job { limits: small(), ..Job::new(input) }
}

pub(crate) fn assemble(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's module assembles")
}

/// A command with one page of memory and this body of `_start`; `$read`, `$write`, `$exit`,
/// `$random`, `$clock`, `$poll`, `$args`, `$args_sizes`, `$stat`, `$close`, `$seek` are imported.
pub(crate) fn command(body: &str) -> Vec<u8> {
    assemble(&format!(
        r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $stat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $put (param $at i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $length))
    (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))
      (then unreachable)))
  (func (export "_start") {body}))"#
    ))
}

pub(crate) fn run(module: &[u8], job: Job) -> Outcome {
    shared().run(module, job).unwrap().expect("the module is accepted")
}

pub(crate) fn refused(module: &[u8]) -> Refusal {
    shared().run(module, job(b"")).unwrap().expect_err("the module is refused")
}

pub(crate) fn exit_of(module: &[u8]) -> Exit {
    run(module, job(b"")).exit
}

/// What a run over this limit of [`small`] ends with.
pub(crate) fn over(limit: LimitKind, reached: u64) -> Exit {
    Exit::LimitHit { limit, reached, allowed: small().of(limit) }
}

/// A command without imports.
pub(crate) fn bare(fields: &str, body: &str) -> Vec<u8> {
    assemble(&format!("(module {fields} (func (export \"_start\") {body}))"))
}
