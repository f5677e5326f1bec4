//! The arrows between the rooms, as ARCHITECTURE.md draws them.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// What each room may depend on (not counting its tests).
const ARROWS: [(&str, &[&str]); 20] = [
    ("protocol", &[]),
    ("verifier", &["protocol"]),
    ("market", &["protocol", "verifier"]),
    ("wallet", &["protocol"]),
    ("contracts", &["protocol"]),
    ("chain", &["protocol"]),
    ("circuits", &["protocol"]),
    ("evidence", &["protocol", "verifier", "contracts", "wallet"]),
    ("requestor", &["protocol", "verifier", "wallet", "contracts", "chain"]),
    ("staker", &["protocol", "wallet", "contracts", "chain"]),
    ("worker", &["protocol", "verifier", "wallet", "contracts", "chain", "circuits"]),
    ("jury", &["protocol", "verifier", "contracts"]),
    ("node", &["protocol", "verifier", "market", "wallet", "contracts", "chain", "jury"]),
    ("tvm", &[]),
    ("doctor", &["protocol", "wallet", "contracts", "chain", "requestor"]),
    ("testnet", &["protocol", "contracts", "wallet", "tvm"]),
    (
        "harness",
        &[
            "protocol",
            "verifier",
            "wallet",
            "contracts",
            "chain",
            "circuits",
            "requestor",
            "worker",
            "node",
            "testnet",
        ],
    ),
    (
        "cli",
        &[
            "protocol",
            "verifier",
            "market",
            "wallet",
            "contracts",
            "chain",
            "staker",
            "circuits",
            "requestor",
            "worker",
            "node",
            "tvm",
            "testnet",
            "harness",
            "doctor",
            "evidence",
            "jury",
        ],
    ),
    ("tests", &[]),
    ("figures", &[]),
];

/// Rooms that decide may know no runtime, no database, no socket, no clock.
const PURE: [&str; 2] = ["protocol", "market"];
const IMPURE: [&str; 6] = ["tokio", "sqlx", "axum", "reqwest", "wasmtime", "redb"];

#[test]
fn rooms_depend_only_along_the_arrows() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let allowed: BTreeMap<_, _> =
        ARROWS.iter().map(|(room, on)| (format!("fog-{room}"), *on)).collect();
    let mut seen = BTreeSet::new();
    for package in metadata.workspace_packages() {
        let name = package.name.to_string();
        let on = allowed.get(&name).unwrap_or_else(|| panic!("{name} is not in ARROWS"));
        for dependency in &package.dependencies {
            if dependency.kind != DependencyKind::Normal {
                continue;
            }
            if let Some(room) = dependency.name.strip_prefix("fog-") {
                assert!(on.contains(&room), "{name} must not depend on {room}");
            }
            let pure = PURE.iter().any(|room| name == format!("fog-{room}"));
            assert!(
                !(pure && IMPURE.contains(&dependency.name.as_str())),
                "{name} decides, it must not depend on {}",
                dependency.name
            );
        }
        seen.insert(name);
    }
    assert_eq!(seen, allowed.into_keys().collect());
}
