//! The keystore, as the settings say where it is.

use anyhow::{Context, bail};
use fog_chain::ChainClient;
use fog_protocol::SecretKey;
use fog_wallet::{Keystore, Password, SecretKind, UnlockedWallet};

use crate::{
    secrets::refuse_local,
    settings::{Asked, Settings},
};

pub(crate) fn open(settings: &Settings) -> anyhow::Result<Keystore> {
    let shown = settings.keys.display();
    Keystore::open(&settings.keys).with_context(|| format!("the keystore {shown}"))
}

/// The wallet the user means: named by `--wallet`, or the only one there is.
pub(crate) fn wallet_name(settings: &Settings, keystore: &Keystore) -> anyhow::Result<String> {
    if let Some(name) = &settings.wallet {
        return Ok(name.clone());
    }
    let wallets: Vec<_> =
        keystore.list()?.into_iter().filter(|entry| entry.wallet.is_some()).collect();
    match wallets.as_slice() {
        [one] => Ok(one.name.clone()),
        [] => bail!("there is no wallet yet: make one with `fog wallet new`"),
        more => {
            let names: Vec<_> = more.iter().map(|entry| entry.name.as_str()).collect();
            bail!("there are several wallets ({}): say which with --wallet", names.join(", "))
        }
    }
}

/// Asks for the password and decrypts the wallet, for use on this chain.
pub(crate) async fn unlock(
    settings: &Settings,
    chain: &ChainClient,
) -> anyhow::Result<UnlockedWallet> {
    let keystore = open(settings)?;
    let name = wallet_name(settings, &keystore)?;
    refuse_local(&[keystore.info(&name)?], chain).await?;
    let password = password(settings, Asked::Known)?;
    Ok(keystore.unlock(&name, &password)?)
}

pub(crate) fn password(settings: &Settings, asked: Asked) -> anyhow::Result<Password> {
    Ok(Password::new(settings.password(asked)?.to_string()))
}

/// The session key of a worker's wallet; made and stored, encrypted, when first needed.
pub(crate) fn session_key(
    keystore: &Keystore,
    wallet: &str,
    password: &Password,
) -> anyhow::Result<SecretKey> {
    secret_key(keystore, &session_name(wallet), SecretKind::SessionKey, password)
}

/// What the session key of a wallet is called.
pub(crate) fn session_name(wallet: &str) -> String {
    format!("{wallet}-session")
}

/// A key that is no wallet's; made and stored, encrypted, when first needed.
pub(crate) fn secret_key(
    keystore: &Keystore,
    name: &str,
    kind: SecretKind,
    password: &Password,
) -> anyhow::Result<SecretKey> {
    let known = keystore.list()?.iter().any(|entry| entry.name == name);
    if !known {
        let key = SecretKey::generate()?;
        keystore.put_secret(name, kind, key.seed().as_ref(), password)?;
        return Ok(key);
    }
    let seed = keystore.get_secret(name, kind, password)?;
    let seed: &[u8; 32] =
        seed.as_slice().try_into().with_context(|| format!("the secret `{name}` is damaged"))?;
    Ok(SecretKey::from_seed(seed))
}
