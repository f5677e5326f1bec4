//! `fog testnet up` and what its owner tells it: as processes, killed and starved.

use std::{
    io::BufReader,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde_json::{Value, json};

use crate::fog::{fog, json, program, run};

/// A chain that ends with the test.
struct Chain {
    process: Child,
    banner: Value,
}

impl Drop for Chain {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Chain {
    /// Starts `fog testnet up` and waits for its banner.
    fn start(home: &Path, args: &[&str]) -> Self {
        let mut command = fog(home);
        command.args(["testnet", "up", "--json", "--listen", "127.0.0.1:0", "--accounts", "0"]);
        Self::of(command.args(args))
    }

    fn of(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut documents = serde_json::Deserializer::from_reader(output).into_iter::<Value>();
        let banner = documents.next().expect("the chain starts").unwrap();
        Self { process, banner }
    }

    fn url(&self) -> &str {
        self.banner["url"].as_str().unwrap()
    }

    fn run(&self, home: &Path, args: &[&str]) -> Output {
        run(fog(home).arg("testnet").args(args).args(["--json", "--url", self.url()]))
    }

    fn ok(&self, home: &Path, args: &[&str]) -> Value {
        let output = self.run(home, args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "fog testnet {args:?}: {errors}");
        json(&output)
    }

    /// Ends it by SIGTERM; it must end well.
    fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.process.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn address(number: u64) -> String {
    format!("0:{:064x}", number + 1)
}

fn call(url: &str, body: Value, runtime: &tokio::runtime::Runtime) -> Option<Value> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20));
    let request = client.build().unwrap().post(url).json(&body);
    runtime.block_on(async {
        let answer: Value = request.send().await.ok()?.json().await.ok()?;
        (answer["ok"] == true).then(|| answer["result"].clone())
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn fund(url: &str, number: u64, runtime: &tokio::runtime::Runtime) -> bool {
    let body = json!({ "address": address(number), "amount": "1000" });
    call(&format!("{url}/control/fund"), body, runtime).is_some()
}

/// Every acknowledged payment is there, in the account and in the sums; of the one that was under
/// way when the end came, all or nothing.
fn check(chain: &Chain, home: &Path, acknowledged: u64, runtime: &tokio::runtime::Runtime) -> u64 {
    let rpc = format!("{}/api/v2/jsonRPC", chain.url());
    let balance = |number: u64| {
        let params = json!({ "address": address(number) });
        let body = json!({ "id": 1, "method": "getAddressBalance", "params": params });
        call(&rpc, body, runtime).unwrap()
    };
    for number in 0..acknowledged {
        assert_eq!(balance(number), "1000", "payment {number}");
    }
    let more = u64::from(balance(acknowledged) != "0");
    let status = chain.ok(home, &["status"]);
    let (transactions, in_flight) =
        (status["transactions"].as_u64().unwrap(), status["backlog"].as_u64().unwrap());
    assert_eq!(in_flight, 0);
    assert_eq!(transactions, 2 * (acknowledged + more));
    acknowledged + more
}

#[test]
fn killed_again_and_again_it_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("chain"));
    let runtime = runtime();
    let mut paid = 0;
    for round in 0..8u64 {
        let chain = Chain::start(home, &["--data", data.to_str().unwrap()]);
        paid = check(&chain, home, paid, &runtime);
        if round == 4 {
            chain.ok(home, &["checkpoint", "kept"]);
        }
        // Payments go on while the process is killed: one is under way, whatever the moment.
        let (url, goal) = (chain.url().to_owned(), paid + 5 + 7 * round);
        let done = AtomicU64::new(paid);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = self::runtime();
                while fund(&url, done.load(Ordering::SeqCst), &runtime) {
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
            while done.load(Ordering::SeqCst) < goal {
                std::thread::yield_now();
            }
            chain.kill();
        });
        paid = done.load(Ordering::SeqCst);
    }
    let chain = Chain::start(home, &["--data", data.to_str().unwrap()]);
    let all = check(&chain, home, paid, &runtime);
    let kept = chain.ok(home, &["checkpoints"]);
    let restored = chain.ok(home, &["restore", "kept"]);
    assert_eq!(restored["seqno"], kept[0]["seqno"]);
    assert!(restored["transactions"].as_u64().unwrap() < 2 * all);
    chain.stop();
}

#[test]
fn a_file_that_may_not_grow_fails_clearly_and_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("chain"));
    Chain::start(home, &["--data", data.to_str().unwrap()]).stop();
    let size = std::fs::metadata(data.join("chain.redb")).unwrap().len();
    // The system's own limit on the size of files, in units of 512 bytes; not a test's double.
    let limit = size / 512 + 256;
    let script = format!(
        "trap '' XFSZ; ulimit -f {limit}; exec \"$0\" testnet up --json --listen 127.0.0.1:0 \
         --accounts 0 --data \"$1\""
    );
    let mut command = Command::new("/bin/sh");
    command.env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin").current_dir(home);
    let chain = Chain::of(command.arg("-c").arg(script).arg(program()).arg(&data));
    let runtime = runtime();
    let mut paid = 0;
    while fund(chain.url(), paid, &runtime) {
        paid += 1;
        assert!(paid < 5_000, "the limit never mattered");
    }
    assert!(paid > 0);
    let refused = chain.run(home, &["fund", &address(paid), "1000n"]);
    assert_eq!(refused.status.code(), Some(1));
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(error.contains("no space for the chain's file"), "{error}");
    assert!(error.contains("nothing acknowledged is lost"), "{error}");
    assert_eq!(check(&chain, home, paid, &runtime), paid, "it answers, and knows what it had");
    chain.kill();

    let chain = Chain::start(home, &["--data", data.to_str().unwrap()]);
    assert_eq!(check(&chain, home, paid, &runtime), paid);
    assert!(fund(chain.url(), paid, &runtime), "with room again it goes on");
    chain.stop();
}

#[test]
fn its_owner_funds_mines_warps_keeps_and_restores() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let chain = Chain::start(home, &["--clock", "frozen", "--block-time", "5s"]);
    assert_eq!(chain.banner["local_only"], true);
    let start = chain.ok(home, &["status"])["now"].as_u64().unwrap();
    let funded = chain.ok(home, &["fund", &address(0), "1.5"]);
    assert_eq!(funded["amount"], "1500000000");
    assert_eq!(chain.ok(home, &["mine", "3"])["now"], start + 15);
    let kept = chain.ok(home, &["checkpoint", "before"]);
    assert_eq!(chain.ok(home, &["warp", "10years"])["now"], start + 15 + 315_576_000);
    chain.ok(home, &["fund", &address(0), "1GRAM"]);
    let restored = chain.ok(home, &["restore", "before"]);
    assert_eq!((&restored["seqno"], &restored["now"]), (&kept["seqno"], &json!(start + 15)));
    assert_eq!(chain.ok(home, &["checkpoints"])[0], kept);
    chain.ok(home, &["forget", "before"]);
    assert_eq!(chain.ok(home, &["checkpoints"]), json!([]));

    for (args, code, says) in [
        (vec!["restore", "before"], 2, "there is no checkpoint before"),
        (vec!["checkpoint", "../before"], 2, "a checkpoint's name"),
        (vec!["fund", "nobody", "1"], 2, "invalid value 'nobody'"),
        (vec!["fund", &address(0), "6000000000"], 2, "the faucet has no more than"),
        (vec!["warp", "1ms"], 2, "whole seconds"),
    ] {
        let output = chain.run(home, &args);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        assert!(error.contains(says), "{args:?}: {error}");
    }
    let url = chain.url().to_owned();
    chain.stop();
    let output = run(fog(home).args(["testnet", "mine", "--url", &url]));
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("no chain listens at"), "{error}");
}

#[test]
fn a_folder_of_something_else_is_refused_with_the_reason() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    std::fs::write(home.join("letter.txt"), "dear diary").unwrap();
    let up = |data: &str| {
        run(fog(home).args(["testnet", "up", "--listen", "127.0.0.1:0", "--data", data]))
    };
    let output = up(".");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("holds other things and no chain"), "{error}");
    std::fs::create_dir(home.join("bad")).unwrap();
    std::fs::write(home.join("bad/chain.redb"), [3; 70_000]).unwrap();
    let error = String::from_utf8_lossy(&up("bad").stderr).into_owned();
    assert!(error.contains("is not the file of an embedded chain"), "{error}");
    let _running = Chain::start(home, &["--data", "good"]);
    let error = String::from_utf8_lossy(&up("good").stderr).into_owned();
    assert!(error.contains("another process runs this chain"), "{error}");
}
