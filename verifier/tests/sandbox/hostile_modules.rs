//! Modules that want to harm the host: small texts and generators, each with the ends it may have.

use super::support::{assemble, bare, command};

#[path = "hostile_modules/bombs.rs"]
mod bombs;
#[path = "hostile_modules/components.rs"]
mod components;
#[path = "hostile_modules/malformed.rs"]
mod malformed;

use bombs::bombs;
use components::components;
use malformed::{CODE, FUNCTION, binary, malformed};

/// What a hostile module's run must end with, as `ended` of `corpus` spells it: one of these.
pub(crate) type Ends = &'static [&'static str];

/// How much fuel it is given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fuel {
    /// As much as ends within moments.
    Little,
    /// More than anybody can burn: only the clock can end it.
    Endless,
}

pub(crate) struct Hostile {
    pub(crate) name: &'static str,
    pub(crate) module: Vec<u8>,
    pub(crate) fuel: Fuel,
    pub(crate) ends: Ends,
}

const INVALID: Ends = &["invalid_module"];
const FUEL: Ends = &["fuel"];
const WALL: Ends = &["wall time"];
const STACK: Ends = &["stack"];
/// Work for the compiler: done, or given up in time and memory, with the limit named.
const BOMB: Ends = &[
    "success",
    "compile_timeout",
    "compile_memory",
    "compiler_failed",
    "invalid_module",
    "too_many",
];

fn little(name: &'static str, ends: Ends, module: Vec<u8>) -> Hostile {
    Hostile { name, module, fuel: Fuel::Little, ends }
}

fn endless(name: &'static str, body: &str) -> Hostile {
    let module = command(&format!("(loop $l {body} (br $l))"));
    Hostile { name, module, fuel: Fuel::Endless, ends: WALL }
}

/// All of them.
pub(crate) fn all() -> Vec<Hostile> {
    [malformed(), bombs(), sizes(), recursion(), endless_work(), floods(), starts(), components()]
        .into_iter()
        .flatten()
        .collect()
}

fn locals(count: usize) -> String {
    format!("(local {})", "i64 ".repeat(count))
}

fn sizes() -> Vec<Hostile> {
    let grow = |pages: &str| {
        command(&format!(
            "(if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then unreachable))"
        ))
    };
    vec![
        little("four gigabytes of memory", &["memory_too_big"], bare("(memory 65536)", "")),
        little(
            "a page of memory more than there is",
            &["memory_too_big"],
            bare("(memory 257)", ""),
        ),
        little("growth by four gigabytes", &["memory"], grow("65535")),
        little("growth by minus one page", FUEL, grow("-1")),
        little(
            "growth page by page until it is refused",
            &["memory"],
            command(
                "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable",
            ),
        ),
        little(
            "all memory touched",
            &["success"],
            bare("(memory 256)", "(memory.fill (i32.const 0) (i32.const 7) (i32.const 16777216))"),
        ),
        little(
            "a table of four billion",
            &["table_too_big"],
            bare("(table 4294967295 funcref)", ""),
        ),
        little(
            "growth of a table to four billion",
            FUEL,
            bare(
                "(table $t 1 funcref)",
                "(if (i32.eq (table.grow $t (ref.null func) (i32.const -2)) (i32.const -1)) (then unreachable))",
            ),
        ),
        little(
            "growth of a table until it is refused",
            &["table elements", "fuel"],
            bare(
                "(table $t 1 funcref)",
                "(loop $l (br_if $l (i32.ne (table.grow $t (ref.null func) (i32.const 100)) (i32.const -1)))) unreachable",
            ),
        ),
        little(
            "more tables than there may be",
            &["too_many"],
            bare(&"(table 1 funcref)".repeat(5), ""),
        ),
        little("four full tables", &["success"], bare(&"(table 10000 funcref)".repeat(4), "")),
        little(
            "a hundred thousand data segments",
            BOMB,
            bare(&format!("(memory 1) {}", "(data (i32.const 0) \"x\")".repeat(99_000)), ""),
        ),
        little(
            "a data segment of a megabyte, again and again",
            FUEL,
            bare(
                &format!("(memory 32) (data $d \"{}\")", "x".repeat(1 << 20)),
                "(loop $l (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1048576)) (br $l))",
            ),
        ),
        little(
            "a data segment beyond memory",
            &["out of bounds"],
            bare("(memory 1) (data (i32.const 65530) \"too long\")", ""),
        ),
        little(
            "ten thousand elements, a hundred times",
            BOMB,
            bare(
                &format!(
                    "(table 10000 funcref) (func $f) {}",
                    format!("(elem (i32.const 0) func {})", "$f ".repeat(10_000)).repeat(100)
                ),
                "",
            ),
        ),
        little(
            "elements beyond the table",
            &["out of bounds"],
            bare("(table 1 1 funcref) (func $f) (elem (i32.const 1) $f)", ""),
        ),
    ]
}

fn recursion() -> Vec<Hostile> {
    let wide = format!("(func $f {} (call $f) (global.set $g (local.get 0)))", locals(1_000));
    vec![
        little("recursion", STACK, bare("(func $f (call $f))", "(call $f)")),
        little(
            "recursion by two",
            STACK,
            bare("(func $a (call $b)) (func $b (call $a))", "(call $a)"),
        ),
        little(
            "recursion through a table",
            STACK,
            bare(
                "(type $v (func)) (table 1 1 funcref) (elem (i32.const 0) $f) (func $f (call_indirect (type $v) (i32.const 0)))",
                "(call $f)",
            ),
        ),
        little(
            "recursion with wide frames",
            STACK,
            bare(&format!("(global $g (mut i64) (i64.const 0)) {wide}"), "(call $f)"),
        ),
        little("recursion at the start", STACK, bare("(func $f (call $f)) (start $f)", "")),
        little(
            "recursion that calls the host at the bottom",
            STACK,
            assemble(
                "(module (import \"wasi_snapshot_preview1\" \"sched_yield\" (func $y (result i32))) (func $f (drop (call $y)) (call $f)) (func (export \"_start\") (call $f)))",
            ),
        ),
    ]
}

/// Two to the sixtieth calls and not one loop.
pub(crate) fn call_tree() -> Vec<u8> {
    let call = |n: u32| format!("(func $f{n} (call $f{m}) (call $f{m}))", m = n + 1);
    let inner = (0..60).map(call).collect::<String>();
    bare(&format!("{inner} (func $f60)"), "(call $f0)")
}

fn endless_work() -> Vec<Hostile> {
    let fill = "(memory.fill (i32.const 0) (i32.const 1) (i32.const 65536))";
    let bare_loop = |name, fields: &str, body: &str| Hostile {
        name,
        module: bare(fields, &format!("(loop $l {body} (br $l))")),
        fuel: Fuel::Endless,
        ends: WALL,
    };
    vec![
        little("a loop", FUEL, bare("", "(loop $l (br $l))")),
        endless("a loop with endless fuel", ""),
        endless("filling with endless fuel", fill),
        bare_loop(
            "filling sixteen megabytes with endless fuel",
            "(memory 256)",
            "(memory.fill (i32.const 0) (i32.const 1) (i32.const 16777216))",
        ),
        bare_loop(
            "copying sixteen megabytes with endless fuel",
            "(memory 256)",
            "(memory.copy (i32.const 0) (i32.const 1) (i32.const 16777215))",
        ),
        bare_loop(
            "filling tables with endless fuel",
            "(table $t 10000 funcref)",
            "(table.fill $t (i32.const 0) (ref.null func) (i32.const 10000))",
        ),
        bare_loop(
            "growing by nothing with endless fuel",
            "(memory 1)",
            "(drop (memory.grow (i32.const 0)))",
        ),
        endless(
            "random numbers with endless fuel",
            "(drop (call $random (i32.const 0) (i32.const 65536)))",
        ),
        endless(
            "an hour's sleep, again and again, with endless fuel",
            "(drop (call $poll (i32.const 0) (i32.const 4096) (i32.const 200) (i32.const 8)))",
        ),
        endless(
            "stderr with endless fuel",
            "(i32.store (i32.const 4) (i32.const 60000)) (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))",
        ),
        endless(
            "the clock with endless fuel",
            "(drop (call $clock (i32.const 0) (i64.const 0) (i32.const 16)))",
        ),
        Hostile {
            name: "a tree of calls without a loop, with endless fuel",
            module: call_tree(),
            fuel: Fuel::Endless,
            ends: WALL,
        },
        little(
            "division that keeps the processor busy",
            FUEL,
            bare(
                "",
                "(local i64) (loop $l (local.set 0 (i64.div_u (i64.const -1) (i64.or (local.get 0) (i64.const 3)))) (br $l))",
            ),
        ),
    ]
}

fn floods() -> Vec<Hostile> {
    let flood = |call: &str| command(&format!("(loop $l (drop (call {call})) (br $l))"));
    vec![
        little(
            "stdout",
            &["output size"],
            command(
                "(i32.store (i32.const 4) (i32.const 60000)) (loop $l (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (br $l))",
            ),
        ),
        little(
            "stdout a byte at a time",
            &["output size", "fuel"],
            command(
                "(i32.store (i32.const 4) (i32.const 1)) (loop $l (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (br $l))",
            ),
        ),
        little(
            "stdout by a thousand empty buffers",
            FUEL,
            flood("$write (i32.const 1) (i32.const 1024) (i32.const 1024) (i32.const 8)"),
        ),
        little(
            "reads of nothing",
            FUEL,
            flood("$read (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 8)"),
        ),
        little("arguments", FUEL, flood("$args (i32.const 0) (i32.const 1024)")),
        little("closing what is not open", FUEL, flood("$close (i32.const 99)")),
        little(
            "opening files",
            FUEL,
            flood(
                "$open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 0)",
            ),
        ),
        little("random numbers", FUEL, flood("$random (i32.const 0) (i32.const 65536)")),
        little("exit codes", &["exit"], command("(call $exit (i32.const -1))")),
    ]
}

fn starts() -> Vec<Hostile> {
    vec![
        little(
            "a start that traps",
            &["unreachable"],
            bare("(func $f unreachable) (start $f)", ""),
        ),
        little(
            "a start that divides by zero",
            &["trap"],
            bare("(func $f (drop (i32.div_s (i32.const 1) (i32.const 0)))) (start $f)", ""),
        ),
        little("a start that never ends", FUEL, bare("(func $f (loop $l (br $l))) (start $f)", "")),
        Hostile {
            name: "a start that never ends, with endless fuel",
            module: bare("(func $f (loop $l (br $l))) (start $f)", ""),
            fuel: Fuel::Endless,
            ends: WALL,
        },
        little(
            "a start with parameters",
            INVALID,
            binary(&[b"\x01\x05\x01\x60\x01\x7f\0", FUNCTION, b"\x08\x01\0", CODE]),
        ),
        little(
            "an import that is not there",
            &["forbidden_import"],
            assemble("(module (import \"env\" \"system\" (func)) (func (export \"_start\")))"),
        ),
        little("no start at all", &["no_start"], assemble("(module (func (export \"run\")))")),
    ]
}
