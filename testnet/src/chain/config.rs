//! The network configuration the embedded chain runs on: TON's, as recorded.

use fog_tvm::Config;
use tycho_executor::ParsedConfig;
use tycho_types::models::BlockchainConfigParams;
use tycho_types::prelude::*;

use super::ChainError;

/// The network id contracts see (`GLOBALID`, parameter 19): TON's testnet.
pub const TESTNET_GLOBAL_ID: i32 = -3;

/// A bare `Hashmap 32 ^Cell`, recorded from the reference emulator (version 12).
static CONFIG_BOC: &[u8] = include_bytes!("../../res/config.boc");

/// A configuration parsed once and used for every transaction.
#[derive(Debug)]
pub struct NetworkConfig(Config);

impl NetworkConfig {
    /// The recorded TON configuration exactly as it was recorded (its own network id).
    ///
    /// # Errors
    /// [`ChainError::Config`] if the recording does not parse.
    pub fn recorded(now: u32) -> Result<Self, ChainError> {
        Self::from_root(Boc::decode(CONFIG_BOC).map_err(config_error)?, now)
    }

    /// The recorded TON configuration with `global_id` as its network id.
    ///
    /// # Errors
    /// [`ChainError::Config`] if the recording does not parse.
    pub fn with_global_id(global_id: i32, now: u32) -> Result<Self, ChainError> {
        let root = Boc::decode(CONFIG_BOC).map_err(config_error)?;
        let mut params = BlockchainConfigParams::from_raw(root);
        params.set_global_id(global_id).map_err(config_error)?;
        let root = params.as_dict().root().clone().ok_or_else(|| config_error("empty"))?;
        Self::from_root(root, now)
    }

    /// Parses a configuration given as the root of its `Hashmap 32 ^Cell`.
    ///
    /// # Errors
    /// [`ChainError::Config`] if a parameter the executor needs is missing or malformed.
    pub fn from_root(root: Cell, now: u32) -> Result<Self, ChainError> {
        Config::from_root(root, now).map(Self).map_err(config_error)
    }

    /// The configuration in force at `now` (unix seconds).
    ///
    /// # Errors
    /// [`ChainError::Config`] if the storage prices do not parse.
    pub fn at(&mut self, now: u32) -> Result<&ParsedConfig, ChainError> {
        self.0.at(now).map_err(config_error)
    }

    /// The configuration as last used, for reads that do not depend on storage prices.
    pub fn current(&self) -> &ParsedConfig {
        self.0.current()
    }
}

fn config_error(error: impl std::fmt::Display) -> ChainError {
    ChainError::Config(error.to_string())
}
