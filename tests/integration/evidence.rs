//! Evidence bundles of real tasks: written with a network, checked without.

use std::path::Path;

use serde_json::Value;

use crate::{
    dev::{Dev, dev},
    fog::{file, fog, json, run, verifies_within_a_second},
};

/// The example circuit's public inputs: the binding, and the digest in `input.json`.
const PUBLICS: &str =
    "binding,18792624928657758709045695189148012394277233494494134618452656372003145998849";

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Posts a task, waits for its end, and gives its id.
fn post(network: &Dev, home: &Path, args: &[&str]) -> String {
    let common = ["task", "post", "--wallet", "requestor", "--json", "--price", "0.5", "--wait"];
    let view = network.ok(home, &[&common[..], &["--window", "5s"], args].concat());
    assert_eq!(view["status"], "paid", "{view:#}");
    view["id"].as_str().unwrap().to_owned()
}

/// Every step of the report by name.
fn steps(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let steps = report["steps"].as_array().unwrap();
    steps.iter().map(|step| (text(&step["name"]), text(&step["status"]))).collect()
}

#[test]
fn anyone_checks_a_verdict_again_without_a_node() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev(home, &data);
    network.import(home, 1, "worker");
    network.import(home, 0, "requestor");
    network.ok(home, &["worker", "stake", "100", "--wallet", "worker", "--json"]);
    let _worker = network.worker(home);

    let (input, result) = (home.join("in.txt"), home.join("out.txt"));
    std::fs::write(&input, b"one two two").unwrap();
    let module = file("cli/guests/wordcount.wasm");
    let work = ["--module", path(&module), "--input", path(&input)];
    let word = post(&network, home, &[&work[..], &["--out", path(&result)]].concat());
    let circuit = file("cli/circuits");
    let [zkey, witness, key, number] =
        ["preimage.zkey", "preimage.wasm", "verification_key.json", "input.json"]
            .map(|name| circuit.join(name));
    let proven = home.join("proof.json");
    let proving = ["--zkey", path(&zkey), "--witness", path(&witness), "--input", path(&number)];
    let policy = ["--policy", "groth16", "--verification-key", path(&key)];
    let publics = ["--publics", PUBLICS, "--out", path(&proven)];
    let proof = post(&network, home, &[&proving[..], &policy, &publics].concat());

    let (one, two) = (home.join("one.fog"), home.join("two.fog"));
    let common = ["task", "evidence", &word, "--json", "--out", path(&one)];
    let written = network.ok(home, &[&common[..], &work].concat());
    assert_eq!(written["task"], word.as_str());
    let why = run(&mut network.fog(home, &[&common[..], &["--input", path(&module)]].concat()));
    assert_eq!(why.status.code(), Some(2), "another file than the task names is refused");
    let files = ["--verification-key", path(&key), "--result", path(&proven)];
    let common = ["task", "evidence", &proof, "--json", "--out", path(&two)];
    network.ok(home, &[&common[..], &files].concat());

    let receipt = network.ok(home, &["task", "receipt", &word, "--json"]);
    assert_eq!((&receipt["strategy"], &receipt["audited"]), (&"replay".into(), &true.into()));
    assert_eq!(receipt["detection"], 1.0);
    assert!(receipt["cheating_earns_nano"].as_i64().unwrap() <= 0);
    assert_eq!(
        receipt["evidence"],
        network.ok(home, &["task", "show", &word, "--json"])["verdict"]["evidence"]
    );

    // The node gives it by the hash that stands on chain.
    let url =
        format!("{}/v1/evidence/{}", network.text("node"), receipt["evidence"].as_str().unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let get = async |url: String| {
        let answer = reqwest::get(url).await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (status, evidence) = runtime.block_on(get(url));
    assert_eq!((status, &evidence["task"]), (200, &word.as_str().into()));
    let nowhere = format!("{}/v1/evidence/{}", network.text("node"), "77".repeat(32));
    assert_eq!(runtime.block_on(get(nowhere)).0, 404);

    let online = network.ok(home, &["verify", path(&one), "--online", "--json"]);
    assert!(steps(&online).contains(&("chain".to_owned(), "passed".to_owned())));
    drop(network);

    // Nobody is left to be asked.
    for (bundle, count) in [(&one, 8), (&two, 7)] {
        let output = run(fog(home).args(["verify", path(bundle), "--json"]));
        let report = json(&output);
        assert_eq!(output.status.code(), Some(0), "{report:#}");
        assert_eq!(
            (&report["ok"], &report["complete"]),
            (&true.into(), &true.into()),
            "{report:#}"
        );
        assert_eq!(steps(&report).len(), count, "what may be drawn names an epoch");
    }
    let output = run(fog(home).args(["verify", path(&one), "--online"]));
    assert_eq!(output.status.code(), Some(1), "online, but nobody answers");
    let again = [&["run", "--json"][..], &work].concat();
    verifies_within_a_second(home, &one, &again);

    // A byte in each of its parts changed (every one: `evidence/tests`), and a file that is none.
    let bytes = std::fs::read(&one).unwrap();
    let damaged = home.join("damaged.fog");
    for at in (0..bytes.len()).step_by(bytes.len() / 5) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        std::fs::write(&damaged, changed).unwrap();
        let output = run(fog(home).args(["verify", path(&damaged)]));
        assert_eq!(output.status.code(), Some(2), "byte {at}");
    }
    let output = run(fog(home).args(["verify", path(&input)]));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("no evidence bundle"));
}

/// The golden bundles that need nobody's files but their own: proofs, and a component.
#[test]
fn bundles_of_proofs_are_verified_within_a_second() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let golden = |name: &str| file(&format!("evidence/tests/golden/{name}.fog"));
    let vector = |name: &str| file(&format!("verifier/tests/vectors/groth16/bound.{name}.json"));
    let [key, proof, public] = ["vk", "proof", "public"].map(vector);
    let check = ["proof", "verify", "--json", "--key", path(&key), "--proof", path(&proof)];
    let check = [&check[..], &["--public", path(&public)]].concat();
    verifies_within_a_second(home, &golden("v1-groth16"), &check);

    let receipts = std::fs::read(file("verifier/tests/vectors/groth16/receipts.json")).unwrap();
    let receipts: Vec<Value> = serde_json::from_slice(&receipts).unwrap();
    for (vm, bundle) in [("sp1-v6.1", "v2-receipt-sp1"), ("risc-zero-v3.0", "v2-receipt-risc-zero")]
    {
        let receipt = receipts.iter().find(|receipt| receipt["vm"] == vm).unwrap();
        let text = |name: &str| receipt[name].as_str().unwrap();
        std::fs::write(home.join("journal"), hex::decode(text("journal")).unwrap()).unwrap();
        std::fs::write(home.join("seal"), text("seal")).unwrap();
        let check = ["proof", "receipt", "--json", "--vm", vm, "--program", text("program")];
        let files = ["--journal", "journal", "--seal", "seal"];
        verifies_within_a_second(home, &golden(bundle), &[&check[..], &files].concat());
    }

    let (module, input) = (file("cli/guests/reverse.wasm"), home.join("input"));
    std::fs::write(&input, b"an input").unwrap();
    let again = ["run", "--json", "--module", path(&module), "--input", path(&input)];
    verifies_within_a_second(home, &golden("v3-component"), &again);
}
