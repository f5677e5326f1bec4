//! Blocks and the records of what happened in them.
//!
//! One block of this chain stands for a masterchain block and the basechain block of the same
//! number: there is one shard and no validator. Its hashes are SHA-256 over its contents, chained
//! to the previous block; there is no block BoC behind them.

use tycho_types::cell::Lazy;
use tycho_types::models::{ComputePhase, MsgInfo, OwnedMessage, StdAddr, Transaction, TxInfo};
use tycho_types::prelude::*;

use super::ChainError;
use super::digest::sha256;

/// How far apart the logical times of two blocks are, as on TON.
const LT_STEP: u64 = 1_000_000;

/// A block: number, time, logical times, and which transactions it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Number, from 0 (genesis).
    pub seqno: u32,
    /// Chain time of the block, unix seconds; never less than the previous block's.
    pub gen_utime: u32,
    /// Every transaction's logical time is greater than this.
    pub start_lt: u64,
    /// Every transaction and message of the block has a smaller logical time than this.
    pub end_lt: u64,
    /// Root hash; chained to the previous block's.
    pub root_hash: HashBytes,
    /// File hash.
    pub file_hash: HashBytes,
    /// The transactions, in the order they were executed.
    pub transactions: Vec<TxRef>,
}

impl Block {
    /// What genesis begins with.
    pub(crate) fn before_genesis(gen_utime: u32) -> Self {
        Self {
            seqno: 0,
            gen_utime,
            start_lt: 0,
            end_lt: 1,
            root_hash: HashBytes::ZERO,
            file_hash: HashBytes::ZERO,
            transactions: Vec::new(),
        }
    }

    /// The first logical time of the block after one that ended at `end_lt`.
    pub(crate) fn next_start_lt(end_lt: u64) -> u64 {
        end_lt.div_ceil(LT_STEP).saturating_mul(LT_STEP).saturating_add(LT_STEP)
    }

    /// Computes both hashes from the contents and the previous block's root hash.
    pub(crate) fn seal(&mut self, previous: &HashBytes) {
        let mut bytes = Vec::with_capacity(96 + self.transactions.len() * 32);
        bytes.extend_from_slice(b"fog/testnet/block/v1");
        bytes.extend_from_slice(previous.as_slice());
        bytes.extend_from_slice(&self.seqno.to_be_bytes());
        bytes.extend_from_slice(&self.gen_utime.to_be_bytes());
        bytes.extend_from_slice(&self.start_lt.to_be_bytes());
        bytes.extend_from_slice(&self.end_lt.to_be_bytes());
        for tx in &self.transactions {
            bytes.extend_from_slice(tx.hash.as_slice());
        }
        self.root_hash = sha256(&bytes);
        self.file_hash = sha256(self.root_hash.as_slice());
    }

    /// The block's hash in one of the two workchains it stands for: the root hash itself for the
    /// masterchain, a hash derived from it for the basechain.
    pub fn hashes(&self, workchain: i32) -> (HashBytes, HashBytes) {
        if workchain == -1 {
            return (self.root_hash, self.file_hash);
        }
        let mut bytes = b"fog/testnet/shard/v1".to_vec();
        bytes.extend_from_slice(self.root_hash.as_slice());
        let root = sha256(&bytes);
        (root, sha256(root.as_slice()))
    }
}

/// Where a transaction is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TxRef {
    /// The account.
    pub address: StdAddr,
    /// Logical time.
    pub lt: u64,
    /// Hash of the transaction cell.
    pub hash: HashBytes,
}

/// A transaction and where it is.
#[derive(Debug, Clone)]
pub struct TxRecord {
    /// The account.
    pub address: StdAddr,
    /// Logical time.
    pub lt: u64,
    /// Hash of the transaction cell.
    pub hash: HashBytes,
    /// Number of the block that holds it.
    pub block: u32,
    /// The transaction as the executor made it.
    pub transaction: Lazy<Transaction>,
}

impl TxRecord {
    /// This transaction's place.
    pub fn reference(&self) -> TxRef {
        TxRef { address: self.address.clone(), lt: self.lt, hash: self.hash }
    }

    /// The parsed transaction.
    ///
    /// # Errors
    /// [`ChainError::Cell`] if the cell is not a transaction (a damaged store).
    pub fn load(&self) -> Result<Transaction, ChainError> {
        Ok(self.transaction.load()?)
    }

    /// The compute phase's exit code; `None` if it was skipped.
    ///
    /// # Errors
    /// [`ChainError::Cell`] if the cell is not a transaction.
    pub fn exit_code(&self) -> Result<Option<i32>, ChainError> {
        Ok(match self.load()?.load_info()? {
            TxInfo::Ordinary(info) => match info.compute_phase {
                ComputePhase::Executed(phase) => Some(phase.exit_code),
                ComputePhase::Skipped(_) => None,
            },
            TxInfo::TickTock(_) => None,
        })
    }

    /// Whether the transaction was aborted (a phase failed or was skipped).
    ///
    /// # Errors
    /// [`ChainError::Cell`] if the cell is not a transaction.
    pub fn aborted(&self) -> Result<bool, ChainError> {
        Ok(match self.load()?.load_info()? {
            TxInfo::Ordinary(info) => info.aborted,
            TxInfo::TickTock(info) => info.aborted,
        })
    }

    /// Gas used by the compute phase; 0 if it was skipped.
    ///
    /// # Errors
    /// [`ChainError::Cell`] if the cell is not a transaction.
    pub fn gas_used(&self) -> Result<u64, ChainError> {
        let TxInfo::Ordinary(info) = self.load()?.load_info()? else { return Ok(0) };
        Ok(match info.compute_phase {
            ComputePhase::Executed(phase) => phase.gas_used.into_inner(),
            ComputePhase::Skipped(_) => 0,
        })
    }

    /// The action phase's result code; `None` if there was no action phase.
    ///
    /// # Errors
    /// [`ChainError::Cell`] if the cell is not a transaction.
    pub fn action_code(&self) -> Result<Option<i32>, ChainError> {
        let TxInfo::Ordinary(info) = self.load()?.load_info()? else { return Ok(None) };
        Ok(info.action_phase.map(|phase| phase.result_code))
    }

    /// The inbound message, if there is one.
    ///
    /// # Errors
    /// [`ChainError::Cell`] if the cell is not a transaction.
    pub fn in_msg(&self) -> Result<Option<OwnedMessage>, ChainError> {
        match self.load()?.in_msg {
            Some(cell) => Ok(Some(cell.parse::<OwnedMessage>()?)),
            None => Ok(None),
        }
    }

    /// The outbound messages in order.
    ///
    /// # Errors
    /// [`ChainError::Cell`] if the cell is not a transaction.
    pub fn out_msgs(&self) -> Result<Vec<OwnedMessage>, ChainError> {
        let transaction = self.load()?;
        let mut messages = Vec::new();
        for entry in transaction.out_msgs.values() {
            messages.push(entry?.parse::<OwnedMessage>()?);
        }
        Ok(messages)
    }
}

/// What an internal message in flight is worth: its value and the forwarding fee it still carries,
/// in nano. Zero for other messages.
pub(crate) fn carried_value(info: &MsgInfo) -> u128 {
    match info {
        MsgInfo::Int(info) => {
            info.value.tokens.into_inner().saturating_add(info.fwd_fee.into_inner())
        }
        MsgInfo::ExtIn(_) | MsgInfo::ExtOut(_) => 0,
    }
}
