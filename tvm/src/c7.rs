//! What a contract learns about itself and the network: the tuple in register c7.

use num_bigint::{BigInt, Sign};
use tycho_executor::ParsedConfig;
use tycho_types::models::{CurrencyCollection, IntAddr};
use tycho_types::prelude::*;
use tycho_vm::{
    CustomSmcInfo, OwnedCellSlice, RcStackValue, SafeRc, SmcInfoBase, Stack, Tuple, VmVersion,
};

/// The version of TON's network whose rules this is.
pub const NETWORK_VERSION: u32 = 12;

/// TON's rules for tycho's VM.
pub(crate) const VM_VERSION: VmVersion = VmVersion::Ton(NETWORK_VERSION);

/// What goes into c7.
pub(crate) struct ContractInfo<'a> {
    pub(crate) now: u32,
    pub(crate) block_lt: u64,
    pub(crate) tx_lt: u64,
    pub(crate) seed: HashBytes,
    pub(crate) address: OwnedCellSlice,
    pub(crate) balance: &'a CurrencyCollection,
    pub(crate) config: &'a ParsedConfig,
    pub(crate) code: Option<Cell>,
    pub(crate) message_balance: &'a CurrencyCollection,
    pub(crate) storage_fees: u128,
    pub(crate) due_payment: u128,
    /// The inbound message's fields.
    pub(crate) in_msg: SafeRc<Tuple>,
}

/// An address as a slice of its own.
pub(crate) fn address_slice(
    address: &IntAddr,
) -> Result<OwnedCellSlice, tycho_types::error::Error> {
    Ok(OwnedCellSlice::new_allow_exotic(CellBuilder::build_from(address)?))
}

/// The seed an account gets in a block with `block_seed`.
pub(crate) fn account_seed(block_seed: &HashBytes, account: &HashBytes) -> HashBytes {
    SmcInfoBase::new().with_mixed_rand_seed(block_seed, account).rand_seed
}

fn int(value: impl Into<BigInt>) -> RcStackValue {
    SafeRc::new_dyn_value(value.into())
}

fn maybe_cell(cell: Option<Cell>) -> RcStackValue {
    match cell {
        Some(cell) => SafeRc::new_dyn_value(cell),
        None => Stack::make_null(),
    }
}

fn money(value: &CurrencyCollection) -> RcStackValue {
    let other = value.other.as_dict().root().clone();
    SafeRc::new_dyn_value(vec![int(value.tokens.into_inner()), maybe_cell(other)])
}

impl ContractInfo<'_> {
    /// The register: a tuple with one tuple.
    pub(crate) fn build(self) -> CustomSmcInfo {
        let params = &self.config.raw.params;
        let fields = vec![
            int(SmcInfoBase::MAGIC),
            Stack::make_zero(),
            Stack::make_zero(),
            int(self.now),
            int(self.block_lt),
            int(self.tx_lt),
            int(BigInt::from_bytes_be(Sign::Plus, self.seed.as_slice())),
            money(self.balance),
            SafeRc::new_dyn_value(self.address),
            maybe_cell(params.as_dict().root().clone()),
            maybe_cell(self.code),
            money(self.message_balance),
            int(self.storage_fees),
            // Which masterchain blocks came before; there are none here.
            Stack::make_null(),
            self.config.unpacked.as_tuple().into_dyn_value(),
            int(self.due_payment),
            // Gas of a precompiled contract; the network has none.
            Stack::make_null(),
            self.in_msg.into_dyn_value(),
        ];
        CustomSmcInfo { version: VM_VERSION, c7: SafeRc::new(vec![SafeRc::new_dyn_value(fields)]) }
    }
}

/// The fields of an inbound message as contracts see them.
pub(crate) struct InMsgInfo {
    pub(crate) bounce: bool,
    pub(crate) bounced: bool,
    pub(crate) source: OwnedCellSlice,
    pub(crate) fwd_fee: u128,
    pub(crate) created_lt: u64,
    pub(crate) created_at: u32,
    pub(crate) original_value: u128,
    pub(crate) remaining: CurrencyCollection,
    pub(crate) state_init: Option<Cell>,
}

impl InMsgInfo {
    pub(crate) fn into_tuple(self) -> SafeRc<Tuple> {
        SafeRc::new(vec![
            Stack::make_bool(self.bounce),
            Stack::make_bool(self.bounced),
            SafeRc::new_dyn_value(self.source),
            int(self.fwd_fee),
            int(self.created_lt),
            int(self.created_at),
            int(self.original_value),
            int(self.remaining.tokens.into_inner()),
            maybe_cell(self.remaining.other.as_dict().root().clone()),
            maybe_cell(self.state_init),
        ])
    }
}
