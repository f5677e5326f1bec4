//! Reading and writing cells the way Tolk lays its structs out: fields in order, `Cell<T>` as a
//! reference, `T?` of a cell and `map` as a bit and a reference.

use fog_protocol::{Address, Hash32, Nano, Signature};
use tycho_types::{
    cell::{Cell, CellBuilder, CellFamily, CellSlice, HashBytes, Load, Store},
    error::Error,
    models::{StateInit, StdAddr},
    num::Tokens,
};

/// Why cells could not be built or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// The cells do not have the contract's layout.
    #[error("the cells are not laid out as `{what}` ({cause}): another contract or version?")]
    Layout {
        /// What was expected.
        what: &'static str,
        /// The reader's words.
        cause: String,
    },
    /// A value does not fit its field.
    #[error("`{what}` does not fit into cells: {cause}")]
    Build {
        /// What was built.
        what: &'static str,
        /// The writer's words.
        cause: String,
    },
}

/// Builds one cell.
pub(crate) fn build(
    what: &'static str,
    write: impl FnOnce(&mut CellBuilder) -> Result<(), Error>,
) -> Result<Cell, ContractError> {
    let mut builder = CellBuilder::new();
    write(&mut builder)
        .and_then(|()| builder.build())
        .map_err(|error| ContractError::Build { what, cause: error.to_string() })
}

/// Reads one cell, to its end.
pub(crate) fn read<T>(
    what: &'static str,
    cell: &Cell,
    parse: impl FnOnce(&mut CellSlice<'_>) -> Result<T, Error>,
) -> Result<T, ContractError> {
    let layout = |error: Error| ContractError::Layout { what, cause: error.to_string() };
    let mut slice = cell.as_slice().map_err(layout)?;
    let value = parse(&mut slice).map_err(layout)?;
    if slice.is_data_empty() && slice.is_refs_empty() {
        Ok(value)
    } else {
        Err(ContractError::Layout { what, cause: "something is left over".to_owned() })
    }
}

pub(crate) const fn std_addr(address: &Address) -> StdAddr {
    StdAddr::new(address.workchain, HashBytes(address.hash.0))
}

/// Field writers named after Tolk's types.
pub(crate) trait Fields {
    fn put_address(&mut self, address: &Address) -> Result<(), Error>;
    fn put_coins(&mut self, amount: Nano) -> Result<(), Error>;
    fn put_hash(&mut self, hash: &Hash32) -> Result<(), Error>;
    fn put_maybe(&mut self, cell: Option<&Cell>) -> Result<(), Error>;
}

impl Fields for CellBuilder {
    fn put_address(&mut self, address: &Address) -> Result<(), Error> {
        std_addr(address).store_into(self, Cell::empty_context())
    }

    fn put_coins(&mut self, amount: Nano) -> Result<(), Error> {
        Tokens::new(u128::from(amount.get())).store_into(self, Cell::empty_context())
    }

    fn put_hash(&mut self, hash: &Hash32) -> Result<(), Error> {
        self.store_u256(&HashBytes(hash.0))
    }

    fn put_maybe(&mut self, cell: Option<&Cell>) -> Result<(), Error> {
        self.store_bit(cell.is_some())?;
        cell.map_or(Ok(()), |cell| self.store_reference(cell.clone()))
    }
}

pub(crate) fn take_address(slice: &mut CellSlice<'_>) -> Result<Address, Error> {
    let address = StdAddr::load_from(slice)?;
    Ok(Address { workchain: address.workchain, hash: Hash32(address.address.0) })
}

pub(crate) fn take_coins(slice: &mut CellSlice<'_>) -> Result<Nano, Error> {
    let tokens = Tokens::load_from(slice)?;
    u64::try_from(tokens.into_inner()).map(Nano::new).map_err(|_| Error::IntOverflow)
}

pub(crate) fn take_hash(slice: &mut CellSlice<'_>) -> Result<Hash32, Error> {
    slice.load_u256().map(|hash| Hash32(hash.0))
}

pub(crate) fn take_maybe(slice: &mut CellSlice<'_>) -> Result<Option<Cell>, Error> {
    if slice.load_bit()? { slice.load_reference_cloned().map(Some) } else { Ok(None) }
}

/// A signature in a cell of its own.
pub(crate) fn signature(signature: &Signature) -> Result<Cell, ContractError> {
    build("Signature", |cell| cell.store_raw(&signature.0, 512))
}

/// The address that `init` deploys to, on the basechain.
pub(crate) fn address_of(init: &StateInit) -> Result<Address, ContractError> {
    let cell = CellBuilder::build_from(init)
        .map_err(|error| ContractError::Build { what: "StateInit", cause: error.to_string() })?;
    Ok(Address::basechain(cell.repr_hash().0))
}

pub(crate) fn state_init(code: &Cell, data: Cell) -> StateInit {
    StateInit { code: Some(code.clone()), data: Some(data), ..StateInit::default() }
}
