//! `fog demo --json`: one document, everything in it, and the same again under the same seed.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fog::{fog, json, run};

fn demo(args: &[&str]) -> (i32, Value) {
    let home = tempfile::tempdir().unwrap();
    let password = home.path().join("password");
    std::fs::write(&password, "another\n").unwrap();
    let output = run(fog(home.path())
        // The caller's own, with which no key of a local network opens.
        .env("FOG_PASSWORD_FILE", &password)
        .args(["demo", "--json"])
        .args(args));
    (output.status.code().unwrap(), json(&output))
}

/// What must not depend on timing: who got which task, and what was checked.
fn matching(report: &Value) -> BTreeMap<String, String> {
    let tasks = report["tasks"].as_array().unwrap();
    tasks
        .iter()
        .map(|task| {
            let fact = format!("{} {} {}", task["worker"], task["status"], task["audited"]);
            (task["id"].to_string(), fact)
        })
        .collect()
}

#[test]
fn the_demo_reports_and_repeats() {
    let (code, report) = demo(&["--tasks", "6", "--seed", "7"]);
    assert_eq!((code, &report["ok"]), (0, &Value::Bool(true)), "{report:#}");
    let money = &report["money"];
    let sum: u64 = ["paid_nano", "refunded_nano", "burned_nano", "fees_nano", "held_nano"]
        .iter()
        .map(|name| money[name].as_u64().unwrap())
        .sum();
    assert_eq!(money["in_nano"].as_u64(), Some(sum));
    let tasks = report["tasks"].as_array().unwrap();
    assert!(tasks.iter().any(|task| task["policy"] == "groth16" && task["status"] == "paid"));
    // One was settled by its contract, on the ground of a proof: no verdict, no window.
    let proven: Vec<_> = tasks.iter().filter(|task| task["settled_by"] == "proof").collect();
    assert_eq!(proven.len(), 1);
    assert_eq!((&proven[0]["policy"], &proven[0]["status"]), (&"proof".into(), &"paid".into()));
    assert!(tasks.iter().any(|task| task["status"] == "refunded"));
    assert!(tasks.iter().any(|task| task["status"] == "slashed"));
    for worker in report["workers"].as_array().unwrap() {
        let slashed = worker["slashed_nano"].as_u64().unwrap();
        assert_eq!(slashed == 0, worker["honest"].as_bool().unwrap());
    }
    let (_, again) = demo(&["--tasks", "6", "--seed", "7"]);
    assert_eq!(matching(&report), matching(&again));
    assert_eq!(report["result"], again["result"]);
}
