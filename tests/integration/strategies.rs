//! The strategies that look at more than equality, with the built program: posted, worked on,
//! checked, paid, explained by a receipt, and checked again by anyone without a node.

use std::path::Path;

use serde_json::Value;

use crate::{
    dev::{Dev, Guard, staked, until},
    fog::{file, fog, json, run, verifies_within_a_second},
};

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Posts a task, waits until it is paid, fetches its file and its evidence; gives its id.
fn done(network: &Dev, home: &Path, name: &str, work: [&str; 2], policy: &[&str]) -> String {
    let common = ["task", "post", "--wallet", "requestor", "--json", "--price", "0.5", "--wait"];
    let [module, input] = work;
    let work = ["--module", module, "--input", input];
    let view = network.ok(home, &[&common[..], &work, &["--window", "5s"], policy].concat());
    assert_eq!(view["status"], "paid", "{view:#}");
    let id = view["id"].as_str().unwrap().to_owned();
    let (result, bundle) = (home.join(format!("{name}.raw")), home.join(format!("{name}.fog")));
    let fetch = ["task", "result", &id, "--raw", "--out", path(&result), "--wallet", "requestor"];
    assert!(run(&mut network.fog(home, &fetch)).status.success());
    let evaluator = policy.iter().position(|flag| *flag == "--evaluator");
    let evaluator = evaluator.map_or(&[][..], |at| &policy[at..at + 2]);
    let write = ["task", "evidence", &id, "--json", "--out", path(&bundle)];
    let bytes = ["--result", path(&result)];
    network.ok(home, &[&write[..], &work, &bytes, evaluator].concat());
    id
}

fn receipt(network: &Dev, home: &Path, id: &str) -> Value {
    network.ok(home, &["task", "receipt", id, "--json"])
}

#[test]
fn every_strategy_from_the_post_to_the_evidence() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let network = staked(home);
    let _worker = network.worker(home);

    let guest = |name: &str| file(&format!("cli/guests/{name}.wasm"));
    let [pi, partition, imbalance, wordcount, words] =
        ["pi", "partition", "imbalance", "wordcount", "words"].map(guest);
    let write = |name: &str, text: &str| {
        let at = home.join(name);
        std::fs::write(&at, text).unwrap();
        at
    };
    let (points, weights) = (write("points", "10000"), write("weights", "9 7 5 5 4 4 3 2 1"));
    let lines = write("lines", &"the fog comes\n".repeat(12));

    let improve = ["--policy", "improves", "--evaluator", path(&imbalance), "--beat", "1"];
    let best = done(&network, home, "best", [path(&partition), path(&weights)], &improve);
    let near = ["--policy", "statistical", "--bounds", "sd:0.016422"];
    let estimate = done(&network, home, "near", [path(&pi), path(&points)], &near);
    let cut = ["--policy", "merkle", "--chunk", "10", "--samples", "5"];
    let counts = done(&network, home, "cut", [path(&wordcount), path(&lines)], &cut);
    // The other kind of guest: a component, run again in full.
    let work = ["--module", path(&words), "--input", path(&lines), "--wallet", "requestor"];
    let replay = ["task", "post", "--price", "0.5", "--audit-rate", "1", "--wait", "--json"];
    let window = ["--window", "5s"];
    let component = network.ok(home, &[&replay[..], &work, &window].concat());
    assert_eq!(
        (&component["status"], &component["verdict"]["audited"]),
        (&"paid".into(), &true.into()),
        "{component:#}"
    );
    let component = component["id"].as_str().unwrap();

    let told = receipt(&network, home, &best);
    assert_eq!(told["strategy"], "improves");
    assert!(told["checked"].as_str().unwrap().contains("objective 0: it improves"), "{told:#}");
    let told = receipt(&network, home, &estimate);
    assert_eq!((&told["strategy"], &told["detection"]), (&"statistical".into(), &1.0.into()));
    let told = receipt(&network, home, &counts);
    assert!(told["checked"].as_str().unwrap().contains("all 12 chunks"), "{told:#}");
    assert!(told["finds"].as_str().unwrap().contains("1 - (1 - f)^5"), "{told:#}");

    let told = receipt(&network, home, component);
    assert_eq!((&told["strategy"], &told["detection"]), (&"replay".into(), &1.0.into()));

    // Two workers, each with a copy; newcomers' are run again.
    network.import(home, 2, "second");
    network.ok(home, &["worker", "stake", "100", "--wallet", "second", "--json"]);
    let _second = {
        let journal = home.join("second");
        let up = ["worker", "up", "--wallet", "second", "--data", path(&journal)];
        let mut command = network.fog(home, &up);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        Guard(command.spawn().unwrap())
    };
    let work = ["--module", path(&wordcount), "--input", path(&lines), "--wallet", "requestor"];
    let plain = home.join("copied");
    let post = ["task", "post", "--policy", "redundant", "--copies", "2", "--price", "0.5"];
    let end = ["--window", "5s", "--out", path(&plain), "--json"];
    let copies = network.ok(home, &[&post[..], &work, &end].concat());
    let copies = copies.as_array().unwrap();
    assert_eq!(copies.len(), 2);
    assert!(copies.iter().all(|copy| copy["status"] == "paid"), "{copies:#?}");
    assert_ne!(copies[0]["worker"], copies[1]["worker"]);
    assert_ne!(copies[0]["listing"]["input"], copies[1]["listing"]["input"]);
    assert_eq!(std::fs::read_to_string(&plain).unwrap(), "comes\t12\nfog\t12\nthe\t12\n");
    let (id, bundle) = (copies[0]["id"].as_str().unwrap(), home.join("copy.fog"));
    let told = receipt(&network, home, id);
    assert_eq!(told["strategy"], "redundant");
    let write = ["task", "evidence", id, "--json", "--out", path(&bundle)];
    let write = [&write[..], &work, &["--result", path(&plain)]].concat();
    // Copies that agree are drawn: their evidence holds the seed, which is told after its epoch.
    network.ok(home, &["testnet", "warp", "2h", "--json"]);
    until("the seed to be told", || run(&mut network.fog(home, &write)).status.success());

    // A result in chunks is read as if it were one.
    let plain = home.join("plain");
    let fetch =
        ["task", "result", &counts, "--out", path(&plain), "--wallet", "requestor", "--json"];
    assert!(run(&mut network.fog(home, &fetch)).status.success());
    assert_eq!(std::fs::read_to_string(&plain).unwrap(), "comes\t1\nfog\t1\nthe\t1\n".repeat(12));
    let chunk = home.join("chunk");
    let common = ["task", "chunk", &counts, "--out", path(&chunk), "--wallet", "requestor"];
    network.ok(home, &[&common[..], &["--index", "7", "--json"]].concat());
    let beyond = run(&mut network.fog(home, &[&common[..], &["--index", "12"]].concat()));
    assert_eq!(beyond.status.code(), Some(1));
    let result = home.join("component.txt");
    let fetch = ["task", "result", component, "--wallet", "requestor", "--json", "--out"];
    let fetch = [&fetch[..], &[path(&result)]].concat();
    assert!(run(&mut network.fog(home, &fetch)).status.success());
    assert_eq!(std::fs::read_to_string(&result).unwrap(), "comes\t12\nfog\t12\nthe\t12\n");
    drop(network);

    // Nobody is left to be asked.
    let works = [
        ("best", &partition, &weights),
        ("near", &pi, &points),
        ("cut", &wordcount, &lines),
        ("copy", &wordcount, &lines),
    ];
    for (name, module, input) in works {
        let bundle = home.join(format!("{name}.fog"));
        let output = run(fog(home).args(["verify", path(&bundle), "--json"]));
        let report = json(&output);
        assert_eq!(output.status.code(), Some(0), "{report:#}");
        assert_eq!(report["complete"], true, "{report:#}");
        let again = ["run", "--json", "--module", path(module), "--input", path(input)];
        verifies_within_a_second(home, &bundle, &again);
    }
    let bundle = home.join("cut.fog");
    let verify = |chunk: &Path| {
        run(fog(home).args(["verify", path(&bundle), "--chunk", path(chunk), "--json"]))
    };
    let report = json(&verify(&chunk));
    let right = (&report["belongs"], &report["right"], &report["chunk"]);
    assert_eq!(right, (&true.into(), &true.into(), &7.into()), "{report:#}");
    let mut bytes = std::fs::read(&chunk).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&chunk, bytes).unwrap();
    let forged = verify(&chunk);
    assert_eq!((forged.status.code(), &json(&forged)["belongs"]), (Some(1), &false.into()));
}

/// Posts `reverse` on `input`, whose numbers come out backwards; the task's end, and its receipt.
fn reversed(network: &Dev, home: &Path, input: &str, bounds: &str) -> (Value, Value) {
    let (module, file_of) = (file("cli/guests/reverse.wasm"), home.join("numbers"));
    std::fs::write(&file_of, input).unwrap();
    let work = ["--module", path(&module), "--input", path(&file_of), "--wallet", "requestor"];
    let terms = ["--policy", "statistical", "--bounds", bounds, "--price", "0.5", "--window", "5s"];
    let post = [&["task", "post", "--json", "--wait"], &work[..], &terms].concat();
    let view = json(&run(&mut network.fog(home, &post)));
    let told = receipt(network, home, view["id"].as_str().unwrap());
    assert_eq!((&told["strategy"], &told["audited"]), (&"statistical".into(), &true.into()));
    assert_eq!(told["status"], view["status"], "{told:#}");
    (view, told)
}

/// Two numbers, one bound relatively and one absolutely. The second worker changes the last digit: by
/// as much as is allowed, or by more, in either number's terms.
#[test]
fn several_numbers_each_within_a_bound_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let network = staked(home);

    let honest = network.worker(home);
    let (module, numbers) = (file("cli/guests/reverse.wasm"), home.join("numbers"));
    std::fs::write(&numbers, "42.31,5.2").unwrap();
    let bounds = ["--policy", "statistical", "--bounds", "abs:0.5,rel:1000"];
    let task = done(&network, home, "two", [path(&module), path(&numbers)], &bounds);
    assert_eq!(std::fs::read_to_string(home.join("two.raw")).unwrap(), "2.5,13.24");
    let told = receipt(&network, home, &task);
    assert!(told["checked"].as_str().unwrap().ends_with("within its bounds of 1 runs"), "{told:#}");
    let listed = network.ok(home, &["task", "show", &task, "--json"]);
    let listed = listed["listing"]["policy"]["bounds"].as_array().unwrap().len();
    assert_eq!(listed, 2);
    drop(honest);

    // 13.25 for 13.24 is 0.076 % off; 5 for 4 is 25 %, or 1.
    let _careless = network.worker_with(home, &["--adversary"]);
    for (input, bounds, within) in [
        ("42.31,5.2", "abs:0.5,rel:1000", true),
        ("42.31,5.2", "abs:0.5,rel:700", false),
        ("4,5.2", "rel:1000,abs:1", true),
        ("4,5.2", "rel:1000,abs:0.99", false),
    ] {
        let (view, told) = reversed(&network, home, input, bounds);
        let checked = told["checked"].as_str().unwrap();
        let slashed = view["slashed"].as_u64().unwrap_or_default();
        if within {
            assert_eq!((&view["status"], slashed), (&"paid".into(), 0), "{view:#}");
            assert!(checked.ends_with("within its bounds of 1 runs"), "{bounds}: {checked}");
        } else {
            assert_eq!(view["status"], "slashed", "{view:#}");
            assert!(slashed > 0, "{view:#}");
            assert!(checked.contains("number 2 is out of its bounds"), "{bounds}: {checked}");
        }
    }
    drop(network);
    let report = json(&run(fog(home).args(["verify", path(&home.join("two.fog")), "--json"])));
    assert_eq!((&report["ok"], &report["complete"]), (&true.into(), &true.into()), "{report:#}");
}
