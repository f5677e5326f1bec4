//! Where secrets may not be: in settings, in files of others, and, if everybody knows them, on a
//! network that is not one's own.

use std::{os::unix::fs::MetadataExt as _, path::Path};

use anyhow::bail;
use figment::{
    Provider,
    value::{Dict, Value},
};
use fog_chain::ChainClient;
use fog_wallet::{EntryInfo, KeyOrigin, Mnemonic};

/// Parts of names under which people write keys down.
const TELLING: [&str; 6] = ["mnemonic", "private", "secret", "seed", "words", "password"];
/// Settings that only sound like it.
const HARMLESS: [&str; 1] = ["password_file"];

/// Fails if the settings of `place` hold a key or a password, whatever it is called.
pub(crate) fn refuse_inline(place: &str, settings: &impl Provider) -> anyhow::Result<()> {
    let Ok(profiles) = settings.data() else { return Ok(()) };
    let found = profiles.values().find_map(secret_in);
    if let Some(name) = found {
        bail!(
            "{place} holds `{name}`: keys and passwords never lie in settings. Remove it, put keys \
             into the keystore (`fog wallet import`), and take this one for known"
        );
    }
    Ok(())
}

fn secret_in(dict: &Dict) -> Option<String> {
    dict.iter().find_map(|(name, value)| {
        let lower = name.to_ascii_lowercase();
        let telling = TELLING.iter().any(|part| lower.contains(part));
        if telling && !HARMLESS.contains(&lower.as_str()) && !matches!(value, Value::Dict(..)) {
            return Some(name.clone());
        }
        match value {
            Value::Dict(_, inner) => secret_in(inner),
            Value::String(_, text) if Mnemonic::parse(text).is_ok() => Some(name.clone()),
            _ => None,
        }
    })
}

/// Fails if anybody but its owner may read the file.
pub(crate) fn refuse_shared(file: &Path) -> anyhow::Result<()> {
    let shown = file.display();
    if file.metadata().is_ok_and(|metadata| metadata.mode() & 0o077 != 0) {
        bail!("{shown} can be read by others: run `chmod 600 {shown}`");
    }
    Ok(())
}

/// Fails if one of the keys is known to everybody and the chain is not an embedded one.
pub(crate) async fn refuse_local(entries: &[EntryInfo], chain: &ChainClient) -> anyhow::Result<()> {
    let Some(known) = entries.iter().find(|entry| entry.origin == KeyOrigin::LocalOnly) else {
        return Ok(());
    };
    let kind = chain.network_kind().await?;
    if kind.is_public() {
        bail!(
            "`{}` is LOCAL ONLY: everybody can compute this key, and this is the {kind}. Make one \
             of your own: `fog wallet new`",
            known.name
        );
    }
    Ok(())
}
