//! Routes about blocks and transactions.

use serde_json::{Value, json};
use tycho_types::models::StdAddr;

use super::params::{Direction, Page, Params, Span};
use super::shape::{Writer, block};
use crate::chain::{Block, Chain, Order, TxRecord, TxRef};
use crate::toncenter::dialect::ApiError;
use crate::toncenter::index::{Entry, Index, Link};

/// How many rows of a history are looked through for one page.
const MAX_SCANNED: usize = 20_000;
/// How many rows of a history are read at once.
const CHUNK: usize = 256;

pub(crate) fn masterchain_info(chain: &Chain) -> Result<Value, ApiError> {
    let first = chain.block(0)?.ok_or_else(|| ApiError::not_found("block"))?;
    Ok(json!({ "last": block(chain, chain.last_block(), -1), "first": block(chain, &first, -1) }))
}

fn block_at(chain: &Chain, seqno: Option<u32>) -> Result<Option<Block>, ApiError> {
    seqno.map_or(Ok(None), |seqno| Ok(chain.block(seqno)?))
}

/// `seqno` of a masterchain block that must exist.
fn required_block(chain: &Chain, params: &Params) -> Result<Block, ApiError> {
    let seqno = params.number::<u32>("seqno")?;
    let seqno = seqno.ok_or_else(|| ApiError::parameter("seqno is required"))?;
    block_at(chain, Some(seqno))?.ok_or_else(|| ApiError::not_found("blocks"))
}

/// `masterchainBlockShardState` and `masterchainBlockShards`: the one basechain block, and the
/// masterchain block itself among the shards.
pub(crate) fn shard_state(chain: &Chain, params: &Params) -> Result<Value, ApiError> {
    let found = required_block(chain, params)?;
    Ok(json!({ "blocks": [block(chain, &found, 0), block(chain, &found, -1)] }))
}

pub(crate) fn shards(chain: &Chain, params: &Params) -> Result<Value, ApiError> {
    let (found, page) = (required_block(chain, params)?, params.page()?);
    Ok(json!({ "blocks": page.cut([block(chain, &found, 0)]) }))
}

/// `blocks`: both workchains' blocks that fit all filters.
pub(crate) fn blocks(chain: &Chain, params: &Params) -> Result<Value, ApiError> {
    let (page, span, workchain) = (params.page()?, params.span()?, params.workchain()?);
    let seqno = params.number::<u32>("seqno")?.or(params.number("mc_seqno")?);
    let (root, file) = (params.hash("root_hash")?, params.hash("file_hash")?);
    let last = chain.last_block().seqno;
    let numbers: Box<dyn Iterator<Item = u32>> = match seqno {
        Some(seqno) if seqno > last => Box::new(std::iter::empty()),
        Some(seqno) => Box::new(std::iter::once(seqno)),
        None if page.newest_first() => Box::new((0..=last).rev()),
        None => Box::new(0..=last),
    };
    let mut rows = Vec::new();
    for number in numbers.take(MAX_SCANNED) {
        let Some(found) = chain.block(number)? else { continue };
        if !span.holds(found.gen_utime, found.end_lt) {
            continue;
        }
        for chosen in [-1, 0] {
            let (root_hash, file_hash) = found.hashes(chosen);
            let fits = workchain.is_none_or(|workchain| workchain == chosen)
                && root.is_none_or(|root| root == root_hash)
                && file.is_none_or(|file| file == file_hash);
            if fits {
                rows.push(block(chain, &found, chosen));
            }
        }
        if rows.len() >= page.needed() {
            break;
        }
    }
    Ok(json!({ "blocks": page.cut(rows) }))
}

/// What a row must fit besides its time.
struct Filter {
    span: Span,
    excluded: Vec<StdAddr>,
    lt: Option<u64>,
    workchain: Option<i32>,
    accounts: Vec<StdAddr>,
}

impl Filter {
    fn fits(&self, place: &TxRef, now: u32) -> bool {
        self.span.holds(now, place.lt)
            && self.lt.is_none_or(|lt| lt == place.lt)
            && self.workchain.is_none_or(|chosen| chosen == i32::from(place.address.workchain))
            && !self.excluded.contains(&place.address)
            && (self.accounts.is_empty() || self.accounts.contains(&place.address))
    }
}

pub(crate) fn transactions(
    chain: &Chain,
    index: &Index,
    params: &Params,
) -> Result<Value, ApiError> {
    let page = params.page()?;
    let filter = Filter {
        span: params.span()?,
        excluded: params.addresses("exclude_account")?,
        lt: params.number("lt")?,
        workchain: params.workchain()?,
        accounts: params.addresses("account")?,
    };
    let seqno = params.number::<u32>("seqno")?;
    if seqno.is_some() && filter.workchain.is_none() {
        return Err(ApiError::parameter("seqno must be sent with workchain and shard"));
    }
    let master = params.number::<u32>("mc_seqno")?;
    let hashes = params.hashes("hash")?;

    let mut places = if !hashes.is_empty() {
        let found = hashes.iter().filter_map(|hash| index.get(index.transaction(hash)?));
        found.filter(|entry| filter.fits(&entry.place, entry.now)).map(place_of).collect()
    } else if let Some(seqno) = seqno.or(master) {
        let Some(found) = chain.block(seqno)? else {
            return Err(ApiError::not_found("blocks"));
        };
        let fits = |place: &&TxRef| filter.fits(place, found.gen_utime);
        found.transactions.iter().filter(fits).cloned().collect()
    } else if filter.accounts.is_empty() {
        let fits = |(_, entry): &(u64, &Entry)| filter.fits(&entry.place, entry.now);
        in_order(index, page).filter(fits).take(page.needed()).map(|(_, e)| place_of(e)).collect()
    } else {
        let mut places = Vec::new();
        for account in &filter.accounts {
            places.extend(history(chain, account, &filter, page)?);
        }
        places
    };
    sort(&mut places, page);
    answer(chain, index, page.cut(places))
}

fn place_of(entry: &Entry) -> TxRef {
    entry.place.clone()
}

/// All entries of the window in the page's order.
pub(crate) fn in_order<'a>(
    index: &'a Index,
    page: Page,
) -> Box<dyn Iterator<Item = (u64, &'a Entry)> + 'a> {
    let all = index.since(0);
    if page.newest_first() { Box::new(all.rev()) } else { Box::new(all) }
}

/// By logical time; accounts of one time by their address.
fn sort(places: &mut [TxRef], page: Page) {
    places.sort_by(|a, b| (a.lt, &a.address).cmp(&(b.lt, &b.address)));
    if page.newest_first() {
        places.reverse();
    }
}

/// An account's transactions that fit, read off the store in pieces.
fn history(
    chain: &Chain,
    account: &StdAddr,
    filter: &Filter,
    page: Page,
) -> Result<Vec<TxRef>, ApiError> {
    let (mut from, mut to) = filter.span.lt_range();
    let (mut found, mut scanned) = (Vec::new(), 0usize);
    while found.len() < page.needed() && scanned < MAX_SCANNED {
        let piece = chain.transactions(account, from, to, page.order, CHUNK)?;
        let Some(last) = piece.last() else { break };
        match page.order {
            Order::NewestFirst => match last.lt.checked_sub(1) {
                Some(below) => to = below,
                None => break,
            },
            Order::OldestFirst => from = last.lt.saturating_add(1),
        }
        scanned = scanned.saturating_add(piece.len());
        for record in &piece {
            let place = record.reference();
            if filter.fits(&place, record.load()?.now) {
                found.push(place);
            }
        }
    }
    Ok(found)
}

/// The stored transactions at these places.
pub(crate) fn records(chain: &Chain, places: &[TxRef]) -> Result<Vec<TxRecord>, ApiError> {
    let mut records = Vec::with_capacity(places.len());
    for place in places {
        records.extend(chain.transaction(&place.address, place.lt)?);
    }
    Ok(records)
}

fn answer(chain: &Chain, index: &Index, places: Vec<TxRef>) -> Result<Value, ApiError> {
    let mut writer = Writer::new(chain, index);
    let mut rows = Vec::with_capacity(places.len());
    for record in records(chain, &places)? {
        rows.push(writer.transaction(&record)?);
    }
    Ok(json!({ "transactions": rows, "address_book": writer.address_book()? }))
}

/// `transactionsByMasterchainBlock`.
pub(crate) fn by_block(chain: &Chain, index: &Index, params: &Params) -> Result<Value, ApiError> {
    let (found, page) = (required_block(chain, params)?, params.page()?);
    let mut places = found.transactions;
    sort(&mut places, page);
    answer(chain, index, page.cut(places))
}

/// `transactionsByMessage`.
pub(crate) fn by_message(chain: &Chain, index: &Index, params: &Params) -> Result<Value, ApiError> {
    let (page, direction) = (params.page()?, params.direction()?);
    let message = params.hash("msg_hash")?;
    let body = params.hash("body_hash")?;
    let opcode = params.opcode("opcode")?;
    if message.is_none() && body.is_none() && opcode.is_none() {
        let text = "at least one of msg_hash, body_hash, opcode should be specified";
        return Err(ApiError::parameter(text));
    }
    let fits = |link: &Link| {
        message.is_none_or(|hash| link.hash == hash || link.norm == hash)
            && body.is_none_or(|hash| link.body_hash == hash)
            && opcode.is_none_or(|opcode| link.opcode == Some(opcode))
    };
    let wanted = |entry: &Entry| {
        (direction != Some(Direction::Out) && entry.in_msg.as_ref().is_some_and(fits))
            || (direction != Some(Direction::In) && entry.out_msgs.iter().any(fits))
    };
    let found = in_order(index, page).filter(|(_, entry)| wanted(entry));
    let places = page.cut(found.map(|(_, entry)| place_of(entry)));
    answer(chain, index, places)
}

/// `adjacentTransactions`: the one that caused it and the ones it caused.
pub(crate) fn adjacent(chain: &Chain, index: &Index, params: &Params) -> Result<Value, ApiError> {
    let direction = params.direction()?;
    let hash = params.hash("hash")?.ok_or_else(|| ApiError::parameter("hash is required"))?;
    let number = index.transaction(&hash).ok_or_else(|| ApiError::not_found("transaction"))?;
    let mut places = Vec::new();
    if let Some(entry) = index.get(number) {
        if direction != Some(Direction::Out)
            && let Some(parent) = entry.parent.and_then(|parent| index.get(parent))
        {
            places.push(place_of(parent));
        }
        if direction != Some(Direction::In) {
            let received = entry.out_msgs.iter().filter_map(|link| index.receiver(&link.hash));
            places.extend(received.filter_map(|at| index.get(at)).map(place_of));
        }
    }
    if places.is_empty() {
        return Err(ApiError::not_found("adjacent transactions"));
    }
    answer(chain, index, places)
}

/// `pendingTransactions`: what is executed here is in a block at once, so nothing is ever pending.
pub(crate) fn pending(params: &Params) -> Result<Value, ApiError> {
    params.some_addresses("account")?;
    params.hashes("trace_id")?;
    Ok(json!({ "transactions": [], "address_book": {} }))
}
