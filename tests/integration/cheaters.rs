//! `fog testnet cheaters` on a small scale: nine cheats in one network with two honest workers. The
//! longer command, with its table, is in `harness/README.md`.

use crate::fog::{fog, json, run};

#[test]
fn who_is_drawn_is_not_paid_and_nobody_honest_is_slashed() {
    let home = tempfile::tempdir().unwrap();
    // Nearly everything is drawn: what is asserted does not hang on the luck of few draws.
    let arguments = ["testnet", "cheaters", "--tasks", "160", "--tasks-per-second", "8"];
    let more = ["--audit-rate", "0.9", "--least", "0", "--json"];
    let output = run(fog(home.path()).args(arguments).args(more));
    let report = json(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 9, "{report:#}");
    let mut caught = 0;
    for row in rows {
        let count = |name: &str| row[name].as_u64().unwrap();
        let opened = !["copied", "late-swap"].contains(&row["kind"].as_str().unwrap());
        if row["kind"] == "honest" {
            assert_eq!(count("slashed"), 0, "{row:#}");
            continue;
        }
        assert_eq!(count("drawn_and_paid"), 0, "{row:#}");
        assert!(opened || count("paid") == 0, "{row:#}");
        caught += u64::from(count("slashed") > 0);
    }
    assert!(caught >= 3, "few of six kinds were caught: {rows:#?}");
    let agreement = &report["soak"]["agreement"];
    assert_eq!(agreement["tasks"], 160);
    assert_eq!(agreement["equal"], agreement["tasks"], "{report:#}");
}
