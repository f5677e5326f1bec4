//! A whole network on one machine, and what runs on it. **LOCAL ONLY**: its keys are derived from
//! a seed that anyone can know.
//!
//! [`LocalNetwork`] is the embedded chain with its toncenter API, the deployed market, funded
//! wallets and a node; workers are separate processes that reach it as strangers would.
//! [`demo`] runs a job on one and reports, [`soak`] puts it under load; [`ledger`] reads off the chain where the money went.

mod accounts;
pub mod cheaters;
pub mod demo;
mod ledger;
mod network;
mod node_process;
mod ports;
mod process;
mod report;
mod room;
pub mod scenario;
pub mod soak;
mod testnet;
mod verifiers;
mod workers;
pub mod workload;

pub use accounts::{LocalAccount, LocalAccounts};
pub use network::{
    LocalChain, LocalNetwork, NetworkError, NetworkOptions, Timing, Verifiers, apart_key,
    node_config, verifier_key,
};
pub use node_process::{NodeProcess, NodeSpec};
pub use ports::free_address;
pub use report::{Money, NetworkReport, Report, ResultReport, SettledBy, TaskReport, WorkerReport};
pub use testnet::{ChainSetup, Testnet, TestnetMarket, TestnetOptions};
pub use verifiers::{VerifierConduct, VerifierProcess, VerifierSpec};
pub use workers::{WorkerProcess, WorkerSpec};

pub use fog_node::CLAIM_FROM;
pub use fog_worker::Behaviour;
