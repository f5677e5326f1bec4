//! `fog account`: two people, their files, and a chain between them.

use serde_json::{Value, json};

use crate::{
    dev::dev,
    fog::{json, run},
    scene::{EACH, Scene},
};

const GRAM: u64 = 1_000_000_000;
fn opened(scene: &Scene<'_>) -> String {
    let key = scene.ok("node", &["key"]);
    let (wallet, key) = (key["wallet"].as_str().unwrap(), key["key"].as_str().unwrap());
    let terms = ["--payee", wallet, "--payee-key", key, "--cap", "5", "--delay"];
    let short = [&["open", "8"], &terms[..], &["1m"]].concat();
    assert!(scene.refused("requestor", &short).contains("10 minutes"));
    let open = scene.ok("requestor", &[&["open", "8"], &terms[..], &["10m"]].concat());
    assert_eq!((&open["purpose"], &open["status"]), (&json!("account"), &json!("open")));
    assert_eq!((&open["balance_nano"], &open["room_nano"]), (&json!(8 * GRAM), &json!(5 * GRAM)));
    open["address"].as_str().unwrap().to_owned()
}

fn proofs(scene: &Scene<'_>, address: &str, entries: &str) {
    let (task, proof) = (format!("{:064x}", 77), scene.file("proof.json"));
    let path = proof.to_str().unwrap();
    let args = ["account", "prove", &task, "--entries", entries, "--out", path];
    assert!(run(&mut scene.network.fog(scene.home, &args)).status.success());
    assert_eq!(scene.ok("node", &["check", path, "--at", address])["opens"], true);
    let root = scene.ok("node", &["show", address])["root"].as_str().unwrap().to_owned();
    let offline = ["account", "check", path, "--root", &root, "--json"];
    let output = run(crate::fog::fog(scene.home).args(offline));
    assert_eq!(json(&output)["opens"], true);
    let mut lie: Value = serde_json::from_slice(&std::fs::read(&proof).unwrap()).unwrap();
    lie["entry"]["amount"] = json!(EACH + 1);
    std::fs::write(&proof, lie.to_string()).unwrap();
    scene.refused("node", &["check", path, "--root", &root]);
    std::fs::write(&proof, "{").unwrap();
    scene.refused_with(2, "node", &["check", path, "--root", &root]);
}

#[test]
fn many_tasks_are_paid_by_one_voucher_and_either_side_leaves() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev(home, &data);
    network.import(home, 0, "requestor");
    network.import(home, 1, "node");
    let scene = Scene { network: &network, home, command: &["account"] };
    let address = opened(&scene);

    let first = scene.entries("first.ndjson", 1_000);
    let voucher = scene.voucher(&address, &first, "first.json");
    // The node's own list is another one: it does not sign what it does not know.
    let other = scene.entries("other.ndjson", 999);
    let half = scene.file("half.json");
    let sign = ["sign", &address, "--entries", &other, "--voucher", half.to_str().unwrap()];
    assert!(scene.refused("node", &sign).contains("other entries"));
    let settled = scene.ok("node", &["settle", &voucher]);
    assert_eq!(settled["paid_nano"], json!(1_000 * EACH));
    assert_eq!(settled["entries"], 1_000);
    assert!(scene.refused("node", &["settle", &voucher]).contains("not newer"));
    proofs(&scene, &address, &first);

    // The node takes another key: what its old one signed is void, what its new one signs counts.
    let keys = |args: &[&str]| scene.ok("node", args)["key"].as_str().unwrap().to_owned();
    let (wallet, session) = (keys(&["key"]), keys(&["key", "--session"]));
    assert!(scene.refused("requestor", &["set-key", &address, &session]).contains("payee"));
    let set = scene.ok("node", &["set-key", &address, &session]);
    assert_eq!(set["payee_key"], json!(session));
    let sign = ["sign", &address, "--entries", &first];
    assert!(scene.refused("node", &sign).contains("not newer"));
    let more = scene.entries("more.ndjson", 2_000);
    let sign = ["sign", &address, "--entries", &more];
    assert!(scene.refused("node", &sign).contains("neither"));
    let by_session = [&sign[..], &["--session"]].concat();
    assert!(scene.ok("node", &by_session)["payee"].is_string());
    scene.ok("node", &["set-key", &address, &wallet]);

    // A total that nobody signed.
    let second = scene.entries("second.ndjson", 3_000);
    let voucher = scene.voucher(&address, &second, "second.json");
    let mut lie: Value = serde_json::from_slice(&std::fs::read(&voucher).unwrap()).unwrap();
    lie["total_nano"] = json!(4 * GRAM);
    let forged = scene.file("forged.json");
    std::fs::write(&forged, lie.to_string()).unwrap();
    let forged = forged.to_str().unwrap();
    assert!(scene.refused("node", &["settle", forged]).contains("not signed by both"));

    // The requestor leaves; within the delay the node still has what it was promised.
    let closing = scene.ok("requestor", &["close", &address]);
    assert_eq!(closing["status"], "closing");
    assert!(scene.refused("requestor", &["close", &address]).contains("again in"));
    let settled = scene.ok("node", &["settle", &voucher]);
    assert_eq!(settled["paid_nano"], json!(3_000 * EACH));
    let chain = network.banner["chain"].as_str().unwrap();
    network.ok(home, &["testnet", "warp", "10m", "--url", chain, "--json"]);
    let closed = scene.ok("requestor", &["close", &address]);
    assert_eq!((&closed["status"], &closed["balance_nano"]), (&json!("closed"), &json!(0)));
    assert!(scene.refused("requestor", &["top-up", &address, "1"]).contains("another state"));
    assert!(scene.refused("node", &["settle", &voucher]).contains("closed"));
}
