//! What is refused, and with which words.

use fog_verifier::sandbox::{Exit, Job, Limits, Refusal};

use super::support::{WORDCOUNT, assemble, bare, exit_of, job, refused, shared, small};

#[test]
fn what_is_no_module_is_refused() {
    assert_eq!(refused(b""), Refusal::NotWasm);
    assert_eq!(refused(b"#!/bin/sh\n"), Refusal::NotWasm);
    assert_eq!(refused(b"\x7fELF\x02\x01\x01"), Refusal::NotWasm);
    assert_eq!(refused(b"  \n(module)"), Refusal::TextFormat);
    assert_eq!(refused(b";; text\n(module)"), Refusal::TextFormat);
    assert!(matches!(refused(&assemble("(component)")), Refusal::NoExecute { .. }));
    assert_eq!(refused(&assemble("(module)")), Refusal::NoStart);
    for cut in [4, 7, 8, 9, 100, WORDCOUNT.len() - 1] {
        let refusal = refused(&WORDCOUNT[..cut]);
        let expected = matches!(refusal, Refusal::InvalidModule { .. } | Refusal::NoStart);
        assert!(expected, "{cut}: {refusal:?}");
    }
}

#[test]
fn compiled_code_from_outside_is_refused() {
    // What an attacker would upload: Wasmtime's own format for compiled modules is ELF.
    let engine = wasmtime::Engine::default();
    let foreign = engine.precompile_module(WORDCOUNT).unwrap();
    assert_eq!(refused(&foreign), Refusal::NotWasm);
}

#[test]
fn forbidden_imports_are_named_with_the_cure() {
    let cases = [
        ("env", "memory", "(memory 1)", "only wasi_snapshot_preview1"),
        ("env", "abort", "(func)", "only wasi_snapshot_preview1"),
        ("wasi_unstable", "fd_write", "(func (param i32 i32 i32 i32) (result i32))", "before"),
        ("wasi:cli/run@0.2.0", "run", "(func)", "preview 2"),
        ("wasi_snapshot_preview1", "fd_writ", "(func)", "no such function"),
        ("wasi_snapshot_preview1", "fd_write", "(func)", "another signature"),
        (
            "wasi_snapshot_preview1",
            "fd_write",
            "(func (param i32 i32 i32 i64) (result i32))",
            "signature",
        ),
        ("wasi_snapshot_preview1", "fd_write", "(global i32)", "only functions"),
        ("wasi_snapshot_preview1", "fd_write", "(table 1 funcref)", "only functions"),
        ("", "", "(func)", "only wasi_snapshot_preview1"),
    ];
    for (module, name, ty, part) in cases {
        let text =
            format!("(module (import \"{module}\" \"{name}\" {ty}) (func (export \"_start\")))");
        let refusal = refused(&assemble(&text));
        let Refusal::ForbiddenImport { module: m, name: n, reason } = &refusal else {
            panic!("{module}.{name}: {refusal:?}");
        };
        assert_eq!((m.as_str(), n.as_str()), (module, name));
        assert!(reason.contains(part), "{reason}");
        assert!(refusal.cure().contains("wasm32-wasip1"));
    }
}

#[test]
fn modules_without_a_command_entry_are_refused() {
    for fields in [
        "(func (export \"main\"))",
        "(func (export \"_initialize\"))",
        "(func (export \"_start\") (param i32))",
        "(func (export \"_start\") (result i32) (i32.const 0))",
        "(global (export \"_start\") i32 (i32.const 0))",
        "(memory (export \"_start\") 1)",
    ] {
        assert_eq!(refused(&assemble(&format!("(module {fields})"))), Refusal::NoStart, "{fields}");
    }
}

#[test]
fn sizes_over_the_limits_are_refused() {
    let memory = refused(&bare("(memory 257)", ""));
    assert_eq!(memory, Refusal::MemoryTooBig { bytes: 257 << 16, limit: 16 << 20 });
    let memory = refused(&bare("(memory 65536)", ""));
    assert_eq!(memory, Refusal::MemoryTooBig { bytes: 4 << 30, limit: 16 << 20 });
    let table = refused(&bare("(table 4294967295 funcref)", ""));
    assert_eq!(table, Refusal::TableTooBig { elements: u64::from(u32::MAX), limit: 10_000 });
    let tables = refused(&bare(&"(table 1 funcref)".repeat(5), ""));
    assert_eq!(tables, Refusal::TooMany { what: "tables".into(), count: 5, limit: 4 });
    let body = "(drop (i32.const 0x7fffffff))".repeat(200_000);
    let refusal = refused(&bare("", &body));
    assert!(matches!(refusal, Refusal::TooMany { .. }), "{refusal:?}");
    let data = format!("(memory 100) (data (i32.const 0) \"{}\")", "x".repeat(3 << 20));
    let refusal = refused(&bare(&data, ""));
    assert!(matches!(refusal, Refusal::TooLarge { limit, .. } if limit == 2 << 20), "{refusal:?}");
    let refusal = refused(&bare(&"(func)".repeat(100_001), ""));
    assert!(matches!(refusal, Refusal::TooMany { count: 100_002, .. }), "{refusal:?}");
}

#[test]
fn proposals_that_are_off_are_refused() {
    for (fields, body) in [
        ("(memory 1) (memory 1)", ""),
        ("(memory i64 1)", ""),
        ("(memory 1 1 shared)", ""),
        ("(memory 1) (func $f (drop (i32.atomic.load (i32.const 0))))", ""),
        ("(func $f (return_call $f))", ""),
        ("(tag $t)", ""),
        ("(type $s (struct (field i32)))", ""),
        (
            "",
            "(drop (f32x4.relaxed_madd (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0)))",
        ),
        ("(table 1 externref)", ""),
        ("(memory 1 (pagesize 1))", ""),
    ] {
        let refusal = refused(&bare(fields, body));
        assert!(matches!(refusal, Refusal::InvalidModule { .. }), "{fields}: {refusal:?}");
    }
}

#[test]
fn jobs_over_the_hosts_limits_are_refused() {
    let host = Limits::default();
    let over = [
        Limits { fuel: host.fuel + 1, ..host },
        Limits { memory_bytes: host.memory_bytes + 1, ..host },
        Limits { stack_bytes: host.stack_bytes + 1, ..host },
        Limits { wall_ms: host.wall_ms + 1, ..host },
        Limits { table_elements: host.table_elements + 1, ..host },
        Limits { module_bytes: host.module_bytes + 1, ..host },
        Limits { input_bytes: host.input_bytes + 1, ..host },
        Limits { output_bytes: host.output_bytes + 1, ..host },
        Limits { stderr_bytes: host.stderr_bytes + 1, ..host },
    ];
    for limits in over {
        let refusal = shared().run(WORDCOUNT, Job { limits, ..job(b"") }).unwrap().unwrap_err();
        assert!(
            matches!(refusal, Refusal::LimitAboveHost { asked, host, .. } if asked == host + 1)
        );
        assert!(limits.capped_by(&host).check_within(&host).is_ok());
    }
    let long = Job { limits: Limits { input_bytes: 3, ..small() }, ..job(b"four") };
    let refusal = shared().run(WORDCOUNT, long).unwrap().unwrap_err();
    assert_eq!(refusal, Refusal::InputTooLarge { bytes: 4, limit: 3 });
    for args in [vec!["x".to_owned(); 65], vec!["x".repeat(65 << 10)], vec!["a\0b".to_owned()]] {
        let refusal = shared().run(WORDCOUNT, Job { args, ..job(b"") }).unwrap().unwrap_err();
        assert!(matches!(refusal, Refusal::BadArguments { .. }));
    }
}

#[test]
fn limits_of_a_known_module_are_checked_again_for_each_job() {
    let module = bare("(memory 100)", "");
    assert_eq!(exit_of(&module), Exit::Success);
    let limits = Limits { memory_bytes: 99 << 16, ..small() };
    let refusal = shared().run(&module, Job { limits, ..job(b"") }).unwrap().unwrap_err();
    assert_eq!(refusal, Refusal::MemoryTooBig { bytes: 100 << 16, limit: 99 << 16 });
}
