//! `fog account` in a jetton: the built program, two people, and other people's jetton between them.

use fog_chain::{ChainClient, ChainConfig};
use fog_contracts::{JETTON_TASK_VALUE, jetton_task::JettonTask};
use fog_protocol::{Address, Listing, Units};
use fog_wallet::{Mnemonic, OutMessage, TESTNET, UnlockedWallet, Wallet, WalletVersion};
use serde_json::{Value, json};

use crate::{
    clients::tools,
    dev::{Dev, dev, dev_with, until},
    fog::{file, run},
    scene::Scene,
};

/// Where the chain's server listens, whatever dialect it is asked in.
fn gateway(network: &Dev) -> &str {
    network.text("chain").trim_end_matches("/api/v2")
}

impl Scene<'_> {
    /// Makes three jettons, all of them this wallet's; their masters.
    async fn minted(&self, owner: &str) -> Vec<String> {
        let masters = self.file("masters.json");
        let mint = format!("mint_jettons.py {owner} {}", masters.display());
        tools::python(gateway(self.network), &mint).await;
        serde_json::from_slice(&std::fs::read(masters).unwrap()).unwrap()
    }

    /// What an owner has, as the chain's own index tells it.
    async fn jettons(&self, master: &str, owner: &str) -> u64 {
        let chain = gateway(self.network);
        let url = format!("{chain}/api/v3/jetton/wallets");
        let query = [("owner_address", owner), ("jetton_address", master)];
        let url = reqwest::Url::parse_with_params(&url, query).unwrap();
        let told = reqwest::get(url).await.unwrap().text().await.unwrap();
        let told: Value = serde_json::from_str(&told).unwrap();
        let row = &told["jetton_wallets"][0];
        row["balance"].as_str().map_or(0, |balance| balance.parse().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_in_a_jetton_lives_and_ends() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev(home, &data);
    network.import(home, 0, "requestor");
    network.import(home, 1, "node");
    let scene = Scene { network: &network, home, command: &["account"] };
    let key = scene.ok("node", &["key"]);
    let (node, key) = (key["wallet"].as_str().unwrap(), key["key"].as_str().unwrap());
    let requestor = scene.ok("requestor", &["key"])["wallet"].as_str().unwrap().to_owned();
    let masters = scene.minted(&requestor).await;
    let [master, other, governed] = &masters[..] else { panic!("three jettons") };

    // Opened and paid into; what cannot be is said before anything is sent.
    let terms = ["--payee", node, "--payee-key", key, "--cap", "5", "--delay", "10m", "--jetton"];
    let open = |amount| [&["open", amount], &terms[..]].concat();
    let unknown = [&open("8")[..], &[other.as_str()]].concat();
    assert!(scene.refused("requestor", &unknown).contains("--decimals"));
    let wrong = [&open("8")[..], &[master.as_str(), "--decimals", "9"]].concat();
    assert!(scene.refused("requestor", &wrong).contains("6 decimals"));
    let much = [&open("1000.000001")[..], &[master.as_str()]].concat();
    assert!(scene.refused("requestor", &much).contains("wanted"));
    assert!(scene.refused("requestor", &[&open("8")[..], &[node]].concat()).contains("no jetton"));
    let opened = scene.ok("requestor", &[&open("8")[..], &[master.as_str()]].concat());
    assert_eq!((&opened["status"], &opened["decimals"]), (&json!("open"), &json!(6)));
    assert_eq!(opened["balance_units"], json!("8000000"));
    assert_eq!(opened["room_units"], json!("5000000"));
    let address = opened["address"].as_str().unwrap();
    let more = scene.ok("requestor", &["top-up", address, "0.5"]);
    assert_eq!(more["balance_units"], json!("8500000"));
    let said = run(&mut network.fog(home, &["account", "show", address]));
    assert!(
        String::from_utf8(said.stdout).unwrap().contains("balance 8.5 TST,"),
        "in whole jettons"
    );
    let contract = network.ok(home, &["contract", "show", address, "--json"]);
    assert_eq!(contract["contract"], "JettonAccount");
    assert_eq!(contract["state"]["jetton"], json!(master));
    let with_flag = [&open("2")[..], &[other.as_str(), "--decimals", "6"]].concat();
    assert_eq!(scene.ok("requestor", &with_flag)["balance_units"], json!("2000000"));
    let nine = scene.ok("requestor", &[&open("0.5")[..], &[governed.as_str()]].concat());
    assert_eq!((&nine["decimals"], &nine["balance_units"]), (&json!(9), &json!("500000000")));

    // A thousand tasks, one voucher.
    let first = scene.entries("first.ndjson", 1_000);
    let voucher = scene.voucher(address, &first, "first.json");
    let settled = scene.ok("node", &["settle", &voucher]);
    assert_eq!(settled["paid_units"], json!("1000000"));
    let mut has = scene.jettons(master, node).await;
    while has == 0 {
        has = scene.jettons(master, node).await;
    }
    assert_eq!(has, 1_000_000);
    assert!(scene.refused("node", &["settle", &voucher]).contains("not newer"));
    let proof = scene.file("proof.json");
    let task = format!("{:064x}", 77);
    let prove = ["account", "prove", &task, "--entries", &first, "--out", proof.to_str().unwrap()];
    assert!(run(&mut network.fog(home, &prove)).status.success());
    let check = ["check", proof.to_str().unwrap(), "--at", address];
    assert_eq!(scene.ok("node", &check)["opens"], true);

    // The other side settles too: then it waits for its payee.
    let second = scene.entries("second.ndjson", 3_000);
    let voucher = scene.voucher(address, &second, "second.json");
    let settled = scene.ok("requestor", &["settle", &voucher]);
    assert_eq!(settled["due_payee_units"], json!("2000000"));
    assert!(scene.refused("requestor", &["claim", address]).contains("nothing is owed"));
    assert_eq!(scene.ok("node", &["claim", address])["due_payee_units"], json!("0"));

    // The requestor leaves.
    assert_eq!(scene.ok("requestor", &["close", address])["status"], "closing");
    assert!(scene.refused("requestor", &["close", address]).contains("again in"));
    network.ok(home, &["testnet", "warp", "10m", "--url", network.text("chain"), "--json"]);
    let closed = scene.ok("requestor", &["close", address]);
    assert_eq!((&closed["status"], &closed["balance_units"]), (&json!("closed"), &json!("0")));
    assert!(scene.refused("requestor", &["top-up", address, "1"]).contains("closed"));
    let all = 1_000_000_000;
    let (mut left, mut got) = (0, 0);
    while left + got < all {
        left = scene.jettons(master, &requestor).await;
        got = scene.jettons(master, node).await;
    }
    assert_eq!((left, got), (all - 3_000_000, 3_000_000));
}

/// A task from end to end: posted and paid in a jetton, done, and its pay claimed; refused by a node or a
/// worker that takes no such jetton.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_paid_in_a_jetton() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev(home, &data);
    network.import(home, 0, "requestor");
    network.import(home, 1, "worker");
    let scene = Scene { network: &network, home, command: &["account"] };
    let wallet = |name| scene.ok(name, &["key"])["wallet"].as_str().unwrap().to_owned();
    let (requestor, worker) = (wallet("requestor"), wallet("worker"));
    let masters = scene.minted(&requestor).await;
    let (master, other) = (masters[0].as_str(), masters[1].as_str());
    let (module, input) = (file("cli/guests/wordcount.wasm"), home.join("in.txt"));
    std::fs::write(&input, b"one two two").unwrap();
    let (module, input) = (module.to_str().unwrap(), input.to_str().unwrap());
    let post = |price, guarantee, jetton| {
        let work = ["post", "--module", module, "--input", input, "--window", "0s"];
        let paid = ["--price", price, "--guarantee", guarantee, "--jetton", jetton];
        [&work[..], &paid, &["--deadline", "4m", "--audit-rate", "1"]].concat()
    };
    // This node takes no jettons, and says so before anything is sent.
    let tasks = Scene { command: &["task"], ..scene };
    assert!(tasks.refused("requestor", &post("3", "0.5", master)).contains("no jettons of"));
    drop(network);

    let rate = format!("{master}=5000000");
    let network = dev_with(home, &data, &["--listen", "127.0.0.1:0", "--jetton", &rate]);
    let scene = Scene { network: &network, home, command: &["task"] };
    network.ok(home, &["worker", "stake", "20", "--wallet", "worker", "--json"]);
    // A guarantee that is worth more than what is paid, another jetton, one without decimals.
    let cheap = scene.refused("requestor", &post("2", "0.5", master));
    assert!(cheap.contains("too little for a guarantee"), "{cheap}");
    let unknown = [&post("3", "0.5", other)[..], &["--decimals", "6"]].concat();
    assert!(scene.refused("requestor", &unknown).contains("no jettons of"));
    // A worker that knows no jettons passes; one that does takes it.
    let unwilling = network.worker(home);
    let first = scene.ok("requestor", &post("3", "0.5", master));
    let id = first["id"].as_str().unwrap().to_owned();
    let show = |id: &str| network.ok(home, &["task", "show", id, "--json"]);
    until("a worker that passes", || {
        std::fs::read_to_string(home.join("worker.log")).unwrap().contains("takes no jettons of")
    });
    drop(unwilling);
    let _willing = network.worker_with(home, &["--jetton", &rate]);
    until("the payment", || show(&id)["status"] == "paid");
    let paid = show(&id);
    let agreed = paid["price"].as_u64().unwrap();
    let (cap, units) = (500_000_000, 3_000_000u64);
    assert!(agreed > 0 && agreed <= cap);
    let due = units * agreed / cap;

    // People see the jetton; contracts hold what each is due.
    let said = run(&mut network.fog(home, &["task", "show", &id]));
    let said = String::from_utf8(said.stdout).unwrap();
    let whole = Units::new(due.into()).unwrap().shown(6);
    let price = format!("price     {whole} TST (jetton) (at most 3 TST (jetton))");
    assert!(said.contains(&price) && !said.contains(&format!("price     {cap}")), "{said}");
    let in_jetton = json!({ "master": master, "units": due.to_string() });
    assert_eq!(paid["price_in_jetton"], in_jetton);
    let receipt = network.ok(home, &["task", "receipt", &id, "--json"]);
    assert_eq!(receipt["price_in_jetton"], in_jetton);
    assert_eq!(receipt["cheating_earns_nano"], Value::Null);
    let all = String::from_utf8(run(&mut network.fog(home, &["task", "ls"])).stdout).unwrap();
    assert!(all.contains(&format!("{whole} TST (jetton)")), "{all}");
    let escrow = paid["escrow"].as_str().unwrap();
    let contract = network.ok(home, &["contract", "show", escrow, "--json"]);
    assert_eq!(contract["contract"], "JettonTask");
    let shares = &contract["state"]["jetton"]["due"];
    let number = |name: &str| shares[name].as_str().unwrap().parse::<u64>().unwrap();
    let fee = due - number("worker_units");
    assert!(fee < due / 10, "{contract}");
    let (mine, change) = (number("worker_units"), number("requestor_units"));
    assert_eq!(mine + change + number("treasury_units") + number("node_units"), units);

    // Each takes what is its own, once.
    assert!(scene.refused("worker", &["close", &id]).contains("its requestor's"));
    assert!(scene.refused("requestor", &["close", &id]).contains("`fog task claim` first"));
    let claimed = scene.ok("worker", &["claim", &id]);
    assert_eq!(claimed["shares"][0], json!({ "share": "worker", "units": mine.to_string() }));
    assert!(scene.refused("worker", &["claim", &id]).contains("nothing is due"));
    let log = std::fs::read_to_string(home.join("worker.log")).unwrap();
    assert!(log.contains(&format!("paid: {mine} units of jetton {master}")), "{log}");
    let mut has = 0;
    for _ in 0..200 {
        has = scene.jettons(master, &worker).await;
        if has == mine {
            break;
        }
    }
    assert_eq!(has, mine);
    assert!(change > 0 && number("treasury_units") > 0 && number("node_units") > 0, "{shares}");
    let back = scene.ok("requestor", &["claim", &id])["shares"].clone();
    let treasury = number("treasury_units").to_string();
    assert_eq!(back[0], json!({ "share": "requestor", "units": change.to_string() }));
    assert_eq!(back[1], json!({ "share": "treasury", "units": treasury }));
    // The node's is not worth its fee to it; one that is told that it is takes it at its next start.
    assert!(scene.refused("requestor", &["close", &id]).contains("its worker or node"));
    let (node_units, node) = (number("node_units"), paid["listing"]["operator"].clone());
    assert_eq!(scene.jettons(master, node.as_str().unwrap()).await, 0);
    drop(_willing);
    drop(network);
    for _ in 0..2 {
        let willing = ["--jetton", &rate, "--claim-from", "0"];
        let network = dev_with(home, &data, &willing);
        let scene = Scene { network: &network, home, command: &["task"] };
        until("the node's share", || owed(&network, home, escrow, "node_units") == 0);
        // The jettons are on their way from the one wallet to the other.
        while scene.jettons(master, node.as_str().unwrap()).await < node_units {}
        assert_eq!(scene.jettons(master, node.as_str().unwrap()).await, node_units);
        assert_eq!(claims(&network, escrow, node.as_str().unwrap()).await, 1, "once");
    }
}

/// What somebody is due of a task in a jetton, as its contract says.
fn owed(network: &Dev, home: &std::path::Path, escrow: &str, share: &str) -> u64 {
    let contract = network.ok(home, &["contract", "show", escrow, "--json"]);
    contract["state"]["jetton"]["due"][share].as_str().unwrap().parse().unwrap()
}

fn chain_of(network: &Dev) -> ChainClient {
    let endpoint = format!("{}/api/v2", gateway(network));
    ChainClient::new(ChainConfig::new(endpoint, TESTNET).with_confirmations(Some(0))).unwrap()
}

/// How often this wallet has told a task to send its share.
async fn claims(network: &Dev, escrow: &str, from: &str) -> usize {
    let (escrow, from): (Address, Address) = (escrow.parse().unwrap(), from.parse().unwrap());
    let history = chain_of(network).transactions(&escrow, None, 100, None).await.unwrap();
    let claims = history.iter().filter_map(|tx| tx.in_msg.as_ref()).filter(|message| {
        message.source == Some(from)
            && message.op() == Some(fog_contracts::jetton_task::op::CLAIM_SHARE)
    });
    claims.count()
}

/// The contract itself says what each may do: nobody needs a node for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_in_a_jetton_ends_without_any_node() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev(home, &data);
    network.import(home, 0, "requestor");
    network.import(home, 1, "worker");
    network.import(home, 2, "stranger");
    let scene = Scene { network: &network, home, command: &["account"] };
    let requestor = scene.ok("requestor", &["key"])["wallet"].as_str().unwrap().to_owned();
    let masters = scene.minted(&requestor).await;
    let master = masters[0].as_str();
    drop(network);
    let rate = format!("{master}=5000000");
    let network = dev_with(home, &data, &["--jetton", &rate]);
    let scene = Scene { network: &network, home, command: &["task"] };
    network.ok(home, &["worker", "stake", "20", "--wallet", "worker", "--json"]);
    let (module, input) = (file("cli/guests/wordcount.wasm"), home.join("in.txt"));
    std::fs::write(&input, b"one two two").unwrap();
    let (module, input) = (module.to_str().unwrap(), input.to_str().unwrap());
    let work =
        ["post", "--module", module, "--input", input, "--window", "0s", "--deadline", "40m"];
    let price = ["--price", "3", "--guarantee", "0.5", "--jetton", master, "--audit-rate", "1"];
    let post = [&work[..], &price].concat();
    // From here on nobody answers where the node should be.
    let away = ["--node", "http://127.0.0.1:1"];
    let ok = |who: &str, args: &[&str]| scene.ok(who, &[args, &away].concat());
    let refused = |who: &str, args: &[&str]| scene.refused(who, &[args, &away].concat());
    let posted = scene.ok("requestor", &post);
    let (id, escrow) = (posted["id"].as_str().unwrap(), posted["escrow"].as_str().unwrap());
    assert!(refused("requestor", &["claim", id]).contains("127.0.0.1:1"));

    // Nobody has been assigned to it: nothing is due, and its requestor takes it back.
    until("it to be open", || scene.ok("requestor", &["show", id])["status"] == "open");
    let early = refused("requestor", &["claim", "--escrow", escrow]);
    assert!(early.contains("has not ended: it is open"), "{early}");
    assert!(refused("requestor", &["close", "--escrow", escrow]).contains("has not ended"));
    let strange = refused("stranger", &["cancel", "--escrow", escrow]);
    assert!(strange.contains("is not this wallet's") && strange.contains(&requestor), "{strange}");
    let cancelled = ok("requestor", &["cancel", "--escrow", escrow]);
    assert_eq!((&cancelled["task"], &cancelled["status"]), (&json!(id), &json!("refunded")));
    assert!(refused("requestor", &["cancel", "--escrow", escrow]).contains("the task is refunded"));
    let claimed = ok("requestor", &["claim", "--escrow", escrow]);
    assert_eq!(claimed["shares"], json!([{ "share": "requestor", "units": "3000000" }]));
    assert_eq!((&claimed["task"], &claimed["escrow"]), (&json!(id), &json!(escrow)));

    // One that is done: each has its own, the stranger nothing.
    let worker = network.worker_with(home, &["--jetton", &rate]);
    let posted = scene.ok("requestor", &post);
    let (id, escrow) = (posted["id"].as_str().unwrap(), posted["escrow"].as_str().unwrap());
    until("the payment", || scene.ok("requestor", &["show", id])["status"] == "paid");
    drop(worker);
    assert!(refused("stranger", &["claim", "--escrow", escrow]).contains("is not this wallet's"));
    let mine = owed(&network, home, escrow, "worker_units");
    let claimed = ok("worker", &["claim", "--escrow", escrow]);
    assert_eq!(claimed["shares"], json!([{ "share": "worker", "units": mine.to_string() }]));
    assert!(
        refused("worker", &["claim", "--escrow", escrow]).contains("nothing is due to this wallet")
    );
    assert!(refused("worker", &["close", "--escrow", escrow]).contains("its requestor's"));
    ok("requestor", &["claim", "--escrow", escrow]);
    let node_waits = refused("requestor", &["close", "--escrow", escrow]);
    assert!(node_waits.contains("worker or node"), "{node_waits}");
    // A year later the requestor's word sends the node's share, too; a day after that it is closed.
    let warp = |time| network.ok(home, &["testnet", "warp", time, "--json"]);
    warp("366days");
    let claimed = ok("requestor", &["claim", "--escrow", escrow]);
    assert_eq!(claimed["shares"][0]["share"], "node");
    let early = refused("requestor", &["close", "--escrow", escrow]);
    assert!(early.contains("again in"), "{early}");
    warp("25h");
    assert_eq!(ok("requestor", &["close", "--escrow", escrow])["escrow"], json!(escrow));
    assert!(refused("requestor", &["claim", "--escrow", escrow]).contains("it was closed"));
    assert!(refused("requestor", &["close", "--escrow", escrow]).contains("no rent"));

    // What is no task in a jetton.
    let market = network.text("market");
    let other = refused("requestor", &["claim", "--escrow", market]);
    assert!(other.contains("this program's `Market`"), "{other}");
    assert!(refused("requestor", &["claim", "--escrow", master]).contains("it is code"));
    let nobody = format!("0:{:064x}", 77);
    assert!(refused("requestor", &["close", "--escrow", &nobody]).contains("no contract is at"));
    let usage = scene.refused_with(2, "requestor", &["claim", id, "--escrow", escrow]);
    assert!(usage.contains("cannot be used with"), "{usage}");
    assert!(scene.refused_with(2, "requestor", &["cancel"]).contains("--escrow"));
}

/// A task that was begun, and whose jettons never came: its node drops it, its requestor takes it back.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_task_in_a_jetton_is_taken_back() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev(home, &data);
    network.import(home, 0, "requestor");
    let scene = Scene { network: &network, home, command: &["account"] };
    let requestor = scene.ok("requestor", &["key"])["wallet"].as_str().unwrap().to_owned();
    let masters = scene.minted(&requestor).await;
    drop(network);
    let rate = format!("{}=5000000", masters[0]);
    let network = dev_with(home, &data, &["--jetton", &rate]);
    let scene = Scene { network: &network, home, command: &["task"] };
    let (module, input) = (file("cli/guests/wordcount.wasm"), home.join("in.txt"));
    std::fs::write(&input, b"one two two").unwrap();
    let (module, input) = (module.to_str().unwrap(), input.to_str().unwrap());
    let work = ["post", "--module", module, "--input", input, "--deadline", "4m"];
    // Posted, and more than its requestor has.
    let price =
        ["--price", "2000", "--guarantee", "0.5", "--jetton", &masters[0], "--audit-rate", "1"];
    assert!(scene.refused("requestor", &[&work[..], &price].concat()).contains("are wanted"));
    let posted = scene.ok("requestor", &["ls"])["tasks"][0].clone();
    let (id, escrow) = (posted["id"].as_str().unwrap(), posted["escrow"].as_str().unwrap());
    let show = || scene.ok("requestor", &["show", id]);
    let listing: Listing = serde_json::from_value(show()["listing"].clone()).unwrap();
    let task = JettonTask::of(&listing).unwrap().unwrap();
    let address = task.address().unwrap();
    assert_eq!(address, escrow.parse().unwrap());
    let key =
        Mnemonic::parse(network.account(0)["mnemonic"].as_str().unwrap()).unwrap().secret_key();
    let wallet = Wallet::new(WalletVersion::V5R1, key.public(), TESTNET).unwrap();
    let wallet = UnlockedWallet { wallet, key };
    let begin = OutMessage::new(address, JETTON_TASK_VALUE)
        .with_state_init(task.state_init().unwrap())
        .with_body(fog_contracts::jetton_task::begin(0, &task.jetton).unwrap());
    fog_requestor::call(&chain_of(&network), &wallet, &address, begin).await.unwrap();
    network.ok(home, &["testnet", "warp", "2h", "--json"]);
    until("its node to drop it", || show()["status"] == "dropped");
    let cancelled = scene.ok("requestor", &["cancel", id]);
    assert_eq!((&cancelled["task"], &cancelled["status"]), (&json!(id), &json!("refunded")));
    let contract = network.ok(home, &["contract", "show", escrow, "--json"]);
    assert_eq!(
        (&contract["contract"], &contract["state"]["status"]),
        (&json!("JettonTask"), &json!("refunded"))
    );
    assert!(scene.refused("requestor", &["cancel", id]).contains("the task is refunded"));
}
