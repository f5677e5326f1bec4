//! Compiled code from the authenticated cache against compiling the module.

use std::{fmt::Write as _, hint::black_box};

use anyhow::{Context, Result, ensure};
use fog_verifier::sandbox::{Allocation, ArtifactCache, Exit, Job, Limits, Sandbox, SandboxConfig};

use crate::meter::{Reading, timed};

const WORDCOUNT: &[u8] = include_bytes!("../../cli/guests/wordcount.wasm");
const ROUNDS: usize = 12;
const LOADS: u32 = 50;
/// Functions of the modules: a small C program's size, and that of a Rust program with its standard
/// library.
const SIZES: [usize; 2] = [240, 1_500];

/// A module of some 190 bytes a function that looks as compilers leave them: loops over memory, branches, calls,
/// arithmetic; each function a little different.
fn module(functions: usize) -> Result<Vec<u8>> {
    let mut text = String::from("(module (memory (export \"memory\") 17)\n");
    for n in 0..functions {
        let callee = n.saturating_sub(1 + n % 7);
        let (a, b, c) = (n * 7919 % 4093 + 3, n * 104_729 % 8191 + 1, n * 31 % 29 + 1);
        write!(
            text,
            "(func $f{n} (param $p i32) (param $k i64) (result i64)
               (local $i i32) (local $s i64) (local $t i64) (local $u i32)
               (local.set $s (i64.add (local.get $k) (i64.const {a})))
               (block $out (loop $more
                 (br_if $out (i32.ge_u (local.get $i) (i32.const {c})))
                 (local.set $u (i32.load offset={b} (i32.and (local.get $p) (i32.const 65528))))
                 (local.set $t (i64.mul (i64.xor (local.get $s) (i64.extend_i32_u (local.get $u)))
                   (i64.const {b})))
                 (if (i64.lt_u (local.get $t) (i64.const {a}000003))
                   (then (local.set $s (i64.rotl (local.get $s) (i64.const {c}))))
                   (else (local.set $s (i64.sub (local.get $t) (i64.shr_u (local.get $s)
                     (i64.const 7))))))
                 (i64.store offset={a} (i32.and (local.get $p) (i32.const 65528)) (local.get $s))
                 (i32.store8 offset={b} (i32.and (local.get $u) (i32.const 32767)) (local.get $i))
                 (local.set $p (i32.add (local.get $p) (i32.const {c})))
                 (local.set $i (i32.add (local.get $i) (i32.const 1)))
                 (br $more)))
               (if (result i64) (i32.and (local.get $u) (i32.const 1))
                 (then (i64.add (local.get $s) (i64.const {b})))
                 (else {call})))\n",
            call = if callee < n {
                format!("(call $f{callee} (i32.shr_u (local.get $p) (i32.const 1)) (local.get $s))")
            } else {
                "(local.get $s)".to_owned()
            },
        )?;
    }
    let last = functions - 1;
    write!(text, "(func (export \"_start\") (drop (call $f{last} (i32.const 8) (i64.const 1)))))")?;
    Ok(wat::parse_str(&text)?)
}

/// What loading and compiling a module cost, nanoseconds, and the sizes.
struct Cost {
    load: f64,
    compile: f64,
    map: f64,
    module_bytes: usize,
    code_bytes: u64,
}

impl Cost {
    fn line(&self) -> String {
        format!(
            "{} KB module, {} KB code: {:.0} us ({:.0} us once authenticated) against {:.1} ms, \
             ratio {:.5}",
            self.module_bytes / 1000,
            self.code_bytes / 1000,
            self.load / 1e3,
            self.map / 1e3,
            self.compile / 1e6,
            self.load / self.compile
        )
    }
}

fn cost(sandbox: &Sandbox, cache: &ArtifactCache, module: &[u8]) -> Result<Cost> {
    let limits = Limits::default();
    let fingerprint = sandbox.fingerprint()?;
    let artifact = sandbox.compile(module, &limits)??;
    cache.put(&artifact, fingerprint)?;
    let hash = artifact.module_hash();
    let load = || {
        let kept = cache.get(hash, &limits, fingerprint).context("the cache lost the code")?;
        anyhow::Ok(black_box(sandbox.load(&kept)?))
    };
    let kept = cache.get(hash, &limits, fingerprint).context("the cache lost the code")?;
    let outcome = sandbox.execute(&load()?, Job::new([]))??;
    ensure!(outcome.exit == Exit::Success, "the loaded code ends as {:?}", outcome.exit);
    let mut least = (f64::INFINITY, f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        let (spent, result) = timed(|| (0..LOADS).try_for_each(|_| load().map(drop)));
        result?;
        least.0 = least.0.min(spent / f64::from(LOADS));
        let (spent, compiled) = timed(|| sandbox.compile(module, &limits));
        black_box(compiled??);
        least.1 = least.1.min(spent);
        let again = || sandbox.load(&kept).map(drop);
        let (spent, result) = timed(|| (0..LOADS).try_for_each(|_| again()));
        result?;
        least.2 = least.2.min(spent / f64::from(LOADS));
    }
    Ok(Cost {
        load: least.0,
        compile: least.1,
        map: least.2,
        module_bytes: module.len(),
        code_bytes: artifact.size(),
    })
}

/// Reading, authenticating and mapping compiled code, until it can be instantiated.
pub(crate) fn measure() -> Result<Reading> {
    let home = tempfile::tempdir()?;
    let cache = ArtifactCache::open(&home.path().join("cache"))?;
    let allocation = Allocation::Pooled { instances: 2 };
    let sandbox = Sandbox::new(SandboxConfig { allocation, ..SandboxConfig::default() });
    let small = cost(&sandbox, &cache, WORDCOUNT)?;
    let middle = cost(&sandbox, &cache, &module(SIZES[0])?)?;
    let large = cost(&sandbox, &cache, &module(SIZES[1])?)?;
    Ok(Reading {
        ours: large.load / 1e3,
        theirs: large.compile / 1e3,
        unit: "us",
        against: "compiling the module",
        goal: 0.001,
        note: [&large, &middle, &small].map(Cost::line).join("; "),
    })
}
