//! Generated modules: whatever they are, the sandbox answers, and answers the same twice.

use std::{collections::BTreeMap, num::NonZeroU64};

use fog_verifier::sandbox::{
    Allocation, ArtifactCache, Floats, Job, Limits, Nans, Optimisation, Outcome, Refusal, Sandbox,
    SandboxConfig, inspect,
};
use proptest::{prelude::*, strategy::ValueTree};
use wasm_smith::{Config, Module};

use super::support::{WORDCOUNT, small};

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
        // A third computes with integers alone.
        allow_floats: bytes.get(1).is_none_or(|byte| byte % 3 != 0),
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

/// One way to compile and run; the first is the one of workers.
struct Way {
    name: &'static str,
    sandbox: Sandbox,
    cache: Option<ArtifactCache>,
}

impl Way {
    fn new(name: &'static str, change: impl FnOnce(&mut SandboxConfig)) -> Self {
        let mut config =
            SandboxConfig { allocation: Allocation::OnDemand, ..SandboxConfig::default() };
        change(&mut config);
        Self { name, sandbox: Sandbox::new(config), cache: None }
    }

    fn run(&self, module: &[u8]) -> Result<Outcome, Refusal> {
        let Some(cache) = &self.cache else {
            return self.sandbox.run(module, quick()).unwrap();
        };
        // Through the disk: what runs is what the cache gives back.
        let fingerprint = self.sandbox.fingerprint().unwrap();
        let artifact = self.sandbox.compile(module, &quick().limits).unwrap()?;
        cache.put(&artifact, fingerprint).unwrap();
        let kept = cache.get(artifact.module_hash(), &quick().limits, fingerprint).unwrap();
        let prepared = self.sandbox.load(&kept).unwrap();
        self.sandbox.execute(&prepared, quick()).unwrap()
    }
}

/// Whether a module computes with floats, asked in another way than the sandbox does: by what
/// the operators are called in wasmparser's types.
fn computes_with_floats(module: &[u8]) -> bool {
    let moves = ["Load", "Store", "Const", "Reinterpret"];
    wasmparser::Parser::new(0).parse_all(module).any(|payload| {
        let Ok(wasmparser::Payload::CodeSectionEntry(body)) = payload else { return false };
        body.get_operators_reader().unwrap().into_iter().any(|operator| {
            let shown = format!("{:?}", operator.unwrap());
            let name = shown.split([' ', '{', '(']).next().unwrap();
            (name.contains("F32") || name.contains("F64"))
                && !moves.iter().any(|part| name.contains(part))
        })
    })
}

#[derive(Debug, Default)]
struct Tally {
    ran: usize,
    refused: usize,
    /// Ran without canonicalisation, and with it the same.
    float_free: usize,
    ends: BTreeMap<String, u32>,
}

/// Runs generated modules in every way; a test that runs none shows nothing.
fn all_ways_are_the_same(modules: usize) -> Tally {
    let home = tempfile::tempdir().unwrap();
    let mut cached = Way::new("from the cache", |_| {});
    cached.cache = Some(ArtifactCache::open(&home.path().join("cache")).unwrap());
    let ways = [
        Way::new("pooled", |c| c.allocation = Allocation::Pooled { instances: 1 }),
        Way::new("on demand", |_| {}),
        Way::new("unoptimised", |c| c.optimisation = Optimisation::Off),
        Way::new("optimised for size", |c| c.optimisation = Optimisation::Size),
        Way::new("in slices of thirteen", |c| c.slice = NonZeroU64::new(13).unwrap()),
        Way::new("in one slice", |c| c.slice = NonZeroU64::MAX),
        cached,
    ];
    let everywhere = Way::new("NaNs canonical everywhere", |c| c.nans = Nans::Everywhere);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = prop::collection::vec(any::<u8>(), 1_000..6_000);
    let (mut made, mut tally) = (0, Tally::default());
    while made < modules {
        let bytes = strategy.new_tree(&mut runner).unwrap().current();
        let Some(module) = smith(&bytes) else { continue };
        made += 1;
        let one = ways[0].run(&module);
        for way in &ways[1..] {
            let two = way.run(&module);
            assert_eq!(one, two, "module {made}, {}: {}", way.name, hex::encode(&module));
        }
        let Ok(outcome) = one else {
            tally.refused += 1;
            continue;
        };
        tally.ran += 1;
        let floats = inspect(&module, &quick().limits).unwrap().floats;
        assert!(floats == Floats::Canonical || !computes_with_floats(&module), "module {made}");
        if floats == Floats::None {
            tally.float_free += 1;
            let two = everywhere.run(&module).unwrap();
            assert_eq!(outcome, two, "module {made}: {}", hex::encode(&module));
        }
        *tally.ends.entry(outcome.exit.to_string()).or_insert(0) += 1;
    }
    tally
}

#[test]
fn generated_modules_end_the_same_in_every_way() {
    const MODULES: usize = 300;
    let tally = all_ways_are_the_same(MODULES);
    println!("{MODULES} generated modules: {tally:#?}");
    assert!(tally.ran >= MODULES / 3, "{tally:?}");
    assert!(tally.float_free >= MODULES / 6, "{tally:?}");
}

/// `cargo test -p fog-verifier --test sandbox -- --ignored five_thousand --nocapture`
#[test]
#[ignore = "takes minutes: the longer run of the test above"]
fn five_thousand_generated_modules_end_the_same_in_every_way() {
    let tally = all_ways_are_the_same(5_000);
    println!("5000 generated modules: {tally:#?}");
    assert!(tally.ran >= 5_000 / 3, "{tally:?}");
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
