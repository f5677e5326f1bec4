//! Same module and job: same outcome, to the last unit of fuel.

use fog_verifier::sandbox::{Allocation, Exit, Floats, Job, LimitKind, Limits, Sandbox, inspect};

use super::{
    guests::text,
    support::{WORDCOUNT, assemble, command, job, run, sandbox, small},
};

/// Guests that end in different ways, each with some work before.
pub(crate) fn zoo() -> Vec<Vec<u8>> {
    vec![
        WORDCOUNT.to_vec(),
        command(
            "(drop (call $random (i32.const 64) (i32.const 999))) (call $put (i32.const 64) (i32.const 999))",
        ),
        command(
            "(drop (call $clock (i32.const 1) (i64.const 0) (i32.const 64))) (call $put (i32.const 64) (i32.const 8))",
        ),
        command(
            "(drop (memory.grow (i32.const 1000))) (call $put (i32.const 0) (i32.const 9)) unreachable",
        ),
        command("(call $put (i32.const 0) (i32.const 9)) (call $exit (i32.const 9))"),
        command("(loop $l (br $l))"),
        assemble("(module (func $f (export \"_start\") (call $f)))"),
        nan_maker(),
    ]
}

/// Makes NaNs in many ways and writes their bits.
fn nan_maker() -> Vec<u8> {
    let nan32 = "(f32.reinterpret_i32 (i32.const 0x7fa12345))";
    let nan64 = "(f64.reinterpret_i64 (i64.const 0x7ff4123456789abc))";
    let makers32 = [
        format!("(f32.add {nan32} (f32.const 1))"),
        "(f32.mul (f32.const -inf) (f32.const 0))".into(),
        "(f32.div (f32.const 0) (f32.const 0))".into(),
        "(f32.sqrt (f32.const -1))".into(),
        format!("(f32.min {nan32} (f32.const 1))"),
        format!("(f32.max (f32.const 1) {nan32})"),
        format!("(f32.nearest {nan32})"),
        format!("(f32.ceil {nan32})"),
        format!("(f32.demote_f64 {nan64})"),
        "(f32.sub (f32.const inf) (f32.const inf))".into(),
    ];
    let makers64 = [
        format!("(f64.add {nan64} (f64.const 1))"),
        "(f64.div (f64.const 0) (f64.const -0))".into(),
        "(f64.sqrt (f64.const -4))".into(),
        format!("(f64.min {nan64} {nan64})"),
        format!("(f64.floor {nan64})"),
        format!("(f64.trunc {nan64})"),
        format!("(f64.promote_f32 {nan32})"),
    ];
    let mut body = String::new();
    let mut at = 64;
    for maker in &makers32 {
        body += &format!("(f32.store (i32.const {at}) {maker})");
        at += 8;
    }
    for maker in &makers64 {
        body += &format!("(f64.store (i32.const {at}) {maker})");
        at += 8;
    }
    let lanes = "(v128.const i32x4 0x7fa12345 0xff800000 0x80000000 0xffc00001)";
    body += &format!("(v128.store (i32.const {at}) (f32x4.sqrt {lanes}))");
    body += &format!("(v128.store (i32.const {}) (f32x4.add {lanes} {lanes}))", at + 16);
    body += &format!("(call $put (i32.const 64) (i32.const {}))", at + 32 - 64);
    command(&body)
}

#[test]
fn twice_is_the_same() {
    for (n, module) in zoo().iter().enumerate() {
        let input = text(10_000);
        assert_eq!(run(module, job(&input)), run(module, job(&input)), "module {n}");
    }
}

#[test]
fn pooled_on_demand_fresh_and_ready_are_the_same() {
    let pooled = sandbox(Allocation::Pooled { instances: 1 });
    for (n, module) in zoo().iter().enumerate() {
        let expected = run(module, job(b"some input, some words"));
        for _ in 0..2 {
            let there = pooled.run(module, job(b"some input, some words")).unwrap().unwrap();
            assert_eq!(there, expected, "module {n}");
        }
    }
}

#[test]
fn nothing_of_one_run_is_seen_by_the_next() {
    // Says whether memory, a global or a table holds what an earlier run left there.
    let module = assemble(
        r#"(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 4) (global $g (mut i32) (i32.const 0)) (table $t 4 funcref)
  (elem declare func $f) (func $f)
  (func (export "_start")
    (if (i32.or (i32.or (i32.load (i32.const 200000)) (global.get $g)) (i32.eqz (ref.is_null (table.get $t (i32.const 3)))))
      (then (call $exit (i32.const 1))))
    (i32.store (i32.const 200000) (i32.const 77))
    (global.set $g (i32.const 1))
    (table.set $t (i32.const 3) (ref.func $f))))"#,
    );
    let pooled = sandbox(Allocation::Pooled { instances: 1 });
    for _ in 0..20 {
        let outcome = pooled.run(&module, job(b"")).unwrap().unwrap();
        assert_eq!(outcome.exit, Exit::Success);
    }
}

#[test]
fn every_nan_is_the_canonical_one() {
    assert_eq!(inspect(&nan_maker(), &Limits::default()).unwrap().floats, Floats::Canonical);
    let output = run(&nan_maker(), job(b"")).output;
    for (n, bytes) in output[..80].chunks(8).enumerate() {
        assert_eq!(bytes[..4], 0x7fc0_0000u32.to_le_bytes(), "f32 {n}");
    }
    for (n, bytes) in output[80..136].chunks(8).enumerate() {
        assert_eq!(bytes, 0x7ff8_0000_0000_0000u64.to_le_bytes(), "f64 {n}");
    }
    for (n, bytes) in output[136..].chunks(4).enumerate() {
        let bits = u32::from_le_bytes(bytes.try_into().unwrap());
        assert!(!f32::from_bits(bits).is_nan() || bits == 0x7fc0_0000, "lane {n}: {bits:x}");
    }
}

#[test]
fn one_unit_of_fuel_decides() {
    let input = text(5_000);
    let with = |fuel| run(WORDCOUNT, Job { limits: Limits { fuel, ..small() }, ..job(&input) });
    let plenty = with(small().fuel);
    // Wasmtime stops a guest that has used all of its fuel, not only one that wants more.
    assert_eq!(with(plenty.fuel_used + 1), plenty);
    for fuel in [0, 1, 100, plenty.fuel_used / 7, plenty.fuel_used / 2, plenty.fuel_used] {
        let starved = with(fuel);
        let limit = LimitKind::Fuel;
        let end = Exit::LimitHit { limit, reached: fuel, allowed: fuel };
        assert_eq!(starved.exit, end, "{fuel}");
        assert_eq!(starved.fuel_used, fuel);
        assert_eq!(starved, with(fuel));
    }
}

#[test]
fn artifacts_of_one_sandbox_run_in_another_of_the_same_setup() {
    let (here, there) = (sandbox(Allocation::OnDemand), sandbox(Allocation::OnDemand));
    assert_eq!(here.fingerprint().unwrap(), there.fingerprint().unwrap());
    let artifact = here.compile(WORDCOUNT, &small()).unwrap().unwrap();
    let outcome = |sandbox: &Sandbox| {
        let prepared = sandbox.load(&artifact).unwrap();
        sandbox.execute(&prepared, job(b"a b a")).unwrap().unwrap()
    };
    assert_eq!(outcome(&here), outcome(&there));
    assert_eq!(outcome(&there).output, b"a\t2\nb\t1\n");
}

#[test]
fn guests_that_run_side_by_side_do_not_disturb_each_other() {
    let pooled = sandbox(Allocation::Pooled { instances: 4 });
    let expected = run(WORDCOUNT, job(&text(20_000)));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let outcome = pooled.run(WORDCOUNT, job(&text(20_000))).unwrap().unwrap();
                    assert_eq!(outcome, expected);
                }
            });
        }
    });
}

/// Versions of the sandbox must agree: whoever changes these figures makes every older worker and
/// verifier wrong, and has to say so.
#[test]
fn the_guests_burn_what_they_always_did() {
    let guests: [(&str, &[u8], u64); 5] = [
        ("wordcount", b"to be or not to be", 235_949),
        ("words", b"to be or not to be", 25_489),
        ("crc32", b"to be or not to be", 120_492),
        ("reverse", b"to be or not to be", 289),
        ("primes", b"0 20000", 1_550_102),
    ];
    for (name, input, fuel) in guests {
        let path = format!("{}/../cli/guests/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
        let outcome = run(&std::fs::read(path).unwrap(), job(input));
        assert_eq!((outcome.exit, outcome.fuel_used), (Exit::Success, fuel), "{name}");
    }
}
