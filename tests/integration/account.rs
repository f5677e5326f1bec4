//! `fog account`: two people, their files, and a chain between them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{
    dev::{Dev, dev},
    fog::{json, run},
};

const GRAM: u64 = 1_000_000_000;
/// A million-th of a GRAM a task.
const EACH: u64 = 1000;

struct Scene<'a> {
    network: &'a Dev,
    home: &'a Path,
}

impl Scene<'_> {
    fn file(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    fn ok(&self, who: &str, args: &[&str]) -> Value {
        self.network.ok(self.home, &[&["account"], args, &["--json", "--wallet", who]].concat())
    }

    /// Runs what must fail with this exit code, and gives what it says.
    fn refused(&self, who: &str, args: &[&str], code: i32) -> String {
        let args = [&["account"], args, &["--wallet", who]].concat();
        let output = run(&mut self.network.fog(self.home, &args));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "fog {args:?}: {said}");
        said
    }

    /// The first `count` tasks, as both sides know them.
    fn entries(&self, name: &str, count: u64) -> String {
        let entry = |number: u64| {
            json!({
                "task": format!("{number:064x}"),
                "worker": format!("0:{:064x}", 7),
                "amount": EACH,
                "verdict": "accepted",
                "evidence": format!("{:064x}", number + 1),
            })
            .to_string()
        };
        let lines: Vec<_> = (0..count).map(entry).collect();
        let path = self.file(name);
        std::fs::write(&path, lines.join("\n")).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Signed by the requestor, then by the node.
    fn voucher(&self, address: &str, entries: &str, name: &str) -> String {
        let (half, whole) = (self.file("half.json"), self.file(name));
        let (half, whole) = (half.to_str().unwrap(), whole.to_str().unwrap());
        let sign = ["sign", address, "--entries", entries, "--out"];
        let run_as = |who, rest: &[&str]| {
            let args = [&["account"], &sign[..], rest, &["--wallet", who]].concat();
            let output = run(&mut self.network.fog(self.home, &args));
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(0), "{said}");
        };
        run_as("requestor", &[half]);
        assert!(self.refused("node", &["settle", half], 1).contains("payee's signature"));
        run_as("node", &[whole, "--voucher", half]);
        whole.to_owned()
    }
}

fn opened(scene: &Scene<'_>) -> String {
    let key = scene.ok("node", &["key"]);
    let (wallet, key) = (key["wallet"].as_str().unwrap(), key["key"].as_str().unwrap());
    let terms = ["--payee", wallet, "--payee-key", key, "--cap", "5", "--delay"];
    let short = [&["open", "8"], &terms[..], &["1m"]].concat();
    assert!(scene.refused("requestor", &short, 1).contains("10 minutes"));
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
    scene.refused("node", &["check", path, "--root", &root], 1);
    std::fs::write(&proof, "{").unwrap();
    scene.refused("node", &["check", path, "--root", &root], 2);
}

#[test]
fn many_tasks_are_paid_by_one_voucher_and_either_side_leaves() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev(home, &data);
    network.import(home, 0, "requestor");
    network.import(home, 1, "node");
    let scene = Scene { network: &network, home };
    let address = opened(&scene);

    let first = scene.entries("first.ndjson", 1_000);
    let voucher = scene.voucher(&address, &first, "first.json");
    // The node's own list is another one: it does not sign what it does not know.
    let other = scene.entries("other.ndjson", 999);
    let half = scene.file("half.json");
    let sign = ["sign", &address, "--entries", &other, "--voucher", half.to_str().unwrap()];
    assert!(scene.refused("node", &sign, 1).contains("other entries"));
    let settled = scene.ok("node", &["settle", &voucher]);
    assert_eq!(settled["paid_nano"], json!(1_000 * EACH));
    assert_eq!(settled["entries"], 1_000);
    assert!(scene.refused("node", &["settle", &voucher], 1).contains("not newer"));
    proofs(&scene, &address, &first);

    // The node takes another key: what its old one signed is void, what its new one signs counts.
    let keys = |args: &[&str]| scene.ok("node", args)["key"].as_str().unwrap().to_owned();
    let (wallet, session) = (keys(&["key"]), keys(&["key", "--session"]));
    assert!(scene.refused("requestor", &["set-key", &address, &session], 1).contains("payee"));
    let set = scene.ok("node", &["set-key", &address, &session]);
    assert_eq!(set["payee_key"], json!(session));
    let sign = ["sign", &address, "--entries", &first];
    assert!(scene.refused("node", &sign, 1).contains("not newer"));
    let more = scene.entries("more.ndjson", 2_000);
    let sign = ["sign", &address, "--entries", &more];
    assert!(scene.refused("node", &sign, 1).contains("neither"));
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
    assert!(scene.refused("node", &["settle", forged], 1).contains("not signed by both"));

    // The requestor leaves; within the delay the node still has what it was promised.
    let closing = scene.ok("requestor", &["close", &address]);
    assert_eq!(closing["status"], "closing");
    assert!(scene.refused("requestor", &["close", &address], 1).contains("again in"));
    let settled = scene.ok("node", &["settle", &voucher]);
    assert_eq!(settled["paid_nano"], json!(3_000 * EACH));
    let chain = network.banner["chain"].as_str().unwrap();
    network.ok(home, &["testnet", "warp", "10m", "--url", chain, "--json"]);
    let closed = scene.ok("requestor", &["close", &address]);
    assert_eq!((&closed["status"], &closed["balance_nano"]), (&json!("closed"), &json!(0)));
    assert!(scene.refused("requestor", &["top-up", &address, "1"], 1).contains("another state"));
    assert!(scene.refused("node", &["settle", &voucher], 1).contains("closed"));
}
