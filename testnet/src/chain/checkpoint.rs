//! Checkpoints: the whole state under a name, to come back to.
//!
//! A checkpoint copies the state (accounts, messages on their way, clock, sums) and shares the
//! history (blocks, transactions) with everything that grew from it. Restoring one makes the
//! chain go on from there; what came after it is gone, other checkpoints stay.

use std::fmt;
use std::str::FromStr;

use tycho_types::prelude::*;

use super::digest::sha256;
use super::store::Found;
use super::{Chain, ChainError};

/// Most checkpoints of a chain.
pub const MAX_CHECKPOINTS: usize = 64;
/// Longest name.
const MAX_NAME: usize = 64;

/// What a checkpoint is called: letters, digits, `-`, `_` and `.`, not a `.` first, at most 64.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckpointName(String);

/// Why a text is no name of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a checkpoint's name has 1 to {MAX_NAME} letters, digits, '-', '_' and '.', and begins with \
     no '.'"
)]
pub struct BadName;

impl FromStr for CheckpointName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let fits = (1..=MAX_NAME).contains(&text.len());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if fits && !text.starts_with('.') && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadName)
        }
    }
}

impl CheckpointName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CheckpointName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A checkpoint, as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its name.
    pub name: CheckpointName,
    /// Number of the last block then.
    pub seqno: u32,
    /// That block's time, unix seconds.
    pub gen_utime: u32,
    /// [`Chain::state_hash`] then.
    pub state_hash: HashBytes,
}

/// Why a checkpoint could not be made, restored or dropped.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// There is none of this name.
    #[error("there is no checkpoint {0}")]
    Unknown(CheckpointName),
    /// There are enough.
    #[error("there are {MAX_CHECKPOINTS} checkpoints already: forget one first")]
    TooMany,
    /// What came back is not what was kept.
    #[error("checkpoint {name} is damaged: its state hash was {kept}, now it is {found}")]
    Damaged {
        /// Its name.
        name: CheckpointName,
        /// The hash when it was made.
        kept: HashBytes,
        /// The hash of what came back.
        found: HashBytes,
    },
    /// The chain itself failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl Chain {
    /// All checkpoints, by name.
    ///
    /// # Errors
    /// [`ChainError::Store`] if the store fails.
    pub fn checkpoints(&self) -> Result<Vec<Checkpoint>, ChainError> {
        self.store.checkpoints()
    }

    /// Keeps the present state under `name`, in place of an older checkpoint of that name.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn checkpoint(&mut self, name: CheckpointName) -> Result<Checkpoint, CheckpointError> {
        self.ready()?;
        let present = self.checkpoints()?;
        let replaces = present.iter().any(|other| other.name == name);
        if !replaces && present.len() >= MAX_CHECKPOINTS {
            return Err(CheckpointError::TooMany);
        }
        let checkpoint = Checkpoint {
            name,
            seqno: self.head.last.seqno,
            gen_utime: self.head.last.gen_utime,
            state_hash: self.state_hash()?,
        };
        self.unsettled = true;
        self.store.keep(&checkpoint)?;
        self.unsettled = false;
        Ok(checkpoint)
    }

    /// Goes back to the state kept under `name`: accounts, messages, history, logical time, block
    /// numbers, and the clock's warps. (A system clock goes on from the machine's own time.)
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn restore(&mut self, name: &CheckpointName) -> Result<Checkpoint, CheckpointError> {
        self.ready()?;
        let present = self.checkpoints()?;
        let checkpoint = present
            .into_iter()
            .find(|checkpoint| checkpoint.name == *name)
            .ok_or_else(|| CheckpointError::Unknown(name.clone()))?;
        self.unsettled = true;
        self.store.restore(name)?;
        self.restores += 1;
        self.ready()?;
        let found = self.state_hash()?;
        if found != checkpoint.state_hash {
            let (name, kept) = (checkpoint.name, checkpoint.state_hash);
            return Err(CheckpointError::Damaged { name, kept, found });
        }
        Ok(checkpoint)
    }

    /// Drops the checkpoint `name` and what only it needed.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn forget(&mut self, name: &CheckpointName) -> Result<(), CheckpointError> {
        self.ready()?;
        self.unsettled = true;
        let found = self.store.forget(name)?;
        self.unsettled = false;
        match found {
            Found::Yes => Ok(()),
            Found::No => Err(CheckpointError::Unknown(name.clone())),
        }
    }

    /// How often this chain was restored since it was opened: who follows it starts over when
    /// this changes.
    pub fn restores(&self) -> u64 {
        self.restores
    }

    /// SHA-256 over the whole state: every account with its last transaction, every message on
    /// its way, the last block (and by its hash all blocks before), the sums, the clock's warps.
    /// Equal hashes, equal futures. Walks all accounts.
    ///
    /// # Errors
    /// [`ChainError::Store`] or [`ChainError::Cell`] if the store is damaged.
    pub fn state_hash(&self) -> Result<HashBytes, ChainError> {
        const PAGE: usize = 1_000;
        // A chain of hashes: an account at a time, in address order.
        let mut sum = sha256(b"fog/testnet/state/v1");
        let mut add = |parts: &[&[u8]]| {
            let mut bytes = sum.as_slice().to_vec();
            parts.iter().for_each(|part| bytes.extend_from_slice(part));
            sum = sha256(&bytes);
        };
        let mut after = None;
        loop {
            let page = self.store.accounts(after.as_ref(), PAGE)?;
            for (address, state) in &page {
                add(&[
                    &address.workchain.to_be_bytes(),
                    address.address.as_slice(),
                    &state.last_trans_lt.to_be_bytes(),
                    state.last_trans_hash.as_slice(),
                    state.account.repr_hash().as_slice(),
                ]);
            }
            match page.last() {
                Some((last, _)) if page.len() == PAGE => after = Some(last.clone()),
                _ => break,
            }
        }
        for (lt, hash) in self.queue.keys() {
            add(&[b"queue", &lt.to_be_bytes(), hash.as_slice()]);
        }
        for message in self.externals.values() {
            add(&[b"external", message.repr_hash().as_slice()]);
        }
        let totals = &self.head.totals;
        add(&[
            b"head",
            self.head.last.root_hash.as_slice(),
            &self.head.clock_offset.to_be_bytes(),
            &totals.supply.to_be_bytes(),
            &totals.network_fees_collected.to_be_bytes(),
            &totals.burned.to_be_bytes(),
            &totals.in_flight.to_be_bytes(),
            &totals.blocks.to_be_bytes(),
            &totals.transactions.to_be_bytes(),
        ]);
        Ok(sum)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::CheckpointName;
    use proptest::prelude::*;

    #[test]
    fn names_are_plain() {
        for good in ["a", "before-slash", "v1.2_x", &"n".repeat(64)] {
            assert_eq!(good.parse::<CheckpointName>().unwrap().as_str(), good);
        }
        let long = "n".repeat(65);
        for bad in ["", ".", "..", ".hidden", "../up", "a/b", "a\\b", "a b", "é", "a\0", &long] {
            assert!(bad.parse::<CheckpointName>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_name_leaves_a_folder(text in any::<String>()) {
            if let Ok(name) = text.parse::<CheckpointName>() {
                let path = std::path::Path::new(name.as_str());
                prop_assert_eq!(path.components().count(), 1);
                prop_assert_eq!(path.file_name().unwrap().to_str().unwrap(), name.as_str());
            }
        }
    }
}
