//! A staker against `fog dev`: lends stake to a worker who cheats, watches it being slashed, over
//! kills of the watcher and of the whole network, and takes out what is left.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use fog_contracts::delegation::DelegationInit;
use fog_protocol::Address;
use serde_json::Value;

use crate::{
    dev::{Dev, Guard, dev_at, until},
    fog::{file, fog, json, run},
};

const GRAM: u64 = 1_000_000_000;

/// `fog slashes watch`, piped: killed when dropped.
struct Watch {
    _process: Guard,
    lines: Receiver<Value>,
}

impl Watch {
    /// With nothing but the market's and the chain's addresses: there is no node to ask.
    fn start(home: &Path, market: &str, chain: &str, from: u64) -> Self {
        let mut command = fog(home);
        command.env("FOG_CHAIN", chain).env("FOG_NODE", "http://127.0.0.1:9");
        command.args(["slashes", "watch", "--market", market, "--from", &from.to_string()]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                // Nobody may listen any more.
                let _ = tell.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self { _process: Guard(child), lines }
    }

    fn next(&self) -> Value {
        self.lines.recv_timeout(Duration::from_secs(60)).expect("a slash is told")
    }
}

/// Posts a task that its worker gets wrong; returns its id.
fn cheated(network: &Dev, home: &Path) -> String {
    let input = home.join("in.txt");
    std::fs::write(&input, b"one two two").unwrap();
    let module = file("cli/guests/wordcount.wasm");
    let (module, input) = (module.to_str().unwrap(), input.to_str().unwrap());
    let post = [
        ["task", "post", "--wallet", "requestor", "--json", "--wait"].as_slice(),
        &["--price", "0.5", "--policy", "replay", "--audit-rate", "1", "--deadline", "10m"],
        &["--window", "5s", "--module", module, "--input", input],
    ];
    let output = run(&mut network.fog(home, &post.concat()));
    let view = json(&output);
    assert_eq!(view["status"], "slashed", "{}", String::from_utf8_lossy(&output.stderr));
    view["id"].as_str().unwrap().to_owned()
}

/// What `fog slashes watch` tells once, with nobody watching before or after.
fn once(network: &Dev, home: &Path, args: &[&str]) -> Vec<Value> {
    let args = [&["slashes", "watch", "--once"], args].concat();
    let output = run(&mut network.fog(home, &args));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn number(of: &Value, name: &str) -> u64 {
    of[name].as_u64().unwrap_or_else(|| panic!("{name} of {of}"))
}

#[test]
fn a_staker_lends_watches_and_takes_out_what_is_left() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let listen = fog_harness::free_address(2).unwrap().to_string();
    let network = dev_at(home, &data, &listen);
    for (index, name) in [(0, "requestor"), (1, "worker"), (2, "staker")] {
        network.import(home, index, name);
    }
    let market = network.text("market").to_owned();
    let chain = network.text("chain").to_owned();
    let worker = network.account(1)["address"].as_str().unwrap().to_owned();

    let delegate = |amount: &str| {
        let args = ["stake", "delegate", &worker, amount, "--wallet", "staker", "--json"];
        run(&mut network.fog(home, &args))
    };
    // There is nothing to join yet.
    assert_eq!(delegate("30").status.code(), Some(1));
    let staked = network.ok(home, &["worker", "stake", "20", "--wallet", "worker", "--json"]);
    let commission = ["worker", "commission", "12.5", "--wallet", "worker", "--json"];
    assert_eq!(network.ok(home, &commission)["next_commission_bps"], 1250);
    let held = json(&delegate("30"));
    assert_eq!(held[0]["worth_nano"], 30 * GRAM, "{held}");
    assert_eq!(held[0]["commission_bps"], 1250);
    let address = |value: &Value| value.as_str().unwrap().parse::<Address>().unwrap();
    let delegation = DelegationInit {
        stake: address(&staked["stake"]),
        owner: address(&network.account(2)["address"]),
    };
    let delegation = delegation.address().unwrap().to_string();
    let shown = network.ok(home, &["contract", "show", &delegation, "--json"]);
    assert_eq!(shown["contract"], "Delegation");
    assert_eq!(address(&shown["state"]["stake"]), address(&staked["stake"]));
    assert_ne!(shown["state"]["shares"], "0");
    let shown = network.ok(home, &["worker", "show", "--wallet", "worker", "--json"]);
    assert_eq!(shown["free_nano"], 50 * GRAM);

    let watch = Watch::start(home, &market, &chain, 0);
    let start = || {
        let mut command = fog(home);
        command
            .env("FOG_NODE", format!("http://{listen}"))
            .env("FOG_CHAIN", &chain)
            .env("FOG_PASSWORD", "local only")
            .args(["worker", "up", "--wallet", "worker", "--adversary"]);
        Guard(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    };
    let cheat = start();
    let task = cheated(&network, home);
    let first = watch.next();
    assert_eq!(first["task"].as_str(), Some(task.as_str()));
    assert_eq!((&first["worker"], &first["reason"]), (&held[0]["worker"], &"verdict".into()));
    let amount = number(&first, "amount_nano");
    assert_eq!(number(&first, "own_nano") + number(&first, "delegated_nano"), amount);
    assert_eq!(number(&first, "requestor_nano") + number(&first, "burned_nano"), amount);
    assert!(number(&first, "burned_nano") * 2 >= amount);
    // In proportion: 30 of 50.
    assert!(number(&first, "delegated_nano").abs_diff(amount / 5 * 3) <= 3, "{first}");
    let ls = ["stake", "ls", "--wallet", "staker", "--json"];
    let left = number(&network.ok(home, &ls)[0], "worth_nano");
    assert!(left.abs_diff(30 * GRAM - number(&first, "delegated_nano")) <= 1);

    // Everything is killed; a watcher goes on from where the other stopped, before there is a
    // chain to ask.
    drop((watch, cheat, network));
    let watch = Watch::start(home, &market, &chain, number(&first, "lt"));
    let network = dev_at(home, &data, &listen);
    let cheat = start();
    let task = cheated(&network, home);
    let second = watch.next();
    assert_eq!(second["task"].as_str(), Some(task.as_str()));
    // And on over an outage it sits through.
    drop((cheat, network));
    let network = dev_at(home, &data, &listen);
    let cheat = start();
    let task = cheated(&network, home);
    let third = watch.next();
    assert_eq!(third["task"].as_str(), Some(task.as_str()));
    drop(cheat);
    assert!(watch.lines.recv_timeout(Duration::from_secs(2)).is_err(), "nothing is told twice");
    assert_eq!(once(&network, home, &[]), [first.clone(), second.clone(), third.clone()]);

    // Nobody watches while the next one happens; it is told to whoever asks later.
    drop(watch);
    let cheat = start();
    let task = cheated(&network, home);
    drop(cheat);
    let since = number(&third, "lt").to_string();
    let told = once(&network, home, &["--from", &since]);
    let [fourth] = &told[..] else { panic!("one since then: {told:?}") };
    assert_eq!(fourth["task"].as_str(), Some(task.as_str()));
    assert!(number(fourth, "lt") > number(&third, "lt"));
    assert_eq!(
        once(&network, home, &["--from", &number(fourth, "lt").to_string()]),
        [Value::Null; 0]
    );
    assert_eq!(once(&network, home, &[]).last(), Some(fourth));
    for id in [second["id"].as_str().unwrap(), second["task"].as_str().unwrap()] {
        assert_eq!(network.ok(home, &["slashes", "show", id, "--json"]), second);
    }
    shows_why(&network, home, &second);
    let nothing = run(&mut network.fog(home, &["slashes", "show", &"7".repeat(64)]));
    assert_eq!(nothing.status.code(), Some(1));

    // What is left comes out, after its time.
    let withdraw = ["stake", "withdraw", "--wallet", "staker", "--json"];
    let leaving = network.ok(home, &withdraw);
    let leaves = number(&leaving[0]["leaving"][0], "worth_nano");
    assert!(leaves < left && leaves > 0);
    assert_eq!(run(&mut network.fog(home, &withdraw)).status.code(), Some(1), "not yet");
    network.ok(home, &["testnet", "warp", "30d", "--json"]);
    let balance = || {
        let args = ["wallet", "balance", "--wallet", "staker", "--json"];
        number(&network.ok(home, &args), "balance_nano")
    };
    let before = balance();
    let mut out = Value::Null;
    until("what left is out", || {
        let output = run(&mut network.fog(home, &withdraw));
        out = json(&output);
        output.status.code() == Some(0)
    });
    assert_eq!(out, Value::Array(Vec::new()));
    assert!((balance() - before).abs_diff(leaves) < GRAM / 10);
}

/// A slash names what it rests on, and how to get that; it holds without a node.
fn shows_why(network: &Dev, home: &Path, slash: &Value) {
    let hash = slash["evidence"].as_str().unwrap();
    let shown = run(&mut network.fog(home, &["slashes", "show", slash["id"].as_str().unwrap()]));
    let shown = String::from_utf8(shown.stdout).unwrap();
    let command = format!("fog task evidence --hash {hash} --out FILE");
    assert!(shown.contains(&command), "{shown}");
    let bundle = home.join("slash.fog");
    let bundle = bundle.to_str().unwrap();
    let command = command.replace("FILE", bundle);
    let words: Vec<_> = command.split(' ').skip(1).collect();
    let written = network.ok(home, &[&words[..], &["--json"]].concat());
    assert_eq!((&written["task"], &written["evidence"]), (&slash["task"], &slash["evidence"]));
    let report = json(&run(fog(home).args(["verify", bundle, "--json"])));
    assert_eq!(
        (&report["ok"], &report["verdict"]),
        (&true.into(), &"rejected".into()),
        "{report:#}"
    );
    assert_eq!(report["evidence"], slash["evidence"]);
}
