//! Any program, proven: a task whose result is the receipt of somebody else's zkVM, with the built
//! program. The prover is a stand-in that hands out a real receipt, made by SP1's own prover: proving
//! takes more memory and hours than a test has.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::{
    dev::{Guard, dev, until},
    fog::{file, fog, json, run},
    scene::Scene,
};

#[test]
fn a_receipt_of_a_zkvm_is_a_result() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev(home, &data);
    network.import(home, 0, "requestor");
    network.import(home, 1, "worker");
    let scene = Scene { network: &network, home, command: &[] };
    scene.ok("worker", &["worker", "stake", "20"]);

    let receipts = std::fs::read(file("verifier/tests/vectors/groth16/receipts.json")).unwrap();
    let receipts: Vec<Value> = serde_json::from_slice(&receipts).unwrap();
    let receipt = receipts.iter().find(|receipt| receipt["vm"] == "sp1-v6.1").unwrap();
    let text = |name: &str| receipt[name].as_str().unwrap();
    let (journal, seal) = (scene.file("real.journal"), scene.file("real.seal"));
    std::fs::write(&journal, hex::decode(text("journal")).unwrap()).unwrap();
    std::fs::write(&seal, hex::decode(text("seal")).unwrap()).unwrap();
    let prover = scene.file("prover");
    let (from, to) = (journal.display(), seal.display());
    let script = format!("#!/bin/sh\ncp {from} \"$4/journal\" && cp {to} \"$4/seal\"\n");
    std::fs::write(&prover, script).unwrap();
    std::fs::set_permissions(&prover, std::fs::Permissions::from_mode(0o700)).unwrap();
    let log = scene.file("worker.log");
    let mut worker = network.fog(home, &["worker", "up", "--wallet", "worker", "--json"]);
    worker.args(["--prover-seconds", "60", "--prover"]);
    worker.arg(format!("sp1-v6.1={}", prover.display()));
    let printed = std::fs::File::create(&log).unwrap();
    let _worker =
        Guard(worker.stdout(printed).stderr(std::process::Stdio::null()).spawn().unwrap());

    let (elf, input) = (scene.file("program.elf"), scene.file("input"));
    std::fs::write(&elf, b"the program").unwrap();
    std::fs::write(&input, b"nothing").unwrap();
    let program = ["--elf", elf.to_str().unwrap(), "--program-id", text("program")];
    let work = ["--input", input.to_str().unwrap(), "--price", "0.5", "--window", "0s"];
    let post = ["task", "post", "--policy", "receipt", "--zkvm", "sp1-v6.1", "--deadline", "10m"];
    let post = [&post[..], &program, &work].concat();
    let wrong = [&post[..], &["--policy", "replay"]].concat();
    assert!(!run(&mut network.fog(home, &wrong)).status.success(), "nothing else checks it");

    let out = scene.file("result");
    let any = ["--any-receipt", "--wait", "--out", out.to_str().unwrap()];
    let view = scene.ok("requestor", &[&post[..], &any].concat());
    assert_eq!(view["status"], "paid", "{view:#}");
    let result: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(result["seal"], text("seal"));
    let task = view["id"].as_str().unwrap();
    let why = scene.ok("requestor", &["task", "receipt", task]);
    assert_eq!((&why["strategy"], &why["detection"]), (&"receipt".into(), &1.0.into()));
    let bundle = scene.file("evidence.fog");
    let evidence = ["task", "evidence", task, "--out", bundle.to_str().unwrap(), "--result"];
    scene.ok("requestor", &[&evidence[..], &[out.to_str().unwrap()]].concat());

    // Where it has to be bound to the task, a receipt made before is none: the worker sees that
    // itself, and commits to nothing.
    let bound = scene.ok("requestor", &post)["id"].as_str().unwrap().to_owned();
    until("the worker to refuse its prover's receipt", || {
        std::fs::read_to_string(&log).is_ok_and(|log| log.contains("receipt_not_bound"))
    });
    let status = scene.ok("requestor", &["task", "show", &bound])["status"].clone();
    assert_eq!(status, "running");
    drop(network);

    // Nobody is left to be asked.
    let checked = run(fog(home).args(["verify", bundle.to_str().unwrap(), "--json"]));
    let report = json(&checked);
    assert_eq!((checked.status.code(), &report["ok"]), (Some(0), &true.into()), "{report:#}");
    let proven = report["steps"].as_array().unwrap().iter().find(|step| step["name"] == "result");
    assert!(proven.unwrap()["found"].as_str().unwrap().contains("holds"), "{report:#}");
}
