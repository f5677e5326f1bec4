//! Stake reserved in bulk for the account rail, end to end: with it not every result is checked, and a
//! cheat costs it.

use std::{path::Path, process::Stdio};

use serde_json::Value;

use crate::{
    dev::{Dev, Guard, dev_with, until},
    fog::{file, json, run},
    scene::Scene,
};

const GRAM: u64 = 1_000_000_000;

/// A network whose node asks for pledges of 10 GRAM, a worker with 30 at stake, an account.
struct Set<'a> {
    scene: Scene<'a>,
    account: String,
}

impl<'a> Set<'a> {
    fn new(network: &'a Dev, home: &'a Path) -> Self {
        network.import(home, 0, "requestor");
        network.import(home, 1, "worker");
        let scene = Scene { network, home, command: &[] };
        scene.ok("worker", &["worker", "stake", "30"]);
        let open = ["account", "open", "2", "--cap", "1", "--delay", "10m"];
        let account = scene.ok("requestor", &open)["address"].as_str().unwrap().to_owned();
        std::fs::write(home.join("in.txt"), b"one two two").unwrap();
        Self { scene, account }
    }

    fn post(&self, rate: &str, price: &str) -> Vec<String> {
        let (module, input) = (file("cli/guests/wordcount.wasm"), self.scene.file("in.txt"));
        let (module, input) = (module.to_str().unwrap(), input.to_str().unwrap());
        [
            &["task", "post", "--rail", "account", "--account", &self.account, "--price", price][..],
            &["--audit-rate", rate, "--module", module, "--input", input],
            &["--deadline", "10m", "--window", "0s"],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect()
    }

    fn stake(&self) -> Value {
        self.scene.ok("worker", &["worker", "show"])
    }
}

fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

#[test]
fn with_stake_reserved_in_bulk_a_lower_audit_rate_is_taken_on_the_account_rail() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev_with(home, &data, &["--pledge", "10"]);
    let set = Set::new(&network, home);
    let worker = network.worker(home);
    // 49 times the price, at a rate of a fiftieth: no pledge of 10 covers that.
    let said = set.scene.refused("requestor", &words(&set.post("0.02", "0.9")));
    assert!(said.contains("workers reserve 10 GRAM"), "{said}");
    let out = home.join("out.txt");
    let mut post = set.post("0.2", "0.1");
    post.extend(["--out".to_owned(), out.to_str().unwrap().to_owned()]);
    // The first three are checked in any case; of the others a fifth is drawn.
    let mut epoch = String::new();
    for _ in 0..4 {
        let view = set.scene.ok("requestor", &words(&post));
        assert_eq!(view["status"], "paid", "{view:#}");
        assert!(view["reserve"].as_u64() > Some(0), "{view:#}");
        epoch = view["listing"]["epoch"]["number"].to_string();
        assert_eq!(std::fs::read_to_string(&out).unwrap(), "one\t1\ntwo\t2\n");
    }
    // One reservation for all, and as much at risk as the worker agreed to.
    let stake = set.stake();
    assert_eq!(stake["pledged_nano"], 10 * GRAM, "{stake:#}");
    assert_eq!((&stake["reserved_nano"], &stake["reservations"]), (&(10 * GRAM).into(), &1.into()));
    assert_eq!(stake["pledges"][0]["stage"], "live");
    let pushed = set.scene.ok("worker", &["worker", "pledges"]);
    assert_eq!(pushed[0]["sent"], Value::Null, "its node does what is to be done: {pushed:#}");
    // Nobody has to be there for it to end: after its time anybody frees the stake, or the node does.
    drop(worker);
    let warp =
        run(&mut network.fog(home, &["testnet", "warp", "50m", "--url", network.text("chain")]));
    assert!(warp.status.success(), "{warp:?}");
    until("the pledge to be free again", || set.stake()["reserved_nano"] == 0);
    assert_eq!(set.stake()["own_nano"], 30 * GRAM, "and all of it is there");
    // The fourth was drawn or not, for the commitment that its requestor signed for: once the seed is
    // told everybody sees that.
    let warp =
        run(&mut network.fog(home, &["testnet", "warp", "20m", "--url", network.text("chain")]));
    assert!(warp.status.success(), "{warp:?}");
    until("the node to have kept its word", || {
        let audit = run(&mut network.fog(home, &["audit", &epoch, "--json"]));
        assert_ne!(audit.status.code(), Some(1), "{audit:?}");
        let report = json(&audit);
        report["word"] == "kept" && report["anchor"]["tasks"] == 4
    });
}

#[test]
fn a_cheat_on_the_account_rail_costs_the_pledge() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev_with(home, &data, &["--pledge", "10"]);
    let set = Set::new(&network, home);
    let mut command = network.fog(home, &["worker", "up", "--wallet", "worker", "--adversary"]);
    let cheat = Guard(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let mut post = set.post("0.2", "0.1");
    post.push("--wait".to_owned());
    let said = set
        .scene
        .network
        .fog(home, &words(&post))
        .args(["--json", "--wallet", "requestor"])
        .output();
    let view: Value = serde_json::from_slice(&said.unwrap().stdout).unwrap();
    assert_eq!(view["status"], "slashed", "{view:#}");
    // The promise was on chain before the work: there was nothing left for the cheat to hold back.
    drop(cheat);
    until("the slash", || set.stake()["own_nano"] == 20 * GRAM);
    let stake = set.stake();
    assert_eq!((&stake["reserved_nano"], &stake["pledged_nano"]), (&0.into(), &0.into()));
    // Everybody sees it, with the evidence, without asking the node.
    let slashes = run(&mut network.fog(home, &["slashes", "watch", "--once"]));
    assert!(slashes.status.success(), "{slashes:?}");
    let slashes = String::from_utf8(slashes.stdout).unwrap();
    assert!(slashes.contains(&(10 * GRAM).to_string()), "{slashes}");
}
