//! The chain, as the settings say where it is.

use std::time::Duration;

use anyhow::{Context as _, bail};
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
    let config =
        ChainConfig::new(endpoint(settings), TESTNET).with_confirmations(settings.confirmations);
    let config = match &settings.chain_api_key {
        Some(key) => config.with_api_key(ApiKey::new(key.clone())),
        None => config,
    };
    Ok(ChainClient::new(config)?)
}

/// How long a contract's answer is waited for.
const ANSWER: Duration = Duration::from_secs(60);

/// Sends one message to a contract and waits for the contract's own transaction.
pub(crate) async fn call(
    chain: &ChainClient,
    from: &UnlockedWallet,
    to: Address,
    message: OutMessage,
) -> anyhow::Result<Sent> {
    let since = chain.account(&to).await?.last;
    let tx = fog_requestor::send(chain, from, &[message]).await?;
    let out = tx.out_msgs.first().map(|message| message.hash);
    let out = out.context("the wallet dropped its message: is there enough money in it?")?;
    let ours = |tx: &Tx| tx.in_msg.as_ref().is_some_and(|message| message.hash == out);
    let answer = chain.wait_transaction(&to, since, ANSWER, ours).await?;
    if !answer.is_success() {
        let code = answer.exit_code.unwrap_or_default();
        bail!("the contract refused it: {}", fog_contracts::explain_exit(code));
    }
    Ok(Sent { wallet: from.wallet.address(), lt: tx.lt, hash: tx.hash })
}

/// A client of the second endpoint, if there is one.
pub(crate) fn connect_witness(settings: &Settings) -> anyhow::Result<Option<ChainClient>> {
    let Some(endpoint) = witness(settings) else { return Ok(None) };
    let config = ChainConfig::new(endpoint, TESTNET).with_confirmations(settings.confirmations);
    let config = match &settings.witness_api_key {
        Some(key) => config.with_api_key(ApiKey::new(key.clone())),
        None => config,
    };
    Ok(Some(ChainClient::new(config)?))
}

pub(crate) async fn send(
    chain: &ChainClient,
    from: &UnlockedWallet,
    messages: &[OutMessage],
) -> anyhow::Result<Sent> {
    let tx = fog_requestor::send(chain, from, messages).await?;
    Ok(Sent { wallet: from.wallet.address(), lt: tx.lt, hash: tx.hash })
}
