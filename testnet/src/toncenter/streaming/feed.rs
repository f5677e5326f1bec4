//! One client's events, read off the index from where the last ones ended.
//!
//! There is no queue: a client that reads slowly holds a position, not a backlog. When it comes
//! back after much happened, it gets the traces as they stand then, each once; only what has left
//! the index's window in the meantime is lost to it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tycho_types::models::StdAddr;
use tycho_types::prelude::*;

use super::subscription::{EventType, Subscription};
use crate::chain::{AccountStatus, Chain, TxRecord};
use crate::toncenter::dialect::ApiError;
use crate::toncenter::index::Index;
use crate::toncenter::server::{Shared, Tip};
use crate::toncenter::tokens::jetton_wallet;
use crate::toncenter::v3::shape::{Writer, account_state, hash, raw, state_hash};
use crate::toncenter::v3::traces::Trace;
use crate::toncenter::v3::{actions, jettons};

/// Most transactions looked at for one batch of events.
const BATCH: usize = 512;
/// Pause before the chain is asked again after it was too busy.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// A client's position.
#[derive(Debug)]
pub(crate) struct Feed {
    shared: Arc<Shared>,
    tips: watch::Receiver<Tip>,
    position: u64,
}

impl Feed {
    /// A feed of everything that happens from now on.
    pub(crate) async fn open(shared: Arc<Shared>) -> Result<Self, ApiError> {
        let tips = shared.tips();
        let mut feed = Self { shared, tips, position: 0 };
        feed.skip().await?;
        Ok(feed)
    }

    /// Goes to the end of what happened so far.
    pub(crate) async fn skip(&mut self) -> Result<(), ApiError> {
        let end = |_: &mut Chain, index: &mut Index| Ok(index.end());
        self.position = Arc::clone(&self.shared).run_indexed(end).await?;
        Ok(())
    }

    /// The next events, as JSON texts. Waits until there are some; safe to drop while it waits.
    pub(crate) async fn next(
        &mut self,
        subscription: &Arc<Subscription>,
    ) -> Result<Vec<String>, ApiError> {
        loop {
            self.tips.mark_unchanged();
            let (position, wanted) = (self.position, Arc::clone(subscription));
            let work =
                move |chain: &mut Chain, index: &mut Index| batch(chain, index, position, &wanted);
            match Arc::clone(&self.shared).run_indexed(work).await {
                Ok((end, events, more)) => {
                    self.position = end;
                    if !events.is_empty() {
                        return Ok(events);
                    }
                    if more {
                        continue;
                    }
                }
                Err(error) if error.status == 429 => {
                    tokio::time::sleep(BUSY_PAUSE).await;
                    continue;
                }
                Err(error) => return Err(error),
            }
            if self.tips.changed().await.is_err() {
                // The server is gone, and with it everything that could happen.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// The events of the transactions from `position` on, where they end, and whether more follow.
fn batch(
    chain: &Chain,
    index: &Index,
    position: u64,
    wanted: &Subscription,
) -> Result<(u64, Vec<String>, bool), ApiError> {
    let position = index.news_since(position);
    let (mut end, mut roots, mut seen) = (position, Vec::new(), BTreeSet::new());
    let mut accounts: Vec<StdAddr> = Vec::new();
    for (looked, (number, entry)) in index.since(position).enumerate() {
        // A trace that began in this batch is told of whole, not once more in the next.
        if looked >= BATCH && !seen.contains(&entry.root) {
            break;
        }
        end = number + 1;
        if seen.insert(entry.root) {
            roots.push(entry.root);
        }
        if !accounts.contains(&entry.place.address) {
            accounts.push(entry.place.address.clone());
        }
    }
    let mut events = Vec::new();
    for root in roots {
        if let Some(trace) = Trace::of(index, root) {
            trace_events(chain, index, &trace, wanted, &mut events)?;
        }
    }
    if wanted.wants(EventType::AccountStateChange) {
        for account in accounts.iter().filter(|account| wanted.addresses.contains(account)) {
            events.push(account_event(chain, account)?);
        }
    }
    if wanted.wants(EventType::JettonsChange) {
        for account in &accounts {
            events.extend(jetton_event(chain, index, account, wanted)?);
        }
    }
    let events = events.into_iter().map(|event| event.to_string()).collect();
    Ok((end, events, end < index.end()))
}

fn trace_events(
    chain: &Chain,
    index: &Index,
    trace: &Trace<'_>,
    wanted: &Subscription,
    events: &mut Vec<Value>,
) -> Result<(), ApiError> {
    let norm = trace.external_hash().map_or_else(|| trace.id(), |(_, norm)| norm);
    let followed = wanted.wants(EventType::Trace) && wanted.traces.contains(&norm);
    let touched =
        trace.members.iter().any(|(_, entry)| wanted.addresses.contains(&entry.place.address));
    if !followed && !touched {
        return Ok(());
    }
    let mut records = trace.records(chain)?;
    records.sort_by_key(|record| record.lt);
    if touched && wanted.wants(EventType::Transactions) {
        let mut writer = Writer::new(chain, index);
        let mut rows = Vec::new();
        for record in records.iter().rev() {
            if wanted.addresses.contains(&record.address) {
                rows.push(writer.transaction(record)?);
            }
        }
        if !rows.is_empty() {
            events.push(event(
                "transactions",
                &norm,
                "transactions",
                rows.into(),
                &writer,
                wanted,
            )?);
        }
    }
    if touched && wanted.wants(EventType::Actions) {
        let mut writer = Writer::new(chain, index);
        let rows = chosen_actions(&mut writer, trace, &records, wanted)?;
        let theirs: Vec<String> = wanted.addresses.iter().map(raw).collect();
        let concerns = |row: &Value| {
            let accounts = row["accounts"].as_array().map(Vec::as_slice).unwrap_or_default();
            accounts.iter().any(|account| theirs.iter().any(|ours| account == ours.as_str()))
        };
        let rows: Vec<Value> = rows.into_iter().filter(concerns).collect();
        if !rows.is_empty() {
            events.push(event("actions", &norm, "actions", rows.into(), &writer, wanted)?);
        }
    }
    if followed {
        let mut writer = Writer::new(chain, index);
        let mut transactions = Map::new();
        for record in &records {
            transactions.insert(hash(&record.hash), writer.transaction(record)?);
        }
        let rows = chosen_actions(&mut writer, trace, &records, wanted)?;
        let tree = trace.tree(index);
        let mut value = event("trace", &norm, "trace", tree, &writer, wanted)?;
        value["transactions"] = Value::Object(transactions);
        if !rows.is_empty() {
            value["actions"] = rows.into();
        }
        events.push(value);
    }
    Ok(())
}

fn chosen_actions(
    writer: &mut Writer<'_>,
    trace: &Trace<'_>,
    records: &[TxRecord],
    wanted: &Subscription,
) -> Result<Vec<Value>, ApiError> {
    let mut rows = actions::of_trace(writer, trace, records)?;
    rows.retain(|row| {
        let kind = row["type"].as_str().unwrap_or_default();
        wanted.action_types.is_empty() || wanted.action_types.contains(kind)
    });
    Ok(rows)
}

fn event(
    kind: &str,
    norm: &HashBytes,
    key: &str,
    rows: Value,
    writer: &Writer<'_>,
    wanted: &Subscription,
) -> Result<Value, ApiError> {
    let mut value = json!({
        "type": kind,
        "finality": "finalized",
        "trace_external_hash_norm": hash(norm),
    });
    value[key] = rows;
    books(&mut value, writer, wanted)?;
    Ok(value)
}

fn books(value: &mut Value, writer: &Writer<'_>, wanted: &Subscription) -> Result<(), ApiError> {
    if wanted.with_address_book {
        value["address_book"] = writer.address_book()?;
    }
    if wanted.with_metadata {
        value["metadata"] = json!({});
    }
    Ok(())
}

/// The account as it stands: an account that changed twice since the last batch is told of once.
fn account_event(chain: &Chain, account: &StdAddr) -> Result<Value, ApiError> {
    let view = chain.account(account)?;
    Ok(json!({
        "type": "account_state_change",
        "finality": "finalized",
        "account": raw(account),
        "state": account_state(&view, &state_hash(chain, account)?),
    }))
}

/// If a contract that changed is a jetton wallet: its balance, for who follows it or its owner.
fn jetton_event(
    chain: &Chain,
    index: &Index,
    account: &StdAddr,
    wanted: &Subscription,
) -> Result<Option<Value>, ApiError> {
    if chain.account(account)?.status != AccountStatus::Active {
        return Ok(None);
    }
    let Some(wallet) = jetton_wallet(chain, account)? else { return Ok(None) };
    if !wanted.addresses.contains(account) && !wanted.addresses.contains(&wallet.owner) {
        return Ok(None);
    }
    let mut writer = Writer::new(chain, index);
    let jetton = jettons::wallet_row(&mut writer, account, &wallet)?;
    let mut value = json!({ "type": "jettons_change", "finality": "finalized", "jetton": jetton });
    books(&mut value, &writer, wanted)?;
    Ok(Some(value))
}
