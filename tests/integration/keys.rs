//! Keys of a public network lie in no shared file, and keys that everybody knows are used on no
//! public network. The independent gateway counts as one: it has no embedded chain's faucet.

use std::{
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use fog_harness::{LocalAccount, verifier_key};
use fog_protocol::{Nano, SecretKey};
use fog_wallet::{KdfParams, Keystore, Password, SecretKind, TESTNET, WalletVersion};

use crate::{
    fog::{fog, run},
    oracle::{
        runtime,
        server::{Oracle, OracleOptions},
        stage::{PASSWORD, deploy_market},
    },
};

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn refused(mut command: Command, why: &str) {
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(1), "{why}: {}", errors(&output));
    assert!(errors(&output).contains(why), "{why}: {}", errors(&output));
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A keystore with a LOCAL ONLY wallet and verifier's key, and the user's own ones.
fn keystore(home: &Path) -> Keystore {
    let keys = Keystore::open(home.join(".config/fog/keys")).unwrap().with_kdf(KdfParams::MIN);
    let password = Password::new(PASSWORD.to_owned());
    let words = LocalAccount::new(1, "operator").unwrap().mnemonic;
    keys.import_mnemonic("local", &password, &words, WalletVersion::V5R1, TESTNET).unwrap();
    let seed = verifier_key(1).seed();
    keys.put_secret("local-verifier", SecretKind::VerifierKey, seed.as_ref(), &password).unwrap();
    let key = SecretKey::generate().unwrap();
    keys.import_key("own", &password, &key, WalletVersion::V5R1, TESTNET).unwrap();
    keys
}

#[test]
fn local_keys_are_refused_on_a_public_network() {
    runtime().block_on(async {
        let oracle = Oracle::start(OracleOptions::default()).await;
        let (market, _) = deploy_market(&oracle, &verifier_key(1)).await;
        let home = tempfile::tempdir().unwrap();
        let keys = keystore(home.path());
        let file = keys.directory().join("local.json");
        assert!(std::fs::read_to_string(file).unwrap().contains("LOCAL ONLY"));
        let own = keys.info("own").unwrap().wallet.unwrap().address;
        oracle.give(own, Nano::grams(10)).await;
        let market = market.to_string();
        let url = oracle.url.clone();
        let command = move |args: &[&str]| {
            let mut command = fog(home.path());
            command.env("FOG_CHAIN", &url).env("FOG_PASSWORD", PASSWORD).args(args);
            command
        };
        let check = move || {
            let known = "LOCAL ONLY: everybody can compute this key";
            let to = own.to_string();
            refused(command(&["wallet", "send", &to, "1", "--wallet", "local"]), known);
            refused(command(&["node", "--market", &market, "--wallet", "local"]), known);
            let node = ["node", "--market", &market, "--wallet", "own"];
            let verifier = ["--verifier", "local-verifier"];
            refused(command(&[&node[..], &verifier[..]].concat()), known);
            // One's own key is as good as ever.
            let output = run(&mut command(&["wallet", "send", &to, "1", "--wallet", "own"]));
            assert!(output.status.success(), "{}", errors(&output));
            // And what is known to everybody says so, wherever it is listed.
            let listed = run(&mut command(&["wallet", "ls"]));
            let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
            let of =
                |name: &str| listed.lines().find(|line| line.contains(name)).unwrap().to_owned();
            assert!(of("local").contains("LOCAL ONLY") && !of("own").contains("LOCAL ONLY"));
        };
        tokio::task::spawn_blocking(check).await.unwrap();
    });
}

#[test]
fn secrets_lie_in_no_shared_file() {
    let home = tempfile::tempdir().unwrap();
    let keys = keystore(home.path());
    let home = home.path();
    let command = |args: &[&str]| {
        let mut command = fog(home);
        command.env("FOG_PASSWORD", PASSWORD).args(args);
        command
    };
    let shown = ["wallet", "address", "--wallet", "own"];
    assert!(run(&mut command(&shown)).status.success());

    // The keystore: files and folder are their owner's alone, or they are not used.
    mode(&keys.directory().join("own.json"), 0o640);
    refused(command(&shown), "can be read by others");
    mode(&keys.directory().join("own.json"), 0o600);
    mode(keys.directory(), 0o755);
    refused(command(&shown), "can be read by others");
    mode(keys.directory(), 0o700);

    // The password's file.
    let file = home.join("password");
    std::fs::write(&file, PASSWORD).unwrap();
    mode(&file, 0o644);
    let file = file.to_str().unwrap();
    let words = ["wallet", "words", "--wallet", "local", "--password-file", file];
    refused(command(&words), "can be read by others");
    mode(Path::new(file), 0o600);
    assert!(run(&mut command(&words)).status.success());

    // Settings, whatever the key is called there; the words are known by their look.
    let local = LocalAccount::new(2, "worker-1").unwrap().mnemonic;
    for (name, value) in [
        ("mnemonic", "a b c"),
        ("operator_private_key", "00"),
        ("verifier_secret", "00"),
        ("password", "x"),
        ("wallet", local.phrase()),
    ] {
        let line = format!("{name} = \"{value}\"\n");
        std::fs::write(home.join("fog.toml"), &line).unwrap();
        refused(command(&shown), "never lie in settings");
        std::fs::remove_file(home.join("fog.toml")).unwrap();
        let inner = home.join("node.toml");
        std::fs::write(&inner, format!("[chain]\n{line}")).unwrap();
        let node = ["node", "--wallet", "own", "--config", inner.to_str().unwrap()];
        refused(command(&node), "never lie in settings");
        let mut named = command(&shown);
        if name != "password" && name != "wallet" {
            named.env(format!("FOG_{}", name.to_uppercase()), value);
            refused(named, "never lie in settings");
        }
    }
    assert!(run(&mut command(&shown)).status.success());
}

/// What the embedded network prints and writes: no word, no key without LOCAL ONLY beside it.
#[test]
fn everything_local_says_so() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("network");
    let mut dev = fog(home.path());
    dev.args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    let mut dev = dev.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut banner = String::new();
    let mut lines = std::io::BufReader::new(dev.stdout.take().unwrap());
    let words = LocalAccount::new(1, "requestor").unwrap().mnemonic;
    while !banner.contains(words.phrase()) {
        let read = std::io::BufRead::read_line(&mut lines, &mut banner).unwrap();
        assert!(read > 0, "no banner: {banner}");
    }
    assert!(banner.contains("LOCAL ONLY"), "{banner}");
    for line in banner.lines().filter(|line| line.split_whitespace().count() >= 24) {
        assert!(line.contains("local only"), "{line}");
    }
    // Imported, it says so again.
    let mut import = fog(home.path());
    import.env("FOG_PASSWORD", PASSWORD).args(["wallet", "import", "copy"]);
    let mut import = import.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    import.stdin.take().unwrap().write_all(words.phrase().as_bytes()).unwrap();
    let said = import.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&said.stdout).contains("LOCAL ONLY"));
    dev.kill().unwrap();
    dev.wait().unwrap();
    let rest: Vec<&str> = words.words().skip(2).collect();
    for file in files(&data) {
        let bytes = std::fs::read(&file).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        let telling = holds(&rest.join(" "));
        assert!(!telling || holds("local only"), "{} shows words", file.display());
    }
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
