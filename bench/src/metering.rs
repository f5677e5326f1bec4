//! Integer code with fuel, deadline and limits against the same code with none of them.

use anyhow::{Context, Result, ensure};
use fog_verifier::sandbox::{Allocation, Exit, Job, Limits, Sandbox, SandboxConfig};

use crate::meter::{Reading, in_turns};

/// Sieve, sort and hash over 256 KiB of memory: loops, branches, loads, stores, calls.
const INTEGERS: &str = r#"(module
  (memory 5)
  (func $mix (param $h i32) (param $v i32) (result i32)
    (i32.mul (i32.xor (local.get $h) (local.get $v)) (i32.const 16777619)))
  (func $fill (local $i i32) (local $x i32)
    (local.set $x (i32.const 2463534242))
    (loop $more
      (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 13))))
      (local.set $x (i32.xor (local.get $x) (i32.shr_u (local.get $x) (i32.const 17))))
      (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 5))))
      (i32.store (local.get $i) (local.get $x))
      (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4)))
        (i32.const 262144)))))
  (func $sift (local $i i32) (local $j i32) (local $v i32) (local $gap i32)
    (local.set $gap (i32.const 65536))
    (block $sorted (loop $pass
      (br_if $sorted (i32.lt_u (local.get $gap) (i32.const 4)))
      (local.set $i (local.get $gap))
      (loop $next
        (local.set $v (i32.load (local.get $i)))
        (local.set $j (local.get $i))
        (block $placed (loop $down
          (br_if $placed (i32.lt_u (local.get $j) (local.get $gap)))
          (br_if $placed (i32.le_u
            (i32.load (i32.sub (local.get $j) (local.get $gap))) (local.get $v)))
          (i32.store (local.get $j) (i32.load (i32.sub (local.get $j) (local.get $gap))))
          (local.set $j (i32.sub (local.get $j) (local.get $gap)))
          (br $down)))
        (i32.store (local.get $j) (local.get $v))
        (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4)))
          (i32.const 262144))))
      (local.set $gap (i32.and (i32.div_u (i32.mul (local.get $gap) (i32.const 4)) (i32.const 9))
        (i32.const -4)))
      (br $pass))))
  (func (export "_start") (local $i i32) (local $h i32)
    (call $fill) (call $sift)
    (local.set $h (i32.const 2166136261))
    (loop $more
      (local.set $h (call $mix (local.get $h) (i32.load8_u (local.get $i))))
      (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
        (i32.const 262144))))
    (i32.store (i32.const 262144) (local.get $h))))"#;

/// Nothing but calls: each pays for its frame.
const CALLS: &str = r#"(module
  (func $fib (param $n i32) (result i32)
    (if (result i32) (i32.lt_u (local.get $n) (i32.const 2))
      (then (local.get $n))
      (else (i32.add (call $fib (i32.sub (local.get $n) (i32.const 1)))
        (call $fib (i32.sub (local.get $n) (i32.const 2)))))))
  (func (export "_start") (drop (call $fib (i32.const 25)))))"#;

/// Nanoseconds of ours and theirs, and the fuel of ours.
struct Cost {
    ours: f64,
    theirs: f64,
    fuel: u64,
}

/// Both run the module from compiled code to its end, instance and all.
fn cost(text: &str) -> Result<Cost> {
    let module = wat::parse_str(text)?;
    let sandbox = Sandbox::new(SandboxConfig {
        allocation: Allocation::Pooled { instances: 1 },
        ..SandboxConfig::default()
    });
    let metered = sandbox.load(&sandbox.compile(&module, &Limits::default())??)?;
    let mut fuel = 0;
    let ours = || {
        let outcome = sandbox.execute(&metered, Job::new([]))??;
        ensure!(outcome.exit == Exit::Success, "the guest ended as {:?}", outcome.exit);
        fuel = outcome.fuel_used;
        Ok(())
    };

    let wasm = |error: wasmtime::Error| anyhow::anyhow!("{error:#}");
    let mut config = wasmtime::Config::new();
    config.target("x86_64-unknown-linux-gnu").map_err(wasm)?;
    let engine = wasmtime::Engine::new(&config).map_err(wasm)?;
    let plain = wasmtime::Module::new(&engine, &module).map_err(wasm)?;
    let theirs = || {
        let mut store = wasmtime::Store::new(&engine, ());
        let instance = wasmtime::Instance::new(&mut store, &plain, &[]).map_err(wasm)?;
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start").map_err(wasm)?;
        start.call(&mut store, ()).map_err(wasm).context("the guest, unmetered")
    };
    let (ours, theirs) = in_turns(20, 3, ours, theirs)?;
    Ok(Cost { ours, theirs, fuel })
}

pub(crate) fn measure() -> Result<Reading> {
    let Cost { ours, theirs, fuel } = cost(INTEGERS)?;
    let calls = cost(CALLS)?;
    Ok(Reading {
        ours: ours / 1e6,
        theirs: theirs / 1e6,
        unit: "ms",
        against: "unmetered",
        goal: 1.25,
        note: format!(
            "{fuel} units of fuel, {:.2} ns each; nothing but calls (fib 25): {:.2} ms against {:.2}, \
             ratio {:.2}",
            ours / fuel as f64,
            calls.ours / 1e6,
            calls.theirs / 1e6,
            calls.ours / calls.theirs
        ),
    })
}
