//! What belongs to the user: files, wallet, verifier's key, stake. Nothing secret is printed.

use std::{os::unix::fs::MetadataExt as _, path::Path};

use fog_chain::AccountState;
use fog_contracts::{FUND_VALUE, stake::StakeData};
use fog_protocol::{Address, Nano, SecretKey};
use fog_wallet::{EntryInfo, KeyOrigin, Keystore, KeystoreError, SecretKind, WalletVersion};

use crate::{Market, StakeCheck, Subject, chain::Chain, report::Notes};

/// Gas that remains for a wallet's own messages, in nanogram a task.
const MESSAGE_GAS: Nano = Nano::new(20_000_000);

/// Files that may hold API keys, on a public network: nobody else may read them.
pub(crate) fn files(subject: &Subject, chain: Option<&Chain>, notes: &mut Notes) {
    const NAME: &str = "files";
    let mut open = Vec::new();
    let there: Vec<_> = subject.settings.iter().filter(|file| file.exists()).collect();
    for file in &there {
        if may_hold_secrets(file) && is_open(file) {
            open.push(format!("chmod 600 {}", file.display()));
        }
    }
    if open.is_empty() {
        return notes.pass(NAME, format!("{} settings files, none shows a secret", there.len()));
    }
    let found = "settings with an API key or a password can be read by others";
    if chain.is_some_and(|chain| chain.kind.is_public()) {
        notes.fail(NAME, found, open.join("; "));
    } else {
        notes.warn(NAME, found, open.join("; "));
    }
}

fn is_open(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.mode() & 0o077 != 0)
}

/// Does the file mention anything that is nobody else's business?
fn may_hold_secrets(file: &Path) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let set = |line: &str| {
        let line = line.trim_start();
        let name = line.split(['=', ' ']).next().unwrap_or_default();
        !line.starts_with('#') && (name.ends_with("api_key") || name == "password")
    };
    text.lines().any(set)
}

/// The wallet, if it can be used; its address.
pub(crate) async fn wallet(
    subject: &Subject,
    chain: Option<&Chain>,
    notes: &mut Notes,
) -> Option<Address> {
    const NAME: &str = "wallet";
    let entry = match entry(subject) {
        Ok(entry) => entry,
        Err((found, cure)) => {
            notes.fail(NAME, found, cure);
            notes.skip("balance", "there is no wallet");
            return None;
        }
    };
    let Some(record) = entry.wallet else {
        notes.fail(NAME, format!("`{}` is no wallet", entry.name), "name a wallet with --wallet");
        notes.skip("balance", "there is no wallet");
        return None;
    };
    if record.network_id != subject.chain.network_id {
        let found = format!(
            "`{}` is a wallet of network {}, the endpoint is of {}",
            entry.name, record.network_id, subject.chain.network_id
        );
        notes.fail(NAME, found, "make or import one for this network: `fog wallet new`");
        notes.skip("balance", "the wallet is of another network");
        return None;
    }
    if entry.origin == KeyOrigin::LocalOnly && chain.is_some_and(|chain| chain.kind.is_public()) {
        let found = format!("`{}` is LOCAL ONLY: everybody can compute its key", entry.name);
        notes.fail(NAME, found, "make one of your own: `fog wallet new`");
        notes.skip("balance", "the wallet is everybody's");
        return None;
    }
    match unlocked(subject, &entry.name) {
        Ok(None) => notes.pass(
            NAME,
            format!(
                "`{}` ({}) {}; not opened, no password given",
                entry.name, record.version, record.address
            ),
        ),
        Ok(Some(())) => {
            notes.pass(NAME, format!("`{}` ({}) {}", entry.name, record.version, record.address));
        }
        Err(error) => {
            notes.fail(
                NAME,
                error.to_string(),
                "give its password: FOG_PASSWORD or --password-file",
            );
        }
    }
    balance(subject, chain, record.address, notes).await;
    Some(record.address)
}

fn entry(subject: &Subject) -> Result<EntryInfo, (String, String)> {
    let words = |error: KeystoreError| {
        let cure = match &error {
            KeystoreError::OpenToOthers { path, mode } => {
                format!("chmod {mode} {}, and ask who has read it", path.display())
            }
            KeystoreError::NotFound(_) => {
                "make it with `fog wallet new`, or name another".to_owned()
            }
            _ => "restore it from your backup (`fog wallet import` with its 24 words)".to_owned(),
        };
        (error.to_string(), cure)
    };
    if !subject.keys.exists() {
        let found = format!("there are no keys in {}", subject.keys.display());
        return Err((found, "make a wallet: `fog wallet new NAME`".to_owned()));
    }
    let keystore = Keystore::open(&subject.keys).map_err(words)?;
    if let Some(name) = &subject.wallet {
        return keystore.info(name).map_err(words);
    }
    let mut wallets = keystore.list().map_err(words)?;
    wallets.retain(|entry| entry.wallet.is_some());
    match wallets.len() {
        1 => Ok(wallets.remove(0)),
        0 => Err(("there is no wallet yet".to_owned(), "`fog wallet new NAME`".to_owned())),
        many => Err((format!("there are {many} wallets"), "say which: --wallet NAME".to_owned())),
    }
}

/// Opens the wallet, if there is a password.
fn unlocked(subject: &Subject, name: &str) -> Result<Option<()>, KeystoreError> {
    let Some(password) = &subject.password else { return Ok(None) };
    Keystore::open(&subject.keys)?.unlock(name, password).map(|_| Some(()))
}

async fn balance(subject: &Subject, chain: Option<&Chain>, address: Address, notes: &mut Notes) {
    const NAME: &str = "balance";
    let Some(chain) = chain else { return notes.skip(NAME, "the chain cannot be read") };
    let account = match chain.client.account(&address).await {
        Ok(account) => account,
        Err(error) => return notes.fail(NAME, error.to_string(), "try again"),
    };
    let each = subject.price.saturating_add(FUND_VALUE).saturating_add(MESSAGE_GAS);
    let tasks = account.balance.get().checked_div(each.get()).unwrap_or(0);
    let found = format!(
        "{}, enough for {tasks} tasks at {} (gas included; it comes back)",
        account.balance, subject.price
    );
    let cure = format!("send coins to {address}: `fog wallet address` shows its forms");
    if account.state == AccountState::Frozen {
        return notes.fail(NAME, "the wallet is frozen: it owes rent", cure);
    }
    let known = account.code_hash().is_none_or(|hash| WalletVersion::of_code(&hash).is_some());
    if !known {
        let found = "at the wallet's address is a contract that is no wallet of this program";
        return notes.fail(NAME, found, "send nothing there: import the wallet with its own kind");
    }
    if tasks == 0 {
        notes.fail(NAME, found, cure);
    } else if tasks < u64::from(subject.tasks) {
        notes.warn(NAME, found, cure);
    } else {
        notes.pass(NAME, found);
    }
}

/// The verifier's key of a node's operator.
pub(crate) fn verifier(
    subject: &Subject,
    chain: Option<&Chain>,
    market: Option<&Market>,
    notes: &mut Notes,
) {
    const NAME: &str = "verifier_key";
    let Some(name) = &subject.verifier else { return };
    let (Some(market), Some(_)) = (market, chain) else {
        return notes.skip(NAME, "the market cannot be read");
    };
    let key = match secret(subject, name, SecretKind::VerifierKey) {
        Ok(Some(key)) => key,
        Ok(None) => return notes.warn(NAME, "not opened", "give a password to have it checked"),
        Err(error) => {
            let cure = "name it with --verifier, or let `fog node` make one, and have the market's \
                        owner add its public key";
            return notes.fail(NAME, error.to_string(), cure);
        }
    };
    let (threshold, verifiers) = (market.config.threshold, &market.config.verifiers);
    if !verifiers.contains(&key.public()) {
        let found = format!("{} is not among the market's verifiers", key.public());
        return notes.fail(NAME, found, "have the market's owner add it, or use one that is");
    }
    if threshold > 1 {
        let found = format!("the market asks for {threshold} signatures, here is one key");
        return notes.fail(NAME, found, "a node needs as many verifier keys as the threshold");
    }
    notes.pass(NAME, format!("{} is one of the market's verifiers", key.public()));
}

/// `None` without a password.
fn secret(
    subject: &Subject,
    name: &str,
    kind: SecretKind,
) -> Result<Option<SecretKey>, KeystoreError> {
    let keystore = Keystore::open(&subject.keys)?;
    keystore.info(name)?;
    let Some(password) = &subject.password else { return Ok(None) };
    let seed = keystore.get_secret(name, kind, password)?;
    let seed: &[u8; 32] = seed.as_slice().try_into().map_err(|_| KeystoreError::Malformed {
        name: name.to_owned(),
        reason: "it is no 32-byte key".to_owned(),
    })?;
    Ok(Some(SecretKey::from_seed(seed)))
}

/// The worker's stake.
pub(crate) async fn stake(
    subject: &Subject,
    chain: Option<&Chain>,
    market: Option<&Market>,
    wallet: Option<Address>,
    notes: &mut Notes,
) {
    const NAME: &str = "stake";
    let (Some(chain), Some(market), Some(owner)) = (chain, market, wallet) else {
        return notes.skip(NAME, "it takes a chain, a market and a wallet");
    };
    let init = market.config.stake_of(market.address, owner);
    let address = match init.address() {
        Ok(address) => address,
        Err(error) => return notes.fail(NAME, error.to_string(), "report this as an error"),
    };
    let data = match chain.client.account(&address).await {
        Ok(account) => account.data,
        Err(error) => return notes.fail(NAME, error.to_string(), "try again"),
    };
    let Some(data) = data else {
        let found = format!("nothing is staked ({address})");
        return match subject.stake {
            StakeCheck::Required => notes.fail(NAME, found, "`fog worker stake AMOUNT`"),
            StakeCheck::Optional => notes.skip(NAME, found),
        };
    };
    let data = match StakeData::parse(&data) {
        Ok(data) => data,
        Err(error) => {
            return notes.fail(NAME, error.to_string(), "use the matching version of fog");
        }
    };
    let found = format!("{} staked, {} free", data.stake, data.free());
    if data.free() == Nano::ZERO {
        return notes.warn(NAME, found, "add stake, or wait: no work is assigned without it");
    }
    notes.pass(NAME, found);
    session(subject, &data, notes);
}

/// The key that signs for the stake.
fn session(subject: &Subject, data: &StakeData, notes: &mut Notes) {
    const NAME: &str = "session_key";
    let Ok(wallet) = entry(subject) else { return };
    match secret(subject, &format!("{}-session", wallet.name), SecretKind::SessionKey) {
        Ok(Some(key)) if key.public() == data.session => {
            notes.pass(NAME, "it is the one registered with the stake");
        }
        Ok(Some(_)) => {
            let cure = "`fog worker stake` with any amount registers the one here";
            notes.fail(NAME, "another session key is registered with the stake", cure);
        }
        Ok(None) => notes.skip(NAME, "not opened, no password given"),
        Err(error) => {
            let cure = "`fog worker stake` with any amount makes and registers a new one";
            notes.fail(NAME, error.to_string(), cure);
        }
    }
}
