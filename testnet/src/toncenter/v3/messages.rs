//! `messages`: every message of the window once.

use serde_json::{Value, json};
use tycho_types::models::StdAddr;
use tycho_types::prelude::*;

use super::params::{Direction, Params};
use super::shape::Writer;
use super::transactions::in_order;
use crate::chain::Chain;
use crate::toncenter::dialect::ApiError;
use crate::toncenter::index::{Entry, Index, Kind, Link};

/// An end of a message: `null` asks for messages that have none there.
enum End {
    Any,
    Nobody,
    Account(StdAddr),
}

impl End {
    fn read(params: &Params, name: &str) -> Result<Self, ApiError> {
        if params.text(name) == Some("null") {
            return Ok(Self::Nobody);
        }
        Ok(params.address(name)?.map_or(Self::Any, Self::Account))
    }

    fn fits(&self, address: Option<&StdAddr>) -> bool {
        match self {
            Self::Any => true,
            Self::Nobody => address.is_none(),
            Self::Account(wanted) => address == Some(wanted),
        }
    }
}

pub(crate) fn list(chain: &Chain, index: &Index, params: &Params) -> Result<Value, ApiError> {
    let (page, span, direction) = (params.page()?, params.span()?, params.direction()?);
    let hashes = params.hashes("msg_hash")?;
    let (body, opcode) = (params.hash("body_hash")?, params.opcode("opcode")?);
    let (source, destination) = (End::read(params, "source")?, End::read(params, "destination")?);
    let without = params.flag("exclude_externals")? == Some(true);
    let only = params.flag("only_externals")? == Some(true);
    let fits = |link: &Link| {
        let external = link.kind != Kind::Internal;
        (hashes.is_empty() || hashes.contains(&link.hash) || hashes.contains(&link.norm))
            && body.is_none_or(|hash| link.body_hash == hash)
            && opcode.is_none_or(|opcode| link.opcode == Some(opcode))
            && source.fits(link.source.as_ref())
            && destination.fits(link.destination.as_ref())
            && !(without && external)
            && (!only || external)
    };
    let found = in_order(index, page)
        .filter(|(_, entry)| span.holds(entry.now, entry.place.lt))
        .flat_map(|(_, entry)| once_each(index, entry, direction).map(move |link| (entry, link)))
        .filter(|(_, link)| fits(link));
    let mut writer = Writer::new(chain, index);
    let mut rows = Vec::new();
    for (entry, link) in page.cut(found) {
        if let Some(cell) = cell_of(chain, entry, &link.hash)? {
            rows.push(writer.message(&cell)?);
        }
    }
    Ok(json!({ "messages": rows, "address_book": writer.address_book()?, "metadata": {} }))
}

/// The messages a transaction is responsible for: those it sent, and the one it received if its
/// sender is not in the window. With a direction, all of that side.
fn once_each<'a>(
    index: &'a Index,
    entry: &'a Entry,
    direction: Option<Direction>,
) -> impl Iterator<Item = &'a Link> {
    let received = entry.in_msg.as_ref().filter(|link| match direction {
        Some(Direction::In) => true,
        Some(Direction::Out) => false,
        None => index.sender(&link.hash).is_none(),
    });
    let sent = entry.out_msgs.iter().filter(move |_| direction != Some(Direction::In));
    sent.chain(received)
}

/// The message's cell, from the transaction that names it.
fn cell_of(chain: &Chain, entry: &Entry, hash: &HashBytes) -> Result<Option<Cell>, ApiError> {
    let Some(record) = chain.transaction(&entry.place.address, entry.place.lt)? else {
        return Ok(None);
    };
    let parsed = record.load()?;
    if let Some(cell) = parsed.in_msg.filter(|cell| cell.repr_hash() == hash) {
        return Ok(Some(cell));
    }
    for cell in parsed.out_msgs.values() {
        let cell = cell?;
        if cell.repr_hash() == hash {
            return Ok(Some(cell));
        }
    }
    Ok(None)
}
