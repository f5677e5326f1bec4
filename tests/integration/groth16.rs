//! A circom circuit over BLS12-381, with the built program: posted, proven by a worker, checked by the
//! node's verifiers, paid, and verified from its evidence when nobody is left to be asked.

use std::{path::PathBuf, process::Stdio};

use serde_json::Value;

use crate::{
    dev::{Guard, dev},
    fog::{file, fog, json, run},
    scene::Scene,
};

/// snarkjs' files of the circuit.
fn vector(name: &str) -> String {
    path(&file("verifier/tests/vectors/groth16/bls12-381").join(format!("bound.{name}")))
}

fn path(file: &std::path::Path) -> String {
    file.to_str().unwrap().to_owned()
}

/// The task of proving a root of `public`, with this key.
fn post(scene: &Scene<'_>, key: &str, public: &str, rest: &[&str]) -> Vec<String> {
    let input = scene.file("input.json");
    std::fs::write(&input, br#"{"square": "9", "x": "3"}"#).unwrap();
    let (zkey, witness, input) = (vector("zkey"), vector("wasm"), path(&input));
    let post = ["task", "post", "--policy", "groth16", "--deadline", "10m", "--window", "0s"];
    let program = ["--zkey", &zkey, "--witness", &witness, "--input", &input, "--price", "0.5"];
    let policy = ["--verification-key", key, "--publics", public];
    [&post[..], &program, &policy, rest].concat().into_iter().map(str::to_owned).collect()
}

#[test]
fn a_circuit_over_bls12_381_is_proven_and_paid() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev(home, &data);
    network.import(home, 0, "requestor");
    network.import(home, 1, "worker");
    let scene = Scene { network: &network, home, command: &[] };
    scene.ok("worker", &["worker", "stake", "20"]);
    let mut worker = network.fog(home, &["worker", "up", "--wallet", "worker", "--json"]);
    let _worker = Guard(worker.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());

    // What no proof could be checked with is not posted; bytes do not say which curve they are over.
    let (text, bytes) = (vector("vk.json"), vector("vk.bin"));
    let refused = |key: &str, public: &str, rest: &[&str]| {
        let post = post(&scene, key, public, rest);
        scene.refused("requestor", &post.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert!(refused(&bytes, "binding,9", &[]).contains("--curve"));
    assert!(refused(&text, "binding,9", &["--curve", "bn254"]).contains("BN254"));
    assert!(refused(&bytes, "binding,9", &["--curve", "bn254"]).contains("length"));
    assert!(refused(&text, "binding", &[]).contains("public input"));

    let named = paid(&scene, &text, &[]);
    let in_bytes = paid(&scene, &bytes, &["--curve", "bls12-381"]);
    drop(network);

    for bundle in [named, in_bytes] {
        let verify =
            |file: &std::path::Path| run(fog(home).args(["verify", &path(file), "--json"]));
        let checked = verify(&bundle);
        let report = json(&checked);
        assert_eq!((checked.status.code(), &report["ok"]), (Some(0), &true.into()), "{report:#}");
        let steps = report["steps"].as_array().unwrap();
        let found = steps.iter().find(|step| step["name"] == "result").unwrap()["found"].clone();
        assert!(found.as_str().unwrap().contains("holds"), "{report:#}");
        let mut bytes = std::fs::read(&bundle).unwrap();
        let at = bytes.len() - 9;
        bytes[at] ^= 1;
        std::fs::write(&bundle, bytes).unwrap();
        assert_eq!(verify(&bundle).status.code(), Some(2));
    }
}

/// Posted, proven and paid; the bundle of its evidence.
fn paid(scene: &Scene<'_>, key: &str, rest: &[&str]) -> PathBuf {
    let name = std::path::Path::new(key).extension().unwrap().to_str().unwrap();
    let (out, bundle) = (scene.file(&format!("{name}.out")), scene.file(&format!("{name}.fog")));
    let (out, to) = (path(&out), path(&bundle));
    let post = post(scene, key, "binding,9", &[rest, &["--wait", "--out", &out]].concat());
    let view = scene.ok("requestor", &post.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(view["status"], "paid", "{view:#}");
    assert_eq!(view["listing"]["policy"]["curve"], "bls12-381");
    let result: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(result["proof"]["curve"], "bls12381");
    let task = view["id"].as_str().unwrap();
    let why = scene.ok("requestor", &["task", "receipt", task]);
    assert_eq!((&why["strategy"], &why["detection"]), (&"groth16".into(), &1.0.into()));
    let files = ["--result", &out, "--verification-key", key];
    let evidence = [&["task", "evidence", task, "--out", &to][..], &files].concat();
    scene.ok("requestor", &evidence);
    bundle
}
