//! `fog doctor`: each cause that keeps somebody from working, and what it says about it. Against the
//! independent gateway, which is as strange to it as a public one, and against `fog dev`.

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _, path::Path};

use fog_protocol::{Address, Nano, SecretKey};
use fog_wallet::{KdfParams, Keystore, Password, SecretKind, TESTNET, WalletVersion};
use serde_json::{Value, json};

use crate::{
    fog::{fog, json as document},
    oracle::{
        runtime,
        server::{Oracle, OracleOptions},
        stage::{PASSWORD, Stage, deploy_market},
    },
};

/// Name -> status, cause, cure.
type Findings = BTreeMap<String, (String, String, String)>;

struct Patient {
    home: tempfile::TempDir,
    wallet: Address,
    settings: Vec<(&'static str, String)>,
}

impl Patient {
    /// Somebody with a wallet, and settings that are all right.
    fn new(oracle: &Oracle, market: Address, verifier: &SecretKey) -> Self {
        let home = tempfile::tempdir().unwrap();
        let keys = Keystore::open(home.path().join(".config/fog/keys")).unwrap();
        let keys = keys.with_kdf(KdfParams::MIN);
        let password = Password::new(PASSWORD.to_owned());
        let key = SecretKey::generate().unwrap();
        let entry = keys.import_key("mine", &password, &key, WalletVersion::V5R1, TESTNET).unwrap();
        let seed = verifier.seed();
        keys.put_secret("verifier", SecretKind::VerifierKey, seed.as_ref(), &password).unwrap();
        let stranger = SecretKey::generate().unwrap().seed();
        keys.put_secret("stranger", SecretKind::VerifierKey, stranger.as_ref(), &password).unwrap();
        let settings = vec![
            ("FOG_CHAIN", oracle.url.clone()),
            ("FOG_MARKET", market.to_string()),
            ("FOG_CONFIRMATIONS", "2".to_owned()),
            ("FOG_PASSWORD", PASSWORD.to_owned()),
        ];
        Self { home, wallet: entry.wallet.unwrap().address, settings }
    }

    /// What the doctor says with these settings changed.
    async fn examined(&self, changed: &[(&str, &str)], args: &[&str]) -> (bool, Findings) {
        let mut command = fog(self.home.path());
        command.envs(self.settings.iter().cloned()).envs(changed.iter().copied());
        command.args(["doctor", "--json"]).args(args);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let report = document(&output);
        assert_eq!(output.status.code(), Some(i32::from(report["ok"] != true)), "{report:#}");
        let text = |check: &Value, name: &str| check[name].as_str().unwrap_or_default().to_owned();
        let findings = report["checks"].as_array().unwrap().iter().map(|check| {
            let found = (text(check, "status"), text(check, "found"), text(check, "cure"));
            (text(check, "name"), found)
        });
        (report["ok"] == true, findings.collect())
    }

    /// The one thing that is wrong, with a word of its cause and one of its cure.
    async fn suffers(
        &self,
        changed: &[(&str, &str)],
        args: &[&str],
        (name, status): (&str, &str),
        (cause, cure): (&str, &str),
    ) {
        let (ok, findings) = self.examined(changed, args).await;
        let (found, said, told) = &findings[name];
        assert_eq!(found, status, "{name}: {findings:#?}");
        assert!(said.contains(cause), "{name}: {said:?} does not name {cause:?}");
        assert!(told.contains(cure), "{name}: {told:?} does not name {cure:?}");
        assert_eq!(ok, status != "fail", "{findings:#?}");
        // One cause is one failure: what stands on it is skipped.
        let others: Vec<_> = findings
            .iter()
            .filter(|(other, (status, ..))| *other != name && status == "fail")
            .collect();
        assert!(others.is_empty(), "{name}: also {others:#?}");
    }
}

#[test]
fn what_is_wrong_with_the_gateway() {
    runtime().block_on(async {
        let oracle = Oracle::start(OracleOptions::default()).await;
        let verifier = SecretKey::generate().unwrap();
        let (market, _) = deploy_market(&oracle, &verifier).await;
        let patient = Patient::new(&oracle, market, &verifier);
        oracle.give(patient.wallet, Nano::grams(100)).await;
        let alone: &[&str] = &["--no-node"];

        let (ok, findings) = patient.examined(&[], alone).await;
        assert!(ok, "{findings:#?}");
        for name in ["endpoint", "network", "rate_limit", "clock", "confirmations", "market"] {
            assert_eq!(findings[name].0, "pass", "{findings:#?}");
        }
        assert!(findings["network"].1.contains("test network"));

        let nobody = [("FOG_CHAIN", "http://127.0.0.1:9")];
        let said = ("cannot be reached", "check the address");
        patient.suffers(&nobody, alone, ("endpoint", "fail"), said).await;

        oracle.faults(json!([{ "kind": "page" }])).await;
        let said = ("cannot be read", "toncenter v2");
        patient.suffers(&[], alone, ("endpoint", "fail"), said).await;
        oracle.faults(json!([{ "kind": "page", "code": 502 }])).await;
        patient.suffers(&[], alone, ("endpoint", "fail"), ("502", "another gateway")).await;
        oracle.faults(json!([{ "kind": "close" }])).await;
        let said = ("cannot be reached", "check the address");
        patient.suffers(&[], alone, ("endpoint", "fail"), said).await;
        oracle.faults(json!([{ "kind": "limit", "every": 2 }])).await;
        patient.suffers(&[], alone, ("rate_limit", "warn"), ("refused", "chain_api_key")).await;
        oracle.honest().await;

        let said = ("network -3, expected is -239", "-239: mainnet");
        let args = ["--no-node", "--network", "-239"];
        let (_, findings) = patient.examined(&[], &args).await;
        assert_eq!(findings["network"].0, "fail");
        assert!(findings["network"].1.contains(said.0) && findings["network"].2.contains(said.1));

        let none = [("FOG_CONFIRMATIONS", "0")];
        let said = ("0 blocks", "set `confirmations`");
        patient.suffers(&none, alone, ("confirmations", "fail"), said).await;
        let same = [("FOG_WITNESS", oracle.url.as_str())];
        let said = ("is the first", "another operator's");
        patient.suffers(&same, alone, ("witness", "fail"), said).await;
        let gone = [("FOG_WITNESS", "http://127.0.0.1:9")];
        patient
            .suffers(&gone, alone, ("witness", "fail"), ("cannot be reached", "`witness`"))
            .await;

        oracle.tell("warp", json!({ "seconds": 3600 })).await;
        patient.suffers(&[], alone, ("clock", "fail"), ("s ahead", "NTP")).await;
        oracle.tell("warp", json!({ "seconds": -3600 })).await;

        let locked =
            Oracle::start(OracleOptions { key: Some("right"), ..OracleOptions::default() }).await;
        let there = [("FOG_CHAIN", locked.url.as_str()), ("FOG_CHAIN_API_KEY", "wrong")];
        let said = ("API key does not exist", "chain_api_key");
        patient.suffers(&there, alone, ("endpoint", "fail"), said).await;
    });
}

#[test]
fn what_is_wrong_with_wallet_market_and_stake() {
    runtime().block_on(async {
        let oracle = Oracle::start(OracleOptions::default()).await;
        let verifier = SecretKey::generate().unwrap();
        let (market, _) = deploy_market(&oracle, &verifier).await;
        let patient = Patient::new(&oracle, market, &verifier);
        let alone: &[&str] = &["--no-node"];
        let said = ("enough for 0 tasks", "send coins to");
        patient.suffers(&[], alone, ("balance", "fail"), said).await;
        oracle.give(patient.wallet, Nano::grams(2)).await;
        let said = ("enough for 2 tasks", "send coins to");
        patient.suffers(&[], alone, ("balance", "warn"), said).await;
        oracle.give(patient.wallet, Nano::grams(100)).await;
        let (ok, findings) = patient.examined(&[], alone).await;
        assert!(ok && findings["balance"].0 == "pass", "{findings:#?}");

        let unknown = ["--no-node", "--wallet", "unknown"];
        let said = ("no entry `unknown`", "fog wallet new");
        patient.suffers(&[], &unknown, ("wallet", "fail"), said).await;
        let wrong = [("FOG_PASSWORD", "not the password")];
        patient
            .suffers(&wrong, alone, ("wallet", "fail"), ("wrong password", "--password-file"))
            .await;
        let file = patient.home.path().join(".config/fog/keys/mine.json");
        open_to_others(&file);
        patient.suffers(&[], alone, ("wallet", "fail"), ("read by others", "chmod 600")).await;
        close_to_others(&file);
        let settings = patient.home.path().join("fog.toml");
        std::fs::write(&settings, "chain_api_key = \"canary\"\n").unwrap();
        open_to_others(&settings);
        patient.suffers(&[], alone, ("files", "fail"), ("read by others", "chmod 600")).await;
        close_to_others(&settings);

        let nothing = Address::basechain([7; 32]).to_string();
        let args = ["--no-node", "--market", &nothing];
        patient.suffers(&[], &args, ("market", "fail"), ("no deployed", "of this network")).await;
        let strange = deploy_wallet(&oracle).await.to_string();
        let args = ["--no-node", "--market", &strange];
        patient.suffers(&[], &args, ("market", "fail"), ("has code", "another version")).await;

        let args = ["--no-node", "--worker"];
        patient.suffers(&[], &args, ("stake", "fail"), ("nothing is staked", "worker stake")).await;
        let args = ["--no-node", "--operator", "--verifier", "stranger"];
        let (ok, findings) = patient.examined(&[], &args).await;
        assert!(!ok);
        // A stranger as a node's operator lacks two things.
        for (name, cause, cure) in [
            ("verifier_key", "not among", "have the market's owner"),
            ("bond", "no bond", "fog bond add"),
        ] {
            let (found, said, told) = &findings[name];
            assert_eq!(found, "fail", "{name}: {findings:#?}");
            assert!(said.contains(cause) && told.contains(cure), "{name}: {said}: {told}");
        }
        let gone = [("FOG_NODE", "http://127.0.0.1:9")];
        patient.suffers(&gone, &[], ("node", "fail"), ("does not answer", "fog node")).await;
    });
}

/// A contract that is no market: a wallet.
async fn deploy_wallet(oracle: &Oracle) -> Address {
    let key = SecretKey::generate().unwrap();
    let wallet = fog_wallet::Wallet::new(WalletVersion::V5R1, key.public(), TESTNET).unwrap();
    oracle.give(wallet.address(), Nano::grams(1)).await;
    let address = wallet.address();
    let unlocked = fog_wallet::UnlockedWallet { wallet, key };
    fog_requestor::send(&oracle.client(), &unlocked, &[]).await.unwrap();
    address
}

fn open_to_others(file: &Path) {
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
}

fn close_to_others(file: &Path) {
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The three roles on a network that runs: nothing is wrong.
#[test]
fn everybody_is_well() {
    runtime().block_on(async {
        let stage = Stage::start(OracleOptions::default(), "confirmations = 1\n").await;
        let market = stage.market.to_string();
        for (who, args) in [
            ("requestor", &["doctor", "--json"] as &[&str]),
            ("worker", &["doctor", "--json", "--worker"]),
            ("operator", &["doctor", "--json", "--operator", "--market", &market]),
        ] {
            let report = stage.fog(who, args).await;
            assert_eq!(report["ok"], true, "{report:#}");
            let bad = report["checks"].as_array().unwrap().iter().find(|c| c["status"] == "warn");
            assert_eq!(bad, None, "{report:#}");
        }
    });
}
