//! Evidence bundles of real tasks: written with a network, checked without.

use std::path::Path;

use serde_json::Value;

use crate::{
    dev::{Dev, staked},
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
    let home = home.path();
    let network = staked(home);
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

    signed_by_all_verifiers(&network, home, &receipt);
    let hash = receipt["evidence"].as_str().unwrap();
    bundled_by_hash(&network, home, (&word, hash), &work, &one);
    told_by_hash(&network, home, (&word, hash), &proof);

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

/// Each key that signed is one of the market's, at its place.
fn signed_by_all_verifiers(network: &Dev, home: &Path, receipt: &Value) {
    let market = network.ok(home, &["market", "show", "--json"]);
    let verifiers = market["state"]["config"]["verifiers"].as_array().unwrap();
    let signed = &receipt["signed_by"];
    let keys = signed["keys"].as_array().unwrap();
    assert_eq!(keys.len() as u64, receipt["threshold"].as_u64().unwrap(), "{receipt:#}");
    for signer in keys {
        let place = usize::try_from(signer["verifier"].as_u64().unwrap()).unwrap();
        assert_eq!(signer["key"], verifiers[place], "{receipt:#}");
    }
    assert_eq!(signed["of"].as_u64().unwrap(), verifiers.len() as u64);
    assert_eq!(
        (&signed["judgement"], &signed["evidence"]),
        (&"verdict".into(), &receipt["evidence"])
    );
    let text = run(&mut network.fog(home, &["task", "receipt", receipt["task"].as_str().unwrap()]));
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains(keys[0]["key"].as_str().unwrap()), "{text}");
}

/// What stands on chain is enough to ask for a bundle: the same, to the byte, though other tasks came
/// after this one.
fn bundled_by_hash(
    network: &Dev,
    home: &Path,
    (task, hash): (&str, &str),
    files: &[&str],
    bundle: &Path,
) {
    let again = home.join("again.fog");
    let fetch = |hash: &str| {
        let args = ["task", "evidence", "--hash", hash, "--json", "--out", path(&again)];
        run(&mut network.fog(home, &[&args[..], files].concat()))
    };
    let written = json(&fetch(hash));
    assert_eq!((&written["task"], &written["evidence"]), (&task.into(), &hash.into()));
    assert_eq!(std::fs::read(&again).unwrap(), std::fs::read(bundle).unwrap());
    let unknown = fetch(&"77".repeat(32));
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert_eq!(unknown.status.code(), Some(1), "{said}");
    assert!(said.contains("no evidence of that hash: ask the node that judged the task"), "{said}");
    assert_eq!(fetch("77").status.code(), Some(2), "no hash");
    let both = ["task", "evidence", task, "--hash", hash, "--out", path(&again)];
    assert_eq!(run(&mut network.fog(home, &both)).status.code(), Some(2), "one of the two");
    let neither = ["task", "evidence", "--out", path(&again)];
    assert_eq!(run(&mut network.fog(home, &neither)).status.code(), Some(2), "one of the two");
}

/// The node gives evidence by its hash; one that gives other evidence for it is seen through.
fn told_by_hash(network: &Dev, home: &Path, (task, hash): (&str, &str), other: &str) {
    let node = network.text("node").to_owned();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let get = |what: &str| {
        let url = format!("{node}/v1/{what}");
        runtime.block_on(async {
            let answer = reqwest::get(url).await.unwrap();
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
        })
    };
    let (status, evidence) = get(&format!("evidence/{hash}"));
    assert_eq!((status, &evidence["task"]), (200, &task.into()));
    let (status, unknown) = get(&format!("evidence/{}", "77".repeat(32)));
    assert_eq!((status, &unknown["code"]), (404, &"unknown_evidence".into()));
    for malformed in ["77", &format!("{hash}00"), &"zz".repeat(32)] {
        let (status, refused) = get(&format!("evidence/{malformed}"));
        assert_eq!((status, &refused["code"]), (400, &"bad_path".into()), "{malformed}");
    }

    let (_, foreign) = get(&format!("tasks/{other}/evidence"));
    let lying = runtime.block_on(liar(node.clone(), foreign));
    for wanted in [&["--hash", hash][..], &[task]] {
        let out = home.join("lied.fog");
        let args = [&["task", "evidence"], wanted, &["--out", path(&out)]].concat();
        let output = run(network.fog(home, &args).env("FOG_NODE", &lying));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("not {hash}")) && !out.exists(), "{said}");
    }
}

/// A node that tells the truth, but for evidence: that is always the same.
async fn liar(node: String, evidence: Value) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let lie = move || async move { axum::Json(evidence) };
    let pass = move |uri: axum::http::Uri| async move {
        let answer = reqwest::get(format!("{node}{uri}")).await.unwrap();
        axum::Json(answer.json::<Value>().await.unwrap())
    };
    let router = axum::Router::new()
        .route("/v1/evidence/{hash}", axum::routing::get(lie))
        .fallback(axum::routing::get(pass));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

/// The golden bundles that need nobody's files but their own: proofs, and a component.
#[test]
fn bundles_of_proofs_are_verified_within_a_second() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let golden = |name: &str| file(&format!("evidence/tests/golden/{name}.fog"));
    for (folder, bundle) in [("", "v1-groth16"), ("bls12-381/", "v1-groth16-bls12-381")] {
        let files = file(&format!("verifier/tests/vectors/groth16/{folder}"));
        let vector = |name: &str| files.join(format!("bound.{name}.json"));
        let [key, proof, public] = ["vk", "proof", "public"].map(vector);
        let check = ["proof", "verify", "--json", "--key", path(&key), "--proof", path(&proof)];
        let check = [&check[..], &["--public", path(&public)]].concat();
        verifies_within_a_second(home, &golden(bundle), &check);
    }

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
