//! Posted tasks that hit a limit: their requestor is told which one, and how far they got, as
//! `fog run` says it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json as value;

use crate::{
    dev::{Guard, staked, until},
    fog::{file, fog, json, run},
};

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Divides without end: all its fuel lasts for seconds.
const SLOW: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x03\x01\0\x01\
    \x07\x13\x02\x06memory\x02\0\x06_start\0\0\x0a\x15\x01\x13\x01\x01\x7e\x03\x40\
    \x42\x7f\x20\0\x42\x01\x84\x80\x21\0\x0c\0\x0b\x0b";

/// Kills what `process` has started, as a host does that runs out of memory.
fn kill_children(process: &Guard) {
    let threads = std::fs::read_dir(format!("/proc/{}/task", process.0.id())).unwrap();
    for thread in threads.flatten() {
        let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            let pid = Pid::from_raw(child.parse().unwrap()).unwrap();
            // It may be gone already.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// A host's own limits make no result, but the requestor hears of them.
#[test]
fn who_posts_what_its_worker_gives_up_is_told_why() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let network = staked(home);
    let worker = network.worker(home);
    let (module, input) = (home.join("slow.wasm"), home.join("input"));
    std::fs::write(&module, SLOW).unwrap();
    std::fs::write(&input, "").unwrap();
    let work = ["--module", path(&module), "--input", path(&input)];
    let post = ["task", "post", "--wallet", "requestor", "--price", "0.5", "--json"];
    let posted = network.ok(home, &[&post[..], &work].concat());
    let id = posted["id"].as_str().unwrap();

    let show = || network.ok(home, &["task", "show", id, "--json"]);
    until("the task to run", || show()["status"] == "running");
    let since = Instant::now();
    let mut view = show();
    while view["given_up"].is_null() {
        assert!(since.elapsed() < Duration::from_secs(60), "{view:#}");
        kill_children(&worker);
        view = show();
    }
    let given_up = &view["given_up"];
    assert_eq!(given_up["cause"], value!({ "kind": "host" }), "{view:#}");
    assert_eq!((&given_up["worker"], &view["status"]), (&view["worker"], &"running".into()));
    let receipt = network.ok(home, &["task", "receipt", id, "--json"]);
    assert_eq!(&receipt["given_up"], given_up);
    let detail = given_up["detail"].as_str().unwrap();
    // Killed while it ran, or at the last attempt already while it started.
    let ends = ["the sandbox process died", "the sandbox process did not get ready"];
    assert!(ends.iter().any(|end| detail.starts_with(end)), "{view:#}");
    let words = format!(
        "worker {} says: its host could not run the program to its end: {detail}",
        view["worker"].as_str().unwrap(),
    );
    for command in ["show", "receipt"] {
        let shown = run(&mut network.fog(home, &["task", command, id]));
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains(&words), "{shown}");
    }
}

#[test]
fn a_posted_task_says_which_limit_it_hit_and_how_far_it_got() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let network = staked(home);
    let _worker = network.worker(home);
    let (wordcount, reverse) = (file("cli/guests/wordcount.wasm"), file("cli/guests/reverse.wasm"));
    let assembled = |name: &str, fields: &str| {
        let at = home.join(name);
        std::fs::write(&at, wat::parse_str(format!("(module {fields})")).unwrap()).unwrap();
        at
    };
    let deep = assembled("deep.wasm", "(func $f (export \"_start\") (call $f))");
    let wide = assembled(
        "wide.wasm",
        "(table 1 funcref) (func (export \"_start\")
           (if (i32.eq (table.grow (ref.null func) (i32.const 6000)) (i32.const -1))
             (then unreachable)))",
    );
    let input = home.join("input");
    std::fs::write(&input, "the fog comes\n".repeat(150_000)).unwrap();

    for (module, flag, most, means, limit, named, unit) in [
        (&wordcount, "--fuel", "1000", 1_000, "fuel", "fuel", "units"),
        (&reverse, "--memory", "1", 1 << 20, "memory_bytes", "memory", "bytes"),
        (&reverse, "--max-output", "1", 1 << 20, "output_bytes", "output size", "bytes"),
        (&deep, "--stack", "64", 64 << 10, "stack_bytes", "stack", "bytes"),
        (&wide, "--table", "5000", 5_000, "table_elements", "table elements", "elements"),
    ] {
        let work = ["--module", path(module), "--input", path(&input), flag, most];
        let ran = json(&run(fog(home).args([&["run", "--json"][..], &work].concat())));
        assert_eq!(
            (&ran["outcome"], &ran["limit"]),
            (&"limit_hit".into(), &named.into()),
            "{ran:#}"
        );

        let terms = ["--price", "0.5", "--window", "5s", "--wait", "--json"];
        let post = [&["task", "post", "--wallet", "requestor"], &work[..], &terms].concat();
        let view = network.ok(home, &post);
        // Who ran it faithfully is paid: a program that fails is a result, too.
        assert_eq!(view["status"], "paid", "{view:#}");
        let (reached, allowed) = (&ran["reached"], &ran["allowed"]);
        assert_eq!(*allowed, means, "{flag} {most}");
        let end = value!({
            "kind": "limit_hit", "limit": limit, "reached": reached, "allowed": allowed
        });
        assert_eq!(view["exit"], end, "{view:#}");
        let id = view["id"].as_str().unwrap();
        assert_eq!(network.ok(home, &["task", "receipt", id, "--json"])["exit"], end);
        let words = format!("the {named} limit was hit: {reached} of {allowed} {unit}");
        for command in ["show", "receipt"] {
            let shown = run(&mut network.fog(home, &["task", command, id]));
            let shown = String::from_utf8(shown.stdout).unwrap();
            assert!(shown.contains(&words), "{shown}");
        }
    }

    // In chunks: each has its share of the limits, and says where it ended.
    let work = ["--module", path(&wordcount), "--input", path(&input), "--fuel", "2000"];
    let cut = ["--policy", "merkle", "--chunk", "1000000", "--price", "0.5", "--window", "5s"];
    let post = ["task", "post", "--wallet", "requestor", "--json", "--wait"];
    let view = network.ok(home, &[&post[..], &work, &cut].concat());
    let out = home.join("out");
    let fetch = ["task", "result", view["id"].as_str().unwrap(), "--wallet", "requestor", "--out"];
    let output = run(&mut network.fog(home, &[&fetch[..], &[path(&out)]].concat()));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // 2,100,000 bytes are at most three chunks of a million.
    let words = "chunk 2: the fuel limit was hit: 666 of 666 units";
    assert!(said.contains(words), "{said}");
}
