//! Valid modules that are work for the compiler out of proportion to their size.

use super::{super::support::bare, BOMB, Hostile, INVALID, little, locals};

pub(super) fn bombs() -> Vec<Hostile> {
    let nest = |open: &str, close: &str, deep: usize| open.repeat(deep) + &close.repeat(deep);
    let targets = "0 ".repeat(60_000);
    let branch = "(if (local.get 0) (then (local.set 0 (i32.mul (local.get 0) (local.get 1)))) \
                  (else (local.set 1 (i32.add (local.get 0) (local.get 1)))))";
    let live = (0..2_000).fold(String::new(), |s, n| {
        s + &format!("(local.set {n} (i64.add (local.get {n}) (local.get {})))", (n * 7) % 2_000)
    });
    let blocks = 300;
    let fan = "(block ".repeat(blocks)
        + &format!(
            "(br_table {} (local.get 0))",
            (0..blocks).map(|n| format!("{n} ")).collect::<String>()
        )
        + &")".repeat(blocks);
    let results = "i32 ".repeat(900);
    let numbers = "(i32.const 7)".repeat(900);
    vec![
        little(
            "one function of a megabyte",
            BOMB,
            bare("", &"(drop (i32.const 1))".repeat(250_000)),
        ),
        little(
            "more than a megabyte in one function",
            &["too_many"],
            bare("", &"(drop (i32.const 0x7fffffff))".repeat(200_000)),
        ),
        little(
            "thousands of branches",
            BOMB,
            bare("", &format!("(local i32 i32) {}", branch.repeat(20_000))),
        ),
        little("fifty thousand locals", BOMB, bare("", &locals(49_999))),
        little("too many locals", INVALID, bare("", &locals(50_001))),
        little(
            "thousands of live values",
            BOMB,
            bare(
                "",
                &format!("{} (loop {live} (br_if 0 (i32.wrap_i64 (local.get 0))))", locals(2_000)),
            ),
        ),
        little("a hundred thousand blocks deep", BOMB, bare("", &nest("(block ", ")", 100_000))),
        little("twenty thousand loops deep", BOMB, bare("", &nest("(loop ", ")", 20_000))),
        little(
            "twenty thousand ifs deep",
            BOMB,
            bare("", &nest("(if (i32.const 1) (then ", "))", 20_000)),
        ),
        little(
            "an expression a hundred thousand deep",
            BOMB,
            bare(
                "",
                &format!(
                    "(drop {}(i32.const 1){})",
                    "(i32.eqz ".repeat(100_000),
                    ")".repeat(100_000)
                ),
            ),
        ),
        little(
            "a giant br_table",
            BOMB,
            bare("", &format!("(block (br_table {targets} 0 (i32.const 1)))")),
        ),
        little(
            "br_tables into three hundred blocks",
            BOMB,
            bare("", &format!("(local i32) {}", fan.repeat(150))),
        ),
        little("a hundred thousand functions", BOMB, bare(&"(func)".repeat(99_000), "")),
        little(
            "more functions than are compiled",
            &["too_many"],
            bare(&"(func)".repeat(100_001), ""),
        ),
        little(
            "nine hundred results",
            BOMB,
            bare(
                &format!("(func $f (result {results}) {numbers})"),
                &format!("{} {}", "(call $f)".repeat(20), "drop ".repeat(18_000)),
            ),
        ),
        little(
            "a thousand types of a thousand parameters",
            BOMB,
            bare(
                &(0..1_000)
                    .map(|n| {
                        format!(
                            "(type (func (param {} {})))",
                            "i32 ".repeat(900),
                            if n % 2 == 0 { "i64" } else { "f64" }
                        )
                    })
                    .collect::<String>(),
                "",
            ),
        ),
        little(
            "fifty thousand globals",
            BOMB,
            bare(&"(global i64 (i64.const 1))".repeat(50_000), ""),
        ),
        little("sixty thousand imports", BOMB, {
            let import = "(import \"wasi_snapshot_preview1\" \"sched_yield\" (func (result i32)))";
            bare(&import.repeat(60_000), "")
        }),
        little("a wide mesh of calls", BOMB, {
            let calls = (0..200).map(|n| format!("(call $f{n})")).collect::<String>();
            let functions =
                (0..200).map(|n| format!("(func $f{n} (if (i32.const 0) (then {calls})))"));
            bare(&functions.collect::<String>(), "")
        }),
        little(
            "vectors without end",
            BOMB,
            bare(
                "",
                &format!(
                    "(local v128) {}",
                    "(local.set 0 (f64x2.div (f64x2.sqrt (local.get 0)) (local.get 0)))"
                        .repeat(20_000)
                ),
            ),
        ),
        little(
            "float rounding without end",
            BOMB,
            bare(
                "",
                &format!(
                    "(local f64) {}",
                    "(local.set 0 (f64.nearest (f64.min (local.get 0) (f64.const 3))))"
                        .repeat(20_000)
                ),
            ),
        ),
    ]
}
