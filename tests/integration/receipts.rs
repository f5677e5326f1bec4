//! Any program, proven: a task whose result is the receipt of somebody else's zkVM, with the built
//! program. The prover is a stand-in that hands out a real receipt, made by SP1's or RISC Zero's own
//! prover: proving takes more memory and hours than a test has.

use std::{os::unix::fs::PermissionsExt as _, path::PathBuf};

use serde_json::Value;

use crate::{
    dev::{Guard, dev, until},
    fog::{file, fog, json, run},
    scene::Scene,
};

/// One of either maker.
const VMS: [&str; 2] = ["sp1-v6.1", "risc-zero-v3.0"];

#[test]
fn a_receipt_of_a_zkvm_is_a_result() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev(home, &data);
    network.import(home, 0, "requestor");
    network.import(home, 1, "worker");
    let scene = Scene { network: &network, home, command: &[] };
    scene.ok("worker", &["worker", "stake", "20"]);

    let real = Real::each(&scene);
    let log = scene.file("worker.log");
    let mut worker = network.fog(home, &["worker", "up", "--wallet", "worker", "--json"]);
    worker.args(["--prover-seconds", "60"]);
    worker.args(real.iter().flat_map(|real| ["--prover".to_owned(), real.prover()]));
    let printed = std::fs::File::create(&log).unwrap();
    let _worker =
        Guard(worker.stdout(printed).stderr(std::process::Stdio::null()).spawn().unwrap());

    let bundles: Vec<_> = real.iter().map(|real| real.paid(&scene)).collect();

    // Where it has to be bound to the task, a receipt made before is none: the worker sees that
    // itself, and commits to nothing.
    let post = real[0].post(&scene);
    let post: Vec<_> = post.iter().map(String::as_str).collect();
    let wrong = [&post[..], &["--policy", "replay"]].concat();
    assert!(!run(&mut network.fog(home, &wrong)).status.success(), "nothing else checks it");
    let bound = scene.ok("requestor", &post)["id"].as_str().unwrap().to_owned();
    until("the worker to refuse its prover's receipt", || {
        std::fs::read_to_string(&log).is_ok_and(|log| log.contains("receipt_not_bound"))
    });
    let status = scene.ok("requestor", &["task", "show", &bound])["status"].clone();
    assert_eq!(status, "running");
    drop(network);

    // Nobody is left to be asked.
    for bundle in bundles {
        let checked = run(fog(home).args(["verify", bundle.to_str().unwrap(), "--json"]));
        let report = json(&checked);
        assert_eq!((checked.status.code(), &report["ok"]), (Some(0), &true.into()), "{report:#}");
        let proven =
            report["steps"].as_array().unwrap().iter().find(|step| step["name"] == "result");
        assert!(proven.unwrap()["found"].as_str().unwrap().contains("holds"), "{report:#}");
    }
}

/// A worker that looks at its prover's receipts, and then hands in something else: a result that is
/// none, and the receipt of the task before, which is another program's.
#[test]
fn who_hands_in_another_receipt_than_its_own_is_slashed() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev(home, &data);
    network.import(home, 0, "requestor");
    network.import(home, 1, "worker");
    let scene = Scene { network: &network, home, command: &[] };
    scene.ok("worker", &["worker", "stake", "20"]);
    let real = Real::each(&scene);
    let mut worker = network.fog(home, &["worker", "up", "--wallet", "worker"]);
    worker.args(["--prover-seconds", "60", "--adversary", "wrong-task"]);
    worker.args(real.iter().flat_map(|real| ["--prover".to_owned(), real.prover()]));
    worker.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let _worker = Guard(worker.spawn().unwrap());

    for (real, fault) in real.iter().zip(["result_not_a_receipt", "groth16.seal"]) {
        let out = scene.file("refused.out");
        let post = real.post(&scene);
        let post: Vec<_> = post.iter().map(String::as_str).collect();
        let end = ["--any-receipt", "--json", "--out", out.to_str().unwrap()];
        let post = [&post[..], &end, &["--wallet", "requestor"]].concat();
        let ended = run(&mut network.fog(home, &post));
        let view = json(&ended);
        assert_eq!(
            (ended.status.code(), &view["status"]),
            (Some(1), &"slashed".into()),
            "{view:#}"
        );
        assert!(view["slashed"].as_u64().unwrap() > 0 && !out.exists(), "{view:#}");
        let task = view["id"].as_str().unwrap();
        let told = scene.ok("requestor", &["task", "receipt", task]);
        assert_eq!(told["checked"], format!("the proof is refused: {fault}"), "{told:#}");
        assert_eq!(told["signed_by"]["keys"].as_array().unwrap().len(), 1, "{told:#}");
    }
}

/// A real receipt, with a stand-in for the prover that made it.
struct Real {
    vm: String,
    program: String,
    seal: String,
    prover: PathBuf,
}

impl Real {
    /// The published receipts of both makers.
    fn each(scene: &Scene<'_>) -> Vec<Self> {
        let receipts = std::fs::read(file("verifier/tests/vectors/groth16/receipts.json")).unwrap();
        let receipts: Vec<Value> = serde_json::from_slice(&receipts).unwrap();
        let receipts = receipts.iter().filter(|it| VMS.iter().any(|vm| it["vm"] == *vm));
        let real: Vec<_> = receipts.map(|receipt| Self::write(scene, receipt)).collect();
        assert_eq!(real.len(), VMS.len());
        real
    }

    fn write(scene: &Scene<'_>, receipt: &Value) -> Self {
        let text = |name: &str| receipt[name].as_str().unwrap().to_owned();
        let (vm, program, seal) = (text("vm"), text("program"), text("seal"));
        let (journal, sealed) =
            (scene.file(&format!("{vm}.journal")), scene.file(&format!("{vm}.seal")));
        std::fs::write(&journal, hex::decode(text("journal")).unwrap()).unwrap();
        std::fs::write(&sealed, hex::decode(&seal).unwrap()).unwrap();
        let prover = scene.file(&format!("{vm}.prover"));
        let (from, to) = (journal.display(), sealed.display());
        let script = format!("#!/bin/sh\ncp {from} \"$4/journal\" && cp {to} \"$4/seal\"\n");
        std::fs::write(&prover, script).unwrap();
        std::fs::set_permissions(&prover, std::fs::Permissions::from_mode(0o700)).unwrap();
        Self { vm, program, seal, prover }
    }

    /// For the worker: which command proves for which zkVM.
    fn prover(&self) -> String {
        format!("{}={}", self.vm, self.prover.display())
    }

    fn post(&self, scene: &Scene<'_>) -> Vec<String> {
        let (elf, input) = (scene.file("program.elf"), scene.file("input"));
        std::fs::write(&elf, b"the program").unwrap();
        std::fs::write(&input, b"nothing").unwrap();
        let vm = &self.vm;
        let (elf, input) = (elf.to_str().unwrap(), input.to_str().unwrap());
        let post = ["task", "post", "--policy", "receipt", "--zkvm", vm, "--deadline", "10m"];
        let program = ["--elf", elf, "--program-id", &self.program];
        let work = ["--input", input, "--price", "0.5", "--window", "0s"];
        [&post[..], &program, &work].concat().into_iter().map(str::to_owned).collect()
    }

    /// Posted, proven and paid; the bundle of its evidence.
    fn paid(&self, scene: &Scene<'_>) -> PathBuf {
        let vm = &self.vm;
        let (out, bundle) = (scene.file(&format!("{vm}.out")), scene.file(&format!("{vm}.fog")));
        let (out, to) = (out.to_str().unwrap(), bundle.to_str().unwrap());
        let post = self.post(scene);
        let post: Vec<_> = post.iter().map(String::as_str).collect();
        let view = scene
            .ok("requestor", &[&post[..], &["--any-receipt", "--wait", "--out", out]].concat());
        assert_eq!(view["status"], "paid", "{view:#}");
        let result: Value = serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap();
        assert_eq!(result["seal"], self.seal.as_str());
        let task = view["id"].as_str().unwrap();
        let why = scene.ok("requestor", &["task", "receipt", task]);
        assert_eq!((&why["strategy"], &why["detection"]), (&"receipt".into(), &1.0.into()));
        scene.ok("requestor", &["task", "evidence", task, "--out", to, "--result", out]);
        bundle
    }
}
