//! `fog market` and `fog contract` against a network of one's own.

use fog_chain::{ChainClient, ChainConfig};
use fog_contracts::{
    MARKET_VALUE,
    market::{self, MarketData, MarketInit},
};
use fog_harness::LocalAccount;
use fog_protocol::{Address, Hash32, Nano};
use fog_wallet::{OutMessage, TESTNET};
use serde_json::Value;

use crate::{
    dev::{Dev, dev, dev_with},
    fog::{json, run},
};

/// Runs what must fail with exit code 1, and gives what it says.
fn refused(network: &Dev, home: &std::path::Path, args: &[&str]) -> String {
    let output = run(&mut network.fog(home, args));
    assert_eq!(output.status.code(), Some(1), "fog {args:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn index_of(network: &Dev, role: &str) -> usize {
    let accounts = network.banner["accounts"].as_array().unwrap();
    accounts.iter().position(|account| account["role"] == role).unwrap()
}

#[test]
fn the_rules_are_read_by_anybody_and_changed_by_the_owner() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev(home, &data);
    network.import(home, index_of(&network, "owner"), "owner");
    network.import(home, 1, "worker");
    network.import(home, 0, "requestor");

    let shown = network.ok(home, &["market", "show", "--json"]);
    let config = &shown["state"]["config"];
    assert_eq!((&shown["ok"], &config["code_is_this_programs"]), (&true.into(), &true.into()));
    assert_eq!(shown["this_program"]["Task"], config["task_code_hash"]);
    let text = run(&mut network.fog(home, &["market", "show"]));
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("of this program's own code"), "{text}");

    let change = home.join("change.toml");
    std::fs::write(&change, "fee_bps = 123\n").unwrap();
    let file = change.to_str().unwrap();
    let propose = ["market", "propose", "--file", file, "--wallet"];
    let with = |wallet: &'static str| [&propose[..], &[wallet, "--json"]].concat();
    let why = refused(&network, home, &with("worker"));
    assert!(why.contains("100") || why.contains("may not"), "{why}");
    let proposed = network.ok(home, &with("owner"));
    let proposal = &proposed["state"]["proposal"];
    assert_eq!(proposal["change"]["fee_bps"], 123);
    assert_eq!(proposed["state"]["config"]["fee_bps"], config["fee_bps"]);
    refused(&network, home, &["market", "apply", "--wallet", "worker"]);

    let by_owner =
        |args: &[&str]| network.ok(home, &[args, &["--wallet", "owner", "--json"]].concat());
    assert_eq!(by_owner(&["market", "pause"])["state"]["paused"], true);
    assert_eq!(by_owner(&["market", "resume"])["state"]["paused"], false);
    assert_eq!(by_owner(&["market", "withdraw"])["state"]["proposal"], Value::Null);
    let heir = network.banner["accounts"][0]["address"].as_str().unwrap().to_owned();
    let offered = by_owner(&["market", "offer-owner", &heir]);
    assert!(offered["state"]["heir"]["accepts_at"].as_u64().unwrap() > 0);
    let early = refused(&network, home, &["market", "accept-owner", "--wallet", "requestor"]);
    assert!(early.contains("time"), "{early}");
    assert_eq!(by_owner(&["market", "keep-owner"])["state"]["heir"], Value::Null);

    for (text, why) in [
        ("", "changes nothing"),
        ("fee_bps = 123\nfees = 1\n", "unknown field"),
        ("fee_bps = \"much\"\n", "invalid type"),
        ("threshold = 200\n", "contract refused"),
        ("\u{0}", "change.toml"),
    ] {
        std::fs::write(&change, text).unwrap();
        let output = run(&mut network.fog(home, &with("owner")));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_ne!(output.status.code(), Some(0), "{text:?}");
        assert!(said.contains(why), "{text:?}: {said}");
    }
}

#[test]
fn a_contract_says_what_it_is() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev(home, &data);
    network.import(home, 1, "worker");
    let market = network.ok(home, &["market", "show", "--json"])["market"].clone();
    let show = |address: &Value| {
        network.ok(home, &["contract", "show", address.as_str().unwrap(), "--json"])
    };
    let shown = show(&market);
    assert_eq!(shown["contract"], "Market");
    assert!(shown["balance_nano"].as_u64().unwrap() > 0);
    let staked = network.ok(home, &["worker", "stake", "20", "--wallet", "worker", "--json"]);
    let shown = show(&staked["stake"]);
    assert_eq!(shown["contract"], "Stake");
    assert_eq!(shown["state"]["stake_nano"], 20_000_000_000u64);
    let address = |value: &Value| value.as_str().unwrap().parse::<Address>().unwrap();
    let owner = &network.banner["accounts"][1]["address"];
    assert_eq!(address(&shown["state"]["worker"]), address(owner));

    // A wallet, an empty address, and no address.
    let wallet = network.banner["accounts"][1]["address"].as_str().unwrap();
    let why = refused(&network, home, &["contract", "show", wallet]);
    assert!(why.contains("none of this program's"), "{why}");
    let nobody = format!("0:{}", "77".repeat(32));
    let why = refused(&network, home, &["contract", "show", &nobody]);
    assert!(why.contains("no deployed contract"), "{why}");
    let output = run(&mut network.fog(home, &["contract", "show", "hello"]));
    assert_eq!(output.status.code(), Some(2));
    let output = run(&mut network.fog(home, &["market", "show", "--market", wallet, "--json"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty() || json(&output)["ok"] == false);
}

/// Deploys a market that is like this one, but for the code of its tasks and stakes.
async fn of_other_code(chain: &str, like: Address, owner: &LocalAccount) -> Address {
    let endpoint = format!("{}/api/v2", chain.trim_end_matches("/api/v2"));
    let client = ChainClient::new(ChainConfig::new(endpoint, TESTNET)).unwrap();
    let data = client.account(&like).await.unwrap().data.unwrap();
    let mut config = MarketData::parse(&data).unwrap().config.unwrap();
    config.task_code_hash = Hash32([7; 32]);
    config.stake.task_code_hash = config.task_code_hash;
    let init = MarketInit { owner: owner.address(), salt: 4242 };
    let market = init.address().unwrap();
    let deploy = OutMessage::new(market, MARKET_VALUE.saturating_add(Nano::grams(1)))
        .with_state_init(init.state_init().unwrap())
        .with_body(market::setup(0, &config).unwrap());
    fog_requestor::send(&client, &owner.wallet, &[deploy]).await.unwrap();
    let config = |data| MarketData::parse(&data).unwrap().config;
    while client.account(&market).await.unwrap().data.and_then(config).is_none() {}
    market
}

#[test]
fn a_market_of_other_code_is_told_apart() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev_with(home, &data, &["--seed", "3"]);
    let shown = network.ok(home, &["market", "show", "--json"]);
    let like = shown["market"].as_str().unwrap().parse().unwrap();
    let owner = LocalAccount::new(3, "owner").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let market = runtime.block_on(of_other_code(network.text("chain"), like, &owner)).to_string();
    let show = ["market", "show", "--market", &market];
    let output = run(&mut network.fog(home, &show));
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("DIFFERS: it registers tasks or stakes of other code"), "{text}");
    let output = run(&mut network.fog(home, &[&show[..], &["--json"]].concat()));
    let told = json(&output);
    let config = &told["state"]["config"];
    assert_eq!((output.status.code(), &told["ok"]), (Some(1), &false.into()));
    assert_eq!(config["code_is_this_programs"], false);
    assert_ne!(config["task_code_hash"], told["this_program"]["Task"]);
}
