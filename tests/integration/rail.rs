//! `fog task post --rail account`, end to end: one account, many tasks, one redemption.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    dev::{dev, until},
    fog::{file, run},
    scene::Scene,
};

const GRAM: u64 = 1_000_000_000;

impl Scene<'_> {
    fn post<'b>(&self, account: &'b str, input: &'b Path, price: &'b str) -> Vec<String> {
        let module = file("cli/guests/wordcount.wasm");
        let words = [
            "task",
            "post",
            "--rail",
            "account",
            "--account",
            account,
            "--price",
            price,
            "--module",
            module.to_str().unwrap(),
            "--input",
            input.to_str().unwrap(),
            "--deadline",
            "10m",
            "--window",
            "0s",
        ];
        words.map(str::to_owned).to_vec()
    }

    fn view(&self, address: &str) -> Value {
        self.ok("requestor", &["account", "show", address])
    }
}

fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

#[test]
fn tasks_are_paid_from_one_account_by_vouchers_that_both_sides_recompute() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("network"));
    let network = dev(home, &data);
    network.import(home, 0, "requestor");
    network.import(home, 1, "worker");
    let scene = Scene { network: &network, home, command: &[] };
    scene.ok("worker", &["worker", "stake", "20"]);
    let worker = network.worker(home);
    let input = home.join("in.txt");
    std::fs::write(&input, b"one two two").unwrap();

    // An account nobody opened, and one that is not enough: refused, with the cure.
    let nowhere = format!("0:{:064x}", 7);
    let said = scene.refused("requestor", &words(&scene.post(&nowhere, &input, "0.1")));
    assert!(said.contains("fog account open"), "{said}");
    let open = ["account", "open", "0.3", "--cap", "0.1", "--delay", "10m"];
    let account = scene.ok("requestor", &open);
    let account = account["address"].as_str().unwrap().to_owned();
    let mut cheap_audit = scene.post(&account, &input, "0.1");
    cheap_audit.extend(["--audit-rate".to_owned(), "0.5".to_owned()]);
    assert!(scene.refused("requestor", &words(&cheap_audit)).contains("--audit-rate 1"));

    // Each task is acknowledged by a voucher.
    for number in 1..=2u64 {
        counted(&scene, &account, &input, number);
    }
    drop(worker);
    drop(network);

    // Nothing is lost in a restart. What is left of the cap would be too little for another task like
    // these: what is vouched for is redeemed, and makes room.
    let network = dev(home, &data);
    let scene = Scene { network: &network, home, command: &[] };
    let worker = network.worker(home);
    let paid = |at: &Value| at["paid_nano"].as_u64().unwrap();
    until("the node to redeem", || paid(&scene.view(&account)) > 0);
    let at = scene.view(&account);
    assert_eq!(paid(&at) + at["balance_nano"].as_u64().unwrap(), 3 * GRAM / 10, "{at:#}");
    assert_eq!(at["entries"], 2);
    counted(&scene, &account, &input, 3);
    let owed = 3 * paid(&at) / 2;
    let signed = scene.ok("requestor", &["account", "vouch", &account]);
    assert_eq!((&signed["count"], &signed["total_nano"]), (&json!(3), &json!(owed)));
    assert!(signed["payer"].is_string() && signed["payee"].is_string());
    paid_out(&scene, home, owed);
    // What was looked at is on disk: a proof that a task was among it, against what the chain paid for.
    let kept = home.join(".local/share/fog/accounts");
    let mut kept = std::fs::read_dir(kept).unwrap().map(|file| file.unwrap().path());
    // Beside it stand the salts of the orders.
    let kept = kept.find(|file| file.extension().unwrap() == "ndjson").unwrap();
    let entries = std::fs::read_to_string(&kept).unwrap();
    assert_eq!(entries.lines().count(), 3);
    let first: Value = serde_json::from_str(entries.lines().next().unwrap()).unwrap();
    let two = home.join("two.ndjson");
    let lines: Vec<_> = entries.lines().take(2).collect();
    std::fs::write(&two, lines.join("\n")).unwrap();
    let proof = home.join("proof.json");
    let (two, proof) = (two.to_str().unwrap(), proof.to_str().unwrap());
    let task = first["task"].as_str().unwrap();
    let prove = ["account", "prove", task, "--entries", two, "--out", proof];
    assert!(run(&mut network.fog(home, &prove)).status.success());
    let check = scene.ok("requestor", &["account", "check", proof, "--at", &account]);
    assert_eq!(check["opens"], true);
    drop(worker);
}

/// A task from post to voucher: the whole list is `number` tasks long then.
fn counted(scene: &Scene<'_>, account: &str, input: &Path, number: u64) {
    let out = scene.home.join("out.txt");
    let mut post = scene.post(account, input, "0.08");
    post.extend(["--out".to_owned(), out.to_str().unwrap().to_owned()]);
    let view = scene.ok("requestor", &words(&post));
    assert_eq!(view["status"], "paid", "{view:#}");
    assert_eq!(view["transactions"], json!([]), "nothing of its own on chain");
    let receipt = scene.ok("requestor", &["task", "receipt", view["id"].as_str().unwrap()]);
    let market = scene.ok("requestor", &["market", "show"]);
    let (signer, verifiers) =
        (&receipt["signed_by"]["keys"][0], &market["state"]["config"]["verifiers"]);
    let place = usize::try_from(signer["verifier"].as_u64().unwrap()).unwrap();
    assert_eq!(signer["key"], verifiers[place], "{receipt:#}");
    assert!(signer["key"].is_string(), "{receipt:#}");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "one\t1\ntwo\t2\n");
    let kept = std::fs::read_dir(scene.home.join(".local/share/fog/accounts")).unwrap();
    let kept = std::fs::read_to_string(kept.flatten().next().unwrap().path()).unwrap();
    assert_eq!(kept.lines().count() as u64, number, "looked at, and signed for");
}

/// The worker has a voucher that both have signed, and redeems it alone: without the node.
fn paid_out(scene: &Scene<'_>, home: &Path, owed: u64) {
    let earned = owed - owed * 2 / 100;
    until("the worker's voucher", || {
        let folder = home.join(".local/share/fog/worker/earnings");
        let files = std::fs::read_dir(folder).unwrap().flatten();
        // Not what is still being written: the file that takes its name once it is on disk.
        let vouchers =
            files.filter(|file| file.path().to_string_lossy().ends_with(".voucher.json"));
        vouchers
            .map(|file| std::fs::read_to_string(file.path()).unwrap_or_default())
            .any(|text| serde_json::from_str::<Value>(&text).is_ok_and(|file| file["count"] == 3))
    });
    let redeemed = scene.ok("worker", &["worker", "redeem"]);
    assert_eq!(redeemed[0]["total_nano"], earned, "{redeemed:#}");
    let at = scene.ok("worker", &["account", "show", redeemed[0]["channel"].as_str().unwrap()]);
    assert_eq!((&at["purpose"], &at["paid_nano"]), (&json!("earnings"), &json!(earned)));
    assert_eq!(scene.ok("worker", &["worker", "redeem"])[0]["paid_nano"], 0);
}
