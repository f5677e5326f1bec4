//! A stranger challenges a verdict, and a bond is put down and taken out, with the built program.

use serde_json::json;

use crate::{
    dev::{dev, until},
    fog::file,
    scene::Scene,
};

const GRAM: u64 = 1_000_000_000;

#[test]
fn a_stranger_challenges_a_verdict_and_loses_its_bond() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev(home, &data);
    let stranger = network.banner["accounts"].as_array().unwrap().len() - 1;
    for (index, name) in [(0, "requestor"), (1, "worker"), (stranger, "stranger")] {
        network.import(home, index, name);
    }
    let scene = Scene { network: &network, home, command: &[] };
    scene.ok("worker", &["worker", "stake", "20"]);
    let _worker = network.worker(home);
    let (module, input) = (file("cli/guests/wordcount.wasm"), scene.file("in.txt"));
    std::fs::write(&input, b"one two two").unwrap();
    let (module, input) = (module.to_str().unwrap(), input.to_str().unwrap());
    let work = ["--module", module, "--input", input, "--price", "0.5", "--audit-rate", "1"];
    let post = [&["task", "post", "--deadline", "10m", "--window", "1h"], &work[..]].concat();
    let task = scene.ok("requestor", &post)["id"].as_str().unwrap().to_owned();

    let evidence = scene.file("evidence.txt");
    std::fs::write(&evidence, b"the third word was counted twice").unwrap();
    let challenge = ["task", "challenge", &task, "--evidence", evidence.to_str().unwrap()];
    // Too early; afterwards it is on chain, and the node tells of it.
    assert!(scene.refused("stranger", &challenge).contains("until its window is over"));
    let state = || {
        let escrow = scene.ok("requestor", &["task", "show", &task])["escrow"].clone();
        let contract = network.ok(home, &["contract", "show", escrow.as_str().unwrap(), "--json"]);
        contract["state"]["status"].as_str().unwrap_or_default().to_owned()
    };
    until("the verdict on chain", || state() == "accepted");
    let balance = |who| scene.ok(who, &["wallet", "balance"])["balance_nano"].as_u64().unwrap();
    let had = (balance("stranger"), balance("worker"));
    let challenged = scene.ok("stranger", &challenge);
    assert_eq!(challenged["challenged"], "accepted");
    assert_eq!(challenged["bond_nano"], GRAM);
    assert_eq!(state(), "disputed");
    assert!(scene.refused("stranger", &challenge).contains("disputed already"));

    // What the node stands for is shown to anybody.
    let node = scene.ok("requestor", &["task", "show", &task])["listing"]["operator"].clone();
    let bond = scene.ok("stranger", &["bond", "show", node.as_str().unwrap()]);
    assert_eq!(bond["state"]["bond_nano"], 500 * GRAM, "{bond:#}");

    // The node looked again and found the same: the verdict stands, and the challenger pays for it.
    network.ok(home, &["testnet", "warp", "65m", "--url", network.text("chain"), "--json"]);
    let ended = || scene.ok("requestor", &["task", "show", &task])["status"] == "paid";
    until("the ruling and the end", ended);
    assert!(scene.refused("stranger", &challenge).contains("paid on chain"));
    assert!(balance("stranger") < had.0 - GRAM, "its bond is lost");
    let won = balance("worker") - had.1;
    assert!(won > GRAM * 9 / 10, "{won} of it is the worker's");
}

#[test]
fn a_bond_is_put_down_shown_and_taken_out() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev(home, &data);
    network.import(home, 0, "operator");
    let scene = Scene { network: &network, home, command: &["bond"] };
    assert!(scene.refused("operator", &["show"]).contains("fog bond add"));
    assert!(scene.refused("operator", &["withdraw", "1"]).contains("fog bond add"));
    let added = scene.ok("operator", &["add", "5"]);
    assert_eq!(added["state"]["bond_nano"], json!(5 * GRAM), "{added:#}");
    assert_eq!(scene.ok("operator", &["add", "2"])["state"]["bond_nano"], json!(7 * GRAM));
    assert_eq!(scene.ok("operator", &["withdraw", "3"])["state"]["bond_nano"], json!(4 * GRAM));
    // No more than there is; nothing moves.
    assert!(scene.refused("operator", &["withdraw", "4.000000001"]).contains("4 GRAM"));
    assert_eq!(scene.ok("operator", &["show"])["state"]["bond_nano"], json!(4 * GRAM));
    assert_eq!(scene.ok("operator", &["withdraw"])["state"]["bond_nano"], json!(0));
}
