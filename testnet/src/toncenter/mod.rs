//! The embedded chain over HTTP, in the dialects of toncenter (v2, v3, streaming v2): unmodified
//! clients work. `testnet/DIALECT.md` says what is served and what differs.
//!
//! ```no_run
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! use fog_testnet::toncenter::{ServerConfig, spawn};
//!
//! let (api, handle) = spawn(ServerConfig::default()).await?;
//! println!("TonClient endpoint: {}", api.json_rpc_url());
//! let mut blocks = api.subscribe();
//! blocks.changed().await?;
//! handle.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod accounts;
mod address;
mod blocks;
mod control;
mod dialect;
mod index;
mod listen;
mod messages;
mod request;
mod router;
mod server;
mod shape;
mod stack;
mod streaming;
mod tokens;
mod v3;

pub use control::ControlAccess;
pub use dialect::ApiError;
pub use server::{Api, Handle, Production, ServerConfig, ServerError, Tip, spawn};
