//! The keystore: round trips, permissions, hostile files, two writers.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fog_wallet::{
    KdfParams, Keystore, KeystoreError, Password, SecretKey, SecretKind, TESTNET, WalletVersion,
};
use proptest::prelude::*;

fn open(directory: &Path) -> Keystore {
    Keystore::open(directory.join("keys")).unwrap().with_kdf(KdfParams::MIN)
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_wallet_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let keystore = open(directory.path());
    let secret = password("correct horse");
    let (info, words) = keystore.new_wallet("main", &secret, WalletVersion::V5R1, TESTNET).unwrap();
    let unlocked = keystore.unlock("main", &secret).unwrap();
    assert_eq!(unlocked.key.public(), words.secret_key().public());
    assert_eq!(unlocked.wallet.address(), info.wallet.clone().unwrap().address);
    assert_eq!(keystore.export_mnemonic("main", &secret).unwrap().phrase(), words.phrase());
    let key = SecretKey::generate().unwrap();
    keystore.import_key("second", &secret, &key, WalletVersion::V4R2, TESTNET).unwrap();
    assert_eq!(keystore.unlock("second", &secret).unwrap().key.public(), key.public());
    assert!(matches!(keystore.export_mnemonic("second", &secret), Err(KeystoreError::Kind { .. })));
    keystore.put_secret("session-1", SecretKind::SessionKey, &[7; 32], &secret).unwrap();
    let back = keystore.get_secret("session-1", SecretKind::SessionKey, &secret).unwrap();
    assert_eq!(*back, [7; 32]);
    let listed = keystore.list().unwrap();
    assert_eq!(
        listed.iter().map(|entry| &entry.name).collect::<Vec<_>>(),
        ["main", "second", "session-1"]
    );
    assert_eq!(listed[0], info);
}

#[test]
fn nothing_secret_is_readable_and_nobody_else_may_read() {
    let directory = tempfile::tempdir().unwrap();
    let keystore = open(directory.path());
    let secret = password("correct horse");
    let (_, phrase) = keystore.new_wallet("main", &secret, WalletVersion::V5R1, TESTNET).unwrap();
    let file = keystore.directory().join("main.json");
    assert_eq!((mode(keystore.directory()), mode(&file)), (0o700, 0o600));
    let text = fs::read_to_string(&file).unwrap();
    let words: Vec<_> = phrase.words().collect();
    for pair in words.windows(2) {
        assert!(!text.contains(&pair.join(" ")), "{pair:?} are in the file");
    }
    assert!(!text.contains(&hex::encode(phrase.secret_key().seed().as_ref())));
    let unlocked = keystore.unlock("main", &secret).unwrap();
    assert!(
        !format!("{unlocked:?} {secret:?}").contains(&hex::encode(unlocked.key.seed().as_ref()))
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let error = keystore.unlock("main", &secret).unwrap_err();
    assert!(error.to_string().contains("chmod 600"), "{error}");
    fs::set_permissions(keystore.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    let error = Keystore::open(keystore.directory()).unwrap_err();
    assert!(error.to_string().contains("chmod 700"), "{error}");
}

#[test]
fn wrong_passwords_names_and_repetitions_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let keystore = open(directory.path());
    let (good, bad) = (password("correct horse"), password("incorrect horse"));
    let put = |name: &str, secret: &Password| {
        keystore.put_secret(name, SecretKind::Other, b"x", secret).map(|_| ())
    };
    put("one", &good).unwrap();
    let get = |secret: &Password| keystore.get_secret("one", SecretKind::Other, secret);
    assert!(matches!(get(&bad), Err(KeystoreError::WrongPassword(_))));
    assert!(matches!(put("one", &good), Err(KeystoreError::Exists(_))));
    assert!(matches!(put("two", &password("short")), Err(KeystoreError::WeakPassword)));
    for name in ["", "../x", "a/b", ".x", "A", "-x", "x y", &"x".repeat(65), "\u{fc}", "con."] {
        assert!(matches!(put(name, &good), Err(KeystoreError::Name(_))), "{name}");
    }
    assert!(matches!(
        keystore.put_secret("big", SecretKind::Other, &vec![0; 20_000], &good),
        Err(KeystoreError::TooLarge(20_000))
    ));
    assert!(matches!(
        keystore.change_password("one", &bad, &good),
        Err(KeystoreError::WrongPassword(_))
    ));
    keystore.change_password("one", &good, &bad).unwrap();
    assert_eq!(*get(&bad).unwrap(), b"x");
    assert!(matches!(keystore.remove("one", &good), Err(KeystoreError::WrongPassword(_))));
    keystore.remove("one", &bad).unwrap();
    assert!(matches!(get(&bad), Err(KeystoreError::NotFound(_))));
}

/// Every change to the readable part is noticed: the address shown is the address opened.
#[test]
fn altered_and_swapped_files_do_not_open() {
    let directory = tempfile::tempdir().unwrap();
    let keystore = open(directory.path());
    let secret = password("correct horse");
    keystore.new_wallet("main", &secret, WalletVersion::V5R1, TESTNET).unwrap();
    let file = keystore.directory().join("main.json");
    let text = fs::read_to_string(&file).unwrap();
    let put = |text: &str| fs::write(&file, text).unwrap();
    let address_at = text.find("0:").unwrap() + 2;
    let flip = if &text[address_at..=address_at] == "0" { "1" } else { "0" };
    let mut readdressed = text.clone();
    readdressed.replace_range(address_at..=address_at, flip);
    put(&readdressed);
    assert!(matches!(keystore.unlock("main", &secret), Err(KeystoreError::WrongPassword(_))));
    put(&text.replace("v5r1", "v4r2"));
    assert!(matches!(keystore.unlock("main", &secret), Err(KeystoreError::WrongPassword(_))));
    put(&text);
    keystore.unlock("main", &secret).unwrap();
    fs::copy(&file, keystore.directory().join("other.json")).unwrap();
    assert!(matches!(keystore.info("other"), Err(KeystoreError::Malformed { .. })));
}

#[test]
fn a_hostile_file_cannot_ask_for_memory_or_time() {
    let directory = tempfile::tempdir().unwrap();
    let keystore = open(directory.path());
    let secret = password("correct horse");
    keystore.put_secret("one", SecretKind::Other, b"x", &secret).unwrap();
    let file = keystore.directory().join("one.json");
    let text = fs::read_to_string(&file).unwrap();
    let started = std::time::Instant::now();
    for (from, to) in [
        ("\"memory_kib\": 8192", "\"memory_kib\": 1073741824"),
        ("\"memory_kib\": 8192", "\"memory_kib\": 8"),
        ("\"iterations\": 1", "\"iterations\": 4000000000"),
        ("\"lanes\": 1", "\"lanes\": 16777215"),
        ("\"version\": 1", "\"version\": 2"),
        ("argon2id", "plain"),
    ] {
        assert!(text.contains(from), "{from}");
        fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let error = keystore.get_secret("one", SecretKind::Other, &secret).unwrap_err();
        assert!(matches!(error, KeystoreError::Malformed { .. }), "{to}: {error}");
    }
    fs::write(&file, "x".repeat(1 << 20)).unwrap();
    assert!(matches!(keystore.info("one"), Err(KeystoreError::Malformed { .. })));
    assert!(started.elapsed() < std::time::Duration::from_secs(5));
}

/// Of two writers of one name exactly one wins, and the file is whole.
#[test]
fn two_writers_do_not_overwrite_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let keystore = open(directory.path());
    let wins: usize = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..6u8)
            .map(|number| {
                let keystore = keystore.clone();
                scope.spawn(move || {
                    let secret = password("correct horse");
                    keystore.put_secret("one", SecretKind::Other, &[number; 32], &secret).is_ok()
                })
            })
            .collect();
        writers.into_iter().map(|writer| usize::from(writer.join().unwrap())).sum()
    });
    assert_eq!(wins, 1);
    let secret = password("correct horse");
    assert_eq!(keystore.get_secret("one", SecretKind::Other, &secret).unwrap().len(), 32);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Any bytes in place of a keystore file are refused without a panic.
    #[test]
    fn any_file_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let directory = tempfile::tempdir().unwrap();
        let keystore = open(directory.path());
        let file = keystore.directory().join("one.json");
        fs::write(&file, &bytes).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        prop_assert!(keystore.info("one").is_err());
        prop_assert!(keystore.list().is_err());
    }

    /// So are real files with one piece replaced.
    #[test]
    fn any_edit_is_refused(at in 0usize..700, length in 0usize..8, insert in "[ -~]{0,8}") {
        let original = include_str!("data/one.json");
        let at = at.min(original.len());
        let end = (at + length).min(original.len());
        let edited = format!("{}{insert}{}", &original[..at], &original[end..]);
        let directory = tempfile::tempdir().unwrap();
        let keystore = open(directory.path());
        let file = keystore.directory().join("one.json");
        fs::write(&file, &edited).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let opened = keystore.get_secret("one", SecretKind::Other, &password("correct horse"));
        if let Ok(secret) = opened {
            // Only white space, or the same text again, leaves the meaning as it was.
            prop_assert_eq!(secret.as_slice(), b"x");
            let strip = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(strip(&edited).to_lowercase(), strip(original));
        }
    }
}
