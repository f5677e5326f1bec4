//! `fog dev`, and everything a user does against it from other terminals.

use std::{
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::fog::{file, fog, json, run};

/// A process that ends with the test.
pub(crate) struct Guard(pub(crate) Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) struct Dev {
    _process: Guard,
    pub(crate) banner: Value,
}

/// Starts `fog dev` and reads its banner.
pub(crate) fn dev(home: &Path, data: &Path) -> Dev {
    dev_at(home, data, "127.0.0.1:0")
}

/// The same at this address; the chain listens on the next port.
pub(crate) fn dev_at(home: &Path, data: &Path, listen: &str) -> Dev {
    dev_with(home, data, &["--listen", listen])
}

/// The same with these arguments; somewhere, if they do not say where.
pub(crate) fn dev_with(home: &Path, data: &Path, args: &[&str]) -> Dev {
    let mut command = fog(home);
    command.args(["dev", "--json", "--data"]).arg(data).args(args);
    if !args.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut documents =
        serde_json::Deserializer::from_reader(child.stdout.take().unwrap()).into_iter::<Value>();
    let banner = documents.next().unwrap().unwrap();
    Dev { _process: Guard(child), banner }
}

/// A network with a requestor's and a worker's wallet, `worker` staked with 100 GRAM.
pub(crate) fn staked(home: &Path) -> Dev {
    let network = dev(home, &home.join("network"));
    network.import(home, 1, "worker");
    network.import(home, 0, "requestor");
    network.ok(home, &["worker", "stake", "100", "--wallet", "worker", "--json"]);
    network
}

impl Dev {
    pub(crate) fn text(&self, name: &str) -> &str {
        self.banner[name].as_str().unwrap()
    }

    pub(crate) fn account(&self, index: usize) -> &Value {
        &self.banner["accounts"][index]
    }

    pub(crate) fn fog(&self, home: &Path, args: &[&str]) -> Command {
        let mut command = fog(home);
        command
            .env("FOG_NODE", self.text("node"))
            .env("FOG_CHAIN", self.text("chain"))
            .env("FOG_PASSWORD", "local only")
            .args(args);
        command
    }

    pub(crate) fn ok(&self, home: &Path, args: &[&str]) -> Value {
        let output = run(&mut self.fog(home, args));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "fog {args:?}: {errors}");
        json(&output)
    }

    pub(crate) fn import(&self, home: &Path, index: usize, name: &str) {
        let mut command = self.fog(home, &["wallet", "import", name, "--json"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let words = self.account(index)["mnemonic"].as_str().unwrap();
        child.stdin.take().unwrap().write_all(words.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    pub(crate) fn worker(&self, home: &Path) -> Guard {
        self.worker_with(home, &[])
    }

    pub(crate) fn worker_with(&self, home: &Path, args: &[&str]) -> Guard {
        let args = [&["worker", "up", "--wallet", "worker"], args].concat();
        let mut command = self.fog(home, &args);
        let log = std::fs::File::create(home.join("worker.log")).unwrap();
        Guard(command.stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }
}

pub(crate) fn until(what: &str, mut look: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !look() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_user_stakes_works_posts_and_finds_it_all_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev(home, &data);
    assert_eq!(network.banner["local_only"], true);
    network.import(home, 1, "worker");
    network.import(home, 0, "requestor");
    let staked = network.ok(home, &["worker", "stake", "20", "--wallet", "worker", "--json"]);
    assert_eq!(staked["own_nano"], 20_000_000_000u64);
    let worker = network.worker(home);
    let input = home.join("in.txt");
    std::fs::write(&input, b"one two two").unwrap();
    let (module, out) = (file("cli/guests/wordcount.wasm"), home.join("out.txt"));
    let post = [
        "task",
        "post",
        "--wallet",
        "requestor",
        "--json",
        "--price",
        "0.5",
        "--policy",
        "replay",
        "--audit-rate",
        "0.5",
        "--deadline",
        "10m",
        "--window",
        "5s",
        "--module",
        module.to_str().unwrap(),
        "--input",
        input.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ];
    let view = network.ok(home, &post);
    assert_eq!(view["status"], "paid");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "one\t1\ntwo\t2\n");
    let id = view["id"].as_str().unwrap().to_owned();
    let shown = network.ok(home, &["worker", "show", "--wallet", "worker", "--json"]);
    let earned = shown["earnings_nano"].as_u64().unwrap();
    assert!(earned > 0);

    // A task nobody bids for is taken back.
    let mut cheap = post;
    cheap[6] = "0.000001";
    let unpaid: Vec<&str> = cheap[..cheap.len() - 2].to_vec();
    let view = network.ok(home, &unpaid);
    let open = view["id"].as_str().unwrap().to_owned();
    until("the task to open", || {
        network.ok(home, &["task", "show", &open, "--json"])["status"] == "open"
    });
    let cancel = ["task", "cancel", &open, "--wallet", "requestor", "--json"];
    assert_eq!(network.ok(home, &cancel)["status"], "refunded");

    // Everything is there after a restart.
    drop(worker);
    drop(network);
    let network = dev(home, &data);
    assert_eq!(network.ok(home, &["task", "show", &id, "--json"])["status"], "paid");
    let shown = network.ok(home, &["worker", "show", "--wallet", "worker", "--json"]);
    assert_eq!(shown["earnings_nano"].as_u64(), Some(earned));
    let again = home.join("again.txt");
    let fetched = run(&mut network.fog(
        home,
        &["task", "result", &id, "--wallet", "requestor", "--out", again.to_str().unwrap()],
    ));
    assert_eq!(fetched.status.code(), Some(0));
    assert_eq!(std::fs::read(&again).unwrap(), std::fs::read(&out).unwrap());
    let unbonding = network.ok(home, &["worker", "unstake", "--wallet", "worker", "--json"]);
    assert_eq!(unbonding["unbonding_nano"], 20_000_000_000u64);
}

/// What the doctor says of a network on this machine, while its clock is warped and after its end.
#[test]
fn the_doctor_knows_a_local_network() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev(home, &data);
    network.import(home, 0, "requestor");
    let status = |report: &Value, name: &str| {
        let checks = report["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == name).unwrap();
        (check["status"].as_str().unwrap().to_owned(), check["found"].to_string())
    };
    let report = network.ok(home, &["doctor", "--json"]);
    assert_eq!(report["ok"], true, "{report:#}");
    // A key that everybody knows is good enough here, and no confirmation is needed.
    for name in ["endpoint", "clock", "confirmations", "market", "wallet", "balance", "node"] {
        assert_eq!(status(&report, name).0, "pass", "{report:#}");
    }
    assert!(status(&report, "network").1.contains("LOCAL ONLY"));
    network.ok(home, &["testnet", "warp", "36h", "--json"]);
    let report = network.ok(home, &["doctor", "--json"]);
    assert_eq!(status(&report, "clock").0, "warn", "{report:#}");
    let mut command = network.fog(home, &["doctor", "--json"]);
    drop(network);
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output);
    for name in ["endpoint", "node"] {
        assert_eq!(status(&report, name).0, "fail", "{report:#}");
    }
    assert_eq!(status(&report, "market").0, "skip", "{report:#}");
}
