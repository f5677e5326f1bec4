//! Components that want to harm the host.

use super::{
    super::support::assemble, BOMB, FUEL, Fuel, Hostile, STACK, WALL, little, malformed::section,
};

/// A component whose `execute` is this core function's body, with these fields beside it.
fn single(fields: &str, body: &str) -> String {
    format!(
        r#"(core module $task {fields}
    (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))
    (func (export "execute") (param i32 i32) (result i32) {body} (i32.const 0)))
  (core instance $t (instantiate $task))
  (alias core export $t "memory" (core memory $memory))
  (alias core export $t "cabi_realloc" (core func $realloc))
  (type $bytes (list u8)) (type $result (result $bytes (error string)))
  (func (export "execute") (param "input" $bytes) (result $result)
    (canon lift (core func $t "execute") (memory $memory) (realloc $realloc)))"#
    )
}

fn component(before: &str, fields: &str, body: &str) -> Vec<u8> {
    assemble(&format!("(component {before} {})", single(fields, body)))
}

/// Each component makes two of the one inside it: a million at the innermost.
fn doubling(deep: usize) -> String {
    let mut text =
        "(component $c (core module $m (memory 1)) (core instance (instantiate $m)))".to_owned();
    for _ in 0..deep {
        text = format!(
            "(component $c {text} (instance (instantiate $c)) (instance (instantiate $c)))"
        );
    }
    text + " (instance (instantiate $c))"
}

/// A component in a component in a component.
fn nested(deep: usize) -> Vec<u8> {
    const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";
    (0..deep).fold(HEADER.to_vec(), |inner, _| [HEADER, &section(4, &inner)].concat())
}

fn never_starts() -> Vec<u8> {
    component(
        "(core module $m (func $f (loop $l (br $l))) (start $f)) (core instance (instantiate $m))",
        "",
        "",
    )
}

pub(super) fn components() -> Vec<Hostile> {
    let module = "(core module $m (memory 1) (table 1 funcref))";
    let instances =
        |count: usize| module.to_owned() + &"(core instance (instantiate $m))".repeat(count);
    let big = "(core module $big (memory 200))".to_owned();
    vec![
        little("a component without end", FUEL, component("", "", "(loop $l (br $l))")),
        Hostile {
            name: "a component without end, with endless fuel",
            module: component("", "", "(loop $l (br $l))"),
            fuel: Fuel::Endless,
            ends: WALL,
        },
        Hostile {
            name: "a component that never starts, with endless fuel",
            module: never_starts(),
            fuel: Fuel::Endless,
            ends: WALL,
        },
        little(
            "a component that recurses",
            STACK,
            component("", "(func $f (call $f))", "(call $f)"),
        ),
        little(
            "a component that traps at its start",
            &["unreachable"],
            component(
                "(core module $m (func $f unreachable) (start $f)) (core instance (instantiate $m))",
                "",
                "",
            ),
        ),
        little("a component that never starts", FUEL, never_starts()),
        little(
            "a component of many instances",
            &["invalid_module", "too_many", "success", "unreachable", "memory"],
            component(&instances(1_000), "", ""),
        ),
        little(
            "memories that are too much together",
            &["memory", "success"],
            component(&(big + &"(core instance (instantiate $big))".repeat(3)), "", "unreachable"),
        ),
        little(
            "components that double twenty times",
            &["compile_timeout", "compile_memory", "compiler_failed", "invalid_module"],
            component(&doubling(20), "", ""),
        ),
        little("a component a thousand components deep", &["too_many"], nested(1_000)),
        little(
            "ten thousand types",
            BOMB,
            component(
                &(0..10_000)
                    .map(|n| {
                        format!(
                            "(type (list (tuple u8 {})))",
                            if n % 2 == 0 { "u32" } else { "string" }
                        )
                    })
                    .collect::<String>(),
                "",
                "",
            ),
        ),
        little(
            "a type that doubles forty times",
            BOMB,
            component(
                &("(type $t0 (tuple u8 u8))".to_owned()
                    + &(1..40)
                        .map(|n| format!("(type $t{n} (tuple $t{m} $t{m}))", m = n - 1))
                        .collect::<String>()),
                "",
                "",
            ),
        ),
        little(
            "random numbers for four gigabytes",
            &["fuel"],
            assemble(&format!(
                r#"(component
  (import "wasi:random/random@0.2.0" (instance $r (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  (core module $libc (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $mem))
  (alias core export $libc "cabi_realloc" (core func $re))
  (core func $bytes (canon lower (func $r "get-random-bytes") (memory $mem) (realloc $re)))
  (core module $m (import "" "bytes" (func $bytes (param i64 i32)))
    (func $go (call $bytes (i64.const 4294967295) (i32.const 0))) (start $go))
  (core instance (instantiate $m (with "" (instance (export "bytes" (func $bytes))))))
  {})"#,
                single("", "")
            )),
        ),
    ]
}
