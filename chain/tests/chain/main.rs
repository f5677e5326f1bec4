//! The client against the embedded chain, and against gateways that lie, lag and break.
#![expect(clippy::unwrap_used, reason = "tests")]

mod embedded;
mod hostile;
mod proxy;
mod restored;

use std::time::Duration;

use fog_chain::{ChainClient, ChainConfig, Cursor, SendOutcome, Tx};
use fog_testnet::chain::{ChainConfig as EmbeddedConfig, Clock};
use fog_testnet::toncenter::{Api, Handle, Production, ServerConfig, spawn};
use fog_wallet::{Address, OutMessage, SecretKey, TESTNET, Wallet, WalletVersion, to_std_addr};

const START: u32 = 1_760_000_000;
const LATER: u32 = START + 600;
const PATIENCE: Duration = Duration::from_secs(10);

/// A chain whose clock stands still.
async fn chain() -> (Api, Handle) {
    let chain = EmbeddedConfig { clock: Clock::Manual(START), ..EmbeddedConfig::default() };
    let production = Production::Instant { idle: Duration::from_secs(3600) };
    spawn(ServerConfig { chain, production, ..ServerConfig::default() }).await.unwrap()
}

fn config(url: &str) -> ChainConfig {
    let mut config = ChainConfig::new(format!("{url}/api/v2"), TESTNET);
    config.backoff = Duration::from_millis(5);
    config.poll_interval = Duration::from_millis(10);
    config.timeout = Duration::from_secs(5);
    config
}

fn client(url: &str) -> ChainClient {
    ChainClient::new(config(url)).unwrap()
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

/// A wallet with 10 GRAM, not deployed yet.
async fn funded(api: &Api, version: WalletVersion, number: u8) -> (Wallet, SecretKey) {
    let key = key(number);
    let wallet = Wallet::new(version, key.public(), TESTNET).unwrap();
    api.fund(to_std_addr(&wallet.address()), 10_000_000_000).await.unwrap();
    (wallet, key)
}

/// Sends and waits until the chain shows it.
async fn send(
    client: &ChainClient,
    wallet: &Wallet,
    key: &SecretKey,
    messages: &[OutMessage],
) -> Tx {
    let since = client.account(&wallet.address()).await.unwrap().last;
    let seqno = client.wallet_seqno(&wallet.address()).await.unwrap();
    let signed = wallet.transfer(key, seqno, LATER, messages).unwrap();
    let outcome = client.send_boc(&signed.boc).await;
    assert!(matches!(outcome, SendOutcome::Accepted), "{outcome:?}");
    let tx = client
        .wait_transaction(&wallet.address(), since, PATIENCE, |tx| {
            tx.in_msg.as_ref().is_some_and(|msg| msg.body_hash() == signed.body_hash)
        })
        .await
        .unwrap();
    let in_msg = tx.in_msg.as_ref().unwrap();
    assert_eq!(in_msg.normalized_hash, Some(signed.normalized_hash));
    tx
}

/// The account's transactions must be this many, oldest first, without a hole.
fn assert_contiguous(transactions: &[Tx], since: Option<Cursor>) {
    let mut before = since;
    for tx in transactions {
        assert_eq!(tx.prev, before);
        before = Some(tx.cursor());
    }
}

fn stranger(number: u8) -> Address {
    Address::basechain([number; 32])
}
