//! The head of a node's chain of epochs, on chain: one message an epoch with tasks, from the node's
//! wallet to an address that belongs to nobody and follows from the node and the epoch's number. So
//! whoever asks about one epoch reads one account, and finds every head that was ever shown for it.
//! No contract is there, none runs.

use fog_protocol::{Address, Hash32, Nano, tagged_hash};
use tycho_types::cell::Cell;

use crate::cells::{self, ContractError, Fields as _, take_hash};

/// The operation of such a message.
pub const OP: u32 = 0x4e00_0030;
/// What is sent with it, and stays there: decades of storage. With less, anybody's next message there
/// would find the account's coins used up and delete it, and with it the way to what it was told.
/// Beyond that a message costs its gas and the way, together less than a hundredth of a GRAM.
pub const VALUE: Nano = Nano::new(10_000_000);

/// Where the head of an epoch is told.
#[must_use]
pub fn address(node: &Hash32, number: u64) -> Address {
    let hash = tagged_hash("fog/epoch-anchor/v1", &[&node.0, &number.to_le_bytes()]);
    Address::basechain(hash.0)
}

/// What is told of an epoch that is shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// Its number.
    pub number: u64,
    /// The epoch's tagged hash: through it, of all before it.
    pub head: Hash32,
    /// How many tasks name it.
    pub tasks: u64,
    /// What stands for them: [`fog_protocol::epoch_tasks`].
    pub root: Hash32,
}

impl Anchor {
    /// The message's body. `query` is the sender's own.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn body(&self, query: u64) -> Result<Cell, ContractError> {
        cells::build("Anchor", |cell| {
            cell.store_u32(OP)?;
            cell.store_u64(query)?;
            cell.store_u64(self.number)?;
            cell.put_hash(&self.head)?;
            cell.store_u64(self.tasks)?;
            cell.put_hash(&self.root)
        })
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`ContractError::Layout`] if it is another message's.
    pub fn parse(body: &Cell) -> Result<Self, ContractError> {
        let (op, anchor) = cells::read("Anchor", body, |slice| {
            let (op, _query) = (slice.load_u32()?, slice.load_u64()?);
            let (number, head) = (slice.load_u64()?, take_hash(slice)?);
            let (tasks, root) = (slice.load_u64()?, take_hash(slice)?);
            Ok((op, Self { number, head, tasks, root }))
        })?;
        if op == OP {
            Ok(anchor)
        } else {
            Err(ContractError::Layout { what: "Anchor", cause: format!("its op is {op:#010x}") })
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use tycho_types::cell::CellBuilder;

    use super::*;

    #[test]
    fn each_epoch_of_each_node_has_an_address_of_its_own() {
        let at = |node: u8, number| address(&Hash32([node; 32]), number);
        assert_eq!(at(1, 7), at(1, 7));
        assert_ne!(at(1, 7), at(1, 8));
        assert_ne!(at(1, 7), at(2, 7));
    }

    proptest! {
        #[test]
        fn anchors_are_read_back_and_noise_is_refused(
            number: u64, head: [u8; 32], tasks: u64, root: [u8; 32], query: u64,
            noise in proptest::collection::vec(any::<u8>(), 0..127),
        ) {
            let anchor = Anchor { number, head: Hash32(head), tasks, root: Hash32(root) };
            prop_assert_eq!(Anchor::parse(&anchor.body(query).unwrap()).unwrap(), anchor);
            let mut cell = CellBuilder::new();
            cell.store_raw(&noise, (noise.len() * 8) as u16).unwrap();
            let cell = cell.build().unwrap();
            prop_assert!(noise.starts_with(&OP.to_be_bytes()) || Anchor::parse(&cell).is_err());
        }
    }
}
