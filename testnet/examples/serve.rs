//! Serves a chain in memory until interrupted: `cargo run -p fog-testnet --example serve [PORT]`.
#![expect(clippy::print_stdout, reason = "prints its endpoint")]

use std::net::{Ipv4Addr, SocketAddr};

use fog_testnet::toncenter::{ServerConfig, spawn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = match std::env::args().nth(1) {
        Some(port) => port.parse()?,
        None => 8081,
    };
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (api, handle) = spawn(ServerConfig { listen, ..ServerConfig::default() }).await?;
    println!("{} (LOCAL ONLY)", api.json_rpc_url());
    tokio::signal::ctrl_c().await?;
    handle.shutdown().await;
    Ok(())
}
