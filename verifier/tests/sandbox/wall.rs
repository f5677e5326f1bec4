//! The wall limit: what only the clock can end, how soon it does, and that looking at the clock
//! changes nothing.

use std::{
    num::NonZeroU64,
    time::{Duration, Instant},
};

use fog_verifier::sandbox::{
    Allocation, Exit, Job, LimitKind, Limits, Outcome, Sandbox, SandboxConfig, TrapKind,
    process::RunnerPool,
};

use super::{
    determinism::zoo,
    hostile_modules::call_tree,
    process::{alone, config},
    support::{WORDCOUNT, assemble, bare, command, job, over, run, small},
};

const ENDLESS: u64 = u64::MAX >> 2;
const WALL_MS: u32 = 100;
/// For guests that are to end by something else.
const LONG_MS: u32 = 60_000;
/// What may pass between the deadline and the answer.
const PAST: Duration = Duration::from_secs(2);

/// One slot, so that a guest that keeps anything is in the next one's way.
fn sandbox(slice: u64) -> Sandbox {
    let default = SandboxConfig::default();
    Sandbox::new(SandboxConfig {
        allocation: Allocation::Pooled { instances: 1 },
        max_limits: Limits { fuel: ENDLESS, wall_ms: LONG_MS, ..default.max_limits },
        slice: NonZeroU64::new(slice).unwrap(),
        ..default
    })
}

fn default_slice() -> u64 {
    SandboxConfig::default().slice.get()
}

fn with(fuel: u64, wall_ms: u32) -> Job {
    Job { limits: Limits { fuel, wall_ms, ..small() }, ..job(b"some input, some words") }
}

fn ended(sandbox: &Sandbox, module: &[u8], job: Job) -> Outcome {
    sandbox.run(module, job).unwrap().expect("the module is accepted")
}

/// Guests that trap in the middle of work, each by another instruction.
fn traps() -> Vec<Vec<u8>> {
    let count = "(local $n i32) (loop $l (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 5000))))";
    let oob = "(drop (i32.load (i32.const -1)))";
    let refused = "(drop (memory.grow (i32.const 5000)))";
    let null = "(type $v (func)) (table 2 2 funcref)";
    vec![
        bare("", &format!("{count} (drop (i32.div_u (local.get $n) (i32.const 0)))")),
        bare("(memory 1)", &format!("{count} {oob}")),
        bare(null, &format!("{count} (call_indirect (type $v) (i32.const 1))")),
        bare("", &format!("{count} (drop (i32.trunc_f64_s (f64.const nan)))")),
        bare("(memory 1)", &format!("{count} {refused} {oob}")),
        bare(&format!("(memory 1) (func $f {count} {oob}) (start $f)"), ""),
        bare("(memory 1) (data (i32.const 65530) \"too long\")", ""),
        bare(
            "(memory 1)",
            "(local $at i32) (loop $l (i64.store (local.get $at) (i64.const 1)) (local.set $at (i32.add (local.get $at) (i32.const 8))) (br $l))",
        ),
        command(&format!(
            "{count} (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 64))) {oob}"
        )),
    ]
}

#[test]
fn how_long_slices_are_changes_nothing() {
    let modules = [zoo(), traps()].concat();
    let whole = sandbox(u64::MAX);
    for slice in [1, 2, 7, 1_000, default_slice()] {
        let sliced = sandbox(slice);
        for (n, module) in modules.iter().enumerate() {
            for fuel in [3_000, 30_000, 1_000_000] {
                let expected = ended(&whole, module, with(fuel, LONG_MS));
                let found = ended(&sliced, module, with(fuel, LONG_MS));
                assert_eq!(found, expected, "module {n} in slices of {slice} of {fuel}");
            }
        }
    }
}

#[test]
fn a_trap_is_charged_all_fuel_and_a_panic_what_it_burnt() {
    for (n, module) in traps().iter().enumerate() {
        let outcome = run(module, job(b""));
        let refused = matches!(outcome.exit, Exit::LimitHit { limit: LimitKind::Memory, .. });
        assert!(refused || matches!(outcome.exit, Exit::Trapped { .. }), "module {n}: {outcome:?}");
        assert_eq!(outcome.fuel_used, small().fuel, "module {n}");
    }
    let panics = bare("", "(local $n i32) (local.set $n (i32.const 1)) unreachable");
    let outcome = run(&panics, job(b""));
    assert!(matches!(outcome.exit, Exit::Trapped { kind: TrapKind::Unreachable, .. }));
    assert_eq!(outcome.fuel_used, 3);
}

/// Each goes on for ever; some never call the host, some do nothing else.
fn endless() -> Vec<(&'static str, Vec<u8>)> {
    let call = |call: &str| command(&format!("(loop $l (drop (call {call})) (br $l))"));
    let component = |fields: &str, realloc: &str, execute: &str| {
        assemble(&format!(
            r#"(component
  (core module $m {fields} (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {realloc} (i32.const 8192))
    (func (export "execute") (param i32 i32) (result i32) {execute} (i32.const 0)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "cabi_realloc" (core func $realloc))
  (type $bytes (list u8)) (type $result (result $bytes (error string)))
  (func (export "execute") (param "input" $bytes) (result $result)
    (canon lift (core func $i "execute") (memory $memory) (realloc $realloc))))"#
        ))
    };
    let turn = "(loop $l (br $l))";
    vec![
        ("a loop", bare("", turn)),
        ("a start function", bare(&format!("(func $f {turn}) (start $f)"), "")),
        ("calls without a loop", call_tree()),
        (
            "filling memory",
            bare(
                "(memory 256)",
                "(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 16777216)) (br $l))",
            ),
        ),
        (
            "growth by nothing",
            bare("(memory 1)", "(loop $l (drop (memory.grow (i32.const 0))) (br $l))"),
        ),
        ("host calls", call("$clock (i32.const 0) (i64.const 0) (i32.const 16)")),
        ("host calls that fail", call("$close (i32.const 99)")),
        ("dear host calls", call("$random (i32.const 0) (i32.const 65536)")),
        ("a component", component("", "", turn)),
        ("a component's start", component(&format!("(func $f {turn}) (start $f)"), "", "")),
        ("a component's allocator", component("", turn, "")),
    ]
}

#[test]
fn the_clock_ends_what_nothing_else_does_and_soon() {
    let sandbox = sandbox(default_slice());
    for (name, module) in endless() {
        let job = with(ENDLESS, WALL_MS);
        // Compiled first: that has a limit of its own.
        let prepared = sandbox.compile(&module, &job.limits).unwrap().unwrap();
        let prepared = sandbox.load(&prepared).unwrap();
        let start = Instant::now();
        let outcome = sandbox.execute(&prepared, job).unwrap().unwrap();
        let late = start.elapsed().saturating_sub(Duration::from_millis(WALL_MS.into()));
        println!("{name}: {late:?} after its deadline");
        assert!(late < PAST, "{name}: {late:?}");
        let Exit::LimitHit { limit: LimitKind::Wall, reached, allowed } = outcome.exit else {
            panic!("{name}: {outcome:?}");
        };
        assert_eq!(allowed, u64::from(WALL_MS), "{name}");
        assert!((allowed..allowed + PAST.as_millis() as u64).contains(&reached), "{name}");
        assert!(!outcome.exit.is_deterministic());
        assert!(outcome.output.is_empty(), "nothing that could be paid");
        assert!((1..ENDLESS).contains(&outcome.fuel_used), "{name}: {}", outcome.fuel_used);
        // Nothing of it is left in the only slot.
        let honest = ended(&sandbox, WORDCOUNT, with(small().fuel, LONG_MS));
        assert_eq!(honest.exit, Exit::Success, "after {name}");
    }
}

#[test]
fn a_lack_of_time_is_never_taken_for_a_lack_of_fuel() {
    let spin = bare("", "(loop $l (br $l))");
    for slice in [1_000, default_slice()] {
        let sandbox = sandbox(slice);
        // The fuel ends where a slice ends, and before it, and there is no time: fuel decides.
        for fuel in [slice, slice - 1, slice / 2] {
            let outcome = ended(&sandbox, &spin, with(fuel, 0));
            let end = Exit::LimitHit { limit: LimitKind::Fuel, reached: fuel, allowed: fuel };
            assert_eq!((outcome.exit, outcome.fuel_used), (end, fuel));
        }
        // There is fuel left after the first slice, and no time.
        for fuel in [slice + 100, 10 * slice] {
            let outcome = ended(&sandbox, &spin, with(fuel, 0));
            let Exit::LimitHit { limit: LimitKind::Wall, allowed: 0, .. } = outcome.exit else {
                panic!("{outcome:?}");
            };
            assert!((slice..slice + 100).contains(&outcome.fuel_used), "{}", outcome.fuel_used);
        }
        // Time is enough: fuel again, at the end of the last of several slices.
        let fuel = 10 * slice;
        let outcome = ended(&sandbox, &spin, with(fuel, LONG_MS));
        let end = Exit::LimitHit { limit: LimitKind::Fuel, reached: fuel, allowed: fuel };
        assert_eq!((outcome.exit, outcome.fuel_used), (end, fuel));
    }
    assert_eq!(run(&spin, job(b"")).exit, over(LimitKind::Fuel, small().fuel));
}

/// The host calls the guest back, at the end of its stack, and it recurses there, too.
#[test]
fn a_guest_called_back_at_the_end_of_its_stack_ends_by_its_limit() {
    let _alone = alone();
    let pool = RunnerPool::start(config()).unwrap();
    let deep = |depth: u32| {
        assemble(&format!(
            r#"(component
  (import "wasi:random/random@0.2.0" (instance $r
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  (core module $libc (memory (export "memory") 1)
    (global $deep (export "deep") (mut i32) (i32.const 0))
    (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
      (if (global.get $deep) (then (drop (call $realloc
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))))
      (i32.const 8192)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "cabi_realloc" (core func $realloc))
  (core func $bytes
    (canon lower (func $r "get-random-bytes") (memory $memory) (realloc $realloc)))
  (core module $m
    (import "host" "bytes" (func $bytes (param i64 i32)))
    (import "libc" "deep" (global $deep (mut i32)))
    (func $down (param $n i32)
      (if (local.get $n)
        (then (call $down (i32.sub (local.get $n) (i32.const 1))))
        (else (global.set $deep (i32.const 1)) (call $bytes (i64.const 64) (i32.const 0)))))
    (func (export "execute") (param i32 i32) (result i32)
      (call $down (i32.const {depth})) (i32.const 0)))
  (core instance $i (instantiate $m
    (with "host" (instance (export "bytes" (func $bytes)))) (with "libc" (instance $libc))))
  (type $list (list u8)) (type $result (result $list (error string)))
  (func (export "execute") (param "input" $list) (result $result)
    (canon lift (core func $i "execute") (memory $memory) (realloc $realloc))))"#
        ))
    };
    // From a stack that is hardly used to one that does not reach to the call.
    for depth in [1, 10_000, 15_000, 20_000, 25_000, 30_000, 100_000] {
        let limits = Limits { stack_bytes: 1 << 20, ..small() };
        let outcome = pool.run(&deep(depth), Job { limits, ..job(b"") }).unwrap().unwrap();
        let Exit::LimitHit { limit: LimitKind::Stack, .. } = outcome.exit else {
            panic!("{depth}: {outcome:?}");
        };
    }
}
