//! TON's virtual machine and ordinary transactions, equal to the reference byte by byte.
//!
//! Tycho's VM and executor, from outside: the opcodes they lack, a run loop of our own that puts
//! them in, and the places where TON's validators do otherwise. README.md lists what is covered,
//! what is not, and how it is checked.

pub mod bls;
mod c7;
mod cells;
mod config;
mod dispatch;
mod executor;
mod getter;
mod machine;
pub mod replay;
mod store_uint;

pub use c7::NETWORK_VERSION;
pub use config::{Config, ConfigError};
pub use dispatch::codepage;
pub use executor::{ExecuteError, Executed, Inbound, execute, executor_params, missing_account};
pub use getter::{
    GetMethodContext, GetMethodError, GetMethodOutput, MethodId, StackItem, get_method,
};
pub use machine::run;
