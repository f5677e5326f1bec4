//! Flags over `FOG_*` over `fog.toml` here over the user's own `fog.toml`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};

use crate::{args::Global, secrets};

/// Environment variables that are not settings.
const NOT_SETTINGS: [&str; 3] = ["password", "log", "config"];

/// Where things are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The node's URL.
    pub(crate) node: String,
    /// The chain's toncenter v2 endpoint.
    pub(crate) chain: String,
    /// Key of that endpoint, if it wants one.
    pub(crate) chain_api_key: Option<String>,
    /// Masterchain blocks on top of a transaction before it counts as final; none by default for a
    /// chain on this machine, two elsewhere.
    pub(crate) confirmations: Option<u32>,
    /// A second, independent toncenter v2 endpoint that a node asks before it believes the first.
    pub(crate) witness: Option<String>,
    /// Key of the second endpoint.
    pub(crate) witness_api_key: Option<String>,
    /// Folder of the encrypted keys.
    pub(crate) keys: PathBuf,
    /// Folder of workers' journals.
    pub(crate) worker_data: PathBuf,
    /// Folder of a verifier's journal and blobs.
    pub(crate) verifier_data: PathBuf,
    /// Folder of the entries that accounts were vouched for.
    pub(crate) accounts: PathBuf,
    /// Folder of what draw nonces were opened for.
    pub(crate) openings: PathBuf,
    /// Folder of the circuits workers can prove.
    pub(crate) circuits: PathBuf,
    /// The `Market` contract.
    pub(crate) market: Option<fog_protocol::Address>,
    /// The `Account` that tasks on the account rail are paid from.
    pub(crate) account: Option<fog_protocol::Address>,
    /// The wallet's name.
    pub(crate) wallet: Option<String>,
    /// File whose first line is the password.
    pub(crate) password_file: Option<PathBuf>,
}

impl Settings {
    pub(crate) fn load(flags: &Global) -> anyhow::Result<Self> {
        let (home, config) = home_and_config();
        let data = directory("XDG_DATA_HOME", &home, ".local/share").join("fog");
        let defaults = Self {
            node: "http://127.0.0.1:7700".to_owned(),
            chain: "http://127.0.0.1:7701".to_owned(),
            chain_api_key: None,
            confirmations: None,
            witness: None,
            witness_api_key: None,
            keys: config.join("keys"),
            worker_data: data.join("worker"),
            verifier_data: data.join("verifier"),
            accounts: data.join("accounts"),
            openings: data.join("openings"),
            circuits: data.join("circuits"),
            market: None,
            account: None,
            wallet: None,
            password_file: None,
        };
        for file in Self::files() {
            secrets::refuse_inline(&file.display().to_string(), &Toml::file(&file))?;
        }
        let environment = Env::prefixed("FOG_").ignore(&NOT_SETTINGS);
        secrets::refuse_inline("the environment (FOG_*)", &environment)?;
        let mut settings: Self = Figment::from(Serialized::defaults(defaults))
            .merge(Toml::file(config.join("fog.toml")))
            .merge(Toml::file("fog.toml"))
            .merge(environment)
            .extract()
            .context("the configuration (fog.toml or FOG_*) is wrong")?;
        let Global { node, chain, keys, wallet, password_file } = flags.clone();
        overwrite(&mut settings.node, node);
        overwrite(&mut settings.chain, chain);
        overwrite(&mut settings.keys, keys);
        settings.wallet = wallet.or(settings.wallet);
        settings.password_file = password_file.or(settings.password_file);
        Ok(settings)
    }

    /// The files that settings are read from, whether they are there or not.
    pub(crate) fn files() -> Vec<PathBuf> {
        vec![home_and_config().1.join("fog.toml"), PathBuf::from("fog.toml")]
    }

    /// The keys' password, if it is given without asking.
    pub(crate) fn known_password(&self) -> anyhow::Result<Option<zeroize::Zeroizing<String>>> {
        if self.password_file.is_none() && std::env::var_os("FOG_PASSWORD").is_none() {
            return Ok(None);
        }
        self.password(Asked::Known).map(Some)
    }

    /// The keys' password: from the file, else `FOG_PASSWORD`, else asked for (twice for a new
    /// one).
    pub(crate) fn password(&self, asked: Asked) -> anyhow::Result<zeroize::Zeroizing<String>> {
        if let Some(file) = &self.password_file {
            return read_password(file);
        }
        if let Ok(password) = std::env::var("FOG_PASSWORD") {
            return Ok(zeroize::Zeroizing::new(password));
        }
        let prompt = inquire::Password::new("Password of the keys:");
        let prompt = match asked {
            Asked::New => prompt,
            Asked::Known => prompt.without_confirmation(),
        };
        prompt.prompt().map(zeroize::Zeroizing::new).context(
            "no password: give --password-file FILE, set FOG_PASSWORD, or run on a terminal",
        )
    }
}

/// What the password is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A new key: asked for twice.
    New,
    /// A key that is there.
    Known,
}

fn read_password(file: &Path) -> anyhow::Result<zeroize::Zeroizing<String>> {
    let shown = file.display();
    secrets::refuse_shared(file)?;
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    let text = zeroize::Zeroizing::new(text);
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(zeroize::Zeroizing::new(line.to_owned())),
        Some(_) | None => bail!("{shown} is empty: its first line must be the password"),
    }
}

fn home_and_config() -> (PathBuf, PathBuf) {
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let config = directory("XDG_CONFIG_HOME", &home, ".config").join("fog");
    (home, config)
}

fn directory(variable: &str, home: &Path, fallback: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| home.join(fallback), PathBuf::from)
}

fn overwrite<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}
