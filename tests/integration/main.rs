//! Integration tests: one binary.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

mod account;
mod architecture;
mod audit;
mod cheaters;
mod clients;
mod crash;
mod demo;
mod dependencies;
mod dev;
mod dispute;
mod doctor;
mod evidence;
mod fog;
mod jetton;
mod jury;
mod keys;
mod limits;
mod market;
mod offline;
mod oracle;
mod pledge;
mod rail;
mod receipts;
mod scenario;
mod scene;
mod soak;
mod staking;
mod strategies;
mod testnet;
