//! The stack is counted in WebAssembly's own terms: recursion ends at the same call everywhere.

use fog_verifier::sandbox::{
    Allocation, Exit, Job, LimitKind, Limits, Optimisation, Outcome, Sandbox, SandboxConfig,
    TrapKind,
};

use super::support::{assemble, bare, job, over, run, small};

fn at(optimisation: Optimisation) -> Sandbox {
    let allocation = Allocation::OnDemand;
    Sandbox::new(SandboxConfig { optimisation, allocation, ..SandboxConfig::default() })
}

/// The outcome, which is the same at every level of optimisation.
fn everywhere(module: &[u8], job: &Job) -> Outcome {
    let [first, size, off] = [Optimisation::Speed, Optimisation::Size, Optimisation::Off]
        .map(|level| at(level).run(module, job.clone()).unwrap().unwrap());
    assert_eq!(first, size);
    assert_eq!(first, off);
    first
}

fn end_of_stack() -> Exit {
    over(LimitKind::Stack, small().stack_bytes.into())
}

/// A guest that recurses `depth` times, then returns: each call costs 32 for the frame and 8 each for a
/// parameter and two operands; `_start` has one operand.
fn recursing(depth: u32) -> Vec<u8> {
    bare(
        "(func $f (param $n i32)
           (if (local.get $n) (then (call $f (i32.sub (local.get $n) (i32.const 1))))))",
        &format!("(call $f (i32.const {depth}))"),
    )
}

#[test]
fn the_last_call_that_fits_is_known() {
    for stack_bytes in [16 << 10, 64 << 10, small().stack_bytes] {
        let last = (stack_bytes - (32 + 8)) / (32 + 3 * 8) - 1;
        let job = Job { limits: Limits { stack_bytes, ..small() }, ..job(b"") };
        assert_eq!(everywhere(&recursing(last), &job).exit, Exit::Success);
        let allowed = stack_bytes.into();
        let end = Exit::LimitHit { limit: LimitKind::Stack, reached: allowed, allowed };
        assert_eq!(everywhere(&recursing(last + 1), &job).exit, end);
    }
}

/// What a guest with little fuel and little stack runs out of first depends on neither compiler nor
/// frames: `wide` keeps two hundred numbers over each call.
#[test]
fn fuel_and_stack_end_in_the_same_order_at_every_level() {
    let wide: String = (0..200).map(|n| format!("(local $l{n} i64)")).collect();
    let sums: String = (0..200)
        .map(|n| format!("(local.set $l{n} (i64.add (global.get $g) (i64.const {n})))"))
        .collect();
    let keep: String = (0..200)
        .map(|n| format!("(global.set $g (i64.mul (global.get $g) (local.get $l{n})))"))
        .collect();
    let module = bare(
        &format!("(global $g (mut i64) (i64.const 3)) (func $f {wide} {sums} (call $f) {keep})"),
        "(call $f)",
    );
    let with = |fuel| everywhere(&module, &Job { limits: Limits { fuel, ..small() }, ..job(b"") });
    let whole = with(small().fuel);
    assert_eq!(whole.exit, end_of_stack());
    assert!(whole.fuel_used < small().fuel, "what it burnt is known");
    assert_eq!(with(whole.fuel_used + 1), whole);
    for fuel in [whole.fuel_used / 2, whole.fuel_used - 500] {
        let limit = LimitKind::Fuel;
        assert_eq!(with(fuel).exit, Exit::LimitHit { limit, reached: fuel, allowed: fuel });
    }
}

/// Whichever way a function is left, it gives back what it took: of a hundred thousand calls, the
/// smallest stack would hold some four hundred at once.
#[test]
fn every_way_out_of_a_function_gives_the_stack_back() {
    let ways = [
        "(drop (call $leaf)) (local.get 0)",
        "(drop (call $leaf)) (return (local.get 0))",
        "(drop (call $leaf)) (br 0 (local.get 0))",
        "(drop (call $leaf)) (loop (if (local.get 0) (then (return (i32.const 7))))) (i32.const 9)",
        "(block $a (result i32) (block $b (result i32) (br_table $a $b 2 (call $leaf) \
         (i32.and (local.get 0) (i32.const 3)))) (return))",
        "(drop (br_if 0 (call $leaf) (i32.and (local.get 0) (i32.const 1)))) (i32.const 5)",
        // Operands that are left lying when a function returns.
        "(i32.const 1) (call $leaf) (return (i32.const 4))",
        "(call $two (local.get 0)) (br 0)",
    ];
    for (n, body) in ways.into_iter().enumerate() {
        let module = bare(
            &format!(
                "(func $leaf (result i32) (i32.const 1))
                 (func $two (param i32) (result i64 i32)
                   (if (call $leaf) (then (return (i64.const 1) (local.get 0))))
                   (i64.const 2) (i32.const 0))
                 (func $f (param i32) (result i32) {body})"
            ),
            "(local $i i32) (loop $more (drop (call $f (local.get $i)))
               (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                 (i32.const 100000))))",
        );
        let limits = Limits { stack_bytes: 16 << 10, ..small() };
        let outcome = everywhere(&module, &Job { limits, ..job(b"") });
        assert_eq!(outcome.exit, Exit::Success, "way {n}");
    }
}

/// With globals, tables, a start function, imports and several results beside the counter.
#[test]
fn what_a_guest_computes_stays_what_it_was() {
    let module = assemble(
        r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $sum (export "sum") (mut i64) (i64.const 5))
  (table 1 funcref) (elem (i32.const 0) $fib)
  (type $unary (func (param i32) (result i32)))
  (start $begin)
  (func $begin (global.set $sum (i64.add (global.get $sum) (i64.const 37))))
  (func $fib (param $n i32) (result i32)
    (if (i32.lt_u (local.get $n) (i32.const 2)) (then (return (local.get $n))))
    (i32.add (call_indirect (type $unary) (i32.sub (local.get $n) (i32.const 1)) (i32.const 0))
             (call $fib (i32.sub (local.get $n) (i32.const 2)))))
  (func $swap (param i64 i64) (result i64 i64)
    (drop (call $fib (i32.const 1))) (local.get 1) (local.get 0))
  (func (export "_start") (local $a i64) (local $b i64)
    (call $swap (i64.const 1) (i64.const 2)) (local.set $b) (local.set $a)
    (i64.store (i32.const 64) (local.get $a))
    (i64.store (i32.const 72) (local.get $b))
    (i64.store (i32.const 80) (global.get $sum))
    (i32.store (i32.const 88) (call $fib (i32.const 15)))
    (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 28))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#,
    );
    let outcome = everywhere(&module, &job(b""));
    let expected: Vec<u8> =
        [2_u64, 1, 42].iter().flat_map(|n| n.to_le_bytes()).chain(610_u32.to_le_bytes()).collect();
    assert_eq!((outcome.exit, outcome.output), (Exit::Success, expected));
}

/// Only our own function ends the stack: a guest's `unreachable` is a trap, whatever it calls itself.
#[test]
fn a_guest_cannot_claim_the_end_of_its_stack() {
    let modules = [
        bare("", "unreachable"),
        assemble(
            "(module (func $end (@name \"end of stack\") unreachable)
               (func (export \"_start\") (call $end)))",
        ),
    ];
    for module in &modules {
        let ended = everywhere(module, &job(b""));
        assert!(matches!(ended.exit, Exit::Trapped { kind: TrapKind::Unreachable, .. }));
    }
}

/// What is computed before the call and again after it is computed once by a compiler that
/// optimises, and kept: five hundred numbers in each frame, none of which the module names. Such a
/// guest ends by its stack, too, though not at the same call at every level.
#[test]
fn frames_that_the_compiler_blows_up_end_by_the_stack_limit() {
    let numbers = |fold: &str| -> String {
        (0..500)
            .map(|n| {
                format!(
                    "(global.set $g (i64.{fold} (global.get $g) (i64.mul (local.get $x) \
                     (i64.xor (local.get $x) (i64.const {}))))) ",
                    n * 7919 + 12_345_678_901_u64
                )
            })
            .collect()
    };
    let module = bare(
        &format!(
            "(global $g (mut i64) (i64.const 1))
             (func $f (param $x i64) {} (call $f (i64.add (local.get $x) (global.get $g))) {})",
            numbers("add"),
            numbers("xor")
        ),
        "(call $f (i64.const 3))",
    );
    let job = Job { limits: Limits { fuel: 200_000_000, ..small() }, ..job(b"") };
    let [first, again, off] = [Optimisation::Speed, Optimisation::Speed, Optimisation::Off]
        .map(|level| at(level).run(&module, job.clone()).unwrap().unwrap());
    assert_eq!((&first.exit, first.fuel_used), (&end_of_stack(), job.limits.fuel));
    assert_eq!(first, again);
    // Where it is computed again, the end is the module's own.
    assert_eq!(off.exit, end_of_stack());
    assert!(off.fuel_used < job.limits.fuel);
}

#[test]
fn functions_that_call_each_other_through_a_table_end() {
    let module = assemble(
        "(module (table $t 2 funcref) (elem (i32.const 0) $a $b) (type $v (func))
           (func $a (call_indirect (type $v) (i32.const 1)))
           (func $b (call_indirect (type $v) (i32.const 0)))
           (func (export \"_start\") (call $a)))",
    );
    let outcome = everywhere(&module, &job(b""));
    assert_eq!(outcome.exit, end_of_stack());
    assert_eq!(run(&module, job(b"")), outcome);
}
