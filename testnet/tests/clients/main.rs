//! Other people's clients, unmodified, against the embedded chain. Needs Node with npm and Python
//! with venv; see `interop/README.md`.
#![expect(clippy::unwrap_used, reason = "tests")]

mod tools;

use fog_testnet::toncenter::{Api, Handle, ServerConfig, spawn};

async fn server() -> (Api, Handle) {
    spawn(ServerConfig::default()).await.unwrap()
}

/// `@ton/ton` from npm.
#[tokio::test]
async fn ton_client_deploys_and_uses_wallets() {
    let (api, handle) = server().await;
    tools::node(&api.url(), "ton-client.mjs").await;
    handle.shutdown().await;
}

/// Every public method of TonClient, every type on the stack, every block.
#[tokio::test]
async fn ton_client_reads_everything() {
    let (api, handle) = server().await;
    tools::node(&api.url(), "ton-client-methods.mjs").await;
    handle.shutdown().await;
}

/// `@ton/blueprint` from npm deploys our contracts to a custom network.
#[tokio::test]
async fn blueprint_deploys_the_contracts() {
    let (api, handle) = server().await;
    tools::node_with_blueprint(&api.url(), "blueprint.mjs").await;
    handle.shutdown().await;
}

/// `tonutils` from PyPI.
#[tokio::test]
async fn tonutils_deploys_and_uses_wallets() {
    let (api, handle) = server().await;
    tools::python(&api.url(), "tonutils_wallets.py").await;
    handle.shutdown().await;
}

/// `toncenter` from PyPI: its models validate every answer.
#[tokio::test]
async fn toncenter_accepts_every_answer() {
    let (api, handle) = server().await;
    tools::python(&api.url(), "toncenter_models.py").await;
    handle.shutdown().await;
}

/// A jetton and a collection deployed by `tonutils`, and what v2 and v3 tell of them.
#[tokio::test]
async fn tonutils_deploys_tokens() {
    let (api, handle) = server().await;
    tools::python(&api.url(), "tonutils_tokens.py").await;
    handle.shutdown().await;
}

/// Every v3 method of `toncenter`.
#[tokio::test]
async fn toncenter_reads_v3() {
    let (api, handle) = server().await;
    tools::python(&api.url(), "toncenter_v3.py").await;
    handle.shutdown().await;
}

/// Streaming through `toncenter`, by server-sent events and WebSocket.
#[tokio::test]
async fn toncenter_follows_accounts_and_traces() {
    let (api, handle) = server().await;
    tools::python(&api.url(), "toncenter_streaming.py").await;
    handle.shutdown().await;
}
