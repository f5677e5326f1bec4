//! Sixty seconds of `fog testnet soak` with every kind of fault, at a rate that a busy machine
//! holds: what is asserted is agreement, conservation and bounds, not speed.

use crate::fog::{fog, json, run};

#[test]
fn a_minute_under_load_and_faults_ends_in_agreement() {
    let home = tempfile::tempdir().unwrap();
    let arguments = ["testnet", "soak", "--tasks-per-second", "8", "--for", "60s", "--json"];
    let output = run(fog(home.path()).args(arguments));
    let report = json(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(report["posted"], 480, "{report:#}");
    let ends = &report["ends"];
    let ended: u64 =
        ["paid", "slashed", "refunded", "late"].iter().map(|end| ends[end].as_u64().unwrap()).sum();
    assert_eq!(ended, 480, "{report:#}");
    assert!(ends["slashed"].as_u64().unwrap() > 0, "no cheat was caught: {report:#}");
    let injected = report["faults"].as_array().unwrap();
    for fault in &["node", "worker", "chain-drop", "chain-delay", "chain-limit", "verifier", "disk"]
    {
        let happened = injected.iter().any(|one| one["fault"] == *fault);
        assert!(happened, "{fault} was not injected: {report:#}");
    }
    let agreement = &report["agreement"];
    assert_eq!(agreement["tasks"], 480);
    assert_eq!(agreement["equal"], agreement["tasks"], "{report:#}");
    assert_eq!(agreement["database_paid_nano"], agreement["chain_earned_nano"], "{report:#}");
    assert_eq!(agreement["supply_conserved"], true);
}
