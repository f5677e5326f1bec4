//! The chain, as the settings say where it is.

use fog_chain::{ApiKey, ChainClient, ChainConfig, Tx};
use fog_protocol::{Address, Hash32};
use fog_wallet::{OutMessage, TESTNET, UnlockedWallet};
use serde::Serialize;

use crate::settings::Settings;

/// A final transaction of one's own wallet.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sent {
    /// The wallet.
    pub(crate) wallet: Address,
    /// Logical time.
    pub(crate) lt: u64,
    /// Hash.
    pub(crate) hash: Hash32,
}

impl Sent {
    /// What `wallet` sent.
    pub(crate) fn of(wallet: &UnlockedWallet, tx: &Tx) -> Self {
        Self { wallet: wallet.wallet.address(), lt: tx.lt, hash: tx.hash }
    }
}

/// `URL` or `URL/api/v2`: both are meant.
pub(crate) fn endpoint(settings: &Settings) -> String {
    api(&settings.chain)
}

fn api(url: &str) -> String {
    let url = url.trim_end_matches('/');
    if url.ends_with("/api/v2") { url.to_owned() } else { format!("{url}/api/v2") }
}

/// The second endpoint, if there is one.
pub(crate) fn witness(settings: &Settings) -> Option<String> {
    settings.witness.as_deref().map(api)
}

pub(crate) fn connect(settings: &Settings) -> anyhow::Result<ChainClient> {
    client(endpoint(settings), settings.chain_api_key.as_ref(), settings)
}

/// A client of the second endpoint, if there is one.
pub(crate) fn connect_witness(settings: &Settings) -> anyhow::Result<Option<ChainClient>> {
    let key = settings.witness_api_key.as_ref();
    witness(settings).map(|endpoint| client(endpoint, key, settings)).transpose()
}

fn client(
    endpoint: String,
    key: Option<&String>,
    settings: &Settings,
) -> anyhow::Result<ChainClient> {
    let config = ChainConfig::new(endpoint, TESTNET).with_confirmations(settings.confirmations);
    let config = match key {
        Some(key) => config.with_api_key(ApiKey::new(key.clone())),
        None => config,
    };
    Ok(ChainClient::new(config)?)
}

pub(crate) async fn send(
    chain: &ChainClient,
    from: &UnlockedWallet,
    messages: &[OutMessage],
) -> anyhow::Result<Sent> {
    Ok(Sent::of(from, &fog_requestor::send(chain, from, messages).await?))
}
