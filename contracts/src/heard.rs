//! Messages to the contracts, read back: a stranger follows a market, or checks a task's story, by
//! what the contracts were told. Bodies come from the chain: anything may be in them.

use std::collections::BTreeMap;

use fog_protocol::{Hash32, PublicKey, Signature};
use tycho_types::{
    cell::{Cell, CellSlice},
    dict::Dict,
    error::Error,
};

use crate::{
    ContractError,
    cells::{self, take_address, take_coins, take_hash, take_maybe},
    market::{self, Config, Settings},
    task::{Assign, TaskInit, Verdict, op, take_outcome},
};

/// Reads a message body with this opcode; the query id means nothing to readers.
fn read<T>(
    what: &'static str,
    op: u32,
    body: &Cell,
    parse: impl FnOnce(&mut CellSlice<'_>) -> Result<T, Error>,
) -> Result<T, ContractError> {
    cells::read(what, body, |slice| {
        if slice.load_u32()? != op {
            return Err(Error::InvalidTag);
        }
        let _query = slice.load_u64()?;
        parse(slice)
    })
}

fn signature(cell: &Cell) -> Result<Signature, ContractError> {
    cells::read("Signature", cell, |slice| {
        let mut bytes = [0; 64];
        slice.load_raw(&mut bytes, 512)?;
        Ok(Signature(bytes))
    })
}

/// The configuration that a `Setup` or a `Propose` carries to a market.
///
/// # Errors
/// [`ContractError::Layout`] if it is neither.
pub fn configured(body: &Cell) -> Result<Config, ContractError> {
    let config = cells::read("Setup or Propose", body, |slice| {
        if !matches!(slice.load_u32()?, market::op::SETUP | market::op::PROPOSE) {
            return Err(Error::InvalidTag);
        }
        let _query = slice.load_u64()?;
        slice.load_reference_cloned()
    })?;
    Config::parse(&config)
}

/// The task that a `Register` to a market is of.
///
/// # Errors
/// [`ContractError::Layout`] if it is none.
pub fn registered(body: &Cell) -> Result<TaskInit, ContractError> {
    let init = cells::read("Register", body, |slice| {
        if slice.load_u32()? != market::op::REGISTER {
            return Err(Error::InvalidTag);
        }
        let _query = slice.load_u64()?;
        slice.load_reference_cloned()
    })?;
    TaskInit::parse(&init)
}

/// `Opened`, from the market: the settings that hold for the task.
///
/// # Errors
/// [`ContractError::Layout`].
pub fn opened(body: &Cell) -> Result<Settings, ContractError> {
    let settings = read("Opened", op::OPENED, body, |slice| slice.load_reference_cloned())?;
    Settings::parse(&settings)
}

/// `Assign`, from the node.
///
/// # Errors
/// [`ContractError::Layout`].
pub fn assign(body: &Cell) -> Result<Assign, ContractError> {
    let (owner, price, reserve, valid_until, consent) =
        read("Assign", op::ASSIGN, body, |slice| {
            Ok((
                take_address(slice)?,
                take_coins(slice)?,
                take_coins(slice)?,
                slice.load_u32()?,
                slice.load_reference_cloned()?,
            ))
        })?;
    Ok(Assign { owner, price, reserve, valid_until, consent: signature(&consent)? })
}

/// `Reserved`, from the stake: the session key that is bound to the task.
///
/// # Errors
/// [`ContractError::Layout`].
pub fn reserved(body: &Cell) -> Result<PublicKey, ContractError> {
    read("Reserved", op::RESERVED, body, take_hash).map(PublicKey)
}

/// `Commit`: the commitment and the session key's signature.
///
/// # Errors
/// [`ContractError::Layout`].
pub fn commit(body: &Cell) -> Result<(Hash32, Signature), ContractError> {
    let (commitment, signed) = read("Commit", op::COMMIT, body, |slice| {
        Ok((take_hash(slice)?, slice.load_reference_cloned()?))
    })?;
    Ok((commitment, signature(&signed)?))
}

/// `Verdict`, with the verifiers' signatures.
///
/// # Errors
/// [`ContractError::Layout`].
pub fn verdict(body: &Cell) -> Result<Verdict, ContractError> {
    judgement("Verdict", op::VERDICT, body)
}

/// `Ruling`, with the verifiers' signatures.
///
/// # Errors
/// [`ContractError::Layout`].
pub fn ruling(body: &Cell) -> Result<Verdict, ContractError> {
    judgement("Ruling", op::RULING, body)
}

fn judgement(what: &'static str, op: u32, body: &Cell) -> Result<Verdict, ContractError> {
    let (outcome, evidence, valid_until, map) = read(what, op, body, |slice| {
        Ok((take_outcome(slice)?, take_hash(slice)?, slice.load_u32()?, take_maybe(slice)?))
    })?;
    let mut signatures = BTreeMap::new();
    for entry in Dict::<u8, Cell>::from_raw(map).iter() {
        let (index, cell) =
            entry.map_err(|error| ContractError::Layout { what, cause: error.to_string() })?;
        signatures.insert(index, signature(&cell)?);
    }
    Ok(Verdict { outcome, evidence, valid_until, signatures })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use fog_protocol::{Address, Nano};
    use proptest::prelude::*;
    use tycho_types::cell::CellBuilder;

    use super::*;
    use crate::task;

    proptest! {
        #[test]
        fn what_is_said_is_heard(
            hash in any::<[u8; 32]>(), half in any::<[u8; 32]>(), price in any::<u64>(),
            until in any::<u32>(), outcome in prop::sample::select(task::Outcome::ALL.to_vec()),
            indexes in prop::collection::btree_set(any::<u8>(), 0..5),
        ) {
            let (owner, hash) = (Address::basechain(hash), Hash32(hash));
            let mut bytes = [0; 64];
            bytes[..32].copy_from_slice(&half);
            let signed = Signature(bytes);
            let (price, reserve) = (Nano::new(price), Nano::new(price / 3));
            let said = Assign { owner, price, reserve, valid_until: until, consent: signed };
            prop_assert_eq!(assign(&task::assign(7, &said).unwrap()).unwrap(), said);
            let body = task::commit(7, &hash, &signed).unwrap();
            prop_assert_eq!(commit(&body).unwrap(), (hash, signed));
            let signatures = indexes.iter().map(|index| (*index, signed)).collect();
            let said = Verdict { outcome, evidence: hash, valid_until: until, signatures };
            let body = task::verdict(7, &said).unwrap();
            prop_assert_eq!(verdict(&body).unwrap(), said.clone());
            prop_assert!(assign(&body).is_err() && commit(&body).is_err());
            prop_assert!(ruling(&body).is_err());
            let body = crate::dispute::ruling(7, &said).unwrap();
            prop_assert_eq!(ruling(&body).unwrap(), said);
        }

        #[test]
        fn no_cell_makes_them_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..127),
            child in prop::collection::vec(any::<u8>(), 0..127),
            op in prop::sample::select(vec![op::OPENED, op::ASSIGN, op::COMMIT, op::VERDICT]),
        ) {
            let mut builder = CellBuilder::new();
            builder.store_u32(op).unwrap();
            let fits = bytes.len().min(120);
            builder.store_raw(&bytes[..fits], (fits * 8) as u16).unwrap();
            let mut inner = CellBuilder::new();
            inner.store_raw(&child, (child.len() * 8) as u16).unwrap();
            builder.store_reference(inner.build().unwrap()).unwrap();
            let body = builder.build().unwrap();
            let _ = (opened(&body), assign(&body), reserved(&body), commit(&body), verdict(&body));
        }
    }
}
