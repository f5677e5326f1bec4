//! Generated modules: whatever they are, the sandbox answers, and answers the same twice.

use std::collections::BTreeMap;

use fog_verifier::sandbox::{Allocation, Job, Limits, inspect};
use proptest::{prelude::*, strategy::ValueTree};
use wasm_smith::{Config, Module};

use super::support::{WORDCOUNT, sandbox, small};

/// Little fuel: three hundred modules shall not take minutes.
fn quick() -> Job {
    let limits = Limits { fuel: 200_000, memory_bytes: 4 << 20, ..small() };
    Job { limits, ..Job::new(*b"some input") }
}

/// A module of wasm-smith that is a command, and imports some of WASI.
fn smith(bytes: &[u8]) -> Option<Vec<u8>> {
    let shape = r#"(module
      (import "wasi_snapshot_preview1" "fd_read" (func (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32)))
      (import "wasi_snapshot_preview1" "poll_oneoff" (func (param i32 i32 i32 i32) (result i32)))
      (func (export "_start"))
      (memory (export "memory") 1))"#;
    let config = Config {
        module_shape: Some(wat::parse_str(shape).unwrap()),
        max_memories: 1,
        max_memory32_bytes: 8 << 20,
        max_tables: 4,
        max_table_elements: 20_000,
        // Most of these hold externref, which is refused: one in eight is enough.
        reference_types_enabled: bytes.first().is_some_and(|byte| byte % 8 == 0),
        gc_enabled: false,
        threads_enabled: false,
        relaxed_simd_enabled: false,
        memory64_enabled: false,
        exceptions_enabled: false,
        tail_call_enabled: false,
        allow_start_export: true,
        ..Config::default()
    };
    let module = Module::new(config, &mut arbitrary::Unstructured::new(bytes)).ok()?;
    Some(module.to_bytes())
}

/// How many of the generated modules were run, and what became of them: a test that runs none
/// shows nothing.
#[test]
fn generated_modules_end_the_same_pooled_and_on_demand() {
    const MODULES: usize = 300;
    let pooled = sandbox(Allocation::Pooled { instances: 1 });
    let on_demand = sandbox(Allocation::OnDemand);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = prop::collection::vec(any::<u8>(), 1_000..6_000);
    let (mut made, mut ran, mut refused) = (0, 0, 0);
    let mut ends = BTreeMap::<String, u32>::new();
    while made < MODULES {
        let bytes = strategy.new_tree(&mut runner).unwrap().current();
        let Some(module) = smith(&bytes) else { continue };
        made += 1;
        let one = pooled.run(&module, quick()).unwrap();
        let two = on_demand.run(&module, quick()).unwrap();
        assert_eq!(one, two, "module {made}: {}", hex::encode(&module));
        match one {
            Ok(outcome) => {
                ran += 1;
                *ends.entry(format!("{:?}", outcome.exit)).or_insert(0) += 1;
            }
            Err(_) => refused += 1,
        }
    }
    println!(
        "{MODULES} generated modules: {ran} ran, {refused} refused, all the same twice: {ends:#?}"
    );
    assert!(ran >= MODULES / 3, "{ran} ran, {refused} refused");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn any_bytes_are_refused_or_inspected(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = inspect(&bytes, &small());
        let with_header = [b"\0asm\x01\0\0\0", &bytes[..]].concat();
        let _ = inspect(&with_header, &small());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_guests_are_refused_or_end(
        damage in prop::collection::vec((0..WORDCOUNT.len(), any::<u8>()), 1..4),
    ) {
        let mut module = WORDCOUNT.to_vec();
        for (at, byte) in damage {
            module[at] = byte;
        }
        if inspect(&module, &small()).is_ok() {
            let first = super::support::shared().run(&module, quick()).unwrap();
            let second = super::support::shared().run(&module, quick()).unwrap();
            prop_assert_eq!(first, second);
        }
    }
}
