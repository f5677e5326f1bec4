//! The hostile corpus: each module ends in exactly the way named here, twice the same.

use fog_verifier::sandbox::{Exit, Job, LimitKind, Limits, TrapKind};

use super::support::{assemble, bare, command, exit_of, job, over, run, small};

fn trap_of(module: &[u8]) -> TrapKind {
    match exit_of(module) {
        Exit::Trapped { kind, message } => {
            assert!(message.starts_with("wasm trap: "), "{message}");
            kind
        }
        other => panic!("a trap is expected, not {other:?}"),
    }
}

fn limit_of(module: &[u8]) -> LimitKind {
    match exit_of(module) {
        Exit::LimitHit { limit, .. } => limit,
        other => panic!("a limit is expected, not {other:?}"),
    }
}

#[test]
fn endless_work_ends_by_fuel() {
    let grow = "(memory 1) (table $t 1 funcref)";
    let modules = [
        bare("", "(loop $l (br $l))"),
        bare("", "(loop $l (block (block (br $l))))"),
        bare("(func $f (loop $l (br $l))) (start $f)", ""),
        bare("(func $a (call $b)) (func $b (loop $l (br $l)))", "(call $a)"),
        bare(
            "(memory 1)",
            "(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br $l))",
        ),
        bare(
            "(memory 1)",
            "(loop $l (memory.copy (i32.const 0) (i32.const 1) (i32.const 60000)) (br $l))",
        ),
        bare(grow, "(loop $l (drop (memory.grow (i32.const 0))) (br $l))"),
        bare(grow, "(loop $l (drop (table.grow $t (ref.null func) (i32.const 1))) (br $l))"),
        bare(
            "(table $t 100 funcref)",
            "(loop $l (table.fill $t (i32.const 0) (ref.null func) (i32.const 100)) (br $l))",
        ),
        command(
            "(loop $l (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 16))) (br $l))",
        ),
        command("(loop $l (drop (call $random (i32.const 0) (i32.const 65536))) (br $l))"),
        command(
            "(loop $l (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 8))) (br $l))",
        ),
        command(
            "(loop $l (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1000) (i32.const 8))) (br $l))",
        ),
        command(
            "(loop $l (drop (call $poll (i32.const 0) (i32.const 4096) (i32.const 200) (i32.const 8))) (br $l))",
        ),
        command(
            "(loop $l (drop (call $seek (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 8))) (br $l))",
        ),
        command("(loop $l (drop (call $close (i32.const 99))) (br $l))"),
    ];
    for (n, module) in modules.iter().enumerate() {
        let outcome = run(module, job(b"input"));
        assert_eq!(outcome.exit, over(LimitKind::Fuel, small().fuel), "module {n}");
        assert_eq!(outcome.fuel_used, small().fuel, "module {n}");
    }
}

#[test]
fn bulk_work_costs_fuel_by_the_byte() {
    let fill = |bytes: u32| {
        let body = format!("(memory.fill (i32.const 0) (i32.const 1) (i32.const {bytes}))");
        run(&bare("(memory 16)", &body), job(b"")).fuel_used
    };
    assert_eq!(fill(1_000_000) - fill(1_000), 999_000);
}

#[test]
fn deep_stacks_end_by_the_stack_limit() {
    let wide = (0..200).fold(String::new(), |s, n| s + &format!("(local $l{n} i64)"));
    let sums = (0..200).fold(String::new(), |s, n| {
        s + &format!("(local.set $l{n} (i64.add (local.get $l{n}) (i64.const {n})))")
    });
    let keep = (0..200).fold(String::new(), |s, n| {
        s + &format!("(global.set $g (i64.add (global.get $g) (local.get $l{n})))")
    });
    let modules = [
        bare("(func $f (call $f))", "(call $f)"),
        bare("(func $a (call $b)) (func $b (call $a))", "(call $a)"),
        bare(
            "(type $v (func)) (table 1 1 funcref) (elem (i32.const 0) $f) (func $f (call_indirect (type $v) (i32.const 0)))",
            "(call $f)",
        ),
        bare("(func $f (call $f)) (start $f)", ""),
        bare(
            &format!(
                "(global $g (mut i64) (i64.const 0)) (func $f {wide} {sums} (call $f) {keep})"
            ),
            "(call $f)",
        ),
    ];
    for module in &modules {
        assert_eq!(limit_of(module), LimitKind::Stack);
    }
    let outcome = run(&modules[0], job(b""));
    assert_eq!(outcome.exit, over(LimitKind::Stack, small().stack_bytes.into()));
    // A larger stack lets the same guest go deeper.
    let deepest = |stack_bytes| {
        let limits = Limits { stack_bytes, ..small() };
        let fits = |depth: u32| {
            let body = format!("(call $f (i32.const {depth}))");
            let module = bare(
                "(func $f (param $n i32) (if (local.get $n) (then (call $f (i32.sub (local.get $n) (i32.const 1))))))",
                &body,
            );
            run(&module, Job { limits, ..job(b"") }).exit == Exit::Success
        };
        (6..20).take_while(|bits| fits(1 << bits)).last().unwrap()
    };
    assert!(deepest(32 << 10) < deepest(64 << 10));
    assert!(deepest(64 << 10) < deepest(1 << 20));
}

#[test]
fn memory_and_tables_grow_to_their_limit_and_not_further() {
    // Counts the pages it got and says so by its exit code.
    let hog = command(
        "(local $n i32) (loop $l (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then (local.set $n (i32.add (local.get $n) (i32.const 1))) (br $l)))) (call $exit (local.get $n))",
    );
    assert_eq!(exit_of(&hog), Exit::GuestFailed { code: 255 });
    let huge = command("(call $exit (memory.grow (i32.const 65535)))");
    assert_eq!(exit_of(&huge), Exit::GuestFailed { code: u32::MAX });
    let aborts =
        command("(if (i32.eq (memory.grow (i32.const 5000)) (i32.const -1)) (then unreachable))");
    assert_eq!(exit_of(&aborts), over(LimitKind::Memory, 5001 << 16));
    let table = bare(
        "(table $t 1 funcref)",
        "(if (i32.eq (table.grow $t (ref.null func) (i32.const 10000)) (i32.const -1)) (then unreachable))",
    );
    assert_eq!(exit_of(&table), over(LimitKind::Table, 10_001));
    let own_maximum = assemble(
        "(module (memory 1 2) (func (export \"_start\") (if (i32.eq (memory.grow (i32.const 5)) (i32.const -1)) (then unreachable))))",
    );
    assert_eq!(trap_of(&own_maximum), TrapKind::Unreachable);
    let touches = bare(
        "(memory 1)",
        "(drop (memory.grow (i32.const 255))) (memory.fill (i32.const 0) (i32.const 7) (i32.const 16777216))",
    );
    let touched = run(&touches, job(b""));
    assert_eq!((touched.exit, touched.memory_bytes), (Exit::Success, 256 << 16));
}

#[test]
fn floods_end_by_the_output_limit() {
    let flood = command(
        "(i32.store (i32.const 4) (i32.const 65536)) (i32.store (i32.const 0) (i32.const 0)) (loop $l (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (i32.store (i32.const 4) (i32.const 60000)) (br $l))",
    );
    assert_eq!(limit_of(&flood), LimitKind::Output);
    let exactly = |bytes: u32| {
        command(&format!(
            "(local $n i32) (local.set $n (i32.const {bytes})) (loop $l (call $put (i32.const 0) (i32.const 1)) (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
        ))
    };
    let limits = Limits { output_bytes: 1000, ..small() };
    let at = |bytes| run(&exactly(bytes), Job { limits, ..job(b"") });
    assert_eq!(at(1000).output.len(), 1000);
    let end = Exit::LimitHit { limit: LimitKind::Output, reached: 1001, allowed: 1000 };
    assert_eq!(at(1001).exit, end);
}

#[test]
fn traps_are_named() {
    let table = "(type $v (func)) (type $w (func (param i32))) (table 2 2 funcref) (elem (i32.const 0) $f) (func $f)";
    let cases = [
        (bare("", "unreachable"), TrapKind::Unreachable),
        (bare("(memory 1)", "(drop (i32.load (i32.const -1)))"), TrapKind::MemoryOutOfBounds),
        (
            bare("(memory 1)", "(i32.store8 (i32.const 65536) (i32.const 1))"),
            TrapKind::MemoryOutOfBounds,
        ),
        (
            bare("(memory 1)", "(i64.store offset=4294967295 (i32.const -1) (i64.const 1))"),
            TrapKind::MemoryOutOfBounds,
        ),
        (
            bare("(memory 1)", "(memory.fill (i32.const 1) (i32.const 1) (i32.const 65536))"),
            TrapKind::MemoryOutOfBounds,
        ),
        (bare("(memory 1) (data (i32.const 65530) \"too long\")", ""), TrapKind::MemoryOutOfBounds),
        (bare("", "(drop (i32.div_u (i32.const 1) (i32.const 0)))"), TrapKind::DivisionByZero),
        (bare("", "(drop (i64.rem_s (i64.const 1) (i64.const 0)))"), TrapKind::DivisionByZero),
        (
            bare("", "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))"),
            TrapKind::IntegerOverflow,
        ),
        (bare("", "(drop (i32.trunc_f64_s (f64.const nan)))"), TrapKind::BadConversion),
        (bare("", "(drop (i32.trunc_f32_u (f32.const -1)))"), TrapKind::IntegerOverflow),
        (bare(table, "(call_indirect (type $v) (i32.const 1))"), TrapKind::IndirectCallToNull),
        (bare(table, "(call_indirect (type $v) (i32.const 2))"), TrapKind::TableOutOfBounds),
        (
            bare(table, "(call_indirect (type $w) (i32.const 5) (i32.const 0))"),
            TrapKind::BadSignature,
        ),
        (
            bare("(table 1 1 funcref) (func $f) (elem (i32.const 1) $f)", ""),
            TrapKind::TableOutOfBounds,
        ),
        (bare("(func $f unreachable) (start $f)", ""), TrapKind::Unreachable),
    ];
    for (n, (module, kind)) in cases.iter().enumerate() {
        assert_eq!(trap_of(module), *kind, "module {n}");
    }
}

#[test]
fn bad_pointers_are_errors_the_guest_is_told() {
    const FAULT: u32 = 21;
    const BADF: u32 = 8;
    const INVAL: u32 = 28;
    const SPIPE: u32 = 70;
    let calls = [
        ("$read (i32.const 0) (i32.const -8) (i32.const 1) (i32.const 8)", FAULT),
        ("$read (i32.const 0) (i32.const 65532) (i32.const 1) (i32.const 8)", FAULT),
        ("$read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 65533)", FAULT),
        ("$read (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 8)", INVAL),
        ("$read (i32.const 0) (i32.const 0) (i32.const 1025) (i32.const 8)", INVAL),
        ("$read (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)", BADF),
        ("$read (i32.const 3) (i32.const 0) (i32.const 1) (i32.const 8)", BADF),
        ("$read (i32.const -1) (i32.const 0) (i32.const 1) (i32.const 8)", BADF),
        ("$write (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)", BADF),
        ("$write (i32.const 1) (i32.const 65535) (i32.const 1) (i32.const 8)", FAULT),
        ("$write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const -1)", FAULT),
        ("$random (i32.const 0) (i32.const -1)", FAULT),
        ("$random (i32.const 65536) (i32.const 1)", FAULT),
        ("$clock (i32.const 0) (i64.const 0) (i32.const 65529)", FAULT),
        ("$clock (i32.const 9) (i64.const 0) (i32.const 8)", INVAL),
        ("$args (i32.const -1) (i32.const 0)", FAULT),
        ("$args (i32.const 0) (i32.const 65534)", FAULT),
        ("$args_sizes (i32.const 65536) (i32.const 0)", FAULT),
        ("$stat (i32.const 0) (i32.const 65520)", FAULT),
        ("$stat (i32.const 3) (i32.const 0)", BADF),
        ("$close (i32.const 3)", BADF),
        ("$seek (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 8)", SPIPE),
        ("$seek (i32.const 7) (i64.const 0) (i32.const 0) (i32.const 8)", BADF),
        ("$poll (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8)", INVAL),
        ("$poll (i32.const 0) (i32.const 0) (i32.const 257) (i32.const 8)", INVAL),
        ("$poll (i32.const 65500) (i32.const 0) (i32.const 1) (i32.const 8)", FAULT),
        ("$poll (i32.const 1024) (i32.const 65520) (i32.const 1) (i32.const 8)", FAULT),
        (
            "$open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 0)",
            BADF,
        ),
    ];
    for (call, errno) in calls {
        let module = command(&format!("(call $exit (call {call}))"));
        assert_eq!(exit_of(&module), Exit::GuestFailed { code: errno }, "{call}");
    }
    let closed = command(
        "(drop (call $close (i32.const 1))) (call $exit (call $write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 8)))",
    );
    assert_eq!(exit_of(&closed), Exit::GuestFailed { code: BADF });
    let evil_buffer = command(
        "(i32.store (i32.const 16) (i32.const 65000)) (i32.store (i32.const 20) (i32.const -1)) (call $exit (call $read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 8)))",
    );
    assert_eq!(exit_of(&evil_buffer), Exit::GuestFailed { code: FAULT });
    let no_memory = assemble(
        "(module (import \"wasi_snapshot_preview1\" \"random_get\" (func $r (param i32 i32) (result i32))) (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $e (param i32))) (func (export \"_start\") (call $e (call $r (i32.const 0) (i32.const 1)))))",
    );
    assert_eq!(exit_of(&no_memory), Exit::GuestFailed { code: FAULT });
}
