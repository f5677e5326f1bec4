//! Traces: a transaction and all it caused.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tycho_types::models::StdAddr;
use tycho_types::prelude::*;

use super::actions;
use super::params::Params;
use super::shape::{Writer, hash};
use super::transactions::{in_order, records};
use crate::chain::{Chain, TxRecord, TxRef};
use crate::toncenter::dialect::ApiError;
use crate::toncenter::index::{Entry, Index, Kind};

/// Largest trace whose transactions are listed, as at toncenter.
const MAX_TRANSACTIONS: usize = 4_000;
/// How deep a tree is drawn; what hangs lower is named in `transactions` alone.
const MAX_DEPTH: usize = 40;

/// A trace of the window: its members in order.
pub(crate) struct Trace<'a> {
    pub(crate) root: u64,
    pub(crate) members: Vec<(u64, &'a Entry)>,
}

impl<'a> Trace<'a> {
    /// The trace that begins with this entry; `None` if that has left the window.
    pub(crate) fn of(index: &'a Index, root: u64) -> Option<Self> {
        let numbers = index.trace(root)?;
        let members: Vec<_> =
            numbers.iter().filter_map(|at| index.get(*at).map(|entry| (*at, entry))).collect();
        (!members.is_empty()).then_some(Self { root, members })
    }

    pub(crate) fn first(&self) -> Option<&'a Entry> {
        self.members.first().map(|(_, entry)| *entry)
    }

    fn last(&self) -> Option<&'a Entry> {
        self.members.iter().map(|(_, entry)| *entry).max_by_key(|entry| entry.place.lt)
    }

    pub(crate) fn id(&self) -> HashBytes {
        self.first().map_or(HashBytes::ZERO, |entry| entry.place.hash)
    }

    pub(crate) fn end(&self) -> (u64, u32, u32) {
        self.last().map_or((0, 0, 0), |entry| (entry.place.lt, entry.now, entry.block))
    }

    pub(crate) fn external_hash(&self) -> Option<(HashBytes, HashBytes)> {
        let message = self.first()?.in_msg.as_ref()?;
        Some((message.hash, message.norm))
    }

    pub(crate) fn records(&self, chain: &Chain) -> Result<Vec<TxRecord>, ApiError> {
        let kept = self.members.iter().take(MAX_TRANSACTIONS);
        let places: Vec<TxRef> = kept.map(|(_, entry)| entry.place.clone()).collect();
        records(chain, &places)
    }

    fn involves(&self, account: &StdAddr) -> bool {
        self.members.iter().any(|(_, entry)| entry.place.address == *account)
    }

    /// How many internal messages there are, and how many of them were not delivered yet.
    fn messages(&self, index: &Index) -> (usize, usize) {
        let (mut all, mut pending) =
            (usize::from(self.first().is_some_and(|e| e.in_msg.is_some())), 0);
        for link in self.members.iter().flat_map(|(_, entry)| &entry.out_msgs) {
            all += 1;
            let waits = link.kind == Kind::Internal && index.receiver(&link.hash).is_none();
            pending += usize::from(waits);
        }
        (all, pending)
    }

    /// The tree as hashes, from this member down.
    pub(crate) fn node(&self, index: &Index, number: u64, depth: usize) -> Value {
        let Some(entry) = index.get(number) else { return Value::Null };
        let mut children = Vec::new();
        if depth > 0 {
            for link in &entry.out_msgs {
                if let Some(child) = index.receiver(&link.hash) {
                    children.push(self.node(index, child, depth - 1));
                }
            }
        }
        let mut node = json!({ "tx_hash": hash(&entry.place.hash), "children": children });
        if let Some(message) = &entry.in_msg {
            node["in_msg_hash"] = hash(&message.hash).into();
        }
        node
    }

    pub(crate) fn tree(&self, index: &Index) -> Value {
        self.node(index, self.root, MAX_DEPTH)
    }

    /// `Trace`.
    fn write(&self, writer: &mut Writer<'_>, params: &Wanted) -> Result<Value, ApiError> {
        let (index, chain) = (writer.index, writer.chain);
        let records = self.records(chain)?;
        let mut transactions = Map::new();
        let mut order = Vec::with_capacity(records.len());
        for record in &records {
            order.push(hash(&record.hash));
            transactions.insert(hash(&record.hash), writer.transaction(record)?);
        }
        let (messages, pending) = self.messages(index);
        let (end_lt, end_utime, end_block) = self.end();
        let first = self.first();
        let too_large = self.members.len() > MAX_TRANSACTIONS;
        let mut value = json!({
            "trace_id": hash(&self.id()),
            "external_hash": self.external_hash().map(|(plain, _)| hash(&plain)),
            "mc_seqno_start": first.map_or(0, |entry| entry.block).to_string(),
            "mc_seqno_end": end_block.to_string(),
            "start_lt": first.map_or(0, |entry| entry.place.lt).to_string(),
            "start_utime": first.map_or(0, |entry| entry.now),
            "end_lt": end_lt.to_string(),
            "end_utime": end_utime,
            "trace_info": {
                "trace_state": if pending == 0 { "complete" } else { "pending" },
                "messages": messages,
                "transactions": self.members.len(),
                "pending_messages": pending,
                "classification_state": "ok",
            },
            "is_incomplete": too_large,
            "trace": self.tree(index),
            "transactions_order": order,
            "transactions": transactions,
        });
        if too_large {
            value["warning"] = "trace is too large".into();
        }
        if params.actions {
            value["actions"] = actions::of_trace(writer, self, &records)?.into();
        }
        Ok(value)
    }
}

/// What a listing shows besides the traces themselves.
struct Wanted {
    actions: bool,
}

/// The traces a query names, in its order.
pub(crate) fn select<'a>(
    chain: &Chain,
    index: &'a Index,
    params: &Params,
) -> Result<Vec<Trace<'a>>, ApiError> {
    let (page, span) = (params.page()?, params.span()?);
    let account = params.address("account")?;
    let master = params.number::<u32>("mc_seqno")?;
    if let Some(seqno) = master
        && chain.block(seqno)?.is_none()
    {
        return Err(ApiError::not_found(&format!("masterchain block {seqno}")));
    }
    let mut named: Option<BTreeSet<u64>> = None;
    let mut narrow = |found: BTreeSet<u64>| {
        named = Some(match named.take() {
            Some(before) => before.intersection(&found).copied().collect(),
            None => found,
        });
    };
    let root_of = |number: u64| index.get(number).map(|entry| entry.root);
    for name in ["trace_id", "tx_hash"] {
        let hashes = params.hashes(name)?;
        if !hashes.is_empty() {
            let found = hashes.iter().filter_map(|hash| root_of(index.transaction(hash)?));
            narrow(found.collect());
        }
    }
    let messages = params.hashes("msg_hash")?;
    if !messages.is_empty() {
        let holder = |hash| index.receiver(hash).or_else(|| index.sender(hash));
        let found = messages.iter().filter_map(|hash| root_of(holder(hash)?));
        narrow(found.collect());
    }
    let roots: Box<dyn Iterator<Item = u64>> = match named {
        Some(roots) if page.newest_first() => Box::new(roots.into_iter().rev()),
        Some(roots) => Box::new(roots.into_iter()),
        None => Box::new(in_order(index, page).filter(|(at, e)| e.root == *at).map(|(at, _)| at)),
    };
    let fits = |trace: &Trace<'_>| {
        let (end_lt, end_utime, end_block) = trace.end();
        span.holds(end_utime, end_lt)
            && master.is_none_or(|seqno| seqno == end_block)
            && account.as_ref().is_none_or(|account| trace.involves(account))
    };
    let found = roots.filter_map(|root| Trace::of(index, root)).filter(fits);
    Ok(page.cut(found))
}

/// `traces` and `events`.
pub(crate) fn list(
    chain: &Chain,
    index: &Index,
    params: &Params,
    key: &str,
) -> Result<Value, ApiError> {
    let wanted = Wanted { actions: params.flag("include_actions")? == Some(true) };
    params.texts("supported_action_types")?;
    let mut writer = Writer::new(chain, index);
    let mut rows = Vec::new();
    for trace in select(chain, index, params)? {
        rows.push(trace.write(&mut writer, &wanted)?);
    }
    let mut answer = json!({ "address_book": writer.address_book()?, "metadata": {} });
    answer[key] = rows.into();
    Ok(answer)
}

/// `pendingTraces`: nothing is ever pending here.
pub(crate) fn pending(params: &Params) -> Result<Value, ApiError> {
    params.address("account")?;
    params.hashes("ext_msg_hash")?;
    Ok(json!({ "traces": [], "address_book": {}, "metadata": {} }))
}
