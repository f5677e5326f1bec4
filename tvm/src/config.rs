//! A network configuration: TON's, made readable for tycho where tycho's own network differs.

use tycho_executor::ParsedConfig;
use tycho_types::dict::Dict;
use tycho_types::models::{
    BlockchainConfig, BlockchainConfigParams, SizeLimitsConfig, WorkchainDescription,
    WorkchainFormat, WorkchainFormatBasic,
};
use tycho_types::prelude::*;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("network configuration: {0}")]
pub struct ConfigError(String);

/// TON's `size_limits_config`; tycho reads its own layout there.
const SIZE_LIMITS: u32 = 43;

/// A configuration parsed once and used for every transaction.
///
/// Storage prices depend on the time; [`Self::at`] parses them again only when `now` crosses an
/// entry of parameter 18.
#[derive(Debug)]
pub struct Config {
    parsed: ParsedConfig,
    /// Entries of parameter 18 in force from these times (unix seconds, ascending).
    price_switches: Vec<u32>,
    /// How many of them lie in the past of the prices parsed now.
    switches_passed: usize,
}

impl Config {
    /// Parses a configuration given as the root of its `Hashmap 32 ^Cell`.
    ///
    /// # Errors
    /// [`ConfigError`] if a parameter the executor needs is missing or malformed.
    pub fn from_root(root: Cell, now: u32) -> Result<Self, ConfigError> {
        let original = BlockchainConfigParams::from_raw(root);
        let address = original
            .get_raw(0)
            .map_err(config_error)?
            .ok_or_else(|| config_error("parameter 0 is missing"))?
            .get_u256(0)
            .map_err(config_error)?;

        // Tycho reads two parameters in its own layout. It parses a patched copy; the contracts
        // (c7, get-methods, getConfigParam) see the original.
        let mut readable = original.clone();
        readable.set_workchains(&basic_workchain().map_err(config_error)?).map_err(config_error)?;
        readable.remove(SIZE_LIMITS).map_err(config_error)?;

        let mut parsed = ParsedConfig::parse(BlockchainConfig { address, params: readable }, now)
            .map_err(config_error)?;
        if let Some(limits) = original.get_raw_cell(SIZE_LIMITS).map_err(config_error)? {
            parsed.size_limits = ton_size_limits(&limits).map_err(config_error)?;
            parsed.unpacked.size_limits_config = Some(limits);
        }
        let price_switches = price_switches(&original).map_err(config_error)?;
        let switches_passed = passed(&price_switches, now);
        parsed.raw = BlockchainConfig { address, params: original };
        Ok(Self { parsed, price_switches, switches_passed })
    }

    /// The configuration in force at `now` (unix seconds).
    ///
    /// # Errors
    /// [`ConfigError`] if the storage prices do not parse.
    pub fn at(&mut self, now: u32) -> Result<&ParsedConfig, ConfigError> {
        let switches_passed = passed(&self.price_switches, now);
        if switches_passed != self.switches_passed {
            self.parsed.update_storage_prices(now).map_err(config_error)?;
            self.switches_passed = switches_passed;
        }
        Ok(&self.parsed)
    }

    /// The configuration as last used, for reads that do not depend on storage prices.
    pub fn current(&self) -> &ParsedConfig {
        &self.parsed
    }
}

fn passed(switches: &[u32], now: u32) -> usize {
    switches.partition_point(|since| *since <= now)
}

/// Parameter 12 with one basic workchain: TON's entry has tag a7, which tycho does not read.
fn basic_workchain() -> Result<Dict<i32, WorkchainDescription>, tycho_types::error::Error> {
    let mut workchains = Dict::new();
    workchains.set(
        0,
        WorkchainDescription {
            enabled_since: 0,
            actual_min_split: 0,
            min_split: 0,
            max_split: 0,
            active: true,
            accept_msgs: true,
            zerostate_root_hash: HashBytes::ZERO,
            zerostate_file_hash: HashBytes::ZERO,
            version: 0,
            format: WorkchainFormat::Basic(WorkchainFormatBasic { vm_mode: 0, vm_version: 0 }),
        },
    )?;
    Ok(workchains)
}

/// Since when each entry of parameter 18 is in force.
fn price_switches(params: &BlockchainConfigParams) -> Result<Vec<u32>, tycho_types::error::Error> {
    let mut switches = Vec::new();
    for entry in params.get_storage_prices()?.values() {
        switches.push(entry?.utime_since);
    }
    switches.sort_unstable();
    Ok(switches)
}

/// Reads TON's `size_limits_config` (block.tlb, tags 01 and 02); TON limits cells only, tycho also
/// bits, so bits follow from cells.
fn ton_size_limits(cell: &Cell) -> Result<SizeLimitsConfig, tycho_types::error::Error> {
    let mut limits = ParsedConfig::DEFAULT_SIZE_LIMITS_CONFIG;
    let mut slice = cell.as_slice()?;
    let tag = slice.load_u8()?;
    limits.max_msg_bits = slice.load_u32()?;
    limits.max_msg_cells = slice.load_u32()?;
    limits.max_library_cells = slice.load_u32()?;
    limits.max_vm_data_depth = slice.load_u16()?;
    limits.max_ext_msg_size = slice.load_u32()?;
    limits.max_ext_msg_depth = slice.load_u16()?;
    if tag == 2 {
        limits.max_acc_state_cells = slice.load_u32()?;
        let _max_mc_acc_state_cells = slice.load_u32()?;
        limits.max_acc_public_libraries = slice.load_u32()?;
        limits.defer_out_queue_size_limit = slice.load_u32()?;
    }
    limits.max_acc_state_bits = limits.max_acc_state_cells.saturating_mul(1023);
    Ok(limits)
}

fn config_error(error: impl std::fmt::Display) -> ConfigError {
    ConfigError(error.to_string())
}
